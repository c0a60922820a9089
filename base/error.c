/* See error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

int(ebb_error_set)(struct ebb_error *error, int code, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return code;
}
