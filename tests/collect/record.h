/* Records written by hand: what a program might have left, without the program. */
#ifndef EBB_TESTS_COLLECT_RECORD_H
#define EBB_TESTS_COLLECT_RECORD_H

#include "base/vec.h"
#include "channel/layout.h"

#include <sys/types.h>

struct record {
    struct ebb_channel_header header;
    struct record_shards EBB_VEC(struct ebb_shard) shards;
    struct record_modules EBB_VEC(struct ebb_module) modules;
    struct record_frames EBB_VEC(uint64_t) frames;
    struct record_stacks EBB_VEC(struct ebb_stack) stacks;
    struct record_buckets EBB_VEC(struct ebb_bucket) buckets;
    struct record_samples EBB_VEC(struct ebb_sample) samples;
    struct record_maps EBB_VEC(struct ebb_map_entry) maps;
};

/* A record of process `pid` in state RUNNING that began at `started_ns`. */
void record_init(struct record *record, pid_t pid, uint64_t period, uint64_t started_ns);
void record_free(struct record *record);

/* A stack of `depth` return addresses; its number. */
uint32_t record_stack(struct record *record, const uint64_t *addresses, uint16_t depth);
/* An empty bucket; its number. */
uint32_t record_bucket(struct record *record, uint32_t stack, uint64_t size, enum ebb_kind kind);
/* Counts `count` sampled blocks of `size` bytes in a bucket: allocated, or freed again. */
void record_alloc(struct record *record, uint32_t bucket, uint64_t size, uint64_t count);
void record_freed(struct record *record, uint32_t bucket, uint64_t size, uint64_t count);
/* A live block, counted as allocated. */
void record_live(struct record *record, uint32_t bucket, uint64_t size, uint64_t birth_ns);

void record_write(struct record *record, const char *path);

/* A pid that nobody has; and the start time of this process in clock ticks. */
pid_t record_dead_pid(void);
uint64_t record_own_ticks(void);

#endif
