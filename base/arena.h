/* An arena: memory that is handed out by bumping a pointer and returned all at once.
 *
 * The command builds large read-only models (profiles, symbol tables, reports) whose parts die
 * together; each model owns one arena. Not thread-safe. */
#ifndef EBB_BASE_ARENA_H
#define EBB_BASE_ARENA_H

#include <stddef.h>

struct ebb_arena_block;

struct ebb_arena {
    struct ebb_arena_block *newest; /* zero-initialised: `struct ebb_arena arena = {0};` */
    char *next, *end;
    size_t bytes; /* taken from libc so far */
};

/* `size` bytes aligned to 16, uninitialised; NULL when out of memory. O(1) amortised. */
void *ebb_arena_alloc(struct ebb_arena *arena, size_t size);

/* The same, zeroed; NULL as well when count * size overflows. */
void *ebb_arena_zalloc(struct ebb_arena *arena, size_t count, size_t size);

/* Copies of strings, NUL-terminated. */
char *ebb_arena_strdup(struct ebb_arena *arena, const char *text);
char *ebb_arena_strndup(struct ebb_arena *arena, const char *text, size_t length);
char *ebb_arena_printf(struct ebb_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Gives everything back; the arena may be used again. */
void ebb_arena_free(struct ebb_arena *arena);

#endif
