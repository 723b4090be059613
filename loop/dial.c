/*
 * dial: one attempt to connect to a host. Made by loop_dial, lives in the loop's table of dials, ended by
 * finish: there it leaves the table first, then its callback is called, then it is freed once libuv lets go
 * of its handles.
 *
 *   timer(0) -> RESOLVING -> CONNECTING (each address in turn) -> finish
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "loop/internal.h"

struct dial {
    struct loop *loop; /* borrowed */
    uint64_t handle;
    uv_timer_t timer; /* the start, then the deadline */
    uv_getaddrinfo_t resolve;
    uv_poll_t poll;                    /* the socket under way */
    int fd;                            /* owned; -1: none */
    struct addrinfo *addresses, *next; /* owned; borrowed */
    char *host;                        /* owned */
    uint16_t port;
    uint64_t timeout_ms;
    loop_dialled_fn *fn; /* NULL: cancelled */
    void *ctx;           /* borrowed */
    uint64_t id;
    bool is_resolving, is_polling, is_finished;
    unsigned handles; /* libuv's, still to be closed */
};

static void try_next(struct dial *d);

static void free_if_done(struct dial *d)
{
    if (d->handles > 0 || d->is_resolving)
        return;
    if (d->addresses)
        uv_freeaddrinfo(d->addresses);
    mem_free(d->host);
    mem_free(d);
}

static void handle_closed(uv_handle_t *uv)
{
    struct dial *d = uv->data;

    d->handles--;
    if (d->is_finished)
        free_if_done(d);
}

/* What goes on in try_next's place once the poll of a failed address has closed. */
static void poll_closed(uv_handle_t *uv)
{
    struct dial *d = uv->data;

    loop_worked(uv->loop);
    d->handles--;
    if (d->is_finished)
        free_if_done(d);
    else
        try_next(d);
}

static void stop_polling(struct dial *d, uv_close_cb closed)
{
    if (d->is_polling) {
        d->is_polling = false;
        uv_close((uv_handle_t *)&d->poll, closed);
    }
}

static void finish(struct dial *d, int fd, enum err e)
{
    struct loop_stream *s = NULL;

    idtab_remove(&d->loop->dials, d->handle);
    d->is_finished = true;
    stop_polling(d, handle_closed);
    if (d->fd >= 0 && d->fd != fd)
        close(d->fd);
    d->fd = -1;
    if (d->is_resolving)
        uv_cancel((uv_req_t *)&d->resolve);
    uv_close((uv_handle_t *)&d->timer, handle_closed);
    if (fd >= 0 && !d->fn) {
        close(fd);
    } else if (fd >= 0) {
        s = loop_stream_of_fd(d->loop, fd);
        if (!s)
            e = ERR_NOMEM;
    }
    if (d->fn)
        d->fn(d->ctx, d->id, s, e);
}

static void connected(uv_poll_t *uv, int status, int events)
{
    struct dial *d = uv->data;
    int error = 0, fd = d->fd;
    socklen_t len = sizeof error;

    loop_worked(uv->loop);
    (void)status;
    (void)events;
    if (getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
        /* The poll must let go of the descriptor before the stream's own takes it. */
        uv_poll_stop(&d->poll);
        finish(d, fd, ERR_NONE);
        return;
    }
    uv_poll_stop(&d->poll);
    close(d->fd);
    d->fd = -1;
    stop_polling(d, poll_closed);
}

static void try_next(struct dial *d)
{
    while (d->next) {
        struct addrinfo *ai = d->next;
        int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        d->next = ai->ai_next;
        if (fd < 0)
            continue;
        if ((connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 && errno != EINPROGRESS) ||
            uv_poll_init(&d->loop->uv, &d->poll, fd) != 0) {
            close(fd);
            continue;
        }
        d->fd = fd;
        d->poll.data = d;
        d->handles++;
        d->is_polling = true;
        uv_poll_start(&d->poll, UV_WRITABLE, connected);
        return;
    }
    finish(d, -1, ERR_NO_CONNECTION);
}

static void resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *addresses)
{
    struct dial *d = req->data;

    loop_worked(&d->loop->uv);
    d->is_resolving = false;
    d->addresses = addresses;
    if (d->is_finished) {
        free_if_done(d);
        return;
    }
    if (status != 0) {
        finish(d, -1, ERR_NO_HOST);
        return;
    }
    d->next = addresses;
    try_next(d);
}

static void out_of_time(uv_timer_t *uv)
{
    loop_worked(uv->loop);
    finish(uv->data, -1, ERR_TIMEOUT);
}

/* libuv's threads, which are made when a name is first looked up, take no signals: one of them would still
 * have what a program has no handler for any more end it, however much its own threads block. */
static int resolve(struct dial *d, const char *service, const struct addrinfo *hints)
{
    sigset_t all, before;
    int e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = uv_getaddrinfo(&d->loop->uv, &d->resolve, resolved, d->host, service, hints);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

static void begin(uv_timer_t *uv)
{
    struct dial *d = uv->data;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char service[8];

    loop_worked(uv->loop);
    uv_timer_start(&d->timer, out_of_time, d->timeout_ms, 0);
    snprintf(service, sizeof service, "%u", d->port);
    d->resolve.data = d;
    d->is_resolving = true;
    if (resolve(d, service, &hints) != 0) {
        d->is_resolving = false;
        finish(d, -1, ERR_NO_HOST);
    }
}

uint64_t loop_dial(struct loop *l, const char *host, uint16_t port, uint64_t timeout_ms, loop_dialled_fn *fn,
                   void *ctx, uint64_t id)
{
    struct dial *d = mem_zalloc(sizeof *d);

    if (!d)
        return 0;
    *d = (struct dial){
        .loop = l, .fd = -1, .port = port, .timeout_ms = timeout_ms, .fn = fn, .ctx = ctx, .id = id};
    d->host = mem_strndup(host, strlen(host));
    d->handle = d->host ? idtab_add(&l->dials, d) : 0;
    if (!d->handle) {
        mem_free(d->host);
        mem_free(d);
        return 0;
    }
    uv_timer_init(&l->uv, &d->timer);
    d->timer.data = d;
    d->handles = 1;
    uv_timer_start(&d->timer, begin, 0, 0);
    return d->handle;
}

void loop_dial_cancel(struct loop *l, uint64_t handle)
{
    struct dial *d = idtab_get(&l->dials, handle);

    if (!d)
        return;
    d->fn = NULL;
    finish(d, -1, ERR_CANCELLED);
}
