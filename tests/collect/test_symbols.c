/* The symbolizer, on programs compiled here: what it says of an address is held against what the
 * source says. */
#include "scratch.h"

#include "base/clock.h"
#include "tool/collect/demangle.h"
#include "tool/collect/symbolizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BASE = 0x10000000 };

/* Line numbers matter below. */
static const char c_source[] = "#include <stdlib.h>\n"                          /* 1 */
                               "void *volatile keep;\n"                         /* 2 */
                               "static inline __attribute__((always_inline))\n" /* 3 */
                               "void innermost(int n)\n"                        /* 4 */
                               "{\n"                                            /* 5 */
                               "    keep = malloc(n);\n"                        /* 6 */
                               "}\n"                                            /* 7 */
                               "static inline __attribute__((always_inline))\n" /* 8 */
                               "void middle(int n)\n"                           /* 9 */
                               "{\n"                                            /* 10 */
                               "    innermost(n + 1);\n"                        /* 11 */
                               "}\n"                                            /* 12 */
                               "__attribute__((noinline)) void outer(int n)\n"  /* 13 */
                               "{\n"                                            /* 14 */
                               "    middle(2 * n);\n"                           /* 15 */
                               "    keep = 0;\n"                                /* 16 */
                               "}\n"                                            /* 17 */
                               "int main(int argc, char **argv)\n"              /* 18 */
                               "{\n"                                            /* 19 */
                               "    outer(argc);\n"                             /* 20 */
                               "    return 0;\n"                                /* 21 */
                               "}\n";

/* Return addresses of the calls in a function, from the disassembly. */
static uint64_t call_in(const char *program, const char *function, const char *callee)
{
    char *line =
        scratch_output("objdump -d --no-show-raw-insn %s | awk '/^[0-9a-f]+ <%s>:/ {in_it=1}"
                       " in_it && want {sub(\":\",\"\",$1); print $1; exit}"
                       " in_it && /call.*%s/ {want=1} /^$/ {in_it=0}'",
                       program, function, callee);
    uint64_t address = strtoull(line, NULL, 16);
    if (!address)
        fail_msg("no call of %s in %s of %s", callee, function, program);
    return address;
}

static uint64_t address_of(const char *program, const char *function)
{
    return strtoull(scratch_output("nm %s | awk '$3 == \"%s\" {print $1}'", program, function),
                    NULL, 16);
}

static void add(struct ebb_symbolizer *symbolizer, const char *path, uint64_t base,
                const uint8_t *build_id, size_t build_id_size)
{
    struct ebb_symbol_module module = {
        .start = base ? base : 0x1000,
        .end = base + 0x1000000,
        .base = base,
        .path = path,
        .build_id = build_id,
        .build_id_size = build_id_size,
    };
    assert_int_equal(ebb_symbolizer_add(symbolizer, &module), 0);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* The call of malloc in `outer`: three functions, two of them inlined. */
static void assert_inlined_chain(const struct ebb_frame *frames, size_t count)
{
    static const struct {
        const char *function;
        int64_t line, start_line;
        bool inlined;
    } wanted[] = {{"innermost", 6, 4, true}, {"middle", 11, 9, true}, {"outer", 15, 13, false}};
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(frames[i].function, wanted[i].function);
        assert_int_equal(frames[i].line, wanted[i].line);
        assert_int_equal(frames[i].start_line, wanted[i].start_line);
        assert_int_equal(frames[i].inlined, wanted[i].inlined);
        assert_true(frames[i].file[0] == '/' && ends_with(frames[i].file, "/a.c"));
    }
}

static char *compile_c(const char *folder, const char *compiler, const char *flags)
{
    char *source = scratch_text("%s/a.c", folder), *program = scratch_text("%s/a", folder);
    scratch_write(source, c_source);
    /* A relative source path, which must come out absolute. */
    scratch_run("cd %s && %s -O2 %s a.c -o a", folder, compiler, flags);
    return program;
}

