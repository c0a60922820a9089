/* Which series belong together. See study.h.
 *
 * Series of one site make a group, whatever lines and callers they come through, so that few
 * samples here and few there add up. A caller under which as much is freed as allocated is kept
 * apart: its churn would only hide what grows beside it. Then groups are joined that are parts of
 * one container: a helper that grows the table with the function that inserts, a constructor of
 * nodes with the helper beside it, everything a script does. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- from series to groups ---- */

struct key {
    const struct ebb_frame *site, *caller; /* caller: the next own frame, NULL when there is none */
    uint32_t series;
    bool threads;
};

static int compare_frames(const struct ebb_frame *a, const struct ebb_frame *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    int order = strcmp(a->function, b->function);
    if (order == 0)
        order = strcmp(a->module, b->module);
    return order ? order : strcmp(a->file, b->file);
}

static int compare_sites(const struct key *a, const struct key *b)
{
    if (a->threads != b->threads)
        return a->threads ? 1 : -1;
    return compare_frames(a->site, b->site);
}

static int compare_keys(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    int order = compare_sites(a, b);
    if (order == 0)
        order = compare_frames(a->caller, b->caller);
    return order ? order : (a->series > b->series) - (a->series < b->series);
}

/* The own frame above `index`, NULL when there is none. */
static const struct ebb_frame *own_frame_above(const struct ebb_study *study, uint32_t stack,
                                               size_t index, size_t *found)
{
    const struct ebb_evidence_stack *frames = &study->evidence->stacks.items[stack];
    for (size_t i = index + 1; i < frames->depth; i++) {
        if (ebb_frame_is_own(frames, i, &study->program)) {
            if (found)
                *found = i;
            return &frames->frames[i];
        }
    }
    return NULL;
}

/* Whether as much was freed as allocated, by enough events to tell. */
static bool is_steady(const struct ebb_study *study, const struct key *keys, size_t count)
{
    double gained = 0, lost = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ebb_track *track = &study->tracks[keys[i].series];
        if (track->table)
            return false;
        if (study->survivors_known) {
            gained += track->new_survivors;
            lost += fmax(track->samples_first - track->old_survivors, 0);
        } else {
            gained += fmax(track->samples_last - track->samples_first, 0);
            lost += fmax(track->samples_first - track->samples_last, 0);
        }
    }
    return gained + lost >= 10 && gained - lost < 1.5 * sqrt(gained + lost);
}

static void add_group(struct ebb_study *study, const struct key *keys, const bool *steady,
                      size_t count, bool wanted)
{
    struct ebb_group group = {.steady = wanted, .threads = keys[0].threads};
    group.series = ebb_study_alloc(study, count, sizeof *group.series);
    if (!group.series)
        return;
    for (size_t i = 0; i < count; i++)
        if (steady[i] == wanted)
            group.series[group.series_count++] = keys[i].series;
    if (group.series_count > 0 && ebb_vec_push(&study->groups, group) < 0)
        study->failed = true;
}

/* Makes one group, or two, of the series of one site. */
static void split_site(struct ebb_study *study, const struct key *keys, size_t count, bool *steady)
{
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && compare_frames(keys[next].caller, keys[i].caller) == 0;
             next++)
            ;
        bool same = is_steady(study, keys + i, next - i);
        for (size_t k = i; k < next; k++)
            steady[k] = same;
    }
    add_group(study, keys, steady, count, false);
    add_group(study, keys, steady, count, true);
}

