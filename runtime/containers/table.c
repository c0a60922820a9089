/* See ebb/impl/table.h. Memory: a table begins as one block that holds all its parts; from
 * PAGED_FROM buckets on each part has a reservation of its own, into which it grows in place.
 * A reservation is many times as large as what is needed now, because outgrowing it is the one
 * thing that moves a table. */
#include <ebb/clear.h>
#include <ebb/map.h>

#include "../log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    PAGED_FROM = 256,        /* buckets, */
    PAGED_BYTES = 256 << 10, /* or bytes of slots */
    TRIM = 24 << 10,         /* bytes of slots that pile up behind the last bucket before they go */
    TRIM_SMALL = 4096,       /* buckets whose small parts, which share pages, go together */
    PREPARED = 4096,         /* buckets whose fingerprints are made ready at a time */
    ROOM = 1 << 20,          /* buckets that address space is reserved for at least, */
    ROOM_BYTES = 1 << 30,    /* as far as their slots do not need more */
    READY = 16 << 20,        /* bytes of each part of a reservation that are made ready at once */
    HUGE_PAGE = 2 << 20,
};

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static size_t page_size(void)
{
    static size_t bytes;
    size_t known = __atomic_load_n(&bytes, __ATOMIC_RELAXED);
    if (known == 0)
        __atomic_store_n(&bytes, known = (size_t)sysconf(_SC_PAGESIZE), __ATOMIC_RELAXED);
    return known;
}

static size_t round_up(size_t bytes, size_t alignment)
{
    return (bytes + alignment - 1) & ~(alignment - 1);
}

static size_t page_end(size_t bytes)
{
    return round_up(bytes, page_size());
}

/* ---- the parts ---- */

enum part { FINGERPRINTS, CHAINS, FILTERS, SLOTS, PARTS };

static void **place(struct ebb__table *table, enum part part)
{
    switch (part) {
    case FINGERPRINTS:
        return (void **)&table->fingerprints;
    case SLOTS:
        return (void **)&table->slots;
    case CHAINS:
        return (void **)&table->chains;
    default:
        return (void **)&table->filters;
    }
}

static size_t part_bytes(const struct ebb__layout *layout, enum part part)
{
    const size_t bytes[PARTS] = {
        [FINGERPRINTS] = EBB__GROUP,
        [CHAINS] = sizeof(struct ebb__node *),
        [FILTERS] = 1,
        [SLOTS] = layout->bucket_bytes,
    };
    return bytes[part];
}

/* ---- blocks ---- */

struct block {
    size_t at[PARTS], size, alignment;
};

/* Where the parts of a block of `buckets` buckets lie; the only bucket may have fewer slots. */
static struct block lay_out(const struct ebb__layout *layout, size_t buckets, size_t first_slots)
{
    struct block block;
    block.alignment = layout->alignment < EBB__GROUP ? EBB__GROUP : layout->alignment;
    block.at[FINGERPRINTS] = 0;
    block.at[CHAINS] = buckets * EBB__GROUP;
    block.at[FILTERS] = block.at[CHAINS] + buckets * sizeof(struct ebb__node *);
    block.at[SLOTS] = round_up(block.at[FILTERS] + buckets, block.alignment);
    block.size =
        block.at[SLOTS] + (buckets == 1 && layout->slot_bytes ? first_slots * layout->slot_bytes
                                                              : buckets * layout->bucket_bytes);
    return block;
}

/* Into a block whose parts lie elsewhere. */
static void copy_parts(const struct ebb__table *table, const struct ebb__layout *layout,
                       const struct block *now, char *memory, const struct block *next,
                       size_t buckets)
{
    const char *old = (const char *)table->fingerprints;
    size_t kept = table->capacity < buckets ? table->capacity : buckets;
    for (int part = 0; part < SLOTS; part++)
        memcpy(memory + next->at[part], old + now->at[part],
               kept * part_bytes(layout, (enum part)part));
    size_t had = now->size - now->at[SLOTS], room = next->size - next->at[SLOTS];
    memcpy(memory + next->at[SLOTS], old + now->at[SLOTS], had < room ? had : room);
}

/* The prefix of this and other functions that allocate is for profiles: by it the doctor knows a map's
 * memory. */
