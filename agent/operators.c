/* operator new and delete.
 *
 * Most end in malloc and free, where they are counted; those of jemalloc, tcmalloc and mimalloc do
 * not, or some of them. The first call of each operator finds out by trying: one block is allocated
 * and freed through the real operators, and the agent looks whether that came by its own malloc or
 * free. From then on our operator is a jump to the real one, or a charge and a jump.
 *
 * The names are the C++ ABI's (Itanium): _Znw is operator new, _Zna new[], _Zdl delete, _Zda
 * delete[]; then m for size_t, Pv for void *, St11align_val_t, RKSt9nothrow_t. */
#include "agent/agent.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* The real operator: behind ours, or in a C++ library that was loaded for one object only and is
 * thus in nobody's sight. */
static void *find_operator(const char *name)
{
    void *symbol = ebb_real_symbol(name);
    static const char *const libraries[] = {"libstdc++.so.6", "libc++.so.1"};
    for (unsigned i = 0; !symbol && i < 2; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library)
            symbol = dlsym(library, name);
    }
    return symbol;
}

/* -- Operators of our own ---------------------------------------------------------------------- */

/* For a program whose only C++ library is inside a plugin, where nobody else can see it: the plugin
 * calls our operators, which then have nobody to call. These end in malloc and free, as that
 * library's own do. */

/* Throws std::bad_alloc through the caller's library, if that shows the function; `return_address`
 * lies in the caller. */
static void *out_of_memory(void *return_address)
{
    Dl_info caller;
    void *library = dladdr(return_address, &caller) && caller.dli_fname
                        ? dlopen(caller.dli_fname, RTLD_LAZY | RTLD_NOLOAD)
                        : NULL;
    void *symbol = library ? dlsym(library, "_ZSt17__throw_bad_allocv") : NULL;
    void (*throw_bad_alloc)(void);
    memcpy(&throw_bad_alloc, &symbol, sizeof symbol);
    if (throw_bad_alloc)
        throw_bad_alloc();
    abort(); /* as an exception that nobody catches ends */
}

static void *own_new(size_t size)
{
    void *block = malloc(size ? size : 1);
    return block ? block : out_of_memory(__builtin_return_address(0));
}

static void *own_new_nothrow(size_t size, const void *nothrow)
{
    (void)nothrow;
    return malloc(size ? size : 1);
}

static void *own_new_aligned_nothrow(size_t size, size_t align, const void *nothrow)
{
    (void)nothrow;
    void *block;
    return posix_memalign(&block, align < sizeof block ? sizeof block : align, size ? size : 1) == 0
               ? block
               : NULL;
}

static void *own_new_aligned(size_t size, size_t align)
{
    void *block = own_new_aligned_nothrow(size, align, NULL);
    return block ? block : out_of_memory(__builtin_return_address(0));
}

/* -- Trying ------------------------------------------------------------------------------------ */

#define TRIED_SIZE  16
#define TRIED_ALIGN 64
#define TRIED_ROOM  4096 /* so much must be free before anything is tried */

union operator
{
    void *symbol;
    void *(*new)(size_t);
    void *(*new_aligned)(size_t, size_t);
    void *(*new_nothrow)(size_t, const void *);
    void *(*new_aligned_nothrow)(size_t, size_t, const void *);
    void (*delete)(void *);
    void (*delete_aligned)(void *, size_t);
    void (*delete_nothrow)(void *, const void *);
    void (*delete_aligned_nothrow)(void *, size_t, const void *);
    void (*delete_sized)(void *, size_t);
    void (*delete_sized_aligned)(void *, size_t, size_t);
};

/* What an operator takes, read from its name. */
static bool is_array(const char *name)
{
    return name[3] == 'a';
}

static bool is_aligned(const char *name)
{
    return strstr(name, "St11align_val_t");
}

static bool is_nothrow(const char *name)
{
    return strstr(name, "RKSt9nothrow_t");
}

static bool is_sized(const char *name)
{
    return name[2] == 'd' && name[6] == 'm';
}

