/* What is asked and what is answered, free of any HTTP library: the endpoints (pprof.h) turn a
 * request into a response, the server (server.h) carries both over the wire.
 *
 * A source is what stands behind the endpoints: the processes whose profiles are served. Its calls
 * come from several threads at once; it does its own locking. */
#ifndef EBB_TOOL_SERVE_ANSWER_H
#define EBB_TOOL_SERVE_ANSWER_H

#include "base/error.h"
#include "tool/profile/profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { EBB_SOURCE_PROCESSES = 64, EBB_SOURCE_COMMAND_BYTES = 4096 };

struct ebb_source {
    void *context;
    /* Fills up to `room` pids, the most important first; returns how many. */
    size_t (*processes)(void *context, pid_t *pids, size_t room);
    /* The profile `name` ("heap", "allocs", "threadcreate") of one process now. */
    int (*profile)(void *context, pid_t pid, const char *name, struct ebb_profile **profile,
                   struct ebb_error *error);
    /* Its arguments, NUL-separated; returns the bytes used. */
    size_t (*command)(void *context, pid_t pid, char *buffer, size_t room);
    /* The functions at `count` addresses; `name` is called for each that is known. */
    int (*symbols)(void *context, pid_t pid, const uint64_t *addresses, size_t count,
                   void (*name)(void *out, uint64_t address, const char *function), void *out,
                   struct ebb_error *error);
};

struct ebb_parameter {
    const char *name, *value; /* decoded; value is NULL for `?name` */
};

struct ebb_request {
    const char *method, *path;
    const struct ebb_parameter *parameters;
    size_t parameter_count;
    const char *body;
    size_t body_size;
    /* Waits; returns early when the server stops. False when nobody waits for the answer any more.
     */
    bool (*wait)(void *context, double seconds);
    void *wait_context;
};

struct ebb_response {
    int status;
    const char *content_type; /* static */
    const char *allow;        /* methods, with status 405; static */
    const char *location;     /* with a redirect; static */
    char file_name[32];       /* "" or the name a browser saves it under */
    bool is_error;            /* the body is a line for a person */
    char *body;               /* malloc'ed; the receiver frees it */
    size_t size;
};

#endif
