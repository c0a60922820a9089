/* The malloc family: what every call of the program pays.
 *
 * The common way of each function is a handful of instructions that ends in a jump to the real
 * function; everything else is behind the functions marked EBB_SLOW. */
#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* A tracked block this many sampling periods large is sampled again with near certainty, whatever
 * its size becomes... */
#define CERTAIN_PERIODS 16

/* malloc and everything shaped like it: one size, one block, NULL on failure. */
#define ALLOCATE(size, call)                                                                       \
    do {                                                                                           \
        bool record = ebb_agent_due(size);                                                         \
        void *block = call;                                                                        \
        if (record)                                                                                \
            ebb_agent_born(block, size, EBB_KIND_MALLOC);                                          \
        return block;                                                                              \
    } while (0)

static EBB_SLOW void *malloc_slow(size_t size)
{
    ALLOCATE(size, ebb_real.malloc(size));
}

EBB_EXPORT void *malloc(size_t size)
{
    if (ebb_unlikely(ebb_agent_charge(size)))
        return malloc_slow(size);
    return ebb_real.malloc(size);
}

static EBB_SLOW void free_slow(void *block)
{
    ebb_agent_freed(block);
    ebb_real.free(block);
}

EBB_EXPORT void free(void *block)
{
    if (ebb_unlikely(!block))
        return;
    struct ebb_shard *shard = ebb_agent_self.shard;
    if (ebb_unlikely(ebb_filter_has((uintptr_t)block)) || ebb_unlikely(shard->countdown < 0)) {
        free_slow(block);
        return;
    }
    shard->frees++;
    ebb_real.free(block);
}

static EBB_SLOW void *calloc_slow(size_t count, size_t size, size_t total)
{
    ALLOCATE(total, ebb_real.calloc(count, size));
}

EBB_EXPORT void *calloc(size_t count, size_t size)
{
    size_t total;
    if (ebb_unlikely(__builtin_mul_overflow(count, size, &total)))
        return ebb_real.calloc(count, size);
    if (ebb_unlikely(ebb_agent_charge(total)))
        return calloc_slow(count, size, total);
    return ebb_real.calloc(count, size);
}

static EBB_SLOW void *memalign_slow(size_t align, size_t size)
{
    ALLOCATE(size, ebb_real.memalign(align, size));
}

EBB_EXPORT void *memalign(size_t align, size_t size)
{
    if (ebb_unlikely(ebb_agent_charge(size)))
        return memalign_slow(align, size);
    return ebb_real.memalign(align, size);
}

static EBB_SLOW void *aligned_alloc_slow(size_t align, size_t size)
{
    ALLOCATE(size, ebb_real.aligned_alloc(align, size));
}

EBB_EXPORT void *aligned_alloc(size_t align, size_t size)
{
    if (ebb_unlikely(ebb_agent_charge(size)))
        return aligned_alloc_slow(align, size);
    return ebb_real.aligned_alloc(align, size);
}

static EBB_SLOW void *valloc_slow(size_t size)
{
    ALLOCATE(size, ebb_real.valloc(size));
}

EBB_EXPORT void *valloc(size_t size)
{
    if (ebb_unlikely(ebb_agent_charge(size)))
        return valloc_slow(size);
    return ebb_real.valloc(size);
}

static EBB_SLOW void *pvalloc_slow(size_t size)
{
    ALLOCATE(size, ebb_real.pvalloc(size));
}

EBB_EXPORT void *pvalloc(size_t size)
{
    if (ebb_unlikely(ebb_agent_charge(size)))
        return pvalloc_slow(size);
    return ebb_real.pvalloc(size);
}

static EBB_SLOW int posix_memalign_slow(void **block, size_t align, size_t size)
{
    bool record = ebb_agent_due(size);
    int failure = ebb_real.posix_memalign(block, align, size);
    if (record)
        ebb_agent_born(failure ? NULL : *block, size, EBB_KIND_MALLOC);
    return failure;
}

EBB_EXPORT int posix_memalign(void **block, size_t align, size_t size)
{
    if (ebb_unlikely(ebb_agent_charge(size)))
        return posix_memalign_slow(block, align, size);
    return ebb_real.posix_memalign(block, align, size);
}

/* -- realloc: a free and an allocation --------------------------------------------------------- */

static EBB_SLOW void *realloc_due(void *block, size_t size)
{
    bool record = ebb_agent_due(size);
    void *moved = ebb_real.realloc(block, size);
    if (moved)
        ebb_agent_count_free();
    if (record)
        ebb_agent_born(moved, size, EBB_KIND_REALLOC);
    return moved;
}

/* ...and while it stays within an eighth of the size at which its stack was taken, it goes on under
 * that stack: a huge block that grows by small steps does not pay for an unwinding each time. */
static bool goes_on(const struct ebb_writer *writer, const struct ebb_live *live, size_t size)
{
    uint64_t slack = live->stack_size / 8, low = live->stack_size - slack;
    return live->stack_size / CERTAIN_PERIODS >= ebb_writer_period(writer) && size >= low &&
           size - low <= 2 * slack;
}

/* A recorded block leaves the table before the real realloc may give its address to another thread,
 * and comes back when realloc fails. */
static EBB_SLOW void *realloc_maybe_recorded(void *block, size_t size)
{
    if (size ==
        0) { /* frees, and returns NULL or a new empty block: that is the allocator's choice */
        ebb_agent_freed(block);
        void *empty = ebb_real.realloc(block, 0);
        if (empty && ebb_agent_charge(0) && ebb_agent_due(0))
            ebb_agent_born(empty, 0, EBB_KIND_REALLOC);
        return empty;
    }
    bool record = ebb_agent_charge(size) && ebb_agent_due(size), stays = false;
    struct ebb_live live;
    struct ebb_writer *writer = ebb_agent_enter();
    bool recorded = writer && ebb_writer_take(writer, (uintptr_t)block, true, &live) == EBB_FOUND;
    void *moved = ebb_real.realloc(block, size);
    int failure = errno;
    if (recorded) {
        if (!moved)
            ebb_writer_put_back(writer, &live);
        else if ((stays = goes_on(writer, &live, size)))
            ebb_writer_resize(writer, &live, (uintptr_t)moved, size);
        else
            ebb_writer_retire(writer, &live);
    }
    if (writer)
        ebb_agent_leave();
    if (moved)
        ebb_agent_count_free();
    else
        errno = failure;
    if (record && !stays)
        ebb_agent_born(moved, size, EBB_KIND_REALLOC);
    return moved;
}

EBB_EXPORT void *realloc(void *block, size_t size)
{
    if (ebb_unlikely(!block)) {
        if (ebb_unlikely(ebb_agent_charge(size)))
            return malloc_slow(size);
        return ebb_real.malloc(size);
    }
    if (ebb_unlikely(size == 0 || ebb_filter_has((uintptr_t)block)))
        return realloc_maybe_recorded(block, size);
    if (ebb_unlikely(ebb_agent_charge(size)))
        return realloc_due(block, size);
    ebb_agent_self.shard->frees++;
    return ebb_real.realloc(block, size);
}

EBB_EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t total;
    if (ebb_unlikely(__builtin_mul_overflow(count, size, &total))) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, total);
}
