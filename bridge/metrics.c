#include "bridge/metrics.h"

#include <stdio.h>

#include "auth/auth.h"
#include "base/check.h"
#include "bridge/internal.h"
#include "bridge/metrics_sum.h"
#include "http/events.h"
#include "http/problem.h"
#include "loop/tls.h"

enum { ROOM = 32 * 1024 }; /* of the first answer */

static const struct {
    const char *name;
    enum exposition_kind kind;
    const char *help;
} families[METRIC_COUNT] = {
#define X(symbol, name, kind, help) {name, EXPOSITION_##kind, help},
    METRICS_TABLE(X)
#undef X
};

static const char *const operation_names[METRICS_OPERATIONS] = {
#define X(symbol, name) name,
    METRICS_OPERATION_TABLE(X)
#undef X
};

void metrics_begin(struct exposition *x, enum metric m)
{
    exposition_family(x, families[m].name, families[m].kind, families[m].help);
}

static void put(struct exposition *x, enum metric m, uint64_t value)
{
    metrics_begin(x, m);
    exposition_uint(x, NO_LABELS, value);
}

static void put_limit(struct exposition *x, enum metric m, uint64_t value)
{
    metrics_begin(x, m);
    exposition_limit(x, NO_LABELS, value);
}

/* ---- counting ---- */

/* What each handler does, so that a route added to the table is counted by what serves it. */
static enum metrics_operation find_operation(const struct http_route *route)
{
    static const struct {
        void (*handle)(void *ctx, struct http_request *req);
        enum metrics_operation operation;
    } table[] = {
        {calls_call, METRICS_OP_CALL},         {calls_cast, METRICS_OP_CAST},
        {calls_send, METRICS_OP_SEND},         {calls_exit, METRICS_OP_EXIT},
        {calls_rpc, METRICS_OP_RPC},           {calls_rpc_cast, METRICS_OP_RPC_CAST},
        {calls_look, METRICS_OP_LOOK},         {monitors_one, METRICS_OP_MONITOR},
        {monitors_many, METRICS_OP_MONITOR},   {holdings_monitor, METRICS_OP_MONITOR},
        {processes_make, METRICS_OP_SPAWN},    {processes_list, METRICS_OP_SPAWN},
        {processes_look, METRICS_OP_SPAWN},    {processes_end, METRICS_OP_SPAWN},
        {processes_events, METRICS_OP_SPAWN},  {holdings_link, METRICS_OP_LINK},
        {holdings_join, METRICS_OP_JOIN},      {holdings_demonitor, METRICS_OP_SPAWN},
        {holdings_unlink, METRICS_OP_SPAWN},   {holdings_leave, METRICS_OP_SPAWN},
        {holdings_reply, METRICS_OP_SPAWN},    {names_registered, METRICS_OP_NAMES},
        {names_epmd, METRICS_OP_EPMD},         {nodes_list, METRICS_OP_NODES},
        {nodes_get, METRICS_OP_NODES},         {nodes_put, METRICS_OP_CONNECT},
        {nodes_delete, METRICS_OP_DISCONNECT}, {nodes_ping, METRICS_OP_PING},
        {status_self, METRICS_OP_SELF},        {metrics_get, METRICS_OP_METRICS},
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].handle == route->handle)
            return table[i].operation;
    return METRICS_OP_OTHER;
}

static enum metrics_operation operation_of(struct metrics *m, const struct http_route *route)
{
    size_t i = (size_t)(route - gateway_routes);

    CHECK(i < METRICS_ROUTES_MAX);
    if (!m->operations[i])
        m->operations[i] = (uint8_t)(find_operation(route) + 1);
    return (enum metrics_operation)(m->operations[i] - 1);
}

void metrics_count(void *ctx, const struct http_done *done)
{
    struct gateway *g = ctx;
    struct metrics *m = &g->metrics;
    enum metrics_operation op;
    size_t outcome = METRICS_OK;

    if (!done->route)
        return;
    op = operation_of(m, done->route);
    if (done->code)
        outcome = METRICS_FIRST_PROBLEM + http_problem_index(done->code);
    else if (done->status == 0)
        outcome = METRICS_GONE;
    m->outcomes[op][outcome]++;
    if (!done->is_stream)
        histogram_add(&m->durations[op], done->duration_us);
}

