/* A hash map that gives memory back.
 *
 * A template: define the parameters, include this header, and get a type and its functions. The
 * parameters are undefined again afterwards, so that the header can be included once per type.
 *
 *     #define EBB_MAP_NAME  scores
 *     #define EBB_MAP_KEY   uint64_t
 *     #define EBB_MAP_VALUE double
 *     #include <ebb/map.h>
 *
 *     struct scores map;
 *     scores_init(&map, NULL);
 *     scores_put(&map, 7, 1.5);
 *     double *score = scores_get(&map, 7);
 *     ebb_map_foreach(scores, it, &map)
 *         printf("%lu: %f\n", *it.key, *it.value);
 *     scores_free(&map);
 *
 * Parameters
 *
 *     EBB_MAP_NAME              the type is `struct NAME`, its functions NAME_...
 *     EBB_MAP_VALUE             a type; values are copied by assignment
 *
 * and one kind of keys:
 *
 *     EBB_MAP_KEY               any type, copied by assignment; as it is for integers and pointers,
 *                               with EBB_MAP_HASH and EBB_MAP_EQUAL for others
 *     EBB_MAP_STR_KEYS          struct ebb_str (ebb/str.h); the bytes stay the caller's and must
 *                               outlive the entry
 *     EBB_MAP_OWNED_STR_KEYS    struct ebb_str; an entry that is added gets a copy of the bytes
 *                               (NUL-terminated, from the map's allocator), which goes with it
 *     EBB_MAP_FLAT_KEYS         struct ebb_flat (ebb/flat.h): two texts in one key; copied likewise
 *     EBB_MAP_BYTES_KEYS        a number: arrays of so many bytes, `struct NAME_key {bytes[]}`
 *     EBB_MAP_STRUCT_KEYS       a struct type without padding, hashed and compared as bytes
 *
 * and what is seldom needed:
 *
 *     EBB_MAP_HASH(key, seed)   64 well-mixed bits; default: ebb_hash_integer. ebb/hash.h has others
 *     EBB_MAP_EQUAL(a, b)       default: a == b
 *     EBB_MAP_SAME(a, b)        whether two equal keys are one and the same, told without reading
 *                               what they point to; default: EBB_MAP_EQUAL. With it, and a hash that
 *                               does not read it either, entries may go while a walk is at them
 *     EBB_MAP_COPY_KEY(place)   makes the key at `place`, an assigned copy of the one given, the
 *                               map's own; false: out of memory. Keys given then stay the caller's
 *     EBB_MAP_DROP_KEY(key), EBB_MAP_DROP_VALUE(value)
 *                               what is done with an entry that goes; default: nothing
 *
 * Functions (K, V: the types; M: struct NAME)
 *
 *     void NAME_init(M *, const struct ebb_map_options *)   options may be NULL
 *     void NAME_free(M *)                drops every entry, gives all memory back; as after init
 *     size_t NAME_len(const M *)
 *     V *NAME_get(const M *, K)          NULL: not there
 *     bool NAME_has(const M *, K)
 *     int NAME_put(M *, K, V)            adds or replaces; takes the key over (unless keys are
 *                                        copied), and drops it again when there is one like it.
 *                                        0 or -ENOMEM (nothing changed)
 *     {V *value; bool inserted} NAME_get_or_put(M *, K, V)
 *                                        value NULL: out of memory; not inserted: key and value
 *                                        stay the caller's
 *     bool NAME_delete(M *, K)           false: was not there
 *     bool NAME_take(M *, K, V *)        deletes, and hands the value over
 *     void NAME_clear(M *, enum ebb_clear)
 *                                        EBB_KEEP: keeps the table, for filling it again to the
 *                                        size it had (of a much larger one most goes back);
 *                                        EBB_RELEASE: gives it back. ebb/clear.h says when which
 *     int NAME_reserve(M *, size_t)      room for so many entries, which shrinking leaves alone
 *     void NAME_compact(M *)             the smallest table that will do, now
 *     bool NAME_maintain(M *, uint64_t budget_ns)
 *                                        goes on with growing or shrinking, in the end gives back
 *                                        what little deletions had kept; true: there is more
 *     int NAME_clone(const M *, M *)     a copy, entry by entry, with a seed of its own. 0 or
 *                                        -ENOMEM. There is none for maps that drop values, or keys
 *                                        that they do not copy
 *     bool NAME_iter_delete(struct NAME_iter *)
 *                                        deletes the entry a walk is at (`it` of the foreach)
 *     struct ebb_map_stats NAME_stats(const M *)
 *
 * Promises
 *
 *   - No operation moves more than a few buckets: the table grows and shrinks bucket by bucket, in
 *     place. Only outgrowing a reservation (of a million buckets at least) moves page tables,
 *     some 100 µs.
 *   - After deletions the memory goes back to the system, page by page.
 *   - Out of memory while growing is no error: the map goes on with fuller buckets. -ENOMEM means
 *     that not even a node of three entries could be had.
 *   - Every map has a seed of its own, so that keys that collide in one do not in another.
 *   - Pointers to values and keys are good until the next put or delete.
 *   - Iterating while the map changes: an entry deleted before it is reached is not produced, one
 *     added may be, none is produced twice, and all others are produced once. The order is random.
 *     A walk that finds no memory to keep account of a full bucket ends, and says `out_of_memory`.
 *   - Fail-fast maps (an option, for debugging) end a walk instead when an entry was added or deleted
 *     other than by NAME_iter_delete; the iterator then says `modified`:
 *
 *         struct scores_iter it = scores_iter_begin(&map);
 *         while (scores_iter_next(&it))
 *             ...
 *         assert(!it.modified);
 *         scores_iter_end(&it);
 *
 * Thread-safety: several threads may read at once (get, has, len, iterate); writing excludes all
 * others. Cost: O(1) for every operation on one entry, in the worst case too, given a good hash.
 *
 * Needs libebb (pkg-config ebb). From C++ the types must be trivially copyable. */
