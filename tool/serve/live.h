/* A target as a source of profiles: what stands behind the server in `ebb run` and `ebb serve`.
 *
 * A target belongs to one thread at a time and requests come from many, so every use of it goes
 * through one lock. The command that owns the target takes the same lock (ebb_live_lock) for what
 * it does itself: forwarding signals, noticing the end. A lock is held for as long as it takes to
 * read a record and to symbolize what is new in it, never while a request waits. */
#ifndef EBB_TOOL_SERVE_LIVE_H
#define EBB_TOOL_SERVE_LIVE_H

#include "tool/collect/target.h"
#include "tool/serve/answer.h"

struct ebb_live;

/* NULL: out of memory. The target stays the caller's and must outlive the source. */
struct ebb_live *ebb_live_new(struct ebb_target *target);
void ebb_live_free(struct ebb_live *live);

void ebb_live_lock(struct ebb_live *live);
void ebb_live_unlock(struct ebb_live *live);

/* The calls of answer.h on this target. Valid as long as `live`. */
const struct ebb_source *ebb_live_source(struct ebb_live *live);

#endif
