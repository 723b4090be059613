/*
 * judge: a request's head: whether it can be trusted to be one, where it leads, and who may go there. What is
 * wrong is answered before the body counts.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "http/duration.h"
#include "http/internal.h"
#include "http/nearest.h"
#include "http/text.h"

enum { DETAIL_MAX = 320, PERHAPS_MAX = 100, SHOWN_NAME_MAX = 100 };

/* ---- gathering ---- */

struct gathering {
    struct http_head *head;
    bool is_exact;
    uintptr_t next; /* where the next line must begin */
};

/*
 * libmicrohttpd 0.9.7x takes a bare LF for the end of a line, joins folded lines, and cuts a value at a NUL,
 * where other implementations do not, and does not tell. But it leaves the head as it came, in one piece,
 * with each line's CR and LF overwritten: so that a value that is not followed by the next name two bytes on
 * has had something done to it. Addresses are compared, nothing is read.
 */
static enum MHD_Result gather_field(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                    const char *value, size_t value_len)
{
    struct gathering *g = cls;

    (void)kind;
    if (g->is_exact && (uintptr_t)key != g->next)
        g->head->is_malformed = true;
    g->next = (uintptr_t)value + value_len + 2;
    http_head_add(g->head, slice_of(key, key_len), slice_of(value, value_len));
    return MHD_YES;
}

/* Of method, target and version, each was cut at its blank, or the target before it, at a NUL. */
static bool is_line_whole(const struct http_request *r, const char *method, const char *version)
{
    return (uintptr_t)version == (uintptr_t)method + strlen(method) + 1 + r->raw_target.len + 1;
}

/* size: of the head; 0: not known. */
static void gather(struct http_request *r, const char *method, const char *version, size_t size,
                   struct http_head *head)
{
    struct gathering g = {.head = head,
                          .is_exact = r->server->is_library_known,
                          .next = (uintptr_t)version + strlen(version) + 2};

    MHD_get_connection_values_n(r->mhd, MHD_HEADER_KIND, gather_field, &g);
    if (g.is_exact && wr_ok(&r->raw_target) && !is_line_whole(r, method, version))
        head->is_malformed = true;
    if (g.is_exact && size && g.next + 2 != (uintptr_t)method + size)
        head->is_malformed = true;
    memcpy(r->known, head->known, sizeof r->known);
}

static bool is_visible(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7E)
            return false;
    }
    return true;
}

/* bytes random ones, a multiple of four, in hex, at out; gives the place behind them. No NUL. */
static char *put_random(struct http_server *s, char *out, size_t bytes)
{
    uint8_t random[TRACE_ID_BYTES];

    http_random(s, random, bytes);
    for (size_t i = 0; i < bytes; i += 4, out += 8) {
        uint32_t four;

        memcpy(&four, random + i, sizeof four);
        text_put_hex(out, four);
    }
    return out;
}

/* The beginning of a trace of our own, which nobody has said to record. */
static void make_traceparent(struct http_server *s, char out[TRACEPARENT_LEN + 1])
{
    char *p = out;

    memcpy(p, "00-", 3);
    p = put_random(s, p + 3, TRACE_ID_BYTES);
    *p++ = '-';
    p = put_random(s, p, PARENT_ID_BYTES);
    memcpy(p, "-00", sizeof "-00");
}

/* version "-" trace-id "-" parent-id "-" flags, lower case, neither id zero; of version 00, the only one
 * there is. */
static bool is_traceparent(struct slice s)
{
    static const char zeroes[] = "00000000000000000000000000000000";

    if (s.len != TRACEPARENT_LEN || memcmp(s.ptr, "00-", 3) != 0)
        return false;
    for (size_t i = 3; i < s.len; i++) {
        bool is_dash = i == 35 || i == 52;

        if (is_dash ? s.ptr[i] != '-' : text_hex_digit(s.ptr[i]) < 0 || (s.ptr[i] >= 'A' && s.ptr[i] <= 'F'))
            return false;
    }
    return memcmp(s.ptr + 3, zeroes, 32) != 0 && memcmp(s.ptr + 36, zeroes, 16) != 0;
}

static void set_trace(struct http_request *r, const struct http_head *head)
{
    struct slice given = head->request_id;

    if (given.len >= 1 && given.len <= TRACE_MAX && is_visible(given)) {
        memcpy(r->trace, given.ptr, given.len);
        r->trace[given.len] = '\0';
        r->trace_len = given.len;
    } else {
        *put_random(r->server, r->trace, TRACE_RANDOM_BYTES) = '\0';
        r->trace_len = TRACE_RANDOM_BYTES * 2;
    }
    if (is_traceparent(head->traceparent)) {
        memcpy(r->traceparent, head->traceparent.ptr, TRACEPARENT_LEN);
        r->traceparent[TRACEPARENT_LEN] = '\0';
    } else {
        make_traceparent(r->server, r->traceparent);
    }
    r->traceparent_len = TRACEPARENT_LEN;
}

