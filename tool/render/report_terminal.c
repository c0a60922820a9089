/* The report on a terminal: the verdict in one sentence, then what speaks for it, then what to do.
 *
 * Text is laid out word by word: every paragraph has a prefix for its first line, an indent for the
 * others, and is broken at spaces to the style's width; a word wider than a line is broken where it
 * must. Width counts characters, which is right for all but the wide and the combining ones. */
#include "tool/render/report.h"

#include "tool/render/report_words.h"
#include "tool/render/units.h"
#include "tool/render/utf8.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    NARROWEST = 60,
    WIDEST = 100,
    USUAL_WIDTH = 90,
    LABEL_COLUMNS = 12, /* "Forecast" and its like, at the left */
    SOURCE_AROUND = 3,
    SOURCE_MARGIN = 14, /* mark, number and rule before a source line */
    STACK_FRAMES = 12,
    STACK_FUNCTION_COLUMNS = 56,
    SPARKLINE_COLUMNS = 40,
};

struct page {
    FILE *out;
    struct ebb_report_style style;
    struct ebb_arena arena;
    bool out_of_memory;
};

static const char bold[] = "\033[1m", dim[] = "\033[2m", red[] = "\033[1;31m",
                  green[] = "\033[1;32m", yellow[] = "\033[33m", cyan[] = "\033[36m";

/* ---- characters and words ---- */

/* Writes one character so that it cannot act on the terminal. Returns its columns. */
static size_t put_character(const struct page *page, FILE *out, uint32_t character,
                            const char *bytes, size_t length)
{
    if (character == UINT32_MAX || ebb__is_hostile(character)) {
        int written = fprintf(out, "\\x%02x", (unsigned char)bytes[0]);
        for (size_t i = 1; i < length; i++)
            written += fprintf(out, "\\x%02x", (unsigned char)bytes[i]);
        return written > 0 ? (size_t)written : 0;
    }
    if (character < 0x80 || page->style.unicode)
        fwrite(bytes, 1, length, out);
    else
        fputc('?', out);
    return 1;
}

/* Columns that a character will take. */
static size_t character_columns(uint32_t character, size_t length)
{
    return character == UINT32_MAX || ebb__is_hostile(character) ? 4 * length : 1;
}

/* Writes up to `columns` columns of text; returns how many it took. */
static size_t put_text(const struct page *page, const char *text, size_t columns)
{
    size_t used = 0;
    for (size_t length; *text; text += length) {
        uint32_t character = ebb__decode_utf8(text, &length);
        if (used + character_columns(character, length) > columns)
            break;
        used += put_character(page, page->out, character, text, length);
    }
    return used;
}

static size_t text_columns(const char *text, size_t bytes)
{
    size_t columns = 0;
    for (size_t at = 0, length; at < bytes; at += length) {
        uint32_t character = ebb__decode_utf8(text + at, &length);
        columns += character_columns(character, length);
    }
    return columns;
}

static void put_spaces(const struct page *page, size_t count)
{
    fprintf(page->out, "%*s", (int)count, "");
}

static void start_style(const struct page *page, const char *sequence)
{
    if (page->style.colour && sequence)
        fputs(sequence, page->out);
}

static void end_style(const struct page *page, const char *sequence)
{
    if (page->style.colour && sequence)
        fputs("\033[0m", page->out);
}

/* Bytes up to the next place where a line may end: a space, but not between a number and its unit.
 */
static size_t unbroken_bytes(const char *text)
{
    static const char *const units[] = {"B",   "KiB",   "MiB",   "GiB",   "TiB",
                                        "B/s", "KiB/s", "MiB/s", "GiB/s", "ms",
                                        "s",   "min",   "h",     "days",  "%"};
    size_t bytes = strcspn(text, " ");
    if (bytes == 0 || text[bytes] != ' ' || text[bytes - 1] < '0' || text[bytes - 1] > '9')
        return bytes;
    const char *unit = text + bytes + 1;
    size_t length = strcspn(unit, " ,;.:)");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strlen(units[i]) == length && strncmp(unit, units[i], length) == 0)
            return bytes + 1 + strcspn(unit, " ");
    return bytes;
}

/* Writes `text` from column `column` on, wrapped, further lines indented by `indent`. */
static void put_paragraph(struct page *page, size_t column, size_t indent, const char *sequence,
                          const char *text)
{
    if (!text) {
        page->out_of_memory = true;
        return;
    }
    size_t width = page->style.width;
    bool first_word = true;
    start_style(page, sequence);
    while (*text) {
        size_t bytes = unbroken_bytes(text);
        size_t columns = text_columns(text, bytes);
        if (!first_word && column + 1 + columns > width) {
            end_style(page, sequence);
            fputc('\n', page->out);
            put_spaces(page, column = indent);
            start_style(page, sequence);
        } else if (!first_word) {
            fputc(' ', page->out);
            column++;
        }
        first_word = false;
        for (size_t length, end = bytes; end > 0; end -= length, text += length) {
            uint32_t character = ebb__decode_utf8(text, &length);
            if (column + character_columns(character, length) > width && column > indent) {
                fputc('\n', page->out);
                put_spaces(page, column = indent);
            }
            column += put_character(page, page->out, character, text, length);
        }
        text += strspn(text, " ");
    }
    end_style(page, sequence);
    fputc('\n', page->out);
}

