/* Reading a record. See reader.h for the promises and layout.h for the format.
 *
 * How a snapshot is made. Tables refer to one another in one direction only: samples to buckets,
 * buckets and maps to stacks, stacks to frames; and the writer publishes an entry after what it refers to.
 * The reader therefore goes the other way, samples first, and looks at each table's directory anew
 * before it copies the table, so that everything an entry refers to is already there. What still
 * does not fit comes from a damaged or hostile record and is emptied or dropped, never followed.
 *
 * Memory. A table's entries are counted only as far as its chunks lie inside the file and outside
 * its holes. Chunk k + 1 is twice chunk k, so even chunks that overlap one another cannot make a
 * table larger than twice the file's data. */
#include "channel/reader.h"

#include "base/clock.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_FIRST_SHIFT = 20,
    BLOCK_BYTES = 64 << 10, /* of a table that is read twice, how much at a time */
    BIRTH_PATIENCE_MS = 200,
    MAX_PID = 1 << 22, /* the kernel's PID_MAX_LIMIT */
};

struct ebb_reader {
    int fd;
    bool writable;
    bool done;              /* as the header said when the record was opened */
    uint64_t seen_alive_ns; /* when the process was last seen running */
    struct ebb_identity identity;
    unsigned char block[2][BLOCK_BYTES] __attribute__((aligned(64)));
};

/* A table as its directory described it a moment ago, checked. */
struct table {
    const struct ebb_reader *reader;
    uint32_t entry_size, first_shift;
    size_t count; /* entries whose chunks lie in the file */
    uint64_t dropped;
    uint64_t chunk_offset[EBB_CHANNEL_MAX_CHUNKS];
};

/* --- bytes ------------------------------------------------------------------------------------ */

/* Reads up to `size` bytes; fewer when the file ends there or cannot be read. */
static size_t read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    size_t have = 0;
    if (offset > INT64_MAX - size)
        return 0;
    while (have < size) {
        ssize_t got = pread(fd, (char *)buffer + have, size - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    return have;
}

/* How many bytes the UTF-8 sequence at `text` has, when it is a well-formed printable character
 * that ends before `end`; else 0. */
static size_t printable_utf8(const unsigned char *text, const unsigned char *end)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (text[0] < 0x80)
        return text[0] >= 0x20 && text[0] != 0x7f;
    size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc0 || text[0] > 0xf4 || (size_t)(end - text) < length)
        return 0;
    uint32_t point = text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (text[i] & 0x3f);
    }
    bool well_formed =
        point >= smallest[length] && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
    return well_formed && point >= 0xa0 ? length : 0;
}

/* Makes `size` bytes printable UTF-8. NULs end the string, or stay when `keep_nuls`; the last byte
 * becomes NUL in any case. */
static void sanitise(char *text, size_t size, bool keep_nuls)
{
    unsigned char *at = (unsigned char *)text, *end = at + size - 1;
    *end = 0;
    while (at < end && (*at || keep_nuls)) {
        size_t length = *at ? printable_utf8(at, end) : 1;
        if (length == 0)
            *at = '?';
        at += length ? length : 1;
    }
    memset(at, 0, (size_t)(end - at));
}

/* --- processes -------------------------------------------------------------------------------- */

/* Whether the process runs: its start time agrees and it is more than a zombie. A main thread that
 * ended while others run on looks like a zombie, but such a process has further threads. */
static bool process_runs(pid_t pid, uint64_t start_ticks)
{
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return false;
    text[size] = 0;
    const char *after_name = strrchr(text, ')'); /* the name may hold anything, ')' included */
    char state;
    int64_t threads;
    uint64_t ticks;
    if (!after_name ||
        sscanf(after_name + 1,
               " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNd64
               " %*s %" SCNu64,
               &state, &threads, &ticks) != 3)
        return false;
    bool ended = state == 'X' || (state == 'Z' && threads <= 1);
    return !ended && ticks == start_ticks;
}

bool ebb_reader_alive(const struct ebb_reader *reader)
{
    return process_runs(reader->identity.pid, reader->identity.start_ticks);
}

/* --- opening ---------------------------------------------------------------------------------- */

static int bad(struct ebb_error *error, const char *path, const char *what)
{
    return ebb_error_set(error, -EBADMSG, "%s: %s; not a record this ebb can read", path, what);
}

