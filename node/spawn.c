#include "node/spawn.h"

#include "node/actor.h"
#include "node/internal.h"

/* What is sent for a process, once more than its own bytes would do: it costs a pass over the term, and saves
 * the connection. */
enum err spawn_check_term(struct slice term, uint32_t *ret_uses)
{
    static const struct etf_rules rules = {.refuse = ETF_USES_NEVER_FROM_OUTSIDE, .max_depth = 65536};

    return etf_validate(term, NULL, &rules, ret_uses, NULL);
}

/* ---- life ---- */

enum err node_spawn(struct node *n, const struct node_process_ops *ops, void *state,
                    struct node_self *ret_self)
{
    struct actor *a = NULL;
    enum err e;

    if (n->is_quiet || !n->creation)
        return ERR_CLOSED;
    e = actor_spawn(n, ops, state, &a);
    if (e == ERR_NONE)
        *ret_self = actor_self(a);
    return e;
}

void node_exit_self(struct node_self self, struct slice reason)
{
    struct actor *a = actor_get(self);
    uint32_t uses = 0;

    if (!a)
        return;
    if (spawn_check_term(reason, &uses) != ERR_NONE) {
        LOG(LOG_WARN, "exit-reason-lost", LOG_STR("process", a->ops->kind ? a->ops->kind : ""));
        reason = process_reason_killed;
    }
    actor_exit_with(a, reason);
}

bool node_is_alive(struct node_self self)
{
    return actor_get(self) != NULL;
}

struct etf_pid node_pid(struct node_self self)
{
    return route_own_pid(self.node, self.number);
}

struct node_self node_find_pid(struct node *n, const struct etf_pid *pid)
{
    struct node_self self = {.node = n, .number = route_is_own_pid(n, pid) ? route_number(pid) : 0};

    return actor_get(self) ? self : (struct node_self){.node = n};
}

/* ---- sending ---- */

static enum err signal_pid(struct actor *a, enum dist_op op, const struct etf_pid *to, uint64_t id,
                           struct slice reason, uint32_t uses)
{
    struct dist_ctl ctl = {
        .op = op,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&a->process)},
        .to = {.kind = DIST_END_PID, .pid = *to},
        .id = id,
        .reason = reason,
    };
    struct wr scratch;
    enum err e;

    wr_init(&scratch, ETF_ATOM_MAX_BYTES);
    e = route_signal(a->process.node, route_atom_utf8(to->node, &scratch), &ctl, NULL, 0, uses);
    wr_fini(&scratch);
    return e;
}

enum err actor_send(struct actor *a, const struct node_dest *to, const struct slice *parts, size_t count,
                    uint32_t uses)
{
    struct node *n = a->process.node;
    struct dist_ctl ctl = {.op = DIST_CTL_SEND,
                           .from = {.kind = DIST_END_PID, .pid = process_pid(&a->process)}};
    struct etf_atom where = {.text = to->node};
    struct wr scratch;
    enum err e;

    switch (to->kind) {
    case NODE_DEST_PID:
        ctl.to = (struct dist_end){.kind = DIST_END_PID, .pid = to->pid};
        where = to->pid.node;
        break;
    case NODE_DEST_NAME:
        ctl.op = DIST_CTL_REG_SEND;
        ctl.to = (struct dist_end){.kind = DIST_END_NAME, .name = {.text = to->name}};
        break;
    case NODE_DEST_ALIAS:
        ctl.op = DIST_CTL_ALIAS_SEND;
        ctl.to = (struct dist_end){.kind = DIST_END_REF, .ref = to->alias};
        where = to->alias.node;
        break;
    }
    if (where.text.len == 0)
        where = route_own_node(n);
    wr_init(&scratch, ETF_ATOM_MAX_BYTES);
    e = route_signal(n, route_atom_utf8(where, &scratch), &ctl, parts, count, uses);
    wr_fini(&scratch);
    /* Erlang's own: what cannot be delivered for want of a connection is lost. */
    return e == ERR_NO_CONNECTION ? ERR_NONE : e;
}

enum err node_send(struct node_self self, const struct node_dest *to, struct slice message)
{
    struct actor *a = actor_get(self);
    uint32_t uses = 0;
    enum err e;

    if (!a)
        return ERR_NOPROC;
    e = spawn_check_term(message, &uses);
    if (e == ERR_NONE && to->kind == NODE_DEST_NAME && !etf_is_atom_text(to->name))
        e = ERR_INVALID;
    return e != ERR_NONE ? e : actor_send(a, to, &message, 1, uses);
}

enum err node_exit(struct node_self self, const struct etf_pid *to, struct slice reason)
{
    struct actor *a = actor_get(self);
    uint32_t uses = 0;
    enum err e;

    if (!a)
        return ERR_NOPROC;
    e = spawn_check_term(reason, &uses);
    if (e == ERR_NONE)
        e = signal_pid(a, DIST_CTL_EXIT2, to, 0, reason, uses);
    return e == ERR_NO_CONNECTION ? ERR_NONE : e;
}

void node_trap_exit(struct node_self self, bool traps)
{
    struct actor *a = actor_get(self);

    if (a)
        a->traps_exit = traps;
}

/* ---- names ---- */

enum err node_register(struct node_self self, struct slice name)
{
    struct actor *a = actor_get(self);

    if (!a)
        return ERR_NOPROC;
    if (name.len == 0 || !etf_is_atom_text(name) || slice_eq_str(name, "undefined"))
        return ERR_INVALID;
    return process_register(&a->process, name);
}

enum err node_unregister(struct node *n, struct slice name)
{
    struct process *p = process_whereis(n, name);

    if (!p)
        return ERR_NOT_FOUND;
    process_unregister(p);
    return ERR_NONE;
}

