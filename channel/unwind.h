/* The unwinder: the return addresses of the calling thread's stack, from inside the program.
 *
 * Works in code compiled without frame pointers. Takes no lock, allocates nothing, may be called
 * from signal handlers, on any stack, with any alignment of life around it; a stack it cannot
 * follow ends early instead of crashing. Keeps errno. */
#ifndef EBB_CHANNEL_UNWIND_H
#define EBB_CHANNEL_UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the first ebb_unwind cheap and free of the dynamic linker's locks. Call once, early, while
 * it is safe to allocate; ebb_unwind works without it. Thread-safe. */
void ebb_unwind_init(void);

/* Writes up to `max` addresses into `pcs`, the leaf first, and returns how many. pcs[0] lies in the
 * function that called ebb_unwind. Every address a is such that a - 1 lies in the call instruction;
 * of a frame that a signal interrupted it is the interrupted instruction's address plus one, so
 * that readers need no exception. `*truncated` (may be NULL): the stack was deeper than `max`. */
size_t ebb_unwind(uint64_t *pcs, size_t max, bool *truncated);

/* The same through libgcc's _Unwind_Backtrace: 10 to 20 times slower. The fallback on machines that
 * the fast unwinder does not know, and what it is tested against. */
size_t ebb_unwind_libgcc(uint64_t *pcs, size_t max, bool *truncated);

#endif
