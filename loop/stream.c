#include "loop/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

/* Reads in one turn before other descriptors get theirs: a peer that floods us must not starve the rest. */
enum { READS_A_TURN = 8 };

struct loop_stream {
    uv_poll_t uv;
    int fd;                            /* owned */
    const struct loop_stream_ops *ops; /* borrowed; NULL until started */
    void *ctx;                         /* borrowed */
    bool is_paused, is_closed, wants_writable;
};

static void set_events(struct loop_stream *s);

static void stream_closed(uv_handle_t *uv)
{
    struct loop_stream *s = uv->data;

    close(s->fd);
    mem_free(s);
}

/*
 * Reads until the socket is empty or the turn's share is used. is_broken: the socket has an error pending,
 * which libuv tells once and never again: what has arrived is read up to that error.
 */
static void read_some(struct loop_stream *s, bool is_broken)
{
    for (int i = 0; is_broken || (i < READS_A_TURN && !s->is_paused); i++) {
        size_t room = 0;
        uint8_t *to = s->ops->room(s->ctx, &room);
        ssize_t n;

        if (s->is_closed)
            return;
        if (!to || room == 0) {
            s->ops->ended(s->ctx, ERR_NOMEM);
            return;
        }
        n = recv(s->fd, to, room, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !is_broken && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            s->ops->ended(s->ctx, n == 0 || errno == ECONNRESET ? ERR_CLOSED : ERR_IO);
            return;
        }
        s->ops->received(s->ctx, (size_t)n);
        if (s->is_closed || (!is_broken && (size_t)n < room))
            return;
    }
}

static void stream_ready(uv_poll_t *uv, int status, int events)
{
    struct loop_stream *s = uv->data;

    if ((events & UV_WRITABLE) && s->wants_writable) {
        s->wants_writable = false;
        set_events(s);
        s->ops->writable(s->ctx);
        if (s->is_closed)
            return;
    }
    if (status != 0 || ((events & UV_READABLE) && !s->is_paused))
        read_some(s, status != 0);
}

static void set_events(struct loop_stream *s)
{
    int events = (s->is_paused ? 0 : UV_READABLE) | (s->wants_writable ? UV_WRITABLE : 0);

    if (events)
        uv_poll_start(&s->uv, events, stream_ready);
    else
        uv_poll_stop(&s->uv);
}

struct loop_stream *loop_stream_of_fd(struct loop *l, int fd)
{
    struct loop_stream *s = mem_zalloc(sizeof *s);
    int one = 1;

    if (!s || uv_poll_init(&l->uv, &s->uv, fd) != 0) {
        mem_free(s);
        close(fd);
        return NULL;
    }
    s->uv.data = s;
    s->fd = fd;
    /* The user gathers a turn's writes into one; holding small ones back would only add latency. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    return s;
}

void loop_stream_start(struct loop_stream *s, const struct loop_stream_ops *ops, void *ctx)
{
    s->ops = ops;
    s->ctx = ctx;
    set_events(s);
}

enum err loop_stream_write(struct loop_stream *s, struct slice bytes, size_t *ret_taken)
{
    size_t taken = 0;

    while (taken < bytes.len) {
        ssize_t n = send(s->fd, bytes.ptr + taken, bytes.len - taken, MSG_NOSIGNAL);

        if (n >= 0) {
            taken += (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!s->wants_writable) {
                s->wants_writable = true;
                set_events(s);
            }
            break;
        } else if (errno != EINTR) {
            return ERR_CLOSED;
        }
    }
    *ret_taken = taken;
    return ERR_NONE;
}

void loop_stream_pause(struct loop_stream *s, bool is_paused)
{
    if (s->is_paused == is_paused)
        return;
    s->is_paused = is_paused;
    if (s->ops)
        set_events(s);
}

void loop_stream_close(struct loop_stream *s)
{
    if (!s || s->is_closed)
        return;
    s->is_closed = true;
    uv_close((uv_handle_t *)&s->uv, stream_closed);
}

/* ---- addresses ---- */

static void unmap(struct sockaddr_storage *a)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a;
    struct sockaddr_in in = {.sin_family = AF_INET};

    if (a->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return;
    in.sin_port = in6->sin6_port;
    memcpy(&in.sin_addr, in6->sin6_addr.s6_addr + 12, 4);
    memcpy(a, &in, sizeof in);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family)
        return false;
    if (a->ss_family == AF_INET)
        return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)b)->sin_addr.s_addr;
    return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr, &((const struct sockaddr_in6 *)b)->sin6_addr,
                  16) == 0;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
    return a->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

bool loop_stream_is_local(const struct loop_stream *s)
{
    struct sockaddr_storage peer = {0}, own = {0};
    socklen_t peer_len = sizeof peer, own_len = sizeof own;

    if (getpeername(s->fd, (struct sockaddr *)&peer, &peer_len) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&own, &own_len) != 0)
        return false;
    unmap(&peer);
    unmap(&own);
    return is_loopback(&peer) || same_address(&peer, &own);
}

size_t loop_stream_peer(const struct loop_stream *s, char *buf, size_t cap)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    int n;

    if (getpeername(s->fd, (struct sockaddr *)&peer, &len) == 0) {
        unmap(&peer);
        if (peer.ss_family == AF_INET) {
            const struct sockaddr_in *in = (const struct sockaddr_in *)&peer;

            inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
            port = ntohs(in->sin_port);
        } else if (peer.ss_family == AF_INET6) {
            const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&peer;

            inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
            port = ntohs(in6->sin6_port);
        }
    }
    n = snprintf(buf, cap, peer.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}
