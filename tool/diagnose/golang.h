/* Go programs: whose code is a frame, and which container is at work?
 *
 * Go writes names as import path, dot, receiver and function: "main.(*Cache).Put",
 * "encoding/json.Unmarshal", "example.org/shop/cart.Add[...]". The path tells the owner; the files
 * tell the program's own module from those it depends on. Maps, slices and channels are part of the
 * runtime, so a stack shows them by the runtime's functions, the classic maps (before Go 1.24) by
 * others than the Swiss ones.
 *
 * The runtime says more than names of functions can in C: whether a map is new, grows as a whole or
 * is one of a large map's many tables. */
#ifndef EBB_TOOL_DIAGNOSE_GOLANG_H
#define EBB_TOOL_DIAGNOSE_GOLANG_H

#include "tool/diagnose/containers.h"

/* Which module main belongs to, from where its files lie; a program without such a frame has none
 * that is known. O(frames). */
struct ebb_program ebb_go_program(const struct ebb_evidence *evidence);

struct ebb_place ebb_go_place(const struct ebb_evidence_stack *stack,
                              const struct ebb_program *program);
/* Neither the runtime's nor the standard library's nor a container module's. */
bool ebb_go_is_own(const struct ebb_frame *frame, const struct ebb_program *program);
/* Where everything starts. */
bool ebb_go_is_root(const struct ebb_frame *frame);

/* The name without type arguments: "main.(*Cache).Put". Truncates. */
void ebb_go_base(const char *function, char *base, size_t size);
/* The length of the part of a name that a function shares with the closures in it:
 * "main.(*Cache).Put" of "main.(*Cache).Put.func1.2". */
size_t ebb_go_family(const char *function);

/* Whether the stack is that of a visitor of /debug/pprof, us among them. */
bool ebb_go_is_visit(const struct ebb_evidence_stack *stack);

/* ---- what a processor profile says about maps ---- */

/* What a stack is at work on. */
enum ebb_labour {
    EBB_LABOUR_NONE,
    EBB_LABOUR_INSERT,         /* puts an entry into a map */
    EBB_LABOUR_CLEAR,          /* clears a whole map */
    EBB_LABOUR_DELETE,         /* removes an entry of a map */
    EBB_LABOUR_ITERATE_BEGIN,  /* begins to walk over a map: looks for its first entry */
    EBB_LABOUR_ITERATE,        /* walks on over a map */
    EBB_LABOUR_ITERATE_EMPTY,  /* the same, and looks for the next slot that is in use */
    EBB_LABOUR_SYNC_DELETE,    /* removes an entry of a sync.Map */
    EBB_LABOUR_SYNC_ITERATE,   /* walks over a sync.Map */
    EBB_LABOUR_SYNC_VISIT,     /* handles an entry while that goes on */
    EBB_LABOUR_COLLECT,        /* collects garbage */
    EBB_LABOUR_COLLECT_IDLE,   /* the same, with processor time that nobody else wanted */
    EBB_LABOUR_COLLECT_ASSIST, /* the same, in the place of the work that was to be done */
};
enum ebb_labour ebb_go_labour(const struct ebb_evidence_stack *stack, size_t site);

/* Whether the site is called for each entry of a sync.Map: a walk over it is further out. */
bool ebb_go_visits_sync_map(const struct ebb_evidence_stack *stack, size_t site);

/* The kind of keys that the outermost of the runtime's map functions below the site is made for, as
 * its name ends: "_fast64", "_fast32", "_faststr", "" for all others; EBB_GO_KEYS_SYNC when it is at
 * work for a sync.Map. NULL: there is none. */
#define EBB_GO_KEYS_SYNC "sync.Map"
const char *ebb_go_map_keys(const struct ebb_evidence_stack *stack, size_t site);

/* ---- versions ---- */

/* 19 of "go1.19.8", 0 when it is not known. */
int ebb_go_minor(const char *version);

enum { EBB_GO_CLEAR = 21, EBB_GO_SYNC_MAP_CLEAR = 23, EBB_GO_SWISS = 24 };

extern const struct ebb_container ebb_go_map, ebb_go_sync_map, ebb_go_pool, ebb_go_slice;

#endif
