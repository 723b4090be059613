#include "etf/validate_parts.h"

#include "base/utf8.h"
#include "etf/wire.h"

enum {
    OLD_CREATION_MAX = 3,         /* two bits in the old tags */
    OLD_REF_FIRST_WORD_BITS = 18, /* of a reference's first word */
    PID_ID_BITS = 28,             /* OTP's own pids, since 26 */
    PORT_ID_BITS = 60,
    PRE_V4_PID_ID_BITS = 15,
    PRE_V4_PID_SERIAL_BITS = 13,
    PRE_V4_PORT_ID_BITS = 28,
    SMALL_BITS = 59,   /* of the magnitude of what OTP keeps in one word */
    PID_IMMEDIATE = 3, /* the low bits of a pid's immediate term */
    PID_IMMEDIATE_MASK = 15,
};

enum err etf_invalid(struct etf_validation *v, enum err e, size_t at, const char *text)
{
    return fault_set(v->fault, e, at, text);
}

enum err etf_invalid_read(struct etf_validation *v, size_t at, const char *text)
{
    if (v->r.err != ERR_MORE)
        return etf_invalid(v, v->r.err, at, text);
    if (v->is_cut)
        return etf_invalid(v, ERR_TOO_LARGE, at, "the term is larger than allowed");
    return etf_invalid(v, ERR_MORE, at, "the input ends inside this term");
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

enum err etf_uses(struct etf_validation *v, uint32_t bit, size_t at)
{
    v->uses |= bit;
    if (v->rules->refuse & bit)
        return etf_invalid(v, ERR_PEER_UNSUPPORTED, at, use_texts[__builtin_ctz(bit)]);
    return ERR_NONE;
}

static enum err atom_text(struct etf_validation *v, struct etf_atom a, size_t at)
{
    if (!a.is_latin1 && !a.is_checked) {
        if (UNLIKELY(!utf8_is_valid(a.text)))
            return etf_invalid(v, ERR_MALFORMED, at, "an atom that is not UTF-8");
        if (UNLIKELY(a.text.len > ETF_ATOM_MAX_CHARS) && utf8_count(a.text) > ETF_ATOM_MAX_CHARS)
            return etf_invalid(v, ERR_MALFORMED, at, "an atom of more than 255 characters");
    }
    if (v->rules->on_atom) {
        enum err e = v->rules->on_atom(v->rules->ctx, a);

        if (e != ERR_NONE)
            return etf_invalid(v, e, at, "this atom is not allowed");
    }
    return ERR_NONE;
}

enum err etf_check_atom(struct etf_validation *v, uint8_t tag, size_t at)
{
    struct etf_atom a;

    if (tag == ETF_ATOM_CACHE_REF)
        TRY(etf_uses(v, ETF_USES_CACHE_REF, at));
    a = etf_wire_atom(&v->r, tag, v->atoms);
    if (UNLIKELY(!rd_ok(&v->r))) {
        return etf_invalid_read(v, at,
                                tag == ETF_ATOM_CACHE_REF ? "no such atom in the message's header"
                                : etf_tag_is_atom(tag)    ? "an atom of more than 255 characters"
                                                          : "expected an atom");
    }
    if (tag != ETF_SMALL_ATOM_UTF8_EXT)
        v->is_odd |= tag != ETF_ATOM_UTF8_EXT || a.text.len <= UINT8_MAX;
    return atom_text(v, a, at);
}

enum err etf_check_part_atom(struct etf_validation *v)
{
    size_t at = rd_offset(&v->r);

    return etf_check_atom(v, rd_u8(&v->r), at);
}

static enum err creation(struct etf_validation *v, uint32_t creation, bool is_old_tag, size_t at)
{
    v->is_odd |= is_old_tag;
    if (is_old_tag && creation > OLD_CREATION_MAX)
        return etf_invalid(v, ERR_MALFORMED, at, "a creation of more than two bits");
    return creation ? ERR_NONE : etf_uses(v, ETF_USES_ZERO_CREATION, at);
}

enum err etf_check_pid(struct etf_validation *v, uint8_t tag, size_t at)
{
    bool is_old = tag == ETF_PID_EXT;
    uint32_t id, serial, c;

    TRY(etf_check_part_atom(v));
    id = rd_be32(&v->r);
    serial = rd_be32(&v->r);
    c = is_old ? rd_u8(&v->r) : rd_be32(&v->r);
    if (!rd_ok(&v->r))
        return etf_invalid_read(v, at, "");
    if (id >> PRE_V4_PID_ID_BITS || serial >> PRE_V4_PID_SERIAL_BITS)
        TRY(etf_uses(v, ETF_USES_BIG_PID, at));
    if (id >> PID_ID_BITS)
        TRY(etf_uses(v, ETF_USES_ODD_ID, at));
    return creation(v, c, is_old, at);
}

enum err etf_check_port(struct etf_validation *v, uint8_t tag, size_t at)
{
    uint64_t id;
    uint32_t c;

