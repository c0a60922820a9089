/* The figures of one group over the window. See study.h.
 *
 * Retained blocks are the heart of it. Of the blocks born within the window those that live at its
 * end are known with their birth times (survivors). Let S(t) be the number of survivors born before
 * t and l(t) the number of blocks alive at t: l(t) − S(t) of them were to die before the end. Short
 * lives show in it at all times alike, right up to the end; that level is the churn. What died
 * beyond the churn is `lost`: memory from before that was given back. A leak has survivors of all
 * ages and loses nothing; a cache that replaces its entries loses what it gains; a saw-tooth has no
 * survivors from before its last fall. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/study.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_BLOCK = 64 << 10 };

/* Blocks younger than this part of the window may be churn that has not died yet. */
static const double YOUNG_PART = 1.0 / 15;

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* ---- sums over the series ---- */

/* What a line of Go makes for the moment, beside what its function keeps: a collection finds none of
 * it. Its deaths say nothing of what is kept. */
static bool is_passing(const struct ebb_study *study, const struct ebb_track *track)
{
    return study->program.go && track->samples_first <= 0 && track->samples_last <= 0;
}

/* Tables of Go's maps, and what a pool makes anew: they have patterns of their own. */
static bool is_made_by_runtime(const struct ebb_study *study, const struct ebb_series *series)
{
    const struct ebb_container *container = study->places[series->stack].container;
    return container == &ebb_go_map || container == &ebb_go_pool;
}

static void add_series(const struct ebb_study *study, struct ebb_group *group, uint32_t index)
{
    const struct ebb_series *series = &study->evidence->series.items[index];
    const struct ebb_track *track = &study->tracks[index];
    double *part = track->table ? group->tables : group->nodes;
    bool large = track->block_bytes >= LARGE_BLOCK && !is_made_by_runtime(study, series);
    double first_allocated = 0, first_created = 0, live_sum = 0;
    size_t next = 0;
    const struct ebb_point *now = NULL;
    for (size_t i = 0; i < study->n; i++) {
        while (next < series->points.len && series->points.items[next].observation <= i)
            now = &series->points.items[next++];
        if (!now)
            continue;
        group->live[i] += now->live_bytes;
        group->objects[i] += now->live_objects;
        group->allocated[i] += now->alloc_bytes;
        group->created[i] += now->alloc_objects;
        group->samples[i] += (double)(now->alloc_samples - now->free_samples);
        part[i] += now->live_bytes;
        live_sum += now->live_bytes;
        if (i == 0) {
            first_allocated = now->alloc_bytes;
            first_created = now->alloc_objects;
        }
    }
    if (now && large) {
        group->allocated_large += now->alloc_bytes - first_allocated;
        group->created_large += now->alloc_objects - first_created;
        group->live_large += live_sum / (double)study->n;
    }
    group->births += track->births;
    if (!is_passing(study, track))
        group->deaths += track->deaths;
    group->event_bytes += track->event_bytes * (track->births + 1e-9);
    group->ended_threads += track->ended;
    const struct ebb_place *place = &study->places[series->stack];
    if (study->program.go && place->role == EBB_ROLE_CREATE && place->container &&
        place->container->kind == EBB_CONTAINER_MAP) {
        group->made += track->net_objects;
        group->made_samples += track->samples_last - track->samples_first;
    }
    if (!track->table && series->kind == EBB_KIND_MMAP)
        group->arenas += track->net_bytes;
    else if (!track->table)
        group->entry_objects = fmax(group->entry_objects, track->net_objects);
    double freed = study->survivors_known ? fmax(track->samples_first - track->old_survivors, 0)
                                          : fmin(track->deaths, track->samples_first);
    double born = study->survivors_known ? track->new_survivors
                                         : fmax(track->samples_last - track->samples_first, 0);
    group->sampling_variance +=
        ebb_sampling_variance(born + freed, track->event_bytes, track->weight);
}

/* A Go map's tables die because it grows: each gives way to one of twice its size, which counts twice
 * among samples, or splits in two. So as much of them dies as is born beyond what dies, give or take
 * so many standard errors; what dies besides was emptied or dropped. */
