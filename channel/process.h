/* Whether the process that wrote a record is still there. */
#ifndef EBB_CHANNEL_PROCESS_H
#define EBB_CHANNEL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Whether a process with this pid runs and was started at this time (field 22 of /proc/PID/stat). A
 * zombie does not run. */
bool ebb_process_runs(pid_t pid, uint64_t start_ticks);

#endif
