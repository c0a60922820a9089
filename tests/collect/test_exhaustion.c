/* Memory that runs out: every allocation of the room fails once, each in a round of its own.
 * Whatever then happens must end in an error or in a smaller answer, and leak nothing. The linker
 * replaces malloc, calloc and realloc in the room's own code (--wrap). */
#include "scratch.h"

#include "record.h"
#include "tool/collect/files.h"
#include "tool/collect/process.h"
#include "tool/collect/symbolizer.h"
#include "tool/collect/target.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker chooses the names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long countdown = -1; /* negative: nothing fails */

static bool fails(void)
{
    return countdown >= 0 && countdown-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}

/* NOLINTEND(bugprone-reserved-identifier) */

/* Runs a scenario with its first, second, ... allocation failing until it is through without. */
static void exhaust(void (*scenario)(const char *), const char *path)
{
    enum { MAX_ROUNDS = 20000 };
    for (long round = 0; round < MAX_ROUNDS; round++) {
        countdown = round;
        scenario(path);
        bool through = countdown >= 0;
        countdown = -1;
        if (through) {
            print_message("%ld allocations, each failed once\n", round);
            assert_true(round > 10);
            return;
        }
    }
    fail_msg("no end of allocations");
}

static void write_record(const char *path)
{
    struct record record;
    record_init(&record, record_dead_pid(), 4096, 1000);
    for (uint64_t i = 0; i < 20; i++) {
        const uint64_t addresses[] = {0x1000 + i, 0x2000 + i, 0x3000};
        uint32_t bucket =
            record_bucket(&record, record_stack(&record, addresses, 3), 100 + i, EBB_KIND_MALLOC);
        record_live(&record, bucket, 100 + i, 2000 + i);
    }
    for (uint64_t i = 0; i < 3; i++) {
        struct ebb_module module = {.base = 0x1000 * (i + 1),
                                    .start = 0x1000 * (i + 1),
                                    .end = 0x1000 * (i + 1) + 0x800,
                                    .build_id_size = 20};
        snprintf(module.path, sizeof module.path, "/no/such/module%d", (int)i);
        assert_int_equal(ebb_vec_push(&record.modules, module), 0);
    }
    record_write(&record, path);
    record_free(&record);
}

static void watch_record(const char *path)
{
    struct ebb_reader *reader;
    struct ebb_error error = {""};
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    int code = ebb_reader_open_path(path, &reader, &error);
    if (code < 0 || !symbolizer) {
        if (code == 0)
            ebb_reader_close(reader);
        ebb_symbolizer_free(symbolizer);
        return;
    }
    struct ebb_process *process = ebb__process_new(reader, false, "target", symbolizer);
    if (process) {
        code = ebb__process_observe(process, &error);
        if (code < 0)
            assert_true(error.text[0] != '\0');
        struct ebb_profile *profile = NULL;
        if (ebb__process_profile(process, "heap", &profile, &error) == 0)
            ebb_profile_free(profile);
        else
            assert_null(profile);
        if (code < 0) /* memory is back */
            assert_int_equal(ebb__process_observe(process, &error), 1);
        assert_int_equal(ebb__process_evidence(process)->series.len, 20);
        assert_true(ebb__process_ended(process));
    }
    ebb__process_free(process);
    ebb_symbolizer_free(symbolizer);
}

static void test_record(void **state)
{
    char *path = scratch_text("%s/record", (char *)*state);
    write_record(path);
    exhaust(watch_record, path);
}

static void read_file(const char *path)
{
    struct ebb_target *target;
    struct ebb_error error = {""};
    char name[PATH_MAX], *paths[] = {name, name};
    snprintf(name, sizeof name, "%s", path);
    if (ebb_target_open(paths, 2, false, NULL, &target, &error) < 0) {
        assert_null(target);
        assert_true(error.text[0] != '\0');
        return;
    }
    assert_int_equal(ebb_target_subject_count(target), 1);
    ebb_target_close(target, false, 0);
}

static void test_file(void **state)
{
    char *record = scratch_text("%s/record", (char *)*state);
    char *path = scratch_text("%s/heap.pb.gz", (char *)*state);
    struct ebb_profile *profile;
    struct ebb_reader *reader;
    write_record(record);
    assert_int_equal(ebb_reader_open_path(record, &reader, NULL), 0);
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    struct ebb_process *process = ebb__process_new(reader, false, "target", symbolizer);
    assert_int_equal(ebb__process_profile(process, "heap", &profile, NULL), 0);
    assert_int_equal(ebb_profile_write_file(profile, path, NULL), 0);
    ebb_profile_free(profile);
    ebb__process_free(process);
    ebb_symbolizer_free(symbolizer);
    exhaust(read_file, path);
}

static void name_self(const char *path)
{
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    if (!symbolizer)
        return;
    struct ebb_symbol_module module = {
        .start = 0x10000, .end = 0x10000000, .base = 0x10000, .path = path};
    if (ebb_symbolizer_add(symbolizer, &module) == 0) {
        for (uint64_t at = 0x10000; at < 0x90000; at += 0x1235) {
            size_t count;
            const struct ebb_frame *frames = ebb_symbolize(symbolizer, at, true, &count);
            assert_true(count >= 1);
            for (size_t i = 0; i < count; i++)
                assert_true(frames[i].function && frames[i].system_name && frames[i].file &&
                            frames[i].module);
        }
    }
    ebb_symbolizer_free(symbolizer);
}

static void test_symbols(void **state)
{
    (void)state;
    exhaust(name_self, scratch_output("readlink /proc/%d/exe", (int)getpid()));
}

int main(void)
{
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_record),
        SCRATCH(test_file),
        cmocka_unit_test(test_symbols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
