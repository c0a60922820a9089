/* The sum or difference of profiles, by building a new one (builder.c) from the samples of each.
 *
 * Profiles of two runs have the same code at other addresses. A mapping is therefore recognised by
 * its build-id (else its file), its size in pages and its offset, and addresses in it are moved to
 * where the first profile has it; this is the rule of google/pprof, so that both make the same
 * sums. */
#include "base/hash.h"
#include "base/vec.h"
#include "tool/profile/index.h"
#include "tool/profile/profile.h"
#include "tool/profile/room.h"

#include <string.h>

struct known_mapping {
    uint64_t pages, offset;
    uint32_t identity; /* string of the result: build-id or file */
    uint32_t number;   /* in the result */
    uint64_t start;
};

struct merger {
    struct ebb_profile_builder *builder;
    struct known_vec EBB_VEC(struct known_mapping) known;
    struct ebb_index known_index;
    struct line_vec EBB_VEC(struct ebb_line) lines;
    struct stack_vec EBB_VEC(uint32_t) stack;
    struct label_vec EBB_VEC(struct ebb_label) labels;
    struct value_vec EBB_VEC(int64_t) values;
};

/* One profile on its way in: what its pieces are called in the result, EBB_NONE: not yet asked. */
struct source {
    const struct ebb_profile *profile;
    int scale;
    uint32_t *strings, *mappings, *functions, *locations;
    uint64_t *moved; /* what to add to addresses in a mapping */
};

static uint32_t map_string(struct merger *merger, struct source *source, uint32_t string)
{
    uint32_t *mapped = &source->strings[string];
    if (*mapped == EBB_NONE)
        *mapped = ebb_profile_builder_string(merger->builder,
                                             ebb_profile_string(source->profile, string));
    return *mapped;
}

static uint32_t add_known(struct merger *merger, struct source *source, struct known_mapping known,
                          uint64_t hash, const struct ebb_mapping *from)
{
    struct ebb_mapping mapping = *from;
    mapping.file = map_string(merger, source, from->file);
    mapping.build_id = map_string(merger, source, from->build_id);
    known.start = from->start;
    known.number = ebb_profile_builder_mapping(merger->builder, &mapping);
    /* Running out of memory here only makes the next such mapping a new one. */
    if (ebb_vec_push(&merger->known, known) == 0)
        ebb_index_add(&merger->known_index, hash, (uint32_t)(merger->known.len - 1));
    return known.number;
}

static uint32_t map_mapping(struct merger *merger, struct source *source, uint32_t mapping)
{
    if (mapping == EBB_NONE || source->mappings[mapping] != EBB_NONE)
        return mapping == EBB_NONE ? EBB_NONE : source->mappings[mapping];
    enum { PAGE = 4096 };
    const struct ebb_mapping *from = &source->profile->mappings[mapping];
    struct known_mapping known = {
        .pages = (from->limit - from->start + PAGE - 1) / PAGE,
        .offset = from->offset,
        .identity = map_string(merger, source, from->build_id ? from->build_id : from->file),
    };
    uint64_t words[] = {known.pages, known.offset, known.identity};
    uint64_t hash = ebb_hash_words(words, 3);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&merger->known_index, hash, &probe)) != EBB_NONE;) {
        const struct known_mapping *other = &merger->known.items[i];
        if (other->pages == known.pages && other->offset == known.offset &&
            other->identity == known.identity) {
            source->moved[mapping] = other->start - from->start;
            return source->mappings[mapping] = other->number;
        }
    }
    return source->mappings[mapping] = add_known(merger, source, known, hash, from);
}

static uint32_t map_function(struct merger *merger, struct source *source, uint32_t function)
{
    uint32_t *mapped = &source->functions[function];
    const struct ebb_profile *profile = source->profile;
    const struct ebb_function *from = &profile->functions[function];
    if (*mapped == EBB_NONE)
        *mapped =
            ebb_profile_builder_function(merger->builder, ebb_profile_string(profile, from->name),
                                         ebb_profile_string(profile, from->system_name),
                                         ebb_profile_string(profile, from->file), from->start_line);
    return *mapped;
}

