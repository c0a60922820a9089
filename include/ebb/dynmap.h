/* The map of ebb/map.h with sizes and functions that are told at run time: for other languages'
 * bindings, for plugins, for containers that are built on it. The same table, the same promises; a
 * lookup costs two calls through pointers more.
 *
 *     const struct ebb_dynmap_type type = {.key_size = sizeof(int), .value_size = sizeof(double)};
 *     struct ebb_dynmap map;
 *     ebb_dynmap_init(&map, &type, NULL);
 *     ebb_dynmap_put(&map, &(int){7}, &(double){1.5});
 *     double *score = ebb_dynmap_get(&map, &(int){7});
 *     ebb_map_foreach(ebb_dynmap, it, &map)
 *         printf("%d: %f\n", *(const int *)it.key, *(double *)it.value);
 *     ebb_dynmap_free(&map);
 *
 * Keys and values are passed by address and copied as bytes. What each function does, and when
 * pointers die, is said in ebb/map.h; threads: as there. */
#ifndef EBB_DYNMAP_H
#define EBB_DYNMAP_H

#include <ebb/map.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum {
    EBB_DYNMAP_LARGEST = 16384,   /* bytes of a key and a value together; larger ones: by pointer */
    EBB_DYNMAP_MOST_ALIGNED = 16, /* bytes */
};

/* What a map holds. Copied by init; only the sizes are required. */
struct ebb_dynmap_type {
    size_t key_size; /* in bytes, not 0 */
    size_t
        value_size; /* 0: a set. Values may be NULL then, and what `get` gives is not to be read */
    /* Powers of two that divide the sizes; 0: the largest that does, up to 16. */
    size_t key_alignment, value_alignment;

    void *context; /* the first argument of every function */
    /* 64 well-mixed bits. NULL: the key's bytes are hashed (then it must have no padding). Equal keys
     * have equal hashes. ebb_hash_integer, ebb_hash_bytes and ebb_str_hash make good ones. */
    uint64_t (*hash)(void *context, const void *key, uint64_t seed);
    /* NULL: the bytes are compared. */
    bool (*equal)(void *context, const void *a, const void *b);
    /* Makes the key at `place`, a copy of the bytes given, the map's own; false: out of memory.
     * NULL: keys are taken over as they are. */
    bool (*copy_key)(void *context, void *place);
    /* What is done with an entry that goes; NULL: nothing. */
    void (*drop_key)(void *context, void *key);
    void (*drop_value)(void *context, void *value);
};

struct ebb_dynmap {
    struct ebb__table table;
    struct ebb_dynmap_type type;
    struct ebb__layout layout;
    size_t key_stride, values_at, value_stride; /* in a bucket */
    size_t node_stride, node_value_at;          /* in an overflow node */
};

struct ebb_dynmap_put_result {
    void *value; /* NULL: out of memory */
    bool inserted;
};

struct ebb_dynmap_iter {
    const void *key;    /* of the entry produced; a copy, good until the next step */
    void *value;        /* in the map; good until the map changes */
    bool modified;      /* the walk of a fail-fast map ended because the map had changed */
    bool out_of_memory; /* the walk ended before its time */

    struct ebb_dynmap *map;
    struct ebb__walk walk;
    unsigned near; /* copies that `keys` has room for */
    char keys[16 * EBB__GROUP] __attribute__((aligned(16)));
    void *more; /* the others; malloc'ed */
};

/* 0, or -EINVAL: sizes or alignments that are out of range or contradict each other. Takes no
 * memory. `options` may be NULL. */
int ebb_dynmap_init(struct ebb_dynmap *map, const struct ebb_dynmap_type *type,
                    const struct ebb_map_options *options);
void ebb_dynmap_free(struct ebb_dynmap *map);

/* Keys and values are copied from where they point to, which must not be in the map itself. */
size_t ebb_dynmap_len(const struct ebb_dynmap *map);
void *ebb_dynmap_get(const struct ebb_dynmap *map, const void *key);
bool ebb_dynmap_has(const struct ebb_dynmap *map, const void *key);
int ebb_dynmap_put(struct ebb_dynmap *map, const void *key, const void *value);
struct ebb_dynmap_put_result ebb_dynmap_get_or_put(struct ebb_dynmap *map, const void *key,
                                                   const void *value);
bool ebb_dynmap_delete(struct ebb_dynmap *map, const void *key);
bool ebb_dynmap_take(struct ebb_dynmap *map, const void *key, void *value);

void ebb_dynmap_clear(struct ebb_dynmap *map, enum ebb_clear what);
int ebb_dynmap_reserve(struct ebb_dynmap *map, size_t entries);
void ebb_dynmap_compact(struct ebb_dynmap *map);
bool ebb_dynmap_maintain(struct ebb_dynmap *map, uint64_t budget_ns);
/* -EINVAL for maps that drop values, or keys that they do not copy. */
int ebb_dynmap_clone(const struct ebb_dynmap *map, struct ebb_dynmap *clone);
struct ebb_map_stats ebb_dynmap_stats(const struct ebb_dynmap *map);

/* For ebb_map_foreach(ebb_dynmap, it, map); by hand: begin, next until false, end. */
struct ebb_dynmap_iter ebb_dynmap_iter_begin(struct ebb_dynmap *map);
bool ebb_dynmap_iter_next(struct ebb_dynmap_iter *it);
bool ebb_dynmap_iter_delete(struct ebb_dynmap_iter *it);
void ebb_dynmap_iter_end(struct ebb_dynmap_iter *it);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
