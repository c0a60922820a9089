/* map-kept-after-clear: a map was emptied, but its table stays as large as it was at its fullest.
 *
 * Seen as: a large table that stands unchanged while the entries of the same container fell to a
 * fraction, and stayed there for at least a third of the window. A map that is refilled soon makes
 * good use of its table and is healthy. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_TABLE = 8.0 * (1 << 20);
static const double SAMPLES_TO_TELL = 12; /* entries sampled at the peak */

/* The fall of the entries: where the peak was, and the highest level in the last third. */
static double peak_entries(const struct ebb_study *study, const struct ebb_group *group,
                           double *since, double *late)
{
    double peak = 0;
    *since = *late = 0;
    for (size_t i = 0; i < study->n; i++) {
        if (group->nodes[i] > peak) {
            peak = group->nodes[i];
            *since = study->times[i];
        }
        if (study->times[i] >= study->span * 2 / 3)
            *late = fmax(*late, group->nodes[i]);
    }
    return peak;
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || group->threads || group->growth.confidence > 0)
        return 0;
    double table = group->tables[study->n - 1], since, late;
    double peak = peak_entries(study, group, &since, &late);
    if (table < LEAST_TABLE || peak < SAMPLES_TO_TELL * fmax(group->event_bytes, 1))
        return 0;
    bool emptied = late < 0.3 * peak && since < study->span * 2 / 3;
    bool kept = table > 0.9 * group->tables[study->n * 2 / 3] && table > 0.25 * late;
    if (!emptied || !kept)
        return 0;
    return group->container ? 0.9 : 0.8;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    double since, late, peak = peak_entries(study, group, &since, &late);
    const struct ebb_container *container = group->container;
    ebb_summary(words, "A %s that is filled in %s was emptied, but keeps the table of its fullest.",
                container ? container->name : "map", ebb_say_site(study, group, site));
    ebb_evidence_say(words, "Its entries fell from %s to %s; its table still holds %s.",
                     ebb_bytes(peak).text, ebb_bytes(late).text,
                     ebb_bytes(group->tables[study->n - 1]).text);
    if (container)
        ebb_advise(words, "%s", container->shrink);
    else
        ebb_advise(words, "After a mass delete, move what is left into a table of the right size "
                          "and free the old one.");
    ebb_advise(words, "If the map fills up again soon, keep the table: then this costs nothing.");
}

/* Memory held is counted as if it were lost once in ten minutes: the table, and what of the
 * entries' memory did not go back to the system, because the clearing is behind that too. */
static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    size_t last = study->n - 1;
    double since, late, peak = peak_entries(study, group, &since, &late);
    double free_memory = fmax(study->anonymous.values[last] - study->live[last], 0), highest = 0;
    for (size_t i = 0; i < study->n; i++)
        highest = fmax(highest, study->live[i]);
    bool behind_it = peak - late >= (highest - study->live[last]) / 2;
    return (group->tables[last] + (behind_it ? free_memory : 0)) / 600;
}

const struct ebb_pattern ebb_pattern_map_kept_after_clear = {"map-kept-after-clear", match, explain,
                                                             harm};
