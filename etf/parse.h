/* parse: the parts of the parser that have a file of their own. Private to etf/. */
#ifndef ERLGATE_ETF_PARSE_H
#define ERLGATE_ETF_PARSE_H

#include "etf/lex.h"
#include "etf/syntax.h"

/* At `<<`: writes the binary or bitstring. */
MUST_USE enum err etf_parse_binary(struct etf_lex *l, struct wr *w, uint32_t max_digits);

/* At the `#` of #Pid<…>, #Ref<…>, #Port<…>, #Etf<…>: writes the term. depth_left: how many containers may be
 * open in it; is_whole: no term is around it. */
MUST_USE enum err etf_parse_opaque(struct etf_lex *l, struct wr *w, const struct etf_rules *rules,
                                   uint32_t depth_left, bool is_whole);

#endif
