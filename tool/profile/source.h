/* The bytes of a profile file, unpacked on the way: gzip (any number of members one after the
 * other) or plain, told apart by the first two bytes.
 *
 * Hostile input cannot make it unpack without end: the total is limited to EBB_SOURCE_LIMIT, and
 * beyond EBB_SOURCE_FREE bytes to EBB_SOURCE_RATIO times the packed size. */
#ifndef EBB_TOOL_PROFILE_SOURCE_H
#define EBB_TOOL_PROFILE_SOURCE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#define EBB_SOURCE_LIMIT (UINT64_C(2) << 30)
#define EBB_SOURCE_FREE  (UINT64_C(64) << 20)
#define EBB_SOURCE_RATIO 256

struct ebb_source {
    const char *name; /* for messages */
    const unsigned char *next;
    size_t left;
    bool packed, open; /* gzip at all; inside a member */
    uint64_t produced, limit;
    z_stream inflater;
};

/* `data` and `name` must outlive the source. 0 or -ENOMEM. */
int ebb_source_open(struct ebb_source *source, const void *data, size_t size, const char *name,
                    struct ebb_error *error);

/* Writes the next bytes to `buffer`: `size` of them, fewer only at the end (`*got` says how many).
 * 0, -EBADMSG (damaged, truncated), -EFBIG (over the limits) or -ENOMEM. */
int ebb_source_read(struct ebb_source *source, void *buffer, size_t size, size_t *got,
                    struct ebb_error *error);

void ebb_source_close(struct ebb_source *source);

#endif