/* "  Forecast    text", the text wrapped in a column of its own. */
static void put_labelled(struct page *page, const char *label, const char *text)
{
    start_style(page, dim);
    fprintf(page->out, "  %-*s", LABEL_COLUMNS, label);
    end_style(page, dim);
    put_paragraph(page, 2 + LABEL_COLUMNS, 2 + LABEL_COLUMNS, NULL, text);
}

static const char *pick(const struct page *page, const char *unicode, const char *ascii)
{
    return page->style.unicode ? unicode : ascii;
}

static void put_heading(const struct page *page, const char *heading)
{
    fputs("\n  ", page->out);
    start_style(page, bold);
    fputs(heading, page->out);
    end_style(page, bold);
    fputc('\n', page->out);
}

/* ---- parts of a verdict ---- */

/* The values as a row of blocks from zero to the highest, averaged down to the columns there are.
 */
static void put_sparkline(const struct page *page, const double *values, size_t count)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char ascii[] = " .:-=+*#@";
    size_t columns = count < SPARKLINE_COLUMNS ? count : SPARKLINE_COLUMNS;
    double highest = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]) && values[i] > highest)
            highest = values[i];
    for (size_t column = 0; column < columns; column++) {
        size_t from = column * count / columns, to = (column + 1) * count / columns, seen = 0;
        double sum = 0;
        for (size_t i = from; i < to; i++) {
            if (isfinite(values[i])) {
                sum += values[i];
                seen++;
            }
        }
        double share = seen && highest > 0 ? sum / (double)seen / highest : 0;
        int level = seen ? 1 + (int)(fmin(fmax(share, 0), 1) * 7.0 + 0.5) : 0;
        if (page->style.unicode)
            fputs(blocks[level], page->out);
        else
            fputc(ascii[level], page->out);
    }
}

static void put_growth(struct page *page, const struct ebb_verdict *verdict, double window_s)
{
    put_heading(page, "Live bytes");
    if (verdict->sparkline_count >= 2) {
        char from[EBB__UNITS_BYTES], to[EBB__UNITS_BYTES], time[EBB__UNITS_BYTES];
        ebb__bytes_text(verdict->sparkline[0], from);
        ebb__bytes_text(verdict->sparkline[verdict->sparkline_count - 1], to);
        ebb__duration_text(window_s, time);
        fprintf(page->out, "    ");
        start_style(page, cyan);
        put_sparkline(page, verdict->sparkline, verdict->sparkline_count);
        end_style(page, cyan);
        fprintf(page->out, "  %s %s %s in %s\n", from, pick(page, "→", "->"), to, time);
    }
    fprintf(page->out, "    ");
    put_paragraph(page, 4, 4, NULL, ebb__growth_words(&page->arena, verdict));
}

static void put_source(struct page *page, const struct ebb_verdict *verdict)
{
    struct ebb_source_line *lines;
    size_t count = page->style.source
                       ? ebb__source_lines(&page->arena, &verdict->site, SOURCE_AROUND, &lines)
                       : 0;
    if (count == 0)
        return;
    put_heading(page, "Source");
    fputs("    ", page->out);
    start_style(page, dim);
    put_text(page, verdict->site.file, page->style.width - 4);
    end_style(page, dim);
    fputc('\n', page->out);
    for (size_t i = 0; i < count; i++) {
        const char *sequence = lines[i].here ? red : dim;
        fputs("    ", page->out);
        start_style(page, sequence);
        fprintf(page->out, "%s %5lld %s ", lines[i].here ? pick(page, "▶", ">") : " ",
                (long long)lines[i].number, pick(page, "│", "|"));
        end_style(page, sequence);
        start_style(page, lines[i].here ? bold : NULL);
        put_text(page, lines[i].text, page->style.width - SOURCE_MARGIN);
        end_style(page, lines[i].here ? bold : NULL);
        fputc('\n', page->out);
    }
}