static void check_inlining(void **state, const char *compiler, const char *flags, uint64_t base)
{
    NEED(compiler);
    NEED("objdump");
    char *program = compile_c(*state, compiler, flags);
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    add(symbolizer, program, base, NULL, 0);
    size_t count;
    uint64_t address = base + call_in(program, "outer", "malloc");
    const struct ebb_frame *frames = ebb_symbolize(symbolizer, address, true, &count);
    assert_inlined_chain(frames, count);
    assert_ptr_equal(frames, ebb_symbolize(symbolizer, address, true, &count)); /* from the cache */
    address = base + call_in(program, "main", "outer");
    frames = ebb_symbolize(symbolizer, address, true, &count);
    assert_string_equal(frames[0].function, "main");
    assert_int_equal(frames[0].line, 20);
    ebb_symbolizer_free(symbolizer);
}

static void test_inlined_pie(void **state)
{
    check_inlining(state, "gcc", "-g -fPIE -pie", BASE);
}

static void test_inlined_fixed(void **state)
{
    check_inlining(state, "gcc", "-g -no-pie", 0);
}

static void test_inlined_dwarf4(void **state)
{
    check_inlining(state, "gcc", "-gdwarf-4 -fPIE -pie", BASE);
}

/* clang writes no .debug_aranges. */
static void test_inlined_clang(void **state)
{
    check_inlining(state, "clang", "-g -fPIE -pie", BASE);
}

static void test_inlined_sections(void **state)
{
    check_inlining(state, "gcc", "-g -ffunction-sections -Wl,--gc-sections", BASE);
}

static void test_split_dwarf(void **state)
{
    check_inlining(state, "gcc", "-g -gsplit-dwarf", BASE);
}

static void test_compressed(void **state)
{
    check_inlining(state, "gcc", "-g -gz=zlib", BASE);
}

static void test_symbols_only(void **state)
{
    NEED("gcc");
    NEED("objdump");
    char *program = compile_c(*state, "gcc", "");
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    add(symbolizer, program, BASE, NULL, 0);
    size_t count;
    const struct ebb_frame *frames =
        ebb_symbolize(symbolizer, BASE + call_in(program, "outer", "malloc"), true, &count);
    assert_int_equal(count, 1);
    assert_string_equal(frames[0].function, "outer");
    assert_string_equal(frames[0].file, "");
    assert_int_equal(frames[0].line, 0);
    assert_string_equal(frames[0].module, program);
    assert_false(frames[0].inlined);
    ebb_symbolizer_free(symbolizer);
}

/* The last instruction of a function that does not return: its return address is already in the
 * next function. */
static void test_return_address_after_the_end(void **state)
{
    NEED("gcc");
    char *source = scratch_text("%s/n.c", (char *)*state);
    char *program = scratch_text("%s/n", (char *)*state);
    scratch_write(source,
                  "#include <stdlib.h>\n"
                  "__attribute__((noinline)) void gives_up(void)\n{\n    abort();\n}\n"
                  "__attribute__((noinline)) void after(void)\n{\n    exit(1);\n}\n"
                  "int main(int c, char **v)\n{\n    if (c) gives_up();\n    after();\n}\n");
    scratch_run("gcc -O1 -g -fno-toplevel-reorder -falign-functions=1 %s -o %s", source, program);
    uint64_t next = address_of(program, "after");
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    add(symbolizer, program, BASE, NULL, 0);
    size_t count;
    assert_string_equal(ebb_symbolize(symbolizer, BASE + next, true, &count)->function, "gives_up");
    assert_string_equal(ebb_symbolize(symbolizer, BASE + next, false, &count)->function, "after");
    ebb_symbolizer_free(symbolizer);
}

static size_t read_build_id(const char *program, uint8_t *id)
{
    char *hex = scratch_output("readelf -n %s | sed -n 's/.*Build ID: //p'", program);
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++)
        sscanf(hex + 2 * i, "%2hhx", &id[i]);
    return size;
}

