/* The channel: the one shared-memory format between a program and the ebb command.
 *
 * A publishing program (the preloaded agent, later libebb) owns one file
 *
 *     /dev/shm/ebb-<pid>-<start time in clock ticks since boot>          mode 0600
 *
 * and writes its memory behaviour into it. The command reads the file with pread(2), never by
 * mapping it, while the program runs and after it died in whatever way: nothing has to be flushed,
 * because every counter lives in the file's pages from the first event on.
 *
 * Shape. A fixed header, then chunks. Everything is found by file offsets; there are no pointers,
 * and no address of a heap block is ever written. The header holds one directory per table. A table
 * is an array of fixed-size entries that grows by chunks which never move: chunk k holds
 * (1 << first_shift) << k entries, so entry i is in chunk
 *
 *     k = floor(log2((i >> first_shift) + 1)),   at  i - (((1 << k) - 1) << first_shift).
 *
 * Order. An entry is filled before `used` (or, for samples, its `sequence`) makes it visible with a
 * release store. A reader loads `used` with acquire. Entries are never removed, except samples
 * and maps, which are recycled under their sequence number.
 *
 * Trust. The writer trusts nobody's bytes but its own; the reader treats every byte as hostile.
 *
 * Numbers are in the machine's byte order; `byte_order` tells. Times are CLOCK_MONOTONIC
 * nanoseconds except `started_realtime_ns`. A change of meaning or of size raises
 * EBB_CHANNEL_VERSION; a reader refuses versions it does not know.
 */
#ifndef EBB_CHANNEL_LAYOUT_H
#define EBB_CHANNEL_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define EBB_CHANNEL_DIRECTORY  "/dev/shm"
#define EBB_CHANNEL_PREFIX     "ebb-"
#define EBB_CHANNEL_MAGIC      UINT64_C(0x4c4e484342424501) /* "\1EBBCHNL" in little-endian order */
#define EBB_CHANNEL_VERSION    2u
#define EBB_CHANNEL_BYTE_ORDER UINT32_C(0x01020304)

#define EBB_CHANNEL_MAX_CHUNKS     24 /* per table */
#define EBB_CHANNEL_MAX_FRAMES     96 /* per stack; deeper stacks keep the leaf end and are flagged */
#define EBB_CHANNEL_COMMAND_BYTES  1024
#define EBB_CHANNEL_PATH_BYTES     512
#define EBB_CHANNEL_BUILD_ID_BYTES 32
#define EBB_CHANNEL_NAME_BYTES     48

/* The tables, in the order of the header's directory. */
enum ebb_table {
    EBB_TABLE_SHARDS,  /* struct ebb_shard: exact totals, one entry per live thread, recycled */
    EBB_TABLE_MODULES, /* struct ebb_module: what code was mapped where, and until when */
    EBB_TABLE_FRAMES,  /* uint64_t: return addresses, the leaf first */
    EBB_TABLE_STACKS,  /* struct ebb_stack: runs of frames */
    EBB_TABLE_BUCKETS, /* struct ebb_bucket: weighted counters per (stack, size class, kind) */
    EBB_TABLE_SAMPLES, /* struct ebb_sample: the sampled blocks that are still live */
    EBB_TABLE_MAPS,    /* struct ebb_map_entry: the Ebb maps that have a name or are large */
    EBB_TABLE_COUNT
};

/* Where an allocation came from. Part of a bucket's key. */
enum ebb_kind {
    EBB_KIND_MALLOC,  /* malloc, calloc, the aligned family, operator new */
    EBB_KIND_REALLOC, /* a block that realloc grew or moved: how slices grow */
    EBB_KIND_MMAP,    /* a direct anonymous mapping; counted exactly, weight 1 */
    EBB_KIND_THREAD,  /* a thread, at its creation stack; objects are threads, bytes are zero;
                         counted exactly, weight 1 */
    EBB_KIND_COUNT
};

/* How the program stands. A dead program's record keeps the last value it wrote, so a record that
 * says RUNNING and whose process is gone was killed. */
enum ebb_state {
    EBB_STATE_STARTING, /* the header is not complete; readers wait */
    EBB_STATE_RUNNING,
    EBB_STATE_EXITED,  /* left through exit() */
    EBB_STATE_REPLACED /* the process called exec and the new image published anew */
};

/* Exact totals of one thread. The hot path touches only the first 32 bytes and only its own shard:
 *
 *     bytes ever requested = drawn - countdown - allocs
 *
 * because every allocation takes size + 1 from the countdown (the one makes zero-byte requests
 * sampleable). When the countdown falls below zero the block is sampled and a new distance is
 * drawn. When a thread ends, its shard keeps its sums and waits for the next thread. */
