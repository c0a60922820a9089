/* The views of a profile against the slow model of random_profile.h, and the rules they follow
 * where a model would only repeat them: units, names, patterns, escapes, sources. */
#include "tests/render/random_profile.h"
#include "tool/render/calltree.h"
#include "tool/render/diff.h"
#include "tool/render/flame.h"
#include "tool/render/folded.h"
#include "tool/render/list.h"
#include "tool/render/measure.h"
#include "tool/render/names.h"
#include "tool/render/pattern.h"
#include "tool/render/peek.h"
#include "tool/render/sources.h"
#include "tool/render/text.h"
#include "tool/render/top.h"
#include "tool/render/tree.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 300 };

/* A profile, its view and its model. */
struct subject {
    struct ebb_profile *profile;
    struct ebb_nodes nodes;
    struct ebb_view view;
    struct model model;
};

static void make_view(struct subject *subject, const struct ebb_view_options *options)
{
    struct ebb_error error = {0};
    int failed = ebb_view_make(&subject->view, subject->profile, &subject->nodes, options, &error);
    if (failed)
        fail_msg("%s", error.text);
}

static void subject_make(struct subject *subject, struct random *random, bool negative,
                         const struct ebb_view_options *options)
{
    *subject = (struct subject){.profile = random_profile(random, negative)};
    make_view(subject, options);
    model_make(&subject->model, subject->profile, options, subject->view.value);
}

static void subject_free(struct subject *subject)
{
    ebb_view_free(&subject->view);
    ebb_nodes_free(&subject->nodes);
    ebb_profile_free(subject->profile);
    model_free(&subject->model);
}

static const char *label(const struct subject *subject, uint32_t node)
{
    return ebb_nodes_at(&subject->nodes, node)->label;
}

/* Each kind of options in turn; the words occur in some names and files. */
static struct ebb_view_options some_options(struct random *random)
{
    static const char *const words[] = {"f1", "f2", "f7", "a.c", "b.c", "extra", "program", "none"};
    struct ebb_view_options options = {.granularity =
                                           random_below(random, 2) ? EBB_LINES : EBB_FUNCTIONS,
                                       .sample = random_below(random, 2) ? "alloc_space" : NULL};
    const char **filters[] = {&options.focus, &options.ignore, &options.hide, &options.show};
    for (int i = 0; i < 4; i++)
        if (random_below(random, 3) == 0)
            *filters[i] = words[random_below(random, sizeof words / sizeof *words)];
    return options;
}

/* ---- rankings ---- */

static void check_rows(const struct subject *subject, const struct ebb_ranking *ranking,
                       bool by_cum)
{
    const struct ebb_row *rows = ranking->rows.items;
    for (size_t i = 0; i < ranking->rows.len; i++) {
        assert_int_equal(rows[i].weight.flat,
                         model_flat(&subject->model, label(subject, rows[i].node)));
        assert_int_equal(rows[i].weight.cum,
                         model_cum(&subject->model, label(subject, rows[i].node)));
        if (i == 0)
            continue;
        int64_t above = llabs(by_cum ? rows[i - 1].weight.cum : rows[i - 1].weight.flat);
        int64_t here = llabs(by_cum ? rows[i].weight.cum : rows[i].weight.flat);
        assert_true(above >= here);
        if (above == here)
            assert_true(strcmp(label(subject, rows[i - 1].node), label(subject, rows[i].node)) <=
                        0);
    }
}

/* Every frame of the model that holds anything is a row, or was dropped for being small. */
static size_t count_frames(const struct subject *subject, int64_t cutoff, size_t *dropped)
{
    const struct model *model = &subject->model;
    size_t kept = 0;
    *dropped = 0;
    for (uint32_t n = 0; n < subject->nodes.list.len; n++) {
        const char *frame = label(subject, n);
        int64_t cum = model_cum(model, frame);
        if (!cum && !model_flat(model, frame))
            continue;
        if (llabs(cum) < cutoff)
            ++*dropped;
        else
            kept++;
    }
    return kept;
}

