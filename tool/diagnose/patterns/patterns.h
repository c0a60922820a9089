/* The patterns: one file each, all of this shape. Adding one means adding a file and a line to the
 * table in patterns.c.
 *
 * Every pattern is asked about every group, and once about the process as a whole (group NULL). It
 * answers with the probability that it is the explanation; the highest answer of at least
 * EBB_LEAST_CONFIDENCE wins the group, and its pattern is asked to explain itself. */
#ifndef EBB_TOOL_DIAGNOSE_PATTERNS_H
#define EBB_TOOL_DIAGNOSE_PATTERNS_H

#include "tool/diagnose/study.h"
#include "tool/diagnose/words.h"

#define EBB_LEAST_CONFIDENCE 0.3

struct ebb_pattern {
    const char *id; /* stable: users and scripts know it */
    double (*match)(const struct ebb_study *study, const struct ebb_group *group);
    void (*explain)(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words);
    /* For the order of verdicts: bytes per second lost, or an equivalent. */
    double (*harm)(const struct ebb_study *study, const struct ebb_group *group);
};

extern const struct ebb_pattern ebb_pattern_unbounded_map, ebb_pattern_unbounded_nested_map,
    ebb_pattern_growing_slice, ebb_pattern_leak, ebb_pattern_map_remade,
    ebb_pattern_large_temporaries, ebb_pattern_fragmentation, ebb_pattern_map_kept_after_clear,
    ebb_pattern_thread_leak, ebb_pattern_goroutine_leak, ebb_pattern_pool_get_without_put,
    ebb_pattern_map_clear_hot, ebb_pattern_syncmap_clear_by_delete, ebb_pattern_gc_thrash;

/* NULL-terminated. */
extern const struct ebb_pattern *const ebb_patterns[];

/* ---- shared by the patterns (patterns.c) ---- */

/* How much a growing group looks like each thing, 0 to 1, by names and by shape. */
struct ebb_likeness {
    double map, nested_map, sequence, leak;
};
struct ebb_likeness ebb_likeness(const struct ebb_study *study, const struct ebb_group *group);

/* The growth of a group and of all that belongs to it, bytes per second. */
double ebb_total_rate(const struct ebb_study *study, const struct ebb_group *group);
/* How sure the growth is, tempered by how sure the likeness is. */
double ebb_growth_match(const struct ebb_group *group, double likeness);

/* The sentences every kind of growth shares: how much, how steady, what survives, who else. */
void ebb_say_growth(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words);
/* "cache_insert (cache.c:41)" */
const char *ebb_say_site(const struct ebb_study *study, const struct ebb_group *group,
                         char buffer[static 160]);
/* The same, with the caller in front when the site only makes what the caller puts in:
 * "cache_insert (cache.c:41), which calls node_new (cache.c:12)" */
const char *ebb_say_inserter(const struct ebb_study *study, const struct ebb_group *group,
                             char buffer[static 340]);

#endif
