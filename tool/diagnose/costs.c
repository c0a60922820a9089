/* Where processor time goes, as far as it tells something of memory: places that clear maps, and
 * the collector. See study.h.
 *
 * A function and the closures in it are one place. Whoever took the profile shows in it too and is
 * left out, and so is what the collector does with time that nobody else wanted. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/study.h"

#include <stdlib.h>
#include <string.h>

/* Less of the program's time than this is not worth a word. */
static const double LEAST_SHARE = 0.02;

struct spot {
    uint32_t stack;
    size_t family; /* length of the name that stands for the place */
    enum ebb_labour labour;
    double seconds;
};

struct spots EBB_VEC(struct spot);

static const char *function_of(const struct ebb_study *study, uint32_t stack)
{
    return study->evidence->stacks.items[stack].frames[study->places[stack].site].function;
}

static bool is_same_place(const struct ebb_study *study, const struct spot *a, const struct spot *b)
{
    return a->family == b->family &&
           strncmp(function_of(study, a->stack), function_of(study, b->stack), a->family) == 0;
}

/* Adds a sample to the totals; false when it says nothing of a place. */
static bool count(struct ebb_study *study, const struct ebb_cost_sample *sample, struct spot *spot)
{
    const struct ebb_evidence_stack *stack = &study->evidence->stacks.items[sample->stack];
    const struct ebb_place *place = &study->places[sample->stack];
    if (stack->depth == 0 || place->visit)
        return false;
    *spot = (struct spot){.stack = sample->stack, .seconds = sample->seconds};
    spot->labour = ebb_go_labour(stack, place->site);
    spot->family = ebb_go_family(function_of(study, sample->stack));
    if (spot->labour == EBB_LABOUR_COLLECT_IDLE)
        return false;
    study->cpu.all += sample->seconds;
    if (spot->labour == EBB_LABOUR_COLLECT || spot->labour == EBB_LABOUR_COLLECT_ASSIST)
        study->cpu.collect += sample->seconds;
    if (spot->labour == EBB_LABOUR_COLLECT_ASSIST)
        study->cpu.assist += sample->seconds;
    if (spot->labour == EBB_LABOUR_INSERT)
        study->cpu.insert += sample->seconds;
    return !place->nobody && spot->labour < EBB_LABOUR_COLLECT;
}

const char *ebb_group_keys(const struct ebb_study *study, const struct ebb_group *group)
{
    const char *keys = NULL;
    for (size_t i = 0; i < group->series_count && !keys; i++) {
        uint32_t stack = study->evidence->series.items[group->series[i]].stack;
        keys = ebb_go_map_keys(&study->evidence->stacks.items[stack], study->places[stack].site);
    }
    return keys;
}

/* Remembers what went into maps and out of them, and what else was done, when it is known when. */
static void remember(struct ebb_study *study, const struct ebb_cost_sample *sample,
                     const struct spot *spot)
{
    struct ebb_move move = {.stack = spot->stack,
                            .seconds = spot->seconds,
                            .from_s = sample->from_s,
                            .to_s = sample->to_s};
    if (spot->labour == EBB_LABOUR_INSERT)
        move.kind = EBB_MOVE_IN;
    else if (spot->labour == EBB_LABOUR_DELETE || spot->labour == EBB_LABOUR_SYNC_DELETE)
        move.kind = EBB_MOVE_OUT;
    else if (spot->labour == EBB_LABOUR_CLEAR)
        move.kind = EBB_MOVE_CLEAR;
    else if (spot->labour == EBB_LABOUR_ITERATE || spot->labour == EBB_LABOUR_ITERATE_BEGIN ||
             spot->labour == EBB_LABOUR_ITERATE_EMPTY)
        move.kind = EBB_MOVE_WALK;
    else if (spot->labour == EBB_LABOUR_NONE)
        move.kind = EBB_MOVE_OTHER;
    else
        return;
    const char *keys = ebb_go_map_keys(&study->evidence->stacks.items[spot->stack],
                                       study->places[spot->stack].site);
    move.keys = keys ? keys : "";
    if (sample->to_s > sample->from_s && ebb_vec_push(&study->moves, move) < 0)
        study->failed = true;
}

