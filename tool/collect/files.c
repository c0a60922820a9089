/* See files.h.
 *
 * Every file becomes one observation. Addresses mean nothing from one run to the next, so stacks
 * are the same when their functions, files and lines are: those are interned, and a stack is known
 * by its frames. A profile has no raw samples; how many there were is estimated from the values and
 * the period, which is what the sampling error needs. */
#include "tool/collect/files.h"

#include "base/hash.h"
#include "channel/reader.h"
#include "tool/collect/symbolize_profile.h"
#include "tool/profile/index.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ASSUMED_SPACING_S = 60 };

/* Which values of a profile are what; -1: it has none. */
struct columns {
    int alloc_objects, alloc_bytes, live_objects, live_bytes;
    bool threads;
};

struct saved {
    const char *path;
    size_t position; /* on the command line */
    struct ebb_profile *profile;
};

/* The frames of one location of the profile that is being read. */
struct span {
    uint32_t first, count;
};

struct ebb_files {
    struct ebb_evidence evidence;
    struct saved *saved; /* in time order; only the last keeps its profile */
    size_t saved_count;
    struct texts EBB_VEC(const char *) texts; /* interned, in the evidence's arena */
    struct ebb_index text_index, stack_index, series_index;
    struct frames EBB_VEC(struct ebb_frame) frames;      /* of the profile that is being read */
    struct spans EBB_VEC(struct span) locations;         /* the same */
    struct stack_frames EBB_VEC(struct ebb_frame) stack; /* while it is put together */
    bool any_go;
};

/* ---- what a profile holds ---- */

static int find_column(const struct ebb_profile *profile, const char *name)
{
    for (size_t i = 0; i < profile->type_count; i++)
        if (strcmp(ebb_profile_string(profile, profile->types[i].type), name) == 0)
            return (int)i;
    return -1;
}

static int find_either(const struct ebb_profile *profile, const char *name, const char *other)
{
    int column = find_column(profile, name);
    return column >= 0 ? column : find_column(profile, other);
}

static int find_columns(const struct saved *saved, struct columns *columns, struct ebb_error *error)
{
    const struct ebb_profile *profile = saved->profile;
    *columns = (struct columns){
        .alloc_objects = find_column(profile, "alloc_objects"),
        .alloc_bytes = find_column(profile, "alloc_space"),
        .live_objects = find_either(profile, "inuse_objects", "objects"),
        .live_bytes = find_either(profile, "inuse_space", "space"),
    };
    if (columns->live_bytes >= 0)
        return 0;
    columns->live_objects = find_column(profile, "threadcreate");
    columns->threads = columns->live_objects >= 0;
    return columns->threads
               ? 0
               : ebb_error_set(error, -EINVAL,
                               "%s: not a heap profile: it has no values named inuse_space or "
                               "space, so it says nothing about kept memory",
                               saved->path);
}

static int64_t value(const struct ebb_profile *profile, size_t sample, int column)
{
    int64_t number =
        column < 0 ? 0 : profile->values[sample * profile->type_count + (size_t)column];
    return number > 0 ? number : 0;
}

/* ---- stacks ---- */

/* The one copy of a text; "" when memory is short. */
static const char *intern(struct ebb_files *files, const char *text)
{
    if (!*text)
        return "";
    uint64_t hash = ebb_hash_bytes(text, strlen(text));
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&files->text_index, hash, &probe)) != EBB_NONE;)
        if (strcmp(files->texts.items[i], text) == 0)
            return files->texts.items[i];
    const char *copy = ebb_arena_strdup(&files->evidence.arena, text);
    if (!copy || ebb_vec_push(&files->texts, copy) < 0 ||
        ebb_index_add(&files->text_index, hash, (uint32_t)files->texts.len - 1) < 0)
        return "";
    return copy;
}

/* Code without a name is known by its place in its file. */
static const char *unnamed(struct ebb_files *files, const struct ebb_profile *profile,
                           const struct ebb_location *location)
{
    char name[256];
    const struct ebb_mapping *mapping =
        location->mapping == EBB_NONE ? NULL : &profile->mappings[location->mapping];
    if (mapping && location->address >= mapping->start) {
        const char *file = ebb_profile_string(profile, mapping->file), *slash = strrchr(file, '/');
        snprintf(name, sizeof name, "%.200s+0x%" PRIx64, slash ? slash + 1 : file,
                 location->address - mapping->start + mapping->offset);
    } else {
        snprintf(name, sizeof name, "0x%" PRIx64, location->address);
    }
    return intern(files, name);
}

