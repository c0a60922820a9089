/* The nested map against a plain model: what is there, what was evicted and in which order, what has
 * expired, what is walked while everything changes, what it holds, and memory that fails at every
 * allocation. Time is the tests' own. The seed is printed. */
#include "support.h"

#include <ebb/log.h>

static size_t live_values; /* texts that the maps own */

static void drop_text(char *text)
{
    live_values--;
    free(text);
}

#define EBB_NESTED_NAME texts
#define EBB_NESTED_OUTER_STR
#define EBB_NESTED_INNER_STR
#define EBB_NESTED_VALUE              char *
#define EBB_NESTED_DROP_VALUE(value)  drop_text(value)
#define EBB_NESTED_VALUE_BYTES(value) (strlen(value) + 1)
#include <ebb/nested_map.h>

/* Keys that need padding and values that need alignment; all inner keys but the lowest bits collide. */
struct wide {
    long double number;
};
#define EBB_NESTED_NAME                  wides
#define EBB_NESTED_OUTER_KEY             uint64_t
#define EBB_NESTED_INNER_KEY             uint8_t
#define EBB_NESTED_INNER_HASH(key, seed) ((uint64_t)((key)&3) << 4)
#define EBB_NESTED_VALUE                 struct wide
#include <ebb/nested_map.h>

#define EBB_MAP_NAME flat
#define EBB_MAP_FLAT_KEYS
#define EBB_MAP_VALUE uint32_t
#include <ebb/map.h>

enum { OUTERS = 40, INNERS = 60 };

static uint64_t clock_now; /* milliseconds */

static uint64_t test_clock(void *context)
{
    (void)context;
    return clock_now;
}

/* ---- the model ---- */

struct model {
    uint32_t value[OUTERS][INNERS]; /* 0: none */
    uint64_t used[OUTERS][INNERS];  /* stamps: the larger, the later */
    uint64_t born[OUTERS][INNERS];  /* when it was added */
    uint64_t outer_used[OUTERS], outer_used_ms[OUTERS];
    uint64_t stamp;
};

struct subject {
    struct texts map;
    struct model model;
    struct ebb_nested_options options;
};

static struct ebb_str outer_key(unsigned o)
{
    static char text[16];
    snprintf(text, sizeof text, "outer-%u", o);
    return ebb_str(text);
}

static struct ebb_str inner_key(unsigned i)
{
    static char text[80];
    snprintf(text, sizeof text, "inner-%u%.*s", i, (int)(i % 50),
             "..................................................");
    return ebb_str(text);
}

static unsigned number_of(const struct ebb_str *key)
{
    return (unsigned)strtoul(key->data + strlen("outer-"), NULL, 10);
}

static char *make_value(uint32_t number)
{
    char *text = malloc(200);
    assert_non_null(text);
    int length = snprintf(text, 200, "%u:", number);
    memset(text + length, 'v', number % 150);
    text[(size_t)length + number % 150] = '\0';
    live_values++;
    return text;
}

static void check_value(uint32_t number, const char *text)
{
    assert_non_null(text);
    assert_int_equal(strtoul(text, NULL, 10), number);
}

static bool expired(const struct subject *subject, unsigned o)
{
    return clock_now - subject->model.outer_used_ms[o] >= subject->options.ttl_ms;
}

static size_t model_inner_len(const struct model *model, unsigned o)
{
    size_t count = 0;
    for (unsigned i = 0; i < INNERS; i++)
        count += model->value[o][i] != 0;
    return count;
}

static void use(struct subject *subject, unsigned o, unsigned i)
{
    struct model *model = &subject->model;
    model->used[o][i] = ++model->stamp;
    model->outer_used[o] = model->stamp;
    model->outer_used_ms[o] = clock_now;
}

static void forget_outer(struct model *model, unsigned o)
{
    memset(model->value[o], 0, sizeof model->value[o]);
}

static void forget_expired(struct subject *subject)
{
    for (unsigned o = 0; o < OUTERS; o++)
        if (expired(subject, o))
            forget_outer(&subject->model, o);
}

/* ---- comparing ---- */

