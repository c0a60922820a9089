/* The body of a map of one type; see ebb/map.h for what it offers and impl/table.h for the layout.
 * Included once per type with the parameters set; no include guard.
 *
 * What depends on no type is in the library (table.c). What is here is either hot, and inlined into
 * the caller, or marked EBB__COLD and compiled once per type: growing, shrinking, chains.
 *
 * The file's own macros end in an underscore: none of a program's is in their way. */

#define M_(suffix) EBB__JOIN(EBB_MAP_NAME, suffix)
#define KEY_       M_(_key_type)
#define VALUE_     M_(_value_type)

/* ---- entries ----
 *
 * All that depends on whether the sizes of keys and values are known to the compiler. If they are,
 * entries are copied by assignment; if not (ebb/dynmap.h), their sizes are in the map, and keys and
 * values are passed by address. An ARG is what functions take, LOAD_ makes one of a place, SET_..._
 * writes one to a place. */
#ifndef EBB__MAP_DYNAMIC

typedef EBB_MAP_KEY KEY_;
typedef EBB_MAP_VALUE VALUE_;

#ifndef EBB__MAP_DECLARED /* the library's own maps may be part of public structs */
struct EBB_MAP_NAME {
    struct ebb__table table;
};

struct M_(_put_result) {
    VALUE_ *value; /* NULL: out of memory */
    bool inserted;
};

struct M_(_iter) {
    const KEY_ *key;    /* of the entry produced; a copy, good until the next step */
    VALUE_ *value;      /* in the map; good until the map changes */
    bool modified;      /* the walk of a fail-fast map ended because the map had changed */
    bool out_of_memory; /* the walk ended before its time */

    struct EBB_MAP_NAME *map;
    struct ebb__walk walk;
    KEY_ keys[EBB__GROUP];
    KEY_ *more; /* copies that found no room above; malloc'ed */
};
#endif

/* One slot, when keys and values lie side by side. */
struct M_(_slot) {
    KEY_ key;
    VALUE_ value;
};

enum {
    /* Padding between keys and values is wasted sixteen times per bucket: then they lie apart, unless
     * one of them wants to be aligned to more than sixteen keys or values are. */
    M_(__apart) = sizeof(struct M_(_slot)) > sizeof(KEY_) + sizeof(VALUE_) &&
                  __alignof__(struct M_(_slot)) <= EBB__GROUP,
    M_(__slot_bytes) = M_(__apart) ? sizeof(KEY_) + sizeof(VALUE_) : sizeof(struct M_(_slot)),
    M_(__alignment) = __alignof__(struct M_(_slot)) > __alignof__(struct ebb__node)
                          ? __alignof__(struct M_(_slot))
                          : __alignof__(struct ebb__node),
    M_(__node_slots) =
        (sizeof(struct ebb__node) + M_(__alignment) - 1) / M_(__alignment) * M_(__alignment),
    /* A node's keys and values side by side always: three of each would need padding apart too. */
    M_(__node_bytes) =
        (M_(__node_slots) + EBB__NODE_SLOTS * sizeof(struct M_(_slot)) + M_(__alignment) - 1) /
        M_(__alignment) * M_(__alignment),
};

static const struct ebb__layout M_(__layout) = {
    /* bucket_bytes */ EBB__GROUP * M_(__slot_bytes),
    /* node_slots   */ M_(__node_slots),
    /* node_bytes   */ M_(__node_bytes),
    /* alignment    */ M_(__alignment),
    /* slot_bytes   */ M_(__apart) ? (size_t)0 : (size_t)M_(__slot_bytes),
    /* key_bytes    */ sizeof(KEY_),
    /* value_bytes  */ sizeof(VALUE_),
};

#define KEY_ARG_                   KEY_
#define VALUE_ARG_                 VALUE_
#define LOAD_(place)               (*(place))
#define SET_KEY_(map, to, key)     (*(to) = (key))
#define SET_VALUE_(map, to, value) (*(to) = (value))
#define LAYOUT_(map)               (&M_(__layout))
#define SLOT_BYTES_(map)           ((size_t)M_(__slot_bytes))
#define STACK_NODE_(map)                                                                           \
    ((struct ebb__node *)__builtin_alloca_with_align(M_(__node_bytes), 8 * M_(__alignment)))
#define KEY_BYTES_(map) sizeof(KEY_)
#define KEY_ALIGNMENT_                                                                             \
    (__alignof__(KEY_) > sizeof(void *) ? (size_t) __alignof__(KEY_) : sizeof(void *))
#define REFERS_(map)                                                                               \
    (EBB__REFERS(*(KEY_ *)(map)->table.slots) || EBB__REFERS(*(VALUE_ *)(map)->table.slots))
#define NEAR_(it)               EBB__GROUP
#define HASH_(map, key)         EBB_MAP_HASH(key, (map)->table.seed)
#define EQUAL_(map, a, b)       EBB__MAP_EQUAL(map, a, b)
#define SAME_(map, a, b)        EBB_MAP_SAME(a, b)
#define COPY_KEY_(map, place)   EBB__MAP_COPY_KEY(map, place)
#define DROP_KEY_(map, place)   EBB__MAP_DROP_KEY(map, place)
#define DROP_VALUE_(map, place) EBB_MAP_DROP_VALUE(*(place))
#define DROPS_(map)             EBB__MAP_DROPS
/* A key that was given to be stored, when there is one like it already. */
#define DROP_GIVEN_(map, key) EBB__MAP_DROP_GIVEN(map, key)

EBB__HOT KEY_ *M_(__key)(const struct EBB_MAP_NAME *map, char *bucket, unsigned lane)
{
    (void)map;
    return (KEY_ *)(bucket + lane * (M_(__apart) ? sizeof(KEY_) : (size_t)M_(__slot_bytes)));
}

EBB__HOT VALUE_ *M_(__value)(const struct EBB_MAP_NAME *map, char *bucket, unsigned lane)
{
    (void)map;
    return M_(__apart) ? (VALUE_ *)(bucket + EBB__GROUP * sizeof(KEY_)) + lane
                       : &((struct M_(_slot) *)bucket + lane)->value;
}

EBB__HOT KEY_ *M_(__node_key)(const struct EBB_MAP_NAME *map, struct ebb__node *node, unsigned i)
{
    (void)map;
    return &((struct M_(_slot) *)((char *)node + M_(__node_slots)) + i)->key;
}

EBB__HOT VALUE_ *M_(__node_value)(const struct EBB_MAP_NAME *map, struct ebb__node *node,
                                  unsigned i)
{
    (void)map;
    return &((struct M_(_slot) *)((char *)node + M_(__node_slots)) + i)->value;
}

