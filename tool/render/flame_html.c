/* A flame graph as one HTML page: the data as JSON inside, drawn by flame.js. See flame.h.
 *
 * Calls are written in the order of a walk from the root, each with its depth, which is enough to
 * rebuild the tree. Names stand once. Everything that comes from the profile is in the JSON or
 * escaped, and the page's policy forbids every request. */
#include "tool/render/flame.h"

#include "tool/render/flame_page.h"
#include "tool/render/flame_private.h"
#include "tool/render/header.h"
#include "tool/render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct page {
    const struct ebb_calltree *tree;
    const struct ebb_view *view;
    const struct ebb_flame_options *options;
    struct ebb_flame_cut cut;
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
    const struct ebb_calltree *tree = page->tree;
    uint32_t count = 1;
    memset(page->names, 0xff, tree->nodes->list.len * sizeof *page->names);
    fputs(",\n\"names\": [\"everything\"", page->out);
    for (size_t i = 1; i < tree->calls.len; i++) {
        const struct ebb_call *call = &tree->calls.items[i];
        if (!ebb__flame_draws(&page->cut, call) || page->names[call->node] != EBB_NONE)
            continue;
        page->names[call->node] = count++;
        fputs(",\n", page->out);
        ebb_text_json(page->out, ebb_nodes_at(tree->nodes, call->node)->label);
    }
    fputs("]", page->out);
}

static void write_calls(const struct page *page)
{
    const struct ebb_calltree *tree = page->tree;
    fputs(tree->compared ? ",\n\"fields\": [\"depth\", \"name\", \"total\", \"self\", \"width\", "
                           "\"total_before\", \"self_before\"]"
                         : ",\n\"fields\": [\"depth\", \"name\", \"total\", \"self\"]",
          page->out);
    fputs(",\n\"calls\": [", page->out);
    for (uint32_t i = 0; i != EBB_NONE;) {
        const struct ebb_call *call = ebb_calltree_at(tree, i);
        bool drawn = i == 0 || ebb__flame_draws(&page->cut, call);
        if (drawn) {
            fprintf(page->out, "%s%" PRIu32 ",%" PRIu32 ",%" PRId64 ",%" PRId64, i ? ",\n" : "",
                    call->depth, i ? page->names[call->node] : 0, call->total[EBB_NOW],
                    call->self[EBB_NOW]);
            if (tree->compared)
                fprintf(page->out, ",%" PRId64 ",%" PRId64 ",%" PRId64, call->width,
                        call->total[EBB_BEFORE], call->self[EBB_BEFORE]);
        }
        i = ebb_calltree_next(tree, i, !drawn);
    }
    fputs("]", page->out);
}

static int write_data(const struct page *page, const char *title)
{
    fputs("<script type=\"application/json\" id=\"data\">\n{\"schema\": 1", page->out);
    write_member(page, "title", title);
    write_member(page, "type", page->view->type);
    write_member(page, "unit", page->view->unit);
    int failed = write_facts(page);
    fprintf(page->out, ", \"compared\": %s, \"inverted\": %s",
            page->tree->compared ? "true" : "false", page->options->inverted ? "true" : "false");
    fprintf(page->out,
            ", \"cut\": {\"frames\": %zu, \"width\": %" PRId64 ", \"smallest\": %" PRId64 "}",
            page->cut.cut, page->cut.cut_width, page->cut.smallest);
    write_names(page);
    write_calls(page);
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

int ebb_flame_html(const struct ebb_calltree *tree, const struct ebb_view *view,
                   const struct ebb_flame_options *options, FILE *out)
{
    struct page page = {.tree = tree, .view = view, .options = options, .out = out};
    page.names = malloc((tree->nodes->list.len + 1) * sizeof *page.names);
    int failed =
        page.names ? ebb__flame_cut(tree, options->smallest, EBB_FLAME_MOST, &page.cut) : -ENOMEM;
    if (!failed)
        failed = write_page(&page);
    free(page.names);
    return failed;
}
