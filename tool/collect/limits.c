/* See limits.h.
 *
 * Every candidate for a ceiling is a pair of what it counts and how far that may go; the one with
 * the least room left wins.
 *
 *     cgroup v2   memory.max against memory.current, at the process's group and every group above
 * it cgroup v1   memory.limit_in_bytes against memory.usage_in_bytes, likewise ulimit RLIMIT_AS
 * against the virtual size, RLIMIT_DATA against private writable mappings machine     MemAvailable
 * beside what the process holds already
 *
 * A group's usage counts the page cache of files it read, which the kernel drops before anything is
 * killed; that share (inactive_file + active_file of memory.stat) is not held against the limit. */
#include "tool/collect/limits.h"

#include "tool/collect/limits_root.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ebb_memory unknown_memory = {
    UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
    UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,
};

/* Opens root + path for reading; NULL when either is too long or there is no such file. */
static FILE *open_below(const char *root, const char *path)
{
    char whole[PATH_MAX];
    int length = snprintf(whole, sizeof whole, "%s%s", root, path);
    return length > 0 && (size_t)length < sizeof whole ? fopen(whole, "re") : NULL;
}

static FILE *open_of_process(const char *root, pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return open_below(root, path);
}

/* The number a text begins with; false for "max", "unlimited" and what does not fit. */
static bool parse_number(const char *text, uint64_t *number)
{
    text += strspn(text, " \t");
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long long parsed = strtoull(text, NULL, 10);
    if (errno)
        return false;
    *number = parsed;
    return true;
}

/* ---- lines "Name:   123 kB" ---- */

struct field {
    const char *name; /* with its colon */
    uint64_t *value;
    uint64_t unit;
};

/* Reads the fields that are there; closes the file. */
static void read_fields(FILE *file, const struct field *fields, size_t count)
{
    char line[512];
    while (fgets(line, sizeof line, file)) {
        for (size_t i = 0; i < count; i++) {
            size_t length = strlen(fields[i].name);
            uint64_t number;
            if (strncmp(line, fields[i].name, length) == 0 &&
                parse_number(line + length, &number) && number <= UINT64_MAX / fields[i].unit)
                *fields[i].value = number * fields[i].unit;
        }
    }
    fclose(file);
}

int ebb__memory_read_below(const char *root, pid_t pid, bool thorough, struct ebb_memory *memory)
{
    *memory = unknown_memory;
    FILE *file = open_of_process(root, pid, "status");
    if (!file)
        return errno == ENOENT ? -ESRCH : -errno;
    const struct field status[] = {
        {"VmRSS:", &memory->rss, 1024},        {"RssAnon:", &memory->rss_anonymous, 1024},
        {"RssFile:", &memory->rss_file, 1024}, {"RssShmem:", &memory->rss_shared, 1024},
        {"VmHWM:", &memory->rss_peak, 1024},   {"VmSize:", &memory->virtual_size, 1024},
        {"VmData:", &memory->data_size, 1024}, {"VmSwap:", &memory->swap, 1024},
        {"Threads:", &memory->threads, 1},
    };
    read_fields(file, status, sizeof status / sizeof *status);
    /* A process that has exited and waits for its parent still has a status, without memory. */
    if (memory->rss == UINT64_MAX)
        return -ESRCH;
    if (thorough && (file = open_of_process(root, pid, "smaps_rollup"))) {
        const struct field rollup[] = {
            {"Rss:", &memory->rss, 1024},
            {"Anonymous:", &memory->rss_anonymous, 1024},
            {"Swap:", &memory->swap, 1024},
        };
        read_fields(file, rollup, sizeof rollup / sizeof *rollup);
    }
    return 0;
}

int ebb_memory_read(pid_t pid, bool thorough, struct ebb_memory *memory)
{
    return ebb__memory_read_below("", pid, thorough, memory);
}

/* ---- candidates ---- */

static uint64_t room_left(uint64_t limit, uint64_t used)
{
    return limit > used ? limit - used : 0;
}

static void offer(struct ebb_limit *tightest, uint64_t limit, uint64_t used, const char *source,
                  const char *detail)
{
    if (limit == UINT64_MAX || used == UINT64_MAX ||
        (tightest->source &&
         room_left(limit, used) >= room_left(tightest->limit_bytes, tightest->used_bytes)))
        return;
    tightest->limit_bytes = limit;
    tightest->used_bytes = used;
    tightest->source = source;
    snprintf(tightest->detail, sizeof tightest->detail, "%s", detail);
}

