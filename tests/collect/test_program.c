/* Whole programs under the agent: started, watched, ended in every way. The programs are compiled
 * here; what is found in them is held against their source. */
#include "scratch.h"

#include "base/clock.h"
#include "channel/layout.h"
#include "channel/reader.h"
#include "tool/collect/target.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Modes of one program. `keep_one` leaks 1000 bytes at line 9. */
static const char subject_source[] =
    "#include <pthread.h>\n"                                                     /* 1 */
    "#include <signal.h>\n"                                                      /* 2 */
    "#include <stdlib.h>\n"                                                      /* 3 */
    "#include <string.h>\n"                                                      /* 4 */
    "#include <sys/wait.h>\n"                                                    /* 5 */
    "#include <unistd.h>\n"                                                      /* 6 */
    "void *volatile kept;\n"                                                     /* 7 */
    "__attribute__((noinline)) void keep_one(void) {\n"                          /* 8 */
    "    void *p = malloc(1000);\n"                                              /* 9 */
    "    memset(p, 1, 1000);\n"                                                  /* 10 */
    "    kept = p;\n"                                                            /* 11 */
    "}\n"                                                                        /* 12 */
    "static void leak(int steps) {\n"                                            /* 13 */
    "    for (int i = 0; i < steps; i++) { keep_one(); usleep(1000); }\n"        /* 14 */
    "}\n"                                                                        /* 15 */
    "static void *sleeper(void *x) { pause(); return x; }\n"                     /* 16 */
    "__attribute__((noinline)) void start_one(void) {\n"                         /* 17 */
    "    pthread_t t;\n"                                                         /* 18 */
    "    pthread_create(&t, 0, sleeper, 0);\n"                                   /* 19 */
    "    kept = &t;\n"                                                           /* 20 */
    "}\n"                                                                        /* 21 */
    "int main(int argc, char **argv) {\n"                                        /* 22 */
    "    const char *mode = argv[1];\n"                                          /* 23 */
    "    if (!strcmp(mode, \"leak\")) leak(1000000);\n"                          /* 24 */
    "    if (!strcmp(mode, \"exit\")) { leak(200); return 3; }\n"                /* 25 */
    "    if (!strcmp(mode, \"kill\")) { leak(200); kill(getpid(), SIGKILL); }\n" /* 26 */
    "    if (!strcmp(mode, \"crash\")) { leak(50); kill(getpid(), SIGSEGV); }\n" /* 27 */
    "    if (!strcmp(mode, \"stubborn\")) { signal(SIGTERM, SIG_IGN); leak(1000000); }\n"
    "    if (!strcmp(mode, \"fork\")) { if (fork() == 0) leak(1000000); wait(0); }\n"
    "    if (!strcmp(mode, \"daemon\")) {\n"
    "        if (fork() == 0) { setsid(); leak(1000000); }\n"
    "        usleep(100000);\n"
    "    }\n"
    "    if (!strcmp(mode, \"threads\")) {\n"
    "        for (int i = 0; i < 5; i++) start_one();\n"
    "        pause();\n"
    "    }\n"
    "    return 0;\n"
    "}\n";

static char subject_path[PATH_MAX];

static int compile_subject(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    snprintf(subject_path, sizeof subject_path, "%s/subject", (char *)*state);
    char *source = scratch_text("%s/subject.c", (char *)*state);
    scratch_write(source, subject_source);
    scratch_run("cc -g -O1 -pthread %s -o %s", source, subject_path);
    return 0;
}

/* Skips, saying why, where the agent cannot work. */
static void need_agent(void)
{
    const char *agent = getenv("EBB_AGENT_PATH"), *why = NULL;
    if (!agent || access(agent, R_OK) < 0)
        why = "EBB_AGENT_PATH names no agent";
    else if (access(EBB_CHANNEL_DIRECTORY, W_OK) < 0)
        why = EBB_CHANNEL_DIRECTORY " is not writable";
    if (why) {
        print_message("skipped: %s\n", why);
        skip();
    }
}

/* The target of the test that runs, so that a test that fails leaves no program behind. */
static struct ebb_target *opened;

static void close_opened(bool keep, double grace_s)
{
    ebb_target_close(opened, keep, grace_s);
    opened = NULL;
}

