/* See model.h. */
#include "tool/diagnose/model.h"

#include <math.h>

enum { LEAST_POINTS = 8, MIDDLE = EBB_MODEL_GRID / 2 /* r = 0 */ };

/* The bounds of r times the span: beyond them everything happens within an eighth of it. */
static const double STEEPEST = 8;
static const double CHI_SQUARE_95 = 3.841;

/* (e^(rx) − 1) / r, and x where r is next to nothing. */
static double regressor(double r, double x)
{
    return fabs(r * x) < 1e-6 ? x : expm1(r * x) / r;
}

struct line {
    double a, b, residual; /* of y = a + b f; the sum of squares */
    double correlation;    /* of neighbouring deviations */
};

static struct line fit_line(const double *x, const double *y, size_t n, double r)
{
    double mean_f = 0, mean_y = 0, ff = 0, fy = 0;
    for (size_t i = 0; i < n; i++) {
        mean_f += regressor(r, x[i] - x[0]) / (double)n;
        mean_y += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double f = regressor(r, x[i] - x[0]) - mean_f;
        ff += f * f;
        fy += f * (y[i] - mean_y);
    }
    struct line line = {.b = ff > 0 ? fy / ff : 0};
    line.a = mean_y - line.b * mean_f;
    double before = 0, neighbours = 0;
    for (size_t i = 0; i < n; i++) {
        double deviation = y[i] - line.a - line.b * regressor(r, x[i] - x[0]);
        line.residual += deviation * deviation;
        neighbours += deviation * before;
        before = deviation;
    }
    line.correlation = line.residual > 0 ? fmin(fmax(neighbours / line.residual, 0), 0.9) : 0;
    return line;
}

static double variation(const double *y, size_t n)
{
    double mean = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        mean += y[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        sum += (y[i] - mean) * (y[i] - mean);
    return sum;
}

struct ebb_model ebb_model_fit(const double *x, const double *y, size_t n)
{
    struct ebb_model model = {0};
    struct line lines[EBB_MODEL_GRID];
    if (n < LEAST_POINTS || !(x[n - 1] > x[0]))
        return model;
    double span = x[n - 1] - x[0];
    size_t best = MIDDLE;
    for (size_t k = 0; k < EBB_MODEL_GRID; k++) {
        /* Finer around the line: r = ± STEEPEST (k/m)² / span. */
        double part = (double)k / MIDDLE - 1;
        model.rate[k] = copysign(STEEPEST * part * part, part) / span;
        lines[k] = fit_line(x, y, n, model.rate[k]);
        model.slope[k] = lines[k].b * exp(model.rate[k] * span);
        if (lines[k].residual < lines[best].residual)
            best = k;
    }
    double all = variation(y, n), rest = lines[best].residual;
    double correlation = lines[best].correlation;
    double points = (double)n * (1 - correlation) / (1 + correlation);
    model.known = all > 0 && rest <= 0.05 * all && lines[best].b > 0;
    model.end = lines[best].a + lines[best].b * regressor(model.rate[best], span);
    bool line_is_likely = false;
    for (size_t k = 0; k < EBB_MODEL_GRID; k++) {
        /* A perfect fit is none to build on: rounding alone gives a millionth. */
        double worse = (lines[k].residual + 1e-6 * all) / (rest + 1e-6 * all);
        model.likely[k] = lines[k].b > 0 && points * log(worse) <= CHI_SQUARE_95;
        line_is_likely |= model.likely[k] && k == MIDDLE;
    }
    if (!line_is_likely)
        model.manner = model.rate[best] > 0 ? EBB_MANNER_EXPONENTIAL : EBB_MANNER_SATURATING;
    return model;
}

/* Until y = end + slope (e^(rt) − 1)/r has risen by `room`. */
static double reach(double rate, double slope, double room)
{
    if (room <= 0)
        return 0;
    if (slope <= 0)
        return INFINITY;
    double part = room * rate / slope;
    if (part <= -1)
        return INFINITY;
    return fabs(part) < 1e-9 ? room / slope : log1p(part) / rate;
}

void ebb_model_reach(const struct ebb_model *model, double room, double interval[2])
{
    interval[0] = INFINITY;
    interval[1] = 0;
    for (size_t k = 0; k < EBB_MODEL_GRID; k++) {
        if (!model->likely[k])
            continue;
        double time = reach(model->rate[k], model->slope[k], room);
        interval[0] = fmin(interval[0], time);
        interval[1] = fmax(interval[1], time);
    }
}

void ebb_model_plateau(const struct ebb_model *model, double interval[2])
{
    interval[0] = INFINITY;
    interval[1] = 0;
    for (size_t k = 0; k < EBB_MODEL_GRID; k++) {
        if (!model->likely[k])
            continue;
        double level =
            model->rate[k] < 0 ? model->end - model->slope[k] / model->rate[k] : INFINITY;
        interval[0] = fmin(interval[0], level);
        interval[1] = fmax(interval[1], level);
    }
}
