/* The input is a program of operations on a map, beside a plain array. Its first bytes choose how weak
 * the hash is, the options, and after how many allocations memory runs out; every operation then
 * either does what it promises or changes nothing. */
#include "input.h"

#include <ebb/allocator.h>
#include <ebb/hash.h>

#ifndef WORDS
#define WORDS 1 /* of a value; with many, small tables are split bucket by bucket, too */
#endif

typedef struct {
    uint64_t words[WORDS];
} value_type;

static uint64_t hash_mask;

#define EBB_MAP_NAME            subject
#define EBB_MAP_KEY             uint32_t
#define EBB_MAP_VALUE           value_type
#define EBB_MAP_HASH(key, seed) (ebb_hash_integer(key, seed) & hash_mask)
#include <ebb/map.h>

enum { RANGE = 4096, LARGEST_RUN = 1024 }; /* enough for tables of pages: 1665 entries */

static struct {
    struct subject map;
    uint64_t values[RANGE]; /* 0: none */
    size_t count;
    struct input input;
} it_is;

/* ---- memory that runs out ---- */

static long allowed; /* allocations; -1: any number */

static bool refuses(void)
{
    if (allowed == 0)
        return true;
    allowed -= allowed > 0;
    return false;
}

static void *allocate(void *context, size_t size, size_t alignment)
{
    return refuses() ? NULL : ebb_allocator_default.allocate(context, size, alignment);
}

static void *reserve(void *context, size_t size, int huge)
{
    return refuses() ? NULL : ebb_allocator_default.reserve(context, size, huge);
}

/* ---- operations ---- */

static value_type value_of(uint64_t number)
{
    value_type value = {{0}};
    value.words[0] = value.words[WORDS - 1] = number;
    return value;
}

static bool holds(const value_type *value, uint64_t number)
{
    return value->words[0] == number && value->words[WORDS - 1] == number;
}

static void set(uint32_t key, uint64_t value)
{
    it_is.count += (value != 0) - (it_is.values[key] != 0);
    it_is.values[key] = value;
}

static void put(uint32_t key)
{
    uint64_t before = it_is.values[key], value = key * UINT64_C(3) + 1 + it_is.count;
    if (key % 2) {
        int status = subject_put(&it_is.map, key, value_of(value));
        PROMISE(status == 0 || (status == -ENOMEM && allowed == 0));
        if (status == 0)
            set(key, value);
    } else {
        struct subject_put_result result = subject_get_or_put(&it_is.map, key, value_of(value));
        PROMISE(result.value || allowed == 0);
        PROMISE(!before || (result.value && !result.inserted && holds(result.value, before)));
        if (result.inserted)
            set(key, value);
    }
}

static void delete (uint32_t key)
{
    uint64_t before = it_is.values[key];
    value_type taken = value_of(0);
    if (key % 3) {
        PROMISE(subject_delete(&it_is.map, key) == (before != 0));
    } else {
        PROMISE(subject_take(&it_is.map, key, &taken) == (before != 0));
        PROMISE(holds(&taken, before));
    }
    set(key, 0);
}

static void check_key(uint32_t key)
{
    const value_type *found = subject_get(&it_is.map, key);
    PROMISE(found ? holds(found, it_is.values[key]) : it_is.values[key] == 0);
}

static void forget(void)
{
    memset(it_is.values, 0, sizeof it_is.values);
    it_is.count = 0;
}

static void check_all(struct subject *map)
{
    size_t walked = 0;
    ebb_map_foreach (subject, it, map) {
        PROMISE(*it.key < RANGE && holds(it.value, it_is.values[*it.key]));
        walked++;
    }
    PROMISE(walked == it_is.count && subject_len(map) == it_is.count);
}

static void clone(void)
{
    struct subject copy;
    if (subject_clone(&it_is.map, &copy) < 0) {
        PROMISE(allowed == 0);
        return;
    }
    check_all(&copy);
    subject_free(&copy);
}

/* A walk whose body goes on with the program. */
static void walk(void)
{
    static uint8_t seen[RANGE]; /* since the key was added last */
    memset(seen, 0, sizeof seen);
    ebb_map_foreach (subject, it, &it_is.map) {
        uint32_t key = *it.key;
        PROMISE(key < RANGE && holds(it.value, it_is.values[key]) && it_is.values[key] != 0);
        PROMISE(!seen[key]);
        seen[key] = 1;
        unsigned operation = next_byte(&it_is.input), other = next_number(&it_is.input, RANGE);
        switch (operation % 8) {
        case 0:
            PROMISE(subject_iter_delete(&it));
            set(key, 0);
            seen[key] = 0;
            break;
        case 1:
        case 2:
            put(other);
            break;
        case 3:
        case 4:
            delete (other);
            seen[other] = 0;
            break;
        case 5:
            if (operation / 8 == 0)
                subject_compact(&it_is.map);
            break;
        case 6:
            if (operation / 8 == 1) {
                subject_clear(&it_is.map, other % 2 ? EBB_KEEP : EBB_RELEASE);
                forget();
                memset(seen, 0, sizeof seen);
            }
            break;
        default:
            if (operation / 8 == 2)
                return; /* a walk may be left */
        }
    }
}

static void run(uint32_t from, unsigned length, void (*operation)(uint32_t))
{
    for (unsigned i = 0; i < length; i++)
        operation((from + i) % RANGE);
}

static void step(void)
{
    unsigned operation = next_byte(&it_is.input), key = next_number(&it_is.input, RANGE);
    switch (operation % 16) {
    case 0:
    case 1:
        put(key);
        break;
    case 2:
    case 3:
        delete (key);
        break;
    case 4:
        run(key, next_number(&it_is.input, LARGEST_RUN), put);
        break;
    case 5:
        run(key, next_number(&it_is.input, LARGEST_RUN), delete);
        break;
    case 6:
        subject_clear(&it_is.map, key % 2 ? EBB_KEEP : EBB_RELEASE);
        forget();
        break;
    case 7:
        subject_compact(&it_is.map);
        break;
    case 8:
        PROMISE(subject_reserve(&it_is.map, key) == 0 || allowed == 0);
        break;
    case 9:
        subject_maintain(&it_is.map, key * 10);
        break;
    case 10:
        clone();
        break;
    case 11:
        walk();
        break;
    case 12:
        allowed = key % 2 ? (long)(key % 64) : -1;
        break;
    default:
        check_key(key);
    }
    PROMISE(subject_len(&it_is.map) == it_is.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t masks[] = {UINT64_MAX, UINT64_MAX, UINT64_C(0xff0000000000fff0),
                                     UINT64_C(0xffffffffffffff00), UINT64_C(0xff00000000000070)};
    struct ebb_allocator allocator = ebb_allocator_default;
    allocator.allocate = allocate;
    allocator.reserve = reserve;
    it_is.input = (struct input){data, data + size};
    unsigned choice = next_byte(&it_is.input);
    hash_mask = masks[choice % (sizeof masks / sizeof *masks)];
    allowed = -1;
    forget();
    const struct ebb_map_options options = {
        .allocator = &allocator, .seed = 1 + choice, .no_shrink = choice / 16 % 4 == 3};
    subject_init(&it_is.map, &options);
    while (it_is.input.at < it_is.input.end)
        step();
    allowed = -1;
    run(0, RANGE, check_key);
    check_all(&it_is.map);
    subject_free(&it_is.map);
    return 0;
}
