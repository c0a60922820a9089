/* The report's three forms, from hand-made reports: what they say, that they say it within the
 * width, and that no name in them acts on a terminal or a page. */
#include "tool/render/report.h"

#include "tests/render/report_samples.h"
#include "tool/render/report_words.h"
#include "tool/render/units.h"
#include "tool/render/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

static const struct ebb_report_style plain = {.width = 90, .unicode = true, .source = true};

static char *terminal_text(const struct ebb_report *report, const struct ebb_report_style *style)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(ebb_report_terminal(report, style, out), 0);
    fclose(out);
    assert_int_equal(strlen(text), size);
    return text;
}

static char *html_text(const struct ebb_report *report)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(ebb_report_html(report, true, out), 0);
    fclose(out);
    return text;
}

static json_t *json_of(const struct ebb_report *report)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(ebb_report_json(report, out), 0);
    fclose(out);
    json_error_t error;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        print_error("%s at %d: %s\n", error.text, error.position, text);
    assert_non_null(object);
    free(text);
    return object;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        print_error("\"%s\" is missing in:\n%s\n", part, text);
    assert_non_null(strstr(text, part));
}

static void assert_order(const char *text, const char *first, const char *second)
{
    assert_has(text, first);
    assert_has(text, second);
    assert_true(strstr(text, first) < strstr(text, second));
}

static size_t columns(const char *line, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++)
        count += ((unsigned char)line[i] & 0xc0) != 0x80;
    return count;
}

static void assert_width(const char *text, size_t width)
{
    while (*text) {
        size_t bytes = strcspn(text, "\n");
        if (columns(text, bytes) > width)
            print_error("wider than %zu: %.*s\n", width, (int)bytes, text);
        assert_true(columns(text, bytes) <= width);
        text += bytes + (text[bytes] == '\n');
    }
}

/* ---- terminal ---- */

static void verdict_comes_first(void **state)
{
    struct ebb_report report;
    sample_leaking(&report);
    char *text = terminal_text(&report, &plain);
    char *line = strndup(text, strcspn(text, "\n"));
    assert_has(line, "Maps inside a map that only grow: set_config (config.c:8) keeps 11.2 MiB");
    free(line);
    assert_has(text, "is reached in 5 min 25 s to 6 min 11 s.");
    assert_order(text, "is reached in", "Evidence");
    assert_order(text, "Evidence", "▁");
    assert_order(text, "█", "What to change");
    assert_order(text, "What to change", "    1. Give the inner maps");
    assert_order(text, "    3. Leave the release", "2. Large buffers");
    assert_order(text, "2. Large buffers", "Memory");
    assert_order(text, "Memory", "memory.max");
    assert_null(strstr(text, "Caution"));
    assert_null(strstr(text, "\033"));
    assert_null(strstr(text, "start_thread"));
    free(text);
}

static void every_width_is_kept(void **state)
{
    struct ebb_report report;
    void (*const samples[])(struct ebb_report *) = {sample_leaking, sample_healthy, sample_unsure,
                                                    sample_hostile};
    for (size_t sample = 0; sample < 4; sample++) {
        for (unsigned width = 60; width <= 100; width++) {
            samples[sample](&report);
            char *text = terminal_text(
                &report, &(struct ebb_report_style){.width = width, .unicode = width % 2});
            assert_width(text, width);
            free(text);
        }
    }
}

