#include "node/request.h"

#include "base/check.h"
#include "base/mem.h"
#include "etf/write.h"
#include "node/internal.h"

static struct request *of_deadline(struct deadline *d)
{
    return (struct request *)((char *)d - offsetof(struct request, deadline));
}

static struct request *of_process(struct process *p)
{
    return (struct request *)((char *)p - offsetof(struct request, process));
}

/*
 * A request's reference, for its monitor and its alias: words that no peer is too old for (18 bits in the
 * first), made of its id, so that what comes back finds it without a search, and finds nothing once it has
 * ended.
 */
enum { REF_KIND_REQUEST = 1 };

struct etf_ref request_ref(const struct request *r)
{
    const struct node *n = r->process.node;

    return (struct etf_ref){
        .node = route_own_node(n),
        .creation = n->creation,
        .count = 3,
        .words = {REF_KIND_REQUEST, (uint32_t)(r->id >> 32), (uint32_t)r->id},
    };
}

struct request *request_of_ref(const struct node *n, const struct etf_ref *ref)
{
    if (ref->count != 3 || ref->words[0] != REF_KIND_REQUEST || ref->creation != n->creation ||
        !etf_atom_eq(ref->node, route_own_node(n)))
        return NULL;
    return idtab_get(&n->requests, (uint64_t)ref->words[1] << 32 | ref->words[2]);
}

/* ---- the link's list ---- */

static void enlist(struct request *r, struct link *l)
{
    r->link = l;
    r->prev = NULL;
    r->next = l->requests;
    if (r->next)
        r->next->prev = r;
    l->requests = r;
    l->request_count++;
}

static void delist(struct request *r)
{
    if (!r->link)
        return;
    if (r->link->next_to_send == r)
        r->link->next_to_send = r->prev;
    if (r->prev)
        r->prev->next = r->next;
    else
        r->link->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
    r->link->request_count--;
    r->link = NULL;
}

/* ---- the end ---- */

static void request_free(struct request *r)
{
    mem_free(r->text);
    mem_free(r->term);
    mem_free(r);
}

/* Ends it and tells why; the request leaves every table before its owner hears of it. */
void request_end(struct request *r, const struct node_result *result)
{
    struct node *n = r->process.node;

    idtab_remove(&n->requests, r->id);
    delist(r);
    deadlines_remove(&n->deadlines, &r->deadline);
    process_exit(&r->process, process_reason_normal);
    if (r->done)
        r->done(r->ctx, r->done_id, result);
    request_free(r);
}

static void fail(struct request *r, enum err e, const char *text)
{
    struct node_result result = {.err = e, .was_sent = r->was_sent, .text = text};

    request_end(r, &result);
}

/* The process it is for, when that is one of this node. */
static struct process *target_here(struct node *n, const struct request *r)
{
    if (!r->to_pid)
        return process_whereis(n, r->name);
    return route_is_own_pid(n, &r->pid) ? pidtab_get(&n->processes, route_number(&r->pid)) : NULL;
}

static bool is_rpc(const struct request *r)
{
    return r->kind == REQUEST_RPC || r->kind == REQUEST_RPC_CAST;
}

/* Is an answer waited for? */
static bool is_call(const struct request *r)
{
    return r->kind == REQUEST_CALL || r->kind == REQUEST_RPC;
}

/* An rpc's comes with the process that is spawned for it, and stays on that. */
static bool has_monitor(const struct request *r)
{
    return r->was_sent && (r->kind == REQUEST_CALL || (r->kind == REQUEST_RPC && (r->to_pid || r->by_rex)));
}

/* Gives back the monitor of a call that ends otherwise than by its DOWN. */
static void demonitor(struct request *r)
{
    struct dist_ctl ctl = {
        .op = DIST_CTL_DEMONITOR_P,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&r->process)},
        .to = {.kind = DIST_END_NAME, .name = {.text = r->name}},
        .ref = request_ref(r),
    };

    if (!has_monitor(r))
        return;
    if (!r->link) {
        struct process *p = target_here(r->process.node, r);

        if (p)
            process_remove_monitor(p, &ctl.from.pid, &ctl.ref);
        return;
    }
    if (r->to_pid)
        ctl.to = (struct dist_end){.kind = DIST_END_PID, .pid = r->pid};
    if (link_send(r->link, &ctl, NULL, 0) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("node", r->link->name), LOG_STR("signal", "DEMONITOR_P"));
}

/* ---- the answer ---- */

