/* The history in SQLite: what goes in comes out, and nothing that happens to the file, or was
 * written into it by others, does more than cost a line. */
#include "scratch.h"

#include "tool/collect/store.h"
#include "tool/collect/target.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define HOUR   (3600 * SECOND)
#define DAY    (24 * HOUR)
/* All times of these tests count from here. */
#define BEGINNING (INT64_C(1700000000) * SECOND / HOUR * HOUR)

/* A heap profile: one stack "leaf < main" with so many live blocks of 100 bytes. */
static struct ebb_profile *heap_of(int64_t live, int64_t allocated)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    static const char *const types[][2] = {{"alloc_objects", "count"},
                                           {"alloc_space", "bytes"},
                                           {"inuse_objects", "count"},
                                           {"inuse_space", "bytes"}};
    for (size_t i = 0; i < 4; i++)
        ebb_profile_builder_type(builder, types[i][0], types[i][1]);
    static const char *const names[] = {"leaf", "main"};
    uint32_t stack[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct ebb_line line = {
            ebb_profile_builder_function(builder, names[i], names[i], "shop.c", 1), 10 * i + 5};
        stack[i] = ebb_profile_builder_location(builder, EBB_NONE, 0x2000 + i, &line, 1);
    }
    const int64_t values[] = {allocated, 100 * allocated, live, 100 * live};
    ebb_profile_builder_sample(builder, stack, 2, values, NULL, 0);
    uint32_t space = ebb_profile_builder_string(builder, "space");
    uint32_t bytes = ebb_profile_builder_string(builder, "bytes");
    struct ebb_profile *header = ebb_profile_builder_header(builder), *profile;
    header->period_type = (struct ebb_value_type){space, bytes};
    header->period = 1;
    assert_int_equal(ebb_profile_builder_finish(builder, &profile, NULL), 0);
    return profile;
}

static struct ebb_store *open_to(const char *path, enum ebb_store_mode mode)
{
    struct ebb_store *store;
    struct ebb_error error;
    if (ebb_store_open(path, mode, &store, &error) < 0)
        fail_msg("%s", error.text);
    return store;
}

static struct ebb_store_process process_of(const char *target, pid_t pid, int64_t started_ns)
{
    return (struct ebb_store_process){.target = target,
                                      .kind = "c",
                                      .pid = pid,
                                      .started_ns = started_ns,
                                      .executable = "/bin/shop",
                                      .go_version = "",
                                      .caution = ""};
}

/* Stores one snapshot with so many live blocks; the code. */
static int try_add(struct ebb_store *store, const struct ebb_store_process *process,
                   int64_t time_ns, int64_t live, int64_t *run, int64_t *life,
                   struct ebb_error *error)
{
    struct ebb_profile *heap = heap_of(live, 2 * live);
    struct ebb_store_snapshot snapshot = {
        .time_ns = time_ns,
        .heap = heap,
        .limit = {UINT64_MAX, UINT64_MAX, "cgroup", "memory.max of /shop"},
        .totals = {2 * (uint64_t)live, (uint64_t)live, 200 * (uint64_t)live, 7, 12.5},
    };
    memset(&snapshot.memory, 0xff, sizeof snapshot.memory);
    snapshot.memory.rss = 4096 * (uint64_t)live;
    int code = ebb_store_add(store, process, &snapshot, run, life, error);
    ebb_profile_free(heap);
    return code;
}

static int64_t add(struct ebb_store *store, const struct ebb_store_process *process,
                   int64_t time_ns, int64_t live)
{
    int64_t run;
    struct ebb_error error;
    if (try_add(store, process, time_ns, live, &run, NULL, &error) < 0)
        fail_msg("%s", error.text);
    return run;
}

static struct ebb_target *open_history(const char *path, const char *name, double since_s)
{
    const struct ebb_target_options options = {.store = path, .since_s = since_s};
    struct ebb_target *target;
    struct ebb_error error;
    char *words[] = {(char *)(uintptr_t)name};
    if (ebb_target_open(words, name != NULL, false, &options, &target, &error) < 0)
        fail_msg("%s", error.text);
    return target;
}

