#include "etf/validate.h"

#include "base/check.h"
#include "base/utf8.h"
#include "etf/canon.h"
#include "etf/keys.h"
#include "etf/stack.h"
#include "etf/wire.h"
#include "etf/write.h"

enum {
    INLINE_FRAMES = 32,
    FIRST_TWIN_CHECK =
        4096, /* keys; then at each doubling: a map of equal keys may not cost an index of them all */
    OLD_CREATION_MAX = 3,         /* two bits in the old tags */
    OLD_REF_FIRST_WORD_BITS = 18, /* of a reference's first word */
    PID_ID_BITS = 28,             /* OTP's own pids, since 26 */
    PORT_ID_BITS = 60,
    PRE_V4_PID_ID_BITS = 15,
    PRE_V4_PID_SERIAL_BITS = 13,
    PRE_V4_PORT_ID_BITS = 28,
    FUN_MAX_VARS = 255,
    SMALL_BITS = 59,   /* of the magnitude of what OTP keeps in one word */
    PID_IMMEDIATE = 3, /* the low bits of a pid's immediate term */
    PID_IMMEDIATE_MASK = 15,
};

struct frame {
    enum { FRAME_PLAIN, FRAME_MAP, FRAME_FUN } kind;
    uint32_t scratch;  /* FRAME_MAP: scratch's length before its keys */
    uint64_t left;     /* parts that are not complete */
    size_t keys;       /* FRAME_MAP: the first of its keys on the stack of keys */
    size_t next_check; /* FRAME_MAP: the number of keys at which they are compared early */
    size_t at;         /* FRAME_MAP: where the key at hand starts; FRAME_FUN: where it must end */
};

/* Made and ended in `validate`. A map's keys are gathered for the outermost map only: a map inside a key is
 * looked through when that key is put into canonical form. */
struct validation {
    struct rd r;
    const struct etf_atoms *atoms;
    const struct etf_rules *rules;
    struct fault *fault; /* never NULL */
    uint32_t uses;
    bool in_key; /* of a map whose keys are gathered */
    bool is_odd; /* something in the present key is not in canonical form */
    bool is_cut; /* the input is longer, but may not be used further than here */
    size_t depth, cap, max_depth;
    struct frame *frames; /* first or owned */
    struct etf_keys keys;
    struct wr scratch; /* keys in canonical form */
    struct frame first[INLINE_FRAMES];
};

static enum err fail(struct validation *v, enum err e, size_t at, const char *text)
{
    return fault_set(v->fault, e, at, text);
}

/* The cursor has failed while reading the term at `at`; what a reader of wire.h calls malformed has this
 * text. */
static enum err fail_read(struct validation *v, size_t at, const char *text)
{
    if (v->r.err != ERR_MORE)
        return fail(v, v->r.err, at, text);
    if (v->is_cut)
        return fail(v, ERR_TOO_LARGE, at, "the term is larger than allowed");
    return fail(v, ERR_MORE, at, "the input ends inside this term");
}

static const char *const use_texts[] = {
    "this peer cannot take ports of 64 bits",
    "this peer cannot take references of more than three words",
    "this peer cannot take pids of that size",
    "this peer cannot take native records",
    "an external fun of an arity over 255",
    "a term in a node's local form",
    "a fun in the form that OTP 23 gave up",
    "a reference to an atom cache",
    "an integer of more than 524,280 bytes",
    "a tuple of 2^24 elements or more",
    "a compressed term",
    "an id that no node gives out",
    "this peer cannot take a creation of 0",
};

static enum err use(struct validation *v, uint32_t bit, size_t at)
{
    v->uses |= bit;
    if (v->rules->refuse & bit)
        return fail(v, ERR_PEER_UNSUPPORTED, at, use_texts[__builtin_ctz(bit)]);
    return ERR_NONE;
}

#define TRY(expr)                          \
    do {                                   \
        enum err try_err = (expr);         \
        if (UNLIKELY(try_err != ERR_NONE)) \
            return try_err;                \
    } while (0)

