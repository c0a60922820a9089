/* Builds a profile piece by piece (see profile.h): every kind of piece is an array and a hash index
 * over it (index.h). A failed step is remembered in `failed` and told by finish; until then the
 * steps after it do nothing and answer index 0, which every array of a usable builder has or
 * ignores. */
#include "base/hash.h"
#include "base/vec.h"
#include "tool/profile/index.h"
#include "tool/profile/profile.h"
#include "tool/profile/room.h"

#include <string.h>

struct ebb_profile_builder {
    struct ebb_profile *profile; /* header fields, arena; the arrays below join it at the end */
    int failed;                  /* 0, -ENOMEM, or -EINVAL: a piece that does not exist was named */
    struct string_vec EBB_VEC(char *) strings;
    struct type_vec EBB_VEC(struct ebb_value_type) types;
    struct mapping_vec EBB_VEC(struct ebb_mapping) mappings;
    struct function_vec EBB_VEC(struct ebb_function) functions;
    struct line_vec EBB_VEC(struct ebb_line) lines;
    struct location_vec EBB_VEC(struct ebb_location) locations;
    struct offset_vec EBB_VEC(uint64_t) stack_start, label_start;
    struct stack_vec EBB_VEC(uint32_t) stack;
    struct value_vec EBB_VEC(int64_t) values;
    struct label_vec EBB_VEC(struct ebb_label) labels;
    struct ebb_index string_index, mapping_index, function_index, location_index, sample_index;
};

struct ebb_profile_builder *ebb_profile_builder_new(void)
{
    struct ebb_profile_builder *builder = calloc(1, sizeof *builder);
    if (!builder)
        return NULL;
    builder->profile = ebb__profile_new();
    /* Arrays that are walked by offset are never NULL. */
    if (!builder->profile || ebb_vec_push(&builder->stack_start, 0) < 0 ||
        ebb_vec_push(&builder->label_start, 0) < 0 || ebb_vec_reserve(&builder->stack, 1) < 0 ||
        ebb_vec_reserve(&builder->values, 1) < 0 || ebb_vec_reserve(&builder->lines, 1) < 0 ||
        ebb_vec_reserve(&builder->labels, 1) < 0) {
        ebb_profile_builder_abandon(builder);
        return NULL;
    }
    ebb_profile_builder_string(builder, "");
    if (builder->failed) {
        ebb_profile_builder_abandon(builder);
        return NULL;
    }
    return builder;
}

static uint32_t fail(struct ebb_profile_builder *builder, int code)
{
    if (!builder->failed)
        builder->failed = code;
    return 0;
}

/* Enters the item that was just pushed as number `count - 1`; answers that number. */
static uint32_t enter(struct ebb_profile_builder *builder, struct ebb_index *index, uint64_t hash,
                      size_t count)
{
    if (count >= EBB_NONE || ebb_index_add(index, hash, (uint32_t)(count - 1)) < 0)
        return fail(builder, -ENOMEM);
    return (uint32_t)(count - 1);
}

uint32_t ebb_profile_builder_string(struct ebb_profile_builder *builder, const char *text)
{
    if (builder->failed)
        return 0;
    text = text ? text : "";
    uint64_t hash = ebb_hash_bytes(text, strlen(text));
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&builder->string_index, hash, &probe)) != EBB_NONE;)
        if (strcmp(builder->strings.items[i], text) == 0)
            return i;
    char *copy = ebb_arena_strdup(&builder->profile->arena, text);
    if (!copy || ebb_vec_push(&builder->strings, copy) < 0)
        return fail(builder, -ENOMEM);
    return enter(builder, &builder->string_index, hash, builder->strings.len);
}

void ebb_profile_builder_type(struct ebb_profile_builder *builder, const char *type,
                              const char *unit)
{
    struct ebb_value_type item = {ebb_profile_builder_string(builder, type),
                                  ebb_profile_builder_string(builder, unit)};
    if (builder->failed)
        return;
    if (builder->stack_start.len > 1)
        fail(builder, -EINVAL); /* the samples so far have no such value */
    else if (ebb_vec_push(&builder->types, item) < 0)
        fail(builder, -ENOMEM);
}

static bool same_mapping(const struct ebb_mapping *a, const struct ebb_mapping *b)
{
    return a->start == b->start && a->limit == b->limit && a->offset == b->offset &&
           a->file == b->file && a->build_id == b->build_id;
}