static void group_by_site(struct ebb_study *study)
{
    const struct ebb_evidence *evidence = study->evidence;
    size_t count = 0;
    struct key *keys = ebb_study_alloc(study, evidence->series.len + 1, sizeof *keys);
    bool *steady = ebb_study_alloc(study, evidence->series.len + 1, sizeof *steady);
    if (study->failed)
        return;
    for (size_t i = 0; i < evidence->series.len; i++) {
        const struct ebb_series *series = &evidence->series.items[i];
        if (study->tracks[i].ignored || series->points.len == 0)
            continue;
        size_t site = study->places[series->stack].site;
        keys[count++] = (struct key){
            .site = &evidence->stacks.items[series->stack].frames[site],
            .caller = own_frame_above(study, series->stack, site, NULL),
            .series = (uint32_t)i,
            .threads = series->kind == EBB_KIND_THREAD,
        };
    }
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 0, next; i < count && !study->failed; i = next) {
        for (next = i + 1; next < count && compare_sites(&keys[next], &keys[i]) == 0; next++)
            ;
        split_site(study, keys + i, next - i, steady + i);
    }
}

/* ---- joining groups ---- */

/* Whether entries are held beside the tables; if not, they are gone or lie inside. Where nothing is
 * held at all, nobody can tell, and the answer is yes. */
static bool holds_entries(const struct ebb_study *study, const struct ebb_group *group)
{
    double entries = 0, tables = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        *(track->table ? &tables : &entries) += track->samples_last * track->event_bytes;
    }
    return entries >= 0.1 * tables;
}

/* What a series says for its stack, see below. */
static double weigh_series(const struct ebb_track *track, bool entries)
{
    double passed = (track->births + track->samples_last) * track->event_bytes;
    double weight = fmax(track->net_bytes, 0) + passed * 1e-3;
    return track->table && entries ? weight * 1e-3 : weight;
}

/* The stack that speaks for a group: the heaviest, by what it added and, when nothing grows, by what
 * passed through it; and of its series the heaviest. Entries before tables, because a table is grown
 * by a helper; but where nothing but tables is held, they are what it is about. */
static uint32_t heaviest_series(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_series *series = study->evidence->series.items;
    uint32_t best = group->series[0];
    double best_stack = -INFINITY, best_weight = -INFINITY;
    bool entries = study->program.go || holds_entries(study, group);
    for (size_t i = 0; i < group->series_count; i++)
        study->stack_weights[series[group->series[i]].stack] = 0;
    for (size_t i = 0; i < group->series_count; i++)
        study->stack_weights[series[group->series[i]].stack] +=
            weigh_series(&study->tracks[group->series[i]], entries);
    for (size_t i = 0; i < group->series_count; i++) {
        double of_stack = study->stack_weights[series[group->series[i]].stack];
        double weight = weigh_series(&study->tracks[group->series[i]], entries);
        if (of_stack > best_stack || (of_stack == best_stack && weight > best_weight)) {
            best_stack = of_stack;
            best_weight = weight;
            best = group->series[i];
        }
    }
    return best;
}

static bool holds_table(const struct ebb_study *study, const struct ebb_group *group)
{
    for (size_t i = 0; i < group->series_count; i++)
        if (study->tracks[group->series[i]].table)
            return true;
    return false;
}

static bool holds_only_tables(const struct ebb_study *study, const struct ebb_group *group)
{
    for (size_t i = 0; i < group->series_count; i++)
        if (!study->tracks[group->series[i]].table)
            return false;
    return true;
}

/* The table series that added most, NULL when there is none. */
static const struct ebb_track *largest_table(const struct ebb_study *study,
                                             const struct ebb_group *group, uint32_t *series)
{
    const struct ebb_track *largest = NULL;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (track->table && (!largest || track->net_bytes > largest->net_bytes)) {
            largest = track;
            *series = group->series[i];
        }
    }
    return largest;
}

/* What a series added and holds. */
static double kept_bytes(const struct ebb_track *track)
{
    return fmax(track->net_bytes, 0) + 1e-3 * track->samples_last * track->event_bytes;
}

/* Where a table speaks for entries that are gone, the site is where these were put in: the frame of
 * the table's stack that made them, if it called the helper that made the table. */
