/*
 * lend: a worker's side of requests that the owner serves: they wait here, suspended, for what their twins
 * answer.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/cross_wire.h"

/* ---- going ---- */

static enum MHD_Result put_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                  const char *value, size_t value_len)
{
    struct wr *w = cls;
    uint32_t lens[] = {(uint32_t)key_len, (uint32_t)value_len};

    (void)kind;
    wr_bytes(w, lens, sizeof lens);
    wr_bytes(w, key, key_len);
    wr_bytes(w, value, value_len);
    return MHD_YES;
}

/* Each slice points into the target's bytes, or to nothing. */
static void put_span(struct wr *w, const struct http_request *r, struct slice s)
{
    struct cross_span span = {.at = s.len ? (uint32_t)(s.ptr - r->raw_target.buf) : 0,
                              .len = (uint32_t)s.len};

    wr_bytes(w, &span, sizeof span);
}

static void put_target(struct wr *w, const struct http_request *r)
{
    for (size_t i = 0; i < r->target.segment_count; i++)
        put_span(w, r, r->target.segments[i]);
    for (size_t i = 0; i < r->target.param_count; i++) {
        put_span(w, r, r->target.params[i].name);
        put_span(w, r, r->target.params[i].value);
    }
    wr_slice(w, wr_written(&r->raw_target));
}

static void fill(struct cross_request *m, const struct http_request *r)
{
    *m = (struct cross_request){
        .home = r->id,
        .route = r->route,
        .match = r->match,
        .admission = r->admission,
        .timing = r->timing,
        .body = r->body,
        .started_us = r->started_us,
        .segments = (uint32_t)r->target.segment_count,
        .params = (uint32_t)r->target.param_count,
        .target_len = (uint32_t)r->raw_target.len,
        .trace_len = r->trace_len,
        .traceparent_len = r->traceparent_len,
        .is_head = r->is_head,
        .is_1_0 = r->is_1_0,
        .is_secure = r->is_secure,
        .has_origins = r->has_origins,
    };
    memcpy(m->method, r->method, sizeof m->method);
    memcpy(m->trace, r->trace, r->trace_len + 1);
    memcpy(m->traceparent, r->traceparent, r->traceparent_len + 1);
    snprintf(m->origin, sizeof m->origin, "%s", r->origin);
}

static bool send_request(struct channel *owner, const struct http_request *r)
{
    struct cross_request m;
    struct wr *w = channel_begin(owner, HTTP_CROSS_REQUEST);
    size_t at, before;

    if (!w)
        return false;
    fill(&m, r);
    at = w->len;
    wr_bytes(w, &m, sizeof m);
    put_target(w, r);
    before = w->len;
    MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, put_header, w);
    if (wr_ok(w)) {
        m.headers_len = (uint32_t)(w->len - before);
        memcpy(w->buf + at, &m, sizeof m);
    }
    return channel_end(owner);
}

void http_request_lend(struct http_request *r)
{
    struct http_server *s = r->server;

    if (channel_is_full(s->config.owner) || !send_request(s->config.owner, r)) {
        http_answer_overloaded(s, r->id, "The worker that owns the node has too much to do.");
        return;
    }
    s->stats.lent++;
    r->is_lent = true;
    r->twin = 0;
    s->body_bytes -= r->body.len;
    wr_init(&r->body, 0); /* it has gone along */
}

void http_lend_gone(struct http_server *s, struct http_request *r)
{
    /* (A twin that has not told its id yet is told when it does.) */
    if (r->twin)
        (void)CROSS_SEND(s->config.owner, HTTP_CROSS_GONE, ((struct cross_gone){r->twin}));
}

/* ---- what comes back ---- */

static void adopted(struct http_server *s, const struct cross_adopted *m)
{
    struct http_request *r = idtab_get(&s->requests, m->home);

    if (r)
        r->twin = m->twin;
    else
        (void)CROSS_SEND(s->config.owner, HTTP_CROSS_GONE, ((struct cross_gone){m->twin}));
}

static void answered(struct http_server *s, const struct cross_answer *m, struct slice trace)
{
    struct http_request *r = idtab_remove(&s->requests, m->home);

    if (!r) {
        if (m->response)
            MHD_destroy_response(m->response);
        http_note_report(s, m->note, trace);
        return;
    }
    mem_free(r->note);
    r->note = m->note;
    r->response = m->response;
    r->status = m->status;
    r->code = m->code;
    r->bytes_out = m->bytes_out;
    r->timing = m->timing;
    if (!http_sending_begin(r, m->held)) {
        MHD_destroy_response(r->response);
        http_sending_refuse(r);
    }
    http_request_finish(r);
}

/* ---- event streams ---- */

