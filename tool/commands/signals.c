/* See signals.h. The handler writes the number into a pipe (the self-pipe trick, D. J. Bernstein);
 * a full pipe drops the signal, 64 Ki of them are waiting then. */
#include "tool/commands/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Signals are numbered below it. */
#define FROM_KERNEL 0x80

static int pipe_ends[2] = {-1, -1};
static bool last_from_kernel;

static void remember(int signal, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    unsigned char number = (unsigned char)(signal | (info->si_code == SI_KERNEL ? FROM_KERNEL : 0));
    ssize_t written = write(pipe_ends[1], &number, 1);
    (void)written;
    errno = saved;
}

int ebb_signals_catch(const int *signals)
{
    if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    for (; *signals; signals++) {
        struct sigaction old, new = {.sa_sigaction = remember, .sa_flags = SA_RESTART | SA_SIGINFO};
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
    unsigned char number = 0;
    if (read(pipe_ends[0], &number, 1) != 1) {
        struct pollfd one = {.fd = pipe_ends[0], .events = POLLIN};
        poll(&one, 1, timeout_ms);
        if (read(pipe_ends[0], &number, 1) != 1)
            return 0;
    }
    last_from_kernel = number & FROM_KERNEL;
    return number & ~FROM_KERNEL;
}

int ebb_signals_descriptor(void)
{
    return pipe_ends[0];
}

bool ebb_signals_from_kernel(void)
{
    return last_from_kernel;
}