/* Spreads every location of a profile into frames. */
static int read_locations(struct ebb_files *files, const struct ebb_profile *profile)
{
    files->frames.len = files->locations.len = 0;
    for (size_t i = 0; i < profile->location_count; i++) {
        const struct ebb_location *location = &profile->locations[i];
        struct span span = {(uint32_t)files->frames.len, 0};
        const char *module =
            location->mapping == EBB_NONE
                ? ""
                : intern(files,
                         ebb_profile_string(profile, profile->mappings[location->mapping].file));
        for (uint32_t k = 0; k < location->line_count; k++) {
            const struct ebb_line *line = &profile->lines[location->first_line + k];
            const struct ebb_function *function = &profile->functions[line->function];
            struct ebb_frame frame = {
                .function = intern(files, ebb_profile_string(profile, function->name)),
                .system_name = intern(files, ebb_profile_string(profile, function->system_name)),
                .file = intern(files, ebb_profile_string(profile, function->file)),
                .line = line->line,
                .start_line = function->start_line,
                .module = module,
                .inlined = k + 1 < location->line_count,
            };
            if (!*frame.function)
                frame.function =
                    *frame.system_name ? frame.system_name : unnamed(files, profile, location);
            files->any_go |= strncmp(frame.function, "runtime.", 8) == 0;
            if (ebb_vec_push(&files->frames, frame) < 0)
                return -ENOMEM;
        }
        if (location->line_count == 0) {
            const char *name = unnamed(files, profile, location);
            struct ebb_frame frame = {name, name, "", 0, 0, module, false};
            if (ebb_vec_push(&files->frames, frame) < 0)
                return -ENOMEM;
        }
        span.count = (uint32_t)files->frames.len - span.first;
        if (ebb_vec_push(&files->locations, span) < 0)
            return -ENOMEM;
    }
    return 0;
}

static bool same_frame(const struct ebb_frame *a, const struct ebb_frame *b)
{
    return a->function == b->function && a->file == b->file && a->line == b->line &&
           a->module == b->module && a->inlined == b->inlined;
}

/* The number of the stack that is in `files->stack`; EBB_NONE: out of memory. */
static uint32_t stack_number(struct ebb_files *files)
{
    struct ebb_evidence *evidence = &files->evidence;
    const struct ebb_frame *frames = files->stack.items;
    size_t depth = files->stack.len, probe = 0;
    uint64_t hash = depth;
    for (size_t i = 0; i < depth; i++)
        hash = ebb_mix64(hash ^ (uintptr_t)frames[i].function) + (uint64_t)frames[i].line;
    for (uint32_t i; (i = ebb_index_probe(&files->stack_index, hash, &probe)) != EBB_NONE;) {
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
        ebb_index_add(&files->stack_index, hash, number) < 0)
        return EBB_NONE;
    return number;
}

static uint32_t stack_of_sample(struct ebb_files *files, const struct ebb_profile *profile,
                                size_t sample)
{
    files->stack.len = 0;
    for (uint64_t at = profile->stack_start[sample]; at < profile->stack_start[sample + 1]; at++) {
        struct span span = files->locations.items[profile->stack[at]];
        for (uint32_t k = 0; k < span.count; k++)
            if (ebb_vec_push(&files->stack, files->frames.items[span.first + k]) < 0)
                return EBB_NONE;
    }
    return stack_number(files);
}

/* ---- series ---- */

static uint32_t series_number(struct ebb_files *files, uint32_t stack, uint16_t size_class,
                              uint8_t kind)
{
    struct ebb_evidence *evidence = &files->evidence;
    uint64_t hash = ebb_mix64((uint64_t)stack << 32 | (uint64_t)size_class << 8 | kind);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&files->series_index, hash, &probe)) != EBB_NONE;) {
        const struct ebb_series *series = &evidence->series.items[i];
        if (series->stack == stack && series->size_class == size_class && series->kind == kind)
            return i;
    }
    uint32_t number = (uint32_t)evidence->series.len;
    struct ebb_series added = {stack, size_class, kind, {0}};
    if (ebb_vec_push(&evidence->series, added) < 0 ||
        ebb_index_add(&files->series_index, hash, number) < 0)
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

