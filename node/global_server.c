/*
 * global_server: the process global_name_server: what it is asked and told, and the nodes it knows of.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/gen.h"
#include "node/global_state.h"
#include "node/internal.h"

const struct slice global_server_name = {.ptr = (const uint8_t *)"global_name_server", .len = 18};

/* ---- other nodes ---- */

struct global_peer *global_peer_get(const struct global *g, struct slice name)
{
    return map_get(&g->peers, name);
}

struct global_peer *global_peer_add(struct global *g, struct slice name)
{
    struct global_peer *p = global_peer_get(g, name);

    if (p)
        return p;
    if (g->peers.count >= GLOBAL_MAX_PEERS || !node_name_is_valid(name) ||
        slice_eq(name, g->node->name_slice))
        return NULL;
    p = mem_zalloc(sizeof *p + name.len);
    if (!p)
        return NULL;
    memcpy(p->text, name.ptr, name.len);
    p->name = slice_of(p->text, name.len);
    if (map_put(&g->peers, p->name, p) != ERR_NONE) {
        mem_free(p);
        p = NULL;
    }
    return p;
}

void global_peer_tidy(struct global *g, struct global_peer *p)
{
    if (p->is_up || p->is_sought || p->is_known || p->is_pending || p->meeting)
        return;
    map_remove(&g->peers, p->name);
    mem_free(p);
}

bool global_peer_is_up(const struct global *g, struct slice name)
{
    const struct link *l = link_find(g->node, name);
    const struct global_peer *p = global_peer_get(g, name);

    return p && p->is_up && !p->is_parted && l && l->state == LINK_UP;
}

bool global_known(const struct global *g, bool with_self, struct global_nodes *ret)
{
    const struct global_peer *p;
    size_t cursor = 0;

    global_nodes_clear(ret);
    if (with_self && !global_nodes_add(ret, g->node->name_slice))
        return false;
    while ((p = map_next(&g->peers, &cursor, NULL)))
        if (p->is_known && !global_nodes_add(ret, p->name))
            return false;
    return true;
}

void global_part_with(struct global *g, struct slice node, const char *why)
{
    struct global_peer *p = global_peer_get(g, node);

    if (!p || !p->is_up || p->is_parted)
        return;
    LOG(LOG_WARN, "global-disconnects", LOG_SLICE("node", node), LOG_STR("why", why));
    /* Not from here: what ends with the link would be told in the midst of what is being done. */
    p->is_parted = true;
    if (node_set_timeout(g->self, 1) != ERR_NONE)
        LOG(LOG_WARN, "no-timer", LOG_STR("process", "global_name_server"));
}

void global_send(struct global *g, struct node_self from, struct slice node, const struct wr *term,
                 bool is_vital)
{
    struct node_dest to = {.kind = NODE_DEST_NAME, .name = global_server_name, .node = node};
    struct actor *a = actor_get(from);
    struct slice bytes = wr_written(term);
    uint32_t uses = 0;
    enum err e = term->err;

    if (!a || !global_peer_is_up(g, node))
        return;
    if (e == ERR_NONE)
        e = spawn_check_term(bytes, &uses);
    if (e == ERR_NONE)
        e = actor_send(a, &to, &bytes, 1, uses);
    if (e != ERR_NONE && is_vital)
        global_part_with(g, node, err_name(e));
    else if (e != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("node", node), LOG_STR("error", err_name(e)));
}

void global_write_known(const struct global *g, struct wr *w, int64_t vsn)
{
    const struct global_peer *p;
    size_t cursor = 0;
    uint32_t count = 0;

    while ((p = map_next(&g->peers, &cursor, NULL)))
        count += p->is_known;
    if (count > 0)
        etf_write_list(w, count);
    cursor = 0;
    while ((p = map_next(&g->peers, &cursor, NULL))) {
        if (!p->is_known)
            continue;
        if (vsn >= GLOBAL_VSN_PARTITIONS)
            etf_write_tuple(w, 2);
        etf_write_atom(w, p->name);
        if (vsn >= GLOBAL_VSN_PARTITIONS)
            etf_write_int64(w, p->vsn);
    }
    etf_write_nil(w);
}

void global_node_ended(struct global *g, struct global_peer *p)
{
    global_meeting_end(g, p);
    p->is_known = p->is_pending = p->is_synced = false;
    p->vsn = p->pending_vsn = 0;
}

/* ---- nodes that are to be connected ---- */