static int end_leftovers(void **state)
{
    (void)state;
    close_opened(false, 0);
    return 0;
}

static struct ebb_target *open_words(char *const *words, size_t count, bool is_command,
                                     const struct ebb_target_options *options)
{
    struct ebb_error error = {""};
    if (ebb_target_open(words, count, is_command, options, &opened, &error) < 0)
        fail_msg("%s", error.text);
    return opened;
}

static struct ebb_target *start(char *mode, bool only_parent)
{
    need_agent();
    char *words[] = {subject_path, mode};
    const struct ebb_target_options options = {
        .period = 1, .output_to_stderr = true, .only_parent = only_parent};
    return open_words(words, 2, true, &options);
}

static int observe(struct ebb_target *target)
{
    struct ebb_error error = {""};
    int code = ebb_target_observe(target, &error);
    if (code < 0)
        fail_msg("%s", error.text);
    return code;
}

/* Observes until the program has ended, at most 20 s. */
static void observe_to_end(struct ebb_target *target, unsigned step_ms)
{
    for (unsigned waited = 0; waited < 20000; waited += step_ms) {
        if (observe(target) == 1)
            return;
        usleep(step_ms * 1000);
    }
    fail_msg("the program has not ended");
}

static size_t records_of(pid_t pid)
{
    glob_t found;
    int code = glob(scratch_text(EBB_CHANNEL_DIRECTORY "/" EBB_CHANNEL_PREFIX "%d-*", (int)pid), 0,
                    NULL, &found);
    size_t count = code == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

/* The series that was allocated in a function, and the line there; -1: none. */
static long find_series(const struct ebb_evidence *evidence, const char *function, int64_t *line)
{
    for (size_t i = 0; i < evidence->series.len; i++) {
        const struct ebb_evidence_stack *stack =
            &evidence->stacks.items[evidence->series.items[i].stack];
        for (size_t k = 0; k < stack->depth; k++)
            if (strcmp(stack->frames[k].function, function) == 0) {
                *line = stack->frames[k].line;
                return (long)i;
            }
    }
    return -1;
}

static const struct ebb_point *leak_of(const struct ebb_evidence *evidence)
{
    int64_t line = 0;
    long series = find_series(evidence, "keep_one", &line);
    if (series < 0)
        fail_msg("keep_one was not found among %zu series", evidence->series.len);
    assert_int_equal(line, 9);
    const struct ebb_points *points = &evidence->series.items[series].points;
    assert_true(points->len > 0);
    return &points->items[points->len - 1];
}

static void test_leak(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"leak"}, false);
    pid_t pid = ebb_target_pid(target);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(observe(target), 0);
        usleep(100000);
    }
    assert_true(ebb_target_running(target));
    assert_int_equal(ebb_target_subject_count(target), 1);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_int_equal(evidence->pid, pid);
    assert_string_equal(evidence->executable, subject_path);
    assert_int_equal(evidence->observations.len, 5);
    assert_false(evidence->ended || evidence->reconstructed);
    const struct ebb_point *end = leak_of(evidence);
    assert_true(end->live_objects >= 50);
    assert_int_equal((long)end->live_bytes, (long)end->live_objects * 1000);
    const struct ebb_observation *last = &evidence->observations.items[4];
    assert_true(last->live_bytes >= end->live_bytes);
    assert_true(last->allocs >= 50 && last->alloc_bytes >= 50000);
    assert_true(last->memory.rss != UINT64_MAX && last->memory.rss > 0);
    assert_true(last->time_s >= 0.4);

    struct ebb_profile *profile;
    struct ebb_error error;
    assert_int_equal(ebb_target_profile(target, 0, "heap", &profile, &error), 0);
    assert_true(profile->sample_count > 0);
    assert_string_equal(ebb_profile_string(profile, profile->mappings[0].file), subject_path);
    assert_true(profile->mappings[0].has_functions && profile->mappings[0].has_line_numbers);
    ebb_profile_free(profile);

    assert_int_equal(records_of(pid), 1);
    close_opened(false, 5);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(records_of(pid), 0);
}

