/* pool-get-without-put: objects are taken from a sync.Pool and do not come back, so that the pool
 * makes a new one each time.
 *
 * Seen as: the pool's New function, called by Get, allocates between two collections several times
 * what is alive of its objects. A pool that is used as it is meant makes at most that much: what a
 * collection takes from it was idle for a whole cycle. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_RATE = 256 * 1024.0, LEAST_SAMPLES = 12, LEAST_TURNS = 2.5;

struct making {
    double rate, objects_rate; /* made per second, bytes and objects */
    double live;               /* mean bytes alive */
    double per_cycle;          /* bytes made between two collections */
};

static struct making measure(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_go_stats *first = &study->evidence->observations.items[0].go;
    const struct ebb_go_stats *last = &study->evidence->observations.items[study->n - 1].go;
    double made = ebb_study_net(study, group->allocated);
    struct making making = {.rate = made / study->span,
                            .objects_rate = ebb_study_net(study, group->created) / study->span};
    for (size_t i = 0; i < study->n; i++)
        making.live += group->live[i] / (double)study->n;
    double cycles =
        last->num_gc > first->num_gc ? (double)(last->num_gc - first->num_gc) : study->span;
    making.per_cycle = made / cycles;
    return making;
}

static bool goes_on(const struct ebb_study *study, const struct ebb_group *group)
{
    size_t from = (study->n - 1) * 2 / 3;
    return group->allocated[study->n - 1] - group->allocated[from] >
           0.2 * ebb_study_net(study, group->allocated);
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || group->threads || group->container != &ebb_go_pool)
        return 0;
    if (group->growth.confidence > 0)
        return 0.95 * group->growth.confidence;
    struct making making = measure(study, group);
    double turns = making.per_cycle / fmax(making.live, 1);
    if (making.rate < LEAST_RATE || group->births < LEAST_SAMPLES || turns < LEAST_TURNS ||
        !goes_on(study, group))
        return 0;
    return turns >= 6 ? 0.93 : 0.8;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    struct making making = measure(study, group);
    ebb_summary(words, "What %s gets from a sync.Pool does not go back into it.",
                ebb_say_site(study, group, site));
    ebb_evidence_say(words, "The pool's New made %s objects per second, %s/s.",
                     ebb_count(making.objects_rate).text, ebb_bytes(making.rate).text);
    ebb_evidence_say(words,
                     "Between two collections it makes %s, while %s of its objects are alive: "
                     "hardly a Get finds one that was used before.",
                     ebb_bytes(making.per_cycle).text, ebb_bytes(making.live).text);
    if (group->growth.confidence > 0)
        ebb_say_growth(study, group, words);
    ebb_advise(words, "Put back on every path, errors and panics included: `x := "
                      "pool.Get().(*T); defer pool.Put(x)`.");
    ebb_advise(words, "Empty it for the next user before the Put: `buf.Reset()`, `clear(m)`, "
                      "`s = s[:0]`.");
    ebb_advise(words, "Drop what became too large instead of putting it back: `if buf.Cap() <= "
                      "64<<10 { pool.Put(buf) }`.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return ebb_total_rate(study, group) + measure(study, group).rate / 1e6;
}

const struct ebb_pattern ebb_pattern_pool_get_without_put = {"pool-get-without-put", match, explain,
                                                             harm};
