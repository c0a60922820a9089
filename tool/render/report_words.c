/* See report_words.h. */
#include "tool/render/report_words.h"

#include "tool/render/units.h"
#include "tool/render/utf8.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- patterns ---- */

/* What a verdict's number is about. */
enum measure { MEASURE_GROWTH, MEASURE_CHURN, MEASURE_HELD, MEASURE_THREADS };

struct pattern_words {
    const char *pattern, *words;
    enum measure measure;
};

static const struct pattern_words pattern_words[] = {
    {"unbounded-map", "a map that only grows", MEASURE_GROWTH},
    {"unbounded-nested-map", "maps inside a map that only grow", MEASURE_GROWTH},
    {"growing-slice", "an array that only grows", MEASURE_GROWTH},
    {"leak", "memory that is never freed", MEASURE_GROWTH},
    {"goroutine-leak", "goroutines that never end", MEASURE_THREADS},
    {"thread-leak", "threads that are never joined or never end", MEASURE_THREADS},
    {"map-kept-after-clear", "a map that keeps its memory after it was emptied", MEASURE_HELD},
    {"fragmentation", "freed memory that the process does not give back", MEASURE_HELD},
    {"map-remade", "a map that is made anew again and again", MEASURE_CHURN},
    {"map-clear-hot", "a map that is cleared all the time", MEASURE_CHURN},
    {"syncmap-clear-by-delete", "a sync.Map that is emptied entry by entry", MEASURE_CHURN},
    {"pool-get-without-put", "pooled objects that never go back", MEASURE_CHURN},
    {"large-temporaries", "large buffers for a moment's use", MEASURE_CHURN},
    {"gc-thrash", "a collector that hardly rests", MEASURE_CHURN},
};

static const struct pattern_words *find_pattern(const char *pattern)
{
    for (size_t i = 0; i < sizeof pattern_words / sizeof *pattern_words; i++)
        if (strcmp(pattern_words[i].pattern, pattern) == 0)
            return &pattern_words[i];
    return NULL;
}

const char *ebb__pattern_words(const char *pattern)
{
    const struct pattern_words *found = find_pattern(pattern);
    return found ? found->words : pattern;
}

/* ---- names ---- */

const char *ebb__base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

char *ebb__shorten(struct ebb_arena *arena, const char *text, size_t width)
{
    size_t length = strlen(text);
    if (length <= width || width < 8)
        return ebb_arena_strdup(arena, text);
    size_t head = (width - 3) / 2, tail = length - (width - 3 - head);
    while (head > 0 && ebb__continues_utf8(text[head]))
        head--;
    while (tail < length && ebb__continues_utf8(text[tail]))
        tail++;
    return ebb_arena_printf(arena, "%.*s...%s", (int)head, text, text + tail);
}

char *ebb__place_words(struct ebb_arena *arena, const struct ebb_frame *frame)
{
    if (frame->file[0] && frame->line > 0)
        return ebb_arena_printf(arena, "%s:%lld", ebb__base_name(frame->file),
                                (long long)frame->line);
    return ebb_arena_strdup(arena, ebb__base_name(frame->file[0] ? frame->file : frame->module));
}

/* "set_config (config.c:41)", or as much of it as is known. */
static char *site_words(struct ebb_arena *arena, const struct ebb_frame *site)
{
    char *function = ebb__shorten(arena, site->function, 60);
    char *place = ebb__place_words(arena, site);
    if (!function || !place)
        return NULL;
    if (!function[0])
        return place[0] ? place : ebb_arena_strdup(arena, "an unknown place");
    return place[0] ? ebb_arena_printf(arena, "%s (%s)", function, place) : function;
}

/* ---- sentences ---- */

static char *limit_words(struct ebb_arena *arena, const struct ebb_forecast *forecast)
{
    char bytes[EBB__UNITS_BYTES];
    const char *source = forecast->limit_source ? forecast->limit_source : "";
    ebb__bytes_text((double)forecast->limit_bytes, bytes);
    if (strcmp(source, "cgroup") == 0)
        return ebb_arena_printf(arena, "the cgroup's limit of %s", bytes);
    if (strcmp(source, "ulimit") == 0)
        return ebb_arena_printf(arena, "the ulimit of %s", bytes);
    if (strcmp(source, "MemAvailable") == 0)
        return ebb_arena_printf(arena, "the end of the machine's free memory (%s)", bytes);
    return ebb_arena_printf(arena, "the %s%slimit of %s", source, source[0] ? " " : "", bytes);
}

