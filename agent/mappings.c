/* Large anonymous mappings that the program makes itself: counted exactly, as kind MMAP.
 *
 * Mappings of the allocator are the ground its blocks stand on and are left out, by the address of
 * the caller. Reservations (without access, or MAP_NORESERVE) are no memory and are left out as well.
 *
 * Intervals are kept in one sorted array; there are never more than the kernel's limit on mappings
 * (65530 by default). munmap and MAP_FIXED may take any part of an interval: what remains goes on
 * under the stack it has, and a piece cut off at the end becomes a sample of its own. An interval
 * is found in the table of live blocks by its start. */
#include "agent/agent.h"

#include "channel/spin.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LARGE        (UINT64_C(64) << 10)
#define MAX_MAPPINGS 65536

struct interval {
    uintptr_t start, end;
};

/* Private memory that a child by fork finds empty. */
struct mappings {
    struct ebb_spin lock;
    uint32_t count;
    struct interval at[MAX_MAPPINGS];
};

static struct mappings *mappings;
static struct ebb_agent_range allocator_code;

static __typeof__(&mmap) real_mmap;
static __typeof__(&munmap) real_munmap;
static __typeof__(&mremap) real_mremap;

/* A block's address is aligned to 8 at least, and a thread's key is odd. */
static uintptr_t key_of(uintptr_t start)
{
    return start | 2;
}

/* -- Start ------------------------------------------------------------------------------------- */

static void resolve(void)
{
    void *symbol = ebb_real_symbol("munmap");
    memcpy(&real_munmap, &symbol, sizeof symbol);
    symbol = ebb_real_symbol("mremap");
    memcpy(&real_mremap, &symbol, sizeof symbol);
    symbol = ebb_real_symbol("mmap");
    memcpy(&real_mmap, &symbol, sizeof symbol);
}

void ebb_agent_mappings_start(const void *allocator)
{
    resolve();
    allocator_code = ebb_agent_object_of(allocator);
}

/* The table, made at the first mapping; NULL without memory. */
static struct mappings *table(void)
{
    struct mappings *known = __atomic_load_n(&mappings, __ATOMIC_ACQUIRE);
    if (known)
        return known;
    struct mappings *made = ebb_writer_pages(sizeof *made);
    if (made && !__atomic_compare_exchange_n(&mappings, &known, made, false, __ATOMIC_ACQ_REL,
                                             __ATOMIC_ACQUIRE))
        made = known; /* another thread was first; ours stays unused */
    return made;
}

void ebb_agent_mappings_forget(void)
{
    if (mappings) {
        mappings->lock = (struct ebb_spin){0};
        mappings->count = 0;
    }
}

/* -- The sorted array; the lock is held -------------------------------------------------------- */

