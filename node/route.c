/*
 * route: where signals go: from a link to the processes of this node, and from here to pids anywhere.
 */
#include "base/utf8.h"
#include "node/actor.h"
#include "node/gen.h"
#include "node/internal.h"
#include "node/request.h"
#include "node/spawned.h"

struct etf_atom route_own_node(const struct node *n)
{
    return (struct etf_atom){.text = n->name_slice};
}

struct etf_ref route_own_ref(const struct node *n, enum ref_kind kind, uint64_t id)
{
    return (struct etf_ref){
        .node = route_own_node(n),
        .creation = n->creation,
        .count = 3,
        .words = {kind, (uint32_t)(id >> 32), (uint32_t)id},
    };
}

uint64_t route_ref_id(const struct node *n, enum ref_kind kind, const struct etf_ref *ref)
{
    if (ref->count != 3 || ref->words[0] != kind || ref->creation != n->creation ||
        !etf_atom_eq(ref->node, route_own_node(n)))
        return 0;
    return (uint64_t)ref->words[1] << 32 | ref->words[2];
}

bool route_is_own_pid(const struct node *n, const struct etf_pid *pid)
{
    return pid->creation == n->creation && pid->id < 1u << PIDTAB_ID_BITS &&
           pid->serial < 1u << PIDTAB_SERIAL_BITS && etf_atom_eq(pid->node, route_own_node(n));
}

uint32_t route_number(const struct etf_pid *pid)
{
    return pid->serial << PIDTAB_ID_BITS | pid->id;
}

struct etf_pid route_own_pid(const struct node *n, uint32_t number)
{
    return (struct etf_pid){
        .node = {.text = n->name_slice},
        .id = number & ((1u << PIDTAB_ID_BITS) - 1),
        .serial = number >> PIDTAB_ID_BITS,
        .creation = n->creation,
    };
}

struct slice route_atom_utf8(struct etf_atom atom, struct wr *scratch)
{
    if (!atom.is_latin1)
        return atom.text;
    wr_reset(scratch);
    utf8_write_latin1(scratch, atom.text);
    return wr_ok(scratch) ? wr_written(scratch) : (struct slice){0};
}

/* ---- in: from a link, or from here (l is NULL) ---- */

/* Names are kept as UTF-8; peers that are no OTP may still spell them in Latin-1. */
static struct process *whereis_atom(struct node *n, struct etf_atom name)
{
    struct process *p;
    struct wr w;

    wr_init(&w, ETF_ATOM_MAX_BYTES);
    p = process_whereis(n, route_atom_utf8(name, &w));
    wr_fini(&w);
    return p;
}

static struct process *find_end(struct node *n, const struct dist_end *end)
{
    switch (end->kind) {
    case DIST_END_PID:
        return route_is_own_pid(n, &end->pid) ? pidtab_get(&n->processes, route_number(&end->pid)) : NULL;
    case DIST_END_NAME: return whereis_atom(n, end->name);
    case DIST_END_REF:
    case DIST_END_NONE: break;
    }
    return NULL;
}

/* Who has the alias; one that is used once has been used then. */
static struct process *find_alias(struct node *n, const struct etf_ref *ref)
{
    struct request *r = request_of_ref(n, ref);
    struct actor_ref *a = r ? NULL : watch_of_ref(n, ref);
    struct process *p;

    if (!a)
        return r ? &r->process : NULL;
    p = &a->owner->process;
    return watch_take_alias(a) ? p : NULL;
}

/* [alias|Ref] or Ref. */
static bool read_tag(struct etf_rd r, struct etf_ref *ret)
{
    uint32_t len;

    if (etf_peek(&r) == ETF_KIND_LIST && (!etf_read_list(&r, &len) || len != 1 || !etf_skip(&r, NULL)))
        return false;
    return etf_read_ref(&r, ret);
}

