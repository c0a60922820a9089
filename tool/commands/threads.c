/* ebb threads PID, ebb threads URL: see take.h. */
#include "tool/commands/command.h"
#include "tool/commands/take.h"

static int run(int argc, char **argv)
{
    return ebb_command_take(argc, argv, "threadcreate",
                            "Takes a profile of the stacks that created threads.");
}

const struct ebb_command ebb_command_threads = {"threads", "Take",
                                                "take a profile of thread creations", run};