/* The line that refuses a history. */
static const char *refusal(const char *path, const char *name, double since_s)
{
    static struct ebb_error error;
    const struct ebb_target_options options = {.store = path, .since_s = since_s};
    struct ebb_target *target;
    char *words[] = {(char *)(uintptr_t)name};
    assert_true(ebb_target_open(words, name != NULL, false, &options, &target, &error) < 0);
    assert_null(target);
    assert_null(strchr(error.text, '\n'));
    return error.text;
}

/* The status of a command that may fail. */
static int shell(const char *command)
{
    return system(command); /* NOLINT(cert-env33-c): a test runs what it wrote itself */
}

static void assert_says(const char *line, const char *words)
{
    if (!strstr(line, words))
        fail_msg("no '%s' in '%s'", words, line);
}

static void sql(const char *path, const char *statements)
{
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, statements, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", statements, error);
    sqlite3_close(db);
}

static int64_t ask(const char *path, const char *question)
{
    sqlite3 *db;
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, question, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    int64_t answer = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    return answer;
}

/* That a file is whole, as SQLite sees it. */
static void assert_whole(const char *path)
{
    sqlite3 *db;
    sqlite3_stmt *row;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(row, 0), "ok");
    sqlite3_finalize(row);
    sqlite3_close(db);
}

/* ---- what goes in comes out ---- */

static void test_round_trip(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING - 100 * SECOND);
    for (int i = 0; i < 5; i++)
        add(store, &shop, BEGINNING + i * 60 * SECOND, 10 + 20 * i);
    assert_int_equal(ebb_store_end(store, 1, "killed by SIGKILL", NULL), 0);
    ebb_store_close(store);

    struct ebb_target *target = open_history(path, NULL, 0);
    assert_int_equal(ebb_target_subject_count(target), 1);
    assert_int_equal(ebb_target_observe(target, NULL), 1);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_string_equal(evidence->target, "shop");
    assert_string_equal(evidence->kind, "c");
    assert_string_equal(evidence->executable, "/bin/shop");
    assert_string_equal(evidence->end_reason, "killed by SIGKILL");
    assert_true(evidence->ended && evidence->complete);
    assert_null(evidence->caution);
    assert_int_equal(evidence->pid, 42);
    assert_float_equal(evidence->age_s, 100, 1e-9);
    assert_float_equal(evidence->window_s, 240, 1e-9);
    assert_int_equal(evidence->observations.len, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct ebb_observation *seen = &evidence->observations.items[i];
        uint64_t live = 10 + 20 * i;
        assert_float_equal(seen->time_s, 60.0 * (double)i, 1e-9);
        assert_float_equal(seen->live_bytes, 100.0 * (double)live, 1e-9);
        assert_float_equal(seen->live_bytes_sd, 12.5, 1e-9);
        assert_int_equal(seen->allocs, 2 * live);
        assert_int_equal(seen->frees, live);
        assert_int_equal(seen->alloc_bytes, 200 * live);
        assert_int_equal(seen->threads, 7);
        assert_true(seen->memory.rss == 4096 * live && seen->memory.swap == UINT64_MAX);
        assert_string_equal(seen->limit.source, "cgroup");
        assert_string_equal(seen->limit.detail, "memory.max of /shop");
    }
    struct ebb_profile *profile;
    assert_int_equal(ebb_target_profile(target, 0, "heap", &profile, NULL), 0);
    assert_int_equal(profile->values[2], 90); /* the newest */
    ebb_profile_free(profile);
    assert_int_equal(ebb_target_profile(target, 0, "goroutine", &profile, NULL), -ENOENT);
    ebb_target_close(target, false, 0);
}

static void test_since(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    for (int i = 0; i < 100; i++)
        add(store, &shop, BEGINNING + (i + 1) * 60 * SECOND, 10 + i);
    ebb_store_close(store);
    struct ebb_target *target = open_history(path, "shop", 600);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_int_equal(evidence->observations.len, 11);
    assert_float_equal(evidence->window_s, 600, 1e-9);
    assert_float_equal(evidence->age_s, 90 * 60, 1e-9);
    ebb_target_close(target, false, 0);
    assert_says(refusal(path, "shop", 1), "fewer than two snapshots");
}

