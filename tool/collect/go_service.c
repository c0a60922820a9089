/* See go_service.h.
 *
 * What is asked for, and when:
 *
 *     heap?debug=1      every observation; with gc=1 when no collection came for a while
 *     symbol            for addresses that the text does not name, once each
 *     goroutine         with every observation that counts, rarer when it is large or slow
 *     profile           in the background, one short one after the other over the whole window, so
 *                       that it is known when time went where; with pauses in a very long window
 *     mutex, block      at both ends of the window: what they gained is the window's
 *     goroutine?debug=2 at the end, when there are more of them than at the beginning
 *     /metrics          at the beginning, for what the heap text does not say */
#include "tool/collect/go_service.h"

#include "base/clock.h"
#include "base/hash.h"
#include "tool/collect/go_names.h"
#include "tool/collect/go_waits.h"
#include "tool/collect/http_client.h"
#include "tool/collect/ledger.h"
#include "tool/collect/limits.h"
#include "tool/collect/local_go.h"
#include "tool/profile/index.h"
#include "tool/profile/rewrite.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATIENCE_S      10.0 /* how long failures are forgiven */
#define STALE_S         1.0  /* without a collection, at least */
#define STALE_SHARE     (1.0 / 12)
#define GATHER_S        10.0       /* `ebb cpu` */
#define COSTS_SHARE     (1.0 / 10) /* of the window: one processor profile */
#define COSTS_LONGEST_S 5.0
#define COSTS_PACE      (1.0 / 60) /* of the window: from one to the next, at least */
#define SLOW_S          0.1
#define LARGE           ((size_t)1 << 20)
#define MOST_GOROUTINES 20000 /* to list: the service stands still meanwhile */
#define GROWN           1.1
#define SYMBOLS_AT_ONCE ((size_t)150) /* as many as fit into a URL everywhere */
#define GC_PATIENCE_S   20.0          /* a collection of a large heap takes its time */

struct symbol {
    uint64_t address;
    const char *name; /* in the service's arena; "": the service does not know it */
};

struct ebb_service {
    struct ebb_target_options options;
    struct ebb_arena arena;
    struct ebb_http *http;
    struct ebb_ledger *ledger;
    char *root;        /* "http://host:6060/debug/pprof", without user and password */
    char *shown;       /* the same without /debug/pprof: how messages name the service */
    const char *named; /* the profile that the URL names, "" none */
    bool plain;        /* no Go: heap profiles are taken as they come */

    struct symbols EBB_VEC(struct symbol) symbols;
    struct ebb_index symbol_index;
    bool unnamed;                        /* the service names no addresses */
    struct written EBB_VEC(char) normal; /* the name that is being normalised */

    /* What the heap text does not say. */
    pid_t pid;        /* when it runs on this machine; 0: elsewhere or unknown */
    bool metrics;     /* answers /metrics */
    bool facts_asked; /* what follows was looked for */
    char version[64];
    double gogc;         /* below 0: unknown */
    uint64_t gomemlimit; /* UINT64_MAX: none, or unknown */
    uint64_t rss;        /* as /metrics last said; UINT64_MAX: unknown */

    struct ebb_profile *first; /* the profile that opening took, until it is used */
    struct ebb_profile *newest_heap, *newest_goroutines; /* of the last look, when recording */
    double start_s;                                      /* of the first observation; 0: none yet */
    double moved_s;                                      /* when a collection was last seen */
    int64_t collected_ns;      /* when the last one was, as the service's clock has it; 0: never */
    struct ebb_go_stats last;  /* of the newest heap */
    double goroutines_after_s; /* not before */
    bool stale;                /* an observation was kept although no collection had come */

    struct ebb_http_transfer *costs;            /* the processor profile on its way */
    double costs_began_s;                       /* it was asked for; 0: none was */
    bool costs_over;                            /* the service gives none, or no longer */
    struct ebb_profile *before[EBB_COST_COUNT]; /* mutex and block as the window began */

    double failing_s; /* since when nothing works; 0: all is well */
    bool over;        /* gone or lost: nothing is asked any more */
    struct cautions EBB_VEC(const char *) cautions;
};

static double now_s(void)
{
    return (double)ebb_clock_ns() * 1e-9;
}

static int no_memory(const struct ebb_service *service, struct ebb_error *error)
{
    return ebb_error_set(error, -ENOMEM, "%s: out of memory", service->shown);
}

/* ---- the address ---- */

static int set_part(CURLU *url, CURLUPart part, char **text, bool decode)
{
    *text = NULL;
    CURLUcode code = curl_url_get(url, part, text, decode ? CURLU_URLDECODE : 0);
    return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : 0;
}

/* Where the profiles are, given any address of the service. The result is in the arena. */
static char *profile_path(struct ebb_arena *arena, const char *path)
{
    static const char usual[] = "/debug/pprof";
    const char *at = strstr(path, usual);
    if (at && (at[sizeof usual - 1] == '/' || !at[sizeof usual - 1]))
        return ebb_arena_strndup(arena, path, (size_t)(at - path) + sizeof usual - 1);
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    if (length >= 6 && strncmp(path + length - 6, "/pprof", 6) == 0)
        return ebb_arena_strndup(arena, path, length);
    return ebb_arena_printf(arena, "%.*s%s", (int)length, path, usual);
}

