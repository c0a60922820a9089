/* Does a group grow, now? See study.h and measure.c for the figures this weighs.
 *
 * Four proofs, strongest first:
 *
 *   counted     enough retained blocks, spread over the whole window, not matched by losses, and
 *               still coming in its last third
 *   floor       a saw-tooth whose troughs climb
 *   table       a table that keeps doubling, whose next doubling is not overdue
 *   supported   too few samples to stand alone (100 KB/s leave six in 30 s), but the exact counts of
 *               blocks or of memory climb steadily at such a rate, and nothing was freed there, or
 *               nobody else may have made an even climb
 *
 * And what speaks against: growth that ended (a step, a warm-up, a cache that is full), births that
 * all lie in one moment, exact signals that stand still. */
#include "tool/diagnose/golang.h"
#include "tool/diagnose/study.h"

#include <math.h>
#include <string.h>

/* Fewer retained samples than this cannot stand against exact signals that contradict. */
enum { PLENTY = 60 };

/* ---- the exact signals as witnesses ---- */

/* Whether one of them climbs steadily, and by enough to hold what the group claims. */
static bool is_supported(const struct ebb_study *study, double bytes_rate, double objects_rate)
{
    return (study->blocks.steady && study->blocks.rate >= 0.3 * objects_rate) ||
           (study->bytes->steady && study->bytes->rate >= 0.3 * bytes_rate);
}

/* How much the last third of `signal` can have added: what it rose by and its noise, which a steep start
 * exaggerates where looks are few, and never more than it moved. */
static double most_added(const struct ebb_study *study, const struct ebb_signal *signal)
{
    double lowest = INFINITY, highest = -INFINITY;
    size_t looks = 0;
    for (size_t i = 0; i < study->n; i++) {
        if (i + 1 < study->n && study->times[i + 1] <= study->span * 2 / 3)
            continue;
        lowest = fmin(lowest, signal->values[i]);
        highest = fmax(highest, signal->values[i]);
        looks++;
    }
    double most = signal->course.thirds[2] + 2 * signal->course.noise;
    return looks >= 3 ? fmin(most, highest - lowest) : most;
}

/* Whether that leaves no room for what is claimed of the whole window. */
static bool refutes(const struct ebb_study *study, const struct ebb_signal *signal, double claim)
{
    return signal->known && most_added(study, signal) < 0.3 * claim / 3;
}

/* Whether the claim is as large as all that the signal moved by. */
static bool is_most_of(const struct ebb_study *study, const struct ebb_signal *signal, double claim)
{
    double lowest = INFINITY, highest = -INFINITY;
    for (size_t i = 0; i < study->n; i++) {
        lowest = fmin(lowest, signal->values[i]);
        highest = fmax(highest, signal->values[i]);
    }
    return signal->known && claim >= 0.5 * (highest - lowest);
}

/* What Go's collector found alive is exact and holds everything. So do the counts of objects where
 * collections are frequent, but for what was not swept yet: they speak on claims as large as what
 * they moved by. And what makes most of a saw-tooth is one. */
static bool is_refuted_by_collector(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_signal *heap = &study->heap, *blocks = &study->blocks;
    double bytes = group->retained_bytes, objects = group->retained_objects;
    if (!study->program.go)
        return false;
    bool by_heap = (heap->known && refutes(study, heap, bytes)) ||
                   (heap->course.shape == EBB_SHAPE_SAWTOOTH && is_most_of(study, heap, bytes));
    bool by_blocks =
        (refutes(study, blocks, objects) || blocks->course.shape == EBB_SHAPE_SAWTOOTH) &&
        is_most_of(study, blocks, objects);
    return by_heap || by_blocks;
}

static bool is_refuted(const struct ebb_study *study, const struct ebb_group *group)
{
    bool blocks = refutes(study, &study->blocks, group->retained_objects);
    if (study->program.go && !study->blocks.known)
        blocks = true;
    return blocks && refutes(study, study->bytes, group->retained_bytes);
}

/* A Go map's entries lie in its tables, which double: between two doublings nothing grows. */
static bool grows_in_stairs(const struct ebb_study *study, const struct ebb_group *group)
{
    return study->program.go && group->container && group->container->kind == EBB_CONTAINER_MAP &&
           group->table.doublings > 0 &&
           ebb_study_net(study, group->tables) > 0.5 * ebb_study_net(study, group->live);
}