/* {Tag, _}: the answer to a request. */
static bool read_answer(struct slice term, const struct etf_atoms *atoms, struct etf_ref *ret)
{
    struct etf_rd r = etf_rd_of(term, atoms);

    return etf_read_tuple_is(&r, 2) && read_tag(r, ret);
}

/* With a reference of ours, that of a request that has ended. */
static bool is_reply(const struct node *n, struct slice term, const struct etf_atoms *atoms)
{
    struct etf_ref ref;

    return read_answer(term, atoms, &ref) && etf_atom_eq(ref.node, route_own_node(n));
}

/* Callees that know no aliases reply to the process in whose name a request was made: that request, or NULL.
 * It outlives the process. */
static struct process *find_asker(const struct node *n, const struct dist_message *m)
{
    const struct dist_end *to = &m->ctl.to;
    struct etf_ref ref;
    struct request *r;

    if (to->kind != DIST_END_PID || !route_is_own_pid(n, &to->pid) ||
        !read_answer(m->payload, m->atoms, &ref))
        return NULL;
    r = request_of_ref(n, &ref);
    return r && r->from && r->from == route_number(&to->pid) ? &r->process : NULL;
}

static void message(struct node *n, struct link *l, const struct dist_message *m)
{
    bool is_alias = m->ctl.to.kind == DIST_END_REF;
    struct process *p = is_alias ? find_alias(n, &m->ctl.to.ref) : find_end(n, &m->ctl.to);
    struct process *asker = find_asker(n, m);

    if (asker)
        p = asker;
    if (p)
        p->ops->message(p, l, is_alias ? &m->ctl.to.ref : NULL, m->payload, m->atoms);
    else if (is_reply(n, m->payload, m->atoms))
        n->late_replies++;
    else
        n->unknown_dropped++;
}

/* {'$gen_call', {Pid, Tag}, _}: the caller hears by the monitor that he has set that it came to nothing. */
static bool refuse_cut_call(struct node *n, const struct dist_message *m)
{
    static const uint8_t reason[] = "w\21request_too_large";
    struct process *p = find_end(n, &m->ctl.to);
    struct dist_ctl down = {.op = DIST_CTL_MONITOR_P_EXIT,
                            .from = m->ctl.to,
                            .to = {.kind = DIST_END_PID},
                            .reason = slice_of(reason, sizeof reason - 1)};
    struct node_from from;
    struct etf_rd request;

    if (m->ctl.to.kind == DIST_END_REF ||
        !gen_read_call(etf_rd_of(m->payload, m->atoms), "$gen_call", &from, &request) ||
        !read_tag(from.tag, &down.ref))
        return false;
    down.to.pid = from.pid;
    if (p)
        process_remove_monitor(p, &down.to.pid, &down.ref);
    route_answer(n, down.to.pid.node, &down);
    return true;
}

/* A message that was too large is nobody's, but whose reply or call it was is told. */
static void cut_message(struct node *n, struct link *l, const struct dist_message *m)
{
    struct etf_ref ref = m->ctl.to.ref;
    bool has_ref = m->ctl.to.kind == DIST_END_REF || read_answer(m->payload, m->atoms, &ref);
    struct request *r = has_ref ? request_of_ref(n, &ref) : NULL;

    LOG(LOG_WARN, "message-too-large", LOG_STR("node", l->name), LOG_STR("signal", dist_op_name(m->ctl.op)),
        LOG_STR("for", r ? "a call" : "a process"));
    if (r && r->link == l)
        request_reply_cut(r);
    else if (!refuse_cut_call(n, m))
        n->unknown_dropped++;
}

/* Why a process is not watched: there is none, or we cannot remember who watches it. */
static struct slice refused_for(const struct process *p)
{
    return p ? process_reason_system_limit : process_reason_noproc;
}

