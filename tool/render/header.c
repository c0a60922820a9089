/* The lines above a table. See header.h. */
#include "tool/render/header.h"

#include "tool/render/measure.h"
#include "tool/render/text.h"

#include <string.h>
#include <time.h>

/* A string of the profile, fit for a terminal. */
static const char *plain(struct ebb_arena *arena, const struct ebb_profile *profile,
                         uint32_t string)
{
    const char *text = ebb_text_plain(arena, ebb_profile_string(profile, string));
    return text ? text : "";
}

static void print_mapping(FILE *out, struct ebb_arena *arena, const struct ebb_profile *profile)
{
    if (!profile->mapping_count)
        return;
    const char *file = plain(arena, profile, profile->mappings[0].file);
    const char *build_id = plain(arena, profile, profile->mappings[0].build_id);
    const char *slash = strrchr(file, '/');
    if (*file)
        fprintf(out, "File: %s\n", slash ? slash + 1 : file);
    if (*build_id)
        fprintf(out, "Build ID: %s\n", build_id);
}

static void print_time(FILE *out, const struct ebb_profile *profile)
{
    time_t seconds = (time_t)(profile->time_ns / 1000000000);
    struct tm local;
    char text[64];
    if (profile->time_ns && localtime_r(&seconds, &local) &&
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &local))
        fprintf(out, "Time: %s\n", text);
}

static void print_duration(FILE *out, const struct ebb_view *view, const char *unit)
{
    char duration[EBB_MEASURE_TEXT], total[EBB_MEASURE_TEXT], percent[EBB_MEASURE_TEXT];
    int64_t elapsed = view->profile->duration_ns;
    if (!elapsed)
        return;
    fprintf(out, "Duration: %s, Total samples = %s ",
            ebb_measure(elapsed, "nanoseconds", EBB_UNIT_MINIMUM, duration),
            ebb_measure(view->total, view->unit, unit, total));
    const char *time_unit;
    double busy = ebb_measure_scale(view->total, view->unit, "nanoseconds", &time_unit);
    if (busy != 0 && strcmp(time_unit, "ns") == 0 && busy < 0x1p63)
        fprintf(out, "(%s)", ebb_measure_percent((int64_t)busy, elapsed, percent));
    fputc('\n', out);
}

static void print_filter(FILE *out, struct ebb_arena *arena, bool *any, const char *name,
                         const char *pattern)
{
    const char *text = pattern ? ebb_text_plain(arena, pattern) : NULL;
    if (!text)
        return;
    if (!*any)
        fputs("Active filters:\n", out);
    *any = true;
    fprintf(out, "   %s=", name);
    size_t shown = 80 - strlen(name) - 1;
    if (strlen(text) > shown)
        fprintf(out, "%.*s…\n", (int)shown, text);
    else
        fprintf(out, "%s\n", text);
}

void ebb_header_profile(FILE *out, const struct ebb_view *view, const char *unit)
{
    const struct ebb_profile *profile = view->profile;
    struct ebb_arena arena = {0};
    print_mapping(out, &arena, profile);
    for (size_t i = 0; i < profile->comment_count; i++) {
        const char *comment = plain(&arena, profile, profile->comments[i]);
        /* What Go's runtime said of itself is for the doctor. */
        if (*comment != '#' && strncmp(comment, "runtime.MemStats ", 17) != 0)
            fprintf(out, "%s\n", comment);
    }
    if (*view->type)
        fprintf(out, "Type: %s\n", view->type);
    if (profile->doc_url)
        fprintf(out, "Doc: %s\n", plain(&arena, profile, profile->doc_url));
    print_time(out, profile);
    print_duration(out, view, unit);
    bool any = false;
    print_filter(out, &arena, &any, "focus", view->options.focus);
    print_filter(out, &arena, &any, "ignore", view->options.ignore);
    print_filter(out, &arena, &any, "hide", view->options.hide);
    print_filter(out, &arena, &any, "show", view->options.show);
    ebb_arena_free(&arena);
}

void ebb_header_trimming(FILE *out, const struct ebb_view *view, const char *unit,
                         const struct ebb_trimming *trimming)
{
    char shown[EBB_MEASURE_TEXT], percent[EBB_MEASURE_TEXT], total[EBB_MEASURE_TEXT];
    ebb_measure_percent(trimming->shown, view->total, percent);
    fprintf(out, "Showing nodes accounting for %s, %s of %s total\n",
            ebb_measure(trimming->shown, view->unit, unit, shown), percent + strspn(percent, " "),
            ebb_measure(view->total, view->unit, unit, total));
    if (view->total == 0)
        return;
    if (trimming->dropped_nodes) {
        int64_t cutoff = ebb_measure_part(view->total, trimming->node_fraction);
        fprintf(out, "Dropped %zu node%s (cum <= %s)\n", trimming->dropped_nodes,
                trimming->dropped_nodes > 1 ? "s" : "",
                ebb_measure(cutoff, view->unit, unit, shown));
    }
    if (trimming->rows && trimming->rows < trimming->rows_before_limit)
        fprintf(out, "Showing top %zu nodes out of %zu\n", trimming->rows,
                trimming->rows_before_limit);
}
