/* Collapsed stacks, read off the call tree. See folded.h. */
#include "tool/render/folded.h"

#include "tool/render/calltree.h"

#include <errno.h>
#include <inttypes.h>

static void print_name(const char *label, FILE *out)
{
    for (; *label; label++)
        putc(*label == ';' ? ':' : *label, out);
}

/* From the root to the call, whose ancestors are on `path`. */
static void print_stack(const struct ebb_calltree *tree, const uint32_t *path, size_t depth,
                        FILE *out)
{
    for (size_t i = 0; i < depth; i++) {
        if (i)
            putc(';', out);
        print_name(ebb_nodes_at(tree->nodes, ebb_calltree_at(tree, path[i])->node)->label, out);
    }
}

static int print_tree(const struct ebb_calltree *tree, FILE *out)
{
    struct path EBB_VEC(uint32_t) path = {0};
    for (uint32_t i = ebb_calltree_next(tree, 0, false); i != EBB_NONE;
         i = ebb_calltree_next(tree, i, false)) {
        const struct ebb_call *call = ebb_calltree_at(tree, i);
        path.len = call->depth - 1;
        if (ebb_vec_push(&path, i) < 0) {
            ebb_vec_free(&path);
            return -ENOMEM;
        }
        int64_t value = (int64_t)((uint64_t)call->self[EBB_NOW] - (uint64_t)call->self[EBB_BEFORE]);
        if (!value)
            continue;
        print_stack(tree, path.items, path.len, out);
        fprintf(out, " %" PRId64 "\n", value);
    }
    ebb_vec_free(&path);
    return 0;
}

int ebb_folded_print(const struct ebb_view *view, FILE *out, struct ebb_error *error)
{
    struct ebb_calltree tree;
    int failed = ebb_calltree_make(&tree, view, NULL, false, EBB_BY_LABEL);
    if (!failed) {
        failed = print_tree(&tree, out);
        ebb_calltree_free(&tree);
    }
    return failed ? ebb_error_set(error, failed, "out of memory") : 0;
}
