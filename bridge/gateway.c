#include "bridge/gateway.h"

#include <time.h>

#include "base/check.h"
#include "base/mem.h"
#include "bridge/inbox.h"
#include "bridge/internal.h"

enum {
    DEFAULT_TIMEOUT_MS = 5000,
    MAX_TIMEOUT_MS = 300000,
    MAX_BODY = 8 << 20,
    MAX_REPLY = 64 << 20,
    MAX_DIGITS = 10000,
    MAX_PROCESSES = 10000,
    MAX_TIES = 1000,
    TERM_GROWTH = 16, /* how many times as large as the body that it came from a term may be */
};

/* The query parameters of each kind of route: those of terms, of names in the path, of groups. */
#define NAME_QUERY  "syntax"
#define GROUP_QUERY "syntax", "to"
#define CALL_QUERY  "timeout", "unwrap", "from", BODY_QUERY
#define SEND_QUERY  "timeout", "from", BODY_QUERY
#define RPC_QUERY   "timeout", "unwrap", BODY_QUERY, NAME_QUERY
#define WATCH_QUERY "timeout", INBOX_STYLE_QUERY, HTTP_READING_QUERY
#define QUERY(...)  ((const char *const[]){__VA_ARGS__, NULL})

static const char *const timeout_query[] = {"timeout", NULL};
static const char *const verbose_query[] = {"verbose", NULL};

/* op: what the policy takes it for; the last is what the path's segments are; what few rows have follows by
 * name. */
#define ROUTE(verb, path, takes, parameters, handler, op, ...)                                  \
    {                                                                                           \
        .method = verb, .pattern = path, .body = takes, .query = parameters, .handle = handler, \
        .operation = op, .target = __VA_ARGS__                                                  \
    }

/* What can be done to a process, however it is named. */
#define PROCESS(path, target, ...)                                                                           \
    ROUTE("GET", path, HTTP_BODY_NONE, QUERY("timeout", BODY_QUERY, __VA_ARGS__), calls_look, POLICY_LOOK,   \
          target),                                                                                           \
        ROUTE("POST", path "/call", HTTP_BODY_TERM, QUERY(CALL_QUERY, __VA_ARGS__), calls_call, POLICY_CALL, \
              target, .is_anywhere = true),                                                                  \
        ROUTE("POST", path "/cast", HTTP_BODY_TERM, QUERY(SEND_QUERY, __VA_ARGS__), calls_cast, POLICY_CAST, \
              target, .is_anywhere = true),                                                                  \
        ROUTE("POST", path "/send", HTTP_BODY_TERM, QUERY(SEND_QUERY, __VA_ARGS__), calls_send, POLICY_SEND, \
              target, .is_anywhere = true),                                                                  \
        ROUTE("POST", path "/exit", HTTP_BODY_TERM, QUERY(SEND_QUERY, __VA_ARGS__), calls_exit, POLICY_EXIT, \
              target, .is_anywhere = true)
#define MONITOR(path, target, ...)                                                               \
    ROUTE("GET", path "/monitor", HTTP_BODY_NONE, QUERY(WATCH_QUERY, __VA_ARGS__), monitors_one, \
          POLICY_MONITOR, target)
#define PROCESS_PATH "/v1/processes/{id}"
#define RPC          "/v1/nodes/{node}/rpc/{module}/{function}"

