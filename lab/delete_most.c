/* L17: what is left of a big map's memory when nearly all of it is deleted.
 *
 * Two million entries, of which one in a hundred stays. The figures are resident memory: of Go's
 * process after two collections and FreeOSMemory, which is the best it can do. */
#include "lab/lab.h"

#define EBB_MAP_NAME  numbers
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

enum { ENTRIES = 2000000, ONE_OF = 100 };

static void work(void *context)
{
    static struct numbers map; /* the process ends with it */
    const struct ebb_map_options *options = context;
    numbers_init(&map, options);
    for (uint64_t key = 0; key < ENTRIES; key++)
        numbers_put(&map, key, key);
    for (uint64_t key = 0; key < ENTRIES; key++)
        if (key % ONE_OF)
            numbers_delete(&map, key);
}

static void run(struct lab *lab)
{
    struct ebb_map_options kept = {.no_shrink = true}, usual = {0};
    double peak, end;
    lab_resident(work, &kept, &peak, &end);
    lab_row(lab, "at the peak", "MB", "", peak);
    lab_row(lab, "99 % deleted, table kept", "MB", "stays at the high-water mark", end);
    lab_resident(work, &usual, &peak, &end);
    lab_row(lab, "99 % deleted, shrunk (Go: rebuilt by hand)", "MB", "falls", end);
}

const struct lab_experiment lab_delete_most = {"L17", "Deleting most of a big map", "A0 §4.2",
                                               "delete_most.go", run};
