/* See diagnose.h: asks the patterns about each group, writes the verdicts, and says how far the
 * window can be trusted. */
#include "tool/diagnose/diagnose.h"

#include "tool/diagnose/forecast.h"
#include "tool/diagnose/maps.h"
#include "tool/diagnose/patterns/patterns.h"
#include "tool/diagnose/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a window promises: growth of this many bytes per second is found. */
static const double PROMISE = 102400;

struct verdicts EBB_VEC(struct ebb_verdict);

/* ---- one verdict ---- */

static const char *const *copy_sentences(struct ebb_words *words, const char *const *list,
                                         size_t count)
{
    const char **copy = ebb_arena_zalloc(words->arena, count + 1, sizeof *copy);
    if (!copy)
        words->failed = true;
    else
        memcpy(copy, list, count * sizeof *copy);
    return copy;
}

static void fill_process(const struct ebb_study *study, struct ebb_verdict *verdict)
{
    static const struct ebb_frame nowhere = {
        .function = "", .system_name = "", .file = "", .module = ""};
    verdict->site = nowhere;
    verdict->live_bytes = study->live[study->n - 1];
    verdict->live_objects = study->blocks.values[study->n - 1];
    verdict->alloc_bytes_per_s = study->alloc_rate;
}

static void fill_group(const struct ebb_study *study, const struct ebb_group *group,
                       struct ebb_verdict *verdict)
{
    const struct ebb_evidence_stack *stack = &study->evidence->stacks.items[group->stack];
    verdict->container = group->container ? group->container->name : NULL;
    verdict->site = stack->frames[group->place.site];
    verdict->stack = stack->frames;
    verdict->depth = stack->depth;
    for (size_t i = 0; i < study->groups.len; i++) {
        const struct ebb_group *part = &study->groups.items[i];
        if (part != group && part->part_of != group)
            continue;
        verdict->live_bytes += part->live[study->n - 1];
        verdict->live_objects += part->objects[study->n - 1];
        verdict->alloc_bytes_per_s += ebb_study_net(study, part->allocated) / study->span;
        if (part->growth.confidence > 0) {
            verdict->growth_bytes_per_s += part->growth.rate;
            verdict->growth_interval[0] += part->growth.interval[0];
            verdict->growth_interval[1] += part->growth.interval[1];
        }
    }
}

static void fill_sparkline(const struct ebb_study *study, const struct ebb_group *group,
                           struct ebb_words *words, struct ebb_verdict *verdict)
{
    double *line = ebb_arena_zalloc(words->arena, study->n, sizeof *line);
    if (!line) {
        words->failed = true;
        return;
    }
    for (size_t i = 0; i < study->n; i++) {
        line[i] = group ? 0 : study->anonymous.values[i];
        for (size_t k = 0; group && k < study->groups.len; k++) {
            const struct ebb_group *part = &study->groups.items[k];
            if (part == group || part->part_of == group)
                line[i] += part->threads ? part->objects[i] : part->live[i];
        }
    }
    verdict->sparkline = line;
    verdict->sparkline_count = study->n;
}

/* Asks every pattern; the best answer, if it is good enough, becomes a verdict. */
static int ask(const struct ebb_study *study, const struct ebb_group *group,
               struct ebb_arena *arena, struct verdicts *verdicts)
{
    const struct ebb_pattern *best = NULL;
    double confidence = 0;
    for (size_t i = 0; ebb_patterns[i]; i++) {
        double answer = ebb_patterns[i]->match(study, group);
        if (answer > confidence) {
            confidence = answer;
            best = ebb_patterns[i];
        }
    }
    if (!best || confidence < EBB_LEAST_CONFIDENCE)
        return 0;

    struct ebb_words words = {.arena = arena};
    struct ebb_verdict verdict = {
        .pattern = best->id,
        .confidence = fmin(confidence, 0.99),
        .pid = study->evidence->pid,
        .harm = best->harm(study, group),
    };
    if (group)
        fill_group(study, group, &verdict);
    else
        fill_process(study, &verdict);
    best->explain(study, group, &words);
    fill_sparkline(study, group, &words, &verdict);
    verdict.summary = words.summary ? words.summary : "";
    verdict.evidence = copy_sentences(&words, words.evidence, words.evidence_count);
    verdict.advice = copy_sentences(&words, words.advice, words.advice_count);
    return words.failed || ebb_vec_push(verdicts, verdict) < 0 ? -ENOMEM : 0;
}

