/* Postal codes are read once at the start into a GHashTable and looked up for ever after.
 *
 * expect: healthy
 * links: glib-2.0 */
#include "load.h"

#include <glib.h>

static GHashTable *codes;

static void read_codes(void)
{
    for (unsigned i = 0; i < 200000; i++)
        g_hash_table_insert(codes, g_strdup_printf("%06u", i),
                            g_strdup_printf("town number %u", i * 7));
}

static void request(unsigned long number)
{
    char *code = g_strdup_printf("%06lu", load_random(number) % 200000);
    char *line = g_strdup_printf("%s %s", code, (const char *)g_hash_table_lookup(codes, code));
    g_free(line);
    g_free(code);
}

int main(void)
{
    codes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    read_codes();
    load_run(15000, request);
}
