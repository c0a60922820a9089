/* One series at a time: what happened to it within the window, and whether it looks like a table
 * that is replaced by larger ones. See study.h. */
#include "tool/diagnose/study.h"

#include <math.h>
#include <stdlib.h>

/* Four size classes per doubling: a table that doubles leaves gaps of four, one that grows by
 * three quarters leaves three. Strings and nodes of mixed sizes leave no such gaps. */
enum { LADDER_GAP = 3, LADDER_RUNGS = 3 };
/* realloc also trims texts to their length; those are entries. */
enum { SMALLEST_TABLE = 1024 };

static void read_points(const struct ebb_study *study, const struct ebb_series *series,
                        struct ebb_track *track)
{
    ptrdiff_t last = ebb_point_at(series, (uint32_t)study->n - 1);
    if (last < 0)
        return;
    const struct ebb_point *end = &series->points.items[last];
    ptrdiff_t first = ebb_point_at(series, 0);
    static const struct ebb_point nothing;
    const struct ebb_point *start = first < 0 ? &nothing : &series->points.items[first];
    if (end->alloc_samples > 0) {
        track->event_bytes = end->alloc_bytes / (double)end->alloc_samples;
        track->weight = fmax(end->alloc_objects / (double)end->alloc_samples, 1);
        track->block_bytes = track->event_bytes / track->weight;
    }
    track->births = (double)(end->alloc_samples - start->alloc_samples);
    track->deaths = (double)(end->free_samples - start->free_samples);
    track->samples_first = (double)(start->alloc_samples - start->free_samples);
    track->samples_last = (double)(end->alloc_samples - end->free_samples);
    track->net_bytes = end->live_bytes - start->live_bytes;
    track->net_objects = end->live_objects - start->live_objects;
}

/* Counts the survivors of each series and lists them by series (a counting sort). */
static void count_survivors(struct ebb_study *study)
{
    const struct ebb_evidence *evidence = study->evidence;
    size_t serieses = evidence->series.len;
    uint32_t *start = study->survivors_start =
        ebb_study_alloc(study, serieses + 2, sizeof *study->survivors_start);
    study->survivors = ebb_study_alloc(study, evidence->survivors.len + 1, sizeof(uint32_t));
    if (study->failed)
        return;
    for (size_t i = 0; i < evidence->survivors.len; i++)
        if (evidence->survivors.items[i].series < serieses)
            start[evidence->survivors.items[i].series + 2]++;
    for (size_t i = 2; i < serieses + 2; i++)
        start[i] += start[i - 1];
    for (size_t i = 0; i < evidence->survivors.len; i++) {
        const struct ebb_survivor *survivor = &evidence->survivors.items[i];
        if (survivor->series >= serieses)
            continue;
        study->survivors[start[survivor->series + 1]++] = (uint32_t)i;
        struct ebb_track *track = &study->tracks[survivor->series];
        if (survivor->age_s < study->span)
            track->new_survivors += study->survivor_scale;
        else
            track->old_survivors += study->survivor_scale;
        track->ended += (survivor->flags & EBB_SAMPLE_THREAD_ENDED) != 0;
    }
}

struct rung {
    uint32_t stack, series;
    uint16_t size_class;
};

static int compare_rungs(const void *left, const void *right)
{
    const struct rung *a = left, *b = right;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    return (int)a->size_class - (int)b->size_class;
}

/* The rungs of one stack, by size. A ladder: wide gaps all the way, and what lies below the top was
 * freed again, most of it at least.
 *
 * Go's slices grow by a quarter when they are large, which leaves no gaps, and Go 1.19 does not show
 * the function that makes them grow: there each size must have come up hardly more than once. */
static void judge_ladder(struct ebb_study *study, const struct rung *rungs, size_t count)
{
    bool slice = study->program.go && !study->places[rungs[0].stack].exact;
    if (count < LADDER_RUNGS || rungs[count - 1].size_class < 33 /* 4 KiB */)
        return;
    double born = 0, alive = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        if (rungs[i + 1].size_class - rungs[i].size_class < (slice ? 1 : LADDER_GAP))
            return;
        const struct ebb_series *series = &study->evidence->series.items[rungs[i].series];
        const struct ebb_point *end = &series->points.items[series->points.len - 1];
        born += (double)end->alloc_samples;
        alive += (double)(end->alloc_samples - end->free_samples);
    }
    if (alive > born / 2 || (slice && born > 2 * (double)count))
        return;
    for (size_t i = 0; i < count; i++)
        study->tracks[rungs[i].series].table = true;
}

