/* pprof protobuf in and out: what is written is read back, and nothing that is read can do harm. */
#include "support.h"

#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static struct ebb_profile *read_good(const void *data, size_t size)
{
    struct ebb_profile *profile;
    struct ebb_error error;
    if (ebb_profile_read_memory(data, size, "test", &profile, &error) < 0)
        fail_msg("%s", error.text);
    return profile;
}

/* Reads what must be refused with a line that contains `why`. */
static void read_bad(const void *data, size_t size, int code, const char *why)
{
    struct ebb_profile *profile = (struct ebb_profile *)1;
    struct ebb_error error = {""};
    assert_int_equal(ebb_profile_read_memory(data, size, "test.pb.gz", &profile, &error), code);
    assert_null(profile);
    if (!strstr(error.text, why) || strncmp(error.text, "test.pb.gz: ", 12) != 0 ||
        strchr(error.text, '\n'))
        fail_msg("expected \"test.pb.gz: ... %s\", got \"%s\"", why, error.text);
}

static void encode(const struct ebb_profile *profile, void **data, size_t *size)
{
    struct ebb_error error;
    if (ebb_profile_encode(profile, data, size, &error) < 0)
        fail_msg("%s", error.text);
}

/* ---- what is written is read back ---- */

static void round_trip(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    for (size_t i = 0; i < 40; i++) {
        struct ebb_profile *profile =
            test_random_profile(&random, 1 + i % 4, i == 0 ? 0 : test_below(&random, 500));
        void *data;
        size_t size;
        encode(profile, &data, &size);
        struct ebb_profile *again = read_good(data, size);
        test_assert_same_text(test_describe(again), test_describe(profile));
        ebb_profile_free(profile);
        ebb_profile_free(again);
        free(data);
    }
}

static void equal_pieces_become_one(void **state)
{
    (void)state;
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "n", "count");
    uint32_t f = ebb_profile_builder_function(builder, "f", "", "f.c", 1);
    assert_int_equal(ebb_profile_builder_function(builder, "f", "", "f.c", 1), f);
    assert_int_not_equal(ebb_profile_builder_function(builder, "f", "", "f.c", 2), f);
    struct ebb_line lines[] = {{f, 3}, {f, 4}};
    uint32_t a = ebb_profile_builder_location(builder, EBB_NONE, 16, lines, 2);
    assert_int_equal(ebb_profile_builder_location(builder, EBB_NONE, 16, lines, 2), a);
    uint32_t b = ebb_profile_builder_location(builder, EBB_NONE, 16, lines, 1);
    assert_int_not_equal(a, b);
    struct ebb_label labels[] = {{.key = ebb_profile_builder_string(builder, "k"), .number = 1},
                                 {.key = ebb_profile_builder_string(builder, "l"), .number = 2}};
    struct ebb_label swapped[] = {labels[1], labels[0]};
    uint32_t stack[] = {a, b};
    ebb_profile_builder_sample(builder, stack, 2, (int64_t[]){1}, labels, 2);
    ebb_profile_builder_sample(builder, stack, 2, (int64_t[]){10}, swapped, 2);
    ebb_profile_builder_sample(builder, stack, 2, (int64_t[]){100}, labels, 1);
    ebb_profile_builder_sample(builder, stack, 1, (int64_t[]){1000}, NULL, 0);
    ebb_profile_builder_sample(builder, stack, 0, (int64_t[]){INT64_MAX}, NULL, 0);
    ebb_profile_builder_sample(builder, stack, 0, (int64_t[]){1}, NULL, 0);
    struct ebb_profile *profile;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, NULL), 0);
    assert_int_equal(profile->sample_count, 4);
    assert_int_equal(profile->values[0], 11);
    assert_int_equal(profile->values[1], 100);
    assert_int_equal(profile->values[2], 1000);
    assert_true(profile->values[3] == INT64_MIN);
    ebb_profile_free(profile);
}

static void builder_refuses_what_does_not_exist(void **state)
{
    (void)state;
    struct ebb_profile *profile = (struct ebb_profile *)1;
    struct ebb_error error;
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "n", "count");
    ebb_profile_builder_sample(builder, (uint32_t[]){5}, 1, (int64_t[]){1}, NULL, 0);
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, &error), -EINVAL);
    assert_null(profile);
    builder = ebb_profile_builder_new();
    struct ebb_line line = {.function = 7};
    ebb_profile_builder_location(builder, EBB_NONE, 1, &line, 1);
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, &error), -EINVAL);
    builder = ebb_profile_builder_new();
    ebb_profile_builder_header(builder)->default_type = 12;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, &error), -EINVAL);
}

