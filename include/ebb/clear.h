/* Emptying things in one call, whatever they are: Go's clear().
 *
 *     ebb_clear(&map);                         a map of any kind: Ebb's maps, nested maps, dynmaps
 *     ebb_clear(array);                        an array: its elements become zeros
 *     ebb_clear(ebb_slice(items, count));      `count` items from an address on: likewise
 *     ebb_clear_as(&map, EBB_RELEASE);         the same, and says what becomes of the memory
 *
 * What is cleared holds nothing of what it held: maps drop their entries, and leave no pointer in the
 * slots that they keep. NULL is fine: a map or an address that is NULL has nothing to clear. Anything
 * else, such as a pointer to an element, does not compile.
 *
 * Which way
 *
 *     the map holds                     and next it is                     so call
 *     anything that needs no dropping   filled again to about this size    ebb_clear
 *                                       filled again, but smaller          ebb_clear: what is too large
 *                                                                          goes when it is called again
 *     owned texts, a drop hook          filled again                       ebb_clear: dropping is what
 *                                                                          takes the time, not the table
 *     values larger than a cache line,  filled again later, or never       ebb_clear_as EBB_RELEASE: the
 *       or anything after a rare peak                                      table is what takes the memory
 *     anything                          read by others meanwhile           none: fill another map and
 *                                                                          exchange the two
 *     anything                          to keep some of its entries        foreach, NAME_iter_delete
 *     anything                          not used any more                  NAME_free
 *     secrets                           any of these                       first overwrite the values
 *
 * Costs: ebb_clear of a map is O(entries): the table that is swept is at most eight times as large,
 * but for one kept from larger days, which is cut on the occasion. EBB_RELEASE saves that sweep, and
 * the next fill has to have its memory anew. Deleting entry by entry costs a lookup each and shrinks
 * the table on the way. A walk of a map that is cleared ends. */
#ifndef EBB_CLEAR_H
#define EBB_CLEAR_H

#include <ebb/impl/table.h>

#include <string.h>

/* `size` bytes from `data` on. */
struct ebb_slice {
    void *data;
    size_t size;
};

static inline void ebb__clear_bytes(void *data, size_t size)
{
    if (data && size > 0)
        memset(data, 0, size);
}

#ifdef __cplusplus

extern "C" __attribute__((visibility("default"))) void ebb__clear_map(void *map,
                                                                      enum ebb_clear what);

template <typename T> inline struct ebb_slice ebb_slice_of(T *items, size_t count)
{
    struct ebb_slice slice = {items, count * sizeof(T)};
    return slice;
}
#define ebb_slice(items, count) ebb_slice_of(items, count)

inline void ebb_clear_as(struct ebb_slice slice, enum ebb_clear)
{
    ebb__clear_bytes(slice.data, slice.size);
}

template <typename T, size_t N> inline void ebb_clear_as(T (&array)[N], enum ebb_clear)
{
    ebb__clear_bytes(array, sizeof array);
}

/* A map: it has a table. A reference, so that an array does not decay to come here. */
template <typename M>
inline auto ebb_clear_as(M *const &map, enum ebb_clear what) -> decltype((void)map->table.clear)
{
    ebb__clear_map(map, what);
}

template <typename T> inline auto ebb_clear(T &&what) -> decltype(ebb_clear_as(what, EBB_KEEP))
{
    ebb_clear_as(what, EBB_KEEP);
}

#else

__attribute__((visibility("default"))) void ebb__clear_map(void *map, enum ebb_clear what);

#define ebb_slice(items, count) ((struct ebb_slice){(items), (count) * sizeof *(items)})

/* What all maps look like from here. */
struct ebb__any_map {
    struct ebb__table table;
};

/* `x` as something that can be indexed, whatever it is: the branches below are all compiled. */
#define EBB__POINTED(x)         _Generic((x), struct ebb_slice : (struct ebb__any_map *)0, default : (x))
#define EBB__IS_ARRAY(x)                                                                           \
    (!__builtin_types_compatible_p(__typeof__(EBB__POINTED(x)), __typeof__(&EBB__POINTED(x)[0])))
#define EBB__MAP_OF(x)                                                                             \
    __builtin_choose_expr(EBB__IS_ARRAY(x), (struct ebb__any_map *)0, EBB__POINTED(x))
#define EBB__SLICE_OF(x) _Generic((x), struct ebb_slice : (x), default : (struct ebb_slice){0})

static inline void ebb__clear_slice(struct ebb_slice slice)
{
    ebb__clear_bytes(slice.data, slice.size);
}

#define ebb_clear_as(x, what)                                                                      \
    __builtin_choose_expr(EBB__IS_ARRAY(x),                                                        \
                          ebb__clear_bytes((void *)EBB__POINTED(x), sizeof(EBB__POINTED(x))),      \
                          _Generic((x), struct ebb_slice                                           \
                                   : ebb__clear_slice(EBB__SLICE_OF(x)), default                   \
                                   : ((void)sizeof(EBB__MAP_OF(x)->table.clear),                   \
                                      ebb__clear_map(EBB__MAP_OF(x), what))))
#define ebb_clear(x) ebb_clear_as(x, EBB_KEEP)

#endif
#endif