/* ---- what is wrong with it; each gives false, having made the response ---- */

static bool refuse(struct http_request *r, const char *code, const char *parameter, const char *detail)
{
    http_request_refuse(r, &(struct http_problem){.code = code, .parameter = parameter, .detail = detail});
    return false;
}

bool http_request_refuse_overloaded(struct http_request *r, const char *detail)
{
    http_request_refuse(r, &(struct http_problem){.code = "overloaded",
                                                  .detail = detail,
                                                  .is_retryable = true,
                                                  .retry_after_s = HTTP_OVERLOAD_RETRY_S});
    return false;
}

static bool judge_target(struct http_request *r, enum http_target_result result)
{
    switch (result) {
    case HTTP_TARGET_OK: return true;
    case HTTP_TARGET_BAD_FORM:
        return refuse(r, "bad-parameter", NULL, "The request target is neither a path nor an http URL.");
    case HTTP_TARGET_BAD_ESCAPE:
        return refuse(r, "bad-parameter", NULL,
                      "In the URL a '%' is not followed by two hexadecimal digits.");
    case HTTP_TARGET_NUL: return refuse(r, "bad-parameter", NULL, "The URL contains %00.");
    case HTTP_TARGET_TOO_MANY:
        return refuse(r, "bad-parameter", NULL, "The URL has too many query parameters.");
    case HTTP_TARGET_EMPTY_SEGMENT: break;
    }
    return refuse(
        r, "not-found", NULL,
        "There is no such path: it has an empty segment, ends in a slash, or is deeper than any other.");
}

/* To a browser that asks first on behalf of a page of another origin, which the guard has let in: all that
 * clients may send. */
static bool answer_options(struct http_request *r, const char *allow)
{
    const struct http_header headers[] = {
        {MHD_HTTP_HEADER_ALLOW, allow},
        {"Access-Control-Allow-Methods", allow},
        {"Access-Control-Allow-Headers",
         "Authorization, Content-Type, Accept, Last-Event-ID, Prefer, Grpc-Timeout, If-None-Match, "
         "Idempotency-Key, X-Request-Id, traceparent"},
        {"Access-Control-Max-Age", "600"},
    };

    http_request_respond(r, &(struct http_response){.status = MHD_HTTP_NO_CONTENT,
                                                    .headers = headers,
                                                    .header_count = r->origin[0] ? ARRAY_LEN(headers) : 1});
    return false;
}

/* Served here too, were it not for --admin-listen. */
static bool is_at_admin(const struct http_request *r)
{
    struct http_match match;

    return r->server->admin_router && http_router_find(r->server->admin_router, slice_of_str(r->method),
                                                       r->target.segments, r->target.segment_count, &match);
}

/* "; perhaps POST /v1/call is meant", or nothing. */
static const char *perhaps(const struct http_request *r, bool has_method, char ret[static PERHAPS_MAX])
{
    const struct http_config *c = &r->server->config;
    const struct http_route *nearest =
        r->target.is_asterisk ? NULL
                              : http_nearest(c->routes, c->route_count, slice_of_str(r->method), has_method,
                                             r->target.segments, r->target.segment_count);

    ret[0] = '\0';
    if (nearest)
        snprintf(ret, PERHAPS_MAX, "; perhaps %s %s is meant", nearest->method, nearest->pattern);
    return ret;
}

static bool refuse_path(struct http_request *r)
{
    char detail[DETAIL_MAX], nearest[PERHAPS_MAX];

    if (r->conn->listener->config.is_admin)
        return refuse(
            r, "not-found", NULL,
            "Here are /metrics, /livez, /readyz and /healthz alone; the API is where --listen says.");
    if (is_at_admin(r))
        return refuse(r, "not-found", NULL, "It is where --admin-listen says, and nowhere else.");
    snprintf(detail, sizeof detail, "There is no such path%s. GET /openapi.json lists those there are.",
             perhaps(r, false, nearest));
    return refuse(r, "not-found", NULL, detail);
}

