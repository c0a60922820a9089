/* Starting programs: what is refused and why, what the started program gets. */
#include "scratch.h"

#include "tool/collect/launch.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void assert_says(const struct ebb_error *error, const char *words)
{
    if (!strstr(error->text, words))
        fail_msg("'%s' does not say '%s'", error->text, words);
}

static void assert_refused(const char *path, int code, const char *words)
{
    struct ebb_error error = {""};
    assert_int_equal(ebb__launch_check(path, getuid(), getgid(), &error), code);
    assert_says(&error, words);
    assert_says(&error, path);
}

static char *compile(const char *folder, const char *flags)
{
    char *source = scratch_text("%s/p.c", folder), *program = scratch_text("%s/p", folder);
    scratch_write(source, "int main(void)\n{\n    return 0;\n}\n");
    scratch_run("cc %s %s -o %s", source, flags, program);
    return program;
}

static void test_find(void **state)
{
    char path[PATH_MAX];
    struct ebb_error error;
    assert_int_equal(ebb__launch_find("sh", path, sizeof path, &error), 0);
    assert_int_equal(access(path, X_OK), 0);
    assert_int_equal(ebb__launch_find("/bin/sh", path, sizeof path, &error), 0);
    assert_string_equal(path, "/bin/sh");
    assert_int_equal(ebb__launch_find("no-such-program-here", path, sizeof path, &error), -ENOENT);
    assert_says(&error, "no-such-program-here");
    assert_int_equal(ebb__launch_find("/no/such/program", path, sizeof path, &error), -ENOENT);
    assert_int_equal(ebb__launch_find("/tmp", path, sizeof path, &error), -EISDIR);
    assert_int_equal(ebb__launch_find("", path, sizeof path, &error), -ENOENT);
    char *plain = scratch_text("%s/plain", (char *)*state);
    scratch_write(plain, "x");
    chmod(plain, 0644);
    assert_int_equal(ebb__launch_find(plain, path, sizeof path, &error), -EACCES);
    assert_says(&error, "not executable");
    static char long_name[2 * PATH_MAX];
    memset(long_name, 'x', sizeof long_name - 1);
    assert_true(ebb__launch_find(long_name, path, sizeof path, &error) < 0);
    long_name[0] = '/';
    assert_int_equal(ebb__launch_find(long_name, path, sizeof path, &error), -ENAMETOOLONG);
}

static void test_good(void **state)
{
    struct ebb_error error;
    NEED("cc");
    assert_int_equal(ebb__launch_check(compile(*state, ""), 1000, 1000, &error), 0);
    assert_int_equal(ebb__launch_check(compile(*state, "-no-pie"), 1000, 1000, &error), 0);
}

static void test_static(void **state)
{
    NEED("cc");
    assert_refused(compile(*state, "-static"), -ENOEXEC, "statically linked");
    assert_refused(compile(*state, "-static-pie"), -ENOEXEC, "http://HOST:PORT");
}

static void test_static_go(void **state)
{
    NEED("go");
    const char *folder = *state;
    scratch_write(scratch_text("%s/main.go", folder), "package main\nfunc main() {}\n");
    scratch_run(
        "cd %s && CGO_ENABLED=0 GO111MODULE=off GOFLAGS= GOCACHE=%s/cache go build -o g main.go",
        folder, folder);
    assert_refused(scratch_text("%s/g", folder), -ENOEXEC, "net/http/pprof");
}

/* A file for another machine: our own with another number in its header. */
static void test_foreign(void **state)
{
    NEED("cc");
    char *program = compile(*state, "");
    FILE *file = fopen(program, "r+");
    assert_non_null(file);
    Elf64_Half machine = EM_PPC64;
    fseek(file, offsetof(Elf64_Ehdr, e_machine), SEEK_SET);
    fwrite(&machine, sizeof machine, 1, file);
    fclose(file);
    assert_refused(program, -ENOEXEC, "POWER");
}

