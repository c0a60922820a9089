/* goroutine-leak: goroutines wait for what never comes.
 *
 * Seen as: goroutines that stand in one place grow in number all the time. They are counted, not
 * sampled. What was allocated for them (their stacks apart) belongs to this verdict. Goroutines of
 * connections that clients keep open are left out, and pools, which start once. */
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>
#include <string.h>

/* What a goroutine costs at least: its smallest stack, and its descriptor. */
static const double LEAST_BYTES = 2048 + 448;

/* What a goroutine waits for, by the runtime's functions on its stack and by its own words. */
static const struct {
    const char *function, *reason, *words, *advice;
} reasons[] = {
    {"runtime.chansend", "chan send", "to send on a channel that nobody receives from",
     "Give the channel room for the one result, `ch := make(chan T, 1)`, or a way out: `select { "
     "case ch <- x: case <-ctx.Done(): return }`."},
    {"runtime.chanrecv", "chan receive", "to receive from a channel that nobody sends on or closes",
     "Close the channel when the sender is done, `defer close(ch)`, or give the receiver a way "
     "out: `select { case x := <-ch: ... case <-ctx.Done(): return }`."},
    {"runtime.selectgo", "select", "in a select none of whose cases comes",
     "Add the case that ends it, `case <-ctx.Done(): return`, and stop tickers with `defer "
     "t.Stop()`."},
    {"time.Sleep", "sleep", "for the next round of a loop that nothing ends",
     "Replace the sleep by `select { case <-time.After(d): case <-ctx.Done(): return }`."},
    {"sync.(*WaitGroup).Wait", "sync.WaitGroup.Wait", "for a sync.WaitGroup",
     "Make sure of every Done: `defer wg.Done()` as the first line of each goroutine."},
    {"sync.(*Cond).Wait", "sync.Cond.Wait", "for a sync.Cond that nobody signals",
     "Broadcast when the state changes for the last time, and check it in the loop around Wait()."},
    {"sync.runtime_Semacquire", "sync.Mutex.Lock", "for a lock that is not let go",
     "Unlock on every path: `mu.Lock(); defer mu.Unlock()`; do not send on channels under it."},
    {"internal/sync.runtime_Semacquire", "sync.RWMutex.RLock", "for a lock that is not let go",
     "Unlock on every path: `mu.Lock(); defer mu.Unlock()`; do not send on channels under it."},
    {"internal/poll.", "IO wait", "for a peer that does not answer",
     "Set time-outs: `http.Client{Timeout: 10 * time.Second}`, `conn.SetDeadline(...)`, and close "
     "every response body: `defer resp.Body.Close()`."},
    {"net/http.(*persistConn)", "", "on a connection of an HTTP client that is not used again",
     "Read and close every response body, `defer resp.Body.Close()`, share one http.Client, and "
     "set Transport.IdleConnTimeout."},
};

static size_t find_reason(const struct ebb_evidence_stack *stack)
{
    enum { COUNT = sizeof reasons / sizeof *reasons };
    for (size_t i = 0; i < stack->depth; i++)
        for (size_t k = COUNT; k-- > 0;)
            if (strncmp(stack->frames[i].function, reasons[k].function,
                        strlen(reasons[k].function)) == 0)
                return k;
    return COUNT;
}

/* The wait of most goroutines at the group's place, NULL when nobody asked for waits. */
static const struct ebb_wait *find_wait(const struct ebb_study *study,
                                        const struct ebb_group *group)
{
    const struct ebb_evidence *evidence = study->evidence;
    const struct ebb_frame *site = &evidence->stacks.items[group->stack].frames[group->place.site];
    const struct ebb_wait *most = NULL;
    for (size_t i = 0; i < evidence->waits.len; i++) {
        const struct ebb_wait *wait = &evidence->waits.items[i];
        if (wait->stack >= evidence->stacks.len || evidence->stacks.items[wait->stack].depth == 0)
            continue;
        const struct ebb_frame *place =
            &evidence->stacks.items[wait->stack].frames[study->places[wait->stack].site];
        if (place->line == site->line && strcmp(place->function, site->function) == 0 &&
            (!most || wait->goroutines > most->goroutines))
            most = wait;
    }
    return most;
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    return group && group->threads && study->program.go ? group->growth.confidence : 0;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    char site[160];
    const struct ebb_evidence_stack *stack = &study->evidence->stacks.items[group->stack];
    size_t reason = find_reason(stack), count = sizeof reasons / sizeof *reasons;
    double last = group->objects[study->n - 1];
    ebb_summary(words, "Goroutines in %s never end: they wait %s.",
                ebb_say_site(study, group, site),
                reason < count ? reasons[reason].words : "for what does not come");
    ebb_evidence_say(words, "Their number went from %.0f to %.0f in %s: %s more per second.",
                     group->objects[0], last, ebb_seconds(study->span).text,
                     ebb_count(group->growth.objects_rate).text);
    const struct ebb_wait *wait = find_wait(study, group);
    if (wait && wait->longest_s >= 60)
        ebb_evidence_say(words, "%llu of them are in \"%s\", the oldest for %s.",
                         (unsigned long long)wait->goroutines, wait->reason,
                         ebb_seconds(wait->longest_s).text);
    else if (wait)
        ebb_evidence_say(words, "%llu of them are in \"%s\".", (unsigned long long)wait->goroutines,
                         wait->reason);
    double company = ebb_total_rate(study, group);
    if (company > 0)
        ebb_evidence_say(words,
                         "With them grows what was allocated for them, by %s/s, and a stack of 2 "
                         "KiB or more for each.",
                         ebb_bytes(company).text);
    else
        ebb_evidence_say(words, "Each keeps a stack of 2 KiB or more, and all that it refers to.");
    if (reason < count)
        ebb_advise(words, "%s", reasons[reason].advice);
    ebb_advise(words, "Start none without knowing what ends it: `ctx, cancel := "
                      "context.WithTimeout(ctx, 5*time.Second); defer cancel()`.");
    ebb_advise(words, "Bound their number: `g, ctx := errgroup.WithContext(ctx); g.SetLimit(100)`, "
                      "or a fixed number of workers behind one channel.");
}

static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    return group->growth.objects_rate * LEAST_BYTES + ebb_total_rate(study, group);
}

const struct ebb_pattern ebb_pattern_goroutine_leak = {"goroutine-leak", match, explain, harm};