static double count_outgrown(const struct ebb_study *study, const struct ebb_group *group,
                             double errors)
{
    double deaths = 0, births = 0;
    if (!study->program.go || !group->container || group->container->kind != EBB_CONTAINER_MAP)
        return 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (!track->table || is_passing(study, track))
            continue;
        deaths += track->deaths;
        births += track->births;
    }
    double error = sqrt(2 * (births + deaths)); /* of births - 2 deaths, at (births + deaths) / 3 */
    return fmax(fmin(deaths, births - deaths + errors * error), 0);
}

/* Distinct lines of the user's own code that retain blocks. */
static unsigned count_growing_lines(const struct ebb_study *study, const struct ebb_group *group)
{
    struct {
        const char *function;
        int64_t line;
        const struct ebb_frame *frame;
    } seen[16];
    unsigned count = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        uint32_t stack = study->evidence->series.items[group->series[i]].stack;
        if (track->table || track->net_objects <= 0 || track->net_bytes <= 0)
            continue;
        const struct ebb_frame *frame =
            &study->evidence->stacks.items[stack].frames[study->places[stack].site];
        unsigned at = 0;
        while (at < count &&
               !(strcmp(seen[at].function, frame->function) == 0 && seen[at].line == frame->line &&
                 (frame->line || seen[at].frame == frame)))
            at++;
        if (at == count && count < 16) {
            seen[count].function = frame->function;
            seen[count].line = frame->line;
            seen[count++].frame = frame;
        }
    }
    return count;
}

/* ---- retained blocks ---- */

/* The value at a time, between two looks in proportion. */
static double level_at(const struct ebb_study *study, const double *values, double time)
{
    for (size_t i = 1; i < study->n; i++) {
        double width = study->times[i] - study->times[i - 1];
        if (study->times[i] >= time && width > 0)
            return values[i - 1] +
                   (values[i] - values[i - 1]) * (time - study->times[i - 1]) / width;
    }
    return values[study->n - 1];
}

/* Without survivors the counts of live blocks must do: what a third added counts as retained, what
 * it took away as lost. */
static void retained_from_counts(const struct ebb_study *study, struct ebb_group *group)
{
    double before = group->samples[0], mean = group->event_bytes;
    for (int third = 0; third < 3; third++) {
        double level = level_at(study, group->samples, study->span * (third + 1) / 3);
        double change = level - before;
        before = level;
        group->retained_thirds[third] = fmax(change, 0);
        group->retained += fmax(change, 0);
        group->lost += fmax(-change, 0);
    }
    for (size_t i = 1; i < study->n; i++)
        if (group->retained > 0)
            group->concentration =
                fmax(group->concentration,
                     (group->samples[i] - group->samples[i - 1]) / group->retained);
    /* Births and deaths that balance leave the number to chance, as far as there is any to lose. */
    double level = 0;
    for (size_t i = 0; i < study->n; i++)
        level += group->samples[i] / (double)study->n;
    double outgrown = count_outgrown(study, group, 0);
    double replaced = group->births + group->deaths - 2 * outgrown;
    group->wander = fmax(fmin(replaced, 2 * level) - group->retained - group->lost, 0);
    if (group->deaths - outgrown < 1)
        group->wander = 0;
    group->retained_bytes = group->retained * mean;
    group->retained_objects = fmax(ebb_study_net(study, group->objects), 0);
    group->gain = group->retained - group->lost;
}

/* How many of `births` (ascending) lie within the busiest tenth of the window. */
static double busiest_tenth(const double *births, size_t count, double span)
{
    size_t most = 0;
    for (size_t first = 0, last = 0; last < count; last++) {
        while (births[last] - births[first] > span / 10)
            first++;
        if (last - first + 1 > most)
            most = last - first + 1;
    }
    return (double)most;
}

/* Mean of the group's samples over the observations of [from, to], in seconds. */
static double mean_between(const struct ebb_study *study, const double *values, double from,
                           double to)
{
    double sum = 0, count = 0;
    for (size_t i = 0; i < study->n; i++) {
        if (study->times[i] >= from && study->times[i] <= to) {
            sum += values[i];
            count++;
        }
    }
    return count > 0 ? sum / count : values[study->times[study->n - 1] <= from ? study->n - 1 : 0];
}

