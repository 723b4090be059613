/*
 * report: a request is over: the log, the counters and the user of the server (http_config.done) hear of it.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/internal.h"

enum { PATH_SHOWN_MAX = 1024 }; /* bytes of a path in the log */

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

void http_request_report(const struct http_request *r, bool is_stream)
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
