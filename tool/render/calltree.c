/* Reading a call tree off sorted stacks. See calltree.h.
 *
 * The calls of the current stack are open; when the next stack leaves one, it is finished: added to
 * its caller and kept or left out. Calls below a small one are smaller still and were left out
 * before, so nothing that was kept has to be undone. Calls are finished leaf-first, so the list is
 * turned around at the end. */
#include "tool/render/calltree.h"

#include "tool/render/measure.h"
#include "tool/render/stacks.h"

#include <errno.h>
#include <stdlib.h>

struct making {
    struct ebb_calltree *tree;
    struct open_calls EBB_VEC(struct ebb_call) open; /* the root, then the current stack */
};

static int64_t size_of(const struct making *making, const struct ebb_call *call)
{
    return making->tree->by_change ? call->changed : call->width;
}

/* ---- values ---- */

static void add_self(struct ebb_call *call, const int64_t self[static EBB_SIDES])
{
    int64_t now = self[EBB_NOW], before = self[EBB_BEFORE];
    for (int side = 0; side < EBB_SIDES; side++) {
        call->self[side] = ebb_measure_add(call->self[side], self[side]);
        call->total[side] = ebb_measure_add(call->total[side], self[side]);
    }
    call->width = ebb_measure_add(call->width, now > before ? now : before);
    call->changed = ebb_measure_add(
        call->changed, ebb_measure_abs(ebb_measure_add(now, (int64_t)(0 - (uint64_t)before))));
}

/* What everything comes to decides what is too small. */
static void find_smallest(struct making *making, const struct ebb_stacks_of *stacks,
                          double smallest)
{
    const struct ebb_stack *at = stacks->list.items, *end = at + stacks->list.len;
    struct ebb_call everything = {0};
    while (at < end) {
        int64_t self[EBB_SIDES];
        at = ebb__stacks_sum_equal(at, end, self);
        add_self(&everything, self);
    }
    int64_t size = ebb_measure_part(size_of(making, &everything), smallest);
    making->tree->smallest = size < 1 ? 1 : size;
    making->tree->compared = making->tree->compared || everything.total[EBB_BEFORE] != 0;
}

/* ---- opening and finishing calls ---- */

static int open_call(struct making *making, uint32_t node)
{
    struct ebb_call call = {
        .node = node,
        .parent = EBB_NONE,
        .first_child = EBB_NONE,
        .next_sibling = EBB_NONE,
        .depth = (uint32_t)making->open.len,
    };
    return ebb_vec_push(&making->open, call);
}

static void add_to_caller(struct ebb_call *caller, const struct ebb_call *call)
{
    for (int side = 0; side < EBB_SIDES; side++)
        caller->total[side] = ebb_measure_add(caller->total[side], call->total[side]);
    caller->width = ebb_measure_add(caller->width, call->width);
    caller->changed = ebb_measure_add(caller->changed, call->changed);
}

/* Finishes the innermost open call. Until the list is turned around, the children of a finished
 * call have no parent yet, and a finished one's siblings follow `next_sibling`. */
static int finish_call(struct making *making)
{
    struct ebb_calltree *tree = making->tree;
    struct ebb_call call = making->open.items[--making->open.len];
    struct ebb_call *caller = making->open.len ? &making->open.items[making->open.len - 1] : NULL;
    if (caller)
        add_to_caller(caller, &call);
    if (caller && size_of(making, &call) < tree->smallest) {
        caller->left_out++;
        tree->left_out++;
        return 0;
    }
    uint32_t number = (uint32_t)tree->calls.len;
    if (tree->calls.len >= EBB_NONE)
        return -ENOMEM;
    for (uint32_t c = call.first_child; c != EBB_NONE; c = tree->calls.items[c].next_sibling)
        tree->calls.items[c].parent = number;
    if (caller) {
        call.next_sibling = caller->first_child;
        caller->first_child = number;
    }
    return ebb_vec_push(&tree->calls, call);
}

/* Finishes the calls that `stack` leaves and opens those it enters. */
static int follow(struct making *making, const struct ebb_stack *stack)
{
    uint32_t same = 0;
    while (same < stack->length && same + 1 < making->open.len &&
           making->open.items[same + 1].node == stack->nodes[same])
        same++;
    while (making->open.len > (size_t)same + 1)
        if (finish_call(making) < 0)
            return -ENOMEM;
    for (uint32_t i = same; i < stack->length; i++)
        if (open_call(making, stack->nodes[i]) < 0)
            return -ENOMEM;
    return 0;
}

