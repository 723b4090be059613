/*
 * calls: POST …/call, …/cast, …/send: a gen_server's call and cast, and a plain message, to a name or a pid.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/internal.h"
#include "etf/syntax.h"
#include "http/duration.h"

/* ---- what is asked ---- */

static bool use_atom(struct gateway *g, struct http_request *req, struct slice atom)
{
    enum err e = atoms_use(&g->atoms, atom);

    if (e != ERR_NONE)
        errors_answer(g, http_request_id(req), e, (struct slice){0});
    return e == ERR_NONE;
}

bool nodes_segment(struct gateway *g, struct http_request *req, struct slice *ret)
{
    struct slice name = http_request_segment(req, 0);

    if (!node_name_is_valid(name)) {
        errors_answer_parameter(g, http_request_id(req), "node", "a node's name is written name@host");
        return false;
    }
    *ret = name;
    return use_atom(g, req, name);
}

static bool name_target(struct gateway *g, struct http_request *req, struct node_target *ret)
{
    struct slice name = http_request_segment(req, 1);

    if (!nodes_segment(g, req, &ret->node))
        return false;
    if (name.len == 0 || !utf8_is_valid(name) || utf8_count(name) > ETF_ATOM_MAX_CHARS) {
        errors_answer_parameter(g, http_request_id(req), "name",
                                "a registered name is an atom: 1 to 255 characters of UTF-8");
        return false;
    }
    ret->name = name;
    return use_atom(g, req, name);
}

static bool pid_target(struct gateway *g, struct http_request *req, struct node_target *ret)
{
    ret->is_pid = true;
    wr_reset(&g->scratch);
    if (!etf_parse_pid_text(http_request_segment(req, 0), &g->scratch, &ret->pid) ||
        !node_name_is_valid(ret->pid.node.text)) {
        errors_answer_parameter(g, http_request_id(req), "pid",
                                "a pid is written node:id:serial:creation, as the gateway gave it out");
        return false;
    }
    return use_atom(g, req, ret->pid.node.text);
}

static bool read_target(struct gateway *g, struct http_request *req, struct node_target *ret)
{
    *ret = (struct node_target){0};
    return strstr(http_request_route(req)->pattern, "{pid}") ? pid_target(g, req, ret)
                                                             : name_target(g, req, ret);
}

bool calls_deadline(struct gateway *g, struct http_request *req, struct exchange *x)
{
    struct http_wait_input in = {.default_ms = g->config.default_timeout_ms,
                                 .max_ms = g->config.max_timeout_ms};
    struct http_wait wait;
    const char *parameter = NULL;

    in.has_timeout = http_request_query(req, "timeout", &in.timeout);
    in.has_prefer = http_request_header(req, "Prefer", &in.prefer);
    in.has_grpc = http_request_header(req, "Grpc-Timeout", &in.grpc);
    if (http_wait_choose(&in, &wait, &parameter) != ERR_NONE) {
        errors_answer_parameter(
            g, x->http_id, parameter,
            "a timeout is a positive number of milliseconds; \"infinity\" is not offered");
        return false;
    }
    x->deadline_ms = wait.ms;
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

/* ---- what comes of it ---- */

static void answer_term(struct gateway *g, const struct exchange *x, unsigned status, struct slice term,
                        const struct etf_atoms *atoms)
{
    struct http_response response = {.status = status, .content_type = http_media_name(x->out)};
    struct http_header header = {.name = "Preference-Applied"};
    struct http_problem too_large = {
        .code = "reply-too-large", .detail = "the reply is larger than --max-reply allows", .was_sent = true};
    struct wr w;
    char applied[32];
    enum err e;

    wr_init(&w, g->config.max_reply);
    e = body_write(&w, x->out, term, atoms, &x->options);
    if (e == ERR_NONE && x->out != HTTP_MEDIA_ETF) {
        wr_u8(&w, '\n'); /* for people at a terminal: JSON and Erlang read past it */
        e = w.err;
    }
    if (e == ERR_TOO_LARGE) {
        http_answer_problem(g->http, x->http_id, &too_large);
    } else if (e != ERR_NONE) {
        errors_answer(g, x->http_id, ERR_NOMEM, (struct slice){0});
    } else {
        if (x->applied_s) {
            snprintf(applied, sizeof applied, "wait=%llu", (unsigned long long)x->applied_s);
            header.value = applied;
            response.headers = &header;
            response.header_count = 1;
        }
        response.body = wr_take(&w, &response.body_len);
        http_answer(g->http, x->http_id, &response);
    }
    wr_fini(&w);
}

/* ?unwrap=ok: {ok, V} is V, {error, R} is 422 with R, ok is 204; anything else stays as it is. */
static void answer_reply(struct gateway *g, const struct exchange *x, const struct node_result *r)
{
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);
    struct http_response empty = {.status = 204};
    struct slice inner;

    if (x->is_unwrapped && etf_read_atom_is(&rd, "ok")) {
        http_answer(g->http, x->http_id, &empty);
        return;
    }
    if (x->is_unwrapped && etf_read_tuple_is(&rd, 2)) {
        bool is_ok = etf_read_atom_is(&rd, "ok");

        if ((is_ok || etf_read_atom_is(&rd, "error")) && etf_skip(&rd, &inner)) {
            answer_term(g, x, is_ok ? 200 : 422, inner, r->atoms);
            return;
        }
    }
    answer_term(g, x, 200, r->term, r->atoms);
}

