#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/cross_wire.h"

enum {
    SOCKET_MODE = 0600,
    GONE_MS = 1000,
    DRAIN_MS = 500,         /* for answers under way when stopping */
    DRAIN_READERS_A_MS = 5, /* and for so many readers of streams another */
    DRAIN_STEP_MS = 10,
    LATE_MS = 250, /* that a request may be on its way when nobody can connect any more */
};

static const char default_host[] = "127.0.0.1";

void http_random(struct http_server *s, void *out, size_t len)
{
    if (s->entropy_left < len) {
        loop_random(s->entropy, sizeof s->entropy);
        s->entropy_left = sizeof s->entropy;
    }
    s->entropy_left -= len;
    memcpy(out, s->entropy + s->entropy_left, len);
}

/* ---- the clock ---- */

uint64_t http_look_at_clock(struct http_server *s)
{
    s->now_us = loop_now_us();
    return s->now_us;
}

uint64_t http_now_us(struct http_server *s)
{
    return s->is_running && s->now_us ? s->now_us : http_look_at_clock(s);
}

/* ---- life ---- */

static void server_free(struct http_server *s)
{
    loop_hook_free(s->hook);
    loop_timer_free(s->sweep_timer);
    loop_timer_free(s->late_timer);
    for (size_t i = 0; i < s->listener_count; i++)
        http_listener_free(s->listeners[i]);
    while (!ring_is_empty(&s->retired))
        http_listener_free(LINK_OWNER(s->retired.next, struct http_listener, retired));
    http_streams_fini(s);
    CHECK(s->guests.count == 0 && s->twins.count == 0 && s->twins_waiting == 0 && s->remotes.count == 0);
    idtab_fini(&s->guests);
    idtab_fini(&s->twins);
    idtab_fini(&s->remotes);
    CHECK(s->peers.count == 0);
    CHECK(s->connections == 0 && s->sending == 0 && s->requests.count == 0 && s->body_bytes == 0 &&
          ring_is_empty(&s->answers_by_age));
    http_requests_free(s);
    mem_free(s->counts);
    http_tls_unref(s->tls);
    http_router_free(s->router);
    http_router_free(s->admin_router);
    http_gzip_free(s->gzip);
    idtab_fini(&s->requests);
    map_fini(&s->peers);
    mem_free(s);
}

static bool has_admin(const struct http_config *c)
{
    for (size_t i = 0; i < c->listen_count; i++)
        if (c->listens[i].is_admin)
            return true;
    return false;
}

static enum err make_routers(struct http_server *s)
{
    const struct http_config *c = &s->config;
    unsigned both = 1u << HTTP_ON_BOTH, admin = 1u << HTTP_ON_ADMIN, main = 1u << HTTP_ON_MAIN | both;
    enum err e;

    if (!has_admin(c))
        return http_router_new(c->routes, c->route_count, main | admin, &s->router);
    e = http_router_new(c->routes, c->route_count, main, &s->router);
    return e == ERR_NONE ? http_router_new(c->routes, c->route_count, both | admin, &s->admin_router) : e;
}

static const char *why_not(const struct http_listen *c, enum err e)
{
    if (e == ERR_ADDRESS_IN_USE)
        return c->path ? "another process listens there, or it is no socket" : "somebody else is there";
    if (c->path)
        return "its folder is not there or may not be written, or the path is too long";
    return e == ERR_INVALID       ? "this machine has no such address"
           : e == ERR_NOT_ALLOWED ? "only a privileged process may listen on that port"
                                  : err_text(e);
}

static void tell_failure(const struct http_listen *c, enum err e)
{
    char at[300];

    snprintf(at, sizeof at, "%s:%u", *c->host ? c->host : "*", c->port);
    LOG(LOG_ERROR, "listen-failed", LOG_STR("at", c->path ? c->path : at), LOG_STR("error", err_name(e)),
        LOG_STR("why", why_not(c, e)));
}

static enum err add_listener(struct http_server *s, const struct http_listen *config)
{
    struct http_listen c = *config;
    enum err e;

    if (c.is_tls && !s->tls)
        return ERR_INVALID;
    c.host = c.host ? c.host : default_host;
    c.mode = c.mode ? c.mode : SOCKET_MODE;
    e = http_listener_add(s, &c);
    if (e != ERR_NONE)
        tell_failure(&c, e);
    return e;
}

