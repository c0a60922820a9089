/* growing-slice: an array, list or text is appended to and never cut.
 *
 * Seen as: one buffer that realloc, or a copy into a larger one, makes bigger and bigger; or a
 * sequence container's elements that survive. */
#include "tool/diagnose/patterns/patterns.h"

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    return group ? ebb_growth_match(group, ebb_likeness(study, group).sequence) : 0;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[340];
    const struct ebb_container *container = group->container;
    if (container && container->kind == EBB_CONTAINER_MAP)
        container = NULL;
    ebb_summary(words, "A %s that is appended to in %s only grows.",
                container ? container->name : "growing array",
                ebb_say_inserter(study, group, site));
    ebb_say_growth(study, group, words);
    if (group->table.realloc)
        ebb_evidence_say(words, "It is realloc that makes it larger; nothing makes it smaller.");
    if (group->table.doublings > 0)
        ebb_evidence_say(words,
                         "While it is copied, the old and the new buffer are alive together: "
                         "the next time that takes up to %s at once.",
                         ebb_bytes(group->table.size * 3).text);
    if (container) {
        ebb_advise(words, "%s", container->forget);
        ebb_advise(words, "%s", container->bound);
        ebb_advise(words, "%s", container->shrink);
        return;
    }
    ebb_advise(words, "Cut what was handled: write it out in batches, then set the length to zero "
                      "and keep the buffer for the next batch.");
    ebb_advise(words, "If only the newest elements matter, use a ring buffer of fixed size.");
    ebb_advise(words, "When a peak is over, realloc the buffer down to what is in use.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return ebb_total_rate(study, group);
}

const struct ebb_pattern ebb_pattern_growing_slice = {"growing-slice", match, explain, harm};
