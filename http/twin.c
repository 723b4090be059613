/*
 * twin: the owner's side of requests that workers lend: each is a request of this server as any other, but
 * for its connection, which is the worker's.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/cross_wire.h"
#include "http/text.h"

enum { PIECE_BYTES = 4096 };

/* False: there is no memory, or the worker is no more. */
static bool tell_worker(const struct http_server *s, unsigned worker, enum http_cross kind, const void *m,
                        size_t len, struct slice body)
{
    struct channel *home = s->workers[worker].channel;

    return home && channel_send(home, kind, m, len, body);
}

static bool tell(const struct http_request *r, enum http_cross kind, const void *m, size_t len,
                 struct slice body)
{
    return tell_worker(r->server, r->borrowed->worker, kind, m, len, body);
}

#define TELL(r, kind, message) tell((r), (kind), &(message), sizeof(message), (struct slice){0})

/* ---- its life ---- */

static void forget(struct http_request *r)
{
    struct http_server *s = r->server;

    if (r->response)
        MHD_destroy_response(r->response);
    http_note_report(s, r->note, http_request_trace(r)); /* which its worker has not had */
    r->note = NULL;
    idtab_remove(&s->twins, r->borrowed->id);
    mem_free(r->borrowed->headers);
    mem_free(r->borrowed);
    r->borrowed = NULL;
    http_request_recycle(r);
}

static struct slice spanned(const struct http_request *r, struct slice *spans)
{
    struct cross_span span;

    memcpy(&span, spans->ptr, sizeof span);
    *spans = slice_of(spans->ptr + sizeof span, spans->len - sizeof span);
    return slice_of(r->raw_target.buf + span.at, span.len);
}

/* The tail of the message: spans, the target's bytes, headers. */
static bool read_tail(struct http_request *r, const struct cross_request *m, struct slice tail)
{
    size_t spans_len = (m->segments + 2 * (size_t)m->params) * sizeof(struct cross_span);
    struct slice spans = slice_of(tail.ptr, spans_len);
    struct http_twin *t = r->borrowed;

    CHECK(tail.len == spans_len + m->target_len + m->headers_len);
    wr_bytes(&r->raw_target, tail.ptr + spans_len, m->target_len);
    t->headers = mem_alloc(m->headers_len + 1);
    if (!wr_ok(&r->raw_target) || !t->headers)
        return false;
    memcpy(t->headers, tail.ptr + spans_len + m->target_len, m->headers_len);
    t->headers_len = m->headers_len;
    r->target.authority = (struct slice){0};
    r->target.is_asterisk = false;
    for (r->target.segment_count = 0; r->target.segment_count < m->segments; r->target.segment_count++)
        r->target.segments[r->target.segment_count] = spanned(r, &spans);
    for (r->target.param_count = 0; r->target.param_count < m->params; r->target.param_count++) {
        r->target.params[r->target.param_count].name = spanned(r, &spans);
        r->target.params[r->target.param_count].value = spanned(r, &spans);
    }
    return true;
}

static void fill(struct http_request *r, const struct cross_request *m)
{
    r->phase = PHASE_HANDLING;
    r->route = m->route;
    r->match = m->match;
    r->admission = m->admission;
    r->timing = m->timing;
    r->started_us = m->started_us;
    r->is_head = m->is_head;
    r->is_1_0 = m->is_1_0;
    r->is_secure = m->is_secure;
    r->has_origins = m->has_origins;
    r->trace_len = m->trace_len;
    r->traceparent_len = m->traceparent_len;
    memcpy(r->method, m->method, sizeof r->method);
    memcpy(r->trace, m->trace, sizeof r->trace);
    memcpy(r->traceparent, m->traceparent, sizeof r->traceparent);
    memcpy(r->origin, m->origin, sizeof r->origin);
}

static struct http_request *twin_new(struct http_server *s, unsigned worker, const struct cross_request *m,
                                     struct slice tail)
{
    struct http_twin *t = mem_zalloc(sizeof *t);
    struct http_request *r = t ? http_request_new(s) : NULL;