static void ascii_is_only_ascii(void **state)
{
    struct ebb_report report;
    void (*const samples[])(struct ebb_report *) = {sample_leaking, sample_healthy, sample_unsure,
                                                    sample_hostile};
    for (size_t sample = 0; sample < 4; sample++) {
        samples[sample](&report);
        char *text = terminal_text(&report, &(struct ebb_report_style){.width = 80});
        for (const char *c = text; *c; c++)
            assert_true(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
        free(text);
    }
}

static void colour_only_when_asked(void **state)
{
    struct ebb_report report;
    sample_leaking(&report);
    struct ebb_report_style style = {.width = 90, .unicode = true, .colour = true};
    char *coloured = terminal_text(&report, &style), *text;
    style.colour = false;
    text = terminal_text(&report, &style);
    assert_has(coloured, "\033[1;31m");
    /* Without its sequences the coloured text is the plain one. */
    char *to = coloured;
    for (const char *from = coloured; *from;) {
        if (*from == '\033')
            from = strchr(from, 'm') + 1;
        else
            *to++ = *from++;
    }
    *to = '\0';
    assert_string_equal(coloured, text);
    free(coloured);
    free(text);
}

static void terminal_is_not_acted_on(void **state)
{
    struct ebb_report report;
    sample_hostile(&report);
    char *text = terminal_text(&report, &plain);
    for (size_t at = 0, length; text[at]; at += length) {
        uint32_t character = ebb__decode_utf8(text + at, &length);
        assert_true(character != UINT32_MAX);
        assert_true(character == '\n' || !ebb__is_hostile(character));
    }
    assert_has(text, "\\x1b");
    free(text);
}

static void healthy_says_what_would_have_shown(void **state)
{
    struct ebb_report report;
    sample_healthy(&report);
    char *text = terminal_text(&report, &plain);
    assert_has(text, "✓ Healthy: nothing keeps growing. In 30 s, growth of 59.6 KiB/s or more");
    assert_has(text, "nothing grows");
    assert_null(strstr(text, "freed but kept"));
    free(text);
}

static void unsure_asks_for_a_longer_window(void **state)
{
    struct ebb_report report;
    sample_unsure(&report);
    char *text = terminal_text(&report, &plain);
    assert_null(strstr(text, "Healthy"));
    assert_has(text, "8 s cannot rule out growth slower than 879 KiB/s");
    assert_has(text, "the window was cut short");
    assert_null(strstr(text, "Caution"));
    assert_has(text, "killed by SIGKILL");
    free(text);

    report.caution = NULL;
    text = terminal_text(&report, &plain);
    assert_has(text, "Start it again and watch it for longer to be sure: --for 1m.");
    free(text);
}

static void unknown_memory_is_left_out(void **state)
{
    struct ebb_report report;
    sample_leaking(&report);
    report.memory.rss_bytes = 0; /* saved profiles */
    report.memory.retained_free_bytes = 0;
    char *text = terminal_text(&report, &plain);
    assert_has(text, "Memory      live heap 211 MiB");
    assert_null(strstr(text, "kept 0"));
    free(text);
    json_t *object = json_of(&report), *memory = json_object_get(object, "memory");
    assert_true(json_is_null(json_object_get(memory, "rss_bytes")));
    assert_true(json_is_null(json_object_get(memory, "retained_free_bytes")));
    json_decref(object);
}

static void source_is_shown_around_the_site(void **state)
{
    char directory[] = "/tmp/ebb-report-XXXXXX";
    assert_non_null(mkdtemp(directory));
    snprintf(sample_source, sizeof sample_source, "%s/config.c", directory);
    FILE *file = fopen(sample_source, "w");
    assert_non_null(file);
    for (int line = 1; line <= 12; line++)
        fprintf(file, "\tline %d\033[31m of the source\n", line);
    fclose(file);

    struct ebb_report report;
    sample_leaking(&report);
    char *text = terminal_text(&report, &plain);
    assert_has(text, "      5 │     line 5\\x1b[31m of the source\n");
    assert_has(text, "    ▶     8 │     line 8");
    assert_has(text, "line 11");
    assert_null(strstr(text, "line 4"));
    assert_null(strstr(text, "line 12"));
    free(text);

    /* A line that the file does not have, a directory, and a name that is no source. */
    struct ebb_frame frame = {.file = sample_source, .line = 13, .function = "", .module = ""};
    struct ebb_arena arena = {0};
    struct ebb_source_line *lines;
    assert_int_equal(ebb__source_lines(&arena, &frame, 3, &lines), 0);
    frame.line = 12;
    assert_int_equal(ebb__source_lines(&arena, &frame, 3, &lines), 4);
    assert_true(lines[3].here);
    frame.line = 1;
    assert_int_equal(ebb__source_lines(&arena, &frame, 3, &lines), 4);
    assert_true(lines[0].here);
    unlink(sample_source);
    snprintf(sample_source, sizeof sample_source, "%s/secret.txt", directory);
    file = fopen(sample_source, "w");
    assert_non_null(file);
    fputs("secret\n", file);
    fclose(file);
    assert_int_equal(ebb__source_lines(&arena, &frame, 3, &lines), 0);
    unlink(sample_source);
    rmdir(directory);
    strcpy(sample_source, "/nonexistent/service/config.c");
    ebb_arena_free(&arena);
}

static void long_stacks_keep_leaf_and_site(void **state)
{
    enum { DEPTH = 60, SITE = 40 };
    struct ebb_frame stack[DEPTH];
    char names[DEPTH][16];
    for (int i = 0; i < DEPTH; i++) {
        snprintf(names[i], sizeof names[i], "f%d", i);
        stack[i] = (struct ebb_frame){.function = names[i], .file = "", .module = "/bin/x"};
    }
    struct ebb_verdict verdict = {.stack = stack, .depth = DEPTH, .site = stack[SITE]};
    struct ebb_arena arena = {0};
    struct ebb_shown_frame *shown;
    for (size_t most = 3; most < 70; most++) {
        size_t count = ebb__shown_frames(&arena, &verdict, most, &shown), frames = 0, left_out = 0;
        bool site = false;
        assert_non_null(shown);
        for (size_t i = 0; i < count; i++) {
            frames += shown[i].frame != NULL;
            left_out += shown[i].left_out;
            site = site || shown[i].site;
        }
        assert_true(site);
        assert_int_equal(frames + left_out, DEPTH);
        assert_true(frames <= most || most >= DEPTH);
        assert_string_equal(shown[0].frame->function, "f0");
    }
    ebb_arena_free(&arena);
}

/* ---- JSON ---- */

static void json_has_every_field(void **state)
{
    struct ebb_report report;
    void (*const samples[])(struct ebb_report *) = {sample_leaking, sample_healthy, sample_unsure,
                                                    sample_hostile};
    static const char *const top[] = {"schema",  "target",   "kind",   "window_s", "snapshots",
                                      "healthy", "verdicts", "memory", "forecast"};
    static const char *const memory[] = {"rss_bytes", "live_bytes", "retained_free_bytes"};
    static const char *const forecast[] = {"limit_bytes", "limit_source", "seconds", "why_not"};
    static const char *const verdict[] = {
        "pattern",         "confidence",        "site",
        "stack",           "live_bytes",        "growth_bytes_per_s",
        "growth_interval", "alloc_bytes_per_s", "evidence",
        "advice"};
    for (size_t sample = 0; sample < 4; sample++) {
        samples[sample](&report);
        json_t *object = json_of(&report), *first;
        for (size_t i = 0; i < sizeof top / sizeof *top; i++)
            assert_non_null(json_object_get(object, top[i]));
        for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
            assert_non_null(json_object_get(json_object_get(object, "memory"), memory[i]));
        for (size_t i = 0; i < sizeof forecast / sizeof *forecast; i++)
            assert_non_null(json_object_get(json_object_get(object, "forecast"), forecast[i]));
        first = json_array_get(json_object_get(object, "verdicts"), 0);
        for (size_t i = 0; first && i < sizeof verdict / sizeof *verdict; i++)
            assert_non_null(json_object_get(first, verdict[i]));
        json_decref(object);
    }
}

static void json_holds_the_verdict(void **state)
{
    struct ebb_report report;
    sample_leaking(&report);
    json_t *object = json_of(&report), *verdicts, *site;
    assert_int_equal(json_integer_value(json_object_get(object, "schema")), 1);
    assert_true(json_is_false(json_object_get(object, "healthy")));
    verdicts = json_object_get(object, "verdicts");
    assert_int_equal(json_array_size(verdicts), 2);
    site = json_object_get(json_array_get(verdicts, 0), "site");
    assert_string_equal(json_string_value(json_object_get(site, "function")), "set_config");
    assert_int_equal(json_integer_value(json_object_get(site, "line")), 8);
    json_t *interval = json_object_get(json_array_get(verdicts, 0), "growth_interval");
    assert_float_equal(json_real_value(json_array_get(interval, 1)), 12.1e6, 1);
    json_t *forecast = json_object_get(object, "forecast");
    assert_float_equal(json_real_value(json_array_get(json_object_get(forecast, "seconds"), 0)),
                       325, 1e-6);
    assert_true(json_is_null(json_object_get(forecast, "why_not")));
    json_decref(object);
}

static void json_has_null_for_what_is_no_number(void **state)
{
    struct ebb_report report;
    sample_hostile(&report);
    json_t *object = json_of(&report);
    json_t *verdict = json_array_get(json_object_get(object, "verdicts"), 0);
    assert_true(json_is_null(json_object_get(verdict, "growth_bytes_per_s")));
    assert_true(json_is_null(json_object_get(verdict, "live_bytes")));
    assert_true(json_is_null(json_object_get(object, "window_s")));
    json_t *seconds = json_object_get(json_object_get(object, "forecast"), "seconds");
    assert_true(json_is_null(json_array_get(seconds, 1)));
    assert_true(json_is_null(json_object_get(json_object_get(object, "forecast"), "limit_bytes")));
    json_decref(object);
}

/* ---- HTML ---- */

static void html_is_one_page_without_requests(void **state)
{
    struct ebb_report report;
    sample_leaking(&report);
    char *text = html_text(&report);
    assert_order(text, "set_config", "Evidence");
    assert_order(text, "<svg", "What to change");
    assert_has(text, "prefers-color-scheme:dark");
    assert_has(text, "default-src 'none'");
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "http://"));
    assert_null(strstr(text, "https://"));
    assert_has(text, "std::_Function_handler&lt;void(request const&amp;)");
    free(text);
}

