/* What passes between a request and the process that it is for: how it is asked, and what comes back. */
#include "etf/write.h"
#include "node/call_monitor.h"
#include "node/internal.h"
#include "node/request.h"

static struct request *of_process(struct process *p)
{
    return (struct request *)((char *)p - offsetof(struct request, process));
}

struct dist_end request_target(const struct request *r)
{
    if (r->to_pid)
        return (struct dist_end){.kind = DIST_END_PID, .pid = r->pid};
    return (struct dist_end){.kind = DIST_END_NAME, .name = {.text = r->name}};
}

/* The process it is for, when that is one of this node. */
static struct process *target_here(struct node *n, const struct request *r)
{
    if (!r->to_pid)
        return process_whereis(n, r->name);
    return route_is_own_pid(n, &r->pid) ? pidtab_get(&n->processes, route_number(&r->pid)) : NULL;
}

/* An rpc's comes with the process that is spawned for it, and stays on that. */
static bool has_monitor(const struct request *r)
{
    return r->was_sent && (r->kind == REQUEST_CALL || (r->kind == REQUEST_RPC && (r->to_pid || r->by_rex)));
}

static void demonitor(struct request *r)
{
    struct dist_ctl ctl = {
        .op = DIST_CTL_DEMONITOR_P,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&r->process)},
        .to = request_target(r),
        .ref = request_ref(r),
    };

    if (!r->link) {
        struct process *p = target_here(r->process.node, r);

        if (p)
            process_remove_monitor(p, &ctl.from.pid, &ctl.ref);
        return;
    }
    if (link_send(r->link, &ctl, NULL, 0) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("node", r->link->name), LOG_STR("signal", "DEMONITOR_P"));
}

void request_demonitor(struct request *r)
{
    if (r->monitor)
        call_monitor_leave(r);
    else if (has_monitor(r))
        demonitor(r);
}

/* ---- the answer ---- */

/* {[alias|Ref], Reply} or {Ref, Reply} with this request's reference, by whatever way it came. What is ahead
 * of the reply need not have been validated. */
static bool read_reply(const struct request *r, struct slice term, const struct etf_atoms *atoms,
                       struct slice *ret_reply)
{
    struct etf_rd rd = etf_rd_of(term, atoms);
    struct etf_ref ref, own = request_ref(r);
    uint32_t len;

    if (!etf_read_tuple_is(&rd, 2))
        return false;
    if (etf_peek(&rd) == ETF_KIND_LIST &&
        (!etf_read_list(&rd, &len) || len != 1 || !etf_read_atom_is(&rd, "alias")))
        return false;
    if (!etf_read_ref(&rd, &ref) || !etf_ref_eq(&ref, &own))
        return false;
    *ret_reply = rd_rest(&rd.rd); /* the message is one whole term, and this its last element */
    return true;
}

size_t request_judge(const struct request *r, struct slice payload, const struct etf_atoms *atoms)
{
    const struct node *n = r->process.node;
    struct slice reply;
    struct etf_rd rd;

    if (r->kind != REQUEST_CALL || r->done != n->judged || !has_monitor(r) ||
        !read_reply(r, payload, atoms, &reply))
        return 0;
    rd = etf_rd_of(reply, atoms);
    return n->judge(r->ctx, r->done_id, &rd) ? (size_t)(rd.rd.pos - payload.ptr) : 0;
}

static void message(struct process *p, struct link *from, const struct etf_ref *alias, struct slice term,
                    const struct etf_atoms *atoms)
{
    struct request *r = of_process(p);
    struct node_result result = {.was_sent = true, .atoms = atoms};

    (void)from;
    (void)alias;
    if (!has_monitor(r) || !read_reply(r, term, atoms, &result.term)) {
        p->node->unknown_dropped++;
        return;
    }
    request_demonitor(r);
    if (request_is_rpc(r)) {
        rpc_reply(r, result.term, atoms);
        return;
    }
    request_end(r, &result);
}

void request_reply_cut(struct request *r)
{
    struct node_result result = {.err = ERR_TOO_LARGE, .was_sent = true};

    if (!has_monitor(r))
        return;
    request_demonitor(r);
    request_end(r, &result);
}

void request_callee_down(struct request *r, struct slice reason, const struct etf_atoms *atoms)
{
    struct etf_rd rd = etf_rd_of(reason, atoms);
    struct node_result result = {
        .err = ERR_CALLEE_EXIT, .was_sent = r->was_sent, .term = reason, .atoms = atoms};

    if (etf_read_atom_is(&rd, "noproc"))
        result.err = ERR_NOPROC;
    else if (etf_read_atom_is(&rd, "noconnection"))
        result.err = ERR_NODEDOWN;
    request_end(r, &result);
}

static void down(struct process *p, const struct etf_ref *ref, const struct dist_end *from,
                 struct slice reason, const struct etf_atoms *atoms)
{
    struct request *r = of_process(p);
    struct etf_ref own = request_ref(r);

    (void)from;
    if (!etf_ref_eq(ref, &own))
        return;
    if (request_is_rpc(r) && !r->by_rex)
        rpc_down(r, reason, atoms);
    else
        request_callee_down(r, reason, atoms);
}

/* Somebody has sent this request's pid an exit signal: it ends, as a process that does not trap exits would.
 */
static void exit_came(struct process *p, const struct etf_pid *from, bool is_link, struct slice reason,
                      const struct etf_atoms *atoms)
{
    struct request *r = of_process(p);
    struct etf_rd rd = etf_rd_of(reason, atoms);
    struct node_result result = {.err = ERR_CALLEE_EXIT,
                                 .was_sent = r->was_sent,
                                 .term = reason,
                                 .atoms = atoms,
                                 .text = "another process ended this request by an exit signal"};

    (void)from;
    (void)is_link;
    if (etf_read_atom_is(&rd, "normal"))
        return;
    request_demonitor(r);
    request_end(r, &result);
}

