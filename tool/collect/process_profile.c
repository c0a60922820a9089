/* The profile of one snapshot of a record. See process.h.
 *
 * Two walks over the addresses: the first asks for symbols, because a mapping must say whether its
 * functions and lines are known before its locations are made; the second makes locations, once per
 * address. Values are estimates of the whole, as the record's counters are; the period says from
 * how fine a sample. */
#include "tool/collect/process.h"

#include "base/hash.h"
#include "tool/profile/index.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a profile's name stands for. */
struct flavour {
    const char *name;
    const char *types[4][2]; /* type and unit */
    size_t type_count;
    const char *period_type[2];
    const char *default_type; /* NULL: unset */
    bool threads;             /* of threads instead of blocks */
};

static const struct flavour flavours[] = {
    {"heap",
     {{"alloc_objects", "count"},
      {"alloc_space", "bytes"},
      {"inuse_objects", "count"},
      {"inuse_space", "bytes"}},
     4,
     {"space", "bytes"},
     NULL,
     false},
    {"allocs",
     {{"alloc_objects", "count"},
      {"alloc_space", "bytes"},
      {"inuse_objects", "count"},
      {"inuse_space", "bytes"}},
     4,
     {"space", "bytes"},
     "alloc_space",
     false},
    {"threadcreate", {{"threadcreate", "count"}}, 1, {"threadcreate", "count"}, NULL, true},
};

/* A mapping of the profile to be: the modules of one file that the stacks touch, and the main one.
 */
struct mapping {
    const struct ebb_symbol_module *module;
    bool functions, files, lines, inlines;
    uint32_t number; /* in the profile */
};

struct known_location {
    uint64_t address;
    uint32_t number; /* in the profile */
};

struct conversion {
    const struct ebb_snapshot *snapshot;
    const struct flavour *flavour;
    struct ebb_symbolizer *symbolizer;
    struct ebb_profile_builder *builder;
    struct mappings EBB_VEC(struct mapping) mappings;
    struct known_locations EBB_VEC(struct known_location) locations;
    struct ebb_index location_index; /* by address */
    struct location_lines EBB_VEC(struct ebb_line) lines;
};

/* ---- mappings ---- */

static struct mapping *mapping_of(struct conversion *conversion, uint64_t address)
{
    const struct ebb_symbol_module *module = ebb_symbolizer_module(conversion->symbolizer, address);
    if (!module)
        return NULL;
    for (size_t i = conversion->mappings.len; i-- > 0;)
        if (conversion->mappings.items[i].module == module)
            return &conversion->mappings.items[i];
    if (ebb_vec_push(&conversion->mappings, (struct mapping){.module = module}) < 0)
        return NULL;
    return &conversion->mappings.items[conversion->mappings.len - 1];
}

static bool is_agent(const struct conversion *conversion, uint64_t return_address)
{
    const struct ebb_symbol_module *module =
        ebb_symbolizer_module(conversion->symbolizer, return_address - (return_address > 0));
    return module && ebb__is_agent_path(module->path);
}

static bool is_wanted(const struct conversion *conversion, const struct ebb_bucket *bucket)
{
    return bucket->alloc_samples > 0 &&
           (bucket->kind == EBB_KIND_THREAD) == conversion->flavour->threads;
}

/* The main program's mapping comes first, whether a stack touches it or not. */
static void find_main_mapping(struct conversion *conversion, const char *executable)
{
    for (size_t i = 0; i < conversion->snapshot->module_count; i++) {
        const struct ebb_module *module = &conversion->snapshot->modules[i];
        if (strcmp(module->path, executable) == 0) {
            mapping_of(conversion, module->start);
            return;
        }
    }
}

static void describe(struct mapping *mapping, const struct ebb_frame *frames, size_t count)
{
    /* A name like "module+0x1f" is where a function is, not which. */
    for (size_t i = 0; i < count; i++) {
        mapping->lines |= frames[i].line > 0;
        mapping->files |= *frames[i].file != '\0';
        mapping->inlines |= frames[i].inlined;
    }
    mapping->functions |= !strstr(frames[0].function, "+0x");
}

