/* Live blocks: the filter in front, the exact table behind it, and the samples and counters in the
 * record that follow them.
 *
 * A block's address is hashed once. Six bits of the hash choose a stripe; the same six bits are
 * part of the index of the filter's word, so all blocks whose filter bits share a word share a
 * stripe, and its lock guards the bits, their counters, the stripe's table and the stripe's list of
 * free samples. The filter is only ever read without the lock.
 *
 * The filter grows by building a larger one under all locks and publishing its address. A free that
 * still reads the old one finds every block that was live before; blocks born later were handed to
 * the freeing thread by somebody who had already seen the new one. */
#include "base/clock.h"
#include "base/hash.h"
#include "channel/sampler.h"
#include "channel/writer_private.h"

#include <sys/mman.h>
#include <sys/syscall.h>

static const uint64_t empty_filter[2]; /* mask, bits */

const struct ebb_filter *ebb_writer_filter = (const struct ebb_filter *)empty_filter;

void ebb__forget_filter(void)
{
    __atomic_store_n(&ebb_writer_filter, (const struct ebb_filter *)empty_filter, __ATOMIC_RELEASE);
}

void ebb__set_filter(struct ebb_filter *filter, uint64_t bits)
{
    filter->mask = bits - 1;
    __atomic_store_n(&ebb_writer_filter, filter, __ATOMIC_RELEASE);
}

/* -- The filter -------------------------------------------------------------------------------- */

static struct ebb__stripe *stripe_of(struct ebb_writer *writer, uintptr_t key)
{
    return &writer->stripe[ebb_filter_index(&(struct ebb_filter){UINT64_MAX}, key) / 64 %
                           EBB__STRIPES];
}

static void set_bit(struct ebb_filter *filter, uint8_t *counts, uintptr_t key)
{
    uint64_t index = ebb_filter_index(filter, key);
    uint64_t *word = &filter->bits[index / 64];
    if (counts[index] < UINT8_MAX)
        counts[index]++;
    __atomic_store_n(word, *word | UINT64_C(1) << index % 64, __ATOMIC_RELAXED);
}

static void filter_add(struct ebb_writer *writer, uintptr_t key)
{
    set_bit((struct ebb_filter *)ebb_writer_filter, writer->filter_counts, key);
}

static void filter_remove(struct ebb_writer *writer, uintptr_t key)
{
    struct ebb_filter *filter = (struct ebb_filter *)ebb_writer_filter;
    uint64_t index = ebb_filter_index(filter, key);
    uint8_t *count = &writer->filter_counts[index];
    if (*count == UINT8_MAX || --*count)
        return;
    uint64_t *word = &filter->bits[index / 64];
    __atomic_store_n(word, *word & ~(UINT64_C(1) << index % 64), __ATOMIC_RELAXED);
}

static bool filter_is_crowded(const struct ebb_writer *writer)
{
    return __atomic_load_n(&writer->live, __ATOMIC_RELAXED) * EBB__FILTER_BITS_PER_BLOCK >
           __atomic_load_n(&ebb_writer_filter, __ATOMIC_RELAXED)->mask;
}

static void grow_filter(struct ebb_writer *writer)
{
    if (!ebb_spin_try(&writer->filter_lock))
        return; /* somebody is at it */
    for (int i = 0; i < EBB__STRIPES; i++)
        ebb_spin_lock(&writer->stripe[i].lock);
    uint64_t old_bits = ebb_writer_filter->mask + 1, bits = old_bits * 4;
    struct ebb_filter *grown = NULL;
    uint8_t *counts = NULL;
    if (bits <= UINT64_C(1) << 32 && (grown = ebb_writer_pages(sizeof *grown + bits / 8)) &&
        (counts = ebb_writer_pages(bits))) {
        grown->mask = bits - 1;
        for (int i = 0; i < EBB__STRIPES; i++) {
            const struct ebb__stripe *stripe = &writer->stripe[i];
            for (uint32_t at = 0; at < stripe->capacity; at++)
                if (stripe->blocks[at].key)
                    set_bit(grown, counts, stripe->blocks[at].key);
        }
        if (writer->filter_counts != writer->first_filter_counts)
            syscall(SYS_munmap, writer->filter_counts, old_bits);
        writer->filter_counts = counts;
        ebb__set_filter(grown, bits);
    }
    for (int i = EBB__STRIPES; i-- > 0;)
        ebb_spin_unlock(&writer->stripe[i].lock);
    ebb_spin_unlock(&writer->filter_lock);
}

/* -- A stripe's table; its lock is held -------------------------------------------------------- */