static void offer_rlimits(const char *root, pid_t pid, const struct ebb_memory *memory,
                          struct ebb_limit *tightest)
{
    FILE *file = open_of_process(root, pid, "limits");
    if (!file)
        return;
    uint64_t address_space = UINT64_MAX, data = UINT64_MAX;
    /* "unlimited" is no number and leaves the field as it is. */
    const struct field limits[] = {
        {"Max address space", &address_space, 1},
        {"Max data size", &data, 1},
    };
    read_fields(file, limits, sizeof limits / sizeof *limits);
    offer(tightest, address_space, memory->virtual_size, "ulimit", "RLIMIT_AS (ulimit -v)");
    offer(tightest, data, memory->data_size, "ulimit", "RLIMIT_DATA (ulimit -d)");
}

static void offer_machine(const char *root, const struct ebb_memory *memory,
                          struct ebb_limit *tightest)
{
    FILE *file = open_below(root, "/proc/meminfo");
    if (!file)
        return;
    uint64_t available = UINT64_MAX;
    const struct field fields[] = {{"MemAvailable:", &available, 1024}};
    read_fields(file, fields, 1);
    if (available < UINT64_MAX - memory->rss)
        offer(tightest, memory->rss + available, memory->rss, "MemAvailable",
              "memory the machine has left (/proc/meminfo)");
}

/* ---- cgroups ---- */

/* The two generations differ in names only. */
struct generation {
    const char *limit, *usage;
    const char *inactive_file, *active_file; /* in memory.stat; with the groups below */
};

static const struct generation generation_1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                               "total_inactive_file ", "total_active_file "};
static const struct generation generation_2 = {"memory.max", "memory.current", "inactive_file ",
                                               "active_file "};

static FILE *open_of_group(const char *root, const char *group, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", group, name);
    return length > 0 && (size_t)length < sizeof path ? open_below(root, path) : NULL;
}

/* The number in a file of a group; UINT64_MAX for "max" and when there is none. */
static uint64_t read_number(const char *root, const char *group, const char *name)
{
    uint64_t number = UINT64_MAX;
    FILE *file = open_of_group(root, group, name);
    if (file) {
        char line[64];
        if (fgets(line, sizeof line, file))
            parse_number(line, &number);
        fclose(file);
    }
    return number;
}

static void offer_group(const char *root, const char *group, const struct generation *generation,
                        struct ebb_limit *tightest)
{
    /* Version 1 writes "no limit" as the largest number of whole pages. */
    enum { UNLIMITED_SHIFT = 62 };
    uint64_t limit = read_number(root, group, generation->limit);
    uint64_t used = read_number(root, group, generation->usage);
    if (limit >> UNLIMITED_SHIFT || used == UINT64_MAX)
        return;
    FILE *file = open_of_group(root, group, "memory.stat");
    if (file) {
        uint64_t inactive = 0, active = 0;
        const struct field cache[] = {{generation->inactive_file, &inactive, 1},
                                      {generation->active_file, &active, 1}};
        read_fields(file, cache, 2);
        if (inactive <= used && active <= used - inactive)
            used -= inactive + active;
    }
    /* Of a long path the end says more than the beginning. */
    enum { SHOWN = 120 };
    char detail[160];
    size_t length = strlen(group), hidden = length > SHOWN ? length - SHOWN : 0;
    snprintf(detail, sizeof detail, "%s%.*s/%s", hidden ? "..." : "", SHOWN, group + hidden,
             generation->limit);
    offer(tightest, limit, used, "cgroup", detail);
}

