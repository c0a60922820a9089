/* Saved profiles as evidence, and the thinning of long windows. */
#include "scratch.h"

#include "channel/reader.h"
#include "tool/collect/target.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)

/* One stack "leaf < middle < main" with live and allocated blocks of 100 bytes. */
struct saved {
    int64_t time_ns, period;
    int64_t live, allocated; /* blocks */
    bool live_only;          /* no alloc_ columns */
    uint64_t address_shift;  /* the program was loaded elsewhere */
    const char *leaf;
};

static char *save(const char *folder, const char *name, const struct saved *saved)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    static const char *const types[][2] = {{"alloc_objects", "count"},
                                           {"alloc_space", "bytes"},
                                           {"inuse_objects", "count"},
                                           {"inuse_space", "bytes"}};
    for (size_t i = saved->live_only ? 2 : 0; i < 4; i++)
        ebb_profile_builder_type(builder, types[i][0], types[i][1]);
    const char *names[] = {saved->leaf ? saved->leaf : "leaf", "middle", "main"};
    struct ebb_mapping mapping = {
        .start = 0x1000 + saved->address_shift,
        .limit = 0x9000 + saved->address_shift,
        .file = ebb_profile_builder_string(builder, "/no/such/shop"),
        .has_functions = true,
    };
    uint32_t shop = ebb_profile_builder_mapping(builder, &mapping), stack[3];
    for (uint32_t i = 0; i < 3; i++) {
        struct ebb_line line = {
            ebb_profile_builder_function(builder, names[i], names[i], "shop.c", 10 * i + 1),
            10 * i + 5};
        stack[i] = ebb_profile_builder_location(builder, shop, 0x2000 + saved->address_shift + i,
                                                &line, 1);
    }
    const int64_t values[] = {saved->allocated, 100 * saved->allocated, saved->live,
                              100 * saved->live};
    struct ebb_label label = {.key = ebb_profile_builder_string(builder, "bytes"), .number = 100};
    if (saved->live > 0 || saved->allocated > 0)
        ebb_profile_builder_sample(builder, stack, 3, values + (saved->live_only ? 2 : 0), &label,
                                   1);
    uint32_t space = ebb_profile_builder_string(builder, "space");
    uint32_t bytes = ebb_profile_builder_string(builder, "bytes");
    struct ebb_profile *profile = ebb_profile_builder_header(builder);
    profile->period_type = (struct ebb_value_type){space, bytes};
    profile->period = saved->period;
    profile->time_ns = saved->time_ns;
    struct ebb_error error = {""};
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, &error), 0);
    char *path = scratch_text("%s/%s.pb.gz", folder, name);
    if (ebb_profile_write_file(profile, path, &error) < 0)
        fail_msg("%s", error.text);
    ebb_profile_free(profile);
    return path;
}

static struct ebb_target *open_files(char *const *paths, size_t count)
{
    struct ebb_target *target;
    struct ebb_error error;
    if (ebb_target_open(paths, count, false, NULL, &target, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(ebb_target_subject_count(target), 1);
    assert_int_equal(ebb_target_observe(target, &error), 1);
    return target;
}

static void assert_near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-6 * (1 + fabs(b))))
        fail_msg("%.17g is not %.17g", a, b);
}

