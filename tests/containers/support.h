/* What the tests of containers share: random numbers with a printed seed, and an allocator that
 * fails when it is told to and knows what it has handed out. */
#ifndef EBB_TESTS_CONTAINERS_SUPPORT_H
#define EBB_TESTS_CONTAINERS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ebb/allocator.h>
#include <ebb/impl/table.h>

/* ---- random numbers ---- */

static uint64_t random_state;

/* SplitMix64 (Steele, Lea, Flood, 2014). */
static inline uint64_t draw(uint64_t below)
{
    uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (x ^ (x >> 31)) % below;
}

static inline void start(void)
{
    const char *given = getenv("EBB_TEST_SEED");
    random_state = given ? strtoull(given, NULL, 10) : ebb__random_seed();
    print_message("seed: EBB_TEST_SEED=%llu\n", (unsigned long long)random_state);
}

/* ---- an allocator that fails ---- */

struct failing {
    struct ebb_allocator allocator;
    long allowed;  /* allocations until every one fails; -1: never */
    size_t blocks; /* handed out and not given back */
    size_t bytes;  /* of them */
    size_t pages;  /* reservations, likewise */
};

static inline bool failing_refuses(struct failing *failing)
{
    if (failing->allowed == 0)
        return true;
    failing->allowed -= failing->allowed > 0;
    return false;
}

static inline void *failing_allocate(void *context, size_t size, size_t alignment)
{
    struct failing *failing = context;
    void *block =
        failing_refuses(failing) ? NULL : ebb_allocator_default.allocate(NULL, size, alignment);
    failing->blocks += block != NULL;
    failing->bytes += block ? size : 0;
    return block;
}

static inline void failing_release(void *context, void *block, size_t size, size_t alignment)
{
    ((struct failing *)context)->blocks--;
    ((struct failing *)context)->bytes -= size;
    ebb_allocator_default.release(NULL, block, size, alignment);
}

static inline void *failing_reserve(void *context, size_t size, int huge)
{
    struct failing *failing = context;
    void *pages = failing_refuses(failing) ? NULL : ebb_allocator_default.reserve(NULL, size, huge);
    failing->pages += pages != NULL;
    return pages;
}

static inline int failing_move(void *context, void *from, size_t size, void *to, size_t used)
{
    int status = ebb_allocator_default.move(NULL, from, size, to, used);
    ((struct failing *)context)->pages -= status == 0;
    return status;
}

static inline void failing_unreserve(void *context, void *pages, size_t size)
{
    ((struct failing *)context)->pages--;
    ebb_allocator_default.unreserve(NULL, pages, size);
}

/* Ready for use as &failing->allocator; must not move. */
static inline void failing_begin(struct failing *failing)
{
    *failing = (struct failing){.allocator = ebb_allocator_default, .allowed = -1};
    failing->allocator.context = failing;
    failing->allocator.allocate = failing_allocate;
    failing->allocator.release = failing_release;
    failing->allocator.reserve = failing_reserve;
    failing->allocator.move = failing_move;
    failing->allocator.unreserve = failing_unreserve;
}

/* Everything that was handed out has come back. */
static inline void failing_end(const struct failing *failing)
{
    assert_int_equal(failing->blocks, 0);
    assert_int_equal(failing->pages, 0);
}

#endif
