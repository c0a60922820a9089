/* `ebb top`: one line per node, as `go tool pprof -top` prints them, or as JSON. */
#ifndef EBB_TOOL_RENDER_TOP_H
#define EBB_TOOL_RENDER_TOP_H

#include "tool/render/ranking.h"

#include <stdio.h>

void ebb_top_print(const struct ebb_ranking *ranking, FILE *out);

/* One object: {"schema": 1, "type", "unit", "total", "shown", "dropped_nodes", "nodes":
 * [{"function", "file", "line", "object", "flat", "cum", "inlined"}]}. Values are bare numbers of
 * `unit`. */
void ebb_top_json(const struct ebb_ranking *ranking, FILE *out);

#endif
