#include "channel/sampler.h"

#include "base/hash.h"

/* The natural logarithm of 0 < x <= 1. x = m 2^e with m in [sqrt(1/2), sqrt(2)), and
 * ln m = 2 artanh((m - 1) / (m + 1)), whose series has an error below 1e-12 after seven terms. */
static double natural_log(double x)
{
    uint64_t bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    int exponent = (int)(bits >> 52) - 1023;
    bits = (bits & ((UINT64_C(1) << 52) - 1)) | (UINT64_C(1023) << 52);
    double mantissa;
    __builtin_memcpy(&mantissa, &bits, sizeof mantissa);
    if (mantissa > 1.4142135623730951) {
        mantissa *= 0.5;
        exponent++;
    }
    double z = (mantissa - 1) / (mantissa + 1), square = z * z, sum = 0;
    for (int k = 13; k >= 1; k -= 2)
        sum = sum * square + 1.0 / k;
    return exponent * 0.6931471805599453 + 2 * z * sum;
}

/* 1 - exp(-x) for x >= 0, without cancellation: a short series near zero, then
 * 1 - exp(-2y) = t (2 - t) with t = 1 - exp(-y) as often as x was halved. */
static double one_minus_exp(double x)
{
    if (x > 40)
        return 1;
    int halvings = 0;
    while (x > 0.25) {
        x *= 0.5;
        halvings++;
    }
    double t = 1;
    for (int k = 10; k >= 2; k--)
        t = 1 - t * x / k;
    t *= x;
    while (halvings--)
        t *= 2 - t;
    return t;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the check does not know atomics */
int64_t ebb_sampler_draw(uint64_t *random, uint64_t period)
{
    if (period <= 1)
        return 0;
    /* SplitMix64 (Steele, Lea, Flood 2014): its state is a counter, so sharing it is harmless. */
    uint64_t state = __atomic_add_fetch(random, UINT64_C(0x9e3779b97f4a7c15), __ATOMIC_RELAXED);
    double uniform = (double)((ebb_mix64(state) >> 11) + 1) * 0x1p-53; /* (0, 1] */
    return (int64_t)(-natural_log(uniform) * (double)period);
}

struct ebb_weight ebb_sampler_weight(uint64_t size, uint64_t period, enum ebb_kind kind)
{
    if (period <= 1 || kind == EBB_KIND_MMAP || kind == EBB_KIND_THREAD)
        return (struct ebb_weight){EBB_OBJECT_SCALE, size};
    double weight = 1 / one_minus_exp(((double)size + 1) / (double)period);
    return (struct ebb_weight){(uint64_t)(weight * EBB_OBJECT_SCALE + 0.5),
                               (uint64_t)(weight * (double)size + 0.5)};
}
