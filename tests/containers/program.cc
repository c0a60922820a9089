/* A C++ program that includes every public header and uses what is in it. Exits with the number of the
 * first check that fails. */
#include <ebb/allocator.h>
#include <ebb/clear.h>
#include <ebb/dynmap.h>
#include <ebb/flat.h>
#include <ebb/hash.h>
#include <ebb/log.h>
#include <ebb/map.h>
#include <ebb/nested_map.h>
#include <ebb/str.h>

#include <string>

#define EBB_MAP_NAME  scores
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE double
#include <ebb/map.h>

#define EBB_MAP_NAME words
#define EBB_MAP_OWNED_STR_KEYS
#define EBB_MAP_VALUE int
#include <ebb/map.h>

#define EBB_MAP_NAME       digests
#define EBB_MAP_BYTES_KEYS 16
#define EBB_MAP_VALUE      char
#include <ebb/map.h>

struct point {
    int x, y;
};
#define EBB_MAP_NAME        points
#define EBB_MAP_STRUCT_KEYS point
#define EBB_MAP_VALUE       point *
#include <ebb/map.h>

#define EBB_MAP_NAME pairs
#define EBB_MAP_FLAT_KEYS
#define EBB_MAP_VALUE long
#include <ebb/map.h>

/* An object is owned through its pointer. */
#define EBB_NESTED_NAME settings
#define EBB_NESTED_OUTER_STR
#define EBB_NESTED_INNER_KEY          int
#define EBB_NESTED_VALUE              std::string *
#define EBB_NESTED_DROP_VALUE(value)  delete (value)
#define EBB_NESTED_VALUE_BYTES(value) (sizeof *(value) + (value)->capacity())
#include <ebb/nested_map.h>

static int checks;

static void check(bool holds)
{
    checks++;
    if (!holds)
        exit(checks);
}

static void numbers()
{
    scores map;
    scores_init(&map, nullptr);
    for (uint64_t key = 0; key < 10000; key++)
        check(scores_put(&map, key, 0.5 * (double)key) == 0);
    check(scores_len(&map) == 10000);
    double *score = scores_get(&map, 77);
    check(score && *score == 38.5);
    double sum = 0;
    ebb_map_foreach (scores, it, &map)
        sum += *it.value;
    check(sum == 0.5 * 9999 * 10000 / 2);
    ebb_map_foreach (scores, it, &map)
        if (*it.key > 5)
            break;
    scores clone;
    check(scores_clone(&map, &clone) == 0);
    ebb_clear(&map);
    check(scores_len(&map) == 0 && scores_len(&clone) == 10000);
    scores *none = nullptr;
    ebb_clear(none);
    ebb_clear_as(&clone, EBB_RELEASE);
    check(scores_stats(&clone).bytes == 0);
    scores_free(&map);
    scores_free(&clone);
}

static void other_keys()
{
    words map;
    words_init(&map, nullptr);
    check(words_put(&map, ebb_str("one"), 1) == 0);
    words_put_result result = words_get_or_put(&map, ebb_str(std::string("two").c_str()), 2);
    check(result.inserted && *result.value == 2);
    check(*words_get(&map, ebb_str("two")) == 2);
    check(words_delete(&map, ebb_str("one")) && !words_has(&map, ebb_str("one")));
    words_free(&map);

    digests digest;
    digests_init(&digest, nullptr);
    check(digests_put(&digest, digests_key{{1, 2, 3}}, 'x') == 0);
    check(digests_has(&digest, digests_key{{1, 2, 3}}));
    digests_free(&digest);

    points grid;
    point origin = {0, 0};
    points_init(&grid, nullptr);
    check(points_put(&grid, point{3, 4}, &origin) == 0);
    check(*points_get(&grid, point{3, 4}) == &origin);
    points_free(&grid);

    pairs flat;
    pairs_init(&flat, nullptr);
    check(pairs_put(&flat, ebb_flat("a", "bc"), 7) == 0);
    check(pairs_has(&flat, ebb_flat("a", "bc")) && !pairs_has(&flat, ebb_flat("ab", "c")));
    pairs_free(&flat);
}

static void nested()
{
    settings map;
    settings_init(&map, nullptr);
    for (int key = 0; key < 2000; key++) /* twice as many as an inner map keeps */
        check(settings_put(&map, ebb_str("tenant"), key, new std::string(100, 'x')) == 0);
    check(settings_len(&map) == 1000 && settings_inner_maps(&map) == 1);
    check(!settings_peek(&map, ebb_str("tenant"), 999));
    check((*settings_get(&map, ebb_str("tenant"), 1000))->size() == 100);
    size_t walked = 0;
    ebb_nested_foreach (settings, it, &map)
        if (++walked && *it.inner % 2)
            check(settings_iter_delete(&it));
    check(walked == 1000 && settings_len(&map) == 500);
    ebb_clear(&map);
    check(settings_inner_maps(&map) == 0);
    settings_free(&map);
}

static void at_run_time()
{
    ebb_dynmap_type type = {};
    type.key_size = sizeof(int);
    type.value_size = sizeof(double);
    ebb_dynmap map;
    check(ebb_dynmap_init(&map, &type, nullptr) == 0);
    int key = 3;
    double value = 1.5;
    check(ebb_dynmap_put(&map, &key, &value) == 0);
    check(*static_cast<double *>(ebb_dynmap_get(&map, &key)) == 1.5);
    ebb_map_foreach (ebb_dynmap, it, &map)
        check(*static_cast<const int *>(it.key) == 3);
    ebb_clear(&map);
    check(ebb_dynmap_len(&map) == 0);
    ebb_dynmap_free(&map);
}

static void arrays()
{
    int numbers[4] = {1, 2, 3, 4};
    ebb_clear(ebb_slice(numbers + 1, 2));
    check(numbers[0] == 1 && numbers[1] == 0 && numbers[2] == 0 && numbers[3] == 4);
    ebb_clear(numbers);
    check(numbers[0] == 0 && numbers[3] == 0);
}

int main()
{
    ebb_log_set(&ebb_log_stderr);
    numbers();
    other_keys();
    nested();
    at_run_time();
    arrays();
    return 0;
}
