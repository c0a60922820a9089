/* The agent inside real processes: each test runs a scenario of subject.c under it and reads the
 * record that is left behind.
 *
 * What the program costs beside the scenario is found by running it with a count of 0 and taking
 * the difference. With a sampling period of 1 every number must then be exact. */
#include "channel/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char *agent_path, *subject_path, *subject_cxx_path, *plugin_path, *bump_path,
    *subject_fixed_path, *subject_own_path;

static char session[32]; /* marks the records of this test */

/* -- Running ----------------------------------------------------------------------------------- */

struct options {
    uint64_t period;            /* 0: 1 */
    const char *behind;         /* another library to preload, behind the agent */
    const char *environment[4]; /* NAME=VALUE */
    const char *program;        /* NULL: subject */
    bool hold;                  /* wait while the program holds */
    bool lazy;                  /* as a child of a session: no EBB_ROOT */
    void (*prepare)(void);      /* in the child, before exec; exits with 77 to skip */
};

struct run {
    pid_t pid, child;
    int status;
    long allocs, frees, bytes, live, live_bytes; /* as the program counted */
    bool has_record;
    struct ebb_identity identity;
    struct ebb_snapshot snapshot;
    int in; /* the program's input while it holds */
    char record[300];
};

static void read_record(struct run *run, pid_t pid)
{
    struct ebb_reader *reader;
    struct ebb_error error;
    char path[300];
    int failure;
    if (run->record[0]) {
        snprintf(path, sizeof path, "%s", run->record);
        failure = ebb_reader_open_path(path, &reader, &error);
    } else {
        failure = ebb_reader_open(pid, &reader, &error);
    }
    run->has_record = failure == 0;
    if (failure)
        return;
    run->identity = *ebb_reader_identity(reader);
    if (run->identity.session != strtoull(session, NULL, 16)) { /* an old one of the same pid */
        run->has_record = false;
        ebb_reader_close(reader);
        return;
    }
    if (ebb_reader_snapshot(reader, &run->snapshot, &error) != 0)
        fail_msg("%s", error.text);
    if (!ebb_reader_alive(reader))
        ebb_reader_remove(reader);
    ebb_reader_close(reader);
}

static void set_up_child(const struct options *options, int in, int out)
{
    dup2(in, 0);
    dup2(out, 1);
    char preload[1024], period[32];
    snprintf(preload, sizeof preload, "%s%s%s", agent_path, options->behind ? ":" : "",
             options->behind ? options->behind : "");
    snprintf(period, sizeof period, "%llu",
             (unsigned long long)(options->period ? options->period : 1));
    setenv("LD_PRELOAD", preload, 1);
    setenv("EBB_SAMPLE", period, 1);
    setenv("EBB_SESSION", session, 1);
    setenv("SUBJECT_PLUGIN", plugin_path, 1);
    if (!options->lazy)
        setenv("EBB_ROOT", "1", 1);
    for (int i = 0; i < 4 && options->environment[i]; i++)
        putenv((char *)options->environment[i]);
    if (options->prepare)
        options->prepare();
}

