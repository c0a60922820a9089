/* See pprof.h. */
#include "tool/serve/pprof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "/debug/pprof/"

enum { MAX_SECONDS = 24 * 3600, MAX_SYMBOLS = 65536 };

static const struct profile_page {
    const char *name;
    const char *about;   /* in the index */
    const char *missing; /* why a C program has none */
} profile_pages[] = {
    {"heap", "Memory in use and allocated so far, by the stack that allocated it.", NULL},
    {"allocs", "The same samples, all allocations since the start shown first.", NULL},
    {"threadcreate", "The stacks that created threads.", NULL},
    {"goroutine", NULL, "a C program has no goroutines; threadcreate has its threads"},
    {"block", NULL, "waiting is not recorded in C programs"},
    {"mutex", NULL, "lock contention is not recorded in C programs"},
    {"profile", NULL, "CPU time is not recorded; perf(1) does that for C programs"},
    {"trace", NULL, "execution traces are a facility of the Go runtime"},
};

void ebb_response_error(struct ebb_response *response, int status, const char *format, ...)
{
    free(response->body);
    *response = (struct ebb_response){
        .status = status, .content_type = "text/plain; charset=utf-8", .is_error = true};
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&response->body, format, arguments);
    va_end(arguments);
    if (length < 0)
        response->body = NULL;
    response->size = response->body ? (size_t)length : 0;
}

/* ---- parameters ---- */

static const char *parameter(const struct ebb_request *request, const char *name)
{
    for (size_t i = 0; i < request->parameter_count; i++)
        if (strcmp(request->parameters[i].name, name) == 0)
            return request->parameters[i].value ? request->parameters[i].value : "";
    return NULL;
}

/* A whole number from `low` to `high`. */
static bool parse_number(const char *text, long low, long high, long *number)
{
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    return *text && !*end && errno == 0 && *number >= low && *number <= high;
}

/* The process that is asked for; 0 and the error's answer when there is none. */
static pid_t asked_process(const struct ebb_source *source, const struct ebb_request *request,
                           struct ebb_response *response)
{
    pid_t pids[EBB_SOURCE_PROCESSES];
    size_t count = source->processes(source->context, pids, EBB_SOURCE_PROCESSES);
    const char *text = parameter(request, "pid");
    long wanted = 0;
    if (text && !parse_number(text, 1, INT32_MAX, &wanted)) {
        ebb_response_error(response, 400, "invalid value for \"pid\"\n");
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (wanted == 0 || pids[i] == wanted)
            return pids[i];
    if (wanted)
        ebb_response_error(response, 404, "no process %ld here\n", wanted);
    else
        ebb_response_error(response, 503, "the program does not publish yet\n");
    return 0;
}

/* ---- profiles ---- */

static void answer_source_error(struct ebb_response *response, int code,
                                const struct ebb_error *error)
{
    ebb_response_error(response, code == -ENOENT || code == -ESRCH ? 404 : 500, "%s\n",
                       error->text[0] ? error->text : strerror(-code));
}

/* What changed between now and `seconds` later. -EPIPE when nobody waits any more. */
static int take_delta(const struct ebb_source *source, const struct ebb_request *request, pid_t pid,
                      const char *name, long seconds, struct ebb_profile **delta,
                      struct ebb_error *error)
{
    struct ebb_profile *both[2] = {NULL, NULL};
    int code = source->profile(source->context, pid, name, &both[0], error);
    if (code == 0 && !request->wait(request->wait_context, (double)seconds))
        code = ebb_error_set(error, -EPIPE, "the client is gone");
    if (code == 0)
        code = source->profile(source->context, pid, name, &both[1], error);
    if (code == 0)
        code = ebb_profile_merge((const struct ebb_profile *const *)both, (const int[]){-1, 1}, 2,
                                 delta, error);
    if (code == 0) {
        (*delta)->time_ns = both[1]->time_ns;
        (*delta)->duration_ns = both[1]->time_ns - both[0]->time_ns;
        if ((*delta)->duration_ns <= 0)
            (*delta)->duration_ns = seconds * INT64_C(1000000000);
    }
    ebb_profile_free(both[0]);
    ebb_profile_free(both[1]);
    return code;
}

static int encode_text(const struct ebb_profile *profile, const char *name, char **body,
                       size_t *size, struct ebb_error *error)
{
    FILE *out = open_memstream(body, size);
    if (!out)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    ebb_pprof_text(out, profile, name);
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(*body);
        *body = NULL;
        return ebb_error_set(error, -ENOMEM, "out of memory");
    }
    return 0;
}

