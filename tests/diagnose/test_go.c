/* Go programs: whose frames are whose, and reports on services with a known answer. The stacks are
 * those that Go 1.19 (classic maps) and Go 1.24 and later (Swiss maps) show. */
#include "tests/diagnose/tests.h"

#include "tests/diagnose/simulate.h"
#include "tool/diagnose/diagnose.h"
#include "tool/diagnose/golang.h"

#include <stdio.h>
#include <string.h>

/* ---- frames ---- */

static void check_site(const char *frames, const char *main_file, const char *site,
                       const char *container)
{
    struct sim sim;
    sim_start(&sim, 1, 30);
    sim.evidence.kind = "go";
    struct ebb_frame main_frame = {"main.main", "main.main", main_file, 9, 0, "", false};
    struct ebb_evidence_stack main_stack = {&main_frame, 1, false};
    assert_int_equal(ebb_vec_push(&sim.evidence.stacks, main_stack), 0);
    uint32_t stack = sim_stack(&sim, frames);
    struct ebb_program program = ebb_program_of(&sim.evidence);
    const struct ebb_evidence_stack *read = &sim.evidence.stacks.items[stack];
    struct ebb_place place = ebb_place_stack(read, &program);
    if (strcmp(read->frames[place.site].function, site) != 0)
        fail_msg("%s\nexpected the site %s, got %s", frames, site,
                 read->frames[place.site].function);
    assert_string_equal(place.container ? place.container->name : "none", container);
    sim_free_all(&sim);
}

static void sites_are_the_main_modules(void **state)
{
    /* hosts that begin like packages of the standard library, and like names of the compiler's */
    const char *etcd = "go.etcd.io/etcd/main.go";
    check_site("go.etcd.io/etcd/mvcc/backend.(*bucketBuffer).Copy#198 < "
               "go.etcd.io/etcd/mvcc/backend.(*backend).readTx#12 < "
               "github.com/grpc-ecosystem/go-grpc-prometheus.UnaryServerInterceptor#107 < "
               "google.golang.org/grpc.(*Server).handleStream#9 < runtime.goexit#1",
               etcd, "go.etcd.io/etcd/mvcc/backend.(*bucketBuffer).Copy", "none");
    check_site("go.uber.org/zap/internal/bufferpool.Get#9 < go.uber.org/zap.New#3 < "
               "github.com/caddyserver/caddy/v2/modules/caddyhttp.(*Server).ServeHTTP#7 < "
               "net/http.(*conn).serve#3 < runtime.goexit#1",
               "github.com/caddyserver/caddy/v2/cmd/caddy/main.go",
               "github.com/caddyserver/caddy/v2/modules/caddyhttp.(*Server).ServeHTTP", "none");
    /* nothing of the main module: the deepest of what it depends on */
    check_site("bytes.growSlice#1 < bytes.(*Buffer).Write#2 < go.uber.org/zap.New#3 < "
               "google.golang.org/grpc.(*Server).handleStream#9 < runtime.goexit#1",
               etcd, "go.uber.org/zap.New", "bytes.Buffer");
    check_site("go.(*struct { net/http.x }).y#1 < main.f#3 < runtime.goexit#1", "/src/main.go",
               "main.f", "none");
}

/* ---- reports ---- */

#define TICK  0.05
#define NEVER INFINITY

static void service_start(struct sim *sim, unsigned seed)
{
    sim_start(sim, seed, 30);
    sim->evidence.kind = "go";
    sim->evidence.go_version = "go1.19.8";
    sim->evidence.runtime_named = true;
}

static void malloc_of(struct sim *sim, const char *frames, uint64_t size, double count,
                      double death)
{
    sim_alloc(sim, sim_stack(sim, frames), EBB_KIND_MALLOC, size, count, death);
}