#else

typedef void KEY_;
typedef void VALUE_;

#define KEY_ARG_                   const void *
#define VALUE_ARG_                 const void *
#define LOAD_(place)               ((const void *)(place))
#define SET_KEY_(map, to, key)     copy(to, key, (map)->type.key_size)
#define SET_VALUE_(map, to, value) copy(to, value, (map)->type.value_size)
#define LAYOUT_(map)               (&(map)->layout)
#define SLOT_BYTES_(map)           ((map)->layout.bucket_bytes / EBB__GROUP)
#define STACK_NODE_(map)           ((struct ebb__node *)__builtin_alloca((map)->layout.node_bytes))
#define KEY_BYTES_(map)            ((map)->type.key_size)
#define KEY_ALIGNMENT_             ((size_t)EBB__GROUP)
#define REFERS_(map)               true
#define NEAR_(it)                  ((it)->near)
#define HASH_(map, key)            ebb__dynmap_hash(map, key)
#define EQUAL_(map, a, b)          ebb__dynmap_equal(map, a, b)
#define SAME_(map, a, b)           (memcmp(a, b, (map)->type.key_size) == 0)
#define COPY_KEY_(map, place)      ebb__dynmap_copy_key(map, place)
#define DROP_KEY_(map, place)      ebb__dynmap_drop_key(map, place)
#define DROP_VALUE_(map, place)    ebb__dynmap_drop_value(map, place)
#define DROPS_(map)                ((map)->type.drop_key || (map)->type.drop_value)
#define DROP_GIVEN_(map, key)      ebb__dynmap_drop_given(map, key)

/* `copy` and the functions that end in the names above are in dynmap.c, which includes this. */
EBB__HOT void *M_(__key)(const struct EBB_MAP_NAME *map, char *bucket, unsigned lane)
{
    return bucket + lane * map->key_stride;
}

EBB__HOT void *M_(__value)(const struct EBB_MAP_NAME *map, char *bucket, unsigned lane)
{
    return bucket + map->values_at + lane * map->value_stride;
}

EBB__HOT void *M_(__node_key)(const struct EBB_MAP_NAME *map, struct ebb__node *node, unsigned i)
{
    return (char *)node + map->layout.node_slots + i * map->node_stride;
}

EBB__HOT void *M_(__node_value)(const struct EBB_MAP_NAME *map, struct ebb__node *node, unsigned i)
{
    return (char *)M_(__node_key)(map, node, i) + map->node_value_at;
}

#endif

EBB__HOT char *M_(__bucket)(const struct EBB_MAP_NAME *map, size_t home)
{
    return map->table.slots + home * SLOT_BYTES_(map);
}

/* The i-th key that a walk copied. */
EBB__HOT KEY_ *M_(__copied)(struct M_(_iter) * it, unsigned i)
{
    if (i < NEAR_(it))
        return (KEY_ *)((char *)it->keys + i * KEY_BYTES_(it->map));
    return (KEY_ *)((char *)it->more + (i - NEAR_(it)) * KEY_BYTES_(it->map));
}

EBB__HOT uint64_t M_(__hash)(const struct EBB_MAP_NAME *map, KEY_ARG_ key)
{
    (void)map; /* for hashes that use no seed */
    return HASH_(map, key);
}

/* ---- finding ---- */

/* Where an entry is: lane `lane` of its bucket, or slot `lane` of a node of its chain. */
struct M_(__place) {
    size_t home;
    char *bucket;
    struct ebb__node *node;
    unsigned lane;
};

/* Gives a place by value: one that is pointed to would live in memory in every lookup. */
static EBB__COLD struct M_(__place)
    M_(__find_in_chain)(const struct EBB_MAP_NAME *map, KEY_ARG_ key, bool same, uint64_t hash)
{
    uint8_t fingerprint = ebb__fingerprint(hash);
    size_t home = ebb__home(&map->table, hash), bucket = home / EBB__GROUP;
    struct M_(__place) place = {home, NULL, NULL, 0};
    if (map->table.filters[bucket] >> (fingerprint & 7) & 1)
        place.node = map->table.chains[bucket];
    for (; place.node; place.node = place.node->next)
        for (place.lane = 0; place.lane < EBB__NODE_SLOTS; place.lane++)
            if (place.node->fingerprints[place.lane] == fingerprint) {
                KEY_ARG_ found = LOAD_(M_(__node_key)(map, place.node, place.lane));
                if (same ? SAME_(map, found, key) : EQUAL_(map, found, key))
                    return place;
            }
    return place;
}

/* `same`: the very key that is stored, not one like it (EBB_MAP_SAME); a constant. */
EBB__HOT bool M_(__find_key)(const struct EBB_MAP_NAME *map, KEY_ARG_ key, bool same, uint64_t hash,
                             struct M_(__place) * place)
{
    size_t home = ebb__home(&map->table, hash);
    const uint8_t *group =
        (const uint8_t *)__builtin_assume_aligned(map->table.fingerprints + home, EBB__GROUP);
    uint64_t lanes = ebb__group_match(group, hash);
    place->home = home;
    place->node = NULL;
    if (lanes) {
        char *bucket = place->bucket = M_(__bucket)(map, home);
        /* The match is most likely right: fetch what it may lie in before the lane is known. */
        __builtin_prefetch(bucket);
        if (EBB__GROUP * SLOT_BYTES_(map) > 64)
            __builtin_prefetch(bucket + 64);
        do {
            unsigned lane = ebb__first_lane(lanes);
            KEY_ARG_ found = LOAD_(M_(__key)(map, bucket, lane));
            if (EBB__LIKELY(same ? SAME_(map, found, key) : EQUAL_(map, found, key))) {
                place->lane = lane;
                return true;
            }
            lanes &= lanes - 1;
        } while (lanes);
    }
    if (EBB__LIKELY(ebb__group_free(group)) || !map->table.nodes)
        return false;
    *place = M_(__find_in_chain)(map, key, same, hash);
    return place->node != NULL;
}

EBB__HOT bool M_(__find)(const struct EBB_MAP_NAME *map, KEY_ARG_ key, uint64_t hash,
                         struct M_(__place) * place)
{
    return M_(__find_key)(map, key, false, hash, place);
}

EBB__HOT VALUE_ *M_(__value_at)(const struct EBB_MAP_NAME *map, const struct M_(__place) * place)
{
    if (EBB__UNLIKELY(place->node != NULL))
        return M_(__node_value)(map, place->node, place->lane);
    return M_(__value)(map, place->bucket, place->lane);
}

