/* The fast unwinder. See unwind.h.
 *
 * How it works. A frame is (return address, sp, frame pointer, one more register). What leads to
 * its caller is a small rule (unwind_cfi.h), which depends on the address only; rules are kept in a
 * fixed table, so a warm step is one table look-up and two or three loads. On a miss the object is
 * found with glibc's _dl_find_object, which takes no locks, and its .eh_frame is read. Where that
 * function is missing, and on machines not known here, libgcc walks.
 *
 * Why the table needs no lock. An entry carries the exclusive or of its words with its key (Hyatt
 * and Mann, "A lock-less transposition table implementation for parallel search", 2002): a torn
 * entry does not match and counts as a miss.
 *
 * Unloading. Objects that were there at ebb_unwind_init stay for ever, and their rules are trusted.
 * The rules of other objects carry a tag of where the object lay, which each walk compares with the
 * present once per object.
 *
 * Why it does not crash. Each load is aligned, between the frame's sp and the top of the stack, and
 * from memory known to be readable. The top of a thread's own stack is known (the thread pointer
 * lies above it, for the main thread __libc_stack_end does), and every page below it is probed once
 * in the thread's life on the way down to sp: a stack is one unbroken mapping and lives as long as
 * its thread. On any other stack (a coroutine's, a signal's) every page is probed once in each
 * walk. The probe is rt_sigprocmask with an impossible `how`: the kernel reads the new mask, says
 * EFAULT if it cannot, EINVAL if it can, and changes nothing; no seccomp filter forbids it.
 * Addresses rise with every frame, so a walk ends. */
#include "channel/unwind.h"

#include "channel/unwind_cfi.h"

#include <assert.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if (defined(__x86_64__) || defined(__aarch64__)) && defined(__LP64__) &&                          \
    defined(DLFO_STRUCT_HAS_EH_DBASE)
#define FAST 1
#else
#define FAST 0
#endif

#if FAST

/* The walk reads stacks as bare memory, red zones of the sanitizers included. */
#define BARE __attribute__((no_sanitize("address", "thread", "undefined")))
#define COLD __attribute__((noinline, cold))

enum {
    CACHE_BITS = 13,
    CACHE_ENTRIES = 1 << CACHE_BITS,
    MAX_PERMANENT = 512,
    PROBE_PAGE = 4096, /* no machine's pages are smaller */
    DESCENT_PAGES = 16,
    RED_ZONE = 128, /* what signal handlers leave alone below sp */
    FOREIGN_FRAME_LIMIT = 1 << 20,
    TAG_PERMANENT = 0,
};

static_assert(sizeof(struct ebb_cfi_rule) == 24, "a rule and its check fill half a cache line");

/* glibc's; weak, because older ones have only the second. NOLINTBEGIN */
extern int _dl_find_object(void *address, struct dl_find_object *result) __attribute__((weak));
extern void *__libc_stack_end __attribute__((weak));
/* NOLINTEND */

/* --- the program's objects -------------------------------------------------------------------- */

static struct {
    uint64_t start, end;
} permanent[MAX_PERMANENT];
static unsigned permanent_count;

static int note_permanent(struct dl_phdr_info *info, size_t size, void *context)
{
    unsigned *count = (unsigned *)context;
    (void)size;
    uint64_t start = UINT64_MAX, end = 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uint64_t at = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        if (at < start)
            start = at;
        if (at + segment->p_memsz > end)
            end = at + segment->p_memsz;
    }
    if (start < end && *count < MAX_PERMANENT) {
        permanent[*count].start = start;
        permanent[*count].end = end;
        ++*count;
    }
    return 0;
}

static bool is_permanent(uint64_t pc)
{
    unsigned count = __atomic_load_n(&permanent_count, __ATOMIC_ACQUIRE);
    for (unsigned i = 0; i < count; i++)
        if (pc >= permanent[i].start && pc < permanent[i].end)
            return true;
    return false;
}

/* The object that the instruction before `address` lies in; false when in none. */
static bool find_object(uint64_t address, struct dl_find_object *object)
{
    return _dl_find_object((void *)ebb_cfi_pointer(address - 1), object) == 0;
}