struct ebb_shard {
    int64_t countdown;
    uint64_t allocs;
    uint64_t frees;
    uint64_t drawn;
    uint64_t random; /* the state of the shard's random generator */
    uint32_t thread; /* kernel thread id, 0 while the shard waits for a thread */
    uint32_t reserved;
    uint64_t samples; /* allocations of this shard that were sampled */
    uint64_t reserved2;
};

/* One mapped executable object. A module that was unloaded keeps its entry (`unloaded_ns` set),
 * because stacks recorded before still refer to its addresses. */
struct ebb_module {
    uint64_t base;       /* load bias: address = base + the ELF file's virtual address */
    uint64_t start, end; /* the executable range, [start, end) */
    uint64_t offset;     /* file offset of `start` */
    uint64_t loaded_ns, unloaded_ns; /* unloaded_ns is 0 while mapped */
    uint32_t build_id_size;          /* 0 to EBB_CHANNEL_BUILD_ID_BYTES */
    uint32_t reserved;
    uint8_t build_id[EBB_CHANNEL_BUILD_ID_BYTES];
    char path[EBB_CHANNEL_PATH_BYTES]; /* NUL-terminated */
};

struct ebb_stack {
    uint64_t hash;
    uint32_t first_frame; /* index into EBB_TABLE_FRAMES */
    uint16_t depth;       /* 0 to EBB_CHANNEL_MAX_FRAMES */
    uint16_t truncated;   /* 1 when the real stack was deeper */
};

/* Weighted counters of one (stack, size class, kind). Objects are in 1/1024ths; a sampled block of
 * S bytes stands for 1 / (1 - exp(-(S + 1) / period)) blocks. Live = alloc - free. A reader loads
 * the free_ counters before the alloc_ counters, so live is never negative. */
struct ebb_bucket {
    uint32_t stack; /* index into EBB_TABLE_STACKS */
    uint16_t size_class;
    uint8_t kind; /* enum ebb_kind */
    uint8_t reserved;
    uint64_t alloc_samples, free_samples; /* sampled blocks, unweighted */
    uint64_t alloc_objects, free_objects; /* weighted, 1/1024ths */
    uint64_t alloc_bytes, free_bytes;     /* weighted */
    uint64_t last_ns;                     /* time of the newest sampled allocation */
};

#define EBB_OBJECT_SCALE 1024

/* Flags of a sample. */
enum {
    EBB_SAMPLE_THREAD_ENDED = 1u << 0, /* kind THREAD: it returned and waits to be joined */
};

/* One sampled block that lives. `sequence` is its identity: it grows through the life of the
 * program, is never reused, and is 0 while the entry is free. A reader loads it before and after
 * the other fields and drops the entry when the two differ. */
struct ebb_sample {
    uint64_t sequence;
    uint64_t size; /* bytes requested */
    uint64_t birth_ns;
    uint32_t bucket; /* index into EBB_TABLE_BUCKETS */
    uint32_t flags;
};

/* How an Ebb map stands, as of the last time its table changed much: it is written when the table
 * has grown or shrunk by a sixty-fourth (a small one: by 256 entries, or the half), is cleared, begins or
 * ends, so that it costs the program's other operations nothing. Every number is as old as `updated_ns`. */
struct ebb_map_entry {
    uint64_t sequence; /* identity, as a sample's; 0 while the entry is free */
    uint64_t born_ns, updated_ns;
    uint64_t len, high_water;     /* entries now, and at most so far */
    uint64_t buckets, bytes;      /* of the table: sixteen slots each; memory it holds, */
    uint64_t mapped_bytes;        /* and what of that lies in mappings of its own */
    uint64_t overflow_nodes;      /* of three slots */
    uint64_t deletes, clears;     /* so far; a clear deletes: `len + deletes` were added */
    uint64_t resized, resize_end; /* buckets split, of how many; the same: at rest */
    uint32_t stack;               /* index into EBB_TABLE_STACKS: where it was created */
    uint32_t key_bytes, value_bytes;
    uint32_t flags;                    /* EBB_MAP_... */
    char name[EBB_CHANNEL_NAME_BYTES]; /* NUL-terminated; empty: has none */
};

enum {
    EBB_MAP_NO_SHRINK = 1u << 0, /* keeps its table when entries go */
    EBB_MAP_NESTED = 1u << 1,    /* a map of maps: entries and bytes of all inner maps */
};

struct ebb_table_directory {
    uint32_t entry_size;
    uint32_t first_shift;
    uint32_t used;    /* entries that may be read; for samples and shards the high-water mark */
    uint32_t chunks;  /* chunks that exist */
    uint64_t dropped; /* entries that found no room */
    uint64_t chunk_offset[EBB_CHANNEL_MAX_CHUNKS];
};

