/* Strings, triple-quoted strings and sigils: EEP 64 and 66, as OTP 27 and later read them. */
#include "etf/lex.h"

enum { TRIPLE = 3 };

static size_t count_quotes(const struct etf_lex *l)
{
    size_t n = 0;

    while (etf_lex_peek(l, n) == '"')
        n++;
    return n;
}

static bool is_blank(int c)
{
    return (c >= 0 && c <= ' ' && c != '\n') || c == 0x7F;
}

/* To the start of the next line; gives the line without its end. */
static struct slice take_line(struct etf_lex *l)
{
    const uint8_t *start = l->r.pos, *nl = memchr(start, '\n', rd_left(&l->r));
    const uint8_t *end = nl ? nl : l->r.end;

    l->r.pos = nl ? nl + 1 : l->r.end;
    return slice_of(start, (size_t)(end - start));
}

static bool all_blank(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_blank(s.ptr[i]))
            return false;
    }
    return true;
}

/* Does the line close a string that was opened by n quotes? ret_indent gets what stands before them. */
static bool closes(struct slice line, size_t n, struct slice *ret_indent)
{
    size_t i = 0;

    while (i < line.len && is_blank(line.ptr[i]))
        i++;
    if (line.len - i < n)
        return false;
    for (size_t k = 0; k < n; k++) {
        if (line.ptr[i + k] != '"')
            return false;
    }
    *ret_indent = slice_of(line.ptr, i);
    return true;
}

/* The lines between, each without the indentation of the closing one. */
static enum err append_lines(struct etf_lex *l, struct slice body, struct slice indent, bool has_escapes)
{
    struct etf_lex lines = *l;
    enum err e = ERR_NONE;

    lines.r.pos = body.ptr;
    lines.r.end = slice_end(body);
    while (e == ERR_NONE && rd_left(&lines.r)) {
        size_t at = rd_offset(&lines.r);
        struct slice line = take_line(&lines);
        struct etf_lex one = lines;

        one.r.pos = line.ptr;
        one.r.end = lines.r.pos; /* with the line's end */
        if (line.len >= indent.len && slice_eq(slice_of(line.ptr, indent.len), indent))
            one.r.pos += indent.len;
        else if (line.len > 1 || (line.len == 1 && line.ptr[0] != '\r'))
            return fault_set(l->fault, ERR_MALFORMED, at,
                             "expected this line to be indented like the closing quotes");
        e = etf_lex_quoted(&one, ETF_LEX_TO_THE_END, has_escapes);
    }
    return e;
}

static enum err triple_quoted(struct etf_lex *l, size_t quotes, bool has_escapes)
{
    size_t at = rd_offset(&l->r);
    struct slice line, indent, body;
    const uint8_t *start;

    rd_skip(&l->r, quotes);
    line = take_line(l);
    if (!all_blank(line))
        return fault_set(l->fault, ERR_MALFORMED, at,
                         "expected the end of the line after the opening quotes");
    start = l->r.pos;
    do {
        if (rd_left(&l->r) == 0)
            return fault_set(l->fault, ERR_MORE, at, "this quote is not closed");
        line = take_line(l);
    } while (!closes(line, quotes, &indent));
    l->r.pos = line.ptr + indent.len + quotes;

    /* The end of the last line belongs to the closing quotes. */
    body = slice_of(start, (size_t)(line.ptr - start));
    if (body.len)
        body.len--;
    if (body.len && body.ptr[body.len - 1] == '\r')
        body.len--;
    return append_lines(l, body, indent, has_escapes);
}

/* At the first of n quotes. */
static enum err in_double_quotes(struct etf_lex *l, bool has_escapes, bool triple_has_escapes)
{
    size_t n = count_quotes(l);

    if (n >= TRIPLE)
        return triple_quoted(l, n, triple_has_escapes);
    rd_skip(&l->r, 1);
    return etf_lex_quoted(l, '"', has_escapes);
}

enum err etf_lex_string(struct etf_lex *l)
{
    enum err e = in_double_quotes(l, true, false);

    if (e == ERR_NONE && etf_lex_peek(l, 0) == '"')
        return etf_lex_fail(l, rd_offset(&l->r), "expected a space between two strings");
    return e;
}

enum err etf_lex_sigil(struct etf_lex *l, bool *ret_is_binary)
{
    static const char opening[] = "([{</|'`#", closing[] = ")]}>/|'`#";
    size_t at = rd_offset(&l->r);
    bool has_escapes, is_named;
    const char *delimiter;
    enum err e;
    int c;

    rd_skip(&l->r, 1); /* the tilde */
    c = etf_lex_peek(l, 0);
    is_named = c == 'b' || c == 'B' || c == 's' || c == 'S';
    has_escapes = c != 'B' && c != 'S';
    *ret_is_binary = c != 's' && c != 'S';
    if (is_named)
        rd_skip(&l->r, 1);
    c = etf_lex_peek(l, 0);
    delimiter = c > 0 ? strchr(opening, c) : NULL;
    if (c == '"') {
        e = in_double_quotes(l, has_escapes, has_escapes && is_named);
    } else if (delimiter) {
        rd_skip(&l->r, 1);
        e = etf_lex_quoted(l, (uint8_t)closing[delimiter - opening], has_escapes);
    } else {
        return etf_lex_fail(l, at, "expected a sigil: ~, ~b, ~B, ~s or ~S and text between delimiters");
    }
    if (e == ERR_NONE && etf_lex_name_char(l))
        return etf_lex_fail(l, rd_offset(&l->r), "a sigil has no suffix");
    return e;
}
