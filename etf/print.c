/*
 * print: a term in Erlang's syntax, as the shell prints it, so that it can be read again.
 */
#include "base/base64.h"
#include "base/check.h"
#include "base/digits.h"
#include "base/flt.h"
#include "base/utf8.h"
#include "etf/integer.h"
#include "etf/quote.h"
#include "etf/stack.h"
#include "etf/syntax.h"
#include "etf/wire.h"

enum {
    INLINE_FRAMES = 32,
    /* Of an integer that is written in digits: up to 10,000 of them, as many as are read by default.
     * Conversion costs the square of the length, and a peer may send 500 KB; what is longer is written as
     * #Etf<…>. */
    MAX_DIGIT_BYTES = 4152,
};

struct frame {
    enum { FRAME_LIST, FRAME_TUPLE, FRAME_MAP } kind;
    uint64_t left;  /* parts that have not begun */
    bool has_begun; /* a part has been written */
    bool has_tail;  /* FRAME_LIST: the tail too */
};

struct print {
    struct wr *w;
    struct etf_rd *r;
    struct frame *frames; /* first or owned */
    size_t depth, cap;
    uint64_t digits_budget; /* of integer.h */
    struct frame first[INLINE_FRAMES];
};

static enum err malformed(struct print *p)
{
    wr_fail(p->w, ERR_MALFORMED);
    return p->w->err;
}

static void push(struct print *p, int kind, uint64_t parts)
{
    struct frame *f;

    if (p->depth == p->cap) {
        f = etf_stack_grow(p->frames, p->first, &p->cap, sizeof *f);
        if (!f) {
            wr_fail(p->w, ERR_NOMEM);
            return;
        }
        p->frames = f;
    }
    f = &p->frames[p->depth++];
    *f = (struct frame){.left = parts};
    f->kind = kind;
}

/* One whole term that has no syntax. Its atoms may be in a header that goes away: so it is copied, not
 * quoted. */
static void opaque(struct print *p)
{
    struct wr copy;

    wr_init(&copy, SIZE_MAX);
    etf_write_version(&copy);
    if (etf_copy(&copy, p->r) == ERR_NONE) {
        wr_str(p->w, "#Etf<");
        base64_write(p->w, wr_written(&copy));
        wr_u8(p->w, '>');
    } else {
        wr_fail(p->w, copy.err);
    }
    wr_fini(&copy);
}

/* SMALL_INTEGER_EXT and INTEGER_EXT; the cursor moves behind it. */
static inline bool take_short_integer(struct rd *r, int32_t *ret)
{
    const uint8_t *p = r->pos;

    if (rd_left(r) < 5)
        return false;
    switch (p[0]) {
    case ETF_SMALL_INTEGER_EXT:
        *ret = p[1];
        r->pos += 2;
        return true;
    case ETF_INTEGER_EXT:
        *ret = (int32_t)((uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4]);
        r->pos += 5;
        return true;
    default: return false;
    }
}

/* False: another form, or little room; nothing has moved. */
static bool short_integer(struct print *p)
{
    struct wr *w = p->w;
    uint8_t *o;
    int32_t v;

    if (UNLIKELY(w->cap - w->len < DIGITS_ROOM + 1 || !wr_ok(w)) || !take_short_integer(&p->r->rd, &v))
        return false;
    o = w->buf + w->len;
    *o = '-';
    o += v < 0;
    w->len = (size_t)(digits_put(o, v < 0 ? 0 - (uint32_t)v : (uint32_t)v) - w->buf);
    return true;
}

