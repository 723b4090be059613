#include "node/node.h"

#include "base/check.h"
#include "base/mem.h"
#include "dist/handshake.h"
#include "node/actor.h"
#include "node/call_monitor.h"
#include "node/internal.h"
#include "node/request.h"

enum {
    DEFAULT_TICK_MS = 60000,
    DEFAULT_CONNECT_MS = 7000,
    DEFAULT_MAX_MESSAGE = 128 << 20,
    DEFAULT_MAX_QUEUE = 64 << 20,
};

bool node_name_is_valid(struct slice name)
{
    const uint8_t *at = name.len ? memchr(name.ptr, '@', name.len) : NULL;

    if (!at || at == name.ptr || at + 1 == name.ptr + name.len ||
        memchr(at + 1, '@', (size_t)(name.ptr + name.len - at - 1)))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] == 0x7F)
            return false;
    return etf_is_atom_text(name);
}

/* ---- life ---- */

static void before_waiting(void *ctx)
{
    struct node *n = ctx;

    runtime_turn(n);
    link_flush_all(n);
}

static void deadline_due(void *ctx, uint64_t id)
{
    (void)id;
    request_expire(ctx);
}

/* The part behind '@', or all of it where there is none. */
static void set_name(struct node *n, char *name, size_t len)
{
    const char *at = memchr(name, '@', len);

    n->name = name;
    n->name_slice = slice_of(name, len);
    n->host = at ? slice_of(at + 1, len - (size_t)(at + 1 - name)) : n->name_slice;
}

static bool copy_config(struct node *n, const struct node_config *c)
{
    char *name = mem_strndup(c->name.ptr, c->name.len);

    if (c->named_by.len)
        n->named_by = mem_strndup(c->named_by.ptr, c->named_by.len);
    n->cookie = mem_alloc(c->cookie.len);
    n->dist_host = mem_strndup(c->dist_host ? c->dist_host : "", c->dist_host ? strlen(c->dist_host) : 0);
    if (name)
        set_name(n, name, c->name.len);
    if (!name || !n->cookie || !n->dist_host || (c->named_by.len && !n->named_by))
        return false;
    memcpy(n->cookie, c->cookie.ptr, c->cookie.len);
    n->cookie_len = c->cookie.len;
    n->is_visible = c->is_visible && !n->named_by;
    n->tls = c->tls;
    n->port_low = c->dist_port_low;
    n->port_high = c->dist_port_high ? c->dist_port_high : c->dist_port_low;
    n->tick_ms = c->tick_ms ? c->tick_ms : DEFAULT_TICK_MS;
    n->connect_ms = c->connect_ms ? c->connect_ms : DEFAULT_CONNECT_MS;
    n->max_message = c->max_message ? c->max_message : DEFAULT_MAX_MESSAGE;
    n->max_queue = c->max_queue ? c->max_queue : DEFAULT_MAX_QUEUE;
    return true;
}

/* NULL: nothing is wrong with it. */
static const char *why_refused(const struct node_config *c)
{
    if (c->cookie.len == 0) /* a variable of the environment that was not set, and anybody would be let in */
        return "it has no cookie";
    if (c->named_by.len)
        return !dist_host_is_plausible(c->name)   ? "beside named_by, its name is a host alone"
               : !node_name_is_valid(c->named_by) ? "named_by is a node: name@host"
                                                  : NULL;
    return node_name_is_valid(c->name) ? NULL : "its name is to be name@host";
}

struct node *node_new(struct loop *l, const struct node_config *config)
{
    const char *why = why_refused(config);
    struct node *n;
    uint64_t seeds[2];

    if (why) {
        LOG(LOG_ERROR, "node-refused", LOG_SLICE("name", config->name), LOG_STR("why", why));
        return NULL;
    }
    n = mem_zalloc(sizeof *n);
    if (!n)
        return NULL;
    n->loop = l;
    n->deadline_armed = UINT64_MAX;
    loop_random(seeds, sizeof seeds);
    idtab_init(&n->links);
    idtab_init(&n->requests);
    idtab_init(&n->call_monitors);
    wr_init(&n->wrapping, SIZE_MAX);
    map_init(&n->links_by_name, seeds[0]);
    map_init(&n->names, seeds[1]);
    pidtab_init(&n->processes);
    deadlines_init(&n->deadlines);
    n->hook = loop_hook_new(l, before_waiting, n);
    n->deadline_timer = loop_timer_new(l, deadline_due, n, 0);
    if (runtime_init(n) != ERR_NONE || !n->hook || !n->deadline_timer || !copy_config(n, config) ||
        epmd_start(n, config) != ERR_NONE) {
        node_free(n);
        return NULL;
    }
    return n;
}

