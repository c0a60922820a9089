/* See target.h: tells the kinds of target apart and passes every call on to program.c,
 * files.c or go_service.c. */
#include "tool/collect/target.h"

#include "channel/layout.h"
#include "tool/collect/files.h"
#include "tool/collect/go_service.h"
#include "tool/collect/history.h"
#include "tool/collect/program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Exactly one of the four. */
struct ebb_target {
    struct ebb_program *program;
    struct ebb_files *files;
    struct ebb_history *history;
    struct ebb_service *service;
};

static bool is_url(const char *word)
{
    return strncasecmp(word, "http://", 7) == 0 || strncasecmp(word, "https://", 8) == 0;
}

/* Refuses an address that is no service's. It is not shown: it may hold a password. */
static int refuse_scheme(const char *word, struct ebb_error *error)
{
    return strstr(word, "://") ? ebb_error_set(error, -EINVAL,
                                               "that is no service's URL; write http://HOST:PORT "
                                               "or https://HOST")
                               : 0;
}

/* A pid, or 0 when the word is none. */
static pid_t parse_pid(const char *word)
{
    char *end;
    errno = 0;
    long pid = strtol(word, &end, 10);
    return word[0] >= '1' && word[0] <= '9' && !*end && !errno && pid <= INT32_MAX ? (pid_t)pid : 0;
}

bool ebb_is_record(const char *word)
{
    static const char prefix[] = EBB_CHANNEL_DIRECTORY "/" EBB_CHANNEL_PREFIX;
    return strncmp(word, prefix, sizeof prefix - 1) == 0;
}

static int open_by_kind(struct ebb_target *target, char *const *words, size_t count,
                        bool is_command, const struct ebb_target_options *options,
                        struct ebb_error *error)
{
    if (options->store)
        return ebb__history_open(options->store, count > 0 ? words[0] : NULL, options->since_s,
                                 &target->history, error);
    if (is_command)
        return ebb__program_start(words, count, options, &target->program, error);
    if (count == 1 && is_url(words[0]))
        return ebb__service_open(words[0], options, &target->service, error);
    for (size_t i = 0; i < count; i++)
        if (is_url(words[i]))
            return ebb_error_set(error, -EINVAL,
                                 "name one service at a time, or profiles that were saved of one");
    for (size_t i = 0; i < count; i++)
        if (refuse_scheme(words[i], error) < 0)
            return -EINVAL;
    pid_t pid = count == 1 ? parse_pid(words[0]) : 0;
    if (pid > 0)
        return ebb__program_attach(pid, &target->program, error);
    if (count == 1 && ebb_is_record(words[0]))
        return ebb__program_open_record(words[0], &target->program, error);
    return ebb__files_open(words, count, &target->files, error);
}

int ebb_target_open(char *const *words, size_t count, bool is_command,
                    const struct ebb_target_options *options, struct ebb_target **target,
                    struct ebb_error *error)
{
    static const struct ebb_target_options defaults;
    *target = NULL;
    if (count == 0 && !(options && options->store))
        return ebb_error_set(error, -EINVAL,
                             "nothing to look at; name a PID, a URL, profile files, or -- CMD");
    struct ebb_target *opened = calloc(1, sizeof *opened);
    if (!opened)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", count > 0 ? words[0] : "target");
    int code = open_by_kind(opened, words, count, is_command, options ? options : &defaults, error);
    if (code < 0) {
        free(opened);
        return code;
    }
    *target = opened;
    return 0;
}

void ebb_target_close(struct ebb_target *target, bool keep, double grace_s)
{
    if (!target)
        return;
    if (target->program)
        ebb__program_close(target->program, keep, grace_s);
    ebb__files_close(target->files);
    ebb__history_close(target->history);
    ebb__service_close(target->service);
    free(target);
}

int ebb_target_observe(struct ebb_target *target, struct ebb_error *error)
{
    if (target->service)
        return ebb__service_observe(target->service, error);
    return target->program ? ebb__program_observe(target->program, error)
                           : 1; /* files and histories hold all there is to see */
}

bool ebb_target_ready(struct ebb_target *target)
{
    return !target->service || ebb__service_ready(target->service);
}

bool ebb_target_attend(struct ebb_target *target)
{
    return target->service && ebb__service_attend(target->service);
}

int ebb_target_conclude(struct ebb_target *target, struct ebb_error *error)
{
    return target->service ? ebb__service_conclude(target->service, error) : 0;
}

size_t ebb_target_subject_count(const struct ebb_target *target)
{
    if (target->history)
        return ebb__history_count(target->history);
    return target->program ? ebb__program_count(target->program) : 1;
}

struct ebb_evidence *ebb_target_subject(const struct ebb_target *target, size_t index)
{
    if (target->service)
        return ebb__service_evidence(target->service);
    if (target->history)
        return ebb__history_evidence(target->history, index);
    return target->program ? ebb__program_subject(target->program, index)
                           : ebb__files_evidence(target->files);
}

int ebb_target_profile(struct ebb_target *target, size_t index, const char *name,
                       struct ebb_profile **profile, struct ebb_error *error)
{
    *profile = NULL;
    if (index >= ebb_target_subject_count(target))
        return ebb_error_set(error, -ENOENT, "nothing was seen of the target yet");
    if (target->service)
        return ebb__service_profile(target->service, name, profile, error);
    if (target->history)
        return ebb__history_profile(target->history, index, name, profile, error);
    return target->program ? ebb__program_profile(target->program, index, name, profile, error)
                           : ebb__files_profile(target->files, name, profile, error);
}

pid_t ebb_target_pid(const struct ebb_target *target)
{
    return target->program ? ebb__program_pid(target->program) : 0;
}

bool ebb_target_running(struct ebb_target *target)
{
    return target->program && ebb__program_running(target->program);
}

int ebb_target_status(const struct ebb_target *target)
{
    return target->program ? ebb__program_status(target->program) : 0;
}

void ebb_target_signal(struct ebb_target *target, int signal)
{
    if (target->program)
        ebb__program_signal(target->program, signal);
}
