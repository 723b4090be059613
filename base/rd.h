/*
 * rd: a cursor over bytes from outside, that knows its end and keeps its first failure.
 *
 * A read past the end gives zeroes, sets err to ERR_MORE and moves the cursor to its end, so a parser may
 * read a whole header and ask once. Made on the stack over borrowed bytes; nothing to free.
 */
#ifndef ERLGATE_BASE_RD_H
#define ERLGATE_BASE_RD_H

#include "base/be.h"
#include "base/err.h"
#include "base/slice.h"

struct rd {
    const uint8_t *pos;   /* borrowed */
    const uint8_t *end;   /* one past the last byte */
    const uint8_t *start; /* what offsets count from */
    enum err err;         /* the first failure, ERR_NONE while all is well */
    size_t err_offset;    /* where that was, bytes from start */
};

/* NULL plus nothing is undefined in C, and an empty slice may be NULL. */
static inline const uint8_t *slice_end(struct slice s)
{
    return s.len ? s.ptr + s.len : s.ptr;
}

static inline struct rd rd_of(struct slice s)
{
    return (struct rd){.pos = s.ptr, .end = slice_end(s), .start = s.ptr, .err = ERR_NONE};
}

static inline size_t rd_left(const struct rd *r)
{
    return (size_t)(r->end - r->pos);
}

static inline size_t rd_offset(const struct rd *r)
{
    return (size_t)(r->pos - r->start);
}

static inline bool rd_ok(const struct rd *r)
{
    return r->err == ERR_NONE;
}

/* Everything read, nothing wrong. */
static inline bool rd_done(const struct rd *r)
{
    return r->err == ERR_NONE && r->pos == r->end;
}

/* The first failure wins; the cursor goes to its end so that loops stop. */
static inline enum err rd_fail(struct rd *r, enum err e)
{
    if (r->err == ERR_NONE) {
        r->err = e;
        r->err_offset = rd_offset(r);
    }
    r->pos = r->end;
    return r->err;
}

static inline bool rd_need(struct rd *r, size_t n)
{
    if (__builtin_expect(rd_left(r) >= n, 1))
        return true;
    rd_fail(r, ERR_MORE);
    return false;
}

static inline uint8_t rd_u8(struct rd *r)
{
    return rd_need(r, 1) ? *r->pos++ : 0;
}

static inline uint16_t rd_be16(struct rd *r)
{
    if (!rd_need(r, 2))
        return 0;
    r->pos += 2;
    return be_load16(r->pos - 2);
}

static inline uint32_t rd_be32(struct rd *r)
{
    if (!rd_need(r, 4))
        return 0;
    r->pos += 4;
    return be_load32(r->pos - 4);
}

static inline uint64_t rd_be64(struct rd *r)
{
    if (!rd_need(r, 8))
        return 0;
    r->pos += 8;
    return be_load64(r->pos - 8);
}

/* The next n bytes, borrowed; empty on failure. */
static inline struct slice rd_slice(struct rd *r, size_t n)
{
    struct slice s = {0};

    if (rd_need(r, n)) {
        s = (struct slice){r->pos, n};
        r->pos += n;
    }
    return s;
}

static inline void rd_skip(struct rd *r, size_t n)
{
    if (rd_need(r, n))
        r->pos += n;
}

/* A child over the next n bytes, which the parent then has behind it. Offsets of the child count from the
 * parent's start. The child of a failed parent has failed. */
static inline struct rd rd_carve(struct rd *r, size_t n)
{
    struct slice s = rd_slice(r, n);

    return (struct rd){
        .pos = s.ptr, .end = slice_end(s), .start = r->start, .err = r->err, .err_offset = r->err_offset};
}

static inline struct slice rd_rest(const struct rd *r)
{
    return (struct slice){r->pos, rd_left(r)};
}

#endif
