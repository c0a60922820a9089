/* unbounded-map: one map takes entries in and never gives one up.
 *
 * Seen as: entries that survive, of all ages, behind a container's insert; or, for a hand-written
 * table, entries together with a table that is replaced by a larger one. */
#include "tool/diagnose/patterns/patterns.h"

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    return group ? ebb_growth_match(group, ebb_likeness(study, group).map) : 0;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[340];
    const struct ebb_container *container = group->container;
    if (container && container->kind != EBB_CONTAINER_MAP)
        container = NULL;
    ebb_summary(words, "A %s that is filled in %s only grows: entries go in and none comes out.",
                container ? container->name : "map", ebb_say_inserter(study, group, site));
    ebb_say_growth(study, group, words);
    bool counted = group->arenas < 0.1 * ebb_study_net(study, group->nodes);
    if (group->growth.objects_rate > 0 && group->entry_objects > 0 && counted)
        ebb_evidence_say(words, "About %s entries are added per second and stay.",
                         ebb_count(group->entry_objects / study->span).text);
    if (container) {
        ebb_advise(words, "%s", container->forget);
        ebb_advise(words, "%s", container->bound);
        if (study->program.go) {
            ebb_advise(words, "What was once full stays large: no Go map gives tables back when "
                              "entries are deleted. After a peak rebuild it, `m2 := make(map[K]V, "
                              "len(m)); for k, v := range m { m2[k] = v }; m = m2`.");
            ebb_advise(words, "Hold values instead of pointers in keys and values, `map[int]T` "
                              "for `map[*K]*T`: fewer objects, less for the collector to mark.");
        }
        return;
    }
    ebb_advise(words,
               "Decide when an entry is done with, and remove it then: take it out of the table, "
               "free its key, its value and its node.");
    ebb_advise(words, "If it is a cache, bound it: a fixed number of entries, the least recently "
                      "used one goes first, or a time to live with a sweep.");
    ebb_advise(words, "If keys are made from user input, ids or time stamps, they never repeat: "
                      "normalise them or do not cache by them.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return ebb_total_rate(study, group);
}

const struct ebb_pattern ebb_pattern_unbounded_map = {"unbounded-map", match, explain, harm};