static void find_mappings(struct conversion *conversion)
{
    const struct ebb_snapshot *snapshot = conversion->snapshot;
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        if (!is_wanted(conversion, &snapshot->buckets[i]))
            continue;
        const struct ebb_stack *stack = &snapshot->stacks[snapshot->buckets[i].stack];
        for (size_t k = 0; k < stack->depth; k++) {
            uint64_t address = snapshot->frames[stack->first_frame + k];
            size_t count;
            if (is_agent(conversion, address))
                continue;
            const struct ebb_frame *frames =
                ebb_symbolize(conversion->symbolizer, address, true, &count);
            struct mapping *mapping = mapping_of(conversion, address - (address > 0));
            if (mapping)
                describe(mapping, frames, count);
        }
    }
}

static void add_mapping(struct conversion *conversion, struct mapping *mapping)
{
    const struct ebb_symbol_module *module = mapping->module;
    char build_id[2 * EBB_CHANNEL_BUILD_ID_BYTES + 1] = "";
    for (size_t i = 0; i < module->build_id_size && i < EBB_CHANNEL_BUILD_ID_BYTES; i++)
        snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
    struct ebb_mapping added = {
        .start = module->start,
        .limit = module->end,
        .offset = module->offset,
        .file = ebb_profile_builder_string(conversion->builder, module->path),
        .build_id = ebb_profile_builder_string(conversion->builder, build_id),
        .has_functions = mapping->functions,
        .has_filenames = mapping->files,
        .has_line_numbers = mapping->lines,
        .has_inline_frames = mapping->inlines,
    };
    mapping->number = ebb_profile_builder_mapping(conversion->builder, &added);
}

/* ---- locations ---- */

static uint32_t make_location(struct conversion *conversion, uint64_t return_address)
{
    size_t count;
    const struct ebb_frame *frames =
        ebb_symbolize(conversion->symbolizer, return_address, true, &count);
    conversion->lines.len = 0;
    for (size_t i = 0; i < count; i++) {
        struct ebb_line line = {
            ebb_profile_builder_function(conversion->builder, frames[i].function,
                                         frames[i].system_name, frames[i].file,
                                         frames[i].start_line),
            frames[i].line,
        };
        if (ebb_vec_push(&conversion->lines, line) < 0)
            break;
    }
    uint64_t address = return_address - (return_address > 0);
    const struct mapping *mapping = mapping_of(conversion, address);
    return ebb_profile_builder_location(conversion->builder, mapping ? mapping->number : EBB_NONE,
                                        address, conversion->lines.items, conversion->lines.len);
}

/* The location of an address, made the first time. 0 or -ENOMEM. */
static int location_of(struct conversion *conversion, uint64_t address, uint32_t *location)
{
    uint64_t hash = ebb_mix64(address);
    size_t probe = 0;
    for (uint32_t i;
         (i = ebb_index_probe(&conversion->location_index, hash, &probe)) != EBB_NONE;) {
        if (conversion->locations.items[i].address == address) {
            *location = conversion->locations.items[i].number;
            return 0;
        }
    }
    *location = make_location(conversion, address);
    if (ebb_vec_push(&conversion->locations, (struct known_location){address, *location}) < 0)
        return -ENOMEM;
    return ebb_index_add(&conversion->location_index, hash,
                         (uint32_t)conversion->locations.len - 1);
}

/* ---- samples ---- */

static int64_t objects(uint64_t scaled)
{
    return (int64_t)(scaled / EBB_OBJECT_SCALE +
                     (scaled % EBB_OBJECT_SCALE >= EBB_OBJECT_SCALE / 2));
}

/* A bucket's counters may be absurd in a damaged record; a profile's values are signed. */
static int64_t bytes(uint64_t count)
{
    return count > INT64_MAX ? INT64_MAX : (int64_t)count;
}

