/* As much of cmocka's interface as the tests of containers use, for a machine for which there is a
 * compiler but no cmocka. The first failure ends the program. */
#ifndef EBB_TESTS_AARCH64_CMOCKA_H
#define EBB_TESTS_AARCH64_CMOCKA_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
};

static inline void aarch64_check(int holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s:%d: error: %s\n", file, line, what);
    exit(1);
}

#define CHECK_THAT(condition, what) aarch64_check(!!(condition), what, __FILE__, __LINE__)

#define assert_true(a)            CHECK_THAT(a, #a)
#define assert_false(a)           CHECK_THAT(!(a), "not " #a)
#define assert_null(a)            CHECK_THAT((a) == NULL, #a " is NULL")
#define assert_non_null(a)        CHECK_THAT((a) != NULL, #a " is not NULL")
#define assert_int_equal(a, b)    CHECK_THAT((uint64_t)(a) == (uint64_t)(b), #a " == " #b)
#define assert_ptr_equal(a, b)    CHECK_THAT((a) == (b), #a " == " #b)
#define assert_string_equal(a, b) CHECK_THAT(strcmp(a, b) == 0, #a " == " #b)
#define print_message(...)        printf(__VA_ARGS__)
#define cmocka_unit_test(function)                                                                 \
    {                                                                                              \
#function, function                                                                        \
    }
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    aarch64_run(tests, sizeof(tests) / sizeof *(tests))

static inline int aarch64_run(const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *state = NULL;
        printf("[ RUN      ] %s\n", tests[i].name);
        fflush(stdout);
        tests[i].test(&state);
        printf("[       OK ] %s\n", tests[i].name);
    }
    return 0;
}

#endif
