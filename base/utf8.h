/* utf8: strict UTF-8 (RFC 3629): no surrogates, nothing over 10FFFF, no longer form than needed. */
#ifndef ERLGATE_BASE_UTF8_H
#define ERLGATE_BASE_UTF8_H

#include "base/slice.h"
#include "base/wr.h"

enum { UTF8_INVALID = -1 };

/* Length in bytes of the longest valid prefix; equal to s.len when all of it is UTF-8. */
size_t utf8_valid_prefix(struct slice s);
static inline bool utf8_is_valid(struct slice s)
{
    return utf8_valid_prefix(s) == s.len;
}

/* As much of it as is valid, and in max bytes. */
static inline struct slice utf8_head(struct slice s, size_t max)
{
    s.len = s.len < max ? s.len : max;
    s.len = utf8_valid_prefix(s);
    return s;
}

static inline bool utf8_is_ascii(struct slice s)
{
    uint64_t word, high = 0;
    size_t i;

    for (i = 0; i + 8 <= s.len; i += 8) {
        memcpy(&word, s.ptr + i, 8);
        high |= word;
    }
    for (; i < s.len; i++)
        high |= s.ptr[i];
    return (high & 0x8080808080808080u) == 0;
}

/* Number of code points of a valid text. */
size_t utf8_count(struct slice s);

/* The code point at *pos, which moves behind it; UTF8_INVALID (and *pos unmoved) when there is none. end >
 * *pos. */
int32_t utf8_next(const uint8_t **pos, const uint8_t *end);

/* The length, 2 to 4, of the character at p that begins with a byte from 0x80 on; 0 when it is none. Four
 * bytes are readable. */
static inline unsigned utf8_char_length(const uint8_t *p)
{
    uint32_t w = le_load32(p);

    if ((w & 0xC0C0F0) == 0x8080E0) {
        uint32_t high = w & 0x200F; /* what tells longer forms than needed, and surrogates */

        return high != 0 && high != 0x200D ? 3 : 0;
    }
    if ((w & 0xC0E0) == 0x80C0)
        return (w & 0x1E) != 0 ? 2 : 0;
    if ((w & 0xC0C0C0F8) == 0x808080F0) {
        uint32_t plane = (w & 7) << 2 | (w >> 12 & 3);

        return plane >= 1 && plane <= 0x10 ? 4 : 0;
    }
    return 0;
}

/* Writes 1 to 4 bytes to out and gives their number; 0 for what is no Unicode scalar value. */
size_t utf8_encode(uint32_t cp, uint8_t out[4]);
void utf8_write(struct wr *w, uint32_t cp);

/* Latin-1 text as UTF-8. */
void utf8_write_latin1(struct wr *w, struct slice latin1);

/* What a terminal or a viewer obeys instead of showing it: control characters, line separators, and marks
 * that change the direction in which text is read. */
bool utf8_is_obeyed(uint32_t cp);
/* Is it a character that the Erlang shell prints as such inside a string (io_lib:printable_unicode_list/1)?
 */
bool utf8_is_printable(uint32_t cp);

#endif
