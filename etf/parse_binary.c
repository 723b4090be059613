/* Binaries: <<"text">>, <<"text"/utf8>>, <<1,2>>, <<X:Size/Type-Sign-Endian-unit:N>>. */
#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "etf/integer.h"
#include "etf/parse.h"
#include "etf/quote.h"
#include "etf/wire.h"

enum {
    MAX_SEGMENT_BITS = 65536, /* of one integer: a few letters of text may not become a gigabyte */
    MAX_UNIT = 256,
};

enum type { TYPE_NONE, TYPE_INTEGER, TYPE_FLOAT, TYPE_UTF8, TYPE_UTF16, TYPE_UTF32, TYPE_BINARY };

/* What stands behind the value of a segment. */
struct spec {
    enum type type;
    uint64_t size; /* in units; as has_size says */
    uint64_t unit; /* 0: not given */
    bool has_size, has_endian, is_little;
};

struct value {
    enum { VALUE_TEXT, VALUE_INTEGER, VALUE_FLOAT } kind;
    size_t at;                /* in the text, for faults */
    struct etf_lex_text text; /* VALUE_TEXT: in scratch */
    bool negative;
    struct etf_number number;
};

/* Appends bits to the bytes of a binary: `used` of the last byte's are taken, 0 standing for all of them. */
struct bits {
    struct wr *w;
    unsigned used;
};

/* The lowest n (1 to 8) bits of v. */
static void put(struct bits *b, uint8_t v, unsigned n)
{
    uint8_t *last;

    v = (uint8_t)(v << (8 - n));
    if (b->used == 0) {
        wr_u8(b->w, v);
        b->used = n & 7;
        return;
    }
    if (!wr_ok(b->w))
        return;
    last = b->w->buf + b->w->len - 1;
    *last |= (uint8_t)(v >> b->used);
    if (b->used + n > 8)
        wr_u8(b->w, (uint8_t)(v << (8 - b->used)));
    b->used = (b->used + n) & 7;
}

