#include "bridge/target.h"

#include "base/check.h"
#include "bridge/internal.h"
#include "etf/syntax.h"
#include "etf/write.h"
#include "http/target.h"

enum { PATH_SEGMENTS = 4 };

void target_init(struct target *t, enum target_kind kind)
{
    *t = (struct target){.kind = kind};
    wr_init(&t->memory[TARGET_MEMORY_NODE], SIZE_MAX);
    wr_init(&t->memory[TARGET_MEMORY_NAME], SIZE_MAX);
    wr_init(&t->memory[TARGET_MEMORY_TERM], SIZE_MAX);
}

void target_fini(struct target *t)
{
    wr_fini(&t->memory[TARGET_MEMORY_NODE]);
    wr_fini(&t->memory[TARGET_MEMORY_NAME]);
    wr_fini(&t->memory[TARGET_MEMORY_TERM]);
}

static bool keep(struct wr *memory, struct slice *s)
{
    if (s->len == 0 || s->ptr == memory->buf)
        return true;
    wr_reset(memory);
    wr_slice(memory, *s);
    *s = wr_written(memory);
    return wr_ok(memory);
}

bool target_keep(struct target *t)
{
    bool is_kept = keep(&t->memory[TARGET_MEMORY_NODE], &t->node) &&
                   keep(&t->memory[TARGET_MEMORY_NAME], &t->name) &&
                   keep(&t->memory[TARGET_MEMORY_TERM], t->kind == TARGET_FUNCTION ? &t->function : &t->term);

    if (t->kind == TARGET_PID)
        t->pid.node.text = t->node;
    return is_kept;
}

struct node_target target_for_node(const struct target *t)
{
    return (struct node_target){
        .is_pid = t->kind == TARGET_PID, .pid = t->pid, .node = t->node, .name = t->name};
}

/* ---- texts ---- */

static enum err use_atoms(struct gateway *g, const struct target *t)
{
    const struct slice names[] = {t->node, t->name, t->function};
    enum err e = ERR_NONE;

    for (size_t i = 0; i < ARRAY_LEN(names) && e == ERR_NONE; i++)
        if (names[i].len)
            e = atoms_use(&g->atoms, names[i]);
    if (e == ERR_NONE && t->term.len)
        e = etf_validate(t->term, NULL,
                         &(struct etf_rules){.max_depth = g->config.max_depth,
                                             .trusts_keys = true,
                                             .on_atom = atoms_on_atom,
                                             .ctx = &g->atoms},
                         &(uint32_t){0}, NULL);
    return e;
}

bool target_use(struct gateway *g, uint64_t http_id, const struct target *t)
{
    enum err e = use_atoms(g, t);

    if (e != ERR_NONE)
        errors_answer(g, http_id, e, (struct slice){0});
    return e == ERR_NONE;
}

bool target_set_node(struct gateway *g, uint64_t http_id, struct target *t, struct slice text,
                     const char *parameter)
{
    if (!node_name_is_valid(text)) {
        errors_answer_parameter(g, http_id, parameter, "a node's name is written name@host");
        return false;
    }
    t->node = text;
    return true;
}

bool target_set_atom(struct gateway *g, uint64_t http_id, struct slice *field, struct slice text,
                     const char *parameter)
{
    if (text.len == 0 || !etf_is_atom_text(text)) {
        errors_answer_parameter(g, http_id, parameter,
                                "an atom is to stand here: 1 to 255 characters of UTF-8");
        return false;
    }
    *field = text;
    return true;
}

/* What of the pid's numbers not every peer can take. */
static enum err judge_pid(struct target *t)
{
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    etf_write_pid(&w, &t->pid);
    e = w.err;
    if (e == ERR_NONE)
        e = etf_validate(wr_written(&w), NULL, &(struct etf_rules){.refuse = ETF_USES_NEVER_FROM_OUTSIDE},
                         &t->uses, NULL);
    wr_fini(&w);
    return e;
}

bool target_set_pid(struct gateway *g, uint64_t http_id, struct target *t, struct slice text,
                    const char *parameter)
{
    struct wr *memory = &t->memory[TARGET_MEMORY_NODE];

    wr_reset(memory);
    if (!etf_parse_pid_text(text, memory, &t->pid) || !node_name_is_valid(t->pid.node.text) ||
        judge_pid(t) != ERR_NONE) {
        errors_answer_parameter(g, http_id, parameter,
                                "a pid is written node:id:serial:creation, as the gateway gave it out");
        return false;
    }
    t->node = t->pid.node.text;
    return true;
}

