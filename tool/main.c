/* The ebb command: finds the subcommand and runs it. */
#include "tool/commands/command.h"

#include <string.h>

static const struct ebb_command *const commands[] = {
    &ebb_command_doctor, &ebb_command_record, &ebb_command_top,     &ebb_command_tree,
    &ebb_command_peek,   &ebb_command_list,   &ebb_command_diff,    &ebb_command_flame,
    &ebb_command_heap,   &ebb_command_allocs, &ebb_command_threads, &ebb_command_run,
    &ebb_command_serve,  &ebb_command_ps,
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *out)
{
    fputs("Ebb finds the line of code that keeps memory, says until when, and what to change.\n"
          "\n"
          "  ebb doctor -- CMD ARG...    start a program, watch it, name what keeps its memory\n"
          "  ebb doctor PID              the same for a process that already publishes\n",
          out);
    const char *group = "";
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(group, commands[i]->group) != 0)
            fprintf(out, "\n%s\n", group = commands[i]->group);
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\n`ebb COMMAND --help` teaches one command; `man ebb` has it all.\n", out);
}

/* The subcommand whose name is nearest to a mistyped one: shares the first letters. */
static const struct ebb_command *nearest(const char *name)
{
    const struct ebb_command *best = NULL;
    size_t best_length = 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        size_t length = 0;
        while (name[length] && name[length] == commands[i]->name[length])
            length++;
        if (length > best_length) {
            best_length = length;
            best = commands[i];
        }
    }
    return best;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("ebb " EBB_VERSION);
        return 0;
    }
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i]->run(argc - 1, argv + 1);
    const struct ebb_command *meant = nearest(name);
    if (meant)
        fprintf(stderr, "ebb: no command '%s'; did you mean `ebb %s`? `ebb --help` lists all\n",
                name, meant->name);
    else
        fprintf(stderr, "ebb: no command '%s'; `ebb --help` lists all\n", name);
    return 2;
}