/* A verdict on an Ebb map that keeps growing. */
static int ask_map(struct ebb_study *study, const struct ebb_map_history *map,
                   struct ebb_arena *arena, struct verdicts *verdicts)
{
    struct ebb_map_growth growth;
    if (!ebb_map_judge(study, map, &growth))
        return study->failed ? -ENOMEM : 0;
    study->maps.confidence = fmax(study->maps.confidence, growth.confidence);
    study->maps.rate += growth.rate;
    for (int i = 0; i < 2; i++)
        study->maps.interval[i] += growth.interval[i];
    const struct ebb_map_point *end = &map->points.items[map->points.len - 1];
    struct ebb_words words = {.arena = arena};
    double *line = ebb_arena_zalloc(arena, study->n, sizeof *line);
    struct ebb_frame *stack = ebb_arena_zalloc(arena, 1, sizeof *stack);
    if (!line || !stack)
        return -ENOMEM;
    for (size_t i = 0; i < study->n; i++)
        line[i] = end->len > 0 ? growth.lengths[i] * end->bytes / end->len : 0;
    *stack = map->site;
    struct ebb_verdict verdict = {
        .pattern = map->nested ? ebb_pattern_unbounded_nested_map.id : ebb_pattern_unbounded_map.id,
        .container = map->nested ? "Ebb nested map" : "Ebb map",
        .map = *map->name ? map->name : NULL,
        .confidence = growth.confidence,
        .site = map->site,
        .stack = stack,
        .depth = 1,
        .live_bytes = end->bytes,
        .live_objects = end->len,
        .growth_bytes_per_s = growth.rate,
        .growth_interval = {growth.interval[0], growth.interval[1]},
        .harm = growth.rate,
        .sparkline = line,
        .sparkline_count = study->n,
        .pid = study->evidence->pid,
    };
    ebb_map_explain(study, map, &growth, &words);
    verdict.summary = words.summary ? words.summary : "";
    verdict.evidence = copy_sentences(&words, words.evidence, words.evidence_count);
    verdict.advice = copy_sentences(&words, words.advice, words.advice_count);
    return words.failed || ebb_vec_push(verdicts, verdict) < 0 ? -ENOMEM : 0;
}

/* Whether a group is memory of the Ebb maps that have a verdict: such groups together grow no faster
 * than the maps say. What is beyond belongs to other maps, which show themselves nowhere. */
static bool is_explained(const struct ebb_study *study, const struct ebb_group *group,
                         double *explained)
{
    if (study->maps.confidence <= 0 || group->hot || !ebb_container_is_ebb(group->container) ||
        *explained + group->growth.rate > 1.5 * study->maps.interval[1])
        return false;
    *explained += fmax(group->growth.rate, 0);
    return true;
}

/* Asks the maps, then the groups. */
static int ask_all(struct ebb_study *study, struct ebb_arena *arena, struct verdicts *verdicts)
{
    const struct ebb_evidence *evidence = study->evidence;
    double explained = 0;
    for (size_t i = 0; i < evidence->maps.len; i++)
        if (ask_map(study, &evidence->maps.items[i], arena, verdicts) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < study->groups.len; i++) {
        const struct ebb_group *group = &study->groups.items[i];
        if (!group->part_of && !is_explained(study, group, &explained) &&
            ask(study, group, arena, verdicts) < 0)
            return -ENOMEM;
    }
    return ask(study, NULL, arena, verdicts);
}

/* ---- the same site in several processes ---- */

static bool is_same(const struct ebb_verdict *a, const struct ebb_verdict *b)
{
    return a->pid != b->pid && strcmp(a->pattern, b->pattern) == 0 &&
           strcmp(a->site.function, b->site.function) == 0 &&
           strcmp(a->site.file, b->site.file) == 0 && *a->site.function;
}

static int say_once_more(struct ebb_arena *arena, struct ebb_verdict *verdict, unsigned processes)
{
    size_t count = 0;
    while (verdict->evidence[count])
        count++;
    const char **evidence = ebb_arena_zalloc(arena, count + 2, sizeof *evidence);
    const char *sentence = ebb_arena_printf(
        arena, "The same is seen in %u processes; the figures are their sum.", processes);
    if (!evidence || !sentence)
        return -ENOMEM;
    evidence[0] = sentence;
    memcpy(evidence + 1, verdict->evidence, count * sizeof *evidence);
    verdict->evidence = evidence;
    return 0;
}

