/* What the workers of bench/map, bench/map-latency and bench/map-memory share: keys, their hash,
 * clocks, and the size of the process.
 *
 * Keys are numbers (64 random-looking bits) or, with -DTEXT_KEYS, texts of 16 to 24 bytes that lie
 * in one pool. All C and C++ maps hash them with the same functions, those of ebb/hash.h. C and
 * C++. */
#ifndef BENCH_MAP_KEYS_H
#define BENCH_MAP_KEYS_H

#include <ebb/hash.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define HOT  static inline __attribute__((always_inline, unused))
#define LOOP static __attribute__((noinline, unused))

/* In a function that is timed: else the compiler sees that it changes nothing, and calls it once
 * for all passes. */
#define CLOBBER() __asm__ volatile("" ::: "memory")

/* The seed of the peers, which have one hash for all maps. */
#define PEER_SEED UINT64_C(0x9e3779b97f4a7c15)

/* 0: an Ebb map draws a seed of its own, as it does everywhere; otherwise fills are identical. */
static uint64_t map_seed __attribute__((unused));

HOT uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Memory that malloc does not know of, so that the keys do not change how maps are laid out. */
static inline void *pages(size_t size)
{
    void *memory = mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(3);
    return memory;
}

#ifdef TEXT_KEYS

enum { TEXT_ROOM = 24 };
static char *text_pool;

/* The text of key `i`, its length in `size`. */
static inline const char *text_at(size_t i, size_t *size)
{
    char *bytes = text_pool + i * TEXT_ROOM;
    const uint64_t words[] = {mix(i), mix(i + 0x123456789), mix(i * 3 + 1)};
    memcpy(bytes, words, sizeof words);
    *size = 16 + mix(i ^ 0x777) % 9;
    return bytes;
}

static inline void prepare_keys(size_t count)
{
    text_pool = (char *)pages(count * TEXT_ROOM);
}

/* Whether two texts of `size` bytes are the same; the size is that of most keys in practice. */
HOT bool same_text(const char *a, const char *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

#else

static inline void prepare_keys(size_t count)
{
    (void)count;
}

#endif

/* Nanoseconds of processor time of this process: what else the machine does is left out. */
static inline double processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline double wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The processor's own counter, read in a few nanoseconds. */
HOT uint64_t ticks(void)
{
#if defined __x86_64__
    unsigned aux;
    return __builtin_ia32_rdtscp(&aux);
#elif defined __aarch64__
    uint64_t count;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return (uint64_t)wall_ns();
#endif
}

static inline double ns_per_tick(void)
{
    double start = wall_ns();
    uint64_t first = ticks();
    while (wall_ns() - start < 5e7)
        ;
    return (wall_ns() - start) / (double)(ticks() - first);
}

static inline size_t resident_bytes(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &size, &resident) != 2)
            resident = 0;
        fclose(file);
    }
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
