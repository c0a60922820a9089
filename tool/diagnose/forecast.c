/* See forecast.h. */
#include "tool/diagnose/forecast.h"

#include "tool/diagnose/model.h"
#include "tool/diagnose/words.h"

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
    double now, peak; /* at the end; what it rises to before the next collection (Go) */
    size_t n;
    const struct ebb_limit *limit; /* the last one known, NULL: none */
};

/* Go's runtime keeps itself below its own limit by collecting more and more often; that ends when
 * what is alive is as large as the limit. So what is alive is counted, and what is no heap. */
static void read_go_usage(const struct ebb_study *study, struct usage *usage)
{
    const struct ebb_observation *seen = study->evidence->observations.items;
    usage->n = 0;
    for (size_t i = 0; i < study->n; i++) {
        double other = (double)seen[i].go.sys - (double)seen[i].go.heap_sys;
        usage->times[usage->n] = study->times[i];
        usage->used[usage->n++] = study->heap.values[i] + fmax(other, 0);
    }
    usage->now = usage->peak = usage->used[usage->n - 1];
}

/* The heap of a Go program goes on to the collector's goal, whether anything leaks or not. */
static double next_peak(const struct ebb_study *study, double now)
{
    const struct ebb_go_stats *go = &study->evidence->observations.items[study->n - 1].go;
    double held = (double)go->sys - (double)go->heap_released;
    double goal = (double)go->next_gc + (double)go->sys - (double)go->heap_sys;
    return go->known && go->next_gc < UINT64_C(1) << 50 ? now + fmax(goal - held, 0) : now;
}

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
    if (!usage->limit)
        return;
    usage->now = usage->peak = (double)usage->limit->used_bytes;
    if (study->program.go && strcmp(usage->limit->source, "GOMEMLIMIT") != 0)
        usage->peak = next_peak(study, usage->now);
    else if (study->program.go && study->heap.known)
        read_go_usage(study, usage);
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

/* How much heap there is at its largest for each byte that is alive. */
static double heap_per_live(const struct ebb_study *study)
{
    const struct ebb_go_stats *go = &study->evidence->observations.items[study->n - 1].go;
    double gogc = go->gogc < 0 ? 100 : fmin(go->gogc, 400);
    return 1 + gogc / 100;
}

/* The growing groups and Ebb maps together: the pace of live memory and the best confidence. */
static struct pace live_pace(const struct ebb_study *study, double *confidence)
{
    struct pace pace = {.low = study->maps.interval[0], .high = study->maps.interval[1]};
    *confidence = study->maps.confidence;
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

/* Growth that slows down takes longer than a line says, growth that speeds up less long; by how much
 * the model tells, where there is no table whose doublings bend the course. */
static void bend(const struct usage *usage, const struct ebb_backing *table, double *first,
                 double *last)
{
    struct ebb_model model = ebb_model_fit(usage->times, usage->used, usage->n);
    if (table || !model.known || model.manner == EBB_MANNER_LINEAR)
        return;
    double interval[2];
    ebb_model_reach(&model, (double)usage->limit->limit_bytes - usage->now, interval);
    *first = fmin(*first, interval[0] * (1 - UNEVENNESS));
    if (model.manner == EBB_MANNER_SATURATING)
        *last = fmax(*last, interval[1]);
    else
        *last = fmax(fmin(*last, interval[1] * (1 + 2 * UNEVENNESS)), *first);
}

/* Why a limit is not reached, when what grows levels off below it. NULL: it does not. */
static const char *find_plateau(struct ebb_study *study, const struct usage *usage)
{
    struct ebb_model model = ebb_model_fit(usage->times, usage->used, usage->n);
    double level[2], limit = (double)usage->limit->limit_bytes;
    ebb_model_plateau(&model, level);
    if (!model.known || model.manner != EBB_MANNER_SATURATING || !(level[1] < 0.95 * limit) ||
        largest_table(study))
        return NULL;
    const char *why = ebb_arena_printf(
        &study->arena,
        "the growth slows down and will level off at about %s to %s, below the limit",
        ebb_bytes(level[0]).text, ebb_bytes(level[1]).text);
    if (!why)
        study->failed = true;
    return why;
}

static void bound(const struct ebb_study *study, const struct usage *usage, struct pace pace,
                  struct ebb_forecast *forecast)
{
    double used = usage->now, limit = (double)usage->limit->limit_bytes;
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
    double first = ebb_forecast_reach(usage->peak, limit, pace.high * (1 + UNEVENNESS),
                                      pace.acceleration, size, early, gap * 1.4, true);
    double last = ebb_forecast_reach(used, limit, fmax(pace.low, 0) * (1 - UNEVENNESS), 0, size,
                                     late, gap * 2.8, false);
    bend(usage, table, &first, &last);
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
    if (study->program.go && strcmp(usage.limit->source, "GOMEMLIMIT") != 0)
        pace.high = fmax(pace.high, live.high * heap_per_live(study));
    const char *plateau = find_plateau(study, &usage);
    if (plateau)
        return refuse(forecast, plateau);
    bound(study, &usage, pace, &forecast);
    if (!forecast.known)
        return refuse(forecast, "the growth is too slow to reach the limit");
    return forecast;
}
