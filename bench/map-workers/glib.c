/* Worker: GLib's GHashTable, numbers in its pointers, texts behind them. See worker.h. It is a
 * library that calls back for hashes: nothing of it can be inlined. */
#include "keys.h"

#include <glib.h>

#ifdef TEXT_KEYS
struct text {
    const char *bytes;
    size_t size;
};
typedef const struct text *key_type;

static key_type key_at(size_t i)
{
    struct text *text = (struct text *)malloc(sizeof *text);
    text->bytes = text_at(i, &text->size);
    return text;
}

static guint hash(gconstpointer key)
{
    const struct text *text = (const struct text *)key;
    return (guint)ebb_hash_bytes(text->bytes, text->size, PEER_SEED);
}

static gboolean same(gconstpointer a, gconstpointer b)
{
    const struct text *left = (const struct text *)a, *right = (const struct text *)b;
    return left->size == right->size && same_text(left->bytes, right->bytes, left->size);
}

static gpointer packed(key_type key)
{
    return (gpointer)key;
}
#else
typedef uint64_t key_type;

static key_type key_at(size_t i)
{
    return mix(i);
}

static guint hash(gconstpointer key)
{
    return (guint)ebb_hash_integer((uint64_t)(uintptr_t)key, PEER_SEED);
}

#define same NULL /* GLib compares pointers then */

static gpointer packed(key_type key)
{
    return (gpointer)(uintptr_t)key;
}
#endif

struct map {
    GHashTable *table;
};

static void map_init(struct map *map)
{
    map->table = g_hash_table_new(hash, same);
}

static void map_free(struct map *map)
{
    g_hash_table_destroy(map->table);
}

static void map_reserve(struct map *map, size_t n)
{
    (void)map, (void)n; /* it cannot */
}

HOT void map_put(struct map *map, key_type key, uint64_t value)
{
    g_hash_table_insert(map->table, packed(key), (gpointer)(uintptr_t)value);
}

HOT bool map_get(struct map *map, key_type key, uint64_t *value)
{
    gpointer found = NULL;
    if (!g_hash_table_lookup_extended(map->table, packed(key), NULL, &found))
        return false;
    *value = (uint64_t)(uintptr_t)found;
    return true;
}

HOT void map_delete(struct map *map, key_type key)
{
    g_hash_table_remove(map->table, packed(key));
}

static void map_clear(struct map *map)
{
    g_hash_table_remove_all(map->table);
}

static uint64_t map_sum(struct map *map)
{
    uint64_t sum = 0;
    GHashTableIter it;
    gpointer value;
    g_hash_table_iter_init(&it, map->table);
    while (g_hash_table_iter_next(&it, NULL, &value))
        sum += (uint64_t)(uintptr_t)value;
    return sum;
}

#include "worker.h"
