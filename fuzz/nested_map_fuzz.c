/* The input is a program of operations on a nested map, beside a plain table. Its first bytes choose
 * the limits. What the map still has must be what was put last; it keeps its limits, has no empty inner
 * map, and owns exactly the values that it should. */
#include "input.h"

#include <string.h>

static size_t live; /* values */

static void drop(char *value)
{
    live--;
    free(value);
}

#define EBB_NESTED_NAME subject
#define EBB_NESTED_OUTER_STR
#define EBB_NESTED_INNER_KEY          uint16_t
#define EBB_NESTED_VALUE              char *
#define EBB_NESTED_DROP_VALUE(value)  drop(value)
#define EBB_NESTED_VALUE_BYTES(value) (strlen(value) + 1)
#include <ebb/nested_map.h>

enum { OUTERS = 24, INNERS = 300, LARGEST_VALUE = 600 };

static struct {
    struct subject map;
    struct ebb_nested_options options;
    unsigned values[OUTERS][INNERS]; /* length of the last value put, plus 1; 0: none */
    uint64_t now_ms;
    struct input input;
} it_is;

static uint64_t clock_ms(void *context)
{
    (void)context;
    return it_is.now_ms;
}

static long allowed; /* allocations; -1: any number */

static void *allocate(void *context, size_t size, size_t alignment)
{
    if (allowed == 0)
        return NULL;
    allowed -= allowed > 0;
    return ebb_allocator_default.allocate(context, size, alignment);
}

static struct ebb_str outer_key(unsigned o)
{
    static char text[64];
    memset(text, 'a' + (int)o, sizeof text);
    return ebb_str_n(text, o * 2);
}

/* ---- checks ---- */

static void check_value(unsigned o, unsigned i, const char *value)
{
    PROMISE(it_is.values[o][i] > 0);
    PROMISE(strlen(value) + 1 == it_is.values[o][i]);
    PROMISE(value[0] == '\0' || value[0] == (char)('A' + i % 26));
}

static void check_limits(unsigned o)
{
    const struct ebb_nested_options *options = &it_is.options;
    PROMISE(subject_inner_len(&it_is.map, outer_key(o)) <= options->max_inner_len);
    PROMISE(subject_inner_bytes(&it_is.map, outer_key(o)) <= options->max_inner_bytes);
    PROMISE(subject_stats(&it_is.map).bytes <= options->max_bytes);
}

static void check_sizes(void)
{
    while (subject_maintain(&it_is.map, 0))
        ;
    size_t entries = 0, inner_maps = 0, bytes = 0;
    ebb_nested_foreach_outer (subject, it, &it_is.map) {
        PROMISE(it.len > 0);
        entries += it.len;
        bytes += it.bytes;
        inner_maps++;
    }
    PROMISE(entries == subject_len(&it_is.map) && entries == live);
    PROMISE(inner_maps == subject_inner_maps(&it_is.map));
    PROMISE(bytes <= subject_stats(&it_is.map).bytes);
}

/* ---- operations ---- */

static void put(unsigned o, unsigned i, unsigned length)
{
    char *value = malloc(length + 1), **there;
    PROMISE(value);
    memset(value, 'A' + (int)(i % 26), length);
    value[length] = '\0';
    live++;
    unsigned before = it_is.values[o][i];
    it_is.values[o][i] = length + 1;
    int status = subject_put(&it_is.map, outer_key(o), (uint16_t)i, value);
    if (status < 0) {
        PROMISE(status == -E2BIG || (status == -ENOMEM && allowed == 0));
        it_is.values[o][i] = before;
        drop(value);
        return;
    }
    there = (char **)subject_peek(&it_is.map, outer_key(o), (uint16_t)i);
    PROMISE(there && *there == value);
    check_limits(o);
}

