/* The record's file: its birth, its growth by chunks, its end. */
#include "channel/writer.h"

#include "base/clock.h"
#include "base/hash.h"
#include "channel/sampler.h"
#include "channel/writer_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif

/* A record may take this much of /dev/shm: 16 million sampled blocks. */
#define RECORD_LIMIT (UINT64_C(512) << 20)
#define RETRY_NS     UINT64_C(1000000000)

static struct ebb_writer *the_writer;

/* What of the record's file is mapped, and the shards. Unlike the writer itself this outlives a
 * fork, for the child to let go of. */
static struct {
    unsigned count;
    struct {
        void *address;
        size_t size;
    } map[EBB_TABLE_COUNT * EBB_CHANNEL_MAX_CHUNKS + 2];
} held;

static void hold(void *address, size_t size)
{
    held.map[held.count].address = address;
    held.map[held.count].size = size;
    held.count++;
}

static size_t page_size(void)
{
    static size_t size;
    if (!size)
        size = getauxval(AT_PAGESZ);
    return size;
}

static uint64_t page_up(uint64_t bytes)
{
    return (bytes + page_size() - 1) & ~(uint64_t)(page_size() - 1);
}

/* -- System calls, raw: the libc wrappers may be interposed or cancellation points --------------
 */

static void *raw_mmap(void *address, size_t size, int flags, int fd, uint64_t offset)
{
    void *map = ebb_writer_pointer(
        syscall(SYS_mmap, address, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset));
    return map == MAP_FAILED ? NULL : map;
}

static void raw_munmap(void *address, size_t size)
{
    syscall(SYS_munmap, address, size);
}

