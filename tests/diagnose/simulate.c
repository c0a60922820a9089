/* See simulate.h. */
#include "tests/diagnose/simulate.h"

#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int status)
{
    if (status < 0) {
        fputs("simulate: out of memory\n", stderr);
        abort();
    }
}

static uint64_t next_random(struct sim *sim)
{
    return ebb_mix64(sim->random += UINT64_C(0x9e3779b97f4a7c15));
}

double sim_uniform(struct sim *sim)
{
    return ((double)(next_random(sim) >> 11) + 0.5) * 0x1p-53;
}

double sim_exponential(struct sim *sim, double mean)
{
    return -mean * log(sim_uniform(sim));
}

void sim_start(struct sim *sim, uint64_t seed, double seconds)
{
    *sim = (struct sim){.random = ebb_mix64(seed + 1),
                        .seconds = seconds,
                        .look_every = 1,
                        .base_bytes = 2 << 20,
                        .kept_part = 0.2,
                        .threads = 1};
    sim->evidence = (struct ebb_evidence){.target = "simulated",
                                          .kind = "c",
                                          .pid = 4242,
                                          .executable = "/app/server",
                                          .period = SIM_PERIOD,
                                          .end_reason = "",
                                          .complete = true,
                                          .window_s = seconds};
}

void sim_free_all(struct sim *sim)
{
    ebb_evidence_free(&sim->evidence);
    ebb_vec_free(&sim->batches);
    ebb_vec_free(&sim->deaths);
    ebb_vec_free(&sim->now_of);
}

/* ---- stacks and series ---- */

static struct ebb_frame parse_frame(struct sim *sim, const char *text, size_t length)
{
    char *copy = ebb_arena_strndup(&sim->evidence.arena, text, length);
    must(copy ? 0 : -1);
    struct ebb_frame frame = {.function = copy,
                              .system_name = copy,
                              .file = "/src/server.c",
                              .module = sim->evidence.executable};
    char *line = strchr(copy, '#'), *module = strchr(copy, '@');
    if (line) {
        *line = '\0';
        frame.line = atoi(line + 1);
    }
    if (module) {
        *module = '\0';
        static const char *const modules[] = {"c/lib/x86_64-linux-gnu/libc.so.6",
                                              "g/usr/lib/x86_64-linux-gnu/libglib-2.0.so.0",
                                              "+/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
                                              "p/usr/bin/python3.11",
                                              "r/usr/bin/redis-server",
                                              "x/usr/lib/x86_64-linux-gnu/libxml2.so.2"};
        frame.file = "";
        for (size_t i = 0; i < sizeof modules / sizeof *modules; i++)
            if (modules[i][0] == module[1])
                frame.module = modules[i] + 1;
    }
    return frame;
}

uint32_t sim_stack(struct sim *sim, const char *frames)
{
    static const char separator[] = " < ";
    struct ebb_stacks *stacks = &sim->evidence.stacks;
    struct ebb_frame parsed[32];
    size_t depth = 0;
    for (const char *at = frames; at && depth < 32;) {
        const char *end = strstr(at, separator);
        parsed[depth++] = parse_frame(sim, at, end ? (size_t)(end - at) : strlen(at));
        at = end ? end + strlen(separator) : NULL;
    }
    for (size_t i = 0; i < stacks->len; i++) {
        bool same = stacks->items[i].depth == depth;
        for (size_t k = 0; same && k < depth; k++)
            same = strcmp(stacks->items[i].frames[k].function, parsed[k].function) == 0 &&
                   stacks->items[i].frames[k].line == parsed[k].line;
        if (same)
            return (uint32_t)i;
    }
    struct ebb_frame *copy = ebb_arena_zalloc(&sim->evidence.arena, depth, sizeof *copy);
    must(copy ? 0 : -1);
    memcpy(copy, parsed, depth * sizeof *copy);
    must(ebb_vec_push(stacks, (struct ebb_evidence_stack){copy, depth, false}));
    return (uint32_t)stacks->len - 1;
}

