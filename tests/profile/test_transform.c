/* Sums, differences, dropped frames, and the choice of a value. */
#include "support.h"

#include <errno.h>

static struct ebb_profile *combine(const struct ebb_profile *a, int a_scale,
                                   const struct ebb_profile *b, int b_scale)
{
    const struct ebb_profile *both[] = {a, b};
    int scales[] = {a_scale, b_scale};
    struct ebb_profile *merged;
    struct ebb_error error;
    if (ebb_profile_merge(both, scales, 2, &merged, &error) < 0)
        fail_msg("%s", error.text);
    return merged;
}

static struct ebb_profile *copy_of(const struct ebb_profile *profile)
{
    struct ebb_profile *merged;
    struct ebb_error error;
    if (ebb_profile_merge(&profile, NULL, 1, &merged, &error) < 0)
        fail_msg("%s", error.text);
    return merged;
}

static void sums_and_differences_obey_algebra(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    for (size_t i = 0; i < 20; i++) {
        size_t types = 1 + i % 4;
        struct ebb_profile *a = test_random_profile(&random, types, test_below(&random, 200));
        struct ebb_profile *b = test_random_profile(&random, types, test_below(&random, 200));
        struct ebb_profile *a_plus_b = combine(a, 1, b, 1), *b_plus_a = combine(b, 1, a, 1);
        test_assert_same_text(test_describe_samples(a_plus_b), test_describe_samples(b_plus_a));
        struct ebb_profile *back = combine(a_plus_b, 1, b, -1), *plain = copy_of(a);
        test_assert_same_text(test_describe_samples(back), test_describe_samples(plain));
        struct ebb_profile *twice = combine(a, 1, a, 1), *doubled = combine(a, 3, a, -1);
        test_assert_same_text(test_describe_samples(twice), test_describe_samples(doubled));
        struct ebb_profile *nothing = combine(a, 1, a, -1);
        assert_int_equal(nothing->sample_count, 0);
        assert_int_equal(nothing->location_count, 0);
        assert_int_equal(nothing->type_count, types);
        ebb_profile_free(a);
        ebb_profile_free(b);
        ebb_profile_free(a_plus_b);
        ebb_profile_free(b_plus_a);
        ebb_profile_free(back);
        ebb_profile_free(plain);
        ebb_profile_free(twice);
        ebb_profile_free(doubled);
        ebb_profile_free(nothing);
    }
}

/* One sample of one frame at `address` in a mapping of /bin/x that starts at `start`. */
static struct ebb_profile *one_sample(uint64_t start, uint64_t address, int64_t value,
                                      const char *build_id)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    struct ebb_mapping mapping = {.start = start,
                                  .limit = start + 0x8000,
                                  .file = ebb_profile_builder_string(builder, "/bin/x"),
                                  .build_id = ebb_profile_builder_string(builder, build_id)};
    ebb_profile_builder_type(builder, "n", "count");
    uint32_t number = ebb_profile_builder_mapping(builder, &mapping);
    uint32_t location = ebb_profile_builder_location(builder, number, address, NULL, 0);
    ebb_profile_builder_sample(builder, &location, 1, &value, NULL, 0);
    struct ebb_profile *profile;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, NULL), 0);
    return profile;
}

/* Two runs of one binary, loaded at different addresses, are one; two builds are not. */
static void addresses_follow_their_mapping(void **state)
{
    (void)state;
    struct ebb_profile *first = one_sample(0x10000, 0x10234, 5, "aa");
    struct ebb_profile *second = one_sample(0x7f000000, 0x7f000234, 7, "aa");
    struct ebb_profile *other = one_sample(0x7f000000, 0x7f000234, 7, "bb");
    struct ebb_profile *sum = combine(first, 1, second, 1);
    assert_int_equal(sum->sample_count, 1);
    assert_int_equal(sum->values[0], 12);
    assert_int_equal(sum->mapping_count, 1);
    assert_int_equal(sum->locations[sum->stack[0]].address, 0x10234);
    struct ebb_profile *apart = combine(first, 1, other, 1);
    assert_int_equal(apart->sample_count, 2);
    assert_int_equal(apart->mapping_count, 2);
    ebb_profile_free(first);
    ebb_profile_free(second);
    ebb_profile_free(other);
    ebb_profile_free(sum);
    ebb_profile_free(apart);
}

