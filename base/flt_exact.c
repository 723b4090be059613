/* The last resort of reading a double: both sides of the question as big integers, compared. */
#include "base/check.h"
#include "base/flt_parts.h"

enum {
    /* No point half-way between two doubles has more significant digits; behind these only "zero or not"
       counts. */
    DIGITS_THAT_COUNT = 770,
    /* 770 digits, or 5^1114 and a mantissa, and the power of two between the sides: under 4,700 bits. */
    WORDS = 96,
};

struct big {
    uint64_t w[WORDS]; /* little-endian */
    size_t n;
};

static void big_mul_add(struct big *b, uint64_t factor, uint64_t add)
{
    uint64_t carry = add;

    for (size_t i = 0; i < b->n; i++) {
        unsigned __int128 v = (unsigned __int128)b->w[i] * factor + carry;

        b->w[i] = (uint64_t)v;
        carry = (uint64_t)(v >> 64);
    }
    if (carry) {
        CHECK(b->n < WORDS);
        b->w[b->n++] = carry;
    }
}

static void big_mul_pow5(struct big *b, uint64_t exponent)
{
    const uint64_t five_27 = 7450580596923828125u;

    for (; exponent >= 27; exponent -= 27)
        big_mul_add(b, five_27, 0);
    for (; exponent > 0; exponent--)
        big_mul_add(b, 5, 0);
}

static void big_shift(struct big *b, uint64_t bits)
{
    size_t words = bits / 64;

    big_mul_add(b, (uint64_t)1 << bits % 64, 0);
    CHECK(b->n + words <= WORDS);
    for (size_t i = b->n; i-- > 0;)
        b->w[i + words] = b->w[i];
    for (size_t i = 0; i < words; i++)
        b->w[i] = 0;
    b->n += words;
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = a->n; i-- > 0;) {
        if (a->w[i] != b->w[i])
            return a->w[i] < b->w[i] ? -1 : 1;
    }
    return 0;
}

/* All digits that count, and the exponent of ten of the last of them. */
static int64_t read_digits(const struct flt_decimal *d, struct big *b)
{
    size_t taken = 0, total = d->count + d->dropped;

    for (const uint8_t *p = d->first; p <= d->last && taken < DIGITS_THAT_COUNT; p++) {
        if (*p != '.') {
            big_mul_add(b, 10, (uint64_t)(*p - '0'));
            taken++;
        }
    }
    if (taken == total)
        return d->exponent;
    for (const uint8_t *p = d->last; *p == '0' || *p == '.'; p--)
        total -= *p != '.';
    if (total > taken)
        big_mul_add(b, 10, 1);
    else
        big_mul_add(b, 10, 0);
    return d->exponent + (int64_t)(d->count + d->dropped - taken) - 1;
}

uint64_t flt_round_exactly(uint64_t low, const struct flt_decimal *d)
{
    struct big value = {.n = 0}, middle = {.n = 1};
    uint64_t biased = low >> FLT_MANTISSA_BITS;
    uint64_t mantissa = (low & FLT_MANTISSA_MASK) | (uint64_t)(biased != 0) << FLT_MANTISSA_BITS;
    int64_t power2 = (int64_t)(biased ? biased : 1) - 1075 - 1, power10;
    int c;

    /* Is value * 10^power10 above or below (2 * mantissa + 1) * 2^power2? */
    power10 = read_digits(d, &value);
    middle.w[0] = 2 * mantissa + 1;
    big_mul_pow5(power10 >= 0 ? &value : &middle, (uint64_t)(power10 >= 0 ? power10 : -power10));
    power2 -= power10;
    big_shift(power2 >= 0 ? &middle : &value, (uint64_t)(power2 >= 0 ? power2 : -power2));
    c = big_compare(&value, &middle);
    return low + (c > 0 || (c == 0 && (low & 1)));
}
