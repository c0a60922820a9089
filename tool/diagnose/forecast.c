/* See forecast.h. */
#include "tool/diagnose/forecast.h"

#include <math.h>
#include <string.h>

enum { LEAST_POINTS = 6, MOST_DOUBLINGS = 64 };

/* Even the steadiest load is not steady to the percent. */
static const double UNEVENNESS = 0.1;

static double climb_time(double room, double rate, double acceleration)
{
    if (room <= 0)
        return 0;
    if (rate <= 0)
        return INFINITY;
    return acceleration > 0 ? log1p(room * acceleration / rate) / acceleration : room / rate;
}

static double climbed(double seconds, double rate, double acceleration)
{
    return acceleration > 0 ? rate * expm1(acceleration * seconds) / acceleration : rate * seconds;
}

double ebb_forecast_reach(double used, double limit, double rate, double acceleration, double table,
                          double next_doubling_s, double gap_s, bool both_alive)
{
    double now = 0;
    if (table <= 0 || isinf(next_doubling_s))
        return climb_time(limit - used, rate, acceleration);
    for (int i = 0; i < MOST_DOUBLINGS; i++) {
        double climb = climb_time(limit - used, rate, acceleration);
        if (climb <= next_doubling_s)
            return now + climb;
        used += climbed(next_doubling_s, rate, acceleration);
        rate *= acceleration > 0 ? exp(acceleration * next_doubling_s) : 1;
        now += next_doubling_s;
        if (used + (both_alive ? 2 : 1) * table > limit)
            return now;
        used += table;
        table *= 2;
        gap_s *= 2;
        next_doubling_s = gap_s;
    }
    return INFINITY;
}

/* What the limit counts, at the observations that knew the same limit. */
struct usage {
    double *times, *used;
    size_t n;
    const struct ebb_limit *limit; /* the last one known, NULL: none */
};

static void read_usage(struct ebb_study *study, struct usage *usage)
{
    const struct ebb_observation *seen = study->evidence->observations.items;
    usage->times = ebb_study_alloc(study, study->n, sizeof(double));
    usage->used = ebb_study_alloc(study, study->n, sizeof(double));
    if (study->failed)
        return;
    for (size_t i = study->n; i-- > 0 && !usage->limit;)
        if (seen[i].limit.limit_bytes != UINT64_MAX && seen[i].limit.limit_bytes > 0 &&
            seen[i].limit.source)
            usage->limit = &seen[i].limit;
    for (size_t i = 0; usage->limit && i < study->n; i++) {
        const struct ebb_limit *limit = &seen[i].limit;
        if (limit->source && limit->limit_bytes != UINT64_MAX &&
            strcmp(limit->source, usage->limit->source) == 0 &&
            strcmp(limit->detail, usage->limit->detail) == 0) {
            usage->times[usage->n] = study->times[i];
            usage->used[usage->n++] = (double)limit->used_bytes;
        }
    }
}

/* How much of the variation a straight line explains, 0 to 1. */
static double straightness(const double *x, const double *y, size_t n)
{
    double mean_x = 0, mean_y = 0, xx = 0, xy = 0, yy = 0;
    for (size_t i = 0; i < n; i++) {
        mean_x += x[i] / (double)n;
        mean_y += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
    }
    return xx > 0 && yy > 0 ? xy * xy / (xx * yy) : 0;
}

struct pace {
    double low, high;    /* bytes per second */
    double acceleration; /* 1/s */
};

static struct pace measure_pace(struct ebb_study *study, const struct usage *usage)
{
    size_t half = usage->n / 2;
    struct ebb_slope whole = ebb_theil_sen(usage->times, usage->used, usage->n, study->scratch);
    struct ebb_slope late =
        ebb_theil_sen(usage->times + half, usage->used + half, usage->n - half, study->scratch);
    struct ebb_slope early = ebb_theil_sen(usage->times, usage->used, half + 1, study->scratch);
    struct pace pace = {fmin(whole.low, late.low), fmax(whole.high, late.high), 0};
    /* A start-up that is over says nothing about the pace to come. */
    if (early.low > late.high)
        pace.high = late.high;
    if (early.slope > 0 && late.slope > 1.4 * early.slope && late.low > early.high)
        pace.acceleration = log(late.slope / early.slope) / (study->span / 2);
    /* The slope of a half is that of its middle; by the end it has grown on. */
    pace.high *= exp(pace.acceleration * study->span / 4);
    return pace;
}

