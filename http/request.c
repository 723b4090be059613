#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/cross_wire.h"
#include "http/text.h"

enum {
    FREE_REQUESTS_MAX = 1024,
    KEPT_BYTES_MAX = 16 * 1024, /* of a buffer that a free request keeps */
    PATH_SHOWN_MAX = 1024,      /* of a path in the log */
    DROPPED_MAX =
        64 * 1024, /* of a refused request's body: read and dropped, so that the connection stays usable */
};

/* ---- the free list ---- */

static struct http_request *find_free(struct http_server *s)
{
    struct http_request *r;
    struct http_link *l = s->free_requests.prev; /* of which the most is still in the caches */

    if (l != &s->free_requests) {
        ring_remove(l);
        s->free_count--;
        return LINK_OWNER(l, struct http_request, waiting);
    }
    r = mem_alloc(sizeof *r);
    if (!r)
        return NULL;
    wr_init(&r->raw_target, SIZE_MAX);
    wr_init(&r->body, 0);
    r->waiting = (struct http_link){0};
    return r;
}

/* The body has been used, or will not be: a large one does not keep its memory while its request waits for an
 * answer.
 */
void http_request_forget_body(struct http_request *r)
{
    r->server->body_bytes -= r->body.len;
    if (r->body.cap > KEPT_BYTES_MAX)
        wr_fini(&r->body);
    wr_reset(&r->body);
}

static void request_free(struct http_request *r)
{
    wr_fini(&r->raw_target);
    wr_fini(&r->body);
    mem_free(r);
}

void http_request_recycle(struct http_request *r)
{
    struct http_server *s = r->server;

    http_request_forget_body(r);
    if (s->free_count == FREE_REQUESTS_MAX) {
        request_free(r);
        return;
    }
    if (r->raw_target.cap > KEPT_BYTES_MAX)
        wr_fini(&r->raw_target);
    s->free_count++;
    ring_append(&s->free_requests, &r->waiting);
}

void http_requests_free(struct http_server *s)
{
    while (!ring_is_empty(&s->free_requests)) {
        struct http_link *l = s->free_requests.next;

        ring_remove(l);
        request_free(LINK_OWNER(l, struct http_request, waiting));
    }
    s->free_count = 0;
}

struct http_request *http_request_new(struct http_server *s)
{
    struct http_request *r = find_free(s);

    if (!r)
        return NULL;
    r->server = s;
    r->mhd = NULL;
    r->conn = NULL;
    r->borrowed = NULL;
    r->twin = 0;
    r->is_lent = r->is_secure = r->has_origins = false;
    r->is_lingering = false;
    r->phase = PHASE_HEAD;
    r->id = r->tag = 0;
    r->note = NULL;
    r->route = NULL;
    r->match = (struct http_match){0};
    r->admission = (struct http_admission){0};
    r->timing.is_on = false;
    r->is_body_too_large = r->is_head = r->is_1_0 = r->is_late = false;
    r->reader = (struct http_reader){0};
    r->response = NULL;
    r->status = 0;
    r->code = NULL;
    r->bytes_in = r->bytes_out = 0;
    memset(r->known, 0, sizeof r->known);
    r->trace_len = r->traceparent_len = 0;
    r->method[0] = r->trace[0] = r->traceparent[0] = r->origin[0] = '\0';
    r->target.segment_count = r->target.param_count = 0;
    wr_reset(&r->raw_target);
    wr_reset(&r->body);
    r->body.ceiling = s->limits.max_body;
    return r;
}

/* ---- its first line ---- */

/* libmicrohttpd's URI_LOG_CALLBACK: the only place that has the target as it came. What it gives is the
 * context of each later call; NULL (no memory) closes the connection in the next one. */
void *http_request_begun(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct http_server *s = cls;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct http_conn *c = info ? info->socket_context : NULL;
    struct http_request *r;

    if (!c || c->shake.is_cert_missing)
        return NULL;
    r = http_request_new(s);
    if (!r)
        return NULL;
    r->mhd = mhd;
    r->conn = c;
    r->conn->request = r;
    r->is_secure = c->listener->config.is_tls;
    r->has_origins = c->listener->guard.origins != NULL;
    r->is_late = s->is_refusing && !c->listener->config.is_admin;
    r->started_us = http_look_at_clock(s);
    wr_str(&r->raw_target, uri ? uri : "");
    return r;
}