EBB__HOT KEY_ *M_(__key_at)(const struct EBB_MAP_NAME *map, const struct M_(__place) * place)
{
    if (EBB__UNLIKELY(place->node != NULL))
        return M_(__node_key)(map, place->node, place->lane);
    return M_(__key)(map, place->bucket, place->lane);
}

EBB__API VALUE_ *M_(_get)(const struct EBB_MAP_NAME *map, KEY_ARG_ key)
{
    struct M_(__place) place;
    return M_(__find)(map, key, M_(__hash)(map, key), &place) ? M_(__value_at)(map, &place) : NULL;
}

EBB__API bool M_(_has)(const struct EBB_MAP_NAME *map, KEY_ARG_ key)
{
    struct M_(__place) place;
    return M_(__find)(map, key, M_(__hash)(map, key), &place);
}

EBB__API size_t M_(_len)(const struct EBB_MAP_NAME *map)
{
    return map->table.count;
}

/* ---- placing ---- */

/* Takes a slot in the chain of a full bucket. `spare` are nodes to use first. The node is NULL: out of
 * memory. */
static EBB__COLD struct M_(__place)
    M_(__take_in_chain)(struct EBB_MAP_NAME *map, size_t home, uint8_t fingerprint,
                        struct ebb__node **spare)
{
    struct ebb__table *table = &map->table;
    size_t bucket = home / EBB__GROUP;
    struct ebb__node *node = table->chains[bucket];
    struct M_(__place) place = {home, NULL, NULL, 0};
    unsigned i = 0;
    while (node && i < EBB__NODE_SLOTS && node->fingerprints[i])
        i++;
    if (!node || i == EBB__NODE_SLOTS) {
        if (*spare) {
            node = *spare;
            *spare = node->next;
            memset(node->fingerprints, 0, sizeof node->fingerprints);
        } else {
            node = ebb__node_new(table, LAYOUT_(map));
        }
        if (!node)
            return place;
        node->next = table->chains[bucket];
        table->chains[bucket] = node;
        i = 0;
    }
    node->fingerprints[i] = fingerprint;
    table->filters[bucket] |= (uint8_t)(1u << (fingerprint & 7));
    place.node = node;
    place.lane = i;
    return place;
}

/* Puts an entry that moves into a bucket; cannot fail when `spare` holds enough. */
EBB__HOT void M_(__settle)(struct EBB_MAP_NAME *map, size_t home, uint8_t fingerprint,
                           const KEY_ *key, const VALUE_ *value, struct ebb__node **spare)
{
    uint8_t *group = map->table.fingerprints + home;
    uint64_t lanes = ebb__group_free(group);
    struct M_(__place) place = {home, M_(__bucket)(map, home), NULL, 0};
    if (EBB__LIKELY(lanes)) {
        place.lane = ebb__first_lane(lanes);
        group[place.lane] = fingerprint;
    } else {
        place = M_(__take_in_chain)(map, home, fingerprint, spare);
    }
    SET_KEY_(map, M_(__key_at)(map, &place), LOAD_(key));
    SET_VALUE_(map, M_(__value_at)(map, &place), LOAD_(value));
}

static EBB__COLD void M_(__free_nodes)(struct EBB_MAP_NAME *map, struct ebb__node *nodes)
{
    while (nodes) {
        struct ebb__node *next = nodes->next;
        ebb__node_free(&map->table, LAYOUT_(map), nodes);
        nodes = next;
    }
}

EBB__HOT struct ebb__node *M_(__detach_chain)(struct EBB_MAP_NAME *map, size_t bucket)
{
    if (EBB__LIKELY(!map->table.filters[bucket]))
        return NULL;
    struct ebb__node *chain = map->table.chains[bucket];
    map->table.chains[bucket] = NULL;
    map->table.filters[bucket] = 0;
    return chain;
}

/* Puts the entries of a detached chain into the buckets their hashes say, and frees its nodes. The
 * nodes become the spare ones as they empty, so nothing is allocated: what two buckets cannot take
 * is never more than the one could not. */
static EBB__COLD void M_(__settle_chain)(struct EBB_MAP_NAME *map, struct ebb__node *chain,
                                         struct ebb__node *spare)
{
    struct ebb__node *held = STACK_NODE_(map);
    while (chain) {
        struct ebb__node *node = chain;
        memcpy(held, node, LAYOUT_(map)->node_bytes);
        chain = node->next;
        node->next = spare;
        spare = node;
        for (unsigned i = 0; i < EBB__NODE_SLOTS; i++) {
            const KEY_ *key = M_(__node_key)(map, held, i);
            if (held->fingerprints[i])
                M_(__settle)
            (map, ebb__home(&map->table, M_(__hash)(map, LOAD_(key))), held->fingerprints[i], key,
             M_(__node_value)(map, held, i), &spare);
        }
    }
    M_(__free_nodes)(map, spare);
}

/* ---- growing ---- */

/* Splits the next bucket in place into itself and the one behind the end; both become compact. */
static EBB__COLD void M_(__split)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    size_t half = table->half_mask + EBB__GROUP, to = table->end, from = to - half;
    uint8_t *group = table->fingerprints + from, low[2 * EBB__GROUP] = {0},
            high[2 * EBB__GROUP] = {0};
    char *source = M_(__bucket)(map, from), *target = M_(__bucket)(map, to);
    struct ebb__node *chain = M_(__detach_chain)(map, from / EBB__GROUP);
    if (table->paged) { /* the sweep goes on four buckets further soon */
        const char *ahead = source + 4 * LAYOUT_(map)->bucket_bytes;
        for (size_t line = 0; line < LAYOUT_(map)->bucket_bytes && line < 256; line += 64)
            __builtin_prefetch(ahead + line);
        __builtin_prefetch(group + 4 * EBB__GROUP);
        __builtin_prefetch(target + 4 * LAYOUT_(map)->bucket_bytes, 1);
        ebb__table_prepare(table, to / EBB__GROUP);
    }
    unsigned stay = 0, go = 0;
    for (uint64_t lanes = ebb__group_used(group); lanes; lanes &= lanes - 1) {
        unsigned lane = ebb__first_lane(lanes);
        KEY_ARG_ key = LOAD_(M_(__key)(map, source, lane));
        VALUE_ARG_ value = LOAD_(M_(__value)(map, source, lane));
        unsigned goes = (M_(__hash)(map, key) & half) != 0;
        /* Written to both sides and counted on one: cheaper than a branch that is a coin toss. */
        SET_KEY_(map, M_(__key)(map, target, go), key);
        SET_VALUE_(map, M_(__value)(map, target, go), value);
        SET_KEY_(map, M_(__key)(map, source, stay), key);
        SET_VALUE_(map, M_(__value)(map, source, stay), value);
        high[go] = low[stay] = group[lane];
        go += goes;
        stay += 1 - goes;
    }
    high[go] = low[stay] = 0;
    memcpy(group, low, EBB__GROUP);
    memcpy(table->fingerprints + to, high, EBB__GROUP);
    table->end = to + EBB__GROUP;
    if (EBB__UNLIKELY(chain != NULL))
        M_(__settle_chain)(map, chain, NULL);
}

