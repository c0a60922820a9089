/* ebb doctor: watches a target for a window of time and says what keeps its memory.
 *
 * The course of it: open the target (start the program), observe it at even steps until the window
 * is over, the target ends or somebody presses Ctrl-C; end a program that we started; diagnose; say
 * it. Whatever ends the window, the verdict on what was seen is given.
 *
 * A started program is never left behind: it is asked to end (SIGTERM, or the signal that ended us)
 * and killed when it does not listen, unless --keep lets it go on. */
#include "base/clock.h"
#include "base/output_file.h"
#include "base/vec.h"
#include "tool/collect/store.h"
#include "tool/collect/target.h"
#include "tool/commands/command.h"
#include "tool/commands/progress.h"
#include "tool/commands/signals.h"
#include "tool/diagnose/diagnose.h"
#include "tool/render/report.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_WINDOW_S 30.0
#define LONGEST_WINDOW_S (366 * 86400.0)
#define SHORTEST_STEP_S  0.05
#define ATTEND_S         0.1 /* looks at what is on its way in the background */
/* How long a program may take to end: after a forwarded signal, and after SIGTERM. */
#define PATIENCE_S 1.0
#define GRACE_S    5.0

struct plan {
    double window_s, every_s;
    bool json, keep;
    const char *html;
    struct ebb_target_options target;

    char **words; /* the target */
    size_t word_count;
    bool is_command;
};

static double now_s(void)
{
    return (double)ebb_clock_ns() * 1e-9;
}

/* ---- the command line ---- */

static void print_help(void)
{
    puts("Watches a program's memory and says what keeps it: the line of code, the pattern, how "
         "fast\n"
         "it grows, when the limit will be hit, and what to change. The program needs no rebuild.\n"
         "\n"
         "  ebb doctor [OPTION...] -- CMD ARG...   start a program, watch it, end it\n"
         "  ebb doctor [OPTION...] PID             a process that publishes, or the record of a "
         "dead "
         "one\n"
         "  ebb doctor [OPTION...] URL             a service that answers /debug/pprof: Go with\n"
         "                                         net/http/pprof, or `ebb serve`\n"
         "  ebb doctor [OPTION...] FILE FILE...    saved profiles, in time order\n"
         "  ebb doctor [OPTION...] --store FILE [TARGET]   what `ebb record` has kept\n"
         "\n"
         "  --for TIME        how long to watch (default: 30s); 5m and 1h30m are times too\n"
         "  --every TIME      how often to look (default: a thirtieth of it, 1s at most)\n"
         "  --sample SIZE     mean bytes between samples of a started program (default: 512K; 1\n"
         "                    records every block)\n"
         "  --store FILE      diagnose from a history; all its targets unless one is named\n"
         "  --since TIME      only so much of a history, counted from its end (default: all)\n"
         "  --json            print one JSON object instead of the report\n"
         "  --report FILE     write the report as an HTML page too\n"
         "  --keep            let a started program go on when the window is over\n"
         "  --only-parent     do not follow the processes that a started program starts\n"
         "  --no-gc           never ask a Go service for a garbage collection\n"
         "  --token TOKEN     a bearer token for the service (default: what EBB_TOKEN says)\n"
         "  --ca FILE         trust these certificates (PEM) instead of the system's\n"
         "  --insecure        trust any certificate\n"
         "\n"
         "A started program's output goes to stderr. Ctrl-C ends the window early, with the "
         "verdict\n"
         "so far. Exit status: 0 healthy, 1 found something, 2 could not look, or not to the end\n"
         "of the window because the service restarted or hung; what was seen is reported still.");
}

static int refuse(const char *option, const char *value, const char *what)
{
    return 1 + ebb_command_fail("doctor", "%s %s: %s", option, value, what);
}