/* ---- libmicrohttpd's calls: the head, the body in parts, the end, and again after each resume ---- */

static enum MHD_Result send_response(struct http_request *r)
{
    enum MHD_Result result;

    if (!r->response) {
        r->status = 0;
        return MHD_NO; /* closes */
    }
    r->conn->listener->has_moved = true;
    result = MHD_queue_response(r->mhd, r->status, r->response);
    MHD_destroy_response(r->response); /* libmicrohttpd has its own reference now */
    r->response = NULL;
    r->phase = PHASE_SENDING;
    return result;
}

static enum MHD_Result send_refusal(struct http_request *r)
{
    r->phase = PHASE_ANSWERED;
    r->server->sending++;
    return send_response(r);
}

/* A response queued before the body was read makes libmicrohttpd close the connection. */
static bool is_body_worth_reading(const struct http_head *head)
{
    return !head->expect_count && !head->encoding_count && head->length <= DROPPED_MAX;
}

static enum MHD_Result head_came(struct http_request *r, const char *method, const char *version)
{
    struct http_head head; /* set by http_request_judge */
    bool must_close;

    if (!wr_ok(&r->raw_target))
        return MHD_NO;
    if (http_request_judge(r, method, version, &head, &must_close)) {
        /* What the client promises is believed as far as it costs nothing. */
        if (head.length && head.length <= KEPT_BYTES_MAX)
            wr_room(&r->body, head.length);
    } else if (!r->response || must_close || (http_head_has_body(&head) && !is_body_worth_reading(&head))) {
        return send_refusal(r);
    }
    r->phase = PHASE_BODY;
    r->conn->listener->reading++;
    http_conn_wait(r->server, r->conn);
    return MHD_YES;
}

/* Small bodies are always taken: who holds many large ones up must not shut out the rest. */
static void keep_body(struct http_request *r, struct slice piece)
{
    struct http_server *s = r->server;
    size_t before = r->body.len;

    if (before + piece.len > KEPT_BYTES_MAX && s->body_bytes + piece.len > s->limits.max_bodies) {
        http_request_forget_body(r);
        s->stats.over_max_bodies++;
        http_request_refuse_overloaded(r, "Too many large bodies arrive at once (max_bodies).");
        return;
    }
    wr_slice(&r->body, piece);
    s->body_bytes += r->body.len - before;
    if (wr_ok(&r->body))
        return;
    r->is_body_too_large = r->body.err == ERR_TOO_LARGE;
    http_request_forget_body(r);
    if (!r->is_body_too_large)
        http_request_refuse_overloaded(r, "There is no memory for the body.");
}

static enum MHD_Result body_came(struct http_request *r, const char *data, size_t *size)
{
    r->conn->listener->has_read = true;
    r->bytes_in += *size;
    if (!r->response && !r->is_body_too_large)
        keep_body(r, slice_of(data, *size));
    *size = 0;
    if (r->bytes_in <= (uint64_t)r->server->limits.max_body + DROPPED_MAX)
        return MHD_YES;
    http_request_cut_off(r); /* chunks that have no end in sight */
    return MHD_NO;
}

static bool handle(struct http_request *r)
{
    struct http_server *s = r->server;

    r->id = idtab_add(&s->requests, r);
    if (!r->id)
        return http_request_refuse_overloaded(r, "There is no memory for the request.");
    http_request_time(r, HTTP_STAGE_READ);
    r->phase = PHASE_HANDLING;
    if (s->config.owner && !r->route->is_anywhere)
        http_request_lend(r);
    else
        r->route->handle(s->config.ctx, r);
    http_request_forget_body(r);
    return true;
}

static enum MHD_Result all_came(struct http_request *r)
{
    struct http_server *s = r->server;

    ring_remove(&r->conn->arriving);
    r->conn->listener->reading--;
    if (s->now_us != r->started_us)
        http_look_at_clock(s); /* others may have been served since it began */
    if (!r->response && r->is_body_too_large)
        http_request_refuse_size(r);
    if (r->response || !http_request_judge_load(r) || !handle(r))
        return send_refusal(r);
    if (r->phase == PHASE_ANSWERED)
        return send_response(r);
    http_wait_begin(r);
    return MHD_YES;
}