static EBB__COLD void M_(__note_end)(struct EBB_MAP_NAME *map)
{
    size_t buckets = ebb__table_buckets(&map->table);
    if (buckets > map->table.touched)
        map->table.touched = buckets;
    map->table.moves++;
    ebb__table_set_limits(&map->table);
    if (buckets <= EBB__AT_ONCE && map->table.count >= map->table.show_from)
        ebb__table_show(&map->table, LAYOUT_(map));
}

/* Begins to double, or goes on doubling. Nothing is lost when there is no memory for it: entries
 * then go into chains. */
static EBB__COLD void M_(__grow)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    if (!ebb__table_note_more(table, LAYOUT_(map)))
        return;
    size_t full = table->mask / EBB__GROUP + 1, buckets = ebb__table_buckets(table);
    if (buckets == full) {
        bool first = table->capacity == 0 || (full == 1 && table->first_slots < EBB__GROUP);
        if (ebb__table_make_room(table, LAYOUT_(map), first ? 1 : 2 * full,
                                 table->first_slots + 1) < 0) {
            if (!first)
                ebb__table_postpone_growth(table);
            return;
        }
        if (first) {
            M_(__note_end)(map);
            return;
        }
        table->half_mask = table->mask;
        table->mask = (2 * full - 1) * EBB__GROUP;
        full *= 2;
    }
    bool at_once =
        full <= 2 * EBB__AT_ONCE && full * LAYOUT_(map)->bucket_bytes <= EBB__AT_ONCE_BYTES;
    for (size_t splits = at_once ? full - buckets : 1; splits > 0; splits--)
        M_(__split)(map);
    M_(__note_end)(map);
}

/* ---- shrinking ---- */

/* Nodes enough for `entries` entries more than a bucket and its chain have slots for; false: out of
 * memory, none were taken. */
static EBB__COLD bool M_(__spare_nodes)(struct EBB_MAP_NAME *map, size_t entries,
                                        struct ebb__node **spare)
{
    *spare = NULL;
    for (size_t room = 0; room < entries; room += EBB__NODE_SLOTS) {
        struct ebb__node *node = ebb__node_new(&map->table, LAYOUT_(map));
        if (!node) {
            M_(__free_nodes)(map, *spare);
            return false;
        }
        node->next = *spare;
        *spare = node;
    }
    return true;
}

/* Merging goes downwards, where few entries are in each bucket: fetches those of one that is soon to
 * be merged, and where they will go. */
EBB__HOT void M_(__prefetch_merge)(const struct EBB_MAP_NAME *map, size_t from, size_t to)
{
    const uint8_t *groups = map->table.fingerprints;
    uint64_t used = ebb__group_used(groups + from), unused = ebb__group_free(groups + to);
    if (used)
        __builtin_prefetch(M_(__key)(map, M_(__bucket)(map, from), ebb__first_lane(used)));
    if (used & (used - 1))
        __builtin_prefetch(M_(__key)(map, M_(__bucket)(map, from), ebb__last_lane(used)));
    if (used && unused)
        __builtin_prefetch(M_(__key)(map, M_(__bucket)(map, to), ebb__first_lane(unused)), 1);
}

/* Merges the last bucket into the one it was split from. False: no memory for it now. */
static EBB__COLD bool M_(__merge)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    size_t half = table->half_mask + EBB__GROUP, ahead = 8 * EBB__GROUP;
    size_t from = table->end - EBB__GROUP, to = from - half;
    if (table->paged && to >= ahead)
        M_(__prefetch_merge)(map, from - ahead, to - ahead);
    uint8_t *group = table->fingerprints + from;
    uint64_t lanes = ebb__group_used(group);
    unsigned moving = (unsigned)__builtin_popcountll(lanes);
    unsigned room = (unsigned)__builtin_popcountll(ebb__group_free(table->fingerprints + to));
    struct ebb__node *spare = NULL;
    if (moving > room && !M_(__spare_nodes)(map, moving - room, &spare))
        return false;
    /* An empty bucket has no chain. */
    struct ebb__node *chain = lanes ? M_(__detach_chain)(map, from / EBB__GROUP) : NULL;
    char *source = M_(__bucket)(map, from);
    for (; lanes; lanes &= lanes - 1) {
        unsigned lane = ebb__first_lane(lanes);
        M_(__settle)
        (map, to, group[lane], M_(__key)(map, source, lane), M_(__value)(map, source, lane),
         &spare);
    }
    if (moving > 0)
        memset(group, 0, EBB__GROUP);
    table->end = from;
    if (from == half) { /* all that the last doubling made is merged */
        table->mask = table->half_mask;
        table->half_mask = (table->mask / 2) & ~(size_t)(EBB__GROUP - 1);
    }
    if (EBB__UNLIKELY(chain || spare))
        M_(__settle_chain)(map, chain, spare);
    return true;
}

/* Merges as long as buckets, on average, have no more than `load` entries then. */
static EBB__COLD void M_(__merge_down_to)(struct EBB_MAP_NAME *map, size_t load)
{
    struct ebb__table *table = &map->table;
    while (table->mask > 0 && table->count <= (ebb__table_buckets(table) - 1) * load &&
           ebb__table_buckets(table) > table->least_buckets && M_(__merge)(map))
        ;
    ebb__table_trim_all(table, LAYOUT_(map));
    M_(__note_end)(map);
}

/* Merges one bucket or two, so that an even number is left; a block, which gives back nothing until it is
 * a smaller one, is emptier by now and becomes one. False: there was no need or no memory. */
static EBB__COLD bool M_(__shrink)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    if (table->count < table->show_below && !ebb__table_note_less(table, LAYOUT_(map)))
        return false;
    if (!table->paged) {
        size_t before = table->end;
        M_(__merge_down_to)(map, EBB__MAX_LOAD / 2);
        if (table->end == before)
            table->shrink_at -= table->shrink_at / 8; /* tries again further down */
        return table->end < before;
    }
    do
        if (!M_(__merge)(map)) {
            M_(__note_end)(map);
            table->shrink_at -= table->shrink_at / 8; /* tries again further down */
            return false;
        }
    while (ebb__table_buckets(table) % 2 && table->mask > 0);
    M_(__note_end)(map);
    ebb__table_trim(table, LAYOUT_(map));
    return true;
}

