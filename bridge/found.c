/*
 * found: names that stand for processes somewhere in the cluster: those of `global`, and pg's groups. Once it
 * is known which process is meant, the exchange's target is that.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/fan.h"
#include "bridge/internal.h"
#include "etf/syntax.h"
#include "etf/term.h"
#include "node/global.h"
#include "node/pg.h"

enum {
    GROUP_WAIT_MS = 2000, /* at most, for nodes that do not say who is in a scope */
    GROUP_MAX = 10000,    /* members that one request may go to */
    TERM_MAX = 200,       /* shown of a name */
    DETAIL_MAX = 1536,    /* with a scope of 255 characters, and a group */
};

/* ---- errors ---- */

static void fail_with(struct gateway *g, struct exchange *x, const struct http_problem *p)
{
    http_answer_problem(g->http, x->http_id, p);
    exchange_end(g, x->id);
}

static void fail(struct gateway *g, struct exchange *x, const char *code, const char *detail, bool was_sent)
{
    fail_with(g, x,
              &(struct http_problem){.code = code,
                                     .detail = detail,
                                     .was_sent = was_sent,
                                     .is_retryable =
                                         strcmp(code, "noproc") == 0 || strcmp(code, "no-connection") == 0});
}

static size_t count_connected(const struct gateway *g)
{
    struct node_peer peer;
    size_t cursor = 0, count = 0;

    while (node_next_peer(g->node, &cursor, &peer))
        count += peer.is_up;
    return count;
}

/* " <<\"jobs\">>", as Erlang writes it, or that it is long. */
static void print_term(struct slice term, char text[TERM_MAX])
{
    struct etf_rd rd = etf_rd_of(term, NULL);
    struct wr w;

    wr_init(&w, TERM_MAX - 2);
    if (etf_print(&w, &rd) == ERR_NONE)
        snprintf(text, TERM_MAX, " %.*s", SLICE_FMT(wr_written(&w)));
    else
        snprintf(text, TERM_MAX, " (a long one)");
    wr_fini(&w);
}

/* For an atom that looks like another term: '{kv,1}'. */
static const char *atom_hint(struct slice term)
{
    struct etf_rd rd = etf_rd_of(term, NULL);
    struct etf_atom atom;

    return etf_read_atom(&rd, &atom) && atom.text.len && strchr("{[<#\"0123456789", atom.text.ptr[0])
               ? "; with ?syntax=erlang the path is read as Erlang, where it need not be an atom"
               : "";
}

#define NO_NODE "no node is connected that could know: PUT /v1/nodes/{node} connects one"

/* The target is that process from now on, whose node the policy is asked about. The pid is copied. */
static bool become(struct exchange *x, const struct etf_pid *pid)
{
    struct target *t = &x->target;

    x->named = *t; /* which had no memory */
    x->is_found = true;
    x->has_scope = false; /* which has members */
    x->is_permitted = false;
    target_init(t, TARGET_PID);
    if (pid->node.is_latin1)
        utf8_write_latin1(&t->memory[TARGET_MEMORY_NODE], pid->node.text);
    else
        wr_slice(&t->memory[TARGET_MEMORY_NODE], pid->node.text);
    t->node = wr_written(&t->memory[TARGET_MEMORY_NODE]);
    t->pid = *pid;
    t->pid.node = (struct etf_atom){.text = t->node};
    x->cancel = NULL;
    x->op = 0;
    return wr_ok(&t->memory[TARGET_MEMORY_NODE]);
}

static void go_on(struct gateway *g, struct exchange *x, const struct etf_pid *pid)
{
    if (become(x, pid))
        calls_perform(g, x);
    else
        calls_fail(g, x, ERR_NOMEM);
}

/* ---- global ---- */

static void cancel_global(struct gateway *g, struct exchange *x)
{
    node_global_cancel(g->node, x->op);
}

