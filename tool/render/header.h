/* The lines above a table: what is shown and how much of it, as pprof prints them. */
#ifndef EBB_TOOL_RENDER_HEADER_H
#define EBB_TOOL_RENDER_HEADER_H

#include "tool/render/view.h"

#include <stdio.h>

/* What a table leaves out. */
struct ebb_trimming {
    int64_t shown;                  /* value of the rows */
    size_t rows, rows_before_limit; /* rows fewer: "Showing top 10 nodes out of 50" */
    size_t dropped_nodes;
    double node_fraction; /* of the total, below which nodes were dropped */
};

/* File, build-id, comments, type, time, duration, filters. Values in `unit`. */
void ebb_header_profile(FILE *out, const struct ebb_view *view, const char *unit);
/* "Showing nodes accounting for ...". */
void ebb_header_trimming(FILE *out, const struct ebb_view *view, const char *unit,
                         const struct ebb_trimming *trimming);

#endif
