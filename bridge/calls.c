/*
 * calls: what is done to a process or a function: call, cast, send, exit, rpc, and looking at it.
 *
 * One way for all: read whom, how long and what (prepare), find out what must be found out (begin), ask
 * (calls_perform), answer. Each step that waits goes on in a callback with the exchange's id.
 */
#include "base/mem.h"
#include "bridge/internal.h"
#include "http/duration.h"

/* ---- what is asked ---- */

bool calls_deadline(struct gateway *g, struct http_request *req, struct exchange *x)
{
    struct http_wait_input in = {.default_ms = g->config.default_timeout_ms,
                                 .max_ms = g->config.max_timeout_ms};
    struct http_wait wait;
    const char *parameter = NULL;

    in.timeout = x->timeout;
    in.has_timeout = x->timeout.len > 0 || http_request_query(req, "timeout", &in.timeout);
    in.has_prefer = http_request_known(req, HTTP_KNOWN_PREFER, &in.prefer);
    in.has_grpc = http_request_known(req, HTTP_KNOWN_GRPC_TIMEOUT, &in.grpc);
    if (http_wait_choose(&in, &wait, &parameter) != ERR_NONE) {
        errors_answer_parameter(
            g, x->http_id, parameter,
            "a timeout is a positive number of milliseconds; \"infinity\" is not offered");
        return false;
    }
    x->deadline_ms = wait.ms;
    x->deadline_at_us = x->started_us + wait.ms * 1000;
    x->applied_s = wait.applied_s;
    return true;
}

static bool read_unwrap(struct gateway *g, struct http_request *req, struct exchange *x)
{
    struct slice v;

    if (!http_request_query(req, "unwrap", &v))
        return true;
    x->is_unwrapped = slice_eq_str(v, "ok");
    if (!x->is_unwrapped)
        errors_answer_parameter(g, x->http_id, "unwrap", "the one value of unwrap is \"ok\"");
    return x->is_unwrapped;
}

static bool read_from(struct gateway *g, struct http_request *req, struct exchange *x)
{
    struct slice v;

    return !http_request_query(req, "from", &v) || from_set(g, x, v);
}

static bool has_reply(enum verb verb)
{
    return verb == VERB_CALL || verb == VERB_RPC || verb == VERB_LOOK;
}

/* The arguments of a function: how many? */
static bool read_arity(struct gateway *g, struct exchange *x)
{
    static const struct http_problem no_list = {
        .code = "bad-term",
        .detail = "the arguments of a function are to be an array, empty if it takes none"};
    struct etf_rd rd = etf_rd_of(wr_written(&g->term), NULL);
    struct slice bytes = {0};
    bool is_list = etf_read_nil(&rd);

    if (!is_list && etf_read_string(&rd, &bytes)) {
        x->arity = (uint32_t)bytes.len;
        is_list = true;
    } else if (!is_list && etf_read_list(&rd, &x->arity)) {
        is_list = true;
        for (uint32_t i = 0; i < x->arity && is_list; i++)
            is_list = etf_skip(&rd, NULL);
        is_list = is_list && etf_read_nil(&rd);
    }
    if (!is_list)
        http_answer_problem(g->http, x->http_id, &no_list);
    return is_list;
}

/* Reads the whole request into x and g->term; false and answered, or lent. */
static bool prepare(struct gateway *g, struct http_request *req, struct exchange *x)
{
    bool names_in_body = http_request_route(req)->target == TARGET_BODY;
    struct slice from;

    if (!body_options(g, req, &x->options))
        return false;
    x->wants_owner = http_request_query(req, "from", &from);
    if (!(names_in_body ? envelope_read(g, req, x)
                        : target_of_path(g, req, &x->target) && !across_lends(g, req, x) &&
                              permission_exchange(g, x, false)))
        return false;
    if (!calls_deadline(g, req, x) || !read_from(g, req, x))
        return false;
    if (has_reply(x->verb) && (!body_accept(g, req, &x->out) || !read_unwrap(g, req, x)))
        return false;
    if (!names_in_body && x->verb != VERB_LOOK && !body_read(g, req, &x->options, &x->uses))
        return false;
    return x->target.kind != TARGET_FUNCTION || (read_arity(g, x) && permission_exchange(g, x, true));
}

/* ---- asking ---- */

void calls_fail(struct gateway *g, struct exchange *x, enum err e)
{
    errors_answer(g, x->http_id, e, x->target.node);
    exchange_end(g, x->id);
}

