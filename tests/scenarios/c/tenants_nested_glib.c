/* A configuration service: tenant -> key -> value, a GHashTable of GHashTables. Every request writes
 * its trace id into its tenant's table.
 *
 * expect: unbounded-nested-map
 * links: glib-2.0
 * quick: 8 */
#include "load.h"

#include <glib.h>

static GHashTable *tenants;

static GHashTable *tenant_table(const char *tenant)
{
    GHashTable *table = g_hash_table_lookup(tenants, tenant);
    if (!table) {
        table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_hash_table_insert(tenants, g_strdup(tenant), table);
    }
    return table;
}

static gboolean set_config(const char *tenant, const char *key, const char *value)
{
    GHashTable *table = tenant_table(tenant);
    char *copy = g_strdup(key);                               /* <- keeps */
    return g_hash_table_insert(table, copy, g_strdup(value)); /* <- keeps */
}

static void request(unsigned long number)
{
    char tenant[32], key[64];
    snprintf(tenant, sizeof tenant, "tenant-%lu", load_random(number) % 300);
    snprintf(key, sizeof key, "trace/%016lx/state", load_random(~number));
    if (!set_config(tenant, key, "{\"state\":\"done\",\"retries\":0,\"region\":\"eu-central\"}"))
        fputs("a trace twice\n", stderr);
}

int main(void)
{
    tenants = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    load_run(12000, request);
}
