/* Evidence: what was seen of a target over a window of time, in the form the diagnosis reads.
 *
 * A target (a process, a Go service, files in time order) adds one observation at a time. Growth is
 * kept as one series per (stack, size class, kind): that is fine enough to tell a table that doubles
 * from nodes that pile up, and coarse enough that sampling error averages out. Stacks are symbolized
 * once, when they first appear.
 *
 * When a window grows past EBB_EVIDENCE_MAX_OBSERVATIONS, every second observation is dropped, so
 * memory stays bounded however long one looks. Not thread-safe. */
#ifndef EBB_TOOL_COLLECT_EVIDENCE_H
#define EBB_TOOL_COLLECT_EVIDENCE_H

#include "base/arena.h"
#include "base/vec.h"
#include "channel/layout.h"
#include "tool/collect/limits.h"
#include "tool/collect/symbols.h"

#define EBB_EVIDENCE_MAX_OBSERVATIONS 512

/* The state of one series at one observation, since the program's start. Weighted (unbiased)
 * estimates, except the two sample counts, which are the raw sampled events behind them. */
struct ebb_point {
    uint32_t observation;
    double alloc_objects, alloc_bytes;
    double live_objects, live_bytes;
    uint64_t alloc_samples, free_samples;
};

/* One (stack, size class, kind). Goroutines are of kind thread, at the stack where they stand. A series without a point at an observation had not appeared yet. */
struct ebb_series {
    uint32_t stack;
    uint16_t size_class;
    uint8_t kind; /* enum ebb_kind */
    struct ebb_points EBB_VEC(struct ebb_point) points;
};

/* A symbolized stack, inlined calls spread out, the leaf first. */
struct ebb_evidence_stack {
    const struct ebb_frame *frames;
    size_t depth;
    bool truncated;
};

/* One live sampled block at the last observation. */
struct ebb_survivor {
    uint32_t series;
    uint64_t size;
    double age_s, weight;
    uint32_t flags; /* EBB_SAMPLE_... */
};

/* What Go's runtime says of itself (runtime.MemStats; bytes unless named otherwise). */
struct ebb_go_stats {
    bool known;
    uint64_t sys, total_alloc;
    uint64_t mallocs, frees; /* objects, since the program's start */
    uint64_t heap_alloc, heap_sys, heap_idle, heap_inuse, heap_released, heap_objects;
    uint64_t next_gc;
    uint64_t num_gc, num_forced_gc; /* cycles */
    uint64_t gomemlimit;            /* UINT64_MAX: unknown or none */
    double gogc;                    /* percent; below 0: unknown */
    double gc_cpu_fraction;         /* of the processor time available since the start */
};

struct ebb_observation {
    double time_s; /* since the first observation */
    struct ebb_memory memory;
    struct ebb_limit limit;
    uint64_t allocs, frees, alloc_bytes; /* exact, since the program's start */
    uint64_t threads;
    double live_bytes;
    double live_bytes_sd; /* standard deviation of live_bytes by sampling */
    struct ebb_go_stats go;
};

/* Time rather than memory: what the processor, mutex and block profiles of the window showed. */
enum ebb_cost { EBB_COST_CPU, EBB_COST_MUTEX, EBB_COST_BLOCK, EBB_COST_COUNT };

struct ebb_cost_sample {
    enum ebb_cost kind;
    uint32_t stack;
    double seconds;
    double from_s, to_s; /* between when and when, since the first observation; both 0: unknown */
};

/* Goroutines that wait in one place at the end of the window. */
struct ebb_wait {
    uint32_t stack;
    const char *reason; /* "chan receive", "select", "IO wait", ... */
    uint64_t goroutines;
    double longest_s; /* 0: less than a minute; the runtime says no more */
};

/* An Ebb map that shows itself, over the observations: exact, but it lags behind by up to a
 * sixty-fourth of its length, or 256 entries. */
struct ebb_map_point {
    uint32_t observation;
    double len, bytes, added; /* entries; of its table; entries ever added */
};

struct ebb_map_history {
    uint64_t sequence; /* its identity */
    const char *name;  /* "" has none */
    uint32_t key_bytes, value_bytes;
    bool nested;           /* a map of maps */
    struct ebb_frame site; /* where it was created */
    double high_water;     /* entries */
    uint64_t clears;
    struct ebb_map_points EBB_VEC(struct ebb_map_point) points;
};

struct ebb_evidence {
    struct ebb_arena arena;
    const char *target; /* as the user named it */
    const char *kind;   /* "c", "go", "ebb" */
    pid_t pid;
    const char *executable; /* path of the main module, "" unknown */
    uint64_t period;        /* mean bytes between samples; 1: everything was recorded */
    double age_s;           /* of the process at the first observation */
    bool ended;             /* the process is gone */
    const char *end_reason; /* "", "exited with status 1", "killed by SIGKILL", ... */
    bool complete;          /* the whole asked-for window was seen */
    double window_s;        /* asked for */
    bool reconstructed;     /* nobody watched: the history was made from the birth times of what was
                               still held at the end, so growth is an upper estimate */
    const char *caution;    /* NULL, or one sentence on how far the evidence can be trusted */
    const char *go_version; /* "go1.19.8", "" unknown or no Go */
    bool runtime_named;     /* Go: stacks show the runtime's own frames wherever they have any */
    bool gc_forced;         /* collections were asked for, because none came by itself */
    uint64_t dropped;       /* channel entries that found no room: the evidence has holes */

    struct ebb_observations EBB_VEC(struct ebb_observation) observations;
    struct ebb_stacks EBB_VEC(struct ebb_evidence_stack) stacks;
    struct ebb_serieses EBB_VEC(struct ebb_series) series;
    struct ebb_survivors EBB_VEC(struct ebb_survivor) survivors; /* of the last observation */
    struct ebb_costs EBB_VEC(struct ebb_cost_sample) costs;
    double costs_window_s[EBB_COST_COUNT]; /* how long each was looked for in all; 0: not looked */
    struct ebb_waits EBB_VEC(struct ebb_wait) waits;
    struct ebb_map_histories EBB_VEC(struct ebb_map_history) maps;
};

void ebb_evidence_free(struct ebb_evidence *evidence);

/* Drops every second observation when there are too many; called by targets after each one. */
void ebb_evidence_thin(struct ebb_evidence *evidence);

/* Forgets all observations but the newest, for those who look without end and keep what they saw
 * elsewhere. */
void ebb_evidence_forget(struct ebb_evidence *evidence);

#endif