static void html_escapes_every_name(void **state)
{
    struct ebb_report report;
    sample_hostile(&report);
    char *text = html_text(&report);
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "<img"));
    assert_null(strstr(text, "<b>"));
    assert_null(strstr(text, "<u>"));
    assert_null(strstr(text, "<i>\033"));
    assert_null(strstr(text, "\"onload"));
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf "));
    for (size_t at = 0, length; text[at]; at += length) {
        uint32_t character = ebb__decode_utf8(text + at, &length);
        assert_true(character != UINT32_MAX);
        assert_true(character == '\n' || !ebb__is_hostile(character));
    }
    free(text);
}

/* ---- all ---- */

static void a_full_disk_is_an_error(void **state)
{
    struct ebb_report report;
    sample_leaking(&report);
    for (int form = 0; form < 3; form++) {
        FILE *full = fopen("/dev/full", "w");
        if (!full) {
            print_message("skipped: no /dev/full here\n");
            skip();
        }
        int status = form == 0   ? ebb_report_terminal(&report, &plain, full)
                     : form == 1 ? ebb_report_json(&report, full)
                                 : ebb_report_html(&report, true, full);
        assert_int_equal(status, -ENOSPC);
        fclose(full);
    }
}

static void style_respects_no_color_and_locale(void **state)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    setenv("LC_ALL", "C", 1);
    struct ebb_report_style style = ebb_report_style_for(file);
    assert_false(style.colour);
    assert_false(style.unicode);
    assert_int_equal(style.width, 90);
    setenv("LC_ALL", "C.UTF-8", 1);
    assert_true(ebb_report_style_for(file).unicode);
    fclose(file);

    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0) {
        print_message("skipped in part: no pseudo-terminal here\n");
        return;
    }
    int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(other >= 0);
    file = fdopen(other, "w");
    assert_non_null(file);
    assert_int_equal(ioctl(terminal, TIOCSWINSZ, &(struct winsize){.ws_col = 72, .ws_row = 20}), 0);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    style = ebb_report_style_for(file);
    assert_true(style.colour);
    assert_int_equal(style.width, 72);
    setenv("NO_COLOR", "1", 1);
    assert_false(ebb_report_style_for(file).colour);
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    assert_false(ebb_report_style_for(file).colour);
    fclose(file);
    close(terminal);
}

