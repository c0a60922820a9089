/* The legacy text form of a profile: see ebb_pprof_text in pprof.h.
 *
 *     heap profile: 2: 1024 [5: 4096] @ heap/1048576
 *     1: 512 [2: 1024] @ 0x4011b6 0x40120c
 *     #	0x4011b5	insert	/src/cache.c:41
 *
 * Heap counts are unbiased in the profile, but of sampled blocks in this form: a reader multiplies
 * them by 1 / (1 - exp(-mean size / period)). So they are divided by that here. Addresses are
 * return addresses in this form, one past those of the profile; the `#` lines repeat what the
 * profile knows about them. */
#include "tool/serve/pprof.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct counts {
    int64_t live_objects, live_bytes, alloc_objects, alloc_bytes;
};

/* Which value of a sample is which; EBB_NONE where the profile has none. */
struct columns {
    uint32_t live_objects, live_bytes, alloc_objects, alloc_bytes;
};

static uint32_t column(const struct ebb_profile *profile, const char *type)
{
    for (size_t i = 0; i < profile->type_count; i++)
        if (strcmp(ebb_profile_string(profile, profile->types[i].type), type) == 0)
            return (uint32_t)i;
    return EBB_NONE;
}

static int64_t value_at(const struct ebb_profile *profile, size_t sample, uint32_t column)
{
    return column == EBB_NONE ? 0 : profile->values[sample * profile->type_count + column];
}

/* The mean block size of a sample: what its values say, within what its label says. The label
 * `bytes` is the smallest size of a class that spans a quarter; few objects have been rounded a
 * lot. */
static double block_size(const struct ebb_profile *profile, size_t sample, int64_t objects,
                         int64_t bytes)
{
    double mean = objects > 0 ? (double)bytes / (double)objects : 0;
    if (profile->label_start)
        for (uint64_t l = profile->label_start[sample]; l < profile->label_start[sample + 1]; l++)
            if (strcmp(ebb_profile_string(profile, profile->labels[l].key), "bytes") == 0 &&
                profile->labels[l].number > 0) {
                double least = (double)profile->labels[l].number;
                return fmin(fmax(mean, least), 1.25 * least);
            }
    return mean;
}

/* Turns unbiased estimates back into what was sampled. Bytes are the finer measure of the two, so
 * the number of blocks follows from them. */
static void unscale(int64_t *objects, int64_t *bytes, double size, int64_t period)
{
    if (period <= 1 || *objects == 0 || size <= 0)
        return;
    *bytes = llround((double)*bytes * -expm1(-size / (double)period));
    int64_t count = llround((double)*bytes / size);
    *objects = count != 0 ? count : *objects > 0 ? 1 : -1;
}

static struct counts sample_counts(const struct ebb_profile *profile, const struct columns *columns,
                                   size_t sample)
{
    struct counts counts = {
        .live_objects = value_at(profile, sample, columns->live_objects),
        .live_bytes = value_at(profile, sample, columns->live_bytes),
        .alloc_objects = value_at(profile, sample, columns->alloc_objects),
        .alloc_bytes = value_at(profile, sample, columns->alloc_bytes),
    };
    double size = block_size(profile, sample, counts.alloc_objects, counts.alloc_bytes);
    unscale(&counts.live_objects, &counts.live_bytes, size, profile->period);
    unscale(&counts.alloc_objects, &counts.alloc_bytes, size, profile->period);
    return counts;
}

static void put_stack(FILE *out, const struct ebb_profile *profile, size_t sample)
{
    const uint64_t start = profile->stack_start[sample], end = profile->stack_start[sample + 1];
    for (uint64_t i = start; i < end; i++)
        fprintf(out, " 0x%" PRIx64, profile->locations[profile->stack[i]].address + 1);
    fputc('\n', out);
    for (uint64_t i = start; i < end; i++) {
        const struct ebb_location *location = &profile->locations[profile->stack[i]];
        for (uint32_t l = 0; l < location->line_count; l++) {
            const struct ebb_line *line = &profile->lines[location->first_line + l];
            if (line->function == EBB_NONE)
                continue;
            const struct ebb_function *function = &profile->functions[line->function];
            fprintf(out, "#\t0x%" PRIx64 "\t%s\t%s:%" PRId64 "\n", location->address,
                    ebb_profile_string(profile, function->name),
                    ebb_profile_string(profile, function->file), line->line);
        }
    }
}