/* Starts the program, and reads the line it prints. */
static void start_program(const struct options *options, const char *scenario, long count,
                          struct run *run)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    char number[32];
    snprintf(number, sizeof number, "%ld", count);
    const char *program = options->program ? options->program : subject_path;
    fflush(NULL);
    run->pid = fork();
    assert_true(run->pid >= 0);
    if (run->pid == 0) {
        set_up_child(options, in[0], out[1]);
        if (options->hold)
            execl(program, "subject", "hold", scenario, number, (char *)NULL);
        else
            execl(program, "subject", scenario, number, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    run->in = in[1];
    char line[256] = "";
    size_t used = 0;
    for (ssize_t n; used + 1 < sizeof line && !memchr(line, '\n', used); used += (size_t)n)
        if ((n = read(out[0], line + used, sizeof line - 1 - used)) <= 0)
            break;
    line[used] = 0;
    long numbers[6];
    int got = sscanf(line, "%ld %ld %ld %ld %ld %ld", &numbers[0], &numbers[1], &numbers[2],
                     &numbers[3], &numbers[4], &numbers[5]);
    long *first = numbers;
    if (got == 6)
        run->child = (pid_t)*first++;
    run->allocs = first[0];
    run->frees = first[1];
    run->bytes = first[2];
    run->live = first[3];
    run->live_bytes = first[4];
    close(out[0]);
}

static void finish_program(struct run *run)
{
    close(run->in);
    assert_int_equal(waitpid(run->pid, &run->status, 0), run->pid);
}

static struct run run_with(const struct options *options, const char *scenario, long count)
{
    struct run run = {0};
    start_program(options, scenario, count, &run);
    if (options->hold)
        read_record(&run, run.pid);
    finish_program(&run);
    if (!options->hold)
        read_record(&run, run.child ? run.child : run.pid);
    return run;
}

static void end_run(struct run *run)
{
    ebb_snapshot_free(&run->snapshot);
}

/* -- Looking ----------------------------------------------------------------------------------- */

struct sums {
    double live_objects, live_bytes, alloc_objects, alloc_bytes;
};

static struct sums sum(const struct ebb_snapshot *snapshot, unsigned kinds)
{
    struct sums sums = {0};
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        const struct ebb_bucket *bucket = &snapshot->buckets[i];
        if (!(kinds >> bucket->kind & 1))
            continue;
        sums.alloc_objects += (double)bucket->alloc_objects / EBB_OBJECT_SCALE;
        sums.alloc_bytes += (double)bucket->alloc_bytes;
        sums.live_objects +=
            (double)(bucket->alloc_objects - bucket->free_objects) / EBB_OBJECT_SCALE;
        sums.live_bytes += (double)(bucket->alloc_bytes - bucket->free_bytes);
    }
    return sums;
}

#define HEAP (1u << EBB_KIND_MALLOC | 1u << EBB_KIND_REALLOC)

static const struct ebb_module *module_of(const struct ebb_snapshot *snapshot, uint64_t pc)
{
    for (size_t i = 0; i < snapshot->module_count; i++)
        if (pc - 1 >= snapshot->modules[i].start && pc - 1 < snapshot->modules[i].end)
            return &snapshot->modules[i];
    return NULL;
}

static uint64_t leaf(const struct ebb_snapshot *snapshot, const struct ebb_bucket *bucket)
{
    const struct ebb_stack *stack = &snapshot->stacks[bucket->stack];
    return stack->depth ? snapshot->frames[stack->first_frame] : 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Weighted live bytes whose leaf lies in a module of this name. */
static double live_bytes_in(const struct ebb_snapshot *snapshot, const char *module, unsigned kinds)
{
    double bytes = 0;
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        const struct ebb_bucket *bucket = &snapshot->buckets[i];
        const struct ebb_module *of = module_of(snapshot, leaf(snapshot, bucket));
        if (of && ends_with(of->path, module) && kinds >> bucket->kind & 1)
            bytes += (double)(bucket->alloc_bytes - bucket->free_bytes);
    }
    return bytes;
}

static void check_whole(const struct run *run)
{
    assert_true(run->has_record);
    for (int id = 0; id < EBB_TABLE_COUNT; id++)
        assert_int_equal(run->snapshot.dropped[id], 0);
    double objects = sum(&run->snapshot, (1u << EBB_KIND_COUNT) - 1).live_objects;
    if (run->snapshot.period == 1)
        assert_int_equal((long)objects, (long)run->snapshot.sample_count);
}

/* Runs a scenario and asserts that every number is exact. */
static void check_exact(const struct options *options, const char *scenario, long count)
{
    struct run base = run_with(options, scenario, 0), run = run_with(options, scenario, count);
    assert_true(WIFEXITED(base.status) && WIFEXITED(run.status));
    assert_int_equal(WEXITSTATUS(base.status), 0);
    assert_int_equal(WEXITSTATUS(run.status), 0);
    check_whole(&base);
    check_whole(&run);
    assert_int_equal(run.snapshot.allocs - base.snapshot.allocs, run.allocs);
    assert_int_equal(run.snapshot.frees - base.snapshot.frees, run.frees);
    assert_int_equal(run.snapshot.alloc_bytes - base.snapshot.alloc_bytes, run.bytes);
    struct sums before = sum(&base.snapshot, HEAP), after = sum(&run.snapshot, HEAP);
    assert_int_equal((long)(after.live_objects - before.live_objects), run.live);
    assert_int_equal((long)(after.live_bytes - before.live_bytes), run.live_bytes);
    assert_int_equal((long)(after.alloc_objects - before.alloc_objects), run.allocs);
    assert_int_equal((long)(after.alloc_bytes - before.alloc_bytes), run.bytes);
    assert_int_equal(run.snapshot.lost_frees, 0);
    end_run(&base);
    end_run(&run);
}

