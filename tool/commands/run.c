/* ebb run: starts a program under the agent, serves its profiles while it runs, and leaves like it.
 *
 * The command stays out of the program's way: its input and output are the program's own, signals
 * are passed on, and its exit status is the program's (128 + N when signal N killed it). The port
 * is bound before the program starts, so a taken port costs nothing. */
#include "base/vec.h"
#include "channel/reader.h"
#include "tool/collect/target.h"
#include "tool/commands/command.h"
#include "tool/commands/signals.h"
#include "tool/serve/live.h"
#include "tool/serve/server.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    const char *address; /* NULL: not served */
    const char *token, *directory;
    unsigned long long period;
};

static void print_help(void)
{
    puts(
        "Starts a program under the agent and serves its profiles. The program needs no rebuild.\n"
        "\n"
        "  ebb run [OPTION...] -- CMD ARG...\n"
        "\n"
        "  --http HOST:PORT   where to serve (default: 127.0.0.1:6060; port 0 picks a free one;\n"
        "                     off: not at all)\n"
        "  --token TOKEN      ask clients for it; needed for addresses that other machines reach.\n"
        "                     The variable EBB_TOKEN sets it where other users cannot read it\n"
        "  --out DIR          write the last heap profile there when the program ends or crashes\n"
        "  --sample SIZE      mean bytes between samples (default: 512K; 1 records every block)\n"
        "\n"
        "Look with `go tool pprof http://127.0.0.1:6060/debug/pprof/heap`, `ebb doctor PID`, or a\n"
        "browser. The exit status is the program's.");
}

/* 0 to go on, else the exit status + 1. */
static int parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"http", required_argument, NULL, 'a'}, {"token", required_argument, NULL, 't'},
        {"out", required_argument, NULL, 'o'},  {"sample", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},       {0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "+:ho:", known, NULL)) != -1;)
        switch (option) {
        case 'a':
            options->address = strcmp(optarg, "off") == 0 ? NULL : optarg;
            break;
        case 't':
            options->token = optarg;
            break;
        case 'o':
            options->directory = optarg;
            break;
        case 's':
            options->period = ebb_parse_size(optarg);
            if (options->period == 0)
                return 1 + ebb_command_fail("run", "--sample %s: write a size such as 512K or 1",
                                            optarg);
            break;
        case 'h':
            print_help();
            return 1;
        case ':':
            return 1 + ebb_command_fail("run", "%s needs a value", argv[optind - 1]);
        default:
            return 1 + ebb_command_fail("run", "unknown option %s; `ebb run --help` lists them",
                                        argv[optind - 1]);
        }
    if (optind == argc)
        return 1 + ebb_command_fail("run", "name the program to start: ebb run -- CMD ARG...");
    return 0;
}

/* Writes the last heap profile of every process: heap.pb.gz is the started program's. */
static int write_profiles(struct ebb_target *target, const char *directory, struct ebb_error *error)
{
    int failed = 0;
    for (size_t i = 0; i < ebb_target_subject_count(target); i++) {
        char path[PATH_MAX];
        pid_t pid = ebb_target_subject(target, i)->pid;
        int length = i == 0 ? snprintf(path, sizeof path, "%s/heap.pb.gz", directory)
                            : snprintf(path, sizeof path, "%s/heap-%d.pb.gz", directory, (int)pid);
        if (length >= (int)sizeof path)
            return ebb_error_set(error, -ENAMETOOLONG, "--out: the path is too long");
        struct ebb_profile *profile;
        int code = ebb_target_profile(target, i, "heap", &profile, error);
        if (code == 0) {
            code = ebb_profile_write_file(profile, path, error);
            ebb_profile_free(profile);
        }
        if (code < 0 && !failed)
            failed = code;
    }
    return failed;
}

/* ---- after a crash ---- */

/* The record that the killed program left, among all. */
struct remains {
    pid_t pid;
    struct ebb_identity newest;         /* the program's; pid 0 until found */
    struct older EBB_VEC(char *) older; /* paths of records that its earlier runs left */
};

static int find_newest(void *context, const struct ebb_identity *identity, bool alive, bool done)
{
    struct remains *remains = context;
    if (identity->pid != remains->pid || alive || done)
        return 0;
    remains->newest = *identity;
    return 1;
}

static int find_older(void *context, const struct ebb_identity *identity, bool alive, bool done)
{
    (void)done;
    struct remains *remains = context;
    if (alive || strcmp(identity->executable, remains->newest.executable) != 0 ||
        identity->command_size != remains->newest.command_size ||
        memcmp(identity->command, remains->newest.command, identity->command_size) != 0 ||
        identity->started_realtime_ns >= remains->newest.started_realtime_ns)
        return 0;
    char *path = strdup(identity->path);
    if (path && ebb_vec_push(&remains->older, path) < 0)
        free(path);
    return 0;
}