uint32_t ebb_profile_builder_mapping(struct ebb_profile_builder *builder,
                                     const struct ebb_mapping *mapping)
{
    if (builder->failed)
        return 0;
    if (mapping->file >= builder->strings.len || mapping->build_id >= builder->strings.len)
        return fail(builder, -EINVAL);
    uint64_t words[] = {mapping->start, mapping->limit, mapping->offset,
                        (uint64_t)mapping->file << 32 | mapping->build_id};
    uint64_t hash = ebb_hash_words(words, 4);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&builder->mapping_index, hash, &probe)) != EBB_NONE;)
        if (same_mapping(&builder->mappings.items[i], mapping))
            return i;
    if (ebb_vec_push(&builder->mappings, *mapping) < 0)
        return fail(builder, -ENOMEM);
    return enter(builder, &builder->mapping_index, hash, builder->mappings.len);
}

uint32_t ebb_profile_builder_function(struct ebb_profile_builder *builder, const char *name,
                                      const char *system_name, const char *file, int64_t start_line)
{
    struct ebb_function item = {ebb_profile_builder_string(builder, name),
                                ebb_profile_builder_string(builder, system_name),
                                ebb_profile_builder_string(builder, file), start_line};
    if (builder->failed)
        return 0;
    uint64_t words[] = {(uint64_t)item.name << 32 | item.system_name, item.file,
                        (uint64_t)start_line};
    uint64_t hash = ebb_hash_words(words, 3);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&builder->function_index, hash, &probe)) != EBB_NONE;) {
        const struct ebb_function *other = &builder->functions.items[i];
        if (other->name == item.name && other->system_name == item.system_name &&
            other->file == item.file && other->start_line == start_line)
            return i;
    }
    if (ebb_vec_push(&builder->functions, item) < 0)
        return fail(builder, -ENOMEM);
    return enter(builder, &builder->function_index, hash, builder->functions.len);
}

static bool same_location(const struct ebb_profile_builder *builder, const struct ebb_location *a,
                          const struct ebb_location *b, const struct ebb_line *b_lines)
{
    if (a->mapping != b->mapping || a->address != b->address || a->folded != b->folded ||
        a->line_count != b->line_count)
        return false;
    const struct ebb_line *a_lines = builder->lines.items + a->first_line;
    for (size_t i = 0; i < a->line_count; i++)
        if (a_lines[i].function != b_lines[i].function || a_lines[i].line != b_lines[i].line)
            return false;
    return true;
}

static uint64_t hash_location(const struct ebb_location *location, const struct ebb_line *lines)
{
    uint64_t words[] = {(uint64_t)location->mapping << 1 | location->folded, location->address};
    uint64_t hash = ebb_hash_words(words, 2);
    for (size_t i = 0; i < location->line_count; i++) {
        uint64_t line[] = {hash, lines[i].function, (uint64_t)lines[i].line};
        hash = ebb_hash_words(line, 3);
    }
    return hash;
}

uint32_t ebb__builder_location(struct ebb_profile_builder *builder,
                               const struct ebb_location *location, const struct ebb_line *lines)
{
    if (builder->failed)
        return 0;
    struct ebb_location item = *location;
    if (item.mapping != EBB_NONE && item.mapping >= builder->mappings.len)
        return fail(builder, -EINVAL);
    for (size_t i = 0; i < item.line_count; i++)
        if (lines[i].function >= builder->functions.len)
            return fail(builder, -EINVAL);
    uint64_t hash = hash_location(&item, lines);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&builder->location_index, hash, &probe)) != EBB_NONE;)
        if (same_location(builder, &builder->locations.items[i], &item, lines))
            return i;
    if (builder->lines.len + item.line_count >= EBB_NONE)
        return fail(builder, -ENOMEM);
    item.first_line = (uint32_t)builder->lines.len;
    for (size_t i = 0; i < item.line_count; i++)
        if (ebb_vec_push(&builder->lines, lines[i]) < 0)
            return fail(builder, -ENOMEM);
    if (ebb_vec_push(&builder->locations, item) < 0)
        return fail(builder, -ENOMEM);
    return enter(builder, &builder->location_index, hash, builder->locations.len);
}

uint32_t ebb_profile_builder_location(struct ebb_profile_builder *builder, uint32_t mapping,
                                      uint64_t address, const struct ebb_line *lines,
                                      size_t line_count)
{
    if (line_count >= EBB_NONE)
        return fail(builder, -EINVAL);
    struct ebb_location location = {
        .mapping = mapping, .address = address, .line_count = (uint32_t)line_count};
    return ebb__builder_location(builder, &location, lines);
}

/* ---- samples ---- */

static int compare_labels(const void *left, const void *right)
{
    const struct ebb_label *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->text != b->text)
        return a->text < b->text ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return (a->unit > b->unit) - (a->unit < b->unit);
}

