/* The exact gauges: how many blocks live, how much anonymous memory the kernel sees, and whether
 * they climb steadily. See study.h. */
#include "tool/diagnose/study.h"

#include <math.h>

/* What the knee of a start-up must leave behind to count as steady. */
static const double SHARE_OF_LAST_THIRD = 0.28;

/* Steady: the course is a rise that goes on, its troughs climb too, and it stands well out of the
 * noise. Looked at over the whole window, and over its last three quarters alone, because a
 * start-up may tower over everything after it; the part must then be straight. */
static void judge(struct ebb_study *study, struct ebb_signal *signal)
{
    size_t n = study->n;
    signal->course = ebb_course(study->times, signal->values, n, 0);
    const struct ebb_course *whole = &signal->course;
    bool climbs = whole->floor_rises >= 4 && whole->floor_net > 4 * whole->noise;
    if (n >= 6 && climbs && whole->last_share >= 0.2 &&
        (whole->shape == EBB_SHAPE_STEADY || whole->floor_rises == 5)) {
        signal->steady = whole->shape != EBB_SHAPE_SLOWING && whole->shape != EBB_SHAPE_STEP;
        signal->rate = whole->net / study->span;
    }
    size_t skip = n / 4;
    if (signal->steady || n - skip < 8)
        return;
    const double *x = study->times + skip, *y = signal->values + skip;
    double span = x[n - skip - 1] - x[0];
    struct ebb_course part = ebb_course(x, y, n - skip, 0);
    if (part.shape == EBB_SHAPE_STEADY && part.floor_rises >= 4 &&
        part.floor_net > 4 * part.noise && part.last_share >= SHARE_OF_LAST_THIRD &&
        part.time_constant > span) {
        signal->steady = true;
        signal->rate = part.net / span;
    }
}

void ebb_signals_read(struct ebb_study *study)
{
    size_t n = study->n;
    const struct ebb_observation *seen = study->evidence->observations.items;
    study->blocks.values = ebb_study_alloc(study, n, sizeof(double));
    study->anonymous.values = ebb_study_alloc(study, n, sizeof(double));
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
    if (study->blocks.known)
        judge(study, &study->blocks);
    if (study->anonymous.known)
        judge(study, &study->anonymous);
    if (seen[n - 1].alloc_bytes >= seen[0].alloc_bytes)
        study->alloc_rate = (double)(seen[n - 1].alloc_bytes - seen[0].alloc_bytes) / study->span;
}