/* -- Tests: the family ------------------------------------------------------------------------- */

static void test_identity(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){0}, "malloc", 100);
    check_whole(&run);
    assert_int_equal(run.identity.pid, run.pid);
    assert_int_equal(run.identity.parent_pid, getpid());
    assert_int_equal(run.identity.session, strtoull(session, NULL, 16));
    assert_int_equal(run.identity.period, 1);
    assert_int_equal(run.identity.agent_flags, EBB_AGENT_KEEP);
    assert_int_equal(run.snapshot.state, EBB_STATE_EXITED);
    assert_true(ends_with(run.identity.executable, "/subject"));
    assert_memory_equal(run.identity.command,
                        "subject\0malloc\0"
                        "100",
                        18);
    assert_non_null(strstr(run.identity.allocator, "libc.so"));
    bool has_subject = false, has_libc = false;
    for (size_t i = 0; i < run.snapshot.module_count; i++) {
        const struct ebb_module *module = &run.snapshot.modules[i];
        has_subject |= ends_with(module->path, "/subject") && module->build_id_size == 20;
        has_libc |= strstr(module->path, "/libc.so.6") && module->build_id_size == 20;
        assert_int_equal(module->unloaded_ns, 0);
    }
    assert_true(has_subject && has_libc);
    assert_int_equal(run.snapshot.threads, 1);
    end_run(&run);
}

static void test_exact(void **state)
{
    (void)state;
    check_exact(&(struct options){0}, "malloc", 20000);
}

static void test_family(void **state)
{
    (void)state;
    check_exact(&(struct options){0}, "family", 200);
    check_exact(&(struct options){0}, "pvalloc", 200);
}

static void test_resizing(void **state)
{
    (void)state;
    check_exact(&(struct options){0}, "realloc", 200);
}

static void test_huge(void **state)
{
    (void)state;
    check_exact(&(struct options){0}, "huge", 50);
}

/* Counted exactly as well when almost nothing is sampled. */
static void test_totals(void **state)
{
    (void)state;
    static const char *const scenarios[] = {"malloc", "family", "realloc", "huge", "threads"};
    for (int i = 0; i < 5; i++) {
        struct options options = {.period = 512 << 10};
        struct run base = run_with(&options, scenarios[i], 0),
                   run = run_with(&options, scenarios[i], 2000);
        check_whole(&run);
        assert_int_equal(run.snapshot.allocs - base.snapshot.allocs, run.allocs);
        assert_int_equal(run.snapshot.frees - base.snapshot.frees, run.frees);
        assert_int_equal(run.snapshot.alloc_bytes - base.snapshot.alloc_bytes, run.bytes);
        assert_true(run.snapshot.sampled > 0 && run.snapshot.sampled < run.snapshot.allocs);
        end_run(&base);
        end_run(&run);
    }
}

static void test_leaf(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){0}, "malloc", 1000);
    check_whole(&run);
    /* Everything that lives was asked for by the program itself, and no frame is the agent's. */
    assert_int_equal((long)live_bytes_in(&run.snapshot, "/subject", HEAP), run.live_bytes);
    for (size_t i = 0; i < run.snapshot.frame_count; i++) {
        const struct ebb_module *module = module_of(&run.snapshot, run.snapshot.frames[i]);
        assert_non_null(module);
        assert_false(ends_with(module->path, "/libebb-agent.so"));
    }
    end_run(&run);
}

/* A huge block that grows by small steps keeps the stack it has, until it grew by an eighth. */
static void test_grow(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){.period = 64 << 10}, "grow", 1000);
    check_whole(&run);
    double live = sum(&run.snapshot, HEAP).live_bytes;
    assert_true(fabs(live - (double)run.live_bytes) < 0.05 * (double)run.live_bytes);
    size_t large = 0;
    for (size_t i = 0; i < run.snapshot.sample_count; i++)
        large += run.snapshot.samples[i].size == (uint64_t)run.live_bytes;
    assert_int_equal(large, 1);
    end_run(&run);
}