static bool judge_route(struct http_request *r)
{
    struct slice method = slice_of_str(r->method);
    struct http_header allow = {.name = MHD_HTTP_HEADER_ALLOW};
    char detail[DETAIL_MAX], nearest[PERHAPS_MAX];
    bool is_options = slice_eq_str(method, "OPTIONS");
    bool is_found =
        !r->target.is_asterisk && http_router_find(r->conn->listener->router, method, r->target.segments,
                                                   r->target.segment_count, &r->match);

    /* A browser that asks first must not be told that there is no such path: the page would not learn it. */
    if (is_options && !is_found && (r->target.is_asterisk || r->origin[0]))
        return answer_options(r, "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    if (!is_found)
        return refuse_path(r);
    r->route = r->match.route;
    if (r->route)
        return true;
    if (is_options)
        return answer_options(r, r->match.allow);
    allow.value = r->match.allow;
    snprintf(detail, sizeof detail, "The methods of %s are %s%s.", r->match.pattern, allow.value,
             perhaps(r, true, nearest));
    http_request_refuse(
        r, &(struct http_problem){
               .code = "method-not-allowed", .detail = detail, .headers = &allow, .header_count = 1});
    return false;
}

static void put_anonymous(struct http_admission *a)
{
    static const char name[] = "anonymous";

    memcpy(a->principal, name, sizeof name);
    a->principal_len = sizeof name - 1;
}

/* Who asks? Whoever is not admitted learns nothing of what is wrong with the rest. */
static bool judge_caller(struct http_request *r, const struct http_head *head)
{
    const struct http_config *c = &r->server->config;
    const struct http_caller caller = {
        .route = r->route,
        .authorization = head->authorization,
        .authorization_count = head->authorization_count,
        .cookie = head->cookie,
        .cookie_count = head->cookie_count,
        .cert_subject = r->conn->shake.subject,
        .uid = r->conn->uid,
        .address = r->conn->address[0] ? r->conn->address : NULL,
        .is_get = strcmp(r->route->method, MHD_HTTP_METHOD_GET) == 0,
        .is_secure = http_request_is_secure(r),
    };
    struct http_problem problem = {0};
    bool is_admitted;

    if (!c->admit || r->route->is_public || r->conn->listener->config.is_admin) {
        put_anonymous(&r->admission);
        return true;
    }
    http_request_time(r, HTTP_STAGE_READ);
    is_admitted = c->admit(c->ctx, r, &caller, &r->admission, &problem);
    http_request_time(r, HTTP_STAGE_AUTH);
    if (is_admitted)
        return true;
    http_request_refuse(r, &problem);
    return false;
}

/* How a route takes a parameter. */
enum taking { TAKES_NOT, TAKES_ONCE, TAKES_MANY };

static enum taking takes(const struct http_route *route, struct slice name)
{
    for (size_t i = 0; route->query && route->query[i]; i++) {
        const char *q = route->query[i];
        size_t len = strlen(q);
        bool is_many = len && q[len - 1] == '*';

        if (slice_eq(name, slice_of(q, len - is_many)))
            return is_many ? TAKES_MANY : TAKES_ONCE;
    }
    return TAKES_NOT;
}

static bool refuse_parameter(struct http_request *r, struct slice name, const char *what)
{
    char detail[DETAIL_MAX], parameter[SHOWN_NAME_MAX + 1];
    int len = name.len < SHOWN_NAME_MAX ? (int)name.len : SHOWN_NAME_MAX;

    snprintf(parameter, sizeof parameter, "%.*s", len, (const char *)name.ptr);
    snprintf(detail, sizeof detail, "The query parameter %s %s.", parameter, what);
    return refuse(r, "bad-parameter", parameter, detail);
}

/* "is unknown here: there are timeout, null". */
static void list_query(const struct http_route *route, char *ret, size_t cap)
{
    size_t n = (size_t)snprintf(ret, cap, "is unknown here%s", route->query ? ": there are" : "");

    for (size_t i = 0; route->query && route->query[i] && n < cap; i++) {
        const char *q = route->query[i];

        n += (size_t)snprintf(ret + n, cap - n, "%s %.*s", i ? "," : "", (int)strcspn(q, "*"), q);
    }
}

static bool judge_query(struct http_request *r)
{
    const struct http_target *t = &r->target;
    char known[DETAIL_MAX / 2];

    for (size_t i = 0; i < t->param_count; i++) {
        enum taking taking = takes(r->route, t->params[i].name);

        if (taking == TAKES_NOT) {
            list_query(r->route, known, sizeof known);
            return refuse_parameter(r, t->params[i].name, known);
        }
        for (size_t k = 0; taking == TAKES_ONCE && k < i; k++) {
            if (slice_eq(t->params[k].name, t->params[i].name))
                return refuse_parameter(r, t->params[i].name, "is repeated");
        }
    }
    return true;
}

bool http_request_refuse_size(struct http_request *r)
{
    char detail[DETAIL_MAX];

    r->server->stats.over_max_body++;
    snprintf(detail, sizeof detail, HTTP_TOO_LARGE_DETAIL, r->server->limits.max_body);
    return refuse(r, "body-too-large", NULL, detail);
}

static bool refuse_coding(struct http_request *r)
{
    const struct http_header understood = {MHD_HTTP_HEADER_ACCEPT_ENCODING, "identity"};

    http_request_refuse(
        r, &(struct http_problem){.code = "unsupported-media-type",
                                  .parameter = "header:Content-Encoding",
                                  .detail = "A body is taken as it is: send it without Content-Encoding.",
                                  .headers = &understood,
                                  .header_count = 1});
    return false;
}

static bool judge_body(struct http_request *r, const struct http_head *head)
{
    if (r->route->body == HTTP_BODY_NONE && http_head_has_body(head))
        return refuse(r, "bad-parameter", "header:Content-Length", "This request takes no body.");
    if (head->content_encoding.len && http_head_has_body(head))
        return refuse_coding(r);
    if (head->length > r->server->limits.max_body)
        return http_request_refuse_size(r);
    return true;
}

bool http_request_judge_load(struct http_request *r)
{
    struct http_server *s = r->server;

    if (r->is_late || s->is_stopping)
        return http_request_refuse_overloaded(r, "The gateway is stopping.");
    if (r->conn->over == HTTP_OVER_ALL)
        return http_request_refuse_overloaded(r, "There are too many connections (--max-connections).");
    if (r->conn->over == HTTP_OVER_ADDRESS)
        return http_request_refuse_overloaded(
            r, "There are too many connections from this address (--max-connections-per-address).");
    if (http_server_in_flight(s) < s->limits.max_in_flight)
        return true;
    s->stats.over_max_in_flight++;
    http_request_refuse_overloaded(r, "Too many requests are waiting for an answer (--max-in-flight).");
    return false;
}

static size_t head_size(const struct http_request *r)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return size ? size->header_size : 0;
}

