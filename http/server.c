#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"

enum {
    MAX_BODIES = 256 << 20,
    BACKLOG = 1024,
    POOL_SPARE = 8 * 1024, /* of a connection's memory beyond max_headers: so that we see what is too large */
    MAX_RUNS_A_TURN = 4,   /* of libmicrohttpd, when it says that it is not done */
    DRAIN_MS = 500,        /* for answers under way when stopping */
    DRAIN_READERS_A_MS = 5, /* and for so many readers of streams another */
    DRAIN_STEP_MS = 10,
    LIBRARY_LINE_MAX = 256,
};

static const struct http_config defaults = {
    .host = "127.0.0.1",
    .max_body = (size_t)8 << 20,
    .max_headers = (size_t)16 << 10,
    .max_connections = 20000,
    .max_in_flight = 100000,
    .idle_ms = 30000,
    .gone_ms = 1000,
    .streams = {.max_streams = 16384,
                .max_events = 1024,
                .max_bytes = (size_t)1 << 20,
                .max_age_ms = 300000,
                .max_total_bytes = (uint64_t)256 << 20,
                .heartbeat_ms = 15000,
                .min_heartbeat_ms = 1000,
                .max_heartbeat_ms = 300000,
                .linger_ms = 30000,
                .max_linger_ms = 600000,
                .retry_ms = 2000},
};

static struct http_stream_limits limits_with_defaults(const struct http_stream_limits *in)
{
    const struct http_stream_limits *d = &defaults.streams;
    struct http_stream_limits c = *in;

    c.max_streams = c.max_streams ? c.max_streams : d->max_streams;
    c.max_events = c.max_events ? c.max_events : d->max_events;
    c.max_bytes = c.max_bytes ? c.max_bytes : d->max_bytes;
    c.max_age_ms = c.max_age_ms ? c.max_age_ms : d->max_age_ms;
    c.max_total_bytes = c.max_total_bytes ? c.max_total_bytes : d->max_total_bytes;
    c.heartbeat_ms = c.heartbeat_ms ? c.heartbeat_ms : d->heartbeat_ms;
    c.min_heartbeat_ms = c.min_heartbeat_ms ? c.min_heartbeat_ms : d->min_heartbeat_ms;
    c.max_heartbeat_ms = c.max_heartbeat_ms ? c.max_heartbeat_ms : d->max_heartbeat_ms;
    c.linger_ms = c.linger_ms ? c.linger_ms : d->linger_ms;
    c.max_linger_ms = c.max_linger_ms ? c.max_linger_ms : d->max_linger_ms;
    c.retry_ms = c.retry_ms ? c.retry_ms : d->retry_ms;
    return c;
}

static struct http_config with_defaults(const struct http_config *in)
{
    struct http_config c = *in;

    c.host = c.host ? c.host : defaults.host;
    c.max_body = c.max_body ? c.max_body : defaults.max_body;
    if (!c.max_bodies)
        c.max_bodies = c.max_body > MAX_BODIES / 4 ? 4 * (uint64_t)c.max_body : MAX_BODIES;
    c.max_headers = c.max_headers ? c.max_headers : defaults.max_headers;
    c.max_connections = c.max_connections ? c.max_connections : defaults.max_connections;
    c.max_in_flight = c.max_in_flight ? c.max_in_flight : defaults.max_in_flight;
    c.idle_ms = c.idle_ms ? c.idle_ms : defaults.idle_ms;
    c.gone_ms = c.gone_ms ? c.gone_ms : defaults.gone_ms;
    c.streams = limits_with_defaults(&c.streams);
    return c;
}

/* ---- listening ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* "" is all of both families, by one IPv6 socket. */
static bool read_address(const char *host, uint16_t port, union address *ret, socklen_t *ret_len)
{
    *ret = (union address){0};
    if (host[0] && inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons(port);
        *ret_len = sizeof ret->v4;
        return true;
    }
    if (host[0] && inet_pton(AF_INET6, host, &ret->v6.sin6_addr) != 1)
        return false;
    ret->v6.sin6_family = AF_INET6;
    ret->v6.sin6_port = htons(port);
    *ret_len = sizeof ret->v6;
    return true;
}