static int raw_open(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static void raw_close(int fd)
{
    syscall(SYS_close, fd);
}

static size_t raw_read_file(const char *path, char *buffer, size_t size)
{
    int fd = raw_open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    size_t used = 0;
    for (long n; used < size; used += (size_t)n) {
        n = syscall(SYS_read, fd, buffer + used, size - used);
        if (n <= 0)
            break;
    }
    raw_close(fd);
    return used;
}

static void let_go(void)
{
    while (held.count) {
        held.count--;
        raw_munmap(held.map[held.count].address, held.map[held.count].size);
    }
}

/* Puts private memory in the place of the record: an interrupted call may finish, and nobody sees
 * it. */
static void keep_without_effect(void)
{
    for (unsigned i = 0; i < held.count; i++)
        raw_mmap(held.map[i].address, held.map[i].size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                 0);
}

/* Not fstat(): some preloaded libraries make it lie. */
static bool raw_fstat(int fd, struct stat *status)
{
    return syscall(SYS_fstat, fd, status) == 0;
}

void *ebb_writer_pages(size_t bytes)
{
    size_t size = page_up(bytes);
    void *pages = raw_mmap(NULL, size, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages)
        syscall(SYS_madvise, pages, size, MADV_WIPEONFORK);
    return pages;
}

/* -- Birth without a file ---------------------------------------------------------------------- */

/* How long the tables' first chunks are. For an agent, long enough for what most programs do; for maps
 * alone, a page or so: every program that links libebb has them. */
static void shape_tables(struct ebb_writer *writer, bool maps_alone)
{
    static const uint8_t first_shift[EBB_TABLE_COUNT][2] = {
        [EBB_TABLE_SHARDS] = {6, 6},  [EBB_TABLE_MODULES] = {6, 4},  [EBB_TABLE_FRAMES] = {15, 9},
        [EBB_TABLE_STACKS] = {11, 8}, [EBB_TABLE_BUCKETS] = {12, 6}, [EBB_TABLE_SAMPLES] = {13, 7},
        [EBB_TABLE_MAPS] = {5, 4},
    };
    for (int id = 0; id < EBB_TABLE_COUNT; id++)
        writer->table[id].first_shift = first_shift[id][maps_alone];
}

static uint64_t chunk_bytes(const struct ebb_writer *writer, enum ebb_table id, unsigned chunk)
{
    return ((uint64_t)ebb_entry_size[id] << writer->table[id].first_shift) << chunk;
}

struct ebb_writer *ebb_writer_open(const struct ebb_writer_config *config)
{
    struct ebb_writer *writer = the_writer;
    if (!writer && !(writer = ebb_writer_pages(sizeof *writer)))
        return NULL;
    ebb__forget_filter();
    if (writer->stale || writer->alive) {
        raw_munmap(writer, page_up(sizeof *writer));
        if (!(writer = ebb_writer_pages(sizeof *writer)))
            return NULL;
    }
    the_writer = writer;
    let_go();

    shape_tables(writer, config->agent_flags & EBB_AGENT_LIBRARY);
    struct ebb__channel_table *shards = &writer->table[EBB_TABLE_SHARDS];
    size_t shard_bytes = page_up(chunk_bytes(writer, EBB_TABLE_SHARDS, 0));
    shards->chunk[0] = ebb_writer_pages(shard_bytes);
    shards->link[0] = ebb_writer_pages(sizeof(uint32_t) << shards->first_shift);
    if (!shards->chunk[0] || !shards->link[0])
        return NULL;
    shards->chunks = 1;
    hold(shards->chunk[0], shard_bytes);

    writer->period = config->period;
    writer->session = config->session;
    writer->agent_flags = config->agent_flags;
    writer->allocator = config->allocator;
    writer->header = &writer->draft;
    writer->draft.threads = 1;
    writer->draft.started_ns = ebb_clock_ns();
    writer->map_sequence = writer->draft.started_ns; /* differs from those before a fork */
    writer->draft.started_realtime_ns = ebb_clock_realtime_ns();
    writer->pid = (pid_t)syscall(SYS_getpid);

    writer->first_stacks = (struct ebb__index){EBB__FIRST_SLOTS - 1, writer->first_stack_slots};
    writer->first_buckets = (struct ebb__index){EBB__FIRST_SLOTS - 1, writer->first_bucket_slots};
    writer->stacks = &writer->first_stacks;
    writer->buckets = &writer->first_buckets;
    writer->filter_counts = writer->first_filter_counts;
    ebb__set_filter((struct ebb_filter *)writer->first_filter, EBB__FIRST_FILTER_BITS);

    __atomic_store_n(&writer->alive, 1, __ATOMIC_RELEASE);
    struct ebb_shard *common = ebb_writer_take_shard(writer, 0);
    (void)common; /* the first shard taken is entry 0 */
    return writer;
}

bool ebb_writer_alive(const struct ebb_writer *writer)
{
    return __atomic_load_n(&writer->alive, __ATOMIC_RELAXED);
}

uint64_t ebb_writer_period(const struct ebb_writer *writer)
{
    return writer->period;
}

void ebb_writer_add_flags(struct ebb_writer *writer, uint32_t agent_flags)
{
    writer->agent_flags |= agent_flags;
}

bool ebb_writer_published(const struct ebb_writer *writer)
{
    return __atomic_load_n(&writer->published, __ATOMIC_ACQUIRE);
}

/* -- Identity ---------------------------------------------------------------------------------- */

/* Field 22 of /proc/self/stat. The command's name, field 2, may hold anything but ends at the last
 * closing parenthesis. */
static uint64_t read_start_ticks(void)
{
    char text[1024];
    size_t size = raw_read_file("/proc/self/stat", text, sizeof text);
    size_t at = size;
    while (at > 0 && text[at - 1] != ')')
        at--;
    for (int field = 2; at < size && field < 22; at++)
        field += text[at] == ' ';
    uint64_t ticks = 0;
    for (; at < size && text[at] >= '0' && text[at] <= '9'; at++)
        ticks = ticks * 10 + (uint64_t)(text[at] - '0');
    return ticks;
}

static char *append(char *out, const char *text)
{
    while (*text)
        *out++ = *text++;
    *out = 0;
    return out;
}

static char *append_number(char *out, uint64_t number)
{
    char digits[24], *at = digits + sizeof digits;
    *--at = 0;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    return append(out, at);
}

static void name_record(struct ebb_writer *writer)
{
    if (writer->path[0])
        return;
    writer->start_ticks = read_start_ticks();
    char *out = append(writer->path, EBB_CHANNEL_DIRECTORY "/" EBB_CHANNEL_PREFIX);
    out = append_number(out, (uint64_t)writer->pid);
    append_number(append(out, "-"), writer->start_ticks);
}

static uint32_t pid_namespace(void)
{
    struct stat status;
    long failed = syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &status, 0);
    return failed ? 0 : (uint32_t)status.st_ino;
}