void gateway_note_reload(struct gateway *g, bool is_ok, int64_t now_s)
{
    struct metrics *m = &g->metrics;

    ++*(is_ok ? &m->reloads_ok : &m->reloads_failed);
    m->is_reload_bad = !is_ok;
    if (is_ok)
        m->reloaded_s = now_s;
}

/* ---- requests ---- */

/* The i-th place that requests are counted in: routes, then what found none. */
struct place {
    const struct http_route_stats *stats;
    struct slice route, method;
};

static bool place_at(const struct http_stats *c, size_t i, struct place *ret)
{
    if (i < c->route_count) {
        *ret = (struct place){&c->routes[i], slice_of_str(gateway_routes[i].pattern),
                              slice_of_str(gateway_routes[i].method)};
        return true;
    }
    i -= c->route_count;
    if (i >= HTTP_UNROUTED_METHODS)
        return false;
    *ret = (struct place){&c->unrouted[i], SLICE("none"), slice_of_str(http_unrouted_method(i))};
    return true;
}

/* A route that nobody has asked for has no series: there are some hundred routes. */
static bool is_used(const struct place *p)
{
    for (size_t i = 0; i < HTTP_STATUS_SLOTS; i++)
        if (p->stats->answered[i])
            return true;
    return false;
}

static void write_statuses(struct exposition *x, const struct place *p)
{
    for (unsigned i = 0; i < HTTP_STATUS_SLOTS; i++)
        if (p->stats->answered[i])
            exposition_uint(x,
                            LABELS({"route", p->route}, {"method", p->method},
                                   {"status", slice_of_str(http_status_slot_name(i))}),
                            p->stats->answered[i]);
}

static void write_place(struct exposition *x, enum metric m, const struct place *p)
{
    struct exposition_labels labels = LABELS({"route", p->route}, {"method", p->method});

    switch (m) {
    case METRIC_HTTP_REQUESTS: write_statuses(x, p); break;
    case METRIC_HTTP_DURATION: exposition_histogram(x, labels, &p->stats->duration); break;
    case METRIC_HTTP_REQUEST_BYTES: exposition_uint(x, labels, p->stats->bytes_in); break;
    default: exposition_uint(x, labels, p->stats->bytes_out); break;
    }
}

static void write_requests(const struct http_stats *c, struct exposition *x)
{
    static const enum metric by_place[] = {METRIC_HTTP_REQUESTS, METRIC_HTTP_DURATION,
                                           METRIC_HTTP_REQUEST_BYTES, METRIC_HTTP_RESPONSE_BYTES};
    const struct http_problem_kind *kind;
    struct place p;
    size_t cursor = 0;

    for (size_t m = 0; m < ARRAY_LEN(by_place); m++) {
        metrics_begin(x, by_place[m]);
        for (size_t i = 0; place_at(c, i, &p); i++)
            if (is_used(&p))
                write_place(x, by_place[m], &p);
    }
    metrics_begin(x, METRIC_HTTP_PROBLEMS);
    while ((kind = http_problem_kind_next(&cursor)))
        exposition_uint(x, LABELS({"code", slice_of_str(kind->code)}), c->problems[cursor - 1]);
}

static void put_labelled(struct exposition *x, const char *label, const char *value, uint64_t n)
{
    exposition_uint(x, LABELS({label, slice_of_str(value)}), n);
}

static void put_thread(struct exposition *x, unsigned thread, uint64_t n)
{
    char text[8];

    snprintf(text, sizeof text, "%u", thread);
    put_labelled(x, "thread", text, n);
}

