/* One target of a store, as evidence: the newest of its lives. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_HISTORY_H
#define EBB_TOOL_COLLECT_HISTORY_H

#include "tool/collect/target.h"

struct ebb_history;

/* Reads what the store at `path` holds of a target (see ebb_store_find; NULL: the only one) and of
 * its last `since_s` seconds, counted from its newest snapshot; 0: all of it. Every process of the
 * newest life becomes a subject. -ENODATA when fewer than two snapshots are left to compare. */
int ebb__history_open(const char *path, const char *word, double since_s,
                      struct ebb_history **history, struct ebb_error *error);
void ebb__history_close(struct ebb_history *history); /* NULL is fine */
size_t ebb__history_count(const struct ebb_history *history);
struct ebb_evidence *ebb__history_evidence(struct ebb_history *history, size_t index);

/* The newest profile of a subject: "heap", "allocs" (the same with another default type), and
 * "threadcreate" or "goroutine" where it was recorded. */
int ebb__history_profile(struct ebb_history *history, size_t index, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error);

#endif
