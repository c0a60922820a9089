/* Options, help and opening for the commands that look at a profile. See look.h. */
#include "tool/commands/look.h"

#include "base/output_file.h"
#include "tool/collect/symbolize_profile.h"
#include "tool/collect/target.h"
#include "tool/commands/command.h"
#include "tool/render/flame.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- options ---- */

enum { ALL = EBB_TOP | EBB_TREE | EBB_PEEK | EBB_LIST | EBB_DIFF | EBB_FLAME };

enum option_id {
    SAMPLE = 256,
    CUM,
    LINES,
    FUNCTIONS,
    FOCUS,
    IGNORE,
    HIDE,
    SHOW,
    BASE,
    MIN_PERCENT,
    INVERTED,
    TREE,
    FLAME,
    SVG,
    TITLE,
    SOURCE_PATH,
    TOKEN,
    CA,
    INSECURE,
    FOLDED,
    JSON,
    NODES = 'n',
    OUTPUT = 'o',
    HELP = 'h',
};

static const struct spec {
    const char *name, *argument; /* NULL: takes none */
    int id;
    unsigned commands;
    const char *help;
} specs[] = {
    {"sample", "TYPE", SAMPLE, ALL, "the value to show: inuse_space, alloc_objects, cpu, ..."},
    {"cum", NULL, CUM, EBB_TOP | EBB_DIFF, "sort by cumulative value"},
    {"lines", NULL, LINES, ALL & ~EBB_LIST, "a row for each line of source"},
    {"functions", NULL, FUNCTIONS, ALL & ~EBB_LIST, "a row for each function (default)"},
    {"nodes", "N", NODES, EBB_TOP | EBB_DIFF, "at most N rows"},
    {"min-percent", "P", MIN_PERCENT, EBB_TOP | EBB_TREE | EBB_DIFF | EBB_FLAME,
     "leave out what holds less than P % of everything"},
    {"inverted", NULL, INVERTED, EBB_TREE | EBB_FLAME | EBB_DIFF,
     "from the leaf up: who asked for it"},
    {"focus", "REGEX", FOCUS, ALL, "only stacks with a matching frame"},
    {"ignore", "REGEX", IGNORE, ALL, "no stacks with a matching frame"},
    {"hide", "REGEX", HIDE, ALL, "take matching frames out of stacks"},
    {"show", "REGEX", SHOW, ALL, "leave only matching frames in stacks"},
    {"base", "FILE", BASE, ALL & ~EBB_DIFF, "take this profile away first"},
    {"source-path", "DIRS", SOURCE_PATH, EBB_LIST, "where sources are, colon-separated"},
    {"tree", NULL, TREE, EBB_DIFF, "the difference as a call tree"},
    {"flame", "FILE", FLAME, EBB_DIFF, "the difference as a flame graph"},
    {"svg", NULL, SVG, EBB_FLAME | EBB_DIFF, "a static image in place of the page"},
    {"title", "TEXT", TITLE, EBB_FLAME | EBB_DIFF, "a title for the page"},
    {"folded", NULL, FOLDED, EBB_TOP | EBB_TREE | EBB_FLAME,
     "collapsed stacks on stdout: `root;...;leaf value`"},
    {"json", NULL, JSON, EBB_TOP | EBB_TREE | EBB_DIFF, "one JSON object on stdout"},
    {"output", "FILE", OUTPUT, EBB_TOP | EBB_TREE | EBB_DIFF,
     "write the profile (pprof, gzipped) there instead"},
    {"output", "FILE", OUTPUT, EBB_FLAME, "where to write (default: flame.html or flame.svg)"},
    {"token", "TOKEN", TOKEN, ALL, "a bearer token for services (default: EBB_TOKEN)"},
    {"ca", "FILE", CA, ALL, "trust these certificates (PEM) for https"},
    {"insecure", NULL, INSECURE, ALL, "trust any certificate"},
    {"help", NULL, HELP, ALL, "this text"},
};
enum { SPECS = sizeof specs / sizeof *specs };

