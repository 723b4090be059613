#include "node/function.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "etf/write.h"
#include "node/gen.h"
#include "node/internal.h"

struct function {
    node_function_fn *fn;
    void *ctx; /* borrowed */
};

struct invocation {
    enum invocation_kind kind;
    bool is_answered;
    uint8_t *token; /* owned; ERPC: the caller's reference, one term */
    size_t token_len;
    struct node_from *from; /* owned; CALL, EI */
    uint8_t *mfa;           /* owned; {M, F, Arity} of what runs, for a stack trace */
    size_t mfa_len;
};

/* ---- the table ---- */

/* Module and function as text, with what no atom of a function's name holds between them. */
static void write_key(struct wr *w, struct slice module, struct slice function, uint32_t arity)
{
    wr_be32(w, arity);
    wr_be32(w, (uint32_t)module.len);
    wr_slice(w, module);
    wr_slice(w, function);
}

enum err node_register_function(struct node *n, const char *module, const char *function, uint8_t arity,
                                node_function_fn *fn, void *ctx)
{
    struct function *f;
    struct wr w;
    enum err e;

    if (!etf_is_atom_text(slice_of_str(module)) || !etf_is_atom_text(slice_of_str(function)))
        return ERR_INVALID;
    wr_init(&w, SIZE_MAX);
    write_key(&w, slice_of_str(module), slice_of_str(function), arity);
    e = w.err;
    if (e == ERR_NONE)
        mem_free(map_remove(&n->functions, wr_written(&w)));
    f = fn && e == ERR_NONE ? mem_alloc(sizeof *f) : NULL;
    if (f) {
        *f = (struct function){.fn = fn, .ctx = ctx};
        e = map_put(&n->functions, wr_written(&w), f);
        if (e != ERR_NONE)
            mem_free(f);
    } else if (fn) {
        e = ERR_NOMEM;
    }
    wr_fini(&w);
    return e;
}

static void ensure_loaded(void *ctx, struct node_self self, struct etf_rd args)
{
    struct wr w;

    (void)ctx;
    (void)args;
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "error");
    etf_write_atom_str(&w, "nofile");
    if (!wr_ok(&w) || node_return(self, wr_written(&w)) != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_STR("function", "code:ensure_loaded/1"));
    wr_fini(&w);
}

enum err functions_init(struct node *n)
{
    return node_register_function(n, "code", "ensure_loaded", 1, ensure_loaded, NULL);
}

void functions_free(struct node *n)
{
    size_t cursor = 0;
    void *f;

    while ((f = map_next(&n->functions, &cursor, NULL)))
        mem_free(f);
    map_fini(&n->functions);
}

static struct function *find(const struct node *n, struct etf_atom module, struct etf_atom function,
                             uint32_t arity)
{
    struct function *f = NULL;
    struct wr key, m, g;

    wr_init(&key, SIZE_MAX);
    wr_init(&m, ETF_ATOM_MAX_BYTES);
    wr_init(&g, ETF_ATOM_MAX_BYTES);
    write_key(&key, route_atom_utf8(module, &m), route_atom_utf8(function, &g), arity);
    if (wr_ok(&key))
        f = map_get(&n->functions, wr_written(&key));
    wr_fini(&key);
    wr_fini(&m);
    wr_fini(&g);
    return f;
}

/* ---- the result ---- */

static const char *const class_names[] = {
    [NODE_CLASS_ERROR] = "error", [NODE_CLASS_EXIT] = "exit", [NODE_CLASS_THROW] = "throw"};

/* What the function came to. */
struct outcome {
    bool is_value;
    enum node_class class_;
    struct slice term;  /* value or reason */
    struct slice stack; /* class error: one term */
};

/* As erpc's process ends: {Token, return, V}, {Token, Class, R}, {Token, error, R, Stack}. */
static void write_erpc(struct wr *w, const struct invocation *v, const struct outcome *o)
{
    bool has_stack = !o->is_value && o->class_ == NODE_CLASS_ERROR;

    etf_write_tuple(w, has_stack ? 4 : 3);
    wr_bytes(w, v->token, v->token_len);
    etf_write_atom_str(w, o->is_value ? "return" : class_names[o->class_]);
    wr_slice(w, o->term);
    if (has_stack)
        wr_slice(w, o->stack);
}

