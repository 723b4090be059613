/*
 * open: a whole external term: its version byte, and what is compressed (zlib), inflated to the size that it
 * says and no further.
 */
#include <limits.h>
#include <zlib.h>

#include "base/mem.h"
#include "etf/validate.h"

enum {
    HEAD_LEN = 1, /* the version byte */
    FIRST_PIECE = 16 * 1024,
    LAST_PIECE = 1024 * 1024,
};

static void *inflate_alloc(void *opaque, unsigned items, unsigned size)
{
    (void)opaque;
    return mem_realloc_array(NULL, items, size);
}

static void inflate_free(void *opaque, void *p)
{
    (void)opaque;
    mem_free(p);
}

/*
 * Appends what `z` inflates to, which must be `size` bytes and use up all input. The buffer grows as bytes
 * come: the announced size alone costs nothing.
 */
static enum err inflate_all(z_stream *z, size_t size, struct wr *w, const char **ret_text)
{
    size_t start = w->len, piece = FIRST_PIECE;
    int got = Z_OK;

    while (got == Z_OK) {
        size_t left = size - (w->len - start), n = left < piece ? left : piece;
        uint8_t *p = wr_room(w, n), spare;

        if (!p)
            return w->err;
        /* With the size reached one byte of room is left to it, which shows whether it would go on. */
        z->next_out = n ? p : &spare;
        z->avail_out = n ? (uInt)n : 1;
        got = inflate(z, Z_NO_FLUSH);
        if (n == 0 && z->avail_out == 0) {
            *ret_text = "a compressed term is larger than it says";
            return ERR_MALFORMED;
        }
        if (n)
            w->len += n - z->avail_out;
        if (piece < LAST_PIECE)
            piece *= 2;
    }
    if (got == Z_MEM_ERROR)
        return ERR_NOMEM;
    if (got == Z_BUF_ERROR && z->avail_in == 0) {
        *ret_text = "a compressed term ends too early";
        return ERR_MORE;
    }
    if (got != Z_STREAM_END) {
        *ret_text = "a compressed term does not inflate";
        return ERR_MALFORMED;
    }
    if (w->len - start != size) {
        *ret_text = "a compressed term is smaller than it says";
        return ERR_MALFORMED;
    }
    if (z->avail_in) {
        *ret_text = "something follows the compressed term";
        return ERR_MALFORMED;
    }
    return ERR_NONE;
}

/* r stands behind ETF_COMPRESSED. Gives the inflated term as a part of scratch. */
static enum err decompress(struct rd *r, const struct etf_rules *rules, struct wr *scratch, struct slice *ret,
                           struct fault *f)
{
    z_stream z = {.zalloc = inflate_alloc, .zfree = inflate_free};
    size_t start = scratch->len, size = rd_be32(r);
    const char *text = "";
    enum err e;

    if (!rd_ok(r))
        return fault_set(f, ERR_MORE, r->err_offset, "the input ends inside this term");
    if ((rules && rules->max_bytes && size > rules->max_bytes) || size > scratch->ceiling)
        return fault_set(f, ERR_TOO_LARGE, HEAD_LEN, "the term is larger than allowed");
    if (rd_left(r) > UINT_MAX)
        return fault_set(f, ERR_TOO_LARGE, HEAD_LEN, "the term is larger than allowed");
    z.avail_in = (uInt)rd_left(r);
    /* zlib's pointer has no const unless asked for; it does not write there. */
    z.next_in = (z_const Bytef *)(uintptr_t)r->pos;
    if (inflateInit(&z) != Z_OK)
        return fault_set(f, ERR_NOMEM, HEAD_LEN, "");
    e = inflate_all(&z, size, scratch, &text);
    inflateEnd(&z);
    if (e != ERR_NONE)
        return fault_set(f, e, HEAD_LEN, text);
    *ret = slice_of(scratch->buf + start, scratch->len - start);
    return ERR_NONE;
}

enum err etf_open(struct slice whole, const struct etf_rules *rules, struct wr *scratch,
                  struct slice *ret_term, uint32_t *ret_uses, struct fault *f)
{
    struct rd r = rd_of(whole);
    uint8_t version = rd_u8(&r);
    uint32_t uses, compressed = 0;
    struct slice term;
    enum err e;

    if (!rd_ok(&r))
        return fault_set(f, ERR_MORE, 0, "the input is empty");
    if (version != ETF_VERSION)
        return fault_set(f, ERR_MALFORMED, 0, "expected the version byte 131");
    term = rd_rest(&r);
    if (term.len && *term.ptr == ETF_COMPRESSED) {
        if (rules && rules->refuse & ETF_USES_COMPRESSED)
            return fault_set(f, ERR_PEER_UNSUPPORTED, HEAD_LEN, "a compressed term");
        compressed = ETF_USES_COMPRESSED;
        rd_skip(&r, 1);
        e = decompress(&r, rules, scratch, &term, f);
        if (e != ERR_NONE)
            return e;
    }
    e = etf_validate(term, NULL, rules, &uses, f);
    if (e != ERR_NONE) {
        if (f)
            f->offset += HEAD_LEN;
        return e;
    }
    *ret_term = term;
    if (ret_uses)
        *ret_uses = uses | compressed;
    return ERR_NONE;
}
