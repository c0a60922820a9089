/* A program that exists only as a stream of allocations and frees, seen the way the agent and the
 * command see a real one: blocks are sampled by size with the channel's probabilities, counters are
 * weighted, gauges are exact, one observation a second.
 *
 * A scenario allocates and advances the clock; blocks die at the time they were given or when they
 * are freed by hand. Everything follows from the seed. Running out of memory ends the test run. */
#ifndef EBB_TESTS_DIAGNOSE_SIMULATE_H
#define EBB_TESTS_DIAGNOSE_SIMULATE_H

#include "tool/collect/evidence.h"

#include <math.h>
#include <stdint.h>

struct sim_batch { /* blocks that were born together and die together */
    uint32_t series;
    uint64_t size;
    double count, sampled;
    double birth, death;
    bool dead;
};

struct sim_death {
    double time;
    uint32_t batch;
};

struct sim {
    struct ebb_evidence evidence;
    uint64_t random;
    double now, seconds, next_look, look_every;
    double base_bytes; /* anonymous memory that is no heap */
    double kept_part;  /* of freed memory, what stays resident: 0 to 1 */
    double live, peak; /* exact */
    uint64_t allocs, frees, alloc_bytes;
    uint64_t threads;
    uint64_t limit_bytes; /* 0: none */
    struct sim_batches EBB_VEC(struct sim_batch) batches;
    struct sim_heap EBB_VEC(struct sim_death) deaths; /* a binary heap, the next to die first */
    struct ebb_points now_of;                         /* of each series */
};

#define SIM_PERIOD (512 << 10)

void sim_start(struct sim *sim, uint64_t seed, double seconds);
void sim_free_all(struct sim *sim);

double sim_uniform(struct sim *sim); /* (0, 1) */
double sim_exponential(struct sim *sim, double mean);

/* A stack by its frames, the leaf first: "malloc@c < insert#20 < main#9". Behind @ the module: c
 * libc, g GLib, + libstdc++, p python3, r redis-server; without one the program itself. Behind #
 * the line. The same text gives the same number. */
uint32_t sim_stack(struct sim *sim, const char *frames);

/* Allocates `count` blocks of `size` bytes; they are freed at time `death` (INFINITY: never).
 * Returns a handle for sim_free. */
uint32_t sim_alloc(struct sim *sim, uint32_t stack, enum ebb_kind kind, uint64_t size, double count,
                   double death);
void sim_free(struct sim *sim, uint32_t batch);

/* Lets time pass: frees what dies, looks once a second. False when the window is over. */
bool sim_advance(struct sim *sim, double seconds);

/* The last look and the survivors. */
struct ebb_evidence *sim_finish(struct sim *sim);

#endif
