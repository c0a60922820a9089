/* Writes a large heap profile for `bench/views`: the same for the same seed, on every machine.
 *
 *     views-generate FILE [SAMPLES [SEED]]
 *
 * It is shaped like that of a big service: FUNCTIONS functions in a few hundred files, each with a
 * handful of call sites whose popularity falls off as in real call graphs, stacks 20 to 40 frames
 * deep that share their beginnings, block sizes and counts over several orders of magnitude, and
 * the four sample types and the `bytes` label of every heap profile. */
#include "base/hash.h"
#include "tool/profile/profile.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FUNCTIONS = 6000,
    FILES = 400,
    SITES = 5,    /* calls in a function */
    DEEPEST = 40, /* a function calls those of the next layer, of so many */
    PER_LAYER = FUNCTIONS / DEEPEST,
    SHALLOWEST = 20,
};

static uint64_t random_state;

static uint64_t next_random(void)
{
    return ebb_mix64(random_state += UINT64_C(0x9e3779b97f4a7c15));
}

/* Below `count`, small numbers more often: the square of a uniform number. */
static uint32_t skewed(uint32_t count)
{
    double uniform = (double)(next_random() >> 11) * 0x1p-53;
    return (uint32_t)(uniform * uniform * count);
}

struct program {
    uint32_t sites[FUNCTIONS][SITES];   /* locations */
    uint32_t callees[FUNCTIONS][SITES]; /* functions of the next layer */
};

static void make_program(struct ebb_profile_builder *builder, struct program *program)
{
    char name[128], file[64];
    struct ebb_mapping binary = {
        .start = 0x400000,
        .limit = 0x400000 + FUNCTIONS * 0x1000,
        .file = ebb_profile_builder_string(builder, "/usr/bin/service"),
        .build_id = ebb_profile_builder_string(builder, "5e7a11ce"),
        .has_inline_frames = true,
    };
    uint32_t mapping = ebb_profile_builder_mapping(builder, &binary);
    uint32_t inlined = 0;
    for (uint32_t f = 0; f < FUNCTIONS; f++) {
        uint32_t package = f % FILES;
        snprintf(name, sizeof name, "example.com/service/internal/package%u.(*Type%u).Method%u",
                 package, f % 37, f);
        snprintf(file, sizeof file, "/src/service/internal/package%u/file%u.go", package, f % 7);
        uint32_t function = ebb_profile_builder_function(builder, name, name, file, 10 + f % 900);
        for (uint32_t s = 0; s < SITES; s++) {
            struct ebb_line lines[] = {{inlined, 40 + s}, {function, 12 + f % 900 + 3 * s}};
            bool has_inlined = f > 0 && s == 0;
            program->callees[f][s] = (f / PER_LAYER + 1) * PER_LAYER + skewed(PER_LAYER);
            program->sites[f][s] = ebb_profile_builder_location(
                builder, mapping, binary.start + f * 0x1000 + 0x10 + 0x40 * s, lines + !has_inlined,
                1 + has_inlined);
        }
        inlined = function;
    }
}

/* One stack, written leaf first; its depth. */
static size_t make_stack(const struct program *program, uint32_t stack[DEEPEST])
{
    size_t depth = SHALLOWEST + next_random() % (DEEPEST - SHALLOWEST + 1);
    uint32_t function = 0;
    for (size_t level = 0; level < depth; level++) {
        uint32_t site = skewed(SITES);
        stack[depth - 1 - level] = program->sites[function][site];
        function = program->callees[function][site];
    }
    return depth;
}

static void add_sample(struct ebb_profile_builder *builder, const struct program *program,
                       uint32_t bytes_string)
{
    uint32_t stack[DEEPEST];
    size_t depth = make_stack(program, stack);
    int64_t size = INT64_C(16) << skewed(14), count = 1 + skewed(10000),
            live = skewed((uint32_t)count);
    int64_t values[] = {count, count * size, live, live * size};
    struct ebb_label label = {.key = bytes_string, .number = size, .unit = bytes_string};
    ebb_profile_builder_sample(builder, stack, depth, values, &label, 1);
}

static struct ebb_profile_builder *generate(size_t samples)
{
    static struct program program;
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    if (!builder)
        return NULL;
    ebb_profile_builder_type(builder, "alloc_objects", "count");
    ebb_profile_builder_type(builder, "alloc_space", "bytes");
    ebb_profile_builder_type(builder, "inuse_objects", "count");
    ebb_profile_builder_type(builder, "inuse_space", "bytes");
    make_program(builder, &program);
    uint32_t bytes_string = ebb_profile_builder_string(builder, "bytes");
    for (size_t i = 0; i < samples; i++)
        add_sample(builder, &program, bytes_string);
    struct ebb_profile *header = ebb_profile_builder_header(builder);
    header->period_type.type = ebb_profile_builder_string(builder, "space");
    header->period_type.unit = bytes_string;
    header->period = 512 << 10;
    header->time_ns = INT64_C(1700000000000000000);
    return builder;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: views-generate FILE [SAMPLES [SEED]]\n");
        return 2;
    }
    size_t samples = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
    random_state = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    struct ebb_error error = {"out of memory"};
    struct ebb_profile *profile = NULL;
    struct ebb_profile_builder *builder = generate(samples);
    int failed = builder ? ebb_profile_builder_finish(builder, &profile, &error) : -1;
    if (!failed)
        failed = ebb_profile_write_file(profile, argv[1], &error);
    if (failed)
        fprintf(stderr, "views-generate: %s\n", error.text);
    else
        printf("%zu samples, %.1f frames deep, %zu functions, %zu locations\n",
               profile->sample_count,
               (double)profile->stack_start[profile->sample_count] / (double)profile->sample_count,
               profile->function_count, profile->location_count);
    ebb_profile_free(profile);
    return failed ? 2 : 0;
}