static void different_types_are_refused(void **state)
{
    (void)state;
    uint64_t random = 1;
    struct ebb_profile *a = test_random_profile(&random, 1, 5);
    struct ebb_profile *b = test_random_profile(&random, 2, 5), *merged = a;
    const struct ebb_profile *both[] = {a, b};
    struct ebb_error error;
    assert_int_equal(ebb_profile_merge(both, NULL, 2, &merged, &error), -EINVAL);
    assert_null(merged);
    assert_int_equal(ebb_profile_merge(both, NULL, 0, &merged, &error), -EINVAL);
    ebb_profile_free(a);
    ebb_profile_free(b);
}

/* ---- dropped frames ---- */

/* A stack of functions, leaf first, one location each; "a<b" is one location where a is inlined
 * into b. Pruned with the expressions; the names that stay, joined by bars. */
static char *pruned(const char *drop, const char *keep, const char *const *names)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "n", "count");
    uint32_t stack[16];
    size_t depth = 0;
    for (; names[depth]; depth++) {
        char name[64];
        snprintf(name, sizeof name, "%s", names[depth]);
        char *outer = strstr(name, " < ");
        struct ebb_line lines[2];
        if (outer) {
            *outer = '\0';
            lines[1].line = 2;
            lines[1].function = ebb_profile_builder_function(builder, outer + 3, "", "", 0);
        }
        lines[0].line = 1;
        lines[0].function = ebb_profile_builder_function(builder, name, "", "", 0);
        stack[depth] =
            ebb_profile_builder_location(builder, EBB_NONE, depth + 1, lines, outer ? 2 : 1);
    }
    ebb_profile_builder_sample(builder, stack, depth, (int64_t[]){1}, NULL, 0);
    ebb_profile_builder_sample(builder, stack + depth - 1, 1, (int64_t[]){1}, NULL, 0);
    struct ebb_profile *header = ebb_profile_builder_header(builder), *profile;
    header->drop_frames = ebb_profile_builder_string(builder, drop);
    header->keep_frames = ebb_profile_builder_string(builder, keep);
    struct ebb_error error;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, &error), 0);
    if (ebb_profile_prune(profile, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(profile->stack_start[2] - profile->stack_start[1], 1);
    static char text[1024];
    size_t length = 0;
    *text = '\0';
    for (uint64_t i = 0; i < profile->stack_start[1]; i++) {
        const struct ebb_location *location = &profile->locations[profile->stack[i]];
        for (size_t l = 0; l < location->line_count; l++) {
            const struct ebb_line *line = &profile->lines[location->first_line + l];
            const char *name = ebb_profile_string(profile, profile->functions[line->function].name);
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%s",
                                       length ? "|" : "", name);
        }
    }
    ebb_profile_free(profile);
    return text;
}

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void frames_are_dropped_as_pprof_does(void **state)
{
    (void)state;
    assert_string_equal(pruned("malloc", "", NAMES("sbrk", "malloc", "f", "main")), "f|main");
    assert_string_equal(pruned("malloc", "", NAMES("f", "malloc", "g", "malloc", "main")), "main");
    assert_string_equal(pruned("malloc", "", NAMES("mallocx", "xmalloc", "main")),
                        "mallocx|xmalloc|main");
    assert_string_equal(pruned("", "", NAMES("malloc", "main")), "malloc|main");
    assert_string_equal(
        pruned("operator new(\\[\\])?", "", NAMES("operator new[](unsigned long)", "main")),
        "main");
    assert_string_equal(pruned("std::operator\\(\\)", "", NAMES("std::operator()(int)", "main")),
                        "main");
    assert_string_equal(pruned("a::\\(anonymous namespace\\)::f", "",
                               NAMES("a::(anonymous namespace)::f(int)", "main")),
                        "main");
    assert_string_equal(pruned("(?:runtime\\..*)", "runtime\\.call\\d*",
                               NAMES("runtime.mallocgc", "runtime.call32", "main")),
                        "runtime.call32|main");
    assert_string_equal(pruned("malloc", "", NAMES("sbrk", "malloc < f", "main")), "f|main");
    assert_string_equal(pruned("malloc", "", NAMES("sbrk", "x < malloc", "main")), "main");
    /* Frames at the root that match stay, so that no stack is lost. */
    assert_string_equal(pruned("main|start", "", NAMES("f", "main", "start")), "f|main|start");
}

