/* The agent: a library that is preloaded into an unmodified program and publishes what the program
 * does with memory. This is the common ground of its rooms:
 *
 *     malloc.c    the malloc family: the few instructions that every call pays
 *     operators.c operator new and delete of allocators that do not end in malloc
 *     mappings.c  large anonymous mappings made by the program itself
 *     threads.c   pthread_create and what becomes of threads
 *     record.c    the slow path: a block is sampled, a sampled block dies
 *     real.c      the functions behind ours, and the first allocations of all
 *     maps.c      maps of libebb in the same process
 *     life.c      start, fork, thread end, exit, environment
 *
 * How a call goes. Every thread has a shard in the record; malloc(n) takes n + 1 from the shard's
 * countdown and jumps to the real malloc. When the countdown falls below zero, the slow path
 * records the block. A thread without a shard of its own stands on the boot shard, whose countdown
 * is always far below zero, so its first call takes the slow path and gets it one. free(p) asks the
 * filter, which knows the few recorded blocks, and jumps to the real free.
 *
 * Rules. The agent never prints, never allocates with malloc, takes no pthread lock on the way of
 * an allocation, keeps errno, and leaves everything mapped at exit. What runs inside itself (a
 * signal handler that allocates during the slow path) goes straight to the real functions. */
#ifndef EBB_AGENT_AGENT_H
#define EBB_AGENT_AGENT_H

#include "channel/layout.h"
#include "channel/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The only names the library shows. */
#define EBB_EXPORT      __attribute__((visibility("default")))
#define EBB_SLOW        __attribute__((noinline, cold))
#define ebb_likely(x)   __builtin_expect(!!(x), 1)
#define ebb_unlikely(x) __builtin_expect(!!(x), 0)

/* -- A thread's own ---------------------------------------------------------------------------- */

struct ebb_agent_thread {
    struct ebb_shard *shard;
    bool busy;     /* inside the agent */
    bool ended;    /* gave its shard back; what still comes counts in the common shard */
    bool attached; /* its end will be noticed */
    bool resolving;
    uint8_t destructor_rounds;
    uint8_t patience; /* calls until it asks for a shard again */
    int saved_errno;
};

extern __thread struct ebb_agent_thread ebb_agent_self __attribute__((tls_model("initial-exec")));

#define EBB_AGENT_BOOT_COUNTDOWN (-(INT64_C(1) << 62))
extern struct ebb_shard ebb_agent_boot_shard;

/* Takes `size` from the thread's countdown. True: the slow path must look at this allocation, which
 * is charged already unless `size` is absurd or the thread stands on the boot shard. */
static inline bool ebb_agent_charge(size_t size)
{
    int64_t charge = (int64_t)(size + 1);
    if (ebb_unlikely(charge <= 0)) /* PTRDIFF_MAX and more: no allocator grants it */
        return true;
    struct ebb_shard *shard = ebb_agent_self.shard;
    bool due;
    /* One instruction, so that a signal handler that allocates cannot come between. "Less", not
     * "sign": the boot shard must stay below zero for every charge. */
#if defined(__x86_64__)
    __asm__("subq %2, %0" : "+m"(shard->countdown), "=@ccl"(due) : "er"(charge) : "cc");
#else
    int64_t left;
    due = __builtin_sub_overflow(shard->countdown, charge, &left) || left < 0;
    shard->countdown = (int64_t)((uint64_t)shard->countdown - (uint64_t)charge);
#endif
    if (ebb_unlikely(due))
        return true;
    shard->allocs++;
    return false;
}

/* -- The slow path (record.c) ------------------------------------------------------------------ */

/* Completes a charge that asked for the slow path. True: the block must be recorded once it
 * exists. */
bool ebb_agent_due(size_t size);
/* Records a block that was due. NULL is an allocation that failed: its charge is taken back. */
void ebb_agent_born(void *block, size_t size, enum ebb_kind kind);
/* Counts a free and forgets the block if it was recorded. To be called before the real free. */
void ebb_agent_freed(void *block);
/* The same from inside the agent, where a held lock must not be waited for; counts nothing. */
void ebb_agent_freed_inside(void *block);
/* Counts a free and nothing else. */
void ebb_agent_count_free(void);

/* The bucket of an event of this size and kind, at the stack of the call into the agent. EBB_NONE
 * without room. Call between enter and leave. */
uint32_t ebb_agent_bucket_here(struct ebb_writer *writer, uint64_t size, enum ebb_kind kind);

/* -- Being inside (life.c) --------------------------------------------------------------------- */

/* Enters the agent: starts it when it is the first call of all, gives the thread a shard, keeps
 * errno. NULL: pass the call through and do not leave (too early, switched off, or inside already).
 */
struct ebb_writer *ebb_agent_enter(void);
void ebb_agent_leave(void);
/* The same for events that need a record, which is made if there is none. */
struct ebb_writer *ebb_agent_enter_to_record(void);

/* Calls counted before the agent could start, or while it is passed through. */
void ebb_agent_count_early(uint64_t allocs, uint64_t bytes, uint64_t frees);

/* Whether an address lies in the agent's own code. */
bool ebb_agent_owns(uintptr_t address);

/* The addresses from the first to the last byte of the loaded object that holds `address`; empty
 * when there is none. */
struct ebb_agent_range {
    uintptr_t start, end;
};
struct ebb_agent_range ebb_agent_object_of(const void *address);

static inline bool ebb_agent_in(struct ebb_agent_range range, uintptr_t address)
{
    return address - range.start < range.end - range.start;
}

/* -- Other rooms ------------------------------------------------------------------------------- */

void ebb_agent_mappings_start(const void *allocator);
void ebb_agent_mappings_forget(void);

/* This thread ends. */
void ebb_agent_thread_ended(struct ebb_writer *writer);

/* -- The functions behind ours (real.c) -------------------------------------------------------- */

struct ebb_real {
    void *(*malloc)(size_t);
    void (*free)(void *);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
};
extern struct ebb_real ebb_real; /* callable at any time */

/* Looks the real functions up. False when called from inside itself. */
bool ebb_real_resolve(void);
/* The next definition of `name` behind ours, NULL when there is none. */
void *ebb_real_symbol(const char *name);

#endif