/* Processor time that a stack took. */
static void spend(struct sim *sim, const char *frames, double seconds, double from_s, double to_s)
{
    struct ebb_cost_sample cost = {EBB_COST_CPU, sim_stack(sim, frames), seconds, from_s, to_s};
    assert_int_equal(ebb_vec_push(&sim->evidence.costs, cost), 0);
    sim->evidence.costs_window_s[EBB_COST_CPU] = 30;
}

/* Ends the window. */
static void diagnose(struct sim *sim, struct ebb_report *report)
{
    struct ebb_evidence *evidence = sim_finish(sim);
    struct ebb_error error;
    evidence->survivors.len = 0; /* Go's profiles list none */
    assert_int_equal(ebb_diagnose(&evidence, 1, report, &error), 0);
}

/* Ends the window: whether the first verdict has the pattern (NULL: healthy) and the site. */
static bool is_found(struct sim *sim, const char *pattern, const char *site)
{
    struct ebb_report report;
    diagnose(sim, &report);
    const struct ebb_verdict *first = report.verdict_count ? &report.verdicts[0] : NULL;
    bool right = first ? pattern && strcmp(first->pattern, pattern) == 0 &&
                             strcmp(first->site.function, site) == 0
                       : !pattern;
    if (!right)
        print_message("expected %s in %s, got %s in %s\n", pattern ? pattern : "healthy", site,
                      first ? first->pattern : "healthy", first ? first->site.function : "-");
    ebb_report_free(&report);
    sim_free_all(sim);
    return right;
}

static void expect(struct sim *sim, unsigned seed, const char *pattern, const char *site)
{
    if (!is_found(sim, pattern, site))
        fail_msg("seed %u", seed);
}

enum { SEEDS = 10 };

/* A classic map of large entries: its table doubles four times and overflows into hundreds of
 * buckets of their own, which are no maps. */
static void overflow_buckets_are_no_maps(void **state)
{
    static const char table[] = "runtime.makeBucketArray < runtime.hashGrow < runtime.mapassign < "
                                "main.(*registry).record#38 < main.request#44 < runtime.goexit";
    static const char overflow[] = "runtime.(*hmap).newoverflow < runtime.mapassign < "
                                   "main.(*registry).record#38 < main.request#44 < runtime.goexit";
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        double entries = 0, room = 3000;
        uint32_t now = sim_alloc(&sim, sim_stack(&sim, table), EBB_KIND_MALLOC, 760000, 1, NEVER);
        do {
            entries += 3500 * TICK;
            malloc_of(&sim, overflow, 768, 5, NEVER);
            if (entries > room) {
                room *= 2;
                sim_free(&sim, now);
                now = sim_alloc(&sim, sim_stack(&sim, table), EBB_KIND_MALLOC,
                                (uint64_t)(room * 230), 1, NEVER);
            }
        } while (sim_advance(&sim, TICK));
        expect(&sim, seed, "unbounded-map", "main.(*registry).record");
    }
}

/* Three hundred inner maps of one size double at one time, and their keys come from a function that
 * makes and drops other strings all the time. The keys are few samples, but all of them stay. */
static void inner_maps_may_double_together(void **state)
{
    static const char table[] =
        "runtime.mallocgc < internal/runtime/maps.newGroups < internal/runtime/maps.(*table).grow "
        "< internal/runtime/maps.(*table).rehash < runtime.mapassign_faststr < "
        "main.(*ConfigCache).SetConfig#28 < main.request#35 < runtime.goexit";
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        double entries = 0, room = 7;
        uint32_t now = 0;
        do {
            entries += 12000 * TICK / 300;
            malloc_of(&sim,
                      "runtime.mallocgc < runtime.slicebytetostring < fmt.Sprintf < "
                      "main.request#35 < runtime.goexit",
                      24, 12000 * TICK, NEVER);
            malloc_of(&sim,
                      "runtime.mallocgc < runtime.slicebytetostring < fmt.Sprintf < "
                      "main.request#34 < runtime.goexit",
                      16, 12000 * TICK, sim.now + 0.03);
            if (entries > room) {
                if (room > 7)
                    sim_free(&sim, now);
                room *= 2;
                now = sim_alloc(&sim, sim_stack(&sim, table), EBB_KIND_MALLOC,
                                (uint64_t)(room * 40), 300, NEVER);
            }
        } while (sim_advance(&sim, TICK));
        expect(&sim, seed, "unbounded-nested-map", "main.(*ConfigCache).SetConfig");
    }
}