/* An executable at a fixed address has a symbol malloc of its own, which leads to the agent's. */
static void test_fixed_address(void **state)
{
    (void)state;
    struct options options = {.program = subject_fixed_path};
    check_exact(&options, "malloc", 1000);
    struct run run = run_with(&options, "nothing", 0);
    check_whole(&run);
    assert_int_equal(run.identity.agent_flags, EBB_AGENT_KEEP);
    assert_non_null(strstr(run.identity.allocator, "libc.so"));
    end_run(&run);
}

/* A program that brings its own malloc shows its mappings, and says what it is. */
static void test_own_malloc(void **state)
{
    (void)state;
    struct options options = {.program = subject_own_path};
    struct run run = run_with(&options, "mappings", 10);
    check_whole(&run);
    assert_int_equal(run.identity.agent_flags, EBB_AGENT_KEEP | EBB_AGENT_NO_MALLOC);
    assert_true(ends_with(run.identity.allocator, "/subject_own"));
    assert_int_equal(run.snapshot.allocs, 0);
    assert_true((long)sum(&run.snapshot, 1u << EBB_KIND_MMAP).live_bytes >= run.live_bytes);
    end_run(&run);
}

/* -- Tests: threads ---------------------------------------------------------------------------- */

static void test_threads(void **state)
{
    (void)state;
    check_exact(&(struct options){0}, "threads", 3000);
}

static void test_exchange(void **state)
{
    (void)state;
    check_exact(&(struct options){0}, "exchange", 30000);
    check_exact(&(struct options){.behind = bump_path}, "exchange", 30000);
}

static void limit_address_space(void)
{
    setrlimit(RLIMIT_AS, &(struct rlimit){64 << 20, 64 << 20});
}

/* A program that runs out of address space gets NULL, as without the agent, and can go on. */
static void test_address_space_limit(void **state)
{
    (void)state;
    struct options options = {.prepare = limit_address_space};
    check_exact(&options, "malloc", 2000);
    struct run run = run_with(&options, "malloc", 1000000);
    assert_true(WIFEXITED(run.status));
    assert_int_equal(WEXITSTATUS(run.status), 3); /* how the program itself says it */
    end_run(&run);
}

static void test_churn(void **state)
{
    (void)state;
    struct options options = {.period = 64 << 10};
    struct run base = run_with(&options, "churn", 0), run = run_with(&options, "churn", 10000);
    check_whole(&run);
    assert_int_equal(WEXITSTATUS(run.status), 0);
    assert_int_equal(run.snapshot.threads_created, 10000);
    assert_int_equal(run.snapshot.threads, 1);
    assert_int_equal((long)sum(&run.snapshot, 1u << EBB_KIND_THREAD).alloc_objects, 10000);
    assert_int_equal((long)sum(&run.snapshot, 1u << EBB_KIND_THREAD).live_objects, 0);
    /* A thread's start and end cost calls of libc's own, which are not ours to predict. */
    assert_true(run.snapshot.allocs - base.snapshot.allocs >= (uint64_t)run.allocs);
    end_run(&base);
    end_run(&run);
}

static void test_leftovers(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){.hold = true}, "leftovers", 5);
    check_whole(&run);
    assert_int_equal(run.snapshot.threads_created, 5 * 7);
    assert_int_equal(run.snapshot.threads, 1 + 5);
    assert_int_equal((long)sum(&run.snapshot, 1u << EBB_KIND_THREAD).live_objects, 10);
    int ended = 0, running = 0;
    for (size_t i = 0; i < run.snapshot.sample_count; i++) {
        const struct ebb_sample *sample = &run.snapshot.samples[i];
        const struct ebb_bucket *bucket = &run.snapshot.buckets[sample->bucket];
        if (bucket->kind != EBB_KIND_THREAD)
            continue;
        if (sample->flags & EBB_SAMPLE_THREAD_ENDED)
            ended++;
        else
            running++;
        assert_true(
            ends_with(module_of(&run.snapshot, leaf(&run.snapshot, bucket))->path, "/subject"));
    }
    assert_int_equal(ended, 5);
    assert_int_equal(running, 5);
    end_run(&run);
}

/* -- Tests: processes -------------------------------------------------------------------------- */

