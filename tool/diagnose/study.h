/* A study: everything that was worked out about one process before any pattern is asked.
 *
 *   evidence ──► signals     exact gauges over the window: live blocks, anonymous memory, Go's heap
 *            ──► groups      series that belong together: one site, one container
 *            ──► growth      of each group: does it grow now, how fast, how sure
 *
 * Sampling makes single series noisy but leaves two things exact: how many blocks live in all
 * (calls counted, not sampled) and how much memory the kernel sees. Groups say where, the signals
 * say whether; small groups are believed only when the signals agree.
 *
 * Private to the room. Memory comes from the study's arena; running out of it is remembered in
 * `failed`, so that callers check once. */
#ifndef EBB_TOOL_DIAGNOSE_STUDY_H
#define EBB_TOOL_DIAGNOSE_STUDY_H

#include "tool/collect/evidence.h"
#include "tool/diagnose/containers.h"
#include "tool/diagnose/trend.h"

/* Smaller growth than this is nobody's problem, however certain. */
#define EBB_LEAST_RATE   1024.0        /* bytes per second */
#define EBB_LEAST_GROWTH (32 * 1024.0) /* bytes within the window */

/* An exact gauge over the window. */
struct ebb_signal {
    bool known;
    double *values; /* one per observation */
    struct ebb_course course;
    bool steady; /* grows all the time and still at the end */
    double rate; /* per second, while steady */
};

/* The table or buffer of a group: the largest block, which is replaced by larger ones. */
struct ebb_backing {
    double size;                    /* bytes, at the end; 0: none seen */
    double first_size;              /* when first seen */
    int rises;                      /* observations at which it had become larger */
    int doublings;                  /* ... by a third or more */
    double last_rise_s, last_gap_s; /* when, and how long after the one before */
    double steady_share;            /* part of the rise that fell into the last third */
    bool growing;                   /* the next rise is not overdue */
    double live, live_first; /* how many tables live at the end and at the start, estimated */
    double live_samples;     /* sampled blocks behind `live` */
    bool realloc;            /* it is realloc that makes it larger */
    /* Whether a larger one becomes resident at once, as a table does whose entries are scattered over
     * it, or by and by, as an array does that is filled from its start. */
    enum { EBB_FILLED_UNKNOWN, EBB_FILLED_AT_ONCE, EBB_FILLED_BY_AND_BY } filled;
};

enum ebb_proof {
    EBB_PROOF_NONE,
    EBB_PROOF_COUNTED,   /* many retained blocks, none or few freed */
    EBB_PROOF_SUPPORTED, /* few retained blocks, and the exact signals agree */
    EBB_PROOF_FLOOR,     /* a saw-tooth whose troughs rise */
    EBB_PROOF_TABLE,     /* a table that keeps doubling */
};

struct ebb_growth {
    enum ebb_proof proof;
    double confidence;
    double rate, interval[2]; /* bytes per second (threads per second for threads) */
    double objects_rate;
    bool settled; /* whether the exact signals have room for it is decided */
    bool slowing; /* it grew, and was ending or had ended */
};

/* What a place spends on maps, by the processor profile; in seconds. */
struct ebb_hot {
    double clear, remove, iterate;
    double iterate_empty; /* of `iterate`: looking for the next entry in empty slots */
    double iterate_begin; /* of `iterate`: looking for the first one */
    double other;         /* in the same functions, on anything else */
    double sync_remove, sync_iterate;
    bool sync_walks; /* it walks over a sync.Map, as time spent or calls say */
    double insert;
    double waited; /* by others, for locks that are let go here */
};

/* Series that belong together, or a place where time goes (`hot`), which has no series. */
struct ebb_group {
    uint32_t *series; /* indexes into the evidence */
    size_t series_count;
    uint32_t stack;         /* of the heaviest series that is not a table's */
    struct ebb_place place; /* of that stack; `site` may lie further out than its own */
    const struct ebb_container *container; /* NULL: not recognised by name */
    const struct ebb_hot *hot;
    bool threads;
    bool steady; /* as much freed as allocated: kept apart from what grows beside it */
    struct ebb_group *part_of; /* belongs to this group's verdict; NULL: stands for itself */

    /* over the observations */
    double *live, *objects; /* weighted */
    double *allocated;      /* bytes, cumulative */
    double *created;        /* objects, cumulative */
    double *samples;        /* live ones, unweighted */
    double *nodes, *tables; /* live bytes of entries and of tables */
    double allocated_large; /* bytes in the window, in blocks of 64 KiB and more */
    double created_large;
    double live_large; /* mean live bytes of such blocks over the window */

    /* sampled events within the window */
    double retained; /* born in it, old enough to count, still alive */
    double retained_bytes, retained_objects;
    double retained_thirds[3]; /* by time of birth */
    double concentration;      /* largest part of them born within a tenth of the window */
    double lost;               /* alive when it began, freed since; churn taken off */
    double churn;              /* mean number of sampled blocks that live only shortly */
    double wander;             /* variance of `gain` by replacement, where births are not known */
    double births, deaths;
    double outgrown;    /* of `deaths`: a Go map's tables that gave way to larger or more ones */
    double gain;        /* sampled blocks the window added, churn and chance set apart */
    double event_bytes; /* one sampled block stands for */
    double sampling_variance; /* of what the window added, bytes² */
    double entry_objects;     /* net objects of the node series that added most; no mappings */
    double arenas;            /* net bytes of mappings that are no tables: entries lie inside */
    unsigned growing_lines;   /* call sites that retain */
    double oldest_s;          /* age of the oldest survivor, 0 without survivors */
    double ended_threads;     /* kind thread: returned, never joined */
    double made;              /* new Go maps that the window added, and the samples behind that */
    double made_samples;