static void accepted(void *ctx, struct loop_stream *s)
{
    link_accept(ctx, s);
}

/* The first free port of the range. */
static enum err listen_in_range(struct node *n)
{
    enum err e = ERR_NONE;

    for (uint32_t port = n->port_low; port <= n->port_high; port++) {
        e = loop_listen(n->loop, n->dist_host, (uint16_t)port, accepted, n, &n->listener);
        if (e != ERR_ADDRESS_IN_USE)
            break;
    }
    return e;
}

static void begin(void *ctx, uint64_t id)
{
    struct node *n = ctx;

    (void)id;
    if (n->is_quiet)
        return;
    if (!n->named_by)
        epmd_register(n);
    else if (!link_dial(n, slice_of_str(n->named_by)))
        node_start_failed(n, ERR_NOMEM, NULL); /* unless it has failed already, and been told */
}

enum err node_start(struct node *n, node_started_fn *started, void *ctx)
{
    enum err e = n->named_by ? ERR_NONE : listen_in_range(n);

    if (e != ERR_NONE)
        return e;
    n->start_timer = loop_timer_new(n->loop, begin, n, 0);
    if (!n->start_timer)
        return ERR_NOMEM;
    n->started = started;
    n->started_ctx = ctx;
    /* From the loop: `started` must not be called before this has returned. */
    loop_timer_start(n->start_timer, 0);
    return ERR_NONE;
}

uint32_t node_any_creation(void)
{
    uint32_t creation;

    loop_random(&creation, sizeof creation);
    return creation < NODE_CREATION_FLOOR ? creation + NODE_CREATION_FLOOR : creation;
}

void node_registered(struct node *n, uint32_t creation)
{
    node_started_fn *started = n->started;

    n->started = NULL;
    /* A node that is up keeps the creation it has: its pids are out in the cluster. */
    if (n->creation == 0) {
        n->creation = creation ? creation : node_any_creation(); /* an EPMD gives none: 0 is nobody's */
        if (runtime_start(n) != ERR_NONE) {
            if (started)
                started(n->started_ctx, ERR_NOMEM, NULL);
            return;
        }
    }
    if (started)
        started(n->started_ctx, ERR_NONE, NULL);
}

bool node_is_nameless(const struct node *n)
{
    return n->named_by && !n->creation;
}

enum err node_named(struct node *n, struct slice name, uint32_t creation)
{
    char *copy = mem_strndup(name.ptr, name.len);

    if (!copy)
        return ERR_NOMEM;
    n->bare_host = n->name;
    set_name(n, copy, name.len);
    LOG(LOG_INFO, "node-named", LOG_SLICE("name", name), LOG_UINT("creation", creation),
        LOG_STR("by", n->named_by));
    node_registered(n, creation);
    return ERR_NONE;
}

void node_start_failed(struct node *n, enum err e, const char *text)
{
    node_started_fn *started = n->started;

    n->started = NULL;
    if (started)
        started(n->started_ctx, e, text);
}

void node_quiesce(struct node *n)
{
    if (n->is_quiet)
        return;
    n->is_quiet = true;
    loop_listener_close(n->listener);
    n->listener = NULL;
    epmd_quiesce(n);
}

void node_stop(struct node *n)
{
    uint32_t cursor = 0;
    struct link *l;

    if (n->is_stopped)
        return;
    node_quiesce(n);
    n->is_stopped = true;
    request_end_all(n, ERR_CANCELLED, "this node is stopping");
    runtime_stop(n);
    while ((l = idtab_next(&n->links, &cursor)))
        link_close(l, ERR_CANCELLED, l->state == LINK_UP ? "this node is stopping" : NULL);
    /* Nobody is left whom they would wake, and a loop with nothing else to do may end. */
    loop_timer_stop(n->alarm_timer);
    loop_timer_stop(n->deadline_timer);
    /* What is under a caller up the stack is freed at the end of the turn, or by node_free. */
}

