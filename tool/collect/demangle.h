/* Names as people write them: functions demangled, without parameters, return types and compiler
 * suffixes; source paths whole and straight.
 * Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_DEMANGLE_H
#define EBB_TOOL_COLLECT_DEMANGLE_H

#include "base/arena.h"

/* The readable form of a symbol's name: "std::vector<int, std::allocator<int> >::push_back" for
 * "_ZNSt6vectorIiSaIiEE9push_backERKi", "parse" for "parse.constprop.0" and "memcpy" for
 * "memcpy@@GLIBC_2.14". Template arguments are kept: they tell containers apart. Returns `name`
 * itself when there is nothing to change, else a copy in the arena; NULL when out of memory. */
const char *ebb__demangle(struct ebb_arena *arena, const char *name);

/* The path of `file`, relative to `directory` unless absolute, with "." and ".." resolved as text:
 * "/build/src", "./../lib/list.h" give "/build/lib/list.h". A copy in the arena; NULL: out of
 * memory. */
const char *ebb__source_path(struct ebb_arena *arena, const char *directory, const char *file);

#endif
