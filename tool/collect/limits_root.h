/* The same questions as limits.h, asked of a tree that stands in for `/`: so tests can lay out any
 * cgroup arrangement under a temporary folder. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_LIMITS_ROOT_H
#define EBB_TOOL_COLLECT_LIMITS_ROOT_H

#include "tool/collect/limits.h"

/* `root` is "" for the real system, else a folder that holds proc/ and sys/. */
int ebb__memory_read_below(const char *root, pid_t pid, bool thorough, struct ebb_memory *memory);
int ebb__limit_read_below(const char *root, pid_t pid, const struct ebb_memory *memory,
                          struct ebb_limit *limit);

#endif
