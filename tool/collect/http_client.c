/* See http_client.h. All transfers hang on one multi handle, so that one in the background moves
 * while another is waited for, and connections are shared. */
#include "tool/collect/http_client.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { REDIRECTS = 5, POLL_MS = 200, HEADERS_LIMIT = 256 << 10 };

struct ebb_http {
    CURLM *multi;
    char *user, *password, *token, *ca;
    bool insecure, direct;
    int interrupt;
};

struct ebb_http_transfer {
    struct ebb_http *http;
    CURL *easy;
    char *shown; /* the URL for messages */
    char *body;
    size_t size, room;
    size_t headers; /* bytes, of all answers on the way */
    struct ebb_http_patience patience;
    double began_s, heard_s, until_s; /* `until_s`: when it is given up */
    bool done, too_large, no_memory, from_pprof;
    CURLcode result;
    char detail[CURL_ERROR_SIZE];
};

static double now_s(void)
{
    return (double)ebb_clock_ns() * 1e-9;
}

/* ---- the client ---- */

/* A copy, NULL for NULL; `*failed` when there was no memory. */
static char *copy(const char *text, bool *failed)
{
    char *made = text ? strdup(text) : NULL;
    *failed |= text && !made;
    return made;
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

int ebb__http_new(const struct ebb_http_options *options, struct ebb_http **result,
                  struct ebb_error *error)
{
    *result = NULL;
    bool failed = false;
    struct ebb_http *http = calloc(1, sizeof *http);
    if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(http);
        return ebb_error_set(error, -ENOMEM, "out of memory");
    }
    http->user = copy(options->user, &failed);
    http->password = copy(options->password, &failed);
    http->token = copy(options->token, &failed);
    http->ca = copy(options->ca, &failed);
    http->insecure = options->insecure;
    http->direct = options->direct;
    http->interrupt = options->interrupt;
    http->multi = curl_multi_init();
    if (failed || !http->multi) {
        ebb__http_free(http);
        return ebb_error_set(error, -ENOMEM, "out of memory");
    }
    *result = http;
    return 0;
}

void ebb__http_free(struct ebb_http *http)
{
    if (!http)
        return;
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    free(http->user);
    wipe(http->password);
    wipe(http->token);
    free(http->ca);
    free(http);
}

/* ---- one transfer ---- */

static size_t take_body(char *data, size_t unit, size_t count, void *context)
{
    struct ebb_http_transfer *transfer = context;
    size_t size = unit * count;
    transfer->heard_s = now_s();
    if (size > EBB_HTTP_LIMIT - transfer->size) {
        transfer->too_large = true;
        return 0;
    }
    if (transfer->size + size + 1 > transfer->room) {
        size_t room = (transfer->size + size + 1) * 2;
        char *body = realloc(transfer->body, room);
        if (!body) {
            transfer->no_memory = true;
            return 0;
        }
        transfer->body = body;
        transfer->room = room;
    }
    memcpy(transfer->body + transfer->size, data, size);
    transfer->size += size;
    return size;
}

/* A redirect's own headers and body are not the answer's. */
static size_t take_header(char *data, size_t unit, size_t count, void *context)
{
    static const char mark[] = "X-Go-Pprof:", status[] = "HTTP/";
    struct ebb_http_transfer *transfer = context;
    size_t size = unit * count;
    transfer->heard_s = now_s();
    transfer->headers += size;
    if (transfer->headers > HEADERS_LIMIT)
        return 0;
    if (size >= sizeof status - 1 && memcmp(data, status, sizeof status - 1) == 0) {
        transfer->from_pprof = false;
        transfer->size = 0;
    }
    if (size >= sizeof mark - 1 && strncasecmp(data, mark, sizeof mark - 1) == 0)
        transfer->from_pprof = true;
    return size;
}

/* The URL without what could be secret: user, password, query and fragment. */
static char *shown_url(const char *url)
{
    const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
    size_t authority = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', authority);
    const char *rest = at ? at + 1 : host, *end = rest + strcspn(rest, "?#");
    char *shown = malloc((size_t)(host - url) + (size_t)(end - rest) + 1);
    if (shown)
        sprintf(shown, "%.*s%.*s", (int)(host - url), url, (int)(end - rest), rest);
    return shown;
}

static void set_credentials(const struct ebb_http *http, CURL *easy)
{
    if (http->token) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, http->token);
    } else if (http->user) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, http->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, http->password ? http->password : "");
    }
}

static void set_options(struct ebb_http_transfer *transfer, const char *url)
{
    const struct ebb_http *http = transfer->http;
    CURL *easy = transfer->easy;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->detail);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "ebb/" EBB_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)EBB_HTTP_CONNECT_S);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, (long)EBB_HTTP_SLOWEST);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)ceil(transfer->patience.silence_s));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)ceil(transfer->patience.total_s * 1e3));
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)EBB_HTTP_LIMIT);
    if (http->direct)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (http->ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, http->ca);
    if (http->insecure) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set_credentials(http, easy);
}