static uint32_t find_series(struct sim *sim, uint32_t stack, uint16_t size_class, uint8_t kind)
{
    struct ebb_serieses *series = &sim->evidence.series;
    for (size_t i = series->len; i-- > 0;)
        if (series->items[i].stack == stack && series->items[i].size_class == size_class &&
            series->items[i].kind == kind)
            return (uint32_t)i;
    must(ebb_vec_push(series, (struct ebb_series){stack, size_class, kind, {0}}));
    must(ebb_vec_push(&sim->now_of, (struct ebb_point){0}));
    return (uint32_t)series->len - 1;
}

/* ---- sampling ---- */

static double weight_of(const struct sim *sim, uint64_t size, uint8_t kind)
{
    if (kind == EBB_KIND_MMAP || kind == EBB_KIND_THREAD || sim->evidence.period <= 1)
        return 1;
    return -1 / expm1(-((double)size + 1) / (double)sim->evidence.period);
}

/* How many of `count` blocks are sampled, each with probability 1 / weight: by skipping from one to
 * the next. */
static double draw_sampled(struct sim *sim, double count, double weight)
{
    if (weight <= 1)
        return count;
    double at = 0, sampled = 0, scale = log1p(-1 / weight);
    for (;;) {
        at += floor(log(sim_uniform(sim)) / scale) + 1;
        if (at > count)
            return sampled;
        sampled++;
    }
}

/* ---- the heap of deaths ---- */

static double death_of(const struct sim *sim, size_t slot)
{
    return sim->deaths.items[slot].time;
}

static void swap_slots(struct sim *sim, size_t a, size_t b)
{
    struct sim_death kept = sim->deaths.items[a];
    sim->deaths.items[a] = sim->deaths.items[b];
    sim->deaths.items[b] = kept;
}

static void push_death(struct sim *sim, uint32_t batch)
{
    must(ebb_vec_push(&sim->deaths, (struct sim_death){sim->batches.items[batch].death, batch}));
    for (size_t at = sim->deaths.len - 1; at > 0 && death_of(sim, at) < death_of(sim, (at - 1) / 2);
         at = (at - 1) / 2)
        swap_slots(sim, at, (at - 1) / 2);
}

static uint32_t pop_death(struct sim *sim)
{
    uint32_t first = sim->deaths.items[0].batch;
    sim->deaths.items[0] = sim->deaths.items[--sim->deaths.len];
    for (size_t at = 0;;) {
        size_t child = 2 * at + 1;
        if (child >= sim->deaths.len)
            return first;
        if (child + 1 < sim->deaths.len && death_of(sim, child + 1) < death_of(sim, child))
            child++;
        if (death_of(sim, at) <= death_of(sim, child))
            return first;
        swap_slots(sim, at, child);
        at = child;
    }
}

/* ---- events ---- */

uint32_t sim_alloc(struct sim *sim, uint32_t stack, enum ebb_kind kind, uint64_t size, double count,
                   double death)
{
    uint64_t counted = kind == EBB_KIND_THREAD ? 0 : size;
    uint32_t series = find_series(sim, stack, ebb_size_class(size), (uint8_t)kind);
    double weight = weight_of(sim, size, (uint8_t)kind);
    count = floor(count);
    double sampled = draw_sampled(sim, count, weight);
    struct ebb_point *point = &sim->now_of.items[series];
    point->alloc_samples += (uint64_t)sampled;
    point->alloc_objects += sampled * weight;
    point->live_objects += sampled * weight;
    point->alloc_bytes += sampled * weight * (double)counted;
    point->live_bytes += sampled * weight * (double)counted;
    if (kind == EBB_KIND_THREAD) {
        sim->threads += (uint64_t)count;
    } else {
        if (kind != EBB_KIND_MMAP) { /* the agent's totals are those of the malloc family */
            sim->allocs += (uint64_t)count;
            sim->alloc_bytes += (uint64_t)(count * (double)size);
        }
        sim->live += count * (double)size;
        sim->peak = fmax(sim->peak, sim->live);
    }
    must(ebb_vec_push(&sim->batches,
                      (struct sim_batch){series, size, count, sampled, sim->now, death, false}));
    uint32_t batch = (uint32_t)sim->batches.len - 1;
    if (isfinite(death))
        push_death(sim, batch);
    return batch;
}

