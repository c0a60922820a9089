/* A small HTTP client over libcurl: whole answers into memory, with every way to fail said in one
 * line. Internal to the collect room.
 *
 * Connections are kept and reused. Each request says how long it may take and how long it may send
 * less than EBB_HTTP_SLOWEST; one that does, or an answer that outgrows EBB_HTTP_LIMIT, is given up.
 * Redirects are followed within http and https, and
 * credentials stay with the host they were given for. Proxies of the environment are used, except
 * for the machine itself. Messages name a URL without its user, password and query. Not
 * thread-safe. */
#ifndef EBB_TOOL_COLLECT_HTTP_CLIENT_H
#define EBB_TOOL_COLLECT_HTTP_CLIENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define EBB_HTTP_SILENCE_S 10.0 /* the usual patience */
#define EBB_HTTP_TOTAL_S   600.0
#define EBB_HTTP_SLOWEST   1024 /* bytes a second */
#define EBB_HTTP_CONNECT_S 5
#define EBB_HTTP_LIMIT     ((size_t)256 << 20)

struct ebb_http;

struct ebb_http_options {
    const char *user, *password; /* for basic authentication; NULL: none */
    const char *token;           /* a bearer token, goes before user and password; NULL: none */
    const char *ca; /* file of certificates to trust instead of the system's; or NULL */
    bool insecure;  /* trust every certificate */
    bool direct;    /* no proxy: the host is this machine */
    int interrupt;  /* a descriptor: when it can be read, waiting ends; 0: none */
};

struct ebb_http_answer {
    long status; /* 200, 404, ... */
    char *body;  /* `size` bytes and a NUL; the receiver frees it */
    size_t size;
    double seconds;   /* from asking to the last byte */
    char type[64];    /* Content-Type, "" none */
    bool from_pprof;  /* X-Go-Pprof: the handler itself reports an error */
    char address[64]; /* who answered, "" unknown */
    unsigned port;
};

/* When a request is given up. */
struct ebb_http_patience {
    double silence_s; /* so long less than EBB_HTTP_SLOWEST came */
    double total_s;   /* so long in all */
};

/* Options are copied. 0, -ENOMEM. */
int ebb__http_new(const struct ebb_http_options *options, struct ebb_http **http,
                  struct ebb_error *error);
void ebb__http_free(struct ebb_http *http); /* NULL is fine; no transfer may be left */

/* GETs a URL and waits for the answer, whatever its status.
 * 0; -ECONNREFUSED (nothing listens or the connection broke before an answer), -ETIMEDOUT,
 * -EPROTO (TLS, not HTTP, a broken answer), -EFBIG, -EINTR, -ENOMEM, -EIO, and the line. */
int ebb__http_ask(struct ebb_http *http, const char *url, struct ebb_http_patience patience,
                  struct ebb_http_answer *answer, struct ebb_error *error);

/* The same in two steps: between them the transfer goes on whenever the client is used. */
struct ebb_http_transfer;
int ebb__http_start(struct ebb_http *http, const char *url, struct ebb_http_patience patience,
                    struct ebb_http_transfer **transfer, struct ebb_error *error);
/* Moves what can be moved without waiting. */
bool ebb__http_done(struct ebb_http_transfer *transfer);
/* From now on it has so long at most. */
void ebb__http_hurry(struct ebb_http_transfer *transfer, double seconds);
/* Waits for the end and frees the transfer. */
int ebb__http_finish(struct ebb_http_transfer *transfer, struct ebb_http_answer *answer,
                     struct ebb_error *error);
void ebb__http_abandon(struct ebb_http_transfer *transfer); /* NULL is fine */

#endif