/* Appends the sample's stack and labels (these sorted, so that their order makes no difference) as
 * the next sample; finish_sample() keeps them or takes them back. */
static int append_sample(struct ebb_profile_builder *builder, const uint32_t *stack, size_t depth,
                         const struct ebb_label *labels, size_t label_count)
{
    if (ebb_vec_reserve(&builder->stack, builder->stack.len + depth) < 0 ||
        ebb_vec_reserve(&builder->labels, builder->labels.len + label_count) < 0 ||
        ebb_vec_reserve(&builder->values, builder->values.len + builder->types.len) < 0 ||
        ebb_vec_reserve(&builder->stack_start, builder->stack_start.len + 1) < 0 ||
        ebb_vec_reserve(&builder->label_start, builder->label_start.len + 1) < 0)
        return -ENOMEM;
    if (depth)
        memcpy(builder->stack.items + builder->stack.len, stack, depth * sizeof *stack);
    if (label_count) {
        struct ebb_label *own = builder->labels.items + builder->labels.len;
        memcpy(own, labels, label_count * sizeof *labels);
        qsort(own, label_count, sizeof *own, compare_labels);
    }
    return 0;
}

static uint64_t hash_sample(const uint32_t *stack, size_t depth, const struct ebb_label *labels,
                            size_t label_count)
{
    uint64_t hash = ebb_hash_bytes(stack, depth * sizeof *stack);
    for (size_t i = 0; i < label_count; i++) {
        uint64_t words[] = {hash, (uint64_t)labels[i].key << 32 | labels[i].text,
                            (uint64_t)labels[i].number, labels[i].unit};
        hash = ebb_hash_words(words, 4);
    }
    return hash;
}

static bool same_sample(const struct ebb_profile_builder *builder, uint32_t sample,
                        const uint32_t *stack, size_t depth, const struct ebb_label *labels,
                        size_t label_count)
{
    const uint64_t *stack_start = builder->stack_start.items + sample;
    const uint64_t *label_start = builder->label_start.items + sample;
    if (stack_start[1] - stack_start[0] != depth ||
        label_start[1] - label_start[0] != label_count ||
        (depth && memcmp(builder->stack.items + stack_start[0], stack, depth * sizeof *stack) != 0))
        return false;
    for (size_t i = 0; i < label_count; i++)
        if (compare_labels(&builder->labels.items[label_start[0] + i], &labels[i]) != 0)
            return false;
    return true;
}

static bool pieces_exist(const struct ebb_profile_builder *builder, const uint32_t *stack,
                         size_t depth, const struct ebb_label *labels, size_t label_count)
{
    for (size_t i = 0; i < depth; i++)
        if (stack[i] >= builder->locations.len)
            return false;
    for (size_t i = 0; i < label_count; i++)
        if (labels[i].key >= builder->strings.len || labels[i].text >= builder->strings.len ||
            labels[i].unit >= builder->strings.len)
            return false;
    return builder->types.len > 0;
}

void ebb_profile_builder_sample(struct ebb_profile_builder *builder, const uint32_t *stack,
                                size_t depth, const int64_t *values, const struct ebb_label *labels,
                                size_t label_count)
{
    if (builder->failed)
        return;
    if (!pieces_exist(builder, stack, depth, labels, label_count)) {
        fail(builder, -EINVAL);
        return;
    }
    if (append_sample(builder, stack, depth, labels, label_count) < 0) {
        fail(builder, -ENOMEM);
        return;
    }
    /* From here on the copies: they are sorted, and not NULL when there is nothing in them. */
    stack = builder->stack.items + builder->stack.len;
    labels = builder->labels.items + builder->labels.len;
    uint64_t hash = hash_sample(stack, depth, labels, label_count);
    size_t probe = 0, width = builder->types.len;
    for (uint32_t i; (i = ebb_index_probe(&builder->sample_index, hash, &probe)) != EBB_NONE;) {
        if (!same_sample(builder, i, stack, depth, labels, label_count))
            continue;
        /* Added as unsigned: sums that overflow wrap around, as they do in pprof. */
        for (size_t t = 0; t < width; t++)
            builder->values.items[i * width + t] =
                (int64_t)((uint64_t)builder->values.items[i * width + t] + (uint64_t)values[t]);
        return;
    }
    memcpy(builder->values.items + builder->values.len, values, width * sizeof *values);
    builder->values.len += width;
    builder->stack.len += depth;
    builder->labels.len += label_count;
    builder->stack_start.items[builder->stack_start.len++] = builder->stack.len;
    builder->label_start.items[builder->label_start.len++] = builder->labels.len;
    enter(builder, &builder->sample_index, hash, builder->stack_start.len - 1);
}

