/* One status line on a terminal that erases itself, for subcommands that watch for a while.
 *
 * Writes nothing when the stream is no terminal. The cursor waits at the line's start, so that
 * what a watched program prints to the same terminal goes over the status and not behind it. */
#ifndef EBB_TOOL_COMMANDS_PROGRESS_H
#define EBB_TOOL_COMMANDS_PROGRESS_H

#include "tool/collect/target.h"

#include <stdbool.h>
#include <stdio.h>

struct ebb_progress {
    FILE *out;
    bool shown; /* this is a terminal that wants to see it */
    double window_s;
};

struct ebb_progress ebb_progress_start(FILE *out, double window_s);
/* Elapsed time, live bytes, growth and RSS of all processes of a target. */
void ebb_progress_show(const struct ebb_progress *progress, const struct ebb_target *target,
                       double elapsed_s);
/* A line of words instead. */
void ebb_progress_say(const struct ebb_progress *progress, const char *words);
void ebb_progress_erase(const struct ebb_progress *progress);

#endif