static bool judge_head_size(struct http_request *r, size_t size)
{
    char detail[DETAIL_MAX];

    if (size <= r->server->limits.max_headers)
        return true;
    r->server->stats.over_max_headers++;
    snprintf(detail, sizeof detail,
             "The request line and headers may have at most %zu bytes (--max-headers).",
             r->server->limits.max_headers);
    return refuse(r, "headers-too-large", NULL, detail);
}

static void keep_method(struct http_request *r, const char *method)
{
    size_t len = strnlen(method, METHOD_MAX);

    memcpy(r->method, method, len);
    r->method[len] = '\0';
}

static const char *origin_of(const struct http_guard *guard, const struct http_head *head)
{
    const char *origin = http_guard_origin(guard, head);

    return origin ? origin : "";
}

bool http_request_judge(struct http_request *r, const char *method, const char *version,
                        struct http_head *head, bool *ret_must_close)
{
    const struct http_guard *guard = &r->conn->listener->guard;
    enum http_target_result target = http_target_parse(r->raw_target.buf, r->raw_target.len, &r->target);
    struct http_refusal refusal;
    size_t size = head_size(r);

    keep_method(r, method);
    r->is_head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    *head = (struct http_head){.is_1_0 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0,
                               .authority = r->target.authority};
    *ret_must_close = false;
    r->is_1_0 = head->is_1_0;
    gather(r, method, version, size, head);
    set_trace(r, head);
    if (head->prefer.len && http_prefers(head->prefer, "timing"))
        http_timing_start(&r->timing, r->started_us);
    if (guard->origins)
        snprintf(r->origin, sizeof r->origin, "%s", origin_of(guard, head));
    /* The guard comes first: who is refused by it learns nothing else. */
    if (!http_guard_judge(guard, head, &refusal)) {
        *ret_must_close = refusal.must_close;
        r->server->stats.malformed_requests += refusal.must_close;
        if (refusal.must_close)
            LOG(LOG_INFO, "http-malformed", LOG_STR("detail", refusal.detail));
        return refuse(r, refusal.code, refusal.parameter, refusal.detail);
    }
    if (!http_request_judge_load(r)) {
        *ret_must_close = r->is_late || r->server->is_stopping || r->conn->over;
        return false;
    }
    return judge_head_size(r, size) && judge_target(r, target) && judge_route(r) && judge_caller(r, head) &&
           judge_query(r) && judge_body(r, head);
}