enum MHD_Result http_request_came(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
    struct http_request *r = *context;

    (void)cls;
    (void)mhd;
    (void)url;
    if (!r)
        return MHD_NO;
    switch (r->phase) {
    case PHASE_HEAD: return head_came(r, method, version);
    case PHASE_BODY: return *size ? body_came(r, data, size) : all_came(r);
    case PHASE_ANSWERED: return send_response(r);
    case PHASE_WAITING: http_wait_look(r); return MHD_YES;
    case PHASE_HANDLING:
    case PHASE_SENDING:
    case PHASE_RESTING: break;
    }
    return MHD_NO;
}

/* ---- its end ---- */

/* A line for each error; what went well is told only when asked for. */
static enum log_level report_level(unsigned status)
{
    return status >= 500 ? LOG_WARN : status >= 400 ? LOG_INFO : LOG_DEBUG;
}

static void report_timing(const struct http_request *r)
{
    const uint64_t *us = r->timing.spent_us;

    if (r->timing.is_on)
        LOG(LOG_DEBUG, "timing", LOG_UINT("read_us", us[HTTP_STAGE_READ]),
            LOG_UINT("auth_us", us[HTTP_STAGE_AUTH]), LOG_UINT("decode_us", us[HTTP_STAGE_DECODE]),
            LOG_UINT("node_us", us[HTTP_STAGE_NODE]), LOG_UINT("encode_us", us[HTTP_STAGE_ENCODE]),
            LOG_SLICE("request_id", slice_of(r->trace, r->trace_len)));
}

/* Its path, decoded but for what would make two segments of one: whom it is about, but nothing that is said
 * to them. (The bytes as they came have been decoded in their place.) */
static struct slice path_of(const struct http_request *r, char *ret, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < r->target.segment_count && n + 4 < cap; i++) {
        struct slice s = r->target.segments[i];

        ret[n++] = '/';
        for (size_t k = 0; k < s.len && n + 4 < cap; k++) {
            bool is_odd = s.ptr[k] == '/' || s.ptr[k] == '%';

            n += (size_t)snprintf(ret + n, cap - n, is_odd ? "%%%02X" : "%c", s.ptr[k]);
        }
    }
    if (n == 0 && r->route)
        ret[n++] = '/';
    return slice_of(ret, n);
}

static void report(const struct http_request *r, bool is_stream)
{
    struct http_server *s = r->server;
    struct http_done done = {.route = r->route,
                             .method = r->method,
                             .status = r->status,
                             .code = r->code,
                             .is_stream = is_stream,
                             .duration_us = http_look_at_clock(s) - r->started_us,
                             .bytes_in = r->bytes_in,
                             .bytes_out = r->bytes_out,
                             .trace = slice_of(r->trace, r->trace_len),
                             .note = r->note};
    char path[PATH_SHOWN_MAX];

    LOG(report_level(done.status), "request", LOG_STR("method", done.method),
        LOG_STR("route", done.route ? done.route->pattern : ""),
        LOG_SLICE("target", path_of(r, path, sizeof path)), LOG_UINT("status", done.status),
        LOG_STR("code", r->code ? r->code : ""), LOG_SLICE("principal", http_request_principal(r)),
        LOG_STR("client", r->conn->address), LOG_UINT("duration_us", done.duration_us),
        LOG_UINT("bytes", done.bytes_out), LOG_SLICE("request_id", done.trace),
        LOG_STR("traceparent", r->traceparent));
    report_timing(r);
    http_stats_count(s->counts, s->config.routes, &done);
    if (s->config.done)
        s->config.done(s->config.ctx, &done);
}

void http_note_report(const struct http_server *s, void *note, struct slice trace)
{
    const struct http_done done = {.trace = trace, .note = note};

    if (note && s->config.done)
        s->config.done(s->config.ctx, &done);
    mem_free(note);
}

static void forget_note(struct http_request *r)
{
    mem_free(r->note);
    r->note = NULL;
}

void http_request_completed(void *cls, struct MHD_Connection *mhd, void **context,
                            enum MHD_RequestTerminationCode code)
{
    struct http_request *r = *context;
    struct http_server *s = cls;
    bool is_stream;

