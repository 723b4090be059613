/* pg's scopes: see pg.h. The messages are those of OTP 23 to 28 (kernel/pg): {discover, Scope}, a cast {sync,
 * Scope, [{Group, Pids}]}, {join, Scope, Group, PidOrPids}, {leave, Scope, PidOrPids, Groups}. */
#include "node/pg.h"

#include "base/mem.h"
#include "etf/write.h"
#include "node/gen.h"
#include "node/internal.h"
#include "node/pg_view.h"

enum {
    FIRST_LOOK_MS = 200, /* after a node has come, or its scope has ended: it may be starting right now */
    LOOK_MS = 5000,      /* as long as there is none */
};

/* A connected node, and whether its scope is known. */
struct pg_node {
    struct pg_node *next;
    bool is_known;
    struct slice name; /* stands in text */
    uint8_t text[];
};

/* Who is told of changes. */
struct pg_subscriber {
    struct pg_subscriber *next;
    struct node_self self;
    uint64_t ref;       /* an alias that is never used, for its reference */
    uint64_t monitor;   /* the scope's, of it */
    struct slice group; /* empty: all; stands in text */
    uint8_t text[];
};

struct pg_scope {
    struct node_self self;
    struct slice name; /* stands in text */
    struct pg_view view;
    struct pg_node *nodes;             /* owned */
    struct pg_subscriber *subscribers; /* owned */
    uint8_t text[];
};

/* ---- messages out ---- */

static void write_self(struct wr *w, const struct pg_scope *s)
{
    struct etf_pid self = node_pid(s->self);

    etf_write_pid(w, &self);
}

/* To another scope, by pid or by name, if its node is connected; nothing here connects nodes. */
static void send(const struct pg_scope *s, const struct node_dest *to, struct slice node, const struct wr *w)
{
    struct link *l = link_find(s->self.node, node);
    struct actor *a = actor_get(s->self);
    struct slice term = wr_written(w);

    if (!a || !l || l->state != LINK_UP)
        return;
    if (!wr_ok(w) || actor_send(a, to, &term, 1, 0) != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("node", node), LOG_SLICE("scope", s->name));
}

static void send_to_peer(const struct pg_scope *s, const struct pg_owner *peer, const struct wr *w)
{
    struct node_dest to = {.kind = NODE_DEST_PID, .pid = peer->pid};

    send(s, &to, peer->pid.node.text, w);
}

static void broadcast(const struct pg_scope *s, const struct wr *w)
{
    size_t cursor = 0;
    struct pg_owner *o;

    while ((o = map_next(&s->view.owners, &cursor, NULL)))
        if (!o->is_local)
            send_to_peer(s, o, w);
}

static void write_discover(struct wr *w, const struct pg_scope *s)
{
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "discover");
    write_self(w, s);
}

static void discover_node(const struct pg_scope *s, struct slice node)
{
    struct node_dest to = {.kind = NODE_DEST_NAME, .name = s->name, .node = node};
    struct wr w;

    wr_init(&w, SIZE_MAX);
    write_discover(&w, s);
    send(s, &to, node, &w);
    wr_fini(&w);
}

/* {'$gen_cast', {sync, Self, [{Group, [Pid]}]}}: the members of this node. */
static void send_sync(const struct pg_scope *s, const struct pg_owner *peer)
{
    size_t cursor = 0;
    struct pg_group *g;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "$gen_cast");
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "sync");
    write_self(&w, s);
    while ((g = map_next(&s->view.groups, &cursor, NULL))) {
        if (g->local_count == 0)
            continue;
        etf_write_list(&w, 1);
        etf_write_tuple(&w, 2);
        wr_slice(&w, g->name);
        etf_write_list(&w, (uint32_t)g->local_count);
        for (struct pg_member *m = g->members; m; m = m->next_in_group)
            for (uint32_t i = 0; m->owner->is_local && i < m->times; i++)
                etf_write_pid(&w, &m->pid);
        etf_write_nil(&w);
    }
    etf_write_nil(&w);
    send_to_peer(s, peer, &w);
    wr_fini(&w);
}

/* ---- changes, told to who wants to know ---- */