static void print_help(const struct ebb_look_command *command)
{
    printf("%s\n%s\n", command->about, command->usage);
    for (size_t i = 0; i < SPECS; i++) {
        if (!(specs[i].commands & command->which))
            continue;
        char left[64];
        bool letter = specs[i].id < 256;
        snprintf(left, sizeof left, "%c%c%s --%s%s%s", letter ? '-' : ' ',
                 letter ? specs[i].id : ' ', letter ? "," : " ", specs[i].name,
                 specs[i].argument ? " " : "", specs[i].argument ? specs[i].argument : "");
        printf("  %-24s %s\n", left, specs[i].help);
    }
    printf("\nA TARGET is a profile (pprof or a legacy heap profile, gzipped or not), several of "
           "them to be\nadded up, - for standard input, the PID of a process that `ebb ps` "
           "lists, or the URL of a\nservice: http://HOST:PORT gives its heap, "
           "http://HOST:PORT/debug/pprof/goroutine that, and so\non. REGEX is POSIX extended, "
           "looked for in function, file and library names.\n"
           "\nExamples\n%s",
           command->examples);
}

static int refuse(const struct ebb_look *look, const char *option, const char *value,
                  const char *what)
{
    return 1 + ebb_command_fail(look->command->name, "%s %s: %s", option, value, what);
}

static int parse_count(struct ebb_look *look, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long count = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || count == 0 || count > SIZE_MAX)
        return refuse(look, "--nodes", text, "write how many rows, 1 or more");
    look->nodes = (size_t)count;
    return 0;
}

static int parse_percent(struct ebb_look *look, const char *text)
{
    char *end;
    double percent = strtod(text, &end);
    if (end == text || (*end && strcmp(end, "%") != 0) || !(percent >= 0 && percent <= 100))
        return refuse(look, "--min-percent", text, "write a number from 0 to 100");
    look->min_percent = percent;
    return 0;
}

static int take_option(struct ebb_look *look, int id, char *value)
{
    switch (id) {
    case SAMPLE:
        look->view.sample = value;
        return 0;
    case CUM:
        look->by_cum = true;
        return 0;
    case LINES:
        look->view.granularity = EBB_LINES;
        return 0;
    case FUNCTIONS:
        look->view.granularity = EBB_FUNCTIONS;
        return 0;
    case NODES:
        return parse_count(look, value);
    case MIN_PERCENT:
        return parse_percent(look, value);
    case INVERTED:
        look->inverted = true;
        return 0;
    case FOCUS:
        look->view.focus = value;
        return 0;
    case IGNORE:
        look->view.ignore = value;
        return 0;
    case HIDE:
        look->view.hide = value;
        return 0;
    case SHOW:
        look->view.show = value;
        return 0;
    case BASE:
        look->base = value;
        return 0;
    case SOURCE_PATH:
        look->view.source_path = value;
        return 0;
    case TREE:
        look->tree = true;
        return 0;
    case FLAME:
        look->flame = value;
        return 0;
    case SVG:
        look->svg = true;
        return 0;
    case TITLE:
        look->title = value;
        return 0;
    case TOKEN:
        look->token = value;
        return 0;
    case CA:
        look->ca = value;
        return 0;
    case INSECURE:
        look->insecure = true;
        return 0;
    case FOLDED:
        look->folded = true;
        return 0;
    case JSON:
        look->json = true;
        return 0;
    case OUTPUT:
        look->output = value;
        return 0;
    default:
        print_help(look->command);
        return 1;
    }
}

int ebb_look_parse(struct ebb_look *look, const struct ebb_look_command *command, int argc,
                   char **argv)
{
    *look = (struct ebb_look){.command = command, .min_percent = -1};
    struct option known[SPECS + 1] = {0};
    char letters[3 * SPECS + 2] = ":";
    size_t count = 0, letter = 1;
    for (size_t i = 0; i < SPECS; i++) {
        if (!(specs[i].commands & command->which))
            continue;
        known[count++] =
            (struct option){specs[i].name, specs[i].argument != NULL, NULL, specs[i].id};
        if (specs[i].id < 256) {
            letters[letter++] = (char)specs[i].id;
            if (specs[i].argument)
                letters[letter++] = ':';
        }
    }
    for (int id; (id = getopt_long(argc, argv, letters, known, NULL)) != -1;) {
        if (id == ':')
            return 1 + ebb_command_fail(command->name, "%s needs a value", argv[optind - 1]);
        if (id == '?')
            return 1 + ebb_command_fail(command->name,
                                        "unknown option %s; `ebb %s --help` lists "
                                        "them",
                                        argv[optind - 1], command->name);
        int stop = take_option(look, id, optarg);
        if (stop)
            return stop;
    }
    look->words = argv + optind;
    look->word_count = (size_t)(argc - optind);
    return 0;
}

