/* See random_profile.h. */
#include "tests/render/random_profile.h"

#include "base/clock.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t random_next(struct random *random)
{
    return ebb_mix64(random->state += UINT64_C(0x9e3779b97f4a7c15));
}

unsigned random_below(struct random *random, unsigned count)
{
    return (unsigned)(random_next(random) % count);
}

uint64_t random_seed(void)
{
    const char *given = getenv("EBB_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : ebb_clock_realtime_ns();
    printf("# EBB_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

enum { FUNCTIONS = 24, LOCATIONS = 60 };

struct ebb_profile *random_profile(struct random *random, bool negative)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "alloc_space", "bytes");
    ebb_profile_builder_type(builder, "inuse_space", "bytes");
    uint32_t mappings[2], functions[FUNCTIONS], locations[LOCATIONS];
    for (unsigned i = 0; i < 2; i++) {
        struct ebb_mapping mapping = {
            .start = 0x1000 * (i + 1),
            .limit = 0x1000 * (i + 2),
            .file = ebb_profile_builder_string(builder, i ? "/lib/libextra.so" : "/bin/program")};
        mappings[i] = ebb_profile_builder_mapping(builder, &mapping);
    }
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        char name[16], file[32];
        snprintf(name, sizeof name, "f%u", random_below(random, FUNCTIONS));
        snprintf(file, sizeof file, "/src/%c.c", 'a' + (int)random_below(random, 3));
        functions[i] = ebb_profile_builder_function(builder, name, name, file, 1 + (int64_t)i);
    }
    for (unsigned i = 0; i < LOCATIONS; i++) {
        struct ebb_line lines[4];
        unsigned count = random_below(random, 8);
        count = count < 4 ? 1 : count - 4; /* 0 to 3, mostly 1 */
        for (unsigned k = 0; k < count; k++)
            lines[k] = (struct ebb_line){functions[random_below(random, FUNCTIONS)],
                                         1 + random_below(random, 5)};
        unsigned mapping = random_below(random, 3);
        locations[i] = ebb_profile_builder_location(
            builder, mapping == 2 ? EBB_NONE : mappings[mapping], 0x1000 + i, lines, count);
    }
    unsigned samples = 1 + random_below(random, 60), used = 5 + random_below(random, LOCATIONS - 5);
    for (unsigned i = 0; i < samples; i++) {
        uint32_t stack[16];
        unsigned depth = random_below(random, 16);
        for (unsigned k = 0; k < depth; k++)
            stack[k] = locations[random_below(random, used)];
        int64_t values[2];
        for (int t = 0; t < 2; t++)
            values[t] = (int64_t)random_below(random, 1000) - (negative ? 500 : 0);
        if (random_below(random, 8) == 0)
            values[1] = 0;
        ebb_profile_builder_sample(builder, stack, depth, values, NULL, 0);
    }
    struct ebb_profile *profile;
    struct ebb_error error;
    if (ebb_profile_builder_finish(builder, &profile, &error) < 0) {
        printf("# %s\n", error.text);
        abort();
    }
    return profile;
}

/* ---- the model ---- */

static const char *text(const struct ebb_profile *profile, uint32_t string)
{
    return ebb_profile_string(profile, string);
}

static bool contains(const char *haystack, const char *word)
{
    return strstr(haystack, word) != NULL;
}

static bool line_matches(const struct ebb_profile *profile, const struct ebb_line *line,
                         const char *word)
{
    const struct ebb_function *function = &profile->functions[line->function];
    return contains(text(profile, function->name), word) ||
           contains(text(profile, function->file), word);
}

static bool object_matches(const struct ebb_profile *profile, const struct ebb_location *location,
                           const char *word)
{
    return location->mapping != EBB_NONE &&
           contains(text(profile, profile->mappings[location->mapping].file), word);
}

static bool matches(const struct ebb_profile *profile, uint32_t index, const char *word)
{
    const struct ebb_location *location = &profile->locations[index];
    for (uint32_t i = 0; i < location->line_count; i++)
        if (line_matches(profile, &profile->lines[location->first_line + i], word))
            return true;
    return object_matches(profile, location, word);
}

static void add_frame(struct model_stack *stack, const char *frame, bool inlined)
{
    stack->frames[stack->depth] = frame;
    stack->inlined[stack->depth++] = inlined;
}

