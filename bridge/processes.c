/*
 * processes: /v1/processes: Erlang processes that HTTP clients make, look at, read and end.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/tie.h"
#include "etf/syntax.h"

enum {
    TTL_DEFAULT_MS = 60000,
    TTL_MIN_MS = 1000,
    TTL_MAX_MS = 86400000,
    PAGE_DEFAULT = 100,
    PAGE_MAX = 1000,
    KEY_SHOWN_MAX = 40,
};

/* ---- ids: the number, and a proof that it was given out by us in this life ---- */

static uint64_t proof_of(const struct gateway *g, uint64_t id)
{
    return map_hash(g->seed, slice_of((const uint8_t *)&id, sizeof id));
}

void processes_write_id(const struct gateway *g, uint64_t id, char ret[INBOX_ID_LEN + 1])
{
    snprintf(ret, INBOX_ID_LEN + 1, "%016" PRIx64 "%016" PRIx64, id, proof_of(g, id));
}

static bool read_hex(struct slice text, uint64_t *ret)
{
    *ret = 0;
    if (text.len == 0 || text.len > 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.ptr[i] ? strchr("0123456789abcdef", text.ptr[i]) : NULL;

        if (!at)
            return false;
        *ret = *ret << 4 | (uint64_t)(at - "0123456789abcdef");
    }
    return true;
}

/* Is it an id that was given out? */
static bool read_id(const struct gateway *g, struct slice text, uint64_t *ret)
{
    uint64_t proof;

    return text.len == INBOX_ID_LEN && read_hex(slice_of(text.ptr, 16), ret) &&
           read_hex(slice_of(text.ptr + 16, 16), &proof) && proof == proof_of(g, *ret);
}

static struct inbox *get(const struct gateway *g, uint64_t id)
{
    struct inbox *in = idtab_get(&g->inboxes, id);

    return in && in->is_kept ? in : NULL;
}

static void answer_missing(struct gateway *g, uint64_t http_id, bool was_there, const char *parameter)
{
    http_answer_problem(g->http, http_id,
                        &(struct http_problem){.code = was_there ? "gone" : "not-found",
                                               .detail = was_there ? "that process has ended"
                                                                   : "there is no process with that id",
                                               .parameter = parameter});
}

bool processes_find(struct gateway *g, uint64_t http_id, struct slice text, const char *parameter,
                    struct inbox **ret)
{
    uint64_t id = 0;
    bool was_there = read_id(g, text, &id);

    *ret = was_there ? get(g, id) : NULL;
    /* Of somebody else's there is nothing to be seen, not even that it has been. */
    if (*ret && !permission_shares(g, http_principal(g->http, http_id), *ret)) {
        *ret = NULL;
        was_there = false;
    }
    if (!*ret) {
        answer_missing(g, http_id, was_there, parameter);
        return false;
    }
    inbox_touch(*ret);
    return true;
}

bool processes_read_number(struct slice text, uint64_t *ret)
{
    return read_hex(text, ret);
}

/* ---- making one ---- */

struct wish {
    char *name; /* owned; NULL: none */
    uint64_t ttl_ms;
    bool traps_exit;
};

static bool refuse(struct gateway *g, uint64_t http_id, const char *parameter, const char *detail)
{
    errors_answer_parameter(g, http_id, parameter, detail);
    return false;
}

static bool read_name(struct gateway *g, uint64_t http_id, const json_t *v, struct wish *wish)
{
    struct slice s = {0};

    if (json_is_string(v))
        s = slice_of((const uint8_t *)json_string_value(v), json_string_length(v));
    if (s.len == 0 || !etf_is_atom_text(s) || slice_eq_str(s, "undefined"))
        return refuse(g, http_id, "name", "a name is a string of 1 to 255 characters, and not \"undefined\"");
    wish->name = mem_strndup(s.ptr, s.len);
    if (!wish->name)
        errors_answer(g, http_id, ERR_NOMEM, (struct slice){0});
    return wish->name != NULL;
}

