/* The map with sizes told at run time, against a plain model, for many sizes and kinds of keys. The
 * seed is printed. */
#include "support.h"

#include <ebb/dynmap.h>

/* ---- keys and values of any size that stand for a number ---- */

enum { LARGEST_KEY = 320, LARGEST_VALUE = 100 };

struct shape {
    const char *name;
    struct ebb_dynmap_type type;
    bool text; /* keys are struct ebb_str and owned by the map */
};

static uint64_t weak_hash(void *context, const void *key, uint64_t seed)
{
    (void)context, (void)seed;
    return *(const uint32_t *)key % 7 * UINT64_C(0x100000001000);
}

/* The context of text maps is their allocator. */
static uint64_t text_hash(void *context, const void *key, uint64_t seed)
{
    (void)context;
    return ebb_str_hash(*(const struct ebb_str *)key, seed);
}

static bool text_equal(void *context, const void *a, const void *b)
{
    (void)context;
    return ebb_str_equal(*(const struct ebb_str *)a, *(const struct ebb_str *)b);
}

static bool text_copy(void *context, void *place)
{
    return ebb__str_copy(place, context);
}

static void text_drop(void *context, void *key)
{
    ebb__str_drop(key, context);
}

static const struct shape shapes[] = {
    {"integers", {.key_size = 8, .value_size = 8}, false},
    {"apart", {.key_size = 4, .value_size = 1}, false},
    {"a set", {.key_size = 12}, false},
    {"one byte more", {.key_size = 4, .value_size = 5, .value_alignment = 1}, false},
    {"aligned", {.key_size = 32, .value_size = 48, .key_alignment = 8}, false},
    {"large", {.key_size = LARGEST_KEY, .value_size = LARGEST_VALUE}, false},
    {"weak", {.key_size = 4, .value_size = 4, .hash = weak_hash}, false},
    {"texts",
     {.key_size = sizeof(struct ebb_str),
      .key_alignment = 8,
      .value_size = 8,
      .hash = text_hash,
      .equal = text_equal,
      .copy_key = text_copy,
      .drop_key = text_drop},
     true},
};

static char text_of_key[32];

static void make_key(const struct shape *shape, uint32_t number, void *key)
{
    if (shape->text) {
        snprintf(text_of_key, sizeof text_of_key, "number-%u", number);
        struct ebb_str text = ebb_str(text_of_key);
        memcpy(key, &text, sizeof text);
        return;
    }
    memset(key, (int)(number % 251), shape->type.key_size);
    memcpy(key, &number, sizeof number);
}

static uint32_t number_of_key(const struct shape *shape, const void *key)
{
    uint32_t number;
    if (shape->text)
        return (uint32_t)strtoul(((const struct ebb_str *)key)->data + strlen("number-"), NULL, 10);
    memcpy(&number, key, sizeof number);
    return number;
}

static void make_value(const struct shape *shape, uint8_t number, void *value)
{
    memset(value, number, shape->type.value_size);
}

static void check_value(const struct shape *shape, uint8_t number, const void *value)
{
    for (size_t i = 0; i < shape->type.value_size; i++)
        assert_int_equal(((const uint8_t *)value)[i], number);
}

/* ---- the model ---- */

enum { RANGE = 3000 };

struct model {
    uint8_t values[RANGE]; /* 0: none */
    size_t count;
};

static void set(struct model *model, uint32_t number, uint8_t value)
{
    model->count += (value != 0) - (model->values[number] != 0);
    model->values[number] = value;
}

