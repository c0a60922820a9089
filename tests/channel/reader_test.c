/* The reader: finds what was written, and survives everything else: records cut short at every
 * length, with flipped bits, with wrong headers, that shrink or change while they are read. */
#include "base/clock.h"
#include "channel/reader.h"
#include "tests/channel/image.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char path[200]; /* of the scratch record */

static const struct image_plan plain = {
    .pid = 4000000,
    .start_ticks = 7,
    .session = 99,
    .count = {[EBB_TABLE_SHARDS] = 5,
              [EBB_TABLE_MODULES] = 3,
              [EBB_TABLE_FRAMES] = 150,
              [EBB_TABLE_STACKS] = 50,
              [EBB_TABLE_BUCKETS] = 90,
              [EBB_TABLE_SAMPLES] = 300,
              [EBB_TABLE_MAPS] = 40},
    .first_shift = 2,
};

static unsigned seed(void)
{
    const char *given = getenv("EBB_TEST_SEED");
    unsigned value = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)ebb_clock_ns();
    print_message("seed %u\n", value);
    srandom(value);
    return value;
}

static void put_file(const char *name, const void *bytes, size_t size)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static struct ebb_channel_header *header_of(struct image *image)
{
    return (void *)image->bytes;
}

/* What reader.h promises of every snapshot. */
static void assert_sound(const struct ebb_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->stack_count; i++) {
        assert_true(snapshot->stacks[i].depth <= EBB_CHANNEL_MAX_FRAMES);
        assert_true((size_t)snapshot->stacks[i].first_frame + snapshot->stacks[i].depth <=
                    snapshot->frame_count);
    }
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        const struct ebb_bucket *bucket = &snapshot->buckets[i];
        assert_true(bucket->stack < snapshot->stack_count);
        assert_true(bucket->kind < EBB_KIND_COUNT && bucket->size_class < EBB_SIZE_CLASSES);
        assert_true(bucket->alloc_samples >= bucket->free_samples);
        assert_true(bucket->alloc_objects >= bucket->free_objects);
        assert_true(bucket->alloc_bytes >= bucket->free_bytes);
        assert_true(bucket->last_ns <= snapshot->taken_ns);
    }
    for (size_t i = 0; i < snapshot->sample_count; i++) {
        assert_true(snapshot->samples[i].bucket < snapshot->bucket_count);
        assert_true(snapshot->samples[i].sequence != 0);
        assert_true(snapshot->samples[i].birth_ns <= snapshot->taken_ns);
    }
    for (size_t i = 0; i < snapshot->module_count; i++) {
        const struct ebb_module *module = &snapshot->modules[i];
        assert_true(memchr(module->path, 0, sizeof module->path) != NULL);
        assert_true(module->build_id_size <= sizeof module->build_id);
        assert_true(module->start <= module->end);
        for (const char *at = module->path; *at; at++)
            assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);
    }
}

/* Opens the scratch record and takes a snapshot; 0 or the first error, which must have a line. */
static int read_it(struct ebb_snapshot *snapshot)
{
    struct ebb_reader *reader;
    struct ebb_error error = {""};
    int code = ebb_reader_open_path(path, &reader, &error);
    if (code == 0) {
        code = ebb_reader_snapshot(reader, snapshot, &error);
        if (code == 0)
            assert_sound(snapshot);
        ebb_reader_close(reader);
    } else {
        assert_null(reader);
    }
    assert_true(code == 0 || error.text[0] != 0);
    return code;
}

static int read_image(const struct image *image, size_t size, struct ebb_snapshot *snapshot)
{
    put_file(path, image->bytes, size);
    return read_it(snapshot);
}

/* --- what is there is found ------------------------------------------------------------------- */

