#include "etf/term.h"

#include "base/utf8.h"
#include "etf/wire.h"

static const uint8_t kind_of_tag[256] = {
    [ETF_RECORD_EXT] = ETF_KIND_RECORD,
    [ETF_NEW_FLOAT_EXT] = ETF_KIND_FLOAT,
    [ETF_BIT_BINARY_EXT] = ETF_KIND_BITSTRING,
    [ETF_ATOM_CACHE_REF] = ETF_KIND_ATOM,
    [ETF_NEW_PID_EXT] = ETF_KIND_PID,
    [ETF_NEW_PORT_EXT] = ETF_KIND_PORT,
    [ETF_NEWER_REFERENCE_EXT] = ETF_KIND_REF,
    [ETF_SMALL_INTEGER_EXT] = ETF_KIND_INTEGER,
    [ETF_INTEGER_EXT] = ETF_KIND_INTEGER,
    [ETF_FLOAT_EXT] = ETF_KIND_FLOAT,
    [ETF_ATOM_EXT] = ETF_KIND_ATOM,
    [ETF_REFERENCE_EXT] = ETF_KIND_REF,
    [ETF_PORT_EXT] = ETF_KIND_PORT,
    [ETF_PID_EXT] = ETF_KIND_PID,
    [ETF_SMALL_TUPLE_EXT] = ETF_KIND_TUPLE,
    [ETF_LARGE_TUPLE_EXT] = ETF_KIND_TUPLE,
    [ETF_NIL_EXT] = ETF_KIND_NIL,
    [ETF_STRING_EXT] = ETF_KIND_STRING,
    [ETF_LIST_EXT] = ETF_KIND_LIST,
    [ETF_BINARY_EXT] = ETF_KIND_BINARY,
    [ETF_SMALL_BIG_EXT] = ETF_KIND_INTEGER,
    [ETF_LARGE_BIG_EXT] = ETF_KIND_INTEGER,
    [ETF_NEW_FUN_EXT] = ETF_KIND_FUN,
    [ETF_EXPORT_EXT] = ETF_KIND_EXPORT,
    [ETF_NEW_REFERENCE_EXT] = ETF_KIND_REF,
    [ETF_SMALL_ATOM_EXT] = ETF_KIND_ATOM,
    [ETF_MAP_EXT] = ETF_KIND_MAP,
    [ETF_FUN_EXT] = ETF_KIND_FUN,
    [ETF_ATOM_UTF8_EXT] = ETF_KIND_ATOM,
    [ETF_SMALL_ATOM_UTF8_EXT] = ETF_KIND_ATOM,
    [ETF_V4_PORT_EXT] = ETF_KIND_PORT,
    [ETF_LOCAL_EXT] = ETF_KIND_LOCAL,
};

enum etf_kind etf_peek(const struct etf_rd *r)
{
    const uint8_t *p = r->rd.pos;

    if (rd_left(&r->rd) == 0)
        return ETF_KIND_NONE;
    /* All bits of the last byte: a binary under the bitstring's tag. */
    if (p[0] == ETF_BIT_BINARY_EXT && rd_left(&r->rd) >= 6 && p[5] == 8)
        return ETF_KIND_BINARY;
    return (enum etf_kind)kind_of_tag[p[0]];
}

/*
 * Every reader works on a copy of the cursor, which replaces the caller's when all went well: so a failure
 * moves nothing and leaves no mark.
 */
static bool commit(struct etf_rd *r, const struct rd *t)
{
    if (!rd_ok(t))
        return false;
    r->rd = *t;
    return true;
}

bool etf_read_atom(struct etf_rd *r, struct etf_atom *ret)
{
    struct rd t = r->rd;
    struct etf_atom a = etf_wire_atom(&t, rd_u8(&t), r->atoms);

    if (!commit(r, &t))
        return false;
    *ret = a;
    return true;
}

