/*
 * status: what the gateway says of itself: /v1/self, /livez, /readyz.
 */
#include <jansson.h>

#include "base/mem.h"
#include "bridge/internal.h"

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
        "atoms_introduced", (json_int_t)g->atoms.introduced);

    answer_object(g, http_request_id(req), 200, o);
}

void status_livez(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;

    answer_object(g, http_request_id(req), 200, json_pack("{s:s}", "status", "ok"));
}

/* Ready: others find us, and we take requests. */
void status_readyz(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    bool is_registered = node_is_registered(g->node), is_ready = is_registered && !g->is_quiet;
    struct slice verbose;
    json_t *o = json_pack("{s:s}", "status", is_ready ? "ok" : "not ready");

    if (o && http_request_query(req, "verbose", &verbose))
        json_object_set_new(o, "checks",
                            json_pack("{s:s, s:s}", "epmd_registered", is_registered ? "ok" : "failed",
                                      "accepting", g->is_quiet ? "failed" : "ok"));
    answer_object(g, http_request_id(req), is_ready ? 200 : 503, o);
}
