#include "node/rpc.h"

#include "base/utf8.h"
#include "etf/write.h"
#include "node/actor.h"
#include "node/internal.h"
#include "node/request.h"

enum { SPAWNED_MONITOR = 2 }; /* SPAWN_REPLY's flag */

/* ---- out ---- */

static void write_mfa(struct wr *w, const char *function, uint32_t arity)
{
    etf_write_tuple(w, 3);
    etf_write_atom_str(w, "erpc");
    etf_write_atom_str(w, function);
    etf_write_int64(w, arity);
}

static void write_options(struct wr *w, bool is_call)
{
    if (is_call) {
        etf_write_list(w, 1);
        etf_write_atom_str(w, "monitor");
    }
    etf_write_nil(w);
}

/* SPAWN_REQUEST of erpc:execute_call(Ref, M, F, A) or execute_cast(M, F, A), as erpc makes it. */
static enum err send_spawn(struct request *r, struct slice mfa)
{
    struct node *n = r->process.node;
    bool is_call = r->kind == REQUEST_RPC;
    struct etf_ref ref = request_ref(r);
    struct dist_ctl ctl = {
        .op = DIST_CTL_SPAWN_REQUEST,
        .ref = ref,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&r->process)},
        .group_leader = route_own_pid(n, n->leader.number),
    };
    struct wr head, function, options;
    struct slice parts[3];
    enum err e = ERR_NOMEM;

    wr_init(&head, SIZE_MAX);
    wr_init(&function, SIZE_MAX);
    wr_init(&options, SIZE_MAX);
    etf_write_list(&head, is_call ? 4 : 3);
    if (is_call)
        etf_write_ref(&head, &ref);
    write_mfa(&function, is_call ? "execute_call" : "execute_cast", is_call ? 4 : 3);
    write_options(&options, is_call);
    ctl.mfa = wr_written(&function);
    ctl.options = wr_written(&options);
    parts[0] = wr_written(&head);
    parts[1] = mfa;
    parts[2] = SLICE("\x6A"); /* the list's tail, NIL */
    if (wr_ok(&head) && wr_ok(&function) && wr_ok(&options))
        e = r->link ? link_send(r->link, &ctl, parts, 3) : signals_add(&n->local, &ctl, parts, 3);
    wr_fini(&head);
    wr_fini(&function);
    wr_fini(&options);
    return e;
}

/* {'$gen_call', {Pid, Tag}, {call, M, F, A, Leader}} or {'$gen_cast', {cast, …}}. */
static void write_rex(struct wr *w, const struct request *r, struct slice mfa)
{
    struct etf_pid self = process_pid(&r->process);
    struct etf_pid leader = route_own_pid(r->process.node, r->process.node->leader.number);
    struct etf_ref ref = request_ref(r);

    etf_write_tuple(w, r->kind == REQUEST_RPC ? 3 : 2);
    etf_write_atom_str(w, r->kind == REQUEST_RPC ? "$gen_call" : "$gen_cast");
    if (r->kind == REQUEST_RPC) {
        etf_write_tuple(w, 2);
        etf_write_pid(w, &self);
        etf_write_ref(w, &ref);
    }
    etf_write_tuple(w, 5);
    etf_write_atom_str(w, r->kind == REQUEST_RPC ? "call" : "cast");
    wr_slice(w, mfa);
    etf_write_pid(w, &leader);
}

static enum err send_rex(struct request *r, struct slice mfa)
{
    struct dist_ctl ctl = {
        .op = DIST_CTL_MONITOR_P,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&r->process)},
        .to = {.kind = DIST_END_NAME, .name = {.text = SLICE_LIT("rex")}},
        .ref = request_ref(r),
    };
    struct slice term;
    struct wr w;
    enum err e = ERR_NONE;

    r->by_rex = true;
    r->name = ctl.to.name.text;
    if (r->kind == REQUEST_RPC)
        e = link_send(r->link, &ctl, NULL, 0);
    wr_init(&w, SIZE_MAX);
    write_rex(&w, r, mfa);
    term = wr_written(&w);
    ctl.op = DIST_CTL_REG_SEND;
    if (e == ERR_NONE)
        e = wr_ok(&w) ? link_send(r->link, &ctl, &term, 1) : w.err;
    wr_fini(&w);
    return e;
}

