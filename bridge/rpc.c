/*
 * rpc: POST …/rpc/{module}/{function}: a function of another node called, or cast.
 */
#include "node/rpc.h"
#include "bridge/internal.h"

/*
 * Is it the function that was asked for that does not exist, rather than one that it calls? Then the frame on
 * top is {M, F, Args, []}: of that very name, with the arguments themselves, as the emulator notes them for a
 * call that went nowhere.
 */
bool rpc_top_frame_is(const struct node_result *r, struct slice module_name, struct slice function_name,
                      struct etf_rd *ret_rest)
{
    struct etf_rd stack = etf_rd_of(r->stacktrace, r->atoms);
    struct etf_atom module, function;
    uint32_t frames;

    if (!etf_read_list(&stack, &frames) || frames == 0 || !etf_read_tuple_is(&stack, 4) ||
        !etf_read_atom(&stack, &module) || !etf_read_atom(&stack, &function))
        return false;
    *ret_rest = stack;
    return etf_atom_eq(module, (struct etf_atom){.text = module_name}) &&
           etf_atom_eq(function, (struct etf_atom){.text = function_name});
}

bool rpc_is_undefined(const struct node_result *r, struct slice module_name, struct slice function_name,
                      uint32_t wanted_arity)
{
    struct etf_rd reason = etf_rd_of(r->term, r->atoms), stack;
    struct slice bytes;
    uint32_t arity = 0;

    if (r->err != ERR_CALLEE_EXIT || !r->exception || strcmp(r->exception, "error") != 0 ||
        !etf_read_atom_is(&reason, "undef") || !rpc_top_frame_is(r, module_name, function_name, &stack))
        return false;
    if (etf_read_string(&stack, &bytes)) {
        arity = (uint32_t)bytes.len;
    } else if (!etf_read_nil(&stack)) {
        if (!etf_read_list(&stack, &arity))
            return false;
        for (uint32_t i = 0; i <= arity; i++) /* and the tail */
            if (!etf_skip(&stack, NULL))
                return false;
    }
    return arity == wanted_arity && etf_read_nil(&stack);
}

void rpc_done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_take(g, id);

    if (!x)
        return;
    if (rpc_is_undefined(r, x->target.name, x->target.function, x->arity))
        errors_answer_undefined(g, x, r);
    else if (r->err != ERR_NONE)
        errors_answer_result(g, x, r);
    else if (x->verb == VERB_RPC)
        answer_reply(g, x, r->term, r->atoms);
    else
        answer_accepted(g, x);
    exchange_free(g, x);
}

void rpc_perform(struct gateway *g, struct exchange *x)
{
    const struct target *t = &x->target;
    enum err e;

    if (!exchange_keep(g, x))
        return;
    if (g->config.owner) {
        across_ask(g, x);
        return;
    }
    e = calls_check_room(g, t->node, x->verb == VERB_RPC);
    if (e == ERR_NONE)
        e = x->verb == VERB_RPC ? node_rpc(g->node, t->node, t->name, t->function, exchange_term(g, x),
                                           exchange_left_ms(g, x), rpc_done, g, x->id, &x->op)
                                : node_rpc_cast(g->node, t->node, t->name, t->function, exchange_term(g, x),
                                                exchange_left_ms(g, x), rpc_done, g, x->id, &x->op);
    calls_asked(g, x, e);
}