static int ebb__grow_block(struct ebb__table *table, const struct ebb__layout *layout,
                           size_t buckets, size_t first_slots)
{
    const struct ebb_allocator *allocator = table->allocator;
    struct block next = lay_out(layout, buckets, first_slots);
    char *memory = (char *)allocator->allocate(allocator->context, next.size, next.alignment);
    if (!memory)
        return -ENOMEM;
    if (table->capacity == 0) {
        memset(memory, 0, next.at[SLOTS]);
    } else {
        struct block now = lay_out(layout, table->capacity, table->first_slots);
        char *old = (char *)table->fingerprints;
        if (buckets == 1 && table->capacity == 1) {
            memcpy(memory, old, now.size);
        } else {
            memset(memory, 0, next.at[SLOTS]);
            copy_parts(table, layout, &now, memory, &next, buckets);
        }
        allocator->release(allocator->context, old, now.size, now.alignment);
    }
    for (int part = 0; part < PARTS; part++)
        *place(table, (enum part)part) = memory + next.at[part];
    table->capacity = buckets;
    table->first_slots = first_slots;
    return 0;
}

/* ---- pages ---- */

static void give_up(const struct ebb__table *table, const struct ebb__layout *layout,
                    void *const memory[PARTS], size_t buckets)
{
    for (int part = 0; part < PARTS; part++)
        if (memory[part])
            table->allocator->unreserve(table->allocator->context, memory[part],
                                        page_end(buckets * part_bytes(layout, (enum part)part)));
}

static bool reserve_parts(const struct ebb__table *table, const struct ebb__layout *layout,
                          size_t buckets, void *memory[PARTS])
{
    const struct ebb_allocator *allocator = table->allocator;
    memset(memory, 0, PARTS * sizeof *memory);
    for (int part = 0; part < PARTS; part++) {
        size_t bytes;
        if (__builtin_mul_overflow(buckets, part_bytes(layout, (enum part)part), &bytes) ||
            bytes > SIZE_MAX - page_size() ||
            !(memory[part] =
                  allocator->reserve(allocator->context, page_end(bytes), table->huge))) {
            give_up(table, layout, memory, buckets);
            return false;
        }
    }
    return true;
}

/* Moves one part of a paged table; `used` and `size` in bytes. */
static void move_part(const struct ebb__table *table, void *from, size_t size, void *to,
                      size_t used)
{
    const struct ebb_allocator *allocator = table->allocator;
    if (!table->moved && allocator->move &&
        allocator->move(allocator->context, from, size, to, used) == 0)
        return;
    memcpy(to, from, used);
    allocator->unreserve(allocator->context, from, size);
}

static int ebb__grow_pages(struct ebb__table *table, const struct ebb__layout *layout,
                           size_t buckets)
{
    static const size_t generosity[] = {64, 8, 2, 1};
    const struct ebb_allocator *allocator = table->allocator;
    void *memory[PARTS];
    size_t room = 0, usual = ROOM_BYTES / layout->bucket_bytes;
    usual = usual < ROOM ? usual : ROOM;
    if (buckets < usual / generosity[0] && reserve_parts(table, layout, usual, memory))
        room = usual;
    for (size_t i = 0; i < sizeof generosity / sizeof *generosity && room == 0; i++)
        if (buckets <= SIZE_MAX / generosity[i] &&
            reserve_parts(table, layout, buckets * generosity[i], memory))
            room = buckets * generosity[i];
    if (room == 0)
        return -ENOMEM;

    struct block block = lay_out(layout, table->capacity, table->first_slots);
    void *old = table->fingerprints;
    size_t had = table->paged ? table->touched : table->capacity;
    for (int part = 0; part < PARTS; part++) {
        void **now = place(table, (enum part)part);
        size_t bytes = part_bytes(layout, (enum part)part), kept = had * bytes;
        if (part == SLOTS && !table->paged && table->capacity == 1 && layout->slot_bytes)
            kept = table->first_slots * layout->slot_bytes;
        if (table->paged)
            move_part(table, *now, page_end(table->capacity * bytes), memory[part], page_end(kept));
        else if (table->capacity > 0)
            memcpy(memory[part], *now, kept);
        *now = memory[part];
    }
    if (!table->paged && table->capacity > 0)
        allocator->release(allocator->context, old, block.size, block.alignment);
    if (table->paged)
        table->moved = true;
    else
        table->touched = had; /* what it was as a block says nothing of its pages */
    table->paged = true;
    table->capacity = room;
    table->first_slots = EBB__GROUP;
    return 0;
}