/* 0 to go on, else the exit status + 1. */
static int parse_options(int argc, char **argv, struct plan *plan)
{
    static const struct option known[] = {{"for", required_argument, NULL, 'f'},
                                          {"every", required_argument, NULL, 'e'},
                                          {"sample", required_argument, NULL, 's'},
                                          {"report", required_argument, NULL, 'r'},
                                          {"store", required_argument, NULL, 'o'},
                                          {"since", required_argument, NULL, 'n'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"keep", no_argument, NULL, 'k'},
                                          {"only-parent", no_argument, NULL, 'p'},
                                          {"no-gc", no_argument, NULL, 'g'},
                                          {"token", required_argument, NULL, 't'},
                                          {"ca", required_argument, NULL, 'c'},
                                          {"insecure", no_argument, NULL, 'i'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", known, NULL)) != -1;)
        switch (option) {
        case 'f':
            plan->window_s = ebb_parse_duration(optarg);
            if (!(plan->window_s > 0 && plan->window_s <= LONGEST_WINDOW_S))
                return refuse("--for", optarg, "write a time such as 30s or 5m");
            break;
        case 'e':
            plan->every_s = ebb_parse_duration(optarg);
            if (!(plan->every_s >= SHORTEST_STEP_S && plan->every_s <= LONGEST_WINDOW_S))
                return refuse("--every", optarg, "write a time such as 1s, at least 50ms");
            break;
        case 's':
            plan->target.period = ebb_parse_size(optarg);
            if (plan->target.period == 0)
                return refuse("--sample", optarg, "write a size such as 512K or 1");
            break;
        case 'r':
            plan->html = optarg;
            break;
        case 'o':
            plan->target.store = optarg;
            break;
        case 'n':
            plan->target.since_s = ebb_parse_duration(optarg);
            if (!(plan->target.since_s > 0 && plan->target.since_s <= LONGEST_WINDOW_S))
                return refuse("--since", optarg, "write a time such as 6h or 7d");
            break;
        case 'j':
            plan->json = true;
            break;
        case 'k':
            plan->keep = true;
            break;
        case 'p':
            plan->target.only_parent = true;
            break;
        case 'g':
            plan->target.no_gc = true;
            break;
        case 't':
            plan->target.token = optarg;
            break;
        case 'c':
            plan->target.ca = optarg;
            break;
        case 'i':
            plan->target.insecure = true;
            break;
        case 'h':
            print_help();
            return 1;
        case ':':
            return 1 + ebb_command_fail("doctor", "%s needs a value", argv[optind - 1]);
        default:
            return 1 + ebb_command_fail("doctor",
                                        "unknown option %s; `ebb doctor --help` lists them, and a "
                                        "program's own options go after --",
                                        argv[optind - 1]);
        }
    return 0;
}

/* Whether the target goes on while we look; saved profiles do not. */
static bool is_alive(const struct plan *plan)
{
    const char *word = plan->words[0];
    return plan->is_command || (!plan->target.store && plan->word_count == 1 &&
                                (ebb_is_number(word) || ebb_is_url(word) || ebb_is_record(word)));
}

static int check_history(const struct plan *plan)
{
    if (plan->is_command || plan->word_count > 1)
        return 1 + ebb_command_fail("doctor", "with --store name one of its targets, or none for "
                                              "all; `ebb record` fills a store");
    if (plan->target.period || plan->keep || plan->target.only_parent)
        return 1 + ebb_command_fail("doctor",
                                    "--sample, --keep and --only-parent are for a program that is "
                                    "started here, not for a history");
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

    plan->is_command = end + 1 < argc;
    if (plan->is_command && optind < end)
        return 1 + ebb_command_fail("doctor", "name one target: '%s' or the program after --",
                                    argv[optind]);
    plan->words = plan->is_command ? argv + end + 1 : argv + optind;
    plan->word_count = (size_t)(plan->is_command ? argc - end - 1 : end - optind);
    if (plan->target.store)
        return check_history(plan);
    if (plan->target.since_s > 0)
        return 1 + ebb_command_fail("doctor", "--since is for a history: --store FILE");
    if (plan->word_count == 0)
        return 1 + ebb_command_fail("doctor", "name a target: ebb doctor -- CMD ARG..., "
                                              "ebb doctor PID, ebb doctor URL, or profiles in time "
                                              "order");
    if (!plan->is_command && (plan->target.period || plan->keep || plan->target.only_parent))
        return 1 + ebb_command_fail("doctor",
                                    "--sample, --keep and --only-parent are for a program "
                                    "that is started here: ebb doctor -- CMD ARG...");
    if ((plan->target.no_gc || plan->target.token || plan->target.ca || plan->target.insecure) &&
        (plan->is_command || !ebb_is_url(plan->words[0])))
        return 1 + ebb_command_fail("doctor", "--no-gc, --token, --ca and --insecure are for a "
                                              "service: ebb doctor http://HOST:PORT");
    if (!plan->is_command && !ebb_is_number(plan->words[0]) && !ebb_is_url(plan->words[0]) &&
        access(plan->words[0], F_OK) < 0)
        return 1 + ebb_command_fail("doctor",
                                    "%s: no such file; to start a program write: ebb doctor -- %s",
                                    plan->words[0], plan->words[0]);
    if (plan->word_count == 1 && !is_alive(plan))
        return 1 + ebb_command_fail("doctor",
                                    "%s: one profile cannot show growth; name two or more, in time "
                                    "order, or look at it with `ebb top`",
                                    plan->words[0]);
    if (plan->every_s == 0)
        plan->every_s = fmin(1, fmax(plan->window_s / 30, SHORTEST_STEP_S));
    if (plan->every_s * 2 > plan->window_s)
        return 1 +
               ebb_command_fail("doctor", "--every must be at most half of --for, to see growth");
    return 0;
}

/* ---- the window ---- */

/* Waits for a time to come; the signal that asks us to stop, or 0. A program's end wakes us too. */
static int wait_until(double until_s, struct ebb_target *target, bool is_command)
{
    double left;
    do {
        double longest = ebb_target_attend(target) ? ATTEND_S : 1000;
        left = until_s - now_s();
        int signal = ebb_signals_wait((int)ceil(fmin(fmax(left, 0), longest) * 1000));
        if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP || signal == SIGQUIT)
            return signal;
        if (signal == SIGCHLD && is_command && !ebb_target_running(target))
            return 0;
    } while (left > 0);
    return 0;
}

struct window {
    bool complete; /* it was seen to its end */
    int signal;    /* what cut it short, 0 for nothing */
};

/* Observes until the window is over. 0, or a negative errno and the line: what was seen until then
 * is evidence still. */
static int watch(const struct plan *plan, struct ebb_target *target, struct window *window,
                 struct ebb_error *error)
{
    struct ebb_progress progress = ebb_progress_start(stderr, plan->window_s);
    bool lives = is_alive(plan);
    double start = now_s(), next = start;
    int code;
    for (;;) {
        code = ebb_target_observe(target, error);
        if (code != 0 || window->signal)
            break;
        if (!lives)
            continue; /* saved profiles: as many as there are */
        double elapsed = now_s() - start;
        if (elapsed >= plan->window_s) {
            window->complete = true;
            break;
        }
        ebb_progress_show(&progress, target, elapsed);
        next = fmin(fmax(next + plan->every_s, now_s()), start + plan->window_s);
        window->signal = wait_until(next, target, plan->is_command);
    }
    if (code >= 0) {
        int concluded = ebb_target_conclude(target, error);
        code = concluded < 0 ? concluded : code;
    }
    ebb_progress_erase(&progress);
    if (!lives)
        return code < 0 ? code : 0;
    for (size_t i = 0; i < ebb_target_subject_count(target); i++) {
        struct ebb_evidence *subject = ebb_target_subject(target, i);
        subject->window_s = plan->window_s;
        subject->complete = window->complete && code >= 0;
    }
    return code < 0 ? code : 0;
}

/* Whether the program ended within `patience_s`; a second Ctrl-C ends the patience. */
static bool ends_within(struct ebb_target *target, double patience_s)
{
    double until = now_s() + patience_s;
    while (ebb_target_running(target)) {
        double left = until - now_s();
        if (left <= 0)
            return false;
        int signal = ebb_signals_wait((int)ceil(left * 1000));
        if (signal == SIGINT || signal == SIGTERM || signal == SIGQUIT)
            return false;
    }
    return true;
}

static void end_program(struct ebb_target *target, int signal)
{
    struct ebb_progress progress = ebb_progress_start(stderr, 0);
    if (!ebb_target_running(target))
        return;
    ebb_progress_say(&progress, "ending the program");
    if (signal && signal != SIGTERM) {
        ebb_target_signal(target, signal);
        if (ends_within(target, PATIENCE_S)) {
            ebb_progress_erase(&progress);
            return;
        }
    }
    ebb_target_signal(target, SIGTERM);
    if (!ends_within(target, GRACE_S)) {
        ebb_target_signal(target, SIGKILL);
        ends_within(target, GRACE_S);
    }
    ebb_progress_erase(&progress);
}

/* ---- the verdict ---- */

static int write_html(const struct ebb_report *report, const char *path, struct ebb_error *error)
{
    struct ebb_output_file file;
    int code = ebb_output_file_open(&file, path);
    if (!code)
        code = ebb_output_file_close(&file, ebb_report_html(report, true, file.stream));
    return code ? ebb_error_set(error, code, "--report %s: %s", path, strerror(-code)) : 0;
}

static int say(const struct plan *plan, const struct ebb_report *report, struct ebb_error *error)
{
    struct ebb_report_style style = ebb_report_style_for(stdout);
    int code =
        plan->json ? ebb_report_json(report, stdout) : ebb_report_terminal(report, &style, stdout);
    if (code < 0)
        return ebb_error_set(error, code, "cannot write the report: %s", strerror(-code));
    if (!plan->html)
        return 0;
    code = write_html(report, plan->html, error);
    if (code == 0)
        fprintf(stderr, "ebb doctor: wrote %s\n", plan->html);
    return code;
}

/* Whether the record had no room for what a process allocated while its memory grew: then that
 * nothing was found says nothing. */
static bool outgrew_record(const struct ebb_evidence *subject)
{
    size_t count = subject->observations.len;
    if (subject->dropped == 0 || count < 2)
        return false;
    const struct ebb_observation *first = &subject->observations.items[0];
    const struct ebb_observation *last = &subject->observations.items[count - 1];
    double blocks = (double)(last->allocs - last->frees),
           before = (double)(first->allocs - first->frees);
    double memory = (double)last->memory.rss_anonymous, held = (double)first->memory.rss_anonymous;
    bool known =
        last->memory.rss_anonymous != UINT64_MAX && first->memory.rss_anonymous != UINT64_MAX;
    return blocks > 1.05 * before || (known && memory > 1.05 * held);
}

/* Diagnoses all subjects that were seen long enough for it. The exit status, or a negative errno.
 */
static int judge(const struct plan *plan, struct ebb_target *target, struct ebb_error *error)
{
    size_t all = ebb_target_subject_count(target), count = 0;
    struct ebb_evidence **subjects = calloc(all + 1, sizeof *subjects);
    if (!subjects)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < all; i++) {
        struct ebb_evidence *subject = ebb_target_subject(target, i);
        if (i == 0 || subject->observations.len >= 2)
            subjects[count++] = subject;
    }
    if (count > 1 && subjects[0]->observations.len < 2) {
        count--;
        memmove(subjects, subjects + 1, count * sizeof *subjects);
    }

    struct ebb_report report = {0};
    int code = count == 0 ? ebb_error_set(error, -ENODATA, "nothing was seen of %s", plan->words[0])
                          : ebb_diagnose(subjects, count, &report, error);
    for (size_t i = 0; i < count && code == 0 && report.healthy; i++)
        if (outgrew_record(subjects[i])) {
            code = ebb_error_set(error, -ENOSPC,
                                 "process %d grows, but its record in " EBB_CHANNEL_DIRECTORY
                                 " is full: sample less often (--sample 2M) or make room there",
                                 (int)subjects[i]->pid);
            ebb_report_free(&report);
        }
    if (code == 0) {
        code = say(plan, &report, error);
        if (code == 0)
            code = report.healthy ? 0 : 1;
        ebb_report_free(&report);
    }
    free(subjects);
    return code;
}