/* The profile that a path below /debug/pprof/ names, by Ebb's name for it; "" for none. */
static const char *profile_named(const char *path)
{
    static const char *const names[] = {"heap",  "allocs",    "mutex",
                                        "block", "goroutine", "threadcreate"};
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    if (strcmp(last, "profile") == 0)
        return "cpu";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(last, names[i]) == 0)
            return names[i];
    return "";
}

/* How long the query `seconds=N` wants a profile gathered; 0: it does not say. */
static double seconds_asked(const char *query)
{
    const char *at = query ? strstr(query, "seconds=") : NULL;
    double seconds = at && (at == query || at[-1] == '&') ? strtod(at + 8, NULL) : 0;
    return seconds >= 1 && seconds <= 3600 ? seconds : 0;
}

static bool is_this_machine(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "[::1]") == 0;
}

/* Splits the URL into `root`, `shown` and what the client needs. */
static int parse_url(struct ebb_service *service, CURLU *parts, const char *url,
                     struct ebb_http_options *options, struct ebb_error *error)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *path = NULL, *user = NULL, *password = NULL;
    char *query = NULL;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (code != CURLUE_OK)
        return ebb_error_set(error, code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL,
                             "the URL cannot be read (%s); write http://HOST:PORT",
                             curl_url_strerror(code));
    int failed = set_part(parts, CURLUPART_SCHEME, &scheme, false) |
                 set_part(parts, CURLUPART_HOST, &host, false) |
                 set_part(parts, CURLUPART_PORT, &port, false) |
                 set_part(parts, CURLUPART_PATH, &path, false) |
                 set_part(parts, CURLUPART_QUERY, &query, false) |
                 set_part(parts, CURLUPART_USER, &user, true) |
                 set_part(parts, CURLUPART_PASSWORD, &password, true);
    if (!failed && scheme && host && path) {
        char *profiles = profile_path(&service->arena, path);
        const char *colon = port ? ":" : "", *number = port ? port : "";
        if (profiles)
            service->root = ebb_arena_printf(&service->arena, "%s://%s%s%s%s", scheme, host, colon,
                                             number, profiles);
        const char *usual = profiles ? strstr(profiles, "/debug/pprof") : NULL;
        int length = usual ? (int)(usual - profiles) : profiles ? (int)strlen(profiles) : 0;
        service->shown = ebb_arena_printf(&service->arena, "%s://%s%s%s%.*s", scheme, host, colon,
                                          number, length, profiles ? profiles : "");
        service->named = profile_named(path);
        if (service->options.seconds == 0)
            service->options.seconds = seconds_asked(query);
        options->direct = is_this_machine(host);
        options->user = user ? ebb_arena_strdup(&service->arena, user) : NULL;
        options->password = password ? ebb_arena_strdup(&service->arena, password) : NULL;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
    curl_free(query);
    curl_free(user);
    curl_free(password);
    return service->root && service->shown ? 0 : ebb_error_set(error, -ENOMEM, "out of memory");
}

/* ---- asking ---- */

/* The first line of an answer, for a message. */
static struct ebb_error first_line(const struct ebb_http_answer *answer)
{
    struct ebb_error line = {0};
    size_t length = 0;
    while (length < answer->size && length < 100 && answer->body[length] >= ' ' &&
           answer->body[length] != 0x7f)
        length++;
    snprintf(line.text, sizeof line.text, "%.*s", (int)length, answer->body);
    return line;
}

static int describe_status(const struct ebb_service *service, const char *what,
                           const struct ebb_http_answer *answer, struct ebb_error *error)
{
    struct ebb_error said = first_line(answer);
    bool cpu = strncmp(what, "profile", 7) == 0;
    int name = cpu ? (int)strlen(what = "processor") : (int)strcspn(what, "?");
    if (answer->status == 401 || answer->status == 403)
        return ebb_error_set(error, -EACCES,
                             "%s: lets nobody in without credentials (status %ld); give --token "
                             "TOKEN or write http://USER:PASSWORD@HOST:PORT",
                             service->shown, answer->status);
    if (strstr(said.text, "HTTP request to an HTTPS server"))
        return ebb_error_set(error, -EPROTO, "%s: speaks TLS there; write https://",
                             service->shown);
    if (answer->status == 404 && answer->from_pprof)
        return ebb_error_set(error, -ENOENT, "%s: has no %.*s profile", service->shown, name, what);
    if (answer->status == 404 || answer->status == 405)
        return ebb_error_set(error, -ENOENT,
                             "%s: answers, but not at /debug/pprof/ (status %ld): import _ "
                             "\"net/http/pprof\" and serve http.DefaultServeMux, or name the base "
                             "path",
                             service->shown, answer->status);
    return ebb_error_set(error, -EIO, "%s: answers %.*s with status %ld%s%s", service->shown, name,
                         what, answer->status, *said.text ? ": " : "", said.text);
}

/* Asks for root/what; any status but 200 is an error. The caller frees answer->body. */
static int ask(struct ebb_service *service, const char *what, double patience_s,
               struct ebb_http_answer *answer, struct ebb_error *error)
{
    char url[4096];
    if ((size_t)snprintf(url, sizeof url, "%s/%s", service->root, what) >= sizeof url)
        return ebb_error_set(error, -ENAMETOOLONG, "%s: the URL is too long", service->shown);
    int code = ebb__http_ask(service->http, url, patience_s, answer, error);
    if (code < 0 || answer->status == 200)
        return code;
    code = describe_status(service, what, answer, error);
    free(answer->body);
    answer->body = NULL;
    return code;
}