static void monitor(struct node *n, struct link *l, const struct dist_ctl *c)
{
    struct process *p = find_end(n, &c->to);
    struct wr scratch;
    struct slice name = {0};
    struct dist_ctl down = {
        .op = DIST_CTL_MONITOR_P_EXIT, .from = c->to, .to = c->from, .ref = c->ref, .reason = refused_for(p)};

    wr_init(&scratch, ETF_ATOM_MAX_BYTES);
    if (c->to.kind == DIST_END_NAME)
        name = route_atom_utf8(c->to.name, &scratch);
    /* Each monitor of what is not there is answered: without it the caller of a missing name waits for its
     * timeout. */
    if (!p || process_add_monitor(p, l, &c->from.pid, &c->ref, name) != ERR_NONE)
        route_answer(n, c->from.pid.node, &down);
    wr_fini(&scratch);
}

static void link_signal(struct node *n, struct link *l, const struct dist_ctl *c)
{
    struct process *p = find_end(n, &c->to);
    struct dist_ctl broken = {.op = DIST_CTL_EXIT, .from = c->to, .to = c->from, .reason = refused_for(p)};

    if (!p || process_add_link(p, l, &c->from.pid) != ERR_NONE)
        route_answer(n, c->from.pid.node, &broken);
}

static void unlink_signal(struct node *n, const struct dist_ctl *c)
{
    struct process *p = find_end(n, &c->to);
    struct dist_ctl ack = {.op = DIST_CTL_UNLINK_ID_ACK, .id = c->id, .from = c->to, .to = c->from};

    if (p)
        process_remove_link(p, &c->from.pid);
    /* Also for a process that is gone: until then the peer ignores exits over this link. */
    if (c->op == DIST_CTL_UNLINK_ID)
        route_answer(n, c->from.pid.node, &ack);
}

static void exit_signal(struct node *n, const struct dist_ctl *c, const struct etf_atoms *atoms)
{
    struct process *p = find_end(n, &c->to);
    bool is_link = c->op == DIST_CTL_EXIT;

    /* EXIT says that a link is broken; when there is none any more, it was unlinked meanwhile. */
    if (!p || (is_link && !process_remove_link(p, &c->from.pid)))
        return;
    if (p->ops->exit)
        p->ops->exit(p, &c->from.pid, is_link, c->reason, atoms);
}

static void down_signal(struct node *n, const struct dist_ctl *c, const struct etf_atoms *atoms)
{
    struct process *p = find_end(n, &c->to);

    if (p && p->ops->down)
        p->ops->down(p, &c->ref, &c->from, c->reason, atoms);
}

static void other_signal(struct node *n, const struct dist_ctl *c, const struct etf_atoms *atoms)
{
    struct process *p = find_end(n, &c->to);

    if (p && p->ops->other)
        p->ops->other(p, c, atoms);
    else if (!p && c->op == DIST_CTL_SPAWN_REPLY)
        spawn_reply_late(n, c, atoms);
}

static void dispatch(struct node *n, struct link *l, const struct dist_message *m)
{
    const struct dist_ctl *c = &m->ctl;
    struct process *p;

    switch ((int)c->op) {
    case DIST_CTL_SEND:
    case DIST_CTL_REG_SEND:
    case DIST_CTL_ALIAS_SEND:
        if (m->is_cut)
            cut_message(n, l, m);
        else
            message(n, l, m);
        break;
    case DIST_CTL_MONITOR_P: monitor(n, l, c); break;
    case DIST_CTL_DEMONITOR_P:
        p = find_end(n, &c->to);
        if (p)
            process_remove_monitor(p, &c->from.pid, &c->ref);
        break;
    case DIST_CTL_MONITOR_P_EXIT: down_signal(n, c, m->atoms); break;
    case DIST_CTL_LINK: link_signal(n, l, c); break;
    case DIST_CTL_UNLINK:
    case DIST_CTL_UNLINK_ID: unlink_signal(n, c); break;
    case DIST_CTL_UNLINK_ID_ACK:
        p = find_end(n, &c->to);
        if (p)
            process_unlinked(p, &c->from.pid, c->id);
        break;
    case DIST_CTL_EXIT:
    case DIST_CTL_EXIT2: exit_signal(n, c, m->atoms); break;
    case DIST_CTL_SPAWN_REQUEST: spawn_request_came(n, l, m); break;
    default: other_signal(n, c, m->atoms); break;
    }
}

