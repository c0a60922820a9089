/* See image.h. */
#include "tests/channel/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t entry_sizes[] = {
    sizeof(struct ebb_shard),     sizeof(struct ebb_module), sizeof(uint64_t),
    sizeof(struct ebb_stack),     sizeof(struct ebb_bucket), sizeof(struct ebb_sample),
    sizeof(struct ebb_map_entry),
};

struct ebb_bucket image_bucket(const struct image_plan *plan, uint32_t index)
{
    return (struct ebb_bucket){
        .stack = index % plan->count[EBB_TABLE_STACKS],
        .size_class = (uint16_t)(index % EBB_SIZE_CLASSES),
        .kind = (uint8_t)(index % EBB_KIND_COUNT),
        .alloc_samples = 100 + index,
        .free_samples = index % 100,
        .alloc_objects = (100 + index) * UINT64_C(2048),
        .free_objects = index % 100 * UINT64_C(2048),
        .alloc_bytes = (100 + index) * UINT64_C(524288),
        .free_bytes = index % 100 * UINT64_C(524288),
        .last_ns = 5000 + index,
    };
}

struct ebb_sample image_sample(const struct image_plan *plan, uint32_t index)
{
    return (struct ebb_sample){
        .sequence = index % 3 ? index + 1 : 0,
        .size = 64 + index,
        .birth_ns = 3000 + index,
        .bucket = index % plan->count[EBB_TABLE_BUCKETS],
    };
}

struct ebb_map_entry image_map(const struct image_plan *plan, uint32_t index)
{
    struct ebb_map_entry map = {
        .sequence = index % 4 ? 1000 + index : 0,
        .born_ns = 2000 + index,
        .updated_ns = 2500 + index,
        .len = 100 + index,
        .high_water = 200 + index,
        .buckets = 16,
        .bytes = 4096,
        .stack = index % plan->count[EBB_TABLE_STACKS],
        .key_bytes = 8,
        .value_bytes = 16,
    };
    snprintf(map.name, sizeof map.name, "map %u", index);
    return map;
}

struct ebb_stack image_stack(uint32_t index)
{
    return (struct ebb_stack){
        .hash = index, .first_frame = index * 3, .depth = 3, .truncated = index % 7 == 0};
}

uint64_t image_frame(uint32_t index)
{
    return UINT64_C(0x400000) + index * 16;
}

struct ebb_shard image_shard(uint32_t index)
{
    return (struct ebb_shard){.countdown = 1000 + index,
                              .allocs = 10 + index,
                              .frees = index,
                              .drawn = 1000000,
                              .thread = index,
                              .samples = 2};
}

static struct ebb_module module_at(uint32_t index)
{
    struct ebb_module module = {.base = UINT64_C(0x400000) + index * UINT64_C(0x100000),
                                .build_id_size = 20,
                                .loaded_ns = 1000};
    module.start = module.base + 0x1000;
    module.end = module.base + 0x80000;
    memset(module.build_id, (int)index, sizeof module.build_id);
    snprintf(module.path, sizeof module.path, "/usr/lib/libmodule-%u.so", index);
    return module;
}

uint64_t image_offset(const struct image *image, enum ebb_table table, uint32_t index)
{
    const struct ebb_channel_header *header = (const void *)image->bytes;
    const struct ebb_table_directory *directory = &header->table[table];
    unsigned chunk = 31 - (unsigned)__builtin_clz((index >> directory->first_shift) + 1);
    uint32_t first = ((1u << chunk) - 1) << directory->first_shift;
    return directory->chunk_offset[chunk] + (uint64_t)(index - first) * directory->entry_size;
}

static void put_entry(const struct image_plan *plan, struct image *image, enum ebb_table table,
                      uint32_t index)
{
    uint8_t *place = image->bytes + image_offset(image, table, index);
    union {
        struct ebb_shard shard;
        struct ebb_module module;
        uint64_t frame;
        struct ebb_stack stack;
        struct ebb_bucket bucket;
        struct ebb_sample sample;
        struct ebb_map_entry map;
    } entry;
    switch (table) {
    case EBB_TABLE_SHARDS:
        entry.shard = image_shard(index);
        break;
    case EBB_TABLE_MODULES:
        entry.module = module_at(index);
        break;
    case EBB_TABLE_FRAMES:
        entry.frame = image_frame(index);
        break;
    case EBB_TABLE_STACKS:
        entry.stack = image_stack(index);
        break;
    case EBB_TABLE_BUCKETS:
        entry.bucket = image_bucket(plan, index);
        break;
    case EBB_TABLE_SAMPLES:
        entry.sample = image_sample(plan, index);
        break;
    default:
        entry.map = image_map(plan, index);
        break;
    }
    memcpy(place, &entry, entry_sizes[table]);
}

/* Gives every table the chunks it needs, the tables' chunks one after the other. */
static size_t lay_out(const struct image_plan *plan, struct ebb_channel_header *header)
{
    size_t end = (sizeof *header + 63) & ~(size_t)63;
    uint32_t placed[EBB_TABLE_COUNT] = {0};
    for (unsigned chunk = 0; chunk < EBB_CHANNEL_MAX_CHUNKS; chunk++)
        for (unsigned table = 0; table < EBB_TABLE_COUNT; table++) {
            struct ebb_table_directory *directory = &header->table[table];
            directory->entry_size = entry_sizes[table];
            directory->first_shift = plan->first_shift;
            directory->used = plan->count[table];
            if (placed[table] >= plan->count[table])
                continue;
            directory->chunks = chunk + 1;
            directory->chunk_offset[chunk] = end;
            placed[table] += 1u << (plan->first_shift + chunk);
            end += ((size_t)entry_sizes[table] << (plan->first_shift + chunk)) + 8;
            end = (end + 7) & ~(size_t)7;
        }
    return end;
}

struct image image_make(const struct image_plan *plan)
{
    static const char command[] = "program\0--option\0argument";
    struct ebb_channel_header header = {
        .magic = EBB_CHANNEL_MAGIC,
        .version = EBB_CHANNEL_VERSION,
        .byte_order = EBB_CHANNEL_BYTE_ORDER,
        .header_size = sizeof header,
        .state = EBB_STATE_RUNNING,
        .pid = plan->pid,
        .parent_pid = 1,
        .start_ticks = plan->start_ticks,
        .session = plan->session,
        .started_realtime_ns = UINT64_C(1700000000000000000),
        .started_ns = 1000,
        .period = 524288,
        .page_size = 4096,
        .executable = "/usr/bin/program",
        .command_size = sizeof command,
        .allocator = "/lib/libc.so.6",
        .threads = 3,
        .threads_created = 5,
        .lost_frees = 1,
    };
    memcpy(header.command, command, sizeof command);
    struct image image = {.size = lay_out(plan, &header)};
    header.file_size = image.size;
    image.bytes = calloc(1, image.size);
    if (!image.bytes)
        abort();
    memcpy(image.bytes, &header, sizeof header);
    for (unsigned table = 0; table < EBB_TABLE_COUNT; table++)
        for (uint32_t i = 0; i < plan->count[table]; i++)
            put_entry(plan, &image, (enum ebb_table)table, i);
    return image;
}