/* Many snapshots: a bounded number of them is read, over the whole time, the newest among them. */
static void test_long_history(void **state)
{
    enum { SNAPSHOTS = 1500 };
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    for (int i = 0; i < SNAPSHOTS; i++)
        add(store, &shop, BEGINNING + (i + 1) * 60 * SECOND, 10 + i);
    ebb_store_close(store);
    struct ebb_target *target = open_history(path, NULL, 0);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    size_t seen = evidence->observations.len;
    assert_in_range(seen, EBB_EVIDENCE_MAX_OBSERVATIONS / 4, EBB_EVIDENCE_MAX_OBSERVATIONS);
    assert_float_equal(evidence->observations.items[seen - 1].live_bytes, 100.0 * (9 + SNAPSHOTS),
                       1e-9);
    assert_true(evidence->window_s > 60.0 * (SNAPSHOTS - 10));
    ebb_target_close(target, false, 0);
}

/* ---- runs and lives ---- */

static void test_runs(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    int64_t first = add(store, &shop, BEGINNING + SECOND, 100);
    /* The same process, whose start is known to a second or so. */
    shop.started_ns += SECOND;
    assert_int_equal(add(store, &shop, BEGINNING + 2 * SECOND, 110), first);
    /* Another process of the same number. */
    struct ebb_store_process again = process_of("shop", 42, BEGINNING + HOUR);
    int64_t second = add(store, &again, BEGINNING + HOUR + SECOND, 50);
    assert_int_not_equal(second, first);
    /* A service without pid and start: its counters tell a restart. */
    struct ebb_store_process service = process_of("http://shop", 0, 0);
    int64_t third = add(store, &service, BEGINNING + SECOND, 100);
    assert_int_equal(add(store, &service, BEGINNING + 2 * SECOND, 100), third);
    int64_t fourth = add(store, &service, BEGINNING + 3 * SECOND, 5);
    assert_int_not_equal(fourth, third);
    assert_int_equal(add(store, &service, BEGINNING + 4 * SECOND, 6), fourth);
    /* One that counts more than a run that is over does not go on with that. */
    assert_int_equal(add(store, &service, BEGINNING + 5 * SECOND, 900), fourth);
    int64_t fifth = add(store, &service, BEGINNING + 6 * SECOND, 500);
    assert_true(fifth != third && fifth != fourth);
    /* A child belongs to its parent's life. */
    struct ebb_store_process child = process_of("shop", 43, BEGINNING + HOUR);
    child.life = second;
    int64_t life;
    assert_int_equal(try_add(store, &child, BEGINNING + HOUR + SECOND, 9, NULL, &life, NULL), 0);
    assert_int_equal(life, second);
    ebb_store_close(store);
    assert_int_equal(ask(path, "SELECT count(*) FROM run"), 6);
    assert_int_equal(ask(path, "SELECT count(*) FROM target"), 2);
}

/* Two recorders of one service: what the one took earlier may be stored later. */
static void test_several_recorders(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process service = process_of("http://shop", 0, 0);
    int64_t run = add(store, &service, BEGINNING, 100);
    assert_int_equal(add(store, &service, BEGINNING + 20 * SECOND, 120), run);
    assert_int_equal(add(store, &service, BEGINNING + 10 * SECOND, 110), run);
    /* At about the same moment, which came first is not known. */
    assert_int_equal(add(store, &service, BEGINNING + 20 * SECOND + SECOND / 2, 119), run);
    assert_int_equal(add(store, &service, BEGINNING + 30 * SECOND, 130), run);
    /* One that counts less than before has restarted all the same. */
    assert_int_not_equal(add(store, &service, BEGINNING + 40 * SECOND, 125), run);
    ebb_store_close(store);
    assert_int_equal(ask(path, "SELECT count(*) FROM run"), 2);
}

static void test_restarts(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    for (int life = 0; life < 3; life++) {
        struct ebb_store_process shop = process_of("shop", 42 + life, BEGINNING + life * 5 * HOUR);
        struct ebb_store_process child =
            process_of("shop", 142 + life, BEGINNING + life * 5 * HOUR);
        for (int i = 0; i < (life == 2 ? 4 : 100); i++) {
            int64_t now = BEGINNING + life * 5 * HOUR + (i + 1) * 60 * SECOND;
            child.life = add(store, &shop, now, 1000 * life + i);
            add(store, &child, now, 500 + i);
        }
    }
    struct ebb_target *target = open_history(path, NULL, 0);
    assert_int_equal(ebb_target_subject_count(target), 2);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    assert_int_equal(evidence->pid, 44);
    assert_int_equal(evidence->observations.len, 4);
    assert_says(evidence->caution, "3 runs");
    assert_int_equal(ebb_target_subject(target, 1)->pid, 144);
    ebb_target_close(target, false, 0);

    /* One that has just begun: the life before is judged. */
    struct ebb_store_process newest = process_of("shop", 99, BEGINNING + 30 * HOUR);
    add(store, &newest, BEGINNING + 30 * HOUR + SECOND, 1);
    ebb_store_close(store);
    target = open_history(path, NULL, 0);
    assert_int_equal(ebb_target_subject(target, 0)->pid, 44);
    assert_says(ebb_target_subject(target, 0)->caution, "just been restarted");
    ebb_target_close(target, false, 0);
}

