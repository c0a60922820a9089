/* The .eh_frame reader against elfutils: for every function of the objects that are installed on
 * any system, at a sample of its instructions, both must say the same about the CFA, the return
 * address and the registers. The objects are read, not run. */
#include "channel/unwind_cfi.h"

#include <dirent.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct object {
    int fd;
    Elf *elf;
    uint8_t *image; /* the segments, laid out as in memory */
    size_t size;
    uint64_t hdr, low, high; /* virtual addresses: .eh_frame_hdr and its segment */
};

struct tally {
    unsigned long rows, none, end, different;
};

static bool load_object(const char *path, struct object *object)
{
    *object = (struct object){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (object->fd < 0)
        return false;
    object->elf = elf_begin(object->fd, ELF_C_READ, NULL);
    size_t count = 0;
    GElf_Phdr segment;
    GElf_Ehdr header;
#if defined(__x86_64__)
    const int machine = EM_X86_64;
#else
    const int machine = EM_AARCH64;
#endif
    if (!object->elf || !gelf_getehdr(object->elf, &header) || header.e_machine != machine ||
        elf_getphdrnum(object->elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (gelf_getphdr(object->elf, (int)i, &segment)) {
            if (segment.p_type == PT_LOAD && segment.p_vaddr + segment.p_memsz > object->size)
                object->size = segment.p_vaddr + segment.p_memsz;
            if (segment.p_type == PT_GNU_EH_FRAME)
                object->hdr = segment.p_vaddr;
        }
    if (!object->hdr || object->size == 0 || object->size > (256u << 20) ||
        !(object->image = calloc(1, object->size)))
        return false;
    for (size_t i = 0; i < count; i++)
        if (gelf_getphdr(object->elf, (int)i, &segment) && segment.p_type == PT_LOAD) {
            if (pread(object->fd, object->image + segment.p_vaddr, segment.p_filesz,
                      (off_t)segment.p_offset) != (ssize_t)segment.p_filesz)
                return false;
            if (object->hdr >= segment.p_vaddr &&
                object->hdr < segment.p_vaddr + segment.p_filesz) {
                object->low = segment.p_vaddr;
                object->high = segment.p_vaddr + segment.p_filesz;
            }
        }
    return object->high > 0;
}

static void unload_object(struct object *object)
{
    free(object->image);
    elf_end(object->elf);
    if (object->fd >= 0)
        close(object->fd);
}

/* What elfutils says of a register: at an offset from the CFA, or not there. A register that the
 * tables do not mention is undefined to elfutils, and unchanged to everybody else. */
enum where { WHERE_SAME, WHERE_AT, WHERE_AT_FP, WHERE_ELSEWHERE, WHERE_UNDEFINED };

static enum where where_is(Dwarf_Frame *frame, int reg, int64_t *offset)
{
    Dwarf_Op memory[3], *ops;
    size_t count;
    if (dwarf_frame_register(frame, reg, memory, &ops, &count) != 0)
        return WHERE_ELSEWHERE;
    if (count == 0)
        return ops == NULL ? WHERE_SAME : WHERE_UNDEFINED;
    if (count == 1 && ops[0].atom == DW_OP_breg0 + EBB_CFI_FP) {
        *offset = (int64_t)ops[0].number;
        return WHERE_AT_FP;
    }
    if (ops[0].atom != DW_OP_call_frame_cfa)
        return WHERE_ELSEWHERE;
    if (count == 1) {
        *offset = 0;
        return WHERE_AT;
    }
    if (count == 2 && ops[1].atom == DW_OP_plus_uconst) {
        *offset = (int64_t)ops[1].number;
        return WHERE_AT;
    }
    return WHERE_ELSEWHERE;
}

static bool same_slot(const char *path, uint64_t pc, Dwarf_Frame *frame, int reg, bool saved,
                      bool at_fp, int32_t ours)
{
    int64_t theirs = 0;
    enum where where = where_is(frame, reg, &theirs);
    bool same = where == WHERE_SAME        ? !saved
                : where == WHERE_AT        ? saved && !at_fp && ours == theirs
                : where == WHERE_UNDEFINED ? !saved || ours == EBB_CFI_LOST
                : where == WHERE_AT_FP     ? saved && at_fp && ours == theirs
                                           : saved && ours == EBB_CFI_LOST;
    if (!same)
        print_error("%s: %lx: register %d: %s%d, elfutils %d %ld\n", path, (unsigned long)pc, reg,
                    saved ? "at " : "same ", ours, where, (long)theirs);
    return same;
}

/* Compares one row. Rows whose CFA is an expression are ours to evaluate: only their slots are
 * compared. */
static bool same_row(const char *path, const struct ebb_cfi_rule *rule, Dwarf_Frame *frame,
                     uint64_t pc)
{
    Dwarf_Op *ops;
    size_t count;
    if (dwarf_frame_cfa(frame, &ops, &count) != 0)
        return true;
    if (count == 1 && ops[0].atom >= DW_OP_breg0 && ops[0].atom <= DW_OP_breg31) {
        int reg = ops[0].atom - DW_OP_breg0;
        int ours = rule->from == EBB_CFI_FROM_SP   ? EBB_CFI_SP
                   : rule->from == EBB_CFI_FROM_FP ? EBB_CFI_FP
                                                   : EBB_CFI_BASE;
        if ((rule->flags & EBB_CFI_DEREF) || reg != ours ||
            (int64_t)ops[0].number != rule->cfa_offset) {
            print_error("%s: %lx: CFA r%d%+d, elfutils r%d%+ld\n", path, (unsigned long)pc, ours,
                        rule->cfa_offset, reg, (long)ops[0].number);
            return false;
        }
    }
    bool ra_saved = !(rule->flags & EBB_CFI_RA_IN_REG);
    return same_slot(path, pc, frame, EBB_CFI_RA, ra_saved, false, rule->ra_offset) &&
           same_slot(path, pc, frame, EBB_CFI_FP, rule->flags & EBB_CFI_FP_SAVED,
                     rule->flags & EBB_CFI_FP_AT_FP, rule->fp_offset) &&
           same_slot(path, pc, frame, EBB_CFI_BASE, rule->flags & EBB_CFI_BASE_SAVED,
                     rule->flags & EBB_CFI_BASE_AT_FP, rule->base_offset);
}

static void compare_at(const char *path, const struct object *object, Dwarf_CFI *cfi, uint64_t pc,
                       struct tally *tally)
{
    const struct ebb_cfi_tables tables = {object->image + object->low, object->image + object->high,
                                          object->image + object->hdr};
    Dwarf_Frame *frame = NULL;
    bool is_signal;
    struct ebb_cfi_rule rule =
        ebb_cfi_find(&tables, (uint64_t)(uintptr_t)object->image + pc, &is_signal);
    if (dwarf_cfi_addrframe(cfi, pc, &frame) != 0)
        return;
    tally->rows++;
    if (rule.kind == EBB_CFI_NONE) {
        tally->none++;
        if (getenv("EBB_TEST_VERBOSE"))
            print_message("%s: %lx: no rule\n", path, (unsigned long)pc);
    } else if (rule.kind == EBB_CFI_END) {
        int64_t offset;
        tally->end++;
        tally->different += where_is(frame, EBB_CFI_RA, &offset) != WHERE_UNDEFINED;
    } else {
        tally->different += !same_row(path, &rule, frame, pc);
    }
    free(frame);
}

/* Compares at the start, the end and every `stride` bytes of each function in the object's table.
 */
static void compare_object(const char *path, unsigned stride, struct tally *tally)
{
    struct object object;
    if (load_object(path, &object)) {
        Dwarf_CFI *cfi = dwarf_getcfi_elf(object.elf);
        const uint8_t *hdr = object.image + object.hdr;
        uint32_t count;
        memcpy(&count, hdr + 8, sizeof count);
        for (uint32_t i = 0; cfi && i < count && tally->different < 20; i++) {
            int32_t start, next = 0;
            memcpy(&start, hdr + 12 + 8 * (size_t)i, sizeof start);
            if (i + 1 < count)
                memcpy(&next, hdr + 20 + 8 * (size_t)i, sizeof next);
            uint64_t pc = object.hdr + (uint64_t)(int64_t)start;
            uint64_t end = next > start ? object.hdr + (uint64_t)(int64_t)next : pc + 64;
            for (unsigned taken = 0; pc < end && taken < 64; pc += stride, taken++)
                compare_at(path, &object, cfi, pc, tally);
        }
        if (cfi)
            dwarf_cfi_end(cfi);
    }
    unload_object(&object);
}

static const char *const folders[] = {"/lib/x86_64-linux-gnu",
                                      "/usr/lib/x86_64-linux-gnu",
                                      "/lib/aarch64-linux-gnu",
                                      "/usr/lib/aarch64-linux-gnu",
                                      "/lib64",
                                      "/usr/lib64"};

static bool wanted(const char *name)
{
    static const char *const always[] = {"libc.so.6",      "libm.so.6",     "ld-linux-",
                                         "libstdc++.so.6", "libgcc_s.so.1", "libcrypto.so.3",
                                         "libz.so.1"};
    if (getenv("EBB_TEST_EVERY_LIBRARY"))
        return strstr(name, ".so");
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (strncmp(name, always[i], strlen(always[i])) == 0)
            return true;
    return false;
}

static void same_as_elfutils(void **state)
{
    (void)state;
    struct tally tally = {0};
    unsigned objects = 0;
    elf_version(EV_CURRENT);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char resolved[4096];
        if (!realpath(folders[i], resolved) ||
            (i > 0 && strncmp(folders[i], "/usr", 4) != 0 && strncmp(resolved, "/usr", 4) == 0) ||
            (i == 0 && strncmp(resolved, "/usr", 4) == 0))
            continue;
        DIR *folder = opendir(folders[i]);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[4096 + 300];
            if (!wanted(entry->d_name))
                continue;
            snprintf(path, sizeof path, "%s/%s", resolved, entry->d_name);
            compare_object(path, 5, &tally);
            objects++;
        }
        if (folder)
            closedir(folder);
    }
    print_message("%u objects, %lu rows: %lu without a rule (%.4f %%), %lu outermost\n", objects,
                  tally.rows, tally.none, tally.rows ? 100.0 * tally.none / tally.rows : 0.0,
                  tally.end);
    if (tally.rows == 0)
        skip(); /* no object found in the folders above */
    assert_int_equal(tally.different, 0);
    assert_true(tally.none * 100 < tally.rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_elfutils)};
    return cmocka_run_group_tests_name("unwind_cfi", tests, NULL, NULL);
}
