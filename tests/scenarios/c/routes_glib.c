/* An HTTP router caches the handler of every path it has seen, query string included, in a
 * GHashTable. The query holds a request id, so hardly any path comes twice.
 *
 * expect: unbounded-map
 * links: glib-2.0
 * quick: 8 */
#include "load.h"

#include <glib.h>

struct route {
    char *handler;
    int hits;
    double cost;
};

static GHashTable *routes;

static void route_free(gpointer data)
{
    struct route *route = data;
    g_free(route->handler);
    g_free(route);
}

static struct route *find_route(const char *path)
{
    struct route *route = g_hash_table_lookup(routes, path);
    if (!route) {
        route = g_new0(struct route, 1);                                       /* <- keeps */
        route->handler = g_strdup_printf("orders.%s", strrchr(path, '/') + 1); /* <- keeps */
        g_hash_table_insert(routes, g_strdup(path), route);                    /* <- keeps */
    }
    route->hits++;
    return route;
}

static void request(unsigned long number)
{
    char *path = g_strdup_printf("/api/v2/customers/%lu/orders?request=%016lx", number % 700,
                                 load_random(number));
    find_route(path)->cost += 1;
    g_free(path);
}

int main(void)
{
    routes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, route_free);
    load_run(6000, request);
}