static enum err add_listeners(struct http_server *s)
{
    const struct http_config *c = &s->config;
    enum err e = ERR_NONE;

    if (c->listen_count == 0)
        return add_listener(
            s, &(struct http_listen){.host = c->host, .port = c->port, .is_tls = c->tls != NULL});
    if (c->listen_count > HTTP_LISTENERS_MAX)
        return ERR_INVALID;
    for (size_t i = 0; e == ERR_NONE && i < c->listen_count; i++)
        e = add_listener(s, &c->listens[i]);
    return e;
}

static enum err start(struct http_server *s)
{
    enum err e = http_streams_init(s);

    s->hook = loop_hook_new(s->loop, http_listeners_before_wait, s);
    s->sweep_timer = loop_timer_new(s->loop, http_sweep_due, s, 0);
    if (e == ERR_NONE && (!s->hook || !s->sweep_timer || !s->counts))
        e = ERR_NOMEM;
    if (e == ERR_NONE)
        e = make_routers(s);
    return e == ERR_NONE ? add_listeners(s) : e;
}

enum err http_server_start(struct loop *l, const struct http_config *config, struct http_server **ret)
{
    struct http_server *s = mem_zalloc(sizeof *s);
    uint64_t seed;
    enum err e;

    if (!s)
        return ERR_NOMEM;
    s->config = *config;
    s->config.gone_ms = config->gone_ms ? config->gone_ms : GONE_MS;
    s->limits = http_limits_fill(&config->limits, config);
    s->loop = l;
    s->tls = config->tls ? http_tls_ref(config->tls) : NULL;
    s->counts = http_stats_new(config->route_count);
    s->is_library_known = strncmp(MHD_get_version(), "0.9.7", 5) == 0;
    s->is_dress_whole = s->is_library_known && http_dress_is_whole();
    http_random(s, &seed, sizeof seed);
    map_init(&s->peers, seed);
    idtab_init(&s->requests);
    idtab_init(&s->guests);
    idtab_init(&s->twins);
    idtab_init(&s->remotes);
    ring_init(&s->retired);
    ring_init(&s->fresh);
    ring_init(&s->arriving);
    ring_init(&s->waiting);
    ring_init(&s->answers_by_age);
    s->answers = config->answers ? config->answers : &s->own_answers;
    ring_init(&s->free_requests);
    e = start(s);
    if (e != ERR_NONE) {
        server_free(s);
        return e;
    }
    *ret = s;
    return ERR_NONE;
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->listeners[0]->port;
}

uint16_t http_server_port_of(const struct http_server *s, size_t listen)
{
    return listen < s->listener_count ? s->listeners[listen]->port : 0;
}

void http_server_set_tls(struct http_server *s, struct http_tls *tls)
{
    CHECK(s->tls);
    http_tls_ref(tls);
    http_tls_unref(s->tls);
    s->tls = tls;
}

const struct http_tls *http_server_tls(const struct http_server *s)
{
    return s->tls;
}

void http_server_set_names(struct http_server *s, const char *const *hosts, const char *const *origins)
{
    s->config.hosts = hosts;
    s->config.origins = origins;
    for (size_t i = 0; i < s->listener_count; i++) {
        s->listeners[i]->guard.hosts = hosts;
        s->listeners[i]->guard.origins = origins;
    }
    for (struct http_link *l = s->retired.next; l != &s->retired; l = l->next) {
        struct http_guard *guard = &LINK_OWNER(l, struct http_listener, retired)->guard;

        guard->hosts = hosts;
        guard->origins = origins;
    }
}

const struct http_server_stats *http_server_stats(const struct http_server *s)
{
    return &s->stats;
}

const struct http_stats *http_server_counts(const struct http_server *s)
{
    return s->counts;
}

unsigned http_server_own_connections(const struct http_server *s)
{
    return s->connections - s->guests.count;
}

unsigned http_server_connections(const struct http_server *s)
{
    return s->connections;
}

size_t http_server_in_flight(const struct http_server *s)
{
    return s->requests.count - s->twins_waiting;
}

