/* The diagnosis: from evidence to verdicts. Which line keeps the memory, in which pattern, how fast
 * it grows, until when, and what to change.
 *
 * Method, in order: a trend per series and per site (trend.h), a forecast against the limit
 * (forecast.h), the container behind each growing stack (containers.h), then every pattern of
 * patterns/ is asked for verdicts; a site gets the one verdict that explains it best.
 *
 * Pure: no I/O, no clock, no randomness; the same evidence gives the same report. */
#ifndef EBB_TOOL_DIAGNOSE_DIAGNOSE_H
#define EBB_TOOL_DIAGNOSE_DIAGNOSE_H

#include "base/arena.h"
#include "base/error.h"
#include "tool/collect/evidence.h"

struct ebb_verdict {
    const char *pattern;   /* "unbounded-map", ...: a static, stable identifier */
    const char *container; /* "GLib GHashTable", "std::unordered_map", ..., NULL: not recognised */
    const char *map;       /* the name of an Ebb map, NULL: it is none, or has no name */
    double confidence;     /* 0 to 1 */
    struct ebb_frame site; /* the deepest frame that is the user's own code */
    const struct ebb_frame *stack; /* of the heaviest series behind the verdict, the leaf first */
    size_t depth;
    double live_bytes, live_objects;
    double growth_bytes_per_s;
    double growth_interval[2]; /* 95 % */
    double alloc_bytes_per_s;
    double harm;                 /* for the order: bytes per second kept, or bytes held */
    const char *summary;         /* one sentence: what happens here */
    const char *const *evidence; /* sentences with figures, NULL-terminated */
    const char *const *advice;   /* what to change, concrete, NULL-terminated */
    const double *sparkline;     /* live bytes at each observation, `sparkline_count` values */
    size_t sparkline_count;
    pid_t pid;
};

struct ebb_forecast {
    uint64_t limit_bytes; /* 0: no limit known */
    const char *limit_source, *limit_detail;
    bool known;          /* the interval holds */
    double seconds[2];   /* earliest and latest; [1] is INFINITY when open-ended */
    const char *why_not; /* NULL when known */
};

struct ebb_report {
    struct ebb_arena arena;
    const char *target, *kind;
    pid_t pid;
    double window_s; /* seen, not asked for */
    size_t snapshots;
    bool healthy;
    bool confident; /* false: healthy as far as seen, but the window cannot exclude growth */
    double smallest_detectable_growth; /* bytes/s that this window would have found */
    const char *caution;          /* NULL, or one sentence: longer window, dropped entries, ... */
    struct ebb_verdict *verdicts; /* most harmful first */
    size_t verdict_count;
    struct {
        double rss_bytes, live_bytes, live_interval[2], retained_free_bytes;
        double alloc_bytes_per_s, growth_bytes_per_s; /* of live bytes; of everything */
    } memory;
    struct ebb_forecast forecast;
    const char *ended; /* NULL, or how the process ended */
};

/* Diagnoses `count` subjects of one target as one report. The report refers to strings of the
 * evidence, which must outlive it. 0 or -ENOMEM, -ENODATA (fewer than two observations). */
int ebb_diagnose(struct ebb_evidence *const *subjects, size_t count, struct ebb_report *report,
                 struct ebb_error *error);
void ebb_report_free(struct ebb_report *report);

#endif