static bool read_ttl(struct gateway *g, uint64_t http_id, const json_t *v, struct wish *wish)
{
    json_int_t ms = json_is_integer(v) ? json_integer_value(v) : 0;

    if (ms < TTL_MIN_MS || ms > TTL_MAX_MS)
        return refuse(g, http_id, "ttl", "ttl is a number of milliseconds, from 1000 to 86400000");
    wish->ttl_ms = (uint64_t)ms;
    return true;
}

static bool read_trap_exit(struct gateway *g, uint64_t http_id, const json_t *v, struct wish *wish)
{
    if (!json_is_boolean(v))
        return refuse(g, http_id, "trap_exit", "trap_exit is true or false");
    wish->traps_exit = json_is_true(v);
    return true;
}

static bool refuse_member(struct gateway *g, uint64_t http_id, const char *key)
{
    char detail[128];
    struct slice shown = utf8_head(slice_of_str(key), KEY_SHOWN_MAX);

    snprintf(detail, sizeof detail, "there is no member '%.*s' here: there are name, ttl and trap_exit",
             SLICE_FMT(shown));
    return refuse(g, http_id, key, detail);
}

static bool read_wish(struct gateway *g, uint64_t http_id, json_t *o, struct wish *wish)
{
    static const struct {
        const char *key;
        bool (*read)(struct gateway *, uint64_t, const json_t *, struct wish *);
    } members[] = {{"name", read_name}, {"ttl", read_ttl}, {"trap_exit", read_trap_exit}};
    const char *key;
    json_t *value;

    json_object_foreach(o, key, value)
    {
        size_t i = 0;

        while (i < sizeof members / sizeof members[0] && strcmp(members[i].key, key) != 0)
            i++;
        if (i == sizeof members / sizeof members[0])
            return refuse_member(g, http_id, key);
        if (!members[i].read(g, http_id, value, wish))
            return false;
    }
    return true;
}

void *processes_read_object(struct gateway *g, struct http_request *req)
{
    struct http_problem bad = {.code = "bad-term", .detail = "the body is to be one JSON object"};
    struct slice type = {0}, body = http_request_body(req);
    enum http_media media;
    json_error_t error = {.line = 0};
    json_t *o;

    (void)http_request_known(req, HTTP_KNOWN_CONTENT_TYPE, &type);
    if (http_media_of_content(type, &media) != ERR_NONE || media != HTTP_MEDIA_JSON) {
        body_refuse_type(g, req, "the body is to be application/json");
        return NULL;
    }
    o = body.len ? json_loadb((const char *)body.ptr, body.len, JSON_REJECT_DUPLICATES, &error)
                 : json_object();
    if (json_is_object(o))
        return o;
    if (!o && error.line > 0) {
        bad.detail = error.text;
        bad.line = (unsigned)error.line;
        bad.column = error.column > 0 ? (unsigned)error.column : 1;
    }
    http_answer_problem(g->http, http_request_id(req), &bad);
    json_decref(o);
    return NULL;
}

static json_t *pid_text(const struct inbox *in)
{
    struct etf_pid pid = node_pid(in->self);
    json_t *s;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_print_pid_text(&w, &pid);
    s = wr_ok(&w) ? json_stringn((const char *)w.buf, w.len) : NULL;
    wr_fini(&w);
    return s;
}

/* What every answer says of one. */
static json_t *describe_briefly(const struct inbox *in)
{
    char id[INBOX_ID_LEN + 1];
    json_t *o;

    processes_write_id(in->g, in->id, id);
    o = json_pack("{s:s, s:o, s:I, s:b}", "id", id, "pid", pid_text(in), "ttl", (json_int_t)in->ttl_ms,
                  "trap_exit", in->traps_exit);
    if (o && in->name)
        json_object_set_new(o, "name", json_string(in->name));
    return o;
}

static void answer_made(struct gateway *g, uint64_t http_id, const struct inbox *in)
{
    char id[INBOX_ID_LEN + 1], location[64];
    struct http_header header = {.name = "Location", .value = location};

    processes_write_id(g, in->id, id);
    snprintf(location, sizeof location, "/v1/processes/%s", id);
    answer_object_with(g, http_id, 201, describe_briefly(in), &header, 1);
}

