/* Where containers take their memory from.
 *
 * Two kinds of memory: blocks (nodes, small tables) and pages (large tables). Pages are reserved in
 * bulk and cost nothing until touched; a table grows into its reservation without moving, and what
 * it no longer needs is discarded page by page, so that memory goes back to the system without a
 * pause.
 *
 * An allocator is a table of functions and a context. `ebb_allocator_default` takes blocks from
 * malloc and pages from mmap. One that has no pages (`reserve` NULL) works too: large tables then
 * come as blocks, and growing or shrinking one copies it.
 *
 * The functions must be safe to call from every thread that uses a container with this allocator.
 * The allocator must outlive its containers. */
#ifndef EBB_ALLOCATOR_H
#define EBB_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ebb_allocator {
    void *context; /* the first argument of every function */

    /* A block of `size` bytes, aligned to `alignment` (a power of two); NULL: out of memory. */
    void *(*allocate)(void *context, size_t size, size_t alignment);
    /* `size` and `alignment` are those it was allocated with. */
    void (*release)(void *context, void *block, size_t size, size_t alignment);

    /* `size` bytes of zeroed pages, readable and writable; NULL: no room. `huge`: the system may
     * use huge pages, which are faster to look up and slower to hand out. */
    void *(*reserve)(void *context, size_t size, int huge);
    /* Moves the first `used` bytes of the reservation `from`, of `size` bytes, to the beginning of
     * a fresh one (page tables, not bytes) and gives `from` up. 0, or -1: nothing was done. May be
     * NULL: then the bytes are copied. */
    int (*move)(void *context, void *from, size_t size, void *to, size_t used);
    /* Gives the memory behind whole pages back; they read as zeros afterwards. */
    void (*discard)(void *context, void *pages, size_t size);
    void (*unreserve)(void *context, void *pages, size_t size);
};

extern const struct ebb_allocator ebb_allocator_default;

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
