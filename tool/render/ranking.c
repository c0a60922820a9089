/* Trimming and sorting. See ranking.h.
 *
 * pprof builds its graph anew after each trimming; a node's own weights do not change by that, so
 * here they are taken once and only edges are made for the nodes that stay. */
#include "tool/render/ranking.h"

#include "tool/render/measure.h"

#include <errno.h>
#include <stdlib.h>

struct order {
    const struct ebb_nodes *nodes;
    bool by_cum;
};

static int by_magnitude(int64_t left, int64_t right)
{
    int64_t a = ebb_measure_abs(left), b = ebb_measure_abs(right);
    return a == b ? 0 : a > b ? -1 : 1;
}

static int compare_rows(const void *left, const void *right, void *context)
{
    const struct ebb_row *a = left, *b = right;
    const struct order *order = context;
    int first = by_magnitude(a->weight.flat, b->weight.flat);
    int second = by_magnitude(a->weight.cum, b->weight.cum);
    if (order->by_cum) {
        int swapped = first;
        first = second;
        second = swapped;
    }
    if (!first)
        first = ebb_nodes_compare_labels(order->nodes, a->node, b->node);
    if (!first)
        first = second;
    return first ? first : ebb_nodes_compare(order->nodes, a->node, b->node);
}

static int compare_edges(const void *left, const void *right, void *context)
{
    const struct ebb_edge *a = left, *b = right;
    const struct order *order = context;
    int compared = by_magnitude(a->weight, b->weight);
    if (!compared)
        compared = ebb_nodes_compare(order->nodes, a->from, b->from);
    return compared ? compared : ebb_nodes_compare(order->nodes, a->to, b->to);
}

/* Fills the rows and says what all nodes together hold themselves. */
static int collect_rows(struct ebb_ranking *ranking, const struct ebb_ranking_options *options,
                        int64_t *everything)
{
    const struct ebb_view *view = ranking->view;
    struct ebb_weight *weights = ebb_graph_weigh(view);
    if (!weights)
        return -ENOMEM;
    size_t count = view->nodes->list.len;
    *everything = 0;
    for (size_t i = 0; i < count; i++)
        *everything = ebb_measure_add(*everything, weights[i].flat);
    int64_t cutoff = ebb_measure_part(*everything, options->node_fraction);
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        if (!weights[i].flat && !weights[i].cum)
            continue;
        if (ebb_measure_abs(weights[i].cum) < cutoff)
            ranking->trimming.dropped_nodes++;
        else
            failed = ebb_vec_push(&ranking->rows,
                                  (struct ebb_row){.node = (uint32_t)i, .weight = weights[i]});
    }
    free(weights);
    return failed;
}

/* Marks nodes that occur as an inlined frame somewhere: only their edges tell `top` anything. */
static void mark_inlined(const struct ebb_view *view, bool *marks)
{
    for (size_t i = 0; i < view->profile->location_count; i++)
        for (uint32_t n = view->first_node[i]; n + 1 < view->first_node[i + 1]; n++)
            marks[view->node_ids[n]] = true;
}

static int collect_edges(struct ebb_ranking *ranking, const struct ebb_ranking_options *options)
{
    const struct ebb_view *view = ranking->view;
    size_t count = view->nodes->list.len + 1;
    bool *kept = calloc(count, 1), *inlined = calloc(count, 1);
    int failed = -ENOMEM;
    if (kept && inlined) {
        mark_inlined(view, inlined);
        bool any = options->all_edges;
        for (size_t i = 0; i < ranking->rows.len; i++) {
            kept[ranking->rows.items[i].node] = true;
            any = any || inlined[ranking->rows.items[i].node];
        }
        failed =
            any ? ebb_graph_edges(view, kept, options->all_edges ? NULL : inlined, &ranking->edges)
                : 0;
    }
    free(kept);
    free(inlined);
    return failed;
}

static void trim_edges(struct ebb_ranking *ranking, int64_t cutoff)
{
    size_t kept = 0;
    for (size_t i = 0; i < ranking->edges.len; i++)
        if (ebb_measure_abs(ranking->edges.items[i].weight) >= cutoff)
            ranking->edges.items[kept++] = ranking->edges.items[i];
    ranking->edges.len = kept;
}

/* A node is inlined when all calls that are shown were, partly inlined when some were. */
static int tell_inlining(struct ebb_ranking *ranking)
{
    enum { INLINED = 1, CALLED = 2 };
    uint8_t *seen = calloc(ranking->view->nodes->list.len + 1, 1);
    if (!seen)
        return -ENOMEM;
    for (size_t i = 0; i < ranking->edges.len; i++)
        seen[ranking->edges.items[i].to] |= ranking->edges.items[i].inlined ? INLINED : CALLED;
    for (size_t i = 0; i < ranking->rows.len; i++) {
        uint8_t how = seen[ranking->rows.items[i].node];
        if (how & INLINED)
            ranking->rows.items[i].inlining = how & CALLED ? EBB_PARTLY_INLINED : EBB_INLINED;
    }
    free(seen);
    return 0;
}

static const char *choose_unit(const struct ebb_ranking *ranking)
{
    int64_t smallest = 0;
    for (size_t i = 0; i < ranking->rows.len; i++) {
        const struct ebb_weight *weight = &ranking->rows.items[i].weight;
        int64_t value = ebb_measure_abs(weight->flat ? weight->flat : weight->cum);
        if (value > 0 && (smallest == 0 || value < smallest))
            smallest = value;
    }
    if (!ranking->rows.len)
        return EBB_UNIT_MINIMUM;
    int64_t total = ranking->view->total;
    return ebb_measure_common_unit(smallest ? smallest : total, total, ranking->view->unit);
}

static int64_t value_of_rows(const struct ebb_ranking *ranking)
{
    int64_t sum = 0;
    for (size_t i = 0; i < ranking->rows.len; i++)
        sum = ebb_measure_add(sum, ranking->rows.items[i].weight.flat);
    return sum;
}

int ebb_ranking_make(struct ebb_ranking *ranking, const struct ebb_view *view,
                     const struct ebb_ranking_options *options)
{
    *ranking = (struct ebb_ranking){.view = view};
    struct order order = {view->nodes, options->by_cum};
    int64_t everything;
    if (collect_rows(ranking, options, &everything) < 0)
        goto out_of_memory;
    ranking->trimming.node_fraction = options->node_fraction;
    ranking->trimming.rows_before_limit = ranking->rows.len;
    if (ranking->rows.len)
        qsort_r(ranking->rows.items, ranking->rows.len, sizeof *ranking->rows.items, compare_rows,
                &order);
    if (options->limit && options->limit < ranking->rows.len)
        ranking->rows.len = options->limit;
    ranking->trimming.rows = ranking->rows.len;
    ranking->trimming.shown = value_of_rows(ranking);
    ranking->unit = choose_unit(ranking);
    if (collect_edges(ranking, options) < 0)
        goto out_of_memory;
    trim_edges(ranking, ebb_measure_part(everything, options->edge_fraction));
    if (ranking->edges.len)
        qsort_r(ranking->edges.items, ranking->edges.len, sizeof *ranking->edges.items,
                compare_edges, &order);
    if (tell_inlining(ranking) < 0)
        goto out_of_memory;
    return 0;

out_of_memory:
    ebb_ranking_free(ranking);
    return -ENOMEM;
}

void ebb_ranking_free(struct ebb_ranking *ranking)
{
    ebb_vec_free(&ranking->rows);
    ebb_vec_free(&ranking->edges);
}