/* Reads and checks what does not change: everything before the tables' contents. -EAGAIN while the
 * record is being born. */
static int read_header(const struct ebb_reader *reader, const char *path,
                       struct ebb_channel_header *header, struct ebb_error *error)
{
    size_t have = read_at(reader->fd, header, sizeof *header, 0);
    if (have < sizeof header->magic || header->magic == 0)
        return ebb_error_set(error, -EAGAIN, "%s: the record is still empty", path);
    if (header->magic != EBB_CHANNEL_MAGIC) {
        bool swapped = header->magic == __builtin_bswap64(EBB_CHANNEL_MAGIC);
        return bad(error, path,
                   swapped ? "written by a machine of the other byte order" : "wrong magic number");
    }
    if (have < offsetof(struct ebb_channel_header, state))
        return bad(error, path, "the header is cut short");
    if (header->version != EBB_CHANNEL_VERSION)
        return ebb_error_set(error, -EBADMSG,
                             "%s: format version %u, this ebb reads version %u; use the ebb that "
                             "came with the agent",
                             path, header->version, EBB_CHANNEL_VERSION);
    if (have < sizeof *header)
        return bad(error, path, "the header is cut short");
    if (header->byte_order != EBB_CHANNEL_BYTE_ORDER)
        return bad(error, path, "written by a machine of the other byte order");
    if (header->header_size != sizeof *header)
        return bad(error, path, "the header has a wrong size");
    if (header->state == EBB_STATE_STARTING)
        return ebb_error_set(error, -EAGAIN, "%s: the program has not finished starting", path);
    if (header->state > EBB_STATE_REPLACED)
        return bad(error, path, "an unknown state");
    if (header->pid == 0 || header->pid > MAX_PID)
        return bad(error, path, "an impossible process id");
    if (header->period == 0)
        return bad(error, path, "a sampling period of zero");
    return 0;
}

static void take_identity(struct ebb_identity *identity, struct ebb_channel_header *header)
{
    identity->pid = (pid_t)header->pid;
    identity->parent_pid = header->parent_pid <= MAX_PID ? (pid_t)header->parent_pid : 0;
    identity->start_ticks = header->start_ticks;
    identity->session = header->session;
    identity->period = header->period;
    identity->started_realtime_ns = header->started_realtime_ns;
    identity->started_ns = header->started_ns;
    identity->agent_flags = header->agent_flags;

    sanitise(header->executable, sizeof header->executable, false);
    memcpy(identity->executable, header->executable, sizeof identity->executable);
    sanitise(header->allocator, sizeof header->allocator, false);
    memcpy(identity->allocator, header->allocator, sizeof identity->allocator);

    size_t used = header->command_size;
    if (used > sizeof header->command)
        used = sizeof header->command;
    memset(header->command + used, 0, sizeof header->command - used);
    sanitise(header->command, sizeof header->command, true);
    memcpy(identity->command, header->command, sizeof identity->command);
    identity->command_size = used;
}

