/* The call tree of one or two views: stacks with the same beginning share calls. Root-first, or
 * inverted: leaf-first, so that below a function stand those that called it.
 *
 * Two views make a comparison: what a stack held before and what it holds now. Values below zero
 * (of a profile that is already a difference) count, as magnitudes, on the other side.
 *
 * Trees of large profiles have many more calls than anyone looks at, so those that are too small
 * are left out while the tree is made; memory is that of the stacks and of the calls that stay. */
#ifndef EBB_TOOL_RENDER_CALLTREE_H
#define EBB_TOOL_RENDER_CALLTREE_H

#include "tool/render/view.h"

enum { EBB_NOW, EBB_BEFORE, EBB_SIDES };

struct ebb_call {
    uint32_t node;                              /* EBB_NONE: the root of all */
    uint32_t parent, first_child, next_sibling; /* EBB_NONE: none */
    uint32_t depth;                             /* the root's is 0 */
    uint32_t left_out;                          /* calls right below that are too small */
    int64_t self[EBB_SIDES], total[EBB_SIDES];
    int64_t width;   /* sum, over the stacks from here on, of max(now, before) */
    int64_t changed; /* the same of |now - before| */
};

/* How siblings are sorted, and what decides whether a call is too small. */
enum ebb_call_order {
    EBB_BY_WIDTH,  /* the widest first, by width */
    EBB_BY_CHANGE, /* the most changed first, by change */
    EBB_BY_LABEL,  /* in order of labels, by width */
};

struct ebb_calltree {
    const struct ebb_nodes *nodes;
    bool inverted;
    bool compared;  /* there is something on the side `before` */
    bool by_change; /* changes decide what is too small, not widths */
    struct ebb_calls EBB_VEC(struct ebb_call) calls; /* the root first, parents before children */
    int64_t smallest;                                /* calls below this are left out; at least 1 */
    size_t left_out;                                 /* calls in all */
};

/* Makes the tree of `now`, against `before` if that is not NULL; both must be on the same nodes.
 * Calls below `smallest` (a fraction) of everything are left out. 0, or -ENOMEM and nothing to
 * free. */
int ebb_calltree_make(struct ebb_calltree *tree, const struct ebb_view *now,
                      const struct ebb_view *before, bool inverted, enum ebb_call_order order,
                      double smallest);
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

/* What stacks through the calls that were left out right below a call come to. */
struct ebb_call ebb_calltree_rest(const struct ebb_calltree *tree, uint32_t call);

#endif
