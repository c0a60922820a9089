/* The body of a worker: measures one map at one size, in one process.
 *
 *     WORKER throughput N      nanoseconds per operation and entry, one line each: NAME VALUE
 *     WORKER latency N         the slowest operations of N inserts and N deletes
 *     WORKER memory N          resident bytes through the life of a map
 *
 * Included once, after the worker has defined `key_type`, `struct map` and
 *
 *     key_type key_at(size_t i)
 *     void map_init(struct map *)               void map_free(struct map *)
 *     void map_reserve(struct map *, size_t)    void map_put(struct map *, key_type, uint64_t)
 *     bool map_get(struct map *, key_type, uint64_t *)
 *     void map_delete(struct map *, key_type)   void map_clear(struct map *)
 *     uint64_t map_sum(struct map *)            the sum of all values, by iterating
 *
 * Each loop that is timed is a function of its own, so that what the compiler inlines does not hang
 * on what else is in the file; bench/map reads in the machine code whether it did. C and C++. */
#include "keys.h"

enum {
    SMALL = 1000, /* sizes below it are measured on several maps in turn, with keys of their own */
    SMALL_MAPS = 16, /* so that no branch is learned by heart */
    WORTH = 1 << 19, /* operations that are worth timing */
    FILLS = 4,       /* identical fills, of which latency takes the fastest of each operation */
    DAYS = 30,       /* of a month */
};

static volatile uint64_t sink;

/* ---- the timed loops ---- */

LOOP void run_put(struct map *map, const key_type *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        map_put(map, keys[i], i);
}

LOOP uint64_t run_hit(struct map *map, const key_type *keys, size_t n)
{
    uint64_t sum = 0, value = 0;
    CLOBBER();
    for (size_t i = 0; i < n; i++)
        if (map_get(map, keys[i], &value))
            sum += value;
    return sum;
}

LOOP uint64_t run_miss(struct map *map, const key_type *keys, size_t n)
{
    uint64_t found = 0, value;
    CLOBBER();
    for (size_t i = 0; i < n; i++)
        found += map_get(map, keys[i], &value);
    return found;
}

LOOP void run_delete(struct map *map, const key_type *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        map_delete(map, keys[i]);
}

LOOP void run_churn(struct map *map, const key_type *old, const key_type *fresh, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        map_delete(map, old[i]);
        map_put(map, fresh[i], i);
    }
}

LOOP uint64_t run_iterate(struct map *map)
{
    CLOBBER();
    return map_sum(map);
}

/* ---- throughput ---- */

static void shuffle(key_type *keys, size_t n, uint64_t salt)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = mix(i * salt) % i;
        key_type key = keys[i - 1];
        keys[i - 1] = keys[j];
        keys[j] = key;
    }
}

static double clock_ns; /* what reading the clock costs, which a few entries would feel */

static void weigh_clock(void)
{
    clock_ns = 1e9;
    for (int i = 0; i < 100; i++) {
        double start = processor_ns(), cost = processor_ns() - start;
        clock_ns = cost < clock_ns ? cost : clock_ns;
    }
}

static double since(double start)
{
    return processor_ns() - start - clock_ns;
}

static void expect(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "wrong answer: %s\n", what);
    exit(4);
}

static void report(const char *name, double value)
{
    expect(value > 0.1, "faster than a processor: the compiler left something out");
    printf("%s %.3f\n", name, value);
}

static key_type *copy_keys(const key_type *keys, size_t n)
{
    key_type *copy = (key_type *)pages(n * sizeof *copy);
    memcpy((void *)copy, (const void *)keys, n * sizeof *copy);
    return copy;
}