static void units_read_well(void **state)
{
    char text[EBB__UNITS_BYTES];
    assert_string_equal(ebb__bytes_text(0, text), "0 B");
    assert_string_equal(ebb__bytes_text(1023, text), "1023 B");
    assert_string_equal(ebb__bytes_text(1024, text), "1 KiB");
    assert_string_equal(ebb__bytes_text(-11.74e6, text), "-11.2 MiB");
    assert_string_equal(ebb__bytes_text(1048575, text), "1 MiB");
    assert_string_equal(ebb__bytes_text(NAN, text), "unknown");
    assert_string_equal(ebb__bytes_range_text(11.4e6, 12.1e6, "/s", text), "10.9 to 11.5 MiB/s");
    assert_string_equal(ebb__bytes_range_text(0, 12.1e6, "", text), "0 to 11.5 MiB");
    assert_string_equal(ebb__bytes_range_text(2048, 12.1e6, "", text), "2 KiB to 11.5 MiB");
    assert_string_equal(ebb__bytes_range_text(5e6, 5e6, "", text), "4.77 MiB");
    assert_string_equal(ebb__duration_text(0.25, text), "250 ms");
    assert_string_equal(ebb__duration_text(8, text), "8 s");
    assert_string_equal(ebb__duration_text(8.26, text), "8.3 s");
    assert_string_equal(ebb__duration_text(60, text), "60 s");
    assert_string_equal(ebb__duration_text(119.9, text), "2 min");
    assert_string_equal(ebb__duration_text(340, text), "5 min 40 s");
    assert_string_equal(ebb__duration_text(7800, text), "2 h 10 min");
    assert_string_equal(ebb__duration_range_text(20, 45, text), "20 to 45 s");
    assert_string_equal(ebb__duration_range_text(80, 190, text), "80 s to 3 min 10 s");
    assert_string_equal(ebb__duration_range_text(30, INFINITY, text), "30 s at the earliest");
    double extremes[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 0, 5e-324};
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
        for (size_t j = 0; j < sizeof extremes / sizeof *extremes; j++) {
            ebb__bytes_range_text(extremes[i], extremes[j], "/s", text);
            ebb__duration_range_text(extremes[i], extremes[j], text);
        }
        ebb__bytes_text(extremes[i], text);
    }
}

