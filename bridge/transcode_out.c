/*
 * A term to JSON. One loop, as in transcode_in.c and for the same reason. What lengths say is compared with
 * the bytes that are there, so that the loop can judge a term that nobody has validated while it writes it:
 * whatever it does not know by itself is then shown to out_judge first.
 */
#include "bridge/transcode_out.h"
#include "base/check.h"
#include "base/digits.h"
#include "base/flt.h"
#include "base/mem.h"
#include "json/write.h"

static inline uint8_t *put(uint8_t *o, const char *text, size_t len)
{
    memcpy(o, text, len);
    return o + len;
}
#define PUT(lit) (o = put(o, lit, sizeof(lit) - 1))

static bool grow_frames(struct out *s)
{
    uint32_t cap = s->frame_cap * 2;
    struct out_frame *frames =
        mem_realloc_array(s->frames == s->first_frames ? NULL : s->frames, cap, sizeof *frames);

    if (!frames)
        return false;
    if (s->frames == s->first_frames)
        memcpy(frames, s->first_frames, sizeof s->first_frames);
    s->frames = frames;
    s->frame_cap = cap;
    return true;
}

static inline enum err push(struct out *s, enum out_kind kind, uint32_t left, uint8_t habit)
{
    if (UNLIKELY(s->depth == s->max_depth))
        return ERR_DEPTH;
    if (UNLIKELY(s->depth == s->frame_cap) && !grow_frames(s))
        return ERR_NOMEM;
    if (UNLIKELY(habit == HABIT_NONE) && kind == OUT_LIST)
        habit = (uint8_t)habit_begin(&s->habit);
    s->frames[s->depth++] = (struct out_frame){.kind = (uint8_t)kind, .left = left, .habit = habit};
    return ERR_NONE;
}

/* Behind the key `here` a binary as a key, with its colon, was written from term at `written`, up to o. Gives
 * its node. is_first: of its map. */
static const struct habit_node *learn_key(struct out *s, const struct out_frame *f,
                                          const struct habit_node *here, bool is_first, const uint8_t *start,
                                          struct slice term, size_t written, size_t len)
{
    unsigned node = HABIT_NONE;
    struct habit_node key = {.source = (uint32_t)(term.ptr - start), .written = (uint32_t)written};

    if (here == s->habit.nodes)
        return here;
    key.len = (uint8_t)term.len;
    key.written_len = (uint8_t)len;
    if (term.len <= HABIT_BLOCK && len <= HABIT_BLOCK && f->kinds == OUT_KEY_BINARY &&
        written <= UINT32_MAX && term.ptr - start <= UINT32_MAX)
        node = habit_learn(&s->habit, (unsigned)(here - s->habit.nodes), is_first, key, start);
    return &s->habit.nodes[node];
}

/* ---- The loop ---- */

#define LEAVE() (s->w->len = (size_t)(o - base), s->rd.rd.pos = p)
#define BACK()                                                                           \
    (base = s->w->buf, o = base + s->w->len, o_end = base + s->w->cap, p = s->rd.rd.pos, \
     limit = limit_of(p, end, o, o_end, s->depth))
#define FAIL(e)     \
    do {            \
        LEAVE();    \
        return (e); \
    } while (0)
#define CALL(call)                    \
    do {                              \
        enum err e_;                  \
                                      \
        LEAVE();                      \
        e_ = (call);                  \
        if (UNLIKELY(e_ != ERR_NONE)) \
            return e_;                \
        BACK();                       \
    } while (0)
/* What the loop leaves to others, who take a term that is sound. */
#define RARE(call)                \
    do {                          \
        if (UNLIKELY(is_judging)) \
            CALL(out_judge(s));   \
        CALL(call);               \
    } while (0)
#define MAKE_ROOM()                           \
    do {                                      \
        if (UNLIKELY(o_end - o < OUT_ROOM)) { \
            LEAVE();                          \
            if (!wr_room(s->w, OUT_ROOM))     \
                return s->w->err;             \
            BACK();                           \
        }                                     \
    } while (0)
/* What the innermost container still wants, and its node of the habit, are locals; they are put aside while
 * something stands in it. */
#define PUSH(kind, n)                                                 \
    do {                                                              \
        uint8_t habit_ = (uint8_t)(here - s->habit.nodes);            \
                                                                      \
        if (s->depth) {                                               \
            s->frames[s->depth - 1].left = left;                      \
            s->frames[s->depth - 1].habit = habit_;                   \
        }                                                             \
        if (UNLIKELY((e = push(s, (kind), (n), habit_)) != ERR_NONE)) \
            FAIL(e);                                                  \
        f = &s->frames[s->depth - 1];                                 \
        left = (n);                                                   \
        here = &s->habit.nodes[f->habit];                             \
    } while (0)
