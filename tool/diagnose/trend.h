/* Trends: is this series of numbers growing, how fast, in what manner, and how sure is that?
 *
 * Nothing here knows about memory. A series is n pairs (x, y), x ascending; for the diagnosis x is
 * seconds and y bytes or blocks.
 *
 *   slope      Theil–Sen (Theil 1950, Sen 1968): the median of the slopes of all pairs, which a few
 *              wild points cannot move; its 95 % interval from the variance of Kendall's S.
 *   direction  Mann–Kendall (Mann 1945, Kendall 1975), with the correction for ties.
 *   manner     the course: a line, one step, an approach to a plateau, or a saw-tooth, by comparing
 *              how well each explains the series.
 *   counts     for sampled blocks, whose number is Poisson distributed.
 *
 * All functions are pure. Series longer than EBB_TREND_POINTS are thinned evenly where the cost
 * would be quadratic. */
#ifndef EBB_TOOL_DIAGNOSE_TREND_H
#define EBB_TOOL_DIAGNOSE_TREND_H

#include <stddef.h>

#define EBB_TREND_POINTS 160
/* How many doubles `scratch` must hold. */
#define EBB_TREND_SCRATCH (EBB_TREND_POINTS * (EBB_TREND_POINTS - 1) / 2)

struct ebb_slope {
    double slope, low, high; /* per unit of x; the interval is 95 % */
};

/* Zero for fewer than two points. With fewer than four the interval is that of all pairs.
 * O(min(n, EBB_TREND_POINTS)²). */
struct ebb_slope ebb_theil_sen(const double *x, const double *y, size_t n, double *scratch);

struct ebb_mann_kendall {
    double s, variance;
    double z; /* positive: upwards */
    double p; /* two-sided */
};

struct ebb_mann_kendall ebb_mann_kendall(const double *y, size_t n);

enum ebb_shape {
    EBB_SHAPE_FLAT,     /* no change that stands out of the noise */
    EBB_SHAPE_STEADY,   /* grows, and was still growing at the end */
    EBB_SHAPE_SLOWING,  /* grew towards a plateau */
    EBB_SHAPE_STEP,     /* jumped once */
    EBB_SHAPE_SAWTOOTH, /* rises and falls back; `floor_net` tells whether its troughs rise */
    EBB_SHAPE_FALLING,
};

struct ebb_course {
    enum ebb_shape shape;
    double net;           /* last level − first level */
    double thirds[3];     /* what each third of the time added */
    double last_share;    /* thirds[2] / net, 0 when nothing was added */
    double drawdown;      /* the deepest fall from a height reached before */
    double noise;         /* standard deviation around the course, never less than the caller's */
    double floor_net;     /* rise of the troughs, from the first sixth of the time to the last */
    double floor_last;    /* the part of it that the last third added */
    int floor_rises;      /* of the five steps between six successive troughs, how many go up */
    double time_constant; /* of the saturating fit, in units of x */
};

/* `noise`: the standard deviation of one y that the caller knows of (sampling), 0 for none. O(n).
 */
struct ebb_course ebb_course(const double *x, const double *y, size_t n, double noise);

/* The 95 % interval of the mean of a Poisson variable of which `count` was seen (Byar's
 * approximation; exact to 2 % from 1 upwards). */
void ebb_poisson_interval(double count, double interval[2]);

/* Variance that sampling adds to a sum over `events` sampled blocks, each of which stands for
 * `weight` blocks and `bytes` bytes in all: Σ w (w − 1) S² with S = bytes / w. */
double ebb_sampling_variance(double events, double bytes, double weight);

#endif
