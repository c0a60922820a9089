/* See take.h. */
#include "tool/commands/take.h"

#include "tool/collect/target.h"
#include "tool/commands/command.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_help(const char *command, const char *help)
{
    printf("%s\n"
           "\n"
           "  ebb %s PID [-o FILE]\n"
           "\n"
           "  -o, --output FILE   where to write it (default: %s-PID.pb.gz here; - is stdout)\n"
           "\n"
           "PID is a process that `ebb ps` lists; the record of one that has died will do. The\n"
           "file is a gzipped pprof profile: look at it with `ebb top` or `go tool pprof`.\n",
           help, command, command);
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

/* Takes profile `name` of the process that `word` names. */
static int take(char *word, const char *name, struct ebb_profile **profile, struct ebb_error *error)
{
    struct ebb_target *target;
    const struct ebb_target_options options = {.only_parent = true};
    int code = ebb_target_open(&word, 1, false, &options, &target, error);
    if (code < 0)
        return code;
    code = ebb_target_observe(target, error);
    if (code >= 0)
        code = ebb_target_profile(target, 0, name, profile, error);
    ebb_target_close(target, true, 0);
    return code;
}

int ebb_command_take(int argc, char **argv, const char *name, const char *help)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *command = argv[0], *path = NULL;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":o:h", options, NULL)) != -1;)
        switch (option) {
        case 'o':
            path = optarg;
            break;
        case 'h':
            print_help(command, help);
            return 0;
        case ':':
            return ebb_command_fail(command, "%s needs a file name", argv[optind - 1]);
        default:
            return ebb_command_fail(command, "unknown option %s; `ebb %s --help` lists them",
                                    argv[optind - 1], command);
        }
    if (optind + 1 != argc)
        return ebb_command_fail(command, "name one process: ebb %s PID [-o FILE]", command);

    char named[64];
    char *word = argv[optind];
    if (!path) {
        if (*word == '\0' || strspn(word, "0123456789") != strlen(word) || strlen(word) > 10)
            return ebb_command_fail(command, "'%s' is not a process id; `ebb ps` lists them", word);
        snprintf(named, sizeof named, "%s-%s.pb.gz", command, word);
        path = named;
    }
    if (strcmp(path, "-") == 0 && isatty(STDOUT_FILENO))
        return ebb_command_fail(command, "a profile is binary: send stdout to a file or a pipe, or "
                                         "use -o FILE");

    struct ebb_error error = {0};
    struct ebb_profile *profile = NULL;
    int code = take(word, name, &profile, &error);
    if (code >= 0)
        code = write_profile(profile, path, &error);
    ebb_profile_free(profile);
    if (code < 0)
        return ebb_command_fail(command, "%s", error.text);
    if (strcmp(path, "-") != 0)
        fprintf(stderr, "ebb %s: wrote %s\n", command, path);
    return 0;
}