static int map_location(struct merger *merger, struct source *source, uint32_t location,
                        uint32_t *mapped)
{
    *mapped = source->locations[location];
    if (*mapped != EBB_NONE)
        return 0;
    struct ebb_location item = source->profile->locations[location];
    const struct ebb_line *lines = source->profile->lines + item.first_line;
    merger->lines.len = 0;
    for (size_t i = 0; i < item.line_count; i++) {
        struct ebb_line line = {map_function(merger, source, lines[i].function), lines[i].line};
        if (ebb_vec_push(&merger->lines, line) < 0)
            return -ENOMEM;
    }
    if (item.mapping != EBB_NONE) {
        uint32_t mapping = map_mapping(merger, source, item.mapping);
        item.address += source->moved[item.mapping];
        item.mapping = mapping;
    }
    *mapped = ebb__builder_location(merger->builder, &item, merger->lines.items);
    source->locations[location] = *mapped;
    return 0;
}

static bool all_zero(const int64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i])
            return false;
    return true;
}

static int add_labels(struct merger *merger, struct source *source, size_t sample)
{
    const struct ebb_profile *profile = source->profile;
    merger->labels.len = 0;
    if (!profile->label_start)
        return 0;
    for (uint64_t i = profile->label_start[sample]; i < profile->label_start[sample + 1]; i++) {
        struct ebb_label label = profile->labels[i];
        label.key = map_string(merger, source, label.key);
        label.text = map_string(merger, source, label.text);
        label.unit = map_string(merger, source, label.unit);
        if (ebb_vec_push(&merger->labels, label) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_sample(struct merger *merger, struct source *source, size_t sample)
{
    const struct ebb_profile *profile = source->profile;
    const int64_t *values = profile->values + sample * profile->type_count;
    if (all_zero(values, profile->type_count))
        return 0;
    uint64_t begin = profile->stack_start[sample];
    size_t depth = profile->stack_start[sample + 1] - begin;
    if (ebb_vec_reserve(&merger->stack, depth) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < depth; i++)
        if (map_location(merger, source, profile->stack[begin + i], &merger->stack.items[i]) < 0)
            return -ENOMEM;
    /* Multiplied as unsigned: overflow wraps around, as it does in pprof. */
    for (size_t t = 0; t < profile->type_count; t++)
        merger->values.items[t] = (int64_t)((uint64_t)values[t] * (uint64_t)source->scale);
    if (add_labels(merger, source, sample) < 0)
        return -ENOMEM;
    ebb_profile_builder_sample(merger->builder, merger->stack.items, depth, merger->values.items,
                               merger->labels.items, merger->labels.len);
    return 0;
}

static bool has_comment(const struct ebb_profile *header, uint32_t comment)
{
    for (size_t i = 0; i < header->comment_count; i++)
        if (header->comments[i] == comment)
            return true;
    return false;
}

/* As pprof does: the earliest time, the sum of durations (of what is added, not of a base that is
 * taken away), the longest period, the first profile's texts, each comment once. */
static void add_header(struct merger *merger, struct source *source, bool first)
{
    const struct ebb_profile *from = source->profile;
    struct ebb_profile *header = ebb_profile_builder_header(merger->builder);
    if (from->time_ns && (!header->time_ns || from->time_ns < header->time_ns))
        header->time_ns = from->time_ns;
    if (source->scale > 0)
        header->duration_ns =
            (int64_t)((uint64_t)header->duration_ns + (uint64_t)from->duration_ns);
    if (from->period > header->period)
        header->period = from->period;
    if (first) {
        header->period_type.type = map_string(merger, source, from->period_type.type);
        header->period_type.unit = map_string(merger, source, from->period_type.unit);
        header->drop_frames = map_string(merger, source, from->drop_frames);
        header->keep_frames = map_string(merger, source, from->keep_frames);
    }
    if (!header->default_type)
        header->default_type = map_string(merger, source, from->default_type);
    if (!header->doc_url)
        header->doc_url = map_string(merger, source, from->doc_url);
    for (size_t i = 0; i < from->comment_count; i++)
        if (!has_comment(header, map_string(merger, source, from->comments[i])))
            ebb_profile_builder_comment(merger->builder,
                                        ebb_profile_string(from, from->comments[i]));
}

static uint32_t *unmapped(size_t count)
{
    uint32_t *numbers = malloc((count + 1) * sizeof *numbers);
    return numbers ? memset(numbers, 0xff, (count + 1) * sizeof *numbers) : NULL;
}

static int add_profile(struct merger *merger, const struct ebb_profile *profile, int scale,
                       bool first)
{
    struct source source = {
        .profile = profile,
        .scale = scale,
        .strings = unmapped(profile->string_count),
        .mappings = unmapped(profile->mapping_count),
        .functions = unmapped(profile->function_count),
        .locations = unmapped(profile->location_count),
        .moved = calloc(profile->mapping_count + 1, sizeof *source.moved),
    };
    int failed = -ENOMEM;
    if (source.strings && source.mappings && source.functions && source.locations && source.moved) {
        add_header(merger, &source, first);
        /* The first mapping stays the first: it stands for the main binary. */
        if (merger->known.len == 0 && profile->mapping_count)
            map_mapping(merger, &source, 0);
        failed = 0;
        for (size_t i = 0; !failed && i < profile->sample_count; i++)
            failed = add_sample(merger, &source, i);
    }
    free(source.strings);
    free(source.mappings);
    free(source.functions);
    free(source.locations);
    free(source.moved);
    return failed;
}

static bool same_types(const struct ebb_profile *a, const struct ebb_profile *b)
{
    if (a->type_count != b->type_count)
        return false;
    for (size_t i = 0; i < a->type_count; i++)
        if (strcmp(ebb_profile_string(a, a->types[i].type),
                   ebb_profile_string(b, b->types[i].type)) != 0 ||
            strcmp(ebb_profile_string(a, a->types[i].unit),
                   ebb_profile_string(b, b->types[i].unit)) != 0)
            return false;
    return true;
}

static int add_all(struct merger *merger, const struct ebb_profile *const *profiles,
                   const int *scale, size_t count)
{
    const struct ebb_profile *first = profiles[0];
    for (size_t t = 0; t < first->type_count; t++)
        ebb_profile_builder_type(merger->builder, ebb_profile_string(first, first->types[t].type),
                                 ebb_profile_string(first, first->types[t].unit));
    int failed = ebb_vec_reserve(&merger->values, first->type_count + 1);
    for (size_t i = 0; !failed && i < count; i++)
        failed = add_profile(merger, profiles[i], scale ? scale[i] : 1, i == 0);
    return failed;
}

static int merge(const struct ebb_profile *const *profiles, const int *scale, size_t count,
                 struct ebb_profile **merged, struct ebb_error *error)
{
    *merged = NULL;
    struct merger merger = {.builder = ebb_profile_builder_new()};
    int failed = merger.builder ? add_all(&merger, profiles, scale, count) : -ENOMEM;
    ebb_vec_free(&merger.known);
    ebb_index_free(&merger.known_index);
    ebb_vec_free(&merger.lines);
    ebb_vec_free(&merger.stack);
    ebb_vec_free(&merger.labels);
    ebb_vec_free(&merger.values);
    if (!failed)
        return ebb_profile_builder_finish(merger.builder, merged, error);
    ebb_profile_builder_abandon(merger.builder);
    return ebb_error_set(error, failed, "out of memory while combining profiles");
}

static bool has_zero_samples(const struct ebb_profile *profile)
{
    for (size_t i = 0; i < profile->sample_count; i++)
        if (all_zero(profile->values + i * profile->type_count, profile->type_count))
            return true;
    return false;
}

int ebb_profile_merge(const struct ebb_profile *const *profiles, const int *scale, size_t count,
                      struct ebb_profile **merged, struct ebb_error *error)
{
    *merged = NULL;
    if (count == 0)
        return ebb_error_set(error, -EINVAL, "no profiles to combine");
    for (size_t i = 1; i < count; i++)
        if (!same_types(profiles[0], profiles[i]))
            return ebb_error_set(error, -EINVAL,
                                 "the profiles count different things and cannot be combined");
    int failed = merge(profiles, scale, count, merged, error);
    if (!*merged || !has_zero_samples(*merged))
        return failed;
    /* What cancelled out goes, and with it the locations that nothing else needs. */
    struct ebb_profile *with_zeros = *merged;
    const struct ebb_profile *again[] = {with_zeros};
    failed = merge(again, NULL, 1, merged, error);
    ebb_profile_free(with_zeros);
    return failed;
}
