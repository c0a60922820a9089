/* See ebb/log.h and log.h. */
#include "log.h"

#include <ebb/log.h>

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum { LONGEST_LINE = 400 };

static const struct ebb_log *current;

static void write_stderr(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

const struct ebb_log ebb_log_stderr = {write_stderr, NULL};

void ebb_log_set(const struct ebb_log *log)
{
    __atomic_store_n(&current, log, __ATOMIC_RELEASE);
}

void ebb__log(const char *format, ...)
{
    const struct ebb_log *log = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
    if (!log)
        return;
    int saved = errno;
    char line[LONGEST_LINE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    log->write(log->context, line);
    errno = saved;
}