static void utf8_is_decoded_strictly(void **state)
{
    static const struct {
        const char *text;
        uint32_t character;
        size_t length;
    } cases[] = {{"a", 'a', 1},
                 {"\u00e9", 0xe9, 2},
                 {"\u20ac", 0x20ac, 3},
                 {"\U0001f600", 0x1f600, 4},
                 {"", 0, 0},
                 {"\x80", UINT32_MAX, 1},
                 {"\xc0\x80", UINT32_MAX, 1},     /* overlong */
                 {"\xe0\x80\x80", UINT32_MAX, 1}, /* overlong */
                 {"\xed\xa0\x80", UINT32_MAX, 1}, /* a surrogate */
                 {"\xf4\x90\x80\x80", UINT32_MAX, 1},
                 {"\xf0\x9f", UINT32_MAX, 1}, /* cut off */
                 {"\xff", UINT32_MAX, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length;
        assert_int_equal(ebb__decode_utf8(cases[i].text, &length), cases[i].character);
        assert_int_equal(length, cases[i].length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_comes_first),
        cmocka_unit_test(every_width_is_kept),
        cmocka_unit_test(ascii_is_only_ascii),
        cmocka_unit_test(colour_only_when_asked),
        cmocka_unit_test(terminal_is_not_acted_on),
        cmocka_unit_test(healthy_says_what_would_have_shown),
        cmocka_unit_test(unsure_asks_for_a_longer_window),
        cmocka_unit_test(unknown_memory_is_left_out),
        cmocka_unit_test(source_is_shown_around_the_site),
        cmocka_unit_test(long_stacks_keep_leaf_and_site),
        cmocka_unit_test(json_has_every_field),
        cmocka_unit_test(json_holds_the_verdict),
        cmocka_unit_test(json_has_null_for_what_is_no_number),
        cmocka_unit_test(html_is_one_page_without_requests),
        cmocka_unit_test(html_escapes_every_name),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(style_respects_no_color_and_locale),
        cmocka_unit_test(units_read_well),
        cmocka_unit_test(utf8_is_decoded_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
