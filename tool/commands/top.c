/* ebb top: the functions (or lines) that hold the most. */
#include "tool/render/top.h"
#include "tool/commands/command.h"
#include "tool/commands/look.h"
#include "tool/render/folded.h"

#include <errno.h>

static const struct ebb_look_command top = {
    .name = "top",
    .which = EBB_TOP,
    .about = "Lists the functions that hold the most, with the numbers of `go tool pprof -top`.\n",
    .usage = "  ebb top [OPTION...] TARGET...\n",
    .examples =
        "  ebb top heap.pb.gz                       what is in use, by the function that asked\n"
        "  ebb top --cum --focus cache_ heap.pb.gz  callers too, only what goes through cache_*\n"
        "  ebb top --sample alloc_space 4711        what process 4711 allocated so far\n"
        "  ebb top --base before.pb.gz after.pb.gz  what was added in between\n"
        "  ebb top -o sum.pb.gz 1.pb.gz 2.pb.gz     add profiles up into a new one\n",
};

static int print(struct ebb_look *look, struct ebb_error *error)
{
    struct ebb_ranking ranking;
    const struct ebb_ranking_options options = ebb_look_ranking(look);
    if (ebb_ranking_make(&ranking, &look->shown, &options) < 0)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    if (look->json)
        ebb_top_json(&ranking, stdout);
    else
        ebb_top_print(&ranking, stdout);
    ebb_ranking_free(&ranking);
    return 0;
}

static int run(int argc, char **argv)
{
    struct ebb_look look;
    struct ebb_error error = {0};
    int stop = ebb_look_parse(&look, &top, argc, argv);
    if (stop)
        return stop - 1;
    int failed = ebb_look_open(&look, &error);
    if (!failed)
        failed = ebb_look_subtract(&look, &error);
    if (!failed)
        failed = ebb_look_view(&look, &error);
    if (!failed && look.output)
        failed = ebb_look_write(&look, &error);
    else if (!failed && look.folded)
        failed = ebb_folded_print(&look.shown, stdout, &error);
    else if (!failed)
        failed = print(&look, &error);
    return ebb_look_end(&look, failed, &error);
}

const struct ebb_command ebb_command_top = {"top", "Look", "the functions that hold the most", run};
