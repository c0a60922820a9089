/* Stacks and buckets: each is written once and found again by a hash.
 *
 * Looking up takes no lock. A stack is known by the 64-bit hash of its frames alone: among a
 * million stacks, two collide with a probability of 3e-8. */
#include "base/hash.h"
#include "channel/writer_private.h"

/* The index stored under `key`, EBB_NONE when there is none. */
static uint32_t lookup(const struct ebb__index *index, uint64_t key)
{
    for (uint64_t at = ebb_mix64(key) & index->mask;; at = (at + 1) & index->mask) {
        const struct ebb__slot *slot = &index->slots[at];
        uint32_t value = __atomic_load_n(&slot->value, __ATOMIC_ACQUIRE);
        if (value == 0)
            return EBB_NONE;
        if (slot->key == key)
            return value - 1;
    }
}

static void fill_slot(struct ebb__index *index, uint64_t key, uint32_t value)
{
    uint64_t at = ebb_mix64(key) & index->mask;
    while (index->slots[at].value)
        at = (at + 1) & index->mask;
    index->slots[at].key = key;
    __atomic_store_n(&index->slots[at].value, value, __ATOMIC_RELEASE);
}

/* Makes room for entry number `count`. At most half of the slots are used, so a search always ends.
 * The caller holds intern_lock. */
static bool make_room(struct ebb__index **current, uint32_t count)
{
    struct ebb__index *old = *current;
    if ((uint64_t)count * 2 <= old->mask)
        return true;
    uint64_t slots = (old->mask + 1) * 4;
    struct ebb__index *grown = ebb_writer_pages(sizeof *grown + slots * sizeof(struct ebb__slot));
    if (!grown)
        return false;
    *grown = (struct ebb__index){slots - 1, (struct ebb__slot *)(grown + 1)};
    for (uint64_t i = 0; i <= old->mask; i++)
        if (old->slots[i].value)
            fill_slot(grown, old->slots[i].key, old->slots[i].value);
    __atomic_store_n(current, grown, __ATOMIC_RELEASE);
    return true;
}

static void drop(struct ebb_writer *writer, enum ebb_table id)
{
    ebb__add(&writer->header->table[id].dropped, 1);
}

static uint32_t add_stack(struct ebb_writer *writer, uint64_t hash, const uint64_t *frames,
                          size_t depth, bool truncated)
{
    uint32_t stack = writer->table[EBB_TABLE_STACKS].used;
    uint32_t first = writer->table[EBB_TABLE_FRAMES].used;
    if (!ebb__reserve(writer, EBB_TABLE_FRAMES, (uint64_t)first + depth) ||
        !ebb__reserve(writer, EBB_TABLE_STACKS, (uint64_t)stack + 1))
        return EBB_NONE;
    if (!make_room(&writer->stacks, stack + 1)) {
        drop(writer, EBB_TABLE_STACKS);
        return EBB_NONE;
    }
    for (size_t i = 0; i < depth; i++)
        *(uint64_t *)ebb__entry(writer, EBB_TABLE_FRAMES, first + (uint32_t)i) = frames[i];
    ebb__set_used(writer, EBB_TABLE_FRAMES, first + (uint32_t)depth);
    struct ebb_stack *entry = ebb__entry(writer, EBB_TABLE_STACKS, stack);
    *entry = (struct ebb_stack){hash, first, (uint16_t)depth, truncated};
    ebb__set_used(writer, EBB_TABLE_STACKS, stack + 1);
    fill_slot(writer->stacks, hash, stack + 1);
    return stack;
}

uint32_t ebb_writer_stack(struct ebb_writer *writer, const uint64_t *frames, size_t depth,
                          bool truncated, bool *is_new)
{
    *is_new = false;
    if (depth > EBB_CHANNEL_MAX_FRAMES) {
        depth = EBB_CHANNEL_MAX_FRAMES;
        truncated = true;
    }
    uint64_t hash = ebb_hash_words(frames, depth) ^ truncated;
    uint32_t stack = lookup(__atomic_load_n(&writer->stacks, __ATOMIC_ACQUIRE), hash);
    if (stack != EBB_NONE)
        return stack;
    ebb_spin_lock(&writer->intern_lock);
    stack = lookup(writer->stacks, hash);
    if (stack == EBB_NONE) {
        stack = add_stack(writer, hash, frames, depth, truncated);
        *is_new = stack != EBB_NONE;
    }
    ebb_spin_unlock(&writer->intern_lock);
    return stack;
}

static uint32_t add_bucket(struct ebb_writer *writer, uint64_t key, uint32_t stack,
                           uint16_t size_class, enum ebb_kind kind)
{
    uint32_t bucket = writer->table[EBB_TABLE_BUCKETS].used;
    if (!ebb__reserve(writer, EBB_TABLE_BUCKETS, (uint64_t)bucket + 1))
        return EBB_NONE;
    if (!make_room(&writer->buckets, bucket + 1)) {
        drop(writer, EBB_TABLE_BUCKETS);
        return EBB_NONE;
    }
    struct ebb_bucket *entry = ebb__entry(writer, EBB_TABLE_BUCKETS, bucket);
    entry->stack = stack;
    entry->size_class = size_class;
    entry->kind = (uint8_t)kind;
    ebb__set_used(writer, EBB_TABLE_BUCKETS, bucket + 1);
    fill_slot(writer->buckets, key, bucket + 1);
    return bucket;
}

uint32_t ebb_writer_bucket(struct ebb_writer *writer, uint32_t stack, uint64_t size,
                           enum ebb_kind kind)
{
    uint16_t size_class = ebb_size_class(size);
    uint64_t key = (uint64_t)stack << 32 | (uint64_t)size_class << 8 | (uint64_t)kind;
    uint32_t bucket = lookup(__atomic_load_n(&writer->buckets, __ATOMIC_ACQUIRE), key);
    if (bucket != EBB_NONE)
        return bucket;
    ebb_spin_lock(&writer->intern_lock);
    bucket = lookup(writer->buckets, key);
    if (bucket == EBB_NONE)
        bucket = add_bucket(writer, key, stack, size_class, kind);
    ebb_spin_unlock(&writer->intern_lock);
    return bucket;
}
