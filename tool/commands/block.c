/* ebb block URL: see take.h. */
#include "tool/commands/command.h"
#include "tool/commands/take.h"

static int run(int argc, char **argv)
{
    return ebb_command_take(
        argc, argv, "block",
        "Takes a block profile: where goroutines waited (runtime.SetBlockProfileRate).");
}

const struct ebb_command ebb_command_block = {"block", "Take", "take a block profile of a service",
                                              run};
