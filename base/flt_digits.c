/* The shortest digits of a double: Schubfach (Giulietti, The Schubfach way to render doubles, 2020). */
#include <stdbool.h>
#include <string.h>

#include "base/digits.h"
#include "base/flt_parts.h"
#include "base/pow10.h"

struct decimal {
    uint64_t digits;
    int exponent;
};

static inline int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* The high part of power * c, with its lowest bit set when anything was cut off ("round to odd"). */
static inline uint64_t scale(const uint64_t power[2], uint64_t c)
{
    unsigned __int128 x = (unsigned __int128)power[1] * c;
    unsigned __int128 y = (unsigned __int128)power[0] * c + (uint64_t)(x >> 64);

    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

/* c * 2^q, its neighbours half a gap away on each side; the lower gap is half as wide at a power of two. */
static struct decimal shortest(uint64_t c, int q, bool narrow_below)
{
    uint64_t power[2], below, here, above, s;
    uint64_t odd =
        c & 1; /* the ends of the interval belong to it when c is even, for reading rounds to even */
    int k = (q * 1262611 - (narrow_below ? 524031 : 0)) >> 22;
    int h = q + floor_log2_pow10(-k) + 1;
    bool low_fits, high_fits;

    memcpy(power, pow10_table[-k - POW10_FIRST], sizeof power);
    power[1] += -k < -27 || -k > 55; /* the table rounds these down */
    below = scale(power, (4 * c - 2 + narrow_below) << h) + odd;
    here = scale(power, (4 * c) << h);
    above = scale(power, (4 * c + 2) << h) - odd;
    s = here / 4;
    /* One digit fewer, if exactly one of the two candidates lies inside. */
    if (s >= 10) {
        uint64_t t = s / 10;

        low_fits = below <= 40 * t;
        high_fits = 40 * t + 40 <= above;
        if (low_fits != high_fits)
            return (struct decimal){t + high_fits, k + 1};
    }
    low_fits = below <= 4 * s;
    high_fits = 4 * s + 4 <= above;
    if (low_fits != high_fits)
        return (struct decimal){s + high_fits, k};
    /* Both do: the nearer one, the even one in the middle. */
    return (struct decimal){s + (here > 4 * s + 2 || (here == 4 * s + 2 && (s & 1))), k};
}

static struct decimal decimal_of(uint64_t bits)
{
    uint64_t fraction = bits & FLT_MANTISSA_MASK;
    int biased = (int)(bits >> FLT_MANTISSA_BITS);
    uint64_t c = fraction | (uint64_t)1 << FLT_MANTISSA_BITS;
    int q = biased - 1075;

    if (biased == 0)
        return shortest(fraction, -1074, false);
    /* An integer below 2^53 is its own shortest text. */
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0)
        return (struct decimal){c >> -q, 0};
    return shortest(c, q, fraction == 0 && biased > 1);
}

int flt_shortest(uint64_t bits, char digits[FLT_DIGITS_ROOM], int *ret_place)
{
    struct decimal d = decimal_of(bits);
    uint64_t rest, low, high;
    char all[8 + 16 + FLT_DIGITS_MAX];
    int first, last;

    /* Twenty-four places: 8, of which the last one is used, and 16. */
    rest = d.digits % 10000000000000000u;
    high = digits_of_eight((uint32_t)(rest / 100000000));
    low = digits_of_eight((uint32_t)(rest % 100000000));
    all[7] = (char)(d.digits / 10000000000000000u);
    if (all[7])
        first = 7;
    else
        first = high ? 8 + __builtin_ctzll(high) / 8 : 16 + __builtin_ctzll(low) / 8;
    last = low ? 23 - __builtin_clzll(low) / 8 : high ? 15 - __builtin_clzll(high) / 8 : 7;
    high |= 0x3030303030303030u;
    low |= 0x3030303030303030u;
    all[7] |= '0';
    memcpy(all + 8, &high, 8);
    memcpy(all + 16, &low, 8);
    memcpy(digits, all + first, FLT_DIGITS_MAX);
    *ret_place = d.exponent + 24 - first;
    return last - first + 1;
}