static enum err atom_text(struct validation *v, struct etf_atom a, size_t at)
{
    if (!a.is_latin1) {
        if (UNLIKELY(!utf8_is_valid(a.text)))
            return fail(v, ERR_MALFORMED, at, "an atom that is not UTF-8");
        if (UNLIKELY(a.text.len > ETF_ATOM_MAX_CHARS) && utf8_count(a.text) > ETF_ATOM_MAX_CHARS)
            return fail(v, ERR_MALFORMED, at, "an atom of more than 255 characters");
    }
    if (v->rules->on_atom) {
        enum err e = v->rules->on_atom(v->rules->ctx, a);

        if (e != ERR_NONE)
            return fail(v, e, at, "this atom is not allowed");
    }
    return ERR_NONE;
}

/* What nearly every atom is: short, and ASCII. False: not this, or not so simple; nothing has moved then. */
static inline bool simple_atom(struct validation *v)
{
    const uint8_t *p = v->r.pos;
    uint64_t word, high = 0;
    size_t n, i;

    if (UNLIKELY(rd_left(&v->r) < 1 || rd_left(&v->r) - 1 < p[0] || v->rules->on_atom))
        return false;
    n = *p++;
    for (i = 0; i + 8 <= n; i += 8) {
        memcpy(&word, p + i, 8);
        high |= word;
    }
    for (; i < n; i++)
        high |= p[i];
    if (UNLIKELY(high & 0x8080808080808080u))
        return false;
    v->r.pos = p + n;
    return true;
}

static enum err atom(struct validation *v, uint8_t tag, size_t at)
{
    struct etf_atom a;

    if (tag == ETF_ATOM_CACHE_REF)
        TRY(use(v, ETF_USES_CACHE_REF, at));
    a = etf_wire_atom(&v->r, tag, v->atoms);
    if (UNLIKELY(!rd_ok(&v->r))) {
        return fail_read(v, at,
                         tag == ETF_ATOM_CACHE_REF ? "no such atom in the message's header"
                         : etf_tag_is_atom(tag)    ? "an atom of more than 255 characters"
                                                   : "expected an atom");
    }
    if (tag != ETF_SMALL_ATOM_UTF8_EXT)
        v->is_odd |= tag != ETF_ATOM_UTF8_EXT || a.text.len <= UINT8_MAX;
    return atom_text(v, a, at);
}

static enum err part_atom(struct validation *v)
{
    size_t at = rd_offset(&v->r);

    return atom(v, rd_u8(&v->r), at);
}

static enum err creation(struct validation *v, uint32_t creation, bool is_old_tag, size_t at)
{
    v->is_odd |= is_old_tag;
    if (is_old_tag && creation > OLD_CREATION_MAX)
        return fail(v, ERR_MALFORMED, at, "a creation of more than two bits");
    return creation ? ERR_NONE : use(v, ETF_USES_ZERO_CREATION, at);
}

static enum err pid(struct validation *v, uint8_t tag, size_t at)
{
    bool is_old = tag == ETF_PID_EXT;
    uint32_t id, serial, c;

    TRY(part_atom(v));
    id = rd_be32(&v->r);
    serial = rd_be32(&v->r);
    c = is_old ? rd_u8(&v->r) : rd_be32(&v->r);
    if (!rd_ok(&v->r))
        return fail_read(v, at, "");
    if (id >> PRE_V4_PID_ID_BITS || serial >> PRE_V4_PID_SERIAL_BITS)
        TRY(use(v, ETF_USES_BIG_PID, at));
    if (id >> PID_ID_BITS)
        TRY(use(v, ETF_USES_ODD_ID, at));
    return creation(v, c, is_old, at);
}

static enum err port(struct validation *v, uint8_t tag, size_t at)
{
    uint64_t id;
    uint32_t c;

    TRY(part_atom(v));
    id = tag == ETF_V4_PORT_EXT ? rd_be64(&v->r) : rd_be32(&v->r);
    c = tag == ETF_PORT_EXT ? rd_u8(&v->r) : rd_be32(&v->r);
    if (!rd_ok(&v->r))
        return fail_read(v, at, "");
    v->is_odd |= (tag == ETF_V4_PORT_EXT) != (id >> PRE_V4_PORT_ID_BITS != 0);
    if (tag == ETF_V4_PORT_EXT || id >> PRE_V4_PORT_ID_BITS)
        TRY(use(v, ETF_USES_V4_PORT, at));
    if (id >> PORT_ID_BITS)
        TRY(use(v, ETF_USES_ODD_ID, at));
    return creation(v, c, tag == ETF_PORT_EXT, at);
}

