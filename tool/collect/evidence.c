/* See evidence.h. */
#include "tool/collect/evidence.h"

#include <string.h>

void ebb_evidence_free(struct ebb_evidence *evidence)
{
    if (!evidence)
        return;
    for (size_t i = 0; i < evidence->series.len; i++)
        ebb_vec_free(&evidence->series.items[i].points);
    ebb_vec_free(&evidence->observations);
    ebb_vec_free(&evidence->stacks);
    ebb_vec_free(&evidence->series);
    ebb_vec_free(&evidence->survivors);
    ebb_vec_free(&evidence->costs);
    ebb_vec_free(&evidence->waits);
    for (size_t i = 0; i < evidence->maps.len; i++)
        ebb_vec_free(&evidence->maps.items[i].points);
    ebb_vec_free(&evidence->maps);
    ebb_arena_free(&evidence->arena);
}

/* How many observations may be kept: fewer when every one of them holds very many points. */
static size_t most_observations(const struct ebb_evidence *evidence)
{
    enum { MAX_POINTS = 4 << 20, FEWEST = 64 };
    size_t most = MAX_POINTS / (evidence->series.len + 1);
    if (most < FEWEST)
        most = FEWEST;
    return most < EBB_EVIDENCE_MAX_OBSERVATIONS ? most : EBB_EVIDENCE_MAX_OBSERVATIONS;
}

/* Keeps the points of every second observation, numbered anew. */
#define HALVE(points, parity)                                                                      \
    do {                                                                                           \
        size_t left = 0;                                                                           \
        for (size_t k = 0; k < (points)->len; k++)                                                 \
            if ((points)->items[k].observation % 2 == (parity)) {                                  \
                (points)->items[left] = (points)->items[k];                                        \
                (points)->items[left++].observation /= 2;                                          \
            }                                                                                      \
        (points)->len = left;                                                                      \
    } while (0)

/* Keeps the point of the newest observation, which becomes the first. */
#define KEEP_NEWEST(points, newest)                                                                \
    do {                                                                                           \
        size_t count = (points)->len;                                                              \
        (points)->len = count > 0 && (points)->items[count - 1].observation == (newest);           \
        if ((points)->len) {                                                                       \
            (points)->items[0] = (points)->items[count - 1];                                       \
            (points)->items[0].observation = 0;                                                    \
        }                                                                                          \
    } while (0)

/* The newest observation and every second one before it stay; point numbers follow. */
static void halve(struct ebb_evidence *evidence)
{
    size_t parity = (evidence->observations.len - 1) % 2, kept = 0;
    for (size_t i = parity; i < evidence->observations.len; i += 2)
        evidence->observations.items[kept++] = evidence->observations.items[i];
    evidence->observations.len = kept;
    for (size_t i = 0; i < evidence->series.len; i++)
        HALVE(&evidence->series.items[i].points, parity);
    for (size_t i = 0; i < evidence->maps.len; i++)
        HALVE(&evidence->maps.items[i].points, parity);
}

void ebb_evidence_thin(struct ebb_evidence *evidence)
{
    while (evidence->observations.len > most_observations(evidence))
        halve(evidence);
}

void ebb_evidence_forget(struct ebb_evidence *evidence)
{
    if (evidence->observations.len <= 1)
        return;
    size_t newest = evidence->observations.len - 1;
    evidence->observations.items[0] = evidence->observations.items[newest];
    evidence->observations.len = 1;
    for (size_t i = 0; i < evidence->series.len; i++)
        KEEP_NEWEST(&evidence->series.items[i].points, newest);
    for (size_t i = 0; i < evidence->maps.len; i++)
        KEEP_NEWEST(&evidence->maps.items[i].points, newest);
}
