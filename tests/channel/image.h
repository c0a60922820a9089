/* Records made by hand from layout.h, in memory: every entry's contents follow from its number, so
 * that a test knows what a reader must find. */
#ifndef EBB_TESTS_CHANNEL_IMAGE_H
#define EBB_TESTS_CHANNEL_IMAGE_H

#include "channel/layout.h"

#include <stdbool.h>
#include <stddef.h>

struct image_plan {
    uint32_t pid;
    uint64_t start_ticks, session;
    uint32_t count[EBB_TABLE_COUNT]; /* entries; stacks need 3 frames each, buckets a stack */
    uint32_t first_shift;            /* small ones give many chunks */
};

struct image {
    uint8_t *bytes; /* starts with a struct ebb_channel_header */
    size_t size;
};

/* Makes the record; the caller frees `bytes`. */
struct image image_make(const struct image_plan *plan);

/* Where entry `index` of a table lies in the file. */
uint64_t image_offset(const struct image *image, enum ebb_table table, uint32_t index);

/* The contents. */
struct ebb_bucket image_bucket(const struct image_plan *plan, uint32_t index);
struct ebb_map_entry image_map(const struct image_plan *plan, uint32_t index);
struct ebb_sample image_sample(const struct image_plan *plan,
                               uint32_t index); /* sequence 0: free */
struct ebb_stack image_stack(uint32_t index);
uint64_t image_frame(uint32_t index);
struct ebb_shard image_shard(uint32_t index);

#endif
