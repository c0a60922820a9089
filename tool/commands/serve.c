/* ebb serve: serves the profiles of a process that publishes already, until Ctrl-C. When the
 * process ends, what it left is served on. */
#include "tool/collect/target.h"
#include "tool/commands/command.h"
#include "tool/commands/signals.h"
#include "tool/serve/live.h"
#include "tool/serve/server.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *address, *token;
};

static void print_help(void)
{
    puts(
        "Serves the profiles of a process over HTTP, as /debug/pprof/, until Ctrl-C.\n"
        "\n"
        "  ebb serve [OPTION...] PID\n"
        "\n"
        "  --http HOST:PORT   where to serve (default: 127.0.0.1:6060; port 0 picks a free one)\n"
        "  --token TOKEN      ask clients for it; needed for addresses that other machines reach.\n"
        "                     The variable EBB_TOKEN sets it where other users cannot read it\n"
        "\n"
        "PID is a process that `ebb ps` lists; the record of one that has died will do.");
}

/* 0 to go on, else the exit status + 1. */
static int parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"http", required_argument, NULL, 'a'},
                                          {"token", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", known, NULL)) != -1;)
        switch (option) {
        case 'a':
            options->address = optarg;
            break;
        case 't':
            options->token = optarg;
            break;
        case 'h':
            print_help();
            return 1;
        case ':':
            return 1 + ebb_command_fail("serve", "%s needs a value", argv[optind - 1]);
        default:
            return 1 + ebb_command_fail("serve", "unknown option %s; `ebb serve --help` lists them",
                                        argv[optind - 1]);
        }
    if (optind + 1 != argc)
        return 1 +
               ebb_command_fail("serve", "name one process: ebb serve PID; `ebb ps` lists them");
    return 0;
}

static void wait_for_interrupt(pid_t pid)
{
    bool alive = true;
    while (ebb_signals_wait(1000) == 0)
        if (alive && kill(pid, 0) < 0 && errno == ESRCH) {
            alive = false;
            fprintf(stderr, "ebb serve: process %d has ended; what it left is served on\n",
                    (int)pid);
        }
}

static int run(int argc, char **argv)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP, 0};
    struct options options = {.address = "127.0.0.1:6060", .token = getenv("EBB_TOKEN")};
    int stop = parse(argc, argv, &options);
    if (stop)
        return stop - 1;

    struct ebb_error error = {0};
    struct ebb_server *server = NULL;
    struct ebb_target *target = NULL;
    struct ebb_live *live = NULL;
    int code =
        ebb_target_open(argv + optind, 1, false, &(struct ebb_target_options){0}, &target, &error);
    if (code == 0)
        code = ebb_server_listen(options.address, options.token, &server, &error);
    if (code == 0 && !(live = ebb_live_new(target)))
        code = ebb_error_set(&error, -ENOMEM, "out of memory");
    if (code == 0)
        code = ebb_signals_catch(ends);
    if (code == 0)
        code = ebb_server_start(server, ebb_live_source(live), &error);
    if (code == 0) {
        pid_t pid = ebb_target_pid(target);
        if (pid > 0)
            fprintf(stderr, "ebb serve: profiles of process %d are on %s\n", (int)pid,
                    ebb_server_url(server));
        else
            fprintf(stderr, "ebb serve: profiles of %s are on %s\n",
                    ebb_target_subject(target, 0)->target, ebb_server_url(server));
        wait_for_interrupt(pid);
    }
    ebb_server_stop(server);
    ebb_live_free(live);
    if (target)
        ebb_target_close(target, true, 0);
    return code < 0 ? ebb_command_fail("serve", "%s", error.text[0] ? error.text : strerror(-code))
                    : 0;
}

const struct ebb_command ebb_command_serve = {"serve", "Serve",
                                              "serve the profiles of a process over HTTP", run};