/* The growing table that matters most, NULL when none does. */
static const struct ebb_backing *largest_table(const struct ebb_study *study)
{
    const struct ebb_backing *largest = NULL;
    for (size_t i = 0; i < study->groups.len; i++) {
        const struct ebb_group *group = &study->groups.items[i];
        const struct ebb_backing *table = &group->table;
        /* With many tables the doublings average out in the slope. */
        if (group->growth.confidence > 0 && table->size > 0 && table->live < 6 &&
            table->doublings > 0 && (!largest || table->size > largest->size))
            largest = table;
    }
    return largest;
}

static struct ebb_forecast refuse(struct ebb_forecast forecast, const char *why)
{
    forecast.known = false;
    forecast.why_not = why;
    return forecast;
}

/* The growing groups together: the pace of live memory and the best confidence. */
static struct pace live_pace(const struct ebb_study *study, double *confidence)
{
    struct pace pace = {0};
    for (size_t i = 0; i < study->groups.len; i++) {
        const struct ebb_growth *growth = &study->groups.items[i].growth;
        if (growth->confidence > 0) {
            pace.low += fmax(growth->interval[0], 0);
            pace.high += growth->interval[1];
            *confidence = fmax(*confidence, growth->confidence);
        }
    }
    return pace;
}

static void bound(const struct ebb_study *study, const struct usage *usage, struct pace pace,
                  struct ebb_forecast *forecast)
{
    double used = (double)usage->limit->used_bytes, limit = (double)usage->limit->limit_bytes;
    const struct ebb_backing *table = largest_table(study);
    double size = table ? table->size : 0, early = INFINITY, late = INFINITY, gap = study->span;
    if (table) {
        /* A table that stood for `gap` before it doubled stands for twice that before the next
         * time, under an even load. */
        double since = study->span - table->last_rise_s;
        gap = table->last_gap_s > 0 ? table->last_gap_s : table->last_rise_s;
        early = fmax(1.4 * gap - since, 0);
        late = fmax(2.8 * gap - since, study->span / 10);
    }
    double first = ebb_forecast_reach(used, limit, pace.high * (1 + UNEVENNESS), pace.acceleration,
                                      size, early, gap * 1.4, true);
    double last = ebb_forecast_reach(used, limit, fmax(pace.low, 0) * (1 - UNEVENNESS), 0, size,
                                     late, gap * 2.8, false);
    forecast->seconds[0] = fmin(first, last);
    forecast->seconds[1] = fmax(first, last);
    forecast->known = isfinite(forecast->seconds[0]);
}

struct ebb_forecast ebb_forecast_make(struct ebb_study *study)
{
    struct ebb_forecast forecast = {0};
    struct usage usage = {0};
    read_usage(study, &usage);
    if (study->failed)
        return refuse(forecast, "out of memory");
    if (!usage.limit)
        return refuse(forecast, "no limit is known for this process");
    forecast.limit_bytes = usage.limit->limit_bytes;
    forecast.limit_source = usage.limit->source;
    forecast.limit_detail = usage.limit->detail;

    double confidence = 0;
    struct pace live = live_pace(study, &confidence);
    if (confidence <= 0)
        return refuse(forecast, "nothing was found that keeps growing");
    if (study->evidence->ended)
        return refuse(forecast, "the process has ended");
    if (live.high <= 0)
        return refuse(forecast, "what grows has no size of its own");
    if (usage.n < LEAST_POINTS)
        return refuse(forecast, "the window is too short: fewer than six looks");
    if (confidence < 0.5)
        return refuse(forecast, "too few samples stand behind the growth; look longer");

    struct ebb_course course = ebb_course(usage.times, usage.used, usage.n, 0);
    size_t half = usage.n / 2; /* a start-up may bend the whole */
    double line = fmax(straightness(usage.times, usage.used, usage.n),
                       straightness(usage.times + half, usage.used + half, usage.n - half));
    if (course.shape == EBB_SHAPE_SAWTOOTH && course.drawdown > 2 * fmax(course.floor_net, 0) &&
        !largest_table(study))
        return refuse(forecast, "memory use goes up and down too much to carry a line on");
    struct pace pace = measure_pace(study, &usage);
    if (line < 0.95 || pace.high <= 0) {
        /* Memory the process already holds takes growth up before it shows, and mappings come in
         * large pieces: what lives says more then than what is used. */
        pace.low = fmin(fmax(pace.low, 0), live.low);
        pace.high = fmax(pace.high, live.high);
    }
    bound(study, &usage, pace, &forecast);
    if (!forecast.known)
        return refuse(forecast, "the growth is too slow to reach the limit");
    return forecast;
}
