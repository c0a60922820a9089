/* The body of a map of one type; see ebb/map.h for what it offers and impl/table.h for the layout.
 * Included once per type with the parameters set; no include guard.
 *
 * What depends on no type is in the library (table.c). What is here is either hot, and inlined into
 * the caller, or marked EBB__COLD and compiled once per type: growing, shrinking, chains. */

#define EBB__JOIN2(a, b) a##b
#define EBB__JOIN(a, b)  EBB__JOIN2(a, b)
#define M(suffix)        EBB__JOIN(EBB_MAP_NAME, suffix)
#define KEY              M(_key_type)
#define VALUE            M(_value_type)

typedef EBB_MAP_KEY KEY;
typedef EBB_MAP_VALUE VALUE;

/* ---- layout ---- */

/* One slot, when keys and values lie side by side. */
struct M(_slot) {
    KEY key;
    VALUE value;
};

enum {
    /* Padding between keys and values is wasted sixteen times per bucket: then they lie apart. */
    M(__apart) = sizeof(struct M(_slot)) > sizeof(KEY) + sizeof(VALUE),
    M(__slot_bytes) = M(__apart) ? sizeof(KEY) + sizeof(VALUE) : sizeof(struct M(_slot)),
    M(__alignment) = __alignof__(struct M(_slot)) > __alignof__(struct ebb__node)
                         ? __alignof__(struct M(_slot))
                         : __alignof__(struct ebb__node),
    M(__node_slots) = (sizeof(struct ebb__node) + M(__alignment) - 1) & ~(M(__alignment) - 1),
    /* A node's keys and values side by side always: three of each would need padding apart too. */
    M(__node_bytes) =
        (M(__node_slots) + EBB__NODE_SLOTS * sizeof(struct M(_slot)) + M(__alignment) - 1) &
        ~(M(__alignment) - 1),
};

static const struct ebb__layout M(__layout) = {
    /* bucket_bytes */ EBB__GROUP * M(__slot_bytes),
    /* node_slots   */ M(__node_slots),
    /* node_bytes   */ M(__node_bytes),
    /* alignment    */ M(__alignment),
    /* slot_bytes   */ M(__apart) ? 0 : M(__slot_bytes),
};

struct EBB_MAP_NAME {
    struct ebb__table table;
};

struct M(_put_result) {
    VALUE *value; /* NULL: out of memory */
    bool inserted;
};

EBB__HOT char *M(__bucket)(const struct EBB_MAP_NAME *map, size_t home)
{
    return map->table.slots + home * M(__slot_bytes);
}

EBB__HOT KEY *M(__key)(char *bucket, unsigned lane)
{
    return (KEY *)(bucket + lane * (M(__apart) ? sizeof(KEY) : M(__slot_bytes)));
}

EBB__HOT VALUE *M(__value)(char *bucket, unsigned lane)
{
    return M(__apart) ? (VALUE *)(bucket + EBB__GROUP * sizeof(KEY)) + lane
                      : &((struct M(_slot) *)bucket + lane)->value;
}

EBB__HOT struct M(_slot) * M(__node_slot)(struct ebb__node *node, unsigned i)
{
    return (struct M(_slot) *)((char *)node + M(__node_slots)) + i;
}

EBB__HOT uint64_t M(__hash)(const struct EBB_MAP_NAME *map, KEY key)
{
    return EBB_MAP_HASH(key, map->table.seed);
}

/* ---- finding ---- */

/* Where an entry is: lane `lane` of its bucket, or slot `lane` of a node of its chain. */
struct M(__place) {
    size_t home;
    struct ebb__node *node;
    unsigned lane;
};

static EBB__COLD bool M(__find_in_chain)(const struct EBB_MAP_NAME *map, KEY key,
                                         uint8_t fingerprint, struct M(__place) * place)
{
    for (struct ebb__node *node = map->table.chains[place->home / EBB__GROUP]; node;
         node = node->next)
        for (unsigned i = 0; i < EBB__NODE_SLOTS; i++)
            if (node->fingerprints[i] == fingerprint &&
                EBB_MAP_EQUAL(M(__node_slot)(node, i)->key, key)) {
                place->node = node;
                place->lane = i;
                return true;
            }
    return false;
}

