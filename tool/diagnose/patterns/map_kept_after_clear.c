/* map-kept-after-clear: a map was emptied, but its table stays as large as it was at its fullest.
 *
 * Seen as: a large table that stands unchanged while the entries of the same container fell to a
 * fraction, and stayed there for at least a third of the window. A map that is refilled soon makes
 * good use of its table and is healthy.
 *
 * Go's maps hold their entries in the tables, so nothing falls when entries go. There it is the
 * processor profile that tells: since the table reached its size, time went into taking entries out
 * of maps with such keys, and the pace at which this one was filled is over; or who walks over it no
 * longer has anything to do with what it finds. Or entries have memory of their own (strings,
 * pointers), and hardly any of what was allocated of it is alive beside a table with room for it
 * all. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/patterns/patterns.h"

#include <math.h>
#include <string.h>

static const double LEAST_TABLE = 8.0 * (1 << 20);
static const double SAMPLES_TO_TELL = 12; /* entries sampled at the peak */

/* The fall of the entries: where the peak was, and the highest level in the last third. */
static double peak_entries(const struct ebb_study *study, const struct ebb_group *group,
                           double *since, double *late)
{
    double peak = 0;
    *since = *late = 0;
    for (size_t i = 0; i < study->n; i++) {
        if (group->nodes[i] > peak) {
            peak = group->nodes[i];
            *since = study->times[i];
        }
        if (study->times[i] >= study->span * 2 / 3)
            *late = fmax(*late, group->nodes[i]);
    }
    return peak;
}

/* ---- Go ---- */

/* What the processor profile says of a map's filling and emptying, in seconds of processor time. */
struct balance {
    double filled;     /* put in until the tables had their size */
    double emptied;    /* taken out since, by those who do little else */
    double refilled;   /* put in since it was emptied */
    double added;      /* put into any map with such keys since the tables had their size */
    double pace_first; /* put in, per second of time: while it was filled */
    double pace_since; /* ... and since it was emptied */
};

/* When the tables reached the size that they have now. */
static double full_since(const struct ebb_study *study, const struct ebb_group *group)
{
    double now = group->tables[study->n - 1];
    for (size_t i = 0; i < study->n; i++)
        if (group->tables[i] >= 0.85 * now)
            return study->times[i];
    return study->span;
}

static const char *function_of(const struct ebb_study *study, uint32_t stack)
{
    return study->evidence->stacks.items[stack].frames[study->places[stack].site].function;
}

static bool puts_into(const struct ebb_study *study, const struct ebb_move *move, const char *own)
{
    return move->kind == EBB_MOVE_IN && strcmp(function_of(study, move->stack), own) == 0;
}

/* The end of the last stretch of the processor profile in which `own` went on filling the map; a tenth
 * may come later. The tables tell that later still: the heap is as of the last collection. */
static double filled_by(const struct ebb_study *study, const char *own)
{
    double all = 0, later = 0, filled = study->span, from = INFINITY;
    for (size_t i = 0; i < study->moves.len; i++)
        if (puts_into(study, &study->moves.items[i], own))
            all += study->moves.items[i].seconds;
    while (later < all && later <= 0.1 * all) { /* stretch by stretch, from the last one on */
        double before = from, seconds = 0;
        from = -INFINITY;
        for (size_t i = 0; i < study->moves.len; i++) {
            const struct ebb_move *move = &study->moves.items[i];
            if (move->from_s < before && move->from_s >= from && puts_into(study, move, own)) {
                seconds = (move->from_s > from ? 0 : seconds) + move->seconds;
                from = move->from_s;
                filled = move->to_s;
            }
        }
        if (seconds <= 0)
            break;
        later += seconds;
    }
    return filled;
}

/* What the function of a move, its closures included, spends on moves of one kind at the time. */
static double spent_with(const struct ebb_study *study, const struct ebb_move *move,
                         enum ebb_move_kind kind)
{
    const char *name = function_of(study, move->stack);
    size_t family = ebb_go_family(name);
    double seconds = 0;
    for (size_t i = 0; i < study->moves.len; i++) {
        const struct ebb_move *other = &study->moves.items[i];
        const char *other_name = function_of(study, other->stack);
        if (other->kind == kind && other->from_s == move->from_s &&
            ebb_go_family(other_name) == family && strncmp(name, other_name, family) == 0)
            seconds += other->seconds;
    }
    return seconds;
}