/* What comes over a new link comes after the news of it, and of the end of the one before: so the signals
 * that wait are delivered first. */
void route_message(struct link *l, const struct dist_message *m)
{
    if (l->node->has_news)
        route_deliver_local(l->node);
    if (l->state == LINK_UP)
        dispatch(l->node, l, m);
}

void route_deliver_local(struct node *n)
{
    struct signals batch = n->local;
    struct signal *s;

    n->local = (struct signals){0};
    n->has_news = false;
    while ((s = signals_take(&batch))) {
        struct dist_message m = {.ctl = s->ctl, .payload = s->payload};

        dispatch(n, NULL, &m);
        signal_free(s);
    }
    /* Two processes that answer each other for ever must not keep the sockets waiting. */
    if (n->local.first)
        loop_timer_start(n->again, 0);
}

/* ---- out ---- */

static void lost(struct node *n, struct slice node, enum dist_op op, enum err e)
{
    n->totals.signals_lost++;
    LOG(LOG_WARN, "signal-lost", LOG_SLICE("node", node), LOG_STR("signal", dist_op_name(op)),
        LOG_STR("error", err_name(e)));
}

static enum err send_over(struct link *l, const struct dist_ctl *ctl, const struct slice *payload,
                          size_t count, uint32_t uses)
{
    enum err e;

    if (uses & dist_conn_peer_refuses(l->conn))
        return ERR_PEER_UNSUPPORTED;
    e = count ? link_check_room(l) : ERR_NONE;
    return e != ERR_NONE ? e : link_send(l, ctl, payload, count);
}

/* What waited for the link cannot be sent over it. Whoever waits for an answer hears that there is nobody. */
static void not_sent(struct link *l, const struct signal *s, enum err e)
{
    struct node *n = l->node;
    struct dist_ctl down = {.op = DIST_CTL_MONITOR_P_EXIT,
                            .from = s->ctl.to,
                            .to = s->ctl.from,
                            .ref = s->ctl.ref,
                            .reason = process_reason_noproc};

    lost(n, slice_of_str(l->name), s->ctl.op, e);
    if (s->ctl.op == DIST_CTL_MONITOR_P && signals_add(&n->local, &down, NULL, 0) != ERR_NONE)
        lost(n, n->name_slice, down.op, ERR_NOMEM);
    if (s->ctl.op == DIST_CTL_LINK)
        route_exit_local(n, &s->ctl.to.pid, route_number(&s->ctl.from.pid), process_reason_noproc);
}

static enum err wait_for(struct link *l, const struct dist_ctl *ctl, const struct slice *payload,
                         size_t count, uint32_t uses)
{
    enum err e;

    if (l->waiting.bytes > l->node->max_queue) {
        l->node->totals.over_max_queue++;
        return ERR_OVERLOADED;
    }
    e = signals_add(&l->waiting, ctl, payload, count);
    if (e == ERR_NONE)
        l->waiting.last->uses = uses;
    return e;
}

/* What of the receiver's pid not every peer can take: a process of that number cannot be there then. */
static uint32_t uses_of(const struct dist_end *to)
{
    const struct etf_pid *p = &to->pid;

    if (to->kind != DIST_END_PID)
        return 0;
    return (p->id >= 1u << 15 || p->serial >= 1u << 13 ? ETF_USES_BIG_PID : 0) |
           (p->id >= 1u << 28 ? ETF_USES_ODD_ID : 0);
}

enum err route_signal(struct node *n, struct slice where, const struct dist_ctl *ctl,
                      const struct slice *payload, size_t count, uint32_t uses)
{
    struct link *l;

    uses |= uses_of(&ctl->to);
    if (slice_eq(where, n->name_slice))
        return signals_add(&n->local, ctl, payload, count);
    l = link_for(n, where);
    if (!l) {
        if (n->is_quiet || !node_name_is_valid(where) || !link_may_be(n, where, false))
            return ERR_NO_CONNECTION;
        l = link_dial(n, where);
    }
    if (!l)
        return ERR_NOMEM;
    return l->state == LINK_UP ? send_over(l, ctl, payload, count, uses)
                               : wait_for(l, ctl, payload, count, uses);
}