char *ebb_look_shift(struct ebb_look *look)
{
    if (look->word_count == 0)
        return NULL;
    look->word_count--;
    return *look->words++;
}

/* ---- opening ---- */

/* The heap of a process, or what the URL of a service names. */
static int read_target(const struct ebb_look *look, char *word, struct ebb_profile **profile,
                       struct ebb_error *error)
{
    struct ebb_target *target;
    const struct ebb_target_options options = {
        .only_parent = true, .token = look->token, .ca = look->ca, .insecure = look->insecure};
    int failed = ebb_target_open(&word, 1, false, &options, &target, error);
    if (failed < 0)
        return failed;
    if (!ebb_is_url(word))
        failed = ebb_target_observe(target, error);
    if (failed >= 0)
        failed = ebb_target_profile(target, 0, ebb_is_url(word) ? "" : "heap", profile, error);
    ebb_target_close(target, true, 0);
    return failed < 0 ? failed : 0;
}

static int read_stdin(struct ebb_profile **profile, struct ebb_error *error)
{
    struct bytes EBB_VEC(char) bytes = {0};
    if (isatty(STDIN_FILENO))
        return ebb_error_set(error, -EINVAL,
                             "- reads a profile from standard input, which is a "
                             "terminal; pipe one in");
    for (;;) {
        if (ebb_vec_reserve(&bytes, bytes.len + 65536) < 0) {
            ebb_vec_free(&bytes);
            return ebb_error_set(error, -ENOMEM, "out of memory");
        }
        ssize_t got = read(STDIN_FILENO, bytes.items + bytes.len, bytes.cap - bytes.len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int code = -errno;
            ebb_vec_free(&bytes);
            return ebb_error_set(error, code, "cannot read standard input: %s", strerror(-code));
        }
        if (got == 0)
            break;
        bytes.len += (size_t)got;
    }
    int failed = ebb_profile_read_memory(bytes.items, bytes.len, "standard input", profile, error);
    ebb_vec_free(&bytes);
    return failed;
}

static int read_word(const struct ebb_look *look, char *word, struct ebb_profile **profile,
                     struct ebb_error *error)
{
    if (strcmp(word, "-") == 0)
        return read_stdin(profile, error);
    return ebb_is_number(word) || ebb_is_url(word) ? read_target(look, word, profile, error)
                                                   : ebb_profile_read_file(word, profile, error);
}

/* Replaces a profile by what was made of it. */
static void replace(struct ebb_profile **profile, struct ebb_profile *made)
{
    if (!made)
        return;
    ebb_profile_free(*profile);
    *profile = made;
}

static int finish_profile(struct ebb_profile **profile, struct ebb_error *error)
{
    struct ebb_profile *symbolized = NULL;
    int failed = ebb_profile_symbolize(*profile, &symbolized, error);
    if (failed)
        return failed;
    replace(profile, symbolized);
    failed = ebb_profile_prune(*profile, error);
    return failed == -EINVAL ? 0 : failed; /* nothing is dropped then, as in pprof */
}

int ebb_look_read(const struct ebb_look *look, char **words, size_t count,
                  struct ebb_profile **profile, struct ebb_error *error)
{
    struct ebb_profile **each = calloc(count ? count : 1, sizeof *each), *sum = NULL;
    int failed = 0;
    *profile = NULL;
    if (!each)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count && !failed; i++)
        failed = read_word(look, words[i], &each[i], error);
    if (!failed && count == 1) {
        sum = each[0];
        each[0] = NULL;
    } else if (!failed) {
        failed =
            ebb_profile_merge((const struct ebb_profile *const *)each, NULL, count, &sum, error);
    }
    if (!failed)
        failed = finish_profile(&sum, error);
    for (size_t i = 0; i < count; i++)
        ebb_profile_free(each[i]);
    free(each);
    if (failed) {
        ebb_profile_free(sum);
        sum = NULL;
    }
    *profile = sum;
    return failed;
}

int ebb_look_open(struct ebb_look *look, struct ebb_error *error)
{
    if (look->word_count == 0)
        return ebb_error_set(error, -EINVAL, "name a profile or a PID; `ebb %s --help` shows how",
                             look->command->name);
    int failed = ebb_look_read(look, look->words, look->word_count, &look->profile, error);
    if (!failed && look->base)
        failed = ebb_look_read(look, (char **)&look->base, 1, &look->before, error);
    return failed;
}

