/* Worker: khash, as htslib ships it. See worker.h. */
#include "keys.h"

#include <htslib/khash.h>

#ifdef TEXT_KEYS
struct text {
    const char *bytes;
    size_t size;
};
typedef struct text key_type;
#define HASH(key)  ((khint_t)ebb_hash_bytes((key).bytes, (key).size, PEER_SEED))
#define SAME(a, b) ((a).size == (b).size && same_text((a).bytes, (b).bytes, (a).size))

static inline key_type key_at(size_t i)
{
    size_t size;
    const char *bytes = text_at(i, &size);
    return (struct text){bytes, size};
}
#else
typedef uint64_t key_type;
#define HASH(key)  ((khint_t)ebb_hash_integer(key, PEER_SEED))
#define SAME(a, b) ((a) == (b))

static inline key_type key_at(size_t i)
{
    return mix(i);
}
#endif

KHASH_INIT(numbers, key_type, uint64_t, 1, HASH, SAME)

struct map {
    khash_t(numbers) * table;
};

HOT void map_init(struct map *map)
{
    map->table = kh_init(numbers);
}

HOT void map_free(struct map *map)
{
    kh_destroy(numbers, map->table);
}

HOT void map_reserve(struct map *map, size_t n)
{
    kh_resize(numbers, map->table, (khint_t)((double)n / 0.77 + 1));
}

HOT void map_put(struct map *map, key_type key, uint64_t value)
{
    int added;
    khint_t at = kh_put(numbers, map->table, key, &added);
    kh_val(map->table, at) = value;
}

HOT bool map_get(struct map *map, key_type key, uint64_t *value)
{
    khint_t at = kh_get(numbers, map->table, key);
    if (at == kh_end(map->table))
        return false;
    *value = kh_val(map->table, at);
    return true;
}

HOT void map_delete(struct map *map, key_type key)
{
    khint_t at = kh_get(numbers, map->table, key);
    if (at != kh_end(map->table))
        kh_del(numbers, map->table, at);
}

HOT void map_clear(struct map *map)
{
    kh_clear(numbers, map->table);
}

static inline uint64_t map_sum(struct map *map)
{
    uint64_t sum = 0;
    for (khint_t at = kh_begin(map->table); at != kh_end(map->table); at++)
        if (kh_exist(map->table, at))
            sum += kh_val(map->table, at);
    return sum;
}

#include "worker.h"
