/* Ebb maps of the inventory: they say themselves how long they are, so nothing has to be recognised,
 * only judged. The verdict is unbounded-map, at the place where the map was created, by its name. */
#include "tool/diagnose/maps.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_LOOKS = 4, LEAST_ENTRIES = 1000 /* that the window added */ };

/* What a map is judged by: its length at each observation, 0 before it was there. */
static bool read_lengths(const struct ebb_study *study, const struct ebb_map_history *map,
                         double *lengths)
{
    const struct ebb_map_points *points = &map->points;
    if (points->len < LEAST_LOOKS || points->items[points->len - 1].observation + 1 < study->n)
        return false; /* it came late, or is gone */
    size_t next = 0;
    double length = 0;
    for (size_t i = 0; i < study->n; i++) {
        while (next < points->len && points->items[next].observation <= i)
            length = points->items[next++].len;
        lengths[i] = length;
    }
    return true;
}

bool ebb_map_judge(struct ebb_study *study, const struct ebb_map_history *map,
                   struct ebb_map_growth *growth)
{
    *growth = (struct ebb_map_growth){0};
    double *lengths = ebb_study_alloc(study, study->n, sizeof *lengths);
    if (!lengths || !read_lengths(study, map, lengths))
        return false;
    const struct ebb_map_point *end = &map->points.items[map->points.len - 1];
    /* What is shown lags behind by a sixty-fourth of the length or by 256 entries, evenly spread. */
    double lag = fmax(lengths[study->n - 1] / 64, 256) / sqrt(12);
    struct ebb_course course = ebb_course(study->times, lengths, study->n, lag);
    bool rises = course.shape == EBB_SHAPE_STEADY ||
                 (course.shape == EBB_SHAPE_SAWTOOTH && course.floor_rises >= 4 &&
                  course.floor_last > 0.2 * course.floor_net);
    double net = course.shape == EBB_SHAPE_SAWTOOTH ? course.floor_net : course.net;
    double each = end->len > 0 ? end->bytes / end->len : 0;
    struct ebb_slope slope = ebb_theil_sen(study->times, lengths, study->n, study->scratch);
    growth->lengths = lengths;
    growth->entries_rate = net / study->span;
    growth->rate = growth->entries_rate * each;
    growth->interval[0] = fmax(fmin(slope.low * each, growth->rate), 0);
    growth->interval[1] = fmax(slope.high * each, growth->rate);
    growth->confidence = ebb_mann_kendall(lengths, study->n).p < 0.001 ? 0.97 : 0.8;
    return rises && net >= LEAST_ENTRIES && growth->rate >= EBB_LEAST_RATE &&
           net * each >= EBB_LEAST_GROWTH;
}

/* The name in quotes, or what it is called without. */
static const char *call(const struct ebb_map_history *map, char buffer[static 80])
{
    if (*map->name)
        snprintf(buffer, 80, "Ebb map \"%s\"", map->name);
    else
        snprintf(buffer, 80, "Ebb map without a name");
    return buffer;
}

static const char *place(const struct ebb_frame *site, char buffer[static 160])
{
    const char *slash = strrchr(site->file, '/');
    const char *file = slash ? slash + 1 : site->file;
    if (!*site->function)
        snprintf(buffer, 160, "an unknown place");
    else if (*file)
        snprintf(buffer, 160, "%.80s (%.60s:%lld)", site->function, file, (long long)site->line);
    else
        snprintf(buffer, 160, "%.150s", site->function);
    return buffer;
}

void ebb_map_explain(const struct ebb_study *study, const struct ebb_map_history *map,
                     const struct ebb_map_growth *growth, struct ebb_words *words)
{
    char name[80], where[160];
    const struct ebb_map_point *first = &map->points.items[0];
    const struct ebb_map_point *end = &map->points.items[map->points.len - 1];
    double added = end->added - first->added, net = end->len - first->len;
    ebb_summary(words, "The %s, created in %s, only grows: more entries go in than come out.",
                call(map, name), place(&map->site, where));
    if (map->nested)
        ebb_evidence_say(words,
                         "Its inner maps have %s entries in %s, and gain about %s per second.",
                         ebb_count(end->len).text, ebb_bytes(end->bytes).text,
                         ebb_count(growth->entries_rate).text);
    else
        ebb_evidence_say(words,
                         "It has %s entries of %u + %u bytes in %s, and gains about %s per second.",
                         ebb_count(end->len).text, map->key_bytes, map->value_bytes,
                         ebb_bytes(end->bytes).text, ebb_count(growth->entries_rate).text);
    if (added > 1.02 * net)
        ebb_evidence_say(words, "In this window %s entries were added and %s deleted.",
                         ebb_count(added).text, ebb_count(added - net).text);
    else
        ebb_evidence_say(words,
                         "In this window %s entries were added and none or hardly any deleted.",
                         ebb_count(added).text);
    ebb_evidence_say(words,
                     "This is counted by the map itself, not sampled; `ebb maps %d` lists it.",
                     (int)study->evidence->pid);
    ebb_advise(words, "Delete entries when they are done with; the map gives their memory back by "
                      "itself.");
    ebb_advise(words,
               "If it is a cache, bound it: ebb/nested_map.h takes a length, bytes and a time "
               "to live.");
    ebb_advise(words, "Set warn_len in its options, so that the program says itself when it grows "
                      "beyond what you expect.");
}
