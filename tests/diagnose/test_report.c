/* The report as a whole: confidence and cautions, several processes, evidence with holes. */
#include "tests/diagnose/tests.h"

#include "tests/diagnose/scenarios.h"
#include "tool/diagnose/diagnose.h"

#include <errno.h>
#include <string.h>

static void run(struct sim *sim, const char *name, uint64_t seed, double seconds)
{
    const struct scenario *scenario = scenarios;
    while (strcmp(scenario->name, name) != 0)
        scenario++;
    sim_start(sim, seed, seconds);
    scenario->run(sim);
    sim_finish(sim);
}

static void diagnose(struct sim *sim, struct ebb_report *report)
{
    struct ebb_evidence *evidence = &sim->evidence;
    struct ebb_error error;
    if (ebb_diagnose(&evidence, 1, report, &error) != 0)
        fail_msg("%s", error.text);
}

static void too_little_is_refused(void **state)
{
    struct sim sim;
    struct ebb_error error;
    struct ebb_report report;
    sim_start(&sim, 1, 30);
    struct ebb_evidence *evidence = &sim.evidence;
    assert_int_equal(ebb_diagnose(&evidence, 1, &report, &error), -ENODATA);
    assert_true(strlen(error.text) > 0);
    assert_int_equal(ebb_diagnose(&evidence, 0, &report, &error), -ENODATA);
    sim_free_all(&sim);
}

static void a_verdict_is_complete(void **state)
{
    struct sim sim;
    struct ebb_report report;
    run(&sim, "hash map by hand", 3, 30);
    diagnose(&sim, &report);
    assert_false(report.healthy);
    assert_true(report.confident);
    const struct ebb_verdict *verdict = &report.verdicts[0];
    assert_string_equal(verdict->site.function, "insert");
    assert_string_equal(verdict->site.file, "/src/server.c");
    assert_true(verdict->site.line == 81 || verdict->site.line == 84);
    assert_true(verdict->depth >= 3 && verdict->stack);
    assert_true(verdict->confidence > 0.8 && verdict->confidence <= 0.99);
    assert_true(verdict->growth_interval[0] < verdict->growth_bytes_per_s &&
                verdict->growth_interval[1] > verdict->growth_bytes_per_s);
    assert_true(verdict->live_bytes > 20e6 && verdict->live_objects > 1e5);
    assert_non_null(strstr(verdict->summary, "insert"));
    assert_true(verdict->evidence[0] && verdict->evidence[1]);
    assert_true(verdict->advice[0] && verdict->advice[1]);
    assert_int_equal(verdict->sparkline_count, report.snapshots);
    assert_true(verdict->sparkline[report.snapshots - 1] > verdict->sparkline[1]);
    assert_int_equal(verdict->pid, 4242);
    assert_true(report.memory.live_interval[0] <= report.memory.live_bytes &&
                report.memory.live_interval[1] >= report.memory.live_bytes);
    assert_true(report.memory.growth_bytes_per_s > 5e5);
    ebb_report_free(&report);
    sim_free_all(&sim);
}

/* Thirty seconds promise 100 KB/s; five do not, and say so. */
static void a_short_window_is_not_confident(void **state)
{
    struct sim sim;
    struct ebb_report report;
    run(&sim, "steady churn, 50 MB/s", 1, 30);
    diagnose(&sim, &report);
    assert_true(report.healthy && report.confident);
    assert_true(report.smallest_detectable_growth <= 102400);
    ebb_report_free(&report);
    sim_free_all(&sim);

    run(&sim, "steady churn, 50 MB/s", 1, 5);
    diagnose(&sim, &report);
    assert_true(report.healthy);
    assert_false(report.confident);
    assert_true(report.smallest_detectable_growth > 400e3);
    assert_non_null(report.caution);
    ebb_report_free(&report);
    sim_free_all(&sim);
}

