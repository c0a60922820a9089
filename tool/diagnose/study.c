/* See study.h: the order of the work, and the memory it is done in. */
#include "tool/diagnose/study.h"

#include <math.h>

void *ebb_study_alloc(struct ebb_study *study, size_t count, size_t size)
{
    void *memory = ebb_arena_zalloc(&study->arena, count, size);
    if (!memory)
        study->failed = true;
    return memory;
}

/* A program that ends frees what it held, and the last looks show an empty heap. What it did before
 * that is what matters, so they are left out. */
static size_t usable_observations(const struct ebb_evidence *evidence)
{
    const struct ebb_observations *seen = &evidence->observations;
    size_t n = seen->len;
    if (!evidence->ended || n < 4)
        return n;
    for (size_t last = n - 2; last <= n - 1; last++)
        if (seen->items[last].live_bytes < seen->items[last - 1].live_bytes / 2)
            return last;
    return n;
}

/* Survivors are those of the last observation. When there are very many, only every n-th may be
 * listed; when some are missing for other reasons they are not to be trusted. */
static void judge_survivors(struct ebb_study *study)
{
    const struct ebb_evidence *evidence = study->evidence;
    if (study->n != evidence->observations.len)
        return;
    if (study->program.go && evidence->survivors.len == 0)
        return; /* Go's profiles never list any */
    double counted = 0;
    for (size_t i = 0; i < evidence->series.len; i++) {
        const struct ebb_series *series = &evidence->series.items[i];
        if (series->points.len) {
            const struct ebb_point *last = &series->points.items[series->points.len - 1];
            counted += (double)(last->alloc_samples - last->free_samples);
        }
    }
    double listed = (double)evidence->survivors.len;
    double scale = listed > 10000 ? fmax(round(counted / listed), 1) : 1;
    study->survivor_scale = scale;
    study->survivors_known = fabs(listed * scale - counted) <= 2 + scale + counted / 20;
}

int ebb_study_make(const struct ebb_evidence *evidence, struct ebb_study *study)
{
    *study = (struct ebb_study){.evidence = evidence,
                                .program = ebb_program_of(evidence),
                                .n = usable_observations(evidence)};
    if (study->n < 2)
        return -ENODATA;
    study->scratch = ebb_study_alloc(study, EBB_TREND_SCRATCH, sizeof *study->scratch);
    study->times = ebb_study_alloc(study, study->n, sizeof *study->times);
    if (study->failed)
        return -ENOMEM;
    double start = evidence->observations.items[0].time_s;
    for (size_t i = 0; i < study->n; i++)
        study->times[i] = evidence->observations.items[i].time_s - start;
    study->span = study->times[study->n - 1];
    if (!(study->span > 0))
        return -ENODATA;
    judge_survivors(study);

    ebb_signals_read(study);
    if (!study->failed)
        ebb_tracks_read(study);
    if (!study->failed)
        ebb_groups_make(study);
    if (!study->failed && study->program.go)
        ebb_costs_read(study);
    if (!study->failed)
        ebb_growth_judge(study);
    if (!study->failed)
        ebb_groups_absorb(study);
    return study->failed ? -ENOMEM : 0;
}

void ebb_study_free(struct ebb_study *study)
{
    ebb_vec_free(&study->groups);
    ebb_vec_free(&study->moves);
    ebb_arena_free(&study->arena);
}
