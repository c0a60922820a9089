/* From a profile to a view: match names, filter samples, turn locations into nodes. See
 * view.h for the order of the steps.
 *
 * Patterns are matched once per function and once per mapping, never per sample. */
#include "tool/render/view.h"

#include "tool/profile/rewrite.h"
#include "tool/render/measure.h"
#include "tool/render/names.h"
#include "tool/render/pattern.h"
#include "tool/render/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FOCUS, IGNORE, HIDE, SHOW, FILTERS };
static const char *const filter_names[FILTERS] = {"--focus", "--ignore", "--hide", "--show"};

/* Whether a pattern matches each function and each mapping. */
struct matches {
    bool set, any;
    bool *function, *mapping;
};

/* What making a view needs and the view does not keep. */
struct making {
    struct ebb_view *view;
    struct ebb_nodes *nodes;
    const struct ebb_profile *profile;
    const char **names; /* of functions, readable */
    struct matches matches[FILTERS];
    uint32_t *function_nodes; /* at function granularity, EBB_NONE: not yet */
    struct node_ids EBB_VEC(uint32_t) ids;
};

static const char *string(const struct making *making, uint32_t index)
{
    return ebb_profile_string(making->profile, index);
}

/* calloc() that never asks for nothing. */
static void *zeroed(size_t count, size_t size)
{
    return calloc(count ? count : 1, size);
}

/* ---- names and patterns ---- */

static int make_names(struct making *making)
{
    const struct ebb_profile *profile = making->profile;
    making->names = zeroed(profile->function_count, sizeof *making->names);
    if (!making->names)
        return -ENOMEM;
    for (size_t i = 0; i < profile->function_count; i++) {
        const struct ebb_function *function = &profile->functions[i];
        making->names[i] = ebb_name_shown(&making->view->arena, string(making, function->name),
                                          string(making, function->system_name));
        if (!making->names[i])
            return -ENOMEM;
    }
    return 0;
}

static int match(struct making *making, int filter, const char *text, struct ebb_error *error)
{
    const struct ebb_profile *profile = making->profile;
    struct matches *matches = &making->matches[filter];
    struct ebb_pattern pattern;
    int failed = ebb_pattern_compile(&pattern, filter_names[filter], text, error);
    if (failed || !pattern.set)
        return failed;
    matches->set = true;
    matches->function = zeroed(profile->function_count, sizeof *matches->function);
    matches->mapping = zeroed(profile->mapping_count, sizeof *matches->mapping);
    if (matches->function && matches->mapping) {
        for (size_t i = 0; i < profile->function_count; i++)
            matches->function[i] =
                ebb_pattern_matches(&pattern, making->names[i]) ||
                ebb_pattern_matches(&pattern, string(making, profile->functions[i].file));
        for (size_t i = 0; i < profile->mapping_count; i++)
            matches->mapping[i] =
                ebb_pattern_matches(&pattern, string(making, profile->mappings[i].file));
    } else {
        failed = ebb_error_set(error, -ENOMEM, "out of memory");
    }
    ebb_pattern_free(&pattern);
    return failed;
}

static bool mapping_matches(const struct matches *matches, const struct ebb_location *location)
{
    return location->mapping != EBB_NONE && matches->mapping[location->mapping];
}

/* Whether any frame of a location matches, or the file it lies in. */
static bool location_matches(const struct making *making, int filter, size_t index)
{
    const struct ebb_location *location = &making->profile->locations[index];
    const struct matches *matches = &making->matches[filter];
    for (uint32_t i = 0; i < location->line_count; i++)
        if (matches->function[making->profile->lines[location->first_line + i].function])
            return true;
    return mapping_matches(matches, location);
}

/* ---- samples: focused, ignored ---- */

static int own_stacks(struct ebb_view *view)
{
    size_t count = view->profile->sample_count;
    if (view->owns_stacks)
        return 0;
    uint64_t *begin = zeroed(count, sizeof *begin), *end = zeroed(count, sizeof *end);
    if (!begin || !end) {
        free(begin);
        free(end);
        return -ENOMEM;
    }
    memcpy(begin, view->begin, count * sizeof *begin);
    memcpy(end, view->end, count * sizeof *end);
    view->begin = begin;
    view->end = end;
    view->owns_stacks = true;
    return 0;
}

/* Leaves out samples that --focus and --ignore exclude. When there is any filter at all, samples
 * without a stack go too. */