static void put_stack(struct page *page, const struct ebb_verdict *verdict)
{
    struct ebb_shown_frame *frames;
    size_t count = ebb__shown_frames(&page->arena, verdict, STACK_FRAMES, &frames), widest = 0;
    if (!frames || count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        size_t columns = frames[i].frame ? text_columns(frames[i].frame->function,
                                                        strlen(frames[i].frame->function))
                                         : 0;
        widest = columns > widest ? columns : widest;
    }
    size_t most = STACK_FUNCTION_COLUMNS;
    if (page->style.width < 90)
        most -= 90 - page->style.width;
    widest = widest > most ? most : widest;

    put_heading(page, "Allocated by, the innermost call first");
    for (size_t i = 0; i < count; i++) {
        if (!frames[i].frame) {
            start_style(page, dim);
            fprintf(page->out, "      %s %zu more\n", pick(page, "…", "..."), frames[i].left_out);
            end_style(page, dim);
            continue;
        }
        const char *sequence = frames[i].site ? bold : NULL;
        char *name = ebb__shorten(&page->arena, frames[i].frame->function, widest);
        char *place = ebb__place_words(&page->arena, frames[i].frame);
        if (!name || !place) {
            page->out_of_memory = true;
            return;
        }
        start_style(page, frames[i].site ? red : NULL);
        fprintf(page->out, "    %s ", frames[i].site ? pick(page, "▶", ">") : " ");
        end_style(page, frames[i].site ? red : NULL);
        start_style(page, sequence);
        size_t used = put_text(page, name, widest);
        end_style(page, sequence);
        put_spaces(page, widest - used + 2);
        start_style(page, dim);
        put_text(page, place, page->style.width - 8 - widest);
        end_style(page, dim);
        fputc('\n', page->out);
    }
}

static void put_list(struct page *page, const char *heading, const char *const *items,
                     bool numbered)
{
    if (!items || !items[0])
        return;
    put_heading(page, heading);
    for (size_t i = 0; items[i]; i++) {
        size_t indent;
        if (numbered)
            indent = (size_t)fprintf(page->out, "    %zu. ", i + 1);
        else
            indent = 6, fprintf(page->out, "    %s ", pick(page, "•", "-"));
        put_paragraph(page, indent, indent, NULL, items[i]);
    }
}

static void put_verdict(struct page *page, const struct ebb_report *report, size_t index)
{
    const struct ebb_verdict *verdict = &report->verdicts[index];
    const char *colour = index == 0 ? red : bold;
    start_style(page, colour);
    fputs(index == 0 ? pick(page, "✗ ", "* ") : "\n", page->out);
    size_t column = 2;
    if (index > 0)
        column = (size_t)fprintf(page->out, "%zu. ", index + 1);
    end_style(page, colour);
    put_paragraph(page, column, column, bold, ebb__verdict_words(&page->arena, report, index));

    fputs("  ", page->out);
    put_paragraph(page, 2, 2, dim, ebb__kind_words(&page->arena, report, verdict));
    if (verdict->summary && verdict->summary[0]) {
        fputs("\n  ", page->out);
        put_paragraph(page, 2, 2, NULL, verdict->summary);
    }
    put_list(page, "Evidence", verdict->evidence, false);
    put_growth(page, verdict, report->window_s);
    put_source(page, verdict);
    put_stack(page, verdict);
    put_list(page, "What to change", verdict->advice, true);
}

static void put_healthy(struct page *page, const struct ebb_report *report)
{
    const char *colour = report->confident ? green : yellow;
    start_style(page, colour);
    fputs(report->confident ? pick(page, "✓ ", "+ ") : "? ", page->out);
    end_style(page, colour);
    put_paragraph(page, 2, 2, bold, ebb__healthy_words(&page->arena, report));
    char *surer = ebb__surer_words(&page->arena, report);
    if (!surer || surer[0]) {
        fputs("  ", page->out);
        put_paragraph(page, 2, 2, NULL, surer);
    }
}

int ebb_report_terminal(const struct ebb_report *report, const struct ebb_report_style *style,
                        FILE *out)
{
    struct page page = {.out = out, .style = *style};
    if (page.style.width < NARROWEST)
        page.style.width = NARROWEST;
    errno = 0;
    if (report->verdict_count == 0)
        put_healthy(&page, report);
    for (size_t i = 0; i < report->verdict_count; i++)
        put_verdict(&page, report, i);

    fputc('\n', out);
    put_labelled(&page, "Target", ebb__target_words(&page.arena, report));
    put_labelled(&page, "Memory", ebb__memory_words(&page.arena, report));
    put_labelled(&page, "Forecast", ebb__forecast_words(&page.arena, &report->forecast));
    if (ebb__caution_words(report))
        put_labelled(&page, "Caution", ebb__caution_words(report));

    ebb_arena_free(&page.arena);
    if (page.out_of_memory)
        return -ENOMEM;
    if (fflush(out) != 0 || ferror(out))
        return errno ? -errno : -EIO;
    return 0;
}

/* ---- what suits a stream ---- */

static bool locale_is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (!locale)
        return false;
    bool is_utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return is_utf8;
}

struct ebb_report_style ebb_report_style_for(FILE *out)
{
    struct ebb_report_style style = {.width = USUAL_WIDTH, .source = true};
    struct winsize size;
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool is_terminal = isatty(fileno(out));
    if (is_terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        style.width = size.ws_col > WIDEST      ? WIDEST
                      : size.ws_col < NARROWEST ? NARROWEST
                                                : size.ws_col;
    style.colour = is_terminal && !(refused && *refused) && terminal && *terminal &&
                   strcmp(terminal, "dumb") != 0;
    style.unicode = locale_is_utf8();
    return style;
}
