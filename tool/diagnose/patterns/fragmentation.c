/* fragmentation: memory that the program has freed and the process still holds.
 *
 * Seen as: anonymous resident memory far above what is alive, for at least the second half of the
 * window and not shrinking, after live memory fell. What never was the heap's (stacks, static data,
 * mappings made in other ways) would look the same, so the fall must have been seen, or so much
 * must have been freed since the program started that the heap alone explains it. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_BYTES = 64.0 * (1 << 20), LEAST_SHARE = 0.3;
static const double LEAST_SPARSE = 32.0 * (1 << 20);
static const double UNSEEN_BYTES = 256.0 * (1 << 20), UNSEEN_SHARE = 0.6;

struct holding {
    double retained;       /* at the end */
    double least_retained; /* over the second half of the window */
    double fallen;         /* live memory, from its peak in the window to the end */
    double freed;          /* bytes, since the program started */
    double share;          /* of anonymous memory */
};

static struct holding measure(const struct ebb_study *study)
{
    struct holding holding = {.least_retained = INFINITY};
    double peak = 0;
    size_t last = study->n - 1;
    for (size_t i = 0; i < study->n; i++) {
        double retained = study->anonymous.values[i] - study->live[i];
        peak = fmax(peak, study->live[i]);
        if (study->times[i] >= study->span / 2)
            holding.least_retained = fmin(holding.least_retained, retained);
    }
    holding.retained = study->anonymous.values[last] - study->live[last];
    holding.fallen = peak - study->live[last];
    const struct ebb_observation *end = &study->evidence->observations.items[last];
    holding.freed = (double)end->alloc_bytes - end->live_bytes;
    holding.share = holding.retained / fmax(study->anonymous.values[last], 1);
    return holding;
}

/* ---- Go: by what the runtime says of its spans ---- */

struct spans {
    double sparse;     /* free slots in spans that are in use: the least of the last third */
    double idle;       /* idle spans not given back: the same */
    double inuse;      /* bytes of spans in use, at the end */
    double alive, rss; /* at the end; rss as the runtime sees it */
    bool known;
};

static struct spans measure_spans(const struct ebb_study *study)
{
    struct spans spans = {.sparse = INFINITY, .idle = INFINITY, .known = true};
    for (size_t i = 0; i < study->n; i++) {
        const struct ebb_go_stats *now = &study->evidence->observations.items[i].go;
        spans.known &= now->known && now->heap_inuse > 0;
        if (study->times[i] < study->span * 2 / 3)
            continue;
        spans.sparse = fmin(spans.sparse, (double)now->heap_inuse - (double)now->heap_alloc);
        spans.idle = fmin(spans.idle, (double)now->heap_idle - (double)now->heap_released);
        spans.inuse = (double)now->heap_inuse;
        spans.alive = (double)now->heap_alloc;
        spans.rss = (double)now->sys - (double)now->heap_released;
    }
    return spans;
}

static double match_go(const struct ebb_study *study)
{
    struct spans spans = measure_spans(study);
    if (!spans.known || study->n < 4)
        return 0;
    if (spans.sparse >= LEAST_SPARSE && spans.sparse >= 0.5 * spans.inuse)
        return 0.92;
    return spans.idle >= UNSEEN_BYTES && spans.idle >= UNSEEN_SHARE * spans.rss ? 0.6 : 0;
}

static void explain_go(const struct ebb_study *study, struct ebb_words *words)
{
    struct spans spans = measure_spans(study);
    bool sparse = spans.sparse >= 0.5 * spans.inuse && spans.sparse >= spans.idle;
    if (sparse) {
        ebb_summary(words, "%s of the heap are holes between objects that are alive.",
                    ebb_bytes(spans.sparse).text);
        ebb_evidence_say(
            words,
            "Spans in use take %s (HeapInuse), objects in them %s (HeapAlloc): %.0f %% "
            "are free slots, which only objects of the same size class can fill.",
            ebb_bytes(spans.inuse).text, ebb_bytes(spans.alive).text,
            100 * spans.sparse / fmax(spans.inuse, 1));
        ebb_evidence_say(words,
                         "A collection does not move objects: one that stays keeps its span, "
                         "8 KiB and more.");
        ebb_advise(words, "Copy what stays out of a large load, into objects of its own: `kept = "
                          "append(kept, *r)` (values, not pointers), or clone each; then the "
                          "rest goes span by span.");
        ebb_advise(words, "Decide before allocating: filter while reading, so that what will be "
                          "dropped never lies between what stays.");
        ebb_advise(words, "Hold many small things in few large slices instead of one object each; "
                          "`debug.FreeOSMemory()` gives back whole free spans, but no holes.");
        return;
    }
    ebb_summary(words, "The process holds %s of idle heap that the program has freed.",
                ebb_bytes(spans.idle).text);
    ebb_evidence_say(words,
                     "HeapIdle less HeapReleased is %s: %.0f %% of what the runtime holds, for a "
                     "third of the window and more.",
                     ebb_bytes(spans.idle).text, 100 * spans.idle / fmax(spans.rss, 1));
    ebb_advise(words,
               "Call `debug.FreeOSMemory()` after the peak, or set GOMEMLIMIT near the usual "
               "size, so that the runtime gives it back.");
    ebb_advise(words, "Keep the peak down: handle large jobs one after the other, in pieces.");
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (study->program.go)
        return group || study->evidence->ended ? 0 : match_go(study);
    if (group || !study->anonymous.known || study->evidence->ended)
        return 0;
    struct holding holding = measure(study);
    bool held = holding.retained >= LEAST_BYTES && holding.share >= LEAST_SHARE &&
                holding.least_retained >= 0.6 * holding.retained;
    if (!held)
        return 0;
    if (holding.fallen >= 0.3 * holding.retained)
        return 0.9;
    bool explained = holding.retained >= UNSEEN_BYTES && holding.share >= UNSEEN_SHARE &&
                     holding.freed >= 4 * holding.retained;
    return explained ? 0.5 : 0;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    if (study->program.go) {
        explain_go(study, words);
        return;
    }
    struct holding holding = measure(study);
    size_t last = study->n - 1;
    ebb_summary(words, "The process holds %s that the program has freed.",
                ebb_bytes(holding.retained).text);
    ebb_evidence_say(words,
                     "Resident anonymous memory is %s, live blocks are %s: %.0f %% is free "
                     "memory that did not go back to the system.",
                     ebb_bytes(study->anonymous.values[last]).text,
                     ebb_bytes(study->live[last]).text, 100 * holding.share);
    if (holding.fallen > 0)
        ebb_evidence_say(words,
                         "Live memory fell by %s in this window; resident memory did not "
                         "follow.",
                         ebb_bytes(holding.fallen).text);
    ebb_advise(words, "Call malloc_trim(0) after the peak (glibc), or run with "
                      "MALLOC_TRIM_THRESHOLD_=131072 and, with many threads, MALLOC_ARENA_MAX=2.");
    ebb_advise(words, "A few small long-lived blocks between short-lived ones keep whole pages: "
                      "allocate what lives long before the peak, or from a pool of its own.");
    ebb_advise(words, "Large buffers of 128 KiB and more go back at once when they are freed: "
                      "prefer few large ones to many small ones.");
    ebb_advise(words, "Try jemalloc with background_thread:true,dirty_decay_ms:1000, which gives "
                      "pages back by itself.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    if (study->program.go) {
        struct spans spans = measure_spans(study);
        return fmax(spans.sparse, spans.idle) / 600;
    }
    return measure(study).retained / 600;
}

const struct ebb_pattern ebb_pattern_fragmentation = {"fragmentation", match, explain, harm};
