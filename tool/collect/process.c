/* See process.h.
 *
 * A record's bucket becomes a series when its first block was recorded, and keeps the number it got
 * then; likewise a record's stack becomes a symbolized stack when its first series appears. So one
 * observation costs a copy of the record and one point per series.
 *
 * A program that is gone cannot be watched, but the blocks it still held tell when each was born.
 * The history is then reconstructed at evenly spaced times from those births: what was live at a
 * time and is live at the end. Blocks that came and went between are missing from it, so growth
 * read off it is an upper estimate; totals of allocations are spread evenly. */
#include "tool/collect/process.h"

#include "tool/collect/inventory.h"
#include "tool/collect/symbolizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SURVIVORS = 200000,
    MAX_MAPS = 4096,         /* that are followed */
    ENOUGH_OBSERVATIONS = 4, /* fewer are no history */
    RECONSTRUCTED_OBSERVATIONS = 30,
};

struct ebb_process {
    struct ebb_reader *reader; /* NULL: done with */
    bool ours;                 /* see ebb__process_new */
    bool keep_killed;          /* see ebb__process_keep_killed */
    struct ebb_identity identity;
    struct ebb_snapshot snapshot; /* the newest */
    struct ebb_symbolizer *symbolizer;
    struct ebb_evidence evidence;
    size_t modules_known;
    struct numbers EBB_VEC(uint32_t) series_of_bucket, stack_of_stack; /* EBB_NONE: not yet */
    struct frames EBB_VEC(struct ebb_frame) frames; /* of a stack while it is put together */
    uint64_t first_ns, last_ns;                     /* of the observations */
};

struct ebb_process *ebb__process_new(struct ebb_reader *reader, bool ours, const char *target,
                                     struct ebb_symbolizer *symbolizer)
{
    struct ebb_process *process = calloc(1, sizeof *process);
    if (!process) {
        ebb_reader_close(reader);
        return NULL;
    }
    process->reader = reader;
    process->ours = ours;
    process->identity = *ebb_reader_identity(reader);
    process->symbolizer = ebb__symbolizer_new_beside(symbolizer);
    struct ebb_evidence *evidence = &process->evidence;
    evidence->target = ebb_arena_strdup(&evidence->arena, target);
    evidence->kind = "c";
    evidence->pid = process->identity.pid;
    evidence->executable = process->identity.executable;
    evidence->period = process->identity.period;
    evidence->end_reason = evidence->go_version = "";
    if (process->identity.agent_flags & EBB_AGENT_NO_MALLOC)
        evidence->caution = "the program brings an allocator of its own that calls no malloc the "
                            "agent can stand before: only its direct mappings were seen";
    else if (process->identity.agent_flags & EBB_AGENT_LIBRARY)
        evidence->caution = "it runs without the agent: only its Ebb maps were seen; start it with "
                            "`ebb run -- CMD` to see everything";
    else if (process->identity.agent_flags & EBB_AGENT_FORKED)
        evidence->caution = "a child by fork: what it had from its parent is not counted";
    if (!process->symbolizer || !evidence->target) {
        ebb__process_free(process);
        return NULL;
    }
    ebb_reader_attach(reader);
    return process;
}

void ebb__process_keep_killed(struct ebb_process *process)
{
    process->keep_killed = true;
}

void ebb__process_free(struct ebb_process *process)
{
    if (!process)
        return;
    if (ebb__process_alive(process))
        ebb_reader_done(process->reader); /* nobody reads it any more */
    ebb_reader_close(process->reader);
    ebb_snapshot_free(&process->snapshot);
    ebb_symbolizer_free(process->symbolizer);
    ebb_evidence_free(&process->evidence);
    ebb_vec_free(&process->series_of_bucket);
    ebb_vec_free(&process->stack_of_stack);
    ebb_vec_free(&process->frames);
    free(process);
}

struct ebb_evidence *ebb__process_evidence(struct ebb_process *process)
{
    return &process->evidence;
}

const struct ebb_identity *ebb__process_identity(const struct ebb_process *process)
{
    return &process->identity;
}

