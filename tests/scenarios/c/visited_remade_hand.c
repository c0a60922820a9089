/* A graph service answers shortest-path queries; each query allocates a fresh visited table with
 * buckets for 4096 nodes and frees it at the end.
 *
 * expect: map-remade */
#include "load.h"

struct table {
    uint32_t *keys;
    size_t size;
};

static struct table *table_new(size_t size)
{
    struct table *table = malloc(sizeof *table); /* <- keeps */
    if (!table)
        abort();
    table->size = size;
    table->keys = calloc(size, sizeof *table->keys); /* <- keeps */
    if (!table->keys)
        abort();
    return table;
}

static void table_free(struct table *table)
{
    free(table->keys);
    free(table);
}

static int table_insert(struct table *table, uint32_t key)
{
    size_t at = load_random(key) & (table->size - 1);
    while (table->keys[at]) {
        if (table->keys[at] == key)
            return 0;
        at = (at + 1) & (table->size - 1);
    }
    table->keys[at] = key;
    return 1;
}

static void query(unsigned long number)
{
    struct table *visited = table_new(4096); /* <- keeps */
    uint32_t at = (uint32_t)number;
    for (int steps = 0; steps < 60; steps++) {
        table_insert(visited, at | 1);
        at = (uint32_t)load_random(at);
    }
    table_free(visited);
}

int main(void)
{
    load_run(8000, query);
}
