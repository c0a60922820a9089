/* Names of Go functions in one form, whatever version and endpoint they come from. Internal to the
 * collect room. */
#ifndef EBB_TOOL_COLLECT_GO_NAMES_H
#define EBB_TOOL_COLLECT_GO_NAMES_H

#include <stddef.h>

/* Replaces the type arguments of generics by "...": protocol buffers write
 * "pkg.(*Map[go.shape.string,go.shape.int]).Store", texts "pkg.(*Map[...]).Store". In place (so what
 * is shorter than the dots stays); returns
 * `name`. O(length). */
char *ebb__go_name_normalise(char *name);

#endif
