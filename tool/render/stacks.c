/* Spreading samples into sequences, and sorting those. See stacks.h.
 *
 * Sorting is multikey quicksort (Bentley and Sedgewick, "Fast algorithms for sorting and searching
 * strings", 1997): ranges are split by one node at a time, so what stacks have in common is looked
 * at once. Ranges wait in a list of their own: stacks may be of any depth. */
#include "tool/render/stacks.h"

#include "tool/render/measure.h"

#include <errno.h>
#include <stdlib.h>

enum { SMALL_RANGE = 12 };

/* ---- spreading ---- */

static uint32_t node_count(const struct ebb_view *view, uint32_t location)
{
    return view->first_node[location + 1] - view->first_node[location];
}

/* Writes a sample's nodes; returns how many. */
static size_t spread(const struct ebb_view *view, size_t sample, bool inverted, uint32_t *to)
{
    uint64_t begin = view->begin[sample], end = view->end[sample];
    size_t length = 0;
    for (uint64_t i = begin; i < end; i++) {
        uint32_t location = view->profile->stack[inverted ? i : end - 1 - (i - begin)];
        const uint32_t *nodes = view->node_ids + view->first_node[location];
        uint32_t count = node_count(view, location);
        for (uint32_t n = 0; n < count; n++)
            to[length++] = nodes[inverted ? n : count - 1 - n];
    }
    return length;
}

int ebb__stacks_add(struct ebb_stacks_of *stacks, const struct ebb_view *view, bool inverted,
                    int side)
{
    size_t room = 0, count = 0;
    for (size_t i = 0; i < view->profile->sample_count; i++) {
        if (!ebb_view_value(view, i))
            continue;
        count++;
        for (uint64_t k = view->begin[i]; k < view->end[i]; k++)
            room += node_count(view, view->profile->stack[k]);
    }
    uint32_t *nodes = malloc((room + 1) * sizeof *nodes), *next = nodes;
    if (!nodes || ebb_vec_reserve(&stacks->list, stacks->list.len + count) < 0) {
        free(nodes);
        return -ENOMEM;
    }
    stacks->nodes[stacks->nodes[0] != NULL] = nodes;
    for (size_t i = 0; i < view->profile->sample_count; i++) {
        int64_t value = ebb_view_value(view, i);
        size_t length = value ? spread(view, i, inverted, next) : 0;
        if (!length)
            continue;
        if (length >= UINT32_MAX)
            return -ENOMEM;
        stacks->list.items[stacks->list.len++] =
            (struct ebb_stack){next, (uint32_t)length, value < 0 ? !side : side,
                               value == INT64_MIN ? INT64_MAX : ebb_measure_abs(value)};
        next += length;
    }
    return 0;
}

void ebb__stacks_free(struct ebb_stacks_of *stacks)
{
    ebb_vec_free(&stacks->list);
    free(stacks->nodes[0]);
    free(stacks->nodes[1]);
}

/* ---- sorting ---- */

/* Stacks that are equal up to `depth`. */
struct range {
    size_t first, count;
    uint32_t depth;
};

/* The node at `depth`, and a number below all nodes at the end. */
static inline uint64_t key(const struct ebb_stack *stack, uint32_t depth)
{
    return depth < stack->length ? (uint64_t)stack->nodes[depth] + 1 : 0;
}

static bool less(const struct ebb_stack *a, const struct ebb_stack *b, uint32_t depth)
{
    while (depth < a->length && depth < b->length && a->nodes[depth] == b->nodes[depth])
        depth++;
    return key(a, depth) < key(b, depth);
}

static void insertion_sort(struct ebb_stack *stacks, size_t count, uint32_t depth)
{
    for (size_t i = 1; i < count; i++) {
        struct ebb_stack moved = stacks[i];
        size_t at = i;
        for (; at > 0 && less(&moved, &stacks[at - 1], depth); at--)
            stacks[at] = stacks[at - 1];
        stacks[at] = moved;
    }
}

static void swap(struct ebb_stack *a, struct ebb_stack *b)
{
    struct ebb_stack kept = *a;
    *a = *b;
    *b = kept;
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
    if (a < b)
        return b < c ? b : a < c ? c : a;
    return a < c ? a : b < c ? c : b;
}

/* Splits a range in three: below, equal to and above the pivot at its depth. */
static void split(struct ebb_stack *stacks, size_t count, uint32_t depth, uint64_t pivot,
                  size_t *below, size_t *above)
{
    size_t low = 0, high = count;
    for (size_t i = 0; i < high;) {
        uint64_t at = key(&stacks[i], depth);
        if (at < pivot)
            swap(&stacks[low++], &stacks[i++]);
        else if (at > pivot)
            swap(&stacks[i], &stacks[--high]);
        else
            i++;
    }
    *below = low;
    *above = count - high;
}

int ebb__stacks_sort(struct ebb_stacks_of *stacks)
{
    struct ranges EBB_VEC(struct range) ranges = {0};
    struct ebb_stack *list = stacks->list.items;
    int failed = ebb_vec_push(&ranges, (struct range){0, stacks->list.len, 0});
    while (!failed && ranges.len) {
        struct range range = ranges.items[--ranges.len];
        struct ebb_stack *first = list + range.first;
        if (range.count <= SMALL_RANGE) {
            insertion_sort(first, range.count, range.depth);
            continue;
        }
        uint64_t pivot = median(key(first, range.depth), key(first + range.count / 2, range.depth),
                                key(first + range.count - 1, range.depth));
        size_t below, above;
        split(first, range.count, range.depth, pivot, &below, &above);
        size_t equal = range.count - below - above;
        if (ebb_vec_reserve(&ranges, ranges.len + 3) < 0) {
            failed = -ENOMEM;
            break;
        }
        if (below)
            ranges.items[ranges.len++] = (struct range){range.first, below, range.depth};
        if (above)
            ranges.items[ranges.len++] =
                (struct range){range.first + below + equal, above, range.depth};
        if (pivot != 0) /* else they have ended, and are equal */
            ranges.items[ranges.len++] =
                (struct range){range.first + below, equal, range.depth + 1};
    }
    ebb_vec_free(&ranges);
    return failed;
}

/* ---- equal stacks together ---- */

static bool equal(const struct ebb_stack *a, const struct ebb_stack *b)
{
    if (a->length != b->length)
        return false;
    for (uint32_t i = 0; i < a->length; i++)
        if (a->nodes[i] != b->nodes[i])
            return false;
    return true;
}

const struct ebb_stack *ebb__stacks_sum_equal(const struct ebb_stack *at,
                                              const struct ebb_stack *end, int64_t sums[static 2])
{
    const struct ebb_stack *first = at;
    sums[0] = sums[1] = 0;
    do {
        sums[at->side] = ebb_measure_add(sums[at->side], at->value);
        at++;
    } while (at < end && equal(at, first));
    return at;
}
