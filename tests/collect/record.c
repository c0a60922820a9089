/* See record.h. Every table is one chunk. */
#include "record.h"

#include "channel/reader.h"
#include "scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

void record_init(struct record *record, pid_t pid, uint64_t period, uint64_t started_ns)
{
    *record = (struct record){
        .header =
            {
                .magic = EBB_CHANNEL_MAGIC,
                .version = EBB_CHANNEL_VERSION,
                .byte_order = EBB_CHANNEL_BYTE_ORDER,
                .header_size = sizeof record->header,
                .state = EBB_STATE_RUNNING,
                .pid = (uint32_t)pid,
                .parent_pid = 1,
                .start_ticks = 1,
                .started_realtime_ns = UINT64_C(1700000000000000000),
                .started_ns = started_ns,
                .period = period,
                .page_size = 4096,
                .threads = 1,
                .executable = "/no/such/program",
            },
    };
}

void record_free(struct record *record)
{
    ebb_vec_free(&record->shards);
    ebb_vec_free(&record->modules);
    ebb_vec_free(&record->frames);
    ebb_vec_free(&record->stacks);
    ebb_vec_free(&record->buckets);
    ebb_vec_free(&record->samples);
    ebb_vec_free(&record->maps);
}

uint32_t record_stack(struct record *record, const uint64_t *addresses, uint16_t depth)
{
    struct ebb_stack stack = {.first_frame = (uint32_t)record->frames.len, .depth = depth};
    for (uint16_t i = 0; i < depth; i++)
        assert_int_equal(ebb_vec_push(&record->frames, addresses[i]), 0);
    assert_int_equal(ebb_vec_push(&record->stacks, stack), 0);
    return (uint32_t)record->stacks.len - 1;
}

uint32_t record_bucket(struct record *record, uint32_t stack, uint64_t size, enum ebb_kind kind)
{
    struct ebb_bucket bucket = {
        .stack = stack, .size_class = ebb_size_class(size), .kind = (uint8_t)kind};
    assert_int_equal(ebb_vec_push(&record->buckets, bucket), 0);
    return (uint32_t)record->buckets.len - 1;
}

static double weight(const struct record *record, uint32_t bucket, uint64_t size)
{
    return ebb_sample_weight(size, record->header.period, record->buckets.items[bucket].kind);
}

void record_alloc(struct record *record, uint32_t bucket, uint64_t size, uint64_t count)
{
    struct ebb_bucket *counters = &record->buckets.items[bucket];
    double each = weight(record, bucket, size);
    counters->alloc_samples += count;
    counters->alloc_objects += (uint64_t)((double)count * each * EBB_OBJECT_SCALE + 0.5);
    counters->alloc_bytes += (uint64_t)((double)count * each * (double)size + 0.5);
}

void record_freed(struct record *record, uint32_t bucket, uint64_t size, uint64_t count)
{
    struct ebb_bucket *counters = &record->buckets.items[bucket];
    double each = weight(record, bucket, size);
    record_alloc(record, bucket, size, count);
    counters->free_samples += count;
    counters->free_objects += (uint64_t)((double)count * each * EBB_OBJECT_SCALE + 0.5);
    counters->free_bytes += (uint64_t)((double)count * each * (double)size + 0.5);
}

void record_live(struct record *record, uint32_t bucket, uint64_t size, uint64_t birth_ns)
{
    struct ebb_sample sample = {
        .sequence = record->samples.len + 1,
        .size = size,
        .birth_ns = birth_ns,
        .bucket = bucket,
    };
    record_alloc(record, bucket, size, 1);
    assert_int_equal(ebb_vec_push(&record->samples, sample), 0);
}

static void write_table(FILE *file, struct ebb_table_directory *directory, const void *items,
                        size_t count, size_t size)
{
    long at = (ftell(file) + 63) & ~63L;
    *directory = (struct ebb_table_directory){.entry_size = (uint32_t)size};
    if (count == 0)
        return;
    while (((size_t)1 << directory->first_shift) < count)
        directory->first_shift++;
    directory->used = (uint32_t)count;
    directory->chunks = 1;
    directory->chunk_offset[0] = (uint64_t)at;
    assert_int_equal(fseek(file, at, SEEK_SET), 0);
    assert_int_equal(fwrite(items, size, count, file), count);
}

void record_write(struct record *record, const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(&record->header, sizeof record->header, 1, file), 1);
#define TABLE(which, vec)                                                                          \
    write_table(file, &record->header.table[which], (vec).items, (vec).len, sizeof *(vec).items)
    TABLE(EBB_TABLE_SHARDS, record->shards);
    TABLE(EBB_TABLE_MODULES, record->modules);
    TABLE(EBB_TABLE_FRAMES, record->frames);
    TABLE(EBB_TABLE_STACKS, record->stacks);
    TABLE(EBB_TABLE_BUCKETS, record->buckets);
    TABLE(EBB_TABLE_SAMPLES, record->samples);
    TABLE(EBB_TABLE_MAPS, record->maps);
    record->header.file_size = (uint64_t)ftell(file);
    rewind(file);
    assert_int_equal(fwrite(&record->header, sizeof record->header, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

pid_t record_dead_pid(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

uint64_t record_own_ticks(void)
{
    char *line = scratch_output("sed 's/.*) //' /proc/%d/stat | cut -d' ' -f20", (int)getpid());
    return strtoull(line, NULL, 10);
}
