/* See scenarios.h. Each scenario is a small program written against the simulator: it advances in
 * ticks and allocates what the program would have allocated within one. */
#include "tests/diagnose/scenarios.h"

#include <stdio.h>
#include <string.h>

static const double TICK = 0.02, NEVER = INFINITY;

#define MALLOC(sim, stack, size, count, death)                                                     \
    sim_alloc(sim, stack, EBB_KIND_MALLOC, size, count, death)

/* A flow of blocks: `rate` bytes per second in blocks of `size`, fractions carried over. */
struct flow {
    uint32_t stack;
    uint64_t size;
    double rate, owed;
};

static double due(struct flow *flow, double rate)
{
    flow->owed += rate * TICK / (double)flow->size;
    double count = floor(flow->owed);
    flow->owed -= count;
    return count;
}

static void leak(struct sim *sim, struct flow *flow)
{
    MALLOC(sim, flow->stack, flow->size, due(flow, flow->rate), NEVER);
}

/* Short lives of exponential length, in a few batches per tick. */
static void churn(struct sim *sim, struct flow *flow, double mean_life)
{
    double count = due(flow, flow->rate), part = floor(count / 4);
    for (int i = 0; i < 4; i++)
        MALLOC(sim, flow->stack, flow->size, i ? part : count - 3 * part,
               sim->now + sim_exponential(sim, mean_life));
}

/* What any server does besides. */
static void background(struct sim *sim, struct flow *flow)
{
    if (!flow->size)
        *flow = (struct flow){sim_stack(sim, "malloc@c < read_request#71 < serve#30 < main#9"), 300,
                              2e6, 0};
    churn(sim, flow, 0.05);
}

/* ---- healthy ---- */

static void steady_churn(struct sim *sim)
{
    struct flow flow = {sim_stack(sim, "malloc@c < parse#12 < serve#30 < main#9"), 200, 50e6, 0};
    do
        churn(sim, &flow, 0.05);
    while (sim_advance(sim, TICK));
}

static void step_of(struct sim *sim, double at, double bytes, uint64_t size)
{
    struct flow other = {0};
    uint32_t stack = sim_stack(sim, "malloc@c < load_table#40 < start#20 < main#9");
    double loaded = 0;
    do {
        background(sim, &other);
        if (sim->now >= at && loaded < bytes) { /* within half a second */
            MALLOC(sim, stack, size, bytes / 25 / (double)size, NEVER);
            loaded += bytes / 25;
        }
    } while (sim_advance(sim, TICK));
}

static void step_at_start(struct sim *sim)
{
    step_of(sim, 0.1, 200e6, 120);
}

static void step_in_the_middle(struct sim *sim)
{
    step_of(sim, 5 + 15 * sim_uniform(sim), 60e6, 120);
}

static void small_step(struct sim *sim)
{
    step_of(sim, 5 + 15 * sim_uniform(sim), 4e6, 120);
}

static void warm_up_of(struct sim *sim, double bytes, double time_constant)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < cache_fill#55 < serve#30 < main#9"), 250, 0, 0};
    do {
        background(sim, &other);
        double rate = bytes / time_constant * exp(-sim->now / time_constant);
        MALLOC(sim, flow.stack, flow.size, due(&flow, rate), NEVER);
    } while (sim_advance(sim, TICK));
}

static void warm_up_short(struct sim *sim)
{
    warm_up_of(sim, 100e6, 3);
}

static void warm_up_long(struct sim *sim)
{
    warm_up_of(sim, 100e6, 8);
}

static void warm_up_small(struct sim *sim)
{
    warm_up_of(sim, 6e6, 5);
}

/* Fills at an even rate until `end` and stops. */
static void ramp_then_flat(struct sim *sim)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < slab_new#55 < store#30 < main#9"), 4000, 4e6, 0};
    do {
        background(sim, &other);
        if (sim->now < 15)
            leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

static void saw_tooth_of(struct sim *sim, double length, double rate)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < collect#61 < batch#50 < main#9"), 180, rate, 0};
    double next = length * sim_uniform(sim);
    /* The tooth that is half done when the window begins. */
    MALLOC(sim, flow.stack, flow.size, (length - next) * rate / 180, next);
    do {
        background(sim, &other);
        if (sim->now >= next)
            next += length;
        MALLOC(sim, flow.stack, flow.size, due(&flow, rate), next);
    } while (sim_advance(sim, TICK));
}

static void saw_tooth_3(struct sim *sim)
{
    saw_tooth_of(sim, 3, 10e6);
}

static void saw_tooth_7(struct sim *sim)
{
    saw_tooth_of(sim, 7, 5e6);
}

static void saw_tooth_13(struct sim *sim)
{
    saw_tooth_of(sim, 13, 2e6);
}

static void saw_tooth_20(struct sim *sim)
{
    saw_tooth_of(sim, 20, 1e6);
}

static void collector(struct sim *sim)
{
    struct flow flow = {sim_stack(sim, "malloc@c < new_object#61 < run#50 < main#9"), 64, 0, 0};
    double next = 0, rate = 0;
    do {
        if (sim->now >= next) {
            next = sim->now + 0.3 + 2 * sim_uniform(sim);
            rate = 5e6 + 20e6 * sim_uniform(sim);
        }
        MALLOC(sim, flow.stack, flow.size, due(&flow, rate), next);
    } while (sim_advance(sim, TICK));
}