/* What tells one loading of an object from another at the same place. Never TAG_PERMANENT. */
static uint16_t object_tag(const struct dl_find_object *object)
{
    uint64_t words[] = {
        (uint64_t)(uintptr_t)object->dlfo_map_start, (uint64_t)(uintptr_t)object->dlfo_map_end,
        (uint64_t)(uintptr_t)object->dlfo_link_map, (uint64_t)(uintptr_t)object->dlfo_eh_frame};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint16_t)(hash >> 48) | 1;
}

/* The segment that holds the object's tables, from the program headers at its start. */
static bool find_tables(const struct dl_find_object *object, struct ebb_cfi_tables *tables)
{
    const uint8_t *start = object->dlfo_map_start, *end = object->dlfo_map_end;
    const ElfW(Ehdr) *header = (const void *)start;
    const uint8_t *wanted = object->dlfo_eh_frame;
    if (!wanted || (size_t)(end - start) < sizeof *header ||
        memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_phentsize != sizeof(ElfW(Phdr)) || header->e_phoff > PROBE_PAGE ||
        header->e_phoff + header->e_phnum * sizeof(ElfW(Phdr)) > PROBE_PAGE)
        return false;
    const ElfW(Phdr) *segments = (const void *)(start + header->e_phoff);
    /* The mapping starts with the page of the lowest segment, which is the first. */
    uint64_t bias = 0;
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD) {
            bias = (uint64_t)(uintptr_t)start - (segments[i].p_vaddr & ~(segments[i].p_align - 1));
            break;
        }
    for (unsigned i = 0; i < header->e_phnum; i++) {
        const uint8_t *low = ebb_cfi_pointer(bias + segments[i].p_vaddr);
        const uint8_t *high = low + segments[i].p_filesz;
        if (segments[i].p_type == PT_LOAD && (segments[i].p_flags & PF_R) && wanted >= low &&
            wanted < high && low >= start && high <= end) {
            *tables = (struct ebb_cfi_tables){low, high, wanted};
            return true;
        }
    }
    return false;
}

/* --- memory that may not be there ------------------------------------------------------------- */

static COLD bool readable_page(uint64_t address)
{
    int saved = errno;
    const void *page = ebb_cfi_pointer(address & ~(uint64_t)(PROBE_PAGE - 1));
    bool readable = syscall(SYS_rt_sigprocmask, -1, page, NULL, 8) < 0 && errno != EFAULT;
    errno = saved;
    return readable;
}

/* Whether the code at `pc`, inside the object, is what signal handlers return to: libc's on x86-64,
 * the kernel's vDSO's on aarch64. Objects have holes between their segments, hence the probes;
 * outside every object nothing is read, for another thread may be unmapping it. */
static COLD bool is_trampoline(const struct dl_find_object *object, uint64_t pc)
{
#if defined(__x86_64__)
    /* mov $__NR_rt_sigreturn, %rax; syscall */
    static const uint8_t code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
#else
    /* mov x8, #__NR_rt_sigreturn; svc #0 */
    static const uint8_t code[] = {0x68, 0x11, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};
#endif
    return pc + sizeof code <= (uint64_t)(uintptr_t)object->dlfo_map_end && readable_page(pc) &&
           readable_page(pc + sizeof code - 1) &&
           memcmp(ebb_cfi_pointer(pc), code, sizeof code) == 0;
}

/* --- rules ------------------------------------------------------------------------------------ */

struct cache_entry {
    uint64_t check; /* address ^ every word of the rule */
    uint64_t words[3];
};

static struct cache_entry cache[CACHE_ENTRIES] __attribute__((aligned(64)));

static inline struct cache_entry *cache_slot(uint64_t address)
{
    return &cache[(address ^ address >> CACHE_BITS) & (CACHE_ENTRIES - 1)];
}

static inline bool cache_get(uint64_t address, struct ebb_cfi_rule *rule)
{
    const struct cache_entry *entry = cache_slot(address);
    const uint64_t check = __atomic_load_n(&entry->check, __ATOMIC_RELAXED);
    const uint64_t words[] = {__atomic_load_n(&entry->words[0], __ATOMIC_RELAXED),
                              __atomic_load_n(&entry->words[1], __ATOMIC_RELAXED),
                              __atomic_load_n(&entry->words[2], __ATOMIC_RELAXED)};
    memcpy(rule, words, sizeof *rule);
    return (check ^ words[0] ^ words[1] ^ words[2]) == address;
}