static void delete (unsigned o, unsigned i, bool take)
{
    bool was = subject_peek(&it_is.map, outer_key(o), (uint16_t)i) != NULL;
    char *taken = NULL;
    if (take) {
        PROMISE(subject_take(&it_is.map, outer_key(o), (uint16_t)i, &taken) == was);
        if (taken) {
            check_value(o, i, taken);
            drop(taken);
        }
    } else {
        PROMISE(subject_delete(&it_is.map, outer_key(o), (uint16_t)i) == was);
    }
    it_is.values[o][i] = 0;
}

static void operate(unsigned operation, unsigned o, unsigned i)
{
    switch (operation % 16) {
    case 0:
    case 1:
    case 2:
        put(o, i, next_number(&it_is.input, LARGEST_VALUE));
        break;
    case 3:
    case 4:
        delete (o, i, operation % 2);
        break;
    case 5:
        for (unsigned n = next_byte(&it_is.input); n > 0; n--)
            put(o, (i + n) % INNERS, n % 50);
        break;
    case 6:
        subject_delete_inner(&it_is.map, outer_key(o));
        PROMISE(subject_inner_len(&it_is.map, outer_key(o)) == 0);
        break;
    case 7:
        it_is.now_ms += i;
        break;
    case 8:
        subject_maintain(&it_is.map, i);
        break;
    case 9:
        if (i % 8 == 0)
            subject_clear(&it_is.map, i % 16 ? EBB_KEEP : EBB_RELEASE);
        break;
    case 10:
        allowed = i % 2 ? (long)(i % 32) : -1;
        break;
    default: {
        char **found = subject_get(&it_is.map, outer_key(o), (uint16_t)i);
        if (found)
            check_value(o, i, *found);
    }
    }
}

static void step(void);

static void walk(bool one_inner, unsigned outer)
{
    struct subject_iter it __attribute__((cleanup(subject_iter_end))) =
        one_inner ? subject_iter_inner(&it_is.map, outer_key(outer))
                  : subject_iter_begin(&it_is.map);
    while (subject_iter_next(&it)) {
        unsigned o = it.outer->len / 2, i = *it.inner, operation = next_byte(&it_is.input);
        PROMISE(o < OUTERS && i < INNERS && it.len > 0);
        check_value(o, i, *it.value);
        if (operation == 255)
            return;
        if (operation % 4 == 0)
            PROMISE(subject_iter_delete(&it));
        else if (operation % 4 == 1)
            step();
    }
}

static void step(void)
{
    static unsigned depth;
    unsigned operation = next_byte(&it_is.input), o = next_byte(&it_is.input) % OUTERS,
             i = next_number(&it_is.input, INNERS);
    if (operation % 8 == 7 && depth < 3) {
        depth++;
        walk(operation / 8 % 2, o);
        depth--;
    } else {
        operate(operation / 8, o, i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ebb_allocator allocator = ebb_allocator_default;
    allocator.allocate = allocate;
    it_is.input = (struct input){data, data + size};
    unsigned choice = next_byte(&it_is.input);
    it_is.options = (struct ebb_nested_options){
        .allocator = &allocator,
        .seed = 1 + choice,
        .max_inner_len = choice % 2 ? 40 : EBB_NESTED_UNLIMITED,
        .max_inner_bytes = choice / 2 % 2 ? 4000 : EBB_NESTED_UNLIMITED,
        .max_bytes = choice / 4 % 2 ? 20000 : EBB_NESTED_UNLIMITED,
        .ttl_ms = choice / 8 % 2 ? 100 : EBB_NESTED_UNLIMITED,
        .clock_ms = clock_ms,
    };
    allowed = -1;
    it_is.now_ms = 1;
    memset(it_is.values, 0, sizeof it_is.values);
    subject_init(&it_is.map, &it_is.options);
    while (it_is.input.at < it_is.input.end)
        step();
    allowed = -1;
    check_sizes();
    subject_free(&it_is.map);
    PROMISE(live == 0);
    return 0;
}