/* Reads an answer as a profile and frees its body. */
static int read_answer(const struct ebb_service *service, const char *what,
                       struct ebb_http_answer *answer, struct ebb_profile **profile,
                       struct ebb_error *error)
{
    struct ebb_error why = {0};
    int code = ebb_profile_read_memory(answer->body, answer->size, "profile", profile, &why);
    bool html = strncmp(answer->type, "text/html", 9) == 0;
    free(answer->body);
    answer->body = NULL;
    if (code == -ENOMEM)
        return no_memory(service, error);
    if (code < 0 && html)
        return ebb_error_set(error, -EPROTO,
                             "%s: answers with a web page, not with a profile: import _ "
                             "\"net/http/pprof\" and serve http.DefaultServeMux, or name the base "
                             "path",
                             service->shown);
    if (code < 0)
        return ebb_error_set(error, -EPROTO, "%s: the %.*s profile it sent is damaged (%.200s)",
                             service->shown, (int)strcspn(what, "?"), what, why.text);
    return 0;
}

static int ask_profile(struct ebb_service *service, const char *what, double patience_s,
                       struct ebb_profile **profile, struct ebb_error *error)
{
    struct ebb_http_answer answer;
    *profile = NULL;
    int code = ask(service, what, patience_s, &answer, error);
    return code < 0 ? code : read_answer(service, what, &answer, profile, error);
}

/* ---- names ---- */

static uint32_t find_symbol(const struct ebb_service *service, uint64_t address)
{
    size_t probe = 0;
    uint32_t i;
    while ((i = ebb_index_probe(&service->symbol_index, ebb_mix64(address), &probe)) != EBB_NONE)
        if (service->symbols.items[i].address == address)
            break;
    return i;
}

static int add_symbol(struct ebb_service *service, uint64_t address, const char *name)
{
    struct symbol symbol = {address, name};
    return service->symbols.len >= EBB_NONE - 1 || ebb_vec_push(&service->symbols, symbol) < 0 ||
                   ebb_index_add(&service->symbol_index, ebb_mix64(address),
                                 (uint32_t)service->symbols.len - 1) < 0
               ? -ENOMEM
               : 0;
}

/* Reads "num_symbols: 1" and "0xADDRESS NAME" lines. */
static int read_symbols(struct ebb_service *service, const char *text)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char *end;
        size_t length = strcspn(line, "\r\n");
        if (strncmp(line, "0x", 2) != 0)
            continue;
        uint64_t address = strtoull(line, &end, 16);
        if (*end != ' ' || end >= line + length || find_symbol(service, address) != EBB_NONE)
            continue;
        char *name = ebb_arena_strndup(&service->arena, end + 1, (size_t)(line + length - end) - 1);
        if (!name || add_symbol(service, address, ebb__go_name_normalise(name)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Has `count` addresses named; what the service does not know is remembered as unknown. They go into
 * the query: since Go 1.22 the handler takes no POST. */
static int name_batch(struct ebb_service *service, const uint64_t *addresses, size_t count,
                      struct ebb_error *error)
{
    struct ebb_http_answer answer;
    char what[sizeof "symbol?" + SYMBOLS_AT_ONCE * sizeof "0x1234567812345678+"] = "symbol?";
    size_t used = strlen(what);
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(what + used, "%s0x%" PRIx64, i ? "+" : "", addresses[i]);
    int code = ask(service, what, 0, &answer, error);
    if (code == -ENOENT || code == -EACCES || code == -EIO) {
        service->unnamed = true;
        return 0;
    }
    if (code < 0)
        return code;
    code = read_symbols(service, answer.body);
    free(answer.body);
    for (size_t i = 0; code == 0 && i < count; i++)
        if (find_symbol(service, addresses[i]) == EBB_NONE)
            code = add_symbol(service, addresses[i], "");
    return code < 0 ? no_memory(service, error) : 0;
}

static bool lacks_name(const struct ebb_service *service, const struct ebb_location *location)
{
    return location->line_count == 0 && location->address &&
           find_symbol(service, location->address) == EBB_NONE;
}

static int ask_names(struct ebb_service *service, const struct ebb_profile *profile,
                     struct ebb_error *error)
{
    struct addresses EBB_VEC(uint64_t) addresses = {0};
    int code = 0;
    for (size_t i = 0; code == 0 && i < profile->location_count; i++)
        if (lacks_name(service, &profile->locations[i]) &&
            ebb_vec_push(&addresses, profile->locations[i].address) < 0)
            code = no_memory(service, error);
    for (size_t i = 0; code == 0 && i < addresses.len && !service->unnamed; i += SYMBOLS_AT_ONCE)
        code = name_batch(service, addresses.items + i,
                          addresses.len - i < SYMBOLS_AT_ONCE ? addresses.len - i : SYMBOLS_AT_ONCE,
                          error);
    ebb_vec_free(&addresses);
    return code;
}

static bool is_runtime(const char *name)
{
    return strncmp(name, "runtime.", 8) == 0 || strncmp(name, "internal/runtime/", 17) == 0;
}

/* Adds one named line; 0 or -ENOMEM. Whether the text says where in the runtime an address lies
 * depends on which stacks it is in, so that is left out: a stack must look the same each time. */
static int add_named(struct ebb_service *service, struct ebb_profile_builder *to,
                     struct ebb_line_list *lines, const char *name, const char *file, int64_t line,
                     int64_t start_line)
{
    bool placed = !is_runtime(name);
    struct ebb_line added = {.line = placed ? line : 0};
    const char *shown = name;
    if (strchr(name, '[')) {
        size_t size = strlen(name) + 1;
        if (ebb_vec_reserve(&service->normal, size) < 0)
            return -ENOMEM;
        shown = ebb__go_name_normalise(memcpy(service->normal.items, name, size));
    }
    added.function =
        ebb_profile_builder_function(to, shown, shown, placed ? file : "", placed ? start_line : 0);
    return ebb_vec_push(lines, added);
}

/* The lines of a location, names normalised. The end of every stack, runtime.goexit, is left out as
 * Go's own profiles do. */
static int choose_lines(void *context, const struct ebb_profile *from, size_t index,
                        struct ebb_profile_builder *to, struct ebb_line_list *lines)
{
    struct ebb_service *service = context;
    const struct ebb_location *location = &from->locations[index];
    if (location->line_count == 0) {
        uint32_t found = find_symbol(service, location->address);
        const char *name = found == EBB_NONE ? "" : service->symbols.items[found].name;
        if (strcmp(name, "runtime.goexit") == 0)
            return 0;
        return !*name || add_named(service, to, lines, name, "", 0, 0) == 0 ? 1 : -ENOMEM;
    }
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct ebb_line *line = &from->lines[location->first_line + i];
        const struct ebb_function *function = &from->functions[line->function];
        if (add_named(service, to, lines, ebb_profile_string(from, function->name),
                      ebb_profile_string(from, function->file), line->line,
                      function->start_line) < 0)
            return -ENOMEM;
    }
    return 1;
}

/* Gives a Go profile its names, in one form. Replaces it. */
static int name_profile(struct ebb_service *service, struct ebb_profile **profile,
                        struct ebb_error *error)
{
    struct ebb_profile *named = NULL;
    int code = service->unnamed ? 0 : ask_names(service, *profile, error);
    if (code == 0)
        code = ebb_profile_rewrite(*profile, (*profile)->stack_start, (*profile)->stack_start + 1,
                                   choose_lines, service, &named, error);
    ebb_profile_free(*profile);
    *profile = named;
    return code;
}

/* ---- what else is known ---- */

/* The value of a metric without labels, in the text format of Prometheus; false: not there. */
static bool find_metric(const char *text, const char *name, double *value)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ' ') {
            *value = strtod(line + length + 1, NULL);
            return true;
        }
    return false;
}

