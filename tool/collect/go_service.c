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
 *     /metrics          at the beginning, for what the heap text does not say
 *
 * Only the heap is needed. All else is extra: it gets little time, and when it fails that costs a
 * word of caution, not the look. When recording, the heap too is asked for in the background. */
#include "tool/collect/go_service.h"

#include "base/clock.h"
#include "tool/collect/go_symbols.h"
#include "tool/collect/go_waits.h"
#include "tool/collect/http_client.h"
#include "tool/collect/ledger.h"
#include "tool/collect/limits.h"
#include "tool/collect/local_go.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

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
#define EXTRA_S         3.0           /* how long an extra may be silent */
#define EXTRA_TOTAL_S   10.0
#define EXTRA_PAUSE     10.0 /* times what an extra took, until it is asked for again */
#define SHORTEST_S      30.0 /* that a heap may take all in all, however short the window */
#define SYMBOL_TRIES    3
#define SYMBOL_WAIT_S   0.1
#define NAMING_S        10.0              /* for the names of one profile */
#define MOST_SYMBOLS    ((size_t)1 << 17) /* in all */
#define SAME_START_S    2.0

struct ebb_service {
    struct ebb_target_options options;
    struct ebb_arena arena;
    struct ebb_http *http;
    struct ebb_ledger *ledger;
    char *root;        /* "http://host:6060/debug/pprof", without user and password */
    char *shown;       /* the same without /debug/pprof: how messages name the service */
    const char *named; /* the profile that the URL names, "" none */
    bool plain;        /* no Go: heap profiles are taken as they come */

    struct ebb_go_symbols symbols;
    bool unnamed;         /* the service names no addresses */
    bool half_named;      /* some were not named in time */
    double names_after_s; /* not before */

    /* What the heap text does not say. */
    pid_t pid;              /* when it runs on this machine; 0: elsewhere or unknown */
    double born_s;          /* when that was started, on our clock since boot; 0: unknown */
    double born_unix;       /* when the service says it was, on its own clock; 0: unknown */
    bool metrics;           /* answers /metrics */
    double metrics_after_s; /* not before */
    bool facts_asked;       /* what follows was looked for */
    char version[64];
    double gogc;         /* below 0: unknown */
    uint64_t gomemlimit; /* UINT64_MAX: none, or unknown */
    uint64_t rss;        /* as /metrics last said; UINT64_MAX: unknown */

    struct ebb_profile *first;        /* the profile that opening took, until it is used */
    struct ebb_http_transfer *coming; /* the heap on its way, when recording */
    bool coming_collected;            /* it is asked for after a collection */
    struct ebb_profile *newest_heap, *newest_goroutines; /* of the last look, when recording */
    double start_s;                                      /* of the first observation; 0: none yet */
    double moved_s;                                      /* when a collection was last seen */
    int64_t collected_ns;      /* when the last one was, as the service's clock has it; 0: never */
    struct ebb_go_stats last;  /* of the newest heap */
    double goroutines_after_s; /* not before */
    bool stale;                /* an observation was kept although no collection had come */