/* Whether a table of so many buckets is better off with pages than as a block, which is copied when it
 * grows. */
static bool is_large(const struct ebb__layout *layout, size_t buckets)
{
    return buckets >= PAGED_FROM || (buckets > 1 && layout->bucket_bytes >= PAGED_BYTES / buckets);
}

int ebb__table_make_room(struct ebb__table *table, const struct ebb__layout *layout, size_t buckets,
                         size_t first_slots)
{
    size_t slots = EBB__GROUP;
    if (buckets == 1 && layout->slot_bytes)
        for (slots = EBB__FIRST_SLOTS; slots < first_slots && slots < EBB__GROUP;)
            slots *= 2;
    if (buckets <= table->capacity && (buckets > 1 || slots <= table->first_slots))
        return 0;
    while (table->small < EBB__AT_ONCE / 2 &&
           2 * table->small * layout->bucket_bytes <= EBB__AT_ONCE_BYTES)
        table->small *= 2;
    bool pages = table->allocator->reserve && (table->paged || is_large(layout, buckets));
    if (pages && ebb__grow_pages(table, layout, buckets) == 0)
        return 0;
    if (table->paged)
        return -ENOMEM;
    if (buckets > SIZE_MAX / 2 / (layout->bucket_bytes + EBB__GROUP + 16))
        return -ENOMEM;
    return ebb__grow_block(table, layout, buckets, slots);
}

/* ---- limits ---- */

void ebb__table_set_limits(struct ebb__table *table)
{
    size_t buckets = ebb__table_buckets(table), full = table->mask / EBB__GROUP + 1;
    size_t whole = buckets == full ? full : full / 2; /* as before the mask doubled */
    table->half_mask = (table->mask / 2) & ~(size_t)(EBB__GROUP - 1);
    table->grow_at = table->capacity == 0 ? 0
                     : full == 1          ? table->first_slots
                                          : whole * EBB__MAX_LOAD;
    if (table->warn_at < table->grow_at)
        table->grow_at = table->warn_at;
    if (table->show_at < table->grow_at)
        table->grow_at = table->show_at;
    bool small = buckets <= table->small || buckets <= table->least_buckets;
    size_t least_load = table->paged ? EBB__SHRINK : EBB__SHRINK_BLOCK;
    size_t shrink_at = small || table->no_shrink ? 0 : buckets * EBB__MAX_LOAD / least_load;
    table->kept &= table->count < shrink_at;
    table->shrink_at = table->kept ? 0 : shrink_at;
    if (table->kept && shrink_at < table->grow_at)
        table->grow_at = shrink_at; /* to be told when it is filled again */
    if (table->show_below > table->shrink_at)
        table->shrink_at = table->show_below;
}

static void warn(const struct ebb__table *table)
{
    if (table->warn)
        table->warn(table->warn_context, table->name, table->count);
    else
        ebb__log("ebb: map %s has %zu entries and grows; delete what is no longer needed, or raise "
                 "its warn_len",
                 table->name ? table->name : "(without a name)", table->count);
}

bool ebb__table_note_more(struct ebb__table *table, const struct ebb__layout *layout)
{
    bool warns = table->count >= table->warn_at, shows = table->count >= table->show_at;
    if (!warns && !shows && !table->kept)
        return true;
    if (shows)
        ebb__table_show(table, layout);
    if (warns)
        table->warn_at = table->count * 2;
    ebb__table_set_limits(table);
    if (warns)
        warn(table);
    return table->count >= table->grow_at;
}

bool ebb__table_note_less(struct ebb__table *table, const struct ebb__layout *layout)
{
    if (table->count >= table->show_below)
        return true;
    ebb__table_show(table, layout);
    ebb__table_set_limits(table);
    return table->count < table->shrink_at;
}

void ebb__table_postpone_growth(struct ebb__table *table)
{
    table->grow_at = table->count + table->count / 8 + EBB__GROUP;
}

/* ---- memory behind the last bucket ---- */