static enum err reference(struct validation *v, uint8_t tag, size_t at)
{
    struct etf_ref ref = {.count = 1};
    bool is_old = tag != ETF_NEWER_REFERENCE_EXT;

    if (tag != ETF_REFERENCE_EXT)
        ref.count = rd_be16(&v->r);
    if (rd_ok(&v->r) && (ref.count == 0 || ref.count > ETF_REF_MAX_WORDS))
        return fail(v, ERR_MALFORMED, at, "a reference has 1 to 5 words");
    TRY(part_atom(v));
    if (tag != ETF_REFERENCE_EXT)
        ref.creation = is_old ? rd_u8(&v->r) : rd_be32(&v->r);
    for (uint32_t i = 0; i < ref.count; i++)
        ref.words[i] = rd_be32(&v->r);
    if (tag == ETF_REFERENCE_EXT)
        ref.creation = rd_u8(&v->r);
    if (!rd_ok(&v->r))
        return fail_read(v, at, "");
    if (ref.count > 3)
        TRY(use(v, ETF_USES_LONG_REF, at));
    if (ref.words[0] >> OLD_REF_FIRST_WORD_BITS) {
        if (is_old)
            return fail(v, ERR_MALFORMED, at, "the first word of a reference has 18 bits");
        TRY(use(v, ETF_USES_ODD_ID, at));
    }
    if (etf_ref_has_pid(&ref) && (ref.words[3] & PID_IMMEDIATE_MASK) != PID_IMMEDIATE)
        TRY(use(v, ETF_USES_ODD_ID, at));
    v->is_odd |= ref.count > 3 || ref.words[ref.count - 1] == 0;
    return creation(v, ref.creation, is_old, at);
}

static enum err big(struct validation *v, uint8_t tag, size_t at)
{
    bool negative;
    struct slice m = etf_wire_big(&v->r, tag, &negative);

    if (!rd_ok(&v->r))
        return fail_read(v, at, "");
    /* The sign byte of a canonical one is 0 or 1, and nothing shorter would do. */
    v->is_odd |= m.len <= 4 || m.ptr[m.len - 1] == 0 || m.ptr[-1] > 1 ||
                 (tag == ETF_LARGE_BIG_EXT && m.len <= UINT8_MAX);
    return m.len > ETF_BIG_MAX_BYTES ? use(v, ETF_USES_HUGE_INTEGER, at) : ERR_NONE;
}

/* An integer as a part of another term: OTP wants those to fit into one word of its own. */
static enum err part_small(struct validation *v, int64_t *ret)
{
    size_t at = rd_offset(&v->r);
    struct etf_rd t = {.rd = v->r};
    enum etf_kind kind = etf_peek(&t);

    if (kind == ETF_KIND_NONE)
        return rd_left(&v->r) ? fail(v, ERR_MALFORMED, at, "expected an integer")
                              : (rd_fail(&v->r, ERR_MORE), fail_read(v, at, ""));
    if (kind != ETF_KIND_INTEGER)
        return fail(v, ERR_MALFORMED, at, "expected an integer");
    v->is_odd |= *v->r.pos != ETF_SMALL_INTEGER_EXT;
    if (!etf_read_int64(&t, ret)) {
        if (!etf_skip(&t, NULL)) {
            rd_fail(&v->r, ERR_MORE);
            return fail_read(v, at, "");
        }
        return fail(v, ERR_MALFORMED, at, "expected an integer of less than 60 bits");
    }
    if (*ret >= INT64_C(1) << SMALL_BITS || *ret < -(INT64_C(1) << SMALL_BITS))
        return fail(v, ERR_MALFORMED, at, "expected an integer of less than 60 bits");
    v->r = t.rd;
    return ERR_NONE;
}

static enum err external_fun(struct validation *v, size_t at)
{
    size_t arity_at;
    int64_t arity;

    TRY(part_atom(v));
    TRY(part_atom(v));
    arity_at = rd_offset(&v->r);
    TRY(part_small(v, &arity));
    if (arity < 0)
        return fail(v, ERR_MALFORMED, arity_at, "a negative arity");
    return arity > UINT8_MAX ? use(v, ETF_USES_WIDE_EXPORT, at) : ERR_NONE;
}

