/* See ledger.h.
 *
 * Addresses mean nothing from one run to the next, so stacks are the same when their functions,
 * files and lines are: those are interned, and a stack is known by its frames. A profile has no raw
 * samples; how many there were is estimated from the values and the period, which is what the
 * sampling error needs. */
#include "tool/collect/ledger.h"

#include "base/hash.h"
#include "channel/reader.h"
#include "tool/collect/go_waits.h"
#include "tool/profile/index.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which values of a profile are what; -1: it has none. */
struct columns {
    int alloc_objects, alloc_bytes, live_objects, live_bytes;
    bool threads;
};

/* The frames of one location of the profile that is being read. */
struct span {
    uint32_t first, count;
};

struct ebb_ledger {
    struct ebb_evidence evidence;
    struct texts EBB_VEC(const char *) texts; /* interned, in the evidence's arena */
    struct ebb_index text_index, stack_index, series_index, wait_index;
    struct frames EBB_VEC(struct ebb_frame) frames;      /* of the profile that is being read */
    struct spans EBB_VEC(struct span) locations;         /* the same */
    struct stack_frames EBB_VEC(struct ebb_frame) stack; /* while it is put together */
    bool any_go;
};

/* ---- what a profile holds ---- */

static int find_either(const struct ebb_profile *profile, const char *name, const char *other)
{
    int column = ebb_profile_find_type(profile, name);
    return column >= 0 ? column : ebb_profile_find_type(profile, other);
}

static int find_columns(const struct ebb_profile *profile, const char *name,
                        struct columns *columns, struct ebb_error *error)
{
    *columns = (struct columns){
        .alloc_objects = ebb_profile_find_type(profile, "alloc_objects"),
        .alloc_bytes = ebb_profile_find_type(profile, "alloc_space"),
        .live_objects = find_either(profile, "inuse_objects", "objects"),
        .live_bytes = find_either(profile, "inuse_space", "space"),
    };
    if (columns->live_bytes >= 0)
        return 0;
    columns->live_objects = find_either(profile, "threadcreate", "goroutine");
    columns->threads = columns->live_objects >= 0;
    return columns->threads
               ? 0
               : ebb_error_set(error, -EINVAL,
                               "%s: not a heap profile: it has no values named inuse_space or "
                               "space, so it says nothing about kept memory",
                               name);
}

static int64_t value(const struct ebb_profile *profile, size_t sample, int column)
{
    int64_t number =
        column < 0 ? 0 : profile->values[sample * profile->type_count + (size_t)column];
    return number > 0 ? number : 0;
}

/* ---- stacks ---- */

/* The one copy of a text; "" when memory is short. */
static const char *intern(struct ebb_ledger *ledger, const char *text)
{
    if (!*text)
        return "";
    uint64_t hash = ebb_hash_bytes(text, strlen(text));
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&ledger->text_index, hash, &probe)) != EBB_NONE;)
        if (strcmp(ledger->texts.items[i], text) == 0)
            return ledger->texts.items[i];
    const char *copy = ebb_arena_strdup(&ledger->evidence.arena, text);
    if (!copy || ebb_vec_push(&ledger->texts, copy) < 0 ||
        ebb_index_add(&ledger->text_index, hash, (uint32_t)ledger->texts.len - 1) < 0)
        return "";
    return copy;
}

/* Code without a name is known by its place in its file. What Go leaves unnamed in a text is its
 * runtime's. */
static const char *unnamed(struct ebb_ledger *ledger, const struct ebb_profile *profile,
                           const struct ebb_location *location)
{
    char name[256];
    const struct ebb_mapping *mapping =
        location->mapping == EBB_NONE ? NULL : &profile->mappings[location->mapping];
    const char *file = mapping ? ebb_profile_string(profile, mapping->file) : "";
    if (*file && location->address >= mapping->start) {
        const char *slash = strrchr(file, '/');
        snprintf(name, sizeof name, "%.200s+0x%" PRIx64, slash ? slash + 1 : file,
                 location->address - mapping->start + mapping->offset);
    } else {
        snprintf(name, sizeof name, "%s0x%" PRIx64, ledger->any_go && !*file ? "runtime." : "",
                 location->address);
    }
    return intern(ledger, name);
}

