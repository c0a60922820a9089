/* map-remade: the same map is made and thrown away again and again where one could be kept.
 *
 * Seen as: containers that are created at a high rate, hardly any of them alive, and a large part of
 * everything the program allocates. A table written by hand is known by the name of the function
 * that makes it. Interpreters make such containers as a matter of course and are left out. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_RATE = 10e6, LEAST_SHARE = 0.3, LEAST_CREATIONS = 10e3;
/* Under a collector every byte is paid for once more. */
static const double LEAST_RATE_COLLECTED = 5e6;

/* Where no container is known by name, smaller blocks than this are no tables. */
enum { SMALLEST_TABLE = 512 };

struct creation {
    double tables, bytes, live; /* per second, per second, mean number alive */
};

static struct creation measure(const struct ebb_study *study, const struct ebb_group *group)
{
    struct creation creation = {0};
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[group->series[i]];
        const struct ebb_place *place = &study->places[series->stack];
        const struct ebb_track *track = &study->tracks[group->series[i]];
        /* Go's stacks tell what is the map's; what else its function allocates is not. */
        if (study->program.go && place->container != group->container)
            continue;
        bool makes = group->container ? place->role == EBB_ROLE_CREATE || track->table
                                      : place->makes_table && track->block_bytes >= SMALLEST_TABLE;
        if (makes) {
            creation.tables += track->births * track->weight / study->span;
            creation.live += track->samples_last * track->weight;
        }
        creation.bytes += track->births * track->event_bytes / study->span;
    }
    return creation;
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || group->threads || group->growth.confidence > 0 || group->hot)
        return 0;
    if (group->container ? group->container->runtime || group->container == &ebb_go_sync_map ||
                               group->container->kind != EBB_CONTAINER_MAP
                         : study->program.go || !group->place.makes_table)
        return 0;
    struct creation creation = measure(study, group);
    size_t from = (study->n - 1) * 2 / 3;
    bool goes_on = group->allocated[study->n - 1] - group->allocated[from] >
                   0.2 * ebb_study_net(study, group->allocated);
    double least = study->program.go ? LEAST_RATE_COLLECTED : LEAST_RATE;
    bool many =
        creation.tables >= LEAST_CREATIONS && creation.bytes >= LEAST_SHARE * study->alloc_rate;
    bool much = creation.bytes >= least && creation.tables >= 100 &&
                creation.bytes >= LEAST_SHARE * study->alloc_rate;
    bool thrown_away = creation.live < creation.tables; /* each lives less than a second */
    double sure = group->container ? 0.8 : 0.7;         /* less by the name of a function alone */
    return goes_on && thrown_away && (many || much) && group->births >= 20 ? sure : 0;
}

static void advise_go(const struct ebb_study *study, struct ebb_words *words)
{
    int minor = ebb_go_minor(study->evidence->go_version);
    if (minor == 0 || minor >= EBB_GO_CLEAR)
        ebb_advise(words,
                   "Make the map once and clear it for each use: `clear(m)` keeps its "
                   "tables%s.",
                   minor == 0 ? " (Go 1.21 and later)" : "");
    else
        ebb_advise(words, "Make the map once and empty it for each use, which keeps its tables: "
                          "`for k := range m { delete(m, k) }`.");
    ebb_advise(words,
               "Where requests run side by side, pool it: `m := pool.Get().(map[K]V); defer "
               "func() { %s; pool.Put(m) }()`.",
               minor == 0 || minor >= EBB_GO_CLEAR ? "clear(m)"
                                                   : "for k := range m { delete(m, k) }");
    ebb_advise(words, "If it must be new, give it its size, `make(map[K]V, n)`, so that it is not "
                      "rebuilt while it fills, and no more than that; for a handful of entries a "
                      "slice of pairs is faster.");
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    struct creation creation = measure(study, group);
    ebb_summary(words, "%s makes a new %s again and again and throws it away.",
                ebb_say_site(study, group, site),
                group->container ? group->container->name : "table");
    ebb_evidence_say(words, "About %s tables are made per second and hardly one is alive (%s).",
                     ebb_count(creation.tables).text, ebb_count(creation.live).text);
    ebb_evidence_say(words, "This is %s/s, %.0f %% of all that the program allocates.",
                     ebb_bytes(creation.bytes).text,
                     fmin(100 * creation.bytes / fmax(study->alloc_rate, 1), 100));
    if (study->program.go) {
        advise_go(study, words);
        return;
    }
    ebb_advise(words, "Make the map once outside the loop or per thread, and clear() it for each "
                      "use: clearing keeps the table.");
    ebb_advise(words, "If it must be new, reserve the size it will have, so that it is not rebuilt "
                      "while it fills.");
    ebb_advise(words,
               "For a handful of entries a sorted array on the stack is faster than any map.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return measure(study, group).bytes / 1e6;
}

const struct ebb_pattern ebb_pattern_map_remade = {"map-remade", match, explain, harm};
