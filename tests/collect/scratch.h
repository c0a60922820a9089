/* What the collect room's tests share: a temporary folder per test, files in it, commands. */
#ifndef EBB_TESTS_COLLECT_SCRATCH_H
#define EBB_TESTS_COLLECT_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Makes and removes a folder; the tests' state is its path. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Formats a path or command into one of a few static buffers. */
char *scratch_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a file, making the folders above it. */
void scratch_write(const char *path, const char *contents);

/* Runs a shell command; fails the test when it fails. */
void scratch_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Skips the test, saying why, unless the program is installed. */
#define NEED(program)                                                                              \
    do {                                                                                           \
        if (!scratch_have(program)) {                                                              \
            print_message("skipped: %s is not installed\n", program);                              \
            skip();                                                                                \
        }                                                                                          \
    } while (0)
bool scratch_have(const char *program);

/* The first line a command prints. */
char *scratch_output(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
