#include "http/history.h"

#include "base/mem.h"

void http_event_release(struct http_event *e)
{
    if (e && --e->uses == 0)
        mem_free(e);
}

static size_t cost(size_t len)
{
    return sizeof(struct http_event) + len;
}

void http_history_init(struct http_history *h)
{
    *h = (struct http_history){0};
}

static void drop_oldest(struct http_history *h)
{
    struct http_event *e = h->oldest;

    h->oldest = e->next;
    if (!h->oldest)
        h->newest = NULL;
    if (h->ahead == e)
        h->ahead = e->next;
    if (e->seq > h->read_seq) {
        h->missed++;
        h->unread--;
    }
    h->count--;
    h->bytes -= cost(e->len);
    e->next = NULL;
    http_event_release(e);
}

void http_history_fini(struct http_history *h)
{
    while (h->oldest)
        drop_oldest(h);
}

void http_history_trim(struct http_history *h, const struct http_history_limits *limits, uint64_t now_ms)
{
    while (h->oldest && (now_ms - h->oldest->at_ms > limits->age_ms || h->count > limits->events ||
                         h->bytes > limits->bytes))
        drop_oldest(h);
}

static enum err lose(struct http_history *h, enum err e)
{
    h->last_seq++;
    h->missed++;
    return e;
}

enum err http_history_add(struct http_history *h, const struct http_history_limits *limits, const char *name,
                          struct slice data, uint64_t now_ms)
{
    struct http_event *e;

    http_history_trim(h, limits, now_ms);
    if (limits->bytes < sizeof *e || data.len > limits->bytes - sizeof *e || limits->events == 0)
        return lose(h, ERR_TOO_LARGE);
    while (h->oldest && (h->count >= limits->events || h->bytes > limits->bytes - cost(data.len)))
        drop_oldest(h);
    e = mem_alloc(cost(data.len));
    if (!e)
        return lose(h, ERR_NOMEM);
    *e = (struct http_event){.seq = ++h->last_seq, .at_ms = now_ms, .name = name, .uses = 1, .len = data.len};
    if (data.len)
        memcpy(e->data, data.ptr, data.len);
    if (h->newest)
        h->newest->next = e;
    else
        h->oldest = e;
    h->newest = e;
    if (!h->ahead)
        h->ahead = e;
    h->count++;
    h->unread++;
    h->bytes += cost(e->len);
    return ERR_NONE;
}

bool http_history_seek(struct http_history *h, uint64_t seq)
{
    if (seq > h->last_seq)
        return false;
    h->taken_seq = seq;
    h->ahead = h->oldest;
    while (h->ahead && h->ahead->seq <= seq)
        h->ahead = h->ahead->next;
    return true;
}

uint64_t http_history_floor(const struct http_history *h)
{
    return h->oldest ? h->oldest->seq - 1 : h->last_seq;
}

static void advance(struct http_history *h, uint64_t seq)
{
    h->taken_seq = seq;
    if (seq > h->read_seq)
        h->read_seq = seq;
}

enum http_taken http_history_take(struct http_history *h, struct http_event **ret_event, uint64_t *ret_lost)
{
    struct http_event *e = h->ahead;
    uint64_t before = e ? e->seq - 1 : h->last_seq;

    if (before > h->taken_seq) {
        *ret_lost = before - h->taken_seq;
        advance(h, before);
        return HTTP_TAKEN_GAP;
    }
    if (!e)
        return HTTP_TAKEN_NOTHING;
    h->unread -= e->seq > h->read_seq;
    advance(h, e->seq);
    h->ahead = e->next;
    e->uses++;
    *ret_event = e;
    return HTTP_TAKEN_EVENT;
}