/* As rex answers: V, a thrown R alike, {badrpc, {'EXIT', R}}, {badrpc, {'EXIT', {R, Stack}}}. */
static void write_rex(struct wr *w, const struct invocation *v, const struct outcome *o)
{
    if (v->kind == INVOKE_EI) {
        etf_write_tuple(w, 2);
        etf_write_atom_str(w, "rex");
    }
    if (!o->is_value && o->class_ != NODE_CLASS_THROW) {
        etf_write_tuple(w, 2);
        etf_write_atom_str(w, "badrpc");
        etf_write_tuple(w, 2);
        etf_write_atom_str(w, "EXIT");
        if (o->class_ == NODE_CLASS_ERROR)
            etf_write_tuple(w, 2);
    }
    wr_slice(w, o->term);
    if (!o->is_value && o->class_ == NODE_CLASS_ERROR)
        wr_slice(w, o->stack);
}

static enum err answer_rex(struct actor *a, struct invocation *v, const struct outcome *o, uint32_t uses)
{
    struct node_dest to = {.kind = NODE_DEST_PID, .pid = v->from->pid};
    struct slice term;
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    write_rex(&w, v, o);
    term = wr_written(&w);
    e = w.err;
    if (e == ERR_NONE)
        e = v->kind == INVOKE_EI ? actor_send(a, &to, &term, 1, uses) : gen_reply(a, v->from, term, uses);
    wr_fini(&w);
    return e;
}

static enum err answer(struct actor *a, const struct outcome *o, uint32_t uses)
{
    struct invocation *v = a->state;
    struct wr w;
    enum err e = ERR_NONE;

    wr_init(&w, SIZE_MAX);
    if (v->kind == INVOKE_ERPC) {
        write_erpc(&w, v, o);
        e = w.err;
    } else if (v->kind != INVOKE_CAST) {
        e = answer_rex(a, v, o, uses);
    }
    if (e == ERR_NONE) {
        v->is_answered = true;
        actor_exit_with(a, v->kind == INVOKE_ERPC ? wr_written(&w) : process_reason_normal);
    }
    wr_fini(&w);
    return e;
}

static const struct node_process_ops ops;

static enum err check(struct node_self self, struct slice term, struct actor **ret, uint32_t *ret_uses)
{
    *ret = actor_get(self);
    if (!*ret)
        return ERR_NOPROC;
    return (*ret)->ops == &ops ? spawn_check_term(term, ret_uses) : ERR_INVALID;
}

enum err node_return(struct node_self self, struct slice value)
{
    struct outcome o = {.is_value = true, .term = value};
    struct actor *a;
    uint32_t uses = 0;
    enum err e = check(self, value, &a, &uses);

    return e != ERR_NONE ? e : answer(a, &o, uses);
}

/* Raises with the stack of the called function alone: [{M, F, ArityOrArgs, []}]. */
static enum err raise(struct actor *a, enum node_class class_, struct slice reason, struct slice mfa,
                      uint32_t uses)
{
    struct outcome o = {.class_ = class_, .term = reason};
    struct wr w;
    enum err e;

    wr_init(&w, SIZE_MAX);
    etf_write_list(&w, 1);
    etf_write_tuple(&w, 4);
    wr_slice(&w, mfa);
    etf_write_nil(&w);
    etf_write_nil(&w);
    o.stack = wr_written(&w);
    e = wr_ok(&w) ? answer(a, &o, uses) : w.err;
    wr_fini(&w);
    return e;
}

enum err node_raise(struct node_self self, enum node_class class_, struct slice reason)
{
    struct actor *a;
    uint32_t uses = 0;
    enum err e = class_ <= NODE_CLASS_THROW ? check(self, reason, &a, &uses) : ERR_INVALID;
    const struct invocation *v;

    if (e != ERR_NONE)
        return e;
    v = a->state;
    return raise(a, class_, reason, slice_of(v->mfa, v->mfa_len), uses);
}

/* ---- the process ---- */

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    struct invocation *v = state;

    (void)self;
    (void)reason;
    mem_free(v->token);
    mem_free(v->mfa);
    node_from_free(v->from);
    mem_free(v);
}

