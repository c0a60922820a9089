/* See ebb/dynmap.h. The body is the template's (ebb/impl/map_template.h), compiled once with sizes
 * that are read from the map; here is what it calls for keys and values, and init, which lays them
 * out as the compiler would. */
#include <ebb/dynmap.h>

/* ---- keys and values of sizes known at run time ---- */

/* The sizes that most maps have are copied without a call. */
static inline void copy(void *to, const void *from, size_t size)
{
    uint64_t word;
    if (size == sizeof word) {
        memcpy(&word, from, sizeof word);
        memcpy(to, &word, sizeof word);
    } else if (size > 0) { /* of a set's values there may be none to point to */
        memmove(to, from, size);
    }
}

static inline uint64_t ebb__dynmap_hash(const struct ebb_dynmap *map, const void *key)
{
    const struct ebb_dynmap_type *type = &map->type;
    return type->hash ? type->hash(type->context, key, map->table.seed)
                      : ebb_hash_bytes(key, type->key_size, map->table.seed);
}

static inline bool ebb__dynmap_equal(const struct ebb_dynmap *map, const void *a, const void *b)
{
    const struct ebb_dynmap_type *type = &map->type;
    return type->equal ? type->equal(type->context, a, b) : memcmp(a, b, type->key_size) == 0;
}

static inline bool ebb__dynmap_copy_key(const struct ebb_dynmap *map, void *place)
{
    return !map->type.copy_key || map->type.copy_key(map->type.context, place);
}

static inline void ebb__dynmap_drop_key(const struct ebb_dynmap *map, const void *place)
{
    if (map->type.drop_key)
        map->type.drop_key(map->type.context, (void *)place);
}

static inline void ebb__dynmap_drop_value(const struct ebb_dynmap *map, void *place)
{
    if (map->type.drop_value)
        map->type.drop_value(map->type.context, place);
}

/* A key that was given, when there is one like it; it is the caller's when keys are copied. */
static inline void ebb__dynmap_drop_given(const struct ebb_dynmap *map, const void *key)
{
    if (!map->type.copy_key)
        ebb__dynmap_drop_key(map, key);
}

/* ---- the map ---- */

#define EBB__MAP_DYNAMIC
#define EBB_MAP_NAME ebb_dynmap
#undef EBB__API
#undef EBB__API_COLD
#define EBB__API /* the library's, not every caller's own */
#define EBB__API_COLD
#include <ebb/impl/map_template.h>

/* ---- layout ---- */

static size_t round_up(size_t bytes, size_t alignment)
{
    return (bytes + alignment - 1) & ~(alignment - 1);
}

/* The alignment to use for something of `size` bytes; 0: `wanted` does not go with it. */
static size_t choose_alignment(size_t size, size_t wanted)
{
    size_t natural = size ? size & -size : 1;
    if (natural > EBB_DYNMAP_MOST_ALIGNED)
        natural = EBB_DYNMAP_MOST_ALIGNED;
    if (wanted == 0)
        return natural;
    return (wanted & (wanted - 1)) == 0 && wanted <= natural ? wanted : 0;
}

static void lay_out(struct ebb_dynmap *map, size_t key_alignment, size_t value_alignment)
{
    size_t key_size = map->type.key_size, value_size = map->type.value_size;
    size_t alignment = key_alignment > value_alignment ? key_alignment : value_alignment;
    size_t value_at = round_up(key_size, value_alignment);
    size_t slot = round_up(value_at + value_size, alignment);
    bool apart = slot > key_size + value_size; /* padding would be wasted in every slot */

    map->key_stride = apart ? key_size : slot;
    map->value_stride = apart ? value_size : slot;
    map->values_at = apart ? round_up(EBB__GROUP * key_size, value_alignment) : value_at;
    map->node_stride = slot;
    map->node_value_at = value_at;

    if (alignment < __alignof__(struct ebb__node))
        alignment = __alignof__(struct ebb__node);
    size_t node_slots = round_up(sizeof(struct ebb__node), alignment);
    map->layout = (struct ebb__layout){
        .bucket_bytes = EBB__GROUP * (apart ? key_size + value_size : slot),
        .node_slots = node_slots,
        .node_bytes = round_up(node_slots + EBB__NODE_SLOTS * slot, alignment),
        .alignment = alignment,
        .slot_bytes = apart ? 0 : slot,
        .key_bytes = key_size,
        .value_bytes = value_size,
    };
}

int ebb_dynmap_init(struct ebb_dynmap *map, const struct ebb_dynmap_type *type,
                    const struct ebb_map_options *options)
{
    size_t key_alignment = choose_alignment(type->key_size, type->key_alignment);
    size_t value_alignment = choose_alignment(type->value_size, type->value_alignment);
    if (type->key_size == 0 || type->key_size > EBB_DYNMAP_LARGEST ||
        type->value_size > EBB_DYNMAP_LARGEST - type->key_size || !key_alignment ||
        !value_alignment)
        return -EINVAL;
    map->type = *type;
    lay_out(map, key_alignment, value_alignment);
    struct ebb_map_options all = options ? *options : (struct ebb_map_options){0};
    if (!all.site)
        all.site = __builtin_return_address(0);
    ebb__table_begin(&map->table, &all);
    map->table.clear = ebb_dynmap__clear_table;
    return 0;
}
