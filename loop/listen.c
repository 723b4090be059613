#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

enum { BACKLOG = 512, ACCEPTS_A_TURN = 64 };

struct loop_listener {
    uv_poll_t uv;
    struct loop *loop; /* borrowed */
    int fd;            /* owned */
    int spare_fd;      /* owned: given up to refuse a connection when descriptors have run out; -1: none */
    uint16_t port;
    loop_accepted_fn *fn;
    void *ctx; /* borrowed */
    bool is_closed;
};

static int spare(void)
{
    return dup(STDERR_FILENO);
}

/* Out of descriptors: the connection would stay readable for ever and the loop would spin. Take it and hang
 * up. */
static void refuse_one(struct loop_listener *ls)
{
    int fd;

    if (ls->spare_fd < 0)
        return;
    close(ls->spare_fd);
    fd = accept4(ls->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    ls->spare_fd = spare();
}

static void acceptable(uv_poll_t *uv, int status, int events)
{
    struct loop_listener *ls = uv->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && !ls->is_closed; i++) {
        int fd = accept4(ls->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct loop_stream *s;

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                refuse_one(ls);
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
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
        return errno == EADDRINUSE ? ERR_NAME_TAKEN : ERR_IO;
    *ret_fd = fd;
    return ERR_NONE;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;

    if (getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 0;
    return ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port
                                        : ((struct sockaddr_in6 *)&a)->sin6_port);
}

enum err loop_listen(struct loop *l, const char *host, uint16_t port, loop_accepted_fn *fn, void *ctx,
                     struct loop_listener **ret)
{
    struct loop_listener *ls;
    int fd;
    enum err e = open_socket(host, port, &fd);

    if (e != ERR_NONE)
        return e;
    ls = mem_zalloc(sizeof *ls);
    if (!ls || uv_poll_init(&l->uv, &ls->uv, fd) != 0) {
        mem_free(ls);
        close(fd);
        return ERR_NOMEM;
    }
    ls->uv.data = ls;
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

uint16_t loop_listener_port(const struct loop_listener *ls)
{
    return ls->port;
}

static void listener_closed(uv_handle_t *uv)
{
    mem_free(uv->data);
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
}
