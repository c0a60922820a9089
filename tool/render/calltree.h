/* The call tree of one or two views: stacks with the same beginning share nodes. Root-first, or
 * inverted: leaf-first, so that below a function stand those that called it.
 *
 * Two columns make differences: what a stack held before and what it holds now. Values below zero
 * (of a profile that is already a difference) count, as magnitudes, in the other column. */
#ifndef EBB_TOOL_RENDER_CALLTREE_H
#define EBB_TOOL_RENDER_CALLTREE_H

#include "tool/render/view.h"

enum { EBB_NOW, EBB_BEFORE, EBB_COLUMNS };

struct ebb_call {
    uint32_t node;                              /* EBB_NONE: the root of all */
    uint32_t parent, first_child, next_sibling; /* EBB_NONE: none */
    uint32_t depth;                             /* the root's is 0 */
    int64_t self[EBB_COLUMNS], total[EBB_COLUMNS];
    int64_t width;   /* sum, over the calls from here on, of max(self now, self before) */
    int64_t changed; /* the same of |self now - self before| */
};

enum ebb_call_order { EBB_BY_WIDTH, EBB_BY_CHANGE, EBB_BY_LABEL };

struct ebb_calltree {
    const struct ebb_nodes *nodes;
    bool inverted;
    bool compared;                                   /* the column `before` is used */
    struct ebb_calls EBB_VEC(struct ebb_call) calls; /* the root first, parents before children */
    struct ebb_index index;
};

/* 0 or -ENOMEM. */
int ebb_calltree_start(struct ebb_calltree *tree, const struct ebb_nodes *nodes, bool inverted);
/* Adds the samples of a view to column `column`. The view must be on the tree's nodes. */
int ebb_calltree_add(struct ebb_calltree *tree, const struct ebb_view *view, int column);
/* Adds up totals and sorts siblings: the widest or most changed first, or by label. 0 or -ENOMEM.
 */
int ebb_calltree_finish(struct ebb_calltree *tree, enum ebb_call_order order);
/* All of that for one view, or two with `before` not NULL. On failure nothing is left to free. */
int ebb_calltree_make(struct ebb_calltree *tree, const struct ebb_view *now,
                      const struct ebb_view *before, bool inverted, enum ebb_call_order order);
void ebb_calltree_free(struct ebb_calltree *tree);

/* Walking without recursion, for stacks of any depth: the call after `at` in the order a person
 * reads the tree; `skip`: without what is below it. EBB_NONE at the end. */
uint32_t ebb_calltree_next(const struct ebb_calltree *tree, uint32_t at, bool skip);

static inline const struct ebb_call *ebb_calltree_at(const struct ebb_calltree *tree, uint32_t call)
{
    return &tree->calls.items[call];
}

/* Now minus before. */
static inline int64_t ebb_call_change(const struct ebb_call *call)
{
    return (int64_t)((uint64_t)call->total[EBB_NOW] - (uint64_t)call->total[EBB_BEFORE]);
}

#endif