static void move_to_inserter(const struct ebb_study *study, struct ebb_group *group)
{
    const struct ebb_evidence_stack *table = &study->evidence->stacks.items[group->stack];
    size_t at = group->place.site;
    const struct ebb_frame *caller = own_frame_above(study, group->stack, at, &at);
    for (int distance = 0; caller && distance < 2; distance++) {
        for (size_t i = 0; i < group->series_count; i++) {
            uint32_t stack = study->evidence->series.items[group->series[i]].stack;
            const struct ebb_place *place = &study->places[stack];
            const struct ebb_frame *site =
                &study->evidence->stacks.items[stack].frames[place->site];
            if (!study->tracks[group->series[i]].table && compare_frames(site, caller) == 0) {
                char base[256];
                ebb_function_base(table->frames[at].function, base, sizeof base);
                ebb_place_read_words(&group->place, base);
                group->place.site = at;
                return;
            }
        }
        caller = own_frame_above(study, group->stack, at, &at);
    }
}

/* What the largest of a group's tables took at any look: the newest may not have been sampled. */
static double largest_seen(const struct ebb_study *study, const struct ebb_group *group)
{
    double most = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[group->series[i]];
        for (size_t k = 0; k < series->points.len && study->tracks[group->series[i]].table; k++)
            most = fmax(most, series->points.items[k].live_bytes);
    }
    return most;
}

static void describe(const struct ebb_study *study, struct ebb_group *group)
{
    uint32_t series = heaviest_series(study, group);
    group->stack = study->evidence->series.items[series].stack;
    group->place = study->places[group->stack];
    if (study->tracks[series].table && !study->program.go)
        move_to_inserter(study, group);
    group->container = NULL;
    group->place.nested = false;
    double best = -1, all = 0;
    for (size_t i = 0; i < group->series_count; i++)
        all += kept_bytes(&study->tracks[group->series[i]]);
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        uint32_t stack = study->evidence->series.items[group->series[i]].stack;
        const struct ebb_place *place = &study->places[stack];
        if (!place->container)
            continue;
        /* Go's functions have slices of their own in passing beside what they keep. */
        if (study->program.go && place->container->kind != EBB_CONTAINER_MAP &&
            kept_bytes(track) < 0.02 * all)
            continue;
        group->place.nested |= place->nested;
        /* A map outranks a sequence, which outranks a text; among equals the heavier one. */
        double weight = kept_bytes(track) + 1e18 * (2 - (int)place->container->kind);
        if (weight > best) {
            best = weight;
            group->container = place->container;
        }
    }
    /* A map would be seen; what grows like this in Go 1.19 without being seen is a slice. */
    if (study->program.go && !group->container && study->runtime_shown) {
        if (largest_seen(study, group) > 0.02 * all)
            group->container = &ebb_go_slice;
    }
    if (!group->container && group->place.interpreter) {
        const struct ebb_track *table = largest_table(study, group, &series);
        if (table)
            group->container = ebb_interpreter_container(
                study->evidence->stacks.items[group->stack].frames[group->place.site].module,
                study->evidence->series.items[series].kind == EBB_KIND_REALLOC);
    }
}

static void join(struct ebb_study *study, struct ebb_group *into, struct ebb_group *from)
{
    size_t count = into->series_count + from->series_count;
    uint32_t *series = ebb_study_alloc(study, count, sizeof *series);
    if (!series)
        return;
    memcpy(series, into->series, into->series_count * sizeof *series);
    memcpy(series + into->series_count, from->series, from->series_count * sizeof *series);
    into->series = series;
    into->series_count = count;
    from->series_count = 0;
    describe(study, into);
}

static const struct ebb_frame *site_of(const struct ebb_study *study, const struct ebb_group *group)
{
    return &study->evidence->stacks.items[group->stack].frames[group->place.site];
}

static bool is_site(const struct ebb_study *study, const struct ebb_group *group,
                    const struct ebb_frame *frame)
{
    /* Any of the group's sites will do: it may have been joined from several. */
    for (size_t i = 0; i < group->series_count; i++) {
        uint32_t stack = study->evidence->series.items[group->series[i]].stack;
        const struct ebb_frame *site =
            &study->evidence->stacks.items[stack].frames[study->places[stack].site];
        if (compare_frames(site, frame) == 0)
            return true;
    }
    return false;
}

