/*
 * lex_number: integers and floats of Erlang's syntax, with a base, underscores and an exponent.
 */
#include <math.h>

#include "base/flt.h"
#include "etf/lex.h"

enum { DECIMAL = 10, MAX_BASE = 36 };

static int digit_value(int c)
{
    if (etf_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : MAX_BASE;
}

static enum err too_many_digits(struct etf_lex *l, size_t at)
{
    return fault_set(l->fault, ERR_TOO_LARGE, at, "a number of more digits than allowed");
}

/*
 * Digits with single underscores between them. They stay in the input unless there is an underscore; then
 * they are copied to scratch.
 */
static enum err take_digits(struct etf_lex *l, unsigned base, uint32_t max, struct etf_lex_text *ret)
{
    size_t at = rd_offset(&l->r);
    bool has_underscores = false;
    const uint8_t *start = l->r.pos;

    for (;;) {
        if (etf_lex_peek(l, 0) < 0 || digit_value(etf_lex_peek(l, 0)) >= (int)base)
            return etf_lex_fail(l, rd_offset(&l->r), "expected a digit");
        while (etf_lex_peek(l, 0) >= 0 && digit_value(etf_lex_peek(l, 0)) < (int)base)
            l->r.pos++;
        if (etf_lex_peek(l, 0) != '_')
            break;
        has_underscores = true;
        l->r.pos++;
    }
    *ret = (struct etf_lex_text){.at = at, .len = (size_t)(l->r.pos - start)};
    if (has_underscores) {
        *ret = (struct etf_lex_text){.at = l->scratch->len, .in_scratch = true};
        for (const uint8_t *p = start; p < l->r.pos; p++) {
            if (*p != '_')
                wr_u8(l->scratch, *p);
        }
        if (!wr_ok(l->scratch))
            return fault_set(l->fault, l->scratch->err, at, "");
        ret->len = l->scratch->len - ret->at;
    }
    return ret->len > max ? too_many_digits(l, at) : ERR_NONE;
}

/* Without zeroes at the front, but never without a digit. */
static struct slice significant(struct slice digits)
{
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = slice_of(digits.ptr + 1, digits.len - 1);
    return digits;
}

/* False when it does not fit. */
static bool small_value(struct slice digits, unsigned base, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (__builtin_mul_overflow(*ret, base, ret) ||
            __builtin_add_overflow(*ret, (unsigned)digit_value(digits.ptr[i]), ret))
            return false;
    }
    return true;
}

/* The exponent's sign and digits; what is too large for any float is as good as a million. */
static enum err take_exponent(struct etf_lex *l, uint32_t max_digits, int *ret)
{
    bool negative = etf_lex_peek(l, 0) == '-';
    struct etf_lex_text text;
    uint64_t v;
    enum err e;

    if (etf_lex_peek(l, 0) == '-' || etf_lex_peek(l, 0) == '+')
        l->r.pos++;
    e = take_digits(l, DECIMAL, max_digits, &text);
    if (e != ERR_NONE)
        return e;
    if (!small_value(significant(etf_lex_slice(l, text)), DECIMAL, &v) || v > 1000000)
        v = 1000000;
    *ret = negative ? -(int)v : (int)v;
    return ERR_NONE;
}

static enum err float_result(struct etf_lex *l, size_t at, bool fits, struct etf_number *ret)
{
    if (!fits)
        return fault_set(l->fault, ERR_MALFORMED, at, "a float that is too large");
    ret->is_float = true;
    return ERR_NONE;
}

static enum err decimal_float(struct etf_lex *l, size_t at, struct etf_lex_text whole,
                              struct etf_lex_text fraction, int exponent, struct etf_number *ret)
{
    size_t start = l->scratch->len, n = whole.len + fraction.len + 16;
    bool fits;

    /* Room first: the slices must not move while they are copied. */
    if (!wr_room(l->scratch, n))
        return fault_set(l->fault, l->scratch->err, at, "");
    wr_slice(l->scratch, significant(etf_lex_slice(l, whole)));
    wr_u8(l->scratch, '.');
    wr_slice(l->scratch, etf_lex_slice(l, fraction));
    if (exponent)
        wr_printf(l->scratch, "e%d", exponent);
    fits =
        wr_ok(l->scratch) && flt_parse(slice_of(l->scratch->buf + start, l->scratch->len - start), &ret->f);
    if (!wr_ok(l->scratch))
        return fault_set(l->fault, l->scratch->err, at, "");
    l->scratch->len = start;
    return float_result(l, at, fits, ret);
}