static void answer_accepted(struct gateway *g, uint64_t http_id)
{
    struct http_response accepted = {.status = 202};

    http_answer(g->http, http_id, &accepted);
}

static void done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_take(g, id);

    if (!x)
        return;
    if (r->err != ERR_NONE)
        errors_answer_result(g, x, r);
    else if (r->term.len)
        answer_reply(g, x, r);
    else
        answer_accepted(g, x->http_id);
    mem_free(x);
}

static void keep_node_name(struct exchange *x, const struct node_target *t)
{
    struct slice node = t->is_pid ? t->pid.node.text : t->node;

    snprintf(x->node, sizeof x->node, "%.*s", SLICE_FMT(node));
}

/* Reads the whole request into x, g->term and target; false and answered. */
static bool prepare(struct gateway *g, struct http_request *req, enum node_verb verb, struct exchange *x,
                    struct node_target *target, uint32_t *ret_uses)
{
    if (!read_target(g, req, target) || !body_options(g, req, &x->options) || !calls_deadline(g, req, x))
        return false;
    if (verb == NODE_CALL && (!body_accept(g, req, &x->out) || !read_unwrap(g, req, x)))
        return false;
    keep_node_name(x, target);
    return body_read(g, req, &x->options, ret_uses);
}

static void handle(struct gateway *g, struct http_request *req, enum node_verb verb)
{
    struct exchange *x = exchange_new(g, req);
    struct node_target target;
    uint32_t uses = 0;
    enum err e;

    if (!x)
        return;
    if (!prepare(g, req, verb, x, &target, &uses)) {
        mem_free(exchange_take(g, x->id));
        return;
    }
    e = node_request(g->node, verb, &target, wr_written(&g->term), uses, x->deadline_ms, done, g, x->id,
                     &x->op);
    if (e != ERR_NONE)
        errors_answer(g, x->http_id, e, slice_of_str(x->node));
    else if (x->op == 0)
        answer_accepted(g, x->http_id);
    if (e != ERR_NONE || x->op == 0)
        mem_free(exchange_take(g, x->id));
}

void calls_call(void *ctx, struct http_request *req)
{
    handle(ctx, req, NODE_CALL);
}

void calls_cast(void *ctx, struct http_request *req)
{
    handle(ctx, req, NODE_CAST);
}

void calls_send(void *ctx, struct http_request *req)
{
    handle(ctx, req, NODE_SEND);
}
