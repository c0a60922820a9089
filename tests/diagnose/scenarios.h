/* Programs to diagnose: what they do, and what the right answer is. */
#ifndef EBB_TESTS_DIAGNOSE_SCENARIOS_H
#define EBB_TESTS_DIAGNOSE_SCENARIOS_H

#include "tests/diagnose/simulate.h"

struct scenario {
    const char *name;
    void (*run)(struct sim *sim);
    const char *pattern;   /* NULL: healthy */
    const char *site;      /* function */
    const char *container; /* NULL: any */
    double rate;           /* true growth in bytes per second, 0: not checked */
    double required;       /* part of the seeds that must be answered right */
};

extern const struct scenario scenarios[]; /* ends with a NULL name */

#endif