/* Opens a regular file that is ours to trust with our time; -ENOENT, -EPERM, ... */
static int open_file(const char *path, bool *writable, struct ebb_error *error)
{
    const int flags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = open(path, O_RDWR | flags);
    *writable = fd >= 0;
    if (fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
        fd = open(path, O_RDONLY | flags);
    if (fd < 0) {
        int code = errno;
        if (code == ELOOP)
            return ebb_error_set(error, -code, "%s: a symbolic link; name the record itself", path);
        return ebb_error_set(error, -code, "%s: %s", path, strerror(code));
    }
    struct stat status;
    int code = 0;
    if (fstat(fd, &status) < 0)
        code = ebb_error_set(error, -errno, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        code = ebb_error_set(error, -EBADMSG, "%s: not a regular file", path);
    else if (status.st_uid != geteuid() && status.st_uid != 0 && geteuid() != 0)
        code = ebb_error_set(error, -EPERM, "%s: belongs to another user; look at it as that user",
                             path);
    if (code < 0) {
        close(fd);
        return code;
    }
    return fd;
}

static int open_record(const char *path, int patience_ms, struct ebb_reader **result,
                       struct ebb_error *error)
{
    *result = NULL;
    if (strlen(path) >= sizeof((struct ebb_identity *)0)->path)
        return ebb_error_set(error, -ENAMETOOLONG, "%s: the path is too long", path);
    struct ebb_reader *reader = aligned_alloc(_Alignof(struct ebb_reader), sizeof *reader);
    if (!reader)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", path);
    memset(reader, 0, sizeof *reader);
    int code = reader->fd = open_file(path, &reader->writable, error);
    struct ebb_channel_header header = {0};
    if (code >= 0) {
        while ((code = read_header(reader, path, &header, error)) == -EAGAIN && patience_ms-- > 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    if (code < 0) {
        ebb_reader_close(reader);
        return code;
    }
    memcpy(reader->identity.path, path, strlen(path) + 1);
    take_identity(&reader->identity, &header);
    reader->done = header.reader_done != 0;
    *result = reader;
    return 0;
}

int ebb_reader_open_path(const char *path, struct ebb_reader **reader, struct ebb_error *error)
{
    return open_record(path, BIRTH_PATIENCE_MS, reader, error);
}

void ebb_reader_close(struct ebb_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    free(reader);
}

const struct ebb_identity *ebb_reader_identity(const struct ebb_reader *reader)
{
    return &reader->identity;
}

/* --- finding ---------------------------------------------------------------------------------- */

/* The pid in a record's file name, `ebb-<pid>-<ticks>` and perhaps more; 0 for other names. */
static pid_t pid_of_name(const char *name, uint64_t *start_ticks)
{
    const size_t prefix = strlen(EBB_CHANNEL_PREFIX);
    if (strncmp(name, EBB_CHANNEL_PREFIX, prefix) != 0)
        return 0;
    char *end;
    errno = 0;
    unsigned long pid = strtoul(name + prefix, &end, 10);
    bool digits = name[prefix] >= '1' && name[prefix] <= '9';
    if (!digits || errno || *end != '-' || end[1] < '0' || end[1] > '9' || pid > MAX_PID)
        return 0;
    *start_ticks = strtoull(end + 1, NULL, 10);
    return (pid_t)pid;
}

/* Opens what the directory entry names, when it is a record of the process in its name. */
static int open_entry(const char *name, int patience_ms, struct ebb_reader **reader,
                      struct ebb_error *error)
{
    char path[sizeof((struct ebb_identity *)0)->path];
    int length = snprintf(path, sizeof path, "%s/%s", EBB_CHANNEL_DIRECTORY, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return -ENAMETOOLONG;
    int code = open_record(path, patience_ms, reader, error);
    uint64_t start_ticks = 0;
    if (code == 0 && *reader &&
        ((*reader)->identity.pid != pid_of_name(name, &start_ticks) ||
         (*reader)->identity.start_ticks != start_ticks)) {
        ebb_reader_close(*reader);
        *reader = NULL;
        code = bad(error, path, "the name and the contents disagree about the process");
    }
    return code;
}

/* Whether a record may be believed to be that of the process now running under its pid: it runs,
 * and the record belongs to its owner, or to root, who may have become its owner. Others may write
 * what they like under its name. */
static bool is_of_running(const struct ebb_reader *reader)
{
    struct stat record, process;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)reader->identity.pid);
    return ebb_reader_alive(reader) && fstat(reader->fd, &record) == 0 &&
           stat(path, &process) == 0 && (record.st_uid == process.st_uid || record.st_uid == 0);
}

static bool better(const struct ebb_reader *one, const struct ebb_reader *other)
{
    const struct ebb_identity *a = &one->identity, *b = &other->identity;
    bool runs = is_of_running(one);
    if (runs != is_of_running(other))
        return runs;
    if (a->start_ticks != b->start_ticks)
        return a->start_ticks > b->start_ticks;
    return a->started_ns > b->started_ns;
}

int ebb_reader_open(pid_t pid, struct ebb_reader **reader, struct ebb_error *error)
{
    *reader = NULL;
    DIR *directory = opendir(EBB_CHANNEL_DIRECTORY);
    if (!directory) {
        int code = -errno;
        return ebb_error_set(error, code, "%s: %s; programs publish there", EBB_CHANNEL_DIRECTORY,
                             strerror(-code));
    }
    struct ebb_error reason = {""};
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct ebb_reader *found = NULL;
        uint64_t start_ticks;
        if (pid <= 0 || pid_of_name(entry->d_name, &start_ticks) != pid)
            continue;
        int code = open_entry(entry->d_name, BIRTH_PATIENCE_MS, &found, &reason);
        if (code < 0 || !found) {
            failed = code != -ENOENT ? code : failed;
        } else if (!*reader || better(found, *reader)) {
            ebb_reader_close(*reader);
            *reader = found;
        } else {
            ebb_reader_close(found);
        }
    }
    closedir(directory);
    if (*reader)
        return 0;
    if (failed)
        return ebb_error_set(error, failed, "%s", reason.text);
    return ebb_error_set(error, -ENOENT,
                         "process %d does not publish; start it as `ebb run -- CMD` "
                         "or look at it with `ebb doctor -- CMD`",
                         (int)pid);
}

struct listed {
    struct ebb_identity identity;
    bool done;
};

struct listing EBB_VEC(struct listed);

static int compare_listed(const void *left, const void *right)
{
    const struct listed *a = (const struct listed *)left, *b = (const struct listed *)right;
    uint64_t at = a->identity.started_realtime_ns, bt = b->identity.started_realtime_ns;
    return at != bt ? (at < bt ? 1 : -1) : strcmp(a->identity.path, b->identity.path);
}

/* Collects the readable records of a session; 0 or a negative errno. */
static int collect(uint64_t session, struct listing *listing)
{
    DIR *directory = opendir(EBB_CHANNEL_DIRECTORY);
    if (!directory)
        return -errno;
    int code = 0;
    for (struct dirent *entry; code == 0 && (entry = readdir(directory));) {
        struct ebb_reader *reader = NULL;
        uint64_t start_ticks;
        if (pid_of_name(entry->d_name, &start_ticks) == 0 ||
            open_entry(entry->d_name, 0, &reader, NULL) < 0 || !reader)
            continue;
        if (session == 0 || reader->identity.session == session)
            code = ebb_vec_push(listing, (struct listed){reader->identity, reader->done});
        ebb_reader_close(reader);
    }
    closedir(directory);
    return code;
}

int ebb_reader_list(uint64_t session,
                    int (*each)(void *context, const struct ebb_identity *identity, bool alive,
                                bool done),
                    void *context)
{
    struct listing listing = {0};
    int code = collect(session, &listing), visited = 0;
    if (listing.len > 0)
        qsort(listing.items, listing.len, sizeof listing.items[0], compare_listed);
    for (size_t i = 0; code == 0 && i < listing.len; i++) {
        const struct ebb_identity *identity = &listing.items[i].identity;
        bool alive = process_runs(identity->pid, identity->start_ticks);
        visited++;
        if (each(context, identity, alive, listing.items[i].done) != 0)
            break;
    }
    ebb_vec_free(&listing);
    return code < 0 ? code : visited;
}

/* --- telling the writer ----------------------------------------------------------------------- */

static void write_word(struct ebb_reader *reader, size_t offset, uint32_t value)
{
    /* A record that shrank below its header must not be made to look whole again. */
    struct stat status;
    if (reader->writable && fstat(reader->fd, &status) == 0 &&
        status.st_size >= (off_t)sizeof(struct ebb_channel_header)) {
        ssize_t ignored = pwrite(reader->fd, &value, sizeof value, (off_t)offset);
        (void)ignored;
    }
}

void ebb_reader_attach(struct ebb_reader *reader)
{
    write_word(reader, offsetof(struct ebb_channel_header, reader_pid), (uint32_t)getpid());
}

/* Unless the path now names another file or one that is no longer in the channel's directory (a copy
 * that somebody keeps). */
void ebb_reader_remove(struct ebb_reader *reader)
{
    if (ebb_reader_alive(reader))
        return;
    static const char records[] = EBB_CHANNEL_DIRECTORY "/" EBB_CHANNEL_PREFIX;
    struct stat ours, named;
    if (strncmp(reader->identity.path, records, sizeof records - 1) == 0 &&
        fstat(reader->fd, &ours) == 0 && lstat(reader->identity.path, &named) == 0 &&
        ours.st_dev == named.st_dev && ours.st_ino == named.st_ino)
        unlink(reader->identity.path);
}

void ebb_reader_done(struct ebb_reader *reader)
{
    if (!ebb_reader_alive(reader)) {
        write_word(reader, offsetof(struct ebb_channel_header, reader_done), 1);
        return;
    }
    const size_t offset = offsetof(struct ebb_channel_header, reader_pid);
    uint32_t attached = 0;
    read_at(reader->fd, &attached, sizeof attached, offset);
    if (attached == (uint32_t)getpid())
        write_word(reader, offset, 0);
}

/* --- tables ----------------------------------------------------------------------------------- */

static size_t chunk_entries(const struct table *table, unsigned chunk)
{
    return (size_t)1 << (table->first_shift + chunk);
}

/* How many of the `wanted` first entries of a chunk at `offset` are there: inside the file, after
 * the header, and not in a hole, where nothing was ever written. */
static size_t entries_there(const struct table *table, uint64_t offset, size_t wanted,
                            uint64_t file_size)
{
    if (offset < sizeof(struct ebb_channel_header) || offset % 8 != 0 || offset >= file_size)
        return 0;
    uint64_t room = file_size - offset, bytes = (uint64_t)wanted * table->entry_size;
    if (bytes > room)
        bytes = room;
    off_t hole = lseek(table->reader->fd, (off_t)offset, SEEK_HOLE);
    if (hole >= 0 && (uint64_t)hole - offset < bytes)
        bytes = (uint64_t)hole - offset;
    return (size_t)(bytes / table->entry_size);
}

/* Loads and checks the directory of one table. */
static int table_load(const struct ebb_reader *reader, enum ebb_table which, struct table *table,
                      struct ebb_error *error)
{
    struct ebb_table_directory directory;
    struct stat status;
    const char *path = reader->identity.path;
    uint64_t offset =
        offsetof(struct ebb_channel_header, table) + (uint64_t)which * sizeof directory;
    if (fstat(reader->fd, &status) < 0 ||
        read_at(reader->fd, &directory, sizeof directory, offset) < sizeof directory)
        return bad(error, path, "the header is cut short");
    if (directory.entry_size != ebb_entry_size[which])
        return bad(error, path, "a table with entries of the wrong size");
    if (directory.first_shift > MAX_FIRST_SHIFT)
        return bad(error, path, "a table with chunks of an impossible size");
    if (directory.chunks > EBB_CHANNEL_MAX_CHUNKS)
        return bad(error, path, "a table with too many chunks");
    *table = (struct table){.reader = reader,
                            .entry_size = directory.entry_size,
                            .first_shift = directory.first_shift,
                            .dropped = directory.dropped};
    size_t left = directory.used;
    for (unsigned chunk = 0; chunk < directory.chunks && left > 0; chunk++) {
        size_t whole = chunk_entries(table, chunk), wanted = left < whole ? left : whole;
        table->chunk_offset[chunk] = directory.chunk_offset[chunk];
        size_t there =
            entries_there(table, directory.chunk_offset[chunk], wanted, (uint64_t)status.st_size);
        table->count += there;
        left -= there;
        if (there < whole)
            break;
    }
    return 0;
}

/* Copies entries [first, first + count), which lie in the table; returns how many could be read. */
static size_t table_read(const struct table *table, void *buffer, size_t first, size_t count)
{
    size_t done = 0;
    for (unsigned chunk = 0; done < count; chunk++) {
        size_t whole = chunk_entries(table, chunk);
        if (first >= whole) {
            first -= whole;
            continue;
        }
        size_t part = whole - first < count - done ? whole - first : count - done;
        size_t bytes = read_at(table->reader->fd, (char *)buffer + done * table->entry_size,
                               part * table->entry_size,
                               table->chunk_offset[chunk] + first * table->entry_size);
        done += bytes / table->entry_size;
        if (bytes < part * table->entry_size)
            break;
        first = 0;
    }
    return done;
}

/* Room for `count` entries in a snapshot's buffer; what was in it is lost. */
static int make_room(struct ebb_snapshot *snapshot, enum ebb_table which, void **buffer,
                     size_t count, struct ebb_error *error)
{
    if (count <= snapshot->capacity[which])
        return 0;
    free(*buffer);
    *buffer = NULL;
    snapshot->capacity[which] = 0;
    size_t roomy = count + count / 4;
    if (!(*buffer = malloc(roomy * ebb_entry_size[which])))
        return ebb_error_set(error, -ENOMEM, "out of memory for a record of %zu entries", count);
    snapshot->capacity[which] = roomy;
    return 0;
}

/* Reads entries [first, first + count) twice into the reader's two blocks; returns how many
 * arrived both times. At most BLOCK_BYTES worth. */
static size_t read_twice(struct ebb_reader *reader, const struct table *table, size_t first,
                         size_t count)
{
    size_t once = table_read(table, reader->block[0], first, count);
    return table_read(table, reader->block[1], first, once);
}

static size_t block_entries(const struct table *table, size_t left)
{
    size_t fit = BLOCK_BYTES / table->entry_size;
    return left < fit ? left : fit;
}

/* --- the snapshot ----------------------------------------------------------------------------- */

/* The live samples: those whose entry was the same before and after. */
static int read_samples(struct ebb_reader *reader, struct ebb_snapshot *snapshot,
                        struct ebb_error *error)
{
    struct table table = {0};
    snapshot->sample_count = 0;
    int code = table_load(reader, EBB_TABLE_SAMPLES, &table, error);
    if (code < 0 || (code = make_room(snapshot, EBB_TABLE_SAMPLES, (void **)&snapshot->samples,
                                      table.count, error)) < 0)
        return code;
    snapshot->dropped[EBB_TABLE_SAMPLES] = table.dropped;
    for (size_t first = 0, got; first < table.count; first += got) {
        got = read_twice(reader, &table, first, block_entries(&table, table.count - first));
        if (got == 0)
            break;
        const struct ebb_sample *before = (const void *)reader->block[0];
        const struct ebb_sample *after = (const void *)reader->block[1];
        for (size_t i = 0; i < got; i++) {
            bool stable =
                before[i].sequence == after[i].sequence && before[i].size == after[i].size &&
                before[i].birth_ns == after[i].birth_ns && before[i].bucket == after[i].bucket;
            if (stable && after[i].sequence != 0)
                snapshot->samples[snapshot->sample_count++] = after[i];
        }
    }
    return 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The buckets, free counters from before the alloc counters. */
static int read_buckets(struct ebb_reader *reader, struct ebb_snapshot *snapshot,
                        struct ebb_error *error)
{
    struct table table = {0};
    snapshot->bucket_count = 0;
    int code = table_load(reader, EBB_TABLE_BUCKETS, &table, error);
    if (code < 0 || (code = make_room(snapshot, EBB_TABLE_BUCKETS, (void **)&snapshot->buckets,
                                      table.count, error)) < 0)
        return code;
    snapshot->dropped[EBB_TABLE_BUCKETS] = table.dropped;
    for (size_t first = 0, got; first < table.count; first += got) {
        got = read_twice(reader, &table, first, block_entries(&table, table.count - first));
        if (got == 0)
            break;
        const struct ebb_bucket *before = (const void *)reader->block[0];
        const struct ebb_bucket *after = (const void *)reader->block[1];
        for (size_t i = 0; i < got; i++) {
            struct ebb_bucket bucket = after[i];
            bucket.free_samples = smaller(before[i].free_samples, bucket.alloc_samples);
            bucket.free_objects = smaller(before[i].free_objects, bucket.alloc_objects);
            bucket.free_bytes = smaller(before[i].free_bytes, bucket.alloc_bytes);
            snapshot->buckets[snapshot->bucket_count++] = bucket;
        }
    }
    return 0;
}

/* The maps whose entry was theirs at both looks, with what the first one read: it was read between the
 * two. An update meanwhile may leave numbers of two moments, both of them true. */
static int read_maps(struct ebb_reader *reader, struct ebb_snapshot *snapshot,
                     struct ebb_error *error)
{
    struct table table = {0};
    snapshot->map_count = 0;
    int code = table_load(reader, EBB_TABLE_MAPS, &table, error);
    if (code < 0 || (code = make_room(snapshot, EBB_TABLE_MAPS, (void **)&snapshot->maps,
                                      table.count, error)) < 0)
        return code;
    snapshot->dropped[EBB_TABLE_MAPS] = table.dropped;
    for (size_t first = 0, got; first < table.count; first += got) {
        got = read_twice(reader, &table, first, block_entries(&table, table.count - first));
        if (got == 0)
            break;
        const struct ebb_map_entry *before = (const void *)reader->block[0];
        const struct ebb_map_entry *after = (const void *)reader->block[1];
        for (size_t i = 0; i < got; i++)
            if (after[i].sequence != 0 && before[i].sequence == after[i].sequence)
                snapshot->maps[snapshot->map_count++] = before[i];
    }
    return 0;
}

/* A table whose entries never change once they are visible. */
static int read_table(struct ebb_reader *reader, struct ebb_snapshot *snapshot,
                      enum ebb_table which, void **buffer, size_t *count, struct ebb_error *error)
{
    struct table table = {0};
    *count = 0;
    int code = table_load(reader, which, &table, error);
    if (code < 0 || (code = make_room(snapshot, which, buffer, table.count, error)) < 0)
        return code;
    snapshot->dropped[which] = table.dropped;
    *count = table_read(&table, *buffer, 0, table.count);
    return 0;
}

/* The exact totals, summed over the threads' shards. */
static int read_totals(struct ebb_reader *reader, struct ebb_snapshot *snapshot,
                       struct ebb_error *error)
{
    struct table table = {0};
    int code = table_load(reader, EBB_TABLE_SHARDS, &table, error);
    if (code < 0)
        return code;
    snapshot->dropped[EBB_TABLE_SHARDS] = table.dropped;
    snapshot->allocs = snapshot->frees = snapshot->alloc_bytes = snapshot->sampled = 0;
    for (size_t first = 0, got; first < table.count; first += got) {
        got =
            table_read(&table, reader->block[0], first, block_entries(&table, table.count - first));
        if (got == 0)
            break;
        const struct ebb_shard *shards = (const void *)reader->block[0];
        for (size_t i = 0; i < got; i++) {
            uint64_t bytes = shards[i].drawn - (uint64_t)shards[i].countdown - shards[i].allocs;
            snapshot->alloc_bytes += (int64_t)bytes > 0 ? bytes : 0; /* caught between two stores */
            snapshot->allocs += shards[i].allocs;
            snapshot->frees += shards[i].frees;
            snapshot->sampled += shards[i].samples;
        }
    }
    return 0;
}

static bool bucket_fits(const struct ebb_bucket *bucket, const struct ebb_snapshot *snapshot)
{
    return bucket->stack < snapshot->stack_count && bucket->kind < EBB_KIND_COUNT &&
           bucket->size_class < EBB_SIZE_CLASSES;
}

/* Makes every reference between the tables hold. A stack or bucket that is wrong stays, empty, so
 * that the indexes of the others stay right; samples of such a bucket are dropped. */
static void mend_references(struct ebb_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->stack_count; i++) {
        struct ebb_stack *stack = &snapshot->stacks[i];
        if (stack->depth > EBB_CHANNEL_MAX_FRAMES || stack->first_frame > snapshot->frame_count ||
            stack->depth > snapshot->frame_count - stack->first_frame)
            *stack = (struct ebb_stack){0};
        stack->truncated = stack->truncated != 0;
    }
    if (snapshot->stack_count == 0)
        snapshot->bucket_count = 0;
    for (size_t i = 0; i < snapshot->bucket_count; i++)
        if (!bucket_fits(&snapshot->buckets[i], snapshot))
            snapshot->buckets[i] = (struct ebb_bucket){0};
    size_t kept = 0;
    for (size_t i = 0; i < snapshot->sample_count; i++) {
        const struct ebb_sample *sample = &snapshot->samples[i];
        if (sample->bucket < snapshot->bucket_count &&
            snapshot->buckets[sample->bucket].alloc_samples > 0)
            snapshot->samples[kept++] = *sample;
    }
    snapshot->sample_count = kept;
    for (size_t i = 0; i < snapshot->map_count; i++) {
        struct ebb_map_entry *map = &snapshot->maps[i];
        sanitise(map->name, sizeof map->name, false);
        if (map->stack >= snapshot->stack_count)
            map->stack = UINT32_MAX;
    }
    for (size_t i = 0; i < snapshot->module_count; i++) {
        struct ebb_module *module = &snapshot->modules[i];
        sanitise(module->path, sizeof module->path, false);
        if (module->build_id_size > sizeof module->build_id)
            module->build_id_size = 0;
        if (module->end < module->start)
            module->end = module->start;
    }
}

/* The latest time at which the program is known to have done something. */
static uint64_t last_activity(const struct ebb_snapshot *snapshot)
{
    uint64_t latest = 0;
    for (size_t i = 0; i < snapshot->bucket_count; i++)
        if (snapshot->buckets[i].last_ns > latest)
            latest = snapshot->buckets[i].last_ns;
    for (size_t i = 0; i < snapshot->sample_count; i++)
        if (snapshot->samples[i].birth_ns > latest)
            latest = snapshot->samples[i].birth_ns;
    for (size_t i = 0; i < snapshot->map_count; i++)
        if (snapshot->maps[i].updated_ns > latest)
            latest = snapshot->maps[i].updated_ns;
    return latest;
}

/* Dates the snapshot: now while the program runs, else when it ended, as near as that is known. */
static void date(struct ebb_reader *reader, struct ebb_snapshot *snapshot, bool alive,
                 const struct ebb_channel_header *header)
{
    if (alive) {
        snapshot->taken_ns = reader->seen_alive_ns = ebb_clock_ns();
    } else {
        uint64_t latest = last_activity(snapshot);
        if (latest < reader->seen_alive_ns)
            latest = reader->seen_alive_ns;
        if (latest < reader->identity.started_ns)
            latest = reader->identity.started_ns;
        snapshot->taken_ns = latest < header->ended_ns ? header->ended_ns : latest;
    }
    for (size_t i = 0; i < snapshot->bucket_count; i++)
        snapshot->buckets[i].last_ns = smaller(snapshot->buckets[i].last_ns, snapshot->taken_ns);
    for (size_t i = 0; i < snapshot->sample_count; i++)
        snapshot->samples[i].birth_ns = smaller(snapshot->samples[i].birth_ns, snapshot->taken_ns);
    for (size_t i = 0; i < snapshot->map_count; i++) {
        struct ebb_map_entry *map = &snapshot->maps[i];
        map->updated_ns = smaller(map->updated_ns, snapshot->taken_ns);
        map->born_ns = smaller(map->born_ns, map->updated_ns);
    }
}

int ebb_reader_snapshot(struct ebb_reader *reader, struct ebb_snapshot *snapshot,
                        struct ebb_error *error)
{
    struct ebb_channel_header header = {0};
    const char *path = reader->identity.path;
    bool alive = ebb_reader_alive(reader); /* asked first: of a dead process nothing is missed */
    int code;
    if ((code = read_samples(reader, snapshot, error)) < 0 ||
        (code = read_maps(reader, snapshot, error)) < 0 ||
        (code = read_buckets(reader, snapshot, error)) < 0 ||
        (code = read_table(reader, snapshot, EBB_TABLE_STACKS, (void **)&snapshot->stacks,
                           &snapshot->stack_count, error)) < 0 ||
        (code = read_table(reader, snapshot, EBB_TABLE_FRAMES, (void **)&snapshot->frames,
                           &snapshot->frame_count, error)) < 0 ||
        (code = read_table(reader, snapshot, EBB_TABLE_MODULES, (void **)&snapshot->modules,
                           &snapshot->module_count, error)) < 0 ||
        (code = read_totals(reader, snapshot, error)) < 0 ||
        (code = read_header(reader, path, &header, error)) < 0)
        return code == -EAGAIN ? bad(error, path, "the header was erased") : code;
    mend_references(snapshot);
    date(reader, snapshot, alive, &header);
    snapshot->state = header.state;
    snapshot->period = reader->identity.period;
    snapshot->threads = header.threads;
    snapshot->threads_created = header.threads_created;
    snapshot->lost_frees = header.lost_frees;
    struct stat status;
    snapshot->record_bytes = fstat(reader->fd, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
    return 0;
}

void ebb_snapshot_free(struct ebb_snapshot *snapshot)
{
    free(snapshot->modules);
    free(snapshot->frames);
    free(snapshot->stacks);
    free(snapshot->buckets);
    free(snapshot->samples);
    free(snapshot->maps);
    memset(snapshot, 0, sizeof *snapshot);
}

double ebb_sample_weight(uint64_t size, uint64_t period, enum ebb_kind kind)
{
    if (kind == EBB_KIND_MMAP || kind == EBB_KIND_THREAD || period <= 1)
        return 1;
    return -1 / expm1(-((double)size + 1) / (double)period);
}