uint64_t http_server_body_bytes(const struct http_server *s)
{
    return s->body_bytes;
}

uint64_t http_server_answer_bytes(const struct http_server *s)
{
    return atomic_load_explicit(&s->answers->bytes, memory_order_relaxed);
}

struct http_answers *http_server_answers(struct http_server *s)
{
    return s->answers;
}

void http_server_leave(struct http_server *s)
{
    s->is_leaving = true;
}

/* Connections that have been between two requests for so long end; what has arrived on one already is read
 * before the end is. */
static void end_idle(struct http_server *s, struct http_link *ring, uint64_t idle_ms)
{
    uint64_t now_ms = loop_now_ms(s->loop);

    for (struct http_link *l = ring->next; l != ring; l = l->next) {
        struct http_conn *c = LINK_OWNER(l, struct http_conn, arriving);

        if (!c->request && !c->listener->config.is_admin && now_ms - c->since_ms >= idle_ms)
            shutdown(c->fd, SHUT_RD);
    }
}

static void refuse(void *ctx, uint64_t id)
{
    struct http_server *s = ctx;

    (void)id;
    s->is_refusing = true;
    end_idle(s, &s->fresh, 0);
    end_idle(s, &s->arriving, 0);
}

void http_server_quiesce(struct http_server *s)
{
    if (s->is_quiescing)
        return;
    s->is_leaving = s->is_quiescing = true;
    for (size_t i = 0; i < s->listener_count; i++) {
        if (s->listeners[i]->config.is_admin)
            continue;
        http_spread_close(s->listeners[i]);
        http_unbind(s->listeners[i]);
    }
    s->late_timer = loop_timer_new(s->loop, refuse, s, 0);
    if (!s->late_timer) {
        refuse(s, 0);
        return;
    }
    loop_timer_start(s->late_timer, LATE_MS);
    end_idle(s, &s->fresh, LATE_MS);
    end_idle(s, &s->arriving, LATE_MS);
}

/* Of the connections of a ring, does one bring a request? */
static bool is_arriving(const struct http_server *s, struct http_link *ring)
{
    for (struct http_link *l = ring->next; l != ring; l = l->next) {
        const struct http_conn *c = LINK_OWNER(l, struct http_conn, arriving);

        if (!c->listener->config.is_admin && (c->request || !s->is_refusing))
            return true;
    }
    return false;
}

bool http_server_is_busy(struct http_server *s)
{
    return s->requests.count > 0 || s->sending > s->streams.readers || is_arriving(s, &s->fresh) ||
           is_arriving(s, &s->arriving);
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

static void run_all(struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        http_listener_run(s->listeners[i]);
    for (struct http_link *l = s->retired.next; l != &s->retired; l = l->next)
        http_listener_run(LINK_OWNER(l, struct http_listener, retired));
}

static bool is_any_due(const struct http_server *s)
{
    for (size_t i = 0; i < s->listener_count; i++)
        if (http_listener_timeout(s->listeners[i]) == 0)
            return true;
    return false;
}

/* libmicrohttpd aborts when it is stopped with connections suspended: it must run once after the last resume.
 */
static void drain(struct http_server *s)
{
    uint64_t drain_ms = DRAIN_MS + s->streams.readers / DRAIN_READERS_A_MS;
    uint64_t deadline_us = loop_now_us() + drain_ms * 1000;
    struct pollfd fds[HTTP_LISTENERS_MAX];

    for (size_t i = 0; i < s->listener_count; i++)
        fds[i] = (struct pollfd){.fd = http_listener_epoll(s->listeners[i]), .events = POLLIN};
    run_all(s);
    while (s->sending > 0 && loop_now_us() < deadline_us) {
        if (!http_readers_resume(s) && !is_any_due(s))
            poll(fds, s->listener_count, DRAIN_STEP_MS);
        run_all(s);
    }
    while (http_readers_resume(s))
        ;
    run_all(s);
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->listener_count; i++)
        CHECK(!s->listeners[i]->is_running);
    http_server_quiesce(s);
    s->is_stopping = true; /* libmicrohttpd runs on, so that answers leave, and would bring more requests */
    answer_all(s);
    http_streams_say_bye(s);
    http_lend_end_all(s);
    drain(s);
    server_free(s);
}
