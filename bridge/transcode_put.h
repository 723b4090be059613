/*
 * transcode_put: the terms that the loop of transcode_in.c writes itself, as bytes at a position that has the
 * room. Not for others.
 */
#ifndef ERLGATE_BRIDGE_TRANSCODE_PUT_H
#define ERLGATE_BRIDGE_TRANSCODE_PUT_H

#include "base/check.h"
#include "bridge/transcode_in.h"

enum { STRING_EXT_MAX = 65535 };

static ALWAYS_INLINE uint8_t *put_int32(uint8_t *o, uint32_t value)
{
    if (value <= UINT8_MAX) {
        o[0] = ETF_SMALL_INTEGER_EXT;
        o[1] = (uint8_t)value;
        return o + 2;
    }
    o[0] = ETF_INTEGER_EXT;
    be_store32(o + 1, value);
    return o + 5;
}

/* An integer of at most 19 digits in its shortest form; up to 11 bytes. */
static inline uint8_t *put_integer(uint8_t *o, uint64_t v, bool negative)
{
    unsigned n;

    if (LIKELY(v <= (uint64_t)INT32_MAX + negative))
        return put_int32(o, ((uint32_t)v ^ (0 - (uint32_t)negative)) + negative);
    n = 8 - (unsigned)__builtin_clzll(v) / 8;
    o[0] = ETF_SMALL_BIG_EXT;
    o[1] = (uint8_t)n;
    o[2] = negative;
    le_store64(o + 3, v);
    return o + 3 + n;
}

static inline uint8_t *put_float(uint8_t *o, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, 8);
    o[0] = ETF_NEW_FLOAT_EXT;
    be_store64(o + 1, bits);
    return o + 9;
}

/* Is the newest key, which stands at o - its length, equal to one before? For few keys. skew: where the bytes
 * that differ start: at the length of a binary, so that length and first bytes are compared as one word. */
static inline bool is_repeated(const struct in *s, const struct in_frame *f, const uint8_t *base,
                               uint32_t key, uint32_t len, unsigned skew)
{
    uint64_t mask = len - skew >= 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * (len - skew)) - 1;
    uint64_t word = le_load64(base + key + skew) & mask;

    for (const uint32_t *k = s->keys + f->keys, *end = s->keys + s->key_count; k < end; k++) {
        if (UNLIKELY((le_load64(base + *k + skew) & mask) == word) && memcmp(base + *k, base + key, len) == 0)
            return true;
    }
    return false;
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

#endif
