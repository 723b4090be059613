#include "etf/write.h"

#include "base/check.h"
#include "base/utf8.h"
#include "etf/wire.h"

void etf_write_version(struct wr *w)
{
    wr_u8(w, ETF_VERSION);
}

/* tag, then a length of four bytes. */
static void write_head32(struct wr *w, uint8_t tag, uint32_t n)
{
    uint8_t *p = wr_room(w, 5);

    if (!p)
        return;
    p[0] = tag;
    be_store32(p + 1, n);
    w->len += 5;
}

void etf_write_atom(struct wr *w, struct slice utf8)
{
    CHECK(utf8.len <= ETF_ATOM_MAX_BYTES);
    if (utf8.len <= UINT8_MAX) {
        uint8_t *p = wr_room(w, 2 + utf8.len);

        if (!p)
            return;
        p[0] = ETF_SMALL_ATOM_UTF8_EXT;
        p[1] = (uint8_t)utf8.len;
        if (utf8.len)
            memcpy(p + 2, utf8.ptr, utf8.len);
        w->len += 2 + utf8.len;
        return;
    }
    wr_u8(w, ETF_ATOM_UTF8_EXT);
    wr_be16(w, (uint16_t)utf8.len);
    wr_slice(w, utf8);
}

void etf_write_atom_str(struct wr *w, const char *utf8)
{
    etf_write_atom(w, slice_of_str(utf8));
}

void etf_write_atom_as(struct wr *w, struct etf_atom atom)
{
    uint8_t text[2 * ETF_ATOM_MAX_CHARS], *p = text;

    if (!atom.is_latin1) {
        etf_write_atom(w, atom.text);
        return;
    }
    CHECK(atom.text.len <= ETF_ATOM_MAX_CHARS);
    for (size_t i = 0; i < atom.text.len; i++)
        p += utf8_encode(atom.text.ptr[i], p);
    etf_write_atom(w, slice_of(text, (size_t)(p - text)));
}

static void write_magnitude64(struct wr *w, bool negative, uint64_t m)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(m >> 8 * i);
    etf_write_big(w, negative, slice_of(bytes, sizeof bytes));
}