/* Walks from the process's group up to the mount point. `group` is cut in place. */
static void offer_groups(const char *root, char *group, size_t mount_length,
                         const struct generation *generation, struct ebb_limit *tightest)
{
    for (;;) {
        offer_group(root, group, generation, tightest);
        char *slash = strrchr(group, '/');
        if (!slash || (size_t)(slash - group) < mount_length)
            return;
        *slash = '\0';
    }
}

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static void undo_octal(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        unsigned code;
        if (from[0] == '\\' && sscanf(from + 1, "%3o", &code) == 1 && strlen(from) >= 4) {
            *to = (char)code;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* Where a hierarchy is mounted, and which of its groups the mount point shows. */
struct mount {
    char point[PATH_MAX], top[PATH_MAX];
};

static bool has_option(const char *options, const char *wanted)
{
    size_t length = strlen(wanted);
    for (const char *at = options; (at = strstr(at, wanted)); at += length)
        if ((at == options || at[-1] == ',') && (!at[length] || at[length] == ','))
            return true;
    return false;
}

/* Finds the mount of cgroup v2, or of v1's memory controller. */
static bool find_mount(const char *root, bool second, struct mount *mount)
{
    FILE *file = open_below(root, "/proc/self/mountinfo");
    if (!file)
        return false;
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (!found && getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        /* 35 31 0:32 TOP POINT rw,... [optional]... - TYPE SOURCE OPTIONS */
        char *type = strstr(line, " - "), *save, *word = line;
        if (!type)
            continue;
        *type = '\0';
        type += 3;
        char *options = strrchr(type, ' ');
        bool fits = second ? strncmp(type, "cgroup2 ", 8) == 0
                           : strncmp(type, "cgroup ", 7) == 0 && options &&
                                 has_option(options + 1, "memory");
        if (!fits)
            continue;
        const char *words[5] = {0};
        for (size_t i = 0; i < 5 && (words[i] = strtok_r(word, " ", &save)); i++)
            word = NULL;
        if (!words[4])
            continue;
        snprintf(mount->top, sizeof mount->top, "%s", words[3]);
        snprintf(mount->point, sizeof mount->point, "%s", words[4]);
        undo_octal(mount->top);
        undo_octal(mount->point);
        found = true;
    }
    free(line);
    fclose(file);
    return found;
}

/* The folder of `group` below the mount point, false when the mount does not show it. */
static bool group_folder(const struct mount *mount, const char *group, char *folder, size_t size)
{
    size_t top = strcmp(mount->top, "/") == 0 ? 0 : strlen(mount->top);
    if (strncmp(group, mount->top, top) != 0 || (group[top] && group[top] != '/')) {
        /* A container that sees its own group as the mount's top, but the host's path here. */
        group = "";
        top = 0;
    }
    if (strncmp(group + top, "/..", 3) == 0)
        return false;
    const char *rest = strcmp(group + top, "/") == 0 ? "" : group + top;
    int length = snprintf(folder, size, "%s%s", mount->point, rest);
    return length > 0 && (size_t)length < size;
}

/* Offers every limit of the hierarchy that a line of /proc/PID/cgroup names. */
static void offer_hierarchy(const char *root, bool second, const char *group,
                            struct ebb_limit *tightest)
{
    struct mount *mount = malloc(sizeof *mount);
    char folder[PATH_MAX];
    if (mount && find_mount(root, second, mount) &&
        group_folder(mount, group, folder, sizeof folder))
        offer_groups(root, folder, strlen(mount->point), second ? &generation_2 : &generation_1,
                     tightest);
    free(mount);
}

static void offer_cgroups(const char *root, pid_t pid, struct ebb_limit *tightest)
{
    FILE *file = open_of_process(root, pid, "cgroup");
    if (!file)
        return;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) > 0) {
        line[strcspn(line, "\n")] = '\0';
        /* ID:CONTROLLERS:GROUP; version 2 has no controllers. */
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        if (!*controllers || has_option(controllers, "memory"))
            offer_hierarchy(root, !*controllers, group, tightest);
    }
    free(line);
    fclose(file);
}

int ebb__limit_read_below(const char *root, pid_t pid, const struct ebb_memory *memory,
                          struct ebb_limit *limit)
{
    *limit = (struct ebb_limit){.limit_bytes = UINT64_MAX, .used_bytes = UINT64_MAX};
    offer_cgroups(root, pid, limit);
    offer_rlimits(root, pid, memory, limit);
    offer_machine(root, memory, limit);
    if (!limit->source)
        limit->source = "";
    return 0;
}

int ebb_limit_read(pid_t pid, const struct ebb_memory *memory, struct ebb_limit *limit)
{
    return ebb__limit_read_below("", pid, memory, limit);
}