/* An integer of at most 64 bits as sign and magnitude. */
static bool read_magnitude64(struct rd *t, bool *ret_negative, uint64_t *ret)
{
    uint8_t tag = rd_u8(t);
    struct slice m;
    int32_t v;

    switch (tag) {
    case ETF_SMALL_INTEGER_EXT:
        *ret_negative = false;
        *ret = rd_u8(t);
        return rd_ok(t);
    case ETF_INTEGER_EXT:
        v = (int32_t)rd_be32(t);
        *ret_negative = v < 0;
        *ret = v < 0 ? 0 - (uint64_t)(int64_t)v : (uint64_t)v;
        return rd_ok(t);
    case ETF_SMALL_BIG_EXT:
    case ETF_LARGE_BIG_EXT:
        m = etf_magnitude_trim(etf_wire_big(t, tag, ret_negative));
        if (!rd_ok(t) || m.len > 8)
            return false;
        *ret = 0;
        for (size_t i = m.len; i > 0; i--)
            *ret = *ret << 8 | m.ptr[i - 1];
        return true;
    default: return false;
    }
}

bool etf_read_int64(struct etf_rd *r, int64_t *ret)
{
    struct rd t = r->rd;
    bool negative;
    uint64_t m;

    if (!read_magnitude64(&t, &negative, &m) || m > (uint64_t)INT64_MAX + negative)
        return false;
    r->rd = t;
    *ret = negative ? (int64_t)(0 - m) : (int64_t)m;
    return true;
}

bool etf_read_uint64(struct etf_rd *r, uint64_t *ret)
{
    struct rd t = r->rd;
    bool negative;
    uint64_t m;

    if (!read_magnitude64(&t, &negative, &m) || (negative && m))
        return false;
    r->rd = t;
    *ret = m;
    return true;
}

bool etf_read_big(struct etf_rd *r, bool *ret_negative, struct slice *ret_magnitude)
{
    struct rd t = r->rd;
    uint8_t tag = rd_u8(&t);
    bool negative;
    struct slice m;

    if (tag != ETF_SMALL_BIG_EXT && tag != ETF_LARGE_BIG_EXT)
        return false;
    m = etf_magnitude_trim(etf_wire_big(&t, tag, &negative));
    if (!commit(r, &t))
        return false;
    *ret_negative = negative && m.len;
    *ret_magnitude = m;
    return true;
}

bool etf_read_float(struct etf_rd *r, double *ret)
{
    struct rd t = r->rd;
    uint8_t tag = rd_u8(&t);
    double v;

    if (tag != ETF_NEW_FLOAT_EXT && tag != ETF_FLOAT_EXT)
        return false;
    v = etf_wire_float(&t, tag);
    if (!commit(r, &t))
        return false;
    *ret = v;
    return true;
}

bool etf_read_bitstring(struct etf_rd *r, struct slice *ret, unsigned *ret_bits)
{
    struct rd t = r->rd;
    uint8_t tag = rd_u8(&t);
    unsigned bits = 8;
    struct slice s;

    if (tag == ETF_BINARY_EXT)
        s = rd_slice(&t, rd_be32(&t));
    else if (tag == ETF_BIT_BINARY_EXT)
        s = etf_wire_bits(&t, &bits);
    else
        return false;
    if (!commit(r, &t))
        return false;
    *ret = s;
    *ret_bits = bits;
    return true;
}

bool etf_read_binary(struct etf_rd *r, struct slice *ret)
{
    return etf_peek(r) == ETF_KIND_BINARY && etf_read_bitstring(r, ret, &(unsigned){0});
}

bool etf_read_pid(struct etf_rd *r, struct etf_pid *ret)
{
    struct rd t = r->rd;
    uint8_t tag = rd_u8(&t);
    struct etf_pid pid;

    if (kind_of_tag[tag] != ETF_KIND_PID)
        return false;
    pid = etf_wire_pid(&t, tag, r->atoms);
    if (!commit(r, &t))
        return false;
    *ret = pid;
    return true;
}

bool etf_read_port(struct etf_rd *r, struct etf_port *ret)
{
    struct rd t = r->rd;
    uint8_t tag = rd_u8(&t);
    struct etf_port port;

    if (kind_of_tag[tag] != ETF_KIND_PORT)
        return false;
    port = etf_wire_port(&t, tag, r->atoms);
    if (!commit(r, &t))
        return false;
    *ret = port;
    return true;
}

bool etf_read_ref(struct etf_rd *r, struct etf_ref *ret)
{
    struct rd t = r->rd;
    uint8_t tag = rd_u8(&t);
    struct etf_ref ref;

    if (kind_of_tag[tag] != ETF_KIND_REF)
        return false;
    ref = etf_wire_ref(&t, tag, r->atoms);
    if (!commit(r, &t))
        return false;
    *ret = ref;
    return true;
}

