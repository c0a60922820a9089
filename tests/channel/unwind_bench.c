/* Nanoseconds per walk of the fast unwinder and of libgcc's, at several depths, warm. */
#include "base/clock.h"
#include "channel/unwind.h"
#include "tests/channel/unwind_shapes.h"

#include <stdio.h>

static __attribute__((noinline)) void measure(void)
{
    uint64_t pcs[128];
    size_t count = 0;
    double best[2] = {1e18, 1e18};
    for (int round = 0; round < 10; round++)
        for (int which = 0; which < 2; which++) {
            const int walks = which ? 500 : 10000;
            uint64_t start = ebb_clock_ns();
            for (int i = 0; i < walks; i++)
                count = which ? ebb_unwind_libgcc(pcs, 128, NULL) : ebb_unwind(pcs, 128, NULL);
            double each = (double)(ebb_clock_ns() - start) / walks;
            if (each < best[which])
                best[which] = each;
        }
    printf("%4zu frames: %6.0f ns, libgcc %6.0f ns, ratio %.1f\n", count, best[0], best[1],
           best[1] / best[0]);
}

int main(void)
{
    ebb_unwind_init();
    for (int depth = 5; depth <= 85; depth += 20)
        shape_recursion(depth, measure);
    return 0;
}
