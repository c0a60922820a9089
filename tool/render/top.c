/* Printing a ranking. See top.h. */
#include "tool/render/top.h"

#include "tool/render/measure.h"
#include "tool/render/text.h"

#include <inttypes.h>

void ebb_top_print(const struct ebb_ranking *ranking, FILE *out)
{
    const struct ebb_view *view = ranking->view;
    ebb_header_profile(out, view, ranking->unit);
    ebb_header_trimming(out, view, ranking->unit, &ranking->trimming);
    fprintf(out, "%10s %5s%% %5s%% %10s %5s%%\n", "flat", "flat", "sum", "cum", "cum");
    int64_t sum = 0;
    char flat[EBB_MEASURE_TEXT], cum[EBB_MEASURE_TEXT];
    char flat_part[EBB_MEASURE_TEXT], sum_part[EBB_MEASURE_TEXT], cum_part[EBB_MEASURE_TEXT];
    for (size_t i = 0; i < ranking->rows.len; i++) {
        const struct ebb_row *row = &ranking->rows.items[i];
        sum = ebb_measure_add(sum, row->weight.flat);
        fprintf(out, "%10s %s %s %10s %s  %s%s\n",
                ebb_measure(row->weight.flat, view->unit, ranking->unit, flat),
                ebb_measure_percent(row->weight.flat, view->total, flat_part),
                ebb_measure_percent(sum, view->total, sum_part),
                ebb_measure(row->weight.cum, view->unit, ranking->unit, cum),
                ebb_measure_percent(row->weight.cum, view->total, cum_part),
                ebb_nodes_at(view->nodes, row->node)->label, ebb_row_mark(row));
    }
}

static void print_node(FILE *out, const struct ebb_nodes *nodes, const struct ebb_row *row)
{
    static const char *const words[] = {"no", "partly", "yes"};
    const struct ebb_node *node = ebb_nodes_at(nodes, row->node);
    fputs("{\"function\": ", out);
    ebb_text_json(out, node->name);
    fputs(", \"file\": ", out);
    ebb_text_json(out, node->file);
    fprintf(out, ", \"line\": %" PRId64 ", \"object\": ", node->line);
    ebb_text_json(out, node->object);
    fprintf(out, ", \"flat\": %" PRId64 ", \"cum\": %" PRId64 ", \"inlined\": \"%s\"}",
            row->weight.flat, row->weight.cum, words[row->inlining]);
}

void ebb_top_json(const struct ebb_ranking *ranking, FILE *out)
{
    const struct ebb_view *view = ranking->view;
    fputs("{\"schema\": 1, \"type\": ", out);
    ebb_text_json(out, view->type);
    fputs(", \"unit\": ", out);
    ebb_text_json(out, view->unit);
    fprintf(out, ", \"total\": %" PRId64 ", \"shown\": %" PRId64 ", \"dropped_nodes\": %zu",
            view->total, ranking->trimming.shown, ranking->trimming.dropped_nodes);
    fputs(", \"nodes\": [", out);
    for (size_t i = 0; i < ranking->rows.len; i++) {
        fputs(i ? ",\n  " : "\n  ", out);
        print_node(out, view->nodes, &ranking->rows.items[i]);
    }
    fputs(ranking->rows.len ? "\n]}\n" : "]}\n", out);
}