static void write_threads(const struct metrics_sum *sum, struct exposition *x)
{
    metrics_begin(x, METRIC_HTTP_THREAD_REQUESTS);
    for (unsigned i = 0; i < sum->thread_count; i++)
        put_thread(x, i, sum->threads[i].requests);
    metrics_begin(x, METRIC_HTTP_THREAD_CONNECTIONS);
    for (unsigned i = 0; i < sum->thread_count; i++)
        put_thread(x, i, sum->threads[i].connections);
    metrics_begin(x, METRIC_HTTP_THREAD_LENT);
    for (unsigned i = 0; i < sum->thread_count; i++)
        put_thread(x, i, sum->threads[i].lent);
}

static uint64_t problems(const struct metrics_sum *sum, const char *code)
{
    return sum->requests->problems[http_problem_index(code)];
}

static void write_limits(const struct gateway *g, const struct metrics_sum *sum, struct exposition *x)
{
    const struct http_server_stats *s = &sum->server;
    struct node_stats n;

    node_stats(g->node, &n);
    metrics_begin(x, METRIC_LIMITS);
    put_labelled(x, "limit", "max_body", s->over_max_body);
    put_labelled(x, "limit", "max_bodies", s->over_max_bodies);
    put_labelled(x, "limit", "max_answers", s->over_max_answers);
    put_labelled(x, "limit", "max_headers", s->over_max_headers);
    put_labelled(x, "limit", "max_connections", s->over_max_connections);
    put_labelled(x, "limit", "max_connections_per_address", s->over_max_connections_per_address);
    put_labelled(x, "limit", "max_in_flight", s->over_max_in_flight);
    put_labelled(x, "limit", "max_streams", s->over_max_streams);
    put_labelled(x, "limit", "max_reply", problems(sum, "reply-too-large"));
    put_labelled(x, "limit", "max_depth", problems(sum, "too-deep"));
    put_labelled(x, "limit", "max_queue", n.totals.over_max_queue);
    put_labelled(x, "limit", "max_processes", sum->metrics.over_max_processes);
    put_labelled(x, "limit", "principal_share", sum->metrics.over_share);
    put_labelled(x, "limit", "max_ties", sum->metrics.over_max_ties);
    put_labelled(x, "limit", "atom_budget", sum->atoms_refused);
    put_labelled(x, "limit", "rate_limit", sum->admission.rate_limited);
}

static void write_server(const struct gateway *g, const struct metrics_sum *sum, struct exposition *x)
{
    const struct http_server_stats *s = &sum->server;
    const struct http_limits *limits = http_server_limits(g->http);

    put(x, METRIC_HTTP_IN_FLIGHT, sum->in_flight);
    put(x, METRIC_HTTP_IN_FLIGHT_LIMIT, sum->max_in_flight);
    put(x, METRIC_HTTP_CONNECTIONS, http_server_connections(g->http));
    put(x, METRIC_HTTP_CONNECTIONS_LIMIT, limits->max_connections);
    put(x, METRIC_HTTP_CONNECTIONS_OPENED, s->connections);
    put(x, METRIC_HTTP_BODY_BYTES, sum->body_bytes);
    put(x, METRIC_HTTP_BODY_BYTES_LIMIT, sum->max_bodies);
    put(x, METRIC_HTTP_ANSWER_BYTES, http_server_answer_bytes(g->http));
    put(x, METRIC_HTTP_ANSWER_BYTES_LIMIT, limits->max_answers);
    metrics_begin(x, METRIC_HTTP_TLS);
    put_labelled(x, "result", "done", s->tls_handshakes);
    put_labelled(x, "result", "failed", s->tls_failures);
    metrics_begin(x, METRIC_HTTP_CUT_OFF);
    put_labelled(x, "reason", "slow", s->slow_requests);
    put_labelled(x, "reason", "idle", s->idle_requests);
    put_labelled(x, "reason", "crowded", s->slow_answers);
    put(x, METRIC_HTTP_MALFORMED, s->malformed_requests);
    write_threads(sum, x);
    write_limits(g, sum, x);
}

