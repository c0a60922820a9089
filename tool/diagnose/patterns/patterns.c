/* The table of patterns, and what they share. See patterns.h. */
#include "tool/diagnose/patterns/patterns.h"

#include "tool/diagnose/golang.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct ebb_pattern *const ebb_patterns[] = {
    &ebb_pattern_unbounded_nested_map,
    &ebb_pattern_unbounded_map,
    &ebb_pattern_growing_slice,
    &ebb_pattern_leak,
    &ebb_pattern_goroutine_leak,
    &ebb_pattern_thread_leak,
    &ebb_pattern_pool_get_without_put,
    &ebb_pattern_map_kept_after_clear,
    &ebb_pattern_fragmentation,
    &ebb_pattern_large_temporaries,
    &ebb_pattern_map_remade,
    &ebb_pattern_map_clear_hot,
    &ebb_pattern_syncmap_clear_by_delete,
    &ebb_pattern_gc_thrash,
    NULL,
};

/* ---- likeness ---- */

/* Whether tables of one small size were made time and again, and of another too: a container that
 * grows has each size once, so there are many of them. */
static bool makes_many_tables(const struct ebb_study *study, const struct ebb_group *group)
{
    unsigned sizes = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        sizes += track->table && track->births >= 2 && track->births * track->weight >= 48;
    }
    return sizes >= 2;
}

/* More tables alive than one container needs: each entry of the outer map holds one. A container
 * split into shards has several, but a fixed number of them. */
static bool holds_many_tables(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_backing *table = &group->table;
    bool runtime = group->container && group->container->runtime;
    bool more = table->live > 1.5 * table->live_first;
    if (runtime) /* an interpreter is full of tables; only their number counts */
        return table->live_samples >= 12 && table->live > 2 * table->live_first + 64;
    return (table->live >= 24 && table->live_samples >= 4) ||
           (table->live >= 24 && makes_many_tables(study, group)) ||
           (table->live >= 6 && table->live_samples >= 5 && more);
}

/* Whether a stack makes a table that takes another's place. */
static bool is_larger_table(const struct ebb_evidence_stack *stack)
{
    for (size_t i = 0; i < stack->depth; i++)
        if (strcmp(stack->frames[i].function, "runtime.hashGrow") == 0 ||
            strcmp(stack->frames[i].function, "internal/runtime/maps.(*table).grow") == 0)
            return true;
    return false;
}

/* How many Go maps grew in the window, at least: each has a table of each size once. (Those of Swiss
 * maps that are split have one size; they do not grow any more.) */
static double count_grown_maps(const struct ebb_study *study, const struct ebb_group *group)
{
    double most = 0, interval[2];
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[group->series[i]];
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (!track->table || track->births < 2 ||
            !is_larger_table(&study->evidence->stacks.items[series->stack]))
            continue;
        ebb_poisson_interval(track->births, interval);
        most = fmax(most, interval[0] * track->weight);
    }
    return most;
}

/* Go's runtime says it: new maps stay alive in number, beside the one that they are put into. One
 * large map is one; a map split into shards is a fixed number of them. A sampled block that is small
 * stands for thousands, so that one or two tell enough: what counts is how many there are at least. */
static bool holds_go_maps(const struct ebb_study *study, const struct ebb_group *group)
{
    enum { MANY = 24 };
    const struct ebb_backing *table = &group->table;
    double maps = fmax(group->made, 0), samples = fmax(group->made_samples, 0), interval[2];
    if (table->live > 1.5 * table->live_first) {
        maps += table->live;
        samples += table->live_samples;
    }
    ebb_poisson_interval(samples, interval);
    return (samples >= 2 && maps * interval[0] / samples >= MANY) ||
           count_grown_maps(study, group) >= MANY;
}

static struct ebb_likeness go_likeness(const struct ebb_study *study, const struct ebb_group *group)
{
    struct ebb_likeness like = {.leak = 0.93};
    if (!group->container || group->container == &ebb_go_pool)
        return like;
    like.leak = 0.5;
    if (group->container->kind != EBB_CONTAINER_MAP)
        like.sequence = 0.96;
    else
        like.map = 0.96;
    if (group->container == &ebb_go_map && holds_go_maps(study, group))
        like.nested_map = 0.97;
    return like;
}

/* Nothing but a table, which is moved to a larger block by hand: its name tells, and how it becomes
 * resident. Arrays mostly grow by realloc; what is copied otherwise is mostly rehashed. */
