/*
 * JSON to a term. One loop, in which a value, a key and what follows a value are labels, and the position in
 * text and output are locals: that is what makes it fast, and why it is one long function. What is rare
 * stands in functions around it and in transcode_tags.c; they get the positions through the state (LEAVE) and
 * give them back (BACK).
 */
#include "bridge/transcode_in.h"
#include "base/check.h"
#include "base/flt.h"
#include "base/mem.h"
#include "etf/integer.h"
#include "json/scan.h"

enum {
    /* Room in out that the loop makes sure of before each value, and again behind each string. */
    ROOM = 64,
    STRING_EXT_MAX = 65535,
    FEW_KEYS = 16, /* so many are compared each with each */
    ATOM_HEAD = 3,
    BINARY_HEAD = 5,
};

/* Offsets into the text and into out are kept in 32 bits. */
#define IN_TEXT_MAX ((size_t)1 << 30)
#define IN_OUT_MAX  ((size_t)UINT32_MAX - 4096)

static inline void store_be32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}

static inline uint64_t load_word(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* An integer of at most 19 digits in its shortest form; up to 11 bytes. */
static inline uint8_t *put_integer(uint8_t *o, uint64_t v, bool negative)
{
    unsigned n;

    if (v <= UINT8_MAX && (!negative || v == 0)) {
        o[0] = ETF_SMALL_INTEGER_EXT;
        o[1] = (uint8_t)v;
        return o + 2;
    }
    if (v <= (uint64_t)INT32_MAX + negative) {
        o[0] = ETF_INTEGER_EXT;
        store_be32(o + 1, negative ? 0 - (uint32_t)v : (uint32_t)v);
        return o + 5;
    }
    n = 8 - (unsigned)__builtin_clzll(v) / 8;
    o[0] = ETF_SMALL_BIG_EXT;
    o[1] = (uint8_t)n;
    o[2] = negative;
    v = load_word((const uint8_t *)&v);
    memcpy(o + 3, &v, 8);
    return o + 3 + n;
}

static inline uint8_t *put_float(uint8_t *o, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, 8);
    bits = __builtin_bswap64(bits);
    o[0] = ETF_NEW_FLOAT_EXT;
    memcpy(o + 1, &bits, 8);
    return o + 9;
}

/* ---- What grows ---- */

static enum err out_of_room(struct in *s, const uint8_t *at)
{
    return in_fail(s, s->w->err, at,
                   s->w->err == ERR_NOMEM ? "no memory for the term" : "the term is larger than allowed");
}

static bool grow_room(struct in *s)
{
    if (s->w->len > IN_OUT_MAX)
        wr_fail(s->w, ERR_TOO_LARGE);
    return wr_room(s->w, ROOM) != NULL;
}

static enum err grow_frames(struct in *s, const uint8_t *at)
{
    uint32_t cap = s->frame_cap * 2;
    struct in_frame *frames =
        mem_realloc_array(s->frames == s->first_frames ? NULL : s->frames, cap, sizeof *frames);

    if (!frames)
        return in_fail(s, ERR_NOMEM, at, "no memory for so deep a term");
    if (s->frames == s->first_frames)
        memcpy(frames, s->first_frames, sizeof s->first_frames);
    s->frames = frames;
    s->frame_cap = cap;
    return ERR_NONE;
}

static enum err grow_keys(struct in *s, const uint8_t *at)
{
    uint32_t cap = s->key_cap + s->key_cap / 2;
    uint32_t *keys = mem_realloc_array(s->keys == s->first_keys ? NULL : s->keys, cap, sizeof *keys);

    if (!keys)
        return in_fail(s, ERR_NOMEM, at, "no memory for so many keys");
    if (s->keys == s->first_keys)
        memcpy(keys, s->first_keys, sizeof s->first_keys);
    s->keys = keys;
    s->key_cap = cap;
    return ERR_NONE;
}

/* Opens a container whose header will stand at w->len. */
static enum err push(struct in *s, enum in_kind kind, uint32_t at, const uint8_t *json)
{
    enum err e;

    if (s->depth == s->max_depth)
        return in_fail(s, ERR_DEPTH, json, "the term is nested deeper than allowed");
    if (s->depth == s->frame_cap && (e = grow_frames(s, json)) != ERR_NONE)
        return e;
    s->frames[s->depth++] = (struct in_frame){
        .kind = kind, .at = at, .keys = s->key_count, .key = IN_NO_KEY, .json = (uint32_t)(json - s->start)};
    return ERR_NONE;
}

