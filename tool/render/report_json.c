/* The report as one JSON object for programs; its fields are described in ebb-doctor(1).
 *
 * Numbers that are unknown or infinite are null. Strings are made valid UTF-8 first, because names
 * come from files: an invalid byte becomes U+FFFD. Running out of memory anywhere gives -ENOMEM
 * and no output. */
#include "tool/render/report.h"

#include "tool/render/report_words.h"
#include "tool/render/utf8.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

enum { SCHEMA = 1, STACK_MOST = 256 };

static json_t *text_value(const char *text)
{
    if (!text)
        return json_null();
    static const char replacement[] = "\xef\xbf\xbd";
    size_t size = strlen(text);
    char *clean = malloc(size * 3 + 1), *end = clean;
    if (!clean)
        return NULL;
    for (size_t length; *text; text += length) {
        bool valid = ebb__decode_utf8(text, &length) != UINT32_MAX;
        size_t bytes = valid ? length : sizeof replacement - 1;
        memcpy(end, valid ? text : replacement, bytes);
        end += bytes;
    }
    json_t *value = json_stringn(clean, (size_t)(end - clean));
    free(clean);
    return value;
}

static json_t *real_value(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

/* Bytes and counts are whole. */
static json_t *whole_value(double number)
{
    return isfinite(number) && fabs(number) < 9e18 ? json_integer((json_int_t)llround(number))
                                                   : json_null();
}

/* Arrays and objects under construction; what did not fit into memory is remembered. */
struct json {
    json_t *value;
    bool failed;
};

static void append(struct json *array, json_t *value)
{
    if (json_array_append_new(array->value, value) < 0)
        array->failed = true;
}

static void put(struct json *object, const char *key, json_t *value)
{
    if (json_object_set_new(object->value, key, value) < 0)
        object->failed = true;
}

static json_t *finished(struct json *json)
{
    if (json->failed) {
        json_decref(json->value);
        return NULL;
    }
    return json->value;
}

static json_t *interval_value(const double interval[2])
{
    struct json array = {json_array(), false};
    append(&array, real_value(interval[0]));
    append(&array, real_value(interval[1]));
    return finished(&array);
}

static json_t *list_value(const char *const *texts)
{
    struct json array = {json_array(), false};
    for (size_t i = 0; texts && texts[i]; i++)
        append(&array, text_value(texts[i]));
    return finished(&array);
}

static json_t *frame_value(const struct ebb_frame *frame)
{
    struct json object = {json_object(), false};
    put(&object, "function", text_value(frame->function));
    put(&object, "file", text_value(frame->file));
    put(&object, "line", json_integer(frame->line));
    return finished(&object);
}

static json_t *stack_value(const struct ebb_verdict *verdict)
{
    struct json array = {json_array(), false};
    for (size_t i = 0; i < verdict->depth && i < STACK_MOST; i++)
        append(&array, frame_value(&verdict->stack[i]));
    return finished(&array);
}

static json_t *series_value(const struct ebb_verdict *verdict)
{
    struct json array = {json_array(), false};
    for (size_t i = 0; i < verdict->sparkline_count; i++)
        append(&array, whole_value(verdict->sparkline[i]));
    return finished(&array);
}

static json_t *pid_value(pid_t pid)
{
    return pid > 0 ? json_integer(pid) : json_null();
}

static json_t *verdict_value(const struct ebb_verdict *verdict)
{
    struct json object = {json_object(), false};
    put(&object, "pattern", text_value(verdict->pattern));
    put(&object, "confidence", real_value(verdict->confidence));
    put(&object, "container", text_value(verdict->container));
    put(&object, "map", text_value(verdict->map));
    put(&object, "summary", text_value(verdict->summary));
    put(&object, "site", frame_value(&verdict->site));
    put(&object, "stack", stack_value(verdict));
    put(&object, "live_bytes", whole_value(verdict->live_bytes));
    put(&object, "live_objects", whole_value(verdict->live_objects));
    put(&object, "growth_bytes_per_s", real_value(verdict->growth_bytes_per_s));
    put(&object, "growth_interval", interval_value(verdict->growth_interval));
    put(&object, "alloc_bytes_per_s", real_value(verdict->alloc_bytes_per_s));
    put(&object, "live_bytes_series", series_value(verdict));
    put(&object, "evidence", list_value(verdict->evidence));
    put(&object, "advice", list_value(verdict->advice));
    put(&object, "pid", pid_value(verdict->pid));
    return finished(&object);
}

static json_t *verdicts_value(const struct ebb_report *report)
{
    struct json array = {json_array(), false};
    for (size_t i = 0; i < report->verdict_count; i++)
        append(&array, verdict_value(&report->verdicts[i]));
    return finished(&array);
}

static json_t *memory_value(const struct ebb_report *report)
{
    struct json object = {json_object(), false};
    bool known = ebb__rss_known(report);
    put(&object, "rss_bytes", known ? whole_value(report->memory.rss_bytes) : json_null());
    put(&object, "live_bytes", whole_value(report->memory.live_bytes));
    put(&object, "live_interval", interval_value(report->memory.live_interval));
    put(&object, "retained_free_bytes",
        known ? whole_value(report->memory.retained_free_bytes) : json_null());
    put(&object, "alloc_bytes_per_s", real_value(report->memory.alloc_bytes_per_s));
    put(&object, "growth_bytes_per_s", real_value(report->memory.growth_bytes_per_s));
    return finished(&object);
}

static json_t *forecast_value(const struct ebb_forecast *forecast)
{
    struct json object = {json_object(), false};
    bool limited = forecast->limit_bytes > 0 && forecast->limit_bytes < INT64_MAX;
    put(&object, "limit_bytes",
        limited ? json_integer((json_int_t)forecast->limit_bytes) : json_null());
    put(&object, "limit_source", text_value(forecast->limit_source));
    put(&object, "limit_detail", text_value(forecast->limit_detail));
    put(&object, "seconds", forecast->known ? interval_value(forecast->seconds) : json_null());
    put(&object, "why_not", text_value(forecast->known ? NULL : forecast->why_not));
    return finished(&object);
}

static json_t *report_value(const struct ebb_report *report)
{
    struct json object = {json_object(), false};
    put(&object, "schema", json_integer(SCHEMA));
    put(&object, "target", text_value(report->target));
    put(&object, "kind", text_value(report->kind));
    put(&object, "pid", pid_value(report->pid));
    put(&object, "window_s", real_value(report->window_s));
    put(&object, "snapshots", json_integer((json_int_t)report->snapshots));
    put(&object, "healthy", json_boolean(report->healthy));
    put(&object, "confident", json_boolean(report->confident));
    put(&object, "smallest_detectable_growth", real_value(report->smallest_detectable_growth));
    put(&object, "caution", text_value(report->caution));
    put(&object, "ended", text_value(report->ended));
    put(&object, "verdicts", verdicts_value(report));
    put(&object, "memory", memory_value(report));
    put(&object, "forecast", forecast_value(&report->forecast));
    return finished(&object);
}

int ebb_report_json(const struct ebb_report *report, FILE *out)
{
    json_t *object = report_value(report);
    char *text = object ? json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(object);
    if (!text)
        return -ENOMEM;
    errno = 0;
    fputs(text, out);
    fputc('\n', out);
    free(text);
    return fflush(out) != 0 || ferror(out) ? (errno ? -errno : -EIO) : 0;
}
