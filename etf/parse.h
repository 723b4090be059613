/* parse: the parts of the parser that have a file of their own. Private to etf/. */
#ifndef ERLGATE_ETF_PARSE_H
#define ERLGATE_ETF_PARSE_H

#include "base/check.h"
#include "etf/lex.h"
#include "etf/syntax.h"

#define TRY(expr)                          \
    do {                                   \
        enum err try_err = (expr);         \
        if (UNLIKELY(try_err != ERR_NONE)) \
            return try_err;                \
    } while (0)

/* What the text is read with, and where the term goes. Made by etf_parse on its stack. */
struct etf_parser {
    struct etf_lex l;
    struct wr *w;
    const struct etf_parse_rules *rules;
    uint32_t max_digits;
};

static inline size_t etf_parse_here(const struct etf_parser *p)
{
    return rd_offset(&p->l.r);
}

static inline enum err etf_parse_fail(struct etf_parser *p, enum err e, size_t at, const char *text)
{
    return fault_set(p->l.fault, e, at, text);
}

static inline enum err etf_parse_expected(struct etf_parser *p, const char *text)
{
    return etf_lex_fail(&p->l, etf_parse_here(p), text);
}

/* Each reads what is next, which the caller has recognised by its first byte, and writes the term. */
MUST_USE enum err etf_parse_atom(struct etf_parser *p);
/* An unquoted atom, or an external fun. */
MUST_USE enum err etf_parse_word(struct etf_parser *p);
/* One string, or several side by side. */
MUST_USE enum err etf_parse_string(struct etf_parser *p);
MUST_USE enum err etf_parse_sigil(struct etf_parser *p);
MUST_USE enum err etf_parse_char(struct etf_parser *p, bool negative);
MUST_USE enum err etf_parse_number(struct etf_parser *p, bool negative);
MUST_USE enum err etf_parse_signed(struct etf_parser *p);
/* A variable, or ${…}. */
MUST_USE enum err etf_parse_variable(struct etf_parser *p);

/* A string as the tail of a list: its characters are written as further elements. Adds to *count, and makes
 * *all_bytes false when one is none. */
MUST_USE enum err etf_parse_string_tail(struct etf_parser *p, uint64_t *count, bool *all_bytes);

/* At `<<`: writes the binary or bitstring. */
MUST_USE enum err etf_parse_binary(struct etf_lex *l, struct wr *w, uint32_t max_digits);

/* At the `#` of #Pid<…>, #Ref<…>, #Port<…>, #Etf<…>: writes the term. depth: how many containers are open
 * around it. */
MUST_USE enum err etf_parse_opaque(struct etf_lex *l, struct wr *w, const struct etf_rules *rules,
                                   uint32_t depth);

#endif
