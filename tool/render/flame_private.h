/* What the two forms of a flame graph share. Internal to flame_*.c. */
#ifndef EBB_TOOL_RENDER_FLAME_PRIVATE_H
#define EBB_TOOL_RENDER_FLAME_PRIVATE_H

#include "tool/render/flame.h"

/* Which frames are drawn. */
struct ebb_flame_cut {
    int64_t smallest; /* width of the narrowest frame that is drawn */
    uint32_t deepest; /* depth of the deepest */
    size_t cut;       /* frames that are not drawn */
    int64_t cut_width;
};

static inline bool ebb__flame_draws(const struct ebb_flame_cut *cut, const struct ebb_call *call)
{
    return call->width >= cut->smallest && call->depth <= cut->deepest;
}

/* Frames at least `smallest` wide, and no more than `most`. 0 or -ENOMEM. */
int ebb__flame_cut(const struct ebb_calltree *tree, int64_t smallest, size_t most,
                   struct ebb_flame_cut *cut);

/* "inuse_space of redis-server"; in the arena, NULL: out of memory. */
const char *ebb__flame_title(struct ebb_arena *arena, const struct ebb_view *view,
                             const struct ebb_flame_options *options);

#endif
