/*
 * The head of a request, as far as it is ours to take apart: target and route, the guard's walls, media
 * types, and how long a client waits.
 *
 * First byte: the guard's and the defaults' settings. First line: the request target. Each further line: a
 * field, `name: value`.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/utf8.h"
#include "http/document.h"
#include "http/duration.h"
#include "http/guard.h"
#include "http/gzip.h"
#include "http/negotiate.h"
#include "http/problem.h"
#include "http/router.h"
#include "http/target.h"
#include "http/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice take_line(struct slice *text)
{
    const uint8_t *end = text->len ? memchr(text->ptr, '\n', text->len) : NULL;
    struct slice line = end ? slice_of(text->ptr, (size_t)(end - text->ptr)) : *text;

    *text = end ? slice_of(end + 1, text->len - line.len - 1) : (struct slice){0};
    return line;
}

static bool is_within(struct slice part, struct slice whole)
{
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

/* ---- the target ---- */

static void no_handler(void *ctx, struct http_request *req)
{
    (void)ctx;
    (void)req;
    CHECK(!"called");
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/", .handle = no_handler},
    {.method = "GET", .pattern = "/v1/nodes", .handle = no_handler},
    {.method = "GET", .pattern = "/v1/nodes/{node}", .handle = no_handler},
    {.method = "DELETE", .pattern = "/v1/nodes/{node}", .handle = no_handler},
    {.method = "GET", .pattern = "/v1/nodes/{node}/ping", .handle = no_handler},
    {.method = "GET", .pattern = "/v1/nodes/monitor", .handle = no_handler},
    {.method = "POST", .pattern = "/v1/nodes/{node}/processes/{name}/call", .handle = no_handler},
    {.method = "POST", .pattern = "/v1/nodes/{node}/rpc/{module}/{function}", .handle = no_handler},
};

static void route(const struct http_target *t)
{
    static struct http_router *router;
    static const struct slice methods[] = {SLICE_LIT("GET"), SLICE_LIT("HEAD"), SLICE_LIT("POST"),
                                           SLICE_LIT("BREW")};
    struct http_match m;

    if (!router)
        CHECK(http_router_new(routes, ARRAY_LEN(routes), ~0u, &router) == ERR_NONE);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (!http_router_find(router, methods[i], t->segments, t->segment_count, &m))
            continue;
        CHECK(m.allow && strstr(m.allow, "OPTIONS"));
        for (size_t hole = 0; m.route && hole < HTTP_HOLES_MAX; hole++)
            CHECK(m.holes[hole] < HTTP_SEGMENTS_MAX);
    }
}

static void write_escaped(struct wr *w, struct slice s)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        wr_u8(w, '%');
        wr_u8(w, (uint8_t)digits[s.ptr[i] >> 4]);
        wr_u8(w, (uint8_t)digits[s.ptr[i] & 15]);
    }
}

/* What was decoded, escaped to the last byte, is decoded to the same. */
static void target_is_same(const struct http_target *t)
{
    static struct http_target again;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    for (size_t i = 0; i < t->segment_count; i++) {
        wr_u8(&w, '/');
        write_escaped(&w, t->segments[i]);
    }
    if (t->segment_count == 0)
        wr_u8(&w, '/');
    for (size_t i = 0; i < t->param_count; i++) {
        wr_u8(&w, i ? '&' : '?');
        write_escaped(&w, t->params[i].name);
        wr_u8(&w, '=');
        write_escaped(&w, t->params[i].value);
    }
    CHECK(wr_ok(&w));
    CHECK(http_target_parse(w.buf, w.len, &again) == HTTP_TARGET_OK);
    CHECK(again.segment_count == t->segment_count && again.param_count == t->param_count);
    for (size_t i = 0; i < t->segment_count; i++)
        CHECK(slice_eq(again.segments[i], t->segments[i]));
    for (size_t i = 0; i < t->param_count; i++)
        CHECK(slice_eq(again.params[i].name, t->params[i].name) &&
              slice_eq(again.params[i].value, t->params[i].value));
    wr_fini(&w);
}

/* Into copy, a block exactly as long as the line. */
static struct slice read_target(uint8_t *copy, size_t len, struct http_target *t)
{
    struct slice whole = slice_of(copy, len);

    if (http_target_parse(copy, len, t) != HTTP_TARGET_OK)
        return (struct slice){0};
    CHECK(t->segment_count <= HTTP_SEGMENTS_MAX && t->param_count <= HTTP_PARAMS_MAX);
    CHECK(is_within(t->authority, whole));
    for (size_t i = 0; i < t->segment_count; i++)
        CHECK(is_within(t->segments[i], whole) && t->segments[i].len > 0);
    for (size_t i = 0; i < t->param_count; i++)
        CHECK(is_within(t->params[i].name, whole) && is_within(t->params[i].value, whole));
    route(t);
    target_is_same(t);
    return t->authority;
}

/* ---- the fields ---- */