static void test_find(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    static const char *const names[] = {"shop", "shop #2", "http://127.0.0.1:6060"};
    for (int i = 0; i < 3; i++) {
        struct ebb_store_process process = process_of(names[i], 50 + i, BEGINNING);
        add(store, &process, BEGINNING + SECOND, 1);
    }
    static const char *const found[][2] = {{"shop", "shop"},
                                           {"#2", "shop #2"},
                                           {"6060", "http://127.0.0.1:6060"},
                                           {"51", "shop #2"},
                                           {"http://127.0.0.1:6060", "http://127.0.0.1:6060"}};
    char *name;
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        assert_int_equal(ebb_store_find(store, found[i][0], &name, NULL), 0);
        assert_string_equal(name, found[i][1]);
        free(name);
    }
    struct ebb_error error;
    assert_int_equal(ebb_store_find(store, "sho", &name, &error), -ENOENT);
    assert_null(name);
    assert_says(error.text, "several");
    assert_int_equal(ebb_store_find(store, NULL, &name, &error), -ENOENT);
    assert_says(error.text, "shop #2");
    assert_int_equal(ebb_store_find(store, "café", &name, &error), -ENOENT);
    assert_says(error.text, "no target 'café'");
    ebb_store_close(store);
}

/* ---- pruning ---- */

static void test_prune(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING),
                             gone = process_of("gone", 43, BEGINNING);
    add(store, &gone, BEGINNING + SECOND, 1);
    /* Ten minutes apart for 40 days. */
    for (int i = 0; i <= 40 * 144; i++)
        add(store, &shop, BEGINNING + 1 + i * 600 * SECOND, 10 + i);
    int64_t now = BEGINNING + 40 * DAY + 2;
    uint64_t removed, before = ebb_store_bytes(store);
    const struct ebb_store_keeping keeping = {30 * 86400.0, 86400};
    assert_int_equal(ebb_store_prune(store, &keeping, now, &removed, NULL), 0);
    int64_t left = ask(path, "SELECT count(*) FROM snapshot");
    assert_in_range(left, 29 * 24 + 144, 29 * 24 + 144 + 3);
    assert_int_equal(removed + (uint64_t)left, 40 * 144 + 2);
    assert_int_equal(ask(path, "SELECT count(*) FROM target"), 1);
    assert_int_equal(ask(path, "SELECT count(*) FROM run"), 1);
    assert_true(ebb_store_bytes(store) < before / 2);
    /* Nothing is left to remove. */
    assert_int_equal(ebb_store_prune(store, &keeping, now, &removed, NULL), 0);
    assert_int_equal(removed, 0);
    ebb_store_close(store);
    assert_whole(path);
    struct ebb_target *target = open_history(path, NULL, 0);
    assert_true(ebb_target_subject(target, 0)->window_s > 29.9 * 86400);
    ebb_target_close(target, false, 0);
}

/* The last words of each run stay, though they are old. */
static void test_prune_keeps_ends(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    for (int life = 0; life < 3; life++) {
        struct ebb_store_process shop = process_of("shop", 42 + life, BEGINNING + life * DAY);
        for (int i = 0; i < 50; i++)
            add(store, &shop, BEGINNING + life * DAY + (i + 1) * SECOND, 10 + i);
    }
    const struct ebb_store_keeping keeping = {30 * 86400.0, 86400};
    uint64_t removed;
    assert_int_equal(ebb_store_prune(store, &keeping, BEGINNING + 10 * DAY, &removed, NULL), 0);
    ebb_store_close(store);
    assert_int_equal(removed, 3 * 48);
    assert_int_equal(ask(path, "SELECT count(*) FROM snapshot WHERE allocs = 2 * 59"), 3);
}

