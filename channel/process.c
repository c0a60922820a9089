#include "channel/process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A main thread that ended while others run on looks like a zombie, but such a process has further
 * threads. */
bool ebb_process_runs(pid_t pid, uint64_t start_ticks)
{
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = 0;
    const char *after_name = strrchr(text, ')'); /* the name may hold anything, ')' included */
    char state;
    int64_t threads;
    uint64_t ticks;
    if (!after_name ||
        sscanf(after_name + 1,
               " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNd64
               " %*s %" SCNu64,
               &state, &threads, &ticks) != 3)
        return false;
    bool ended = state == 'X' || (state == 'Z' && threads <= 1);
    return !ended && ticks == start_ticks;
}
