/* operator new and delete.
 *
 * Most end in malloc and free, where they are counted; jemalloc's, tcmalloc's and mimalloc's do
 * not. The first call of each kind finds out by trying: it allocates and frees one block through
 * the real operators and looks whether that came by here. From then on ours are a jump to the real
 * ones, or a charge and a jump.
 *
 * The names are the C++ ABI's (Itanium): _Znw is operator new, _Zna new[], _Zdl delete, _Zda
 * delete[]; then m for size_t, Pv for void *, St11align_val_t, RKSt9nothrow_t. */
#include "agent/agent.h"

#include <dlfcn.h>
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
    if (!symbol)
        __builtin_trap(); /* whoever calls an operator linked to a library that has it */
    return symbol;
}

static enum { UNTRIED, IN_MALLOC, OUTSIDE } new_is, delete_is;

/* Whether new and delete end in our malloc and free. */
static void try_operators(void)
{
    void *(*new)(size_t);
    void (*delete)(void *);
    void *symbol = find_operator("_Znwm");
    memcpy(&new, &symbol, sizeof symbol);
    symbol = find_operator("_ZdlPv");
    memcpy(&delete, &symbol, sizeof symbol);

    struct ebb_shard *outer = ebb_agent_self.shard;
    struct ebb_shard probe = {.countdown = INT64_MAX / 2};
    ebb_agent_self.shard = &probe;
    void *block = new (sizeof(void *));
    uint64_t allocs = probe.allocs;
    delete (block);
    uint64_t frees = probe.frees;
    ebb_agent_self.shard = outer;
    new_is = allocs ? IN_MALLOC : OUTSIDE;
    delete_is = frees ? IN_MALLOC : OUTSIDE;
}

static bool counted(bool is_new)
{
    if (new_is == UNTRIED)
        try_operators();
    return (is_new ? new_is : delete_is) == OUTSIDE;
}

/* -- operator new ------------------------------------------------------------------------------ */

/* Every operator is a jump through `entry`: at first to the function that finds the real one, then
 * to that one or to the function that charges. */
#define NEW(name, parameters, arguments)                                                           \
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
        memcpy(&real##name, &symbol, sizeof symbol);                                               \
        entry##name = counted(true) ? charge##name : real##name;                                   \
        return entry##name arguments;                                                              \
    }                                                                                              \
    EBB_EXPORT void *name parameters;                                                              \
    void *name parameters                                                                          \
    {                                                                                              \
        return entry##name arguments;                                                              \
    }

NEW(_Znwm, (size_t size), (size))
NEW(_Znam, (size_t size), (size))
NEW(_ZnwmRKSt9nothrow_t, (size_t size, const void *nothrow), (size, nothrow))
NEW(_ZnamRKSt9nothrow_t, (size_t size, const void *nothrow), (size, nothrow))
NEW(_ZnwmSt11align_val_t, (size_t size, size_t align), (size, align))
NEW(_ZnamSt11align_val_t, (size_t size, size_t align), (size, align))
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *nothrow),
    (size, align, nothrow))
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *nothrow),
    (size, align, nothrow))

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
        memcpy(&real##name, &symbol, sizeof symbol);                                               \
        entry##name = counted(false) ? count##name : real##name;                                   \
        entry##name arguments;                                                                     \
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
