/* Frames of every shape. See unwind_shapes.h. Compiled with -O2 and without frame pointers. */
#include "tests/channel/unwind_shapes.h"

#include <alloca.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#define KEEP __attribute__((noinline))
#else
#define KEEP __attribute__((noinline, noclone))
#endif

static KEEP void touch(void *memory)
{
    __asm__ volatile("" : : "r"(memory) : "memory");
}

KEEP int shape_recursion(int depth, leaf_function *leaf)
{
    char room[64];
    touch(room);
    if (depth == 0)
        leaf();
    else if (depth % 2)
        return shape_recursion(depth - 1, leaf) + room[depth % 64];
    else
        return shape_alloca(depth - 1, leaf) + room[depth % 64];
    return 1;
}

KEEP int shape_alloca(int depth, leaf_function *leaf)
{
    char *room = alloca((size_t)(depth * 24 + 8));
    touch(room);
    if (depth == 0)
        leaf();
    else
        shape_aligned(depth - 1, leaf);
    return room[0] + 1;
}

KEEP int shape_aligned(int depth, leaf_function *leaf)
{
    _Alignas(64) char room[128];
    char *more = alloca((size_t)depth * 8 + 8);
    touch(room);
    touch(more);
    if (depth == 0)
        leaf();
    else
        shape_recursion(depth - 1, leaf);
    return room[3] + more[0];
}

KEEP int shape_large(leaf_function *leaf)
{
    char room[300 * 1000];
    touch(room);
    leaf();
    return room[1234];
}

KEEP int shape_many_registers(int seed, leaf_function *leaf)
{
    unsigned a = (unsigned)seed, b = a * 3, c = a ^ 5, d = a - 7, e = a + b, f = b * c;
    leaf();
    __asm__ volatile("" : "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
    leaf();
    return (int)(a + b + c + d + e + f);
}

static _Thread_local leaf_function *sort_leaf;

static int compare(const void *a, const void *b)
{
    if (sort_leaf) {
        leaf_function *leaf = sort_leaf;
        sort_leaf = NULL;
        leaf();
    }
    return memcmp(a, b, sizeof(int));
}

KEEP int shape_sort(leaf_function *leaf)
{
    int numbers[50];
    for (int i = 0; i < 50; i++)
        numbers[i] = i * 7919 % 50;
    sort_leaf = leaf;
    qsort(numbers, 50, sizeof numbers[0], compare);
    return numbers[0];
}
