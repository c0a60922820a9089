/* The agent's own life: its start at the first call or in the constructor, whichever comes first,
 * fork, the end of threads, the exit of the program, and the environment.
 *
 *     EBB_SAMPLE   mean bytes between samples; absent: 512 KiB
 *     EBB_SESSION  what the record belongs to, hexadecimal; absent: the record is made at once
 *     EBB_ROOT     "1": this is the program the user named; its record is made at once and kept.
 *                  Removed from the environment, so that children do not inherit it
 *     EBB_FOLLOW   "0": children are left alone
 *
 * With a session and without EBB_ROOT the record is made at the first sample, so that a program
 * that starts many small children pays little for them. */
#include "agent/agent.h"

#include "channel/modules.h"
#include "channel/sampler.h"
#include "channel/spin.h"
#include "channel/unwind.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum mode {
    COLD,     /* nothing was done yet */
    STARTING, /* a thread is at it; others pass through */
    READY,
    OFF /* not wanted or not possible: calls pass through for good */
};

struct ebb_shard ebb_agent_boot_shard = {.countdown = EBB_AGENT_BOOT_COUNTDOWN};
__thread struct ebb_agent_thread ebb_agent_self = {.shard = &ebb_agent_boot_shard};

/* Where a thread counts when the agent is off: sums nobody reads, at the usual price. */
static __thread struct ebb_shard off_shard __attribute__((tls_model("initial-exec")));

static enum mode mode;
static struct ebb_writer *writer;
static struct ebb_writer_config config = {.period = EBB_SAMPLER_DEFAULT_PERIOD};
static bool eager, follow = true;
static pthread_key_t end_key;
static struct ebb_spin publish_lock;

static struct {
    uint64_t allocs, bytes, frees;
} early;

static struct ebb_agent_range own;

bool ebb_agent_owns(uintptr_t address)
{
    return ebb_agent_in(own, address);
}

/* -- Where an object lies ----------------------------------------------------------------------- */

struct search {
    uintptr_t address;
    struct ebb_agent_range found;
};

static int search_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct search *search = (struct search *)argument;
    struct ebb_agent_range range = {UINTPTR_MAX, 0};
    bool inside = false;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_LOAD)
            continue;
        uintptr_t start = info->dlpi_addr + segment->p_vaddr, end = start + segment->p_memsz;
        range.start = start < range.start ? start : range.start;
        range.end = end > range.end ? end : range.end;
        inside |= search->address - start < segment->p_memsz;
    }
    if (inside)
        search->found = range;
    return inside;
}

struct ebb_agent_range ebb_agent_object_of(const void *address)
{
    struct search search = {.address = (uintptr_t)address};
    dl_iterate_phdr(search_object, &search);
    return search.found;
}

/* -- The environment --------------------------------------------------------------------------- */

