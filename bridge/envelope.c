/*
 * envelope: POST /v1/call and its kin: one JSON object that says whom, what and how long:
 *
 *     {"to": {"node": …, "name": …}, "request": <term>, "timeout": 5000, "from": …}
 *
 * Read in one pass, without a tree: the request's text is found, and turned into a term where it stands.
 * Places of faults are those in the whole body.
 */
#include <stdio.h>

#include "base/check.h"
#include "bridge/internal.h"
#include "etf/write.h"
#include "json/read.h"

enum member {
    M_NODE = 1 << 0,
    M_NAME = 1 << 1,
    M_PID = 1 << 2,
    M_GLOBAL = 1 << 3,
    M_SCOPE = 1 << 4,
    M_GROUP = 1 << 5,
    M_MODE = 1 << 6,
    M_MODULE = 1 << 7,
    M_FUNCTION = 1 << 8,
    M_TO = 1 << 9,
    M_REQUEST = 1 << 10,
    M_TIMEOUT = 1 << 11,
    M_FROM = 1 << 12,
};

enum { NAME_SHOWN = 100, DETAIL_MAX = NAME_SHOWN + 160, POINTER_MAX = sizeof "/to/" + 2 * NAME_SHOWN };

struct reading {
    struct gateway *g;
    struct http_request *req;
    struct exchange *x;
    struct slice body;
    struct json_rd json;
    unsigned seen;          /* enum member */
    const char *prefix;     /* of JSON Pointers: where we are */
    const char *name;       /* of the member that is being read; NULL: none */
    const uint8_t *name_at; /* in the body */
    struct slice request;   /* its text, until it is allowed */
};

typedef bool read_fn(struct reading *r);

struct member_kind {
    const char *name;
    unsigned bit;
    read_fn *read;
};

/* ---- what is wrong; each gives false, having answered ---- */

static void place(const struct reading *r, const uint8_t *at, struct transcode_fault *f)
{
    f->fault.offset = (size_t)(at - r->body.ptr);
    transcode_fault_place(f, r->body);
}

static bool wrong_at(struct reading *r, const char *parameter, const char *pointer, const uint8_t *at,
                     const char *detail)
{
    struct transcode_fault f = {.fault = {.text = ""}};
    struct http_problem p = {.code = "bad-parameter",
                             .parameter = parameter,
                             .detail = detail,
                             .pointer = pointer,
                             .has_offset = true};

    place(r, at, &f);
    p.line = f.line;
    p.column = f.column;
    p.offset = f.fault.offset;
    http_answer_problem(r->g->http, r->x->http_id, &p);
    return false;
}

static bool wrong(struct reading *r, const char *parameter, const uint8_t *at, const char *detail)
{
    char pointer[64];

    snprintf(pointer, sizeof pointer, "%s/%s", r->prefix, r->name ? r->name : "");
    return wrong_at(r, parameter, r->name ? pointer : r->prefix, at, detail);
}

/* As much of the name as is shown: whole characters, and none behind a NUL. */
static struct slice shown(struct slice name)
{
    size_t len = name.len < NAME_SHOWN ? name.len : NAME_SHOWN;
    const uint8_t *nul = len ? memchr(name.ptr, 0, len) : NULL;

    while (len < name.len && len > 0 && (name.ptr[len] & 0xC0) == 0x80)
        len--;
    return slice_of(name.ptr, nul ? (size_t)(nul - name.ptr) : len);
}

/* A JSON Pointer to a member that is none of ours; to what holds it if its name is not shown whole. */
static void point_at_unknown(const struct reading *r, struct slice name, char ret[POINTER_MAX])
{
    size_t n = (size_t)snprintf(ret, POINTER_MAX, "%s", r->prefix);

    if (shown(name).len == name.len)
        n = transcode_pointer_add(ret, POINTER_MAX, n, name);
    ret[n] = '\0';
}