const struct http_route gateway_routes[] = {
    PROCESS("/v1/nodes/{node}/processes/{name}", TARGET_NAME, NAME_QUERY),
    PROCESS("/v1/pids/{pid}", TARGET_PID, NULL),
    PROCESS("/v1/global/{name}", TARGET_GLOBAL, NAME_QUERY),
    PROCESS("/v1/groups/{scope}/{group}", TARGET_GROUP, GROUP_QUERY),
    ROUTE("POST", "/v1/call", HTTP_BODY_TERM, QUERY(CALL_QUERY), calls_call, POLICY_CALL, TARGET_BODY,
          .is_anywhere = true),
    ROUTE("POST", "/v1/cast", HTTP_BODY_TERM, QUERY(SEND_QUERY), calls_cast, POLICY_CAST, TARGET_BODY,
          .is_anywhere = true),
    ROUTE("POST", "/v1/send", HTTP_BODY_TERM, QUERY(SEND_QUERY), calls_send, POLICY_SEND, TARGET_BODY,
          .is_anywhere = true),
    ROUTE("POST", "/v1/exit", HTTP_BODY_TERM, QUERY(SEND_QUERY), calls_exit, POLICY_EXIT, TARGET_BODY,
          .is_anywhere = true),
    ROUTE("POST", "/v1/rpc", HTTP_BODY_TERM, QUERY("timeout", "unwrap", BODY_QUERY), calls_rpc, POLICY_RPC,
          TARGET_BODY, .is_anywhere = true),
    ROUTE("POST", "/v1/rpc/cast", HTTP_BODY_TERM, QUERY("timeout", BODY_QUERY), calls_rpc_cast, POLICY_RPC,
          TARGET_BODY, .is_anywhere = true),
    ROUTE("POST", RPC, HTTP_BODY_TERM, QUERY(RPC_QUERY), calls_rpc, POLICY_RPC, TARGET_FUNCTION,
          .is_anywhere = true),
    ROUTE("POST", RPC "/cast", HTTP_BODY_TERM, QUERY("timeout", BODY_QUERY, NAME_QUERY), calls_rpc_cast,
          POLICY_RPC, TARGET_FUNCTION, .is_anywhere = true),
    MONITOR("/v1/nodes/{node}/processes/{name}", TARGET_NAME, NAME_QUERY),
    MONITOR("/v1/pids/{pid}", TARGET_PID, NULL),
    MONITOR("/v1/global/{name}", TARGET_GLOBAL, NAME_QUERY),
    MONITOR("/v1/groups/{scope}/{group}", TARGET_GROUP, NAME_QUERY),
    MONITOR("/v1/nodes/{node}", TARGET_NODE, NULL),
    ROUTE("GET", "/v1/nodes/monitor", HTTP_BODY_NONE, QUERY(WATCH_QUERY), monitors_one, POLICY_MONITOR,
          TARGET_NODES),
    ROUTE("GET", "/v1/events", HTTP_BODY_NONE, QUERY("monitor*", WATCH_QUERY), monitors_many, POLICY_MONITOR,
          0),
    ROUTE("POST", "/v1/processes", HTTP_BODY_TERM, QUERY(INBOX_STYLE_QUERY), processes_make, POLICY_SPAWN, 0),
    ROUTE("GET", "/v1/processes", HTTP_BODY_NONE, QUERY("limit", "cursor"), processes_list, POLICY_SPAWN, 0),
    ROUTE("GET", PROCESS_PATH, HTTP_BODY_NONE, NULL, processes_look, POLICY_SPAWN, 0),
    ROUTE("DELETE", PROCESS_PATH, HTTP_BODY_NONE, NULL, processes_end, POLICY_SPAWN, 0),
    ROUTE("GET", PROCESS_PATH "/events", HTTP_BODY_NONE, QUERY(HTTP_READING_QUERY), processes_events,
          POLICY_SPAWN, 0),
    ROUTE("POST", PROCESS_PATH "/monitors", HTTP_BODY_TERM, NULL, holdings_monitor, POLICY_MONITOR, 0),
    ROUTE("DELETE", PROCESS_PATH "/monitors/{monitor}", HTTP_BODY_NONE, NULL, holdings_demonitor,
          POLICY_SPAWN, 0),
    ROUTE("POST", PROCESS_PATH "/links", HTTP_BODY_TERM, NULL, holdings_link, POLICY_LINK, 0),
    ROUTE("DELETE", PROCESS_PATH "/links/{link}", HTTP_BODY_NONE, NULL, holdings_unlink, POLICY_SPAWN, 0),
    ROUTE("POST", PROCESS_PATH "/groups", HTTP_BODY_TERM, NULL, holdings_join, POLICY_JOIN, 0),
    ROUTE("DELETE", PROCESS_PATH "/groups/{group}", HTTP_BODY_NONE, NULL, holdings_leave, POLICY_SPAWN, 0),
    ROUTE("POST", PROCESS_PATH "/replies/{call}", HTTP_BODY_TERM, QUERY(BODY_QUERY), holdings_reply,
          POLICY_SPAWN, 0),
    ROUTE("GET", "/v1/nodes", HTTP_BODY_NONE, QUERY(HTTP_PAGE_QUERY), nodes_list, POLICY_NODES, 0),
    ROUTE("GET", "/v1/nodes/{node}/processes", HTTP_BODY_NONE, QUERY("timeout", HTTP_PAGE_QUERY),
          names_registered, POLICY_NAMES, TARGET_NODE),
    ROUTE("GET", "/v1/epmd", HTTP_BODY_NONE, NULL, names_epmd, POLICY_EPMD, 0),
    ROUTE("GET", "/v1/nodes/{node}", HTTP_BODY_NONE, NULL, nodes_get, POLICY_NODES, 0),
    ROUTE("PUT", "/v1/nodes/{node}", HTTP_BODY_NONE, timeout_query, nodes_put, POLICY_CONNECT, 0),
    ROUTE("DELETE", "/v1/nodes/{node}", HTTP_BODY_NONE, NULL, nodes_delete, POLICY_DISCONNECT, 0),
    ROUTE("GET", "/v1/nodes/{node}/ping", HTTP_BODY_NONE, timeout_query, nodes_ping, POLICY_PING, 0),
    ROUTE("POST", "/v1/policy/check", HTTP_BODY_TERM, NULL, policy_check, POLICY_FREE, 0),
    ROUTE("POST", "/v1/session", HTTP_BODY_NONE, NULL, session_open, POLICY_FREE, 0),
    ROUTE("GET", "/v1/session", HTTP_BODY_NONE, NULL, session_look, POLICY_FREE, 0),
    ROUTE("DELETE", "/v1/session", HTTP_BODY_NONE, NULL, session_end, POLICY_FREE, 0, .is_public = true),
    ROUTE("GET", "/v1/self", HTTP_BODY_NONE, NULL, status_self, POLICY_SELF, 0),
    ROUTE("GET", "/openapi.json", HTTP_BODY_NONE, NULL, documents_openapi_json, POLICY_FREE, 0),
    ROUTE("GET", "/openapi.yaml", HTTP_BODY_NONE, NULL, documents_openapi_yaml, POLICY_FREE, 0),
    ROUTE("GET", "/metrics", HTTP_BODY_NONE, NULL, metrics_get, POLICY_METRICS, 0, .where = HTTP_ON_ADMIN),
    ROUTE("GET", "/livez", HTTP_BODY_NONE, verbose_query, status_livez, POLICY_FREE, 0, .where = HTTP_ON_BOTH,
          .is_public = true),
    ROUTE("GET", "/readyz", HTTP_BODY_NONE, verbose_query, status_readyz, POLICY_FREE, 0,
          .where = HTTP_ON_BOTH, .is_public = true),
    ROUTE("GET", "/healthz", HTTP_BODY_NONE, verbose_query, status_livez, POLICY_FREE, 0,
          .where = HTTP_ON_BOTH, .is_public = true),
};
const size_t gateway_route_count = ARRAY_LEN(gateway_routes);