void route_answer(struct node *n, struct etf_atom where, const struct dist_ctl *ctl)
{
    struct wr scratch;
    struct slice name;
    struct link *l;
    enum err e = ERR_NONE;

    wr_init(&scratch, ETF_ATOM_MAX_BYTES);
    name = route_atom_utf8(where, &scratch);
    l = link_find(n, name);
    if (slice_eq(name, n->name_slice))
        e = signals_add(&n->local, ctl, NULL, 0);
    else if (l)
        e = l->state == LINK_UP ? link_send(l, ctl, NULL, 0) : wait_for(l, ctl, NULL, 0, 0);
    if (e != ERR_NONE)
        lost(n, name, ctl->op, e);
    wr_fini(&scratch);
}

void route_link_up(struct link *l)
{
    struct signal *s;
    size_t cursor = 0;
    struct process *p;
    struct node_change change = {.node = slice_of_str(l->name),
                                 .is_up = true,
                                 .is_hidden = dist_conn_peer_is_hidden(l->conn),
                                 .was_dialled = l->was_dialled};

    l->node->has_news = true;
    while (l->state == LINK_UP && (s = signals_take(&l->waiting))) {
        enum err e = send_over(l, &s->ctl, &s->payload, s->payload.len ? 1 : 0, s->uses);

        if (e != ERR_NONE)
            not_sent(l, s, e);
        signal_free(s);
    }
    while ((p = pidtab_next(&l->node->processes, &cursor)))
        if (actor_of(p))
            watch_node_up(actor_of(p), &change);
}

/* Nothing is called back here, it is all queued: the walk sees each process once, and all of them as they
 * are. */
void route_node_lost(struct node *n, const struct node_change *change, bool was_up)
{
    size_t cursor = 0;
    struct process *p;

    n->has_news = true;
    while ((p = pidtab_next(&n->processes, &cursor))) {
        process_node_lost(p, change->node);
        if (actor_of(p))
            watch_node_lost(actor_of(p), change, was_up);
    }
}

enum err route_send_local(struct node *n, uint32_t to, const struct etf_ref *alias,
                          const struct slice *payload, size_t count)
{
    struct dist_ctl ctl = {.op = DIST_CTL_SEND, .to = {.kind = DIST_END_PID, .pid = route_own_pid(n, to)}};

    if (alias) {
        ctl.op = DIST_CTL_ALIAS_SEND;
        ctl.to = (struct dist_end){.kind = DIST_END_REF, .ref = *alias};
    }
    return signals_add(&n->local, &ctl, payload, count);
}

enum err route_down_local(struct node *n, uint32_t to, const struct etf_ref *ref, struct slice reason)
{
    struct dist_ctl ctl = {.op = DIST_CTL_MONITOR_P_EXIT,
                           .from = {.kind = DIST_END_PID, .pid = route_own_pid(n, 0)},
                           .to = {.kind = DIST_END_PID, .pid = route_own_pid(n, to)},
                           .ref = *ref,
                           .reason = reason};

    return signals_add(&n->local, &ctl, NULL, 0);
}

void route_exit_local(struct node *n, const struct etf_pid *from, uint32_t to, struct slice reason)
{
    struct dist_ctl ctl = {.op = DIST_CTL_EXIT,
                           .from = {.kind = DIST_END_PID, .pid = *from},
                           .to = {.kind = DIST_END_PID, .pid = route_own_pid(n, to)},
                           .reason = reason};

    if (signals_add(&n->local, &ctl, NULL, 0) != ERR_NONE)
        lost(n, n->name_slice, ctl.op, ERR_NOMEM);
}
