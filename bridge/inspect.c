/*
 * inspect: GET of a process: erlang:process_info/2 at its node; and where a registered name is.
 *
 * Never its messages or its dictionary: they may hold anything, and be of any size.
 */
#include <stdio.h>

#include "bridge/internal.h"
#include "etf/write.h"
#include "node/rpc.h"
#include "node/spawn.h"

/* In the order in which they are answered. */
static const char *const items[] = {
    "registered_name", "status", "current_function", "initial_call", "message_queue_len", "memory",
    "reductions",      "links",  "monitors",         "trap_exit",
};
enum { ITEM_COUNT = sizeof items / sizeof items[0] };

/* What is asked of the module erlang of the target's node, which one that is no BEAM may not have. */
struct question {
    const char *function, *called;
    uint32_t arity;
    const char *without; /* what there is none of then */
};

static const struct question where_is = {"whereis", "erlang:whereis/1", 1,
                                         "it cannot say which process has that name: by it a process can be "
                                         "called, cast to, sent to and monitored; the rest wants its pid"},
                             how_is = {"process_info", "erlang:process_info/2", 2,
                                       "it cannot say how its processes are"};

/* The arguments stand in g->scratch. */
static void ask(struct gateway *g, struct exchange *x, const struct question *q, node_done_fn *done)
{
    enum err e = g->scratch.err;

    if (e == ERR_NONE)
        e = calls_check_room(g, x->target.node, true);
    if (e == ERR_NONE)
        e = node_rpc(g->node, x->target.node, SLICE("erlang"), slice_of_str(q->function),
                     wr_written(&g->scratch), exchange_left_ms(g, x), done, g, x->id, &x->op);
    if (e != ERR_NONE)
        calls_fail(g, x, e);
}

/* An error, or that there is no such process, ends the exchange: true then. */
static bool ended_badly(struct gateway *g, uint64_t id, const struct question *q, const struct node_result *r)
{
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);
    struct node_result noproc = {.err = ERR_NOPROC, .was_sent = true};
    struct exchange *x;

    if (!rpc_is_undefined(r, SLICE("erlang"), slice_of_str(q->function), q->arity))
        return exchange_failed(g, id, r->err == ERR_NONE && etf_read_atom_is(&rd, "undefined") ? &noproc : r);
    x = exchange_take(g, id);
    if (x)
        errors_answer_no_beam(g, x, r, q->called, q->without);
    exchange_free(g, x);
    return true;
}

/* ---- whereis ---- */

/* The target is that process from now on. */
static bool become_pid(struct exchange *x, struct etf_rd rd)
{
    struct target *t = &x->target;
    struct etf_pid pid;

    if (!etf_read_pid(&rd, &pid))
        return false;
    /* Its node is the one that was asked; its text is the target's already. */
    pid.node = (struct etf_atom){.text = t->node};
    t->kind = TARGET_PID;
    t->pid = pid;
    return true;
}

static void found(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x;

    if (ended_badly(g, id, &where_is, r))
        return;
    x = idtab_get(&g->exchanges, id);
    if (!x)
        return;
    x->op = 0;
    if (become_pid(x, etf_rd_of(r->term, r->atoms)))
        calls_perform(g, x);
    else
        calls_fail(g, x, ERR_NOPROC); /* a port has the name */
}

static void whereis_here(struct gateway *g, struct exchange *x)
{
    struct node_self self = node_whereis(g->node, x->target.name);
    struct node_result noproc = {.err = ERR_NOPROC};

    if (self.number == 0) {
        errors_answer_result(g, x, &noproc);
        exchange_end(g, x->id);
        return;
    }
    x->target.pid = node_pid(self);
    x->target.kind = TARGET_PID;
    calls_perform(g, x);
}

void inspect_whereis(struct gateway *g, struct exchange *x)
{
    if (slice_eq(x->target.node, node_name(g->node))) {
        whereis_here(g, x);
        return;
    }
    if (!exchange_keep(g, x))
        return;
    body_reuse(&g->scratch);
    etf_write_list(&g->scratch, 1);
    etf_write_atom(&g->scratch, x->target.name);
    etf_write_nil(&g->scratch);
    ask(g, x, &where_is, found);
}

/* ---- process_info ---- */

void inspect_write_args(struct wr *w, const struct etf_pid *pid)
{
    etf_write_list(w, 2);
    etf_write_pid(w, pid);
    etf_write_list(w, ITEM_COUNT);
    for (size_t i = 0; i < ITEM_COUNT; i++)
        etf_write_atom_str(w, items[i]);
    etf_write_nil(w);
    etf_write_nil(w);
}

static void write_key(struct wr *w, const char *key)
{
    etf_write_binary(w, slice_of_str(key));
}

/* The answer's null: no registered name is `[]` to process_info. */
static void write_value(struct wr *w, const struct exchange *x, const char *item, struct etf_rd *rd)
{
    if (strcmp(item, "registered_name") == 0 && etf_read_nil(rd)) {
        etf_write_atom(w, x->options.null_atom);
        return;
    }
    if (etf_copy(w, rd) != ERR_NONE)
        wr_fail(w, ERR_MALFORMED);
}

/* [{Item, Value}, …], as asked for, becomes a map with the pid and each item. */
bool inspect_write(struct wr *w, const struct exchange *x, const struct etf_pid *pid, struct etf_rd rd)
{
    uint32_t count;

    etf_write_map(w, ITEM_COUNT + 1);
    write_key(w, "pid");
    etf_write_pid(w, pid);
    if (!etf_read_list(&rd, &count) || count != ITEM_COUNT)
        return false;
    for (size_t i = 0; i < ITEM_COUNT; i++) {
        if (!etf_read_tuple_is(&rd, 2) || !etf_read_atom_is(&rd, items[i]))
            return false;
        write_key(w, items[i]);
        write_value(w, x, items[i], &rd);
    }
    return wr_ok(w);
}

static void informed(void *ctx, uint64_t id, const struct node_result *r)
{
    static const struct http_problem odd = {
        .code = "callee-exit",
        .detail = "what that node gives for process_info is none",
        .was_sent = true,
    };
    struct gateway *g = ctx;
    struct exchange *x;

    if (ended_badly(g, id, &how_is, r))
        return;
    x = exchange_take(g, id);
    if (!x)
        return;
    wr_reset(&g->scratch);
    if (inspect_write(&g->scratch, x, &x->target.pid, etf_rd_of(r->term, r->atoms)))
        answer_term(g, x, 200, wr_written(&g->scratch), NULL);
    else
        http_answer_problem(g->http, x->http_id, &odd);
    exchange_free(g, x);
}

void inspect_perform(struct gateway *g, struct exchange *x)
{
    static const struct http_problem ours = {.code = "unsupported-by-peer",
                                             .detail = "this process is one of the gateway itself, which has "
                                                       "no process_info: GET /v1/processes lists those "
                                                       "that HTTP has made"};

    if (slice_eq(x->target.node, node_name(g->node))) {
        http_answer_problem(g->http, x->http_id, &ours);
        exchange_end(g, x->id);
        return;
    }
    if (!exchange_keep(g, x))
        return;
    body_reuse(&g->scratch);
    inspect_write_args(&g->scratch, &x->target.pid);
    ask(g, x, &how_is, informed);
}
