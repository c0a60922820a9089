/* large-temporaries: buffers of 64 KiB and more are made and thrown away at a high rate.
 *
 * Seen as: far more allocated than alive, in large blocks, at a rate that costs: each is mapped,
 * cleared page by page and unmapped again. Only a rate that dominates the program is reported; to
 * allocate and free is what programs do. A buffer that grows to its size step by step costs a
 * multiple, because each step is copied into the next, and that is so easily avoided that less of it
 * is worth a word. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_RATE = 100e6, LEAST_SHARE = 0.3, LEAST_BLOCKS = 5;
/* Under a collector every byte is paid for once more. */
static const double LEAST_RATE_COLLECTED = 10e6, LEAST_RATE_IN_STEPS = 10e6;

/* The size classes of one octave; the first of those that hold blocks of 64 KiB and more. */
enum { CLASSES_PER_OCTAVE = 4, FIRST_OCTAVE = 12, OCTAVES = 24, LEAST_STEPS = 3 };

/* Whether the blocks of one stack come in octaves, one above the other, in equal numbers: then each
 * buffer has passed through all of them. Otherwise the numbers are equal by chance only. */
static bool is_grown_in_steps(const struct ebb_study *study, const struct ebb_group *group,
                              uint32_t stack)
{
    double made[OCTAVES] = {0}, samples[OCTAVES] = {0};
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[group->series[i]];
        const struct ebb_track *track = &study->tracks[group->series[i]];
        int octave = series->size_class / CLASSES_PER_OCTAVE - FIRST_OCTAVE;
        if (series->stack == stack && octave >= 0 && octave < OCTAVES) {
            made[octave] += track->births * track->weight;
            samples[octave] += track->births;
        }
    }
    int steps = 1;
    for (int i = 0; i + 1 < OCTAVES && steps < LEAST_STEPS; i++) {
        double chance = 2.5 * sqrt(1 / fmax(samples[i], 1) + 1 / fmax(samples[i + 1], 1));
        bool equal = samples[i] >= 10 && samples[i + 1] >= 10 &&
                     fabs(log(made[i + 1] / made[i])) < 0.1 + chance;
        steps = equal ? steps + 1 : 1;
    }
    return steps >= LEAST_STEPS;
}

/* Whether most of the large blocks are steps of buffers that grow. */
static bool grows_in_steps(const struct ebb_study *study, const struct ebb_group *group)
{
    double in_steps = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[group->series[i]];
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (series->size_class >= FIRST_OCTAVE * CLASSES_PER_OCTAVE &&
            is_grown_in_steps(study, group, series->stack))
            in_steps += track->births * track->event_bytes;
    }
    return in_steps >= 0.3 * group->allocated_large;
}

/* Whether the last third of the window saw its part: a burst at the start is over. */
static bool goes_on(const struct ebb_study *study, const struct ebb_group *group)
{
    size_t from = (study->n - 1) * 2 / 3;
    double all = ebb_study_net(study, group->allocated);
    return group->allocated[study->n - 1] - group->allocated[from] > 0.2 * all;
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || group->threads || group->growth.confidence > 0)
        return 0;
    double rate = group->allocated_large / study->span;
    double blocks = group->created_large / study->span;
    double lifetime = group->live_large / fmax(rate, 1);
    bool go = study->program.go;
    double least = go ? LEAST_RATE_COLLECTED : LEAST_RATE;
    if (!go && rate < LEAST_RATE && rate >= LEAST_RATE_IN_STEPS && grows_in_steps(study, group))
        least = LEAST_RATE_IN_STEPS;
    bool dominates =
        rate >= least && rate >= LEAST_SHARE * study->alloc_rate && blocks >= LEAST_BLOCKS;
    return dominates && lifetime < 1 && goes_on(study, group) ? 0.85 : 0;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    double rate = group->allocated_large / study->span;
    double blocks = group->created_large / study->span;
    ebb_summary(words, "%s makes and frees large buffers all the time.",
                ebb_say_site(study, group, site));
    ebb_evidence_say(words,
                     "%s/s in blocks of about %s, %s per second: %.0f %% of all that the "
                     "program allocates.",
                     ebb_bytes(rate).text, ebb_bytes(rate / fmax(blocks, 1)).text,
                     ebb_count(blocks).text, fmin(100 * rate / fmax(study->alloc_rate, 1), 100));
    if (group->live_large > 0)
        ebb_evidence_say(words, "On average %s of them are alive: each lives for %.2g ms.",
                         ebb_bytes(group->live_large).text,
                         1e3 * group->live_large / fmax(rate, 1));
    else
        ebb_evidence_say(words, "None was alive at any look: each lives for an instant.");
    if (study->program.go) {
        ebb_advise(words, "Stream instead of holding the whole: `io.Copy(dst, src)`, "
                          "`json.NewDecoder(r).Decode(&v)`, `io.TeeReader`; in place of "
                          "io.ReadAll and of building the whole text.");
        ebb_advise(words, "Use one buffer again: `buf := pool.Get().(*bytes.Buffer); defer "
                          "pool.Put(buf); buf.Reset()`.");
        ebb_advise(words, "Where the size is known, ask for it at once, `make([]byte, 0, n)` or "
                          "`buf.Grow(n)`: growing copies and drops every smaller buffer.");
        return;
    }
    if (grows_in_steps(study, group)) {
        ebb_evidence_say(words, "It grows step by step: every size is made as often as the one "
                                "below, and what it holds is copied each time.");
        ebb_advise(words, "Ask for the size at once where it is known: reserve(n), or one malloc "
                          "instead of many a realloc.");
    }
    ebb_advise(words, "Keep one buffer per thread, or a small pool, and use it again.");
    ebb_advise(words, "Read and write in pieces of 4 to 64 KiB instead of whole bodies or files.");
    ebb_advise(words,
               "With glibc, mallopt(M_MMAP_THRESHOLD, …) above the size keeps such blocks in "
               "the heap instead of mapping each anew.");
}

/* Churn costs time, not memory: it ranks behind whatever grows. */
static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return group->allocated_large / study->span / 1e6;
}

const struct ebb_pattern ebb_pattern_large_temporaries = {"large-temporaries", match, explain,
                                                          harm};
