/* See inventory.h. */
#include "tool/collect/inventory.h"

#include <errno.h>
#include <string.h>

struct ebb_symbol_module ebb_symbol_module_of(const struct ebb_module *module)
{
    return (struct ebb_symbol_module){
        .start = module->start,
        .end = module->end,
        .base = module->base,
        .offset = module->offset,
        .path = module->path,
        .build_id = module->build_id,
        .build_id_size = module->build_id_size,
    };
}

int ebb__learn_modules(struct ebb_symbolizer *symbolizer, const struct ebb_snapshot *snapshot,
                       size_t *known)
{
    for (; *known < snapshot->module_count; ++*known) {
        struct ebb_symbol_module added = ebb_symbol_module_of(&snapshot->modules[*known]);
        if (ebb_symbolizer_add(symbolizer, &added) == -ENOMEM)
            return -ENOMEM;
    }
    return 0;
}

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return from_ns < to_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

static const struct ebb_frame unknown_site = {
    .function = "", .system_name = "", .file = "", .module = ""};

/* What of the library was inlined into the caller's code. */
static bool is_library(const struct ebb_frame *frame)
{
    return frame->inlined && strstr(frame->file, "/ebb/impl/");
}

struct ebb_frame ebb__site_of_map(struct ebb_symbolizer *symbolizer,
                                  const struct ebb_snapshot *snapshot,
                                  const struct ebb_map_entry *map)
{
    if (map->stack >= snapshot->stack_count || snapshot->stacks[map->stack].depth == 0)
        return unknown_site;
    size_t count;
    uint64_t address = snapshot->frames[snapshot->stacks[map->stack].first_frame];
    const struct ebb_frame *frame = ebb_symbolize(symbolizer, address, true, &count);
    while (is_library(frame))
        frame++;
    return *frame;
}

static int fill(struct ebb_inventory *inventory, struct ebb_reader *reader,
                struct ebb_snapshot *snapshot, struct ebb_error *error)
{
    size_t known = 0;
    int code = ebb_reader_snapshot(reader, snapshot, error);
    if (code < 0)
        return code;
    if (!inventory->symbolizer)
        inventory->symbolizer = ebb_symbolizer_new();
    if (!inventory->symbolizer || ebb__learn_modules(inventory->symbolizer, snapshot, &known) < 0)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    inventory->identity = *ebb_reader_identity(reader);
    inventory->alive = ebb_reader_alive(reader);
    inventory->dropped = snapshot->dropped[EBB_TABLE_MAPS];
    inventory->maps.len = 0;
    for (size_t i = 0; i < snapshot->map_count; i++) {
        const struct ebb_map_entry *map = &snapshot->maps[i];
        struct ebb_listed_map listed = {
            .entry = *map,
            .age_s = seconds_between(map->born_ns, snapshot->taken_ns),
            .stale_s = seconds_between(map->updated_ns, snapshot->taken_ns),
            .site = ebb__site_of_map(inventory->symbolizer, snapshot, map),
        };
        if (ebb_vec_push(&inventory->maps, listed) < 0)
            return ebb_error_set(error, -ENOMEM, "out of memory");
    }
    return 0;
}

int ebb_inventory_read(pid_t pid, struct ebb_inventory *inventory, struct ebb_error *error)
{
    struct ebb_reader *reader;
    struct ebb_snapshot snapshot = {0};
    int code = ebb_reader_open(pid, &reader, error);
    if (code < 0)
        return code;
    code = fill(inventory, reader, &snapshot, error);
    ebb_snapshot_free(&snapshot);
    ebb_reader_close(reader);
    return code;
}

void ebb_inventory_free(struct ebb_inventory *inventory)
{
    ebb_vec_free(&inventory->maps);
    ebb_symbolizer_free(inventory->symbolizer);
    memset(inventory, 0, sizeof *inventory);
}
