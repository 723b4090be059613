#include "node/pg_scope.h"

#include "base/mem.h"
#include "etf/write.h"
#include "node/actor.h"
#include "node/internal.h"

enum {
    FIRST_LOOK_MS = 200, /* after a node has come, or its scope has ended: it may be starting right now */
    LOOK_MS = 5000,      /* as long as there is none */
    MAX_PEERS = 4096,    /* scopes of other nodes */
    STRANGE_MS = 600000, /* that a node is left alone whose process of that name was no scope, and ended */
};

/* ---- messages out ---- */

/* To another scope, by pid or by name, if its node is connected; nothing here connects nodes. */
static void send(const struct pg_scope *s, const struct node_dest *to, struct slice node, const struct wr *w)
{
    struct link *l = link_find(s->self.node, node);
    struct actor *a = actor_get(s->self);
    struct slice term = wr_written(w);
    uint32_t uses = 0;
    enum err e = w->err;

    if (!a || !l || l->state != LINK_UP)
        return;
    if (e == ERR_NONE)
        e = spawn_check_term(term, &uses);
    if (e == ERR_NONE)
        e = actor_send(a, to, &term, 1, uses);
    if (e != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("node", node), LOG_SLICE("scope", s->name),
            LOG_STR("error", err_name(e)));
}

static void send_to_peer(const struct pg_scope *s, const struct pg_owner *peer, const struct wr *w)
{
    struct node_dest to = {.kind = NODE_DEST_PID, .pid = peer->pid};

    send(s, &to, peer->pid.node.text, w);
}

/* The same to every other scope, in the version that each speaks: of[version]. */
static void broadcast(const struct pg_scope *s, const struct wr of[PG_VERSION + 1])
{
    size_t cursor = 0;
    struct pg_owner *o;

    while ((o = map_next(&s->view.owners, &cursor, NULL)))
        if (!o->is_local)
            send_to_peer(s, o, &of[o->version]);
}

/* A scope of OTP 25 ends when it gets what is for 29; so, before one has said what it speaks, it is asked in
 * the version that its node's release is known to take. */
static uint32_t version_of_node(const struct pg_scope *s, struct slice node)
{
    const struct link *l = link_find(s->self.node, node);

    return l && l->state == LINK_UP && (dist_conn_peer_flags(l->conn) & DIST_FLAG_NATIVE_RECORDS) ? PG_VERSION
                                                                                                  : 0;
}

static void discover_node(const struct pg_scope *s, struct slice node)
{
    struct node_dest to = {.kind = NODE_DEST_NAME, .name = s->name, .node = node};
    struct etf_pid self = node_pid(s->self);
    struct wr w;

    wr_init(&w, SIZE_MAX);
    pg_msg_write_discover(&w, &self, version_of_node(s, node));
    send(s, &to, node, &w);
    wr_fini(&w);
}

void pg_scope_announce(struct pg_scope *s, bool is_join, const struct etf_pid *pid, struct slice group)
{
    struct etf_pid self = node_pid(s->self);
    struct wr of[PG_VERSION + 1];

    for (uint32_t v = 0; v <= PG_VERSION; v++) {
        wr_init(&of[v], SIZE_MAX);
        pg_msg_write_change(&of[v], &self, v, is_join, group, pid);
    }
    broadcast(s, of);
    for (uint32_t v = 0; v <= PG_VERSION; v++)
        wr_fini(&of[v]);
}

static void leave_all(const struct pg_scope *s, const struct pg_owner *o)
{
    struct etf_pid self = node_pid(s->self);
    struct wr of[PG_VERSION + 1];

    for (uint32_t v = 0; v <= PG_VERSION; v++) {
        wr_init(&of[v], SIZE_MAX);
        pg_msg_write_leave_all(&of[v], &self, v, o);
    }
    broadcast(s, of);
    for (uint32_t v = 0; v <= PG_VERSION; v++)
        wr_fini(&of[v]);
}

/* ---- nodes ---- */

static struct pg_node *find_node(const struct pg_scope *s, struct slice name)
{
    struct pg_node *at = s->nodes;

    while (at && !slice_eq(at->name, name))
        at = at->next;
    return at;
}

static void look_in(const struct pg_scope *s, uint64_t ms)
{
    if (node_set_timeout(s->self, ms) != ERR_NONE)
        LOG(LOG_WARN, "no-timer", LOG_SLICE("scope", s->name));
}

static void settle(struct pg_scope *s, struct pg_node *at)
{
    node_demonitor(s->self, at->probe);
    at->probe = 0;
    at->is_settled = true;
    at->is_late = false;
}

static bool is_strange(const struct pg_scope *s, const struct pg_node *at)
{
    return at->strange_until_ms > loop_now_ms(s->self.node->loop);
}

