/* libFuzzer target: the channel reader on arbitrary records. Each input becomes a file, is opened,
 * copied twice into the same buffers and checked against what reader.h promises. */
#include "channel/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool promise)
{
    if (!promise)
        abort();
}

static void check_snapshot(const struct ebb_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->stack_count; i++)
        check((size_t)snapshot->stacks[i].first_frame + snapshot->stacks[i].depth <=
              snapshot->frame_count);
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        const struct ebb_bucket *bucket = &snapshot->buckets[i];
        check(bucket->stack < snapshot->stack_count && bucket->kind < EBB_KIND_COUNT &&
              bucket->size_class < EBB_SIZE_CLASSES);
        check(bucket->free_bytes <= bucket->alloc_bytes &&
              bucket->free_objects <= bucket->alloc_objects &&
              bucket->free_samples <= bucket->alloc_samples);
    }
    for (size_t i = 0; i < snapshot->sample_count; i++)
        check(snapshot->samples[i].bucket < snapshot->bucket_count);
    for (size_t i = 0; i < snapshot->map_count; i++) {
        const struct ebb_map_entry *map = &snapshot->maps[i];
        check(map->sequence != 0 && memchr(map->name, 0, sizeof map->name) != NULL);
        check(map->stack < snapshot->stack_count || map->stack == UINT32_MAX);
        check(map->born_ns <= map->updated_ns && map->updated_ns <= snapshot->taken_ns);
    }
    for (size_t i = 0; i < snapshot->module_count; i++)
        check(memchr(snapshot->modules[i].path, 0, sizeof snapshot->modules[i].path) != NULL);
}

/* Writes the input to the scratch file, except that a record which says it is being born would be
 * waited for, so it says something else; false when it cannot be written. */
static bool put(int fd, const uint8_t *data, size_t size)
{
    const size_t at = offsetof(struct ebb_channel_header, state);
    uint32_t state;
    if (size < at + sizeof state || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) < 0)
        return false;
    memcpy(&state, data + at, sizeof state);
    if (state == EBB_STATE_STARTING) {
        state = EBB_STATE_EXITED;
        return pwrite(fd, &state, sizeof state, (off_t)at) == sizeof state;
    }
    return true;
}

static char path[64]; /* of the scratch file */

static void remove_scratch(void)
{
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static struct ebb_snapshot snapshot;
    struct ebb_reader *reader;
    uint64_t magic = 0;
    if (fd < 0) {
        snprintf(path, sizeof path, "/dev/shm/fuzz-channel-%d", (int)getpid());
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        check(fd >= 0 && atexit(remove_scratch) == 0);
    }
    memcpy(&magic, data, size < sizeof magic ? size : sizeof magic);
    if (magic == 0 || !put(fd, data, size) || ebb_reader_open_path(path, &reader, NULL) < 0)
        return 0;
    for (int i = 0; i < 2; i++)
        if (ebb_reader_snapshot(reader, &snapshot, NULL) == 0)
            check_snapshot(&snapshot);
    ebb_reader_close(reader);
    return 0;
}