static void tell(const struct pg_scope *s, const struct pg_subscriber *sub, const struct pg_group *g,
                 const struct etf_pid *pid, int64_t times)
{
    struct node_dest to = node_to_pid(node_pid(sub->self));
    struct etf_ref ref;
    struct slice term;
    struct wr w;

    if (!node_ref_of(sub->self, sub->ref, &ref))
        return;
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 4);
    etf_write_ref(&w, &ref);
    etf_write_atom_str(&w, times > 0 ? "join" : "leave");
    wr_slice(&w, g->name);
    etf_write_list(&w, (uint32_t)(times > 0 ? times : -times));
    for (int64_t i = 0; i < (times > 0 ? times : -times); i++)
        etf_write_pid(&w, pid);
    etf_write_nil(&w);
    term = wr_written(&w);
    if (!wr_ok(&w) || actor_send(actor_get(s->self), &to, &term, 1, 0) != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("scope", s->name));
    wr_fini(&w);
}

static void changed(void *ctx, const struct pg_group *g, const struct etf_pid *pid, int64_t times)
{
    const struct pg_scope *s = ctx;

    if (!actor_get(s->self))
        return;
    for (const struct pg_subscriber *sub = s->subscribers; sub; sub = sub->next)
        if (sub->group.len == 0 || slice_eq(sub->group, g->name))
            tell(s, sub, g, pid, times);
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

static void add_node(struct pg_scope *s, struct slice name)
{
    struct pg_node *at = find_node(s, name);

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
    discover_node(s, name);
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
            mem_free(gone);
            break;
        }
    }
}

static void timeout(struct node_self self, void *state)
{
    struct pg_scope *s = state;
    bool is_one_missing = false;

    (void)self;
    for (struct pg_node *at = s->nodes; at; at = at->next) {
        if (!at->is_known) {
            is_one_missing = true;
            discover_node(s, at->name);
        }
    }
    if (is_one_missing)
        look_in(s, LOOK_MS);
}

/* ---- peers ---- */

static void set_known(struct pg_scope *s, struct slice node, bool is_known)
{
    struct pg_node *at = find_node(s, node);

    if (at)
        at->is_known = is_known;
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
    o = pg_owner_add(&s->view, pid, false);
    if (!o)
        return NULL;
    if (node_monitor(s->self, &what, &o->monitor) != ERR_NONE) {
        pg_owner_drop(&s->view, o);
        return NULL;
    }
    set_known(s, o->pid.node.text, true);
    return o;
}

static void discovered(struct pg_scope *s, const struct etf_pid *pid)
{
    struct pg_owner *peer = peer_get(s, pid);
    bool is_new = !peer;
    struct wr w;

    if (is_new)
        peer = peer_add(s, pid);
    if (!peer)
        return;
    send_sync(s, peer);
    if (!is_new)
        return;
    wr_init(&w, SIZE_MAX);
    write_discover(&w, s);
    send_to_peer(s, peer, &w);
    wr_fini(&w);
}

/* Calls fn for a pid or each of a list of pids; false: it is neither. */
typedef void each_pid_fn(struct pg_scope *s, struct pg_owner *peer, struct slice group,
                         const struct etf_pid *pid);

static bool each_pid(struct etf_rd r, struct pg_scope *s, struct pg_owner *peer, struct slice group,
                     each_pid_fn *fn)
{
    struct etf_pid pid;
    uint32_t count;

    if (etf_read_pid(&r, &pid)) {
        fn(s, peer, group, &pid);
        return true;
    }
    if (etf_read_nil(&r))
        return true;
    if (!etf_read_list(&r, &count))
        return false;
    while (count-- > 0) {
        if (!etf_read_pid(&r, &pid))
            return false;
        fn(s, peer, group, &pid);
    }
    return true;
}

static void join(struct pg_scope *s, struct pg_owner *peer, struct slice group, const struct etf_pid *pid)
{
    if (pg_join(&s->view, peer, group, pid) != ERR_NONE)
        LOG(LOG_WARN, "member-lost", LOG_SLICE("scope", s->name));
}

static void leave(struct pg_scope *s, struct pg_owner *peer, struct slice group, const struct etf_pid *pid)
{
    (void)pg_leave(&s->view, peer, group, pid);
}