static void say_in_sync(struct global *g, const struct global_peer *p)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "$gen_cast");
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "in_sync");
    etf_write_atom(&w, g->node->name_slice);
    etf_write_atom_str(&w, "true");
    global_send(g, g->self, p->name, &w, true);
    wr_fini(&w);
}

void global_tell_in_sync(struct global *g, struct global_peer *p)
{
    if (p->is_up) {
        say_in_sync(g, p);
        return;
    }
    if (p->is_sought)
        return;
    p->is_sought = node_monitor_node(g->self, p->name, true) == ERR_NONE;
    if (!p->is_sought)
        LOG(LOG_WARN, "global-not-connected", LOG_SLICE("node", p->name));
}

void global_add_known_one(struct global *g, struct slice node, int64_t vsn)
{
    struct global_peer *p = global_peer_add(g, node);

    if (!p)
        return;
    if (!p->is_known)
        p->vsn = vsn;
    else if (p->vsn == 0)
        p->vsn = vsn;
    p->is_known = true;
}

void global_add_known(struct global *g, struct etf_rd nodes, bool tell_all)
{
    uint32_t count = global_list_open(&nodes);
    struct slice node;
    int64_t vsn;

    while (count-- > 0 && global_nodes_next(&nodes, &node, &vsn)) {
        struct global_peer *p = global_peer_add(g, node);
        bool was_known = p && p->is_known;

        if (!p)
            continue;
        if (vsn == 0 && p->is_pending)
            vsn = p->pending_vsn;
        global_add_known_one(g, node, vsn);
        if (tell_all || !was_known)
            global_tell_in_sync(g, p);
    }
}

/* ---- names ---- */

/* The next term, canonical, in w. */
static bool copy_term(struct wr *w, struct etf_rd r)
{
    wr_init(w, SIZE_MAX);
    return etf_copy(w, &r) == ERR_NONE;
}

void global_enter(struct global *g, const struct global_entry *entry, struct slice by_node,
                  const struct etf_pid *pid, struct slice requester)
{
    struct wr name, method;
    enum err e = ERR_NOMEM;

    wr_init(&method, SIZE_MAX);
    if (copy_term(&name, entry->name) && copy_term(&method, entry->method)) {
        e = ERR_NONE;
        /* Who took the lock may be gone, and the lock with it: the name would be here alone. */
        if (!global_lock_permits(&g->tab, pid, requester))
            (void)global_tab_delete(&g->tab, wr_written(&name));
        else
            e = global_tab_put(&g->tab, wr_written(&name), &entry->pid, wr_written(&method), by_node);
    }
    if (e != ERR_NONE)
        LOG(LOG_WARN, "name-lost", LOG_STR("error", err_name(e)));
    wr_fini(&name);
    wr_fini(&method);
}

/* The node that registered it for a C node; empty: it is registered as usual. */
static struct slice by_node_of(const struct global_entry *entry, struct etf_rd ext)
{
    uint32_t count = global_list_open(&ext);
    struct slice node = {0};
    struct global_entry x;
    struct wr name, other;

    if (count == 0)
        return node;
    (void)copy_term(&name, entry->name);
    while (count-- > 0 && node.len == 0 && global_ext_next(&ext, &x)) {
        if (!etf_pid_eq(&x.pid, &entry->pid))
            continue;
        if (copy_term(&other, x.name) && slice_eq(wr_written(&name), wr_written(&other)))
            node = x.by_node.text;
        wr_fini(&other);
    }
    wr_fini(&name);
    return node;
}

void global_do_ops(struct global *g, struct etf_rd ops, struct etf_rd ext, struct slice requester)
{
    uint32_t count = global_list_open(&ops);
    struct global_entry entry;
    struct wr name;

    while (count-- > 0 && global_ops_next(&ops, &entry)) {
        if (!entry.is_delete) {
            global_enter(g, &entry, by_node_of(&entry, ext), NULL, requester);
            continue;
        }
        if (copy_term(&name, entry.name))
            (void)global_tab_delete(&g->tab, wr_written(&name));
        wr_fini(&name);
    }
}

/* ---- requests ---- */

static void reply_term(struct global *g, const struct node_from *from, const struct wr *w)
{
    uint32_t uses = 0;
    enum err e = w->err;

    if (e == ERR_NONE)
        e = spawn_check_term(wr_written(w), &uses);
    if (e == ERR_NONE)
        e = gen_reply(actor_get(g->self), from, wr_written(w), uses);
    if (e != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_SLICE("node", from->pid.node.text), LOG_STR("error", err_name(e)));
}

