/* See server.h. The wire is libmicrohttpd's; ours are the socket (for clear errors, port 0 and
 * close-on-exec), the access rules and the clean end. */
#include "tool/serve/server.h"

#include "base/clock.h"
#include "base/vec.h"
#include "tool/serve/pprof.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    IDLE_SECONDS = 10,
    HEADER_BYTES = 32 << 10,
    BODY_BYTES = 1 << 20,
    DRAIN_MS = 1000,
    HOST_BYTES = 256,
};

struct ebb_server {
    int socket;
    int stop; /* an eventfd, readable from the moment the server stops */
    bool loopback;
    char *token;           /* NULL: none asked for */
    char host[HOST_BYTES]; /* as the user named it, "" when not named */
    char url[HOST_BYTES + 64];
    struct MHD_Daemon *daemon;
    const struct ebb_source *source;
    _Atomic int active; /* requests between their first byte and the end of their answer */
};

/* One request while its body comes in. */
struct incoming {
    char *body;
    size_t size, room;
    bool too_large, no_memory;
};

/* ---- listening ---- */

/* Splits "host:port", "[host]:port", ":port" or "port". */
static bool split_address(const char *address, char host[static HOST_BYTES], char port[static 8])
{
    const char *colon = strrchr(address, ':'), *start = address, *end = colon;
    if (!colon) {
        end = address;
        colon = address - 1;
    } else if (*start == '[') {
        if (end == start || end[-1] != ']')
            return false;
        start++;
        end--;
    } else if (memchr(start, ':', (size_t)(end - start))) {
        return false; /* an IPv6 address without brackets */
    }
    size_t host_size = (size_t)(end - start), port_size = strlen(colon + 1);
    if (host_size >= HOST_BYTES || port_size == 0 || port_size > 5 ||
        strspn(colon + 1, "0123456789") != port_size || strtol(colon + 1, NULL, 10) > 65535)
        return false;
    memcpy(host, start, host_size);
    host[host_size] = '\0';
    memcpy(port, colon + 1, port_size + 1);
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *v6 =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(v6) || (IN6_IS_ADDR_V4MAPPED(v6) && v6->s6_addr[12] == 127);
    }
    return false;
}

/* The URL with the port that was really bound. */
static void name_url(struct ebb_server *server, const char *host)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } bound = {0};
    socklen_t size = sizeof bound;
    getsockname(server->socket, &bound.any, &size);
    unsigned port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    bool v6 = strchr(host, ':') != NULL;
    snprintf(server->url, sizeof server->url, "http://%s%s%s:%u/debug/pprof/", v6 ? "[" : "", host,
             v6 ? "]" : "", port);
}

static int bind_to(struct ebb_server *server, const struct addrinfo *found)
{
    int on = 1;
    server->socket = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->socket < 0)
        return -errno;
    setsockopt(server->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server->socket, found->ai_addr, found->ai_addrlen) < 0 ||
        listen(server->socket, EBB_SERVER_CONNECTIONS) < 0)
        return -errno;
    return 0;
}

static int open_socket(struct ebb_server *server, const char *address, struct ebb_error *error)
{
    char port[8];
    if (!split_address(address, server->host, port))
        return ebb_error_set(error, -EINVAL,
                             "'%s' is not an address to serve on; write HOST:PORT, for example "
                             "127.0.0.1:6060",
                             address);
    const char *host = server->host[0] ? server->host : "127.0.0.1";
    /* RFC 6761: localhost is always loopback, also where nothing resolves it. */
    const char *asked = strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int failed = getaddrinfo(asked, port, &hints, &found);
    if (failed)
        return ebb_error_set(error, -EINVAL, "%s: %s", host, gai_strerror(failed));
    server->loopback = is_loopback(found->ai_addr);
    int code;
    if (!server->loopback && !server->token)
        code = ebb_error_set(error, -EACCES,
                             "other machines can reach %s, and profiles show a program's insides; "
                             "protect them with --token TOKEN, or serve on 127.0.0.1",
                             host);
    else if ((code = bind_to(server, found)) == -EADDRINUSE)
        ebb_error_set(
            error, code,
            "port %s of %s is in use; choose another with --http HOST:PORT, or a free one "
            "with --http %s:0",
            port, host, server->host);
    else if (code < 0)
        ebb_error_set(error, code, "cannot serve on %s: %s", address, strerror(-code));
    freeaddrinfo(found);
    if (code == 0)
        name_url(server, host);
    return code;
}

