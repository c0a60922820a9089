/* See trend.h. */
#include "tool/diagnose/trend.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double NORMAL_95 = 1.959964;

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Index of the i-th of `points` points taken evenly out of n, the first and the last included. */
static size_t thinned(size_t i, size_t points, size_t n)
{
    return points < 2 ? 0 : i * (n - 1) / (points - 1);
}

/* Variance of Kendall's S for n values, groups of equal ones accounted for. `sorted` ascends. */
static double kendall_variance(const double *sorted, size_t n)
{
    double count = (double)n, variance = count * (count - 1) * (2 * count + 5);
    for (size_t i = 0, next; i < n; i = next) {
        for (next = i + 1; next < n && sorted[next] == sorted[i]; next++)
            ;
        double ties = (double)(next - i);
        variance -= ties * (ties - 1) * (2 * ties + 5);
    }
    return fmax(variance / 18, 0);
}

struct ebb_slope ebb_theil_sen(const double *x, const double *y, size_t n, double *scratch)
{
    size_t points = n < EBB_TREND_POINTS ? n : EBB_TREND_POINTS, pairs = 0;
    double sorted[EBB_TREND_POINTS];
    for (size_t i = 0; i < points; i++) {
        size_t a = thinned(i, points, n);
        sorted[i] = y[a];
        for (size_t j = i + 1; j < points; j++) {
            size_t b = thinned(j, points, n);
            if (x[b] > x[a])
                scratch[pairs++] = (y[b] - y[a]) / (x[b] - x[a]);
        }
    }
    if (pairs == 0)
        return (struct ebb_slope){0};
    qsort(scratch, pairs, sizeof *scratch, compare_doubles);
    qsort(sorted, points, sizeof *sorted, compare_doubles);

    struct ebb_slope slope;
    slope.slope =
        pairs % 2 ? scratch[pairs / 2] : (scratch[pairs / 2 - 1] + scratch[pairs / 2]) / 2;
    /* Sen's interval: the slopes whose ranks lie within C of the middle. */
    double reach = NORMAL_95 * sqrt(kendall_variance(sorted, points));
    double low = ((double)pairs - reach) / 2 - 1, high = ((double)pairs + reach) / 2;
    if (points < 4 || low < 0)
        low = 0;
    if (points < 4 || high > (double)pairs - 1)
        high = (double)pairs - 1;
    slope.low = scratch[(size_t)floor(low)];
    slope.high = scratch[(size_t)ceil(high)];
    return slope;
}

struct ebb_mann_kendall ebb_mann_kendall(const double *y, size_t n)
{
    size_t points = n < EBB_TREND_POINTS ? n : EBB_TREND_POINTS;
    struct ebb_mann_kendall result = {.p = 1};
    double sorted[EBB_TREND_POINTS];
    for (size_t i = 0; i < points; i++)
        sorted[i] = y[thinned(i, points, n)];
    for (size_t i = 0; i < points; i++)
        for (size_t j = i + 1; j < points; j++)
            result.s += (sorted[j] > sorted[i]) - (sorted[j] < sorted[i]);
    qsort(sorted, points, sizeof *sorted, compare_doubles);
    result.variance = kendall_variance(sorted, points);
    if (result.variance > 0 && result.s != 0)
        result.z = (result.s - copysign(1, result.s)) / sqrt(result.variance);
    result.p = erfc(fabs(result.z) / sqrt(2));
    return result;
}

/* ---- the course ---- */

/* Least squares of y on one regressor f(x) and a constant: the residual sum of squares. */
struct fit {
    double slope, residual;
};

static struct fit fit_regressor(const double *f, const double *y, size_t n)
{
    double mean_f = 0, mean_y = 0, ff = 0, fy = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        mean_f += f[i];
        mean_y += y[i];
    }
    mean_f /= (double)n;
    mean_y /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double a = f[i] - mean_f, b = y[i] - mean_y;
        ff += a * a;
        fy += a * b;
        yy += b * b;
    }
    struct fit fit = {.residual = yy};
    if (ff > 0) {
        fit.slope = fy / ff;
        fit.residual = fmax(yy - fy * fy / ff, 0);
    }
    return fit;
}

/* The value at time `at`, by linear interpolation. */
static double level_at(const double *x, const double *y, size_t n, double at)
{
    for (size_t i = 1; i < n; i++) {
        if (x[i] >= at) {
            double width = x[i] - x[i - 1];
            double part = width > 0 ? (at - x[i - 1]) / width : 1;
            return y[i - 1] + fmin(fmax(part, 0), 1) * (y[i] - y[i - 1]);
        }
    }
    return y[n - 1];
}

/* The troughs of six equal parts of the time. Parts without a point repeat their neighbour. */
static void troughs(const double *x, const double *y, size_t n, double trough[6])
{
    double start = x[0], span = x[n - 1] - start;
    for (int part = 0; part < 6; part++) {
        double from = start + span * part / 6, to = start + span * (part + 1) / 6;
        trough[part] = INFINITY;
        for (size_t i = 0; i < n; i++)
            if (x[i] >= from && (x[i] < to || part == 5))
                trough[part] = fmin(trough[part], y[i]);
        if (isinf(trough[part]))
            trough[part] = part > 0 ? trough[part - 1] : y[0];
    }
}

/* The best of y = a + b (1 − e^(−x/τ)) over a grid of τ from a fortieth of the span to four spans,
 * each a quarter more than the one before. */
