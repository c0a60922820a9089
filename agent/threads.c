/* Threads: each is a sample at its creation stack until it has ended and was joined or detached.
 *
 * The parent takes the stack; whichever of parent and child comes first makes the sample, so that
 * it exists when pthread_create returns and when the thread's function starts. A thread's sample is
 * found by its pthread_t. That may be used again as soon as a join has returned, so whoever waits
 * for a thread notes its sample's sequence before. */
#include "agent/agent.h"

#include "channel/spin.h"

#include <pthread.h>
#include <string.h>
#include <threads.h>

/* No block has an odd address, so threads and blocks share one table. */
static uintptr_t key_of(pthread_t thread)
{
    return (uintptr_t)thread | 1;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared takes none */
#define REAL(name)                                                                                 \
    static __typeof__(&name) real_##name(void)                                                     \
    {                                                                                              \
        static void *found;                                                                        \
        void *symbol = __atomic_load_n(&found, __ATOMIC_RELAXED);                                  \
        if (!symbol) {                                                                             \
            symbol = ebb_real_symbol(#name);                                                       \
            __atomic_store_n(&found, symbol, __ATOMIC_RELAXED);                                    \
        }                                                                                          \
        __typeof__(&name) function;                                                                \
        memcpy(&function, &symbol, sizeof function);                                               \
        return function;                                                                           \
    }

REAL(pthread_create)
REAL(pthread_join)
REAL(pthread_detach)
REAL(pthread_tryjoin_np)
REAL(pthread_timedjoin_np)
REAL(pthread_clockjoin_np)
REAL(thrd_create)
REAL(thrd_join)
REAL(thrd_detach)
/* NOLINTEND(bugprone-macro-parentheses) */

/* -- Birth ------------------------------------------------------------------------------------- */

enum { UNKNOWN, BEING_RECORDED, RECORDED };

/* What parent and child share while a thread starts; the second of them frees it. */
struct start {
    void *(*run)(void *);
    thrd_start_t run_thrd;
    void *argument;
    uint32_t bucket;
    bool detached;
    uint32_t progress;
    uint32_t owners;
};

/* `thread` is read only while the child is held up in here: once it runs, the memory may be gone. */
static void record_thread(struct start *start, const pthread_t *thread)
{
    uint32_t unknown = UNKNOWN;
    if (!__atomic_compare_exchange_n(&start->progress, &unknown, BEING_RECORDED, false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
        for (unsigned round = 0; __atomic_load_n(&start->progress, __ATOMIC_ACQUIRE) != RECORDED;)
            ebb_spin_wait(round++);
        return;
    }
    struct ebb_writer *writer = ebb_agent_enter();
    if (writer) {
        uintptr_t key = key_of(*thread);
        if (start->bucket != EBB_NONE && ebb_writer_born(writer, key, 0, start->bucket) &&
            start->detached)
            ebb_writer_thread(writer, key, 0, EBB_THREAD_DETACHED);
        ebb_agent_leave();
    }
    __atomic_store_n(&start->progress, RECORDED, __ATOMIC_RELEASE);
}

static void let_go(struct start *start)
{
    if (__atomic_sub_fetch(&start->owners, 1, __ATOMIC_ACQ_REL) == 0)
        ebb_real.free(start);
}

static struct start begin(struct start *start)
{
    if (ebb_agent_enter()) /* the thread is counted and its end noticed even if it never allocates
                            */
        ebb_agent_leave();
    pthread_t self = pthread_self();
    record_thread(start, &self);
    struct start copy = *start;
    let_go(start);
    return copy;
}

static void *thread_main(void *argument)
{
    struct start start = begin((struct start *)argument);
    return start.run(start.argument);
}

static int thread_main_thrd(void *argument)
{
    struct start start = begin((struct start *)argument);
    return start.run_thrd(start.argument);
}

/* NULL when the thread is not to be recorded. */
static struct start *prepare(void)
{
    struct ebb_writer *writer = ebb_agent_enter_to_record();
    if (!writer)
        return NULL;
    struct start *start = ebb_real.calloc(1, sizeof *start);
    if (start) {
        start->bucket = ebb_agent_bucket_here(writer, 0, EBB_KIND_THREAD);
        start->owners = 2;
    }
    ebb_agent_leave();
    return start;
}

static void finish(struct start *start, bool created, const pthread_t *thread)
{
    if (!created) {
        ebb_real.free(start);
        return;
    }
    struct ebb_writer *writer = ebb_agent_enter();
    if (writer) {
        ebb_writer_count_threads(writer, 0, 1);
        ebb_agent_leave();
    }
    record_thread(start, thread);
    let_go(start);
}

EBB_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                              void *(*run)(void *), void *argument)
{
    struct start *start = prepare();
    if (!start)
        return real_pthread_create()(thread, attributes, run, argument);
    int detach_state = PTHREAD_CREATE_JOINABLE;
    if (attributes)
        pthread_attr_getdetachstate(attributes, &detach_state);
    start->detached = detach_state == PTHREAD_CREATE_DETACHED;
    start->run = run;
    start->argument = argument;
    int failure = real_pthread_create()(thread, attributes, thread_main, start);
    finish(start, failure == 0, thread);
    return failure;
}

EBB_EXPORT int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
    struct start *start = prepare();
    if (!start)
        return real_thrd_create()(thread, run, argument);
    start->run_thrd = run;
    start->argument = argument;
    int result = real_thrd_create()(thread, thread_main_thrd, start);
    finish(start, result == thrd_success, thread);
    return result;
}

/* -- Death ------------------------------------------------------------------------------------- */

static uint64_t sequence_of(pthread_t thread)
{
    uint64_t sequence = 0;
    struct ebb_writer *writer = ebb_agent_enter();
    if (writer) {
        if (ebb_writer_published(writer))
            sequence = ebb_writer_thread(writer, key_of(thread), 0, 0);
        ebb_agent_leave();
    }
    return sequence;
}

static void joined(pthread_t thread, uint64_t sequence)
{
    struct ebb_writer *writer = sequence ? ebb_agent_enter() : NULL;
    if (writer) {
        ebb_writer_died_as(writer, key_of(thread), sequence);
        ebb_agent_leave();
    }
}

static void detached(pthread_t thread, uint64_t sequence)
{
    struct ebb_writer *writer = sequence ? ebb_agent_enter() : NULL;
    if (writer) {
        ebb_writer_thread(writer, key_of(thread), sequence, EBB_THREAD_DETACHED);
        ebb_agent_leave();
    }
}

void ebb_agent_thread_ended(struct ebb_writer *writer)
{
    if (ebb_writer_published(writer))
        ebb_writer_thread(writer, key_of(pthread_self()), 0, EBB_THREAD_ENDED);
}

EBB_EXPORT int pthread_join(pthread_t thread, void **result)
{
    uint64_t sequence = sequence_of(thread);
    int failure = real_pthread_join()(thread, result);
    if (failure == 0)
        joined(thread, sequence);
    return failure;
}

EBB_EXPORT int pthread_tryjoin_np(pthread_t thread, void **result)
{
    uint64_t sequence = sequence_of(thread);
    int failure = real_pthread_tryjoin_np()(thread, result);
    if (failure == 0)
        joined(thread, sequence);
    return failure;
}

EBB_EXPORT int pthread_timedjoin_np(pthread_t thread, void **result, const struct timespec *until)
{
    uint64_t sequence = sequence_of(thread);
    int failure = real_pthread_timedjoin_np()(thread, result, until);
    if (failure == 0)
        joined(thread, sequence);
    return failure;
}

EBB_EXPORT int pthread_clockjoin_np(pthread_t thread, void **result, clockid_t clock,
                                    const struct timespec *until)
{
    uint64_t sequence = sequence_of(thread);
    int failure = real_pthread_clockjoin_np()(thread, result, clock, until);
    if (failure == 0)
        joined(thread, sequence);
    return failure;
}

EBB_EXPORT int pthread_detach(pthread_t thread)
{
    uint64_t sequence = sequence_of(thread);
    int failure = real_pthread_detach()(thread);
    if (failure == 0)
        detached(thread, sequence);
    return failure;
}

EBB_EXPORT int thrd_join(thrd_t thread, int *result)
{
    uint64_t sequence = sequence_of(thread);
    int outcome = real_thrd_join()(thread, result);
    if (outcome == thrd_success)
        joined(thread, sequence);
    return outcome;
}

EBB_EXPORT int thrd_detach(thrd_t thread)
{
    uint64_t sequence = sequence_of(thread);
    int outcome = real_thrd_detach()(thread);
    if (outcome == thrd_success)
        detached(thread, sequence);
    return outcome;
}
