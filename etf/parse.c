#include "etf/parse.h"

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
    struct etf_parser of;
    size_t max_depth, start;
    bool in_key;
    struct frame *frames; /* first or owned */
    size_t depth, cap;
    struct etf_keys keys;
    struct wr canon; /* keys in canonical form, where the output is not that for a key */
    uint64_t spent;  /* bytes that were moved, or compared, for the sake of containers around them */
    struct wr scratch;
    struct frame first[INLINE_FRAMES];
};

/* What a step of the parser leaves: a whole term behind it, or the place of one in front. */
enum next { NEXT_TERM_BEGINS, NEXT_TERM_ENDED };

static enum err push(struct parser *p, int kind, size_t at, size_t start)
{
    struct frame *f;

    if (p->depth >= p->max_depth)
        return etf_parse_fail(&p->of, ERR_DEPTH, at, "nested deeper than allowed");
    if (p->depth == p->cap) {
        f = etf_stack_grow(p->frames, p->first, &p->cap, sizeof *f);
        if (!f)
            return etf_parse_fail(&p->of, ERR_NOMEM, at, "");
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

    etf_lex_space(&p->of.l);
    if (f->kind == FRAME_MAP && f->count % 2)
        return; /* a value: what stays known is where its key is */
    f->part = p->of.w->len;
    f->part_at = etf_parse_here(&p->of);
    if (f->gathers)
        p->in_key = true;
}

static enum err open_list(struct parser *p, enum next *ret)
{
    size_t at = etf_parse_here(&p->of), start = p->of.w->len;

    rd_skip(&p->of.l.r, 1);
    etf_lex_space(&p->of.l);
    if (etf_lex_take(&p->of.l, "]")) {
        etf_write_nil(p->of.w);
        return ERR_NONE;
    }
    wr_u8(p->of.w, ETF_LIST_EXT);
    wr_be32(p->of.w, 0);
    TRY(push(p, FRAME_LIST, at, start));
    *ret = NEXT_TERM_BEGINS;
    return ERR_NONE;
}

static enum err open_tuple(struct parser *p, enum next *ret)
{
    size_t at = etf_parse_here(&p->of), start = p->of.w->len;

    rd_skip(&p->of.l.r, 1);
    etf_lex_space(&p->of.l);
    etf_write_tuple(p->of.w, 0); /* its header grows when more than 255 elements came */
    if (etf_lex_take(&p->of.l, "}"))
        return ERR_NONE;
    TRY(push(p, FRAME_TUPLE, at, start));
    *ret = NEXT_TERM_BEGINS;
    return ERR_NONE;
}

static enum err open_map(struct parser *p, enum next *ret)
{
    size_t at = etf_parse_here(&p->of), start = p->of.w->len;
    struct frame *f;

    rd_skip(&p->of.l.r, 1);
    etf_lex_space(&p->of.l);
    if (!etf_lex_take(&p->of.l, "{"))
        return etf_parse_expected(&p->of, "expected '{'");
    etf_lex_space(&p->of.l);
    etf_write_map(p->of.w, 0);
    if (etf_lex_take(&p->of.l, "}"))
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
    size_t at = etf_parse_here(&p->of);

    rd_skip(&p->of.l.r, 1);
    TRY(push(p, FRAME_PAREN, at, p->of.w->len));
    *ret = NEXT_TERM_BEGINS;
    return ERR_NONE;
}

static bool is_variable_start(const struct parser *p)
{
    int c = etf_lex_peek(&p->of.l, 0);

    return c != '@' && !etf_lex_is_atom_start(&p->of.l) && etf_lex_name_char(&p->of.l);
}

/* One term, or the opening of one that has parts. */
static enum err term(struct parser *p, enum next *ret)
{
    int c, next;