static void call_off(struct gateway *g, struct exchange *x)
{
    if (x->cancel)
        x->cancel(g, x);
    else if (g->config.owner)
        across_cancel(g, x);
    else
        node_cancel(g->node, x->op);
}

/* The client has left: its call ends, and the callee's monitor is taken back. */
static void gone(void *ctx, uint64_t http_id, uint64_t tag)
{
    struct gateway *g = ctx;
    struct exchange *x = exchange_take(g, tag);

    (void)http_id;
    if (x)
        call_off(g, x);
    exchange_free(g, x);
}

static bool gate(void *ctx, struct slice node, bool is_incoming)
{
    const struct gateway *g = ctx;

    return is_incoming ? policy_admits(g->config.policy, node) : policy_connects(g->config.policy, node);
}

static void done(void *ctx, const struct http_done *done)
{
    metrics_count(ctx, done);
    permission_done(ctx, done);
}

static void stream_gone(void *ctx, uint64_t stream, uint64_t tag)
{
    inbox_stream_gone(ctx, stream, tag);
}

/* What a node of the cluster has costs it nothing when HTTP names it too. */
static void learn(void *ctx, struct slice utf8)
{
    atoms_learn(ctx, utf8);
}

static void fill_defaults(struct gateway_config *c)
{
    if (!c->default_timeout_ms)
        c->default_timeout_ms = DEFAULT_TIMEOUT_MS;
    if (!c->max_timeout_ms)
        c->max_timeout_ms = MAX_TIMEOUT_MS;
    if (!c->max_body)
        c->max_body = MAX_BODY;
    if (!c->max_reply)
        c->max_reply = MAX_REPLY;
    if (!c->max_depth)
        c->max_depth = ETF_DEFAULT_MAX_DEPTH;
    if (!c->max_digits)
        c->max_digits = MAX_DIGITS;
    if (!c->max_in_flight_per_node)
        c->max_in_flight_per_node = SIZE_MAX;
    if (!c->max_processes)
        c->max_processes = MAX_PROCESSES;
    if (!c->max_ties)
        c->max_ties = MAX_TIES;
}