/* Entries of the inner map that was put to may have gone for a limit: the oldest ones. */
static void accept_evicted_entries(struct subject *subject, unsigned o)
{
    struct model *model = &subject->model;
    uint64_t newest_gone = 0, oldest_kept = UINT64_MAX;
    for (unsigned i = 0; i < INNERS; i++) {
        if (!model->value[o][i])
            continue;
        if (texts_peek(&subject->map, outer_key(o), inner_key(i))) {
            oldest_kept = model->used[o][i] < oldest_kept ? model->used[o][i] : oldest_kept;
        } else {
            newest_gone = model->used[o][i] > newest_gone ? model->used[o][i] : newest_gone;
            model->value[o][i] = 0;
        }
    }
    assert_true(newest_gone < oldest_kept);
    assert_true(oldest_kept < UINT64_MAX);
}

/* Whole inner maps may have gone for the ceiling: the oldest ones. */
static void accept_evicted_inner_maps(struct subject *subject)
{
    struct model *model = &subject->model;
    uint64_t newest_gone = 0, oldest_kept = UINT64_MAX;
    for (unsigned o = 0; o < OUTERS; o++) {
        if (model_inner_len(model, o) == 0)
            continue;
        uint64_t used = model->outer_used[o];
        if (texts_inner_len(&subject->map, outer_key(o)) > 0) {
            oldest_kept = used < oldest_kept ? used : oldest_kept;
        } else {
            newest_gone = used > newest_gone ? used : newest_gone;
            forget_outer(model, o);
        }
    }
    assert_true(newest_gone < oldest_kept);
}

static void compare(struct subject *subject)
{
    const struct model *model = &subject->model;
    for (unsigned o = 0; o < OUTERS; o++) {
        assert_int_equal(texts_inner_len(&subject->map, outer_key(o)), model_inner_len(model, o));
        for (unsigned i = 0; i < INNERS; i++) {
            char *const *found = texts_peek(&subject->map, outer_key(o), inner_key(i));
            assert_int_equal(found != NULL, model->value[o][i] != 0);
            if (found)
                check_value(model->value[o][i], *found);
        }
    }
}

/* After letting go of what has expired, the sizes agree as well. */
static void compare_sizes(struct subject *subject)
{
    size_t count = 0, inner_maps = 0;
    while (texts_maintain(&subject->map, 0))
        ;
    for (unsigned o = 0; o < OUTERS; o++) {
        count += model_inner_len(&subject->model, o);
        inner_maps += model_inner_len(&subject->model, o) > 0;
    }
    assert_int_equal(texts_len(&subject->map), count);
    assert_int_equal(texts_inner_maps(&subject->map), inner_maps);
    assert_int_equal(live_values, count);
    assert_int_equal(texts_stats(&subject->map).dying_bytes, 0);
}

static void check_limits(struct subject *subject, unsigned o)
{
    const struct ebb_nested_options *options = &subject->options;
    assert_true(texts_inner_len(&subject->map, outer_key(o)) <= options->max_inner_len);
    if (options->max_inner_bytes)
        assert_true(texts_inner_bytes(&subject->map, outer_key(o)) <= options->max_inner_bytes);
    if (options->max_bytes)
        assert_true(texts_stats(&subject->map).bytes <= options->max_bytes);
}

/* ---- operations ---- */

static void put(struct subject *subject, unsigned o, unsigned i, bool replace)
{
    uint32_t before = subject->model.value[o][i], number = (uint32_t)(1 + draw(1u << 30));
    size_t len = model_inner_len(&subject->model, o);
    char *value = make_value(number);
    if (replace) {
        assert_int_equal(texts_put(&subject->map, outer_key(o), inner_key(i), value), 0);
    } else {
        struct texts_put_result result =
            texts_get_or_put(&subject->map, outer_key(o), inner_key(i), value);
        assert_int_equal(result.error, 0);
        assert_int_equal(result.inserted, before == 0);
        if (!result.inserted) {
            drop_text(value);
            number = before;
        }
        check_value(number, *result.value);
    }
    subject->model.value[o][i] = number;
    use(subject, o, i);
    if (!before)
        subject->model.born[o][i] = subject->model.stamp;
    check_limits(subject, o);
    accept_evicted_entries(subject, o);
    if (!subject->options.max_inner_bytes && !subject->options.max_bytes) { /* then exactly one */
        size_t wanted = len + (before == 0);
        if (wanted > subject->options.max_inner_len)
            wanted = subject->options.max_inner_len;
        assert_int_equal(model_inner_len(&subject->model, o), wanted);
    }
    if (subject->options.max_bytes)
        accept_evicted_inner_maps(subject);
}

