#include "json/write.h"

#include "base/digits.h"
#include "base/flt.h"

unsigned json_put_escape(uint8_t *o, uint8_t c)
{
    static const uint8_t letters[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    static const char hex[] = "0123456789abcdef";

    o[0] = '\\';
    if (c >= 0x20 || letters[c]) {
        o[1] = c >= 0x20 ? c : letters[c];
        return 2;
    }
    memcpy(o + 1, "u00", 3);
    o[4] = (uint8_t)hex[c >> 4];
    o[5] = (uint8_t)hex[c & 15];
    return JSON_ESCAPE_MAX;
}

void json_write_string(struct wr *w, struct slice text)
{
    const uint8_t *p = text.ptr, *end = text.len ? p + text.len : p;

    wr_u8(w, '"');
    for (;;) {
        uint8_t *room = wr_room(w, (size_t)(end - p) + JSON_ROOM), *o = room;
        enum json_copied done;

        /* Near a ceiling the block's slack may not be had though the text fits: that counts as too large. */
        if (!room)
            return;
        done = json_escape(&p, end, end, &o, w->buf + w->cap);
        w->len += (size_t)(o - room);
        if (done == JSON_COPIED)
            break;
        if (done == JSON_COPY_BAD) {
            wr_str(w, "\xEF\xBF\xBD");
            p++;
        }
    }
    wr_u8(w, '"');
}

void json_write_str(struct wr *w, const char *text)
{
    json_write_string(w, slice_of_str(text));
}

void json_write_uint64(struct wr *w, uint64_t v)
{
    uint8_t text[DIGITS_ROOM];

    wr_bytes(w, text, (size_t)(digits_put(text, v) - text));
}

void json_write_int64(struct wr *w, int64_t v)
{
    if (v < 0)
        wr_u8(w, '-');
    json_write_uint64(w, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_write_double(struct wr *w, double v)
{
    char text[FLT_TEXT_MAX];

    wr_bytes(w, text, flt_print(v, text));
}
