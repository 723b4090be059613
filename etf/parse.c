#include "etf/parse.h"

#include "base/check.h"
#include "base/utf8.h"
#include "etf/canon.h"
#include "etf/integer.h"
#include "etf/keys.h"
#include "etf/stack.h"
#include "etf/wire.h"

enum { INLINE_FRAMES = 32 };

struct frame {
    enum { FRAME_PAREN, FRAME_LIST, FRAME_TUPLE, FRAME_MAP } kind;
    size_t at;       /* where it opens, in the text */
    size_t start;    /* where its tag stands, in the output */
    size_t part;     /* where the part (of a map: the key) that began last does, in the output */
    size_t part_at;  /* and in the text */
    uint64_t count;  /* elements; of a map, keys and values */
    size_t brackets; /* FRAME_LIST: of tails that are lists themselves: [a|[b|[c]]] */
    size_t keys;     /* FRAME_MAP that gathers: the first of its keys on the stack of keys */
    size_t canon;    /* and canon's length before them */
    bool has_tail, all_bytes;
    bool gathers; /* FRAME_MAP: its keys are compared here; not so inside the key of another map */
};

struct parser {
    struct etf_lex l;
    struct wr *w;
    const struct etf_parse_rules *rules;
    uint32_t max_digits;
    size_t max_depth, start;
    bool in_key;
    struct frame *frames; /* first or owned */
    size_t depth, cap;
    struct etf_keys keys;
    struct wr canon; /* keys in canonical form, where the output is not that for a key */
    struct wr scratch;
    struct frame first[INLINE_FRAMES];
};

/* What a step of the parser leaves: a whole term behind it, or the place of one in front. */
enum next { NEXT_TERM_BEGINS, NEXT_TERM_ENDED };

static size_t here(const struct parser *p)
{
    return rd_offset(&p->l.r);
}

static enum err fail(struct parser *p, enum err e, size_t at, const char *text)
{
    return fault_set(p->l.fault, e, at, text);
}

static enum err expected(struct parser *p, const char *text)
{
    return etf_lex_fail(&p->l, here(p), text);
}

#define TRY(expr)                          \
    do {                                   \
        enum err try_err = (expr);         \
        if (UNLIKELY(try_err != ERR_NONE)) \
            return try_err;                \
    } while (0)

static enum err push(struct parser *p, int kind, size_t at, size_t start)
{
    struct frame *f;

    if (p->depth >= p->max_depth)
        return fail(p, ERR_DEPTH, at, "nested deeper than allowed");
    if (p->depth == p->cap) {
        f = etf_stack_grow(p->frames, p->first, &p->cap, sizeof *f);
        if (!f)
            return fail(p, ERR_NOMEM, at, "");
        p->frames = f;
    }
    f = &p->frames[p->depth++];
    *f = (struct frame){.at = at, .start = start, .all_bytes = true};
    f->kind = kind;
    return ERR_NONE;
}

/* The next part of the topmost container begins here. */
static void part_begin(struct parser *p)
{
    struct frame *f = &p->frames[p->depth - 1];

    etf_lex_space(&p->l);
    if (f->kind == FRAME_MAP && f->count % 2)
        return; /* a value: what stays known is where its key is */
    f->part = p->w->len;
    f->part_at = here(p);
    if (f->gathers)
        p->in_key = true;
}

static enum err told_atom(struct parser *p, size_t at, struct slice text)
{
    const struct etf_rules *rules = &p->rules->term;
    enum err e = rules->on_atom ? rules->on_atom(rules->ctx, (struct etf_atom){.text = text}) : ERR_NONE;

    return e == ERR_NONE ? e : fail(p, e, at, "this atom is not allowed");
}

static enum err write_atom(struct parser *p)
{
    size_t at = here(p), scratch = p->scratch.len;
    struct etf_lex_text text;

    TRY(etf_lex_atom(&p->l, false, &text));
    etf_write_atom(p->w, etf_lex_slice(&p->l, text));
    TRY(told_atom(p, at, etf_lex_slice(&p->l, text)));
    p->scratch.len = scratch;
    return ERR_NONE;
}

/* Behind `fun`. */
static enum err external_fun(struct parser *p)
{
    struct etf_number arity;
    size_t at;

