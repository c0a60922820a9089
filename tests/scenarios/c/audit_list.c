/* Every change is put in front of a linked list for an audit page that shows the latest twenty. The
 * list is never cut.
 *
 * expect: leak */
#include "load.h"

struct change {
    struct change *older;
    char who[32], what[64];
    double when;
};

static struct change *latest;

static void audit(const char *who, const char *what)
{
    struct change *change = malloc(sizeof *change); /* <- keeps */
    if (!change)
        abort();
    snprintf(change->who, sizeof change->who, "%s", who);
    snprintf(change->what, sizeof change->what, "%s", what);
    change->when = load_now();
    change->older = latest;
    latest = change;
}

static void request(unsigned long number)
{
    char who[32], what[64];
    snprintf(who, sizeof who, "operator-%lu", number % 12);
    snprintf(what, sizeof what, "set price of article %lu", number % 9000);
    audit(who, what);
}

int main(void)
{
    load_run(9000, request);
}
