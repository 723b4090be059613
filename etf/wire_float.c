/*
 * wire_float: floats, in both forms that the format has had: NEW_FLOAT_EXT's eight bytes, and FLOAT_EXT's
 * text.
 */
#include "base/flt.h"
#include "etf/wire.h"

/* FLOAT_EXT is "%.20e" and zeroes; the strictness is that of OTP, which has read it so since R1. */
static bool float_of_text(struct slice text, double *ret)
{
    const uint8_t *nul = memchr(text.ptr, 0, text.len), *p = text.ptr, *digits, *s;
    uint8_t copy[ETF_FLOAT_TEXT_LEN];
    size_t n = 0;

    if (!nul)
        return false;
    if (*p == '+' || *p == '-') {
        if (*p == '-')
            copy[n++] = '-';
        p++;
    }
    for (digits = p; *p >= '0' && *p <= '9'; p++)
        ;
    if (p == digits || *p != '.')
        return false;
    while (digits + 1 < p && *digits == '0')
        digits++; /* flt_parse reads JSON's grammar, which has no leading zeroes */
    for (s = ++p; *p >= '0' && *p <= '9'; p++)
        ;
    if (p == s)
        return false;
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '+' || p[1] == '-' ? 2 : 1;
        for (s = p; *p >= '0' && *p <= '9'; p++)
            ;
        if (p == s)
            return false;
    }
    if (p != nul)
        return false;
    memcpy(copy + n, digits, (size_t)(p - digits));
    n += (size_t)(p - digits);
    return flt_parse(slice_of(copy, n), ret);
}

double etf_wire_float(struct rd *r, uint8_t tag)
{
    size_t at = rd_offset(r);
    struct slice text;
    uint64_t bits;
    double v = 0;

    if (tag == ETF_NEW_FLOAT_EXT) {
        bits = rd_be64(r);
        if ((bits >> 52 & 0x7FF) != 0x7FF)
            memcpy(&v, &bits, sizeof v);
        else
            rd_fail(r, ERR_MALFORMED); /* an infinity, or no number: Erlang has neither */
    } else {
        text = rd_slice(r, ETF_FLOAT_TEXT_LEN);
        if (rd_ok(r) && !float_of_text(text, &v))
            rd_fail(r, ERR_MALFORMED);
    }
    if (r->err == ERR_MALFORMED)
        r->err_offset = at;
    return v;
}
