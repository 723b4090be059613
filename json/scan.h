/*
 * scan: the tokens of JSON (RFC 8259), strictly, as functions that a loop inlines.
 *
 * None keeps state: each takes a position and gives the one behind what it took. They are what json/read.h
 * and the transcoder are made of. UTF-8 is checked, control characters and lone surrogates are refused,
 * numbers obey the grammar.
 */
#ifndef ERLGATE_JSON_SCAN_H
#define ERLGATE_JSON_SCAN_H

#include "base/check.h"
#include "base/utf8.h"
#include "json/number.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    JSON_BLOCK = 16,            /* what json_copy_string and json_escape look at at once */
    JSON_ROOM = JSON_BLOCK + 8, /* what they need free in their target: a block, and an escape behind it */
};

static inline const uint8_t *json_skip_space(const uint8_t *p, const uint8_t *end)
{
    while (p < end && *p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/*
 * Copies JSON_BLOCK bytes and gives how many of them, from the first, are plain: ASCII that stands for itself
 * in a JSON string (no quote, backslash or control character).
 */
static inline unsigned json_copy_block(uint8_t *to, const uint8_t *from)
{
#ifdef __SSE2__
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)from);
    /* Signed: bytes from 0x80 on are below 0x20, too. */
    __m128i odd = _mm_or_si128(
        _mm_cmplt_epi8(x, _mm_set1_epi8(0x20)),
        _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));

    _mm_storeu_si128((__m128i *)(void *)to, x);
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(odd) | 1u << JSON_BLOCK);
#else
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

    for (unsigned i = 0; i < JSON_BLOCK; i += 8) {
        uint64_t x = le_load64(from + i), quote, backslash, odd;

        le_store64(to + i, x);
        quote = x ^ ones * '"';
        backslash = x ^ ones * '\\';
        /* A borrow may mark bytes above a marked one, never below: the first is right. */
        odd = (((x - ones * 0x20) | (quote - ones) | (backslash - ones)) & ~x) | x;
        odd &= highs;
        if (odd)
            return i + (unsigned)__builtin_ctzll(odd) / 8;
    }
    return JSON_BLOCK;
#endif
}

enum json_copied {
    JSON_COPIED,
    JSON_COPY_ROOM, /* the target has less than JSON_ROOM bytes left: make room and call again */
    JSON_COPY_BAD,  /* *p is at the first byte that may not stand there, or the end */
};

/*
 * The escape at p, which points at the backslash: 1 to 4 bytes into to; NULL for one that does not exist, is
 * cut short, or is half a surrogate pair. Gives the position behind it.
 */
const uint8_t *json_read_escape(const uint8_t *p, const uint8_t *end, uint8_t *to, unsigned *ret_len);

/* Why JSON_COPY_BAD, as a sentence fragment; static. */
const char *json_string_complaint(const uint8_t *p, const uint8_t *end);

/* One character of more than one byte from *p to *o. */
static inline bool json_copy_char(const uint8_t **p, const uint8_t *end, uint8_t **o)
{
    const uint8_t *q = *p;
    size_t n;

    if (LIKELY(end - q >= 4)) {
        n = utf8_char_length(q);
        memcpy(*o, q, 4);
        *p += n;
        *o += n;
        return n != 0;
    }
    if (UNLIKELY(utf8_next(p, end) == UTF8_INVALID))
        return false;
    n = (size_t)(*p - q);
    memcpy(*o, q, n);
    *o += n;
    return true;
}

/*
 * Copies the rest of a string, *p being behind its opening quote or wherever the last call stopped for want
 * of room, to *o, unescaped. On JSON_COPIED *p is behind the closing quote.
 */
static ALWAYS_INLINE enum json_copied json_copy_string(const uint8_t **pp, const uint8_t *end, uint8_t **oo,
                                                       const uint8_t *o_end)
{
    const uint8_t *p = *pp;
    uint8_t *o = *oo;
    enum json_copied result;

    for (;;) {
        if (UNLIKELY(o_end - o < JSON_ROOM)) {
            result = JSON_COPY_ROOM;
            break;
        }
        if (LIKELY(end - p >= JSON_BLOCK)) {
            unsigned n = json_copy_block(o, p);

            p += n;
            o += n;
            if (n == JSON_BLOCK)
                continue;
        } else if (p == end) {
            result = JSON_COPY_BAD;
            break;
        }
        if (*p == '"') {
            p++;
            result = JSON_COPIED;
            break;
        }
        if (*p == '\\') {
            unsigned n;
            const uint8_t *behind = json_read_escape(p, end, o, &n);

            if (UNLIKELY(!behind)) {
                result = JSON_COPY_BAD;
                break;
            }
            p = behind;
            o += n;
        } else if (*p >= 0x80) {
            if (UNLIKELY(!json_copy_char(&p, end, &o))) {
                result = JSON_COPY_BAD;
                break;
            }
        } else if (UNLIKELY(*p < 0x20)) {
            result = JSON_COPY_BAD;
            break;
        } else {
            *o++ = *p++;
        }
    }
    *pp = p;
    *oo = o;
    return result;
}

#endif