/* ---- files that are none of ours, or harmed ---- */

static void test_foreign_files(void **state)
{
    const char *folder = *state, *path = scratch_text("%s/file", folder);
    struct ebb_store *store;
    struct ebb_error error;
    assert_says(refusal(path, NULL, 0), "No such file");
    scratch_write(path,
                  "these are words, and quite a lot of them, but not a single row of a table");
    assert_says(refusal(path, NULL, 0), "not a store");
    assert_int_equal(ebb_store_open(path, EBB_STORE_RECORD, &store, &error), -EBADMSG);
    assert_null(store);
    assert_true(shell(scratch_text("grep -q words %s", path)) == 0); /* it is as it was */
    assert_says(refusal(folder, NULL, 0), "not a store");
    assert_says(refusal("/dev/null", NULL, 0), "not a store");
    assert_says(refusal("", NULL, 0), "file name");
    path = scratch_text("%s/empty", folder);
    scratch_write(path, "");
    assert_says(refusal(path, NULL, 0), "nothing was recorded");
    path = scratch_text("%s/other", folder);
    sql(path, "CREATE TABLE snapshot (a); INSERT INTO snapshot VALUES (1)");
    assert_says(refusal(path, NULL, 0), "another program's");
    assert_int_equal(ebb_store_open(path, EBB_STORE_RECORD, &store, &error), -EBADMSG);
    assert_int_equal(ask(path, "SELECT count(*) FROM sqlite_schema"), 1);
    path = scratch_text("%s/newer", folder);
    ebb_store_close(open_to(path, EBB_STORE_RECORD));
    assert_says(refusal(path, NULL, 0), "nothing was recorded");
    sql(path, "PRAGMA user_version = 2");
    assert_says(refusal(path, NULL, 0), "newer ebb");
    assert_int_equal(ebb_store_open(path, EBB_STORE_RECORD, &store, &error), -EPROTONOSUPPORT);
    path = scratch_text("%s/none/store", folder);
    assert_true(ebb_store_open(path, EBB_STORE_RECORD, &store, &error) < 0);
    assert_says(error.text, "none/store");
}

/* Bytes of a store are overwritten at random: reading it gives evidence or a line. */
static void test_damaged_files(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    for (int i = 0; i < 60; i++)
        add(store, &shop, BEGINNING + (i + 1) * SECOND, 10 + i);
    ebb_store_close(store);
    FILE *file = fopen(path, "rb");
    static unsigned char whole[1 << 20], bytes[1 << 20];
    size_t size = fread(whole, 1, sizeof whole, file);
    fclose(file);
    assert_in_range(size, 4096, sizeof whole - 1);
    size_t refused = 0, read = 0;
    for (int round = 0; round < 300; round++) {
        memcpy(bytes, whole, size);
        size_t kept = rand_r(&seed) % 4 ? size : (size_t)rand_r(&seed) % size;
        for (int i = 1 + rand_r(&seed) % 40; i > 0; i--)
            bytes[(size_t)rand_r(&seed) % size] = (unsigned char)rand_r(&seed);
        file = fopen(path, "wb");
        assert_int_equal(fwrite(bytes, 1, kept, file), kept);
        fclose(file);
        const struct ebb_target_options options = {.store = path};
        struct ebb_target *target;
        struct ebb_error error = {""};
        char *words[] = {NULL};
        int code = ebb_target_open(words, 0, false, &options, &target, &error);
        if (code < 0) {
            assert_true(*error.text && !strchr(error.text, '\n'));
            refused++;
        } else {
            read++;
            ebb_target_close(target, false, 0);
        }
        /* Writing into it, too, is done or refused. */
        if (ebb_store_open(path, EBB_STORE_RECORD, &store, &error) == 0) {
            (void)try_add(store, &shop, BEGINNING + DAY, 1000, NULL, NULL, &error);
            const struct ebb_store_keeping keeping = {0, 0};
            (void)ebb_store_prune(store, &keeping, BEGINNING + DAY, NULL, &error);
            ebb_store_close(store);
        }
        scratch_run("rm -f %s-wal %s-shm", path, path);
    }
    print_message("%zu read, %zu refused\n", read, refused);
    assert_true(refused > 0);
}