static void flags_tell_the_truth(void **state)
{
    (void)state;
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    struct ebb_mapping mapping = {.start = 1, .limit = 9};
    uint32_t named = ebb_profile_builder_mapping(builder, &mapping);
    mapping.start = 10;
    mapping.limit = 19;
    uint32_t partly = ebb_profile_builder_mapping(builder, &mapping);
    mapping.start = 20;
    mapping.limit = 29;
    uint32_t unused = ebb_profile_builder_mapping(builder, &mapping);
    uint32_t f = ebb_profile_builder_function(builder, "f", "f", "", 0);
    struct ebb_line lines[] = {{f, 0}, {f, 0}};
    ebb_profile_builder_location(builder, named, 2, lines, 2);
    ebb_profile_builder_location(builder, partly, 11, lines, 1);
    ebb_profile_builder_location(builder, partly, 12, NULL, 0);
    struct ebb_profile *profile;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, NULL), 0);
    assert_true(profile->mappings[named].has_functions);
    assert_true(profile->mappings[named].has_inline_frames);
    assert_false(profile->mappings[named].has_filenames);
    assert_false(profile->mappings[named].has_line_numbers);
    assert_false(profile->mappings[partly].has_functions);
    assert_false(profile->mappings[unused].has_functions);
    ebb_profile_free(profile);
}

/* ---- messages made by hand ---- */

struct bytes EBB_VEC(unsigned char);

static void put(struct bytes *bytes, unsigned char byte)
{
    assert_int_equal(ebb_vec_push(bytes, byte), 0);
}

static void put_varint(struct bytes *bytes, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put(bytes, (unsigned char)(value | 0x80));
    put(bytes, (unsigned char)value);
}

static void put_number(struct bytes *bytes, unsigned tag, uint64_t value)
{
    put_varint(bytes, tag << 3);
    put_varint(bytes, value);
}

static void put_bytes(struct bytes *bytes, unsigned tag, const void *data, size_t size)
{
    put_varint(bytes, tag << 3 | 2);
    put_varint(bytes, size);
    for (size_t i = 0; i < size; i++)
        put(bytes, ((const unsigned char *)data)[i]);
}

static void put_string(struct bytes *bytes, const char *text)
{
    put_bytes(bytes, 6, text, strlen(text));
}

/* Field `tag`: a message of number fields, given as tag, value, ..., 0. */
static void put_message(struct bytes *bytes, unsigned tag, const uint64_t *fields)
{
    struct bytes inner = {0};
    for (; *fields; fields += 2)
        put_number(&inner, (unsigned)fields[0], fields[1]);
    put_bytes(bytes, tag, inner.items, inner.len);
    ebb_vec_free(&inner);
}

#define PUT_MESSAGE(bytes, tag, ...) put_message(bytes, tag, (const uint64_t[]){__VA_ARGS__, 0})

enum { TYPE = 1, SAMPLE, MAPPING, LOCATION, FUNCTION };

/* A profile that can be read: types n/m, strings "", "n", "m"; to be spoiled. */
static struct bytes good_beginning(void)
{
    struct bytes bytes = {0};
    put_string(&bytes, "");
    put_string(&bytes, "n");
    put_string(&bytes, "m");
    PUT_MESSAGE(&bytes, TYPE, 1, 1, 2, 2);
    return bytes;
}

static void assert_bad(struct bytes bytes, const char *why)
{
    read_bad(bytes.items, bytes.len, -EBADMSG, why);
    ebb_vec_free(&bytes);
}