void calls_done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_take(g, id);

    if (!x)
        return;
    if (r->err != ERR_NONE)
        errors_answer_result(g, x, r);
    else if (has_reply(x->verb))
        answer_reply(g, x, r->term, r->atoms);
    else
        answer_accepted(g, x);
    exchange_free(g, x);
}

bool calls_judge(void *ctx, uint64_t id, struct etf_rd *reply)
{
    struct gateway *g = ctx;
    const struct exchange *x = idtab_get(&g->exchanges, id);

    return x && x->verb == VERB_CALL && answer_judge(g, x, reply);
}

enum node_verb calls_node_verb(enum verb verb)
{
    static const enum node_verb verbs[] = {
        [VERB_CALL] = NODE_CALL, [VERB_CAST] = NODE_CAST, [VERB_SEND] = NODE_SEND, [VERB_EXIT] = NODE_EXIT};

    return verbs[verb];
}

void calls_asked(struct gateway *g, struct exchange *x, enum err e)
{
    if (e != ERR_NONE) {
        calls_fail(g, x, e);
    } else if (x->op == 0) {
        answer_accepted(g, x);
        exchange_end(g, x->id);
    }
}

/* Whoever waits for a node that stands still has a connection, and a place among all that wait, until his
 * time is up. What has no reply waits until there is a link, and no longer. */
enum err calls_check_room(const struct gateway *g, struct slice node, bool with_reply)
{
    size_t most = g->config.max_in_flight_per_node;
    struct node_peer peer;

    if (most == SIZE_MAX || !node_find_peer(g->node, node, &peer) || peer.in_flight < most ||
        (!with_reply && peer.is_up))
        return ERR_NONE;
    return ERR_IN_FLIGHT;
}

static void request(struct gateway *g, struct exchange *x)
{
    struct node_target target = target_for_node(&x->target);
    enum err e;

    if (g->config.owner) {
        across_ask(g, x);
        return;
    }
    target.from = x->from;
    e = calls_check_room(g, x->target.node, has_reply(x->verb));
    if (e == ERR_NONE)
        e = node_request(g->node, calls_node_verb(x->verb), &target, exchange_term(g, x),
                         x->uses | x->target.uses, exchange_left_ms(g, x), calls_done, g, x->id, &x->op);
    calls_asked(g, x, e);
}

void calls_perform(struct gateway *g, struct exchange *x)
{
    exchange_name_node(x, x->target.node);
    if (!x->is_permitted && !permission_exchange(g, x, false)) {
        exchange_end(g, x->id);
        return;
    }
    if (x->target.kind == TARGET_FUNCTION)
        rpc_perform(g, x);
    else if (x->target.kind == TARGET_GLOBAL)
        found_global(g, x);
    else if (x->target.kind == TARGET_GROUP)
        found_group(g, x);
    else if (x->target.kind == TARGET_NAME && (x->verb == VERB_EXIT || x->verb == VERB_LOOK))
        inspect_whereis(g, x);
    else if (x->verb == VERB_LOOK)
        inspect_perform(g, x);
    else
        request(g, x);
}

static void handle(struct gateway *g, struct http_request *req, enum verb verb)
{
    struct exchange *x = exchange_new(g, req);

    if (!x)
        return;
    x->verb = verb;
    body_reuse(&g->term);
    if (!prepare(g, req, x)) {
        exchange_end(g, x->id);
        return;
    }
    http_request_spent(g->http, x->http_id, HTTP_STAGE_DECODE);
    calls_perform(g, x);
}

/* ---- handlers ---- */

void calls_call(void *ctx, struct http_request *req)
{
    handle(ctx, req, VERB_CALL);
}

void calls_cast(void *ctx, struct http_request *req)
{
    handle(ctx, req, VERB_CAST);
}

void calls_send(void *ctx, struct http_request *req)
{
    handle(ctx, req, VERB_SEND);
}

void calls_exit(void *ctx, struct http_request *req)
{
    handle(ctx, req, VERB_EXIT);
}

void calls_rpc(void *ctx, struct http_request *req)
{
    handle(ctx, req, VERB_RPC);
}

void calls_rpc_cast(void *ctx, struct http_request *req)
{
    handle(ctx, req, VERB_RPC_CAST);
}

void calls_look(void *ctx, struct http_request *req)
{
    handle(ctx, req, VERB_LOOK);
}
