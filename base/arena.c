/* See arena.h. Blocks double from 64 KiB to 8 MiB; a request larger than a block gets its own. */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ebb_arena_block {
    struct ebb_arena_block *older;
    size_t size;
};

enum { SMALLEST_BLOCK = 64 << 10, LARGEST_BLOCK = 8 << 20, ALIGNMENT = 16 };

static_assert(sizeof(struct ebb_arena_block) == ALIGNMENT, "a block's payload stays aligned");

static int add_block(struct ebb_arena *arena, size_t at_least)
{
    size_t size = arena->newest ? arena->newest->size * 2 : SMALLEST_BLOCK;
    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < at_least)
        size = at_least;
    if (size > PTRDIFF_MAX - sizeof(struct ebb_arena_block))
        return -1;
    struct ebb_arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return -1;
    block->older = arena->newest;
    block->size = size;
    arena->newest = block;
    arena->next = (char *)(block + 1);
    arena->end = arena->next + size;
    arena->bytes += sizeof *block + size;
    return 0;
}

void *ebb_arena_alloc(struct ebb_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size > (size_t)(arena->end - arena->next) && add_block(arena, size) < 0)
        return NULL;
    void *memory = arena->next;
    arena->next += size;
    return memory;
}

void *ebb_arena_zalloc(struct ebb_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *memory = ebb_arena_alloc(arena, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

char *ebb_arena_strndup(struct ebb_arena *arena, const char *text, size_t length)
{
    char *copy = length < SIZE_MAX ? ebb_arena_alloc(arena, length + 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *ebb_arena_strdup(struct ebb_arena *arena, const char *text)
{
    return ebb_arena_strndup(arena, text, strlen(text));
}

char *ebb_arena_printf(struct ebb_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *text = length < 0 ? NULL : ebb_arena_alloc(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return text;
}

void ebb_arena_free(struct ebb_arena *arena)
{
    while (arena->newest) {
        struct ebb_arena_block *older = arena->newest->older;
        free(arena->newest);
        arena->newest = older;
    }
    *arena = (struct ebb_arena){0};
}
