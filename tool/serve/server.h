/* The HTTP server: carries the endpoints over the wire, and decides who may ask.
 *
 * It runs in the command's process, never in the program that is looked at. One thread serves one
 * connection, at most EBB_SERVER_CONNECTIONS of them; an idle connection is dropped after ten
 * seconds, a request may take 32 KiB of headers and 1 MiB of body. A client that waits for a delta
 * holds its own thread only.
 *
 * Who may ask. Without a token the server binds to loopback addresses only and answers only
 * requests whose Host header names loopback, so that a web page cannot reach it by pointing a name
 * of its own at 127.0.0.1 (DNS rebinding). With a token any address will do, and every request must
 * bring the token, as `Authorization: Bearer TOKEN` or `?token=TOKEN`. */
#ifndef EBB_TOOL_SERVE_SERVER_H
#define EBB_TOOL_SERVE_SERVER_H

#include "tool/serve/answer.h"

enum { EBB_SERVER_CONNECTIONS = 32 };

struct ebb_server;

/* Binds `address` and listens without answering yet, so that a program is only started once it is
 * sure that its profiles can be served. "127.0.0.1:6060", "[::1]:6060", "localhost:6060", ":6060"
 * and "6060" (loopback both); port 0 picks a free one. `token` may be NULL. Errors: a malformed or
 * unresolvable address, a port that is taken (-EADDRINUSE), an address that others reach but no
 * token (-EACCES). */
int ebb_server_listen(const char *address, const char *token, struct ebb_server **server,
                      struct ebb_error *error);

/* Starts to answer from `source`, which must live until ebb_server_stop. */
int ebb_server_start(struct ebb_server *server, const struct ebb_source *source,
                     struct ebb_error *error);

/* "http://127.0.0.1:6060/debug/pprof/", without the token. */
const char *ebb_server_url(const struct ebb_server *server);

/* Lets requests that wait for a delta answer with what there is, gives answers under way a second
 * to reach their clients, and frees the server. NULL is fine. */
void ebb_server_stop(struct ebb_server *server);

#endif
