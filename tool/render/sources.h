/* Source files by the paths that compilers recorded, which are often those of another machine.
 *
 * A file is looked for, in this order: below each directory of the search path and below its
 * parents, under ever shorter ends of its path; then under the path itself. Only regular files of
 * sensible size are read. Files are kept, so each is looked for once. */
#ifndef EBB_TOOL_RENDER_SOURCES_H
#define EBB_TOOL_RENDER_SOURCES_H

#include "base/arena.h"
#include "base/vec.h"

struct ebb_source_file {
    const char *wanted;       /* the recorded path */
    const char *found;        /* where it was, NULL: nowhere */
    const char *const *lines; /* lines[0] is line 1; without line ends */
    size_t line_count;
};

struct ebb_sources {
    const char *search_path; /* colon-separated; NULL: none */
    struct ebb_arena arena;
    struct ebb_source_files EBB_VEC(struct ebb_source_file *) files;
};

/* The file, found or not; NULL: out of memory. Belongs to `sources`. */
const struct ebb_source_file *ebb_sources_get(struct ebb_sources *sources, const char *path);
void ebb_sources_free(struct ebb_sources *sources);

#endif
