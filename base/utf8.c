#include "base/utf8.h"

int32_t utf8_next(const uint8_t **pos, const uint8_t *end)
{
    const uint8_t *p = *pos;
    size_t left = (size_t)(end - p);
    uint32_t cp;

    if (p[0] < 0x80) {
        *pos = p + 1;
        return p[0];
    }
    if (p[0] < 0xC2)
        return UTF8_INVALID;
    if (p[0] < 0xE0) {
        if (left < 2 || (p[1] & 0xC0) != 0x80)
            return UTF8_INVALID;
        *pos = p + 2;
        return (p[0] & 0x1F) << 6 | (p[1] & 0x3F);
    }
    if (p[0] < 0xF0) {
        if (left < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80)
            return UTF8_INVALID;
        cp = (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
        if (cp < 0x800 || (cp >= 0xD800 && cp <= 0xDFFF))
            return UTF8_INVALID;
        *pos = p + 3;
        return (int32_t)cp;
    }
    if (p[0] > 0xF4 || left < 4 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80)
        return UTF8_INVALID;
    cp = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 |
         (p[3] & 0x3F);
    if (cp < 0x10000 || cp > 0x10FFFF)
        return UTF8_INVALID;
    *pos = p + 4;
    return (int32_t)cp;
}

size_t utf8_valid_prefix(struct slice s)
{
    const uint8_t *p = s.ptr, *end = s.len ? s.ptr + s.len : s.ptr;

    while (p < end) {
        uint64_t word;

        /* Eight bytes of ASCII at a time: most text is. */
        while (end - p >= 8 && (memcpy(&word, p, 8), (word & 0x8080808080808080u) == 0))
            p += 8;
        /* And of its end, of which there are fewer. */
        while (p < end && *p < 0x80)
            p++;
        if (end - p >= 4 && *p >= 0x80) {
            unsigned n = utf8_char_length(p);

            if (n == 0)
                break;
            p += n;
        } else if (p < end && utf8_next(&p, end) == UTF8_INVALID) {
            break;
        }
    }
    return s.len ? (size_t)(p - s.ptr) : 0;
}

size_t utf8_count(struct slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++)
        n += (s.ptr[i] & 0xC0) != 0x80;
    return n;
}

size_t utf8_encode(uint32_t cp, uint8_t out[4])
{
    if (cp < 0x80) {
        out[0] = (uint8_t)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (uint8_t)(0xC0 | cp >> 6);
        out[1] = (uint8_t)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        if (cp >= 0xD800 && cp <= 0xDFFF)
            return 0;
        out[0] = (uint8_t)(0xE0 | cp >> 12);
        out[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (cp & 0x3F));
        return 3;
    }
    if (cp > 0x10FFFF)
        return 0;
    out[0] = (uint8_t)(0xF0 | cp >> 18);
    out[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (cp & 0x3F));
    return 4;
}

void utf8_write(struct wr *w, uint32_t cp)
{
    uint8_t *p = wr_room(w, 4);

    if (p)
        w->len += utf8_encode(cp, p);
}

void utf8_write_latin1(struct wr *w, struct slice latin1)
{
    uint8_t *p = wr_room(w, latin1.len * 2);

    if (!p)
        return;
    for (size_t i = 0; i < latin1.len; i++)
        p += utf8_encode(latin1.ptr[i], p);
    w->len = (size_t)(p - w->buf);
}

bool utf8_is_obeyed(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0x061C || cp == 0x200E || cp == 0x200F ||
           (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2066 && cp <= 0x2069);
}

bool utf8_is_printable(uint32_t cp)
{
    if (cp < 0x20)
        return (cp >= 0x08 && cp <= 0x0D) || cp == 0x1B; /* \b \t \n \v \f \r \e */
    return cp <= 0x7E || (cp >= 0xA0 && cp < 0xD800) || (cp > 0xDFFF && cp < 0xFFFE) ||
           (cp > 0xFFFF && cp <= 0x10FFFF);
}
