/* leak: blocks of one site pile up and no container is recognised behind them. Usually the pointer
 * is lost.
 *
 * Seen as: survivors of all ages, no frees, no table, no companions. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    return group ? ebb_growth_match(group, ebb_likeness(study, group).leak) : 0;
}

static void advise_go(const struct ebb_study *study, const struct ebb_group *group, double size,
                      struct ebb_words *words)
{
    const struct ebb_evidence_stack *stack = &study->evidence->stacks.items[group->stack];
    ebb_advise(words,
               "Find what still refers to what %s allocates: package-level variables first, then "
               "fields of what lives long, closures, timers and channels.",
               stack->frames[group->place.site].function);
    ebb_advise(words, "Let go of it when it is done with: `x.next = nil`, `x.buf = nil`, and "
                      "unregister callbacks: `stop := bus.Subscribe(f); defer stop()`.");
    ebb_advise(words, "A small part keeps the whole: copy what stays out of a large buffer, "
                      "`strings.Clone(s)`, `bytes.Clone(b)`.");
    if (size >= 1 && size < 4096 && fmod(size, 1) == 0)
        ebb_advise(words,
                   "Their size class, %.0f bytes, helps to find the type: compare it with "
                   "unsafe.Sizeof.",
                   size);
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    double size = group->retained_objects > 0 ? group->retained_bytes / group->retained_objects : 0;
    ebb_summary(words,
                study->program.go ? "Memory allocated in %s stays referred to and is never freed."
                                  : "Memory allocated in %s is not freed.",
                ebb_say_site(study, group, site));
    ebb_say_growth(study, group, words);
    if (size > 0 && group->growth.objects_rate > 0)
        ebb_evidence_say(words, "Blocks of about %s, %s per second.", ebb_bytes(size).text,
                         ebb_count(group->growth.objects_rate).text);
    if (study->program.go) {
        advise_go(study, group, size, words);
        return;
    }
    const struct ebb_evidence_stack *stack = &study->evidence->stacks.items[group->stack];
    size_t caller = group->place.site + 1;
    if (caller < stack->depth && ebb_frame_is_own(stack, caller, &study->program))
        ebb_advise(
            words,
            "Decide who frees what %s allocates: look at its callers, %s first, for a return, "
            "an error path or an overwritten pointer that drops it.",
            stack->frames[group->place.site].function, stack->frames[caller].function);
    else
        ebb_advise(words,
                   "Decide who frees what %s allocates, and look for a return, an error path or an "
                   "overwritten pointer that drops it.",
                   stack->frames[group->place.site].function);
    ebb_advise(words, "If the blocks are kept on purpose, in a list or table, that structure needs "
                      "a bound: remove and free the oldest.");
    if (size >= 1 && size < 4096 && fmod(size, 1) == 0)
        ebb_advise(words, "Their size, %.0f bytes, helps to find the type: compare it with sizeof.",
                   size);
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return ebb_total_rate(study, group);
}

const struct ebb_pattern ebb_pattern_leak = {"leak", match, explain, harm};
