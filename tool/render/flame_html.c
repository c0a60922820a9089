/* A flame graph as one HTML page: the data as JSON inside, drawn by flame.js. See flame.h.
 *
 * Calls of each tree are written in the order of a walk from the root, each with its depth, which
 * is enough to rebuild the tree. Names stand once. Everything that comes from the profile is in the
 * JSON or escaped, and the page's policy forbids every request. */
#include "tool/render/flame.h"

#include "tool/render/flame_page.h"
#include "tool/render/flame_private.h"
#include "tool/render/header.h"
#include "tool/render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { UPRIGHT, INVERTED, TREES };

struct page {
    const struct ebb_calltree *trees[TREES];
    struct ebb_flame_cut cuts[TREES];
    const struct ebb_view *view;
    const struct ebb_flame_options *options;
    uint32_t *names; /* by node id: its place in the page's list of names */
    FILE *out;
};

static void write_member(const struct page *page, const char *key, const char *text)
{
    fprintf(page->out, ", \"%s\": ", key);
    ebb_text_json(page->out, text);
}

/* The lines that stand above every table, as one text. */
static int write_facts(const struct page *page)
{
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    if (!memory)
        return -ENOMEM;
    ebb_header_profile(memory, page->view, "minimum");
    int failed = fclose(memory) == 0 ? 0 : -ENOMEM;
    fputs(", \"facts\": [", page->out);
    const char *line = failed ? "" : text;
    for (bool first = true; *line; first = false) {
        size_t length = strcspn(line, "\n");
        text[line - text + (ptrdiff_t)length] = '\0';
        fputs(first ? "" : ", ", page->out);
        ebb_text_json(page->out, line);
        line += length + 1;
    }
    fputs("]", page->out);
    free(text);
    return failed;
}

/* Numbers the nodes that are drawn; the first name is that of the whole. */
static void write_names(const struct page *page)
{
    const struct ebb_nodes *nodes = page->view->nodes;
    uint32_t count = 1;
    memset(page->names, 0xff, nodes->list.len * sizeof *page->names);
    fputs(",\n\"names\": [\"everything\"", page->out);
    for (int t = 0; t < TREES; t++)
        for (size_t i = 1; i < page->trees[t]->calls.len; i++) {
            const struct ebb_call *call = &page->trees[t]->calls.items[i];
            if (!ebb__flame_draws(&page->cuts[t], call) || page->names[call->node] != EBB_NONE)
                continue;
            page->names[call->node] = count++;
            fputs(",\n", page->out);
            ebb_text_json(page->out, ebb_nodes_at(nodes, call->node)->label);
        }
    fputs("]", page->out);
}

static void write_call(const struct page *page, const struct ebb_calltree *tree,
                       const struct ebb_call *call)
{
    uint32_t name = call->node == EBB_NONE ? 0 : page->names[call->node];
    fprintf(page->out, "%" PRIu32 ",%" PRIu32 ",%" PRId64 ",%" PRId64, call->depth, name,
            call->total[EBB_NOW], call->self[EBB_NOW]);
    if (tree->compared)
        fprintf(page->out, ",%" PRId64 ",%" PRId64 ",%" PRId64, call->width,
                call->total[EBB_BEFORE], call->self[EBB_BEFORE]);
}

static void write_tree(const struct page *page, int which, const char *name)
{
    const struct ebb_calltree *tree = page->trees[which];
    const struct ebb_flame_cut *cut = &page->cuts[which];
    fprintf(page->out,
            ",\n\"%s\": {\"cut\": {\"frames\": %zu, \"width\": %" PRId64 ", \"smallest\": %" PRId64
            "}, \"calls\": [",
            name, cut->cut, cut->cut_width, cut->smallest);
    for (uint32_t i = 0; i != EBB_NONE;) {
        const struct ebb_call *call = ebb_calltree_at(tree, i);
        bool drawn = i == 0 || ebb__flame_draws(cut, call);
        if (drawn) {
            fputs(i ? ",\n" : "", page->out);
            write_call(page, tree, call);
        }
        i = ebb_calltree_next(tree, i, !drawn);
    }
    fputs("]}", page->out);
}

static int write_data(const struct page *page, const char *title)
{
    bool compared = page->trees[UPRIGHT]->compared;
    fputs("<script type=\"application/json\" id=\"data\">\n{\"schema\": 1", page->out);
    write_member(page, "title", title);
    write_member(page, "type", page->view->type);
    write_member(page, "unit", page->view->unit);
    int failed = write_facts(page);
    fprintf(page->out, ", \"compared\": %s, \"startInverted\": %s", compared ? "true" : "false",
            page->options->inverted ? "true" : "false");
    fputs(compared ? ",\n\"fields\": [\"depth\", \"name\", \"total\", \"self\", \"width\", "
                     "\"before\", \"selfBefore\"]"
                   : ",\n\"fields\": [\"depth\", \"name\", \"total\", \"self\"]",
          page->out);
    write_names(page);
    write_tree(page, UPRIGHT, "upright");
    write_tree(page, INVERTED, "inverted");
    fputs("}\n</script>\n", page->out);
    return failed;
}

static int write_page(const struct page *page)
{
    struct ebb_arena arena = {0};
    const char *title = ebb__flame_title(&arena, page->view, page->options);
    int failed = title ? 0 : -ENOMEM;
    if (!failed) {
        fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
              "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
              "script-src 'unsafe-inline'; style-src 'unsafe-inline'\">\n"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
              page->out);
        ebb_text_xml(page->out, title);
        fputs("</title>\n<style>\n", page->out);
        fputs(ebb__flame_css, page->out);
        fputs("</style>\n</head>\n<body>\n", page->out);
        fputs(ebb__flame_body, page->out);
        failed = write_data(page, title);
        fputs("<script>\n", page->out);
        fputs(ebb__flame_js, page->out);
        fputs("</script>\n</body>\n</html>\n", page->out);
    }
    ebb_arena_free(&arena);
    return failed;
}

int ebb_flame_html(const struct ebb_calltree *upright, const struct ebb_calltree *inverted,
                   const struct ebb_view *view, const struct ebb_flame_options *options, FILE *out)
{
    struct page page = {.trees = {upright, inverted}, .view = view, .options = options, .out = out};
    page.names = malloc((view->nodes->list.len + 1) * sizeof *page.names);
    int failed = page.names ? 0 : -ENOMEM;
    for (int t = 0; t < TREES && !failed; t++)
        failed = ebb__flame_cut(page.trees[t], 1, EBB_FLAME_MOST / TREES, &page.cuts[t]);
    if (!failed)
        failed = write_page(&page);
    free(page.names);
    return failed;
}
