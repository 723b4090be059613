/*
 * request: one request as libmicrohttpd tells of it: its first line, its head, the body in parts, its end.
 * What its head must be like is judge.c's business, waiting for the answer linger.c's.
 */
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/cross_wire.h"

/* Of a refused request's body: read and dropped, so that the connection stays usable. */
enum { DROPPED_MAX = 64 * 1024 };

/* ---- its first line ---- */

/* Parameters are for target.c. libmicrohttpd would make a list of them for nobody; when that wants more
 * memory than a connection has, 0.9.75 goes on as if nothing were, and the client hears nothing for as long
 * as it may be silent. It reads them after this: in memory that it has written itself, const or not. */
static void hide_query(const char *uri)
{
    const char *mark = uri ? strchr(uri, '?') : NULL;

    if (mark)
        *(char *)(uintptr_t)(mark + 1) = '\0';
}

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
    hide_query(uri);
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
        if (head.length && head.length <= HTTP_KEPT_BYTES_MAX)
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

    if (before + piece.len > HTTP_KEPT_BYTES_MAX && s->body_bytes + piece.len > s->limits.max_bodies) {
        http_request_forget_body(r);
        s->stats.over_max_bodies++;
        http_request_refuse_overloaded(r,
                                       "Too many large bodies arrive at once (max_bodies; see --max-body).");
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
    http_sending_end(r);
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
        http_request_report(r, is_stream);
    mem_free(r->note);
    r->note = NULL;
    r->conn->request = NULL;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        http_conn_wait(s, r->conn);
    else
        ring_remove(&r->conn->arriving);
    http_request_recycle(r);
}