    if (!r) {
        mem_free(t);
        return NULL;
    }
    *t = (struct http_twin){.worker = worker, .home = m->home, .credit = CROSS_WINDOW};
    r->borrowed = t;
    fill(r, m);
    t->id = idtab_add(&s->twins, r);
    r->id = t->id && read_tail(r, m, tail) ? idtab_add(&s->requests, r) : 0;
    s->twins_waiting += r->id != 0;
    if (r->id)
        return r;
    forget(r);
    return NULL;
}

static void refuse(struct http_server *s, unsigned worker, const struct cross_request *m)
{
    struct cross_answer answer = {.home = m->home}; /* its connection is closed */

    (void)tell_worker(s, worker, HTTP_CROSS_ANSWER, &answer, sizeof answer, (struct slice){0});
}

static void adopt(struct http_server *s, unsigned worker, struct slice body)
{
    const struct cross_request *m = (const void *)body.ptr;
    struct slice tail = slice_of(body.ptr + sizeof *m, body.len - sizeof *m);
    struct http_request *r = s->workers[worker].channel ? twin_new(s, worker, m, tail) : NULL;
    struct wr text = m->body;

    if (!r) {
        wr_fini(&text);
        refuse(s, worker, m);
        return;
    }
    wr_fini(&r->body);
    r->body = text;
    s->body_bytes += text.len;
    (void)TELL(r, HTTP_CROSS_ADOPTED, ((struct cross_adopted){m->home, r->borrowed->id}));
    r->route->handle(s->config.ctx, r);
    http_request_forget_body(r);
    if (r->borrowed->is_answered)
        forget(r);
    else if (r->phase == PHASE_HANDLING)
        r->phase = PHASE_WAITING;
}

/* The client has left. */
static void gone(struct http_server *s, uint64_t id)
{
    const struct http_request *r = idtab_get(&s->twins, id);

    if (r && idtab_get(&s->requests, r->id) == r)
        http_request_depart(s, r->id);
}

/* ---- what its handler asks ---- */

bool http_twin_header(const struct http_twin *t, const char *name, struct slice *ret)
{
    size_t at = 0;

    while (at < t->headers_len) {
        uint32_t lens[2];
        struct slice key, value;

        memcpy(lens, t->headers + at, sizeof lens);
        at += sizeof lens;
        key = slice_of(t->headers + at, lens[0]);
        value = slice_of(t->headers + at + lens[0], lens[1]);
        at += (size_t)lens[0] + lens[1];
        if (text_same_nocase(key, slice_of_str(name))) {
            *ret = text_trim(value);
            return true;
        }
    }
    return false;
}

/* ---- its answer ---- */

void http_twin_finish(struct http_request *r)
{
    struct cross_answer m = {
        .home = r->borrowed->home,
        .response = r->response,
        .note = r->note,
        .code = r->code,
        .bytes_out = r->bytes_out,
        .held = r->held,
        .timing = r->timing,
        .status = r->status,
    };
    bool is_handled = r->phase == PHASE_WAITING;

    if (r->borrowed->is_reading)
        return; /* http_twin_stream has said all */
    r->server->twins_waiting--;
    if (tell(r, HTTP_CROSS_ANSWER, &m, sizeof m, http_request_trace(r))) {
        r->response = NULL;
        r->note = NULL;
    }
    r->phase = PHASE_ANSWERED;
    r->borrowed->is_answered = true;
    if (is_handled)
        forget(r);
}

/* ---- an event stream ---- */

void http_twin_stream(struct http_request *r, enum http_media media)
{
    struct cross_stream m = {
        .home = r->borrowed->home, .twin = r->is_head ? 0 : r->borrowed->id, .media = media, .note = r->note};
    bool is_handled = r->phase == PHASE_WAITING;

    r->server->twins_waiting--;
    if (tell(r, HTTP_CROSS_STREAM, &m, sizeof m, http_request_trace(r)))
        r->note = NULL;
    r->borrowed->is_reading = !r->is_head;
    r->phase = PHASE_SENDING;
    if (!r->is_head) {
        r->server->sending++;
        return;
    }
    r->borrowed->is_answered = true;
    if (is_handled)
        forget(r);
}