/* A stripped program whose debug file is found by `place`, a shell command that puts
 * %1$s/a.debug there. */
static void check_separate(void **state, const char *link, const char *place)
{
    NEED("gcc");
    NEED("objcopy");
    NEED("objdump");
    const char *folder = *state;
    char *program = compile_c(folder, "gcc", "-g -Wl,--build-id");
    uint64_t address = BASE + call_in(program, "outer", "malloc");
    scratch_run("cd %s && objcopy --only-keep-debug a a.debug && strip -s a && %s", folder, link);
    char *id = scratch_output("readelf -n %s | sed -n 's/.*Build ID: //p'", program);
    scratch_run("cd %s && ID=%s && %s", folder, id, place);
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    assert_int_equal(
        ebb__symbolizer_debug_path(symbolizer, scratch_text(":.debug:%s/root", folder)), 0);
    add(symbolizer, program, BASE, NULL, 0);
    size_t count;
    const struct ebb_frame *frames = ebb_symbolize(symbolizer, address, true, &count);
    assert_inlined_chain(frames, count);
    ebb_symbolizer_free(symbolizer);
}

static void test_by_build_id(void **state)
{
    check_separate(state, "true",
                   "mkdir -p root/.build-id/${ID%${ID#??}} && "
                   "mv a.debug root/.build-id/${ID%${ID#??}}/${ID#??}.debug");
}

static void test_by_debuglink_beside(void **state)
{
    check_separate(state, "objcopy --add-gnu-debuglink=a.debug a", "true");
}

static void test_by_debuglink_in_folder(void **state)
{
    check_separate(state, "objcopy --add-gnu-debuglink=a.debug a",
                   "mkdir .debug && mv a.debug .debug");
}

static void test_stripped(void **state)
{
    NEED("gcc");
    NEED("objdump");
    char *program = compile_c(*state, "gcc", "-Wl,--build-id=none");
    uint64_t call = call_in(program, "outer", "malloc");
    scratch_run("strip -s %s", program);
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    add(symbolizer, program, BASE, NULL, 0);
    size_t count;
    const struct ebb_frame *frames = ebb_symbolize(symbolizer, BASE + call, true, &count);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "a+0x%" PRIx64, call - 1);
    assert_int_equal(count, 1);
    assert_string_equal(frames[0].function, wanted);
    assert_string_equal(frames[0].system_name, wanted);
    assert_string_equal(frames[0].module, program);
    ebb_symbolizer_free(symbolizer);
}

/* Not the function before it, however near: the symbol says where it ends. */
static void test_dynamic_symbols(void **state)
{
    NEED("gcc");
    NEED("objdump");
    const char *folder = *state;
    char *source = scratch_text("%s/l.c", folder), *library = scratch_text("%s/l.so", folder);
    scratch_write(source,
                  "extern int other(int);\n"
                  "int shown(int n) { return other(n) + 1; }\n"
                  "__attribute__((visibility(\"hidden\"))) int hidden(int n)"
                  " { return other(n + 2) + 3; }\n"
                  "int uses(int n) { int (*volatile f)(int) = hidden; return f(n) + 1; }\n");
    scratch_run("gcc -O1 -shared -fPIC -fno-toplevel-reorder %s -o %s", source, library);
    uint64_t in_shown = call_in(library, "shown", "other");
    uint64_t in_hidden = call_in(library, "hidden", "other");
    scratch_run("strip -s %s", library);
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    add(symbolizer, library, BASE, NULL, 0);
    size_t count;
    char wanted[64];
    snprintf(wanted, sizeof wanted, "l.so+0x%" PRIx64, in_hidden - 1);
    assert_string_equal(ebb_symbolize(symbolizer, BASE + in_shown, true, &count)->function,
                        "shown");
    assert_string_equal(ebb_symbolize(symbolizer, BASE + in_hidden, true, &count)->function,
                        wanted);
    ebb_symbolizer_free(symbolizer);
}

