/* The unwinder's front: see unwind.h. */
#include "channel/unwind.h"

void ebb_unwind_init(void)
{
    uint64_t pc;
    ebb_unwind_libgcc(&pc, 1, NULL);
}

__attribute__((noinline)) size_t ebb_unwind(uint64_t *pcs, size_t max, bool *truncated)
{
    bool deeper;
    size_t count = ebb_unwind_libgcc(pcs, max, &deeper);
    if (truncated)
        *truncated = deeper;
    return count;
}