static void cache_put(uint64_t address, const struct ebb_cfi_rule *rule)
{
    struct cache_entry *entry = cache_slot(address);
    uint64_t words[3];
    memcpy(words, rule, sizeof words);
    __atomic_store_n(&entry->check, address ^ words[0] ^ words[1] ^ words[2], __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 3; i++)
        __atomic_store_n(&entry->words[i], words[i], __ATOMIC_RELAXED);
}

/* Works the rule out and remembers it. Code outside every object, such as a JIT compiler's, has no
 * rule, and what lies there now may not lie there next time: nothing is remembered of it. */
static COLD struct ebb_cfi_rule make_rule(uint64_t address)
{
    struct ebb_cfi_rule rule = {.kind = EBB_CFI_NONE};
    struct dl_find_object object;
    struct ebb_cfi_tables tables;
    bool marked = false;
    if (!find_object(address, &object))
        return rule;
    if (find_tables(&object, &tables))
        rule = ebb_cfi_find(&tables, address - 1, &marked);
    if ((marked || rule.kind == EBB_CFI_NONE) && is_trampoline(&object, address))
        rule = (struct ebb_cfi_rule){.kind = EBB_CFI_SIGNAL};
    rule.object = is_permanent(address - 1) ? TAG_PERMANENT : object_tag(&object);
    cache_put(address, &rule);
    return rule;
}

/* --- stacks ----------------------------------------------------------------------------------- */

/* What is known of a thread's own stack: [low, top) is readable, and below `floor` it is not, or
 * belongs to something else. A signal handler that unwinds in between can at worst have its
 * progress undone. */
struct own_stack {
    uint64_t low, top, floor;
};

static __thread struct own_stack own_stack __attribute__((tls_model("initial-exec")));

static uint64_t thread_pointer(void)
{
    uint64_t pointer;
#if defined(__x86_64__)
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
#else
    __asm__("mrs %0, tpidr_el0" : "=r"(pointer));
#endif
    return pointer;
}

/* An address above all frames of this thread's stack, on the same mapping. */
static COLD uint64_t find_top(void)
{
    if (syscall(SYS_gettid) == getpid() && &__libc_stack_end)
        return (uint64_t)(uintptr_t)__libc_stack_end & ~UINT64_C(7);
    return thread_pointer() & ~UINT64_C(7);
}

/* Lowers what is known of the thread's stack to `sp`, which is in use and so readable itself; false
 * when sp is not on it, or too far down to find out now. */
static COLD bool descend(struct own_stack *stack, uint64_t sp)
{
    uint64_t page = sp & ~(uint64_t)(PROBE_PAGE - 1);
    if (!stack->top)
        stack->low = stack->top = find_top();
    if (sp >= stack->top || sp < stack->floor)
        return false;
    for (unsigned i = 0; i < DESCENT_PAGES && page < stack->low; i++) {
        uint64_t below = (stack->low - 1) & ~(uint64_t)(PROBE_PAGE - 1);
        if (below != page && !readable_page(below)) {
            stack->floor = stack->low;
            return false;
        }
        stack->low = below;
    }
    return page >= stack->low;
}

/* --- the walk --------------------------------------------------------------------------------- */

struct walk {
    uint64_t address, sp, fp, base, link; /* `address` as in unwind.h: one past the instruction */
    uint64_t low, high;                   /* readable */
    bool own;                             /* [low, high) is what there is of this stack */
    bool link_valid;                      /* the link register is the frame's own */
    uint64_t object_start, object_size;   /* the object that was compared last */
    uint16_t object_tag;
};

/* Prepares reading at sp, on whatever stack that is. Of a frame that a signal interrupted in its
 * epilogue, registers may lie below sp: popped, but still there. */
