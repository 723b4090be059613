#include "etf/canon.h"

#include "base/check.h"
#include "base/mem.h"
#include "etf/keys.h"
#include "etf/stack.h"
#include "etf/wire.h"
#include "etf/write.h"

enum { INLINE_FRAMES = 32 };

struct frame {
    enum { FRAME_PLAIN, FRAME_LIST, FRAME_MAP, FRAME_FUN } kind;
    uint64_t left;  /* parts that have not begun */
    size_t start;   /* where its tag stands in the output */
    size_t part;    /* where the part that began last does */
    size_t keys;    /* FRAME_MAP: the first of its keys on the stack of keys */
    size_t source;  /* FRAME_MAP: where the key that began last stands in the input */
    uint64_t count; /* FRAME_LIST: elements so far */
    bool has_tail, is_improper, all_bytes;
};

struct canon {
    struct wr *w;
    struct rd *r;
    const struct etf_atoms *atoms;
    enum etf_canon_mode mode;
    uint64_t *budget;     /* borrowed; NULL: no bound */
    struct frame *frames; /* first or owned */
    size_t depth, cap;
    struct etf_keys keys;
    struct frame first[INLINE_FRAMES];
};

static struct frame *push(struct canon *c, int kind, uint64_t parts, size_t start)
{
    struct frame *f;

    if (c->depth == c->cap) {
        f = etf_stack_grow(c->frames, c->first, &c->cap, sizeof *f);
        if (!f) {
            wr_fail(c->w, ERR_NOMEM);
            return NULL;
        }
        c->frames = f;
    }
    f = &c->frames[c->depth++];
    *f = (struct frame){
        .left = parts, .start = start, .part = start, .keys = c->keys.count, .all_bytes = true};
    f->kind = kind;
    return f;
}

static void spend(struct canon *c, uint64_t bytes)
{
    if (!c->budget)
        return;
    if (bytes > *c->budget)
        wr_fail(c->w, ERR_TOO_LARGE);
    else
        *c->budget -= bytes;
}

/* Overwrites what was written as 0 when the number was not known. */
static void poke_be32(struct wr *w, size_t at, uint32_t v)
{
    if (wr_ok(w))
        be_store32(w->buf + at, v);
}

static void integer(struct wr *w, struct rd *r)
{
    uint8_t tag = rd_u8(r);
    bool negative;
    struct slice m;

    if (tag == ETF_SMALL_INTEGER_EXT) {
        etf_write_int64(w, rd_u8(r));
    } else if (tag == ETF_INTEGER_EXT) {
        etf_write_int64(w, (int32_t)rd_be32(r));
    } else if (tag == ETF_SMALL_BIG_EXT || tag == ETF_LARGE_BIG_EXT) {
        m = etf_wire_big(r, tag, &negative);
        etf_write_big(w, negative, m);
    } else {
        rd_fail(r, ERR_MALFORMED);
    }
}

static void floating(struct canon *c, uint8_t tag)
{
    double v = etf_wire_float(c->r, tag);

    if (c->mode == ETF_CANON_KEY && v == 0)
        v = 0; /* -0.0 */
    if (rd_ok(c->r))
        etf_write_float(c->w, v);
}

static void bits(struct canon *c)
{
    unsigned n;
    struct slice s = etf_wire_bits(c->r, &n);

    if (rd_ok(c->r))
        etf_write_bitstring(c->w, s, n);
}

static void reference(struct canon *c, uint8_t tag)
{
    struct etf_ref ref = etf_wire_ref(c->r, tag, c->atoms);

    if (!rd_ok(c->r))
        return;
    /* OTP keeps three words of a longer reference to itself, unless it is one of those that carry a pid; and
     * it compares references of different lengths as if the shorter went on in zeroes. */
    if (c->mode == ETF_CANON_KEY && ref.count > 3 && !etf_ref_has_pid(&ref))
        ref.count = 3;
    while (c->mode != ETF_CANON_COPY && ref.count > 1 && ref.words[ref.count - 1] == 0)
        ref.count--;
    etf_write_ref(c->w, &ref);
}