/* Whether all that the group allocates is freed at once: many blocks were born, and hardly any was
 * alive at any look. */
static bool passes_through(const struct ebb_study *study, const struct ebb_group *group)
{
    double born = 0, held = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_series *series = &study->evidence->series.items[group->series[i]];
        double most = 0;
        for (size_t k = 0; k < series->points.len; k++) {
            const struct ebb_point *point = &series->points.items[k];
            most = fmax(most, (double)(point->alloc_samples - point->free_samples));
        }
        born += study->tracks[group->series[i]].births;
        held += most;
    }
    return born >= 10 && held <= 0.01 * born;
}

/* Whether `helper` works for `caller`: it is called from there directly, or through one own frame,
 * and handles a table, or nodes, or retains as the caller does. What a caller uses in passing is
 * not what its helper keeps. */
static bool helps(const struct ebb_study *study, const struct ebb_group *helper,
                  const struct ebb_group *caller)
{
    size_t at = helper->place.site;
    bool works_on_container = holds_table(study, helper) || helper->place.make_word;
    if (helper->steady != caller->steady || (helper->steady && !works_on_container))
        return false;
    if (!study->program.go && passes_through(study, caller) && !passes_through(study, helper))
        return false;
    for (int distance = 0; distance < 2; distance++) {
        const struct ebb_frame *frame = own_frame_above(study, helper->stack, at, &at);
        if (!frame || ebb_frame_is_root(frame))
            return false;
        if (is_site(study, caller, frame))
            return true;
    }
    return false;
}

/* Whether the two are called from one own function of one file, one growing a table, the other
 * making what goes into it. */
static bool are_siblings(const struct ebb_study *study, const struct ebb_group *nodes,
                         const struct ebb_group *table)
{
    if (nodes->steady != table->steady || !holds_only_tables(study, table) ||
        holds_table(study, nodes))
        return false;
    if (!nodes->place.make_word && !table->place.grow_word)
        return false;
    const struct ebb_frame *a = own_frame_above(study, nodes->stack, nodes->place.site, NULL);
    const struct ebb_frame *b = own_frame_above(study, table->stack, table->place.site, NULL);
    return a && b && compare_frames(a, b) == 0 && !ebb_frame_is_root(a) &&
           strcmp(site_of(study, nodes)->file, site_of(study, table)->file) == 0;
}

/* A function whose last act is to call a container's insert leaves no frame behind in optimised
 * code: the insert seems to come from its caller, from the very line that calls the function. */
static bool ends_in_insert(const struct ebb_study *study, const struct ebb_group *values,
                           const struct ebb_group *map)
{
    if (values->steady != map->steady || !map->container ||
        map->container->kind == EBB_CONTAINER_TEXT)
        return false;
    const struct ebb_frame *caller =
        own_frame_above(study, values->stack, values->place.site, NULL);
    const struct ebb_frame *inserter = site_of(study, map);
    return caller && caller->line > 0 && caller->line == inserter->line &&
           compare_frames(caller, inserter) == 0;
}

static bool belong_together(const struct ebb_study *study, const struct ebb_group *into,
                            const struct ebb_group *from)
{
    if (into->threads || from->threads)
        return false;
    /* Go's runtime tells which function works on the map; only the inner maps of one may be made in
     * another. */
    if (study->program.go)
        return into->container == &ebb_go_map && from->container == &ebb_go_map &&
               from->place.role == EBB_ROLE_CREATE && helps(study, from, into);
    if (into->place.interpreter && from->place.interpreter && into->steady == from->steady)
        return true;
    return helps(study, from, into) || are_siblings(study, into, from) ||
           ends_in_insert(study, into, from);
}

/* Groups that have seen nothing within the window and hold little need no joining. */
static bool is_idle(const struct ebb_study *study, const struct ebb_group *group)
{
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        if (track->births + track->deaths > 0 || track->samples_last * track->event_bytes > 1 << 20)
            return false;
    }
    return true;
}

