/* A free list of message buffers: taken for a request, put back after it. The pool grows to what the
 * busiest moment needed.
 *
 * expect: healthy */
#include "load.h"

struct buffer {
    struct buffer *next;
    size_t used;
    char bytes[8192];
};

static struct buffer *pool, *in_flight[400];

static struct buffer *buffer_get(void)
{
    struct buffer *buffer = pool;
    if (buffer)
        pool = buffer->next;
    else if (!(buffer = malloc(sizeof *buffer)))
        abort();
    buffer->used = 0;
    return buffer;
}

static void buffer_put(struct buffer *buffer)
{
    buffer->next = pool;
    pool = buffer;
}

static void request(unsigned long number)
{
    struct buffer **slot = &in_flight[load_random(number) % 400];
    if (*slot) {
        buffer_put(*slot);
        *slot = NULL;
    } else {
        *slot = buffer_get();
        memset((*slot)->bytes, 'm', 100 + number % 8000);
    }
    char *log = malloc(120);
    if (log)
        snprintf(log, 120, "request %lu", number);
    free(log);
}

int main(void)
{
    load_run(5000, request);
}