/* ---- the spread of births ---- */

/* A load that ended and left a steady rest behind: the rate fell sharply once and then held, where
 * a warm-up falls at every step alike. Counts alone mistake one for the other; the signals do not.
 */
static bool has_knee(const struct ebb_study *study, const struct ebb_group *group)
{
    const double *third = group->retained_thirds;
    bool witness = study->blocks.steady || study->bytes->steady;
    double enough = witness ? 5 : 60, held = witness ? 0.35 : 0.6;
    return third[1] >= enough && third[2] >= enough && third[2] >= held * third[1] &&
           third[1] / third[0] < 0.5 * third[2] / third[1];
}

/* A queue that is drained more slowly than it is filled: what is old leaves it, so that all survivors
 * are young, but its level climbs from third to third, and the exact signals with it, mostly
 * because of it. */
static bool is_filling_queue(const struct ebb_study *study, const struct ebb_group *group)
{
    double level[3] = {0}, looks[3] = {0};
    bool supported =
        (study->blocks.steady && group->growth.objects_rate >= 0.3 * study->blocks.rate) ||
        (study->bytes->steady && group->growth.rate >= 0.3 * study->bytes->rate);
    if (!study->survivors_known || !supported ||
        !is_supported(study, group->growth.rate, group->growth.objects_rate))
        return false;
    for (size_t i = 0; i < study->n; i++) {
        int third = (int)fmin(3 * study->times[i] / study->span, 2);
        level[third] += group->samples[i];
        looks[third]++;
    }
    for (int third = 0; third < 3; third++)
        level[third] /= fmax(looks[third], 1);
    double climb = level[2] - level[0];
    return climb > 2 * sqrt(level[2] + level[0]) && level[1] > level[0] &&
           level[2] - level[1] >= 0.2 * climb;
}

/* Retained blocks from all parts of the window: not all recent (a cache that replaces, a saw-tooth)
 * and not all at one moment, which with two of them is chance unless they are so large that hardly
 * one goes without a sample. */
static bool is_spread(const struct ebb_study *study, const struct ebb_group *group)
{
    if (has_knee(study, group))
        return true;
    double k = group->retained, first = group->retained_thirds[0];
    double middle = group->retained_thirds[1];
    bool large = group->event_bytes > 1.5 * (double)study->evidence->period;
    if (k >= (large ? 2 : 3) && group->concentration > (k < 8 ? 0.85 : 0.7))
        return false;
    if (k >= 20)
        return first >= fmax(2, 0.03 * k) && first + middle >= 0.2 * k;
    if (k >= 12)
        return first >= 1;
    if (k >= 5)
        return first + middle >= 2;
    return first + middle >= 1;
}

/* Fewer than a fair share in the last third, beyond chance: beyond more of it when the exact
 * signals still climb by as much as the group does. */
static bool has_stopped(const struct ebb_study *study, const struct ebb_group *group)
{
    const double *third = group->retained_thirds;
    double k = third[0] + third[1] + third[2];
    if (k <= 0)
        return true;
    double share = third[2] / k, chance = sqrt(2.0 / 9 / k);
    double rate = group->growth.rate, objects = group->growth.objects_rate;
    bool alone = is_supported(study, 2.5 * rate, 2.5 * objects); /* it makes most of the climb */
    chance *= alone ? 3.3 : is_supported(study, rate, objects) ? 2.6 : 1.65;
    if (share >= 0.2 || (k < PLENTY && share + chance >= 1.0 / 3))
        return false;
    return !has_knee(study, group) && (share < 0.16 || k < PLENTY || share + 2 * chance < 1.0 / 3);
}

/* ---- figures ---- */

/* The slope of the live bytes, its interval widened by the sampling error. */
static void set_rate_by_slope(struct ebb_study *study, struct ebb_group *group)
{
    struct ebb_growth *growth = &group->growth;
    struct ebb_slope slope = ebb_theil_sen(study->times, group->live, study->n, study->scratch);
    double sampling = 1.96 * sqrt(group->sampling_variance) / study->span;
    growth->rate = slope.slope;
    growth->interval[0] = slope.slope - hypot(slope.slope - slope.low, sampling);
    growth->interval[1] = slope.slope + hypot(slope.high - slope.slope, sampling);
}

