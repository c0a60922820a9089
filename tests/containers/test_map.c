/* Ebb's map against a plain model: random operations, weak hashes, iteration while everything
 * changes, and memory that fails at every allocation. The seed is printed. */
#include "support.h"

#define EBB_MAP_NAME  numbers
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

/* Keys and values that lie apart, and a hash as bad as the test wants it. */
static uint64_t weak_mask;
static bool walks_get_memory = true;

static int memory_for_walk(void **block, size_t alignment, size_t size)
{
    return walks_get_memory ? posix_memalign(block, alignment, size) : ENOMEM;
}

#define posix_memalign          memory_for_walk
#define EBB_MAP_NAME            weak
#define EBB_MAP_KEY             uint32_t
#define EBB_MAP_VALUE           uint8_t
#define EBB_MAP_HASH(key, seed) (((key)*UINT64_C(0x100000001010)) & weak_mask)
#include <ebb/map.h>
#undef posix_memalign

static unsigned drops;
#define EBB_MAP_NAME              owners
#define EBB_MAP_KEY               uint32_t
#define EBB_MAP_VALUE             char *
#define EBB_MAP_DROP_VALUE(value) (drops++, free(value))
#include <ebb/map.h>

/* Large values; and a program's own names, which the header must not mind. */
typedef struct {
    uint64_t number, rest[127];
} VALUE;
#define KEY           17
#define M(x)          ((x) + KEY)
#define HASH(x)       ((x)*3)
#define EBB_MAP_NAME  pictures
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE VALUE
#include <ebb/map.h>

/* Of such values a bucket is more than is split, or left alone, at once. */
struct film {
    uint64_t number, rest[5000];
};
#define EBB_MAP_NAME  films
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE struct film
#include <ebb/map.h>

/* ---- against the model ---- */

/* model[key]: the value, 0 when there is none. */
struct model {
    uint64_t *values;
    size_t range, count;
};

static void model_set(struct model *model, uint64_t key, uint64_t value)
{
    model->count += (value != 0) - (model->values[key] != 0);
    model->values[key] = value;
}

static void check_walk(struct numbers *map, const struct model *model)
{
    size_t count = 0;
    ebb_map_foreach (numbers, it, map) {
        assert_true(*it.key < model->range);
        assert_int_equal(*it.value, model->values[*it.key]);
        count++;
    }
    assert_int_equal(count, model->count);
}

/* Walks while the map changes, and holds the walk to its promises. */
static void check_walk_under_change(struct numbers *map, struct model *model)
{
    enum { WAS = 1, SEEN = 2, GONE = 4 }; /* SEEN: since it was added last */
    uint8_t *marks = calloc(model->range, 1);
    unsigned habit = (unsigned)draw(5);
    for (size_t i = 0; i < model->range; i++)
        marks[i] = model->values[i] ? WAS : 0;
    ebb_map_foreach (numbers, it, map) {
        uint64_t key = *it.key;
        assert_true(!(marks[key] & SEEN));
        assert_int_equal(*it.value, model->values[key]);
        marks[key] |= SEEN;
        for (uint64_t i = draw(6); i-- > 0 && habit < 4;) {
            uint64_t other = habit == 0 ? key : draw(model->range);
            if (habit < 2 || (habit == 3 && draw(2))) {
                assert_int_equal(numbers_delete(map, other), model->values[other] != 0);
                model_set(model, other, 0);
                marks[other] = (marks[other] & WAS) | GONE;
            } else {
                assert_int_equal(numbers_put(map, other, 7), 0);
                model_set(model, other, 7);
            }
        }
        if (draw(997) == 0)
            numbers_compact(map);
        if (draw(9973) == 0) {
            numbers_clear(map, draw(2) ? EBB_KEEP : EBB_RELEASE);
            memset(model->values, 0, model->range * sizeof *model->values);
            model->count = 0;
            for (size_t i = 0; i < model->range; i++)
                marks[i] = (marks[i] & WAS) | GONE;
        }
    }
    for (size_t i = 0; i < model->range; i++)
        if ((marks[i] & (WAS | GONE)) == WAS)
            assert_true(marks[i] & SEEN);
    free(marks);
}