/* Spreads every location of a profile into frames. */
static int read_locations(struct ebb_ledger *ledger, const struct ebb_profile *profile)
{
    ledger->frames.len = ledger->locations.len = 0;
    for (size_t i = 0; i < profile->location_count; i++) {
        const struct ebb_location *location = &profile->locations[i];
        struct span span = {(uint32_t)ledger->frames.len, 0};
        const char *module =
            location->mapping == EBB_NONE
                ? ""
                : intern(ledger,
                         ebb_profile_string(profile, profile->mappings[location->mapping].file));
        for (uint32_t k = 0; k < location->line_count; k++) {
            const struct ebb_line *line = &profile->lines[location->first_line + k];
            const struct ebb_function *function = &profile->functions[line->function];
            struct ebb_frame frame = {
                .function = intern(ledger, ebb_profile_string(profile, function->name)),
                .system_name = intern(ledger, ebb_profile_string(profile, function->system_name)),
                .file = intern(ledger, ebb_profile_string(profile, function->file)),
                .line = line->line,
                .start_line = function->start_line,
                .module = module,
                .inlined = k + 1 < location->line_count,
            };
            if (!*frame.function)
                frame.function =
                    *frame.system_name ? frame.system_name : unnamed(ledger, profile, location);
            ledger->any_go |= strncmp(frame.function, "runtime.", 8) == 0;
            if (ebb_vec_push(&ledger->frames, frame) < 0)
                return -ENOMEM;
        }
        if (location->line_count == 0) {
            const char *name = unnamed(ledger, profile, location);
            struct ebb_frame frame = {name, name, "", 0, 0, module, false};
            if (ebb_vec_push(&ledger->frames, frame) < 0)
                return -ENOMEM;
        }
        span.count = (uint32_t)ledger->frames.len - span.first;
        if (ebb_vec_push(&ledger->locations, span) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool same_frame(const struct ebb_frame *a, const struct ebb_frame *b)
{
    return a->function == b->function && a->file == b->file && a->line == b->line &&
           a->module == b->module && a->inlined == b->inlined;
}

/* The number of the stack that is in `ledger->stack`; EBB_NONE: out of memory. */
static uint32_t stack_number(struct ebb_ledger *ledger)
{
    struct ebb_evidence *evidence = &ledger->evidence;
    const struct ebb_frame *frames = ledger->stack.items;
    size_t depth = ledger->stack.len, probe = 0;
    uint64_t hash = depth;
    for (size_t i = 0; i < depth; i++)
        hash = ebb_mix64(hash ^ (uintptr_t)frames[i].function) + (uint64_t)frames[i].line;
    for (uint32_t i; (i = ebb_index_probe(&ledger->stack_index, hash, &probe)) != EBB_NONE;) {
        const struct ebb_evidence_stack *known = &evidence->stacks.items[i];
        size_t same = 0;
        while (known->depth == depth && same < depth &&
               same_frame(&known->frames[same], &frames[same]))
            same++;
        if (known->depth == depth && same == depth)
            return i;
    }
    struct ebb_frame *copy = ebb_arena_alloc(&evidence->arena, depth * sizeof *copy + 1);
    if (!copy)
        return EBB_NONE;
    if (depth > 0)
        memcpy(copy, frames, depth * sizeof *copy);
    uint32_t number = (uint32_t)evidence->stacks.len;
    if (ebb_vec_push(&evidence->stacks, (struct ebb_evidence_stack){copy, depth, false}) < 0 ||
        ebb_index_add(&ledger->stack_index, hash, number) < 0)
        return EBB_NONE;
    return number;
}

static uint32_t stack_of_sample(struct ebb_ledger *ledger, const struct ebb_profile *profile,
                                size_t sample)
{
    ledger->stack.len = 0;
    for (uint64_t at = profile->stack_start[sample]; at < profile->stack_start[sample + 1]; at++) {
        struct span span = ledger->locations.items[profile->stack[at]];
        for (uint32_t k = 0; k < span.count; k++)
            if (ebb_vec_push(&ledger->stack, ledger->frames.items[span.first + k]) < 0)
                return EBB_NONE;
    }
    return stack_number(ledger);
}

/* ---- series ---- */

static uint32_t series_number(struct ebb_ledger *ledger, uint32_t stack, uint16_t size_class,
                              uint8_t kind)
{
    struct ebb_evidence *evidence = &ledger->evidence;
    uint64_t hash = ebb_mix64((uint64_t)stack << 32 | (uint64_t)size_class << 8 | kind);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&ledger->series_index, hash, &probe)) != EBB_NONE;) {
        const struct ebb_series *series = &evidence->series.items[i];
        if (series->stack == stack && series->size_class == size_class && series->kind == kind)
            return i;
    }
    uint32_t number = (uint32_t)evidence->series.len;
    struct ebb_series added = {stack, size_class, kind, {0}};
    if (ebb_vec_push(&evidence->series, added) < 0 ||
        ebb_index_add(&ledger->series_index, hash, number) < 0)
        return EBB_NONE;
    return number;
}

