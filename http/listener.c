/*
 * listener: one libmicrohttpd, its connections, and when the loop lets it run.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/cross_wire.h"

enum {
    POOL_SPARE = 8 * 1024, /* of a connection's memory beyond max_headers: so that we see what is too large */
    MAX_RUNS_A_TURN = 4,   /* of libmicrohttpd, when it says that it is not done */
    LIBRARY_LINE_MAX = 256,
    IDLE_MAX_S = 3600,
};

/* ---- connections ---- */

void http_conn_wait(struct http_server *s, struct http_conn *c)
{
    c->since_ms = http_now_us(s) / 1000;
    ring_append(&s->fresh, &c->arriving);
}

static int64_t uid_of(int fd)
{
    struct ucred who;
    socklen_t len = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 ? (int64_t)who.uid : -1;
}

static struct http_peer peer_of(const struct http_listener *l, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return l->config.path || !info ? (struct http_peer){0} : http_peer_of(info->client_addr);
}

/* libmicrohttpd asks whether to take a connection at all. */
static enum MHD_Result may_come(void *cls, const struct sockaddr *address, socklen_t len)
{
    struct http_listener *l = cls;
    struct http_peer peer = l->config.path ? (struct http_peer){0} : http_peer_of(address);

    (void)len;
    if (l->server->config.owner) /* where it has been asked already */
        return MHD_YES;
    return http_peer_is_shut_out(l->server, &peer) ? MHD_NO : MHD_YES;
}

static void conn_opened(struct http_listener *l, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_server *s = l->server;
    struct http_conn *c = mem_alloc(sizeof *c);

    *context = c; /* without it, its first request closes it */
    l->connections++;
    if (!c) {
        s->connections++;
        return;
    }
    *c = (struct http_conn){
        .listener = l, .fd = info ? info->connect_fd : -1, .uid = -1, .peer = peer_of(l, mhd)};
    http_peer_write(&c->peer, c->address);
    if (!http_guest_enter(s, c))
        http_peer_enter(s, c);
    if (l->config.path)
        c->uid = uid_of(c->fd);
    if (l->config.is_tls)
        http_shake_begin(c, mhd, s->tls);
    http_conn_wait(s, c);
}

static void conn_changed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_ConnectionNotificationCode code)
{
    struct http_listener *l = cls;
    struct http_conn *c = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_opened(l, mhd, context);
        return;
    }
    *context = NULL;
    l->has_moved = true;
    l->connections--;
    if (!c) {
        l->server->connections--;
        return;
    }
    ring_remove(&c->arriving);
    http_shake_end(c);
    if (!http_guest_leave(l->server, c))
        http_peer_leave(l->server, c);
    mem_free(c);
}

/* ---- running libmicrohttpd ---- */

void http_listener_run(struct http_listener *l)
{
    CHECK(!l->is_running);
    l->is_running = l->server->is_running = true;
    l->server->now_us = 0;
    l->has_resumed = l->has_moved = l->has_read = false;
    MHD_run(l->daemon);
    l->is_running = l->server->is_running = false;
    l->has_run = true;
}

uint64_t http_listener_timeout(const struct http_listener *l)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (l->has_resumed)
        return 0;
    return http_linger_timeout(l, MHD_get_timeout(l->daemon, &ms) == MHD_YES ? ms : UINT64_MAX);
}

int http_listener_epoll(const struct http_listener *l)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    return info ? info->epoll_fd : -1;
}

/* The deadline moves with each byte that arrives; the timer does not. It fires at the earliest that was ever
 * asked for, and looks then. */
static void arm(struct http_listener *l, uint64_t delay_ms)
{
    uint64_t now = loop_now_ms(l->server->loop);
    uint64_t at = delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms;

    if (at == UINT64_MAX || l->run_at_ms <= at)
        return;
    l->run_at_ms = at;
    loop_timer_start(l->run_timer, delay_ms);
}

static void run_timer_fired(void *ctx, uint64_t id)
{
    struct http_listener *l = ctx;

    (void)id;
    l->run_at_ms = UINT64_MAX;
    http_listener_run(l);
}

static void epoll_ready(void *ctx)
{
    http_listener_run(ctx);
}

