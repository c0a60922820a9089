/* Sizes for people: units of 1024, three significant digits. */
#ifndef EBB_BASE_UNITS_H
#define EBB_BASE_UNITS_H

/* The unit in which a size reads best, and its bytes. */
struct ebb_scale {
    double divisor;
    const char *unit; /* "B", "KiB", ... "PiB" */
};
struct ebb_scale ebb_scale_of(double bytes);

/* Digits after the point that make three significant ones of a number from 0 to 1023. */
int ebb_decimals(double magnitude);

/* "1.50 MiB", "12 B". Returns `buffer`. */
char *ebb_format_bytes(double bytes, char buffer[static 16]);

#endif