static void put_mappings(FILE *out, const struct ebb_profile *profile)
{
    fputs("\nMAPPED_LIBRARIES:\n", out);
    for (size_t i = 0; i < profile->mapping_count; i++) {
        const struct ebb_mapping *mapping = &profile->mappings[i];
        fprintf(out, "%08" PRIx64 "-%08" PRIx64 " r-xp %08" PRIx64 " 00:00 0 %s\n", mapping->start,
                mapping->limit, mapping->offset, ebb_profile_string(profile, mapping->file));
    }
}

struct ranked {
    int64_t weight;
    size_t sample;
};

static int heavier_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->sample < y->sample ? -1 : 1;
}

/* Samples in the order in which a person wants to read them; NULL when there is no memory. */
static struct ranked *rank(const struct ebb_profile *profile, uint32_t by)
{
    struct ranked *order = calloc(profile->sample_count + 1, sizeof *order);
    for (size_t i = 0; order && i < profile->sample_count; i++)
        order[i] = (struct ranked){value_at(profile, i, by), i};
    if (order)
        qsort(order, profile->sample_count, sizeof *order, heavier_first);
    return order;
}

static void put_heap(FILE *out, const struct ebb_profile *profile, const struct ranked *order,
                     const struct columns *columns)
{
    struct counts total = {0};
    for (size_t i = 0; i < profile->sample_count; i++) {
        struct counts counts = sample_counts(profile, columns, i);
        total.live_objects += counts.live_objects;
        total.live_bytes += counts.live_bytes;
        total.alloc_objects += counts.alloc_objects;
        total.alloc_bytes += counts.alloc_bytes;
    }
    fprintf(out,
            "heap profile: %" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @ heap/%" PRId64
            "\n",
            total.live_objects, total.live_bytes, total.alloc_objects, total.alloc_bytes,
            2 * (profile->period > 0 ? profile->period : 1));
    for (size_t i = 0; i < profile->sample_count; i++) {
        struct counts counts = sample_counts(profile, columns, order[i].sample);
        fprintf(out, "%" PRId64 ": %" PRId64 " [%" PRId64 ": %" PRId64 "] @", counts.live_objects,
                counts.live_bytes, counts.alloc_objects, counts.alloc_bytes);
        put_stack(out, profile, order[i].sample);
    }
}

static void put_counts(FILE *out, const struct ebb_profile *profile, const struct ranked *order,
                       const char *name)
{
    int64_t total = 0;
    for (size_t i = 0; i < profile->sample_count; i++)
        total += order[i].weight;
    fprintf(out, "%s profile: total %" PRId64 "\n", name, total);
    for (size_t i = 0; i < profile->sample_count; i++) {
        fprintf(out, "%" PRId64 " @", order[i].weight);
        put_stack(out, profile, order[i].sample);
    }
}

void ebb_pprof_text(FILE *out, const struct ebb_profile *profile, const char *name)
{
    const struct columns columns = {
        .live_objects = column(profile, "inuse_objects"),
        .live_bytes = column(profile, "inuse_space"),
        .alloc_objects = column(profile, "alloc_objects"),
        .alloc_bytes = column(profile, "alloc_space"),
    };
    bool is_heap = columns.live_bytes != EBB_NONE;
    uint32_t first = profile->type_count > 0 ? 0 : EBB_NONE;
    struct ranked *order = rank(profile, is_heap ? columns.live_bytes : first);
    if (!order) {
        fputs("out of memory\n", out);
        return;
    }
    if (is_heap)
        put_heap(out, profile, order, &columns);
    else
        put_counts(out, profile, order, name);
    put_mappings(out, profile);
    free(order);
}