/* {[alias|Ref], Reply} or {Ref, Reply} with this request's reference, by whatever way it came. */
static bool read_reply(struct request *r, struct slice term, const struct etf_atoms *atoms,
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
    return etf_read_ref(&rd, &ref) && etf_ref_eq(&ref, &own) && etf_skip(&rd, ret_reply);
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
    demonitor(r);
    if (is_rpc(r)) {
        rpc_reply(r, result.term, atoms);
        return;
    }
    request_end(r, &result);
}

static void down(struct process *p, const struct etf_ref *ref, const struct dist_end *from,
                 struct slice reason, const struct etf_atoms *atoms)
{
    struct request *r = of_process(p);
    struct etf_ref own = request_ref(r);
    struct etf_rd rd = etf_rd_of(reason, atoms);
    struct node_result result = {
        .err = ERR_CALLEE_EXIT, .was_sent = r->was_sent, .term = reason, .atoms = atoms};

    (void)from;
    if (!etf_ref_eq(ref, &own))
        return;
    if (is_rpc(r) && !r->by_rex) {
        rpc_down(r, reason, atoms);
        return;
    }
    if (etf_read_atom_is(&rd, "noproc"))
        result.err = ERR_NOPROC;
    else if (etf_read_atom_is(&rd, "noconnection"))
        result.err = ERR_NODEDOWN;
    request_end(r, &result);
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
    demonitor(r);
    request_end(r, &result);
}

static void other(struct process *p, const struct dist_ctl *ctl, const struct etf_atoms *atoms)
{
    struct request *r = of_process(p);
    struct etf_ref own = request_ref(r);

    if (ctl->op == DIST_CTL_SPAWN_REPLY && r->kind == REQUEST_RPC && etf_ref_eq(&ctl->ref, &own))
        rpc_spawned(r, ctl, atoms);
}

static const struct process_ops ops = {
    .kind = "request", .message = message, .down = down, .exit = exit_came, .other = other};

/* ---- sending ---- */

static void set_target(const struct request *r, struct dist_end *end_)
{
    if (r->to_pid)
        *end_ = (struct dist_end){.kind = DIST_END_PID, .pid = r->pid};
    else
        *end_ = (struct dist_end){.kind = DIST_END_NAME, .name = {.text = r->name}};
}

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
        .ref = request_ref(r),
    };

    set_target(r, &ctl.to);
    return link_send(r->link, &ctl, NULL, 0);
}

/* exit(Pid, Reason). */
static struct dist_ctl exit_ctl(const struct request *r, struct slice reason)
{
    struct dist_ctl ctl = {
        .op = DIST_CTL_EXIT2, .from = {.kind = DIST_END_PID, .pid = sender(r)}, .reason = reason};

    set_target(r, &ctl.to);
    return ctl;
}

static enum err send_exit(struct request *r, struct slice reason)
{
    struct dist_ctl ctl = exit_ctl(r, reason);
    enum err e = link_send(r->link, &ctl, NULL, 0);

    r->was_sent = e == ERR_NONE;
    return e;
}

static enum err send_over_link(struct request *r, struct slice term)
{
    struct link *l = r->link;
    struct dist_ctl ctl = {.op = r->to_pid ? DIST_CTL_SEND : DIST_CTL_REG_SEND,
                           .from = {.kind = DIST_END_PID, .pid = sender(r)}};
    struct wr w;
    struct slice parts[2];
    enum err e = ERR_NONE;

    if (r->uses & dist_conn_peer_refuses(l->conn))
        return ERR_PEER_UNSUPPORTED;
    if (link_is_full(l))
        return ERR_OVERLOADED;
    if (r->kind == REQUEST_EXIT)
        return send_exit(r, term);
    if (is_rpc(r)) {
        e = rpc_send(r, term);
        r->was_sent = e == ERR_NONE;
        return e;
    }
    wr_init(&w, SIZE_MAX);
    write_wrapping(&w, r, (dist_conn_peer_flags(l->conn) & DIST_FLAG_ALIAS) != 0);
    set_target(r, &ctl.to);
    parts[0] = wr_written(&w);
    parts[1] = term;
    e = w.err;
    if (e == ERR_NONE && r->kind == REQUEST_CALL)
        e = send_monitor(r);
    if (e == ERR_NONE)
        e = link_send(l, &ctl, parts, 2);
    wr_fini(&w);
    r->was_sent = e == ERR_NONE;
    return e;
}

