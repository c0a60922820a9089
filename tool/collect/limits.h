/* What memory a process holds and where its ceiling is, from /proc and the cgroup file systems. */
#ifndef EBB_TOOL_COLLECT_LIMITS_H
#define EBB_TOOL_COLLECT_LIMITS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Gauges of one process, in bytes; UINT64_MAX where the kernel does not say. */
struct ebb_memory {
    uint64_t rss, rss_anonymous, rss_file, rss_shared;
    uint64_t rss_peak;
    uint64_t virtual_size, data_size; /* what RLIMIT_AS and RLIMIT_DATA are held against */
    uint64_t swap;
    uint64_t threads;
};

/* The tightest ceiling. */
struct ebb_limit {
    uint64_t limit_bytes; /* UINT64_MAX: none found */
    uint64_t used_bytes;  /* of what the limit counts: cgroup usage, virtual size, data, or RSS */
    const char *source; /* "cgroup", "ulimit", "MemAvailable" (static strings; later GOMEMLIMIT) */
    char detail[160];   /* which file or which rlimit, for a person */
};

/* -ESRCH when the process is gone. O(1); reads /proc/PID/status (and smaps_rollup only when
 * `thorough`, which costs the kernel a walk over the page tables). */
int ebb_memory_read(pid_t pid, bool thorough, struct ebb_memory *memory);

/* The limit that leaves the least room: cgroup v2 or v1 up the hierarchy, RLIMIT_AS, RLIMIT_DATA,
 * MemAvailable. */
int ebb_limit_read(pid_t pid, const struct ebb_memory *memory, struct ebb_limit *limit);

#endif
