/* The unwinder that every toolchain has: libgcc's _Unwind_Backtrace. See unwind.h. */
#include "channel/unwind.h"

#include <errno.h>
#include <unwind.h>

struct walk {
    uint64_t *pcs;
    size_t max, count;
    bool started, truncated;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = (struct walk *)argument;
    if (!walk->started) { /* the frame of ebb_unwind_libgcc itself */
        walk->started = true;
        return _URC_NO_REASON;
    }
    int exact = 0;
    uint64_t pc = _Unwind_GetIPInfo(context, &exact);
    if (pc == 0)
        return _URC_END_OF_STACK;
    if (walk->count == walk->max) {
        walk->truncated = true;
        return _URC_END_OF_STACK;
    }
    walk->pcs[walk->count++] = exact ? pc + 1 : pc;
    return _URC_NO_REASON;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): `visit` writes through it */
__attribute__((noinline)) size_t ebb_unwind_libgcc(uint64_t *pcs, size_t max, bool *truncated)
{
    struct walk walk = {.pcs = pcs, .max = max};
    int saved = errno;
    _Unwind_Backtrace(visit, &walk);
    errno = saved;
    if (truncated)
        *truncated = walk.truncated;
    return walk.count;
}
