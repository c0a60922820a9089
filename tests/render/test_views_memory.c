/* Every view with every allocation failing in turn: each must say -ENOMEM, leave nothing behind and
 * leave its inputs usable. Leaks are found when this is built with the address sanitizer. */
#include "tests/render/random_profile.h"
#include "tool/render/calltree.h"
#include "tool/render/flame.h"
#include "tool/render/folded.h"
#include "tool/render/list.h"
#include "tool/render/peek.h"
#include "tool/render/top.h"
#include "tool/render/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static long allocations_left = -1; /* negative: as many as are wanted */

static bool refused(void)
{
    if (allocations_left < 0 || allocations_left-- > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refused() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return refused() ? NULL : __real_realloc(block, size);
}

struct subject {
    struct ebb_profile *profile;
    struct ebb_view view;
    FILE *out;
};

static int rank(struct subject *subject)
{
    struct ebb_ranking ranking;
    const struct ebb_ranking_options options = {.all_edges = true};
    int failed = ebb_ranking_make(&ranking, &subject->view, &options);
    if (failed)
        return failed;
    struct ebb_pattern pattern;
    ebb_top_print(&ranking, subject->out);
    ebb_top_json(&ranking, subject->out);
    failed = ebb_pattern_compile(&pattern, "REGEX", "f", NULL);
    if (!failed) {
        failed = ebb_peek_print(&ranking, &pattern, subject->out);
        ebb_pattern_free(&pattern);
    }
    ebb_ranking_free(&ranking);
    return failed == -ENOENT ? 0 : failed;
}

static int grow_tree(struct subject *subject)
{
    struct ebb_calltree upright, inverted;
    const struct ebb_flame_options options = {0};
    int failed = ebb_calltree_make(&upright, &subject->view, NULL, false, EBB_BY_WIDTH, 0);
    if (failed)
        return failed;
    failed = ebb_calltree_make(&inverted, &subject->view, &subject->view, true, EBB_BY_CHANGE, 0);
    if (!failed) {
        failed = ebb_tree_print(&upright, &subject->view, subject->out);
        if (!failed)
            failed = ebb_flame_html(&upright, &inverted, &subject->view, &options, subject->out);
        if (!failed)
            failed = ebb_flame_svg(&upright, &subject->view, &options, subject->out);
        ebb_calltree_free(&inverted);
    }
    ebb_calltree_free(&upright);
    return failed;
}

static int fold(struct subject *subject)
{
    return ebb_folded_print(&subject->view, subject->out, NULL);
}

static int list(struct subject *subject)
{
    struct ebb_pattern pattern;
    int failed = ebb_pattern_compile(&pattern, "REGEX", "f", NULL);
    if (failed)
        return failed;
    failed = ebb_list_print(&subject->view, &pattern, ".", subject->out);
    ebb_pattern_free(&pattern);
    return failed == -ENOENT ? 0 : failed;
}

static int save(struct subject *subject)
{
    struct ebb_profile *copy = NULL;
    int failed = ebb_view_profile(&subject->view, &copy, NULL);
    ebb_profile_free(copy);
    return failed;
}

static int view_again(struct subject *subject)
{
    struct ebb_nodes nodes = {0};
    struct ebb_view view;
    const struct ebb_view_options options = {
        .granularity = EBB_LINES, .focus = "f", .ignore = "none", .hide = "f1", .show = "f"};
    int failed = ebb_view_make(&view, subject->profile, &nodes, &options, NULL);
    if (!failed)
        ebb_view_free(&view);
    ebb_nodes_free(&nodes);
    return failed;
}

static void test_out_of_memory(void **state)
{
    int (*const all[])(struct subject *) = {view_again, rank, grow_tree, fold, list, save};
    struct random random = {random_seed()};
    for (int round = 0; round < 5; round++) {
        struct subject subject = {.profile = random_profile(&random, round % 2),
                                  .out = fopen("/dev/null", "w")};
        struct ebb_nodes nodes = {0};
        const struct ebb_view_options options = {.granularity = EBB_LINES};
        assert_int_equal(ebb_view_make(&subject.view, subject.profile, &nodes, &options, NULL), 0);
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            bool spent = true; /* some failures may be borne: go on until none was met */
            for (long allowed = 0; spent; allowed++) {
                assert_in_range(allowed, 0, 100000);
                allocations_left = allowed;
                int failed = all[i](&subject);
                spent = allocations_left < 0;
                allocations_left = -1;
                if (failed != 0 && !(failed == -ENOMEM && spent))
                    fail_msg("view %zu fails with %d at allocation %ld", i, failed, allowed);
            }
        }
        ebb_view_free(&subject.view);
        ebb_nodes_free(&nodes);
        ebb_profile_free(subject.profile);
        fclose(subject.out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_out_of_memory)};
    return cmocka_run_group_tests_name("views_memory", tests, NULL, NULL);
}