/* What emptied maps since `full`, and when the last of it began. Who walks much and takes little
 * out looks for what has expired. */
static double emptied_since(const struct ebb_study *study, const char *keys, double full,
                            double *last)
{
    double seconds = 0;
    for (size_t i = 0; i < study->moves.len; i++) {
        const struct ebb_move *move = &study->moves.items[i];
        bool out = move->kind == EBB_MOVE_OUT && keys && strcmp(keys, move->keys) == 0;
        if (move->to_s <= full || (!out && move->kind != EBB_MOVE_CLEAR))
            continue;
        double walked = out ? spent_with(study, move, EBB_MOVE_WALK) : 0;
        double taken = out ? spent_with(study, move, EBB_MOVE_OUT) : move->seconds;
        if (taken < 0.2 * walked)
            continue;
        seconds += move->seconds * (1 + walked / taken);
        *last = fmax(*last, move->from_s);
    }
    return seconds;
}

static struct balance weigh(const struct ebb_study *study, const struct ebb_group *group)
{
    const char *own = function_of(study, group->stack), *keys = ebb_group_keys(study, group);
    double full = fmin(full_since(study, group), filled_by(study, own));
    double began = full, emptied = full, since = 0;
    for (size_t i = study->n; i-- > 0;)
        if (group->tables[i] >= 0.05 * group->tables[study->n - 1])
            began = fmin(began, i > 0 ? study->times[i - 1] : 0);
    struct balance balance = {.emptied = emptied_since(study, keys, full, &emptied)};
    for (size_t i = 0; i < study->moves.len; i++) {
        const struct ebb_move *move = &study->moves.items[i];
        if (move->kind != EBB_MOVE_IN)
            continue;
        if (move->from_s >= full && (!keys || strcmp(keys, move->keys) == 0))
            balance.added += move->seconds;
        if (!puts_into(study, move, own))
            continue;
        if (move->from_s < full)
            balance.filled += move->seconds;
        else if (move->from_s >= emptied)
            since += move->seconds;
    }
    balance.refilled = since;
    balance.pace_first = balance.filled / fmax(full - began, 1);
    balance.pace_since = since / fmax(study->span - emptied, 1);
    return balance;
}

/* It was filled, and at a pace that is over. A map that goes on as it began replaces its entries. */
static bool was_filled(struct balance balance)
{
    return balance.filled >= 0.05 && balance.pace_since < 0.15 * balance.pace_first;
}

/* ... and then emptied. Filling takes ten to thirty times as long as deleting the same entries,
 * because tables are copied and their pages are new. What other maps with such keys take in and give up again tells nothing of
 * this one. */
static bool was_emptied(struct balance balance)
{
    return was_filled(balance) && balance.emptied >= 0.02 &&
           balance.emptied >= 0.02 * balance.filled && balance.emptied >= 2 * balance.refilled &&
           balance.emptied >= 1.5 * balance.added;
}

/* A function, its closures included, that walks over maps: how long, and how long it handles what it
 * finds there; before a time and since. */
struct walks {
    double walked[2], handled[2];
};

static struct walks follow(const struct ebb_study *study, const char *name, double split)
{
    struct walks walks = {0};
    size_t family = ebb_go_family(name);
    for (size_t i = 0; i < study->moves.len; i++) {
        const struct ebb_move *move = &study->moves.items[i];
        const char *other = function_of(study, move->stack);
        if (ebb_go_family(other) != family || strncmp(name, other, family) != 0)
            continue;
        double *sums = move->kind == EBB_MOVE_WALK ? walks.walked : walks.handled;
        sums[move->from_s >= split] += move->seconds;
    }
    return walks;
}

/* Ticks of the processor profile, Go's take one a hundredth of a second. */
static double ticks(double seconds)
{
    return round(seconds * 100);
}

/* How likely it is by chance alone that so few of the later ticks handle entries: the lower tail of
 * the hypergeometric distribution (Fisher's exact test, 1922). */
