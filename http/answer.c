/*
 * answer: what a request is answered with: responses, packed if it is worth it, and problems. From then on
 * its id finds nothing.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/cross_wire.h"
#include "http/negotiate.h"
#include "http/problem.h"

enum {
    PACK_OVER = 1024,       /* bytes of a body: less is not worth it */
    PACK_AT_MOST = 1 << 20, /* some 10 ms of packing */
    PACK_LEVEL = 1,
};
enum { PROBLEM_MAX = 1 << 20, RETRY_TEXT_MAX = 16, PROBLEM_HEADERS_MAX = 16 };

static struct MHD_Response *make(const struct http_request *r, const struct http_response *in)
{
    struct MHD_Response *out =
        MHD_create_response_from_buffer_with_free_callback(in->body_len, in->body, mem_free);

    if (!out) {
        mem_free(in->body);
        LOG(LOG_ERROR, "no-memory-for-response");
        return NULL;
    }
    http_response_dress(out, r, in);
    return out;
}

/* What is left until the answer's head is written. */
static void time_last(struct http_request *r)
{
    http_request_time(r, http_timing_last(&r->timing, r->phase >= PHASE_HANDLING, r->phase == PHASE_WAITING));
}

/* ---- gzip ---- */

static bool is_worth_packing(const struct http_response *in)
{
    if (in->body_len <= PACK_OVER || !in->content_type || !strstr(in->content_type, "json"))
        return false;
    for (size_t i = 0; i < in->header_count; i++) {
        if (strcmp(in->headers[i].name, MHD_HTTP_HEADER_CONTENT_ENCODING) == 0)
            return false;
    }
    return true;
}

static bool is_packing_liked(const struct http_request *r)
{
    struct slice accept;

    return http_request_known(r, HTTP_KNOWN_ACCEPT_ENCODING, &accept) && http_gzip_is_liked(accept);
}

/* Puts the body in gzip if the client likes that and it becomes shorter. */
static bool pack(struct http_request *r, struct http_response *in)
{
    struct http_server *s = r->server;
    uint8_t *packed;
    size_t len;

    if (in->body_len > PACK_AT_MOST || !is_packing_liked(r))
        return false;
    if (!s->gzip)
        s->gzip = http_gzip_new(PACK_LEVEL);
    if (!s->gzip || http_gzip_pack(s->gzip, slice_of(in->body, in->body_len), &packed, &len) != ERR_NONE)
        return false;
    mem_free(in->body);
    in->body = packed;
    in->body_len = len;
    return true;
}