static void fresh(struct pg_scope *s, struct pg_owner *peer, struct slice group, const struct etf_pid *pid)
{
    if (pg_sync_fresh(&s->view, peer, group, pid) != ERR_NONE)
        LOG(LOG_WARN, "member-lost", LOG_SLICE("scope", s->name));
}

/* The next term as a group's name: canonical, in scratch. */
static bool read_group(struct etf_rd *r, struct wr *scratch)
{
    wr_reset(scratch);
    return etf_copy(scratch, r) == ERR_NONE;
}

static void synced(struct pg_scope *s, const struct etf_pid *pid, struct etf_rd r)
{
    struct pg_owner *peer = peer_get(s, pid);
    uint32_t count = 0;
    struct wr group;

    if (!peer)
        peer = peer_add(s, pid);
    if (!peer || (!etf_read_nil(&r) && !etf_read_list(&r, &count)))
        return;
    wr_init(&group, SIZE_MAX);
    pg_sync_begin(peer);
    for (uint32_t i = 0; i < count; i++)
        if (!etf_read_tuple_is(&r, 2) || !read_group(&r, &group) ||
            !each_pid(r, s, peer, wr_written(&group), fresh) || !etf_skip(&r, NULL))
            break;
    pg_sync_end(&s->view, peer);
    wr_fini(&group);
}

static void joined(struct pg_scope *s, struct pg_owner *peer, struct etf_rd r)
{
    struct wr group;

    wr_init(&group, SIZE_MAX);
    if (read_group(&r, &group))
        (void)each_pid(r, s, peer, wr_written(&group), join);
    wr_fini(&group);
}

/* PidOrPids, then a list of groups (which is STRING_EXT when they are small numbers). */
static void left(struct pg_scope *s, struct pg_owner *peer, struct etf_rd r)
{
    struct etf_rd pids = r;
    struct slice bytes;
    struct wr group;
    uint32_t count = 0;

    wr_init(&group, SIZE_MAX);
    if (!etf_skip(&r, NULL))
        return;
    if (etf_read_string(&r, &bytes)) {
        for (size_t i = 0; i < bytes.len; i++) {
            wr_reset(&group);
            etf_write_int64(&group, bytes.ptr[i]);
            (void)each_pid(pids, s, peer, wr_written(&group), leave);
        }
    } else if (etf_read_list(&r, &count)) {
        for (uint32_t i = 0; i < count && read_group(&r, &group); i++)
            (void)each_pid(pids, s, peer, wr_written(&group), leave);
    }
    wr_fini(&group);
}

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct pg_scope *s = state;
    struct etf_rd r;
    struct etf_pid pid;
    struct pg_owner *peer;
    struct etf_atom verb;
    uint32_t arity;

    (void)self;
    if (!gen_read_cast(term, &r))
        r = term;
    if (!etf_read_tuple(&r, &arity) || !etf_read_atom(&r, &verb) || !etf_read_pid(&r, &pid))
        return;
    peer = peer_get(s, &pid);
    if (etf_atom_is(verb, "discover") && (arity == 2 || arity == 3))
        discovered(s, &pid);
    else if (etf_atom_is(verb, "sync") && arity == 3)
        synced(s, &pid, r);
    else if (etf_atom_is(verb, "join") && arity == 4 && peer)
        joined(s, peer, r);
    else if (etf_atom_is(verb, "leave") && arity == 4 && peer)
        left(s, peer, r);
}

/* ---- ends ---- */

static void drop_subscriber(struct pg_scope *s, struct pg_subscriber **at)
{
    struct pg_subscriber *sub = *at;

    *at = sub->next;
    (void)node_unalias(sub->self, sub->ref);
    node_demonitor(s->self, sub->monitor);
    mem_free(sub);
}

/* {leave, Self, Pid, Groups}, with a group as often as the process was in it. */
static void leave_all(struct pg_scope *s, struct pg_owner *o)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 4);
    etf_write_atom_str(&w, "leave");
    write_self(&w, s);
    etf_write_pid(&w, &o->pid);
    for (struct pg_member *m = o->members; m; m = m->next_of_owner) {
        for (uint32_t i = 0; i < m->times; i++) {
            etf_write_list(&w, 1);
            wr_slice(&w, m->group->name);
        }
    }
    etf_write_nil(&w);
    broadcast(s, &w);
    wr_fini(&w);
}

