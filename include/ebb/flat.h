/* Two texts as one key: the flat alternative to a map inside a map.
 *
 *     #define EBB_MAP_NAME settings
 *     #define EBB_MAP_FLAT_KEYS
 *     #define EBB_MAP_VALUE struct setting
 *     #include <ebb/map.h>
 *
 *     settings_put(&map, ebb_flat("tenant-7", "timeout"), setting);
 *     settings_get(&map, ebb_flat("tenant-7", "timeout"));
 *
 * One table instead of one per outer key: less memory when most inner maps would be small, and no
 * inner map can grow out of hand unseen. In return there is no quick way to forget all that belongs
 * to one outer key, nor a limit for it: that is what ebb/nested_map.h is for.
 *
 * Nothing is put together to look a key up, and the parts never run into each other: ("a", "bc") is
 * not ("ab", "c"). The map copies both texts into one block when it adds an entry. For other pairs a
 * struct does: EBB_MAP_STRUCT_KEYS. */
#ifndef EBB_FLAT_H
#define EBB_FLAT_H

#include <ebb/str.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ebb_flat {
    const char *outer, *inner; /* in a map each has a NUL behind it */
    uint32_t outer_len, inner_len;
    uint64_t hash;
};

/* The key of two texts, whose bytes stay the caller's. O(length). */
static inline struct ebb_flat ebb_flat_n(const char *outer, uint32_t outer_len, const char *inner,
                                         uint32_t inner_len)
{
    uint64_t secret = __atomic_load_n(&ebb__secret, __ATOMIC_RELAXED);
    if (__builtin_expect(secret == 0, 0))
        secret = ebb__draw_secret();
    uint64_t hash = ebb_hash_bytes(outer, outer_len, secret);
    struct ebb_flat flat = {outer, inner, outer_len, inner_len,
                            ebb_hash_bytes(inner, inner_len, hash)};
    return flat;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* g++ minds a function that is called like a struct */

/* The same of texts that end with a NUL. */
static inline struct ebb_flat ebb_flat(const char *outer, const char *inner)
{
    return ebb_flat_n(outer, (uint32_t)strlen(outer), inner, (uint32_t)strlen(inner));
}

#pragma GCC diagnostic pop

static inline bool ebb_flat_equal(struct ebb_flat a, struct ebb_flat b)
{
    return a.hash == b.hash && a.outer_len == b.outer_len && a.inner_len == b.inner_len &&
           (a.inner_len == 0 || memcmp(a.inner, b.inner, a.inner_len) == 0) &&
           (a.outer_len == 0 || memcmp(a.outer, b.outer, a.outer_len) == 0);
}

/* 64 bits for a map; O(1). */
static inline uint64_t ebb_flat_hash(struct ebb_flat flat, uint64_t seed)
{
    return ebb_hash_integer(flat.hash, seed);
}

static inline size_t ebb__flat_bytes(const struct ebb_flat *flat)
{
    return (size_t)flat->outer_len + flat->inner_len + 2;
}

/* The texts become a copy, in one block; false: out of memory. */
static inline bool ebb__flat_copy(struct ebb_flat *flat, const struct ebb_allocator *allocator)
{
    char *copy = (char *)allocator->allocate(allocator->context, ebb__flat_bytes(flat), 1);
    if (!copy)
        return false;
    char *inner = copy + flat->outer_len + 1;
    if (flat->outer_len > 0)
        memcpy(copy, flat->outer, flat->outer_len);
    if (flat->inner_len > 0)
        memcpy(inner, flat->inner, flat->inner_len);
    inner[-1] = inner[flat->inner_len] = '\0';
    flat->outer = copy;
    flat->inner = inner;
    return true;
}

static inline void ebb__flat_drop(const struct ebb_flat *flat,
                                  const struct ebb_allocator *allocator)
{
    allocator->release(allocator->context, (void *)(uintptr_t)flat->outer, ebb__flat_bytes(flat),
                       1);
}

#ifdef __cplusplus
}
#endif
#endif