EBB__HOT bool M(__find)(const struct EBB_MAP_NAME *map, KEY key, uint64_t hash,
                        struct M(__place) * place)
{
    size_t home = ebb__home(&map->table, hash);
    const uint8_t *group =
        (const uint8_t *)__builtin_assume_aligned(map->table.fingerprints + home, EBB__GROUP);
    uint64_t lanes = ebb__group_match(group, hash);
    place->home = home;
    place->node = NULL;
    if (lanes) {
        char *bucket = M(__bucket)(map, home);
        /* The match is most likely right: fetch what it may lie in before the lane is known. */
        __builtin_prefetch(bucket);
        if (EBB__GROUP * M(__slot_bytes) > 64)
            __builtin_prefetch(bucket + 64);
        do {
            unsigned lane = ebb__first_lane(lanes);
            if (EBB__LIKELY(EBB_MAP_EQUAL(*M(__key)(bucket, lane), key))) {
                place->lane = lane;
                return true;
            }
            lanes &= lanes - 1;
        } while (lanes);
    }
    if (EBB__LIKELY(ebb__group_free(group)))
        return false;
    uint8_t fingerprint = ebb__fingerprint(hash);
    return EBB__UNLIKELY(map->table.filters[home / EBB__GROUP] >> (fingerprint & 7) & 1) &&
           M(__find_in_chain)(map, key, fingerprint, place);
}

EBB__HOT VALUE *M(__value_at)(const struct EBB_MAP_NAME *map, const struct M(__place) * place)
{
    if (EBB__UNLIKELY(place->node != NULL))
        return &M(__node_slot)(place->node, place->lane)->value;
    return M(__value)(M(__bucket)(map, place->home), place->lane);
}

EBB__HOT KEY *M(__key_at)(const struct EBB_MAP_NAME *map, const struct M(__place) * place)
{
    if (EBB__UNLIKELY(place->node != NULL))
        return &M(__node_slot)(place->node, place->lane)->key;
    return M(__key)(M(__bucket)(map, place->home), place->lane);
}

EBB__API VALUE *M(_get)(const struct EBB_MAP_NAME *map, KEY key)
{
    struct M(__place) place;
    return M(__find)(map, key, M(__hash)(map, key), &place) ? M(__value_at)(map, &place) : NULL;
}

EBB__API bool M(_has)(const struct EBB_MAP_NAME *map, KEY key)
{
    struct M(__place) place;
    return M(__find)(map, key, M(__hash)(map, key), &place);
}

EBB__API size_t M(_len)(const struct EBB_MAP_NAME *map)
{
    return map->table.count;
}

/* ---- placing ---- */

/* Takes a slot in the chain of a full bucket. `spare` are nodes to use first. NULL: out of memory.
 */
static EBB__COLD struct M(_slot) * M(__take_in_chain)(struct EBB_MAP_NAME *map, size_t bucket,
                                                      uint8_t fingerprint, struct ebb__node **spare)
{
    struct ebb__table *table = &map->table;
    struct ebb__node *node = table->chains[bucket];
    unsigned i = 0;
    while (node && i < EBB__NODE_SLOTS && node->fingerprints[i])
        i++;
    if (!node || i == EBB__NODE_SLOTS) {
        if (*spare) {
            node = *spare;
            *spare = node->next;
            memset(node->fingerprints, 0, sizeof node->fingerprints);
        } else {
            node = ebb__node_new(table, &M(__layout));
        }
        if (!node)
            return NULL;
        node->next = table->chains[bucket];
        table->chains[bucket] = node;
        i = 0;
    }
    node->fingerprints[i] = fingerprint;
    table->filters[bucket] |= (uint8_t)(1u << (fingerprint & 7));
    return M(__node_slot)(node, i);
}

/* Puts an entry that moves into a bucket; cannot fail when `spare` holds enough. */
EBB__HOT void M(__settle)(struct EBB_MAP_NAME *map, size_t home, uint8_t fingerprint,
                          const KEY *key, const VALUE *value, struct ebb__node **spare)
{
    uint8_t *group = map->table.fingerprints + home;
    uint64_t lanes = ebb__group_free(group);
    if (EBB__LIKELY(lanes)) {
        unsigned lane = ebb__first_lane(lanes);
        char *bucket = M(__bucket)(map, home);
        group[lane] = fingerprint;
        *M(__key)(bucket, lane) = *key;
        *M(__value)(bucket, lane) = *value;
        return;
    }
    struct M(_slot) *slot = M(__take_in_chain)(map, home / EBB__GROUP, fingerprint, spare);
    slot->key = *key;
    slot->value = *value;
}

