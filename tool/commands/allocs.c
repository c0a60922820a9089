/* ebb allocs PID, ebb allocs URL: see take.h. */
#include "tool/commands/command.h"
#include "tool/commands/take.h"

static int run(int argc, char **argv)
{
    return ebb_command_take(
        argc, argv, "allocs",
        "Takes a profile of everything allocated since the program started, by stack.");
}

const struct ebb_command ebb_command_allocs = {"allocs", "Take",
                                               "take a profile of all allocations so far", run};
