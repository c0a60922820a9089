/* A lock for the writing side: one word, zero is unlocked.
 *
 * It allocates nothing, knows no owner, survives fork (the child zeroes it) and may be held by a
 * thread inside malloc, which rules pthread mutexes out. Sections are short; a waiter spins, then
 * yields, then sleeps a little, so that a preempted or lower-priority owner can go on. */
#ifndef EBB_CHANNEL_SPIN_H
#define EBB_CHANNEL_SPIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct ebb_spin {
    uint32_t locked;
};

static inline bool ebb_spin_try(struct ebb_spin *spin)
{
    return __atomic_exchange_n(&spin->locked, 1, __ATOMIC_ACQUIRE) == 0;
}

/* Called between attempts; `round` counts them. Raw system calls: the libc wrappers may be
 * cancellation points, and malloc is none. */
static inline void ebb_spin_wait(unsigned round)
{
    if (round < 64) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("yield");
#endif
    } else if (round < 1024) {
        syscall(SYS_sched_yield);
    } else {
        struct timespec nap = {.tv_nsec = 50000};
        syscall(SYS_nanosleep, &nap, NULL);
    }
}

static inline void ebb_spin_lock(struct ebb_spin *spin)
{
    for (unsigned round = 0; !ebb_spin_try(spin);)
        do
            ebb_spin_wait(round++);
        while (__atomic_load_n(&spin->locked, __ATOMIC_RELAXED));
}

static inline void ebb_spin_unlock(struct ebb_spin *spin)
{
    __atomic_store_n(&spin->locked, 0, __ATOMIC_RELEASE);
}

#endif
