/* Clocks, as nanoseconds in one number. All are vDSO calls: no system call on Linux. */
#ifndef EBB_BASE_CLOCK_H
#define EBB_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t ebb_clock_read(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Monotonic time since boot, the channel's time base. */
static inline uint64_t ebb_clock_ns(void)
{
    return ebb_clock_read(CLOCK_MONOTONIC);
}

/* The same to the last timer tick (1 to 4 ms) at a third of the cost. */
static inline uint64_t ebb_clock_coarse_ns(void)
{
    return ebb_clock_read(CLOCK_MONOTONIC_COARSE);
}

/* Wall-clock time since 1970. */
static inline uint64_t ebb_clock_realtime_ns(void)
{
    return ebb_clock_read(CLOCK_REALTIME);
}

#endif
