/* See level.h. */
#include "level.h"

struct ebb__nothing {
};

static inline bool refs_equal(const struct ebb__refs *refs, struct ebb__ref a, struct ebb__ref b)
{
    const struct ebb__level *level = (const struct ebb__level *)refs; /* its first member */
    return a.hash == b.hash && level->equal(a.key, b.key);
}

#define EBB_MAP_NAME              ebb__refs
#define EBB_MAP_KEY               struct ebb__ref
#define EBB_MAP_VALUE             struct ebb__nothing
#define EBB_MAP_HASH(ref, seed)   ((ref).hash)
#define EBB__MAP_EQUAL(map, a, b) refs_equal(map, a, b)
#define EBB_MAP_SAME(a, b)        ((a).key == (b).key)
#define EBB__MAP_DECLARED
#include <ebb/map.h>

enum { LOOSE = 4 }; /* a table is too large when so many times its entries would fit */

const struct ebb__layout *ebb__level_layout(void)
{
    return &ebb__refs__layout;
}

size_t ebb__level_bytes(const struct ebb__level *level)
{
    return ebb__table_bytes(&level->refs.table, &ebb__refs__layout);
}

const void *ebb__level_find(const struct ebb__level *level, struct ebb__ref ref)
{
    struct ebb__refs__place place;
    if (!ebb__refs__find(&level->refs, ref, ref.hash, &place))
        return NULL;
    return ebb__refs__key_at(&level->refs, &place)->key;
}

bool ebb__level_holds(const struct ebb__level *level, struct ebb__ref ref)
{
    struct ebb__refs__place place;
    return ebb__refs__find_key(&level->refs, ref, true, ref.hash, &place);
}

int ebb__level_add(struct ebb__level *level, struct ebb__ref ref)
{
    bool inserted;
    return ebb__refs__emplace(&level->refs, ref, &inserted) ? 0 : -ENOMEM;
}

void ebb__level_remove(struct ebb__level *level, struct ebb__ref ref)
{
    struct ebb__refs__place place;
    if (ebb__refs__find_key(&level->refs, ref, true, ref.hash, &place))
        ebb__refs__remove(&level->refs, ref.hash, place);
}

void ebb__level_clear(struct ebb__level *level, enum ebb_clear what)
{
    ebb__refs_clear(&level->refs, what);
}

void ebb__level_free(struct ebb__level *level)
{
    ebb__refs_free(&level->refs);
}

bool ebb__level_is_full(const struct ebb__level *level)
{
    return level->refs.table.count >= level->refs.table.grow_at;
}

bool ebb__level_tighten(struct ebb__level *level)
{
    size_t before = ebb__level_bytes(level), buckets = ebb__table_buckets(&level->refs.table);
    if (buckets > 1 && ebb__level_len(level) * LOOSE < buckets * EBB__MAX_LOAD)
        ebb__refs_compact(&level->refs);
    return ebb__level_bytes(level) < before;
}

bool ebb__level_maintain(struct ebb__level *level)
{
    return ebb__refs_maintain(&level->refs, 0);
}

struct ebb__refs_iter ebb__level_walk(const struct ebb__level *level)
{
    return ebb__refs_iter_begin((struct ebb__refs *)&level->refs);
}

bool ebb__level_walk_next(struct ebb__refs_iter *walk)
{
    return ebb__refs_iter_next(walk);
}

void ebb__level_walk_end(struct ebb__refs_iter *walk)
{
    ebb__refs_iter_end(walk);
}
