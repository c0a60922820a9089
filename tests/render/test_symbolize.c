/* Profiles without symbols: this program's own addresses, as a profiler without symbols has them.
 */
#include "tool/collect/symbolize_profile.h"

#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The function to be found. */
int a_function_to_find(int value);
__attribute__((noinline)) int a_function_to_find(int value)
{
    return value * 3 + 1;
}
enum { LINE = __LINE__ - 3 };

/* Where the program's code lies, in memory and in its file. */
static int find_code(struct dl_phdr_info *info, size_t size, void *context)
{
    struct ebb_mapping *mapping = context;
    uint64_t wanted = (uint64_t)(uintptr_t)a_function_to_find;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uint64_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type != PT_LOAD || wanted < start || wanted >= start + header->p_memsz)
            continue;
        uint64_t before = start % 4096; /* mappings are of whole pages */
        mapping->start = start - before;
        mapping->limit = (start + header->p_memsz + 4095) / 4096 * 4096;
        mapping->offset = header->p_offset - before;
        return 1;
    }
    return 0;
}

/* One sample: the function, called from somewhere that already has a name, called from an address
 * outside all files. */
static struct ebb_profile *make_profile(const char *file, const char *build_id)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "inuse_space", "bytes");
    struct ebb_mapping mapping = {.file = ebb_profile_builder_string(builder, file),
                                  .build_id = ebb_profile_builder_string(builder, build_id)};
    dl_iterate_phdr(find_code, &mapping);
    uint32_t number = ebb_profile_builder_mapping(builder, &mapping);
    struct ebb_line line = {ebb_profile_builder_function(builder, "known", "known", "k.c", 7), 9};
    uint32_t stack[] = {
        ebb_profile_builder_location(builder, number, (uint64_t)(uintptr_t)a_function_to_find + 1,
                                     NULL, 0),
        ebb_profile_builder_location(builder, number, mapping.start + 1, &line, 1),
        ebb_profile_builder_location(builder, EBB_NONE, 0x10, NULL, 0),
    };
    int64_t value = 42;
    ebb_profile_builder_sample(builder, stack, 3, &value, NULL, 0);
    struct ebb_profile *profile;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, NULL), 0);
    return profile;
}

static void own_path(char path[static 512])
{
    ssize_t length = readlink("/proc/self/exe", path, 511);
    assert_true(length > 0);
    path[length] = '\0';
}

static const struct ebb_line *first_line(const struct ebb_profile *profile, uint64_t at)
{
    return &profile->lines[profile->locations[profile->stack[at]].first_line];
}

static const char *name_of(const struct ebb_profile *profile, const struct ebb_line *line)
{
    return ebb_profile_string(profile, profile->functions[line->function].name);
}

static void test_names_are_found(void **state)
{
    char path[512];
    own_path(path);
    struct ebb_profile *bare = make_profile(path, ""), *named;
    assert_int_equal(ebb_profile_symbolize(bare, &named, NULL), 0);
    assert_non_null(named);
    assert_string_equal(name_of(named, first_line(named, 0)), "a_function_to_find");
    const char *file =
        ebb_profile_string(named, named->functions[first_line(named, 0)->function].file);
    if (*file) { /* built with -g */
        assert_non_null(strstr(file, "test_symbolize.c"));
        assert_in_range(first_line(named, 0)->line, LINE - 3, LINE + 1);
    }
    assert_string_equal(name_of(named, first_line(named, 1)), "known");
    assert_int_equal(first_line(named, 1)->line, 9);
    assert_int_equal(named->locations[named->stack[2]].line_count, 0);
    assert_int_equal(named->sample_count, 1);
    assert_int_equal(named->values[0], 42);
    ebb_profile_free(named);
    ebb_profile_free(bare);
}

/* No file, another file, not a file, nothing that may be opened: then it stays as it is. */
static void test_what_cannot_be_found(void **state)
{
    char path[512];
    own_path(path);
    const char *const cases[][2] = {
        {"/nowhere/program", ""},
        {path, "0123456789abcdef"},
        {"/dev/zero", ""},
        {"/etc/passwd", ""},
        {"relative/path", ""},
        {"[vdso]", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ebb_profile *bare = make_profile(cases[i][0], cases[i][1]), *named;
        assert_int_equal(ebb_profile_symbolize(bare, &named, NULL), 0);
        assert_null(named);
        ebb_profile_free(bare);
    }
}

/* A damaged file: every cut of it, and every byte of its headers changed. */
static void test_damaged_files(void **state)
{
    char path[512], copy[] = "/tmp/ebb-damaged-XXXXXX";
    static char bytes[8192];
    own_path(path);
    FILE *program = fopen(path, "rb");
    size_t size = fread(bytes, 1, sizeof bytes, program);
    fclose(program);
    int file = mkstemp(copy);
    assert_true(file >= 0);
    struct ebb_profile *bare = make_profile(copy, ""), *named;
    for (size_t round = 0; round < 700; round++) {
        char kept = bytes[round];
        if (round < 600)
            bytes[round] = (char)(kept ^ 0xff);
        assert_int_equal(ftruncate(file, 0), 0);
        assert_true(pwrite(file, bytes, round < 600 ? size : (round - 600) * 64, 0) >= 0);
        bytes[round] = kept;
        assert_int_equal(ebb_profile_symbolize(bare, &named, NULL), 0);
        ebb_profile_free(named);
    }
    ebb_profile_free(bare);
    close(file);
    unlink(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found),
        cmocka_unit_test(test_what_cannot_be_found),
        cmocka_unit_test(test_damaged_files),
    };
    if (a_function_to_find(1) != 4)
        return 1;
    return cmocka_run_group_tests_name("symbolize", tests, NULL, NULL);
}
