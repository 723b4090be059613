/* utf8: strict UTF-8 (RFC 3629): no surrogates, nothing over 10FFFF, no longer form than needed. */
#ifndef ERLGATE_BASE_UTF8_H
#define ERLGATE_BASE_UTF8_H

#include "base/slice.h"
#include "base/wr.h"

enum { UTF8_INVALID = -1 };

/* Length in bytes of the longest valid prefix; equal to s.len when all of it is UTF-8. */
size_t utf8_valid_prefix(struct slice s);
static inline bool utf8_is_valid(struct slice s)
{
    return utf8_valid_prefix(s) == s.len;
}

/* Number of code points of a valid text. */
size_t utf8_count(struct slice s);

/* The code point at *pos, which moves behind it; UTF8_INVALID (and *pos unmoved) when there is none. end > *pos. */
int32_t utf8_next(const uint8_t **pos, const uint8_t *end);

/* Writes 1 to 4 bytes to out and gives their number; 0 for what is no Unicode scalar value. */
size_t utf8_encode(uint32_t cp, uint8_t out[4]);
void utf8_write(struct wr *w, uint32_t cp);

/* Latin-1 text as UTF-8. */
void utf8_write_latin1(struct wr *w, struct slice latin1);

/* Is it a character that the Erlang shell prints as such inside a string (io_lib:printable_unicode_list/1)? */
bool utf8_is_printable(uint32_t cp);

#endif
