/*
 * Which lists are improper, and which maps no JSON object can be? One pass over the whole term, bottom up. It
 * is made only when writing has met one that its beginning did not give away; so no term costs more than
 * three passes, however it is nested.
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/transcode_keys.h"
#include "bridge/transcode_out.h"
#include "etf/integer.h"

enum shape_kind { SHAPE_LIST, SHAPE_TUPLE, SHAPE_MAP };

struct shape_frame {
    uint8_t kind;  /* enum shape_kind */
    uint8_t kinds; /* SHAPE_MAP: of its keys */
    bool is_odd;   /* must be written as a tag */
    uint32_t left; /* elements; keys and values count each */
    uint32_t keys; /* where its keys start in shape.keys */
    size_t shape;  /* its place in shapes */
};

struct shape {
    struct out *out;
    struct etf_rd rd;
    struct shape_frame *frames; /* owned */
    uint32_t depth, cap;
    struct wr keys; /* owned: offsets of keys, 4 bytes each */
};

enum out_key out_key_kind(const struct out *s, struct etf_rd *r)
{
    struct slice text, big;
    struct etf_atom atom;
    bool negative;
    int64_t i;

    if (etf_read_binary(r, &text))
        return (text.len && text.ptr[0] == '$') || !utf8_is_valid(text) ? OUT_KEY_NONE : OUT_KEY_BINARY;
    if (s->is_typed)
        return OUT_KEY_NONE;
    if (etf_read_atom(r, &atom))
        return atom.text.len && atom.text.ptr[0] == '$' ? OUT_KEY_NONE : OUT_KEY_ATOM;
    if (etf_read_int64(r, &i))
        return OUT_KEY_INTEGER;
    if (etf_read_big(r, &negative, &big))
        return big.len <= OUT_KEY_MAX_BYTES ? OUT_KEY_INTEGER : OUT_KEY_NONE;
    return OUT_KEY_NONE;
}

/* ---- Do two keys of different kinds have the same text? ---- */

struct text_at {
    size_t at, len; /* in texts */
};

struct texts {
    const uint8_t *bytes;
    const struct text_at *of;
};

static struct slice text_of(const void *ctx, uint32_t i)
{
    const struct texts *t = ctx;

    return slice_of(t->bytes + t->of[i].at, t->of[i].len);
}

static enum err write_key_text(struct wr *w, struct etf_rd r)
{
    uint8_t buf[OUT_ATOM_BUF];
    struct slice text;
    struct etf_atom atom;
    bool negative;
    int64_t i;

    if (etf_read_binary(&r, &text))
        wr_slice(w, text);
    else if (etf_read_atom(&r, &atom))
        wr_slice(w, out_atom_text(atom, buf));
    else if (etf_read_int64(&r, &i))
        wr_printf(w, "%lld", (long long)i);
    else if (etf_read_big(&r, &negative, &text))
        return etf_integer_print(w, negative, text);
    return w->err;
}

static enum err find_collision(struct shape *s, const uint32_t *keys, uint32_t n, bool *ret_collides)
{
    struct text_at *of = mem_realloc_array(NULL, n, sizeof *of);
    struct texts t = {.of = of};
    struct wr bytes;
    uint32_t twin = UINT32_MAX;
    enum err e = of ? ERR_NONE : ERR_NOMEM;

    wr_init(&bytes, SIZE_MAX);
    for (uint32_t i = 0; i < n && e == ERR_NONE; i++) {
        struct etf_rd r = s->rd;

        r.rd.pos = r.rd.start + keys[i];
        of[i].at = bytes.len;
        e = write_key_text(&bytes, r);
        of[i].len = bytes.len - of[i].at;
    }
    t.bytes = bytes.buf;
    if (e == ERR_NONE)
        e = keys_find_twin(&(struct keys_source){text_of, &t, n}, s->out->options->seed, &twin);
    *ret_collides = twin != UINT32_MAX;
    wr_fini(&bytes);
    mem_free(of);
    return e;
}

/* ---- The pass ---- */

static enum err push(struct shape *s, struct shape_frame f)
{
    struct wr *shapes = &s->out->shapes;