static void closure(struct canon *c)
{
    size_t start = c->w->len;
    struct rd *r = c->r;
    struct etf_rd t;
    uint8_t arity;
    uint32_t index, vars;
    struct slice uniq;
    struct frame *f;

    rd_skip(r, 4); /* the size: made anew */
    arity = rd_u8(r);
    uniq = rd_slice(r, ETF_FUN_UNIQ_LEN);
    index = rd_be32(r);
    vars = rd_be32(r);
    wr_u8(c->w, ETF_NEW_FUN_EXT);
    wr_be32(c->w, 0);
    if (c->mode != ETF_CANON_KEY) {
        wr_u8(c->w, arity);
        wr_slice(c->w, uniq);
    }
    wr_be32(c->w, index);
    wr_be32(c->w, vars);
    if (!rd_ok(r))
        return;
    f = push(c, FRAME_FUN, (uint64_t)vars + ETF_FUN_TERMS, start);
    if (!f || c->mode == ETF_CANON_COPY)
        return;
    /*
     * Measured on OTP 29: funs of one module and index with the same environment are one key, whatever their
     * arity, uniq and old numbers; the pid of the maker never matters.
     */
    t = (struct etf_rd){.rd = *r, .atoms = c->atoms};
    etf_write_atom_as(c->w, etf_wire_node(r, c->atoms));
    if (c->mode == ETF_CANON_EQUAL) {
        integer(c->w, r);
        integer(c->w, r);
    }
    t = (struct etf_rd){.rd = *r, .atoms = c->atoms};
    for (int i = c->mode == ETF_CANON_EQUAL ? 3 : 1; i < ETF_FUN_TERMS; i++) {
        if (!etf_skip(&t, NULL)) {
            rd_fail(r, ERR_MALFORMED);
            return;
        }
    }
    f->left = vars;
    *r = t.rd;
}

/* A list's tail: NIL ends it, another list goes on with it, and anything else is one more part. */
static void list_tail(struct canon *c, struct frame *f)
{
    struct slice s;
    uint32_t n;

    switch (rd_left(c->r) ? *c->r->pos : ETF_NIL_EXT) {
    case ETF_NIL_EXT:
        rd_u8(c->r);
        f->has_tail = true;
        break;
    case ETF_LIST_EXT:
        rd_u8(c->r);
        n = rd_be32(c->r);
        f->left = n;
        f->count += n;
        break;
    case ETF_STRING_EXT:
        rd_u8(c->r);
        s = rd_slice(c->r, rd_be16(c->r));
        for (size_t i = 0; i < s.len; i++)
            etf_write_int64(c->w, s.ptr[i]);
        f->count += s.len;
        f->has_tail = true;
        break;
    default:
        f->has_tail = true;
        f->is_improper = true;
        f->all_bytes = false;
        f->left = 1;
        break;
    }
}

void etf_close_list(struct wr *w, size_t start, uint64_t count, bool is_proper, bool all_bytes)
{
    uint8_t *p = w->buf + start;

    if (!wr_ok(w))
        return;
    if (count > UINT32_MAX) {
        wr_fail(w, ERR_TOO_LARGE);
        return;
    }
    poke_be32(w, start + 1, (uint32_t)count);
    if (!is_proper)
        return;
    if (count == 0) {
        w->len = start;
    } else if (all_bytes && count <= UINT16_MAX) {
        p[0] = ETF_STRING_EXT;
        p[1] = (uint8_t)(count >> 8);
        p[2] = (uint8_t)count;
        for (size_t i = 0; i < count; i++)
            p[3 + i] = p[5 + 2 * i + 1];
        w->len = start + 3 + count;
        return;
    }
    etf_write_nil(w);
}

static struct etf_key_bases bases(const struct canon *c)
{
    return (struct etf_key_bases){.of = {c->w->buf, c->w->buf}};
}

/* Called before each part: the parts are key, value, key, value, … */
static void map_part(struct canon *c, struct frame *f, size_t at)
{
    bool is_key = f->left % 2 == 0;

    if (!wr_ok(c->w))
        return;
    if (c->w->len > ETF_CANON_MAX_BYTES || at > ETF_CANON_MAX_BYTES) {
        wr_fail(c->w, ERR_TOO_LARGE);
        return;
    }
    if (is_key) {
        if (c->keys.count > f->keys)
            c->keys.at[c->keys.count - 1].end = (uint32_t)c->w->len;
        f->source = at;
        f->part = c->w->len;
    } else {
        struct etf_key key = {
            .at = (uint32_t)f->part, .len = (uint32_t)(c->w->len - f->part), .source = (uint32_t)f->source};
        struct etf_key_bases b = bases(c);

        spend(c, key.len);
        if (!etf_keys_push(&c->keys, key, &b))
            wr_fail(c->w, ERR_NOMEM);
    }
}

