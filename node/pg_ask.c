/*
 * pg_ask: what is the process that has a scope's name at another node?
 *
 * A scope is found by a message, {discover, Pid}, and a server that has no clause for it ends of that; who
 * misspells a scope would end one. So the node is asked first: erlang:whereis/1, and of what there is
 * proc_lib:translate_initial_call/1, which tells a scope from others (docs/decisions/0025).
 */
#include "etf/write.h"
#include "node/internal.h"
#include "node/pg_scope.h"
#include "node/rpc.h"

enum { ASK_MS = 5000 };

/* The function of the one argument, which is in arg and is ended here. Nothing here connects nodes. */
static void ask(struct pg_scope *s, struct pg_node *at, struct slice module, struct slice function,
                struct wr *arg)
{
    const struct link *l = link_find(s->self.node, at->name);
    struct wr args;
    bool is_asked;

    wr_init(&args, SIZE_MAX);
    etf_write_list(&args, 1);
    wr_slice(&args, wr_written(arg));
    etf_write_nil(&args);
    at->question = ++s->last_question ? s->last_question : ++s->last_question;
    is_asked = l && l->state == LINK_UP && wr_ok(arg) && wr_ok(&args) &&
               node_rpc_from(s->self, at->name, module, function, wr_written(&args), ASK_MS, at->question,
                             NULL) == ERR_NONE;
    wr_fini(&args);
    wr_fini(arg);
    if (is_asked)
        return;
    at->question = 0;
    pg_scope_found(s, at, PG_FOUND_SILENCE);
}

void pg_ask(struct pg_scope *s, struct pg_node *at)
{
    struct wr name;

    if (at->question)
        return;
    at->is_of_pid = false;
    wr_init(&name, SIZE_MAX);
    etf_write_atom(&name, s->name);
    ask(s, at, SLICE("erlang"), SLICE("whereis"), &name);
}

static void ask_of_pid(struct pg_scope *s, struct pg_node *at, const struct etf_pid *pid)
{
    struct wr w;

    at->is_of_pid = true;
    wr_init(&w, SIZE_MAX);
    etf_write_pid(&w, pid);
    ask(s, at, SLICE("proc_lib"), SLICE("translate_initial_call"), &w);
}

static struct pg_node *asked(const struct pg_scope *s, uint32_t question)
{
    struct pg_node *at = s->nodes;

    while (at && at->question != question)
        at = at->next;
    return at;
}

/* {pg, init, 1}; from OTP 29 on pg is a data_publisher. */
static bool is_of_pg(struct etf_rd r)
{
    struct etf_atom module;

    return etf_read_tuple_is(&r, 3) && etf_read_atom(&r, &module) &&
           (slice_eq_str(module.text, "pg") || slice_eq_str(module.text, "data_publisher")) &&
           etf_read_atom_is(&r, "init");
}

/* It is no node of OTP's, has no such functions, and runs none for others, perhaps. */
static bool cannot_say(const struct node_result *r)
{
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);

    return r->err == ERR_PEER_UNSUPPORTED || (r->err == ERR_CALLEE_EXIT && etf_read_atom_is(&rd, "undef"));
}

void pg_ask_answered(struct pg_scope *s, uint32_t question, const struct node_result *r)
{
    struct pg_node *at = question ? asked(s, question) : NULL;
    struct etf_rd rd = etf_rd_of(r->term, r->atoms), rest = rd;
    struct etf_pid pid;

    if (!at)
        return;
    at->question = 0;
    if (cannot_say(r))
        pg_scope_found(s, at, PG_FOUND_SCOPE);
    else if (r->err != ERR_NONE)
        pg_scope_found(s, at, PG_FOUND_SILENCE);
    else if (at->is_of_pid)
        pg_scope_found(s, at, is_of_pg(rd) ? PG_FOUND_SCOPE : PG_FOUND_OTHER);
    else if (etf_read_pid(&rest, &pid))
        ask_of_pid(s, at, &pid);
    else
        pg_scope_found(s, at, etf_read_atom_is(&rd, "undefined") ? PG_FOUND_NONE : PG_FOUND_OTHER);
}
