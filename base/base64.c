#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_write(struct wr *w, struct slice b)
{
    size_t n = (b.len + 2) / 3 * 4, i = 0;
    uint8_t *p = wr_room(w, n);

    if (!p)
        return;
    for (; i + 3 <= b.len; i += 3) {
        uint32_t v = (uint32_t)b.ptr[i] << 16 | (uint32_t)b.ptr[i + 1] << 8 | b.ptr[i + 2];

        *p++ = (uint8_t)digits[v >> 18];
        *p++ = (uint8_t)digits[v >> 12 & 63];
        *p++ = (uint8_t)digits[v >> 6 & 63];
        *p++ = (uint8_t)digits[v & 63];
    }
    if (i < b.len) {
        uint32_t v = (uint32_t)b.ptr[i] << 16 | (i + 1 < b.len ? (uint32_t)b.ptr[i + 1] << 8 : 0);

        *p++ = (uint8_t)digits[v >> 18];
        *p++ = (uint8_t)digits[v >> 12 & 63];
        *p++ = i + 1 < b.len ? (uint8_t)digits[v >> 6 & 63] : '=';
        *p++ = '=';
    }
    w->len += n;
}

static int value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static enum err bad(size_t at, size_t *ret_offset)
{
    if (ret_offset)
        *ret_offset = at;
    return ERR_MALFORMED;
}

enum err base64_read(struct wr *w, struct slice t, size_t *ret_offset)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t n = t.len;
    uint8_t *p;

    if (n && n % 4 == 0 && t.ptr[n - 1] == '=')
        n -= t.ptr[n - 2] == '=' ? 2 : 1;
    if (n % 4 == 1)
        return bad(n - 1, ret_offset);
    p = wr_room(w, n / 4 * 3 + 3);
    if (!p) {
        /* Near a ceiling the exact size may still fit. */
        if (w->err != ERR_TOO_LARGE)
            return w->err;
        w->err = ERR_NONE;
        p = wr_room(w, n / 4 * 3 + (n % 4 ? n % 4 - 1 : 0));
        if (!p)
            return w->err;
    }
    for (size_t i = 0; i < n; i++) {
        int v = value(t.ptr[i]);

        if (v < 0)
            return bad(i, ret_offset);
        acc = acc << 6 | (uint32_t)v;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *p++ = (uint8_t)(acc >> bits);
        }
    }
    if (acc & ((1u << bits) - 1))
        return bad(n - 1, ret_offset);
    w->len = (size_t)(p - w->buf);
    return ERR_NONE;
}