#define POP()                                 \
    do {                                      \
        if (--s->depth) {                     \
            f--;                              \
            left = f->left;                   \
            here = &s->habit.nodes[f->habit]; \
        }                                     \
    } while (0)
/* n bytes of the term, or it is none. */
#define NEED(n)                                        \
    do {                                               \
        if (UNLIKELY((size_t)(end - p) < (size_t)(n))) \
            FAIL(ERR_MALFORMED);                       \
    } while (0)

enum err out_run(struct out *s)
{
    const uint8_t *p = s->rd.rd.pos, *const end = s->rd.rd.end, *text, *text_end;
    uint8_t *base = s->w->buf, *o = base + s->w->len, *o_end = base + s->w->cap;
    const bool is_judging = s->is_judging;
    const bool is_typed = s->is_typed, quotes_big = s->options->bigints_as_strings;
    const bool is_null_null = s->options->null_atom.len == 0;
    const bool joins_chars = s->options->charlists_as_strings && !is_typed;
    const uint8_t *limit = limit_of(p, end, o, o_end, s->depth);
    struct out_frame *f = s->frames;
    enum json_copied done;
    enum err e;
    const uint8_t *const start = p;
    const struct habit_node *here = &s->habit.nodes[HABIT_NONE], *guess;
    size_t mark;
    uint32_t n, left = 0;
    bool is_odd, is_first;

