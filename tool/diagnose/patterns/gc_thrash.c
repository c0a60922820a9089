/* gc-thrash: the collector hardly rests, because it is given too little room: a memory limit just
 * above what is alive, or a GOGC that is too low.
 *
 * Seen as: several collections per second, a goal (NextGC) close above the smallest heap seen, and a
 * good part of the program's processor time in the collector. Frequent collections of a heap that
 * doubles in between are Go's normal way to work. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_CYCLES = 1; /* per second */
static const double MOST_ROOM = 0.4;  /* of what is alive */

struct rest {
    double cycles;      /* per second, those that were asked for left out */
    double live, goal;  /* bytes, at the end */
    double room;        /* (goal − live) / live, at the best look */
    double share, load; /* of the program's processor time; of one processor */
    double fraction;    /* GCCPUFraction */
    bool limited;       /* it is the memory limit */
};

static struct rest measure(const struct ebb_study *study)
{
    struct rest rest = {0};
    const struct ebb_observation *seen = study->evidence->observations.items;
    const struct ebb_go_stats *first = &seen[0].go, *last = &seen[study->n - 1].go;
    if (!last->known || !first->known || last->next_gc == 0)
        return rest;
    double cycles = (double)last->num_gc - (double)first->num_gc;
    double asked = (double)last->num_forced_gc - (double)first->num_forced_gc;
    rest.cycles = (cycles - asked) / study->span;
    for (size_t i = 0; i < study->n; i++)
        if (seen[i].go.heap_alloc > 0)
            rest.room =
                fmax(rest.room, (double)seen[i].go.next_gc / (double)seen[i].go.heap_alloc - 1);
    rest.goal = (double)last->next_gc;
    rest.live = rest.goal / (1 + rest.room);
    rest.share = study->cpu.all > 0 ? study->cpu.collect / study->cpu.all : 0;
    rest.load = study->cpu.window > 0 ? study->cpu.collect / study->cpu.window : 0;
    rest.fraction = last->gc_cpu_fraction;
    rest.limited = last->gomemlimit != UINT64_MAX &&
                   (double)(last->sys - last->heap_released) > 0.8 * (double)last->gomemlimit;
    return rest;
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (group || !study->program.go || study->evidence->ended)
        return 0;
    struct rest rest = measure(study);
    if (rest.cycles < LEAST_CYCLES || rest.room > MOST_ROOM)
        return 0;
    bool costly = (rest.share >= 0.25 && rest.load >= 0.1) || rest.fraction >= 0.15;
    if (!costly)
        return 0;
    return rest.share >= 0.5 || rest.fraction >= 0.25 ? 0.93 : 0.8;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    struct rest rest = measure(study);
    const struct ebb_go_stats *last = &study->evidence->observations.items[study->n - 1].go;
    ebb_summary(words, "The collector hardly rests: %s leaves it little room.",
                rest.limited ? "the memory limit" : "a low GOGC");
    ebb_evidence_say(words,
                     "%s collections per second; the next one starts at %s, and about %s are "
                     "alive after each.",
                     ebb_count(rest.cycles).text, ebb_bytes(rest.goal).text,
                     ebb_bytes(rest.live).text);
    if (study->cpu.all > 0)
        ebb_evidence_say(words,
                         "The collector took %.0f %% of the program's processor time, %.2f of a "
                         "processor; %.0f %% of it in the place of work that had to wait.",
                         100 * rest.share, rest.load,
                         100 * study->cpu.assist / fmax(study->cpu.collect, 1e-9));
    ebb_evidence_say(words, "GCCPUFraction, since the start, is %.0f %%.", 100 * rest.fraction);
    if (rest.limited) {
        ebb_advise(words,
                   "Raise the limit: GOMEMLIMIT=%.0fMiB leaves as much room as is alive; it is "
                   "%s now.",
                   ceil(rest.live * 2.2 / (1 << 20)), ebb_bytes((double)last->gomemlimit).text);
        ebb_advise(words,
                   "Or hold less: look at `ebb top -inuse_space` of this service for what is "
                   "alive.");
        ebb_advise(words, "Keep the limit 5 to 10 %% below the container's, and GOGC at 100, so "
                          "that the limit binds only at peaks.");
    } else {
        ebb_advise(words,
                   "Set GOGC back to 100 (`debug.SetGCPercent(100)`): the heap then grows to "
                   "about %s between collections.",
                   ebb_bytes(rest.live * 2).text);
        ebb_advise(words,
                   "To save memory set a limit instead: `GOMEMLIMIT` collects more only when "
                   "memory is short.");
    }
    ebb_advise(words, "Allocate less in the hot path: `ebb allocs URL | ebb top` names the lines; "
                      "sync.Pool for buffers, values instead of pointers.");
}

/* Time, not memory; but a service that does nothing else is close to being down. */
static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return 1e3 * fmax(measure(study).load, measure(study).fraction);
}

const struct ebb_pattern ebb_pattern_gc_thrash = {"gc-thrash", match, explain, harm};