static void malformed_profiles_are_refused(void **state)
{
    (void)state;
    struct bytes bytes = good_beginning();
    PUT_MESSAGE(&bytes, SAMPLE, 1, 1, 2, 5);
    assert_bad(bytes, "unknown location id 1");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, SAMPLE, 1, UINT64_MAX, 2, 5);
    assert_bad(bytes, "unknown location id 18446744073709551615");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, SAMPLE, 1, 0, 2, 5);
    assert_bad(bytes, "location with id 0");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, SAMPLE, 2, 5);
    PUT_MESSAGE(&bytes, SAMPLE, 2, 5, 2, 6);
    assert_bad(bytes, "2 values where others have 1");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, SAMPLE, 2, 5, 2, 6);
    assert_bad(bytes, "2 values for 1 sample types");
    bytes = good_beginning();
    put_bytes(&bytes, SAMPLE, "", 0);
    assert_bad(bytes, "0 values");
    bytes = (struct bytes){0};
    put_string(&bytes, "");
    PUT_MESSAGE(&bytes, SAMPLE, 2, 5);
    assert_bad(bytes, "no sample types");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, LOCATION, 3, 5);
    assert_bad(bytes, "location has id 0");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, MAPPING, 2, 5);
    assert_bad(bytes, "mapping has id 0");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, FUNCTION, 2, 1);
    assert_bad(bytes, "function has id 0");
    for (unsigned table = MAPPING; table <= FUNCTION; table++) {
        static const char *const whys[] = {"two mappings have the id 7",
                                           "two locations have the id 7",
                                           "two functions have the id 7"};
        bytes = good_beginning();
        PUT_MESSAGE(&bytes, table, 1, 7);
        PUT_MESSAGE(&bytes, table, 1, 7);
        assert_bad(bytes, whys[table - MAPPING]);
    }
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, TYPE, 1, 3);
    assert_bad(bytes, "string index");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, FUNCTION, 1, 1, 2, (uint64_t)-1);
    assert_bad(bytes, "string index");
    bytes = good_beginning();
    put_number(&bytes, 14, 99);
    assert_bad(bytes, "string index");
    bytes = good_beginning();
    PUT_MESSAGE(&bytes, LOCATION, 1, 1, 2, 0, 3, 4);
    struct bytes line = {0};
    put_number(&line, 1, 9);
    struct bytes location = {0};
    put_number(&location, 1, 2);
    put_bytes(&location, 4, line.items, line.len);
    put_bytes(&bytes, LOCATION, location.items, location.len);
    ebb_vec_free(&line);
    ebb_vec_free(&location);
    assert_bad(bytes, "unknown function id 9");
    bytes = (struct bytes){0};
    put_string(&bytes, "x");
    assert_bad(bytes, "first string is not empty");
    bytes = good_beginning();
    put_number(&bytes, 9, 1);
    put_number(&bytes, 9, 2);
    assert_bad(bytes, "several profiles");
    bytes = good_beginning();
    put_varint(&bytes, SAMPLE << 3 | 3); /* a group, which the format has not */
    for (size_t i = 0; i < 40; i++)
        put(&bytes, 0);
    assert_bad(bytes, "damaged");
    bytes = good_beginning();
    put_varint(&bytes, SAMPLE << 3 | 2);
    put_varint(&bytes, UINT64_MAX); /* a length */
    assert_bad(bytes, "damaged");
    bytes = good_beginning();
    put_number(&bytes, MAPPING, 5); /* a number where a message belongs */
    assert_bad(bytes, "damaged");
    bytes = good_beginning();
    put_bytes(&bytes, SAMPLE, "\x12\x01\x80", 3); /* a value without its last byte */
    assert_bad(bytes, "damaged");
    read_bad("", 0, -EBADMSG, "empty file");
    read_bad("\x1f\x8b", 2, -EBADMSG, "truncated");
    static const char elf[] = "\x7f"
                              "ELF\x02\x01\x01, not a profile at all";
    read_bad(elf, sizeof elf, -EBADMSG, "not a");
    static const char html[] = "<html>\n<head><title>404</title></head>\n";
    read_bad(html, sizeof html - 1, -EBADMSG, "not a");
}

/* Ids need not be dense, small or in order; lists need not be packed; fields come in any order. */
static void odd_but_valid_profiles_are_read(void **state)
{
    (void)state;
    static const uint64_t ids[] = {UINT64_MAX, UINT64_C(1) << 31, 3, UINT64_C(1) << 40, 7};
    struct bytes bytes = {0};
    for (size_t i = 0; i < 5; i++) {
        struct bytes sample = {0};
        put_number(&sample, 2, (uint64_t)-5); /* value before stack, neither packed */
        put_number(&sample, 1, ids[i]);
        put_number(&sample, 9, 1); /* a field of tomorrow */
        put_number(&sample, 1, ids[4 - i]);
        put_bytes(&bytes, SAMPLE, sample.items, sample.len);
        ebb_vec_free(&sample);
    }
    for (size_t i = 0; i < 5; i++)
        PUT_MESSAGE(&bytes, LOCATION, 3, 100 + i, 1, ids[i], 2, 77);
    put_number(&bytes, 200, 3); /* another */
    put_number(&bytes, 12, 1);
    put_number(&bytes, 12, 64); /* the last one counts */
    PUT_MESSAGE(&bytes, TYPE, 1, 1, 2, 2);
    PUT_MESSAGE(&bytes, MAPPING, 1, 77, 2, 5, 3, 500, 5, 3);
    PUT_MESSAGE(&bytes, FUNCTION, 1, 900, 2, 1);
    put_string(&bytes, "");
    put_string(&bytes, "n");
    put_string(&bytes, "m");
    put_string(&bytes, "n"); /* again */
    struct ebb_profile *profile = read_good(bytes.items, bytes.len);
    assert_int_equal(profile->sample_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(profile->values[i], -5);
        assert_int_equal(profile->stack_start[i + 1] - profile->stack_start[i], 2);
        assert_int_equal(profile->locations[profile->stack[2 * i]].address, 100 + i);
        assert_int_equal(profile->locations[profile->stack[2 * i + 1]].address, 104 - i);
    }
    assert_int_equal(profile->locations[0].mapping, 0);
    assert_int_equal(profile->period, 64);
    assert_int_equal(profile->string_count, 3);
    assert_int_equal(profile->mappings[0].file, profile->types[0].type);
    ebb_profile_free(profile);
    ebb_vec_free(&bytes);
}