    *ret = NEXT_TERM_ENDED;
    etf_lex_space(&p->of.l);
    c = etf_lex_peek(&p->of.l, 0);
    next = etf_lex_peek(&p->of.l, 1);
    switch (c) {
    case '[': return open_list(p, ret);
    case '{': return open_tuple(p, ret);
    case '(': return open_paren(p, ret);
    case '"': return etf_parse_string(&p->of);
    case '~': return etf_parse_sigil(&p->of);
    case '$':
        return next == '{' && p->of.rules->on_variable ? etf_parse_variable(&p->of)
                                                       : etf_parse_char(&p->of, false);
    case '-':
    case '+': return etf_parse_signed(&p->of);
    case '\'': return etf_parse_atom(&p->of);
    case '#':
        if (next == '{' || next == '%' || (next >= 0 && next <= ' '))
            return open_map(p, ret);
        return etf_parse_opaque(&p->of.l, p->of.w, &p->of.rules->term, (uint32_t)p->depth);
    case '<':
        if (next == '<')
            return etf_parse_binary(&p->of.l, p->of.w, p->of.max_digits);
        break;
    default:
        if (etf_is_digit(c))
            return etf_parse_number(&p->of, false);
        if (etf_lex_is_atom_start(&p->of.l))
            return etf_parse_word(&p->of);
        if (is_variable_start(p))
            return etf_parse_variable(&p->of);
        break;
    }
    return etf_parse_expected(&p->of, "expected a term");
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
    return (struct etf_key_bases){.of = {p->of.w->buf, p->canon.buf}};
}

static const char twin_text[] = "this key is in the map already";

/* What may still be spent on moving bytes that stand already: as much as etf_canon may, for a term as long as
 * it is now. */
static uint64_t budget_left(const struct parser *p)
{
    uint64_t all = etf_canon_budget(p->of.w->len - p->start);

    return all > p->spent ? all - p->spent : 0;
}

static enum err key_end(struct parser *p, const struct frame *f)
{
    struct etf_key key = {.at = (uint32_t)f->part, .source = (uint32_t)f->part_at};
    uint64_t budget, before;
    struct etf_key_bases b;
    struct rd r;
    enum err e;

    p->in_key = false;
    if (p->of.rules->term.trusts_keys || !wr_ok(p->of.w))
        return ERR_NONE;
    if (p->of.w->len > ETF_CANON_MAX_BYTES || p->canon.len > ETF_CANON_MAX_BYTES)
        return etf_parse_fail(&p->of, ERR_TOO_LARGE, f->part_at, "the term is larger than allowed");
    key.len = (uint32_t)(p->of.w->len - f->part);
    if (needs_canon(p->of.w->buf[f->part])) {
        key.at = (uint32_t)p->canon.len;
        key.is_scratch = 1;
        r = rd_of(slice_of(p->of.w->buf + f->part, p->of.w->len - f->part));
        budget = budget_left(p);
        before = budget;
        e = etf_canon(&p->canon, &r, NULL, ETF_CANON_KEY, &budget, NULL);
        p->spent += before - budget;
        if (e == ERR_TOO_LARGE)
            return etf_parse_fail(&p->of, e, f->part_at,
                                  "maps in this key are nested too deep, and too large, to be compared");
        if (e == ERR_DUPLICATE_KEY)
            return etf_parse_fail(&p->of, e, f->part_at, "a map in this key has a key twice");
        if (e != ERR_NONE)
            return etf_parse_fail(&p->of, e, f->part_at, "");
        if (p->canon.len > ETF_CANON_MAX_BYTES)
            return etf_parse_fail(&p->of, ERR_TOO_LARGE, f->part_at, "the term is larger than allowed");
        key.len = (uint32_t)(p->canon.len - key.at);
    }
    b = bases(p);
    return etf_keys_push(&p->keys, key, &b) ? ERR_NONE : etf_parse_fail(&p->of, ERR_NOMEM, f->part_at, "");
}

static void poke_be32(struct wr *w, size_t at, uint32_t v)
{
    if (wr_ok(w))
        be_store32(w->buf + at, v);
}

static enum err close_map(struct parser *p, const struct frame *f)
{
    struct etf_key_bases b = bases(p);
    const struct etf_key *twin = NULL;