static enum err push_key(struct in *s, uint32_t key, const uint8_t *at)
{
    enum err e;

    if (s->key_count == s->key_cap && (e = grow_keys(s, at)) != ERR_NONE)
        return e;
    s->keys[s->key_count++] = key;
    return ERR_NONE;
}

/* ---- Duplicate keys: while they are few. Of many: transcode_twin.c ---- */

/* Is the newest key, which stands at o - its length, equal to one before? For few keys. skew: where the bytes
 * that differ start: at the length of a binary, so that length and first bytes are compared as one word. */
static inline bool is_repeated(const struct in *s, const struct in_frame *f, const uint8_t *base,
                               uint32_t key, uint32_t len, unsigned skew)
{
    uint64_t mask = len - skew >= 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * (len - skew)) - 1;
    uint64_t word = load_word(base + key + skew) & mask;

    for (const uint32_t *k = s->keys + f->keys, *end = s->keys + s->key_count; k < end; k++) {
        if (UNLIKELY((load_word(base + *k + skew) & mask) == word) && memcmp(base + *k, base + key, len) == 0)
            return true;
    }
    return false;
}

/* ---- Containers at their end ---- */

static bool may_move(struct in *s, size_t bytes)
{
    if (bytes > s->move_budget)
        return false;
    s->move_budget -= bytes;
    return true;
}

static enum err too_much_moving(struct in *s, const uint8_t *at)
{
    return in_fail(s, ERR_TOO_LARGE, at,
                   "too many nested terms of unforeseen form: write $list before $tail, and smaller tuples");
}

/* A list of bytes that stands as LIST_EXT of SMALL_INTEGER_EXT, without its tail, from at on: as STRING_EXT.
 * An element that starts with that tag ends after two bytes, so looking at each second byte is enough. */
static inline uint8_t *pack_string(uint8_t *at, uint8_t *o, uint32_t count)
{
    uint8_t *elements = at + 5;

    if ((size_t)(o - elements) != 2 * (size_t)count || count > STRING_EXT_MAX)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (elements[2 * (size_t)i] != ETF_SMALL_INTEGER_EXT)
            return NULL;
    }
    at[0] = ETF_STRING_EXT;
    at[1] = (uint8_t)(count >> 8);
    at[2] = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++)
        at[3 + i] = elements[2 * (size_t)i + 1];
    return at + 3 + count;
}

/* The header of a tuple was made for few elements; now their number is known. */
static enum err close_tuple(struct in *s, struct in_frame *f, uint32_t count, const uint8_t *at)
{
    size_t len = s->w->len - f->at - 2;
    uint8_t *p;

    if (count <= UINT8_MAX) {
        s->w->buf[f->at + 1] = (uint8_t)count;
        return ERR_NONE;
    }
    if (count >= 1u << 24) {
        s->uses |= ETF_USES_HUGE_TUPLE;
        return in_fail(s, ERR_PEER_UNSUPPORTED, at, "a tuple has at most 2^24 - 1 elements");
    }
    if (!may_move(s, len))
        return too_much_moving(s, at);
    if (!wr_room(s->w, 3))
        return out_of_room(s, at);
    p = s->w->buf + f->at;
    memmove(p + 5, p + 2, len);
    p[0] = ETF_LARGE_TUPLE_EXT;
    store_be32(p + 1, count);
    s->w->len += 3;
    return ERR_NONE;
}

/* A list whose tail was written first, up to f->key: the two change places. */
static enum err swap_tail(struct in *s, struct in_frame *f, const uint8_t *at)
{
    uint8_t *p = s->w->buf + f->at;
    size_t tail = f->key - f->at, list = s->w->len - f->key;

    if (!may_move(s, tail + list))
        return too_much_moving(s, at);
    wr_reset(&s->scratch);
    wr_bytes(&s->scratch, tail < list ? p : p + tail, tail < list ? tail : list);
    if (!wr_ok(&s->scratch))
        return in_fail(s, s->scratch.err, at, "no memory for the tail of a list");
    if (tail < list) {
        memmove(p, p + tail, list);
        memcpy(p + list, s->scratch.buf, tail);
    } else {
        memmove(p + list, p, tail);
        memcpy(p, s->scratch.buf, list);
    }
    return ERR_NONE;
}