static void hostile_expressions_are_refused(void **state)
{
    (void)state;
    char nested[400];
    memset(nested, '(', 200);
    memset(nested + 200, ')', 199);
    nested[399] = '\0';
    const char *const expressions[] = {
        "((a{1,255}){1,255}){1,255}", "(a)\\1", nested, "(", "[", "*("};
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        struct ebb_profile_builder *builder = ebb_profile_builder_new();
        ebb_profile_builder_header(builder)->drop_frames =
            ebb_profile_builder_string(builder, expressions[i]);
        struct ebb_profile *profile;
        struct ebb_error error = {""};
        assert_int_equal(ebb_profile_builder_finish(builder, &profile, &error), 0);
        assert_int_equal(ebb_profile_prune(profile, &error), -EINVAL);
        assert_non_null(strstr(error.text, "cannot be used"));
        ebb_profile_free(profile);
    }
}

/* ---- the choice of a value ---- */

static struct ebb_profile *with_types(const char *const *types, const char *default_type)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    for (; *types; types++)
        ebb_profile_builder_type(builder, *types, "count");
    ebb_profile_builder_header(builder)->default_type =
        ebb_profile_builder_string(builder, default_type);
    struct ebb_profile *profile;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, NULL), 0);
    return profile;
}

static void values_are_chosen_by_name(void **state)
{
    (void)state;
    struct ebb_error error;
    struct ebb_profile *heap =
        with_types(NAMES("alloc_objects", "alloc_space", "inuse_objects", "inuse_space"), "");
    assert_int_equal(ebb_profile_value_index(heap, NULL, &error), 3);
    assert_int_equal(ebb_profile_value_index(heap, "", &error), 3);
    assert_int_equal(ebb_profile_value_index(heap, "alloc_space", &error), 1);
    assert_int_equal(ebb_profile_value_index(heap, "alloc_o", &error), 0);
    assert_int_equal(ebb_profile_value_index(heap, "alloc", &error), -ENOENT);
    assert_int_equal(ebb_profile_value_index(heap, "nothing", &error), -ENOENT);
    assert_non_null(strstr(error.text, "alloc_objects, alloc_space, inuse_objects, inuse_space"));
    ebb_profile_free(heap);
    struct ebb_profile *allocs = with_types(NAMES("alloc_space", "inuse_space"), "alloc_space");
    assert_int_equal(ebb_profile_value_index(allocs, NULL, &error), 0);
    ebb_profile_free(allocs);
    struct ebb_profile *old = with_types(NAMES("objects", "space"), "no such type");
    assert_int_equal(ebb_profile_value_index(old, NULL, &error), 1);
    assert_int_equal(ebb_profile_value_index(old, "inuse_objects", &error), 0);
    ebb_profile_free(old);
    struct ebb_profile *empty = with_types(NAMES(NULL), "");
    assert_int_equal(ebb_profile_value_index(empty, NULL, &error), -ENOENT);
    ebb_profile_free(empty);
}

int test_transform(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_differences_obey_algebra),
        cmocka_unit_test(addresses_follow_their_mapping),
        cmocka_unit_test(different_types_are_refused),
        cmocka_unit_test(frames_are_dropped_as_pprof_does),
        cmocka_unit_test(hostile_expressions_are_refused),
        cmocka_unit_test(values_are_chosen_by_name),
    };
    return cmocka_run_group_tests_name("transform", tests, NULL, NULL);
}