static void check_end(char *mode, int status, const char *reason, double least_objects)
{
    struct ebb_target *target = start(mode, false);
    pid_t pid = ebb_target_pid(target);
    observe_to_end(target, 50);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_true(evidence->ended);
    if (!strstr(evidence->end_reason, reason))
        fail_msg("'%s' does not say '%s'", evidence->end_reason, reason);
    assert_false(ebb_target_running(target));
    assert_int_equal(ebb_target_status(target), status);
    assert_true(leak_of(evidence)->live_objects >= least_objects);
    assert_int_equal(observe(target), 1);
    close_opened(false, 1);
    assert_int_equal(records_of(pid), 0);
}

static void test_exit(void **state)
{
    (void)state;
    check_end((char[]){"exit"}, 3, "exited with status 3", 200);
}

static void test_killed(void **state)
{
    (void)state;
    check_end((char[]){"kill"}, 128 + SIGKILL, "killed by SIGKILL", 200);
}

static void test_crashed(void **state)
{
    (void)state;
    check_end((char[]){"crash"}, 128 + SIGSEGV, "killed by SIGSEGV", 50);
}

/* Looked at only when it was over. */
static void test_too_late(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"kill"}, false);
    while (ebb_target_running(target))
        usleep(10000);
    assert_int_equal(observe(target), 1);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_true(evidence->reconstructed);
    assert_true(evidence->observations.len >= 10);
    assert_int_equal((long)leak_of(evidence)->live_objects, 200);
    int64_t line;
    const struct ebb_points *points =
        &evidence->series.items[find_series(evidence, "keep_one", &line)].points;
    double middle = points->items[points->len / 2].live_objects;
    assert_true(middle > 40 && middle < 160);
    close_opened(false, 1);
}

static void test_fork(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"fork"}, false);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(observe(target), 0);
        usleep(50000);
    }
    assert_int_equal(ebb_target_subject_count(target), 2);
    assert_int_equal(ebb_target_subject(target, 0)->pid, ebb_target_pid(target));
    const struct ebb_evidence *child = ebb_target_subject(target, 1);
    pid_t pid = child->pid;
    assert_int_not_equal(pid, ebb_target_pid(target));
    assert_true(leak_of(child)->live_objects > 10);
    close_opened(false, 5);
    /* Its parent is gone: it may wait as a zombie for init, but its record was read. */
    assert_int_equal(records_of(pid), 0);
}

static void test_only_parent(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"fork"}, true);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(observe(target), 0);
        usleep(50000);
    }
    assert_int_equal(ebb_target_subject_count(target), 1);
    close_opened(false, 5);
}

/* The started program runs another one in its place. */
static void test_exec(void **state)
{
    (void)state;
    need_agent();
    char *words[] = {(char[]){"sh"}, (char[]){"-c"}, scratch_text("exec %s leak", subject_path)};
    const struct ebb_target_options options = {.period = 1};
    struct ebb_target *target = open_words(words, 3, true, &options);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(observe(target), 0);
        usleep(50000);
    }
    size_t last = ebb_target_subject_count(target) - 1;
    const struct ebb_evidence *evidence = ebb_target_subject(target, last);
    pid_t pid = evidence->pid;
    assert_int_equal(pid, ebb_target_pid(target));
    assert_string_equal(evidence->executable, subject_path);
    assert_true(leak_of(evidence)->live_objects > 10);
    close_opened(false, 5);
    assert_int_equal(records_of(pid), 0);
}

static void test_stubborn(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"stubborn"}, false);
    pid_t pid = ebb_target_pid(target);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(observe(target), 0);
        usleep(50000);
    }
    uint64_t began = ebb_clock_ns();
    close_opened(false, 0.3);
    assert_true(ebb_clock_ns() - began < 5 * UINT64_C(1000000000));
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(records_of(pid), 0);
}

/* What left the process group is ended too. */
static void test_daemon(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"daemon"}, false);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(observe(target), 0);
        usleep(50000);
    }
    assert_false(ebb_target_running(target)); /* but what it started lives */
    assert_int_equal(ebb_target_subject_count(target), 2);
    pid_t pid = ebb_target_subject(target, 1)->pid;
    assert_int_equal(kill(pid, 0), 0);
    close_opened(false, 5);
    assert_int_equal(records_of(pid), 0);
}