/* ---- gzip ---- */

static void *gzip(const void *data, size_t size, int level, size_t *packed_size)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, MAX_WBITS + 16, 8, 0), Z_OK);
    size_t capacity = deflateBound(&stream, size) + 64;
    unsigned char *packed = malloc(capacity);
    assert_non_null(packed);
    stream.next_in = (unsigned char *)data;
    stream.avail_in = (unsigned)size;
    stream.next_out = packed;
    stream.avail_out = (unsigned)capacity;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    *packed_size = stream.total_out;
    deflateEnd(&stream);
    return packed;
}

static void *gunzip(const void *data, size_t size, size_t *plain_size)
{
    z_stream stream = {0};
    assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
    size_t capacity = size * 100 + 4096;
    unsigned char *plain = malloc(capacity);
    assert_non_null(plain);
    stream.next_in = (unsigned char *)data;
    stream.avail_in = (unsigned)size;
    stream.next_out = plain;
    stream.avail_out = (unsigned)capacity;
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    *plain_size = stream.total_out;
    inflateEnd(&stream);
    return plain;
}

static void gzip_members_are_joined(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct ebb_profile *profile = test_random_profile(&random, 2, 50);
    void *data;
    size_t size, plain_size, first_size, second_size;
    encode(profile, &data, &size);
    char *plain = gunzip(data, size, &plain_size);
    size_t cut = test_below(&random, plain_size);
    void *first = gzip(plain, cut, 1, &first_size);
    void *second = gzip(plain + cut, plain_size - cut, 1, &second_size);
    char *both = calloc(first_size + second_size + 100, 1);
    assert_non_null(both);
    memcpy(both, first, first_size);
    memcpy(both + first_size, second, second_size);
    for (size_t padding = 0; padding <= 100; padding += 50) {
        struct ebb_profile *again = read_good(both, first_size + second_size + padding);
        test_assert_same_text(test_describe(again), test_describe(profile));
        ebb_profile_free(again);
    }
    struct ebb_profile *unpacked = read_good(plain, plain_size);
    test_assert_same_text(test_describe(unpacked), test_describe(profile));
    ebb_profile_free(unpacked);
    both[first_size + second_size + 30] = 1;
    read_bad(both, first_size + second_size + 100, -EBADMSG, "stray bytes");
    both[first_size + second_size - 6] ^= 1;
    read_bad(both, first_size + second_size, -EBADMSG, "damaged gzip data");
    free(first);
    free(second);
    free(both);
    free(plain);
    free(data);
    ebb_profile_free(profile);
}

/* A few hundred KiB that would unpack to much more are refused before they do. */
static void bombs_are_refused(void **state)
{
    (void)state;
    struct bytes bytes = good_beginning();
    size_t zeros = 100 << 20;
    put_varint(&bytes, 100 << 3 | 2);
    put_varint(&bytes, zeros);
    assert_int_equal(ebb_vec_reserve(&bytes, bytes.len + zeros), 0);
    memset(bytes.items + bytes.len, 0, zeros);
    bytes.len += zeros;
    size_t size;
    void *packed = gzip(bytes.items, bytes.len, 9, &size);
    read_bad(packed, size, -EFBIG, "unpacks to more than");
    free(packed);
    ebb_vec_free(&bytes);
}

/* ---- damage ---- */