    if (f->count / 2 > UINT32_MAX)
        return etf_parse_fail(&p->of, ERR_TOO_LARGE, f->at, "the term is larger than allowed");
    poke_be32(p->of.w, f->start + 1, (uint32_t)(f->count / 2));
    if (!f->gathers)
        return ERR_NONE;
    if (!etf_keys_find_twin(&p->keys, f->keys, &b, &twin))
        return etf_parse_fail(&p->of, ERR_NOMEM, f->at, "");
    if (twin)
        return etf_parse_fail(&p->of, ERR_DUPLICATE_KEY, twin->source, twin_text);
    p->keys.count = f->keys;
    p->canon.len = f->canon;
    return ERR_NONE;
}

static enum err close_tuple(struct parser *p, const struct frame *f)
{
    enum { SMALL_HEAD = 2, LARGE_HEAD = 5 };
    struct wr *w = p->of.w;

    if (f->count > ETF_TUPLE_MAX_ARITY && p->of.rules->term.refuse & ETF_USES_HUGE_TUPLE)
        return etf_parse_fail(&p->of, ERR_PEER_UNSUPPORTED, f->at, "a tuple of 2^24 elements or more");
    if (f->count > UINT32_MAX)
        return etf_parse_fail(&p->of, ERR_TOO_LARGE, f->at, "the term is larger than allowed");
    if (f->count <= UINT8_MAX) {
        if (wr_ok(w))
            w->buf[f->start + 1] = (uint8_t)f->count;
    } else if (wr_room(w, LARGE_HEAD - SMALL_HEAD)) {
        size_t len = w->len - f->start - SMALL_HEAD;

        if (len > budget_left(p))
            return etf_parse_fail(&p->of, ERR_TOO_LARGE, f->at,
                                  "tuples of more than 255 elements are nested too deep, and too large");
        p->spent += len;
        memmove(w->buf + f->start + LARGE_HEAD, w->buf + f->start + SMALL_HEAD, len);
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
        etf_lex_space(&p->of.l);
        if (!etf_lex_take(&p->of.l, "]"))
            return etf_parse_expected(&p->of, "expected ']' after the tail of a list");
    }
    etf_close_list(p->of.w, f->start, f->count, !f->has_tail, f->all_bytes);
    return ERR_NONE;
}

/* Behind the bar. A tail that is a list or a string is no more than further elements of this one. */
static enum err list_tail(struct parser *p, struct frame *f, enum next *ret)
{
    etf_lex_space(&p->of.l);
    if (etf_lex_take(&p->of.l, "[")) {
        f->brackets++;
        etf_lex_space(&p->of.l);
        if (etf_lex_peek(&p->of.l, 0) != ']') {
            *ret = NEXT_TERM_BEGINS;
            return ERR_NONE;
        }
    } else if (etf_lex_peek(&p->of.l, 0) == '"') {
        TRY(etf_parse_string_tail(&p->of, &f->count, &f->all_bytes));
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
    f->all_bytes = f->all_bytes && wr_ok(p->of.w) && p->of.w->len == f->part + 2 &&
                   p->of.w->buf[f->part] == ETF_SMALL_INTEGER_EXT;
    if (etf_lex_take(&p->of.l, ",")) {
        *ret = NEXT_TERM_BEGINS;
        return ERR_NONE;
    }
    if (etf_lex_take(&p->of.l, "|"))
        return list_tail(p, f, ret);
    if (etf_lex_peek(&p->of.l, 0) != ']')
        return etf_parse_expected(&p->of, "expected ',', '|' or ']'");
    return close_list(p, f);
}

static enum err in_tuple(struct parser *p, struct frame *f, enum next *ret)
{
    f->count++;
    if (etf_lex_take(&p->of.l, ",")) {
        *ret = NEXT_TERM_BEGINS;
        return ERR_NONE;
    }
    if (!etf_lex_take(&p->of.l, "}"))
        return etf_parse_expected(&p->of, "expected ',' or '}'");
    return close_tuple(p, f);
}

static enum err in_map(struct parser *p, struct frame *f, enum next *ret)
{
    bool is_key = f->count++ % 2 == 0;

