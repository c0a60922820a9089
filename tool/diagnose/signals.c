/* The exact gauges: how many blocks live, how much anonymous memory the kernel sees, and whether
 * they climb steadily. See study.h.
 *
 * Under Go's collector the two say little: blocks are counted as freed when they are swept, memory
 * stays with the process, and both follow the collector's rhythm. What the collector found alive is
 * the gauge: right after a collection that was asked for it is all there is (HeapAlloc), and else it
 * follows from the goal that the pacer set by it, NextGC = live + (live + stacks + globals) ×
 * GOGC/100, unless the goal is the smallest there is (4 MiB × GOGC/100) or the memory limit's. */
#include "tool/diagnose/study.h"

#include <math.h>

/* What the last two of six troughs add to the rise of all: 0.4 of an even rise, less of a warm-up.
 */
static const double LAST_SHARE = 0.22;

/* Noise this small against the rise leaves the shape to be judged point by point. */
static const double CLEAN = 0.03;

/* A line through y, by least squares, and the standard error of its slope. What wanders without aim
 * looks like a trend to the usual formula, which takes deviations for independent: the error is
 * widened by their correlation from one look to the next, as for a first-order process. */
struct line {
    double slope, error;
};

static struct line fit_line(const double *x, const double *y, size_t n)
{
    double mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        mean_x += x[i] / (double)n;
        mean_y += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        xy += (x[i] - mean_x) * (y[i] - mean_y);
    }
    double slope = xx > 0 ? xy / xx : 0, squares = 0, neighbours = 0, before = 0;
    for (size_t i = 0; i < n; i++) {
        double deviation = y[i] - mean_y - slope * (x[i] - mean_x);
        squares += deviation * deviation;
        neighbours += deviation * before;
        before = deviation;
    }
    double correlation = squares > 0 ? fmin(fmax(neighbours / squares, 0), 0.9) : 0;
    double error = n > 2 && xx > 0 ? sqrt(squares / (double)(n - 2) / xx) : 0;
    return (struct line){slope, error * sqrt((1 + correlation) / (1 - correlation))};
}

/* The troughs climb all the time, well out of the noise, and where the noise lets one see it the
 * course is no curve and no step. */
static bool climbs(const struct ebb_course *course)
{
    bool clean = course->noise < CLEAN * course->net;
    return course->floor_rises >= 4 && course->floor_net > 4 * course->noise &&
           course->shape != EBB_SHAPE_STEP && course->shape != EBB_SHAPE_SAWTOOTH &&
           (!clean || course->shape == EBB_SHAPE_STEADY);
}

/* A slope that stands out, and does so no less in the second half. */
static bool is_straight(const double *x, const double *y, size_t n, double *rate)
{
    struct line whole = fit_line(x, y, n), late = fit_line(x + n / 2, y + n / 2, n - n / 2);
    *rate = whole.slope;
    return whole.slope > 4 * whole.error && late.slope > 2 * late.error &&
           late.slope + late.error >= 0.65 * whole.slope;
}

/* Looks at the whole window, and at its last three quarters alone, because a start-up may tower
 * over everything after it. */
void ebb_signal_judge(struct ebb_study *study, struct ebb_signal *signal)
{
    size_t n = study->n, skip = n / 4;
    signal->course = ebb_course(study->times, signal->values, n, 0);
    const struct ebb_course *whole = &signal->course;
    if (n >= 6 && climbs(whole) && whole->floor_last >= LAST_SHARE * whole->floor_net) {
        signal->steady = true;
        signal->rate = whole->net / study->span;
    } else if (n - skip >= 8) {
        const double *x = study->times + skip, *y = signal->values + skip;
        struct ebb_course part = ebb_course(x, y, n - skip, 0);
        double rate;
        signal->steady = (climbs(&part) || whole->floor_rises == 5) &&
                         part.shape != EBB_SHAPE_STEP && is_straight(x, y, n - skip, &rate);
        signal->rate = signal->steady ? rate : 0;
    }
}

/* What the collector's goal tells of Go's live heap; below 0: nothing. */
static double live_by_goal(const struct ebb_go_stats *now)
{
    static const double SMALLEST_GOAL = 4 << 20;
    double gogc = now->gogc < 0 ? 100 : now->gogc, goal = (double)now->next_gc;
    bool limited =
        now->gomemlimit != UINT64_MAX && (double)now->sys > 0.8 * (double)now->gomemlimit;
    bool smallest = goal <= SMALLEST_GOAL * gogc / 100 * 1.001;
    if (!now->known || gogc < 1 || gogc > 10000 || goal > 1e15 || limited || smallest)
        return -1;
    return goal / (1 + gogc / 100);
}

/* Looks that tell nothing repeat the one before, the first ones the first that tells. */
static void bridge(double *values, const bool *told, size_t n)
{
    size_t first = 0;
    while (first < n && !told[first])
        first++;
    for (size_t i = 0; i < n && first < n; i++)
        if (!told[i])
            values[i] = i < first ? values[first] : values[i - 1];
}