static void test_rankings(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS; round++) {
        struct ebb_view_options view = some_options(&random);
        struct subject subject;
        subject_make(&subject, &random, random_below(&random, 3) == 0, &view);
        struct ebb_ranking_options options = {.by_cum = random_below(&random, 2),
                                              .node_fraction = random_below(&random, 2) * 0.05};
        struct ebb_ranking ranking;
        assert_int_equal(ebb_ranking_make(&ranking, &subject.view, &options), 0);
        assert_int_equal(subject.view.total, subject.model.total);
        check_rows(&subject, &ranking, options.by_cum);
        int64_t everything = 0;
        for (size_t i = 0; i < subject.model.count; i++)
            everything += subject.model.stacks[i].value;
        size_t dropped;
        int64_t cutoff = llabs((int64_t)((double)everything * options.node_fraction));
        assert_int_equal(ranking.rows.len, count_frames(&subject, cutoff, &dropped));
        assert_int_equal(ranking.trimming.dropped_nodes, dropped);
        ebb_ranking_free(&ranking);

        options.limit = 3;
        size_t rows = ranking.trimming.rows;
        assert_int_equal(ebb_ranking_make(&ranking, &subject.view, &options), 0);
        assert_int_equal(ranking.rows.len, rows < 3 ? rows : 3);
        ebb_ranking_free(&ranking);
        subject_free(&subject);
    }
}

static void test_edges(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS; round++) {
        struct ebb_view_options view = some_options(&random);
        struct subject subject;
        subject_make(&subject, &random, random_below(&random, 3) == 0, &view);
        struct ebb_edges edges = {0};
        assert_int_equal(ebb_graph_edges(&subject.view, NULL, NULL, &edges), 0);
        size_t expected = 0;
        for (uint32_t from = 0; from < subject.nodes.list.len; from++)
            for (uint32_t to = 0; to < subject.nodes.list.len; to++) {
                bool exists, inlined;
                model_edge(&subject.model, label(&subject, from), label(&subject, to), &exists,
                           &inlined);
                expected += exists;
            }
        assert_int_equal(edges.len, expected);
        for (size_t i = 0; i < edges.len; i++) {
            bool exists, inlined;
            int64_t weight = model_edge(&subject.model, label(&subject, edges.items[i].from),
                                        label(&subject, edges.items[i].to), &exists, &inlined);
            assert_true(exists);
            assert_int_equal(edges.items[i].weight, weight);
            assert_int_equal(edges.items[i].inlined, inlined);
        }
        ebb_vec_free(&edges);
        subject_free(&subject);
    }
}

/* Many more edges than the table has room for at first, and stacks longer than a batch. */
static void test_many_edges(void **state)
{
    enum { NAMES = 3000, DEPTH = 200, SAMPLES = 400 };
    struct random random = {random_seed()};
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "samples", "count");
    uint32_t *locations = calloc(NAMES, sizeof *locations);
    for (unsigned i = 0; i < NAMES; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", i);
        struct ebb_line line = {ebb_profile_builder_function(builder, name, "", "", 0), 0};
        locations[i] = ebb_profile_builder_location(builder, EBB_NONE, i + 1, &line, 1);
    }
    uint64_t steps = 0;
    for (unsigned i = 0; i < SAMPLES; i++) {
        uint32_t stack[DEPTH];
        int64_t value = 1;
        unsigned start = random_below(&random, NAMES - DEPTH),
                 stride = 1 + random_below(&random, 7);
        for (unsigned k = 0; k < DEPTH; k++)
            stack[k] = locations[(start + k * stride) % NAMES];
        steps += DEPTH - 1;
        ebb_profile_builder_sample(builder, stack, DEPTH, &value, NULL, 0);
    }
    struct subject subject = {0};
    assert_int_equal(ebb_profile_builder_finish(builder, &subject.profile, NULL), 0);
    const struct ebb_view_options options = {0};
    make_view(&subject, &options);
    struct ebb_edges edges = {0};
    assert_int_equal(ebb_graph_edges(&subject.view, NULL, NULL, &edges), 0);
    uint64_t sum = 0;
    for (size_t i = 0; i < edges.len; i++)
        sum += (uint64_t)edges.items[i].weight;
    assert_int_equal(sum, steps); /* no stack has an edge twice */
    ebb_vec_free(&edges);
    free(locations);
    ebb_view_free(&subject.view);
    ebb_nodes_free(&subject.nodes);
    ebb_profile_free(subject.profile);
}

/* ---- call trees ---- */

/* The labels from the root of the tree to a call. */
static size_t path_to(const struct subject *subject, const struct ebb_calltree *tree, uint32_t call,
                      const char *path[static MODEL_DEEPEST])
{
    size_t depth = ebb_calltree_at(tree, call)->depth;
    for (size_t i = depth; i > 0; i--) {
        path[i - 1] = label(subject, ebb_calltree_at(tree, call)->node);
        call = ebb_calltree_at(tree, call)->parent;
    }
    return depth;
}