static uint64_t as_bytes(double value)
{
    return value >= 0 && value < 0x1p62 ? (uint64_t)value : UINT64_MAX;
}

/* `go_info{version="go1.22.3"} 1` */
static void find_version(const char *text, char version[static 64])
{
    static const char mark[] = "\ngo_info{version=\"";
    const char *at = strstr(text, mark);
    size_t length = at ? strcspn(at + sizeof mark - 1, "\" \n") : 0;
    if (length > 0 && length < 64)
        snprintf(version, 64, "%.*s", (int)length, at + sizeof mark - 1);
}

/* Asks /metrics, which lies beside /debug; that there is none is no failure. */
static void read_metrics(struct ebb_service *service)
{
    char url[4096];
    struct ebb_http_answer answer;
    double value;
    if ((size_t)snprintf(url, sizeof url, "%s/metrics", service->shown) >= sizeof url ||
        ebb__http_ask(service->http, url, 0, &answer, NULL) < 0)
        return;
    service->metrics = answer.status == 200 && answer.size <= LARGE &&
                       strncmp(answer.type, "text/html", 9) != 0 &&
                       find_metric(answer.body, "process_resident_memory_bytes", &value);
    if (answer.status == 200) {
        service->rss = service->metrics ? as_bytes(value) : UINT64_MAX;
        find_version(answer.body, service->version);
        if (find_metric(answer.body, "go_gc_gomemlimit_bytes", &value))
            service->gomemlimit = as_bytes(value);
        if (find_metric(answer.body, "go_gc_gogc_percent", &value))
            service->gogc = value;
    }
    free(answer.body);
}

/* Looks for the service among this machine's processes, and at how it was built and started. */
static void read_process(struct ebb_service *service)
{
    char text[64];
    struct ebb_http_answer answer;
    if (ask(service, "cmdline", 0, &answer, NULL) < 0)
        return;
    if (ebb__is_local_address(answer.address))
        service->pid = ebb__local_listener(answer.port, answer.body, answer.size);
    free(answer.body);
    if (!service->pid)
        return;
    if (!*service->version)
        ebb__go_version_of_process(service->pid, service->version);
    if (service->gomemlimit == UINT64_MAX &&
        ebb__environment_of_process(service->pid, "GOMEMLIMIT", text, sizeof text))
        service->gomemlimit = ebb__go_limit_parse(text);
    if (service->gogc < 0) {
        service->gogc = 100; /* unless it is set, in the environment or by the program */
        if (ebb__environment_of_process(service->pid, "GOGC", text, sizeof text))
            service->gogc = strcmp(text, "off") == 0 ? INFINITY : strtod(text, NULL);
    }
}

/* Adds to a heap profile what it does not say itself, for those who read it later, too. */
static int add_facts(const struct ebb_service *service, struct ebb_profile *profile)
{
    char text[128];
    int failed = 0;
    if (*service->version) {
        snprintf(text, sizeof text, EBB_GO_VERSION_COMMENT "%s", service->version);
        failed |= ebb_profile_add_comment(profile, text);
    }
    if (service->gogc >= 0 && isfinite(service->gogc)) {
        snprintf(text, sizeof text, EBB_GO_STATS_COMMENT "GOGC = %g", service->gogc);
        failed |= ebb_profile_add_comment(profile, text);
    }
    if (service->gomemlimit != UINT64_MAX) {
        snprintf(text, sizeof text, EBB_GO_STATS_COMMENT "GOMEMLIMIT = %" PRIu64,
                 service->gomemlimit);
        failed |= ebb_profile_add_comment(profile, text);
    }
    return failed ? -ENOMEM : 0;
}

