/* `ebb peek`: the nodes that match a pattern, each between those that call it and those it calls,
 * line for line as `go tool pprof -peek` prints them. */
#ifndef EBB_TOOL_RENDER_PEEK_H
#define EBB_TOOL_RENDER_PEEK_H

#include "tool/render/pattern.h"
#include "tool/render/ranking.h"

#include <stdio.h>

/* The ranking must have been made with all edges and without trimming. 0, -ENOENT when nothing
 * matches (nothing is printed then), or -ENOMEM. */
int ebb_peek_print(const struct ebb_ranking *ranking, const struct ebb_pattern *pattern, FILE *out);

#endif
