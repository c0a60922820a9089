/* Which code is mapped where, kept up to date without touching dlopen.
 *
 * The record's list is compared with the dynamic linker's when a stack appears that was not known
 * before, and at least once a second on the way of sampled allocations. dl_iterate_phdr counts
 * loads and unloads, so the common case is one callback that stops at once. */
#include "channel/modules.h"

#include "base/clock.h"
#include "base/hash.h"
#include "channel/spin.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>

#define MAX_MODULES 2048
#define CHECK_NS    UINT64_C(1000000000)

struct known {
    uint64_t start, end;
    uint64_t identity; /* hash of path, base and build-id */
    uint32_t module;   /* index in the record */
    uint32_t round;    /* when it was last seen; 0 when it was unloaded */
};

/* Private memory that a child by fork finds empty. */
struct known_modules {
    struct ebb_spin lock;
    uint32_t count, round;
    uint64_t loads, unloads, checked_ns;
    struct ebb_writer *writer;
    struct ebb_module module; /* the one being described; too large for small stacks */
    struct known known[MAX_MODULES];
};

static struct known_modules *modules;

void ebb_modules_forget(void)
{
    if (modules)
        memset(modules, 0, offsetof(struct known_modules, known));
}

static void read_build_id(struct ebb_module *module, const char *notes, size_t size)
{
    while (size >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) note;
        memcpy(&note, notes, sizeof note);
        size_t name = (note.n_namesz + 3) & ~(size_t)3, text = (note.n_descsz + 3) & ~(size_t)3;
        size_t whole = sizeof note + name + text;
        if (whole > size)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            memcmp(notes + sizeof note, "GNU", 4) == 0) {
            module->build_id_size = note.n_descsz < sizeof module->build_id
                                        ? note.n_descsz
                                        : (uint32_t)sizeof module->build_id;
            memcpy(module->build_id, notes + sizeof note + name, module->build_id_size);
            return;
        }
        notes += whole;
        size -= whole;
    }
}

/* The linker names the program itself "", and others as they were found, which may be relative. */
static void write_path(struct ebb_module *module, const char *name)
{
    size_t room = sizeof module->path - 1, used = 0;
    if (!*name) {
        long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", module->path, room);
        used = length > 0 ? (size_t)length : 0;
    } else if (*name != '/' && strchr(name, '/')) {
        long length = syscall(SYS_getcwd, module->path, room - 1);
        if (length > 1) {
            used = (size_t)length - 1;
            module->path[used++] = '/';
        }
    }
    for (; *name && used < room; name++)
        module->path[used++] = *name;
    module->path[used] = 0;
}

static void describe(struct ebb_module *module, const struct dl_phdr_info *info)
{
    memset(module, 0, sizeof *module);
    module->base = info->dlpi_addr;
    write_path(module, info->dlpi_name);
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_NOTE && module->build_id_size == 0)
            read_build_id(module,
                          ebb_writer_pointer((long)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr)),
                          info->dlpi_phdr[i].p_memsz);
}

/* Room for one more: after the last, or where one was unloaded. NULL: none. */
static struct known *room(struct known_modules *all)
{
    if (all->count < MAX_MODULES)
        return &all->known[all->count];
    for (uint32_t i = 0; i < all->count; i++)
        if (!all->known[i].round)
            return &all->known[i];
    return NULL;
}

static void see_range(struct known_modules *all, const struct dl_phdr_info *info,
                      const ElfW(Phdr) * segment)
{
    uint64_t start = info->dlpi_addr + segment->p_vaddr, end = start + segment->p_memsz;
    uint64_t identity =
        ebb_mix64(info->dlpi_addr) ^ ebb_hash_bytes(info->dlpi_name, strlen(info->dlpi_name));
    for (uint32_t i = 0; i < all->count; i++) {
        struct known *known = &all->known[i];
        if (known->start == start && known->end == end && known->identity == identity &&
            known->round) {
            known->round = all->round;
            return;
        }
    }
    struct known *known = room(all);
    if (!known)
        return;
    describe(&all->module, info);
    all->module.start = start;
    all->module.end = end;
    all->module.offset = segment->p_offset;
    all->module.loaded_ns = ebb_clock_ns();
    uint32_t index = ebb_writer_module(all->writer, &all->module);
    if (index == EBB_NONE)
        return;
    *known = (struct known){start, end, identity, index, all->round};
    if (known == &all->known[all->count])
        __atomic_store_n(&all->count, all->count + 1, __ATOMIC_RELEASE);
}

/* Sees one object. Stops at the first when nothing was loaded or unloaded since. */
static int see_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct known_modules *all = (struct known_modules *)argument;
    if (size >= offsetof(struct dl_phdr_info, dlpi_subs) + sizeof info->dlpi_subs) {
        if (all->loads == info->dlpi_adds && all->unloads == info->dlpi_subs && all->round > 1 &&
            all->known[0].round != all->round)
            return 1;
        all->loads = info->dlpi_adds;
        all->unloads = info->dlpi_subs;
    }
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X)
            see_range(all, info, &info->dlpi_phdr[i]);
    return 0;
}

void ebb_modules_refresh(struct ebb_writer *writer)
{
    if (!modules && !(modules = ebb_writer_pages(sizeof *modules)))
        return;
    struct known_modules *all = modules;
    if (!ebb_spin_try(&all->lock))
        return;
    all->checked_ns = ebb_clock_coarse_ns();
    all->writer = writer;
    all->round++;
    if (dl_iterate_phdr(see_object, all) == 0) {
        uint64_t now_ns = ebb_clock_ns();
        for (uint32_t i = 0; i < all->count; i++)
            if (all->known[i].round && all->known[i].round != all->round) {
                ebb_writer_module_unloaded(writer, all->known[i].module, now_ns);
                all->known[i].round = 0;
            }
    } else {
        all->round--; /* nothing was looked at */
    }
    ebb_spin_unlock(&all->lock);
}

void ebb_modules_check(struct ebb_writer *writer, bool is_new_stack)
{
    if (is_new_stack || !modules || ebb_clock_coarse_ns() - modules->checked_ns > CHECK_NS)
        ebb_modules_refresh(writer);
}