/* ---- Small things that the loop leaves for ---- */

static enum err expected(struct in *s, const uint8_t *at, const char *text)
{
    if (at == s->end)
        return in_fail(s, ERR_MORE, at, "the text ends before the value does");
    return in_fail(s, ERR_MALFORMED, at, text);
}

static enum err bad_value(struct in *s, const uint8_t *p)
{
    return expected(s, p,
                    "a value must stand here: it starts with { [ \" - or a digit, or is true, false or null");
}

static enum err bad_string(struct in *s, const uint8_t *p)
{
    return in_fail(s, p == s->end ? ERR_MORE : ERR_MALFORMED, p, json_string_complaint(p, s->end));
}

static enum err bad_tag_key(struct in *s, const uint8_t *at, struct slice name)
{
    s->leaf = name;
    if (tag_find(name) != TAG_NONE)
        return in_fail(s, ERR_MALFORMED, at,
                       "a tag stands alone in its object; a plain key that starts with '$' is written as "
                       "{\"$map\": [[key, value], ...]}, or with ?tags=off");
    return in_fail(
        s, ERR_MALFORMED, at,
        "no such tag; a plain key that starts with '$' is written as {\"$map\": [[key, value], ...]}, or "
        "with ?tags=off");
}

/* The null atom, and keys that become atoms, from text. */
static enum err write_atom(struct in *s, struct slice text, bool is_told, const uint8_t *at)
{
    uint8_t *p = wr_room(s->w, text.len + ATOM_HEAD + ROOM);
    enum err e = ERR_NONE;

    if (!p)
        return out_of_room(s, at);
    if (is_told && s->options->on_atom)
        e = s->options->on_atom(s->options->ctx, (struct etf_atom){.text = text});
    if (e != ERR_NONE)
        return in_fail(s, e, at, err_text(e));
    if (text.len <= UINT8_MAX) {
        *p++ = ETF_SMALL_ATOM_UTF8_EXT;
    } else {
        *p++ = ETF_ATOM_UTF8_EXT;
        *p++ = (uint8_t)(text.len >> 8);
    }
    *p++ = (uint8_t)text.len;
    memmove(p, text.ptr, text.len);
    s->w->len = (size_t)(p + text.len - s->w->buf);
    return ERR_NONE;
}

/* A key of which the text stands at w->buf + key + BINARY_HEAD, up to w->len: as an atom. */
static enum err key_to_atom(struct in *s, uint32_t key, const uint8_t *at)
{
    struct slice text = slice_of(s->w->buf + key + BINARY_HEAD, s->w->len - key - BINARY_HEAD);
    uint8_t copy[ETF_ATOM_MAX_BYTES];

    if (text.len > ETF_ATOM_MAX_BYTES || utf8_count(text) > ETF_ATOM_MAX_CHARS)
        return in_fail(s, ERR_MALFORMED, at, "with keys=atom a key has at most 255 characters");
    memcpy(copy, text.ptr, text.len);
    s->w->len = key;
    return write_atom(s, slice_of(copy, text.len), true, at);
}

/* The string at p, behind its quote, as text: borrowed where it has no escapes, else from s->text. */
static enum err take_text(struct in *s, const uint8_t **pp, struct slice *ret, bool *ret_is_verbatim)
{
    const uint8_t *p = *pp;
    enum json_copied done = JSON_COPY_ROOM;
    size_t size = 0;

    wr_reset(&s->text);
    while (done == JSON_COPY_ROOM) {
        uint8_t *room = wr_room(&s->text, JSON_ROOM), *o = room;

        if (!room)
            return in_fail(s, s->text.err, p, "no memory for a string");
        done = json_copy_string(&p, s->end, &o, s->text.buf + s->text.cap);
        s->text.len += (size_t)(o - room);
    }
    if (done == JSON_COPY_BAD)
        return bad_string(s, p);
    size = (size_t)(p - *pp) - 1;
    *ret_is_verbatim = size == s->text.len;
    *ret = *ret_is_verbatim ? slice_of(*pp, size) : wr_written(&s->text);
    *pp = p;
    return ERR_NONE;
}