/* A full cache that replaces its oldest entries: every block lives `life` seconds. */
static void full_cache_of(struct sim *sim, double life, double rate)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < cache_put#44 < serve#30 < main#9"), 500, rate,
                        0};
    for (int step = 0; step < 200; step++)
        MALLOC(sim, flow.stack, flow.size, rate * life / 200 / 500, life - life * step / 200);
    do {
        background(sim, &other);
        MALLOC(sim, flow.stack, flow.size, due(&flow, rate), sim->now + life);
    } while (sim_advance(sim, TICK));
}

static void full_cache_10(struct sim *sim)
{
    full_cache_of(sim, 10, 5e6);
}

static void full_cache_60(struct sim *sim)
{
    full_cache_of(sim, 60, 1e6);
}

static void full_cache_slow(struct sim *sim)
{
    full_cache_of(sim, 120, 2e5);
}

static void full_cache_random(struct sim *sim)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < cache_put#44 < serve#30 < main#9"), 500, 2e6, 0};
    for (int i = 0; i < 400; i++)
        MALLOC(sim, flow.stack, flow.size, 2e6 * 20 / 400 / 500, sim_exponential(sim, 20));
    do {
        background(sim, &other);
        churn(sim, &flow, 20);
    } while (sim_advance(sim, TICK));
}

static void time_to_live(struct sim *sim)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < cache_put#44 < serve#30 < main#9"), 500, 4e6, 0};
    do {
        background(sim, &other);
        MALLOC(sim, flow.stack, flow.size, due(&flow, flow.rate), sim->now + 8);
    } while (sim_advance(sim, TICK));
}

static void sessions(struct sim *sim)
{
    struct flow other = {0};
    uint32_t stack = sim_stack(sim, "malloc@c < session_open#20 < serve#30 < main#9");
    for (int i = 0; i < 100; i++)
        MALLOC(sim, stack, 2000, 25, sim_exponential(sim, 10));
    double next = 0;
    do {
        background(sim, &other);
        for (; sim->now >= next; next += sim_exponential(sim, 0.1))
            MALLOC(sim, stack, 2000, 25, sim->now + sim_exponential(sim, 10));
    } while (sim_advance(sim, TICK));
}

enum { MANY = 120 };

/* Many sites of little, each in its own steady state. */
struct crowd {
    struct flow flow[MANY];
    double life[MANY];
};

static void crowd_start(struct sim *sim, struct crowd *crowd)
{
    for (int i = 0; i < MANY; i++) {
        char frames[96];
        snprintf(frames, sizeof frames, "malloc@c < part_%d#%d < serve#30 < main#9", i, i + 100);
        crowd->flow[i] =
            (struct flow){sim_stack(sim, frames), 400, 50e3 + 250e3 * sim_uniform(sim), 0};
        crowd->life[i] = 1 + 19 * sim_uniform(sim);
        double live = crowd->flow[i].rate * crowd->life[i] / 400;
        for (int k = 0; k < 40; k++)
            MALLOC(sim, crowd->flow[i].stack, 400, live / 40, sim_exponential(sim, crowd->life[i]));
    }
}

static void crowd_tick(struct sim *sim, struct crowd *crowd)
{
    for (int i = 0; i < MANY; i++)
        MALLOC(sim, crowd->flow[i].stack, 400, due(&crowd->flow[i], crowd->flow[i].rate),
               sim->now + sim_exponential(sim, crowd->life[i]));
}

static void steady_crowd(struct sim *sim)
{
    struct crowd crowd;
    crowd_start(sim, &crowd);
    do
        crowd_tick(sim, &crowd);
    while (sim_advance(sim, TICK));
}

static void thread_pool(struct sim *sim)
{
    struct flow other = {0};
    uint32_t stack = sim_stack(sim, "pthread_create@c < pool_start#12 < main#9");
    do {
        background(sim, &other);
        if (sim->now > 1 && sim->threads == 1)
            sim_alloc(sim, stack, EBB_KIND_THREAD, 0, 32, NEVER);
    } while (sim_advance(sim, TICK));
}

static void idle(struct sim *sim)
{
    MALLOC(sim, sim_stack(sim, "malloc@c < load#4 < main#9"), 100, 10000, NEVER);
    while (sim_advance(sim, TICK))
        ;
}

/* A batch that frees everything in the end. */
static void falling(struct sim *sim)
{
    uint32_t stack = sim_stack(sim, "malloc@c < work#4 < main#9");
    for (int i = 0; i < 200; i++)
        MALLOC(sim, stack, 100, 5000, 30 * sim_uniform(sim));
    while (sim_advance(sim, TICK))
        ;
}

/* ---- leaks ---- */