/* Named out of order, from a program that was loaded elsewhere each time. */
static void test_in_time_order(void **state)
{
    char *paths[] = {
        save(*state, "b",
             &(struct saved){.time_ns = 40 * SECOND,
                             .period = 1,
                             .live = 30,
                             .allocated = 60,
                             .address_shift = 0x100000}),
        save(*state, "a",
             &(struct saved){.time_ns = 10 * SECOND, .period = 1, .live = 10, .allocated = 20}),
        save(*state, "c",
             &(struct saved){.time_ns = 100 * SECOND,
                             .period = 1,
                             .live = 50,
                             .allocated = 100,
                             .address_shift = 0x7000}),
    };
    struct ebb_target *target = open_files(paths, 3);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_string_equal(evidence->kind, "c");
    assert_string_equal(evidence->executable, "/no/such/shop");
    assert_null(evidence->caution);
    assert_true(evidence->complete);
    assert_near(evidence->window_s, 90);
    assert_int_equal(evidence->observations.len, 3);
    assert_int_equal(evidence->stacks.len, 1);
    assert_int_equal(evidence->series.len, 1);
    const struct ebb_series *series = &evidence->series.items[0];
    assert_int_equal(series->size_class, ebb_size_class(100));
    assert_int_equal(series->kind, EBB_KIND_MALLOC);
    assert_int_equal(series->points.len, 3);
    static const double times[] = {0, 30, 90}, live[] = {10, 30, 50};
    for (size_t i = 0; i < 3; i++) {
        const struct ebb_point *point = &series->points.items[i];
        assert_near(evidence->observations.items[i].time_s, times[i]);
        assert_near(evidence->observations.items[i].live_bytes, 100 * live[i]);
        assert_near(evidence->observations.items[i].live_bytes_sd, 0);
        assert_int_equal(evidence->observations.items[i].allocs, (uint64_t)(2 * live[i]));
        assert_int_equal(point->observation, i);
        assert_near(point->live_objects, live[i]);
        assert_near(point->live_bytes, 100 * live[i]);
        assert_near(point->alloc_objects, 2 * live[i]);
        assert_int_equal(point->alloc_samples, (uint64_t)(2 * live[i]));
        assert_int_equal(point->free_samples, (uint64_t)live[i]);
    }
    const struct ebb_evidence_stack *stack = &evidence->stacks.items[0];
    assert_int_equal(stack->depth, 3);
    assert_string_equal(stack->frames[0].function, "leaf");
    assert_string_equal(stack->frames[2].function, "main");
    assert_int_equal(stack->frames[1].line, 15);
    struct ebb_profile *profile;
    assert_int_equal(ebb_target_profile(target, 0, "heap", &profile, NULL), 0);
    assert_int_equal(profile->values[2], 50); /* the newest */
    ebb_profile_free(profile);
    assert_int_equal(ebb_target_profile(target, 0, "threadcreate", &profile, NULL), -ENOENT);
    ebb_target_close(target, false, 0);
}

static void test_without_times(void **state)
{
    char *paths[] = {
        save(*state, "a", &(struct saved){.period = 4096, .live = 1000, .allocated = 1000}),
        save(*state, "b", &(struct saved){.period = 4096, .live = 3000, .allocated = 5000}),
    };
    struct ebb_target *target = open_files(paths, 2);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_non_null(evidence->caution);
    assert_near(evidence->observations.items[1].time_s, 60);
    assert_int_equal(evidence->period, 4096);
    double weight = ebb_sample_weight(100, 4096, EBB_KIND_MALLOC);
    const struct ebb_point *point = &evidence->series.items[0].points.items[1];
    assert_near((double)point->alloc_samples, floor(5000 / weight + 0.5));
    assert_near(evidence->observations.items[1].live_bytes_sd, 100 * sqrt(3000 * (weight - 1)));
    ebb_target_close(target, false, 0);
}

/* What is not live is not in such a profile; what was there before goes to zero. */
static void test_live_only(void **state)
{
    char *paths[] = {
        save(*state, "a", &(struct saved){.time_ns = 1 * SECOND, .live = 10, .live_only = true}),
        save(*state, "b", &(struct saved){.time_ns = 2 * SECOND, .live_only = true}),
        save(*state, "c",
             &(struct saved){
                 .time_ns = 3 * SECOND, .live = 7, .live_only = true, .leaf = "realloc"}),
    };
    struct ebb_target *target = open_files(paths, 3);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_int_equal(evidence->series.len, 2);
    const struct ebb_points *points = &evidence->series.items[0].points;
    assert_int_equal(points->len, 3);
    assert_near(points->items[1].live_bytes, 0);
    assert_near(points->items[1].alloc_bytes, 1000);
    assert_near(points->items[2].alloc_bytes, 1000);
    assert_int_equal(evidence->series.items[1].kind, EBB_KIND_REALLOC);
    assert_int_equal(evidence->series.items[1].points.len, 1);
    assert_int_equal(evidence->series.items[1].points.items[0].observation, 2);
    ebb_target_close(target, false, 0);
}

static void test_go(void **state)
{
    char *path =
        save(*state, "g",
             &(struct saved){.time_ns = 1, .live = 1, .allocated = 1, .leaf = "runtime.makemap"});
    struct ebb_target *target = open_files(&path, 1);
    assert_string_equal(ebb_target_subject(target, 0)->kind, "go");
    assert_int_equal(ebb_target_pid(target), 0);
    assert_false(ebb_target_running(target));
    ebb_target_signal(target, 9);
    ebb_target_close(target, false, 0);
}