/* Whatever was answered in this turn leaves in this turn. */
static bool before_wait(struct http_listener *l)
{
    uint64_t delay_ms = UINT64_MAX;

    if (l->has_resumed)
        http_listener_run(l);
    if (!l->has_run)
        return false;
    for (int n = 0; n < MAX_RUNS_A_TURN && (delay_ms = http_listener_timeout(l)) == 0; n++)
        http_listener_run(l);
    l->has_run = false;
    arm(l, delay_ms);
    return true;
}

static bool retired_before_wait(struct http_server *s)
{
    bool has_run = false;

    for (struct http_link *at = s->retired.next, *next; at != &s->retired; at = next) {
        struct http_listener *l = LINK_OWNER(at, struct http_listener, retired);

        next = at->next;
        has_run = before_wait(l) || has_run;
        if (l->connections == 0)
            http_listener_free(l);
    }
    return has_run;
}

void http_listeners_before_wait(void *ctx)
{
    struct http_server *s = ctx;
    bool is_more = http_readers_resume(s), has_run = false;
    unsigned rest_us;

    for (size_t i = 0; i < s->listener_count; i++)
        has_run = before_wait(s->listeners[i]) || has_run;
    if (!ring_is_empty(&s->retired))
        has_run = retired_before_wait(s) || has_run;
    if (is_more)
        arm(s->listeners[0], 0); /* for another turn */
    if (has_run)
        http_sweep_arm(s);
    rest_us = http_rest_us(&s->rest, loop_now_ms(s->loop), s->config.owner || s->worker_count > 0);
    if (rest_us > 0 && !is_more)
        loop_rest(s->loop, rest_us);
}

/* ---- its log ---- */

#define NO_REQUEST "what came is no HTTP request (HTTPS at a port of plain HTTP looks so)"

