/*
 * tie_events: what the process of an inbox is told of its ties, as events of its stream, and only as far as
 * its owner may hear of it.
 */
#include "bridge/tie.h"
#include "etf/syntax.h"
#include "http/problem.h"
#include "node/pg.h"

/* ---- what its owner may hear of ---- */

/* That global name, or group, at that node. p: the question. */
bool tie_may_watch(const struct tie *t, struct etf_atom node, struct permission *p)
{
    permission_of_target(p, auth_principal_name(&t->inbox->owner), POLICY_MONITOR, t->target);
    permission_at(p, node);
    return permission_may(t->inbox->g, p);
}

static bool may_see(const struct tie *t, struct slice node)
{
    struct permission p;

    permission_of_node(&p, auth_principal_name(&t->inbox->owner), POLICY_MONITOR, node);
    p.q.kind = POLICY_NODE;
    return permission_may(t->inbox->g, &p);
}

/* ---- events ---- */

static void begin(struct inbox_event *e, const struct tie *t)
{
    inbox_event_init(e, t->inbox);
    inbox_event_text(e, "target", t->path);
}

void tie_emit_monitor(struct tie *t, const struct etf_pid *pid)
{
    struct inbox_event e;

    begin(&e, t);
    if (pid)
        inbox_event_pid(&e, "pid", pid);
    inbox_event_emit(&e, "monitor");
}

void tie_emit_down(struct tie *t, const struct etf_pid *pid, struct etf_rd reason)
{
    struct inbox_event e;

    begin(&e, t);
    if (pid)
        inbox_event_pid(&e, "pid", pid);
    inbox_event_reason(&e, reason);
    inbox_event_emit(&e, "down");
}

void tie_emit_node(struct tie *t, const struct node_change *change)
{
    struct inbox_event e;

    begin(&e, t);
    inbox_event_text(&e, "node", change->node);
    inbox_event_bool(&e, "hidden", change->is_hidden);
    if (!change->is_up)
        inbox_event_term(&e, "reason", etf_rd_of(change->reason, NULL));
    inbox_event_emit(&e, change->is_up ? "nodeup" : "nodedown");
}

void tie_emit_nodes(struct tie *t)
{
    struct inbox_event e;
    struct node_peer p;
    size_t cursor = 0;
    bool has_some = false;
    struct wr *w;

    begin(&e, t);
    w = inbox_event_member(&e, "nodes");
    while (node_next_peer(t->inbox->g->node, &cursor, &p)) {
        if (!p.is_up || !may_see(t, p.name))
            continue;
        wr_u8(w, has_some ? ',' : '[');
        http_json_string(w, p.name);
        has_some = true;
    }
    wr_str(w, has_some ? "]" : "[]");
    inbox_event_emit(&e, "monitor");
}

/* ---- members of groups ---- */

/* A list of pids, as it is made. */
struct pid_list {
    struct wr *w;
    const struct tie *tie;
    bool has_some;
};

static void list_pid(void *ctx, const struct etf_pid *pid, bool is_local)
{
    struct pid_list *l = ctx;
    struct permission p;

    (void)is_local;
    if (!tie_may_watch(l->tie, pid->node, &p))
        return;
    wr_u8(l->w, l->has_some ? ',' : '[');
    inbox_write_pid(l->w, pid);
    l->has_some = true;
}

static void list_end(struct pid_list *l)
{
    wr_str(l->w, l->has_some ? "]" : "[]");
}

void tie_emit_members(struct tie *t)
{
    struct inbox_event e;
    struct pid_list list;

    begin(&e, t);
    list = (struct pid_list){.w = inbox_event_member(&e, "members"), .tie = t};
    node_pg_members(t->inbox->g->node, t->target->name, t->target->term, list_pid, &list);
    list_end(&list);
    inbox_event_emit(&e, "monitor");
}

/* ---- told ---- */

void tie_down(struct inbox *in, uint64_t monitor, const struct node_dest *what, struct etf_rd reason)
{
    struct tie *t = in->ties;

    while (t && (t->monitor != monitor || t->target_kind == TARGET_GROUP))
        t = t->next;
    if (!t)
        return;
    tie_emit_down(t, what->kind == NODE_DEST_PID ? &what->pid : NULL, reason);
    tie_free(t);
    tie_end_if_over(in);
}

void tie_node_changed(struct inbox *in, const struct node_change *change)
{
    struct tie *next;

    for (struct tie *t = in->ties; t; t = next) {
        bool is_its_end = t->target_kind == TARGET_NODE && !change->is_up && slice_eq(t->node, change->node);

        next = t->next;
        if (!tie_watches_nodes(t) || (t->target_kind == TARGET_NODE && !is_its_end) ||
            !may_see(t, change->node))
            continue;
        if (!change->is_up && t->target_kind == TARGET_NODES)
            keep_lost(in->g, change);
        tie_emit_node(t, change);
        if (is_its_end)
            tie_free(t);
    }
    tie_end_if_over(in);
}

static struct tie *find_group(struct inbox *in, const struct etf_ref *ref)
{
    struct etf_ref own;

    for (struct tie *t = in->ties; t; t = t->next)
        if (t->kind == TIE_MONITOR && t->target_kind == TARGET_GROUP &&
            node_ref_of(in->self, t->monitor, &own) && etf_ref_eq(&own, ref))
            return t;
    return NULL;
}

/* The pids of a proper list. */
static void list_pids(struct pid_list *list, struct etf_rd r)
{
    uint32_t count = 0;
    struct etf_pid pid;

    if (etf_read_list(&r, &count))
        for (uint32_t i = 0; i < count && etf_read_pid(&r, &pid); i++)
            list_pid(list, &pid, false);
    list_end(list);
}

bool tie_group_changed(struct inbox *in, struct etf_rd message)
{
    struct etf_rd r = message;
    struct etf_ref ref;
    struct inbox_event e;
    struct pid_list list;
    bool is_join;
    struct tie *t;

    /* {Ref, join | leave, Group, Pids} */
    if (!etf_read_tuple_is(&r, 4) || !etf_read_ref(&r, &ref) || !(t = find_group(in, &ref)))
        return false;
    is_join = etf_read_atom_is(&r, "join");
    if ((!is_join && !etf_read_atom_is(&r, "leave")) || !etf_skip(&r, NULL))
        return false;
    begin(&e, t);
    list = (struct pid_list){.w = inbox_event_member(&e, "pids"), .tie = t};
    list_pids(&list, r);
    if (list.has_some)
        inbox_event_emit(&e, is_join ? "join" : "leave");
    else
        wr_fini(&e.w); /* of processes alone that its reader may not watch */
    return true;
}
