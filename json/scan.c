#include "json/scan.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \uXXXX at p; -1 when it is not that. */
static int32_t read_u(const uint8_t *p, const uint8_t *end)
{
    int32_t v = 0;

    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_value(p[i]);

        if (digit < 0)
            return -1;
        v = v << 4 | digit;
    }
    return v;
}

static bool is_high_surrogate(int32_t v)
{
    return v >= 0xD800 && v <= 0xDBFF;
}

static bool is_low_surrogate(int32_t v)
{
    return v >= 0xDC00 && v <= 0xDFFF;
}

static const uint8_t *read_unicode(const uint8_t *p, const uint8_t *end, uint8_t *to, unsigned *ret_len)
{
    int32_t v = read_u(p, end), low;

    if (v < 0 || is_low_surrogate(v))
        return NULL;
    p += 6;
    if (is_high_surrogate(v)) {
        low = read_u(p, end);
        if (!is_low_surrogate(low))
            return NULL;
        v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    *ret_len = (unsigned)utf8_encode((uint32_t)v, to);
    return p;
}

const uint8_t *json_read_escape(const uint8_t *p, const uint8_t *end, uint8_t *to, unsigned *ret_len)
{
    static const uint8_t meant[256] = {
        ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
        ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
    };

    if (end - p < 2)
        return NULL;
    if (meant[p[1]]) {
        *to = meant[p[1]];
        *ret_len = 1;
        return p + 2;
    }
    return read_unicode(p, end, to, ret_len);
}

const char *json_string_complaint(const uint8_t *p, const uint8_t *end)
{
    if (p == end)
        return "the string has no closing quote";
    if (*p < 0x20)
        return "a control character in a string must be written as \\u00XX";
    if (*p >= 0x80)
        return "the string is not UTF-8";
    if (end - p >= 2 && p[1] == 'u')
        return read_u(p, end) >= 0
                   ? "half a surrogate pair: a character past U+FFFF is two \\u, the second one DC00 to DFFF"
                   : "\\u wants four hexadecimal digits";
    return "no such escape: JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX";
}