static void *try_new(const char *name, union operator real)
{
    static const char nothrow;
    if (is_aligned(name))
        return is_nothrow(name) ? real.new_aligned_nothrow(TRIED_SIZE, TRIED_ALIGN, &nothrow)
                                : real.new_aligned(TRIED_SIZE, TRIED_ALIGN);
    return is_nothrow(name) ? real.new_nothrow(TRIED_SIZE, &nothrow) : real.new(TRIED_SIZE);
}

static void try_delete(const char *name, union operator real, void *block)
{
    static const char nothrow;
    if (is_aligned(name) && is_sized(name))
        real.delete_sized_aligned(block, TRIED_SIZE, TRIED_ALIGN);
    else if (is_aligned(name) && is_nothrow(name))
        real.delete_aligned_nothrow(block, TRIED_ALIGN, &nothrow);
    else if (is_aligned(name))
        real.delete_aligned(block, TRIED_ALIGN);
    else if (is_sized(name))
        real.delete_sized(block, TRIED_SIZE);
    else if (is_nothrow(name))
        real.delete_nothrow(block, &nothrow);
    else
        real.delete(block);
}

enum outside { INSIDE, OUTSIDE, UNKNOWN };

/* Whether the calls of a real operator have to be counted here, because they do not end in our
 * malloc or free. The other half of the pair is the simplest that fits. */
static enum outside is_outside(const char *name, void *symbol)
{
    bool is_new = name[2] == 'n';
    const char *partner =
        is_new
            ? (is_aligned(name)
                   ? (is_array(name) ? "_ZdaPvSt11align_val_t" : "_ZdlPvSt11align_val_t")
                   : (is_array(name) ? "_ZdaPv" : "_ZdlPv"))
            : (is_aligned(name) ? (is_array(name) ? "_ZnamSt11align_val_t" : "_ZnwmSt11align_val_t")
                                : (is_array(name) ? "_Znam" : "_Znwm"));
    union operator real = {.symbol = symbol}, other = {.symbol = find_operator(partner)};

    /* A trial that throws would end the program when it is operator delete that was called. */
    void *room = ebb_real.malloc(TRIED_ROOM);
    ebb_real.free(room);
    if (!room || !other.symbol)
        return UNKNOWN;
    struct ebb_shard *outer = ebb_agent_self.shard;
    struct ebb_shard probe = {.countdown = INT64_MAX / 2};
    ebb_agent_self.shard = &probe;
    void *block = is_new ? try_new(name, real) : try_new(partner, other);
    uint64_t allocs = probe.allocs;
    if (is_new)
        try_delete(partner, other, block);
    else
        try_delete(name, real, block);
    uint64_t frees = probe.frees;
    ebb_agent_self.shard = outer;
    return (is_new ? allocs : frees) == 0 ? OUTSIDE : INSIDE;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): parameters and arguments are lists with parentheses */

/* -- operator new ------------------------------------------------------------------------------ */

/* Every operator is a jump through `entry`: at first to the function that finds the real one, then
 * to that one or to the function that charges. */