enum err rpc_send(struct request *r, struct slice mfa)
{
    return r->link && !(dist_conn_peer_flags(r->link->conn) & DIST_FLAG_SPAWN) ? send_rex(r, mfa)
                                                                               : send_spawn(r, mfa);
}

/* ---- in ---- */

void rpc_spawned(struct request *r, const struct dist_ctl *ctl, const struct etf_atoms *atoms)
{
    struct etf_rd reason = etf_rd_of(ctl->reason, atoms);
    struct node_result result = {
        .err = ERR_CALLEE_EXIT, .was_sent = true, .term = ctl->reason, .atoms = atoms, .exception = "error"};
    struct etf_pid pid;

    if (etf_read_pid(&reason, &pid)) {
        /* The monitor is on it from now on. Its node is the link's, whose name lasts as long as the request.
         */
        pid.node = r->link ? (struct etf_atom){.text = slice_of_str(r->link->name)}
                           : route_own_node(r->process.node);
        r->pid = pid;
        r->to_pid = true;
        if (ctl->id & SPAWNED_MONITOR)
            return;
        result.term = (struct slice){0};
        result.err = ERR_PEER_UNSUPPORTED;
        result.text = "the peer spawned a process without the monitor that was asked for";
    } else if (etf_read_atom_is(&reason, "notsup")) {
        result.err = ERR_PEER_UNSUPPORTED;
        result.text = "the peer refuses to run functions for others";
    }
    if (result.err != ERR_CALLEE_EXIT)
        result.exception = NULL;
    request_end(r, &result);
}

/* {Ref, return, V}, {Ref, throw, R}, {Ref, exit, R}, {Ref, error, R, Stack}, {Ref, error, {erpc, R}}. */
static bool read_outcome(const struct request *r, struct etf_rd rd, struct node_result *result)
{
    static const char *const classes[] = {"throw", "exit", "error"};
    struct etf_ref ref, own = request_ref(r);
    uint32_t arity;

    if (!etf_read_tuple(&rd, &arity) || (arity != 3 && arity != 4) || !etf_read_ref(&rd, &ref) ||
        !etf_ref_eq(&ref, &own))
        return false;
    if (etf_read_atom_is(&rd, "return")) {
        result->err = ERR_NONE;
        return etf_skip(&rd, &result->term);
    }
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (!etf_read_atom_is(&rd, classes[i]))
            continue;
        result->exception = classes[i];
        return etf_skip(&rd, &result->term) && (arity == 3 || etf_skip(&rd, &result->stacktrace));
    }
    return false;
}

void rpc_down(struct request *r, struct slice reason, const struct etf_atoms *atoms)
{
    struct etf_rd rd = etf_rd_of(reason, atoms);
    struct node_result result = {.err = ERR_CALLEE_EXIT, .was_sent = true, .atoms = atoms};

    if (!read_outcome(r, rd, &result)) {
        result = (struct node_result){
            .err = ERR_CALLEE_EXIT, .was_sent = true, .term = reason, .atoms = atoms, .exception = "signal"};
        if (etf_read_atom_is(&rd, "noconnection"))
            result = (struct node_result){.err = ERR_NODEDOWN, .was_sent = true};
        else if (etf_read_atom_is(&rd, "reason_too_large")) /* the outcome is in the reason */
            result = (struct node_result){.err = ERR_TOO_LARGE, .was_sent = true};
    }
    request_end(r, &result);
}