static uint8_t kind_of(const struct ebb_files *files, uint32_t stack, const struct columns *columns)
{
    enum { ALLOCATOR_FRAMES = 4 }; /* the leaf end, where profilers show the allocator itself */
    if (columns->threads)
        return EBB_KIND_THREAD;
    const struct ebb_evidence_stack *frames = &files->evidence.stacks.items[stack];
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
 * seen before has a point anyway, and what it gained counts as allocated. */
static int complete_points(struct ebb_files *files, uint32_t observation, bool has_totals)
{
    for (size_t i = 0; i < files->evidence.series.len; i++) {
        struct ebb_point *point = point_at(&files->evidence.series.items[i], observation);
        if (!point)
            return -ENOMEM;
        struct ebb_point none = {0};
        const struct ebb_point *before =
            files->evidence.series.items[i].points.len > 1 ? point - 1 : &none;
        if (!has_totals) {
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
static void sum_up(struct ebb_files *files, struct ebb_observation *observation, size_t number)
{
    struct ebb_evidence *evidence = &files->evidence;
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

/* ---- files ---- */

static int read_samples(struct ebb_files *files, const struct saved *saved,
                        const struct columns *columns, uint32_t observation)
{
    const struct ebb_profile *profile = saved->profile;
    if (read_locations(files, profile) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < profile->sample_count; i++) {
        uint32_t stack = stack_of_sample(files, profile, i);
        if (stack == EBB_NONE)
            return -ENOMEM;
        uint32_t series =
            series_number(files, stack, ebb_size_class(block_size(profile, i, columns)),
                          kind_of(files, stack, columns));
        struct ebb_point *point =
            series == EBB_NONE ? NULL
                               : point_at(&files->evidence.series.items[series], observation);
        if (!point)
            return -ENOMEM;
        point->alloc_objects += (double)value(profile, i, columns->alloc_objects);
        point->alloc_bytes += (double)value(profile, i, columns->alloc_bytes);
        point->live_objects += (double)value(profile, i, columns->live_objects);
        point->live_bytes += (double)value(profile, i, columns->live_bytes);
    }
    return complete_points(files, observation, columns->alloc_bytes >= 0);
}

static int add_file(struct ebb_files *files, const struct saved *saved, double time_s,
                    struct ebb_error *error)
{
    struct columns columns;
    struct ebb_evidence *evidence = &files->evidence;
    int code = find_columns(saved, &columns, error);
    if (code < 0)
        return code;
    size_t number = evidence->observations.len;
    struct ebb_observation observation = {
        .time_s = time_s,
        .limit = {UINT64_MAX, UINT64_MAX, "", ""},
    };
    memset(&observation.memory, 0xff, sizeof observation.memory); /* all UINT64_MAX */
    if (read_samples(files, saved, &columns, (uint32_t)number) < 0)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", saved->path);
    sum_up(files, &observation, number);
    if (ebb_vec_push(&evidence->observations, observation) < 0)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", saved->path);
    ebb_evidence_thin(evidence);
    return 0;
}

static int by_time(const void *left, const void *right)
{
    const struct saved *a = left, *b = right;
    int64_t at = a->profile->time_ns, bt = b->profile->time_ns;
    return at < bt ? -1 : at > bt;
}

static int by_position(const void *left, const void *right)
{
    const struct saved *a = left, *b = right;
    return a->position < b->position ? -1 : a->position > b->position;
}

/* Puts the files in order of time. False when they do not tell it: then the order stays. */
static bool order(struct saved *saved, size_t count)
{
    bool timed = true;
    qsort(saved, count, sizeof *saved, by_time);
    for (size_t i = 0; i < count; i++) {
        int64_t before = i > 0 ? saved[i - 1].profile->time_ns : 0;
        timed &= saved[i].profile->time_ns > before;
    }
    if (!timed)
        qsort(saved, count, sizeof *saved, by_position);
    return timed;
}

/* Reads one file, gives it symbols where it has none, and drops the allocator's own frames. */
static int read_one(const char *path, struct ebb_profile **result, struct ebb_error *error)
{
    struct ebb_profile *profile, *symbolized;
    int code = ebb_profile_read_file(path, &profile, error);
    if (code < 0)
        return code;
    code = ebb_profile_symbolize(profile, &symbolized, NULL);
    if (code == 0 && symbolized) {
        ebb_profile_free(profile);
        profile = symbolized;
    }
    /* An unusable expression for what to drop drops nothing. */
    if (code < 0 || ebb_profile_prune(profile, NULL) == -ENOMEM) {
        ebb_profile_free(profile);
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", path);
    }
    *result = profile;
    return 0;
}

static int read_all(struct ebb_files *files, char *const *paths, size_t count,
                    struct ebb_error *error)
{
    files->saved = calloc(count, sizeof *files->saved);
    if (!files->saved)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", paths[0]);
    files->saved_count = count;
    for (size_t i = 0; i < count; i++) {
        files->saved[i] = (struct saved){.path = paths[i], .position = i};
        int code = read_one(paths[i], &files->saved[i].profile, error);
        if (code < 0)
            return code;
    }
    return 0;
}

/* What the newest profile says of the program as a whole. */
static void describe(struct ebb_files *files, bool timed, char *const *paths, size_t count)
{
    struct ebb_evidence *evidence = &files->evidence;
    const struct ebb_profile *newest = files->saved[count - 1].profile;
    evidence->target =
        count == 1 ? ebb_arena_strdup(&evidence->arena, paths[0])
                   : ebb_arena_printf(&evidence->arena, "%s and %zu more", paths[0], count - 1);
    evidence->kind = "c";
    evidence->executable = newest->mapping_count > 0
                               ? intern(files, ebb_profile_string(newest, newest->mappings[0].file))
                               : "";
    bool by_bytes = strcmp(ebb_profile_string(newest, newest->period_type.unit), "bytes") == 0;
    evidence->period = by_bytes && newest->period > 0 ? (uint64_t)newest->period : 1;
    evidence->age_s = (double)files->saved[0].profile->duration_ns / 1e9;
    evidence->end_reason = "";
    evidence->complete = true;
    if (!timed)
        evidence->caution =
            "the files do not say when they were taken: one minute between each and "
            "the next is assumed, in the order they were named";
}

static int make_evidence(struct ebb_files *files, char *const *paths, size_t count,
                         struct ebb_error *error)
{
    bool timed = order(files->saved, count);
    describe(files, timed, paths, count);
    if (!files->evidence.target)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", paths[0]);
    int64_t first_ns = files->saved[0].profile->time_ns;
    for (size_t i = 0; i < count; i++) {
        struct saved *saved = &files->saved[i];
        double time_s = timed ? (double)(saved->profile->time_ns - first_ns) / 1e9
                              : (double)i * ASSUMED_SPACING_S;
        int code = add_file(files, saved, time_s, error);
        if (code < 0)
            return code;
        files->evidence.window_s = time_s;
        if (i + 1 < count) {
            ebb_profile_free(saved->profile);
            saved->profile = NULL;
        }
    }
    if (files->any_go)
        files->evidence.kind = "go";
    return 0;
}

int ebb__files_open(char *const *paths, size_t count, struct ebb_files **result,
                    struct ebb_error *error)
{
    *result = NULL;
    struct ebb_files *files = calloc(1, sizeof *files);
    if (!files)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", paths[0]);
    int code = read_all(files, paths, count, error);
    if (code == 0)
        code = make_evidence(files, paths, count, error);
    if (code < 0) {
        ebb__files_close(files);
        return code;
    }
    *result = files;
    return 0;
}

void ebb__files_close(struct ebb_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->saved_count; i++)
        ebb_profile_free(files->saved[i].profile);
    free(files->saved);
    ebb_vec_free(&files->texts);
    ebb_index_free(&files->text_index);
    ebb_index_free(&files->stack_index);
    ebb_index_free(&files->series_index);
    ebb_vec_free(&files->frames);
    ebb_vec_free(&files->locations);
    ebb_vec_free(&files->stack);
    ebb_evidence_free(&files->evidence);
    free(files);
}

struct ebb_evidence *ebb__files_evidence(struct ebb_files *files)
{
    return &files->evidence;
}

int ebb__files_profile(struct ebb_files *files, const char *name, struct ebb_profile **profile,
                       struct ebb_error *error)
{
    const struct saved *newest = &files->saved[files->saved_count - 1];
    const struct ebb_profile *one[] = {newest->profile};
    bool threads = find_column(newest->profile, "threadcreate") >= 0;
    *profile = NULL;
    if (strcmp(name, threads ? "threadcreate" : "heap") != 0 && strcmp(name, "allocs") != 0)
        return ebb_error_set(error, -ENOENT, "%s: holds no %s profile", newest->path, name);
    int code = ebb_profile_merge(one, NULL, 1, profile, error);
    if (code < 0 || strcmp(name, "allocs") != 0)
        return code;
    int column = find_column(*profile, "alloc_space");
    (*profile)->default_type = column >= 0 ? (*profile)->types[column].type : 0;
    return 0;
}
