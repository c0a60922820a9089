/* Sizes and times for people: three significant digits, units of 1024, ranges that name their unit
 * once. Private to the room. Every function fills `buffer` and returns it; what is not a number
 * reads "unknown". */
#ifndef EBB_TOOL_RENDER_UNITS_H
#define EBB_TOOL_RENDER_UNITS_H

enum { EBB__UNITS_BYTES = 96 };

/* "1.53 MiB", "-12 B". */
char *ebb__bytes_text(double bytes, char buffer[static EBB__UNITS_BYTES]);

/* "10.9 to 11.5 MiB", "900 KiB to 1.1 MiB", and one number when both ends read the same. `suffix`
 * follows the unit: "/s". */
char *ebb__bytes_range_text(double low, double high, const char *suffix,
                            char buffer[static EBB__UNITS_BYTES]);

/* "8.5 s", "5 min 40 s", "2 h 10 min", "3 days". */
char *ebb__duration_text(double seconds, char buffer[static EBB__UNITS_BYTES]);

/* "5 to 6 min"; an open end reads "5 min at the earliest". */
char *ebb__duration_range_text(double low, double high, char buffer[static EBB__UNITS_BYTES]);

#endif
