/* See support.h. */
#include "support.h"

#include "base/hash.h"
#include "base/vec.h"

#include <inttypes.h>
#include <time.h>

uint64_t test_seed(void)
{
    const char *given = getenv("EBB_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("EBB_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

uint64_t test_random(uint64_t *state)
{
    return ebb_mix64(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* ---- random profiles ---- */

static uint32_t random_mapping(struct ebb_profile_builder *builder, uint64_t *state,
                               uint64_t number)
{
    char file[32], build_id[32];
    snprintf(file, sizeof file, "/lib/file%" PRIu64, number);
    snprintf(build_id, sizeof build_id, "%016" PRIx64, number * 77);
    bool has_id = test_below(state, 3);
    struct ebb_mapping mapping = {
        .start = 0x10000 * (number + 1),
        .limit = 0x10000 * (number + 1) + 0x8000,
        .offset = test_below(state, 2) * 0x1000,
        .file = ebb_profile_builder_string(builder, file),
        .build_id = ebb_profile_builder_string(builder, has_id ? build_id : ""),
    };
    return ebb_profile_builder_mapping(builder, &mapping);
}

static uint32_t random_location(struct ebb_profile_builder *builder, uint64_t *state,
                                const uint32_t *mappings, size_t mapping_count,
                                const uint32_t *functions, size_t function_count)
{
    struct ebb_line lines[4];
    size_t count = test_below(state, 4);
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct ebb_line){functions[test_below(state, function_count)],
                                     (int64_t)test_below(state, 1000)};
    uint64_t which = test_below(state, mapping_count + 1);
    if (which == mapping_count)
        return ebb_profile_builder_location(builder, EBB_NONE, test_random(state), lines, count);
    return ebb_profile_builder_location(
        builder, mappings[which], 0x10000 * (which + 1) + test_below(state, 0x8000), lines, count);
}

static void random_sample(struct ebb_profile_builder *builder, uint64_t *state, size_t types,
                          const uint32_t *locations, size_t location_count)
{
    static const char *const keys[] = {"bytes", "thread", "request", "tag"};
    uint32_t stack[32];
    int64_t values[8];
    struct ebb_label labels[3];
    size_t depth = test_below(state, 32), label_count = test_below(state, 4);
    for (size_t i = 0; i < depth; i++)
        stack[i] = locations[test_below(state, location_count)];
    /* Up to 2^50: pprof takes differences in floating point. */
    for (size_t i = 0; i < types; i++)
        values[i] = (int64_t)test_random(state) >> (13 + test_below(state, 51));
    for (size_t i = 0; i < label_count; i++) {
        labels[i] = (struct ebb_label){.key = ebb_profile_builder_string(builder, keys[i])};
        if (test_below(state, 2))
            labels[i].text = ebb_profile_builder_string(builder, keys[test_below(state, 4)]);
        else
            labels[i].number = (int64_t)test_random(state) | 1;
        if (!labels[i].text && test_below(state, 2))
            labels[i].unit = ebb_profile_builder_string(builder, "bytes");
    }
    ebb_profile_builder_sample(builder, stack, depth, values, labels, label_count);
}

static void random_header(struct ebb_profile_builder *builder, uint64_t *state)
{
    struct ebb_profile *header = ebb_profile_builder_header(builder);
    header->period_type.type = ebb_profile_builder_string(builder, "space");
    header->period_type.unit = ebb_profile_builder_string(builder, "bytes");
    header->period = (int64_t)test_below(state, 1 << 20);
    header->time_ns = (int64_t)test_below(state, INT64_MAX);
    header->duration_ns = (int64_t)test_below(state, 1 << 30);
    if (test_below(state, 2))
        header->default_type = ebb_profile_builder_string(builder, "type0");
    header->drop_frames = ebb_profile_builder_string(builder, "never|seen");
    header->keep_frames = ebb_profile_builder_string(builder, "kept");
    header->doc_url = ebb_profile_builder_string(builder, "https://example.com/doc");
    if (test_below(state, 2)) {
        ebb_profile_builder_comment(builder, "a comment");
        ebb_profile_builder_comment(builder, "another");
    }
}

struct ebb_profile *test_random_profile(uint64_t *state, size_t types, size_t samples)
{
    enum { MAPPINGS = 4, FUNCTIONS = 40, LOCATIONS = 100 };
    uint32_t mappings[MAPPINGS], functions[FUNCTIONS], locations[LOCATIONS];
    char name[32], file[32];
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    assert_non_null(builder);
    for (size_t i = 0; i < types; i++) {
        snprintf(name, sizeof name, "type%zu", i);
        ebb_profile_builder_type(builder, name, i % 2 ? "bytes" : "count");
    }
    for (size_t i = 0; i < MAPPINGS; i++)
        mappings[i] = random_mapping(builder, state, i);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        snprintf(name, sizeof name, "function%zu", i);
        snprintf(file, sizeof file, "file%zu.c", i % 5);
        functions[i] = ebb_profile_builder_function(builder, name, i % 3 ? name : "", file,
                                                    (int64_t)test_below(state, 100));
    }
    for (size_t i = 0; i < LOCATIONS; i++)
        locations[i] = random_location(builder, state, mappings, MAPPINGS, functions, FUNCTIONS);
    for (size_t i = 0; i < samples; i++)
        random_sample(builder, state, types, locations, LOCATIONS);
    random_header(builder, state);
    struct ebb_profile *profile;
    struct ebb_error error;
    if (ebb_profile_builder_finish(builder, &profile, &error) < 0)
        fail_msg("%s", error.text);
    return profile;
}

/* ---- profiles as text ---- */

static void print_location(FILE *out, const struct ebb_profile *profile,
                           const struct ebb_location *location)
{
    fprintf(out, " %" PRIx64 "%s", location->address, location->folded ? "folded" : "");
    if (location->mapping != EBB_NONE) {
        const struct ebb_mapping *mapping = &profile->mappings[location->mapping];
        fprintf(out, "@%s/%s+%" PRIx64 "-%" PRIx64 "+%" PRIx64,
                ebb_profile_string(profile, mapping->file),
                ebb_profile_string(profile, mapping->build_id), mapping->start, mapping->limit,
                mapping->offset);
    }
    for (size_t i = 0; i < location->line_count; i++) {
        const struct ebb_line *line = &profile->lines[location->first_line + i];
        const struct ebb_function *function = &profile->functions[line->function];
        fprintf(out, "(%s,%s,%s:%" PRId64 ",%" PRId64 ")",
                ebb_profile_string(profile, function->name),
                ebb_profile_string(profile, function->system_name),
                ebb_profile_string(profile, function->file), line->line, function->start_line);
    }
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

struct texts EBB_VEC(char *);

static void print_sorted(FILE *out, struct texts *texts)
{
    if (texts->len)
        qsort(texts->items, texts->len, sizeof *texts->items, compare_texts);
    for (size_t i = 0; i < texts->len; i++) {
        fputs(texts->items[i], out);
        free(texts->items[i]);
    }
    ebb_vec_free(texts);
}

static void print_labels(FILE *out, const struct ebb_profile *profile, size_t sample)
{
    struct texts texts = {0};
    for (uint64_t i = profile->label_start[sample]; i < profile->label_start[sample + 1]; i++) {
        const struct ebb_label *label = &profile->labels[i];
        char *text;
        assert_true(asprintf(&text, " %s=%s/%" PRId64 "%s", ebb_profile_string(profile, label->key),
                             ebb_profile_string(profile, label->text), label->number,
                             ebb_profile_string(profile, label->unit)) > 0);
        assert_int_equal(ebb_vec_push(&texts, text), 0);
    }
    print_sorted(out, &texts);
}

static char *describe_sample(const struct ebb_profile *profile, size_t sample)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fputs("sample", out);
    for (uint64_t i = profile->stack_start[sample]; i < profile->stack_start[sample + 1]; i++)
        print_location(out, profile, &profile->locations[profile->stack[i]]);
    if (profile->label_start)
        print_labels(out, profile, sample);
    fputs(" :", out);
    for (size_t t = 0; t < profile->type_count; t++)
        fprintf(out, " %" PRId64, profile->values[sample * profile->type_count + t]);
    fputc('\n', out);
    fclose(out);
    return text;
}

static void print_samples(FILE *out, const struct ebb_profile *profile)
{
    struct texts texts = {0};
    for (size_t i = 0; i < profile->sample_count; i++)
        assert_int_equal(ebb_vec_push(&texts, describe_sample(profile, i)), 0);
    print_sorted(out, &texts);
}

char *test_describe_samples(const struct ebb_profile *profile)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    for (size_t i = 0; i < profile->type_count; i++)
        fprintf(out, "type %s/%s\n", ebb_profile_string(profile, profile->types[i].type),
                ebb_profile_string(profile, profile->types[i].unit));
    print_samples(out, profile);
    fclose(out);
    return text;
}

char *test_describe(const struct ebb_profile *profile)
{
    char *text, *samples = test_describe_samples(profile);
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    fputs(samples, out);
    free(samples);
    fprintf(out, "period %" PRId64 " %s/%s time %" PRId64 " duration %" PRId64 " default %s\n",
            profile->period, ebb_profile_string(profile, profile->period_type.type),
            ebb_profile_string(profile, profile->period_type.unit), profile->time_ns,
            profile->duration_ns, ebb_profile_string(profile, profile->default_type));
    fprintf(out, "drop %s keep %s doc %s\n", ebb_profile_string(profile, profile->drop_frames),
            ebb_profile_string(profile, profile->keep_frames),
            ebb_profile_string(profile, profile->doc_url));
    for (size_t i = 0; i < profile->comment_count; i++)
        fprintf(out, "comment %s\n", ebb_profile_string(profile, profile->comments[i]));
    for (size_t i = 0; i < profile->mapping_count; i++) {
        const struct ebb_mapping *mapping = &profile->mappings[i];
        fprintf(out, "mapping %s %d%d%d%d\n", ebb_profile_string(profile, mapping->file),
                mapping->has_functions, mapping->has_filenames, mapping->has_line_numbers,
                mapping->has_inline_frames);
    }
    fclose(out);
    return text;
}

void test_assert_same_text(char *actual, char *expected)
{
    if (strcmp(actual, expected) != 0) {
        /* The texts are long: show where they part. */
        size_t at = 0;
        while (actual[at] == expected[at])
            at++;
        while (at && actual[at - 1] != '\n')
            at--;
        fail_msg("got:\n%.*s\nexpected:\n%.*s", (int)strcspn(actual + at, "\n"), actual + at,
                 (int)strcspn(expected + at, "\n"), expected + at);
    }
    free(actual);
    free(expected);
}

/* ---- files ---- */

const char *test_data(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", EBB_TEST_DATA, name);
    return path;
}

char *test_slurp_stream(FILE *stream, size_t *size)
{
    enum { STEP = 64 << 10 };
    struct bytes EBB_VEC(char) bytes = {0};
    for (size_t got = 1; got > 0; bytes.len += got) {
        assert_int_equal(ebb_vec_reserve(&bytes, bytes.len + STEP), 0);
        got = fread(bytes.items + bytes.len, 1, STEP, stream);
    }
    bytes.items[bytes.len] = '\0'; /* there is room: the last step read nothing */
    *size = bytes.len;
    return bytes.items;
}

char *test_slurp(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *bytes = test_slurp_stream(file, size);
    fclose(file);
    return bytes;
}
