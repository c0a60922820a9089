/* Side by side with google/pprof, as `go tool pprof`: it reads what we write, and both make the
 * same of every file. */
#include "support.h"

#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/ebb-test-XXXXXX";
static const char *missing; /* why go tool pprof cannot be run */

/* Runs a shell command in which %s is a path; its output, which the caller frees, or NULL. */
static char *run(const char *command, const char *path)
{
    char line[8192];
    snprintf(line, sizeof line, command, path);
    /* NOLINTNEXTLINE(cert-env33-c): commands are written here, paths are ours */
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    char *output = test_slurp_stream(pipe, &(size_t){0});
    if (pclose(pipe) == 0)
        return output;
    print_message("%s\n%s\n", line, output);
    free(output);
    return NULL;
}

static bool runs(const char *command)
{
    char *output = run(command, "");
    bool ran = output;
    free(output);
    return ran;
}

static int set_up(void **state)
{
    (void)state;
    if (!runs("command -v go >/dev/null%s"))
        missing = "go is not installed, so there is no google/pprof to compare with";
    else if (!runs("go tool pprof -h >/dev/null 2>&1%s; [ $? -le 2 ]"))
        missing = "go tool pprof does not run here";
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(run("rm -r %s", directory));
    return 0;
}

static void need_pprof(void)
{
    if (missing) {
        print_message("skipped: %s\n", missing);
        skip();
    }
}

static struct ebb_profile *read_path(const char *path)
{
    struct ebb_profile *profile;
    struct ebb_error error;
    if (ebb_profile_read_file(path, &profile, &error) < 0)
        fail_msg("%s", error.text);
    return profile;
}

/* What pprof makes of a file, read back from the protobuf it writes. */
static struct ebb_profile *through_pprof(const char *path)
{
    char command[512], output[64];
    snprintf(output, sizeof output, "%s/pprof.pb.gz", directory);
    snprintf(command, sizeof command, "go tool pprof -symbolize=none -proto -output=%s '%%s' 2>&1",
             output);
    char *text = run(command, path);
    assert_non_null(text);
    free(text);
    return read_path(output);
}

/* A profile without its names, as pprof does not take them from Go's comments. Texts of samples
 * with the same stack are one sample to the builder and several to pprof, so both sides are summed.
 */
static char *describe_numbers(const struct ebb_profile *profile)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    for (size_t t = 0; t < profile->type_count; t++)
        ebb_profile_builder_type(builder, ebb_profile_string(profile, profile->types[t].type),
                                 ebb_profile_string(profile, profile->types[t].unit));
    uint32_t *mappings = calloc(profile->mapping_count + 1, sizeof *mappings);
    assert_non_null(mappings);
    for (size_t i = 0; i < profile->mapping_count; i++) {
        struct ebb_mapping mapping = profile->mappings[i];
        mapping.file =
            ebb_profile_builder_string(builder, ebb_profile_string(profile, mapping.file));
        mapping.build_id =
            ebb_profile_builder_string(builder, ebb_profile_string(profile, mapping.build_id));
        mappings[i] = ebb_profile_builder_mapping(builder, &mapping);
    }
    for (size_t i = 0; i < profile->sample_count; i++) {
        uint32_t stack[256];
        size_t depth = 0;
        for (uint64_t s = profile->stack_start[i]; s < profile->stack_start[i + 1]; s++) {
            const struct ebb_location *location = &profile->locations[profile->stack[s]];
            uint32_t mapping =
                location->mapping == EBB_NONE ? EBB_NONE : mappings[location->mapping];
            stack[depth++] =
                ebb_profile_builder_location(builder, mapping, location->address, NULL, 0);
        }
        struct ebb_label labels[8];
        size_t label_count = 0;
        for (uint64_t l = profile->label_start ? profile->label_start[i] : 0;
             profile->label_start && l < profile->label_start[i + 1]; l++) {
            labels[label_count] = profile->labels[l];
            labels[label_count].key = ebb_profile_builder_string(
                builder, ebb_profile_string(profile, profile->labels[l].key));
            labels[label_count++].unit = 0; /* pprof guesses one */
        }
        ebb_profile_builder_sample(builder, stack, depth, profile->values + i * profile->type_count,
                                   labels, label_count);
    }
    free(mappings);
    struct ebb_profile *numbers;
    assert_int_equal(ebb_profile_builder_finish(builder, &numbers, NULL), 0);
    char *text = test_describe_samples(numbers);
    ebb_profile_free(numbers);
    return text;
}

