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
        uint64_t x, quote, backslash, odd;

        memcpy(&x, from + i, 8);
        memcpy(to + i, &x, 8);
        quote = x ^ ones * '"';
        backslash = x ^ ones * '\\';
        /* A borrow may mark bytes above a marked one, never below: the first is right. */
        odd = (((x - ones * 0x20) | (quote - ones) | (backslash - ones)) & ~x) | x;
        odd &= highs;
        if (odd)
            return i + (unsigned)__builtin_ctzll(
                           __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(odd) : odd) /
                           8;
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

/* Why JSON_COPY_BAD, as a sentence fragment. */
const char *json_string_complaint(const uint8_t *p, const uint8_t *end);

/* One character of more than one byte from *p to *o. */
static inline bool json_copy_char(const uint8_t **p, const uint8_t *end, uint8_t **o)
{
    const uint8_t *q = *p;
    size_t n;

    if (UNLIKELY(utf8_next(p, end) == UTF8_INVALID))
        return false;
    n = (size_t)(*p - q);
    if (LIKELY(end - q >= 4))
        memcpy(*o, q, 4);
    else
        memcpy(*o, q, n);
    *o += n;
    return true;
}

/*
 * Copies the rest of a string, *p being behind its opening quote or wherever the last call stopped for want
 * of room, to *o, unescaped. On JSON_COPIED *p is behind the closing quote.
 */
static inline enum json_copied json_copy_string(const uint8_t **pp, const uint8_t *end, uint8_t **oo,
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

/* A number, taken apart on the way. */
struct json_number {
    const uint8_t *start;
    uint64_t digits;  /* all its digits as one integer, when is_exact */
    int64_t exponent; /* of ten, for digits */
    bool is_negative;
    bool is_float; /* has a fraction or an exponent */
    bool
        is_exact; /* digits and exponent say all; else there were too many digits, or too large an exponent */
};

static inline bool json_is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') <= 9;
}

/* Are eight bytes all digits? Then their value. (The word is read as little-endian.) */
static inline bool json_eight_digits(const uint8_t *p, uint64_t *ret)
{
    uint64_t x;

    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    if (((x & 0xF0F0F0F0F0F0F0F0u) | ((x + 0x0606060606060606u) & 0xF0F0F0F0F0F0F0F0u) >> 4) !=
        0x3333333333333333u)
        return false;
    x = (x & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
    x = (x & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
    *ret = (x & 0x0000FFFF0000FFFFu) * 42949672960001 >> 32;
    return true;
}

static inline const uint8_t *json_take_digits(const uint8_t *p, const uint8_t *end, uint64_t *digits)
{
    uint64_t v = *digits, eight;

    if (end - p >= 8 && json_eight_digits(p, &eight)) {
        v = v * 100000000 + eight;
        p += 8;
    }
    while (p < end && json_is_digit(*p))
        v = v * 10 + (uint64_t)(*p++ - '0');
    *digits = v;
    return p;
}

/* Reads the exponent behind 'e'; NULL when there is none. */
static inline const uint8_t *json_take_exponent(const uint8_t *p, const uint8_t *end, int64_t *ret)
{
    bool negative = p < end && *p == '-';
    int64_t v = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !json_is_digit(*p))
        return NULL;
    for (; p < end && json_is_digit(*p); p++) {
        if (v < INT32_MAX)
            v = v * 10 + (*p - '0');
    }
    *ret = negative ? -v : v;
    return p;
}

/* The number at p, which starts with '-' or a digit. Gives the position behind it. A failure is NULL with
 * *ret_bad at the first byte that may not stand there (or the end). */
static inline const uint8_t *json_scan_number(const uint8_t *p, const uint8_t *end, struct json_number *n,
                                              const uint8_t **ret_bad)
{
    const uint8_t *first;
    size_t count;

    n->start = p;
    n->is_negative = *p == '-';
    n->is_float = false;
    n->digits = 0;
    n->exponent = 0;
    p += n->is_negative;
    *ret_bad = p;
    if (UNLIKELY(p == end || !json_is_digit(*p)))
        return NULL;
    first = p;
    if (*p == '0')
        p++;
    else
        p = json_take_digits(p, end, &n->digits);
    count = (size_t)(p - first);
    if (p < end && *p == '.') {
        const uint8_t *fraction = ++p;

        p = json_take_digits(p, end, &n->digits);
        *ret_bad = p;
        if (UNLIKELY(p == fraction))
            return NULL;
        n->is_float = true;
        n->exponent = -(int64_t)(p - fraction);
        count += (size_t)(p - fraction);
    }
    n->is_exact = count <= 19;
    if (p < end && (*p | 0x20) == 'e') {
        const uint8_t *behind;
        int64_t e;

        behind = json_take_exponent(p + 1, end, &e);
        *ret_bad = p + 1;
        if (UNLIKELY(!behind)) {
            *ret_bad += p + 1 < end && (p[1] == '-' || p[1] == '+');
            return NULL;
        }
        p = behind;
        n->is_float = true;
        n->exponent += e;
    }
    return p;
}

#endif