/* Rooms of a dozen members: 750 small maps are made per second, of which one or two are sampled; each
 * sample stands for thousands. */
static void few_samples_of_small_maps_are_many_maps(void **state)
{
    unsigned right = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        do {
            malloc_of(&sim, "main.(*server).join#38 < main.message#45 < runtime.goexit", 48,
                      9000 * TICK, NEVER);
            malloc_of(&sim,
                      "runtime.makemap_small < main.(*server).join#35 < main.message#45 < "
                      "runtime.goexit",
                      48, 750 * TICK, NEVER);
            malloc_of(&sim,
                      "runtime.makeBucketArray < runtime.hashGrow < runtime.mapassign_fast64 < "
                      "main.(*server).join#39 < main.message#45 < runtime.goexit",
                      288, 750 * TICK, NEVER);
        } while (sim_advance(&sim, TICK));
        right += is_found(&sim, "unbounded-nested-map", "main.(*server).join");
    }
    assert_true(right >= SEEDS - 1);
}

/* Keys that are made by the caller belong to the map that keeps them, also when its newest table is
 * none of the sampled blocks. */
static void keys_are_the_maps_when_its_table_is_missed(void **state)
{
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        malloc_of(&sim,
                  "runtime.makeBucketArray < runtime.hashGrow < runtime.mapassign_fast64ptr < "
                  "main.(*Hub).Register#38 < main.connect#52 < runtime.goexit",
                  2800000, 1, 20);
        do {
            malloc_of(&sim, "main.connect#51 < runtime.goexit", 288, 2700 * TICK, NEVER);
            malloc_of(&sim, "main.(*Hub).Register#37 < main.connect#52 < runtime.goexit", 112,
                      2700 * TICK, NEVER);
        } while (sim_advance(&sim, TICK));
        expect(&sim, seed, "unbounded-map", "main.(*Hub).Register");
    }
}

/* Go 1.19 shows no function where a slice grows; its arrays of growing size do, each made once, also
 * when the newest is none of the sampled blocks. */
static void slices_are_known_by_their_arrays(void **state)
{
    static const char site[] = "main.(*exporter).add#23 < main.work#28 < runtime.goexit";
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        double size = 1e6, next = 4;
        do {
            malloc_of(&sim, "fmt.Sprintf < main.(*exporter).add#22 < main.work#28 < runtime.goexit",
                      416, 3000 * TICK, NEVER);
            if (sim.now >= next && next < 20) {
                malloc_of(&sim, site, (uint64_t)size, 1, next * 1.4);
                size *= 1.4;
                next *= 1.4;
            }
        } while (sim_advance(&sim, TICK));
        expect(&sim, seed, "growing-slice", "main.(*exporter).add");
    }
}

/* A large Swiss map: tables of 1024 entries that split in two, all at about the same time, so that
 * little comes between two doublings. */
static void tables_split_in_stairs(void **state)
{
    static const char part[] =
        "runtime.mallocgc < internal/runtime/maps.newGroups < "
        "internal/runtime/maps.(*table).split < internal/runtime/maps.(*table).rehash < "
        "runtime.mapassign < main.(*registry).record#38 < main.request#44 < runtime.goexit";
    unsigned right = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        double entries = 0;
        unsigned tables = 1;
        do {
            entries += 3700 * TICK;
            /* from one doubling to the next it takes twice the time; they split in its first part */
            double full = entries / 896, level = exp2(floor(log2(fmax(full, 1))));
            double wanted = fmin(level * (1 + fmin((full / level - 1) * 3, 1)), 1024);
            for (; tables < wanted; tables++)
                malloc_of(&sim, part, 98304, 1, NEVER);
        } while (sim_advance(&sim, TICK));
        right += is_found(&sim, "unbounded-map", "main.(*registry).record");
    }
    assert_true(right >= SEEDS - 1);
}

