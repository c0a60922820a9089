/* ebb goroutine URL: see take.h. */
#include "tool/commands/command.h"
#include "tool/commands/take.h"

static int run(int argc, char **argv)
{
    return ebb_command_take(argc, argv, "goroutine",
                            "Takes a goroutine profile: how many there are, by where they stand.");
}

const struct ebb_command ebb_command_goroutine = {"goroutine", "Take",
                                                  "take a goroutine profile of a service", run};