void request_link_up(struct link *l)
{
    struct request *r = l->requests, *oldest = NULL;

    /* The list has the youngest first; Erlang promises the order of what one process sends, and people expect
     * it. */
    for (; r; r = r->next)
        oldest = r;
    for (r = oldest; r; r = l->next_to_send) {
        struct node_result result = {.err = ERR_NONE};

        l->next_to_send = r->prev;
        if (r->was_sent)
            continue; /* made by a callback meanwhile */
        if (r->kind != REQUEST_CONNECT)
            result.err = send_over_link(r, slice_of(r->term, r->term_len));
        result.was_sent = r->was_sent;
        mem_free(r->term);
        r->term = NULL;
        if (result.err != ERR_NONE || !is_call(r))
            request_end(r, &result);
        if (l->state != LINK_UP)
            return; /* a callback has closed it: request_link_down has ended the rest */
    }
}

void request_link_down(struct link *l, enum err why, const char *text)
{
    while (l->requests)
        fail(l->requests, why, text);
}

void request_move_all(struct link *from, struct link *to)
{
    struct request *last = from->requests;

    if (!last)
        return;
    while (last->next)
        last = last->next;
    /* Oldest first, so that their order is kept. */
    for (struct request *r = last; r;) {
        struct request *next = r->prev;

        delist(r);
        enlist(r, to);
        r = next;
    }
}

/* ---- deadlines ---- */

void request_arm(struct node *n)
{
    struct deadline *first = deadlines_first(&n->deadlines);
    uint64_t now = loop_now_ms(n->loop);

    if (!first || first->at_ms >= n->deadline_armed)
        return;
    n->deadline_armed = first->at_ms;
    loop_timer_start(n->deadline_timer, first->at_ms > now ? first->at_ms - now : 0);
}

void request_expire(struct node *n)
{
    struct deadline *d;
    uint64_t now = loop_now_ms(n->loop);

    n->deadline_armed = UINT64_MAX;
    while ((d = deadlines_first(&n->deadlines)) && d->at_ms <= now) {
        struct request *r = of_deadline(d);
        struct node_result result = {.err = ERR_TIMEOUT, .was_sent = r->was_sent};

        result.was_connecting = r->link && r->link->state != LINK_UP;
        demonitor(r);
        request_end(r, &result);
    }
    request_arm(n);
}

/* ---- from outside ---- */

/* Copies the target's texts, which are the caller's. */
static bool keep_target(struct request *r, const struct node_target *t)
{
    struct slice text = t->is_pid ? t->pid.node.text : t->name;

    r->text = mem_strndup(text.ptr, text.len);
    if (!r->text)
        return false;
    r->from = t->from;
    r->to_pid = t->is_pid;
    if (t->is_pid) {
        r->pid = t->pid;
        r->pid.node.text.ptr = (uint8_t *)r->text;
    } else {
        r->name = slice_of(r->text, text.len);
    }
    return true;
}

static struct request *request_new(struct node *n, enum request_kind kind, const struct node_target *t,
                                   uint64_t timeout_ms)
{
    struct request *r = mem_zalloc(sizeof *r);

    if (!r)
        return NULL;
    r->kind = kind;
    r->id = idtab_add(&n->requests, r);
    if (!r->id || (t && !keep_target(r, t)) || process_start(n, &r->process, &ops) != ERR_NONE ||
        deadlines_add(&n->deadlines, &r->deadline, loop_now_ms(n->loop) + timeout_ms) != ERR_NONE) {
        process_exit(&r->process, process_reason_normal);
        idtab_remove(&n->requests, r->id);
        request_free(r);
        return NULL;
    }
    request_arm(n);
    return r;
}

static void discard(struct request *r)
{
    r->done = NULL;
    request_end(r, &(struct node_result){.err = ERR_CANCELLED});
}

/* To a process of this very node; to one that does not exist, a call hears noproc and the rest nothing. */
static enum err send_here(struct node *n, struct request *r, struct slice term)
{
    struct process *p = target_here(n, r);
    struct etf_pid self = process_pid(&r->process);
    struct etf_ref ref = request_ref(r);
    struct dist_ctl ctl;
    struct wr w;
    struct slice parts[2];
    enum err e;