static void get(struct subject *subject, unsigned o, unsigned i)
{
    struct model *model = &subject->model;
    char **found = texts_get(&subject->map, outer_key(o), inner_key(i));
    assert_int_equal(found != NULL, model->value[o][i] != 0);
    if (found) {
        check_value(model->value[o][i], *found);
        use(subject, o, i);
    } else if (model_inner_len(model, o) > 0) { /* asked for all the same */
        model->outer_used[o] = ++model->stamp;
        model->outer_used_ms[o] = clock_now;
    }
}

static void delete (struct subject *subject, unsigned o, unsigned i, bool take)
{
    uint32_t before = subject->model.value[o][i];
    char *taken = NULL;
    if (take) {
        assert_int_equal(texts_take(&subject->map, outer_key(o), inner_key(i), &taken),
                         before != 0);
        if (before) {
            check_value(before, taken);
            drop_text(taken);
        }
    } else {
        assert_int_equal(texts_delete(&subject->map, outer_key(o), inner_key(i)), before != 0);
    }
    subject->model.value[o][i] = 0;
}

static void do_one(struct subject *subject, bool filling)
{
    unsigned o = (unsigned)draw(OUTERS), i = (unsigned)draw(INNERS);
    unsigned choice = (unsigned)draw(100);
    if (draw(20) == 0)
        clock_now += draw(40);
    forget_expired(subject);
    if (choice < (filling ? 75 : 25)) {
        put(subject, o, i, draw(2));
    } else if (choice < (filling ? 94 : 60)) {
        get(subject, o, i);
    } else if (choice < 99) {
        delete (subject, o, i, draw(2));
    } else {
        assert_int_equal(texts_delete_inner(&subject->map, outer_key(o)),
                         model_inner_len(&subject->model, o) > 0);
        forget_outer(&subject->model, o);
    }
}

/* ---- walks ---- */

/* Walks both levels; with `change` the body puts, deletes, lets expire and clears meanwhile. */
static void walk(struct subject *subject, bool change)
{
    static uint64_t seen[OUTERS][INNERS]; /* when the entry that was produced had been added */
    struct model *model = &subject->model;
    forget_expired(subject);
    memset(seen, 0, sizeof seen);
    const uint64_t begun = model->stamp;
    ebb_nested_foreach (texts, it, &subject->map) {
        unsigned o = number_of(it.outer), i = number_of(it.inner);
        assert_true(o < OUTERS && i < INNERS);
        assert_true(model->value[o][i] != 0);
        check_value(model->value[o][i], *it.value);
        assert_int_equal(it.len, model_inner_len(model, o));
        assert_true(seen[o][i] != model->born[o][i]);
        seen[o][i] = model->born[o][i];
        if (!change)
            continue;
        if (draw(4) == 0) {
            assert_true(texts_iter_delete(&it));
            assert_false(texts_iter_delete(&it));
            model->value[o][i] = 0;
        }
        if (draw(500) == 0) {
            texts_clear(&subject->map, draw(2) ? EBB_KEEP : EBB_RELEASE);
            memset(model->value, 0, sizeof model->value);
        }
        for (uint64_t operations = draw(3); operations > 0; operations--)
            do_one(subject, draw(2));
    }
    forget_expired(subject);
    for (unsigned o = 0; o < OUTERS; o++)
        for (unsigned i = 0; i < INNERS; i++)
            if (model->value[o][i] && model->born[o][i] <= begun)
                assert_true(seen[o][i] == model->born[o][i]);
}