int ebb_look_subtract(struct ebb_look *look, struct ebb_error *error)
{
    static const int signs[] = {1, -1};
    const struct ebb_profile *both[] = {look->profile, look->before};
    struct ebb_profile *difference;
    if (!look->before)
        return 0;
    int failed = ebb_profile_merge(both, signs, 2, &difference, error);
    if (failed)
        return failed;
    replace(&look->profile, difference);
    ebb_profile_free(look->before);
    look->before = NULL;
    return 0;
}

/* ---- viewing ---- */

int ebb_look_view(struct ebb_look *look, struct ebb_error *error)
{
    int failed = ebb_view_make(&look->shown, look->profile, &look->nodes_seen, &look->view, error);
    if (!failed && look->before)
        failed =
            ebb_view_make(&look->shown_before, look->before, &look->nodes_seen, &look->view, error);
    if (failed)
        return failed;
    for (size_t i = 0; i < 4 && look->shown.unmatched[i]; i++)
        fprintf(stderr, "ebb %s: %s matches nothing\n", look->command->name,
                look->shown.unmatched[i]);
    return 0;
}

int ebb_look_write(const struct ebb_look *look, struct ebb_error *error)
{
    struct ebb_profile *profile;
    int failed = ebb_view_profile(&look->shown, &profile, error);
    if (failed)
        return failed;
    failed = ebb_profile_write_file(profile, look->output, error);
    ebb_profile_free(profile);
    if (!failed)
        fprintf(stderr, "ebb %s: wrote %s\n", look->command->name, look->output);
    return failed;
}

static int draw_flame(const struct ebb_look *look, FILE *out)
{
    const struct ebb_flame_options options = {.title = look->title, .inverted = look->inverted};
    const struct ebb_view *before = look->before ? &look->shown_before : NULL;
    double smallest = look->min_percent < 0 ? EBB_FLAME_SMALLEST : look->min_percent / 100;
    struct ebb_calltree tree, inverted;
    int failed = ebb_calltree_make(&tree, &look->shown, before, look->svg && look->inverted,
                                   EBB_BY_WIDTH, smallest);
    if (failed)
        return failed;
    if (look->svg) {
        failed = ebb_flame_svg(&tree, &look->shown, &options, out);
    } else {
        failed = ebb_calltree_make(&inverted, &look->shown, before, true, EBB_BY_WIDTH, smallest);
        if (!failed) {
            failed = ebb_flame_html(&tree, &inverted, &look->shown, &options, out);
            ebb_calltree_free(&inverted);
        }
    }
    ebb_calltree_free(&tree);
    return failed;
}

static int draw_into(const struct ebb_look *look, const char *path, struct ebb_error *error)
{
    struct ebb_output_file file;
    int code = ebb_output_file_open(&file, path);
    if (!code)
        code = ebb_output_file_close(&file, draw_flame(look, file.stream));
    return code ? ebb_error_set(error, code, "cannot write %s: %s", path, strerror(-code)) : 0;
}

int ebb_look_flame(const struct ebb_look *look, const char *path, struct ebb_error *error)
{
    int failed;
    if (strcmp(path, "-") == 0) {
        failed = draw_flame(look, stdout);
        return failed ? ebb_error_set(error, failed, "out of memory") : 0;
    }
    failed = draw_into(look, path, error);
    if (!failed)
        fprintf(stderr, "ebb %s: wrote %s\n", look->command->name, path);
    return failed;
}

struct ebb_ranking_options ebb_look_ranking(const struct ebb_look *look)
{
    return (struct ebb_ranking_options){
        .by_cum = look->by_cum,
        .limit = look->nodes,
        .node_fraction = look->min_percent < 0 ? EBB_NODE_FRACTION : look->min_percent / 100,
        .edge_fraction = EBB_EDGE_FRACTION,
    };
}

int ebb_look_end(struct ebb_look *look, int failed, const struct ebb_error *error)
{
    ebb_view_free(&look->shown);
    ebb_view_free(&look->shown_before);
    ebb_nodes_free(&look->nodes_seen);
    ebb_profile_free(look->profile);
    ebb_profile_free(look->before);
    if (failed)
        return ebb_command_fail(look->command->name, "%s", error->text);
    if (fflush(stdout) != 0 || ferror(stdout))
        return ebb_command_fail(look->command->name, "cannot write to stdout: %s", strerror(errno));
    return 0;
}