/* The mean size of a sample's blocks: its label `bytes`, else from its values. */
static uint64_t block_size(const struct ebb_profile *profile, size_t sample,
                           const struct columns *columns)
{
    if (profile->label_start)
        for (uint64_t i = profile->label_start[sample]; i < profile->label_start[sample + 1]; i++)
            if (profile->labels[i].number > 0 &&
                strcmp(ebb_profile_string(profile, profile->labels[i].key), "bytes") == 0)
                return (uint64_t)profile->labels[i].number;
    int64_t objects = value(profile, sample, columns->alloc_objects);
    int64_t bytes = value(profile, sample, columns->alloc_bytes);
    if (objects == 0) {
        objects = value(profile, sample, columns->live_objects);
        bytes = value(profile, sample, columns->live_bytes);
    }
    return objects > 0 ? (uint64_t)(bytes / objects) : 0;
}

static uint8_t kind_of(const struct ebb_ledger *ledger, uint32_t stack,
                       const struct columns *columns)
{
    enum { ALLOCATOR_FRAMES = 4 }; /* the leaf end, where profilers show the allocator itself */
    if (columns->threads)
        return EBB_KIND_THREAD;
    const struct ebb_evidence_stack *frames = &ledger->evidence.stacks.items[stack];
    for (size_t i = 0; i < frames->depth && i < ALLOCATOR_FRAMES; i++)
        if (strcmp(frames->frames[i].function, "realloc") == 0)
            return EBB_KIND_REALLOC;
    return EBB_KIND_MALLOC;
}

/* The series' point at an observation, made blank when there is none yet. NULL: out of memory. */
static struct ebb_point *point_at(struct ebb_series *series, uint32_t observation)
{
    struct ebb_points *points = &series->points;
    if ((points->len == 0 || points->items[points->len - 1].observation != observation) &&
        ebb_vec_push(points, (struct ebb_point){.observation = observation}) < 0)
        return NULL;
    return &points->items[points->len - 1];
}

/* Profiles may leave out what is not live, and may have no totals of allocations: a series that was
 * seen before has a point anyway, and what it gained counts as allocated. Threads that nobody looked
 * for are as many as they were. */
