/* Work at an even rate, for programs that the tests watch: pace(rate) says how many bytes are due
 * since the last call, sleeping a little when none are. C and C++. */
#ifndef EBB_TESTS_PROGRAMS_PACE_H
#define EBB_TESTS_PROGRAMS_PACE_H

#include <stdlib.h>
#include <time.h>

static inline double pace_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Bytes due at `rate` bytes per second; waits until there are some. */
static inline size_t pace(double rate)
{
    static double last;
    if (last == 0)
        last = pace_now();
    struct timespec tick = {0, 5000000};
    nanosleep(&tick, NULL);
    double now = pace_now(), due = (now - last) * rate;
    last = now;
    return (size_t)due;
}

/* The rate on the command line, in bytes per second. */
static inline double pace_rate(int argc, char **argv, int index)
{
    return argc > index ? strtod(argv[index], NULL) : 4e6;
}

#endif
