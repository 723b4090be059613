/* Terms without parts: atoms, numbers, strings, sigils, external funs, variables. */
#include "base/digits.h"
#include "base/flt.h"
#include "base/utf8.h"
#include "etf/integer.h"
#include "etf/parse.h"
#include "etf/write.h"

static enum err told_atom(struct etf_parser *p, size_t at, struct slice text)
{
    const struct etf_rules *rules = &p->rules->term;
    enum err e = rules->on_atom ? rules->on_atom(rules->ctx, (struct etf_atom){.text = text}) : ERR_NONE;

    return e == ERR_NONE ? e : etf_parse_fail(p, e, at, "this atom is not allowed");
}

enum err etf_parse_atom(struct etf_parser *p)
{
    size_t at = etf_parse_here(p), scratch = p->l.scratch->len;
    struct etf_lex_text text;

    TRY(etf_lex_atom(&p->l, false, &text));
    etf_write_atom(p->w, etf_lex_slice(&p->l, text));
    TRY(told_atom(p, at, etf_lex_slice(&p->l, text)));
    p->l.scratch->len = scratch;
    return ERR_NONE;
}

/* Behind `fun`. */
static enum err external_fun(struct etf_parser *p)
{
    struct etf_number arity;
    size_t at;

    wr_u8(p->w, ETF_EXPORT_EXT);
    etf_lex_space(&p->l);
    if (!etf_lex_is_atom_start(&p->l) && etf_lex_peek(&p->l, 0) != '\'')
        return etf_parse_expected(p, "expected module:function/arity: no other fun can be written");
    TRY(etf_parse_atom(p));
    etf_lex_space(&p->l);
    if (!etf_lex_take(&p->l, ":"))
        return etf_parse_expected(p, "expected ':' and a function");
    etf_lex_space(&p->l);
    TRY(etf_parse_atom(p));
    etf_lex_space(&p->l);
    if (!etf_lex_take(&p->l, "/"))
        return etf_parse_expected(p, "expected '/' and an arity");
    etf_lex_space(&p->l);
    at = etf_parse_here(p);
    if (!etf_is_digit(etf_lex_peek(&p->l, 0)))
        return etf_parse_expected(p, "expected an arity");
    TRY(etf_lex_number(&p->l, p->max_digits, &arity));
    if (arity.is_float || !arity.fits || arity.small > UINT8_MAX)
        return etf_parse_fail(p, ERR_MALFORMED, at, "an arity is 0 to 255");
    etf_write_uint64(p->w, arity.small);
    return ERR_NONE;
}

enum err etf_parse_word(struct etf_parser *p)
{
    struct rd start = p->l.r;

    if (etf_lex_take(&p->l, "fun") && !etf_lex_name_char(&p->l))
        return external_fun(p);
    p->l.r = start;
    return etf_parse_atom(p);
}

/* What has come to scratch since it was `from` long. */
static struct slice scratch_since(const struct etf_parser *p, size_t from)
{
    return etf_lex_slice(
        &p->l, (struct etf_lex_text){.at = from, .len = p->l.scratch->len - from, .in_scratch = true});
}

/* How many characters the text in scratch from `from` on has, and whether all are bytes. */
static uint64_t count_chars(const struct etf_parser *p, size_t from, bool *ret_all_bytes)
{
    struct slice text = scratch_since(p, from);

    *ret_all_bytes = true;
    /* Lead bytes up to C3 are those of Latin-1; past it come lead bytes alone, for continuations are below
     * C0. */
    for (size_t i = 0; i < text.len && *ret_all_bytes; i++)
        *ret_all_bytes = text.ptr[i] <= 0xC3;
    return utf8_count(text);
}

static void write_chars(struct etf_parser *p, size_t from, bool as_bytes)
{
    struct slice text = scratch_since(p, from);
    const uint8_t *pos = text.ptr, *end = slice_end(text);

    while (pos < end) {
        uint32_t cp = (uint32_t)utf8_next(&pos, end);

        if (as_bytes)
            wr_u8(p->w, (uint8_t)cp);
        else
            etf_write_int64(p->w, cp);
    }
}

/* One string, or several side by side: appended to scratch. */
static enum err take_strings(struct etf_parser *p)
{
    do {
        TRY(etf_lex_string(&p->l));
        etf_lex_space(&p->l);
    } while (etf_lex_peek(&p->l, 0) == '"');
    return ERR_NONE;
}

static void write_charlist(struct etf_parser *p, size_t from)
{
    bool all_bytes;
    uint64_t n = count_chars(p, from, &all_bytes);

    if (n == 0) {
        etf_write_nil(p->w);
    } else if (n > UINT32_MAX) {
        wr_fail(p->w, ERR_TOO_LARGE);
    } else if (all_bytes && n <= UINT16_MAX) {
        wr_u8(p->w, ETF_STRING_EXT);
        wr_be16(p->w, (uint16_t)n);
        write_chars(p, from, true);
    } else {
        etf_write_list(p->w, (uint32_t)n);
        write_chars(p, from, false);
        etf_write_nil(p->w);
    }
}

enum err etf_parse_string(struct etf_parser *p)
{
    size_t from = p->l.scratch->len;

