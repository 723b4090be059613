#include "bridge/target.h"

#include "base/utf8.h"
#include "bridge/internal.h"
#include "etf/syntax.h"
#include "etf/write.h"

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

static bool use_atom(struct gateway *g, uint64_t http_id, struct slice atom)
{
    enum err e = atoms_use(&g->atoms, atom);

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
    return use_atom(g, http_id, text);
}

bool target_set_atom(struct gateway *g, uint64_t http_id, struct slice *field, struct slice text,
                     const char *parameter)
{
    if (text.len == 0 || !utf8_is_valid(text) || utf8_count(text) > ETF_ATOM_MAX_CHARS) {
        errors_answer_parameter(g, http_id, parameter,
                                "an atom is to stand here: 1 to 255 characters of UTF-8");
        return false;
    }
    *field = text;
    return use_atom(g, http_id, text);
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
    return use_atom(g, http_id, t->node);
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
    struct http_request *req;
    uint64_t http_id;
    struct target *t;
    bool is_erlang; /* ?syntax=erlang */
};

static bool read_syntax(struct reading *r)
{
    struct slice v;

    if (!http_request_query(r->req, "syntax", &v))
        return true;
    r->is_erlang = slice_eq_str(v, "erlang");
    if (!r->is_erlang)
        errors_answer_parameter(r->g, r->http_id, "syntax", "the one value of syntax is \"erlang\"");
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
    struct slice text = http_request_segment(r->req, n);
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
    struct slice text = http_request_segment(r->req, n), atom;
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

static bool read_mode(struct reading *r)
{
    struct slice v;

    return !http_request_query(r->req, "to", &v) || target_set_mode(r->g, r->http_id, r->t, v, "to");
}

static bool read_path(struct reading *r)
{
    struct slice first = http_request_segment(r->req, 0);
    struct target *t = r->t;

    if (!read_syntax(r))
        return false;
    switch (t->kind) {
    case TARGET_BODY: return true;
    case TARGET_NODE: return target_set_node(r->g, r->http_id, t, first, "node");
    case TARGET_NAME:
        return target_set_node(r->g, r->http_id, t, first, "node") &&
               atom_segment(r, 1, TARGET_MEMORY_NAME, &t->name, "name");
    case TARGET_PID: return target_set_pid(r->g, r->http_id, t, first, "pid");
    case TARGET_GLOBAL: return term_segment(r, 0, "name");
    case TARGET_GROUP:
        return atom_segment(r, 0, TARGET_MEMORY_NAME, &t->name, "scope") && term_segment(r, 1, "group") &&
               read_mode(r);
    case TARGET_FUNCTION:
        return target_set_node(r->g, r->http_id, t, first, "node") &&
               atom_segment(r, 1, TARGET_MEMORY_NAME, &t->name, "module") &&
               atom_segment(r, 2, TARGET_MEMORY_TERM, &t->function, "function");
    }
    return false;
}

bool target_of_path(struct gateway *g, struct http_request *req, struct target *ret)
{
    struct reading r = {.g = g, .req = req, .http_id = http_request_id(req), .t = ret};

    target_init(ret, (enum target_kind)http_request_route(req)->operation);
    return read_path(&r);
}
