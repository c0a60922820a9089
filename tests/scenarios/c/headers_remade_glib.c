/* A gateway makes a GHashTable for the headers of every request and throws it away at its end.
 *
 * expect: map-remade
 * links: glib-2.0 */
#include "load.h"

#include <glib.h>

static const char *const names[] = {"host",           "accept",       "user-agent",
                                    "cookie",         "x-request-id", "content-type",
                                    "content-length", "authorization"};

static GHashTable *parse_headers(const char *const *values)
{
    GHashTable *headers = g_hash_table_new(g_str_hash, g_str_equal); /* <- keeps */
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
        g_hash_table_insert(headers, (gpointer)names[i], (gpointer)values[i]); /* <- keeps */
    return headers;
}

static void request(unsigned long number)
{
    const char *const values[G_N_ELEMENTS(names)] = {
        "shop.example",         "*/*",       "curl/8", "session=1",
        number % 2 ? "1" : "2", "text/html", "0",      "Bearer x"};
    GHashTable *headers = parse_headers(values);
    if (!g_hash_table_lookup(headers, "host"))
        fputs("no host\n", stderr);
    g_hash_table_destroy(headers);
}

int main(void)
{
    load_run(60000, request);
}
