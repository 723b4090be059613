/*
 * wr: a growing byte writer with a ceiling.
 *
 * Made by wr_init, owned by whoever holds the struct, ended by wr_fini (or emptied of its buffer by wr_take).
 * Failure is sticky: after one, every write is a no-op and wr.err tells why (ERR_TOO_LARGE past the ceiling,
 * ERR_NOMEM). Multi-byte integers are written big-endian, as the external term format and EPMD want them.
 */
#ifndef ERLGATE_BASE_WR_H
#define ERLGATE_BASE_WR_H

#include "base/be.h"
#include "base/err.h"
#include "base/slice.h"

struct wr {
    uint8_t *buf;   /* owned; NULL until the first write */
    size_t len;     /* bytes written */
    size_t cap;     /* bytes allocated */
    size_t ceiling; /* len never passes this */
    enum err err;   /* the first failure */
    unsigned open;  /* reservations not yet patched: a writer with one is not finished */
};

/* ceiling in bytes; SIZE_MAX for none. Allocates nothing. */
void wr_init(struct wr *w, size_t ceiling);
void wr_fini(struct wr *w);
/* Empties it, keeps the buffer, forgets a failure. */
void wr_reset(struct wr *w);
/* The buffer (free with mem_free) is yours now; the writer is as after wr_init. NULL if nothing was written.
 */
uint8_t *wr_take(struct wr *w, size_t *ret_len);

/* Slow path of wr_room; false and sticky failure when it cannot be had. */
bool wr_grow(struct wr *w, size_t n);

/* A pointer to n free bytes after what is written, or NULL. Commit with w->len += (at most n). */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
    if (__builtin_expect(w->cap - w->len < n || w->err != ERR_NONE || !w->buf, 0)) {
        if (!wr_grow(w, n))
            return NULL;
    }
    return w->buf + w->len;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
    uint8_t *p = wr_room(w, 1);

    if (p) {
        *p = v;
        w->len += 1;
    }
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
    uint8_t *p = wr_room(w, 2);

    if (p) {
        be_store16(p, v);
        w->len += 2;
    }
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
    uint8_t *p = wr_room(w, 4);

    if (p) {
        be_store32(p, v);
        w->len += 4;
    }
}

/* n numbers of 4 bytes. */
static inline void wr_be32_each(struct wr *w, const uint32_t *v, size_t n)
{
    uint8_t *p = wr_room(w, 4 * n);

    if (!p)
        return;
    w->len += 4 * n;
    for (; n > 0; n--, v++, p += 4)
        be_store32(p, *v);
}

static inline void wr_be64(struct wr *w, uint64_t v)
{
    uint8_t *p = wr_room(w, 8);

    if (p) {
        be_store64(p, v);
        w->len += 8;
    }
}

static inline void wr_bytes(struct wr *w, const void *src, size_t n)
{
    uint8_t *p = wr_room(w, n);

    if (p && n) {
        memcpy(p, src, n);
        w->len += n;
    }
}

static inline void wr_slice(struct wr *w, struct slice s)
{
    wr_bytes(w, s.ptr, s.len);
}

void wr_str(struct wr *w, const char *s);
/* printf into the writer, without the NUL. */
__attribute__((format(printf, 2, 3))) void wr_printf(struct wr *w, const char *fmt, ...);

/* Leaves n zero bytes to be filled in later; gives their offset. Each reservation must be patched once. */
size_t wr_reserve(struct wr *w, size_t n);
void wr_patch_be16(struct wr *w, size_t at, uint16_t v);
void wr_patch_be32(struct wr *w, size_t at, uint32_t v);

static inline struct slice wr_written(const struct wr *w)
{
    return (struct slice){w->buf, w->len};
}

static inline bool wr_ok(const struct wr *w)
{
    return w->err == ERR_NONE;
}

/* Sticky failure from outside: something that should have been written could not be. */
static inline void wr_fail(struct wr *w, enum err e)
{
    if (w->err == ERR_NONE)
        w->err = e;
}

#endif
