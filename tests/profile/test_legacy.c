/* The texts of Go, tcmalloc, gperftools and jemalloc. The files in data/ were written by them. */
#include "support.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>

static struct ebb_profile *read_text(const char *text)
{
    struct ebb_profile *profile;
    struct ebb_error error;
    if (ebb_profile_read_memory(text, strlen(text), "text", &profile, &error) < 0)
        fail_msg("%s", error.text);
    return profile;
}

static struct ebb_profile *read_data(const char *name)
{
    struct ebb_profile *profile;
    struct ebb_error error;
    if (ebb_profile_read_file(test_data(name), &profile, &error) < 0)
        fail_msg("%s", error.text);
    return profile;
}

static const char *text_of(const struct ebb_profile *profile, uint32_t string)
{
    return ebb_profile_string(profile, string);
}

static int64_t total(const struct ebb_profile *profile, size_t type)
{
    int64_t sum = 0;
    for (size_t i = 0; i < profile->sample_count; i++)
        sum += profile->values[i * profile->type_count + type];
    return sum;
}

static void assert_near(int64_t value, double expected)
{
    if (fabs((double)value - expected) > 1)
        fail_msg("%" PRId64 " is not %f", value, expected);
}

static double unsampled(double count, double size, double rate)
{
    return count * size / (1 - exp(-size / rate));
}

static void heapprofile_is_exact(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_data("gperftools-heapprofile.heap");
    assert_int_equal(profile->type_count, 4);
    assert_string_equal(text_of(profile, profile->types[0].type), "alloc_objects");
    assert_string_equal(text_of(profile, profile->types[3].type), "inuse_space");
    assert_int_equal(profile->period, 1);
    assert_int_equal(total(profile, 0), 21003);
    assert_int_equal(total(profile, 1), 20160657);
    assert_int_equal(total(profile, 2), 20003);
    assert_int_equal(total(profile, 3), 11160657);
    /* Return addresses became calls, in the mapping of the program, which comes first. */
    const struct ebb_location *leaf = &profile->locations[profile->stack[0]];
    assert_int_equal(leaf->address, UINT64_C(0x55675c6e6159));
    assert_int_equal(leaf->mapping, 0);
    assert_string_equal(text_of(profile, profile->mappings[0].file), "/srv/demo/leak_tc");
    assert_int_equal(profile->labels[0].number, 5242880);
    assert_string_equal(text_of(profile, profile->labels[0].key), "bytes");
    assert_non_null(strstr(text_of(profile, profile->drop_frames), "malloc"));
    ebb_profile_free(profile);
}

static void tcmalloc_samples_are_scaled(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_data("tcmalloc-heap_v2.heap");
    assert_int_equal(profile->period, 16384);
    assert_int_equal(profile->sample_count, 5);
    assert_int_equal(profile->values[4 + 2], (int64_t)unsampled(60 / 255., 255, 16384));
    assert_near(profile->values[4 + 3], unsampled(60, 255, 16384));
    assert_near(profile->values[2 * 4 + 1], unsampled(112, 9000, 16384));
    assert_int_equal(profile->values[2 * 4 + 3], 0);
    ebb_profile_free(profile);
    profile = read_data("tcmalloc-growth.heap");
    assert_int_equal(profile->type_count, 2);
    assert_string_equal(text_of(profile, profile->types[1].type), "space");
    assert_int_equal(total(profile, 0), 8);
    assert_int_equal(total(profile, 1), 12582912);
    ebb_profile_free(profile);
}

static void jemalloc_is_read(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_data("jemalloc.heap");
    assert_int_equal(profile->type_count, 4);
    assert_int_equal(profile->period, 16384);
    assert_int_equal(profile->sample_count, 6);
    assert_near(profile->values[1], unsampled(326, 86417. / 326, 16384));
    assert_near(profile->values[3], unsampled(326, 86417. / 326, 16384));
    assert_int_equal(profile->values[2 * 4 + 3], 0);
    assert_near(profile->values[2 * 4 + 1], unsampled(482, 5000932. / 482, 16384));
    assert_int_equal(profile->stack_start[1], 10);
    assert_int_equal(profile->locations[profile->stack[9]].address, UINT64_C(0x556263682080));
    assert_string_equal(text_of(profile, profile->mappings[0].file), "/srv/demo/leak_je");
    /* What the program really held: 20 000 blocks of 249 bytes on average in that stack. */
    assert_true(fabs((double)profile->values[3] - 20000 * 249.) < 0.25 * 20000 * 249);
    ebb_profile_free(profile);
}