static bool unknown_member(struct reading *r, const char *list)
{
    struct slice text = r->json.text, head = shown(text);
    char name[NAME_SHOWN + 1], pointer[POINTER_MAX], detail[DETAIL_MAX];

    snprintf(name, sizeof name, "%.*s", SLICE_FMT(head));
    snprintf(detail, sizeof detail, "there is no member '%s%s' here: %s", name,
             head.len < text.len ? "…" : "", list);
    point_at_unknown(r, text, pointer);
    r->name = NULL;
    return wrong_at(r, name, pointer, r->name_at, detail);
}

static bool wrong_value(struct reading *r, const char *detail)
{
    return wrong(r, r->name, r->json.value, detail);
}

/* The text breaks JSON's grammar. */
static bool malformed(struct reading *r)
{
    struct transcode_fault f = {.fault = r->json.fault};

    transcode_fault_place(&f, r->body);
    errors_answer_fault(r->g, r->x->http_id, &f, NULL);
    return false;
}

/* A fault in a value whose text begins at `text`, told as one of the body. */
static bool faulty(struct reading *r, struct slice text, struct transcode_fault *f)
{
    char inner[TRANSCODE_POINTER_MAX];
    size_t len;
    int n;

    memcpy(inner, f->pointer, sizeof inner);
    n = snprintf(f->pointer, sizeof f->pointer, "%s/%s", r->prefix, r->name);
    len = strlen(inner);
    while ((size_t)n + len >= sizeof f->pointer) /* whole reference tokens, as many as fit */
        *strrchr(inner, '/') = '\0', len = strlen(inner);
    memcpy(f->pointer + n, inner, len + 1);
    f->fault.offset += (size_t)(text.ptr - r->body.ptr);
    transcode_fault_place(f, r->body);
    errors_answer_fault(r->g, r->x->http_id, f, NULL);
    return false;
}

/* ---- values ---- */

static bool take_string(struct reading *r, struct slice *ret)
{
    enum json_event event = json_next(&r->json);

    if (event == JSON_FAILED)
        return malformed(r);
    if (event != JSON_STRING)
        return wrong_value(r, "this is to be a string");
    *ret = r->json.text;
    return true;
}

/* The string as the target's own memory. */
static bool take_text(struct reading *r, enum target_memory m, struct slice *ret)
{
    struct wr *memory = &r->x->target.memory[m];
    struct slice text = {0};

    if (!take_string(r, &text))
        return false;
    wr_reset(memory);
    wr_slice(memory, text);
    *ret = wr_written(memory);
    if (!wr_ok(memory))
        errors_answer(r->g, r->x->http_id, ERR_NOMEM, (struct slice){0});
    return wr_ok(memory);
}

/* A value's text as a term, appended to w. */
static bool turn(struct reading *r, struct slice text, const struct transcode_options *options, struct wr *w,
                 uint32_t *ret_uses)
{
    struct transcode_fault f = {.fault = {.text = ""}};
    size_t before = w->len;
    enum err e = transcode_json_to_etf(text, options, w, ret_uses, &f);

    f.fault.err = e;
    r->g->metrics.text_in += text.len;
    r->g->metrics.term_in += w->len - before;
    return e == ERR_NONE || faulty(r, text, &f);
}

/* A name that is any term. target_use counts its atoms. */
static bool take_term(struct reading *r, struct wr *w)
{
    struct transcode_options options = r->x->options;
    struct slice text = {0};
    uint32_t uses;

    options.on_atom = NULL;
    if (!json_pass(&r->json, &text))
        return malformed(r);
    return turn(r, text, &options, w, &uses);
}

/* What is wrong in the request comes before what is wrong behind it. False: answered. */
static bool is_request_fine(struct reading *r)
{
    struct transcode_options options = r->x->options;
    uint32_t uses;

    options.on_atom = NULL;
    body_reuse(&r->g->scratch);
    r->name = "request";
    return !r->request.len || turn(r, r->request, &options, &r->g->scratch, &uses);
}

/* ---- members ---- */

static bool read_node(struct reading *r)
{
    struct slice text = {0};

    return take_text(r, TARGET_MEMORY_NODE, &text) &&
           target_set_node(r->g, r->x->http_id, &r->x->target, text, r->name);
}

/* A registered name, a scope, a module. */
static bool read_name(struct reading *r)
{
    struct slice text = {0};

    return take_text(r, TARGET_MEMORY_NAME, &text) &&
           target_set_atom(r->g, r->x->http_id, &r->x->target.name, text, r->name);
}

