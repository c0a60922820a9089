/* See program.h.
 *
 * A started program and everything it starts share a session number, by which their records are
 * found at every look; a record that appears becomes a subject. A process that runs another program
 * (exec) leaves one record and begins another, so it becomes a subject twice.
 *
 * A program that was started here is waited for without being reaped until the target is closed: as
 * long as its pid exists, the process group of that number is its own, and signals reach nobody
 * else. */
#include "tool/collect/program.h"

#include "base/clock.h"
#include "tool/collect/launch.h"
#include "tool/collect/process.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    RECORD_PATIENCE_MS = 5000, /* for a started program's record to appear */
    STEP_MS = 5,
    MAX_SUBJECTS = 4096,
};

struct ebb_program {
    struct ebb_symbolizer *symbolizer; /* shared by the processes */
    struct processes EBB_VEC(struct ebb_process *) processes;
    char *target;     /* as the user named it */
    uint64_t session; /* 0: one process, found by its pid */
    bool only_parent;
    bool foreground; /* in our process group */
    bool keep_killed;

    pid_t pid;    /* of the started program, or the one process */
    bool started; /* by us */
    bool ended;   /* of a started program: `end` holds how */
    siginfo_t end;
};

/* ---- making one ---- */

static void free_program(struct ebb_program *program)
{
    for (size_t i = 0; i < program->processes.len; i++)
        ebb__process_free(program->processes.items[i]);
    ebb_vec_free(&program->processes);
    ebb_symbolizer_free(program->symbolizer);
    free(program->target);
    free(program);
}

static struct ebb_program *new_program(char *const *words, size_t count)
{
    struct ebb_program *program = calloc(1, sizeof *program);
    if (!program)
        return NULL;
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += strlen(words[i]) + 1;
    program->symbolizer = ebb_symbolizer_new();
    program->target = calloc(1, size);
    if (!program->symbolizer || !program->target) {
        free_program(program);
        return NULL;
    }
    char *end = program->target;
    for (size_t i = 0; i < count; i++) {
        end = stpcpy(end, words[i]);
        if (i + 1 < count)
            *end++ = ' ';
    }
    *end = '\0';
    for (char *c = program->target; *c; c++) /* it is shown on one line */
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return program;
}

/* Takes over the reader. */
/* A child may be found before the program that its parent became by exec: the program goes first. */
static void move_before_children(struct ebb_program *program)
{
    struct ebb_process **items = program->processes.items, *last;
    size_t i = program->processes.len - 1;
    last = items[i];
    for (; i > 0 && ebb__process_identity(items[i - 1])->pid != program->pid; i--)
        items[i] = items[i - 1];
    items[i] = last;
}

static int add_process(struct ebb_program *program, struct ebb_reader *reader)
{
    struct ebb_process *process =
        ebb__process_new(reader, program->started, program->target, program->symbolizer);
    if (!process)
        return -ENOMEM;
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    if (ebb_vec_push(&program->processes, process) < 0) {
        ebb__process_free(process);
        return -ENOMEM;
    }
    if (ebb__process_identity(process)->pid == program->pid) {
        move_before_children(program);
        if (program->keep_killed)
            ebb__process_keep_killed(process);
    }
    return 0;
}

int ebb__program_start(char *const *words, size_t count, const struct ebb_target_options *options,
                       struct ebb_program **result, struct ebb_error *error)
{
    enum { DEFAULT_PERIOD = 512 << 10 };
    char agent[PATH_MAX];
    *result = NULL;
    struct ebb_program *program = new_program(words, count);
    char **argv = calloc(count + 1, sizeof *argv);
    int code = 0;
    if (!program || !argv) {
        code = ebb_error_set(error, -ENOMEM, "%s: out of memory", words[0]);
        goto done;
    }
    memcpy(argv, words, count * sizeof *argv);
    if ((code = ebb__launch_find_agent(agent, sizeof agent, error)) < 0)
        goto done;
    program->session = ebb__launch_new_session();
    program->only_parent = options->only_parent;
    program->foreground = options->foreground;
    program->keep_killed = options->keep_killed;
    const struct ebb_launch launch = {
        .agent = agent,
        .period = options->period ? options->period : DEFAULT_PERIOD,
        .session = program->session,
        .output_to_stderr = options->output_to_stderr,
        .only_parent = options->only_parent,
        .foreground = options->foreground,
    };
    if ((code = ebb__launch_start(argv, &launch, &program->pid, error)) < 0)
        goto done;
    program->started = true;
    *result = program;
    program = NULL;
done:
    free(argv);
    if (program)
        free_program(program);
    return code;
}

static int attach(struct ebb_reader *reader, char *word, struct ebb_program **result,
                  struct ebb_error *error)
{
    struct ebb_program *program = new_program(&word, 1);
    *result = program;
    if (!program) {
        ebb_reader_close(reader);
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", word);
    }
    program->pid = ebb_reader_identity(reader)->pid;
    if (add_process(program, reader) < 0) {
        free_program(program);
        *result = NULL;
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", word);
    }
    return 0;
}