__attribute__((format(printf, 2, 0))) static void library_logs(void *cls, const char *fmt, va_list ap)
{
    struct http_listener *l = cls;
    char line[LIBRARY_LINE_MAX];
    int n;

    n = vsnprintf(line, sizeof line, fmt, ap);
    if (n <= 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    /* So it says of each handshake that fails, and closes the connection. */
    if (l->shaking && strncmp(line, "Error: received handshake message", 33) == 0)
        http_shake_failed(l->shaking);
    /* So it says of requests that are none; all else is the daily coming and going of clients. */
    if (strncmp(line, "Error processing request", 24) == 0)
        LOG(LOG_INFO, "http-malformed",
            LOG_STR("detail", strstr(line, "<title>Request malformed<") ? NO_REQUEST : line));
    else
        LOG(LOG_DEBUG, "http-library", LOG_STR("detail", line));
}

/* ---- life ---- */

/* We split first and decode later: see target.h. */
static size_t leave_escaped(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static size_t pool_bytes(const struct http_limits *c)
{
    return c->max_headers + POOL_SPARE;
}

static unsigned idle_s(const struct http_limits *c)
{
    uint64_t s = (c->idle_ms + 999) / 1000;

    return s > IDLE_MAX_S ? IDLE_MAX_S : (unsigned)s;
}

/* How many may come is for may_come to say: to libmicrohttpd it could not be said anew. */
static struct MHD_Daemon *start_daemon(struct http_listener *l)
{
    struct http_server *s = l->server;
    struct MHD_OptionItem more[2];
    size_t n = 0;

    if (l->config.is_tls)
        more[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)http_shake_no_cert};
    more[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};

    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                                MHD_USE_NO_LISTEN_SOCKET | (l->config.is_tls ? MHD_USE_TLS : 0),
                            0, may_come, l, http_request_came, s, MHD_OPTION_EXTERNAL_LOGGER, library_logs, l,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)INT_MAX,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, l->pool_bytes, MHD_OPTION_CONNECTION_TIMEOUT,
                            (unsigned)l->idle_s, MHD_OPTION_URI_LOG_CALLBACK, http_request_begun, s,
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                            http_request_completed, s, MHD_OPTION_NOTIFY_CONNECTION, conn_changed, l,
                            MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

static enum err attach(struct http_listener *l)
{
    struct loop *loop = l->server->loop;
    int epoll = http_listener_epoll(l);

    if (epoll < 0)
        return ERR_IO;
    l->poll = loop_poll_new(loop, epoll, epoll_ready, l);
    l->run_timer = loop_timer_new(loop, run_timer_fired, l, 0);
    return l->poll && l->run_timer ? ERR_NONE : ERR_NOMEM;
}

/* A browser comes by such a name only when the certificate is good for it: it cannot be rebound. */
static bool is_named(const void *ctx, struct slice name)
{
    const struct http_server *s = ctx;

    return http_tls_is_named(s->tls, name);
}

/* Takes fd when it succeeds; -1: it listens nowhere. */
static enum err run_on(struct http_listener *l, int fd)
{
    l->run_at_ms = UINT64_MAX;
    http_linger_init(l);
    l->pool_bytes = pool_bytes(&l->server->limits);
    l->idle_s = idle_s(&l->server->limits);
    l->fd = -1;
    l->daemon = start_daemon(l);
    if (!l->daemon)
        return ERR_NOMEM;
    return fd < 0 ? ERR_NONE : http_spread_begin(l, fd);
}

enum err http_listener_add(struct http_server *s, const struct http_listen *config)
{
    struct http_listener *l = mem_zalloc(sizeof *l);
    int fd = -1;
    enum err e;

    if (!l)
        return ERR_NOMEM;
    s->listeners[s->listener_count++] = l;
    l->server = s;
    l->fd = -1;
    l->config = *config;
    l->router = config->is_admin ? s->admin_router : s->router;
    l->guard = (struct http_guard){.listen = config->path ? NULL : config->host,
                                   .is_any = !config->path && http_is_any_address(config->host),
                                   .hosts = s->config.hosts,
                                   .origins = s->config.origins,
                                   .is_named = config->is_tls ? is_named : NULL,
                                   .ctx = s};
    e = s->config.owner ? ERR_NONE : http_bind(l, &fd);
    if (e != ERR_NONE)
        return e;
    e = run_on(l, fd);
    if (e != ERR_NONE) {
        if (fd >= 0)
            close(fd);
        return e;
    }
    return attach(l);
}

void http_listener_free(struct http_listener *l)
{
    if (!l)
        return;
    CHECK(!l->is_running);
    ring_remove(&l->retired);
    http_spread_end(l);
    loop_poll_free(l->poll);
    loop_timer_free(l->run_timer);
    if (l->daemon)
        MHD_stop_daemon(l->daemon);
    http_unbind(l);
    mem_free(l);
}

/* Another one on the same socket (a worker's listens nowhere), whose file goes over to it. */
static struct http_listener *successor(const struct http_listener *old)
{
    int fd = old->fd >= 0 ? fcntl(old->fd, F_DUPFD_CLOEXEC, 0) : -1;
    struct http_listener *l = old->fd < 0 || fd >= 0 ? mem_zalloc(sizeof *l) : NULL;

    if (l) {
        l->server = old->server;
        l->config = old->config;
        l->router = old->router;
        l->guard = old->guard;
        l->port = old->port;
        memcpy(l->path, old->path, sizeof l->path);
        if (run_on(l, fd) == ERR_NONE) {
            fd = -1;
            if (attach(l) == ERR_NONE)
                return l;
        }
        http_listener_free(l);
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void renew(struct http_server *s, struct http_listener **slot)
{
    struct http_listener *old = *slot, *l = successor(old);

    if (!l) {
        LOG(LOG_ERROR, "limits-not-applied", LOG_STR("limits", "max_headers, idle_ms"),
            LOG_STR("why", err_text(ERR_NOMEM)));
        return;
    }
    l->socket_dev = old->socket_dev;
    l->socket_ino = old->socket_ino;
    old->socket_ino = 0;
    http_spread_close(old);
    ring_append(&s->retired, &old->retired);
    *slot = l;
}

void http_listeners_renew(struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++) {
        const struct http_listener *l = s->listeners[i];

        if (l->pool_bytes != pool_bytes(&s->limits) || l->idle_s != idle_s(&s->limits))
            renew(s, &s->listeners[i]);
    }
}