static void integer(struct print *p)
{
    struct etf_rd t = *p->r;
    struct slice magnitude;
    bool negative;
    int64_t v;
    enum err e;

    if (LIKELY(short_integer(p)))
        return;
    if (etf_read_int64(&t, &v)) {
        if (v < 0)
            wr_u8(p->w, '-');
        etf_print_decimal(p->w, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    } else if (!etf_read_big(&t, &negative, &magnitude)) {
        malformed(p);
    } else if (magnitude.len > MAX_DIGIT_BYTES || !etf_integer_affords(&p->digits_budget, magnitude)) {
        opaque(p);
        return;
    } else {
        e = etf_integer_print(p->w, negative, magnitude);
        if (e != ERR_NONE)
            wr_fail(p->w, e);
    }
    *p->r = t;
}

static void floating(struct print *p)
{
    char text[FLT_TEXT_MAX];
    double v;

    if (etf_read_float(p->r, &v))
        wr_bytes(p->w, text, flt_print(v, text));
    else
        malformed(p);
}

/* Bytes as integers, the last one perhaps with a size in bits. */
static void integers(struct wr *w, struct slice bytes, unsigned bits)
{
    for (size_t i = 0; i < bytes.len; i++) {
        bool is_part = i + 1 == bytes.len && bits < 8;

        if (i)
            wr_u8(w, ',');
        etf_print_decimal(w, is_part ? bytes.ptr[i] >> (8 - bits) : bytes.ptr[i]);
        if (is_part) {
            wr_u8(w, ':');
            etf_print_decimal(w, bits);
        }
    }
}

static bool is_printable_utf8(struct slice s, bool *ret_is_ascii)
{
    const uint8_t *p = s.ptr, *end = slice_end(s);

    *ret_is_ascii = true;
    while ((p = etf_plain_run(p, end, '"')) < end) {
        int32_t cp = utf8_next(&p, end);

        if (cp == UTF8_INVALID || !utf8_is_printable((uint32_t)cp))
            return false;
        *ret_is_ascii = *ret_is_ascii && cp < 0x80;
    }
    return true;
}

static void binary(struct print *p)
{
    struct slice s;
    unsigned bits;
    bool is_ascii;
    uint8_t *o;

    if (!etf_read_bitstring(p->r, &s, &bits)) {
        malformed(p);
        return;
    }
    /* What most are: text that stands for itself. */
    if (s.len && bits == 8 && etf_plain_run(s.ptr, slice_end(s), '"') == slice_end(s)) {
        o = wr_room(p->w, s.len + 6);
        if (!o)
            return;
        memcpy(o, "<<\"", 3);
        memcpy(o + 3, s.ptr, s.len);
        memcpy(o + 3 + s.len, "\">>", 3);
        p->w->len += s.len + 6;
        return;
    }
    wr_bytes(p->w, "<<", 2);
    if (s.len && bits == 8 && is_printable_utf8(s, &is_ascii)) {
        etf_quote_utf8(p->w, s, '"');
        if (!is_ascii)
            wr_str(p->w, "/utf8");
    } else {
        integers(p->w, s, bits);
    }
    wr_bytes(p->w, ">>", 2);
}

static bool is_printable_latin1(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!utf8_is_printable(s.ptr[i]))
            return false;
    }
    return s.len > 0;
}

static void string(struct print *p)
{
    struct slice s;

    if (!etf_read_string(p->r, &s)) {
        malformed(p);
    } else if (is_printable_latin1(s)) {
        etf_quote_latin1(p->w, s, '"');
    } else {
        wr_u8(p->w, '[');
        integers(p->w, s, 8);
        wr_u8(p->w, ']');
    }
}

/*
 * Is the list at t, whose header has been read, a proper one of printable characters? With w the characters
 * are written too, without quotes. The parts of a tail that is a list itself count as the list's own.
 */
static bool list_is_text(struct etf_rd *t, uint32_t n, struct wr *w)
{
    struct slice s;
    uint64_t cp;
    int32_t v;

    do {
        for (; n; n--) {
            if (LIKELY(take_short_integer(&t->rd, &v)))
                cp = v < 0 ? UINT64_MAX : (uint64_t)v;
            else if (!etf_read_uint64(t, &cp))
                return false;
            if (cp > 0x10FFFF || !utf8_is_printable((uint32_t)cp))
                return false;
            if (w)
                etf_quote_char(w, (uint32_t)cp, '"');
        }
        if (etf_read_nil(t))
            return true;
        if (etf_read_string(t, &s)) {
            for (size_t i = 0; w && i < s.len; i++)
                etf_quote_char(w, s.ptr[i], '"');
            return s.len == 0 || is_printable_latin1(s);
        }
    } while (etf_read_list(t, &n));
    return false;
}

static void list(struct print *p)
{
    struct etf_rd t;
    uint32_t n;

    if (etf_read_nil(p->r)) {
        wr_str(p->w, "[]");
        return;
    }
    if (!etf_read_list(p->r, &n)) {
        malformed(p);
        return;
    }
    t = *p->r;
    if (n && list_is_text(&t, n, NULL)) {
        wr_u8(p->w, '"');
        list_is_text(p->r, n, p->w);
        wr_u8(p->w, '"');
        return;
    }
    wr_u8(p->w, '[');
    push(p, FRAME_LIST, n);
}