/* Memory and its limit, from the kernel where it can be asked; the runtime's own are in the heap
 * profile. */
static void sight_memory(struct ebb_service *service, struct ebb_sighting *sighting)
{
    if (service->pid && ebb_memory_read(service->pid, false, &sighting->memory) == 0) {
        ebb_limit_read(service->pid, &sighting->memory, &sighting->limit);
    } else if (service->metrics) {
        read_metrics(service);
        sighting->memory.rss = service->rss;
    }
}

/* ---- the heap ---- */

static const char stats_heading[] = "# runtime.MemStats";

/* Takes the heap profile; `collect`: after a garbage collection. */
static int take_heap(struct ebb_service *service, bool collect, struct ebb_profile **profile,
                     struct ebb_error *error)
{
    struct ebb_http_answer answer;
    const char *what = collect ? "heap?gc=1&debug=1" : "heap?debug=1";
    *profile = NULL;
    if (service->plain)
        return ask_profile(service, "heap", 0, profile, error);
    int code = ask(service, what, collect ? GC_PATIENCE_S : 0, &answer, error);
    if (code < 0)
        return code;
    if (!memmem(answer.body, answer.size, stats_heading, sizeof stats_heading - 1)) {
        bool was_go = service->last.known;
        code = read_answer(service, what, &answer, profile, error);
        ebb_profile_free(*profile);
        *profile = NULL;
        if (code == 0 && was_go)
            code = ebb_error_set(error, -EPROTO, "%s: the heap profile it sent is cut off",
                                 service->shown);
        if (code < 0)
            return code;
        service->plain = true;
        return ask_profile(service, "heap", 0, profile, error);
    }
    code = read_answer(service, what, &answer, profile, error);
    if (code == 0)
        code = name_profile(service, profile, error);
    if (code == 0 && add_facts(service, *profile) < 0)
        code = no_memory(service, error);
    if (code < 0) {
        ebb_profile_free(*profile);
        *profile = NULL;
        return code;
    }
    service->collected_ns = (*profile)->time_ns;
    (*profile)->time_ns = (int64_t)ebb_clock_realtime_ns();
    return 0;
}

/* The heap, and whatever else is known of the service once it turned out to be one. */
static int take_first_heap(struct ebb_service *service, struct ebb_profile **profile,
                           struct ebb_error *error)
{
    int code = take_heap(service, false, profile, error);
    if (code < 0 || service->plain || service->facts_asked)
        return code;
    service->facts_asked = true;
    read_metrics(service);
    read_process(service);
    if (add_facts(service, *profile) == 0)
        return 0;
    ebb_profile_free(*profile);
    *profile = NULL;
    return no_memory(service, error);
}

/* ---- opening ---- */

static int open_client(struct ebb_service *service, const char *url, struct ebb_error *error)
{
    struct ebb_http_options options = {
        .ca = service->options.ca,
        .insecure = service->options.insecure,
        .interrupt = service->options.interrupt,
    };
    CURLU *parts = curl_url();
    int code = parts ? parse_url(service, parts, url, &options, error)
                     : ebb_error_set(error, -ENOMEM, "out of memory");
    curl_url_cleanup(parts);
    if (code < 0)
        return code;
    const char *token = service->options.token;
    if (!token && !options.user)
        token = getenv("EBB_TOKEN");
    options.token = token && *token ? token : NULL;
    return ebb__http_new(&options, &service->http, error);
}

int ebb__service_open(const char *url, const struct ebb_target_options *options,
                      struct ebb_service **result, struct ebb_error *error)
{
    *result = NULL;
    struct ebb_service *service = calloc(1, sizeof *service);
    if (!service)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    service->options = *options;
    service->gogc = -1;
    service->gomemlimit = service->rss = UINT64_MAX;
    service->ledger = ebb__ledger_new();
    int code = service->ledger ? open_client(service, url, error)
                               : ebb_error_set(error, -ENOMEM, "out of memory");
    if (code == 0 && options->window_s > 0)
        code = take_first_heap(service, &service->first, error);
    if (code < 0) {
        ebb__service_close(service);
        return code;
    }
    struct ebb_evidence *evidence = ebb__ledger_evidence(service->ledger);
    double age_s = service->pid ? ebb__age_of_process(service->pid) : 0;
    evidence->target = service->shown;
    evidence->window_s = options->window_s;
    evidence->pid = service->pid;
    evidence->age_s = age_s > 0 ? age_s : 0;
    *result = service;
    return 0;
}

void ebb__service_close(struct ebb_service *service)
{
    if (!service)
        return;
    ebb_profile_free(service->first);
    ebb_profile_free(service->newest_heap);
    ebb_profile_free(service->newest_goroutines);
    for (int i = 0; i < EBB_COST_COUNT; i++)
        ebb_profile_free(service->before[i]);
    ebb__http_abandon(service->costs);
    ebb_vec_free(&service->cautions);
    ebb__http_free(service->http);
    ebb__ledger_free(service->ledger);
    ebb_vec_free(&service->symbols);
    ebb_vec_free(&service->normal);
    ebb_index_free(&service->symbol_index);
    ebb_arena_free(&service->arena);
    free(service);
}

