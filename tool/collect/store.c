/* See store.h.
 *
 * Profiles are stored as the gzipped pprof files they would be on disk, so a store outlives changes
 * of this program's own structures. What a column cannot hold, and what nobody knew, is NULL: both
 * read back as UINT64_MAX.
 *
 * The file is told apart from other SQLite files by its application id; its schema's version is
 * user_version. Rows are not trusted: they may have been written by anybody. */
#include "tool/collect/store.h"

#include "base/vec.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    APPLICATION_ID = 0x45626221, /* "Ebb!" */
    SCHEMA_VERSION = 1,
    PATIENCE_MS = 5000,       /* for another process's transaction */
    LARGEST_BLOB = 256 << 20, /* of what is read */
    CANDIDATES = 8,           /* runs of one pid that a snapshot may continue */
    LOG_BYTES = 16 << 20,     /* what the log is cut to after it was written back */
};

static const int64_t HOUR_NS = 3600 * INT64_C(1000000000);
/* Snapshots that lie closer may have been taken in another order than their times say. */
static const int64_t ORDERED_NS = INT64_C(1000000000);
static const int64_t SAME_START_NS = 2 * INT64_C(1000000000);

static const char schema[] =
    "CREATE TABLE target ("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  kind TEXT NOT NULL);"
    "CREATE TABLE run ("
    "  id INTEGER PRIMARY KEY,"
    "  target INTEGER NOT NULL REFERENCES target,"
    "  life INTEGER,"    /* of a child: the run it belongs to */
    "  pid INTEGER,"     /* 0: unknown */
    "  started INTEGER," /* nanoseconds since 1970, 0: unknown; so are all times */
    "  executable TEXT, go_version TEXT, caution TEXT,"
    "  gc_forced INTEGER,"
    "  end_reason TEXT);" /* NULL: not known to have ended */
    "CREATE INDEX run_of_target ON run (target);"
    /* Profiles stand last, so that reading the rest of a row does not touch their pages. */
    "CREATE TABLE snapshot ("
    "  id INTEGER PRIMARY KEY,"
    "  run INTEGER NOT NULL REFERENCES run,"
    "  time INTEGER NOT NULL,"
    "  rss INTEGER, rss_anonymous INTEGER, rss_file INTEGER, rss_shared INTEGER,"
    "  rss_peak INTEGER, virtual_size INTEGER, data_size INTEGER, swap INTEGER,"
    "  kernel_threads INTEGER,"
    "  limit_bytes INTEGER, limit_used INTEGER, limit_source TEXT, limit_detail TEXT,"
    "  allocs INTEGER, frees INTEGER, alloc_bytes INTEGER, thread_count INTEGER,"
    "  live_bytes_sd REAL, dropped INTEGER,"
    "  heap BLOB, threads BLOB,"
    "  UNIQUE (run, time));"
    "PRAGMA application_id = 1164075553;" /* APPLICATION_ID */
    "PRAGMA user_version = 1;";
_Static_assert(APPLICATION_ID == 1164075553, "the schema's text says so");

/* Times that a recorder may have written: neither negative, nor text, which is above all numbers. */
#define IS_TIME "time BETWEEN 1 AND 9223372036854775807"

struct ebb_store {
    sqlite3 *db;
    char *path;
};

/* ---- SQLite ---- */

/* The line for what SQLite could not do. */
static int failed(const struct ebb_store *store, struct ebb_error *error)
{
    const char *path = store->path;
    int code = store->db ? sqlite3_errcode(store->db) : SQLITE_NOMEM;
    int cause = store->db ? sqlite3_system_errno(store->db) : 0;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ebb_error_set(error, -EBUSY,
                             "%s: another process has been writing to it for %d s; try again later",
                             path, PATIENCE_MS / 1000);
    case SQLITE_FULL:
        return ebb_error_set(error, -ENOSPC,
                             "%s: no space left on its file system; what it holds stays as it is",
                             path);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return ebb_error_set(error, -EROFS, "%s: cannot be written: it is read-only here", path);
    case SQLITE_NOTADB:
        return ebb_error_set(error, -EBADMSG, "%s: not a store of `ebb record`", path);
    case SQLITE_CORRUPT:
        return ebb_error_set(error, -EBADMSG,
                             "%s: damaged; record into a new file, and try `sqlite3 FILE .recover` "
                             "for what this one held",
                             path);
    case SQLITE_NOMEM:
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", path);
    case SQLITE_CANTOPEN:
        return ebb_error_set(error, cause ? -cause : -EIO, "%s: cannot be opened: %s", path,
                             cause ? strerror(cause) : "its folder must be there and writable");
    case SQLITE_IOERR:
        return ebb_error_set(error, cause ? -cause : -EIO,
                             "%s: cannot be read or written: %s; what it holds stays as it is",
                             path, cause ? strerror(cause) : "input/output error");
    default:
        return ebb_error_set(error, -EBADMSG, "%s: not a usable store: %s", path,
                             store->db ? sqlite3_errmsg(store->db) : "out of memory");
    }
}