static void answer_profile(const struct ebb_source *source, const struct ebb_request *request,
                           const char *name, struct ebb_response *response)
{
    const char *seconds_text = parameter(request, "seconds"), *debug = parameter(request, "debug");
    bool as_text = debug && strtol(debug, NULL, 10) > 0;
    long seconds = 0;
    if (seconds_text && !parse_number(seconds_text, 1, MAX_SECONDS, &seconds)) {
        ebb_response_error(response, 400,
                           "invalid value for \"seconds\" - must be a positive integer, at most "
                           "%d\n",
                           MAX_SECONDS);
        return;
    }
    if (seconds && as_text) {
        ebb_response_error(response, 400, "seconds and debug params are incompatible\n");
        return;
    }
    pid_t pid = asked_process(source, request, response);
    if (pid == 0)
        return;

    struct ebb_error error = {0};
    struct ebb_profile *profile = NULL;
    int code = seconds ? take_delta(source, request, pid, name, seconds, &profile, &error)
                       : source->profile(source->context, pid, name, &profile, &error);
    void *body = NULL;
    size_t size = 0;
    if (code == 0) {
        if (as_text) {
            char *text = NULL;
            code = encode_text(profile, name, &text, &size, &error);
            body = text;
        } else {
            code = ebb_profile_encode(profile, &body, &size, &error);
        }
    }
    ebb_profile_free(profile);
    if (code < 0) {
        answer_source_error(response, code, &error);
        return;
    }
    response->status = 200;
    response->body = body;
    response->size = size;
    response->content_type = as_text ? "text/plain; charset=utf-8" : "application/octet-stream";
    if (!as_text)
        snprintf(response->file_name, sizeof response->file_name, "%s%s", name,
                 seconds ? "-delta" : "");
}

/* ---- cmdline and symbol ---- */

static void answer_cmdline(const struct ebb_source *source, const struct ebb_request *request,
                           struct ebb_response *response)
{
    pid_t pid = asked_process(source, request, response);
    if (pid == 0)
        return;
    char *command = malloc(EBB_SOURCE_COMMAND_BYTES);
    if (!command) {
        ebb_response_error(response, 500, "out of memory\n");
        return;
    }
    size_t size = source->command(source->context, pid, command, EBB_SOURCE_COMMAND_BYTES);
    while (size > 0 && command[size - 1] == '\0')
        size--;
    response->status = 200;
    response->body = command;
    response->size = size;
    response->content_type = "text/plain; charset=utf-8";
}

static void print_symbol(void *out, uint64_t address, const char *function)
{
    fprintf(out, "0x%" PRIx64 " %s\n", address, function);
}

/* Hexadecimal numbers between anything that is none; zeroes are left out. Returns how many. */
static size_t parse_addresses(const char *text, size_t size, uint64_t *addresses, size_t room)
{
    size_t count = 0, i = 0;
    while (i < size && count < room) {
        uint64_t address = 0;
        if (i + 1 < size && text[i] == '0' && (text[i + 1] | 0x20) == 'x')
            i += 2;
        size_t digits = i;
        for (; i < size; i++) {
            char c = text[i], lower = (char)(c | 0x20);
            if (c >= '0' && c <= '9')
                address = address << 4 | (uint64_t)(c - '0');
            else if (lower >= 'a' && lower <= 'f')
                address = address << 4 | (uint64_t)(lower - 'a' + 10);
            else
                break;
        }
        if (i > digits && i - digits <= 16 && address != 0)
            addresses[count++] = address;
        while (i < size && strchr("+ ,\r\n\t", text[i]) && text[i])
            i++;
        if (i == digits) /* neither a number nor a separator */
            i++;
    }
    return count;
}

/* A GET carries the addresses as a parameter without a value. */
static void find_addresses(const struct ebb_request *request, const char **text, size_t *size)
{
    *text = request->body ? request->body : "";
    *size = request->body_size;
    for (size_t i = 0; *size == 0 && i < request->parameter_count; i++)
        if (!request->parameters[i].value) {
            *text = request->parameters[i].name;
            *size = strlen(*text);
        }
}

static void answer_symbol(const struct ebb_source *source, const struct ebb_request *request,
                          struct ebb_response *response)
{
    pid_t pid = asked_process(source, request, response);
    if (pid == 0)
        return;
    const char *text;
    size_t text_size;
    find_addresses(request, &text, &text_size);
    /* The shortest address takes two bytes with its separator. */
    size_t room = text_size / 2 + 1;
    if (room > MAX_SYMBOLS)
        room = MAX_SYMBOLS;
    uint64_t *addresses = calloc(room, sizeof *addresses);
    char *body = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&body, &size);
    int code = addresses && out ? 0 : -ENOMEM;
    struct ebb_error error = {0};
    if (code == 0) {
        /* Readers only ask whether this is zero: no symbols at all. */
        fputs("num_symbols: 1\n", out);
        size_t count = parse_addresses(text, text_size, addresses, room);
        if (count > 0)
            code =
                source->symbols(source->context, pid, addresses, count, print_symbol, out, &error);
    }
    if (out && (ferror(out) | fclose(out)) && code == 0)
        code = -ENOMEM;
    free(addresses);
    if (code < 0) {
        free(body);
        answer_source_error(response, code, &error);
        return;
    }
    response->status = 200;
    response->body = body;
    response->size = size;
    response->content_type = "text/plain; charset=utf-8";
}

