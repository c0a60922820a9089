/* map-clear-hot: a map is emptied so often that emptying it costs a good part of the processor time.
 *
 * Seen as: the runtime's clearing functions, or walking and deleting in one place, take a share of
 * the program's processor time. Clearing takes time by the size of the table, not by the number of
 * entries: a map that was large once stays slow to clear. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_SHARE = 0.1, LEAST_SECONDS = 0.03; /* three ticks of the profile */

/* A walk over a map that is as good as empty: the time goes into finding the next entry and none
 * into doing something with it. Swiss maps show the search, classic ones do not. */
static bool walks_in_vain(const struct ebb_hot *hot)
{
    double done = hot->other + hot->remove;
    if (hot->iterate_empty > 0)
        return hot->iterate >= 0.1 && hot->iterate_empty >= 0.5 * hot->iterate &&
               done <= 0.05 * hot->iterate;
    return hot->iterate >= 0.2 && done <= 0.03 * hot->iterate;
}

/* Whether entries are taken out in a walk that goes on. A cache that makes room takes out the first
 * entry that a walk comes by, `for k := range m { delete(m, k); break }`, and walks no further; and
 * one that looks for what has expired walks much and takes little out. */
static bool deletes_all(const struct ebb_hot *hot)
{
    double walked_on = hot->iterate - hot->iterate_begin;
    return hot->remove > 0 && hot->remove >= 0.5 * hot->iterate &&
           walked_on >= 0.3 * hot->iterate_begin && walked_on >= 0.05 * hot->remove;
}

/* Seconds of clearing. To delete about as much as was put in is how every cache ends an entry. */
static double cleared(const struct ebb_study *study, const struct ebb_hot *hot)
{
    bool by_hand = deletes_all(hot) && hot->remove + hot->iterate >= 2 * study->cpu.insert;
    return hot->clear + (by_hand || walks_in_vain(hot) ? hot->remove + hot->iterate : 0);
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || !group->hot || study->cpu.window <= 0 || study->cpu.all <= 0)
        return 0;
    double seconds = cleared(study, group->hot), share = seconds / study->cpu.all;
    double least = group->hot->waited > 0.05 * study->cpu.window ? LEAST_SHARE / 2 : LEAST_SHARE;
    if (share < least || seconds < LEAST_SECONDS)
        return 0;
    if (group->hot->clear < group->hot->iterate && group->hot->iterate_empty <= 0 &&
        group->hot->remove <= 0)
        return share >= 0.4 ? 0.65 : 0;
    return share >= 0.25 && seconds >= 0.1 ? 0.93 : 0.8;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    const struct ebb_hot *hot = group->hot;
    double seconds = cleared(study, hot);
    int minor = ebb_go_minor(study->evidence->go_version);
    ebb_summary(words, "%s clears a map over and over.", ebb_say_site(study, group, site));
    bool vain = hot->clear < hot->iterate && walks_in_vain(hot);
    ebb_evidence_say(words,
                     "%s took %.0f ms of processor time in %s: %.0f %% of all that the "
                     "program used.",
                     vain ? "Walking over its table, which is as good as empty," : "Clearing",
                     1e3 * seconds, ebb_seconds(study->cpu.window).text,
                     100 * seconds / study->cpu.all);
    if (hot->waited > 0)
        ebb_evidence_say(words, "Others waited %s for locks that are held here.",
                         ebb_seconds(hot->waited).text);
    ebb_evidence_say(words, "Clearing takes time by the size that the map once had, not by what is "
                            "in it now.");
    ebb_advise(words, "Replace it instead of clearing it: `m = make(map[K]V, usual)`; a new small "
                      "map is cheaper than a large empty table.");
    ebb_advise(words, "When others read it, publish a new one, `current.Store(&next)` with an "
                      "`atomic.Pointer[map[K]V]`, so that nobody waits.");
    if (hot->remove > hot->clear && (minor == 0 || minor >= EBB_GO_CLEAR))
        ebb_advise(words, "Where the map must stay, `clear(m)` does in one call what the loop of "
                          "delete does entry by entry.");
    else if (hot->remove > hot->clear)
        ebb_advise(words, "Where the map must stay, let the loop do nothing else, `for k := range "
                          "m { delete(m, k) }`: the compiler makes one call of it (clear(m) needs "
                          "Go 1.21).");
    ebb_advise(words, "Clear less often: by size, not by time.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return 1e3 * cleared(study, group->hot) / fmax(study->cpu.window, 1);
}

const struct ebb_pattern ebb_pattern_map_clear_hot = {"map-clear-hot", match, explain, harm};