/* Rows that no recorder wrote. */
static void test_hostile_rows(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    for (int i = 0; i < 10; i++)
        add(store, &shop, BEGINNING + (i + 1) * SECOND, 10 + i);
    ebb_store_close(store);
    sql(path, "INSERT INTO snapshot (run, time) VALUES (1, -5), (1, 0), (1, 'noon'),"
              " (1, 9223372036854775807), (1, -9223372036854775808);"
              "UPDATE snapshot SET heap = NULL WHERE id = 2;"
              "UPDATE snapshot SET heap = 'text' WHERE id = 3;"
              "UPDATE snapshot SET heap = x'1f8b0800000000000003' WHERE id = 4;"
              "UPDATE snapshot SET heap = zeroblob(1000000) WHERE id = 5;"
              "UPDATE snapshot SET rss = -1, allocs = 9223372036854775807, frees = -9,"
              " live_bytes_sd = 9e999, limit_source = NULL, limit_detail = NULL,"
              " limit_bytes = 'many', threads = heap, dropped = -1 WHERE id = 6;"
              "UPDATE run SET pid = 99999999999, started = -7, executable = NULL,"
              " go_version = x'00ff', caution = NULL, life = NULL;");
    struct ebb_target *target = open_history(path, NULL, 0);
    const struct ebb_evidence *evidence = ebb_target_subject(target, 0);
    /* All but the four whose profile was taken, and those at impossible times. */
    assert_int_equal(evidence->observations.len, 6);
    assert_float_equal(evidence->observations.items[5].live_bytes, 1900, 1e-9);
    assert_says(evidence->caution, "could not be read");
    assert_int_equal(evidence->pid, 0);
    assert_string_equal(evidence->executable, "");
    for (size_t i = 0; i < evidence->observations.len; i++) {
        assert_true(evidence->observations.items[i].time_s >= 0);
        assert_true(isfinite(evidence->observations.items[i].live_bytes_sd));
    }
    ebb_target_close(target, false, 0);
    store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process other = process_of("shop", 7, BEGINNING);
    add(store, &other, BEGINNING + DAY, 5);
    const struct ebb_store_keeping keeping = {3600, 60};
    assert_int_equal(ebb_store_prune(store, &keeping, BEGINNING + 2 * DAY, NULL, NULL), 0);
    ebb_store_close(store);
    assert_whole(path);
    /* Tables of another shape under our name. */
    sql(path, "DROP TABLE snapshot; CREATE TABLE snapshot (a, b)");
    assert_says(refusal(path, NULL, 0), "not a usable store");
    sql(path, "DROP TABLE snapshot; CREATE VIEW snapshot AS SELECT 1 AS id, 1 AS run, 5 AS time");
    assert_says(refusal(path, NULL, 0), "views or triggers");
}

/* Programs inside a store could run for ever, or take back what is written. */
static void test_programs_inside(void **state)
{
    static const char *const programs[] = {
        "ALTER TABLE snapshot RENAME TO kept; CREATE VIEW snapshot AS WITH RECURSIVE r (i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i AS id, 1 AS run, i AS time FROM r",
        "CREATE TRIGGER gone AFTER INSERT ON snapshot BEGIN DELETE FROM snapshot; END",
    };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        const char *path = scratch_text("%s/store-%zu", (char *)*state, i);
        struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
        struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
        struct ebb_error error;
        add(store, &shop, BEGINNING + SECOND, 10);
        ebb_store_close(store);
        sql(path, programs[i]);
        assert_says(refusal(path, NULL, 0), "views or triggers");
        assert_int_equal(ebb_store_open(path, EBB_STORE_RECORD, &store, &error), -EBADMSG);
        assert_int_equal(ebb_store_open(path, EBB_STORE_CHANGE, &store, &error), -EBADMSG);
    }
}

/* What is written to a file that nobody can find any more is lost. */
static void test_removed_file(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    struct ebb_error error = {""};
    add(store, &shop, BEGINNING + SECOND, 10);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(try_add(store, &shop, BEGINNING + 2 * SECOND, 11, NULL, NULL, &error),
                     -ESTALE);
    assert_says(error.text, "moved or removed");
    ebb_store_close(store);
}

/* ---- a machine that is against us ---- */

