/* The functions behind ours.
 *
 * Until they are known, `ebb_real` points to functions that look them up first. dlsym may allocate
 * itself; those calls are served from a small static arena, whose blocks are recognised for ever
 * after by range. Only when the arena was used at all do free and realloc pay for the test. */
#include "agent/agent.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/* -- The start-up arena ------------------------------------------------------------------------ */

#define ARENA_SIZE  (64 * 1024)
#define ARENA_ALIGN 16

static struct {
    char bytes[ARENA_SIZE] __attribute__((aligned(ARENA_ALIGN)));
    size_t used;
} arena;

/* What libc gave us, for the wrappers below. */
static struct ebb_real found;

/* Zeroed, never reused; NULL when the arena is spent. The size is kept in front of the block. */
static void *arena_alloc(size_t align, size_t size)
{
    if (align < ARENA_ALIGN)
        align = ARENA_ALIGN;
    if (size > ARENA_SIZE || align > 4096) {
        errno = ENOMEM;
        return NULL;
    }
    size_t needed = ARENA_ALIGN + align + ((size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1));
    size_t at = __atomic_fetch_add(&arena.used, needed, __ATOMIC_RELAXED);
    if (at + needed > ARENA_SIZE) {
        errno = ENOMEM;
        return NULL;
    }
    char *block = arena.bytes + at + ARENA_ALIGN;
    block += -(uintptr_t)block & (align - 1);
    ((size_t *)(void *)block)[-1] = size;
    return block;
}

static bool in_arena(const void *block)
{
    return (uintptr_t)block - (uintptr_t)arena.bytes < ARENA_SIZE;
}

static void free_but_arena(void *block)
{
    if (!in_arena(block))
        found.free(block);
}

static void *realloc_but_arena(void *block, size_t size)
{
    if (!in_arena(block))
        return found.realloc(block, size);
    void *moved = found.malloc(size);
    if (moved) {
        size_t old = ((const size_t *)block)[-1];
        memcpy(moved, block, old < size ? old : size);
    }
    return moved;
}

/* -- Before the real functions are known ------------------------------------------------------- */

static void *early_malloc(size_t size)
{
    return ebb_real_resolve() ? ebb_real.malloc(size) : arena_alloc(1, size);
}

static void *early_calloc(size_t count, size_t size)
{
    if (ebb_real_resolve())
        return ebb_real.calloc(count, size);
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        total = SIZE_MAX;
    return arena_alloc(1, total);
}

static void early_free(void *block)
{
    if (!in_arena(block) && ebb_real_resolve())
        ebb_real.free(block);
}

static void *early_realloc(void *block, size_t size)
{
    if (ebb_real_resolve())
        return ebb_real.realloc(block, size);
    void *moved = arena_alloc(1, size);
    if (moved && block && in_arena(block)) {
        size_t old = ((const size_t *)block)[-1];
        memcpy(moved, block, old < size ? old : size);
    }
    return moved;
}

static void *early_memalign(size_t align, size_t size)
{
    return ebb_real_resolve() ? ebb_real.memalign(align, size) : arena_alloc(align, size);
}

static void *early_aligned_alloc(size_t align, size_t size)
{
    return ebb_real_resolve() ? ebb_real.aligned_alloc(align, size) : arena_alloc(align, size);
}

static int early_posix_memalign(void **block, size_t align, size_t size)
{
    if (ebb_real_resolve())
        return ebb_real.posix_memalign(block, align, size);
    void *got = arena_alloc(align, size);
    if (!got)
        return ENOMEM;
    *block = got;
    return 0;
}

static void *early_valloc(size_t size)
{
    return ebb_real_resolve() ? ebb_real.valloc(size) : arena_alloc(4096, size);
}

static void *early_pvalloc(size_t size)
{
    return ebb_real_resolve() ? ebb_real.pvalloc(size) : arena_alloc(4096, size);
}

struct ebb_real ebb_real = {
    .malloc = early_malloc,
    .free = early_free,
    .calloc = early_calloc,
    .realloc = early_realloc,
    .memalign = early_memalign,
    .aligned_alloc = early_aligned_alloc,
    .posix_memalign = early_posix_memalign,
    .valloc = early_valloc,
    .pvalloc = early_pvalloc,
};

/* -- Looking up -------------------------------------------------------------------------------- */

void *ebb_real_symbol(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

static void *no_memory(size_t size)
{
    (void)size;
    errno = ENOMEM;
    return NULL;
}

/* Function and object pointers have one representation wherever dlsym exists. */
#define FIND(name)                                                                                 \
    do {                                                                                           \
        void *symbol = ebb_real_symbol(#name);                                                     \
        memcpy(&next.name, &symbol, sizeof symbol);                                                \
    } while (0)

bool ebb_real_resolve(void)
{
    if (ebb_agent_self.resolving)
        return false;
    ebb_agent_self.resolving = true;
    struct ebb_real next = {0};
    FIND(malloc);
    FIND(free);
    FIND(calloc);
    FIND(realloc);
    FIND(memalign);
    FIND(aligned_alloc);
    FIND(posix_memalign);
    FIND(valloc);
    FIND(pvalloc);
    if (!next.pvalloc) /* not every libc has it */
        next.pvalloc = next.valloc ? next.valloc : no_memory;
    found = next;
    if (__atomic_load_n(&arena.used, __ATOMIC_RELAXED)) {
        next.free = free_but_arena;
        next.realloc = realloc_but_arena;
    }
    /* Threads that are here at the same time write the same values. */
    ebb_real = next;
    ebb_agent_self.resolving = false;
    return true;
}