/* Its events can be resumed by its owner, who says its id. */
void processes_write_key(const struct gateway *g, uint64_t id, struct slice owner, struct wr *w)
{
    char text[INBOX_ID_LEN + 1];

    processes_write_id(g, id, text);
    wr_printf(w, "process %s ", text);
    wr_slice(w, owner);
}

bool processes_may_change(struct inbox *in, uint64_t http_id)
{
    return permission_node(in->g, http_id, POLICY_SPAWN, (struct slice){0});
}

static enum err make(struct gateway *g, uint64_t http_id, const struct inbox_style *style, struct wish *wish,
                     struct inbox **ret)
{
    struct inbox_config config = {.is_kept = true, .style = style, .owner = http_principal(g->http, http_id)};
    enum err e = inbox_new(g, &config, ret);
    struct inbox *in = *ret;

    if (e != ERR_NONE)
        return e;
    in->ttl_ms = wish->ttl_ms;
    in->traps_exit = wish->traps_exit;
    in->connect_ms = g->config.default_timeout_ms;
    node_trap_exit(in->self, wish->traps_exit);
    if (wish->name)
        e = node_register(in->self, slice_of_str(wish->name));
    if (e != ERR_NONE) {
        inbox_drop(in);
        return e;
    }
    in->name = wish->name;
    wish->name = NULL;
    return ERR_NONE;
}

/* The name is the last thing that is asked about, and so the one that the audit tells of. */
static bool may_make(struct gateway *g, uint64_t http_id, const struct wish *wish)
{
    struct permission p;

    if (!permission_node(g, http_id, POLICY_SPAWN, (struct slice){0}))
        return false;
    if (!wish->name)
        return true;
    permission_of_node(&p, http_principal(g->http, http_id), POLICY_REGISTER, node_name(g->node));
    p.q.kind = POLICY_NAME;
    p.q.text = slice_of_str(wish->name);
    return permission_ask(g, http_id, &p);
}

void processes_make(void *ctx, struct http_request *req)
{
    static const struct http_problem taken = {.code = "name-taken",
                                              .detail =
                                                  "a process of this node has that name already; one that a "
                                                  "client has made ends when it has not been "
                                                  "used for its ttl, or at once by DELETE /v1/processes/{id}",
                                              .parameter = "name"};
    struct gateway *g = ctx;
    uint64_t http_id = http_request_id(req);
    struct wish wish = {.ttl_ms = TTL_DEFAULT_MS};
    struct inbox_style style;
    struct inbox *in = NULL;
    enum err e;
    json_t *o;

    if (!inbox_style_of(g, req, &style) || !(o = processes_read_object(g, req)))
        return;
    if (read_wish(g, http_id, o, &wish) && may_make(g, http_id, &wish)) {
        e = make(g, http_id, &style, &wish, &in);
        if (e == ERR_NONE)
            answer_made(g, http_id, in);
        else if (e == ERR_NAME_TAKEN)
            http_answer_problem(g->http, http_id, &taken);
        else if (e == ERR_OVERLOADED)
            http_answer_overloaded(g->http, http_id, INBOX_OVERLOADED);
        else
            errors_answer(g, http_id, e, (struct slice){0});
    }
    mem_free(wish.name);
    json_decref(o);
}

/* ---- looking ---- */

static bool read_number(struct gateway *g, struct http_request *req, const char *name, uint64_t min,
                        uint64_t max, uint64_t *ret)
{
    struct slice v;
    uint64_t n = 0;
    bool is_number;

    if (!http_request_query(req, name, &v))
        return true;
    is_number = v.len > 0 && v.len <= 10;
    for (size_t i = 0; is_number && i < v.len; i++) {
        is_number = v.ptr[i] >= '0' && v.ptr[i] <= '9';
        n = n * 10 + (v.ptr[i] - '0');
    }
    if (!is_number || n < min || n > max)
        return refuse(g, http_request_id(req), name,
                      strcmp(name, "limit") == 0 ? "a limit is a number from 1 to 1000"
                                                 : "a cursor is what the Link of the page before has");
    *ret = n;
    return true;
}