static void retained_from_survivors(struct ebb_study *study, struct ebb_group *group)
{
    double span = study->span, scale = study->survivor_scale, old = 0;
    size_t count = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        count +=
            study->survivors_start[group->series[i] + 1] - study->survivors_start[group->series[i]];
        old += track->old_survivors;
    }
    double *births = ebb_study_alloc(study, count + 1, sizeof *births);
    double *doomed = ebb_study_alloc(study, study->n, sizeof *doomed);
    if (!births || !doomed)
        return;

    size_t used = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        uint32_t series = group->series[i];
        for (uint32_t s = study->survivors_start[series]; s < study->survivors_start[series + 1];
             s++) {
            double age = study->evidence->survivors.items[study->survivors[s]].age_s;
            group->oldest_s = fmax(group->oldest_s, age);
            if (age < span && used < count)
                births[used++] = span - age;
        }
    }
    qsort(births, used, sizeof *births, compare_doubles);

    size_t born = 0;
    for (size_t i = 0; i < study->n; i++) {
        while (born < used && births[born] <= study->times[i])
            born++;
        doomed[i] = fmax(group->samples[i] - old - (double)born * scale, 0);
    }
    double young = span * YOUNG_PART;
    group->churn = mean_between(study, doomed, span * 0.75, span - young);
    group->lost = fmax(mean_between(study, doomed, 0, span / 3) - group->churn, 0);
    if (group->churn < 0.5)
        young = 0;

    /* The survivors that are old enough to count, with what they stand for. */
    for (size_t i = 0; i < group->series_count; i++) {
        uint32_t series = group->series[i];
        const struct ebb_track *track = &study->tracks[series];
        for (uint32_t s = study->survivors_start[series]; s < study->survivors_start[series + 1];
             s++) {
            const struct ebb_survivor *survivor =
                &study->evidence->survivors.items[study->survivors[s]];
            double birth = span - survivor->age_s;
            if (survivor->age_s >= span || survivor->age_s < young)
                continue;
            group->retained += scale;
            group->retained_bytes += scale * track->event_bytes;
            group->retained_objects += scale * track->weight;
            group->retained_thirds[birth < span / 3 ? 0 : birth < span * 2 / 3 ? 1 : 2] += scale;
        }
    }
    if (young > 0) {
        double added = group->retained_thirds[2] * (span / 3 / (span / 3 - young) - 1);
        group->retained_thirds[2] += added;
    }
    size_t mature = 0;
    while (mature < used && births[mature] <= span - young)
        mature++;
    if (mature > 0)
        group->concentration = busiest_tenth(births, mature, span) / (double)mature;

    /* Two views of what the window added, each blind in one eye: survivors less losses, and the
     * level at the end less that at the start. */
    double levels = mean_between(study, group->samples, span * 5 / 6, span) -
                    mean_between(study, group->samples, 0, span / 6);
    group->gain = fmin(group->retained - group->lost, levels * 6 / 5);
}

/* ---- the table ---- */

/* Whether tables of this size are made again and again and thrown away: whichever is alive at a look
 * was caught in passing. One that grows has each size once. */
static bool is_remade(const struct ebb_study *study, uint32_t index)
{
    const struct ebb_series *series = &study->evidence->series.items[index];
    uint64_t most = 0;
    for (size_t i = 0; i < series->points.len; i++) {
        const struct ebb_point *point = &series->points.items[i];
        if (point->alloc_samples - point->free_samples > most)
            most = point->alloc_samples - point->free_samples;
    }
    return study->tracks[index].births > 3.0 * (double)most + 3;
}

/* Size of the largest table alive at each observation, 0 before the first. A table that sampling
 * missed leaves its predecessor standing. */
static double *trace_table(struct ebb_study *study, struct ebb_group *group)
{
    double *largest = ebb_study_alloc(study, study->n, sizeof *largest);
    if (!largest)
        return NULL;
    struct ebb_backing *table = &group->table;
    for (size_t k = 0; k < group->series_count; k++) {
        uint32_t index = group->series[k];
        const struct ebb_series *series = &study->evidence->series.items[index];
        if (!study->tracks[index].table || study->places[series->stack].part)
            continue;
        bool passing = !study->program.go && is_remade(study, index);
        size_t next = 0;
        const struct ebb_point *now = NULL;
        for (size_t i = 0; i < study->n; i++) {
            while (next < series->points.len && series->points.items[next].observation <= i)
                now = &series->points.items[next++];
            bool alive = now && now->alloc_samples > now->free_samples && now->live_objects > 0;
            if (alive && !passing)
                largest[i] = fmax(largest[i], now->live_bytes / now->live_objects);
            if (alive && i == 0)
                table->live_first += now->live_objects;
        }
        if (now && now->alloc_samples > now->free_samples) {
            table->live += now->live_objects;
            table->live_samples += (double)(now->alloc_samples - now->free_samples);
            if (!passing && now->live_bytes / now->live_objects > table->size) {
                table->size = now->live_bytes / now->live_objects;
                table->realloc = series->kind == EBB_KIND_REALLOC;
            }
        }
    }
    for (size_t i = 1; i < study->n; i++)
        if (largest[i] == 0)
            largest[i] = largest[i - 1];
    return largest;
}