static void discard(struct ebb__table *table, enum part part, const struct ebb__layout *layout,
                    size_t from, size_t to)
{
    size_t bytes = part_bytes(layout, part);
    size_t begin = page_end(from * bytes), end = page_end(to * bytes);
    if (end > begin)
        table->allocator->discard(table->allocator->context, (char *)*place(table, part) + begin,
                                  end - begin);
}

/* The small parts behind the last bucket, as far behind `from` as there may be any: one step that has
 * not been taken yet, and what was made ready for growing. */
static void discard_small(struct ebb__table *table, const struct ebb__layout *layout, size_t from)
{
    size_t end = from + TRIM_SMALL + PREPARED;
    end = end < table->capacity ? end : table->capacity;
    for (int part = 0; part < SLOTS; part++)
        discard(table, (enum part)part, layout, ebb__table_buckets(table), end);
}

void ebb__table_trim(struct ebb__table *table, const struct ebb__layout *layout)
{
    size_t buckets = ebb__table_buckets(table), behind = table->touched - buckets;
    if (buckets % TRIM_SMALL == TRIM_SMALL / 8) { /* and not the slots in the same operation */
        discard_small(table, layout, buckets);
    } else if (behind * layout->bucket_bytes >= TRIM) {
        discard(table, SLOTS, layout, buckets, table->touched);
        table->touched = buckets;
    }
}

/* Back from pages to a block of `buckets` buckets. False: there is no memory for one. */
static bool leave_pages(struct ebb__table *table, const struct ebb__layout *layout, size_t buckets)
{
    const struct ebb_allocator *allocator = table->allocator;
    struct block block = lay_out(layout, buckets, EBB__GROUP);
    char *memory = (char *)allocator->allocate(allocator->context, block.size, block.alignment);
    void *pages[PARTS];
    if (!memory)
        return false;
    memset(memory, 0, block.at[SLOTS]);
    for (int part = 0; part < PARTS; part++) {
        void **now = place(table, (enum part)part);
        pages[part] = *now;
        memcpy(memory + block.at[part], *now,
               ebb__table_buckets(table) * part_bytes(layout, (enum part)part));
        *now = memory + block.at[part];
    }
    give_up(table, layout, pages, table->capacity);
    table->moves++;
    table->paged = table->moved = false;
    table->capacity = table->touched = buckets;
    table->first_slots = EBB__GROUP;
    return true;
}

void ebb__table_trim_all(struct ebb__table *table, const struct ebb__layout *layout)
{
    size_t buckets = ebb__table_buckets(table);
    size_t full = table->mask / EBB__GROUP + 1; /* splits go on without asking for room */
    if (!table->paged) {
        if (full < table->capacity && ebb__grow_block(table, layout, full, EBB__GROUP) == 0)
            table->touched = full;
        return;
    }
    if (!is_large(layout, 2 * full) && leave_pages(table, layout, full))
        return;
    discard(table, SLOTS, layout, buckets, table->touched);
    discard_small(table, layout, table->touched);
    table->touched = buckets;
}

void ebb__table_trim_rest(struct ebb__table *table, const struct ebb__layout *layout)
{
    if (table->paged && table->touched > ebb__table_buckets(table))
        ebb__table_trim_all(table, layout);
}

/* Zeroes every slot that ever held an entry, those of buckets that were merged since too, of which
 * some are in the last page. A table with hardly anything in it gives its pages back instead. */
static void wipe_slots(struct ebb__table *table, const struct ebb__layout *layout, size_t had)
{
    size_t buckets = table->paged ? table->touched : table->capacity;
    bool few = buckets == 1 && !table->paged && layout->slot_bytes > 0;
    if (!table->paged)
        memset(table->slots, 0,
               few ? table->first_slots * layout->slot_bytes : buckets * layout->bucket_bytes);
    else if (had < buckets / 16)
        discard(table, SLOTS, layout, 0, buckets);
    else
        memset(table->slots, 0, page_end(buckets * layout->bucket_bytes));
}

