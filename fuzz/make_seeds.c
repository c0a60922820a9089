/* Writes the seeds of the fuzzers whose inputs are binary: `make_seeds DIR` fills DIR/channel_fuzz
 * with records made by hand and DIR/unwind_cfi_fuzz with this program's own .eh_frame. Run it when
 * the formats change, and commit what it wrote. */
#include "tests/channel/image.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void write_seed(const char *folder, const char *fuzzer, const char *name, const void *bytes,
                       size_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, fuzzer);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/%s/%s", folder, fuzzer, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_record(const char *folder, const char *name,
                         const uint32_t count[EBB_TABLE_COUNT], uint32_t first_shift,
                         uint32_t state)
{
    struct image_plan plan = {.pid = 4000000, .start_ticks = 7, .first_shift = first_shift};
    memcpy(plan.count, count, sizeof plan.count);
    struct image image = image_make(&plan);
    ((struct ebb_channel_header *)(void *)image.bytes)->state = state;
    write_seed(folder, "channel_fuzz", name, image.bytes, image.size);
    free(image.bytes);
}

/* Finds the segment that holds the main program's .eh_frame_hdr. */
static int write_tables(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    const ElfW(Phdr) *hdr = NULL;
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
            hdr = &info->dlpi_phdr[i];
    for (unsigned i = 0; hdr && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD || hdr->p_vaddr < segment->p_vaddr ||
            hdr->p_vaddr >= segment->p_vaddr + segment->p_filesz)
            continue;
        uint16_t offset = (uint16_t)(hdr->p_vaddr - segment->p_vaddr);
        int32_t distance =
            (int32_t)((int64_t)(uintptr_t)write_tables - (int64_t)(info->dlpi_addr + hdr->p_vaddr));
        size_t used = sizeof offset + sizeof distance, total = used + segment->p_filesz;
        uint8_t *seed = malloc(total);
        if (!seed)
            exit(1);
        memcpy(seed, &offset, sizeof offset);
        memcpy(seed + sizeof offset, &distance, sizeof distance);
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): the loader counts in integers */
        memcpy(seed + used, (const void *)(info->dlpi_addr + segment->p_vaddr), segment->p_filesz);
        write_seed((const char *)context, "unwind_cfi_fuzz", "self", seed, total);
        free(seed);
    }
    return 1; /* the main program comes first */
}

int main(int argc, char **argv)
{
    static const uint32_t empty[EBB_TABLE_COUNT] = {0};
    static const uint32_t small[EBB_TABLE_COUNT] = {1, 1, 6, 2, 3, 4, 2};
    static const uint32_t wide[EBB_TABLE_COUNT] = {4, 2, 60, 20, 30, 60, 9};
    if (argc != 2) {
        fputs("usage: make_seeds DIR\n", stderr);
        return 2;
    }
    write_record(argv[1], "empty", empty, 3, EBB_STATE_RUNNING);
    write_record(argv[1], "small", small, 2, EBB_STATE_EXITED);
    write_record(argv[1], "many-chunks", wide, 1, EBB_STATE_RUNNING);
    dl_iterate_phdr(write_tables, argv[1]);
    return 0;
}
