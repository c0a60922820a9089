/* The table behind every Ebb map, as far as it does not depend on the types of keys and values.
 *
 * A table has buckets of sixteen slots. Per bucket there are
 *
 *     fingerprints   16 bytes: one byte of each entry's hash, 0 where the slot is free
 *     slots          16 entries: keys and values
 *     filter         1 byte: which fingerprints (modulo 8) may be in the chain
 *     chain          overflow nodes, three slots each, for what finds no room in the bucket
 *
 * A chain that is not empty means that all sixteen slots are taken (deletion refills them), so one
 * free slot proves a miss, and no slot ever needs a tombstone.
 *
 * Growth is linear hashing (Witold Litwin, 1980), run in bursts: with 2^k buckets and more than
 * EBB__MAX_LOAD entries in each on average, the mask doubles, and from then on every insert splits
 * one bucket b into b and b + 2^k until all are split. There is no second table. Shrinking is the
 * same backwards: one merge per deletion. Pages behind the last bucket go back to the system as it
 * moves down.
 *
 *     buckets   0 ........ split ........ 2^k ........ end ........ capacity
 *               home: hash & mask, or hash & mask/2 when that bucket does not exist yet
 *
 * All offsets of the hot path are in fingerprints, sixteen per bucket, which saves a shift. */
#ifndef EBB_IMPL_TABLE_H
#define EBB_IMPL_TABLE_H

#include <ebb/allocator.h>
#include <ebb/impl/group.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum {
    EBB__MAX_LOAD = 13,            /* entries per bucket at which a table grows: Go's 6.5 of 8 */
    EBB__SHRINK = 6,               /* it shrinks below a sixth of that: growing leaves half; */
    EBB__SHRINK_BLOCK = 16,        /* a block below a sixteenth, but then at once */
    EBB__AT_ONCE = 64,             /* tables up to so many buckets are split in one go, */
    EBB__AT_ONCE_BYTES = 64 << 10, /* if that makes no more bytes of slots */
    EBB__NODE_SLOTS = 3,           /* of an overflow node */
    EBB__FIRST_SLOTS = 4,  /* of the first bucket, which grows to 8 and 16 before there are two */
    EBB__SHOWN_NAMED = 64, /* entries a map has when it is first shown other than by growing, */
    EBB__SHOWN_UNNAMED = 65536, /* and without a name */
};

/* Three entries that found no room in their bucket; their slots follow at ebb__layout.node_slots. */
struct ebb__node {
    struct ebb__node *next;
    uint8_t fingerprints[EBB__NODE_SLOTS];
    uint8_t index; /* in its slab */
};

/* How entries lie in memory. Constant for one type of map. */
struct ebb__layout {
    size_t bucket_bytes; /* sixteen slots */
    size_t node_slots;   /* where a node's slots begin */
    size_t node_bytes;
    size_t alignment;
    size_t slot_bytes; /* one entry; 0: keys and values lie apart */
    size_t key_bytes, value_bytes;
};

/* What becomes of a table that is cleared: kept for filling it again, or given back. */
enum ebb_clear { EBB_KEEP, EBB_RELEASE };

struct ebb__table {
    /* hot */
    uint8_t *fingerprints;
    char *slots;
    size_t mask, half_mask, end; /* in fingerprints: sixteen times the buckets */
    size_t count;
    size_t grow_at, shrink_at; /* counts at which an insert or a delete has more to do */
    uint64_t seed;
    uint64_t deletes; /* with `count` it tells every change of contents apart */
    /* cold */
    uint64_t moves; /* changes of where entries are */
    uint8_t *filters;
    struct ebb__node **chains;
    size_t first_slots;   /* there is room for in the only bucket */
    size_t capacity;      /* buckets there is address space for */
    size_t touched;       /* buckets that may have memory behind them */
    size_t least_buckets; /* asked for by reserve: shrinking stops there */
    size_t small;         /* buckets that are not worth shrinking */
    size_t nodes;
    struct ebb__slab *slabs; /* with free nodes */
    const struct ebb_allocator *allocator;
    bool paged; /* pages, not blocks */
    bool moved; /* its reservations may be several mappings, which do not move together */
    bool no_shrink, huge, fail_fast;
    const char *name;
    bool kept;      /* cleared and not yet filled again: does not shrink */
    size_t warn_at; /* the count at which the next warning is due */
    void (*warn)(void *context, const char *name, size_t len);
    void *warn_context;
    void (*clear)(struct ebb__table *table, enum ebb_clear what); /* ebb_clear() calls it */
    /* in the inventory of the process: see runtime/containers/inventory.c */
    size_t show_from;           /* entries from which on the map belongs there */
    size_t show_at, show_below; /* counts at which what is there is out of date */
    struct {
        uint64_t sequence;
        uint32_t index;
    } shown;
    bool shown_by_owner;         /* it is a part of what shows itself as a whole */
    uint64_t clears, high_water; /* `high_water` as far as shown */
    const void *site;            /* where the map was created */
};

