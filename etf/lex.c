#include "etf/lex.h"

#include "base/utf8.h"
#include "etf/quote.h"
#include "etf/term.h"

enum err etf_lex_fail(struct etf_lex *l, size_t at, const char *expected)
{
    bool is_end = at >= (size_t)(l->r.end - l->r.start);

    return fault_set(l->fault, is_end ? ERR_MORE : ERR_MALFORMED, at, expected);
}

static enum err fail_here(struct etf_lex *l, const char *expected)
{
    return etf_lex_fail(l, rd_offset(&l->r), expected);
}

/* erl_scan's: the controls and the space, and those of Latin-1 with the space that does not break. */
static size_t space_len(const struct etf_lex *l)
{
    int c = etf_lex_peek(l, 0), next = etf_lex_peek(l, 1);

    if (c >= 0 && c <= ' ')
        return 1;
    return c == 0xC2 && next >= 0x80 && next <= 0xA0 ? 2 : 0;
}

void etf_lex_long_space(struct etf_lex *l)
{
    for (;;) {
        size_t n = space_len(l);

        if (n) {
            rd_skip(&l->r, n);
        } else if (etf_lex_peek(l, 0) == '%') {
            while (etf_lex_peek(l, 0) >= 0 && etf_lex_peek(l, 0) != '\n')
                rd_skip(&l->r, 1);
        } else {
            return;
        }
    }
}

/* The letters of Latin-1 beyond ASCII are U+00C0 to U+00FF, all with the lead byte C3; but for the two signs
 * of multiplication and division among them. */
static bool is_latin1_letter(int lead, int c)
{
    return lead == 0xC3 && c >= 0x80 && c <= 0xBF && c != 0x97 && c != 0xB7;
}

size_t etf_lex_name_char(const struct etf_lex *l)
{
    int c = etf_lex_peek(l, 0);

    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || etf_is_digit(c) || c == '_' || c == '@')
        return 1;
    return is_latin1_letter(c, etf_lex_peek(l, 1)) ? 2 : 0;
}

bool etf_lex_is_atom_start(const struct etf_lex *l)
{
    int c = etf_lex_peek(l, 0), next = etf_lex_peek(l, 1);

    return (c >= 'a' && c <= 'z') || (is_latin1_letter(c, next) && next >= 0x9F);
}

bool etf_is_reserved_word(struct slice name)
{
    /* By the first letter, each with a space behind it. */
    static const char *const words['z' - 'a' + 1] = {
        ['a' - 'a'] = "after and andalso ",
        ['b' - 'a'] = "band begin bnot bor bsl bsr bxor ",
        ['c' - 'a'] = "case catch cond ",
        ['d' - 'a'] = "div ",
        ['e' - 'a'] = "else end ",
        ['f' - 'a'] = "fun ",
        ['i' - 'a'] = "if ",
        ['l' - 'a'] = "let ",
        ['m' - 'a'] = "maybe ",
        ['n' - 'a'] = "not ",
        ['o' - 'a'] = "of or orelse ",
        ['r' - 'a'] = "receive rem ",
        ['t' - 'a'] = "try ",
        ['w' - 'a'] = "when ",
        ['x' - 'a'] = "xor ",
    };
    const char *w;

    if (name.len < 2 || name.len > 7 || name.ptr[0] < 'a' || name.ptr[0] > 'z')
        return false;
    w = words[name.ptr[0] - 'a'];
    while (w && *w) {
        size_t n = strcspn(w, " ");

        if (n == name.len && memcmp(w, name.ptr, n) == 0)
            return true;
        w += n + 1;
    }
    return false;
}

static enum err check_atom_length(struct etf_lex *l, size_t at, struct slice text)
{
    if (text.len > ETF_ATOM_MAX_CHARS && utf8_count(text) > ETF_ATOM_MAX_CHARS)
        return fault_set(l->fault, ERR_MALFORMED, at, "an atom has at most 255 characters");
    return ERR_NONE;
}

enum err etf_lex_atom(struct etf_lex *l, bool allow_reserved, struct etf_lex_text *ret)
{
    size_t at = rd_offset(&l->r), n;
    enum err e;

    if (etf_lex_take(l, "'")) {
        *ret = (struct etf_lex_text){.at = l->scratch->len, .in_scratch = true};
        e = etf_lex_quoted(l, '\'', true);
        if (e != ERR_NONE)
            return e;
        ret->len = l->scratch->len - ret->at;
        return check_atom_length(l, at, etf_lex_slice(l, *ret));
    }
    if (!etf_lex_is_atom_start(l))
        return fail_here(l, "expected an atom");
    while ((n = etf_lex_name_char(l)))
        rd_skip(&l->r, n);
    *ret = (struct etf_lex_text){.at = at, .len = rd_offset(&l->r) - at};
    if (!allow_reserved && etf_is_reserved_word(etf_lex_slice(l, *ret)))
        return fault_set(l->fault, ERR_MALFORMED, at, "a reserved word is an atom in quotes only");
    return check_atom_length(l, at, etf_lex_slice(l, *ret));
}