/* ---- chains that get shorter ---- */

/* Takes an entry out of the first node of a chain, the only one that may have free slots (behind the
 * used ones), and puts it where another one is gone. So a chain has never more nodes than it needs.
 * Gives the entry's fingerprint. */
static EBB__COLD uint8_t M_(__pop_chain)(struct EBB_MAP_NAME *map, size_t bucket, KEY_ *key,
                                         VALUE_ *value)
{
    struct ebb__table *table = &map->table;
    struct ebb__node *node = table->chains[bucket];
    unsigned i = EBB__NODE_SLOTS - 1;
    while (!node->fingerprints[i])
        i--;
    uint8_t fingerprint = node->fingerprints[i];
    SET_KEY_(map, key, LOAD_(M_(__node_key)(map, node, i)));
    SET_VALUE_(map, value, LOAD_(M_(__node_value)(map, node, i)));
    node->fingerprints[i] = 0;
    if (i == 0) {
        table->chains[bucket] = node->next;
        if (!node->next)
            table->filters[bucket] = 0;
        ebb__node_free(table, LAYOUT_(map), node);
    }
    table->moves++;
    return fingerprint;
}

static EBB__COLD void M_(__remove_from_chain)(struct EBB_MAP_NAME *map, struct M_(__place) place)
{
    size_t bucket = place.home / EBB__GROUP;
    struct ebb__node *node = place.node;
    bool last = node == map->table.chains[bucket] &&
                (place.lane + 1 == EBB__NODE_SLOTS || !node->fingerprints[place.lane + 1]);
    uint8_t fingerprint = M_(__pop_chain)(map, bucket, M_(__node_key)(map, node, place.lane),
                                          M_(__node_value)(map, node, place.lane));
    if (!last) /* otherwise the node may be gone */
        node->fingerprints[place.lane] = fingerprint;
}

/* ---- putting ---- */

/* The value of `key`, added when it was not there. `inserted` says which; a new value is not yet
 * written, and the key is the one given. NULL: out of memory, nothing changed. */
EBB__HOT VALUE_ *M_(__emplace)(struct EBB_MAP_NAME *map, KEY_ARG_ key, bool *inserted)
{
    struct ebb__table *table = &map->table;
    uint64_t hash = M_(__hash)(map, key);
    struct M_(__place) place;
    *inserted = false;
    if (M_(__find)(map, key, hash, &place))
        return M_(__value_at)(map, &place);
    size_t home = place.home;
    uint8_t *group = (uint8_t *)__builtin_assume_aligned(table->fingerprints + home, EBB__GROUP);
    uint64_t lanes = ebb__group_free(group);
    if (EBB__UNLIKELY(table->count >= table->grow_at)) {
        M_(__grow)(map);
        if (EBB__UNLIKELY(table->count >= table->grow_at && table->mask == 0))
            return NULL;
        home = ebb__home(table, hash);
        group = (uint8_t *)__builtin_assume_aligned(table->fingerprints + home, EBB__GROUP);
        lanes = ebb__group_free(group);
    }
    if (EBB__LIKELY(lanes)) {
        unsigned lane = ebb__first_lane(lanes);
        char *bucket = M_(__bucket)(map, home);
        KEY_ *added = M_(__key)(map, bucket, lane);
        SET_KEY_(map, added, key);
        if (EBB__UNLIKELY(!COPY_KEY_(map, added)))
            return NULL;
        ebb__group_occupy(group, lane, hash, table->mask == 0);
        table->count++;
        *inserted = true;
        return M_(__value)(map, bucket, lane);
    }
    struct ebb__node *none = NULL;
    place = M_(__take_in_chain)(map, home, ebb__fingerprint(hash), &none);
    if (!place.node)
        return NULL;
    KEY_ *added = M_(__node_key)(map, place.node, place.lane);
    SET_KEY_(map, added, key);
    if (EBB__UNLIKELY(!COPY_KEY_(map, added))) {
        M_(__remove_from_chain)(map, place);
        return NULL;
    }
    table->count++;
    *inserted = true;
    return M_(__node_value)(map, place.node, place.lane);
}

EBB__API int M_(_put)(struct EBB_MAP_NAME *map, KEY_ARG_ key, VALUE_ARG_ value)
{
    bool inserted;
    VALUE_ *place = M_(__emplace)(map, key, &inserted);
    if (EBB__UNLIKELY(!place))
        return -ENOMEM;
    if (!inserted) {
        DROP_GIVEN_(map, key);
        DROP_VALUE_(map, place);
    }
    SET_VALUE_(map, place, value);
    return 0;
}

EBB__API struct M_(_put_result)
    M_(_get_or_put)(struct EBB_MAP_NAME *map, KEY_ARG_ key, VALUE_ARG_ value)
{
    bool inserted;
    VALUE_ *place = M_(__emplace)(map, key, &inserted);
    if (inserted)
        SET_VALUE_(map, place, value);
    struct M_(_put_result) result = {place, inserted};
    return result;
}

/* ---- deleting ---- */

/* Fills the hole in a bucket that has a chain, from the chain. */
static EBB__COLD void M_(__refill)(struct EBB_MAP_NAME *map, size_t home, unsigned hole)
{
    char *slots = M_(__bucket)(map, home);
    map->table.fingerprints[home + hole] = M_(__pop_chain)(
        map, home / EBB__GROUP, M_(__key)(map, slots, hole), M_(__value)(map, slots, hole));
}

EBB__HOT void M_(__remove)(struct EBB_MAP_NAME *map, uint64_t hash, struct M_(__place) place)
{
    struct ebb__table *table = &map->table;
    if (EBB__UNLIKELY(place.node != NULL)) {
        M_(__remove_from_chain)(map, place);
    } else {
        uint8_t *group =
            (uint8_t *)__builtin_assume_aligned(table->fingerprints + place.home, EBB__GROUP);
        bool full = !ebb__group_free(group);
        ebb__group_forget(group, place.lane, hash);
        if (EBB__UNLIKELY(full) && EBB__UNLIKELY(table->filters[place.home / EBB__GROUP]))
            M_(__refill)(map, place.home, place.lane);
    }
    table->count--;
    table->deletes++;
    if (EBB__UNLIKELY(table->count < table->shrink_at))
        M_(__shrink)(map);
}

EBB__API bool M_(_delete)(struct EBB_MAP_NAME *map, KEY_ARG_ key)
{
    uint64_t hash = M_(__hash)(map, key);
    struct M_(__place) place;
    if (!M_(__find)(map, key, hash, &place))
        return false;
    DROP_KEY_(map, M_(__key_at)(map, &place));
    DROP_VALUE_(map, M_(__value_at)(map, &place));
    M_(__remove)(map, hash, place);
    return true;
}

