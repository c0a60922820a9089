/* What the commands that look at a profile share: their options, their help, and the way from the
 * words of the command line to a view.
 *
 * A command says which options it takes; the parser knows them all, so that an option has one
 * meaning everywhere. The words are files, `-` for standard input, PIDs, or URLs of services; several
 * are added up. Profiles without symbols get them where the mapped files are still there, and frames
 * that a profile itself asks to drop are dropped, as pprof does. */
#ifndef EBB_TOOL_COMMANDS_LOOK_H
#define EBB_TOOL_COMMANDS_LOOK_H

#include "tool/render/ranking.h"
#include "tool/render/view.h"

#include <stdbool.h>

enum ebb_look_at {
    EBB_TOP = 1,
    EBB_TREE = 2,
    EBB_PEEK = 4,
    EBB_LIST = 8,
    EBB_DIFF = 16,
    EBB_FLAME = 32,
};

struct ebb_look_command {
    const char *name;
    enum ebb_look_at which;
    const char *usage; /* lines of usage, each with its end of line */
    const char *about; /* what it does, before the options */
    const char *examples;
};

struct ebb_look {
    const struct ebb_look_command *command;

    /* From the options. */
    struct ebb_view_options view;
    size_t nodes;       /* -n, 0: not given */
    double min_percent; /* negative: not given */
    bool by_cum, folded, json, inverted, svg, tree;
    const char *base, *output, *flame, *title;
    const char *token, *ca; /* for services */
    bool insecure;
    char **words;
    size_t word_count;

    /* Made by ebb_look_open() and ebb_look_at(). */
    struct ebb_profile *profile, *before; /* `before`: what is compared with, or NULL */
    struct ebb_nodes nodes_seen;
    struct ebb_view shown, shown_before;
};

/* Parses the command line. 0 to go on; else the exit status plus 1: help was given or an error
 * said. */
int ebb_look_parse(struct ebb_look *look, const struct ebb_look_command *command, int argc,
                   char **argv);

/* Takes the first word away, for commands whose first word is a pattern; NULL: there is none. */
char *ebb_look_shift(struct ebb_look *look);

/* Reads words[0] .. words[count - 1] into one profile, ready to be viewed. */
int ebb_look_read(const struct ebb_look *look, char **words, size_t count,
                  struct ebb_profile **profile, struct ebb_error *error);

/* Reads all words into `profile`, and --base into `before`. */
int ebb_look_open(struct ebb_look *look, struct ebb_error *error);

/* Takes `before` from `profile`, which becomes the difference. Does nothing without `before`. */
int ebb_look_subtract(struct ebb_look *look, struct ebb_error *error);

/* Makes `shown` of `profile` and, if there is one, `shown_before` of `before`, on the same nodes.
 * Says on stderr which filters matched nothing. */
int ebb_look_view(struct ebb_look *look, struct ebb_error *error);

/* Writes what the filters leave of `profile` to -o FILE. */
int ebb_look_write(const struct ebb_look *look, struct ebb_error *error);

/* Writes a flame graph of `shown`, against `shown_before` if there is one, to `path` ("-": stdout).
 * A failure leaves a file that was there as it was. */
int ebb_look_flame(const struct ebb_look *look, const char *path, struct ebb_error *error);

/* How the options want a ranking trimmed. */
struct ebb_ranking_options ebb_look_ranking(const struct ebb_look *look);

/* The end of every command: lets go of everything and returns the exit status. `failed`: a negative
 * errno whose line is in `error`; 0: done, unless stdout could not be written. */
int ebb_look_end(struct ebb_look *look, int failed, const struct ebb_error *error);

#endif
