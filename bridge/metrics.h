/*
 * metrics: GET /metrics: what every layer has counted, as Prometheus reads it.
 *
 * Each layer counts in plain structs of its own; here they are read, when somebody asks, and not kept. What
 * is a label comes from fixed sets: route templates, codes, names of limits. The one exception is node, whose
 * series are at most METRICS_NODES_MAX.
 */
#ifndef ERLGATE_BRIDGE_METRICS_H
#define ERLGATE_BRIDGE_METRICS_H

#include "base/exposition.h"
#include "bridge/metrics_table.h"
#include "http/stats.h"

struct gateway;
struct http_done;
struct http_request;

enum metric {
#define X(symbol, name, kind, help) METRIC_##symbol,
    METRICS_TABLE(X)
#undef X
        METRIC_COUNT,
};

enum { METRICS_NODES_MAX = 200 }; /* by name; what is of all nodes counts the others too */

/* What is done to others, or asked of the gateway, in the words of the policy: a label. */
#define METRICS_OPERATION_TABLE(X)                                                              \
    X(CALL, "call")                                                                             \
    X(CAST, "cast")                                                                             \
    X(SEND, "send")                                                                             \
    X(EXIT, "exit") X(RPC, "rpc") X(RPC_CAST, "rpc-cast") X(LOOK, "look") X(MONITOR, "monitor") \
        X(SPAWN, "spawn") X(LINK, "link") X(JOIN, "join") X(NAMES, "names") X(EPMD, "epmd")     \
            X(NODES, "nodes") X(CONNECT, "connect") X(DISCONNECT, "disconnect") X(PING, "ping") \
                X(SELF, "self") X(METRICS, "metrics") X(OTHER, "other")

enum metrics_operation {
#define X(symbol, name) METRICS_OP_##symbol,
    METRICS_OPERATION_TABLE(X)
#undef X
        METRICS_OPERATIONS,
};

enum {
    METRICS_OK,
    METRICS_GONE,
    METRICS_FIRST_PROBLEM,
    METRICS_OUTCOMES = METRICS_FIRST_PROBLEM + HTTP_PROBLEM_KINDS_MAX
};

enum { METRICS_ROUTES_MAX = 255 };

/* What the gateway itself counts. */
struct metrics {
    uint64_t outcomes[METRICS_OPERATIONS][METRICS_OUTCOMES];
    struct histogram durations[METRICS_OPERATIONS];
    uint64_t text_in, term_in, text_out, term_out; /* bytes that the transcoder read and made */
    uint64_t over_max_processes, over_max_ties, over_share;
    uint64_t reloads_ok, reloads_failed;
    int64_t reloaded_s; /* since 1970 */
    bool is_reload_bad; /* the last one */
    uint64_t dropped_series;
    uint8_t operations[METRICS_ROUTES_MAX]; /* of each route, one more than that; 0: not looked up yet */
    size_t last_len;                        /* of the last answer: room for the next */
};

/* For http_config.done. */
void metrics_count(void *ctx, const struct http_done *done);
void metrics_get(void *ctx, struct http_request *req); /* GET /metrics */

/* ---- parts of the answer ---- */
void metrics_begin(struct exposition *x, enum metric m);
void metrics_write_node(struct gateway *g, struct exposition *x); /* bridge/metrics_node.c */
void metrics_write_process(struct exposition *x);                 /* bridge/metrics_process.c */

#endif
