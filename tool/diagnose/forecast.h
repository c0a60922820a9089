/* The forecast: between when and when will the tightest limit be hit, if nothing changes?
 *
 * It follows what the limit counts (cgroup usage, address space, resident memory), which is
 * exact, at the Theil–Sen slope of the whole window and of its second half; the wider of the two
 * intervals counts. On top of the slope come the doublings of growing tables: while a table of S
 * bytes is copied into one of 2 S both are alive, and that moment is often the one that fails. The
 * earliest bound takes every doubling as early as the pace so far allows, the latest as late.
 * Growth that speeds up is carried on exponentially in the earliest bound. Where no table bends the
 * course, a model of it (model.h) moves the bounds: growth that speeds up arrives earlier, growth that
 * slows down later or, when it levels off below the limit, never.
 *
 * Go's heap runs ahead of what is alive: it goes on to the collector's goal. Limits of the system
 * count the heap, so that the earliest bound starts from that peak; Go's own limit is reached when
 * what is alive reaches it, because until then collecting more often helps.
 *
 * It is refused, with the reason, when nothing grows, when no limit is known, when there are too
 * few looks or too few samples, and when the memory goes up and down too much for a line. */
#ifndef EBB_TOOL_DIAGNOSE_FORECAST_H
#define EBB_TOOL_DIAGNOSE_FORECAST_H

#include "tool/diagnose/diagnose.h"
#include "tool/diagnose/study.h"

/* Strings refer to the evidence or are static. */
struct ebb_forecast ebb_forecast_make(struct ebb_study *study);

/* Seconds until `used` reaches `limit` at `rate` bytes per second, `acceleration` (1/s, 0: none)
 * compounding it, and one table of `table` bytes (0: none) that doubles first after
 * `next_doubling_s` and then after twice `gap_s`, 4 `gap_s`, ...; `both_alive` when old and new
 * table are alive together. INFINITY when it never does. */
double ebb_forecast_reach(double used, double limit, double rate, double acceleration, double table,
                          double next_doubling_s, double gap_s, bool both_alive);

#endif