static void test_replaced_file(void **state)
{
    NEED("gcc");
    NEED("objdump");
    uint8_t id[64];
    char *program = compile_c(*state, "gcc", "-g -Wl,--build-id");
    uint64_t call = call_in(program, "outer", "malloc");
    size_t size = read_build_id(program, id), count;
    assert_int_equal(size, 20);
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    add(symbolizer, program, BASE, id, size);
    const struct ebb_frame *frames = ebb_symbolize(symbolizer, BASE + call, true, &count);
    assert_inlined_chain(frames, count);
    ebb_symbolizer_free(symbolizer);

    program = compile_c(*state, "gcc", "-g -Wl,--build-id -DANOTHER -O0");
    symbolizer = ebb_symbolizer_new();
    add(symbolizer, program, BASE, id, size);
    frames = ebb_symbolize(symbolizer, BASE + call, true, &count);
    assert_int_equal(count, 1);
    assert_non_null(strstr(frames[0].function, "a+0x"));
    ebb_symbolizer_free(symbolizer);
}

static bool calls(const struct ebb_frame *frame, const char *function)
{
    for (size_t i = 0; frame->calls && frame->calls[i]; i++)
        if (strncmp(frame->calls[i], function, strlen(function)) == 0)
            return true;
    return false;
}

static void test_templates(void **state)
{
    NEED("g++");
    char *source = scratch_text("%s/t.cc", (char *)*state);
    char *program = scratch_text("%s/t", (char *)*state);
    scratch_write(source,
                  "#include <unordered_map>\n#include <string>\n#include <vector>\n"
                  "namespace shop {\n"
                  "template <class T> struct shelf {\n"
                  "    std::vector<T> items;\n"
                  "    __attribute__((noinline)) void put(T item);\n"
                  "};\n"
                  "template <class T> void shelf<T>::put(T item) {\n"
                  "    items.push_back(item);\n"
                  "}\n"
                  "template <class T> __attribute__((noinline)) T twice(T n) { return n + n; }\n"
                  "}\n"
                  "int main(int c, char **) {\n"
                  "    shop::shelf<long> s; s.put(c);\n"
                  "    return shop::twice<int>(c) + (int)s.items.size();\n"
                  "}\n");
    scratch_run("g++ -O1 -g %s -o %s", source, program);
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    add(symbolizer, program, BASE, NULL, 0);
    size_t count;
    const struct ebb_frame *frames = ebb_symbolize(
        symbolizer, BASE + address_of(program, "_ZN4shop5shelfIlE3putEl"), false, &count);
    assert_string_equal(frames[count - 1].function, "shop::shelf<long>::put");
    assert_string_equal(frames[count - 1].system_name, "_ZN4shop5shelfIlE3putEl");
    assert_int_equal(frames[count - 1].start_line, 9);
    assert_true(calls(&frames[count - 1], "std::vector<long, ")); /* inlined */
    assert_false(calls(&frames[count - 1], "shop::twice<int>"));
    frames = ebb_symbolize(symbolizer, BASE + address_of(program, "_ZN4shop5twiceIiEET_S1_"), false,
                           &count);
    assert_string_equal(frames[count - 1].function, "shop::twice<int>");
    assert_null(frames[count - 1].calls);
    frames = ebb_symbolize(symbolizer, BASE + address_of(program, "main"), false, &count);
    assert_true(calls(&frames[count - 1], "shop::twice<int>"));
    assert_true(calls(&frames[count - 1], "shop::shelf<long>::put"));
    ebb_symbolizer_free(symbolizer);
}

