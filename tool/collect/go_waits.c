/* See go_waits.h. The text, as runtime.Stack writes it:
 *
 *     goroutine 18 [chan receive, 5 minutes, locked to thread]:
 *     main.(*pool).next(0xc0000140a8, {0x1, 0x2})
 *             /src/pool.go:41 +0x3f
 *     ...additional frames elided...
 *     created by main.start in goroutine 1
 *             /src/main.go:12 +0x5d
 *
 * and an empty line. Where it was created is no frame of the goroutine. */
#include "tool/collect/go_waits.h"

#include "base/vec.h"
#include "tool/collect/go_names.h"

#include <string.h>

struct text {
    const char *at, *end;
};

struct reading {
    struct ebb_profile_builder *builder;
    struct ebb_arena arena;
    struct frames EBB_VEC(uint32_t) stack;
    struct text reason;
    int64_t minutes;
    bool inside;
    size_t goroutines;
    bool no_memory;
};

static bool next_line(struct text *rest, struct text *line)
{
    if (rest->at == rest->end)
        return false;
    const char *end = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
    *line = (struct text){rest->at, end ? end : rest->end};
    rest->at = end ? end + 1 : rest->end;
    if (line->end > line->at && line->end[-1] == '\r')
        line->end--;
    return true;
}

static bool begins(struct text text, const char *literal)
{
    size_t length = strlen(literal);
    return (size_t)(text.end - text.at) >= length && memcmp(text.at, literal, length) == 0;
}

/* The digits at the beginning as a number, at most a million million. */
static int64_t take_number(struct text *text)
{
    int64_t number = 0;
    for (; text->at < text->end && *text->at >= '0' && *text->at <= '9'; text->at++)
        if (number < INT64_C(1000000000000))
            number = number * 10 + (*text->at - '0');
    return number;
}

/* `goroutine N [reason, M minutes, ...]:` */
static bool read_heading(struct reading *reading, struct text line)
{
    if (!begins(line, "goroutine "))
        return false;
    const char *open = memchr(line.at, '[', (size_t)(line.end - line.at));
    const char *close = memrchr(line.at, ']', (size_t)(line.end - line.at));
    if (!open || !close || close < open)
        return false;
    struct text inner = {open + 1, close};
    const char *comma = memchr(inner.at, ',', (size_t)(inner.end - inner.at));
    reading->reason = (struct text){inner.at, comma ? comma : inner.end};
    reading->minutes = 0;
    for (; comma; comma = memchr(inner.at, ',', (size_t)(inner.end - inner.at))) {
        inner.at = comma + 1;
        while (inner.at < inner.end && *inner.at == ' ')
            inner.at++;
        struct text number = inner;
        int64_t minutes = take_number(&number);
        if (number.at > inner.at && begins(number, " minutes"))
            reading->minutes = minutes;
    }
    reading->stack.len = 0;
    reading->inside = true;
    return true;
}

static char *copy(struct reading *reading, struct text text)
{
    char *made = ebb_arena_strndup(&reading->arena, text.at, (size_t)(text.end - text.at));
    reading->no_memory |= !made;
    return made;
}

/* `pkg.name(arguments)`, and in the line after it a tab, `file:line +0x1d`. */
static void add_frame(struct reading *reading, struct text function, struct text place)
{
    const char *arguments = memrchr(function.at, '(', (size_t)(function.end - function.at));
    if (!arguments || arguments == function.at)
        return;
    function.end = arguments;
    struct text file = {place.at + 1, place.end};
    for (const char *at = file.end; at > file.at; at--)
        if (begins((struct text){at - 1, file.end}, " +0x")) {
            file.end = at - 1;
            break;
        }
    const char *colon = memrchr(file.at, ':', (size_t)(file.end - file.at));
    struct text number = {colon ? colon + 1 : file.end, file.end};
    if (colon)
        file.end = colon;
    char *name = copy(reading, function), *path = copy(reading, file);
    if (!name || !path)
        return;
    ebb__go_name_normalise(name);
    struct ebb_line line = {
        .function = ebb_profile_builder_function(reading->builder, name, name, path, 0),
        .line = take_number(&number),
    };
    reading->no_memory |=
        ebb_vec_push(&reading->stack,
                     ebb_profile_builder_location(reading->builder, EBB_NONE, 0, &line, 1)) < 0;
}

static void end_goroutine(struct reading *reading)
{
    if (!reading->inside)
        return;
    reading->inside = false;
    reading->goroutines++;
    char *reason = copy(reading, reading->reason);
    if (reading->stack.len == 0 || !reason)
        return;
    struct ebb_label labels[] = {
        {.key = ebb_profile_builder_string(reading->builder, EBB_WAIT_REASON),
         .text = ebb_profile_builder_string(reading->builder, reason)},
        {.key = ebb_profile_builder_string(reading->builder, EBB_WAIT_MINUTES),
         .number = reading->minutes},
    };
    ebb_profile_builder_sample(reading->builder, reading->stack.items, reading->stack.len,
                               &(int64_t){1}, labels, reading->minutes > 0 ? 2 : 1);
}

static void read_text(struct reading *reading, struct text rest)
{
    struct text line, function = {0};
    while (!reading->no_memory && next_line(&rest, &line)) {
        if (read_heading(reading, line)) {
            function = (struct text){0};
        } else if (line.at == line.end) {
            end_goroutine(reading);
        } else if (reading->inside && *line.at == '\t') {
            if (function.at)
                add_frame(reading, function, line);
            function = (struct text){0};
        } else {
            bool frame = line.end[-1] == ')' && !begins(line, "created by ");
            function = frame ? line : (struct text){0};
        }
    }
    end_goroutine(reading);
}

int ebb__go_waits_read(const char *text, size_t size, const char *name,
                       struct ebb_profile **profile, struct ebb_error *error)
{
    struct reading reading = {.builder = ebb_profile_builder_new()};
    *profile = NULL;
    if (!reading.builder)
        return ebb_error_set(error, -ENOMEM, "%s: out of memory", name);
    ebb_profile_builder_type(reading.builder, "goroutine", "count");
    read_text(&reading, (struct text){text, text + size});
    ebb_arena_free(&reading.arena);
    ebb_vec_free(&reading.stack);
    if (!reading.no_memory && reading.goroutines > 0)
        return ebb_profile_builder_finish(reading.builder, profile, error);
    ebb_profile_builder_abandon(reading.builder);
    return reading.no_memory ? ebb_error_set(error, -ENOMEM, "%s: out of memory", name)
                             : ebb_error_set(error, -EBADMSG, "%s: not a list of goroutines", name);
}