static void write_who(const struct gateway *g, const struct metrics_sum *sum, struct exposition *x)
{
    const struct gateway_admission_stats *s = &sum->admission;

    metrics_begin(x, METRIC_AUTH_ADMITTED);
    for (unsigned i = 0; i < AUTH_BY_COUNT; i++)
        put_labelled(x, "by", auth_kind_name(i), s->admitted[i]);
    metrics_begin(x, METRIC_AUTH_REFUSED);
    for (unsigned i = AUTH_FINE + 1; i < AUTH_WHY_COUNT; i++)
        put_labelled(x, "why", auth_why_name(i), s->refused[i]);
    metrics_begin(x, METRIC_AUTH_SIGNATURES);
    put_labelled(x, "by", "verified", s->verified);
    put_labelled(x, "by", "known", s->found_verified);
    put(x, METRIC_AUTH_SESSIONS, gateway_sessions(g));
    metrics_begin(x, METRIC_AUTH_SESSIONS_CHANGES);
    put_labelled(x, "change", "opened", s->sessions_opened);
    put_labelled(x, "change", "ended", s->sessions_ended);
    metrics_begin(x, METRIC_POLICY_DENIED);
    for (unsigned i = POLICY_FREE + 1; i < POLICY_OP_COUNT; i++)
        put_labelled(x, "operation", policy_op_word((enum policy_op)i), sum->permission.denied[i]);
    put(x, METRIC_LINKS_REFUSED, node_counts(g->node).links_refused);
}

/* ---- calls ---- */

static const char *outcome_name(size_t i)
{
    size_t cursor = i - METRICS_FIRST_PROBLEM;
    const struct http_problem_kind *kind;

    if (i < METRICS_FIRST_PROBLEM)
        return i == METRICS_OK ? "ok" : "gone";
    kind = http_problem_kind_next(&cursor);
    return kind ? kind->code : "other";
}

static void write_outcomes(const struct metrics *m, struct exposition *x)
{
    metrics_begin(x, METRIC_CALLS);
    for (size_t op = 0; op < METRICS_OPERATIONS; op++)
        for (size_t i = 0; i < METRICS_OUTCOMES; i++)
            if (m->outcomes[op][i] || i == METRICS_OK)
                exposition_uint(x,
                                LABELS({"operation", slice_of_str(operation_names[op])},
                                       {"outcome", slice_of_str(outcome_name(i))}),
                                m->outcomes[op][i]);
    metrics_begin(x, METRIC_CALL_DURATION);
    for (size_t op = 0; op < METRICS_OPERATIONS; op++)
        if (histogram_count(&m->durations[op]))
            exposition_histogram(x, LABELS({"operation", slice_of_str(operation_names[op])}),
                                 &m->durations[op]);
}

static void put_bytes(struct exposition *x, struct slice direction, struct slice form, uint64_t n)
{
    exposition_uint(x, LABELS({"direction", direction}, {"form", form}), n);
}

static void write_calls(const struct gateway *g, const struct metrics_sum *sum, struct exposition *x)
{
    const struct metrics *m = &sum->metrics;
    struct node_counts c = node_counts(g->node);

    write_outcomes(m, x);
    put(x, METRIC_CALLS_WAITING, c.requests);
    put(x, METRIC_LATE_REPLIES, c.late_replies);
    put(x, METRIC_UNKNOWN_DROPPED, c.unknown_dropped);
    metrics_begin(x, METRIC_TRANSCODER);
    put_bytes(x, SLICE("in"), SLICE("text"), m->text_in);
    put_bytes(x, SLICE("in"), SLICE("term"), m->term_in);
    put_bytes(x, SLICE("out"), SLICE("text"), m->text_out);
    put_bytes(x, SLICE("out"), SLICE("term"), m->term_out);
    put(x, METRIC_ATOMS, atoms_introduced(&g->atoms));
    put_limit(x, METRIC_ATOMS_BUDGET, g->atoms.budget == SIZE_MAX ? UINT64_MAX : g->atoms.budget);
}