static void assert_whole(const struct image_plan *plan, const struct ebb_snapshot *snapshot)
{
    const uint32_t *count = plan->count;
    assert_int_equal(snapshot->frame_count, count[EBB_TABLE_FRAMES]);
    assert_int_equal(snapshot->stack_count, count[EBB_TABLE_STACKS]);
    assert_int_equal(snapshot->bucket_count, count[EBB_TABLE_BUCKETS]);
    assert_int_equal(snapshot->module_count, count[EBB_TABLE_MODULES]);
    for (uint32_t i = 0; i < count[EBB_TABLE_FRAMES]; i++)
        assert_int_equal(snapshot->frames[i], image_frame(i));
    for (uint32_t i = 0; i < count[EBB_TABLE_STACKS]; i++) {
        struct ebb_stack stack = image_stack(i);
        assert_memory_equal(&snapshot->stacks[i], &stack, sizeof stack);
    }
    for (uint32_t i = 0; i < count[EBB_TABLE_BUCKETS]; i++) {
        struct ebb_bucket bucket = image_bucket(plan, i);
        assert_memory_equal(&snapshot->buckets[i], &bucket, sizeof bucket);
    }
    size_t live = 0;
    for (uint32_t i = 0; i < count[EBB_TABLE_SAMPLES]; i++) {
        struct ebb_sample sample = image_sample(plan, i);
        if (sample.sequence)
            assert_memory_equal(&snapshot->samples[live++], &sample, sizeof sample);
    }
    assert_int_equal(snapshot->sample_count, live);
    size_t maps = 0;
    for (uint32_t i = 0; i < count[EBB_TABLE_MAPS]; i++) {
        struct ebb_map_entry map = image_map(plan, i);
        if (map.sequence)
            assert_memory_equal(&snapshot->maps[maps++], &map, sizeof map);
    }
    assert_int_equal(snapshot->map_count, maps);
    uint64_t allocs = 0, frees = 0, bytes = 0;
    for (uint32_t i = 0; i < count[EBB_TABLE_SHARDS]; i++) {
        struct ebb_shard shard = image_shard(i);
        allocs += shard.allocs;
        frees += shard.frees;
        bytes += shard.drawn - (uint64_t)shard.countdown - shard.allocs;
    }
    assert_int_equal(snapshot->allocs, allocs);
    assert_int_equal(snapshot->frees, frees);
    assert_int_equal(snapshot->alloc_bytes, bytes);
    assert_int_equal(snapshot->sampled, 2 * count[EBB_TABLE_SHARDS]);
}

static void reads_everything(void **state)
{
    (void)state;
    struct ebb_snapshot snapshot = {0};
    for (uint32_t shift = 0; shift < 10; shift++) { /* from nine chunks to one */
        struct image_plan plan = plain;
        plan.first_shift = shift;
        struct image image = image_make(&plan);
        assert_int_equal(read_image(&image, image.size, &snapshot), 0);
        assert_whole(&plan, &snapshot);
        assert_int_equal(snapshot.state, EBB_STATE_RUNNING);
        assert_int_equal(snapshot.period, 524288);
        assert_int_equal(snapshot.threads, 3);
        assert_int_equal(snapshot.threads_created, 5);
        assert_int_equal(snapshot.lost_frees, 1);
        assert_string_equal(snapshot.modules[2].path, "/usr/lib/libmodule-2.so");
        /* The process is gone and did not say when: the last sign of life. */
        assert_int_equal(snapshot.taken_ns, 5000 + plan.count[EBB_TABLE_BUCKETS] - 1);
        free(image.bytes);
    }
    ebb_snapshot_free(&snapshot);
    assert_null(snapshot.buckets);
}

