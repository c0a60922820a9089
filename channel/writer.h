/* Writing a record: how a program publishes its memory behaviour into the channel.
 *
 * One writer per process. It is born without a file (`ebb_writer_open`): threads get shards and
 * count in private memory, which costs a short-lived program next to nothing. `ebb_writer_publish`
 * creates the record and moves the shards into it; after that every counter lives in the file.
 *
 * Promises to the program it lives in:
 *   - It never calls malloc, never takes a pthread lock, never prints, and keeps no descriptor
 * open.
 *   - The calls marked [hot] make no system call, except when a table grows by a chunk.
 *   - A chunk is allocated with fallocate before it is touched, within RLIMIT_FSIZE: a full disk or
 * a limit costs entries (counted in `dropped`), never a signal.
 *   - It acts on private memory only; what it wrote into the shared file is not trusted again
 * beyond a bounds check.
 *   - A child by fork finds the private memory zeroed by the kernel (MADV_WIPEONFORK), locks
 *     included, even when no fork handler ran; `ebb_writer_alive` tells. In such a child call
 * nothing but ebb_writer_open.
 *
 * All functions are thread-safe unless they say otherwise. Memory is never given back. */
#ifndef EBB_CHANNEL_WRITER_H
#define EBB_CHANNEL_WRITER_H

#include "channel/layout.h"

#include <stdbool.h>

#define EBB_NONE UINT32_MAX

struct ebb_writer;

struct ebb_writer_config {
    uint64_t period;
    uint64_t session;
    uint32_t agent_flags;
    const char *allocator; /* path of the object with the real malloc, NULL for the program itself;
                              copied when published */
};

/* Makes the process's writer, or makes it anew in a child by fork. Not thread-safe. NULL when there
 * is no memory. */
struct ebb_writer *ebb_writer_open(const struct ebb_writer_config *config);

/* False in a child by fork until ebb_writer_open is called there. */
bool ebb_writer_alive(const struct ebb_writer *writer);

/* The mean distance between samples, in bytes. */
uint64_t ebb_writer_period(const struct ebb_writer *writer);

/* Marks the record an earlier image of this process left (exec) as replaced and removes its name.
 * Returns true and its flags when there was one. */
bool ebb_writer_replace_predecessor(struct ebb_writer *writer, uint32_t *agent_flags);

/* Adds to the flags the record will be created with. */
void ebb_writer_add_flags(struct ebb_writer *writer, uint32_t agent_flags);

/* Creates the record in state STARTING. 0 or a negative errno. Not thread-safe. */
int ebb_writer_publish(struct ebb_writer *writer);
/* The record is complete: readers may look. */
void ebb_writer_started(struct ebb_writer *writer);
bool ebb_writer_published(const struct ebb_writer *writer);

/* Stops the tables' growth for good, after growing each once more: for programs that are about to
 * forbid themselves system calls. */
void ebb_writer_seal(struct ebb_writer *writer);

/* Says how the program ended; removes the record when nobody wants it. */
void ebb_writer_end(struct ebb_writer *writer);

/* Around fork, which needs no locks: the kernel wipes the child's copy of the writer. `inside`
 * tells that this very thread is in the writer (a signal handler forks): then the copy is kept, so
 * that the interrupted call can finish in the child too, without effect on the record. In the
 * child, ebb_writer_forked lets go of the parent's record; ebb_writer_alive is false from there on.
 */
void ebb_writer_before_fork(struct ebb_writer *writer, bool inside);
void ebb_writer_after_fork(struct ebb_writer *writer, bool inside);
void ebb_writer_forked(struct ebb_writer *writer, bool inside);

/* -- Shards ---------------------------------------------------------------------------------- */

/* A shard for a new thread with a fresh distance; NULL when there is no room. Give it back when the
 * thread ends. */
struct ebb_shard *ebb_writer_take_shard(struct ebb_writer *writer, uint32_t thread);
void ebb_writer_give_shard(struct ebb_writer *writer, struct ebb_shard *shard);
/* The shard for everybody without one. Only with atomic operations. */
struct ebb_shard *ebb_writer_common_shard(struct ebb_writer *writer);

/* Gauges: adds to the number of running threads and of threads created so far. */
void ebb_writer_count_threads(struct ebb_writer *writer, int running, int created);
void ebb_writer_lost_free(struct ebb_writer *writer);

/* -- Modules --------------------------------------------------------------------------------- */

/* Index of the new entry, EBB_NONE without room or without a record. */
uint32_t ebb_writer_module(struct ebb_writer *writer, const struct ebb_module *module);
void ebb_writer_module_unloaded(struct ebb_writer *writer, uint32_t module, uint64_t now_ns);

/* -- Stacks and buckets ---------------------------------------------------------------------- */

/* [hot] Index of the stack with these return addresses, the leaf first. `is_new` tells that it was
 * not known before. EBB_NONE without room. */
