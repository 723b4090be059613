/*
 * text: the small words that HTTP header fields are made of (RFC 9110, 5.6): tokens, lists, quoted strings.
 *
 * Pure. The take functions eat from the front of *in, and give borrowed parts of it.
 */
#ifndef ERLGATE_HTTP_TEXT_H
#define ERLGATE_HTTP_TEXT_H

#include "base/slice.h"

bool text_is_token(struct slice s); /* at least one character */
/* ASCII case is ignored. */
bool text_eq_nocase(struct slice a, const char *b);
bool text_same_nocase(struct slice a, struct slice b);
/* Visible ASCII, and whatever bytes a client did not escape; never '#', which no client sends. */
bool text_is_of_url(struct slice s);
/* Without the spaces and tabs at both ends. */
struct slice text_trim(struct slice s);
/* 0 to 15, or -1. */
int text_hex_digit(uint8_t c);

/* 8 digits, in the order of the machine's bytes, low halves first: of what has no order, as what is random.
 */
void text_put_hex(char out[8], uint32_t v);

/* Empty when there is none. */
struct slice text_take_token(struct slice *in);
bool text_take_char(struct slice *in, char c);
/* A token or a quoted string, the latter without its quotes and with its escapes as they stand. */
bool text_take_value(struct slice *in, struct slice *ret);
/* The next element of a comma-separated list, trimmed and not empty; commas in quoted strings do not count.
 */
bool text_take_element(struct slice *in, struct slice *ret);

/* Digits alone; saturates at UINT64_MAX. False for anything else. */
bool text_read_uint(struct slice s, uint64_t *ret);
/* A weight of RFC 9110, 12.4.2: 0 to 1 with at most three decimals, as thousandths. */
bool text_read_q(struct slice s, unsigned *ret);

#endif