static int select_samples(struct making *making)
{
    struct ebb_view *view = making->view;
    const struct ebb_profile *profile = making->profile;
    bool focus = making->matches[FOCUS].set, ignore = making->matches[IGNORE].set;
    if (!focus && !ignore)
        return 0;
    enum { NEITHER, WANTED, UNWANTED };
    uint8_t *role = zeroed(profile->location_count, 1);
    if (!role || own_stacks(view) < 0) {
        free(role);
        return -ENOMEM;
    }
    for (size_t i = 0; i < profile->location_count; i++) {
        if (ignore && location_matches(making, IGNORE, i))
            role[i] = UNWANTED;
        else if (!focus || location_matches(making, FOCUS, i))
            role[i] = WANTED;
        making->matches[IGNORE].any |= role[i] == UNWANTED;
        making->matches[FOCUS].any |= role[i] == WANTED;
    }
    for (size_t i = 0; i < profile->sample_count; i++) {
        bool wanted = false, unwanted = false;
        for (uint64_t k = view->begin[i]; k < view->end[i]; k++) {
            wanted |= role[profile->stack[k]] == WANTED;
            unwanted |= role[profile->stack[k]] == UNWANTED;
        }
        if (!wanted || unwanted)
            view->begin[i] = view->end[i];
    }
    free(role);
    return 0;
}

/* ---- locations to nodes ---- */

static const char *object_of(const struct making *making, const struct ebb_location *location)
{
    if (location->mapping == EBB_NONE)
        return "";
    return string(making, making->profile->mappings[location->mapping].file);
}

static uint32_t intern(struct making *making, struct ebb_node node)
{
    struct ebb_arena *arena = &making->view->arena;
    node.name = ebb_text_plain(arena, node.name);
    node.file = ebb_text_plain(arena, node.file);
    node.object = ebb_text_plain(arena, node.object);
    return node.name && node.file && node.object ? ebb_nodes_intern(making->nodes, &node)
                                                 : EBB_NONE;
}

static uint32_t node_of_line(struct making *making, const struct ebb_location *location,
                             const struct ebb_line *line)
{
    const struct ebb_view_options *options = &making->view->options;
    const struct ebb_function *function = &making->profile->functions[line->function];
    struct ebb_node node = {.name = making->names[line->function], .file = "", .object = ""};
    bool alike = *node.name && !options->objects && options->granularity == EBB_FUNCTIONS;
    if (alike && making->function_nodes[line->function] != EBB_NONE)
        return making->function_nodes[line->function];
    if (options->granularity == EBB_LINES) {
        node.line = line->line;
        node.file = ebb_path_shown(&making->view->arena, string(making, function->file),
                                   options->source_path);
        if (!node.file)
            return EBB_NONE;
    }
    if (options->objects || !*node.name) {
        node.object = object_of(making, location);
        node.start_line = function->start_line;
    }
    uint32_t id = intern(making, node);
    if (alike)
        making->function_nodes[line->function] = id;
    return id;
}

/* Whether --hide and --show leave a line. A file that matches as a whole decides for all its lines.
 */
static bool line_stays(const struct making *making, const struct ebb_location *location,
                       const struct ebb_line *line)
{
    const struct matches *hide = &making->matches[HIDE], *show = &making->matches[SHOW];
    if (hide->set && (mapping_matches(hide, location) || hide->function[line->function]))
        return false;
    return !show->set || mapping_matches(show, location) || show->function[line->function];
}

static bool bare_location_stays(const struct making *making, const struct ebb_location *location)
{
    return !making->matches[SHOW].set &&
           !(making->matches[HIDE].set && mapping_matches(&making->matches[HIDE], location));
}

static int add_node(struct making *making, uint32_t node, uint32_t line)
{
    struct ebb_view *view = making->view;
    if (node == EBB_NONE || ebb_vec_push(&making->ids, node) < 0)
        return -ENOMEM;
    view->lines[making->ids.len - 1] = line;
    return 0;
}

