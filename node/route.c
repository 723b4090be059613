/*
 * route: where signals go: from a link to the processes of this node, and from here to pids anywhere.
 */
#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "etf/write.h"
#include "node/internal.h"
#include "node/request.h"

struct etf_atom route_own_node(const struct node *n)
{
    return (struct etf_atom){.text = n->name_slice};
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

/* Names are kept as UTF-8; peers that are no OTP may still spell them in Latin-1. */
static struct process *whereis_atom(struct node *n, struct etf_atom name)
{
    struct process *p;
    struct wr w;

    if (!name.is_latin1)
        return process_whereis(n, name.text);
    wr_init(&w, ETF_ATOM_MAX_BYTES);
    utf8_write_latin1(&w, name.text);
    p = wr_ok(&w) ? process_whereis(n, wr_written(&w)) : NULL;
    wr_fini(&w);
    return p;
}

static struct process *find_end(struct node *n, const struct dist_end *end)
{
    switch (end->kind) {
    case DIST_END_PID:
        return route_is_own_pid(n, &end->pid) ? pidtab_get(&n->processes, route_number(&end->pid)) : NULL;
    case DIST_END_NAME: return whereis_atom(n, end->name);
    case DIST_END_REF: {
        struct request *r = request_of_ref(n, &end->ref);

        return r ? &r->process : NULL;
    }
    case DIST_END_NONE: break;
    }
    return NULL;
}

static void answer(struct link *l, const struct dist_ctl *ctl)
{
    enum err e = link_send(l, ctl, NULL, 0);

    if (e != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("node", l->name), LOG_STR("signal", dist_op_name(ctl->op)),
            LOG_STR("error", err_name(e)));
}

/* {[alias|Ref], _} or {Ref, _} with a reference of ours: the answer to a request that has ended. */
static bool is_reply(const struct node *n, struct slice term, const struct etf_atoms *atoms)
{
    struct etf_rd r = etf_rd_of(term, atoms);
    struct etf_ref ref;
    uint32_t len;

    if (!etf_read_tuple_is(&r, 2))
        return false;
    if (etf_peek(&r) == ETF_KIND_LIST && (!etf_read_list(&r, &len) || len != 1 || !etf_skip(&r, NULL)))
        return false;
    return etf_read_ref(&r, &ref) && etf_atom_eq(ref.node, route_own_node(n));
}

static void message(struct link *l, const struct dist_message *m)
{
    struct node *n = l->node;
    struct process *p = find_end(n, &m->ctl.to);

    if (p)
        p->ops->message(p, l, m->ctl.to.kind == DIST_END_REF ? &m->ctl.to.ref : NULL, m->payload, m->atoms);
    else if (is_reply(n, m->payload, m->atoms))
        n->late_replies++;
    else
        n->unknown_dropped++;
}

static void monitor(struct link *l, const struct dist_ctl *c)
{
    struct process *p = find_end(l->node, &c->to);
    struct slice name = c->to.kind == DIST_END_NAME ? c->to.name.text : (struct slice){0};
    struct dist_ctl down = {.op = DIST_CTL_MONITOR_P_EXIT,
                            .from = c->to,
                            .to = c->from,
                            .ref = c->ref,
                            .reason = process_reason_noproc};

    /* Each monitor of what is not there is answered: without it the caller of a missing name waits for its
     * timeout. */
    if (!p || process_add_monitor(p, l, &c->from.pid, &c->ref, name) != ERR_NONE)
        answer(l, &down);
}

static void link_signal(struct link *l, const struct dist_ctl *c)
{
    struct process *p = find_end(l->node, &c->to);
    struct dist_ctl broken = {
        .op = DIST_CTL_EXIT, .from = c->to, .to = c->from, .reason = process_reason_noproc};

    if (!p || process_add_link(p, l, &c->from.pid) != ERR_NONE)
        answer(l, &broken);
}

static void unlink_signal(struct link *l, const struct dist_ctl *c)
{
    struct process *p = find_end(l->node, &c->to);
    struct dist_ctl ack = {.op = DIST_CTL_UNLINK_ID_ACK, .id = c->id, .from = c->to, .to = c->from};

    if (p)
        process_remove_link(p, &c->from.pid);
    /* Also for a process that is gone: until then the peer ignores exits over this link. */
    if (c->op == DIST_CTL_UNLINK_ID)
        answer(l, &ack);
}

static void exit_signal(struct link *l, const struct dist_ctl *c, const struct etf_atoms *atoms)
{
    struct process *p = find_end(l->node, &c->to);

    if (!p)
        return;
    /* EXIT says that a link is broken; when there is none any more, it was unlinked meanwhile. */
    if (c->op == DIST_CTL_EXIT && !process_remove_link(p, &c->from.pid))
        return;
    if (p->ops->exit)
        p->ops->exit(p, c->reason, atoms);
}

static void down_signal(struct link *l, const struct dist_ctl *c, const struct etf_atoms *atoms)
{
    struct process *p = find_end(l->node, &c->to);

    if (p && p->ops->down)
        p->ops->down(p, &c->ref, c->reason, atoms);
}

/* Nothing can be spawned here: the peer's rpc gets {badrpc, notsup} at once instead of waiting. */
static void refuse_spawn(struct link *l, const struct dist_ctl *c)
{
    static const struct slice notsup = SLICE_LIT("\x77\x06notsup");
    struct dist_ctl reply = {.op = DIST_CTL_SPAWN_REPLY, .ref = c->ref, .to = c->from, .reason = notsup};

    answer(l, &reply);
}

void route_message(struct link *l, const struct dist_message *m)
{
    const struct dist_ctl *c = &m->ctl;

    switch (c->op) {
    case DIST_CTL_SEND:
    case DIST_CTL_REG_SEND:
    case DIST_CTL_ALIAS_SEND: message(l, m); break;
    case DIST_CTL_MONITOR_P: monitor(l, c); break;
    case DIST_CTL_DEMONITOR_P: {
        struct process *p = find_end(l->node, &c->to);

        if (p)
            process_remove_monitor(p, &c->from.pid, &c->ref);
        break;
    }
    case DIST_CTL_MONITOR_P_EXIT: down_signal(l, c, m->atoms); break;
    case DIST_CTL_LINK: link_signal(l, c); break;
    case DIST_CTL_UNLINK:
    case DIST_CTL_UNLINK_ID: unlink_signal(l, c); break;
    case DIST_CTL_EXIT:
    case DIST_CTL_EXIT2: exit_signal(l, c, m->atoms); break;
    case DIST_CTL_SPAWN_REQUEST: refuse_spawn(l, c); break;
    default: break; /* UNLINK_ID_ACK, GROUP_LEADER, SPAWN_REPLY: nothing here waits for them */
    }
}

/* ---- from here ---- */

static enum err queue_local(struct node *n, const struct local_signal *head, const struct slice *payload,
                            size_t count)
{
    struct local_signal *m;
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        len += payload[i].len;
    m = mem_alloc(sizeof *m + len);
    if (!m)
        return ERR_NOMEM;
    *m = *head;
    if (m->has_ref)
        m->ref.node = route_own_node(n);
    for (size_t i = 0; i < count; i++) {
        if (payload[i].len)
            memcpy(m->term + m->len, payload[i].ptr, payload[i].len);
        m->len += payload[i].len;
    }
    *n->local_last = m;
    n->local_last = &m->next;
    return ERR_NONE;
}

enum err route_send_local(struct node *n, uint32_t to, const struct etf_ref *alias,
                          const struct slice *payload, size_t count)
{
    struct local_signal head = {.to = to, .has_ref = alias != NULL};

    if (alias)
        head.ref = *alias;
    return queue_local(n, &head, payload, count);
}

enum err route_down_local(struct node *n, uint32_t to, const struct etf_ref *ref, struct slice reason)
{
    struct local_signal head = {.to = to, .is_down = true, .has_ref = true, .ref = *ref};