static void write_streams(const struct gateway *g, struct exposition *x)
{
    const struct http_stream_limits *limits = &http_server_limits(g->http)->streams;
    struct http_streams_info s;

    http_streams_look(g->http, &s);
    put(x, METRIC_STREAMS, s.streams);
    put(x, METRIC_STREAMS_LIMIT, limits->max_streams);
    put(x, METRIC_STREAM_READERS, s.readers);
    put(x, METRIC_STREAM_BYTES, s.bytes);
    put(x, METRIC_STREAM_BYTES_LIMIT, limits->max_total_bytes);
    put(x, METRIC_STREAM_EVENTS, s.emitted);
    put(x, METRIC_STREAM_LOST, s.lost);
    put(x, METRIC_STREAM_GAPS, s.gaps);
    put(x, METRIC_PROCESSES, node_counts(g->node).processes);
    put(x, METRIC_INBOXES, g->kept_inboxes);
    put(x, METRIC_INBOXES_LIMIT, g->config.max_processes);
    put(x, METRIC_TIES, g->ties.count);
}

/* ---- itself ---- */

static void write_self(const struct gateway *g, struct exposition *x)
{
    const struct metrics *m = &g->metrics;
    const struct http_tls *https = http_server_tls(g->http);
    const struct loop_tls *dist = node_tls(g->node);
    struct loop_tls_info info;

    put(x, METRIC_READY, node_is_registered(g->node) && !g->is_quiet);
    metrics_begin(x, METRIC_BUILD_INFO);
    exposition_uint(x, LABELS({"version", slice_of_str(g->config.version)}, {"node", node_name(g->node)}), 1);
    metrics_begin(x, METRIC_CERTIFICATE);
    if (https)
        exposition_int(x, LABELS({"certificate", SLICE("https")}), http_tls_info(https)->expires_s);
    if (dist) {
        loop_tls_describe(dist, &info);
        exposition_int(x, LABELS({"certificate", SLICE("dist")}), info.expires_s);
    }
    metrics_begin(x, METRIC_RELOADS);
    put_labelled(x, "result", "ok", m->reloads_ok);
    put_labelled(x, "result", "failed", m->reloads_failed);
    metrics_begin(x, METRIC_RELOADED);
    exposition_int(x, NO_LABELS, m->reloaded_s);
    put(x, METRIC_RELOAD_OK, !m->is_reload_bad);
    metrics_write_process(x);
}

/* ---- the answer ---- */

static void write_all(struct gateway *g, const struct metrics_sum *sum, struct exposition *x)
{
    write_requests(sum->requests, x);
    write_server(g, sum, x);
    write_who(g, sum, x);
    write_calls(g, sum, x);
    write_streams(g, x);
    metrics_write_node(g, x);
    write_self(g, x);
    exposition_end(x);
}

/* Prometheus asks for OpenMetrics by name, and so gets it; nobody else does. */
static bool wants_open(struct http_request *req)
{
    static const char name[] = "application/openmetrics-text";
    struct slice accept;

    return http_request_known(req, HTTP_KNOWN_ACCEPT, &accept) &&
           memmem(accept.ptr, accept.len, name, sizeof name - 1) != NULL;
}

void metrics_get(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct http_response response = {.status = 200, .content_type = EXPOSITION_TYPE};
    bool is_open = wants_open(req);
    struct metrics_sum sum;
    struct exposition x;
    struct wr w;

    if (!metrics_sum_init(&sum, g)) {
        errors_answer(g, http_request_id(req), ERR_NOMEM, (struct slice){0});
        return;
    }
    wr_init(&w, SIZE_MAX);
    wr_room(&w, g->metrics.last_len ? g->metrics.last_len + g->metrics.last_len / 8 : ROOM);
    exposition_init(&x, &w, is_open);
    write_all(g, &sum, &x);
    metrics_sum_fini(&sum);
    g->metrics.last_len = w.len;
    if (is_open)
        response.content_type = EXPOSITION_OPEN_TYPE;
    if (wr_ok(&w))
        response.body = wr_take(&w, &response.body_len);
    if (response.body)
        http_answer(g->http, http_request_id(req), &response);
    else
        errors_answer(g, http_request_id(req), ERR_NOMEM, (struct slice){0});
    wr_fini(&w);
}