/* `: value }` of a tag whose value is no term of its own. p is behind the tag's name. */
static enum err take_leaf_tag(struct in *s, enum tag t, const uint8_t **pp)
{
    const uint8_t *p = *pp, *value = p;
    struct slice text;
    bool is_verbatim;
    enum err e;

    if (t == TAG_FLOAT) {
        e = tag_write_float(s, &p);
    } else if (t == TAG_BITSTRING) {
        e = p == s->end ? expected(s, p, "") : tag_write_bitstring(s, &p);
    } else {
        if (p == s->end || *p != '"')
            return expected(s, p, "the value of this tag must be a string");
        p++;
        e = take_text(s, &p, &text, &is_verbatim);
        if (e == ERR_NONE)
            e = tag_write_text(s, t, text, value, is_verbatim);
    }
    if (e != ERR_NONE)
        return e;
    p = json_skip_space(p, s->end);
    if (p == s->end || *p != '}')
        return expected(s, p, "'}' must stand here: a tag is the one key of its object");
    *pp = p + 1;
    return ERR_NONE;
}

/* The second key of a list with a tail, with its colon: `, "$tail":`. */
static enum err take_second_key(struct in *s, const uint8_t **pp, enum tag want)
{
    const uint8_t *p = json_skip_space(*pp, s->end), *at;
    struct slice name;
    bool is_verbatim;
    enum err e;

    if (p == s->end || *p != ',')
        return expected(s, p, "$list and $tail go together: an improper list has both");
    at = p = json_skip_space(p + 1, s->end);
    if (p == s->end || *p != '"')
        return expected(s, p, "a key, in quotes, must stand here");
    p++;
    e = take_text(s, &p, &name, &is_verbatim);
    if (e != ERR_NONE)
        return e;
    if (tag_find(name) != want)
        return in_fail(s, ERR_MALFORMED, at,
                       "$list and $tail go together: an improper list has both and no other key");
    p = json_skip_space(p, s->end);
    if (p == s->end || *p != ':')
        return expected(s, p, "':' must stand behind a key");
    *pp = json_skip_space(p + 1, s->end);
    return ERR_NONE;
}

/* ---- The loop ---- */

/* The positions into the state, before a call that may use them, and back. */
#define LEAVE() (s->w->len = (size_t)(o - base))
#define BACK()  (base = s->w->buf, o = base + s->w->len, o_end = base + s->w->cap)
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
#define MAKE_ROOM()                       \
    do {                                  \
        if (UNLIKELY(o_end - o < ROOM)) { \
            LEAVE();                      \
            if (!grow_room(s))            \
                return out_of_room(s, p); \
            BACK();                       \
        }                                 \
    } while (0)
#define SKIP_SPACE()                         \
    do {                                     \
        if (UNLIKELY(p == end || *p <= ' ')) \
            p = json_skip_space(p, end);     \
    } while (0)
#define IS(c) (LIKELY(p < end) && *p == (c))