/* Asks the scope who is in it, and monitors it: in this order, so that its answers come in this order. A node
 * that could not say what it is may have none. */
static void probe(struct pg_scope *s, struct pg_node *at)
{
    struct node_dest what = {.kind = NODE_DEST_NAME, .name = s->name, .node = at->name};

    at->was_told = true;
    discover_node(s, at->name);
    if (at->probe)
        return;
    at->is_settled = node_monitor(s->self, &what, &at->probe) != ERR_NONE;
}

void pg_scope_found(struct pg_scope *s, struct pg_node *at, enum pg_found what)
{
    const struct link *l = link_find(s->self.node, at->name);

    if (at->is_known || !l || l->state != LINK_UP)
        return; /* it has come forward itself; or nodedown is on its way */
    if (what == PG_FOUND_SILENCE)
        return; /* it is asked again */
    at->is_other = what == PG_FOUND_OTHER;
    at->was_told = false; /* that was another process */
    if (what == PG_FOUND_SCOPE)
        probe(s, at);
    else
        settle(s, at);
    pg_await_check(s);
}

/* Is there such a scope at the node? */
static void look_at(struct pg_scope *s, struct pg_node *at)
{
    if (at->is_known)
        return;
    if (is_strange(s, at))
        at->is_settled = true;
    else
        pg_ask(s, at);
}

void pg_scope_look(struct pg_scope *s)
{
    for (struct pg_node *at = s->nodes; at; at = at->next) {
        at->is_settled = at->is_known && at->is_settled; /* who waits does so for what it says now */
        at->is_late = false;
        look_at(s, at);
    }
}

bool pg_scope_remembers(const struct pg_scope *s)
{
    for (const struct pg_node *at = s->nodes; at; at = at->next)
        if (is_strange(s, at))
            return true;
    return false;
}

bool pg_scope_is_used(const struct pg_scope *s)
{
    return s->view.groups.count > 0 || s->view.other_owners > 0 || s->waiters || s->subscribers;
}

/* It is there for nothing but to leave others alone. */
static bool is_only_kept(const struct pg_scope *s)
{
    return s->is_dropped && !pg_scope_is_used(s);
}

/* STRANGE outweighs SILENT. */
static enum node_pg_doubt doubt_of(const struct pg_scope *s, const struct pg_node *at)
{
    if (!at->is_settled)
        return NODE_PG_SILENT;
    return !at->is_known && (at->is_other || is_strange(s, at)) ? NODE_PG_STRANGE : NODE_PG_CERTAIN;
}

enum node_pg_doubt pg_scope_doubt(const struct pg_scope *s, bool *ret_was_told)
{
    enum node_pg_doubt worst = NODE_PG_CERTAIN;

    *ret_was_told = false;
    for (const struct pg_node *at = s->nodes; at; at = at->next) {
        enum node_pg_doubt doubt = doubt_of(s, at);

        if (doubt == NODE_PG_CERTAIN || doubt < worst)
            continue;
        *ret_was_told = at->was_told || (doubt == worst && *ret_was_told);
        worst = doubt;
    }
    return worst;
}

bool pg_scope_is_settled(const struct pg_scope *s)
{
    for (const struct pg_node *at = s->nodes; at; at = at->next)
        if (!at->is_settled && !at->is_late)
            return false;
    return true;
}

void pg_scope_call_late(struct pg_scope *s)
{
    for (struct pg_node *at = s->nodes; at; at = at->next)
        at->is_late = !at->is_settled;
}

/* What cannot be spawned at has no scope: that came with OTP 23, as pg did. erl_call and other users of
 * ei_rpc, which take the first message that comes for the answer to theirs, are not told of ours. */
static bool may_have_scopes(const struct pg_scope *s, struct slice name)
{
    const struct link *l = link_find(s->self.node, name);

    return l && l->state == LINK_UP && dist_conn_peer_flags(l->conn) & DIST_FLAG_SPAWN;
}

static void add_node(struct pg_scope *s, struct slice name)
{
    struct pg_node *at = find_node(s, name);

    if (!at && !may_have_scopes(s, name))
        return;
    if (!at) {
        at = mem_alloc(sizeof *at + name.len);
        if (!at)
            return;
        *at = (struct pg_node){.next = s->nodes, .name = {.ptr = at->text, .len = name.len}};
        memcpy(at->text, name.ptr, name.len);
        s->nodes = at;
    }
    if (at->is_known)
        return;
    if (is_only_kept(s)) {
        at->is_settled = true; /* it is asked when somebody is interested again */
        return;
    }
    look_at(s, at);
    look_in(s, FIRST_LOOK_MS);
}

static void nodeup(struct node_self self, void *state, struct slice name)
{
    (void)self;
    add_node(state, name);
}