    habit_init(&s->habit);

value:
    MAKE_ROOM();
    NEED(1);
    if (p >= limit && end - p > LIMIT_AHEAD)
        limit = limit_of(p, end, o, o_end, s->depth);
far_value: /* before the limit */
    switch (*p) {
    case ETF_SMALL_INTEGER_EXT:
        NEED(2);
        o = digits_put(o, p[1]);
        p += 2;
        goto after_value;
    case ETF_INTEGER_EXT:
        NEED(5);
        n = be_load32(p + 1);
        *o = '-';
        o += n >> 31;
        o = digits_put(o, n >> 31 ? 0 - n : n);
        p += 5;
        goto after_value;
    case ETF_SMALL_BIG_EXT:
        NEED(3);
        n = p[1];
        if (n <= 8 && end - p >= 11) {
            uint64_t v = le_load64(p + 3);

            v &= n == 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * n) - 1;
            if (v <= OUT_SAFE_INTEGER_MAX || !quotes_big) {
                *o = '-';
                o += p[2] != 0 && v != 0;
                o = digits_put(o, v);
                p += 3 + n;
                goto after_value;
            }
        }
        RARE(out_write_big(s));
        goto after_rare;
    case ETF_LARGE_BIG_EXT: RARE(out_write_big(s)); goto after_rare;
    case ETF_NEW_FLOAT_EXT: {
        uint64_t bits;
        double v;

        NEED(9);
        bits = be_load64(p + 1);
        if (UNLIKELY((bits >> 52 & 0x7FF) == 0x7FF))
            FAIL(ERR_MALFORMED);
        memcpy(&v, &bits, 8);
        o += flt_print(v, (char *)o);
        p += 9;
        goto after_value;
    }
    case ETF_FLOAT_EXT: RARE(out_write_old_float(s)); goto after_rare;
    case ETF_SMALL_ATOM_UTF8_EXT:
        NEED(2);
        n = p[1];
        NEED(2 + n);
        text = p + 2;
        text_end = text + n;
        goto atom;
    case ETF_ATOM_CACHE_REF:
        NEED(2);
        if (UNLIKELY(!s->rd.atoms || p[1] >= s->rd.atoms->count))
            FAIL(ERR_MALFORMED);
        text = s->rd.atoms->at[p[1]].text.ptr;
        n = (uint32_t)s->rd.atoms->at[p[1]].text.len;
        text_end = p + 2;
    atom: /* n bytes at text; the term ends at text_end */
        /* Those that are everywhere. */
        if (n == 4 && memcmp(text, "true", 4) == 0) {
            PUT("true");
            p = text_end;
            goto after_value;
        }
        if (n == 5 && memcmp(text, "false", 5) == 0) {
            PUT("false");
            p = text_end;
            goto after_value;
        }
        if (n == 4 && is_null_null && memcmp(text, "null", 4) == 0) {
            PUT("null");
            p = text_end;
            goto after_value;
        }
        RARE(out_write_atom(s));
        goto after_rare;
    case ETF_ATOM_UTF8_EXT:
    case ETF_ATOM_EXT:
    case ETF_SMALL_ATOM_EXT: RARE(out_write_atom(s)); goto after_rare;
    case ETF_BINARY_EXT:
        NEED(5);
        n = be_load32(p + 1);
        NEED((size_t)5 + n);
        mark = (size_t)(o - base);
        text_end = p + 5 + n;
        p += 5;
        *o++ = '"';
        while (UNLIKELY((done = json_escape(&p, text_end, end, &o, o_end)) != JSON_COPIED)) {
            if (done == JSON_COPY_BAD) {
                p = text_end - n - 5;
                o = base + mark;
                CALL(out_write_binary(s));
                goto after_rare;
            }
            MAKE_ROOM();
        }
        MAKE_ROOM();
        *o++ = '"';
        goto after_value;
    case ETF_BIT_BINARY_EXT: RARE(out_write_bitstring(s)); goto after_rare;
    case ETF_NIL_EXT:
        p++;
        PUT("[]");
        goto after_value;
    case ETF_STRING_EXT:
        NEED(3);
        n = be_load16(p + 1);
        NEED(3 + n);
        LEAVE();
        if (joins_chars && out_is_charlist(s->rd)) {
            CALL(out_write_charlist(s));
            goto after_rare;
        }
        *o++ = '[';
        text_end = p + 3 + n;
        for (p += 3; p < text_end; p++) {
            MAKE_ROOM();
            o = digits_put(o, *p);
            *o++ = ',';
        }
        o[-(n > 0)] = ']';
        o += n == 0;
        goto after_value;
    case ETF_LIST_EXT:
        NEED(5);
        n = be_load32(p + 1);
        if (n == 0) {
            if (is_judging)
                FAIL(ERR_MALFORMED); /* mostly it is */
            p += 5;
            goto value;
        }
        LEAVE();
        is_odd = s->has_shapes && s->shapes.buf[s->next_shape++];
        if (joins_chars && !is_odd && out_is_charlist(s->rd)) {
            if (s->depth == s->max_depth)
                FAIL(ERR_DEPTH); /* a list still, as whoever does not ask for strings has it */
            CALL(out_write_charlist(s));
            goto after_rare;
        }
        p += 5;
        PUSH(is_odd ? OUT_LIST_TAILED : OUT_LIST, n);
        if (is_odd)
            PUT("{\"$list\":");
        *o++ = '[';
        goto elements;
    case ETF_SMALL_TUPLE_EXT:
        NEED(2);
        n = p[1];
        p += 2;
        goto tuple;
    case ETF_LARGE_TUPLE_EXT:
        NEED(5);
        n = be_load32(p + 1);
        p += 5;
        goto tuple;
    case ETF_MAP_EXT:
        NEED(5);
        n = be_load32(p + 1);
        p += 5;
        if (n == 0) {
            PUT("{}");
            goto after_value;
        }
        PUSH(OUT_OBJECT, n);
        guess = &s->habit.nodes[here->inside];
        /* What was the first key of an object before may be it again. */
        if (s->has_shapes || end - p < HABIT_BLOCK || !habit_is(guess, p, start + guess->source)) {
            if (out_is_odd_map(s, p)) {
                f->kind = OUT_PAIR_KEY;
                PUT("{\"$map\":[[");
                goto value;
            }
        }
        *o++ = '{';
        goto key;
    case ETF_PID_EXT:
    case ETF_NEW_PID_EXT:
    case ETF_PORT_EXT:
    case ETF_NEW_PORT_EXT:
    case ETF_V4_PORT_EXT:
    case ETF_REFERENCE_EXT:
    case ETF_NEW_REFERENCE_EXT:
    case ETF_NEWER_REFERENCE_EXT:
    case ETF_EXPORT_EXT: RARE(out_write_identity(s)); goto after_rare;
    case ETF_NEW_FUN_EXT:
    case ETF_FUN_EXT:
    case ETF_RECORD_EXT:
    case ETF_LOCAL_EXT: RARE(out_write_verbatim(s)); goto after_rare;
    default: FAIL(ERR_MALFORMED);
    }

elements: /* of a list; integers come in rows */
    while (left > 1 && p < limit && *p == ETF_INTEGER_EXT) {
        n = be_load32(p + 1);
        *o = '-';
        o += n >> 31;
        o = digits_put(o, n >> 31 ? 0 - n : n);
        *o++ = ',';
        p += 5;
        left--;
    }
    if (LIKELY(p < limit))
        goto far_value;
    goto value;

tuple:
    if (is_typed)
        PUT("{\"$tuple\":");
    *o++ = '[';
    if (n == 0) {
        *o++ = ']';
        *o = '}';
        o += is_typed;
        goto after_value;
    }
    PUSH(is_typed ? OUT_TUPLE_TAGGED : OUT_TUPLE, n);
    goto value;