static void test_unknown_addresses(void **state)
{
    (void)state;
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    size_t count;
    assert_string_equal(ebb_symbolize(symbolizer, 0x1234, false, &count)->function, "0x1234");
    assert_int_equal(count, 1);
    assert_string_equal(ebb_symbolize(symbolizer, 0, true, &count)->function, "0x0");
    assert_null(ebb_symbolizer_module(symbolizer, 0x1234));
    /* No file, a folder, a pipe that nobody writes to, a relative path. */
    char *pipe = scratch_text("%s/pipe", (char *)*state);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    const char *paths[] = {"/no/such/file", "/tmp", pipe, "a.out", "[vdso]", ""};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct ebb_symbol_module module = {.start = BASE + i * 0x1000,
                                           .end = BASE + (i + 1) * 0x1000,
                                           .base = BASE,
                                           .path = paths[i]};
        assert_int_equal(ebb_symbolizer_add(symbolizer, &module), 0);
        const struct ebb_frame *frame = ebb_symbolize(symbolizer, module.start + 5, false, &count);
        assert_int_equal(count, 1);
        assert_true(ends_with(frame->function, scratch_text("+0x%zx", i * 0x1000 + 5)));
        assert_string_equal(frame->module, paths[i]);
    }
    struct ebb_symbol_module empty = {.start = 5, .end = 5, .path = "/x"};
    assert_true(ebb_symbolizer_add(symbolizer, &empty) < 0);
    ebb_symbolizer_free(symbolizer);
}

/* A file that begins like ELF and is nonsense, cut at every kind of place, must only give no names.
 */
static void test_damaged_files(void **state)
{
    NEED("gcc");
    char *program = compile_c(*state, "gcc", "-g");
    char *damaged = scratch_text("%s/damaged", (char *)*state);
    const char *given = getenv("EBB_TEST_SEED");
    unsigned seed = given ? (unsigned)atoi(given) : (unsigned)ebb_clock_ns();
    print_message("seed %u (EBB_TEST_SEED)\n", seed);
    FILE *file = fopen(program, "r");
    assert_non_null(file);
    static unsigned char bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    uint64_t outer = address_of(program, "outer");
    for (int round = 0; round < 60; round++) {
        static unsigned char copy[sizeof bytes];
        memcpy(copy, bytes, size);
        size_t kept = round % 3 == 0 ? (size_t)rand_r(&seed) % size : size;
        for (int flips = round % 3 ? 20 : 0; flips > 0; flips--)
            copy[(size_t)rand_r(&seed) % size] ^= (unsigned char)(1u << (rand_r(&seed) % 8));
        assert_non_null(file = fopen(damaged, "w"));
        assert_int_equal(fwrite(copy, 1, kept, file), kept);
        fclose(file);
        struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
        add(symbolizer, damaged, BASE, NULL, 0);
        for (uint64_t at = 0; at < 0x40; at++) {
            size_t count;
            const struct ebb_frame *frames =
                ebb_symbolize(symbolizer, BASE + outer + at, false, &count);
            assert_true(count >= 1);
            assert_non_null(frames[0].function);
        }
        ebb_symbolizer_free(symbolizer);
    }
}

static void test_modules_replace_each_other(void **state)
{
    (void)state;
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    struct ebb_symbol_module a = {.start = 0x1000, .end = 0x3000, .base = 0x1000, .path = "/no/a"};
    struct ebb_symbol_module b = {.start = 0x5000, .end = 0x6000, .base = 0x5000, .path = "/no/b"};
    struct ebb_symbol_module c = {.start = 0x2000, .end = 0x5800, .base = 0x2000, .path = "/no/c"};
    size_t count;
    assert_int_equal(ebb_symbolizer_add(symbolizer, &b), 0);
    assert_int_equal(ebb_symbolizer_add(symbolizer, &a), 0);
    const struct ebb_frame *frames = ebb_symbolize(symbolizer, 0x2010, false, &count);
    assert_string_equal(frames->function, "a+0x1010");
    assert_int_equal(ebb_symbolizer_add(symbolizer, &a), 0); /* the same again: nothing is lost */
    assert_ptr_equal(frames, ebb_symbolize(symbolizer, 0x2010, false, &count));
    assert_int_equal(ebb_symbolizer_add(symbolizer, &c), 0);
    assert_string_equal(ebb_symbolize(symbolizer, 0x2010, false, &count)->function, "c+0x10");
    assert_string_equal(ebb_symbolize(symbolizer, 0x1010, false, &count)->function, "0x1010");
    assert_string_equal(ebb_symbolizer_module(symbolizer, 0x57ff)->path, "/no/c");
    assert_null(ebb_symbolizer_module(symbolizer, 0x5800));
    assert_string_equal(frames->function, "a+0x1010"); /* what was told stays */
    ebb_symbolizer_free(symbolizer);
}

