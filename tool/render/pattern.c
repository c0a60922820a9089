/* Translation to POSIX extended syntax, then regcomp(). See pattern.h. */
#include "tool/render/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *append(char *to, const char *text)
{
    return stpcpy(to, text);
}

/* What an escaped letter stands for, as the inside of a bracket; NULL: itself. */
static const char *class_of(char letter)
{
    switch (letter) {
    case 'd':
        return "0-9";
    case 'w':
        return "A-Za-z0-9_";
    case 's':
        return " \t\n\v\f\r";
    default:
        return NULL;
    }
}

/* Copies a bracket expression from its '[' on. A backslash, which POSIX takes literally there,
 * escapes as it does elsewhere: "]" then goes first and "-" last, where POSIX takes them literally.
 */
static const char *translate_bracket(const char *from, char **to)
{
    const char *at = from + 1;
    bool negated = *at == '^', bracket = false, hyphen = false;
    at += negated;
    char *set = *to + 1 + negated + 1, *end = set; /* a place is left for "]" */
    if (*at == ']') {
        bracket = true;
        at++;
    }
    while (*at && *at != ']') {
        if (at[0] == '[' && strchr(":.=", at[1]) && at[1]) {
            char close[] = {at[1], ']', '\0'};
            const char *stop = strstr(at + 2, close);
            if (stop) {
                memcpy(end, at, (size_t)(stop + 2 - at));
                end += stop + 2 - at;
                at = stop + 2;
                continue;
            }
        }
        if (at[0] != '\\' || !at[1]) {
            *end++ = *at++;
            continue;
        }
        const char *class = class_of(at[1]);
        if (class)
            end = append(end, class);
        else if (at[1] == ']')
            bracket = true;
        else if (at[1] == '-')
            hyphen = true;
        else
            *end++ = at[1];
        at += 2;
    }
    if (!*at)
        return NULL; /* never closed */
    char *start = *to;
    *start++ = '[';
    if (negated)
        *start++ = '^';
    if (bracket)
        *start++ = ']';
    memmove(start, set, (size_t)(end - set));
    start += end - set;
    if (hyphen)
        *start++ = '-';
    *start++ = ']';
    *to = start;
    return at + 1;
}

/* `text` in POSIX extended syntax, malloc'ed; `*flags` gets REG_ICASE for "(?i)". NULL with
 * `errno`. */
static char *translate(const char *text, int *flags)
{
    char *posix = malloc(strlen(text) * 16 + 8), *to = posix;
    if (!posix)
        return NULL;
    if (strncmp(text, "(?i)", 4) == 0) {
        *flags |= REG_ICASE;
        text += 4;
    }
    while (text && *text) {
        const char *class =
            text[0] == '\\' ? class_of((char)tolower((unsigned char)text[1])) : NULL;
        if (text[0] == '[') {
            text = translate_bracket(text, &to);
        } else if (strncmp(text, "(?:", 3) == 0) {
            *to++ = '(';
            text += 3;
        } else if (class) {
            to = append(to, isupper((unsigned char)text[1]) ? "[^" : "[");
            to = append(append(to, class), "]");
            text += 2;
        } else if (text[0] == '\\' && (text[1] == 'A' || text[1] == 'z')) {
            *to++ = text[1] == 'A' ? '^' : '$';
            text += 2;
        } else if (text[0] == '\\' && text[1]) {
            *to++ = *text++;
            *to++ = *text++;
        } else {
            *to++ = *text++;
        }
    }
    if (!text) {
        free(posix);
        errno = EINVAL;
        return NULL;
    }
    *to = '\0';
    return posix;
}

int ebb_pattern_compile(struct ebb_pattern *pattern, const char *option, const char *text,
                        struct ebb_error *error)
{
    pattern->set = false;
    if (!text)
        return 0;
    int flags = REG_EXTENDED | REG_NOSUB;
    char *posix = translate(text, &flags);
    if (!posix && errno == ENOMEM)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    if (!posix)
        return ebb_error_set(error, -EINVAL,
                             "%s '%s': a '[' without its ']'; write \\[ for the "
                             "character itself",
                             option, text);
    int failed = regcomp(&pattern->regex, posix, flags);
    free(posix);
    if (failed) {
        char why[128];
        regerror(failed, &pattern->regex, why, sizeof why);
        return ebb_error_set(error, failed == REG_ESPACE ? -ENOMEM : -EINVAL,
                             "%s '%s': %s; put \\ before characters meant literally", option, text,
                             why);
    }
    pattern->set = true;
    return 0;
}

void ebb_pattern_free(struct ebb_pattern *pattern)
{
    if (pattern->set)
        regfree(&pattern->regex);
    pattern->set = false;
}
