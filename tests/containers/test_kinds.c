/* The ready-made kinds of keys, and the options of maps: owned memory, walks that fail fast, warnings,
 * huge pages, maintenance. */
#include "support.h"

#include <ebb/log.h>

#define EBB_MAP_NAME borrowed
#define EBB_MAP_STR_KEYS
#define EBB_MAP_VALUE unsigned
#include <ebb/map.h>

#define EBB_MAP_NAME owned
#define EBB_MAP_OWNED_STR_KEYS
#define EBB_MAP_VALUE unsigned
#include <ebb/map.h>

#define EBB_MAP_NAME       digests
#define EBB_MAP_BYTES_KEYS 20
#define EBB_MAP_VALUE      unsigned
#include <ebb/map.h>

struct point {
    int32_t x, y;
    uint64_t z;
};
#define EBB_MAP_NAME        points
#define EBB_MAP_STRUCT_KEYS struct point
#define EBB_MAP_VALUE       unsigned
#include <ebb/map.h>

#define EBB_MAP_NAME  by_pointer
#define EBB_MAP_KEY   const void *
#define EBB_MAP_VALUE unsigned
#include <ebb/map.h>

/* Keys that the map takes over, and ones that it copies by a hook of the program's. */
static size_t live;

static void drop(char *key)
{
    live--;
    free(key);
}

static uint64_t hash_text(const char *key, uint64_t seed)
{
    return ebb_hash_bytes(key, strlen(key), seed);
}

#define EBB_MAP_NAME            taken
#define EBB_MAP_KEY             char *
#define EBB_MAP_VALUE           unsigned
#define EBB_MAP_HASH(key, seed) hash_text(key, seed)
#define EBB_MAP_EQUAL(a, b)     (strcmp(a, b) == 0)
#define EBB_MAP_SAME(a, b)      ((a) == (b))
#define EBB_MAP_DROP_KEY(key)   drop(key)
#include <ebb/map.h>

static long copies_allowed = -1;

static bool copy_text(char **key)
{
    if (copies_allowed == 0 || !(*key = strdup(*key)))
        return false;
    copies_allowed -= copies_allowed > 0;
    live++;
    return true;
}

#define EBB_MAP_NAME            copied
#define EBB_MAP_KEY             char *
#define EBB_MAP_VALUE           unsigned
#define EBB_MAP_HASH(key, seed) hash_text(key, seed)
#define EBB_MAP_EQUAL(a, b)     (strcmp(a, b) == 0)
#define EBB_MAP_COPY_KEY(place) copy_text(place)
#define EBB_MAP_DROP_KEY(key)   drop(key)
#include <ebb/map.h>

enum { KEYS = 3000 };

static char *text_of(unsigned number)
{
    static char text[32];
    snprintf(text, sizeof text, "key number %u", number);
    return text;
}

/* ---- kinds of keys ---- */

static void borrowed_texts(void **unused)
{
    static char texts[KEYS][32];
    (void)unused;
    struct borrowed map;
    borrowed_init(&map, NULL);
    for (unsigned i = 0; i < KEYS; i++) {
        memcpy(texts[i], text_of(i), sizeof texts[i]);
        assert_int_equal(borrowed_put(&map, ebb_str(texts[i]), i), 0);
    }
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(*borrowed_get(&map, ebb_str(text_of(i))), i);
    assert_null(borrowed_get(&map, ebb_str(text_of(KEYS))));
    assert_int_equal(borrowed_put(&map, ebb_str_n("a\0b", 3), 1), 0);
    assert_int_equal(borrowed_put(&map, ebb_str_n("a\0c", 3), 2), 0);
    assert_int_equal(borrowed_put(&map, ebb_str(""), 3), 0);
    assert_int_equal(*borrowed_get(&map, ebb_str_n("a\0b", 3)), 1);
    assert_int_equal(*borrowed_get(&map, ebb_str_n("x", 0)), 3);
    assert_null(borrowed_get(&map, ebb_str("a")));
    ebb_map_foreach (borrowed, it, &map)
        if (it.key->len > 3)
            assert_ptr_equal(it.key->data, texts[*it.value]);
    borrowed_free(&map);
}

/* The map's copies live and die with it, and memory may run out at every one of them. */
static void owned_texts(void **unused)
{
    (void)unused;
    for (long limit = -1; limit < 300; limit++) {
        struct failing memory;
        failing_begin(&memory);
        const struct ebb_map_options options = {.allocator = &memory.allocator};
        struct owned map, clone;
        size_t count = 0;
        owned_init(&map, &options);
        memory.allowed = limit;
        for (unsigned i = 0; i < 500; i++) {
            int status = owned_put(&map, ebb_str(text_of(i)), i);
            assert_true(status == 0 || (status == -ENOMEM && limit >= 0));
            assert_int_equal(owned_has(&map, ebb_str(text_of(i))), status == 0);
            count += status == 0;
        }
        assert_int_equal(owned_len(&map), count);
        if (owned_clone(&map, &clone) == 0) {
            assert_int_equal(owned_len(&clone), count);
            owned_free(&clone);
        }
        memory.allowed = -1;
        for (unsigned i = 0; i < 500; i++)
            assert_int_equal(owned_put(&map, ebb_str(text_of(i)), i + 1), 0);
        assert_int_equal(owned_clone(&map, &clone), 0);
        unsigned value = 0;
        assert_true(owned_take(&map, ebb_str(text_of(7)), &value));
        assert_int_equal(value, 8);
        assert_true(owned_delete(&map, ebb_str(text_of(8))));
        ebb_map_foreach (owned, it, &map) {
            assert_string_equal(it.key->data, text_of(*it.value - 1));
            if (*it.value % 2)
                assert_true(owned_iter_delete(&it)); /* the key produced is gone with it */
        }
        assert_int_equal(owned_len(&map), 250 - 1);
        owned_clear(&map, EBB_KEEP);
        owned_free(&map);
        assert_int_equal(*owned_get(&clone, ebb_str(text_of(7))), 8);
        owned_free(&clone);
        failing_end(&memory);
    }
}