    TRY(etf_check_part_atom(v));
    id = tag == ETF_V4_PORT_EXT ? rd_be64(&v->r) : rd_be32(&v->r);
    c = tag == ETF_PORT_EXT ? rd_u8(&v->r) : rd_be32(&v->r);
    if (!rd_ok(&v->r))
        return etf_invalid_read(v, at, "");
    v->is_odd |= (tag == ETF_V4_PORT_EXT) != (id >> PRE_V4_PORT_ID_BITS != 0);
    if (tag == ETF_V4_PORT_EXT || id >> PRE_V4_PORT_ID_BITS)
        TRY(etf_uses(v, ETF_USES_V4_PORT, at));
    if (id >> PORT_ID_BITS)
        TRY(etf_uses(v, ETF_USES_ODD_ID, at));
    return creation(v, c, tag == ETF_PORT_EXT, at);
}

enum err etf_check_ref(struct etf_validation *v, uint8_t tag, size_t at)
{
    struct etf_ref ref = {.count = 1};
    bool is_old = tag != ETF_NEWER_REFERENCE_EXT;

    if (tag != ETF_REFERENCE_EXT)
        ref.count = rd_be16(&v->r);
    if (rd_ok(&v->r) && (ref.count == 0 || ref.count > ETF_REF_MAX_WORDS))
        return etf_invalid(v, ERR_MALFORMED, at, "a reference has 1 to 5 words");
    TRY(etf_check_part_atom(v));
    if (tag != ETF_REFERENCE_EXT)
        ref.creation = is_old ? rd_u8(&v->r) : rd_be32(&v->r);
    for (uint32_t i = 0; i < ref.count; i++)
        ref.words[i] = rd_be32(&v->r);
    if (tag == ETF_REFERENCE_EXT)
        ref.creation = rd_u8(&v->r);
    if (!rd_ok(&v->r))
        return etf_invalid_read(v, at, "");
    if (ref.count > 3)
        TRY(etf_uses(v, ETF_USES_LONG_REF, at));
    if (ref.words[0] >> OLD_REF_FIRST_WORD_BITS) {
        if (is_old)
            return etf_invalid(v, ERR_MALFORMED, at, "the first word of a reference has 18 bits");
        TRY(etf_uses(v, ETF_USES_ODD_ID, at));
    }
    if (etf_ref_has_pid(&ref) && (ref.words[3] & PID_IMMEDIATE_MASK) != PID_IMMEDIATE)
        TRY(etf_uses(v, ETF_USES_ODD_ID, at));
    v->is_odd |= ref.count > 3 || ref.words[ref.count - 1] == 0;
    return creation(v, ref.creation, is_old, at);
}

enum err etf_check_big(struct etf_validation *v, uint8_t tag, size_t at)
{
    bool negative;
    struct slice m = etf_wire_big(&v->r, tag, &negative);

    if (!rd_ok(&v->r))
        return etf_invalid_read(v, at, "");
    /* The sign byte of a canonical one is 0 or 1, and nothing shorter would do. */
    v->is_odd |= m.len <= 4 || m.ptr[m.len - 1] == 0 || m.ptr[-1] > 1 ||
                 (tag == ETF_LARGE_BIG_EXT && m.len <= UINT8_MAX);
    return m.len > ETF_BIG_MAX_BYTES ? etf_uses(v, ETF_USES_HUGE_INTEGER, at) : ERR_NONE;
}

enum err etf_check_small(struct etf_validation *v, int64_t *ret)
{
    size_t at = rd_offset(&v->r);
    struct etf_rd t = {.rd = v->r};
    enum etf_kind kind = etf_peek(&t);

    if (kind == ETF_KIND_NONE)
        return rd_left(&v->r) ? etf_invalid(v, ERR_MALFORMED, at, "expected an integer")
                              : (rd_fail(&v->r, ERR_MORE), etf_invalid_read(v, at, ""));
    if (kind != ETF_KIND_INTEGER)
        return etf_invalid(v, ERR_MALFORMED, at, "expected an integer");
    v->is_odd |= *v->r.pos != ETF_SMALL_INTEGER_EXT;
    if (!etf_read_int64(&t, ret)) {
        if (!etf_skip(&t, NULL)) {
            rd_fail(&v->r, ERR_MORE);
            return etf_invalid_read(v, at, "");
        }
        return etf_invalid(v, ERR_MALFORMED, at, "expected an integer of less than 60 bits");
    }
    if (*ret >= INT64_C(1) << SMALL_BITS || *ret < -(INT64_C(1) << SMALL_BITS))
        return etf_invalid(v, ERR_MALFORMED, at, "expected an integer of less than 60 bits");
    v->r = t.rd;
    return ERR_NONE;
}

enum err etf_check_export(struct etf_validation *v, size_t at)
{
    size_t arity_at;
    int64_t arity;

    TRY(etf_check_part_atom(v));
    TRY(etf_check_part_atom(v));
    arity_at = rd_offset(&v->r);
    TRY(etf_check_small(v, &arity));
    if (arity < 0)
        return etf_invalid(v, ERR_MALFORMED, arity_at, "a negative arity");
    return arity > UINT8_MAX ? etf_uses(v, ETF_USES_WIDE_EXPORT, at) : ERR_NONE;
}
