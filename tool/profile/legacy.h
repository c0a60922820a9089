/* What the parts of the legacy readers share: a text profile on its way to the model.
 *
 * legacy.c reads samples and legacy_maps.c the list of mapped files; then every address is known
 * and legacy_maps.c says which mapping it lies in, and legacy.c builds the profile. */
#ifndef EBB_TOOL_PROFILE_LEGACY_H
#define EBB_TOOL_PROFILE_LEGACY_H

#include "base/vec.h"
#include "tool/profile/index.h"
#include "tool/profile/profile.h"

#include <ctype.h>

/* A piece of the text; not NUL-terminated. */
struct ebb_text {
    const char *at, *end;
};

/* Takes the next line off `rest`, without its line end and the blanks around it; false: no more. */
bool ebb_text_line(struct ebb_text *rest, struct ebb_text *line);
/* Takes a literal, a decimal number, a hexadecimal one (no 0x) or blanks off the beginning; false
 * when it does not begin so or the number does not fit (the text is then unchanged). */
bool ebb_text_skip(struct ebb_text *text, const char *literal);
bool ebb_text_number(struct ebb_text *text, int64_t *number);
bool ebb_text_hex(struct ebb_text *text, uint64_t *number);
void ebb_text_blanks(struct ebb_text *text);
bool ebb_text_contains(struct ebb_text text, const char *literal);

struct ebb_legacy_mapping {
    uint64_t start, limit, offset;
    struct ebb_text file, build_id;
    uint32_t number; /* in the profile that is built; EBB_NONE until it is used */
};

struct ebb_legacy_maps {
    struct ebb_legacy_mapping *items; /* the main binary first */
    size_t len, cap;
    /* Where addresses are looked up: sorted, without overlaps. */
    struct ebb_legacy_range {
        uint64_t start, limit;
        uint32_t mapping;
    } * ranges;
    size_t range_count;
    uint32_t unknown; /* the mapping of addresses that lie in none; EBB_NONE until needed */
};

/* Reads /proc/PID/maps lines and pprof's brief form (`start-limit path (@offset) build-id`); others
 * are ignored, as are mappings without code. 0 or -ENOMEM. */
int ebb_legacy_maps_read(struct ebb_legacy_maps *maps, struct ebb_text text);
/* The mapping of an address: its number in `items`, or EBB_NONE when out of memory. */
uint32_t ebb_legacy_maps_find(struct ebb_legacy_maps *maps, uint64_t address);
void ebb_legacy_maps_free(struct ebb_legacy_maps *maps);

#endif
