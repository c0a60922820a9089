/* `ebb list`: the source of functions that match a pattern, each line with what it holds, line for
 * line as `go tool pprof -list` prints it. */
#ifndef EBB_TOOL_RENDER_LIST_H
#define EBB_TOOL_RENDER_LIST_H

#include "tool/render/pattern.h"
#include "tool/render/view.h"

#include <stdio.h>

/* The view must have been made with lines and objects. Sources are looked for below `source_path`
 * (colon-separated directories; NULL: the working directory). 0, -ENOENT when nothing matches
 * (nothing is printed then), or -ENOMEM. */
int ebb_list_print(const struct ebb_view *view, const struct ebb_pattern *pattern,
                   const char *source_path, FILE *out);

#endif