static void check_tree(const struct subject *subject, const struct ebb_calltree *tree)
{
    size_t seen = 0;
    for (uint32_t i = 0; i != EBB_NONE; i = ebb_calltree_next(tree, i, false)) {
        const struct ebb_call *call = ebb_calltree_at(tree, i);
        const char *path[MODEL_DEEPEST];
        size_t depth = path_to(subject, tree, i, path);
        seen++;
        assert_int_equal(ebb_call_change(call),
                         model_path(&subject->model, path, depth, tree->inverted, false));
        if (depth)
            assert_int_equal(call->self[EBB_NOW] - call->self[EBB_BEFORE],
                             model_path(&subject->model, path, depth, tree->inverted, true));
        if (call->next_sibling != EBB_NONE)
            assert_true(call->width >= ebb_calltree_at(tree, call->next_sibling)->width);
        if (i)
            assert_true(call->parent < i);
        struct ebb_call rest = ebb_calltree_rest(tree, i);
        if (!call->left_out) {
            assert_int_equal(rest.width, 0);
            assert_int_equal(rest.total[EBB_NOW], 0);
        } else {
            assert_true(rest.width <= (int64_t)call->left_out * (tree->smallest - 1));
        }
    }
    assert_int_equal(seen, tree->calls.len);
}

static void test_trees(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS; round++) {
        struct ebb_view_options view = some_options(&random);
        struct subject subject;
        subject_make(&subject, &random, random_below(&random, 3) == 0, &view);
        struct ebb_calltree tree;
        bool inverted = random_below(&random, 2);
        assert_int_equal(ebb_calltree_make(&tree, &subject.view, NULL, inverted, EBB_BY_WIDTH, 0),
                         0);
        check_tree(&subject, &tree);
        assert_int_equal(tree.left_out, 0);
        size_t all = tree.calls.len;
        ebb_calltree_free(&tree);
        assert_int_equal(
            ebb_calltree_make(&tree, &subject.view, NULL, inverted, EBB_BY_WIDTH, 0.05), 0);
        check_tree(&subject, &tree);
        assert_int_equal(tree.calls.len + tree.left_out, all);
        for (size_t i = 1; i < tree.calls.len; i++)
            assert_true(tree.calls.items[i].width >= tree.smallest);
        ebb_calltree_free(&tree);
        subject_free(&subject);
    }
}

static void test_compared_trees(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS / 3; round++) {
        const struct ebb_view_options options = {0};
        struct subject now, before;
        struct random same = random; /* the same functions, then other samples */
        subject_make(&now, &random, false, &options);
        before = (struct subject){.profile = random_profile(&same, false)};
        assert_int_equal(ebb_view_make(&before.view, before.profile, &now.nodes, &options, NULL),
                         0);
        model_make(&before.model, before.profile, &options, before.view.value);
        struct ebb_calltree tree;
        bool by_change = random_below(&random, 2); /* then what did not change is left out */
        assert_int_equal(ebb_calltree_make(&tree, &now.view, &before.view, false,
                                           by_change ? EBB_BY_CHANGE : EBB_BY_WIDTH, 0),
                         0);
        assert_true(tree.compared);
        int64_t changed = 0, width = 0;
        for (uint32_t i = 1; i < tree.calls.len; i++) {
            const struct ebb_call *call = &tree.calls.items[i];
            const char *path[MODEL_DEEPEST];
            size_t depth = path_to(&now, &tree, i, path);
            assert_int_equal(call->total[EBB_NOW],
                             model_path(&now.model, path, depth, false, false));
            assert_int_equal(call->total[EBB_BEFORE],
                             model_path(&before.model, path, depth, false, false));
            changed += llabs(call->self[EBB_NOW] - call->self[EBB_BEFORE]);
            width += call->self[EBB_NOW] > call->self[EBB_BEFORE] ? call->self[EBB_NOW]
                                                                  : call->self[EBB_BEFORE];
        }
        assert_int_equal(tree.calls.items[0].changed, changed);
        if (!by_change)
            assert_int_equal(tree.calls.items[0].width, width);
        ebb_calltree_free(&tree);
        subject_free(&before);
        subject_free(&now);
    }
}

/* ---- what is written ---- */