static void go_texts_bring_their_names(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_data("go-heap.txt");
    assert_int_equal(profile->period, 524288);
    assert_int_equal(profile->sample_count, 6);
    assert_near(profile->values[4 + 3], unsampled(7, 208, 524288));
    bool found = false;
    for (size_t i = 0; i < profile->location_count; i++) {
        const struct ebb_location *location = &profile->locations[i];
        if (location->address != 0x4d97a4)
            continue;
        found = true;
        assert_int_equal(location->line_count, 1);
        const struct ebb_line *line = &profile->lines[location->first_line];
        assert_int_equal(line->line, 10);
        const struct ebb_function *function = &profile->functions[line->function];
        assert_string_equal(text_of(profile, function->name), "main.fill");
        assert_string_equal(text_of(profile, function->file), "/srv/demo/main.go");
    }
    assert_true(found);
    assert_false(profile->mappings[0].has_functions); /* the runtime's frames have no names */
    ebb_profile_free(profile);
    profile = read_data("go-goroutine.txt");
    assert_string_equal(text_of(profile, profile->types[0].type), "goroutine");
    assert_int_equal(total(profile, 0), 1);
    ebb_profile_free(profile);
    profile = read_data("go-threadcreate.txt");
    assert_string_equal(text_of(profile, profile->types[0].type), "threadcreate");
    ebb_profile_free(profile);
}

static void contention_is_in_nanoseconds(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_data("contentionz.txt");
    assert_string_equal(text_of(profile, profile->types[1].type), "delay");
    assert_int_equal(profile->values[0], 2700);
    assert_near(profile->values[1], 19490304 * 100 / 3.201);
    assert_int_equal(profile->duration_ns, INT64_C(16502830) * 1000000);
    assert_string_equal(text_of(profile, profile->mappings[0].file), "cppbench_server_main");
    assert_string_equal(text_of(profile, profile->mappings[1].build_id), "0123abcd");
    assert_int_equal(profile->mappings[1].offset, 0x9000);
    ebb_profile_free(profile);
    profile = read_data("go-mutex.txt");
    assert_int_equal(profile->values[0], 1);
    assert_near(profile->values[1], 3460990 / 2.596124915);
    ebb_profile_free(profile);
    profile = read_data("go-block.txt");
    assert_int_equal(profile->type_count, 2);
    ebb_profile_free(profile);
}

static void headers_choose_scale_and_types(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t types;
        int64_t period;
        double rate; /* at which its samples are scaled; 0: not at all */
    } cases[] = {
        {"heap profile: 10: 1000 [10: 1000] @ heapprofile", 2, 1, 0},
        {"heap profile: 10: 1000 [20: 2000] @ heapprofile", 4, 1, 0},
        {"heap profile: 10: 1000 [0: 0] @ heap/8192", 2, 4096, 4096},
        {"heap profile:10:1000[0:0]@heap_v2/4096", 2, 4096, 4096},
        {"heap profile: 10: 1000 [ 0: 0] @ heapz_v2/1", 2, 1, 0},
        {"heap profile: 10: 1000 [ 0: 0] @ heap_v2", 2, 0, 0},
        {"heap profile: 10: 1000 [ 20: 2000] @ growthz", 2, 1, 0},
        {"heap profile: 10: 1000 [ 10: 1000] @ fragmentationz", 2, 1, 0},
        {"\n# a comment\nheap profile: 10: 1000 [ 10: 1000] @ growth", 2, 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[300];
        snprintf(text, sizeof text, "%s\r\n10: 1000 [10: 1000] @ 0x10 0x20\n", cases[i].header);
        struct ebb_profile *profile = read_text(text);
        assert_int_equal(profile->type_count, cases[i].types);
        assert_int_equal(profile->period, cases[i].period);
        assert_near(profile->values[profile->type_count - 1],
                    cases[i].rate > 0 ? unsampled(10, 100, cases[i].rate) : 1000);
        assert_int_equal(profile->stack_start[1], 2);
        ebb_profile_free(profile);
    }
}

