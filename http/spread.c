/*
 * spread: connections are accepted here, and each is given to the thread that has the fewest: the owner
 * itself or a worker. So the load is even from the second connection on, however few a client keeps;
 * SO_REUSEPORT would throw dice for each. Limits on connections are counted here, for all threads.
 * (libmicrohttpd, which could accept for one thread, spins when descriptors have run out and it has no
 * connection to wait for.)
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/cross_wire.h"

enum {
    ACCEPTS_A_TURN = 64, /* then the others of the loop have their turn */
    QUEUE_MAX = 4096,    /* that wait in the socket's queue: net.core.somaxconn, as it comes */
    NO_DESCRIPTOR_MS = 100,
    TELL_AGAIN_MS = 5000,
    SELF = HTTP_WORKERS_MAX,
};

/* ---- who gets it ---- */

/* The first of those that have the fewest, from the next one on. Our own count two fifths more, for we serve
 * the links to other nodes besides. What admins ask, the owner answers, however busy the others are. */
static unsigned fewest(const struct http_listener *l)
{
    struct http_server *s = l->server;
    unsigned best = SELF, own = http_server_own_connections(s), least = own + own * 2 / 5 + s->handicap;

    for (unsigned n = 0; n < s->worker_count && !l->config.is_admin; n++) {
        unsigned i = (s->next_worker + n) % s->worker_count;

        if (!s->workers[i].channel || s->workers[i].connections >= least)
            continue;
        best = i;
        least = s->workers[i].connections;
    }
    s->next_worker = best == SELF ? s->next_worker : (best + 1) % s->worker_count;
    return best;
}

static void guest_free(struct http_server *s, struct http_guest *g)
{
    http_peer_leave(s, &g->conn);
    s->workers[g->worker].connections--;
    mem_free(g);
}

static struct http_guest *guest_new(struct http_listener *l, unsigned worker, const struct http_peer *peer)
{
    struct http_server *s = l->server;
    struct http_guest *g = mem_zalloc(sizeof *g);

    if (!g)
        return NULL;
    g->id = idtab_add(&s->guests, g);
    if (!g->id) {
        mem_free(g);
        return NULL;
    }
    g->worker = worker;
    g->conn.peer = *peer;
    http_peer_enter(s, &g->conn);
    s->workers[worker].connections++;
    return g;
}

static bool give(struct http_listener *l, unsigned worker, int fd, const struct sockaddr_storage *address,
                 socklen_t len)
{
    struct http_server *s = l->server;
    struct http_peer peer =
        l->config.path ? (struct http_peer){0} : http_peer_of((const struct sockaddr *)address);
    struct http_guest *g;
    struct cross_conn m = {.fd = fd, .address = *address, .address_len = len};

    if (http_peer_is_shut_out(s, &peer))
        return false;
    g = guest_new(l, worker, &peer);
    if (!g)
        return false;
    while (s->listeners[m.listener] != l)
        m.listener++;
    m.guest = g->id;
    m.over = g->conn.over;
    if (CROSS_SEND(s->workers[worker].channel, HTTP_CROSS_CONN, m))
        return true;
    idtab_remove(&s->guests, g->id);
    guest_free(s, g);
    return false;
}

static void place(struct http_listener *l, int fd, const struct sockaddr_storage *address, socklen_t len)
{
    unsigned worker = fewest(l);

    if (worker != SELF) {
        if (!give(l, worker, fd, address, len))
            close(fd);
        return;
    }
    /* (It closes what it does not take.) */
    (void)MHD_add_connection(l->daemon, fd, (const struct sockaddr *)address, len);
    l->has_run = true; /* so that it is asked when it wants to run */
}

/* ---- accepting ---- */

static void accept_ready(void *ctx);

static void look_again(void *ctx, uint64_t id)
{
    struct http_listener *l = ctx;

    (void)id;
    if (l->fd < 0 || l->accept_poll)
        return;
    l->accept_poll = loop_poll_new(l->server->loop, l->fd, accept_ready, l);
    if (!l->accept_poll)
        loop_timer_start(l->accept_timer, NO_DESCRIPTOR_MS);
}

