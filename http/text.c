#include "http/text.h"

enum { WORD = 8, DIGITS_NEVER_TOO_MANY = 19 };

#define ONES 0x0101010101010101u /* times a byte: a word of it */

/* RFC 9110, 5.6.2: tchar. */
static const bool token_chars[256] = {
    ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true, ['*'] = true,
    ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true, ['`'] = true,  ['|'] = true,
    ['~'] = true, ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true,  ['5'] = true,
    ['6'] = true, ['7'] = true, ['8'] = true, ['9'] = true, ['A'] = true, ['B'] = true,  ['C'] = true,
    ['D'] = true, ['E'] = true, ['F'] = true, ['G'] = true, ['H'] = true, ['I'] = true,  ['J'] = true,
    ['K'] = true, ['L'] = true, ['M'] = true, ['N'] = true, ['O'] = true, ['P'] = true,  ['Q'] = true,
    ['R'] = true, ['S'] = true, ['T'] = true, ['U'] = true, ['V'] = true, ['W'] = true,  ['X'] = true,
    ['Y'] = true, ['Z'] = true, ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true,  ['e'] = true,
    ['f'] = true, ['g'] = true, ['h'] = true, ['i'] = true, ['j'] = true, ['k'] = true,  ['l'] = true,
    ['m'] = true, ['n'] = true, ['o'] = true, ['p'] = true, ['q'] = true, ['r'] = true,  ['s'] = true,
    ['t'] = true, ['u'] = true, ['v'] = true, ['w'] = true, ['x'] = true, ['y'] = true,  ['z'] = true,
};

bool text_is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!token_chars[s.ptr[i]])
            return false;
    }
    return s.len > 0;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static bool is_same_nocase(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i] && lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

/* Most are the same byte by byte, or differ in more than the bit that tells the cases apart. */
bool text_same_nocase(struct slice a, struct slice b)
{
    size_t at = 0;

    if (a.len != b.len)
        return false;
    for (; a.len - at >= WORD; at += WORD) {
        uint64_t x, y;

        memcpy(&x, a.ptr + at, WORD);
        memcpy(&y, b.ptr + at, WORD);
        if ((x ^ y) & ~(ONES * 0x20) || (x != y && !is_same_nocase(a.ptr + at, b.ptr + at, WORD)))
            return false;
    }
    /* (An empty slice may point nowhere, and nowhere has no bytes to step over.) */
    return at == a.len || is_same_nocase(a.ptr + at, b.ptr + at, a.len - at);
}

bool text_eq_nocase(struct slice a, const char *b)
{
    return text_same_nocase(a, slice_of_str(b));
}

/* Is one of the word's bytes c? */
static bool has_byte(uint64_t word, uint8_t c)
{
    uint64_t x = word ^ ONES * c;

    return (x - ONES) & ~x & ONES * 0x80;
}

bool text_is_of_url(struct slice s)
{
    size_t at = 0;

    for (; s.len - at >= WORD; at += WORD) {
        uint64_t x;

        memcpy(&x, s.ptr + at, WORD);
        /* (Of the first: is one less than 0x21?) */
        if ((x - ONES * 0x21) & ~x & ONES * 0x80 || has_byte(x, 0x7F) || has_byte(x, '#'))
            return false;
    }
    for (; at < s.len; at++) {
        if (s.ptr[at] <= 0x20 || s.ptr[at] == 0x7F || s.ptr[at] == '#')
            return false;
    }
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct slice text_trim(struct slice s)
{
    while (s.len && is_blank(s.ptr[0])) {
        s.ptr++;
        s.len--;
    }
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

int text_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void text_put_hex(char out[8], uint32_t v)
{
    uint64_t x = v, letters;

    /* Each half of a byte becomes a byte, all at once; those from 10 on are to be letters. */
    x = (x | x << 16) & 0x0000FFFF0000FFFFu;
    x = (x | x << 8) & 0x00FF00FF00FF00FFu;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0Fu;
    letters = (x + ONES * 6) >> 4 & ONES;
    x += ONES * '0' + letters * ('a' - '0' - 10);
    memcpy(out, &x, sizeof x);
}

/* The first n bytes, eaten. */
static struct slice take(struct slice *in, size_t n)
{
    struct slice s = {in->ptr, n};

    in->ptr += n;
    in->len -= n;
    return s;
}

struct slice text_take_token(struct slice *in)
{
    size_t n = 0;

    while (n < in->len && token_chars[in->ptr[n]])
        n++;
    return n ? take(in, n) : (struct slice){0};
}

bool text_take_char(struct slice *in, char c)
{
    if (!in->len || in->ptr[0] != (uint8_t)c)
        return false;
    take(in, 1);
    return true;
}

/* The length of the quoted string that in begins with, quotes included; 0 when it has no end. */
static size_t quoted_len(struct slice in)
{
    for (size_t i = 1; i < in.len; i++) {
        if (in.ptr[i] == '\\')
            i++;
        else if (in.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

bool text_take_value(struct slice *in, struct slice *ret)
{
    size_t n;

    if (!in->len || in->ptr[0] != '"') {
        *ret = text_take_token(in);
        return ret->len > 0;
    }
    n = quoted_len(*in);
    if (!n)
        return false;
    *ret = take(in, n);
    *ret = (struct slice){ret->ptr + 1, n - 2};
    return true;
}

bool text_take_element(struct slice *in, struct slice *ret)
{
    while (in->len) {
        size_t n = 0;

        while (n < in->len && in->ptr[n] != ',') {
            size_t quoted = in->ptr[n] == '"' ? quoted_len((struct slice){in->ptr + n, in->len - n}) : 0;

            n += quoted ? quoted : 1;
        }
        *ret = text_trim(take(in, n));
        text_take_char(in, ',');
        if (ret->len)
            return true;
    }
    return false;
}

bool text_read_uint(struct slice s, uint64_t *ret)
{
    uint64_t v = 0;

    if (!s.len)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        if (i < DIGITS_NEVER_TOO_MANY)
            v = v * 10 + (uint64_t)(s.ptr[i] - '0');
        else if (__builtin_mul_overflow(v, 10, &v) ||
                 __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            v = UINT64_MAX; /* and stays there: each further digit overflows again */
    }
    *ret = v;
    return true;
}

/* qvalue = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3"0" ] */
bool text_read_q(struct slice text, unsigned *ret)
{
    unsigned q = 0, weight = 100;

    if (text.len < 1 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return false;
    if (text.len > 1 && text.ptr[1] != '.')
        return false;
    for (size_t i = 2; i < text.len; i++, weight /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        q += weight * (unsigned)(text.ptr[i] - '0');
    }
    q += text.ptr[0] == '1' ? 1000 : 0;
    if (q > 1000)
        return false;
    *ret = q;
    return true;
}
