/* syncmap-clear-by-delete: a sync.Map is emptied entry by entry, with Range and Delete.
 *
 * Seen as: a place that walks over a sync.Map and deletes from it, for a share of the program's
 * processor time. Each Delete looks its key up again, and under the classic sync.Map what Range has
 * seen is copied once more by the next Store. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_SHARE = 0.03;

static double emptied(const struct ebb_hot *hot)
{
    return hot->sync_remove > 0 && hot->sync_walks ? hot->sync_remove + hot->sync_iterate : 0;
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || !group->hot || study->cpu.all <= 0)
        return 0;
    double seconds = emptied(group->hot), share = seconds / study->cpu.all;
    if (share < LEAST_SHARE || seconds < 0.03) /* three ticks of the profile */
        return 0;
    return seconds >= 0.1 ? 0.9 : 0.75;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    double seconds = emptied(group->hot);
    int minor = ebb_go_minor(study->evidence->go_version);
    ebb_summary(words, "%s empties a sync.Map entry by entry.", ebb_say_site(study, group, site));
    ebb_evidence_say(words,
                     "Range and Delete took %.0f ms of processor time in %s: %.0f %% of all that "
                     "the program used.",
                     1e3 * seconds, ebb_seconds(study->cpu.window).text,
                     100 * seconds / study->cpu.all);
    if (group->hot->waited > 0)
        ebb_evidence_say(words, "Others waited %s for locks that are held here.",
                         ebb_seconds(group->hot->waited).text);
    if (minor == 0 || minor >= EBB_GO_SYNC_MAP_CLEAR)
        ebb_advise(words, "Call `m.Clear()`, which drops everything at once%s.",
                   minor == 0 ? " (Go 1.23 and later)" : "");
    else
        ebb_advise(words, "From Go 1.23 on, `m.Clear()` drops everything at once; this is Go 1.%d.",
                   minor);
    ebb_advise(words, "Replace the whole map: `old := current.Swap(new(sync.Map))` with an "
                      "`atomic.Pointer[sync.Map]`; then whoever needs the entries walks over "
                      "`old`, which nobody else uses.");
    ebb_advise(words, "A map behind a sync.Mutex is faster where entries come and go all the time: "
                      "sync.Map is made for keys that stay.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return 1e3 * emptied(group->hot) / fmax(study->cpu.window, 1);
}

const struct ebb_pattern ebb_pattern_syncmap_clear_by_delete = {"syncmap-clear-by-delete", match,
                                                                explain, harm};