    struct ebb_http_transfer *costs;                   /* the processor profile on its way */
    double costs_began_s;                              /* it was asked for; 0: none was */
    double costs_until_s;                              /* it should be here */
    bool costs_over;                                   /* the service gives none, or no longer */
    struct ebb_http_transfer *waiting[EBB_COST_COUNT]; /* mutex and block on their way */
    struct ebb_profile *before[EBB_COST_COUNT];        /* the same as the window began */

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

/* The parts of a URL; NULL what it does not have. */
struct parts {
    char *scheme, *host, *zone, *port, *path, *query, *user, *password;
};

/* 0, -ENOMEM, or -EINVAL: the part cannot be decoded. */
static int set_part(CURLU *url, CURLUPart part, char **text, bool decode)
{
    *text = NULL;
    CURLUcode code = curl_url_get(url, part, text, decode ? CURLU_URLDECODE : 0);
    return code == CURLUE_OUT_OF_MEMORY ? -ENOMEM : code == CURLUE_URLDECODE ? -EINVAL : 0;
}

static int take_apart(const char *text, struct parts *parts, struct ebb_error *error)
{
    *parts = (struct parts){0};
    CURLU *url = curl_url();
    CURLUcode code = url ? curl_url_set(url, CURLUPART_URL, text, 0) : CURLUE_OUT_OF_MEMORY;
    int failed = 0;
    if (code == CURLUE_OK)
        failed = set_part(url, CURLUPART_SCHEME, &parts->scheme, false) |
                 set_part(url, CURLUPART_HOST, &parts->host, false) |
                 set_part(url, CURLUPART_ZONEID, &parts->zone, false) |
                 set_part(url, CURLUPART_PORT, &parts->port, false) |
                 set_part(url, CURLUPART_PATH, &parts->path, false) |
                 set_part(url, CURLUPART_QUERY, &parts->query, false);
    int secret = failed || code != CURLUE_OK
                     ? 0
                     : set_part(url, CURLUPART_USER, &parts->user, true) |
                           set_part(url, CURLUPART_PASSWORD, &parts->password, true);
    curl_url_cleanup(url);
    if (secret == -EINVAL)
        return ebb_error_set(error, -EINVAL,
                             "the URL's user or password cannot be sent: %%00 and other control "
                             "codes are not allowed there");
    if (code != CURLUE_OK && code != CURLUE_OUT_OF_MEMORY)
        return ebb_error_set(error, -EINVAL, "the URL cannot be read (%s); write http://HOST:PORT",
                             curl_url_strerror(code));
    bool whole = parts->scheme && parts->host && parts->path;
    return code == CURLUE_OK && !failed && !secret && whole
               ? 0
               : ebb_error_set(error, -ENOMEM, "out of memory");
}

static void free_parts(struct parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->zone);
    curl_free(parts->port);
    curl_free(parts->path);
    curl_free(parts->query);
    curl_free(parts->user);
    curl_free(parts->password);
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

/* The profile that a path below /debug/pprof/ names, by Ebb's name for it; "" for none. A program may
 * have profiles of its own. */
static const char *profile_named(struct ebb_arena *arena, const char *path)
{
    static const char usual[] = "/debug/pprof/";
    const char *at = strstr(path, usual), *name = at ? at + sizeof usual - 1 : "";
    return strcmp(name, "profile") == 0 ? "cpu" : ebb_arena_strdup(arena, name);
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

/* "http://[fe80::1%25eth0]:6060": the service without user, password and path. */
static char *base_of(struct ebb_arena *arena, const struct parts *parts)
{
    int length = (int)strlen(parts->host);
    bool zone = parts->zone && length > 0 && parts->host[length - 1] == ']';
    return ebb_arena_printf(arena, "%s://%.*s%s%s%s%s%s", parts->scheme, length - zone, parts->host,
                            zone ? "%25" : "", zone ? parts->zone : "", zone ? "]" : "",
                            parts->port ? ":" : "", parts->port ? parts->port : "");
}

/* Splits the URL into `root`, `shown` and what the client needs. */
static int parse_url(struct ebb_service *service, const char *url, struct ebb_http_options *options,
                     struct ebb_error *error)
{
    struct ebb_arena *arena = &service->arena;
    struct parts parts;
    int code = take_apart(url, &parts, error);
    char *base = code == 0 && parts.host ? base_of(arena, &parts) : NULL;
    char *profiles = code == 0 && parts.path ? profile_path(arena, parts.path) : NULL;
    if (base && profiles) {
        const char *usual = strstr(profiles, "/debug/pprof");
        int length = usual ? (int)(usual - profiles) : (int)strlen(profiles);
        service->root = ebb_arena_printf(arena, "%s%s", base, profiles);
        service->shown = ebb_arena_printf(arena, "%s%.*s", base, length, profiles);
        service->named = profile_named(arena, parts.path);
        if (service->options.seconds == 0)
            service->options.seconds = seconds_asked(parts.query);
        options->direct = is_this_machine(parts.host);
        options->user = parts.user ? ebb_arena_strdup(arena, parts.user) : NULL;
        options->password = parts.password ? ebb_arena_strdup(arena, parts.password) : NULL;
    }
    free_parts(&parts);
    if (code < 0)
        return code;
    return service->root && service->shown && service->named
               ? 0
               : ebb_error_set(error, -ENOMEM, "out of memory");
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

/* For what is needed: the heap, or a profile that somebody asked for. A short window has no use for
 * an answer that takes long. */
static struct ebb_http_patience full_patience(const struct ebb_service *service, double gathering_s)
{
    double window_s = service->options.window_s;
    double total_s =
        window_s > 0 ? fmin(fmax(window_s, SHORTEST_S), EBB_HTTP_TOTAL_S) : EBB_HTTP_TOTAL_S;
    return (struct ebb_http_patience){EBB_HTTP_SILENCE_S + gathering_s, total_s + gathering_s};
}

static const struct ebb_http_patience short_patience = {EXTRA_S, EXTRA_TOTAL_S};

/* Asks for root/what. */
static int start(struct ebb_service *service, const char *what, struct ebb_http_patience patience,
                 struct ebb_http_transfer **transfer, struct ebb_error *error)
{
    char url[4096];
    *transfer = NULL;
    if ((size_t)snprintf(url, sizeof url, "%s/%s", service->root, what) >= sizeof url)
        return ebb_error_set(error, -ENAMETOOLONG, "%s: the URL is too long", service->shown);
    return ebb__http_start(service->http, url, patience, transfer, error);
}

/* Waits for the answer; any status but 200 is an error. The caller frees answer->body. */
static int finish(struct ebb_service *service, const char *what, struct ebb_http_transfer *transfer,
                  struct ebb_http_answer *answer, struct ebb_error *error)
{
    int code = ebb__http_finish(transfer, answer, error);
    if (code < 0 || answer->status == 200)
        return code;
    code = describe_status(service, what, answer, error);
    free(answer->body);
    answer->body = NULL;
    return code;
}

static int ask(struct ebb_service *service, const char *what, struct ebb_http_patience patience,
               struct ebb_http_answer *answer, struct ebb_error *error)
{
    struct ebb_http_transfer *transfer;
    *answer = (struct ebb_http_answer){0};
    int code = start(service, what, patience, &transfer, error);
    return code < 0 ? code : finish(service, what, transfer, answer, error);
}

/* Failures that are not the extra's own: they end the look. */
static bool is_ours(int code)
{
    return code == -ENOMEM || code == -EINTR;
}

/* When what took so long may be asked for again. */
static double pause_after(const struct ebb_service *service, double began_s)
{
    double now = now_s();
    return now + fmax(EXTRA_PAUSE * (now - began_s), service->options.window_s / 8);
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

static int ask_profile(struct ebb_service *service, const char *what,
                       struct ebb_http_patience patience, struct ebb_profile **profile,
                       struct ebb_error *error)
{
    struct ebb_http_answer answer;
    *profile = NULL;
    int code = ask(service, what, patience, &answer, error);
    return code < 0 ? code : read_answer(service, what, &answer, profile, error);
}

/* ---- names ---- */

/* Asks /debug/pprof/symbol. A server that is busy, or whose proxy is, is asked again. */
static int ask_symbols(struct ebb_service *service, const char *what,
                       struct ebb_http_answer *answer, struct ebb_error *error)
{
    static const struct timespec wait = {.tv_nsec = (long)(SYMBOL_WAIT_S * 1e9)};
    int code;
    for (int tries = 1; (code = ask(service, what, short_patience, answer, error)) == -EIO; tries++)
        if (tries == SYMBOL_TRIES)
            break;
        else
            nanosleep(&wait, NULL);
    return code;
}

/* Has `count` addresses named; what the service does not know is remembered as unknown. They go into
 * the query: since Go 1.22 the handler takes no POST. 1: it did not answer. */
static int name_batch(struct ebb_service *service, const uint64_t *addresses, size_t count,
                      struct ebb_error *error)
{
    struct ebb_http_answer answer;
    char what[sizeof "symbol?" + SYMBOLS_AT_ONCE * sizeof "0x1234567812345678+"] = "symbol?";
    size_t used = strlen(what);
    for (size_t i = 0; i < count; i++)
        used += (size_t)sprintf(what + used, "%s0x%" PRIx64, i ? "+" : "", addresses[i]);
    int code = ask_symbols(service, what, &answer, error);
    if (is_ours(code))
        return code;
    service->unnamed |= code == -ENOENT || code == -EACCES;
    if (code < 0)
        return service->unnamed ? 0 : 1;
    code = ebb__go_symbols_read(&service->symbols, answer.body);
    free(answer.body);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = ebb__go_symbols_give_up(&service->symbols, addresses[i]);
    return code < 0 ? no_memory(service, error) : 0;
}

static bool lacks_name(const struct ebb_service *service, const struct ebb_location *location)
{
    return location->line_count == 0 && location->address &&
           !ebb__go_symbols_have(&service->symbols, location->address);
}

/* Has the addresses named that have no name yet: as many as there is time for, up to a bound. What
 * is left stays unnamed for the whole window, because a stack must look the same each time. */
static int ask_names(struct ebb_service *service, const struct ebb_profile *profile,
                     struct ebb_error *error)
{
    struct addresses EBB_VEC(uint64_t) addresses = {0};
    double began_s = now_s();
    bool early = began_s < service->names_after_s;
    size_t named = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < profile->location_count; i++)
        if (lacks_name(service, &profile->locations[i]) &&
            ebb_vec_push(&addresses, profile->locations[i].address) < 0)
            code = no_memory(service, error);
    while (code == 0 && !early && named < addresses.len && !service->unnamed &&
           now_s() - began_s < NAMING_S && service->symbols.list.len < MOST_SYMBOLS) {
        size_t left = addresses.len - named;
        size_t count = left < SYMBOLS_AT_ONCE ? left : SYMBOLS_AT_ONCE;
        code = name_batch(service, addresses.items + named, count, error);
        named += code == 0 ? count : 0;
    }
    if (code >= 0 && named < addresses.len && !service->unnamed) {
        service->half_named = true;
        if (!early)
            service->names_after_s = fmax(pause_after(service, began_s),
                                          now_s() + fmax(service->options.window_s, PATIENCE_S));
    }
    ebb_vec_free(&addresses);
    return code < 0 ? code : 0;
}

/* Gives a Go profile its names, in one form. Replaces it. */
static int name_profile(struct ebb_service *service, struct ebb_profile **profile,
                        struct ebb_error *error)
{
    int code = service->unnamed ? 0 : ask_names(service, *profile, error);
    if (code == 0)
        return ebb__go_symbols_apply(&service->symbols, profile, error);
    ebb_profile_free(*profile);
    *profile = NULL;
    return code;
}

/* ---- what else is known ---- */

/* Says something once about how far the evidence can be trusted; `text` is not copied. */
static void caution(struct ebb_service *service, const char *text)
{
    for (size_t i = 0; i < service->cautions.len; i++)
        if (strcmp(service->cautions.items[i], text) == 0)
            return;
    int failed = ebb_vec_push(&service->cautions, text);
    (void)failed; /* out of memory: it goes unsaid */
}

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

/* What /metrics says; that there is none is no failure. */
static void take_metrics(struct ebb_service *service, const struct ebb_http_answer *answer)
{
    double value;
    service->metrics = answer->size <= LARGE && strncmp(answer->type, "text/html", 9) != 0 &&
                       find_metric(answer->body, "process_resident_memory_bytes", &value);
    service->rss = service->metrics ? as_bytes(value) : UINT64_MAX;
    find_version(answer->body, service->version);
    if (find_metric(answer->body, "go_gc_gomemlimit_bytes", &value))
        service->gomemlimit = as_bytes(value);
    if (find_metric(answer->body, "go_gc_gogc_percent", &value))
        service->gogc = value;
}

/* Asks /metrics, which lies beside /debug. -ECONNRESET: the service that answers is another one than
 * before. */
static int read_metrics(struct ebb_service *service)
{
    char url[4096];
    struct ebb_http_answer answer;
    double began_s = now_s(), born = 0, before = service->born_unix;
    service->rss = UINT64_MAX;
    if (began_s < service->metrics_after_s ||
        (size_t)snprintf(url, sizeof url, "%s/metrics", service->shown) >= sizeof url)
        return 0;
    if (ebb__http_ask(service->http, url, short_patience, &answer, NULL) < 0) {
        service->metrics_after_s = pause_after(service, began_s);
        return 0;
    }
    if (answer.status == 200)
        take_metrics(service, &answer);
    if (answer.status == 200 && find_metric(answer.body, "process_start_time_seconds", &born))
        service->born_unix = born;
    free(answer.body);
    return before > 0 && born > 0 && fabs(born - before) > SAME_START_S ? -ECONNRESET : 0;
}

/* When a process of this machine was started, on the clock since boot; 0: it is gone. */
static double birth_of(pid_t pid)
{
    double age_s = ebb__age_of_process(pid);
    return age_s < 0 ? 0 : (double)ebb_clock_read(CLOCK_BOOTTIME) * 1e-9 - age_s;
}

/* Looks for the service among this machine's processes, and at how it was built and started. */
static void read_process(struct ebb_service *service)
{
    char text[64];
    struct ebb_http_answer answer;
    if (ask(service, "cmdline", short_patience, &answer, NULL) < 0)
        return;
    if (ebb__is_local_address(answer.address))
        service->pid = ebb__local_listener(answer.port, answer.body, answer.size);
    free(answer.body);
    if (!service->pid)
        return;
    service->born_s = birth_of(service->pid);
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

/* When recording, a history tells one process from the next by its start; that of a service
 * elsewhere is on its own clock. */
static double age_of(const struct ebb_service *service)
{
    double age_s = service->pid ? ebb__age_of_process(service->pid) : 0;
    if (service->pid == 0 && service->options.recording && service->born_unix > 0)
        age_s = (double)ebb_clock_realtime_ns() * 1e-9 - service->born_unix;
    return age_s > 0 ? age_s : 0;
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
 * profile. 0, or -ECONNRESET as read_metrics. */
static int sight_memory(struct ebb_service *service, struct ebb_sighting *sighting)
{
    if (service->pid && ebb_memory_read(service->pid, false, &sighting->memory) == 0) {
        ebb_limit_read(service->pid, &sighting->memory, &sighting->limit);
        return 0;
    }
    int code = service->metrics ? read_metrics(service) : 0;
    sighting->memory.rss = service->rss;
    return code;
}

/* ---- the heap ---- */

static const char stats_heading[] = "# runtime.MemStats";

/* When recording, what others have to say may keep us from looking at this answer for a while. */
static int start_heap(struct ebb_service *service, bool collect,
                      struct ebb_http_transfer **transfer, struct ebb_error *error)
{
    const char *what = service->plain ? "heap" : collect ? "heap?gc=1&debug=1" : "heap?debug=1";
    double more_s =
        (collect ? GC_PATIENCE_S : 0) + (service->options.recording ? EBB_HTTP_SILENCE_S : 0);
    return start(service, what, full_patience(service, more_s), transfer, error);
}

/* Reads the text of Go; what is none tells that the service is not Go, or was cut off. */
static int read_heap(struct ebb_service *service, struct ebb_http_answer *answer,
                     struct ebb_profile **profile, struct ebb_error *error)
{
    bool is_go = memmem(answer->body, answer->size, stats_heading, sizeof stats_heading - 1);
    int code = read_answer(service, "heap", answer, profile, error);
    if (code == 0 && !is_go && service->last.known)
        code = ebb_error_set(error, -EPROTO, "%s: the heap profile it sent is cut off",
                             service->shown);
    if (code < 0 || service->plain)
        return code;
    service->plain = !is_go;
    if (service->plain) {
        ebb_profile_free(*profile);
        return ask_profile(service, "heap", full_patience(service, 0), profile, error);
    }
    code = name_profile(service, profile, error);
    if (code == 0 && add_facts(service, *profile) < 0)
        code = no_memory(service, error);
    return code;
}

/* Takes the heap profile that is on its way, or else asks for it; `collect`: after a garbage
 * collection. */
static int take_heap(struct ebb_service *service, bool collect, struct ebb_profile **profile,
                     struct ebb_error *error)
{
    struct ebb_http_answer answer;
    struct ebb_http_transfer *transfer = service->coming;
    service->coming = NULL;
    *profile = NULL;
    int code = transfer ? 0 : start_heap(service, collect, &transfer, error);
    if (code == 0)
        code = finish(service, "heap", transfer, &answer, error);
    if (code == 0)
        code = read_heap(service, &answer, profile, error);
    if (code < 0) {
        ebb_profile_free(*profile);
        *profile = NULL;
        return code;
    }
    if (!service->plain)
        service->collected_ns = (*profile)->time_ns;
    if (!service->plain || service->options.recording)
        (*profile)->time_ns = (int64_t)ebb_clock_realtime_ns();
    return 0;
}

/* The heap, and whatever else is known of the service once it turned out to be one. */
static int take_first_heap(struct ebb_service *service, struct ebb_profile **profile,
                           struct ebb_error *error)
{
    struct ebb_evidence *evidence = ebb__ledger_evidence(service->ledger);
    int code = take_heap(service, false, profile, error);
    if (code < 0 || service->plain || service->facts_asked)
        return code;
    service->facts_asked = true;
    (void)read_metrics(service);
    read_process(service);
    evidence->pid = service->pid;
    evidence->age_s = age_of(service);
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
    int code = parse_url(service, url, &options, error);
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
    if (code == 0 && options->window_s > 0 && !options->recording)
        code = take_first_heap(service, &service->first, error);
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
    ebb_profile_free(service->newest_heap);
    ebb_profile_free(service->newest_goroutines);
    for (int i = 0; i < EBB_COST_COUNT; i++) {
        ebb_profile_free(service->before[i]);
        ebb__http_abandon(service->waiting[i]);
    }
    ebb__http_abandon(service->coming);
    ebb__http_abandon(service->costs);
    ebb_vec_free(&service->cautions);
    ebb__http_free(service->http);
    ebb__ledger_free(service->ledger);
    ebb__go_symbols_free(&service->symbols);
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
    double began_s = now_s();
    struct ebb_http_answer answer;
    *profile = NULL;
    if (service->plain || began_s < service->goroutines_after_s)
        return 0;
    int code = ask(service, "goroutine", short_patience, &answer, error);
    bool costly = code == 0 && (answer.seconds > SLOW_S || answer.size > LARGE);
    if (code == 0)
        code = read_answer(service, "goroutine", &answer, profile, error);
    if (code == 0)
        code = name_profile(service, profile, error);
    if (code == 0 && ebb_profile_find_type(*profile, "goroutine") < 0)
        code = -EPROTO;
    if (code < 0 || costly)
        service->goroutines_after_s = pause_after(service, began_s);
    if (code == 0 || is_ours(code))
        return code;
    ebb_profile_free(*profile);
    *profile = NULL;
    if (code == -ENOENT || code == -EACCES)
        service->goroutines_after_s = INFINITY; /* a service may well hide them */
    else if (code != -EIO)                      /* busy, or its proxy is */
        caution(service,
                "its goroutines could not be read at times, so one that waits for ever may "
                "have been missed");
    return 0;
}

static int restarted(const struct ebb_service *service, struct ebb_error *error)
{
    return ebb_error_set(error, -ECONNRESET, "%s: restarted after %.0f s", service->shown,
                         now_s() - service->start_s);
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
    bool begins = service->start_s == 0;
    if (begins)
        service->start_s = now;
    struct ebb_sighting sighting = ebb__sighting_at(now - service->start_s);
    sighting.goroutines = goroutines;
    if (service->last.known && sight_memory(service, &sighting) < 0 && !begins)
        code = restarted(service, error);
    ebb__ledger_evidence(service->ledger)->runtime_named =
        service->last.known && !service->unnamed && !service->half_named;
    if (code == 0)
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

/* A service that began anew counts from zero, and its process is another one. */
static int check_restart(const struct ebb_service *service, const struct ebb_go_stats *stats,
                         struct ebb_error *error)
{
    const struct ebb_go_stats *last = &service->last;
    if (service->start_s == 0 || !last->known || !stats->known)
        return 0;
    bool counts_less = stats->num_gc < last->num_gc || stats->total_alloc < last->total_alloc;
    bool another =
        service->born_s > 0 && fabs(birth_of(service->pid) - service->born_s) > SAME_START_S;
    return counts_less || another ? restarted(service, error) : 0;
}

/* Takes the heap once more, after a collection. When recording, that too goes on in the background,
 * and this look tells nothing new. */
static int take_collected_heap(struct ebb_service *service, struct ebb_profile **heap, bool *counts,
                               struct ebb_error *error)
{
    *counts = !service->options.recording;
    if (service->options.recording) {
        service->coming_collected = true;
        return start_heap(service, true, &service->coming, error);
    }
    ebb_profile_free(*heap);
    int code = take_heap(service, true, heap, error);
    ebb__ledger_evidence(service->ledger)->gc_forced |= code == 0;
    return code;
}

/* Asks for the heap, again after a collection when it is stale. `*counts`: it tells something new.
 */
static int take_new_heap(struct ebb_service *service, struct ebb_profile **heap, bool *counts,
                         struct ebb_error *error)
{
    bool collected = service->coming && service->coming_collected;
    service->coming_collected = false;
    *heap = service->first;
    service->first = NULL;
    int code = *heap ? 0 : take_first_heap(service, heap, error);
    struct ebb_go_stats stats = {0};
    if (code == 0) {
        stats = ebb__go_stats_of(*heap);
        code = check_restart(service, &stats, error);
    }
    if (code < 0)
        return code;
    *counts =
        !stats.known || service->start_s == 0 || collected || stats.num_gc != service->last.num_gc;
    bool moved = *counts && service->start_s > 0;
    ebb__ledger_evidence(service->ledger)->gc_forced |= collected;
    if (stats.known && !moved && !collected && is_stale(service)) {
        *counts = true;
        if (service->options.no_gc)
            service->stale = true;
        else
            code = take_collected_heap(service, heap, counts, error);
        if (code < 0)
            return code;
        stats = ebb__go_stats_of(*heap);
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

/* Asks for where locks were waited for up to now, in the background. */
static void begin_waiting(struct ebb_service *service)
{
    for (int kind = EBB_COST_MUTEX; kind <= EBB_COST_BLOCK; kind++)
        (void)start(service, lock_profiles[kind], short_patience, &service->waiting[kind], NULL);
}

/* What was asked for; NULL when the service does not say. */
static struct ebb_profile *take_waiting(struct ebb_service *service, enum ebb_cost kind)
{
    struct ebb_http_answer answer;
    struct ebb_profile *profile = NULL;
    struct ebb_http_transfer *transfer = service->waiting[kind];
    service->waiting[kind] = NULL;
    if (!transfer)
        return NULL;
    int code = finish(service, lock_profiles[kind], transfer, &answer, NULL);
    if (code == 0)
        code = read_answer(service, lock_profiles[kind], &answer, &profile, NULL);
    if (code == 0)
        code = name_profile(service, &profile, NULL);
    if (code < 0 && code != -ENOENT && code != -EACCES)
        caution(service, "what waited for locks is unknown, because the service did not say");
    return profile;
}

/* What was waited for since begin_waiting(). Both kinds are asked for at once. */
static void end_waiting(struct ebb_service *service)
{
    static const int signs[] = {1, -1};
    double window_s = now_s() - service->start_s;
    for (int kind = EBB_COST_MUTEX; kind <= EBB_COST_BLOCK; kind++) {
        if (service->waiting[kind] && !ebb__http_done(service->waiting[kind]))
            caution(service, "what waited for locks is unknown, because the service did not say");
        else if (service->waiting[kind])
            service->before[kind] = take_waiting(service, (enum ebb_cost)kind);
        ebb__http_abandon(service->waiting[kind]);
        service->waiting[kind] = NULL;
        if (service->before[kind])
            (void)start(service, lock_profiles[kind], short_patience, &service->waiting[kind],
                        NULL);
    }
    for (int kind = EBB_COST_MUTEX; kind <= EBB_COST_BLOCK; kind++) {
        const struct ebb_profile *both[] = {take_waiting(service, (enum ebb_cost)kind),
                                            service->before[kind]};
        struct ebb_profile *gained = NULL;
        if (both[0] && both[1])
            ebb_profile_merge(both, signs, 2, &gained, NULL);
        ebb_profile_free((struct ebb_profile *)both[0]);
        if (gained && gained->sample_count > 0) {
            gained->duration_ns = (int64_t)(window_s * 1e9);
            ebb__ledger_add_costs(service->ledger, (enum ebb_cost)kind, gained, 0, window_s);
        }
        ebb_profile_free(gained);
    }
}

/* Has the next processor profile gathered in the background, when it would end with the window. */
static void begin_costs(struct ebb_service *service)
{
    char what[64];
    double now = now_s(), window_s = service->options.window_s;
    double left = service->start_s + window_s - now;
    double seconds = fmin(fmax(ceil(window_s * COSTS_SHARE), 1), COSTS_LONGEST_S);
    bool early = service->costs_began_s > 0 && now - service->costs_began_s < window_s * COSTS_PACE;
    seconds = fmin(seconds, floor(left));
    if (service->costs_over || service->costs || early || seconds < 1)
        return;
    service->costs_began_s = now;
    service->costs_until_s = now + seconds + EXTRA_S;
    /* It moves only when somebody looks, which may be seldom. */
    double most_s = seconds + EXTRA_S + window_s / 2;
    snprintf(what, sizeof what, "profile?seconds=%.0f", seconds);
    service->costs_over =
        start(service, what, (struct ebb_http_patience){most_s, most_s}, &service->costs, NULL) < 0;
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
    ebb__http_hurry(transfer, fmax(service->costs_until_s - now_s(), 0));
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
        ask(service, "goroutine?debug=2", short_patience, &answer, NULL) < 0)
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
    else if (service->last.known && service->half_named)
        caution(service,
                "the service did not name all its addresses in time (/debug/pprof/symbol), "
                "so what its maps do may be unknown");
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
    bool coming = service->coming;
    if (service->over || service->options.recording || !service->last.known)
        return coming && !service->over;
    if (service->costs && ebb__http_done(service->costs))
        end_costs(service);
    begin_costs(service);
    for (int kind = EBB_COST_MUTEX; kind <= EBB_COST_BLOCK; kind++) {
        if (service->waiting[kind] && ebb__http_done(service->waiting[kind]))
            service->before[kind] = take_waiting(service, (enum ebb_cost)kind);
        coming |= service->waiting[kind] != NULL;
    }
    return service->costs || coming;
}

bool ebb__service_ready(struct ebb_service *service)
{
    if (!service->options.recording || service->over)
        return true;
    if (!service->coming && start_heap(service, false, &service->coming, NULL) < 0)
        return true; /* looking says why */
    return ebb__http_done(service->coming);
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
        end_waiting(service);
        read_waits(service);
    }
    say_cautions(service);
    return code < 0 ? code : 0;
}

/* ---- single profiles ---- */

/* What lies beside the profiles and is none. */
static bool is_no_profile(const char *name)
{
    static const char *const names[] = {"cmdline", "symbol", "trace"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

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
    double seconds = service->options.seconds;
    *profile = NULL;
    if (!*name)
        name = *service->named ? service->named : "heap";
    if (is_no_profile(name))
        return ebb_error_set(error, -EINVAL,
                             "%s: /debug/pprof/%s is no profile; name heap, goroutine, profile or "
                             "another of those that /debug/pprof/ lists",
                             service->shown, name);
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
    const char *handler = cpu ? "profile" : name;
    const char *what =
        seconds > 0 ? ebb_arena_printf(&service->arena, "%s?seconds=%.0f", handler, ceil(seconds))
                    : handler;
    if (!what)
        return no_memory(service, error);
    int code = ask_profile(service, what, full_patience(service, seconds), profile, error);
    return code == 0 ? name_profile(service, profile, error) : code;
}
