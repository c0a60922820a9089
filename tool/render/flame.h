/* Flame graphs, drawn as icicles: the root on top, below each frame what it calls, as wide as what
 * it holds.
 *
 * Either one HTML page that needs nothing else (no request; zoom, search, inverting; it draws what
 * is visible, so large profiles are fine) or one static SVG image. Of a tree with two columns it is
 * a difference: a frame is as wide as the larger of before and now, red where it grew and blue
 * where it shrank, the stronger the more in absolute numbers.
 *
 * Size is bounded: frames narrower than `smallest` of the whole are left out, and ever wider ones
 * until no more than EBB_FLAME_MOST remain. The page says what was left out. */
#ifndef EBB_TOOL_RENDER_FLAME_H
#define EBB_TOOL_RENDER_FLAME_H

#include "tool/render/calltree.h"

#include <stdio.h>

enum { EBB_FLAME_MOST = 100000 };
#define EBB_FLAME_SMALLEST 0.0001

struct ebb_flame_options {
    const char *title; /* NULL: made of the value's name and the program's */
    double smallest;   /* fraction of the whole */
    bool inverted;     /* the page starts with the leaf on top (images: the tree says) */
};

/* `view` is the later one. The tree of a page must not be inverted: the page does that. Trees must
 * be sorted by width. 0 or -ENOMEM; errors of writing are left in `out`. */
int ebb_flame_html(const struct ebb_calltree *tree, const struct ebb_view *view,
                   const struct ebb_flame_options *options, FILE *out);
int ebb_flame_svg(const struct ebb_calltree *tree, const struct ebb_view *view,
                  const struct ebb_flame_options *options, FILE *out);

#endif
