/* See utf8.h. */
#include "tool/render/utf8.h"

uint32_t ebb__decode_utf8(const char *text, size_t *length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    *length = bytes[0] ? 1 : 0;
    if (bytes[0] < 0x80)
        return bytes[0];
    size_t size = bytes[0] >= 0xf0 ? 4 : bytes[0] >= 0xe0 ? 3 : 2;
    if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
        return UINT32_MAX;
    uint32_t character = bytes[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if (!ebb__continues_utf8(text[i]))
            return UINT32_MAX;
        character = character << 6 | (bytes[i] & 0x3fu);
    }
    if (character < smallest[size] || character > 0x10ffff ||
        (character >= 0xd800 && character < 0xe000))
        return UINT32_MAX;
    *length = size;
    return character;
}

bool ebb__is_hostile(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0xfeff ||
           (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || (c >= 0xe0000 && c <= 0xe0fff);
}
