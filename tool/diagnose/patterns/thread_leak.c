/* thread-leak: threads are created and neither end nor are joined.
 *
 * Seen as: threads of one creation stack that grow in number over the whole window (a pool that
 * starts its workers is a step, and healthy), or ended ones that nobody joins: each keeps its stack
 * mapped. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

/* What a thread costs at least: the pages of its stack that it touched, and its descriptor. */
static const double LEAST_THREAD_BYTES = 64 * 1024.0;

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || !group->threads || study->program.go)
        return 0;
    if (group->growth.confidence > 0)
        return group->growth.confidence;
    return 0;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    double last = group->objects[study->n - 1], ended = fmin(group->ended_threads, last);
    bool unjoined = ended > last / 2;
    ebb_summary(words,
                unjoined ? "Threads started in %s end, but nobody joins them."
                         : "Threads started in %s never end.",
                ebb_say_site(study, group, site));
    ebb_evidence_say(words, "Threads from here went from %.0f to %.0f in %s: %s per second.",
                     group->objects[0], last, ebb_seconds(study->span).text,
                     ebb_count(group->growth.objects_rate).text);
    if (ended > 0)
        ebb_evidence_say(words,
                         "%.0f of them have returned and wait to be joined; until then each keeps "
                         "its stack (8 MiB of address space by default).",
                         ended);
    if (unjoined) {
        ebb_advise(words, "Call pthread_join() for each, or create them detached "
                          "(pthread_attr_setdetachstate, pthread_detach; std::thread::detach).");
    } else {
        ebb_advise(words,
                   "Find out what they wait for: `gdb -p %d -batch -ex 'thread apply all bt'`.",
                   (int)study->evidence->pid);
        ebb_advise(words, "Give every wait a time-out, and every thread a way to be told to stop.");
    }
    ebb_advise(words, "Use a pool of a fixed number of threads instead of one thread per request.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return group->growth.objects_rate * LEAST_THREAD_BYTES;
}

const struct ebb_pattern ebb_pattern_thread_leak = {"thread-leak", match, explain, harm};
