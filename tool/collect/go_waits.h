/* What goroutines wait for: reads the text of /debug/pprof/goroutine?debug=2. Internal to the
 * collect room. */
#ifndef EBB_TOOL_COLLECT_GO_WAITS_H
#define EBB_TOOL_COLLECT_GO_WAITS_H

#include "tool/profile/profile.h"

/* Labels of the samples: a text and a number. */
#define EBB_WAIT_REASON  "reason"
#define EBB_WAIT_MINUTES "minutes"

/* Makes a profile of type goroutine/count in which goroutines that stand at the same place for the
 * same reason are one sample. The text need not end with a NUL; what does not look like a goroutine
 * is left out, so that a text that was cut off gives what it has. `name` stands in messages. 0;
 * -EBADMSG when there is no goroutine at all, -ENOMEM. O(size). */
int ebb__go_waits_read(const char *text, size_t size, const char *name,
                       struct ebb_profile **profile, struct ebb_error *error);

#endif