void etf_write_int64(struct wr *w, int64_t v)
{
    if (v >= 0 && v <= UINT8_MAX) {
        wr_u8(w, ETF_SMALL_INTEGER_EXT);
        wr_u8(w, (uint8_t)v);
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
        write_head32(w, ETF_INTEGER_EXT, (uint32_t)v);
    } else {
        write_magnitude64(w, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    }
}

void etf_write_uint64(struct wr *w, uint64_t v)
{
    if (v <= INT64_MAX)
        etf_write_int64(w, (int64_t)v);
    else
        write_magnitude64(w, false, v);
}

void etf_write_big(struct wr *w, bool negative, struct slice magnitude)
{
    struct slice m = etf_magnitude_trim(magnitude);
    uint64_t v = 0;

    for (size_t i = m.len <= 4 ? m.len : 0; i > 0; i--)
        v = v << 8 | m.ptr[i - 1];
    if (m.len <= 4 && v <= (uint64_t)INT32_MAX + negative) {
        etf_write_int64(w, negative ? -(int64_t)v : (int64_t)v);
        return;
    }
    if (m.len > UINT32_MAX) {
        wr_fail(w, ERR_TOO_LARGE);
        return;
    }
    if (m.len <= UINT8_MAX) {
        wr_u8(w, ETF_SMALL_BIG_EXT);
        wr_u8(w, (uint8_t)m.len);
    } else {
        write_head32(w, ETF_LARGE_BIG_EXT, (uint32_t)m.len);
    }
    wr_u8(w, negative);
    wr_slice(w, m);
}

void etf_write_float(struct wr *w, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    CHECK((bits >> 52 & 0x7FF) != 0x7FF);
    wr_u8(w, ETF_NEW_FLOAT_EXT);
    wr_be64(w, bits);
}

void etf_write_binary(struct wr *w, struct slice bytes)
{
    if (bytes.len > UINT32_MAX) {
        wr_fail(w, ERR_TOO_LARGE);
        return;
    }
    write_head32(w, ETF_BINARY_EXT, (uint32_t)bytes.len);
    wr_slice(w, bytes);
}

void etf_write_bitstring(struct wr *w, struct slice bytes, unsigned bits_in_last)
{
    CHECK(bits_in_last >= 1 && bits_in_last <= 8);
    if (bits_in_last == 8 || bytes.len == 0) {
        etf_write_binary(w, bytes);
        return;
    }
    if (bytes.len > UINT32_MAX) {
        wr_fail(w, ERR_TOO_LARGE);
        return;
    }
    write_head32(w, ETF_BIT_BINARY_EXT, (uint32_t)bytes.len);
    wr_u8(w, (uint8_t)bits_in_last);
    wr_bytes(w, bytes.ptr, bytes.len - 1);
    wr_u8(w, bytes.ptr[bytes.len - 1] & (uint8_t)(0xFF << (8 - bits_in_last)));
}

void etf_write_nil(struct wr *w)
{
    wr_u8(w, ETF_NIL_EXT);
}

void etf_write_tuple(struct wr *w, uint32_t arity)
{
    if (arity <= UINT8_MAX) {
        wr_u8(w, ETF_SMALL_TUPLE_EXT);
        wr_u8(w, (uint8_t)arity);
    } else {
        write_head32(w, ETF_LARGE_TUPLE_EXT, arity);
    }
}

void etf_write_list(struct wr *w, uint32_t len)
{
    CHECK(len > 0);
    write_head32(w, ETF_LIST_EXT, len);
}

void etf_write_string(struct wr *w, struct slice bytes)
{
    if (bytes.len == 0) {
        etf_write_nil(w);
    } else if (bytes.len <= UINT16_MAX) {
        wr_u8(w, ETF_STRING_EXT);
        wr_be16(w, (uint16_t)bytes.len);
        wr_slice(w, bytes);
    } else if (bytes.len > UINT32_MAX) {
        wr_fail(w, ERR_TOO_LARGE);
    } else {
        etf_write_list(w, (uint32_t)bytes.len);
        for (size_t i = 0; i < bytes.len; i++)
            etf_write_int64(w, bytes.ptr[i]);
        etf_write_nil(w);
    }
}

void etf_write_map(struct wr *w, uint32_t pairs)
{
    write_head32(w, ETF_MAP_EXT, pairs);
}

void etf_write_pid(struct wr *w, const struct etf_pid *pid)
{
    wr_u8(w, ETF_NEW_PID_EXT);
    etf_write_atom_as(w, pid->node);
    wr_be32_each(w, (const uint32_t[]){pid->id, pid->serial, pid->creation}, 3);
}

void etf_write_port(struct wr *w, const struct etf_port *port)
{
    /* What fits in the 28 bits of old goes out in the form that every peer can read. */
    bool is_v4 = port->id >> 28 != 0;

    wr_u8(w, is_v4 ? ETF_V4_PORT_EXT : ETF_NEW_PORT_EXT);
    etf_write_atom_as(w, port->node);
    if (is_v4)
        wr_be64(w, port->id);
    else
        wr_be32(w, (uint32_t)port->id);
    wr_be32(w, port->creation);
}

void etf_write_ref(struct wr *w, const struct etf_ref *ref)
{
    CHECK(ref->count >= 1 && ref->count <= ETF_REF_MAX_WORDS);
    wr_u8(w, ETF_NEWER_REFERENCE_EXT);
    wr_be16(w, (uint16_t)ref->count);
    etf_write_atom_as(w, ref->node);
    wr_be32(w, ref->creation);
    wr_be32_each(w, ref->words, ref->count);
}

void etf_write_export(struct wr *w, struct slice module, struct slice function, uint8_t arity)
{
    wr_u8(w, ETF_EXPORT_EXT);
    etf_write_atom(w, module);
    etf_write_atom(w, function);
    etf_write_int64(w, arity);
}
