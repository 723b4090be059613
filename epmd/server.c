#include "epmd/server.h"

#include <errno.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/idtab.h"
#include "base/mem.h"
#include "epmd/listeners.h"
#include "loop/stream.h"

enum {
    READ_SIZE = 4096,
    DEFAULT_TIMEOUT_MS = 60000,
    /* Between the question whether an old connection is still there and the answer: time for the loop to hear
     * of its end. The machine closes the sockets of a process that has died before a new one can even be
     * started. */
    PROBE_MS = 20,
    /* Answers that their readers do not take: past either, the one is given up that has taken nothing for
     * longest. */
    DRAINING_MAX = 256,
    REST_BYTES_MAX = 32 << 20,
    MOST_CONNECTIONS = 4096, /* unless it is told */
};

/* A connection: in `peers` from its accept to the closing of its stream. */
struct peer {
    struct epmd_server *server; /* borrowed */
    uint64_t handle;            /* in server->peers; the core's `user` */
    uint64_t conn; /* the core's id; 0: the core is done with it, and the rest of the answer is on its way */
    struct loop_stream *stream; /* owned */
    struct wr rest;             /* of the answer: what the kernel has not taken */
    size_t sent;                /* of rest */
    /* A list with times: peers that wait for a probe's answer, or (conn 0) for the kernel to take the rest.
     */
    struct peer_list *list; /* borrowed; NULL: in none */
    struct peer *prev, *next;
    uint64_t since_ms;
};

struct peer_list {
    struct peer *first, *last; /* borrowed; the one that waits longest comes first */
    size_t count;
};

struct epmd_server {
    struct loop *loop; /* borrowed */
    struct epmd_server_config config;
    struct epmd_core *core; /* owned */
    struct idtab peers;     /* struct peer, owned */
    struct epmd_listeners listeners;
    struct loop_timer *timer;       /* owned: timeouts */
    uint64_t timer_at;              /* when it fires; UINT64_MAX: not armed */
    struct loop_timer *probe_timer; /* owned */
    struct peer_list probing, draining;
    size_t rest_bytes;      /* of all peers */
    uint8_t buf[READ_SIZE]; /* what was just read; used up before the next read */
};

static void pump(struct epmd_server *s);

/* ---- lists ---- */

static void list_remove(struct peer *p)
{
    struct peer_list *l = p->list;

    if (!l)
        return;
    *(p->prev ? &p->prev->next : &l->first) = p->next;
    *(p->next ? &p->next->prev : &l->last) = p->prev;
    l->count--;
    p->list = NULL;
}

static void list_append(struct peer_list *l, struct peer *p, uint64_t now_ms)
{
    list_remove(p);
    p->list = l;
    p->since_ms = now_ms;
    p->prev = l->last;
    p->next = NULL;
    *(l->last ? &l->last->next : &l->first) = p;
    l->last = p;
    l->count++;
}

/* ---- peers ---- */

static void drop_rest(struct peer *p)
{
    p->server->rest_bytes -= p->rest.len;
    wr_fini(&p->rest);
    p->sent = 0;
}

static void peer_free(struct peer *p)
{
    list_remove(p);
    idtab_remove(&p->server->peers, p->handle);
    loop_stream_close(p->stream);
    drop_rest(p);
    mem_free(p);
}

/* Its socket has failed or ended: nothing more can be said to it. */
static void peer_lost(struct peer *p)
{
    epmd_core_closed(p->server->core, p->conn);
    peer_free(p);
}

static uint8_t *room(void *ctx, size_t *ret_len)
{
    struct peer *p = ctx;

    *ret_len = sizeof p->server->buf;
    return p->server->buf;
}

static void received(void *ctx, size_t n)
{
    struct peer *p = ctx;
    struct epmd_server *s = p->server;

    epmd_core_feed(s->core, p->conn, slice_of(s->buf, n), loop_now_ms(s->loop));
    pump(s);
}

static void ended(void *ctx, enum err e)
{
    struct peer *p = ctx;
    struct epmd_server *s = p->server;

    (void)e;
    peer_lost(p);
    pump(s);
}