struct ebb_channel_header {
    uint64_t magic;
    uint32_t version;
    uint32_t byte_order;
    uint32_t header_size;
    uint32_t state; /* enum ebb_state; the last thing written when the record is born */

    /* identity */
    uint32_t pid;
    uint32_t parent_pid;
    uint64_t start_ticks; /* field 22 of /proc/PID/stat: with the pid it names the process */
    uint64_t started_realtime_ns;
    uint64_t started_ns;
    uint64_t session; /* the same for every process started under one `ebb run` or `ebb doctor` */
    uint64_t period;  /* mean bytes between samples; 1 records every block */
    uint32_t page_size;
    uint32_t agent_flags; /* EBB_AGENT_... */
    char executable[EBB_CHANNEL_PATH_BYTES];
    uint32_t command_size;  /* bytes used in `command` */
    uint32_t pid_namespace; /* inode of the pid namespace that `pid` belongs to; 0: unknown */
    char command[EBB_CHANNEL_COMMAND_BYTES]; /* arguments, NUL-separated */
    char allocator[EBB_CHANNEL_PATH_BYTES];  /* the object that provides the real malloc */

    /* gauges that belong to no table */
    uint64_t threads;         /* running now, the main thread included, as far as seen */
    uint64_t threads_created; /* through pthread_create */
    uint64_t lost_frees;      /* frees that could not be recorded (interrupted by a signal) */
    uint64_t file_size;       /* bytes of this file in use: the chunk allocator's end */
    uint64_t ended_ns;        /* when `state` became EXITED */

    /* written by readers, advisory only: the writer never acts on them except that a record with a
     * reader is kept at exit */
    uint32_t reader_pid;  /* who attached last, 0 for nobody */
    uint32_t reader_done; /* 1 when the record was read after its process had gone */

    struct ebb_table_directory table[EBB_TABLE_COUNT];
};

enum {
    EBB_AGENT_KEEP = 1u << 0,      /* keep the record at exit although nobody reads it */
    EBB_AGENT_NO_MALLOC = 1u << 1, /* the program brings its own malloc: only mappings are seen */
    EBB_AGENT_FORKED = 1u << 2,    /* a child by fork: blocks born before the fork are unknown */
    EBB_AGENT_LIBRARY = 1u << 3,   /* libebb alone publishes: nothing but its maps is seen */
};

static_assert(sizeof(struct ebb_shard) == 64, "a shard fills one cache line");
static_assert(sizeof(struct ebb_stack) == 16, "layout");
static_assert(sizeof(struct ebb_bucket) == 64, "a bucket fills one cache line");
static_assert(sizeof(struct ebb_sample) == 32, "layout");
static_assert(sizeof(struct ebb_module) == 600, "layout");
static_assert(sizeof(struct ebb_map_entry) == 168, "layout");
static_assert(offsetof(struct ebb_channel_header, table) % 8 == 0, "directories are aligned");

/* Bytes of one entry. */
static const uint32_t ebb_entry_size[EBB_TABLE_COUNT] = {
    [EBB_TABLE_SHARDS] = sizeof(struct ebb_shard),
    [EBB_TABLE_MODULES] = sizeof(struct ebb_module),
    [EBB_TABLE_FRAMES] = sizeof(uint64_t),
    [EBB_TABLE_STACKS] = sizeof(struct ebb_stack),
    [EBB_TABLE_BUCKETS] = sizeof(struct ebb_bucket),
    [EBB_TABLE_SAMPLES] = sizeof(struct ebb_sample),
    [EBB_TABLE_MAPS] = sizeof(struct ebb_map_entry),
};

/* Size classes: four per doubling, so a class's blocks differ by less than a quarter. Class 0 holds
 * 0 to 15 bytes. Complexity: O(1). */
static inline uint16_t ebb_size_class(uint64_t size)
{
    if (size < 16)
        return 0;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(size);
    return (uint16_t)(1 + ((exponent - 4) << 2) + ((size >> (exponent - 2)) & 3));
}

/* The smallest size of a class, in bytes. */
static inline uint64_t ebb_size_class_floor(uint16_t size_class)
{
    if (size_class == 0)
        return 0;
    unsigned exponent = 4u + ((size_class - 1u) >> 2), quarter = (size_class - 1u) & 3u;
    return exponent > 63 ? UINT64_MAX : (UINT64_C(4) | quarter) << (exponent - 2);
}

#define EBB_SIZE_CLASSES 241

#endif
