/* ebb record: keeps a history of any number of targets, which `ebb doctor --store` reads.
 *
 * Every target is a source: looked at at even steps, and what is new goes into the store. A service
 * is asked in the background and looked at when it has answered, so a slow one holds nobody up; while
 * it answers nothing more is asked of it. A source that cannot be reached is said once and tried
 * again at the next step; the others go on. A process that ended is waited for: another one that runs
 * the same executable continues its history. A store that cannot be written at the moment (a full
 * disk) is said once and tried again, too.
 *
 * The store prunes itself once an hour. What ends us loses nothing that was stored before. */
#include "base/clock.h"
#include "base/vec.h"
#include "channel/reader.h"
#include "tool/collect/store.h"
#include "tool/collect/target.h"
#include "tool/commands/command.h"
#include "tool/commands/progress.h"
#include "tool/commands/signals.h"
#include "tool/render/text.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_STEP_S  60.0
#define SHORTEST_STEP_S 0.05
#define LONGEST_S       (100 * 366 * 86400.0)
#define SAME_START_S    2.0
#define PRUNE_EVERY_S   3600.0
#define GRACE_S         5.0
#define ATTEND_S        0.02 /* between looks at what is on its way */

struct plan {
    const char *store;
    double every_s, for_s, keep_s; /* for_s 0: until somebody ends it */
    bool prune, list;
    struct ebb_target_options target;

    char **words; /* PIDs and URLs */
    size_t word_count;
    char **program; /* behind `--`, NULL: none */
    size_t program_words;
};

/* What was stored of one process of a source. */
struct stored {
    int64_t run;
    double seen_s; /* time of the newest observation that was stored, on the evidence's clock */
    bool ended;
};

struct source {
    char *const *words;
    size_t word_count;
    bool is_command, is_url;
    char *name;                /* in the store; NULL until it was seen */
    struct ebb_target *target; /* NULL: to be opened */
    int64_t life;              /* of what is recorded now; 0: a new one */
    struct processes EBB_VEC(struct stored) processes;
    char executable[4096]; /* of a process, to know its successor */
    uint64_t started_ns;   /* of the last process, since 1970 */
    pid_t pid;             /* of a service whose start is known, else 0 */
    double born_s;         /* that start on the clock since boot, which nobody sets */
    bool asked;            /* an answer is on its way */
    bool over;             /* the program that was started here has ended */
    char trouble[512];     /* what was said last; "" when all is well */
};

struct recorder {
    const struct plan *plan;
    struct ebb_store *store;
    struct ebb_progress progress;
    struct sources EBB_VEC(struct source) sources;
    uint64_t snapshots;
    char trouble[512]; /* of the store */
    int fatal;         /* the store is of no use any more: a negative errno */
};

static double now_s(void)
{
    return (double)ebb_clock_ns() * 1e-9;
}

/* ---- the command line ---- */

static void print_help(void)
{
    puts(
        "Keeps a history of programs and services, for `ebb doctor --store FILE` to diagnose over\n"
        "hours and days.\n"
        "\n"
        "  ebb record [OPTION...] --store FILE TARGET...        processes that publish, services\n"
        "  ebb record [OPTION...] --store FILE -- CMD ARG...    a program to start\n"
        "  ebb record --list --store FILE                       what a store holds\n"
        "  ebb record --prune --store FILE [--keep TIME]        remove what is old\n"
        "\n"
        "TARGET is a PID that `ebb ps` lists or the URL of a service with /debug/pprof.\n"
        "\n"
        "  --store FILE      the history; made when there is none, continued when there is\n"
        "  --every TIME      how often to look (default: 1m)\n"
        "  --for TIME        how long (default: until Ctrl-C, or the program's end)\n"
        "  --keep TIME       forget what is older (default: 30d); what is older than a day is\n"
        "                    thinned to one snapshot an hour\n"
        "  --sample SIZE     mean bytes between samples of a started program (default: 512K)\n"
        "  --no-gc           never ask a service for a garbage collection\n"
        "  --token TOKEN     a bearer token for services (or the variable EBB_TOKEN)\n"
        "  --ca FILE         certificates to trust, for https\n"
        "  --insecure        trust any certificate\n"
        "  --list, --prune   see above\n"
        "\n"
        "A target that cannot be reached is tried again at the next step; a process that was\n"
        "restarted is recognised by its executable. Exit status: 0 recorded, 2 could not.");
}