static void leak_of(struct sim *sim, uint64_t size, double rate, bool busy)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < lose#33 < serve#30 < main#9"), size, rate, 0};
    struct flow busy_flow = {sim_stack(sim, "malloc@c < parse#12 < serve#30 < main#9"), 200, 50e6,
                             0};
    do {
        background(sim, &other);
        if (busy)
            churn(sim, &busy_flow, 0.05);
        leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

static void leak_100_kb(struct sim *sim)
{
    leak_of(sim, 100, 102400, false);
}

static void leak_100_kb_large_blocks(struct sim *sim)
{
    leak_of(sim, 65536, 131072, false);
}

static void leak_1_mb(struct sim *sim)
{
    leak_of(sim, 100, 1e6, false);
}

static void leak_50_mb(struct sim *sim)
{
    leak_of(sim, 1000, 50e6, false);
}

static void leak_behind_churn(struct sim *sim)
{
    leak_of(sim, 100, 102400, true);
}

static void leak_in_a_crowd(struct sim *sim)
{
    struct flow flow = {sim_stack(sim, "malloc@c < lose#33 < serve#30 < main#9"), 100, 1e6, 0};
    struct crowd crowd;
    crowd_start(sim, &crowd);
    do {
        crowd_tick(sim, &crowd);
        leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

/* One in a hundred of the blocks of a busy site is lost. */
static void leak_at_a_busy_site(struct sim *sim)
{
    struct flow flow = {sim_stack(sim, "malloc@c < lose#33 < serve#30 < main#9"), 150, 1e6, 0};
    struct flow busy = flow;
    busy.rate = 20e6;
    do {
        churn(sim, &busy, 0.05);
        leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

/* One in fifty is lost, so slowly that only a few samples stand behind it. */
static void slow_leak_at_a_busy_site(struct sim *sim)
{
    struct flow flow = {sim_stack(sim, "calloc@c < lose#33 < serve#30 < main#9"), 500, 250e3, 0};
    struct flow busy = {flow.stack, 500, 12e6, 0};
    struct flow body = {sim_stack(sim, "malloc@c < serve#25 < main#9"), 10000, 30e6, 0};
    do {
        churn(sim, &busy, 0.001);
        churn(sim, &body, 0.001);
        leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

/* A queue from which half as much is taken as goes in; nothing in it gets old. */
static void filling_queue(struct sim *sim)
{
    struct flow other = {0};
    struct flow jobs = {sim_stack(sim, "operator new@+ < std::deque<job>::_M_push_back_aux < "
                                       "submit#14 < serve#30 < main#9"),
                        160, 1.2e6, 0};
    do {
        background(sim, &other);
        /* What goes in at t leaves at 2 t. */
        MALLOC(sim, jobs.stack, jobs.size, due(&jobs, jobs.rate), 2 * sim->now);
    } while (sim_advance(sim, TICK));
}

static void leak_under_a_saw_tooth(struct sim *sim)
{
    struct flow flow = {sim_stack(sim, "malloc@c < lose#33 < batch#50 < main#9"), 180, 1.5e6, 0};
    struct flow tooth = flow;
    double next = 0;
    do {
        if (sim->now >= next)
            next += 2.5;
        MALLOC(sim, tooth.stack, tooth.size, due(&tooth, 6e6), next);
        leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

static void leak_after_start_up(struct sim *sim)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < lose#33 < serve#30 < main#9"), 100, 1e6, 0};
    do {
        background(sim, &other);
        if (sim->now < 2)
            MALLOC(sim, flow.stack, flow.size, 100e6 * TICK / 2 / 100, NEVER);
        leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

static void leak_that_speeds_up(struct sim *sim)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < lose#33 < serve#30 < main#9"), 100, 0, 0};
    do {
        background(sim, &other);
        MALLOC(sim, flow.stack, flow.size, due(&flow, 5e5 * exp(sim->now / 15)), NEVER);
    } while (sim_advance(sim, TICK));
}

static void leak_in_a_library(struct sim *sim)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < xmlNewNode@x < xmlParseDoc@x < read_feed#18 < "
                                       "serve#30 < main#9"),
                        120, 1e6, 0};
    do {
        background(sim, &other);
        leak(sim, &flow);
    } while (sim_advance(sim, TICK));
}

/* ---- containers ---- */

/* A table that doubles when it is full: the old one is freed when the new one stands. */
struct doubling {
    uint32_t stack;
    enum ebb_kind kind;
    double entries, capacity, slot;
    uint32_t table;
    bool exists;
};

static void doubling_add(struct sim *sim, struct doubling *table, double entries)
{
    for (table->entries += entries; table->entries > table->capacity;) {
        table->capacity = table->capacity > 0 ? table->capacity * 2 : 8;
        uint32_t grown = sim_alloc(sim, table->stack, table->kind,
                                   (uint64_t)(table->capacity * table->slot), 1, NEVER);
        if (table->exists)
            sim_free(sim, table->table);
        table->table = grown;
        table->exists = true;
    }
}

/* Nodes, keys and a table that grows, by stacks. */
static void map_of(struct sim *sim, const char *node, const char *key, const char *table,
                   double entries_per_s)
{
    struct flow other = {0};
    struct flow nodes = {sim_stack(sim, node), 48, entries_per_s * 48, 0};
    struct flow keys = {sim_stack(sim, key), 30, entries_per_s * 30, 0};
    struct doubling buckets = {.stack = sim_stack(sim, table), .slot = 8};
    do {
        background(sim, &other);
        double count = due(&nodes, nodes.rate);
        MALLOC(sim, nodes.stack, nodes.size, count, NEVER);
        MALLOC(sim, keys.stack, keys.size, count, NEVER);
        doubling_add(sim, &buckets, count);
    } while (sim_advance(sim, TICK));
}

static void map_by_hand(struct sim *sim)
{
    map_of(sim, "malloc@c < insert#81 < serve#30 < main#9",
           "strdup@c < insert#84 < serve#30 < main#9",
           "calloc@c < grow#60 < insert#78 < serve#30 < main#9", 12000);
}

static void map_with_helpers(struct sim *sim)
{
    map_of(sim, "malloc@c < xmalloc#5 < node_new#70 < insert#81 < serve#30 < main#9",
           "strdup@c < xstrdup#8 < node_new#71 < insert#81 < serve#30 < main#9",
           "calloc@c < grow#60 < insert#78 < serve#30 < main#9", 12000);
}

static void map_fixed_table(struct sim *sim)
{
    struct flow other = {0};
    struct flow nodes = {sim_stack(sim, "malloc@c < cache_put#81 < serve#30 < main#9"), 64, 1e6, 0};
    struct flow keys = {sim_stack(sim, "strdup@c < cache_put#84 < serve#30 < main#9"), 32, 0.5e6,
                        0};
    do {
        background(sim, &other);
        double count = due(&nodes, nodes.rate);
        MALLOC(sim, nodes.stack, nodes.size, count, NEVER);
        MALLOC(sim, keys.stack, keys.size, count, NEVER);
    } while (sim_advance(sim, TICK));
}

static void map_glib(struct sim *sim)
{
    map_of(sim, "g_malloc@g < g_strdup@g < set_route#12 < serve#30 < main#9",
           "g_malloc@g < g_strdup@g < set_route#13 < serve#30 < main#9",
           "g_realloc@g < g_hash_table_insert@g < set_route#14 < serve#30 < main#9", 15000);
}

static void map_cxx(struct sim *sim)
{
    map_of(
        sim,
        "operator new@+ < std::__detail::_Hashtable_alloc<std::allocator<int> >::_M_allocate_node"
        "<int> < std::_Hashtable<std::string, int>::_M_emplace<int> < Store::set#7 < main#9",
        "operator new@+ < std::__cxx11::basic_string<char>::_M_create@+ < std::_Hashtable<"
        "std::string, int>::_M_emplace<int> < Store::set#7 < main#9",
        "operator new@+ < void std::_Hashtable<std::string, int>::_M_rehash < std::_Hashtable<"
        "std::string, int>::_M_emplace<int> < Store::set#7 < main#9",
        15000);
}

static void map_redis(struct sim *sim)
{
    sim->evidence.executable = "/usr/bin/redis-server";
    struct flow nodes = {
        sim_stack(sim, "malloc@c < zmalloc@r < dictAddRaw@r < dictAdd@r < dbAdd@r < "
                       "setGenericCommand@r < call@r < processCommand@r < processInputBuffer@r < "
                       "main@r"),
        24, 0.8e6, 0};
    uint32_t values =
        sim_stack(sim, "malloc@c < zmalloc@r < createStringObject@r < processMultibulkBuffer@r < "
                       "processInputBuffer@r < main@r");
    uint32_t keys =
        sim_stack(sim, "malloc@c < zmalloc@r < sdsdup@r < dbAdd@r < setGenericCommand@r "
                       "< call@r < processCommand@r < processInputBuffer@r < main@r");
    struct doubling table = {.stack =
                                 sim_stack(sim, "calloc@c < zcalloc@r < _dictExpand@r < "
                                                "dictAddRaw@r < dictAdd@r < dbAdd@r < call@r < "
                                                "processCommand@r < main@r"),
                             .slot = 8};
    do {
        double count = due(&nodes, nodes.rate);
        MALLOC(sim, nodes.stack, nodes.size, count, NEVER);
        MALLOC(sim, keys, 21, count, NEVER);
        MALLOC(sim, values, 20, count, NEVER);
        doubling_add(sim, &table, count);
    } while (sim_advance(sim, TICK));
}

static void map_python(struct sim *sim)
{
    sim->evidence.executable = "/usr/bin/python3.11";
    uint32_t arenas =
        sim_stack(sim, "python3.11+0x1d20f0@p < PyObject_Malloc@p < PyLong_FromLong@p < "
                       "_PyEval_EvalFrameDefault@p < PyEval_EvalCode@p < main@p");
    struct flow objects = {arenas, 1 << 20, 5e6, 0};
    struct doubling table = {
        .stack = sim_stack(sim, "PyObject_Malloc@p < python3.11+0x1a0b10@p < PyDict_SetItem@p < "
                                "_PyEval_EvalFrameDefault@p < PyEval_EvalCode@p < main@p"),
        .slot = 100};
    do {
        for (long left = (long)due(&objects, objects.rate); left > 0; left--)
            sim_alloc(sim, arenas, EBB_KIND_MMAP, 1 << 20, 1, NEVER);
        doubling_add(sim, &table, 5e6 * TICK / 140);
    } while (sim_advance(sim, TICK));
}

/* Open addressing with values inline: nothing but a table that doubles. */
static void map_of_table_only(struct sim *sim)
{
    struct flow other = {0};
    struct doubling table = {.stack = sim_stack(sim, "calloc@c < map_put#60 < serve#30 < main#9"),
                             .slot = 24};
    double rate = 40e3 + 100e3 * sim_uniform(sim);
    do {
        background(sim, &other);
        doubling_add(sim, &table, rate * TICK);
    } while (sim_advance(sim, TICK));
}

/* The same behind a helper without telling names, called where requests come and go. */
static void map_of_table_in_a_busy_caller(struct sim *sim)
{
    struct flow body = {sim_stack(sim, "malloc@c < message#59 < main#9"), 400, 24e6, 0};
    struct doubling table = {
        .stack = sim_stack(sim, "calloc@c < seen_grow#31 < seen_before#44 < message#63 < main#9"),
        .slot = 16};
    double rate = 40e3 + 100e3 * sim_uniform(sim);
    do {
        churn(sim, &body, 0.001);
        doubling_add(sim, &table, rate * TICK);
    } while (sim_advance(sim, TICK));
}

/* A macro's table, in the function that makes the nodes, of which only one or two sizes are seen. */
static void map_in_sizes(struct sim *sim, uint64_t first, uint64_t second)
{
    struct flow other = {0};
    struct flow nodes = {sim_stack(sim, "calloc@c < resolve#26 < serve#30 < main#9"), 184, 930e3,
                         0};
    uint32_t tables = sim_stack(sim, "malloc@c < resolve#32 < serve#30 < main#9");
    if (first)
        MALLOC(sim, tables, first, 1, 13);
    bool large = false;
    do {
        background(sim, &other);
        leak(sim, &nodes);
        if (second && !large && sim->now > 13) {
            MALLOC(sim, tables, second, 1, NEVER);
            large = true;
        }
    } while (sim_advance(sim, TICK));
}

static void map_in_two_sizes(struct sim *sim)
{
    map_in_sizes(sim, 4 << 20, 16 << 20);
}

static void map_in_one_size(struct sim *sim)
{
    map_in_sizes(sim, 0, 3 << 20);
}

static void map_in_a_former_size(struct sim *sim)
{
    map_in_sizes(sim, 2 << 20, 0);
}

static void slice_of(struct sim *sim, const char *frames, enum ebb_kind kind)
{
    struct flow other = {0};
    struct doubling table = {.stack = sim_stack(sim, frames), .kind = kind, .slot = 16};
    double rate = 60e3 + 100e3 * sim_uniform(sim);
    do {
        background(sim, &other);
        doubling_add(sim, &table, rate * TICK);
    } while (sim_advance(sim, TICK));
}

static void slice_by_realloc(struct sim *sim)
{
    slice_of(sim, "realloc@c < note_event#60 < serve#30 < main#9", EBB_KIND_REALLOC);
}

static void slice_cxx(struct sim *sim)
{
    slice_of(sim,
             "operator new@+ < void std::vector<event>::_M_realloc_insert<event> < note_event#60 < "
             "serve#30 < main#9",
             EBB_KIND_MALLOC);
}

/* A list that grows by an eighth each time, as CPython's does. */
static void slice_in_small_steps(struct sim *sim)
{
    struct flow other = {0};
    uint32_t stack = sim_stack(sim, "realloc@c < note_event#60 < serve#30 < main#9"), buffer = 0;
    double used = 0, capacity = 0;
    do {
        background(sim, &other);
        for (used += 2e6 * TICK; used > capacity;) {
            double grown = used * 1.125 + 64;
            uint32_t next = sim_alloc(sim, stack, EBB_KIND_REALLOC, (uint64_t)grown, 1, NEVER);
            if (capacity > 0)
                sim_free(sim, buffer);
            buffer = next;
            capacity = grown;
        }
    } while (sim_advance(sim, TICK));
}

enum { INNER = 60 };

/* Inner maps of a few thousand entries each; new ones keep coming. */
static void nested_of(struct sim *sim, const char *node, const char *table)
{
    struct flow other = {0};
    struct flow nodes = {sim_stack(sim, node), 90, 4e6, 0};
    uint32_t tables = sim_stack(sim, table);
    static struct doubling inner[INNER * 4];
    memset(inner, 0, sizeof inner);
    do {
        background(sim, &other);
        int exist = INNER + (int)(sim->now / sim->seconds * INNER);
        double count = due(&nodes, nodes.rate);
        MALLOC(sim, nodes.stack, nodes.size, count, NEVER);
        for (int i = 0; i < exist; i++) {
            inner[i].stack = tables;
            inner[i].slot = 16;
            doubling_add(sim, &inner[i], count / exist);
        }
    } while (sim_advance(sim, TICK));
}

static void nested_by_hand(struct sim *sim)
{
    nested_of(sim, "malloc@c < set_config#41 < serve#30 < main#9",
              "calloc@c < grow_inner#20 < set_config#38 < serve#30 < main#9");
}

/* Many inner maps that are small: few of their tables are ever sampled. */
static void nested_of_small_maps(struct sim *sim)
{
    struct flow nodes = {sim_stack(sim, "malloc@c < set_flag#71 < release#86 < main#9"), 120, 2e6,
                         0};
    uint32_t tables =
        sim_stack(sim, "calloc@c < table_grow#51 < set_flag#70 < release#86 < main#9");
    double owed = 0;
    do {
        leak(sim, &nodes);
        for (owed += 100 * TICK; owed >= 1; owed--)
            for (uint64_t size = 256; size <= 8192; size *= 2)
                MALLOC(sim, tables, size, 1, size < 8192 ? sim->now + 0.001 * (double)size : NEVER);
    } while (sim_advance(sim, TICK));
}

static void nested_cxx(struct sim *sim)
{
    nested_of(
        sim,
        "operator new@+ < std::__detail::_Map_base<int, std::unordered_map<int, int> >::operator"
        "[] < set_config#41 < main#9",
        "operator new@+ < std::_Hashtable<int, int>::_M_rehash < std::__detail::_Map_base<int, "
        "int>::operator[] < set_config#41 < main#9");
}

/* ---- what is held, what is wasted ---- */

static void map_kept(struct sim *sim)
{
    struct flow other = {0};
    struct flow nodes = {sim_stack(sim, "malloc@c < insert#81 < serve#30 < main#9"), 48, 0, 0};
    struct doubling table = {.stack = sim_stack(sim, "calloc@c < grow#60 < insert#78 < serve#30 < "
                                                     "main#9"),
                             .slot = 16};
    do {
        background(sim, &other);
        if (sim->now < 6) {
            MALLOC(sim, nodes.stack, nodes.size, 10000, 9 + sim_uniform(sim));
            doubling_add(sim, &table, 10000);
        }
    } while (sim_advance(sim, TICK));
}

static void held_by_fragments(struct sim *sim)
{
    sim->kept_part = 0.9;
    uint32_t stack = sim_stack(sim, "malloc@c < parse#12 < serve#30 < main#9");
    struct flow other = {0};
    do {
        background(sim, &other);
        if (sim->now < 6)
            MALLOC(sim, stack, 200, 5000, 8 + 2 * sim_uniform(sim));
    } while (sim_advance(sim, TICK));
}

static void temporaries_of(struct sim *sim, double rate)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < read_body#12 < serve#30 < main#9"), 200000, rate,
                        0};
    do {
        background(sim, &other);
        MALLOC(sim, flow.stack, flow.size, due(&flow, rate), sim->now + 0.005);
    } while (sim_advance(sim, TICK));
}

static void large_temporaries(struct sim *sim)
{
    temporaries_of(sim, 400e6);
}

/* Buffers that double up to a size: each step is made, copied and freed. */
static void grown_temporaries(struct sim *sim)
{
    struct flow other = {0};
    uint32_t stack =
        sim_stack(sim, "operator new@+ < std::__cxx11::basic_string<char>::_M_append < "
                       "render#15 < request#22 < main#9");
    double owed = 0;
    do {
        background(sim, &other);
        for (owed += 15 * TICK; owed >= 1; owed--)
            for (uint64_t size = 8192; size <= 1 << 20; size *= 2)
                MALLOC(sim, stack, size, 1, sim->now + 0.002);
    } while (sim_advance(sim, TICK));
}

/* Batches that put together a vector of some MB each and drop it. */
static void vectors_in_batches_of(struct sim *sim, double seconds)
{
    struct flow other = {0};
    uint32_t stack = sim_stack(sim, "operator new@+ < std::vector<int>::_M_realloc_insert < "
                                    "collect#15 < batch#22 < main#9");
    struct doubling vector = {.stack = stack, .slot = 8};
    double next = seconds * sim_uniform(sim);
    do {
        background(sim, &other);
        doubling_add(sim, &vector, 5e6 / seconds * TICK);
        if (sim->now >= next) {
            next += seconds;
            if (vector.exists)
                sim_free(sim, vector.table);
            vector = (struct doubling){.stack = stack, .slot = 8};
        }
    } while (sim_advance(sim, TICK));
}

static void vectors_in_batches_3(struct sim *sim)
{
    vectors_in_batches_of(sim, 3);
}

static void vectors_in_batches_8(struct sim *sim)
{
    vectors_in_batches_of(sim, 8);
}

static void vectors_in_batches_13(struct sim *sim)
{
    vectors_in_batches_of(sim, 13);
}

/* Few and very large ones. */
static void largest_temporaries(struct sim *sim)
{
    struct flow other = {0};
    struct flow flow = {sim_stack(sim, "malloc@c < read_body#12 < serve#30 < main#9"), 4 << 20,
                        250e6, 0};
    do {
        background(sim, &other);
        MALLOC(sim, flow.stack, flow.size, due(&flow, flow.rate), sim->now + 0.005);
    } while (sim_advance(sim, TICK));
}

static void few_temporaries(struct sim *sim)
{
    temporaries_of(sim, 20e6);
}

static void map_remade(struct sim *sim)
{
    uint32_t stack = sim_stack(sim, "operator new@+ < std::_Hashtable<int, int>::_M_rehash < "
                                    "std::unordered_map<int, int>::operator[] < count_words#12 < "
                                    "serve#30 < main#9");
    struct flow other = {0};
    do {
        background(sim, &other);
        MALLOC(sim, stack, 1000, 60000 * TICK, sim->now + 0.001);
    } while (sim_advance(sim, TICK));
}

static void small_map_remade(struct sim *sim)
{
    uint32_t tables =
        sim_stack(sim, "operator new@+ < std::_Hashtable<int, int>::_M_rehash < "
                       "std::unordered_map<int, int>::operator[] < score#17 < main#9");
    uint32_t nodes = sim_stack(sim, "operator new@+ < std::_Hashtable<int, int>::_M_insert < "
                                    "std::unordered_map<int, int>::operator[] < score#17 < main#9");
    do {
        MALLOC(sim, nodes, 16, 700 * 560 * TICK, sim->now + 0.001);
        for (uint64_t size = 104; size < 10000; size *= 2)
            MALLOC(sim, tables, size, 700 * TICK, sim->now + 0.001);
    } while (sim_advance(sim, TICK));
}

static void table_remade_by(struct sim *sim, const char *frames, double rate)
{
    struct flow other = {0};
    uint32_t stack = sim_stack(sim, frames);
    do {
        background(sim, &other);
        MALLOC(sim, stack, 16384, rate * TICK, sim->now + 0.0005);
    } while (sim_advance(sim, TICK));
}

static void map_remade_by_hand(struct sim *sim)
{
    table_remade_by(sim, "calloc@c < table_new#18 < query#44 < main#9", 8000);
}

/* The same blocks, made by what is called otherwise. */
static void pages_in_passing(struct sim *sim)
{
    table_remade_by(sim, "calloc@c < page_new#18 < query#44 < main#9", 8000);
}

/* Too few to be worth a word. */
static void few_tables_in_passing(struct sim *sim)
{
    table_remade_by(sim, "calloc@c < table_new#18 < query#44 < main#9", 300);
}

static void thread_leak(struct sim *sim)
{
    struct flow other = {0};
    uint32_t stack = sim_stack(sim, "pthread_create@c < start_job#12 < serve#30 < main#9");
    double owed = 0;
    do {
        background(sim, &other);
        for (owed += 2 * TICK; owed >= 1; owed--)
            sim_alloc(sim, stack, EBB_KIND_THREAD, 0, 1, NEVER);
    } while (sim_advance(sim, TICK));
}

const struct scenario scenarios[] = {
    {"steady churn, 50 MB/s", steady_churn, NULL, NULL, NULL, 0, 0.99},
    {"a step at the start", step_at_start, NULL, NULL, NULL, 0, 0.99},
    {"a step in the middle", step_in_the_middle, NULL, NULL, NULL, 0, 0.99},
    {"a small step", small_step, NULL, NULL, NULL, 0, 0.99},
    {"a warm-up, 3 s", warm_up_short, NULL, NULL, NULL, 0, 0.99},
    {"a warm-up, 8 s", warm_up_long, NULL, NULL, NULL, 0, 0.99},
    {"a small warm-up", warm_up_small, NULL, NULL, NULL, 0, 0.99},
    {"a cache that is full after 15 s", ramp_then_flat, NULL, NULL, NULL, 0, 0.99},
    {"saw-tooth, 3 s", saw_tooth_3, NULL, NULL, NULL, 0, 0.99},
    {"saw-tooth, 7 s", saw_tooth_7, NULL, NULL, NULL, 0, 0.99},
    {"saw-tooth, 13 s", saw_tooth_13, NULL, NULL, NULL, 0, 0.99},
    {"saw-tooth, 20 s", saw_tooth_20, NULL, NULL, NULL, 0, 0.99},
    {"a collector's saw-tooth", collector, NULL, NULL, NULL, 0, 0.99},
    {"a full cache, 10 s", full_cache_10, NULL, NULL, NULL, 0, 0.99},
    {"a full cache, 60 s", full_cache_60, NULL, NULL, NULL, 0, 0.99},
    {"a full cache, slow", full_cache_slow, NULL, NULL, NULL, 0, 0.99},
    {"a full cache, random replacement", full_cache_random, NULL, NULL, NULL, 0, 0.99},
    {"a cache with a time to live", time_to_live, NULL, NULL, NULL, 0, 0.99},
    {"sessions that come and go", sessions, NULL, NULL, NULL, 0, 0.99},
    {"many steady sites", steady_crowd, NULL, NULL, NULL, 0, 0.99},
    {"a thread pool", thread_pool, NULL, NULL, NULL, 0, 0.99},
    {"idle", idle, NULL, NULL, NULL, 0, 0.99},
    {"memory that is given back", falling, NULL, NULL, NULL, 0, 0.99},
    {"few large temporaries", few_temporaries, NULL, NULL, NULL, 0, 0.99},
    {"vectors in batches, 3 s", vectors_in_batches_3, NULL, NULL, NULL, 0, 0.99},
    {"vectors in batches, 8 s", vectors_in_batches_8, NULL, NULL, NULL, 0, 0.99},
    {"vectors in batches, 13 s", vectors_in_batches_13, NULL, NULL, NULL, 0, 0.97},
    {"pages in passing", pages_in_passing, NULL, NULL, NULL, 0, 0.99},
    {"few tables in passing", few_tables_in_passing, NULL, NULL, NULL, 0, 0.99},

    {"leak, 100 KB/s", leak_100_kb, "leak", "lose", NULL, 102400, 0.95},
    {"leak, 128 KB/s in blocks of 64 KiB", leak_100_kb_large_blocks, "leak", "lose", NULL, 131072,
     0.95},
    {"leak, 1 MB/s", leak_1_mb, "leak", "lose", NULL, 1e6, 0.99},
    {"leak, 50 MB/s", leak_50_mb, "leak", "lose", NULL, 50e6, 0.99},
    {"leak, 100 KB/s behind churn of 50 MB/s", leak_behind_churn, "leak", "lose", NULL, 102400,
     0.95},
    {"leak in a crowd", leak_in_a_crowd, "leak", "lose", NULL, 1e6, 0.99},
    {"leak at a busy site", leak_at_a_busy_site, "leak", "lose", NULL, 1e6, 0.99},
    {"a queue that fills", filling_queue, "growing-slice", "submit", "std::deque", 600e3, 0.9},
    {"slow leak at a busy site", slow_leak_at_a_busy_site, "leak", "lose", NULL, 250e3, 0.97},
    {"leak under a saw-tooth", leak_under_a_saw_tooth, "leak", "lose", NULL, 1.5e6, 0.95},
    {"leak after a start-up", leak_after_start_up, "leak", "lose", NULL, 0, 0.95},
    {"leak that speeds up", leak_that_speeds_up, "leak", "lose", NULL, 0, 0.99},
    {"leak in a library", leak_in_a_library, "leak", "read_feed", NULL, 1e6, 0.99},

    {"hash map by hand", map_by_hand, "unbounded-map", "insert", NULL, 12000 * 90, 0.97},
    {"hash map with helpers", map_with_helpers, "unbounded-map", "node_new", NULL, 12000 * 90,
     0.97},
    {"hash map with a fixed table", map_fixed_table, "unbounded-map", "cache_put", NULL, 1.5e6,
     0.99},
    {"GHashTable", map_glib, "unbounded-map", "set_route", "GLib GHashTable", 0, 0.99},
    {"std::unordered_map", map_cxx, "unbounded-map", "Store::set", "std::unordered_map", 0, 0.99},
    {"Redis dict", map_redis, "unbounded-map", NULL, "Redis dict", 0, 0.99},
    {"CPython dict", map_python, "unbounded-map", "_PyEval_EvalFrameDefault", "CPython dict", 0,
     0.99},
    {"a table alone that doubles", map_of_table_only, "unbounded-map", "map_put", NULL, 0, 0.95},
    {"a table alone in a busy caller", map_of_table_in_a_busy_caller, "unbounded-map", "seen_grow",
     NULL, 0, 0.95},
    {"a table in two sizes", map_in_two_sizes, "unbounded-map", "resolve", NULL, 0, 0.9},
    {"a table in one size", map_in_one_size, "unbounded-map", "resolve", NULL, 0, 0.95},
    {"a table in a former size", map_in_a_former_size, "unbounded-map", "resolve", NULL, 0, 0.95},
    {"array by realloc", slice_by_realloc, "growing-slice", "note_event", NULL, 0, 0.95},
    {"std::vector", slice_cxx, "growing-slice", "note_event", "std::vector", 0, 0.95},
    {"list in small steps", slice_in_small_steps, "growing-slice", "note_event", NULL, 2e6, 0.99},
    {"nested map by hand", nested_by_hand, "unbounded-nested-map", "set_config", NULL, 0, 0.97},
    {"nested map of small maps", nested_of_small_maps, "unbounded-nested-map", "set_flag", NULL, 0,
     0.95},
    {"nested std::unordered_map", nested_cxx, "unbounded-nested-map", "set_config",
     "std::unordered_map", 0, 0.99},

    {"map kept after clear", map_kept, "map-kept-after-clear", "insert", NULL, 0, 0.99},
    {"fragmentation", held_by_fragments, "fragmentation", NULL, NULL, 0, 0.99},
    {"large temporaries", large_temporaries, "large-temporaries", "read_body", NULL, 0, 0.99},
    {"large temporaries, grown", grown_temporaries, "large-temporaries", "render", NULL, 0, 0.99},
    {"large temporaries, few a second", largest_temporaries, "large-temporaries", "read_body", NULL,
     0, 0.99},
    {"small map remade", small_map_remade, "map-remade", "score", "std::unordered_map", 0, 0.99},
    {"map remade by hand", map_remade_by_hand, "map-remade", "table_new", NULL, 0, 0.99},
    {"map remade", map_remade, "map-remade", "count_words", NULL, 0, 0.99},
    {"thread leak", thread_leak, "thread-leak", "start_job", NULL, 0, 0.99},
    {0},
};
