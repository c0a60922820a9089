/* Nodes: what a row of a view stands for. A function, or a line of it, each once however many
 * locations and profiles lead to it; views of several profiles that share one set of nodes can be
 * compared by node id.
 *
 * Texts of nodes are cleaned for terminals (text.h) and live as long as the set. Not thread-safe.
 */
#ifndef EBB_TOOL_RENDER_NODES_H
#define EBB_TOOL_RENDER_NODES_H

#include "base/arena.h"
#include "base/vec.h"
#include "tool/profile/index.h"

struct ebb_node {
    const char *name;         /* of the function, "" unknown */
    const char *file;         /* straightened path, "" unknown or not asked for */
    const char *object;       /* path of the mapped file, where it tells nodes apart, else "" */
    int64_t line, start_line; /* 0 unknown or not asked for */
    const char
        *label; /* as pprof prints it: "main.run", "main.run /src/run.go:12", "[libc.so.6]" */
};

struct ebb_nodes {
    struct ebb_arena arena;
    struct ebb_node_list EBB_VEC(struct ebb_node) list;
    struct ebb_index index;
};

/* The id of the node with these five fields (`label` is ignored and filled in); the strings are
 * copied when new. EBB_NONE: out of memory. O(1). */
uint32_t ebb_nodes_intern(struct ebb_nodes *nodes, const struct ebb_node *wanted);

void ebb_nodes_free(struct ebb_nodes *nodes);

static inline const struct ebb_node *ebb_nodes_at(const struct ebb_nodes *nodes, uint32_t id)
{
    return &nodes->list.items[id];
}

/* For sorting: by label, and where labels are equal by everything else, so that no two differing
 * nodes compare equal. As pprof orders rows of equal value. */
int ebb_nodes_compare_labels(const struct ebb_nodes *nodes, uint32_t a, uint32_t b);
int ebb_nodes_compare(const struct ebb_nodes *nodes, uint32_t a, uint32_t b);

#endif