static void turn_around(struct ebb_calltree *tree)
{
    struct ebb_call *calls = tree->calls.items;
    size_t count = tree->calls.len;
    uint32_t last = (uint32_t)count - 1;
    for (size_t i = 0; i < count / 2; i++) {
        struct ebb_call kept = calls[i];
        calls[i] = calls[last - i];
        calls[last - i] = kept;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t *links[] = {&calls[i].parent, &calls[i].first_child, &calls[i].next_sibling};
        for (int k = 0; k < 3; k++)
            if (*links[k] != EBB_NONE)
                *links[k] = last - *links[k];
    }
}

static int read_off(struct making *making, const struct ebb_stacks_of *stacks)
{
    const struct ebb_stack *at = stacks->list.items, *end = at + stacks->list.len;
    int failed = open_call(making, EBB_NONE);
    while (!failed && at < end) {
        int64_t self[EBB_SIDES];
        failed = follow(making, at);
        if (failed)
            break;
        at = ebb__stacks_sum_equal(at, end, self);
        add_self(&making->open.items[making->open.len - 1], self);
    }
    while (!failed && making->open.len)
        failed = finish_call(making);
    ebb_vec_free(&making->open);
    if (!failed)
        turn_around(making->tree);
    return failed;
}

/* ---- sorting siblings ---- */

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

static int sort_siblings(struct ebb_calltree *tree, enum ebb_call_order order)
{
    static int (*const compare[])(const void *, const void *, void *) = {
        [EBB_BY_WIDTH] = compare_widths,
        [EBB_BY_CHANGE] = compare_changes,
        [EBB_BY_LABEL] = compare_labels,
    };
    struct siblings EBB_VEC(uint32_t) siblings = {0};
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

/* ---- the whole ---- */

int ebb_calltree_make(struct ebb_calltree *tree, const struct ebb_view *now,
                      const struct ebb_view *before, bool inverted, enum ebb_call_order order,
                      double smallest)
{
    struct ebb_stacks_of stacks = {0};
    struct making making = {.tree = tree};
    *tree = (struct ebb_calltree){
        .nodes = now->nodes,
        .inverted = inverted,
        .compared = before != NULL,
        .by_change = order == EBB_BY_CHANGE,
    };
    int failed = ebb__stacks_add(&stacks, now, inverted, EBB_NOW);
    if (!failed && before)
        failed = ebb__stacks_add(&stacks, before, inverted, EBB_BEFORE);
    if (!failed)
        failed = ebb__stacks_sort(&stacks);
    if (!failed) {
        find_smallest(&making, &stacks, smallest);
        failed = read_off(&making, &stacks);
    }
    ebb__stacks_free(&stacks);
    if (!failed)
        failed = sort_siblings(tree, order);
    if (failed)
        ebb_calltree_free(tree);
    return failed;
}

void ebb_calltree_free(struct ebb_calltree *tree)
{
    ebb_vec_free(&tree->calls);
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

static void take_away(int64_t *from, int64_t value)
{
    *from = (int64_t)((uint64_t)*from - (uint64_t)value);
}

struct ebb_call ebb_calltree_rest(const struct ebb_calltree *tree, uint32_t call)
{
    struct ebb_call rest = *ebb_calltree_at(tree, call);
    struct ebb_call own = {0};
    add_self(&own, rest.self);
    take_away(&rest.width, own.width);
    take_away(&rest.changed, own.changed);
    for (int side = 0; side < EBB_SIDES; side++)
        take_away(&rest.total[side], rest.self[side]);
    for (uint32_t c = rest.first_child; c != EBB_NONE; c = ebb_calltree_at(tree, c)->next_sibling) {
        const struct ebb_call *child = ebb_calltree_at(tree, c);
        take_away(&rest.width, child->width);
        take_away(&rest.changed, child->changed);
        for (int side = 0; side < EBB_SIDES; side++)
            take_away(&rest.total[side], child->total[side]);
    }
    rest.self[EBB_NOW] = rest.self[EBB_BEFORE] = 0;
    rest.first_child = EBB_NONE;
    return rest;
}
