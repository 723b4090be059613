/*
 * reading: how a client wants to read an event stream, and from where on: Accept, Last-Event-ID, query.
 */
#include <inttypes.h>
#include <stdio.h>

#include "http/internal.h"
#include "http/text.h"

enum { DETAIL_MAX = 160 };

static const enum http_media offers[] = {HTTP_MEDIA_EVENT_STREAM, HTTP_MEDIA_NDJSON};

static bool read_media(struct http_server *s, struct http_request *req, enum http_media *ret)
{
    struct slice accept = {0};

    http_request_known(req, HTTP_KNOWN_ACCEPT, &accept);
    if (http_media_choose(accept, offers, sizeof offers / sizeof offers[0], ret) == ERR_NONE)
        return true;
    http_answer_problem(
        s, http_request_id(req),
        &(struct http_problem){.code = "not-acceptable",
                               .parameter = "header:Accept",
                               .detail = "Events come as text/event-stream or application/x-ndjson."});
    return false;
}

static bool read_ping(struct http_server *s, struct http_request *req, bool *ret)
{
    struct slice text;

    *ret = false;
    if (!http_request_query(req, "ping", &text) || slice_eq_str(text, "comment"))
        return true;
    *ret = slice_eq_str(text, "event");
    if (!*ret)
        http_answer_bad_parameter(s, req, "ping", "ping is either event or comment.");
    return *ret;
}

static void read_id(struct slice text, struct http_reading *ret)
{
    if (slice_eq_str(text, "earliest"))
        ret->resume = HTTP_RESUME_EARLIEST;
    else if (http_event_id_read(text, ret->epoch, &ret->seq))
        ret->resume = HTTP_RESUME_AFTER;
    else
        ret->resume = HTTP_RESUME_UNKNOWN;
}

static bool read_resume(struct http_server *s, struct http_request *req, struct http_reading *ret)
{
    struct slice text, twin;
    bool has_one = http_request_query(req, "last_event_id", &text);
    bool has_twin = http_request_query(req, "Last-Event-ID", &twin);

    if (has_one && has_twin) {
        http_answer_bad_parameter(s, req, "last_event_id",
                                  "last_event_id and Last-Event-ID are the same: give one of them.");
        return false;
    }
    ret->resume = HTTP_RESUME_NOT;
    /* An empty one is how EventSource forgets its id. */
    if (http_request_header(req, "last-event-id", &text) && text.len)
        read_id(text, ret);
    else if (has_twin && twin.len)
        read_id(twin, ret);
    else if (has_one && http_request_query(req, "last_event_id", &text) && text.len)
        read_id(text, ret);
    return true;
}

bool http_reading_of(struct http_server *s, struct http_request *req, struct http_reading *ret)
{
    const struct http_stream_limits *c = &s->limits.streams;

    *ret = (struct http_reading){0};
    return read_media(s, req, &ret->media) &&
           http_query_number(s, req, "heartbeat", c->min_heartbeat_ms, c->max_heartbeat_ms, c->heartbeat_ms,
                             &ret->heartbeat_ms) &&
           read_ping(s, req, &ret->is_ping_event) &&
           http_query_number(s, req, "linger", 0, c->max_linger_ms, c->linger_ms, &ret->linger_ms) &&
           read_resume(s, req, ret);
}