static inline bool enter_stack(struct walk *walk)
{
    struct own_stack *stack = &own_stack;
    if (walk->sp & 7)
        return false;
    walk->own = (walk->sp >= stack->low && walk->sp < stack->top) || descend(stack, walk->sp);
    walk->low = walk->sp - RED_ZONE;
    if (walk->own && walk->low < stack->low)
        walk->low = stack->low;
    walk->high = walk->own ? stack->top : walk->low;
    return true;
}

/* Makes an address of a foreign stack readable, when it is. */
static COLD bool extend(struct walk *walk, uint64_t address)
{
    if (walk->own || address < walk->low || address - walk->low > FOREIGN_FRAME_LIMIT ||
        !readable_page(address))
        return false;
    uint64_t page = address & ~(uint64_t)(PROBE_PAGE - 1);
    if (walk->high != page)
        walk->low = page > walk->low ? page : walk->low;
    walk->high = page + PROBE_PAGE;
    return true;
}

/* Loads a word of the stack. */
static inline BARE bool load(struct walk *walk, uint64_t address, uint64_t *value)
{
    if ((address & 7) || ((address < walk->low || address >= walk->high) && !extend(walk, address)))
        return false;
    *value = *(const volatile uint64_t *)ebb_cfi_pointer(address);
    return true;
}

/* Whether a rule still describes what lies at the walk's address. */
static COLD bool still_loaded(struct walk *walk, uint16_t tag)
{
    if (walk->address - 1 - walk->object_start >= walk->object_size) {
        struct dl_find_object object;
        if (!find_object(walk->address, &object))
            return false;
        walk->object_start = (uint64_t)(uintptr_t)object.dlfo_map_start;
        walk->object_size = (uint64_t)(uintptr_t)object.dlfo_map_end - walk->object_start;
        walk->object_tag = object_tag(&object);
    }
    return walk->object_tag == tag;
}

static inline bool find_rule(struct walk *walk, struct ebb_cfi_rule *rule)
{
    if (!cache_get(walk->address, rule) ||
        (rule->object != TAG_PERMANENT && !still_loaded(walk, rule->object)))
        *rule = make_rule(walk->address);
    return rule->kind != EBB_CFI_NONE && rule->kind != EBB_CFI_END;
}

/* Takes the registers of what a signal interrupted from the ucontext at sp, which the kernel put
 * there. */
static COLD bool cross_signal(struct walk *walk)
{
#if defined(__x86_64__)
    const uint64_t registers = walk->sp + offsetof(ucontext_t, uc_mcontext.gregs);
    bool good = load(walk, registers + REG_RBP * 8, &walk->fp) &&
                load(walk, registers + REG_RBX * 8, &walk->base) &&
                load(walk, registers + REG_RIP * 8, &walk->address) &&
                load(walk, registers + REG_RSP * 8, &walk->sp);
#else
    const uint64_t siginfo_bytes = 128; /* the kernel's rt_sigframe: siginfo, then ucontext */
    const uint64_t context = walk->sp + siginfo_bytes;
    const uint64_t registers = context + offsetof(ucontext_t, uc_mcontext.regs);
    bool good = load(walk, registers + EBB_CFI_BASE * 8, &walk->base) &&
                load(walk, registers + EBB_CFI_FP * 8, &walk->fp) &&
                load(walk, registers + EBB_CFI_RA * 8, &walk->link) &&
                load(walk, context + offsetof(ucontext_t, uc_mcontext.pc), &walk->address) &&
                load(walk, context + offsetof(ucontext_t, uc_mcontext.sp), &walk->sp);
#endif
    walk->address++;
    walk->link_valid = true;
    return good && enter_stack(walk);
}

static inline uint64_t strip_signature(uint64_t address)
{
#if defined(__aarch64__)
    register uint64_t x30 __asm__("x30") = address;
    __asm__("hint #7" : "+r"(x30)); /* xpaclri; does nothing on machines without */
    return x30;
#else
    return address;
#endif
}

/* Loads a callee-saved register. One that cannot be found becomes 0, which ends the walk when a CFA
 * depends on it. */
static inline bool load_saved(struct walk *walk, uint64_t from, int32_t offset, uint64_t *value)
{
    *value = 0;
    return offset == EBB_CFI_LOST || load(walk, from + (uint64_t)(int64_t)offset, value);
}