    if (is_key) {
        if (!etf_lex_take(&p->of.l, "=>"))
            return etf_parse_expected(&p->of, "expected '=>'");
        *ret = NEXT_TERM_BEGINS;
        return f->gathers ? key_end(p, f) : ERR_NONE;
    }
    if (etf_lex_take(&p->of.l, ",")) {
        *ret = NEXT_TERM_BEGINS;
        return ERR_NONE;
    }
    if (!etf_lex_take(&p->of.l, "}"))
        return etf_parse_expected(&p->of, "expected ',' or '}'");
    return close_map(p, f);
}

/* A term has ended: what goes on with the container around it? With NEXT_TERM_ENDED that has ended too. */
static enum err around(struct parser *p, enum next *ret)
{
    struct frame *f = &p->frames[p->depth - 1];

    *ret = NEXT_TERM_ENDED;
    etf_lex_space(&p->of.l);
    switch (f->kind) {
    case FRAME_LIST: TRY(in_list(p, f, ret)); break;
    case FRAME_TUPLE: TRY(in_tuple(p, f, ret)); break;
    case FRAME_MAP: TRY(in_map(p, f, ret)); break;
    case FRAME_PAREN:
        if (!etf_lex_take(&p->of.l, ")"))
            return etf_parse_expected(&p->of, "expected ')'");
        break;
    }
    if (*ret == NEXT_TERM_ENDED)
        p->depth--;
    return ERR_NONE;
}

static enum err check_size(struct parser *p)
{
    size_t max = p->of.rules->term.max_bytes;

    if (!wr_ok(p->of.w))
        return etf_parse_fail(&p->of, p->of.w->err, etf_parse_here(&p->of),
                              p->of.w->err == ERR_TOO_LARGE ? "the term is larger than allowed" : "");
    if (max && p->of.w->len - p->start > max)
        return etf_parse_fail(&p->of, ERR_TOO_LARGE, etf_parse_here(&p->of),
                              "the term is larger than allowed");
    return ERR_NONE;
}

/* Behind the term: the final dot, if it is one, and nothing else. */
static enum err the_end(struct parser *p)
{
    struct rd before;

    etf_lex_space(&p->of.l);
    before = p->of.l.r;
    if (etf_lex_take(&p->of.l, ".")) {
        const uint8_t *dot_end = p->of.l.r.pos;

        etf_lex_space(&p->of.l);
        if (rd_left(&p->of.l.r) == 0)
            return ERR_NONE;
        if (p->of.l.r.pos == dot_end)
            p->of.l.r = before;
    }
    return rd_left(&p->of.l.r) ? etf_parse_fail(&p->of, ERR_MALFORMED, etf_parse_here(&p->of),
                                                "expected the end of the text behind the term")
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
    struct parser p = {.of = {.w = w, .rules = rules ? rules : &none}, .start = w->len, .cap = INLINE_FRAMES};
    enum err e;

    if (text.len > ETF_CANON_MAX_BYTES)
        return fault_set(f, ERR_TOO_LARGE, ETF_CANON_MAX_BYTES, "the text is larger than allowed");
    p.of.l = (struct etf_lex){.r = rd_of(text), .scratch = &p.scratch, .fault = &fault};
    p.of.max_digits = p.of.rules->max_digits ? p.of.rules->max_digits : ETF_DEFAULT_MAX_DIGITS;
    p.max_depth = etf_rules_depth_left(&p.of.rules->term);
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