/* ---- index ---- */

static void put_escaped(FILE *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        switch (text[i]) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        case '\0':
            fputc(' ', out);
            break;
        default:
            fputc(text[i], out);
        }
}

static void put_process(FILE *out, const struct ebb_source *source, pid_t pid)
{
    char command[EBB_SOURCE_COMMAND_BYTES];
    size_t size = source->command(source->context, pid, command, sizeof command);
    while (size > 0 && command[size - 1] == '\0')
        size--;
    fputs("<h2><code>", out);
    put_escaped(out, command, size);
    fprintf(out, "</code> <small>pid %d</small></h2>\n<table>\n", (int)pid);
    for (size_t i = 0; i < sizeof profile_pages / sizeof *profile_pages; i++)
        if (profile_pages[i].about)
            fprintf(out,
                    "<tr><td><a href=\"%s?pid=%d&amp;debug=1\">%s</a>"
                    "<td>%s<td><a href=\"%s?pid=%d\">file</a>"
                    "<td><a href=\"%s?pid=%d&amp;seconds=30\">30 s delta</a>\n",
                    profile_pages[i].name, (int)pid, profile_pages[i].name, profile_pages[i].about,
                    profile_pages[i].name, (int)pid, profile_pages[i].name, (int)pid);
    fprintf(out,
            "<tr><td><a href=\"cmdline?pid=%d\">cmdline</a>"
            "<td>The arguments the program was started with.<td><td>\n</table>\n",
            (int)pid);
}

static void answer_index(const struct ebb_source *source, struct ebb_response *response)
{
    char *body = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&body, &size);
    if (!out) {
        ebb_response_error(response, 500, "out of memory\n");
        return;
    }
    fputs("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
          "<title>/debug/pprof/</title>\n"
          "<style>body{font:16px/1.5 sans-serif;margin:2em;max-width:60em}"
          "td{padding:.1em 1.5em .1em 0}h2{margin-bottom:.2em}small{color:#666}</style>\n"
          "<h1>/debug/pprof/</h1>\n"
          "<p>Profiles of a running program, for <code>go tool pprof</code> and "
          "<code>ebb top</code>.</p>\n",
          out);
    pid_t pids[EBB_SOURCE_PROCESSES];
    size_t count = source->processes(source->context, pids, EBB_SOURCE_PROCESSES);
    for (size_t i = 0; i < count; i++)
        put_process(out, source, pids[i]);
    if (count == 0)
        fputs("<p>The program does not publish yet.</p>\n", out);
    fputs("</html>\n", out);
    if (ferror(out) | fclose(out)) {
        free(body);
        ebb_response_error(response, 500, "out of memory\n");
        return;
    }
    response->status = 200;
    response->body = body;
    response->size = size;
    response->content_type = "text/html; charset=utf-8";
}

/* ---- routes ---- */

static bool method_allowed(const struct ebb_request *request, const char *page,
                           struct ebb_response *response)
{
    bool may_post = strcmp(page, "symbol") == 0;
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0 ||
        (may_post && strcmp(request->method, "POST") == 0))
        return true;
    ebb_response_error(response, 405, "%s is not answered here\n", request->method);
    response->allow = may_post ? "GET, HEAD, POST" : "GET, HEAD";
    return false;
}

static void redirect_to_index(struct ebb_response *response)
{
    ebb_response_error(response, 302, PREFIX "\n");
    response->is_error = false;
    response->location = PREFIX;
}

void ebb_pprof_answer(const struct ebb_source *source, const struct ebb_request *request,
                      struct ebb_response *response)
{
    *response = (struct ebb_response){0};
    if (strcmp(request->path, "/") == 0 || strcmp(request->path, "/debug/pprof") == 0) {
        if (method_allowed(request, "", response))
            redirect_to_index(response);
        return;
    }
    if (strncmp(request->path, PREFIX, sizeof PREFIX - 1) != 0) {
        ebb_response_error(response, 404, "nothing here; the profiles are at " PREFIX "\n");
        return;
    }
    const char *page = request->path + sizeof PREFIX - 1;
    if (!method_allowed(request, page, response))
        return;
    if (*page == '\0') {
        answer_index(source, response);
        return;
    }
    if (strcmp(page, "cmdline") == 0) {
        answer_cmdline(source, request, response);
        return;
    }
    if (strcmp(page, "symbol") == 0) {
        answer_symbol(source, request, response);
        return;
    }
    for (size_t i = 0; i < sizeof profile_pages / sizeof *profile_pages; i++)
        if (strcmp(page, profile_pages[i].name) == 0) {
            if (profile_pages[i].missing)
                ebb_response_error(response, 404, "%s: %s\n", page, profile_pages[i].missing);
            else
                answer_profile(source, request, page, response);
            return;
        }
    ebb_response_error(response, 404, "Unknown profile\n");
}
