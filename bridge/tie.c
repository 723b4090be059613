/*
 * tie: what an inbox is tied to: set up step by step, and told of as events.
 *
 *   tie_new ──→ connecting (NAME, PID, NODE) ──→ on ──→ over (down, nodedown, exit, taken back)
 *        ├────→ searching (GLOBAL, GROUP) ──────↗ │
 *        └────→ (NODES, links, memberships) ──────┘
 */
#include "bridge/tie.h"

#include "base/log.h"
#include "base/mem.h"
#include "node/global.h"
#include "node/pg.h"

#define REASON_NOPROC       SLICE("\x77\x06noproc")
#define REASON_NOCONNECTION SLICE("\x77\x0Cnoconnection")
#define REASON_SETUP_FAILED \
    SLICE("\x77\x17"        \
          "connection_setup_failed")

enum { GROUP_WAIT_MS = 2000 }; /* at most, for nodes that do not say who is in a scope */

/* ---- life ---- */

static struct tie *tie_make(struct inbox *in, enum tie_kind kind, const struct target *target,
                            struct slice path)
{
    struct slice node = target->kind == TARGET_NODE ? target->node : (struct slice){0};
    struct tie *t = mem_zalloc(sizeof *t + path.len + node.len);

    if (!t)
        return NULL;
    t->id = idtab_add(&in->g->ties, t);
    if (!t->id) {
        mem_free(t);
        return NULL;
    }
    t->inbox = in;
    t->kind = kind;
    t->target_kind = target->kind;
    memcpy(t->bytes, path.ptr, path.len);
    t->path = slice_of(t->bytes, path.len);
    if (node.len)
        memcpy(t->bytes + path.len, node.ptr, node.len);
    t->node = slice_of(t->bytes + path.len, node.len);
    t->next = in->ties;
    if (t->next)
        t->next->prev = t;
    in->ties = t;
    in->tie_count++;
    return t;
}

bool tie_watches_nodes(const struct tie *t)
{
    return t->kind == TIE_MONITOR && t->is_on &&
           (t->target_kind == TARGET_NODE || t->target_kind == TARGET_NODES);
}

static void forget_target(struct tie *t)
{
    if (t->target)
        target_fini(t->target);
    mem_free(t->target);
    t->target = NULL;
}

/* What it waited for has come, or is of no more use. */
static void asked(struct tie *t)
{
    if (!t->is_asking)
        return;
    t->is_asking = false;
    t->op = 0;
    t->inbox->asking--;
}

static void call_off(struct tie *t)
{
    struct node *n = t->inbox->g->node;

    if (t->op && t->target_kind == TARGET_GLOBAL)
        node_global_cancel(n, t->op);
    else if (t->op && t->target_kind == TARGET_GROUP)
        node_pg_sync_cancel(n, t->op);
    else if (t->op)
        node_cancel(n, t->op);
    asked(t);
}

/* A scope that is of no more use to anybody goes with the last who used it. */
static void leave_group(struct tie *t)
{
    struct node_self self = t->inbox->self;
    struct target *target = t->target;

    if (t->target_kind != TARGET_GROUP || !target)
        return;
    if (t->is_on && t->kind == TIE_MONITOR)
        node_pg_demonitor(self, target->name, t->monitor);
    else if (t->is_on && node_pg_leave(self, target->name, target->term) != ERR_NONE)
        LOG(LOG_DEBUG, "process-over");
    node_pg_drop_unused(self.node, target->name);
}

void tie_free(struct tie *t)
{
    struct inbox *in = t->inbox;

    call_off(t);
    leave_group(t);
    if (t->is_on && t->target_kind == TARGET_NODES)
        in->g->node_watches--;
    if (tie_watches_nodes(t) && --in->node_watches == 0 && node_monitor_nodes(in->self, false) != ERR_NONE)
        LOG(LOG_DEBUG, "process-over"); /* it hears of nothing any more anyway */
    idtab_remove(&in->g->ties, t->id);
    *(t->prev ? &t->prev->next : &in->ties) = t->next;
    if (t->next)
        t->next->prev = t->prev;
    in->tie_count--;
    forget_target(t);
    mem_free(t);
}

