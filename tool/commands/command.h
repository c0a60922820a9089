/* The ebb command's subcommands: one file each, one entry each in the table of main.c.
 *
 * A subcommand parses its own options with getopt_long, answers --help itself, prints errors as one
 * line `ebb NAME: what: why; what to do` on stderr, and returns the exit status: 0 done (doctor: and
 * nothing found), 1 found, 2 could not. */
#ifndef EBB_TOOL_COMMANDS_COMMAND_H
#define EBB_TOOL_COMMANDS_COMMAND_H

#include "base/units.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ebb_command {
    const char *name;
    const char *group;   /* heading in `ebb --help`: "Diagnose", "Look", "Take", "Serve", "Learn" */
    const char *summary; /* one line in `ebb --help` */
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name */
};

/* Each defined in its own file of tool/commands/. */
extern const struct ebb_command ebb_command_doctor, ebb_command_record, ebb_command_run,
    ebb_command_serve, ebb_command_heap, ebb_command_allocs, ebb_command_threads, ebb_command_cpu,
    ebb_command_mutex, ebb_command_block, ebb_command_goroutine, ebb_command_ps, ebb_command_top,
    ebb_command_tree, ebb_command_peek, ebb_command_list, ebb_command_diff, ebb_command_flame,
    ebb_command_maps, ebb_command_lab;

/* Shared by subcommands (common.c). */

/* Prints `ebb NAME: text` on stderr and returns 2. The text may quote what nobody vouches for: what
 * could act on a terminal is shown as escapes. */
int ebb_command_fail(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same without a status. */
void ebb_command_note(const char *name, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* "30s", "5m", "1h30m", "250ms", plain seconds → seconds; negative when malformed. */
double ebb_parse_duration(const char *text);

/* "512K", "1M", "4GiB", plain bytes → bytes; 0 when malformed or zero. Powers of 1024. */
unsigned long long ebb_parse_size(const char *text);

/* Whether to colour `stream`: a terminal, TERM not "dumb", NO_COLOR unset. */
bool ebb_use_colour(FILE *stream);

/* What a word of the command line looks like: a number (a process id), an address of any scheme. */
bool ebb_is_number(const char *word);
bool ebb_is_url(const char *word);

/* "4 min 10 s", "2.5 h", "3 days". Returns `buffer`. */
char *ebb_format_duration(double seconds, char buffer[static 24]);

#endif