/* ---- the end ---- */

struct ebb_profile *ebb_profile_builder_header(struct ebb_profile_builder *builder)
{
    return builder->profile;
}

void ebb_profile_builder_comment(struct ebb_profile_builder *builder, const char *text)
{
    uint32_t string = ebb_profile_builder_string(builder, text);
    struct ebb_profile *profile = builder->profile;
    if (builder->failed)
        return;
    /* Comments are a handful: each is a new array in the arena. */
    uint32_t *comments =
        ebb_arena_alloc(&profile->arena, (profile->comment_count + 1) * sizeof *comments);
    if (!comments) {
        fail(builder, -ENOMEM);
        return;
    }
    if (profile->comment_count)
        memcpy(comments, profile->comments, profile->comment_count * sizeof *comments);
    comments[profile->comment_count++] = string;
    profile->comments = comments;
}

static bool header_strings_exist(const struct ebb_profile_builder *builder)
{
    const struct ebb_profile *header = builder->profile;
    size_t count = builder->strings.len;
    for (size_t i = 0; i < header->comment_count; i++)
        if (header->comments[i] >= count)
            return false;
    return header->default_type < count && header->period_type.type < count &&
           header->period_type.unit < count && header->drop_frames < count &&
           header->keep_frames < count && header->doc_url < count;
}

/* Moves the arrays into the profile, which gives them back. */
#define HAND_OVER(profile_field, vec) ((profile_field) = (vec).items, (vec).items = NULL)

static void hand_over(struct ebb_profile_builder *builder, struct ebb_profile *profile)
{
    profile->string_count = builder->strings.len;
    profile->type_count = builder->types.len;
    profile->mapping_count = builder->mappings.len;
    profile->function_count = builder->functions.len;
    profile->line_count = builder->lines.len;
    profile->location_count = builder->locations.len;
    profile->sample_count = builder->stack_start.len - 1;
    HAND_OVER(profile->strings, builder->strings);
    HAND_OVER(profile->types, builder->types);
    HAND_OVER(profile->mappings, builder->mappings);
    HAND_OVER(profile->functions, builder->functions);
    HAND_OVER(profile->lines, builder->lines);
    HAND_OVER(profile->locations, builder->locations);
    HAND_OVER(profile->stack_start, builder->stack_start);
    HAND_OVER(profile->stack, builder->stack);
    HAND_OVER(profile->values, builder->values);
    if (builder->labels.len) {
        HAND_OVER(profile->label_start, builder->label_start);
        HAND_OVER(profile->labels, builder->labels);
    }
    builder->profile = NULL;
}

int ebb_profile_builder_finish(struct ebb_profile_builder *builder, struct ebb_profile **profile,
                               struct ebb_error *error)
{
    *profile = NULL;
    int failed = builder->failed;
    if (!failed && !header_strings_exist(builder))
        failed = -EINVAL;
    if (failed) {
        ebb_profile_builder_abandon(builder);
        return failed == -ENOMEM
                   ? ebb_error_set(error, failed, "out of memory while building a profile")
                   : ebb_error_set(error, failed,
                                   "a piece of the profile refers to one that does not exist");
    }
    struct ebb_profile *built = builder->profile;
    hand_over(builder, built);
    ebb_profile_builder_abandon(builder);
    if (ebb__profile_set_flags(built) < 0) {
        ebb_profile_free(built);
        return ebb_error_set(error, -ENOMEM, "out of memory while building a profile");
    }
    *profile = built;
    return 0;
}

void ebb_profile_builder_abandon(struct ebb_profile_builder *builder)
{
    if (!builder)
        return;
    ebb_profile_free(builder->profile);
    ebb_vec_free(&builder->strings);
    ebb_vec_free(&builder->types);
    ebb_vec_free(&builder->mappings);
    ebb_vec_free(&builder->functions);
    ebb_vec_free(&builder->lines);
    ebb_vec_free(&builder->locations);
    ebb_vec_free(&builder->stack_start);
    ebb_vec_free(&builder->label_start);
    ebb_vec_free(&builder->stack);
    ebb_vec_free(&builder->values);
    ebb_vec_free(&builder->labels);
    ebb_index_free(&builder->string_index);
    ebb_index_free(&builder->mapping_index);
    ebb_index_free(&builder->function_index);
    ebb_index_free(&builder->location_index);
    ebb_index_free(&builder->sample_index);
    free(builder);
}
