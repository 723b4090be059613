/*
 * lex: the words of Erlang text: names, quoted text, strings, sigils, numbers.
 *
 * Private to etf/. A cursor over UTF-8 text; each function expects the cursor at the first byte of what it
 * reads, and leaves it behind the last. On failure the fault says where and what was expected, and the error
 * is given back: ERR_MORE when the text ends too early, else ERR_MALFORMED, or ERR_TOO_LARGE, ERR_NOMEM.
 */
#ifndef ERLGATE_ETF_LEX_H
#define ERLGATE_ETF_LEX_H

#include "base/check.h"
#include "base/rd.h"
#include "base/wr.h"

struct etf_lex {
    struct rd r;
    struct wr *scratch;  /* borrowed; where text goes that does not stand in the input as it is */
    struct fault *fault; /* borrowed, never NULL */
};

/* Bytes of the input or of scratch: an offset, because scratch moves when it grows. */
struct etf_lex_text {
    size_t at, len;
    bool in_scratch;
};

struct etf_number {
    bool is_float;
    double f;
    bool fits; /* the integer is `small` */
    uint64_t small;
    unsigned base;
    struct etf_lex_text digits; /* of an integer, without underscores */
};

/* The byte `ahead` bytes further on; -1 behind the end. */
static inline int etf_lex_peek(const struct etf_lex *l, size_t ahead)
{
    return rd_left(&l->r) > ahead ? l->r.pos[ahead] : -1;
}

static inline struct slice etf_lex_slice(const struct etf_lex *l, struct etf_lex_text t)
{
    if (t.len == 0)
        return (struct slice){0}; /* scratch may have no buffer yet */
    return t.in_scratch ? slice_of(l->scratch->buf + t.at, t.len) : slice_of(l->r.start + t.at, t.len);
}

static inline bool etf_is_digit(int c)
{
    return c >= '0' && c <= '9';
}

enum err etf_lex_fail(struct etf_lex *l, size_t at, const char *expected);

/* White space and comments. */
void etf_lex_long_space(struct etf_lex *l);
static inline void etf_lex_space(struct etf_lex *l)
{
    int c = etf_lex_peek(l, 0);

    /* One space is what most often stands there, if anything does. */
    if (c == ' ') {
        l->r.pos++;
        c = etf_lex_peek(l, 0);
    }
    if (UNLIKELY(c <= ' ' || c == '%' || c == 0xC2))
        etf_lex_long_space(l);
}

/* Passes over text if it is next. */
static inline bool etf_lex_take(struct etf_lex *l, const char *text)
{
    size_t n = strlen(text);

    if (rd_left(&l->r) < n || memcmp(l->r.pos, text, n) != 0)
        return false;
    l->r.pos += n;
    return true;
}
/* The length of the name character (a letter of Latin-1, a digit, _ or @) that is next; 0 when there is none.
 */
size_t etf_lex_name_char(const struct etf_lex *l);
/* Is a name that an atom can have unquoted next, as to its first letter? */
bool etf_lex_is_atom_start(const struct etf_lex *l);
bool etf_is_reserved_word(struct slice name);

/* A bare or quoted atom; its length is checked. With allow_reserved a reserved word is an atom. */
MUST_USE enum err etf_lex_atom(struct etf_lex *l, bool allow_reserved, struct etf_lex_text *ret);
/* Behind the opening delimiter, up to and with the closing one, or to the end of the input: appended to
 * scratch, as UTF-8. */
enum { ETF_LEX_TO_THE_END = -1 };
MUST_USE enum err etf_lex_quoted(struct etf_lex *l, int close, bool has_escapes);
/* A string or a triple-quoted string at its first quote, appended to scratch. */
MUST_USE enum err etf_lex_string(struct etf_lex *l);
/* At the tilde. ret_is_binary: ~b, ~B and ~; else ~s and ~S. */
MUST_USE enum err etf_lex_sigil(struct etf_lex *l, bool *ret_is_binary);
/* At the dollar sign. */
MUST_USE enum err etf_lex_char(struct etf_lex *l, uint32_t *ret);
/* At the first digit. */
MUST_USE enum err etf_lex_number(struct etf_lex *l, uint32_t max_digits, struct etf_number *ret);

#endif
