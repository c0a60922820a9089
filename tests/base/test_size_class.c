/* channel/layout.h: size classes and the places of table entries. */
#include "channel/layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Every class begins at its floor and ends before the next one's. */
static void floors_bound_their_classes(void **state)
{
    (void)state;
    for (uint16_t class = 0; class < EBB_SIZE_CLASSES; class ++) {
        uint64_t floor = ebb_size_class_floor(class);
        assert_int_equal(ebb_size_class(floor), class);
        if (floor > 0)
            assert_int_equal(ebb_size_class(floor - 1), class - 1);
    }
    assert_int_equal(ebb_size_class(UINT64_MAX), EBB_SIZE_CLASSES - 1);
}

static void classes_grow_by_a_quarter_at_most(void **state)
{
    (void)state;
    assert_int_equal(ebb_size_class_floor(1), 16);
    for (uint16_t class = 1; class + 1 < EBB_SIZE_CLASSES; class ++) {
        double floor = (double)ebb_size_class_floor(class);
        double next = (double)ebb_size_class_floor((uint16_t)(class + 1));
        assert_true(next > floor && next <= floor * 1.25);
    }
}

static void classes_follow_sizes(void **state)
{
    (void)state;
    unsigned seed = 77;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 200000; i++) {
        uint64_t size = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 33);
        uint16_t class = ebb_size_class(size);
        assert_true(class < EBB_SIZE_CLASSES);
        assert_true(ebb_size_class_floor(class) <= size);
        if (class + 1 < EBB_SIZE_CLASSES)
            assert_true(size < ebb_size_class_floor((uint16_t)(class + 1)));
    }
}

static void impossible_classes_have_no_floor(void **state)
{
    (void)state;
    assert_true(ebb_size_class_floor(EBB_SIZE_CLASSES) == UINT64_MAX);
    assert_true(ebb_size_class_floor(UINT16_MAX) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floors_bound_their_classes),
        cmocka_unit_test(classes_grow_by_a_quarter_at_most),
        cmocka_unit_test(classes_follow_sizes),
        cmocka_unit_test(impossible_classes_have_no_floor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