/* Rate and interval. With many samples the slope of the live bytes; with few, the count of retained
 * blocks and the interval of a Poisson mean. */
static void set_rate(struct ebb_study *study, struct ebb_group *group)
{
    struct ebb_growth *growth = &group->growth;
    double span = study->span;
    double kept = group->retained > 0 ? fmax(group->gain, 0) / group->retained : 0;
    growth->objects_rate = group->retained_objects * fmin(kept, 1) / span;
    if (group->retained < 30 || group->churn > group->retained) {
        double interval[2];
        double rate = group->retained_bytes * fmin(kept, 1) / span;
        double count = fmax(group->gain, 1);
        ebb_poisson_interval(count, interval);
        growth->rate = rate;
        growth->interval[0] = rate * interval[0] / count;
        growth->interval[1] = rate * interval[1] / count;
        if (group->sampling_variance == 0) { /* everything was recorded */
            growth->interval[0] = rate * 0.9;
            growth->interval[1] = rate * 1.1;
        }
        return;
    }
    set_rate_by_slope(study, group);
}

static bool is_worth_it(const struct ebb_study *study, double rate)
{
    return rate >= EBB_LEAST_RATE && rate * study->span >= EBB_LEAST_GROWTH;
}

static void accept(struct ebb_group *group, enum ebb_proof proof, double confidence)
{
    group->growth.proof = proof;
    group->growth.confidence = confidence;
}

/* ---- the proofs ---- */

/* Falls back from its height again and again; the noise of the sampled churn set apart. */
static bool is_sawtooth(const struct ebb_group *group)
{
    double fall = group->course.drawdown / fmax(group->event_bytes, 1);
    return group->course.shape == EBB_SHAPE_SAWTOOTH && fall > 4 * sqrt(group->churn + 1) + 2;
}

/* Of many groups some look grown by chance: the more there are in which anything was retained, the
 * more it takes. A normal deviate of z is exceeded by chance about once in exp(z² / 2). */
static double least_deviate(const struct ebb_study *study, bool supported)
{
    double candidates = 0;
    for (size_t i = 0; i < study->groups.len; i++)
        candidates += study->groups.items[i].retained >= 2;
    return sqrt(2 * log((supported ? 2 : 50) * fmax(candidates, 1)));
}

double ebb_samples_needed(const struct ebb_study *study, bool supported)
{
    double z = least_deviate(study, supported);
    return fmax(ceil(z * z), 2); /* of k blocks none of which was freed, the deviate is √k */
}

static void prove_counted(struct ebb_study *study, struct ebb_group *group)
{
    double k = group->retained, lost = group->lost;
    double chance = sqrt(k + lost + 0.35 * group->churn + group->wander);
    double z = chance > 0 ? group->gain / chance : 0;
    if (k < 5 || z < 2.2 || is_sawtooth(group))
        return;
    bool queue = is_filling_queue(study, group);
    bool spread = is_spread(study, group);
    if (!spread && !queue)
        return;
    if (!spread)
        set_rate_by_slope(study, group); /* survivors count what has not had its turn yet */
    if (has_stopped(study, group)) {
        group->growth.slowing = group->retained_thirds[2] >= 3;
        return;
    }
    bool refuted =
        (k < PLENTY && is_refuted(study, group)) || is_refuted_by_collector(study, group);
    if (refuted && !grows_in_stairs(study, group))
        return;
    bool supported = is_supported(study, group->growth.rate, group->growth.objects_rate);
    if (z < least_deviate(study, supported))
        return;
    if (k >= 20 && z >= 4) {
        double doubt = 0.06 * exp(-(z - 4) / 3) + (supported ? 0.01 : 0.03);
        accept(group, EBB_PROOF_COUNTED, 1 - doubt);
    } else if (lost <= (queue ? 0.4 : 0.15) * k + 0.5 &&
               (group->deaths - group->outgrown <= 0.5 * k + 1 ||
                (supported && study->survivors_known))) {
        accept(group, supported ? EBB_PROOF_SUPPORTED : EBB_PROOF_COUNTED, supported ? 0.9 : 0.7);
    }
}

