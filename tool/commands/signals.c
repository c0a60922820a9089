/* See signals.h. The handler writes the number into a pipe (the self-pipe trick, D. J. Bernstein);
 * a full pipe drops the signal, 64 Ki of them are waiting then. */
#include "tool/commands/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static int pipe_ends[2] = {-1, -1};

static void remember(int signal)
{
    int saved = errno;
    unsigned char number = (unsigned char)signal;
    ssize_t written = write(pipe_ends[1], &number, 1);
    (void)written;
    errno = saved;
}

int ebb_signals_catch(const int *signals)
{
    if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    for (; *signals; signals++) {
        struct sigaction old, new = {.sa_handler = remember, .sa_flags = SA_RESTART};
        sigfillset(&new.sa_mask);
        if (sigaction(*signals, NULL, &old) < 0)
            return -errno;
        if (old.sa_handler != SIG_IGN && sigaction(*signals, &new, NULL) < 0)
            return -errno;
    }
    return 0;
}

int ebb_signals_wait(int timeout_ms)
{
    unsigned char number;
    if (read(pipe_ends[0], &number, 1) == 1)
        return number;
    struct pollfd one = {.fd = pipe_ends[0], .events = POLLIN};
    poll(&one, 1, timeout_ms);
    return read(pipe_ends[0], &number, 1) == 1 ? number : 0;
}