/* Whether enough was seen to judge. */
static bool saw_enough(struct ebb_target *target)
{
    for (size_t i = 0; i < ebb_target_subject_count(target); i++)
        if (ebb_target_subject(target, i)->observations.len >= 2)
            return true;
    return false;
}

/* Looks at one target and says what there is to say. The exit status. */
static int examine(const struct plan *plan)
{
    struct ebb_target_options options = plan->target;
    struct ebb_error error = {0}, lost = {0};
    struct ebb_target *target = NULL;
    options.output_to_stderr = true;
    options.window_s = plan->window_s;
    options.interrupt = ebb_signals_descriptor();
    int code =
        ebb_target_open(plan->words, plan->word_count, plan->is_command, &options, &target, &error);
    if (code < 0)
        return ebb_command_fail("doctor", "%s", error.text[0] ? error.text : strerror(-code));

    struct window window = {0};
    code = watch(plan, target, &window, &error);
    if (plan->is_command && !plan->keep)
        end_program(target, window.signal);
    bool was_lost = code < 0;
    if (was_lost)
        lost = error;
    if (!was_lost || (ebb_is_url(plan->words[0]) && saw_enough(target)))
        code = judge(plan, target, &error);
    if (was_lost && code >= 0)
        code = ebb_error_set(&error, -EIO, "%s", lost.text);
    ebb_target_close(target, plan->keep || !plan->is_command, GRACE_S);
    if (code < 0)
        return ebb_command_fail("doctor", "%s", error.text[0] ? error.text : strerror(-code));
    return code;
}