    (void)mhd;
    if (!r)
        return;
    *context = NULL;
    /* Only when libmicrohttpd is stopped with requests suspended, which http_server_stop does not let happen.
     */
    CHECK(r->phase != PHASE_HANDLING && r->phase != PHASE_RESTING);
    r->conn->listener->has_moved = true;
    r->conn->listener->reading -= r->phase == PHASE_BODY;
    if (r->phase == PHASE_WAITING)
        http_wait_lost(r);
    s->stats.requests++;
    s->stats.idle_requests += code == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED;
    is_stream = r->reader.is_open;
    if (r->reader.remote)
        http_lend_close(r);
    else if (is_stream)
        http_reader_close(r);
    s->sending -= r->phase == PHASE_ANSWERED || r->phase == PHASE_SENDING;
    if (r->response)
        MHD_destroy_response(r->response);
    if (r->phase == PHASE_ANSWERED)
        r->status = 0;
    if (r->method[0])
        report(r, is_stream);
    forget_note(r);
    r->conn->request = NULL;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        http_conn_wait(s, r->conn);
    else
        ring_remove(&r->conn->arriving);
    http_request_recycle(r);
}

/* ---- what a handler asks ---- */

uint64_t http_request_id(const struct http_request *r)
{
    return r->id;
}

const struct http_route *http_request_route(const struct http_request *r)
{
    return r->route;
}

struct slice http_request_segment(const struct http_request *r, size_t n)
{
    return n < HTTP_HOLES_MAX ? r->target.segments[r->match.holes[n]] : (struct slice){0};
}

bool http_request_query_next(const struct http_request *r, const char *name, size_t *cursor,
                             struct slice *ret)
{
    while (*cursor < r->target.param_count) {
        const struct http_param *p = &r->target.params[(*cursor)++];

        if (slice_eq_str(p->name, name)) {
            *ret = p->value;
            return true;
        }
    }
    return false;
}

bool http_request_has_query(const struct http_request *r)
{
    return r->target.param_count > 0;
}

bool http_request_query(const struct http_request *r, const char *name, struct slice *ret)
{
    size_t cursor = 0;

    return r->target.param_count > 0 && http_request_query_next(r, name, &cursor, ret);
}

bool http_request_header(const struct http_request *r, const char *name, struct slice *ret)
{
    const char *value;
    size_t len;

    if (r->borrowed)
        return http_twin_header(r->borrowed, name, ret);
    if (MHD_lookup_connection_value_n(r->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &len) != MHD_YES)
        return false;
    *ret = value ? text_trim(slice_of(value, len)) : (struct slice){0};
    return true;
}

bool http_request_known(const struct http_request *r, enum http_known which, struct slice *ret)
{
    static const char *const names[HTTP_KNOWN_COUNT] = {
#define X(symbol, name) name,
        HTTP_KNOWN_TABLE(X)
#undef X
    };

    if (r->borrowed)
        return http_twin_header(r->borrowed, names[which], ret);
    if (!r->known[which].ptr)
        return false;
    *ret = r->known[which];
    return true;
}

struct slice http_request_body(const struct http_request *r)
{
    return wr_written(&r->body);
}

bool http_request_is_head(const struct http_request *r)
{
    return r->is_head;
}

struct slice http_request_principal(const struct http_request *r)
{
    return slice_of(r->admission.principal, r->admission.principal_len);
}

struct slice http_principal(const struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? http_request_principal(r) : (struct slice){0};
}

const struct http_admission *http_request_admission(const struct http_request *r)
{
    return &r->admission;
}

bool http_request_is_secure(const struct http_request *r)
{
    return r->is_secure;
}

struct slice http_request_trace(const struct http_request *r)
{
    return slice_of(r->trace, r->trace_len);
}

struct slice http_trace(const struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? http_request_trace(r) : (struct slice){0};
}

struct slice http_request_traceparent(const struct http_request *r)
{
    return slice_of(r->traceparent, r->traceparent_len);
}

void http_request_time(struct http_request *r, enum http_stage stage)
{
    if (r->timing.is_on)
        http_timing_add(&r->timing, stage, loop_now_us());
}

void http_request_spent(struct http_server *s, uint64_t id, enum http_stage stage)
{
    struct http_request *r = idtab_get(&s->requests, id);

    if (r)
        http_request_time(r, stage);
}

void http_request_set_tag(struct http_server *s, uint64_t id, uint64_t tag)
{
    struct http_request *r = idtab_get(&s->requests, id);

    if (r)
        r->tag = tag;
}

void http_request_set_note(struct http_server *s, uint64_t id, void *note)
{
    struct http_request *r = idtab_get(&s->requests, id);

    if (!r) {
        mem_free(note);
        return;
    }
    forget_note(r);
    r->note = note;
}

void *http_request_note(const struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? r->note : NULL;
}

uint64_t http_request_tag(const struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->requests, id);

    return r ? r->tag : 0;
}
