/* The MAPPED_LIBRARIES section of legacy profiles: parsing, and which mapping an address lies in.
 *
 * Follows google/pprof in what it makes of the list: mappings without code are left out, neighbours
 * of one file are joined, the main binary (the first that is neither a library nor a kernel area)
 * comes first, an address just below a mapping that is not the beginning of its file belongs to it,
 * and all others share one mapping that has no name and spans everything. */
#include "tool/profile/legacy.h"

#include <string.h>

/* ---- text ---- */

bool ebb_text_line(struct ebb_text *rest, struct ebb_text *line)
{
    if (rest->at == rest->end)
        return false;
    const char *end = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));
    *line = (struct ebb_text){rest->at, end ? end : rest->end};
    rest->at = end ? end + 1 : rest->end;
    ebb_text_blanks(line);
    while (line->end > line->at && isspace((unsigned char)line->end[-1]))
        line->end--;
    return true;
}

void ebb_text_blanks(struct ebb_text *text)
{
    while (text->at < text->end && isspace((unsigned char)*text->at))
        text->at++;
}

bool ebb_text_skip(struct ebb_text *text, const char *literal)
{
    size_t length = strlen(literal);
    if ((size_t)(text->end - text->at) < length || memcmp(text->at, literal, length) != 0)
        return false;
    text->at += length;
    return true;
}

bool ebb_text_number(struct ebb_text *text, int64_t *number)
{
    const char *at = text->at;
    bool negative = at < text->end && *at == '-', overflow = false;
    at += negative;
    const char *digits = at;
    int64_t value = 0;
    for (; at < text->end && isdigit((unsigned char)*at); at++)
        overflow |= __builtin_mul_overflow(value, 10, &value) ||
                    __builtin_sub_overflow(value, *at - '0', &value);
    /* Counted downwards: there is one more negative number than positive ones. */
    if (!negative)
        overflow |= __builtin_sub_overflow(0, value, &value);
    if (at == digits || overflow)
        return false;
    *number = value;
    text->at = at;
    return true;
}

static int hex_digit(char character)
{
    if (isdigit((unsigned char)character))
        return character - '0';
    return isxdigit((unsigned char)character) ? (character | 0x20) - 'a' + 10 : -1;
}

bool ebb_text_hex(struct ebb_text *text, uint64_t *number)
{
    const char *at = text->at;
    uint64_t value = 0;
    for (; at < text->end && hex_digit(*at) >= 0; at++) {
        if (value >> 60)
            return false;
        value = value << 4 | (uint64_t)hex_digit(*at);
    }
    if (at == text->at)
        return false;
    *number = value;
    text->at = at;
    return true;
}

bool ebb_text_contains(struct ebb_text text, const char *literal)
{
    return memmem(text.at, (size_t)(text.end - text.at), literal, strlen(literal));
}

/* The next word; empty at the end. */
static struct ebb_text take_word(struct ebb_text *text)
{
    ebb_text_blanks(text);
    struct ebb_text word = {text->at, text->at};
    while (word.end < text->end && !isspace((unsigned char)*word.end))
        word.end++;
    text->at = word.end;
    return word;
}

static bool same_text(struct ebb_text a, struct ebb_text b)
{
    return a.end - a.at == b.end - b.at && memcmp(a.at, b.at, (size_t)(a.end - a.at)) == 0;
}

static bool is_empty(struct ebb_text text)
{
    return text.at == text.end;
}

/* ---- lines ---- */

static bool is_permissions(struct ebb_text word)
{
    for (const char *at = word.at; at < word.end; at++)
        if (!strchr("-rwxps", *at))
            return false;
    return !is_empty(word);
}

/* `08:01 1234 /path/of/a file (deleted)`, the end of a line of /proc/PID/maps. */
static bool read_device_and_path(struct ebb_text line, struct ebb_legacy_mapping *mapping)
{
    uint64_t number;
    int64_t inode;
    ebb_text_blanks(&line);
    if (!ebb_text_hex(&line, &number) || !ebb_text_skip(&line, ":") ||
        !ebb_text_hex(&line, &number))
        return false;
    ebb_text_blanks(&line);
    if (!ebb_text_number(&line, &inode))
        return false;
    ebb_text_blanks(&line);
    static const char deleted[] = " (deleted)";
    size_t length = sizeof deleted - 1;
    if ((size_t)(line.end - line.at) > length && memcmp(line.end - length, deleted, length) == 0)
        line.end -= length;
    mapping->file = line;
    return true;
}