static int complete_points(struct ebb_ledger *ledger, uint32_t observation, bool has_totals,
                           bool has_threads)
{
    static const struct ebb_point none;
    for (size_t i = 0; i < ledger->evidence.series.len; i++) {
        struct ebb_series *series = &ledger->evidence.series.items[i];
        bool threads = series->kind == EBB_KIND_THREAD;
        struct ebb_point *point = point_at(series, observation);
        if (!point)
            return -ENOMEM;
        const struct ebb_point *before = series->points.len > 1 ? point - 1 : &none;
        if (threads && !has_threads)
            point->live_objects = before->live_objects;
        if (threads || !has_totals) {
            point->alloc_objects =
                before->alloc_objects + fmax(0, point->live_objects - before->live_objects);
            point->alloc_bytes =
                before->alloc_bytes + fmax(0, point->live_bytes - before->live_bytes);
        }
        point->alloc_objects = fmax(point->alloc_objects, before->alloc_objects);
        point->alloc_bytes = fmax(point->alloc_bytes, before->alloc_bytes);
    }
    return 0;
}

static uint64_t rounded(double number)
{
    return number > 0 ? (uint64_t)(number + 0.5) : 0;
}

/* The totals of an observation, and how many raw samples must be behind its points. */
static void sum_up(struct ebb_ledger *ledger, struct ebb_observation *observation, size_t number)
{
    struct ebb_evidence *evidence = &ledger->evidence;
    double variance = 0, allocs = 0, live = 0, alloc_bytes = 0;
    for (size_t i = 0; i < evidence->series.len; i++) {
        struct ebb_series *series = &evidence->series.items[i];
        struct ebb_point *point = point_at(series, (uint32_t)number);
        if (!point)
            continue;
        double size = point->live_objects > 0    ? point->live_bytes / point->live_objects
                      : point->alloc_objects > 0 ? point->alloc_bytes / point->alloc_objects
                                                 : 0;
        double weight = ebb_sample_weight((uint64_t)size, evidence->period, series->kind);
        point->alloc_samples = rounded(point->alloc_objects / weight);
        uint64_t live_samples = rounded(point->live_objects / weight);
        point->free_samples =
            point->alloc_samples > live_samples ? point->alloc_samples - live_samples : 0;
        variance += point->live_objects * (weight - 1) * size * size;
        if (series->kind == EBB_KIND_THREAD) {
            observation->threads += rounded(point->live_objects);
            continue;
        }
        allocs += point->alloc_objects;
        live += point->live_objects;
        alloc_bytes += point->alloc_bytes;
        observation->live_bytes += point->live_bytes;
    }
    observation->allocs = rounded(allocs);
    observation->frees = rounded(allocs - live);
    observation->alloc_bytes = rounded(alloc_bytes);
    observation->live_bytes_sd = sqrt(variance);
}

/* Exact counts take the place of estimates. */
static void set_exact(struct ebb_observation *observation, const struct ebb_totals *totals)
{
    if (totals->allocs != UINT64_MAX && totals->frees != UINT64_MAX) {
        observation->allocs = totals->allocs;
        observation->frees = totals->frees;
    }
    if (totals->alloc_bytes != UINT64_MAX)
        observation->alloc_bytes = totals->alloc_bytes;
    if (totals->threads != UINT64_MAX)
        observation->threads = totals->threads;
    if (totals->live_bytes_sd >= 0)
        observation->live_bytes_sd = totals->live_bytes_sd;
}

static int read_samples(struct ebb_ledger *ledger, const struct ebb_profile *profile,
                        const struct columns *columns, uint32_t observation)
{
    if (read_locations(ledger, profile) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < profile->sample_count; i++) {
        uint32_t stack = stack_of_sample(ledger, profile, i);
        if (stack == EBB_NONE)
            return -ENOMEM;
        uint32_t series =
            series_number(ledger, stack, ebb_size_class(block_size(profile, i, columns)),
                          kind_of(ledger, stack, columns));
        struct ebb_point *point =
            series == EBB_NONE ? NULL
                               : point_at(&ledger->evidence.series.items[series], observation);
        if (!point)
            return -ENOMEM;
        point->alloc_objects += (double)value(profile, i, columns->alloc_objects);
        point->alloc_bytes += (double)value(profile, i, columns->alloc_bytes);
        point->live_objects += (double)value(profile, i, columns->live_objects);
        point->live_bytes += (double)value(profile, i, columns->live_bytes);
    }
    return 0;
}