static bool read_function(struct reading *r)
{
    struct slice text = {0};

    return take_text(r, TARGET_MEMORY_TERM, &text) &&
           target_set_atom(r->g, r->x->http_id, &r->x->target.function, text, r->name);
}

static bool read_pid(struct reading *r)
{
    struct target *t = &r->x->target;
    struct slice text = {0};

    return take_text(r, TARGET_MEMORY_NAME, &text) && target_set_pid(r->g, r->x->http_id, t, text, r->name);
}

static bool read_mode(struct reading *r)
{
    struct slice text = {0};

    return take_string(r, &text) && target_set_mode(r->g, r->x->http_id, &r->x->target, text, r->name);
}

/* The name of a group, or of global: a term, in which a bare string means an atom. */
static bool read_term(struct reading *r)
{
    struct target *t = &r->x->target;
    struct wr *memory = &t->memory[TARGET_MEMORY_TERM];
    struct slice text = {0}, atom;
    const uint8_t *at = json_skip_space(r->json.pos, r->json.end);

    wr_reset(memory);
    if (at < r->json.end && *at == '"') {
        if (!take_string(r, &text) || !target_set_atom(r->g, r->x->http_id, &atom, text, r->name))
            return false;
        etf_write_atom(memory, atom);
    } else if (!take_term(r, memory)) {
        return false;
    }
    t->term = wr_written(memory);
    if (!wr_ok(memory))
        errors_answer(r->g, r->x->http_id, ERR_NOMEM, (struct slice){0});
    return wr_ok(memory);
}

static bool read_request(struct reading *r)
{
    return json_pass(&r->json, &r->request) || malformed(r);
}

/* The target is known and allowed: only now are the request's atoms counted. */
static bool turn_request(struct reading *r)
{
    r->name = "request";
    return turn(r, r->request, &r->x->options, &r->g->term, &r->x->uses);
}

static bool read_timeout(struct reading *r)
{
    enum json_event event = json_next(&r->json);
    struct slice in_query;

    if (event == JSON_FAILED)
        return malformed(r);
    if (event != JSON_NUMBER)
        return wrong_value(r, "a timeout is a number of milliseconds");
    if (http_request_query(r->req, "timeout", &in_query))
        return wrong_value(r, "a timeout stands in the query already");
    r->x->timeout = r->json.text; /* of the body: a number has no escapes */
    return true;
}

static bool read_from(struct reading *r)
{
    struct slice text = {0}, in_query;

    if (!take_string(r, &text))
        return false;
    if (http_request_query(r->req, "from", &in_query))
        return wrong_value(r, "from stands in the query already");
    return from_set(r->g, r->x, text);
}

static read_fn read_to;

static const struct member_kind to_members[] = {
    {"node", M_NODE, read_node},     {"name", M_NAME, read_name},     {"pid", M_PID, read_pid},
    {"global", M_GLOBAL, read_term}, {"scope", M_SCOPE, read_name},   {"group", M_GROUP, read_term},
    {"mode", M_MODE, read_mode},     {"module", M_MODULE, read_name}, {"function", M_FUNCTION, read_function},
};

static const struct member_kind members[] = {
    {"to", M_TO, read_to},
    {"request", M_REQUEST, read_request},
    {"timeout", M_TIMEOUT, read_timeout},
    {"from", M_FROM, read_from},
};

/* ---- objects ---- */

static bool read_member(struct reading *r, const struct member_kind *kinds, size_t count, const char *list)
{
    for (size_t i = 0; i < count; i++) {
        if (!slice_eq_str(r->json.text, kinds[i].name))
            continue;
        r->name = kinds[i].name;
        if (r->seen & kinds[i].bit)
            return wrong(r, r->name, r->name_at, "this member stands twice");
        r->seen |= kinds[i].bit;
        return kinds[i].read(r);
    }
    return unknown_member(r, list);
}