static char *written(void (*write)(const struct subject *, FILE *), const struct subject *subject)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    write(subject, out);
    fclose(out);
    return text;
}

static void write_folded(const struct subject *subject, FILE *out)
{
    assert_int_equal(ebb_folded_print(&subject->view, out, NULL), 0);
}

static void test_folded(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS / 3; round++) {
        struct ebb_view_options view = some_options(&random);
        struct subject subject;
        subject_make(&subject, &random, random_below(&random, 3) == 0, &view);
        char *text = written(write_folded, &subject);
        int64_t sum = 0, expected = 0;
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            char *space = strrchr(line, ' ');
            const char *path[MODEL_DEEPEST];
            size_t depth = 0;
            *space = '\0';
            for (char *rest = line; rest;) {
                char *end = strchr(rest, ';');
                if (end)
                    *end++ = '\0';
                path[depth++] = rest;
                rest = end;
            }
            int64_t value = strtoll(space + 1, NULL, 10);
            assert_int_equal(value, model_path(&subject.model, path, depth, false, true));
            sum += value;
        }
        for (size_t i = 0; i < subject.model.count; i++)
            expected += subject.model.stacks[i].value;
        assert_int_equal(sum, expected);
        free(text);
        subject_free(&subject);
    }
}

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s at line %d: %.200s", error.text, error.line, text);
    return root;
}

static int64_t integer(json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static void write_top(const struct subject *subject, FILE *out)
{
    struct ebb_ranking ranking;
    const struct ebb_ranking_options options = {0};
    assert_int_equal(ebb_ranking_make(&ranking, &subject->view, &options), 0);
    ebb_top_json(&ranking, out);
    ebb_ranking_free(&ranking);
}

static void write_tree(const struct subject *subject, FILE *out)
{
    struct ebb_calltree tree;
    assert_int_equal(ebb_calltree_make(&tree, &subject->view, NULL, false, EBB_BY_WIDTH, 0.02), 0);
    ebb_tree_json(&tree, &subject->view, out);
    ebb_calltree_free(&tree);
}

static void write_flame(const struct subject *subject, FILE *out)
{
    struct ebb_calltree upright, inverted;
    const struct ebb_flame_options options = {0};
    assert_int_equal(ebb_calltree_make(&upright, &subject->view, NULL, false, EBB_BY_WIDTH, 0.001),
                     0);
    assert_int_equal(ebb_calltree_make(&inverted, &subject->view, NULL, true, EBB_BY_WIDTH, 0.001),
                     0);
    assert_int_equal(ebb_flame_html(&upright, &inverted, &subject->view, &options, out), 0);
    ebb_calltree_free(&upright);
    ebb_calltree_free(&inverted);
}

static void write_svg(const struct subject *subject, FILE *out)
{
    struct ebb_calltree tree;
    const struct ebb_flame_options options = {.title = "a <title> & more"};
    assert_int_equal(ebb_calltree_make(&tree, &subject->view, NULL, false, EBB_BY_WIDTH, 0.001), 0);
    assert_int_equal(ebb_flame_svg(&tree, &subject->view, &options, out), 0);
    ebb_calltree_free(&tree);
}

/* What a call and those below it say adds up. */
static int64_t check_call(json_t *call)
{
    int64_t below = 0;
    json_t *child;
    size_t i;
    json_array_foreach(json_object_get(call, "calls"), i, child) below += check_call(child);
    assert_int_equal(integer(call, "total"),
                     integer(call, "self") + below + integer(call, "left_out"));
    return integer(call, "total");
}

static void test_json(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS / 3; round++) {
        struct ebb_view_options view = some_options(&random);
        struct subject subject;
        subject_make(&subject, &random, false, &view);
        char *text = written(write_top, &subject);
        json_t *root = parse(text), *node;
        size_t i;
        int64_t shown = 0;
        json_array_foreach(json_object_get(root, "nodes"), i, node) shown += integer(node, "flat");
        assert_int_equal(integer(root, "shown"), shown);
        assert_int_equal(integer(root, "total"), subject.model.total);
        json_decref(root);
        free(text);
        text = written(write_tree, &subject);
        root = parse(text);
        check_call(json_object_get(root, "root"));
        json_decref(root);
        free(text);
        subject_free(&subject);
    }
}