struct ebb_evidence *ebb__service_evidence(struct ebb_service *service)
{
    return ebb__ledger_evidence(service->ledger);
}

/* ---- observing ---- */

static double stale_after_s(const struct ebb_service *service)
{
    return fmax(STALE_S, service->options.window_s * STALE_SHARE);
}

/* Says something once about how far the evidence can be trusted; `text` is not copied. */
static void caution(struct ebb_service *service, const char *text)
{
    for (size_t i = 0; i < service->cautions.len; i++)
        if (strcmp(service->cautions.items[i], text) == 0)
            return;
    int failed = ebb_vec_push(&service->cautions, text);
    (void)failed; /* out of memory: it goes unsaid */
}

static void write_cautions(struct ebb_service *service)
{
    struct ebb_evidence *evidence = ebb__ledger_evidence(service->ledger);
    for (size_t i = 0; i < service->cautions.len; i++) {
        const char *text = service->cautions.items[i];
        evidence->caution =
            i == 0 ? text : ebb_arena_printf(&evidence->arena, "%s; %s", evidence->caution, text);
        if (!evidence->caution)
            return;
    }
}

/* Lets go of a profile that was looked at, or hands it on to ebb__service_profile. */
static void put_away(const struct ebb_service *service, struct ebb_profile *profile,
                     struct ebb_profile **newest)
{
    bool kept = service->options.recording && profile;
    if (kept)
        ebb_profile_free(*newest);
    if (kept)
        *newest = profile;
    else
        ebb_profile_free(profile);
}

/* The goroutines now, unless it is too early to ask again. */
static int take_goroutines(struct ebb_service *service, struct ebb_profile **profile,
                           struct ebb_error *error)
{
    double now = now_s();
    struct ebb_http_answer answer;
    *profile = NULL;
    if (service->plain || now < service->goroutines_after_s)
        return 0;
    int code = ask(service, "goroutine", 0, &answer, error);
    if (code == -ENOENT || code == -EACCES) {
        service->goroutines_after_s = INFINITY; /* a service may well hide them */
        return 0;
    }
    if (code == -EIO) { /* busy, or its proxy is */
        service->goroutines_after_s = now + service->options.window_s / 8;
        return 0;
    }
    if (code < 0)
        return code;
    bool costly = answer.seconds > SLOW_S || answer.size > LARGE;
    if (costly)
        service->goroutines_after_s =
            now + fmax(10 * answer.seconds, service->options.window_s / 8);
    code = read_answer(service, "goroutine", &answer, profile, error);
    return code == 0 ? name_profile(service, profile, error) : code;
}

/* Adds one observation of a heap profile, and of the goroutines beside it. */
static int add_observation(struct ebb_service *service, const struct ebb_profile *heap,
                           struct ebb_error *error)
{
    double now = now_s();
    struct ebb_profile *goroutines;
    int code = take_goroutines(service, &goroutines, error);
    if (code < 0)
        return code;
    if (service->start_s == 0)
        service->start_s = now;
    struct ebb_sighting sighting = ebb__sighting_at(now - service->start_s);
    sighting.goroutines = goroutines;
    if (service->last.known)
        sight_memory(service, &sighting);
    ebb__ledger_evidence(service->ledger)->runtime_named = service->last.known && !service->unnamed;
    code = ebb__ledger_add(service->ledger, heap, &sighting, service->shown, error);
    put_away(service, goroutines, &service->newest_goroutines);
    return code;
}

/* Whether the newest heap profile is too old to tell anything: at the beginning by the service's
 * clock, later by ours. */
static bool is_stale(const struct ebb_service *service)
{
    double age_s = service->start_s > 0
                       ? now_s() - service->moved_s
                       : (double)((int64_t)ebb_clock_realtime_ns() - service->collected_ns) * 1e-9;
    return age_s > stale_after_s(service);
}

/* A service that began anew counts from zero. */
static int check_restart(const struct ebb_service *service, const struct ebb_go_stats *stats,
                         struct ebb_error *error)
{
    const struct ebb_go_stats *last = &service->last;
    if (service->start_s > 0 && last->known && stats->known &&
        (stats->num_gc < last->num_gc || stats->total_alloc < last->total_alloc))
        return ebb_error_set(error, -ECONNRESET, "%s: restarted after %.0f s", service->shown,
                             now_s() - service->start_s);
    return 0;
}

/* Asks for the heap, again after a collection when it is stale. `*counts`: it tells something new.
 */
static int take_new_heap(struct ebb_service *service, struct ebb_profile **heap, bool *counts,
                         struct ebb_error *error)
{
    *heap = service->first;
    service->first = NULL;
    int code = *heap ? 0 : take_heap(service, false, heap, error);
    struct ebb_go_stats stats = {0};
    if (code == 0) {
        stats = ebb__go_stats_of(*heap);
        code = check_restart(service, &stats, error);
    }
    if (code < 0)
        return code;
    *counts = !stats.known || service->start_s == 0 || stats.num_gc != service->last.num_gc;
    bool moved = *counts && service->start_s > 0;
    if (stats.known && !moved && is_stale(service)) {
        *counts = true;
        if (service->options.no_gc) {
            service->stale = true;
        } else {
            ebb_profile_free(*heap);
            code = take_heap(service, true, heap, error);
            if (code < 0)
                return code;
            stats = ebb__go_stats_of(*heap);
            ebb__ledger_evidence(service->ledger)->gc_forced = true;
        }
    }
    service->last = stats;
    return 0;
}