static void test_fork(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){0}, "fork", 3000);
    assert_true(run.child > 0);
    check_whole(&run);
    assert_int_equal(run.identity.pid, run.child);
    assert_int_equal(run.identity.agent_flags, EBB_AGENT_FORKED);
    assert_int_equal(run.snapshot.state, EBB_STATE_RUNNING);
    assert_int_equal(run.snapshot.allocs, run.allocs);
    assert_int_equal((long)sum(&run.snapshot, HEAP).live_objects, run.live);
    assert_int_equal((long)sum(&run.snapshot, HEAP).live_bytes, run.live_bytes);
    end_run(&run);
    read_record(&run, run.pid); /* the parent's, which holds its own two rounds */
    check_whole(&run);
    assert_int_equal(run.identity.pid, run.pid);
    end_run(&run);
}

static void test_raw_fork(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){0}, "raw-fork", 20);
    check_whole(&run);
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    assert_true(fabs(sum(&run.snapshot, HEAP).live_bytes -
                     live_bytes_in(&run.snapshot, "/libc.so.6", HEAP) - (double)run.live_bytes) <
                100000);
    end_run(&run);
}

static void test_exec(void **state)
{
    (void)state;
    struct run plain = run_with(&(struct options){0}, "malloc", 500),
               run = run_with(&(struct options){0}, "exec", 500);
    check_whole(&run);
    assert_memory_equal(run.identity.command,
                        "subject\0malloc\0"
                        "500",
                        18);
    assert_int_equal(run.identity.agent_flags, EBB_AGENT_KEEP);
    assert_int_equal(run.snapshot.allocs, plain.snapshot.allocs);
    assert_int_equal((long)sum(&run.snapshot, HEAP).live_bytes,
                     (long)sum(&plain.snapshot, HEAP).live_bytes);
    end_run(&run);
    end_run(&plain);
}

static void test_lazy(void **state)
{
    (void)state;
    /* A small child of a session leaves nothing behind; nor does one that exits unread. */
    struct run run = run_with(&(struct options){.lazy = true, .period = 1 << 30}, "nothing", 0);
    assert_false(run.has_record);
    run = run_with(&(struct options){.lazy = true}, "malloc", 1000);
    assert_int_equal(WEXITSTATUS(run.status), 0);
    assert_false(run.has_record);
    /* While it runs it can be read, and what it did before its first sample is counted. */
    struct run base = run_with(&(struct options){.hold = true, .period = 1 << 16}, "malloc", 0);
    run =
        run_with(&(struct options){.lazy = true, .hold = true, .period = 1 << 16}, "malloc", 5000);
    check_whole(&run);
    assert_int_equal(run.snapshot.allocs - base.snapshot.allocs, run.allocs);
    assert_int_equal(run.snapshot.alloc_bytes - base.snapshot.alloc_bytes, run.bytes);
    assert_int_equal(run.identity.agent_flags, 0);
    end_run(&base);
    end_run(&run);
}

static void test_kill(void **state)
{
    (void)state;
    struct run base = run_with(&(struct options){0}, "kill", 0);
    struct run run = run_with(&(struct options){0}, "kill", 5000);
    assert_true(WIFSIGNALED(run.status) && WTERMSIG(run.status) == SIGKILL);
    check_whole(&run);
    assert_int_equal(run.snapshot.state, EBB_STATE_RUNNING);
    assert_int_equal(run.snapshot.allocs - base.snapshot.allocs, run.allocs);
    assert_int_equal(
        (long)(sum(&run.snapshot, HEAP).live_bytes - sum(&base.snapshot, HEAP).live_bytes),
        run.live_bytes);
    end_run(&base);
    end_run(&run);
}

static void test_follow(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){.environment = {"EBB_FOLLOW=0"}}, "exec", 500);
    assert_int_equal(WEXITSTATUS(run.status), 0);
    /* The new image has no agent; the record is the first image's. */
    assert_true(run.has_record);
    assert_memory_equal(run.identity.command,
                        "subject\0exec\0"
                        "500",
                        16);
    end_run(&run);
}

/* -- Tests: early, late, sideways -------------------------------------------------------------- */

