/* Hand-made reports for the tests of the report's forms. */
#ifndef EBB_TESTS_RENDER_REPORT_SAMPLES_H
#define EBB_TESTS_RENDER_REPORT_SAMPLES_H

#include "tool/diagnose/diagnose.h"

#include <math.h>

/* Where the sample's site points: a source file that the test wrote, or one that is not there. */
extern char sample_source[256];

void sample_leaking(struct ebb_report *report);
void sample_healthy(struct ebb_report *report);
void sample_unsure(struct ebb_report *report);
/* Names that try to act on a terminal, to leave an HTML element, or are not UTF-8; numbers that are
 * none; empty lists. */
void sample_hostile(struct ebb_report *report);

#endif
