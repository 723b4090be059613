/* digits: unsigned integers as decimal digits, both ways, eight at a time and without a branch for how many
 * there are. */
#ifndef ERLGATE_BASE_DIGITS_H
#define ERLGATE_BASE_DIGITS_H

#include "base/be.h"
#include "base/check.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    DIGITS_ROOM = 24,
    DIGITS_BLOCK = 16, /* bytes that digits_others looks at */
};

/* ---- Reading ---- */

/* Before the first of the eight bytes that is no digit, of those that `looked_at` has the high bit of. */
static ALWAYS_INLINE unsigned digits_until(uint64_t x, uint64_t looked_at)
{
    uint64_t v = x ^ 0x3030303030303030u;
    /* A carry may mark bytes above a marked one, never below: the first is right. */
    uint64_t others = ((v + 0x7676767676767676u) | v) & looked_at;

    return others ? (unsigned)__builtin_ctzll(others) / 8 : 8;
}

/* How many of the eight bytes are digits, counted from the first up to one that is none. */
static inline unsigned digits_count(uint64_t x)
{
    return digits_until(x, 0x8080808080808080u);
}

/* The same where the first byte is a digit or a sign, and is counted either way. (Another one could carry
 * into the next.) */
static inline unsigned digits_run(uint64_t x)
{
    return digits_until(x, 0x8080808080808000u);
}

/* The value of the first n (1 to 8) of the eight bytes, which are digits. */
static inline uint32_t digits_value(uint64_t x, unsigned n)
{
    x <<= 64 - 8 * n; /* as if zeroes stood before them */
    x = (x & 0x0F0F0F0F0F0F0F0Fu) * 2561 >> 8;
    x = (x & 0x00FF00FF00FF00FFu) * 6553601 >> 16;
    return (uint32_t)((x & 0x0000FFFF0000FFFFu) * 42949672960001 >> 32);
}

/* Of the DIGITS_BLOCK bytes at p, those that are no digits: a bit each, the first one lowest. */
static inline unsigned digits_others(const uint8_t *p)
{
#ifdef __SSE2__
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
    /* Signed comparison: '0' goes to the least of all. */
    __m128i v = _mm_sub_epi8(x, _mm_set1_epi8((char)('0' - 128)));

    return (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_set1_epi8(-128 + 9)));
#else
    unsigned others = 0;

    for (unsigned i = 0; i < DIGITS_BLOCK; i += 8) {
        uint64_t v = le_load64(p + i) ^ 0x3030303030303030u;

        v = (((v & 0x7F7F7F7F7F7F7F7Fu) + 0x7676767676767676u) | v) & 0x8080808080808080u;
        others |= (unsigned)((v >> 7) * 0x0102040810204080u >> 56) << i;
    }
    return others;
#endif
}

/* Ten to the n-th, n up to 16. */
static const uint64_t digits_powers[] = {1,
                                         10,
                                         100,
                                         1000,
                                         10000,
                                         100000,
                                         1000000,
                                         10000000,
                                         100000000,
                                         1000000000,
                                         10000000000,
                                         100000000000,
                                         1000000000000,
                                         10000000000000,
                                         100000000000000,
                                         1000000000000000,
                                         10000000000000000};

/* ---- Writing ---- */

/* The eight digits of v < 10^8 as eight bytes of 0 to 9, the first one lowest; all at once. */
static ALWAYS_INLINE uint64_t digits_of_eight(uint32_t v)
{
    uint64_t x = v / 10000 | (uint64_t)(v % 10000) << 32;
    uint64_t q = ((x * 10486) >> 20) & 0x0000007F0000007Fu; /* by 100 */

    x = q | (x - 100 * q) << 16;
    q = ((x * 103) >> 10) & 0x000F000F000F000Fu; /* by 10 */
    return q | (x - 10 * q) << 8;
}

/* Eight bytes as digits_of_eight gives them, as characters. */
static inline void digits_store(uint8_t *o, uint64_t digits)
{
    le_store64(o, digits | 0x3030303030303030u);
}

/* As digits_put, for v < 10^8. */
static ALWAYS_INLINE uint8_t *digits_put_eight(uint8_t *o, uint32_t v)
{
    uint64_t x = digits_of_eight(v);
    unsigned zeros = (unsigned)__builtin_ctzll(x | (uint64_t)1 << 56) / 8;

    digits_store(o, x >> 8 * zeros);
    return o + 8 - zeros;
}

/* As digits_put, for the rest. */
static inline uint8_t *digits_put_long(uint8_t *o, uint64_t v)
{
    uint64_t high = v / 100000000;

    if (LIKELY(high < 100000000)) {
        o = digits_put_eight(o, (uint32_t)high);
    } else {
        o = digits_put_eight(o, (uint32_t)(high / 100000000));
        digits_store(o, digits_of_eight((uint32_t)(high % 100000000)));
        o += 8;
    }
    digits_store(o, digits_of_eight((uint32_t)(v % 100000000)));
    return o + 8;
}

/* The digits of v at o, of which DIGITS_ROOM bytes are there. Gives the position behind them. */
static ALWAYS_INLINE uint8_t *digits_put(uint8_t *o, uint64_t v)
{
    return LIKELY(v < 100000000) ? digits_put_eight(o, (uint32_t)v) : digits_put_long(o, v);
}

#endif