static int add_sample(struct conversion *conversion, const struct ebb_bucket *bucket,
                      uint32_t bytes_key)
{
    const struct ebb_snapshot *snapshot = conversion->snapshot;
    const struct ebb_stack *stack = &snapshot->stacks[bucket->stack];
    uint32_t locations[EBB_CHANNEL_MAX_FRAMES];
    size_t depth = 0;
    for (size_t i = 0; i < stack->depth; i++) {
        uint64_t address = snapshot->frames[stack->first_frame + i];
        if (is_agent(conversion, address))
            continue;
        if (location_of(conversion, address, &locations[depth++]) < 0)
            return -ENOMEM;
    }
    int64_t live_objects = objects(bucket->alloc_objects - bucket->free_objects);
    if (conversion->flavour->threads) {
        ebb_profile_builder_sample(conversion->builder, locations, depth, &live_objects, NULL, 0);
        return 0;
    }
    const int64_t values[] = {objects(bucket->alloc_objects), bytes(bucket->alloc_bytes),
                              live_objects, bytes(bucket->alloc_bytes - bucket->free_bytes)};
    /* The class's smallest size, not the mean of its blocks: labels tell samples apart, so one that
     * moves would keep profiles of different moments from being subtracted. */
    struct ebb_label label = {.key = bytes_key,
                              .number = (int64_t)ebb_size_class_floor(bucket->size_class)};
    ebb_profile_builder_sample(conversion->builder, locations, depth, values, &label, 1);
    return 0;
}

static void fill_header(struct conversion *conversion, const struct ebb_identity *identity)
{
    struct ebb_profile_builder *builder = conversion->builder;
    const struct ebb_snapshot *snapshot = conversion->snapshot;
    const struct flavour *flavour = conversion->flavour;
    uint64_t ran_ns =
        snapshot->taken_ns > identity->started_ns ? snapshot->taken_ns - identity->started_ns : 0;
    struct ebb_value_type period_type = {
        ebb_profile_builder_string(builder, flavour->period_type[0]),
        ebb_profile_builder_string(builder, flavour->period_type[1]),
    };
    uint32_t default_type =
        flavour->default_type ? ebb_profile_builder_string(builder, flavour->default_type) : 0;
    struct ebb_profile *header = ebb_profile_builder_header(builder);
    header->period_type = period_type;
    header->period = flavour->threads ? 1 : bytes(snapshot->period);
    header->time_ns = bytes(identity->started_realtime_ns + ran_ns);
    header->duration_ns = bytes(ran_ns);
    header->default_type = default_type;
}

static int convert(struct conversion *conversion, const struct ebb_identity *identity)
{
    const struct ebb_snapshot *snapshot = conversion->snapshot;
    find_main_mapping(conversion, identity->executable);
    find_mappings(conversion);
    for (size_t i = 0; i < conversion->flavour->type_count; i++)
        ebb_profile_builder_type(conversion->builder, conversion->flavour->types[i][0],
                                 conversion->flavour->types[i][1]);
    for (size_t i = 0; i < conversion->mappings.len; i++)
        add_mapping(conversion, &conversion->mappings.items[i]);
    fill_header(conversion, identity);
    uint32_t bytes_key = ebb_profile_builder_string(conversion->builder, "bytes");
    for (size_t i = 0; i < snapshot->bucket_count; i++)
        if (is_wanted(conversion, &snapshot->buckets[i]) &&
            add_sample(conversion, &snapshot->buckets[i], bytes_key) < 0)
            return -ENOMEM;
    return 0;
}

int ebb__snapshot_profile(const struct ebb_snapshot *snapshot, const struct ebb_identity *identity,
                          struct ebb_symbolizer *symbolizer, const char *name,
                          struct ebb_profile **profile, struct ebb_error *error)
{
    const struct flavour *flavour = NULL;
    *profile = NULL;
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours; i++)
        if (strcmp(flavours[i].name, name) == 0)
            flavour = &flavours[i];
    if (!flavour)
        return ebb_error_set(error, -ENOENT,
                             "no profile '%s' of a process; there are heap, allocs, threadcreate",
                             name);
    struct conversion conversion = {
        .snapshot = snapshot,
        .flavour = flavour,
        .symbolizer = symbolizer,
        .builder = ebb_profile_builder_new(),
    };
    int code = conversion.builder ? convert(&conversion, identity) : -ENOMEM;
    ebb_vec_free(&conversion.mappings);
    ebb_vec_free(&conversion.lines);
    ebb_vec_free(&conversion.locations);
    ebb_index_free(&conversion.location_index);
    if (code == 0)
        return ebb_profile_builder_finish(conversion.builder, profile, error);
    if (conversion.builder)
        ebb_profile_builder_abandon(conversion.builder);
    return ebb_error_set(error, code, "out of memory for the profile of process %d",
                         (int)identity->pid);
}