static int run_sql(struct ebb_store *store, const char *sql, struct ebb_error *error)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(store, error);
}

static int prepare(struct ebb_store *store, const char *sql, sqlite3_stmt **statement,
                   struct ebb_error *error)
{
    int code = sqlite3_prepare_v2(store->db, sql, -1, statement, NULL);
    return code == SQLITE_OK ? 0 : failed(store, error);
}

/* 1: a row, 0: done, negative: the line is said. */
static int step(struct ebb_store *store, sqlite3_stmt *statement, struct ebb_error *error)
{
    int code = sqlite3_step(statement);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : failed(store, error);
}

/* Steps a statement that gives no rows, and lets go of it. */
static int finish(struct ebb_store *store, sqlite3_stmt *statement, struct ebb_error *error)
{
    int code = step(store, statement, error);
    sqlite3_finalize(statement);
    return code < 0 ? code : 0;
}

/* The one number that a question has for an answer. */
static int ask(struct ebb_store *store, const char *sql, int64_t *answer, struct ebb_error *error)
{
    sqlite3_stmt *statement;
    int code = prepare(store, sql, &statement, error);
    if (code < 0)
        return code;
    code = step(store, statement, error);
    *answer = code > 0 ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return code < 0 ? code : 0;
}

/* Parameters are numbered from 1 in order of their binding. A binding fails for lack of memory only,
 * and then leaves NULL. */
static void bind_number(sqlite3_stmt *statement, int *at, uint64_t number)
{
    ++*at;
    if (number <= INT64_MAX)
        sqlite3_bind_int64(statement, *at, (int64_t)number);
}

static void bind_time(sqlite3_stmt *statement, int *at, int64_t number)
{
    sqlite3_bind_int64(statement, ++*at, number);
}

static void bind_text(sqlite3_stmt *statement, int *at, const char *text)
{
    sqlite3_bind_text(statement, ++*at, text, -1, SQLITE_TRANSIENT);
}

static uint64_t number_at(sqlite3_stmt *row, int column)
{
    if (sqlite3_column_type(row, column) != SQLITE_INTEGER)
        return UINT64_MAX;
    int64_t number = sqlite3_column_int64(row, column);
    return number < 0 ? UINT64_MAX : (uint64_t)number;
}

static const char *text_at(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    return text ? text : "";
}

static const void *blob_at(sqlite3_stmt *row, int column, size_t *size)
{
    const void *blob =
        sqlite3_column_type(row, column) == SQLITE_BLOB ? sqlite3_column_blob(row, column) : NULL;
    *size = blob ? (size_t)sqlite3_column_bytes(row, column) : 0;
    return blob;
}

/* ---- opening ---- */

/* Whether the file may be opened at all: SQLite itself would wait for a pipe's other end. */
static int check_file(const char *path, enum ebb_store_mode mode, struct ebb_error *error)
{
    struct stat file;
    if (stat(path, &file) < 0)
        return mode == EBB_STORE_RECORD && errno == ENOENT
                   ? 0
                   : ebb_error_set(error, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(file.st_mode))
        return ebb_error_set(error, -EBADMSG, "%s: not a store of `ebb record`", path);
    return 0;
}

/* As a URI that tells SQLite to read without locks or log: for file systems that are read-only. */
static char *immutable_uri(const char *path)
{
    char *uri = malloc(3 * strlen(path) + sizeof "file:?immutable=1"), *end = uri;
    if (!uri)
        return NULL;
    end = stpcpy(end, "file:");
    for (; *path; path++)
        end = strchr("%?#", *path) ? end + sprintf(end, "%%%02x", (unsigned)(unsigned char)*path)
                                   : (*end = *path, end + 1);
    strcpy(end, "?immutable=1");
    return uri;
}

static int connect_to(struct ebb_store *store, const char *name, int flags, struct ebb_error *error)
{
    if (sqlite3_open_v2(name, &store->db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return failed(store, error);
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, PATIENCE_MS);
    sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, LARGEST_BLOB);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return 0;
}

/* A writer that was killed leaves a log with snapshots that only a writer can read. */
static bool has_log(const char *path)
{
    char log[PATH_MAX];
    struct stat file;
    return snprintf(log, sizeof log, "%s-wal", path) >= (int)sizeof log ||
           (stat(log, &file) == 0 && file.st_size > 0);
}

