/* Hashes for maps: 64 bits, all of them well mixed, different for every seed.
 *
 * The mixer multiplies to 128 bits and folds the halves together (as wyhash by Wang Yi and rapidhash
 * by Nicolas De Carli do). It is fast, not cryptographic: what protects a map from chosen keys is
 * that nobody knows its seed. */
#ifndef EBB_HASH_H
#define EBB_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t ebb__fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 ebb__wide;
    ebb__wide product = (ebb__wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t ebb__swap_halves(uint64_t word)
{
    return word << 32 | word >> 32;
}

/* Both factors depend on the seed. Were one of them known, somebody could choose keys that make it 0,
 * or the same for many, and these would collide under every seed. */
static inline uint64_t ebb__fold_seeded(uint64_t a, uint64_t b, uint64_t seed)
{
    return ebb__fold(a ^ seed, b ^ ebb__swap_halves(seed) ^ UINT64_C(0xa0761d6478bd642f));
}

/* An integer or the bits of a pointer. */
static inline uint64_t ebb_hash_integer(uint64_t key, uint64_t seed)
{
    return ebb__fold_seeded(key, ebb__swap_halves(key), seed);
}

static inline uint64_t ebb__read8(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

static inline uint64_t ebb__read4(const char *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, 4);
    return word;
}

/* Bytes: texts, arrays, structs without padding. O(size). */
static inline uint64_t ebb_hash_bytes(const void *data, size_t size, uint64_t seed)
{
    const char *bytes = (const char *)data;
    uint64_t a = 0, b = 0;
    seed ^= size * UINT64_C(0x9e3779b97f4a7c15);
    if (size > 16) {
        size_t left = size;
        for (; left > 16; left -= 16, bytes += 16)
            seed = ebb__fold_seeded(ebb__read8(bytes), ebb__read8(bytes + 8), seed);
        a = ebb__read8(bytes + left - 16);
        b = ebb__read8(bytes + left - 8);
    } else if (size >= 8) {
        a = ebb__read8(bytes);
        b = ebb__read8(bytes + size - 8);
    } else if (size >= 4) {
        a = ebb__read4(bytes);
        b = ebb__read4(bytes + size - 4);
    } else if (size > 0) {
        a = (uint64_t)(uint8_t)bytes[0] << 16 | (uint64_t)(uint8_t)bytes[size / 2] << 8 |
            (uint8_t)bytes[size - 1];
    }
    return ebb__fold_seeded(a, b, seed);
}

#endif
