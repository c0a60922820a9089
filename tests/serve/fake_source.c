/* See fake_source.h. Two stacks: cache_insert < handle holds 512 KiB blocks, one more each time a
 * profile is taken; parse < handle holds 100-byte blocks, always as many. */
#include "tests/serve/fake_source.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static size_t processes(void *context, pid_t *pids, size_t room)
{
    const struct fake *fake = context;
    for (size_t i = 0; i < fake->process_count && i < room; i++)
        pids[i] = FAKE_PID + (pid_t)i;
    return fake->process_count < room ? fake->process_count : room;
}

static uint32_t location(struct ebb_profile_builder *builder, uint32_t mapping, uint64_t address,
                         const char *name, int64_t line_number)
{
    uint32_t function = ebb_profile_builder_function(builder, name, name, "/src/fake.c", 1);
    struct ebb_line line = {function, line_number};
    return ebb_profile_builder_location(builder, mapping, address, &line, 1);
}

/* Adds `blocks` live blocks of `size` bytes that sampling saw `samples` of, as unbiased figures. */
static void heap_sample(struct ebb_profile_builder *builder, const uint32_t *stack, int64_t samples,
                        int64_t size)
{
    double weight = 1 / -expm1(-(double)size / FAKE_PERIOD);
    int64_t objects = llround((double)samples * weight);
    int64_t bytes = llround((double)samples * weight * (double)size);
    struct ebb_label label = {
        .key = ebb_profile_builder_string(builder, "bytes"),
        .unit = ebb_profile_builder_string(builder, "bytes"),
        .number = size,
    };
    ebb_profile_builder_sample(
        builder, stack, 2, (const int64_t[]){2 * objects, 2 * bytes, objects, bytes}, &label, 1);
}

static int profile(void *context, pid_t pid, const char *name, struct ebb_profile **result,
                   struct ebb_error *error)
{
    struct fake *fake = context;
    if (fake->fail)
        return ebb_error_set(error, fake->fail, "the record of %d is torn", (int)pid);
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    if (!builder)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    fake->taken++;
    uint32_t mapping = ebb_profile_builder_mapping(
        builder, &(struct ebb_mapping){
                     .start = 0x400000,
                     .limit = 0x500000,
                     .file = ebb_profile_builder_string(builder, "/usr/bin/fake"),
                     .has_functions = true,
                     .has_filenames = true,
                     .has_line_numbers = true,
                 });
    uint32_t insert = location(builder, mapping, 0x401000, "cache_insert", 17);
    uint32_t parse = location(builder, mapping, 0x402000, "parse", 33);
    uint32_t handle = location(builder, mapping, 0x403000, "handle", 51);
    if (strcmp(name, "threadcreate") == 0) {
        ebb_profile_builder_type(builder, "threadcreate", "count");
        ebb_profile_builder_sample(builder, (const uint32_t[]){handle}, 1, (const int64_t[]){3},
                                   NULL, 0);
    } else {
        ebb_profile_builder_type(builder, "alloc_objects", "count");
        ebb_profile_builder_type(builder, "alloc_space", "bytes");
        ebb_profile_builder_type(builder, "inuse_objects", "count");
        ebb_profile_builder_type(builder, "inuse_space", "bytes");
        heap_sample(builder, (const uint32_t[]){insert, handle}, fake->taken, 1 << 19);
        heap_sample(builder, (const uint32_t[]){parse, handle}, 5, 100);
        struct ebb_profile *header = ebb_profile_builder_header(builder);
        header->period = FAKE_PERIOD;
        header->period_type.type = ebb_profile_builder_string(builder, "space");
        header->period_type.unit = ebb_profile_builder_string(builder, "bytes");
        header->time_ns = INT64_C(1700000000000000000) + fake->taken * INT64_C(1000000000);
    }
    return ebb_profile_builder_finish(builder, result, error);
}

static size_t command(void *context, pid_t pid, char *buffer, size_t room)
{
    (void)context;
    static const char first[] = "/usr/bin/fake\0--name=<b>&\"x\"",
                      second[] = "/usr/bin/fake\0child";
    const char *text = pid == FAKE_PID ? first : second;
    size_t size = pid == FAKE_PID ? sizeof first : sizeof second;
    memcpy(buffer, text, size < room ? size : room);
    return size < room ? size : room;
}

static int symbols(void *context, pid_t pid, const uint64_t *addresses, size_t count,
                   void (*name)(void *out, uint64_t address, const char *function), void *out,
                   struct ebb_error *error)
{
    const struct fake *fake = context;
    (void)pid;
    if (fake->fail)
        return ebb_error_set(error, fake->fail, "the record is torn");
    for (size_t i = 0; i < count; i++)
        if (addresses[i] == 0x401000 || addresses[i] == 0x402000)
            name(out, addresses[i], addresses[i] == 0x401000 ? "cache_insert" : "parse");
    return 0;
}

struct ebb_source fake_source(struct fake *fake)
{
    return (struct ebb_source){fake, processes, profile, command, symbols};
}