/* How far a walk is; see `iteration` in map_template.h. */
struct ebb__walk {
    size_t cells, cell, walked; /* cells in all (a power of two); the present one; how many were */
    /* The present part of the cell, in reversed hash bits (0: the cell's end), and the end of the
     * part of which `produced` entries have come. */
    uint64_t within, end, until;
    uint64_t changes, moves; /* of the map, when it was looked at last */
    /* Of the bucket that holds the part: what is still to come. */
    size_t home;
    char *bucket;
    uint64_t lanes, wary_lanes;
    struct ebb__node *node;
    unsigned node_lane;
    unsigned produced; /* entries of the part, whose keys the iterator has */
    bool opened;       /* there is a present part */
    bool whole;        /* all of the bucket belongs to it */
    bool wary;         /* what was produced may be met again; then lanes are in `wary_lanes` */
    size_t more_room;  /* of the iterator's `more` */
};

static inline size_t ebb__table_buckets(const struct ebb__table *table)
{
    return table->end / EBB__GROUP;
}

struct ebb_map_options;

/* An empty table; takes no memory until the first entry. `options` may be NULL. */
void ebb__table_begin(struct ebb__table *table, const struct ebb_map_options *options);
/* An empty table with the options of another and a seed of its own. */
void ebb__table_begin_like(struct ebb__table *table, const struct ebb__table *other);
/* Gives all memory back and is as after init; the entries must have been dropped. */
void ebb__table_free(struct ebb__table *table, const struct ebb__layout *layout);

/* Makes room for `buckets` buckets in all, keeping those that are there; the only bucket gets at least
 * `first_slots` slots. 0 or -ENOMEM: nothing changed. */
int ebb__table_make_room(struct ebb__table *table, const struct ebb__layout *layout, size_t buckets,
                         size_t first_slots);
/* Sets the thresholds after `end` or `mask` changed. */
void ebb__table_set_limits(struct ebb__table *table);
/* `count` may have reached `warn_at` or `show_at`: sees to it, and says whether the table has to grow
 * as well. */
bool ebb__table_note_more(struct ebb__table *table, const struct ebb__layout *layout);
/* The same for `show_below`, and shrinking. */
bool ebb__table_note_less(struct ebb__table *table, const struct ebb__layout *layout);
/* Brings the inventory up to date, if the map belongs there; takes the map out of it. */
void ebb__table_show(struct ebb__table *table, const struct ebb__layout *layout);
void ebb__table_hide(struct ebb__table *table);
/* It is not in the inventory: sets from when on it belongs there. */
void ebb__table_not_shown(struct ebb__table *table);
/* It is a part of something that shows itself as a whole. */
void ebb__table_shown_by_owner(struct ebb__table *table);
/* Growth failed for want of memory: tries again after the table has grown by an eighth. */
void ebb__table_postpone_growth(struct ebb__table *table);
/* Gives the memory behind the last bucket back, when there is enough of it to be worth a call. */
void ebb__table_trim(struct ebb__table *table, const struct ebb__layout *layout);
/* After clearing: no bucket has an entry or a chain any more, `had` entries were there. Keeps what that
 * many need. With `refers` slots may hold pointers: then none stays that a debugger, a core file or
 * a collector would take for a live one. O(buckets): eight times the entries at most, but for a table
 * kept from larger days, which is then cut. */
void ebb__table_emptied(struct ebb__table *table, const struct ebb__layout *layout, size_t had,
                        bool refers);
/* Memory that the next splits will touch is made ready in runs; that of a reservation, at once as far
 * as it is not very large. */
void ebb__table_prepare(struct ebb__table *table, size_t bucket);
void ebb__table_reserved(struct ebb__table *table, const struct ebb__layout *layout,
                         size_t buckets);

/* A node with no entries, not yet in a chain. NULL: out of memory. */
struct ebb__node *ebb__node_new(struct ebb__table *table, const struct ebb__layout *layout);
void ebb__node_free(struct ebb__table *table, const struct ebb__layout *layout,
                    struct ebb__node *node);

/* A seed that differs from map to map and cannot be guessed. */
uint64_t ebb__random_seed(void);

/* Bytes of memory the table holds. */
size_t ebb__table_bytes(const struct ebb__table *table, const struct ebb__layout *layout);

/* A number that every change of contents raises. */
static inline uint64_t ebb__changes(const struct ebb__table *table)
{
    return table->count + 2 * table->deletes; /* additions and deletions */
}

/* The fingerprint offset of the bucket that a hash belongs to. */
static inline size_t ebb__home(const struct ebb__table *table, uint64_t hash)
{
    size_t home = hash & table->mask;
    if (__builtin_expect(home >= table->end, 0))
        home &= table->half_mask;
    return home;
}

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