/* Puts the pairs, which stand in the order of the input, into the order of their keys. */
static void map_close(struct canon *c, const struct frame *f, struct fault *fault)
{
    struct etf_key_bases b = bases(c);
    size_t n = c->keys.count - f->keys, first = f->start + 5, len;
    const struct etf_key *k, *twin;
    uint8_t *copy, *p;

    if (!wr_ok(c->w) || n == 0)
        return;
    if (c->w->len > ETF_CANON_MAX_BYTES) {
        wr_fail(c->w, ERR_TOO_LARGE);
        return;
    }
    c->keys.at[c->keys.count - 1].end = (uint32_t)c->w->len;
    if (!etf_keys_sort(&c->keys, f->keys, &b, &twin)) {
        wr_fail(c->w, ERR_NOMEM);
        return;
    }
    if (twin) {
        wr_fail(c->w, fault_set(fault, ERR_DUPLICATE_KEY, twin->source, "this key is in the map already"));
        return;
    }
    k = c->keys.at + f->keys;
    c->keys.count = f->keys;
    if (n == 1)
        return;
    len = c->w->len - first;
    spend(c, len);
    copy = wr_ok(c->w) ? mem_alloc(len) : NULL;
    if (!copy) {
        wr_fail(c->w, ERR_NOMEM);
        return;
    }
    memcpy(copy, c->w->buf + first, len);
    p = c->w->buf + first;
    for (size_t i = 0; i < n; i++) {
        memcpy(p, copy + (k[i].at - first), k[i].end - k[i].at);
        p += k[i].end - k[i].at;
    }
    mem_free(copy);
}

static void tuple(struct canon *c, uint32_t arity)
{
    size_t start = c->w->len;

    etf_write_tuple(c->w, arity);
    push(c, FRAME_PLAIN, arity, start);
}

static void list(struct canon *c)
{
    size_t start = c->w->len;
    uint32_t n = rd_be32(c->r);
    struct frame *f;

    wr_u8(c->w, ETF_LIST_EXT);
    wr_be32(c->w, 0);
    f = push(c, FRAME_LIST, n, start);
    if (f) {
        f->part = c->w->len;
        f->count = n;
    }
}

/* What this layer does not rewrite beside its parts: the tag, and these bytes after it. */
static void plain(struct canon *c, uint8_t tag, size_t head, uint64_t parts)
{
    size_t start = c->w->len;

    wr_u8(c->w, tag);
    wr_bytes(c->w, c->r->pos - head, head);
    push(c, FRAME_PLAIN, parts, start);
}