/* Let go of while it runs, then found again by its pid and by its record. */
static void test_keep_and_attach(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"leak"}, false);
    pid_t pid = ebb_target_pid(target);
    assert_int_equal(observe(target), 0);
    close_opened(true, 0);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(records_of(pid), 1);

    char *word = scratch_text("%d", (int)pid);
    target = open_words(&word, 1, false, NULL);
    assert_int_equal(ebb_target_pid(target), pid);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(observe(target), 0);
        usleep(30000);
    }
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_true(evidence->age_s > 0);
    assert_true(leak_of(evidence)->live_objects > 10);
    close_opened(false, 0); /* not ours to end */
    assert_int_equal(kill(pid, 0), 0);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    target = open_words(&word, 1, false, NULL);
    assert_int_equal(observe(target), 1);
    evidence = ebb_target_subject(target, 0);
    assert_true(evidence->reconstructed);
    assert_string_equal(evidence->end_reason, "was killed or crashed");
    assert_true(leak_of(evidence)->live_objects > 10);
    close_opened(false, 0);
    assert_int_equal(records_of(pid), 1); /* not ours: it can be read again */
    struct ebb_reader *reader;
    assert_int_equal(ebb_reader_open(pid, &reader, NULL), 0);
    ebb_reader_remove(reader);
    ebb_reader_close(reader);
    assert_int_equal(records_of(pid), 0);
}

static void test_threads(void **state)
{
    (void)state;
    struct ebb_target *target = start((char[]){"threads"}, false);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(observe(target), 0);
        usleep(50000);
    }
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_int_equal(evidence->observations.items[5].threads, 6);
    assert_int_equal(evidence->observations.items[5].memory.threads, 6);
    struct ebb_profile *profile;
    struct ebb_error error = {""};
    if (ebb_target_profile(target, 0, "threadcreate", &profile, &error) < 0)
        fail_msg("%s", error.text);
    int64_t threads = 0; /* the compiler may have made several calls of one */
    for (size_t i = 0; i < profile->sample_count; i++)
        threads += profile->values[i];
    assert_int_equal(threads, 5);
    bool found = false;
    for (size_t i = 0; i < profile->function_count; i++) {
        const char *name = ebb_profile_string(profile, profile->functions[i].name);
        found |= strcmp(name, "start_one") == 0;
        /* The agent stands between, and is not shown. */
        assert_null(strstr(name, "libebb-agent"));
        assert_null(strstr(name, "ebb_"));
    }
    assert_true(found);
    ebb_profile_free(profile);
    close_opened(false, 5);
}

/* A program that is over at once is no error. */
static void test_true(void **state)
{
    (void)state;
    need_agent();
    char *words[] = {(char[]){"true"}};
    struct ebb_target *target = open_words(words, 1, true, NULL);
    while (ebb_target_running(target))
        usleep(1000);
    assert_int_equal(observe(target), 1);
    assert_string_equal(ebb_target_subject(target, 0)->end_reason, "exited with status 0");
    close_opened(false, 1);
}

static void test_refusals(void **state)
{
    (void)state;
    need_agent();
    struct ebb_target *target;
    struct ebb_error error = {""};
    char *words[] = {(char[]){"/no/such/program"}};
    assert_int_equal(ebb_target_open(words, 1, true, NULL, &target, &error), -ENOENT);
    assert_null(target);
    assert_non_null(strstr(error.text, "/no/such/program"));
}

int main(void)
{
#define ENDING(test) cmocka_unit_test_teardown(test, end_leftovers)
    const struct CMUnitTest tests[] = {
        ENDING(test_leak),
        ENDING(test_exit),
        ENDING(test_killed),
        ENDING(test_crashed),
        ENDING(test_too_late),
        ENDING(test_fork),
        ENDING(test_only_parent),
        ENDING(test_exec),
        ENDING(test_stubborn),
        ENDING(test_daemon),
        ENDING(test_keep_and_attach),
        ENDING(test_threads),
        ENDING(test_true),
        ENDING(test_refusals),
    };
    return cmocka_run_group_tests(tests, compile_subject, scratch_teardown);
}