static enum err run(struct in *s)
{
    const uint8_t *p = s->start, *const end = s->end, *name;
    uint8_t *base = s->w->buf, *o = base + s->w->len, *o_end = base + s->w->cap;
    const bool reads_tags = !s->options->tags_off, has_atom_keys = s->options->keys_as_atoms;
    struct in_frame *f;
    enum json_copied done;
    struct slice text;
    bool is_verbatim;
    enum tag tag;
    uint32_t at;
    enum err e;

value:
    SKIP_SPACE();
    MAKE_ROOM();
    if (UNLIKELY(p == end))
        FAIL(bad_value(s, p));
    switch (*p) {
    case '"':
        at = (uint32_t)(o - base);
        o += BINARY_HEAD;
        p++;
        while (UNLIKELY((done = json_copy_string(&p, end, &o, o_end)) != JSON_COPIED)) {
            if (done == JSON_COPY_BAD)
                FAIL(bad_string(s, p));
            MAKE_ROOM();
        }
        base[at] = ETF_BINARY_EXT;
        store_be32(base + at + 1, (uint32_t)(o - base) - at - BINARY_HEAD);
        goto after_value;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': {
        struct json_number n;
        const uint8_t *bad, *first = p;
        double v;
        bool fits;

        p = json_scan_number(p, end, &n, &bad);
        if (UNLIKELY(!p))
            FAIL(expected(s, bad, "a digit must stand here"));
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
    case '{':
        name = p++;
        SKIP_SPACE();
        if (UNLIKELY(end - p >= 2 && reads_tags && *p == '"' && (p[1] == '$' || p[1] == '\\')))
            goto maybe_tag;
    object:
        at = (uint32_t)(o - base);
        LEAVE();
        if (UNLIKELY((e = push(s, IN_OBJECT, at, name)) != ERR_NONE))
            return e;
        base[at] = ETF_MAP_EXT;
        o += 5;
        f = &s->frames[s->depth - 1];
        if (IS('}')) {
            p++;
            store_be32(base + at + 1, 0);
            s->depth--;
            goto after_value;
        }
        goto key;
    case '[':
        LEAVE();
        if (UNLIKELY((e = push(s, IN_ARRAY, (uint32_t)(o - base), p)) != ERR_NONE))
            return e;
        p++;
        SKIP_SPACE();
        if (IS(']')) {
            p++;
            s->depth--;
            *o++ = ETF_NIL_EXT;
            goto after_value;
        }
        *o = ETF_LIST_EXT;
        o += 5;
        goto value;
    case 't':
        if (UNLIKELY(end - p < 4 || memcmp(p, "true", 4) != 0))
            FAIL(bad_value(s, p));
        memcpy(o, "\x77\x04true", 6);
        o += 6;
        p += 4;
        goto after_value;
    case 'f':
        if (UNLIKELY(end - p < 5 || memcmp(p, "false", 5) != 0))
            FAIL(bad_value(s, p));
        memcpy(o,
               "\x77\x05"
               "false",
               7);
        o += 7;
        p += 5;
        goto after_value;
    case 'n':
        if (UNLIKELY(end - p < 4 || memcmp(p, "null", 4) != 0))
            FAIL(bad_value(s, p));
        if (LIKELY(s->options->null_atom.len == 0)) {
            memcpy(o, "\x77\x04null", 6);
            o += 6;
        } else {
            CALL(write_atom(s, s->options->null_atom, false, p));
        }
        p += 4;
        goto after_value;
    default: FAIL(bad_value(s, p));
    }

key:
    f->key = IN_NO_KEY;
    if (UNLIKELY(!IS('"')))
        FAIL(expected(s, p, "a key, in quotes, must stand here"));
    at = (uint32_t)(o - base);
    name = p++;
    MAKE_ROOM();
    o += BINARY_HEAD;
    while (UNLIKELY((done = json_copy_string(&p, end, &o, o_end)) != JSON_COPIED)) {
        if (done == JSON_COPY_BAD)
            FAIL(bad_string(s, p));
        MAKE_ROOM();
    }
    MAKE_ROOM();
    if (UNLIKELY(base[at + BINARY_HEAD] == '$' && reads_tags && o - base > at + BINARY_HEAD))
        FAIL(bad_tag_key(s, name, slice_of(base + at + BINARY_HEAD, (size_t)(o - base) - at - BINARY_HEAD)));
    base[at] = ETF_BINARY_EXT;
    store_be32(base + at + 1, (uint32_t)(o - base) - at - BINARY_HEAD);
    f->key = at;
    if (has_atom_keys)
        CALL(key_to_atom(s, at, name));
    if (s->key_count - f->keys < FEW_KEYS &&
        UNLIKELY(is_repeated(s, f, base, at, (uint32_t)(o - base) - at, !has_atom_keys)))
        FAIL(in_fail(s, ERR_DUPLICATE_KEY, name, "a key stands twice in this map"));
    if (UNLIKELY(s->key_count == s->key_cap))
        CALL(grow_keys(s, name));
    s->keys[s->key_count++] = at;
    SKIP_SPACE();
    if (UNLIKELY(!IS(':')))
        FAIL(expected(s, p, "':' must stand behind a key"));
    p++;
    goto value;

after_value:
    if (UNLIKELY(s->depth == 0)) {
        SKIP_SPACE();
        LEAVE();
        return p == end ? ERR_NONE : in_fail(s, ERR_MALFORMED, p, "something stands behind the value");
    }
    f = &s->frames[s->depth - 1];
    SKIP_SPACE();
    switch (f->kind) {
    case IN_OBJECT:
        if (IS(',')) {
            p++;
            SKIP_SPACE();
            goto key;
        }
        if (UNLIKELY(!IS('}')))
            FAIL(expected(s, p, "',' or '}' must stand here"));
        p++;
        if (UNLIKELY(s->key_count - f->keys > FEW_KEYS))
            CALL(twin_check(s));
        store_be32(base + f->at + 1, s->key_count - f->keys);
        s->key_count = f->keys;
        break;
    case IN_ARRAY:
        if (IS(',')) {
            f->count++;
            p++;
            goto value;
        }
        if (UNLIKELY(!IS(']')))
            FAIL(expected(s, p, "',' or ']' must stand here"));
        p++;
        MAKE_ROOM();
        name = pack_string(base + f->at, o, f->count + 1);
        if (name) {
            o = base + (name - base);
            break;
        }
        store_be32(base + f->at + 1, f->count + 1);
        *o++ = ETF_NIL_EXT;
        break;
    case IN_TUPLE:
        if (IS(',')) {
            f->count++;
            p++;
            goto value;
        }
        if (UNLIKELY(!IS(']')))
            FAIL(expected(s, p, "',' or ']' must stand here"));
        p++;
        CALL(close_tuple(s, f, f->count + 1, p));
        goto tag_end;
    case IN_PAIR_KEY:
        if (UNLIKELY(!IS(',')))
            FAIL(expected(s, p, "',' must stand here: $map is an array of pairs, [[key, value], ...]"));
        p++;
        CALL(push_key(s, (uint32_t)(o - base), p));
        f->kind = IN_PAIR_VALUE;
        goto value;
    case IN_PAIR_VALUE:
        if (UNLIKELY(!IS(']')))
            FAIL(expected(s, p, "']' must stand here: $map is an array of pairs, [[key, value], ...]"));
        p++;
        SKIP_SPACE();
        if (IS(',')) {
            p++;
            f->count++;
            goto pair;
        }
        if (UNLIKELY(!IS(']')))
            FAIL(expected(s, p, "',' or ']' must stand here"));
        p++;
        CALL(twin_check(s));
        store_be32(base + f->at + 1, f->count + 1);
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
            FAIL(expected(s, p, "',' or ']' must stand here"));
        p++;
        if (f->kind == IN_LIST_SECOND) {
            store_be32(base + f->key + 1, f->count + 1);
            CALL(swap_tail(s, f, p));
            goto tag_end;
        }
        store_be32(base + f->at + 1, f->count + 1);
        f->kind = IN_TAIL;
        CALL_AT(take_second_key(s, &q, TAG_TAIL));
        goto value;
    case IN_TAIL: goto tag_end;
    case IN_TAIL_FIRST:
        CALL_AT(take_second_key(s, &q, TAG_LIST));
        f->kind = IN_LIST_SECOND;
        f->key = (uint32_t)(o - base);
        goto list;
    }
    s->depth--;
    goto after_value;

tag_end: /* behind the value of a tag that has a frame */
    SKIP_SPACE();
    s->depth--;
    if (UNLIKELY(!IS('}')))
        FAIL(expected(s, p, "'}' must stand here: a tag stands alone in its object"));
    p++;
    goto after_value;

maybe_tag: /* an object, begun at name, whose first key is at p and may start with '$' */
    p++;
    CALL_AT(take_text(s, &q, &text, &is_verbatim));
    if (text.len == 0 || text.ptr[0] != '$') {
        p = json_skip_space(name + 1, end);
        goto object;
    }
    tag = tag_find(text);
    if (tag == TAG_NONE)
        FAIL(bad_tag_key(s, json_skip_space(name + 1, end), text));
    s->leaf = slice_of_str(tag_name(tag));
    SKIP_SPACE();
    if (UNLIKELY(!IS(':')))
        FAIL(expected(s, p, "':' must stand behind a key"));
    p++;
    SKIP_SPACE();
    at = (uint32_t)(o - base);
    switch (tag) {
    case TAG_TUPLE:
        if (UNLIKELY(!IS('[')))
            FAIL(expected(s, p, "the value of $tuple must be an array"));
        CALL(push(s, IN_TUPLE, at, p));
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
            FAIL(expected(s, p, "the value of $map must be an array of pairs, [[key, value], ...]"));
        CALL(push(s, IN_PAIR_KEY, at, p));
        s->leaf = (struct slice){0};
        p++;
        f = &s->frames[s->depth - 1];
        *o = ETF_MAP_EXT;
        store_be32(o + 1, 0);
        o += 5;
        SKIP_SPACE();
        if (IS(']')) {
            p++;
            goto tag_end;
        }
        goto pair;
    case TAG_LIST:
        CALL(push(s, IN_LIST, at, p));
        s->leaf = (struct slice){0};
        f = &s->frames[s->depth - 1];
        goto list;
    case TAG_TAIL:
        CALL(push(s, IN_TAIL_FIRST, at, p));
        s->leaf = (struct slice){0};
        goto value;
    default:
        CALL_AT(take_leaf_tag(s, tag, &q));
        s->leaf = (struct slice){0};
        goto after_value;
    }

pair: /* `[`, and a key as a term */
    SKIP_SPACE();
    f->kind = IN_PAIR_KEY;
    if (UNLIKELY(!IS('[')))
        FAIL(expected(s, p, "'[' must stand here: $map is an array of pairs, [[key, value], ...]"));
    p++;
    CALL(push_key(s, (uint32_t)(o - base), p));
    goto value;

list: /* `[`, and the first of the elements before a tail */
    if (UNLIKELY(!IS('[')))
        FAIL(expected(s, p, "the value of $list must be an array"));
    p++;
    SKIP_SPACE();
    if (IS(']'))
        FAIL(in_fail(s, ERR_MALFORMED, p, "a list with a $tail has at least one element"));
    MAKE_ROOM();
    *o = ETF_LIST_EXT;
    o += 5;
    goto value;
}