/* `/path (@offset) build-id`, all of them optional. */
static void read_brief(struct ebb_text line, struct ebb_legacy_mapping *mapping)
{
    mapping->file = take_word(&line);
    ebb_text_blanks(&line);
    struct ebb_text offset = line;
    if (ebb_text_skip(&offset, "(@") && ebb_text_hex(&offset, &mapping->offset) &&
        ebb_text_skip(&offset, ")"))
        line = offset;
    else
        mapping->offset = 0;
    mapping->build_id = take_word(&line);
}

/* False: not a mapping, or one without code. */
static bool read_mapping(struct ebb_text line, struct ebb_legacy_mapping *mapping)
{
    *mapping = (struct ebb_legacy_mapping){.number = EBB_NONE};
    mapping->file = mapping->build_id = (struct ebb_text){line.end, line.end};
    ebb_text_skip(&line, "0x");
    if (!ebb_text_hex(&line, &mapping->start))
        return false;
    ebb_text_blanks(&line);
    ebb_text_skip(&line, "-");
    ebb_text_blanks(&line);
    ebb_text_skip(&line, "0x");
    if (!ebb_text_hex(&line, &mapping->limit) || mapping->limit <= mapping->start)
        return false;
    ebb_text_skip(&line, ":");
    struct ebb_text after = line, word = take_word(&after);
    bool has_permissions = is_permissions(word);
    if (has_permissions) {
        if (!memchr(word.at, 'x', (size_t)(word.end - word.at)))
            return false;
        line = after;
    }
    after = line;
    ebb_text_blanks(&after);
    if (!(ebb_text_hex(&after, &mapping->offset) && read_device_and_path(after, mapping)))
        read_brief(line, mapping);
    return true;
}

/* ---- the list ---- */

/* Whether `next` goes on where `mapping` ends, in memory and in the file. */
static bool is_continued(const struct ebb_legacy_mapping *mapping,
                         const struct ebb_legacy_mapping *next)
{
    if (!is_empty(mapping->file) && !is_empty(next->file) && !same_text(mapping->file, next->file))
        return false;
    if (!is_empty(mapping->build_id) && !is_empty(next->build_id) &&
        !same_text(mapping->build_id, next->build_id))
        return false;
    if (mapping->limit != next->start)
        return false;
    return !mapping->offset || !next->offset ||
           mapping->offset + (mapping->limit - mapping->start) == next->offset;
}

static int add_mapping(struct ebb_legacy_maps *maps, const struct ebb_legacy_mapping *mapping)
{
    struct ebb_legacy_mapping *last = maps->len ? &maps->items[maps->len - 1] : NULL;
    if (last && is_continued(last, mapping)) {
        last->limit = mapping->limit;
        last->file = is_empty(mapping->file) ? last->file : mapping->file;
        last->build_id = is_empty(mapping->build_id) ? last->build_id : mapping->build_id;
        return 0;
    }
    return maps->len < EBB_NONE - 2 ? ebb_vec_push(maps, *mapping) : -ENOMEM;
}

/* `name.so` or `name.so.1...` */
static bool is_library(struct ebb_text file)
{
    while (!is_empty(file)) {
        const char *dot = memmem(file.at, (size_t)(file.end - file.at), ".so", 3);
        if (!dot)
            return false;
        file.at = dot + 3;
        if (is_empty(file) || ((*file.at == '.' || *file.at == '_') && file.at + 1 < file.end &&
                               isdigit((unsigned char)file.at[1])))
            return true;
    }
    return false;
}

