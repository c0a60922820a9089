/* See words.h. */
#include "tool/diagnose/words.h"

#include "base/units.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const char *vsay(struct ebb_words *words, const char *format, va_list arguments)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, arguments);
    const char *copy = ebb_arena_strdup(words->arena, text);
    if (!copy)
        words->failed = true;
    return copy;
}

void ebb_summary(struct ebb_words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    words->summary = vsay(words, format, arguments);
    va_end(arguments);
}

static void add(struct ebb_words *words, const char **list, size_t *count, const char *sentence)
{
    if (sentence && *count < EBB_MAX_SENTENCES)
        list[(*count)++] = sentence;
}

void ebb_evidence_say(struct ebb_words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(words, words->evidence, &words->evidence_count, vsay(words, format, arguments));
    va_end(arguments);
}

void ebb_advise(struct ebb_words *words, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(words, words->advice, &words->advice_count, vsay(words, format, arguments));
    va_end(arguments);
}

struct ebb_quantity ebb_bytes(double bytes)
{
    struct ebb_quantity quantity;
    ebb_format_bytes(bytes, quantity.text);
    return quantity;
}

struct ebb_quantity ebb_count(double count)
{
    struct ebb_quantity quantity;
    double magnitude = fabs(count);
    if (magnitude >= 999500)
        snprintf(quantity.text, sizeof quantity.text, "%.*f million", ebb_decimals(magnitude / 1e6),
                 count / 1e6);
    else if (magnitude >= 9999.5)
        snprintf(quantity.text, sizeof quantity.text, "%.*f thousand",
                 ebb_decimals(magnitude / 1e3), count / 1e3);
    else
        snprintf(quantity.text, sizeof quantity.text, "%.*f", magnitude < 9.95 && magnitude > 0,
                 count);
    return quantity;
}

struct ebb_quantity ebb_seconds(double seconds)
{
    struct ebb_quantity quantity;
    if (seconds < 90)
        snprintf(quantity.text, sizeof quantity.text, "%.*f s", seconds < 10, seconds);
    else if (seconds < 5400)
        snprintf(quantity.text, sizeof quantity.text, "%.*f min", seconds < 600, seconds / 60);
    else
        snprintf(quantity.text, sizeof quantity.text, "%.1f h", seconds / 3600);
    return quantity;
}
