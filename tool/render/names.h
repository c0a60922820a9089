/* Function names and source paths as people and pprof write them. */
#ifndef EBB_TOOL_RENDER_NAMES_H
#define EBB_TOOL_RENDER_NAMES_H

#include "base/arena.h"

/* The name to show for a function: `name` when the profile's maker already made one out of
 * `system_name`, else the demangled form without parameters and template arguments, as pprof has
 * it. Points to an argument or into the arena; NULL: out of memory. */
const char *ebb_name_shown(struct ebb_arena *arena, const char *name, const char *system_name);

/* `path` with "." and ".." resolved as text, and cut where it enters a directory that is named like
 * one of `source_path` (colon-separated, NULL: none): "/build/x/proj/a.c" and "/home/me/proj" give
 * "a.c". "" stays "". */
const char *ebb_path_shown(struct ebb_arena *arena, const char *path, const char *source_path);

#endif
