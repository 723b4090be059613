#include "dist/frame.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    FIRST_IN = 4096,          /* enough for each message of the handshake: a stranger gets no more */
    KEPT_WHEN_IDLE = 1 << 18, /* a larger empty buffer is given back */
    READ_AT_ONCE = 1 << 16,   /* worth offering to the kernel at once */
};

void dist_in_init(struct dist_in *in)
{
    *in = (struct dist_in){0};
}

void dist_in_fini(struct dist_in *in)
{
    mem_free(in->buf);
    dist_in_init(in);
}

static bool resize(struct dist_in *in, size_t cap)
{
    uint8_t *buf = mem_realloc_array(in->buf, cap, 1);

    if (!buf)
        return false;
    in->buf = buf;
    in->cap = cap;
    return true;
}

static void to_front(struct dist_in *in)
{
    if (in->start == 0)
        return;
    if (in->end > in->start)
        memmove(in->buf, in->buf + in->start, in->end - in->start);
    in->end -= in->start;
    in->start = 0;
}

uint8_t *dist_in_room(struct dist_in *in, size_t ceiling, size_t *ret_len, enum err *ret_err)
{
    size_t cap;

    to_front(in);
    if (in->end == 0 && in->cap > KEPT_WHEN_IDLE) {
        mem_free(in->buf);
        *in = (struct dist_in){.want = in->want};
    }
    /* A busy link gets room for a good read; one whose buffer has been filled gets twice as much, until the
     * frame under way fits: what has arrived pays for what is allocated. */
    cap = in->cap;
    if (cap < FIRST_IN)
        cap = FIRST_IN;
    else if (in->end == in->cap || (in->want > in->cap && in->end > in->cap / 2))
        cap = cap < READ_AT_ONCE ? READ_AT_ONCE : cap * 2;
    if (cap > ceiling)
        cap = ceiling;
    if (cap > in->cap && !resize(in, cap)) {
        *ret_err = ERR_NOMEM;
        return NULL;
    }
    if (in->end == in->cap) {
        *ret_err = ERR_OVERLOADED;
        return NULL;
    }
    *ret_len = in->cap - in->end;
    return in->buf + in->end;
}

void dist_in_received(struct dist_in *in, size_t n)
{
    CHECK(n <= in->cap - in->end);
    in->end += n;
}

static size_t read_length(const uint8_t *p, size_t bytes)
{
    size_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

enum err dist_in_frame(struct dist_in *in, size_t length_bytes, size_t max, struct slice *ret)
{
    size_t have = in->end - in->start, len;

    in->want = 0;
    if (have < length_bytes)
        return ERR_MORE;
    len = read_length(in->buf + in->start, length_bytes);
    if (len > max)
        return ERR_TOO_LARGE;
    if (have - length_bytes < len) {
        in->want = length_bytes + len;
        return ERR_MORE;
    }
    *ret = slice_of(in->buf + in->start + length_bytes, len);
    in->start += length_bytes + len;
    return ERR_NONE;
}

void dist_out_init(struct dist_out *out)
{
    *out = (struct dist_out){0};
    wr_init(&out->wr, SIZE_MAX);
}

void dist_out_fini(struct dist_out *out)
{
    wr_fini(&out->wr);
    out->start = 0;
}

struct wr *dist_out_open(struct dist_out *out)
{
    struct wr *w = &out->wr;

    /* What is left moves to the front when it is the smaller half: each byte moves once at most for each byte
     * sent. */
    if (out->start > 0 && out->start >= w->len - out->start) {
        memmove(w->buf, w->buf + out->start, w->len - out->start);
        w->len -= out->start;
        out->start = 0;
    }
    return w;
}

enum err dist_out_close(struct dist_out *out, size_t mark)
{
    struct wr *w = &out->wr;
    enum err e = w->err;

    if (e == ERR_NONE) {
        CHECK(w->open == 0);
        return ERR_NONE;
    }
    w->len = mark;
    w->err = ERR_NONE;
    w->open = 0;
    return e;
}

struct slice dist_out_pending(const struct dist_out *out)
{
    if (out->wr.len == out->start)
        return (struct slice){0};
    return slice_of(out->wr.buf + out->start, out->wr.len - out->start);
}

void dist_out_sent(struct dist_out *out, size_t n)
{
    CHECK(n <= out->wr.len - out->start);
    out->start += n;
    if (out->start < out->wr.len)
        return;
    out->start = 0;
    if (out->wr.cap > KEPT_WHEN_IDLE)
        wr_fini(&out->wr);
    else
        wr_reset(&out->wr);
}