EBB__API bool M_(_take)(struct EBB_MAP_NAME *map, KEY_ARG_ key, VALUE_ *value)
{
    uint64_t hash = M_(__hash)(map, key);
    struct M_(__place) place;
    if (!M_(__find)(map, key, hash, &place))
        return false;
    SET_VALUE_(map, value, LOAD_(M_(__value_at)(map, &place)));
    DROP_KEY_(map, M_(__key_at)(map, &place));
    M_(__remove)(map, hash, place);
    return true;
}

/* ---- the whole map ---- */

/* Drops every entry, which stays where it is. */
static EBB__COLD void M_(__drop_entries)(struct EBB_MAP_NAME *map)
{
    size_t buckets = ebb__table_buckets(&map->table);
    for (size_t bucket = 0; DROPS_(map) && map->table.count > 0 && bucket < buckets; bucket++) {
        char *slots = M_(__bucket)(map, bucket * EBB__GROUP);
        uint64_t lanes = ebb__group_used(map->table.fingerprints + bucket * EBB__GROUP);
        for (; lanes; lanes &= lanes - 1) {
            DROP_KEY_(map, M_(__key)(map, slots, ebb__first_lane(lanes)));
            DROP_VALUE_(map, M_(__value)(map, slots, ebb__first_lane(lanes)));
        }
        struct ebb__node *node = map->table.filters[bucket] ? map->table.chains[bucket] : NULL;
        for (; node; node = node->next)
            for (unsigned i = 0; i < EBB__NODE_SLOTS; i++)
                if (node->fingerprints[i]) {
                    DROP_KEY_(map, M_(__node_key)(map, node, i));
                    DROP_VALUE_(map, M_(__node_value)(map, node, i));
                }
    }
}

EBB__API void M_(_free)(struct EBB_MAP_NAME *map)
{
    M_(__drop_entries)(map);
    ebb__table_free(&map->table, LAYOUT_(map));
}

EBB__API void M_(_clear)(struct EBB_MAP_NAME *map, enum ebb_clear what)
{
    struct ebb__table *table = &map->table;
    size_t had = table->count, buckets = ebb__table_buckets(table);
    M_(__drop_entries)(map);
    table->deletes += table->count;
    table->count = 0;
    table->moves++;
    table->clears++;
    if (what == EBB_RELEASE) {
        size_t least = table->least_buckets;
        ebb__table_free(table, LAYOUT_(map));
        table->least_buckets = least;
    } else if (table->capacity > 0) {
        for (size_t bucket = 0; table->nodes > 0 && bucket < buckets; bucket++)
            M_(__free_nodes)(map, M_(__detach_chain)(map, bucket));
        ebb__table_emptied(table, LAYOUT_(map), had, REFERS_(map));
    }
}

static EBB__COLD void M_(__clear_table)(struct ebb__table *table, enum ebb_clear what)
{
    M_(_clear)((struct EBB_MAP_NAME *)table, what);
}

EBB__API int M_(_reserve)(struct EBB_MAP_NAME *map, size_t entries)
{
    struct ebb__table *table = &map->table;
    size_t buckets = 1;
    while (buckets == 1 ? entries > EBB__GROUP : buckets * EBB__MAX_LOAD < entries) {
        if (buckets > SIZE_MAX / 2 / EBB__GROUP)
            return -ENOMEM;
        buckets *= 2;
    }
    if (buckets > ebb__table_buckets(table) || table->capacity == 0 ||
        table->first_slots < EBB__GROUP) {
        if (ebb__table_make_room(table, LAYOUT_(map), buckets, entries) < 0)
            return -ENOMEM;
        ebb__table_reserved(table, LAYOUT_(map), buckets);
        if (table->count == 0) {
            table->end = buckets * EBB__GROUP;
            table->mask = table->end - EBB__GROUP;
        }
        while (ebb__table_buckets(table) < buckets) {
            if (table->end == table->mask + EBB__GROUP) {
                table->half_mask = table->mask;
                table->mask = 2 * table->mask + EBB__GROUP;
            }
            M_(__split)(map);
        }
        M_(__note_end)(map);
    }
    table->least_buckets = buckets;
    ebb__table_set_limits(table);
    return 0;
}

EBB__API bool M_(_maintain)(struct EBB_MAP_NAME *map, uint64_t budget_ns)
{
    struct ebb__table *table = &map->table;
    uint64_t begun = ebb__now_ns();
    for (;;) {
        bool splitting = table->end <= table->mask && table->count >= table->grow_at;
        bool merging = table->count < table->shrink_at;
        if (splitting)
            M_(__grow)(map);
        else if (!merging || !M_(__shrink)(map))
            break;
        if (ebb__now_ns() - begun >= budget_ns)
            return true;
    }
    ebb__table_trim_rest(table, LAYOUT_(map));
    return false;
}

EBB__API void M_(_compact)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    table->least_buckets = 0;
    if (table->count == 0) {
        ebb__table_free(table, LAYOUT_(map));
        return;
    }
    M_(__merge_down_to)(map, EBB__MAX_LOAD - 1);
}

#ifndef EBB__MAP_DYNAMIC
/* Always inlined: the return address within is the place where the map is created. */
EBB__HOT void M_(_init)(struct EBB_MAP_NAME *map, const struct ebb_map_options *options)
{
    ebb__table_begin(&map->table, options);
    map->table.clear = M_(__clear_table);
}
#endif

EBB__API struct ebb_map_stats M_(_stats)(const struct EBB_MAP_NAME *map)
{
    return ebb__table_stats(&map->table, LAYOUT_(map));
}

/* ---- iteration ----
 *
 * Walks the map in an order that no growing or shrinking can upset: cell by cell, a cell being what
 * one bucket held when the walk began, and within a cell by the reversed higher bits of the hash,
 * which is how splitting divides it further (as Redis's SCAN goes). A part of a cell is what one
 * bucket holds of it now. The keys that a part has produced are kept until it is done: when the map
 * changes meanwhile, the part is looked up again, wherever it is by then, and they are left out. */

