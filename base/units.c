/* See units.h. */
#include "base/units.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

struct ebb_scale ebb_scale_of(double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    struct ebb_scale scale = {1, units[0]};
    for (size_t i = 1; i < sizeof units / sizeof *units && fabs(bytes) / scale.divisor >= 1023.5;
         i++)
        scale = (struct ebb_scale){scale.divisor * 1024, units[i]};
    return scale;
}

int ebb_decimals(double magnitude)
{
    return magnitude >= 99.95 ? 0 : magnitude >= 9.995 ? 1 : 2;
}

char *ebb_format_bytes(double bytes, char buffer[static 16])
{
    struct ebb_scale scale = ebb_scale_of(bytes);
    double value = bytes / scale.divisor;
    snprintf(buffer, 16, "%.*f %s", scale.divisor > 1 ? ebb_decimals(fabs(value)) : 0, value,
             scale.unit);
    return buffer;
}
