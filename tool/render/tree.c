/* Printing a call tree, without recursion: stacks may be of any depth. See tree.h. */
#include "tool/render/tree.h"

#include "tool/render/header.h"
#include "tool/render/measure.h"
#include "tool/render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What decides whether a call is shown. */
static int64_t size_of(const struct ebb_calltree *tree, const struct ebb_call *call)
{
    return tree->compared ? call->changed : call->width;
}

/* The children of a call that are shown, and what the others come to. */
struct children {
    size_t shown, left_out;
    int64_t left_out_size, left_out_total[EBB_COLUMNS];
};

static struct children count_children(const struct ebb_calltree *tree, const struct ebb_call *call,
                                      int64_t cutoff)
{
    struct children children = {0};
    for (uint32_t c = call->first_child; c != EBB_NONE;
         c = ebb_calltree_at(tree, c)->next_sibling) {
        const struct ebb_call *child = ebb_calltree_at(tree, c);
        int64_t size = size_of(tree, child);
        if (size && size >= cutoff) {
            children.shown++;
            continue;
        }
        children.left_out++;
        children.left_out_size = ebb_measure_add(children.left_out_size, size);
        for (int i = 0; i < EBB_COLUMNS; i++)
            children.left_out_total[i] =
                ebb_measure_add(children.left_out_total[i], child->total[i]);
    }
    return children;
}

static int64_t cutoff_of(const struct ebb_calltree *tree, double smallest)
{
    return ebb_measure_part(size_of(tree, ebb_calltree_at(tree, 0)), smallest);
}

/* ---- text ---- */

enum branch { CHAIN, BRANCH, LAST_BRANCH };
static const char *const branch_marks[] = {"", "├─ ", "└─ "};
static const char *const branch_columns[] = {"", "│  ", "   "};

/* A line still to be printed. */
struct pending {
    uint32_t call;
    size_t left_out; /* not 0: the line that stands for so many left-out children of `call` */
    struct ebb_call values;
    size_t prefix; /* bytes of the printer's prefix */
    enum branch branch;
};

struct printer {
    const struct ebb_calltree *tree;
    const struct ebb_view *view;
    int64_t cutoff;
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
        fprintf(printer->out, "(%zu smaller)\n", line->left_out);
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

/* Puts the lines below `line` on the stack, the last one first. */
static int push_children(struct printer *printer, const struct pending *line)
{
    const struct ebb_calltree *tree = printer->tree;
    struct children children = count_children(tree, &line->values, printer->cutoff);
    bool rest = children.left_out_size && children.left_out_size >= printer->cutoff;
    size_t count = children.shown + rest;
    size_t first = printer->pending.len;
    if (extend_prefix(printer, line) < 0 || ebb_vec_reserve(&printer->pending, first + count) < 0)
        return -ENOMEM;
    struct pending *next = printer->pending.items + first + count;
    for (uint32_t c = line->values.first_child; c != EBB_NONE;
         c = ebb_calltree_at(tree, c)->next_sibling) {
        const struct ebb_call *child = ebb_calltree_at(tree, c);
        int64_t size = size_of(tree, child);
        if (size && size >= printer->cutoff)
            *--next = (struct pending){.call = c, .values = *child};
    }
    if (rest) {
        *--next = (struct pending){.call = line->call, .left_out = children.left_out};
        memcpy(next->values.total, children.left_out_total, sizeof next->values.total);
        next->values.first_child = EBB_NONE;
    }
    printer->pending.len = first + count;
    for (size_t i = 0; i < count; i++) {
        next[i].prefix = printer->prefix.len;
        next[i].branch = count == 1 ? CHAIN : i == 0 ? LAST_BRANCH : BRANCH;
    }
    return 0;
}

int ebb_tree_print(const struct ebb_calltree *tree, const struct ebb_view *view, double smallest,
                   FILE *out)
{
    struct printer printer = {
        .tree = tree, .view = view, .cutoff = cutoff_of(tree, smallest), .out = out};
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

static void print_object(const struct ebb_calltree *tree, const struct ebb_call *call,
                         int64_t cutoff, FILE *out)
{
    static const struct ebb_node everything = {.name = "", .file = "", .object = ""};
    const struct ebb_node *node =
        call->node == EBB_NONE ? &everything : ebb_nodes_at(tree->nodes, call->node);
    struct children children = count_children(tree, call, cutoff);
    fputs("{\"function\": ", out);
    ebb_text_json(out, *node->name || call->node == EBB_NONE ? node->name : node->label);
    fputs(", \"file\": ", out);
    ebb_text_json(out, node->file);
    fprintf(out, ", \"line\": %" PRId64 ", \"total\": %" PRId64 ", \"self\": %" PRId64, node->line,
            call->total[EBB_NOW], call->self[EBB_NOW]);
    if (tree->compared)
        fprintf(out, ", \"total_before\": %" PRId64 ", \"self_before\": %" PRId64,
                call->total[EBB_BEFORE], call->self[EBB_BEFORE]);
    fprintf(out, ", \"left_out\": %" PRId64 ", \"calls\": [", children.left_out_total[EBB_NOW]);
}

int ebb_tree_json(const struct ebb_calltree *tree, const struct ebb_view *view, double smallest,
                  FILE *out)
{
    int64_t cutoff = cutoff_of(tree, smallest);
    fputs("{\"schema\": 1, \"type\": ", out);
    ebb_text_json(out, view->type);
    fputs(", \"unit\": ", out);
    ebb_text_json(out, view->unit);
    fprintf(out, ", \"inverted\": %s, \"root\": ", tree->inverted ? "true" : "false");
    print_object(tree, ebb_calltree_at(tree, 0), cutoff, out);
    uint32_t open = 1; /* objects that are not closed: the depth of the last one, plus 1 */
    bool sibling = false;
    for (uint32_t i = ebb_calltree_next(tree, 0, false); i != EBB_NONE;) {
        const struct ebb_call *call = ebb_calltree_at(tree, i);
        int64_t size = size_of(tree, call);
        bool shown = size && size >= cutoff;
        if (shown) {
            for (; open > call->depth; open--, sibling = true)
                fputs("]}", out);
            fputs(sibling ? ",\n" : "\n", out);
            print_object(tree, call, cutoff, out);
            open++;
            sibling = false;
        }
        i = ebb_calltree_next(tree, i, !shown);
    }
    for (; open > 0; open--)
        fputs("]}", out);
    fputs("}\n", out);
    return 0;
}