static void nodedown(struct node_self self, void *state, struct slice name)
{
    struct pg_scope *s = state;
    struct pg_node *gone = find_node(s, name);

    (void)self;
    for (struct pg_node **at = &s->nodes; gone && *at; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            node_demonitor(s->self, gone->probe);
            mem_free(gone);
            break;
        }
    }
    if (is_only_kept(s) && !pg_scope_remembers(s))
        node_exit_self(s->self, process_reason_normal);
    else
        pg_await_check(s);
}

static void timeout(struct node_self self, void *state)
{
    struct pg_scope *s = state;
    bool is_one_missing = false;

    (void)self;
    if (is_only_kept(s)) {
        if (pg_scope_remembers(s))
            look_in(s, STRANGE_MS);
        else
            node_exit_self(s->self, process_reason_normal);
        return;
    }
    for (struct pg_node *at = s->nodes; at; at = at->next) {
        if (!at->is_known) {
            is_one_missing = true;
            look_at(s, at);
        }
    }
    if (is_one_missing)
        look_in(s, LOOK_MS);
}

static void result(struct node_self self, void *state, uint32_t question, const struct node_result *r)
{
    (void)self;
    pg_ask_answered(state, question, r);
}

/* ---- peers ---- */

static void set_known(struct pg_scope *s, struct slice node, bool is_known)
{
    struct pg_node *at = find_node(s, node);

    if (!at)
        return;
    at->is_known = is_known;
    at->was_told = false; /* a scope, which knows what to do with it */
}

static struct pg_owner *peer_get(const struct pg_scope *s, const struct etf_pid *pid)
{
    struct pg_owner *o = pg_owner_get(&s->view, pid);

    return o && !o->is_local ? o : NULL;
}

/* Known from now on. NULL: it is none, or there is no memory. */
static struct pg_owner *peer_add(struct pg_scope *s, const struct etf_pid *pid)
{
    struct node_dest what = {.kind = NODE_DEST_PID, .pid = *pid};
    struct pg_owner *o;

    if (etf_atom_eq(pid->node, route_own_node(s->self.node)))
        return NULL;
    o = s->view.other_owners < MAX_PEERS ? pg_owner_add(&s->view, pid, false) : NULL;
    if (!o)
        return NULL;
    if (node_monitor(s->self, &what, &o->monitor) != ERR_NONE) {
        pg_owner_drop(&s->view, o);
        return NULL;
    }
    set_known(s, o->pid.node.text, true);
    return o;
}

static void discovered(struct pg_scope *s, struct pg_owner *peer, bool is_new)
{
    struct etf_pid self = node_pid(s->self);
    struct wr w;

    wr_init(&w, SIZE_MAX);
    pg_msg_write_sync(&w, &self, peer->version, &s->view);
    send_to_peer(s, peer, &w);
    if (is_new) {
        wr_reset(&w);
        pg_msg_write_discover(&w, &self, peer->version);
        send_to_peer(s, peer, &w);
    }
    wr_fini(&w);
}

/* The node has said who is in the scope, or that it has none. */
static void node_heard(struct pg_scope *s, struct slice node)
{
    struct pg_node *at = find_node(s, node);

    if (at)
        settle(s, at);
    pg_await_check(s);
}

/* Did what has the scope's name there end, as a server does that has no clause for a discover? Its supervisor
 * would give it up if we went on asking. */
static void judge_end(const struct pg_scope *s, struct slice node, struct etf_rd reason)
{
    struct pg_node *at = find_node(s, node);

    if (!at || at->is_known || etf_read_atom_is(&reason, "noproc") ||
        etf_read_atom_is(&reason, "noconnection"))
        return;
    at->strange_until_ms = loop_now_ms(s->self.node->loop) + STRANGE_MS;
    LOG(LOG_WARN, "no-scope", LOG_SLICE("scope", s->name), LOG_SLICE("node", node),
        LOG_STR("why", "the process of that name ended when it was asked for pg's groups; it is not asked "
                       "again for ten minutes"));
}

struct change {
    struct pg_scope *s;
    struct pg_owner *peer;
    enum err err;
};

static void fresh(void *ctx, struct slice group, const struct etf_pid *pid, bool is_add)
{
    struct change *c = ctx;

    (void)is_add;
    if (c->err == ERR_NONE)
        c->err = pg_sync_fresh(&c->s->view, c->peer, group, pid);
}

static void change(void *ctx, struct slice group, const struct etf_pid *pid, bool is_add)
{
    struct change *c = ctx;

    if (!is_add)
        (void)pg_leave(&c->s->view, c->peer, group, pid);
    else if (c->err == ERR_NONE)
        c->err = pg_join(&c->s->view, c->peer, group, pid);
}