bool ebb__process_ended(const struct ebb_process *process)
{
    return !process->reader;
}

bool ebb__process_alive(const struct ebb_process *process)
{
    return process->reader && ebb_reader_alive(process->reader);
}

/* ---- stacks and series ---- */

bool ebb__is_agent_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, "libebb-agent.so") == 0;
}

static int symbolize_stack(struct ebb_process *process, const struct ebb_stack *stack,
                           uint32_t *number)
{
    struct ebb_evidence *evidence = &process->evidence;
    const uint64_t *addresses = process->snapshot.frames + stack->first_frame;
    const char *module = NULL; /* of the frame before: mostly the same again */
    bool is_agent = false;
    process->frames.len = 0;
    for (size_t i = 0; i < stack->depth; i++) {
        size_t count;
        const struct ebb_frame *frames =
            ebb_symbolize(process->symbolizer, addresses[i], true, &count);
        if (frames[0].module != module) {
            module = frames[0].module;
            is_agent = ebb__is_agent_path(module);
        }
        for (size_t k = 0; k < count && !is_agent; k++)
            if (ebb_vec_push(&process->frames, frames[k]) < 0)
                return -ENOMEM;
    }
    size_t depth = process->frames.len, bytes = depth * sizeof *process->frames.items;
    struct ebb_frame *frames = ebb_arena_alloc(&evidence->arena, bytes + 1);
    if (!frames)
        return -ENOMEM;
    if (depth > 0)
        memcpy(frames, process->frames.items, bytes);
    *number = (uint32_t)evidence->stacks.len;
    return ebb_vec_push(&evidence->stacks,
                        (struct ebb_evidence_stack){frames, depth, stack->truncated != 0});
}

static int grow_numbers(struct numbers *numbers, size_t count)
{
    while (numbers->len < count)
        if (ebb_vec_push(numbers, EBB_NONE) < 0)
            return -ENOMEM;
    return 0;
}

/* Gives every bucket that has seen a block its series. */
static int learn_series(struct ebb_process *process)
{
    const struct ebb_snapshot *snapshot = &process->snapshot;
    struct ebb_evidence *evidence = &process->evidence;
    if (grow_numbers(&process->series_of_bucket, snapshot->bucket_count) < 0 ||
        grow_numbers(&process->stack_of_stack, snapshot->stack_count) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        const struct ebb_bucket *bucket = &snapshot->buckets[i];
        uint32_t *series = &process->series_of_bucket.items[i];
        uint32_t *stack = &process->stack_of_stack.items[bucket->stack];
        if (*series != EBB_NONE || bucket->alloc_samples == 0)
            continue;
        if (*stack == EBB_NONE &&
            symbolize_stack(process, &snapshot->stacks[bucket->stack], stack) < 0)
            return -ENOMEM;
        *series = (uint32_t)evidence->series.len;
        struct ebb_series added = {*stack, bucket->size_class, bucket->kind, {0}};
        if (ebb_vec_push(&evidence->series, added) < 0) {
            *series = EBB_NONE;
            return -ENOMEM;
        }
    }
    return 0;
}

/* ---- samples ---- */

static double sample_weight(const struct ebb_process *process, const struct ebb_sample *sample)
{
    return ebb_sample_weight(sample->size, process->snapshot.period,
                             process->snapshot.buckets[sample->bucket].kind);
}

/* What a sample adds to the variance of live bytes. A block of size s is in the sample with
 * probability p and then stands for s / p bytes; (1 - p) / p² · s² estimates that variance. */
static double sample_variance(const struct ebb_sample *sample, double weight)
{
    return weight * (weight - 1) * (double)sample->size * (double)sample->size;
}