static void do_one(const struct shape *shape, struct ebb_dynmap *map, struct model *model,
                   bool filling)
{
    uint8_t key[LARGEST_KEY] __attribute__((aligned(16))), value[LARGEST_VALUE],
        taken[LARGEST_VALUE];
    uint32_t number = (uint32_t)draw(RANGE);
    uint8_t before = model->values[number], after = (uint8_t)(1 + draw(255));
    make_key(shape, number, key);
    make_value(shape, after, value);
    unsigned choice = (unsigned)draw(10);
    if (choice < (filling ? 5 : 2)) {
        assert_int_equal(ebb_dynmap_put(map, key, value), 0);
        set(model, number, after);
    } else if (choice == 5) {
        struct ebb_dynmap_put_result result = ebb_dynmap_get_or_put(map, key, value);
        assert_int_equal(result.inserted, before == 0);
        check_value(shape, before ? before : after, result.value);
        set(model, number, before ? before : after);
    } else if (choice == 6) {
        void *found = ebb_dynmap_get(map, key);
        assert_int_equal(found != NULL, before != 0);
        assert_int_equal(ebb_dynmap_has(map, key), before != 0);
        if (found)
            check_value(shape, before, found);
    } else if (choice == 7) {
        assert_int_equal(ebb_dynmap_take(map, key, taken), before != 0);
        if (before)
            check_value(shape, before, taken);
        set(model, number, 0);
    } else {
        assert_int_equal(ebb_dynmap_delete(map, key), before != 0);
        set(model, number, 0);
    }
    assert_int_equal(ebb_dynmap_len(map), model->count);
}

/* Walks, deleting and adding on the way when it may change the map. */
static void walk(const struct shape *shape, struct ebb_dynmap *map, struct model *model,
                 bool change)
{
    uint8_t seen[RANGE] = {0}, was[RANGE], key[LARGEST_KEY] __attribute__((aligned(16))),
            value[LARGEST_VALUE];
    memcpy(was, model->values, sizeof was);
    ebb_map_foreach (ebb_dynmap, it, map) {
        uint32_t number = number_of_key(shape, it.key), other = (uint32_t)draw(RANGE);
        assert_true(number < RANGE);
        assert_true(!seen[number] || !was[number]);
        check_value(shape, model->values[number], it.value);
        assert_true(model->values[number] != 0);
        seen[number] = 1;
        if (!change)
            continue;
        if (draw(3) == 0) {
            assert_true(ebb_dynmap_iter_delete(&it));
            set(model, number, 0);
        }
        make_key(shape, other, key);
        make_value(shape, 9, value);
        if (draw(2)) {
            was[other] = model->values[other] ? was[other] : 0;
            assert_int_equal(ebb_dynmap_put(map, key, value), 0);
            set(model, other, 9);
        } else {
            assert_int_equal(ebb_dynmap_delete(map, key), model->values[other] != 0);
            set(model, other, 0);
        }
    }
    for (uint32_t number = 0; number < RANGE; number++)
        if (was[number] && model->values[number] && !change)
            assert_true(seen[number]);
    assert_int_equal(ebb_dynmap_len(map), model->count);
}

static void check_clone(const struct shape *shape, struct ebb_dynmap *map, struct model *model)
{
    struct ebb_dynmap clone;
    assert_int_equal(ebb_dynmap_clone(map, &clone), 0);
    assert_int_equal(ebb_dynmap_len(&clone), model->count);
    walk(shape, &clone, model, false);
    ebb_dynmap_free(&clone);
}

static void like_the_model(void **unused)
{
    enum { OPERATIONS = 60000 };
    (void)unused;
    start();
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct shape shape = shapes[i];
        struct failing memory;
        failing_begin(&memory);
        shape.type.context = &memory.allocator;
        const struct ebb_map_options options = {.allocator = &memory.allocator};
        struct ebb_dynmap map;
        struct model model = {0};
        assert_int_equal(ebb_dynmap_init(&map, &shape.type, &options), 0);
        for (int operation = 0; operation < OPERATIONS; operation++) {
            do_one(&shape, &map, &model, operation / 8000 % 2 == 0);
            if (draw(4000) == 0)
                walk(&shape, &map, &model, draw(2));
            if (draw(10000) == 0)
                check_clone(&shape, &map, &model);
            if (draw(10000) == 0)
                ebb_dynmap_compact(&map);
            if (draw(10000) == 0)
                assert_int_equal(ebb_dynmap_reserve(&map, draw(5000)), 0);
            if (draw(20000) == 0) {
                ebb_dynmap_clear(&map, draw(2) ? EBB_KEEP : EBB_RELEASE);
                memset(&model, 0, sizeof model);
            }
        }
        walk(&shape, &map, &model, false);
        print_message("%s: %zu entries at the end\n", shape.name, model.count);
        ebb_dynmap_free(&map);
        failing_end(&memory);
    }
}

