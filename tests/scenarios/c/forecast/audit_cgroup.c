/* A list of changes that is never cut, beside healthy work: even growth under a cgroup's limit. The
 * kernel ends it.
 *
 * limit: 200M
 * under: cgroup */
#include "../load.h"

struct change {
    struct change *older;
    char what[280];
};

static struct change *latest;

static void audit(unsigned long number)
{
    struct change *change = malloc(sizeof *change);
    if (!change)
        abort();
    memset(change->what, (int)number, sizeof change->what);
    change->older = latest;
    latest = change;
}

static void work(unsigned long number)
{
    size_t length = 1000 + load_random(number) % 9000;
    char *page = malloc(length);
    if (page)
        memset(page, 'p', length);
    free(page);
}

int main(void)
{
    load_in_thread(1000, work);
    load_run(9000, audit);
}
