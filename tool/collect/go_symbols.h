/* The names that a Go service gives to addresses (/debug/pprof/symbol), and profiles written anew with
 * them. Internal to the collect room. */
#ifndef EBB_TOOL_COLLECT_GO_SYMBOLS_H
#define EBB_TOOL_COLLECT_GO_SYMBOLS_H

#include "base/arena.h"
#include "base/vec.h"
#include "tool/profile/index.h"
#include "tool/profile/profile.h"

#include <stdbool.h>

struct ebb_go_symbol {
    uint64_t address;
    const char *name; /* normalised, in the arena; "": the service does not know it */
};

/* Zeroed: empty. Not thread-safe. */
struct ebb_go_symbols {
    struct ebb_arena arena;
    struct ebb__go_symbol_list EBB_VEC(struct ebb_go_symbol) list;
    struct ebb_index index;
    struct ebb__go_symbol_text EBB_VEC(char) normal; /* the name that is being normalised */
};

void ebb__go_symbols_free(struct ebb_go_symbols *symbols);

/* Whether the address was answered, be it that it is unknown. O(1). */
bool ebb__go_symbols_have(const struct ebb_go_symbols *symbols, uint64_t address);

/* Takes the lines "0xADDRESS NAME" of an answer; other lines are skipped. 0 or -ENOMEM. */
int ebb__go_symbols_read(struct ebb_go_symbols *symbols, const char *text);

/* Remembers an address as unknown. 0 or -ENOMEM. */
int ebb__go_symbols_give_up(struct ebb_go_symbols *symbols, uint64_t address);

/* Writes a profile anew: addresses without a name get theirs, all names are in one form, and the end
 * of every stack, runtime.goexit, is left out as Go's own profiles do. Replaces `*profile`; on failure
 * it is NULL. 0 or a negative errno. */
int ebb__go_symbols_apply(struct ebb_go_symbols *symbols, struct ebb_profile **profile,
                          struct ebb_error *error);

#endif