/* Index of the first interval that ends after `address`. */
static uint32_t first_after(uintptr_t address)
{
    uint32_t low = 0, high = mappings->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (mappings->at[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool insert_at(uint32_t index, struct interval interval)
{
    if (mappings->count == MAX_MAPPINGS)
        return false;
    memmove(&mappings->at[index + 1], &mappings->at[index],
            (mappings->count - index) * sizeof interval);
    mappings->at[index] = interval;
    mappings->count++;
    return true;
}

static void remove_at(uint32_t index)
{
    mappings->count--;
    memmove(&mappings->at[index], &mappings->at[index + 1],
            (mappings->count - index) * sizeof mappings->at[0]);
}

/* Takes [start, end) out of interval `index`, which it meets. Returns the index to go on with. */
static uint32_t cut(struct ebb_writer *writer, uint32_t index, uintptr_t start, uintptr_t end)
{
    struct interval old = mappings->at[index];
    struct ebb_live live;
    bool known = ebb_writer_take(writer, key_of(old.start), true, &live) == EBB_FOUND;
    bool head = old.start<start, tail = old.end> end;
    if (head) {
        mappings->at[index].end = start;
        if (known)
            ebb_writer_resize(writer, &live, key_of(old.start), start - old.start);
        if (tail && known && insert_at(index + 1, (struct interval){end, old.end}))
            ebb_writer_split(writer, &live, key_of(end), old.end - end);
        return index + 1;
    }
    if (tail) {
        mappings->at[index].start = end;
        if (known)
            ebb_writer_resize(writer, &live, key_of(end), old.end - end);
        return index + 1;
    }
    if (known)
        ebb_writer_retire(writer, &live);
    remove_at(index);
    return index;
}

static void cut_range(struct ebb_writer *writer, uintptr_t start, uintptr_t end)
{
    for (uint32_t index = first_after(start);
         index < mappings->count && mappings->at[index].start < end;)
        index = cut(writer, index, start, end);
}

/* -- Events ------------------------------------------------------------------------------------ */

static uintptr_t page_end(uintptr_t start, size_t size)
{
    uintptr_t page = (uintptr_t)getpagesize();
    return (start + size + page - 1) & ~(page - 1);
}

static bool any_known(void)
{
    return mappings && __atomic_load_n(&mappings->count, __ATOMIC_RELAXED);
}

static bool is_known(struct interval range)
{
    ebb_spin_lock(&mappings->lock);
    uint32_t index = first_after(range.start);
    bool known = index < mappings->count && mappings->at[index].start < range.end;
    ebb_spin_unlock(&mappings->lock);
    return known;
}

static void unmapped(void *address, size_t size)
{
    struct ebb_writer *writer = any_known() ? ebb_agent_enter() : NULL;
    if (!writer)
        return;
    if (ebb_writer_published(writer)) {
        ebb_spin_lock(&mappings->lock);
        cut_range(writer, (uintptr_t)address, page_end((uintptr_t)address, size));
        ebb_spin_unlock(&mappings->lock);
    }
    ebb_agent_leave();
}

static void mapped(void *address, size_t size)
{
    struct ebb_writer *writer = ebb_agent_enter_to_record();
    if (!writer)
        return;
    uint32_t bucket = table() ? ebb_agent_bucket_here(writer, size, EBB_KIND_MMAP) : EBB_NONE;
    if (bucket != EBB_NONE) {
        uintptr_t start = (uintptr_t)address, end = page_end(start, size);
        ebb_spin_lock(&mappings->lock);
        cut_range(writer, start, end); /* an munmap that was missed */
        if (insert_at(first_after(start), (struct interval){start, end}))
            ebb_writer_born(writer, key_of(start), size, bucket);
        ebb_spin_unlock(&mappings->lock);
    }
    ebb_agent_leave();
}

static bool is_large_memory(size_t size, int protection, int flags)
{
    return size >= LARGE && (flags & MAP_ANONYMOUS) && (flags & MAP_PRIVATE) &&
           (protection & PROT_WRITE) && !(flags & MAP_NORESERVE);
}

static bool is_programs(const void *caller)
{
    return !ebb_agent_in(allocator_code, (uintptr_t)caller);
}

static void *map(void *address, size_t size, int protection, int flags, int fd, off_t offset,
                 const void *caller)
{
    if (ebb_unlikely(!real_mmap)) /* an allocator that maps while we look for it */
        return ebb_writer_pointer(syscall(SYS_mmap, address, size, protection, flags, fd, offset));
    void *got = real_mmap(address, size, protection, flags, fd, offset);
    if (got == MAP_FAILED)
        return got;
    if (flags & MAP_FIXED)
        unmapped(got, size);
    if (is_large_memory(size, protection, flags) && is_programs(caller))
        mapped(got, size);
    return got;
}

EBB_EXPORT void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return map(address, size, protection, flags, fd, offset, __builtin_return_address(0));
}

EBB_EXPORT void *mmap64(void *address, size_t size, int protection, int flags, int fd,
                        off64_t offset)
{
    return map(address, size, protection, flags, fd, (off_t)offset, __builtin_return_address(0));
}

EBB_EXPORT int munmap(void *address, size_t size)
{
    /* What the kernel will refuse frees nothing. */
    if (size > 0 && (uintptr_t)address % (uintptr_t)getpagesize() == 0)
        unmapped(address, size);
    return real_munmap ? real_munmap(address, size) : (int)syscall(SYS_munmap, address, size);
}

/* The move and its record are one under the lock: whoever is given the range that became free
 * records it after us. */
static void *remap(struct ebb_writer *writer, uint32_t bucket, void *address, struct interval old,
                   size_t new_size, int flags, void *wanted)
{
    ebb_spin_lock(&mappings->lock);
    void *got = real_mremap(address, old.end - old.start, new_size, flags, wanted);
    if (got != MAP_FAILED) {
        struct interval new = {(uintptr_t)got, page_end((uintptr_t)got, new_size)};
        struct ebb_live live = {0};
        uint32_t index = first_after(old.start);
        if (index < mappings->count && mappings->at[index].start == old.start &&
            mappings->at[index].end == old.end &&
            ebb_writer_take(writer, key_of(old.start), true, &live) == EBB_FOUND)
            remove_at(index);
        cut_range(writer, old.start, old.end);
        cut_range(writer, new.start, new.end);
        bool goes_on = live.key && new_size - live.stack_size / 8 <= live.stack_size;
        if (live.key && !goes_on)
            ebb_writer_retire(writer, &live);
        if (insert_at(first_after(new.start), new)) {
            if (goes_on)
                ebb_writer_resize(writer, &live, key_of(new.start), new_size);
            else if (bucket != EBB_NONE)
                ebb_writer_born(writer, key_of(new.start), new_size, bucket);
        } else if (goes_on) {
            ebb_writer_retire(writer, &live);
        }
    }
    ebb_spin_unlock(&mappings->lock);
    return got;
}

EBB_EXPORT void *mremap(void *address, size_t old_size, size_t new_size, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    void *wanted = va_arg(rest, void *);
    va_end(rest);
    if (ebb_unlikely(!real_mremap))
        return ebb_writer_pointer(syscall(SYS_mremap, address, old_size, new_size, flags, wanted));

    struct interval old = {(uintptr_t)address, page_end((uintptr_t)address, old_size)};
    struct ebb_writer *writer = any_known() && !(flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) &&
                                        is_programs(__builtin_return_address(0))
                                    ? ebb_agent_enter()
                                    : NULL;
    if (!writer)
        return real_mremap(address, old_size, new_size, flags, wanted);
    void *got;
    if (ebb_writer_published(writer) && is_known(old)) {
        uint32_t bucket = ebb_agent_bucket_here(writer, new_size, EBB_KIND_MMAP);
        got = remap(writer, bucket, address, old, new_size, flags, wanted);
    } else {
        got = real_mremap(address, old_size, new_size, flags, wanted);
    }
    int failure = errno;
    ebb_agent_leave();
    if (got == MAP_FAILED)
        errno = failure;
    return got;
}
