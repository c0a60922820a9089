/* Taking one profile of a process or a service into a file: what `ebb heap`, `ebb cpu` and the like
 * share. They differ in the profile's name. */
#ifndef EBB_TOOL_COMMANDS_TAKE_H
#define EBB_TOOL_COMMANDS_TAKE_H

/* Runs such a subcommand: parses its arguments, takes profile `name` and writes it. `help` is the
 * first sentence of --help. Returns the exit status. */
int ebb_command_take(int argc, char **argv, const char *name, const char *help);

#endif
