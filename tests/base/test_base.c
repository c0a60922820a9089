/* base/: arenas, vectors, hashes, error lines, clocks. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

/* ---- arena ---- */

/* Blocks of random sizes are aligned, do not overlap and keep what was written into them. */
static void arena_keeps_blocks_apart(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static struct {
        unsigned char *bytes;
        size_t size;
    } blocks[COUNT];
    unsigned seed = 20240607;
    print_message("seed %u\n", seed);
    struct ebb_arena arena = {0};
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i].size = (size_t)rand_r(&seed) % (i % 100 == 0 ? 200000 : 300);
        blocks[i].bytes = ebb_arena_alloc(&arena, blocks[i].size);
        assert_non_null(blocks[i].bytes);
        assert_int_equal((uintptr_t)blocks[i].bytes % 16, 0);
        memset(blocks[i].bytes, (int)(i % 251), blocks[i].size);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t b = 0; b < blocks[i].size; b++)
            assert_int_equal(blocks[i].bytes[b], i % 251);
    ebb_arena_free(&arena);
    assert_int_equal(arena.bytes, 0);
    assert_non_null(ebb_arena_alloc(&arena, 1));
    ebb_arena_free(&arena);
}

static void arena_refuses_impossible_sizes(void **state)
{
    (void)state;
    struct ebb_arena arena = {0};
    assert_null(ebb_arena_alloc(&arena, SIZE_MAX));
    assert_null(ebb_arena_alloc(&arena, SIZE_MAX - 8));
    assert_null(ebb_arena_alloc(&arena, SIZE_MAX - 32));
    assert_null(ebb_arena_zalloc(&arena, SIZE_MAX / 2, 3));
    assert_null(ebb_arena_strndup(&arena, "x", SIZE_MAX));
    assert_non_null(ebb_arena_alloc(&arena, 10));
    ebb_arena_free(&arena);
}

static void arena_zeroes_and_copies(void **state)
{
    (void)state;
    struct ebb_arena arena = {0};
    memset(ebb_arena_alloc(&arena, 4096), 0xff, 4096);
    const unsigned char *zeroes = ebb_arena_zalloc(&arena, 100, 10);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(zeroes[i], 0);
    assert_string_equal(ebb_arena_strdup(&arena, "text"), "text");
    assert_string_equal(ebb_arena_strdup(&arena, ""), "");
    assert_string_equal(ebb_arena_strndup(&arena, "textual", 4), "text");
    assert_string_equal(ebb_arena_printf(&arena, "%s-%d", "a", 42), "a-42");
    char *longer = ebb_arena_printf(&arena, "%*s", 100000, "end");
    assert_int_equal(strlen(longer), 100000);
    assert_string_equal(longer + 99997, "end");
    ebb_arena_free(&arena);
}

/* ---- vector ---- */

static void vector_grows_and_keeps(void **state)
{
    (void)state;
    struct EBB_VEC(size_t) numbers = {0};
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(ebb_vec_push(&numbers, i * 3), 0);
    assert_int_equal(numbers.len, 100000);
    assert_true(numbers.cap >= numbers.len && numbers.cap < 2 * numbers.len + 8);
    for (size_t i = 0; i < numbers.len; i++)
        assert_int_equal(numbers.items[i], i * 3);
    ebb_vec_free(&numbers);
    assert_null(numbers.items);
    assert_int_equal(numbers.len + numbers.cap, 0);
}

static void vector_survives_refusal(void **state)
{
    (void)state;
    struct EBB_VEC(uint64_t) numbers = {0};
    assert_int_equal(ebb_vec_push(&numbers, 7), 0);
    assert_int_equal(ebb_vec_reserve(&numbers, SIZE_MAX), -ENOMEM);
    assert_int_equal(ebb_vec_reserve(&numbers, SIZE_MAX / 8 + 1), -ENOMEM);
    assert_int_equal(numbers.len, 1);
    assert_non_null(numbers.items);
    assert_int_equal(numbers.items[0], 7);
    assert_int_equal(ebb_vec_push(&numbers, 8), 0);
    assert_int_equal(numbers.items[1], 8);
    ebb_vec_free(&numbers);
}

