/* A growing array: a struct with `items`, `len` and `cap`, declared where it is used.
 *
 *     struct names EBB_VEC(char *);          declares `struct names { char **items; size_t len, cap; }`
 *     struct names names = {0};
 *     if (ebb_vec_push(&names, text) < 0) ...        0 or -ENOMEM; the array stays usable
 *     ebb_vec_free(&names);
 *
 * Grows by doubling: push is O(1) amortised. Not thread-safe. */
#ifndef EBB_BASE_VEC_H
#define EBB_BASE_VEC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define EBB_VEC(type)                                                                              \
    {                                                                                              \
        type *items;                                                                               \
        size_t len, cap;                                                                           \
    }

/* Room for at least `count` items in all. */
static inline int ebb__vec_reserve(void **items, size_t *cap, size_t count, size_t item_size)
{
    if (count <= *cap)
        return 0;
    size_t grown = *cap ? *cap : 8;
    while (grown < count) {
        if (grown > SIZE_MAX / 2)
            return -ENOMEM;
        grown *= 2;
    }
    size_t bytes;
    if (__builtin_mul_overflow(grown, item_size, &bytes))
        return -ENOMEM;
    void *memory = realloc(*items, bytes);
    if (!memory)
        return -ENOMEM;
    *items = memory;
    *cap = grown;
    return 0;
}

#define ebb_vec_reserve(vec, count)                                                                \
    ebb__vec_reserve((void **)&(vec)->items, &(vec)->cap, (count), sizeof *(vec)->items)

#define ebb_vec_push(vec, ...)                                                                     \
    (ebb_vec_reserve((vec), (vec)->len + 1) < 0 ? -ENOMEM                                          \
                                                : ((vec)->items[(vec)->len++] = (__VA_ARGS__), 0))

#define ebb_vec_free(vec) (free((vec)->items), (vec)->items = NULL, (vec)->len = (vec)->cap = 0)

#endif