    wr_u8(p->w, ETF_EXPORT_EXT);
    etf_lex_space(&p->l);
    if (!etf_lex_is_atom_start(&p->l) && etf_lex_peek(&p->l, 0) != '\'')
        return expected(p, "expected module:function/arity");
    TRY(write_atom(p));
    etf_lex_space(&p->l);
    if (!etf_lex_take(&p->l, ":"))
        return expected(p, "expected ':' and a function");
    etf_lex_space(&p->l);
    TRY(write_atom(p));
    etf_lex_space(&p->l);
    if (!etf_lex_take(&p->l, "/"))
        return expected(p, "expected '/' and an arity");
    etf_lex_space(&p->l);
    at = here(p);
    if (!etf_is_digit(etf_lex_peek(&p->l, 0)))
        return expected(p, "expected an arity");
    TRY(etf_lex_number(&p->l, p->max_digits, &arity));
    if (arity.is_float || !arity.fits || arity.small > UINT8_MAX)
        return fail(p, ERR_MALFORMED, at, "an arity is 0 to 255");
    etf_write_uint64(p->w, arity.small);
    return ERR_NONE;
}

static enum err word(struct parser *p)
{
    struct rd start = p->l.r;

    if (etf_lex_take(&p->l, "fun") && !etf_lex_name_char(&p->l))
        return external_fun(p);
    p->l.r = start;
    return write_atom(p);
}

/* What has come to scratch since it was `from` long. */
static struct slice scratch_since(const struct parser *p, size_t from)
{
    return etf_lex_slice(&p->l,
                         (struct etf_lex_text){.at = from, .len = p->scratch.len - from, .in_scratch = true});
}

/* How many characters the text in scratch from `from` on has, and whether all are bytes. */
static uint64_t count_chars(const struct parser *p, size_t from, bool *ret_all_bytes)
{
    struct slice text = scratch_since(p, from);

    *ret_all_bytes = true;
    /* Lead bytes up to C3 are those of Latin-1; past it come lead bytes alone, for continuations are below
     * C0. */
    for (size_t i = 0; i < text.len && *ret_all_bytes; i++)
        *ret_all_bytes = text.ptr[i] <= 0xC3;
    return utf8_count(text);
}

static void write_chars(struct parser *p, size_t from, bool as_bytes)
{
    struct slice text = scratch_since(p, from);
    const uint8_t *pos = text.ptr, *end = slice_end(text);

    while (pos < end) {
        uint32_t cp = (uint32_t)utf8_next(&pos, end);

        if (as_bytes)
            wr_u8(p->w, (uint8_t)cp);
        else
            etf_write_int64(p->w, cp);
    }
}

/* One string, or several side by side: appended to scratch. */
static enum err take_strings(struct parser *p)
{
    do {
        TRY(etf_lex_string(&p->l));
        etf_lex_space(&p->l);
    } while (etf_lex_peek(&p->l, 0) == '"');
    return ERR_NONE;
}

static void write_charlist(struct parser *p, size_t from)
{
    bool all_bytes;
    uint64_t n = count_chars(p, from, &all_bytes);

    if (n == 0) {
        etf_write_nil(p->w);
    } else if (n > UINT32_MAX) {
        wr_fail(p->w, ERR_TOO_LARGE);
    } else if (all_bytes && n <= UINT16_MAX) {
        wr_u8(p->w, ETF_STRING_EXT);
        wr_be16(p->w, (uint16_t)n);
        write_chars(p, from, true);
    } else {
        etf_write_list(p->w, (uint32_t)n);
        write_chars(p, from, false);
        etf_write_nil(p->w);
    }
}

static enum err string(struct parser *p)
{
    size_t from = p->scratch.len;

    TRY(take_strings(p));
    write_charlist(p, from);
    p->scratch.len = from;
    return ERR_NONE;
}

static enum err sigil(struct parser *p)
{
    size_t from = p->scratch.len;
    bool is_binary;

    TRY(etf_lex_sigil(&p->l, &is_binary));
    if (is_binary)
        etf_write_binary(p->w, scratch_since(p, from));
    else
        write_charlist(p, from);
    p->scratch.len = from;
    return ERR_NONE;
}

static enum err number(struct parser *p, bool negative)
{
    size_t at = here(p), scratch = p->scratch.len;
    struct etf_number n;
    enum err e;