static void writable(void *ctx)
{
    struct peer *p = ctx;
    struct epmd_server *s = p->server;
    struct slice rest = wr_written(&p->rest);
    size_t taken = 0;

    if (loop_stream_write(p->stream, slice_of(rest.ptr + p->sent, rest.len - p->sent), &taken) != ERR_NONE) {
        peer_lost(p);
        pump(s);
        return;
    }
    p->sent += taken;
    if (p->sent < rest.len) {
        if (!p->conn && taken > 0)
            list_append(&s->draining, p, loop_now_ms(s->loop)); /* it does read: others go first */
        return;
    }
    drop_rest(p);
    if (!p->conn)
        peer_free(p);
}

static const struct loop_stream_ops ops = {
    .room = room, .received = received, .writable = writable, .ended = ended};

static void accepted(void *ctx, struct loop_stream *stream)
{
    struct epmd_server *s = ctx;
    struct peer *p = mem_zalloc(sizeof *p);

    if (s->config.delay_accept_s)
        sleep(s->config.delay_accept_s);
    if (!p) {
        loop_stream_close(stream);
        return;
    }
    p->server = s;
    p->stream = stream;
    wr_init(&p->rest, SIZE_MAX);
    p->handle = idtab_add(&s->peers, p);
    if (p->handle)
        p->conn = epmd_core_open(s->core, loop_stream_is_local(stream), p->handle, loop_now_ms(s->loop));
    if (p->conn)
        loop_stream_start(stream, &ops, p);
    else
        peer_free(p);
    pump(s); /* somebody may have had to make room */
}

/* ---- what the core wants ---- */

static void do_send(struct epmd_server *s, struct peer *p, struct slice bytes)
{
    size_t taken = 0;

    if (s->config.delay_write_s)
        sleep(s->config.delay_write_s);
    if (loop_stream_write(p->stream, bytes, &taken) != ERR_NONE) {
        peer_lost(p);
        return;
    }
    wr_slice(&p->rest, slice_of(bytes.ptr + taken, bytes.len - taken));
    s->rest_bytes += p->rest.len; /* a connection has one answer */
    if (!wr_ok(&p->rest))
        peer_lost(p);
}

static void do_close(struct epmd_server *s, struct peer *p)
{
    p->conn = 0;
    list_remove(p);
    if (p->rest.len == 0) {
        peer_free(p);
        return;
    }
    loop_stream_pause(p->stream, true);
    list_append(&s->draining, p, loop_now_ms(s->loop));
    while (s->draining.first != p && (s->draining.count > DRAINING_MAX || s->rest_bytes > REST_BYTES_MAX))
        peer_free(s->draining.first);
}

static void do_probe(struct epmd_server *s, struct peer *p)
{
    if (!s->probing.first)
        loop_timer_start(s->probe_timer, PROBE_MS);
    list_append(&s->probing, p, loop_now_ms(s->loop));
}

static void probes_due(void *ctx, uint64_t id)
{
    struct epmd_server *s = ctx;
    uint64_t now = loop_now_ms(s->loop);
    struct peer *p;

    (void)id;
    while ((p = s->probing.first) && p->since_ms + PROBE_MS <= now) {
        list_remove(p);
        epmd_core_probed(s->core, p->conn);
    }
    if (p)
        loop_timer_start(s->probe_timer, p->since_ms + PROBE_MS - now);
    pump(s);
}

static void arm(struct epmd_server *s)
{
    uint64_t now = loop_now_ms(s->loop), at = epmd_core_deadline(s->core);

    if (s->draining.first && s->draining.first->since_ms + s->config.packet_timeout_ms < at)
        at = s->draining.first->since_ms + s->config.packet_timeout_ms;
    /* Deadlines move away with each byte that comes; firing too early costs less than setting the timer each
     * time. */
    if (at >= s->timer_at)
        return;
    s->timer_at = at;
    loop_timer_start(s->timer, at > now ? at - now : 0);
}

static void timer_fired(void *ctx, uint64_t id)
{
    struct epmd_server *s = ctx;
    uint64_t now = loop_now_ms(s->loop);
    struct peer *p;

    (void)id;
    s->timer_at = UINT64_MAX;
    while ((p = s->draining.first) && p->since_ms + s->config.packet_timeout_ms <= now)
        peer_free(p);
    epmd_core_advance(s->core, now);
    pump(s);
}