/* Where sampling missed a rung, two tell as well: one block each, the larger a power of two times
 * the smaller, which was freed by then. */
static void judge_pair(struct ebb_study *study, const struct rung *rungs)
{
    const struct ebb_track *small = &study->tracks[rungs[0].series];
    const struct ebb_track *large = &study->tracks[rungs[1].series];
    const struct ebb_series *first = &study->evidence->series.items[rungs[0].series];
    const struct ebb_series *second = &study->evidence->series.items[rungs[1].series];
    double doublings = log2(large->block_bytes / fmax(small->block_bytes, 1));
    bool in_order = first->points.items[0].observation <= second->points.items[0].observation;
    bool single = small->births + small->samples_first == 1 && small->samples_last == 0 &&
                  large->births + large->samples_first == 1 && large->samples_last == 1;
    if (single && in_order && small->block_bytes >= 4096 && doublings > 0.9 &&
        fabs(doublings - round(doublings)) < 0.05)
        study->tracks[rungs[0].series].table = study->tracks[rungs[1].series].table = true;
}

static void find_ladders(struct ebb_study *study)
{
    size_t count = study->evidence->series.len, used = 0;
    struct rung *rungs = ebb_study_alloc(study, count, sizeof *rungs);
    if (!rungs)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[i];
        if (!study->tracks[i].ignored && series->points.len > 0 && series->kind == EBB_KIND_MALLOC)
            rungs[used++] = (struct rung){series->stack, (uint32_t)i, series->size_class};
    }
    qsort(rungs, used, sizeof *rungs, compare_rungs);
    for (size_t i = 0, next; i < used; i = next) {
        for (next = i; next < used && rungs[next].stack == rungs[i].stack; next++)
            ;
        if (next - i == 2 && !study->program.go)
            judge_pair(study, rungs + i);
        else
            judge_ladder(study, rungs + i, next - i);
    }
}

/* The exact totals are those of the malloc family; what the program maps directly comes on top, as
 * it does in live memory. */
static void add_mappings(struct ebb_study *study)
{
    for (size_t i = 0; i < study->evidence->series.len; i++) {
        const struct ebb_track *track = &study->tracks[i];
        if (study->evidence->series.items[i].kind == EBB_KIND_MMAP && !track->ignored)
            study->alloc_rate += track->births * track->event_bytes / study->span;
    }
}

void ebb_tracks_read(struct ebb_study *study)
{
    const struct ebb_evidence *evidence = study->evidence;
    study->places = ebb_study_alloc(study, evidence->stacks.len, sizeof *study->places);
    study->tracks = ebb_study_alloc(study, evidence->series.len, sizeof *study->tracks);
    if (study->failed)
        return;
    study->runtime_shown = evidence->runtime_named;
    for (size_t i = 0; i < evidence->stacks.len; i++)
        study->places[i] = ebb_place_stack(&evidence->stacks.items[i], &study->program);
    for (size_t i = 0; i < evidence->series.len; i++) {
        const struct ebb_series *series = &evidence->series.items[i];
        struct ebb_track *track = &study->tracks[i];
        if (series->kind != EBB_KIND_THREAD && series->stack < evidence->stacks.len)
            study->runtime_shown |= study->places[series->stack].exact;
        if (series->stack >= evidence->stacks.len ||
            evidence->stacks.items[series->stack].depth == 0) {
            track->ignored = true;
            continue;
        }
        const struct ebb_place *place = &study->places[series->stack];
        /* What an allocator maps for itself is what the program asked it for, seen twice. */
        track->ignored = (series->kind == EBB_KIND_MMAP && place->allocator_own) || place->visit ||
                         place->nobody;
        read_points(study, series, track);
        bool entry = place->container && place->role == EBB_ROLE_NODE;
        track->table = place->role == EBB_ROLE_TABLE || (place->grow_word && !entry) ||
                       (series->kind == EBB_KIND_REALLOC && track->block_bytes >= SMALLEST_TABLE);
    }
    add_mappings(study);
    count_survivors(study);
    if (!study->failed)
        find_ladders(study);
}
