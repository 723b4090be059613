/*
 * monitors: GET …/monitor and GET /v1/events: what happens to processes, nodes and groups, as event streams.
 *
 * The link is connected first, and the status decided by that: until all has settled, the request waits as an
 * exchange, and its inbox gathers what happens.
 */
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "bridge/tie.h"
#include "http/target.h"

/* ---- paths and keys ---- */

/* As a segment of a path: what may stand bare does. */
static void write_segment(struct wr *w, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool is_bare = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       (c && strchr("-._~!$'()*,;:@", c));

        if (is_bare)
            wr_u8(w, c);
        else
            wr_printf(w, "%%%02X", c);
    }
}

/* The path of the request, without /v1 and /monitor, as ?monitor= would take it. */
static void write_path(struct wr *w, const struct http_request *req)
{
    const char *p = http_request_route(req)->pattern + strlen("/v1"), *end = strstr(p, "/monitor");
    struct slice v;
    size_t n = 0;

    while (p < end) {
        if (*p != '{') {
            wr_u8(w, (uint8_t)*p++);
            continue;
        }
        write_segment(w, http_request_segment(req, n++));
        p = strchr(p, '}') + 1;
    }
    if (http_request_query(req, "syntax", &v))
        wr_str(w, "?syntax=erlang");
}

/* What the stream is of, and how it looks: who resumes it says the same again. */
static void write_style(struct wr *w, const struct inbox_style *style, struct slice principal)
{
    wr_printf(w, " %d%d%d ", style->is_typed, style->options.charlists_as_strings,
              style->options.bigints_as_strings);
    wr_slice(w, style->options.null_atom);
    wr_u8(w, '\n');
    wr_slice(w, principal); /* nobody else resumes it */
}

/* ---- one at a time ---- */

/* All there is to know before anything is done. */
struct opening {
    struct gateway *g;
    struct http_request *req;
    struct inbox_style style;
    struct http_reading reading;
    struct wr key;
    struct exchange *x;
    struct inbox *inbox;
};

/* Its client has left before it could read. */
static void call_off(struct gateway *g, struct exchange *x)
{
    struct inbox *in = idtab_get(&g->inboxes, x->op);

    if (in)
        inbox_drop(in);
}

/* Makes the inbox, and the exchange that waits for it; false and answered. */
static bool open_inbox(struct opening *o)
{
    struct inbox_config config = {
        .key = wr_written(&o->key), .style = &o->style, .owner = http_request_principal(o->req)};
    enum err e;

    o->x = exchange_new(o->g, o->req);
    if (!o->x)
        return false;
    if (!calls_deadline(o->g, o->req, o->x)) {
        exchange_end(o->g, o->x->id);
        return false;
    }
    e = inbox_new(o->g, &config, &o->inbox);
    if (e != ERR_NONE) {
        if (e == ERR_OVERLOADED)
            http_answer_overloaded(o->g->http, o->x->http_id, INBOX_OVERLOADED);
        else
            errors_answer(o->g, o->x->http_id, e, (struct slice){0});
        exchange_end(o->g, o->x->id);
        return false;
    }
    o->x->cancel = call_off;
    o->x->op = o->inbox->id;
    o->inbox->exchange = o->x->id;
    o->inbox->connect_ms = o->x->deadline_ms;
    o->inbox->reading = o->reading;
    o->inbox->asking = 1; /* until all ties are there */
    return true;
}

/* Takes the target. False: answered, and all is over. */
static bool add(struct opening *o, struct target *target, struct slice path)
{
    struct node_result result = {0};
    struct tie *t;

    exchange_name_node(o->x, target->node);
    result.err = tie_new(o->inbox, TIE_MONITOR, target, path, &t);
    if (result.err != ERR_NONE)
        monitors_failed(o->inbox, NULL, &result);
    return result.err == ERR_NONE;
}

/* How to read; whether there is such a stream already; false: answered. */
static bool begin(struct opening *o)
{
    if (!http_reading_of(o->g->http, o->req, &o->reading))
        return false;
    write_style(&o->key, &o->style, http_request_principal(o->req));
    if (!wr_ok(&o->key)) {
        errors_answer(o->g, http_request_id(o->req), ERR_NOMEM, (struct slice){0});
        return false;
    }
    if (http_stream_resume(o->g->http, o->req, wr_written(&o->key), &o->reading))
        return false;
    if (!http_request_is_head(o->req))
        return true;
    http_stream_answer_head(o->g->http, http_request_id(o->req), &o->reading);
    return false;
}

