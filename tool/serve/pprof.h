/* The endpoints of /debug/pprof/, as `go tool pprof` and a browser expect them.
 *
 *     /debug/pprof/               an index for people
 *     /debug/pprof/heap           live and allocated memory by stack       debug=1, seconds=N, gc=1
 *     /debug/pprof/allocs         the same, allocated memory shown first   debug=1, seconds=N
 *     /debug/pprof/threadcreate   stacks that created threads              debug=1, seconds=N
 *     /debug/pprof/cmdline        the arguments, NUL-separated
 *     /debug/pprof/symbol         addresses to names: ?0x1+0x2 or as a POST body
 *
 * `seconds=N` answers what changed within N seconds, `debug=1` the legacy text form, `gc=1` is
 * accepted and means nothing: a C program has no collector to run first. `pid=N` picks one process
 * of a program that forks; the first one is the default. Profiles that only Go has are answered
 * with 404 and the reason. */
#ifndef EBB_TOOL_SERVE_PPROF_H
#define EBB_TOOL_SERVE_PPROF_H

#include "tool/serve/answer.h"

#include <stdio.h>

/* Always leaves an answer in `response`, an error's line included. */
void ebb_pprof_answer(const struct ebb_source *source, const struct ebb_request *request,
                      struct ebb_response *response);

/* Replaces the answer by one line for a person. */
void ebb_response_error(struct ebb_response *response, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The legacy text form of a profile (debug=1): one line of counts and addresses per stack, `#`
 * lines with their symbols, MAPPED_LIBRARIES at the end. As the format demands, the counts are of
 * sampled blocks and the header says the sampling period, from which a reader scales them. */
void ebb_pprof_text(FILE *out, const struct ebb_profile *profile, const char *name);

#endif