/* The names of a store's targets. */
struct names EBB_VEC(char *);

static int note_name(void *context, const struct ebb_store_summary *summary)
{
    struct names *names = context;
    char *name = strdup(summary->target);
    if (name && ebb_vec_push(names, name) == 0)
        return 0;
    free(name);
    return -ENOMEM;
}

static int list_names(const char *path, const char *word, struct names *names,
                      struct ebb_error *error)
{
    struct ebb_store *store;
    char *name = NULL;
    int code = ebb_store_open(path, EBB_STORE_READ, &store, error);
    if (code < 0)
        return code;
    if (word) {
        code = ebb_store_find(store, word, &name, error);
        if (code == 0)
            code = ebb_vec_push(names, name);
    } else {
        code = ebb_store_list(store, note_name, names, error);
    }
    ebb_store_close(store);
    if (code == 0 && names->len == 0)
        return ebb_error_set(error, -ENODATA, "%s: nothing was recorded into it", path);
    return code == -ENOMEM ? ebb_error_set(error, code, "%s: out of memory", path) : code;
}

/* All targets of a history in turn, or the one that was named: the worst exit status. */
static int examine_history(struct plan *plan)
{
    struct names names = {0};
    struct ebb_error error = {0};
    int worst = 0;
    int code = list_names(plan->target.store, plan->word_count > 0 ? plan->words[0] : NULL, &names,
                          &error);
    if (code == 0 && names.len > 1 && (plan->json || plan->html))
        code = ebb_error_set(&error, -EINVAL,
                             "%s holds several targets and --json and --report are about one: name "
                             "it (`ebb record --list` has them)",
                             plan->target.store);
    plan->word_count = 1;
    for (size_t i = 0; code == 0 && i < names.len; i++) {
        plan->words = &names.items[i];
        if (i > 0)
            putchar('\n');
        int status = examine(plan);
        worst = status > worst ? status : worst;
    }
    for (size_t i = 0; i < names.len; i++)
        free(names.items[i]);
    ebb_vec_free(&names);
    return code < 0 ? ebb_command_fail("doctor", "%s", error.text) : worst;
}

static int run(int argc, char **argv)
{
    /* SIGPIPE is caught to be told by write(2) instead, without a program inheriting it ignored. */
    static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD, SIGPIPE, 0};
    struct plan plan = {.window_s = DEFAULT_WINDOW_S};
    int stop = parse(argc, argv, &plan);
    if (stop)
        return stop - 1;
    int code = ebb_signals_catch(caught);
    if (code < 0)
        return ebb_command_fail("doctor", "%s", strerror(-code));
    return plan.target.store ? examine_history(&plan) : examine(&plan);
}

const struct ebb_command ebb_command_doctor = {
    "doctor", "Diagnose", "what keeps growing, why, until when, what to change", run};