void ebb__table_emptied(struct ebb__table *table, const struct ebb__layout *layout, size_t had,
                        bool refers)
{
    size_t buckets = ebb__table_buckets(table), wanted = table->small;
    if (table->end == EBB__GROUP)
        memset(table->fingerprints, 0, EBB__GROUP); /* a store, no call */
    else
        memset(table->fingerprints, 0, table->end);
    if (refers)
        wipe_slots(table, layout, had);
    if (buckets <= table->small && table->show_from > 0)
        return; /* such a table keeps its size and its limits, and is in no inventory */
    while (wanted < table->least_buckets || wanted * EBB__MAX_LOAD < had)
        wanted *= 2;
    if (!table->no_shrink && wanted < buckets && had < buckets * EBB__MAX_LOAD / EBB__SHRINK) {
        table->end = wanted * EBB__GROUP;
        table->mask = table->end - EBB__GROUP;
        ebb__table_trim_all(table, layout);
    }
    table->kept = true;
    ebb__table_show(table, layout);
    ebb__table_set_limits(table);
}

/* Only hints; old kernels know no such advice. */
static void advise(void *memory, size_t bytes, int advice)
{
    uintptr_t page = (uintptr_t)memory & ~(uintptr_t)(page_size() - 1);
    int saved = errno;
    madvise((void *)page, bytes, advice);
    errno = saved;
}

void ebb__table_prepare(struct ebb__table *table, size_t bucket)
{
    if (table->paged && bucket % PREPARED == 0 && bucket + PREPARED <= table->capacity)
        advise(table->fingerprints + bucket * EBB__GROUP, PREPARED * EBB__GROUP,
               MADV_POPULATE_WRITE);
}

/* In huge pages as far as whole ones will be in use: who reserves does not mind the moment it takes to
 * get them, and they make lookups faster. What is touched for the first time later comes in small
 * pages again, so that no other operation takes such a moment. The advice against huge pages is for
 * the whole reservation, and comes before anything behind the huge ones is touched: then it stays one
 * mapping, which can be moved. */
void ebb__table_reserved(struct ebb__table *table, const struct ebb__layout *layout, size_t buckets)
{
    for (int part = 0; table->paged && part < PARTS; part++) {
        char *memory = (char *)*place(table, (enum part)part);
        size_t bytes = buckets * part_bytes(layout, (enum part)part);
        bytes = bytes < READY ? bytes : READY;
        size_t whole = table->huge ? 0 : bytes & ~(size_t)(HUGE_PAGE - 1);
        if (whole > 0) {
            advise(memory, whole, MADV_HUGEPAGE);
            advise(memory, whole, MADV_POPULATE_WRITE);
            advise(memory, page_end(table->capacity * part_bytes(layout, (enum part)part)),
                   MADV_NOHUGEPAGE);
        }
        advise(memory + whole, page_end(bytes - whole), MADV_POPULATE_WRITE);
    }
}

/* ---- overflow nodes ---- */

/* Nodes come in slabs, so that those of a map that shrinks go back together. Slabs with a free node
 * are in a list. Those of a paged table are pages of their own: to malloc they would be the end of
 * the heap, which it cuts off in pieces that take it a millisecond. */
struct ebb__slab {
    struct ebb__slab *previous, *next;
    struct ebb__node *free;
    size_t bytes;
    uint32_t used, count;
    uint32_t fresh; /* nodes from here on were never handed out, nor their memory touched */
    bool paged;
};

enum {
    SMALLEST_SLAB = 4, /* nodes */
    LARGEST_SLAB = 64,
    PAGED_SLAB = 16 << 10, /* bytes */
    MOST_NODES = 255,      /* that an index tells apart */
};

static size_t slab_head(const struct ebb__layout *layout)
{
    return round_up(sizeof(struct ebb__slab), layout->alignment);
}

static void link_slab(struct ebb__table *table, struct ebb__slab *slab)
{
    slab->previous = NULL;
    slab->next = table->slabs;
    if (slab->next)
        slab->next->previous = slab;
    table->slabs = slab;
}

static void unlink_slab(struct ebb__table *table, struct ebb__slab *slab)
{
    if (slab->previous)
        slab->previous->next = slab->next;
    else
        table->slabs = slab->next;
    if (slab->next)
        slab->next->previous = slab->previous;
}

