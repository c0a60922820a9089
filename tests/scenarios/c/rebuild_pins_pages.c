/* A search server loads a snapshot of 1.2 million small records, builds its index and drops the
 * records; one in forty stays as a representative, scattered over the pages, so that nothing can go
 * back to the system.
 *
 * expect: fragmentation
 * window: 30 */
#include "load.h"

enum { RECORDS = 1200000, KEPT = 40 };

struct record {
    uint64_t id;
    char text[120];
};

static struct record *records[RECORDS];

static void load_snapshot(void)
{
    for (uint64_t i = 0; i < RECORDS; i++) {
        records[i] = malloc(sizeof *records[i]);
        if (!records[i])
            abort();
        records[i]->id = i;
        snprintf(records[i]->text, sizeof records[i]->text, "record %lu", (unsigned long)i);
    }
}

static void drop_snapshot(void)
{
    for (size_t i = 0; i < RECORDS; i++)
        if (i % KEPT != 0) {
            free(records[i]);
            records[i] = NULL;
        }
}

static void tick(unsigned long number)
{
    if (number == 30)
        load_snapshot();
    if (number == 60)
        drop_snapshot();
    char *query = malloc(100);
    if (query)
        snprintf(query, 100, "query %lu", number);
    free(query);
}

int main(void)
{
    load_run(10, tick);
}
