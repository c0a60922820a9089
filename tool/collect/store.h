/* A store: the history that `ebb record` keeps of any number of targets, in one SQLite file.
 *
 *     target    what the user named, by a name that outlives its processes
 *     run       one process of it, from its start to its end. Those that belong together (a program
 *               and its children) share a life; a restart begins another one
 *     snapshot  one look at a run: its heap profile, a profile of its threads or goroutines, memory
 *               gauges, the limit, exact counters
 *
 * Every snapshot is one transaction behind a write-ahead log: whatever kills the writer, the file
 * holds all snapshots but perhaps the last. A full disk, a busy or damaged file, one that is no
 * store, one by a newer Ebb: each gives one line and leaves what is stored. Several commands may use
 * one store at the same time; a handle belongs to one thread at a time. */
#ifndef EBB_TOOL_COLLECT_STORE_H
#define EBB_TOOL_COLLECT_STORE_H

#include "base/error.h"
#include "tool/collect/ledger.h"
#include "tool/collect/limits.h"
#include "tool/profile/profile.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ebb_store;

enum ebb_store_mode {
    EBB_STORE_READ,   /* of a file that exists, which may be read-only */
    EBB_STORE_CHANGE, /* the same, to prune it */
    EBB_STORE_RECORD, /* made when there is none */
};

int ebb_store_open(const char *path, enum ebb_store_mode mode, struct ebb_store **store,
                   struct ebb_error *error);
void ebb_store_close(struct ebb_store *store); /* NULL is fine */

/* ---- writing ---- */

/* A process as its snapshot names it. Texts are never NULL. */
struct ebb_store_process {
    const char *target;                            /* its name */
    const char *kind;                              /* "c", "go", "ebb" */
    pid_t pid;                                     /* 0: unknown */
    int64_t started_ns;                            /* since 1970; 0: unknown */
    const char *executable, *go_version, *caution; /* "": unknown, none */
    bool gc_forced;
    int64_t life; /* of a child: the life it belongs to; 0: it is one itself */
};

struct ebb_store_snapshot {
    int64_t time_ns; /* since 1970 */
    const struct ebb_profile *heap;
    const struct ebb_profile
        *threads; /* a goroutine or threadcreate profile; NULL: nobody looked */
    struct ebb_memory memory;
    struct ebb_limit limit;
    struct ebb_totals totals;
    uint64_t dropped;
};

/* Stores one snapshot, in the run it continues: the newest of that target and pid whose start agrees
 * (to two seconds, where known) and whose count of allocations was not higher a second or more before
 * (several may record the same, and their snapshots need not come in order); else it begins one. A
 * second snapshot of the same moment replaces the first. `run` and `life` may be NULL. */
int ebb_store_add(struct ebb_store *store, const struct ebb_store_process *process,
                  const struct ebb_store_snapshot *snapshot, int64_t *run, int64_t *life,
                  struct ebb_error *error);

/* Says how a run ended ("killed by SIGKILL"). A later snapshot of it takes that back. */
int ebb_store_end(struct ebb_store *store, int64_t run, const char *reason,
                  struct ebb_error *error);

/* What pruning keeps at all, and what it keeps at full resolution; between the two one snapshot an
 * hour stays, as do the first and the last of each run. */
struct ebb_store_keeping {
    double keep_s, full_s;
};
#define EBB_STORE_KEEP_S (30 * 86400.0)
#define EBB_STORE_FULL_S 86400.0

/* Removes what is older than that at `now_ns` and gives its space back to the file system. `removed`
 * (may be NULL) counts snapshots. */
int ebb_store_prune(struct ebb_store *store, const struct ebb_store_keeping *keeping,
                    int64_t now_ns, uint64_t *removed, struct ebb_error *error);

/* ---- reading ---- */

struct ebb_store_summary {
    const char *target, *kind;
    uint64_t lives, snapshots, bytes; /* bytes of profiles, compressed */
    int64_t first_ns, last_ns;        /* 0: no snapshots */
};

/* Calls `each` for every target, by name; stops when it returns non-zero, and returns that. */
int ebb_store_list(struct ebb_store *store,
                   int (*each)(void *context, const struct ebb_store_summary *summary),
                   void *context, struct ebb_error *error);

/* The target that a word means: its name, the pid of one of its processes, or a part of one name
 * only; NULL: the only target there is. The caller frees `name`. -ENOENT with a line that lists what
 * there is. */
int ebb_store_find(struct ebb_store *store, const char *word, char **name, struct ebb_error *error);

/* Bytes of the file and its log. */
uint64_t ebb_store_bytes(const struct ebb_store *store);

/* A stored run. Texts live until the store is read on. */
struct ebb_store_run {
    int64_t number, life;
    const char *kind, *executable, *go_version, *caution, *end_reason;
    pid_t pid;
    int64_t started_ns;
    bool gc_forced, ended;
    uint64_t snapshots; /* since the asked-for time */
    int64_t first_ns, last_ns;
};

/* Calls `each` for every run of a target that has snapshots since then, the newest life first and
 * within it the main process first. */
int ebb_store_runs(struct ebb_store *store, const char *target, int64_t since_ns,
                   int (*each)(void *context, const struct ebb_store_run *run), void *context,
                   struct ebb_error *error);

/* A stored snapshot: encoded profiles, NULL where there is none. */
struct ebb_store_row {
    int64_t time_ns;
    const void *heap, *threads;
    size_t heap_size, threads_size;
    struct ebb_memory memory;
    struct ebb_limit limit; /* its source lives until the next row */
    struct ebb_totals totals;
    uint64_t dropped;
};

/* Calls `each` for the snapshots of a run since then in order of time: for at most `most` of them,
 * evenly spread over the time, the newest among them. */
int ebb_store_snapshots(struct ebb_store *store, int64_t run, int64_t since_ns, size_t most,
                        int (*each)(void *context, const struct ebb_store_row *row), void *context,
                        struct ebb_error *error);

#endif