static void not_registered(struct gateway *g, struct exchange *x, bool was_sent)
{
    char detail[DETAIL_MAX], name[TERM_MAX];

    print_term(x->target.term, name);
    snprintf(
        detail, sizeof detail,
        "no connected node (%zu) knows the global name%s; the request had no effect; "
        "global:registered_names() at a node lists them, and PUT /v1/nodes/{node} connects another node%s",
        count_connected(g), name, atom_hint(x->target.term));
    fail(g, x, "noproc", detail, was_sent);
}

static void global_done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x = idtab_get(&g->exchanges, id);
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);
    struct etf_pid pid;

    if (!x)
        return;
    x->cancel = NULL;
    if (r->err == ERR_NONE && etf_read_pid(&rd, &pid)) {
        go_on(g, x, &pid);
    } else if (r->err == ERR_NOT_FOUND) {
        not_registered(g, x, r->was_sent);
    } else if (r->err == ERR_NO_CONNECTION && !r->was_sent) {
        fail(g, x, "no-connection", NO_NODE, false);
    } else {
        errors_answer_result(g, x, r);
        exchange_end(g, id);
    }
}

void found_global(struct gateway *g, struct exchange *x)
{
    enum err e;

    if (!exchange_keep(g, x))
        return;
    e = node_global_whereis(g->node, x->target.term, exchange_left_ms(g, x), global_done, g, x->id, &x->op);
    if (e == ERR_NONE)
        x->cancel = cancel_global;
    else
        calls_fail(g, x, e);
}

/* ---- groups ---- */

struct members {
    struct etf_pid *pids; /* owned; their nodes are borrowed from the view */
    size_t count, cap;
    bool is_full; /* too many, or no memory */
};

static void add_member(void *ctx, const struct etf_pid *pid, bool is_local)
{
    struct members *m = ctx;

    (void)is_local;
    if (m->is_full)
        return;
    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 16;
        struct etf_pid *pids = m->count < GROUP_MAX ? mem_realloc_array(m->pids, cap, sizeof *pids) : NULL;

        m->is_full = pids == NULL;
        if (!pids)
            return;
        m->pids = pids;
        m->cap = cap;
    }
    m->pids[m->count++] = *pid;
}

static bool is_for_all(const struct exchange *x)
{
    if (x->target.mode == TARGET_DEFAULT)
        return x->verb != VERB_CALL;
    return x->target.mode == TARGET_ALL;
}

static void cancel_sync(struct gateway *g, struct exchange *x)
{
    node_pg_sync_cancel(g->node, x->op);
}

static void ask_members(struct gateway *g, struct exchange *x, bool is_last);

static void synced(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x = idtab_get(&g->exchanges, id);

    if (!x)
        return;
    x->cancel = NULL;
    x->op = 0;
    if (r->err == ERR_NONE || r->err == ERR_TIMEOUT) {
        ask_members(g, x, true);
    } else {
        errors_answer_result(g, x, r);
        exchange_end(g, id);
    }
}

/* Goes on once the scope knows who is in it. */
static void sync(struct gateway *g, struct exchange *x, bool looks_again)
{
    uint64_t left = exchange_left_ms(g, x);
    enum err e;

    e = node_pg_sync(g->node, x->target.name, looks_again, left < GROUP_WAIT_MS ? left : GROUP_WAIT_MS,
                     synced, g, x->id, &x->op);
    if (e != ERR_NONE)
        calls_fail(g, x, e);
    else if (x->op)
        x->cancel = cancel_sync;
    else
        ask_members(g, x, looks_again);
}

static void no_scope(struct gateway *g, struct exchange *x, bool was_told)
{
    static const char ended[] =
        "what has the name of that scope at a node is no scope of pg: it was sent "
        "{discover, Pid}, as pg does, and has ended of that; is the scope in the path, "
        "as in /v1/groups/pg/GROUP/call?",
                      left_alone[] =
                          "what has the name of that scope at a node is no scope of pg; nothing was "
                          "sent to it; is the scope in the path, as in /v1/groups/pg/GROUP/call?";

    fail_with(g, x,
              &(struct http_problem){
                  .code = "noproc", .detail = was_told ? ended : left_alone, .was_sent = was_told});
}