/* {ResourceId, LockRequesterId}. */
static bool lock_request(struct global *g, const struct node_from *from, struct etf_rd r, bool is_set)
{
    struct wr resource, requester;
    bool is_done = true;

    wr_init(&requester, SIZE_MAX);
    wr_init(&resource, SIZE_MAX);
    if (!etf_read_tuple_is(&r, 2) || etf_copy(&resource, &r) != ERR_NONE ||
        etf_copy(&requester, &r) != ERR_NONE)
        is_done = false;
    else if (is_set)
        gen_reply_atom(actor_get(g->self), from,
                       global_lock_set(&g->tab, wr_written(&resource), wr_written(&requester), &from->pid)
                           ? "true"
                           : "false");
    else
        global_lock_del(&g->tab, wr_written(&resource), wr_written(&requester), &from->pid);
    if (is_done && !is_set)
        gen_reply_atom(actor_get(g->self), from, "true");
    wr_fini(&resource);
    wr_fini(&requester);
    return is_done;
}

/* Name, Pid, Method, and for register_ext the node that does it. */
static bool register_request(struct global *g, const struct node_from *from, struct etf_rd r, bool is_ext)
{
    struct global_entry entry = {.name = r};
    struct etf_atom by_node = {0};

    if (!etf_skip(&r, NULL) || !etf_read_pid(&r, &entry.pid))
        return false;
    entry.method = r;
    if (!etf_skip(&r, NULL) || (is_ext && (!etf_read_atom(&r, &by_node) || by_node.is_latin1)))
        return false;
    global_enter(g, &entry, by_node.text, &from->pid, (struct slice){0});
    gen_reply_atom(actor_get(g->self), from, "yes");
    return true;
}

static bool unregister_request(struct global *g, const struct node_from *from, struct etf_rd r)
{
    struct wr name;

    if (copy_term(&name, r))
        (void)global_tab_delete(&g->tab, wr_written(&name));
    wr_fini(&name);
    gen_reply_atom(actor_get(g->self), from, "ok");
    return true;
}

static void write_synced(const struct global *g, struct wr *w)
{
    const struct global_peer *p;
    size_t cursor = 0;

    while ((p = map_next(&g->peers, &cursor, NULL))) {
        if (!p->is_synced)
            continue;
        etf_write_list(w, 1);
        etf_write_atom(w, p->name);
    }
    etf_write_nil(w);
}

static bool question(struct global *g, const struct node_from *from, struct etf_atom what)
{
    bool is_known = true;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    if (etf_atom_is(what, "get_known"))
        global_write_known(g, &w, 0);
    else if (etf_atom_is(what, "get_synced"))
        write_synced(g, &w);
    else if (etf_atom_is(what, "get_protocol_version"))
        etf_write_int64(&w, GLOBAL_VSN);
    else
        is_known = false;
    if (is_known)
        reply_term(g, from, &w);
    wr_fini(&w);
    return is_known;
}

static bool request(struct global *g, const struct node_from *from, struct etf_rd r)
{
    struct etf_atom verb;
    uint32_t arity;

    if (etf_read_atom(&r, &verb))
        return question(g, from, verb);
    if (!etf_read_tuple(&r, &arity) || !etf_read_atom(&r, &verb))
        return false;
    if (arity == 2 && (etf_atom_is(verb, "set_lock") || etf_atom_is(verb, "del_lock")))
        return lock_request(g, from, r, etf_atom_is(verb, "set_lock"));
    if (arity == 4 && etf_atom_is(verb, "register"))
        return register_request(g, from, r, false);
    if (arity == 5 && etf_atom_is(verb, "register_ext"))
        return register_request(g, from, r, true);
    if (arity == 2 && etf_atom_is(verb, "unregister"))
        return unregister_request(g, from, r);
    return false;
}

/* ---- messages ---- */

static void in_sync(struct global *g, struct global_peer *p)
{
    p->is_synced = true;
    p->is_pending = false;
    global_meeting_end(g, p);
}

static void new_nodes(struct global *g, const struct global_msg *m)
{
    struct wr requester;

    wr_init(&requester, SIZE_MAX);
    if (!m->has_lock || copy_term(&requester, m->lock)) {
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
        is_done = request(g, &from, r);
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
        LOG(LOG_WARN, "global-passes-over", LOG_SLICE("node", name));
        return;
    }
    p->is_up = true;
    if (p->is_sought) {
        p->is_sought = false;
        if (node_monitor_node(self, name, false) != ERR_NONE)
            LOG(LOG_DEBUG, "global-not-sought", LOG_SLICE("node", name));
        say_in_sync(g, p);
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
