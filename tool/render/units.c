/* See units.h. */
#include "tool/render/units.h"

#include "base/units.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Three significant digits; whole numbers without a fraction. */
static void format_scaled(double bytes, struct ebb_scale scale, char number[static 32])
{
    double value = bytes / scale.divisor, magnitude = fabs(value);
    bool whole = fabs(magnitude - round(magnitude)) < 0.005;
    int decimals = whole || scale.divisor <= 1 ? 0 : ebb_decimals(magnitude);
    snprintf(number, 32, "%.*f", decimals, value);
}

char *ebb__bytes_text(double bytes, char buffer[static EBB__UNITS_BYTES])
{
    if (!isfinite(bytes))
        return strcpy(buffer, "unknown");
    char number[32];
    struct ebb_scale scale = ebb_scale_of(bytes);
    format_scaled(bytes, scale, number);
    snprintf(buffer, EBB__UNITS_BYTES, "%s %s", number, scale.unit);
    return buffer;
}

char *ebb__bytes_range_text(double low, double high, const char *suffix,
                            char buffer[static EBB__UNITS_BYTES])
{
    if (!isfinite(low) || !isfinite(high))
        return strcpy(buffer, "unknown");
    struct ebb_scale scale = ebb_scale_of(fabs(high) > fabs(low) ? high : low);
    /* A low end far below the high one keeps its own unit. */
    struct ebb_scale low_scale = fabs(low) * 10 < scale.divisor ? ebb_scale_of(low) : scale;
    char from[32], to[32];
    format_scaled(low, low_scale, from);
    format_scaled(high, scale, to);
    if (low == 0)
        snprintf(buffer, EBB__UNITS_BYTES, "0 to %s %s%s", to, scale.unit, suffix);
    else if (low_scale.divisor < scale.divisor)
        snprintf(buffer, EBB__UNITS_BYTES, "%s %s%s to %s %s%s", from, low_scale.unit, suffix, to,
                 scale.unit, suffix);
    else if (strcmp(from, to) == 0)
        snprintf(buffer, EBB__UNITS_BYTES, "%s %s%s", to, scale.unit, suffix);
    else
        snprintf(buffer, EBB__UNITS_BYTES, "%s to %s %s%s", from, to, scale.unit, suffix);
    return buffer;
}

char *ebb__duration_text(double seconds, char buffer[static EBB__UNITS_BYTES])
{
    if (isnan(seconds))
        return strcpy(buffer, "unknown");
    if (seconds < 0)
        seconds = 0;
    if (seconds >= 1000 * 86400.0)
        strcpy(buffer, "years");
    else if (seconds < 0.9995)
        snprintf(buffer, EBB__UNITS_BYTES, "%.0f ms", seconds * 1e3);
    else if (seconds < 10)
        snprintf(buffer, EBB__UNITS_BYTES, "%.3g s", round(seconds * 10) / 10);
    else if (seconds < 89.5)
        snprintf(buffer, EBB__UNITS_BYTES, "%.0f s", seconds);
    else if (seconds < 599.5) {
        int whole = (int)lround(seconds);
        if (whole % 60)
            snprintf(buffer, EBB__UNITS_BYTES, "%d min %d s", whole / 60, whole % 60);
        else
            snprintf(buffer, EBB__UNITS_BYTES, "%d min", whole / 60);
    } else if (seconds < 89.5 * 60)
        snprintf(buffer, EBB__UNITS_BYTES, "%.0f min", seconds / 60);
    else if (seconds < 9.99 * 3600) {
        int minutes = (int)lround(seconds / 60);
        snprintf(buffer, EBB__UNITS_BYTES, "%d h %d min", minutes / 60, minutes % 60);
    } else if (seconds < 47.5 * 3600)
        snprintf(buffer, EBB__UNITS_BYTES, "%.0f h", seconds / 3600);
    else
        snprintf(buffer, EBB__UNITS_BYTES, "%.0f days", seconds / 86400);
    return buffer;
}

char *ebb__duration_range_text(double low, double high, char buffer[static EBB__UNITS_BYTES])
{
    char from[EBB__UNITS_BYTES], to[EBB__UNITS_BYTES];
    ebb__duration_text(low, from);
    if (isinf(high)) {
        snprintf(buffer, EBB__UNITS_BYTES, "%.30s at the earliest", from);
        return buffer;
    }
    ebb__duration_text(high, to);
    if (strcmp(from, to) == 0)
        return strcpy(buffer, to);
    /* "5 to 6 min": the unit once when both are one number and the same unit. */
    const char *from_unit = strchr(from, ' '), *to_unit = strchr(to, ' ');
    if (from_unit && to_unit && strcmp(from_unit, to_unit) == 0)
        snprintf(buffer, EBB__UNITS_BYTES, "%.*s to %.30s", (int)(from_unit - from), from, to);
    else
        snprintf(buffer, EBB__UNITS_BYTES, "%.28s to %.28s", from, to);
    return buffer;
}