/* The live blocks of the newest snapshot: all of them, or every n-th, standing for the others. */
static int take_survivors(struct ebb_process *process)
{
    const struct ebb_snapshot *snapshot = &process->snapshot;
    struct ebb_survivors *survivors = &process->evidence.survivors;
    size_t step = snapshot->sample_count / MAX_SURVIVORS + 1;
    survivors->len = 0;
    if (ebb_vec_reserve(survivors, snapshot->sample_count / step + 1) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < snapshot->sample_count; i += step) {
        const struct ebb_sample *sample = &snapshot->samples[i];
        uint32_t series = process->series_of_bucket.items[sample->bucket];
        if (series == EBB_NONE)
            continue;
        double age_s = sample->birth_ns < snapshot->taken_ns
                           ? (double)(snapshot->taken_ns - sample->birth_ns) / 1e9
                           : 0;
        struct ebb_survivor survivor = {series, sample->size, age_s,
                                        sample_weight(process, sample) * (double)step,
                                        sample->flags};
        if (ebb_vec_push(survivors, survivor) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- observations ---- */

/* Live = allocated - freed; a bucket that was mended by the reader has no live part below zero. */
static struct ebb_point point_of(const struct ebb_bucket *bucket, size_t observation)
{
    return (struct ebb_point){
        .observation = (uint32_t)observation,
        .alloc_objects = (double)bucket->alloc_objects / EBB_OBJECT_SCALE,
        .alloc_bytes = (double)bucket->alloc_bytes,
        .live_objects = (double)(bucket->alloc_objects - bucket->free_objects) / EBB_OBJECT_SCALE,
        .live_bytes = (double)(bucket->alloc_bytes - bucket->free_bytes),
        .alloc_samples = bucket->alloc_samples,
        .free_samples = bucket->free_samples,
    };
}

static void read_gauges(struct ebb_process *process, bool alive,
                        struct ebb_observation *observation)
{
    const struct ebb_evidence *evidence = &process->evidence;
    if (alive && ebb_memory_read(process->identity.pid, false, &observation->memory) == 0) {
        ebb_limit_read(process->identity.pid, &observation->memory, &observation->limit);
        return;
    }
    if (evidence->observations.len > 0) { /* what was known last */
        const struct ebb_observation *before =
            &evidence->observations.items[evidence->observations.len - 1];
        observation->memory = before->memory;
        observation->limit = before->limit;
        return;
    }
    memset(&observation->memory, 0xff, sizeof observation->memory); /* all UINT64_MAX */
    observation->limit = (struct ebb_limit){UINT64_MAX, UINT64_MAX, "", ""};
}

static struct ebb_observation observe_totals(const struct ebb_process *process)
{
    const struct ebb_snapshot *snapshot = &process->snapshot;
    struct ebb_observation observation = {
        .allocs = snapshot->allocs,
        .frees = snapshot->frees,
        .alloc_bytes = snapshot->alloc_bytes,
        .threads = snapshot->threads,
    };
    double variance = 0;
    for (size_t i = 0; i < snapshot->map_count; i++)
        observation.live_bytes += (double)snapshot->maps[i].mapped_bytes;
    for (size_t i = 0; i < snapshot->bucket_count; i++)
        observation.live_bytes +=
            (double)(snapshot->buckets[i].alloc_bytes - snapshot->buckets[i].free_bytes);
    for (size_t i = 0; i < snapshot->sample_count; i++)
        variance +=
            sample_variance(&snapshot->samples[i], sample_weight(process, &snapshot->samples[i]));
    observation.live_bytes_sd = sqrt(variance);
    return observation;
}

static struct ebb_map_history *find_history(struct ebb_map_histories *histories, uint64_t sequence,
                                            size_t near)
{
    for (size_t i = 0; i < histories->len; i++) {
        struct ebb_map_history *history = &histories->items[(near + i) % histories->len];
        if (history->sequence == sequence)
            return history;
    }
    return NULL;
}

static struct ebb_map_history *learn_map(struct ebb_process *process,
                                         const struct ebb_map_entry *map)
{
    struct ebb_evidence *evidence = &process->evidence;
    struct ebb_map_history added = {
        .sequence = map->sequence,
        .name = ebb_arena_strdup(&evidence->arena, map->name),
        .key_bytes = map->key_bytes,
        .value_bytes = map->value_bytes,
        .nested = map->flags & EBB_MAP_NESTED,
        .site = ebb__site_of_map(process->symbolizer, &process->snapshot, map),
    };
    return added.name && ebb_vec_push(&evidence->maps, added) == 0
               ? &evidence->maps.items[evidence->maps.len - 1]
               : NULL;
}

/* Makes room among the maps that are followed: those that were gone at the last look go first. */
static void forget_gone_maps(struct ebb_map_histories *histories, size_t observation)
{
    size_t kept = 0;
    for (size_t i = 0; i < histories->len; i++) {
        struct ebb_map_history *history = &histories->items[i];
        size_t points = history->points.len;
        if (points > 0 && history->points.items[points - 1].observation + 1 >= observation)
            histories->items[kept++] = *history;
        else
            ebb_vec_free(&history->points);
    }
    histories->len = kept;
}

/* One point per map. They come in the record's order, so the next one is mostly behind the last. */
static int add_maps(struct ebb_process *process, size_t observation)
{
    const struct ebb_snapshot *snapshot = &process->snapshot;
    struct ebb_evidence *evidence = &process->evidence;
    size_t near = 0;
    if (evidence->maps.len + snapshot->map_count > MAX_MAPS)
        forget_gone_maps(&evidence->maps, observation);
    for (size_t i = 0; i < snapshot->map_count && i < MAX_MAPS; i++) {
        const struct ebb_map_entry *map = &snapshot->maps[i];
        struct ebb_map_history *history = find_history(&evidence->maps, map->sequence, near);
        if (!history && evidence->maps.len == MAX_MAPS)
            continue;
        if (!history && !(history = learn_map(process, map)))
            return -ENOMEM;
        near = (size_t)(history - evidence->maps.items) + 1;
        history->high_water = fmax(history->high_water, (double)map->high_water);
        history->clears = map->clears;
        struct ebb_map_point point = {(uint32_t)observation, (double)map->len, (double)map->bytes,
                                      (double)map->len + (double)map->deletes};
        if (ebb_vec_push(&history->points, point) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* One point per series. When memory runs out the observation has holes but stays usable. */
static int add_observation(struct ebb_process *process, bool alive)
{
    const struct ebb_snapshot *snapshot = &process->snapshot;
    struct ebb_evidence *evidence = &process->evidence;
    size_t number = evidence->observations.len;
    uint64_t now_ns = snapshot->taken_ns;
    if (number == 0) {
        process->first_ns = now_ns;
        evidence->age_s = now_ns > process->identity.started_ns
                              ? (double)(now_ns - process->identity.started_ns) / 1e9
                              : 0;
    } else if (now_ns <= process->last_ns) {
        return 0; /* ended before the last look, which has seen it all */
    }
    process->last_ns = now_ns;
    struct ebb_observation observation = observe_totals(process);
    observation.time_s = (double)(now_ns - process->first_ns) / 1e9;
    read_gauges(process, alive, &observation);
    if (ebb_vec_push(&evidence->observations, observation) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        uint32_t series = process->series_of_bucket.items[i];
        if (series != EBB_NONE && ebb_vec_push(&evidence->series.items[series].points,
                                               point_of(&snapshot->buckets[i], number)) < 0)
            return -ENOMEM;
    }
    if (add_maps(process, number) < 0)
        return -ENOMEM;
    ebb_evidence_thin(evidence);
    return 0;
}

/* ---- after the end ---- */

/* The observation at which a block born then is seen first. */
static size_t observation_of_birth(uint64_t birth_ns, uint64_t start_ns, uint64_t end_ns)
{
    if (birth_ns <= start_ns)
        return 0;
    if (birth_ns >= end_ns)
        return RECONSTRUCTED_OBSERVATIONS - 1;
    double at = (double)(birth_ns - start_ns) / (double)(end_ns - start_ns) *
                (RECONSTRUCTED_OBSERVATIONS - 1);
    return (size_t)ceil(at);
}

/* Replaces a series' points by one per observation, all zero. */
static int blank_points(struct ebb_series *series)
{
    series->points.len = 0;
    if (ebb_vec_reserve(&series->points, RECONSTRUCTED_OBSERVATIONS) < 0)
        return -ENOMEM;
    for (uint32_t k = 0; k < RECONSTRUCTED_OBSERVATIONS; k++)
        series->points.items[k] = (struct ebb_point){.observation = k};
    series->points.len = RECONSTRUCTED_OBSERVATIONS;
    return 0;
}

/* Turns the births in each point into what was live there; allocations that were freed again are
 * spread evenly. The last point is what the record says, exactly. */
static void accumulate(struct ebb_points *points, const struct ebb_bucket *bucket)
{
    const uint32_t last = RECONSTRUCTED_OBSERVATIONS - 1;
    struct ebb_point end = point_of(bucket, last), live = {0};
    for (uint32_t k = 0; k < last; k++) {
        struct ebb_point *point = &points->items[k];
        double share = (double)k / last;
        live.live_objects = fmin(live.live_objects + point->live_objects, end.live_objects);
        live.live_bytes = fmin(live.live_bytes + point->live_bytes, end.live_bytes);
        live.alloc_samples += point->alloc_samples;
        uint64_t freed = (uint64_t)(share * (double)end.free_samples);
        *point = (struct ebb_point){
            .observation = k,
            .live_objects = live.live_objects,
            .live_bytes = live.live_bytes,
            .alloc_objects = live.live_objects + share * (end.alloc_objects - end.live_objects),
            .alloc_bytes = live.live_bytes + share * (end.alloc_bytes - end.live_bytes),
            .alloc_samples = live.alloc_samples + freed,
            .free_samples = freed,
        };
    }
    points->items[last] = end;
}

/* The totals at each reconstructed time. */
static int reconstruct_totals(struct ebb_process *process, uint64_t start_ns, uint64_t end_ns,
                              const double *variance_born)
{
    struct ebb_evidence *evidence = &process->evidence;
    const uint32_t last = RECONSTRUCTED_OBSERVATIONS - 1;
    struct ebb_observation end = observe_totals(process), gauges;
    read_gauges(process, false, &gauges); /* of the last look while it lived */
    evidence->observations.len = 0;
    for (size_t i = 0; i < evidence->maps.len; i++)
        evidence->maps.items[i].points.len = 0; /* they are known at the end only */
    double variance = 0;
    for (uint32_t k = 0; k <= last; k++) {
        double share = (double)k / last;
        struct ebb_observation observation = {
            .time_s = share * (double)(end_ns - start_ns) / 1e9,
            .limit = {UINT64_MAX, UINT64_MAX, "", ""},
            .allocs = (uint64_t)(share * (double)end.allocs),
            .frees = (uint64_t)(share * (double)end.frees),
            .alloc_bytes = (uint64_t)(share * (double)end.alloc_bytes),
            .threads = end.threads,
        };
        memset(&observation.memory, 0xff, sizeof observation.memory);
        observation.live_bytes_sd = sqrt(variance += variance_born[k]);
        for (size_t i = 0; i < evidence->series.len; i++)
            observation.live_bytes += evidence->series.items[i].points.items[k].live_bytes;
        if (k == last) {
            observation.memory = gauges.memory;
            observation.limit = gauges.limit;
            observation.allocs = end.allocs;
            observation.frees = end.frees;
            observation.alloc_bytes = end.alloc_bytes;
        }
        if (ebb_vec_push(&evidence->observations, observation) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Replaces the few observations there are by a history made of the survivors' births. */
static int reconstruct(struct ebb_process *process)
{
    const struct ebb_snapshot *snapshot = &process->snapshot;
    struct ebb_evidence *evidence = &process->evidence;
    uint64_t start_ns = process->identity.started_ns, end_ns = snapshot->taken_ns;
    if (end_ns <= start_ns)
        end_ns = start_ns + 1;
    for (size_t i = 0; i < evidence->series.len; i++)
        if (blank_points(&evidence->series.items[i]) < 0)
            return -ENOMEM;
    double variance_born[RECONSTRUCTED_OBSERVATIONS] = {0};
    for (size_t i = 0; i < snapshot->sample_count; i++) {
        const struct ebb_sample *sample = &snapshot->samples[i];
        uint32_t series = process->series_of_bucket.items[sample->bucket];
        if (series == EBB_NONE)
            continue;
        size_t seen = observation_of_birth(sample->birth_ns, start_ns, end_ns);
        struct ebb_point *point = &evidence->series.items[series].points.items[seen];
        double weight = sample_weight(process, sample);
        point->live_objects += weight;
        point->live_bytes += snapshot->buckets[sample->bucket].kind == EBB_KIND_THREAD
                                 ? 0
                                 : weight * (double)sample->size;
        point->alloc_samples++;
        variance_born[seen] += sample_variance(sample, weight);
    }
    for (size_t i = 0; i < snapshot->bucket_count; i++) {
        uint32_t series = process->series_of_bucket.items[i];
        if (series != EBB_NONE)
            accumulate(&evidence->series.items[series].points, &snapshot->buckets[i]);
    }
    evidence->age_s = 0;
    evidence->reconstructed = true;
    evidence->caution =
        "the program was gone before it could be watched: its history is made from the "
        "ages of what it still held, so growth is an upper estimate";
    return reconstruct_totals(process, start_ns, end_ns, variance_born);
}

static void note_end(struct ebb_process *process)
{
    struct ebb_evidence *evidence = &process->evidence;
    evidence->ended = true;
    switch (process->snapshot.state) {
    case EBB_STATE_EXITED:
        evidence->end_reason = "exited";
        break;
    case EBB_STATE_REPLACED:
        evidence->end_reason = "replaced by another program (exec)";
        break;
    default:
        evidence->end_reason = "was killed or crashed";
    }
}

/* ---- the questions ---- */

static int take_snapshot(struct ebb_process *process, struct ebb_error *error)
{
    int code = ebb_reader_snapshot(process->reader, &process->snapshot, error);
    if (code < 0)
        return code;
    if (ebb__learn_modules(process->symbolizer, &process->snapshot, &process->modules_known) < 0)
        return ebb_error_set(error, -ENOMEM, "out of memory for the modules of process %d",
                             (int)process->identity.pid);
    return 0;
}

static uint64_t dropped_entries(const struct ebb_snapshot *snapshot)
{
    uint64_t dropped = 0;
    for (int i = 0; i < EBB_TABLE_COUNT; i++)
        dropped += snapshot->dropped[i];
    return dropped;
}

int ebb__process_observe(struct ebb_process *process, struct ebb_error *error)
{
    if (!process->reader)
        return 1;
    /* Asked before the copy: a process that is gone by then writes nothing after it. */
    bool alive = ebb_reader_alive(process->reader);
    int code = take_snapshot(process, error);
    if (code < 0)
        return code;
    bool replaced = process->snapshot.state == EBB_STATE_REPLACED, ended = !alive || replaced;
    struct ebb_evidence *evidence = &process->evidence;
    /* What a program held when it ran another one went with it: no history to look into. */
    bool unseen = ended && !replaced && evidence->observations.len + 1 < ENOUGH_OBSERVATIONS;
    evidence->dropped = dropped_entries(&process->snapshot);
    if (learn_series(process) < 0 || add_observation(process, !ended) < 0 ||
        take_survivors(process) < 0 || (unseen && reconstruct(process) < 0))
        return ebb_error_set(error, -ENOMEM, "out of memory for what process %d holds",
                             (int)process->identity.pid);
    if (!ended)
        return 0;
    note_end(process);
    bool killed = !replaced && process->snapshot.state != EBB_STATE_EXITED;
    if (!killed || !process->keep_killed) {
        ebb_reader_done(process->reader);
        if (process->ours)
            ebb_reader_remove(process->reader);
    }
    ebb_reader_close(process->reader);
    process->reader = NULL;
    return 1;
}

int ebb__process_profile(struct ebb_process *process, const char *name,
                         struct ebb_profile **profile, struct ebb_error *error)
{
    int code = process->reader ? take_snapshot(process, error) : 0;
    if (code < 0)
        return code;
    return ebb__snapshot_profile(&process->snapshot, &process->identity, process->symbolizer, name,
                                 profile, error);
}
