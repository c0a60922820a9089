/* large-temporaries: buffers of 64 KiB and more are made and thrown away at a high rate.
 *
 * Seen as: far more allocated than alive, in large blocks, at a rate that costs: each is mapped,
 * cleared page by page and unmapped again. Only a rate that dominates the program is reported; to
 * allocate and free is what programs do. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static const double LEAST_RATE = 100e6, LEAST_SHARE = 0.3, LEAST_BLOCKS = 200;
/* Under a collector every byte is paid for once more. */
static const double LEAST_RATE_COLLECTED = 10e6, LEAST_BLOCKS_COLLECTED = 5;

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
    bool dominates = rate >= (go ? LEAST_RATE_COLLECTED : LEAST_RATE) &&
                     rate >= LEAST_SHARE * study->alloc_rate &&
                     blocks >= (go ? LEAST_BLOCKS_COLLECTED : LEAST_BLOCKS);
    if (go && (group->container == &ebb_go_map || group->container == &ebb_go_pool))
        return 0; /* map-remade, pool-get-without-put */
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