static EBB__COLD void M(__free_nodes)(struct EBB_MAP_NAME *map, struct ebb__node *nodes)
{
    while (nodes) {
        struct ebb__node *next = nodes->next;
        ebb__node_free(&map->table, &M(__layout), nodes);
        nodes = next;
    }
}

static EBB__COLD struct ebb__node *M(__detach_chain)(struct EBB_MAP_NAME *map, size_t bucket)
{
    struct ebb__node *chain = NULL;
    if (map->table.filters[bucket]) {
        chain = map->table.chains[bucket];
        map->table.chains[bucket] = NULL;
        map->table.filters[bucket] = 0;
    }
    return chain;
}

/* Puts the entries of a detached chain into the buckets their hashes say, and frees its nodes. The
 * nodes become the spare ones as they empty, so nothing is allocated: what two buckets cannot take
 * is never more than the one could not. */
static EBB__COLD void M(__settle_chain)(struct EBB_MAP_NAME *map, struct ebb__node *chain,
                                        struct ebb__node *spare)
{
    while (chain) {
        struct ebb__node *node = chain;
        struct M(_slot) slots[EBB__NODE_SLOTS];
        uint8_t fingerprints[EBB__NODE_SLOTS];
        memcpy(slots, M(__node_slot)(node, 0), sizeof slots);
        memcpy(fingerprints, node->fingerprints, sizeof fingerprints);
        chain = node->next;
        node->next = spare;
        spare = node;
        for (unsigned i = 0; i < EBB__NODE_SLOTS; i++)
            if (fingerprints[i])
                M(__settle)
                (map, ebb__home(&map->table, M(__hash)(map, slots[i].key)), fingerprints[i],
                 &slots[i].key, &slots[i].value, &spare);
    }
    M(__free_nodes)(map, spare);
}

/* ---- growing ---- */

/* Splits the next bucket in place into itself and the one behind the end; both become compact. */
static EBB__COLD void M(__split)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    size_t half = table->half_mask + EBB__GROUP, to = table->end, from = to - half;
    uint8_t *group = table->fingerprints + from, low[2 * EBB__GROUP] = {0},
            high[2 * EBB__GROUP] = {0};
    char *source = M(__bucket)(map, from), *target = M(__bucket)(map, to);
    struct ebb__node *chain = M(__detach_chain)(map, from / EBB__GROUP);
    if (table->paged) { /* the sweep goes on four buckets further soon */
        const char *ahead = source + (size_t)4 * EBB__GROUP * M(__slot_bytes);
        for (size_t line = 0; line < EBB__GROUP * M(__slot_bytes) && line < 256; line += 64)
            __builtin_prefetch(ahead + line);
        __builtin_prefetch(group + 4 * EBB__GROUP);
        __builtin_prefetch(target + (size_t)4 * EBB__GROUP * M(__slot_bytes), 1);
        ebb__table_prepare(table, to / EBB__GROUP);
    }
    unsigned stay = 0, go = 0;
    for (uint64_t lanes = ebb__group_used(group); lanes; lanes &= lanes - 1) {
        unsigned lane = ebb__first_lane(lanes);
        KEY key = *M(__key)(source, lane);
        VALUE value = *M(__value)(source, lane);
        unsigned goes = (M(__hash)(map, key) & half) != 0;
        /* Written to both sides and counted on one: cheaper than a branch that is a coin toss. */
        *M(__key)(target, go) = key;
        *M(__value)(target, go) = value;
        *M(__key)(source, stay) = key;
        *M(__value)(source, stay) = value;
        high[go] = low[stay] = group[lane];
        go += goes;
        stay += 1 - goes;
    }
    high[go] = low[stay] = 0;
    memcpy(group, low, EBB__GROUP);
    memcpy(table->fingerprints + to, high, EBB__GROUP);
    table->end = to + EBB__GROUP;
    if (EBB__UNLIKELY(chain != NULL))
        M(__settle_chain)(map, chain, NULL);
}

static EBB__COLD void M(__note_end)(struct EBB_MAP_NAME *map)
{
    size_t buckets = ebb__table_buckets(&map->table);
    if (buckets > map->table.touched)
        map->table.touched = buckets;
    map->table.moves++;
    ebb__table_set_limits(&map->table);
}