static void vector_takes_structs(void **state)
{
    (void)state;
    struct pair {
        int a, b;
    };
    struct EBB_VEC(struct pair) pairs = {0};
    assert_int_equal(ebb_vec_push(&pairs, (struct pair){1, 2}), 0);
    assert_int_equal(pairs.items[0].b, 2);
    ebb_vec_free(&pairs);
}

/* ---- hash ---- */

/* One flipped input bit flips about half of the output bits: at least a quarter on average for
 * every bit. */
static void mix_spreads_every_bit(void **state)
{
    (void)state;
    for (int bit = 0; bit < 64; bit++) {
        long flipped = 0;
        for (uint64_t i = 1; i <= 200; i++) {
            uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15);
            flipped += __builtin_popcountll(ebb_mix64(x) ^ ebb_mix64(x ^ UINT64_C(1) << bit));
        }
        assert_in_range(flipped / 200, 24, 40);
    }
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Strings that differ in one byte or in length only do not collide in 64 bits. */
static void byte_hash_tells_strings_apart(void **state)
{
    (void)state;
    enum { LONGEST = 40, PER_LENGTH = 64, COUNT = LONGEST * PER_LENGTH };
    static uint64_t hashes[COUNT];
    size_t count = 0;
    char text[LONGEST] = {0};
    for (size_t length = 1; length <= LONGEST; length++)
        for (int variant = 0; variant < PER_LENGTH; variant++) {
            memset(text, 0, sizeof text);
            text[length - 1] = (char)variant;
            hashes[count++] = ebb_hash_bytes(text, length);
        }
    qsort(hashes, count, sizeof *hashes, compare_hashes);
    for (size_t i = 1; i < count; i++)
        assert_true(hashes[i] != hashes[i - 1]);
    assert_true(ebb_hash_bytes("ab", 2) == ebb_hash_bytes("abc", 2));
}

static void word_hash_depends_on_order_and_count(void **state)
{
    (void)state;
    const uint64_t one[] = {1, 2, 0}, other[] = {2, 1, 0};
    assert_true(ebb_hash_words(one, 2) != ebb_hash_words(other, 2));
    assert_true(ebb_hash_words(one, 2) != ebb_hash_words(one, 3));
    assert_true(ebb_hash_words(one, 2) == ebb_hash_words(one, 2));
}

/* ---- error lines and clocks ---- */

static void error_line_is_filled_and_cut(void **state)
{
    (void)state;
    struct ebb_error error;
    assert_int_equal(ebb_error_set(&error, -ENOENT, "%s: %d", "a file", 3), -ENOENT);
    assert_string_equal(error.text, "a file: 3");
    assert_int_equal(ebb_error_set(NULL, -EIO, "nobody reads %d", 1), -EIO);
    ebb_error_set(&error, -1, "%*s", 100000, "x");
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
}

static void clocks_run_forward(void **state)
{
    (void)state;
    uint64_t before = ebb_clock_ns();
    struct timespec pause = {.tv_nsec = 20000000};
    nanosleep(&pause, NULL);
    uint64_t passed = ebb_clock_ns() - before;
    assert_true(passed >= 20000000 && passed < UINT64_C(10000000000));
    assert_true(ebb_clock_coarse_ns() >= before);
    assert_true(ebb_clock_realtime_ns() > UINT64_C(1600000000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_keeps_blocks_apart),
        cmocka_unit_test(arena_refuses_impossible_sizes),
        cmocka_unit_test(arena_zeroes_and_copies),
        cmocka_unit_test(vector_grows_and_keeps),
        cmocka_unit_test(vector_survives_refusal),
        cmocka_unit_test(vector_takes_structs),
        cmocka_unit_test(mix_spreads_every_bit),
        cmocka_unit_test(byte_hash_tells_strings_apart),
        cmocka_unit_test(word_hash_depends_on_order_and_count),
        cmocka_unit_test(error_line_is_filled_and_cut),
        cmocka_unit_test(clocks_run_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