static ssize_t content(void *cls, uint64_t position, char *to, size_t room)
{
    struct http_request *r = cls;
    struct http_remote *remote = r->reader.remote;
    size_t n = remote->data.len - remote->at;

    (void)position;
    r->conn->listener->has_moved = true;
    if (r->reader.is_cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == 0 && remote->is_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        http_reader_rest(r);
        return 0;
    }
    n = n < room ? n : room;
    memcpy(to, remote->data.buf + remote->at, n);
    remote->at += n;
    remote->taken += n;
    r->bytes_out += n;
    if (remote->at == remote->data.len || remote->taken >= CROSS_WINDOW / 2) {
        (void)CROSS_SEND(r->server->config.owner, HTTP_CROSS_CREDIT,
                         ((struct cross_credit){remote->twin, remote->taken}));
        remote->taken = 0;
    }
    if (remote->at == remote->data.len) {
        remote->at = 0;
        wr_fini(&remote->data); /* most streams are silent most of the time */
        wr_init(&remote->data, SIZE_MAX);
    }
    return (ssize_t)n;
}

static struct http_remote *remote_new(struct http_server *s, struct http_request *r, uint64_t twin)
{
    struct http_remote *remote = mem_zalloc(sizeof *remote);

    if (!remote)
        return NULL;
    remote->id = idtab_add(&s->remotes, r);
    if (!remote->id) {
        mem_free(remote);
        return NULL;
    }
    remote->twin = twin;
    wr_init(&remote->data, SIZE_MAX);
    return remote;
}

static bool open_stream(struct http_server *s, struct http_request *r, const struct cross_stream *m)
{
    struct http_remote *remote = m->twin ? remote_new(s, r, m->twin) : NULL;

    if (m->twin && !remote)
        return false;
    r->reader.remote = remote;
    if (!http_reader_respond(r, m->media, content)) {
        if (remote)
            http_lend_close(r);
        return false;
    }
    if (!remote)
        return true;
    r->reader.is_open = true;
    s->streams.readers++;
    http_reader_bound_socket(r);
    return CROSS_SEND(s->config.owner, HTTP_CROSS_READING, ((struct cross_reading){m->twin, remote->id}));
}

static void stream_came(struct http_server *s, const struct cross_stream *m, struct slice trace)
{
    struct http_request *r = idtab_remove(&s->requests, m->home);

    if (!r || !open_stream(s, r, m)) {
        if (m->twin && (!r || !r->reader.remote))
            (void)CROSS_SEND(s->config.owner, HTTP_CROSS_READ, ((struct cross_read){m->twin}));
        if (!r) {
            http_note_report(s, m->note, trace);
            return;
        }
    }
    mem_free(r->note);
    r->note = m->note;
    http_request_finish(r);
}

static void data_came(struct http_server *s, struct slice body)
{
    struct cross_data m;
    struct http_request *r;

    memcpy(&m, body.ptr, sizeof m);
    r = idtab_get(&s->remotes, m.reader);
    if (!r)
        return;
    wr_slice(&r->reader.remote->data, slice_of(body.ptr + sizeof m, body.len - sizeof m));
    if (!wr_ok(&r->reader.remote->data))
        r->reader.is_cut = true; /* no memory: it shall come back and find what it missed */
    http_reader_wake(r);
}

static void stream_ended(struct http_server *s, const struct cross_stream_end *m)
{
    struct http_request *r = idtab_get(&s->remotes, m->reader);

    if (!r)
        return;
    r->reader.remote->is_ended = true;
    http_reader_wake(r);
}

/* The reader is none any more; what its twin says from now on is not heard. */
void http_lend_close(struct http_request *r)
{
    struct http_server *s = r->server;
    struct http_remote *remote = r->reader.remote;

    ring_remove(&r->waiting);
    (void)CROSS_SEND(s->config.owner, HTTP_CROSS_READ, ((struct cross_read){remote->twin}));
    idtab_remove(&s->remotes, remote->id);
    wr_fini(&remote->data);
    mem_free(remote);
    s->streams.readers -= r->reader.is_open;
    r->reader = (struct http_reader){0};
}

void http_lend_end_all(struct http_server *s)
{
    uint32_t cursor = 0;
    struct http_request *r;

    while ((r = idtab_next(&s->remotes, &cursor))) {
        r->reader.remote->is_ended = true;
        http_reader_wake(r);
    }
}

static struct slice tail_of(struct slice body, size_t head)
{
    return slice_of(body.ptr + head, body.len - head);
}

void http_cross_at_worker(struct http_server *s, enum http_cross kind, struct slice body)
{
    const void *m = body.ptr;

    switch (kind) {
    case HTTP_CROSS_CONN: http_guest_came(s, m); break;
    case HTTP_CROSS_ADOPTED: adopted(s, m); break;
    case HTTP_CROSS_ANSWER: answered(s, m, tail_of(body, sizeof(struct cross_answer))); break;
    case HTTP_CROSS_STREAM: stream_came(s, m, tail_of(body, sizeof(struct cross_stream))); break;
    case HTTP_CROSS_DATA: data_came(s, body); break;
    case HTTP_CROSS_STREAM_END: stream_ended(s, m); break;
    default: break;
    }
}
