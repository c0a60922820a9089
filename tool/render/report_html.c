/* The report as one HTML page, in the same order as on the terminal, with charts of the growth.
 *
 * The page holds everything it shows: its style is inline, its charts are SVG, it has no script and
 * its content policy forbids requests, so it can be mailed and archived. Every text of the report
 * passes through put_escaped. */
#include "tool/render/report.h"

#include "tool/render/report_words.h"
#include "tool/render/units.h"
#include "tool/render/utf8.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

enum {
    CHART_WIDTH = 640,
    CHART_HEIGHT = 160,
    CHART_LEFT = 4,
    CHART_TOP = 12,
    CHART_BOTTOM = 22,
    SOURCE_AROUND = 5,
    STACK_FRAMES = 40,
};

struct html {
    FILE *out;
    struct ebb_arena arena;
    bool out_of_memory;
};

static const char head[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    "style-src 'unsafe-inline'\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char stylesheet[] =
    "<style>\n"
    ":root{--ink:#1c2127;--soft:#5f6b78;--page:#fbfbfa;--card:#fff;--line:#e2e5e8;"
    "--bad:#c0362c;--good:#1f7a4d;--unsure:#9a6700;--accent:#2563a8;--here:#fdecea}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ec;--soft:#96a1ad;--page:#14171a;"
    "--card:#1c2024;--line:#30363c;--bad:#ff8379;--good:#5fcf94;--unsure:#e3b341;"
    "--accent:#7db5ee;--here:#4a2320}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:60rem;padding:2rem 1.25rem 4rem;background:var(--page);"
    "color:var(--ink);font:16px/1.55 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;line-height:1.35;margin:0 0 .5rem;text-wrap:balance}\n"
    "h2{font-size:1.15rem;margin:0 0 .35rem}\n"
    "h3{font-size:.8rem;margin:1.6rem 0 .4rem;color:var(--soft);font-weight:600;"
    "letter-spacing:.05em;text-transform:uppercase}\n"
    "h1,h2,p,li,dd{overflow-wrap:anywhere}\n"
    ".mark{font-weight:700;margin-right:.3em}\n"
    ".bad{color:var(--bad)}.good{color:var(--good)}.unsure{color:var(--unsure)}\n"
    ".soft{color:var(--soft);font-size:.9rem;margin:.25rem 0}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:1.25rem 1.5rem;margin:1.5rem 0}\n"
    "pre,table{font:13px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\n"
    "pre{margin:0;overflow-x:auto;border:1px solid var(--line);border-radius:6px;padding:.5rem 0}\n"
    "pre span{display:block;padding:0 .75rem}\n"
    "pre .here{background:var(--here);font-weight:600}\n"
    "pre i{font-style:normal;color:var(--soft);display:inline-block;width:3.5em;"
    "user-select:none}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%}\n"
    "td{padding:.1rem .75rem .1rem 0;vertical-align:top;overflow-wrap:anywhere}\n"
    "td:last-child{color:var(--soft);text-align:right;padding-right:0;white-space:nowrap}\n"
    "tr.here td:first-child{color:var(--bad);font-weight:600}\n"
    "ul,ol{margin:.25rem 0;padding-left:1.4rem}li{margin:.25rem 0}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.25rem;margin:0}\n"
    "dt{color:var(--soft)}dd{margin:0}\n"
    "svg{display:block;width:100%;height:auto}\n"
    "svg .area{fill:var(--accent);opacity:.14}\n"
    "svg .curve{fill:none;stroke:var(--accent);stroke-width:2;stroke-linejoin:round}\n"
    "svg .axis{stroke:var(--line)}\n"
    "svg text{fill:var(--soft);font:12px system-ui,sans-serif}\n"
    "footer{color:var(--soft);font-size:.85rem}\n"
    "</style>\n";

/* ---- text ---- */

/* Everything that comes from the report goes through here. */
static void put_escaped(struct html *html, const char *text)
{
    if (!text) {
        html->out_of_memory = true;
        return;
    }
    for (size_t length; *text; text += length) {
        uint32_t character = ebb__decode_utf8(text, &length);
        if (character == '<')
            fputs("&lt;", html->out);
        else if (character == '>')
            fputs("&gt;", html->out);
        else if (character == '&')
            fputs("&amp;", html->out);
        else if (character == '"')
            fputs("&quot;", html->out);
        else if (character == '\'')
            fputs("&#39;", html->out);
        else if (character == UINT32_MAX || ebb__is_hostile(character))
            fputs("\xef\xbf\xbd", html->out);
        else
            fwrite(text, 1, length, html->out);
    }
}

/* <tag class="...">text</tag> */
static void put_element(struct html *html, const char *tag, const char *class, const char *text)
{
    if (class)
        fprintf(html->out, "<%s class=\"%s\">", tag, class);
    else
        fprintf(html->out, "<%s>", tag);
    put_escaped(html, text);
    fprintf(html->out, "</%s>\n", tag);
}

static void put_list(struct html *html, const char *heading, const char *tag,
                     const char *const *items)
{
    if (!items || !items[0])
        return;
    put_element(html, "h3", NULL, heading);
    fprintf(html->out, "<%s>\n", tag);
    for (size_t i = 0; items[i]; i++)
        put_element(html, "li", NULL, items[i]);
    fprintf(html->out, "</%s>\n", tag);
}

/* ---- charts ---- */

struct chart {
    const double *values;
    size_t count;
    double highest;
};

static double chart_x(const struct chart *chart, size_t index)
{
    return CHART_LEFT +
           (CHART_WIDTH - 2.0 * CHART_LEFT) * (double)index / (double)(chart->count - 1);
}

static double chart_y(const struct chart *chart, double value)
{
    double height = CHART_HEIGHT - CHART_TOP - CHART_BOTTOM;
    return CHART_TOP + height * (1 - value / chart->highest);
}

static void put_curve(struct html *html, const struct chart *chart)
{
    bool first = true;
    for (size_t i = 0; i < chart->count; i++) {
        if (!isfinite(chart->values[i]))
            continue;
        fprintf(html->out, "%s%.1f %.1f", first ? "" : " L", chart_x(chart, i),
                chart_y(chart, fmax(chart->values[i], 0)));
        first = false;
    }
}

/* Live bytes over the window, from zero up, so that a slope looks as steep as it is. */
static void put_chart(struct html *html, const struct ebb_verdict *verdict, double window_s)
{
    struct chart chart = {verdict->sparkline, verdict->sparkline_count, 0};
    size_t first = chart.count, last = 0;
    for (size_t i = 0; i < chart.count; i++) {
        if (!isfinite(chart.values[i]))
            continue;
        first = first == chart.count ? i : first;
        last = i;
        chart.highest = fmax(chart.highest, chart.values[i]);
    }
    if (first >= last || chart.highest <= 0)
        return;
    char top[EBB__UNITS_BYTES], time[EBB__UNITS_BYTES];
    ebb__bytes_text(chart.highest, top);
    ebb__duration_text(window_s, time);
    int floor = CHART_HEIGHT - CHART_BOTTOM;
    fprintf(html->out,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"live bytes, up to %s\">",
            CHART_WIDTH, CHART_HEIGHT, top);
    fprintf(html->out, "<path class=\"area\" d=\"M%.1f %d L", chart_x(&chart, first), floor);
    put_curve(html, &chart);
    fprintf(html->out, " L%.1f %d Z\"/><path class=\"curve\" d=\"M", chart_x(&chart, last), floor);
    put_curve(html, &chart);
    fprintf(html->out,
            "\"/><path class=\"axis\" d=\"M%d %d H%d\"/>"
            "<text x=\"%d\" y=\"%d\">0 s</text>"
            "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>"
            "<text x=\"%d\" y=\"%d\">%s</text></svg>\n",
            CHART_LEFT, floor, CHART_WIDTH - CHART_LEFT, CHART_LEFT, CHART_HEIGHT - 5,
            CHART_WIDTH - CHART_LEFT, CHART_HEIGHT - 5, time, CHART_LEFT, CHART_TOP + 10, top);
}

/* ---- parts of a verdict ---- */

static void put_source(struct html *html, const struct ebb_verdict *verdict)
{
    struct ebb_source_line *lines;
    size_t count = ebb__source_lines(&html->arena, &verdict->site, SOURCE_AROUND, &lines);
    if (count == 0)
        return;
    put_element(html, "h3", NULL, "Source");
    put_element(html, "p", "soft", verdict->site.file);
    fputs("<pre>", html->out);
    for (size_t i = 0; i < count; i++) {
        fprintf(html->out, "<span%s><i>%lld</i>", lines[i].here ? " class=\"here\"" : "",
                (long long)lines[i].number);
        put_escaped(html, lines[i].text[0] ? lines[i].text : " ");
        fputs("</span>", html->out);
    }
    fputs("</pre>\n", html->out);
}

static void put_stack(struct html *html, const struct ebb_verdict *verdict)
{
    struct ebb_shown_frame *frames;
    size_t count = ebb__shown_frames(&html->arena, verdict, STACK_FRAMES, &frames);
    if (!frames || count == 0)
        return;
    put_element(html, "h3", NULL, "Allocated by, the innermost call first");
    fputs("<div class=\"wide\"><table>\n", html->out);
    for (size_t i = 0; i < count; i++) {
        if (!frames[i].frame) {
            fprintf(html->out, "<tr><td>… %zu more</td><td></td></tr>\n", frames[i].left_out);
            continue;
        }
        fputs(frames[i].site ? "<tr class=\"here\"><td>" : "<tr><td>", html->out);
        put_escaped(html, frames[i].frame->function);
        fputs("</td><td>", html->out);
        put_escaped(html, ebb__place_words(&html->arena, frames[i].frame));
        fputs("</td></tr>\n", html->out);
    }
    fputs("</table></div>\n", html->out);
}

static void put_verdict(struct html *html, const struct ebb_report *report, size_t index,
                        bool source)
{
    const struct ebb_verdict *verdict = &report->verdicts[index];
    if (index > 0)
        put_element(html, "h2", NULL, ebb__verdict_words(&html->arena, report, index));
    put_element(html, "p", "soft", ebb__kind_words(&html->arena, report, verdict));
    if (verdict->summary && verdict->summary[0])
        put_element(html, "p", NULL, verdict->summary);
    put_list(html, "Evidence", "ul", verdict->evidence);
    put_element(html, "h3", NULL, "Live bytes");
    put_chart(html, verdict, report->window_s);
    put_element(html, "p", "soft", ebb__growth_words(&html->arena, verdict));
    if (source)
        put_source(html, verdict);
    put_stack(html, verdict);
    put_list(html, "What to change", "ol", verdict->advice);
}

static void put_headline(struct html *html, const struct ebb_report *report)
{
    if (report->verdict_count > 0) {
        fputs("<h1><span class=\"mark bad\">✗</span>", html->out);
        put_escaped(html, ebb__verdict_words(&html->arena, report, 0));
        fputs("</h1>\n", html->out);
        return;
    }
    fprintf(html->out, "<h1><span class=\"mark %s\">%s</span>",
            report->confident ? "good" : "unsure", report->confident ? "✓" : "?");
    put_escaped(html, ebb__healthy_words(&html->arena, report));
    fputs("</h1>\n", html->out);
    char *surer = ebb__surer_words(&html->arena, report);
    if (!surer || surer[0])
        put_element(html, "p", NULL, surer);
}

static void put_facts(struct html *html, const struct ebb_report *report)
{
    fputs("<section><dl>\n", html->out);
    put_element(html, "dt", NULL, "Target");
    put_element(html, "dd", NULL, ebb__target_words(&html->arena, report));
    put_element(html, "dt", NULL, "Memory");
    put_element(html, "dd", NULL, ebb__memory_words(&html->arena, report));
    put_element(html, "dt", NULL, "Forecast");
    put_element(html, "dd", NULL, ebb__forecast_words(&html->arena, &report->forecast));
    if (ebb__caution_words(report)) {
        put_element(html, "dt", NULL, "Caution");
        put_element(html, "dd", NULL, ebb__caution_words(report));
    }
    fputs("</dl></section>\n", html->out);
}

int ebb_report_html(const struct ebb_report *report, bool source, FILE *out)
{
    struct html html = {.out = out};
    errno = 0;
    fputs(head, out);
    fputs("<title>Ebb: ", out);
    put_escaped(&html, ebb__shorten(&html.arena, report->target, 80));
    fputs("</title>\n", out);
    fputs(stylesheet, out);
    put_headline(&html, report);
    for (size_t i = 0; i < report->verdict_count; i++) {
        fputs("<section>\n", out);
        put_verdict(&html, report, i, source);
        fputs("</section>\n", out);
    }
    put_facts(&html, report);
    fprintf(out, "<footer>Written by ebb doctor, version %s.</footer>\n</html>\n", EBB_VERSION);

    ebb_arena_free(&html.arena);
    if (html.out_of_memory)
        return -ENOMEM;
    return fflush(out) != 0 || ferror(out) ? (errno ? -errno : -EIO) : 0;
}