bool etf_read_export(struct etf_rd *r, struct etf_atom *ret_module, struct etf_atom *ret_function,
                     uint64_t *ret_arity)
{
    struct etf_rd t = *r;
    struct etf_atom module, function;
    uint64_t arity;

    if (rd_u8(&t.rd) != ETF_EXPORT_EXT || !etf_read_atom(&t, &module) || !etf_read_atom(&t, &function) ||
        !etf_read_uint64(&t, &arity))
        return false;
    *r = t;
    *ret_module = module;
    *ret_function = function;
    *ret_arity = arity;
    return true;
}

bool etf_read_nil(struct etf_rd *r)
{
    if (rd_left(&r->rd) == 0 || *r->rd.pos != ETF_NIL_EXT)
        return false;
    r->rd.pos++;
    return true;
}

bool etf_read_tuple(struct etf_rd *r, uint32_t *ret_arity)
{
    struct rd t = r->rd;
    uint8_t tag = rd_u8(&t);
    uint32_t arity;

    if (kind_of_tag[tag] != ETF_KIND_TUPLE)
        return false;
    arity = tag == ETF_SMALL_TUPLE_EXT ? rd_u8(&t) : rd_be32(&t);
    if (!commit(r, &t))
        return false;
    *ret_arity = arity;
    return true;
}

bool etf_read_map(struct etf_rd *r, uint32_t *ret_pairs)
{
    struct rd t = r->rd;
    uint32_t pairs;

    if (rd_u8(&t) != ETF_MAP_EXT)
        return false;
    pairs = rd_be32(&t);
    if (!commit(r, &t))
        return false;
    *ret_pairs = pairs;
    return true;
}

bool etf_read_list(struct etf_rd *r, uint32_t *ret_len)
{
    struct rd t = r->rd;
    uint32_t len;

    if (etf_read_nil(r)) {
        *ret_len = 0;
        return true;
    }
    if (rd_u8(&t) != ETF_LIST_EXT)
        return false;
    len = rd_be32(&t);
    if (!commit(r, &t))
        return false;
    *ret_len = len;
    return true;
}

bool etf_read_string(struct etf_rd *r, struct slice *ret_bytes)
{
    struct rd t = r->rd;
    struct slice s;

    if (rd_u8(&t) != ETF_STRING_EXT)
        return false;
    s = rd_slice(&t, rd_be16(&t));
    if (!commit(r, &t))
        return false;
    *ret_bytes = s;
    return true;
}

bool etf_read_atom_is(struct etf_rd *r, const char *text)
{
    struct etf_rd t = *r;
    struct etf_atom a;

    if (!etf_read_atom(&t, &a) || !etf_atom_is(a, text))
        return false;
    *r = t;
    return true;
}

bool etf_read_tuple_is(struct etf_rd *r, uint32_t arity)
{
    struct etf_rd t = *r;
    uint32_t n;

    if (!etf_read_tuple(&t, &n) || n != arity)
        return false;
    *r = t;
    return true;
}