static double chance_of(struct walks walks)
{
    double handled = ticks(walks.handled[0]) + ticks(walks.handled[1]);
    double walked = ticks(walks.walked[0]) + ticks(walks.walked[1]);
    double later = ticks(walks.handled[1]) + ticks(walks.walked[1]), sum = 0;
    double all =
        lgamma(handled + walked + 1) - lgamma(later + 1) - lgamma(handled + walked - later + 1);
    for (int k = (int)fmax(later - walked, 0); k <= (int)ticks(walks.handled[1]); k++)
        sum +=
            exp(lgamma(handled + 1) - lgamma(k + 1) - lgamma(handled - k + 1) + lgamma(walked + 1) -
                lgamma(later - k + 1) - lgamma(walked - later + k + 1) - all);
    return sum;
}

/* A walk takes as long for empty slots as for full ones. So what it handles beside walking tells how
 * many entries it finds. */
static bool finds_little(struct walks walks)
{
    bool plainly = walks.walked[1] >= 0.04 && walks.handled[1] <= 0.25 * walks.walked[1] &&
                   walks.handled[0] >= 0.05 && walks.handled[0] >= walks.walked[0];
    bool fewer = walks.handled[1] * walks.walked[0] < 0.25 * walks.handled[0] * walks.walked[1];
    return plainly || (fewer && chance_of(walks) < 0.05);
}

/* Emptying takes so little time that it may go unseen. But who walked over the map and was busy with
 * what is in it, in the same source file, walks on and finds nothing to be busy with. */
static bool is_found_empty(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_evidence_stack *stacks = study->evidence->stacks.items;
    const char *file = stacks[group->stack].frames[group->place.site].file;
    double full = full_since(study, group), split = full + 0.2 * (study->span - full);
    for (size_t i = 0; i < study->moves.len; i++) {
        const struct ebb_move *move = &study->moves.items[i];
        const struct ebb_frame *site = &stacks[move->stack].frames[study->places[move->stack].site];
        if (move->kind != EBB_MOVE_WALK || move->from_s < split || strcmp(site->file, file) != 0)
            continue;
        if (finds_little(follow(study, site->function, split)))
            return true;
    }
    return false;
}

/* How many bytes of table there are for each entry that is alive, at least; 0 when entries have no
 * memory of their own. */
static double table_per_entry(const struct ebb_study *study, const struct ebb_group *group)
{
    enum { UNSEEN = 3 }; /* samples that may have been missed */
    double tables = group->tables[study->n - 1], least = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[group->series[i]];
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (track->table || series->points.len == 0)
            continue;
        const struct ebb_point *last = &series->points.items[series->points.len - 1];
        if (last->alloc_objects < tables / 300) /* not one for each entry */
            continue;
        double alive = last->live_objects + UNSEEN * track->weight;
        double per_entry = tables / fmax(alive, 1);
        least = least > 0 ? fmin(least, per_entry) : per_entry;
    }
    return least;
}

static double match_go(const struct ebb_study *study, const struct ebb_group *group)
{
    /* No slot is larger than 300 bytes, and no table that grows less full than a quarter. */
    static const double ROOMY = 4000;
    size_t last = study->n - 1;
    double tables = group->tables[last];
    if (!group->container || group->container->kind != EBB_CONTAINER_MAP ||
        tables < LEAST_TABLE / 2 || full_since(study, group) > study->span * 2 / 3 ||
        group->tables[study->n * 2 / 3] < 0.75 * tables)
        return 0;
    struct balance balance = weigh(study, group);
    if (was_emptied(balance))
        return 0.8;
    if (was_filled(balance) && is_found_empty(study, group))
        return 0.65;
    return table_per_entry(study, group) >= ROOMY ? 0.75 : 0;
}

