/* base64: RFC 4648 section 4. Written with padding; read with or without it, and nothing else beside. */
#ifndef ERLGATE_BASE_BASE64_H
#define ERLGATE_BASE_BASE64_H

#include "base/slice.h"
#include "base/wr.h"

void base64_write(struct wr *w, struct slice bytes);

/* Appends the bytes that text stands for. ERR_MALFORMED with *ret_offset (may be NULL) at the wrong
 * character: a stranger to the alphabet, a lone last character, or bits set that no byte uses. w's own
 * failure is returned too. */
MUST_USE enum err base64_read(struct wr *w, struct slice text, size_t *ret_offset);

#endif