static void walk_outer(struct subject *subject)
{
    uint8_t seen[OUTERS] = {0};
    forget_expired(subject);
    ebb_nested_foreach_outer (texts, it, &subject->map) {
        unsigned o = number_of(it.outer);
        assert_false(seen[o]);
        assert_null(it.inner);
        assert_null(it.value);
        assert_int_equal(it.len, model_inner_len(&subject->model, o));
        assert_int_equal(it.bytes, texts_inner_bytes(&subject->map, outer_key(o)));
        seen[o] = 1;
        if (draw(20) == 0) {
            assert_true(texts_iter_delete(&it));
            assert_false(texts_iter_delete(&it));
            forget_outer(&subject->model, o);
            seen[o] = 2;
        }
    }
    for (unsigned o = 0; o < OUTERS; o++)
        assert_int_equal(seen[o] == 1, model_inner_len(&subject->model, o) > 0);
}

static void walk_inner(struct subject *subject)
{
    unsigned o = (unsigned)draw(OUTERS);
    size_t count = 0;
    forget_expired(subject);
    ebb_nested_foreach_inner (texts, it, &subject->map, outer_key(o)) {
        assert_int_equal(number_of(it.outer), o);
        check_value(subject->model.value[o][number_of(it.inner)], *it.value);
        count++;
    }
    assert_int_equal(count, model_inner_len(&subject->model, o));
}

/* ---- against the model ---- */

static void like_the_model(void **unused)
{
    static const struct ebb_nested_options limits[] = {
        {.max_inner_len = 25, .ttl_ms = 100},
        {.max_inner_len = 1000, .ttl_ms = 120, .max_inner_bytes = 4000},
        {.max_inner_len = 30, .ttl_ms = 150, .max_bytes = 60000},
        {.max_inner_len = 40, .ttl_ms = 200, .max_inner_bytes = 6000, .max_bytes = 30000},
        {.max_inner_len = 1, .ttl_ms = 80},
        {.max_inner_len = EBB_NESTED_UNLIMITED, .ttl_ms = EBB_NESTED_UNLIMITED},
    };
    enum { OPERATIONS = 20000 };
    static struct subject subject;
    (void)unused;
    start();
    for (size_t round = 0; round < sizeof limits / sizeof *limits; round++) {
        struct failing memory;
        failing_begin(&memory);
        memset(&subject, 0, sizeof subject);
        subject.options = limits[round];
        subject.options.allocator = &memory.allocator;
        subject.options.clock_ms = test_clock;
        texts_init(&subject.map, &subject.options);
        for (int operation = 0; operation < OPERATIONS; operation++) {
            do_one(&subject, operation / 4000 % 2 == 0);
            if (draw(300) == 0)
                compare(&subject);
            if (draw(300) == 0) {
                forget_expired(&subject);
                compare_sizes(&subject);
            }
            if (draw(700) == 0)
                walk(&subject, draw(2));
            if (draw(700) == 0)
                walk_outer(&subject);
            if (draw(300) == 0)
                walk_inner(&subject);
        }
        struct ebb_nested_stats stats = texts_stats(&subject.map);
        print_message("%zu entries in %zu maps, %zu bytes; evicted %llu entries, %llu maps; %llu "
                      "expired\n",
                      stats.len, stats.inner_maps, stats.bytes,
                      (unsigned long long)stats.evicted_entries,
                      (unsigned long long)stats.evicted_inner_maps,
                      (unsigned long long)stats.expired_inner_maps);
        assert_int_equal(stats.evicted_inner_maps > 0, subject.options.max_bytes > 0);
        assert_int_equal(stats.expired_inner_maps > 0,
                         subject.options.ttl_ms != EBB_NESTED_UNLIMITED);
        texts_free(&subject.map);
        assert_int_equal(live_values, 0);
        assert_int_equal(texts_stats(&subject.map).bytes, 0);
        failing_end(&memory);
    }
}

/* ---- what it holds ---- */

