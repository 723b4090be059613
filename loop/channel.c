#include "loop/channel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

enum {
    ALIGN = 8,
    KEPT_BYTES_MAX = 1 << 20, /* of a buffer, from batch to batch */
};

/* Before each message. */
struct head {
    uint32_t kind, len; /* len: of the body, without what fills it up to ALIGN */
};

struct channel {
    uv_async_t uv; /* the receiver's loop's */
    /* The sender's: what it writes. */
    struct wr open;
    size_t begun; /* where the message that is being written begins */
    /* Both's: what has been flushed and not been fetched, and how much of it, with what has been fetched and
     * not been read yet. */
    pthread_mutex_t lock;
    struct wr flushed;
    atomic_size_t waiting;
    /* The receiver's: what it reads. */
    struct wr fetched;
    channel_fn *fn;
    void (*batch)(void *ctx);
    void *ctx; /* borrowed */
    size_t room;
    bool is_closed;
};

/* ---- the sender ---- */

bool channel_is_full(const struct channel *c)
{
    return c->open.len + atomic_load_explicit(&c->waiting, memory_order_relaxed) > c->room;
}

struct wr *channel_begin(struct channel *c, unsigned kind)
{
    struct head head = {.kind = kind};

    c->begun = c->open.len;
    wr_bytes(&c->open, &head, sizeof head);
    if (wr_ok(&c->open))
        return &c->open;
    wr_reset(&c->open);
    c->open.len = c->begun;
    return NULL;
}

bool channel_end(struct channel *c)
{
    static const uint8_t fill[ALIGN];
    size_t len = c->open.len - c->begun - sizeof(struct head);
    bool is_written = wr_ok(&c->open) && len <= UINT32_MAX;
    uint32_t len32 = (uint32_t)len;

    if (is_written) {
        wr_bytes(&c->open, fill, (ALIGN - len % ALIGN) % ALIGN);
        is_written = wr_ok(&c->open);
    }
    if (!is_written) {
        wr_reset(&c->open); /* which keeps the bytes */
        c->open.len = c->begun;
        return false;
    }
    memcpy(c->open.buf + c->begun + offsetof(struct head, len), &len32, sizeof len32);
    return true;
}

bool channel_send(struct channel *c, unsigned kind, const void *head, size_t head_len, struct slice body)
{
    struct wr *w = channel_begin(c, kind);

    if (!w)
        return false;
    wr_bytes(w, head, head_len);
    wr_slice(w, body);
    return channel_end(c);
}

static void swap(struct wr *a, struct wr *b)
{
    struct wr was = *a;

    *a = *b;
    *b = was;
}

/* A large batch does not hold its memory for ever. */
static void empty(struct wr *w)
{
    uint8_t *less = w->cap > KEPT_BYTES_MAX ? mem_realloc_array(w->buf, CHANNEL_SURE_BYTES, 1) : NULL;

    if (less) {
        w->buf = less;
        w->cap = CHANNEL_SURE_BYTES;
    }
    wr_reset(w);
}

void channel_flush(struct channel *c)
{
    size_t len = c->open.len;

    if (len == 0)
        return;
    pthread_mutex_lock(&c->lock);
    if (c->flushed.len == 0) {
        swap(&c->flushed, &c->open);
    } else {
        wr_slice(&c->flushed, wr_written(&c->open));
        if (!wr_ok(&c->flushed)) {
            /* No memory: it goes over in a later turn, once the receiver has fetched what is there. */
            len = 0;
            c->flushed.err = ERR_NONE;
        }
    }
    pthread_mutex_unlock(&c->lock);
    if (len == 0)
        return;
    atomic_fetch_add_explicit(&c->waiting, len, memory_order_relaxed);
    empty(&c->open);
    uv_async_send(&c->uv);
}

/* ---- the receiver ---- */

static void fetch(struct channel *c)
{
    empty(&c->fetched);
    pthread_mutex_lock(&c->lock);
    swap(&c->flushed, &c->fetched);
    pthread_mutex_unlock(&c->lock);
}

static void read_all(struct channel *c)
{
    size_t at = 0;

    while (at < c->fetched.len && !c->is_closed) {
        struct head head;

        memcpy(&head, c->fetched.buf + at, sizeof head);
        at += sizeof head;
        c->fn(c->ctx, head.kind, slice_of(c->fetched.buf + at, head.len));
        at += (head.len + ALIGN - 1) / ALIGN * ALIGN;
    }
    if (c->batch && !c->is_closed)
        c->batch(c->ctx);
    atomic_fetch_sub_explicit(&c->waiting, c->fetched.len, memory_order_relaxed);
    empty(&c->fetched);
}

static void woken(uv_async_t *uv)
{
    struct channel *c = uv->data;

    loop_worked(uv->loop);
    fetch(c);
    read_all(c);
}

void channel_drain(struct channel *c)
{
    do {
        fetch(c);
        if (c->fetched.len == 0)
            return;
        read_all(c);
    } while (!c->is_closed);
}

static void free_all(struct channel *c)
{
    wr_fini(&c->open);
    wr_fini(&c->flushed);
    wr_fini(&c->fetched);
    mem_free(c);
}

/* Buffers go round, so that each of the three is the one that is written to. */
static bool make_sure(struct wr *w)
{
    wr_init(w, SIZE_MAX);
    return wr_room(w, CHANNEL_SURE_BYTES) != NULL;
}

struct channel *channel_new(struct loop *receiver, size_t room, channel_fn *fn, void (*batch)(void *ctx),
                            void *ctx)
{
    struct channel *c = mem_zalloc(sizeof *c);

    if (!c)
        return NULL;
    c->fn = fn;
    c->batch = batch;
    c->ctx = ctx;
    c->room = room;
    if (!make_sure(&c->open) || !make_sure(&c->flushed) || !make_sure(&c->fetched) ||
        uv_async_init(&receiver->uv, &c->uv, woken) != 0) {
        free_all(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    c->uv.data = c;
    return c;
}

static void closed(uv_handle_t *uv)
{
    struct channel *c = uv->data;

    pthread_mutex_destroy(&c->lock);
    free_all(c);
}

void channel_free(struct channel *c)
{
    if (!c)
        return;
    CHECK(!c->is_closed);
    c->is_closed = true;
    uv_close((uv_handle_t *)&c->uv, closed);
}
