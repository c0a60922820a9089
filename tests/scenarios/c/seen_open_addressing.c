/* An ingest job drops duplicates by remembering the id and time of every message in an
 * open-addressing set that doubles. Times never repeat, so the set only grows. There are no nodes:
 * all memory is the table.
 *
 * expect: unbounded-map */
#include "load.h"

struct key {
    uint64_t id, time_ns;
};

struct seen {
    struct key *slots;
    size_t capacity, used;
};

static struct seen seen;

static size_t slot_of(const struct seen *set, struct key key)
{
    size_t at = load_random(key.id ^ key.time_ns) & (set->capacity - 1);
    while (set->slots[at].id &&
           (set->slots[at].id != key.id || set->slots[at].time_ns != key.time_ns))
        at = (at + 1) & (set->capacity - 1);
    return at;
}

static void seen_grow(struct seen *set)
{
    struct seen larger = {NULL, set->capacity ? set->capacity * 2 : 1024, set->used};
    larger.slots = calloc(larger.capacity, sizeof *larger.slots); /* <- keeps */
    if (!larger.slots)
        abort();
    for (size_t i = 0; i < set->capacity; i++)
        if (set->slots[i].id)
            larger.slots[slot_of(&larger, set->slots[i])] = set->slots[i];
    free(set->slots);
    *set = larger;
}

static int seen_before(struct seen *set, struct key key)
{
    if (set->used * 4 >= set->capacity * 3)
        seen_grow(set); /* <- keeps */
    struct key *slot = &set->slots[slot_of(set, key)];
    if (slot->id)
        return 1;
    *slot = key;
    set->used++;
    return 0;
}

static void message(unsigned long number)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct key key = {number % 100000 + 1,
                      (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    char *body = malloc(200 + number % 400);
    if (!body)
        abort();
    memset(body, 'm', 200);
    if (seen_before(&seen, key))
        fputs("a duplicate\n", stderr);
    free(body);
}

int main(void)
{
    load_run(60000, message);
}
