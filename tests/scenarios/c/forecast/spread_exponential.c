/* Every subscriber brings others along: the growth is in proportion to what is there and doubles about
 * every fifteen seconds, until the cgroup's limit.
 *
 * limit: 240M
 * under: cgroup */
#include "../load.h"

#include <math.h>

struct subscriber {
    struct subscriber *next;
    char profile[500];
};

static struct subscriber *all;

static void subscribe(void)
{
    struct subscriber *one = malloc(sizeof *one);
    if (!one)
        abort();
    memset(one->profile, 's', sizeof one->profile);
    one->next = all;
    all = one;
}

static void tick(unsigned long number)
{
    static double due = 4000;
    static unsigned long count;
    due *= number ? exp2(1 / (15 * 20.0)) : 1;
    for (; (double)count < due; count++)
        subscribe();
}

int main(void)
{
    load_run(20, tick);
}