/* It was ended from outside before it had answered: rex says so for it (erpc's caller has a monitor). */
static void ending(struct actor *a, struct slice reason)
{
    struct invocation *v = a->state;
    struct outcome o = {.class_ = NODE_CLASS_EXIT, .term = reason};

    if (v->is_answered || !v->from)
        return;
    v->is_answered = true;
    if (answer_rex(a, v, &o, 0) != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_SLICE("node", v->from->pid.node.text));
}

static const struct node_process_ops ops = {.kind = "rpc", .ended = ended};

enum err invocation_new(struct node *n, enum invocation_kind kind, struct etf_rd token,
                        const struct node_from *from, struct actor **ret)
{
    struct invocation *v = mem_zalloc(sizeof *v);
    struct wr w;
    enum err e = ERR_NOMEM;

    if (!v)
        return ERR_NOMEM;
    v->kind = kind;
    node_wr_init(n, &w);
    if (kind == INVOKE_ERPC && etf_copy(&w, &token) == ERR_NONE)
        v->token = wr_take(&w, &v->token_len);
    wr_fini(&w);
    if (from)
        v->from = node_from_keep(from);
    if ((kind != INVOKE_ERPC || v->token) && (!from || v->from))
        e = actor_spawn(n, &ops, v, ret);
    if (e == ERR_NONE)
        (*ret)->ending = ending;
    else
        ended((struct node_self){0}, v, etf_rd_of(process_reason_normal, NULL));
    return e;
}

/* Where the arguments stand one after another: behind the list's header, or in scratch. False: no proper
 * list. */
static bool open_args(struct etf_rd args, struct wr *scratch, struct etf_rd *ret, uint32_t *ret_count)
{
    struct etf_rd r = args;
    struct slice bytes;

    if (etf_read_string(&r, &bytes)) {
        for (size_t i = 0; i < bytes.len; i++)
            etf_write_int64(scratch, bytes.ptr[i]);
        *ret = etf_rd_of(wr_written(scratch), NULL);
        *ret_count = (uint32_t)bytes.len;
        return wr_ok(scratch);
    }
    if (!etf_read_list(&r, ret_count)) {
        *ret_count = 0;
        *ret = r;
        return etf_read_nil(ret);
    }
    *ret = r;
    for (uint32_t i = 0; i < *ret_count; i++)
        if (!etf_skip(&r, NULL))
            return false;
    return *ret_count == 0 || etf_read_nil(&r);
}

/* {M, F, X}'s elements, without the tuple. */
static bool keep_mfa(struct invocation *v, struct etf_atom module, struct etf_atom function, uint32_t arity)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_atom_as(&w, module);
    etf_write_atom_as(&w, function);
    etf_write_uint64(&w, arity);
    v->mfa = wr_take(&w, &v->mfa_len);
    return v->mfa != NULL;
}

static void undef(struct actor *a, struct etf_rd mfa, const char *reason)
{
    struct wr w, r;

    node_wr_init(a->process.node, &w);
    wr_init(&r, SIZE_MAX);
    etf_write_atom_str(&r, reason);
    for (int i = 0; i < 3; i++)
        if (etf_copy(&w, &mfa) != ERR_NONE)
            break;
    if (!wr_ok(&w) || !wr_ok(&r) || raise(a, NODE_CLASS_ERROR, wr_written(&r), wr_written(&w), 0) != ERR_NONE)
        actor_exit_with(a, process_reason_killed);
    wr_fini(&r);
    wr_fini(&w);
}

void invocation_run(struct actor *a, struct etf_rd mfa)
{
    struct etf_rd r = mfa, args;
    struct etf_atom module, function;
    struct function *f = NULL;
    uint32_t arity = 0;
    struct wr scratch;

    wr_init(&scratch, SIZE_MAX);
    if (!etf_read_atom(&r, &module) || !etf_read_atom(&r, &function) ||
        !open_args(r, &scratch, &args, &arity))
        undef(a, mfa, "badarg");
    else if (!(f = find(a->process.node, module, function, arity)) ||
             !keep_mfa(a->state, module, function, arity))
        undef(a, mfa, "undef");
    else
        f->fn(f->ctx, actor_self(a), args);
    wr_fini(&scratch);
}
