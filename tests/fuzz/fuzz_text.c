/*
 * The small texts that everything else is made of: UTF-8, base64, decimal numbers of both kinds. Each is held
 * against what the C library, or a second way of saying the same, makes of it.
 *
 * First byte: which.
 */
#include <math.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/flt.h"
#include "base/utf8.h"
#include "etf/integer.h"
#include "etf/term.h"
#include "json/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- UTF-8 ---- */

/* Code points, written again, are the text; and what is behind the valid part is none. */
static void read_utf8(struct slice text)
{
    const uint8_t *p = text.ptr, *end = text.ptr + text.len;
    size_t valid = utf8_valid_prefix(text), count = 0;
    uint8_t one[4];

    CHECK(valid <= text.len);
    while (p < end) {
        const uint8_t *at = p;
        int32_t c = utf8_next(&p, end);
        size_t len;

        if (c == UTF8_INVALID) {
            CHECK(p == at);
            break;
        }
        len = utf8_encode((uint32_t)c, one);
        CHECK(len == (size_t)(p - at) && memcmp(one, at, len) == 0);
        count++;
    }
    CHECK((size_t)(p - text.ptr) == valid);
    CHECK(utf8_count(slice_of(text.ptr, valid)) == count);
}

/* ---- base64 ---- */

static void read_base64(struct slice text)
{
    struct wr bytes, again, back;
    size_t offset = 0;

    wr_init(&bytes, SIZE_MAX);
    wr_init(&again, SIZE_MAX);
    wr_init(&back, SIZE_MAX);
    if (base64_read(&bytes, text, &offset) == ERR_NONE) {
        base64_write(&again, wr_written(&bytes));
        /* The text but for its padding, of which reading needs none. */
        CHECK(again.len >= text.len && again.len - text.len <= 2);
        CHECK(memcmp(again.buf ? again.buf : text.ptr, text.ptr, text.len) == 0);
    } else {
        CHECK(offset <= text.len);
    }
    wr_reset(&again);
    base64_write(&again, text);
    CHECK(base64_read(&back, wr_written(&again), NULL) == ERR_NONE && slice_eq(wr_written(&back), text));
    wr_fini(&bytes);
    wr_fini(&again);
    wr_fini(&back);
}

/* ---- floats ---- */

enum { NUMBER_MAX = 2048 };

/* A number somewhere in a longer text, where it is looked at in words, is what it is digit by digit. */
static void scan_both_ways(struct slice text)
{
    const uint8_t *end = text.ptr + text.len, *bad[2] = {NULL, NULL}, *behind[2];
    struct json_number n[2];

    for (const uint8_t *p = text.ptr; p < end; p++) {
        if (*p != '-' && !json_is_digit(*p))
            continue;
        behind[0] = json_scan_number(p, end, &n[0], &bad[0]);
        behind[1] = json_scan_number_plainly(p, end, &n[1], &bad[1]);
        CHECK(behind[0] == behind[1] && (behind[0] || bad[0] == bad[1]));
        if (behind[0]) {
            CHECK(n[0].is_negative == n[1].is_negative && n[0].is_float == n[1].is_float);
            CHECK(n[0].exponent == n[1].exponent && n[0].is_exact >= n[1].is_exact);
            CHECK(n[0].digits == n[1].digits || !n[1].is_exact);
        }
    }
}

static void read_float(struct slice text)
{
    const uint8_t *bad, *end = text.ptr + text.len;
    char copy[NUMBER_MAX], out[FLT_TEXT_MAX + 1];
    struct json_number n;
    double v, libc, again;
    bool fits;

    scan_both_ways(text);
    if (!text.len || text.len >= sizeof copy || json_scan_number(text.ptr, end, &n, &bad) != end)
        return;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    fits = flt_parse(text, &v);
    libc = strtod(copy, NULL);
    CHECK(fits == (bool)isfinite(libc));
    if (!fits)
        return;
    CHECK(memcmp(&v, &libc, sizeof v) == 0);
    if (n.is_exact)
        CHECK(flt_of_decimal(n.digits, n.exponent, n.is_negative, &again) &&
              memcmp(&v, &again, sizeof v) == 0);
    out[flt_print(v, out)] = 0;
    CHECK(strchr(out, '.') && strlen(out) <= FLT_TEXT_MAX);
    again = strtod(out, NULL);
    CHECK(memcmp(&v, &again, sizeof v) == 0);
}

/* Any double's text reads back as that double. */
static void print_float(struct slice bytes)
{
    char out[FLT_TEXT_MAX];
    double v, again;
    size_t len;

    for (; bytes.len >= sizeof v; bytes = slice_of(bytes.ptr + sizeof v, bytes.len - sizeof v)) {
        memcpy(&v, bytes.ptr, sizeof v);
        if (!isfinite(v))
            continue;
        len = flt_print(v, out);
        CHECK(len <= sizeof out && flt_parse(slice_of(out, len), &again));
        CHECK(memcmp(&v, &again, sizeof v) == 0);
    }
}

/* ---- integers ---- */

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : -1;
}

/* The decimal digits of a term that is an integer. */
static void print_term(struct wr *w, struct slice term)
{
    struct etf_rd r = etf_rd_of(term, NULL);
    struct slice magnitude;
    bool negative;
    int64_t v;

    if (etf_read_int64(&r, &v))
        wr_printf(w, "%lld", (long long)v);
    else
        CHECK(etf_read_big(&r, &negative, &magnitude) &&
              etf_integer_print(w, negative, magnitude) == ERR_NONE);
    CHECK(rd_left(&r.rd) == 0 && wr_ok(w));
}

static void read_integer(uint8_t choice, struct slice digits)
{
    unsigned base = 2 + choice % 35;
    struct wr term, text, again;
    struct slice decimal;
    bool negative = choice & 128;

    if (!digits.len || digits.len > NUMBER_MAX)
        return;
    for (size_t i = 0; i < digits.len; i++) {
        int d = digit_of(digits.ptr[i]);

        if (d < 0 || (unsigned)d >= base)
            return;
    }
    wr_init(&term, SIZE_MAX);
    wr_init(&text, SIZE_MAX);
    wr_init(&again, SIZE_MAX);
    CHECK(etf_integer_parse(&term, negative, digits, base) == ERR_NONE);
    print_term(&text, wr_written(&term));
    decimal = wr_written(&text);
    negative = decimal.ptr[0] == '-';
    decimal = slice_of(decimal.ptr + negative, decimal.len - negative);
    CHECK(etf_integer_parse(&again, negative, decimal, 10) == ERR_NONE);
    CHECK(slice_eq(wr_written(&again), wr_written(&term)));
    if (base == 10) {
        while (digits.len > 1 && digits.ptr[0] == '0')
            digits = slice_of(digits.ptr + 1, digits.len - 1);
        CHECK(slice_eq(decimal, digits));
    }
    wr_fini(&term);
    wr_fini(&text);
    wr_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data + (size > 0), size - (size > 0));

    switch (size ? data[0] % 8 : 0) {
    case 0: read_utf8(text); break;
    case 1: read_base64(text); break;
    case 2:
    case 3: read_float(text); break;
    case 4: print_float(text); break;
    default:
        if (text.len)
            read_integer(text.ptr[0], slice_of(text.ptr + 1, text.len - 1));
        break;
    }
    return 0;
}
