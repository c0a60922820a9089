/* fragmentation: memory that the program has freed and the process still holds.
 *
 * Seen as: anonymous resident memory far above what is alive, for at least the second half of the
 * window and not shrinking, after live memory fell. What never was the heap's (stacks, static data,
 * mappings made in other ways) would look the same, so the fall must have been seen, or so much
 * must have been freed since the program started that the heap alone explains it. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_BYTES = 64.0 * (1 << 20), LEAST_SHARE = 0.3;
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

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
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
    return measure(study).retained / 600;
}

const struct ebb_pattern ebb_pattern_fragmentation = {"fragmentation", match, explain, harm};