static void prove_floor(struct ebb_study *study, struct ebb_group *group)
{
    const struct ebb_course *course = &group->course;
    double noise =
        group->event_bytes * sqrt(fmax(course->floor_net, 0) / fmax(group->event_bytes, 1) + 1);
    if (!is_sawtooth(group) || course->floor_rises < 4 || course->floor_net < 5 * noise ||
        course->floor_last < 0.2 * course->floor_net || group->retained_thirds[0] < 5)
        return;
    double rate = course->floor_net / (study->span * 5 / 6);
    if (!is_worth_it(study, rate))
        return;
    double error = 2 * noise / course->floor_net;
    group->growth.rate = rate;
    group->growth.interval[0] = rate * (1 - error);
    group->growth.interval[1] = rate * (1 + error);
    accept(group, EBB_PROOF_FLOOR, 0.85);
}

/* Entries that have memory of their own would come on while their table has room, and what Go's
 * collector finds says that none came. */
static bool is_filled_up(const struct ebb_study *study, const struct ebb_group *group)
{
    double bytes = ebb_study_net(study, group->nodes), objects = 0;
    for (size_t i = 0; i < group->series_count; i++) {
        const struct ebb_track *track = &study->tracks[group->series[i]];
        objects += track->table ? 0 : track->net_objects;
    }
    return (study->heap.known && bytes > 4 * group->event_bytes &&
            refutes(study, &study->heap, bytes)) ||
           (study->program.go && group->entry_objects > 0 &&
            refutes(study, &study->blocks, objects));
}

/* Entries without memory of their own leave no other trace than processor time: since the table
 * rose, about as much was taken out of maps with such keys as was put in, in one source file. To
 * delete takes half of the time that it takes to insert. */
static bool is_given_back(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_evidence_stack *stacks = study->evidence->stacks.items;
    const char *keys = study->moves.len > 0 ? ebb_group_keys(study, group) : NULL;
    const char *file = stacks[group->stack].frames[group->place.site].file;
    double in = 0, out = 0;
    for (size_t i = 0; i < study->moves.len && keys; i++) {
        const struct ebb_move *move = &study->moves.items[i];
        if (move->to_s <= group->table.last_rise_s || strcmp(move->keys, keys) != 0 ||
            strcmp(stacks[move->stack].frames[study->places[move->stack].site].file, file) != 0)
            continue;
        bool puts = move->kind == EBB_MOVE_IN ||
                    (move->kind == EBB_MOVE_OTHER && strcmp(keys, EBB_GO_KEYS_SYNC) == 0);
        in += puts ? move->seconds : 0;
        out += move->kind == EBB_MOVE_OUT ? move->seconds : 0;
    }
    return out >= 0.02 && out >= 0.3 * in;
}

static void prove_table(struct ebb_study *study, struct ebb_group *group)
{
    const struct ebb_backing *table = &group->table;
    double rise = table->size - table->first_size;
    if (!table->growing || rise < EBB_LEAST_GROWTH || table->live > 64 ||
        ebb_study_net(study, group->tables) <= 0)
        return;
    if (is_filled_up(study, group) || is_given_back(study, group))
        return;
    double rate = rise / study->span;
    bool filled =
        study->bytes->steady && study->bytes->rate > 0.15 * rate && study->bytes->rate < 4 * rate;
    bool even = table->rises >= 3 && table->last_gap_s > study->span / 12;
    bool smooth = table->rises >= 6;
    if (!is_worth_it(study, rate) || table->rises < 1 || (!filled && !even && !smooth))
        return;
    /* Between two doublings the true content lies between half the table and all of it. */
    group->growth.rate = filled && !smooth ? study->bytes->rate : rate;
    group->growth.interval[0] = group->growth.rate * (smooth ? 0.8 : 0.5);
    group->growth.interval[1] = group->growth.rate * (smooth ? 1.25 : 2);
    group->growth.objects_rate = 0;
    accept(group, EBB_PROOF_TABLE, filled ? 0.92 : table->rises >= 4 ? 0.8 : 0.6);
}