int ebb_server_listen(const char *address, const char *token, struct ebb_server **result,
                      struct ebb_error *error)
{
    struct ebb_server *server = calloc(1, sizeof *server);
    if (!server)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    server->socket = server->stop = -1;
    int code = 0;
    if (token && !*token)
        code = ebb_error_set(error, -EINVAL, "the token is empty; anybody would guess it");
    else if (token && !(server->token = strdup(token)))
        code = ebb_error_set(error, -ENOMEM, "out of memory");
    else if ((server->stop = eventfd(0, EFD_CLOEXEC)) < 0)
        code = ebb_error_set(error, -errno, "eventfd: %s", strerror(errno));
    else
        code = open_socket(server, address, error);
    if (code < 0)
        ebb_server_stop(server);
    else
        *result = server;
    return code;
}

/* ---- who may ask ---- */

/* Compares in a time that depends on the lengths alone. */
static bool same_secret(const char *given, const char *secret)
{
    size_t given_size = strlen(given), secret_size = strlen(secret);
    unsigned difference = given_size != secret_size;
    for (size_t i = 0; i < given_size; i++)
        difference |= (unsigned char)given[i] ^ (unsigned char)secret[i % secret_size];
    return difference == 0;
}

static bool brings_token(const struct ebb_server *server, struct MHD_Connection *connection)
{
    const char *header =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (header && strncasecmp(header, "Bearer ", 7) == 0) {
        header += 7;
        return same_secret(header + strspn(header, " "), server->token);
    }
    const char *parameter = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "token");
    return parameter && same_secret(parameter, server->token);
}

/* Whether a Host header names this machine by a name that no stranger can own. */
static bool host_is_ours(const struct ebb_server *server, const char *header)
{
    char host[HOST_BYTES];
    const char *start = header, *end;
    if (*start == '[') {
        start++;
        end = strchr(start, ']');
        if (!end)
            return false;
    } else {
        end = start + strcspn(start, ":");
    }
    size_t size = (size_t)(end - start);
    if (size >= sizeof host)
        return false;
    memcpy(host, start, size);
    host[size] = '\0';
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0 ||
           (server->host[0] && strcasecmp(host, server->host) == 0);
}

/* True, or the refusal is in `response`. */
static bool may_ask(const struct ebb_server *server, struct MHD_Connection *connection,
                    struct ebb_response *response)
{
    if (server->token) {
        if (brings_token(server, connection))
            return true;
        ebb_response_error(response, 401,
                           "a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN\n");
        return false;
    }
    const char *host =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    if (!host || host_is_ours(server, host))
        return true;
    ebb_response_error(response, 403,
                       "the Host header names another machine; ask for localhost or 127.0.0.1\n");
    return false;
}

/* ---- answering ---- */

struct waiter {
    int stop, client;
};

static bool wait_for(void *context, double seconds)
{
    const struct waiter *waiter = context;
    struct pollfd both[] = {{.fd = waiter->stop, .events = POLLIN},
                            {.fd = waiter->client, .events = POLLRDHUP}};
    uint64_t end = ebb_clock_ns() + (uint64_t)(seconds * 1e9);
    for (;;) {
        uint64_t now = ebb_clock_ns();
        int ready = now < end ? poll(both, 2, (int)((end - now + 999999) / 1000000)) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        return both[0].revents || !(ready > 0 && both[1].revents);
    }
}

struct parameters EBB_VEC(struct ebb_parameter);

static enum MHD_Result add_parameter(void *context, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    (void)kind;
    struct parameters *parameters = context;
    return ebb_vec_push(parameters, (struct ebb_parameter){name ? name : "", value}) == 0 ? MHD_YES
                                                                                          : MHD_NO;
}

static void answer(struct ebb_server *server, struct MHD_Connection *connection, const char *path,
                   const char *method, const struct incoming *incoming,
                   struct ebb_response *response)
{
    if (!may_ask(server, connection, response))
        return;
    if (incoming->too_large || incoming->no_memory) {
        ebb_response_error(response, incoming->too_large ? 413 : 503, "%s\n",
                           incoming->too_large ? "the body is too large" : "out of memory");
        return;
    }
    struct parameters parameters = {0};
    int expected =
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_parameter, &parameters);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct waiter waiter = {server->stop, info ? info->connect_fd : -1};
    struct ebb_request request = {
        .method = method,
        .path = path,
        .parameters = parameters.items,
        .parameter_count = parameters.len,
        .body = incoming->body,
        .body_size = incoming->size,
        .wait = wait_for,
        .wait_context = &waiter,
    };
    if (expected >= 0 && parameters.len < (size_t)expected)
        ebb_response_error(response, 503, "out of memory\n");
    else
        ebb_pprof_answer(server->source, &request, response);
    ebb_vec_free(&parameters);
}