static void add_location(struct model *model, struct model_stack *stack,
                         const struct ebb_profile *profile, uint32_t index,
                         const struct ebb_view_options *options)
{
    const struct ebb_location *location = &profile->locations[index];
    const char *object = location->mapping == EBB_NONE
                             ? ""
                             : text(profile, profile->mappings[location->mapping].file);
    bool whole_hidden = options->hide && object_matches(profile, location, options->hide);
    bool whole_shown = options->show && object_matches(profile, location, options->show);
    if (location->line_count == 0 && !options->show && !whole_hidden)
        add_frame(stack,
                  *object ? ebb_arena_printf(&model->arena, "[%s]", strrchr(object, '/') + 1)
                          : "<unknown>",
                  false);
    size_t first = stack->depth;
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct ebb_line *line = &profile->lines[location->first_line + i];
        const struct ebb_function *function = &profile->functions[line->function];
        if (whole_hidden || (options->hide && line_matches(profile, line, options->hide)))
            continue;
        if (options->show && !whole_shown && !line_matches(profile, line, options->show))
            continue;
        const char *name = text(profile, function->name);
        if (options->granularity == EBB_LINES)
            name = ebb_arena_printf(&model->arena, "%s %s:%" PRId64, name,
                                    text(profile, function->file), line->line);
        add_frame(stack, name, true);
    }
    if (stack->depth > first)
        stack->inlined[stack->depth - 1] = false;
}

void model_make(struct model *model, const struct ebb_profile *profile,
                const struct ebb_view_options *options, size_t value)
{
    *model = (struct model){0};
    model->stacks = calloc(profile->sample_count + 1, sizeof *model->stacks);
    for (size_t i = 0; i < profile->sample_count; i++) {
        struct model_stack *stack = &model->stacks[model->count];
        bool focused = !options->focus, ignored = false;
        *stack = (struct model_stack){.value = profile->values[i * profile->type_count + value]};
        model->total += llabs(stack->value);
        for (uint64_t k = profile->stack_start[i]; k < profile->stack_start[i + 1]; k++) {
            uint32_t location = profile->stack[k];
            ignored |= options->ignore && matches(profile, location, options->ignore);
            focused |= options->focus && matches(profile, location, options->focus);
            add_location(model, stack, profile, location, options);
        }
        model->count += focused && !ignored && stack->value != 0 && stack->depth > 0;
    }
}

void model_free(struct model *model)
{
    free(model->stacks);
    ebb_arena_free(&model->arena);
}

int64_t model_flat(const struct model *model, const char *frame)
{
    int64_t sum = 0;
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->stacks[i].frames[0], frame) == 0)
            sum += model->stacks[i].value;
    return sum;
}

int64_t model_cum(const struct model *model, const char *frame)
{
    int64_t sum = 0;
    for (size_t i = 0; i < model->count; i++)
        for (size_t k = 0; k < model->stacks[i].depth; k++)
            if (strcmp(model->stacks[i].frames[k], frame) == 0) {
                sum += model->stacks[i].value;
                break;
            }
    return sum;
}

int64_t model_edge(const struct model *model, const char *from, const char *to, bool *exists,
                   bool *inlined)
{
    int64_t sum = 0;
    *exists = false;
    *inlined = true;
    for (size_t i = 0; i < model->count; i++) {
        const struct model_stack *stack = &model->stacks[i];
        for (size_t k = stack->depth - 1; k > 0; k--)
            if (strcmp(stack->frames[k], from) == 0 && strcmp(stack->frames[k - 1], to) == 0 &&
                strcmp(from, to) != 0) {
                sum += stack->value;
                *exists = true;
                *inlined = *inlined && stack->inlined[k - 1];
                break;
            }
    }
    return sum;
}

int64_t model_path(const struct model *model, const char *const *path, size_t length, bool inverted,
                   bool whole)
{
    int64_t sum = 0;
    for (size_t i = 0; i < model->count; i++) {
        const struct model_stack *stack = &model->stacks[i];
        bool same = length <= stack->depth && (!whole || length == stack->depth);
        for (size_t k = 0; k < length && same; k++)
            same = strcmp(path[k], stack->frames[inverted ? k : stack->depth - 1 - k]) == 0;
        sum += same ? stack->value : 0;
    }
    return sum;
}
