/* Building and walking call trees. See calltree.h.
 *
 * Calls are found by (parent, node) in a hash index; a sample's stack that begins like the one
 * before it, which is common, is followed along that path first. */
#include "tool/render/calltree.h"

#include "base/hash.h"
#include "tool/render/measure.h"

#include <errno.h>
#include <stdlib.h>

int ebb_calltree_start(struct ebb_calltree *tree, const struct ebb_nodes *nodes, bool inverted)
{
    *tree = (struct ebb_calltree){.nodes = nodes, .inverted = inverted};
    struct ebb_call root = {
        .node = EBB_NONE, .parent = EBB_NONE, .first_child = EBB_NONE, .next_sibling = EBB_NONE};
    return ebb_vec_push(&tree->calls, root);
}

static uint32_t find_child(struct ebb_calltree *tree, uint32_t parent, uint32_t node)
{
    uint64_t hash = ebb_mix64((uint64_t)parent << 32 | node);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&tree->index, hash, &probe)) != EBB_NONE;)
        if (tree->calls.items[i].parent == parent && tree->calls.items[i].node == node)
            return i;
    struct ebb_call child = {
        .node = node,
        .parent = parent,
        .first_child = EBB_NONE,
        .next_sibling = tree->calls.items[parent].first_child,
        .depth = tree->calls.items[parent].depth + 1,
    };
    uint32_t number = (uint32_t)tree->calls.len;
    if (tree->calls.len >= EBB_NONE || ebb_vec_push(&tree->calls, child) < 0 ||
        ebb_index_add(&tree->index, hash, number) < 0)
        return EBB_NONE;
    tree->calls.items[parent].first_child = number;
    return number;
}

/* The nodes of a stack in the tree's order, and the calls they led to last time. */
struct path {
    struct path_nodes EBB_VEC(uint32_t) nodes;
    struct path_calls EBB_VEC(uint32_t) calls; /* calls.items[i] belongs to last.items[i] */
    struct path_last EBB_VEC(uint32_t) last;
};

