/* A map of maps that stays within bounds: settings per tenant, sessions per user, counters per host.
 *
 * The usual two-level map leaks in three ways: an inner map grows without end, inner maps that nobody
 * asks for any more stay, and empty ones stay. Here every inner map has a limit and a time to live,
 * all together have a ceiling, and an inner map goes with its last entry.
 *
 *     #define EBB_NESTED_NAME  settings
 *     #define EBB_NESTED_OUTER_STR
 *     #define EBB_NESTED_INNER_STR
 *     #define EBB_NESTED_VALUE struct setting
 *     #include <ebb/nested_map.h>
 *
 *     struct settings map;
 *     settings_init(&map, &(struct ebb_nested_options){.max_bytes = 64 << 20});
 *     settings_put(&map, ebb_str("tenant-7"), ebb_str("timeout"), setting);
 *     struct setting *found = settings_get(&map, ebb_str("tenant-7"), ebb_str("timeout"));
 *     ebb_nested_foreach(settings, it, &map)
 *         printf("%s / %s\n", it.outer->data, it.inner->data);
 *     settings_free(&map);
 *
 * Parameters; undefined again afterwards
 *
 *     EBB_NESTED_NAME                the type is `struct NAME`, its functions NAME_...
 *     EBB_NESTED_VALUE               a type; values are copied by assignment
 *     EBB_NESTED_OUTER_STR           keys of the outer map are struct ebb_str (ebb/str.h), whose bytes
 *                                    are copied; or
 *     EBB_NESTED_OUTER_KEY           any type, with EBB_NESTED_OUTER_HASH(key, seed) and
 *                                    EBB_NESTED_OUTER_EQUAL(a, b) unless it is an integer or pointer
 *     EBB_NESTED_INNER_STR, _INNER_KEY, _INNER_HASH, _INNER_EQUAL
 *                                    the same for the inner maps
 *     EBB_NESTED_DROP_VALUE(value)   what is done with a value that goes; default: nothing. Must not
 *                                    use the map
 *     EBB_NESTED_VALUE_BYTES(value)  memory that the value has besides itself, for the limits in
 *                                    bytes; must not change while it is in the map. Default: 0
 *
 * Functions (O, I, V: the types; M: struct NAME)
 *
 *     void NAME_init(M *, const struct ebb_nested_options *)   options may be NULL
 *     void NAME_free(M *)
 *     V *NAME_get(M *, O, I)             NULL: not there. A use of the inner map and of the entry
 *     const V *NAME_peek(const M *, O, I)   the same, but no use: changes nothing
 *     int NAME_put(M *, O, I, V)         adds or replaces; then evicts what is beyond the limits. 0;
 *                                        -ENOMEM; -E2BIG: alone beyond a limit. After an error
 *                                        nothing has changed, the value stays the caller's
 *     {V *value; bool inserted; int error} NAME_get_or_put(M *, O, I, V)
 *                                        value NULL: see error; not inserted: the value given stays
 *                                        the caller's
 *     bool NAME_delete(M *, O, I)        false: was not there. The last entry takes its inner map along
 *     bool NAME_take(M *, O, I, V *)     deletes, and hands the value over
 *     bool NAME_delete_inner(M *, O)     a whole inner map
 *     void NAME_clear(M *, enum ebb_clear)
 *     size_t NAME_len(const M *)         entries
 *     size_t NAME_inner_maps(const M *)  inner maps; none of them is empty
 *     size_t NAME_inner_len(const M *, O)     entries of one inner map; 0: there is none
 *     size_t NAME_inner_bytes(const M *, O)   its bytes
 *     bool NAME_maintain(M *, uint64_t budget_ns)
 *                                        lets go of what has expired; true: there is more to do
 *     struct ebb_nested_stats NAME_stats(const M *)
 *
 *     ebb_nested_foreach(NAME, it, map)               every entry: it.outer, it.inner, it.value
 *     ebb_nested_foreach_outer(NAME, it, map)         every inner map: it.outer, it.len, it.bytes
 *     ebb_nested_foreach_inner(NAME, it, map, outer)  every entry of one inner map
 *     bool NAME_iter_delete(struct NAME_iter *)       deletes what a walk is at
 *
 * Limits
 *
 *   - An inner map beyond max_inner_len or max_inner_bytes loses its least recently used entries. The
 *     one that was just put stays, with the table that the inner map has by then.
 *   - An inner map that nobody has asked for (get, put) for ttl_ms is gone: it is not found any more,
 *     and every later call frees some of it. Lengths and bytes count it until a call has noticed. A
 *     program that stops calling calls NAME_maintain.
 *   - Beyond max_bytes the least recently used inner maps go; the one that was just put to stays.
 *   - Bytes are those of keys, values, tables and blocks, the allocator's overhead included
 *     (EBB_NESTED_VALUE_BYTES tells what values point to).
 *
 * Promises
 *
 *   - Nobody ever sees an inner map without entries: it goes in the call that deletes its last one,
 *     and one for which there is no memory is not left behind empty.
 *   - Values and keys do not move: pointers are good until the entry goes.
 *   - Walks: as for ebb/map.h, on both levels, whatever the body does.
 *   - Out of memory: as for ebb/map.h.
 *
 * Thread-safety: `peek`, the lengths and stats may run at the same time; everything else, `get`
 * included, excludes all others. Cost: O(1), but for delete_inner, iter_delete in a walk of inner maps,
 * clear and free, which are O(entries) that go.
 *
 * When not: for inner maps of a few entries each, without limits per inner map, ebb/flat.h puts both
 * keys into one, in one call, for an ordinary map. */