static int throughput(size_t n)
{
    const size_t maps = n < SMALL ? SMALL_MAPS : 1, all = maps * n;
    const size_t fills = all >= WORTH ? 1 : n >= 50000 ? 4 : WORTH / all;
    const size_t passes = all >= WORTH ? 1 : 4 * fills;
    const double entries = (double)all;
    weigh_clock();
    prepare_keys(2 * all);
    key_type *keys = (key_type *)pages(2 * all * sizeof *keys);
    for (size_t i = 0; i < 2 * all; i++)
        keys[i] = key_at(i);
    const key_type *fresh = keys + all;
    key_type *hits = copy_keys(keys, all), *misses = copy_keys(fresh, all);
    for (size_t m = 0; m < maps; m++) {
        shuffle(hits + m * n, n, 77);
        shuffle(misses + m * n, n, 79);
    }
    static struct map set[SMALL_MAPS];
    double start, inserting = 0, reserved = 0, deleting = 0;
    uint64_t sum = 0, found = 0;

    for (size_t fill = 0; fill < fills; fill++) {
        start = processor_ns();
        for (size_t m = 0; m < maps; m++) {
            map_init(&set[m]);
            run_put(&set[m], keys + m * n, n);
        }
        inserting += since(start);
        if (fill + 1 < fills) {
            start = processor_ns();
            for (size_t m = 0; m < maps; m++)
                run_delete(&set[m], hits + m * n, n);
            deleting += since(start);
            for (size_t m = 0; m < maps; m++)
                map_free(&set[m]);
        }
    }
    report("insert", inserting / (double)fills / entries);

    start = processor_ns();
    for (size_t pass = 0; pass < passes; pass++)
        for (size_t m = 0; m < maps; m++)
            sum += run_hit(&set[m], hits + m * n, n);
    report("hit", since(start) / (double)passes / entries);
    const uint64_t right = (uint64_t)maps * (n * (n - 1) / 2);
    expect(sum == right * passes, "hit");

    start = processor_ns();
    for (size_t pass = 0; pass < passes; pass++)
        for (size_t m = 0; m < maps; m++)
            found += run_miss(&set[m], misses + m * n, n);
    report("miss", since(start) / (double)passes / entries);
    expect(found == 0, "miss");

    sum = 0;
    start = processor_ns();
    for (size_t pass = 0; pass < passes; pass++)
        for (size_t m = 0; m < maps; m++)
            sum += run_iterate(&set[m]);
    report("iterate", since(start) / (double)passes / entries);
    expect(sum == right * passes, "iterate");

    const size_t turns = passes / 2 ? passes / 2 : 1;
    start = processor_ns();
    for (size_t turn = 0; turn < turns; turn++)
        for (size_t m = 0; m < maps; m++) {
            run_churn(&set[m], keys + m * n, fresh + m * n, n);
            run_churn(&set[m], fresh + m * n, keys + m * n, n);
        }
    report("churn", since(start) / (double)(2 * turns) / entries);

    start = processor_ns();
    for (size_t fill = 0; fill < fills; fill++)
        for (size_t m = 0; m < maps; m++) {
            map_clear(&set[m]);
            run_put(&set[m], keys + m * n, n);
        }
    report("refill", since(start) / (double)fills / entries);

    if (fills == 1) {
        start = processor_ns();
        for (size_t m = 0; m < maps; m++)
            run_delete(&set[m], hits + m * n, n);
        deleting += since(start);
    }
    report("delete", deleting / (double)(fills > 1 ? fills - 1 : 1) / entries);
    for (size_t m = 0; m < maps; m++)
        map_free(&set[m]);

    for (size_t fill = 0; fill < fills; fill++) {
        start = processor_ns();
        for (size_t m = 0; m < maps; m++) {
            map_init(&set[m]);
            map_reserve(&set[m], n);
            run_put(&set[m], keys + m * n, n);
        }
        reserved += since(start);
        for (size_t m = 0; m < maps; m++)
            map_free(&set[m]);
    }
    report("reserved", reserved / (double)fills / entries);
    sink = sum + found;
    return 0;
}

/* ---- latency ---- */

enum { BINS = 1 << 22 };

static void report_slowest(const char *what, const uint32_t *fastest, size_t n, double ns)
{
    uint32_t *bins = (uint32_t *)pages(BINS * sizeof *bins);
    uint32_t worst = 0, high = 0;
    size_t below = 0;
    for (size_t i = 0; i < n; i++) {
        bins[fastest[i] < BINS ? fastest[i] : BINS - 1]++;
        worst = fastest[i] > worst ? fastest[i] : worst;
    }
    while (high < BINS && (double)(below += bins[high]) < (double)n * 0.9999)
        high++;
    munmap(bins, BINS * sizeof *bins + 1);
    printf("%s_worst_ns %.0f\n%s_p9999_ns %.0f\n", what, worst * ns, what, high * ns);
}

