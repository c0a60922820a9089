/* ebb-lab: runs experiments and prints claim beside measurement. `ebb lab` starts it.
 *
 *     ebb-lab [--json] [--no-go] [--list] [EXPERIMENT...]
 *
 * An experiment's twin in Go is run with `go run` on the sources that lie beside this program, in the
 * folder `go` or in $EBB_LAB_GO. */
#include "lab/lab.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const struct lab_experiment *const experiments[] = {
    &lab_clear_or_remake, &lab_reuse_in_loop, &lab_bounded_cache,
    &lab_grow_or_reserve, &lab_delete_most,
};
enum { COUNT = sizeof experiments / sizeof *experiments, MAX_ROWS = 64 };

struct row {
    char what[80];
    const char *unit, *claim;
    double ebb, go; /* NAN: not measured */
};

struct lab {
    struct row rows[MAX_ROWS];
    size_t count;
    bool failed; /* a measurement of ours */
};

void lab_row(struct lab *lab, const char *what, const char *unit, const char *claim, double value)
{
    if (lab->count == MAX_ROWS)
        return;
    struct row *row = &lab->rows[lab->count++];
    *row = (struct row){.unit = unit, .claim = claim, .ebb = value, .go = NAN};
    lab->failed |= isnan(value);
    snprintf(row->what, sizeof row->what, "%s", what);
}

/* ---- Go ---- */

/* The folder of the twins; NULL: not found. */
static const char *go_folder(char path[static 4096])
{
    const char *given = getenv("EBB_LAB_GO");
    if (given)
        return access(given, R_OK) == 0 ? given : NULL;
    ssize_t length = readlink("/proc/self/exe", path, 4000);
    if (length < 0)
        return NULL;
    path[length] = 0;
    char *slash = strrchr(path, '/');
    strcpy(slash ? slash : path, "/go");
    return access(path, R_OK) == 0 ? path : NULL;
}

/* A word for the shell. */
static void quote(FILE *out, const char *word)
{
    fputc('\'', out);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", out);
        else
            fputc(*word, out);
    fputc('\'', out);
}

/* Runs the twin and fills in its column. False: there is none to run. */
static bool run_go(const struct lab_experiment *experiment, struct lab *lab)
{
    char path[4096], line[256], *command = NULL;
    size_t size;
    const char *folder = go_folder(path);
    FILE *text = folder ? open_memstream(&command, &size) : NULL;
    if (!text)
        return false;
    fputs("GOFLAGS= GO111MODULE=off go run ", text);
    char file[4200];
    snprintf(file, sizeof file, "%s/%s", folder, experiment->go);
    quote(text, file);
    fputs(" 2>/dev/null", text);
    fclose(text);
    FILE *output = popen(command, "r"); /* NOLINT(cert-env33-c): the path is quoted */
    free(command);
    if (!output)
        return false;
    while (fgets(line, sizeof line, output)) {
        char *tab = strchr(line, '\t');
        if (!tab)
            continue;
        *tab = 0;
        for (size_t i = 0; i < lab->count; i++)
            if (strcmp(lab->rows[i].what, line) == 0)
                lab->rows[i].go = strtod(tab + 1, NULL);
    }
    return pclose(output) == 0;
}

/* "go1.22.3", "" without a Go. */
static const char *go_version(char version[static 64])
{
    /* NOLINTNEXTLINE(cert-env33-c): what is to be found is whatever `go` is for the user */
    FILE *output = popen("go env GOVERSION 2>/dev/null", "r");
    version[0] = 0;
    if (!output)
        return version;
    if (!fgets(version, 64, output))
        version[0] = 0;
    version[strcspn(version, "\n")] = 0;
    if (pclose(output) != 0)
        version[0] = 0;
    return version;
}

/* ---- printing ---- */

static const char *figure(double value, const char *unit, char buffer[static 32])
{
    if (isnan(value))
        return "-";
    int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(buffer, 32, "%.*f %s", decimals, value, unit);
    return buffer;
}

static void print_text(const struct lab_experiment *experiment, const struct lab *lab,
                       const char *go)
{
    char mine[32], other[32];
    printf("%s  %s  (%s)\n\n", experiment->id, experiment->title, experiment->source);
    printf("  %-52s %24s %12s %12s\n", "", "claimed", "Ebb", *go ? go : "Go");
    for (size_t i = 0; i < lab->count; i++) {
        const struct row *row = &lab->rows[i];
        char claim[64];
        bool number = row->claim[0] >= '0' && row->claim[0] <= '9' && !strchr(row->claim, ',');
        snprintf(claim, sizeof claim, "%s%s%s", row->claim, number ? " " : "",
                 number ? row->unit : "");
        printf("  %-52s %24s %12s %12s\n", row->what, claim, figure(row->ebb, row->unit, mine),
               figure(row->go, row->unit, other));
    }
    putchar('\n');
    fflush(stdout);
}

