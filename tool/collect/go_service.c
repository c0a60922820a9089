/* See go_service.h.
 *
 * What is asked for, and when:
 *
 *     heap?debug=1      every observation; with gc=1 when no collection came for a while
 *     symbol            for addresses that the text does not name, once each
 *     goroutine         with every observation that counts, rarer when it is large or slow
 *     profile           once, in the background, in the second half of the window
 *     mutex, block      at both ends of the window: what they gained is the window's
 *     goroutine?debug=2 at the end, when there are more of them than at the beginning
 *     /metrics          at the beginning, for what the heap text does not say */
#include "tool/collect/go_service.h"

#include "base/clock.h"
#include "base/hash.h"
#include "tool/collect/go_names.h"
#include "tool/collect/http_client.h"
#include "tool/collect/ledger.h"
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

#define PATIENCE_S      3.0 /* how long failures are forgiven */
#define STALE_S         2.0 /* without a collection, at least */
#define STALE_SHARE     (1.0 / 12)
#define GATHER_S        10.0 /* `ebb cpu` */
#define SLOW_S          0.1
#define LARGE           ((size_t)1 << 20)
#define SYMBOLS_AT_ONCE 2000
#define GC_PATIENCE_S   20.0 /* a collection of a large heap takes its time */

struct symbol {
    uint64_t address;
    const char *name; /* in the service's arena; "": the service does not know it */
};

struct ebb_service {
    struct ebb_target_options options;
    struct ebb_arena arena;
    struct ebb_http *http;
    struct ebb_ledger *ledger;
    char *root;  /* "http://host:6060/debug/pprof", without user and password */
    char *shown; /* the same without /debug/pprof: how messages name the service */
    bool plain;  /* no Go: heap profiles are taken as they come */

    struct symbols EBB_VEC(struct symbol) symbols;
    struct ebb_index symbol_index;
    bool unnamed; /* the service names no addresses */

    struct ebb_profile *first; /* the profile that opening took, until it is used */
    double start_s;            /* of the first observation; 0: none yet */
    double moved_s;            /* when a collection was last seen */
    struct ebb_go_stats last;  /* of the newest heap */
    double goroutines_after_s; /* not before */