/* Not inlined, because then it would be made in one place and copied to another. */
EBB__API_COLD struct M_(_iter) M_(_iter_begin)(struct EBB_MAP_NAME *map)
{
    struct M_(_iter) it;
    size_t buckets = ebb__table_buckets(&map->table);
    it.key = NULL;
    it.value = NULL;
    it.modified = it.out_of_memory = false;
    it.map = map;
    it.more = NULL;
    it.walk.more_room = 0;
    it.walk.walked = 0;
    it.walk.within = 0;
    it.walk.lanes = it.walk.wary_lanes = 0;
    it.walk.node = NULL;
    it.walk.produced = 0;
    it.walk.opened = it.walk.wary = false;
    it.walk.cells = (size_t)1 << (63 - __builtin_clzll(buckets));
    it.walk.cell = it.walk.cells > 1 ? (size_t)ebb__random_seed() & (it.walk.cells - 1) : 0;
    it.walk.changes = ebb__changes(&map->table);
    it.walk.moves = map->table.moves;
#ifdef EBB__MAP_DYNAMIC
    it.near = (unsigned)(sizeof it.keys / map->type.key_size);
#endif
    return it;
}

EBB__API void M_(_iter_end)(struct M_(_iter) * it)
{
    if (EBB__UNLIKELY(it->more != NULL))
        free(it->more);
    it->more = NULL;
    it->walk.more_room = 0;
    it->walk.walked = it->walk.cells;
    it->walk.lanes = it->walk.wary_lanes = 0;
    it->walk.node = NULL;
    it->walk.produced = 0;
    it->walk.opened = false;
}

EBB__HOT bool M_(__iter_unchanged)(const struct M_(_iter) * it)
{
    const struct ebb__table *table = &it->map->table;
    return it->walk.changes == ebb__changes(table) && it->walk.moves == table->moves;
}

/* Whether a walk of a fail-fast map ends here: an entry was added or deleted behind its back. */
static EBB__COLD bool M_(__iter_fails)(struct M_(_iter) * it)
{
    const struct ebb__table *table = &it->map->table;
    if (!table->fail_fast || it->walk.changes == ebb__changes(table))
        return false;
    M_(_iter_end)(it);
    it->modified = true;
    return true;
}

static EBB__COLD bool M_(__iter_more_room)(struct M_(_iter) * it)
{
    size_t room = it->walk.more_room ? 2 * it->walk.more_room : EBB__GROUP;
    void *more;
    if (posix_memalign(&more, KEY_ALIGNMENT_, room * KEY_BYTES_(it->map)) != 0) {
        M_(_iter_end)(it);
        it->out_of_memory = true;
        return false;
    }
    if (it->more)
        memcpy(more, (const void *)it->more, it->walk.more_room * KEY_BYTES_(it->map));
    free(it->more);
    it->more = (KEY_ *)more;
    it->walk.more_room = room;
    return true;
}

/* False: no memory for the copy of its key; the walk is over. */
EBB__HOT bool M_(__produce)(struct M_(_iter) * it, const KEY_ *key, VALUE_ *value)
{
    unsigned produced = it->walk.produced, near = NEAR_(it);
    if (EBB__UNLIKELY(produced >= near && produced - near == it->walk.more_room) &&
        !M_(__iter_more_room)(it))
        return false;
    KEY_ *kept = M_(__copied)(it, produced);
    SET_KEY_(it->map, kept, LOAD_(key));
    it->walk.produced = produced + 1;
    it->key = kept;
    it->value = value;
    return true;
}

EBB__HOT bool M_(__produce_lane)(struct M_(_iter) * it, uint64_t *lanes)
{
    unsigned lane = ebb__first_lane(*lanes);
    *lanes &= *lanes - 1;
    return M_(__produce)(it, M_(__key)(it->map, it->walk.bucket, lane),
                         M_(__value)(it->map, it->walk.bucket, lane));
}

static EBB__COLD bool M_(__was_produced)(struct M_(_iter) * it, const KEY_ *key)
{
    for (unsigned i = 0; i < it->walk.produced; i++)
        if (SAME_(it->map, LOAD_(M_(__copied)(it, i)), LOAD_(key)))
            return true;
    return false;
}

/* Whether an entry belongs to the present part or to what comes after it in the cell. */
EBB__HOT bool M_(__is_due)(const struct M_(_iter) * it, const KEY_ *key)
{
    const unsigned cell_bits = (unsigned)__builtin_ctzll(it->walk.cells * EBB__GROUP);
    uint64_t hash = M_(__hash)(it->map, LOAD_(key));
    return (hash & (uint64_t)(it->walk.cells - 1) * EBB__GROUP) == it->walk.cell * EBB__GROUP &&
           ebb__reverse_bits(hash >> cell_bits) >= it->walk.within;
}

/* Finds the bucket where the part that begins at `within` is now, and what of it belongs there. */
static EBB__COLD void M_(__locate_part)(struct M_(_iter) * it)
{
    const struct ebb__table *table = &it->map->table;
    const unsigned cell_bits = (unsigned)__builtin_ctzll(it->walk.cells * EBB__GROUP);
    uint64_t hash = it->walk.cell * EBB__GROUP | ebb__reverse_bits(it->walk.within) << cell_bits;
    size_t home = ebb__home(table, hash), half = table->half_mask + EBB__GROUP;
    /* The hash bits that choose this bucket: one less where its split is still to come. */
    bool split = table->mask == 0 || home >= half || home + half < table->end;
    unsigned bits =
        (unsigned)__builtin_ctzll((split ? table->mask : table->half_mask) + EBB__GROUP);
    uint64_t part = bits > cell_bits ? UINT64_C(1) << (64 - (bits - cell_bits)) : 0;
    it->walk.home = home;
    it->walk.end = part ? (it->walk.within & ~(part - 1)) + part : 0;
    it->walk.whole =
        bits >= cell_bits && (part ? it->walk.within % part == 0 : it->walk.within == 0);
}

EBB__HOT void M_(__open_part)(struct M_(_iter) * it)
{
    const struct ebb__table *table = &it->map->table;
    if (EBB__LIKELY(table->end == it->walk.cells * EBB__GROUP && it->walk.within == 0)) {
        it->walk.home = it->walk.cell * EBB__GROUP; /* as when the walk began */
        it->walk.end = 0;
        it->walk.whole = true;
    } else {
        M_(__locate_part)(it);
    }
    it->walk.opened = true;
    it->walk.changes = ebb__changes(table);
    it->walk.moves = table->moves;
    it->walk.wary = it->walk.produced > 0;
    if (!it->walk.wary || (it->walk.until && (it->walk.end == 0 || it->walk.end > it->walk.until)))
        it->walk.until = it->walk.end;
    uint64_t lanes = ebb__group_used(table->fingerprints + it->walk.home), left = lanes;
    it->walk.bucket =
        lanes ? M_(__bucket)(it->map, it->walk.home) : NULL; /* perhaps there is none */
    for (; EBB__UNLIKELY(!it->walk.whole) && left; left &= left - 1)
        if (!M_(__is_due)(it, M_(__key)(it->map, it->walk.bucket, ebb__first_lane(left))))
            lanes ^= left & -left;
    it->walk.lanes = it->walk.wary ? 0 : lanes;
    it->walk.wary_lanes = it->walk.wary ? lanes : 0;
    size_t bucket = it->walk.home / EBB__GROUP;
    it->walk.node = table->filters[bucket] ? table->chains[bucket] : NULL;
    it->walk.node_lane = 0;
}