static enum err bind_to(int fd, const union address *a, socklen_t len, bool is_port_shared)
{
    const int on = 1, off = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return ERR_IO;
    if (is_port_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return ERR_IO;
    if (a->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
        return ERR_IO;
    if (bind(fd, &a->any, len) != 0 || listen(fd, BACKLOG) != 0)
        return errno == EADDRINUSE ? ERR_NAME_TAKEN : errno == EADDRNOTAVAIL ? ERR_INVALID : ERR_IO;
    return ERR_NONE;
}

static enum err listen_on(const struct http_config *c, int *ret_fd, uint16_t *ret_port)
{
    union address a;
    socklen_t len;
    enum err e;
    int fd;

    if (!read_address(c->host, c->port, &a, &len))
        return ERR_INVALID;
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && !c->host[0]) {
        /* A machine without IPv6: all of IPv4 then. */
        a = (union address){.v4 = {.sin_family = AF_INET, .sin_port = htons(c->port)}};
        len = sizeof a.v4;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd < 0)
        return ERR_IO;
    e = bind_to(fd, &a, len, c->is_port_shared);
    if (e == ERR_NONE && getsockname(fd, &a.any, &len) != 0)
        e = ERR_IO;
    if (e != ERR_NONE) {
        close(fd);
        return e;
    }
    *ret_fd = fd;
    *ret_port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return ERR_NONE;
}

static bool is_any_address(const char *host)
{
    union address a;
    socklen_t len;

    if (!read_address(host, 0, &a, &len))
        return false;
    return a.any.sa_family == AF_INET ? a.v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                      : IN6_IS_ADDR_UNSPECIFIED(&a.v6.sin6_addr);
}

/* ---- connections ---- */

void http_conn_wait(struct http_server *s, struct http_conn *c)
{
    c->since_ms = loop_now_ms(s->loop);
    ring_append(&s->fresh, &c->arriving);
}

static void conn_opened(struct http_server *s, struct MHD_Connection *mhd, void **context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_conn *c = mem_alloc(sizeof *c);

    *context = c; /* without it, its first request closes it */
    s->connections++;
    if (!c)
        return;
    *c = (struct http_conn){.fd = info ? info->connect_fd : -1,
                            .is_over_limit = s->connections > s->config.max_connections};
    http_conn_wait(s, c);
}

static void conn_changed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_ConnectionNotificationCode code)
{
    struct http_server *s = cls;
    struct http_conn *c = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_opened(s, mhd, context);
        return;
    }
    s->connections--;
    if (c)
        ring_remove(&c->arriving);
    mem_free(c);
    *context = NULL;
}

void http_random(struct http_server *s, void *out, size_t len)
{
    if (s->entropy_left < len) {
        loop_random(s->entropy, sizeof s->entropy);
        s->entropy_left = sizeof s->entropy;
    }
    s->entropy_left -= len;
    memcpy(out, s->entropy + s->entropy_left, len);
}

/* ---- running libmicrohttpd ---- */

static void run(struct http_server *s)
{
    CHECK(!s->is_running);
    s->is_running = true;
    s->has_resumed = false;
    MHD_run(s->daemon);
    s->is_running = false;
    s->has_run = true;
}

/* Ms until libmicrohttpd wants to run; UINT64_MAX: not before something happens. */
static uint64_t timeout_of(const struct http_server *s)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (s->has_resumed)
        return 0;
    return MHD_get_timeout(s->daemon, &ms) == MHD_YES ? ms : UINT64_MAX;
}

/* The deadline moves with each byte that arrives; the timer does not. It fires at the earliest that was ever
 * asked for, and looks then. */
static void arm(struct http_server *s, uint64_t delay_ms)
{
    uint64_t now = loop_now_ms(s->loop), at = delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms;

    if (at == UINT64_MAX || s->run_at_ms <= at)
        return;
    s->run_at_ms = at;
    loop_timer_start(s->run_timer, delay_ms);
}

static void run_timer_fired(void *ctx, uint64_t id)
{
    struct http_server *s = ctx;

    (void)id;
    s->run_at_ms = UINT64_MAX;
    run(s);
}

static void epoll_ready(void *ctx)
{
    run(ctx);
}

/* Before the loop waits: whatever was answered in this turn leaves in this turn. */
static void before_wait(void *ctx)
{
    struct http_server *s = ctx;
    uint64_t delay_ms = UINT64_MAX;
    bool is_more = http_readers_resume(s);

    if (s->has_resumed)
        run(s);
    if (!s->has_run)
        return;
    for (int n = 0; n < MAX_RUNS_A_TURN && (delay_ms = timeout_of(s)) == 0; n++)
        run(s);
    s->has_run = false;
    arm(s, is_more ? 0 : delay_ms);
    http_sweep_arm(s);
}

/* ---- its log ---- */