/* A slab in the list, none of its nodes in use. NULL: there is no memory. */
static struct ebb__slab *ebb__new_slab(struct ebb__table *table, const struct ebb__layout *layout)
{
    const struct ebb_allocator *allocator = table->allocator;
    struct ebb__slab *slab = NULL;
    size_t count = SMALLEST_SLAB, bytes = PAGED_SLAB;
    if (table->paged && table->nodes >= LARGEST_SLAB && page_size() <= PAGED_SLAB &&
        slab_head(layout) + SMALLEST_SLAB * layout->node_bytes <= bytes)
        slab = (struct ebb__slab *)allocator->reserve(allocator->context, bytes, false);
    bool paged = slab != NULL;
    if (paged) {
        count = (bytes - slab_head(layout)) / layout->node_bytes;
        count = count < MOST_NODES ? count : MOST_NODES;
    }
    while (!paged && count < LARGEST_SLAB && count < table->nodes)
        count *= 2;
    while (!slab && count > 0) {
        bytes = slab_head(layout) + count * layout->node_bytes;
        slab =
            (struct ebb__slab *)allocator->allocate(allocator->context, bytes, layout->alignment);
        count = slab ? count : count / 2;
    }
    if (!slab)
        return NULL;
    *slab = (struct ebb__slab){.bytes = bytes, .count = (uint32_t)count, .paged = paged};
    link_slab(table, slab);
    return slab;
}

static struct ebb__node *take_node(struct ebb__slab *slab, const struct ebb__layout *layout)
{
    struct ebb__node *node = slab->free;
    if (node) {
        slab->free = node->next;
    } else {
        node = (struct ebb__node *)((char *)slab + slab_head(layout) +
                                    slab->fresh * layout->node_bytes);
        node->index = (uint8_t)slab->fresh++;
    }
    slab->used++;
    return node;
}

struct ebb__node *ebb__node_new(struct ebb__table *table, const struct ebb__layout *layout)
{
    struct ebb__slab *slab = table->slabs ? table->slabs : ebb__new_slab(table, layout);
    if (!slab)
        return NULL;
    struct ebb__node *node = take_node(slab, layout);
    if (slab->used == slab->count)
        unlink_slab(table, slab);
    table->nodes++;
    node->next = NULL;
    memset(node->fingerprints, 0, sizeof node->fingerprints);
    return node;
}

void ebb__node_free(struct ebb__table *table, const struct ebb__layout *layout,
                    struct ebb__node *node)
{
    const struct ebb_allocator *allocator = table->allocator;
    struct ebb__slab *slab =
        (struct ebb__slab *)((char *)node - node->index * layout->node_bytes - slab_head(layout));
    node->next = slab->free;
    slab->free = node;
    table->nodes--;
    if (slab->used-- == slab->count)
        link_slab(table, slab);
    if (slab->used > 0)
        return;
    unlink_slab(table, slab);
    if (slab->paged)
        allocator->unreserve(allocator->context, slab, slab->bytes);
    else
        allocator->release(allocator->context, slab, slab->bytes, layout->alignment);
}

/* ---- a table's life ---- */

static const uint8_t no_fingerprints[EBB__GROUP] __attribute__((aligned(EBB__GROUP)));
static uint8_t no_filter[1];

/* An empty table in place of any other. */
static void make_empty(struct ebb__table *table)
{
    table->fingerprints = (uint8_t *)no_fingerprints; /* never written: the first insert grows */
    table->filters = no_filter;
    table->slots = NULL;
    table->chains = NULL;
    table->slabs = NULL;
    table->end = EBB__GROUP;
    table->mask = table->half_mask = table->count = table->grow_at = table->shrink_at = 0;
    table->first_slots = table->capacity = table->touched = table->least_buckets = 0;
    table->nodes = 0;
    table->small = 1;
    table->paged = table->kept = false;
    table->moves++;
}

void ebb__table_begin(struct ebb__table *table, const struct ebb_map_options *options)
{
    static const struct ebb_map_options defaults;
    if (!options)
        options = &defaults;
    /* Field by field: zeroing the whole first would take as long as all the rest. */
    table->deletes = table->moves = table->clears = table->high_water = 0;
    table->shown_by_owner = false;
    table->clear = NULL;
    table->seed = options->seed ? options->seed : ebb__random_seed();
    table->allocator = options->allocator ? options->allocator : &ebb_allocator_default;
    table->no_shrink = options->no_shrink;
    table->huge = options->huge_pages;
    table->fail_fast = options->fail_fast;
    table->name = options->name;
    table->warn_at = options->warn_len ? options->warn_len : SIZE_MAX;
    table->warn = options->warn;
    table->warn_context = options->warn_context;
    table->site = options->site ? options->site : __builtin_return_address(0);
    ebb__table_not_shown(table);
    make_empty(table);
}

