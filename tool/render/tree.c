/* Printing a call tree, without recursion: stacks may be of any depth. See tree.h. */
#include "tool/render/tree.h"

#include "tool/render/header.h"
#include "tool/render/measure.h"
#include "tool/render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

enum branch { CHAIN, BRANCH, LAST_BRANCH };
static const char *const branch_marks[] = {"", "├─ ", "└─ "};
static const char *const branch_columns[] = {"", "│  ", "   "};

/* A line still to be printed. */
struct pending {
    uint32_t call;
    uint32_t left_out; /* not 0: the line that stands for so many calls that were left out */
    struct ebb_call values;
    size_t prefix; /* bytes of the printer's prefix */
    enum branch branch;
};

struct printer {
    const struct ebb_calltree *tree;
    const struct ebb_view *view;
    FILE *out;
    struct prefix EBB_VEC(char) prefix; /* of the line printed last and of its ancestors */
    struct pendings EBB_VEC(struct pending) pending;
};

static void print_signed(const struct printer *printer, int64_t value, int width)
{
    char text[EBB_MEASURE_TEXT];
    ebb_measure(value, printer->view->unit, EBB_UNIT_MINIMUM, text);
    fprintf(printer->out, "%*s%s", width - (int)strlen(text), value > 0 ? "+" : "", text);
}

static void print_values(const struct printer *printer, const struct ebb_call *call, bool self)
{
    const char *unit = printer->view->unit;
    char text[EBB_MEASURE_TEXT], percent[EBB_MEASURE_TEXT];
    if (printer->tree->compared) {
        print_signed(printer, ebb_call_change(call), 12);
        fprintf(printer->out, " %11s",
                ebb_measure(call->total[EBB_BEFORE], unit, EBB_UNIT_MINIMUM, text));
        fprintf(printer->out, " %11s  ",
                ebb_measure(call->total[EBB_NOW], unit, EBB_UNIT_MINIMUM, text));
        return;
    }
    fprintf(printer->out, "%10s %7s",
            ebb_measure(call->total[EBB_NOW], unit, EBB_UNIT_MINIMUM, text),
            ebb_measure_percent(call->total[EBB_NOW], printer->view->total, percent));
    fprintf(printer->out, " %10s  ",
            self ? ebb_measure(call->self[EBB_NOW], unit, EBB_UNIT_MINIMUM, text) : "");
}

static void print_line(const struct printer *printer, const struct pending *line)
{
    print_values(printer, &line->values, !line->left_out);
    if (line->prefix)
        fwrite(printer->prefix.items, 1, line->prefix, printer->out);
    fputs(branch_marks[line->branch], printer->out);
    if (line->left_out)
        fprintf(printer->out, "(%" PRIu32 " smaller)\n", line->left_out);
    else if (line->values.node == EBB_NONE)
        fputs("everything\n", printer->out);
    else
        fprintf(printer->out, "%s\n", ebb_nodes_at(printer->tree->nodes, line->values.node)->label);
}

/* Makes the prefix that the children of `line` have. */
static int extend_prefix(struct printer *printer, const struct pending *line)
{
    const char *column = branch_columns[line->branch];
    printer->prefix.len = line->prefix;
    for (; *column; column++)
        if (ebb_vec_push(&printer->prefix, *column) < 0)
            return -ENOMEM;
    return 0;
}

/* Puts the lines below `line` on the stack, the last one first. What was left out gets a line when
 * together it is not small. */
