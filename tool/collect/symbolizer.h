/* More of the symbolizer, for this room and its tests. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_SYMBOLIZER_H
#define EBB_TOOL_COLLECT_SYMBOLIZER_H

#include "tool/collect/symbols.h"

/* Where separate debug files are looked for instead of ":.debug:/usr/lib/debug" (the syntax of
 * dwfl_standard_find_debuginfo). Call it before the first question. 0 or -ENOMEM. */
int ebb__symbolizer_debug_path(struct ebb_symbolizer *symbolizer, const char *path);

/* A symbolizer for another process that shares `other`'s open files, names and answers' memory:
 * frames it returns live until the last of them is freed. NULL: out of memory. */
struct ebb_symbolizer *ebb__symbolizer_new_beside(struct ebb_symbolizer *other);

#endif