key: /* guess: which one it may be */
    MAKE_ROOM();
    if (UNLIKELY(end - p < HABIT_BLOCK))
        goto other_key;
far_key: /* before the limit */
    if (LIKELY(habit_is(guess, p, start + guess->source))) {
        habit_copy(o, base + guess->written);
        o += guess->written_len;
        p += guess->len;
        f->kinds |= OUT_KEY_BINARY;
        here = guess;
        if (LIKELY(p < limit))
            goto far_value;
        goto value;
    }
other_key:
    NEED(1);
    mark = (size_t)(o - base);
    is_first = f->kinds == OUT_KEY_NONE;
    if (LIKELY(*p == ETF_BINARY_EXT)) {
        NEED(5);
        n = be_load32(p + 1);
        NEED((size_t)5 + n);
        f->kinds |= OUT_KEY_BINARY;
        if (UNLIKELY((n && p[5] == '$') || (!s->has_shapes && f->kinds != OUT_KEY_BINARY))) {
            if (!s->has_shapes)
                goto reshape;
        }
        text_end = p + 5 + n;
        p += 5;
        *o++ = '"';
        while (UNLIKELY((done = json_escape(&p, text_end, end, &o, o_end)) != JSON_COPIED)) {
            if (done == JSON_COPY_BAD)
                goto reshape;
            MAKE_ROOM();
        }
        MAKE_ROOM();
        *o++ = '"';
        *o++ = ':';
        here = learn_key(s, f, here, is_first, start, slice_of(text_end - n - 5, (size_t)n + 5), mark,
                         (size_t)(o - base) - mark);
        goto value;
    }
    RARE(out_write_key(s, f));
    MAKE_ROOM();
    *o++ = ':';
    here = &s->habit.nodes[HABIT_NONE];
    goto value;

after_rare: /* which may have left no room */
    MAKE_ROOM();
after_value: /* with half of OUT_ROOM left at least */
    if (LIKELY(p < limit && left > 1)) {
        if (f->kind == OUT_OBJECT) {
            left--;
            *o++ = ',';
            guess = &s->habit.nodes[here->next];
            goto far_key;
        }
        if (f->kind == OUT_LIST) {
            left--;
            *o++ = ',';
            if (*p == ETF_INTEGER_EXT)
                goto elements;
            goto far_value;
        }
    }
    if (UNLIKELY(s->depth == 0))
        FAIL(ERR_NONE);
    switch ((enum out_kind)f->kind) {
    case OUT_OBJECT:
        if (--left) {
            *o++ = ',';
            guess = &s->habit.nodes[here->next];
            goto key;
        }
        *o++ = '}';
        break;
    case OUT_LIST:
    case OUT_LIST_TAILED:
        if (--left) {
            *o++ = ',';
            goto elements;
        }
        goto tail;
    case OUT_TUPLE:
        if (--left) {
            *o++ = ',';
            goto value;
        }
        *o++ = ']';
        break;
    case OUT_TUPLE_TAGGED:
        if (--left) {
            *o++ = ',';
            goto value;
        }
        PUT("]}");
        break;
    case OUT_TAIL: *o++ = '}'; break;
    case OUT_PAIR_KEY:
        *o++ = ',';
        f->kind = OUT_PAIR_VALUE;
        goto value;
    case OUT_PAIR_VALUE:
        if (--left) {
            PUT("],[");
            f->kind = OUT_PAIR_KEY;
            goto value;
        }
        PUT("]]}");
        break;
    }
    POP();
    goto after_rare;

tail: /* the elements of list f are written; a tail that is a list goes on with them */
    NEED(1);
    if (LIKELY(*p == ETF_NIL_EXT)) {
        p++;
        *o++ = ']';
        POP();
        goto after_rare;
    }
    if (*p == ETF_LIST_EXT) {
        if (is_judging)
            FAIL(ERR_MALFORMED); /* or a level more */
        NEED(5);
        left = be_load32(p + 1);
        p += 5;
        if (left == 0)
            goto tail;
        *o++ = ',';
        goto value;
    }
    if (*p == ETF_STRING_EXT) {
        NEED(3);
        n = be_load16(p + 1);
        NEED(3 + n);
        text_end = p + 3 + n;
        for (p += 3; p < text_end; p++) {
            MAKE_ROOM();
            *o++ = ',';
            o = digits_put(o, *p);
        }
        MAKE_ROOM();
        *o++ = ']';
        POP();
        goto after_rare;
    }
    if (f->kind != OUT_LIST_TAILED)
        goto reshape;
    PUT("],\"$tail\":");
    f->kind = OUT_TAIL;
    goto value;

reshape:
    s->wants_shapes = true;
    FAIL(ERR_INVALID);
}
