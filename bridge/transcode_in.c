/*
 * JSON to a term. One loop, in which a value, a key and what follows a value are labels, and the position in
 * text and output are locals: that is what makes it fast, and why it is one long function. What is rare
 * stands in functions elsewhere (transcode_in.h says where); they get the positions through the state (LEAVE)
 * and give them back (BACK).
 */
#include "base/flt.h"
#include "bridge/transcode_put.h"
#include "json/scan.h"

/* ---- The loop ---- */

/* The positions into the state, before a call that may use them, and back. */
#define LEAVE() (s->w->len = (size_t)(o - base))
#define BACK() \
    (base = s->w->buf, o = base + s->w->len, o_end = base + s->w->cap, limit = limit_of(p, end, o, o_end, 0))
#define FAIL(e)     \
    do {            \
        LEAVE();    \
        return (e); \
    } while (0)
/* A call that may fail and move out. */
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
/* One that moves in the text, too: by way of q, for a p whose address was taken would live in memory. */
#define CALL_AT(call)         \
    do {                      \
        const uint8_t *q = p; \
                              \
        CALL(call);           \
        p = q;                \
    } while (0)
#define MAKE_ROOM()                          \
    do {                                     \
        if (UNLIKELY(o_end - o < IN_ROOM)) { \
            LEAVE();                         \
            if (!in_grow_room(s))            \
                return in_out_of_room(s, p); \
            BACK();                          \
        }                                    \
    } while (0)
#define SKIP_SPACE()                         \
    do {                                     \
        if (UNLIKELY(p == end || *p <= ' ')) \
            p = json_skip_space(p, end);     \
    } while (0)
#define POP() (f = --s->depth ? f - 1 : &top)
#define IS(c) (LIKELY(p < end) && *p == (c))

/* What a value's first byte says. */
enum first {
    FIRST_WRONG,
    FIRST_BLANK,
    FIRST_STRING,
    FIRST_NUMBER,
    FIRST_OBJECT,
    FIRST_ARRAY,
    FIRST_TRUE,
    FIRST_FALSE,
    FIRST_NULL,
};

static const uint8_t first_of[256] = {
    [' '] = FIRST_BLANK,  ['\n'] = FIRST_BLANK, ['\r'] = FIRST_BLANK, ['\t'] = FIRST_BLANK,
    ['"'] = FIRST_STRING, ['-'] = FIRST_NUMBER, ['0'] = FIRST_NUMBER, ['1'] = FIRST_NUMBER,
    ['2'] = FIRST_NUMBER, ['3'] = FIRST_NUMBER, ['4'] = FIRST_NUMBER, ['5'] = FIRST_NUMBER,
    ['6'] = FIRST_NUMBER, ['7'] = FIRST_NUMBER, ['8'] = FIRST_NUMBER, ['9'] = FIRST_NUMBER,
    ['{'] = FIRST_OBJECT, ['['] = FIRST_ARRAY,  ['t'] = FIRST_TRUE,   ['f'] = FIRST_FALSE,
    ['n'] = FIRST_NULL,
};

/* The key at f->key, up to `behind` in out, was read from text and differs from the `count` before it. */
static uint32_t learn_key(struct in *s, const struct in_frame *f, uint32_t count, struct slice text,
                          uint32_t behind)
{
    struct habit_node key = {.source = (uint32_t)(text.ptr - s->start), .written = f->key};

    if (count >= IN_HABIT_KEYS || text.len > HABIT_BLOCK || behind - f->key > HABIT_BLOCK)
        return HABIT_NONE;
    key.len = (uint8_t)text.len;
    key.written_len = (uint8_t)(behind - f->key);
    return habit_learn(&s->habit, f->habit, count == 0, key, s->start);
}