char *ebb__forecast_words(struct ebb_arena *arena, const struct ebb_forecast *forecast)
{
    char when[EBB__UNITS_BYTES];
    if (!forecast->known)
        return ebb_arena_printf(arena, "none: %s",
                                forecast->why_not ? forecast->why_not : "no limit is known");
    char *limit = limit_words(arena, forecast);
    ebb__duration_range_text(forecast->seconds[0], forecast->seconds[1], when);
    if (!limit)
        return NULL;
    const char *detail = forecast->limit_detail ? forecast->limit_detail : "";
    if (forecast->limit_source && strcmp(forecast->limit_source, "MemAvailable") == 0)
        detail = "/proc/meminfo";
    return ebb_arena_printf(arena, "%s is reached in %s%s%s%s", limit, when, detail[0] ? " (" : "",
                            detail, detail[0] ? ")" : "");
}

/* What the verdict's memory does, as the predicate of a sentence. */
static char *predicate_words(struct ebb_arena *arena, const struct ebb_verdict *verdict)
{
    char bytes[EBB__UNITS_BYTES];
    const struct pattern_words *found = find_pattern(verdict->pattern);
    enum measure measure = found ? found->measure : MEASURE_GROWTH;
    if (measure == MEASURE_CHURN)
        return ebb_arena_printf(arena, "allocates %s/s",
                                ebb__bytes_text(verdict->alloc_bytes_per_s, bytes));
    if (measure == MEASURE_THREADS && verdict->live_objects >= 1)
        return ebb_arena_printf(arena, "has started %.0f that still exist", verdict->live_objects);
    if (measure == MEASURE_HELD || !(verdict->growth_bytes_per_s > 0))
        return ebb_arena_printf(arena, "holds %s", ebb__bytes_text(verdict->live_bytes, bytes));
    return ebb_arena_printf(arena, "keeps %s more every second",
                            ebb__bytes_text(verdict->growth_bytes_per_s, bytes));
}

char *ebb__verdict_words(struct ebb_arena *arena, const struct ebb_report *report, size_t index)
{
    const struct ebb_verdict *verdict = &report->verdicts[index];
    char *words = ebb_arena_strdup(arena, ebb__pattern_words(verdict->pattern));
    char *site = site_words(arena, &verdict->site), *limit = NULL;
    char *predicate = predicate_words(arena, verdict);
    if (!words || !site || !predicate)
        return NULL;
    if (words[0] >= 'a' && words[0] <= 'z')
        words[0] = (char)(words[0] - 'a' + 'A');
    if (index > 0 || !report->forecast.known)
        return ebb_arena_printf(arena, "%s: %s %s.", words, site, predicate);

    char when[EBB__UNITS_BYTES];
    ebb__duration_range_text(report->forecast.seconds[0], report->forecast.seconds[1], when);
    limit = limit_words(arena, &report->forecast);
    return limit ? ebb_arena_printf(arena, "%s: %s %s; %s is reached in %s.", words, site,
                                    predicate, limit, when)
                 : NULL;
}

char *ebb__kind_words(struct ebb_arena *arena, const struct ebb_report *report,
                      const struct ebb_verdict *verdict)
{
    const char *container = verdict->container ? verdict->container : "";
    char *words =
        ebb_arena_printf(arena, "%s%s%s", verdict->pattern, container[0] ? ", " : "", container);
    if (words && isfinite(verdict->confidence))
        words = ebb_arena_printf(arena, "%s, confidence %.0f %%", words,
                                 floor(verdict->confidence * 100 + 1e-9));
    if (words && verdict->pid > 0 && verdict->pid != report->pid)
        words = ebb_arena_printf(arena, "%s, in process %d", words, (int)verdict->pid);
    return words;
}

char *ebb__growth_words(struct ebb_arena *arena, const struct ebb_verdict *verdict)
{
    char live[EBB__UNITS_BYTES], growth[EBB__UNITS_BYTES], interval[EBB__UNITS_BYTES],
        rate[EBB__UNITS_BYTES];
    ebb__bytes_text(verdict->live_bytes, live);
    ebb__bytes_text(verdict->growth_bytes_per_s, growth);
    ebb__bytes_range_text(verdict->growth_interval[0], verdict->growth_interval[1], "/s", interval);
    ebb__bytes_text(verdict->alloc_bytes_per_s, rate);
    return ebb_arena_printf(arena, "%s live, %s%s/s (95 %%: %s), allocates %s/s", live,
                            verdict->growth_bytes_per_s >= 0 ? "+" : "", growth, interval, rate);
}