/* The members of an object whose '{' has been read. */
static bool read_members(struct reading *r, const struct member_kind *kinds, size_t count, const char *list)
{
    enum json_event event;

    for (;;) {
        r->name_at = json_skip_space(r->json.pos, r->json.end);
        event = json_next(&r->json);
        if (event == JSON_FAILED)
            return is_request_fine(r) && malformed(r);
        if (event == JSON_OBJECT_END)
            return true;
        if (*r->name_at == ',')
            r->name_at = json_skip_space(r->name_at + 1, r->json.end);
        if (!read_member(r, kinds, count, list))
            return false;
    }
}

/* Which members together name what. */
struct shape {
    unsigned members, optional;
    enum target_kind kind;
};

static const struct shape shapes[] = {
    {M_NODE | M_NAME, 0, TARGET_NAME},
    {M_PID, 0, TARGET_PID},
    {M_GLOBAL, 0, TARGET_GLOBAL},
    {M_SCOPE | M_GROUP, M_MODE, TARGET_GROUP},
    {M_NODE | M_MODULE | M_FUNCTION, 0, TARGET_FUNCTION},
};

static bool read_shape(struct reading *r, const uint8_t *at)
{
    bool is_rpc = r->x->verb == VERB_RPC || r->x->verb == VERB_RPC_CAST;

    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        if ((r->seen & (M_TO - 1) & ~shapes[i].optional) != shapes[i].members ||
            is_rpc != (shapes[i].kind == TARGET_FUNCTION))
            continue;
        r->x->target.kind = shapes[i].kind;
        return true;
    }
    r->name = "to";
    if (!is_rpc && (r->seen & (M_SCOPE | M_GROUP)) == M_GROUP)
        return wrong(r, "to", at,
                     "to has a group, and wants its scope as well: {\"scope\": \"pg\", \"group\": ...}");
    return wrong(r, "to", at,
                 is_rpc ? "to is {node, module, function}"
                        : "to is one of {node, name}, {pid}, {global} and {scope, group, mode}");
}

static bool read_to(struct reading *r)
{
    enum json_event event = json_next(&r->json);
    const uint8_t *at = r->json.value;

    if (event == JSON_FAILED)
        return malformed(r);
    if (event != JSON_OBJECT)
        return wrong_value(r, "to is to be an object");
    r->prefix = "/to";
    if (!read_members(r, to_members, ARRAY_LEN(to_members),
                      "to has node, name, pid, global, scope, group, mode, module, function"))
        return false;
    r->prefix = "";
    return read_shape(r, at);
}

static bool read_all(struct reading *r)
{
    enum json_event event = json_next(&r->json);

    if (event == JSON_FAILED)
        return malformed(r);
    if (event != JSON_OBJECT)
        return wrong(r, "body", r->json.value, "the body is to be an object with to and request");
    if (!read_members(r, members, ARRAY_LEN(members), "there are to, request, timeout, from"))
        return false;
    if (json_next(&r->json) != JSON_DONE)
        return malformed(r);
    r->name = NULL;
    if (!(r->seen & M_TO))
        return wrong(r, "to", r->body.ptr, "to is missing: it says whom");
    if (!(r->seen & M_REQUEST))
        return wrong(r, "request", r->body.ptr, "request is missing: the term to be sent");
    return true;
}

bool envelope_read(struct gateway *g, struct http_request *req, struct exchange *x)
{
    struct reading r = {.g = g, .req = req, .x = x, .body = http_request_body(req), .prefix = ""};
    struct slice type = {0};
    enum http_media media;
    bool is_read;

    (void)http_request_known(req, HTTP_KNOWN_CONTENT_TYPE, &type);
    if (http_media_of_content(type, &media) != ERR_NONE ||
        (media != HTTP_MEDIA_JSON && media != HTTP_MEDIA_TYPED_JSON)) {
        body_refuse_type(
            g, req,
            "this body is a JSON object: application/json. Terms in Erlang syntax go in as {\"$erl\": …}, "
            "ETF as {\"$etf\": …}, or as the body of a request that has the names in its path");
        return false;
    }
    json_rd_init(&r.json, r.body, 0);
    is_read =
        read_all(&r) && !across_lends(g, req, x) && permission_exchange(g, x, false) && turn_request(&r);
    json_rd_fini(&r.json);
    return is_read;
}
