/* The words of a report, shared by its terminal and its HTML form: verdicts as sentences,
 * forecasts, what a healthy result is worth, and the source lines around a site. Private to the
 * room.
 *
 * Sentences are built in an arena and hold names as the report has them; each form neutralises them
 * in its own way. A NULL sentence means out of memory. */
#ifndef EBB_TOOL_RENDER_REPORT_WORDS_H
#define EBB_TOOL_RENDER_REPORT_WORDS_H

#include "tool/diagnose/diagnose.h"

#include <stdbool.h>

/* What a pattern is called in a sentence: "a map that only grows". */
const char *ebb__pattern_words(const char *pattern);

/* The text with its middle left out when it is longer than `width` bytes; cuts between characters.
 */
char *ebb__shorten(struct ebb_arena *arena, const char *text, size_t width);

/* The last part of a path. */
const char *ebb__base_name(const char *path);

/* "config.c:41", or the module when the line is unknown; "" when nothing is. */
char *ebb__place_words(struct ebb_arena *arena, const struct ebb_frame *frame);

/* One sentence: pattern, place, growth; for the first verdict also when the limit is hit. */
char *ebb__verdict_words(struct ebb_arena *arena, const struct ebb_report *report, size_t index);

/* "unbounded-map, std::unordered_map, confidence 97 %", and the process when it is a child. */
char *ebb__kind_words(struct ebb_arena *arena, const struct ebb_report *report,
                      const struct ebb_verdict *verdict);

/* "12 MiB live, +11.2 MiB/s (95 %: 10.9 to 11.5 MiB/s), allocates 14 MiB/s". */
char *ebb__growth_words(struct ebb_arena *arena, const struct ebb_verdict *verdict);

/* When which limit is reached, or why that is not said. */
char *ebb__forecast_words(struct ebb_arena *arena, const struct ebb_forecast *forecast);

/* What the lack of verdicts is worth: what was found to be so, and what would have to be done to be
 * surer ("" when nothing): the report's caution, or a longer window. */
char *ebb__healthy_words(struct ebb_arena *arena, const struct ebb_report *report);
char *ebb__surer_words(struct ebb_arena *arena, const struct ebb_report *report);

/* The report's caution unless the words above have said it; NULL for none. */
const char *ebb__caution_words(const struct ebb_report *report);

/* "config-service leaky (pid 1234), watched for 30 s, 30 observations". */
char *ebb__target_words(struct ebb_arena *arena, const struct ebb_report *report);

/* Saved profiles say nothing of the process around the heap. */
bool ebb__rss_known(const struct ebb_report *report);

/* "RSS 340 MiB, live heap 312 MiB (95 %: 300 to 325 MiB), ...". */
char *ebb__memory_words(struct ebb_arena *arena, const struct ebb_report *report);

/* The frames worth showing, the leaf first: without what every program starts with, and when there
 * are more than `most`, without those furthest from the leaf and the site. */
struct ebb_shown_frame {
    const struct ebb_frame *frame; /* NULL: `left_out` frames are not shown here */
    size_t left_out;
    bool site;
};
size_t ebb__shown_frames(struct ebb_arena *arena, const struct ebb_verdict *verdict, size_t most,
                         struct ebb_shown_frame **shown);

/* Source lines around a place. */
struct ebb_source_line {
    int64_t number;
    const char *text; /* without the newline, tabs spread */
    bool here;
};

/* Up to `around` lines on each side of `site`, when its file can be read, is a plain file and is
 * source code by its name (a report must not be a way to show other files). Returns how many. */
size_t ebb__source_lines(struct ebb_arena *arena, const struct ebb_frame *site, int around,
                         struct ebb_source_line **lines);

#endif