static void do_one(struct numbers *map, struct model *model, unsigned put_chance)
{
    uint64_t key = draw(model->range), before = model->values[key], value = draw(1u << 30) + 1,
             *found;
    unsigned choice = (unsigned)draw(10);
    if (choice < put_chance) {
        if (draw(2)) {
            assert_int_equal(numbers_put(map, key, value), 0);
        } else {
            struct numbers_put_result result = numbers_get_or_put(map, key, value);
            assert_int_equal(result.inserted, before == 0);
            assert_int_equal(*result.value, before ? before : value);
            *result.value = value;
        }
        model_set(model, key, value);
    } else if (choice < 7) {
        assert_int_equal(numbers_delete(map, key), before != 0);
        model_set(model, key, 0);
    } else if (choice < 8) {
        value = 0;
        assert_int_equal(numbers_take(map, key, &value), before != 0);
        assert_int_equal(value, before);
        model_set(model, key, 0);
    } else {
        found = numbers_get(map, key);
        assert_int_equal(found ? *found : 0, before);
        assert_int_equal(numbers_has(map, key), before != 0);
    }
    assert_int_equal(numbers_len(map), model->count);
}

static void like_the_model(void **unused)
{
    enum { ROUNDS = 60, OPERATIONS = 30000 };
    (void)unused;
    start();
    for (int round = 0; round < ROUNDS; round++) {
        const struct ebb_map_options options = {.no_shrink = round % 7 == 6,
                                                .huge_pages = round % 5 == 4};
        struct model model = {.range = 1 + draw(round % 3 ? 3000 : 100000)};
        model.values = calloc(model.range, sizeof *model.values);
        struct numbers map;
        numbers_init(&map, &options);
        for (int i = 0; i < OPERATIONS; i++) {
            do_one(&map, &model, i / 5000 % 2 ? 2 : 6);
            if (draw(5000) == 0)
                check_walk(&map, &model);
            if (draw(5000) == 0)
                check_walk_under_change(&map, &model);
            if (draw(20000) == 0)
                numbers_compact(&map);
            if (draw(20000) == 0)
                assert_int_equal(numbers_reserve(&map, draw(100000)), 0);
            if (draw(5000) == 0)
                numbers_maintain(&map, 1000);
        }
        check_walk(&map, &model);
        struct numbers clone;
        assert_int_equal(numbers_clone(&map, &clone), 0);
        check_walk(&clone, &model);
        numbers_free(&clone);
        numbers_free(&map);
        assert_int_equal(numbers_len(&map), 0);
        free(model.values);
    }
}

/* All keys in one chain, in one bucket per low bits, or with equal fingerprints. */
static void weak_hashes(void **unused)
{
    static const uint64_t masks[] = {0, UINT64_C(0xff00000000000030), 0xfff0, 0x30};
    enum { RANGE = 500, OPERATIONS = 20000 };
    (void)unused;
    start();
    for (size_t round = 0; round < sizeof masks / sizeof *masks; round++) {
        uint8_t model[RANGE] = {0};
        size_t count = 0;
        struct weak map;
        weak_mask = masks[round];
        weak_init(&map, NULL);
        for (int i = 0; i < OPERATIONS; i++) {
            uint32_t key = (uint32_t)draw(RANGE);
            if (draw(2)) {
                count += model[key] == 0;
                model[key] = (uint8_t)(1 + draw(255));
                assert_int_equal(weak_put(&map, key, model[key]), 0);
            } else {
                assert_int_equal(weak_delete(&map, key), model[key] != 0);
                count -= model[key] != 0;
                model[key] = 0;
            }
            assert_int_equal(weak_len(&map), count);
            if (draw(400) == 0) {
                size_t walked = 0;
                ebb_map_foreach (weak, it, &map) {
                    assert_int_equal(*it.value, model[*it.key]);
                    walked++;
                }
                assert_int_equal(walked, count);
            }
        }
        weak_free(&map);
    }
}

