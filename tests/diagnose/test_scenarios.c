/* Every scenario over many seeds: the right answer in the required part of them, and few verdicts
 * beside the right one.
 *
 *     EBB_TEST_SEEDS=N    how many (100); the rates are only held against 50 and more
 *     EBB_TEST_SEED=S     the first (0) */
#include "tests/diagnose/tests.h"

#include "tests/diagnose/scenarios.h"
#include "tool/diagnose/diagnose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long seeds = 100, first_seed;

static bool is_right(const struct scenario *scenario, const struct ebb_report *report)
{
    if (!scenario->pattern)
        return report->healthy && report->verdict_count == 0;
    if (report->healthy || report->verdict_count == 0)
        return false;
    const struct ebb_verdict *verdict = &report->verdicts[0];
    return strcmp(verdict->pattern, scenario->pattern) == 0 &&
           (!scenario->site || strcmp(verdict->site.function, scenario->site) == 0) &&
           (!scenario->container ||
            (verdict->container && strcmp(verdict->container, scenario->container) == 0));
}

struct tally {
    unsigned right, beside, inside;
    char wrong[200];
};

static void note_wrong(struct tally *tally, unsigned long seed, const struct ebb_report *report)
{
    size_t used = strlen(tally->wrong);
    snprintf(tally->wrong + used, sizeof tally->wrong - used, " %lu:%s", seed,
             report->verdict_count ? report->verdicts[0].pattern : "healthy");
}

static void run_once(const struct scenario *scenario, unsigned long seed, struct tally *tally)
{
    struct sim sim;
    sim_start(&sim, seed, 30);
    scenario->run(&sim);
    struct ebb_evidence *evidence = sim_finish(&sim);
    struct ebb_report report;
    struct ebb_error error;
    if (ebb_diagnose(&evidence, 1, &report, &error) != 0)
        fail_msg("seed %lu: %s", seed, error.text);
    if (is_right(scenario, &report)) {
        tally->right++;
        tally->beside += report.verdict_count > 1;
        tally->inside += scenario->rate > 0 &&
                         report.verdicts[0].growth_interval[0] <= scenario->rate &&
                         report.verdicts[0].growth_interval[1] >= scenario->rate;
    } else {
        note_wrong(tally, seed, &report);
    }
    ebb_report_free(&report);
    sim_free_all(&sim);
}

static void answers_right(void **state)
{
    const struct scenario *scenario = *state;
    struct tally tally = {0};
    for (unsigned long seed = first_seed; seed < first_seed + seeds; seed++)
        run_once(scenario, seed, &tally);
    print_message("%-40s %5.1f %% right of %lu seeds from %lu", scenario->name,
                  100.0 * tally.right / (double)seeds, seeds, first_seed);
    if (scenario->rate > 0)
        print_message(", growth inside its interval in %.0f %%",
                      100.0 * tally.inside / fmax(tally.right, 1));
    print_message("%s%s\n", *tally.wrong ? "; wrong" : "", tally.wrong);
    double slack = seeds >= 50 ? 0 : 1;
    assert_true(tally.right + slack >= scenario->required * (double)seeds);
    assert_true(tally.beside <= 0.08 * (double)seeds + slack);
    if (scenario->rate > 0)
        assert_true(tally.inside + slack >= 0.85 * tally.right);
}

static unsigned long read_number(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoul(text, NULL, 10) : otherwise;
}

int main(void)
{
    /* Under valgrind a seed takes minutes of a hundred's time. */
    const char *preloaded = getenv("LD_PRELOAD");
    bool slow = preloaded && strstr(preloaded, "vgpreload");
    seeds = read_number("EBB_TEST_SEEDS", slow ? 1 : 100);
    first_seed = read_number("EBB_TEST_SEED", 0);

    size_t count = 0;
    while (scenarios[count].name)
        count++;
    struct CMUnitTest *tests = calloc(count, sizeof *tests);
    if (!tests)
        return 1;
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){scenarios[i].name, answers_right, NULL, NULL,
                                       (void *)&scenarios[i]};
    int failed = _cmocka_run_group_tests("scenarios", tests, count, NULL, NULL);
    free(tests);
    return failed;
}