#define HEADER "heap profile: 1: 1 [1: 1] @ heapprofile\n"

static void mappings_are_found(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_text(
        HEADER "1: 1 [1: 1] @ 0x7f0000000011 0x7f0000002011 0x500011 0x600011 0x7e0000000011 0x1\n"
               "MAPPED_LIBRARIES:\n"
               "7f0000001000-7f0000002000 r-xp 00001000 08:01 11 /lib/libc.so.6\n"
               "7f0000002000-7f0000003000 r-xp 00002000 08:01 11 /lib/libc.so.6\n"
               "00400000-00600000 r-xp 00000000 08:01 12         /srv/my program (deleted)\n"
               "00600000-00700000 rw-p 00200000 08:01 12         /srv/my program (deleted)\n"
               "garbage\n"
               "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n");
    static const char *const files[] = {
        "/lib/libc.so.6", "/lib/libc.so.6", "/srv/my program", "", "", NULL};
    assert_string_equal(text_of(profile, profile->mappings[0].file), "/srv/my program");
    for (size_t i = 0; i < 6; i++) {
        const struct ebb_location *location = &profile->locations[profile->stack[i]];
        if (files[i])
            assert_string_equal(text_of(profile, profile->mappings[location->mapping].file),
                                files[i]);
        else
            assert_int_equal(location->mapping, EBB_NONE); /* address 0 */
    }
    /* The two pieces of libc are one, and it begins where its file does. */
    const struct ebb_mapping *libc =
        &profile->mappings[profile->locations[profile->stack[0]].mapping];
    assert_int_equal(libc->start, UINT64_C(0x7f0000000000));
    assert_int_equal(libc->limit, UINT64_C(0x7f0000003000));
    assert_int_equal(libc->offset, 0);
    ebb_profile_free(profile);
}

static void malformed_texts_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {HEADER "garbage\n", "line 2: not a heap sample: garbage"},
        {HEADER "1: 1 [1: 1]\n", "line 2: not a heap sample"},
        {HEADER "\n1: 1 [1: 1] @ 0x11111111111111111\n", "line 3: not a stack of addresses"},
        {HEADER "1: 1 [1: 1] @ 0x1 main\n", "line 2: not a stack of addresses"},
        {HEADER "0: 1 [0: 0] @ 0x1\n", "line 2: bytes without objects"},
        {HEADER "99999999999999999999: 1 [0: 0] @ 0x1\n", "line 2: not a heap sample"},
        {"heap_v2/1024\n t*: 1: 1 [0: 0]\n@ 0x1\n t*: 1: x\n", "line 4: not a heap sample"},
        {"heap_v2/1024\nwhat\n", "line 2: not a line of a jemalloc heap profile"},
        {"--- mutex:\nwhat\n", "line 2: not a line of a contention profile"},
        {"goroutine profile: total 3\nx @ 0x1\n", "line 2: not a sample"},
        {"heap profile: 1: 1 [1: 1] @ else\n", "not a valid pprof profile"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ebb_profile *profile;
        struct ebb_error error = {""};
        assert_int_equal(
            ebb_profile_read_memory(cases[i].text, strlen(cases[i].text), "t", &profile, &error),
            -EBADMSG);
        if (!strstr(error.text, cases[i].why) || strchr(error.text, '\n'))
            fail_msg("case %zu: %s", i, error.text);
    }
}

static void extreme_numbers_are_survived(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_text(
        "heap profile: 1: 1 [1: 1] @ heap_v2/9223372036854775807\n"
        "-1: -9223372036854775808 [0: 0] @\n"
        "9223372036854775807: 1 [9223372036854775807: 9223372036854775807] @ 0xffffffffffffffff\n"
        "1: 9223372036854775807 [0: 0] @ 0x0\n");
    assert_int_equal(profile->sample_count, 3);
    ebb_profile_free(profile);
    profile = read_text("heap_v2/0\n@\n@ 0x1\n t*: 1: 5 [0: 0]\n t*: 2: 6 [0: 0]");
    assert_int_equal(profile->values[3], 6);
    ebb_profile_free(profile);
}

