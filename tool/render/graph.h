/* The call graph of a view: what each node holds itself (flat) and together with what it calls
 * (cumulative), and which edges carry how much.
 *
 * A sample counts once per node and once per edge however often recursion brings it by: each node
 * and each edge remembers the last sample that it counted, so no sets are made. */
#ifndef EBB_TOOL_RENDER_GRAPH_H
#define EBB_TOOL_RENDER_GRAPH_H

#include "tool/render/view.h"

struct ebb_weight {
    int64_t flat, cum;
};

/* The weights of all nodes, by node id (view->nodes->list.len of them), malloc'ed; NULL: out of
 * memory. O(frames of all samples). */
struct ebb_weight *ebb_graph_weigh(const struct ebb_view *view);

struct ebb_edge {
    uint32_t from, to; /* node ids: caller, callee */
    int64_t weight;
    bool inlined; /* always an inlined call */
};
struct ebb_edges EBB_VEC(struct ebb_edge);

/* The edges between nodes. `kept` (by node id; NULL: all) takes the other nodes out of every stack,
 * so that an edge may lead past them; `into` (NULL: all) asks only for edges into those nodes. 0 or
 * -ENOMEM. */
int ebb_graph_edges(const struct ebb_view *view, const bool *kept, const bool *into,
                    struct ebb_edges *edges);

#endif
