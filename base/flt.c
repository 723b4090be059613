/* Reading, and the text around the digits. Which digits those are: flt_digits.c; hard cases of reading:
 * flt_exact.c. */
#include "base/flt.h"

#include "base/check.h"
#include "base/digits.h"
#include "base/flt_parts.h"
#include "base/pow10.h"

/* Eisel-Lemire (Lemire, Number Parsing at a Gigabyte per Second, 2021; no fall-back: Mushtak and Lemire,
 * 2022). Gives the bits of the double nearest to w * 10^q without its sign; FLT_INFINITY when there is none.
 */
static uint64_t nearest_bits(uint64_t w, int64_t q)
{
    const uint64_t *power;
    unsigned __int128 product;
    uint64_t high, low, mantissa;
    int leading, upper;
    int64_t exponent;

    if (w == 0 || q < POW10_FIRST)
        return 0;
    if (q > 308)
        return FLT_INFINITY;
    leading = __builtin_clzll(w);
    w <<= leading;
    power = pow10_table[q - POW10_FIRST];
    product = (unsigned __int128)w * power[0];
    high = (uint64_t)(product >> 64);
    low = (uint64_t)product;
    /* The lower half of the power only matters when the bits that decide the rounding are all ones. */
    if ((high & 0x1FF) == 0x1FF) {
        uint64_t more = (uint64_t)((unsigned __int128)w * power[1] >> 64);

        low += more;
        high += low < more;
    }
    upper = (int)(high >> 63);
    mantissa = high >> (upper + 64 - FLT_MANTISSA_BITS - 3);
    /* floor(log2(10^q)) is (217706 * q) >> 16. */
    exponent = (((152170 + 65536) * q) >> 16) + 63 + upper - leading + 1023;
    if (exponent <= 0) {
        if (exponent <= -63)
            return 0;
        mantissa >>= 1 - exponent;
        mantissa += mantissa & 1;
        /* A carry out of a subnormal's mantissa is the exponent of the smallest normal one: the sum is right.
         */
        return mantissa >> 1;
    }
    /* Exactly half-way, which only small powers can be: to even. */
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 &&
        mantissa << (upper + 64 - FLT_MANTISSA_BITS - 3) == high)
        mantissa &= ~(uint64_t)1;
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= (uint64_t)2 << FLT_MANTISSA_BITS) {
        mantissa = (uint64_t)1 << FLT_MANTISSA_BITS;
        exponent++;
    }
    if (exponent >= 0x7FF)
        return FLT_INFINITY;
    return (mantissa & FLT_MANTISSA_MASK) | (uint64_t)exponent << FLT_MANTISSA_BITS;
}

static bool finish(uint64_t bits, bool negative, double *ret)
{
    if (bits == FLT_INFINITY)
        return false;
    bits |= (uint64_t)negative << 63;
    memcpy(ret, &bits, 8);
    return true;
}

const double flt_exact_powers[FLT_EXACT_POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool flt_of_any_decimal(uint64_t digits, int64_t exponent, bool negative, double *ret)
{
    return finish(nearest_bits(digits, exponent), negative, ret);
}

static inline bool is_digit(uint8_t c)
{
    return (uint8_t)(c - '0') <= 9;
}

/* The exponent's own text; what no double could need is cut off long before it overflows. */
static int64_t read_exponent(const uint8_t *p, const uint8_t *end)
{
    bool negative = p < end && *p == '-';
    int64_t v = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end && is_digit(*p); p++) {
        if (v < INT64_MAX / 16)
            v = v * 10 + (*p - '0');
    }
    return negative ? -v : v;
}

bool flt_parse(struct slice text, double *ret)
{
    const uint8_t *p = text.ptr, *end = p + text.len;
    bool negative = text.len && *p == '-', after_point = false;
    struct flt_decimal d = {0};
    uint64_t bits;

    p += negative;
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.') {
            after_point = true;
            continue;
        }
        d.exponent -= after_point;
        if (d.count == 0 && *p == '0')
            continue;
        if (d.count == 0)
            d.first = p;
        if (d.count < FLT_WORD_DIGITS) {
            d.word = d.word * 10 + (uint64_t)(*p - '0');
            d.count++;
        } else {
            d.dropped++;
        }
        d.last = p;
    }
    if (p < end)
        d.exponent += read_exponent(p + 1, end);
    if (d.dropped == 0)
        return flt_of_decimal(d.word, d.exponent, negative, ret);
    /* The true value lies between these two; mostly both round to the same double. */
    bits = nearest_bits(d.word, d.exponent + (int64_t)d.dropped);
    if (bits != nearest_bits(d.word + 1, d.exponent + (int64_t)d.dropped))
        bits = flt_round_exactly(bits, &d);
    return finish(bits, negative, ret);
}

