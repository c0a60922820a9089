/* Which blocks are sampled, and how much a sampled block stands for.
 *
 * Sampling is a Poisson process over the bytes a thread requests: the distance to the next sample
 * is exponential with mean `period`, and a block of S bytes takes S + 1 of it (so that empty blocks
 * can be met too). The block that crosses the end of the distance is sampled, and because the
 * process has no memory a fresh distance starts behind it. P(sampled) = 1 - exp(-(S + 1) / period),
 * and the inverse of that is the weight which makes every sum over samples unbiased.
 *
 * A period of 1 records every block with a weight of exactly 1.
 *
 * No libm, no locks, no allocation: everything here may run inside malloc. */
#ifndef EBB_CHANNEL_SAMPLER_H
#define EBB_CHANNEL_SAMPLER_H

#include "channel/layout.h"

#define EBB_SAMPLER_DEFAULT_PERIOD (UINT64_C(512) << 10)
#define EBB_SAMPLER_MAX_PERIOD     (UINT64_C(1) << 40)

/* What one sampled block adds to its bucket. */
struct ebb_weight {
    uint64_t objects; /* in 1/EBB_OBJECT_SCALE */
    uint64_t bytes;
};

/* The distance in bytes to the next sample. `random` is the generator's state; threads that share
 * it get different numbers. */
int64_t ebb_sampler_draw(uint64_t *random, uint64_t period);

/* A pure function of its arguments, so that a free subtracts exactly what the allocation added. */
struct ebb_weight ebb_sampler_weight(uint64_t size, uint64_t period, enum ebb_kind kind);

#endif