/* Frames of one symbolizer outlive it while another shares its memory. */
static void test_shared(void **state)
{
    (void)state;
    struct ebb_symbolizer *first = ebb_symbolizer_new();
    struct ebb_symbolizer *second = ebb__symbolizer_new_beside(first);
    size_t count;
    const struct ebb_frame *frames = ebb_symbolize(second, 0x77, false, &count);
    ebb_symbolizer_free(second);
    assert_string_equal(frames->function, "0x77");
    ebb_symbolizer_free(first);
}

static void test_demangle(void **state)
{
    (void)state;
    static const struct {
        const char *name, *readable;
    } names[] = {
        {"main", "main"},
        {"", ""},
        {"_start", "_start"},
        {"parse.constprop.0", "parse"},
        {"parse.part.1.isra.0", "parse"},
        {"slow.cold", "slow"},
        {"v1.2.parse", "v1.2.parse"},
        {"memcpy@@GLIBC_2.14", "memcpy"},
        {"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int, std::allocator<int> >::push_back"},
        {"_ZN5CacheC4Ev", "Cache::Cache"},
        {"_ZN5Cache3addEPKc.cold", "Cache::add"},
        {"_Z", "_Z"},
        {"_ZN", "_ZN"},
        {"_Znwm", "operator new"},
        {"_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"},
    };
    struct ebb_arena arena = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(ebb__demangle(&arena, names[i].name), names[i].readable);
    static char longest[100000];
    memset(longest, 'Z', sizeof longest - 1);
    longest[0] = '_';
    longest[2] = 'N';
    assert_string_equal(ebb__demangle(&arena, longest), longest);
    ebb_arena_free(&arena);
}

static void test_source_paths(void **state)
{
    (void)state;
    static const struct {
        const char *directory, *file, *path;
    } paths[] = {
        {"/build/src", "a.c", "/build/src/a.c"},
        {"/build/src", "./../lib/list.h", "/build/lib/list.h"},
        {"/build", "/usr//include/./x.h", "/usr/include/x.h"},
        {"/build", "/usr/lib/gcc/12/../../../include/x.h", "/usr/include/x.h"},
        {"/", "../../a.c", "/a.c"},
        {"./malloc", "./malloc/malloc.c", "malloc/malloc.c"},
        {"", "../up.c", "../up.c"},
        {"", "../../a/../up.c", "../../up.c"},
        {NULL, "a/./b.c", "a/b.c"},
    };
    struct ebb_arena arena = {0};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_string_equal(ebb__source_path(&arena, paths[i].directory, paths[i].file),
                            paths[i].path);
    ebb_arena_free(&arena);
}

int main(void)
{
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_inlined_pie),
        SCRATCH(test_inlined_fixed),
        SCRATCH(test_inlined_dwarf4),
        SCRATCH(test_inlined_clang),
        SCRATCH(test_inlined_sections),
        SCRATCH(test_split_dwarf),
        SCRATCH(test_compressed),
        SCRATCH(test_symbols_only),
        SCRATCH(test_return_address_after_the_end),
        SCRATCH(test_by_build_id),
        SCRATCH(test_by_debuglink_beside),
        SCRATCH(test_by_debuglink_in_folder),
        SCRATCH(test_stripped),
        SCRATCH(test_dynamic_symbols),
        SCRATCH(test_replaced_file),
        SCRATCH(test_templates),
        SCRATCH(test_unknown_addresses),
        SCRATCH(test_damaged_files),
        cmocka_unit_test(test_modules_replace_each_other),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_demangle),
        cmocka_unit_test(test_source_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
