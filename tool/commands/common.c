/* What subcommands share: error lines, durations, sizes, colour. See command.h. */
#include "tool/commands/command.h"

#include "tool/render/text.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ebb_command_note(const char *name, const char *format, va_list arguments)
{
    struct ebb_arena arena = {0};
    char *text = NULL;
    const char *plain = vasprintf(&text, format, arguments) < 0 ? NULL : text;
    if (plain)
        plain = ebb_text_plain(&arena, plain);
    fprintf(stderr, "ebb %s: %s\n", name, plain ? plain : "out of memory");
    free(text);
    ebb_arena_free(&arena);
}

int ebb_command_fail(const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    ebb_command_note(name, format, arguments);
    va_end(arguments);
    return 2;
}

static double unit_seconds(const char *unit, size_t length)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i].name) == length && strncmp(unit, units[i].name, length) == 0)
            return units[i].seconds;
    return length == 0 ? 1 : -1;
}

/* A number in plain decimal digits; negative when there is none, or when strtod would see more than
 * that in it (hexadecimal, exponents). */
static double parse_number(const char *text, const char **end)
{
    size_t digits = strspn(text, "0123456789.");
    char *stop;
    double number = digits > 0 ? strtod(text, &stop) : -1;
    *end = text + digits;
    return digits > 0 && stop == *end && isfinite(number) ? number : -1;
}

double ebb_parse_duration(const char *text)
{
    double total = 0;
    if (!*text)
        return -1;
    while (*text) {
        const char *end;
        double number = parse_number(text, &end);
        size_t length = 0;
        while (isalpha((unsigned char)end[length]))
            length++;
        double unit = unit_seconds(end, length);
        if (number < 0 || unit < 0)
            return -1;
        total += number * unit;
        text = end + length;
    }
    return total;
}

unsigned long long ebb_parse_size(const char *text)
{
    const char *end;
    double number = parse_number(text, &end);
    static const char units[] = "KMGT";
    double factor = 1;
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    if (unit && *unit) {
        for (const char *u = units; u <= unit; u++)
            factor *= 1024;
        end++;
        if (*end == 'i')
            end++;
    }
    if (*end == 'B' || *end == 'b')
        end++;
    double bytes = number * factor;
    return *end || !(bytes >= 1 && bytes < 9e18) ? 0 : (unsigned long long)bytes;
}

bool ebb_use_colour(FILE *stream)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(fileno(stream)) && !(refused && *refused) && terminal &&
           strcmp(terminal, "dumb") != 0;
}

char *ebb_format_duration(double seconds, char buffer[static 24])
{
    if (!isfinite(seconds))
        snprintf(buffer, 24, "never");
    else if (seconds < 10)
        snprintf(buffer, 24, "%.1f s", seconds);
    else if (seconds < 90)
        snprintf(buffer, 24, "%.0f s", seconds);
    else if (seconds < 600)
        snprintf(buffer, 24, "%d min %d s", (int)seconds / 60, (int)seconds % 60);
    else if (seconds < 5400)
        snprintf(buffer, 24, "%.0f min", seconds / 60);
    else if (seconds < 48 * 3600.0)
        snprintf(buffer, 24, "%.1f h", seconds / 3600);
    else if (seconds < 1000 * 86400.0)
        snprintf(buffer, 24, "%.0f days", seconds / 86400);
    else
        snprintf(buffer, 24, "years");
    return buffer;
}

bool ebb_is_number(const char *word)
{
    return *word && strspn(word, "0123456789") == strlen(word);
}

bool ebb_is_url(const char *word)
{
    return strstr(word, "://") != NULL;
}