static void identifier(struct print *p)
{
    struct etf_port port;
    struct etf_pid pid;
    struct etf_ref ref;

    if (etf_read_pid(p->r, &pid)) {
        wr_str(p->w, "#Pid<");
        etf_print_pid_text(p->w, &pid);
    } else if (etf_read_ref(p->r, &ref)) {
        wr_str(p->w, "#Ref<");
        etf_print_ref_text(p->w, &ref);
    } else if (etf_read_port(p->r, &port)) {
        wr_str(p->w, "#Port<");
        etf_print_port_text(p->w, &port);
    } else {
        malformed(p);
    }
    wr_u8(p->w, '>');
}

static void external_fun(struct print *p)
{
    struct etf_atom module, function;
    struct etf_rd t = *p->r;
    uint64_t arity;

    /* A larger arity is none that Erlang can read. */
    if (etf_read_export(&t, &module, &function, &arity) && arity <= UINT8_MAX) {
        *p->r = t;
        wr_str(p->w, "fun ");
        etf_print_fun_text(p->w, module, function, arity);
    } else {
        opaque(p);
    }
}

/* One term, or the opening of one that has parts. */
static void term(struct print *p)
{
    struct etf_atom atom;
    uint32_t n;

    switch (etf_peek(p->r)) {
    case ETF_KIND_ATOM:
        if (etf_read_atom(p->r, &atom))
            etf_print_atom(p->w, atom);
        else
            malformed(p);
        break;
    case ETF_KIND_INTEGER: integer(p); break;
    case ETF_KIND_FLOAT: floating(p); break;
    case ETF_KIND_BINARY:
    case ETF_KIND_BITSTRING: binary(p); break;
    case ETF_KIND_NIL:
    case ETF_KIND_LIST: list(p); break;
    case ETF_KIND_STRING: string(p); break;
    case ETF_KIND_TUPLE:
        if (!etf_read_tuple(p->r, &n)) {
            malformed(p);
            break;
        }
        wr_u8(p->w, '{');
        push(p, FRAME_TUPLE, n);
        break;
    case ETF_KIND_MAP:
        if (!etf_read_map(p->r, &n)) {
            malformed(p);
            break;
        }
        wr_bytes(p->w, "#{", 2);
        push(p, FRAME_MAP, (uint64_t)n * 2);
        break;
    case ETF_KIND_PID:
    case ETF_KIND_PORT:
    case ETF_KIND_REF: identifier(p); break;
    case ETF_KIND_EXPORT: external_fun(p); break;
    case ETF_KIND_FUN:
    case ETF_KIND_RECORD:
    case ETF_KIND_LOCAL: opaque(p); break;
    case ETF_KIND_NONE: malformed(p); break;
    }
}

/* The tail of a list whose elements are written: nothing, more elements, or one term behind a bar. */
static void list_tail(struct print *p, struct frame *f)
{
    struct slice s;
    uint32_t n;

    if (etf_read_nil(p->r)) {
        f->has_tail = true;
    } else if (etf_read_list(p->r, &n)) {
        f->left = n;
    } else if (etf_read_string(p->r, &s)) {
        if (s.len && f->has_begun)
            wr_u8(p->w, ',');
        integers(p->w, s, 8);
        f->has_tail = true;
    } else {
        f->has_tail = true;
        wr_u8(p->w, '|');
        term(p);
    }
}

static void step(struct print *p)
{
    struct frame *f = &p->frames[p->depth - 1];

    if (f->left == 0 && f->kind == FRAME_LIST && !f->has_tail) {
        list_tail(p, f);
    } else if (f->left == 0) {
        wr_u8(p->w, f->kind == FRAME_LIST ? ']' : '}');
        p->depth--;
    } else {
        if (f->has_begun)
            wr_bytes(p->w, f->kind == FRAME_MAP && f->left % 2 ? " => " : ",",
                     f->kind == FRAME_MAP && f->left % 2 ? 4 : 1);
        f->has_begun = true;
        f->left--;
        term(p);
    }
}

enum err etf_print(struct wr *w, struct etf_rd *r)
{
    struct print p = {.w = w, .r = r, .cap = INLINE_FRAMES, .digits_budget = ETF_DIGITS_BUDGET};

    p.frames = p.first;
    term(&p);
    while (p.depth && wr_ok(w))
        step(&p);
    etf_stack_free(p.frames, p.first);
    return w->err;
}