/* A window to ask for, in the form of --for: four times what was seen, at least a minute. */
static char *longer_window(struct ebb_arena *arena, double window_s)
{
    double seconds = fmax(60, window_s * 4);
    if (!(seconds < 3600.0 * 24))
        seconds = 3600.0 * 24;
    return seconds >= 7200 ? ebb_arena_printf(arena, "%.0fh", ceil(seconds / 3600))
                           : ebb_arena_printf(arena, "%.0fm", ceil(seconds / 60));
}

char *ebb__healthy_words(struct ebb_arena *arena, const struct ebb_report *report)
{
    char detectable[EBB__UNITS_BYTES], window[EBB__UNITS_BYTES];
    double growth = report->smallest_detectable_growth;
    ebb__bytes_text(growth, detectable);
    ebb__duration_text(report->window_s, window);
    bool known = isfinite(growth) && growth > 0;
    if (report->confident && known)
        return ebb_arena_printf(
            arena,
            "Healthy: nothing keeps growing. In %s, growth of %s/s or more would have shown.",
            window, detectable);
    if (report->confident)
        return ebb_arena_printf(arena, "Healthy: nothing keeps growing in the %s watched.", window);
    if (known)
        return ebb_arena_printf(
            arena, "Nothing found so far, but %s cannot rule out growth slower than %s/s.", window,
            detectable);
    return ebb_arena_printf(arena, "Nothing found so far, but %s is too short to be sure.", window);
}

char *ebb__surer_words(struct ebb_arena *arena, const struct ebb_report *report)
{
    if (report->confident)
        return ebb_arena_strdup(arena, "");
    if (report->caution)
        return ebb_arena_strdup(arena, report->caution);
    char *window = longer_window(arena, report->window_s);
    if (!window)
        return NULL;
    return report->ended
               ? ebb_arena_printf(
                     arena, "Start it again and watch it for longer to be sure: --for %s.", window)
               : ebb_arena_printf(arena, "Watch it for longer to be sure: --for %s.", window);
}

bool ebb__rss_known(const struct ebb_report *report)
{
    return isfinite(report->memory.rss_bytes) && report->memory.rss_bytes > 0;
}

const char *ebb__caution_words(const struct ebb_report *report)
{
    return report->verdict_count == 0 && !report->confident ? NULL : report->caution;
}

char *ebb__target_words(struct ebb_arena *arena, const struct ebb_report *report)
{
    char window[EBB__UNITS_BYTES];
    ebb__duration_text(report->window_s, window);
    char *target = ebb__shorten(arena, report->target, 200);
    char *pid = report->pid > 0 ? ebb_arena_printf(arena, " (pid %d)", (int)report->pid)
                                : ebb_arena_strdup(arena, "");
    if (!target || !pid)
        return NULL;
    return ebb_arena_printf(arena, "%s%s, watched for %s, %zu observations%s%s", target, pid,
                            window, report->snapshots, report->ended ? "; " : "",
                            report->ended ? report->ended : "");
}

/* `words` (NULL stays NULL), then a comma unless they are empty, then what the format says. */
static char *append(struct ebb_arena *arena, char *words, const char *format, const char *text)
{
    char *item = words ? ebb_arena_printf(arena, format, text) : NULL;
    return item ? ebb_arena_printf(arena, "%s%s%s", words, words[0] ? ", " : "", item) : NULL;
}

char *ebb__memory_words(struct ebb_arena *arena, const struct ebb_report *report)
{
    char text[EBB__UNITS_BYTES], range[EBB__UNITS_BYTES];
    char *words = ebb_arena_strdup(arena, "");
    if (ebb__rss_known(report))
        words = append(arena, words, "RSS %s", ebb__bytes_text(report->memory.rss_bytes, text));
    words = append(arena, words, "live heap %s", ebb__bytes_text(report->memory.live_bytes, text));
    ebb__bytes_range_text(report->memory.live_interval[0], report->memory.live_interval[1], "",
                          range);
    words = words ? ebb_arena_printf(arena, "%s (95 %%: %s)", words, range) : NULL;
    if (ebb__rss_known(report) && isfinite(report->memory.retained_free_bytes))
        words = append(arena, words, "freed but kept %s",
                       ebb__bytes_text(report->memory.retained_free_bytes, text));
    words = append(arena, words, "allocates %s/s",
                   ebb__bytes_text(report->memory.alloc_bytes_per_s, text));
    /* Without a verdict a slope of the sum is noise or a passing state: it would only worry. */
    if (report->verdict_count > 0)
        words = append(arena, words, "grows %s/s",
                       ebb__bytes_text(report->memory.growth_bytes_per_s, text));
    return words;
}

/* ---- the stack ---- */

