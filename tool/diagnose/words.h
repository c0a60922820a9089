/* Sentences for a verdict: quantities a person can read, and the list a pattern writes them into.
 *
 * Private to the room. Strings live in the report's arena; running out of memory is remembered in
 * `failed` and leaves sentences out, so that a pattern need not check each. */
#ifndef EBB_TOOL_DIAGNOSE_WORDS_H
#define EBB_TOOL_DIAGNOSE_WORDS_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum { EBB_MAX_SENTENCES = 12 };

struct ebb_words {
    struct ebb_arena *arena;
    bool failed;
    const char *summary;
    const char *evidence[EBB_MAX_SENTENCES + 1]; /* NULL-terminated */
    const char *advice[EBB_MAX_SENTENCES + 1];
    size_t evidence_count, advice_count;
};

void ebb_summary(struct ebb_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* More than EBB_MAX_SENTENCES are left out. */
void ebb_evidence_say(struct ebb_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ebb_advise(struct ebb_words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Quantities, in a buffer that the expression itself owns:
 * `ebb_evidence_say(words, "%s are held", ebb_bytes(n).text)`. */
struct ebb_quantity {
    char text[24];
};
struct ebb_quantity ebb_bytes(double bytes);     /* "1.5 MiB" */
struct ebb_quantity ebb_count(double count);     /* "12", "3.4 thousand", "1.2 million" */
struct ebb_quantity ebb_seconds(double seconds); /* "30 s", "4.2 min" */

#endif
