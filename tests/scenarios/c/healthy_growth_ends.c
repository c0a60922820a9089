/* An index is built for the first half of the window, at an even pace, through a table that doubles;
 * then it is complete and only read.
 *
 * expect: healthy
 * window: 30 */
#include "load.h"

struct posting {
    struct posting *next;
    unsigned long document;
    char excerpt[80];
};

static struct {
    struct posting **heads;
    size_t size, count;
} inverted;

static void inverted_grow(void)
{
    size_t size = inverted.size ? inverted.size * 2 : 256;
    struct posting **heads = calloc(size, sizeof *heads);
    if (!heads)
        abort();
    for (size_t i = 0; i < inverted.size; i++)
        while (inverted.heads[i]) {
            struct posting *posting = inverted.heads[i];
            inverted.heads[i] = posting->next;
            posting->next = heads[load_random(posting->document) % size];
            heads[load_random(posting->document) % size] = posting;
        }
    free(inverted.heads);
    inverted.heads = heads;
    inverted.size = size;
}

static void add(unsigned long document)
{
    if (inverted.count >= inverted.size)
        inverted_grow();
    struct posting *posting = calloc(1, sizeof *posting);
    if (!posting)
        abort();
    posting->document = document;
    snprintf(posting->excerpt, sizeof posting->excerpt, "document %lu begins thus", document);
    posting->next = inverted.heads[load_random(document) % inverted.size];
    inverted.heads[load_random(document) % inverted.size] = posting;
    inverted.count++;
}

static void step(unsigned long number)
{
    enum { DOCUMENTS = 180000 }; /* done after 15 s */
    if (number < DOCUMENTS) {
        add(number);
        return;
    }
    char *answer = malloc(256);
    if (answer)
        snprintf(answer, 256, "%lu",
                 inverted.heads[load_random(number) % inverted.size] ? number : 0);
    free(answer);
}

int main(void)
{
    load_run(12000, step);
}
