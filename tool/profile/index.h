/* A hash index over the items of an array, for "have I seen this one": the array holds the items,
 * the index holds their numbers, and only the caller knows what makes two items equal.
 *
 *     size_t probe = 0;
 *     for (uint32_t i; (i = ebb_index_probe(&index, hash, &probe)) != EBB_NONE;)
 *         if (items[i] is the one wanted)
 *             return i;
 *     ... append the item ...
 *     ebb_index_add(&index, hash, number);        0 or -ENOMEM
 *
 * Open addressing with linear probing, at most half full. A slot keeps 32 bits of the hash beside
 * the number, so growing needs no look at the items and candidates that differ are rare. */
#ifndef EBB_TOOL_PROFILE_INDEX_H
#define EBB_TOOL_PROFILE_INDEX_H

#include "tool/profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ebb_index {
    struct ebb_index_slot {
        uint32_t hash, number; /* number EBB_NONE: empty */
    } * slots;
    size_t capacity, count; /* capacity: 0 or a power of two */
};

/* The next number that was added under `hash`, or EBB_NONE. `*probe` starts at 0. */
static inline uint32_t ebb_index_probe(const struct ebb_index *index, uint64_t hash, size_t *probe)
{
    while (*probe < index->capacity) {
        size_t at = ((uint32_t)hash + (*probe)++) & (index->capacity - 1);
        if (index->slots[at].number == EBB_NONE)
            break;
        if (index->slots[at].hash == (uint32_t)hash)
            return index->slots[at].number;
    }
    return EBB_NONE;
}

static inline void ebb__index_place(struct ebb_index *index, uint32_t hash, uint32_t number)
{
    size_t at = hash & (index->capacity - 1);
    while (index->slots[at].number != EBB_NONE)
        at = (at + 1) & (index->capacity - 1);
    index->slots[at] = (struct ebb_index_slot){hash, number};
}

/* Makes room for `count` numbers in all. */
static inline int ebb_index_reserve(struct ebb_index *index, size_t count)
{
    if (count <= index->capacity / 2)
        return 0;
    struct ebb_index grown = {.capacity = index->capacity ? index->capacity * 2 : 64};
    while (grown.capacity / 2 < count)
        grown.capacity *= 2;
    grown.slots = malloc(grown.capacity * sizeof *grown.slots);
    if (!grown.slots)
        return -ENOMEM;
    memset(grown.slots, 0xff, grown.capacity * sizeof *grown.slots);
    for (size_t i = 0; i < index->capacity; i++)
        if (index->slots[i].number != EBB_NONE)
            ebb__index_place(&grown, index->slots[i].hash, index->slots[i].number);
    grown.count = index->count;
    free(index->slots);
    *index = grown;
    return 0;
}

static inline int ebb_index_add(struct ebb_index *index, uint64_t hash, uint32_t number)
{
    if (ebb_index_reserve(index, index->count + 1) < 0)
        return -ENOMEM;
    ebb__index_place(index, (uint32_t)hash, number);
    index->count++;
    return 0;
}

static inline void ebb_index_free(struct ebb_index *index)
{
    free(index->slots);
    *index = (struct ebb_index){0};
}

#endif
