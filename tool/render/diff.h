/* `ebb diff`: what each node holds more or less than before, as `go tool pprof -diff_base -top`
 * counts it, with signs and with both sides beside it. */
#ifndef EBB_TOOL_RENDER_DIFF_H
#define EBB_TOOL_RENDER_DIFF_H

#include "tool/render/ranking.h"

#include <stdio.h>

struct ebb_diff {
    const struct ebb_ranking *changes;     /* of the view of the difference */
    const struct ebb_weight *before, *now; /* by node id */
    bool by_cum;                           /* which weights stand in the two columns */
};

void ebb_diff_print(const struct ebb_diff *diff, FILE *out);

/* As ebb_top_json() has it, with "flat_before", "flat_now", "cum_before" and "cum_now" for each
 * node. */
void ebb_diff_json(const struct ebb_diff *diff, FILE *out);

#endif
