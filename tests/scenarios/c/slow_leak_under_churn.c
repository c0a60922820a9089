/* 50 KB/s are lost under 50 MB/s that are allocated and freed: a reply's trailer is forgotten
 * whenever the client closed the connection first.
 *
 * expect: leak
 * window: 120 */
#include "load.h"

struct trailer {
    char etag[40];
    char fields[460];
};

static struct trailer *make_trailer(unsigned long number)
{
    struct trailer *trailer = calloc(1, sizeof *trailer); /* <- keeps */
    if (!trailer)
        abort();
    snprintf(trailer->etag, sizeof trailer->etag, "W/\"%lx\"", number);
    return trailer;
}

static void reply(unsigned long number)
{
    size_t length = 5000 + load_random(number) % 10000;
    char *body = malloc(length);
    struct trailer *trailer = make_trailer(number); /* <- keeps */
    if (!body)
        abort();
    memset(body, 'b', length);
    free(body);
    if (number % 50 != 0) /* one client in fifty is gone already */
        free(trailer);
}

int main(void)
{
    load_run(5000, reply);
}
