/* L10: a map made in every round of a loop, against one that is cleared and used again.
 *
 * 100 000 rounds put ten entries each. What is counted are bytes taken from the allocator. */
#include "lab/lab.h"

#define EBB_MAP_NAME  numbers
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

enum { ROUNDS = 100000, ENTRIES = 10 };

static void put_all(struct numbers *map)
{
    for (uint64_t key = 0; key < ENTRIES; key++)
        numbers_put(map, key, key);
    lab_use(map);
}

static const struct ebb_map_options options = {.allocator = &lab_allocator};

static void make_each_time(void *context)
{
    (void)context;
    for (int i = 0; i < ROUNDS; i++) {
        struct numbers map;
        numbers_init(&map, &options);
        put_all(&map);
        numbers_free(&map);
    }
}

static void make_once(void *context)
{
    (void)context;
    struct numbers map;
    numbers_init(&map, &options);
    for (int i = 0; i < ROUNDS; i++) {
        put_all(&map);
        numbers_clear(&map, EBB_KEEP);
    }
    numbers_free(&map);
}

static void measure(struct lab *lab, const char *memory, const char *claimed, const char *time,
                    const char *claimed_time, void (*work)(void *))
{
    lab_memory = (struct lab_memory){0};
    work(NULL);
    lab_row(lab, memory, "MB", claimed, (double)lab_memory.taken / 1e6);
    lab_row(lab, time, "ms", claimed_time, lab_time(NULL, work, NULL, 1) / 1e6);
}

static void run(struct lab *lab)
{
    measure(lab, "made 100 000 times: memory taken", "12.4", "made 100 000 times: time", "14.2",
            make_each_time);
    measure(lab, "made once: memory taken", "0.1", "made once: time", "2.1", make_once);
}

const struct lab_experiment lab_reuse_in_loop = {
    "L10", "A map made in a loop against one used again", "A1 §3.1", "reuse_in_loop.go", run};