static void all_added(struct inbox *in)
{
    in->asking--;
    monitors_settled(in);
}

void monitors_one(void *ctx, struct http_request *req)
{
    struct opening o = {.g = ctx, .req = req};
    struct target target;
    struct wr path;

    wr_init(&o.key, SIZE_MAX);
    wr_init(&path, SIZE_MAX);
    write_path(&path, req);
    wr_slice(&o.key, wr_written(&path));
    if (target_of_path(o.g, req, &target) &&
        permission_target(o.g, http_request_id(req), POLICY_MONITOR, &target) &&
        inbox_style_of(o.g, req, &o.style) && begin(&o) && open_inbox(&o)) {
        o.inbox->is_strict = true;
        if (add(&o, &target, wr_written(&path)))
            all_added(o.inbox);
    } else {
        target_fini(&target);
    }
    wr_fini(&path);
    wr_fini(&o.key);
}

/* ---- many ---- */

/* Every target is read before any is watched: one that is wrong refuses them all. */
static bool read_targets(struct opening *o, struct target *targets, struct slice *paths, size_t max,
                         size_t *count)
{
    size_t cursor = 0;

    while (*count < max && http_request_query_next(o->req, "monitor", &cursor, &paths[*count])) {
        if (!target_of_text(o->g, http_request_id(o->req), paths[*count], "monitor", &targets[*count]) ||
            !permission_target(o->g, http_request_id(o->req), POLICY_MONITOR, &targets[*count])) {
            target_fini(&targets[*count]);
            return false;
        }
        wr_slice(&o->key, paths[*count]);
        wr_u8(&o->key, '\n');
        ++*count;
    }
    if (*count == 0)
        errors_answer_parameter(
            o->g, http_request_id(o->req), "monitor",
            "say what to watch: ?monitor=/nodes/kv@host/processes/kv, as often as need be");
    return *count > 0;
}

void monitors_many(void *ctx, struct http_request *req)
{
    struct opening o = {.g = ctx, .req = req};
    struct target *targets = mem_alloc(HTTP_PARAMS_MAX * sizeof *targets);
    struct slice paths[HTTP_PARAMS_MAX];
    size_t count = 0, done = 0;

    wr_init(&o.key, SIZE_MAX);
    if (!targets) {
        errors_answer(o.g, http_request_id(req), ERR_NOMEM, (struct slice){0});
        return;
    }
    if (read_targets(&o, targets, paths, HTTP_PARAMS_MAX, &count) && inbox_style_of(o.g, req, &o.style) &&
        begin(&o) && open_inbox(&o)) {
        while (done < count && add(&o, &targets[done], paths[done]))
            done++;
        if (done == count)
            all_added(o.inbox);
        else
            done++; /* that one is gone too */
    }
    while (done < count)
        target_fini(&targets[done++]);
    mem_free(targets);
    wr_fini(&o.key);
}

/* ---- settled ---- */

void monitors_settled(struct inbox *in)
{
    struct gateway *g = in->g;
    struct exchange *x;
    uint64_t http_id;

    if (!g || !in->exchange || in->asking > 0)
        return;
    x = exchange_take(g, in->exchange);
    in->exchange = 0;
    http_id = x ? x->http_id : 0;
    exchange_free(g, x);
    if (!x || !http_stream_attach(g->http, http_id, in->stream, &in->reading))
        inbox_drop(in);
    else
        tie_end_if_over(in);
}

void monitors_refused(struct inbox *in, const struct permission *p)
{
    struct gateway *g = in->g;
    struct exchange *x = exchange_take(g, in->exchange);
    bool is_permitted = x && permission_ask(g, x->http_id, p);

    CHECK(!is_permitted);
    exchange_free(g, x);
    inbox_drop(in);
}

void monitors_failed(struct inbox *in, const struct target *target, const struct node_result *result)
{
    struct gateway *g = in->g;
    struct exchange *x = exchange_take(g, in->exchange);

    if (x && target)
        exchange_name_node(x, target->node);
    if (x)
        errors_answer_result(g, x, result);
    exchange_free(g, x);
    inbox_drop(in);
}