static int observe_once(struct ebb_service *service, struct ebb_error *error)
{
    struct ebb_profile *heap = NULL;
    bool counts = false;
    int code = take_new_heap(service, &heap, &counts, error);
    if (code == 0 && counts) {
        code = add_observation(service, heap, error);
        service->moved_s = now_s();
    }
    if (counts)
        put_away(service, heap, &service->newest_heap);
    else
        ebb_profile_free(heap);
    return code;
}

/* ---- beside the heap ---- */

static const char *const lock_profiles[EBB_COST_COUNT] = {
    [EBB_COST_MUTEX] = "mutex", [EBB_COST_BLOCK] = "block"};

/* Where locks were waited for up to now; nothing when the service does not say. */
static struct ebb_profile *take_waiting(struct ebb_service *service, enum ebb_cost kind)
{
    struct ebb_profile *profile = NULL;
    if (ask_profile(service, lock_profiles[kind], 0, &profile, NULL) == 0)
        name_profile(service, &profile, NULL);
    return profile;
}

static void begin_waiting(struct ebb_service *service)
{
    for (int kind = EBB_COST_MUTEX; kind <= EBB_COST_BLOCK; kind++)
        service->before[kind] = take_waiting(service, (enum ebb_cost)kind);
}

/* What was waited for since begin_waiting(). */
static void end_waiting(struct ebb_service *service, enum ebb_cost kind)
{
    static const int signs[] = {1, -1};
    const struct ebb_profile *both[] = {take_waiting(service, kind), service->before[kind]};
    struct ebb_profile *gained = NULL;
    if (both[0] && both[1])
        ebb_profile_merge(both, signs, 2, &gained, NULL);
    ebb_profile_free((struct ebb_profile *)both[0]);
    if (gained && gained->sample_count > 0) {
        gained->duration_ns = (int64_t)((now_s() - service->start_s) * 1e9);
        ebb__ledger_add_costs(service->ledger, kind, gained, 0, now_s() - service->start_s);
    }
    ebb_profile_free(gained);
}

/* Has the next processor profile gathered in the background, when it would end with the window. */
static void begin_costs(struct ebb_service *service)
{
    char url[4096];
    double now = now_s(), window_s = service->options.window_s;
    double left = service->start_s + window_s - now;
    double seconds = fmin(fmax(ceil(window_s * COSTS_SHARE), 1), COSTS_LONGEST_S);
    bool early = service->costs_began_s > 0 && now - service->costs_began_s < window_s * COSTS_PACE;
    seconds = fmin(seconds, floor(left));
    if (service->costs_over || service->costs || early || seconds < 1)
        return;
    service->costs_began_s = now;
    /* It moves only when somebody looks, which may be seldom. */
    double patience_s = seconds + window_s / 2;
    if ((size_t)snprintf(url, sizeof url, "%s/profile?seconds=%.0f", service->root, seconds) >=
            sizeof url ||
        ebb__http_start(service->http, url, patience_s, &service->costs, NULL) < 0)
        service->costs_over = true;
}

/* Takes in the processor profile that was on its way, waiting for it when it must. */
static void end_costs(struct ebb_service *service)
{
    struct ebb_http_answer answer;
    struct ebb_profile *profile = NULL;
    struct ebb_http_transfer *transfer = service->costs;
    double from_s = service->costs_began_s - service->start_s;
    service->costs = NULL;
    if (!transfer)
        return;
    service->costs_over = true; /* unless all goes well */
    if (ebb__http_finish(transfer, &answer, NULL) < 0)
        return;
    if (answer.status != 200) {
        if (answer.status >= 500)
            caution(service, "no processor profile was taken, because the service was taking one "
                             "already");
        free(answer.body);
        return;
    }
    if (read_answer(service, "profile", &answer, &profile, NULL) == 0 &&
        name_profile(service, &profile, NULL) == 0)
        service->costs_over = ebb__ledger_add_costs(service->ledger, EBB_COST_CPU, profile, from_s,
                                                    now_s() - service->start_s) < 0;
    ebb_profile_free(profile);
}

/* What goroutines wait for, when there are more than there were. */
static void read_waits(struct ebb_service *service)
{
    const struct ebb_observations *all = &ebb__ledger_evidence(service->ledger)->observations;
    struct ebb_http_answer answer;
    struct ebb_profile *waits;
    uint64_t before = all->items[0].threads, now = all->items[all->len - 1].threads;
    if ((double)now < (double)before * GROWN || now > MOST_GOROUTINES || now == before ||
        ask(service, "goroutine?debug=2", 0, &answer, NULL) < 0)
        return;
    int code = ebb__go_waits_read(answer.body, answer.size, service->shown, &waits, NULL);
    free(answer.body);
    if (code == 0)
        ebb__ledger_add_waits(service->ledger, waits);
    ebb_profile_free(waits);
}

/* ---- the course of it ---- */

static void say_cautions(struct ebb_service *service)
{
    struct ebb_evidence *evidence = ebb__ledger_evidence(service->ledger);
    if (service->last.known && service->unnamed)
        caution(service, "the service does not name its addresses (/debug/pprof/symbol is "
                         "missing), so what its maps do is unknown");
    if (service->stale)
        caution(service, "the heap is as of the last garbage collection, none came for a while, "
                         "and --no-gc forbids asking for one");
    if (evidence->gc_forced)
        caution(service, "garbage collections were asked for, because none came by itself for "
                         "a while");
    write_cautions(service);
}

