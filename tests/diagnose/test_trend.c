/* Trend functions against naive models and published values. */
#include "tests/diagnose/tests.h"

#include "base/hash.h"
#include "tool/diagnose/trend.h"

#include <math.h>
#include <stdlib.h>

static double scratch[EBB_TREND_SCRATCH];

static double uniform(uint64_t *state)
{
    return ((double)(ebb_mix64((*state)++) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    return sqrt(-2 * log(uniform(state))) * cos(2 * 3.14159265358979 * uniform(state));
}

static void assert_close(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("expected %g within %g, got %g", expected, tolerance, value);
}

/* Hollander & Wolfe, Nonparametric Statistical Methods, example of Theil's estimator: the median of
 * the pairwise slopes of these points is 4. */
static void slope_of_known_points(void **state)
{
    double x[] = {0, 1, 2, 3, 4}, y[] = {0, 4, 8, 12, 400};
    struct ebb_slope slope = ebb_theil_sen(x, y, 5, scratch);
    assert_close(slope.slope, 4, 1e-12);
    assert_true(slope.low <= 4 && slope.high >= 4);
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void slope_is_the_median_of_all_pairs(void **state)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint64_t random = seed * 1000;
        double x[40], y[40], slopes[40 * 39 / 2];
        size_t n = 2 + seed % 38, pairs = 0;
        for (size_t i = 0; i < n; i++) {
            x[i] = (double)i + uniform(&random);
            y[i] = floor(10 * uniform(&random));
        }
        for (size_t i = 0; i < n; i++)
            for (size_t j = i + 1; j < n; j++)
                slopes[pairs++] = (y[j] - y[i]) / (x[j] - x[i]);
        qsort(slopes, pairs, sizeof *slopes, compare);
        double median = (slopes[(pairs - 1) / 2] + slopes[pairs / 2]) / 2;
        assert_close(ebb_theil_sen(x, y, n, scratch).slope, median, 1e-9);
    }
}

/* The 95 % interval holds the true slope in about 95 of 100 series. */
static void slope_interval_holds(void **state)
{
    enum { RUNS = 400, POINTS = 30 };
    int inside = 0;
    uint64_t random = 7;
    for (int run = 0; run < RUNS; run++) {
        double x[POINTS], y[POINTS];
        for (int i = 0; i < POINTS; i++) {
            x[i] = i;
            y[i] = 3.0 * i + 5 * normal(&random);
        }
        struct ebb_slope slope = ebb_theil_sen(x, y, POINTS, scratch);
        inside += slope.low <= 3 && slope.high >= 3;
    }
    print_message("seed 7: the interval holds the slope in %d of %d series\n", inside, RUNS);
    assert_in_range(inside, RUNS * 92 / 100, RUNS);
}

static void slope_of_too_little(void **state)
{
    double x[] = {1, 1}, y[] = {2, 5};
    assert_close(ebb_theil_sen(x, y, 0, scratch).slope, 0, 0);
    assert_close(ebb_theil_sen(x, y, 1, scratch).slope, 0, 0);
    assert_close(ebb_theil_sen(x, y, 2, scratch).slope, 0, 0); /* no time passed */
}

static void slope_of_long_series(void **state)
{
    enum { POINTS = 5000 };
    double *x = malloc(POINTS * sizeof *x), *y = malloc(POINTS * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    for (int i = 0; i < POINTS; i++) {
        x[i] = i;
        y[i] = 2.0 * i;
    }
    assert_close(ebb_theil_sen(x, y, POINTS, scratch).slope, 2, 1e-9);
    assert_true(ebb_mann_kendall(y, POINTS).p < 1e-9);
    free(x);
    free(y);
}

/* Gilbert 1987, table 16.1 style: S, Var(S) with ties, Z by hand. */
static void mann_kendall_known_values(void **state)
{
    double rising[] = {1, 2, 3, 4, 5, 6};
    struct ebb_mann_kendall result = ebb_mann_kendall(rising, 6);
    assert_close(result.s, 15, 0);
    assert_close(result.variance, 6.0 * 5 * 17 / 18, 1e-9);
    assert_close(result.z, 14 / sqrt(6.0 * 5 * 17 / 18), 1e-9);
    assert_close(result.p, 0.00853, 1e-4);

    double tied[] = {10, 22, 21, 30, 22, 30, 40, 40};
    result = ebb_mann_kendall(tied, 8);
    assert_close(result.s, 21, 0);
    /* three pairs of equal values */
    assert_close(result.variance, (8.0 * 7 * 21 - 3 * (2 * 1 * 9)) / 18, 1e-9);

    double flat[] = {5, 5, 5, 5};
    result = ebb_mann_kendall(flat, 4);
    assert_close(result.s, 0, 0);
    assert_close(result.p, 1, 0);
}

static void mann_kendall_false_alarms(void **state)
{
    int alarms = 0;
    uint64_t random = 11;
    for (int run = 0; run < 1000; run++) {
        double y[30];
        for (int i = 0; i < 30; i++)
            y[i] = normal(&random);
        alarms += ebb_mann_kendall(y, 30).p < 0.05;
    }
    print_message("seed 11: %d of 1000 series without a trend are called one at 5 %%\n", alarms);
    assert_in_range(alarms, 25, 75);
}

/* ---- courses ---- */

static struct ebb_course course_of(double (*f)(double), double noise)
{
    double x[31], y[31];
    uint64_t random = 3;
    for (int i = 0; i <= 30; i++) {
        x[i] = i;
        y[i] = f(i) + noise * normal(&random);
    }
    return ebb_course(x, y, 31, 0);
}

static double flat(double x)
{
    return 100;
}

static double line(double x)
{
    return 10 * x;
}

static double line_after_rest(double x)
{
    return x < 10 ? 0 : 10 * (x - 10);
}

static double saturating_3(double x)
{
    return 1000 * -expm1(-x / 3);
}

static double saturating_8(double x)
{
    return 1000 * -expm1(-x / 8);
}

static double step(double x)
{
    return x < 17 ? 0 : 1000;
}

static double saw(double x)
{
    return fmod(x, 7) * 100;
}

static double rising_saw(double x)
{
    return fmod(x, 3) * 100 + 20 * x;
}

static double falling(double x)
{
    return 1000 - 20 * x;
}

static double square_root(double x)
{
    return 100 * sqrt(x);
}

static void shapes_are_told_apart(void **state)
{
    assert_int_equal(course_of(flat, 1).shape, EBB_SHAPE_FLAT);
    assert_int_equal(course_of(flat, 0).shape, EBB_SHAPE_FLAT);
    assert_int_equal(course_of(line, 0).shape, EBB_SHAPE_STEADY);
    assert_int_equal(course_of(line, 5).shape, EBB_SHAPE_STEADY);
    assert_int_equal(course_of(line_after_rest, 2).shape, EBB_SHAPE_STEADY);
    assert_int_equal(course_of(square_root, 1).shape, EBB_SHAPE_STEADY);
    assert_int_equal(course_of(saturating_3, 5).shape, EBB_SHAPE_SLOWING);
    assert_int_equal(course_of(saturating_8, 5).shape, EBB_SHAPE_SLOWING);
    assert_int_equal(course_of(step, 5).shape, EBB_SHAPE_STEP);
    assert_int_equal(course_of(saw, 5).shape, EBB_SHAPE_SAWTOOTH);
    assert_int_equal(course_of(falling, 5).shape, EBB_SHAPE_FALLING);
}

static void course_has_the_right_figures(void **state)
{
    struct ebb_course course = course_of(line, 0);
    assert_close(course.net, 300, 1e-9);
    assert_close(course.thirds[0], 100, 1e-9);
    assert_close(course.last_share, 1.0 / 3, 1e-9);
    assert_close(course.drawdown, 0, 0);
    assert_int_equal(course.floor_rises, 5);

    course = course_of(saw, 0);
    assert_close(course.drawdown, 600, 1e-9);
    course = course_of(rising_saw, 0);
    assert_true(course.floor_rises >= 4);
    assert_close(course.floor_net, 500, 60);

    double x[] = {0, 1}, y[] = {5, 9};
    assert_close(ebb_course(x, y, 2, 0).net, 4, 0);
    assert_int_equal(ebb_course(x, y, 1, 0).shape, EBB_SHAPE_FLAT);
}

/* ---- counts ---- */

/* Exact 95 % limits of a Poisson mean (Garwood 1936). */
static void poisson_intervals_are_garwoods(void **state)
{
    static const double known[][3] = {{0, 0, 3.689},     {1, 0.0253, 5.572}, {3, 0.6187, 8.767},
                                      {6, 2.202, 13.06}, {20, 12.22, 30.89}, {100, 81.36, 121.63}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double interval[2];
        ebb_poisson_interval(known[i][0], interval);
        assert_close(interval[0], known[i][1], 0.02 + 0.02 * known[i][1]);
        assert_close(interval[1], known[i][2], 0.02 * known[i][2]);
    }
}

static void sampling_variance_of_known_cases(void **state)
{
    assert_close(ebb_sampling_variance(100, 4096, 1), 0, 0); /* recorded, not sampled */
    /* w = 4, S = 1024: w (w - 1) S² per event */
    assert_close(ebb_sampling_variance(10, 4096, 4), 10 * 12.0 * 1024 * 1024, 1);
}

int test_trend(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slope_of_known_points),
        cmocka_unit_test(slope_is_the_median_of_all_pairs),
        cmocka_unit_test(slope_interval_holds),
        cmocka_unit_test(slope_of_too_little),
        cmocka_unit_test(slope_of_long_series),
        cmocka_unit_test(mann_kendall_known_values),
        cmocka_unit_test(mann_kendall_false_alarms),
        cmocka_unit_test(shapes_are_told_apart),
        cmocka_unit_test(course_has_the_right_figures),
        cmocka_unit_test(poisson_intervals_are_garwoods),
        cmocka_unit_test(sampling_variance_of_known_cases),
    };
    return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