    TRY(etf_lex_number(&p->l, p->max_digits, &n));
    if (n.is_float) {
        etf_write_float(p->w, negative ? -n.f : n.f);
    } else if (n.fits && !negative) {
        etf_write_uint64(p->w, n.small);
    } else if (n.fits && n.small <= (uint64_t)INT64_MAX) {
        etf_write_int64(p->w, -(int64_t)n.small);
    } else {
        e = etf_integer_parse(p->w, negative, etf_lex_slice(&p->l, n.digits), n.base);
        if (e != ERR_NONE)
            return fail(p, e, at, "an integer that is too large");
    }
    p->scratch.len = scratch;
    return ERR_NONE;
}

static enum err character(struct parser *p, bool negative)
{
    uint32_t cp;

    TRY(etf_lex_char(&p->l, &cp));
    etf_write_int64(p->w, negative ? -(int64_t)cp : (int64_t)cp);
    return ERR_NONE;
}

static enum err signed_number(struct parser *p)
{
    bool negative = rd_u8(&p->l.r) == '-';

    etf_lex_space(&p->l);
    if (etf_lex_peek(&p->l, 0) == '$')
        return character(p, negative);
    if (!etf_is_digit(etf_lex_peek(&p->l, 0)))
        return expected(p, "expected a number after the sign");
    return number(p, negative);
}

/* A variable, or ${…}. */
static enum err variable(struct parser *p)
{
    size_t at = here(p), n;
    const uint8_t *end;
    enum err e;

    if (!p->rules->on_variable)
        return fail(p, ERR_MALFORMED, at, "a variable has no value here");
    if (etf_lex_take(&p->l, "${")) {
        end = memchr(p->l.r.pos, '}', rd_left(&p->l.r));
        if (!end)
            return fail(p, ERR_MORE, at, "expected '}' after '${'");
        p->l.r.pos = end + 1;
    }
    while (p->l.r.start[at] != '$' && (n = etf_lex_name_char(&p->l)))
        rd_skip(&p->l.r, n);
    e = p->rules->on_variable(p->rules->variable_ctx, slice_of(p->l.r.start + at, here(p) - at), p->w);
    return e == ERR_NONE ? e : fail(p, e, at, "this variable is not allowed");
}

static enum err open_list(struct parser *p, enum next *ret)
{
    size_t at = here(p), start = p->w->len;

    rd_skip(&p->l.r, 1);
    etf_lex_space(&p->l);
    if (etf_lex_take(&p->l, "]")) {
        etf_write_nil(p->w);
        return ERR_NONE;
    }
    wr_u8(p->w, ETF_LIST_EXT);
    wr_be32(p->w, 0);
    TRY(push(p, FRAME_LIST, at, start));
    *ret = NEXT_TERM_BEGINS;
    return ERR_NONE;
}

static enum err open_tuple(struct parser *p, enum next *ret)
{
    size_t at = here(p), start = p->w->len;

    rd_skip(&p->l.r, 1);
    etf_lex_space(&p->l);
    etf_write_tuple(p->w, 0); /* its header grows when more than 255 elements came */
    if (etf_lex_take(&p->l, "}"))
        return ERR_NONE;
    TRY(push(p, FRAME_TUPLE, at, start));
    *ret = NEXT_TERM_BEGINS;
    return ERR_NONE;
}

static enum err open_map(struct parser *p, enum next *ret)
{
    size_t at = here(p), start = p->w->len;
    struct frame *f;

    rd_skip(&p->l.r, 1);
    etf_lex_space(&p->l);
    if (!etf_lex_take(&p->l, "{"))
        return expected(p, "expected '{'");
    etf_lex_space(&p->l);
    etf_write_map(p->w, 0);
    if (etf_lex_take(&p->l, "}"))
        return ERR_NONE;
    TRY(push(p, FRAME_MAP, at, start));
    f = &p->frames[p->depth - 1];
    f->gathers = !p->in_key;
    f->keys = p->keys.count;
    f->canon = p->canon.len;
    *ret = NEXT_TERM_BEGINS;
    return ERR_NONE;
}

static enum err open_paren(struct parser *p, enum next *ret)
{
    size_t at = here(p);

    rd_skip(&p->l.r, 1);
    TRY(push(p, FRAME_PAREN, at, p->w->len));
    *ret = NEXT_TERM_BEGINS;
    return ERR_NONE;
}

static bool is_variable_start(const struct parser *p)
{
    int c = etf_lex_peek(&p->l, 0);

    return c != '@' && !etf_lex_is_atom_start(&p->l) && etf_lex_name_char(&p->l);
}

