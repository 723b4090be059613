/*
 * wire: the parts that terms of the external term format are made of, read once for all files of this layer.
 *
 * Private to etf/. Each function reads what follows a tag that the caller has already taken, and leaves a
 * failure in the cursor. The form is checked so far as is needed to find the end; what a value must obey
 * beside that is validation's business (validate.c).
 */
#ifndef ERLGATE_ETF_WIRE_H
#define ERLGATE_ETF_WIRE_H

#include "etf/term.h"

enum {
    ETF_FLOAT_TEXT_LEN = 31, /* FLOAT_EXT */
    ETF_FUN_UNIQ_LEN = 16,   /* NEW_FUN_EXT's MD5 of the module */
    ETF_FUN_TERMS = 4,       /* module, old index, old uniq, pid; then the free variables */
    ETF_EXPORT_TERMS = 3,    /* module, function, arity */
    ETF_LOCAL_HASH_LEN = 4,  /* LOCAL_EXT */
    ETF_RECORD_EXPORTED = 1, /* RECORD_EXT's flag */
    ETF_BIG_MAX_BYTES = 524280,
    ETF_TUPLE_MAX_ARITY = (1 << 24) - 1,
};

static inline bool etf_tag_is_atom(uint8_t tag)
{
    return tag == ETF_SMALL_ATOM_UTF8_EXT || tag == ETF_ATOM_UTF8_EXT || tag == ETF_ATOM_CACHE_REF ||
           tag == ETF_ATOM_EXT || tag == ETF_SMALL_ATOM_EXT;
}

/* An atom behind its tag; another tag is ERR_MALFORMED. */
static inline struct etf_atom etf_wire_atom(struct rd *r, uint8_t tag, const struct etf_atoms *atoms)
{
    struct etf_atom a = {.is_latin1 = tag == ETF_ATOM_EXT || tag == ETF_SMALL_ATOM_EXT};
    uint8_t index;

    switch (tag) {
    case ETF_SMALL_ATOM_UTF8_EXT:
    case ETF_SMALL_ATOM_EXT: a.text = rd_slice(r, rd_u8(r)); break;
    case ETF_ATOM_UTF8_EXT:
    case ETF_ATOM_EXT: a.text = rd_slice(r, rd_be16(r)); break;
    case ETF_ATOM_CACHE_REF:
        index = rd_u8(r);
        if (rd_ok(r) && atoms && index < atoms->count)
            return atoms->at[index];
        rd_fail(r, ERR_MALFORMED);
        break;
    default: rd_fail(r, ERR_MALFORMED); break;
    }
    /* Longer than any atom: no reader of ours may be handed what a writer could not write. */
    if (a.text.len > (a.is_latin1 ? (size_t)ETF_ATOM_MAX_CHARS : (size_t)ETF_ATOM_MAX_BYTES))
        rd_fail(r, ERR_MALFORMED);
    return a;
}

/* A node's name, where the format has an atom with its tag. */
static inline struct etf_atom etf_wire_node(struct rd *r, const struct etf_atoms *atoms)
{
    return etf_wire_atom(r, rd_u8(r), atoms);
}

static inline struct etf_pid etf_wire_pid(struct rd *r, uint8_t tag, const struct etf_atoms *atoms)
{
    struct etf_pid pid = {.node = etf_wire_node(r, atoms)};

    pid.id = rd_be32(r);
    pid.serial = rd_be32(r);
    pid.creation = tag == ETF_PID_EXT ? rd_u8(r) : rd_be32(r);
    return pid;
}

static inline struct etf_port etf_wire_port(struct rd *r, uint8_t tag, const struct etf_atoms *atoms)
{
    struct etf_port port = {.node = etf_wire_node(r, atoms)};

    port.id = tag == ETF_V4_PORT_EXT ? rd_be64(r) : rd_be32(r);
    port.creation = tag == ETF_PORT_EXT ? rd_u8(r) : rd_be32(r);
    return port;
}

static inline struct etf_ref etf_wire_ref(struct rd *r, uint8_t tag, const struct etf_atoms *atoms)
{
    struct etf_ref ref = {.count = 1};

    if (tag == ETF_REFERENCE_EXT) {
        ref.node = etf_wire_node(r, atoms);
        ref.words[0] = rd_be32(r);
        ref.creation = rd_u8(r);
        return ref;
    }
    ref.count = rd_be16(r);
    if (ref.count == 0 || ref.count > ETF_REF_MAX_WORDS) {
        rd_fail(r, ERR_MALFORMED);
        ref.count = 0;
    }
    ref.node = etf_wire_node(r, atoms);
    ref.creation = tag == ETF_NEW_REFERENCE_EXT ? rd_u8(r) : rd_be32(r);
    for (uint32_t i = 0; i < ref.count; i++)
        ref.words[i] = rd_be32(r);
    return ref;
}

/* Five words and a mark in the second: an alias of OTP 26 and later, whose last two words are a pid's
 * immediate term. */
static inline bool etf_ref_has_pid(const struct etf_ref *ref)
{
    return ref->count == 5 && ref->words[1] >> 16 & 1;
}

/* SMALL_BIG_EXT or LARGE_BIG_EXT: the magnitude, little-endian, as it stands. */
static inline struct slice etf_wire_big(struct rd *r, uint8_t tag, bool *ret_negative)
{
    uint32_t n = tag == ETF_SMALL_BIG_EXT ? rd_u8(r) : rd_be32(r);

    *ret_negative = rd_u8(r) != 0;
    return rd_slice(r, n);
}

/* BIT_BINARY_EXT: at least one byte, and ret_bits of the last, 1 to 8. */
static inline struct slice etf_wire_bits(struct rd *r, unsigned *ret_bits)
{
    uint32_t n = rd_be32(r);

    *ret_bits = rd_u8(r);
    if (rd_ok(r) && (n == 0 || *ret_bits < 1 || *ret_bits > 8))
        rd_fail(r, ERR_MALFORMED);
    return rd_slice(r, n);
}

/* NEW_FLOAT_EXT or FLOAT_EXT; ERR_MALFORMED for what is no finite number. */
double etf_wire_float(struct rd *r, uint8_t tag);

/* Without the zero bytes at its high end. */
static inline struct slice etf_magnitude_trim(struct slice m)
{
    while (m.len && m.ptr[m.len - 1] == 0)
        m.len--;
    return m;
}

#endif
