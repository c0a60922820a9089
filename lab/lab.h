/* The lab: the articles' experiments, each in a file of its own, claim beside measurement.
 *
 * An experiment measures its rows on Ebb; where a Go is installed the same rows are measured by its
 * twin in lab/go/, a program that prints lines `row name<TAB>value`. A claim is an article's, about
 * Go on its author's machine: it stands there to be compared, not to be met. */
#ifndef EBB_LAB_LAB_H
#define EBB_LAB_LAB_H

#include <ebb/allocator.h>

#include <stddef.h>
#include <stdint.h>

struct lab;

struct lab_experiment {
    const char *id; /* "L7", as the articles' experiments are counted */
    const char *title;
    const char *source; /* which article says so */
    const char *go;     /* the twin's file name in lab/go/ */
    void (*run)(struct lab *lab);
};

extern const struct lab_experiment lab_clear_or_remake, lab_reuse_in_loop, lab_bounded_cache,
    lab_grow_or_reserve, lab_delete_most;

/* A row: what is measured, its unit ("ns", "ms", "MB", "x"; smaller is better), the claim in words
 * or "", and Ebb's value. */
void lab_row(struct lab *lab, const char *what, const char *unit, const char *claim, double value);

/* ---- measuring ---- */

uint64_t lab_now_ns(void);

/* Nanoseconds of one call of `work`, which is called `times` times in a row: the smallest of a few
 * rounds. Before each round `prepare` is called, unmeasured; may be NULL. */
double lab_time(void (*prepare)(void *), void (*work)(void *), void *context, unsigned times);

/* What is kept from being optimised away. */
void lab_use(const void *pointer);

/* An allocator that counts: bytes ever taken, bytes held, and at most. One at a time, one thread. */
struct lab_memory {
    size_t taken, held, peak;
};
extern struct lab_memory lab_memory;
extern const struct ebb_allocator lab_allocator;

/* Megabytes of resident memory that `work` adds at its peak, and at its end; in a process of its own,
 * so that nothing from before is reused. NAN: it could not be measured. */
void lab_resident(void (*work)(void *), void *context, double *peak, double *end);

#endif
