/* ebb peek: who calls a function and whom it calls, with what each carries. */
#include "tool/render/peek.h"
#include "tool/commands/command.h"
#include "tool/commands/look.h"

#include <errno.h>

static const struct ebb_look_command peek = {
    .name = "peek",
    .which = EBB_PEEK,
    .about = "Shows the functions that match REGEX between their callers and their callees, with "
             "what each\ncarries, as `go tool pprof -peek` does.\n",
    .usage = "  ebb peek [OPTION...] REGEX TARGET...\n",
    .examples = "  ebb peek '^cache_insert$' heap.pb.gz       who fills the cache\n"
                "  ebb peek --sample alloc_space malloc 4711  who allocates in process 4711\n"
                "  ebb peek --lines parse heap.pb.gz          from which line to which line\n",
};

static int print(struct ebb_look *look, const char *text, struct ebb_error *error)
{
    struct ebb_pattern pattern;
    struct ebb_ranking ranking;
    const struct ebb_ranking_options everything = {.all_edges = true};
    int failed = ebb_pattern_compile(&pattern, "REGEX", text, error);
    if (failed)
        return failed;
    failed = ebb_ranking_make(&ranking, &look->shown, &everything);
    if (!failed) {
        failed = ebb_peek_print(&ranking, &pattern, stdout);
        ebb_ranking_free(&ranking);
    }
    ebb_pattern_free(&pattern);
    if (failed == -ENOENT)
        return ebb_error_set(error, failed, "no function matches '%s'; `ebb top` lists them", text);
    return failed ? ebb_error_set(error, failed, "out of memory") : 0;
}

static int run(int argc, char **argv)
{
    struct ebb_look look;
    struct ebb_error error = {0};
    int stop = ebb_look_parse(&look, &peek, argc, argv);
    if (stop)
        return stop - 1;
    const char *pattern = ebb_look_shift(&look);
    if (!pattern)
        return ebb_command_fail("peek", "name a pattern and a profile: ebb peek REGEX FILE");
    int failed = ebb_look_open(&look, &error);
    if (!failed)
        failed = ebb_look_subtract(&look, &error);
    if (!failed)
        failed = ebb_look_view(&look, &error);
    if (!failed)
        failed = print(&look, pattern, &error);
    return ebb_look_end(&look, failed, &error);
}

const struct ebb_command ebb_command_peek = {"peek", "Look", "callers and callees of a function",
                                             run};
