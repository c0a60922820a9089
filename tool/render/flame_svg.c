/* A flame graph as one static SVG image: a rectangle for each frame that is at least half a pixel
 * wide, its name where it fits, name and values as its tooltip. See flame.h. */
#include "tool/render/flame.h"

#include "tool/render/flame_private.h"
#include "tool/render/measure.h"
#include "tool/render/text.h"
#include "tool/render/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 1400,
    MARGIN = 12,
    TOP = 54, /* above the first row: title and facts */
    ROW = 19,
    MOST_FRAMES = 30000,
    DEEPEST = 1500,
};
static const double letter_width = 6.7, inner_width = WIDTH - 2 * MARGIN;

struct image {
    const struct ebb_calltree *tree;
    const struct ebb_view *view;
    struct ebb_flame_cut cut;
    int64_t whole;       /* width of the root */
    int64_t most_change; /* of any frame, for the colours */
    FILE *out;
};

/* ---- colours ---- */

/* Names that begin alike have one hue: a C++ namespace, a Go package, the first word of a C name.
 */
static unsigned hue_of(const char *name)
{
    static const unsigned hues[] = {6,   16,  26,  36,  46,  58,  78, 104,
                                    136, 158, 174, 190, 204, 220, 240};
    const char *slash = strrchr(name, '/');
    size_t skipped = slash && !strchr(name, ' ') ? (size_t)(slash - name) + 1 : 0;
    size_t length = skipped + strspn(name + skipped, "_");
    length += strcspn(name + length, skipped || strchr(name, '.') ? "." : "_:");
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)name[i]) * 16777619u;
    hash ^= hash >> 15;
    return hues[hash * 2246822519u % (sizeof hues / sizeof *hues)];
}

static void write_fill(const struct image *image, const struct ebb_call *call)
{
    static const int same[] = {233, 230, 225}, grown[] = {215, 48, 31}, shrunk[] = {43, 108, 212};
    const char *label =
        call->node == EBB_NONE ? "" : ebb_nodes_at(image->tree->nodes, call->node)->label;
    if (image->tree->compared) {
        int64_t change = ebb_call_change(call);
        const int *far = change > 0 ? grown : shrunk;
        double strength = image->most_change
                              ? sqrt((double)ebb_measure_abs(change) / (double)image->most_change)
                              : 0;
        int mixed[3];
        for (int i = 0; i < 3; i++)
            mixed[i] = same[i] + (int)lround((far[i] - same[i]) * strength);
        fprintf(image->out, "rgb(%d,%d,%d)", mixed[0], mixed[1], mixed[2]);
    } else if (!*label || *label == '[' || *label == '<') {
        fputs("#e4e0da", image->out);
    } else {
        fprintf(image->out, "hsl(%u,66%%,77%%)", hue_of(label));
    }
}

/* ---- frames ---- */

static void write_tooltip(const struct image *image, const struct ebb_call *call, const char *label)
{
    const char *unit = image->view->unit;
    char now[EBB_MEASURE_TEXT], before[EBB_MEASURE_TEXT], change[EBB_MEASURE_TEXT];
    char percent[EBB_MEASURE_TEXT];
    ebb_measure(call->total[EBB_NOW], unit, EBB_UNIT_MINIMUM, now);
    fputs("<title>", image->out);
    ebb_text_xml(image->out, label);
    if (image->tree->compared) {
        ebb_measure(call->total[EBB_BEFORE], unit, EBB_UNIT_MINIMUM, before);
        ebb_measure(ebb_call_change(call), unit, EBB_UNIT_MINIMUM, change);
        fputs(": ", image->out);
        ebb_text_xml(image->out, before);
        fputs(" before, ", image->out);
        ebb_text_xml(image->out, now);
        fputs(ebb_call_change(call) > 0 ? " now, +" : " now, ", image->out);
        ebb_text_xml(image->out, change);
    } else {
        ebb_measure_percent(call->total[EBB_NOW], image->whole, percent);
        fputs(": ", image->out);
        ebb_text_xml(image->out, now);
        fprintf(image->out, " (%s)", percent + strspn(percent, " "));
    }
    fputs("</title>", image->out);
}

/* As much of the name as fits; cut between characters. */
static void write_label(const struct image *image, const char *label, double x, double y,
                        double width)
{
    size_t room = width < 8 ? 0 : (size_t)((width - 8) / letter_width), count = 0, cut = 0;
    const char *at = label;
    for (size_t length; *at && count <= room; at += length, count++) {
        if (count + 1 == room)
            cut = (size_t)(at - label);
        ebb__decode_utf8(at, &length);
    }
    if (room < 3)
        return;
    fprintf(image->out, "<text x=\"%.1f\" y=\"%.1f\">", x + 4, y + ROW - 6);
    if (count <= room) {
        ebb_text_xml(image->out, label);
    } else {
        char *beginning = strndup(label, cut);
        ebb_text_xml(image->out, beginning ? beginning : "");
        fputs("…", image->out);
        free(beginning);
    }
    fputs("</text>", image->out);
}