static void not_said(struct gateway *g, struct exchange *x, bool was_told)
{
    fail_with(g, x,
              &(struct http_problem){.code = "timeout",
                                     .detail =
                                         "no member is known, and a node that is connected has not said in "
                                         "time who is in that scope; the request was sent to nobody",
                                     .was_sent = was_told,
                                     .is_retryable = !was_told});
}

static void no_members(struct gateway *g, struct exchange *x)
{
    size_t connected = count_connected(g);
    char detail[DETAIL_MAX], group[TERM_MAX];
    bool was_told;

    switch (node_pg_doubt(g->node, x->target.name, &was_told)) {
    case NODE_PG_STRANGE: no_scope(g, x, was_told); return;
    case NODE_PG_SILENT: not_said(g, x, was_told); return;
    case NODE_PG_CERTAIN: break;
    }
    if (connected == 0) {
        fail(g, x, "no-connection", NO_NODE, false);
        return;
    }
    print_term(x->target.term, group);
    snprintf(
        detail, sizeof detail,
        "at no connected node (%zu) a process is in group%s of the scope '%.*s'; the request had no effect; "
        "pg:which_groups/1 at a node lists what there is in a scope, and PUT /v1/nodes/{node} connects "
        "another node%s",
        connected, group, SLICE_FMT(x->target.name), atom_hint(x->target.term));
    fail(g, x, "noproc", detail, false);
}

/* Leaves those that the policy allows; false: there are some, and none of them is, which has been answered.
 */
static bool leave_permitted(struct gateway *g, struct exchange *x, struct members *m)
{
    struct permission p;
    size_t left = 0;

    permission_of_exchange(g, x, &p);
    for (size_t i = 0; i < m->count; i++) {
        permission_at(&p, m->pids[i].node);
        if (permission_may(g, &p))
            m->pids[left++] = m->pids[i];
    }
    if (m->count > 0 && left == 0) {
        bool is_permitted = permission_ask(g, x->http_id, &p);

        CHECK(!is_permitted);
        exchange_end(g, x->id);
        return false;
    }
    m->count = left;
    return true;
}

/* is_last: when there are none, that is so. */
static void ask_members(struct gateway *g, struct exchange *x, bool is_last)
{
    struct members m = {0};

    node_pg_members(g->node, x->target.name, x->target.term, add_member, &m);
    if (m.is_full)
        fail(g, x, "overloaded",
             "the group has more members than one request may go to, or there is no memory", false);
    else if (!leave_permitted(g, x, &m))
        ; /* answered */
    else if (m.count == 0 && !is_last)
        sync(g, x, true);
    else if (m.count == 0)
        no_members(g, x);
    else if (is_for_all(x))
        fan_out(g, x, m.pids, m.count);
    else
        go_on(g, x, &m.pids[g->turn++ % m.count]);
    mem_free(m.pids);
}

void found_group(struct gateway *g, struct exchange *x)
{
    enum err e;

    if (x->is_unwrapped && is_for_all(x)) {
        errors_answer_parameter(g, x->http_id, "unwrap", "unwrap does not go with a reply of all members");
        exchange_end(g, x->id);
        return;
    }
    if (!exchange_keep(g, x))
        return;
    e = node_pg_start(g->node, x->target.name);
    x->has_scope = e == ERR_NONE;
    if (e == ERR_NAME_TAKEN)
        fail(g, x, "name-taken", "a process of the gateway itself has the name of that scope", false);
    else if (e != ERR_NONE)
        calls_fail(g, x, e);
    else
        sync(g, x, false);
}

void found_leave_scope(struct gateway *g, struct exchange *x)
{
    node_pg_drop_unused(g->node, x->target.name);
}