/* What the runtime says of itself at each look: a collector that comes ten times a second. With `off`
 * its goal is far off now and then, at the very end too. */
static void add_runtime(struct sim *sim, bool off)
{
    struct ebb_evidence *evidence = sim_finish(sim);
    for (size_t i = 0; i < evidence->observations.len; i++) {
        struct ebb_observation *seen = &evidence->observations.items[i];
        double live = (double)seen->memory.rss_anonymous - sim->base_bytes;
        bool here = off && (i % 40 == 39 || i + 1 == evidence->observations.len);
        seen->go = (struct ebb_go_stats){.known = true,
                                         .num_gc = 10 * i,
                                         .next_gc = (uint64_t)(2 * live * (here ? 0.8 : 1)),
                                         .gogc = 100,
                                         .gomemlimit = UINT64_MAX,
                                         .mallocs = seen->allocs,
                                         .frees = seen->frees,
                                         .total_alloc = seen->alloc_bytes};
    }
}

/* 50 KB/s stay in a Swiss map of short keys under 40 MB/s that pass. Nine samples are expected in two
 * minutes, and half as many tables die because it grows; how they lie over the window is chance. What
 * the collector counts climbs evenly all the time. */
static void few_samples_suffice_under_an_even_climb(void **state)
{
    static const char part[] =
        "runtime.mallocgc < internal/runtime/maps.newGroups < "
        "internal/runtime/maps.(*table).split < internal/runtime/maps.(*table).rehash < "
        "runtime.mapassign_faststr < main.count#22 < main.main#37 < runtime.goexit";
    enum { TABLES = 256 };
    unsigned right = 0;
    for (unsigned seed = 0; seed < 6 * SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        sim.seconds = 120;
        sim.kept_part = 0;
        double entries = 0;
        uint32_t tables[TABLES];
        unsigned count = 0;
        malloc_of(&sim, "main.load#9 < main.main#3 < runtime.main", 6000, 1000, NEVER);
        do {
            malloc_of(&sim,
                      "runtime.mallocgc < runtime.rawstring < runtime.concatstrings < "
                      "main.count#20 < main.main#37 < runtime.goexit",
                      48, 480 * TICK, NEVER);
            malloc_of(&sim, "main.work#30 < main.main#36 < runtime.goexit", 30000, 1300 * TICK,
                      sim.now + 0.05);
            for (entries += 480 * TICK; entries > 640 * count && count < TABLES; count++) {
                if (count > 0) {
                    unsigned split = (unsigned)(sim_uniform(&sim) * count);
                    sim_free(&sim, tables[split]);
                    tables[split] =
                        sim_alloc(&sim, sim_stack(&sim, part), EBB_KIND_MALLOC, 25600, 1, NEVER);
                }
                tables[count] =
                    sim_alloc(&sim, sim_stack(&sim, part), EBB_KIND_MALLOC, 25600, 1, NEVER);
            }
        } while (sim_advance(&sim, TICK));
        add_runtime(&sim, false);
        right += is_found(&sim, "unbounded-map", "main.count");
    }
    assert_true(right >= 6 * SEEDS - 2);
}

/* The same climb, by what samples hardly ever show, beside stores whose entries come and go or
 * buffers that are made once: it is none of theirs. */