void ebb__table_begin_like(struct ebb__table *table, const struct ebb__table *other)
{
    *table = *other;
    table->seed = ebb__random_seed();
    table->deletes = table->moves = table->clears = table->high_water = 0;
    ebb__table_not_shown(table);
    table->site = __builtin_return_address(0);
    make_empty(table);
}

void ebb__table_free(struct ebb__table *table, const struct ebb__layout *layout)
{
    const struct ebb_allocator *allocator = table->allocator;
    size_t buckets = ebb__table_buckets(table);
    ebb__table_hide(table);
    for (size_t bucket = 0; table->nodes > 0 && bucket < buckets; bucket++)
        while (table->chains[bucket]) {
            struct ebb__node *node = table->chains[bucket];
            table->chains[bucket] = node->next;
            ebb__node_free(table, layout, node);
        }
    if (table->paged) {
        void *memory[PARTS];
        for (int part = 0; part < PARTS; part++)
            memory[part] = *place(table, (enum part)part);
        give_up(table, layout, memory, table->capacity);
    } else if (table->capacity > 0) {
        struct block block = lay_out(layout, table->capacity, table->first_slots);
        allocator->release(allocator->context, table->fingerprints, block.size, block.alignment);
    }
    make_empty(table);
}

void ebb__clear_map(void *map, enum ebb_clear what)
{
    struct ebb__table *table = (struct ebb__table *)map; /* every map begins with one */
    if (table)
        table->clear(table, what);
}

size_t ebb__table_bytes(const struct ebb__table *table, const struct ebb__layout *layout)
{
    size_t bytes = table->nodes * layout->node_bytes;
    if (!table->paged)
        return bytes +
               (table->capacity ? lay_out(layout, table->capacity, table->first_slots).size : 0);
    for (int part = 0; part < PARTS; part++)
        bytes += page_end(table->touched * part_bytes(layout, (enum part)part));
    return bytes;
}

struct ebb_map_stats ebb__table_stats(const struct ebb__table *table,
                                      const struct ebb__layout *layout)
{
    return (struct ebb_map_stats){
        .len = table->count,
        .buckets = table->capacity ? ebb__table_buckets(table) : 0,
        .bytes = ebb__table_bytes(table, layout),
        .overflow_nodes = table->nodes,
        .deletes = table->deletes,
        .growing = table->end <= table->mask,
    };
}

uint64_t ebb__now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* ---- seeds ---- */

/* The finalizer of SplitMix64 (Guy Steele, Doug Lea, Christine Flood, 2014). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Where a thread begins to count. */
static uint64_t begin_stream(void)
{
    static uint64_t secret, drawn;
    uint64_t known = __atomic_load_n(&secret, __ATOMIC_RELAXED);
    if (!known) {
        struct timespec now;
        if (getrandom(&known, sizeof known, GRND_NONBLOCK) != sizeof known) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            known = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)&now ^ (uint64_t)getpid() << 32;
        }
        known |= 1;
        __atomic_store_n(&secret, known, __ATOMIC_RELAXED);
    }
    return mix(known + __atomic_add_fetch(&drawn, 1, __ATOMIC_RELAXED)) | 1;
}

uint64_t ebb__random_seed(void)
{
    static __thread uint64_t stream __attribute__((tls_model("initial-exec")));
    if (__builtin_expect(stream == 0, 0))
        stream = begin_stream();
    stream += UINT64_C(0x9e3779b97f4a7c15);
    return mix(stream);
}

uint64_t ebb__secret;

uint64_t ebb__draw_secret(void)
{
    uint64_t none = 0, drawn = ebb__random_seed() | 1;
    /* Of threads that come at the same time the first one wins. */
    return __atomic_compare_exchange_n(&ebb__secret, &none, drawn, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED)
               ? drawn
               : none;
}