static int refuse(const char *option, const char *value, const char *what)
{
    return 1 + ebb_command_fail("record", "%s %s: %s", option, value, what);
}

static int parse_time(const char *option, const char *text, double shortest, double *seconds)
{
    *seconds = ebb_parse_duration(text);
    if (*seconds >= shortest && *seconds <= LONGEST_S)
        return 0;
    return refuse(option, text, "write a time such as 30s, 5m, 12h or 30d");
}

/* 0 to go on, else the exit status + 1. */
static int parse_options(int argc, char **argv, struct plan *plan)
{
    static const struct option known[] = {{"store", required_argument, NULL, 'o'},
                                          {"every", required_argument, NULL, 'e'},
                                          {"for", required_argument, NULL, 'f'},
                                          {"keep", required_argument, NULL, 'k'},
                                          {"sample", required_argument, NULL, 's'},
                                          {"token", required_argument, NULL, 't'},
                                          {"ca", required_argument, NULL, 'c'},
                                          {"no-gc", no_argument, NULL, 'g'},
                                          {"insecure", no_argument, NULL, 'i'},
                                          {"list", no_argument, NULL, 'l'},
                                          {"prune", no_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    opterr = 0;
    int stop = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", known, NULL)) != -1;)
        switch (option) {
        case 'o':
            plan->store = optarg;
            break;
        case 'e':
            if ((stop = parse_time("--every", optarg, SHORTEST_STEP_S, &plan->every_s)))
                return stop;
            break;
        case 'f':
            if ((stop = parse_time("--for", optarg, SHORTEST_STEP_S, &plan->for_s)))
                return stop;
            break;
        case 'k':
            if ((stop = parse_time("--keep", optarg, 0, &plan->keep_s)))
                return stop;
            break;
        case 's':
            plan->target.period = ebb_parse_size(optarg);
            if (plan->target.period == 0)
                return refuse("--sample", optarg, "write a size such as 512K or 1");
            break;
        case 't':
            plan->target.token = optarg;
            break;
        case 'c':
            plan->target.ca = optarg;
            break;
        case 'g':
            plan->target.no_gc = true;
            break;
        case 'i':
            plan->target.insecure = true;
            break;
        case 'l':
            plan->list = true;
            break;
        case 'p':
            plan->prune = true;
            break;
        case 'h':
            print_help();
            return 1;
        case ':':
            return 1 + ebb_command_fail("record", "%s needs a value", argv[optind - 1]);
        default:
            return 1 + ebb_command_fail("record",
                                        "unknown option %s; `ebb record --help` lists them, and a "
                                        "program's own options go after --",
                                        argv[optind - 1]);
        }
    return 0;
}

static int check_targets(const struct plan *plan)
{
    if (plan->prune || plan->list)
        return plan->prune && plan->list
                   ? 1 + ebb_command_fail("record", "--list or --prune, one at a time")
               : plan->word_count > 0 || plan->program
                   ? 1 + ebb_command_fail("record", "--list and --prune are about the store: name "
                                                    "no target with them")
                   : 0;
    if (plan->word_count == 0 && !plan->program)
        return 1 + ebb_command_fail("record", "name what to record: PIDs, URLs of services, or a "
                                              "program after --");
    if (plan->target.period && !plan->program)
        return 1 + ebb_command_fail("record", "--sample is for a program that is started here");
    for (size_t i = 0; i < plan->word_count; i++)
        if (!ebb_is_number(plan->words[i]) && !ebb_is_url(plan->words[i]))
            return 1 + ebb_command_fail("record",
                                        "'%s' is neither a process id (`ebb ps` lists them) nor a "
                                        "URL; a program to start goes after --",
                                        plan->words[i]);
    return 0;
}

/* Options may stand anywhere before `--`; what follows it is a program to start. */
static int parse(int argc, char **argv, struct plan *plan)
{
    int end = 1;
    while (end < argc && strcmp(argv[end], "--") != 0)
        end++;
    int stop = parse_options(end, argv, plan);
    if (stop)
        return stop;
    if (end + 1 < argc) {
        plan->program = argv + end + 1;
        plan->program_words = (size_t)(argc - end - 1);
    }
    plan->words = argv + optind;
    plan->word_count = (size_t)(end - optind);
    if (!plan->store)
        return 1 + ebb_command_fail("record", "name the history: --store FILE");
    return check_targets(plan);
}

/* ---- saying ---- */

static void note(struct recorder *recorder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void note(struct recorder *recorder, const char *format, ...)
{
    va_list arguments;
    ebb_progress_erase(&recorder->progress);
    va_start(arguments, format);
    ebb_command_note("record", format, arguments);
    va_end(arguments);
}

/* Says a trouble when it is a new one; "" ends it. */
static void trouble(struct recorder *recorder, char known[static 512], const char *text,
                    const char *what_now)
{
    if (*text && strcmp(known, text) != 0)
        note(recorder, "%s%s", text, what_now);
    if (known != text)
        snprintf(known, 512, "%s", text);
}

/* ---- sources ---- */

static int add_source(struct recorder *recorder, char *const *words, size_t count, bool is_command)
{
    return ebb_vec_push(&recorder->sources, (struct source){
                                                .words = words,
                                                .word_count = count,
                                                .is_command = is_command,
                                                .is_url = !is_command && ebb_is_url(words[0]),
                                            });
}

static void close_source(struct source *source)
{
    ebb_target_close(source->target, !source->is_command, GRACE_S);
    source->target = NULL;
    source->processes.len = 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool name_taken(const struct recorder *recorder, const char *name)
{
    for (size_t i = 0; i < recorder->sources.len; i++)
        if (recorder->sources.items[i].name && strcmp(recorder->sources.items[i].name, name) == 0)
            return true;
    return false;
}

/* The name under which a source is stored: a process's executable (numbered when several run it), a
 * program's command line, a service's address, which is without user and password. NULL: out of
 * memory. */
static char *name_of(const struct recorder *recorder, const struct source *source,
                     const struct ebb_evidence *evidence)
{
    bool is_process = !source->is_command && !source->is_url && *evidence->executable;
    const char *first = is_process ? base_name(evidence->executable) : evidence->target;
    char *name = strdup(first);
    for (int number = 2; name && name_taken(recorder, name); number++) {
        free(name);
        if (asprintf(&name, "%s #%d", first, number) < 0)
            return NULL;
    }
    return name;
}

/* ---- a process that was restarted ---- */

struct succession {
    const struct recorder *recorder;
    const struct source *source;
    pid_t pid; /* of the oldest successor; 0: there is none */
};

static bool is_recorded(const struct recorder *recorder, pid_t pid)
{
    for (size_t i = 0; i < recorder->sources.len; i++) {
        const struct source *source = &recorder->sources.items[i];
        for (size_t k = 0; source->target && k < ebb_target_subject_count(source->target); k++)
            if (ebb_target_subject(source->target, k)->pid == pid)
                return true;
    }
    return false;
}

static int consider(void *context, const struct ebb_identity *identity, bool alive, bool done)
{
    struct succession *succession = context;
    const struct source *source = succession->source;
    if (alive && !done && identity->started_realtime_ns > source->started_ns &&
        strcmp(identity->executable, source->executable) == 0 &&
        !is_recorded(succession->recorder, identity->pid))
        succession->pid = identity->pid; /* they come newest first */
    return 0;
}

/* Opens what a source names, or what took its place. 0, or a negative errno and the line. */
static int open_source(struct recorder *recorder, struct source *source, struct ebb_error *error)
{
    char pid[16], *successor = pid;
    char *const *words = source->words;
    if (*source->executable) {
        struct succession succession = {recorder, source, 0};
        ebb_reader_list(0, consider, &succession);
        if (succession.pid == 0)
            return ebb_error_set(error, -ESRCH, "%s has ended", source->name);
        snprintf(pid, sizeof pid, "%d", (int)succession.pid);
        words = &successor;
    }
    return ebb_target_open(words, source->word_count, source->is_command, &recorder->plan->target,
                           &source->target, error);
}

/* ---- storing ---- */

/* When a service began, on the wall clock; 0: unknown. Once known it stays, whoever sets that clock. */
static int64_t start_of_service(struct source *source, const struct ebb_evidence *evidence,
                                double seen_s, int64_t time_ns)
{
    if (evidence->age_s <= 0)
        return 0;
    double age_s = evidence->age_s + seen_s;
    double born_s = (double)ebb_clock_read(CLOCK_BOOTTIME) * 1e-9 - age_s;
    bool same = source->started_ns > 0 && source->pid == evidence->pid &&
                fabs(born_s - source->born_s) < SAME_START_S;
    if (same)
        return (int64_t)source->started_ns;
    source->pid = evidence->pid;
    source->born_s = born_s;
    return time_ns - (int64_t)(age_s * 1e9);
}

/* When the process began, on the wall clock; 0: unknown. */
static int64_t start_of(struct source *source, const struct ebb_evidence *evidence,
                        const struct ebb_profile *heap, int64_t time_ns)
{
    const struct ebb_observation *newest =
        &evidence->observations.items[evidence->observations.len - 1];
    if (source->is_url)
        return start_of_service(source, evidence, newest->time_s, time_ns);
    return heap->time_ns > heap->duration_ns ? heap->time_ns - heap->duration_ns : 0;
}

static int store_profiles(struct recorder *recorder, struct source *source, struct stored *stored,
                          const struct ebb_evidence *evidence, const struct ebb_profile *heap,
                          const struct ebb_profile *threads, struct ebb_error *error)
{
    const struct ebb_observation *newest =
        &evidence->observations.items[evidence->observations.len - 1];
    /* A profile knows its moment, which for a dead process is its end. */
    int64_t time_ns = heap->time_ns > 0 ? heap->time_ns : (int64_t)ebb_clock_realtime_ns();
    struct ebb_store_process process = {
        .target = source->name,
        .kind = evidence->kind,
        .pid = evidence->pid,
        .started_ns = start_of(source, evidence, heap, time_ns),
        .executable = evidence->executable,
        .go_version = evidence->go_version,
        .caution = evidence->caution && !evidence->reconstructed ? evidence->caution : "",
        .gc_forced = evidence->gc_forced,
        .life = source->life,
    };
    struct ebb_store_snapshot snapshot = {
        .time_ns = time_ns,
        .heap = heap,
        .threads = threads,
        .memory = newest->memory,
        .limit = newest->limit,
        .totals = {newest->allocs, newest->frees, newest->alloc_bytes, newest->threads,
                   newest->live_bytes_sd},
        .dropped = evidence->dropped,
    };
    int64_t life = 0;
    int code = ebb_store_add(recorder->store, &process, &snapshot, &stored->run, &life, error);
    if (code < 0)
        return code;
    if (source->life == 0)
        source->life = life;
    if (process.started_ns > 0)
        source->started_ns = (uint64_t)process.started_ns;
    stored->seen_s = newest->time_s;
    recorder->snapshots++;
    return 0;
}

/* Stores what is new of one process. */
static int store_process(struct recorder *recorder, struct source *source, size_t index,
                         struct ebb_error *error)
{
    struct stored *stored = &source->processes.items[index];
    struct ebb_evidence *evidence = ebb_target_subject(source->target, index);
    size_t seen = evidence->observations.len;
    int code = 0;
    if (seen > 0 && evidence->observations.items[seen - 1].time_s > stored->seen_s) {
        struct ebb_profile *heap = NULL, *threads = NULL;
        code = ebb_target_profile(source->target, index, "heap", &heap, error);
        if (code == 0) /* threads are extra */
            (void)ebb_target_profile(source->target, index,
                                     source->is_url ? "goroutine" : "threadcreate", &threads, NULL);
        if (code == 0)
            code = store_profiles(recorder, source, stored, evidence, heap, threads, error);
        ebb_profile_free(heap);
        ebb_profile_free(threads);
    }
    if (code == 0 && evidence->ended && !stored->ended && stored->run > 0) {
        code = ebb_store_end(recorder->store, stored->run, evidence->end_reason, error);
        stored->ended = code == 0;
    }
    ebb_evidence_forget(evidence);
    return code;
}

static int prepare(struct recorder *recorder, struct source *source, struct ebb_error *error)
{
    size_t count = ebb_target_subject_count(source->target);
    while (source->processes.len < count)
        if (ebb_vec_push(&source->processes, (struct stored){.seen_s = -1}) < 0)
            return ebb_error_set(error, -ENOMEM, "out of memory");
    if (source->name || count == 0)
        return 0;
    const struct ebb_evidence *evidence = ebb_target_subject(source->target, 0);
    source->name = name_of(recorder, source, evidence);
    return source->name ? 0 : ebb_error_set(error, -ENOMEM, "out of memory");
}

/* What the store could not do is the recorder's trouble, not the source's; 0: it is over. */
static void note_store(struct recorder *recorder, int code, const struct ebb_error *error)
{
    if (code == -EBADMSG || code == -ESTALE)
        recorder->fatal = code;
    trouble(recorder, recorder->trouble, code < 0 ? error->text : "",
            recorder->fatal ? "" : "; trying again at the next step");
}

/* Stores what is new of a source. */
static void store_source(struct recorder *recorder, struct source *source)
{
    struct ebb_error error = {""};
    int code = prepare(recorder, source, &error);
    for (size_t i = 0; code == 0 && i < source->processes.len; i++)
        code = store_process(recorder, source, i, &error);
    note_store(recorder, code, &error);
}

/* ---- looking ---- */

/* A target is at its end: a program's history is over, a process may be restarted. */
static void end_source(struct recorder *recorder, struct source *source)
{
    const struct ebb_evidence *evidence =
        ebb_target_subject_count(source->target) > 0 ? ebb_target_subject(source->target, 0) : NULL;
    char ended[512];
    snprintf(ended, sizeof ended, "%s has ended", source->name ? source->name : source->words[0]);
    if (source->is_command) {
        source->over = true;
        note(recorder, "%s%s%s", ended, evidence && *evidence->end_reason ? ": " : "",
             evidence ? evidence->end_reason : "");
    } else {
        trouble(recorder, source->trouble, ended, "; waiting for it to come back");
    }
    if (evidence && !source->is_url && !source->is_command)
        snprintf(source->executable, sizeof source->executable, "%s", evidence->executable);
    close_source(source);
    source->life = 0;
}

/* Looks at a source, or asks it and comes back when it has answered. */
static void look_at(struct recorder *recorder, struct source *source)
{
    struct ebb_error error = {""};
    int code = source->target ? 0 : open_source(recorder, source, &error);
    bool hopeless = code == -EINVAL; /* no time makes a URL right */
    source->asked = code == 0 && !ebb_target_ready(source->target);
    if (source->asked)
        return;
    if (code == 0)
        code = ebb_target_observe(source->target, &error);
    if (code >= 0) {
        store_source(recorder, source);
        if (code == 0 && *source->trouble)
            note(recorder, "%s is back", source->name ? source->name : source->words[0]);
        if (code == 0)
            source->trouble[0] = '\0';
        else
            end_source(recorder, source);
        source->asked = source->target && ebb_target_attend(source->target);
        return;
    }
    if (source->target) {
        store_source(recorder, source); /* what was seen before it was lost */
        close_source(source);
        source->life = 0; /* the store finds out whether it is still the same */
    }
    source->over = source->is_command || (hopeless && source->is_url);
    if (code == -ECONNRESET && source->name)
        snprintf(error.text, sizeof error.text, "%s has restarted", source->name);
    trouble(recorder, source->trouble, error.text, source->over ? "" : "; trying again");
}

static void show_progress(const struct recorder *recorder)
{
    char bytes[16], words[160];
    ebb_format_bytes((double)ebb_store_bytes(recorder->store), bytes);
    snprintf(words, sizeof words, "recording %zu target%s: %llu snapshot%s so far, store %s",
             recorder->sources.len, recorder->sources.len == 1 ? "" : "s",
             (unsigned long long)recorder->snapshots, recorder->snapshots == 1 ? "" : "s", bytes);
    ebb_progress_say(&recorder->progress, words);
}

static bool all_over(const struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->sources.len; i++)
        if (!recorder->sources.items[i].over)
            return false;
    return true;
}

/* The step of all sources. A service that did not answer before the `last` one is waited for no more.
 */
static void look_at_all(struct recorder *recorder, bool last)
{
    for (size_t i = 0; i < recorder->sources.len && !recorder->fatal; i++) {
        struct source *source = &recorder->sources.items[i];
        bool silent = last && source->is_url && *source->trouble;
        if (silent) {
            close_source(source);
            source->asked = false;
        } else if (!source->over && !source->asked) {
            look_at(recorder, source);
        }
    }
    show_progress(recorder);
}

/* A started program that has ended is looked at at once: its record says what it held. */
static void look_at_ended(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->sources.len; i++) {
        struct source *source = &recorder->sources.items[i];
        if (source->is_command && source->target && !ebb_target_running(source->target))
            look_at(recorder, source);
    }
}

static void prune_now(struct recorder *recorder)
{
    const struct ebb_store_keeping keeping = {recorder->plan->keep_s, EBB_STORE_FULL_S};
    struct ebb_error error = {""};
    int code =
        ebb_store_prune(recorder->store, &keeping, (int64_t)ebb_clock_realtime_ns(), NULL, &error);
    if (code < 0)
        note_store(recorder, code, &error);
}

/* Looks at those that have answered meanwhile. Whether others have yet to. */
static bool look_at_asked(struct recorder *recorder)
{
    bool more = false;
    for (size_t i = 0; i < recorder->sources.len && !recorder->fatal; i++) {
        struct source *source = &recorder->sources.items[i];
        if (source->asked)
            look_at(recorder, source);
        more |= source->asked;
    }
    return more && !recorder->fatal;
}

/* Waits for a time to come, or with `answers` only until all have answered. Whether to go on. */
static bool wait_until(struct recorder *recorder, double until_s, bool answers)
{
    do {
        bool more = look_at_asked(recorder);
        double left = fmax(until_s - now_s(), 0);
        if (recorder->fatal || (answers && !more))
            break;
        int signal = ebb_signals_wait((int)ceil(fmin(left, more ? ATTEND_S : 1000) * 1000));
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT)
            return false;
        if (signal == SIGCHLD) {
            look_at_ended(recorder);
            if (all_over(recorder))
                return false;
        }
    } while (now_s() < until_s);
    return true;
}

static void watch(struct recorder *recorder)
{
    double start = now_s(), next = start, prune = start;
    double end = recorder->plan->for_s > 0 ? start + recorder->plan->for_s : INFINITY;
    bool ended = false;
    while (!ended) {
        if (now_s() >= prune) {
            prune_now(recorder);
            prune = now_s() + PRUNE_EVERY_S;
        }
        ended = now_s() >= end;
        look_at_all(recorder, ended);
        if (recorder->fatal || all_over(recorder))
            return;
        next = fmin(fmax(next + recorder->plan->every_s, now_s()), end);
        if (!ended && !wait_until(recorder, next, false)) {
            look_at_all(recorder, true); /* the last word of each */
            end = now_s() + GRACE_S;
            break;
        }
    }
    /* At the end of its time what was asked is waited for: it is given up in time, with its reason. */
    wait_until(recorder, ended ? INFINITY : end, true);
}

/* ---- the command ---- */

/* What cannot be right is refused before anything is stored: a process that does not publish. */
static int open_processes(struct recorder *recorder, struct ebb_error *error)
{
    for (size_t i = 0; i < recorder->sources.len; i++) {
        struct source *source = &recorder->sources.items[i];
        int code = source->is_url ? 0 : open_source(recorder, source, error);
        if (code < 0)
            return code;
    }
    return 0;
}

static int add_sources(struct recorder *recorder, struct ebb_error *error)
{
    const struct plan *plan = recorder->plan;
    int code = 0;
    for (size_t i = 0; code == 0 && i < plan->word_count; i++)
        code = add_source(recorder, plan->words + i, 1, false);
    if (code == 0 && plan->program)
        code = add_source(recorder, plan->program, plan->program_words, true);
    return code < 0 ? ebb_error_set(error, code, "out of memory") : open_processes(recorder, error);
}

static int record(struct plan *plan)
{
    /* SIGXFSZ and SIGPIPE are caught to be told by write(2) instead. */
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGPIPE, SIGXFSZ, 0};
    struct recorder recorder = {.plan = plan, .progress = ebb_progress_start(stderr, 0)};
    struct ebb_error error = {""};
    int code = ebb_signals_catch(caught);
    if (code < 0)
        return ebb_command_fail("record", "%s", strerror(-code));
    plan->target.interrupt = ebb_signals_descriptor();
    code = ebb_store_open(plan->store, EBB_STORE_RECORD, &recorder.store, &error);
    if (code == 0)
        code = add_sources(&recorder, &error);
    if (code == 0)
        watch(&recorder);
    ebb_progress_erase(&recorder.progress);
    if (code == 0 && recorder.snapshots > 0) {
        char bytes[16];
        ebb_format_bytes((double)ebb_store_bytes(recorder.store), bytes);
        fprintf(stderr, "ebb record: %llu snapshot%s stored; %s holds %s\n",
                (unsigned long long)recorder.snapshots, recorder.snapshots == 1 ? "" : "s",
                plan->store, bytes);
    }
    for (size_t i = 0; i < recorder.sources.len; i++) {
        close_source(&recorder.sources.items[i]);
        ebb_vec_free(&recorder.sources.items[i].processes);
        free(recorder.sources.items[i].name);
    }
    ebb_vec_free(&recorder.sources);
    ebb_store_close(recorder.store);
    if (code < 0)
        return ebb_command_fail("record", "%s", error.text);
    return recorder.fatal || *recorder.trouble || recorder.snapshots == 0 ? 2 : 0;
}