void node_free(struct node *n)
{
    if (!n)
        return;
    if (n->epmd && !n->is_stopped)
        node_stop(n);
    actors_bury(n);
    signals_clear(&n->local);
    link_flush_all(n);
    CHECK(n->call_monitors.count == 0);
    CHECK(n->links.count == 0 && n->requests.count == 0 && n->processes.count == 0 && n->names.count == 0);
    CHECK(n->links_by_name.count == 0 && n->deadlines.count == 0 && n->local.count == 0 &&
          n->refs.count == 0 && !n->dead);
    epmd_free(n);
    failures_fini(&n->failures);
    runtime_free(n);
    loop_hook_free(n->hook);
    loop_timer_free(n->deadline_timer);
    loop_timer_free(n->start_timer);
    deadlines_fini(&n->deadlines);
    pidtab_fini(&n->processes);
    map_fini(&n->names);
    map_fini(&n->links_by_name);
    requests_free_spare(n);
    call_monitors_free_spare(n);
    wr_fini(&n->wrapping);
    idtab_fini(&n->requests);
    idtab_fini(&n->call_monitors);
    idtab_fini(&n->links);
    if (n->cookie)
        mem_wipe(n->cookie, n->cookie_len);
    mem_free(n->cookie);
    for (size_t i = 0; i < ARRAY_LEN(n->other_names); i++)
        mem_free(n->other_names[i]);
    mem_free(n->dist_host);
    mem_free(n->named_by);
    mem_free(n->bare_host);
    mem_free(n->name);
    mem_free(n);
}

void node_judge_replies(struct node *n, node_done_fn *done, node_judge_fn *judge)
{
    n->judged = done;
    n->judge = judge;
}

void node_on_atom(struct node *n, node_atom_fn *fn, void *ctx)
{
    n->on_atom = fn;
    n->on_atom_ctx = ctx;
}

void node_on_read(struct node *n, void (*fn)(void *ctx), void *ctx)
{
    n->on_read = fn;
    n->on_read_ctx = ctx;
}

void node_set_gate(struct node *n, node_gate_fn *fn, void *ctx)
{
    n->gate = fn;
    n->gate_ctx = ctx;
}

size_t node_recheck(struct node *n)
{
    uint32_t cursor = 0;
    size_t ended = 0;
    struct link *l;

    while ((l = idtab_next(&n->links, &cursor))) {
        /* One that is to take another's place has the name without being found by it yet. */
        if (!l->name || link_may_be(n, slice_of_str(l->name), !l->was_dialled))
            continue;
        link_close(l, ERR_CANCELLED, "the policy does not let us have a link to it any more");
        ended++;
    }
    return ended;
}

void node_set_max_queue(struct node *n, size_t bytes)
{
    n->max_queue = bytes ? bytes : DEFAULT_MAX_QUEUE;
}

/* ---- what it is ---- */

struct slice node_name(const struct node *n)
{
    return n->name_slice;
}

uint32_t node_creation(const struct node *n)
{
    return n->creation;
}

bool node_is_registered(const struct node *n)
{
    return n->creation && !n->is_quiet && epmd_is_registered(n);
}

bool node_is_visible(const struct node *n)
{
    return n->is_visible;
}

uint16_t node_dist_port(const struct node *n)
{
    return n->listener ? loop_listener_port(n->listener) : 0;
}

bool node_has_embedded_epmd(const struct node *n)
{
    return epmd_is_embedded(n);
}

bool node_disconnect(struct node *n, struct slice name)
{
    struct link *l = link_find(n, name);

    if (!l)
        return false;
    link_close(l, ERR_CANCELLED, "disconnected on request");
    return true;
}

static void describe(const struct link *l, struct node_peer *ret)
{
    const struct node *n = l->node;

    *ret = (struct node_peer){
        .name = slice_of_str(l->name), .was_dialled = l->was_dialled, .in_flight = l->request_count};
    if (l->conn) {
        struct dist_conn_stats stats = dist_conn_stats(l->conn);

        ret->bytes_in = stats.bytes_in;
        ret->bytes_out = stats.bytes_out;
        ret->messages_in = stats.messages_in;
        ret->messages_out = stats.messages_out;
        ret->ticks_in = stats.ticks_in;
        ret->ticks_out = stats.ticks_out;
        ret->queued = dist_conn_queued(l->conn);
    }
    if (l->state == LINK_UP) {
        ret->is_up = true;
        ret->is_hidden = dist_conn_peer_is_hidden(l->conn);
        ret->creation = dist_conn_peer_creation(l->conn);
        ret->flags = dist_conn_peer_flags(l->conn);
        ret->up_ms = loop_now_ms(n->loop) - l->up_since_ms;
    }
}

bool node_next_peer(const struct node *n, size_t *cursor, struct node_peer *ret)
{
    struct link *l = map_next(&n->links_by_name, cursor, NULL);

    if (l)
        describe(l, ret);
    return l != NULL;
}

bool node_find_peer(const struct node *n, struct slice name, struct node_peer *ret)
{
    struct link *l = link_find(n, name);

    if (l)
        describe(l, ret);
    return l != NULL;
}

struct node_counts node_counts(const struct node *n)
{
    return (struct node_counts){
        .links = n->links_by_name.count,
        .processes = n->processes.count,
        .requests = n->requests.count,
        .late_replies = n->late_replies,
        .unknown_dropped = n->unknown_dropped,
        .links_refused = n->links_refused,
    };
}
