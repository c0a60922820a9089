/* A process that is killed or calls _exit cannot remove its record, and a service that dies every minute
 * would fill /dev/shm with them. So whoever makes a record clears away the dead of its own kind.
 *
 * A record's pid means something only in the pid namespace it was given in, and containers may share
 * /dev/shm: from another namespace a process that lives looks dead. Hence the record says which it was. */
#include "channel/tidy.h"

#include "channel/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Our pid namespace, provided /proc shows it; 0: it does not. */
static uint32_t own_pid_namespace(void)
{
    char self[24];
    ssize_t length = readlink("/proc/self", self, sizeof self - 1);
    struct stat status;
    if (length <= 0 || stat("/proc/self/ns/pid", &status) != 0)
        return 0;
    self[length] = 0;
    return strtol(self, NULL, 10) == getpid() ? (uint32_t)status.st_ino : 0;
}

/* Whether there is certainly no such process. A pid that is used again makes a record stay for longer. */
static bool is_gone(uint32_t pid)
{
    return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static bool is_left_behind(int fd, uint32_t pid_namespace)
{
    struct stat status;
    struct ebb_channel_header header;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
           pread(fd, &header, sizeof header, 0) == (ssize_t)sizeof header &&
           header.magic == EBB_CHANNEL_MAGIC && header.version == EBB_CHANNEL_VERSION &&
           header.agent_flags & EBB_AGENT_LIBRARY && header.pid_namespace == pid_namespace &&
           (header.reader_pid == 0 || header.reader_done || is_gone(header.reader_pid)) &&
           is_gone(header.pid);
}

static void tidy(DIR *directory, uint32_t pid_namespace)
{
    static const char prefix[] = EBB_CHANNEL_PREFIX;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        if (strncmp(entry->d_name, prefix, sizeof prefix - 1) != 0)
            continue;
        int fd =
            openat(dirfd(directory), entry->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (is_left_behind(fd, pid_namespace))
            unlinkat(dirfd(directory), entry->d_name, 0);
        close(fd);
    }
}

void ebb_channel_tidy(void)
{
    int saved = errno, cancel;
    /* Putting into a map is no place to end. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    uint32_t pid_namespace = own_pid_namespace();
    DIR *directory = pid_namespace ? opendir(EBB_CHANNEL_DIRECTORY) : NULL;
    if (directory) {
        tidy(directory, pid_namespace);
        closedir(directory);
    }
    pthread_setcancelstate(cancel, NULL);
    errno = saved;
}