static uint32_t home(const struct ebb__stripe *stripe, uintptr_t key)
{
    return (uint32_t)ebb_mix64(key) & (stripe->capacity - 1);
}

static struct ebb_live *find(const struct ebb__stripe *stripe, uintptr_t key)
{
    if (stripe->count == 0)
        return NULL;
    for (uint32_t at = home(stripe, key);; at = (at + 1) & (stripe->capacity - 1)) {
        struct ebb_live *block = &stripe->blocks[at];
        if (block->key == key)
            return block;
        if (block->key == 0)
            return NULL;
    }
}

static void place(struct ebb__stripe *stripe, const struct ebb_live *live)
{
    uint32_t at = home(stripe, live->key);
    while (stripe->blocks[at].key)
        at = (at + 1) & (stripe->capacity - 1);
    stripe->blocks[at] = *live;
    stripe->count++;
}

/* Room for one more, at a load of at most three quarters; a full table that cannot grow is used to
 * the last slot but one. */
static bool make_room(struct ebb_writer *writer, struct ebb__stripe *stripe)
{
    if (stripe->capacity == 0) {
        stripe->blocks = writer->first_live[stripe - writer->stripe];
        stripe->capacity = EBB__FIRST_LIVE;
    }
    if ((stripe->count + 1) * UINT64_C(4) <= stripe->capacity * UINT64_C(3))
        return true;
    struct ebb__stripe old = *stripe;
    size_t old_bytes = old.capacity * sizeof(struct ebb_live);
    struct ebb_live *grown = ebb_writer_pages(old_bytes * 4);
    if (!grown)
        return stripe->count + 1 < stripe->capacity;
    stripe->blocks = grown;
    stripe->capacity = old.capacity * 4;
    stripe->count = 0;
    for (uint32_t at = 0; at < old.capacity; at++)
        if (old.blocks[at].key)
            place(stripe, &old.blocks[at]);
    if (old.capacity > EBB__FIRST_LIVE)
        syscall(SYS_munmap, old.blocks, old_bytes);
    return true;
}

/* Linear probing without tombstones: the entries behind the hole move up when their home allows. */
static void erase(struct ebb__stripe *stripe, struct ebb_live *block)
{
    uint32_t mask = stripe->capacity - 1, hole = (uint32_t)(block - stripe->blocks);
    for (uint32_t at = (hole + 1) & mask; stripe->blocks[at].key; at = (at + 1) & mask) {
        uint32_t wanted = home(stripe, stripe->blocks[at].key);
        if (((at - wanted) & mask) >= ((at - hole) & mask)) {
            stripe->blocks[hole] = stripe->blocks[at];
            hole = at;
        }
    }
    stripe->blocks[hole] = (struct ebb_live){0};
    stripe->count--;
}

static void insert(struct ebb_writer *writer, struct ebb__stripe *stripe,
                   const struct ebb_live *live)
{
    place(stripe, live);
    filter_add(writer, live->key);
    ebb__add(&writer->live, 1);
}

static void extract(struct ebb_writer *writer, struct ebb__stripe *stripe, struct ebb_live *block)
{
    filter_remove(writer, block->key);
    erase(stripe, block);
    __atomic_fetch_sub(&writer->live, 1, __ATOMIC_RELAXED);
}

/* -- Samples and counters in the record -------------------------------------------------------- */

static uint32_t take_sample(struct ebb_writer *writer, struct ebb__stripe *stripe)
{
    if (stripe->free_sample) {
        uint32_t sample = stripe->free_sample - 1;
        stripe->free_sample = *ebb__link(writer, EBB_TABLE_SAMPLES, sample);
        return sample;
    }
    struct ebb__channel_table *table = &writer->table[EBB_TABLE_SAMPLES];
    ebb_spin_lock(&writer->intern_lock);
    uint32_t sample = table->used;
    if (ebb__reserve(writer, EBB_TABLE_SAMPLES, (uint64_t)sample + 1))
        ebb__set_used(writer, EBB_TABLE_SAMPLES, sample + 1);
    else
        sample = EBB_NONE;
    ebb_spin_unlock(&writer->intern_lock);
    return sample;
}

static void give_sample(struct ebb_writer *writer, struct ebb__stripe *stripe, uint32_t sample)
{
    struct ebb_sample *entry = ebb__entry(writer, EBB_TABLE_SAMPLES, sample);
    __atomic_store_n(&entry->sequence, 0, __ATOMIC_RELEASE);
    *ebb__link(writer, EBB_TABLE_SAMPLES, sample) = stripe->free_sample;
    stripe->free_sample = sample + 1;
}

