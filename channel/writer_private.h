/* The writer's own memory, shared by its rooms: writer.c (the file), intern.c (stacks and
 * buckets), live.c (live blocks) and inventory.c (maps).
 *
 * The whole structure is one mapping that is all zero at birth and zero again in a child by fork,
 * so zero is a valid empty state of every part.
 *
 * Locks, in the order they may nest:
 *     filter_lock > stripe[0..63].lock > intern_lock > grow_lock
 *     shard_lock > grow_lock
 *     map_lock > grow_lock */
#ifndef EBB_CHANNEL_WRITER_PRIVATE_H
#define EBB_CHANNEL_WRITER_PRIVATE_H

#include "channel/spin.h"
#include "channel/writer.h"

#include <sys/types.h>

/* The writer's view of one table of the record. */
struct ebb__channel_table {
    uint32_t used; /* the truth; the directory's `used` is a copy for readers */
    uint32_t chunks;
    uint32_t first_shift; /* entries of the first chunk: 1 << first_shift */
    void *chunk[EBB_CHANNEL_MAX_CHUNKS];
    uint32_t *link[EBB_CHANNEL_MAX_CHUNKS]; /* samples and maps: a private number per entry, links
                                               of the free lists; shards: 1 while taken */
    uint64_t retry_ns;                      /* growth failed: not before this time again */
};

/* An insert-only hash table from a 64-bit key to an index, read without a lock. A slot is filled
 * when `value` is non-zero (index + 1); its key was written before. Tables that were outgrown stay
 * mapped for readers that still hold them. */
struct ebb__slot {
    uint64_t key;
    uint32_t value;
    uint32_t reserved;
};
struct ebb__index {
    uint64_t mask;
    struct ebb__slot *slots;
};
#define EBB__FIRST_SLOTS 4096

/* Live blocks, spread over stripes by the same bits of the hash that choose the word of the filter,
 * so that a stripe's lock also guards its words and counters. Open addressing, linear probing. */
#define EBB__STRIPES               64
#define EBB__FIRST_LIVE            32
#define EBB__FIRST_FILTER_BITS     32768
#define EBB__FILTER_BITS_PER_BLOCK 32
struct ebb__stripe {
    struct ebb_spin lock;
    uint32_t count;
    uint32_t capacity;    /* a power of two; 0 before the first insertion */
    uint32_t free_sample; /* head of this stripe's free list + 1, 0 empty */
    struct ebb_live *blocks;
};

struct ebb_writer {
    uint32_t alive;
    uint32_t stale; /* a child's copy that the kernel did not wipe */
    uint32_t published;
    uint32_t sealed;
    uint32_t agent_flags;
    uint64_t period;
    uint64_t session;
    const char *allocator;

    pid_t pid;
    uint64_t start_ticks;
    char path[64];
    dev_t device;
    ino_t inode;
    uint64_t file_size;

    struct ebb_spin filter_lock, intern_lock, grow_lock, shard_lock, map_lock;
    struct ebb_channel_header *header; /* the file's once published, else &draft */
    struct ebb__channel_table table[EBB_TABLE_COUNT];

    struct ebb__index *stacks, *buckets; /* the current index */
    uint64_t sequence;                   /* of the newest sample */
    uint64_t live;                       /* blocks in all stripes */
    uint64_t map_sequence;               /* of the newest map */
    uint32_t free_map;                   /* head of the list of free entries + 1, 0 empty */
    struct ebb__stripe stripe[EBB__STRIPES];
    uint8_t *filter_counts; /* blocks per filter bit; 255 means many, for ever */

    struct ebb_channel_header draft;
    struct ebb__index first_stacks, first_buckets;
    struct ebb__slot first_stack_slots[EBB__FIRST_SLOTS], first_bucket_slots[EBB__FIRST_SLOTS];
    struct ebb_live first_live[EBB__STRIPES][EBB__FIRST_LIVE];
    uint8_t first_filter_counts[EBB__FIRST_FILTER_BITS];
    uint64_t first_filter[1 + EBB__FIRST_FILTER_BITS / 64]; /* a struct ebb_filter: mask, bits */
};

/* Entry `index` of a table; it must have been reserved. */
static inline unsigned ebb__chunk_of(const struct ebb_writer *writer, enum ebb_table id,
                                     uint32_t index, uint32_t *within)
{
    unsigned shift = writer->table[id].first_shift;
    unsigned chunk = 31u - (unsigned)__builtin_clz((index >> shift) + 1);
    *within = index - (((UINT32_C(1) << chunk) - 1) << shift);
    return chunk;
}

static inline void *ebb__entry(struct ebb_writer *writer, enum ebb_table id, uint32_t index)
{
    uint32_t within;
    unsigned chunk = ebb__chunk_of(writer, id, index, &within);
    return (char *)writer->table[id].chunk[chunk] + (size_t)within * ebb_entry_size[id];
}

static inline uint32_t *ebb__link(struct ebb_writer *writer, enum ebb_table id, uint32_t index)
{
    uint32_t within;
    unsigned chunk = ebb__chunk_of(writer, id, index, &within);
    return &writer->table[id].link[chunk][within];
}

/* Makes room for entries [0, count) of a table; counts a dropped entry and returns false when there
 * is none. */
bool ebb__reserve(struct ebb_writer *writer, enum ebb_table id, uint64_t count);

/* Makes entries [0, count) visible to readers. The caller holds the lock that guards the table. */
static inline void ebb__set_used(struct ebb_writer *writer, enum ebb_table id, uint32_t count)
{
    writer->table[id].used = count;
    __atomic_store_n(&writer->header->table[id].used, count, __ATOMIC_RELEASE);
}

/* Sends every lookup to an empty filter; to this one, of so many bits. */
void ebb__forget_filter(void);
void ebb__set_filter(struct ebb_filter *filter, uint64_t bits);

static inline void ebb__add(uint64_t *counter, uint64_t amount)
{
    __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

#endif