enum err in_run(struct in *s)
{
    const uint8_t *p = s->start, *const end = s->end, *name;
    uint8_t *base = s->w->buf, *o = base + s->w->len, *o_end = base + s->w->cap;
    const bool reads_tags = !s->options->tags_off, has_atom_keys = s->options->keys_as_atoms;
    const uint8_t *limit = limit_of(p, end, o, o_end, 0);
    struct in_frame top = {.kind = IN_TOP}, *f = &top;
    enum json_copied done;
    struct slice text;
    const struct habit_node *known;
    bool is_verbatim;
    enum tag tag;
    uint32_t at, guess = HABIT_NONE, count;
    enum err e;

value:
    SKIP_SPACE();
    MAKE_ROOM();
    if (UNLIKELY(p == end))
        FAIL(in_bad_value(s, p));
    if (p >= limit && end - p > LIMIT_AHEAD)
        limit = limit_of(p, end, o, o_end, 0);
far_value: /* before the limit; perhaps a blank */
    switch ((enum first)first_of[*p]) {
    case FIRST_STRING:
        at = (uint32_t)(o - base);
        o += IN_BINARY_HEAD;
        p++;
        while (UNLIKELY((done = json_copy_string(&p, end, &o, o_end)) != JSON_COPIED)) {
            if (done == JSON_COPY_BAD)
                FAIL(in_bad_string(s, p));
            MAKE_ROOM();
        }
        base[at] = ETF_BINARY_EXT;
        be_store32(base + at + 1, (uint32_t)(o - base) - at - IN_BINARY_HEAD);
        goto after_value;
    number:
    case FIRST_NUMBER: {
        struct json_number n;
        const uint8_t *bad, *first = p;
        double v;
        bool fits;

        p = json_scan_number(p, end, &n, &bad);
        if (UNLIKELY(!p))
            FAIL(in_expected(s, bad, "a digit must stand here"));
        if (!n.is_float) {
            if (LIKELY(n.is_exact))
                o = put_integer(o, n.digits, n.is_negative);
            else
                CALL(tag_write_integer(s, n.is_negative,
                                       slice_of(first + n.is_negative, (size_t)(p - first) - n.is_negative),
                                       first));
            goto after_value;
        }
        if (LIKELY(n.is_exact))
            fits = flt_of_decimal(n.digits, n.exponent, n.is_negative, &v);
        else
            fits = flt_parse(slice_of(first, (size_t)(p - first)), &v);
        if (UNLIKELY(!fits))
            FAIL(in_fail(s, ERR_MALFORMED, first, "the number is too large for a float"));
        o = put_float(o, v);
        goto after_value;
    }
    case FIRST_OBJECT:
        name = p++;
        SKIP_SPACE();
        if (UNLIKELY(end - p >= 2 && reads_tags && *p == '"' && (p[1] == '$' || p[1] == '\\')))
            goto maybe_tag;
    object:
        at = (uint32_t)(o - base);
        LEAVE();
        if (UNLIKELY((e = in_push(s, IN_OBJECT, at, name)) != ERR_NONE))
            return e;
        base[at] = ETF_MAP_EXT;
        o += 5;
        f = &s->frames[s->depth - 1];
        if (IS('}')) {
            p++;
            be_store32(base + at + 1, 0);
            POP();
            goto after_value;
        }
        guess = s->habit.nodes[f->habit].inside;
        goto key;
    case FIRST_ARRAY:
        LEAVE();
        if (UNLIKELY((e = in_push(s, IN_ARRAY, (uint32_t)(o - base), p)) != ERR_NONE))
            return e;
        f = &s->frames[s->depth - 1];
        p++;
        SKIP_SPACE();
        if (IS(']')) {
            p++;
            POP();
            *o++ = ETF_NIL_EXT;
            goto after_value;
        }
        *o = ETF_LIST_EXT;
        o += 5;
        if (p < limit && first_of[*p] == FIRST_NUMBER)
            goto row;
        goto value;
    case FIRST_TRUE:
        if (UNLIKELY(end - p < 4 || memcmp(p, "true", 4) != 0))
            FAIL(in_bad_value(s, p));
        memcpy(o, "\x77\x04true", 6);
        o += 6;
        p += 4;
        goto after_value;
    case FIRST_FALSE:
        if (UNLIKELY(end - p < 5 || memcmp(p, "false", 5) != 0))
            FAIL(in_bad_value(s, p));
        memcpy(o,
               "\x77\x05"
               "false",
               7);
        o += 7;
        p += 5;
        goto after_value;
    case FIRST_NULL:
        if (UNLIKELY(end - p < 4 || memcmp(p, "null", 4) != 0))
            FAIL(in_bad_value(s, p));
        if (LIKELY(s->options->null_atom.len == 0)) {
            memcpy(o, "\x77\x04null", 6);
            o += 6;
        } else {
            CALL(in_write_atom(s, s->options->null_atom, false, p));
        }
        p += 4;
        goto after_value;
    case FIRST_BLANK: goto value;
    case FIRST_WRONG: FAIL(in_bad_value(s, p));
    }

key: /* perhaps as guessed */
    MAKE_ROOM();
    if (UNLIKELY(end - p < HABIT_BLOCK))
        goto other_key;
far_key: /* before the limit */
    known = &s->habit.nodes[guess];
    at = (uint32_t)(o - base);
    if (LIKELY(habit_is(known, p, s->start + known->source))) {
        habit_copy(o, base + known->written);
        o += known->written_len;
        p += known->len;
        f->key = at;
        f->habit = guess;
        if (UNLIKELY(s->key_count == s->key_cap))
            CALL(in_grow_keys(s, p));
        s->keys[s->key_count++] = at;
        if (LIKELY(p < limit))
            goto far_value;
        goto value;
    }
other_key:
    at = (uint32_t)(o - base);
    f->key = IN_NO_KEY;
    if (UNLIKELY(!IS('"')))
        FAIL(in_expected(s, p, "a key, in quotes, must stand here"));
    name = p++;
    o += IN_BINARY_HEAD;
    while (UNLIKELY((done = json_copy_string(&p, end, &o, o_end)) != JSON_COPIED)) {
        if (done == JSON_COPY_BAD)
            FAIL(in_bad_string(s, p));
        MAKE_ROOM();
    }
    MAKE_ROOM();
    if (UNLIKELY(base[at + IN_BINARY_HEAD] == '$' && reads_tags && o - base > at + IN_BINARY_HEAD))
        FAIL(in_bad_tag_key(s, name,
                            slice_of(base + at + IN_BINARY_HEAD, (size_t)(o - base) - at - IN_BINARY_HEAD)));
    base[at] = ETF_BINARY_EXT;
    be_store32(base + at + 1, (uint32_t)(o - base) - at - IN_BINARY_HEAD);
    f->key = at;
    if (has_atom_keys)
        CALL(in_key_to_atom(s, at, name));
    count = s->key_count - f->keys;
    if (count < (f->habit == HABIT_NONE ? IN_FEW_KEYS : IN_HABIT_KEYS) &&
        UNLIKELY(is_repeated(s, f, base, at, (uint32_t)(o - base) - at, !has_atom_keys)))
        FAIL(in_fail(s, ERR_DUPLICATE_KEY, name, "a key stands twice in this map"));
    if (UNLIKELY(s->key_count == s->key_cap))
        CALL(in_grow_keys(s, name));
    s->keys[s->key_count++] = at;
    SKIP_SPACE();
    if (UNLIKELY(!IS(':')))
        FAIL(in_expected(s, p, "':' must stand behind a key"));
    p++;
    if (f->habit != HABIT_NONE)
        f->habit = learn_key(s, f, count, slice_of(name, (size_t)(p - name)), (uint32_t)(o - base));
    goto value;

row: /* of integers that are short and plain, in the array f, before the limit */
    for (;;) {
        uint64_t x = le_load64(p);
        uint32_t is_negative = (uint8_t)x == '-', v;
        /* The first byte is a digit or the sign. (Which of them is not waited for to find the next one.) */
        unsigned n = digits_run(x);

        if (UNLIKELY((p[n] != ',' && p[n] != ']') || n == is_negative ||
                     (p[is_negative] == '0' && n - is_negative > 1)))
            goto number;
        v = digits_value(x + is_negative * (unsigned)('0' - '-'), n);
        v = (v ^ (0 - is_negative)) + is_negative;
        o = put_int32(o, v);
        p += n;
        if (*p != ',')
            goto after_value;
        p++;
        if (UNLIKELY(*p == ' '))
            p++;
        f->count++;
        if (UNLIKELY(p >= limit))
            goto value;
        if (UNLIKELY(first_of[*p] != FIRST_NUMBER))
            goto far_value;
    }

after_value:
    if (LIKELY(p < limit && *p == ',')) {
        if (f->kind == IN_OBJECT) {
            p++;
            guess = s->habit.nodes[f->habit].next;
            if (LIKELY(*p > ' '))
                goto far_key;
            p = json_skip_space(p, end);
            goto key;
        }
        if (LIKELY(f->kind == IN_ARRAY)) {
            f->count++;
            p++;
            if (UNLIKELY(*p == ' '))
                p++;
            if (first_of[*p] == FIRST_NUMBER)
                goto row;
            goto far_value;
        }
    }
    SKIP_SPACE();
    switch (f->kind) {
    case IN_TOP:
        LEAVE();
        return p == end ? ERR_NONE : in_fail(s, ERR_MALFORMED, p, "something stands behind the value");
    case IN_OBJECT:
        if (IS(',')) {
            p++;
            SKIP_SPACE();
            guess = s->habit.nodes[f->habit].next;
            goto key;
        }
        if (UNLIKELY(!IS('}')))
            FAIL(in_expected(s, p, "',' or '}' must stand here"));
        p++;
        if (UNLIKELY(s->key_count - f->keys > IN_FEW_KEYS) && f->habit == HABIT_NONE)
            CALL(twin_check(s));
        be_store32(base + f->at + 1, s->key_count - f->keys);
        s->key_count = f->keys;
        break;
    case IN_ARRAY:
        if (IS(',')) {
            f->count++;
            p++;
            goto value;
        }
        if (UNLIKELY(!IS(']')))
            FAIL(in_expected(s, p, "',' or ']' must stand here"));
        p++;
        MAKE_ROOM();
        name = pack_string(base + f->at, o, f->count + 1);
        if (name) {
            o = base + (name - base);
            break;
        }
        be_store32(base + f->at + 1, f->count + 1);
        *o++ = ETF_NIL_EXT;
        break;
    case IN_TUPLE:
        if (IS(',')) {
            f->count++;
            p++;
            goto value;
        }
        if (UNLIKELY(!IS(']')))
            FAIL(in_expected(s, p, "',' or ']' must stand here"));
        p++;
        CALL(in_close_tuple(s, f, f->count + 1, p));
        goto tag_end;
    case IN_PAIR_KEY:
        if (UNLIKELY(!IS(',')))
            FAIL(in_expected(s, p, "',' must stand here: $map is an array of pairs, [[key, value], ...]"));
        p++;
        CALL(in_push_key(s, (uint32_t)(o - base), p));
        f->kind = IN_PAIR_VALUE;
        goto value;
    case IN_PAIR_VALUE:
        if (UNLIKELY(!IS(']')))
            FAIL(in_expected(s, p, "']' must stand here: $map is an array of pairs, [[key, value], ...]"));
        p++;
        SKIP_SPACE();
        if (IS(',')) {
            p++;
            f->count++;
            goto pair;
        }
        if (UNLIKELY(!IS(']')))
            FAIL(in_expected(s, p, "',' or ']' must stand here"));
        p++;
        CALL(twin_check(s));
        be_store32(base + f->at + 1, f->count + 1);
        s->key_count = f->keys;
        goto tag_end;
    case IN_LIST:
    case IN_LIST_SECOND:
        if (IS(',')) {
            f->count++;
            p++;
            goto value;
        }
        if (UNLIKELY(!IS(']')))
            FAIL(in_expected(s, p, "',' or ']' must stand here"));
        p++;
        if (f->kind == IN_LIST_SECOND) {
            be_store32(base + f->key + 1, f->count + 1);
            CALL(in_swap_tail(s, f, p));
            goto tag_end;
        }
        be_store32(base + f->at + 1, f->count + 1);
        f->kind = IN_TAIL;
        CALL_AT(in_take_second_key(s, &q, TAG_TAIL));
        goto value;
    case IN_TAIL: goto tag_end;
    case IN_TAIL_FIRST:
        CALL_AT(in_take_second_key(s, &q, TAG_LIST));
        f->kind = IN_LIST_SECOND;
        f->key = (uint32_t)(o - base);
        goto list;
    }
    POP();
    goto after_value;

tag_end: /* behind the value of a tag that has a frame */
    SKIP_SPACE();
    POP();
    if (UNLIKELY(!IS('}')))
        FAIL(in_expected(s, p, "'}' must stand here: a tag stands alone in its object"));
    p++;
    goto after_value;

maybe_tag: /* an object, begun at name, whose first key is at p and may start with '$' */
    p++;
    CALL_AT(in_take_text(s, &q, &text, &is_verbatim));
    if (text.len == 0 || text.ptr[0] != '$') {
        p = json_skip_space(name + 1, end);
        goto object;
    }
    tag = tag_find(text);
    if (tag == TAG_NONE)
        FAIL(in_bad_tag_key(s, json_skip_space(name + 1, end), text));
    s->leaf = slice_of_str(tag_name(tag));
    SKIP_SPACE();
    if (UNLIKELY(!IS(':')))
        FAIL(in_expected(s, p, "':' must stand behind a key"));
    p++;
    SKIP_SPACE();
    at = (uint32_t)(o - base);
    switch (tag) {
    case TAG_TUPLE:
        if (UNLIKELY(!IS('[')))
            FAIL(in_expected(s, p, "the value of $tuple must be an array"));
        CALL(in_push(s, IN_TUPLE, at, p));
        f = &s->frames[s->depth - 1];
        s->leaf = (struct slice){0};
        p++;
        *o++ = ETF_SMALL_TUPLE_EXT;
        *o++ = 0;
        SKIP_SPACE();
        if (IS(']')) {
            p++;
            goto tag_end;
        }
        goto value;
    case TAG_MAP:
        if (UNLIKELY(!IS('[')))
            FAIL(in_expected(s, p, "the value of $map must be an array of pairs, [[key, value], ...]"));
        CALL(in_push(s, IN_PAIR_KEY, at, p));
        s->leaf = (struct slice){0};
        p++;
        f = &s->frames[s->depth - 1];
        *o = ETF_MAP_EXT;
        be_store32(o + 1, 0);
        o += 5;
        SKIP_SPACE();
        if (IS(']')) {
            p++;
            goto tag_end;
        }
        goto pair;
    case TAG_LIST:
        CALL(in_push(s, IN_LIST, at, p));
        s->leaf = (struct slice){0};
        f = &s->frames[s->depth - 1];
        goto list;
    case TAG_TAIL:
        CALL(in_push(s, IN_TAIL_FIRST, at, p));
        f = &s->frames[s->depth - 1];
        s->leaf = (struct slice){0};
        goto value;
    default:
        CALL_AT(in_take_leaf_tag(s, tag, &q));
        s->leaf = (struct slice){0};
        goto after_value;
    }

pair: /* `[`, and a key as a term */
    SKIP_SPACE();
    f->kind = IN_PAIR_KEY;
    if (UNLIKELY(!IS('[')))
        FAIL(in_expected(s, p, "'[' must stand here: $map is an array of pairs, [[key, value], ...]"));
    p++;
    CALL(in_push_key(s, (uint32_t)(o - base), p));
    goto value;

list: /* `[`, and the first of the elements before a tail */
    if (UNLIKELY(!IS('[')))
        FAIL(in_expected(s, p, "the value of $list must be an array"));
    p++;
    SKIP_SPACE();
    if (IS(']'))
        FAIL(in_fail(s, ERR_MALFORMED, p, "a list with a $tail has at least one element"));
    MAKE_ROOM();
    *o = ETF_LIST_EXT;
    o += 5;
    goto value;
}