static void read_media(struct slice name, struct slice value)
{
    static const enum http_media streams[] = {HTTP_MEDIA_NDJSON, HTTP_MEDIA_EVENT_STREAM};
    enum http_media m = HTTP_MEDIA_PROBLEM;

    if (text_eq_nocase(name, "content-type")) {
        if (http_media_of_content(value, &m) == ERR_NONE)
            CHECK(m <= HTTP_MEDIA_ETF && http_media_name(m));
    } else if (text_eq_nocase(name, "accept")) {
        if (http_media_choose(value, http_media_terms, HTTP_MEDIA_TERMS, &m) == ERR_NONE)
            CHECK(m <= HTTP_MEDIA_ETF);
        if (http_media_choose(value, streams, ARRAY_LEN(streams), &m) == ERR_NONE)
            CHECK(m == HTTP_MEDIA_NDJSON || m == HTTP_MEDIA_EVENT_STREAM);
    }
}

static void read_words(struct slice value)
{
    struct slice rest = value, element;
    uint64_t n;

    while (text_take_element(&rest, &element))
        CHECK(is_within(element, value) && is_within(rest, value) && element.len > 0);
    if (text_read_uint(value, &n))
        CHECK(value.len > 0 && value.ptr[0] >= '0' && value.ptr[0] <= '9');
}

static void read_tags(struct slice name, struct slice value)
{
    if (text_eq_nocase(name, "if-none-match") && http_etag_matches(value, "W/\"abc\""))
        CHECK(memchr(value.ptr, '*', value.len) || memmem(value.ptr, value.len, "\"abc\"", 5));
    if (text_eq_nocase(name, "accept-encoding") && http_gzip_is_liked(value))
        CHECK(value.len >= 1);
}

static void note_wait(struct http_wait_input *in, struct slice name, struct slice value)
{
    if (text_eq_nocase(name, "timeout")) {
        in->has_timeout = true;
        in->timeout = value;
    } else if (text_eq_nocase(name, "prefer")) {
        in->has_prefer = true;
        in->prefer = value;
    } else if (text_eq_nocase(name, "grpc-timeout")) {
        in->has_grpc = true;
        in->grpc = value;
    }
}

static void choose_wait(const struct http_wait_input *in)
{
    const char *culprit = NULL;
    struct http_wait wait;

    if (http_wait_choose(in, &wait, &culprit) == ERR_NONE)
        CHECK(wait.ms >= 1 && wait.ms <= in->max_ms && wait.applied_s <= wait.ms / 1000);
    else
        CHECK(culprit);
}

/* ---- what is answered ---- */

static void problem_is_json(const struct http_refusal *refusal, struct slice any)
{
    struct http_problem p = {.code = refusal->code,
                             .detail = refusal->detail,
                             .parameter = refusal->parameter,
                             .line = 1,
                             .column = 2};
    json_error_t error;
    struct wr w;
    json_t *j;

    CHECK(refusal->code && http_problem_kind(refusal->code));
    CHECK(memchr(refusal->detail, 0, sizeof refusal->detail));
    CHECK(utf8_is_valid(slice_of_str(refusal->detail)));
    wr_init(&w, SIZE_MAX);
    http_problem_write(&w, &p, any);
    j = json_loadb((const char *)w.buf, w.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    CHECK(j && json_is_object(j));
    json_decref(j);
    wr_fini(&w);
}

static void judge(uint8_t setting, const struct http_head *head, struct slice any)
{
    static const char *const hosts[] = {"gate.example", "[fd00::1]:4370", "x.example:80", NULL};
    struct http_guard g = {.listen = setting & 1 ? "127.0.0.1" : "gate",
                           .is_any = setting & 2,
                           .hosts = setting & 4 ? hosts : NULL};
    struct http_refusal refusal = {0};

    if (http_guard_judge(&g, head, &refusal)) {
        CHECK(!head->is_malformed && head->length_count <= 1 && head->encoding_count <= 1);
        CHECK(!head->length_count || !head->encoding_count);
        CHECK(!head->host_count || http_guard_is_ours(&g, head->host));
    } else {
        problem_is_json(&refusal, any);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_target target;
    uint8_t setting = size ? data[0] : 0, *copy;
    struct slice text = slice_of(data + (size > 0), size - (size > 0)), line = take_line(&text), value = {0};
    struct http_head head = {.is_1_0 = setting & 8};
    struct http_wait_input wait = {.default_ms = 5000, .max_ms = setting & 16 ? 1 : 300000};

    copy = malloc(line.len ? line.len : 1);
    if (!copy)
        abort();
    if (line.len)
        memcpy(copy, line.ptr, line.len);
    head.authority = read_target(copy, line.len, &target);
    while (text.len) {
        const uint8_t *colon;
        struct slice name;

        line = take_line(&text);
        colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
        name = colon ? slice_of(line.ptr, (size_t)(colon - line.ptr)) : line;
        value = colon ? slice_of(colon + 1, line.len - name.len - 1) : (struct slice){0};
        http_head_add(&head, name, value);
        read_media(name, value);
        read_words(value);
        read_tags(name, value);
        note_wait(&wait, name, value);
    }
    choose_wait(&wait);
    judge(setting, &head, value);
    free(copy);
    return 0;
}
