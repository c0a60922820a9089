/* Callers and callees. See peek.h. */
#include "tool/render/peek.h"

#include "tool/render/measure.h"

#include <errno.h>
#include <stdlib.h>

/* Edges by one of their ends: those of node n are edges[first[n]] .. edges[first[n + 1] - 1], as
 * numbers into the ranking's edges and in their order. */
struct adjacency {
    uint32_t *first, *edges;
};

static uint32_t end_of(const struct ebb_edge *edge, bool callers)
{
    return callers ? edge->to : edge->from;
}

static bool make_adjacency(const struct ebb_ranking *ranking, bool callers, struct adjacency *by)
{
    size_t nodes = ranking->view->nodes->list.len, count = ranking->edges.len;
    by->first = calloc(nodes + 2, sizeof *by->first);
    by->edges = malloc((count + 1) * sizeof *by->edges);
    if (!by->first || !by->edges)
        return false;
    for (size_t i = 0; i < count; i++)
        by->first[end_of(&ranking->edges.items[i], callers) + 2]++;
    for (size_t i = 1; i <= nodes + 1; i++)
        by->first[i] += by->first[i - 1];
    for (size_t i = 0; i < count; i++)
        by->edges[by->first[end_of(&ranking->edges.items[i], callers) + 1]++] = (uint32_t)i;
    return true;
}

static void print_edges(const struct ebb_ranking *ranking, const struct adjacency *by,
                        const struct ebb_row *row, bool callers, FILE *out)
{
    const struct ebb_view *view = ranking->view;
    char value[EBB_MEASURE_TEXT], percent[EBB_MEASURE_TEXT];
    for (uint32_t i = by->first[row->node]; i < by->first[row->node + 1]; i++) {
        const struct ebb_edge *edge = &ranking->edges.items[by->edges[i]];
        uint32_t other = callers ? edge->from : edge->to;
        fprintf(out, "%50s %s |   %s%s\n",
                ebb_measure(edge->weight, view->unit, ranking->unit, value),
                ebb_measure_percent(edge->weight, row->weight.cum, percent),
                ebb_nodes_at(view->nodes, other)->label, edge->inlined ? " (inline)" : "");
    }
}

static void print_row(const struct ebb_ranking *ranking, const struct ebb_row *row, int64_t sum,
                      FILE *out)
{
    const struct ebb_view *view = ranking->view;
    char flat[EBB_MEASURE_TEXT], cum[EBB_MEASURE_TEXT];
    char flat_part[EBB_MEASURE_TEXT], sum_part[EBB_MEASURE_TEXT], cum_part[EBB_MEASURE_TEXT];
    fprintf(out, "%10s %s %s %10s %s                | %s\n",
            ebb_measure(row->weight.flat, view->unit, ranking->unit, flat),
            ebb_measure_percent(row->weight.flat, view->total, flat_part),
            ebb_measure_percent(sum, view->total, sum_part),
            ebb_measure(row->weight.cum, view->unit, ranking->unit, cum),
            ebb_measure_percent(row->weight.cum, view->total, cum_part),
            ebb_nodes_at(view->nodes, row->node)->label);
}

static void print(const struct ebb_ranking *ranking, const struct ebb_pattern *pattern,
                  const struct adjacency *callers, const struct adjacency *callees, FILE *out)
{
    static const char rule[] =
        "----------------------------------------------------------+-------------\n";
    const struct ebb_view *view = ranking->view;
    ebb_header_profile(out, view, ranking->unit);
    ebb_header_trimming(out, view, ranking->unit, &ranking->trimming);
    fprintf(out,
            "%s      flat  flat%%   sum%%        cum   cum%%   calls calls%% + context \t \t \n",
            rule);
    int64_t sum = 0;
    for (size_t i = 0; i < ranking->rows.len; i++) {
        const struct ebb_row *row = &ranking->rows.items[i];
        if (!ebb_pattern_matches(pattern, ebb_nodes_at(view->nodes, row->node)->label))
            continue;
        sum = ebb_measure_add(sum, row->weight.flat);
        fputs(rule, out);
        print_edges(ranking, callers, row, true, out);
        print_row(ranking, row, sum, out);
        print_edges(ranking, callees, row, false, out);
    }
    fputs(rule, out);
}

int ebb_peek_print(const struct ebb_ranking *ranking, const struct ebb_pattern *pattern, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < ranking->rows.len && !any; i++)
        any = ebb_pattern_matches(
            pattern, ebb_nodes_at(ranking->view->nodes, ranking->rows.items[i].node)->label);
    if (!any)
        return -ENOENT;
    struct adjacency callers = {0}, callees = {0};
    int failed = -ENOMEM;
    if (make_adjacency(ranking, true, &callers) && make_adjacency(ranking, false, &callees)) {
        print(ranking, pattern, &callers, &callees, out);
        failed = 0;
    }
    free(callers.first);
    free(callers.edges);
    free(callees.first);
    free(callees.edges);
    return failed;
}