/* Two writers, and one who does not let go. */
static void test_busy(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *one = open_to(path, EBB_STORE_RECORD), *two = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING),
                             other = process_of("other", 43, BEGINNING);
    for (int i = 0; i < 20; i++) {
        add(one, &shop, BEGINNING + (i + 1) * SECOND, 10 + i);
        add(two, &other, BEGINNING + (i + 1) * SECOND, 10 + i);
    }
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct ebb_error error;
    assert_int_equal(try_add(one, &shop, BEGINNING + HOUR, 50, NULL, NULL, &error), -EBUSY);
    assert_says(error.text, "another process");
    /* Reading goes on meanwhile. */
    struct ebb_target *target = open_history(path, "shop", 0);
    assert_int_equal(ebb_target_subject(target, 0)->observations.len, 20);
    ebb_target_close(target, false, 0);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    add(one, &shop, BEGINNING + HOUR, 50);
    ebb_store_close(one);
    ebb_store_close(two);
    assert_int_equal(ask(path, "SELECT count(*) FROM snapshot"), 41);
}

/* The file may grow no further: what was stored stays, and when there is room again it goes on. */
static void test_no_space(void **state)
{
    const char *path = scratch_text("%s/store", (char *)*state);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    struct ebb_error error = {""};
    add(store, &shop, BEGINNING + 1, 10);
    struct rlimit before, small = {256 << 10, 256 << 10};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int stored = 1, code = 0;
    while (code == 0 && stored < 10000) {
        code = try_add(store, &shop, BEGINNING + (stored + 1) * SECOND, 10 + stored, NULL, NULL,
                       &error);
        stored += code == 0;
    }
    assert_true(code < 0);
    assert_says(error.text, "stays as it is");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    add(store, &shop, BEGINNING + HOUR, 10 + stored);
    ebb_store_close(store);
    assert_whole(path);
    assert_int_equal(ask(path, "SELECT count(*) FROM snapshot"), stored + 1);
}

/* A file system that is full. */
static void test_full_disk(void **state)
{
    char *folder = scratch_text("%s/small", (char *)*state);
    mkdir(folder, 0777);
    if (shell(scratch_text("mount -t tmpfs -o size=256k ebb-test %s 2>/dev/null", folder)) != 0) {
        print_message("skipped: mounting a small file system is not allowed here\n");
        skip();
    }
    char path[512];
    snprintf(path, sizeof path, "%s/store", folder);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    struct ebb_error error = {""};
    int stored = 0, code = 0;
    while (code == 0 && stored < 10000) {
        code = try_add(store, &shop, BEGINNING + (stored + 1) * SECOND, 10 + stored, NULL, NULL,
                       &error);
        stored += code == 0;
    }
    struct ebb_store *another = NULL;
    int reading = ebb_store_open(path, EBB_STORE_READ, &another, NULL);
    ebb_store_close(another);
    scratch_run("mount -o remount,size=4m %s", folder);
    int after = try_add(store, &shop, BEGINNING + HOUR, 10 + stored, NULL, NULL, NULL);
    ebb_store_close(store);
    int64_t rows = ask(path, "SELECT count(*) FROM snapshot");
    assert_whole(path);
    scratch_run("umount %s", folder);
    assert_int_equal(code, -ENOSPC);
    assert_says(error.text, "no space left");
    assert_int_equal(reading, 0);
    assert_int_equal(after, 0);
    assert_int_equal(rows, stored + 1);
}

