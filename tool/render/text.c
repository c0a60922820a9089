/* Escaping, one character at a time; bytes that are not UTF-8 count one by one. See text.h. */
#include "tool/render/text.h"

#include "tool/render/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_plain_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

const char *ebb_text_plain(struct ebb_arena *arena, const char *text)
{
    if (is_plain_ascii(text))
        return text;
    char *plain = ebb_arena_alloc(arena, strlen(text) * 4 + 1), *to = plain;
    if (!plain)
        return NULL;
    size_t length;
    for (; *text; text += length) {
        uint32_t code = ebb__decode_utf8(text, &length);
        if (code == UINT32_MAX) {
            for (size_t i = 0; i < length; i++)
                to += sprintf(to, "\\x%02x", (unsigned char)text[i]);
        } else if (ebb__is_hostile(code)) {
            to += sprintf(to, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
        } else {
            memcpy(to, text, length);
            to += length;
        }
    }
    *to = '\0';
    return plain;
}

void ebb_text_json(FILE *out, const char *text)
{
    putc('"', out);
    size_t length;
    for (; *text; text += length) {
        uint32_t code = ebb__decode_utf8(text, &length);
        if (code == UINT32_MAX)
            fputs("\\ufffd", out);
        else if (code == '"' || code == '\\')
            fprintf(out, "\\%c", (int)code);
        else if (code == '<' || code == '>' || code == '&' ||
                 (code < 0x10000 && ebb__is_hostile(code)))
            fprintf(out, "\\u%04x", (unsigned)code);
        else
            fwrite(text, 1, length, out);
    }
    putc('"', out);
}

void ebb_text_xml(FILE *out, const char *text)
{
    size_t length;
    for (; *text; text += length) {
        uint32_t code = ebb__decode_utf8(text, &length);
        if (code < 0x20 || code == 0xfffe || code == 0xffff || code == UINT32_MAX)
            fputs("&#xfffd;", out); /* XML has no way to write these */
        else if (code < 0x80 ? strchr("&<>\"'", (int)code) != NULL : ebb__is_hostile(code))
            fprintf(out, "&#%u;", (unsigned)code);
        else
            fwrite(text, 1, length, out);
    }
}