void processes_list(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    uint64_t limit = PAGE_DEFAULT, from = 0;
    uint32_t cursor, next = 0;
    json_t *list;
    char link[80];
    struct http_header header = {.name = "Link", .value = link};
    struct inbox *in = NULL;

    if (!read_number(g, req, "limit", 1, PAGE_MAX, &limit) ||
        !read_number(g, req, "cursor", 0, UINT32_MAX, &from))
        return;
    list = json_array();
    cursor = next = (uint32_t)from;
    while (list && (in = idtab_next(&g->inboxes, &cursor))) {
        bool is_shown = in->is_kept && permission_shares(g, http_request_principal(req), in);

        if (is_shown && json_array_size(list) == limit)
            break;
        if (is_shown)
            json_array_append_new(list, describe_briefly(in));
        next = cursor;
    }
    snprintf(link, sizeof link, "</v1/processes?limit=%llu&cursor=%u>; rel=\"next\"",
             (unsigned long long)limit, next);
    answer_object_with(g, http_request_id(req), 200, list ? json_pack("{s:o}", "processes", list) : NULL,
                       &header, in ? 1 : 0);
}

static json_t *describe_ties(const struct inbox *in, enum tie_kind kind)
{
    json_t *list = json_array();

    for (const struct tie *t = in->ties; list && t; t = t->next) {
        char id[24];

        if (t->kind != kind)
            continue;
        snprintf(id, sizeof id, "%" PRIx64, t->id);
        json_array_append_new(
            list, json_pack("{s:s, s:s%}", "id", id, "target", (const char *)t->path.ptr, t->path.len));
    }
    return list;
}

void processes_look(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    struct http_stream_info info = {0};
    struct inbox *in;
    json_t *o;

    if (!processes_find(g, http_request_id(req), http_request_segment(req, 0), NULL, &in))
        return;
    (void)http_stream_look(g->http, in->stream, &info);
    o = describe_briefly(in);
    if (o) {
        json_object_set_new(o, "reader", json_boolean(info.has_reader));
        json_object_set_new(o, "events", json_integer((json_int_t)info.emitted));
        json_object_set_new(o, "unread", json_integer((json_int_t)info.unread));
        json_object_set_new(o, "lost", json_integer((json_int_t)info.lost));
        json_object_set_new(o, "calls", json_integer((json_int_t)in->calls_by_id.count));
        json_object_set_new(o, "monitors", describe_ties(in, TIE_MONITOR));
        json_object_set_new(o, "links", describe_ties(in, TIE_LINK));
        json_object_set_new(o, "groups", describe_ties(in, TIE_MEMBERSHIP));
    }
    answer_object(g, http_request_id(req), 200, o);
}

void processes_end(void *ctx, struct http_request *req)
{
    struct http_response ended = {.status = 204};
    struct gateway *g = ctx;
    struct inbox *in;

    if (!processes_find(g, http_request_id(req), http_request_segment(req, 0), NULL, &in))
        return;
    if (!processes_may_change(in, http_request_id(req)))
        return;
    inbox_end(in, SLICE("\x77\x06normal"));
    http_answer(g->http, http_request_id(req), &ended);
}

/* ---- reading ---- */

void processes_events(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    uint64_t http_id = http_request_id(req), id = 0;
    bool was_there = read_id(g, http_request_segment(req, 0), &id);
    struct inbox *in = was_there ? get(g, id) : NULL;
    struct slice principal = http_request_principal(req);
    struct http_reading reading;
    struct wr key;

    if (!http_reading_of(g->http, req, &reading))
        return;
    if (in && !permission_shares(g, principal, in)) {
        answer_missing(g, http_id, false, NULL);
        return;
    }
    if (in) {
        inbox_touch(in);
        http_stream_attach(g->http, http_id, in->stream, &reading);
        return;
    }
    wr_init(&key, SIZE_MAX);
    processes_write_key(g, id, principal, &key);
    if (!was_there || !wr_ok(&key) || !http_stream_resume(g->http, req, wr_written(&key), &reading))
        answer_missing(g, http_id, was_there, NULL);
    wr_fini(&key);
}