#define NEW(name, own, parameters, arguments)                                                      \
    static void *(*real##name)parameters;                                                          \
    static EBB_SLOW void *slow##name parameters                                                    \
    {                                                                                              \
        bool record = ebb_agent_due(size);                                                         \
        void *block = real##name arguments;                                                        \
        if (record)                                                                                \
            ebb_agent_born(block, size, EBB_KIND_MALLOC);                                          \
        return block;                                                                              \
    }                                                                                              \
    static void *charge##name parameters                                                           \
    {                                                                                              \
        if (ebb_unlikely(ebb_agent_charge(size)))                                                  \
            return slow##name arguments;                                                           \
        return real##name arguments;                                                               \
    }                                                                                              \
    static EBB_SLOW void *first##name parameters;                                                  \
    static void *(*entry##name)parameters = first##name;                                           \
    static void *first##name parameters                                                            \
    {                                                                                              \
        void *symbol = find_operator(#name);                                                       \
        if (!symbol) {                                                                             \
            entry##name = own;                                                                     \
            return entry##name arguments;                                                          \
        }                                                                                          \
        memcpy(&real##name, &symbol, sizeof symbol);                                               \
        enum outside outside = is_outside(#name, symbol);                                          \
        if (outside == UNKNOWN) /* another time */                                                 \
            return real##name arguments;                                                           \
        entry##name = outside == OUTSIDE ? charge##name : real##name;                              \
        return entry##name arguments;                                                              \
    }                                                                                              \
    EBB_EXPORT void *name parameters;                                                              \
    void *name parameters                                                                          \
    {                                                                                              \
        return entry##name arguments;                                                              \
    }

NEW(_Znwm, own_new, (size_t size), (size))
NEW(_Znam, own_new, (size_t size), (size))
NEW(_ZnwmRKSt9nothrow_t, own_new_nothrow, (size_t size, const void *nothrow), (size, nothrow))
NEW(_ZnamRKSt9nothrow_t, own_new_nothrow, (size_t size, const void *nothrow), (size, nothrow))
NEW(_ZnwmSt11align_val_t, own_new_aligned, (size_t size, size_t align), (size, align))
NEW(_ZnamSt11align_val_t, own_new_aligned, (size_t size, size_t align), (size, align))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, own_new_aligned_nothrow,
    (size_t size, size_t align, const void *nothrow), (size, align, nothrow))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, own_new_aligned_nothrow,
    (size_t size, size_t align, const void *nothrow), (size, align, nothrow))

/* -- operator delete --------------------------------------------------------------------------- */

#define DELETE(name, parameters, arguments)                                                        \
    static void(*real##name) parameters;                                                           \
    static EBB_SLOW void slow##name parameters                                                     \
    {                                                                                              \
        ebb_agent_freed(block);                                                                    \
        real##name arguments;                                                                      \
    }                                                                                              \
    static void count##name parameters                                                             \
    {                                                                                              \
        if (!block)                                                                                \
            return;                                                                                \
        struct ebb_shard *shard = ebb_agent_self.shard;                                            \
        if (ebb_unlikely(ebb_filter_has((uintptr_t)block) || shard->countdown < 0)) {              \
            slow##name arguments;                                                                  \
            return;                                                                                \
        }                                                                                          \
        shard->frees++;                                                                            \
        real##name arguments;                                                                      \
    }                                                                                              \
    static EBB_SLOW void first##name parameters;                                                   \
    static void(*entry##name) parameters = first##name;                                            \
    static void first##name parameters                                                             \
    {                                                                                              \
        void *symbol = find_operator(#name);                                                       \
        if (!symbol) {                                                                             \
            free(block);                                                                           \
            return;                                                                                \
        }                                                                                          \
        memcpy(&real##name, &symbol, sizeof symbol);                                               \
        enum outside outside = is_outside(#name, symbol);                                          \
        if (outside != UNKNOWN)                                                                    \
            entry##name = outside == OUTSIDE ? count##name : real##name;                           \
        if (outside == OUTSIDE)                                                                    \
            count##name arguments;                                                                 \
        else                                                                                       \
            real##name arguments;                                                                  \
    }                                                                                              \
    EBB_EXPORT void name parameters;                                                               \
    void name parameters                                                                           \
    {                                                                                              \
        entry##name arguments;                                                                     \
    }

DELETE(_ZdlPv, (void *block), (block))
DELETE(_ZdaPv, (void *block), (block))
DELETE(_ZdlPvm, (void *block, size_t size), (block, size))
DELETE(_ZdaPvm, (void *block, size_t size), (block, size))
DELETE(_ZdlPvRKSt9nothrow_t, (void *block, const void *nothrow), (block, nothrow))
DELETE(_ZdaPvRKSt9nothrow_t, (void *block, const void *nothrow), (block, nothrow))
DELETE(_ZdlPvSt11align_val_t, (void *block, size_t align), (block, align))
DELETE(_ZdaPvSt11align_val_t, (void *block, size_t align), (block, align))
DELETE(_ZdlPvmSt11align_val_t, (void *block, size_t size, size_t align), (block, size, align))
DELETE(_ZdaPvmSt11align_val_t, (void *block, size_t size, size_t align), (block, size, align))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t align, const void *nothrow),
       (block, align, nothrow))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t align, const void *nothrow),
       (block, align, nothrow))

/* NOLINTEND(bugprone-macro-parentheses) */