/* ---- memory ---- */

static void out_of_memory(void **unused)
{
    enum { KEYS = 700, LIMITS = 100 };
    (void)unused;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (long limit = 0; limit < LIMITS; limit++) {
            struct shape shape = shapes[i];
            struct failing memory;
            failing_begin(&memory);
            shape.type.context = &memory.allocator;
            const struct ebb_map_options options = {.allocator = &memory.allocator};
            struct ebb_dynmap map, clone;
            uint8_t key[LARGEST_KEY] __attribute__((aligned(16))), value[LARGEST_VALUE] = {0};
            bool stored[KEYS];
            size_t count = 0;
            assert_int_equal(ebb_dynmap_init(&map, &shape.type, &options), 0);
            memory.allowed = limit;
            for (uint32_t number = 0; number < KEYS; number++) {
                make_key(&shape, number, key);
                int status = ebb_dynmap_put(&map, key, value);
                assert_true(status == 0 || status == -ENOMEM);
                stored[number] = status == 0;
                count += stored[number];
            }
            assert_int_equal(ebb_dynmap_len(&map), count);
            if (ebb_dynmap_clone(&map, &clone) == 0) {
                assert_int_equal(ebb_dynmap_len(&clone), count);
                ebb_dynmap_free(&clone);
            }
            for (uint32_t number = 0; number < KEYS; number += 2) {
                make_key(&shape, number, key);
                assert_int_equal(ebb_dynmap_delete(&map, key), stored[number]);
            }
            memory.allowed = -1;
            for (uint32_t number = 0; number < KEYS; number++) {
                make_key(&shape, number, key);
                assert_int_equal(ebb_dynmap_put(&map, key, value), 0);
            }
            assert_int_equal(ebb_dynmap_len(&map), KEYS);
            ebb_dynmap_free(&map);
            failing_end(&memory);
        }
    }
}

static void counting_drop(void *context, void *value)
{
    (void)value;
    ++*(size_t *)context;
}

static void drops_values(void **unused)
{
    (void)unused;
    size_t dropped = 0;
    const struct ebb_dynmap_type type = {
        .key_size = 4, .value_size = 4, .context = &dropped, .drop_value = counting_drop};
    struct ebb_dynmap map, clone;
    assert_int_equal(ebb_dynmap_init(&map, &type, NULL), 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(ebb_dynmap_put(&map, &(uint32_t){i % 60}, &i), 0);
    assert_int_equal(dropped, 40); /* replaced */
    uint32_t taken = 0;
    assert_true(ebb_dynmap_take(&map, &(uint32_t){1}, &taken));
    assert_int_equal(taken, 61);
    assert_int_equal(dropped, 40);
    assert_true(ebb_dynmap_delete(&map, &(uint32_t){2}));
    assert_int_equal(dropped, 41);
    assert_int_equal(ebb_dynmap_clone(&map, &clone), -EINVAL);
    ebb_dynmap_free(&map);
    assert_int_equal(dropped, 99);
}

static void refuses_impossible_types(void **unused)
{
    static const struct ebb_dynmap_type wrong[] = {
        {.key_size = 0, .value_size = 8},
        {.key_size = EBB_DYNMAP_LARGEST + 1},
        {.key_size = 8, .value_size = SIZE_MAX},
        {.key_size = 8, .value_size = 8, .key_alignment = 3},
        {.key_size = 12, .value_size = 8, .key_alignment = 8},
        {.key_size = 64, .value_size = 8, .key_alignment = 32},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ebb_dynmap map;
        assert_int_equal(ebb_dynmap_init(&map, &wrong[i], NULL), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_the_model),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(drops_values),
        cmocka_unit_test(refuses_impossible_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
