/* A ledger: heap profiles of one target, taken one after the other, become evidence. Saved files, a
 * service over HTTP and a kept history all go through it, so they are judged alike. Internal to the
 * collect room.
 *
 * What Go's runtime says of itself travels inside the profile, as comments of the form
 * "runtime.MemStats HeapAlloc = 1234" and "go version go1.19.8": a saved profile is judged like a
 * live one. */
#ifndef EBB_TOOL_COLLECT_LEDGER_H
#define EBB_TOOL_COLLECT_LEDGER_H

#include "tool/collect/evidence.h"
#include "tool/profile/profile.h"

#define EBB_GO_STATS_COMMENT   "runtime.MemStats "
#define EBB_GO_VERSION_COMMENT "go version "

struct ebb_ledger;

struct ebb_ledger *ebb__ledger_new(void);         /* NULL: out of memory */
void ebb__ledger_free(struct ebb_ledger *ledger); /* NULL is fine; frees the evidence too */
/* The caller sets what profiles do not say: target, pid, age, window, caution. */
struct ebb_evidence *ebb__ledger_evidence(struct ebb_ledger *ledger);

/* Exact counts that a sampled profile only estimates; UINT64_MAX (below 0) where unknown. */
struct ebb_totals {
    uint64_t allocs, frees, alloc_bytes, threads; /* as in ebb_observation */
    double live_bytes_sd;
};

/* What was seen beside the profile, at the same moment. */
struct ebb_sighting {
    double time_s;            /* since the first */
    struct ebb_memory memory; /* UINT64_MAX where unknown */
    struct ebb_limit limit;
    struct ebb_totals totals;
    const struct ebb_profile *goroutines; /* NULL: nobody looked; or a threadcreate profile */
};
struct ebb_sighting ebb__sighting_at(double time_s); /* nothing else known */

/* Adds one observation: a heap profile (or a threadcreate or goroutine profile alone). `name` stands
 * in messages. 0, -EINVAL (not a heap profile), -ENOMEM. O(samples). */
int ebb__ledger_add(struct ebb_ledger *ledger, const struct ebb_profile *profile,
                    const struct ebb_sighting *sighting, const char *name, struct ebb_error *error);
/* Adds a processor, mutex or block profile of the time from `from_s` to `to_s` (since the first
 * observation). 0, -EINVAL (another kind of profile), -ENOMEM. */
int ebb__ledger_add_costs(struct ebb_ledger *ledger, enum ebb_cost kind,
                          const struct ebb_profile *profile, double from_s, double to_s);

/* Adds what goroutines wait for, as ebb__go_waits_read gives it; takes the place of what was there.
 * 0, -EINVAL (another kind of profile), -ENOMEM. */
int ebb__ledger_add_waits(struct ebb_ledger *ledger, const struct ebb_profile *profile);

/* What the comments of a profile say; `known` is false when they say nothing. */
struct ebb_go_stats ebb__go_stats_of(const struct ebb_profile *profile);

#endif