static void join_groups(struct ebb_study *study)
{
    struct ebb_group *groups = study->groups.items;
    size_t count = study->groups.len;
    bool *idle = ebb_study_alloc(study, count + 1, sizeof *idle);
    if (!idle)
        return;
    for (size_t i = 0; i < count; i++) {
        describe(study, &groups[i]);
        idle[i] = is_idle(study, &groups[i]);
    }
    for (bool joined = true; joined && !study->failed;) {
        joined = false;
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < count && !study->failed; j++) {
                if (i != j && groups[i].series_count && groups[j].series_count && !idle[i] &&
                    !idle[j] && belong_together(study, &groups[i], &groups[j])) {
                    join(study, &groups[i], &groups[j]);
                    joined = true;
                }
            }
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (groups[i].series_count > 0)
            groups[kept++] = groups[i];
    study->groups.len = kept;
}

void ebb_groups_make(struct ebb_study *study)
{
    study->stack_weights =
        ebb_study_alloc(study, study->evidence->stacks.len + 1, sizeof *study->stack_weights);
    if (study->failed)
        return;
    group_by_site(study);
    if (!study->failed)
        join_groups(study);
    for (size_t i = 0; i < study->groups.len && !study->failed; i++)
        ebb_group_measure(study, &study->groups.items[i]);
}

/* ---- one cause, one verdict ---- */

/* The innermost own frame that both stacks pass through, at most `reach` own frames above either
 * site, and not one where everything starts. */
static bool share_ancestor(const struct ebb_study *study, const struct ebb_group *a,
                           const struct ebb_group *b, int reach)
{
    size_t at_a = a->place.site;
    const struct ebb_frame *frame_a = site_of(study, a);
    for (int i = 0; frame_a && i <= reach; i++) {
        if (ebb_frame_is_root(frame_a))
            return false;
        size_t at_b = b->place.site;
        const struct ebb_frame *frame_b = site_of(study, b);
        for (int j = 0; frame_b && j <= reach; j++) {
            if (compare_frames(frame_a, frame_b) == 0)
                return true;
            frame_b = own_frame_above(study, b->stack, at_b, &at_b);
        }
        frame_a = own_frame_above(study, a->stack, at_a, &at_a);
    }
    return false;
}

/* Whether `values` grows entry by entry with the container of `map`: a value made elsewhere and
 * handed in. The tolerance is that of the samples behind the two figures. */
static bool grows_in_step(const struct ebb_group *map, const struct ebb_group *values)
{
    double map_entries = map->entry_objects, others = values->entry_objects;
    if (map_entries <= 0 || others <= 0 || map->retained < 4 || values->retained < 4)
        return false;
    double tolerance = fmin(fmax(0.3, 3 * sqrt(1 / map->retained + 1 / values->retained)), 0.6);
    return fabs(log(others / map_entries)) <= tolerance;
}

static bool is_container(const struct ebb_group *group)
{
    return (group->container && group->container->kind != EBB_CONTAINER_TEXT) ||
           group->table.doublings > 0;
}

/* ---- Go: what belongs to goroutines, what goes into maps ---- */

/* Whether the two stacks pass through one function of the program's own, closures counted as part
 * of it. */
static bool share_function(const struct ebb_study *study, const struct ebb_group *a,
                           const struct ebb_group *b)
{
    const struct ebb_evidence_stack *of_a = &study->evidence->stacks.items[a->stack];
    const struct ebb_evidence_stack *of_b = &study->evidence->stacks.items[b->stack];
    for (size_t i = 0; i < of_a->depth; i++) {
        const char *name = of_a->frames[i].function;
        size_t family = ebb_go_family(name);
        if (!ebb_frame_is_own(of_a, i, &study->program) ||
            (family == strlen("main.main") && strncmp(name, "main.main", family) == 0))
            continue;
        for (size_t k = 0; k < of_b->depth; k++)
            if (ebb_go_family(of_b->frames[k].function) == family &&
                strncmp(of_b->frames[k].function, name, family) == 0)
                return true;
    }
    return false;
}

