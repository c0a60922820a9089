/* Random profiles for the tests of views, and what a view of one must say, worked out the slow and
 * obvious way: strings, lists and nested loops. */
#ifndef EBB_TESTS_RENDER_RANDOM_PROFILE_H
#define EBB_TESTS_RENDER_RANDOM_PROFILE_H

#include "tool/render/view.h"

/* The same for the same seed. */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *random);
/* 0 .. count - 1 */
unsigned random_below(struct random *random, unsigned count);
/* EBB_TEST_SEED, or another one at each run; printed, so that a failure can be repeated. */
uint64_t random_seed(void);

/* Recursion, inlined calls, functions of one name in several files, locations without lines,
 * samples without a stack, values of 0 and, when asked for, below 0. */
struct ebb_profile *random_profile(struct random *random, bool negative);

enum { MODEL_DEEPEST = 64 };

/* One sample as the view must see it, the leaf first. */
struct model_stack {
    size_t depth;
    const char *frames[MODEL_DEEPEST];
    bool inlined[MODEL_DEEPEST]; /* into the frame after it */
    int64_t value;
};

struct model {
    struct model_stack *stacks;
    size_t count;
    int64_t total;
    struct ebb_arena arena;
};

/* Patterns are words that are looked for as they are. */
void model_make(struct model *model, const struct ebb_profile *profile,
                const struct ebb_view_options *options, size_t value);
void model_free(struct model *model);

int64_t model_flat(const struct model *model, const char *frame);
int64_t model_cum(const struct model *model, const char *frame);
/* 0 and `*exists` false when nobody calls so. */
int64_t model_edge(const struct model *model, const char *from, const char *to, bool *exists,
                   bool *inlined);
/* Stacks that begin so, from the root or (inverted) from the leaf; `whole`: and end there. */
int64_t model_path(const struct model *model, const char *const *path, size_t length, bool inverted,
                   bool whole);

#endif