/* Frames that every program starts with. */
static bool starts_every_program(const struct ebb_frame *frame)
{
    static const char *const names[] = {"_start",
                                        "__libc_start_main",
                                        "__libc_start_main_impl",
                                        "__libc_start_call_main",
                                        "start_thread",
                                        "clone",
                                        "clone3",
                                        "__clone",
                                        "__clone3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(frame->function, names[i], strlen(names[i])) == 0 &&
            strchr("@", frame->function[strlen(names[i])]))
            return true;
    return false;
}

static bool same_frame(const struct ebb_frame *a, const struct ebb_frame *b)
{
    return a->line == b->line && strcmp(a->function, b->function) == 0 &&
           strcmp(a->file, b->file) == 0;
}

size_t ebb__shown_frames(struct ebb_arena *arena, const struct ebb_verdict *verdict, size_t most,
                         struct ebb_shown_frame **shown)
{
    size_t depth = verdict->depth, site = 0, count = 0;
    while (depth > 1 && starts_every_program(&verdict->stack[depth - 1]))
        depth--;
    while (site < depth && !same_frame(&verdict->stack[site], &verdict->site))
        site++;
    *shown = ebb_arena_zalloc(arena, depth + 2, sizeof **shown);
    if (!*shown)
        return 0;

    /* A gap between the leaf and the site, and one above: the site and its nearest callers stay. */
    size_t leaf_part = depth, site_part = 0, end = depth;
    if (depth > most) {
        leaf_part = most / 3;
        site_part = site < depth && site > leaf_part + 1 ? site - 1 : leaf_part;
        end = site_part + (most - leaf_part);
        if (end > depth)
            end = depth;
    }
    for (size_t i = 0; i < end; i++) {
        if (i == leaf_part && site_part > leaf_part) {
            (*shown)[count++].left_out = site_part - leaf_part;
            i = site_part;
        }
        (*shown)[count].frame = &verdict->stack[i];
        (*shown)[count++].site = i == site;
    }
    if (end < depth)
        (*shown)[count++].left_out = depth - end;
    return count;
}

/* ---- source ---- */

enum { SOURCE_COLUMNS = 240, SOURCE_MAX_BYTES = 32 << 20 };

static bool is_source_name(const char *path)
{
    static const char *const endings[] = {"c",  "h",   "cc",  "hh",  "cpp", "hpp", "cxx", "hxx",
                                          "C",  "H",   "inc", "inl", "ipp", "tcc", "go",  "rs",
                                          "py", "lua", "m",   "mm",  "d",   "zig", "S"};
    const char *dot = strrchr(ebb__base_name(path), '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcmp(dot + 1, endings[i]) == 0)
            return true;
    return false;
}

static FILE *open_source(const char *path)
{
    if (!is_source_name(path))
        return NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    struct stat status;
    FILE *file = NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= SOURCE_MAX_BYTES)
        file = fdopen(fd, "r");
    if (!file)
        close(fd);
    return file;
}

/* Reads one line, keeping its first SOURCE_COLUMNS columns; false at the end of the file. */
static bool read_source_line(FILE *file, char line[static SOURCE_COLUMNS + 8])
{
    size_t length = 0;
    int c = getc_unlocked(file);
    if (c == EOF)
        return false;
    for (; c != EOF && c != '\n'; c = getc_unlocked(file)) {
        if (c == '\t')
            for (size_t spaces = 4 - length % 4; spaces > 0 && length < SOURCE_COLUMNS; spaces--)
                line[length++] = ' ';
        else if (c != '\r' && c != '\0' && length < SOURCE_COLUMNS)
            line[length++] = (char)c;
    }
    line[length] = '\0';
    return true;
}

size_t ebb__source_lines(struct ebb_arena *arena, const struct ebb_frame *site, int around,
                         struct ebb_source_line **lines)
{
    if (site->line <= 0 || site->line > INT32_MAX)
        return 0;
    FILE *file = open_source(site->file);
    if (!file)
        return 0;
    char line[SOURCE_COLUMNS + 8];
    size_t count = 0;
    bool reached = false;
    *lines = ebb_arena_zalloc(arena, 2 * (size_t)around + 1, sizeof **lines);
    for (int64_t number = 1; *lines && number <= site->line + around; number++) {
        if (!read_source_line(file, line))
            break;
        if (number < site->line - around)
            continue;
        char *text = ebb_arena_strdup(arena, line);
        if (!text)
            break;
        (*lines)[count++] = (struct ebb_source_line){number, text, number == site->line};
        reached = reached || number == site->line;
    }
    fclose(file);
    return reached ? count : 0;
}
