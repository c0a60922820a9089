/* One pass over the samples for weights, one for edges. See graph.h. */
#include "tool/render/graph.h"

#include "base/hash.h"
#include "tool/render/measure.h"

#include <errno.h>
#include <stdlib.h>

/* Kept together: one cache line per visited node. */
struct tally {
    int64_t flat, cum;
    uint64_t last_sample; /* counted, plus 1 */
};

static void weigh_sample(const struct ebb_view *view, struct tally *tallies, size_t sample,
                         int64_t value)
{
    const uint32_t *stack = view->profile->stack;
    struct tally *leaf = NULL;
    for (uint64_t i = view->begin[sample], end = view->end[sample]; i < end; i++) {
        uint32_t n = view->first_node[stack[i]], stop = view->first_node[stack[i] + 1];
        for (; n < stop; n++) {
            struct tally *tally = &tallies[view->node_ids[n]];
            if (!leaf)
                leaf = tally;
            if (tally->last_sample != sample + 1) {
                tally->last_sample = sample + 1;
                tally->cum = ebb_measure_add(tally->cum, value);
            }
        }
    }
    if (leaf)
        leaf->flat = ebb_measure_add(leaf->flat, value);
}

struct ebb_weight *ebb_graph_weigh(const struct ebb_view *view)
{
    size_t count = view->nodes->list.len;
    struct tally *tallies = calloc(count + 1, sizeof *tallies);
    struct ebb_weight *weights = malloc((count + 1) * sizeof *weights);
    if (tallies && weights) {
        for (size_t i = 0; i < view->profile->sample_count; i++) {
            int64_t value = ebb_view_value(view, i);
            if (value)
                weigh_sample(view, tallies, i, value);
        }
        for (size_t i = 0; i < count; i++)
            weights[i] = (struct ebb_weight){tallies[i].flat, tallies[i].cum};
    } else {
        free(weights);
        weights = NULL;
    }
    free(tallies);
    return weights;
}

/* ---- edges ---- */

struct walk {
    const struct ebb_view *view;
    const bool *kept, *into;
    struct ebb_edges *edges;
    struct last_samples EBB_VEC(uint64_t) last; /* beside edges: the last sample counted, plus 1 */
    struct ebb_index index;
};

static struct ebb_edge *find_edge(struct walk *walk, uint32_t from, uint32_t to)
{
    uint64_t hash = ebb_mix64((uint64_t)from << 32 | to);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&walk->index, hash, &probe)) != EBB_NONE;)
        if (walk->edges->items[i].from == from && walk->edges->items[i].to == to)
            return &walk->edges->items[i];
    struct ebb_edge edge = {.from = from, .to = to, .inlined = true};
    uint32_t number = (uint32_t)walk->edges->len;
    if (walk->edges->len >= EBB_NONE || ebb_vec_push(walk->edges, edge) < 0 ||
        ebb_vec_push(&walk->last, 0) < 0 || ebb_index_add(&walk->index, hash, number) < 0)
        return NULL;
    return &walk->edges->items[number];
}

static int count_edge(struct walk *walk, size_t sample, uint32_t from, uint32_t to, bool inlined,
                      int64_t value)
{
    struct ebb_edge *edge = find_edge(walk, from, to);
    if (!edge)
        return -ENOMEM;
    uint64_t *last = &walk->last.items[edge - walk->edges->items];
    if (*last == sample + 1)
        return 0;
    *last = sample + 1;
    edge->weight = ebb_measure_add(edge->weight, value);
    edge->inlined = edge->inlined && inlined;
    return 0;
}

/* From the root to the leaf, within a location from the outermost call in. */
static int walk_sample(struct walk *walk, size_t sample, int64_t value)
{
    const struct ebb_view *view = walk->view;
    uint32_t caller = EBB_NONE;
    for (uint64_t i = view->end[sample]; i > view->begin[sample]; i--) {
        uint32_t location = view->profile->stack[i - 1];
        uint32_t first = view->first_node[location], stop = view->first_node[location + 1];
        for (uint32_t n = stop; n > first; n--) {
            uint32_t node = view->node_ids[n - 1];
            if (walk->kept && !walk->kept[node])
                continue;
            if (caller != EBB_NONE && caller != node && (!walk->into || walk->into[node]) &&
                count_edge(walk, sample, caller, node, n != stop, value) < 0)
                return -ENOMEM;
            caller = node;
        }
    }
    return 0;
}

int ebb_graph_edges(const struct ebb_view *view, const bool *kept, const bool *into,
                    struct ebb_edges *edges)
{
    struct walk walk = {.view = view, .kept = kept, .into = into, .edges = edges};
    int failed = 0;
    for (size_t i = 0; i < view->profile->sample_count && !failed; i++) {
        int64_t value = ebb_view_value(view, i);
        if (value)
            failed = walk_sample(&walk, i, value);
    }
    ebb_vec_free(&walk.last);
    ebb_index_free(&walk.index);
    return failed;
}