static void put_main_first(struct ebb_legacy_maps *maps)
{
    for (size_t i = 0; i < maps->len; i++) {
        struct ebb_text file = maps->items[i].file;
        if (is_empty(file) || *file.at == '[' || is_library(file))
            continue;
        struct ebb_legacy_mapping first = maps->items[0];
        maps->items[0] = maps->items[i];
        maps->items[i] = first;
        return;
    }
}

/* Programs that move their text to huge pages show an anonymous area in front of the rest; and a
 * main binary at the usual address is mapped from the beginning of its file. */
static void correct_main(struct ebb_legacy_maps *maps)
{
    static const char huge_pages[] = "/anon_hugepage";
    struct ebb_text file = maps->items[0].file;
    if (ebb_text_skip(&file, huge_pages) && maps->len > 1 &&
        maps->items[0].limit == maps->items[1].start)
        memmove(maps->items, maps->items + 1, --maps->len * sizeof *maps->items);
    enum { USUAL_START = 0x400000 };
    if (maps->items[0].start >= maps->items[0].offset &&
        maps->items[0].start - maps->items[0].offset == USUAL_START) {
        maps->items[0].start = USUAL_START;
        maps->items[0].offset = 0;
    }
}

static int compare_ranges(const void *left, const void *right)
{
    const struct ebb_legacy_range *a = left, *b = right;
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return (a->mapping > b->mapping) - (a->mapping < b->mapping);
}

static int make_ranges(struct ebb_legacy_maps *maps)
{
    maps->ranges = malloc((maps->len + 1) * sizeof *maps->ranges);
    if (!maps->ranges)
        return -ENOMEM;
    for (size_t i = 0; i < maps->len; i++)
        maps->ranges[i] =
            (struct ebb_legacy_range){maps->items[i].start, maps->items[i].limit, (uint32_t)i};
    qsort(maps->ranges, maps->len, sizeof *maps->ranges, compare_ranges);
    for (size_t i = 0; i + 1 < maps->len; i++)
        if (maps->ranges[i].limit > maps->ranges[i + 1].start)
            maps->ranges[i].limit = maps->ranges[i + 1].start;
    maps->range_count = maps->len;
    return 0;
}

int ebb_legacy_maps_read(struct ebb_legacy_maps *maps, struct ebb_text text)
{
    *maps = (struct ebb_legacy_maps){.unknown = EBB_NONE};
    struct ebb_text line;
    struct ebb_legacy_mapping mapping;
    while (ebb_text_line(&text, &line))
        if (read_mapping(line, &mapping) && add_mapping(maps, &mapping) < 0)
            return -ENOMEM;
    if (maps->len) {
        put_main_first(maps);
        correct_main(maps);
    }
    return make_ranges(maps);
}

static uint32_t find_unknown(struct ebb_legacy_maps *maps)
{
    static const char nothing[] = "";
    struct ebb_legacy_mapping everything = {.limit = UINT64_MAX,
                                            .file = {nothing, nothing},
                                            .build_id = {nothing, nothing},
                                            .number = EBB_NONE};
    if (maps->unknown == EBB_NONE && ebb_vec_push(maps, everything) == 0)
        maps->unknown = (uint32_t)(maps->len - 1);
    return maps->unknown;
}

uint32_t ebb_legacy_maps_find(struct ebb_legacy_maps *maps, uint64_t address)
{
    size_t low = 0, high = maps->range_count; /* the first range that ends behind the address */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (maps->ranges[middle].limit <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == maps->range_count)
        return find_unknown(maps);
    struct ebb_legacy_range *range = &maps->ranges[low];
    if (address >= range->start)
        return range->mapping;
    struct ebb_legacy_mapping *above = &maps->items[range->mapping];
    if (!above->offset || above->offset > above->start || address < above->start - above->offset)
        return find_unknown(maps);
    above->start -= above->offset;
    above->offset = 0;
    uint64_t free_from = low ? maps->ranges[low - 1].limit : 0;
    range->start = above->start > free_from ? above->start : free_from;
    return range->mapping;
}

void ebb_legacy_maps_free(struct ebb_legacy_maps *maps)
{
    free(maps->items);
    free(maps->ranges);
    *maps = (struct ebb_legacy_maps){0};
}