static void test_before_main(void **state)
{
    (void)state;
    struct options with = {.environment = {"SUBJECT_BEFORE_MAIN=100", "PLUGIN_BEFORE_MAIN=200"},
                           .behind = plugin_path},
                   without = {.behind = plugin_path};
    struct run base = run_with(&without, "nothing", 0), run = run_with(&with, "nothing", 0);
    check_whole(&run);
    assert_int_equal(run.snapshot.allocs - base.snapshot.allocs, 300);
    assert_int_equal(run.snapshot.alloc_bytes - base.snapshot.alloc_bytes, 100 * 777 + 200 * 555);
    /* A library behind the agent runs its constructor first, and is recorded all the same. */
    assert_int_equal((long)live_bytes_in(&run.snapshot, "/subject", HEAP), 77700);
    assert_int_equal((long)live_bytes_in(&run.snapshot, "/libplugin.so", HEAP), 200 * 555);
    end_run(&base);
    end_run(&run);
}

static void test_atexit(void **state)
{
    (void)state;
    struct run base = run_with(&(struct options){0}, "atexit", 0),
               run = run_with(&(struct options){0}, "atexit", 1);
    check_whole(&run);
    assert_int_equal(run.snapshot.allocs - base.snapshot.allocs, 10);
    assert_int_equal(
        (long)(sum(&run.snapshot, HEAP).live_bytes - sum(&base.snapshot, HEAP).live_bytes), 123450);
    end_run(&base);
    end_run(&run);
}

static void test_plugin(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){0}, "plugin", 3);
    check_whole(&run);
    assert_int_equal((long)live_bytes_in(&run.snapshot, "/libplugin.so", HEAP), 3 * 4000);
    int unloaded = 0;
    for (size_t i = 0; i < run.snapshot.module_count; i++)
        if (ends_with(run.snapshot.modules[i].path, "/libplugin.so"))
            unloaded += run.snapshot.modules[i].unloaded_ns != 0;
    assert_true(unloaded >= 1);
    end_run(&run);
}

static void test_signals(void **state)
{
    (void)state;
    struct options options = {.behind = bump_path};
    struct run base = run_with(&options, "signals", 0), run = run_with(&options, "signals", 300000);
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    check_whole(&run);
    assert_int_equal(run.snapshot.allocs - base.snapshot.allocs, run.allocs);
    assert_int_equal(run.snapshot.frees - base.snapshot.frees, run.frees);
    assert_int_equal(run.snapshot.alloc_bytes - base.snapshot.alloc_bytes, run.bytes);
    assert_int_equal(
        (long)(sum(&run.snapshot, HEAP).live_objects - sum(&base.snapshot, HEAP).live_objects),
        run.live);
    print_message("signals came: %ld, frees lost: %llu\n", (run.allocs - 300000) / 2,
                  (unsigned long long)run.snapshot.lost_frees);
    end_run(&base);
    end_run(&run);

    run = run_with(&options, "signal-forks", 64);
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    check_whole(&run);
    end_run(&run);
}

static void test_mappings(void **state)
{
    (void)state;
    struct run base = run_with(&(struct options){.period = 1 << 30}, "mappings", 0),
               run = run_with(&(struct options){.period = 1 << 30}, "mappings", 10);
    check_whole(&run);
    struct sums before = sum(&base.snapshot, 1u << EBB_KIND_MMAP),
                after = sum(&run.snapshot, 1u << EBB_KIND_MMAP);
    assert_int_equal((long)(after.live_objects - before.live_objects), run.live);
    assert_int_equal((long)(after.live_bytes - before.live_bytes), run.live_bytes);
    assert_int_equal((long)live_bytes_in(&run.snapshot, "/subject", 1u << EBB_KIND_MMAP),
                     run.live_bytes);
    end_run(&base);
    end_run(&run);
}

/* -- Tests: hostile surroundings --------------------------------------------------------------- */

static void test_closed_descriptors(void **state)
{
    (void)state;
    check_exact(&(struct options){0}, "closed", 50000); /* grows the tables */
}

/* The tables cannot grow any more: the program goes on, and the record says what it lacks. */
static void check_stunted(const char *scenario, const char *why_skipped)
{
    struct run run = run_with(&(struct options){0}, scenario, 200000);
    if (WIFEXITED(run.status) && WEXITSTATUS(run.status) == 77) {
        print_message("skipped: %s\n", why_skipped);
        end_run(&run);
        skip();
    }
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    assert_true(run.has_record);
    assert_true(run.snapshot.dropped[EBB_TABLE_SAMPLES] > 0);
    assert_true(run.snapshot.allocs >= (uint64_t)run.allocs);
    end_run(&run);
}

