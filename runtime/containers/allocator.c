/* See ebb/allocator.h: blocks from malloc, pages from mmap. Reservations of 2 MiB and more begin at
 * a multiple of 2 MiB, so that moving one moves whole page tables, and huge pages fit. */
#include <ebb/allocator.h>

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static void *allocate(void *context, size_t size, size_t alignment)
{
    (void)context;
    if (alignment <= _Alignof(max_align_t))
        return malloc(size);
    void *block;
    return posix_memalign(&block, alignment, size) == 0 ? block : NULL;
}

static void release(void *context, void *block, size_t size, size_t alignment)
{
    (void)context, (void)size, (void)alignment;
    free(block);
}

static void *map(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

static void *reserve(void *context, size_t size, int huge)
{
    (void)context;
    if (size < HUGE_PAGE)
        return map(size);
    if (size > SIZE_MAX - HUGE_PAGE)
        return NULL;
    char *pages = (char *)map(size + HUGE_PAGE);
    if (!pages)
        return NULL;
    size_t before = -(uintptr_t)pages & (HUGE_PAGE - 1), behind = HUGE_PAGE - before;
    if (before > 0)
        munmap(pages, before);
    if (behind > 0)
        munmap(pages + before + size, behind);
    if (huge)
        madvise(pages + before, size, MADV_HUGEPAGE);
    return pages + before;
}

static int move(void *context, void *from, size_t size, void *to, size_t used)
{
    (void)context;
    if (used > 0 && mremap(from, used, used, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
        /* The kernel may have unmapped what was there before it found a reason to refuse. When it has
         * not, this fails, and all is as it was. */
        mmap(to, used, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        return -1;
    }
    if (size > used)
        munmap((char *)from + used, size - used);
    return 0;
}

static void discard(void *context, void *pages, size_t size)
{
    (void)context;
    madvise(pages, size, MADV_DONTNEED);
}

static void unreserve(void *context, void *pages, size_t size)
{
    (void)context;
    munmap(pages, size);
}

const struct ebb_allocator ebb_allocator_default = {
    .allocate = allocate,
    .release = release,
    .reserve = reserve,
    .move = move,
    .discard = discard,
    .unreserve = unreserve,
};