/* Bytes as they are; most binaries never have a bit left over. */
static void put_bytes(struct bits *b, const uint8_t *p, size_t n)
{
    if (b->used == 0) {
        wr_bytes(b->w, p, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        put(b, p[i], 8);
}

/* The lowest n bits of a little-endian integer. */
static void put_integer(struct bits *b, const uint8_t *little, uint64_t n, bool is_little)
{
    uint64_t whole = n / 8;
    unsigned rest = n % 8;

    if (is_little) {
        put_bytes(b, little, whole);
        if (rest)
            put(b, little[whole] & (uint8_t)((1u << rest) - 1), rest);
        return;
    }
    if (rest)
        put(b, little[whole] & (uint8_t)((1u << rest) - 1), rest);
    for (uint64_t i = whole; i > 0; i--)
        put(b, little[i - 1], 8);
}

static enum err segment_fail(struct etf_lex *l, size_t at, const char *text)
{
    return fault_set(l->fault, ERR_MALFORMED, at, text);
}

static enum err small_number(struct etf_lex *l, uint32_t max_digits, uint64_t max, uint64_t *ret)
{
    size_t at = rd_offset(&l->r);
    struct etf_number n;
    enum err e;

    if (!etf_is_digit(etf_lex_peek(l, 0)))
        return etf_lex_fail(l, at, "expected a number of bits");
    e = etf_lex_number(l, max_digits, &n);
    if (e != ERR_NONE)
        return e;
    if (n.is_float || !n.fits || n.small > max)
        return fault_set(l->fault, ERR_TOO_LARGE, at, "a segment has at most 65,536 bits");
    *ret = n.small;
    return ERR_NONE;
}

static bool set_type(struct spec *s, enum type type)
{
    if (s->type != TYPE_NONE && s->type != type)
        return false;
    s->type = type;
    return true;
}

static bool set_endian(struct spec *s, bool is_little)
{
    if (s->has_endian && s->is_little != is_little)
        return false;
    s->has_endian = true;
    s->is_little = is_little;
    return true;
}

static enum err type_word(struct etf_lex *l, uint32_t max_digits, struct spec *s)
{
    static const struct {
        const char *word;
        enum type type;
    } types[] = {{"integer", TYPE_INTEGER}, {"float", TYPE_FLOAT}, {"utf8", TYPE_UTF8},
                 {"utf16", TYPE_UTF16},     {"utf32", TYPE_UTF32}, {"binary", TYPE_BINARY},
                 {"bytes", TYPE_BINARY},    {"bits", TYPE_BINARY}, {"bitstring", TYPE_BINARY}};
    size_t at = rd_offset(&l->r), n;
    struct slice word;
    bool ok = false;

    while ((n = etf_lex_name_char(l)))
        rd_skip(&l->r, n);
    word = slice_of(l->r.start + at, rd_offset(&l->r) - at);
    if (word.len == 0)
        return etf_lex_fail(l, at, "expected a type");
    if (slice_eq_str(word, "unit")) {
        if (!etf_lex_take(l, ":"))
            return etf_lex_fail(l, rd_offset(&l->r), "expected ':' and a number");
        return small_number(l, max_digits, MAX_UNIT, &s->unit);
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (slice_eq_str(word, types[i].word))
            ok = set_type(s, types[i].type);
    }
    /* The sign matters to who takes a binary apart only. */
    ok = ok || slice_eq_str(word, "signed") || slice_eq_str(word, "unsigned") ||
         (slice_eq_str(word, "big") && set_endian(s, false)) ||
         (slice_eq_str(word, "little") && set_endian(s, true));
    return ok ? ERR_NONE : segment_fail(l, at, "an unknown type, or one that contradicts another");
}

static enum err spec(struct etf_lex *l, uint32_t max_digits, struct spec *ret)
{
    enum err e;

    *ret = (struct spec){0};
    etf_lex_space(l);
    if (etf_lex_take(l, ":")) {
        etf_lex_space(l);
        ret->has_size = true;
        e = small_number(l, max_digits, MAX_SEGMENT_BITS, &ret->size);
        if (e != ERR_NONE)
            return e;
        etf_lex_space(l);
    }
    if (!etf_lex_take(l, "/"))
        return ERR_NONE;
    do {
        etf_lex_space(l);
        e = type_word(l, max_digits, ret);
        if (e != ERR_NONE)
            return e;
        etf_lex_space(l);
    } while (etf_lex_take(l, "-"));
    return ERR_NONE;
}

/* One string, or several side by side. */
static enum err strings(struct etf_lex *l, struct etf_lex_text *ret)
{
    enum err e;

    *ret = (struct etf_lex_text){.at = l->scratch->len, .in_scratch = true};
    do {
        e = etf_lex_string(l);
        if (e != ERR_NONE)
            return e;
        etf_lex_space(l);
    } while (etf_lex_peek(l, 0) == '"');
    ret->len = l->scratch->len - ret->at;
    return ERR_NONE;
}

static enum err value(struct etf_lex *l, uint32_t max_digits, struct value *ret)
{
    uint32_t cp;
    enum err e;
    int c;

    etf_lex_space(l);
    *ret = (struct value){.at = rd_offset(&l->r)};
    if (etf_lex_peek(l, 0) == '"') {
        ret->kind = VALUE_TEXT;
        return strings(l, &ret->text);
    }
    ret->negative = etf_lex_peek(l, 0) == '-';
    if (ret->negative || etf_lex_peek(l, 0) == '+') {
        rd_skip(&l->r, 1);
        etf_lex_space(l);
    }
    c = etf_lex_peek(l, 0);
    ret->kind = VALUE_INTEGER;
    if (c == '$') {
        e = etf_lex_char(l, &cp);
        if (e == ERR_NONE)
            ret->number = (struct etf_number){.fits = true, .small = cp};
        return e;
    }
    if (!etf_is_digit(c))
        return etf_lex_fail(l, rd_offset(&l->r), "expected a string or a number in this binary");
    e = etf_lex_number(l, max_digits, &ret->number);
    if (e == ERR_NONE && ret->number.is_float)
        ret->kind = VALUE_FLOAT;
    return e;
}

static enum err bit_count(struct etf_lex *l, const struct spec *s, uint64_t def, size_t at, uint64_t *ret)
{
    if (s->unit && !s->has_size)
        return segment_fail(l, at, "a unit needs a size");
    *ret = (s->has_size ? s->size : def) * (s->unit ? s->unit : 1);
    if (*ret > MAX_SEGMENT_BITS)
        return fault_set(l->fault, ERR_TOO_LARGE, at, "a segment has at most 65,536 bits");
    return ERR_NONE;
}

/* The lowest bits of an integer, negative ones as two's complement. */
static enum err integer_segment(struct etf_lex *l, struct bits *b, const struct value *v,
                                const struct spec *s)
{
    uint8_t small[8], *bytes = small;
    struct wr big;
    struct slice magnitude;
    uint64_t n, room;
    bool negative;
    enum err e = bit_count(l, s, 8, v->at, &n);

    if (e != ERR_NONE)
        return e;
    wr_init(&big, SIZE_MAX);
    if (v->number.fits) {
        for (unsigned i = 0; i < 8; i++)
            small[i] = (uint8_t)(v->number.small >> 8 * i);
        magnitude = slice_of(small, 8);
    } else {
        struct etf_rd r;

        e = etf_integer_parse(&big, false, etf_lex_slice(l, v->number.digits), v->number.base);
        r = etf_rd_of(wr_written(&big), NULL);
        if (e != ERR_NONE || !etf_read_big(&r, &negative, &magnitude)) {
            fault_set(l->fault, e, v->at, "an integer that is too large");
            goto out;
        }
    }
    room = n / 8 + 1;
    if (n > 64 || magnitude.len > 8) {
        bytes = mem_zalloc(room > magnitude.len ? room : magnitude.len);
        if (!bytes) {
            e = fault_set(l->fault, ERR_NOMEM, v->at, "");
            goto out;
        }
        memcpy(bytes, magnitude.ptr, magnitude.len);
    }
    if (v->negative) {
        unsigned carry = 1;

        for (uint64_t i = 0; i < (n + 7) / 8; i++) {
            carry += (uint8_t)~bytes[i];
            bytes[i] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    put_integer(b, bytes, n, s->is_little);
out:
    if (bytes != small)
        mem_free(bytes);
    wr_fini(&big);
    return e;
}

static enum err float_segment(struct etf_lex *l, struct bits *b, double v, size_t at, const struct spec *s)
{
    uint8_t bytes[8];
    uint64_t n, word;
    uint32_t half;
    float f;
    enum err e = bit_count(l, s, 64, at, &n);

    if (e != ERR_NONE)
        return e;
    if (n == 64) {
        memcpy(&word, &v, sizeof word);
    } else if (n == 32) {
        f = (float)v;
        if (!isfinite(f))
            return segment_fail(l, at, "a float that does not fit into 32 bits");
        memcpy(&half, &f, sizeof half);
        word = half;
    } else {
        return fault_set(l->fault, ERR_UNSUPPORTED, at, "a float in a binary has 64 or 32 bits");
    }
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(word >> 8 * i);
    put_integer(b, bytes, n, s->is_little);
    return ERR_NONE;
}

/* One character in one of the three encodings. */
static void put_char(struct bits *b, uint32_t cp, const struct spec *s)
{
    uint8_t bytes[4];
    uint32_t high;

    switch (s->type) {
    case TYPE_UTF16:
        if (cp >= 0x10000) {
            high = 0xD800 + ((cp - 0x10000) >> 10);
            cp = 0xDC00 + ((cp - 0x10000) & 0x3FF);
            bytes[0] = (uint8_t)high;
            bytes[1] = (uint8_t)(high >> 8);
            put_integer(b, bytes, 16, s->is_little);
        }
        bytes[0] = (uint8_t)cp;
        bytes[1] = (uint8_t)(cp >> 8);
        put_integer(b, bytes, 16, s->is_little);
        break;
    case TYPE_UTF32:
        for (unsigned i = 0; i < 4; i++)
            bytes[i] = (uint8_t)(cp >> 8 * i);
        put_integer(b, bytes, 32, s->is_little);
        break;
    default: put_bytes(b, bytes, utf8_encode(cp, bytes)); break;
    }
}

static bool is_utf(const struct spec *s)
{
    return s->type == TYPE_UTF8 || s->type == TYPE_UTF16 || s->type == TYPE_UTF32;
}

/* A string stands for its characters, each a segment of its own. */
static enum err text_segment(struct etf_lex *l, struct bits *b, const struct value *v, const struct spec *s)
{
    struct slice text = etf_lex_slice(l, v->text);
    const uint8_t *p = text.ptr, *end = slice_end(text);
    enum err e = ERR_NONE;

    if (s->type == TYPE_UTF8) {
        put_bytes(b, text.ptr, text.len);
        return ERR_NONE;
    }
    while (p < end && e == ERR_NONE) {
        struct value one = {.kind = VALUE_INTEGER, .at = v->at};
        const uint8_t *run = p;
        uint32_t cp;

        if (s->type == TYPE_NONE && !s->has_size && !s->unit) {
            while (p < end && *p < 0x80)
                p++;
            put_bytes(b, run, (size_t)(p - run));
            if (p == end)
                break;
        }
        cp = (uint32_t)utf8_next(&p, end);
        one.number = (struct etf_number){.fits = true, .small = cp};
        if (is_utf(s)) {
            put_char(b, cp, s);
        } else if (s->type == TYPE_FLOAT) {
            e = float_segment(l, b, cp, v->at, s);
        } else if (cp > 0xFF && !s->has_size) {
            return segment_fail(l, v->at, "a character past 255 needs /utf8 in a binary");
        } else if (!s->has_size && !s->unit) {
            put(b, (uint8_t)cp, 8);
        } else {
            e = integer_segment(l, b, &one, s);
        }
    }
    return e;
}

static enum err segment(struct etf_lex *l, struct bits *b, uint32_t max_digits)
{
    struct value v;
    struct spec s;
    enum err e = value(l, max_digits, &v);

    if (e != ERR_NONE)
        return e;
    e = spec(l, max_digits, &s);
    if (e != ERR_NONE)
        return e;
    if (s.type == TYPE_BINARY)
        return fault_set(l->fault, ERR_UNSUPPORTED, v.at, "a binary within a binary");
    if (is_utf(&s) && (s.has_size || s.unit))
        return segment_fail(l, v.at, "a character in UTF-8, 16 or 32 has no size");
    if (v.kind == VALUE_TEXT)
        return text_segment(l, b, &v, &s);
    if (v.kind == VALUE_FLOAT && s.type != TYPE_FLOAT)
        return segment_fail(l, v.at, "a float in a binary needs /float");
    if (s.type == TYPE_FLOAT) {
        double f = v.kind == VALUE_FLOAT ? v.number.f : (double)v.number.small;

        if (v.kind == VALUE_INTEGER && !v.number.fits)
            return segment_fail(l, v.at, "an integer that is too large for a float");
        return float_segment(l, b, v.negative ? -f : f, v.at, &s);
    }
    if (is_utf(&s)) {
        uint32_t cp = (uint32_t)v.number.small;

        if (v.negative || !v.number.fits || v.number.small > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
            return segment_fail(l, v.at, "not a Unicode character");
        put_char(b, cp, &s);
        return ERR_NONE;
    }
    return integer_segment(l, b, &v, &s);
}

/* The header that was written for whole bytes gets the number of bits between itself and them. */
static void close_binary(struct wr *w, size_t start, unsigned used)
{
    size_t len = w->len - start - 5;

    if (len > UINT32_MAX) {
        wr_fail(w, ERR_TOO_LARGE);
        return;
    }
    if (used && wr_room(w, 1)) {
        memmove(w->buf + start + 6, w->buf + start + 5, len);
        w->buf[start] = ETF_BIT_BINARY_EXT;
        w->buf[start + 5] = (uint8_t)used;
        w->len++;
    }
    if (wr_ok(w))
        be_store32(w->buf + start + 1, (uint32_t)len);
}

/* `"text">>` of characters that stand for themselves, as most binaries are. False: not that; nothing has
 * moved. */
static bool simple_text(struct etf_lex *l, struct wr *w)
{
    const uint8_t *text = l->r.pos + 1, *end;

    if (etf_lex_peek(l, 0) != '"')
        return false;
    end = etf_plain_run(text, l->r.end, '"');
    if (l->r.end - end < 3 || memcmp(end, "\">>", 3) != 0)
        return false;
    etf_write_binary(w, slice_of(text, (size_t)(end - text)));
    l->r.pos = end + 3;
    return true;
}

enum err etf_parse_binary(struct etf_lex *l, struct wr *w, uint32_t max_digits)
{
    struct bits b = {.w = w};
    size_t start = w->len, scratch = l->scratch->len, at = rd_offset(&l->r);
    enum err e;

    rd_skip(&l->r, 2); /* << */
    if (simple_text(l, w))
        return wr_ok(w) ? ERR_NONE : fault_set(l->fault, w->err, at, "");
    wr_u8(w, ETF_BINARY_EXT);
    wr_be32(w, 0);
    etf_lex_space(l);
    if (!etf_lex_take(l, ">>")) {
        do {
            e = segment(l, &b, max_digits);
            l->scratch->len = scratch;
            if (e != ERR_NONE)
                return e;
            if (!wr_ok(w))
                return fault_set(l->fault, w->err, at, "");
            etf_lex_space(l);
        } while (etf_lex_take(l, ","));
        if (!etf_lex_take(l, ">>"))
            return etf_lex_fail(l, rd_offset(&l->r), "expected ',' or '>>'");
    }
    close_binary(w, start, b.used);
    return wr_ok(w) ? ERR_NONE : fault_set(l->fault, w->err, at, "");
}