static void like_table_alone(const struct ebb_group *group, struct ebb_likeness *like)
{
    const struct ebb_place *place = &group->place;
    bool scattered = group->table.filled == EBB_FILLED_AT_ONCE;
    bool in_order = group->table.filled == EBB_FILLED_BY_AND_BY;
    if (place->sequence_word && !place->map_word) {
        like->sequence = scattered ? 0.7 : in_order ? 0.93 : 0.85;
        like->map = scattered ? 0.6 : 0.3;
    } else if (place->map_word && !place->sequence_word) {
        like->map = in_order ? 0.7 : scattered ? 0.9 : 0.8;
        like->sequence = in_order ? 0.6 : 0.3;
    } else {
        like->map = scattered ? 0.85 : in_order ? 0.3 : 0.6;
        like->sequence = in_order ? 0.85 : scattered ? 0.3 : 0.5;
    }
}

/* Whether one block stands beside the entries, or stood there, far larger than they are and with room
 * for about a pointer to each: a table whose other sizes the samples have missed. */
static bool holds_fitting_block(const struct ebb_study *study, const struct ebb_group *group)
{
    static const double LARGER = 100, LEAST_PER_ENTRY = 1, MOST_PER_ENTRY = 64;
    const struct ebb_track *entries = NULL;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (!track->table && (!entries || track->net_objects > entries->net_objects))
            entries = track;
    }
    if (!entries)
        return false;
    double count = entries->samples_last * entries->weight;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (track != entries && track->births + track->samples_first == 1 &&
            track->block_bytes >= LARGER * entries->block_bytes &&
            track->block_bytes >= LEAST_PER_ENTRY * count &&
            track->block_bytes <= MOST_PER_ENTRY * count)
            return true;
    }
    return false;
}

struct ebb_likeness ebb_likeness(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_place *place = &group->place;
    if (study->program.go && (study->runtime_shown || group->container))
        return go_likeness(study, group);
    bool table = group->table.size > 0 && (group->table.doublings > 0 || group->table.live > 0);
    double entries = ebb_study_net(study, group->nodes);
    double tables = ebb_study_net(study, group->tables);
    bool has_entries = entries > 0 && entries > 0.1 * fmax(tables, 0);
    struct ebb_likeness like = {.leak = 0.55};
    bool fitting = !table && holds_fitting_block(study, group);

    if (group->container && group->container->kind == EBB_CONTAINER_MAP) {
        like.map = 0.96;
    } else if (group->container && group->container->kind == EBB_CONTAINER_SEQUENCE) {
        like.sequence = 0.96;
    } else if (table && has_entries && !group->table.realloc) {
        like.map = place->sequence_word && !place->map_word ? 0.7 : 0.95;
        like.sequence = 0.3;
    } else if (table && has_entries) {
        like.map = place->map_word ? 0.75 : 0.4;
        like.sequence = place->map_word ? 0.5 : 0.85;
    } else if (table && group->table.realloc) {
        like.sequence = place->map_word && !place->sequence_word ? 0.7 : 0.93;
        like.map = 0.25;
    } else if (table && group->container) {
        like.sequence = 0.9; /* a text */
    } else if (table) {
        like_table_alone(group, &like);
    } else if (fitting) {
        like.map = place->sequence_word && !place->map_word ? 0.5 : 0.75;
    } else if (group->growing_lines >= 2) {
        like.map = place->map_word ? 0.8 : 0.45;
    } else {
        like.map = place->map_word && !place->sequence_word ? 0.62 : 0.1;
    }

    bool is_map = like.map >= 0.6 && like.map >= like.sequence;
    if (is_map && place->nested)
        like.nested_map = 0.97;
    else if (is_map && holds_many_tables(study, group))
        like.nested_map = fmin(like.map + 0.01, 0.97);
    if (!group->container && !table && !fitting && group->growing_lines < 2 && !place->map_word)
        like.leak = 0.9;
    return like;
}

double ebb_growth_match(const struct ebb_group *group, double likeness)
{
    if (!group || group->threads || group->growth.confidence <= 0 || likeness < 0.5)
        return 0;
    return group->growth.confidence * likeness;
}

double ebb_total_rate(const struct ebb_study *study, const struct ebb_group *group)
{
    double rate = group->growth.rate;
    for (size_t i = 0; i < study->groups.len; i++)
        if (study->groups.items[i].part_of == group)
            rate += study->groups.items[i].growth.rate;
    return rate;
}

/* ---- sentences ---- */

static void name_frame(const struct ebb_frame *frame, char buffer[static 160])
{
    if (*frame->file)
        snprintf(buffer, 160, "%.90s (%.40s:%lld)", frame->function, ebb_file_name(frame->file),
                 (long long)frame->line);
    else
        snprintf(buffer, 160, "%.150s", frame->function);
}

