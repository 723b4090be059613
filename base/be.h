/*
 * be: integers in the order of the wire, big end first, at addresses that need not be aligned; and with the
 * little end first, which is how to look at text a word at a time.
 */
#ifndef ERLGATE_BASE_BE_H
#define ERLGATE_BASE_BE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define BE_SWAP(bits, v) (v)
#define LE_SWAP(bits, v) __builtin_bswap##bits(v)
#else
#define BE_SWAP(bits, v) __builtin_bswap##bits(v)
#define LE_SWAP(bits, v) (v)
#endif

static inline uint16_t be_load16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return BE_SWAP(16, v);
}

static inline uint32_t be_load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return BE_SWAP(32, v);
}

static inline uint64_t be_load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return BE_SWAP(64, v);
}

static inline void be_store16(uint8_t *p, uint16_t v)
{
    v = BE_SWAP(16, v);
    memcpy(p, &v, sizeof v);
}

static inline void be_store32(uint8_t *p, uint32_t v)
{
    v = BE_SWAP(32, v);
    memcpy(p, &v, sizeof v);
}

static inline void be_store64(uint8_t *p, uint64_t v)
{
    v = BE_SWAP(64, v);
    memcpy(p, &v, sizeof v);
}

static inline uint32_t le_load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return LE_SWAP(32, v);
}

static inline uint64_t le_load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return LE_SWAP(64, v);
}

static inline void le_store64(uint8_t *p, uint64_t v)
{
    v = LE_SWAP(64, v);
    memcpy(p, &v, sizeof v);
}

#endif