static void add(const struct ebb_study *study, struct ebb_hot *hot, const struct spot *spot)
{
    double *const part[] = {[EBB_LABOUR_CLEAR] = &hot->clear,
                            [EBB_LABOUR_DELETE] = &hot->remove,
                            [EBB_LABOUR_ITERATE_BEGIN] = &hot->iterate,
                            [EBB_LABOUR_ITERATE] = &hot->iterate,
                            [EBB_LABOUR_ITERATE_EMPTY] = &hot->iterate,
                            [EBB_LABOUR_NONE] = &hot->other,
                            [EBB_LABOUR_INSERT] = &hot->insert,
                            [EBB_LABOUR_SYNC_VISIT] = &hot->sync_iterate,
                            [EBB_LABOUR_SYNC_DELETE] = &hot->sync_remove,
                            [EBB_LABOUR_SYNC_ITERATE] = &hot->sync_iterate};
    *part[spot->labour] += spot->seconds;
    if (spot->labour == EBB_LABOUR_ITERATE_EMPTY)
        hot->iterate_empty += spot->seconds;
    if (spot->labour == EBB_LABOUR_ITERATE_BEGIN)
        hot->iterate_begin += spot->seconds;
    hot->sync_walks |= spot->labour == EBB_LABOUR_SYNC_ITERATE ||
                       spot->labour == EBB_LABOUR_SYNC_VISIT ||
                       (spot->labour == EBB_LABOUR_SYNC_DELETE &&
                        ebb_go_visits_sync_map(&study->evidence->stacks.items[spot->stack],
                                               study->places[spot->stack].site));
}

/* What others waited for a lock that is let go in this place. */
static double waited_for(const struct ebb_study *study, const struct spot *place)
{
    double seconds = 0;
    for (size_t i = 0; i < study->evidence->costs.len; i++) {
        const struct ebb_cost_sample *sample = &study->evidence->costs.items[i];
        if (sample->kind != EBB_COST_MUTEX || sample->stack >= study->evidence->stacks.len ||
            study->evidence->stacks.items[sample->stack].depth == 0)
            continue;
        struct spot spot = {.stack = sample->stack};
        spot.family = ebb_go_family(function_of(study, sample->stack));
        if (is_same_place(study, place, &spot))
            seconds += sample->seconds;
    }
    return seconds;
}

/* The stack that speaks for a place: removing tells more than walking. */
static bool speaks_louder(const struct spot *a, const struct spot *b)
{
    static const int loudness[EBB_LABOUR_COLLECT] = {
        [EBB_LABOUR_CLEAR] = 3,         [EBB_LABOUR_DELETE] = 2,
        [EBB_LABOUR_SYNC_DELETE] = 2,   [EBB_LABOUR_ITERATE] = 1,
        [EBB_LABOUR_ITERATE_BEGIN] = 1, [EBB_LABOUR_ITERATE_EMPTY] = 1,
        [EBB_LABOUR_SYNC_ITERATE] = 1};
    int of_a = loudness[a->labour], of_b = loudness[b->labour];
    return of_a != of_b ? of_a > of_b : a->seconds > b->seconds;
}

static void add_place(struct ebb_study *study, const struct spots *spots, size_t first, bool *done)
{
    struct ebb_hot *hot = ebb_study_alloc(study, 1, sizeof *hot);
    const struct spot *best = &spots->items[first];
    double seconds = 0;
    if (!hot)
        return;
    for (size_t i = first; i < spots->len; i++) {
        const struct spot *spot = &spots->items[i];
        if (done[i] || !is_same_place(study, &spots->items[first], spot))
            continue;
        done[i] = true;
        add(study, hot, spot);
        if (spot->labour != EBB_LABOUR_NONE && spot->labour != EBB_LABOUR_INSERT)
            seconds += spot->seconds;
        if (speaks_louder(spot, best))
            best = spot;
    }
    if (seconds <= 0 || seconds < LEAST_SHARE * study->cpu.all)
        return;
    hot->waited = waited_for(study, best);
    struct ebb_group group = {
        .hot = hot, .stack = best->stack, .place = study->places[best->stack]};
    if (ebb_group_alloc(study, &group) < 0 || ebb_vec_push(&study->groups, group) < 0)
        study->failed = true;
}

void ebb_costs_read(struct ebb_study *study)
{
    const struct ebb_evidence *evidence = study->evidence;
    struct spots spots = {0};
    study->cpu.window = evidence->costs_window_s[EBB_COST_CPU];
    for (size_t i = 0; i < evidence->costs.len && !study->failed; i++) {
        const struct ebb_cost_sample *sample = &evidence->costs.items[i];
        struct spot spot;
        if (sample->kind != EBB_COST_CPU || sample->stack >= evidence->stacks.len ||
            !count(study, sample, &spot))
            continue;
        remember(study, sample, &spot);
        if (ebb_vec_push(&spots, spot) < 0)
            study->failed = true;
    }
    bool *done = ebb_study_alloc(study, spots.len + 1, sizeof *done);
    for (size_t i = 0; i < spots.len && !study->failed; i++)
        if (!done[i])
            add_place(study, &spots, i, done);
    ebb_vec_free(&spots);
}
