/* The one model of a profile: what pprof files, legacy heap texts and live programs turn into, and
 * what every view, difference and diagnosis reads.
 *
 * It follows profile.proto (github.com/google/pprof/proto/profile.proto): samples point to stacks
 * of locations, a location is an address in a mapping with its chain of inlined lines, a line names
 * a function. Ids are array indexes here; ids of files are renumbered on the way in and out.
 * Everything lives in plain arrays so that a view walks millions of samples at memory speed:
 * sample i has stack[stack_start[i]] .. stack[stack_start[i + 1] - 1], the leaf first, and values
 * values[i * type_count + t].
 *
 * Strings are indexes into `strings`; index 0 is "". A profile owns all its memory. It is read-only
 * once built and then may be read from several threads. */
#ifndef EBB_TOOL_PROFILE_PROFILE_H
#define EBB_TOOL_PROFILE_PROFILE_H

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EBB_NONE UINT32_MAX /* no such index */

struct ebb_value_type {
    uint32_t type, unit; /* strings: "inuse_space", "bytes" */
};

struct ebb_mapping {
    uint64_t start, limit, offset;
    uint32_t file, build_id; /* strings */
    bool has_functions, has_filenames, has_line_numbers, has_inline_frames;
};

struct ebb_function {
    uint32_t name, system_name, file; /* strings */
    int64_t start_line;
};

struct ebb_line {
    uint32_t function; /* index */
    int64_t line;
};

struct ebb_location {
    uint32_t mapping; /* index or EBB_NONE */
    uint64_t address;
    uint32_t first_line, line_count; /* into `lines`, the innermost inlined call first */
    bool folded;
};

struct ebb_label {
    uint32_t key, text, unit; /* strings; `text` 0 for a number */
    int64_t number;
};

struct ebb_profile {
    struct ebb_arena arena; /* texts and comments; the other arrays are malloc'ed one by one */

    char **strings;
    size_t string_count;

    struct ebb_value_type *types;
    size_t type_count;
    uint32_t default_type; /* string: name of the default sample type, 0 when unset */

    struct ebb_mapping *mappings;
    size_t mapping_count;
    struct ebb_function *functions;
    size_t function_count;
    struct ebb_line *lines;
    size_t line_count;
    struct ebb_location *locations;
    size_t location_count;

    size_t sample_count;
    uint64_t *stack_start; /* sample_count + 1 */
    uint32_t *stack;       /* location indexes */
    int64_t *values;       /* sample_count * type_count */
    uint64_t *label_start; /* sample_count + 1, or NULL when no sample has labels */
    struct ebb_label *labels;

    struct ebb_value_type period_type;
    int64_t period, time_ns, duration_ns;
    uint32_t drop_frames, keep_frames, doc_url; /* strings */
    uint32_t *comments;                         /* strings */
    size_t comment_count;
};

void ebb_profile_free(struct ebb_profile *profile); /* NULL is fine */

/* ---- in and out ---- */

/* Reads a profile of any known format (gzip or plain: pprof protobuf, heap_v2, heapz_v2, heap
 * profile, heapprofile, growthz text with MAPPED_LIBRARIES), told apart by content. `name` stands
 * in messages. 0, or -EBADMSG / -ENOMEM / an errno and the line. */
int ebb_profile_read_file(const char *path, struct ebb_profile **profile, struct ebb_error *error);
int ebb_profile_read_memory(const void *data, size_t size, const char *name,
                            struct ebb_profile **profile, struct ebb_error *error);

/* Encodes as gzipped pprof protobuf. The buffer is malloc'ed; the caller frees it. */
int ebb_profile_encode(const struct ebb_profile *profile, void **data, size_t *size,
                       struct ebb_error *error);
/* Writes it to a file: a temporary beside it that is renamed, so a full disk leaves the old file.
 */
int ebb_profile_write_file(const struct ebb_profile *profile, const char *path,
                           struct ebb_error *error);

/* ---- building ---- */

/* Builds a profile piece by piece; equal strings, functions, locations and samples (same stack and
 * labels; values added) are merged. Any call may run out of memory: the builder then remembers it
 * and ebb_profile_builder_finish says -ENOMEM, so callers need not check each step. */
struct ebb_profile_builder;
struct ebb_profile_builder *ebb_profile_builder_new(void); /* NULL: out of memory */
uint32_t ebb_profile_builder_string(struct ebb_profile_builder *builder, const char *text);
void ebb_profile_builder_type(struct ebb_profile_builder *builder, const char *type,
                              const char *unit);
uint32_t ebb_profile_builder_mapping(struct ebb_profile_builder *builder,
                                     const struct ebb_mapping *mapping);
uint32_t ebb_profile_builder_function(struct ebb_profile_builder *builder, const char *name,
                                      const char *system_name, const char *file,
                                      int64_t start_line);
uint32_t ebb_profile_builder_location(struct ebb_profile_builder *builder, uint32_t mapping,
                                      uint64_t address, const struct ebb_line *lines,
                                      size_t line_count);
void ebb_profile_builder_sample(struct ebb_profile_builder *builder, const uint32_t *stack,
                                size_t depth, const int64_t *values, const struct ebb_label *labels,
                                size_t label_count);
/* The profile under construction, for the header fields (period, time, comments by string id). */
struct ebb_profile *ebb_profile_builder_header(struct ebb_profile_builder *builder);
void ebb_profile_builder_comment(struct ebb_profile_builder *builder, const char *text);
int ebb_profile_builder_finish(struct ebb_profile_builder *builder, struct ebb_profile **profile,
                               struct ebb_error *error);
void ebb_profile_builder_abandon(struct ebb_profile_builder *builder);

/* ---- transformations: each makes a new profile ---- */

/* Sum of `count` profiles with the same sample types; `scale[i]` (NULL: all 1) multiplies the
 * values of profile i, so {1, -1} makes the difference of two. Samples that become zero are
 * dropped. */
int ebb_profile_merge(const struct ebb_profile *const *profiles, const int *scale, size_t count,
                      struct ebb_profile **merged, struct ebb_error *error);

/* Cuts off the leaf ends of stacks what the profile itself declares uninteresting (`drop_frames`:
 * an allocator's own functions), as pprof does before every view. Goes by names, so symbolize
 * first; one that has none or drops nothing stays as it is. Changes the profile in place: make it before sharing the profile. 0, -ENOMEM, or -EINVAL and a line when the expression
 * is unusable (the profile is then unchanged). */
int ebb_profile_prune(struct ebb_profile *profile, struct ebb_error *error);

/* Appends a comment, in place: make it before sharing the profile. 0 or -ENOMEM. */
int ebb_profile_add_comment(struct ebb_profile *profile, const char *text);

/* ---- questions ---- */

/* The value index to show: `wanted` by name ("inuse_space", or a unique prefix), else the default
 * type, else the last one, as pprof does. -ENOENT with a line that lists the choices. */
int ebb_profile_value_index(const struct ebb_profile *profile, const char *wanted,
                            struct ebb_error *error);

/* The index of the sample type of exactly this name, -1 when there is none. */
int ebb_profile_find_type(const struct ebb_profile *profile, const char *name);

static inline const char *ebb_profile_string(const struct ebb_profile *profile, uint32_t index)
{
    return profile->strings[index];
}

#endif