struct node_self node_whereis(struct node *n, struct slice name)
{
    struct process *p = process_whereis(n, name);

    return (struct node_self){.node = n, .number = actor_of(p) ? p->number : 0};
}

bool node_next_registered(const struct node *n, size_t *cursor, struct slice *ret_name)
{
    return map_next(&n->names, cursor, ret_name) != NULL;
}

/* ---- links ---- */

enum err node_link(struct node_self self, const struct etf_pid *to)
{
    struct actor *a = actor_get(self);
    struct etf_pid own;
    bool is_new;
    enum err e;

    if (!a)
        return ERR_NOPROC;
    own = process_pid(&a->process);
    if (etf_pid_eq(&own, to))
        return ERR_NONE;
    if (!node_name_is_valid(to->node.text))
        return ERR_INVALID;
    e = process_link(&a->process, to, &is_new);
    if (e != ERR_NONE || !is_new)
        return e;
    e = signal_pid(a, DIST_CTL_LINK, to, 0, (struct slice){0}, 0);
    if (e == ERR_NO_CONNECTION) {
        route_exit_local(a->process.node, to, a->number, process_reason_noconnection);
        return ERR_NONE;
    }
    if (e != ERR_NONE)
        process_unlink(&a->process, to, false);
    return e;
}

/* Does the peer acknowledge? One that is not connected yet will, or takes the link with it. */
static bool is_acked(struct node *n, struct slice node)
{
    struct link *l = link_find(n, node);

    return !l || l->state != LINK_UP || (dist_conn_peer_flags(l->conn) & DIST_FLAG_UNLINK_ID);
}

enum err node_unlink(struct node_self self, const struct etf_pid *to)
{
    struct actor *a = actor_get(self);
    struct dist_ctl ctl = {.op = DIST_CTL_UNLINK_ID, .to = {.kind = DIST_END_PID, .pid = *to}};
    uint64_t id;

    if (!a)
        return ERR_NOPROC;
    id = process_unlink(&a->process, to, is_acked(a->process.node, to->node.text));
    if (!id)
        return ERR_NONE;
    ctl.id = id;
    ctl.from = (struct dist_end){.kind = DIST_END_PID, .pid = process_pid(&a->process)};
    route_answer(a->process.node, to->node, &ctl);
    return ERR_NONE;
}

/* ---- monitors and aliases ---- */

enum err node_monitor(struct node_self self, const struct node_dest *what, uint64_t *ret_monitor)
{
    struct actor *a = actor_get(self);
    struct actor_ref *r = NULL;
    enum err e;

    if (!a)
        return ERR_NOPROC;
    if (what->kind == NODE_DEST_ALIAS || (what->kind == NODE_DEST_NAME && !etf_is_atom_text(what->name)))
        return ERR_INVALID;
    e = watch_monitor(a, what, &r);
    if (e == ERR_NONE)
        *ret_monitor = r->id;
    return e;
}

static struct actor_ref *own_ref(struct node_self self, uint64_t id)
{
    struct actor_ref *r = idtab_get(&self.node->refs, id);

    return r && r->owner->number == self.number ? r : NULL;
}

void node_demonitor(struct node_self self, uint64_t monitor)
{
    struct actor_ref *r = own_ref(self, monitor);

    if (r && r->is_monitor)
        watch_demonitor(r);
}

bool node_ref_of(struct node_self self, uint64_t monitor, struct etf_ref *ret)
{
    struct actor_ref *r = own_ref(self, monitor);

    if (r)
        *ret = watch_ref(r);
    return r != NULL;
}

bool node_is_monitored(struct node_self self, const struct etf_pid *by, const struct etf_ref *monitor)
{
    struct actor *a = actor_get(self);

    return a && process_is_monitored(&a->process, by, monitor);
}

enum err node_monitor_node(struct node_self self, struct slice node, bool is_on)
{
    struct actor *a = actor_get(self);

    return a ? watch_node(a, node, is_on) : ERR_NOPROC;
}

enum err node_monitor_nodes(struct node_self self, bool is_on)
{
    struct actor *a = actor_get(self);

    if (!a)
        return ERR_NOPROC;
    a->watches_nodes = is_on;
    return ERR_NONE;
}

enum err node_alias(struct node_self self, enum node_alias_kind kind, uint64_t *ret_alias,
                    struct etf_ref *ret_ref)
{
    struct actor *a = actor_get(self);
    struct actor_ref *r = NULL;
    enum err e;

    if (!a)
        return ERR_NOPROC;
    e = watch_alias(a, kind == NODE_ALIAS_REPLY, &r);
    if (e == ERR_NONE) {
        *ret_alias = r->id;
        if (ret_ref)
            *ret_ref = watch_ref(r);
    }
    return e;
}

bool node_unalias(struct node_self self, uint64_t alias)
{
    struct actor_ref *r = own_ref(self, alias);

    if (!r || !r->is_alias)
        return false;
    watch_drop(r);
    return true;
}

/* ---- the rest ---- */

enum err node_set_timeout(struct node_self self, uint64_t ms)
{
    struct actor *a = actor_get(self);

    return a ? actor_set_alarm(a, ms) : ERR_NOPROC;
}

struct etf_pid node_group_leader(struct node_self self)
{
    struct actor *a = actor_get(self);

    return a ? a->leader : route_own_pid(self.node, self.node->leader.number);
}

enum err node_set_group_leader(struct node_self self, const struct etf_pid *leader)
{
    struct actor *a = actor_get(self);

    if (!a)
        return ERR_NOPROC;
    return node_name_is_valid(leader->node.text) ? actor_set_leader(a, leader) : ERR_INVALID;
}