static void print_time(int64_t time_ns, char text[static 32])
{
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm fields;
    if (time_ns <= 0 || !localtime_r(&seconds, &fields) ||
        strftime(text, 32, "%Y-%m-%d %H:%M:%S", &fields) == 0)
        snprintf(text, 32, "-");
}

static int print_summary(void *context, const struct ebb_store_summary *summary)
{
    char first[32], last[32], bytes[16];
    struct ebb_arena arena = {0}; /* a store may have been written by anybody */
    const char *kind = ebb_text_plain(&arena, summary->kind);
    const char *target = ebb_text_plain(&arena, summary->target);
    bool *any = context;
    if (!*any)
        printf("%-19s  %-19s  %9s  %4s  %9s  %-4s  %s\n", "FIRST", "LAST", "SNAPSHOTS", "RUNS",
               "SIZE", "KIND", "TARGET");
    *any = true;
    print_time(summary->first_ns, first);
    print_time(summary->last_ns, last);
    ebb_format_bytes((double)summary->bytes, bytes);
    printf("%-19s  %-19s  %9llu  %4llu  %9s  %-4s  %s\n", first, last,
           (unsigned long long)summary->snapshots, (unsigned long long)summary->lives, bytes,
           kind ? kind : "", target ? target : "");
    ebb_arena_free(&arena);
    return kind && target ? 0 : -ENOMEM;
}

