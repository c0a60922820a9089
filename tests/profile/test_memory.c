/* Out of memory at every point: each call says so, leaks nothing, and works the next time. The
 * linker leads this binary's own malloc, calloc and realloc through here (--wrap). */
#include "support.h"

#include <errno.h>

void *real_malloc(size_t size) __asm__("__real_malloc");
void *real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *real_realloc(void *memory, size_t size) __asm__("__real_realloc");
void *wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");
void *wrap_realloc(void *memory, size_t size) __asm__("__wrap_realloc");

static size_t countdown; /* allocations until one fails; 0: none does */

static bool fails(void)
{
    return countdown && --countdown == 0;
}

void *wrap_malloc(size_t size)
{
    return fails() ? NULL : real_malloc(size);
}

void *wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : real_calloc(count, size);
}

void *wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : real_realloc(memory, size);
}

static struct ebb_profile *input;
static void *encoded;
static size_t encoded_size;

static int try_read(void)
{
    struct ebb_profile *profile;
    struct ebb_error error = {""};
    int status = ebb_profile_read_memory(encoded, encoded_size, "test", &profile, &error);
    assert_true(status == 0 || *error.text);
    ebb_profile_free(profile);
    return status;
}

static int try_encode(void)
{
    void *data;
    size_t size;
    int status = ebb_profile_encode(input, &data, &size, NULL);
    free(data);
    return status;
}

static int try_merge(void)
{
    const struct ebb_profile *both[] = {input, input};
    int scale[] = {1, -1};
    struct ebb_profile *merged;
    int status = ebb_profile_merge(both, NULL, 2, &merged, NULL);
    ebb_profile_free(merged);
    if (status < 0)
        return status;
    status = ebb_profile_merge(both, scale, 2, &merged, NULL);
    ebb_profile_free(merged);
    return status;
}

static int try_build(void)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    if (!builder)
        return -ENOMEM;
    ebb_profile_builder_type(builder, "n", "count");
    uint32_t function = ebb_profile_builder_function(builder, "f", "g", "h", 1);
    for (uint32_t i = 0; i < 200; i++) {
        struct ebb_line line = {function, i};
        uint32_t location = ebb_profile_builder_location(builder, EBB_NONE, i, &line, 1);
        ebb_profile_builder_sample(builder, &location, 1, (int64_t[]){1}, NULL, 0);
    }
    ebb_profile_builder_comment(builder, "comment");
    struct ebb_profile *profile;
    int status = ebb_profile_builder_finish(builder, &profile, NULL);
    ebb_profile_free(profile);
    return status;
}

static int try_text(const char *name)
{
    size_t size;
    size_t kept = countdown;
    countdown = 0;
    char *text = test_slurp(test_data(name), &size);
    countdown = kept;
    struct ebb_profile *profile;
    int status = ebb_profile_read_memory(text, size, "test", &profile, NULL);
    free(text);
    if (status == 0)
        status = ebb_profile_prune(profile, NULL);
    ebb_profile_free(profile);
    return status;
}

static int try_jemalloc(void)
{
    return try_text("jemalloc.heap");
}

static int try_go(void)
{
    return try_text("go-heap.txt");
}

/* Lets the first allocation fail, then the second, ..., until none is left to fail. */
static void fail_each(int (*attempt)(void))
{
    size_t failing = 1;
    for (;; failing++) {
        countdown = failing;
        int status = attempt();
        bool reached = countdown == 0;
        countdown = 0;
        if (!reached)
            break;
        /* A failed allocation that only speeds things up may go unnoticed. */
        if (status != -ENOMEM && status != 0)
            fail_msg("allocation %zu: status %d", failing, status);
    }
    assert_true(failing > 5);
    assert_int_equal(attempt(), 0);
}

static void every_call_survives_exhaustion(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    input = test_random_profile(&random, 2, 40);
    assert_int_equal(ebb_profile_encode(input, &encoded, &encoded_size, NULL), 0);
    fail_each(try_build);
    fail_each(try_encode);
    fail_each(try_read);
    fail_each(try_merge);
    fail_each(try_jemalloc);
    fail_each(try_go);
    free(encoded);
    ebb_profile_free(input);
}

int test_memory(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_call_survives_exhaustion)};
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