static void fill_identity(struct ebb_writer *writer, struct ebb_channel_header *header)
{
    header->magic = EBB_CHANNEL_MAGIC;
    header->version = EBB_CHANNEL_VERSION;
    header->byte_order = EBB_CHANNEL_BYTE_ORDER;
    header->header_size = sizeof *header;
    header->state = EBB_STATE_STARTING;
    header->pid = (uint32_t)writer->pid;
    header->parent_pid = (uint32_t)syscall(SYS_getppid);
    header->start_ticks = writer->start_ticks;
    header->pid_namespace = pid_namespace();
    header->session = writer->session;
    header->period = writer->period;
    header->page_size = (uint32_t)page_size();
    header->agent_flags = writer->agent_flags;
    long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", header->executable,
                          sizeof header->executable - 1);
    header->executable[length > 0 ? length : 0] = 0;
    header->command_size =
        (uint32_t)raw_read_file("/proc/self/cmdline", header->command, sizeof header->command - 1);
    const char *allocator = writer->allocator ? writer->allocator : header->executable;
    for (size_t i = 0; allocator[i] && i + 1 < sizeof header->allocator; i++)
        header->allocator[i] = allocator[i];
}

/* -- The file ---------------------------------------------------------------------------------- */

/* The head of a record, as far as the process's name for it. */
struct record_head {
    uint64_t magic;
    uint32_t version, byte_order, header_size, state, pid, parent_pid;
    uint64_t start_ticks;
};
static_assert(offsetof(struct record_head, start_ticks) ==
                  offsetof(struct ebb_channel_header, start_ticks),
              "the head is the header's");

static bool is_ours(const struct ebb_writer *writer, int fd)
{
    struct stat status;
    struct record_head head;
    return raw_fstat(fd, &status) && S_ISREG(status.st_mode) &&
           status.st_uid == (uid_t)syscall(SYS_geteuid) &&
           syscall(SYS_pread64, fd, &head, sizeof head, (off_t)0) == (long)sizeof head &&
           head.magic == EBB_CHANNEL_MAGIC && head.version == EBB_CHANNEL_VERSION &&
           head.pid == (uint32_t)writer->pid && head.start_ticks == writer->start_ticks;
}

