/* Whose code is this frame, and which container is at work?
 *
 * A stack is read from its leaf. The frames of the allocator, of allocation wrappers and of
 * container libraries come first; the first frame behind them is the user's own: the site. On the
 * way the outermost container is noted, the one that the site itself calls: a string inside a map's
 * node belongs to the map.
 *
 * Names are matched without template arguments and return types, so one rule covers every
 * instance of a template. What no rule knows is recognised by shape later (groups.h); words in the
 * names of the user's own functions are weak evidence and only that.
 *
 * Go's stacks are read by golang.h. */
#ifndef EBB_TOOL_DIAGNOSE_CONTAINERS_H
#define EBB_TOOL_DIAGNOSE_CONTAINERS_H

#include "tool/collect/evidence.h"
#include "tool/diagnose/names.h"

/* The program whose stacks are read. */
struct ebb_program {
    const char *executable; /* path of the main module, "" unknown */
    bool go;
    const char *module; /* of Go's main package: the first `module_length` bytes, 0 unknown */
    size_t module_length;
};

struct ebb_place {
    size_t site; /* index of the frame */
    const struct ebb_container *container;
    enum ebb_role role;
    bool nested;        /* the container's values are containers, as its type says */
    bool interpreter;   /* the site is an interpreter's: the user's code is a script */
    bool allocator_own; /* memory an allocator takes for itself */
    bool grow_word;     /* the site is called something like grow or rehash */
    bool map_word;      /* ... something like insert or cache */
    bool sequence_word; /* ... something like append or buffer */
    bool make_word;     /* ... something like new_entry or node_create */
    bool makes_table;   /* ... something like table_new or create_index */
    bool exact;         /* a Go stack with the runtime's frames: no container means there is none */
    bool part;   /* of a table that is one of many in one map (Swiss maps), or of its overflow */
    bool visit;  /* somebody asked for a profile */
    bool nobody; /* a Go stack of nothing but the runtime */
};

struct ebb_program ebb_program_of(const struct ebb_evidence *evidence);

/* Reads a stack. O(frames). */
struct ebb_place ebb_place_stack(const struct ebb_evidence_stack *stack,
                                 const struct ebb_program *program);

/* Whether frame `index` is the user's own code: neither library, allocator nor container. */
bool ebb_frame_is_own(const struct ebb_evidence_stack *stack, size_t index,
                      const struct ebb_program *program);

/* A function that only starts things: main, a thread's first function in libc, an event loop's
 * root. Two allocations that have nothing else in common have nothing in common. */
bool ebb_frame_is_root(const struct ebb_frame *frame);

/* What the name of the user's own function suggests. */
void ebb_place_read_words(struct ebb_place *place, const char *base);

/* The name without template arguments and return type: "std::vector::push_back". Truncates. */
void ebb_function_base(const char *function, char *base, size_t size);

#endif
