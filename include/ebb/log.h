/* Where warnings go that have no callback of their own: a map that has grown beyond its warn_len.
 *
 * Nowhere, until a program says otherwise; the library prints nothing by itself.
 *
 *     ebb_log_set(&ebb_log_stderr);
 *
 * A warning is one line without the line feed. It is written by the thread whose call caused it, while
 * the container is busy: the function must not use it. Thread-safe. */
#ifndef EBB_LOG_H
#define EBB_LOG_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct ebb_log {
    void (*write)(void *context, const char *line);
    void *context; /* its first argument */
};

/* One line each to standard error. */
extern const struct ebb_log ebb_log_stderr;

/* From now on lines go to `log`, which must stay valid; NULL: nowhere. */
void ebb_log_set(const struct ebb_log *log);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