uint32_t ebb_writer_stack(struct ebb_writer *writer, const uint64_t *frames, size_t depth,
                          bool truncated, bool *is_new);
/* [hot] Index of the bucket for blocks of `size` bytes from a stack. EBB_NONE without room. */
uint32_t ebb_writer_bucket(struct ebb_writer *writer, uint32_t stack, uint64_t size,
                           enum ebb_kind kind);

/* -- Maps ------------------------------------------------------------------------------------- */

/* Where an Ebb map is in the record; `sequence` 0: nowhere. Its owner keeps it, zeroed at birth. */
struct ebb_map_handle {
    uint64_t sequence;
    uint32_t index;
};

/* Writes how a map stands over what was there, or into a new entry when the handle is empty or comes
 * from before a fork. `entry`: what is to be seen; sequence, times and stack are filled in here.
 * `site`: the return address of the call that created the map, 0: unknown. False without a record or
 * room. A map is written by one thread at a time. */
bool ebb_writer_map(struct ebb_writer *writer, struct ebb_map_handle *handle,
                    const struct ebb_map_entry *entry, uint64_t site);
/* The map is gone; empties the handle. */
void ebb_writer_map_gone(struct ebb_writer *writer, struct ebb_map_handle *handle);

/* -- Live blocks ----------------------------------------------------------------------------- */

/* The filter answers "can this address be a recorded block?" in a few instructions: a private
 * bitmap over a hash of the address, without false negatives. */
struct ebb_filter {
    uint64_t mask;
    uint64_t bits[];
};
extern const struct ebb_filter *ebb_writer_filter __attribute__((visibility("hidden")));

static inline uint64_t ebb_filter_index(const struct ebb_filter *filter, uintptr_t key)
{
    return (key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & filter->mask;
}

static inline bool ebb_filter_has(uintptr_t key)
{
    const struct ebb_filter *filter = __atomic_load_n(&ebb_writer_filter, __ATOMIC_RELAXED);
    uint64_t index = ebb_filter_index(filter, key);
    return __atomic_load_n(&filter->bits[index / 64], __ATOMIC_RELAXED) >> (index % 64) & 1;
}

/* What is known of one recorded block. `key` is its address, or another non-zero number its owner
 * finds it by. */
struct ebb_live {
    uintptr_t key;
    uint64_t size;
    uint64_t stack_size; /* the size when the stack was taken; of a thread: EBB_THREAD_... */
    uint32_t sample, bucket;
};

enum ebb_found {
    EBB_FOUND,
    EBB_NOT_FOUND,
    EBB_CONTENDED, /* a lock was held, and the caller must not wait */
};

/* [hot] Records a block that was born. A record that is still there under the same key is retired
 * first: its free was missed. The sample's sequence, 0 without room. */
uint64_t ebb_writer_born(struct ebb_writer *writer, uintptr_t key, uint64_t size, uint32_t bucket);

/* [hot] The block is gone. With `wait` false it gives up on a held lock. */
enum ebb_found ebb_writer_died(struct ebb_writer *writer, uintptr_t key, bool wait);

/* [hot] Takes a block out of the table of live ones without saying that it died. It is then given
 * to exactly one of the three below. */
enum ebb_found ebb_writer_take(struct ebb_writer *writer, uintptr_t key, bool wait,
                               struct ebb_live *live);
void ebb_writer_put_back(struct ebb_writer *writer, const struct ebb_live *live);
void ebb_writer_retire(struct ebb_writer *writer, const struct ebb_live *live);
/* The block goes on at `key` with `size` bytes under the stack it has: one died, one was born. */
void ebb_writer_resize(struct ebb_writer *writer, const struct ebb_live *live, uintptr_t key,
                       uint64_t size);

/* Records a block that was part of another one, under the same stack. */
uint64_t ebb_writer_split(struct ebb_writer *writer, const struct ebb_live *live, uintptr_t key,
                          uint64_t size);

/* The block is gone if its sample still has this sequence. */
void ebb_writer_died_as(struct ebb_writer *writer, uintptr_t key, uint64_t sequence);

/* Notes what became of a recorded thread, found by its key and, when `sequence` is not 0, only
 * under that sequence. One that ended is flagged; one that ended and is detached is gone. Returns
 * its sequence, 0 when it is not known. */
enum {
    EBB_THREAD_ENDED = 1u << 0,
    EBB_THREAD_DETACHED = 1u << 1,
};
uint64_t ebb_writer_thread(struct ebb_writer *writer, uintptr_t key, uint64_t sequence,
                           uint32_t states);

/* What the kernel or the dynamic linker gave as a number. */
static inline void *ebb_writer_pointer(long address)
{
    return (void *)address; /* NOLINT(performance-no-int-to-ptr) */
}

/* Private memory from the kernel, zeroed, wiped in children by fork; NULL when there is none. */
void *ebb_writer_pages(size_t bytes);

#endif