static void test_sandbox(void **state)
{
    (void)state;
    check_stunted("sandbox", "the kernel allows no seccomp filter here");
}

static void test_chroot(void **state)
{
    (void)state;
    check_stunted("chroot", "changing the root directory needs privileges");
}

static void limit_file_size(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0});
}

static void limit_file_size_later(void)
{
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, 2 << 20});
}

static void test_file_size_limit(void **state)
{
    (void)state;
    struct run run = run_with(&(struct options){.prepare = limit_file_size}, "malloc", 1000);
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    assert_false(run.has_record);
    run = run_with(&(struct options){.prepare = limit_file_size_later}, "malloc", 200000);
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    assert_true(run.has_record);
    assert_true(run.snapshot.dropped[EBB_TABLE_SAMPLES] > 0);
    assert_true(run.snapshot.record_bytes <= 2 << 20);
    end_run(&run);
}

static const char *small_tmpfs;

static void mount_small_tmpfs(void)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/dev/shm", "tmpfs", 0, small_tmpfs) != 0)
        exit(77);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct options options = {.prepare = mount_small_tmpfs, .hold = true};
    small_tmpfs = "size=1100k";
    struct run run = {0};
    start_program(&options, "malloc", 200000, &run);
    char pattern[64];
    snprintf(pattern, sizeof pattern, "/proc/%d/root/dev/shm/ebb-%d-*", (int)run.pid, (int)run.pid);
    glob_t found;
    if (glob(pattern, 0, NULL, &found) == 0)
        snprintf(run.record, sizeof run.record, "%s", found.gl_pathv[0]);
    globfree(&found);
    if (run.record[0])
        read_record(&run, run.pid);
    finish_program(&run);
    if (WIFEXITED(run.status) && WEXITSTATUS(run.status) == 77) {
        print_message("skipped: mounting a file system needs privileges\n");
        skip();
    }
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    assert_true(run.has_record);
    assert_true(run.snapshot.dropped[EBB_TABLE_SAMPLES] > 0);
    end_run(&run);

    small_tmpfs = "size=64k";
    options.hold = false;
    run = run_with(&options, "malloc", 1000);
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    assert_false(run.has_record);
}

/* -- Tests: other allocators, C++ -------------------------------------------------------------- */

static const char *find_library(const char *name)
{
    static char path[256];
    static const char *const places[] = {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
                                         "/usr/lib64", "/usr/lib", "/usr/local/lib"};
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "%s/%s", places[i], name);
        if (access(path, R_OK) == 0)
            return path;
    }
    return NULL;
}

static void check_allocator(const char *name)
{
    const char *library = find_library(name);
    if (!library) {
        print_message("skipped: %s is not installed\n", name);
        skip();
    }
    struct options options = {.behind = library};
    check_exact(&options, "malloc", 5000);
    check_exact(&options, "family", 100);
    check_exact(&options, "huge", 10);
    check_exact(&options, "threads", 500);
    struct run run = run_with(&options, "mappings", 10);
    check_whole(&run);
    assert_int_equal((long)live_bytes_in(&run.snapshot, "/subject", 1u << EBB_KIND_MMAP),
                     run.live_bytes);
    assert_int_equal((long)live_bytes_in(&run.snapshot, name, 1u << EBB_KIND_MMAP), 0);
    assert_non_null(strstr(run.identity.allocator, name));
    end_run(&run);
    run = run_with(&options, "fork", 1000);
    check_whole(&run);
    assert_int_equal(run.snapshot.allocs, run.allocs);
    end_run(&run);
    if (subject_cxx_path) {
        options.program = subject_cxx_path;
        check_exact(&options, "operators", 200);
        if (strstr(name, "mimalloc")) /* built as C it cannot throw, and aborts */
            return;
        run = run_with(&options, "exceptions", 20);
        assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
        end_run(&run);
    }
}

static void test_jemalloc(void **state)
{
    (void)state;
    check_allocator("libjemalloc.so.2");
}

