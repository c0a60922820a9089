/* Printing differences. See diff.h. */
#include "tool/render/diff.h"

#include "tool/render/measure.h"
#include "tool/render/text.h"

#include <inttypes.h>

/* With a plus where it grew. */
static const char *change(const struct ebb_diff *diff, int64_t value,
                          char buffer[static EBB_MEASURE_TEXT + 1])
{
    buffer[0] = '+';
    ebb_measure(value, diff->changes->view->unit, diff->changes->unit, buffer + 1);
    return value > 0 ? buffer : buffer + 1;
}

static const char *side(const struct ebb_diff *diff, const struct ebb_weight *weights,
                        uint32_t node, char buffer[static EBB_MEASURE_TEXT])
{
    int64_t value = diff->by_cum ? weights[node].cum : weights[node].flat;
    return ebb_measure(value, diff->changes->view->unit, diff->changes->unit, buffer);
}

void ebb_diff_print(const struct ebb_diff *diff, FILE *out)
{
    const struct ebb_ranking *changes = diff->changes;
    const struct ebb_view *view = changes->view;
    ebb_header_profile(out, view, changes->unit);
    ebb_header_trimming(out, view, changes->unit, &changes->trimming);
    fprintf(out, "%10s %5s%% %5s%% %10s %5s%% %10s %10s\n", "flat", "flat", "sum", "cum", "cum",
            diff->by_cum ? "cum before" : "before", diff->by_cum ? "cum now" : "now");
    char flat[EBB_MEASURE_TEXT + 1], cum[EBB_MEASURE_TEXT + 1];
    char before[EBB_MEASURE_TEXT], now[EBB_MEASURE_TEXT];
    char flat_part[EBB_MEASURE_TEXT], sum_part[EBB_MEASURE_TEXT], cum_part[EBB_MEASURE_TEXT];
    int64_t sum = 0;
    for (size_t i = 0; i < changes->rows.len; i++) {
        const struct ebb_row *row = &changes->rows.items[i];
        sum = ebb_measure_add(sum, row->weight.flat);
        fprintf(out, "%10s %s %s %10s %s %10s %10s  %s%s\n", change(diff, row->weight.flat, flat),
                ebb_measure_percent(row->weight.flat, view->total, flat_part),
                ebb_measure_percent(sum, view->total, sum_part), change(diff, row->weight.cum, cum),
                ebb_measure_percent(row->weight.cum, view->total, cum_part),
                side(diff, diff->before, row->node, before), side(diff, diff->now, row->node, now),
                ebb_nodes_at(view->nodes, row->node)->label, ebb_row_mark(row));
    }
}

static void print_node(const struct ebb_diff *diff, const struct ebb_row *row, FILE *out)
{
    const struct ebb_node *node = ebb_nodes_at(diff->changes->view->nodes, row->node);
    const struct ebb_weight *before = &diff->before[row->node], *now = &diff->now[row->node];
    fputs("{\"function\": ", out);
    ebb_text_json(out, node->name);
    fputs(", \"file\": ", out);
    ebb_text_json(out, node->file);
    fprintf(out, ", \"line\": %" PRId64 ", \"object\": ", node->line);
    ebb_text_json(out, node->object);
    fprintf(out,
            ", \"flat\": %" PRId64 ", \"cum\": %" PRId64 ", \"flat_before\": %" PRId64
            ", \"flat_now\": %" PRId64 ", \"cum_before\": %" PRId64 ", \"cum_now\": %" PRId64 "}",
            row->weight.flat, row->weight.cum, before->flat, now->flat, before->cum, now->cum);
}

void ebb_diff_json(const struct ebb_diff *diff, FILE *out)
{
    const struct ebb_ranking *changes = diff->changes;
    fputs("{\"schema\": 1, \"type\": ", out);
    ebb_text_json(out, changes->view->type);
    fputs(", \"unit\": ", out);
    ebb_text_json(out, changes->view->unit);
    fprintf(out, ", \"total_before\": %" PRId64 ", \"shown\": %" PRId64 ", \"dropped_nodes\": %zu",
            changes->view->total, changes->trimming.shown, changes->trimming.dropped_nodes);
    fputs(", \"nodes\": [", out);
    for (size_t i = 0; i < changes->rows.len; i++) {
        fputs(i ? ",\n  " : "\n  ", out);
        print_node(diff, &changes->rows.items[i], out);
    }
    fputs(changes->rows.len ? "\n]}\n" : "]}\n", out);
}