bool target_set_mode(struct gateway *g, uint64_t http_id, struct target *t, struct slice text,
                     const char *parameter)
{
    if (slice_eq_str(text, "any"))
        t->mode = TARGET_ANY;
    else if (slice_eq_str(text, "all"))
        t->mode = TARGET_ALL;
    else
        errors_answer_parameter(g, http_id, parameter, "which members of the group: \"any\" or \"all\"");
    return t->mode != TARGET_DEFAULT;
}

/* ---- a path ---- */

/* How names stand in this path. */
struct reading {
    struct gateway *g;
    uint64_t http_id;
    struct target *t;
    const struct slice *segments;
    const char *parameter; /* that the path stands in; NULL: it is the request's own */
    bool is_erlang;        /* ?syntax=erlang */
};

static bool read_syntax(struct reading *r, struct slice v)
{
    r->is_erlang = slice_eq_str(v, "erlang");
    if (!r->is_erlang)
        errors_answer_parameter(r->g, r->http_id, r->parameter ? r->parameter : "syntax",
                                "the one value of syntax is \"erlang\"");
    return r->is_erlang;
}

/* A segment in Erlang syntax, as a term in the memory. */
static bool parse(struct reading *r, struct slice text, struct wr *memory, const char *parameter)
{
    struct transcode_fault f = {.fault = {.text = ""}};
    struct transcode_options options;
    uint32_t uses = 0;
    enum err e;

    body_defaults(r->g, &options);
    options.on_atom = NULL; /* target_use counts them, once it is allowed */
    wr_reset(memory);
    e = body_read_erlang(r->g, text, &options, memory, &uses, &f);
    if (e == ERR_ATOM_BUDGET || e == ERR_NOMEM)
        errors_answer(r->g, r->http_id, e, (struct slice){0});
    else if (e != ERR_NONE)
        errors_answer_parameter(r->g, r->http_id, parameter, *f.fault.text ? f.fault.text : err_text(e));
    return e == ERR_NONE;
}

static bool atom_segment(struct reading *r, size_t n, enum target_memory m, struct slice *field,
                         const char *parameter)
{
    struct slice text = r->segments[n];
    struct wr *memory = &r->t->memory[m];
    struct etf_atom atom;
    struct etf_rd rd;

    if (!r->is_erlang)
        return target_set_atom(r->g, r->http_id, field, text, parameter);
    if (!parse(r, text, memory, parameter))
        return false;
    rd = etf_rd_of(wr_written(memory), NULL);
    if (!etf_read_atom(&rd, &atom)) {
        errors_answer_parameter(r->g, r->http_id, parameter, "this name is to be an atom");
        return false;
    }
    memmove(memory->buf, atom.text.ptr, atom.text.len); /* the text alone, at the beginning of the memory */
    *field = slice_of(memory->buf, atom.text.len);
    return target_set_atom(r->g, r->http_id, field, *field, parameter);
}

/* A name of global, or of a group: any term; without ?syntax=erlang, an atom. */
static bool term_segment(struct reading *r, size_t n, const char *parameter)
{
    struct slice text = r->segments[n], atom;
    struct wr *memory = &r->t->memory[TARGET_MEMORY_TERM];

    if (r->is_erlang) {
        if (!parse(r, text, memory, parameter))
            return false;
    } else {
        if (!target_set_atom(r->g, r->http_id, &atom, text, parameter))
            return false;
        wr_reset(memory);
        etf_write_atom(memory, atom);
    }
    r->t->term = wr_written(memory);
    if (!wr_ok(memory))
        errors_answer(r->g, r->http_id, ERR_NOMEM, (struct slice){0});
    return wr_ok(memory);
}