static void test_legacy_text(void **state)
{
    char *path = scratch_text("%s/heap.txt", (char *)*state);
    scratch_write(path, "heap profile: 3: 300 [5: 500] @ heapprofile\n"
                        "3: 300 [5: 500] @ 0x400100 0x400200\n\n"
                        "MAPPED_LIBRARIES:\n"
                        "400000-500000 r-xp 00000000 08:01 1 /no/such/shop\n");
    struct ebb_target *target = open_files(&path, 1);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_int_equal(evidence->series.len, 1);
    assert_near(evidence->observations.items[0].live_bytes, 300);
    /* No such file, so no names: the place in it. */
    assert_non_null(strstr(evidence->stacks.items[0].frames[0].function, "shop+0x"));
    ebb_target_close(target, false, 0);
}

static void assert_not_opened(char *const *words, size_t count, const char *says)
{
    struct ebb_target *target;
    struct ebb_error error = {""};
    assert_true(ebb_target_open(words, count, false, NULL, &target, &error) < 0);
    assert_null(target);
    if (!strstr(error.text, says))
        fail_msg("'%s' does not say '%s'", error.text, says);
}

static void test_refusals(void **state)
{
    char missing[] = "/no/such/file", url[] = "http://127.0.0.1:6060",
         bad_url[] = "http://host:port";
    char *good = save(*state, "a", &(struct saved){.time_ns = 1, .live = 1, .allocated = 1});
    char *text = scratch_text("%s/text", (char *)*state);
    char *cpu = scratch_text("%s/cpu.pb.gz", (char *)*state);
    scratch_write(text, "hello\n");
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    struct ebb_profile *profile;
    ebb_profile_builder_type(builder, "cpu", "nanoseconds");
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, NULL), 0);
    assert_int_equal(ebb_profile_write_file(profile, cpu, NULL), 0);
    ebb_profile_free(profile);
    assert_not_opened((char *[]){missing}, 1, missing);
    assert_not_opened((char *[]){good, missing}, 2, missing);
    assert_not_opened((char *[]){text}, 1, text);
    assert_not_opened((char *[]){good, cpu}, 2, "not a heap profile");
    assert_not_opened((char *[]){bad_url}, 1, "http://HOST:PORT");
    assert_not_opened((char *[]){url, good}, 2, "one service at a time");
    assert_not_opened(NULL, 0, "nothing to look at");
}

/* ---- thinning ---- */

static struct ebb_point *push_point(struct ebb_evidence *evidence, size_t series,
                                    uint32_t observation)
{
    struct ebb_points *points = &evidence->series.items[series].points;
    assert_int_equal(ebb_vec_push(points, (struct ebb_point){.observation = observation}), 0);
    return &points->items[points->len - 1];
}

/* A long window: the newest observation is always there, and points follow their observations. */
static void test_thinning(void **state)
{
    (void)state;
    enum { LOOKS = 5000, APPEARS = 700 };
    struct ebb_evidence evidence = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(ebb_vec_push(&evidence.series, (struct ebb_series){0}), 0);
    for (int look = 0; look < LOOKS; look++) {
        uint32_t number = (uint32_t)evidence.observations.len;
        struct ebb_observation observation = {.time_s = look};
        assert_int_equal(ebb_vec_push(&evidence.observations, observation), 0);
        push_point(&evidence, 0, number)->live_bytes = look;
        if (look >= APPEARS)
            push_point(&evidence, 1, number)->live_bytes = look;
        ebb_evidence_thin(&evidence);
        size_t kept = evidence.observations.len;
        assert_true(kept <= EBB_EVIDENCE_MAX_OBSERVATIONS);
        assert_near(evidence.observations.items[kept - 1].time_s, look);
        const struct ebb_points *points = &evidence.series.items[0].points;
        assert_int_equal(points->len, kept);
        assert_int_equal(points->items[kept - 1].observation, kept - 1);
    }
    for (size_t i = 0; i < 2; i++) {
        const struct ebb_points *points = &evidence.series.items[i].points;
        assert_true(points->len > 100);
        for (size_t k = 0; k < points->len; k++)
            assert_near(points->items[k].live_bytes,
                        evidence.observations.items[points->items[k].observation].time_s);
    }
    assert_true(evidence.series.items[1].points.items[0].live_bytes >= APPEARS);
    assert_true(evidence.observations.len >= EBB_EVIDENCE_MAX_OBSERVATIONS / 2);
    ebb_evidence_free(&evidence);
}

int main(void)
{
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_in_time_order),     SCRATCH(test_without_times),
        SCRATCH(test_live_only),         SCRATCH(test_go),
        SCRATCH(test_legacy_text),       SCRATCH(test_refusals),
        cmocka_unit_test(test_thinning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