/* Begins to double, or goes on doubling. Nothing is lost when there is no memory for it: entries
 * then go into chains. */
static EBB__COLD void M(__grow)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    size_t full = table->mask / EBB__GROUP + 1, buckets = ebb__table_buckets(table);
    if (buckets == full) {
        bool first = table->capacity == 0 || (full == 1 && table->first_slots < EBB__GROUP);
        if (ebb__table_make_room(table, &M(__layout), first ? 1 : 2 * full) < 0) {
            if (!first)
                ebb__table_postpone_growth(table);
            return;
        }
        if (first) {
            M(__note_end)(map);
            return;
        }
        table->half_mask = table->mask;
        table->mask = (2 * full - 1) * EBB__GROUP;
        full *= 2;
    }
    for (size_t splits = full <= 2 * EBB__AT_ONCE ? full - buckets : 1; splits > 0; splits--)
        M(__split)(map);
    M(__note_end)(map);
}

/* ---- shrinking ---- */

/* Nodes enough for `entries` entries more than a bucket and its chain have slots for; false: out of
 * memory, none were taken. */
static EBB__COLD bool M(__spare_nodes)(struct EBB_MAP_NAME *map, size_t entries,
                                       struct ebb__node **spare)
{
    *spare = NULL;
    for (size_t room = 0; room < entries; room += EBB__NODE_SLOTS) {
        struct ebb__node *node = ebb__node_new(&map->table, &M(__layout));
        if (!node) {
            M(__free_nodes)(map, *spare);
            return false;
        }
        node->next = *spare;
        *spare = node;
    }
    return true;
}

/* Merges the last bucket into the one it was split from. False: no memory for it now. */
static EBB__COLD bool M(__merge)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    size_t half = table->half_mask + EBB__GROUP;
    size_t from = table->end - EBB__GROUP, to = from - half;
    uint8_t *group = table->fingerprints + from;
    uint64_t lanes = ebb__group_used(group);
    unsigned moving = (unsigned)__builtin_popcountll(lanes);
    unsigned room = (unsigned)__builtin_popcountll(ebb__group_free(table->fingerprints + to));
    struct ebb__node *spare = NULL;
    if (moving > room && !M(__spare_nodes)(map, moving - room, &spare))
        return false;
    struct ebb__node *chain = M(__detach_chain)(map, from / EBB__GROUP);
    char *source = M(__bucket)(map, from);
    for (; lanes; lanes &= lanes - 1) {
        unsigned lane = ebb__first_lane(lanes);
        M(__settle)(map, to, group[lane], M(__key)(source, lane), M(__value)(source, lane), &spare);
    }
    memset(group, 0, EBB__GROUP);
    table->end = from;
    if (from == half) { /* all that the last doubling made is merged */
        table->mask = table->half_mask;
        table->half_mask = (table->mask / 2) & ~(size_t)(EBB__GROUP - 1);
    }
    M(__settle_chain)(map, chain, spare);
    return true;
}

static EBB__COLD void M(__shrink)(struct EBB_MAP_NAME *map)
{
    if (!M(__merge)(map)) {
        map->table.shrink_at -= map->table.shrink_at / 8; /* tries again further down */
        return;
    }
    M(__note_end)(map);
    ebb__table_trim(&map->table, &M(__layout));
}

/* ---- putting ---- */

/* The value of `key`, added when it was not there. `inserted` says which; a new value is not yet
 * written, and the key is the one given. NULL: out of memory, nothing changed. */
EBB__HOT VALUE *M(__emplace)(struct EBB_MAP_NAME *map, KEY key, bool *inserted)
{
    struct ebb__table *table = &map->table;
    uint64_t hash = M(__hash)(map, key);
    struct M(__place) place;
    *inserted = false;
    if (M(__find)(map, key, hash, &place))
        return M(__value_at)(map, &place);
    size_t home = place.home;
    if (EBB__UNLIKELY(table->count >= table->grow_at)) {
        M(__grow)(map);
        home = ebb__home(table, hash);
        if (EBB__UNLIKELY(table->count >= table->grow_at && table->mask == 0))
            return NULL;
    }
    uint8_t *group = (uint8_t *)__builtin_assume_aligned(table->fingerprints + home, EBB__GROUP);
    uint64_t lanes = ebb__group_free(group);
    if (EBB__LIKELY(lanes)) {
        unsigned lane = ebb__first_lane(lanes);
        char *bucket = M(__bucket)(map, home);
        ebb__group_set(group, lane, ebb__fingerprint(hash));
        table->count++;
        *inserted = true;
        *M(__key)(bucket, lane) = key;
        return M(__value)(bucket, lane);
    }
    struct ebb__node *none = NULL;
    struct M(_slot) *slot =
        M(__take_in_chain)(map, home / EBB__GROUP, ebb__fingerprint(hash), &none);
    if (!slot)
        return NULL;
    table->count++;
    *inserted = true;
    slot->key = key;
    return &slot->value;
}