static enum err push(struct validation *v, int kind, uint64_t parts, size_t at)
{
    struct frame *f;

    if (UNLIKELY(v->depth >= v->max_depth))
        return fail(v, ERR_DEPTH, at, "nested deeper than allowed");
    if (UNLIKELY(v->depth == v->cap)) {
        f = etf_stack_grow(v->frames, v->first, &v->cap, sizeof *f);
        if (!f)
            return fail(v, ERR_NOMEM, at, "");
        v->frames = f;
    }
    f = &v->frames[v->depth++];
    f->kind = kind;
    f->left = parts;
    return ERR_NONE;
}

/* Each part needs a byte of its own: a header that promises more than can come is found out before the parts
 * are. */
static enum err promise(struct validation *v, uint64_t parts, size_t at)
{
    if (UNLIKELY(!rd_ok(&v->r) || parts > rd_left(&v->r))) {
        rd_fail(&v->r, ERR_MORE);
        return fail_read(v, at, "");
    }
    return ERR_NONE;
}

static enum err container(struct validation *v, uint64_t parts, size_t at)
{
    TRY(promise(v, parts, at));
    return parts ? push(v, FRAME_PLAIN, parts, at) : ERR_NONE;
}

static void key_begin(struct validation *v, struct frame *f)
{
    f->at = rd_offset(&v->r);
    v->in_key = true;
    v->is_odd = false;
}

static enum err map(struct validation *v, size_t at)
{
    uint64_t parts = (uint64_t)rd_be32(&v->r) * 2;
    struct frame *f;

    v->is_odd = true; /* the order of its pairs is not part of a map */
    if (parts == 0 || v->in_key || v->rules->trusts_keys)
        return container(v, parts, at);
    TRY(promise(v, parts, at));
    TRY(push(v, FRAME_MAP, parts, at));
    f = &v->frames[v->depth - 1];
    f->keys = v->keys.count;
    f->next_check = FIRST_TWIN_CHECK;
    f->scratch = (uint32_t)v->scratch.len;
    key_begin(v, f);
    return ERR_NONE;
}

static enum err list(struct validation *v, size_t at)
{
    uint32_t n = rd_be32(&v->r);

    v->is_odd = true; /* it may have to be a STRING_EXT, or to be joined with its tail */
    TRY(promise(v, (uint64_t)n + 1, at));
    if (n == 0 && *v->r.pos != ETF_NIL_EXT)
        return fail(v, ERR_MALFORMED, at, "a list without elements has a tail");
    return push(v, FRAME_PLAIN, (uint64_t)n + 1, at);
}

static enum err closure(struct validation *v, size_t at)
{
    size_t size = rd_be32(&v->r), pid_at;
    uint32_t vars;
    uint8_t tag;

    rd_skip(&v->r, 1 + ETF_FUN_UNIQ_LEN + 4); /* arity, uniq, index */
    vars = rd_be32(&v->r);
    v->is_odd = true;
    if (rd_ok(&v->r) && vars > FUN_MAX_VARS)
        return fail(v, ERR_MALFORMED, at, "a fun of more than 255 free variables");
    TRY(part_atom(v));
    TRY(part_small(v, &(int64_t){0}));
    TRY(part_small(v, &(int64_t){0}));
    pid_at = rd_offset(&v->r);
    tag = rd_u8(&v->r);
    if (rd_ok(&v->r) && tag != ETF_PID_EXT && tag != ETF_NEW_PID_EXT)
        return fail(v, ERR_MALFORMED, pid_at, "expected a pid");
    TRY(pid(v, tag, pid_at));
    TRY(promise(v, vars, at));
    if (vars == 0)
        return rd_offset(&v->r) == at + 1 + size
                   ? ERR_NONE
                   : fail(v, ERR_MALFORMED, at, "the size of a fun is not that of its parts");
    TRY(push(v, FRAME_FUN, vars, at));
    v->frames[v->depth - 1].at = at + 1 + size;
    return ERR_NONE;
}

