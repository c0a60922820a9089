// Worker: a C++ map with the standard interface; MAP<key, value, hash> is the template. See worker.h.
#include "keys.h"

#include <new>
#include <string_view>

#ifndef NDEBUG
#error "with assertions these maps look up twice: build with --buildtype=release"
#endif

#ifdef TEXT_KEYS
typedef std::string_view key_type;

struct hasher {
    using is_avalanching = void;
    size_t operator()(key_type key) const
    {
        return ebb_hash_bytes(key.data(), key.size(), PEER_SEED);
    }
};

static inline key_type key_at(size_t i)
{
    size_t size;
    const char *bytes = text_at(i, &size);
    return key_type(bytes, size);
}
#else
typedef uint64_t key_type;

struct hasher {
    using is_avalanching = void;
    size_t operator()(key_type key) const
    {
        return ebb_hash_integer(key, PEER_SEED);
    }
};

static inline key_type key_at(size_t i)
{
    return mix(i);
}
#endif

typedef MAP<key_type, uint64_t, hasher> peer_map;

// In place, as a C map is: making one includes no allocation of the map itself.
struct map {
    alignas(peer_map) unsigned char place[sizeof(peer_map)];
    peer_map *table;
};

HOT void map_init(struct map *map)
{
    map->table = new (map->place) peer_map();
}

HOT void map_free(struct map *map)
{
    map->table->~peer_map();
}

HOT void map_reserve(struct map *map, size_t n)
{
    map->table->reserve(n);
}

HOT void map_put(struct map *map, key_type key, uint64_t value)
{
    map->table->insert_or_assign(key, value);
}

HOT bool map_get(struct map *map, key_type key, uint64_t *value)
{
    auto found = map->table->find(key);
    if (found == map->table->end())
        return false;
    *value = found->second;
    return true;
}

HOT void map_delete(struct map *map, key_type key)
{
    map->table->erase(key);
}

HOT void map_clear(struct map *map)
{
    map->table->clear();
}

static inline uint64_t map_sum(struct map *map)
{
    uint64_t sum = 0;
    for (const auto &entry : *map->table)
        sum += entry.second;
    return sum;
}

#include "worker.h"