static void reads_tables_larger_than_a_block(void **state)
{
    (void)state;
    struct image_plan plan = plain;
    plan.count[EBB_TABLE_FRAMES] = 30000;
    plan.count[EBB_TABLE_STACKS] = 10000;
    plan.count[EBB_TABLE_BUCKETS] = 20000;
    plan.count[EBB_TABLE_SAMPLES] = 70000;
    plan.count[EBB_TABLE_SHARDS] = 3000;
    plan.count[EBB_TABLE_MAPS] = 2000;
    struct image image = image_make(&plan);
    struct ebb_snapshot snapshot = {0};
    assert_int_equal(read_image(&image, image.size, &snapshot), 0);
    assert_whole(&plan, &snapshot);
    free(image.bytes);
    image = image_make(&plain); /* a smaller one into the same buffers */
    const void *buckets = snapshot.buckets;
    assert_int_equal(read_image(&image, image.size, &snapshot), 0);
    assert_whole(&plain, &snapshot);
    assert_ptr_equal(snapshot.buckets, buckets);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

static void identity_is_clean(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    struct ebb_channel_header *header = header_of(&image);
    struct ebb_reader *reader;
    strcpy(header->executable, "/tmp/a\nb\x1b[31m\xff\xc3\xa4\xe2\x82\xac\xc0\xaf\xed\xa0\x80");
    memset(header->allocator, 'x', sizeof header->allocator);
    memset(header->command, '\x9b', sizeof header->command);
    header->command_size = UINT32_MAX;
    put_file(path, image.bytes, image.size);
    assert_int_equal(ebb_reader_open_path(path, &reader, NULL), 0);
    const struct ebb_identity *identity = ebb_reader_identity(reader);
    assert_string_equal(identity->executable, "/tmp/a?b?[31m?\xc3\xa4\xe2\x82\xac?????");
    assert_int_equal(strlen(identity->allocator), sizeof header->allocator - 1);
    assert_int_equal(identity->command_size, sizeof header->command);
    assert_int_equal(strspn(identity->command, "?"), sizeof header->command - 1);
    assert_int_equal(identity->session, 99);
    assert_int_equal(identity->pid, 4000000);
    assert_false(ebb_reader_alive(reader));
    ebb_reader_close(reader);
    free(image.bytes);
}

/* --- what is wrong is refused or left out ----------------------------------------------------- */

static void headers_that_are_wrong(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    const struct ebb_channel_header good = *header_of(&image);
    struct ebb_snapshot snapshot = {0};
#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        *header_of(&image) = good;                                                                 \
        header_of(&image)->field = (value);                                                        \
        assert_int_equal(read_image(&image, image.size, &snapshot), -EBADMSG);                     \
    } while (0)
    REFUSED(magic, 1);
    REFUSED(magic, __builtin_bswap64(EBB_CHANNEL_MAGIC));
    REFUSED(version, EBB_CHANNEL_VERSION + 1);
    REFUSED(version, 0);
    REFUSED(byte_order, UINT32_C(0x04030201));
    REFUSED(header_size, sizeof good - 8);
    REFUSED(state, EBB_STATE_REPLACED + 1);
    REFUSED(pid, 0);
    REFUSED(pid, UINT32_MAX);
    REFUSED(period, 0);
    for (int table = 0; table < EBB_TABLE_COUNT; table++) {
        REFUSED(table[table].entry_size, 0);
        REFUSED(table[table].entry_size, 8 * sizeof(struct ebb_bucket));
        REFUSED(table[table].first_shift, 31);
        REFUSED(table[table].first_shift, 64);
        REFUSED(table[table].chunks, EBB_CHANNEL_MAX_CHUNKS + 1);
    }
    *header_of(&image) = good;
    header_of(&image)->state = EBB_STATE_STARTING;
    assert_int_equal(read_image(&image, image.size, &snapshot), -EAGAIN);
    assert_int_equal(read_image(&image, 0, &snapshot), -EAGAIN);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

static void references_that_are_wrong(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    struct ebb_snapshot snapshot = {0};
    struct ebb_bucket *bucket = (void *)(image.bytes + image_offset(&image, EBB_TABLE_BUCKETS, 10));
    struct ebb_stack *stack = (void *)(image.bytes + image_offset(&image, EBB_TABLE_STACKS, 20));
    struct ebb_sample *sample = (void *)(image.bytes + image_offset(&image, EBB_TABLE_SAMPLES, 11));
    bucket->stack = 50;
    stack->first_frame = 148;
    sample->bucket = 90;
    struct ebb_map_entry *map = (void *)(image.bytes + image_offset(&image, EBB_TABLE_MAPS, 1));
    map->stack = 50;
    memset(map->name, 'x', sizeof map->name);
    assert_int_equal(read_image(&image, image.size, &snapshot), 0);
    assert_int_equal(snapshot.bucket_count, 90);
    assert_int_equal(snapshot.buckets[10].alloc_bytes, 0);
    assert_int_not_equal(snapshot.buckets[11].alloc_bytes, 0);
    assert_int_equal(snapshot.stacks[20].depth, 0);
    assert_int_equal(snapshot.maps[0].stack, UINT32_MAX);
    assert_int_equal(strlen(snapshot.maps[0].name), sizeof map->name - 1);
    for (size_t i = 0; i < snapshot.sample_count; i++)
        assert_true(snapshot.samples[i].sequence != 12 && snapshot.samples[i].bucket != 10);
    assert_int_equal(snapshot.sample_count, 200 - 1 - 4);

    header_of(&image)->table[EBB_TABLE_STACKS].used = 0; /* nothing left to refer to */
    assert_int_equal(read_image(&image, image.size, &snapshot), 0);
    assert_int_equal(snapshot.bucket_count, 0);
    assert_int_equal(snapshot.sample_count, 0);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

static void live_is_never_negative(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    struct ebb_snapshot snapshot = {0};
    struct ebb_bucket *bucket = (void *)(image.bytes + image_offset(&image, EBB_TABLE_BUCKETS, 3));
    struct ebb_shard *shard = (void *)(image.bytes + image_offset(&image, EBB_TABLE_SHARDS, 0));
    bucket->free_bytes = bucket->alloc_bytes + 1;
    bucket->free_objects = UINT64_MAX;
    shard->countdown = INT64_MAX;
    assert_int_equal(read_image(&image, image.size, &snapshot), 0);
    assert_int_equal(snapshot.buckets[3].free_bytes, snapshot.buckets[3].alloc_bytes);
    assert_int_equal(snapshot.buckets[3].free_objects, snapshot.buckets[3].alloc_objects);
    assert_true(snapshot.alloc_bytes < UINT64_C(5000000));
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

/* Chunks that lie on one another, far outside, in holes: the count stays within the file. */
static void counts_are_held_against_the_file(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    struct ebb_snapshot snapshot = {0};
    for (int table = 0; table < EBB_TABLE_COUNT; table++) {
        struct ebb_table_directory *directory = &header_of(&image)->table[table];
        directory->used = UINT32_MAX;
        directory->chunks = EBB_CHANNEL_MAX_CHUNKS;
        for (int chunk = 0; chunk < EBB_CHANNEL_MAX_CHUNKS; chunk++)
            directory->chunk_offset[chunk] = sizeof(struct ebb_channel_header);
    }
    assert_int_equal(read_image(&image, image.size, &snapshot), 0);
    size_t bytes = snapshot.capacity[EBB_TABLE_BUCKETS] * sizeof(struct ebb_bucket) +
                   snapshot.capacity[EBB_TABLE_MODULES] * sizeof(struct ebb_module) +
                   snapshot.capacity[EBB_TABLE_SAMPLES] * sizeof(struct ebb_sample) +
                   snapshot.capacity[EBB_TABLE_FRAMES] * sizeof(uint64_t) +
                   snapshot.capacity[EBB_TABLE_STACKS] * sizeof(struct ebb_stack);
    assert_true(bytes <= 16 * image.size);

    assert_int_equal(truncate(path, INT64_C(1) << 40), 0); /* a hole of a terabyte */
    ebb_snapshot_free(&snapshot);
    assert_int_equal(read_it(&snapshot), 0);
    assert_true(snapshot.capacity[EBB_TABLE_BUCKETS] * sizeof(struct ebb_bucket) <=
                4 * image.size + (256 << 10));

    static const uint64_t offsets[] = {0, 8, UINT64_MAX, UINT64_MAX - 7, INT64_MAX, 1, 4096 + 1};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        for (int table = 0; table < EBB_TABLE_COUNT; table++)
            header_of(&image)->table[table].chunk_offset[0] = offsets[i];
        assert_int_equal(read_image(&image, image.size, &snapshot), 0);
        assert_int_equal(snapshot.frame_count, 0);
        assert_int_equal(snapshot.bucket_count, 0);
    }
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

static void cut_short_at_every_length(void **state)
{
    (void)state;
    struct image_plan plan = plain;
    plan.count[EBB_TABLE_SAMPLES] = 40;
    plan.count[EBB_TABLE_BUCKETS] = 20;
    struct image image = image_make(&plan);
    struct ebb_snapshot snapshot = {0};
    for (size_t size = image.size; size > 8; size -= 1 + size % 3) {
        int code = read_image(&image, size, &snapshot);
        assert_int_equal(code, size >= sizeof(struct ebb_channel_header) ? 0 : -EBADMSG);
    }
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

static void flipped_bits(void **state)
{
    (void)state;
    seed();
    struct image image = image_make(&plain);
    struct ebb_snapshot snapshot = {0};
    unsigned read = 0;
    for (int round = 0; round < 4000; round++) {
        size_t at[20];
        uint8_t was[20];
        int flips = 1 + (int)(random() % 20);
        for (int i = 0; i < flips; i++) {
            /* every other flip in the header, most of whose bytes matter */
            size_t range = i % 2 ? image.size : sizeof(struct ebb_channel_header);
            at[i] = (size_t)random() % range;
            was[i] = image.bytes[at[i]];
            image.bytes[at[i]] ^= (uint8_t)(1u << random() % 8);
        }
        if (header_of(&image)->state == EBB_STATE_STARTING) /* would be waited for */
            header_of(&image)->state = EBB_STATE_EXITED;
        read += read_image(&image, image.size, &snapshot) == 0;
        for (int i = flips - 1; i >= 0; i--)
            image.bytes[at[i]] = was[i];
        header_of(&image)->state = EBB_STATE_RUNNING;
    }
    assert_true(read > 100 && read < 4000);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

/* --- what changes while it is read ------------------------------------------------------------ */

struct mutator {
    uint8_t *map;
    size_t size;
    int fd;
    _Atomic bool stop;
};

static void *shrink_and_grow(void *argument)
{
    struct mutator *mutator = argument;
    unsigned random_state = 1;
    while (!mutator->stop) {
        size_t size =
            sizeof(struct ebb_channel_header) +
            (size_t)rand_r(&random_state) % (mutator->size - sizeof(struct ebb_channel_header));
        if (ftruncate(mutator->fd, (off_t)size) < 0 ||
            pwrite(mutator->fd, mutator->map + size, mutator->size - size, (off_t)size) < 0)
            break;
    }
    return NULL;
}

static void shrinks_while_it_is_read(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    struct ebb_snapshot snapshot = {0};
    put_file(path, image.bytes, image.size);
    struct mutator mutator = {
        .map = image.bytes, .size = image.size, .fd = open(path, O_RDWR | O_CLOEXEC)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, shrink_and_grow, &mutator), 0);
    size_t smallest = SIZE_MAX, largest = 0;
    for (int round = 0; round < 3000; round++) {
        assert_int_equal(read_it(&snapshot), 0);
        smallest = snapshot.sample_count < smallest ? snapshot.sample_count : smallest;
        largest = snapshot.sample_count > largest ? snapshot.sample_count : largest;
    }
    mutator.stop = true;
    pthread_join(thread, NULL);
    close(mutator.fd);
    print_message("between %zu and %zu samples\n", smallest, largest);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

/* A writer that keeps to layout.h: recycles samples under new sequences, whose size and birth
 * follow from the sequence; counts frees after allocs; appends stacks and buckets. */
static void *write_well(void *argument)
{
    struct mutator *mutator = argument;
    struct image image = {mutator->map, mutator->size};
    const uint32_t samples = plain.count[EBB_TABLE_SAMPLES];
    uint64_t sequence = 1000000;
    for (uint32_t i = 0; !mutator->stop; i++) {
        struct ebb_sample *sample =
            (void *)(mutator->map + image_offset(&image, EBB_TABLE_SAMPLES, i % samples));
        struct ebb_bucket *bucket =
            (void *)(mutator->map + image_offset(&image, EBB_TABLE_BUCKETS, i % 90));
        uint64_t next = sequence + i;
        __atomic_store_n(&sample->sequence, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&sample->size, next * 3, __ATOMIC_SEQ_CST);
        __atomic_store_n(&sample->birth_ns, next * 5, __ATOMIC_SEQ_CST);
        __atomic_store_n(&sample->bucket, (uint32_t)(next % 90), __ATOMIC_SEQ_CST);
        __atomic_store_n(&sample->sequence, next, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&bucket->alloc_bytes, 1000, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&bucket->free_bytes, 1000, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void changes_while_it_is_read(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    struct ebb_snapshot snapshot = {0};
    header_of(&image)->ended_ns = INT64_MAX; /* so that no birth is clamped to the end */
    put_file(path, image.bytes, image.size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = mmap(NULL, image.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    struct mutator mutator = {.map = map, .size = image.size, .fd = fd};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_well, &mutator), 0);
    size_t recycled = 0;
    for (int round = 0; round < 3000; round++) {
        assert_int_equal(read_it(&snapshot), 0);
        assert_int_equal(snapshot.bucket_count, 90);
        for (size_t i = 0; i < snapshot.sample_count; i++) {
            const struct ebb_sample *sample = &snapshot.samples[i];
            if (sample->sequence < 1000000)
                continue;
            recycled++;
            assert_int_equal(sample->size, sample->sequence * 3);
            assert_int_equal(sample->birth_ns, sample->sequence * 5);
            assert_int_equal(sample->bucket, sample->sequence % 90);
        }
    }
    mutator.stop = true;
    pthread_join(thread, NULL);
    munmap(map, image.size);
    close(fd);
    assert_true(recycled > 0);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

static void *write_garbage(void *argument)
{
    struct mutator *mutator = argument;
    unsigned random_state = 1;
    uint64_t values[] = {0, 1, 2, 7, 24, 25, 63, 4096, UINT32_MAX, UINT64_MAX, INT64_MAX};
    while (!mutator->stop) {
        size_t at = sizeof(struct ebb_channel_header) -
                    sizeof(struct ebb_table_directory) * EBB_TABLE_COUNT;
        size_t range = mutator->size - at - 8;
        at += (size_t)rand_r(&random_state) % range;
        uint64_t value = values[(size_t)rand_r(&random_state) % (sizeof values / sizeof *values)];
        *(volatile uint64_t *)(void *)(mutator->map + (at & ~(size_t)7)) = value;
        if (rand_r(&random_state) % 64 == 0) /* good again */
            for (size_t i = 0; i < mutator->size - 8; i += 8)
                *(volatile uint64_t *)(void *)(mutator->map + i) =
                    *(uint64_t *)(void *)(mutator->map + mutator->size + i);
    }
    return NULL;
}

static void hostile_while_it_is_read(void **state)
{
    (void)state;
    struct image image = image_make(&plain);
    struct ebb_snapshot snapshot = {0};
    image.size &= ~(size_t)7;
    put_file(path, image.bytes, image.size);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    size_t page = (image.size + 4095) & ~(size_t)4095;
    uint8_t *map = mmap(NULL, page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    memcpy(map + page, image.bytes,
           image.size); /* what "good" looks like, behind the shared part */
    assert_int_equal(ftruncate(fd, (off_t)page), 0);
    assert_ptr_equal(mmap(map, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), map);
    struct mutator mutator = {.map = map, .size = page, .fd = fd};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, write_garbage, &mutator), 0);
    unsigned good = 0;
    for (int round = 0; round < 5000; round++)
        good += read_it(&snapshot) == 0;
    mutator.stop = true;
    pthread_join(thread, NULL);
    print_message("%u of 5000 were readable\n", good);
    munmap(map, page * 2);
    close(fd);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

/* --- processes and the directory -------------------------------------------------------------- */

static uint64_t start_ticks_of(pid_t pid)
{
    char name[64], text[1024];
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(name, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    char *field = strrchr(text, ')');
    for (int i = 2; i < 22 && field; i++)
        field = strchr(field + 1, ' ');
    assert_non_null(field);
    return strtoull(field, NULL, 10);
}

static void record_name(char *name, size_t size, const struct image_plan *plan, const char *suffix)
{
    snprintf(name, size, EBB_CHANNEL_DIRECTORY "/" EBB_CHANNEL_PREFIX "%u-%llu%s", plan->pid,
             (unsigned long long)plan->start_ticks, suffix);
}

struct seen {
    unsigned count, alive, done;
    pid_t first;
};

static int note(void *context, const struct ebb_identity *identity, bool alive, bool done)
{
    struct seen *seen = context;
    if (seen->count++ == 0)
        seen->first = identity->pid;
    seen->alive += alive;
    seen->done += done;
    return 0;
}

static uint32_t header_word(const char *name, size_t offset)
{
    uint32_t value = 0;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &value, sizeof value, (off_t)offset), sizeof value);
    close(fd);
    return value;
}

static void life_and_death(void **state)
{
    (void)state;
    const size_t reader_pid = offsetof(struct ebb_channel_header, reader_pid);
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    struct image_plan plan = plain;
    plan.pid = (uint32_t)child;
    plan.start_ticks = start_ticks_of(child);
    plan.session = ebb_clock_ns();
    char name[200];
    record_name(name, sizeof name, &plan, "");
    struct image image = image_make(&plan);
    struct ebb_snapshot snapshot = {0};
    struct ebb_reader *reader;
    put_file(name, image.bytes, image.size);

    assert_int_equal(ebb_reader_open(child, &reader, NULL), 0);
    assert_string_equal(ebb_reader_identity(reader)->path, name);
    assert_true(ebb_reader_alive(reader));
    uint64_t before = ebb_clock_ns();
    assert_int_equal(ebb_reader_snapshot(reader, &snapshot, NULL), 0);
    assert_true(snapshot.taken_ns >= before && snapshot.taken_ns <= ebb_clock_ns());
    assert_true(snapshot.record_bytes >= image.size);
    ebb_reader_attach(reader);
    assert_int_equal(header_word(name, reader_pid), getpid());
    ebb_reader_done(reader); /* still alive: only detaches */
    assert_int_equal(header_word(name, reader_pid), 0);
    ebb_reader_attach(reader);

    struct seen seen = {0};
    assert_int_equal(ebb_reader_list(plan.session, note, &seen), 1);
    assert_true(seen.count == 1 && seen.alive == 1 && seen.done == 0 && seen.first == child);

    kill(child, SIGKILL);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_false(ebb_reader_alive(reader)); /* a zombie */
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(ebb_reader_alive(reader));
    uint64_t last = snapshot.taken_ns;
    assert_int_equal(ebb_reader_snapshot(reader, &snapshot, NULL), 0);
    assert_int_equal(snapshot.taken_ns, last); /* killed: when it was last seen */
    assert_int_equal(snapshot.state, EBB_STATE_RUNNING);

    int copy = open(name, O_RDONLY | O_CLOEXEC);
    ebb_reader_done(reader);
    assert_int_equal(access(name, F_OK), 0); /* can be read again */
    ebb_reader_remove(reader);
    assert_int_equal(access(name, F_OK), -1);
    uint32_t done = 0;
    assert_int_equal(
        pread(copy, &done, sizeof done, offsetof(struct ebb_channel_header, reader_done)),
        sizeof done);
    assert_int_equal(done, 1);
    close(copy);
    ebb_reader_close(reader);
    ebb_snapshot_free(&snapshot);
    free(image.bytes);
}

static void the_newest_record_wins(void **state)
{
    (void)state;
    struct image_plan plan = plain;
    plan.session = ebb_clock_ns();
    char name[4][200];
    struct ebb_reader *reader;
    struct ebb_error error;
    assert_int_equal(ebb_reader_open((pid_t)plan.pid, &reader, &error), -ENOENT);
    assert_non_null(strstr(error.text, "ebb run"));
    static const char *const suffixes[] = {"", "", "", "-2"};
    for (unsigned i = 0; i < 4; i++) { /* the fourth: the same process after exec */
        plan.start_ticks = (uint64_t[]){20, 300, 1, 300}[i];
        struct image image = image_make(&plan);
        header_of(&image)->started_ns += i;
        header_of(&image)->started_realtime_ns += i;
        record_name(name[i], sizeof name[i], &plan, suffixes[i]);
        put_file(name[i], image.bytes, image.size);
        free(image.bytes);
    }
    assert_int_equal(ebb_reader_open((pid_t)plan.pid, &reader, &error), 0);
    assert_string_equal(ebb_reader_identity(reader)->path, name[3]);
    ebb_reader_close(reader);
    struct seen seen = {0};
    assert_int_equal(ebb_reader_list(plan.session, note, &seen), 4);
    assert_int_equal(seen.alive, 0);

    /* A name that claims another process's record counts for nothing. */
    char lie[200];
    struct image_plan other = plan;
    other.pid--;
    record_name(lie, sizeof lie, &other, "");
    assert_int_equal(rename(name[0], lie), 0);
    assert_int_equal(ebb_reader_open((pid_t)other.pid, &reader, &error), -EBADMSG);
    assert_int_equal(ebb_reader_list(plan.session, note, &seen), 3);
    unlink(lie);
    for (unsigned i = 1; i < 4; i++)
        unlink(name[i]);
}

static void only_plain_files_of_ours(void **state)
{
    (void)state;
    struct ebb_reader *reader;
    struct ebb_error error;
    struct image image = image_make(&plain);
    put_file(path, image.bytes, image.size);
    char other[256];
    snprintf(other, sizeof other, "%s.other", path);
    assert_int_equal(symlink(path, other), 0);
    assert_int_equal(ebb_reader_open_path(other, &reader, &error), -ELOOP);
    unlink(other);
    assert_int_equal(mkfifo(other, 0600), 0);
    assert_int_equal(ebb_reader_open_path(other, &reader, &error), -EBADMSG);
    unlink(other);
    assert_true(ebb_reader_open_path("/dev/shm", &reader, &error) < 0);
    assert_true(ebb_reader_open_path("/dev/null", &reader, &error) < 0);
    assert_int_equal(ebb_reader_open_path("/nowhere", &reader, &error), -ENOENT);

    /* Copies elsewhere are never removed. */
    assert_int_equal(ebb_reader_open_path(path, &reader, &error), 0);
    ebb_reader_done(reader);
    ebb_reader_remove(reader);
    ebb_reader_close(reader);
    assert_int_equal(access(path, F_OK), 0);
    if (geteuid() == 0) {
        pid_t child = fork();
        if (child == 0) {
            if (chmod(path, 0644) < 0 || chown(path, 1, 1) < 0 || setuid(2) < 0)
                _exit(2);
            _exit(ebb_reader_open_path(path, &reader, &error) != -EPERM);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    } else {
        print_message("skipped: other users' records, which only root can make\n");
    }
    free(image.bytes);
}

static void weights(void **state)
{
    (void)state;
    assert_true(ebb_sample_weight(100, 1, EBB_KIND_MALLOC) == 1);
    assert_true(ebb_sample_weight(100, 524288, EBB_KIND_MMAP) == 1);
    assert_true(ebb_sample_weight(0, 524288, EBB_KIND_THREAD) == 1);
    /* P = 1 - exp(-1/524288): a block of nothing stands for 524288.5 of its kind. */
    double weight = ebb_sample_weight(0, 524288, EBB_KIND_MALLOC);
    assert_true(weight > 524288.4 && weight < 524288.6);
    weight = ebb_sample_weight(524287, 524288, EBB_KIND_REALLOC);
    assert_true(weight > 1.58197 && weight < 1.58199);
    assert_true(ebb_sample_weight(UINT64_C(1) << 40, 524288, EBB_KIND_MALLOC) == 1);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/dev/shm/test-record-%d", (int)getpid());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(reads_tables_larger_than_a_block),
        cmocka_unit_test(identity_is_clean),
        cmocka_unit_test(headers_that_are_wrong),
        cmocka_unit_test(references_that_are_wrong),
        cmocka_unit_test(live_is_never_negative),
        cmocka_unit_test(counts_are_held_against_the_file),
        cmocka_unit_test(cut_short_at_every_length),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(shrinks_while_it_is_read),
        cmocka_unit_test(changes_while_it_is_read),
        cmocka_unit_test(hostile_while_it_is_read),
        cmocka_unit_test(life_and_death),
        cmocka_unit_test(the_newest_record_wins),
        cmocka_unit_test(only_plain_files_of_ours),
        cmocka_unit_test(weights),
    };
    return cmocka_run_group_tests_name("reader", tests, set_up, tear_down);
}
