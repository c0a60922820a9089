/* `ebb tree`: the call tree as text, heaviest branches first.
 *
 *          total      %       self  call
 *         8.00MB  64.00%         0  main
 *         6.00MB  48.00%         0  ├─ serve
 *         6.00MB  48.00%    6.00MB  │  cache_insert
 *         2.00MB  16.00%    2.00MB  └─ load
 *
 * A call that is the only one of its caller stands under it without a new column, so that long
 * chains stay readable. What is too small is left out, and its sum is said where it was. */
#ifndef EBB_TOOL_RENDER_TREE_H
#define EBB_TOOL_RENDER_TREE_H

#include "tool/render/calltree.h"

#include <stdio.h>

/* `view` gives header and unit; in a comparison it is the later one. 0 or -ENOMEM. */
int ebb_tree_print(const struct ebb_calltree *tree, const struct ebb_view *view, FILE *out);

/* One object: {"schema": 1, "type", "unit", "inverted", "root": {"function", "file", "line",
 * "total", "self", "left_out", "calls": [...]}}; in a comparison also "total_before" and
 * "self_before". "left_out" is the sum of calls that were too small to be written. */
void ebb_tree_json(const struct ebb_calltree *tree, const struct ebb_view *view, FILE *out);

#endif