/* Passes over one tag and what belongs to it alone; gives how many terms follow as its parts. */
static uint64_t skip_head(struct rd *t, const struct etf_atoms *atoms)
{
    uint8_t tag = rd_u8(t);
    uint64_t n;

    switch (tag) {
    case ETF_SMALL_INTEGER_EXT: rd_skip(t, 1); return 0;
    case ETF_INTEGER_EXT: rd_skip(t, 4); return 0;
    case ETF_NEW_FLOAT_EXT: rd_skip(t, 8); return 0;
    case ETF_FLOAT_EXT: rd_skip(t, ETF_FLOAT_TEXT_LEN); return 0;
    case ETF_NIL_EXT: return 0;
    case ETF_BINARY_EXT: rd_skip(t, rd_be32(t)); return 0;
    case ETF_STRING_EXT: rd_skip(t, rd_be16(t)); return 0;
    case ETF_SMALL_ATOM_UTF8_EXT:
    case ETF_SMALL_ATOM_EXT:
    case ETF_ATOM_UTF8_EXT:
    case ETF_ATOM_EXT:
    case ETF_ATOM_CACHE_REF: etf_wire_atom(t, tag, atoms); return 0;
    case ETF_SMALL_TUPLE_EXT: return rd_u8(t);
    case ETF_LARGE_TUPLE_EXT: return rd_be32(t);
    case ETF_LIST_EXT: return (uint64_t)rd_be32(t) + 1;
    case ETF_MAP_EXT: return (uint64_t)rd_be32(t) * 2;
    case ETF_BIT_BINARY_EXT: etf_wire_bits(t, &(unsigned){0}); return 0;
    case ETF_SMALL_BIG_EXT:
    case ETF_LARGE_BIG_EXT: etf_wire_big(t, tag, &(bool){0}); return 0;
    case ETF_PID_EXT:
    case ETF_NEW_PID_EXT: etf_wire_pid(t, tag, atoms); return 0;
    case ETF_PORT_EXT:
    case ETF_NEW_PORT_EXT:
    case ETF_V4_PORT_EXT: etf_wire_port(t, tag, atoms); return 0;
    case ETF_REFERENCE_EXT:
    case ETF_NEW_REFERENCE_EXT:
    case ETF_NEWER_REFERENCE_EXT: etf_wire_ref(t, tag, atoms); return 0;
    case ETF_EXPORT_EXT: return ETF_EXPORT_TERMS;
    case ETF_FUN_EXT: return (uint64_t)rd_be32(t) + ETF_FUN_TERMS;
    case ETF_NEW_FUN_EXT:
        rd_skip(t, 4 + 1 + ETF_FUN_UNIQ_LEN + 4); /* size, arity, uniq, index */
        return (uint64_t)rd_be32(t) + ETF_FUN_TERMS;
    case ETF_RECORD_EXT:
        n = rd_be32(t);
        rd_skip(t, 1);
        return 2 + 2 * n; /* module and name, field names, values */
    case ETF_LOCAL_EXT: rd_skip(t, rd_left(t)); return 0;
    default: rd_fail(t, ERR_UNSUPPORTED); return 0;
    }
}

bool etf_skip(struct etf_rd *r, struct slice *ret)
{
    struct rd t = r->rd;
    /* Terms still to come. Each needs a byte, so a header that promises more than there is can be left at
     * once. */
    uint64_t pending = 1;

    do {
        pending += skip_head(&t, r->atoms) - 1;
        if (!rd_ok(&t) || pending > rd_left(&t))
            return false;
    } while (pending);
    if (ret)
        *ret = slice_of(r->rd.pos, (size_t)(t.pos - r->rd.pos));
    r->rd = t;
    return true;
}

/* The code points of a Latin-1 text are its bytes; of UTF-8 the comparison decodes two bytes at most. */
static bool latin1_equals_utf8(struct slice latin1, struct slice utf8)
{
    const uint8_t *p = utf8.ptr, *end = slice_end(utf8);

    for (size_t i = 0; i < latin1.len; i++) {
        uint8_t c = latin1.ptr[i];

        if (c < 0x80) {
            if (p == end || *p++ != c)
                return false;
        } else {
            if (end - p < 2 || p[0] != (0xC0 | c >> 6) || p[1] != (0x80 | (c & 0x3F)))
                return false;
            p += 2;
        }
    }
    return p == end;
}

/* Texts of any length are asked about: what is too long in bytes is not looked at, and what is short enough
 * in bytes not counted. */
bool etf_is_atom_text(struct slice utf8)
{
    return utf8.len <= ETF_ATOM_MAX_BYTES && utf8_is_valid(utf8) &&
           (utf8.len <= ETF_ATOM_MAX_CHARS || utf8_count(utf8) <= ETF_ATOM_MAX_CHARS);
}

bool etf_atom_is(struct etf_atom a, const char *ascii)
{
    return slice_eq_str(a.text, ascii);
}

bool etf_atom_eq(struct etf_atom a, struct etf_atom b)
{
    if (a.is_latin1 == b.is_latin1)
        return slice_eq(a.text, b.text);
    return a.is_latin1 ? latin1_equals_utf8(a.text, b.text) : latin1_equals_utf8(b.text, a.text);
}

bool etf_pid_eq(const struct etf_pid *a, const struct etf_pid *b)
{
    return a->id == b->id && a->serial == b->serial && a->creation == b->creation &&
           etf_atom_eq(a->node, b->node);
}

bool etf_ref_eq(const struct etf_ref *a, const struct etf_ref *b)
{
    return a->count == b->count && a->creation == b->creation &&
           memcmp(a->words, b->words, a->count * sizeof a->words[0]) == 0 && etf_atom_eq(a->node, b->node);
}