static const char *environment(const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static uint64_t number(const char *text, unsigned base, uint64_t absent)
{
    if (!text || !*text)
        return absent;
    uint64_t value = 0;
    for (; *text; text++) {
        unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
                         : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10
                                                        : UINT_MAX;
        if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return absent;
    }
    return value;
}

static void read_environment(void)
{
    uint64_t period = number(environment("EBB_SAMPLE"), 10, EBB_SAMPLER_DEFAULT_PERIOD);
    config.period = period == 0                       ? EBB_SAMPLER_DEFAULT_PERIOD
                    : period > EBB_SAMPLER_MAX_PERIOD ? EBB_SAMPLER_MAX_PERIOD
                                                      : period;
    config.session = number(environment("EBB_SESSION"), 16, 0);
    const char *root = environment("EBB_ROOT"), *following = environment("EBB_FOLLOW");
    bool is_root = root && strcmp(root, "1") == 0;
    config.agent_flags = is_root ? EBB_AGENT_KEEP : 0;
    eager = is_root || config.session == 0;
    follow = !following || strcmp(following, "0") != 0;
}

/* Takes this library out of LD_PRELOAD, in place. */
static void leave_preload(void)
{
    char *list = (char *)environment("LD_PRELOAD");
    Dl_info info;
    if (!list || !dladdr(&mode, &info))
        return;
    const char *path = info.dli_fname, *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *out = list;
    for (char *at = list; *at;) {
        size_t separators = strspn(at, " :"), length = strcspn(at + separators, " :");
        const char *entry = at + separators;
        bool is_own = (length == strlen(path) && strncmp(entry, path, length) == 0) ||
                      (length == strlen(name) && strncmp(entry, name, length) == 0);
        if (!is_own && length) {
            if (out != list)
                *out++ = ':';
            memmove(out, entry, length);
            out += length;
        }
        at += separators + length;
    }
    bool had_others = out != list;
    *out = 0;
    if (!had_others)
        unsetenv("LD_PRELOAD");
}

/* -- The start --------------------------------------------------------------------------------- */

static void absorb_early(void)
{
    struct ebb_shard *common = ebb_writer_common_shard(writer);
    uint64_t allocs = __atomic_exchange_n(&early.allocs, 0, __ATOMIC_RELAXED);
    uint64_t bytes = __atomic_exchange_n(&early.bytes, 0, __ATOMIC_RELAXED);
    uint64_t frees = __atomic_exchange_n(&early.frees, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&common->drawn, bytes + allocs, __ATOMIC_RELAXED);
    __atomic_fetch_add(&common->allocs, allocs, __ATOMIC_RELAXED);
    __atomic_fetch_add(&common->frees, frees, __ATOMIC_RELAXED);
}

void ebb_agent_count_early(uint64_t allocs, uint64_t bytes, uint64_t frees)
{
    __atomic_fetch_add(&early.allocs, allocs, __ATOMIC_RELAXED);
    __atomic_fetch_add(&early.bytes, bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&early.frees, frees, __ATOMIC_RELAXED);
    if (writer && ebb_writer_alive(writer))
        absorb_early();
}

static bool publish(void)
{
    if (ebb_writer_published(writer))
        return true;
    ebb_spin_lock(&publish_lock);
    bool done = ebb_writer_published(writer);
    if (!done && mode != OFF) {
        done = ebb_writer_publish(writer) == 0;
        if (done) {
            ebb_modules_refresh(writer);
            ebb_writer_started(writer);
        } else {
            mode = OFF;
        }
    }
    ebb_spin_unlock(&publish_lock);
    return done;
}

static void thread_ends(void *unused);
static void before_fork(void);
static void after_fork(void);
static void in_child(void);

/* Whether calls to `function`, as the program resolved it, end in an object before ours. An address
 * in an executable that is not position-independent may just be its stub for calling ours: the
 * symbol there is undefined. */
static bool is_someone_elses(const void *function)
{
    Dl_info info;
    const ElfW(Sym) *symbol = NULL;
    return !ebb_agent_owns((uintptr_t)function) &&
           dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 && symbol &&
           symbol->st_shndx != SHN_UNDEF;
}

/* The object that holds `function`; NULL for the program itself, whose path the writer knows. */
static const char *path_of(const void *function)
{
    Dl_info info;
    bool is_program = ebb_agent_in(ebb_agent_object_of(function), getauxval(AT_PHDR));
    return !is_program && dladdr(function, &info) ? info.dli_fname : NULL;
}

/* Starts the agent, once libc can be used: before that `environ` is NULL. */
static void start(void)
{
    enum mode cold = COLD;
    if (!environ || !__atomic_compare_exchange_n(&mode, &cold, STARTING, false, __ATOMIC_ACQUIRE,
                                                 __ATOMIC_RELAXED))
        return;
    ebb_real_resolve();
    if (getauxval(AT_SECURE)) {
        mode = OFF;
        return;
    }
    read_environment();

    own = ebb_agent_object_of(&mode);
    const void *allocator = ebb_real_symbol("malloc"), *seen = dlsym(RTLD_DEFAULT, "malloc");
    if (is_someone_elses(seen)) { /* the program brings its own, and never calls ours */
        config.agent_flags |= EBB_AGENT_NO_MALLOC;
        config.allocator = path_of(seen);
    } else {
        config.allocator = path_of(allocator);
    }

    uint32_t inherited = 0;
    if (pthread_key_create(&end_key, thread_ends) != 0 || !(writer = ebb_writer_open(&config))) {
        mode = OFF;
        return;
    }
    /* The image this process had before exec was the one to be kept: so is this one. */
    if (ebb_writer_replace_predecessor(writer, &inherited) && inherited & EBB_AGENT_KEEP) {
        eager = true;
        config.agent_flags |= EBB_AGENT_KEEP;
        ebb_writer_add_flags(writer, EBB_AGENT_KEEP);
    }
    pthread_atfork(before_fork, after_fork, in_child);
    ebb_agent_mappings_start(allocator);
    ebb_unwind_init(); /* early: what is loaded now is known to stay */
    absorb_early();
    if (eager && !publish())
        return;
    __atomic_store_n(&mode, READY, __ATOMIC_RELEASE);
}

/* The memory of a child by fork starts empty, and its record at the first sample. */
static void start_in_child(void)
{
    ebb_agent_self.shard = &ebb_agent_boot_shard;
    ebb_agent_self.attached = ebb_agent_self.ended = false;
    ebb_modules_forget();
    ebb_agent_mappings_forget();
    publish_lock = (struct ebb_spin){0};
    memset(&early, 0, sizeof early);
    config.agent_flags = (config.agent_flags & ~(uint32_t)EBB_AGENT_KEEP) | EBB_AGENT_FORKED;
    if (mode == READY && (!follow || !(writer = ebb_writer_open(&config))))
        mode = OFF;
}

/* -- Being inside ------------------------------------------------------------------------------ */

static void attach_thread(void)
{
    struct ebb_agent_thread *self = &ebb_agent_self;
    if (self->patience) {
        self->patience--;
        return;
    }
    uint32_t thread = (uint32_t)syscall(SYS_gettid);
    struct ebb_shard *shard = ebb_writer_take_shard(writer, thread);
    if (!shard && !ebb_writer_published(writer) && publish())
        shard = ebb_writer_take_shard(writer, thread);
    if (!shard) { /* counts in the common shard, and asks again later */
        self->patience = UINT8_MAX;
        return;
    }
    self->shard = shard;
    if (!self->attached) {
        self->attached = true;
        self->destructor_rounds = 0;
        pthread_setspecific(end_key, self);
        if (thread != (uint32_t)syscall(SYS_getpid))
            ebb_writer_count_threads(writer, 1, 0);
    }
}

struct ebb_writer *ebb_agent_enter(void)
{
    struct ebb_agent_thread *self = &ebb_agent_self;
    if (self->busy)
        return NULL;
    self->busy = true;
    self->saved_errno = errno;
    if (ebb_unlikely(mode == COLD))
        start();
    if (ebb_unlikely(mode == READY && !ebb_writer_alive(writer)))
        start_in_child();
    if (ebb_unlikely(__atomic_load_n(&mode, __ATOMIC_ACQUIRE) != READY)) {
        if (mode == OFF) {
            off_shard.countdown = INT64_MAX / 2;
            self->shard = &off_shard;
        }
        ebb_agent_leave();
        return NULL;
    }
    if (ebb_unlikely(self->shard == &ebb_agent_boot_shard && !self->ended))
        attach_thread();
    return writer;
}

void ebb_agent_leave(void)
{
    errno = ebb_agent_self.saved_errno;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    ebb_agent_self.busy = false;
}

struct ebb_writer *ebb_agent_enter_to_record(void)
{
    if (!ebb_agent_enter())
        return NULL;
    if (publish())
        return writer;
    ebb_agent_leave();
    return NULL;
}

void ebb_agent_freed_inside(void *block)
{
    if (writer && ebb_writer_alive(writer) &&
        ebb_writer_died(writer, (uintptr_t)block, false) == EBB_CONTENDED)
        ebb_writer_lost_free(writer);
}

/* -- The end of a thread ----------------------------------------------------------------------- */

/* A destructor of thread-specific data; waits for the last round, since those of others may still
 * allocate. */
static void thread_ends(void *unused)
{
    (void)unused;
    struct ebb_agent_thread *self = &ebb_agent_self;
    if (++self->destructor_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(end_key, self);
        return;
    }
    if (!ebb_agent_enter())
        return;
    struct ebb_shard *shard = self->shard;
    self->ended = true;
    self->shard = &ebb_agent_boot_shard;
    ebb_agent_thread_ended(writer);
    ebb_writer_count_threads(writer, -1, 0);
    if (shard != &ebb_agent_boot_shard)
        ebb_writer_give_shard(writer, shard);
    ebb_agent_leave();
}

/* -- Fork -------------------------------------------------------------------------------------- */

static void before_fork(void)
{
    if (mode == READY && ebb_writer_alive(writer))
        ebb_writer_before_fork(writer, ebb_agent_self.busy);
}

static void after_fork(void)
{
    if (mode == READY && ebb_writer_alive(writer))
        ebb_writer_after_fork(writer, ebb_agent_self.busy);
}

static void in_child(void)
{
    if (mode != READY)
        return;
    ebb_agent_self.shard = &ebb_agent_boot_shard;
    ebb_writer_forked(writer, ebb_agent_self.busy);
}

/* -- The program's start and end --------------------------------------------------------------- */

__attribute__((constructor)) static void on_load(void)
{
    struct ebb_writer *entered = ebb_agent_enter();
    if (getauxval(AT_SECURE))
        return;
    if (entered)
        ebb_agent_leave();
    unsetenv("EBB_ROOT");
    if (!follow) {
        leave_preload();
        unsetenv("EBB_SAMPLE");
        unsetenv("EBB_SESSION");
        unsetenv("EBB_FOLLOW");
    }
}

static void program_ends(void)
{
    if (mode == READY && ebb_writer_alive(writer))
        ebb_writer_end(writer);
}

__attribute__((destructor)) static void on_unload(void)
{
    program_ends();
}

/* Children by fork usually leave this way. */
EBB_EXPORT __attribute__((noreturn)) void _exit(int status)
{
    program_ends();
    for (;;)
        syscall(SYS_exit_group, status);
}

EBB_EXPORT __attribute__((noreturn)) void _Exit(int status)
{
    _exit(status);
}

/* A program that gives up privileges for good may forbid itself the system calls by which tables
 * grow, and would be killed for ours. */
EBB_EXPORT int prctl(int option, ...)
{
    __builtin_va_list rest;
    __builtin_va_start(rest, option);
    unsigned long argument[4];
    for (int i = 0; i < 4; i++)
        argument[i] = __builtin_va_arg(rest, unsigned long);
    __builtin_va_end(rest);
    if (option == PR_SET_NO_NEW_PRIVS || option == PR_SET_SECCOMP) {
        struct ebb_writer *entered = ebb_agent_enter();
        if (entered) {
            ebb_writer_seal(entered);
            ebb_agent_leave();
        }
    }
    return (int)syscall(SYS_prctl, option, argument[0], argument[1], argument[2], argument[3]);
}
