/* Hashes for internal tables whose keys no attacker chooses.
 *
 * `ebb_mix64` is the finaliser of MurmurHash3 (Austin Appleby, public domain) with the constants of
 * David Stafford's variant 13; it is a bijection. */
#ifndef EBB_BASE_HASH_H
#define EBB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t ebb_mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A hash of a run of words: O(count). */
static inline uint64_t ebb_hash_words(const uint64_t *words, size_t count)
{
    uint64_t hash = count * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t i = 0; i < count; i++)
        hash = ebb_mix64(hash ^ words[i]) + UINT64_C(0x9e3779b97f4a7c15);
    return hash;
}

/* A hash of bytes, eight at a time: O(size). */
static inline uint64_t ebb_hash_bytes(const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    uint64_t hash = size * UINT64_C(0x9e3779b97f4a7c15), word;
    for (; size >= 8; size -= 8, bytes += 8) {
        __builtin_memcpy(&word, bytes, 8);
        hash = ebb_mix64(hash ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    }
    word = 0;
    __builtin_memcpy(&word, bytes, size);
    return ebb_mix64(hash ^ word);
}

#endif
