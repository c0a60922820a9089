/* The types of one nested map; see ebb/nested_map.h. Functions that hash, compare and copy by type,
 * and hand the rest to the library (impl/nested.h). Included once per type; no include guard. */

#ifdef EBB_NESTED_OUTER_STR
#define EBB_NESTED_OUTER_KEY             struct ebb_str
#define EBB_NESTED_OUTER_HASH(key, seed) ebb_str_hash(key, seed)
#define EBB_NESTED_OUTER_EQUAL(a, b)     ebb_str_equal(a, b)
#define EBB__OUTER_TEXT                  true
#else
#define EBB__OUTER_TEXT false
#endif
#ifdef EBB_NESTED_INNER_STR
#define EBB_NESTED_INNER_KEY             struct ebb_str
#define EBB_NESTED_INNER_HASH(key, seed) ebb_str_hash(key, seed)
#define EBB_NESTED_INNER_EQUAL(a, b)     ebb_str_equal(a, b)
#define EBB__INNER_TEXT                  true
#else
#define EBB__INNER_TEXT false
#endif

#ifndef EBB_NESTED_OUTER_HASH
#define EBB_NESTED_OUTER_HASH(key, seed) ebb_hash_integer((uint64_t)(uintptr_t)(key), seed)
#endif
#ifndef EBB_NESTED_INNER_HASH
#define EBB_NESTED_INNER_HASH(key, seed) ebb_hash_integer((uint64_t)(uintptr_t)(key), seed)
#endif
#ifndef EBB_NESTED_OUTER_EQUAL
#define EBB_NESTED_OUTER_EQUAL(a, b) ((a) == (b))
#endif
#ifndef EBB_NESTED_INNER_EQUAL
#define EBB_NESTED_INNER_EQUAL(a, b) ((a) == (b))
#endif
#ifndef EBB_NESTED_DROP_VALUE
#define EBB_NESTED_DROP_VALUE(value) (void)(value)
#endif
#ifndef EBB_NESTED_VALUE_BYTES
#define EBB_NESTED_VALUE_BYTES(value) ((void)(value), (size_t)0)
#endif

#define N_(suffix) EBB__JOIN(EBB_NESTED_NAME, suffix)

typedef EBB_NESTED_OUTER_KEY N_(_outer_type);
typedef EBB_NESTED_INNER_KEY N_(_inner_type);
typedef EBB_NESTED_VALUE N_(_value_type);

/* A map of maps. `table` is its first part; it tells ebb_clear() that this is a map. */
struct EBB_NESTED_NAME {
    union {
        struct ebb__table table;
        struct ebb__nested nested;
    };
};

struct N_(_put_result) {
    N_(_value_type) * value; /* NULL: see error */
    bool inserted;
    int error; /* 0, -ENOMEM or -E2BIG */
};

struct N_(_iter) {
    const N_(_outer_type) * outer; /* the keys and the value are good until they are deleted */
    const N_(_inner_type) * inner; /* NULL in a walk over inner maps, like the value */
    N_(_value_type) * value;
    size_t len, bytes;  /* of the inner map */
    bool out_of_memory; /* the walk ended before its time */

    struct ebb__nested_walk walk;
};

/* ---- layout ---- */

struct N_(__inner) {
    struct ebb__inner inner;
    N_(_outer_type) key;
};

struct N_(__entry) {
    struct ebb__entry entry;
    N_(_inner_type) key;
    N_(_value_type) value;
};

EBB__API bool N_(__outer_equal)(const void *a, const void *b)
{
    return EBB_NESTED_OUTER_EQUAL(*(const N_(_outer_type) *)a, *(const N_(_outer_type) *)b);
}

EBB__API bool N_(__inner_equal)(const void *a, const void *b)
{
    return EBB_NESTED_INNER_EQUAL(*(const N_(_inner_type) *)a, *(const N_(_inner_type) *)b);
}

EBB__API void N_(__drop_value)(void *value)
{
    EBB_NESTED_DROP_VALUE(*(N_(_value_type) *)value);
}

EBB__API size_t N_(__value_bytes)(const void *value)
{
    return EBB_NESTED_VALUE_BYTES(*(const N_(_value_type) *)value);
}