/* It fails ten times a second for as long as it does: a line tells of many. */
static void tell_failure(struct http_server *s, int why)
{
    uint64_t now = loop_now_ms(s->loop);

    s->not_accepted++;
    if (s->not_accepted_ms && now - s->not_accepted_ms < TELL_AGAIN_MS)
        return;
    LOG(LOG_WARN, "accept-failed", LOG_STR("why", strerror(why)), LOG_UINT("times", s->not_accepted));
    s->not_accepted_ms = now;
    s->not_accepted = 0;
}

/* The process has no descriptor left: what waits does so until one is free, and we do not spin meanwhile. */
static void rest(struct http_listener *l, int why)
{
    if (why != EMFILE && why != ENFILE && why != ENOBUFS && why != ENOMEM)
        return;
    tell_failure(l->server, why);
    loop_poll_free(l->accept_poll);
    l->accept_poll = NULL;
    loop_timer_start(l->accept_timer, NO_DESCRIPTOR_MS);
}

/* False: there is none, or none can be had. */
static bool accept_one(struct http_listener *l)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof address;
    int fd = accept4(l->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0) {
        place(l, fd, &address, len);
        return true;
    }
    if (errno == ECONNABORTED || errno == EINTR)
        return true;
    rest(l, errno);
    return false;
}

static void accept_ready(void *ctx)
{
    for (int n = 0; n < ACCEPTS_A_TURN && accept_one(ctx); n++)
        ;
}

enum err http_spread_begin(struct http_listener *l, int fd)
{
    l->accept_timer = loop_timer_new(l->server->loop, look_again, l, 0);
    l->accept_poll = l->accept_timer ? loop_poll_new(l->server->loop, fd, accept_ready, l) : NULL;
    if (!l->accept_poll)
        return ERR_NOMEM;
    l->fd = fd;
    return ERR_NONE;
}

void http_spread_end(struct http_listener *l)
{
    loop_poll_free(l->accept_poll);
    loop_timer_free(l->accept_timer);
    l->accept_poll = NULL;
    l->accept_timer = NULL;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

void http_spread_close(struct http_listener *l)
{
    /* (Who keeps on connecting does not keep us.) */
    for (int n = 0; n < QUEUE_MAX && l->fd >= 0 && accept_one(l); n++)
        ;
    http_spread_end(l);
}

/* ---- the workers, at the owner ---- */

unsigned http_server_add_worker(struct http_server *owner, struct channel *to_worker)
{
    unsigned i = owner->worker_count++;

    owner->workers[i] = (struct http_worker){.channel = to_worker};
    return i;
}

void http_guest_closed(struct http_server *s, uint64_t id)
{
    struct http_guest *g = idtab_remove(&s->guests, id);

    if (g)
        guest_free(s, g);
}

void http_guests_remove(struct http_server *s, unsigned worker)
{
    uint32_t cursor = 0;
    struct http_guest *g;

    while ((g = idtab_next(&s->guests, &cursor))) {
        if (g->worker == worker)
            http_guest_closed(s, g->id);
    }
}

/* ---- at a worker ---- */

void http_guest_came(struct http_server *s, const struct cross_conn *m)
{
    struct http_listener *l = s->listeners[m->listener];

    s->arriving_guest = m->guest;
    s->arriving_over = m->over;
    (void)MHD_add_connection(l->daemon, m->fd, (const struct sockaddr *)&m->address, m->address_len);
    l->has_run = true;
    if (s->arriving_guest) /* it was not taken */
        (void)CROSS_SEND(s->config.owner, HTTP_CROSS_CLOSED, ((struct cross_closed){s->arriving_guest}));
    s->arriving_guest = 0;
}

bool http_guest_enter(struct http_server *s, struct http_conn *c)
{
    if (!s->arriving_guest)
        return false;
    s->connections++;
    c->guest = s->arriving_guest;
    c->over = s->arriving_over;
    s->arriving_guest = 0;
    return true;
}

bool http_guest_leave(struct http_server *s, struct http_conn *c)
{
    if (!c->guest)
        return false;
    s->connections--;
    (void)CROSS_SEND(s->config.owner, HTTP_CROSS_CLOSED, ((struct cross_closed){c->guest}));
    return true;
}