static enum err old_fun(struct validation *v, size_t at)
{
    uint32_t vars = rd_be32(&v->r);
    size_t pid_at = rd_offset(&v->r);
    uint8_t tag;

    v->is_odd = true;
    TRY(use(v, ETF_USES_OLD_FUN, at));
    tag = rd_u8(&v->r);
    if (rd_ok(&v->r) && tag != ETF_PID_EXT && tag != ETF_NEW_PID_EXT)
        return fail(v, ERR_MALFORMED, pid_at, "expected a pid");
    TRY(pid(v, tag, pid_at));
    TRY(part_atom(v));
    TRY(part_small(v, &(int64_t){0}));
    TRY(part_small(v, &(int64_t){0}));
    return container(v, vars, at);
}

static struct etf_key_bases bases(const struct validation *v)
{
    return (struct etf_key_bases){.of = {v->r.start, v->scratch.buf}};
}

static enum err find_twin(struct validation *v, size_t from)
{
    struct etf_key_bases b = bases(v);
    const struct etf_key *twin;

    if (!etf_keys_find_twin(&v->keys, from, &b, &twin))
        return fail(v, ERR_NOMEM, rd_offset(&v->r), "");
    return twin ? fail(v, ERR_DUPLICATE_KEY, twin->source, "this key is in the map already") : ERR_NONE;
}

static enum err record(struct validation *v, size_t at)
{
    uint32_t n = rd_be32(&v->r);
    uint8_t flags = rd_u8(&v->r);
    size_t keys = v->keys.count, scratch = v->scratch.len;
    enum err e = ERR_NONE;

    TRY(promise(v, 2 + (uint64_t)n * 2, at));
    TRY(use(v, ETF_USES_RECORD, at));
    if (flags > ETF_RECORD_EXPORTED)
        return fail(v, ERR_MALFORMED, at, "a record with unknown flags");
    TRY(part_atom(v));
    TRY(part_atom(v));
    for (uint32_t i = 0; i < n; i++) {
        struct rd start = v->r;
        struct etf_key_bases b;
        struct etf_key key;

        TRY(part_atom(v));
        key = (struct etf_key){
            .at = (uint32_t)v->scratch.len, .is_scratch = 1, .source = (uint32_t)rd_offset(&start)};
        etf_write_atom_as(&v->scratch, etf_wire_node(&start, v->atoms));
        key.len = (uint32_t)(v->scratch.len - key.at);
        b = bases(v);
        if (!wr_ok(&v->scratch) || !etf_keys_push(&v->keys, key, &b))
            return fail(v, ERR_NOMEM, at, "");
    }
    e = find_twin(v, keys);
    if (e == ERR_DUPLICATE_KEY)
        v->fault->text = "this field is in the record already";
    v->keys.count = keys;
    v->scratch.len = scratch;
    return e == ERR_NONE ? container(v, n, at) : e;
}

static enum err local(struct validation *v, size_t at)
{
    if (at != 0 || v->depth != 0)
        return fail(v, ERR_MALFORMED, at, "a local term inside another");
    if (rd_left(&v->r) <= ETF_LOCAL_HASH_LEN)
        return rd_fail(&v->r, ERR_MORE), fail_read(v, at, "");
    rd_skip(&v->r, rd_left(&v->r));
    return use(v, ETF_USES_LOCAL, at);
}

static enum err done(struct validation *v, size_t at)
{
    return LIKELY(rd_ok(&v->r)) ? ERR_NONE : fail_read(v, at, "");
}

