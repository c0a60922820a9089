/* ebb tree: the call tree. */
#include "tool/render/tree.h"
#include "tool/commands/command.h"
#include "tool/commands/look.h"
#include "tool/render/folded.h"

#include <errno.h>

static const struct ebb_look_command tree = {
    .name = "tree",
    .which = EBB_TREE,
    .about =
        "Shows the call tree from the root on, the heaviest branches first. The only call of a "
        "function\nstands right under it; where several go on, each has a branch.\n",
    .usage = "  ebb tree [OPTION...] TARGET...\n",
    .examples =
        "  ebb tree heap.pb.gz                          from main() to what allocates\n"
        "  ebb tree --inverted --min-percent 5 4711     from what allocates to who asked for it\n"
        "  ebb tree --focus '^parse' --lines heap.pb.gz only stacks through parse*, by line\n"
        "  ebb tree --base before.pb.gz after.pb.gz     what changed in between\n",
};

static int print(struct ebb_look *look, struct ebb_error *error)
{
    struct ebb_calltree calls;
    const struct ebb_view *before = look->before ? &look->shown_before : NULL;
    double smallest = look->min_percent < 0 ? EBB_NODE_FRACTION : look->min_percent / 100;
    int failed = ebb_calltree_make(&calls, &look->shown, before, look->inverted,
                                   before ? EBB_BY_CHANGE : EBB_BY_WIDTH, smallest);
    if (!failed) {
        if (look->json)
            ebb_tree_json(&calls, &look->shown, stdout);
        else
            failed = ebb_tree_print(&calls, &look->shown, stdout);
        ebb_calltree_free(&calls);
    }
    return failed ? ebb_error_set(error, failed, "out of memory") : 0;
}

static int run(int argc, char **argv)
{
    struct ebb_look look;
    struct ebb_error error = {0};
    int stop = ebb_look_parse(&look, &tree, argc, argv);
    if (stop)
        return stop - 1;
    int failed = ebb_look_open(&look, &error);
    if (!failed && (look.folded || look.output))
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

const struct ebb_command ebb_command_tree = {"tree", "Look", "the call tree", run};