/* One term, or the opening of one that has parts. */
static enum err term(struct parser *p, enum next *ret)
{
    int c, next;

    *ret = NEXT_TERM_ENDED;
    etf_lex_space(&p->l);
    c = etf_lex_peek(&p->l, 0);
    next = etf_lex_peek(&p->l, 1);
    switch (c) {
    case '[': return open_list(p, ret);
    case '{': return open_tuple(p, ret);
    case '(': return open_paren(p, ret);
    case '"': return string(p);
    case '~': return sigil(p);
    case '$': return next == '{' && p->rules->on_variable ? variable(p) : character(p, false);
    case '-':
    case '+': return signed_number(p);
    case '\'': return write_atom(p);
    case '#':
        if (next == '{' || next == '%' || (next >= 0 && next <= ' '))
            return open_map(p, ret);
        return etf_parse_opaque(&p->l, p->w, &p->rules->term, (uint32_t)(p->max_depth - p->depth),
                                p->depth == 0);
    case '<':
        if (next == '<')
            return etf_parse_binary(&p->l, p->w, p->max_digits);
        break;
    default:
        if (etf_is_digit(c))
            return number(p, false);
        if (etf_lex_is_atom_start(&p->l))
            return word(p);
        if (is_variable_start(p))
            return variable(p);
        break;
    }
    return expected(p, "expected a term");
}

/* Does the output of a key differ from the canonical form in which keys are compared? */
static bool needs_canon(uint8_t tag)
{
    switch (tag) {
    case ETF_SMALL_ATOM_UTF8_EXT:
    case ETF_ATOM_UTF8_EXT:
    case ETF_SMALL_INTEGER_EXT:
    case ETF_INTEGER_EXT:
    case ETF_SMALL_BIG_EXT:
    case ETF_LARGE_BIG_EXT:
    case ETF_BINARY_EXT:
    case ETF_BIT_BINARY_EXT:
    case ETF_STRING_EXT:
    case ETF_NIL_EXT:
    case ETF_NEW_PID_EXT:
    case ETF_NEW_PORT_EXT:
    case ETF_V4_PORT_EXT: return false;
    default: return true;
    }
}

static struct etf_key_bases bases(const struct parser *p)
{
    return (struct etf_key_bases){.of = {p->w->buf, p->canon.buf}};
}

static const char twin_text[] = "this key is in the map already";

static enum err key_end(struct parser *p, const struct frame *f)
{
    struct etf_key key = {.at = (uint32_t)f->part, .source = (uint32_t)f->part_at};
    struct etf_key_bases b;
    struct rd r;
    enum err e;

    p->in_key = false;
    if (p->rules->term.trusts_keys || !wr_ok(p->w))
        return ERR_NONE;
    if (p->w->len > ETF_CANON_MAX_BYTES || p->canon.len > ETF_CANON_MAX_BYTES)
        return fail(p, ERR_TOO_LARGE, f->part_at, "the term is larger than allowed");
    key.len = (uint32_t)(p->w->len - f->part);
    if (needs_canon(p->w->buf[f->part])) {
        key.at = (uint32_t)p->canon.len;
        key.is_scratch = 1;
        r = rd_of(slice_of(p->w->buf + f->part, p->w->len - f->part));
        e = etf_canon(&p->canon, &r, NULL, ETF_CANON_KEY, NULL);
        if (e == ERR_DUPLICATE_KEY)
            return fail(p, e, f->part_at, "a map in this key has a key twice");
        if (e != ERR_NONE)
            return fail(p, e, f->part_at, "");
        if (p->canon.len > ETF_CANON_MAX_BYTES)
            return fail(p, ERR_TOO_LARGE, f->part_at, "the term is larger than allowed");
        key.len = (uint32_t)(p->canon.len - key.at);
    }
    b = bases(p);
    return etf_keys_push(&p->keys, key, &b) ? ERR_NONE : fail(p, ERR_NOMEM, f->part_at, "");
}

static void poke_be32(struct wr *w, size_t at, uint32_t v)
{
    v = __builtin_bswap32(v);
    if (wr_ok(w))
        memcpy(w->buf + at, &v, sizeof v);
}

static enum err close_map(struct parser *p, const struct frame *f)
{
    struct etf_key_bases b = bases(p);
    const struct etf_key *twin = NULL;