static void texts_mean_the_same_to_pprof(void **state)
{
    (void)state;
    need_pprof();
    /* jemalloc's own form is not among those that google/pprof reads. */
    static const char *const names[] = {"gperftools-heapprofile.heap",
                                        "tcmalloc-heap_v2.heap",
                                        "tcmalloc-growth.heap",
                                        "go-heap.txt",
                                        "go-mutex.txt",
                                        "go-block.txt",
                                        "go-goroutine.txt",
                                        "go-threadcreate.txt",
                                        "contentionz.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ebb_profile *ours = read_path(test_data(names[i]));
        struct ebb_profile *theirs = through_pprof(test_data(names[i]));
        test_assert_same_text(describe_numbers(ours), describe_numbers(theirs));
        assert_int_equal(ours->period, theirs->period);
        assert_string_equal(ebb_profile_string(ours, ours->period_type.type),
                            ebb_profile_string(theirs, theirs->period_type.type));
        assert_int_equal(ours->duration_ns, theirs->duration_ns);
        assert_string_equal(ebb_profile_string(ours, ours->mappings[0].file),
                            ebb_profile_string(theirs, theirs->mappings[0].file));
        ebb_profile_free(ours);
        ebb_profile_free(theirs);
    }
}

/* jemalloc's samples, written in the form of gperftools, which has the same scaling. */
static void jemalloc_means_the_same_to_pprof(void **state)
{
    (void)state;
    need_pprof();
    char path[64];
    snprintf(path, sizeof path, "%s/as-gperftools.heap", directory);
    size_t size;
    char *text = test_slurp(test_data("jemalloc.heap"), &size);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    char *addresses = NULL, *line, *rest = text;
    for (size_t number = 0; (line = strsep(&rest, "\n")); number++) {
        char *counts = strstr(line, "t*:");
        if (number == 0 || (counts && number == 1)) {
            if (counts)
                fprintf(out, "heap profile: %s @ heap_v2/16384\n", counts + 3);
        } else if (*line == '@') {
            addresses = line;
        } else if (counts) {
            fprintf(out, "%s %s\n", counts + 3, addresses);
        } else if (!strstr(line, "  t")) {
            fprintf(out, "%s\n", line);
        }
    }
    fclose(out);
    free(text);
    struct ebb_profile *ours = read_path(test_data("jemalloc.heap"));
    struct ebb_profile *theirs = through_pprof(path);
    test_assert_same_text(describe_numbers(ours), describe_numbers(theirs));
    ebb_profile_free(ours);
    ebb_profile_free(theirs);
}

static void write_path(const struct ebb_profile *profile, const char *path)
{
    struct ebb_error error;
    if (ebb_profile_write_file(profile, path, &error) < 0)
        fail_msg("%s", error.text);
}

/* A line of test_describe_samples whose sample has no stack: labels or values come first in it. */
static bool is_stackless(const char *line)
{
    static const char start[] = "sample ";
    if (strncmp(line, start, sizeof start - 1) != 0)
        return false;
    const char *word = line + sizeof start - 1;
    return *word == ':' || memchr(word, '=', strcspn(word, " \n"));
}

