/* ebb diff: what changed between two profiles. */
#include "tool/render/diff.h"
#include "tool/commands/command.h"
#include "tool/commands/look.h"
#include "tool/render/measure.h"
#include "tool/render/tree.h"

#include <errno.h>
#include <stdlib.h>

static const struct ebb_look_command diff = {
    .name = "diff",
    .which = EBB_DIFF,
    .about =
        "Shows what changed from profile BEFORE to profile AFTER: per function, with the numbers "
        "of\n`go tool pprof -diff_base`; as a call tree; or as a flame graph. Percentages are of "
        "BEFORE.\n",
    .usage = "  ebb diff [OPTION...] BEFORE AFTER\n",
    .examples =
        "  ebb diff monday.pb.gz friday.pb.gz             which functions hold more, which less\n"
        "  ebb diff --tree before.pb.gz after.pb.gz       on which paths\n"
        "  ebb diff --flame diff.html before.pb.gz 4711   from a saved profile to process 4711 "
        "now\n"
        "  ebb diff -o growth.pb.gz before.pb.gz after.pb.gz\n",
};

/* BEFORE and AFTER, each read on its own. */
static int open_both(struct ebb_look *look, struct ebb_error *error)
{
    if (look->word_count != 2)
        return ebb_error_set(error, -EINVAL,
                             "name two profiles, the earlier first: ebb diff BEFORE AFTER");
    int failed = ebb_look_read(look, look->words, 1, &look->before, error);
    return failed ? failed : ebb_look_read(look, look->words + 1, 1, &look->profile, error);
}

/* The view of AFTER - BEFORE, on the nodes of the other two; percentages are of BEFORE. */
static int view_difference(struct ebb_look *look, struct ebb_profile **difference,
                           struct ebb_view *view, struct ebb_error *error)
{
    static const int signs[] = {1, -1};
    const struct ebb_profile *both[] = {look->profile, look->before};
    int failed = ebb_profile_merge(both, signs, 2, difference, error);
    if (!failed)
        failed = ebb_view_make(view, *difference, &look->nodes_seen, &look->view, error);
    if (!failed)
        view->total = look->shown_before.total ? look->shown_before.total : look->shown.total;
    return failed;
}

static int print_table(struct ebb_look *look, const struct ebb_view *view, struct ebb_error *error)
{
    const struct ebb_ranking_options options = ebb_look_ranking(look);
    struct ebb_ranking changes;
    if (ebb_ranking_make(&changes, view, &options) < 0)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    struct ebb_weight *before = ebb_graph_weigh(&look->shown_before);
    struct ebb_weight *now = ebb_graph_weigh(&look->shown);
    int failed = 0;
    if (before && now) {
        const struct ebb_diff result = {&changes, before, now, look->by_cum};
        if (look->json)
            ebb_diff_json(&result, stdout);
        else
            ebb_diff_print(&result, stdout);
    } else {
        failed = ebb_error_set(error, -ENOMEM, "out of memory");
    }
    free(before);
    free(now);
    ebb_ranking_free(&changes);
    return failed;
}

static int print_tree(struct ebb_look *look, struct ebb_error *error)
{
    struct ebb_calltree calls;
    double smallest = look->min_percent < 0 ? EBB_NODE_FRACTION : look->min_percent / 100;
    int failed = ebb_calltree_make(&calls, &look->shown, &look->shown_before, look->inverted,
                                   EBB_BY_CHANGE, smallest);
    if (!failed) {
        if (look->json)
            ebb_tree_json(&calls, &look->shown, stdout);
        else
            failed = ebb_tree_print(&calls, &look->shown, stdout);
        ebb_calltree_free(&calls);
    }
    return failed ? ebb_error_set(error, failed, "out of memory") : 0;
}

static int show(struct ebb_look *look, struct ebb_error *error)
{
    if (look->output) {
        int failed = ebb_look_subtract(look, error);
        if (!failed)
            failed = ebb_look_view(look, error);
        return failed ? failed : ebb_look_write(look, error);
    }
    int failed = ebb_look_view(look, error);
    if (failed)
        return failed;
    if (look->flame)
        return ebb_look_flame(look, look->flame, error);
    if (look->tree)
        return print_tree(look, error);
    struct ebb_profile *difference = NULL;
    struct ebb_view view = {0};
    failed = view_difference(look, &difference, &view, error);
    if (!failed)
        failed = print_table(look, &view, error);
    ebb_view_free(&view);
    ebb_profile_free(difference);
    return failed;
}

static int run(int argc, char **argv)
{
    struct ebb_look look;
    struct ebb_error error = {0};
    int stop = ebb_look_parse(&look, &diff, argc, argv);
    if (stop)
        return stop - 1;
    int failed = open_both(&look, &error);
    if (!failed)
        failed = show(&look, &error);
    return ebb_look_end(&look, failed, &error);
}

const struct ebb_command ebb_command_diff = {"diff", "Look", "the difference of two profiles", run};