static void an_even_climb_is_not_made_by_bystanders(void **state)
{
    for (unsigned seed = 0; seed < 3 * SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        sim.seconds = 60;
        sim.kept_part = 0;
        bool warm = false;
        malloc_of(&sim, "main.load#9 < main.main#3 < runtime.main", 6000, 1000, NEVER);
        do {
            malloc_of(&sim, "main.note#12 < main.main#33 < runtime.goexit", 16, 400 * TICK, NEVER);
            for (unsigned store = 0; store < 8 && seed % 2 == 0; store++) {
                char frames[80];
                snprintf(frames, sizeof frames, "main.store%u#25 < main.work#36 < runtime.goexit",
                         store);
                malloc_of(&sim, frames, 700, 600 * TICK, sim.now + sim_exponential(&sim, 6));
            }
            if (seed % 2 && !warm && sim.now > 5)
                malloc_of(&sim, "main.warm#8 < main.main#9 < runtime.main", 1 << 20, 4, NEVER);
            warm = sim.now > 5;
        } while (sim_advance(&sim, TICK));
        add_runtime(&sim, false);
        struct ebb_report report;
        diagnose(&sim, &report);
        for (size_t i = 0; i < report.verdict_count; i++)
            if (strcmp(report.verdicts[i].site.function, "main.note") != 0)
                fail_msg("seed %u: %s is accused", seed, report.verdicts[i].site.function);
        ebb_report_free(&report);
        sim_free_all(&sim);
    }
}

/* Sessions of all sizes that are replaced at random. What is sampled of them wanders; what the
 * collector finds does not. */
static void replacement_at_random_is_no_growth(void **state)
{
    for (unsigned seed = 0; seed < 3 * SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        sim.kept_part = 0;
        do {
            for (unsigned i = 0; i < 18; i++)
                malloc_of(&sim, "main.(*store).visit#25 < main.work#36 < runtime.goexit",
                          100 + (uint64_t)(1400 * sim_uniform(&sim)), 18000 * TICK / 18,
                          sim.now + sim_exponential(&sim, 2.2));
            malloc_of(&sim,
                      "runtime.makeBucketArray < runtime.hashGrow < runtime.mapassign_fast64 < "
                      "main.(*store).visit#28 < main.work#36 < runtime.goexit",
                      1400000, sim.now < 0.01 ? 1 : 0, NEVER);
        } while (sim_advance(&sim, TICK));
        add_runtime(&sim, false);
        expect(&sim, seed, NULL, "-");
    }
}

static void collections_that_go_otherwise_hide_no_leak(void **state)
{
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        sim.seconds = 120;
        sim.kept_part = 0;
        malloc_of(&sim, "main.load#9 < main.main#3 < runtime.main", 6000, 1000, NEVER);
        do {
            malloc_of(&sim, "main.run#21 < main.work#27 < runtime.goexit", 512, 7, NEVER);
            malloc_of(&sim, "main.churn#28 < main.work#27 < runtime.goexit", 30000, 80,
                      sim.now + 0.05);
        } while (sim_advance(&sim, TICK));
        add_runtime(&sim, true);
        if (!is_found(&sim, "leak", "main.run"))
            fail_msg("seed %u", seed);
    }
}

/* Batches are gathered in a map for three seconds and dropped: the last look may fall on the top. */
static void batches_are_no_growth(void **state)
{
    for (unsigned seed = 0; seed < 3 * SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        sim.kept_part = 0;
        sim.seconds = 24.5 + 0.1 * seed;
        do {
            double end = 3 * (floor(sim.now / 3) + 1);
            malloc_of(&sim, "main.(*batcher).add#21 < main.work#36 < runtime.goexit", 400,
                      8000 * TICK, end);
            malloc_of(&sim, "main.(*batcher).add#21 < main.work#36 < runtime.goexit", 32,
                      8000 * TICK, end);
            malloc_of(&sim,
                      "runtime.makeBucketArray < runtime.hashGrow < runtime.mapassign_fast64 < "
                      "main.(*batcher).add#21 < main.work#36 < runtime.goexit",
                      (uint64_t)fmax(900e3 - 3e5 * (end - sim.now), 1e3), 1,
                      fmin(sim.now + 0.5, end));
        } while (sim_advance(&sim, TICK));
        add_runtime(&sim, false);
        expect(&sim, seed, NULL, "-");
    }
}