bool ebb_writer_replace_predecessor(struct ebb_writer *writer, uint32_t *agent_flags)
{
    name_record(writer);
    int fd = raw_open(writer->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool ours = is_ours(writer, fd);
    if (ours) {
        uint32_t state = EBB_STATE_REPLACED, flags = 0;
        syscall(SYS_pread64, fd, &flags, sizeof flags,
                (off_t)offsetof(struct ebb_channel_header, agent_flags));
        syscall(SYS_pwrite64, fd, &state, sizeof state,
                (off_t)offsetof(struct ebb_channel_header, state));
        syscall(SYS_unlinkat, AT_FDCWD, writer->path, 0);
        *agent_flags = flags;
    }
    raw_close(fd);
    return ours;
}

/* Whether the file may grow to `size`: beyond RLIMIT_FSIZE the kernel would send SIGXFSZ. */
static bool size_allowed(uint64_t size)
{
    struct rlimit limit;
    return size <= RECORD_LIMIT && syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 &&
           (limit.rlim_cur == RLIM_INFINITY || size <= limit.rlim_cur);
}

/* The private numbers beside an entry; only some tables need them. */
static bool add_links(struct ebb_writer *writer, enum ebb_table id, unsigned chunk)
{
    struct ebb__channel_table *table = &writer->table[id];
    bool linked = id == EBB_TABLE_SAMPLES || id == EBB_TABLE_SHARDS || id == EBB_TABLE_MAPS;
    if (!linked || table->link[chunk])
        return true;
    table->link[chunk] = ebb_writer_pages((sizeof(uint32_t) << table->first_shift) << chunk);
    return table->link[chunk] != NULL;
}

int ebb_writer_publish(struct ebb_writer *writer)
{
    if (writer->published)
        return 0;
    if (writer->sealed)
        return -EPERM;
    name_record(writer);

    uint64_t offset[EBB_TABLE_COUNT], size = page_up(sizeof(struct ebb_channel_header));
    for (int id = 0; id < EBB_TABLE_COUNT; id++) {
        offset[id] = size;
        size += page_up(chunk_bytes(writer, (enum ebb_table)id, 0));
    }
    if (!size_allowed(size))
        return -EFBIG;

    int fd = raw_open(writer->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    uint32_t flags;
    if (fd < 0 && errno == EEXIST && ebb_writer_replace_predecessor(writer, &flags))
        fd = raw_open(writer->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (fd < 0)
        return -errno;

    int failure = 0;
    char *map = NULL;
    struct stat status;
    struct ebb__channel_table *shards = &writer->table[EBB_TABLE_SHARDS];
    if (!raw_fstat(fd, &status) || syscall(SYS_fallocate, fd, 0, (off_t)0, (off_t)size) != 0 ||
        !(map = raw_mmap(NULL, size, MAP_SHARED, fd, 0)) ||
        !add_links(writer, EBB_TABLE_SAMPLES, 0) || !add_links(writer, EBB_TABLE_MAPS, 0))
        goto fail;
    writer->device = status.st_dev;
    writer->inode = status.st_ino;
    writer->file_size = size;

    struct ebb_channel_header *header = (struct ebb_channel_header *)map;
    header->started_ns = writer->draft.started_ns;
    header->started_realtime_ns = writer->draft.started_realtime_ns;
    header->threads = writer->draft.threads;
    header->threads_created = writer->draft.threads_created;
    header->file_size = size;
    for (int id = 0; id < EBB_TABLE_COUNT; id++) {
        struct ebb_table_directory *directory = &header->table[id];
        directory->entry_size = ebb_entry_size[id];
        directory->first_shift = writer->table[id].first_shift;
        directory->chunk_offset[0] = offset[id];
        directory->chunks = 1;
        if (id != EBB_TABLE_SHARDS) {
            writer->table[id].chunk[0] = map + offset[id];
            writer->table[id].chunks = 1;
        }
    }

    /* The shards keep their addresses: the file's pages take the place of the private ones. What
     * another thread counts between the copy and the replacement, a few calls, is lost. */
    uint64_t shard_bytes = page_up(chunk_bytes(writer, EBB_TABLE_SHARDS, 0));
    __builtin_memcpy(map + offset[EBB_TABLE_SHARDS], shards->chunk[0], shard_bytes);
    if (!raw_mmap(shards->chunk[0], shard_bytes, MAP_SHARED | MAP_FIXED, fd,
                  offset[EBB_TABLE_SHARDS]))
        goto fail;
    header->table[EBB_TABLE_SHARDS].used = shards->used;
    raw_close(fd);
    hold(map, size);

    fill_identity(writer, header);
    writer->header = header;
    __atomic_store_n(&writer->published, 1, __ATOMIC_RELEASE);
    return 0;

fail:
    failure = errno ? -errno : -ENOMEM;
    if (map)
        raw_munmap(map, size);
    syscall(SYS_unlinkat, AT_FDCWD, writer->path, 0);
    raw_close(fd);
    return failure;
}

void ebb_writer_started(struct ebb_writer *writer)
{
    if (writer->published)
        __atomic_store_n(&writer->header->state, EBB_STATE_RUNNING, __ATOMIC_RELEASE);
}

/* Maps one more chunk of a table. The file is opened by its name and must still be the same one:
 * a program that changed its root or its user, or whose record was removed, stops growing here. */
static bool add_chunk(struct ebb_writer *writer, enum ebb_table id)
{
    struct ebb__channel_table *table = &writer->table[id];
    unsigned chunk = table->chunks;
    if (chunk >= EBB_CHANNEL_MAX_CHUNKS || !writer->published)
        return false;
    uint64_t offset = page_up(writer->file_size), bytes = page_up(chunk_bytes(writer, id, chunk));
    if (!size_allowed(offset + bytes) || !add_links(writer, id, chunk))
        return false;

    int fd = raw_open(writer->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    struct stat status;
    void *map = NULL;
    if (raw_fstat(fd, &status) && status.st_dev == writer->device &&
        status.st_ino == writer->inode &&
        syscall(SYS_fallocate, fd, 0, (off_t)offset, (off_t)bytes) == 0)
        map = raw_mmap(NULL, bytes, MAP_SHARED, fd, offset);
    raw_close(fd);
    if (!map)
        return false;

    hold(map, bytes);
    writer->file_size = offset + bytes;
    writer->header->file_size = writer->file_size;
    table->chunk[chunk] = map;
    struct ebb_table_directory *directory = &writer->header->table[id];
    directory->chunk_offset[chunk] = offset;
    __atomic_store_n(&directory->chunks, chunk + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&table->chunks, chunk + 1, __ATOMIC_RELEASE);
    return true;
}

static uint64_t capacity(const struct ebb__channel_table *table)
{
    uint32_t chunks = __atomic_load_n(&table->chunks, __ATOMIC_ACQUIRE);
    return ((UINT64_C(1) << chunks) - 1) << table->first_shift;
}

bool ebb__reserve(struct ebb_writer *writer, enum ebb_table id, uint64_t count)
{
    struct ebb__channel_table *table = &writer->table[id];
    if (count <= capacity(table))
        return true;
    bool room = false;
    if (count < EBB_NONE && !writer->sealed && ebb_clock_coarse_ns() >= table->retry_ns) {
        int saved = errno;
        ebb_spin_lock(&writer->grow_lock);
        while (!(room = count <= capacity(table)) && add_chunk(writer, id))
            ;
        if (!room && writer->published)
            table->retry_ns = ebb_clock_coarse_ns() + RETRY_NS;
        ebb_spin_unlock(&writer->grow_lock);
        errno = saved;
    }
    if (!room)
        ebb__add(&writer->header->table[id].dropped, 1);
    return room;
}

void ebb_writer_seal(struct ebb_writer *writer)
{
    /* A child by vfork runs in its parent's memory, but gives up its own privileges only. */
    if ((pid_t)syscall(SYS_getpid) != writer->pid)
        return;
    ebb_spin_lock(&writer->grow_lock);
    if (!writer->sealed)
        for (int id = 0; id < EBB_TABLE_COUNT; id++)
            add_chunk(writer, (enum ebb_table)id);
    writer->sealed = 1;
    ebb_spin_unlock(&writer->grow_lock);
}

void ebb_writer_end(struct ebb_writer *writer)
{
    /* A child by vfork runs in its parent's memory, but it is not the program that ends. */
    if (!writer->alive || !writer->published || (pid_t)syscall(SYS_getpid) != writer->pid)
        return;
    struct ebb_channel_header *header = writer->header;
    header->ended_ns = ebb_clock_ns();
    __atomic_store_n(&header->state, EBB_STATE_EXITED, __ATOMIC_RELEASE);
    if (writer->sealed || writer->agent_flags & EBB_AGENT_KEEP ||
        __atomic_load_n(&header->reader_pid, __ATOMIC_ACQUIRE))
        return;
    struct stat status;
    if (syscall(SYS_newfstatat, AT_FDCWD, writer->path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        status.st_dev == writer->device && status.st_ino == writer->inode)
        syscall(SYS_unlinkat, AT_FDCWD, writer->path, 0);
}

/* -- Fork -------------------------------------------------------------------------------------- */

static void on_fork(struct ebb_writer *writer, int advice)
{
    syscall(SYS_madvise, writer, page_up(sizeof *writer), advice);
}

void ebb_writer_before_fork(struct ebb_writer *writer, bool inside)
{
    if (inside)
        on_fork(writer, MADV_KEEPONFORK);
}

void ebb_writer_after_fork(struct ebb_writer *writer, bool inside)
{
    if (inside)
        on_fork(writer, MADV_WIPEONFORK);
}

void ebb_writer_forked(struct ebb_writer *writer, bool inside)
{
    if (inside)
        keep_without_effect();
    else
        let_go();
    /* What the kernel did not wipe must not be used again. */
    writer->stale = writer->alive;
    writer->alive = 0;
}

/* -- Shards ------------------------------------------------------------------------------------ */

struct ebb_shard *ebb_writer_take_shard(struct ebb_writer *writer, uint32_t thread)
{
    ebb_spin_lock(&writer->shard_lock);
    struct ebb__channel_table *table = &writer->table[EBB_TABLE_SHARDS];
    uint32_t index = 0;
    while (index < table->used && *ebb__link(writer, EBB_TABLE_SHARDS, index))
        index++;
    struct ebb_shard *shard = NULL;
    if (index < table->used || ebb__reserve(writer, EBB_TABLE_SHARDS, (uint64_t)index + 1)) {
        shard = ebb__entry(writer, EBB_TABLE_SHARDS, index);
        *ebb__link(writer, EBB_TABLE_SHARDS, index) = 1;
        shard->thread = thread;
        if (index >= table->used) {
            const void *secret = ebb_writer_pointer((long)getauxval(AT_RANDOM));
            uint64_t seed = 0;
            if (secret)
                memcpy(&seed, secret, sizeof seed); /* it is not aligned */
            shard->random =
                ebb_mix64(seed ^ ebb_clock_ns() ^ ((uint64_t)writer->pid << 32) ^ ebb_mix64(index));
            int64_t distance = ebb_sampler_draw(&shard->random, writer->period);
            shard->drawn = (uint64_t)distance;
            shard->countdown = distance;
            ebb__set_used(writer, EBB_TABLE_SHARDS, index + 1);
        }
    }
    ebb_spin_unlock(&writer->shard_lock);
    return shard;
}

void ebb_writer_give_shard(struct ebb_writer *writer, struct ebb_shard *shard)
{
    ebb_spin_lock(&writer->shard_lock);
    struct ebb__channel_table *table = &writer->table[EBB_TABLE_SHARDS];
    for (unsigned chunk = 0; chunk < table->chunks; chunk++) {
        const struct ebb_shard *first = table->chunk[chunk];
        if (shard >= first && shard < first + ((size_t)1 << table->first_shift << chunk)) {
            table->link[chunk][shard - first] = 0;
            shard->thread = 0;
        }
    }
    ebb_spin_unlock(&writer->shard_lock);
}

struct ebb_shard *ebb_writer_common_shard(struct ebb_writer *writer)
{
    return writer->table[EBB_TABLE_SHARDS].chunk[0];
}

void ebb_writer_count_threads(struct ebb_writer *writer, int running, int created)
{
    struct ebb_channel_header *header = writer->header;
    __atomic_fetch_add(&header->threads, (uint64_t)(int64_t)running, __ATOMIC_RELAXED);
    __atomic_fetch_add(&header->threads_created, (uint64_t)(int64_t)created, __ATOMIC_RELAXED);
}

void ebb_writer_lost_free(struct ebb_writer *writer)
{
    ebb__add(&writer->header->lost_frees, 1);
}

/* -- Modules ----------------------------------------------------------------------------------- */

uint32_t ebb_writer_module(struct ebb_writer *writer, const struct ebb_module *module)
{
    if (!writer->published)
        return EBB_NONE;
    ebb_spin_lock(&writer->intern_lock);
    uint32_t index = writer->table[EBB_TABLE_MODULES].used;
    if (ebb__reserve(writer, EBB_TABLE_MODULES, (uint64_t)index + 1)) {
        *(struct ebb_module *)ebb__entry(writer, EBB_TABLE_MODULES, index) = *module;
        ebb__set_used(writer, EBB_TABLE_MODULES, index + 1);
    } else {
        index = EBB_NONE;
    }
    ebb_spin_unlock(&writer->intern_lock);
    return index;
}

void ebb_writer_module_unloaded(struct ebb_writer *writer, uint32_t module, uint64_t now_ns)
{
    if (module >= writer->table[EBB_TABLE_MODULES].used)
        return;
    struct ebb_module *entry = ebb__entry(writer, EBB_TABLE_MODULES, module);
    __atomic_store_n(&entry->unloaded_ns, now_ns, __ATOMIC_RELAXED);
}