#include <ebb/flat.h>
#include <ebb/impl/nested.h>

#ifndef EBB_NESTED_MAP_H
#define EBB_NESTED_MAP_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define EBB_NESTED_UNLIMITED SIZE_MAX

/* A size that was reached. Good during the call only. */
struct ebb_nested_warning {
    const char *name;  /* of the options; may be NULL */
    const void *outer; /* the key of the inner map that is so large; NULL: all together */
    size_t len, bytes; /* of it, or of all together */
};

/* Zeros choose the defaults. */
struct ebb_nested_options {
    const char *name;                      /* for warnings; NULL: none. Must stay valid */
    const struct ebb_allocator *allocator; /* NULL: ebb_allocator_default */
    uint64_t seed;                         /* 0: random */
    size_t max_inner_len;   /* entries; default: 1000. EBB_NESTED_UNLIMITED: as many as come */
    size_t max_inner_bytes; /* default: unlimited */
    size_t max_bytes;       /* of all; default: unlimited */
    uint64_t ttl_ms;        /* milliseconds; default: half an hour. EBB_NESTED_UNLIMITED: forever */

    /* Sizes at which to warn, and again whenever they have doubled; 0: never. `warn` must not use the
     * map; NULL: the warning goes to the log (ebb/log.h). */
    size_t warn_inner_len, warn_inner_bytes, warn_bytes;
    void (*warn)(void *context, const struct ebb_nested_warning *warning);
    void *warn_context;

    /* Milliseconds from any point on; NULL: CLOCK_MONOTONIC. */
    uint64_t (*clock_ms)(void *context);
    void *clock_context;
};

struct ebb_nested_stats {
    size_t len, inner_maps, bytes;
    size_t dying_bytes;          /* of `bytes`: of inner maps that are no longer found */
    uint64_t evicted_entries;    /* so far: for max_inner_len, max_inner_bytes */
    uint64_t evicted_inner_maps; /* for max_bytes */
    uint64_t expired_inner_maps; /* for ttl_ms */
};

struct ebb_nested_stats ebb__nested_stats(const struct ebb__nested *nested);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#define EBB__NESTED_FOREACH(NAME, it, begin)                                                       \
    for (struct NAME##_iter it __attribute__((cleanup(NAME##_iter_end))) = begin;                  \
         NAME##_iter_next(&it);)
#define ebb_nested_foreach(NAME, it, map) EBB__NESTED_FOREACH(NAME, it, NAME##_iter_begin(map))
#define ebb_nested_foreach_outer(NAME, it, map)                                                    \
    EBB__NESTED_FOREACH(NAME, it, NAME##_iter_outer(map))
#define ebb_nested_foreach_inner(NAME, it, map, outer)                                             \
    EBB__NESTED_FOREACH(NAME, it, NAME##_iter_inner(map, outer))

#endif

#ifdef EBB_NESTED_NAME
#include <ebb/impl/nested_template.h>
#undef EBB_NESTED_NAME
#undef EBB_NESTED_VALUE
#undef EBB_NESTED_OUTER_STR
#undef EBB_NESTED_OUTER_KEY
#undef EBB_NESTED_OUTER_HASH
#undef EBB_NESTED_OUTER_EQUAL
#undef EBB_NESTED_INNER_STR
#undef EBB_NESTED_INNER_KEY
#undef EBB_NESTED_INNER_HASH
#undef EBB_NESTED_INNER_EQUAL
#undef EBB_NESTED_DROP_VALUE
#undef EBB_NESTED_VALUE_BYTES
#endif