/* Memory runs out at every allocation in turn; the map stays what it was and goes on. */
static void out_of_memory(void **unused)
{
    enum { KEYS = 9000 };
    (void)unused;
    struct failing memory;
    failing_begin(&memory);
    const struct ebb_map_options options = {.allocator = &memory.allocator};
    for (long limit = 0; limit < 60; limit++) {
        struct numbers map;
        numbers_init(&map, &options);
        size_t count = 0;
        bool stored[KEYS] = {false};
        memory.allowed = limit;
        for (uint64_t key = 0; key < KEYS; key++) {
            stored[key] = numbers_put(&map, key, key + 1) == 0;
            count += stored[key];
        }
        struct numbers clone;
        if (numbers_clone(&map, &clone) == 0) {
            assert_int_equal(numbers_len(&clone), count);
            numbers_free(&clone);
        }
        (void)numbers_reserve(&map, 3 * (size_t)KEYS);
        assert_int_equal(numbers_len(&map), count);
        for (uint64_t key = 0; key < KEYS; key++)
            assert_int_equal(numbers_has(&map, key), stored[key]);
        for (uint64_t key = 0; key < KEYS; key += 2)
            assert_int_equal(numbers_delete(&map, key), stored[key]);
        memory.allowed = -1;
        for (uint64_t key = 0; key < KEYS; key++)
            assert_int_equal(numbers_put(&map, key, key), 0);
        assert_int_equal(numbers_len(&map), KEYS);
        numbers_free(&map);
        failing_end(&memory);
    }
}

static void drops_what_goes(void **unused)
{
    enum { KEYS = 1000 };
    (void)unused;
    struct owners map;
    owners_init(&map, NULL);
    drops = 0;
    for (uint32_t key = 0; key < KEYS; key++)
        assert_int_equal(owners_put(&map, key, strdup("first")), 0);
    for (uint32_t key = 0; key < KEYS; key += 2)
        assert_int_equal(owners_put(&map, key, strdup("second")), 0);
    assert_int_equal(drops, KEYS / 2);
    assert_true(owners_delete(&map, 1));
    char *taken = NULL;
    assert_true(owners_take(&map, 2, &taken));
    assert_string_equal(taken, "second");
    free(taken);
    assert_int_equal(drops, KEYS / 2 + 1);
    owners_clear(&map, EBB_KEEP);
    assert_int_equal(drops, KEYS / 2 + KEYS - 1);
    assert_int_equal(owners_put(&map, 5, strdup("third")), 0);
    owners_free(&map);
    assert_int_equal(drops, KEYS / 2 + KEYS);
}

/* What a process holds after nearly everything was deleted. */
static void gives_memory_back(void **unused)
{
    enum { KEYS = 2000000 };
    (void)unused;
    struct numbers map;
    numbers_init(&map, NULL);
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(numbers_put(&map, key, key), 0);
    size_t peak = numbers_stats(&map).bytes;
    for (uint64_t key = 0; key < KEYS - KEYS / 100; key++)
        assert_true(numbers_delete(&map, key));
    size_t after = numbers_stats(&map).bytes;
    print_message("%zu KiB at the peak, %zu KiB after 99 %% were deleted\n", peak >> 10,
                  after >> 10);
    assert_true(after < peak / 10);
    for (uint64_t key = KEYS - KEYS / 100; key < KEYS; key++)
        assert_int_equal(*numbers_get(&map, key), key);
    numbers_clear(&map, EBB_RELEASE);
    assert_int_equal(numbers_stats(&map).bytes, 0);
    numbers_free(&map);
}

