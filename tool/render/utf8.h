/* UTF-8, decoded strictly, and the characters that must not reach a reader as they are. Private to
 * the room. */
#ifndef EBB_TOOL_RENDER_UTF8_H
#define EBB_TOOL_RENDER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One character decoded from UTF-8; `*length` is how many bytes it took, at least 1 unless the text
 * is at its end. Invalid bytes give UINT32_MAX. */
uint32_t ebb__decode_utf8(const char *text, size_t *length);

/* Whether a character could act on a terminal or turn the order of text around: control characters,
 * direction marks, line separators. */
bool ebb__is_hostile(uint32_t character);

/* Whether a byte is inside a character, not its first. */
static inline bool ebb__continues_utf8(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

#endif