/* 20 KB/s leave one sample in 30 s: not found, but not called healthy with confidence either. */
static void slow_growth_asks_for_a_longer_window(void **state)
{
    int unsure = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim sim;
        struct ebb_report report;
        sim_start(&sim, seed, 30);
        uint32_t stack = sim_stack(&sim, "malloc@c < lose#3 < main#9");
        do
            sim_alloc(&sim, stack, EBB_KIND_MALLOC, 100, 20, INFINITY);
        while (sim_advance(&sim, 0.1));
        sim_finish(&sim);
        diagnose(&sim, &report);
        if (report.healthy) {
            unsure += !report.confident && report.caution != NULL;
            assert_false(report.confident);
        } else {
            unsure++; /* luck: it was sampled often enough */
        }
        ebb_report_free(&report);
        sim_free_all(&sim);
    }
    assert_int_equal(unsure, 20);
}

/* A longer window finds it. */
static void a_long_window_finds_slow_growth(void **state)
{
    int found = 0;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct sim sim;
        struct ebb_report report;
        sim_start(&sim, seed, 400);
        uint32_t stack = sim_stack(&sim, "malloc@c < lose#3 < main#9");
        do
            sim_alloc(&sim, stack, EBB_KIND_MALLOC, 100, 20, INFINITY);
        while (sim_advance(&sim, 0.1));
        sim_finish(&sim);
        diagnose(&sim, &report);
        found += report.verdict_count == 1 && strcmp(report.verdicts[0].pattern, "leak") == 0;
        ebb_report_free(&report);
        sim_free_all(&sim);
    }
    assert_in_range(found, 9, 10);
}

/* With every block recorded small leaks are certain, and small steady ones are exact. */
static void every_block_recorded(void **state)
{
    struct sim sim;
    struct ebb_report report;
    sim_start(&sim, 1, 10);
    sim.evidence.period = 1;
    uint32_t stack = sim_stack(&sim, "malloc@c < lose#3 < main#9");
    do
        sim_alloc(&sim, stack, EBB_KIND_MALLOC, 100, 20, INFINITY);
    while (sim_advance(&sim, 0.1));
    sim_finish(&sim);
    diagnose(&sim, &report);
    assert_int_equal(report.verdict_count, 1);
    assert_true(fabs(report.verdicts[0].growth_bytes_per_s / 20e3 - 1) < 0.1);
    ebb_report_free(&report);
    sim_free_all(&sim);
}

/* A program that ends frees what it held; what it did before is what matters. */
static void the_end_of_a_program_is_left_out(void **state)
{
    int found = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct sim sim;
        struct ebb_report report;
        sim_start(&sim, seed, 20);
        uint32_t stack = sim_stack(&sim, "malloc@c < lose#3 < main#9");
        do
            sim_alloc(&sim, stack, EBB_KIND_MALLOC, 100, 2000, INFINITY);
        while (sim_advance(&sim, 0.1));
        for (uint32_t i = 0; i < sim.batches.len; i++)
            sim_free(&sim, i);
        sim.seconds += 0.4;
        sim.next_look = sim.now + 0.2;
        sim_advance(&sim, 0.4);
        sim.evidence.ended = true;
        sim.evidence.end_reason = "exited";
        sim.evidence.complete = false;
        sim_finish(&sim);
        diagnose(&sim, &report);
        found += report.verdict_count == 1 && strcmp(report.verdicts[0].pattern, "leak") == 0;
        assert_non_null(report.caution);
        assert_string_equal(report.ended, "exited");
        ebb_report_free(&report);
        sim_free_all(&sim);
    }
    assert_in_range(found, 19, 20);
}

static void holes_are_mentioned(void **state)
{
    struct sim sim;
    struct ebb_report report;
    run(&sim, "steady churn, 50 MB/s", 1, 30);
    sim.evidence.dropped = 12;
    diagnose(&sim, &report);
    assert_false(report.confident);
    assert_non_null(strstr(report.caution, "12"));
    ebb_report_free(&report);
    sim_free_all(&sim);
}

/* Two workers that leak at the same line make one verdict; the third, healthy one changes nothing.
 */