static int make_location_nodes(struct making *making, size_t index)
{
    const struct ebb_profile *profile = making->profile;
    const struct ebb_location *location = &profile->locations[index];
    if (location->line_count == 0) {
        if (!bare_location_stays(making, location))
            return 0;
        struct ebb_node bare = {.name = "", .file = "", .object = object_of(making, location)};
        return add_node(making, intern(making, bare), EBB_NONE);
    }
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct ebb_line *line = &profile->lines[location->first_line + i];
        if (!line_stays(making, location, line))
            continue;
        if (add_node(making, node_of_line(making, location, line), location->first_line + i) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int make_nodes(struct making *making)
{
    struct ebb_view *view = making->view;
    const struct ebb_profile *profile = making->profile;
    size_t most = 0; /* nodes: lines may be shared between locations */
    for (size_t i = 0; i < profile->location_count; i++)
        most += profile->locations[i].line_count ? profile->locations[i].line_count : 1;
    making->function_nodes = malloc((profile->function_count + 1) * sizeof(uint32_t));
    view->first_node = malloc((profile->location_count + 1) * sizeof(uint32_t));
    view->lines = malloc((most + 1) * sizeof(uint32_t));
    if (!making->function_nodes || !view->first_node || !view->lines || most >= EBB_NONE ||
        ebb_vec_reserve(&making->ids, most + 1) < 0)
        return -ENOMEM;
    memset(making->function_nodes, 0xff, profile->function_count * sizeof(uint32_t));
    for (size_t i = 0; i < profile->location_count; i++) {
        view->first_node[i] = (uint32_t)making->ids.len;
        if (make_location_nodes(making, i) < 0)
            return -ENOMEM;
        for (int filter = HIDE; filter <= SHOW; filter++)
            making->matches[filter].any =
                making->matches[filter].any ||
                (making->matches[filter].set && location_matches(making, filter, i));
    }
    view->first_node[profile->location_count] = (uint32_t)making->ids.len;
    view->node_ids = making->ids.items;
    making->ids.items = NULL;
    return 0;
}

/* ---- the whole ---- */

static void add_up(struct ebb_view *view)
{
    for (size_t i = 0; i < view->profile->sample_count; i++)
        view->total = ebb_measure_add(view->total, ebb_measure_abs(ebb_view_value(view, i)));
}

static void note_unmatched(struct making *making)
{
    size_t count = 0;
    for (int i = 0; i < FILTERS; i++)
        if (making->matches[i].set && !making->matches[i].any)
            making->view->unmatched[count++] = filter_names[i];
}

static int make(struct making *making, struct ebb_error *error)
{
    const struct ebb_view_options *options = &making->view->options;
    const char *filters[FILTERS] = {options->focus, options->ignore, options->hide, options->show};
    int failed = make_names(making);
    if (failed)
        return ebb_error_set(error, failed, "out of memory");
    for (int i = 0; i < FILTERS; i++)
        if ((failed = match(making, i, filters[i], error)) < 0)
            return failed;
    add_up(making->view);
    if (select_samples(making) < 0 || make_nodes(making) < 0)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    note_unmatched(making);
    return 0;
}

int ebb_view_make(struct ebb_view *view, const struct ebb_profile *profile, struct ebb_nodes *nodes,
                  const struct ebb_view_options *options, struct ebb_error *error)
{
    *view = (struct ebb_view){.profile = profile, .nodes = nodes, .options = *options};
    int value = ebb_profile_value_index(profile, options->sample, error);
    if (value < 0)
        return value;
    view->value = (size_t)value;
    view->type =
        ebb_text_plain(&view->arena, ebb_profile_string(profile, profile->types[value].type));
    view->unit =
        ebb_text_plain(&view->arena, ebb_profile_string(profile, profile->types[value].unit));
    view->begin = profile->stack_start;
    view->end = profile->stack_start + 1;

    struct making making = {.view = view, .nodes = nodes, .profile = profile};
    int failed = view->type && view->unit ? make(&making, error)
                                          : ebb_error_set(error, -ENOMEM, "out of memory");
    for (int i = 0; i < FILTERS; i++) {
        free(making.matches[i].function);
        free(making.matches[i].mapping);
    }
    free(making.names);
    free(making.function_nodes);
    ebb_vec_free(&making.ids);
    if (failed)
        ebb_view_free(view);
    return failed;
}

void ebb_view_free(struct ebb_view *view)
{
    if (view->owns_stacks) {
        free(view->begin);
        free(view->end);
    }
    free(view->first_node);
    free(view->node_ids);
    free(view->lines);
    ebb_arena_free(&view->arena);
    *view = (struct ebb_view){0};
}

/* ---- back to a profile ---- */

static int copy_frames(void *context, const struct ebb_profile *from, size_t location,
                       struct ebb_profile_builder *to, struct ebb_line_list *lines)
{
    const struct ebb_view *view = context;
    for (uint32_t i = view->first_node[location]; i < view->first_node[location + 1]; i++)
        if (view->lines[i] != EBB_NONE &&
            ebb_rewrite_add_line(lines, to, from, &from->lines[view->lines[i]]) < 0)
            return -ENOMEM;
    return view->first_node[location] != view->first_node[location + 1];
}

int ebb_view_profile(const struct ebb_view *view, struct ebb_profile **profile,
                     struct ebb_error *error)
{
    return ebb_profile_rewrite(view->profile, view->begin, view->end, copy_frames, (void *)view,
                               profile, error);
}