static bool read_path(struct reading *r)
{
    struct slice first = r->segments[0];
    struct target *t = r->t;
    const char *whole = r->parameter;

    switch (t->kind) {
    case TARGET_BODY:
    case TARGET_NODES: return true;
    case TARGET_NODE: return target_set_node(r->g, r->http_id, t, first, whole ? whole : "node");
    case TARGET_NAME:
        return target_set_node(r->g, r->http_id, t, first, whole ? whole : "node") &&
               atom_segment(r, 1, TARGET_MEMORY_NAME, &t->name, whole ? whole : "name");
    case TARGET_PID: return target_set_pid(r->g, r->http_id, t, first, whole ? whole : "pid");
    case TARGET_GLOBAL: return term_segment(r, 0, whole ? whole : "name");
    case TARGET_GROUP:
        return atom_segment(r, 0, TARGET_MEMORY_NAME, &t->name, whole ? whole : "scope") &&
               term_segment(r, 1, whole ? whole : "group");
    case TARGET_FUNCTION:
        return target_set_node(r->g, r->http_id, t, first, "node") &&
               atom_segment(r, 1, TARGET_MEMORY_NAME, &t->name, "module") &&
               atom_segment(r, 2, TARGET_MEMORY_TERM, &t->function, "function");
    }
    return false;
}

bool target_of_path(struct gateway *g, struct http_request *req, struct target *ret)
{
    struct slice segments[] = {http_request_segment(req, 0), http_request_segment(req, 1),
                               http_request_segment(req, 2)};
    struct reading r = {.g = g, .http_id = http_request_id(req), .t = ret, .segments = segments};
    struct slice v;

    target_init(ret, (enum target_kind)http_request_route(req)->target);
    if (http_request_query(req, "syntax", &v) && !read_syntax(&r, v))
        return false;
    if (ret->kind == TARGET_GROUP && http_request_query(req, "to", &v) &&
        !target_set_mode(g, r.http_id, ret, v, "to"))
        return false;
    return read_path(&r);
}

/* ---- a path inside something else ---- */

static const struct {
    enum target_kind kind;
    const char *words[PATH_SEGMENTS]; /* NULL: a name stands here */
    size_t count;
} paths[] = {
    {TARGET_NAME, {"nodes", NULL, "processes", NULL}, 4},
    {TARGET_NODE, {"nodes", NULL}, 2},
    {TARGET_NODES, {"nodes"}, 1},
    {TARGET_PID, {"pids", NULL}, 2},
    {TARGET_GLOBAL, {"global", NULL}, 2},
    {TARGET_GROUP, {"groups", NULL, NULL}, 3},
};

/* The kind of path; the names in it, in names. TARGET_BODY: it is none. */
static enum target_kind recognize(const struct slice *segments, size_t count,
                                  struct slice names[PATH_SEGMENTS])
{
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        size_t at = 0, found = 0;

        while (paths[i].count == count && at < count &&
               (paths[i].words[at] ? slice_eq_str(segments[at], paths[i].words[at]) : segments[at].len > 0)) {
            if (!paths[i].words[at])
                names[found++] = segments[at];
            at++;
        }
        if (at == count && paths[i].count == count)
            return paths[i].kind;
    }
    return TARGET_BODY;
}

static const char not_a_path[] = "an API path is to stand here, without /v1 before it and without /monitor "
                                 "behind it, percent-encoded as in a "
                                 "URL (in a query then once more): "
                                 "/nodes/kv@host/processes/kv, /pids/{pid}, /global/{name}, "
                                 "/groups/{scope}/{group}, /nodes/{node} or /nodes";

bool target_of_text(struct gateway *g, uint64_t http_id, struct slice text, const char *parameter,
                    struct target *ret)
{
    struct slice names[PATH_SEGMENTS] = {{0}};
    struct reading r = {.g = g, .http_id = http_id, .t = ret, .segments = names, .parameter = parameter};
    struct http_target path;
    struct wr copy;
    bool is_read = false;

    target_init(ret, TARGET_BODY);
    wr_init(&copy, SIZE_MAX);
    wr_slice(&copy, text);
    if (wr_ok(&copy) && http_target_parse(copy.buf, copy.len, &path) == HTTP_TARGET_OK && !path.authority.len)
        ret->kind = recognize(path.segments, path.segment_count, names);
    if (ret->kind == TARGET_BODY)
        errors_answer_parameter(g, http_id, parameter, not_a_path);
    else if (path.param_count > 1 || (path.param_count && !slice_eq_str(path.params[0].name, "syntax")))
        errors_answer_parameter(g, http_id, parameter, "the one query of a path here is ?syntax=erlang");
    else
        is_read = (!path.param_count || read_syntax(&r, path.params[0].value)) && read_path(&r);
    if (is_read && !target_keep(ret)) {
        errors_answer(g, http_id, ERR_NOMEM, (struct slice){0});
        is_read = false;
    }
    wr_fini(&copy);
    return is_read;
}