/* Connects to a file for reading, on a read-only file system too. */
static int connect_to_read(struct ebb_store *store, struct ebb_error *error)
{
    int64_t version;
    int code = connect_to(store, store->path, SQLITE_OPEN_READONLY, error);
    if (code == 0)
        code = ask(store, "PRAGMA user_version", &version, error);
    int kind = store->db ? sqlite3_errcode(store->db) & 0xff : SQLITE_NOMEM;
    if (code == 0 || (kind != SQLITE_CANTOPEN && kind != SQLITE_READONLY) || has_log(store->path))
        return code;
    char *uri = immutable_uri(store->path);
    if (!uri)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", store->path);
    sqlite3_close(store->db);
    store->db = NULL;
    code = connect_to(store, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, error);
    free(uri);
    return code;
}

static int make_schema(struct ebb_store *store, struct ebb_error *error)
{
    int64_t tables;
    int code = run_sql(store,
                       "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
                       "BEGIN IMMEDIATE",
                       error);
    if (code < 0)
        return code;
    /* Another recorder may have made it meanwhile. */
    code = ask(store, "SELECT count(*) FROM sqlite_schema", &tables, error);
    if (code == 0 && tables == 0)
        code = run_sql(store, schema, error);
    if (code == 0)
        code = run_sql(store, "COMMIT", error);
    if (code < 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

/* Views and triggers are programs that run inside our questions, and can run for ever. No store of
 * ours has any. */
static int refuse_programs(struct ebb_store *store, struct ebb_error *error)
{
    int64_t programs;
    int code = ask(store,
                   "SELECT count(*) FROM sqlite_schema WHERE type NOT IN ('table', 'index')"
                   " OR sql LIKE 'CREATE VIRTUAL%'",
                   &programs, error);
    if (code == 0 && programs > 0)
        return ebb_error_set(error, -EBADMSG,
                             "%s: not a store of `ebb record`: somebody put views or triggers into "
                             "it",
                             store->path);
    return code;
}

/* What a file says it is, at one moment: another recorder may be making a store of it. */
static int identify(struct ebb_store *store, int64_t *id, int64_t *version, int64_t *tables,
                    struct ebb_error *error)
{
    int code = run_sql(store, "BEGIN", error);
    if (code == 0)
        code = ask(store, "PRAGMA application_id", id, error);
    if (code == 0)
        code = ask(store, "PRAGMA user_version", version, error);
    if (code == 0)
        code = ask(store, "SELECT count(*) FROM sqlite_schema", tables, error);
    return code == 0 ? run_sql(store, "COMMIT", error) : code; /* it is closed on failure */
}

/* Makes sure that this is a store, of a version we know. */
static int check_schema(struct ebb_store *store, enum ebb_store_mode mode, struct ebb_error *error)
{
    int64_t id, version, tables;
    int code = identify(store, &id, &version, &tables, error);
    if (code < 0)
        return code;
    if (id == APPLICATION_ID && version > SCHEMA_VERSION)
        return ebb_error_set(error, -EPROTONOSUPPORT,
                             "%s: written by a newer ebb (format %lld, this one knows %d); update "
                             "ebb to use it",
                             store->path, (long long)version, SCHEMA_VERSION);
    if (id == APPLICATION_ID && version == SCHEMA_VERSION)
        return refuse_programs(store, error);
    if (id != 0 || version != 0 || tables != 0)
        return ebb_error_set(error, -EBADMSG,
                             "%s: not a store of `ebb record`, but another program's SQLite file",
                             store->path);
    return mode == EBB_STORE_RECORD
               ? make_schema(store, error)
               : ebb_error_set(error, -ENODATA, "%s: nothing was recorded into it", store->path);
}

/* Whether SQLite could open the file for reading only; then its first question may have failed for
 * lack of a log. That it is no store at all is the better reason. */
static bool is_read_only(const struct ebb_store *store, int code)
{
    int kind = store->db ? sqlite3_errcode(store->db) & 0xff : SQLITE_OK;
    return store->db && sqlite3_db_readonly(store->db, "main") == 1 &&
           (code == 0 || kind == SQLITE_CANTOPEN || kind == SQLITE_READONLY);
}

static int open_store(struct ebb_store *store, enum ebb_store_mode mode, struct ebb_error *error)
{
    int code = check_file(store->path, mode, error);
    if (code < 0)
        return code;
    if (mode == EBB_STORE_READ) {
        code = connect_to_read(store, error);
    } else {
        int create = mode == EBB_STORE_RECORD ? SQLITE_OPEN_CREATE : 0;
        code = connect_to(store, store->path, SQLITE_OPEN_READWRITE | create, error);
    }
    if (code == 0)
        code = check_schema(store, mode, error);
    if (mode != EBB_STORE_READ && is_read_only(store, code))
        code = ebb_error_set(error, -EROFS, "%s: cannot be written: it is read-only here",
                             store->path);
    if (code == 0 && mode != EBB_STORE_READ) {
        char settings[128];
        snprintf(settings, sizeof settings,
                 "PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = %d;", LOG_BYTES);
        code = run_sql(store, settings, error);
    }
    return code;
}

int ebb_store_open(const char *path, enum ebb_store_mode mode, struct ebb_store **result,
                   struct ebb_error *error)
{
    *result = NULL;
    if (!*path)
        return ebb_error_set(error, -EINVAL, "a store needs a file name");
    struct ebb_store *store = calloc(1, sizeof *store);
    /* SQLite has a meaning of its own for names that begin with a colon. */
    size_t size = strlen(path) + sizeof "./";
    if (store)
        store->path = malloc(size);
    if (!store || !store->path) {
        free(store);
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", path);
    }
    snprintf(store->path, size, "%s%s", *path == ':' ? "./" : "", path);
    int code = open_store(store, mode, error);
    if (code < 0) {
        ebb_store_close(store);
        return code;
    }
    *result = store;
    return 0;
}

void ebb_store_close(struct ebb_store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    free(store->path);
    free(store);
}

/* ---- writing ---- */

static int find_target(struct ebb_store *store, const struct ebb_store_process *process,
                       int64_t *target, struct ebb_error *error)
{
    sqlite3_stmt *statement;
    int at = 0;
    int code = prepare(store,
                       "INSERT INTO target (name, kind) VALUES (?, ?)"
                       " ON CONFLICT (name) DO UPDATE SET kind = excluded.kind RETURNING id",
                       &statement, error);
    if (code < 0)
        return code;
    bind_text(statement, &at, process->target);
    bind_text(statement, &at, process->kind);
    code = step(store, statement, error);
    if (code > 0) {
        *target = sqlite3_column_int64(statement, 0);
        code = step(store, statement, error);
    }
    sqlite3_finalize(statement);
    return code;
}

/* Whether a snapshot with `allocs` in all may be one of this run: row of start, and the count before. */
static bool continues(sqlite3_stmt *row, const struct ebb_store_process *process, uint64_t allocs)
{
    int64_t started = sqlite3_column_int64(row, 2);
    uint64_t counted = number_at(row, 3);
    bool known = started > 0 && process->started_ns > 0;
    if (known && llabs(started - process->started_ns) > SAME_START_NS)
        return false;
    return allocs == UINT64_MAX || counted == UINT64_MAX || allocs >= counted;
}

/* The run that a snapshot continues, 0: none. Where it is not known when the process began, as of a
 * service elsewhere, only the newest one can go on: an older one that counted less is over. */
static int find_run(struct ebb_store *store, int64_t target,
                    const struct ebb_store_process *process,
                    const struct ebb_store_snapshot *snapshot, int64_t *run, int64_t *life,
                    struct ebb_error *error)
{
    sqlite3_stmt *statement;
    int at = 0;
    int code = prepare(store,
                       "SELECT id, coalesce(life, id), started,"
                       " (SELECT allocs FROM snapshot WHERE run = run.id AND time <= ?"
                       "  ORDER BY time DESC LIMIT 1)"
                       " FROM run WHERE target = ? AND pid = ? ORDER BY id DESC LIMIT ?",
                       &statement, error);
    if (code < 0)
        return code;
    bind_time(statement, &at, snapshot->time_ns - ORDERED_NS);
    bind_time(statement, &at, target);
    bind_time(statement, &at, process->pid);
    bind_time(statement, &at, process->started_ns > 0 ? CANDIDATES : 1);
    *run = 0;
    while (*run == 0 && (code = step(store, statement, error)) > 0)
        if (continues(statement, process, snapshot->totals.allocs)) {
            *run = sqlite3_column_int64(statement, 0);
            *life = sqlite3_column_int64(statement, 1);
        }
    sqlite3_finalize(statement);
    return code < 0 ? code : 0;
}

/* Begins a run, or brings what is known of one up to date. */
static int write_run(struct ebb_store *store, int64_t target,
                     const struct ebb_store_process *process, int64_t *run, int64_t *life,
                     struct ebb_error *error)
{
    sqlite3_stmt *statement;
    int at = 0;
    int code = prepare(store,
                       *run ? "UPDATE run SET executable = ?, go_version = ?, caution = ?,"
                              " gc_forced = ?, end_reason = NULL WHERE id = ?"
                            : "INSERT INTO run (executable, go_version, caution, gc_forced,"
                              " target, life, pid, started) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                       &statement, error);
    if (code < 0)
        return code;
    bind_text(statement, &at, process->executable);
    bind_text(statement, &at, process->go_version);
    bind_text(statement, &at, process->caution);
    bind_time(statement, &at, process->gc_forced);
    if (*run) {
        bind_time(statement, &at, *run);
        return finish(store, statement, error);
    }
    bind_time(statement, &at, target);
    bind_number(statement, &at, process->life > 0 ? (uint64_t)process->life : UINT64_MAX);
    bind_time(statement, &at, process->pid);
    bind_time(statement, &at, process->started_ns);
    code = finish(store, statement, error);
    *run = sqlite3_last_insert_rowid(store->db);
    *life = process->life > 0 ? process->life : *run;
    return code;
}

struct blob {
    void *data;
    size_t size;
};

static int write_snapshot(struct ebb_store *store, int64_t run,
                          const struct ebb_store_snapshot *snapshot, const struct blob *heap,
                          const struct blob *threads, struct ebb_error *error)
{
    const struct ebb_memory *memory = &snapshot->memory;
    const struct ebb_totals *totals = &snapshot->totals;
    sqlite3_stmt *statement;
    int at = 0;
    int code = prepare(store,
                       "INSERT OR REPLACE INTO snapshot (run, time, rss, rss_anonymous, rss_file,"
                       " rss_shared, rss_peak, virtual_size, data_size, swap, kernel_threads,"
                       " limit_bytes, limit_used, limit_source, limit_detail,"
                       " allocs, frees, alloc_bytes, thread_count, dropped, live_bytes_sd,"
                       " heap, threads)"
                       " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                       &statement, error);
    if (code < 0)
        return code;
    bind_time(statement, &at, run);
    bind_time(statement, &at, snapshot->time_ns);
    const uint64_t gauges[] = {memory->rss,
                               memory->rss_anonymous,
                               memory->rss_file,
                               memory->rss_shared,
                               memory->rss_peak,
                               memory->virtual_size,
                               memory->data_size,
                               memory->swap,
                               memory->threads,
                               snapshot->limit.limit_bytes,
                               snapshot->limit.used_bytes};
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
        bind_number(statement, &at, gauges[i]);
    bind_text(statement, &at, snapshot->limit.source);
    bind_text(statement, &at, snapshot->limit.detail);
    const uint64_t counts[] = {totals->allocs, totals->frees, totals->alloc_bytes, totals->threads,
                               snapshot->dropped};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        bind_number(statement, &at, counts[i]);
    sqlite3_bind_double(statement, ++at, totals->live_bytes_sd);
    sqlite3_bind_blob64(statement, ++at, heap->data, heap->size, SQLITE_STATIC);
    sqlite3_bind_blob64(statement, ++at, threads->data, threads->size, SQLITE_STATIC);
    return finish(store, statement, error);
}

/* A file that was moved or removed would take all that is written with it. */
static int check_place(struct ebb_store *store, struct ebb_error *error)
{
    int moved = 0;
    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved ? ebb_error_set(error, -ESTALE,
                                 "%s: was moved or removed while it was recorded into; begin again",
                                 store->path)
                 : 0;
}

static int write_all(struct ebb_store *store, const struct ebb_store_process *process,
                     const struct ebb_store_snapshot *snapshot, const struct blob *heap,
                     const struct blob *threads, int64_t *run, int64_t *life,
                     struct ebb_error *error)
{
    int64_t target = 0;
    int code = check_place(store, error);
    if (code == 0)
        code = run_sql(store, "BEGIN IMMEDIATE", error);
    if (code < 0)
        return code;
    code = find_target(store, process, &target, error);
    if (code == 0)
        code = find_run(store, target, process, snapshot, run, life, error);
    if (code == 0)
        code = write_run(store, target, process, run, life, error);
    if (code == 0)
        code = write_snapshot(store, *run, snapshot, heap, threads, error);
    if (code == 0)
        code = run_sql(store, "COMMIT", error);
    if (code < 0 && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return code;
}

static int encode(const struct ebb_profile *profile, struct blob *blob, struct ebb_error *error)
{
    *blob = (struct blob){0};
    return profile ? ebb_profile_encode(profile, &blob->data, &blob->size, error) : 0;
}

int ebb_store_add(struct ebb_store *store, const struct ebb_store_process *process,
                  const struct ebb_store_snapshot *snapshot, int64_t *run, int64_t *life,
                  struct ebb_error *error)
{
    struct blob heap, threads = {0};
    int64_t run_number = 0, life_number = 0;
    int code = encode(snapshot->heap, &heap, error);
    if (code == 0)
        code = encode(snapshot->threads, &threads, error);
    if (code == 0)
        code =
            write_all(store, process, snapshot, &heap, &threads, &run_number, &life_number, error);
    free(heap.data);
    free(threads.data);
    if (code == 0 && run)
        *run = run_number;
    if (code == 0 && life)
        *life = life_number;
    return code;
}

int ebb_store_end(struct ebb_store *store, int64_t run, const char *reason, struct ebb_error *error)
{
    sqlite3_stmt *statement;
    int at = 0;
    int code = prepare(store, "UPDATE run SET end_reason = ? WHERE id = ?", &statement, error);
    if (code < 0)
        return code;
    bind_text(statement, &at, reason);
    bind_time(statement, &at, run);
    return finish(store, statement, error);
}

static int64_t before(int64_t now_ns, double seconds)
{
    double ns = seconds * 1e9;
    return ns >= (double)now_ns ? 0 : now_ns - (int64_t)ns;
}

static int remove_old(struct ebb_store *store, int64_t oldest_ns, int64_t full_ns,
                      uint64_t *removed, struct ebb_error *error)
{
    sqlite3_stmt *statement;
    int at = 0;
    int code =
        prepare(store,
                "DELETE FROM snapshot WHERE time < ?1 OR (time < ?2"
                " AND EXISTS (SELECT 1 FROM snapshot AS o WHERE o.run = snapshot.run"
                "  AND o.time < snapshot.time AND o.time >= snapshot.time - snapshot.time % ?3"
                "  AND o.time >= ?1)"
                " AND EXISTS (SELECT 1 FROM snapshot AS o WHERE o.run = snapshot.run"
                "  AND o.time > snapshot.time))",
                &statement, error);
    if (code < 0)
        return code;
    bind_time(statement, &at, oldest_ns);
    bind_time(statement, &at, full_ns);
    bind_time(statement, &at, HOUR_NS);
    code = finish(store, statement, error);
    if (code == 0)
        *removed = (uint64_t)sqlite3_changes(store->db);
    return code;
}

int ebb_store_prune(struct ebb_store *store, const struct ebb_store_keeping *keeping,
                    int64_t now_ns, uint64_t *removed, struct ebb_error *error)
{
    uint64_t count = 0;
    int code = run_sql(store, "BEGIN IMMEDIATE", error);
    if (code < 0)
        return code;
    code = remove_old(store, before(now_ns, keeping->keep_s), before(now_ns, keeping->full_s),
                      &count, error);
    if (code == 0)
        code = run_sql(store,
                       "DELETE FROM run WHERE id NOT IN (SELECT run FROM snapshot)"
                       " AND id NOT IN (SELECT life FROM run WHERE life IS NOT NULL"
                       "                AND id IN (SELECT run FROM snapshot));"
                       "DELETE FROM target WHERE id NOT IN (SELECT target FROM run);"
                       "COMMIT",
                       error);
    if (code < 0) {
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return code;
    }
    if (removed)
        *removed = count;
    /* The log is written back as far as readers let it; the rest follows later. */
    if (count > 0)
        code = run_sql(store, "PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)", error);
    return code;
}

/* ---- reading ---- */

int ebb_store_list(struct ebb_store *store,
                   int (*each)(void *context, const struct ebb_store_summary *summary),
                   void *context, struct ebb_error *error)
{
    sqlite3_stmt *row;
    int code =
        prepare(store,
                "SELECT target.name, target.kind, count(DISTINCT coalesce(run.life, run.id)),"
                " count(snapshot.id), min(snapshot.time), max(snapshot.time),"
                " sum(coalesce(length(heap), 0) + coalesce(length(threads), 0))"
                " FROM target LEFT JOIN run ON run.target = target.id"
                " LEFT JOIN snapshot ON snapshot.run = run.id AND " IS_TIME
                " GROUP BY target.id ORDER BY target.name",
                &row, error);
    if (code < 0)
        return code;
    while ((code = step(store, row, error)) > 0) {
        struct ebb_store_summary summary = {
            .target = text_at(row, 0),
            .kind = text_at(row, 1),
            .lives = (uint64_t)sqlite3_column_int64(row, 2),
            .snapshots = (uint64_t)sqlite3_column_int64(row, 3),
            .first_ns = sqlite3_column_int64(row, 4),
            .last_ns = sqlite3_column_int64(row, 5),
            .bytes = (uint64_t)sqlite3_column_int64(row, 6),
        };
        code = each(context, &summary);
        if (code != 0)
            break;
    }
    sqlite3_finalize(row);
    return code;
}

/* What a search for a target has met so far. */
struct search {
    const char *word; /* NULL: any */
    char *found;
    size_t matches;
    bool exact, out_of_memory;
    char names[256]; /* of all targets */
};

static int consider(void *context, const struct ebb_store_summary *summary)
{
    struct search *search = context;
    size_t used = strlen(search->names);
    snprintf(search->names + used, sizeof search->names - used, "%s%s", used ? ", " : "",
             summary->target);
    bool exact = search->word && strcmp(search->word, summary->target) == 0;
    if (search->exact || (search->word && !strstr(summary->target, search->word)))
        return 0;
    search->matches++;
    search->exact = exact;
    if (search->matches == 1 || exact) {
        free(search->found);
        search->found = strdup(summary->target);
        search->out_of_memory |= !search->found;
    }
    return 0;
}

/* The name of the target one of whose processes had this pid; the latest such. */
static int find_by_pid(struct ebb_store *store, const char *word, char **name,
                       struct ebb_error *error)
{
    sqlite3_stmt *row;
    int at = 0;
    if (!*word || strspn(word, "0123456789") != strlen(word) || strlen(word) > 10)
        return 0;
    int code = prepare(store,
                       "SELECT target.name FROM run JOIN target ON target.id = run.target"
                       " WHERE run.pid = ? ORDER BY run.id DESC LIMIT 1",
                       &row, error);
    if (code < 0)
        return code;
    bind_time(row, &at, strtoll(word, NULL, 10));
    code = step(store, row, error);
    if (code > 0) {
        *name = strdup(text_at(row, 0));
        code = *name ? 0 : ebb_error_set(error, -ENOMEM, "%s: out of memory", store->path);
    }
    sqlite3_finalize(row);
    return code;
}

int ebb_store_find(struct ebb_store *store, const char *word, char **name, struct ebb_error *error)
{
    struct search search = {.word = word};
    *name = NULL;
    int code = ebb_store_list(store, consider, &search, error);
    if (code == 0 && search.out_of_memory)
        code = ebb_error_set(error, -ENOMEM, "%s: out of memory", store->path);
    if (code == 0 && word && !search.exact)
        code = find_by_pid(store, word, name, error);
    if (code == 0 && !*name && (search.exact || search.matches == 1)) {
        *name = search.found;
        return 0;
    }
    free(search.found);
    if (code < 0 || *name)
        return code;
    if (!*search.names)
        return ebb_error_set(error, -ENODATA, "%s: nothing was recorded into it", store->path);
    return ebb_error_set(error, -ENOENT, "%s: %s%s%s; it holds %s", store->path,
                         word ? (search.matches ? "several targets match '" : "no target '") : "",
                         word ? word : "several targets", word ? "'" : "", search.names);
}

uint64_t ebb_store_bytes(const struct ebb_store *store)
{
    char log[PATH_MAX];
    struct stat file;
    uint64_t bytes = stat(store->path, &file) == 0 ? (uint64_t)file.st_size : 0;
    if (snprintf(log, sizeof log, "%s-wal", store->path) < (int)sizeof log && stat(log, &file) == 0)
        bytes += (uint64_t)file.st_size;
    return bytes;
}

int ebb_store_runs(struct ebb_store *store, const char *target, int64_t since_ns,
                   int (*each)(void *context, const struct ebb_store_run *run), void *context,
                   struct ebb_error *error)
{
    sqlite3_stmt *row;
    int at = 0;
    int code = prepare(store,
                       "SELECT run.id, coalesce(run.life, run.id) AS life, kind, executable,"
                       " go_version, caution, end_reason, pid, started, gc_forced, count(*),"
                       " min(time), max(time)"
                       " FROM target JOIN run ON run.target = target.id"
                       " JOIN snapshot ON snapshot.run = run.id"
                       " WHERE target.name = ? AND time >= ? AND " IS_TIME
                       " GROUP BY run.id ORDER BY life DESC, run.id",
                       &row, error);
    if (code < 0)
        return code;
    bind_text(row, &at, target);
    bind_time(row, &at, since_ns);
    while ((code = step(store, row, error)) > 0) {
        int64_t pid = sqlite3_column_int64(row, 7), started = sqlite3_column_int64(row, 8);
        struct ebb_store_run run = {
            .number = sqlite3_column_int64(row, 0),
            .life = sqlite3_column_int64(row, 1),
            .kind = text_at(row, 2),
            .executable = text_at(row, 3),
            .go_version = text_at(row, 4),
            .caution = text_at(row, 5),
            .end_reason = text_at(row, 6),
            .pid = pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0,
            .started_ns = started > 0 ? started : 0,
            .gc_forced = sqlite3_column_int64(row, 9) != 0,
            .ended = sqlite3_column_type(row, 6) != SQLITE_NULL,
            .snapshots = (uint64_t)sqlite3_column_int64(row, 10),
            .first_ns = sqlite3_column_int64(row, 11),
            .last_ns = sqlite3_column_int64(row, 12),
        };
        code = each(context, &run);
        if (code != 0)
            break;
    }
    sqlite3_finalize(row);
    return code;
}

static struct ebb_store_row read_row(sqlite3_stmt *row)
{
    double sd = sqlite3_column_type(row, 18) == SQLITE_FLOAT ? sqlite3_column_double(row, 18) : -1;
    struct ebb_store_row stored = {
        .time_ns = sqlite3_column_int64(row, 0),
        .memory = {.rss = number_at(row, 1),
                   .rss_anonymous = number_at(row, 2),
                   .rss_file = number_at(row, 3),
                   .rss_shared = number_at(row, 4),
                   .rss_peak = number_at(row, 5),
                   .virtual_size = number_at(row, 6),
                   .data_size = number_at(row, 7),
                   .swap = number_at(row, 8),
                   .threads = number_at(row, 9)},
        .limit = {.limit_bytes = number_at(row, 10),
                  .used_bytes = number_at(row, 11),
                  .source = text_at(row, 12)},
        .totals = {.allocs = number_at(row, 14),
                   .frees = number_at(row, 15),
                   .alloc_bytes = number_at(row, 16),
                   .threads = number_at(row, 17),
                   .live_bytes_sd = isfinite(sd) ? sd : -1},
        .dropped = number_at(row, 19),
    };
    snprintf(stored.limit.detail, sizeof stored.limit.detail, "%s", text_at(row, 13));
    if (stored.dropped == UINT64_MAX)
        stored.dropped = 0;
    stored.heap = blob_at(row, 20, &stored.heap_size);
    stored.threads = blob_at(row, 21, &stored.threads_size);
    return stored;
}

/* The width of the time slots of which each gives one snapshot, so that there are `most` at most. */
static int slot_width(struct ebb_store *store, int64_t run, int64_t since_ns, size_t most,
                      int64_t *first, int64_t *width, struct ebb_error *error)
{
    sqlite3_stmt *row;
    int at = 0;
    int code = prepare(store,
                       "SELECT count(*), min(time), max(time) FROM snapshot"
                       " WHERE run = ? AND time >= ? AND " IS_TIME,
                       &row, error);
    if (code < 0)
        return code;
    bind_time(row, &at, run);
    bind_time(row, &at, since_ns);
    code = step(store, row, error);
    if (code > 0) {
        *first = sqlite3_column_int64(row, 1);
        bool few = (uint64_t)sqlite3_column_int64(row, 0) <= most;
        *width = few ? 1 : (sqlite3_column_int64(row, 2) - *first) / (int64_t)most + 1;
    }
    sqlite3_finalize(row);
    return code < 0 ? code : 0;
}

int ebb_store_snapshots(struct ebb_store *store, int64_t run, int64_t since_ns, size_t most,
                        int (*each)(void *context, const struct ebb_store_row *row), void *context,
                        struct ebb_error *error)
{
    sqlite3_stmt *statement;
    int64_t first = 0, width = 1;
    int at = 0;
    int code = slot_width(store, run, since_ns, most, &first, &width, error);
    if (code == 0)
        code = prepare(store,
                       "SELECT time, rss, rss_anonymous, rss_file, rss_shared, rss_peak,"
                       " virtual_size, data_size, swap, kernel_threads, limit_bytes, limit_used,"
                       " limit_source, limit_detail, allocs, frees, alloc_bytes, thread_count,"
                       " live_bytes_sd, dropped, heap, threads"
                       " FROM snapshot WHERE run = ?1 AND time IN"
                       " (SELECT max(time) FROM snapshot WHERE run = ?1 AND time >= ?2 AND " IS_TIME
                       "  GROUP BY (time - ?3) / ?4)"
                       " ORDER BY time",
                       &statement, error);
    if (code < 0)
        return code;
    bind_time(statement, &at, run);
    bind_time(statement, &at, since_ns);
    bind_time(statement, &at, first);
    bind_time(statement, &at, width);
    while ((code = step(store, statement, error)) > 0) {
        struct ebb_store_row row = read_row(statement);
        code = each(context, &row);
        if (code != 0)
            break;
    }
    sqlite3_finalize(statement);
    return code;
}