/* One tag with what belongs to it alone; a container that has parts is on the stack afterwards. */
static inline enum err head(struct validation *v)
{
    struct rd *r = &v->r;
    size_t at = rd_offset(r);
    uint8_t tag = rd_u8(r);
    uint64_t word;
    unsigned bits;
    struct slice s;
    uint32_t n;

    switch (tag) {
    case ETF_SMALL_INTEGER_EXT: rd_skip(r, 1); return done(v, at);
    case ETF_INTEGER_EXT: v->is_odd |= rd_be32(r) <= UINT8_MAX; return done(v, at);
    case ETF_SMALL_ATOM_UTF8_EXT: return LIKELY(simple_atom(v)) ? ERR_NONE : atom(v, tag, at);
    case ETF_ATOM_UTF8_EXT:
    case ETF_SMALL_ATOM_EXT:
    case ETF_ATOM_EXT:
    case ETF_ATOM_CACHE_REF: return atom(v, tag, at);
    case ETF_BINARY_EXT: rd_skip(r, rd_be32(r)); return done(v, at);
    case ETF_NIL_EXT: return ERR_NONE;
    case ETF_STRING_EXT:
        n = rd_be16(r);
        v->is_odd |= n == 0;
        rd_skip(r, n);
        return done(v, at);
    case ETF_NEW_FLOAT_EXT:
        word = rd_be64(r);
        if (UNLIKELY((word >> 52 & 0x7FF) == 0x7FF))
            return fail(v, ERR_MALFORMED, at, "a float that is no finite number");
        v->is_odd |= word << 1 == 0;
        return done(v, at);
    case ETF_SMALL_TUPLE_EXT: n = rd_u8(r); return container(v, n, at);
    case ETF_LIST_EXT: return list(v, at);
    case ETF_MAP_EXT: return map(v, at);
    case ETF_LARGE_TUPLE_EXT:
        n = rd_be32(r);
        v->is_odd |= n <= UINT8_MAX;
        if (n > ETF_TUPLE_MAX_ARITY)
            TRY(use(v, ETF_USES_HUGE_TUPLE, at));
        return container(v, n, at);
    case ETF_NEW_PID_EXT:
    case ETF_PID_EXT: return pid(v, tag, at);
    case ETF_NEWER_REFERENCE_EXT:
    case ETF_NEW_REFERENCE_EXT:
    case ETF_REFERENCE_EXT: return reference(v, tag, at);
    case ETF_V4_PORT_EXT:
    case ETF_NEW_PORT_EXT:
    case ETF_PORT_EXT: return port(v, tag, at);
    case ETF_SMALL_BIG_EXT:
    case ETF_LARGE_BIG_EXT: return big(v, tag, at);
    case ETF_BIT_BINARY_EXT:
        s = etf_wire_bits(r, &bits);
        v->is_odd |= bits == 8 || (rd_ok(r) && s.ptr[s.len - 1] << bits & 0xFF);
        return LIKELY(rd_ok(r)) ? ERR_NONE : fail_read(v, at, "a bitstring has 1 to 8 bits in its last byte");
    case ETF_FLOAT_EXT:
        v->is_odd = true;
        etf_wire_float(r, tag);
        return LIKELY(rd_ok(r)) ? ERR_NONE : fail_read(v, at, "a float that is no finite number");
    case ETF_EXPORT_EXT: return external_fun(v, at);
    case ETF_NEW_FUN_EXT: return closure(v, at);
    case ETF_FUN_EXT: return old_fun(v, at);
    case ETF_RECORD_EXT: return record(v, at);
    case ETF_LOCAL_EXT: return local(v, at);
    case ETF_COMPRESSED: return fail(v, ERR_MALFORMED, at, "a compressed term inside another");
    default:
        return rd_ok(r) ? fail(v, ERR_UNSUPPORTED, at, "no term begins with this byte")
                        : fail_read(v, at, "");
    }
}

static enum err key_end(struct validation *v, struct frame *f)
{
    struct etf_key key = {
        .at = (uint32_t)f->at, .source = (uint32_t)f->at, .len = (uint32_t)(rd_offset(&v->r) - f->at)};
    struct etf_key_bases b;

    v->in_key = false;
    if (UNLIKELY(v->is_odd)) {
        struct rd r = {.pos = v->r.start + f->at, .end = v->r.pos, .start = v->r.start};

        key.at = (uint32_t)v->scratch.len;
        key.is_scratch = 1;
        TRY(etf_canon(&v->scratch, &r, v->atoms, ETF_CANON_KEY, v->fault));
        if (v->scratch.len > ETF_CANON_MAX_BYTES)
            return fail(v, ERR_TOO_LARGE, f->at, "the keys of this map are too large");
        key.len = (uint32_t)(v->scratch.len - key.at);
    }
    b = bases(v);
    if (UNLIKELY(!etf_keys_push(&v->keys, key, &b)))
        return fail(v, ERR_NOMEM, f->at, "");
    if (UNLIKELY(v->keys.count - f->keys == f->next_check)) {
        f->next_check *= 2;
        return find_twin(v, f->keys);
    }
    return ERR_NONE;
}

