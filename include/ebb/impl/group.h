/* Sixteen fingerprints compared at once.
 *
 * A fingerprint is a byte of an entry's hash, never 0; 0 marks a free slot. A comparison gives a
 * set of lanes: an integer in which every lane has one bit, EBB__LANE_BITS apart. SSE2 and the
 * portable code have one bit per lane, NEON four (vshrn, as in Danila Kutenin's "Porting x86 vector
 * bitmask optimizations to Arm NEON", 2022).
 *
 * Chosen at compile time; -DEBB_PORTABLE forces the portable code. */
#ifndef EBB_IMPL_GROUP_H
#define EBB_IMPL_GROUP_H

#include <stdint.h>
#include <string.h>

#define EBB__GROUP 16 /* lanes */

static inline uint8_t ebb__fingerprint(uint64_t hash)
{
    uint8_t top = (uint8_t)(hash >> 56);
    return (uint8_t)(top + (top == 0));
}

#if defined __SSE2__ && !defined EBB_PORTABLE

#include <emmintrin.h>

#define EBB__LANE_BITS 1
#define EBB__ALL_LANES UINT64_C(0xffff)

/* The fingerprint of `hash`, in every lane: its top byte, 0 counting as 1. */
static inline __m128i ebb__group_wanted(uint64_t hash)
{
    return _mm_max_epu8(_mm_set1_epi8((char)(hash >> 56)), _mm_set1_epi8(1));
}

/* The lanes that have it. */
static inline uint64_t ebb__group_match(const uint8_t *group, uint64_t hash)
{
    return (uint64_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(*(const __m128i *)group, ebb__group_wanted(hash)));
}

static inline uint64_t ebb__group_free(const uint8_t *group)
{
    return (uint64_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(*(const __m128i *)group, _mm_setzero_si128()));
}

#elif defined __ARM_NEON && !defined EBB_PORTABLE

#include <arm_neon.h>

#define EBB__LANE_BITS 4
#define EBB__ALL_LANES UINT64_C(0x1111111111111111)

static inline uint64_t ebb__lanes_neon(uint8x16_t equal)
{
    uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(equal), 4);
    return vget_lane_u64(vreinterpret_u64_u8(nibbles), 0) & EBB__ALL_LANES;
}

static inline uint64_t ebb__group_match(const uint8_t *group, uint64_t hash)
{
    uint8x16_t wanted = vmaxq_u8(vdupq_n_u8((uint8_t)(hash >> 56)), vdupq_n_u8(1));
    return ebb__lanes_neon(vceqq_u8(vld1q_u8(group), wanted));
}

static inline uint64_t ebb__group_free(const uint8_t *group)
{
    return ebb__lanes_neon(vceqq_u8(vld1q_u8(group), vdupq_n_u8(0)));
}

#else

#define EBB__LANE_BITS 1
#define EBB__ALL_LANES UINT64_C(0xffff)

/* One bit for each byte of `word` that is zero (exact: no carry passes from byte to byte). */
static inline uint64_t ebb__zero_bytes(uint64_t word)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t zero = ~(((word & low) + low) | word | low) >> 7;
    return (zero * UINT64_C(0x0102040810204080)) >> 56;
}

static inline uint64_t ebb__group_equal(const uint8_t *group, uint8_t fingerprint)
{
    uint64_t wanted = fingerprint * UINT64_C(0x0101010101010101), words[2];
    memcpy(words, group, sizeof words);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    words[0] = __builtin_bswap64(words[0]);
    words[1] = __builtin_bswap64(words[1]);
#endif
    return ebb__zero_bytes(words[0] ^ wanted) | ebb__zero_bytes(words[1] ^ wanted) << 8;
}

static inline uint64_t ebb__group_match(const uint8_t *group, uint64_t hash)
{
    return ebb__group_equal(group, ebb__fingerprint(hash));
}

static inline uint64_t ebb__group_free(const uint8_t *group)
{
    return ebb__group_equal(group, 0);
}

#endif

static inline uint64_t ebb__group_used(const uint8_t *group)
{
    return ebb__group_free(group) ^ EBB__ALL_LANES;
}

/* The first lane of a set that is not empty. */
static inline unsigned ebb__first_lane(uint64_t lanes)
{
    return (unsigned)__builtin_ctzll(lanes) / EBB__LANE_BITS;
}

static inline unsigned ebb__last_lane(uint64_t lanes)
{
    return (63u - (unsigned)__builtin_clzll(lanes)) / EBB__LANE_BITS;
}

#if defined __SSE2__ && !defined EBB_PORTABLE

/* One lane is changed by writing the whole group: a store of one byte followed by a load of sixteen
 * would stall until the store has left the store buffer. */
static inline __m128i ebb__only_lane(unsigned lane)
{
    static const uint8_t one[48]
        __attribute__((aligned(16))) = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff};
    return _mm_loadu_si128((const __m128i *)(one + 16 - lane));
}

/* Occupies the first free lane, `lane`, for an entry with that hash. `alone`: there is no other group,
 * and so every operation waits for what the one before has stored. Then the lane is found without its
 * number, which takes half as long; as long as the free lanes are all together, which in larger
 * tables cannot be foreseen. */
static inline void ebb__group_occupy(uint8_t *group, unsigned lane, uint64_t hash, int alone)
{
    __m128i present = *(const __m128i *)group, chosen;
    if (alone) {
        __m128i unused = _mm_cmpeq_epi8(present, _mm_setzero_si128());
        chosen = _mm_andnot_si128(_mm_slli_si128(unused, 1), unused);
        int lanes = _mm_movemask_epi8(chosen);
        if (__builtin_expect((lanes & (lanes - 1)) != 0, 0))
            chosen = ebb__only_lane(lane);
    } else {
        chosen = ebb__only_lane(lane);
    }
    *(__m128i *)group = _mm_or_si128(present, _mm_and_si128(chosen, ebb__group_wanted(hash)));
}

/* Frees the lane of an entry with that hash. Mostly no other one has the same fingerprint; then this
 * does not wait for the number of the lane either. */
static inline void ebb__group_forget(uint8_t *group, unsigned lane, uint64_t hash)
{
    __m128i present = *(const __m128i *)group;
    __m128i chosen = _mm_cmpeq_epi8(present, ebb__group_wanted(hash));
    int lanes = _mm_movemask_epi8(chosen);
    if (__builtin_expect((lanes & (lanes - 1)) != 0, 0))
        chosen = ebb__only_lane(lane);
    *(__m128i *)group = _mm_andnot_si128(chosen, present);
}

#else

static inline void ebb__group_occupy(uint8_t *group, unsigned lane, uint64_t hash, int alone)
{
    (void)alone;
    group[lane] = ebb__fingerprint(hash);
}

static inline void ebb__group_forget(uint8_t *group, unsigned lane, uint64_t hash)
{
    (void)hash;
    group[lane] = 0;
}

#endif

#endif
