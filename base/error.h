/* One clear line about what went wrong, carried from where it is known to where it is printed.
 *
 * A function that can fail for a reason the user must read takes a `struct ebb_error *` as its last
 * parameter, returns 0 or a negative errno, and on failure fills the line: what was tried, on what,
 * why it failed, and where possible what to do. The pointer may be NULL. */
#ifndef EBB_BASE_ERROR_H
#define EBB_BASE_ERROR_H

struct ebb_error {
    char text[512];
};

/* Fills `error` (printf style, no newline) and returns `code`, so that a failing path is one line:
 * `return ebb_error_set(error, -ENOENT, "%s: no such record", path);` Async-signal-unsafe. */
int ebb_error_set(struct ebb_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tells the analyzer, which looks into no other file, that the code comes back. */
#ifdef __clang_analyzer__
#define ebb_error_set(error, code, ...) ((void)(ebb_error_set)(error, code, __VA_ARGS__), (code))
#endif

#endif