/* ---- Printing ---- */

static char *put_zeros(char *p, int n)
{
    while (n-- > 0)
        *p++ = '0';
    return p;
}

static char *put_exponent(char *p, int e)
{
    *p++ = 'e';
    if (e < 0) {
        *p++ = '-';
        e = -e;
    }
    if (e >= 100)
        *p++ = (char)('0' + e / 100);
    if (e >= 10)
        *p++ = (char)('0' + e / 10 % 10);
    *p++ = (char)('0' + e % 10);
    return p;
}

static char *put_scientific(char *p, const char *digits, int n, int e)
{
    *p++ = digits[0];
    *p++ = '.';
    memcpy(p, digits + 1, FLT_DIGITS_MAX - 1);
    p += n - 1;
    if (n == 1)
        *p++ = '0';
    return put_exponent(p, e);
}

/* What "e…" and, where it is missing, ".0" would add to the digits: the price that a plain notation must not
 * pass. */
static int scientific_cost(int n, int e)
{
    int magnitude = e < 0 ? -e : e;

    return 1 + (e < 0) + 1 + (magnitude >= 10) + (magnitude >= 100) + (n == 1 ? 2 : 1);
}

/* n digits whose point stands after the first `place` of them (place may lie outside). Copies are of one
 * size, which costs less than to ask how many bytes are needed. */
static char *put_notation(char *p, const char *digits, int n, int place, bool is_large)
{
    if (is_large)
        return put_scientific(p, digits, n, place - 1);
    if (place > 0 && place < n) {
        memcpy(p, digits, FLT_DIGITS_MAX);
        p[place] = '.';
        memcpy(p + place + 1, digits + place, FLT_DIGITS_MAX - 1);
        return p + n + 1;
    }
    if (place <= 0) {
        if (2 - place > scientific_cost(n, place - 1))
            return put_scientific(p, digits, n, place - 1);
        *p++ = '0';
        *p++ = '.';
        p = put_zeros(p, -place);
        memcpy(p, digits, FLT_DIGITS_MAX);
        return p + n;
    }
    if (place - n + 2 > scientific_cost(n, place - 1))
        return put_scientific(p, digits, n, place - 1);
    memcpy(p, digits, FLT_DIGITS_MAX);
    p = put_zeros(p + n, place - n);
    *p++ = '.';
    *p++ = '0';
    return p;
}

/*
 * What people write: from 0.001 to 10^8, at most six digits behind the point. If v * 10^6 is near an integer
 * that, divided by 10^6, gives v again, then that decimal is the shortest: no two decimals of up to 15 digits
 * are the same double. NULL: not so, or perhaps not in plain notation.
 */
static char *print_plain(double v, char *p)
{
    uint64_t n, high;
    uint32_t whole, fraction;

    if (FLT_EVAL_METHOD != 0 || !(v >= 1e-3 && v < 1e8))
        return NULL;
    n = (uint64_t)(int64_t)(v * 1e6 + 0.5);
    if ((double)(int64_t)n / 1e6 != v)
        return NULL;
    whole = (uint32_t)(n / 1000000);
    fraction = (uint32_t)(n % 1000000);
    if (UNLIKELY(fraction == 0 && whole % 10 == 0))
        return NULL;
    p = (char *)digits_put_eight((uint8_t *)p, whole);
    *p++ = '.';
    high = digits_of_eight(fraction * 100);
    digits_store((uint8_t *)p, high);
    return p + 8 - __builtin_clzll(high | 1) / 8;
}

/* The rest: whatever it is. bits: without the sign. */
static __attribute__((noinline)) char *print_any(uint64_t bits, char *p)
{
    char digits[FLT_DIGITS_ROOM];
    int n, place;

    CHECK(bits < FLT_INFINITY);
    if (bits == 0) {
        memcpy(p, "0.0", 3);
        return p + 3;
    }
    n = flt_shortest(bits, digits, &place);
    /* From 2^53 on the plain notation would promise digits that the number does not have. */
    return put_notation(p, digits, n, place, bits >= (uint64_t)(1023 + 53) << FLT_MANTISSA_BITS);
}

size_t flt_print(double v, char out[FLT_TEXT_MAX])
{
    char *p = out, *behind;
    uint64_t bits;

    memcpy(&bits, &v, 8);
    *p = '-';
    p += bits >> 63;
    bits &= ~((uint64_t)1 << 63);
    behind = print_plain(__builtin_fabs(v), p);
    if (UNLIKELY(!behind))
        behind = print_any(bits, p);
    return (size_t)(behind - out);
}