/* ---- what Go's runtime says ---- */

#define GO_STAT(field, text)                                                                       \
    {                                                                                              \
        text, offsetof(struct ebb_go_stats, field)                                                 \
    }

/* Sets the field that a comment "runtime.MemStats NAME = NUMBER" is about. */
static void read_stat(struct ebb_go_stats *stats, const char *comment)
{
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
        GO_STAT(sys, "Sys"),
        GO_STAT(total_alloc, "TotalAlloc"),
        GO_STAT(mallocs, "Mallocs"),
        GO_STAT(frees, "Frees"),
        GO_STAT(heap_alloc, "HeapAlloc"),
        GO_STAT(heap_sys, "HeapSys"),
        GO_STAT(heap_idle, "HeapIdle"),
        GO_STAT(heap_inuse, "HeapInuse"),
        GO_STAT(heap_released, "HeapReleased"),
        GO_STAT(heap_objects, "HeapObjects"),
        GO_STAT(next_gc, "NextGC"),
        GO_STAT(num_gc, "NumGC"),
        GO_STAT(num_forced_gc, "NumForcedGC"),
        GO_STAT(gomemlimit, "GOMEMLIMIT"),
    };
    static const char prefix[] = EBB_GO_STATS_COMMENT;
    if (strncmp(comment, prefix, sizeof prefix - 1) != 0)
        return;
    const char *name = comment + sizeof prefix - 1, *equals = strstr(name, " = ");
    if (!equals)
        return;
    size_t length = (size_t)(equals - name);
    if (length == strlen("GCCPUFraction") && strncmp(name, "GCCPUFraction", length) == 0)
        stats->gc_cpu_fraction = strtod(equals + 3, NULL);
    if (length == strlen("GOGC") && strncmp(name, "GOGC", length) == 0)
        stats->gogc = strtod(equals + 3, NULL);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (strlen(fields[i].name) == length && strncmp(name, fields[i].name, length) == 0) {
            uint64_t number = strtoull(equals + 3, NULL, 10);
            memcpy((char *)stats + fields[i].offset, &number, sizeof number);
        }
    stats->known |= length == strlen("NumGC") && strncmp(name, "NumGC", length) == 0;
}

struct ebb_go_stats ebb__go_stats_of(const struct ebb_profile *profile)
{
    struct ebb_go_stats stats = {.gogc = -1, .gomemlimit = UINT64_MAX};
    for (size_t i = 0; i < profile->comment_count; i++)
        read_stat(&stats, ebb_profile_string(profile, profile->comments[i]));
    return stats;
}

static const char *go_version_of(struct ebb_ledger *ledger, const struct ebb_profile *profile)
{
    static const char prefix[] = EBB_GO_VERSION_COMMENT;
    for (size_t i = 0; i < profile->comment_count; i++) {
        const char *comment = ebb_profile_string(profile, profile->comments[i]);
        if (strncmp(comment, prefix, sizeof prefix - 1) == 0)
            return intern(ledger, comment + sizeof prefix - 1);
    }
    return "";
}

/* ---- the ledger ---- */

struct ebb_ledger *ebb__ledger_new(void)
{
    struct ebb_ledger *ledger = calloc(1, sizeof *ledger);
    if (!ledger)
        return NULL;
    struct ebb_evidence *evidence = &ledger->evidence;
    evidence->target = evidence->executable = evidence->end_reason = evidence->go_version = "";
    evidence->kind = "c";
    evidence->period = 1;
    evidence->complete = true;
    return ledger;
}