/* A Swiss map's tables are as good as full at the same time, so that their sum doubles like one
 * table; but it is a sum of samples, and goes up by stairs of its own that mean nothing. Replaces
 * `largest` by the stairs that do, when the sum is larger and known well enough: what it is at the
 * end, half of that, a quarter and so on, each from when it is as good as reached. Tells whether it
 * did. */
static bool trace_parts(struct ebb_study *study, struct ebb_group *group, double *largest)
{
    enum { LEAST_SAMPLES = 9 };
    double *sum = ebb_study_alloc(study, study->n, sizeof *sum), samples = 0;
    if (!sum)
        return false;
    for (size_t k = 0; k < group->series_count; k++) {
        uint32_t index = group->series[k];
        const struct ebb_series *series = &study->evidence->series.items[index];
        if (!study->places[series->stack].part)
            continue;
        samples += study->tracks[index].samples_last;
        for (size_t i = 0; i < study->n; i++) {
            ptrdiff_t at = ebb_point_at(series, (uint32_t)i);
            sum[i] += at < 0 ? 0 : series->points.items[at].live_bytes;
        }
    }
    size_t n = study->n;
    if (samples < LEAST_SAMPLES || sum[n - 1] <= largest[n - 1])
        return false;
    double end = sum[n - 1], level = fmax(sum[0], end * 2 / samples);
    for (size_t i = 0; i < n; i++) {
        double seen = i + 1 < n ? fmin(sum[i], sum[i + 1]) : end, step = end;
        while (step > level && seen < 0.85 * step)
            step /= 2;
        level = fmax(level, step);
        largest[i] = level;
    }
    group->table.size = level;
    return true;
}

/* How the memory of larger tables became resident: what the kernel saw from the look before such a
 * table to the look after, against what was added. */
static void judge_filling(const struct ebb_study *study, struct ebb_backing *table,
                          const double *largest)
{
    static const double TELLING = 1 << 20;
    double added = 0, seen = 0;
    for (size_t i = 1; i + 1 < study->n; i++) {
        if (largest[i] - largest[i - 1] < TELLING || largest[i - 1] == 0)
            continue;
        added += largest[i] - largest[i - 1];
        seen += study->anonymous.values[i + 1] - study->anonymous.values[i - 1];
    }
    if (!study->anonymous.known || added == 0)
        return;
    if (seen >= 0.65 * added && seen <= 2 * added)
        table->filled = EBB_FILLED_AT_ONCE;
    else if (seen >= 0 && seen <= 0.35 * added)
        table->filled = EBB_FILLED_BY_AND_BY;
}

/* When a table of many parts rose last, by samples, is known to some seconds. Where it makes most of
 * what Go's collector found, and that went on to rise by a good part of the table's size, it was then.
 */
static void time_last_rise(const struct ebb_study *study, struct ebb_backing *table)
{
    const double *heap = study->heap.values;
    size_t n = study->n, i = 0;
    if (!study->heap.known)
        return;
    while (i + 1 < n && study->times[i] < table->last_rise_s)
        i++;
    double risen = heap[n - 1] - heap[0], after = heap[n - 1] - heap[i];
    if (table->size - table->first_size < 0.5 * risen || after < 0.25 * table->size)
        return;
    while (i + 1 < n && heap[i] < heap[n - 1] - 0.1 * after)
        i++;
    table->last_rise_s = study->times[i];
}

/* Go's samples are as of a collection before the look, so that a rise may be seen a look late. What
 * the collector found alive is exact: where a table makes most of its rise, and it has stood still
 * since before the table was last seen to rise, the table had risen by then. The rise before that may
 * have been a look earlier too: the gap is the longest that agrees with both. */
