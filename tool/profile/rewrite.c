/* Copying a profile through the builder, location by location and sample by sample. See rewrite.h.
 */
#include "tool/profile/rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct rewriting {
    const struct ebb_profile *from;
    struct ebb_profile_builder *to;
    uint32_t *locations; /* ids in `to`; EBB_NONE: left out */
    struct ebb_line_list lines;
    struct stack EBB_VEC(uint32_t) stack;
    struct labels EBB_VEC(struct ebb_label) labels;
};

static uint32_t copy_string(const struct rewriting *rewriting, uint32_t string)
{
    return ebb_profile_builder_string(rewriting->to, ebb_profile_string(rewriting->from, string));
}

int ebb_rewrite_add_line(struct ebb_line_list *lines, struct ebb_profile_builder *to,
                         const struct ebb_profile *from, const struct ebb_line *line)
{
    const struct ebb_function *function = &from->functions[line->function];
    struct ebb_line copy = {
        .function = ebb_profile_builder_function(to, ebb_profile_string(from, function->name),
                                                 ebb_profile_string(from, function->system_name),
                                                 ebb_profile_string(from, function->file),
                                                 function->start_line),
        .line = line->line,
    };
    return ebb_vec_push(lines, copy);
}

static void copy_header(const struct rewriting *rewriting)
{
    const struct ebb_profile *from = rewriting->from;
    for (size_t i = 0; i < from->type_count; i++)
        ebb_profile_builder_type(rewriting->to, ebb_profile_string(from, from->types[i].type),
                                 ebb_profile_string(from, from->types[i].unit));
    for (size_t i = 0; i < from->comment_count; i++)
        ebb_profile_builder_comment(rewriting->to, ebb_profile_string(from, from->comments[i]));
    struct ebb_profile *header = ebb_profile_builder_header(rewriting->to);
    header->default_type = copy_string(rewriting, from->default_type);
    header->period_type.type = copy_string(rewriting, from->period_type.type);
    header->period_type.unit = copy_string(rewriting, from->period_type.unit);
    header->period = from->period;
    header->time_ns = from->time_ns;
    header->duration_ns = from->duration_ns;
    header->drop_frames = copy_string(rewriting, from->drop_frames);
    header->keep_frames = copy_string(rewriting, from->keep_frames);
    header->doc_url = copy_string(rewriting, from->doc_url);
}

/* All mappings in their order: the first one is the main program. */
static void copy_mappings(const struct rewriting *rewriting, uint32_t *mappings)
{
    for (size_t i = 0; i < rewriting->from->mapping_count; i++) {
        struct ebb_mapping mapping = rewriting->from->mappings[i];
        mapping.file = copy_string(rewriting, mapping.file);
        mapping.build_id = copy_string(rewriting, mapping.build_id);
        mappings[i] = ebb_profile_builder_mapping(rewriting->to, &mapping);
    }
}

static int copy_sample(struct rewriting *rewriting, size_t sample, uint64_t begin, uint64_t end)
{
    const struct ebb_profile *from = rewriting->from;
    rewriting->stack.len = rewriting->labels.len = 0;
    for (uint64_t i = begin; i < end; i++) {
        uint32_t location = rewriting->locations[from->stack[i]];
        if (location != EBB_NONE && ebb_vec_push(&rewriting->stack, location) < 0)
            return -ENOMEM;
    }
    if (!rewriting->stack.len)
        return 0;
    if (from->label_start)
        for (uint64_t i = from->label_start[sample]; i < from->label_start[sample + 1]; i++) {
            struct ebb_label label = from->labels[i];
            label.key = copy_string(rewriting, label.key);
            label.text = copy_string(rewriting, label.text);
            label.unit = copy_string(rewriting, label.unit);
            if (ebb_vec_push(&rewriting->labels, label) < 0)
                return -ENOMEM;
        }
    ebb_profile_builder_sample(rewriting->to, rewriting->stack.items, rewriting->stack.len,
                               from->values + sample * from->type_count, rewriting->labels.items,
                               rewriting->labels.len);
    return 0;
}

static int rewrite(struct rewriting *rewriting, const uint64_t *begin, const uint64_t *end,
                   int (*choose)(void *, const struct ebb_profile *, size_t,
                                 struct ebb_profile_builder *, struct ebb_line_list *),
                   void *context)
{
    const struct ebb_profile *from = rewriting->from;
    uint32_t *mappings = malloc((from->mapping_count + 1) * sizeof *mappings);
    rewriting->locations = malloc((from->location_count + 1) * sizeof *rewriting->locations);
    if (!mappings || !rewriting->locations) {
        free(mappings);
        return -ENOMEM;
    }
    copy_header(rewriting);
    copy_mappings(rewriting, mappings);
    for (size_t i = 0; i < from->location_count; i++) {
        const struct ebb_location *location = &from->locations[i];
        rewriting->lines.len = 0;
        int stays = choose(context, from, i, rewriting->to, &rewriting->lines);
        if (stays < 0) {
            free(mappings);
            return stays;
        }
        rewriting->locations[i] = EBB_NONE;
        if (stays)
            rewriting->locations[i] = ebb_profile_builder_location(
                rewriting->to,
                location->mapping == EBB_NONE ? EBB_NONE : mappings[location->mapping],
                location->address, rewriting->lines.items, rewriting->lines.len);
    }
    free(mappings);
    for (size_t i = 0; i < from->sample_count; i++)
        if (copy_sample(rewriting, i, begin[i], end[i]) < 0)
            return -ENOMEM;
    return 0;
}

int ebb_profile_rewrite(const struct ebb_profile *from, const uint64_t *begin, const uint64_t *end,
                        int (*choose)(void *, const struct ebb_profile *, size_t,
                                      struct ebb_profile_builder *, struct ebb_line_list *),
                        void *context, struct ebb_profile **to, struct ebb_error *error)
{
    struct rewriting rewriting = {.from = from, .to = ebb_profile_builder_new()};
    *to = NULL;
    if (!rewriting.to)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    int failed = rewrite(&rewriting, begin, end, choose, context);
    free(rewriting.locations);
    ebb_vec_free(&rewriting.lines);
    ebb_vec_free(&rewriting.stack);
    ebb_vec_free(&rewriting.labels);
    if (failed) {
        ebb_profile_builder_abandon(rewriting.to);
        return ebb_error_set(error, failed, "out of memory");
    }
    return ebb_profile_builder_finish(rewriting.to, to, error);
}