/* A read-only file system: reading works, writing is refused. */
static void test_read_only(void **state)
{
    char folder[512], path[600];
    snprintf(folder, sizeof folder, "%s/disk%%20?#", (char *)*state);
    mkdir(folder, 0777);
    if (shell(scratch_text("mount -t tmpfs -o size=4m ebb-test '%s' 2>/dev/null", folder)) != 0) {
        print_message("skipped: mounting a file system is not allowed here\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/store", folder);
    struct ebb_store *store = open_to(path, EBB_STORE_RECORD);
    struct ebb_store_process shop = process_of("shop", 42, BEGINNING);
    for (int i = 0; i < 5; i++)
        add(store, &shop, BEGINNING + (i + 1) * SECOND, 10 + i);
    ebb_store_close(store);
    int mounted = shell(scratch_text("mount -o remount,ro '%s'", folder));
    const struct ebb_target_options options = {.store = path};
    struct ebb_error error = {""}, reading = {""};
    struct ebb_target *target;
    char *words[] = {NULL};
    int read = ebb_target_open(words, 0, false, &options, &target, &reading);
    size_t seen = read == 0 ? ebb_target_subject(target, 0)->observations.len : 0;
    if (read == 0)
        ebb_target_close(target, false, 0);
    int written = ebb_store_open(path, EBB_STORE_RECORD, &store, &error);
    ebb_store_close(store);
    scratch_run("umount '%s'", folder);
    assert_int_equal(mounted, 0);
    if (read < 0)
        fail_msg("%s", reading.text);
    assert_int_equal(seen, 5);
    assert_int_equal(written, -EROFS);
    assert_says(error.text, "read-only");
}

/* A writer is killed at random moments: all that it has reported as stored is there. */
static void test_killed(void **state)
{
    enum { ROUNDS = 60 };
    const char *path = scratch_text("%s/store", (char *)*state);
    unsigned seed = (unsigned)time(NULL);
    print_message("seed %u\n", seed);
    int64_t reported = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int pipe_ends[2];
        assert_int_equal(pipe(pipe_ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct ebb_store *store;
            struct ebb_store_process shop =
                process_of("shop", 42 + round, BEGINNING + round * HOUR);
            const struct ebb_store_keeping keeping = {1e9, 1e8};
            if (ebb_store_open(path, EBB_STORE_RECORD, &store, NULL) < 0)
                _exit(3);
            for (int i = 0;; i++) {
                struct ebb_profile *heap = heap_of(10 + i, 20 + i);
                struct ebb_store_snapshot snapshot = {.time_ns = BEGINNING + round * HOUR +
                                                                 (i + 1) * (SECOND / 1000),
                                                      .heap = heap,
                                                      .limit = {UINT64_MAX, UINT64_MAX, "", ""},
                                                      .totals = {(uint64_t)i, 0, 0, 0, 0}};
                int code = ebb_store_add(store, &shop, &snapshot, NULL, NULL, NULL);
                ebb_profile_free(heap);
                if (code < 0 || write(pipe_ends[1], "+", 1) != 1)
                    _exit(4);
                if (i % 16 == 15 && ebb_store_prune(store, &keeping, BEGINNING, NULL, NULL) < 0)
                    _exit(5);
            }
        }
        close(pipe_ends[1]);
        char bytes[4096];
        if (round % 4 != 0) /* not while it opens the store, however slow the machine is */
            reported += read(pipe_ends[0], bytes, 1);
        usleep((useconds_t)(rand_r(&seed) % 30000));
        kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        for (ssize_t got; (got = read(pipe_ends[0], bytes, sizeof bytes)) > 0;)
            reported += got;
        close(pipe_ends[0]);
        if (reported == 0)
            continue;
        struct ebb_store *store = open_to(path, EBB_STORE_READ);
        ebb_store_close(store);
        int64_t stored = ask(path, "SELECT count(*) FROM snapshot");
        /* The one that was stored but not yet reported may be there. */
        assert_in_range(stored, reported, reported + 1);
        reported = stored;
    }
    print_message("%lld snapshots survived %d kills\n", (long long)reported, ROUNDS);
    assert_true(reported > ROUNDS);
    assert_whole(path);
    struct ebb_target *target = open_history(path, NULL, 0);
    ebb_target_close(target, false, 0);
}

/* A test that failed may have left its small file system mounted. */
static int teardown(void **state)
{
    int status = shell(scratch_text("umount '%s'/* 2>/dev/null", (char *)*state));
    (void)status;
    return scratch_teardown(state);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_round_trip),
        IN_SCRATCH(test_since),
        IN_SCRATCH(test_long_history),
        IN_SCRATCH(test_runs),
        IN_SCRATCH(test_several_recorders),
        IN_SCRATCH(test_restarts),
        IN_SCRATCH(test_find),
        IN_SCRATCH(test_prune),
        IN_SCRATCH(test_prune_keeps_ends),
        IN_SCRATCH(test_foreign_files),
        IN_SCRATCH(test_damaged_files),
        IN_SCRATCH(test_hostile_rows),
        IN_SCRATCH(test_programs_inside),
        IN_SCRATCH(test_removed_file),
        IN_SCRATCH(test_busy),
        IN_SCRATCH(test_no_space),
        IN_SCRATCH(test_full_disk),
        IN_SCRATCH(test_read_only),
        IN_SCRATCH(test_killed),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
