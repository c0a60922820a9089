/* See history.h.
 *
 * Each run of the life that is judged has a ledger of its own, to which its snapshots are added in
 * order of time. A life is what passed between two restarts: growth begins anew with each, so lives
 * are not joined. The newest one is judged; one that has just begun has nothing to compare yet, so
 * then it is the one before. A row that cannot be read is left out, and the report says so. */
#include "tool/collect/history.h"

#include "base/clock.h"
#include "tool/collect/ledger.h"
#include "tool/collect/store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct subject {
    int64_t run;
    int64_t first_ns;
    struct ebb_ledger *ledger;
    struct ebb_profile *heap, *threads; /* the newest */
    uint64_t damaged;                   /* rows that were left out */
    bool out_of_memory;
    const char *name; /* of the target, for messages */
};

/* A life as far as the store was read. */
struct life {
    int64_t number, first_ns, last_ns;
    uint64_t snapshots; /* of its longest run */
};

struct ebb_history {
    char *name;
    struct lives EBB_VEC(struct life) lives; /* the newest first */
    struct subjects EBB_VEC(struct subject) subjects;
    int64_t wanted; /* the life whose runs become subjects */
};

/* ---- lives ---- */

static int note_life(void *context, const struct ebb_store_run *run)
{
    struct lives *lives = context;
    struct life *life = lives->len > 0 ? &lives->items[lives->len - 1] : NULL;
    if (!life || life->number != run->life) {
        struct life added = {run->life, run->first_ns, run->last_ns, run->snapshots};
        return ebb_vec_push(lives, added);
    }
    if (run->first_ns < life->first_ns)
        life->first_ns = run->first_ns;
    if (run->last_ns > life->last_ns)
        life->last_ns = run->last_ns;
    if (run->snapshots > life->snapshots)
        life->snapshots = run->snapshots;
    return 0;
}

static const struct life *life_to_judge(const struct lives *lives)
{
    for (size_t i = 0; i < lives->len; i++)
        if (lives->items[i].snapshots >= 2)
            return &lives->items[i];
    return NULL;
}

/* What a reader must know when the target has had more lives than the one that is judged. */
static const char *say_lives(const struct ebb_history *history, const struct life *judged,
                             struct ebb_arena *arena)
{
    const struct lives *lives = &history->lives;
    const struct life *newest = &lives->items[0], *oldest = &lives->items[lives->len - 1];
    double all_s = (double)(newest->last_ns - oldest->first_ns) / 1e9;
    double judged_s = (double)(judged->last_ns - judged->first_ns) / 1e9;
    if (judged != newest)
        return ebb_arena_printf(arena,
                                "It has just been restarted: judged is the run before, of %.1f h; "
                                "the history holds %zu runs over %.1f h.",
                                judged_s / 3600, lives->len, all_s / 3600);
    if (lives->len > 1 && judged_s < all_s / 2)
        return ebb_arena_printf(
            arena,
            "It was restarted: the history holds %zu runs over %.1f h, and only "
            "the newest, of %.1f h, is judged.",
            lives->len, all_s / 3600, judged_s / 3600);
    return NULL;
}

/* ---- subjects ---- */

static const char *copy(struct ebb_evidence *evidence, const char *text)
{
    const char *copied = *text ? ebb_arena_strdup(&evidence->arena, text) : "";
    return copied ? copied : "";
}

static int add_subject(void *context, const struct ebb_store_run *run)
{
    struct ebb_history *history = context;
    if (run->life != history->wanted)
        return 0;
    struct subject subject = {
        .run = run->number,
        .first_ns = run->first_ns,
        .ledger = ebb__ledger_new(),
        .name = history->name,
    };
    if (!subject.ledger || ebb_vec_push(&history->subjects, subject) < 0) {
        ebb__ledger_free(subject.ledger);
        return -ENOMEM;
    }
    struct ebb_evidence *evidence = ebb__ledger_evidence(subject.ledger);
    evidence->target = copy(evidence, history->name);
    evidence->pid = run->pid;
    evidence->executable = copy(evidence, run->executable);
    evidence->go_version = copy(evidence, run->go_version);
    evidence->gc_forced = run->gc_forced;
    evidence->caution = *run->caution ? copy(evidence, run->caution) : NULL;
    if (run->started_ns > 0 && run->started_ns < run->first_ns)
        evidence->age_s = (double)(run->first_ns - run->started_ns) / 1e9;
    evidence->ended = run->ended;
    evidence->end_reason = copy(evidence, run->end_reason);
    return 0;
}