static void settle_by_heap(const struct ebb_study *study, struct ebb_backing *table,
                           size_t before_last)
{
    const double *heap = study->heap.values;
    size_t last = study->n - 1, i = 0;
    double still = 0.1 * table->size;
    if (study->heap_looks < 4 || table->size - table->first_size < 0.5 * (heap[last] - heap[0]))
        return;
    while (i < last && study->times[i] < table->last_rise_s)
        i++;
    size_t seen = i;
    while (i > 0 && fabs(heap[i - 1] - heap[last]) <= still)
        i--;
    for (size_t later = i; later < last; later++)
        if (fabs(heap[later] - heap[last]) > still)
            return;
    if (i == 0 || i == seen)
        return;
    double since = before_last > 0 ? study->times[before_last - 1] : 0;
    table->last_rise_s = study->times[i];
    table->last_gap_s = fmax(table->last_rise_s - since, 0);
}

static void measure_table(struct ebb_study *study, struct ebb_group *group)
{
    struct ebb_backing *table = &group->table;
    double *largest = trace_table(study, group);
    bool parts = largest && study->program.go && trace_parts(study, group, largest);
    if (!largest || table->size <= 0)
        return;
    table->last_gap_s = 0;
    double reference = 0, at_two_thirds = 0, dropped = 0, highest = 0;
    size_t before_last = 0, last = 0; /* rises */
    for (size_t i = 0; i < study->n; i++) {
        if (table->first_size == 0)
            table->first_size = reference = largest[i];
        if (study->times[i] <= study->span * 2 / 3)
            at_two_thirds = largest[i];
        if (i > 0 && largest[i] < 0.6 * largest[i - 1])
            dropped = fmax(dropped, largest[i - 1]);
        bool rises = i > 0 && highest > 0 && largest[i] > highest * 1.01;
        highest = fmax(highest, largest[i]);
        if (!rises) /* up to where it has been is no rise: one map was dropped, another filled */
            continue;
        table->rises++;
        if (largest[i] >= reference * 1.33) {
            table->doublings++;
            reference = largest[i];
        }
        before_last = last;
        last = i;
    }
    table->last_rise_s = study->times[last];
    judge_filling(study, table, largest);
    if (parts && table->rises >= 2)
        time_last_rise(study, table);
    double rise = table->size - table->first_size;
    table->last_gap_s = table->last_rise_s - study->times[before_last];
    if (study->program.go && table->rises >= 2)
        settle_by_heap(study, table, before_last);
    table->steady_share = rise > 0 ? (table->size - at_two_thirds) / rise : 0;

    /* A table that doubles under even load doubles after twice the time it took the last time. When
     * that is long past, the load has ended. Many small rises must go on to the end. */
    double wait = study->span - table->last_rise_s, resolution = study->span / (double)study->n;
    if (rise <= 0 || table->size < group->tables[study->n - 1] / 1e9)
        return;
    /* One as large as this was dropped before: batches, each with a table of its own. */
    if (table->size <= 1.5 * dropped)
        return;
    if (table->rises > table->doublings * 2 && table->rises >= 6)
        table->growing = table->steady_share >= 0.16;
    else if (table->rises >= 2)
        table->growing = wait <= 2.5 * table->last_gap_s + resolution;
    else
        table->growing = table->rises == 1 && table->last_rise_s > study->span / 2;
}

int ebb_group_alloc(struct ebb_study *study, struct ebb_group *group)
{
    double **arrays[] = {&group->live,    &group->objects, &group->allocated, &group->created,
                         &group->samples, &group->nodes,   &group->tables};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = ebb_study_alloc(study, study->n, sizeof(double));
    return study->failed ? -ENOMEM : 0;
}

void ebb_group_measure(struct ebb_study *study, struct ebb_group *group)
{
    if (ebb_group_alloc(study, group) < 0)
        return;
    for (size_t i = 0; i < group->series_count; i++)
        add_series(study, group, group->series[i]);
    group->outgrown = count_outgrown(study, group, 1.65);
    group->event_bytes /= group->births + 1e-9 * (double)group->series_count;
    if (study->survivors_known)
        retained_from_survivors(study, group);
    else
        retained_from_counts(study, group);
    if (study->failed)
        return;
    double noise = group->event_bytes * sqrt(group->churn);
    group->course = ebb_course(study->times, group->live, study->n, noise);
    group->growing_lines = count_growing_lines(study, group);
    measure_table(study, group);
}
