/* Flame graphs, drawn as icicles: the root on top, below each frame what it calls, as wide as what
 * it holds.
 *
 * Either one HTML page that needs nothing else (no request; zoom, search, inverting; it draws what
 * is visible, so large profiles are fine) or one static SVG image. Of trees with two sides it is a
 * difference: a frame is as wide as the larger of before and now, red where it grew and blue where
 * it shrank, the stronger the more in absolute numbers.
 *
 * Size is bounded: to what the trees leave out are added ever wider frames until no more than
 * EBB_FLAME_MOST remain. The page says what is left out. */
#ifndef EBB_TOOL_RENDER_FLAME_H
#define EBB_TOOL_RENDER_FLAME_H

#include "tool/render/calltree.h"

#include <stdio.h>

enum { EBB_FLAME_MOST = 100000 }; /* frames, of both trees of a page */
/* The fraction for trees of which frames never come to be a pixel wide unless zoomed to. */
#define EBB_FLAME_SMALLEST 0.00002

struct ebb_flame_options {
    const char *title; /* NULL: made of the value's name and the program's */
    bool inverted;     /* the page starts with the leaf on top (images: the tree says) */
};

/* A page has both trees, `upright` and `inverted`, of the same views. Trees must be sorted by
 * width; `view` is the later one. 0 or -ENOMEM; errors of writing are left in `out`. */
int ebb_flame_html(const struct ebb_calltree *upright, const struct ebb_calltree *inverted,
                   const struct ebb_view *view, const struct ebb_flame_options *options, FILE *out);
int ebb_flame_svg(const struct ebb_calltree *tree, const struct ebb_view *view,
                  const struct ebb_flame_options *options, FILE *out);

#endif