/* The JSON inside a page. Nothing of it may end the element it stands in. */
static json_t *page_data(char *page)
{
    static const char opening[] = "<script type=\"application/json\" id=\"data\">";
    char *data = strstr(page, opening);
    assert_non_null(data);
    data += strlen(opening);
    char *end = strstr(data, "</script");
    assert_non_null(end);
    *end = '\0';
    assert_null(strstr(data, "<"));
    return parse(data);
}

static void check_page_tree(const struct subject *subject, json_t *data, const char *which)
{
    json_t *calls = json_object_get(json_object_get(data, which), "calls");
    json_t *names = json_object_get(data, "names");
    bool inverted = strcmp(which, "inverted") == 0;
    const char *path[MODEL_DEEPEST];
    assert_int_equal(json_array_size(calls) % 4, 0);
    for (size_t at = 0; at < json_array_size(calls); at += 4) {
        int64_t fields[4];
        for (size_t k = 0; k < 4; k++)
            fields[k] = json_integer_value(json_array_get(calls, at + k));
        size_t depth = (size_t)fields[0];
        assert_true(at ? depth > 0 : depth == 0);
        if (depth)
            path[depth - 1] = json_string_value(json_array_get(names, (size_t)fields[1]));
        assert_int_equal(fields[2], model_path(&subject->model, path, depth, inverted, false));
        if (depth)
            assert_int_equal(fields[3], model_path(&subject->model, path, depth, inverted, true));
    }
}

static void test_pages(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS / 10; round++) {
        struct ebb_view_options view = some_options(&random);
        struct subject subject;
        subject_make(&subject, &random, false, &view);
        char *page = written(write_flame, &subject);
        assert_null(strstr(page, "http://"));
        assert_null(strstr(page, "https://"));
        json_t *data = page_data(page);
        check_page_tree(&subject, data, "upright");
        check_page_tree(&subject, data, "inverted");
        json_decref(data);
        free(page);
        subject_free(&subject);
    }
}

/* A profile with one stack of the given names, the leaf first. */
static void subject_of_names(struct subject *subject, const char *const *names, size_t count)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "inuse_space", "bytes");
    uint32_t *stack = calloc(count, sizeof *stack);
    struct ebb_mapping mapping = {
        .limit = 1, .file = ebb_profile_builder_string(builder, "/bin/</title><script>x")};
    uint32_t number = ebb_profile_builder_mapping(builder, &mapping);
    for (size_t i = 0; i < count; i++) {
        struct ebb_line line = {ebb_profile_builder_function(builder, names[i], "s", "", 0), 0};
        stack[i] = ebb_profile_builder_location(builder, number, i + 1, &line, 1);
    }
    int64_t value = 1 << 20;
    ebb_profile_builder_sample(builder, stack, count, &value, NULL, 0);
    *subject = (struct subject){0};
    assert_int_equal(ebb_profile_builder_finish(builder, &subject->profile, NULL), 0);
    const struct ebb_view_options options = {0};
    make_view(subject, &options);
    model_make(&subject->model, subject->profile, &options, 0);
    free(stack);
}

static void test_hostile_names(void **state)
{
    static const char *const names[] = {"</script><script>alert(1)</script>",
                                        "<!--",
                                        "]]>",
                                        "\"\\'&",
                                        "\x1b[31mred",
                                        "\xff\xfe",
                                        ("\xe2\x80\xae"
                                         "evil"),
                                        "a;b",
                                        "line\nfeed",
                                        "\xc2\x9b",
                                        "größe"};
    struct subject subject;
    subject_of_names(&subject, names, sizeof names / sizeof *names);
    for (size_t i = 0; i < subject.nodes.list.len; i++)
        for (const char *at = subject.nodes.list.items[i].label; *at; at++)
            assert_true((unsigned char)*at >= 0x20 && *at != 0x7f);

    char *page = written(write_flame, &subject);
    assert_null(strstr(page, "<script>alert"));
    assert_non_null(strstr(page, "of title&#62;&#60;script&#62;x</title>"));
    json_t *data = page_data(page), *found = json_object_get(data, "names"), *name;
    bool whole = false;
    size_t i;
    json_array_foreach(found, i, name) whole |= strcmp(json_string_value(name), names[0]) == 0;
    assert_true(whole);
    json_decref(data);
    free(page);

    char *image = written(write_svg, &subject);
    assert_null(strstr(image, "<script"));
    assert_null(strstr(image, "]]>"));
    assert_non_null(strstr(image, "a &#60;title&#62; &#38; more"));
    free(image);

    char *folded = written(write_folded, &subject);
    assert_string_equal(strchr(folded, '\n'), "\n"); /* one line */
    assert_non_null(strstr(folded, "a:b"));
    free(folded);
    subject_free(&subject);
}

