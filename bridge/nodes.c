/*
 * nodes: the other nodes: what is known of them, connecting, disconnecting, and net_adm:ping.
 */
#include <jansson.h>
#include <stdio.h>

#include "bridge/internal.h"
#include "etf/write.h"
#include "http/duration.h"

static json_t *describe(const struct node_peer *p)
{
    json_t *o =
        json_pack("{s:s%, s:s, s:I, s:{s:I, s:I}, s:{s:I, s:I}, s:I}", "node", (const char *)p->name.ptr,
                  p->name.len, "state", p->is_up ? "connected" : "connecting", "in_flight",
                  (json_int_t)p->in_flight, "received", "bytes", (json_int_t)p->bytes_in, "messages",
                  (json_int_t)p->messages_in, "sent", "bytes", (json_int_t)p->bytes_out, "messages",
                  (json_int_t)p->messages_out, "queued_bytes", (json_int_t)p->queued);

    if (o && p->is_up) {
        json_object_set_new(o, "type", json_string(p->is_hidden ? "hidden" : "visible"));
        json_object_set_new(o, "creation", json_integer(p->creation));
        json_object_set_new(o, "connected_by", json_string(p->was_dialled ? "gateway" : "node"));
        json_object_set_new(o, "up_ms", json_integer((json_int_t)p->up_ms));
    }
    return o;
}

bool nodes_segment(struct gateway *g, struct http_request *req, struct slice *ret)
{
    struct target t = {0};

    if (!target_set_node(g, http_request_id(req), &t, http_request_segment(req, 0), "node"))
        return false;
    *ret = t.node;
    return true;
}

void nodes_list(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    json_t *list = json_array();
    struct node_peer p;
    size_t cursor = 0;

    while (list && node_next_peer(g->node, &cursor, &p))
        json_array_append_new(list, describe(&p));
    answer_object(g, http_request_id(req), 200, list ? json_pack("{s:o}", "nodes", list) : NULL);
}

static void answer_peer(struct gateway *g, uint64_t http_id, struct slice name)
{
    static const struct http_problem unknown = {
        .code = "not-found", .detail = "there is no link to that node: PUT this path connects to it"};
    struct node_peer p;

    if (node_find_peer(g->node, name, &p))
        answer_object(g, http_id, 200, describe(&p));
    else
        http_answer_problem(g->http, http_id, &unknown);
}

void nodes_get(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct slice name;

    if (nodes_segment(g, req, &name))
        answer_peer(g, http_request_id(req), name);
}

void nodes_delete(void *ctx, struct http_request *req)
{
    static const struct http_problem unknown = {.code = "not-found",
                                                .detail = "there is no link to that node"};
    struct http_response gone = {.status = 204};
    struct gateway *g = ctx;
    struct slice name;

    if (!nodes_segment(g, req, &name))
        return;
    if (node_disconnect(g->node, name))
        http_answer(g->http, http_request_id(req), &gone);
    else
        http_answer_problem(g->http, http_request_id(req), &unknown);
}

/* An exchange with the node of the path; NULL: answered. */
static struct exchange *begin(struct gateway *g, struct http_request *req)
{
    struct exchange *x = exchange_new(g, req);
    struct slice name;

    if (!x)
        return NULL;
    if (!nodes_segment(g, req, &name) || !calls_deadline(g, req, x)) {
        exchange_end(g, x->id);
        return NULL;
    }
    snprintf(x->node, sizeof x->node, "%.*s", SLICE_FMT(name));
    return x;
}

/* Connects; then `next` goes on, in the callback or at once. */
static void connect_then(struct gateway *g, struct exchange *x, node_done_fn *next)
{
    static const struct node_result connected = {.err = ERR_NONE};
    enum err e = node_connect(g->node, slice_of_str(x->node), x->deadline_ms, next, g, x->id, &x->op);

    if (e != ERR_NONE) {
        errors_answer(g, x->http_id, e, slice_of_str(x->node));
        exchange_end(g, x->id);
    } else if (x->op == 0) {
        next(g, x->id, &connected);
    }
}

/* An error ends the exchange: true then. */
static bool ended_badly(struct gateway *g, uint64_t id, const struct node_result *r)
{
    struct exchange *x;

    if (r->err == ERR_NONE)
        return false;
    x = exchange_take(g, id);
    if (x)
        errors_answer_result(g, x, r);
    exchange_free(x);
    return true;
}

static void put_done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x;

    if (ended_badly(g, id, r))
        return;
    x = exchange_take(g, id);
    if (x)
        answer_peer(g, x->http_id, slice_of_str(x->node));
    exchange_free(x);
}

void nodes_put(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct exchange *x = begin(g, req);

    if (x)
        connect_then(g, x, put_done);
}

/* ---- ping ---- */

static void ping_done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x;
    struct etf_rd rd = etf_rd_of(r->term, r->atoms);

    if (ended_badly(g, id, r))
        return;
    x = exchange_take(g, id);
    if (x)
        answer_object(g, x->http_id, 200,
                      json_pack("{s:b, s:I}", "pong", etf_read_atom_is(&rd, "yes"), "rtt_us",
                                (json_int_t)(loop_now_us() - x->started_us)));
    exchange_free(x);
}

/* net_adm:ping/1: {is_auth, Node} asked of its net_kernel. The time is that of the question, not of
 * connecting. */
static void ping_connected(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x;
    struct node_target target = {.name = SLICE("net_kernel")};
    enum err e;

    if (ended_badly(g, id, r))
        return;
    x = idtab_get(&g->exchanges, id);
    if (!x)
        return;
    target.node = slice_of_str(x->node);
    wr_reset(&g->term);
    etf_write_tuple(&g->term, 2);
    etf_write_atom_str(&g->term, "is_auth");
    etf_write_atom(&g->term, node_name(g->node));
    x->started_us = loop_now_us();
    e = g->term.err;
    if (e == ERR_NONE)
        e = node_request(g->node, NODE_CALL, &target, wr_written(&g->term), 0, x->deadline_ms, ping_done, g,
                         id, &x->op);
    if (e != ERR_NONE) {
        errors_answer(g, x->http_id, e, slice_of_str(x->node));
        exchange_end(g, id);
    }
}

void nodes_ping(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct exchange *x = begin(g, req);

    if (x)
        connect_then(g, x, ping_connected);
}