/* Hands the answer to the wire; its body then belongs to the library. */
static enum MHD_Result send_response(struct MHD_Connection *connection,
                                     struct ebb_response *response)
{
    struct MHD_Response *reply =
        response->body
            ? MHD_create_response_from_buffer(response->size, response->body, MHD_RESPMEM_MUST_FREE)
            : MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (!reply) {
        free(response->body);
        return MHD_NO;
    }
    char disposition[80];
    MHD_add_response_header(reply, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(reply, "Cache-Control", "no-store");
    MHD_add_response_header(reply, "Content-Security-Policy",
                            "default-src 'none'; style-src 'unsafe-inline'");
    if (response->content_type)
        MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    if (response->is_error)
        MHD_add_response_header(reply, "X-Go-Pprof", "1");
    if (response->allow)
        MHD_add_response_header(reply, MHD_HTTP_HEADER_ALLOW, response->allow);
    if (response->location)
        MHD_add_response_header(reply, MHD_HTTP_HEADER_LOCATION, response->location);
    if (response->status == 401)
        MHD_add_response_header(reply, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (response->file_name[0]) {
        snprintf(disposition, sizeof disposition, "attachment; filename=\"%s\"",
                 response->file_name);
        MHD_add_response_header(reply, MHD_HTTP_HEADER_CONTENT_DISPOSITION, disposition);
    }
    enum MHD_Result result = MHD_queue_response(connection, (unsigned)response->status, reply);
    MHD_destroy_response(reply);
    return result;
}

static void take_body(struct incoming *incoming, const char *data, size_t size)
{
    if (incoming->too_large || incoming->no_memory)
        return;
    if (size > BODY_BYTES - incoming->size) {
        incoming->too_large = true;
        return;
    }
    if (ebb__vec_reserve((void **)&incoming->body, &incoming->room, incoming->size + size, 1) < 0) {
        incoming->no_memory = true;
        return;
    }
    memcpy(incoming->body + incoming->size, data, size);
    incoming->size += size;
}

/* Called by the library: once when the headers are there, once for each piece of the body, once
 * when all of it came. */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **state)
{
    (void)version;
    struct ebb_server *server = context;
    struct incoming *incoming = *state;
    if (!incoming) {
        *state = incoming = calloc(1, sizeof *incoming);
        if (!incoming)
            return MHD_NO;
        atomic_fetch_add(&server->active, 1);
        return MHD_YES;
    }
    if (*size > 0) {
        take_body(incoming, data, *size);
        *size = 0;
        return MHD_YES;
    }
    struct ebb_response response = {0};
    answer(server, connection, path, method, incoming, &response);
    return send_response(connection, &response);
}

static void request_ended(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_RequestTerminationCode how)
{
    (void)connection, (void)how;
    struct ebb_server *server = context;
    struct incoming *incoming = *state;
    if (!incoming)
        return;
    free(incoming->body);
    free(incoming);
    *state = NULL;
    atomic_fetch_sub(&server->active, 1);
}

/* The library's own messages are about misbehaving clients: nothing the user can act on. */
static void be_quiet(void *context, const char *format, va_list arguments)
{
    (void)context, (void)format, (void)arguments;
}

int ebb_server_start(struct ebb_server *server, const struct ebb_source *source,
                     struct ebb_error *error)
{
    server->source = source;
    server->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, handle, server, MHD_OPTION_EXTERNAL_LOGGER, be_quiet, NULL,
        MHD_OPTION_LISTEN_SOCKET, server->socket, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)EBB_SERVER_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_BYTES, MHD_OPTION_NOTIFY_COMPLETED,
        request_ended, server, MHD_OPTION_END);
    if (!server->daemon)
        return ebb_error_set(error, -EIO, "cannot start the HTTP server on %s", server->url);
    return 0;
}

const char *ebb_server_url(const struct ebb_server *server)
{
    return server->url;
}

void ebb_server_stop(struct ebb_server *server)
{
    if (!server)
        return;
    if (server->daemon) {
        MHD_quiesce_daemon(server->daemon); /* the socket is ours again: nobody new comes in */
        uint64_t one = 1;
        ssize_t written = write(server->stop, &one, sizeof one);
        (void)written; /* an eventfd takes a one while it is not full */
        for (int waited = 0; atomic_load(&server->active) > 0 && waited < DRAIN_MS; waited += 5)
            usleep(5000);
        MHD_stop_daemon(server->daemon);
    }
    if (server->socket >= 0)
        close(server->socket);
    if (server->stop >= 0)
        close(server->stop);
    free(server->token);
    free(server);
}