/* A cache of six seconds is full after six seconds, but its table doubles once more for what was
 * deleted in it: the next doubling is not overdue yet, and will never come. */
static void full_cache_beside_a_table_that_doubled(void **state)
{
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        sim.kept_part = 0;
        sim.seconds = 24;
        double next = 3.2, size = 600e3;
        uint32_t table = 0;
        do {
            malloc_of(&sim, "sync.(*Map).Store < main.remember#22 < main.work#27 < runtime.goexit",
                      120, 6000 * TICK, sim.now + 6);
            if (sim.now < next || next > 13)
                continue;
            if (next > 3.2)
                sim_free(&sim, table);
            table = sim_alloc(&sim,
                              sim_stack(&sim, "runtime.makeBucketArray < runtime.hashGrow < "
                                              "runtime.mapassign < sync.(*Map).Store < "
                                              "main.remember#22 < main.work#27 < runtime.goexit"),
                              EBB_KIND_MALLOC, (uint64_t)size, 1, NEVER);
            size *= 1.9;
            next *= next < 6 ? 1.4 : 1.9;
        } while (sim_advance(&sim, TICK));
        add_runtime(&sim, false);
        expect(&sim, seed, NULL, "-");
    }
}

/* A map that is filled and drained again and again: whatever size its table is caught at, it has been
 * as large before. */
static void filled_and_drained_is_no_growth(void **state)
{
    static const char table[] = "runtime.makeBucketArray < runtime.hashGrow < runtime.mapassign < "
                                "main.(*batcher).add#43 < main.work#27 < runtime.goexit";
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        do {
            bool large = sim.now > 5 && sim_uniform(&sim) < 0.8;
            malloc_of(&sim, table, 787000, sim.now > 3, sim.now + 1.02);
            malloc_of(&sim, table, 1104000, large, sim.now + 1.02);
        } while (sim_advance(&sim, 1.01));
        expect(&sim, seed, NULL, "-");
    }
}

/* A function that puts little into a small map and copies large slices all the time makes no maps. */
static void slices_beside_a_map_are_no_maps(void **state)
{
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct sim sim;
        service_start(&sim, seed);
        do {
            malloc_of(&sim,
                      "runtime.makeBucketArray < runtime.makemap < main.(*buffer).Copy#198 < "
                      "main.read#44 < runtime.goexit",
                      600, 200 * TICK, sim.now + 0.01);
            malloc_of(&sim, "main.(*buffer).Copy#198 < main.read#44 < runtime.goexit", 76000,
                      600 * TICK, sim.now + 0.01);
        } while (sim_advance(&sim, TICK));
        expect(&sim, seed, "large-temporaries", "main.(*buffer).Copy");
    }
}

#define SET "main.(*cache).set#36 < main.main.func1#57 < runtime.goexit"

static void idle(struct sim *sim)
{
    do
        malloc_of(sim, "main.parse#5 < main.serve#3 < runtime.goexit", 100, 100, sim->now + 0.02);
    while (sim_advance(sim, TICK));
}

/* A cache that makes room takes out the first entry a walk comes by; who clears walks on. */
static void eviction_is_no_clearing(void **state)
{
    for (unsigned clears = 0; clears < 2; clears++) {
        struct sim sim;
        service_start(&sim, 1);
        idle(&sim);
        spend(&sim, "runtime.mapassign_faststr < " SET, 0.05, 0, 10);
        spend(&sim, "runtime.mapdelete_faststr < " SET, 0.2, 0, 10);
        spend(&sim,
              clears ? "runtime.mapiternext < " SET
                     : "runtime.mapiternext < runtime.mapiterinit < " SET,
              0.2, 0, 10);
        spend(&sim, "fmt.Sprintf < main.main.func1#57 < runtime.goexit", 0.3, 0, 10);
        expect(&sim, clears, clears ? "map-clear-hot" : NULL, "main.(*cache).set");
    }
}