void http_request_respond(struct http_request *r, const struct http_response *response)
{
    struct http_response in = *response;
    bool is_worth = is_worth_packing(&in), is_packed = is_worth && pack(r, &in);

    time_last(r);
    if (!http_sending_begin(r, in.body_len)) {
        mem_free(in.body);
        http_sending_refuse(r);
        return;
    }
    r->status = in.status;
    r->bytes_out = in.content_type && !r->is_head ? in.body_len : 0;
    r->response = make(r, &in);
    if (r->response && is_packed)
        http_response_add(r->response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    if (r->response && is_worth)
        http_response_add(r->response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
}

/* The response that p is, as far as it fits: a reason of any size must not cost us the rest. */
static struct http_response problem_response(const struct http_request *r, const struct http_problem *p)
{
    struct http_problem shorter = *p;
    struct http_response out = {.status = http_problem_status(p),
                                .content_type = http_media_name(HTTP_MEDIA_PROBLEM)};
    struct wr w;

    wr_init(&w, PROBLEM_MAX + p->reason.len + p->stacktrace.len);
    http_problem_write(&w, p, slice_of(r->trace, r->trace_len));
    if (!wr_ok(&w)) {
        shorter.reason = shorter.stacktrace = (struct slice){0};
        wr_reset(&w);
        http_problem_write(&w, &shorter, slice_of(r->trace, r->trace_len));
    }
    if (wr_ok(&w))
        out.body = wr_take(&w, &out.body_len);
    wr_fini(&w);
    return out;
}

static bool has_header(const struct http_problem *p, const char *name)
{
    for (size_t i = 0; i < p->header_count; i++)
        if (strcmp(p->headers[i].name, name) == 0)
            return true;
    return false;
}

/* Adds what RFC 9110 wants beside the status; headers has room. */
static void add_problem_headers(struct http_response *out, const struct http_problem *p,
                                struct http_header headers[PROBLEM_HEADERS_MAX], char retry[RETRY_TEXT_MAX])
{
    size_t n = 0;

    if (p->retry_after_s) {
        snprintf(retry, RETRY_TEXT_MAX, "%u", p->retry_after_s);
        headers[n++] = (struct http_header){MHD_HTTP_HEADER_RETRY_AFTER, retry};
    }
    if (out->status == MHD_HTTP_UNAUTHORIZED && !has_header(p, MHD_HTTP_HEADER_WWW_AUTHENTICATE))
        headers[n++] = (struct http_header){MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"erlgate\""};
    for (size_t i = 0; i < p->header_count && n < PROBLEM_HEADERS_MAX; i++)
        headers[n++] = p->headers[i];
    out->headers = headers;
    out->header_count = n;
}

void http_request_refuse(struct http_request *r, const struct http_problem *p)
{
    struct http_response response = problem_response(r, p);
    struct http_header headers[PROBLEM_HEADERS_MAX];
    char retry[RETRY_TEXT_MAX];

    add_problem_headers(&response, p, headers, retry);
    r->code = p->code;
    http_request_respond(r, &response);
}

static bool send_bare(const struct http_conn *c, struct slice bytes)
{
    if (c->shake.tls)
        return gnutls_record_send(c->shake.session, bytes.ptr, bytes.len) > 0;
    return send(c->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
}

void http_request_cut_off(struct http_request *r)
{
    char detail[128], date[40];
    time_t now = time(NULL);
    struct tm tm;
    struct wr head, body;

    r->server->stats.over_max_body++;
    r->code = "body-too-large";
    snprintf(detail, sizeof detail, HTTP_TOO_LARGE_DETAIL, r->server->limits.max_body);
    wr_init(&head, PROBLEM_MAX);
    wr_init(&body, PROBLEM_MAX);
    http_problem_write(&body, &(struct http_problem){.code = "body-too-large", .detail = detail},
                       slice_of(r->trace, r->trace_len));
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    wr_printf(&head,
              "HTTP/1.1 413 Content Too Large\r\nDate: %s\r\nConnection: close\r\nContent-Type: %s\r\n"
              "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nServer: "
              "erlgate\r\nX-Request-Id: %s\r\n"
              "Content-Length: %zu\r\n\r\n",
              date, http_media_name(HTTP_MEDIA_PROBLEM), r->trace, body.len);
    wr_slice(&head, wr_written(&body));
    r->status = MHD_HTTP_CONTENT_TOO_LARGE;
    /* Nothing has been sent on this connection since the last answer, so that it fits, or the client reads
     * nothing. */
    if (wr_ok(&head) && wr_ok(&body) && send_bare(r->conn, wr_written(&head)))
        r->bytes_out = body.len;
    wr_fini(&head);
    wr_fini(&body);
}

void http_request_finish(struct http_request *r)
{
    struct http_server *s = r->server;
    bool was_waiting = r->phase == PHASE_WAITING;

    if (r->borrowed) {
        http_twin_finish(r);
        return;
    }
    r->phase = PHASE_ANSWERED;
    s->sending++;
    if (!was_waiting)
        return;
    http_wait_end(r);
}

void http_answer(struct http_server *s, uint64_t id, const struct http_response *response)
{
    struct http_request *r = idtab_remove(&s->requests, id);

    if (!r) {
        mem_free(response->body);
        return;
    }
    http_request_respond(r, response);
    http_request_finish(r);
}

void http_answer_problem(struct http_server *s, uint64_t id, const struct http_problem *p)
{
    struct http_request *r = idtab_remove(&s->requests, id);

    if (!r)
        return;
    http_request_refuse(r, p);
    http_request_finish(r);
}

void http_answer_overloaded(struct http_server *s, uint64_t id, const char *what)
{
    http_answer_problem(
        s, id,
        &(struct http_problem){.code = "overloaded",
                               .detail = what ? what : "Too many streams are open (--max-streams).",
                               .is_retryable = true,
                               .retry_after_s = HTTP_OVERLOAD_RETRY_S});
}

void http_request_depart(struct http_server *s, uint64_t id)
{
    struct http_request *r = idtab_remove(&s->requests, id);
    uint64_t tag;
    bool is_lent;

    if (!r)
        return;
    tag = r->tag;
    is_lent = r->is_lent;
    if (is_lent)
        http_lend_gone(s, r);
    http_request_finish(r); /* without a response */
    if (s->config.gone && !is_lent)
        s->config.gone(s->config.ctx, id, tag);
}