    if (s->depth == s->out->max_depth)
        return ERR_DEPTH;
    if (s->depth == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 32;
        struct shape_frame *frames = mem_realloc_array(s->frames, cap, sizeof *frames);

        if (!frames)
            return ERR_NOMEM;
        s->frames = frames;
        s->cap = cap;
    }
    if (f.kind != SHAPE_TUPLE) {
        f.shape = shapes->len;
        wr_u8(shapes, 0);
    }
    f.keys = (uint32_t)(s->keys.len / sizeof(uint32_t));
    s->frames[s->depth++] = f;
    return shapes->err;
}

static enum err pop(struct shape *s)
{
    struct shape_frame *f = &s->frames[--s->depth];
    uint32_t n = (uint32_t)(s->keys.len / sizeof(uint32_t)) - f->keys;
    bool collides = false;
    enum err e = ERR_NONE;

    if (f->kind == SHAPE_MAP && !f->is_odd && (f->kinds & (f->kinds - 1)))
        e = find_collision(s, (const uint32_t *)(const void *)s->keys.buf + f->keys, n, &collides);
    if (f->kind != SHAPE_TUPLE)
        s->out->shapes.buf[f->shape] = f->is_odd || collides;
    s->keys.len = f->keys * sizeof(uint32_t);
    return e;
}

/* A key is at rd: note it, and what it is. */
static enum err look_at_key(struct shape *s, struct shape_frame *f)
{
    struct etf_rd r = s->rd;
    uint32_t at = (uint32_t)rd_offset(&r.rd);
    enum out_key kind = out_key_kind(s->out, &r);

    f->kinds |= (uint8_t)kind;
    f->is_odd |= kind == OUT_KEY_NONE;
    wr_bytes(&s->keys, &at, sizeof at);
    return s->keys.err;
}

/* The elements of a list are through; its tail is at rd. True when more elements follow. */
static bool tail_goes_on(struct shape *s, struct shape_frame *f)
{
    struct slice bytes;
    uint32_t n;

    while (etf_peek(&s->rd) == ETF_KIND_LIST && etf_read_list(&s->rd, &n)) {
        if (n) {
            f->left = n;
            return true;
        }
    }
    if (!etf_read_nil(&s->rd) && !etf_read_string(&s->rd, &bytes)) {
        f->is_odd = true;
        f->left = 1; /* the tail is one more term; the frame is marked to end behind it */
        return true;
    }
    return false;
}

static enum err enter_or_skip(struct shape *s)
{
    enum shape_kind kind;
    uint32_t n = 0;
    bool ok;

    do {
        switch (etf_peek(&s->rd)) {
        case ETF_KIND_LIST:
            kind = SHAPE_LIST;
            ok = etf_read_list(&s->rd, &n);
            break;
        case ETF_KIND_TUPLE:
            kind = SHAPE_TUPLE;
            ok = etf_read_tuple(&s->rd, &n);
            break;
        case ETF_KIND_MAP:
            kind = SHAPE_MAP;
            ok = etf_read_map(&s->rd, &n) && n <= UINT32_MAX / 2;
            n *= 2;
            break;
        default: return etf_skip(&s->rd, NULL) ? ERR_NONE : ERR_MALFORMED;
        }
        if (!ok)
            return ERR_MALFORMED;
        /* A list without elements is its tail. */
    } while (n == 0 && kind == SHAPE_LIST);
    return n ? push(s, (struct shape_frame){.kind = (uint8_t)kind, .left = n}) : ERR_NONE;
}

static enum err walk(struct shape *s)
{
    enum err e = enter_or_skip(s);

    while (e == ERR_NONE && s->depth) {
        struct shape_frame *f = &s->frames[s->depth - 1];

        if (f->left == 0) {
            if (f->kind != SHAPE_LIST || f->is_odd || !tail_goes_on(s, f))
                e = pop(s);
            continue;
        }
        f->left--;
        if (f->kind == SHAPE_MAP && f->left % 2)
            e = look_at_key(s, f);
        if (e == ERR_NONE)
            e = enter_or_skip(s);
    }
    return e;
}

enum err shape_find(struct out *out, struct etf_rd start)
{
    struct shape s = {.out = out, .rd = start};
    enum err e;

    if (rd_left(&start.rd) > UINT32_MAX)
        return ERR_TOO_LARGE;
    s.rd.rd.start = s.rd.rd.pos;
    wr_init(&s.keys, SIZE_MAX);
    wr_reset(&out->shapes);
    e = walk(&s);
    wr_fini(&s.keys);
    mem_free(s.frames);
    return e;
}
