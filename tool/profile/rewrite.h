/* A profile made again with other frames: locations keep their addresses and mappings, samples
 * their values and labels, and a callback says which lines each location has now. */
#ifndef EBB_TOOL_PROFILE_REWRITE_H
#define EBB_TOOL_PROFILE_REWRITE_H

#include "base/vec.h"
#include "tool/profile/profile.h"

struct ebb_line_list EBB_VEC(struct ebb_line);

/* Appends a copy of one of `from`'s lines, function and all. 0 or -ENOMEM. */
int ebb_rewrite_add_line(struct ebb_line_list *lines, struct ebb_profile_builder *to,
                         const struct ebb_profile *from, const struct ebb_line *line);

/* Makes the new profile. `choose` appends to `lines` what location `location` of `from` shall have,
 * the innermost inlined call first, with functions of `to`, and returns 1, or 0 to
 * leave the location out of every stack, or a negative errno. Of sample i the part begin[i] to
 * end[i] of from->stack is taken; samples whose part is empty are left out. 0 or -ENOMEM. */
int ebb_profile_rewrite(const struct ebb_profile *from, const uint64_t *begin, const uint64_t *end,
                        int (*choose)(void *context, const struct ebb_profile *from,
                                      size_t location, struct ebb_profile_builder *to,
                                      struct ebb_line_list *lines),
                        void *context, struct ebb_profile **to, struct ebb_error *error);

#endif
