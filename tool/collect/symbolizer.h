/* What tests need of the symbolizer and nobody else. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_SYMBOLIZER_H
#define EBB_TOOL_COLLECT_SYMBOLIZER_H

#include "tool/collect/symbols.h"

/* Where separate debug files are looked for instead of ":.debug:/usr/lib/debug" (the syntax of
 * dwfl_standard_find_debuginfo). Call it before the first question. 0 or -ENOMEM. */
int ebb__symbolizer_debug_path(struct ebb_symbolizer *symbolizer, const char *path);

#endif
