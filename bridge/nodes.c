/*
 * nodes: the other nodes: what is known of them, connecting, disconnecting, and net_adm:ping.
 */
#include <jansson.h>

#include "base/mem.h"
#include "bridge/internal.h"
#include "bridge/known.h"
#include "etf/write.h"
#include "http/duration.h"

/* ---- what is known of them ---- */

/* Why there is no link, if one was wanted. */
static void describe_failure(const struct gateway *g, const struct known *k, json_t *o)
{
    struct node_failure f;

    if (node_last_failure(g->node, known_name(k), &f))
        json_object_set_new(o, "last_failure",
                            json_pack("{s:s, s:s, s:I}", "code",
                                      errors_code(f.err == ERR_TIMEOUT ? ERR_NO_CONNECTION : f.err), "detail",
                                      *f.text ? f.text : err_text(f.err), "ago_ms", (json_int_t)f.ago_ms));
}

static json_t *describe(const struct gateway *g, const struct known *k)
{
    const struct node_peer *p = &k->peer;
    json_t *o = json_pack("{s:s%, s:s, s:b, s:b}", "node", k->name, k->name_len, "state",
                          !k->has_link ? "down"
                          : p->is_up   ? "connected"
                                       : "connecting",
                          "configured", k->is_configured, "in_epmd", k->is_in_epmd);
    const char *release = k->has_link && p->is_up ? releases_text(g, p) : NULL;

    if (o && !k->has_link)
        describe_failure(g, k, o);
    if (o && k->has_link)
        json_object_update_new(
            o, json_pack("{s:I, s:{s:I, s:I}, s:{s:I, s:I, s:I}, s:I}", "in_flight", (json_int_t)p->in_flight,
                         "received", "bytes", (json_int_t)p->bytes_in, "messages", (json_int_t)p->messages_in,
                         "sent", "bytes", (json_int_t)p->bytes_out, "messages", (json_int_t)p->messages_out,
                         "queued_bytes", (json_int_t)p->queued, "queued_bytes", (json_int_t)p->queued));
    if (o && k->has_link && p->is_up)
        json_object_update_new(
            o, json_pack("{s:s, s:I, s:s?, s:s, s:I}", "type", p->is_hidden ? "hidden" : "visible",
                         "creation", (json_int_t)p->creation, "otp_release", release, "connected_by",
                         p->was_dialled ? "gateway" : "node", "up_ms", (json_int_t)p->up_ms));
    return o;
}

/* The path's {node}, valid and allowed; else answered. */
static bool read_node(struct gateway *g, struct http_request *req, struct target *ret)
{
    uint64_t http_id = http_request_id(req);

    *ret = (struct target){0};
    return target_set_node(g, http_id, ret, http_request_segment(req, 0), "node") &&
           permission_node(g, http_id, (enum policy_op)http_request_route(req)->operation, ret->node);
}

static bool is_shown(const struct gateway *g, const struct exchange *x, const struct known *k)
{
    struct permission p;

    permission_of_node(&p, http_principal(g->http, x->http_id), POLICY_NODES, known_name(k));
    return permission_may(g, &p);
}

static void answer_nodes(struct gateway *g, const struct exchange *x)
{
    const struct http_page *page = x->work;
    struct slice after = slice_of(page->after, page->after_len), last = {0};
    struct known_list l;
    json_t *list;
    size_t i = 0;

    known_gather(g->node, g->config.required_nodes, &l);
    list = l.has_failed ? NULL : json_array();
    while (i < l.count && page->after_len && slice_cmp(known_name(&l.at[i]), after) <= 0)
        i++;
    for (; list && i < l.count && json_array_size(list) < page->limit; i++) {
        if (!is_shown(g, x, &l.at[i]))
            continue;
        json_array_append_new(list, describe(g, &l.at[i]));
        last = known_name(&l.at[i]);
    }
    answer_list(g, x->http_id, "nodes", list, i < l.count ? last : (struct slice){0});
    known_free(&l);
}

static void answer_node(struct gateway *g, const struct exchange *x)
{
    static const struct http_problem
        unknown = {.code = "not-found",
                   .detail = "that node is neither connected nor configured nor in an EPMD that we know: PUT "
                             "this path connects to it"},
        ourselves = {.code = "not-found",
                     .detail = "that is the gateway's own node: GET /v1/self is about it"};
    bool is_own = slice_eq_str(node_name(g->node), x->node);
    struct known_list l;
    const struct known *k;

    known_gather(g->node, g->config.required_nodes, &l);
    k = known_find(&l, slice_of_str(x->node));
    if (l.has_failed)
        errors_answer(g, x->http_id, ERR_NOMEM, (struct slice){0});
    else if (k)
        answer_object_for(g, x, describe(g, k));
    else if (x->deadline_ms && !is_own) /* PUT has connected to it, and it has gone since */
        errors_answer(g, x->http_id, ERR_NO_CONNECTION, slice_of_str(x->node));
    else
        http_answer_problem(g->http, x->http_id, is_own ? &ourselves : &unknown);
    known_free(&l);
}

