/* A view: one value of a profile, seen through filters at the chosen granularity. Everything that
 * is printed or drawn from a profile is computed from a view.
 *
 * Making one turns every location into its nodes (nodes.h), the innermost inlined call first, and
 * leaves the samples where they are: walking a view means walking the profile's flat stack array
 * and looking up `nodes_of` per location. The order of steps is pprof's, so that numbers agree:
 *
 *   1. names are made readable (demangled where the profile was not),
 *   2. the total is taken: percentages refer to everything, not to what the filters leave,
 *   3. focus keeps samples with a matching frame, ignore drops samples, hide and show drop frames;
 *      a pattern is looked for in function names, file names and the names of mapped files,
 *   4. frames become nodes: functions, or lines of functions.
 *
 * What a profile itself asks to drop (drop_frames) is to be pruned before: ebb_profile_prune().
 *
 * A view refers to its profile and its nodes; both must outlive it. Read-only once made. */
#ifndef EBB_TOOL_RENDER_VIEW_H
#define EBB_TOOL_RENDER_VIEW_H

#include "tool/profile/profile.h"
#include "tool/render/nodes.h"

enum ebb_granularity { EBB_FUNCTIONS, EBB_LINES };

struct ebb_view_options {
    const char *sample; /* value by name, NULL: the profile's default */
    enum ebb_granularity granularity;
    const char *focus, *ignore, *hide, *show; /* patterns, NULL: none */
    bool objects;            /* tell functions of different files and start lines apart (list) */
    const char *source_path; /* directories, colon-separated: what leads to them is cut from file
                                names (list); NULL: none */
};

struct ebb_view {
    const struct ebb_profile *profile;
    const struct ebb_nodes *nodes;
    struct ebb_view_options options;
    size_t value;            /* index of the value shown */
    const char *type, *unit; /* its name and unit */
    int64_t total;           /* of absolute values, before filters */

    uint32_t *first_node; /* location_count + 1 indexes into node_ids */
    uint32_t *node_ids;
    uint32_t *lines;       /* beside node_ids: the line of the profile behind it, EBB_NONE: none */
    uint64_t *begin, *end; /* per sample, its part of profile->stack; equal: left out */
    bool owns_stacks;      /* else they are the profile's own stack_start */

    const char *unmatched[4]; /* options that matched nothing ("--focus"), first ones first, the
                                 rest NULL */
    struct ebb_arena arena;
};

int ebb_view_make(struct ebb_view *view, const struct ebb_profile *profile, struct ebb_nodes *nodes,
                  const struct ebb_view_options *options, struct ebb_error *error);
void ebb_view_free(struct ebb_view *view);

static inline int64_t ebb_view_value(const struct ebb_view *view, size_t sample)
{
    return view->profile->values[sample * view->profile->type_count + view->value];
}

/* What is left of the profile behind the filters, with all its values, as a profile of its own. */
int ebb_view_profile(const struct ebb_view *view, struct ebb_profile **profile,
                     struct ebb_error *error);

#endif
