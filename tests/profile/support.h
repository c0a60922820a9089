/* What the tests of this room share: profiles made at random, profiles as text, cmocka. */
#ifndef EBB_TESTS_PROFILE_SUPPORT_H
#define EBB_TESTS_PROFILE_SUPPORT_H

#include "tool/profile/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The seed of this run: EBB_TEST_SEED or the time; printed, so that a failure can be repeated. */
uint64_t test_seed(void);
uint64_t test_random(uint64_t *state);
static inline uint64_t test_below(uint64_t *state, uint64_t limit)
{
    return test_random(state) % limit;
}

/* A valid profile with every feature: inlined lines, folded locations, labels, comments, addresses
 * without a mapping. `types` is how many values a sample has. Equal states make equal profiles. */
struct ebb_profile *test_random_profile(uint64_t *state, size_t types, size_t samples);

/* Everything a profile says, as text, whatever the order of its samples and the numbering of its
 * tables. The caller frees it. */
char *test_describe(const struct ebb_profile *profile);
/* The same of the samples alone. */
char *test_describe_samples(const struct ebb_profile *profile);

/* Fails with both texts when they differ; frees them. */
void test_assert_same_text(char *actual, char *expected);

/* Path of a file of tests/profile/data/; static memory. */
const char *test_data(const char *name);
/* The file's bytes and a NUL; the caller frees them. */
char *test_slurp(const char *path, size_t *size);
char *test_slurp_stream(FILE *stream, size_t *size);

int test_pprof(void), test_transform(void), test_legacy(void), test_memory(void), test_go(void);

#endif
