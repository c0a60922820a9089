/* A batch exporter gathers its log lines in an array that realloc doubles, to write them at the end
 * of the day.
 *
 * expect: growing-slice
 * quick: 8 */
#include "load.h"

struct line {
    double time;
    int level;
    char text[84];
};

struct log {
    struct line *lines;
    size_t count, capacity;
};

static struct log journal;

static void log_append(struct log *log, int level, const char *text)
{
    if (log->count == log->capacity) {
        size_t capacity = log->capacity ? log->capacity * 2 : 16;
        struct line *lines = realloc(log->lines, capacity * sizeof *lines); /* <- keeps */
        if (!lines)
            abort();
        log->lines = lines;
        log->capacity = capacity;
    }
    struct line *line = &log->lines[log->count++];
    line->time = load_now();
    line->level = level;
    snprintf(line->text, sizeof line->text, "%s", text);
}

static void export_row(unsigned long number)
{
    char text[80];
    snprintf(text, sizeof text, "row %lu written to partition %lu", number, number % 64);
    log_append(&journal, 6, text);
}

int main(void)
{
    load_run(40000, export_row);
}