static enum err frame_end(struct validation *v, const struct frame *f)
{
    enum err e = ERR_NONE;

    if (f->kind == FRAME_MAP) {
        if (v->keys.count - f->keys > 1)
            e = find_twin(v, f->keys);
        v->keys.count = f->keys;
        v->scratch.len = f->scratch;
    } else if (f->kind == FRAME_FUN && rd_offset(&v->r) != f->at) {
        e = fail(v, ERR_MALFORMED, rd_offset(&v->r), "the size of a fun is not that of its parts");
    }
    v->depth--;
    return e;
}

/* A term is complete: so may be the containers around it. */
static inline enum err term_end(struct validation *v)
{
    while (v->depth) {
        struct frame *f = &v->frames[v->depth - 1];

        if (f->kind == FRAME_MAP && f->left % 2 == 0)
            TRY(key_end(v, f));
        if (--f->left) {
            if (f->kind == FRAME_MAP && f->left % 2 == 0)
                key_begin(v, f);
            return ERR_NONE;
        }
        TRY(frame_end(v, f));
    }
    return ERR_NONE;
}

static enum err run(struct validation *v)
{
    do {
        size_t depth = v->depth;

        TRY(head(v));
        if (v->depth == depth)
            TRY(term_end(v));
    } while (v->depth);
    return ERR_NONE;
}

static enum err validate(struct slice input, bool is_cut, const struct etf_atoms *atoms,
                         const struct etf_rules *rules, size_t *ret_len, uint32_t *ret_uses, struct fault *f)
{
    static const struct etf_rules none;
    struct fault fault = {0};
    struct validation v;
    enum err e;

    /* Not by one initialiser: what is on the stack need not be made zero for each small term. */
    v.r = rd_of(input);
    v.atoms = atoms;
    v.rules = rules ? rules : &none;
    v.fault = &fault;
    v.uses = 0;
    v.in_key = v.is_odd = false;
    v.is_cut = is_cut;
    v.depth = 0;
    v.cap = INLINE_FRAMES;
    v.max_depth = v.rules->max_depth ? v.rules->max_depth : ETF_DEFAULT_MAX_DEPTH;
    v.frames = v.first;
    etf_keys_init(&v.keys);
    wr_init(&v.scratch, SIZE_MAX);

    e = run(&v);
    if (e == ERR_NONE) {
        *ret_len = rd_offset(&v.r);
        if (ret_uses)
            *ret_uses = v.uses;
    } else if (f) {
        /* What comes from below without a place, for want of memory. */
        if (fault.err != e)
            fault_set(&fault, e, rd_offset(&v.r), "");
        *f = fault;
    }
    etf_keys_fini(&v.keys);
    wr_fini(&v.scratch);
    etf_stack_free(v.frames, v.first);
    return e;
}

static size_t max_bytes(const struct etf_rules *rules)
{
    size_t max = rules ? rules->max_bytes : 0;

    return max && max < ETF_CANON_MAX_BYTES ? max : ETF_CANON_MAX_BYTES;
}

enum err etf_validate_prefix(struct slice input, const struct etf_atoms *atoms, const struct etf_rules *rules,
                             size_t *ret_len, uint32_t *ret_uses, struct fault *f)
{
    size_t max = max_bytes(rules);
    bool is_cut = input.len > max;

    if (is_cut)
        input.len = max;
    return validate(input, is_cut, atoms, rules, ret_len, ret_uses, f);
}

enum err etf_validate(struct slice term, const struct etf_atoms *atoms, const struct etf_rules *rules,
                      uint32_t *ret_uses, struct fault *f)
{
    uint32_t uses;
    size_t len;
    enum err e;

    if (term.len > max_bytes(rules))
        return fault_set(f, ERR_TOO_LARGE, max_bytes(rules), "the term is larger than allowed");
    e = validate(term, false, atoms, rules, &len, &uses, f);
    if (e != ERR_NONE)
        return e;
    if (len != term.len)
        return fault_set(f, ERR_MALFORMED, len, "something follows the term");
    if (ret_uses)
        *ret_uses = uses;
    return ERR_NONE;
}
