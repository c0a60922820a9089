/* Verdicts on Ebb maps, by what they say of themselves. Private to the room. */
#ifndef EBB_TOOL_DIAGNOSE_MAPS_H
#define EBB_TOOL_DIAGNOSE_MAPS_H

#include "tool/diagnose/study.h"
#include "tool/diagnose/words.h"

struct ebb_map_growth {
    double confidence;
    double rate, interval[2]; /* bytes per second, of its table */
    double entries_rate;      /* per second */
    const double *lengths;    /* one per observation */
};

/* Whether a map keeps growing. Memory is the study's. */
bool ebb_map_judge(struct ebb_study *study, const struct ebb_map_history *map,
                   struct ebb_map_growth *growth);

void ebb_map_explain(const struct ebb_study *study, const struct ebb_map_history *map,
                     const struct ebb_map_growth *growth, struct ebb_words *words);

#endif
