/*
 * status: what the gateway says of itself: /v1/self, /livez, /readyz.
 */
#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "bridge/internal.h"

enum { NODE_CHECK_MAX = 300 };

void status_self(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct slice name = node_name(g->node);
    struct node_counts c = node_counts(g->node);
    json_t *o = json_pack(
        "{s:s%, s:I, s:s, s:b, s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "node", (const char *)name.ptr,
        name.len, "creation", (json_int_t)node_creation(g->node), "version", g->config.version, "hidden",
        !node_is_visible(g->node), "uptime_ms", (json_int_t)((loop_now_us() - g->started_us) / 1000),
        "dist_port", (json_int_t)node_dist_port(g->node), "embedded_epmd", node_has_embedded_epmd(g->node),
        "links", (json_int_t)c.links, "processes", (json_int_t)c.processes, "calls", (json_int_t)c.requests,
        "late_replies", (json_int_t)c.late_replies, "unknown_dropped", (json_int_t)c.unknown_dropped,
        "atoms_introduced", (json_int_t)atoms_introduced(&g->atoms));

    answer_object(g, http_request_id(req), 200, o);
}

void status_livez(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;

    answer_object(g, http_request_id(req), 200, json_pack("{s:s}", "status", "ok"));
}

/* ---- readiness ---- */

struct readiness {
    json_t *checks; /* owned */
    bool is_verbose, has_failed;
};

/* "ok", "warning: the certificate expires in 3 days". Who does not ask for all is told what has failed. */
static void add_check(struct readiness *r, const char *name, enum gateway_health health, const char *text)
{
    static const char *const words[] = {"ok", "warning", "failed"};

    r->has_failed |= health == GATEWAY_FAILED;
    if (r->is_verbose || health == GATEWAY_FAILED)
        json_object_set_new(r->checks, name, json_sprintf("%s%s%s", words[health], *text ? ": " : "", text));
}

/* (One to which there is no link is dialled now and then: bridge/keep.c.) */
static void check_node(const struct gateway *g, struct readiness *r, const char *name)
{
    struct slice node = slice_of_str(name);
    struct node_peer peer;
    char check[NODE_CHECK_MAX];
    bool is_up = node_find_peer(g->node, node, &peer) && peer.is_up;

    snprintf(check, sizeof check, "node:%s", name);
    add_check(r, check, is_up ? GATEWAY_OK : GATEWAY_FAILED,
              is_up ? "" : "not connected; last_failure of GET /v1/nodes/{node} says why");
}

static void check_all(struct gateway *g, struct readiness *r)
{
    struct gateway_check further[GATEWAY_CHECKS_MAX];
    size_t count = g->config.checks ? g->config.checks(g->config.checks_ctx, further) : 0;
    const char *const *nodes = g->config.required_nodes;

    add_check(r, "accepting", g->is_quiet ? GATEWAY_FAILED : GATEWAY_OK, g->is_quiet ? "stopping" : "");
    add_check(r, "epmd_registered", node_is_registered(g->node) ? GATEWAY_OK : GATEWAY_FAILED, "");
    for (size_t i = 0; i < count; i++)
        add_check(r, further[i].name, further[i].health, further[i].text);
    for (size_t i = 0; nodes && nodes[i]; i++)
        check_node(g, r, nodes[i]);
}

/* Ready: others find us, and we take requests. */
void status_readyz(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct slice verbose;
    struct readiness r = {.checks = json_object(),
                          .is_verbose = http_request_query(req, "verbose", &verbose)};
    json_t *o;

    check_all(g, &r);
    o = json_pack("{s:s}", "status", r.has_failed ? "not ready" : "ok");
    if (o && json_object_size(r.checks))
        json_object_set(o, "checks", r.checks);
    json_decref(r.checks);
    answer_object(g, http_request_id(req), r.has_failed ? 503 : 200, o);
}