static void workers_share_a_verdict(void **state)
{
    struct sim sims[3];
    struct ebb_evidence *subjects[3];
    struct ebb_report report;
    run(&sims[0], "leak, 1 MB/s", 1, 30);
    run(&sims[1], "leak, 1 MB/s", 2, 30);
    run(&sims[2], "steady churn, 50 MB/s", 3, 30);
    for (int i = 0; i < 3; i++) {
        subjects[i] = &sims[i].evidence;
        subjects[i]->pid = 100 + i;
    }
    assert_int_equal(ebb_diagnose(subjects, 3, &report, NULL), 0);
    assert_int_equal(report.verdict_count, 1);
    assert_true(report.verdicts[0].growth_bytes_per_s > 1.3e6);
    assert_non_null(strstr(report.verdicts[0].evidence[0], "2 processes"));
    ebb_report_free(&report);
    for (int i = 0; i < 3; i++)
        sim_free_all(&sims[i]);
}

/* A shell that was replaced by the program it started does not speak for it. */
static void a_replaced_image_is_left_out(void **state)
{
    struct sim sims[2];
    run(&sims[0], "idle", 1, 2);
    run(&sims[1], "leak, 1 MB/s", 2, 30);
    sims[0].evidence.ended = true;
    sims[0].evidence.end_reason = "replaced";
    struct ebb_evidence *subjects[] = {&sims[0].evidence, &sims[1].evidence};
    struct ebb_report report;
    assert_int_equal(ebb_diagnose(subjects, 2, &report, NULL), 0);
    assert_int_equal(report.verdict_count, 1);
    assert_null(report.ended);
    assert_null(report.caution);
    ebb_report_free(&report);
    sim_free_all(&sims[0]);
    sim_free_all(&sims[1]);
}

/* The most harmful verdict comes first. */
static void verdicts_are_in_order(void **state)
{
    struct sim sim;
    struct ebb_report report;
    sim_start(&sim, 9, 30);
    uint32_t small = sim_stack(&sim, "malloc@c < drop_one#3 < serve#30 < main#9");
    uint32_t large = sim_stack(&sim, "malloc@c < drop_other#8 < serve#30 < main#9");
    do {
        sim_alloc(&sim, small, EBB_KIND_MALLOC, 100, 2000, INFINITY);
        sim_alloc(&sim, large, EBB_KIND_MALLOC, 300, 6000, INFINITY);
    } while (sim_advance(&sim, 0.1));
    sim_finish(&sim);
    diagnose(&sim, &report);
    assert_int_equal(report.verdict_count, 2);
    assert_string_equal(report.verdicts[0].site.function, "drop_other");
    assert_string_equal(report.verdicts[1].site.function, "drop_one");
    ebb_report_free(&report);
    sim_free_all(&sim);
}

static void ended_threads_are_told_from_running_ones(void **state)
{
    struct sim sim;
    struct ebb_report report;
    run(&sim, "thread leak", 1, 30);
    diagnose(&sim, &report);
    assert_non_null(strstr(report.verdicts[0].summary, "never end"));
    ebb_report_free(&report);
    for (size_t i = 0; i < sim.evidence.survivors.len; i++)
        sim.evidence.survivors.items[i].flags = EBB_SAMPLE_THREAD_ENDED;
    diagnose(&sim, &report);
    assert_non_null(strstr(report.verdicts[0].summary, "joins"));
    assert_non_null(strstr(report.verdicts[0].advice[0], "pthread_join"));
    ebb_report_free(&report);
    sim_free_all(&sim);
}

/* Odd but possible: no survivors listed, stacks without frames, indexes out of range, times that
 * stand still. */
