/* From records to evidence and profiles, on records whose every number is known. */
#include "scratch.h"

#include "base/clock.h"
#include "channel/reader.h"
#include "record.h"
#include "tool/collect/program.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)

enum { PERIOD = 4096 };

static const uint64_t addresses[] = {0x1001, 0x2001, 0x3001};

static struct ebb_program *open_record(const char *path)
{
    struct ebb_program *program;
    struct ebb_error error;
    if (ebb__program_open_record(path, &program, &error) < 0)
        fail_msg("%s", error.text);
    return program;
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

static const struct ebb_point *last_point(const struct ebb_evidence *evidence, size_t series)
{
    const struct ebb_points *points = &evidence->series.items[series].points;
    assert_true(points->len > 0);
    return &points->items[points->len - 1];
}

/* Killed after 29 s: one site that only grew, one that came and went, one that kept a last second's
 * worth. */
static void write_killed(const char *path, pid_t pid)
{
    struct record record;
    record_init(&record, pid, PERIOD, 100 * SECOND);
    uint32_t grows =
        record_bucket(&record, record_stack(&record, addresses, 3), 1000, EBB_KIND_MALLOC);
    uint32_t churns =
        record_bucket(&record, record_stack(&record, addresses, 2), 100, EBB_KIND_REALLOC);
    uint32_t late =
        record_bucket(&record, record_stack(&record, addresses, 1), 5000, EBB_KIND_MMAP);
    for (int i = 1; i <= 290; i++)
        record_live(&record, grows, 1000, 100 * SECOND + (uint64_t)i * SECOND / 10);
    record_freed(&record, churns, 100, 500);
    for (int i = 0; i < 10; i++)
        record_live(&record, late, 5000, 128 * SECOND + SECOND / 2);
    record_live(&record, grows, 1000, 50 * SECOND); /* before the start: a torn clock */
    struct ebb_shard shard = {.allocs = 1000, .frees = 400, .drawn = 501000};
    ebb_vec_push(&record.shards, shard);
    record.buckets.items[grows].last_ns = 129 * SECOND;
    record_write(&record, path);
    record_free(&record);
}

static void test_killed(void **state)
{
    char *path = scratch_text("%s/record", (char *)*state);
    write_killed(path, record_dead_pid());
    struct ebb_program *program = open_record(path);
    assert_int_equal(ebb__program_observe(program, NULL), 1);
    assert_int_equal(ebb__program_observe(program, NULL), 1); /* nothing new, nothing wrong */
    assert_int_equal(ebb__program_count(program), 1);
    const struct ebb_evidence *evidence = ebb__program_subject(program, 0);
    assert_true(evidence->ended && evidence->reconstructed);
    assert_string_equal(evidence->end_reason, "was killed or crashed");
    assert_non_null(evidence->caution);
    assert_string_equal(evidence->target, path);
    assert_int_equal(evidence->period, PERIOD);
    assert_int_equal(evidence->observations.len, 30);
    assert_int_equal(evidence->series.len, 3);
    assert_int_equal(evidence->survivors.len, 301);

    double weight = ebb_sample_weight(1000, PERIOD, EBB_KIND_MALLOC);
    double length = 0;
    for (size_t k = 0; k < 30; k++) {
        const struct ebb_observation *observation = &evidence->observations.items[k];
        const struct ebb_point *grows = &evidence->series.items[0].points.items[k];
        const struct ebb_point *churns = &evidence->series.items[1].points.items[k];
        const struct ebb_point *late = &evidence->series.items[2].points.items[k];
        assert_near(observation->time_s, (double)k, 0.001);
        assert_int_equal(grows->observation, k);
        /* Ten births a second, and the one that was there before. */
        double objects = weight * (10 * (double)k + 1);
        assert_near(grows->live_objects, objects, 0.01 * objects);
        assert_near(grows->live_bytes, 1000 * objects, 10 * objects);
        assert_near(churns->live_bytes, 0, 0.5);
        assert_near(churns->alloc_bytes,
                    500 * 100 * ebb_sample_weight(100, PERIOD, EBB_KIND_REALLOC) * (double)k / 29,
                    1);
        assert_true(churns->alloc_samples == churns->free_samples);
        assert_near(late->live_bytes, k == 29 ? 50000 : 0, 0.5);
        assert_near(observation->live_bytes,
                    grows->live_bytes + churns->live_bytes + late->live_bytes, 0.5);
        assert_near(observation->live_bytes_sd,
                    1000 * sqrt((10 * (double)k + 1) * weight * (weight - 1)),
                    0.01 * observation->live_bytes_sd);
        assert_true(observation->memory.rss == UINT64_MAX);
        assert_true(observation->limit.limit_bytes == UINT64_MAX);
        length = observation->time_s;
    }
    assert_near(length, 29, 0.001);
    assert_int_equal(evidence->observations.items[29].allocs, 1000);
    assert_int_equal(evidence->observations.items[29].alloc_bytes, 500000);
    assert_int_equal(last_point(evidence, 0)->alloc_samples, 291);
    assert_int_equal(last_point(evidence, 1)->free_samples, 500);
    double oldest = 0, youngest = 1e9;
    for (size_t i = 0; i < evidence->survivors.len; i++) {
        oldest = fmax(oldest, evidence->survivors.items[i].age_s);
        youngest = fmin(youngest, evidence->survivors.items[i].age_s);
    }
    assert_near(oldest, 79, 0.01);
    assert_near(youngest, 0, 0.01);
    ebb__program_close(program, true, 0);
    assert_int_equal(access(path, F_OK),
                     0); /* a copy outside the channel's folder is not removed */
}

static int64_t profile_total(const struct ebb_profile *profile, const char *type)
{
    int column = ebb_profile_value_index(profile, type, NULL);
    int64_t total = 0;
    assert_true(column >= 0);
    for (size_t i = 0; i < profile->sample_count; i++)
        total += profile->values[i * profile->type_count + (size_t)column];
    return total;
}

static void test_profiles(void **state)
{
    char *path = scratch_text("%s/record", (char *)*state);
    write_killed(path, record_dead_pid());
    struct ebb_program *program = open_record(path);
    struct ebb_profile *profile;
    struct ebb_error error;
    /* Before any observation, and after the last one. */
    for (int round = 0; round < 2; round++) {
        assert_int_equal(ebb__program_profile(program, 0, "heap", &profile, &error), 0);
        assert_int_equal(profile->sample_count, 3);
        assert_int_equal(profile->type_count, 4);
        assert_int_equal(profile->default_type, 0);
        assert_int_equal(profile->period, PERIOD);
        assert_string_equal(ebb_profile_string(profile, profile->period_type.type), "space");
        double grows = 291 * ebb_sample_weight(1000, PERIOD, EBB_KIND_MALLOC);
        double churns = 500 * ebb_sample_weight(100, PERIOD, EBB_KIND_REALLOC);
        assert_near((double)profile_total(profile, "inuse_objects"), grows + 10, 1);
        assert_near((double)profile_total(profile, "inuse_space"), grows * 1000 + 50000, 300);
        assert_near((double)profile_total(profile, "alloc_objects"), grows + churns + 10, 1);
        assert_near((double)profile_total(profile, "alloc_space"),
                    grows * 1000 + churns * 100 + 50000, 300);
        assert_near((double)profile->duration_ns, 29e9, 1e9);
        assert_non_null(profile->label_start);
        assert_string_equal(ebb_profile_string(profile, profile->labels[0].key), "bytes");
        assert_int_equal(profile->labels[0].number, ebb_size_class_floor(ebb_size_class(1000)));
        /* The call, not the return address. */
        assert_int_equal(profile->locations[profile->stack[0]].address, 0x1000);
        ebb_profile_free(profile);

        assert_int_equal(ebb__program_profile(program, 0, "allocs", &profile, &error), 0);
        assert_string_equal(ebb_profile_string(profile, profile->default_type), "alloc_space");
        ebb_profile_free(profile);
        assert_int_equal(ebb__program_profile(program, 0, "threadcreate", &profile, &error), 0);
        assert_int_equal(profile->sample_count, 0);
        ebb_profile_free(profile);
        assert_int_equal(ebb__program_profile(program, 0, "cpu", &profile, &error), -ENOENT);
        assert_null(profile);
        assert_int_equal(ebb__program_observe(program, NULL), 1);
    }
    ebb__program_close(program, true, 0);
}

static void test_threads(void **state)
{
    char *path = scratch_text("%s/record", (char *)*state);
    struct record record;
    record_init(&record, record_dead_pid(), PERIOD, SECOND);
    uint32_t stack = record_stack(&record, addresses, 3);
    uint32_t threads = record_bucket(&record, stack, 0, EBB_KIND_THREAD);
    uint32_t blocks = record_bucket(&record, stack, 64, EBB_KIND_MALLOC);
    record_freed(&record, threads, 0, 5);
    for (int i = 0; i < 3; i++)
        record_live(&record, threads, 0, 2 * SECOND);
    record_live(&record, blocks, 64, 2 * SECOND);
    record.header.threads = 4;
    record.buckets.items[blocks].last_ns = 3 * SECOND;
    record_write(&record, path);
    record_free(&record);
    struct ebb_program *program = open_record(path);
    struct ebb_profile *profile;
    assert_int_equal(ebb__program_profile(program, 0, "threadcreate", &profile, NULL), 0);
    assert_int_equal(profile_total(profile, "threadcreate"), 3);
    ebb_profile_free(profile);
    assert_int_equal(ebb__program_profile(program, 0, "heap", &profile, NULL), 0);
    assert_int_equal(profile->sample_count, 1);
    ebb_profile_free(profile);
    assert_int_equal(ebb__program_observe(program, NULL), 1);
    const struct ebb_evidence *evidence = ebb__program_subject(program, 0);
    assert_int_equal(evidence->series.items[0].kind, EBB_KIND_THREAD);
    assert_near(last_point(evidence, 0)->live_objects, 3, 0.01);
    assert_near(last_point(evidence, 0)->alloc_objects, 8, 0.01);
    assert_near(last_point(evidence, 0)->live_bytes, 0, 0.01);
    assert_int_equal(evidence->observations.items[29].threads, 4);
    ebb__program_close(program, true, 0);
}

/* A record of this very process, which changes between looks. */
static void test_alive(void **state)
{
    enum { LOOKS = 6 };
    char *path = scratch_text("%s/record", (char *)*state);
    struct record record;
    record_init(&record, getpid(), 1, ebb_clock_ns() - 5 * SECOND);
    record.header.start_ticks = record_own_ticks();
    uint32_t first =
        record_bucket(&record, record_stack(&record, addresses, 3), 50, EBB_KIND_MALLOC);
    uint32_t second =
        record_bucket(&record, record_stack(&record, addresses, 1), 60, EBB_KIND_MALLOC);
    record_write(&record, path);
    struct ebb_program *program = open_record(path);
    for (int look = 0; look < LOOKS; look++) {
        record_live(&record, first, 50, ebb_clock_ns());
        if (look >= 3)
            record_live(&record, second, 60, ebb_clock_ns());
        record_write(&record, path);
        assert_int_equal(ebb__program_observe(program, NULL), 0);
        usleep(2000);
    }
    const struct ebb_evidence *evidence = ebb__program_subject(program, 0);
    assert_false(evidence->ended || evidence->reconstructed);
    assert_near(evidence->age_s, 5, 1);
    assert_int_equal(evidence->observations.len, LOOKS);
    for (size_t i = 0; i < LOOKS; i++) {
        const struct ebb_observation *observation = &evidence->observations.items[i];
        assert_true(i == 0 ? observation->time_s == 0
                           : observation->time_s > observation[-1].time_s);
        assert_true(observation->memory.rss > 0 && observation->memory.rss != UINT64_MAX);
        assert_near(evidence->series.items[0].points.items[i].live_bytes, 50 * ((double)i + 1), 0);
        assert_near(observation->live_bytes_sd, 0, 0); /* everything was recorded */
    }
    assert_int_equal(evidence->series.items[1].points.len, 3); /* it had not appeared before */
    assert_int_equal(evidence->series.items[1].points.items[0].observation, 3);
    assert_int_equal(evidence->stacks.len, 2);
    assert_int_equal(evidence->stacks.items[0].depth, 3);
    assert_string_equal(evidence->stacks.items[0].frames[0].function, "0x1000");
    assert_int_equal(evidence->survivors.len, LOOKS + 3);

    record.header.state = EBB_STATE_REPLACED;
    record_write(&record, path);
    assert_int_equal(ebb__program_observe(program, NULL), 1);
    assert_true(evidence->ended);
    assert_false(evidence->reconstructed);
    assert_non_null(strstr(evidence->end_reason, "exec"));
    ebb__program_close(program, true, 0);
    record_free(&record);
}

/* More live samples than are kept: those that are stand for all. */
static void test_many_survivors(void **state)
{
    enum { SAMPLES = 450000 };
    char *path = scratch_text("%s/record", (char *)*state);
    struct record record;
    record_init(&record, record_dead_pid(), 1, SECOND);
    uint32_t bucket =
        record_bucket(&record, record_stack(&record, addresses, 3), 16, EBB_KIND_MALLOC);
    for (int i = 0; i < SAMPLES; i++)
        record_live(&record, bucket, 16, SECOND + (uint64_t)i);
    record_write(&record, path);
    record_free(&record);
    struct ebb_program *program = open_record(path);
    assert_int_equal(ebb__program_observe(program, NULL), 1);
    const struct ebb_evidence *evidence = ebb__program_subject(program, 0);
    assert_in_range(evidence->survivors.len, 100000, 200000);
    double objects = 0;
    for (size_t i = 0; i < evidence->survivors.len; i++)
        objects += evidence->survivors.items[i].weight;
    assert_near(objects, SAMPLES, 10);
    assert_near(last_point(evidence, 0)->live_objects, SAMPLES, 1);
    ebb__program_close(program, true, 0);
}

static void test_nothing_in_it(void **state)
{
    char *path = scratch_text("%s/record", (char *)*state);
    struct record record;
    struct ebb_profile *profile;
    record_init(&record, record_dead_pid(), PERIOD, SECOND);
    record.header.state = EBB_STATE_EXITED;
    record.header.agent_flags = EBB_AGENT_NO_MALLOC;
    record_bucket(&record, record_stack(&record, addresses, 0), 16, EBB_KIND_MALLOC);
    record_write(&record, path);
    record_free(&record);
    struct ebb_program *program = open_record(path);
    assert_int_equal(ebb__program_observe(program, NULL), 1);
    const struct ebb_evidence *evidence = ebb__program_subject(program, 0);
    assert_int_equal(evidence->series.len, 0);
    assert_string_equal(evidence->end_reason, "exited");
    assert_non_null(evidence->caution);
    assert_int_equal(ebb__program_profile(program, 0, "heap", &profile, NULL), 0);
    assert_int_equal(profile->sample_count, 0);
    ebb_profile_free(profile);
    ebb__program_close(program, true, 0);
}

static void test_no_record(void **state)
{
    struct ebb_program *program;
    struct ebb_error error = {""};
    assert_true(ebb__program_attach(record_dead_pid(), &program, &error) < 0);
    assert_null(program);
    assert_non_null(strstr(error.text, "does not publish"));
    assert_true(ebb__program_open_record("/no/such/record", &program, &error) < 0);
    scratch_write(scratch_text("%s/x", (char *)*state), "not a record");
    assert_true(ebb__program_open_record(scratch_text("%s/x", (char *)*state), &program, &error) <
                0);
}

int main(void)
{
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_killed),    SCRATCH(test_profiles),       SCRATCH(test_threads),
        SCRATCH(test_alive),     SCRATCH(test_many_survivors), SCRATCH(test_nothing_in_it),
        SCRATCH(test_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
