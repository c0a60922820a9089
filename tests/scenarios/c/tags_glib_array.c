/* A tracing library collects span tags in a GPtrArray that is meant to be flushed; the flush writes
 * them out and forgets to shorten the array.
 *
 * expect: growing-slice
 * links: glib-2.0 */
#include "load.h"

#include <glib.h>

static GPtrArray *pending;

static void record_tag(const char *name, unsigned long value)
{
    char *tag = g_strdup_printf("%s=%lu", name, value); /* <- keeps */
    g_ptr_array_add(pending, tag);                      /* <- keeps */
}

static void flush(void)
{
    static guint written;
    for (; written < pending->len; written++)
        if (!g_ptr_array_index(pending, written))
            fputs("no tag\n", stderr);
}

static void span(unsigned long number)
{
    record_tag("http.status_code", 200 + number % 5);
    record_tag("peer.port", number);
    if (number % 500 == 0)
        flush();
}

int main(void)
{
    pending = g_ptr_array_new_with_free_func(g_free);
    load_run(25000, span);
}
