/* A nightly import reads 1.5 million articles into a table of its own (open addressing, pointers to
 * articles), publishes them and deletes every article again. The table stays as large as it was at
 * the peak, for a few dozen articles a day.
 *
 * expect: map-kept-after-clear
 * also: fragmentation
 * window: 30 */
#include "load.h"

struct article {
    uint64_t number;
    char name[40];
};

struct slot {
    uint64_t number;
    struct article *article;
};

struct catalogue {
    struct slot *slots;
    size_t size, used;
};

static struct catalogue catalogue;

static struct slot *catalogue_slot(struct catalogue *in, uint64_t number)
{
    size_t at = load_random(number) & (in->size - 1);
    while (in->slots[at].number && in->slots[at].number != number)
        at = (at + 1) & (in->size - 1);
    return &in->slots[at];
}

static void catalogue_rehash(struct catalogue *in)
{
    struct catalogue larger = {NULL, in->size ? in->size * 2 : 1024, in->used};
    larger.slots = calloc(larger.size, sizeof *larger.slots); /* <- keeps */
    if (!larger.slots)
        abort();
    for (size_t i = 0; i < in->size; i++)
        if (in->slots[i].number)
            *catalogue_slot(&larger, in->slots[i].number) = in->slots[i];
    free(in->slots);
    *in = larger;
}

static void catalogue_add(struct catalogue *in, uint64_t number)
{
    if (in->used * 2 >= in->size)
        catalogue_rehash(in); /* <- keeps */
    struct article *article = calloc(1, sizeof *article);
    if (!article)
        abort();
    article->number = number;
    snprintf(article->name, sizeof article->name, "article %lu", (unsigned long)number);
    struct slot *slot = catalogue_slot(in, number);
    slot->number = number;
    slot->article = article;
    in->used++;
}

static void catalogue_clear(struct catalogue *in)
{
    for (size_t i = 0; i < in->size; i++)
        free(in->slots[i].article);
    memset(in->slots, 0, in->size * sizeof *in->slots);
    in->used = 0;
}

/* The import takes the first seconds; then a few articles come and go. */
static void step(unsigned long number)
{
    enum { IMPORT = 300 };
    if (number < IMPORT) {
        for (uint64_t i = 0; i < 5000; i++)
            catalogue_add(&catalogue, number * 5000 + i + 1);
    } else if (number == IMPORT) {
        catalogue_clear(&catalogue);
    } else {
        catalogue_add(&catalogue, number);
        if (catalogue.used > 50)
            catalogue_clear(&catalogue);
    }
}

int main(void)
{
    load_run(60, step);
}
