#include "base/wr.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

enum { FIRST_CAPACITY = 256 };

void wr_init(struct wr *w, size_t ceiling)
{
    *w = (struct wr){.ceiling = ceiling};
}

void wr_fini(struct wr *w)
{
    mem_free(w->buf);
    *w = (struct wr){.ceiling = w->ceiling};
}

void wr_reset(struct wr *w)
{
    w->len = 0;
    w->err = ERR_NONE;
    w->open = 0;
}

uint8_t *wr_take(struct wr *w, size_t *ret_len)
{
    uint8_t *buf = w->buf;

    CHECK(w->open == 0);
    if (ret_len)
        *ret_len = w->len;
    wr_init(w, w->ceiling);
    return buf;
}

bool wr_grow(struct wr *w, size_t n)
{
    size_t want, cap;
    uint8_t *buf;

    if (w->err != ERR_NONE)
        return false;
    if (n > w->ceiling || w->len > w->ceiling - n) {
        w->err = ERR_TOO_LARGE;
        return false;
    }
    want = w->len + n;
    if (w->buf && want <= w->cap)
        return true;
    cap = w->cap < FIRST_CAPACITY ? FIRST_CAPACITY : w->cap;
    while (cap < want) {
        /* Doubling is capped by the ceiling, so that a limit of N bytes never holds 2N. */
        cap = cap > w->ceiling / 2 ? w->ceiling : cap * 2;
    }
    if (cap > w->ceiling)
        cap = w->ceiling > want ? w->ceiling : want;
    buf = mem_realloc_array(w->buf, cap, 1);
    if (!buf) {
        w->err = ERR_NOMEM;
        return false;
    }
    w->buf = buf;
    w->cap = cap;
    return true;
}

void wr_str(struct wr *w, const char *s)
{
    wr_bytes(w, s, strlen(s));
}

void wr_printf(struct wr *w, const char *fmt, ...)
{
    va_list ap;
    uint8_t *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    /* vsnprintf wants room for a NUL, which the ceiling must not count. */
    p = wr_room(w, (size_t)n);
    if (!p)
        return;
    if (w->cap - w->len > (size_t)n) {
        va_start(ap, fmt);
        vsnprintf((char *)p, (size_t)n + 1, fmt, ap);
        va_end(ap);
    } else {
        char *copy = mem_alloc((size_t)n + 1);

        if (!copy) {
            w->err = ERR_NOMEM;
            return;
        }
        va_start(ap, fmt);
        vsnprintf(copy, (size_t)n + 1, fmt, ap);
        va_end(ap);
        memcpy(p, copy, (size_t)n);
        mem_free(copy);
    }
    w->len += (size_t)n;
}

size_t wr_reserve(struct wr *w, size_t n)
{
    size_t at = w->len;
    uint8_t *p = wr_room(w, n);

    if (p) {
        memset(p, 0, n);
        w->len += n;
        w->open++;
    }
    return at;
}

static uint8_t *patch(struct wr *w, size_t at, size_t n)
{
    if (w->err != ERR_NONE)
        return NULL;
    CHECK(w->open > 0 && at + n <= w->len);
    w->open--;
    return w->buf + at;
}

void wr_patch_be16(struct wr *w, size_t at, uint16_t v)
{
    uint8_t *p = patch(w, at, 2);

    if (p)
        be_store16(p, v);
}

void wr_patch_be32(struct wr *w, size_t at, uint32_t v)
{
    uint8_t *p = patch(w, at, 4);

    if (p)
        be_store32(p, v);
}
