/*
 * listen: sockets that are listened on. When there are no descriptors left, who waits is refused by means of
 * a spare one, or left waiting for a while.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

enum { BACKLOG = 512, ACCEPTS_A_TURN = 64, REST_MS = 100 };

struct loop_listener {
    uv_poll_t uv;
    uv_timer_t rest;   /* runs while the poll does not: nothing can be accepted just now */
    struct loop *loop; /* borrowed */
    int fd;            /* owned */
    int spare_fd;      /* owned: given up to refuse a connection when descriptors have run out; -1: none */
    uint16_t port;
    loop_accepted_fn *fn;
    void *ctx; /* borrowed */
    bool is_closed;
    unsigned handles; /* not closed yet, of the two */
};

static int spare(void)
{
    return dup(STDERR_FILENO);
}

/* Out of descriptors: the connection would stay readable for ever and the loop would spin. Take it and hang
 * up. False: not even that is possible. */
static bool refuse_one(struct loop_listener *ls)
{
    int fd;

    if (ls->spare_fd < 0)
        ls->spare_fd = spare();
    if (ls->spare_fd < 0)
        return false;
    close(ls->spare_fd);
    fd = accept4(ls->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    ls->spare_fd = spare();
    return fd >= 0;
}

static void acceptable(uv_poll_t *uv, int status, int events);

static void rested(uv_timer_t *timer)
{
    struct loop_listener *ls = timer->data;

    loop_worked(timer->loop);
    uv_poll_start(&ls->uv, UV_READABLE, acceptable);
}

static void not_accepted(struct loop_listener *ls, int why)
{
    bool is_lasting = why == ENOMEM || why == ENOBUFS;

    if (why == EMFILE || why == ENFILE)
        is_lasting = !refuse_one(ls);
    if (!is_lasting)
        return;
    uv_poll_stop(&ls->uv);
    uv_timer_start(&ls->rest, rested, REST_MS, 0);
}

static void acceptable(uv_poll_t *uv, int status, int events)
{
    struct loop_listener *ls = uv->data;

    loop_worked(uv->loop);
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && !ls->is_closed; i++) {
        int fd = accept4(ls->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct loop_stream *s;

        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0) {
            not_accepted(ls, errno);
            return;
        }
        s = loop_stream_of_fd(ls->loop, fd);
        if (s)
            ls->fn(ls->ctx, s);
    }
}

static int bind_and_listen(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, zero = 0, e;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (ai->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    e = errno;
    close(fd);
    errno = e;
    return -1;
}

/* "" means all addresses: [::], which takes IPv4 too, or 0.0.0.0 where the machine has no IPv6. */
static enum err open_socket(const char *host, uint16_t port, int *ret_fd)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    struct addrinfo *ai;
    char service[8];
    int fd;

    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(*host ? host : "::", service, &hints, &ai) != 0)
        return ERR_INVALID;
    fd = bind_and_listen(ai);
    freeaddrinfo(ai);
    if (fd < 0 && !*host && errno != EADDRINUSE) {
        if (getaddrinfo("0.0.0.0", service, &hints, &ai) != 0)
            return ERR_INVALID;
        fd = bind_and_listen(ai);
        freeaddrinfo(ai);
    }
    if (fd < 0)
        return errno == EADDRINUSE ? ERR_ADDRESS_IN_USE : ERR_IO;
    *ret_fd = fd;
    return ERR_NONE;
}

/* 0: it is not bound, or no TCP socket. */
static uint16_t port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;

    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 0;
    if (a.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&a)->sin_port);
    return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port) : 0;
}

/* Takes fd, also on failure. */
static enum err listener_of_fd(struct loop *l, int fd, loop_accepted_fn *fn, void *ctx,
                               struct loop_listener **ret)
{
    struct loop_listener *ls = mem_zalloc(sizeof *ls);

    if (!ls || uv_poll_init(&l->uv, &ls->uv, fd) != 0) {
        mem_free(ls);
        close(fd);
        return ERR_NOMEM;
    }
    uv_timer_init(&l->uv, &ls->rest);
    ls->uv.data = ls->rest.data = ls;
    ls->handles = 2;
    ls->loop = l;
    ls->fd = fd;
    ls->spare_fd = spare();
    ls->port = port_of(fd);
    ls->fn = fn;
    ls->ctx = ctx;
    uv_poll_start(&ls->uv, UV_READABLE, acceptable);
    *ret = ls;
    return ERR_NONE;
}

enum err loop_listen(struct loop *l, const char *host, uint16_t port, loop_accepted_fn *fn, void *ctx,
                     struct loop_listener **ret)
{
    int fd;
    enum err e = open_socket(host, port, &fd);

    return e == ERR_NONE ? listener_of_fd(l, fd, fn, ctx, ret) : e;
}

static bool is_listening(int fd)
{
    int listens = 0, type = 0;
    socklen_t listens_len = sizeof listens, type_len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) == 0 && listens &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_STREAM &&
           port_of(fd) != 0;
}

enum err loop_listen_fd(struct loop *l, int fd, loop_accepted_fn *fn, void *ctx, struct loop_listener **ret)
{
    /* It was made for whoever was started with it: it may block, and be handed on to what we start. */
    if (!is_listening(fd) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        close(fd);
        return ERR_INVALID;
    }
    return listener_of_fd(l, fd, fn, ctx, ret);
}

uint16_t loop_listener_port(const struct loop_listener *ls)
{
    return ls->port;
}

static void listener_closed(uv_handle_t *uv)
{
    struct loop_listener *ls = uv->data;

    if (--ls->handles == 0)
        mem_free(ls);
}

void loop_listener_close(struct loop_listener *ls)
{
    if (!ls || ls->is_closed)
        return;
    ls->is_closed = true;
    uv_poll_stop(&ls->uv);
    /* At once, not when the handle's turn comes: the caller may want the port again. */
    close(ls->fd);
    if (ls->spare_fd >= 0)
        close(ls->spare_fd);
    uv_close((uv_handle_t *)&ls->uv, listener_closed);
    uv_close((uv_handle_t *)&ls->rest, listener_closed);
}