/* The bytes counted are those that were asked of the allocator, with its own share and the values'. */
static void counts_what_it_holds(void **unused)
{
    (void)unused;
    struct failing memory;
    failing_begin(&memory);
    const struct ebb_nested_options options = {.allocator = &memory.allocator};
    struct texts map;
    texts_init(&map, &options);
    size_t values = 0;
    for (unsigned o = 0; o < OUTERS; o++)
        for (unsigned i = 0; i < INNERS; i++) {
            char *value = make_value(o * INNERS + i);
            values += strlen(value) + 1;
            assert_int_equal(texts_put(&map, outer_key(o), inner_key(i), value), 0);
            size_t counted = texts_stats(&map).bytes, held = memory.bytes + values;
            assert_true(counted >= held);
            assert_true(counted <= held + 24 * memory.blocks);
        }
    size_t sum = 0;
    for (unsigned o = 0; o < OUTERS; o++)
        sum += texts_inner_bytes(&map, outer_key(o));
    assert_true(sum <= texts_stats(&map).bytes);
    texts_clear(&map, EBB_KEEP);
    assert_int_equal(live_values, 0);
    assert_int_equal(memory.blocks, 1); /* the table of the outer map */
    texts_free(&map);
    failing_end(&memory);
}

static void refuses_what_is_too_large(void **unused)
{
    (void)unused;
    const struct ebb_nested_options options = {.max_inner_bytes = 2000, .max_bytes = 100000};
    struct texts map;
    texts_init(&map, &options);
    assert_int_equal(texts_put(&map, ebb_str("a"), ebb_str("b"), make_value(1)), 0);
    char *large = calloc(1, 3000);
    memset(large, 'x', 2500);
    live_values++;
    assert_int_equal(texts_put(&map, ebb_str("a"), ebb_str("b"), large), -E2BIG);
    assert_int_equal(texts_put(&map, ebb_str("c"), ebb_str("b"), large), -E2BIG);
    struct texts_put_result result = texts_get_or_put(&map, ebb_str("c"), ebb_str("b"), large);
    assert_null(result.value);
    assert_int_equal(result.error, -E2BIG);
    result = texts_get_or_put(&map, ebb_str("a"), ebb_str("b"), large); /* it is there already */
    check_value(1, *result.value);
    assert_int_equal(texts_len(&map), 1);
    assert_int_equal(texts_inner_maps(&map), 1);
    drop_text(large);
    texts_free(&map);
    assert_int_equal(live_values, 0);
}

/* An inner map goes with its last entry, whichever way that goes. */
static void keeps_no_empty_inner_maps(void **unused)
{
    (void)unused;
    struct texts map;
    texts_init(&map, NULL);
    for (int way = 0; way < 3; way++) {
        char *taken;
        assert_int_equal(texts_put(&map, ebb_str("a"), ebb_str("1"), make_value(1)), 0);
        assert_int_equal(texts_put(&map, ebb_str("a"), ebb_str("2"), make_value(2)), 0);
        assert_true(texts_delete(&map, ebb_str("a"), ebb_str("1")));
        assert_int_equal(texts_inner_maps(&map), 1);
        if (way == 0) {
            assert_true(texts_delete(&map, ebb_str("a"), ebb_str("2")));
        } else if (way == 1) {
            assert_true(texts_take(&map, ebb_str("a"), ebb_str("2"), &taken));
            drop_text(taken);
        } else {
            ebb_nested_foreach (texts, it, &map) {
                assert_true(texts_iter_delete(&it));
            }
        }
        assert_int_equal(texts_inner_maps(&map), 0);
        assert_int_equal(texts_inner_len(&map, ebb_str("a")), 0);
        assert_false(texts_delete(&map, ebb_str("a"), ebb_str("2")));
        assert_false(texts_delete_inner(&map, ebb_str("a")));
    }
    texts_free(&map);
    assert_int_equal(live_values, 0);
}

/* What has expired is freed by later calls, a few entries at a time. */
static void frees_the_expired_in_steps(void **unused)
{
    enum { ENTRIES = 900 };
    (void)unused;
    const struct ebb_nested_options options = {.ttl_ms = 100, .clock_ms = test_clock};
    struct texts map;
    texts_init(&map, &options);
    char text[16];
    for (unsigned i = 0; i < ENTRIES; i++) {
        snprintf(text, sizeof text, "%u", i);
        assert_int_equal(texts_put(&map, ebb_str("old"), ebb_str(text), make_value(i)), 0);
    }
    clock_now += 99;
    assert_non_null(texts_peek(&map, ebb_str("old"), ebb_str("7")));
    clock_now += 1;
    assert_null(texts_peek(&map, ebb_str("old"), ebb_str("7")));
    size_t most = 0;
    while (live_values > 0) {
        size_t before = live_values;
        assert_null(texts_get(&map, ebb_str("new"), ebb_str("7")));
        assert_true(live_values < before);
        most = before - live_values > most ? before - live_values : most;
    }
    assert_true(most <= 16);
    assert_int_equal(texts_inner_maps(&map), 0);
    assert_int_equal(texts_stats(&map).expired_inner_maps, 1);
    texts_free(&map);
}