static void explain_go(const struct ebb_study *study, const struct ebb_group *group,
                       struct ebb_words *words)
{
    char site[160];
    double tables = group->tables[study->n - 1], since, late;
    double peak = peak_entries(study, group, &since, &late);
    struct balance balance = weigh(study, group);
    int minor = ebb_go_minor(study->evidence->go_version);
    ebb_summary(words,
                "A %s that is filled in %s was emptied, but keeps the tables of its fullest.",
                group->container->name, ebb_say_site(study, group, site));
    if (peak > 0 && late < 0.3 * peak)
        ebb_evidence_say(words,
                         "What its entries hold fell from %s to %s; its tables still hold %s.",
                         ebb_bytes(peak).text, ebb_bytes(late).text, ebb_bytes(tables).text);
    else
        ebb_evidence_say(words, "Its tables hold %s, and have not changed for %s.",
                         ebb_bytes(tables).text,
                         ebb_seconds(study->span - full_since(study, group)).text);
    if (was_emptied(balance))
        ebb_evidence_say(words,
                         "Filling it took %.0f ms of processor time; since then %.0f ms went into "
                         "taking entries out of maps with such keys, and hardly any into new ones.",
                         1e3 * balance.filled, 1e3 * balance.emptied);
    else if (was_filled(balance) && is_found_empty(study, group))
        ebb_evidence_say(words, "Who walks over it was busy with its entries before, and now finds "
                                "nothing to be busy with.");
    ebb_advise(words,
               "No Go map gives back its tables, neither by delete nor by %s. Build a new "
               "one of what is left: `m2 := make(map[K]V, len(m)); for k, v := range m { "
               "m2[k] = v }; m = m2`.",
               minor == 0 || minor >= EBB_GO_CLEAR ? "clear(m)" : "a loop of deletes");
    ebb_advise(words, "When nothing is left, drop it: `m = nil`, or `m = make(map[K]V)` for the "
                      "next use.");
    ebb_advise(words, "Values of more than 128 bytes, or pointers, make the tables small: what "
                      "remains after the peak is then less.");
    ebb_advise(words, "If the map fills up again soon, keep it: then this costs nothing.");
}

static double match(const struct ebb_study *study, const struct ebb_group *group)
{
    if (!group || group->threads || group->growth.confidence > 0)
        return 0;
    double go = study->program.go ? match_go(study, group) : 0;
    if (go > 0)
        return go;
    double table = group->tables[study->n - 1], since, late;
    double peak = peak_entries(study, group, &since, &late);
    if (table < LEAST_TABLE || peak < SAMPLES_TO_TELL * fmax(group->event_bytes, 1))
        return 0;
    bool emptied = late < 0.3 * peak && since < study->span * 2 / 3;
    bool kept = table > 0.9 * group->tables[study->n * 2 / 3] && table > 0.25 * late;
    if (!emptied || !kept)
        return 0;
    return group->container ? 0.9 : 0.8;
}

static void explain(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    if (study->program.go) {
        explain_go(study, group, words);
        return;
    }
    char site[160];
    double since, late, peak = peak_entries(study, group, &since, &late);
    const struct ebb_container *container = group->container;
    ebb_summary(words, "A %s that is filled in %s was emptied, but keeps the table of its fullest.",
                container ? container->name : "map", ebb_say_site(study, group, site));
    ebb_evidence_say(words, "Its entries fell from %s to %s; its table still holds %s.",
                     ebb_bytes(peak).text, ebb_bytes(late).text,
                     ebb_bytes(group->tables[study->n - 1]).text);
    if (container)
        ebb_advise(words, "%s", container->shrink);
    else
        ebb_advise(words, "After a mass delete, move what is left into a table of the right size "
                          "and free the old one.");
    ebb_advise(words, "If the map fills up again soon, keep the table: then this costs nothing.");
}

/* Memory held is counted as if it were lost once in ten minutes: the table, and what of the
 * entries' memory did not go back to the system, because the clearing is behind that too. */
static double harm(const struct ebb_study *study, const struct ebb_group *group)
{
    size_t last = study->n - 1;
    double since, late, peak = peak_entries(study, group, &since, &late);
    double free_memory = fmax(study->anonymous.values[last] - study->live[last], 0), highest = 0;
    for (size_t i = 0; i < study->n; i++)
        highest = fmax(highest, study->live[i]);
    bool behind_it = peak - late >= (highest - study->live[last]) / 2;
    return (group->tables[last] + (behind_it ? free_memory : 0)) / 600;
}

const struct ebb_pattern ebb_pattern_map_kept_after_clear = {"map-kept-after-clear", match, explain,
                                                             harm};
