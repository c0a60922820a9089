/* Worker: Ebb's map. See worker.h. */
#include "keys.h"

#ifdef TEXT_KEYS
struct text {
    const char *bytes;
    uint32_t size;
};
typedef struct text key_type;
#define EBB_MAP_KEY             struct text
#define EBB_MAP_HASH(key, seed) ebb_hash_bytes((key).bytes, (key).size, seed)
#define EBB_MAP_EQUAL(a, b)     ((a).size == (b).size && same_text((a).bytes, (b).bytes, (a).size))

static inline key_type key_at(size_t i)
{
    size_t size;
    const char *bytes = text_at(i, &size);
    return (struct text){bytes, (uint32_t)size};
}
#else
typedef uint64_t key_type;
#define EBB_MAP_KEY uint64_t

static inline key_type key_at(size_t i)
{
    return mix(i);
}
#endif

#define EBB_MAP_NAME  map
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

/* The template names its functions after the map, so the worker's go by macros. */
#define map_init(m)       (map_init)(m, &(const struct ebb_map_options){.seed = map_seed})
#define map_put(m, k, v)  ((void)(map_put)(m, k, v))
#define map_delete(m, k)  ((void)(map_delete)(m, k))
#define map_reserve(m, n) ((void)(map_reserve)(m, n))
#define map_clear(m)      (map_clear)(m, EBB_KEEP)
#define map_release(m)    (map_clear)(m, EBB_RELEASE)
#define map_get(m, k, v)  got((map_get)(m, k), v)
#define HAVE_RELEASE      1

HOT bool got(const uint64_t *value, uint64_t *to)
{
    if (!value)
        return false;
    *to = *value;
    return true;
}

static inline uint64_t map_sum(struct map *map)
{
    uint64_t sum = 0;
    ebb_map_foreach (map, it, map)
        sum += *it.value;
    return sum;
}

#include "worker.h"