/* Workers of one program fail alike: one verdict speaks for all, the worst one's. */
static int merge_processes(struct ebb_arena *arena, struct verdicts *verdicts)
{
    size_t kept = 0;
    for (size_t i = 0; i < verdicts->len; i++) {
        struct ebb_verdict verdict = verdicts->items[i];
        unsigned processes = 1;
        for (size_t j = i + 1, next = i + 1; j < verdicts->len; j++) {
            struct ebb_verdict *other = &verdicts->items[j];
            if (is_same(&verdict, other)) {
                verdict.live_bytes += other->live_bytes;
                verdict.live_objects += other->live_objects;
                verdict.growth_bytes_per_s += other->growth_bytes_per_s;
                verdict.growth_interval[0] += other->growth_interval[0];
                verdict.growth_interval[1] += other->growth_interval[1];
                verdict.alloc_bytes_per_s += other->alloc_bytes_per_s;
                verdict.harm += other->harm;
                verdict.confidence = fmax(verdict.confidence, other->confidence);
                processes++;
            } else {
                verdicts->items[next++] = *other;
            }
            if (j + 1 == verdicts->len)
                verdicts->len = next;
        }
        if (processes > 1 && say_once_more(arena, &verdict, processes) < 0)
            return -ENOMEM;
        verdicts->items[kept++] = verdict;
    }
    return 0;
}

static int compare_harm(const void *left, const void *right)
{
    const struct ebb_verdict *a = left, *b = right;
    if (a->harm != b->harm)
        return a->harm < b->harm ? 1 : -1;
    return (a->confidence < b->confidence) - (a->confidence > b->confidence);
}

/* ---- how far the window can be trusted ---- */

/* How many samples must be expected for `needed` to be seen in 95 % of all windows. */
static double expected_for(double needed)
{
    return needed + 1.65 * sqrt(needed) + 0.5;
}

/* The growth that stands out of the noise of the clearer one of the exact signals: four standard
 * errors of a slope. INFINITY without signals. */
static double clear_of_noise(const struct ebb_study *study)
{
    const struct ebb_observation *end = &study->evidence->observations.items[study->n - 1];
    double block = end->allocs ? (double)end->alloc_bytes / (double)end->allocs : 1;
    double least = INFINITY;
    if (study->bytes->known)
        least = fmin(least, 4 * study->bytes->course.noise / study->span);
    if (study->blocks.known)
        least = fmin(least, 4 * study->blocks.course.noise * block / study->span);
    return study->n >= 6 ? least : INFINITY;
}

static double smallest_detectable(const struct ebb_study *study)
{
    double period = (double)study->evidence->period;
    double least = fmax(EBB_LEAST_RATE, EBB_LEAST_GROWTH / study->span);
    if (period <= 1)
        return fmax(least, 8 / study->span);
    double supported = expected_for(ebb_samples_needed(study, true)) * period / study->span;
    double alone = expected_for(ebb_samples_needed(study, false)) * period / study->span;
    return fmax(fmin(alone, fmax(supported, clear_of_noise(study))), least);
}

/* Growth that the exact signals show and no verdict explains, bytes per second; 0 when there is
 * none. */
static double unexplained(const struct ebb_study *study)
{
    double explained = study->maps.rate;
    for (size_t i = 0; i < study->groups.len; i++)
        if (study->groups.items[i].growth.confidence > 0)
            explained += study->groups.items[i].growth.rate;
    double rate = study->bytes->steady ? study->bytes->rate - explained : 0;
    /* Growth inside memory that the process already holds shows in the number of blocks only. */
    const struct ebb_observation *end = &study->evidence->observations.items[study->n - 1];
    double blocks = study->blocks.steady ? study->blocks.values[study->n - 1] : 0;
    if (blocks > 0 && end->allocs > 0 && explained == 0) {
        double made = (double)end->alloc_bytes / (double)end->allocs;
        rate = fmax(rate, study->blocks.rate * fmin(made, study->live[study->n - 1] / blocks));
    }
    return rate >= EBB_LEAST_RATE ? rate : 0;
}

