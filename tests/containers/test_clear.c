/* ebb_clear() of everything it takes, what it costs, and that it leaves nothing behind. */
#include "support.h"

#include <ebb/clear.h>
#include <ebb/dynmap.h>

#define EBB_MAP_NAME  numbers
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

#define EBB_MAP_NAME  pointers
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE const void *
#include <ebb/map.h>

#define EBB_NESTED_NAME      nested
#define EBB_NESTED_OUTER_KEY int
#define EBB_NESTED_INNER_KEY int
#define EBB_NESTED_VALUE     int
#include <ebb/nested_map.h>

static size_t buckets_of(const struct numbers *map)
{
    return numbers_stats(map).buckets;
}

static void maps(void **unused)
{
    (void)unused;
    struct numbers map;
    numbers_init(&map, NULL);
    ebb_clear(&map); /* nothing in it yet */
    for (uint64_t key = 0; key < 1000; key++)
        assert_int_equal(numbers_put(&map, key, key), 0);
    size_t buckets = buckets_of(&map);
    ebb_clear(&map);
    assert_int_equal(numbers_len(&map), 0);
    assert_null(numbers_get(&map, 7));
    assert_int_equal(buckets_of(&map), buckets);
    for (uint64_t key = 500; key < 1500; key++)
        assert_int_equal(numbers_put(&map, key, key), 0);
    assert_int_equal(buckets_of(&map), buckets);
    assert_false(numbers_has(&map, 499));
    ebb_clear_as(&map, EBB_RELEASE);
    assert_int_equal(numbers_stats(&map).bytes, 0);
    assert_int_equal(numbers_put(&map, 1, 2), 0);
    assert_int_equal(*numbers_get(&map, 1), 2);
    numbers_free(&map);

    const struct ebb_dynmap_type type = {.key_size = 4};
    struct ebb_dynmap dynamic;
    assert_int_equal(ebb_dynmap_init(&dynamic, &type, NULL), 0);
    assert_int_equal(ebb_dynmap_put(&dynamic, &(int){1}, NULL), 0);
    ebb_clear(&dynamic);
    assert_int_equal(ebb_dynmap_len(&dynamic), 0);
    ebb_dynmap_free(&dynamic);

    struct nested outer;
    nested_init(&outer, NULL);
    assert_int_equal(nested_put(&outer, 1, 2, 3), 0);
    ebb_clear(&outer);
    assert_int_equal(nested_len(&outer), 0);
    assert_int_equal(nested_inner_maps(&outer), 0);
    assert_int_equal(nested_put(&outer, 1, 2, 3), 0);
    ebb_clear_as(&outer, EBB_RELEASE);
    assert_int_equal(nested_stats(&outer).bytes, 0);
    nested_free(&outer);
}

static void arrays_and_slices(void **unused)
{
    (void)unused;
    int numbers[5] = {1, 2, 3, 4, 5}, table[2][3] = {{1, 2, 3}, {4, 5, 6}};
    const char *texts[3] = {"a", "b", "c"};
    struct {
        char name[8];
        void *pointer;
    } structs[2] = {{"one", &numbers}, {"two", &table}};

    ebb_clear(ebb_slice(numbers + 1, 2));
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 0);
    assert_int_equal(numbers[2], 0);
    assert_int_equal(numbers[3], 4);
    ebb_clear(numbers);
    assert_int_equal(numbers[0] | numbers[3] | numbers[4], 0);
    ebb_clear(table[0]);
    assert_int_equal(table[0][2], 0);
    assert_int_equal(table[1][0], 4);
    ebb_clear_as(table, EBB_RELEASE);
    assert_int_equal(table[1][0] | table[1][2], 0);
    ebb_clear(texts);
    assert_null(texts[0]);
    assert_null(texts[2]);
    ebb_clear(structs);
    assert_null(structs[1].pointer);
    assert_int_equal(structs[1].name[0], 0);
}

static void nothing_to_clear(void **unused)
{
    (void)unused;
    struct numbers *map = NULL;
    ebb_clear(map);
    ebb_clear_as(map, EBB_RELEASE);
    ebb_clear(ebb_slice((int *)NULL, 7));
    int number = 1;
    ebb_clear(ebb_slice(&number, 0));
    assert_int_equal(number, 1);
}

/* A table that a peak has left behind is kept when it is cleared after the peak, and cut when it is
 * cleared with little in it. */
static void a_table_from_larger_days_is_cut(void **unused)
{
    (void)unused;
    struct numbers map, stays;
    numbers_init(&map, NULL);
    numbers_init(&stays, &(struct ebb_map_options){.no_shrink = true});
    for (uint64_t key = 0; key < 300000; key++) {
        assert_int_equal(numbers_put(&map, key, key), 0);
        assert_int_equal(numbers_put(&stays, key, key), 0);
    }
    size_t peak = numbers_stats(&map).bytes, buckets = buckets_of(&map);
    ebb_clear(&map);
    ebb_clear(&stays);
    assert_int_equal(buckets_of(&map), buckets);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t key = 0; key < 100; key++) {
            assert_int_equal(numbers_put(&map, key, key), 0);
            assert_int_equal(numbers_put(&stays, key, key), 0);
        }
        ebb_clear(&map);
        ebb_clear(&stays);
        assert_true(numbers_stats(&map).bytes < peak / 50);
        assert_int_equal(buckets_of(&stays), buckets);
    }
    for (uint64_t key = 0; key < 300000; key++)
        assert_int_equal(numbers_put(&map, key, key + 1), 0);
    for (uint64_t key = 0; key < 300000; key++)
        assert_int_equal(*numbers_get(&map, key), key + 1);
    numbers_free(&map);
    numbers_free(&stays);
}

/* No slot still points to what was in it. */
static void leaves_no_references(void **unused)
{
    static const char target[] = "recognisable";
    const void *const pointer = target;
    (void)unused;
    for (unsigned count = 1; count < 3000; count = count * 3 + 1) {
        struct pointers map;
        pointers_init(&map, NULL);
        for (uint64_t key = 0; key < count; key++)
            assert_int_equal(pointers_put(&map, key, target), 0);
        size_t slots = count < 16 ? map.table.first_slots : map.table.end, left = 0;
        unsigned there = 0;
        for (uint64_t key = 0; key < count; key++) { /* the others are in chains */
            const char *place = (const char *)pointers_get(&map, key);
            there += place > map.table.slots && place < map.table.slots + slots * 16;
        }
        assert_true(there > count / 2);
        ebb_clear(&map);
        for (size_t at = 0; at < slots * 16; at += sizeof pointer)
            left += memcmp(map.table.slots + at, &pointer, sizeof pointer) == 0;
        assert_int_equal(left, 0);
        pointers_free(&map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps),
        cmocka_unit_test(arrays_and_slices),
        cmocka_unit_test(nothing_to_clear),
        cmocka_unit_test(a_table_from_larger_days_is_cut),
        cmocka_unit_test(leaves_no_references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