#include <ebb/allocator.h>
#include <ebb/flat.h>
#include <ebb/hash.h>
#include <ebb/impl/table.h>
#include <ebb/str.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifndef EBB_MAP_H
#define EBB_MAP_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ebb_map_options {
    const char *name; /* for `ebb maps`; NULL: listed only when large. Must stay valid */
    const void *site; /* where it is created, for the same list; NULL: where init is called */
    const struct ebb_allocator *allocator; /* NULL: ebb_allocator_default */
    uint64_t seed;                         /* 0: random */
    bool no_shrink;                        /* keep the table's size when entries go */
    bool huge_pages; /* large tables: faster by a third, single operations may take milliseconds */
    bool fail_fast;  /* walks end when the map changes under them */
    /* Called when the map is to grow beyond `warn_len` entries (0: never), and whenever it has
     * doubled since. Must not touch the map. NULL: the warning goes to the log (ebb/log.h). */
    size_t warn_len;
    void (*warn)(void *context, const char *name, size_t len);
    void *warn_context;
};

struct ebb_map_stats {
    size_t len;
    size_t buckets;        /* of sixteen slots */
    size_t bytes;          /* of memory held, without what keys and values point to */
    size_t overflow_nodes; /* of three slots */
    uint64_t deletes;      /* so far; `len + deletes` were added */
    bool growing;          /* buckets are still to be split */
};

struct ebb_map_stats ebb__table_stats(const struct ebb__table *table,
                                      const struct ebb__layout *layout);
