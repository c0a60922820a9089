/* The units that pprof knows (bytes, time, Google compute units), each with its names and its
 * factor; a value is converted within its family. See measure.h. */
#include "tool/render/measure.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *shown;
    const char *names[3]; /* lower case, singular */
    double factor;
};

static const struct unit byte_units[] = {
    {"B", {"b", "byte"}, 1},
    {"kB", {"kb", "kbyte", "kilobyte"}, 0x1p10},
    {"MB", {"mb", "mbyte", "megabyte"}, 0x1p20},
    {"GB", {"gb", "gbyte", "gigabyte"}, 0x1p30},
    {"TB", {"tb", "tbyte", "terabyte"}, 0x1p40},
    {"PB", {"pb", "pbyte", "petabyte"}, 0x1p50},
};
static const struct unit time_units[] = {
    {"ns", {"ns", "nanosecond"}, 1},    {"us", {"us", "microsecond", "μs"}, 1e3},
    {"ms", {"ms", "millisecond"}, 1e6}, {"s", {"s", "sec", "second"}, 1e9},
    {"hrs", {"hour", "hr"}, 3600e9},
};
static const struct unit compute_units[] = {
    {"n*GCU", {"nanogcu"}, 1e-9}, {"u*GCU", {"microgcu"}, 1e-6}, {"m*GCU", {"milligcu"}, 1e-3},
    {"GCU", {"gcu"}, 1},          {"k*GCU", {"kilogcu"}, 1e3},   {"M*GCU", {"megagcu"}, 1e6},
    {"G*GCU", {"gigagcu"}, 1e9},  {"T*GCU", {"teragcu"}, 1e12},  {"P*GCU", {"petagcu"}, 1e15},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct family {
    const struct unit *units;
    int count;
    int fallback; /* for values below the smallest unit and for foreign target units */
} families[] = {
    {byte_units, COUNT(byte_units), 0},
    {time_units, COUNT(time_units), 3},
    {compute_units, COUNT(compute_units), 3},
};

/* Lower case, and without the plural s when more than two letters. */
static bool normalise(const char *name, char out[static 24])
{
    size_t length = strlen(name);
    if (length >= 24)
        return false;
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)tolower((unsigned char)name[i]);
    if (length > 2 && out[length - 1] == 's')
        out[length - 1] = '\0';
    return true;
}

/* The place of a unit in its family, or -1. */
static int find_unit(const struct family *family, const char *name)
{
    char wanted[24];
    if (!normalise(name, wanted))
        return -1;
    for (int i = 0; i < family->count; i++)
        for (size_t n = 0; n < COUNT(family->units[i].names); n++)
            if (family->units[i].names[n] && strcmp(family->units[i].names[n], wanted) == 0)
                return i;
    return -1;
}

static bool is_automatic(const char *unit)
{
    return strcmp(unit, EBB_UNIT_MINIMUM) == 0 || strcmp(unit, "auto") == 0;
}

/* The largest unit of the family that leaves at least 1. */
static int suitable_unit(const struct family *family, double value)
{
    int best = family->fallback;
    for (int i = 0; i < family->count; i++)
        if (value / family->units[i].factor >= 1)
            best = i;
    return best;
}

static double scale_magnitude(double value, const char *from, const char *to, const char **unit)
{
    for (size_t f = 0; f < COUNT(families); f++) {
        const struct family *family = &families[f];
        int source = find_unit(family, from);
        if (source < 0)
            continue;
        value *= family->units[source].factor;
        int target = is_automatic(to) ? suitable_unit(family, value) : find_unit(family, to);
        if (target < 0)
            target = family->fallback;
        *unit = family->units[target].shown;
        return value / family->units[target].factor;
    }
    bool bare = is_automatic(to) || strcmp(to, "count") == 0 || strcmp(to, "sample") == 0 ||
                strcmp(to, "unit") == 0;
    *unit = bare ? "" : to;
    return value;
}

double ebb_measure_scale(int64_t value, const char *from, const char *to, const char **unit)
{
    double scaled = scale_magnitude(fabs((double)value), from, to, unit);
    return value < 0 ? -scaled : scaled;
}

char *ebb_measure(int64_t value, const char *from, const char *to,
                  char buffer[static EBB_MEASURE_TEXT])
{
    const char *unit;
    char number[32];
    double scaled = ebb_measure_scale(value, from, to, &unit);
    int length = snprintf(number, sizeof number, "%.2f", scaled);
    if (length > 3 && strcmp(number + length - 3, ".00") == 0)
        number[length - 3] = '\0';
    if (strcmp(number, "0") == 0 || strcmp(number, "-0") == 0)
        unit = "";
    snprintf(buffer, EBB_MEASURE_TEXT, "%s%.24s", strcmp(number, "-0") == 0 ? "0" : number, unit);
    return buffer;
}

const char *ebb_measure_common_unit(int64_t smallest, int64_t largest, const char *from)
{
    const char *small_unit, *large_unit;
    ebb_measure_scale(smallest, from, EBB_UNIT_MINIMUM, &small_unit);
    ebb_measure_scale(largest, from, EBB_UNIT_MINIMUM, &large_unit);
    int64_t hundredfold = (int64_t)((uint64_t)smallest * 100);
    if (strcmp(small_unit, large_unit) != 0 && hundredfold < largest)
        ebb_measure_scale(hundredfold, from, EBB_UNIT_MINIMUM, &small_unit);
    return *small_unit ? small_unit : from;
}

char *ebb_measure_percent(int64_t value, int64_t total, char buffer[static EBB_MEASURE_TEXT])
{
    double ratio = total ? fabs((double)value / (double)total) * 100 : 0;
    if (ratio >= 99.95 && ratio <= 100.05)
        strcpy(buffer, "  100%");
    else
        snprintf(buffer, EBB_MEASURE_TEXT, ratio >= 1 ? "%5.2f%%" : "%5.2g%%", ratio);
    return buffer;
}
