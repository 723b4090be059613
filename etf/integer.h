/*
 * integer: integers of any size as text. For what fits into 64 bits there are etf_read_int64 and
 * etf_write_int64.
 *
 * Both ways cost the square of the length, by whole words: 10,000 digits take some tens of microseconds. The
 * caller sets the bound (max_digits); nothing longer than ETF_INTEGER_MAX_BYTES is converted at all.
 */
#ifndef ERLGATE_ETF_INTEGER_H
#define ERLGATE_ETF_INTEGER_H

#include "base/wr.h"
#include "etf/write.h"

enum {
    ETF_DEFAULT_MAX_DIGITS = 10000,
    /* Of a magnitude that is turned into text: some 79,000 digits. Past this, print the bytes in another
       form. */
    ETF_INTEGER_MAX_BYTES = 32768,
};

/*
 * What the digits of all long integers of one term may cost, in squared words: one of the longest, or 90 of
 * 10,000 digits, or 5,900 of 4,096 bits; less than a tenth of a second. Terms have room for thousands of the
 * longest, and meanwhile nothing else is served.
 */
#define ETF_DIGITS_BUDGET ((uint64_t)3 << 23)

/* May this one be printed? Takes what it costs. False: it is past ETF_INTEGER_MAX_BYTES, or past what is
 * left. */
MUST_USE bool etf_integer_affords(uint64_t *budget, struct slice magnitude);

/* Appends the decimal digits, with a '-' when negative. magnitude: little-endian, as etf_read_big gives it.
 * ERR_TOO_LARGE (nothing written, and w has not failed) past ETF_INTEGER_MAX_BYTES; ERR_NOMEM; or w's
 * failure. */
MUST_USE enum err etf_integer_print(struct wr *w, bool negative, struct slice magnitude);

/* Appends the term that the digits stand for, in the shortest form. digits: [0-9a-zA-Z] below base (2 to 36),
 * at least one, all checked by the caller. ERR_TOO_LARGE when the value needs more than
 * ETF_INTEGER_MAX_BYTES; ERR_NOMEM; or w's failure. */
MUST_USE enum err etf_integer_parse(struct wr *w, bool negative, struct slice digits, unsigned base);

#endif
