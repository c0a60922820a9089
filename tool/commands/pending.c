/* Subcommands that are not written yet. */
#include "tool/commands/command.h"

static int pending(int argc, char **argv)
{
    (void)argc;
    return ebb_command_fail(argv[0], "not written yet");
}

#define PENDING(name, group, summary)                                                              \
    const struct ebb_command ebb_command_##name = {#name, group, summary, pending}

PENDING(ps, "Look", "which processes publish");
