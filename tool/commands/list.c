/* ebb list: the source of a function, each line with what it holds. */
#include "tool/render/list.h"
#include "tool/commands/command.h"
#include "tool/commands/look.h"

#include <errno.h>

static const struct ebb_look_command list = {
    .name = "list",
    .which = EBB_LIST,
    .about =
        "Shows the source of the functions that match REGEX, each line with what it holds itself "
        "and\ntogether with what it calls, as `go tool pprof -list` does.\n",
    .usage = "  ebb list [OPTION...] REGEX TARGET...\n",
    .examples = "  ebb list '^set_config$' heap.pb.gz             the lines that keep memory\n"
                "  ebb list --source-path ~/src/app parse 4711    sources are elsewhere than they "
                "were built\n",
};

static int print(struct ebb_look *look, const char *text, struct ebb_error *error)
{
    struct ebb_pattern pattern;
    int failed = ebb_pattern_compile(&pattern, "REGEX", text, error);
    if (failed)
        return failed;
    failed = ebb_list_print(&look->shown, &pattern, look->view.source_path, stdout);
    ebb_pattern_free(&pattern);
    if (failed == -ENOENT)
        return ebb_error_set(error, failed, "no function matches '%s'; `ebb top` lists them", text);
    return failed ? ebb_error_set(error, failed, "out of memory") : 0;
}

static int run(int argc, char **argv)
{
    struct ebb_look look;
    struct ebb_error error = {0};
    int stop = ebb_look_parse(&look, &list, argc, argv);
    if (stop)
        return stop - 1;
    const char *pattern = ebb_look_shift(&look);
    if (!pattern)
        return ebb_command_fail("list", "name a pattern and a profile: ebb list REGEX FILE");
    look.view.granularity = EBB_LINES;
    look.view.objects = true;
    int failed = ebb_look_open(&look, &error);
    if (!failed)
        failed = ebb_look_subtract(&look, &error);
    if (!failed)
        failed = ebb_look_view(&look, &error);
    if (!failed)
        failed = print(&look, pattern, &error);
    return ebb_look_end(&look, failed, &error);
}

const struct ebb_command ebb_command_list = {"list", "Look", "annotated source of a function", run};
