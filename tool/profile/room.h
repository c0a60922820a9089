/* What the files of this room share and nobody else includes. */
#ifndef EBB_TOOL_PROFILE_ROOM_H
#define EBB_TOOL_PROFILE_ROOM_H

#include "tool/profile/profile.h"
#include "tool/profile/source.h"

/* An empty profile; NULL when out of memory. Its arrays (`strings`, `stack`, ...) are malloc'ed one
 * by one and given back by ebb_profile_free(); texts and `comments` live in the arena. */
struct ebb_profile *ebb__profile_new(void);

/* Sets a mapping's has_* flags where all of its locations bear them out. 0 or -ENOMEM. */
int ebb__profile_set_flags(struct ebb_profile *profile);

/* ebb_profile_builder_location() for one that may be folded; `first_line` is ignored. */
uint32_t ebb__builder_location(struct ebb_profile_builder *builder,
                               const struct ebb_location *location, const struct ebb_line *lines);

/* A piece of a file in memory that is filled from a source: bytes[0] .. bytes[size - 1]. */
struct ebb_window {
    struct ebb_source *source;
    unsigned char *bytes;
    size_t size, capacity;
    bool ended; /* nothing follows */
};

/* Drops the first `used` bytes and reads on, doubling the window when it is full. */
int ebb__window_advance(struct ebb_window *window, size_t used, struct ebb_error *error);

/* Readers, each given a window at the file's beginning. */
int ebb__pprof_read(struct ebb_window *window, struct ebb_profile **profile,
                    struct ebb_error *error);

/* The same for texts, given the whole; `recognised` goes by their first line. */
bool ebb__legacy_recognised(const void *data, size_t size);
int ebb__legacy_read(const void *data, size_t size, const char *name, struct ebb_profile **profile,
                     struct ebb_error *error);

#endif