EBB__API int M(_put)(struct EBB_MAP_NAME *map, KEY key, VALUE value)
{
    bool inserted;
    VALUE *place = M(__emplace)(map, key, &inserted);
    if (EBB__UNLIKELY(!place))
        return -ENOMEM;
    if (!inserted) {
        EBB_MAP_DROP_KEY(key);
        EBB_MAP_DROP_VALUE(*place);
    }
    *place = value;
    return 0;
}

EBB__API struct M(_put_result) M(_get_or_put)(struct EBB_MAP_NAME *map, KEY key, VALUE value)
{
    bool inserted;
    VALUE *place = M(__emplace)(map, key, &inserted);
    if (inserted)
        *place = value;
    struct M(_put_result) result = {place, inserted};
    return result;
}

/* ---- deleting ---- */

/* Fills the hole in a bucket that has a chain, from the chain. */
static EBB__COLD void M(__refill)(struct EBB_MAP_NAME *map, size_t home, unsigned hole)
{
    struct ebb__table *table = &map->table;
    size_t bucket = home / EBB__GROUP;
    struct ebb__node *node = table->chains[bucket];
    unsigned i = 0, left = 0;
    while (!node->fingerprints[i])
        i++;
    char *slots = M(__bucket)(map, home);
    *M(__key)(slots, hole) = M(__node_slot)(node, i)->key;
    *M(__value)(slots, hole) = M(__node_slot)(node, i)->value;
    table->fingerprints[home + hole] = node->fingerprints[i];
    node->fingerprints[i] = 0;
    for (i = 0; i < EBB__NODE_SLOTS; i++)
        left += node->fingerprints[i] != 0;
    if (left == 0) {
        table->chains[bucket] = node->next;
        if (!node->next)
            table->filters[bucket] = 0;
        ebb__node_free(table, &M(__layout), node);
    }
    table->moves++;
}

static EBB__COLD void M(__remove_from_chain)(struct EBB_MAP_NAME *map,
                                             const struct M(__place) * place)
{
    struct ebb__table *table = &map->table;
    size_t bucket = place->home / EBB__GROUP;
    struct ebb__node *node = place->node, **link = &table->chains[bucket];
    node->fingerprints[place->lane] = 0;
    for (unsigned i = 0; i < EBB__NODE_SLOTS; i++)
        if (node->fingerprints[i])
            return;
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    if (!table->chains[bucket])
        table->filters[bucket] = 0;
    ebb__node_free(table, &M(__layout), node);
    table->moves++;
}

EBB__HOT void M(__remove)(struct EBB_MAP_NAME *map, const struct M(__place) * place)
{
    struct ebb__table *table = &map->table;
    if (EBB__UNLIKELY(place->node != NULL)) {
        M(__remove_from_chain)(map, place);
    } else {
        uint8_t *group =
            (uint8_t *)__builtin_assume_aligned(table->fingerprints + place->home, EBB__GROUP);
        bool full = !ebb__group_free(group);
        ebb__group_set(group, place->lane, 0);
        if (EBB__UNLIKELY(full) && EBB__UNLIKELY(table->filters[place->home / EBB__GROUP]))
            M(__refill)(map, place->home, place->lane);
    }
    table->count--;
    table->deletes++;
    if (EBB__UNLIKELY(table->count < table->shrink_at))
        M(__shrink)(map);
}

EBB__API bool M(_delete)(struct EBB_MAP_NAME *map, KEY key)
{
    struct M(__place) place;
    if (!M(__find)(map, key, M(__hash)(map, key), &place))
        return false;
    EBB_MAP_DROP_KEY(*M(__key_at)(map, &place));
    EBB_MAP_DROP_VALUE(*M(__value_at)(map, &place));
    M(__remove)(map, &place);
    return true;
}

