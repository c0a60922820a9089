/* The slow path: an allocation is due for sampling, a recorded block dies.
 *
 * Everything that touches a shard here is atomic, because the same code serves threads with a shard
 * of their own, whose signal handlers may come between, and the common shard of those without. */
#include "agent/agent.h"

#include "channel/modules.h"
#include "channel/sampler.h"
#include "channel/unwind.h"

/* The frames of the agent itself that lie below the caller's on the way here. */
#define OWN_FRAMES 8

static struct ebb_shard *shard_here(struct ebb_writer *writer)
{
    struct ebb_shard *shard = ebb_agent_self.shard;
    return shard == &ebb_agent_boot_shard ? ebb_writer_common_shard(writer) : shard;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the check does not know atomics */
static void add(uint64_t *counter, uint64_t amount)
{
    __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

bool ebb_agent_due(size_t size)
{
    if (size >= PTRDIFF_MAX)
        return false;
    struct ebb_shard *charged = ebb_agent_self.shard;
    bool is_boot = charged == &ebb_agent_boot_shard;
    if (is_boot)
        __atomic_store_n(&charged->countdown, EBB_AGENT_BOOT_COUNTDOWN, __ATOMIC_RELAXED);

    struct ebb_writer *writer = ebb_agent_enter();
    if (!writer) {
        if (is_boot)
            ebb_agent_count_early(1, size, 0);
        else
            add(&charged->allocs, 1);
        return false;
    }
    /* Entering may have given the thread its shard, or another one in a child by fork. */
    struct ebb_shard *shard = shard_here(writer);
    int64_t charge = shard == charged ? 0 : (int64_t)size + 1;
    /* A signal handler that allocated since the charge may have drawn a new distance already. Then
     * its block is the sample of the two, unless every block is one. */
    uint64_t period = ebb_writer_period(writer);
    bool due = __atomic_sub_fetch(&shard->countdown, charge, __ATOMIC_RELAXED) < 0 || period <= 1;
    if (due) {
        int64_t distance = ebb_sampler_draw(&shard->random, period);
        int64_t rest = __atomic_exchange_n(&shard->countdown, distance, __ATOMIC_RELAXED);
        add(&shard->drawn, (uint64_t)distance - (uint64_t)rest);
    }
    add(&shard->allocs, 1);
    ebb_agent_leave();
    return due;
}

static size_t without_own(uint64_t *pcs, size_t depth)
{
    size_t kept = 0;
    for (size_t i = 0; i < depth; i++)
        if (!ebb_agent_owns((uintptr_t)pcs[i] - 1))
            pcs[kept++] = pcs[i];
    return kept;
}

uint32_t ebb_agent_bucket_here(struct ebb_writer *writer, uint64_t size, enum ebb_kind kind)
{
    uint64_t pcs[EBB_CHANNEL_MAX_FRAMES + OWN_FRAMES];
    bool truncated, is_new;
    size_t depth = ebb_unwind(pcs, EBB_CHANNEL_MAX_FRAMES + OWN_FRAMES, &truncated);
    depth = without_own(pcs, depth);
    uint32_t stack = ebb_writer_stack(writer, pcs, depth, truncated, &is_new);
    if (stack == EBB_NONE)
        return EBB_NONE;
    ebb_modules_check(writer, is_new);
    return ebb_writer_bucket(writer, stack, size, kind);
}

/* The allocation that was charged has failed: what was requested was not given. */
static void take_back(size_t size)
{
    struct ebb_writer *writer = ebb_agent_enter();
    if (!writer)
        return;
    struct ebb_shard *shard = shard_here(writer);
    __atomic_fetch_sub(&shard->drawn, (uint64_t)size + 1, __ATOMIC_RELAXED);
    __atomic_fetch_sub(&shard->allocs, 1, __ATOMIC_RELAXED);
    ebb_agent_leave();
}

void ebb_agent_born(void *block, size_t size, enum ebb_kind kind)
{
    if (!block) {
        take_back(size);
        return;
    }
    struct ebb_writer *writer = ebb_agent_enter_to_record();
    if (!writer)
        return;
    uint32_t bucket = ebb_agent_bucket_here(writer, size, kind);
    if (bucket != EBB_NONE && ebb_writer_born(writer, (uintptr_t)block, size, bucket))
        add(&shard_here(writer)->samples, 1);
    ebb_agent_leave();
}

void ebb_agent_count_free(void)
{
    struct ebb_shard *shard = ebb_agent_self.shard;
    if (shard != &ebb_agent_boot_shard)
        add(&shard->frees, 1);
    else
        ebb_agent_count_early(0, 0, 1);
}

void ebb_agent_freed(void *block)
{
    struct ebb_writer *writer = ebb_agent_enter();
    if (writer) {
        ebb_agent_count_free();
        if (ebb_filter_has((uintptr_t)block))
            ebb_writer_died(writer, (uintptr_t)block, true);
        ebb_agent_leave();
        return;
    }
    ebb_agent_count_free();
    if (ebb_filter_has((uintptr_t)block))
        ebb_agent_freed_inside(block);
}