/* One tag with what belongs to it alone; containers go on the stack. */
static void head(struct canon *c)
{
    struct rd *r = c->r;
    uint8_t tag = rd_u8(r);
    struct etf_atom atom;
    struct etf_port port;
    struct etf_pid pid;
    struct slice s;
    uint32_t n;

    switch (tag) {
    case ETF_SMALL_ATOM_UTF8_EXT:
    case ETF_SMALL_ATOM_EXT:
    case ETF_ATOM_UTF8_EXT:
    case ETF_ATOM_EXT:
    case ETF_ATOM_CACHE_REF:
        atom = etf_wire_atom(r, tag, c->atoms);
        if (rd_ok(r))
            etf_write_atom_as(c->w, atom);
        break;
    case ETF_SMALL_INTEGER_EXT:
    case ETF_INTEGER_EXT:
    case ETF_SMALL_BIG_EXT:
    case ETF_LARGE_BIG_EXT:
        r->pos--;
        integer(c->w, r);
        break;
    case ETF_NEW_FLOAT_EXT:
    case ETF_FLOAT_EXT: floating(c, tag); break;
    case ETF_NIL_EXT: etf_write_nil(c->w); break;
    case ETF_BINARY_EXT:
        s = rd_slice(r, rd_be32(r));
        etf_write_binary(c->w, s);
        break;
    case ETF_BIT_BINARY_EXT: bits(c); break;
    case ETF_STRING_EXT:
        s = rd_slice(r, rd_be16(r));
        etf_write_string(c->w, s);
        break;
    case ETF_LIST_EXT: list(c); break;
    case ETF_SMALL_TUPLE_EXT: tuple(c, rd_u8(r)); break;
    case ETF_LARGE_TUPLE_EXT: tuple(c, rd_be32(r)); break;
    case ETF_MAP_EXT:
        n = rd_be32(r);
        etf_write_map(c->w, n);
        push(c, c->mode == ETF_CANON_COPY ? FRAME_PLAIN : FRAME_MAP, (uint64_t)n * 2, c->w->len - 5);
        break;
    case ETF_PID_EXT:
    case ETF_NEW_PID_EXT:
        pid = etf_wire_pid(r, tag, c->atoms);
        if (rd_ok(r))
            etf_write_pid(c->w, &pid);
        break;
    case ETF_PORT_EXT:
    case ETF_NEW_PORT_EXT:
    case ETF_V4_PORT_EXT:
        port = etf_wire_port(r, tag, c->atoms);
        if (rd_ok(r))
            etf_write_port(c->w, &port);
        break;
    case ETF_REFERENCE_EXT:
    case ETF_NEW_REFERENCE_EXT:
    case ETF_NEWER_REFERENCE_EXT: reference(c, tag); break;
    case ETF_EXPORT_EXT: plain(c, tag, 0, ETF_EXPORT_TERMS); break;
    case ETF_NEW_FUN_EXT: closure(c); break;
    case ETF_FUN_EXT:
        n = rd_be32(r);
        plain(c, tag, rd_ok(r) ? 4 : 0, (uint64_t)n + ETF_FUN_TERMS);
        break;
    case ETF_RECORD_EXT:
        n = rd_be32(r);
        rd_u8(r);
        plain(c, tag, rd_ok(r) ? 5 : 0, 2 + (uint64_t)n * 2);
        break;
    case ETF_LOCAL_EXT:
        s = rd_slice(r, rd_left(r));
        wr_u8(c->w, tag);
        wr_slice(c->w, s);
        break;
    default: rd_fail(r, ERR_MALFORMED); break;
    }
}

static void close_frame(struct canon *c, const struct frame *f, struct fault *fault)
{
    switch (f->kind) {
    case FRAME_PLAIN: break;
    case FRAME_LIST: etf_close_list(c->w, f->start, f->count, !f->is_improper, f->all_bytes); break;
    case FRAME_MAP: map_close(c, f, fault); break;
    case FRAME_FUN:
        if (c->w->len - f->start > UINT32_MAX)
            wr_fail(c->w, ERR_TOO_LARGE);
        poke_be32(c->w, f->start + 1, (uint32_t)(c->w->len - f->start - 1));
        break;
    }
}

/* One step of the topmost container: its next part, its tail, or its end. */
static void step(struct canon *c, struct fault *fault)
{
    struct frame *f = &c->frames[c->depth - 1];

    if (f->kind == FRAME_LIST) {
        /* Only here is it known what the part before has become. */
        if (c->w->len != f->part && !f->is_improper)
            f->all_bytes = f->all_bytes && c->w->len == f->part + 2 && wr_ok(c->w) &&
                           c->w->buf[f->part] == ETF_SMALL_INTEGER_EXT;
        f->part = c->w->len;
        if (f->left == 0 && !f->has_tail) {
            list_tail(c, f);
            f->part = c->w->len;
            return;
        }
    }
    if (f->left == 0) {
        struct frame closed = *f;

        close_frame(c, &closed, fault);
        c->depth--;
        return;
    }
    if (f->kind == FRAME_MAP)
        map_part(c, f, rd_offset(c->r));
    f->left--;
    head(c);
}

enum err etf_canon(struct wr *w, struct rd *r, const struct etf_atoms *atoms, enum etf_canon_mode mode,
                   uint64_t *budget, struct fault *fault)
{
    struct canon c = {.w = w, .r = r, .atoms = atoms, .mode = mode, .budget = budget, .cap = INLINE_FRAMES};

    c.frames = c.first;
    etf_keys_init(&c.keys);
    push(&c, FRAME_PLAIN, 1, w->len);
    while (c.depth && rd_ok(r) && wr_ok(w))
        step(&c, fault);
    etf_keys_fini(&c.keys);
    etf_stack_free(c.frames, c.first);
    if (!rd_ok(r))
        return ERR_MALFORMED;
    return w->err;
}
