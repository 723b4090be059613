/*
 * flt: IEEE 754 doubles as text. Correctly rounded in, shortest out: locale never matters, nothing is
 * allocated.
 */
#ifndef ERLGATE_BASE_FLT_H
#define ERLGATE_BASE_FLT_H

#include <float.h>

#include "base/slice.h"

enum { FLT_TEXT_MAX = 40 };

/*
 * The shortest text that reads back as v, always with a point and a digit on each side of it, so that both
 * JSON and Erlang read it as a float: "1.0", "-0.0", "0.001", "1.0e22", "5.0e-324". The choice between the
 * two notations is that of io_lib_format of OTP 25 and later. v is finite. Gives the length; no NUL. All of
 * out may be written to.
 */
size_t flt_print(double v, char out[FLT_TEXT_MAX]);

/*
 * Reads a number of JSON's grammar (-?int frac? exp?) that the caller has found to be one, rounded to nearest
 * even. False when it overflows to infinity; what underflows gives a zero of its sign. Time is linear in the
 * text.
 */
bool flt_parse(struct slice text, double *ret);

/* As flt_of_decimal, whatever the numbers are. */
bool flt_of_any_decimal(uint64_t digits, int64_t exponent, bool negative, double *ret);

/* 10^0 to 10^22: those that are doubles. */
enum { FLT_EXACT_POWERS = 23 };
extern const double flt_exact_powers[FLT_EXACT_POWERS];

/* digits * 10^exponent for a caller that has taken the text apart: rounded, signed and refused as above. */
static inline bool flt_of_decimal(uint64_t digits, int64_t exponent, bool negative, double *ret)
{
    /* Clinger: digits and power are doubles, so the one operation rounds once. Digits behind a point are what
     * numbers mostly have. */
    if (FLT_EVAL_METHOD == 0 && digits <= (uint64_t)1 << 53 && exponent <= 0 &&
        exponent > -FLT_EXACT_POWERS) {
        double v = (double)(int64_t)digits / flt_exact_powers[-exponent];

        *ret = negative ? -v : v;
        return true;
    }
    return flt_of_any_decimal(digits, exponent, negative, ret);
}

#endif