/* ---- Around it ---- */

static void init(struct in *s, struct slice json, const struct transcode_options *o, struct wr *out,
                 struct transcode_fault *f)
{
    s->options = o;
    s->start = json.ptr;
    s->end = slice_end(json);
    s->w = out;
    s->frames = s->first_frames;
    s->depth = 0;
    s->frame_cap = IN_FIRST_FRAMES;
    s->max_depth = o->max_depth ? o->max_depth : TRANSCODE_DEFAULT_MAX_DEPTH;
    s->keys = s->first_keys;
    s->key_count = 0;
    s->key_cap = IN_FIRST_KEYS;
    wr_init(&s->text, SIZE_MAX);
    wr_init(&s->scratch, SIZE_MAX);
    wr_init(&s->inflated, SIZE_MAX);
    s->leaf = (struct slice){0};
    s->move_budget = 64 * (uint64_t)json.len + 65536;
    s->key_budget = 8 * (uint64_t)json.len + 65536;
    s->uses = 0;
    s->max_digits = o->max_digits ? o->max_digits : ETF_DEFAULT_MAX_DIGITS;
    s->fault = f;
}

static void fini(struct in *s)
{
    if (s->frames != s->first_frames)
        mem_free(s->frames);
    if (s->keys != s->first_keys)
        mem_free(s->keys);
    wr_fini(&s->text);
    wr_fini(&s->scratch);
    wr_fini(&s->inflated);
}

enum err transcode_json_to_etf(struct slice json, const struct transcode_options *options, struct wr *out,
                               uint32_t *ret_uses, struct transcode_fault *f)
{
    size_t ceiling = out->ceiling, estimate;
    struct in s;
    enum err e;

    init(&s, json, options, out, f);
    /* Terms are about as long as their text; the loop's own room must not count against the ceiling. */
    estimate = json.len + json.len / 8 + ROOM;
    out->ceiling = ceiling < SIZE_MAX - 2 * ROOM ? ceiling + 2 * ROOM : SIZE_MAX;
    if (json.len > IN_TEXT_MAX)
        e = in_fail(&s, ERR_TOO_LARGE, json.ptr, "the text is longer than 1 GiB");
    else if (!wr_room(out, estimate < out->ceiling - out->len ? estimate : ROOM))
        e = out_of_room(&s, s.start);
    else
        e = run(&s);
    out->ceiling = ceiling;
    if (e == ERR_NONE && out->len > ceiling) {
        wr_fail(out, ERR_TOO_LARGE);
        e = out_of_room(&s, s.end);
    }
    if (e == ERR_NONE && ret_uses)
        *ret_uses = s.uses;
    fini(&s);
    return e;
}