static void odd_evidence_does_no_harm(void **state)
{
    struct sim sim;
    struct ebb_report report;
    run(&sim, "leak, 1 MB/s", 4, 30);
    sim.evidence.survivors.len = 0;
    diagnose(&sim, &report);
    assert_int_equal(report.verdict_count, 1); /* counts alone will do */
    ebb_report_free(&report);

    sim.evidence.stacks.items[0].depth = 0;
    sim.evidence.series.items[1].stack = 999;
    diagnose(&sim, &report);
    ebb_report_free(&report);
    assert_int_equal(ebb_vec_push(&sim.evidence.survivors, (struct ebb_survivor){.series = 777}),
                     0);
    diagnose(&sim, &report);
    ebb_report_free(&report);
    for (size_t i = 0; i < sim.evidence.observations.len; i++)
        sim.evidence.observations.items[i].time_s = 5;
    struct ebb_evidence *evidence = &sim.evidence;
    assert_int_equal(ebb_diagnose(&evidence, 1, &report, NULL), -ENODATA);
    sim_free_all(&sim);
}

/* The same evidence gives the same report. */
static void the_report_is_a_function_of_the_evidence(void **state)
{
    struct sim sim;
    struct ebb_report first, second;
    run(&sim, "nested map by hand", 5, 30);
    diagnose(&sim, &first);
    diagnose(&sim, &second);
    assert_int_equal(first.verdict_count, second.verdict_count);
    for (size_t i = 0; i < first.verdict_count; i++) {
        assert_string_equal(first.verdicts[i].summary, second.verdicts[i].summary);
        assert_true(first.verdicts[i].growth_bytes_per_s == second.verdicts[i].growth_bytes_per_s);
    }
    ebb_report_free(&first);
    ebb_report_free(&second);
    sim_free_all(&sim);
}

static bool says(const struct ebb_verdict *verdict, const char *words)
{
    for (size_t i = 0; verdict->evidence[i]; i++)
        if (strstr(verdict->evidence[i], words))
            return true;
    return false;
}

/* What an interpreter maps is memory for many objects: it counts as allocated, but not as so many
 * entries. */
static void mappings_are_no_entries(void **state)
{
    struct sim sim;
    struct ebb_report report;
    run(&sim, "CPython dict", 2, 30);
    diagnose(&sim, &report);
    assert_false(report.healthy);
    assert_false(says(&report.verdicts[0], "entries are added"));
    assert_true(report.memory.growth_bytes_per_s > 4e6);
    assert_true(report.memory.alloc_bytes_per_s >= 0.95 * report.memory.growth_bytes_per_s);
    ebb_report_free(&report);
    sim_free_all(&sim);

    run(&sim, "hash map by hand", 2, 30);
    diagnose(&sim, &report);
    assert_true(says(&report.verdicts[0], "entries are added"));
    ebb_report_free(&report);
    sim_free_all(&sim);
}

/* Two verdicts on large buffers: only what grows step by step is told to ask for its size. */
static void buffers_in_steps_are_told(void **state)
{
    static const char *const names[] = {"large temporaries", "large temporaries, grown"};
    for (int i = 0; i < 2; i++) {
        struct sim sim;
        struct ebb_report report;
        run(&sim, names[i], 5, 30);
        diagnose(&sim, &report);
        assert_string_equal(report.verdicts[0].pattern, "large-temporaries");
        assert_true(says(&report.verdicts[0], "step by step") == (i == 1));
        ebb_report_free(&report);
        sim_free_all(&sim);
    }
}

int test_report(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(too_little_is_refused),
        cmocka_unit_test(a_verdict_is_complete),
        cmocka_unit_test(a_short_window_is_not_confident),
        cmocka_unit_test(slow_growth_asks_for_a_longer_window),
        cmocka_unit_test(a_long_window_finds_slow_growth),
        cmocka_unit_test(every_block_recorded),
        cmocka_unit_test(the_end_of_a_program_is_left_out),
        cmocka_unit_test(holes_are_mentioned),
        cmocka_unit_test(workers_share_a_verdict),
        cmocka_unit_test(a_replaced_image_is_left_out),
        cmocka_unit_test(verdicts_are_in_order),
        cmocka_unit_test(ended_threads_are_told_from_running_ones),
        cmocka_unit_test(mappings_are_no_entries),
        cmocka_unit_test(buffers_in_steps_are_told),
        cmocka_unit_test(odd_evidence_does_no_harm),
        cmocka_unit_test(the_report_is_a_function_of_the_evidence),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