/* The map has changed since the part was looked at. */
static EBB__COLD void M_(__reopen_part)(struct M_(_iter) * it)
{
    const struct ebb__table *table = &it->map->table;
    if (it->walk.moves != table->moves) {
        M_(__open_part)(it);
        return;
    }
    it->walk.wary_lanes |= it->walk.lanes;
    it->walk.wary_lanes &= ebb__group_used(table->fingerprints + it->walk.home);
    it->walk.lanes = 0;
    it->walk.changes = ebb__changes(table);
    it->walk.wary = true;
}

/* Goes on to the next part; false: there is none. */
EBB__HOT bool M_(__next_part)(struct M_(_iter) * it)
{
    if (it->walk.walked == it->walk.cells || it->map->table.count == 0)
        return false;
    if (it->walk.opened) {
        it->walk.within = it->walk.end;
        if (it->walk.within == 0) {
            it->walk.cell = (it->walk.cell + 1) & (it->walk.cells - 1);
            if (++it->walk.walked == it->walk.cells) {
                it->walk.opened = false;
                return false;
            }
        }
        if (it->walk.within == 0 || (it->walk.until && it->walk.within >= it->walk.until))
            it->walk.produced = 0;
    }
    M_(__open_part)(it);
    return true;
}

/* Whether an entry found in the part's bucket is to be produced. In a lane that was chosen before the
 * map changed there may be another one by now. */
static EBB__COLD bool M_(__is_wanted)(struct M_(_iter) * it, const KEY_ *key)
{
    return (it->walk.whole || M_(__is_due)(it, key)) &&
           !(it->walk.wary && M_(__was_produced)(it, key));
}

/* Every case but the usual one, which is that the bucket has more and nothing has changed. */
static EBB__COLD bool M_(__iter_search)(struct M_(_iter) * it)
{
    if (!M_(__iter_unchanged)(it)) {
        if (M_(__iter_fails)(it))
            return false;
        if (it->walk.opened)
            M_(__reopen_part)(it);
    }
    do {
        if (it->walk.lanes)
            return M_(__produce_lane)(it, &it->walk.lanes);
        while (it->walk.wary_lanes) {
            unsigned lane = ebb__first_lane(it->walk.wary_lanes);
            if (M_(__is_wanted)(it, M_(__key)(it->map, it->walk.bucket, lane)))
                return M_(__produce_lane)(it, &it->walk.wary_lanes);
            it->walk.wary_lanes &= it->walk.wary_lanes - 1;
        }
        while (it->walk.node) {
            struct ebb__node *node = it->walk.node;
            unsigned i = it->walk.node_lane++;
            if (it->walk.node_lane == EBB__NODE_SLOTS) {
                it->walk.node = node->next;
                it->walk.node_lane = 0;
            }
            const KEY_ *key = M_(__node_key)(it->map, node, i);
            if (node->fingerprints[i] && M_(__is_wanted)(it, key))
                return M_(__produce)(it, key, M_(__node_value)(it->map, node, i));
        }
    } while (M_(__next_part)(it));
    return false;
}

EBB__API bool M_(_iter_next)(struct M_(_iter) * it)
{
    if (EBB__UNLIKELY(it->walk.lanes == 0 || !M_(__iter_unchanged)(it)))
        return M_(__iter_search)(it);
    if (NEAR_(it) == EBB__GROUP && it->walk.produced >= EBB__GROUP)
        __builtin_unreachable(); /* there is room for a bucket's, and chains come last */
    return M_(__produce_lane)(it, &it->walk.lanes);
}

EBB__API bool M_(_iter_delete)(struct M_(_iter) * it)
{
    struct EBB_MAP_NAME *map = it->map;
    uint64_t hash = M_(__hash)(map, LOAD_(it->key));
    struct M_(__place) place;
    if (M_(__iter_fails)(it) || !M_(__find_key)(map, LOAD_(it->key), true, hash, &place))
        return false;
    bool unchanged = it->walk.changes == ebb__changes(&map->table);
    DROP_KEY_(map, M_(__key_at)(map, &place));
    DROP_VALUE_(map, M_(__value_at)(map, &place));
    M_(__remove)(map, hash, place);
    if (unchanged) /* where the other entries are, `moves` tells */
        it->walk.changes = ebb__changes(&map->table);
    return true;
}

#if defined EBB__MAP_DYNAMIC || EBB__MAP_CLONES
EBB__API int M_(_clone)(const struct EBB_MAP_NAME *map, struct EBB_MAP_NAME *clone)
{
#ifdef EBB__MAP_DYNAMIC
    if (map->type.drop_value || (map->type.drop_key && !map->type.copy_key))
        return -EINVAL;
#endif
    *clone = *map;
    ebb__table_begin_like(&clone->table, &map->table);
    int failed = M_(_reserve)(clone, map->table.count);
    struct M_(_iter) it = M_(_iter_begin)((struct EBB_MAP_NAME *)map);
    while (!failed && M_(_iter_next)(&it)) {
        bool inserted;
        VALUE_ *place = M_(__emplace)(clone, LOAD_(it.key), &inserted);
        if (place)
            SET_VALUE_(clone, place, LOAD_(it.value));
        else
            failed = -ENOMEM;
    }
    if (it.out_of_memory)
        failed = -ENOMEM;
    M_(_iter_end)(&it);
    clone->table.least_buckets = 0;
    ebb__table_set_limits(&clone->table);
    if (failed)
        M_(_free)(clone);
    return failed;
}
#endif

#undef M_
#undef KEY_
#undef VALUE_
#undef KEY_ARG_
#undef VALUE_ARG_
#undef LOAD_
#undef SET_KEY_
#undef SET_VALUE_
#undef KEY_BYTES_
#undef KEY_ALIGNMENT_
#undef REFERS_
#undef LAYOUT_
#undef SLOT_BYTES_
#undef STACK_NODE_
#undef NEAR_
#undef HASH_
#undef EQUAL_
#undef SAME_
#undef COPY_KEY_
#undef DROP_KEY_
#undef DROP_VALUE_
#undef DROP_GIVEN_
#undef DROPS_