void tie_undo(struct tie *t)
{
    struct node_self self = t->inbox->self;
    enum err e = ERR_NONE;

    if (t->kind == TIE_LINK)
        e = node_unlink(self, &t->target->pid);
    else if (t->monitor && t->target_kind != TARGET_GROUP)
        node_demonitor(self, t->monitor);
    if (e != ERR_NONE)
        LOG(LOG_WARN, "tie-not-undone", LOG_SLICE("path", t->path), LOG_STR("error", err_name(e)));
    tie_free(t);
}

/* A stream ends with the last thing that it could tell of. */
void tie_end_if_over(struct inbox *in)
{
    if (in->g && !in->is_kept && !in->exchange && !in->ties)
        inbox_end(in, SLICE("\x77\x06normal"));
}

/* A process is linked to another once, however often it is said. */
static struct tie *find_link(const struct inbox *in, const struct etf_pid *pid)
{
    for (struct tie *t = in->ties; t; t = t->next)
        if (t->kind == TIE_LINK && etf_pid_eq(&t->target->pid, pid))
            return t;
    return NULL;
}

void tie_link_broken(struct inbox *in, const struct etf_pid *from)
{
    struct tie *t = find_link(in, from);

    if (t)
        tie_free(t);
}

/* ---- setting up ---- */

static enum err watch_nodes(struct tie *t)
{
    enum err e = ERR_NONE;

    if (t->inbox->node_watches == 0)
        e = node_monitor_nodes(t->inbox->self, true);
    if (e != ERR_NONE)
        return e;
    t->is_on = true;
    t->inbox->node_watches++;
    t->inbox->g->node_watches += t->target_kind == TARGET_NODES;
    if (t->target_kind == TARGET_NODES)
        tie_emit_nodes(t);
    else
        tie_emit_monitor(t, NULL);
    return ERR_NONE;
}

static enum err watch_process(struct tie *t, const struct node_dest *what)
{
    enum err e = node_monitor(t->inbox->self, what, &t->monitor);

    if (e != ERR_NONE)
        return e;
    t->is_on = true;
    tie_emit_monitor(t, what->kind == NODE_DEST_PID ? &what->pid : NULL);
    return ERR_NONE;
}

static enum err watch_group(struct tie *t)
{
    struct target *target = t->target;
    enum err e = node_pg_monitor(t->inbox->self, target->name, target->term, &t->monitor);

    if (e != ERR_NONE)
        return e;
    t->is_on = true;
    tie_emit_members(t);
    return ERR_NONE;
}

/* Its node is connected, or the members of the group are known. */
static enum err watch(struct tie *t)
{
    struct target *target = t->target;
    struct node_dest what = {.kind = NODE_DEST_NAME, .name = target->name, .node = target->node};
    enum err e;

    if (t->target_kind == TARGET_GROUP)
        return watch_group(t); /* the target is needed to the end */
    if (t->target_kind == TARGET_NODE)
        e = watch_nodes(t);
    else if (t->target_kind == TARGET_PID)
        e = watch_process(t, &(struct node_dest){.kind = NODE_DEST_PID, .pid = target->pid});
    else
        e = watch_process(t, &what);
    if (e == ERR_NONE)
        forget_target(t);
    return e;
}

/* There is nothing to watch: as erlang:monitor says it, that is an event like any other. */
static void lost(struct tie *t, struct slice reason)
{
    struct inbox *in = t->inbox;
    struct node_change change = {.node = t->node, .reason = REASON_SETUP_FAILED};
    const struct etf_pid *pid = t->target_kind == TARGET_PID ? &t->target->pid : NULL;

    tie_emit_monitor(t, pid);
    if (t->target_kind == TARGET_NODE)
        tie_emit_node(t, &change);
    else
        tie_emit_down(t, pid, etf_rd_of(reason, NULL));
    tie_free(t);
    monitors_settled(in);
    tie_end_if_over(in);
}

/* It came to nothing. A pid that its node could not even be told of is none of that node's. */
static void failed(struct tie *t, const struct node_result *r)
{
    if (t->inbox->is_strict && t->inbox->exchange)
        monitors_failed(t->inbox, t->target, r);
    else
        lost(t,
             r->err == ERR_NOT_FOUND || r->err == ERR_PEER_UNSUPPORTED ? REASON_NOPROC : REASON_NOCONNECTION);
}

static void connected(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct tie *t = idtab_get(&g->ties, id);
    struct node_result result = *r;

    if (!t)
        return;
    asked(t);
    if (result.err == ERR_NONE)
        result.err = watch(t);
    if (result.err == ERR_NONE)
        monitors_settled(t->inbox);
    else
        failed(t, &result);
}