    TRY(take_strings(p));
    write_charlist(p, from);
    p->l.scratch->len = from;
    return ERR_NONE;
}

enum err etf_parse_sigil(struct etf_parser *p)
{
    size_t from = p->l.scratch->len;
    bool is_binary;

    TRY(etf_lex_sigil(&p->l, &is_binary));
    if (is_binary)
        etf_write_binary(p->w, scratch_since(p, from));
    else
        write_charlist(p, from);
    p->l.scratch->len = from;
    return ERR_NONE;
}

/* May a number go on with c, in any way? */
static bool goes_on(uint8_t c)
{
    return etf_is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '@' ||
           c == '#' || c == '.' || c >= 0x80;
}

/*
 * What nearly all numbers are: up to 15 digits, or 8 on each side of a point, with nothing special about
 * them. False: not that, or too near the end; nothing has moved.
 */
static bool parse_simple_number(struct etf_parser *p, bool negative)
{
    enum { AHEAD = 24 };
    const uint8_t *at = p->l.r.pos;
    uint64_t x, v;
    unsigned n, more;
    double f;

    if (rd_left(&p->l.r) < AHEAD || p->max_digits < 2 * 8)
        return false;
    x = le_load64(at);
    n = digits_count(x);
    v = digits_value(x, n);
    at += n;
    if (n == 8) {
        x = le_load64(at);
        more = digits_count(x);
        if (more == 8)
            return false;
        if (more)
            v = v * digits_powers[more] + digits_value(x, more);
        at += more;
    } else if (*at == '.' && etf_is_digit(at[1])) {
        x = le_load64(++at);
        more = digits_count(x);
        at += more;
        if (goes_on(*at))
            return false;
        if (!flt_of_decimal(v * digits_powers[more] + digits_value(x, more), -(int64_t)more, negative, &f))
            return false;
        p->l.r.pos = at;
        etf_write_float(p->w, f);
        return true;
    }
    if (goes_on(*at) && !(*at == '.' && !goes_on(at[1])))
        return false;
    p->l.r.pos = at;
    etf_write_int64(p->w, negative ? -(int64_t)v : (int64_t)v);
    return true;
}

enum err etf_parse_number(struct etf_parser *p, bool negative)
{
    size_t at = etf_parse_here(p), scratch = p->l.scratch->len;
    struct etf_number n;
    enum err e;

    if (LIKELY(parse_simple_number(p, negative)))
        return ERR_NONE;
    TRY(etf_lex_number(&p->l, p->max_digits, &n));
    if (n.is_float) {
        etf_write_float(p->w, negative ? -n.f : n.f);
    } else if (n.fits && !negative) {
        etf_write_uint64(p->w, n.small);
    } else if (n.fits && n.small <= (uint64_t)INT64_MAX) {
        etf_write_int64(p->w, -(int64_t)n.small);
    } else {
        e = etf_integer_parse(p->w, negative, etf_lex_slice(&p->l, n.digits), n.base);
        if (e != ERR_NONE)
            return etf_parse_fail(p, e, at, "an integer that is too large");
    }
    p->l.scratch->len = scratch;
    return ERR_NONE;
}

enum err etf_parse_char(struct etf_parser *p, bool negative)
{
    uint32_t cp;

    TRY(etf_lex_char(&p->l, &cp));
    etf_write_int64(p->w, negative ? -(int64_t)cp : (int64_t)cp);
    return ERR_NONE;
}

enum err etf_parse_signed(struct etf_parser *p)
{
    bool negative = rd_u8(&p->l.r) == '-';

    etf_lex_space(&p->l);
    if (etf_lex_peek(&p->l, 0) == '$')
        return etf_parse_char(p, negative);
    if (!etf_is_digit(etf_lex_peek(&p->l, 0)))
        return etf_parse_expected(p, "expected a number after the sign");
    return etf_parse_number(p, negative);
}

enum err etf_parse_variable(struct etf_parser *p)
{
    size_t at = etf_parse_here(p), n;
    const uint8_t *end;
    enum err e;

    if (!p->rules->on_variable)
        return etf_parse_fail(
            p, ERR_MALFORMED, at,
            "a variable has no value here; an atom that begins with a capital letter is quoted");
    if (etf_lex_take(&p->l, "${")) {
        end = memchr(p->l.r.pos, '}', rd_left(&p->l.r));
        if (!end)
            return etf_parse_fail(p, ERR_MORE, at, "expected '}' after '${'");
        p->l.r.pos = end + 1;
    }
    while (p->l.r.start[at] != '$' && (n = etf_lex_name_char(&p->l)))
        rd_skip(&p->l.r, n);
    e = p->rules->on_variable(p->rules->variable_ctx, slice_of(p->l.r.start + at, etf_parse_here(p) - at),
                              p->w);
    return e == ERR_NONE ? e : etf_parse_fail(p, e, at, "this variable is not allowed");
}

enum err etf_parse_string_tail(struct etf_parser *p, uint64_t *count, bool *all_bytes)
{
    size_t from = p->l.scratch->len;
    bool are_bytes;

    TRY(take_strings(p));
    *count += count_chars(p, from, &are_bytes);
    *all_bytes = *all_bytes && are_bytes;
    write_chars(p, from, false);
    p->l.scratch->len = from;
    return ERR_NONE;
}