enum err gateway_start(struct loop *l, const struct gateway_config *config, struct gateway **ret)
{
    struct gateway *g = mem_zalloc(sizeof *g);
    struct http_config http = {
        .listens = config->listens,
        .listen_count = config->listen_count,
        .tls = config->tls,
        .hosts = config->hosts,
        .origins = config->origins,
        .routes = gateway_routes,
        .route_count = gateway_route_count,
        .ctx = g,
        .gone = gone,
        .stream_gone = stream_gone,
        .done = done,
        .admit = admission_admit,
        .is_admitted = admission_is_good,
        .limits = config->http,
        .threads = config->threads,
        .owner = config->owner,
        .answers = config->answers,
    };
    enum err e;

    if (!g)
        return ERR_NOMEM;
    g->loop = l;
    g->node = config->node;
    g->config = *config;
    fill_defaults(&g->config);
    http.limits.max_body = g->config.max_body;
    documents_init(g);
    g->started_us = loop_now_us();
    g->metrics.reloaded_s = time(NULL);
    loop_random(&g->seed, sizeof g->seed);
    idtab_init(&g->exchanges);
    idtab_init(&g->parts);
    idtab_init(&g->questions);
    map_init(&g->releases, g->seed);
    idtab_init(&g->inboxes);
    shares_init(&g->shares, g->seed);
    idtab_init(&g->ties);
    /* A term can be larger than the JSON that it came from, by a small factor; never without bound. */
    wr_init(&g->term, TERM_GROWTH * g->config.max_body);
    wr_init(&g->judged, 0);
    wr_init(&g->scratch, g->config.max_body);
    if (g->node) {
        node_on_atom(g->node, learn, &g->atoms);
        node_judge_replies(g->node, calls_done, calls_judge);
        node_set_gate(g->node, gate, g);
        if (config->threads > 1)
            node_on_read(g->node, across_flush, g);
    }
    g->inbox_timer = loop_timer_new(l, inboxes_sweep, g, 0);
    g->trim_timer = loop_timer_new(l, inboxes_trim, g, 0);
    g->keep_timer = loop_timer_new(l, keep_due, g, 0);
    e = g->inbox_timer && g->trim_timer && g->keep_timer ? admission_init(g) : ERR_NOMEM;
    if (e == ERR_NONE)
        e = atoms_init(&g->atoms, config->atom_budget, g->seed, config->atoms, config->threads > 1);
    if (e == ERR_NONE)
        e = http_server_start(l, &http, &g->http);
    if (e != ERR_NONE) {
        gateway_stop(g);
        return e;
    }
    if (g->node)
        keep_required(g);
    *ret = g;
    return ERR_NONE;
}

