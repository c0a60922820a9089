/* Collapsed stacks: one line per distinct stack, `root;caller;leaf value`, for tools that read
 * them. Lines are sorted; values are bare numbers of the view's unit. */
#ifndef EBB_TOOL_RENDER_FOLDED_H
#define EBB_TOOL_RENDER_FOLDED_H

#include "tool/render/view.h"

#include <stdio.h>

/* 0 or -ENOMEM. A semicolon in a name is written as a colon, which no stack is split at. */
int ebb_folded_print(const struct ebb_view *view, FILE *out, struct ebb_error *error);

#endif