/* The stored profile, or NULL when the blob is none. Of Go's runtime nothing is dropped: its frames
 * tell one container from another. */
static struct ebb_profile *decode(struct subject *subject, const void *blob, size_t size)
{
    struct ebb_profile *profile = NULL;
    int code = blob ? ebb_profile_read_memory(blob, size, subject->name, &profile, NULL) : 0;
    if (code == 0 && profile && !ebb__go_stats_of(profile).known)
        code = ebb_profile_prune(profile, NULL) == -ENOMEM ? -ENOMEM : 0;
    subject->out_of_memory |= code == -ENOMEM;
    if (code < 0) {
        ebb_profile_free(profile);
        return NULL;
    }
    return profile;
}

/* A source of limits as the rest of Ebb knows it: a text that is never freed. */
static const char *limit_source(struct ebb_evidence *evidence, const char *source)
{
    static const char *const known[] = {"cgroup", "ulimit", "MemAvailable", "GOMEMLIMIT"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], source) == 0)
            return known[i];
    return copy(evidence, source);
}

static int add_row(void *context, const struct ebb_store_row *row)
{
    struct subject *subject = context;
    struct ebb_evidence *evidence = ebb__ledger_evidence(subject->ledger);
    struct ebb_profile *heap = decode(subject, row->heap, row->heap_size);
    struct ebb_profile *threads = decode(subject, row->threads, row->threads_size);
    if (threads && ebb_profile_find_type(threads, "goroutine") < 0 &&
        ebb_profile_find_type(threads, "threadcreate") < 0) {
        ebb_profile_free(threads);
        threads = NULL;
    }
    struct ebb_sighting sighting =
        ebb__sighting_at((double)(row->time_ns - subject->first_ns) / 1e9);
    sighting.memory = row->memory;
    sighting.limit = row->limit;
    sighting.limit.source = limit_source(evidence, row->limit.source);
    sighting.totals = row->totals;
    sighting.goroutines = threads;
    int code =
        heap ? ebb__ledger_add(subject->ledger, heap, &sighting, subject->name, NULL) : -EBADMSG;
    subject->out_of_memory |= code == -ENOMEM;
    if (code < 0) {
        subject->damaged++;
        ebb_profile_free(heap);
        ebb_profile_free(threads);
        return subject->out_of_memory ? -ENOMEM : 0;
    }
    evidence->dropped = row->dropped;
    evidence->window_s = sighting.time_s;
    if (evidence->observations.len == 1 && evidence->age_s <= 0 && heap->duration_ns > 0)
        evidence->age_s = (double)heap->duration_ns / 1e9;
    ebb_profile_free(subject->heap);
    subject->heap = heap;
    if (threads) {
        ebb_profile_free(subject->threads);
        subject->threads = threads;
    }
    return 0;
}

/* Times count from the first snapshot that could be read, and the words of caution are completed. */
static void finish(struct ebb_history *history, const struct life *life, struct subject *subject)
{
    struct ebb_evidence *evidence = ebb__ledger_evidence(subject->ledger);
    if (evidence->observations.len > 0) {
        double first_s = evidence->observations.items[0].time_s;
        for (size_t i = 0; i < evidence->observations.len; i++)
            evidence->observations.items[i].time_s -= first_s;
        evidence->window_s -= first_s;
        evidence->age_s += first_s;
    }
    const char *lives = say_lives(history, life, &evidence->arena);
    if (lives)
        evidence->caution = lives;
    if (subject->damaged > 0)
        evidence->caution =
            ebb_arena_printf(&evidence->arena,
                             "%" PRIu64 " of the stored snapshots could not be read and are left "
                             "out.",
                             subject->damaged);
}

static int out_of_memory(const char *path, struct ebb_error *error)
{
    return ebb_error_set(error, -ENOMEM, "%s: out of memory for what it holds", path);
}

static int64_t newest_of(const struct lives *lives)
{
    int64_t newest = 0;
    for (size_t i = 0; i < lives->len; i++)
        if (lives->items[i].last_ns > newest)
            newest = lives->items[i].last_ns;
    return newest;
}