/* A walk that cannot remember what it has produced of a bucket with a long chain says so. */
static void walk_without_memory(void **unused)
{
    enum { KEYS = 100 };
    (void)unused;
    struct weak map;
    weak_init(&map, NULL);
    weak_mask = 0;
    for (uint32_t key = 0; key < KEYS; key++)
        assert_int_equal(weak_put(&map, key, 1), 0);
    for (int rich = 0; rich <= 1; rich++) {
        unsigned produced = 0;
        walks_get_memory = rich;
        struct weak_iter it = weak_iter_begin(&map);
        while (weak_iter_next(&it))
            produced++;
        assert_int_equal(it.out_of_memory, !rich);
        assert_true(rich ? produced == KEYS : produced < KEYS);
        weak_iter_end(&it);
    }
    weak_free(&map);
}

/* Large values are neither copied in large blocks nor kept. */
static void large_values(void **unused)
{
    enum { KEYS = 20000 };
    (void)unused;
    struct failing failing;
    struct pictures map;
    VALUE picture = {0};
    failing_begin(&failing);
    pictures_init(&map, &(struct ebb_map_options){.allocator = &failing.allocator});
    for (picture.number = 0; picture.number < KEYS; picture.number++) {
        picture.rest[126] = M(picture.number);
        assert_int_equal(pictures_put(&map, picture.number, picture), 0);
        assert_true(failing.bytes < 512 << 10);
    }
    size_t peak = pictures_stats(&map).bytes;
    for (uint64_t key = KEYS / 100; key < KEYS; key++)
        assert_true(pictures_delete(&map, key));
    for (uint64_t key = 0; key < KEYS / 100; key++)
        assert_int_equal(pictures_get(&map, key)->rest[126], M(key));
    size_t after = pictures_stats(&map).bytes;
    print_message("%zu KiB at the peak, %zu KiB after 99 %% were deleted\n", peak >> 10,
                  after >> 10);
    assert_true(after < peak / 10);
    for (uint64_t key = 1; key < KEYS / 100; key++)
        assert_true(pictures_delete(&map, key));
    assert_true(pictures_stats(&map).bytes < 256 << 10);
    assert_int_equal(pictures_get(&map, 0)->rest[126], HASH(M(0)) / 3);
    pictures_free(&map);
    failing_end(&failing);
}

/* Down to one bucket and up again. */
static void huge_values(void **unused)
{
    enum { KEYS = 300 };
    static struct film film;
    (void)unused;
    struct films map;
    films_init(&map, NULL);
    for (int round = 0; round < 2; round++) {
        for (film.number = 0; film.number < KEYS; film.number++)
            assert_int_equal(films_put(&map, film.number, film), 0);
        for (uint64_t key = 1; key < KEYS; key++) {
            assert_int_equal(films_get(&map, key)->number, key);
            assert_true(films_delete(&map, key));
        }
        assert_int_equal(films_len(&map), 1);
        assert_int_equal(films_get(&map, 0)->number, 0);
    }
    assert_true(films_stats(&map).bytes < 2 << 20);
    films_free(&map);
}

/* A table that is a block becomes a smaller one; one that was cleared to be filled again does not. */
static void small_blocks(void **unused)
{
    enum { KEYS = 1600 };
    (void)unused;
    struct failing failing;
    struct numbers map;
    failing_begin(&failing);
    numbers_init(&map, &(struct ebb_map_options){.allocator = &failing.allocator});
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(numbers_put(&map, key, key), 0);
    size_t peak = failing.bytes;
    for (uint64_t key = 0; key < KEYS * 15 / 16; key++)
        assert_true(numbers_delete(&map, key));
    assert_true(failing.bytes < peak / 3); /* with a slab, if one entry is in a chain */
    for (uint64_t key = KEYS * 15 / 16; key < KEYS; key++)
        assert_int_equal(*numbers_get(&map, key), key);
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(numbers_put(&map, key, key), 0);
    numbers_clear(&map, EBB_KEEP);
    assert_int_equal(numbers_put(&map, 1, 1), 0);
    assert_true(numbers_delete(&map, 1));
    assert_true(failing.bytes > peak / 2);
    numbers_free(&map);
    failing_end(&failing);
}

/* Keys chosen to collide in a map whose seed is known do not in one with its own: there nearly
 * all keys are in their buckets, as ordinary ones are. The victim gets only some of them; it would take all day. */
