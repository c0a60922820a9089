/* Names from files that nobody vouches for, made safe for where they are shown. */
#ifndef EBB_TOOL_RENDER_TEXT_H
#define EBB_TOOL_RENDER_TEXT_H

#include "base/arena.h"

#include <stdio.h>

/* `text` as a terminal may see it: valid UTF-8 without control characters and marks that turn the
 * direction of writing; each offending byte or mark becomes "\x1b" or "\u202e". `text` itself when
 * there is nothing to change, else a copy in the arena; NULL when out of memory. */
const char *ebb_text_plain(struct ebb_arena *arena, const char *text);

/* Writes a JSON string, quotes included. "<", ">", "&" and the line separators are written as
 * escapes, so that it may stand inside an HTML <script> element. Invalid UTF-8 becomes U+FFFD. */
void ebb_text_json(FILE *out, const char *text);

/* Writes text for HTML and XML, inside elements and inside quoted attributes. */
void ebb_text_xml(FILE *out, const char *text);

#endif