static const struct ebb__nested_type N_(__type) = {
    /* outer_size  */ sizeof(N_(_outer_type)),
    /* outer_at    */ __builtin_offsetof(struct N_(__inner), key),
    /* inner_bytes */ sizeof(struct N_(__inner)),
    /* inner_size  */ sizeof(N_(_inner_type)),
    /* inner_at    */ __builtin_offsetof(struct N_(__entry), key),
    /* value_at    */ __builtin_offsetof(struct N_(__entry), value),
    /* entry_bytes */ sizeof(struct N_(__entry)),
    /* alignment   */ __alignof__(struct N_(__entry)) > __alignof__(struct N_(__inner))
        ? __alignof__(struct N_(__entry))
        : __alignof__(struct N_(__inner)),
    /* outer_text  */ EBB__OUTER_TEXT,
    /* inner_text  */ EBB__INNER_TEXT,
    N_(__outer_equal),
    N_(__inner_equal),
    N_(__drop_value),
    N_(__value_bytes),
};

EBB__API struct ebb__ref N_(__outer_ref)(const struct EBB_NESTED_NAME *map,
                                         const N_(_outer_type) * key)
{
    (void)map; /* for hashes that use no seed */
    struct ebb__ref ref = {EBB_NESTED_OUTER_HASH(*key, map->nested.level.refs.table.seed), key};
    return ref;
}

EBB__API struct ebb__ref N_(__inner_ref)(const struct EBB_NESTED_NAME *map,
                                         const N_(_inner_type) * key)
{
    (void)map; /* for hashes that use no seed */
    struct ebb__ref ref = {EBB_NESTED_INNER_HASH(*key, map->nested.level.refs.table.seed), key};
    return ref;
}

/* ---- the map ---- */

/* Always inlined: what the library sees as its caller is the place where the map is created. */
EBB__HOT void N_(_init)(struct EBB_NESTED_NAME *map, const struct ebb_nested_options *options)
{
    ebb__nested_begin(&map->nested, &N_(__type), options);
}

EBB__API void N_(_free)(struct EBB_NESTED_NAME *map)
{
    ebb__nested_free(&map->nested);
}

EBB__API void N_(_clear)(struct EBB_NESTED_NAME *map, enum ebb_clear what)
{
    ebb__nested_clear(&map->nested, what);
}

EBB__API N_(_value_type) *
    N_(_get)(struct EBB_NESTED_NAME *map, N_(_outer_type) outer, N_(_inner_type) inner)
{
    return (N_(_value_type) *)ebb__nested_get(&map->nested, N_(__outer_ref)(map, &outer),
                                              N_(__inner_ref)(map, &inner));
}

EBB__API const N_(_value_type) *
    N_(_peek)(const struct EBB_NESTED_NAME *map, N_(_outer_type) outer, N_(_inner_type) inner)
{
    return (const N_(_value_type) *)ebb__nested_peek(&map->nested, N_(__outer_ref)(map, &outer),
                                                     N_(__inner_ref)(map, &inner));
}

EBB__API int N_(_put)(struct EBB_NESTED_NAME *map, N_(_outer_type) outer, N_(_inner_type) inner,
                      N_(_value_type) value)
{
    void *place;
    bool inserted;
    int status =
        ebb__nested_place(&map->nested, N_(__outer_ref)(map, &outer), N_(__inner_ref)(map, &inner),
                          N_(__value_bytes)(&value), true, &place, &inserted);
    if (status < 0)
        return status;
    if (!inserted)
        N_(__drop_value)(place);
    *(N_(_value_type) *)place = value;
    return 0;
}

EBB__API struct N_(_put_result) N_(_get_or_put)(struct EBB_NESTED_NAME *map, N_(_outer_type) outer,
                                                N_(_inner_type) inner, N_(_value_type) value)
{
    void *place = NULL;
    struct N_(_put_result) result;
    result.error =
        ebb__nested_place(&map->nested, N_(__outer_ref)(map, &outer), N_(__inner_ref)(map, &inner),
                          N_(__value_bytes)(&value), false, &place, &result.inserted);
    result.value = (N_(_value_type) *)place;
    if (result.inserted)
        *result.value = value;
    return result;
}

EBB__API bool N_(_delete)(struct EBB_NESTED_NAME *map, N_(_outer_type) outer, N_(_inner_type) inner)
{
    return ebb__nested_delete(&map->nested, N_(__outer_ref)(map, &outer),
                              N_(__inner_ref)(map, &inner), NULL, 0);
}

