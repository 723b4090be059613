/*
 * global_server: the process global_name_server: what it is told, and how it begins and ends with its
 * helpers.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/gen.h"
#include "node/global_state.h"
#include "node/internal.h"

const struct slice global_server_name = {.ptr = (const uint8_t *)"global_name_server", .len = 18};

/* ---- messages ---- */

static void in_sync(struct global *g, struct global_peer *p)
{
    p->is_synced = true;
    p->is_pending = false;
    global_meeting_end(g, p);
}

static void new_nodes(struct global *g, const struct global_msg *m)
{
    struct etf_rd lock = m->lock;
    struct wr requester;

    wr_init(&requester, GLOBAL_MAX_TEXT);
    if (!m->has_lock || etf_copy(&requester, &lock) == ERR_NONE) {
        global_add_known(g, m->nodes, false);
        global_do_ops(g, m->ops, m->ext, wr_written(&requester));
    }
    wr_fini(&requester);
}

static void told(struct global *g, const struct global_msg *m)
{
    struct global_peer *p = global_peer_get(g, m->node);

    switch (m->verb) {
    case GLOBAL_NEW_NODES: new_nodes(g, m); return;
    case GLOBAL_LOST_CONNECTION: global_lost_connection(g, m); return;
    case GLOBAL_REMOVE_CONNECTION: global_remove_connection(g, m->node); return;
    case GLOBAL_OBSOLETE: return;
    default: break;
    }
    /* The rest is between us and one that is linked: what is left of a link that is gone says nothing. */
    if (!p || !p->is_up)
        return;
    switch (m->verb) {
    case GLOBAL_INIT_CONNECT: global_init_connect(g, p, m); break;
    case GLOBAL_INIT_CONNECT_ACK: global_init_connect_ack(g, p, m); break;
    case GLOBAL_CANCEL_CONNECT: global_cancel_connect(g, p, m); break;
    case GLOBAL_EXCHANGE: global_exchange(g, p, m); break;
    case GLOBAL_RESOLVED: global_resolved(g, p, m); break;
    case GLOBAL_IN_SYNC: in_sync(g, p); break;
    case GLOBAL_LOCK_SET:
        if (!m->has_tag || global_meeting_has_tag(p, m->tag))
            global_locker_told(g, m);
        break;
    default: break;
    }
}

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct global *g = state;
    struct node_from from;
    struct global_msg m;
    struct etf_rd r;
    bool is_done;

    (void)self;
    if (gen_read_call(term, "$gen_call", &from, &r)) {
        is_done = global_request(g, &from, r);
    } else {
        is_done = global_msg_read(term, &m);
        if (is_done)
            told(g, &m);
    }
    if (!is_done)
        LOG(LOG_WARN, "message-dropped", LOG_STR("process", "global_name_server"),
            LOG_STR("why", "it is none of global's"));
}

/* ---- what else it hears ---- */

static void nodeup(struct node_self self, void *state, struct slice name)
{
    struct global *g = state;
    struct global_peer *p;
    struct node_peer peer;

    if (!node_find_peer(g->node, name, &peer) || !peer.is_up || peer.is_hidden)
        return;
    p = global_peer_add(g, name);
    if (!p) {
        /* It would wait for us to meet it. */
        LOG(LOG_WARN, "global-disconnects", LOG_SLICE("node", name), LOG_STR("why", err_name(ERR_NOMEM)));
        (void)node_disconnect(g->node, name);
        return;
    }
    p->is_up = true;
    if (p->is_sought) {
        p->is_sought = false;
        if (node_monitor_node(self, name, false) != ERR_NONE)
            LOG(LOG_DEBUG, "global-not-sought", LOG_SLICE("node", name));
        global_tell_in_sync(g, p);
    }
    if (!p->is_known)
        global_meet(g, p);
}

/* It is lost; or it could not be connected. */
static void nodedown(struct node_self self, void *state, struct slice name)
{
    struct global *g = state;
    struct global_peer *p = global_peer_get(g, name);

    (void)self;
    if (!p || (!p->is_up && !p->is_sought))
        return;
    if (p->is_sought)
        LOG(LOG_WARN, "global-not-connected", LOG_SLICE("node", name));
    p->is_up = p->is_sought = p->is_parted = false;
    global_node_ended(g, p);
    global_peer_tidy(g, p);
}

static void down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                 struct etf_rd reason)
{
    struct global *g = state;

    (void)self;
    (void)what;
    (void)reason;
    global_tab_down(&g->tab, monitor);
}

/* Those that are to be parted with. */
static void timeout(struct node_self self, void *state)
{
    struct global *g = state;
    struct global_peer *p;
    size_t cursor = 0;

    (void)self;
    while ((p = map_next(&g->peers, &cursor, NULL))) {
        if (!p->is_parted)
            continue;
        p->is_parted = false;
        (void)node_disconnect(g->node, p->name);
        cursor = 0;
    }
}

static void result(struct node_self self, void *state, uint32_t tag, const struct node_result *r)
{
    (void)self;
    global_clash_result(state, tag, r);
}

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    (void)self;
    (void)reason;
    global_process_ended(state);
}

static const struct node_process_ops ops = {
    .kind = "global_name_server",
    .message = message,
    .down = down,
    .result = result,
    .timeout = timeout,
    .nodeup = nodeup,
    .nodedown = nodedown,
    .ended = ended,
};

/* ---- life ---- */

static enum err watch(void *ctx, const struct etf_pid *pid, uint64_t *ret_monitor)
{
    struct global *g = ctx;
    struct node_dest what = node_to_pid(*pid);

    return node_monitor(g->self, &what, ret_monitor);
}

static void unwatch(void *ctx, uint64_t monitor)
{
    struct global *g = ctx;

    node_demonitor(g->self, monitor);
}

static void free_all(struct global *g)
{
    struct global_peer *p;
    size_t cursor = 0;

    g->node->global = NULL;
    while ((p = map_next(&g->peers, &cursor, NULL))) {
        global_meeting_end(g, p);
        mem_free(p);
    }
    map_fini(&g->peers);
    global_locker_fini(g);
    global_registrar_fini(g);
    global_split_fini(g);
    global_tab_fini(&g->tab);
    mem_free(g);
}

enum err global_process_start(struct global *g, const struct node_process_ops *ops_of_it, struct actor **ret)
{
    enum err e = actor_spawn(g->node, ops_of_it, g, ret);

    if (e != ERR_NONE)
        return e;
    g->alive++;
    (*ret)->is_immune = true;
    return ERR_NONE;
}

void global_process_ended(struct global *g)
{
    if (--g->alive == 0)
        free_all(g);
}

static enum err start_server(struct global *g)
{
    struct actor *a;
    enum err e = global_process_start(g, &ops, &a);

    if (e != ERR_NONE)
        return e;
    a->watches_nodes = true;
    g->self = actor_self(a);
    return process_register(&a->process, global_server_name);
}

enum err global_start(struct node *n)
{
    struct global *g = mem_zalloc(sizeof *g);
    enum err e;

    if (!g)
        return ERR_NOMEM;
    g->node = n;
    global_tab_init(&g->tab, n->hash_seed);
    map_init(&g->peers, n->hash_seed + 4);
    g->tab.watch = watch;
    g->tab.unwatch = unwatch;
    g->tab.ctx = g;
    e = start_server(g);
    if (e == ERR_NONE)
        e = global_locker_start(g);
    if (e == ERR_NONE)
        e = global_registrar_start(g);
    if (e == ERR_NONE)
        e = global_clash_start(n);
    if (g->alive == 0) {
        free_all(g);
        return e;
    }
    n->global = g;
    return e;
}