/* The samples of a profile but those without a stack, which pprof drops up to Go 1.19 at least. */
static char *describe_stacks(const struct ebb_profile *profile)
{
    char *text = test_describe_samples(profile), *to = text;
    for (char *line = text, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        if (is_stackless(line))
            continue;
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = '\0';
    return text;
}

/* What we write, read and written again by pprof, is what we wrote. */
static void profiles_survive_pprof(void **state)
{
    (void)state;
    need_pprof();
    uint64_t random = test_seed();
    char path[64];
    snprintf(path, sizeof path, "%s/ours.pb.gz", directory);
    for (size_t i = 0; i < 5; i++) {
        struct ebb_profile *ours = test_random_profile(&random, 2, 100);
        write_path(ours, path);
        struct ebb_profile *theirs = through_pprof(path);
        test_assert_same_text(describe_stacks(theirs), describe_stacks(ours));
        assert_int_equal(theirs->period, ours->period);
        assert_int_equal(theirs->time_ns, ours->time_ns);
        assert_int_equal(theirs->duration_ns, ours->duration_ns);
        assert_int_equal(theirs->comment_count, ours->comment_count);
        assert_string_equal(ebb_profile_string(theirs, theirs->drop_frames),
                            ebb_profile_string(ours, ours->drop_frames));
        ebb_profile_free(ours);
        ebb_profile_free(theirs);
    }
}

static void sums_are_those_of_pprof(void **state)
{
    (void)state;
    need_pprof();
    uint64_t random = test_seed();
    char first[64], second[64], command[512];
    snprintf(first, sizeof first, "%s/a.pb.gz", directory);
    snprintf(second, sizeof second, "%s/b.pb.gz", directory);
    struct ebb_profile *both[] = {test_random_profile(&random, 2, 100),
                                  test_random_profile(&random, 2, 100)};
    write_path(both[0], first);
    write_path(both[1], second);
    for (int sign = -1; sign <= 1; sign += 2) {
        snprintf(command, sizeof command,
                 "go tool pprof -symbolize=none -proto -output=%s/sum.pb.gz %s%s %%s 2>&1",
                 directory, sign < 0 ? "-base=" : "", second);
        char *text = run(command, first), sum[64];
        assert_non_null(text);
        free(text);
        snprintf(sum, sizeof sum, "%s/sum.pb.gz", directory);
        struct ebb_profile *theirs = read_path(sum), *ours;
        struct ebb_error error;
        int scale[] = {1, sign};
        assert_int_equal(
            ebb_profile_merge((const struct ebb_profile *const *)both, scale, 2, &ours, &error), 0);
        test_assert_same_text(describe_stacks(ours), describe_stacks(theirs));
        ebb_profile_free(ours);
        ebb_profile_free(theirs);
    }
    ebb_profile_free(both[0]);
    ebb_profile_free(both[1]);
}

static void reports_come_without_complaint(void **state)
{
    (void)state;
    need_pprof();
    struct ebb_profile *profile = read_path(test_data("gperftools-heapprofile.heap"));
    char path[64];
    snprintf(path, sizeof path, "%s/report.pb.gz", directory);
    write_path(profile, path);
    ebb_profile_free(profile);
    static const char *const commands[] = {
        "go tool pprof -symbolize=none -top %s 2>&1 >/dev/null",
        "go tool pprof -symbolize=none -raw %s 2>&1 >/dev/null",
        "go tool pprof -symbolize=none -traces %s 2>&1 >/dev/null",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char *complaints = run(commands[i], path);
        assert_non_null(complaints);
        /* It always says that the binary is not there, which is so. */
        for (char *line, *rest = complaints; (line = strsep(&rest, "\n"));)
            if (*line && !strstr(line, "local symbolization") && !strstr(line, "main binary") &&
                !strstr(line, "leak_tc"))
                fail_msg("%s", line);
        free(complaints);
    }
    char *raw = run("go tool pprof -symbolize=none -raw %s 2>/dev/null", path);
    assert_non_null(raw);
    assert_non_null(strstr(raw, "alloc_objects/count alloc_space/bytes inuse_objects/count "
                                "inuse_space/bytes"));
    assert_non_null(strstr(raw, "PeriodType: space bytes"));
    assert_non_null(strstr(raw, "bytes:[5242880"));
    free(raw);
}

int test_go(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_mean_the_same_to_pprof),
        cmocka_unit_test(jemalloc_means_the_same_to_pprof),
        cmocka_unit_test(profiles_survive_pprof),
        cmocka_unit_test(sums_are_those_of_pprof),
        cmocka_unit_test(reports_come_without_complaint),
    };
    return cmocka_run_group_tests_name("go", tests, set_up, tear_down);
}