static uint64_t write_sample(struct ebb_writer *writer, const struct ebb_live *live,
                             uint64_t now_ns)
{
    struct ebb_sample *entry = ebb__entry(writer, EBB_TABLE_SAMPLES, live->sample);
    __atomic_store_n(&entry->sequence, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    __atomic_store_n(&entry->size, live->size, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->birth_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->bucket, live->bucket, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->flags, 0, __ATOMIC_RELAXED);
    uint64_t sequence = __atomic_add_fetch(&writer->sequence, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->sequence, sequence, __ATOMIC_RELEASE);
    return sequence;
}

static void count_alloc(struct ebb_writer *writer, const struct ebb_live *live, uint64_t now_ns)
{
    struct ebb_bucket *bucket = ebb__entry(writer, EBB_TABLE_BUCKETS, live->bucket);
    struct ebb_weight weight =
        ebb_sampler_weight(live->size, writer->period, (enum ebb_kind)bucket->kind);
    ebb__add(&bucket->alloc_samples, 1);
    ebb__add(&bucket->alloc_objects, weight.objects);
    ebb__add(&bucket->alloc_bytes, weight.bytes);
    __atomic_store_n(&bucket->last_ns, now_ns, __ATOMIC_RELAXED);
}

static void count_free(struct ebb_writer *writer, const struct ebb_live *live)
{
    struct ebb_bucket *bucket = ebb__entry(writer, EBB_TABLE_BUCKETS, live->bucket);
    struct ebb_weight weight =
        ebb_sampler_weight(live->size, writer->period, (enum ebb_kind)bucket->kind);
    /* Release: a reader that sees the free sees the allocation as well. */
    __atomic_fetch_add(&bucket->free_samples, 1, __ATOMIC_RELEASE);
    __atomic_fetch_add(&bucket->free_objects, weight.objects, __ATOMIC_RELEASE);
    __atomic_fetch_add(&bucket->free_bytes, weight.bytes, __ATOMIC_RELEASE);
}

/* -- The life of a block ----------------------------------------------------------------------- */

static void retire_locked(struct ebb_writer *writer, struct ebb__stripe *stripe,
                          const struct ebb_live *live)
{
    count_free(writer, live);
    give_sample(writer, stripe, live->sample);
}

static void remove_locked(struct ebb_writer *writer, struct ebb__stripe *stripe,
                          struct ebb_live *block)
{
    struct ebb_live live = *block;
    extract(writer, stripe, block);
    retire_locked(writer, stripe, &live);
}

static uint64_t sequence_of(struct ebb_writer *writer, const struct ebb_live *block)
{
    const struct ebb_sample *entry = ebb__entry(writer, EBB_TABLE_SAMPLES, block->sample);
    return entry->sequence;
}

/* Room for `key`, whose place may still be taken by a block whose free was missed. */
static bool clear_the_way(struct ebb_writer *writer, struct ebb__stripe *stripe, uintptr_t key)
{
    struct ebb_live *stale = find(stripe, key);
    if (stale)
        remove_locked(writer, stripe, stale);
    return make_room(writer, stripe);
}

uint64_t ebb_writer_born(struct ebb_writer *writer, uintptr_t key, uint64_t size, uint32_t bucket)
{
    struct ebb__stripe *stripe = stripe_of(writer, key);
    uint64_t now_ns = ebb_clock_coarse_ns(), sequence = 0;
    struct ebb_live live = {key, size, size, EBB_NONE, bucket};
    ebb_spin_lock(&stripe->lock);
    if (!clear_the_way(writer, stripe, key)) {
        ebb__add(&writer->header->table[EBB_TABLE_SAMPLES].dropped, 1);
    } else if ((live.sample = take_sample(writer, stripe)) != EBB_NONE) {
        count_alloc(writer, &live, now_ns);
        sequence = write_sample(writer, &live, now_ns);
        insert(writer, stripe, &live);
    }
    ebb_spin_unlock(&stripe->lock);
    if (sequence && filter_is_crowded(writer))
        grow_filter(writer);
    return sequence;
}

/* Locks the key's stripe, or not, as the caller may wait. */
static struct ebb__stripe *lock_stripe(struct ebb_writer *writer, uintptr_t key, bool wait)
{
    struct ebb__stripe *stripe = stripe_of(writer, key);
    if (wait)
        ebb_spin_lock(&stripe->lock);
    else if (!ebb_spin_try(&stripe->lock))
        return NULL;
    return stripe;
}

enum ebb_found ebb_writer_take(struct ebb_writer *writer, uintptr_t key, bool wait,
                               struct ebb_live *live)
{
    struct ebb__stripe *stripe = lock_stripe(writer, key, wait);
    if (!stripe)
        return EBB_CONTENDED;
    struct ebb_live *block = find(stripe, key);
    if (block) {
        *live = *block;
        extract(writer, stripe, block);
    }
    ebb_spin_unlock(&stripe->lock);
    return block ? EBB_FOUND : EBB_NOT_FOUND;
}

enum ebb_found ebb_writer_died(struct ebb_writer *writer, uintptr_t key, bool wait)
{
    struct ebb__stripe *stripe = lock_stripe(writer, key, wait);
    if (!stripe)
        return EBB_CONTENDED;
    struct ebb_live *block = find(stripe, key);
    if (block)
        remove_locked(writer, stripe, block);
    ebb_spin_unlock(&stripe->lock);
    return block ? EBB_FOUND : EBB_NOT_FOUND;
}

void ebb_writer_retire(struct ebb_writer *writer, const struct ebb_live *live)
{
    struct ebb__stripe *stripe = lock_stripe(writer, live->key, true);
    retire_locked(writer, stripe, live);
    ebb_spin_unlock(&stripe->lock);
}

void ebb_writer_put_back(struct ebb_writer *writer, const struct ebb_live *live)
{
    struct ebb__stripe *stripe = lock_stripe(writer, live->key, true);
    if (clear_the_way(writer, stripe, live->key))
        insert(writer, stripe, live);
    else
        retire_locked(writer, stripe, live);
    ebb_spin_unlock(&stripe->lock);
}

/* The bucket for `size` bytes under the stack that a block has. */
static uint32_t bucket_like(struct ebb_writer *writer, const struct ebb_live *live, uint64_t size)
{
    if (ebb_size_class(size) == ebb_size_class(live->size))
        return live->bucket;
    const struct ebb_bucket *bucket = ebb__entry(writer, EBB_TABLE_BUCKETS, live->bucket);
    uint32_t stack = bucket->stack;
    uint8_t kind = bucket->kind;
    if (stack >= writer->table[EBB_TABLE_STACKS].used || kind >= EBB_KIND_COUNT)
        return EBB_NONE;
    return ebb_writer_bucket(writer, stack, size, (enum ebb_kind)kind);
}

uint64_t ebb_writer_split(struct ebb_writer *writer, const struct ebb_live *live, uintptr_t key,
                          uint64_t size)
{
    uint32_t bucket = bucket_like(writer, live, size);
    return bucket == EBB_NONE ? 0 : ebb_writer_born(writer, key, size, bucket);
}

void ebb_writer_resize(struct ebb_writer *writer, const struct ebb_live *live, uintptr_t key,
                       uint64_t size)
{
    struct ebb_live resized = *live;
    resized.key = key;
    resized.size = size;
    resized.bucket = bucket_like(writer, live, size);
    if (resized.bucket == EBB_NONE) {
        ebb_writer_retire(writer, live);
        return;
    }
    uint64_t now_ns = ebb_clock_coarse_ns();
    struct ebb__stripe *stripe = lock_stripe(writer, key, true);
    count_alloc(writer, &resized, now_ns);
    write_sample(writer, &resized, now_ns);
    count_free(writer, live);
    if (clear_the_way(writer, stripe, key))
        insert(writer, stripe, &resized);
    else
        retire_locked(writer, stripe, &resized);
    ebb_spin_unlock(&stripe->lock);
}

void ebb_writer_died_as(struct ebb_writer *writer, uintptr_t key, uint64_t sequence)
{
    struct ebb__stripe *stripe = lock_stripe(writer, key, true);
    struct ebb_live *block = find(stripe, key);
    if (block && sequence_of(writer, block) == sequence)
        remove_locked(writer, stripe, block);
    ebb_spin_unlock(&stripe->lock);
}

uint64_t ebb_writer_thread(struct ebb_writer *writer, uintptr_t key, uint64_t sequence,
                           uint32_t states)
{
    struct ebb__stripe *stripe = lock_stripe(writer, key, true);
    struct ebb_live *block = find(stripe, key);
    uint64_t found = block ? sequence_of(writer, block) : 0;
    if (found && (sequence == 0 || sequence == found)) {
        block->stack_size |= states;
        struct ebb_sample *entry = ebb__entry(writer, EBB_TABLE_SAMPLES, block->sample);
        if (block->stack_size == (EBB_THREAD_ENDED | EBB_THREAD_DETACHED))
            remove_locked(writer, stripe, block);
        else if (block->stack_size & EBB_THREAD_ENDED)
            __atomic_store_n(&entry->flags, EBB_SAMPLE_THREAD_ENDED, __ATOMIC_RELAXED);
    }
    ebb_spin_unlock(&stripe->lock);
    return found;
}