static void write_tree_text(const struct subject *subject, FILE *out)
{
    struct ebb_calltree tree;
    assert_int_equal(ebb_calltree_make(&tree, &subject->view, NULL, false, EBB_BY_WIDTH, 0), 0);
    assert_int_equal(ebb_tree_print(&tree, &subject->view, out), 0);
    ebb_calltree_free(&tree);
}

/* Nothing recurses over the depth of a stack. */
static void test_deep_stack(void **state)
{
    enum { DEPTH = 300000 };
    static const char *const pair[] = {"even", "odd"};
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "inuse_space", "bytes");
    uint32_t locations[2], *stack = malloc(DEPTH * sizeof *stack);
    for (int i = 0; i < 2; i++) {
        struct ebb_line line = {ebb_profile_builder_function(builder, pair[i], "", "", 0), 0};
        locations[i] = ebb_profile_builder_location(builder, EBB_NONE, (uint64_t)i + 1, &line, 1);
    }
    for (unsigned i = 0; i < DEPTH; i++)
        stack[i] = locations[i & 1];
    int64_t value = 7;
    ebb_profile_builder_sample(builder, stack, DEPTH, &value, NULL, 0);
    ebb_profile_builder_sample(builder, stack, DEPTH - 1, &value, NULL, 0);
    struct subject subject = {0};
    assert_int_equal(ebb_profile_builder_finish(builder, &subject.profile, NULL), 0);
    const struct ebb_view_options options = {0};
    make_view(&subject, &options);

    struct ebb_weight *weights = ebb_graph_weigh(&subject.view);
    assert_int_equal(weights[0].cum, 14);
    assert_int_equal(weights[0].flat, 14);
    free(weights);
    char *text = written(write_tree_text, &subject);
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    assert_true(lines > DEPTH);
    free(text);
    text = written(write_flame, &subject);
    json_t *data = page_data(text);
    size_t frames = json_array_size(json_object_get(json_object_get(data, "upright"), "calls")) / 4;
    assert_in_range(frames, 1000, EBB_FLAME_MOST / 2 + 1);
    json_decref(data);
    free(text);
    text = written(write_svg, &subject);
    assert_true(strlen(text) < 1000000);
    free(text);
    ebb_view_free(&subject.view);
    ebb_nodes_free(&subject.nodes);
    ebb_profile_free(subject.profile);
    free(stack);
}

static void test_nothing_to_show(void **state)
{
    struct ebb_profile_builder *builder = ebb_profile_builder_new();
    ebb_profile_builder_type(builder, "inuse_space", "bytes");
    struct subject subject = {0};
    assert_int_equal(ebb_profile_builder_finish(builder, &subject.profile, NULL), 0);
    const struct ebb_view_options options = {.focus = "main"};
    make_view(&subject, &options);
    assert_string_equal(subject.view.unmatched[0], "--focus");
    void (*writers[])(const struct subject *, FILE *) = {write_top,   write_tree, write_tree_text,
                                                         write_flame, write_svg,  write_folded};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        free(written(writers[i], &subject));
    ebb_view_free(&subject.view);
    ebb_nodes_free(&subject.nodes);
    ebb_profile_free(subject.profile);
}

/* What the filters leave, as a profile, is viewed as the filtered profile is. */
static void test_filtered_profile(void **state)
{
    struct random random = {random_seed()};
    for (int round = 0; round < ROUNDS / 3; round++) {
        struct ebb_view_options filtered = some_options(&random);
        struct subject subject, copy = {0};
        subject_make(&subject, &random, false, &filtered);
        assert_int_equal(ebb_view_profile(&subject.view, &copy.profile, NULL), 0);
        const struct ebb_view_options plain = {.granularity = filtered.granularity,
                                               .sample = filtered.sample};
        make_view(&copy, &plain);
        struct ebb_ranking ranking;
        const struct ebb_ranking_options options = {0};
        assert_int_equal(ebb_ranking_make(&ranking, &copy.view, &options), 0);
        for (size_t i = 0; i < ranking.rows.len; i++) {
            const char *name = label(&copy, ranking.rows.items[i].node);
            assert_int_equal(ranking.rows.items[i].weight.flat, model_flat(&subject.model, name));
            assert_int_equal(ranking.rows.items[i].weight.cum, model_cum(&subject.model, name));
        }
        ebb_ranking_free(&ranking);
        ebb_view_free(&copy.view);
        ebb_nodes_free(&copy.nodes);
        ebb_profile_free(copy.profile);
        subject_free(&subject);
    }
}

