/* A module that the unwinder's test loads and unloads. MODULE_FRAME sets the size of its frame, so
 * that two builds of it have different rules at the same place. */
#include "tests/channel/unwind_shapes.h"

int module_call(int depth, leaf_function *leaf);

__attribute__((noinline)) int module_call(int depth, leaf_function *leaf)
{
    volatile char room[MODULE_FRAME];
    room[depth] = 1;
    if (depth == 0)
        leaf();
    else
        module_call(depth - 1, leaf);
    return room[depth];
}