/* Whether collections were asked for at (nearly) every look; told[i]: at this one. */
static bool is_forced(const struct ebb_study *study, bool *told)
{
    const struct ebb_observation *seen = study->evidence->observations.items;
    size_t forced = 0;
    for (size_t i = 1; i < study->n; i++) {
        told[i] = seen[i].go.known && seen[i].go.num_forced_gc > seen[i - 1].go.num_forced_gc;
        forced += told[i];
    }
    return study->n > 2 && forced * 10 >= (study->n - 1) * 9;
}

/* Single looks that lie far off their neighbours say how that collection went, not what lives:
 * running medians of three, the last by Tukey's end rule (Exploratory Data Analysis, 1977, §7). */
static void smooth(double *values, size_t n)
{
    double before = values[0];
    for (size_t i = 1; i < n && n >= 4; i++) {
        double now = values[i], last = values[i - 1];
        double after = i + 1 < n ? values[i + 1] : 3 * last - 2 * values[i - 2];
        values[i] = fmax(fmin(before, now), fmin(fmax(before, now), after));
        before = now;
    }
}

/* Whether collections came between (nearly) all looks: then what was freed is counted as such. */
static bool is_collected(const struct ebb_study *study)
{
    const struct ebb_observation *seen = study->evidence->observations.items;
    size_t moved = 0;
    for (size_t i = 1; i < study->n; i++)
        moved += seen[i].go.known && seen[i].go.num_gc > seen[i - 1].go.num_gc;
    return study->n > 2 && moved * 10 >= (study->n - 1) * 9;
}

static void read_go(struct ebb_study *study)
{
    const struct ebb_observation *seen = study->evidence->observations.items;
    size_t n = study->n, count = 0;
    bool *told = ebb_study_alloc(study, n, sizeof *told);
    if (!told)
        return;
    bool forced = is_forced(study, told);
    for (size_t i = 0; i < n; i++) {
        double live = forced ? (double)seen[i].go.heap_alloc : live_by_goal(&seen[i].go);
        if (!forced)
            told[i] = live >= 0;
        count += told[i];
        study->heap.values[i] = live;
        study->blocks.values[i] = (double)seen[i].go.mallocs - (double)seen[i].go.frees;
    }
    study->heap_looks = count;
    study->heap.known = count >= 4 && count * 4 >= n * 3;
    bridge(study->heap.values, told, n);
    if (forced)
        bridge(study->blocks.values, told, n);
    else
        smooth(study->heap.values, n);
    study->blocks.known = forced || is_collected(study);
    if (seen[0].go.known && seen[n - 1].go.total_alloc >= seen[0].go.total_alloc)
        study->alloc_rate =
            (double)(seen[n - 1].go.total_alloc - seen[0].go.total_alloc) / study->span;
}

void ebb_signals_read(struct ebb_study *study)
{
    size_t n = study->n;
    const struct ebb_observation *seen = study->evidence->observations.items;
    study->blocks.values = ebb_study_alloc(study, n, sizeof(double));
    study->anonymous.values = ebb_study_alloc(study, n, sizeof(double));
    study->heap.values = ebb_study_alloc(study, n, sizeof(double));
    study->live = ebb_study_alloc(study, n, sizeof(double));
    if (study->failed)
        return;

    size_t memory_known = 0;
    bool ordered = true;
    for (size_t i = 0; i < n; i++) {
        study->live[i] = seen[i].live_bytes;
        study->blocks.values[i] = (double)seen[i].allocs - (double)seen[i].frees;
        ordered &= i == 0 || seen[i].allocs >= seen[i - 1].allocs;
        uint64_t anonymous = seen[i].memory.rss_anonymous;
        bool known = anonymous != UINT64_MAX && anonymous != 0;
        memory_known += known;
        /* The last look at a process that is gone finds no memory: it keeps what it had. */
        study->anonymous.values[i] = known   ? (double)anonymous
                                     : i > 0 ? study->anonymous.values[i - 1]
                                             : 0;
    }
    /* A history made from what survived has no counts of its own. */
    study->blocks.known =
        !study->evidence->reconstructed && ordered && seen[n - 1].allocs > seen[0].allocs;
    study->anonymous.known = memory_known + 1 >= n && study->anonymous.values[0] > 0;
    if (seen[n - 1].alloc_bytes >= seen[0].alloc_bytes)
        study->alloc_rate = (double)(seen[n - 1].alloc_bytes - seen[0].alloc_bytes) / study->span;
    if (study->program.go)
        read_go(study);
    if (study->blocks.known)
        ebb_signal_judge(study, &study->blocks);
    if (study->anonymous.known)
        ebb_signal_judge(study, &study->anonymous);
    if (study->heap.known)
        ebb_signal_judge(study, &study->heap);
    /* A heap that is smaller than the smallest goal tells nothing; what the kernel sees of it does. */
    study->bytes = study->heap.known ? &study->heap : &study->anonymous;
}