void ebb__ledger_free(struct ebb_ledger *ledger)
{
    if (!ledger)
        return;
    ebb_vec_free(&ledger->texts);
    ebb_index_free(&ledger->text_index);
    ebb_index_free(&ledger->stack_index);
    ebb_index_free(&ledger->series_index);
    ebb_index_free(&ledger->wait_index);
    ebb_vec_free(&ledger->frames);
    ebb_vec_free(&ledger->locations);
    ebb_vec_free(&ledger->stack);
    ebb_evidence_free(&ledger->evidence);
    free(ledger);
}

struct ebb_evidence *ebb__ledger_evidence(struct ebb_ledger *ledger)
{
    return &ledger->evidence;
}

/* What the newest profile says of the program as a whole. */
static void describe(struct ebb_ledger *ledger, const struct ebb_profile *profile)
{
    struct ebb_evidence *evidence = &ledger->evidence;
    if (profile->mapping_count > 0)
        evidence->executable =
            intern(ledger, ebb_profile_string(profile, profile->mappings[0].file));
    bool by_bytes = strcmp(ebb_profile_string(profile, profile->period_type.unit), "bytes") == 0;
    evidence->period = by_bytes && profile->period > 0 ? (uint64_t)profile->period : 1;
    const char *version = go_version_of(ledger, profile);
    if (*version)
        evidence->go_version = version;
    if (ledger->any_go)
        evidence->kind = "go";
}

/* What Go's runtime knows takes the place of what nobody else said: its own memory, its counts, and
 * the limit it was given where that is the tightest. The limit is held against what the runtime has
 * of the system. */
static void complete_observation(struct ebb_observation *observation, struct ebb_totals *totals)
{
    const struct ebb_go_stats *go = &observation->go;
    if (!go->known)
        return;
    uint64_t held = go->sys > go->heap_released ? go->sys - go->heap_released : 0;
    if (observation->memory.rss == UINT64_MAX)
        observation->memory.rss = held;
    if (totals->allocs == UINT64_MAX)
        totals->allocs = go->mallocs;
    if (totals->frees == UINT64_MAX)
        totals->frees = go->frees;
    if (totals->alloc_bytes == UINT64_MAX)
        totals->alloc_bytes = go->total_alloc;

    struct ebb_limit *limit = &observation->limit;
    uint64_t room = go->gomemlimit > held ? go->gomemlimit - held : 0;
    uint64_t other =
        limit->limit_bytes > limit->used_bytes ? limit->limit_bytes - limit->used_bytes : 0;
    if (go->gomemlimit != UINT64_MAX && (limit->limit_bytes == UINT64_MAX || room < other))
        *limit =
            (struct ebb_limit){go->gomemlimit, held, "GOMEMLIMIT", "GOMEMLIMIT of the Go runtime"};
}

int ebb__ledger_add(struct ebb_ledger *ledger, const struct ebb_profile *profile,
                    const struct ebb_sighting *sighting, const char *name, struct ebb_error *error)
{
    struct columns columns, counted;
    struct ebb_evidence *evidence = &ledger->evidence;
    int code = find_columns(profile, name, &columns, error);
    if (code == 0 && sighting->goroutines)
        code = find_columns(sighting->goroutines, name, &counted, error);
    if (code < 0)
        return code;
    uint32_t number = (uint32_t)evidence->observations.len;
    struct ebb_observation observation = {
        .time_s = sighting->time_s,
        .memory = sighting->memory,
        .limit = sighting->limit,
        .go = ebb__go_stats_of(profile),
    };
    struct ebb_totals totals = sighting->totals;
    complete_observation(&observation, &totals);
    ledger->any_go |= observation.go.known;
    if (read_samples(ledger, profile, &columns, number) < 0 ||
        (sighting->goroutines &&
         read_samples(ledger, sighting->goroutines, &counted, number) < 0) ||
        complete_points(ledger, number, columns.alloc_bytes >= 0,
                        columns.threads || sighting->goroutines) < 0)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", name);
    describe(ledger, profile);
    sum_up(ledger, &observation, number);
    set_exact(&observation, &totals);
    if (ebb_vec_push(&evidence->observations, observation) < 0)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", name);
    ebb_evidence_thin(evidence);
    return 0;
}

