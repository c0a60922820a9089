/* See take.h. */
#include "tool/commands/take.h"

#include "tool/collect/target.h"
#include "tool/commands/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Profiles that a service has and a process does not, and those that can be gathered for a time. */
static bool is_in(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names;
}
static const char *const of_services[] = {"cpu", "mutex", "block", "goroutine", NULL};
static const char *const gathered[] = {"cpu", "mutex", "block", NULL};

static void print_help(const char *command, const char *name, const char *help)
{
    bool service = is_in(name, of_services), takes_time = is_in(name, gathered);
    printf("%s\n\n", help);
    if (!service)
        printf("  ebb %s PID [-o FILE]\n", command);
    printf("  ebb %s URL [OPTION...]\n\n", command);
    printf("  -o, --output FILE   where to write it (default: %s-%s.pb.gz here; - is stdout)\n",
           command, service ? "HOST-PORT" : "PID");
    if (takes_time)
        printf("  --for TIME          how long to gather it (%s); --seconds N is the same\n",
               strcmp(name, "cpu") == 0 ? "default: 10s" : "default: since the service began");
    puts("  --token TOKEN       a bearer token for the service (default: what EBB_TOKEN says)\n"
         "  --ca FILE           trust these certificates (PEM) instead of the system's\n"
         "  --insecure          trust any certificate\n");
    if (!service)
        puts("PID is a process that `ebb ps` lists; the record of one that has died will do.");
    puts("URL is a service that answers /debug/pprof: Go with net/http/pprof, or `ebb serve`. The\n"
         "file is a gzipped pprof profile: look at it with `ebb top` or `go tool pprof`.");
}

/* Writes all of it, however little the pipe takes at a time. */
static int write_out(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        data += written;
        size -= (size_t)written;
    }
    return 0;
}

static int write_profile(const struct ebb_profile *profile, const char *path,
                         struct ebb_error *error)
{
    if (strcmp(path, "-") != 0)
        return ebb_profile_write_file(profile, path, error);
    void *data;
    size_t size;
    int code = ebb_profile_encode(profile, &data, &size, error);
    if (code < 0)
        return code;
    code = write_out(data, size);
    free(data);
    return code < 0 ? ebb_error_set(error, code, "cannot write to stdout: %s", strerror(-code)) : 0;
}

/* Takes profile `name` of what `word` names. */
static int take(char *word, const char *name, const struct ebb_target_options *options,
                struct ebb_profile **profile, struct ebb_error *error)
{
    struct ebb_target *target;
    int code = ebb_target_open(&word, 1, false, options, &target, error);
    if (code < 0)
        return code;
    if (!ebb_is_url(word))
        code = ebb_target_observe(target, error);
    if (code >= 0)
        code = ebb_target_profile(target, 0, name, profile, error);
    ebb_target_close(target, true, 0);
    return code;
}

/* "heap-127.0.0.1-6060.pb.gz": the part of the URL that names the service, as part of a file name.
 */
static void name_by_url(const char *command, const char *url, char *name, size_t size)
{
    const char *host = strstr(url, "://") + 3;
    int length = (int)strcspn(host, "/?#");
    const char *at = memrchr(host, '@', (size_t)length);
    if (at) {
        length -= (int)(at + 1 - host);
        host = at + 1;
    }
    snprintf(name, size, "%s-%.*s.pb.gz", command, length < 200 ? length : 200, host);
    for (char *c = name; *c; c++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-", *c))
            *c = '-';
}

struct order {
    struct ebb_target_options options;
    char *path; /* where to write */
};

/* 0 to go on, else the exit status + 1. */
static int parse(int argc, char **argv, const char *name, const char *help, struct order *order)
{
    static const struct option known[] = {
        {"output", required_argument, NULL, 'o'},  {"for", required_argument, NULL, 'f'},
        {"seconds", required_argument, NULL, 'f'}, {"token", required_argument, NULL, 't'},
        {"ca", required_argument, NULL, 'c'},      {"insecure", no_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},          {0}};
    const char *command = argv[0];
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":o:h", known, NULL)) != -1;)
        switch (option) {
        case 'o':
            order->path = optarg;
            break;
        case 'f':
            order->options.seconds = ebb_parse_duration(optarg);
            if (!is_in(name, gathered))
                return 1 + ebb_command_fail(command, "takes what there is now; --for is for cpu, "
                                                     "mutex and block");
            if (!(order->options.seconds >= 1 && order->options.seconds <= 3600))
                return 1 + ebb_command_fail(command, "--for %s: write a time such as 10s, 1s to 1h",
                                            optarg);
            break;
        case 't':
            order->options.token = optarg;
            break;
        case 'c':
            order->options.ca = optarg;
            break;
        case 'i':
            order->options.insecure = true;
            break;
        case 'h':
            print_help(command, name, help);
            return 1;
        case ':':
            return 1 + ebb_command_fail(command, "%s needs a value", argv[optind - 1]);
        default:
            return 1 + ebb_command_fail(command, "unknown option %s; `ebb %s --help` lists them",
                                        argv[optind - 1], command);
        }
    return 0;
}

int ebb_command_take(int argc, char **argv, const char *name, const char *help)
{
    struct order order = {.options = {.only_parent = true}};
    const char *command = argv[0];
    bool service = is_in(name, of_services);
    int stop = parse(argc, argv, name, help, &order);
    if (stop)
        return stop - 1;
    if (optind + 1 != argc)
        return ebb_command_fail(command, "name one %s: ebb %s %s [-o FILE]",
                                service ? "service" : "process or service", command,
                                service ? "http://HOST:PORT" : "PID");

    char named[300];
    char *word = argv[optind];
    bool url = ebb_is_url(word);
    if (service && !url)
        return ebb_command_fail(command,
                                "'%s' is not a URL; %s profiles are taken of services: ebb "
                                "%s http://HOST:PORT",
                                word, command, command);
    if ((order.options.token || order.options.ca || order.options.insecure) && !url)
        return ebb_command_fail(command,
                                "--token, --ca and --insecure are for a service: ebb %s "
                                "http://HOST:PORT",
                                command);
    if (!order.path) {
        if (url)
            name_by_url(command, word, named, sizeof named);
        else if (*word == '\0' || strspn(word, "0123456789") != strlen(word) || strlen(word) > 10)
            return ebb_command_fail(command, "'%s' is not a process id; `ebb ps` lists them", word);
        else
            snprintf(named, sizeof named, "%s-%s.pb.gz", command, word);
        order.path = named;
    }
    if (strcmp(order.path, "-") == 0 && isatty(STDOUT_FILENO))
        return ebb_command_fail(command, "a profile is binary: send stdout to a file or a pipe, or "
                                         "use -o FILE");

    struct ebb_error error = {0};
    struct ebb_profile *profile = NULL;
    int code = take(word, name, &order.options, &profile, &error);
    if (code >= 0)
        code = write_profile(profile, order.path, &error);
    ebb_profile_free(profile);
    if (code < 0)
        return ebb_command_fail(command, "%s", error.text);
    if (strcmp(order.path, "-") != 0)
        fprintf(stderr, "ebb %s: wrote %s\n", command, order.path);
    return 0;
}