int ebb__http_start(struct ebb_http *http, const char *url, struct ebb_http_patience patience,
                    struct ebb_http_transfer **result, struct ebb_error *error)
{
    *result = NULL;
    bool failed = false;
    struct ebb_http_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    transfer->http = http;
    transfer->patience = patience;
    transfer->began_s = now_s();
    transfer->until_s = INFINITY; /* libcurl itself sees to its patience */
    transfer->shown = shown_url(url);
    transfer->body = calloc(1, 1);
    transfer->room = 1;
    transfer->easy = curl_easy_init();
    failed |= !transfer->shown || !transfer->body || !transfer->easy;
    if (!failed) {
        set_options(transfer, url);
        failed = curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK;
    }
    if (failed) {
        ebb__http_abandon(transfer);
        return ebb_error_set(error, -ENOMEM, "out of memory");
    }
    *result = transfer;
    return 0;
}

void ebb__http_abandon(struct ebb_http_transfer *transfer)
{
    if (!transfer)
        return;
    if (transfer->easy) {
        curl_multi_remove_handle(transfer->http->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    free(transfer->shown);
    free(transfer->body);
    free(transfer);
}

/* Moves all transfers as far as they go by themselves. */
static void move(struct ebb_http *http)
{
    int running, left;
    curl_multi_perform(http->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        struct ebb_http_transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->done = true;
        transfer->result = result;
    }
}

bool ebb__http_done(struct ebb_http_transfer *transfer)
{
    move(transfer->http);
    return transfer->done;
}

void ebb__http_hurry(struct ebb_http_transfer *transfer, double seconds)
{
    transfer->until_s = now_s() + seconds;
}

/* ---- what went wrong ---- */

/* It took too long: to connect, to say anything more, or all in all. */
static int describe_patience(const struct ebb_http_transfer *transfer, struct ebb_error *error)
{
    const char *shown = transfer->shown;
    double connected = 0, now = now_s(),
           silent_s = now - fmax(transfer->heard_s, transfer->began_s);
    curl_off_t body = 0;
    long headers = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME, &connected);
    curl_easy_getinfo(transfer->easy, CURLINFO_SIZE_DOWNLOAD_T, &body);
    curl_easy_getinfo(transfer->easy, CURLINFO_HEADER_SIZE, &headers);
    if (connected == 0)
        return ebb_error_set(error, -ETIMEDOUT,
                             "%s: no connection within %d s; is the address right, and does a "
                             "firewall let us through?",
                             shown, EBB_HTTP_CONNECT_S);
    if (transfer->heard_s == 0 || silent_s > transfer->patience.silence_s / 2)
        return ebb_error_set(error, -ETIMEDOUT,
                             "%s: silent for %.0f s, given up; is the service hung or overloaded?",
                             shown, fmin(silent_s, transfer->patience.silence_s));
    return ebb_error_set(error, -ETIMEDOUT,
                         "%s: too slow: %lld bytes in %.0f s, given up; is the service overloaded, "
                         "or the network?",
                         shown, (long long)body + headers, now - transfer->began_s);
}

/* libcurl has no room for a header of more than about 100 KB, which it calls out of memory; so where
 * there is memory, that is what it was. */
static int describe_memory(const struct ebb_http_transfer *transfer, struct ebb_error *error)
{
    void *probe = transfer->no_memory ? NULL : malloc((size_t)4 << 20);
    bool there_is = probe;
    free(probe);
    return there_is ? ebb_error_set(error, -EFBIG,
                                    "%s: its answer begins with more headers than a service sends; "
                                    "name the port that serves /debug/pprof",
                                    transfer->shown)
                    : ebb_error_set(error, -ENOMEM, "%s: out of memory", transfer->shown);
}

static int describe_connection(const struct ebb_http_transfer *transfer, struct ebb_error *error)
{
    long number = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number);
    return ebb_error_set(error, -ECONNREFUSED,
                         "%s: cannot connect (%s); does the service run, and is this its debug "
                         "port?",
                         transfer->shown, number ? strerror((int)number) : "no answer");
}

