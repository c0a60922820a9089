/* The ranking behind `top` and `peek`: the nodes of a view with their weights, trimmed and sorted
 * as pprof does it.
 *
 * Trimming: nodes whose cumulative value is below `node_fraction` of everything go, then all but
 * the first `limit`. Edges are those between the nodes that stay, and go when they weigh less than
 * `edge_fraction`. */
#ifndef EBB_TOOL_RENDER_RANKING_H
#define EBB_TOOL_RENDER_RANKING_H

#include "tool/render/graph.h"
#include "tool/render/header.h"

struct ebb_ranking_options {
    bool by_cum;  /* sort by cumulative value, else by flat */
    size_t limit; /* rows at most, 0: all */
    double node_fraction, edge_fraction;
    bool all_edges; /* else only those that `top` needs to say what is inlined */
};

/* Defaults of `go tool pprof -top`. */
#define EBB_NODE_FRACTION 0.005
#define EBB_EDGE_FRACTION 0.001

enum ebb_inlining { EBB_CALLED, EBB_PARTLY_INLINED, EBB_INLINED };

struct ebb_row {
    uint32_t node;
    struct ebb_weight weight;
    enum ebb_inlining inlining;
};

/* What follows the name of a row. */
static inline const char *ebb_row_mark(const struct ebb_row *row)
{
    static const char *const marks[] = {
        [EBB_CALLED] = "",
        [EBB_PARTLY_INLINED] = " (partial-inline)",
        [EBB_INLINED] = " (inline)",
    };
    return marks[row->inlining];
}

struct ebb_ranking {
    const struct ebb_view *view;
    struct ebb_rows EBB_VEC(struct ebb_row) rows;
    struct ebb_edges edges; /* heaviest first */
    struct ebb_trimming trimming;
    const char *unit; /* the one in which all values read best */
};

int ebb_ranking_make(struct ebb_ranking *ranking, const struct ebb_view *view,
                     const struct ebb_ranking_options *options);
void ebb_ranking_free(struct ebb_ranking *ranking);

#endif
