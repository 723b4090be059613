/*
 * write: strings and numbers as JSON text.
 */
#ifndef ERLGATE_JSON_WRITE_H
#define ERLGATE_JSON_WRITE_H

#include "json/scan.h"

/* Appends text in quotes, escaped where JSON demands it. What is not UTF-8 becomes U+FFFD, a byte at a time.
 */
void json_write_string(struct wr *w, struct slice text);
void json_write_str(struct wr *w, const char *text);
void json_write_int64(struct wr *w, int64_t v);
void json_write_uint64(struct wr *w, uint64_t v);
/* finite; always with a point, as base/flt.h prints */
void json_write_double(struct wr *w, double v);

enum { JSON_ESCAPE_MAX = 6 };

/* How c, a control character, quote or backslash, is written; gives the length. */
unsigned json_put_escape(uint8_t *o, uint8_t c);

/*
 * Copies text from *p up to end, escaped and without quotes, to *o. The bytes up to readable_end (>= end) may
 * be looked at. JSON_COPY_BAD: *p is at what is not UTF-8. Calls again go on where the last one stopped.
 */
static ALWAYS_INLINE enum json_copied json_escape(const uint8_t **pp, const uint8_t *end,
                                                  const uint8_t *readable_end, uint8_t **oo,
                                                  const uint8_t *o_end)
{
    const uint8_t *p = *pp;
    uint8_t *o = *oo;
    enum json_copied result = JSON_COPIED;

    while (p < end) {
        if (UNLIKELY(o_end - o < JSON_ROOM)) {
            result = JSON_COPY_ROOM;
            break;
        }
        if (LIKELY(readable_end - p >= JSON_BLOCK)) {
            unsigned n = json_copy_block(o, p);

            if ((size_t)(end - p) <= n) {
                o += end - p;
                p = end;
                break;
            }
            p += n;
            o += n;
            if (n == JSON_BLOCK)
                continue;
        }
        if (*p >= 0x80) {
            if (!json_copy_char(&p, end, &o)) {
                result = JSON_COPY_BAD;
                break;
            }
        } else if (*p < 0x20 || *p == '"' || *p == '\\') {
            o += json_put_escape(o, *p++);
        } else {
            *o++ = *p++;
        }
    }
    *pp = p;
    *oo = o;
    return result;
}

#endif
