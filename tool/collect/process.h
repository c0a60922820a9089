/* One record of the channel: what it says, as evidence and as profiles. Internal to the collect
 * room. */
#ifndef EBB_TOOL_COLLECT_PROCESS_H
#define EBB_TOOL_COLLECT_PROCESS_H

#include "channel/reader.h"
#include "tool/collect/evidence.h"
#include "tool/profile/profile.h"

struct ebb_process;

/* Takes over the reader (also when it fails; NULL: out of memory). `ours`: we started the program,
 * so its record is removed once it was read to the end; others' are only marked as read. `target` is
 * copied into the evidence. Symbols are shared with `symbolizer`, which must outlive the process. */
struct ebb_process *ebb__process_new(struct ebb_reader *reader, bool ours, const char *target,
                                     struct ebb_symbolizer *symbolizer);
void ebb__process_free(struct ebb_process *process); /* NULL is fine */

/* If the process is killed or crashes, its record stays and is not marked as read. */
void ebb__process_keep_killed(struct ebb_process *process);

struct ebb_evidence *ebb__process_evidence(struct ebb_process *process);
const struct ebb_identity *ebb__process_identity(const struct ebb_process *process);

/* Adds an observation. 0; 1 when this was the last one, because the process has ended or another
 * program took its place (the record is then done with and closed); negative errno and the line. A
 * process that ended before it was observed a few times has its history reconstructed from the
 * births of what it still held. */
int ebb__process_observe(struct ebb_process *process, struct ebb_error *error);

/* Whether the record was read to its end. */
bool ebb__process_ended(const struct ebb_process *process);
/* Whether the process itself still runs; false once the record was read to its end. */
bool ebb__process_alive(const struct ebb_process *process);

/* See ebb_target_profile. */
int ebb__process_profile(struct ebb_process *process, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error);

/* Whether a module is the agent itself. It stands between a thread's start and the thread's
 * function and is not part of the program, so neither evidence nor profiles show it. */
bool ebb__is_agent_path(const char *path);

/* The profile of one snapshot (process_profile.c). */
int ebb__snapshot_profile(const struct ebb_snapshot *snapshot, const struct ebb_identity *identity,
                          struct ebb_symbolizer *symbolizer, const char *name,
                          struct ebb_profile **profile, struct ebb_error *error);

#endif