    return queue_local(n, &head, &reason, 1);
}

void route_deliver_local(struct node *n)
{
    struct local_signal *m;

    while ((m = n->local_first)) {
        struct process *p = pidtab_get(&n->processes, m->to);
        struct slice term = slice_of(m->term, m->len);

        n->local_first = m->next;
        if (!n->local_first)
            n->local_last = &n->local_first;
        if (p && !m->is_down)
            p->ops->message(p, NULL, m->has_ref ? &m->ref : NULL, term, NULL);
        else if (p && p->ops->down)
            p->ops->down(p, &m->ref, term, NULL);
        else if (!p && !m->is_down && is_reply(n, term, NULL))
            n->late_replies++;
        else if (!p && !m->is_down)
            n->unknown_dropped++;
        mem_free(m);
    }
}

void route_send(const struct process *from, struct link *via, const struct etf_pid *to,
                const struct etf_ref *alias, const struct slice *payload, size_t count)
{
    struct node *n = from->node;
    struct dist_ctl ctl = {
        .op = DIST_CTL_SEND,
        .from = {.kind = DIST_END_PID, .pid = process_pid(from)},
        .to = {.kind = DIST_END_PID, .pid = *to},
    };
    enum err e = ERR_NODEDOWN;

    if (route_is_own_pid(n, to)) {
        e = route_send_local(n, route_number(to), alias, payload, count);
    } else {
        struct link *l = via ? via : link_find(n, to->node.text);

        if (l && l->state == LINK_UP && alias && (dist_conn_peer_flags(l->conn) & DIST_FLAG_ALIAS)) {
            ctl.op = DIST_CTL_ALIAS_SEND;
            ctl.to = (struct dist_end){.kind = DIST_END_REF, .ref = *alias};
        }
        if (l)
            e = link_send(l, &ctl, payload, count);
    }
    if (e != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("node", to->node.text), LOG_STR("error", err_name(e)));
}
