/* What of a flame graph is drawn, and under which title. See flame.h. */
#include "tool/render/flame.h"

#include "tool/render/flame_private.h"
#include "tool/render/measure.h"
#include "tool/render/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_down(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a < b) - (a > b);
}

/* A width that about `most` frames have or exceed, at least `least`. */
static int find_width(const struct ebb_calltree *tree, int64_t least, size_t most, int64_t *width)
{
    struct widths EBB_VEC(int64_t) widths = {0};
    *width = least;
    for (size_t i = 0; i < tree->calls.len; i++)
        if (tree->calls.items[i].width >= least &&
            ebb_vec_push(&widths, tree->calls.items[i].width) < 0) {
            ebb_vec_free(&widths);
            return -ENOMEM;
        }
    if (widths.len > most) {
        qsort(widths.items, widths.len, sizeof *widths.items, compare_down);
        *width = widths.items[most - 1];
        /* Not some of many that are equally wide, but none, unless little would be left. */
        if (widths.items[most] == *width && widths.items[most / 2] > *width)
            *width += 1;
    }
    ebb_vec_free(&widths);
    return 0;
}

/* The depth down to which there are no more than `most` frames. Cuts only where very many are
 * equally wide, as in stacks of absurd depth. */
static int find_depth(const struct ebb_calltree *tree, size_t most, struct ebb_flame_cut *cut)
{
    uint32_t deepest = 0;
    for (size_t i = 0; i < tree->calls.len; i++)
        deepest = tree->calls.items[i].depth > deepest ? tree->calls.items[i].depth : deepest;
    size_t *counts = calloc((size_t)deepest + 1, sizeof *counts), sum = 0;
    if (!counts)
        return -ENOMEM;
    for (size_t i = 0; i < tree->calls.len; i++)
        if (tree->calls.items[i].width >= cut->smallest)
            counts[tree->calls.items[i].depth]++;
    for (cut->deepest = 0; cut->deepest < deepest; cut->deepest++) {
        sum += counts[cut->deepest];
        if (sum + counts[cut->deepest + 1] > most)
            break;
    }
    free(counts);
    return 0;
}

int ebb__flame_cut(const struct ebb_calltree *tree, int64_t smallest, size_t most,
                   struct ebb_flame_cut *cut)
{
    int64_t least = smallest > tree->smallest ? smallest : tree->smallest;
    *cut = (struct ebb_flame_cut){.cut = tree->left_out};
    if (find_width(tree, least, most, &cut->smallest) < 0 || find_depth(tree, most, cut) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < tree->calls.len; i++) {
        const struct ebb_call *call = &tree->calls.items[i];
        if (i && !ebb__flame_draws(cut, call)) {
            cut->cut++;
            if (call->parent == 0 || ebb__flame_draws(cut, &tree->calls.items[call->parent]))
                cut->cut_width = ebb_measure_add(cut->cut_width, call->width);
        } else if (call->left_out) {
            cut->cut_width =
                ebb_measure_add(cut->cut_width, ebb_calltree_rest(tree, (uint32_t)i).width);
        }
    }
    return 0;
}

const char *ebb__flame_title(struct ebb_arena *arena, const struct ebb_view *view,
                             const struct ebb_flame_options *options)
{
    const struct ebb_profile *profile = view->profile;
    if (options->title)
        return options->title;
    const char *file =
        profile->mapping_count ? ebb_profile_string(profile, profile->mappings[0].file) : "";
    const char *slash = strrchr(file, '/');
    file = slash ? slash + 1 : file;
    return *file ? ebb_arena_printf(arena, "%s of %s", view->type, file) : view->type;
}
