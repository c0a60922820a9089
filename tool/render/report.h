/* A diagnosis as a person or a program reads it: on the terminal, as JSON, as one HTML page.
 *
 * All three say the same in the same order: the verdict first, then the evidence for it, then what
 * to change, then memory and forecast. Names in a report come from programs and files that nobody
 * vouches for, so each form neutralises what could act on its reader: control characters and text
 * direction marks on a terminal, markup in HTML.
 *
 * Pure but for two things: `out` is written, and the source files that a report names are read when
 * `source` asks for it. All return 0 or a negative errno (-ENOMEM, or why writing failed). */
#ifndef EBB_TOOL_RENDER_REPORT_H
#define EBB_TOOL_RENDER_REPORT_H

#include "tool/diagnose/diagnose.h"

#include <stdbool.h>
#include <stdio.h>

struct ebb_report_style {
    unsigned width; /* columns; lines are wrapped to it where words allow */
    bool colour;    /* bold and colours by ANSI sequences */
    bool unicode;   /* the reader's locale is UTF-8: block characters and names as they are */
    bool source;    /* show source lines around the site */
};

/* What suits `out`: its terminal's width within 60 to 100 columns (90 when it is none), colour on a
 * terminal unless NO_COLOR is set, Unicode when the locale's character set is UTF-8. */
struct ebb_report_style ebb_report_style_for(FILE *out);

int ebb_report_terminal(const struct ebb_report *report, const struct ebb_report_style *style,
                        FILE *out);

/* One object as described in ebb-doctor(1), and a newline. Every field is always there; what is not
 * known is null. */
int ebb_report_json(const struct ebb_report *report, FILE *out);

/* One page that needs nothing else: no script, no request; light and dark. */
int ebb_report_html(const struct ebb_report *report, bool source, FILE *out);

#endif
