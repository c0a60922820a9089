/* The stacks of views as sorted sequences of nodes: equal ones side by side, and those with the
 * same beginning next to each other. What call trees and collapsed stacks are read off. Internal to
 * the room. */
#ifndef EBB_TOOL_RENDER_STACKS_H
#define EBB_TOOL_RENDER_STACKS_H

#include "tool/render/view.h"

struct ebb_stack {
    const uint32_t *nodes;
    uint32_t length; /* at least 1 */
    int side;        /* 0 or 1: EBB_NOW, EBB_BEFORE */
    int64_t value;   /* above 0 */
};

struct ebb_stacks_of {
    struct ebb_stack_list EBB_VEC(struct ebb_stack) list;
    uint32_t *nodes[2]; /* of the stacks of each view */
};

/* Takes the samples of a view, each from the root to the leaf, or turned around. `side` is that of
 * values above zero. At most two views may be added. 0 or -ENOMEM. */
int ebb__stacks_add(struct ebb_stacks_of *stacks, const struct ebb_view *view, bool inverted,
                    int side);
/* Sorts by node ids. 0 or -ENOMEM. */
int ebb__stacks_sort(struct ebb_stacks_of *stacks);
/* Puts what the stacks that equal `at` hold on each side into `sums`; returns the stack after them.
 */
const struct ebb_stack *ebb__stacks_sum_equal(const struct ebb_stack *at,
                                              const struct ebb_stack *end, int64_t sums[static 2]);
void ebb__stacks_free(struct ebb_stacks_of *stacks);

#endif
