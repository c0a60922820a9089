/* ebb heap PID, ebb heap URL: see take.h. */
#include "tool/commands/command.h"
#include "tool/commands/take.h"

static int run(int argc, char **argv)
{
    return ebb_command_take(
        argc, argv, "heap",
        "Takes a heap profile: what is in use and what was allocated so far, by stack.");
}

const struct ebb_command ebb_command_heap = {"heap", "Take", "take a heap profile", run};