/* Goes from a frame to its caller; false when there is none, or none that can be found. */
static inline bool step(struct walk *walk, const struct ebb_cfi_rule *rule)
{
    if (rule->kind == EBB_CFI_SIGNAL)
        return cross_signal(walk);
    uint64_t cfa = rule->from == EBB_CFI_FROM_SP   ? walk->sp
                   : rule->from == EBB_CFI_FROM_FP ? walk->fp
                                                   : walk->base;
    cfa += (uint64_t)(int64_t)rule->cfa_offset;
    if (rule->flags & EBB_CFI_DEREF) {
        if (!load(walk, cfa, &cfa))
            return false;
        cfa += (uint64_t)(int64_t)rule->cfa_add;
    }
    bool in_link = rule->flags & EBB_CFI_RA_IN_REG;
    if (cfa < walk->sp || (cfa == walk->sp && !in_link) || (in_link && !walk->link_valid))
        return false;
    uint64_t fp = walk->fp;
    if ((rule->flags & EBB_CFI_BASE_SAVED) &&
        !load_saved(walk, rule->flags & EBB_CFI_BASE_AT_FP ? fp : cfa, rule->base_offset,
                    &walk->base))
        return false;
    if ((rule->flags & EBB_CFI_FP_SAVED) &&
        !load_saved(walk, rule->flags & EBB_CFI_FP_AT_FP ? fp : cfa, rule->fp_offset, &walk->fp))
        return false;
    if (in_link)
        walk->address = walk->link;
    else if (!load(walk, cfa + (uint64_t)(int64_t)rule->ra_offset, &walk->address))
        return false;
    if (rule->flags & EBB_CFI_RA_SIGNED)
        walk->address = strip_signature(walk->address);
    walk->sp = cfa;
    walk->link_valid = false;
    return true;
}

/* The registers of this very function, whose own rule then leads to its caller. */
#if defined(__x86_64__)
#define CAPTURE(walk)                                                                              \
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2\n\tmov %%rbx, %3"         \
                     : "=&r"((walk).address), "=&r"((walk).sp), "=&r"((walk).fp),                  \
                       "=&r"((walk).base))
#else
#define CAPTURE(walk)                                                                              \
    __asm__ volatile("adr %0, .\n\tmov %1, sp\n\tmov %2, x29\n\tmov %3, x19\n\tmov %4, x30"        \
                     : "=&r"((walk).address), "=&r"((walk).sp), "=&r"((walk).fp),                  \
                       "=&r"((walk).base), "=&r"((walk).link))
#endif

__attribute__((noinline)) size_t ebb_unwind(uint64_t *pcs, size_t max, bool *truncated)
{
    struct walk walk = {.link_valid = true};
    struct ebb_cfi_rule rule;
    size_t count = 0;
    bool deeper = false;
    if (!_dl_find_object)
        return ebb_unwind_libgcc(pcs, max, truncated);
    CAPTURE(walk);
    walk.address++;
    if (enter_stack(&walk))
        while (find_rule(&walk, &rule) && step(&walk, &rule) && walk.address != 0) {
            if (count == max) {
                deeper = true;
                break;
            }
            pcs[count++] = walk.address;
        }
    if (truncated)
        *truncated = deeper;
    return count;
}

void ebb_unwind_init(void)
{
    uint64_t pc;
    unsigned count = 0;
    if (__atomic_load_n(&permanent_count, __ATOMIC_ACQUIRE) == 0) {
        dl_iterate_phdr(note_permanent, &count);
        __atomic_store_n(&permanent_count, count, __ATOMIC_RELEASE);
    }
    ebb_unwind_libgcc(&pc, 1, NULL);
    ebb_unwind(&pc, 1, NULL);
}

#else /* !FAST */

void ebb_unwind_init(void)
{
    uint64_t pc;
    ebb_unwind_libgcc(&pc, 1, NULL);
}

__attribute__((noinline)) size_t ebb_unwind(uint64_t *pcs, size_t max, bool *truncated)
{
    return ebb_unwind_libgcc(pcs, max, truncated);
}

#endif
