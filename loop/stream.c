#include "loop/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

/* Reads in one turn before other descriptors get theirs: a peer that floods us must not starve the rest. */
enum { READS_A_TURN = 8 };

static void set_events(struct loop_stream *s);

/* ---- plain or TLS ---- */

static enum stream_io plain_read(struct loop_stream *s, uint8_t *to, size_t room, size_t *ret_n)
{
    ssize_t n;

    do
        n = recv(s->fd, to, room, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *ret_n = (size_t)n;
        return STREAM_IO_DONE;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return STREAM_IO_WANT_READ;
    return n == 0 || errno == ECONNRESET ? STREAM_IO_CLOSED : STREAM_IO_FAILED;
}

static enum stream_io plain_write(struct loop_stream *s, struct slice bytes, size_t *ret_n)
{
    ssize_t n;

    do
        n = send(s->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *ret_n = (size_t)n;
        return STREAM_IO_DONE;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_IO_WANT_WRITE : STREAM_IO_FAILED;
}

static enum stream_io read_once(struct loop_stream *s, uint8_t *to, size_t room, size_t *ret_n)
{
    return s->tls ? tls_read(s->tls, to, room, ret_n) : plain_read(s, to, room, ret_n);
}

static enum stream_io write_once(struct loop_stream *s, struct slice bytes, size_t *ret_n)
{
    return s->tls ? tls_write(s->tls, bytes, ret_n) : plain_write(s, bytes, ret_n);
}

/* ---- reading ---- */

static void end(struct loop_stream *s, enum stream_io how)
{
    enum err e = s->tls ? tls_error(s->tls) : ERR_NONE;

    if (e == ERR_NONE)
        e = how == STREAM_IO_CLOSED ? ERR_CLOSED : ERR_IO;
    s->ops->ended(s->ctx, e);
}

/*
 * Reads until the socket is empty or the turn's share is used. is_broken: the socket has an error pending,
 * which libuv tells once and never again: what has arrived is read up to that error.
 */
static void read_some(struct loop_stream *s, bool is_broken)
{
    s->read_waits_to_write = false;
    for (int i = 0; is_broken || (i < READS_A_TURN && !s->is_paused); i++) {
        size_t room = 0, n = 0;
        uint8_t *to = s->ops->room(s->ctx, &room);
        enum stream_io how;

        if (s->is_closed)
            return;
        if (!to || room == 0) {
            s->ops->ended(s->ctx, ERR_NOMEM);
            return;
        }
        how = read_once(s, to, room, &n);
        if (how == STREAM_IO_WANT_WRITE) {
            s->read_waits_to_write = true;
            set_events(s);
        }
        if (!is_broken && (how == STREAM_IO_WANT_READ || how == STREAM_IO_WANT_WRITE))
            return;
        if (how != STREAM_IO_DONE) {
            end(s, how);
            return;
        }
        s->ops->received(s->ctx, n);
        if (s->is_closed)
            return;
        if (!is_broken && !s->tls && n < room)
            return;
    }
    /* The socket may be empty while TLS is not. */
    if (s->tls && !s->is_paused)
        tls_read_again(s->tls);
}

static void tell_writable(struct loop_stream *s)
{
    s->wants_writable = s->write_waits_to_read = false;
    s->ops->writable(s->ctx);
}

/* Reads; what a write waits for may have been among it. */
static void read_due(struct loop_stream *s, bool is_broken)
{
    if (is_broken || !s->is_paused)
        read_some(s, is_broken);
    if (!s->is_closed && s->write_waits_to_read)
        tell_writable(s);
}

void stream_read_again(struct loop_stream *s)
{
    read_due(s, false);
    if (!s->is_closed)
        set_events(s);
}

static void stream_ready(uv_poll_t *uv, int status, int events)
{
    struct loop_stream *s = uv->data;
    bool can_read = events & UV_READABLE, can_write = events & UV_WRITABLE, is_broken = status != 0;

    loop_worked(uv->loop);
    if (can_write && s->wants_writable)
        tell_writable(s);
    if (!s->is_closed && (is_broken || can_read || (can_write && s->read_waits_to_write)))
        read_due(s, is_broken);
    if (!s->is_closed)
        set_events(s);
}

static void set_events(struct loop_stream *s)
{
    bool reads = !s->is_paused || s->write_waits_to_read;
    bool writes = s->wants_writable || (s->read_waits_to_write && !s->is_paused);
    int events = (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0);

    if (events == s->events)
        return;
    s->events = events;
    if (events)
        uv_poll_start(&s->uv, events, stream_ready);
    else
        uv_poll_stop(&s->uv);
}

/* ---- life ---- */

static void free_stream(struct loop_stream *s)
{
    mem_free(s);
}

static void stream_closed(uv_handle_t *uv)
{
    struct loop_stream *s = uv->data;

    close(s->fd);
    if (s->tls)
        tls_free(s->tls, free_stream);
    else
        free_stream(s);
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
    enum stream_io how = STREAM_IO_DONE;
    size_t taken = 0;

    while (taken < bytes.len && how == STREAM_IO_DONE) {
        size_t n = 0;

        how = write_once(s, slice_of(bytes.ptr + taken, bytes.len - taken), &n);
        taken += how == STREAM_IO_DONE ? n : 0;
    }
    if (how == STREAM_IO_CLOSED || how == STREAM_IO_FAILED) {
        /* Reading tells what is wrong. TLS knows it already, and the socket may stay silent. */
        if (s->tls)
            tls_read_again(s->tls);
        return ERR_CLOSED;
    }
    s->wants_writable |= how == STREAM_IO_WANT_WRITE;
    s->write_waits_to_read |= how == STREAM_IO_WANT_READ;
    if (how != STREAM_IO_DONE)
        set_events(s);
    *ret_taken = taken;
    return ERR_NONE;
}

const char *loop_stream_why(const struct loop_stream *s)
{
    return s->tls ? tls_why(s->tls) : NULL;
}

void loop_stream_pause(struct loop_stream *s, bool is_paused)
{
    if (s->is_paused == is_paused)
        return;
    s->is_paused = is_paused;
    if (!s->ops)
        return;
    set_events(s);
    if (s->tls && !is_paused)
        tls_read_again(s->tls);
}

void loop_stream_close(struct loop_stream *s)
{
    if (!s || s->is_closed)
        return;
    s->is_closed = true;
    if (s->tls)
        tls_close(s->tls);
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

uint64_t loop_stream_peer_net(const struct loop_stream *s)
{
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    uint64_t net = 0;

    if (getpeername(s->fd, (struct sockaddr *)&peer, &len) != 0)
        return 0;
    unmap(&peer);
    if (peer.ss_family == AF_INET)
        net = ((const struct sockaddr_in *)&peer)->sin_addr.s_addr;
    else if (peer.ss_family == AF_INET6)
        memcpy(&net, &((const struct sockaddr_in6 *)&peer)->sin6_addr, sizeof net);
    return net;
}
