/* Load for the scenarios: calls a function so many times per second, evenly, for ever. C and C++. */
#ifndef EBB_TESTS_SCENARIOS_LOAD_H
#define EBB_TESTS_SCENARIOS_LOAD_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef void load_work(unsigned long number);

static inline double load_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Never returns. What cannot be done in time is left out, not caught up with. */
static inline void load_run(double per_second, load_work *work)
{
    double last = load_now(), owed = 0;
    for (unsigned long number = 0;;) {
        struct timespec tick = {0, 5000000};
        nanosleep(&tick, NULL);
        double now = load_now();
        owed += (now - last) * per_second;
        last = now;
        if (owed > per_second)
            owed = per_second;
        for (; owed >= 1; owed--)
            work(number++);
    }
}

struct load_thread {
    double per_second;
    load_work *work;
};

static inline void *load_thread_main(void *argument)
{
    struct load_thread thread = *(struct load_thread *)argument;
    free(argument);
    load_run(thread.per_second, thread.work);
    return NULL;
}

/* The same in a thread of its own. */
static inline void load_in_thread(double per_second, load_work *work)
{
    struct load_thread *thread = (struct load_thread *)malloc(sizeof *thread);
    pthread_t id;
    if (!thread)
        abort();
    thread->per_second = per_second;
    thread->work = work;
    if (pthread_create(&id, NULL, load_thread_main, thread) != 0)
        abort();
    pthread_detach(id);
}

/* A reproducible number for a number (splitmix64). */
static inline uint64_t load_random(uint64_t number)
{
    number += 0x9e3779b97f4a7c15u;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
    return number ^ (number >> 31);
}

#endif
