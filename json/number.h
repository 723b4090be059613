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

/*
 * What nearly all numbers are: at most 15 digits, or 8 before a point and 15 behind it, and no exponent.
 * NULL: not that, or too near the end, or wrong; the plain way can tell.
 */
static ALWAYS_INLINE const uint8_t *json_scan_number_quickly(const uint8_t *p, const uint8_t *end,
                                                             struct json_number *n)
{
    unsigned count, whole;
    uint64_t x;

    if (UNLIKELY(end - p <= JSON_NUMBER_AHEAD))
        return NULL;
    n->start = p;
    n->is_negative = *p == '-';
    p += n->is_negative;
    x = le_load64(p);
    count = digits_count(x);
    if (UNLIKELY(count == 0 || ((x & 0xFF) == '0' && count > 1)))
        return NULL;
    n->digits = digits_value(x, count);
    n->exponent = 0;
    n->is_float = false;
    n->is_exact = true;
    p += count;
    if (count == 8) {
        x = le_load64(p);
        count = digits_count(x);
        if (UNLIKELY(count == 8))
            return NULL;
        if (count) {
            n->digits = n->digits * digits_powers[count] + digits_value(x, count);
            p += count;
        }
    }
    if (*p == '.') {
        whole = (unsigned)(p - n->start);
        x = le_load64(++p);
        count = digits_count(x);
        if (UNLIKELY(count == 0 || whole + count > JSON_WORD_DIGITS))
            return NULL;
        n->digits = n->digits * digits_powers[count] + digits_value(x, count);
        n->exponent = -(int64_t)count;
        n->is_float = true;
        p += count;
        if (count == 8) {
            x = le_load64(p);
            count = digits_count(x);
            if (UNLIKELY(count == 8 || whole + 8 + count > JSON_WORD_DIGITS))
                return NULL;
            if (count) {
                n->digits = n->digits * digits_powers[count] + digits_value(x, count);
                n->exponent -= count;
                p += count;
            }
        }
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