static void changed(struct pg_scope *s, struct pg_owner *peer, const struct pg_msg *m)
{
    struct change c = {.s = s, .peer = peer};
    enum err e;

    if (m->verb == PG_SYNC) {
        pg_sync_begin(&s->view, peer);
        e = pg_msg_each(m, fresh, &c);
        pg_sync_end(&s->view, peer);
        node_heard(s, peer->pid.node.text);
    } else {
        e = pg_msg_each(m, change, &c);
    }
    if (e != ERR_NONE || c.err != ERR_NONE)
        LOG(LOG_WARN, "member-lost", LOG_SLICE("scope", s->name), LOG_SLICE("node", peer->pid.node.text),
            LOG_STR("error", err_name(e != ERR_NONE ? e : c.err)));
}

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct pg_scope *s = state;
    struct pg_owner *peer;
    struct pg_msg m;
    bool is_new;

    (void)self;
    if (!pg_msg_read(term, &m)) {
        LOG(LOG_WARN, "message-dropped", LOG_SLICE("scope", s->name), LOG_STR("why", "it is none of pg's"));
        return;
    }
    peer = peer_get(s, &m.peer);
    is_new = !peer && m.verb != PG_CHANGE;
    if (is_new)
        peer = peer_add(s, &m.peer);
    /* A change of who is not known: it was lost and has come back, and will say all it has. */
    if (!peer)
        return;
    if (m.verb != PG_CHANGE)
        peer->version = m.version;
    if (m.verb == PG_DISCOVER)
        discovered(s, peer, is_new);
    else
        changed(s, peer, &m);
}

/* ---- ends ---- */

static void down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                 struct etf_rd reason)
{
    struct pg_scope *s = state;
    struct pg_owner *o = what->kind == NODE_DEST_PID ? pg_owner_get(&s->view, &what->pid) : NULL;
    bool is_local;

    (void)self;
    if (what->kind == NODE_DEST_NAME) {
        judge_end(s, what->node, reason);
        node_heard(s, what->node);
        return;
    }
    if (pg_watch_down(s, monitor) || !o || o->monitor != monitor)
        return;
    is_local = o->is_local;
    if (is_local)
        leave_all(s, o);
    pg_owner_drop(&s->view, o);
    if (is_local || etf_read_atom_is(&reason, "noconnection"))
        return;
    /* Its node is still there: it may start anew, and will not look for a hidden node. */
    set_known(s, what->pid.node.text, false);
    if (find_node(s, what->pid.node.text))
        look_in(s, FIRST_LOOK_MS);
}

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    struct pg_scope *s = state;

    (void)self;
    (void)reason;
    pg_await_end(s);
    pg_watch_end(s);
    while (s->nodes) {
        struct pg_node *next = s->nodes->next;

        mem_free(s->nodes);
        s->nodes = next;
    }
    pg_view_fini(&s->view);
    mem_free(s);
}

static const struct node_process_ops ops = {
    .kind = "pg",
    .message = message,
    .down = down,
    .result = result,
    .timeout = timeout,
    .nodeup = nodeup,
    .nodedown = nodedown,
    .ended = ended,
};

/* ---- from here ---- */

struct pg_scope *pg_scope_get(struct node *n, struct slice name)
{
    struct actor *a = actor_of(process_whereis(n, name));

    return a && a->ops == &ops ? a->state : NULL;
}

enum err pg_scope_start(struct node *n, struct slice name)
{
    struct pg_scope *s = mem_zalloc(sizeof *s + name.len);
    size_t cursor = 0;
    struct node_peer peer;
    enum err e;

    if (!s)
        return ERR_NOMEM;
    memcpy(s->text, name.ptr, name.len);
    s->name = slice_of(s->text, name.len);
    pg_view_init(&s->view, n->hash_seed);
    s->view.changed = pg_watch_changed;
    s->view.ctx = s;
    e = node_spawn(n, &ops, s, &s->self);
    if (e != ERR_NONE) {
        mem_free(s);
        return e;
    }
    actor_get(s->self)->is_immune = true; /* whoever watches or is in a group would hear no more of it */
    e = node_register(s->self, name);
    if (e == ERR_NONE)
        e = node_monitor_nodes(s->self, true);
    if (e != ERR_NONE) {
        node_exit_self(s->self, process_reason_normal);
        return e;
    }
    while (node_next_peer(n, &cursor, &peer))
        if (peer.is_up)
            add_node(s, peer.name);
    return ERR_NONE;
}

enum err pg_scope_canonical(struct slice group, struct wr *ret)
{
    struct etf_rd r = etf_rd_of(group, NULL);
    uint32_t uses = 0;
    enum err e = spawn_check_term(group, &uses);

    wr_init(ret, SIZE_MAX);
    return e != ERR_NONE ? e : etf_copy(ret, &r);
}
