/* The ebb command: finds the subcommand and runs it. */
#include "tool/commands/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct ebb_command *const commands[] = {
    &ebb_command_doctor,  &ebb_command_record, &ebb_command_top,   &ebb_command_tree,
    &ebb_command_peek,    &ebb_command_list,   &ebb_command_diff,  &ebb_command_flame,
    &ebb_command_maps,    &ebb_command_ps,     &ebb_command_heap,  &ebb_command_allocs,
    &ebb_command_cpu,     &ebb_command_mutex,  &ebb_command_block, &ebb_command_goroutine,
    &ebb_command_threads, &ebb_command_run,    &ebb_command_serve, &ebb_command_lab,
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_help(FILE *out)
{
    fputs("Ebb finds the line of code that keeps memory, says until when, and what to change.\n"
          "\n"
          "  ebb doctor -- CMD ARG...    start a program, watch it, name what keeps its memory\n"
          "  ebb doctor PID              the same for a process that already publishes\n"
          "  ebb doctor http://HOST:PORT the same for a Go service with net/http/pprof\n",
          out);
    const char *group = "";
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(group, commands[i]->group) != 0)
            fprintf(out, "\n%s\n", group = commands[i]->group);
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\n`ebb COMMAND --help` teaches one command; `man ebb` has it all.\n", out);
}

/* The subcommand whose name is nearest to a mistyped one: shares the first letters. */
static const struct ebb_command *nearest(const char *name)
{
    const struct ebb_command *best = NULL;
    size_t best_length = 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        size_t length = 0;
        while (name[length] && name[length] == commands[i]->name[length])
            length++;
        if (length > best_length) {
            best_length = length;
            best = commands[i];
        }
    }
    return best;
}

/* A process may begin without its standard files; what is opened first would take their numbers and
 * be written to by accident. Nothing is put in their place that takes output: writing fails still. */
static void keep_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDONLY);
}

/* A file that outgrows RLIMIT_FSIZE is then an error like any other. Programs that are started do
 * not inherit a handler, as they would inherit that a signal is ignored. */
static void on_file_too_large(int signal)
{
    (void)signal;
}

/* Help is output too: a full disk is said. */
static int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "ebb: cannot write to stdout: %s\n", strerror(errno));
    return 2;
}

static void cover(char *secret, size_t length)
{
    memset(secret, 'x', length);
}

/* Everybody on the machine can read a command line (ps, /proc/PID/cmdline), so tokens and the users
 * and passwords of URLs are overwritten there, in the words before `--`; the commands get copies. 0
 * or -ENOMEM. */
static int hide_secrets(int argc, char **argv, char **copies)
{
    static const char token[] = "--token";
    bool is_token = false, ours = true;
    for (int i = 0; i < argc; i++) {
        char *word = argv[i], *scheme = strstr(word, "://");
        copies[i] = strdup(word);
        if (!copies[i])
            return -ENOMEM;
        ours = ours && strcmp(word, "--") != 0;
        if (!ours)
            continue;
        size_t length = strcspn(word, "=");
        /* Long options may be cut short: --tok. */
        bool names_token = length > 3 && strncmp(word, token, length) == 0 && length < sizeof token;
        char *host = scheme ? scheme + 3 : NULL;
        char *at = host ? memrchr(host, '@', strcspn(host, "?#")) : NULL;
        if (is_token)
            cover(word, strlen(word));
        else if (names_token && word[length])
            cover(word + length + 1, strlen(word + length + 1));
        else if (at)
            cover(host, (size_t)(at - host));
        is_token = !is_token && names_token && !word[length];
    }
    return 0;
}

static int run_hidden(const struct ebb_command *command, int argc, char **argv)
{
    char **copies = calloc((size_t)argc + 1, sizeof *copies);
    char **sorted = calloc((size_t)argc + 1, sizeof *sorted); /* getopt moves words about */
    int status = 2;
    if (copies && sorted && hide_secrets(argc, argv, copies) == 0) {
        memcpy(sorted, copies, (size_t)argc * sizeof *copies);
        status = command->run(argc, sorted);
    } else {
        fprintf(stderr, "ebb %s: out of memory\n", command->name);
    }
    for (int i = 0; copies && i < argc; i++)
        free(copies[i]);
    free(copies);
    free(sorted);
    return status;
}

int main(int argc, char **argv)
{
    keep_standard_files();
    sigaction(SIGXFSZ, &(struct sigaction){.sa_handler = on_file_too_large}, NULL);
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return finish(0);
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("ebb " EBB_VERSION);
        return finish(0);
    }
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(name, commands[i]->name) == 0)
            return finish(run_hidden(commands[i], argc - 1, argv + 1));
    const struct ebb_command *meant = nearest(name);
    if (meant)
        fprintf(stderr, "ebb: no command '%s'; did you mean `ebb %s`? `ebb --help` lists all\n",
                name, meant->name);
    else
        fprintf(stderr, "ebb: no command '%s'; `ebb --help` lists all\n", name);
    return 2;
}