static void damaged_files_are_survived(void **state)
{
    (void)state;
    static const char *const names[] = {"gperftools-heapprofile.heap",
                                        "tcmalloc-heap_v2.heap",
                                        "tcmalloc-growth.heap",
                                        "jemalloc.heap",
                                        "go-heap.txt",
                                        "go-mutex.txt",
                                        "go-goroutine.txt",
                                        "contentionz.txt"};
    uint64_t random = test_seed();
    for (size_t f = 0; f < sizeof names / sizeof *names; f++) {
        size_t size;
        char *text = test_slurp(test_data(names[f]), &size);
        for (size_t i = 0; i < 300; i++) {
            size_t length = i % 2 ? size : test_below(&random, size);
            char *copy = malloc(length ? length : 1);
            assert_non_null(copy);
            memcpy(copy, text, length);
            for (size_t flips = test_below(&random, 5); flips && length; flips--)
                copy[test_below(&random, length)] ^= (char)(1 << test_below(&random, 8));
            struct ebb_profile *profile;
            struct ebb_error error = {""};
            int status = ebb_profile_read_memory(copy, length, names[f], &profile, &error);
            assert_true(status == 0 || (status == -EBADMSG && *error.text));
            ebb_profile_free(profile);
            free(copy);
        }
        free(text);
    }
}

/* Whether exactly one comment is this one. */
static bool has_comment(const struct ebb_profile *profile, const char *comment)
{
    size_t count = 0;
    for (size_t i = 0; i < profile->comment_count; i++)
        count += strcmp(text_of(profile, profile->comments[i]), comment) == 0;
    return count == 1;
}

static void runtime_numbers_become_comments(void **state)
{
    (void)state;
    struct ebb_profile *profile = read_text("heap profile: 1: 16 [1: 16] @ heap/1048576\n"
                                            "1: 16 [1: 16] @ 0x401001\n"
                                            "# NumGC = 99\n"
                                            "\n"
                                            "# runtime.MemStats\n"
                                            "# HeapAlloc = 2213144\n"
                                            "# Stack = 589824 / 589824\n"
                                            "# LastGC = 1795273099307642028\n"
                                            "# PauseNs = [251684 201410]\n"
                                            "# NumGC = 5\n"
                                            "# GCCPUFraction = 0.0017\n"
                                            "# DebugGC = false\n"
                                            "#  = 3\n"
                                            "# Sys = \n");
    assert_int_equal(profile->comment_count, 4);
    assert_true(has_comment(profile, "runtime.MemStats HeapAlloc = 2213144"));
    assert_true(has_comment(profile, "runtime.MemStats LastGC = 1795273099307642028"));
    assert_true(has_comment(profile, "runtime.MemStats NumGC = 5"));
    assert_true(has_comment(profile, "runtime.MemStats GCCPUFraction = 0.0017"));
    assert_int_equal(profile->time_ns, 1795273099307642028);
    /* All that was allocated is live, and still Go counts both. */
    assert_int_equal(profile->type_count, 4);
    assert_int_equal(ebb_profile_add_comment(profile, "go version go1.19.8"), 0);
    assert_true(has_comment(profile, "go version go1.19.8"));
    assert_true(has_comment(profile, "runtime.MemStats NumGC = 5"));
    ebb_profile_free(profile);

    profile = read_text("heap profile: 1: 16 [1: 16] @ heap/1048576\n1: 16 [1: 16] @ 0x401001\n"
                        "# NumGC = 5\n");
    assert_int_equal(profile->comment_count, 0);
    assert_int_equal(profile->type_count, 2);
    ebb_profile_free(profile);
}

int test_legacy(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heapprofile_is_exact),
        cmocka_unit_test(tcmalloc_samples_are_scaled),
        cmocka_unit_test(jemalloc_is_read),
        cmocka_unit_test(go_texts_bring_their_names),
        cmocka_unit_test(runtime_numbers_become_comments),
        cmocka_unit_test(contention_is_in_nanoseconds),
        cmocka_unit_test(headers_choose_scale_and_types),
        cmocka_unit_test(mappings_are_found),
        cmocka_unit_test(malformed_texts_are_refused),
        cmocka_unit_test(extreme_numbers_are_survived),
        cmocka_unit_test(damaged_files_are_survived),
    };
    return cmocka_run_group_tests_name("legacy", tests, NULL, NULL);
}