/* The server may be gone afterwards: on_kill may stop it. */
static void pump(struct epmd_server *s)
{
    struct epmd_event event;
    bool is_killed = false;

    while (epmd_core_next(s->core, &event) != EPMD_EVENT_NONE) {
        struct peer *p = idtab_get(&s->peers, event.user);

        if (event.kind == EPMD_EVENT_KILLED)
            is_killed = true;
        else if (!p)
            continue;
        else if (event.kind == EPMD_EVENT_SEND)
            do_send(s, p, event.bytes);
        else if (event.kind == EPMD_EVENT_CLOSE)
            do_close(s, p);
        else
            do_probe(s, p);
    }
    arm(s);
    if (is_killed)
        s->config.on_kill(s->config.ctx);
}

/* ---- life ---- */

/* Where we are a part of a program, the program has use for descriptors too. */
static size_t default_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 4 > MOST_CONNECTIONS)
        return MOST_CONNECTIONS;
    return limit.rlim_cur < 4 ? 1 : (size_t)limit.rlim_cur / 4;
}

static struct epmd_core *make_core(const struct epmd_server *s)
{
    struct epmd_core_config config = {.is_relaxed = s->config.is_relaxed,
                                      .is_killable = s->config.on_kill,
                                      .packet_timeout_ms = s->config.packet_timeout_ms,
                                      .max_connections = s->config.max_connections,
                                      .max_old = s->config.max_old,
                                      .now_ms = loop_now_ms(s->loop),
                                      .wall_s = (uint32_t)time(NULL),
                                      .note = s->config.on_note,
                                      .ctx = s->config.ctx};

    loop_random(&config.hash_seed, sizeof config.hash_seed);
    return epmd_core_new(&config);
}

enum err epmd_server_start(struct loop *l, const struct epmd_server_config *config, struct epmd_server **ret,
                           const char **ret_address)
{
    struct epmd_server *s = mem_zalloc(sizeof *s);
    const char *address = "";
    enum err e = ERR_NOMEM;

    if (!s)
        return ERR_NOMEM;
    s->loop = l;
    s->config = *config;
    if (!s->config.max_connections)
        s->config.max_connections = default_connections();
    if (!s->config.packet_timeout_ms)
        s->config.packet_timeout_ms = DEFAULT_TIMEOUT_MS;
    s->timer_at = UINT64_MAX;
    idtab_init(&s->peers);
    s->core = make_core(s);
    s->timer = loop_timer_new(l, timer_fired, s, 0);
    s->probe_timer = loop_timer_new(l, probes_due, s, 0);
    if (s->core && s->timer && s->probe_timer)
        e = config->listen_fd_count ? epmd_listeners_take(&s->listeners, l, config->listen_fds,
                                                          config->listen_fd_count, accepted, s)
                                    : epmd_listeners_open(&s->listeners, l, config->addresses, config->port,
                                                          accepted, s, &address);
    if (e != ERR_NONE) {
        int why = errno; /* ERR_IO's */

        if (ret_address)
            *ret_address = address;
        epmd_server_stop(s);
        errno = why;
        return e;
    }
    /* What was borrowed for starting is not kept. */
    s->config.addresses = NULL;
    s->config.listen_fds = NULL;
    epmd_core_set_port(s->core, s->listeners.port);
    *ret = s;
    return ERR_NONE;
}

void epmd_server_stop(struct epmd_server *s)
{
    uint32_t cursor = 0;
    struct peer *p;

    if (!s)
        return;
    epmd_listeners_close(&s->listeners);
    while ((p = idtab_next(&s->peers, &cursor)))
        peer_free(p);
    idtab_fini(&s->peers);
    loop_timer_free(s->timer);
    loop_timer_free(s->probe_timer);
    epmd_core_free(s->core);
    mem_free(s);
}

uint16_t epmd_server_port(const struct epmd_server *s)
{
    return s->listeners.port;
}

/* ---- what it holds ---- */

enum err epmd_server_register(struct epmd_server *s, const struct epmd_entry *entry, uint32_t *ret_creation)
{
    return epmd_core_register(s->core, entry, loop_now_ms(s->loop), ret_creation);
}

void epmd_server_unregister(struct epmd_server *s, struct slice name)
{
    epmd_core_unregister(s->core, name);
}

size_t epmd_server_count(const struct epmd_server *s)
{
    return epmd_core_count(s->core);
}

bool epmd_server_next(const struct epmd_server *s, const struct epmd_reg **cursor, struct epmd_listing *ret)
{
    return epmd_core_list(s->core, cursor, ret);
}

bool epmd_server_find(const struct epmd_server *s, struct slice name, struct epmd_listing *ret)
{
    return epmd_core_find(s->core, name, ret);
}
