/* The part of a nested map that depends on no type; ebb/nested_map.h puts types on it.
 *
 * Two levels of tables that hold nothing but references (a hash and the address of a key):
 *
 *     nested.level ──► inner maps   in order of use: newest … oldest
 *                        └ level ──► entries   in order of use: newest … oldest
 *
 * An inner map is one block (struct ebb__inner, then its key), an entry another (struct ebb__entry,
 * key, value), and the bytes of a text that is a key follow in the same block. So neither moves while
 * it lives, and evicting the oldest is O(1).
 *
 * An inner map that expires, or is evicted for want of room, is detached: it is no longer found, and
 * its entries go a few per call, so that no call pays for all of them. An inner map that is attached
 * always has an entry: the call that takes the last one detaches it. */
#ifndef EBB_IMPL_NESTED_H
#define EBB_IMPL_NESTED_H

#include <ebb/map.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ebb__entry {
    struct ebb__entry *newer, *older;
    uint64_t hash;
};

/* A hash (of the typed functions' making) and the address of a key of either level. */
struct ebb__ref {
    uint64_t hash;
    const void *key;
};

/* A set of references and a walk of it, as the template would declare them; level.c makes the
 * functions. */
struct ebb__refs {
    struct ebb__table table;
};

struct ebb__refs_put_result {
    struct ebb__nothing *value;
    bool inserted;
};

struct ebb__refs_iter {
    const struct ebb__ref *key;
    struct ebb__nothing *value;
    bool modified, out_of_memory;
    struct ebb__refs *map;
    struct ebb__walk walk;
    struct ebb__ref keys[EBB__GROUP];
    struct ebb__ref *more;
};

/* With it, how the keys that they refer to are compared. */
struct ebb__level {
    struct ebb__refs refs;
    bool (*equal)(const void *a, const void *b);
};

struct ebb__inner {
    struct ebb__level level;
    struct ebb__inner *newer, *older;
    struct ebb__entry *newest, *oldest;
    uint64_t hash;
    uint64_t serial;  /* no other inner map of this nested map has had it */
    uint64_t used_ms; /* when it was last asked for */
    size_t bytes;     /* with its entries */
    size_t table_bytes;
    size_t warn_len_at, warn_bytes_at;
};

/* How inner maps and entries lie in memory, and what is done with values. */
struct ebb__nested_type {
    size_t outer_size, outer_at, inner_bytes; /* the key of an inner map; the whole block */
    size_t inner_size, inner_at;              /* the key of an entry */
    size_t value_at, entry_bytes, alignment;
    bool outer_text, inner_text; /* keys are struct ebb_str, whose bytes are copied */
    bool (*outer_equal)(const void *a, const void *b);
    bool (*inner_equal)(const void *a, const void *b);
    void (*drop_value)(void *value);
    size_t (*value_bytes)(const void *value); /* beyond its size */
};

struct ebb_nested_options;
struct ebb_nested_warning;

struct ebb__nested {
    struct ebb__level level;
    const struct ebb__nested_type *type;
    size_t max_inner_len, max_inner_bytes, max_bytes;
    uint64_t ttl_ms;
    size_t warn_inner_len, warn_inner_bytes, warn_at;
    void (*warn)(void *context, const struct ebb_nested_warning *warning);
    void *warn_context;
    uint64_t (*clock_ms)(void *context);
    void *clock_context;

    struct ebb__inner *newest, *oldest;
    struct ebb__inner *dying; /* detached, in a list by `older` */
    size_t len, bytes;        /* entries that can be found; what all inner maps hold */
    uint64_t serials, detached;
    uint64_t evicted_entries, evicted_inner_maps, expired_inner_maps;
    uint64_t puts; /* entries that were added so far */
    /* Entries and bytes at which the inventory is out of date. */
    size_t show_at, show_below, show_bytes_at, show_bytes_below;
};

/* Which entries a walk produces. */
enum ebb__nested_levels { EBB__BOTH_LEVELS, EBB__OUTER_LEVEL, EBB__ONE_INNER };

struct ebb__nested_walk {
    struct ebb__nested *nested;
    enum ebb__nested_levels levels;
    bool inside;                  /* an inner map */
    bool out_of_memory;           /* ended before its time */
    struct ebb__ref outer, inner; /* what it is at; to be looked up before they are used */
    uint64_t serial, detached;
    struct ebb__inner *inner_map; /* of the entry that was produced last, when it was */
    struct ebb__entry *entry;
    struct ebb__refs_iter inner_maps, entries;
};

void ebb__nested_begin(struct ebb__nested *nested, const struct ebb__nested_type *type,
                       const struct ebb_nested_options *options);
void ebb__nested_free(struct ebb__nested *nested);
void ebb__nested_clear(struct ebb__nested *nested, enum ebb_clear what);

/* The values' places, or NULL. `get` counts as a use. */
void *ebb__nested_get(struct ebb__nested *nested, struct ebb__ref outer, struct ebb__ref inner);
const void *ebb__nested_peek(const struct ebb__nested *nested, struct ebb__ref outer,
                             struct ebb__ref inner);
/* Finds or makes the place for a value that has `value_bytes` bytes beyond its size. 0, -ENOMEM or
 * -E2BIG. A value that was there is still in it, and not dropped, when `inserted` says false. With
 * `replaces` it is about to be replaced; otherwise it stays, and `value_bytes` counts for nothing. */
int ebb__nested_place(struct ebb__nested *nested, struct ebb__ref outer, struct ebb__ref inner,
                      size_t value_bytes, bool replaces, void **place, bool *inserted);
/* Deletes; with `taken` the value is copied there and not dropped. */
bool ebb__nested_delete(struct ebb__nested *nested, struct ebb__ref outer, struct ebb__ref inner,
                        void *taken, size_t value_size);
bool ebb__nested_delete_inner(struct ebb__nested *nested, struct ebb__ref outer);
/* NULL: there is none. */
const struct ebb__inner *ebb__nested_find_inner(const struct ebb__nested *nested,
                                                struct ebb__ref outer);
bool ebb__nested_maintain(struct ebb__nested *nested, uint64_t budget_ns);
size_t ebb__nested_bytes(const struct ebb__nested *nested);

/* `outer` chooses the inner map of EBB__ONE_INNER. */
struct ebb__nested_walk ebb__nested_walk_begin(struct ebb__nested *nested,
                                               enum ebb__nested_levels levels,
                                               struct ebb__ref outer);
bool ebb__nested_walk_next(struct ebb__nested_walk *walk);
bool ebb__nested_walk_delete(struct ebb__nested_walk *walk);
void ebb__nested_walk_end(struct ebb__nested_walk *walk);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
