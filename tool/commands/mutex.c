/* ebb mutex URL: see take.h. */
#include "tool/commands/command.h"
#include "tool/commands/take.h"

static int run(int argc, char **argv)
{
    return ebb_command_take(argc, argv, "mutex",
                            "Takes a mutex profile: which unlocks others waited for "
                            "(runtime.SetMutexProfileFraction).");
}

const struct ebb_command ebb_command_mutex = {"mutex", "Take", "take a mutex profile of a service",
                                              run};
