/* One level of a nested map: a table of references (include/ebb/impl/nested.h), for nested_map.c.
 *
 * What a reference points to is read only to compare keys whose whole hashes agree. So tables split
 * and merge without touching inner maps and entries, and a walk may hold references to what is
 * gone. */
#ifndef EBB_RUNTIME_LEVEL_H
#define EBB_RUNTIME_LEVEL_H

#include <ebb/nested_map.h>

static inline size_t ebb__level_len(const struct ebb__level *level)
{
    return level->refs.table.count;
}

/* The bytes of the table, without what it refers to. */
size_t ebb__level_bytes(const struct ebb__level *level);

/* The key that the level refers to and that is like the one given; NULL: there is none. */
const void *ebb__level_find(const struct ebb__level *level, struct ebb__ref ref);
/* Whether it still has this very reference; reads nothing of what it refers to. */
bool ebb__level_holds(const struct ebb__level *level, struct ebb__ref ref);
/* There is none like it yet. 0 or -ENOMEM. */
int ebb__level_add(struct ebb__level *level, struct ebb__ref ref);
void ebb__level_remove(struct ebb__level *level, struct ebb__ref ref);
void ebb__level_clear(struct ebb__level *level, enum ebb_clear what);
void ebb__level_free(struct ebb__level *level);

/* Whether the next entry makes the table grow. */
bool ebb__level_is_full(const struct ebb__level *level);
/* Makes a table much larger than what is in it smaller; false: there was nothing to be had. */
bool ebb__level_tighten(struct ebb__level *level);
/* Goes a step on with growing or shrinking; false: nothing was left to do. */
bool ebb__level_maintain(struct ebb__level *level);

/* Brings the inventory up to date about a nested map, whose outer level's table has this layout. */
void ebb__nested_show(struct ebb__nested *nested, const struct ebb__layout *layout);
const struct ebb__layout *ebb__level_layout(void);

/* Walks, as for any map; `key` of the walk is the reference produced. */
struct ebb__refs_iter ebb__level_walk(const struct ebb__level *level);
bool ebb__level_walk_next(struct ebb__refs_iter *walk);
void ebb__level_walk_end(struct ebb__refs_iter *walk);

#endif