static void every_truncation_is_survived(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct ebb_profile *profile = test_random_profile(&random, 2, 12), *cut;
    struct ebb_error error;
    void *data;
    size_t size, plain_size;
    encode(profile, &data, &size);
    ebb_profile_free(profile);
    char *plain = gunzip(data, size, &plain_size);
    for (size_t length = 0; length < size; length++) {
        char *copy = malloc(length ? length : 1); /* no longer, so that ASan sees a step too far */
        assert_non_null(copy);
        memcpy(copy, data, length);
        assert_int_equal(ebb_profile_read_memory(copy, length, "cut", &cut, &error), -EBADMSG);
        free(copy);
    }
    size_t accepted = 0;
    for (size_t length = 0; length < plain_size; length++) {
        char *copy = malloc(length ? length : 1);
        assert_non_null(copy);
        memcpy(copy, plain, length);
        int status = ebb_profile_read_memory(copy, length, "cut", &cut, &error);
        assert_true(status == 0 || status == -EBADMSG);
        accepted += status == 0;
        ebb_profile_free(cut);
        free(copy);
    }
    /* Only a cut behind all that the tables refer to leaves a valid profile. */
    assert_true(accepted < plain_size / 50);
    free(plain);
    free(data);
}

static void random_damage_is_survived(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct ebb_profile *profile = test_random_profile(&random, 2, 30);
    void *data;
    size_t size, plain_size;
    encode(profile, &data, &size);
    ebb_profile_free(profile);
    unsigned char *plain = gunzip(data, size, &plain_size);
    unsigned char *copy = malloc(plain_size);
    assert_non_null(copy);
    size_t accepted = 0;
    enum { TRIES = 3000 };
    for (size_t i = 0; i < TRIES; i++) {
        memcpy(copy, plain, plain_size);
        for (size_t flips = 1 + test_below(&random, 4); flips; flips--)
            copy[test_below(&random, plain_size)] ^= (unsigned char)(1 << test_below(&random, 8));
        struct ebb_profile *damaged, *again;
        struct ebb_error error = {""};
        int status = ebb_profile_read_memory(copy, plain_size, "damaged", &damaged, &error);
        assert_true(status == 0 || (status == -EBADMSG && *error.text));
        if (status != 0)
            continue;
        /* What is accepted is a whole profile: it can be written and read back. */
        accepted++;
        void *encoded;
        size_t encoded_size;
        encode(damaged, &encoded, &encoded_size);
        again = read_good(encoded, encoded_size);
        test_assert_same_text(test_describe(again), test_describe(damaged));
        free(encoded);
        ebb_profile_free(again);
        ebb_profile_free(damaged);
    }
    assert_in_range(accepted, 1, TRIES - 1);
    free(copy);
    free(plain);
    free(data);
}

/* ---- files ---- */

static void files_are_replaced_whole(void **state)
{
    (void)state;
    char directory[] = "/tmp/ebb-test-XXXXXX", path[64];
    struct ebb_error error;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/heap.pb.gz", directory);
    uint64_t random = test_seed();
    struct ebb_profile *small = test_random_profile(&random, 2, 10), *again;
    struct ebb_profile *large = test_random_profile(&random, 2, 2000);
    assert_int_equal(ebb_profile_write_file(small, path, &error), 0);

    /* No room for the second one: the first stays, and nothing else is left behind. */
    struct rlimit limit, tight = {4096, 4096};
    getrlimit(RLIMIT_FSIZE, &limit);
    tight.rlim_max = limit.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    int status = ebb_profile_write_file(large, path, &error);
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, -EFBIG);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(ebb_profile_read_file(path, &again, &error), 0);
    test_assert_same_text(test_describe(again), test_describe(small));
    ebb_profile_free(again);

    assert_int_equal(ebb_profile_write_file(large, path, &error), 0);
    assert_int_equal(ebb_profile_read_file(path, &again, &error), 0);
    test_assert_same_text(test_describe(again), test_describe(large));
    ebb_profile_free(again);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0); /* so nothing else is in it */
    assert_int_equal(ebb_profile_write_file(small, path, &error), -ENOENT);
    assert_int_equal(ebb_profile_read_file(path, &again, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/heap.pb.gz: No such file or directory"));

    assert_int_equal(ebb_profile_write_file(small, "/dev/full", &error), -ENOSPC);
    assert_int_equal(ebb_profile_read_file("/", &again, &error), -EISDIR);
    ebb_profile_free(small);
    ebb_profile_free(large);
}

int test_pprof(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(equal_pieces_become_one),
        cmocka_unit_test(builder_refuses_what_does_not_exist),
        cmocka_unit_test(flags_tell_the_truth),
        cmocka_unit_test(malformed_profiles_are_refused),
        cmocka_unit_test(odd_but_valid_profiles_are_read),
        cmocka_unit_test(gzip_members_are_joined),
        cmocka_unit_test(bombs_are_refused),
        cmocka_unit_test(every_truncation_is_survived),
        cmocka_unit_test(random_damage_is_survived),
        cmocka_unit_test(files_are_replaced_whole),
    };
    return cmocka_run_group_tests_name("pprof", tests, NULL, NULL);
}