/* ---- waiting until it is known which OTP they run ---- */

static void cancel_look(struct gateway *g, struct exchange *x)
{
    (void)g;
    mem_free(x->work); /* the page of a list; of one node, NULL */
    x->work = NULL;
}

/* Asks whatever is not known yet; true when nothing is. */
static bool is_all_known(struct gateway *g, const struct exchange *x)
{
    struct node_peer peer;
    size_t cursor = 0;
    bool is_known = true;

    if (!x->work)
        return !node_find_peer(g->node, slice_of_str(x->node), &peer) || !peer.is_up ||
               releases_ask(g, &peer);
    while (node_next_peer(g->node, &cursor, &peer))
        if (peer.is_up && !releases_ask(g, &peer))
            is_known = false;
    return is_known;
}

static void look(struct gateway *g, struct exchange *x)
{
    x->cancel = cancel_look;
    if (!is_all_known(g, x))
        return; /* nodes_release_known goes on */
    if (x->work)
        answer_nodes(g, x);
    else
        answer_node(g, x);
    cancel_look(g, x);
    exchange_end(g, x->id);
}

void nodes_release_known(struct gateway *g)
{
    uint32_t cursor = 0;
    struct exchange *x;

    while ((x = idtab_next(&g->exchanges, &cursor)))
        if (x->cancel == cancel_look)
            look(g, x);
}

void nodes_list(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_new(g, req);

    if (!x)
        return;
    x->work = mem_zalloc(sizeof(struct http_page));
    if (!x->work) {
        calls_fail(g, x, ERR_NOMEM);
    } else if (!http_page_of(g->http, req, x->work)) {
        cancel_look(g, x);
        exchange_end(g, x->id);
    } else {
        look(g, x);
    }
}

void nodes_get(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_new(g, req);
    struct target t;

    if (!x)
        return;
    if (!read_node(g, req, &t)) { /* who looks introduces no atom */
        exchange_end(g, x->id);
        return;
    }
    exchange_name_node(x, t.node);
    look(g, x);
}

/* ---- connecting and disconnecting ---- */

void nodes_delete(void *ctx, struct http_request *req)
{
    static const struct http_problem unknown = {.code = "not-found",
                                                .detail = "there is no link to that node"};
    struct http_response gone = {.status = 204};
    struct gateway *g = ctx;
    struct target t;
    bool was_kept;

    if (!read_node(g, req, &t))
        return;
    was_kept = keep_forget(g, t.node); /* one that was lost, and would be dialled again */
    if (node_disconnect(g->node, t.node) || was_kept)
        http_answer(g->http, http_request_id(req), &gone);
    else
        http_answer_problem(g->http, http_request_id(req), &unknown);
}

/* An exchange with the node of the path; NULL: answered. */
static struct exchange *begin(struct gateway *g, struct http_request *req)
{
    struct exchange *x = exchange_new(g, req);
    struct target t;

    if (!x)
        return NULL;
    if (!read_node(g, req, &t) || !target_use(g, x->http_id, &t) || !calls_deadline(g, req, x)) {
        exchange_end(g, x->id);
        return NULL;
    }
    exchange_name_node(x, t.node);
    return x;
}

/* Connects; then `next` goes on, in the callback or at once. */
static void connect_then(struct gateway *g, struct exchange *x, node_done_fn *next)
{
    static const struct node_result connected = {.err = ERR_NONE};
    enum err e = calls_check_room(g, slice_of_str(x->node), false);

    if (e == ERR_NONE)
        e = node_connect(g->node, slice_of_str(x->node), x->deadline_ms, next, g, x->id, &x->op);
    if (e != ERR_NONE) {
        errors_answer(g, x->http_id, e, slice_of_str(x->node));
        exchange_end(g, x->id);
    } else if (x->op == 0) {
        next(g, x->id, &connected);
    }
}

static void put_done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x;

    if (exchange_failed(g, id, r))
        return;
    x = idtab_get(&g->exchanges, id);
    if (!x)
        return;
    x->op = 0;
    look(g, x);
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

    if (exchange_failed(g, id, r))
        return;
    x = exchange_take(g, id);
    if (x)
        answer_object_for(g, x,
                          json_pack("{s:b, s:I}", "pong", etf_read_atom_is(&rd, "yes"), "rtt_us",
                                    (json_int_t)(loop_now_us() - x->started_us)));
    exchange_free(g, x);
}

/* net_adm:ping/1: {is_auth, Node} asked of its net_kernel. The time is that of the question, not of
 * connecting. */
static void ping_connected(void *ctx, uint64_t id, const struct node_result *r)
{
    struct gateway *g = ctx;
    struct exchange *x;
    struct node_target target = {.name = SLICE("net_kernel")};
    enum err e;

    if (exchange_failed(g, id, r))
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
        e = calls_check_room(g, target.node, true);
    if (e == ERR_NONE)
        e = node_request(g->node, NODE_CALL, &target, wr_written(&g->term), 0, exchange_left_ms(g, x),
                         ping_done, g, id, &x->op);
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
