/* A file that takes its place only when it is complete: written beside it under a passing name and
 * moved there, so that a full disk, a crash or Ctrl-C leaves the old one as it was.
 *
 * What is no regular file (a pipe, a terminal, a device) is written to as it stands, and a link to
 * a file is followed: neither is ever replaced. */
#ifndef EBB_BASE_OUTPUT_FILE_H
#define EBB_BASE_OUTPUT_FILE_H

#include <limits.h>
#include <stdio.h>

struct ebb_output_file {
    FILE *stream;             /* write here */
    char place[PATH_MAX];     /* where it is to be, links followed */
    char temporary[PATH_MAX]; /* "" while writing in place */
};

/* 0 or a negative errno; nothing exists then. */
int ebb_output_file_open(struct ebb_output_file *file, const char *path);

/* Completes the file, unless `failed` (a negative errno of the writer's) says that its contents are
 * no good: then nothing changes. Gives `failed`, or why completing failed, or 0. */
int ebb_output_file_close(struct ebb_output_file *file, int failed);

#endif