static int describe(const struct ebb_http_transfer *transfer, struct ebb_error *error)
{
    const char *shown = transfer->shown;
    const char *detail =
        transfer->detail[0] ? transfer->detail : curl_easy_strerror(transfer->result);
    if (transfer->too_large || transfer->result == CURLE_FILESIZE_EXCEEDED)
        return ebb_error_set(error, -EFBIG,
                             "%s: the answer is larger than %zu MiB; that is no profile", shown,
                             EBB_HTTP_LIMIT >> 20);
    if (transfer->no_memory || transfer->headers > HEADERS_LIMIT ||
        transfer->result == CURLE_OUT_OF_MEMORY)
        return describe_memory(transfer, error);
    switch (transfer->result) {
    case CURLE_URL_MALFORMAT:
        /* Ours was taken apart before; this one the server gave. */
        return ebb_error_set(error, -EPROTO,
                             "%s: redirects to an address that cannot be read; name the address it "
                             "should lead to",
                             shown);
    case CURLE_COULDNT_RESOLVE_HOST:
        return ebb_error_set(error, -EHOSTUNREACH, "%s: no host of that name is known", shown);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ebb_error_set(error, -EHOSTUNREACH,
                             "%s: the proxy that http_proxy or https_proxy names is not known",
                             shown);
    case CURLE_COULDNT_CONNECT:
        return describe_connection(transfer, error);
    case CURLE_OPERATION_TIMEDOUT:
        return describe_patience(transfer, error);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return ebb_error_set(error, -EPROTO,
                             "%s: its certificate is not trusted (%.200s); name its authority with "
                             "--ca FILE, or trust any with --insecure",
                             shown, detail);
    case CURLE_SSL_CACERT_BADFILE:
        if (!transfer->http->ca)
            return ebb_error_set(
                error, -EPROTO,
                "%s: its certificate is not trusted: this machine has no "
                "authorities to trust; install ca-certificates, name one with --ca "
                "FILE, or trust any with --insecure",
                shown);
        return ebb_error_set(error, -EINVAL, "--ca %s: cannot read certificates from it",
                             transfer->http->ca);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        return ebb_error_set(error, -EPROTO,
                             "%s: no TLS connection (%.200s); if the port speaks plain HTTP, write "
                             "http://",
                             shown, detail);
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return ebb_error_set(error, -ECONNREFUSED,
                             "%s: the connection was closed without an answer; did the service "
                             "end, or does the port speak another protocol?",
                             shown);
    case CURLE_PARTIAL_FILE:
        return ebb_error_set(error, -EPROTO,
                             "%s: the connection was closed in the middle of the answer; try "
                             "again, and see what ended it",
                             shown);
    case CURLE_BAD_CONTENT_ENCODING:
        return ebb_error_set(error, -EPROTO,
                             "%s: the answer's compression is damaged; is there a broken proxy in "
                             "between?",
                             shown);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
        return ebb_error_set(error, -EPROTO,
                             "%s: does not speak HTTP there; name the port that serves "
                             "/debug/pprof",
                             shown);
    case CURLE_TOO_MANY_REDIRECTS:
        return ebb_error_set(error, -EPROTO,
                             "%s: redirects in circles; name the address it should lead to", shown);
    default:
        return ebb_error_set(error, -EIO, "%s: %.300s", shown, detail);
    }
}

/* ---- the end of a transfer ---- */

static void hand_over(struct ebb_http_transfer *transfer, struct ebb_http_answer *answer)
{
    curl_off_t total_us = 0;
    char *type = NULL, *address = NULL;
    long port = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &address);
    curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_PORT, &port);
    snprintf(answer->address, sizeof answer->address, "%s", address ? address : "");
    answer->port = (unsigned)port;
    answer->seconds = (double)total_us * 1e-6;
    snprintf(answer->type, sizeof answer->type, "%s", type ? type : "");
    answer->from_pprof = transfer->from_pprof;
    answer->body = transfer->body;
    answer->body[transfer->size] = '\0';
    answer->size = transfer->size;
    transfer->body = NULL;
}

int ebb__http_finish(struct ebb_http_transfer *transfer, struct ebb_http_answer *answer,
                     struct ebb_error *error)
{
    struct ebb_http *http = transfer->http;
    int code = 0;
    *answer = (struct ebb_http_answer){0};
    while (code == 0 && !ebb__http_done(transfer)) {
        struct curl_waitfd interrupt = {.fd = http->interrupt, .events = CURL_WAIT_POLLIN};
        curl_multi_poll(http->multi, &interrupt, http->interrupt > 0, POLL_MS, NULL);
        if (http->interrupt > 0 && interrupt.revents)
            code = ebb_error_set(error, -EINTR, "%s: interrupted", transfer->shown);
        else if (now_s() > transfer->until_s)
            code = describe_patience(transfer, error);
    }
    if (code == 0 && transfer->result != CURLE_OK)
        code = describe(transfer, error);
    if (code == 0)
        hand_over(transfer, answer);
    ebb__http_abandon(transfer);
    return code;
}

int ebb__http_ask(struct ebb_http *http, const char *url, struct ebb_http_patience patience,
                  struct ebb_http_answer *answer, struct ebb_error *error)
{
    struct ebb_http_transfer *transfer;
    *answer = (struct ebb_http_answer){0};
    int code = ebb__http_start(http, url, patience, &transfer, error);
    return code < 0 ? code : ebb__http_finish(transfer, answer, error);
}
