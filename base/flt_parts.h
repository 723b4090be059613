/*
 * flt_parts: what the three files of base/flt share. Not for others: they use base/flt.h.
 */
#ifndef ERLGATE_BASE_FLT_PARTS_H
#define ERLGATE_BASE_FLT_PARTS_H

#include <stddef.h>
#include <stdint.h>

enum {
    FLT_MANTISSA_BITS = 52,
    FLT_WORD_DIGITS = 19, /* that many always fit 64 bits */
    FLT_DIGITS_MAX = 17,  /* the shortest text never needs more */
    FLT_DIGITS_ROOM = 2 * FLT_DIGITS_MAX,
};

#define FLT_MANTISSA_MASK (((uint64_t)1 << FLT_MANTISSA_BITS) - 1)
#define FLT_INFINITY      ((uint64_t)0x7FF << FLT_MANTISSA_BITS)

/* A decimal that is longer than a word: its first digits as a number, and where all of them stand. */
struct flt_decimal {
    uint64_t word;    /* the first FLT_WORD_DIGITS significant digits */
    unsigned count;   /* how many digits word has */
    size_t dropped;   /* how many more there are */
    int64_t exponent; /* of ten, for the last digit of all */
    const uint8_t *first,
        *last; /* borrowed: first significant digit, last digit; a point may stand between */
};

/* low: the bits of the double below or at d (sign left out), the next one being the only other candidate.
 * Gives the bits of the nearer one, of the even one in the middle. */
uint64_t flt_round_exactly(uint64_t low, const struct flt_decimal *d);

/* bits: a positive finite double. Writes its shortest digits (of all the shortest, the nearest), without
 * zeros at the end, and where the point stands, counted from the first digit. Gives their number, 1 to
 * FLT_DIGITS_MAX; so many bytes may be read, whatever the others mean. */
int flt_shortest(uint64_t bits, char digits[FLT_DIGITS_ROOM], int *ret_place);

#endif