EBB__API bool M(_take)(struct EBB_MAP_NAME *map, KEY key, VALUE *value)
{
    struct M(__place) place;
    if (!M(__find)(map, key, M(__hash)(map, key), &place))
        return false;
    *value = *M(__value_at)(map, &place);
    EBB_MAP_DROP_KEY(*M(__key_at)(map, &place));
    M(__remove)(map, &place);
    return true;
}

/* ---- the whole map ---- */

EBB__API void M(_init)(struct EBB_MAP_NAME *map, const struct ebb_map_options *options)
{
    static const struct ebb_map_options defaults;
    const struct ebb_map_options *chosen = options ? options : &defaults;
    ebb__table_init(&map->table, chosen->allocator,
                    chosen->seed ? chosen->seed : ebb__random_seed());
    map->table.no_shrink = chosen->no_shrink;
    map->table.huge = chosen->huge_pages;
}

/* Drops every entry, which stays where it is. */
static EBB__COLD void M(__drop_entries)(struct EBB_MAP_NAME *map)
{
    size_t buckets = ebb__table_buckets(&map->table);
    for (size_t bucket = 0; EBB__MAP_DROPS && map->table.count > 0 && bucket < buckets; bucket++) {
        char *slots = M(__bucket)(map, bucket * EBB__GROUP);
        uint64_t lanes = ebb__group_used(map->table.fingerprints + bucket * EBB__GROUP);
        for (; lanes; lanes &= lanes - 1) {
            EBB_MAP_DROP_KEY(*M(__key)(slots, ebb__first_lane(lanes)));
            EBB_MAP_DROP_VALUE(*M(__value)(slots, ebb__first_lane(lanes)));
        }
        struct ebb__node *node = map->table.filters[bucket] ? map->table.chains[bucket] : NULL;
        for (; node; node = node->next)
            for (unsigned i = 0; i < EBB__NODE_SLOTS; i++)
                if (node->fingerprints[i]) {
                    EBB_MAP_DROP_KEY(M(__node_slot)(node, i)->key);
                    EBB_MAP_DROP_VALUE(M(__node_slot)(node, i)->value);
                }
    }
}

EBB__API void M(_free)(struct EBB_MAP_NAME *map)
{
    M(__drop_entries)(map);
    ebb__table_free(&map->table, &M(__layout));
}

EBB__API void M(_clear)(struct EBB_MAP_NAME *map, enum ebb_clear what)
{
    struct ebb__table *table = &map->table;
    M(__drop_entries)(map);
    table->deletes += table->count;
    table->count = 0;
    table->moves++;
    if (what == EBB_RELEASE) {
        size_t least = table->least_buckets;
        ebb__table_free(table, &M(__layout));
        table->least_buckets = least;
        return;
    }
    if (table->capacity == 0)
        return;
    size_t buckets = ebb__table_buckets(table);
    for (size_t bucket = 0; table->nodes > 0 && bucket < buckets; bucket++)
        M(__free_nodes)(map, M(__detach_chain)(map, bucket));
    memset(table->fingerprints, 0, table->end);
    ebb__table_set_limits(table);
    table->shrink_at = 0; /* kept on purpose: only what is filled again may shrink */
}

EBB__API int M(_reserve)(struct EBB_MAP_NAME *map, size_t entries)
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
        do
            if (ebb__table_make_room(table, &M(__layout), buckets) < 0)
                return -ENOMEM;
        while (table->first_slots < entries && table->first_slots < EBB__GROUP);
        if (table->count == 0) {
            table->end = buckets * EBB__GROUP;
            table->mask = table->end - EBB__GROUP;
        }
        while (ebb__table_buckets(table) < buckets) {
            if (table->end == table->mask + EBB__GROUP) {
                table->half_mask = table->mask;
                table->mask = 2 * table->mask + EBB__GROUP;
            }
            M(__split)(map);
        }
        M(__note_end)(map);
    }
    table->least_buckets = buckets;
    ebb__table_set_limits(table);
    return 0;
}

EBB__API bool M(_maintain)(struct EBB_MAP_NAME *map, uint64_t budget_ns)
{
    struct ebb__table *table = &map->table;
    uint64_t until = ebb__now_ns() + budget_ns;
    do {
        bool splitting = table->end <= table->mask && table->count >= table->grow_at;
        bool merging = table->count < table->shrink_at;
        if (splitting)
            M(__grow)(map);
        else if (merging)
            M(__shrink)(map);
        else
            return false;
    } while (ebb__now_ns() < until);
    return true;
}