/* {badrpc, {'EXIT', {R, Stack}}} and the like: the class has to be guessed, as rpc's own users do. */
static void read_badrpc(struct etf_rd rd, struct node_result *result)
{
    struct etf_rd pair;
    struct slice reason, stack;

    result->err = ERR_CALLEE_EXIT;
    result->exception = "exit";
    if (!etf_read_tuple_is(&rd, 2) || !etf_read_atom_is(&rd, "EXIT") || !etf_skip(&rd, &result->term))
        return;
    pair = etf_rd_of(result->term, rd.atoms);
    if (etf_read_tuple_is(&pair, 2) && etf_skip(&pair, &reason) && etf_peek(&pair) == ETF_KIND_LIST &&
        etf_skip(&pair, &stack)) {
        result->exception = "error";
        result->term = reason;
        result->stacktrace = stack;
    }
}

void rpc_reply(struct request *r, struct slice reply, const struct etf_atoms *atoms)
{
    struct etf_rd rd = etf_rd_of(reply, atoms);
    struct node_result result = {.was_sent = true, .term = reply, .atoms = atoms};

    if (etf_read_tuple_is(&rd, 2) && etf_read_atom_is(&rd, "badrpc") && etf_skip(&rd, &result.term))
        read_badrpc(etf_rd_of(result.term, atoms), &result);
    request_end(r, &result);
}

/* ---- from outside ---- */

static bool is_list(struct slice args)
{
    struct etf_rd r = etf_rd_of(args, NULL);
    enum etf_kind kind = etf_peek(&r);

    return kind == ETF_KIND_LIST || kind == ETF_KIND_STRING || kind == ETF_KIND_NIL;
}

static enum err start(struct node *n, enum request_kind kind, struct slice node, struct slice module,
                      struct slice function, struct slice args, uint64_t timeout_ms, node_done_fn *done,
                      void *ctx, uint64_t id, uint64_t *ret_op)
{
    uint64_t unused;
    uint32_t uses = 0;
    struct wr w;
    enum err e = spawn_check_term(args, &uses);

    ret_op = ret_op ? ret_op : &unused;
    *ret_op = 0;
    if (e != ERR_NONE)
        return e;
    if (!etf_is_atom_text(module) || !etf_is_atom_text(function) || !is_list(args))
        return ERR_INVALID;
    wr_init(&w, SIZE_MAX);
    etf_write_atom(&w, module);
    etf_write_atom(&w, function);
    wr_slice(&w, args);
    e = w.err;
    if (e == ERR_NONE)
        e = request_start(n, kind, node, NULL, wr_written(&w), uses, timeout_ms, done, ctx, id, ret_op);
    wr_fini(&w);
    return e;
}

enum err node_rpc(struct node *n, struct slice node, struct slice module, struct slice function,
                  struct slice args, uint64_t timeout_ms, node_done_fn *done, void *ctx, uint64_t id,
                  uint64_t *ret_op)
{
    return start(n, REQUEST_RPC, node, module, function, args, timeout_ms, done, ctx, id, ret_op);
}

enum err node_rpc_cast(struct node *n, struct slice node, struct slice module, struct slice function,
                       struct slice args, uint64_t timeout_ms, node_done_fn *done, void *ctx, uint64_t id,
                       uint64_t *ret_op)
{
    return start(n, REQUEST_RPC_CAST, node, module, function, args, timeout_ms, done, ctx, id, ret_op);
}

enum err node_rpc_from(struct node_self self, struct slice node, struct slice module, struct slice function,
                       struct slice args, uint64_t timeout_ms, uint32_t tag, uint64_t *ret_op)
{
    uint64_t op = 0;
    enum err e;

    if (!actor_get(self))
        return ERR_NOPROC;
    e = node_rpc(self.node, node, module, function, args, timeout_ms, actor_request_done, self.node,
                 (uint64_t)self.number << 32 | tag, &op);
    if (ret_op && e == ERR_NONE)
        *ret_op = op;
    return e;
}
