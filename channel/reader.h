/* Reading a record: what a publishing program wrote into the channel, alive or dead.
 *
 * The file is read with pread(2) into buffers of ours and every number in it is checked before it
 * is used, so a record that is truncated, torn, hostile or shrinking under our hands gives an error
 * line or fewer entries, never a crash. Reading takes no lock and does not touch the program.
 *
 * A reader and its snapshots belong to one thread at a time. */
#ifndef EBB_CHANNEL_READER_H
#define EBB_CHANNEL_READER_H

#include "base/error.h"
#include "channel/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ebb_reader;

/* Who publishes. Strings are NUL-terminated valid UTF-8 and hold no control characters other than
 * the NULs that separate `command`'s arguments; what does not fit became '?'. So are the modules'
 * paths of a snapshot. */
struct ebb_identity {
    char path[256]; /* of the record */
    pid_t pid, parent_pid;
    uint64_t start_ticks, session, period;
    uint64_t started_realtime_ns, started_ns;
    uint32_t agent_flags;
    char executable[EBB_CHANNEL_PATH_BYTES];
    char command[EBB_CHANNEL_COMMAND_BYTES];
    size_t command_size;
    char allocator[EBB_CHANNEL_PATH_BYTES];
};

/* One consistent-enough copy of a record. Owned by the caller; free with ebb_snapshot_free.
 * Every index is in range: bucket.stack < stack_count, sample.bucket < bucket_count,
 * stack.first_frame + stack.depth <= frame_count, alloc counters >= free counters, kinds and size
 * classes are known ones, no time lies after taken_ns, and map.stack
 * < stack_count or UINT32_MAX. Names of maps are printable. */
struct ebb_snapshot {
    uint64_t taken_ns; /* CLOCK_MONOTONIC; for a dead process the time of its end where known */
    uint32_t state;    /* enum ebb_state */
    uint64_t period;

    uint64_t allocs, frees; /* exact calls */
    uint64_t alloc_bytes;   /* exact bytes requested */
    uint64_t sampled;       /* allocations sampled */
    uint64_t threads, threads_created, lost_frees;
    uint64_t dropped[EBB_TABLE_COUNT]; /* entries that found no room */
    uint64_t record_bytes;             /* size of the record itself: part of the program's shmem */

    struct ebb_module *modules;
    uint64_t *frames;
    struct ebb_stack *stacks;
    struct ebb_bucket *buckets;
    struct ebb_sample *samples; /* live ones only, in no particular order */
    struct ebb_map_entry *maps; /* those that are there now */
    size_t module_count, frame_count, stack_count, bucket_count, sample_count, map_count;

    size_t capacity[EBB_TABLE_COUNT]; /* private: entries the buffers have room for */
};

/* Opens the record of a process. With several (an earlier image, an earlier process with the same
 * pid) the newest wins. -ENOENT when it does not publish; the error line says how to make it. */
int ebb_reader_open(pid_t pid, struct ebb_reader **reader, struct ebb_error *error);
/* Opens a record by its path. Refuses anything that is not a regular file of ours or root's. */
int ebb_reader_open_path(const char *path, struct ebb_reader **reader, struct ebb_error *error);
void ebb_reader_close(struct ebb_reader *reader);

const struct ebb_identity *ebb_reader_identity(const struct ebb_reader *reader);

/* Whether the process that wrote the record still runs (pid and start time agree). */
bool ebb_reader_alive(const struct ebb_reader *reader);

/* Tells the writer that somebody reads, so that the record is kept at exit. */
void ebb_reader_attach(struct ebb_reader *reader);
/* Says that the last word was read: detaches from a process that lives; marks the record of a dead
 * one, which may still be read again until `ebb ps` clears it away. */
void ebb_reader_done(struct ebb_reader *reader);
/* Removes the record of a dead process; that of a live one stays. */
void ebb_reader_remove(struct ebb_reader *reader);

/* Copies the record. `snapshot` is overwritten (buffers of an earlier snapshot in it are reused;
 * zero-initialise it the first time). 0, or -EBADMSG and the line. O(entries). */
int ebb_reader_snapshot(struct ebb_reader *reader, struct ebb_snapshot *snapshot,
                        struct ebb_error *error);
void ebb_snapshot_free(struct ebb_snapshot *snapshot);

/* The unbiased weight of one sampled block of `size` bytes, 1 / (1 - exp(-(size + 1) / period));
 * 1 for kinds that are counted exactly. */
double ebb_sample_weight(uint64_t size, uint64_t period, enum ebb_kind kind);

/* Lists the records in the channel's directory, newest first; calls `each` for every readable one,
 * and stops when it returns non-zero. `session` 0 lists all. Returns how many were visited or a
 * negative errno. */
int ebb_reader_list(uint64_t session,
                    int (*each)(void *context, const struct ebb_identity *identity, bool alive,
                                bool done),
                    void *context);

#endif
