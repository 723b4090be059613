/*
 * slice: a borrowed run of bytes, passed by value.
 *
 * Made from bytes somebody else owns; valid exactly as long as those bytes are. Never NUL-terminated.
 * An empty slice may have any pointer, NULL too.
 */
#ifndef ERLGATE_BASE_SLICE_H
#define ERLGATE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *ptr; /* borrowed */
    size_t len;         /* bytes */
};

/* A slice over a string literal, without its NUL. Usable in static initialisers. */
#define SLICE_LIT(s)                           \
    {                                          \
        (const uint8_t *)("" s), sizeof(s) - 1 \
    }
#define SLICE(s) ((struct slice)SLICE_LIT(s))

static inline struct slice slice_of(const void *ptr, size_t len)
{
    return (struct slice){(const uint8_t *)ptr, len}; /* the cast is for C++ */
}

static inline struct slice slice_of_str(const char *s)
{
    return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_eq_str(struct slice a, const char *s)
{
    return slice_eq(a, slice_of_str(s));
}

/* Byte order, then length: a total order that memcmp alone does not give. */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;

    return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* For printf's "%.*s". */
#define SLICE_FMT(s) (int)(s).len, (const char *)(s).ptr

#endif
