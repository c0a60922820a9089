/* Growth models: is it a line, does it speed up, does it level off, and what follows from that?
 *
 * All three are one family with a parameter r, in units of 1/x:
 *
 *     y = a + b · (e^(r x) − 1) / r        r > 0 exponential, r < 0 saturating, r → 0 linear
 *
 * For each r of a grid a and b are fitted by least squares. The best r and all that explain the
 * series nearly as well (95 % by the profile of the likelihood; what one point deviates by its
 * neighbour tends to deviate by, too, so points count for less) give the manner, and an interval for
 * whatever is asked. The grid is as fine as a series of a hundred points can tell. Pure. */
#ifndef EBB_TOOL_DIAGNOSE_MODEL_H
#define EBB_TOOL_DIAGNOSE_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum ebb_manner { EBB_MANNER_LINEAR, EBB_MANNER_EXPONENTIAL, EBB_MANNER_SATURATING };

enum { EBB_MODEL_GRID = 65 };

struct ebb_model {
    bool known;             /* the series is long enough, and the model explains it (R² of 0.95) */
    enum ebb_manner manner; /* linear unless the series tells */
    double rate[EBB_MODEL_GRID];  /* r */
    double slope[EBB_MODEL_GRID]; /* of y at the end */
    bool likely[EBB_MODEL_GRID];
    double end; /* the fitted level there */
};

/* `x` ascends. O(n · EBB_MODEL_GRID). */
struct ebb_model ebb_model_fit(const double *x, const double *y, size_t n);

/* How long from the end until y has risen by `room`, earliest and latest; INFINITY: never. */
void ebb_model_reach(const struct ebb_model *model, double room, double interval[2]);

/* Where a saturating y ends, the lowest and the highest level; INFINITY: it need not end. */
void ebb_model_plateau(const struct ebb_model *model, double interval[2]);

#endif