void sim_free(struct sim *sim, uint32_t index)
{
    struct sim_batch *batch = &sim->batches.items[index];
    if (batch->dead)
        return;
    batch->dead = true;
    struct ebb_point *point = &sim->now_of.items[batch->series];
    uint8_t kind = sim->evidence.series.items[batch->series].kind;
    double weight = weight_of(sim, batch->size, kind);
    point->free_samples += (uint64_t)batch->sampled;
    point->live_objects = fmax(point->live_objects - batch->sampled * weight, 0);
    if (kind == EBB_KIND_THREAD) {
        sim->threads -= (uint64_t)batch->count;
        return;
    }
    point->live_bytes = fmax(point->live_bytes - batch->sampled * weight * (double)batch->size, 0);
    sim->frees += kind == EBB_KIND_MMAP ? 0 : (uint64_t)batch->count;
    sim->live -= batch->count * (double)batch->size;
}

/* ---- looking ---- */

static void look(struct sim *sim)
{
    double resident = sim->base_bytes + sim->live + sim->kept_part * (sim->peak - sim->live);
    struct ebb_observation observation = {.time_s = sim->now,
                                          .allocs = sim->allocs,
                                          .frees = sim->frees,
                                          .alloc_bytes = sim->alloc_bytes,
                                          .threads = sim->threads};
    uint64_t pages = (uint64_t)(resident / 4096) * 4096;
    observation.memory = (struct ebb_memory){.rss = pages + (4 << 20),
                                             .rss_anonymous = pages,
                                             .rss_file = 4 << 20,
                                             .rss_peak = pages,
                                             .virtual_size = pages + (64 << 20),
                                             .data_size = pages,
                                             .threads = sim->threads};
    observation.limit = (struct ebb_limit){
        .limit_bytes = UINT64_MAX, .used_bytes = UINT64_MAX, .source = "", .detail = ""};
    if (sim->limit_bytes)
        observation.limit = (struct ebb_limit){sim->limit_bytes, pages, "cgroup", "memory.max"};
    double variance = 0;
    for (size_t i = 0; i < sim->now_of.len; i++) {
        struct ebb_point point = sim->now_of.items[i];
        point.observation = (uint32_t)sim->evidence.observations.len;
        observation.live_bytes += point.live_bytes;
        double samples = (double)(point.alloc_samples - point.free_samples);
        if (samples > 0) {
            double weight = point.live_objects / samples,
                   size = point.live_bytes / samples / weight;
            variance += samples * weight * (weight - 1) * size * size;
        }
        must(ebb_vec_push(&sim->evidence.series.items[i].points, point));
    }
    observation.live_bytes_sd = sqrt(variance);
    must(ebb_vec_push(&sim->evidence.observations, observation));
}

bool sim_advance(struct sim *sim, double seconds)
{
    double until = fmin(sim->now + seconds, sim->seconds);
    for (;;) {
        double death = sim->deaths.len ? death_of(sim, 0) : INFINITY;
        double next = fmin(fmin(death, sim->next_look), until);
        sim->now = fmax(sim->now, next);
        if (death <= next) {
            sim_free(sim, pop_death(sim));
        } else if (sim->next_look <= next) {
            look(sim);
            sim->next_look += sim->look_every;
        } else {
            return sim->now < sim->seconds;
        }
    }
}

struct ebb_evidence *sim_finish(struct sim *sim)
{
    struct ebb_evidence *evidence = &sim->evidence;
    if (evidence->observations.len == 0 ||
        evidence->observations.items[evidence->observations.len - 1].time_s < sim->now)
        look(sim);
    for (size_t i = 0; i < sim->batches.len; i++) {
        const struct sim_batch *batch = &sim->batches.items[i];
        uint8_t kind = evidence->series.items[batch->series].kind;
        for (long left = batch->dead ? 0 : (long)ceil(batch->sampled); left > 0; left--)
            must(ebb_vec_push(&evidence->survivors,
                              (struct ebb_survivor){batch->series, batch->size,
                                                    sim->now - batch->birth,
                                                    weight_of(sim, batch->size, kind), 0}));
    }
    return evidence;
}