static json_t *number_or_null(double value)
{
    return isnan(value) ? json_null() : json_real(value);
}

static json_t *describe(const struct lab_experiment *experiment, const struct lab *lab)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < lab->count; i++) {
        const struct row *row = &lab->rows[i];
        json_array_append_new(rows,
                              json_pack("{s:s, s:s, s:s, s:o, s:o}", "what", row->what, "unit",
                                        row->unit, "claimed", row->claim, "ebb",
                                        number_or_null(row->ebb), "go", number_or_null(row->go)));
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "id", experiment->id, "title", experiment->title,
                     "source", experiment->source, "rows", rows);
}

/* ---- the program ---- */

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "ebb lab: %s: %s\n", what, why);
    return 2;
}

static void print_help(void)
{
    puts("Runs the articles' experiments: what they claim beside what is measured here.\n"
         "\n"
         "  ebb lab [OPTION...] [EXPERIMENT...]\n"
         "\n"
         "  --list     which experiments there are\n"
         "  --no-go    leave out the same experiments in Go\n"
         "  --json     one JSON object instead of tables\n"
         "\n"
         "Without a name all of them run. Claims are the articles', about Go and their authors'\n"
         "machines; Go's column is measured where `go` is installed.\n"
         "\n"
         "  ebb lab L7 L17");
}

static const struct lab_experiment *find(const char *id)
{
    for (int i = 0; i < COUNT; i++)
        if (strcasecmp(experiments[i]->id, id) == 0)
            return experiments[i];
    return NULL;
}

struct choices {
    bool json, go, list;
};

/* 0 to go on; else the exit status plus 1. */
static int parse(int argc, char **argv, struct choices *choices)
{
    static const struct option known[] = {{"json", no_argument, NULL, 'j'},
                                          {"no-go", no_argument, NULL, 'g'},
                                          {"list", no_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    choices->go = true;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "h", known, NULL)) != -1;)
        switch (option) {
        case 'j':
            choices->json = true;
            break;
        case 'g':
            choices->go = false;
            break;
        case 'l':
            choices->list = true;
            break;
        case 'h':
            print_help();
            return 1;
        default:
            return 1 + fail(argv[optind - 1], "no such option; `ebb lab --help` lists them");
        }
    for (int i = optind; i < argc; i++)
        if (!find(argv[i]))
            return 1 + fail(argv[i], "no such experiment; `ebb lab --list` lists them");
    return 0;
}

int main(int argc, char **argv)
{
    struct choices choices = {0};
    char go[64] = "";
    setenv("EBB_PUBLISH", "0", 0); /* these maps live for a moment, in processes that just end */
    int done = parse(argc, argv, &choices);
    if (done)
        return done - 1;
    json_t *all = choices.json ? json_array() : NULL;
    if (choices.go && !choices.list && !*go_version(go))
        fputs("ebb lab: there is no go in PATH; its column stays empty\n", stderr);
    bool failed = false;
    int chosen = argc - optind, count = chosen ? chosen : COUNT;
    for (int i = 0; i < count; i++) {
        const struct lab_experiment *experiment = chosen ? find(argv[optind + i]) : experiments[i];
        if (choices.list && choices.json)
            json_array_append_new(
                all, json_pack("{s:s, s:s}", "id", experiment->id, "title", experiment->title));
        else if (choices.list)
            printf("%-4s %s\n", experiment->id, experiment->title);
        if (choices.list)
            continue;
        struct lab lab = {0};
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "ebb lab: %s, %d of %d ...\r", experiment->id, i + 1, count);
        experiment->run(&lab);
        if (lab.failed)
            failed = fail(experiment->id, "a process of its own could not be run to its end");
        if (*go && !run_go(experiment, &lab))
            fprintf(stderr, "ebb lab: %s: the Go side did not run\n", experiment->id);
        if (choices.json)
            json_array_append_new(all, describe(experiment, &lab));
        else
            print_text(experiment, &lab, go);
    }
    if (choices.json) {
        json_t *object = json_pack("{s:i, s:s, s:o}", "schema", 1, "go", go, "experiments", all);
        json_dumpf(object, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(object);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail("standard output", strerror(errno));
    return failed ? 2 : 0;
}
