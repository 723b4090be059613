/*
 * sweep: now and then it is looked for clients that have left while their requests wait, and for requests and
 * bodies that do not arrive.
 */
#include <poll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "http/internal.h"

enum {
    BATCH = 256,          /* descriptors asked about in one system call */
    BATCHES_A_SWEEP = 16, /* then the others of the loop have their turn */
    SOON_MS = 20,
    MIN_BYTES_PER_MS = 1, /* about 1 KiB/s: slower bodies are an attack, or hopeless */
};

/*
 * libmicrohttpd does not watch a suspended connection at all. POLLRDHUP tells of a client that has left even
 * when bytes of its next request lie before the end, which a recv with MSG_PEEK would not. True when there
 * may be more to look at.
 */
static bool look_at_waiting(struct http_server *s, uint64_t now_ms)
{
    struct pollfd fds[BATCH];
    uint64_t ids[BATCH];
    struct http_request *readers[BATCH]; /* of streams: they have no id any more */
    nfds_t n = 0;

    while (n < BATCH && !ring_is_empty(&s->waiting)) {
        struct http_request *r = LINK_OWNER(s->waiting.next, struct http_request, waiting);

        if (now_ms - r->checked_ms < s->config.gone_ms)
            break;
        r->checked_ms = now_ms;
        ring_append(&s->waiting, &r->waiting);
        fds[n] = (struct pollfd){.fd = r->conn->fd, .events = POLLRDHUP};
        readers[n] = r->phase == PHASE_RESTING ? r : NULL;
        ids[n++] = r->id;
    }
    if (n == 0 || poll(fds, n, 0) <= 0)
        return n == BATCH;
    for (nfds_t i = 0; i < n; i++) {
        if (!fds[i].revents)
            continue;
        if (readers[i])
            http_reader_cut(readers[i]); /* it is there until libmicrohttpd runs */
        else
            http_request_depart(s, ids[i]); /* by id: an owner that is told may answer others */
    }
    return n == BATCH;
}

/*
 * libmicrohttpd's epoll set is edge-triggered, and a read that gave less than it could have is taken for the
 * last one: an end that came together with the bytes before it is never read. To shut down reading, which
 * takes nothing away from what is there, makes another edge. Once a connection is enough: an end that comes
 * later makes its own.
 */
static bool look_at_fresh(struct http_server *s)
{
    struct pollfd fds[BATCH];
    nfds_t n = 0;

    while (n < BATCH && !ring_is_empty(&s->fresh)) {
        struct http_conn *c = LINK_OWNER(s->fresh.next, struct http_conn, arriving);

        ring_append(&s->arriving, &c->arriving);
        fds[n++] = (struct pollfd){.fd = c->fd, .events = POLLRDHUP};
    }
    if (n == 0 || poll(fds, n, 0) <= 0)
        return n == BATCH;
    for (nfds_t i = 0; i < n; i++) {
        if (fds[i].revents)
            shutdown(fds[i].fd, SHUT_RD);
    }
    return n == BATCH;
}

/* How long this connection may take to arrive at a whole request. */
static bool is_late(const struct http_server *s, const struct http_conn *c, uint64_t now_ms)
{
    uint64_t allowed = 2 * s->limits.idle_ms;

    if (c->request)
        allowed += c->request->bytes_in / MIN_BYTES_PER_MS;
    return now_ms - c->since_ms > allowed;
}

static void look_at_arriving(struct http_server *s, uint64_t now_ms)
{
    for (size_t n = 0; n < (size_t)BATCH * BATCHES_A_SWEEP && !ring_is_empty(&s->arriving); n++) {
        struct http_conn *c = LINK_OWNER(s->arriving.next, struct http_conn, arriving);

        if (now_ms - c->since_ms <= 2 * s->limits.idle_ms)
            return;
        if (is_late(s, c, now_ms)) {
            s->stats.slow_requests++;
            LOG(LOG_INFO, "request-too-slow", LOG_STR("client", c->address),
                LOG_UINT("ms", now_ms - c->since_ms));
            ring_remove(&c->arriving);
            /* libmicrohttpd finds it closed, and does the rest. */
            shutdown(c->fd, SHUT_RDWR);
        } else {
            ring_append(&s->arriving, &c->arriving);
        }
    }
}

void http_sweep_arm(struct http_server *s)
{
    if (s->is_sweep_armed || (ring_is_empty(&s->waiting) && ring_is_empty(&s->arriving) &&
                              ring_is_empty(&s->fresh) && ring_is_empty(&s->answers_by_age)))
        return;
    s->is_sweep_armed = true;
    loop_timer_start(s->sweep_timer, s->config.gone_ms);
}

void http_sweep_due(void *ctx, uint64_t id)
{
    struct http_server *s = ctx;
    uint64_t now_ms = loop_now_ms(s->loop);
    size_t batches = 0;
    bool is_more = true;

    (void)id;
    for (; is_more && batches < BATCHES_A_SWEEP; batches++) {
        bool is_more_waiting = look_at_waiting(s, now_ms);

        is_more = look_at_fresh(s) || is_more_waiting;
    }
    look_at_arriving(s, now_ms);
    http_sending_relieve(s, now_ms);
    /* Armed here and not before the loop waits: that comes only after libmicrohttpd has run, and a suspended
     * connection gives it no cause to. */
    s->is_sweep_armed = is_more;
    if (is_more)
        loop_timer_start(s->sweep_timer, SOON_MS);
    else
        http_sweep_arm(s);
}