int ebb__program_attach(pid_t pid, struct ebb_program **program, struct ebb_error *error)
{
    struct ebb_reader *reader;
    char word[16];
    *program = NULL;
    snprintf(word, sizeof word, "%d", (int)pid);
    int code = ebb_reader_open(pid, &reader, error);
    return code < 0 ? code : attach(reader, word, program, error);
}

int ebb__program_open_record(const char *path, struct ebb_program **program,
                             struct ebb_error *error)
{
    struct ebb_reader *reader;
    char word[PATH_MAX];
    *program = NULL;
    snprintf(word, sizeof word, "%s", path);
    int code = ebb_reader_open_path(path, &reader, error);
    return code < 0 ? code : attach(reader, word, program, error);
}

/* ---- the started program ---- */

bool ebb__program_running(struct ebb_program *program)
{
    if (!program->started)
        return false;
    if (!program->ended) {
        siginfo_t end = {0};
        int code;
        while ((code = waitid(P_PID, (id_t)program->pid, &end, WEXITED | WNOHANG | WNOWAIT)) < 0 &&
               errno == EINTR)
            ;
        if (code < 0 || end.si_pid == program->pid) {
            program->ended = true;
            program->end = end;
        }
    }
    return !program->ended;
}

int ebb__program_status(const struct ebb_program *program)
{
    if (!program->ended)
        return 0;
    return program->end.si_code == CLD_EXITED ? program->end.si_status
                                              : 128 + program->end.si_status;
}

void ebb__program_signal(struct ebb_program *program, int signal)
{
    if (program->started)
        kill(program->foreground ? program->pid : -program->pid, signal);
}

/* How the program ended, in words: "exited with status 1", "was killed by SIGSEGV (core dumped)".
 */
static const char *end_in_words(const struct ebb_program *program, struct ebb_arena *arena)
{
    const siginfo_t *end = &program->end;
    const char *words;
    if (end->si_code == CLD_EXITED)
        words = ebb_arena_printf(arena, "exited with status %d", end->si_status);
    else {
        const char *name = sigabbrev_np(end->si_status);
        const char *core = end->si_code == CLD_DUMPED ? " (core dumped)" : "";
        words = name ? ebb_arena_printf(arena, "killed by SIG%s%s", name, core)
                     : ebb_arena_printf(arena, "killed by signal %d%s", end->si_status, core);
    }
    return words ? words : "ended";
}

/* ---- finding records ---- */

static bool same_image(const struct ebb_identity *a, const struct ebb_identity *b)
{
    return a->pid == b->pid && a->start_ticks == b->start_ticks && a->started_ns == b->started_ns;
}

static bool is_known(const struct ebb_program *program, const struct ebb_identity *identity)
{
    for (size_t i = program->processes.len; i-- > 0;)
        if (same_image(ebb__process_identity(program->processes.items[i]), identity))
            return true;
    return false;
}

struct discovery {
    struct ebb_program *program;
    struct paths EBB_VEC(char *) paths; /* newest first */
};

static int note_record(void *context, const struct ebb_identity *identity, bool alive, bool done)
{
    struct discovery *discovery = context;
    const struct ebb_program *program = discovery->program;
    (void)alive;
    if (done || is_known(program, identity) ||
        (program->only_parent && identity->pid != program->pid))
        return 0;
    char *path = strdup(identity->path);
    if (path && ebb_vec_push(&discovery->paths, path) < 0)
        free(path);
    return 0;
}

/* Makes every new record of the session a subject, the oldest first. */
static void discover(struct ebb_program *program)
{
    struct discovery discovery = {.program = program};
    ebb_reader_list(program->session, note_record, &discovery);
    for (size_t i = discovery.paths.len; i-- > 0;) {
        struct ebb_reader *reader;
        if (program->processes.len < MAX_SUBJECTS &&
            ebb_reader_open_path(discovery.paths.items[i], &reader, NULL) == 0)
            (void)add_process(program, reader); /* found again at the next look */
        free(discovery.paths.items[i]);
    }
    ebb_vec_free(&discovery.paths);
}

/* One process that runs another program now has a new record. Whether there is one. */
static bool follow_exec(struct ebb_program *program)
{
    struct ebb_reader *reader;
    if (ebb_reader_open(program->pid, &reader, NULL) < 0)
        return false;
    const struct ebb_identity *last =
        ebb__process_identity(program->processes.items[program->processes.len - 1]);
    if (ebb_reader_identity(reader)->start_ticks != last->start_ticks ||
        is_known(program, ebb_reader_identity(reader))) {
        ebb_reader_close(reader);
        return false;
    }
    return add_process(program, reader) == 0;
}

/* Waits for the first record of a program that was just started. 0, or a negative errno and why
 * there will be none. */