static void test_tcmalloc(void **state)
{
    (void)state;
    check_allocator("libtcmalloc_minimal.so.4");
}

static void test_mimalloc(void **state)
{
    (void)state;
    check_allocator("libmimalloc.so.2");
}

static void test_operators(void **state)
{
    (void)state;
    if (!subject_cxx_path) {
        print_message("skipped: no C++ compiler\n");
        skip();
    }
    struct options options = {.program = subject_cxx_path};
    check_exact(&options, "operators", 200);
    struct run run = run_with(&options, "exceptions", 20);
    assert_true(WIFEXITED(run.status) && WEXITSTATUS(run.status) == 0);
    end_run(&run);
}

/* -- Tests: the statistics --------------------------------------------------------------------- */

/* The live bytes estimated from samples, over many runs against the exact ones. A 95 % interval
 * holds in 95 of 100 runs on average; fewer than 86 happen once in 10 000 times. */
static void test_unbiased(void **state)
{
    (void)state;
    enum { RUNS = 100, ENOUGH = 86 };
    int inside = 0;
    double error_sum = 0, deviation_sum = 0;
    for (int i = 0; i < RUNS; i++) {
        struct run run = run_with(&(struct options){.period = 64 << 10}, "mixture", 3);
        check_whole(&run);
        double estimate = sum(&run.snapshot, HEAP).live_bytes, variance = 0;
        for (size_t k = 0; k < run.snapshot.sample_count; k++) {
            const struct ebb_sample *sample = &run.snapshot.samples[k];
            enum ebb_kind kind = run.snapshot.buckets[sample->bucket].kind;
            double weight = ebb_sample_weight(sample->size, run.snapshot.period, kind);
            variance += weight * (weight - 1) * (double)sample->size * (double)sample->size;
        }
        double error = estimate - (double)run.live_bytes, deviation = sqrt(variance);
        inside += fabs(error) <= 1.96 * deviation;
        error_sum += error;
        deviation_sum += deviation;
        end_run(&run);
    }
    print_message("inside the 95 %% interval: %d of %d; mean error %.2f standard deviations\n",
                  inside, RUNS, error_sum / deviation_sum);
    assert_true(inside >= ENOUGH);
    /* The mean of 100 errors has a deviation of a tenth; four of those are no accident. */
    assert_true(fabs(error_sum / deviation_sum) < 0.4);
}

static int remove_record(void *context, const struct ebb_identity *identity, bool alive, bool done)
{
    (void)context, (void)alive, (void)done;
    return unlink(identity->path);
}

/* Tests that fail, and programs that were killed, leave records behind. */
static int clean_up(void **state)
{
    (void)state;
    return ebb_reader_list(strtoull(session, NULL, 16), remove_record, NULL) < 0;
}

int main(int argc, char **argv)
{
    snprintf(session, sizeof session, "7e57%08x", (unsigned)getpid());
    if (argc < 7) {
        fprintf(stderr, "usage: test_agent AGENT SUBJECT PLUGIN BUMP FIXED OWN [CXX] [TEST]\n");
        return 2;
    }
    agent_path = argv[1];
    subject_path = argv[2];
    plugin_path = argv[3];
    bump_path = argv[4];
    subject_fixed_path = argv[5];
    subject_own_path = argv[6];
    subject_cxx_path = argc > 7 && argv[7][0] ? argv[7] : NULL;
    if (argc > 8)
        cmocka_set_test_filter(argv[8]);
    print_message("skipped under sanitizers and valgrind: they replace malloc themselves\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_family),
        cmocka_unit_test(test_resizing),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_leaf),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_fixed_address),
        cmocka_unit_test(test_own_malloc),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_address_space_limit),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_leftovers),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_raw_fork),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_lazy),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_before_main),
        cmocka_unit_test(test_atexit),
        cmocka_unit_test(test_plugin),
        cmocka_unit_test(test_signals),
        cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_closed_descriptors),
        cmocka_unit_test(test_sandbox),
        cmocka_unit_test(test_chroot),
        cmocka_unit_test(test_file_size_limit),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_jemalloc),
        cmocka_unit_test(test_tcmalloc),
        cmocka_unit_test(test_mimalloc),
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_unbiased),
    };
    return cmocka_run_group_tests_name("agent", tests, NULL, clean_up);
}