static void other(struct process *p, const struct dist_ctl *ctl, const struct etf_atoms *atoms)
{
    struct request *r = of_process(p);
    struct etf_ref own = request_ref(r);

    if (ctl->op == DIST_CTL_SPAWN_REPLY && r->kind == REQUEST_RPC && etf_ref_eq(&ctl->ref, &own))
        rpc_spawned(r, ctl, atoms);
}

const struct process_ops request_ops = {
    .kind = "request", .message = message, .down = down, .exit = exit_came, .other = other};

/* ---- sending ---- */

/* Who the callee is to think that it comes from. */
static struct etf_pid sender(const struct request *r)
{
    return r->from ? route_own_pid(r->process.node, r->from) : process_pid(&r->process);
}

/* What stands before the request's own term: {'$gen_call', {Pid, Tag}, … or {'$gen_cast', …. */
static void write_wrapping(struct wr *w, struct request *r, bool has_alias)
{
    struct etf_pid self = sender(r);
    struct etf_ref ref = request_ref(r);

    if (r->kind == REQUEST_CAST) {
        etf_write_tuple(w, 2);
        etf_write_atom_str(w, "$gen_cast");
    } else if (r->kind == REQUEST_CALL) {
        etf_write_tuple(w, 3);
        etf_write_atom_str(w, "$gen_call");
        etf_write_tuple(w, 2);
        etf_write_pid(w, &self);
        if (has_alias) {
            etf_write_list(w, 1);
            etf_write_atom_str(w, "alias");
        }
        etf_write_ref(w, &ref);
    }
}

static enum err send_monitor(struct request *r)
{
    struct dist_ctl ctl = {
        .op = DIST_CTL_MONITOR_P,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&r->process)},
        .to = request_target(r),
        .ref = request_ref(r),
    };

    return link_send(r->link, &ctl, NULL, 0);
}

/* exit(Pid, Reason). */
static struct dist_ctl exit_ctl(const struct request *r, struct slice reason)
{
    return (struct dist_ctl){.op = DIST_CTL_EXIT2,
                             .from = {.kind = DIST_END_PID, .pid = sender(r)},
                             .to = request_target(r),
                             .reason = reason};
}

static enum err send_exit(struct request *r, struct slice reason)
{
    struct dist_ctl ctl = exit_ctl(r, reason);
    enum err e = link_send(r->link, &ctl, NULL, 0);

    r->was_sent = e == ERR_NONE;
    return e;
}

enum err request_send(struct request *r, struct slice term)
{
    struct link *l = r->link;
    struct dist_ctl ctl = {.op = r->to_pid ? DIST_CTL_SEND : DIST_CTL_REG_SEND,
                           .from = {.kind = DIST_END_PID, .pid = sender(r)},
                           .to = request_target(r)};
    struct wr *w = &r->process.node->wrapping;
    struct slice parts[2];
    enum err e = ERR_NONE;

    if (r->uses & dist_conn_peer_refuses(l->conn))
        return ERR_PEER_UNSUPPORTED;
    e = link_check_room(l);
    if (e != ERR_NONE)
        return e;
    if (r->kind == REQUEST_EXIT)
        return send_exit(r, term);
    if (request_is_rpc(r)) {
        e = rpc_send(r, term);
        r->was_sent = e == ERR_NONE;
        return e;
    }
    wr_reset(w);
    write_wrapping(w, r, (dist_conn_peer_flags(l->conn) & DIST_FLAG_ALIAS) != 0);
    parts[0] = wr_written(w);
    parts[1] = term;
    e = w->err;
    if (e == ERR_NONE && call_monitor_suits(r, l)) {
        e = call_monitor_join(r);
        /* What comes from one process comes in order: the monitor, and then the call. */
        ctl.from.pid = process_pid(&r->process.node->callers);
    } else if (e == ERR_NONE && r->kind == REQUEST_CALL) {
        e = send_monitor(r);
    }
    if (e == ERR_NONE)
        e = link_send(l, &ctl, parts, 2);
    r->was_sent = e == ERR_NONE;
    return e;
}

/* To a process of this very node; to one that does not exist, a call hears noproc and the rest nothing. */
enum err request_send_here(struct node *n, struct request *r, struct slice term)
{
    struct process *p = target_here(n, r);
    struct etf_pid self = process_pid(&r->process);
    struct etf_ref ref = request_ref(r);
    struct dist_ctl ctl;
    struct wr *w = &n->wrapping;
    struct slice parts[2];
    enum err e;

    if (request_is_rpc(r)) {
        e = rpc_send(r, term);
        r->was_sent = e == ERR_NONE;
        return e;
    }
    if (!p)
        return r->kind == REQUEST_CALL ? route_down_local(n, r->process.number, &ref, process_reason_noproc)
                                       : ERR_NONE;
    if (r->kind == REQUEST_EXIT) {
        ctl = exit_ctl(r, term);
        return signals_add(&n->local, &ctl, NULL, 0);
    }
    wr_reset(w);
    write_wrapping(w, r, true);
    parts[0] = wr_written(w);
    parts[1] = term;
    e = w->err;
    if (e == ERR_NONE && r->kind == REQUEST_CALL)
        e = process_add_monitor(p, NULL, &self, &ref, r->to_pid ? (struct slice){0} : r->name);
    if (e == ERR_NONE)
        e = route_send_local(n, p->number, NULL, parts, 2);
    r->was_sent = e == ERR_NONE;
    return e;
}
