/*
 * quote: text between quotes as io_lib writes it: escapes for what cannot be seen, all else as UTF-8; and
 * plain numbers.
 *
 * Private to etf/.
 */
#ifndef ERLGATE_ETF_QUOTE_H
#define ERLGATE_ETF_QUOTE_H

#include "base/wr.h"

/* The first byte from p on that does not stand for itself between quotes: no printable ASCII, or the quote,
 * or a backslash. */
const uint8_t *etf_plain_run(const uint8_t *p, const uint8_t *end, uint8_t quote);

void etf_quote_char(struct wr *w, uint32_t cp, uint8_t quote);
/* The quotes are written too. */
void etf_quote_utf8(struct wr *w, struct slice utf8, uint8_t quote);
void etf_quote_latin1(struct wr *w, struct slice latin1, uint8_t quote);

void etf_print_decimal(struct wr *w, uint64_t v);

#endif
