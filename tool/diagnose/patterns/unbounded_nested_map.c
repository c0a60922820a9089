/* unbounded-nested-map: a map of maps that grows in two directions, in the inner maps and in their
 * number.
 *
 * Seen as: a growing map most of whose tables are alive at the same time; or a map type whose
 * values are maps. */
#include "tool/diagnose/patterns/patterns.h"

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    return group ? ebb_growth_match(group, ebb_likeness(study, group).nested_map) : 0;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[340];
    const struct ebb_container *container = group->container;
    ebb_summary(words,
                "A two-level map that is filled in %s only grows: inner maps take entries in and "
                "nothing removes an entry or an inner map.",
                ebb_say_inserter(study, group, site));
    ebb_say_growth(study, group, words);
    if (group->made >= 2)
        ebb_evidence_say(words, "About %s new inner maps were made in this window and stayed.",
                         ebb_count(group->made).text);
    else if (group->table.live >= 2)
        ebb_evidence_say(words,
                         "About %s tables are alive at the same time (%s when the window began), "
                         "the largest of %s: one per inner map.",
                         ebb_count(group->table.live).text, ebb_count(group->table.live_first).text,
                         ebb_bytes(group->table.size).text);
    else if (group->place.nested)
        ebb_evidence_say(words, "The type of the map says it: its values are maps.");
    if (study->program.go) {
        ebb_advise(words, "Delete the inner map with its last entry: `if delete(inner, k); "
                          "len(inner) == 0 { delete(outer, name) }`; a map that was large once "
                          "keeps its tables for as long as it is referred to.");
        ebb_advise(words, "Bound both: the number of inner maps, and the entries in each (1000 is "
                          "a start), the least recently used one goes first; and drop an inner map "
                          "that was not asked for in 30 minutes.");
        ebb_advise(words, "Or use one flat map with a joined key, `map[struct{ outer, inner "
                          "string }]V`: one length to watch, one limit to set.");
        return;
    }
    ebb_advise(words, "Bound every inner map: a limit of entries (1000 is a start), the least "
                      "recently used one goes first.");
    ebb_advise(words, "Give inner maps a time to live (30 minutes is a start) and drop one that "
                      "was not asked for since; free what it holds.");
    ebb_advise(words, "When the last entry of an inner map is removed, remove the empty inner map "
                      "from the outer one too.");
    if (container && !container->runtime)
        ebb_advise(words, "%s", container->forget);
    ebb_advise(words, "Or use one flat map with a joined key (\"outer/inner\"): one size to watch, "
                      "one limit to set.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return ebb_total_rate(study, group);
}

const struct ebb_pattern ebb_pattern_unbounded_nested_map = {"unbounded-nested-map", match, explain,
                                                             harm};