/* ---- rules ---- */

static void test_measures(void **state)
{
    static const struct {
        int64_t value;
        const char *from, *to, *text;
    } cases[] = {
        {0, "bytes", "minimum", "0"},
        {1, "bytes", "minimum", "1B"},
        {1023, "bytes", "minimum", "1023B"},
        {512 << 10, "bytes", "minimum", "512kB"},
        {1572864, "bytes", "minimum", "1.50MB"},
        {-1572864, "bytes", "minimum", "-1.50MB"},
        {1572864, "bytes", "kB", "1536kB"},
        {1, "bytes", "GB", "0"},
        {1, "MB", "kB", "1024kB"},
        {120000000, "nanoseconds", "minimum", "120ms"},
        {90000000000, "nanoseconds", "minimum", "90s"},
        {1500, "milliseconds", "s", "1.50s"},
        {42, "count", "minimum", "42"},
        {42, "count", "count", "42"},
        {42, "widgets", "widgets", "42widgets"},
        {42, "widgets", "minimum", "42"},
        {INT64_MIN, "bytes", "minimum", "-8192PB"},
        {INT64_MAX, "bytes", "minimum", "8192PB"},
    };
    char buffer[EBB_MEASURE_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(ebb_measure(cases[i].value, cases[i].from, cases[i].to, buffer),
                            cases[i].text);
    char endless[400];
    memset(endless, 'u', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_true(strlen(ebb_measure(INT64_MIN, endless, endless, buffer)) < EBB_MEASURE_TEXT);

    static const struct {
        int64_t value, total;
        const char *text;
    } percents[] = {{0, 0, "    0%"},         {5, 0, "    0%"},        {1, 1, "  100%"},
                    {9996, 10000, "  100%"},  {9994, 10000, "99.94%"}, {-1, 4, "25.00%"},
                    {1, 100, " 1.00%"},       {1, 300, " 0.33%"},      {1, 2000, " 0.05%"},
                    {1, 3000000, "3.3e-05%"}, {3, 1, "300.00%"}};
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        assert_string_equal(ebb_measure_percent(percents[i].value, percents[i].total, buffer),
                            percents[i].text);
    assert_string_equal(ebb_measure_common_unit(2048, 4096, "bytes"), "kB");
    assert_string_equal(ebb_measure_common_unit(100, 5 << 20, "bytes"), "kB");
    assert_string_equal(ebb_measure_common_unit(3, 7, "count"), "count");
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *system_name, *shown;
    } cases[] = {
        {"main", "main", "main"},
        {"", "main", "main"},
        {"Cache::insert", "_ZN5Cache6insertEi", "Cache::insert"},
        {"_ZN5Cache6insertEi", "_ZN5Cache6insertEi", "Cache::insert"},
        {"_ZNSt6vectorIiSaIiEE9push_backERKi", "_ZNSt6vectorIiSaIiEE9push_backERKi",
         "std::vector::push_back"},
        {"std::map<int, a<b> >::at(int)", "std::map<int, a<b> >::at(int)", "std::map::at"},
        {"operator<", "operator<", "operator<"},
        {"main.(*T[go.shape.int]).Get", "main.(*T[go.shape.int]).Get",
         "main.(*T[go.shape.int]).Get"},
        {"_Zbroken", "_Zbroken", "_Zbroken"},
        {"", "", ""},
    };
    struct ebb_arena arena = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(ebb_name_shown(&arena, cases[i].name, cases[i].system_name),
                            cases[i].shown);
    static const struct {
        const char *path, *source_path, *shown;
    } paths[] = {
        {"", NULL, ""},
        {"/src/a.c", NULL, "/src/a.c"},
        {"/src/../lib//./a.c", NULL, "/lib/a.c"},
        {"./a/../../b.c", NULL, "../b.c"},
        {"/../a.c", NULL, "/a.c"},
        {"a/..", NULL, "."},
        {"../../a.c", NULL, "../../a.c"},
        {"src/.hidden/a.c", NULL, "src/.hidden/a.c"},
        {"/build/x/proj/lib/a.c", "/home/me/proj", "lib/a.c"},
        {"/build/x/proj/lib/a.c", "/else:/home/me/proj/", "lib/a.c"},
        {"/proc/self/cwd/lib/a.c", NULL, "lib/a.c"},
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_string_equal(ebb_path_shown(&arena, paths[i].path, paths[i].source_path),
                            paths[i].shown);
    ebb_arena_free(&arena);
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"cache_", "my_cache_insert", true},
        {"^cache", "my_cache", false},
        {"(?i)CACHE", "my_cache", true},
        {"a(?:b|c)d", "acd", true},
        {"f\\d+$", "f12", true},
        {"f\\d+$", "fx", false},
        {"[\\w.]+\\(", "main.f(", true},
        {"^[^\\d\\]]$", "]", false},
        {"^[\\]a-]$", "-", true},
        {"^[]x]$", "]", true},
        {"[[:digit:]]", "7", true},
        {"\\.\\(\\*T\\)", "main.(*T).x", true},
        {"\\AM\\z", "M", true},
        {"^\\S+$", "a b", false},
        {"main|runtime", "runtime.x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ebb_pattern pattern;
        assert_int_equal(ebb_pattern_compile(&pattern, "--focus", cases[i].pattern, NULL), 0);
        if (ebb_pattern_matches(&pattern, cases[i].text) != cases[i].matches)
            fail_msg("%s on %s", cases[i].pattern, cases[i].text);
        ebb_pattern_free(&pattern);
    }
    static const char *const broken[] = {"(", "[", "[\\]", "*(", "a{2,1}"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct ebb_pattern pattern;
        struct ebb_error error = {0};
        assert_int_equal(ebb_pattern_compile(&pattern, "--focus", broken[i], &error), -EINVAL);
        assert_non_null(strstr(error.text, "--focus"));
    }
    struct ebb_pattern none;
    assert_int_equal(ebb_pattern_compile(&none, "--focus", NULL, NULL), 0);
    assert_false(none.set);
}

/* Random text through the translation: it must stay within its buffer. */
static void test_random_patterns(void **state)
{
    static const char letters[] = "ab[]^\\dwsWDS(?:i)|*+-.{1}$zA=";
    struct random random = {random_seed()};
    for (int round = 0; round < 20000; round++) {
        char text[24];
        unsigned length = random_below(&random, sizeof text - 1);
        for (unsigned i = 0; i < length; i++)
            text[i] = letters[random_below(&random, sizeof letters - 1)];
        text[length] = '\0';
        struct ebb_pattern pattern;
        if (ebb_pattern_compile(&pattern, "--hide", text, NULL) == 0) {
            ebb_pattern_matches(&pattern, "a[b]");
            ebb_pattern_free(&pattern);
        }
    }
}

static void test_sources(void **state)
{
    char directory[] = "/tmp/ebb-sources-XXXXXX", path[128];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/unlikely-name.c", directory);
    FILE *file = fopen(path, "w");
    fputs("first\r\n\tsecond\n\nlast", file);
    fclose(file);

    struct ebb_sources sources = {0};
    const struct ebb_source_file *found = ebb_sources_get(&sources, path);
    assert_string_equal(found->found, path);
    assert_int_equal(found->line_count, 4);
    assert_string_equal(found->lines[0], "first");
    assert_string_equal(found->lines[1], "\tsecond");
    assert_string_equal(found->lines[2], "");
    assert_string_equal(found->lines[3], "last");
    assert_ptr_equal(ebb_sources_get(&sources, path), found);
    assert_null(ebb_sources_get(&sources, "/build/deep/unlikely-name.c")->found);
    assert_null(ebb_sources_get(&sources, "/dev/zero")->found);
    assert_null(ebb_sources_get(&sources, directory)->found);
    assert_null(ebb_sources_get(&sources, "")->found);
    ebb_sources_free(&sources);

    sources = (struct ebb_sources){.search_path = directory};
    found = ebb_sources_get(&sources, "/build/deep/unlikely-name.c");
    assert_string_equal(found->found, path);
    ebb_sources_free(&sources);
    unlink(path);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rankings),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_many_edges),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_compared_trees),
        cmocka_unit_test(test_folded),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_deep_stack),
        cmocka_unit_test(test_nothing_to_show),
        cmocka_unit_test(test_filtered_profile),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_random_patterns),
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