/* A base that is a power of two: digits are bits, and what lies beyond those that count is one sticky bit. */
static enum err binary_float(struct etf_lex *l, size_t at, struct etf_lex_text whole,
                             struct etf_lex_text fraction, int64_t exponent, struct etf_number *ret)
{
    int bits_a_digit = __builtin_ctz(ret->base);
    const struct slice parts[] = {etf_lex_slice(l, whole), etf_lex_slice(l, fraction)};
    uint64_t mantissa = 0;
    int64_t scale = 0;

    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < parts[k].len; i++) {
            uint64_t digit = (uint64_t)digit_value(parts[k].ptr[i]);

            if (mantissa >> 57 == 0) {
                mantissa = mantissa << bits_a_digit | digit;
                scale -= k == 1 ? bits_a_digit : 0;
            } else {
                mantissa |= digit != 0;
                scale += k == 0 ? bits_a_digit : 0;
            }
        }
    }
    scale += exponent * bits_a_digit;
    if (scale > 100000)
        scale = 100000;
    if (scale < -100000)
        scale = -100000;
    ret->f = ldexp((double)mantissa, (int)scale);
    return float_result(l, at, isfinite(ret->f), ret);
}

/* At the point. EEP 75 for other bases than ten: 16#A.8#e2. */
static enum err take_fraction(struct etf_lex *l, size_t at, struct etf_lex_text whole, uint32_t max_digits,
                              struct etf_number *ret)
{
    struct etf_lex_text fraction;
    int c, exponent = 0;
    enum err e;

    rd_skip(&l->r, 1);
    e = take_digits(l, ret->base, max_digits, &fraction);
    if (e != ERR_NONE)
        return e;
    if (whole.len + fraction.len > max_digits)
        return too_many_digits(l, at);
    c = etf_lex_peek(l, 0);
    if (ret->base == DECIMAL ? c == 'e' || c == 'E' : c == '#') {
        rd_skip(&l->r, 1);
        if (ret->base != DECIMAL && !etf_lex_take(l, "e") && !etf_lex_take(l, "E"))
            return etf_lex_fail(l, rd_offset(&l->r), "expected an exponent");
        e = take_exponent(l, max_digits, &exponent);
        if (e != ERR_NONE)
            return e;
    }
    if (ret->base == DECIMAL)
        return decimal_float(l, at, whole, fraction, exponent, ret);
    if (ret->base & (ret->base - 1))
        return fault_set(l->fault, ERR_UNSUPPORTED, at, "floats are read in base 10, 2, 4, 8, 16 and 32");
    return binary_float(l, at, whole, fraction, exponent, ret);
}

enum err etf_lex_number(struct etf_lex *l, uint32_t max_digits, struct etf_number *ret)
{
    size_t at = rd_offset(&l->r);
    struct etf_lex_text digits;
    enum err e;

    *ret = (struct etf_number){.base = DECIMAL};
    e = take_digits(l, DECIMAL, max_digits, &digits);
    if (e != ERR_NONE)
        return e;
    if (etf_lex_take(l, "#")) {
        uint64_t base;

        if (!small_value(significant(etf_lex_slice(l, digits)), DECIMAL, &base) || base < 2 ||
            base > MAX_BASE)
            return fault_set(l->fault, ERR_MALFORMED, at, "the base of a number is 2 to 36");
        ret->base = (unsigned)base;
        e = take_digits(l, ret->base, max_digits, &digits);
        if (e != ERR_NONE)
            return e;
    }
    if (etf_lex_peek(l, 0) == '.' && etf_lex_peek(l, 1) >= 0 &&
        digit_value(etf_lex_peek(l, 1)) < (int)ret->base) {
        e = take_fraction(l, at, digits, max_digits, ret);
        if (e != ERR_NONE)
            return e;
    } else {
        ret->digits = digits;
        ret->fits = small_value(significant(etf_lex_slice(l, digits)), ret->base, &ret->small);
    }
    if (etf_lex_name_char(l))
        return etf_lex_fail(l, rd_offset(&l->r), "expected the number to end here");
    return ERR_NONE;
}