static void test_musl(void **state)
{
    NEED("cc");
    assert_refused(compile(*state, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"), -ENOEXEC,
                   "musl");
}

static void test_nonsense(void **state)
{
    char *path = scratch_text("%s/file", (char *)*state);
    scratch_write(path, "");
    assert_refused(path, -ENOEXEC, "neither");
    scratch_write(path, "echo hello\n");
    assert_refused(path, -ENOEXEC, "#!");
    scratch_write(path, "\177ELF\2\1\1");
    assert_refused(path, -ENOEXEC, "neither");
}

static void test_set_uid(void **state)
{
    NEED("cc");
    struct ebb_error error;
    char *program = compile(*state, "");
    struct stat status;
    assert_int_equal(chmod(program, 04755), 0);
    assert_int_equal(stat(program, &status), 0);
    /* For its owner nothing changes; for anybody else the loader drops the agent. */
    assert_int_equal(ebb__launch_check(program, status.st_uid, status.st_gid, &error), 0);
    assert_int_equal(ebb__launch_check(program, status.st_uid + 1, status.st_gid, &error), -EPERM);
    assert_says(&error, "set-uid");
    assert_int_equal(chmod(program, 02755), 0);
    assert_int_equal(ebb__launch_check(program, status.st_uid, status.st_gid, &error), 0);
    assert_int_equal(ebb__launch_check(program, status.st_uid, status.st_gid + 1, &error), -EPERM);
    assert_says(&error, "set-gid");
}

static void test_file_capabilities(void **state)
{
    NEED("cc");
    struct ebb_error error;
    char *program = compile(*state, "");
    /* Version 2, CAP_NET_BIND_SERVICE permitted. */
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};
    if (setxattr(program, "security.capability", capability, sizeof capability, 0) < 0) {
        print_message("skipped: may not give a file capabilities here: %s\n", strerror(errno));
        skip();
    }
    assert_int_equal(ebb__launch_check(program, 1000, 1000, &error), -EPERM);
    assert_says(&error, "capabilities");
    assert_int_equal(ebb__launch_check(program, 0, 0, &error), 0);
}

static void test_scripts(void **state)
{
    NEED("cc");
    struct ebb_error error;
    const char *folder = *state;
    char *script = scratch_text("%s/script", folder), *bad = compile(folder, "-static");
    static const char *const good[] = {
        "#!/bin/sh\necho\n",         "#! /bin/sh -e\necho\n",         "#!/usr/bin/env sh\n",
        "#!/usr/bin/env -S sh -e\n", "#!/usr/bin/env -i A=1 sh\nx\n", "#!/bin/sh"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        scratch_write(script, good[i]);
        if (ebb__launch_check(script, 1000, 1000, &error) != 0)
            fail_msg("%s: %s", good[i], error.text);
    }
    scratch_write(script, scratch_text("#!%s\n", bad));
    assert_refused(script, -ENOEXEC, "statically linked");
    scratch_write(script, "#!/no/such/interpreter\n");
    assert_refused(script, -ENOENT, "/no/such/interpreter");
    scratch_write(script, "#!\n");
    assert_refused(script, -ENOEXEC, "interpreter");
    chmod(script, 0755);
    scratch_write(script, scratch_text("#!%s\n", script)); /* itself */
    assert_true(ebb__launch_check(script, 1000, 1000, &error) < 0);
}

static void test_agent_path(void **state)
{
    char path[PATH_MAX], folder[PATH_MAX];
    struct ebb_error error;
    const char *before = getenv("EBB_AGENT_PATH");
    char *saved = before ? strdup(before) : NULL;
    assert_non_null(realpath(*state, folder));
    char *agent = scratch_text("%s/my-agent.so", folder);
    scratch_write(agent, "");
    setenv("EBB_AGENT_PATH", agent, 1);
    assert_int_equal(ebb__launch_find_agent(path, sizeof path, &error), 0);
    assert_string_equal(path, agent);
    setenv("EBB_AGENT_PATH", "/no/agent.so", 1);
    assert_int_equal(ebb__launch_find_agent(path, sizeof path, &error), -ENOENT);
    assert_says(&error, "/no/agent.so");
    if (saved)
        setenv("EBB_AGENT_PATH", saved, 1);
    else
        unsetenv("EBB_AGENT_PATH");
    free(saved);
}