    double failing_s; /* since when nothing works; 0: all is well */
    struct ebb_error failure;
    bool over; /* ended or lost: nothing is looked at any more */
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
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (code != CURLUE_OK)
        return ebb_error_set(error, code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL,
                             "the URL cannot be read (%s); write http://HOST:PORT",
                             curl_url_strerror(code));
    int failed = set_part(parts, CURLUPART_SCHEME, &scheme, false) |
                 set_part(parts, CURLUPART_HOST, &host, false) |
                 set_part(parts, CURLUPART_PORT, &port, false) |
                 set_part(parts, CURLUPART_PATH, &path, false) |
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
        options->direct = is_this_machine(host);
        options->user = user ? ebb_arena_strdup(&service->arena, user) : NULL;
        options->password = password ? ebb_arena_strdup(&service->arena, password) : NULL;
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(path);
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
    int name = (int)strcspn(what, "?");
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
static int ask(struct ebb_service *service, const char *what, const char *post, double patience_s,
               struct ebb_http_answer *answer, struct ebb_error *error)
{
    char url[4096];
    if ((size_t)snprintf(url, sizeof url, "%s/%s", service->root, what) >= sizeof url)
        return ebb_error_set(error, -ENAMETOOLONG, "%s: the URL is too long", service->shown);
    int code = ebb__http_ask(service->http, url, post, patience_s, answer, error);
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
    int code = ask(service, what, NULL, patience_s, &answer, error);
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

/* Has `count` addresses named; what the service does not know is remembered as unknown. */
static int name_batch(struct ebb_service *service, const uint64_t *addresses, size_t count,
                      struct ebb_error *error)
{
    struct ebb_http_answer answer;
    size_t room = count * sizeof "0x1234567812345678+", used = 0;
    char *post = malloc(room + 1);
    if (!post)
        return no_memory(service, error);
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(post + used, "%s0x%" PRIx64, i ? "+" : "", addresses[i]);
    int code = ask(service, "symbol", post, 0, &answer, error);
    free(post);
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
    char *normal = strchr(name, '[') ? ebb_arena_strdup(&service->arena, name) : NULL;
    if (strchr(name, '[') && !normal)
        return -ENOMEM;
    const char *shown = normal ? ebb__go_name_normalise(normal) : name;
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
    if (named)
        named->drop_frames = named->keep_frames = 0; /* the runtime's frames are what we came for */
    return code;
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
    int code = ask(service, what, NULL, collect ? GC_PATIENCE_S : 0, &answer, error);
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
    if (code == 0)
        (*profile)->time_ns = (int64_t)ebb_clock_realtime_ns();
    return code;
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
    service->ledger = ebb__ledger_new();
    int code = service->ledger ? open_client(service, url, error)
                               : ebb_error_set(error, -ENOMEM, "out of memory");
    if (code == 0 && options->window_s > 0)
        code = take_heap(service, false, &service->first, error);
    if (code < 0) {
        ebb__service_close(service);
        return code;
    }
    struct ebb_evidence *evidence = ebb__ledger_evidence(service->ledger);
    evidence->target = service->shown;
    evidence->window_s = options->window_s;
    *result = service;
    return 0;
}

void ebb__service_close(struct ebb_service *service)
{
    if (!service)
        return;
    ebb_profile_free(service->first);
    ebb__http_free(service->http);
    ebb__ledger_free(service->ledger);
    ebb_vec_free(&service->symbols);
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

/* Adds one observation of a heap profile, and of the goroutines beside it. */
static int add_observation(struct ebb_service *service, const struct ebb_profile *heap,
                           struct ebb_error *error)
{
    double now = now_s();
    if (service->start_s == 0)
        service->start_s = now;
    struct ebb_sighting sighting = ebb__sighting_at(now - service->start_s);
    struct ebb_profile *goroutines = NULL;
    if (service->last.known) {
        sighting.memory.rss = service->last.sys - service->last.heap_released;
        if (now >= service->goroutines_after_s) {
            int code = ask_profile(service, "goroutine", 0, &goroutines, error);
            if (code == 0)
                code = name_profile(service, &goroutines, error);
            if (code < 0)
                return code;
            double took = now_s() - now;
            if (took > SLOW_S)
                service->goroutines_after_s = now + fmax(10 * took, service->options.window_s / 8);
        }
    }
    sighting.goroutines = goroutines;
    int code = ebb__ledger_add(service->ledger, heap, &sighting, service->shown, error);
    ebb_profile_free(goroutines);
    return code;
}

static int observe_once(struct ebb_service *service, struct ebb_error *error)
{
    struct ebb_profile *heap = service->first;
    service->first = NULL;
    int code = heap ? 0 : take_heap(service, false, &heap, error);
    if (code < 0)
        return code;
    struct ebb_go_stats stats = ebb__go_stats_of(heap);
    bool moved = !stats.known || service->start_s == 0 || stats.num_gc != service->last.num_gc;
    if (!moved && !service->options.no_gc && now_s() - service->moved_s > stale_after_s(service)) {
        ebb_profile_free(heap);
        code = take_heap(service, true, &heap, error);
        if (code < 0)
            return code;
        ebb__ledger_evidence(service->ledger)->gc_forced = true;
        stats = ebb__go_stats_of(heap);
        moved = true;
    }
    service->last = stats;
    if (moved) {
        service->moved_s = now_s();
        code = add_observation(service, heap, error);
    }
    ebb_profile_free(heap);
    return code;
}

int ebb__service_observe(struct ebb_service *service, struct ebb_error *error)
{
    return observe_once(service, error);
}

int ebb__service_conclude(struct ebb_service *service, struct ebb_error *error)
{
    (void)service;
    (void)error;
    return 0;
}

/* ---- single profiles ---- */

int ebb__service_profile(struct ebb_service *service, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error)
{
    char what[64];
    bool heap = strcmp(name, "heap") == 0 || strcmp(name, "allocs") == 0;
    double seconds = service->options.seconds > 0 ? service->options.seconds : GATHER_S;
    *profile = NULL;
    if (heap) {
        int code = take_heap(service, false, profile, error);
        int column = code < 0 || strcmp(name, "heap") == 0
                         ? -1
                         : ebb_profile_find_type(*profile, "alloc_space");
        if (column >= 0)
            (*profile)->default_type = (*profile)->types[column].type;
        return code;
    }
    if (strcmp(name, "cpu") == 0)
        snprintf(what, sizeof what, "profile?seconds=%.0f", ceil(seconds));
    else
        snprintf(what, sizeof what, "%s", name);
    return ask_profile(service, what, strcmp(name, "cpu") == 0 ? seconds : 0, profile, error);
}