EBB__API bool N_(_take)(struct EBB_NESTED_NAME *map, N_(_outer_type) outer, N_(_inner_type) inner,
                        N_(_value_type) * value)
{
    return ebb__nested_delete(&map->nested, N_(__outer_ref)(map, &outer),
                              N_(__inner_ref)(map, &inner), value, sizeof *value);
}

EBB__API bool N_(_delete_inner)(struct EBB_NESTED_NAME *map, N_(_outer_type) outer)
{
    return ebb__nested_delete_inner(&map->nested, N_(__outer_ref)(map, &outer));
}

EBB__API bool N_(_maintain)(struct EBB_NESTED_NAME *map, uint64_t budget_ns)
{
    return ebb__nested_maintain(&map->nested, budget_ns);
}

/* ---- sizes ---- */

EBB__API size_t N_(_len)(const struct EBB_NESTED_NAME *map)
{
    return map->nested.len;
}

EBB__API size_t N_(_inner_maps)(const struct EBB_NESTED_NAME *map)
{
    return map->nested.level.refs.table.count;
}

EBB__API size_t N_(_inner_len)(const struct EBB_NESTED_NAME *map, N_(_outer_type) outer)
{
    const struct ebb__inner *inner =
        ebb__nested_find_inner(&map->nested, N_(__outer_ref)(map, &outer));
    return inner ? inner->level.refs.table.count : 0;
}

EBB__API size_t N_(_inner_bytes)(const struct EBB_NESTED_NAME *map, N_(_outer_type) outer)
{
    const struct ebb__inner *inner =
        ebb__nested_find_inner(&map->nested, N_(__outer_ref)(map, &outer));
    return inner ? inner->bytes : 0;
}

EBB__API struct ebb_nested_stats N_(_stats)(const struct EBB_NESTED_NAME *map)
{
    return ebb__nested_stats(&map->nested);
}

/* ---- walks ---- */

EBB__API struct N_(_iter)
    N_(__iter)(struct EBB_NESTED_NAME *map, enum ebb__nested_levels levels, struct ebb__ref outer)
{
    struct N_(_iter) it;
    it.outer = NULL;
    it.inner = NULL;
    it.value = NULL;
    it.len = it.bytes = 0;
    it.out_of_memory = false;
    it.walk = ebb__nested_walk_begin(&map->nested, levels, outer);
    return it;
}

EBB__API struct N_(_iter) N_(_iter_begin)(struct EBB_NESTED_NAME *map)
{
    struct ebb__ref none = {0, NULL};
    return N_(__iter)(map, EBB__BOTH_LEVELS, none);
}

EBB__API struct N_(_iter) N_(_iter_outer)(struct EBB_NESTED_NAME *map)
{
    struct ebb__ref none = {0, NULL};
    return N_(__iter)(map, EBB__OUTER_LEVEL, none);
}

EBB__API struct N_(_iter) N_(_iter_inner)(struct EBB_NESTED_NAME *map, N_(_outer_type) outer)
{
    return N_(__iter)(map, EBB__ONE_INNER, N_(__outer_ref)(map, &outer));
}

EBB__API bool N_(_iter_next)(struct N_(_iter) * it)
{
    if (!ebb__nested_walk_next(&it->walk)) {
        it->out_of_memory = it->walk.out_of_memory;
        return false;
    }
    struct ebb__inner *inner = it->walk.inner_map;
    struct ebb__entry *entry = it->walk.entry;
    it->outer = &((struct N_(__inner) *)inner)->key;
    it->inner = entry ? &((struct N_(__entry) *)entry)->key : NULL;
    it->value = entry ? &((struct N_(__entry) *)entry)->value : NULL;
    it->len = inner->level.refs.table.count;
    it->bytes = inner->bytes;
    return true;
}

EBB__API bool N_(_iter_delete)(struct N_(_iter) * it)
{
    return ebb__nested_walk_delete(&it->walk);
}

EBB__API void N_(_iter_end)(struct N_(_iter) * it)
{
    ebb__nested_walk_end(&it->walk);
}

#undef N_
#undef EBB__OUTER_TEXT
#undef EBB__INNER_TEXT
