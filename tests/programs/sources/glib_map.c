/* A GLib hash table that only grows: glib_map [BYTES_PER_SECOND [tail]]. With `tail` the insert is the
 * last thing its function does, so that the compiler makes it a jump and the function is missing in
 * the stacks of the table's own memory. */
#include <stdio.h>

#include "pace.h"

#include <glib.h>

static GHashTable *routes;

__attribute__((noinline)) static void add_route(unsigned long number)
{
    char *name = g_strdup_printf("/api/v1/customers/%lu/orders", number);
    if (!g_hash_table_insert(routes, name, g_strnfill(100, 'r')))
        fputs("a route twice\n", stderr);
}

__attribute__((noinline)) static void add_route_last(unsigned long number)
{
    char *name = g_strdup_printf("/api/v1/customers/%lu/orders", number);
    g_hash_table_insert(routes, name, g_strnfill(100, 'r'));
}

int main(int argc, char **argv)
{
    double rate = pace_rate(argc, argv, 1), owed = 0;
    routes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (unsigned long number = 0;;)
        for (owed += (double)pace(rate); owed >= 170; owed -= 170)
            (argc > 2 ? add_route_last : add_route)(number++);
}