    if (is_rpc(r)) {
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
    wr_init(&w, SIZE_MAX);
    write_wrapping(&w, r, true);
    parts[0] = wr_written(&w);
    parts[1] = term;
    e = w.err;
    if (e == ERR_NONE && r->kind == REQUEST_CALL)
        e = process_add_monitor(p, &self, &ref, r->to_pid ? (struct slice){0} : r->name);
    if (e == ERR_NONE)
        e = route_send_local(n, p->number, NULL, parts, 2);
    wr_fini(&w);
    r->was_sent = e == ERR_NONE;
    return e;
}

static enum err request_here(struct node *n, struct request *r, struct slice term, uint64_t *ret_op)
{
    enum err e = send_here(n, r, term);

    if (e != ERR_NONE || !is_call(r)) {
        discard(r);
        return e;
    }
    *ret_op = r->id;
    return ERR_NONE;
}

static enum err keep_term(struct request *r, struct slice term)
{
    if (term.len == 0)
        return ERR_NONE;
    r->term = mem_alloc(term.len);
    if (!r->term)
        return ERR_NOMEM;
    memcpy(r->term, term.ptr, term.len);
    r->term_len = term.len;
    return ERR_NONE;
}

/* The link to that node, which is dialled if there is none. */
static struct link *link_to(struct node *n, struct slice name)
{
    struct link *l = link_find(n, name);

    return l ? l : link_dial(n, name);
}

enum err request_start(struct node *n, enum request_kind kind, struct slice where,
                       const struct node_target *target, struct slice term, uint32_t uses,
                       uint64_t timeout_ms, node_done_fn *done, void *ctx, uint64_t id, uint64_t *ret_op)
{
    struct request *r;
    struct link *l;
    enum err e = ERR_NONE;

    *ret_op = 0;
    if (n->is_quiet || !n->creation)
        return ERR_CLOSED;
    r = request_new(n, kind, target, timeout_ms);
    if (!r)
        return ERR_NOMEM;
    r->uses = uses;
    r->done = done;
    r->ctx = ctx;
    r->done_id = id;
    if (slice_eq(where, n->name_slice))
        return request_here(n, r, term, ret_op);
    l = link_to(n, where);
    if (!l) {
        discard(r);
        return ERR_NOMEM;
    }
    enlist(r, l);
    if (l->state == LINK_UP)
        e = send_over_link(r, term);
    else
        e = keep_term(r, term);
    if (e != ERR_NONE || (l->state == LINK_UP && !is_call(r)))
        discard(r);
    else
        *ret_op = r->id;
    return e;
}

enum err node_request(struct node *n, enum node_verb verb, const struct node_target *target,
                      struct slice request, uint32_t uses, uint64_t timeout_ms, node_done_fn *done, void *ctx,
                      uint64_t id, uint64_t *ret_op)
{
    static const enum request_kind kinds[] = {[NODE_CALL] = REQUEST_CALL,
                                              [NODE_CAST] = REQUEST_CAST,
                                              [NODE_SEND] = REQUEST_SEND,
                                              [NODE_EXIT] = REQUEST_EXIT};

    if (verb == NODE_EXIT && !target->is_pid)
        return ERR_INVALID;

    return request_start(n, kinds[verb], target->is_pid ? target->pid.node.text : target->node, target,
                         request, uses, timeout_ms, done, ctx, id, ret_op);
}

enum err node_connect(struct node *n, struct slice name, uint64_t timeout_ms, node_done_fn *done, void *ctx,
                      uint64_t id, uint64_t *ret_op)
{
    struct link *l;
    struct request *r;

    *ret_op = 0;
    if (n->is_quiet || !n->creation)
        return ERR_CLOSED;
    l = slice_eq(name, n->name_slice) ? NULL : link_to(n, name);
    if (!l)
        return slice_eq(name, n->name_slice) ? ERR_NONE : ERR_NOMEM;
    if (l->state == LINK_UP)
        return ERR_NONE;
    r = request_new(n, REQUEST_CONNECT, NULL, timeout_ms);
    if (!r)
        return ERR_NOMEM;
    r->done = done;
    r->ctx = ctx;
    r->done_id = id;
    enlist(r, l);
    *ret_op = r->id;
    return ERR_NONE;
}

void node_cancel(struct node *n, uint64_t op)
{
    struct request *r = op ? idtab_get(&n->requests, op) : NULL;

    if (!r)
        return;
    demonitor(r);
    discard(r);
}

void request_end_all(struct node *n, enum err why, const char *text)
{
    uint32_t cursor = 0;
    struct request *r;

    while ((r = idtab_next(&n->requests, &cursor))) {
        demonitor(r);
        fail(r, why, text);
    }
}