/* What leaking goroutines hold was allocated for them: by who started them, or by themselves. */
static void absorb_into_goroutines(struct ebb_study *study)
{
    enum { MOST_OBJECTS_EACH = 100 };
    for (size_t i = 0; i < study->groups.len; i++) {
        struct ebb_group *leak = &study->groups.items[i];
        if (!leak->threads || leak->growth.confidence <= 0)
            continue;
        for (size_t j = 0; j < study->groups.len; j++) {
            struct ebb_group *other = &study->groups.items[j];
            double each = other->growth.objects_rate / leak->growth.objects_rate;
            if (!other->threads && other->growth.confidence > 0 && !other->part_of &&
                each < MOST_OBJECTS_EACH && share_function(study, leak, other))
                other->part_of = leak;
        }
    }
}

/* By how much a map's tables may be larger than the samples of them say. */
static double most_of_tables(const struct ebb_study *study, const struct ebb_group *map)
{
    double samples = 0, interval[2];
    for (size_t i = 0; i < map->series_count; i++) {
        const struct ebb_track *track = &study->tracks[map->series[i]];
        samples += track->table ? track->samples_last : 0;
    }
    samples = fmax(samples, 1);
    ebb_poisson_interval(samples, interval);
    return interval[1] / samples;
}

/* Whether a map's tables may have about as many slots as there are values: each slot takes a key, a
 * value or its pointer, and a share of the empty ones. A table that sampling missed is no less large
 * than the one before it. */
static bool has_room_for(const struct ebb_study *study, const struct ebb_group *map,
                         const struct ebb_group *values)
{
    double tables = 0, count = values->objects[study->n - 1];
    for (size_t i = 0; i < study->n; i++)
        tables = fmax(tables, map->tables[i]);
    return count > 0 && tables * most_of_tables(study, map) >= 8 * count && tables <= 1000 * count;
}

/* Values that grow beside a map that holds about as many entries: the map keeps them, whether its
 * own tables grew within the window or not. The verdict is the map's. */
static void adopt_values(struct ebb_study *study)
{
    for (size_t j = 0; j < study->groups.len; j++) {
        struct ebb_group *values = &study->groups.items[j];
        if (values->growth.confidence <= 0 || values->part_of || values->threads ||
            values->container || values->hot)
            continue;
        for (size_t i = 0; i < study->groups.len && !values->part_of; i++) {
            struct ebb_group *map = &study->groups.items[i];
            if (map == values || map->part_of || !map->container || map->hot ||
                map->container->kind != EBB_CONTAINER_MAP || !has_room_for(study, map, values) ||
                !share_ancestor(study, map, values, 3))
                continue;
            if (map->growth.confidence <= 0) {
                map->growth.proof = values->growth.proof;
                map->growth.confidence = values->growth.confidence * 0.95;
            }
            values->part_of = map;
        }
    }
}

void ebb_groups_absorb(struct ebb_study *study)
{
    if (study->program.go) {
        absorb_into_goroutines(study);
        adopt_values(study);
    }
    for (size_t i = 0; i < study->groups.len; i++) {
        struct ebb_group *map = &study->groups.items[i];
        if (map->growth.confidence <= 0 || map->part_of || !is_container(map))
            continue;
        for (size_t j = 0; j < study->groups.len; j++) {
            struct ebb_group *other = &study->groups.items[j];
            if (other == map || other->growth.confidence <= 0 || other->part_of || other->threads)
                continue;
            bool values = !is_container(other) && grows_in_step(map, other) &&
                          share_ancestor(study, map, other, 6);
            bool outer = is_container(other) && other->growth.rate < 0.15 * map->growth.rate &&
                         share_ancestor(study, map, other, 3);
            if (values || outer)
                other->part_of = map;
        }
    }
}
