/* A service that answers /debug/pprof over HTTP: a Go program that imports net/http/pprof, or what
 * `ebb serve` serves. Internal to the collect room.
 *
 * Go's heap profile as a protocol buffer hides the runtime's own frames, and with them what a map is
 * doing. So the text form is taken, which lists raw addresses, and the service itself names them
 * (/debug/pprof/symbol). The profile is as of the last garbage collection: an observation without
 * one since the last tells nothing new and is left out, and when none comes by itself for a while
 * one is asked for, unless that is forbidden. */
#ifndef EBB_TOOL_COLLECT_GO_SERVICE_H
#define EBB_TOOL_COLLECT_GO_SERVICE_H

#include "tool/collect/target.h"

struct ebb_service;

/* Parses the URL (the service, a base path, or any of its /debug/pprof addresses) and, unless
 * recording, asks once for the heap, so that what is wrong with the address shows at once. See target.h for the options. */
int ebb__service_open(const char *url, const struct ebb_target_options *options,
                      struct ebb_service **service, struct ebb_error *error);
void ebb__service_close(struct ebb_service *service); /* NULL is fine */

/* See ebb_target_observe. A failure is forgiven for a few seconds; then the service is gone (1: it
 * no longer accepts connections, like a process that ended) or lost (negative: it restarted, hung,
 * or answers nonsense). The evidence up to there stays. */
int ebb__service_observe(struct ebb_service *service, struct ebb_error *error);
/* See ebb_target_ready and ebb_target_attend. */
bool ebb__service_ready(struct ebb_service *service);
bool ebb__service_attend(struct ebb_service *service);
/* See ebb_target_conclude. */
int ebb__service_conclude(struct ebb_service *service, struct ebb_error *error);
struct ebb_evidence *ebb__service_evidence(struct ebb_service *service);

/* See ebb_target_profile. Heap profiles have the runtime's frames and carry what the runtime says of
 * itself, so that saved ones are judged like live ones. */
int ebb__service_profile(struct ebb_service *service, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error);

#endif