    if (f->count / 2 > UINT32_MAX)
        return fail(p, ERR_TOO_LARGE, f->at, "the term is larger than allowed");
    poke_be32(p->w, f->start + 1, (uint32_t)(f->count / 2));
    if (!f->gathers)
        return ERR_NONE;
    if (!etf_keys_find_twin(&p->keys, f->keys, &b, &twin))
        return fail(p, ERR_NOMEM, f->at, "");
    if (twin)
        return fail(p, ERR_DUPLICATE_KEY, twin->source, twin_text);
    p->keys.count = f->keys;
    p->canon.len = f->canon;
    return ERR_NONE;
}

static enum err close_tuple(struct parser *p, const struct frame *f)
{
    enum { SMALL_HEAD = 2, LARGE_HEAD = 5 };
    struct wr *w = p->w;

    if (f->count > ETF_TUPLE_MAX_ARITY && p->rules->term.refuse & ETF_USES_HUGE_TUPLE)
        return fail(p, ERR_PEER_UNSUPPORTED, f->at, "a tuple of 2^24 elements or more");
    if (f->count > UINT32_MAX)
        return fail(p, ERR_TOO_LARGE, f->at, "the term is larger than allowed");
    if (f->count <= UINT8_MAX) {
        if (wr_ok(w))
            w->buf[f->start + 1] = (uint8_t)f->count;
    } else if (wr_room(w, LARGE_HEAD - SMALL_HEAD)) {
        memmove(w->buf + f->start + LARGE_HEAD, w->buf + f->start + SMALL_HEAD,
                w->len - f->start - SMALL_HEAD);
        w->buf[f->start] = ETF_LARGE_TUPLE_EXT;
        poke_be32(w, f->start + 1, (uint32_t)f->count);
        w->len += LARGE_HEAD - SMALL_HEAD;
    }
    return ERR_NONE;
}

/* At the first of the closing brackets: its own, and those of tails that were lists. */
static enum err close_list(struct parser *p, struct frame *f)
{
    for (size_t i = 0; i <= f->brackets; i++) {
        etf_lex_space(&p->l);
        if (!etf_lex_take(&p->l, "]"))
            return expected(p, "expected ']' after the tail of a list");
    }
    etf_close_list(p->w, f->start, f->count, !f->has_tail, f->all_bytes);
    return ERR_NONE;
}

/* Behind the bar. A tail that is a list or a string is no more than further elements of this one. */
static enum err list_tail(struct parser *p, struct frame *f, enum next *ret)
{
    size_t from = p->scratch.len;
    bool all_bytes;

    etf_lex_space(&p->l);
    if (etf_lex_take(&p->l, "[")) {
        f->brackets++;
        etf_lex_space(&p->l);
        if (etf_lex_peek(&p->l, 0) != ']') {
            *ret = NEXT_TERM_BEGINS;
            return ERR_NONE;
        }
    } else if (etf_lex_peek(&p->l, 0) == '"') {
        TRY(take_strings(p));
        f->count += count_chars(p, from, &all_bytes);
        f->all_bytes = f->all_bytes && all_bytes;
        write_chars(p, from, false);
        p->scratch.len = from;
    } else {
        f->has_tail = true;
        *ret = NEXT_TERM_BEGINS;
        return ERR_NONE;
    }
    return close_list(p, f);
}

/* Behind an element of a list: what follows? */
static enum err in_list(struct parser *p, struct frame *f, enum next *ret)
{
    if (f->has_tail)
        return close_list(p, f);
    f->count++;
    f->all_bytes = f->all_bytes && wr_ok(p->w) && p->w->len == f->part + 2 &&
                   p->w->buf[f->part] == ETF_SMALL_INTEGER_EXT;
    if (etf_lex_take(&p->l, ",")) {
        *ret = NEXT_TERM_BEGINS;
        return ERR_NONE;
    }
    if (etf_lex_take(&p->l, "|"))
        return list_tail(p, f, ret);
    if (etf_lex_peek(&p->l, 0) != ']')
        return expected(p, "expected ',', '|' or ']'");
    return close_list(p, f);
}

static enum err in_tuple(struct parser *p, struct frame *f, enum next *ret)
{
    f->count++;
    if (etf_lex_take(&p->l, ",")) {
        *ret = NEXT_TERM_BEGINS;
        return ERR_NONE;
    }
    if (!etf_lex_take(&p->l, "}"))
        return expected(p, "expected ',' or '}'");
    return close_tuple(p, f);
}