/* A service whose main.fill fills a map in the first five seconds, as the processor profile has it. Its
 * table doubles five times, and every `step` seconds the heap shows one of them. */
static void service_that_filled_a_map(struct sim *sim, double step)
{
    service_start(sim, 1);
    for (int size = 1; size <= 32; size *= 2) {
        malloc_of(sim,
                  "runtime.makeBucketArray < runtime.hashGrow < runtime.mapassign_fast64 < "
                  "main.fill#24 < main.work#41 < runtime.goexit",
                  (uint64_t)size << 20, 1, size < 32 ? sim->now + step + 0.2 : NEVER);
        sim_advance(sim, step);
    }
    idle(sim);
    spend(sim, "runtime.mapassign_fast64 < main.fill#24 < main.work#41", 0.5, 0, 5);
}

/* A map that was filled, and then deletes of such keys: was it emptied? Not when as much goes into
 * maps with such keys as comes out. */
static void maps_are_known_to_be_emptied_by_time(void **state)
{
    for (unsigned other = 0; other < 2; other++) {
        struct sim sim;
        service_that_filled_a_map(&sim, 1);
        spend(&sim, "runtime.mapdelete_fast64 < main.publish#32 < main.work#41", 0.05, 10, 13);
        spend(&sim, "runtime.mapiternext < main.publish#30 < main.work#41", 0.05, 10, 13);
        if (other)
            spend(&sim, "runtime.mapassign_fast64 < main.(*lru).put#7 < main.serve#3", 0.1, 10, 13);
        expect(&sim, other, other ? NULL : "map-kept-after-clear", "main.fill");
    }
}