static void down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                 struct etf_rd reason)
{
    struct pg_scope *s = state;
    struct pg_owner *o = what->kind == NODE_DEST_PID ? pg_owner_get(&s->view, &what->pid) : NULL;

    (void)self;
    for (struct pg_subscriber **at = &s->subscribers; *at; at = &(*at)->next) {
        if ((*at)->monitor == monitor) {
            drop_subscriber(s, at);
            return;
        }
    }
    if (!o || o->monitor != monitor)
        return;
    if (o->is_local)
        leave_all(s, o);
    pg_owner_drop(&s->view, o);
    if (what->kind != NODE_DEST_PID || etf_read_atom_is(&reason, "noconnection"))
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
    while (s->subscribers)
        drop_subscriber(s, &s->subscribers);
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
    .timeout = timeout,
    .nodeup = nodeup,
    .nodedown = nodedown,
    .ended = ended,
};

/* ---- from here ---- */

static struct pg_scope *scope_get(struct node *n, struct slice name)
{
    struct actor *a = actor_of(process_whereis(n, name));

    return a && a->ops == &ops ? a->state : NULL;
}

static enum err start(struct node *n, struct slice name)
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
    s->view.changed = changed;
    s->view.ctx = s;
    e = node_spawn(n, &ops, s, &s->self);
    if (e != ERR_NONE) {
        mem_free(s);
        return e;
    }
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

enum err node_pg_start(struct node *n, struct slice name)
{
    return scope_get(n, name) ? ERR_NONE : start(n, name);
}

/* {join, Self, Group, Pid} or {leave, Self, Pid, [Group]} to every other scope. */
static void announce(struct pg_scope *s, bool is_join, const struct etf_pid *pid, struct slice group)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 4);
    etf_write_atom_str(&w, is_join ? "join" : "leave");
    write_self(&w, s);
    if (is_join) {
        wr_slice(&w, group);
        etf_write_pid(&w, pid);
    } else {
        etf_write_pid(&w, pid);
        etf_write_list(&w, 1);
        wr_slice(&w, group);
        etf_write_nil(&w);
    }
    broadcast(s, &w);
    wr_fini(&w);
}

static enum err canonical(struct slice group, struct wr *ret)
{
    struct etf_rd r = etf_rd_of(group, NULL);
    uint32_t uses = 0;
    enum err e = spawn_check_term(group, &uses);

    wr_init(ret, SIZE_MAX);
    return e != ERR_NONE ? e : etf_copy(ret, &r);
}

static enum err join_local(struct pg_scope *s, const struct etf_pid *pid, struct slice group)
{
    struct node_dest what = {.kind = NODE_DEST_PID, .pid = *pid};
    struct pg_owner *o = pg_owner_get(&s->view, pid);
    enum err e = ERR_NONE;

    if (!o) {
        o = pg_owner_add(&s->view, pid, true);
        if (!o)
            return ERR_NOMEM;
        e = node_monitor(s->self, &what, &o->monitor);
    }
    if (e == ERR_NONE)
        e = pg_join(&s->view, o, group, pid);
    if (e == ERR_NONE)
        announce(s, true, pid, group);
    else if (!o->members)
        pg_owner_drop(&s->view, o);
    return e;
}

enum err node_pg_join(struct node_self self, struct slice scope, struct slice group)
{
    struct pg_scope *s = scope_get(self.node, scope);
    struct etf_pid pid = node_pid(self);
    struct wr name;
    enum err e;

    if (!s)
        return ERR_NOT_FOUND;
    if (!node_is_alive(self))
        return ERR_NOPROC;
    e = canonical(group, &name);
    if (e == ERR_NONE)
        e = join_local(s, &pid, wr_written(&name));
    wr_fini(&name);
    return e;
}

enum err node_pg_leave(struct node_self self, struct slice scope, struct slice group)
{
    struct pg_scope *s = scope_get(self.node, scope);
    struct etf_pid pid = node_pid(self);
    struct pg_owner *o = s ? pg_owner_get(&s->view, &pid) : NULL;
    struct wr name;
    enum err e;

