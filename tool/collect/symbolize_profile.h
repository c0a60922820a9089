/* Symbols for profiles that came without: locations that are addresses in a mapping and nothing
 * else get functions and lines from the mapped files, where those are still there and unchanged. */
#ifndef EBB_TOOL_COLLECT_SYMBOLIZE_PROFILE_H
#define EBB_TOOL_COLLECT_SYMBOLIZE_PROFILE_H

#include "tool/profile/profile.h"

/* Makes the profile with symbols. `*out` is NULL when there is nothing to add: `in` is then as good
 * as it gets. A file that is missing, unreadable or another one by its build-id is no error. 0 or
 * -ENOMEM. */
int ebb_profile_symbolize(const struct ebb_profile *in, struct ebb_profile **out,
                          struct ebb_error *error);

#endif