/* Starts a shell line with a library that any program can be given, and waits for it. */
static int start(const char *line, const struct ebb_launch *launch, struct ebb_error *error)
{
    char shell[] = "sh", option[] = "-c", text[PATH_MAX];
    char *argv[] = {shell, option, text, NULL};
    pid_t pid;
    int status;
    snprintf(text, sizeof text, "%s", line);
    int code = ebb__launch_start(argv, launch, &pid, error);
    if (code < 0)
        return code;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void test_start(void **state)
{
    struct ebb_error error = {""};
    const char *folder = *state;
    NEED("cc");
    char agent[PATH_MAX], other[PATH_MAX];
    snprintf(agent, sizeof agent, "%s/agent.so", folder);
    snprintf(other, sizeof other, "%s/other.so", folder);
    scratch_write(scratch_text("%s/e.c", folder), "int ebb_test_nothing;\n");
    scratch_run("cc -shared -fPIC %s/e.c -o %s && cp %s %s", folder, agent, agent, other);
    struct ebb_launch launch = {.agent = agent, .period = 4096, .session = 0xabc};
    unsetenv("LD_PRELOAD");
    setenv("EBB_FOLLOW", "stale", 1);
    setenv("EBB_SESSION", "stale", 1);
    assert_int_equal(start(scratch_text("env > %s/out; exit 7", folder), &launch, &error), 7);
    unsetenv("EBB_FOLLOW");
    unsetenv("EBB_SESSION");
    scratch_run("grep -qx 'EBB_SAMPLE=4096' %s/out", folder);
    scratch_run("grep -qx 'EBB_SESSION=0000000000000abc' %s/out", folder);
    scratch_run("grep -qx 'EBB_ROOT=1' %s/out", folder);
    scratch_run("grep -qx 'LD_PRELOAD=%s' %s/out", agent, folder);
    scratch_run("! grep -q EBB_FOLLOW %s/out && grep -q ^PATH= %s/out", folder, folder);

    setenv("LD_PRELOAD", other, 1);
    launch.only_parent = true;
    int code = start(scratch_text("env > %s/out", folder), &launch, &error);
    unsetenv("LD_PRELOAD");
    assert_int_equal(code, 0);
    scratch_run("grep -qx 'LD_PRELOAD=%s:%s' %s/out", agent, other, folder);
    scratch_run("grep -qx 'EBB_FOLLOW=0' %s/out", folder);

    /* A group of its own; no signals blocked; what a shell's child expects of SIGPIPE. */
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    code = start("test \"$(ps -o pgid= -p $$ | tr -d ' ')\" = $$ || exit 3; kill -PIPE $$; exit 5",
                 &launch, &error);
    assert_int_equal(code, 1000 + SIGPIPE);
    assert_int_equal(start("kill -TERM $$; exit 5", &launch, &error), 1000 + SIGTERM);
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static void test_output_to_stderr(void **state)
{
    struct ebb_error error;
    char *path = scratch_text("%s/err", (char *)*state);
    struct ebb_launch launch = {.agent = "/no/agent.so", .period = 1, .output_to_stderr = true};
    /* The loader warns on stderr about an agent it cannot load, and goes on. */
    int saved = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
    int code = start("echo to-stdout", &launch, &error);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    assert_int_equal(code, 0);
    scratch_run("grep -q to-stdout %s", path);
}

static void test_start_refusals(void **state)
{
    struct ebb_error error = {""};
    pid_t pid;
    char name[] = "/no/such/program";
    char *argv[] = {name, NULL};
    struct ebb_launch launch = {.agent = "/no/agent.so", .period = 1};
    assert_int_equal(ebb__launch_start(argv, &launch, &pid, &error), -ENOENT);
    launch.agent = "/a folder/agent.so";
    assert_int_equal(start("true", &launch, &error), -EINVAL);
    assert_says(&error, "EBB_AGENT_PATH");
    (void)state;
}

static void test_sessions_differ(void **state)
{
    (void)state;
    uint64_t a = ebb__launch_new_session(), b = ebb__launch_new_session();
    assert_true(a != 0 && b != 0 && a != b);
}

int main(void)
{
#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        SCRATCH(test_find),
        SCRATCH(test_good),
        SCRATCH(test_static),
        SCRATCH(test_static_go),
        SCRATCH(test_foreign),
        SCRATCH(test_musl),
        SCRATCH(test_nonsense),
        SCRATCH(test_set_uid),
        SCRATCH(test_file_capabilities),
        SCRATCH(test_scripts),
        SCRATCH(test_agent_path),
        SCRATCH(test_start),
        SCRATCH(test_output_to_stderr),
        SCRATCH(test_start_refusals),
        cmocka_unit_test(test_sessions_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