    if (!o)
        return ERR_NOT_FOUND;
    e = canonical(group, &name);
    if (e == ERR_NONE && !pg_leave(&s->view, o, wr_written(&name), &pid))
        e = ERR_NOT_FOUND;
    if (e == ERR_NONE)
        announce(s, false, &pid, wr_written(&name));
    if (e == ERR_NONE && !o->members) {
        node_demonitor(s->self, o->monitor);
        pg_owner_drop(&s->view, o);
    }
    wr_fini(&name);
    return e;
}

static struct pg_group *group_get(struct pg_scope *s, struct slice group)
{
    struct pg_group *g = NULL;
    struct wr name;

    if (!s)
        return NULL;
    if (canonical(group, &name) == ERR_NONE)
        g = pg_group_get(&s->view, wr_written(&name));
    wr_fini(&name);
    return g;
}

void node_pg_members(struct node *n, struct slice scope, struct slice group, node_pg_member_fn *each,
                     void *ctx)
{
    struct pg_group *g = group_get(scope_get(n, scope), group);

    for (struct pg_member *m = g ? g->members : NULL; m; m = m->next_in_group)
        for (uint32_t i = 0; i < m->times; i++)
            each(ctx, &m->pid, m->owner->is_local);
}

void node_pg_groups(struct node *n, struct slice scope, node_pg_group_fn *each, void *ctx)
{
    struct pg_scope *s = scope_get(n, scope);
    size_t cursor = 0;
    struct pg_group *g;

    while (s && (g = map_next(&s->view.groups, &cursor, NULL)))
        each(ctx, g->name, g->count, g->local_count);
}

enum err node_pg_monitor(struct node_self self, struct slice scope, struct slice group, uint64_t *ret_monitor)
{
    struct pg_scope *s = scope_get(self.node, scope);
    struct node_dest what = node_to_pid(node_pid(self));
    struct pg_subscriber *sub;
    struct etf_ref ref;
    struct wr name;
    enum err e;

    if (!s)
        return ERR_NOT_FOUND;
    e = group.len ? canonical(group, &name) : (wr_init(&name, SIZE_MAX), ERR_NONE);
    sub = e == ERR_NONE ? mem_zalloc(sizeof *sub + name.len) : NULL;
    if (sub) {
        sub->self = self;
        if (name.len)
            memcpy(sub->text, name.buf, name.len);
        sub->group = slice_of(sub->text, name.len);
        e = node_alias(self, NODE_ALIAS_EXPLICIT, &sub->ref, &ref);
        if (e == ERR_NONE)
            e = node_monitor(s->self, &what, &sub->monitor);
    } else if (e == ERR_NONE) {
        e = ERR_NOMEM;
    }
    wr_fini(&name);
    if (e != ERR_NONE) {
        mem_free(sub);
        return e;
    }
    sub->next = s->subscribers;
    s->subscribers = sub;
    *ret_monitor = sub->ref;
    return ERR_NONE;
}

void node_pg_demonitor(struct node_self self, struct slice scope, uint64_t monitor)
{
    struct pg_scope *s = scope_get(self.node, scope);

    for (struct pg_subscriber **at = s ? &s->subscribers : NULL; at && *at; at = &(*at)->next) {
        if ((*at)->ref == monitor && (*at)->self.number == self.number) {
            drop_subscriber(s, at);
            return;
        }
    }
}

/* The n-th member, with repetitions. */
static struct pg_member *member_at(const struct pg_group *g, size_t n)
{
    for (struct pg_member *m = g->members; m; m = m->next_in_group) {
        if (n < m->times)
            return m;
        n -= m->times;
    }
    return NULL;
}

enum err node_pg_send(struct node_self self, struct slice scope, struct slice group, struct slice term,
                      bool only_one, size_t *ret_count)
{
    struct pg_group *g = group_get(scope_get(self.node, scope), group);
    struct pg_member *m = g ? g->members : NULL;
    size_t count = 0;
    enum err e = ERR_NONE;

    if (g && only_one)
        m = member_at(g, g->turn++ % g->count);
    for (; m && e == ERR_NONE; m = only_one ? NULL : m->next_in_group) {
        struct node_dest to = node_to_pid(m->pid);

        for (uint32_t i = 0; e == ERR_NONE && i < (only_one ? 1 : m->times); i++, count++)
            e = node_send(self, &to, term);
    }
    if (ret_count)
        *ret_count = count;
    return e;
}