const char *ebb_say_site(const struct ebb_study *study, const struct ebb_group *group,
                         char buffer[static 160])
{
    name_frame(&study->evidence->stacks.items[group->stack].frames[group->place.site], buffer);
    return buffer;
}

const char *ebb_say_inserter(const struct ebb_study *study, const struct ebb_group *group,
                             char buffer[static 340])
{
    const struct ebb_evidence_stack *stack = &study->evidence->stacks.items[group->stack];
    size_t site = group->place.site, caller = site + 1;
    char inner[160], outer[160];
    name_frame(&stack->frames[site], inner);
    bool maker = group->place.make_word || group->place.grow_word;
    if (maker && caller < stack->depth && !ebb_frame_is_root(&stack->frames[caller]) &&
        ebb_frame_is_own(stack, caller, &study->program)) {
        name_frame(&stack->frames[caller], outer);
        snprintf(buffer, 340, "%s, which calls %s,", outer, inner);
    } else {
        snprintf(buffer, 340, "%s", inner);
    }
    return buffer;
}

static void say_survival(const struct ebb_study *study, const struct ebb_group *group,
                         struct ebb_words *words)
{
    bool sampled = study->evidence->period > 1;
    if (group->retained < 1)
        return;
    const char *blocks = sampled ? "sampled blocks" : "blocks";
    if (group->deaths < 1)
        ebb_evidence_say(words,
                         "%s %s were allocated here in this window and are all still alive; not "
                         "one was freed.",
                         ebb_count(round(group->retained)).text, blocks);
    else if (group->lost < 0.5)
        ebb_evidence_say(words, "%s %s allocated here in this window are still alive.",
                         ebb_count(round(group->retained)).text, blocks);
    else
        ebb_evidence_say(words,
                         "%s %s allocated here in this window are still alive, against %s older "
                         "ones that were freed.",
                         ebb_count(round(group->retained)).text, blocks,
                         ebb_count(round(group->lost)).text);
}

static void say_pace(const struct ebb_group *group, struct ebb_words *words)
{
    const double *third = group->retained_thirds;
    double all = third[0] + third[1] + third[2];
    if (all >= 12)
        ebb_evidence_say(words,
                         "It does not slow down: the first third of the window kept %.0f %% of "
                         "them, the second %.0f %%, the last %.0f %%.",
                         100 * third[0] / all, 100 * third[1] / all, 100 * third[2] / all);
}

static void say_table(const struct ebb_group *group, struct ebb_words *words)
{
    const struct ebb_backing *table = &group->table;
    if (table->doublings >= 1 && table->live < 6)
        ebb_evidence_say(words, "Its %s was replaced by a larger one %d time%s, from %s to %s.",
                         table->realloc ? "buffer" : "table", table->rises,
                         table->rises == 1 ? "" : "s", ebb_bytes(table->first_size).text,
                         ebb_bytes(table->size).text);
}

static void say_company(const struct ebb_study *study, const struct ebb_group *group,
                        struct ebb_words *words)
{
    for (size_t i = 0; i < study->groups.len; i++) {
        const struct ebb_group *other = &study->groups.items[i];
        char site[160];
        if (other->part_of == group)
            ebb_evidence_say(words, "Memory from %s grows in step with it, by %s/s.",
                             ebb_say_site(study, other, site), ebb_bytes(other->growth.rate).text);
    }
}

void ebb_say_growth(const struct ebb_study *study, const struct ebb_group *group,
                    struct ebb_words *words)
{
    const struct ebb_growth *growth = &group->growth;
    ebb_evidence_say(
        words, "Live memory from here went from %s to %s in %s: %s/s (95 %%: %s/s to %s/s).",
        ebb_bytes(group->live[0]).text, ebb_bytes(group->live[study->n - 1]).text,
        ebb_seconds(study->span).text, ebb_bytes(growth->rate).text,
        ebb_bytes(fmax(growth->interval[0], 0)).text, ebb_bytes(growth->interval[1]).text);
    if (growth->proof == EBB_PROOF_FLOOR)
        ebb_evidence_say(words, "It rises and falls, but every trough lies higher than the last.");
    if (growth->proof != EBB_PROOF_TABLE) {
        say_survival(study, group, words);
        say_pace(group, words);
    }
    say_table(group, words);
    if (study->blocks.steady)
        ebb_evidence_say(words,
                         "All in all, the program frees %s blocks per second fewer than it "
                         "allocates; that is counted, not sampled.",
                         ebb_count(study->blocks.rate).text);
    say_company(study, group, words);
    if (growth->confidence < 0.7)
        ebb_evidence_say(words, "Few samples stand behind this; a longer window makes it sure.");
}
