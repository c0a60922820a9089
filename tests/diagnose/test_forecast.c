/* Forecasts against what really happens when the simulated program is let run on. */
#include "tests/diagnose/tests.h"

#include "tests/diagnose/scenarios.h"
#include "tool/diagnose/diagnose.h"
#include "tool/diagnose/forecast.h"

#include <string.h>

static void assert_close(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("expected %g within %g, got %g", expected, tolerance, value);
}

static void reach_of_known_courses(void **state)
{
    assert_close(ebb_forecast_reach(0, 100, 10, 0, 0, INFINITY, 0, true), 10, 1e-9);
    assert_true(isinf(ebb_forecast_reach(0, 100, 0, 0, 0, INFINITY, 0, true)));
    assert_close(ebb_forecast_reach(200, 100, 10, 0, 0, INFINITY, 0, true), 0, 0);
    /* e-fold every 10 s from 10/s: 100 (e^(t/10) - 1) = 100 */
    assert_close(ebb_forecast_reach(0, 100, 10, 0.1, 0, INFINITY, 0, true), 10 * log(2), 1e-9);
    /* A table of 40 in 50 used: at 5 s it needs 80 more beside itself, and 130 do not fit. */
    assert_close(ebb_forecast_reach(50, 125, 0, 0, 40, 5, 5, true), 5, 1e-9);
    /* When the old one goes first it fits, and then the next doubling, 10 s later, does not. */
    assert_close(ebb_forecast_reach(50, 125, 0, 0, 40, 5, 5, false), 15, 1e-9);
}

static const struct scenario *find(const char *name)
{
    const struct scenario *scenario = scenarios;
    while (strcmp(scenario->name, name) != 0)
        scenario++;
    return scenario;
}

/* Anonymous memory over time when the program runs on; peaks within a tick count. */
static double time_to_reach(const char *name, uint64_t seed, double bytes, double most)
{
    struct sim sim;
    sim_start(&sim, seed, most);
    sim.look_every = 0.5;
    find(name)->run(&sim);
    struct ebb_evidence *evidence = sim_finish(&sim);
    double at = INFINITY;
    for (size_t i = evidence->observations.len; i-- > 0;)
        if ((double)evidence->observations.items[i].memory.rss_peak >= bytes)
            at = evidence->observations.items[i].time_s;
    sim_free_all(&sim);
    return at;
}

static void check_forecasts(const char *name, double limit, double horizon, int runs, int required)
{
    int held = 0, known = 0;
    double width = 0;
    for (int seed = 0; seed < runs; seed++) {
        struct sim sim;
        sim_start(&sim, (uint64_t)seed, 30);
        sim.limit_bytes = (uint64_t)limit;
        find(name)->run(&sim);
        struct ebb_evidence *evidence = sim_finish(&sim);
        struct ebb_report report;
        assert_int_equal(ebb_diagnose(&evidence, 1, &report, NULL), 0);
        if (report.forecast.known) {
            double truth = time_to_reach(name, (uint64_t)seed, limit, horizon) - 30;
            held +=
                truth >= report.forecast.seconds[0] - 1 && truth <= report.forecast.seconds[1] + 1;
            width += report.forecast.seconds[1] / fmax(report.forecast.seconds[0], 1);
            known++;
        }
        ebb_report_free(&report);
        sim_free_all(&sim);
    }
    print_message("%s: %d of %d forecasts made, %d held; latest / earliest %.1f on average\n", name,
                  known, runs, held, known ? width / known : 0);
    assert_in_range(known, required, runs);
    assert_in_range(held, required, runs);
}

static void forecasts_hold(void **state)
{
    check_forecasts("leak, 1 MB/s", 120e6, 300, 20, 19);
    check_forecasts("hash map by hand", 120e6, 300, 20, 19);
    check_forecasts("a table alone that doubles", 300e6, 300, 20, 18);
    check_forecasts("std::vector", 200e6, 300, 20, 18);
    check_forecasts("leak that speeds up", 200e6, 100, 20, 17);
    check_forecasts("leak after a start-up", 250e6, 300, 20, 19);
}

static struct ebb_forecast forecast_for(const char *name, uint64_t limit, struct sim *sim)
{
    sim_start(sim, 5, 30);
    sim->limit_bytes = limit;
    find(name)->run(sim);
    struct ebb_evidence *evidence = sim_finish(sim);
    struct ebb_report report;
    assert_int_equal(ebb_diagnose(&evidence, 1, &report, NULL), 0);
    struct ebb_forecast forecast = report.forecast;
    ebb_report_free(&report);
    return forecast;
}

static void refusals_say_why(void **state)
{
    struct sim sim;
    struct ebb_forecast forecast = forecast_for("leak, 1 MB/s", 0, &sim);
    assert_false(forecast.known);
    assert_non_null(strstr(forecast.why_not, "no limit"));
    sim_free_all(&sim);

    forecast = forecast_for("saw-tooth, 7 s", 1 << 30, &sim);
    assert_false(forecast.known);
    assert_non_null(strstr(forecast.why_not, "nothing"));
    assert_int_equal(forecast.limit_bytes, 1 << 30);
    assert_string_equal(forecast.limit_source, "cgroup");
    sim_free_all(&sim);

    forecast = forecast_for("thread leak", 1 << 30, &sim);
    assert_false(forecast.known);
    assert_non_null(forecast.why_not);
    sim_free_all(&sim);
}

int test_forecast(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reach_of_known_courses),
        cmocka_unit_test(forecasts_hold),
        cmocka_unit_test(refusals_say_why),
    };
    return cmocka_run_group_tests_name("forecast", tests, NULL, NULL);
}