static void write_frame(const struct image *image, const struct ebb_call *call, double x)
{
    const char *label =
        call->node == EBB_NONE ? "everything" : ebb_nodes_at(image->tree->nodes, call->node)->label;
    double width = (double)call->width / (double)image->whole * inner_width;
    double y = TOP + (double)call->depth * ROW;
    fputs("<g>", image->out);
    write_tooltip(image, call, label);
    fprintf(image->out, "<rect x=\"%.2f\" y=\"%.0f\" width=\"%.2f\" height=\"%d\" fill=\"", x, y,
            width > 1.2 ? width - 0.6 : width, ROW - 1);
    write_fill(image, call);
    fputs("\"/>", image->out);
    write_label(image, label, x, y, width);
    fputs("</g>\n", image->out);
}

/* Every frame that is drawn, from the root on; `x` by depth is where the next one begins. */
static int write_frames(const struct image *image, uint32_t deepest)
{
    const struct ebb_calltree *tree = image->tree;
    double *next = calloc((size_t)deepest + 2, sizeof *next);
    if (!next)
        return -ENOMEM;
    next[0] = MARGIN;
    for (uint32_t i = 0; i != EBB_NONE;) {
        const struct ebb_call *call = ebb_calltree_at(tree, i);
        bool drawn = i == 0 || ebb__flame_draws(&image->cut, call);
        if (drawn) {
            double x = next[call->depth];
            next[call->depth] += (double)call->width / (double)image->whole * inner_width;
            next[call->depth + 1] = x;
            write_frame(image, call, x);
        }
        i = ebb_calltree_next(tree, i, !drawn);
    }
    free(next);
    return 0;
}

/* ---- the image ---- */

static void write_facts(const struct image *image)
{
    const char *unit = image->view->unit;
    const struct ebb_call *root = ebb_calltree_at(image->tree, 0);
    char now[EBB_MEASURE_TEXT], before[EBB_MEASURE_TEXT], least[EBB_MEASURE_TEXT];
    ebb_measure(root->total[EBB_NOW], unit, EBB_UNIT_MINIMUM, now);
    ebb_measure(root->total[EBB_BEFORE], unit, EBB_UNIT_MINIMUM, before);
    fprintf(image->out, "<text class=\"faint\" x=\"%d\" y=\"42\">", MARGIN);
    if (image->tree->compared) {
        ebb_text_xml(image->out, before);
        fputs(" before, ", image->out);
        ebb_text_xml(image->out, now);
        fputs(" now · red grew, blue shrank · width: the larger of before and now", image->out);
    } else {
        ebb_text_xml(image->out, now);
        fputs(" in all", image->out);
    }
    if (image->cut.cut) {
        fprintf(image->out, " · %zu frames below ", image->cut.cut);
        ebb_text_xml(image->out, ebb_measure(image->cut.smallest, unit, EBB_UNIT_MINIMUM, least));
        fputs(" left out", image->out);
    }
    fputs("</text>\n", image->out);
}

static int write_image(const struct image *image, const struct ebb_flame_options *options)
{
    struct ebb_arena arena = {0};
    const char *title = ebb__flame_title(&arena, image->view, options);
    uint32_t deepest = 0;
    for (size_t i = 1; i < image->tree->calls.len; i++)
        if (ebb__flame_draws(&image->cut, &image->tree->calls.items[i]) &&
            image->tree->calls.items[i].depth > deepest)
            deepest = image->tree->calls.items[i].depth;
    int failed = title ? 0 : -ENOMEM;
    if (!failed) {
        unsigned height = TOP + (deepest + 1) * ROW + MARGIN;
        fprintf(image->out,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
                "viewBox=\"0 0 %d %u\">\n"
                "<style>text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
                "font-size:11px;fill:#23201d;white-space:pre}.title{font:600 16px system-ui,"
                "sans-serif}.faint{font:12px system-ui,sans-serif;fill:#6d6862}"
                "g:hover rect{stroke:#1d1b19}</style>\n"
                "<rect width=\"100%%\" height=\"100%%\" fill=\"#fbfaf8\"/>\n"
                "<text class=\"title\" x=\"%d\" y=\"24\">",
                WIDTH, height, WIDTH, height, MARGIN);
        ebb_text_xml(image->out, title);
        fputs("</text>\n", image->out);
        write_facts(image);
        if (image->whole > 0)
            failed = write_frames(image, deepest);
        fputs("</svg>\n", image->out);
    }
    ebb_arena_free(&arena);
    return failed;
}

int ebb_flame_svg(const struct ebb_calltree *tree, const struct ebb_view *view,
                  const struct ebb_flame_options *options, FILE *out)
{
    struct image image = {
        .tree = tree, .view = view, .out = out, .whole = tree->calls.items[0].width};
    int64_t half_pixel = ebb_measure_part(tree->calls.items[0].width, 0.5 / inner_width);
    if (ebb__flame_cut(tree, half_pixel, MOST_FRAMES, &image.cut) < 0)
        return -ENOMEM;
    if (image.cut.deepest > DEEPEST)
        image.cut.deepest = DEEPEST;
    for (size_t i = 0; i < tree->calls.len; i++) {
        int64_t change = ebb_measure_abs(ebb_call_change(&tree->calls.items[i]));
        image.most_change = change > image.most_change ? change : image.most_change;
    }
    return write_image(&image, options);
}
