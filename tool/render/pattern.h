/* Regular expressions on names: POSIX extended, as the C library has them, plus the spellings that
 * pprof's users type and profiles carry: (?i) in front, (?:...), \d, \w, \s, \b, also inside
 * brackets. */
#ifndef EBB_TOOL_RENDER_PATTERN_H
#define EBB_TOOL_RENDER_PATTERN_H

#include "base/error.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct ebb_pattern {
    regex_t regex;
    bool set; /* false: no pattern */
};

/* Compiles `text`; NULL leaves the pattern unset. `option` names it in messages ("--focus"). 0,
 * -EINVAL and a line, or -ENOMEM. */
int ebb_pattern_compile(struct ebb_pattern *pattern, const char *option, const char *text,
                        struct ebb_error *error);

void ebb_pattern_free(struct ebb_pattern *pattern);

/* Whether it matches anywhere in `text`. */
static inline bool ebb_pattern_matches(const struct ebb_pattern *pattern, const char *text)
{
    return regexec(&pattern->regex, text, 0, NULL, 0) == 0;
}

#endif
