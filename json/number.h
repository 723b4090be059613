/*
 * number: the numbers of JSON, taken apart while they are scanned.
 *
 * Digits are looked at eight at a time, and how many of the eight there are costs no branch: that numbers are
 * of all lengths is what makes loops over them slow. Near the end of the text, and for what is longer, there
 * is the plain way, which is the grammar's as it stands.
 */
#ifndef ERLGATE_JSON_NUMBER_H
#define ERLGATE_JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/digits.h"

enum {
    JSON_NUMBER_AHEAD = 32, /* bytes behind a number's first that the quick way may look at */
    JSON_WORD_DIGITS = 19,  /* that many always fit 64 bits */
};

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

static inline const uint8_t *json_take_digits(const uint8_t *p, const uint8_t *end, uint64_t *digits)
{
    uint64_t v = *digits;

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

/* As json_scan_number, a digit at a time. */
static inline const uint8_t *json_scan_number_plainly(const uint8_t *p, const uint8_t *end,
                                                      struct json_number *n, const uint8_t **ret_bad)
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
    n->is_exact = count <= JSON_WORD_DIGITS;
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

/* The value of the n digits at p, 1 to 16 of them; 16 bytes can be read there. */
static ALWAYS_INLINE uint64_t json_digits_value(const uint8_t *p, unsigned n)
{
    if (LIKELY(n <= 8))
        return digits_value(le_load64(p), n);
    return digits_value(le_load64(p), 8) * digits_powers[n - 8] + digits_value(le_load64(p + 8), n - 8);
}

/*
 * What nearly all numbers are: at most 15 digits before a point, 15 behind it, 19 in all, and no exponent.
 * NULL: not that, or too near the end, or wrong; the plain way can tell.
 *
 * Where the next token begins is known from one look at where the digits end, sign and point or not; what
 * they are worth nobody has to wait for.
 */
static ALWAYS_INLINE const uint8_t *json_scan_number_quickly(const uint8_t *p, const uint8_t *end,
                                                             struct json_number *n)
{
    unsigned others, whole, sign;

    if (UNLIKELY(end - p <= JSON_NUMBER_AHEAD))
        return NULL;
    sign = *p == '-';
    /* The first byte is a digit or the sign. */
    others = digits_others(p) & ~1u;
    whole = (unsigned)__builtin_ctz(others | 1u << DIGITS_BLOCK);
    n->start = p;
    n->is_negative = sign;
    n->is_float = false;
    n->is_exact = true;
    n->exponent = 0;
    if (UNLIKELY(whole == sign || whole == DIGITS_BLOCK || (p[sign] == '0' && whole > sign + 1)))
        return NULL;
    n->digits = json_digits_value(p + sign, whole - sign);
    p += whole;
    if (*p == '.') {
        unsigned count;

        others &= others - 1;
        p++;
        count = LIKELY(others) ? (unsigned)__builtin_ctz(others) - whole - 1
                               : (unsigned)__builtin_ctz(digits_others(p) | 1u << DIGITS_BLOCK);
        if (UNLIKELY(count - 1 >= DIGITS_BLOCK - 1 || whole - sign + count > JSON_WORD_DIGITS))
            return NULL;
        n->digits = n->digits * digits_powers[count] + json_digits_value(p, count);
        n->exponent = -(int64_t)count;
        n->is_float = true;
        p += count;
    }
    return LIKELY((*p | 0x20) != 'e') ? p : NULL;
}

/* The number at p, which starts with '-' or a digit. Gives the position behind it. A failure is NULL with
 * *ret_bad at the first byte that may not stand there (or the end). */
static ALWAYS_INLINE const uint8_t *json_scan_number(const uint8_t *p, const uint8_t *end,
                                                     struct json_number *n, const uint8_t **ret_bad)
{
    const uint8_t *behind = json_scan_number_quickly(p, end, n);

    return LIKELY(behind) ? behind : json_scan_number_plainly(p, end, n, ret_bad);
}

#endif