struct atoms_pool *gateway_shared_atoms(struct gateway *g)
{
    return g->atoms.pool;
}

struct http_answers *gateway_shared_answers(struct gateway *g)
{
    return http_server_answers(g->http);
}

struct http_server *gateway_http(struct gateway *g)
{
    return g->http;
}

void gateway_set_policy(struct gateway *g, const struct policy *policy)
{
    g->config.policy = policy;
    if (g->node)
        (void)node_recheck(g->node); /* which logs each link that it ends */
}

void gateway_set_limits(struct gateway *g, const struct gateway_config *config)
{
    struct gateway_config *c = &g->config;

    c->default_timeout_ms = config->default_timeout_ms;
    c->max_timeout_ms = config->max_timeout_ms;
    c->max_body = config->max_body;
    c->max_reply = config->max_reply;
    c->max_depth = config->max_depth;
    c->hides_reasons = config->hides_reasons;
    c->max_digits = config->max_digits;
    c->max_processes = config->max_processes;
    c->max_in_flight_per_node = config->max_in_flight_per_node;
    c->max_ties = config->max_ties;
    c->http = config->http;
    fill_defaults(c);
    g->atoms.budget = config->atom_budget;
    g->term.ceiling = TERM_GROWTH * c->max_body;
    g->scratch.ceiling = c->max_body;
    c->http.max_body = c->max_body;
    http_server_set_limits(g->http, &c->http);
}

void gateway_set_required_nodes(struct gateway *g, const char *const *nodes)
{
    g->config.required_nodes = nodes;
    keep_required(g);
}

void gateway_leave(struct gateway *g)
{
    g->is_quiet = true;
    http_server_leave(g->http);
}

void gateway_quiesce(struct gateway *g)
{
    gateway_leave(g);
    http_server_quiesce(g->http);
}

bool gateway_is_busy(struct gateway *g)
{
    return http_server_is_busy(g->http);
}

size_t gateway_in_flight(const struct gateway *g)
{
    return http_server_in_flight(g->http);
}

void gateway_stop(struct gateway *g)
{
    uint32_t cursor = 0;
    struct exchange *x;

    if (!g)
        return;
    while ((x = idtab_next(&g->exchanges, &cursor))) {
        call_off(g, x);
        exchange_end(g, x->id);
    }
    inboxes_stop(g);
    loop_timer_free(g->inbox_timer);
    loop_timer_free(g->trim_timer);
    keep_fini(g);
    if (g->node) {
        node_on_atom(g->node, NULL, NULL);
        node_judge_replies(g->node, NULL, NULL);
        node_set_gate(g->node, NULL, NULL);
        node_on_read(g->node, NULL, NULL);
    }
    http_server_stop(g->http);
    CHECK(g->exchanges.count == 0 && g->parts.count == 0);
    CHECK(g->inboxes.count == 0 && g->ties.count == 0 && g->kept_inboxes == 0);
    idtab_fini(&g->inboxes);
    shares_fini(&g->shares);
    idtab_fini(&g->ties);
    exchanges_fini(g);
    idtab_fini(&g->parts);
    releases_fini(g);
    atoms_fini(&g->atoms);
    wr_fini(&g->term);
    wr_fini(&g->judged);
    wr_fini(&g->scratch);
    documents_fini(g);
    admission_fini(g);
    mem_free(g);
}