/* Finds the lives since the asked-for time: first all, to know the newest moment. */
static int read_lives(struct ebb_history *history, struct ebb_store *store, double since_s,
                      int64_t *since_ns, struct ebb_error *error)
{
    int code = ebb_store_runs(store, history->name, 0, note_life, &history->lives, error);
    *since_ns = 0;
    if (code < 0 || since_s <= 0)
        return code;
    int64_t newest = newest_of(&history->lives);
    *since_ns = since_s * 1e9 < (double)newest ? newest - (int64_t)(since_s * 1e9) : 0;
    history->lives.len = 0;
    return ebb_store_runs(store, history->name, *since_ns, note_life, &history->lives, error);
}

static int read_history(struct ebb_history *history, struct ebb_store *store, const char *path,
                        double since_s, struct ebb_error *error)
{
    int64_t since_ns;
    int code = read_lives(history, store, since_s, &since_ns, error);
    if (code < 0)
        return code == -ENOMEM ? out_of_memory(path, error) : code;
    const struct life *life = life_to_judge(&history->lives);
    if (!life)
        return ebb_error_set(error, -ENODATA,
                             "%s: fewer than two snapshots of %s%s: nothing to compare yet", path,
                             history->name, since_s > 0 ? " in that time" : "");
    history->wanted = life->number;
    code = ebb_store_runs(store, history->name, since_ns, add_subject, history, error);
    for (size_t i = 0; code == 0 && i < history->subjects.len; i++) {
        struct subject *subject = &history->subjects.items[i];
        code = ebb_store_snapshots(store, subject->run, since_ns, EBB_EVIDENCE_MAX_OBSERVATIONS,
                                   add_row, subject, error);
        finish(history, life, subject);
    }
    if (code == -ENOMEM)
        return out_of_memory(path, error);
    for (size_t i = 0; code == 0 && i < history->subjects.len; i++)
        if (ebb__history_evidence(history, i)->observations.len >= 2)
            return 0;
    return code < 0 ? code
                    : ebb_error_set(error, -EBADMSG,
                                    "%s: the snapshots of %s are damaged: none can be compared",
                                    path, history->name);
}

int ebb__history_open(const char *path, const char *word, double since_s,
                      struct ebb_history **result, struct ebb_error *error)
{
    struct ebb_store *store;
    *result = NULL;
    struct ebb_history *history = calloc(1, sizeof *history);
    if (!history)
        return out_of_memory(path, error);
    int code = ebb_store_open(path, EBB_STORE_READ, &store, error);
    if (code == 0)
        code = ebb_store_find(store, word, &history->name, error);
    if (code == 0)
        code = read_history(history, store, path, since_s, error);
    ebb_store_close(store);
    if (code < 0) {
        ebb__history_close(history);
        return code;
    }
    *result = history;
    return 0;
}

void ebb__history_close(struct ebb_history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->subjects.len; i++) {
        struct subject *subject = &history->subjects.items[i];
        ebb__ledger_free(subject->ledger);
        ebb_profile_free(subject->heap);
        ebb_profile_free(subject->threads);
    }
    ebb_vec_free(&history->subjects);
    ebb_vec_free(&history->lives);
    free(history->name);
    free(history);
}

size_t ebb__history_count(const struct ebb_history *history)
{
    return history->subjects.len;
}

struct ebb_evidence *ebb__history_evidence(struct ebb_history *history, size_t index)
{
    return ebb__ledger_evidence(history->subjects.items[index].ledger);
}

int ebb__history_profile(struct ebb_history *history, size_t index, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error)
{
    const struct subject *subject = &history->subjects.items[index];
    bool allocs = strcmp(name, "allocs") == 0;
    const struct ebb_profile *source = NULL;
    *profile = NULL;
    if (allocs || strcmp(name, "heap") == 0)
        source = subject->heap;
    else if (subject->threads && ebb_profile_find_type(subject->threads, name) >= 0)
        source = subject->threads;
    if (!source)
        return ebb_error_set(error, -ENOENT, "%s: no %s profile is stored", history->name, name);
    int code = ebb_profile_merge(&source, NULL, 1, profile, error);
    int column = code == 0 && allocs ? ebb_profile_find_type(*profile, "alloc_space") : -1;
    if (column >= 0)
        (*profile)->default_type = (*profile)->types[column].type;
    return code;
}