static void judge_threads(struct ebb_study *study, struct ebb_group *group)
{
    double k = group->retained, lost = group->lost;
    if (k < 5 || group->gain < 2.2 * sqrt(k + lost) || !is_spread(study, group) ||
        has_stopped(study, group) || is_sawtooth(group))
        return;
    group->growth.rate = 0;
    group->growth.objects_rate = group->gain / study->span;
    accept(group, EBB_PROOF_COUNTED, k >= 12 ? 0.95 : 0.8);
}

/* Clients open and close connections as they like. */
static bool is_idle_connection(const struct ebb_study *study, const struct ebb_group *group)
{
    const struct ebb_evidence_stack *stack = &study->evidence->stacks.items[group->stack];
    bool server = false;
    for (size_t i = 0; i < stack->depth; i++) {
        if (ebb_frame_is_own(stack, i, &study->program))
            return false;
        server |= strncmp(stack->frames[i].function, "net/http.(*conn)", 16) == 0 ||
                  strncmp(stack->frames[i].function, "net/http.(*connReader)", 22) == 0;
    }
    return server;
}

/* Goroutines are counted, not sampled: their number is a gauge. Where some end, their number
 * wanders, by about the root of it. */
static void judge_goroutines(struct ebb_study *study, struct ebb_group *group)
{
    struct ebb_signal number = {.known = true, .values = group->objects};
    double most = 0, falls = 0, net = ebb_study_net(study, group->objects);
    for (size_t i = 0; i < study->n; i++) {
        most = fmax(most, group->objects[i]);
        falls += i > 0 && group->objects[i] < group->objects[i - 1];
    }
    ebb_signal_judge(study, &number);
    bool clear = falls == 0 ? net >= 8 : net >= fmax(12, 4 * sqrt(most));
    if (!number.steady || !clear || is_idle_connection(study, group))
        return;
    group->growth.objects_rate = number.rate;
    accept(group, EBB_PROOF_COUNTED, falls == 0 && net >= 12 ? 0.95 : 0.8);
}

static void judge(struct ebb_study *study, struct ebb_group *group)
{
    if (group->hot)
        return;
    if (group->threads && study->program.go) {
        judge_goroutines(study, group);
        return;
    }
    if (group->threads) {
        judge_threads(study, group);
        return;
    }
    set_rate(study, group);
    if (is_worth_it(study, group->growth.rate))
        prove_counted(study, group);
    if (group->growth.proof == EBB_PROOF_NONE)
        prove_floor(study, group);
    if (group->growth.proof == EBB_PROOF_NONE)
        prove_table(study, group);
}

/* ---- few samples: who deserves the support? ---- */

/* What the groups that stand on their own explain of the exact signals, at most. */
struct explained {
    double bytes, objects;
};

static struct explained add_explained(struct explained sum, const struct ebb_group *group)
{
    if (group->growth.confidence > 0) {
        double most = group->growth.interval[1] / fmax(group->growth.rate, 1);
        sum.bytes += group->growth.rate * most;
        sum.objects += group->growth.objects_rate * most;
    }
    return sum;
}

/* Whether the signals climb by more than is explained, by enough for what `group` claims. */
static bool is_room_for(const struct ebb_study *study, struct explained sum,
                        const struct ebb_group *group)
{
    double bytes = study->bytes->rate - sum.bytes, objects = study->blocks.rate - sum.objects;
    return (study->blocks.steady && objects >= 0.3 * group->growth.objects_rate) ||
           (study->bytes->steady && bytes >= 0.3 * group->growth.rate);
}

/* The climb of the exact signals can support only so much. Those who stand on their own take their
 * part first, then the supported ones, most retained first; who comes too late is let go. */
static void share_support(struct ebb_study *study)
{
    struct explained sum = {0};
    for (size_t i = 0; i < study->groups.len; i++)
        if (study->groups.items[i].growth.proof != EBB_PROOF_SUPPORTED)
            sum = add_explained(sum, &study->groups.items[i]);
    for (;;) {
        struct ebb_group *next = NULL;
        for (size_t i = 0; i < study->groups.len; i++) {
            struct ebb_group *group = &study->groups.items[i];
            if (group->growth.proof == EBB_PROOF_SUPPORTED && !group->growth.settled &&
                (!next || group->gain > next->gain))
                next = group;
        }
        if (!next)
            return;
        next->growth.settled = true;
        if (is_room_for(study, sum, next))
            sum = add_explained(sum, next);
        else
            accept(next, EBB_PROOF_NONE, 0);
    }
}