__attribute__((format(printf, 2, 0))) static void library_logs(void *cls, const char *fmt, va_list ap)
{
    char line[LIBRARY_LINE_MAX];
    int n;

    (void)cls;
    n = vsnprintf(line, sizeof line, fmt, ap);
    if (n <= 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    /* So it says of requests that are none; all else is the daily coming and going of clients. */
    if (strncmp(line, "Error processing request", 24) == 0)
        LOG(LOG_INFO, "http-malformed", LOG_STR("detail", line));
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

static struct MHD_Daemon *start_daemon(struct http_server *s, int fd)
{
    const struct http_config *c = &s->config;
    uint64_t idle_s = (c->idle_ms + 999) / 1000;
    unsigned over_limit = c->max_connections / 8 + 8; /* accepted to be told 503 */

    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, http_request_came, s,
        MHD_OPTION_EXTERNAL_LOGGER, library_logs, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, c->max_connections + over_limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        c->max_headers + POOL_SPARE, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(idle_s > 3600 ? 3600 : idle_s),
        MHD_OPTION_URI_LOG_CALLBACK, http_request_begun, s, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, s, MHD_OPTION_NOTIFY_CONNECTION, conn_changed, s,
        MHD_OPTION_END);
}

static enum err attach(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    if (!info)
        return ERR_IO;
    s->poll = loop_poll_new(s->loop, info->epoll_fd, epoll_ready, s);
    s->hook = loop_hook_new(s->loop, before_wait, s);
    s->run_timer = loop_timer_new(s->loop, run_timer_fired, s, 0);
    s->sweep_timer = loop_timer_new(s->loop, http_sweep_due, s, 0);
    if (!s->poll || !s->hook || !s->run_timer || !s->sweep_timer)
        return ERR_NOMEM;
    run(s); /* puts the listening socket into the epoll set */
    return ERR_NONE;
}

static void server_free(struct http_server *s)
{
    loop_poll_free(s->poll);
    loop_hook_free(s->hook);
    loop_timer_free(s->run_timer);
    loop_timer_free(s->sweep_timer);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    http_streams_fini(s);
    CHECK(s->connections == 0 && s->sending == 0 && s->requests.count == 0 && s->body_bytes == 0);
    http_requests_free(s);
    http_router_free(s->router);
    http_gzip_free(s->gzip);
    idtab_fini(&s->requests);
    mem_free(s);
}

enum err http_server_start(struct loop *l, const struct http_config *config, struct http_server **ret)
{
    struct http_server *s = mem_zalloc(sizeof *s);
    int fd = -1;
    enum err e;

    if (!s)
        return ERR_NOMEM;
    s->config = with_defaults(config);
    s->loop = l;
    s->run_at_ms = UINT64_MAX;
    s->guard = (struct http_guard){
        .listen = s->config.host, .is_any = is_any_address(s->config.host), .hosts = s->config.hosts};
    s->is_head_exact = strncmp(MHD_get_version(), "0.9.7", 5) == 0;
    idtab_init(&s->requests);
    ring_init(&s->fresh);
    ring_init(&s->arriving);
    ring_init(&s->waiting);
    ring_init(&s->free_requests);
    e = http_streams_init(s);
    if (e == ERR_NONE)
        e = http_router_new(s->config.routes, s->config.route_count, &s->router);
    if (e == ERR_NONE)
        e = listen_on(&s->config, &fd, &s->port);
    if (e != ERR_NONE)
        goto fail;
    s->daemon = start_daemon(s, fd); /* takes fd when it succeeds */
    if (!s->daemon) {
        close(fd);
        e = ERR_NOMEM;
        goto fail;
    }
    e = attach(s);
    if (e != ERR_NONE)
        goto fail;
    *ret = s;
    return ERR_NONE;
fail:
    server_free(s);
    return e;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

size_t http_server_in_flight(const struct http_server *s)
{
    return s->requests.count;
}

/* Connections that are between two requests end; what has arrived on one already is read before the end is.
 */
static void end_idle(struct http_link *ring)
{
    for (struct http_link *l = ring->next; l != ring; l = l->next) {
        struct http_conn *c = LINK_OWNER(l, struct http_conn, arriving);

        if (!c->request)
            shutdown(c->fd, SHUT_RD);
    }
}

void http_server_quiesce(struct http_server *s)
{
    int fd;

    if (s->is_quiescing)
        return;
    s->is_quiescing = true;
    fd = MHD_quiesce_daemon(s->daemon);
    if (fd != MHD_INVALID_SOCKET)
        close(fd); /* ours from here on */
    end_idle(&s->fresh);
    end_idle(&s->arriving);
}

static void answer_all(struct http_server *s)
{
    struct http_request *r;
    uint32_t cursor = 0;

    while ((r = idtab_next(&s->requests, &cursor)) != NULL) {
        http_answer_problem(s, r->id,
                            &(struct http_problem){.code = "overloaded",
                                                   .detail = "The gateway has stopped.",
                                                   .is_retryable = false,
                                                   .was_sent = true});
    }
}

/* libmicrohttpd aborts when it is stopped with connections suspended: it must run once after the last resume.
 */
static void drain(struct http_server *s)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uint64_t drain_ms = DRAIN_MS + s->streams.readers / DRAIN_READERS_A_MS;
    uint64_t deadline_us = loop_now_us() + drain_ms * 1000;
    struct pollfd fd = {.fd = info ? info->epoll_fd : -1, .events = POLLIN};

    run(s);
    while (s->sending > 0 && loop_now_us() < deadline_us) {
        if (!http_readers_resume(s) && timeout_of(s) > 0)
            poll(&fd, 1, DRAIN_STEP_MS);
        run(s);
    }
    while (http_readers_resume(s))
        ;
    run(s);
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    CHECK(!s->is_running);
    http_server_quiesce(s);
    answer_all(s);
    http_streams_say_bye(s);
    drain(s);
    server_free(s);
}