/* ---- memory ---- */

static void out_of_memory(void **unused)
{
    enum { LIMITS = 400 };
    (void)unused;
    for (long limit = 0; limit < LIMITS; limit++) {
        struct failing memory;
        failing_begin(&memory);
        const struct ebb_nested_options options = {.allocator = &memory.allocator};
        struct texts map;
        texts_init(&map, &options);
        size_t count = 0;
        memory.allowed = limit;
        for (unsigned n = 0; n < OUTERS * 12; n++) {
            unsigned o = n % OUTERS, i = n / OUTERS;
            char *value = make_value(n);
            int status = texts_put(&map, outer_key(o), inner_key(i), value);
            assert_true(status == 0 || status == -ENOMEM);
            count += status == 0;
            if (status < 0)
                drop_text(value);
            assert_int_equal(texts_peek(&map, outer_key(o), inner_key(i)) != NULL, status == 0);
        }
        assert_int_equal(texts_len(&map), count);
        assert_int_equal(live_values, count);
        size_t walked = 0;
        ebb_nested_foreach_outer (texts, it, &map) {
            assert_true(it.len > 0);
            walked += it.len;
        }
        assert_int_equal(walked, count);
        memory.allowed = -1;
        for (unsigned o = 0; o < OUTERS; o++)
            for (unsigned i = 0; i < INNERS; i++)
                assert_int_equal(texts_put(&map, outer_key(o), inner_key(i), make_value(i)), 0);
        assert_int_equal(texts_len(&map), OUTERS * INNERS);
        texts_free(&map);
        assert_int_equal(live_values, 0);
        failing_end(&memory);
    }
}

/* ---- warnings ---- */

struct warnings {
    unsigned inner, all;
    size_t len, bytes;
    char outer[16];
};

static void note_warning(void *context, const struct ebb_nested_warning *warning)
{
    struct warnings *warnings = context;
    assert_string_equal(warning->name, "settings");
    warnings->len = warning->len;
    warnings->bytes = warning->bytes;
    if (warning->outer) {
        warnings->inner++;
        snprintf(warnings->outer, sizeof warnings->outer, "%s",
                 ((const struct ebb_str *)warning->outer)->data);
    } else {
        warnings->all++;
    }
}

static void note_line(void *context, const char *line)
{
    snprintf(context, 400, "%s", line);
}

static void warns_about_size(void **unused)
{
    (void)unused;
    struct warnings warnings = {0};
    struct ebb_nested_options options = {.name = "settings",
                                         .warn_inner_len = 10,
                                         .warn_bytes = 20000,
                                         .warn = note_warning,
                                         .warn_context = &warnings};
    char line[400] = "";
    const struct ebb_log log = {note_line, line};
    struct texts map;
    texts_init(&map, &options);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(texts_put(&map, outer_key(3), inner_key(i), make_value(i)), 0);
    assert_int_equal(warnings.inner, 0);
    for (unsigned i = 9; i < 50; i++)
        assert_int_equal(texts_put(&map, outer_key(3), inner_key(i), make_value(i)), 0);
    assert_int_equal(warnings.inner, 3); /* at 10, 20, 40 */
    assert_int_equal(warnings.len, 40);
    assert_string_equal(warnings.outer, "outer-3");
    assert_int_equal(warnings.all, 0);
    for (unsigned o = 10; o < OUTERS; o++)
        for (unsigned i = 0; i < 9; i++)
            assert_int_equal(texts_put(&map, outer_key(o), inner_key(i), make_value(i)), 0);
    assert_true(warnings.all >= 1);
    assert_true(warnings.bytes >= 20000);
    texts_free(&map);

    options.warn = NULL;
    texts_init(&map, &options);
    ebb_log_set(&log);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(texts_put(&map, outer_key(3), inner_key(i), make_value(i)), 0);
    ebb_log_set(NULL);
    print_message("%s\n", line);
    assert_non_null(strstr(line, "settings"));
    assert_non_null(strstr(line, "outer-3 holds 10 entries"));
    texts_free(&map);
    assert_int_equal(live_values, 0);
}