/* The group with most retained bytes among those with too few samples, if it lost none. What dies
 * young is none of them; where ages are unknown, nothing may have died. */
static struct ebb_group *best_suspect(struct ebb_study *study)
{
    struct ebb_group *best = NULL;
    for (size_t i = 0; i < study->groups.len; i++) {
        struct ebb_group *group = &study->groups.items[i];
        bool open = group->growth.proof == EBB_PROOF_NONE && !group->threads &&
                    !group->growth.slowing && (study->survivors_known || group->deaths == 0) &&
                    group->lost == 0 && group->churn < 0.3;
        if (open && group->retained >= 2 && is_spread(study, group) &&
            (!best || group->retained_bytes > best->retained_bytes))
            best = group;
    }
    return best;
}

/* Whether chance alone splits as many samples as unevenly over the thirds of the window, once in a
 * thousand times at least (Pearson's chi-squared test, 1900; two degrees of freedom). */
static bool may_be_even(const double third[3])
{
    double mean = (third[0] + third[1] + third[2]) / 3, squares = 0;
    for (int i = 0; i < 3; i++)
        squares += (third[i] - mean) * (third[i] - mean);
    return mean > 0 && exp(-squares / mean / 2) >= 0.001;
}

static bool climbs_evenly(const struct ebb_signal *signal)
{
    const double *third = signal->course.thirds;
    double even = (third[0] + third[1] + third[2]) / 3;
    bool all = signal->steady;
    for (int i = 0; i < 3; i++)
        all &= third[i] >= 0.7 * even && third[i] <= 1.3 * even;
    return all;
}

static bool is_replaced(const struct ebb_group *group)
{
    return group->deaths - group->outgrown >= 1;
}

/* Go: among what may have made an even climb of the exact count of blocks, the group that is as good
 * as alone, if it makes a good part of it. Then how its few samples happen to lie says nothing against
 * it. What is replaced may have grown whatever its samples say. */
static struct ebb_group *only_taker(struct ebb_study *study)
{
    struct ebb_group *taker = NULL;
    double all = 0;
    if (!study->program.go || study->survivors_known || !climbs_evenly(&study->blocks))
        return NULL;
    for (size_t i = 0; i < study->groups.len; i++) {
        struct ebb_group *group = &study->groups.items[i];
        if (group->threads || !(is_replaced(group) || may_be_even(group->retained_thirds)))
            continue;
        all += fmax(group->gain, 0);
        if (group->gain > 0 && (!taker || group->gain > taker->gain))
            taker = group;
    }
    if (!taker || taker->growth.proof != EBB_PROOF_NONE || taker->gain < 0.75 * all ||
        is_replaced(taker) || taker->lost > taker->outgrown || taker->gain < 3 ||
        taker->concentration > 0.85 || is_refuted_by_collector(study, taker))
        return NULL;
    bool part = taker->growth.objects_rate >= 0.1 * study->blocks.rate ||
                (study->bytes->steady && taker->growth.rate >= 0.3 * study->bytes->rate);
    return part ? taker : NULL;
}

/* Believes a group with few samples when the exact signals climb and leave room for it. */
static bool support(struct ebb_study *study, struct ebb_group *group)
{
    struct explained sum = {0};
    if (!group || !is_worth_it(study, group->growth.rate))
        return false;
    for (size_t i = 0; i < study->groups.len; i++)
        sum = add_explained(sum, &study->groups.items[i]);
    double samples = group->retained - group->lost;
    bool open = (study->blocks.steady && sum.objects < 0.5 * study->blocks.rate) ||
                (study->bytes->steady && sum.bytes < 0.5 * study->bytes->rate);
    if (!open || !is_room_for(study, sum, group) || samples < ebb_samples_needed(study, true))
        return false;
    accept(group, EBB_PROOF_SUPPORTED, samples >= 4 ? 0.85 : samples >= 3 ? 0.75 : 0.6);
    return true;
}

void ebb_growth_judge(struct ebb_study *study)
{
    for (size_t i = 0; i < study->groups.len; i++)
        judge(study, &study->groups.items[i]);
    share_support(study);
    if (!support(study, best_suspect(study)))
        support(study, only_taker(study));
}
