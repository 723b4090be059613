#include "base/flt.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* The digits and the place of the point before which they stand: 0.digits * 10^place. */
static size_t shortest_digits(double v, char digits[24], int *ret_place)
{
    char text[40];
    size_t n = 0;
    int exponent;

    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    for (char *p = text; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    }
    exponent = atoi(strchr(text, 'e') + 1);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *ret_place = exponent + 1;
    return n;
}

size_t flt_print(double v, char out[FLT_TEXT_MAX])
{
    char digits[24], exponent[8];
    char *p = out;
    size_t n;
    int place, exponent_len, len;
    uint64_t bits;
    bool decimal;

    memcpy(&bits, &v, 8);
    if (bits >> 63)
        *p++ = '-';
    v = bits >> 63 ? -v : v;
    if (v == 0) {
        memcpy(p, "0.0", 3);
        return (size_t)(p + 3 - out);
    }
    n = shortest_digits(v, digits, &place);
    len = (int)n;
    exponent_len = snprintf(exponent, sizeof exponent, "%d", place - 1);
    if (v >= 9007199254740992.0)
        decimal = false;
    else if (place > 0)
        decimal = place < len || place - len + 2 <= exponent_len + 1 + (len == 1 ? 2 : 1);
    else
        decimal = 2 - place <= exponent_len + 1 + (len == 1 ? 2 : 1);
    if (!decimal) {
        *p++ = digits[0];
        *p++ = '.';
        if (n == 1)
            *p++ = '0';
        memcpy(p, digits + 1, n - 1);
        p += n - 1;
        *p++ = 'e';
        memcpy(p, exponent, (size_t)exponent_len);
        p += exponent_len;
    } else if (place <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = place; i < 0; i++)
            *p++ = '0';
        memcpy(p, digits, n);
        p += n;
    } else {
        for (int i = 0; i < place || i < len; i++) {
            if (i == place)
                *p++ = '.';
            *p++ = i < len ? digits[i] : '0';
        }
        if (place >= len) {
            *p++ = '.';
            *p++ = '0';
        }
    }
    CHECK(p - out <= FLT_TEXT_MAX);
    return (size_t)(p - out);
}

bool flt_parse(struct slice text, double *ret)
{
    char small[64];
    char *copy = text.len < sizeof small ? small : malloc(text.len + 1);
    double v;

    if (!copy)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    v = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    if (v - v != 0)
        return false;
    *ret = v;
    return true;
}
