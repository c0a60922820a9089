/* Orders are gathered and written in batches: memory climbs for three seconds, falls to nothing, and
 * climbs again.
 *
 * expect: healthy
 * quick: 10 */
#include "load.h"

struct order {
    struct order *next;
    char *note;
    double total;
};

static struct order *batch;

static void write_batch(void)
{
    while (batch) {
        struct order *order = batch;
        batch = order->next;
        free(order->note);
        free(order);
    }
}

static void accept_order(unsigned long number)
{
    struct order *order = malloc(sizeof *order);
    if (!order)
        abort();
    order->note = malloc(200 + load_random(number) % 400);
    if (!order->note)
        abort();
    snprintf(order->note, 200, "order %lu", number);
    order->total = (double)(number % 977);
    order->next = batch;
    batch = order;
    if (number % 24000 == 23999)
        write_batch();
}

int main(void)
{
    load_run(8000, accept_order);
}