EBB__API void M(_compact)(struct EBB_MAP_NAME *map)
{
    struct ebb__table *table = &map->table;
    table->least_buckets = 0;
    if (table->count == 0) {
        ebb__table_free(table, &M(__layout));
        return;
    }
    while (table->mask > 0 &&
           table->count <= (ebb__table_buckets(table) - 1) * (EBB__MAX_LOAD - 1) && M(__merge)(map))
        ;
    M(__note_end)(map);
    ebb__table_trim_all(table, &M(__layout));
}

EBB__API struct ebb_map_stats M(_stats)(const struct EBB_MAP_NAME *map)
{
    return ebb__table_stats(&map->table, &M(__layout));
}

/* ---- iteration ---- */

/* Walks the map in an order that no growing or shrinking can upset: cell by cell, a cell being what
 * one bucket held when the walk began, and within a cell by the reversed higher bits of the hash,
 * which is how splitting divides it further (as Redis's SCAN goes; but what was produced before a
 * merge is told by its hash, so nothing comes twice). A bucket's keys are copied before the first
 * of them is produced; if the map changes meanwhile the rest are looked up again. */
struct M(_iter) {
    const KEY *key; /* of the entry produced; a copy, good until the next step */
    VALUE *value;   /* in the map; good until the map changes */

    struct EBB_MAP_NAME *map;
    size_t cells, cell, walked; /* cells in all (a power of two); the present one; how many were */
    uint64_t within;            /* how far into the present cell: reversed hash bits */
    bool done_cell;
    uint64_t count, deletes, moves; /* of the map, when the copies were made */
    char *bucket;
    unsigned next, copies, lanes_copied;
    uint8_t lanes[EBB__GROUP];
    KEY keys[EBB__GROUP];
    struct ebb__node *node; /* of a chain; its entries come by copies as well */
    KEY *more;              /* copies that found no room above; malloc'ed */
    size_t more_room;
};

EBB__API struct M(_iter) M(_iter_begin)(struct EBB_MAP_NAME *map)
{
    struct M(_iter) it;
    memset(&it, 0, sizeof it);
    size_t buckets = ebb__table_buckets(&map->table), cells = 1;
    while (cells * 2 <= buckets)
        cells *= 2;
    it.map = map;
    it.cells = cells;
    it.cell = (size_t)ebb__random_seed() & (cells - 1);
    return it;
}

EBB__API void M(_iter_end)(struct M(_iter) * it)
{
    free(it->more);
    it->more = NULL;
    it->walked = it->cells;
    it->next = it->copies = 0;
}

EBB__HOT bool M(__iter_unchanged)(const struct M(_iter) * it)
{
    const struct ebb__table *table = &it->map->table;
    return it->count == table->count && it->deletes == table->deletes && it->moves == table->moves;
}

static EBB__COLD bool M(__copy_more)(struct M(_iter) * it, const KEY *key)
{
    size_t used = it->copies - EBB__GROUP;
    if (used == it->more_room) {
        size_t room = it->more_room ? 2 * it->more_room : EBB__GROUP;
        KEY *more = (KEY *)realloc(it->more, room * sizeof *more);
        if (!more)
            return false;
        it->more = more;
        it->more_room = room;
    }
    it->more[used] = *key;
    it->copies++;
    return true;
}