static struct fit fit_saturation(const double *x, const double *y, size_t n, double *time_constant,
                                 double *work)
{
    double span = x[n - 1] - x[0];
    struct fit best = {.residual = INFINITY};
    double tau = span / 40;
    for (int step = 0; step < 23; step++, tau *= 1.25) {
        for (size_t i = 0; i < n; i++)
            work[i] = -expm1(-(x[i] - x[0]) / tau);
        struct fit fit = fit_regressor(work, y, n);
        if (fit.slope > 0 && fit.residual < best.residual) {
            best = fit;
            *time_constant = tau;
        }
    }
    return best;
}

/* The largest rise within two successive intervals: a jump may fall across an observation. */
static double largest_jump(const double *y, size_t n)
{
    double jump = 0;
    for (size_t i = 1; i < n; i++)
        jump = fmax(jump, y[i] - y[i >= 2 ? i - 2 : 0]);
    return jump;
}

/* How much a point scatters beside the trend, as a standard deviation: the median of
 * |Δy − median Δy|, scaled; steps do not move it. */
static double local_noise(const double *y, size_t n)
{
    double steps[EBB_TREND_POINTS];
    size_t count = n - 1 < EBB_TREND_POINTS ? n - 1 : EBB_TREND_POINTS;
    for (size_t i = 0; i < count; i++) {
        size_t at = thinned(i, count, n - 1);
        steps[i] = y[at + 1] - y[at];
    }
    qsort(steps, count, sizeof *steps, compare_doubles);
    double middle = steps[count / 2];
    for (size_t i = 0; i < count; i++)
        steps[i] = fabs(steps[i] - middle);
    qsort(steps, count, sizeof *steps, compare_doubles);
    return 1.4826 * steps[count / 2] / sqrt(2);
}

/* Evenly thins (x, y) to at most EBB_TREND_POINTS points. */
static size_t thin(const double *x, const double *y, size_t n, double *thin_x, double *thin_y)
{
    size_t points = n < EBB_TREND_POINTS ? n : EBB_TREND_POINTS;
    for (size_t i = 0; i < points; i++) {
        thin_x[i] = x[thinned(i, points, n)];
        thin_y[i] = y[thinned(i, points, n)];
    }
    return points;
}

static enum ebb_shape judge_shape(const struct ebb_course *course, const double *x, const double *y,
                                  size_t n, double *time_constant)
{
    double lowest = INFINITY, highest = -INFINITY, work[EBB_TREND_POINTS];
    for (size_t i = 0; i < n; i++) {
        lowest = fmin(lowest, y[i]);
        highest = fmax(highest, y[i]);
    }
    double range = highest - lowest;
    if (range <= 0 || range <= 6 * course->noise)
        return EBB_SHAPE_FLAT;
    if (course->drawdown > range / 2)
        return course->net < -range / 2 && course->floor_rises == 0 ? EBB_SHAPE_FALLING
                                                                    : EBB_SHAPE_SAWTOOTH;
    if (fabs(course->net) <= 3 * course->noise)
        return EBB_SHAPE_FLAT;
    if (course->net < 0)
        return EBB_SHAPE_FALLING;
    if (n < 4)
        return EBB_SHAPE_STEADY;

    double jump = largest_jump(y, n);
    if (n >= 6 && jump > 0.7 * course->net)
        return EBB_SHAPE_STEP;
    struct fit line = fit_regressor(x, y, n);
    struct fit saturation = fit_saturation(x, y, n, time_constant, work);
    bool bends =
        saturation.residual < 0.6 * line.residual && *time_constant < 0.45 * (x[n - 1] - x[0]);
    if (course->last_share < 0.16 || (bends && course->last_share < 0.22))
        return EBB_SHAPE_SLOWING;
    return EBB_SHAPE_STEADY;
}

struct ebb_course ebb_course(const double *all_x, const double *all_y, size_t all, double noise)
{
    struct ebb_course course = {.noise = noise};
    if (all < 2 || all_x[all - 1] <= all_x[0])
        return course;
    double x[EBB_TREND_POINTS], y[EBB_TREND_POINTS];
    size_t n = thin(all_x, all_y, all, x, y);

    double span = x[n - 1] - x[0];
    double first_third = level_at(x, y, n, x[0] + span / 3);
    double second_third = level_at(x, y, n, x[0] + span * 2 / 3);
    course.net = y[n - 1] - y[0];
    course.thirds[0] = first_third - y[0];
    course.thirds[1] = second_third - first_third;
    course.thirds[2] = y[n - 1] - second_third;
    course.last_share = course.net > 0 ? course.thirds[2] / course.net : 0;

    double highest = all_y[0];
    for (size_t i = 1; i < all; i++) {
        course.drawdown = fmax(course.drawdown, highest - all_y[i]);
        highest = fmax(highest, all_y[i]);
    }
    double trough[6];
    troughs(all_x, all_y, all, trough);
    course.floor_net = trough[5] - trough[0];
    course.floor_last = trough[5] - trough[3];
    for (int part = 1; part < 6; part++)
        course.floor_rises += trough[part] > trough[part - 1];
    if (n > 2)
        course.noise = fmax(course.noise, local_noise(y, n));
    course.shape = judge_shape(&course, x, y, n, &course.time_constant);
    return course;
}

/* ---- counts ---- */

void ebb_poisson_interval(double count, double interval[2])
{
    double above = count + 1;
    interval[0] = 0;
    if (count > 0) {
        double root = 1 - 1 / (9 * count) - NORMAL_95 / (3 * sqrt(count));
        interval[0] = root > 0 ? count * root * root * root : 0;
    }
    double root = 1 - 1 / (9 * above) + NORMAL_95 / (3 * sqrt(above));
    interval[1] = above * root * root * root;
}

double ebb_sampling_variance(double events, double bytes, double weight)
{
    return weight > 1 ? events * bytes * bytes * (1 - 1 / weight) : 0;
}