    struct ebb_course course; /* of `live` */
    struct ebb_backing table;
    struct ebb_growth growth;
};

/* One series over the window; index as in the evidence. */
struct ebb_track {
    double event_bytes, weight, block_bytes;
    double births, deaths;
    double samples_first, samples_last;
    double net_bytes, net_objects;
    double new_survivors, old_survivors, ended;
    bool table; /* a table or buffer, by name or by shape */
    bool ignored;
};

/* Processor time that went into putting entries into maps, taking them out, walking over them, or
 * into anything else in a place of the program. */
struct ebb_move {
    enum ebb_move_kind {
        EBB_MOVE_IN,
        EBB_MOVE_OUT,
        EBB_MOVE_CLEAR,
        EBB_MOVE_WALK,
        EBB_MOVE_OTHER
    } kind;
    uint32_t stack;
    const char *keys; /* of the map: see ebb_go_map_keys; "" when there is none */
    double seconds;
    double from_s, to_s; /* when */
};

struct ebb_study {
    struct ebb_arena arena;
    bool failed; /* out of memory */
    const struct ebb_evidence *evidence;
    struct ebb_program program;
    size_t n;      /* observations that are used */
    double *times; /* since the first observation */
    double span;
    bool survivors_known;
    double survivor_scale; /* samples one survivor stands for: 1, more when only some are listed */
    struct ebb_place *places; /* per stack */
    struct ebb_track *tracks; /* per series */
    struct ebb_signal blocks, anonymous;
    struct ebb_signal heap;         /* Go: bytes that the last collection found alive */
    size_t heap_looks;              /* ... at how many looks that was told */
    const struct ebb_signal *bytes; /* the better witness of the two gauges of bytes */
    uint32_t *survivors;            /* indexes into the evidence, by series */
    uint32_t *survivors_start;      /* per series, and one more */
    double *live;                   /* all live bytes */
    double alloc_rate;              /* bytes per second, all, direct mappings too */
    bool runtime_shown; /* Go: stacks show the runtime's functions, so that a map looks like one */
    struct ebb_moves EBB_VEC(struct ebb_move) moves;
    struct ebb_growth maps; /* of the Ebb maps that grow, together */
    struct {
        double all, collect, assist; /* seconds of processor time, visits to profiles left out */
        double insert;               /* into maps */
        double window;               /* 0: nobody looked */
    } cpu;
    double *scratch;       /* for the trend functions */
    double *stack_weights; /* per stack: for the choice of the one that speaks for a group */
    struct ebb_groups EBB_VEC(struct ebb_group) groups;
};

/* Works everything out. 0, -ENODATA (fewer than two observations), -ENOMEM. Call
 * ebb_study_free in any case. */
int ebb_study_make(const struct ebb_evidence *evidence, struct ebb_study *study);
void ebb_study_free(struct ebb_study *study);

/* The value of `values` at the end less that at the start. */
static inline double ebb_study_net(const struct ebb_study *study, const double *values)
{
    return values[study->n - 1] - values[0];
}

/* ---- parts, in the order they run ---- */

void ebb_signals_read(struct ebb_study *study);                            /* signals.c */
void ebb_signal_judge(struct ebb_study *study, struct ebb_signal *signal); /* the same */
void ebb_tracks_read(struct ebb_study *study);                             /* tracks.c */
void ebb_groups_make(struct ebb_study *study);                             /* groups.c */
void ebb_group_measure(struct ebb_study *study, struct ebb_group *group);  /* measure.c */
int ebb_group_alloc(struct ebb_study *study, struct ebb_group *group);     /* the same; blank */
void ebb_costs_read(struct ebb_study *study);                              /* costs.c */
void ebb_growth_judge(struct ebb_study *study); /* growth.c: every group */
/* The keys of the Go map that the group fills, by any of its stacks; NULL: no stack tells. */
const char *ebb_group_keys(const struct ebb_study *study,
                           const struct ebb_group *group); /* costs.c */
/* How many retained blocks, none freed, a group needs to be believed; fewer when the exact signals
 * support it. */
double ebb_samples_needed(const struct ebb_study *study, bool supported); /* growth.c */
void ebb_groups_absorb(struct ebb_study *study); /* groups.c: one cause, one verdict */

/* Zeroed memory of the study; sets `failed` and returns NULL when there is none. */
void *ebb_study_alloc(struct ebb_study *study, size_t count, size_t size);

/* The index of the first of `points` at or before observation `i`, -1 when there is none. */
static inline ptrdiff_t ebb_point_at(const struct ebb_series *series, uint32_t i)
{
    size_t low = 0, high = series->points.len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (series->points.items[middle].observation <= i)
            low = middle + 1;
        else
            high = middle;
    }
    return (ptrdiff_t)low - 1;
}

#endif
