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

/* ---- edges ----
 *
 * Large profiles have more edges than a cache holds, so most time would go by waiting for memory. A
 * slot of the hash table therefore has all there is to know of an edge, and slots are asked for
 * (prefetched) a batch of edges ahead. */

struct slot {
    uint64_t key; /* caller and callee; NO_EDGE: empty */
    int64_t weight;
    uint64_t last_sample : 63; /* counted, plus 1 */
    uint64_t called : 1;       /* at least once not inlined */
};
static const uint64_t NO_EDGE = UINT64_MAX;

enum { BATCH = 64 };
enum { LEFT_OUT, PASSED, ASKED }; /* what is to be done about a node */

struct step {
    uint64_t key;
    bool called;
};

struct walk {
    const struct ebb_view *view;
    uint8_t *roles; /* by node */
    struct slot *slots;
    size_t capacity, count; /* capacity: a power of two */
    struct step steps[BATCH + 1];
    size_t step_count;
};

static size_t slot_of(const struct walk *walk, uint64_t key)
{
    return ebb_mix64(key) & (walk->capacity - 1);
}

static struct slot *find_slot(const struct walk *walk, uint64_t key, size_t at)
{
    while (walk->slots[at].key != key && walk->slots[at].key != NO_EDGE)
        at = (at + 1) & (walk->capacity - 1);
    return &walk->slots[at];
}

static int make_slots(struct walk *walk, size_t capacity)
{
    struct slot *slots = malloc(capacity * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    for (size_t i = 0; i < capacity; i++)
        slots[i] = (struct slot){.key = NO_EDGE};
    walk->slots = slots;
    walk->capacity = capacity;
    return 0;
}

static int grow(struct walk *walk)
{
    struct slot *old = walk->slots;
    size_t old_capacity = walk->capacity;
    if (make_slots(walk, old_capacity * 2) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].key != NO_EDGE)
            *find_slot(walk, old[i].key, slot_of(walk, old[i].key)) = old[i];
    free(old);
    return 0;
}

/* Counts the edges of the batch. */
static int take_steps(struct walk *walk, size_t sample, int64_t value)
{
    size_t places[BATCH];
    if (walk->count + walk->step_count > walk->capacity / 2 && grow(walk) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < walk->step_count; i++) {
        places[i] = slot_of(walk, walk->steps[i].key);
        __builtin_prefetch(&walk->slots[places[i]], 1);
    }
    for (size_t i = 0; i < walk->step_count; i++) {
        const struct step *step = &walk->steps[i];
        struct slot *slot = find_slot(walk, step->key, places[i]);
        if (slot->last_sample == sample + 1)
            continue;
        walk->count += slot->key == NO_EDGE;
        slot->key = step->key;
        slot->last_sample = sample + 1;
        slot->weight = ebb_measure_add(slot->weight, value);
        slot->called |= step->called;
    }
    walk->step_count = 0;
    return 0;
}

/* From the root to the leaf, within a location from the outermost call in. Which nodes stay is hard
 * to guess for a processor, so a step is always written and only sometimes kept. */
static int walk_sample(struct walk *walk, size_t sample, int64_t value)
{
    const struct ebb_view *view = walk->view;
    uint32_t caller = EBB_NONE;
    for (uint64_t i = view->end[sample]; i > view->begin[sample]; i--) {
        uint32_t location = view->profile->stack[i - 1];
        uint32_t first = view->first_node[location], stop = view->first_node[location + 1];
        for (uint32_t n = stop; n-- > first;) {
            uint32_t node = view->node_ids[n];
            uint8_t role = walk->roles[node];
            walk->steps[walk->step_count] =
                (struct step){(uint64_t)caller << 32 | node, n + 1 == stop};
            walk->step_count += (role == ASKED) & (caller != EBB_NONE) & (caller != node);
            caller = role == LEFT_OUT ? caller : node;
            if (walk->step_count == BATCH && take_steps(walk, sample, value) < 0)
                return -ENOMEM;
        }
    }
    return take_steps(walk, sample, value);
}

static int walk_samples(struct walk *walk, struct ebb_edges *edges)
{
    int failed = 0;
    for (size_t i = 0; i < walk->view->profile->sample_count && !failed; i++) {
        int64_t value = ebb_view_value(walk->view, i);
        if (value)
            failed = walk_sample(walk, i, value);
    }
    if (failed || ebb_vec_reserve(edges, walk->count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < walk->capacity; i++) {
        const struct slot *slot = &walk->slots[i];
        if (slot->key != NO_EDGE)
            edges->items[edges->len++] = (struct ebb_edge){
                (uint32_t)(slot->key >> 32), (uint32_t)slot->key, slot->weight, !slot->called};
    }
    return 0;
}

int ebb_graph_edges(const struct ebb_view *view, const bool *kept, const bool *into,
                    struct ebb_edges *edges)
{
    struct walk walk = {.view = view};
    size_t nodes = view->nodes->list.len;
    int failed = make_slots(&walk, 1024);
    walk.roles = malloc(nodes + 1);
    if (!walk.roles)
        failed = -ENOMEM;
    if (!failed) {
        for (size_t i = 0; i < nodes; i++)
            walk.roles[i] = kept && !kept[i] ? LEFT_OUT : into && !into[i] ? PASSED : ASKED;
        failed = walk_samples(&walk, edges);
    }
    free(walk.roles);
    free(walk.slots);
    return failed;
}