/* Says where to look when the program was killed. A service that crashes and is started again, over
 * and over, shall not fill the machine's memory with records: the last one stays. */
static void speak_of_the_dead(pid_t pid)
{
    struct remains *remains = calloc(1, sizeof *remains);
    if (!remains)
        return;
    remains->pid = pid;
    ebb_reader_list(0, find_newest, remains);
    if (remains->newest.pid != 0) {
        ebb_reader_list(0, find_older, remains);
        for (size_t i = 0; i < remains->older.len; i++) {
            struct ebb_reader *reader;
            if (ebb_reader_open_path(remains->older.items[i], &reader, NULL) == 0) {
                ebb_reader_remove(reader);
                ebb_reader_close(reader);
            }
            free(remains->older.items[i]);
        }
        fprintf(stderr, "ebb run: `ebb doctor %d` says what process %d held when it was killed\n",
                (int)pid, (int)pid);
    }
    ebb_vec_free(&remains->older);
    free(remains);
}

/* ---- while it runs ---- */

/* Passes signals on until the program ends. Keys of the terminal reach it without us: it is in our
 * process group. */
static void wait_for_end(struct ebb_live *live, struct ebb_target *target)
{
    for (bool running = true; running;) {
        int signal = ebb_signals_wait(200);
        ebb_live_lock(live);
        if (signal != 0 && signal != SIGCHLD && !ebb_signals_from_kernel())
            ebb_target_signal(target, signal);
        running = ebb_target_running(target);
        ebb_live_unlock(live);
    }
}

/* The program runs: serve it to its end. */
static int attend(const struct options *options, struct ebb_target *target,
                  struct ebb_server *server, struct ebb_error *error)
{
    struct ebb_live *live = ebb_live_new(target);
    if (!live)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    int code = server ? ebb_server_start(server, ebb_live_source(live), error) : 0;
    if (code == 0) {
        if (server)
            fprintf(stderr, "ebb run: profiles of process %d are on %s\n",
                    (int)ebb_target_pid(target), ebb_server_url(server));
        wait_for_end(live, target);
        ebb_live_lock(live);
        ebb_target_observe(target, NULL);
        if (options->directory)
            code = write_profiles(target, options->directory, error);
        ebb_live_unlock(live);
    }
    ebb_server_stop(server);
    ebb_live_free(live);
    return code;
}

static int make_directory(const char *path, struct ebb_error *error)
{
    struct stat found;
    if (mkdir(path, 0777) == 0 ||
        (errno == EEXIST && stat(path, &found) == 0 && S_ISDIR(found.st_mode)))
        return 0;
    return ebb_error_set(error, -errno, "--out %s: %s", path, strerror(errno));
}

static int run(int argc, char **argv)
{
    struct options options = {.address = "127.0.0.1:6060", .token = getenv("EBB_TOKEN")};
    int stop = parse(argc, argv, &options);
    if (stop)
        return stop - 1;

    static const int passed_on[] = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT, SIGUSR1,
                                    SIGUSR2, SIGCONT, SIGWINCH, SIGCHLD, 0};
    struct ebb_error error = {0};
    struct ebb_server *server = NULL;
    struct ebb_target *target = NULL;
    const struct ebb_target_options target_options = {
        .period = options.period, .foreground = true, .keep_killed = true};
    int code = options.directory ? make_directory(options.directory, &error) : 0;
    if (code == 0 && options.address)
        code = ebb_server_listen(options.address, options.token, &server, &error);
    unsetenv("EBB_TOKEN"); /* it is between us and the clients, not the program's */
    if (code == 0)
        code = ebb_signals_catch(passed_on);
    if (code == 0)
        code = ebb_target_open(argv + optind, (size_t)(argc - optind), true, &target_options,
                               &target, &error);
    if (code < 0) {
        ebb_server_stop(server);
        return ebb_command_fail("run", "%s", error.text[0] ? error.text : strerror(-code));
    }
    code = attend(&options, target, server, &error);
    int status = ebb_target_status(target);
    pid_t pid = ebb_target_pid(target);
    ebb_target_close(target, code == 0, 5); /* what it left running in the background runs on */
    if (status > 128)
        speak_of_the_dead(pid);
    if (code < 0) {
        ebb_command_fail("run", "%s", error.text);
        return status ? status : 2;
    }
    return status;
}

const struct ebb_command ebb_command_run = {
    "run", "Serve", "run a program under the agent and serve its profiles", run};