static int await_record(struct ebb_program *program, struct ebb_error *error)
{
    for (int waited = 0; waited <= RECORD_PATIENCE_MS; waited += STEP_MS) {
        /* Asked first: what ended by then has left all its records. */
        bool running = ebb__program_running(program);
        discover(program);
        if (program->processes.len > 0)
            return 0;
        if (!running) {
            struct ebb_arena arena = {0};
            int code = ebb_error_set(error, -ENODATA,
                                     "%s: %s before there was anything to see of its memory",
                                     program->target, end_in_words(program, &arena));
            ebb_arena_free(&arena);
            return code;
        }
        struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
        nanosleep(&step, NULL);
    }
    return ebb_error_set(error, -ETIMEDOUT,
                         "%s: runs, but publishes nothing: the agent was not loaded, or could not "
                         "write to " EBB_CHANNEL_DIRECTORY,
                         program->target);
}

/* ---- looking ---- */

/* Says of the started program's own subject how it ended; the record alone does not know. */
static void note_end(struct ebb_program *program)
{
    if (!program->started || ebb__program_running(program))
        return;
    for (size_t i = program->processes.len; i-- > 0;) {
        struct ebb_process *process = program->processes.items[i];
        struct ebb_evidence *evidence = ebb__process_evidence(process);
        if (ebb__process_identity(process)->pid == program->pid && evidence->ended) {
            evidence->end_reason = end_in_words(program, &evidence->arena);
            return; /* the last image; those before were replaced */
        }
    }
}

int ebb__program_observe(struct ebb_program *program, struct ebb_error *error)
{
    bool running = ebb__program_running(program);
    if (program->session) {
        if (program->processes.len == 0) {
            int code = await_record(program, error);
            if (code < 0)
                return code;
        } else {
            discover(program);
        }
    }
    int failure = 0;
    bool any_seen = false, any_lives = running;
    for (size_t i = 0; i < program->processes.len; i++) {
        struct ebb_process *process = program->processes.items[i];
        bool seen_to_end = ebb__process_ended(process);
        int code = seen_to_end ? 1 : ebb__process_observe(process, error);
        any_seen |= code >= 0;
        if (code < 0)
            failure = code;
        else if (code == 0)
            any_lives = true;
        else if (!seen_to_end && !program->session && i + 1 == program->processes.len)
            (void)follow_exec(program); /* the loop goes on to what was added */
    }
    if (!any_seen) /* one damaged record among many is no reason to look no further */
        return failure;
    if (any_lives)
        return 0;
    note_end(program);
    return 1;
}

size_t ebb__program_count(const struct ebb_program *program)
{
    return program->processes.len;
}

struct ebb_evidence *ebb__program_subject(const struct ebb_program *program, size_t index)
{
    return ebb__process_evidence(program->processes.items[index]);
}

int ebb__program_profile(struct ebb_program *program, size_t index, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error)
{
    return ebb__process_profile(program->processes.items[index], name, profile, error);
}

pid_t ebb__program_pid(const struct ebb_program *program)
{
    return program->pid;
}

/* ---- letting go ---- */

/* Signals a process of the session that has left the program's group, as daemons do. A pidfd is
 * opened before the identity is checked, so the signal cannot reach a later process of that pid. */
static void signal_stray(const struct ebb_program *program, const struct ebb_process *process,
                         int signal)
{
    pid_t pid = ebb__process_identity(process)->pid;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return;
    if (ebb__process_alive(process) && getpgid(pid) != program->pid)
        syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
    close(fd);
}

static void signal_all(const struct ebb_program *program, int signal)
{
    kill(-program->pid, signal); /* not reaped yet: pid and group are still the program's */
    kill(program->pid, signal);
    for (size_t i = 0; i < program->processes.len; i++)
        signal_stray(program, program->processes.items[i], signal);
}

static bool any_running(struct ebb_program *program)
{
    bool running = ebb__program_running(program);
    for (size_t i = 0; i < program->processes.len && !running; i++)
        running = ebb__process_alive(program->processes.items[i]);
    return running;
}

static void wait_for_all(struct ebb_program *program, double seconds)
{
    uint64_t deadline = ebb_clock_ns() + (uint64_t)(seconds * 1e9);
    while (any_running(program) && ebb_clock_ns() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
}

/* SIGTERM, then after the grace SIGKILL, to all that the program started. */
static void end_program(struct ebb_program *program, double grace_s)
{
    enum { KILL_PATIENCE_S = 1 }; /* to be gone after SIGKILL */
    discover(program);
    if (any_running(program)) {
        signal_all(program, SIGTERM);
        signal_all(program, SIGCONT); /* one that is stopped would not notice */
        wait_for_all(program, grace_s);
    }
    signal_all(program, SIGKILL);
    wait_for_all(program, KILL_PATIENCE_S);
}

/* Reads the records of processes that are gone a last time, which removes ours. */
static void collect_the_dead(struct ebb_program *program)
{
    discover(program);
    for (size_t i = 0; i < program->processes.len; i++)
        if (!ebb__process_alive(program->processes.items[i]))
            (void)ebb__process_observe(program->processes.items[i], NULL);
}

void ebb__program_close(struct ebb_program *program, bool keep, double grace_s)
{
    if (program->started) {
        if (!keep)
            end_program(program, grace_s);
        collect_the_dead(program);
        waitpid(program->pid, NULL, WNOHANG);
    }
    free_program(program);
}
