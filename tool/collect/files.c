/* See files.h. Every file becomes one observation. */
#include "tool/collect/files.h"

#include "tool/collect/ledger.h"
#include "tool/collect/symbolize_profile.h"

#include <stdlib.h>
#include <string.h>

enum { ASSUMED_SPACING_S = 60 };

struct saved {
    const char *path;
    size_t position; /* on the command line */
    struct ebb_profile *profile;
};

struct ebb_files {
    struct ebb_ledger *ledger;
    struct saved *saved; /* in time order; only the last keeps its profile */
    size_t saved_count;
};

static int by_time(const void *left, const void *right)
{
    const struct saved *a = left, *b = right;
    int64_t at = a->profile->time_ns, bt = b->profile->time_ns;
    return at < bt ? -1 : at > bt;
}

static int by_position(const void *left, const void *right)
{
    const struct saved *a = left, *b = right;
    return a->position < b->position ? -1 : a->position > b->position;
}

/* Puts the files in order of time. False when they do not tell it: then the order stays. */
static bool order(struct saved *saved, size_t count)
{
    bool timed = true;
    qsort(saved, count, sizeof *saved, by_time);
    for (size_t i = 0; i < count; i++) {
        int64_t before = i > 0 ? saved[i - 1].profile->time_ns : 0;
        timed &= saved[i].profile->time_ns > before;
    }
    if (!timed)
        qsort(saved, count, sizeof *saved, by_position);
    return timed;
}

/* Go's heap profiles are as of a garbage collection: of several as of the same one, the first is
 * enough. Takes the others out. */
static void drop_repeated(struct ebb_files *files)
{
    size_t kept = 0;
    uint64_t last = 0;
    bool known = false;
    for (size_t i = 0; i < files->saved_count; i++) {
        struct ebb_go_stats stats = ebb__go_stats_of(files->saved[i].profile);
        if (kept > 0 && known && stats.known && stats.num_gc == last)
            ebb_profile_free(files->saved[i].profile);
        else
            files->saved[kept++] = files->saved[i];
        known = stats.known;
        last = stats.num_gc;
    }
    files->saved_count = kept;
}

/* Reads one file, gives it symbols where it has none, and drops the allocator's own frames. */
static int read_one(const char *path, struct ebb_profile **result, struct ebb_error *error)
{
    struct ebb_profile *profile, *symbolized;
    int code = ebb_profile_read_file(path, &profile, error);
    if (code < 0)
        return code;
    code = ebb_profile_symbolize(profile, &symbolized, NULL);
    if (code == 0 && symbolized) {
        ebb_profile_free(profile);
        profile = symbolized;
    }
    /* An unusable expression for what to drop drops nothing. Of Go's runtime nothing is dropped: its
     * frames tell one container from another. */
    bool go = ebb__go_stats_of(profile).known;
    if (code < 0 || (!go && ebb_profile_prune(profile, NULL) == -ENOMEM)) {
        ebb_profile_free(profile);
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", path);
    }
    *result = profile;
    return 0;
}

static int read_all(struct ebb_files *files, char *const *paths, size_t count,
                    struct ebb_error *error)
{
    files->saved = calloc(count, sizeof *files->saved);
    if (!files->saved)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", paths[0]);
    files->saved_count = count;
    for (size_t i = 0; i < count; i++) {
        files->saved[i] = (struct saved){.path = paths[i], .position = i};
        int code = read_one(paths[i], &files->saved[i].profile, error);
        if (code < 0)
            return code;
    }
    return 0;
}

static int make_evidence(struct ebb_files *files, char *const *paths, size_t count,
                         struct ebb_error *error)
{
    qsort(files->saved, count, sizeof *files->saved, by_time);
    drop_repeated(files);
    if (files->saved_count == 1 && count > 1)
        return ebb_error_set(
            error, -EINVAL,
            "%s and the others are as of the same garbage collection, so they show "
            "no growth; save them further apart, or from heap?gc=1",
            paths[0]);
    count = files->saved_count;
    bool timed = order(files->saved, count);
    struct ebb_evidence *evidence = ebb__ledger_evidence(files->ledger);
    evidence->target =
        count == 1 ? ebb_arena_strdup(&evidence->arena, paths[0])
                   : ebb_arena_printf(&evidence->arena, "%s and %zu more", paths[0], count - 1);
    if (!evidence->target)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", paths[0]);
    evidence->age_s = (double)files->saved[0].profile->duration_ns / 1e9;
    if (!timed)
        evidence->caution =
            "the files do not say when they were taken: one minute between each and "
            "the next is assumed, in the order they were named";
    int64_t first_ns = files->saved[0].profile->time_ns;
    for (size_t i = 0; i < count; i++) {
        struct saved *saved = &files->saved[i];
        struct ebb_sighting sighting =
            ebb__sighting_at(timed ? (double)(saved->profile->time_ns - first_ns) / 1e9
                                   : (double)i * ASSUMED_SPACING_S);
        int code = ebb__ledger_add(files->ledger, saved->profile, &sighting, saved->path, error);
        if (code < 0)
            return code;
        evidence->window_s = sighting.time_s;
        if (i + 1 < count) {
            ebb_profile_free(saved->profile);
            saved->profile = NULL;
        }
    }
    return 0;
}

int ebb__files_open(char *const *paths, size_t count, struct ebb_files **result,
                    struct ebb_error *error)
{
    *result = NULL;
    struct ebb_files *files = calloc(1, sizeof *files);
    if (files)
        files->ledger = ebb__ledger_new();
    if (!files || !files->ledger) {
        free(files);
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", paths[0]);
    }
    int code = read_all(files, paths, count, error);
    if (code == 0)
        code = make_evidence(files, paths, count, error);
    if (code < 0) {
        ebb__files_close(files);
        return code;
    }
    *result = files;
    return 0;
}

void ebb__files_close(struct ebb_files *files)
{
    if (!files)
        return;
    for (size_t i = 0; i < files->saved_count; i++)
        ebb_profile_free(files->saved[i].profile);
    free(files->saved);
    ebb__ledger_free(files->ledger);
    free(files);
}

struct ebb_evidence *ebb__files_evidence(struct ebb_files *files)
{
    return ebb__ledger_evidence(files->ledger);
}

int ebb__files_profile(struct ebb_files *files, const char *name, struct ebb_profile **profile,
                       struct ebb_error *error)
{
    const struct saved *newest = &files->saved[files->saved_count - 1];
    const struct ebb_profile *one[] = {newest->profile};
    bool threads = ebb_profile_find_type(newest->profile, "threadcreate") >= 0;
    *profile = NULL;
    if (strcmp(name, threads ? "threadcreate" : "heap") != 0 && strcmp(name, "allocs") != 0)
        return ebb_error_set(error, -ENOENT, "%s: holds no %s profile", newest->path, name);
    int code = ebb_profile_merge(one, NULL, 1, profile, error);
    if (code < 0 || strcmp(name, "allocs") != 0)
        return code;
    int column = ebb_profile_find_type(*profile, "alloc_space");
    (*profile)->default_type = column >= 0 ? (*profile)->types[column].type : 0;
    return 0;
}