static int spread_location(struct path *path, const struct ebb_view *view, uint32_t location,
                           bool inverted)
{
    uint32_t first = view->first_node[location], stop = view->first_node[location + 1];
    for (uint32_t n = first; n < stop; n++) {
        uint32_t at = inverted ? n : stop - 1 - (n - first);
        if (ebb_vec_push(&path->nodes, view->node_ids[at]) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int spread(struct path *path, const struct ebb_view *view, size_t sample, bool inverted)
{
    uint64_t begin = view->begin[sample], end = view->end[sample];
    path->nodes.len = 0;
    for (uint64_t i = begin; i < end; i++) {
        uint64_t at = inverted ? i : end - 1 - (i - begin);
        if (spread_location(path, view, view->profile->stack[at], inverted) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* The call at the end of the path; EBB_NONE: out of memory. */
static uint32_t follow(struct ebb_calltree *tree, struct path *path)
{
    size_t depth = path->nodes.len, same = 0;
    while (same < depth && same < path->last.len &&
           path->nodes.items[same] == path->last.items[same])
        same++;
    if (ebb_vec_reserve(&path->calls, depth) < 0 || ebb_vec_reserve(&path->last, depth) < 0)
        return EBB_NONE;
    uint32_t call = same ? path->calls.items[same - 1] : 0;
    path->last.len = path->calls.len = same;
    for (size_t i = same; i < depth; i++) {
        call = find_child(tree, call, path->nodes.items[i]);
        if (call == EBB_NONE)
            return EBB_NONE;
        path->last.items[i] = path->nodes.items[i];
        path->calls.items[i] = call;
        path->last.len = path->calls.len = i + 1;
    }
    return call;
}

int ebb_calltree_add(struct ebb_calltree *tree, const struct ebb_view *view, int column)
{
    struct path path = {0};
    int failed = 0;
    for (size_t i = 0; i < view->profile->sample_count && !failed; i++) {
        int64_t value = ebb_view_value(view, i);
        if (!value)
            continue;
        uint32_t call = EBB_NONE;
        if (spread(&path, view, i, tree->inverted) == 0)
            call = follow(tree, &path);
        if (call == EBB_NONE) {
            failed = -ENOMEM;
        } else if (call != 0) {
            int64_t *self = &tree->calls.items[call].self[value < 0 ? !column : column];
            *self = ebb_measure_add(*self, ebb_measure_abs(value));
            tree->compared = tree->compared || value < 0;
        }
    }
    tree->compared = tree->compared || column == EBB_BEFORE;
    ebb_vec_free(&path.nodes);
    ebb_vec_free(&path.calls);
    ebb_vec_free(&path.last);
    return failed;
}

/* ---- finishing ---- */

/* Children come after their parents in `calls`, so one pass from the back adds everything up. */
static void add_up(struct ebb_calltree *tree)
{
    struct ebb_call *calls = tree->calls.items;
    for (size_t i = 0; i < tree->calls.len; i++) {
        int64_t now = calls[i].self[EBB_NOW], before = calls[i].self[EBB_BEFORE];
        calls[i].width = now > before ? now : before;
        calls[i].changed = ebb_measure_abs(ebb_measure_add(now, (int64_t)(0 - (uint64_t)before)));
        for (int c = 0; c < EBB_COLUMNS; c++)
            calls[i].total[c] = calls[i].self[c];
    }
    for (size_t i = tree->calls.len; i-- > 1;) {
        struct ebb_call *parent = &calls[calls[i].parent];
        parent->width = ebb_measure_add(parent->width, calls[i].width);
        parent->changed = ebb_measure_add(parent->changed, calls[i].changed);
        for (int c = 0; c < EBB_COLUMNS; c++)
            parent->total[c] = ebb_measure_add(parent->total[c], calls[i].total[c]);
    }
}

static int compare_labels(const void *left, const void *right, void *context)
{
    const struct ebb_calltree *tree = context;
    const struct ebb_call *a = &tree->calls.items[*(const uint32_t *)left];
    const struct ebb_call *b = &tree->calls.items[*(const uint32_t *)right];
    return ebb_nodes_compare(tree->nodes, a->node, b->node);
}

static int compare_changes(const void *left, const void *right, void *context)
{
    const struct ebb_calltree *tree = context;
    const struct ebb_call *a = &tree->calls.items[*(const uint32_t *)left];
    const struct ebb_call *b = &tree->calls.items[*(const uint32_t *)right];
    if (a->changed != b->changed)
        return a->changed > b->changed ? -1 : 1;
    return compare_labels(left, right, context);
}

static int compare_widths(const void *left, const void *right, void *context)
{
    const struct ebb_calltree *tree = context;
    const struct ebb_call *a = &tree->calls.items[*(const uint32_t *)left];
    const struct ebb_call *b = &tree->calls.items[*(const uint32_t *)right];
    if (a->width != b->width)
        return a->width > b->width ? -1 : 1;
    return compare_labels(left, right, context);
}

int ebb_calltree_finish(struct ebb_calltree *tree, enum ebb_call_order order)
{
    static int (*const compare[])(const void *, const void *, void *) = {
        [EBB_BY_WIDTH] = compare_widths,
        [EBB_BY_CHANGE] = compare_changes,
        [EBB_BY_LABEL] = compare_labels,
    };
    struct siblings EBB_VEC(uint32_t) siblings = {0};
    add_up(tree);
    for (size_t i = 0; i < tree->calls.len; i++) {
        siblings.len = 0;
        for (uint32_t c = tree->calls.items[i].first_child; c != EBB_NONE;
             c = tree->calls.items[c].next_sibling)
            if (ebb_vec_push(&siblings, c) < 0) {
                ebb_vec_free(&siblings);
                return -ENOMEM;
            }
        if (siblings.len < 2)
            continue;
        qsort_r(siblings.items, siblings.len, sizeof *siblings.items, compare[order], tree);
        tree->calls.items[i].first_child = siblings.items[0];
        for (size_t s = 0; s < siblings.len; s++)
            tree->calls.items[siblings.items[s]].next_sibling =
                s + 1 < siblings.len ? siblings.items[s + 1] : EBB_NONE;
    }
    ebb_vec_free(&siblings);
    return 0;
}

int ebb_calltree_make(struct ebb_calltree *tree, const struct ebb_view *now,
                      const struct ebb_view *before, bool inverted, enum ebb_call_order order)
{
    int failed = ebb_calltree_start(tree, now->nodes, inverted);
    if (!failed)
        failed = ebb_calltree_add(tree, now, EBB_NOW);
    if (!failed && before)
        failed = ebb_calltree_add(tree, before, EBB_BEFORE);
    if (!failed)
        failed = ebb_calltree_finish(tree, order);
    if (failed)
        ebb_calltree_free(tree);
    return failed;
}

void ebb_calltree_free(struct ebb_calltree *tree)
{
    ebb_vec_free(&tree->calls);
    ebb_index_free(&tree->index);
    *tree = (struct ebb_calltree){0};
}

uint32_t ebb_calltree_next(const struct ebb_calltree *tree, uint32_t at, bool skip)
{
    const struct ebb_call *calls = tree->calls.items;
    if (!skip && calls[at].first_child != EBB_NONE)
        return calls[at].first_child;
    while (at != EBB_NONE && calls[at].next_sibling == EBB_NONE)
        at = calls[at].parent;
    return at == EBB_NONE ? EBB_NONE : calls[at].next_sibling;
}