/* Gives the service up: `code` and the line say why. See ebb__service_observe. */
static int give_up(struct ebb_service *service, int code, struct ebb_error *error)
{
    struct ebb_evidence *evidence = ebb__ledger_evidence(service->ledger);
    double seen_s = now_s() - service->start_s;
    const char *name = service->shown, *said = NULL;
    service->over = true;
    if (code == -ENOMEM)
        return code;
    if (evidence->observations.len < 2) {
        struct ebb_error why = *error;
        return code == -ECONNREFUSED
                   ? ebb_error_set(
                         error, code,
                         "%s: stopped answering before anything could be told apart; look "
                         "again when it runs",
                         name)
                   : ebb_error_set(error, code, "%.400s (too early to tell anything); look again",
                                   why.text);
    }
    if (code == -ECONNREFUSED) {
        evidence->ended = true;
        evidence->end_reason =
            ebb_arena_printf(&evidence->arena, "stopped answering after %.0f s", seen_s);
        said = evidence->end_reason
                   ? ebb_arena_printf(&evidence->arena, "the service %s", evidence->end_reason)
                   : NULL;
        code = 1;
    } else if (code == -ECONNRESET) {
        evidence->ended = true;
        evidence->end_reason = "restarted";
        said = ebb_arena_printf(&evidence->arena,
                                "the service restarted after %.0f s, and this is what was seen "
                                "before it did",
                                seen_s);
        ebb_error_set(
            error, code,
            "%s: restarted after %.0f s (what was seen before is reported); look again for "
            "the time since",
            name, seen_s);
    } else {
        struct ebb_error why = *error;
        said = "the service could not be watched to the end of the window";
        ebb_error_set(error, code, "%.400s (what was seen before is reported)", why.text);
    }
    caution(service, said ? said : "the service could not be watched to the end of the window");
    say_cautions(service);
    return code;
}

int ebb__service_observe(struct ebb_service *service, struct ebb_error *error)
{
    if (service->over)
        return 1;
    bool begins = service->start_s == 0;
    int code = observe_once(service, error);
    double now = now_s();
    if (code == -EINTR && !begins)
        return 0;
    if (code < 0) {
        if (service->failing_s == 0)
            service->failing_s = now;
        bool forgiven = !begins && code != -ENOMEM && code != -ETIMEDOUT && code != -ECONNRESET &&
                        now - service->failing_s < PATIENCE_S;
        return forgiven ? 0 : begins ? code : give_up(service, code, error);
    }
    service->failing_s = 0;
    if (service->options.recording)
        return 0;
    if (service->last.known && begins)
        begin_waiting(service);
    ebb__service_attend(service);
    return 0;
}

bool ebb__service_attend(struct ebb_service *service)
{
    if (service->over || service->options.recording || !service->last.known)
        return false;
    if (service->costs && ebb__http_done(service->costs))
        end_costs(service);
    begin_costs(service);
    return service->costs != NULL;
}

int ebb__service_conclude(struct ebb_service *service, struct ebb_error *error)
{
    int code = 0;
    if (!service->over && service->start_s > 0) {
        if (service->failing_s > 0)
            code = observe_once(service, error);
        if (code < 0)
            code = give_up(service, code, error);
    }
    if (!service->over && service->last.known && service->start_s > 0) {
        end_costs(service);
        end_waiting(service, EBB_COST_MUTEX);
        end_waiting(service, EBB_COST_BLOCK);
        read_waits(service);
    }
    say_cautions(service);
    return code < 0 ? code : 0;
}

/* ---- single profiles ---- */

/* A heap profile that can be judged later like a live one. */
static int take_whole_heap(struct ebb_service *service, const char *name,
                           struct ebb_profile **profile, struct ebb_error *error)
{
    int code = take_first_heap(service, profile, error);
    int column =
        code < 0 || strcmp(name, "heap") == 0 ? -1 : ebb_profile_find_type(*profile, "alloc_space");
    if (column >= 0)
        (*profile)->default_type = (*profile)->types[column].type;
    return code;
}

int ebb__service_profile(struct ebb_service *service, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error)
{
    char what[64];
    double seconds = service->options.seconds;
    *profile = NULL;
    if (!*name)
        name = *service->named ? service->named : "heap";
    struct ebb_profile **newest = strcmp(name, "heap") == 0        ? &service->newest_heap
                                  : strcmp(name, "goroutine") == 0 ? &service->newest_goroutines
                                                                   : profile;
    if (*newest) { /* what the last look has seen */
        *profile = *newest;
        *newest = NULL;
        return 0;
    }
    if (service->options.recording && newest == &service->newest_goroutines)
        return ebb_error_set(error, -ENOENT, "%s: the last look left goroutines out",
                             service->shown);
    if (strcmp(name, "heap") == 0 || strcmp(name, "allocs") == 0)
        return take_whole_heap(service, name, profile, error);
    bool cpu = strcmp(name, "cpu") == 0;
    if (cpu && seconds == 0)
        seconds = GATHER_S;
    snprintf(what, sizeof what, seconds > 0 ? "%s?seconds=%.0f" : "%s", cpu ? "profile" : name,
             ceil(seconds));
    int code = ask_profile(service, what, seconds, profile, error);
    return code == 0 ? name_profile(service, profile, error) : code;
}