static int push_children(struct printer *printer, const struct pending *line)
{
    const struct ebb_calltree *tree = printer->tree;
    struct ebb_call left_out = ebb_calltree_rest(tree, line->call);
    int64_t size = tree->by_change ? left_out.changed : left_out.width;
    bool rest = left_out.left_out && size >= tree->smallest;
    size_t count = rest, first = printer->pending.len;
    for (uint32_t c = line->values.first_child; c != EBB_NONE;
         c = ebb_calltree_at(tree, c)->next_sibling)
        count++;
    if (extend_prefix(printer, line) < 0 || ebb_vec_reserve(&printer->pending, first + count) < 0)
        return -ENOMEM;
    struct pending *next = printer->pending.items + first + count;
    for (uint32_t c = line->values.first_child; c != EBB_NONE;
         c = ebb_calltree_at(tree, c)->next_sibling)
        *--next = (struct pending){.call = c, .values = *ebb_calltree_at(tree, c)};
    if (rest)
        *--next =
            (struct pending){.call = line->call, .left_out = left_out.left_out, .values = left_out};
    printer->pending.len = first + count;
    for (size_t i = 0; i < count; i++) {
        next[i].prefix = printer->prefix.len;
        next[i].branch = count == 1 ? CHAIN : i == 0 ? LAST_BRANCH : BRANCH;
    }
    return 0;
}

int ebb_tree_print(const struct ebb_calltree *tree, const struct ebb_view *view, FILE *out)
{
    struct printer printer = {.tree = tree, .view = view, .out = out};
    ebb_header_profile(out, view, EBB_UNIT_MINIMUM);
    if (tree->compared)
        fprintf(out, "%12s %11s %11s  %s\n", "change", "before", "now",
                tree->inverted ? "function, and below it who calls it"
                               : "function, and below it what it calls");
    else
        fprintf(out, "%10s %7s %10s  %s\n", "total", "%", "self",
                tree->inverted ? "function, and below it who calls it"
                               : "function, and below it what it calls");
    int failed = ebb_vec_push(&printer.pending, (struct pending){.values = tree->calls.items[0]});
    while (!failed && printer.pending.len) {
        struct pending line = printer.pending.items[--printer.pending.len];
        print_line(&printer, &line);
        if (!line.left_out)
            failed = push_children(&printer, &line);
    }
    ebb_vec_free(&printer.pending);
    ebb_vec_free(&printer.prefix);
    return failed;
}

/* ---- JSON ---- */

static void print_object(const struct ebb_calltree *tree, uint32_t number, FILE *out)
{
    static const struct ebb_node everything = {.name = "", .file = "", .label = ""};
    const struct ebb_call *call = ebb_calltree_at(tree, number);
    const struct ebb_node *node =
        call->node == EBB_NONE ? &everything : ebb_nodes_at(tree->nodes, call->node);
    fputs("{\"function\": ", out);
    ebb_text_json(out, *node->name ? node->name : node->label);
    fputs(", \"file\": ", out);
    ebb_text_json(out, node->file);
    fprintf(out, ", \"line\": %" PRId64 ", \"total\": %" PRId64 ", \"self\": %" PRId64, node->line,
            call->total[EBB_NOW], call->self[EBB_NOW]);
    if (tree->compared)
        fprintf(out, ", \"total_before\": %" PRId64 ", \"self_before\": %" PRId64,
                call->total[EBB_BEFORE], call->self[EBB_BEFORE]);
    fprintf(out, ", \"left_out\": %" PRId64 ", \"calls\": [",
            ebb_calltree_rest(tree, number).total[EBB_NOW]);
}

void ebb_tree_json(const struct ebb_calltree *tree, const struct ebb_view *view, FILE *out)
{
    fputs("{\"schema\": 1, \"type\": ", out);
    ebb_text_json(out, view->type);
    fputs(", \"unit\": ", out);
    ebb_text_json(out, view->unit);
    fprintf(out, ", \"inverted\": %s, \"root\": ", tree->inverted ? "true" : "false");
    uint32_t open = 0; /* objects that are not closed */
    bool sibling = false;
    for (uint32_t i = 0; i != EBB_NONE; i = ebb_calltree_next(tree, i, false)) {
        for (; open > ebb_calltree_at(tree, i)->depth; open--, sibling = true)
            fputs("]}", out);
        fputs(sibling ? ",\n" : "\n", out);
        print_object(tree, i, out);
        open++;
        sibling = false;
    }
    for (; open > 0; open--)
        fputs("]}", out);
    fputs("}\n", out);
}
