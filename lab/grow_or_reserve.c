/* L15: 1000 entries into a map that grows from nothing, against one with room for 1024 from the start.
 *
 * The figure is the most memory that was held at one time, in units of what is held at the end. An Ebb
 * map moves while it is small, and then holds two tables for a moment; a large one never does. */
#include "lab/lab.h"

#define EBB_MAP_NAME  numbers
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

/* Peak in units of the table with room for all of them from the start. */
static double peak_of(size_t reserved, uint64_t entries, size_t *held)
{
    const struct ebb_map_options options = {.allocator = &lab_allocator};
    struct numbers map;
    lab_memory = (struct lab_memory){0};
    numbers_init(&map, &options);
    if (reserved)
        numbers_reserve(&map, reserved);
    for (uint64_t key = 0; key < entries; key++)
        numbers_put(&map, key, key);
    size_t peak = lab_memory.peak;
    *held = lab_memory.held;
    numbers_free(&map);
    return (double)peak;
}

static void run(struct lab *lab)
{
    size_t held, grown;
    double reserved = peak_of(1024, 1000, &held);
    double from_nothing = peak_of(0, 1000, &grown);
    lab_row(lab, "grown from nothing: peak", "x", "1.9", from_nothing / (double)grown);
    lab_row(lab, "room for 1024 at once: peak", "x", "1.1", reserved / (double)held);
}

const struct lab_experiment lab_grow_or_reserve = {"L15", "Growing against reserving", "A3 §2.2",
                                                   "grow_or_reserve.go", run};
