/* Values of a profile as text, digit for digit as pprof prints them, so that lines of the two tools
 * can be compared: "512kB", "1.50MB" (1024-based, two decimals unless they are 00), "120ms", "42".
 *
 * Pure. Every function fills `buffer` and returns it. */
#ifndef EBB_TOOL_RENDER_MEASURE_H
#define EBB_TOOL_RENDER_MEASURE_H

#include <stdint.h>

enum { EBB_MEASURE_TEXT = 64 };

/* Units to convert to when none is named. */
#define EBB_UNIT_MINIMUM "minimum" /* the unit that suits the value, nothing for a bare count */

/* `value` in unit `from` ("bytes", "nanoseconds", "count", anything), as text in unit `to`. */
char *ebb_measure(int64_t value, const char *from, const char *to,
                  char buffer[static EBB_MEASURE_TEXT]);

/* `value` as a number of `to` units; `*unit` gets the name to print after it, "" for none. */
double ebb_measure_scale(int64_t value, const char *from, const char *to, const char **unit);

/* The one unit in which a table from `smallest` (above 0) to `largest` reads best: small values
 * keep a digit, large ones stay short. `from` itself when the unit is unknown. */
const char *ebb_measure_common_unit(int64_t smallest, int64_t largest, const char *from);

/* " 7.50%", "  100%", "0.049%": at least five columns before the sign; 0 of 0 is 0. */
char *ebb_measure_percent(int64_t value, int64_t total, char buffer[static EBB_MEASURE_TEXT]);

/* Sums that wrap instead of being undefined: hostile files may overflow them. */
static inline int64_t ebb_measure_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* |value|; INT64_MIN stays as it is. */
static inline int64_t ebb_measure_abs(int64_t value)
{
    return value < 0 ? (int64_t)(0 - (uint64_t)value) : value;
}

/* |total * fraction|, rounded down. */
static inline int64_t ebb_measure_part(int64_t total, double fraction)
{
    double part = (double)total * fraction;
    part = part < 0 ? -part : part;
    return part < 0x1p63 ? (int64_t)part : INT64_MAX;
}

#endif