/* ---- other types ---- */

static void other_types(void **unused)
{
    (void)unused;
    start();
    struct wides map;
    uint8_t model[20][256] = {{0}};
    size_t count = 0;
    wides_init(&map, NULL);
    for (int operation = 0; operation < 50000; operation++) {
        uint64_t o = draw(20);
        uint8_t i = (uint8_t)draw(256);
        if (draw(2)) {
            const struct wide value = {(long double)(o * 1000 + i)};
            assert_int_equal(wides_put(&map, o, i, value), 0);
            count += !model[o][i];
            model[o][i] = 1;
        } else {
            assert_int_equal(wides_delete(&map, o, i), model[o][i]);
            count -= model[o][i];
            model[o][i] = 0;
        }
        struct wide *found = wides_get(&map, o, i);
        assert_int_equal(found != NULL, model[o][i]);
        assert_true(!found || found->number == (long double)(o * 1000 + i));
        assert_int_equal((uintptr_t)found % _Alignof(struct wide), 0);
    }
    assert_int_equal(wides_len(&map), count);
    ebb_nested_foreach (wides, it, &map) {
        assert_true(it.value->number == (long double)(*it.outer * 1000 + *it.inner));
        count--;
    }
    assert_int_equal(count, 0);
    wides_free(&map);
}

static void flat_keys(void **unused)
{
    (void)unused;
    struct failing memory;
    failing_begin(&memory);
    const struct ebb_map_options options = {.allocator = &memory.allocator};
    struct flat map, clone;
    flat_init(&map, &options);
    for (unsigned o = 0; o < OUTERS; o++)
        for (unsigned i = 0; i < INNERS; i++) {
            struct ebb_str outer = outer_key(o), inner = inner_key(i);
            assert_int_equal(flat_put(&map, ebb_flat(outer.data, inner.data), o * INNERS + i), 0);
        }
    assert_int_equal(flat_put(&map, ebb_flat("a", "bc"), 1), 0);
    assert_int_equal(flat_put(&map, ebb_flat("ab", "c"), 2), 0);
    assert_int_equal(flat_put(&map, ebb_flat("", "abc"), 3), 0);
    assert_int_equal(flat_put(&map, ebb_flat("abc", ""), 4), 0);
    assert_int_equal(flat_put(&map, ebb_flat_n("a\0b", 3, "c", 1), 5), 0);
    assert_int_equal(flat_clone(&map, &clone), 0);
    for (unsigned o = 0; o < OUTERS; o++)
        for (unsigned i = 0; i < INNERS; i++) {
            struct ebb_str outer = outer_key(o), inner = inner_key(i);
            uint32_t *found = flat_get(&map, ebb_flat(outer.data, inner.data));
            assert_non_null(found);
            assert_int_equal(*found, o * INNERS + i);
            assert_true(flat_delete(&map, ebb_flat(outer.data, inner.data)));
        }
    assert_int_equal(flat_len(&map), 5);
    ebb_map_foreach (flat, it, &map)
        if (*it.value == 1) {
            assert_string_equal(it.key->outer, "a");
            assert_string_equal(it.key->inner, "bc");
        }
    flat_free(&map);
    assert_int_equal(*flat_get(&clone, ebb_flat("ab", "c")), 2);
    assert_int_equal(*flat_get(&clone, ebb_flat("", "abc")), 3);
    assert_int_equal(flat_len(&clone), OUTERS * INNERS + 5);
    flat_free(&clone);
    failing_end(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_the_model),
        cmocka_unit_test(counts_what_it_holds),
        cmocka_unit_test(refuses_what_is_too_large),
        cmocka_unit_test(keeps_no_empty_inner_maps),
        cmocka_unit_test(frees_the_expired_in_steps),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(warns_about_size),
        cmocka_unit_test(other_types),
        cmocka_unit_test(flat_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
