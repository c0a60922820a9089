/* A cache whose entries live four seconds; a sweeper takes expired ones out twice a second. It fills
 * for four seconds and then stays as it is.
 *
 * expect: healthy */
#include "load.h"

enum { BUCKETS = 4096 };

struct entry {
    struct entry *next;
    double expires;
    char key[40];
    char value[160];
};

static struct entry *buckets[BUCKETS];

static void put(unsigned long number)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        abort();
    entry->expires = load_now() + 4;
    snprintf(entry->key, sizeof entry->key, "price/%lu", number);
    struct entry **head = &buckets[load_random(number) % BUCKETS];
    entry->next = *head;
    *head = entry;
}

static void sweep(void)
{
    double now = load_now();
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct entry **at = &buckets[i]; *at;)
            if ((*at)->expires <= now) {
                struct entry *gone = *at;
                *at = gone->next;
                free(gone);
            } else {
                at = &(*at)->next;
            }
}

static void step(unsigned long number)
{
    put(number);
    if (number % 4000 == 0)
        sweep();
}

int main(void)
{
    load_run(8000, step);
}