int ebb__ledger_add_costs(struct ebb_ledger *ledger, enum ebb_cost kind,
                          const struct ebb_profile *profile, double from_s, double to_s)
{
    static const char *const names[EBB_COST_COUNT] = {
        [EBB_COST_CPU] = "cpu", [EBB_COST_MUTEX] = "delay", [EBB_COST_BLOCK] = "delay"};
    int column = ebb_profile_find_type(profile, names[kind]);
    struct ebb_evidence *evidence = &ledger->evidence;
    if (column < 0 || read_locations(ledger, profile) < 0)
        return column < 0 ? -EINVAL : -ENOMEM;
    evidence->costs_window_s[kind] += (double)profile->duration_ns / 1e9;
    for (size_t i = 0; i < profile->sample_count; i++) {
        struct ebb_cost_sample cost = {.kind = kind,
                                       .stack = stack_of_sample(ledger, profile, i),
                                       .seconds = (double)value(profile, i, column) / 1e9,
                                       .from_s = from_s,
                                       .to_s = to_s};
        if (cost.stack == EBB_NONE || ebb_vec_push(&evidence->costs, cost) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Counts one sample of goroutines with those that wait there for the same reason. */
static int add_wait(struct ebb_ledger *ledger, const struct ebb_profile *profile, size_t sample,
                    int column)
{
    struct ebb_evidence *evidence = &ledger->evidence;
    struct ebb_wait wait = {
        .stack = stack_of_sample(ledger, profile, sample),
        .reason = "",
        .goroutines = (uint64_t)value(profile, sample, column),
    };
    if (wait.stack == EBB_NONE)
        return -ENOMEM;
    for (uint64_t i = profile->label_start ? profile->label_start[sample] : 0;
         profile->label_start && i < profile->label_start[sample + 1]; i++) {
        const struct ebb_label *label = &profile->labels[i];
        const char *key = ebb_profile_string(profile, label->key);
        if (strcmp(key, EBB_WAIT_REASON) == 0)
            wait.reason = intern(ledger, ebb_profile_string(profile, label->text));
        else if (strcmp(key, EBB_WAIT_MINUTES) == 0)
            wait.longest_s = 60 * (double)label->number;
    }
    uint64_t hash = ebb_mix64(wait.stack ^ ebb_mix64((uintptr_t)wait.reason));
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&ledger->wait_index, hash, &probe)) != EBB_NONE;) {
        struct ebb_wait *known = &evidence->waits.items[i];
        if (known->stack != wait.stack || known->reason != wait.reason)
            continue;
        known->goroutines += wait.goroutines;
        known->longest_s = fmax(known->longest_s, wait.longest_s);
        return 0;
    }
    return ebb_vec_push(&evidence->waits, wait) < 0 ||
                   ebb_index_add(&ledger->wait_index, hash, (uint32_t)evidence->waits.len - 1) < 0
               ? -ENOMEM
               : 0;
}

int ebb__ledger_add_waits(struct ebb_ledger *ledger, const struct ebb_profile *profile)
{
    int column = ebb_profile_find_type(profile, "goroutine");
    if (column < 0 || read_locations(ledger, profile) < 0)
        return column < 0 ? -EINVAL : -ENOMEM;
    ledger->evidence.waits.len = 0;
    ebb_index_free(&ledger->wait_index);
    for (size_t i = 0; i < profile->sample_count; i++)
        if (add_wait(ledger, profile, i, column) < 0)
            return -ENOMEM;
    return 0;
}

struct ebb_sighting ebb__sighting_at(double time_s)
{
    struct ebb_sighting sighting = {
        .time_s = time_s,
        .limit = {UINT64_MAX, UINT64_MAX, "", ""},
        .totals = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, -1},
    };
    memset(&sighting.memory, 0xff, sizeof sighting.memory); /* all UINT64_MAX */
    return sighting;
}