static const struct ebb_group *filling_group(const struct ebb_study *study)
{
    const struct ebb_group *largest = NULL;
    for (size_t i = 0; i < study->groups.len; i++) {
        const struct ebb_group *group = &study->groups.items[i];
        if (group->growth.slowing && group->growth.confidence <= 0 &&
            (!largest || group->retained_bytes > largest->retained_bytes))
            largest = group;
    }
    return largest;
}

/* The one sentence a reader must know before trusting the report, NULL when there is none. */
static const char *find_caution(const struct ebb_study *study, const struct ebb_report *report,
                                struct ebb_arena *arena)
{
    const struct ebb_evidence *evidence = study->evidence;
    double needed = report->smallest_detectable_growth * study->span / PROMISE;
    double hidden = unexplained(study);
    const struct ebb_group *filling = filling_group(study);
    char site[160];
    if (evidence->dropped > 0)
        return ebb_arena_printf(arena,
                                "%llu entries of the record found no room, so the evidence has "
                                "holes; sample less often (--sample 2M).",
                                (unsigned long long)evidence->dropped);
    if (evidence->caution)
        return ebb_arena_strdup(arena, evidence->caution);
    if (evidence->ended && !evidence->complete)
        return ebb_arena_printf(arena,
                                "The process ended (%s) after %s of the window; what it did until "
                                "then is all that could be seen.",
                                evidence->end_reason && *evidence->end_reason ? evidence->end_reason
                                                                              : "reason unknown",
                                ebb_seconds(study->span).text);
    if (hidden > 0 && report->healthy)
        return ebb_arena_printf(
            arena,
            "Memory grows by about %s/s, too slowly for this window to name the "
            "line: look for %s.",
            ebb_bytes(hidden).text,
            ebb_seconds(fmax(12 * (double)evidence->period / hidden, 2 * study->span)).text);
    if (report->smallest_detectable_growth > PROMISE * 1.02 && report->healthy)
        return ebb_arena_printf(arena,
                                "This window finds growth of %s/s and more; for %s/s look for %s.",
                                ebb_bytes(report->smallest_detectable_growth).text,
                                ebb_bytes(PROMISE).text, ebb_seconds(ceil(needed / 10) * 10).text);
    if (filling && report->healthy)
        return ebb_arena_printf(
            arena,
            "%s filled up at the start of the window and slowed down: taken for "
            "a warm-up; a longer window makes it sure.",
            ebb_say_site(study, filling, site));
    return NULL;
}

/* ---- the report ---- */

static void add_memory(struct ebb_study *study, struct ebb_report *report)
{
    const struct ebb_observation *end = &study->evidence->observations.items[study->n - 1];
    double resident = 0, sd = end->live_bytes_sd;
    for (size_t i = study->n; i-- > 0 && resident == 0;)
        if (study->evidence->observations.items[i].memory.rss != UINT64_MAX)
            resident = (double)study->evidence->observations.items[i].memory.rss;
    report->memory.rss_bytes += resident;
    report->memory.live_bytes += end->live_bytes;
    report->memory.live_interval[0] += fmax(end->live_bytes - 1.96 * sd, 0);
    report->memory.live_interval[1] += end->live_bytes + 1.96 * sd;
    if (study->anonymous.known)
        report->memory.retained_free_bytes +=
            fmax(study->anonymous.values[study->n - 1] - end->live_bytes, 0);
    report->memory.alloc_bytes_per_s += study->alloc_rate;
    report->memory.growth_bytes_per_s +=
        ebb_theil_sen(study->times, study->live, study->n, study->scratch).slope;
}

/* The forecast that comes first is the one that counts. */
static void add_forecast(struct ebb_study *study, struct ebb_report *report, bool first)
{
    struct ebb_forecast forecast = ebb_forecast_make(study);
    bool sooner = forecast.known &&
                  (!report->forecast.known || forecast.seconds[0] < report->forecast.seconds[0]);
    if (first || sooner)
        report->forecast = forecast;
}

/* What one subject adds. `principal`: it was watched for long enough that the report's window,
 * caution and confidence are about it too. */