static void bytes_and_structs(void **unused)
{
    (void)unused;
    struct digests digests;
    struct points points;
    digests_init(&digests, NULL);
    points_init(&points, NULL);
    for (unsigned i = 0; i < KEYS; i++) {
        struct digests_key digest = {{0}};
        memcpy(digest.bytes + 11, &i, sizeof i);
        const struct point point = {(int32_t)i, -(int32_t)i, i / 7};
        assert_int_equal(digests_put(&digests, digest, i), 0);
        assert_int_equal(points_put(&points, point, i), 0);
    }
    for (unsigned i = 0; i < KEYS; i++) {
        struct digests_key digest = {{0}};
        memcpy(digest.bytes + 11, &i, sizeof i);
        const struct point point = {(int32_t)i, -(int32_t)i, i / 7};
        assert_int_equal(*digests_get(&digests, digest), i);
        assert_int_equal(*points_get(&points, point), i);
    }
    assert_int_equal(digests_len(&digests), KEYS);
    const struct point near = {5, -5, 1};
    assert_false(points_has(&points, near));
    digests_free(&digests);
    points_free(&points);
}

static void pointers(void **unused)
{
    static const char objects[KEYS];
    (void)unused;
    struct by_pointer map;
    by_pointer_init(&map, NULL);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(by_pointer_put(&map, objects + i, i), 0);
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(*by_pointer_get(&map, objects + i), i);
    assert_null(by_pointer_get(&map, NULL));
    by_pointer_free(&map);
}

static char *new_text(unsigned number)
{
    live++;
    return strdup(text_of(number));
}

static void keys_taken_over(void **unused)
{
    (void)unused;
    struct taken map;
    taken_init(&map, NULL);
    live = 0;
    for (unsigned i = 0; i < 2 * KEYS; i++) /* the second half's keys are dropped again */
        assert_int_equal(taken_put(&map, new_text(i % KEYS), i), 0);
    assert_int_equal(live, KEYS);
    char *key = new_text(5);
    struct taken_put_result result = taken_get_or_put(&map, key, 1);
    assert_false(result.inserted);
    assert_int_equal(*result.value, KEYS + 5);
    assert_true(taken_delete(&map, key));
    drop(key); /* not inserted: it had stayed the caller's */
    assert_int_equal(live, KEYS - 1);
    taken_clear(&map, EBB_KEEP);
    assert_int_equal(live, 0);
    taken_free(&map);
}

static void keys_copied_by_a_hook(void **unused)
{
    (void)unused;
    struct copied map, clone;
    copied_init(&map, NULL);
    live = 0;
    for (unsigned i = 0; i < 2 * KEYS; i++)
        assert_int_equal(copied_put(&map, text_of(i % KEYS), i), 0);
    assert_int_equal(live, KEYS);
    copies_allowed = 0;
    assert_int_equal(copied_put(&map, text_of(KEYS), 1), -ENOMEM);
    assert_int_equal(copied_put(&map, text_of(7), 1), 0); /* needs no copy */
    copies_allowed = 100;
    assert_int_equal(copied_clone(&map, &clone), -ENOMEM);
    assert_int_equal(live, KEYS);
    copies_allowed = -1;
    assert_int_equal(copied_clone(&map, &clone), 0);
    assert_int_equal(live, 2 * KEYS);
    copied_free(&map);
    assert_int_equal(*copied_get(&clone, text_of(7)), 1);
    copied_free(&clone);
    assert_int_equal(live, 0);
}

/* ---- options ---- */

