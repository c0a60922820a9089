/* Annotated source. See list.h. */
#include "tool/render/list.h"

#include "tool/render/graph.h"
#include "tool/render/measure.h"
#include "tool/render/sources.h"
#include "tool/render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MARGIN = 5 }; /* lines around those with a value, where the function's start is unknown */

/* A line of a matching function. */
struct spot {
    const struct ebb_node *node;
    struct ebb_weight weight;
};
struct spots EBB_VEC(struct spot);

static int compare_spots(const void *left, const void *right)
{
    const struct ebb_node *a = ((const struct spot *)left)->node;
    const struct ebb_node *b = ((const struct spot *)right)->node;
    int order = strcmp(a->name, b->name);
    if (!order)
        order = strcmp(a->file, b->file);
    return order ? order : (a->line > b->line) - (a->line < b->line);
}

static int find_spots(const struct ebb_view *view, const struct ebb_pattern *pattern,
                      struct spots *spots)
{
    struct ebb_weight *weights = ebb_graph_weigh(view);
    int failed = weights ? 0 : -ENOMEM;
    for (size_t i = 0; i < view->nodes->list.len && !failed; i++) {
        const struct ebb_node *node = ebb_nodes_at(view->nodes, (uint32_t)i);
        if ((weights[i].flat || weights[i].cum) && ebb_pattern_matches(pattern, node->name))
            failed = ebb_vec_push(spots, (struct spot){node, weights[i]});
    }
    free(weights);
    if (spots->len)
        qsort(spots->items, spots->len, sizeof *spots->items, compare_spots);
    return failed;
}

static const char *value_or_dot(const struct ebb_view *view, int64_t value,
                                char buffer[static EBB_MEASURE_TEXT])
{
    return value ? ebb_measure(value, view->unit, EBB_UNIT_MINIMUM, buffer) : ".";
}

/* A line of source, its tabs kept. */
static void print_text(const char *line, FILE *out)
{
    struct ebb_arena arena = {0};
    while (*line) {
        size_t length = strcspn(line, "\t");
        const char *part = ebb_arena_strndup(&arena, line, length);
        const char *plain = part ? ebb_text_plain(&arena, part) : NULL;
        fputs(plain ? plain : "", out);
        if (line[length])
            putc('\t', out);
        line += length + (line[length] != '\0');
    }
    ebb_arena_free(&arena);
}

/* Lines `start` to `end` of the file; `spots` are in order of lines. */
static void print_lines(const struct ebb_view *view, const struct ebb_source_file *source,
                        const struct spot *spots, size_t count, int64_t start, int64_t end,
                        FILE *out)
{
    char flat[EBB_MEASURE_TEXT], cum[EBB_MEASURE_TEXT];
    size_t at = 0;
    for (int64_t line = start; line <= end && (uint64_t)line <= source->line_count; line++) {
        struct ebb_weight sum = {0};
        while (at < count && spots[at].node->line < line)
            at++;
        for (; at < count && spots[at].node->line == line; at++) {
            sum.flat = ebb_measure_add(sum.flat, spots[at].weight.flat);
            sum.cum = ebb_measure_add(sum.cum, spots[at].weight.cum);
        }
        fprintf(out, "%10s %10s %6" PRId64 ":", value_or_dot(view, sum.flat, flat),
                value_or_dot(view, sum.cum, cum), line);
        print_text(source->lines[line - 1], out);
        putc('\n', out);
    }
}

/* From the function's start, or a little before the first line with a value, to a little after the
 * last. Line numbers come from the file, so sums are taken with care. */
static void range_of(const struct spot *spots, size_t count, int64_t *start, int64_t *end)
{
    *start = INT64_MAX;
    *end = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t line = spots[i].node->line, first = spots[i].node->start_line;
        if (line < 0 || line > INT32_MAX)
            continue;
        if (first <= 0)
            first = line - MARGIN;
        *start = first < *start ? first : *start;
        *end = line + MARGIN > *end ? line + MARGIN : *end;
    }
    *start = *start < 1 ? 1 : *start;
}

static void print_missing(const char *file, const char *source_path, FILE *out)
{
    fprintf(out,
            "    The source is not here: neither %s nor an end of that path below %s. "
            "--source-path DIR says where it is.\n",
            file, source_path);
}

/* A function in one file. */
static int print_function(const struct ebb_view *view, struct ebb_sources *sources,
                          const struct spot *spots, size_t count, FILE *out)
{
    char flat[EBB_MEASURE_TEXT], cum[EBB_MEASURE_TEXT], percent[EBB_MEASURE_TEXT];
    struct ebb_weight sum = {0};
    const struct ebb_node *node = spots->node;
    for (size_t i = 0; i < count; i++) {
        sum.flat = ebb_measure_add(sum.flat, spots[i].weight.flat);
        sum.cum = ebb_measure_add(sum.cum, spots[i].weight.cum);
    }
    const struct ebb_source_file *source = ebb_sources_get(sources, node->file);
    if (!source)
        return -ENOMEM;
    fprintf(out, "ROUTINE ======================== %s in %s\n", node->name, node->file);
    fprintf(out, "%10s %10s (flat, cum) %s of Total\n",
            ebb_measure(sum.flat, view->unit, EBB_UNIT_MINIMUM, flat),
            ebb_measure(sum.cum, view->unit, EBB_UNIT_MINIMUM, cum),
            ebb_measure_percent(sum.cum, view->total, percent));
    int64_t start, end;
    range_of(spots, count, &start, &end);
    if (source->found)
        print_lines(view, source, spots, count, start, end, out);
    else
        print_missing(node->file, sources->search_path, out);
    return 0;
}

static int print(const struct ebb_view *view, const struct spots *spots,
                 struct ebb_sources *sources, FILE *out)
{
    char total[EBB_MEASURE_TEXT];
    fprintf(out, "Total: %s\n", ebb_measure(view->total, view->unit, EBB_UNIT_MINIMUM, total));
    for (size_t i = 0, next; i < spots->len; i = next) {
        const struct ebb_node *node = spots->items[i].node;
        for (next = i + 1; next < spots->len; next++)
            if (strcmp(spots->items[next].node->name, node->name) != 0 ||
                strcmp(spots->items[next].node->file, node->file) != 0)
                break;
        bool last = next == spots->len || strcmp(spots->items[next].node->name, node->name) != 0;
        if (*node->file && print_function(view, sources, spots->items + i, next - i, out) < 0)
            return -ENOMEM;
        if (!*node->file && last) /* "" sorts first: nothing of it has a file */
            fprintf(out, "No source information for %s\n", node->name);
    }
    return 0;
}

int ebb_list_print(const struct ebb_view *view, const struct ebb_pattern *pattern,
                   const char *source_path, FILE *out)
{
    struct spots spots = {0};
    char *here = source_path ? NULL : getcwd(NULL, 0);
    struct ebb_sources sources = {.search_path = source_path ? source_path : here ? here : "."};
    int failed = find_spots(view, pattern, &spots);
    if (!failed)
        failed = spots.len ? print(view, &spots, &sources, out) : -ENOENT;
    ebb_sources_free(&sources);
    ebb_vec_free(&spots);
    free(here);
    return failed;
}