/* Who is in the scope is known, as far as the other nodes say. */
static void synced(void *ctx, uint64_t id, const struct node_result *r)
{
    static const struct node_result known = {.err = ERR_NONE};

    connected(ctx, id, r->err == ERR_TIMEOUT ? &known : r);
}

static void found(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct tie *t = idtab_get(&g->ties, id);
    struct node_dest what = {.kind = NODE_DEST_PID};
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);
    struct node_result result = *r;
    struct permission p;

    if (!t)
        return;
    asked(t);
    if (result.err == ERR_NONE && !etf_read_pid(&rd, &what.pid))
        result.err = ERR_NOT_FOUND;
    if (result.err == ERR_NONE && !tie_may_watch(t, what.pid.node, &p)) {
        if (t->inbox->is_strict && t->inbox->exchange)
            monitors_refused(t->inbox, &p);
        else
            lost(t, REASON_NOPROC);
        return;
    }
    if (result.err == ERR_NONE)
        result.err = watch_process(t, &what);
    if (result.err == ERR_NONE) {
        forget_target(t);
        monitors_settled(t->inbox);
    } else if (result.err == ERR_NOT_FOUND) {
        lost(t, REASON_NOPROC);
    } else {
        failed(t, &result);
    }
}

/* The answer comes later, or has come. */
static enum err ask(struct tie *t)
{
    struct gateway *g = t->inbox->g;
    uint64_t ms = t->inbox->connect_ms;
    enum err e;

    t->is_asking = true;
    t->inbox->asking++;
    if (t->target_kind == TARGET_GLOBAL)
        return node_global_whereis(g->node, t->target->term, ms, found, g, t->id, &t->op);
    if (t->target_kind == TARGET_GROUP) {
        e = node_pg_start(g->node, t->target->name);
        if (e == ERR_NONE)
            e = node_pg_sync(g->node, t->target->name, true, ms < GROUP_WAIT_MS ? ms : GROUP_WAIT_MS, synced,
                             g, t->id, &t->op);
    } else {
        e = node_connect(g->node, t->target->node, ms, connected, g, t->id, &t->op);
    }
    if (e != ERR_NONE || t->op)
        return e;
    asked(t);
    return watch(t);
}

static enum err join(struct tie *t)
{
    struct target *target = t->target;
    enum err e = node_pg_start(t->inbox->g->node, target->name);

    if (e == ERR_NONE)
        e = node_pg_join(t->inbox->self, target->name, target->term);
    t->is_on = e == ERR_NONE;
    return e;
}

static enum err set_up(struct tie *t)
{
    if (t->kind == TIE_LINK)
        return t->target_kind == TARGET_PID ? node_link(t->inbox->self, &t->target->pid) : ERR_INVALID;
    if (t->kind == TIE_MEMBERSHIP)
        return t->target_kind == TARGET_GROUP ? join(t) : ERR_INVALID;
    switch (t->target_kind) {
    case TARGET_NAME:
    case TARGET_PID:
    case TARGET_NODE:
    case TARGET_GLOBAL:
    case TARGET_GROUP: return ask(t);
    case TARGET_NODES: return watch_nodes(t);
    default: return ERR_INVALID;
    }
}

enum err tie_new(struct inbox *in, enum tie_kind kind, struct target *target, struct slice path,
                 struct tie **ret)
{
    struct tie *t = NULL;
    enum err e = ERR_OVERLOADED;

    if (kind == TIE_LINK && target->kind == TARGET_PID && (t = find_link(in, &target->pid))) {
        e = node_link(in->self, &target->pid); /* the other end may have taken it back meanwhile */
        target_fini(target);
        *ret = t;
        return e;
    }
    if (in->tie_count < in->g->config.max_ties) {
        t = tie_make(in, kind, target, path);
        e = ERR_NOMEM;
    } else {
        in->g->metrics.over_max_ties++;
    }
    if (!t) {
        target_fini(target);
        return e;
    }
    t->target = mem_alloc(sizeof *t->target);
    if (t->target)
        *t->target = *target;
    else
        target_fini(target);
    e = t->target && target_keep(t->target) ? set_up(t) : ERR_NOMEM;
    if (e != ERR_NONE)
        tie_free(t);
    else
        *ret = t;
    return e;
}