static int hex_value(int c)
{
    if (etf_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err bad_character(struct etf_lex *l, size_t at)
{
    return fault_set(l->fault, ERR_MALFORMED, at, "an escape that is no Unicode character");
}

/* Behind \x, the escape having begun at `at`: two digits, or any number of them in braces. */
static enum err hex_escape(struct etf_lex *l, size_t at, uint32_t *ret)
{
    bool in_braces = etf_lex_take(l, "{");
    uint32_t v = 0;
    int digits = 0;

    while (hex_value(etf_lex_peek(l, 0)) >= 0 && (in_braces || digits < 2)) {
        v = v << 4 | (uint32_t)hex_value(rd_u8(&l->r));
        if (v > 0x10FFFF)
            return bad_character(l, at);
        digits++;
    }
    if (digits == 0 || (!in_braces && digits != 2))
        return fail_here(l, "expected a hexadecimal digit");
    if (in_braces && !etf_lex_take(l, "}"))
        return fail_here(l, "expected '}' after the digits of an escape");
    *ret = v;
    return ERR_NONE;
}

/* One character as it stands. */
static enum err plain_char(struct etf_lex *l, uint32_t *ret)
{
    int32_t cp;

    if (rd_left(&l->r) == 0)
        return fail_here(l, "expected a character");
    cp = utf8_next(&l->r.pos, l->r.end);
    if (cp == UTF8_INVALID)
        return fail_here(l, "the text is not UTF-8");
    *ret = (uint32_t)cp;
    return ERR_NONE;
}

/* Behind the backslash. */
static enum err escape(struct etf_lex *l, uint32_t *ret)
{
    static const char letters[] = "bdefnrstv", values[] = "\b\x7f\x1b\f\n\r \t\v";
    size_t at = rd_offset(&l->r) - 1;
    int c = etf_lex_peek(l, 0);
    const char *known = c > 0 ? strchr(letters, c) : NULL;
    enum err e = ERR_NONE;

    if (known) {
        rd_skip(&l->r, 1);
        *ret = (uint8_t)values[known - letters];
    } else if (c >= '0' && c <= '7') {
        *ret = 0;
        for (int i = 0; i < 3 && (c = etf_lex_peek(l, 0)) >= '0' && c <= '7'; i++)
            *ret = *ret << 3 | (uint32_t)(rd_u8(&l->r) - '0');
    } else if (c == '^') {
        rd_skip(&l->r, 1);
        c = etf_lex_peek(l, 0);
        if (c != '?' && (c < '@' || c > '_') && (c < 'a' || c > 'z'))
            return fail_here(l, "expected the letter of a control character");
        rd_skip(&l->r, 1);
        *ret = c == '?' ? 0x7F : (uint32_t)c & 31;
    } else if (c == 'x') {
        rd_skip(&l->r, 1);
        e = hex_escape(l, at, ret);
    } else {
        e = plain_char(l, ret);
    }
    if (e == ERR_NONE && *ret >= 0xD800 && *ret <= 0xDFFF)
        return bad_character(l, at);
    return e;
}

enum err etf_lex_char(struct etf_lex *l, uint32_t *ret)
{
    rd_skip(&l->r, 1); /* the dollar sign */
    return etf_lex_take(l, "\\") ? escape(l, ret) : plain_char(l, ret);
}

enum err etf_lex_quoted(struct etf_lex *l, int close, bool has_escapes)
{
    size_t at = rd_offset(&l->r) - 1;
    uint32_t cp;
    enum err e;

    for (;;) {
        const uint8_t *run = l->r.pos, *p = run;

        if (close >= 0)
            p = etf_plain_run(p, l->r.end, (uint8_t)close);
        while (p < l->r.end && *p < 0x80 && *p != close && *p != '\\')
            p++;
        wr_bytes(l->scratch, run, (size_t)(p - run));
        l->r.pos = p;
        if (p == l->r.end && close == ETF_LEX_TO_THE_END)
            break;
        if (p == l->r.end)
            return fault_set(l->fault, ERR_MORE, at, "this quote is not closed");
        if (*p == close) {
            l->r.pos++;
            break;
        }
        if (*p == '\\' && has_escapes) {
            l->r.pos++;
            e = escape(l, &cp);
        } else {
            e = plain_char(l, &cp);
        }
        if (e != ERR_NONE)
            return e;
        utf8_write(l->scratch, cp);
    }
    return wr_ok(l->scratch) ? ERR_NONE : fault_set(l->fault, l->scratch->err, at, "");
}