static int latency(size_t n)
{
    const double ns = ns_per_tick();
    map_seed = PEER_SEED;
    prepare_keys(n);
    key_type *keys = (key_type *)pages(n * sizeof *keys);
    for (size_t i = 0; i < n; i++)
        keys[i] = key_at(i);
    key_type *order = copy_keys(keys, n);
    shuffle(order, n, 77);
    uint32_t *puts = (uint32_t *)pages(n * sizeof *puts),
             *deletes = (uint32_t *)pages(n * sizeof *deletes);
    memset(puts, 0xff, n * sizeof *puts);
    memset(deletes, 0xff, n * sizeof *deletes);
    for (int fill = 0; fill < FILLS; fill++) {
        struct map map;
        map_init(&map);
        for (size_t i = 0; i < n; i++) {
            uint64_t start = ticks();
            map_put(&map, keys[i], i);
            uint64_t took = ticks() - start;
            if (took < puts[i])
                puts[i] = (uint32_t)took;
        }
        for (size_t i = 0; i < n; i++) {
            uint64_t start = ticks();
            map_delete(&map, order[i]);
            uint64_t took = ticks() - start;
            if (took < deletes[i])
                deletes[i] = (uint32_t)took;
        }
        map_free(&map);
    }
    report_slowest("insert", puts, n, ns);
    report_slowest("delete", deletes, n, ns);
    return 0;
}

/* ---- memory ---- */

#ifndef TEXT_KEYS

static void report_bytes(const char *name, size_t before)
{
    size_t now = resident_bytes();
    printf("%s %zu\n", name, now > before ? now - before : 0);
}

/* Bytes per entry, the mean over sizes from n / 8 to n, sixteen to each doubling. */
static void fill_and_weigh(struct map *map, size_t n, size_t before)
{
    double sum = 0, next = (double)n / 8;
    int weighed = 0;
    for (size_t i = 0; i < n; i++) {
        map_put(map, key_at(i), i);
        if ((double)(i + 1) >= next) {
            sum += (double)(resident_bytes() - before) / (double)(i + 1);
            weighed++;
            next *= 1.0442737824274138; /* 2 to the 1/16 */
        }
    }
    printf("per_entry %.2f\n", sum / weighed);
}

/* Sessions come and go: every day n at the busiest hour, an eighth of that in the night. */
static void month(size_t n)
{
    size_t before = resident_bytes(), oldest = 0, newest = 0;
    struct map map;
    map_init(&map);
    for (int day = 0; day < DAYS; day++) {
        size_t busiest = n - (size_t)(mix((uint64_t)day) % (n / 4));
        while (newest - oldest < busiest)
            map_put(&map, key_at(newest++), 1);
        if (day == 0)
            report_bytes("month_first_day", before);
        while (newest - oldest > n / 8)
            map_delete(&map, key_at(oldest++));
        if (day == 0)
            report_bytes("month_first_night", before);
    }
    report_bytes("month_last_night", before);
    map_free(&map);
}

static int memory(size_t n)
{
    size_t before = resident_bytes(), gone = 0;
    struct map map;
    map_init(&map);
    fill_and_weigh(&map, n, before);
    report_bytes("peak", before);
    static const struct {
        const char *name;
        unsigned percent;
    } steps[] = {{"deleted_90", 90}, {"deleted_99", 99}, {"deleted_100", 100}};
    for (size_t step = 0; step < sizeof steps / sizeof *steps; step++) {
        for (; gone < n / 100 * steps[step].percent; gone++)
            map_delete(&map, key_at(gone));
        report_bytes(steps[step].name, before);
    }
    for (size_t i = 0; i < n; i++)
        map_put(&map, key_at(i), i);
    map_clear(&map);
    report_bytes("cleared", before);
#ifdef HAVE_RELEASE
    map_release(&map);
    report_bytes("released", before);
#endif
    map_free(&map);
    report_bytes("freed", before);
    month(n / 4);
    return 0;
}

#endif

int main(int argc, char **argv)
{
    size_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    if (n >= 4 && strcmp(argv[1], "throughput") == 0)
        return throughput(n);
    if (n >= 1000 && strcmp(argv[1], "latency") == 0)
        return latency(n);
#ifndef TEXT_KEYS
    if (n >= 1000 && strcmp(argv[1], "memory") == 0)
        return memory(n);
#endif
    fprintf(stderr, "usage: %s throughput|latency|memory N\n", argv[0]);
    return 2;
}
