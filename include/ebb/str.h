/* Texts as keys: a pointer, a length and a hash that is made once.
 *
 * The hash is made with a secret that is drawn once per process, so that nobody outside can choose
 * texts that collide; a map mixes it with its own seed. As it travels with the text, a map never
 * reads the bytes to find a bucket, nor to split or merge one; it compares them only when hash and
 * length agree. The bytes need no NUL at the end and may contain any.
 *
 * A text does not own its bytes. The secret differs from process to process: hashes must not be
 * stored. Thread-safe. */
#ifndef EBB_STR_H
#define EBB_STR_H

#include <ebb/allocator.h>
#include <ebb/hash.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ebb_str {
    const char *data;
    uint32_t len; /* in bytes */
    uint32_t hash;
};

extern uint64_t ebb__secret; /* 0: not drawn yet */
uint64_t ebb__draw_secret(void);

/* The text of `len` bytes at `data`, which stay the caller's. O(len). */
static inline struct ebb_str ebb_str_n(const char *data, uint32_t len)
{
    uint64_t secret = __atomic_load_n(&ebb__secret, __ATOMIC_RELAXED);
    if (__builtin_expect(secret == 0, 0))
        secret = ebb__draw_secret();
    struct ebb_str str = {data, len, (uint32_t)(ebb_hash_bytes(data, len, secret) >> 32)};
    return str;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* g++ minds a function that is called like a struct */

/* The text up to the NUL, of less than 4 GiB. */
static inline struct ebb_str ebb_str(const char *text)
{
    return ebb_str_n(text, (uint32_t)strlen(text));
}

#pragma GCC diagnostic pop

/* Whether two texts have the same bytes. O(len), O(1) for nearly all that differ. */
static inline bool ebb_str_equal(struct ebb_str a, struct ebb_str b)
{
    return a.hash == b.hash && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* 64 bits for a map; O(1). */
static inline uint64_t ebb_str_hash(struct ebb_str str, uint64_t seed)
{
    return ebb_hash_integer((uint64_t)str.len << 32 | str.hash, seed);
}

/* Maps with owned texts: the bytes become a copy, with a NUL behind them; false: out of memory. */
static inline bool ebb__str_copy(struct ebb_str *str, const struct ebb_allocator *allocator)
{
    char *copy = (char *)allocator->allocate(allocator->context, (size_t)str->len + 1, 1);
    if (!copy)
        return false;
    if (str->len > 0)
        memcpy(copy, str->data, str->len);
    copy[str->len] = '\0';
    str->data = copy;
    return true;
}

static inline void ebb__str_drop(const struct ebb_str *str, const struct ebb_allocator *allocator)
{
    allocator->release(allocator->context, (void *)(uintptr_t)str->data, (size_t)str->len + 1, 1);
}

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
