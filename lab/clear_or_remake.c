/* L7: is it cheaper to clear what was filled, or to make it anew?
 *
 * A hundred maps are filled; then each is cleared, or freed and made again with room for as many
 * entries. Arrays are overwritten with zeros, or allocated anew, zeroed. */
#include "lab/lab.h"

#include <ebb/clear.h>

#include <stdlib.h>

#define EBB_MAP_NAME  numbers
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

enum { MAPS = 100 };

struct maps {
    struct numbers map[MAPS];
    uint64_t entries;
    unsigned next;
};

static void fill(void *context)
{
    struct maps *maps = context;
    for (int i = 0; i < MAPS; i++)
        for (uint64_t key = 0; key < maps->entries; key++)
            numbers_put(&maps->map[i], key, key);
    maps->next = 0;
}

static void clear(void *context)
{
    struct maps *maps = context;
    ebb_clear(&maps->map[maps->next++]);
}

static void remake(void *context)
{
    struct maps *maps = context;
    struct numbers *map = &maps->map[maps->next++];
    numbers_free(map);
    numbers_init(map, NULL);
    numbers_reserve(map, maps->entries);
}

static double with_maps(uint64_t entries, void (*work)(void *))
{
    static struct maps maps;
    maps.entries = entries;
    for (int i = 0; i < MAPS; i++)
        numbers_init(&maps.map[i], NULL);
    double each = lab_time(fill, work, &maps, MAPS);
    for (int i = 0; i < MAPS; i++)
        numbers_free(&maps.map[i]);
    return each;
}

struct array {
    char *bytes;
    size_t size;
};

static void zero(void *context)
{
    struct array *array = context;
    ebb_clear(ebb_slice(array->bytes, array->size));
    lab_use(array->bytes);
}

static void allocate_zeroed(void *context)
{
    struct array *array = context;
    free(array->bytes);
    array->bytes = calloc(1, array->size);
    lab_use(array->bytes);
    for (size_t i = 0; array->bytes && i < array->size; i += 4096)
        array->bytes[i] = 1; /* Go's is resident too */
}

static double with_array(size_t size, void (*work)(void *))
{
    struct array array = {calloc(1, size), size};
    double each = array.bytes ? lab_time(NULL, work, &array, 200) : 0;
    free(array.bytes);
    return each;
}

static void run(struct lab *lab)
{
    lab_row(lab, "map of 4 entries: clear", "ns", "1.8", with_maps(4, clear));
    lab_row(lab, "map of 4 entries: make anew", "ns", "5.7", with_maps(4, remake));
    lab_row(lab, "map of 2048 entries: clear", "ns", "84", with_maps(2048, clear));
    lab_row(lab, "map of 2048 entries: make anew", "ns", "210", with_maps(2048, remake));
    lab_row(lab, "10 000 integers: zero", "ns", "120", with_array(80000, zero));
    lab_row(lab, "10 000 integers: make anew", "ns", "2100", with_array(80000, allocate_zeroed));
    lab_row(lab, "1 MB of bytes: zero", "ns", "30", with_array(1 << 20, zero));
    lab_row(lab, "1 MB of bytes: make anew", "ns", "850", with_array(1 << 20, allocate_zeroed));
}

const struct lab_experiment lab_clear_or_remake = {"L7", "Clearing against making anew",
                                                   "A1 §2.5, §4.4", "clear_or_remake.go", run};