/* A janitor was busy with the entries that it walked over; now it walks as long and finds none. */
static void walks_that_find_nothing_tell_of_an_empty_map(void **state)
{
    /* With many ticks, and with as few as a real one had. */
    static const struct {
        double walked[2], handled[2];
        bool busy;
    } cases[] = {
        {{0.05, 0.06}, {0.2, 0.01}, false},
        {{0.05, 0.06}, {0.2, 0.2}, true},
        {{0.02, 0.04}, {0.27, 0.02}, false},
        {{0.02, 0.02}, {0.08, 0.02}, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool busy = cases[i].busy;
        struct sim sim;
        service_that_filled_a_map(&sim, 1);
        for (int later = 0; later < 2; later++) {
            double from = later ? 15 : 3, to = later ? 30 : 8;
            spend(&sim, "runtime.mapiternext < main.expire#30 < main.work#41",
                  cases[i].walked[later], from, to);
            spend(&sim, "time.Since < main.expire#31 < main.work#41", cases[i].handled[later], from,
                  to);
        }
        expect(&sim, i, busy ? NULL : "map-kept-after-clear", "main.fill");
    }
}

/* Deletes in what Range calls empty a sync.Map, though no tick fell into Range itself; deletes alone
 * do not. */
static void deletes_within_a_walk_empty_a_sync_map(void **state)
{
    for (unsigned walks = 0; walks < 2; walks++) {
        struct sim sim;
        service_start(&sim, 1);
        idle(&sim);
        spend(&sim,
              walks ? "internal/sync.(*HashTrieMap[...]).LoadAndDelete < sync.(*Map).Delete < "
                      "main.drop.func1#9 < internal/sync.(*HashTrieMap[...]).Range < "
                      "sync.(*Map).Range < main.drop#8 < main.work#41"
                    : "internal/sync.(*HashTrieMap[...]).LoadAndDelete < sync.(*Map).Delete < "
                      "main.forget#9 < main.work#41",
              0.05, 0, 30);
        spend(&sim, "fmt.Sprintf < main.main.func1#57 < runtime.goexit", 0.3, 0, 30);
        expect(&sim, walks, walks ? "syncmap-clear-by-delete" : NULL, "main.drop.func1");
    }
}

/* Plain values in a map: whether it grows or is a cache that is full, only deletes can tell, until
 * the next doubling is overdue. */
static void deletes_tell_a_full_cache_of_plain_values(void **state)
{
    static const char table[] = "runtime.makeBucketArray < runtime.hashGrow < "
                                "runtime.mapassign_fast64 < main.put#24 < main.work#41";
    for (unsigned full = 0; full < 2; full++) {
        struct sim sim;
        service_start(&sim, 1);
        uint32_t now = 0;
        double next = 2.4, size = 700e3;
        do {
            malloc_of(&sim, "main.parse#5 < main.serve#3 < runtime.goexit", 100, 100,
                      sim.now + 0.02);
            if (sim.now < next || next > 25)
                continue;
            if (next > 2.4)
                sim_free(&sim, now);
            now =
                sim_alloc(&sim, sim_stack(&sim, table), EBB_KIND_MALLOC, (uint64_t)size, 1, NEVER);
            size *= 2;
            next *= 2;
        } while (sim_advance(&sim, TICK));
        for (int from = 0; from < 30; from += 5)
            spend(&sim, "runtime.mapassign_fast64 < main.put#24 < main.work#41", 0.1, from,
                  from + 5);
        if (full)
            spend(&sim, "runtime.mapdelete_fast64 < main.evict#31 < main.work#41", 0.1, 20, 30);
        expect(&sim, full, full ? NULL : "unbounded-map", "main.put");
    }
}

/* A map that is filled once, while another one with such keys is drained at the same time; and one that
 * is emptied before the heap, which lags behind, has shown all of it. */
static void filling_ends_when_the_profile_says_so(void **state)
{
    for (unsigned emptied = 0; emptied < 2; emptied++) {
        struct sim sim;
        service_that_filled_a_map(&sim, emptied ? 2 : 1);
        spend(&sim, "runtime.mapdelete_fast64 < main.publish#12 < main.load#41", 0.05,
              emptied ? 5 : 0, emptied ? 9 : 5);
        spend(&sim, "runtime.mapaccess1_fast64 < main.lookup#32 < main.work#41", 2, 5, 30);
        expect(&sim, emptied, emptied ? "map-kept-after-clear" : NULL, "main.fill");
    }
}

int test_go(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_the_main_modules),
        cmocka_unit_test(overflow_buckets_are_no_maps),
        cmocka_unit_test(inner_maps_may_double_together),
        cmocka_unit_test(few_samples_of_small_maps_are_many_maps),
        cmocka_unit_test(keys_are_the_maps_when_its_table_is_missed),
        cmocka_unit_test(slices_are_known_by_their_arrays),
        cmocka_unit_test(tables_split_in_stairs),
        cmocka_unit_test(collections_that_go_otherwise_hide_no_leak),
        cmocka_unit_test(few_samples_suffice_under_an_even_climb),
        cmocka_unit_test(an_even_climb_is_not_made_by_bystanders),
        cmocka_unit_test(replacement_at_random_is_no_growth),
        cmocka_unit_test(full_cache_beside_a_table_that_doubled),
        cmocka_unit_test(batches_are_no_growth),
        cmocka_unit_test(filled_and_drained_is_no_growth),
        cmocka_unit_test(slices_beside_a_map_are_no_maps),
        cmocka_unit_test(eviction_is_no_clearing),
        cmocka_unit_test(maps_are_known_to_be_emptied_by_time),
        cmocka_unit_test(filling_ends_when_the_profile_says_so),
        cmocka_unit_test(walks_that_find_nothing_tell_of_an_empty_map),
        cmocka_unit_test(deletes_within_a_walk_empty_a_sync_map),
        cmocka_unit_test(deletes_tell_a_full_cache_of_plain_values),
    };
    return cmocka_run_group_tests_name("go", tests, NULL, NULL);
}