void ebb__table_trim_rest(struct ebb__table *table, const struct ebb__layout *layout);
void ebb__table_trim_all(struct ebb__table *table, const struct ebb__layout *layout);
uint64_t ebb__now_ns(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

/* Walks a map, whatever the body does to it; `break` and `return` are fine. `it.key`, `it.value`. */
#define ebb_map_foreach(NAME, it, map)                                                             \
    for (struct NAME##_iter it __attribute__((cleanup(NAME##_iter_end))) = NAME##_iter_begin(map); \
         NAME##_iter_next(&it);)

#define EBB__JOIN2(a, b) a##b
#define EBB__JOIN(a, b)  EBB__JOIN2(a, b)

#define EBB__LIKELY(condition)   __builtin_expect(!!(condition), 1)
#define EBB__UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define EBB__HOT                 static inline __attribute__((always_inline, unused))
#define EBB__API                 static inline __attribute__((unused))
#define EBB__API_COLD            static __attribute__((noinline, unused))
#define EBB__COLD                __attribute__((noinline, unused))

/* Whether something may hold pointers: it is one, a struct, or a union (GCC's classes of types). Does
 * not read it. */
#define EBB__REFERS(what)                                                                          \
    (__builtin_classify_type(what) == 5 || __builtin_classify_type(what) >= 12)

static inline uint64_t ebb__reverse_bits(uint64_t word)
{
    word = __builtin_bswap64(word);
    word = (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 | (word >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
    word = (word & UINT64_C(0x3333333333333333)) << 2 | (word >> 2 & UINT64_C(0x3333333333333333));
    return (word & UINT64_C(0x5555555555555555)) << 1 | (word >> 1 & UINT64_C(0x5555555555555555));
}

#endif

#ifdef EBB_MAP_NAME

#if defined EBB_MAP_STR_KEYS || defined EBB_MAP_OWNED_STR_KEYS
#define EBB_MAP_KEY             struct ebb_str
#define EBB_MAP_HASH(key, seed) ebb_str_hash(key, seed)
#define EBB_MAP_EQUAL(a, b)     ebb_str_equal(a, b)
#define EBB_MAP_SAME(a, b)      ((a).data == (b).data && (a).len == (b).len)
#elif defined EBB_MAP_FLAT_KEYS
#define EBB_MAP_KEY             struct ebb_flat
#define EBB_MAP_HASH(key, seed) ebb_flat_hash(key, seed)
#define EBB_MAP_EQUAL(a, b)     ebb_flat_equal(a, b)
#define EBB_MAP_SAME(a, b)      ((a).outer == (b).outer && (a).inner == (b).inner)
#elif defined EBB_MAP_BYTES_KEYS
struct EBB__JOIN(EBB_MAP_NAME, _key) {
    unsigned char bytes[EBB_MAP_BYTES_KEYS];
};
#define EBB_MAP_KEY struct EBB__JOIN(EBB_MAP_NAME, _key)
#elif defined EBB_MAP_STRUCT_KEYS
#define EBB_MAP_KEY EBB_MAP_STRUCT_KEYS
#ifdef __cplusplus
static_assert(__has_unique_object_representations(EBB_MAP_KEY), "keys must have no padding");
#endif
#endif
#if defined EBB_MAP_BYTES_KEYS || defined EBB_MAP_STRUCT_KEYS
#define EBB_MAP_HASH(key, seed) ebb_hash_bytes(&(key), sizeof(key), seed)
#define EBB_MAP_EQUAL(a, b)     (memcmp(&(a), &(b), sizeof(a)) == 0)
#endif

#ifndef EBB_MAP_HASH
#define EBB_MAP_HASH(key, seed) ebb_hash_integer((uint64_t)(uintptr_t)(key), seed)
#endif
#ifndef EBB_MAP_EQUAL
#define EBB_MAP_EQUAL(a, b) ((a) == (b))
#endif
#ifndef EBB__MAP_EQUAL /* the library's own maps may need more than the keys to tell */
#define EBB__MAP_EQUAL(map, a, b) EBB_MAP_EQUAL(a, b)
#endif
#ifndef EBB_MAP_SAME
#define EBB_MAP_SAME(a, b) EBB_MAP_EQUAL(a, b)
#endif

#if defined EBB_MAP_OWNED_STR_KEYS
#define EBB__MAP_COPY_KEY(map, place) ebb__str_copy(place, (map)->table.allocator)
#define EBB__MAP_DROP_KEY(map, place) ebb__str_drop(place, (map)->table.allocator)
#define EBB__MAP_DROP_GIVEN(map, key) (void)(key)
#elif defined EBB_MAP_FLAT_KEYS
#define EBB__MAP_COPY_KEY(map, place) ebb__flat_copy(place, (map)->table.allocator)
#define EBB__MAP_DROP_KEY(map, place) ebb__flat_drop(place, (map)->table.allocator)
#define EBB__MAP_DROP_GIVEN(map, key) (void)(key)
#elif defined EBB_MAP_COPY_KEY
#define EBB__MAP_COPY_KEY(map, place) EBB_MAP_COPY_KEY(place)
#define EBB__MAP_DROP_GIVEN(map, key) (void)(key)
#else
#define EBB__MAP_COPY_KEY(map, place) true
#define EBB__MAP_DROP_GIVEN(map, key) EBB__MAP_DROP_KEY(map, &(key))
#endif
#ifndef EBB__MAP_DROP_KEY
#ifdef EBB_MAP_DROP_KEY
#define EBB__MAP_DROP_KEY(map, place) EBB_MAP_DROP_KEY(*(place))
#else
#define EBB__MAP_DROP_KEY(map, place) (void)(place)
#endif
#endif

#if defined EBB_MAP_DROP_KEY || defined EBB_MAP_OWNED_STR_KEYS || defined EBB_MAP_FLAT_KEYS ||     \
    defined EBB_MAP_DROP_VALUE
#define EBB__MAP_DROPS 1
#else
#define EBB__MAP_DROPS 0
#endif
#if defined EBB_MAP_DROP_VALUE || (defined EBB_MAP_DROP_KEY && !defined EBB_MAP_COPY_KEY)
#define EBB__MAP_CLONES 0
#else
#define EBB__MAP_CLONES 1
#endif
#ifndef EBB_MAP_DROP_VALUE
#define EBB_MAP_DROP_VALUE(value) (void)(value)
#endif

#include <ebb/impl/map_template.h>

#undef EBB_MAP_NAME
#undef EBB_MAP_KEY
#undef EBB_MAP_VALUE
#undef EBB_MAP_HASH
#undef EBB_MAP_EQUAL
#undef EBB_MAP_DROP_KEY
#undef EBB_MAP_DROP_VALUE
#undef EBB_MAP_SAME
#undef EBB_MAP_COPY_KEY
#undef EBB_MAP_STR_KEYS
#undef EBB_MAP_OWNED_STR_KEYS
#undef EBB_MAP_FLAT_KEYS
#undef EBB_MAP_BYTES_KEYS
#undef EBB_MAP_STRUCT_KEYS
#undef EBB__MAP_EQUAL
#undef EBB__MAP_COPY_KEY
#undef EBB__MAP_DROP_KEY
#undef EBB__MAP_DROP_GIVEN
#undef EBB__MAP_DROPS
#undef EBB__MAP_CLONES

#endif