static enum err in_map(struct parser *p, struct frame *f, enum next *ret)
{
    bool is_key = f->count++ % 2 == 0;

    if (is_key) {
        if (!etf_lex_take(&p->l, "=>"))
            return expected(p, "expected '=>'");
        *ret = NEXT_TERM_BEGINS;
        return f->gathers ? key_end(p, f) : ERR_NONE;
    }
    if (etf_lex_take(&p->l, ",")) {
        *ret = NEXT_TERM_BEGINS;
        return ERR_NONE;
    }
    if (!etf_lex_take(&p->l, "}"))
        return expected(p, "expected ',' or '}'");
    return close_map(p, f);
}

/* A term has ended: what goes on with the container around it? With NEXT_TERM_ENDED that has ended too. */
static enum err around(struct parser *p, enum next *ret)
{
    struct frame *f = &p->frames[p->depth - 1];

    *ret = NEXT_TERM_ENDED;
    etf_lex_space(&p->l);
    switch (f->kind) {
    case FRAME_LIST: TRY(in_list(p, f, ret)); break;
    case FRAME_TUPLE: TRY(in_tuple(p, f, ret)); break;
    case FRAME_MAP: TRY(in_map(p, f, ret)); break;
    case FRAME_PAREN:
        if (!etf_lex_take(&p->l, ")"))
            return expected(p, "expected ')'");
        break;
    }
    if (*ret == NEXT_TERM_ENDED)
        p->depth--;
    return ERR_NONE;
}

static enum err check_size(struct parser *p)
{
    size_t max = p->rules->term.max_bytes;

    if (!wr_ok(p->w))
        return fail(p, p->w->err, here(p),
                    p->w->err == ERR_TOO_LARGE ? "the term is larger than allowed" : "");
    if (max && p->w->len - p->start > max)
        return fail(p, ERR_TOO_LARGE, here(p), "the term is larger than allowed");
    return ERR_NONE;
}

/* Behind the term: the final dot, if it is one, and nothing else. */
static enum err the_end(struct parser *p)
{
    struct rd before;

    etf_lex_space(&p->l);
    before = p->l.r;
    if (etf_lex_take(&p->l, ".")) {
        const uint8_t *dot_end = p->l.r.pos;

        etf_lex_space(&p->l);
        if (rd_left(&p->l.r) == 0)
            return ERR_NONE;
        if (p->l.r.pos == dot_end)
            p->l.r = before;
    }
    return rd_left(&p->l.r) ? fail(p, ERR_MALFORMED, here(p), "expected the end of the text behind the term")
                            : ERR_NONE;
}

static enum err run(struct parser *p)
{
    enum next next;

    do {
        if (p->depth)
            part_begin(p);
        TRY(term(p, &next));
        while (next == NEXT_TERM_ENDED && p->depth)
            TRY(around(p, &next));
        TRY(check_size(p));
    } while (p->depth);
    return the_end(p);
}

enum err etf_parse(struct wr *w, struct slice text, const struct etf_parse_rules *rules, struct fault *f)
{
    static const struct etf_parse_rules none;
    struct fault fault = {0};
    struct parser p = {.w = w, .rules = rules ? rules : &none, .start = w->len, .cap = INLINE_FRAMES};
    enum err e;

    if (text.len > ETF_CANON_MAX_BYTES)
        return fault_set(f, ERR_TOO_LARGE, ETF_CANON_MAX_BYTES, "the text is larger than allowed");
    p.l = (struct etf_lex){.r = rd_of(text), .scratch = &p.scratch, .fault = &fault};
    p.max_digits = p.rules->max_digits ? p.rules->max_digits : ETF_DEFAULT_MAX_DIGITS;
    p.max_depth = p.rules->term.max_depth ? p.rules->term.max_depth : ETF_DEFAULT_MAX_DEPTH;
    p.frames = p.first;
    etf_keys_init(&p.keys);
    wr_init(&p.scratch, SIZE_MAX);
    wr_init(&p.canon, SIZE_MAX);

    e = run(&p);
    if (e != ERR_NONE) {
        w->len = p.start;
        if (f)
            *f = fault;
    }
    etf_keys_fini(&p.keys);
    etf_stack_free(p.frames, p.first);
    wr_fini(&p.scratch);
    wr_fini(&p.canon);
    return e;
}
