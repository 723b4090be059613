#include "http/gzip.h"

#include <zlib.h>

#include "base/mem.h"
#include "http/text.h"

enum { GZIP_WINDOW_BITS = 15 + 16, MEM_LEVEL = 8, UNKNOWN = 1001 };

struct http_gzip {
    z_stream z;
};

static void *zlib_alloc(void *ctx, uInt count, uInt size)
{
    (void)ctx;
    return mem_realloc_array(NULL, count, size);
}

static void zlib_free(void *ctx, void *p)
{
    (void)ctx;
    mem_free(p);
}

struct http_gzip *http_gzip_new(int level)
{
    struct http_gzip *z = mem_zalloc(sizeof *z);

    if (!z)
        return NULL;
    z->z.zalloc = zlib_alloc;
    z->z.zfree = zlib_free;
    if (deflateInit2(&z->z, level, Z_DEFLATED, GZIP_WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK)
        return z;
    mem_free(z);
    return NULL;
}

void http_gzip_free(struct http_gzip *z)
{
    if (!z)
        return;
    deflateEnd(&z->z);
    mem_free(z);
}

enum err http_gzip_pack(struct http_gzip *z, struct slice in, uint8_t **ret, size_t *ret_len)
{
    uint8_t *out;

    if (in.len < 2 || in.len > UINT32_MAX)
        return ERR_TOO_LARGE;
    out = mem_alloc(in.len - 1);
    if (!out)
        return ERR_NOMEM;
    deflateReset(&z->z);
    z->z.next_in = (z_const Bytef *)(uintptr_t)in.ptr;
    z->z.avail_in = (uInt)in.len;
    z->z.next_out = out;
    z->z.avail_out = (uInt)(in.len - 1);
    if (deflate(&z->z, Z_FINISH) != Z_STREAM_END) {
        mem_free(out);
        return ERR_TOO_LARGE;
    }
    *ret_len = z->z.total_out;
    *ret = mem_realloc_array(out, *ret_len, 1); /* as small as it has become */
    if (!*ret)
        *ret = out;
    return ERR_NONE;
}

/* ---- Accept-Encoding ---- */

/* codings = content-coding / "identity" / "*", each with an optional weight. False when malformed. */
static bool read_coding(struct slice in, struct slice *ret_name, unsigned *ret_q)
{
    struct slice name, value;

    *ret_q = 1000;
    *ret_name = text_take_token(&in);
    if (!ret_name->len)
        return false;
    in = text_trim(in);
    if (!in.len)
        return true;
    if (!text_take_char(&in, ';'))
        return false;
    in = text_trim(in);
    name = text_take_token(&in);
    return text_eq_nocase(name, "q") && text_take_char(&in, '=') && text_take_value(&in, &value) && !in.len &&
           text_read_q(value, ret_q);
}

bool http_gzip_is_liked(struct slice accept_encoding)
{
    unsigned gzip = UNKNOWN, identity = UNKNOWN, rest = UNKNOWN, q;
    struct slice element, name;

    while (text_take_element(&accept_encoding, &element)) {
        if (!read_coding(element, &name, &q))
            continue;
        if (text_eq_nocase(name, "gzip") || text_eq_nocase(name, "x-gzip"))
            gzip = q;
        else if (text_eq_nocase(name, "identity"))
            identity = q;
        else if (slice_eq_str(name, "*"))
            rest = q;
    }
    if (gzip == UNKNOWN)
        gzip = rest;
    if (identity == UNKNOWN)
        identity = 0; /* acceptable, and liked less than whatever is named */
    return gzip != UNKNOWN && gzip > 0 && gzip >= identity;
}
