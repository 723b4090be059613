#include "etf/integer.h"

#include "base/check.h"
#include "base/mem.h"

/* Ten to the 19th is the largest power of ten in 64 bits. */
enum { CHUNK_DIGITS = 19 };
static const uint64_t chunk_base = 10000000000000000000u;

enum { INLINE_WORDS = 64 };

/*
 * limbs[0..n) /= chunk_base in place; gives the remainder. The divisor has its top bit set, so that a
 * quotient is had by one multiplication with its reciprocal and two corrections (Moeller and Granlund,
 * "Improved division by invariant integers", algorithm 4): several times faster than the compiler's division
 * of 128 bits.
 */
static uint64_t divide_by_chunk(uint64_t *limbs, size_t n)
{
    const uint64_t reciprocal = (uint64_t)(~(unsigned __int128)0 / chunk_base); /* less 2^64 */
    uint64_t rest = 0;

    for (size_t i = n; i > 0; i--) {
        unsigned __int128 q = (unsigned __int128)reciprocal * rest;
        uint64_t high, low = limbs[i - 1];

        q += (unsigned __int128)rest << 64 | low;
        high = (uint64_t)(q >> 64) + 1;
        rest = low - high * chunk_base;
        if (rest > (uint64_t)q) {
            high--;
            rest += chunk_base;
        }
        if (UNLIKELY(rest >= chunk_base)) {
            high++;
            rest -= chunk_base;
        }
        limbs[i - 1] = high;
    }
    return rest;
}

/* The decimal digits of v right before end; at least `pad` of them. */
static uint8_t *digits_before(uint8_t *end, uint64_t v, int pad)
{
    for (; v || pad > 0; v /= 10, pad--)
        *--end = (uint8_t)('0' + v % 10);
    return end;
}

bool etf_integer_affords(uint64_t *budget, struct slice magnitude)
{
    uint64_t words = magnitude.len / 8 + 1;

    if (magnitude.len > ETF_INTEGER_MAX_BYTES || words * words > *budget)
        return false;
    *budget -= words * words;
    return true;
}

enum err etf_integer_print(struct wr *w, bool negative, struct slice magnitude)
{
    struct slice m = slice_of(magnitude.ptr, magnitude.len);
    uint64_t inline_limbs[INLINE_WORDS], *limbs = inline_limbs;
    size_t n, room;
    uint8_t *p, *out;
    enum err e = ERR_NONE;

    while (m.len && m.ptr[m.len - 1] == 0)
        m.len--;
    if (m.len > ETF_INTEGER_MAX_BYTES)
        return ERR_TOO_LARGE;
    n = (m.len + 7) / 8;
    if (n > INLINE_WORDS && !(limbs = mem_realloc_array(NULL, n, sizeof *limbs)))
        return ERR_NOMEM;
    memset(limbs, 0, n * sizeof *limbs);
    for (size_t i = 0; i < m.len; i++)
        limbs[i / 8] |= (uint64_t)m.ptr[i] << 8 * (i % 8);

    /* 64 bits are 19.27 digits; the digits come last ones first, so they are made at the end of the room and
     * moved. */
    room = n * 20 + 2;
    out = mem_alloc(room);
    if (!out) {
        e = ERR_NOMEM;
        goto out;
    }
    p = out + room;
    while (n > 1 || (n == 1 && limbs[0] >= chunk_base)) {
        p = digits_before(p, divide_by_chunk(limbs, n), CHUNK_DIGITS);
        while (n && limbs[n - 1] == 0)
            n--;
    }
    p = digits_before(p, n ? limbs[0] : 0, 1);
    if (negative && m.len)
        *--p = '-';
    wr_bytes(w, p, (size_t)(out + room - p));
    e = w->err;
    mem_free(out);
out:
    if (limbs != inline_limbs)
        mem_free(limbs);
    return e;
}

static unsigned digit_value(uint8_t c)
{
    return c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10;
}

/* limbs[0..n) = limbs * factor + add; gives the new length. */
static size_t multiply_add(uint64_t *limbs, size_t n, uint64_t factor, uint64_t add)
{
    unsigned __int128 carry = add;

    for (size_t i = 0; i < n; i++) {
        carry += (unsigned __int128)limbs[i] * factor;
        limbs[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry)
        limbs[n++] = (uint64_t)carry;
    return n;
}

enum err etf_integer_parse(struct wr *w, bool negative, struct slice digits, unsigned base)
{
    uint64_t inline_limbs[INLINE_WORDS], *limbs = inline_limbs;
    unsigned bits_a_digit = 1;
    size_t n = 0, cap, i = 0;
    enum err e;

    CHECK(digits.len > 0 && base >= 2 && base <= 36);
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = slice_of(digits.ptr + 1, digits.len - 1);
    while (1u << bits_a_digit < base)
        bits_a_digit++;
    /* A digit is worth more than bits_a_digit - 1 bits: too many of them are known before any is converted.
     */
    if (digits.len - 1 > (size_t)ETF_INTEGER_MAX_BYTES * 8 / (bits_a_digit > 1 ? bits_a_digit - 1 : 1))
        return ERR_TOO_LARGE;
    cap = digits.len * bits_a_digit / 64 + 1;
    if (cap > INLINE_WORDS && !(limbs = mem_realloc_array(NULL, cap, sizeof *limbs)))
        return ERR_NOMEM;
    while (i < digits.len) {
        uint64_t factor = 1, chunk = 0;

        for (; i < digits.len && factor <= UINT64_MAX / base; i++) {
            chunk = chunk * base + digit_value(digits.ptr[i]);
            factor *= base;
        }
        n = multiply_add(limbs, n, factor, chunk);
        CHECK(n <= cap);
    }
    if (n > ETF_INTEGER_MAX_BYTES / 8) {
        e = ERR_TOO_LARGE;
        goto out;
    }
    for (i = 0; i < n; i++)
        limbs[i] = LE_SWAP(64, limbs[i]);
    etf_write_big(w, negative, slice_of((const uint8_t *)limbs, n * sizeof *limbs));
    e = w->err;
out:
    if (limbs != inline_limbs)
        mem_free(limbs);
    return e;
}