static int diagnose_subject(struct ebb_study *study, struct ebb_report *report,
                            struct verdicts *verdicts, bool principal, bool first)
{
    const struct ebb_evidence *evidence = study->evidence;
    size_t before = verdicts->len;
    if (ask_all(study, &report->arena, verdicts) < 0)
        return -ENOMEM;

    add_memory(study, report);
    if (!principal)
        return 0;
    report->healthy = verdicts->len == before; /* of this subject, for the caution */
    double smallest = smallest_detectable(study);
    bool sure = verdicts->len > before || (study->n >= 6 && smallest <= PROMISE * 1.02 &&
                                           evidence->dropped == 0 && unexplained(study) == 0);
    report->smallest_detectable_growth = fmax(report->smallest_detectable_growth, smallest);
    report->confident = report->confident && sure;
    if (!report->caution)
        report->caution = find_caution(study, report, &report->arena);
    if (first) {
        report->ended =
            evidence->ended
                ? (evidence->end_reason && *evidence->end_reason ? evidence->end_reason : "ended")
                : NULL;
    }
    report->window_s = fmax(report->window_s, study->span);
    if (study->n > report->snapshots)
        report->snapshots = study->n;
    add_forecast(study, report, first);
    return study->failed ? -ENOMEM : 0;
}

static int finish(struct ebb_report *report, struct verdicts *verdicts)
{
    if (merge_processes(&report->arena, verdicts) < 0)
        return -ENOMEM;
    if (verdicts->len > 1)
        qsort(verdicts->items, verdicts->len, sizeof *verdicts->items, compare_harm);
    report->verdict_count = verdicts->len;
    report->healthy = verdicts->len == 0;
    report->verdicts =
        ebb_arena_zalloc(&report->arena, verdicts->len + 1, sizeof *report->verdicts);
    if (!report->verdicts)
        return -ENOMEM;
    if (verdicts->len)
        memcpy(report->verdicts, verdicts->items, verdicts->len * sizeof *report->verdicts);
    return 0;
}

static double seen_span(const struct ebb_evidence *evidence)
{
    size_t n = evidence->observations.len;
    return n < 2 ? 0
                 : evidence->observations.items[n - 1].time_s -
                       evidence->observations.items[0].time_s;
}

/* A process that ran another program in its place: what it held went with it, and the later image
 * speaks for the process. */
static bool is_replaced(struct ebb_evidence *const *subjects, size_t count, size_t index)
{
    for (size_t i = index + 1; i < count; i++)
        if (subjects[i]->pid == subjects[index]->pid && subjects[i]->observations.len >= 2)
            return subjects[index]->ended;
    return false;
}

int ebb_diagnose(struct ebb_evidence *const *subjects, size_t count, struct ebb_report *report,
                 struct ebb_error *error)
{
    *report = (struct ebb_report){.confident = true, .target = "", .kind = ""};
    struct verdicts verdicts = {0};
    int status = 0;
    size_t studied = 0;
    double longest = 0;
    for (size_t i = 0; i < count; i++)
        longest = fmax(longest, seen_span(subjects[i]));
    for (size_t i = 0; i < count && status == 0; i++) {
        struct ebb_study study;
        bool principal = seen_span(subjects[i]) >= longest / 2;
        if (is_replaced(subjects, count, i))
            continue;
        status = ebb_study_make(subjects[i], &study);
        if (status == 0) {
            if (principal && studied == 0) {
                report->target = subjects[i]->target;
                report->kind = subjects[i]->kind;
                report->pid = subjects[i]->pid;
            }
            status = diagnose_subject(&study, report, &verdicts, principal, studied == 0);
            studied += principal;
        } else if (status == -ENODATA) {
            status = 0; /* a child that came late or went early; the others speak */
        }
        ebb_study_free(&study);
    }
    if (status == 0 && studied == 0)
        status = -ENODATA;
    if (status == 0)
        status = finish(report, &verdicts);
    ebb_vec_free(&verdicts);
    if (status == 0)
        return 0;
    ebb_report_free(report);
    return status == -ENODATA
               ? ebb_error_set(error, status,
                               "too little was seen: fewer than two looks at the process; use a "
                               "longer window (--for 30s)")
               : ebb_error_set(error, status, "out of memory while diagnosing");
}

void ebb_report_free(struct ebb_report *report)
{
    ebb_arena_free(&report->arena);
    report->verdicts = NULL;
    report->verdict_count = 0;
}