void http_twin_pump(struct http_request *r)
{
    struct http_twin *t = r->borrowed;
    struct http_reader *rd = &r->reader;
    struct cross_data m = {.reader = t->reader};
    uint8_t piece[PIECE_BYTES];
    size_t n = 0;

    if (t->is_ended)
        return;
    while (t->credit > 0 &&
           (n = http_reader_write(r, piece, t->credit < sizeof piece ? t->credit : sizeof piece)) > 0) {
        if (!tell(r, HTTP_CROSS_DATA, &m, sizeof m, slice_of(piece, n)))
            rd->is_ending = true;
        t->credit -= n;
    }
    /* With nothing on its way it rests, and may be asked for a heartbeat. */
    r->phase = t->credit > 0 ? PHASE_RESTING : PHASE_SENDING;
    if (n == 0 && t->credit > 0 && rd->is_ending)
        t->is_ended = TELL(r, HTTP_CROSS_STREAM_END, ((struct cross_stream_end){t->reader}));
}

static struct http_request *reader_of(const struct http_server *s, uint64_t id)
{
    struct http_request *r = idtab_get(&s->twins, id);

    return r && r->borrowed->is_reading ? r : NULL;
}

static void reading(struct http_server *s, const struct cross_reading *m)
{
    struct http_request *r = reader_of(s, m->twin);

    if (!r)
        return;
    r->borrowed->reader = m->reader;
    r->phase = PHASE_RESTING;
    http_reader_wake(r);
}

static void credit(struct http_server *s, const struct cross_credit *m)
{
    struct http_request *r = reader_of(s, m->twin);

    if (!r)
        return;
    r->borrowed->credit += m->bytes;
    r->phase = PHASE_RESTING;
    http_reader_wake(r);
}

static void read_to_its_end(struct http_server *s, uint64_t id)
{
    struct http_request *r = reader_of(s, id);

    if (!r)
        return;
    s->sending--;
    http_reader_close(r);
    forget(r);
}

/* ---- messages ---- */

void http_cross_at_owner(struct http_server *owner, unsigned worker, enum http_cross kind, struct slice body)
{
    const void *m = body.ptr;

    switch (kind) {
    case HTTP_CROSS_REQUEST: adopt(owner, worker, body); break;
    case HTTP_CROSS_GONE: gone(owner, ((const struct cross_gone *)m)->twin); break;
    case HTTP_CROSS_READING: reading(owner, m); break;
    case HTTP_CROSS_CREDIT: credit(owner, m); break;
    case HTTP_CROSS_READ: read_to_its_end(owner, ((const struct cross_read *)m)->twin); break;
    case HTTP_CROSS_CLOSED: http_guest_closed(owner, ((const struct cross_closed *)m)->guest); break;
    default: break;
    }
}

void http_cross_say_bye(struct http_server *owner)
{
    struct http_request *r;
    uint32_t cursor = 0;

    http_streams_say_bye(owner);
    while ((r = idtab_next(&owner->twins, &cursor))) {
        if (!r->borrowed->is_reading || !r->borrowed->reader)
            continue;
        ring_remove(&r->waiting); /* of those that are ready */
        r->reader.is_ready = false;
        http_twin_pump(r);
    }
}

void http_server_part_worker(struct http_server *owner, unsigned worker)
{
    owner->workers[worker].channel = NULL;
}

void http_server_remove_worker(struct http_server *owner, unsigned worker)
{
    struct http_request *r;
    uint32_t cursor = 0;

    while ((r = idtab_next(&owner->twins, &cursor))) {
        if (r->borrowed->worker != worker)
            continue;
        if (r->borrowed->is_reading)
            read_to_its_end(owner, r->borrowed->id);
        else
            http_request_depart(owner, r->id);
    }
    http_guests_remove(owner, worker);
}