static int list(const struct plan *plan)
{
    struct ebb_error error = {""};
    struct ebb_store *store;
    bool any = false;
    int code = ebb_store_open(plan->store, EBB_STORE_READ, &store, &error);
    if (code == 0)
        code = ebb_store_list(store, print_summary, &any, &error);
    ebb_store_close(store);
    if (code < 0)
        return ebb_command_fail("record", "%s", error.text);
    if (!any)
        puts("Nothing is stored.");
    return fflush(stdout) == 0 ? 0 : ebb_command_fail("record", "stdout: %s", strerror(errno));
}

static int prune(const struct plan *plan)
{
    const struct ebb_store_keeping keeping = {plan->keep_s, EBB_STORE_FULL_S};
    struct ebb_error error = {""};
    struct ebb_store *store;
    uint64_t removed = 0;
    char bytes[16];
    int code = ebb_store_open(plan->store, EBB_STORE_CHANGE, &store, &error);
    if (code == 0)
        code = ebb_store_prune(store, &keeping, (int64_t)ebb_clock_realtime_ns(), &removed, &error);
    if (code == 0)
        printf("removed %llu snapshot%s; %s holds %s\n", (unsigned long long)removed,
               removed == 1 ? "" : "s", plan->store,
               ebb_format_bytes((double)ebb_store_bytes(store), bytes));
    ebb_store_close(store);
    return code < 0 ? ebb_command_fail("record", "%s", error.text) : 0;
}

static int run(int argc, char **argv)
{
    struct plan plan = {.every_s = DEFAULT_STEP_S,
                        .keep_s = EBB_STORE_KEEP_S,
                        .target = {.output_to_stderr = false}};
    int stop = parse(argc, argv, &plan);
    if (stop)
        return stop - 1;
    /* As for a window of thirty steps: a service is asked for a collection after two and a half
     * steps without one, and Go itself makes one every two minutes. */
    plan.target.window_s = 30 * plan.every_s;
    plan.target.recording = true;
    return plan.list ? list(&plan) : plan.prune ? prune(&plan) : record(&plan);
}

const struct ebb_command ebb_command_record = {
    "record", "Diagnose", "keep a history of programs and services, for doctor --store", run};
