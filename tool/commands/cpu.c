/* ebb cpu URL: see take.h. */
#include "tool/commands/command.h"
#include "tool/commands/take.h"

static int run(int argc, char **argv)
{
    return ebb_command_take(argc, argv, "cpu",
                            "Gathers a processor profile: where the service spends its time.");
}

const struct ebb_command ebb_command_cpu = {"cpu", "Take",
                                            "gather a processor profile of a service", run};