static void flooding_needs_the_seed(void **unused)
{
    enum { KEYS = 1000000, FOR_THE_VICTIM = 20000 };
    const uint64_t bits = 0x3f0; /* of 64 buckets one */
    (void)unused;
    const struct ebb_map_options known = {.seed = 1};
    struct numbers victim, other, ordinary;
    numbers_init(&victim, &known);
    numbers_init(&other, NULL);
    numbers_init(&ordinary, NULL);
    uint64_t added = 0, for_the_victim = 0;
    for (uint64_t key = 1; added < KEYS; key++)
        if ((ebb_hash_integer(key, known.seed) & bits) == 0) {
            if (added < FOR_THE_VICTIM)
                assert_int_equal(numbers_put(&victim, key, 1), 0);
            if (added == FOR_THE_VICTIM)
                for_the_victim = numbers_stats(&other).overflow_nodes;
            assert_int_equal(numbers_put(&other, key, 1), 0);
            assert_int_equal(numbers_put(&ordinary, added, 1), 0);
            added++;
        }
    uint64_t flooded = numbers_stats(&victim).overflow_nodes;
    uint64_t others = numbers_stats(&other).overflow_nodes;
    uint64_t usual = numbers_stats(&ordinary).overflow_nodes;
    print_message(
        "overflow nodes of %d keys: %llu under the known seed, %llu under another; of %d: "
        "%llu, with ordinary keys %llu\n",
        FOR_THE_VICTIM, (unsigned long long)flooded, (unsigned long long)for_the_victim, KEYS,
        (unsigned long long)others, (unsigned long long)usual);
    assert_true(flooded > FOR_THE_VICTIM / 8);
    /* One key in a hundred, at most, that is not in its bucket: no lookup is slowed by that. */
    assert_true(for_the_victim < flooded / 3);
    assert_true(others * EBB__NODE_SLOTS < KEYS / 100);
    numbers_free(&victim);
    numbers_free(&other);
    numbers_free(&ordinary);
}

static int compare_words(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The constants of the hash are known to everybody: texts that have one of them in all places but one
 * must not collide, whatever the place, the length and the seed. */
static void no_text_silences_the_seed(void **unused)
{
    enum { TEXTS = 8000, WORDS = 5 };
    static const uint64_t chosen[] = {0,
                                      UINT64_MAX,
                                      UINT64_C(0xa0761d6478bd642f),
                                      UINT64_C(0x78bd642fa0761d64),
                                      UINT64_C(0x9e3779b97f4a7c15),
                                      UINT64_C(0x4b33a62ed433d4a3),
                                      UINT64_C(0x8bb84b93962eacc9)};
    (void)unused;
    uint64_t *hashes = calloc(TEXTS, sizeof *hashes);
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (size_t constant = 0; constant < sizeof chosen / sizeof *chosen; constant++)
            for (size_t words = 1; words <= WORDS; words++)
                for (size_t free_word = 0; free_word < words; free_word++) {
                    uint64_t text[WORDS];
                    for (size_t i = 0; i < TEXTS; i++) {
                        for (size_t word = 0; word < words; word++)
                            text[word] = chosen[constant];
                        text[free_word] = i;
                        hashes[i] = ebb_hash_bytes(text, words * sizeof *text, seed);
                    }
                    qsort(hashes, TEXTS, sizeof *hashes, compare_words);
                    for (size_t i = 1; i < TEXTS; i++)
                        assert_true(hashes[i] != hashes[i - 1]);
                }
    free(hashes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_the_model),
        cmocka_unit_test(weak_hashes),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(drops_what_goes),
        cmocka_unit_test(gives_memory_back),
        cmocka_unit_test(walk_without_memory),
        cmocka_unit_test(large_values),
        cmocka_unit_test(huge_values),
        cmocka_unit_test(small_blocks),
        cmocka_unit_test(flooding_needs_the_seed),
        cmocka_unit_test(no_text_silences_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