static void fails_fast(void **unused)
{
    (void)unused;
    struct by_pointer map;
    by_pointer_init(&map, &(struct ebb_map_options){.fail_fast = true});
    for (uintptr_t i = 0; i < 100; i++)
        assert_int_equal(by_pointer_put(&map, (void *)i, 1), 0);
    size_t walked = 0;
    struct by_pointer_iter it = by_pointer_iter_begin(&map);
    while (by_pointer_iter_next(&it)) { /* what a walk may do by itself */
        *it.value += 1;
        assert_int_equal(by_pointer_put(&map, *it.key, 3), 0);
        assert_true(by_pointer_iter_delete(&it));
        walked++;
    }
    assert_int_equal(walked, 100);
    assert_false(it.modified);
    by_pointer_iter_end(&it);
    for (int way = 0; way < 3; way++) {
        for (uintptr_t i = 0; i < 100; i++)
            assert_int_equal(by_pointer_put(&map, (void *)i, 1), 0);
        walked = 0;
        it = by_pointer_iter_begin(&map);
        while (by_pointer_iter_next(&it) && ++walked) {
            if (walked == 10 && way == 0)
                assert_int_equal(by_pointer_put(&map, (void *)1000, 1), 0);
            if (walked == 10 && way == 1)
                assert_true(by_pointer_delete(&map, *it.key));
            if (walked == 10 && way == 2)
                by_pointer_clear(&map, EBB_KEEP);
        }
        assert_int_equal(walked, 10);
        assert_true(it.modified);
        by_pointer_iter_end(&it);
    }
    by_pointer_free(&map);
}

struct warnings {
    unsigned count;
    size_t len;
    char line[400];
};

static void note_warning(void *context, const char *name, size_t len)
{
    struct warnings *warnings = context;
    assert_string_equal(name, "sessions");
    warnings->count++;
    warnings->len = len;
}

static void note_line(void *context, const char *line)
{
    struct warnings *warnings = context;
    warnings->count++;
    snprintf(warnings->line, sizeof warnings->line, "%s", line);
}

static void warns_about_its_size(void **unused)
{
    (void)unused;
    struct warnings warnings = {0};
    struct ebb_map_options options = {
        .name = "sessions", .warn_len = 1000, .warn = note_warning, .warn_context = &warnings};
    struct by_pointer map;
    by_pointer_init(&map, &options);
    for (uintptr_t i = 1; i <= 5000; i++) {
        assert_int_equal(by_pointer_put(&map, (void *)i, 1), 0);
        assert_int_equal(warnings.count, (i > 1000) + (i > 2000) + (i > 4000));
    }
    assert_int_equal(warnings.len, 4000);
    by_pointer_free(&map);

    warnings.count = 0;
    options.warn = NULL; /* then it is said in the log */
    const struct ebb_log log = {note_line, &warnings};
    for (int logged = 0; logged < 2; logged++) {
        ebb_log_set(logged ? &log : NULL);
        by_pointer_init(&map, &options);
        for (uintptr_t i = 1; i <= 1001; i++)
            assert_int_equal(by_pointer_put(&map, (void *)i, 1), 0);
        by_pointer_free(&map);
        assert_int_equal(warnings.count, logged);
    }
    ebb_log_set(NULL);
    print_message("%s\n", warnings.line);
    assert_non_null(strstr(warnings.line, "sessions"));
    assert_non_null(strstr(warnings.line, "1000"));
}

/* Whatever a map holds back because single calls are not to pay for it, maintenance gives back. */
static void maintenance_finishes(void **unused)
{
    (void)unused;
    struct by_pointer map;
    by_pointer_init(&map, &(struct ebb_map_options){.huge_pages = true});
    for (uintptr_t i = 0; i < 200000; i++)
        assert_int_equal(by_pointer_put(&map, (void *)i, 1), 0);
    assert_false(by_pointer_maintain(&map, 1000000));
    for (uintptr_t i = 0; i < 199000; i++)
        assert_true(by_pointer_delete(&map, (void *)i));
    size_t before = by_pointer_stats(&map).bytes, rounds = 0;
    while (by_pointer_maintain(&map, 0))
        assert_true(++rounds < 100000);
    size_t after = by_pointer_stats(&map).bytes;
    by_pointer_compact(&map);
    size_t least = by_pointer_stats(&map).bytes;
    print_message("%zu KiB after deleting, %zu after maintaining, %zu compact\n", before >> 10,
                  after >> 10, least >> 10);
    assert_true(after <= before);
    assert_true(after <= 10 * least);
    for (uintptr_t i = 199000; i < 200000; i++)
        assert_true(by_pointer_has(&map, (void *)i));
    by_pointer_free(&map);
}

/* A walk that is left early takes nothing along. */
static void walks_may_be_left(void **unused)
{
    (void)unused;
    struct failing memory;
    failing_begin(&memory);
    struct owned map;
    owned_init(&map, &(struct ebb_map_options){.allocator = &memory.allocator});
    for (unsigned i = 0; i < KEYS; i++)
        assert_int_equal(owned_put(&map, ebb_str(text_of(i)), i), 0);
    for (size_t stop = 0; stop < 40; stop++) {
        size_t walked = 0;
        ebb_map_foreach (owned, it, &map)
            if (walked++ == stop)
                break;
        assert_int_equal(walked, stop + 1);
    }
    owned_free(&map);
    failing_end(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borrowed_texts),       cmocka_unit_test(owned_texts),
        cmocka_unit_test(bytes_and_structs),    cmocka_unit_test(pointers),
        cmocka_unit_test(keys_taken_over),      cmocka_unit_test(keys_copied_by_a_hook),
        cmocka_unit_test(fails_fast),           cmocka_unit_test(warns_about_its_size),
        cmocka_unit_test(maintenance_finishes), cmocka_unit_test(walks_may_be_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
