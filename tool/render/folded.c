/* Collapsed stacks, read off the sorted ones. See folded.h. */
#include "tool/render/folded.h"

#include "tool/render/stacks.h"

#include <errno.h>
#include <inttypes.h>

static void print_name(const char *label, FILE *out)
{
    for (; *label; label++)
        putc(*label == ';' ? ':' : *label, out);
}

static void print(const struct ebb_stacks_of *stacks, const struct ebb_nodes *nodes, FILE *out)
{
    const struct ebb_stack *at = stacks->list.items, *end = at + stacks->list.len;
    while (at < end) {
        const struct ebb_stack *stack = at;
        int64_t sums[2];
        at = ebb__stacks_sum_equal(at, end, sums);
        if (sums[0] == sums[1])
            continue;
        for (uint32_t i = 0; i < stack->length; i++) {
            if (i)
                putc(';', out);
            print_name(ebb_nodes_at(nodes, stack->nodes[i])->label, out);
        }
        fprintf(out, " %" PRId64 "\n", (int64_t)((uint64_t)sums[0] - (uint64_t)sums[1]));
    }
}

int ebb_folded_print(const struct ebb_view *view, FILE *out, struct ebb_error *error)
{
    struct ebb_stacks_of stacks = {0};
    int failed = ebb__stacks_add(&stacks, view, false, 0);
    if (!failed)
        failed = ebb__stacks_sort(&stacks);
    if (!failed)
        print(&stacks, view->nodes, out);
    ebb__stacks_free(&stacks);
    return failed ? ebb_error_set(error, failed, "out of memory") : 0;
}