/* Copies the keys of one bucket that belong to the walk's present cell and were not produced. */
static EBB__COLD bool M(__copy_bucket)(struct M(_iter) * it, size_t home, bool all)
{
    struct ebb__table *table = &it->map->table;
    const uint64_t cell_mask = (uint64_t)(it->cells - 1) * EBB__GROUP;
    const unsigned cell_bits = (unsigned)__builtin_ctzll(it->cells * EBB__GROUP);
    it->bucket = M(__bucket)(it->map, home);
    it->next = it->copies = 0;
    uint64_t lanes = ebb__group_used(table->fingerprints + home);
    for (; lanes; lanes &= lanes - 1) {
        unsigned lane = ebb__first_lane(lanes);
        const KEY *key = M(__key)(it->bucket, lane);
        if (!all) {
            uint64_t hash = M(__hash)(it->map, *key);
            if ((hash & cell_mask) != it->cell * EBB__GROUP ||
                ebb__reverse_bits(hash >> cell_bits) < it->within)
                continue;
        }
        it->lanes[it->copies] = (uint8_t)lane;
        it->keys[it->copies++] = *key;
    }
    it->lanes_copied = it->copies;
    struct ebb__node *node =
        table->filters[home / EBB__GROUP] ? table->chains[home / EBB__GROUP] : NULL;
    for (; node; node = node->next)
        for (unsigned i = 0; i < EBB__NODE_SLOTS; i++) {
            const KEY *key = &M(__node_slot)(node, i)->key;
            if (!node->fingerprints[i])
                continue;
            if (!all) {
                uint64_t hash = M(__hash)(it->map, *key);
                if ((hash & cell_mask) != it->cell * EBB__GROUP ||
                    ebb__reverse_bits(hash >> cell_bits) < it->within)
                    continue;
            }
            if (it->copies < EBB__GROUP)
                it->keys[it->copies++] = *key;
            else if (!M(__copy_more)(it, key))
                return false;
        }
    it->count = table->count;
    it->deletes = table->deletes;
    it->moves = table->moves;
    return true;
}

/* Goes on to the next bucket of the walk; false: there is none, or no memory for its copies. */
static EBB__COLD bool M(__iter_advance)(struct M(_iter) * it)
{
    struct ebb__table *table = &it->map->table;
    if (it->walked == it->cells || table->count == 0)
        return false;
    const unsigned cell_bits = (unsigned)__builtin_ctzll(it->cells * EBB__GROUP);
    uint64_t hash = it->cell * EBB__GROUP | ebb__reverse_bits(it->within) << cell_bits;
    size_t home = ebb__home(table, hash), half = table->half_mask + EBB__GROUP;
    /* The hash bits that choose this bucket: one less where its split is still to come. */
    bool split = table->mask == 0 || home >= half || home + half < table->end;
    unsigned bits =
        (unsigned)__builtin_ctzll((split ? table->mask : table->half_mask) + EBB__GROUP);
    uint64_t part = bits > cell_bits ? UINT64_C(1) << (64 - (bits - cell_bits)) : 0;
    bool all = bits >= cell_bits && (part ? it->within % part == 0 : it->within == 0);
    if (!M(__copy_bucket)(it, home, all))
        return false;
    it->within = part ? (it->within & ~(part - 1)) + part : 0;
    if (it->within == 0) {
        it->walked++;
        it->cell = (it->cell + 1) & (it->cells - 1);
    }
    return true;
}

EBB__API bool M(_iter_next)(struct M(_iter) * it)
{
    for (;;) {
        while (it->next < it->copies) {
            unsigned i = it->next++;
            it->key = i < EBB__GROUP ? &it->keys[i] : &it->more[i - EBB__GROUP];
            if (EBB__LIKELY(i < it->lanes_copied && M(__iter_unchanged)(it))) {
                it->value = M(__value)(it->bucket, it->lanes[i]);
                return true;
            }
            it->value = M(_get)(it->map, *it->key);
            if (it->value)
                return true;
        }
        if (!M(__iter_advance)(it))
            return false;
    }
}

EBB__API int M(_clone)(const struct EBB_MAP_NAME *map, struct EBB_MAP_NAME *clone)
{
    const struct ebb__table *table = &map->table;
    ebb__table_init(&clone->table, table->allocator, ebb__random_seed());
    clone->table.no_shrink = table->no_shrink;
    clone->table.huge = table->huge;
    int failed = M(_reserve)(clone, table->count);
    struct M(_iter) it = M(_iter_begin)((struct EBB_MAP_NAME *)map);
    while (!failed && M(_iter_next)(&it)) {
        bool inserted;
        VALUE *place = M(__emplace)(clone, *it.key, &inserted);
        if (place)
            *place = *it.value;
        else
            failed = -ENOMEM;
    }
    if (!failed && clone->table.count < table->count)
        failed = -ENOMEM; /* the walk ended early */
    M(_iter_end)(&it);
    clone->table.least_buckets = 0;
    ebb__table_set_limits(&clone->table);
    if (failed)
        ebb__table_free(&clone->table, &M(__layout));
    return failed;
}

#undef M
#undef KEY
#undef VALUE
#undef EBB__JOIN
#undef EBB__JOIN2
