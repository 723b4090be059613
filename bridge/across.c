#include "bridge/across.h"

#include "base/mem.h"
#include "bridge/internal.h"
#include "node/rpc.h"

enum { ATOMS_MAX = 256 }; /* that one message of a peer refers to (erl_dist_protocol, 13.3) */

/* ---- messages ---- */

/* Then: the node's name, the name (of a process or module), the function; the term. */
struct ask {
    uint64_t exchange;
    uint64_t timeout_ms;
    struct etf_pid pid; /* but for its node's text */
    enum verb verb;
    bool is_pid;
    uint32_t uses;
    uint32_t node_len, name_len, function_len;
};

struct cancel {
    uint64_t exchange;
};

/* Then: the atoms, each a length and whether it is Latin-1; their texts; the term; the stack trace. */
struct done {
    uint64_t exchange;
    enum err err;
    bool is_refused; /* it could not even be asked */
    bool was_sent, was_connecting;
    const char *text, *exception; /* static */
    uint32_t atom_count, atoms_len, term_len, stacktrace_len;
};

struct done_atom {
    uint32_t len;
    bool is_latin1;
};

/* ---- at a worker: asking ---- */

static bool is_ours_to_ask(const struct gateway *g, const struct exchange *x)
{
    switch (x->target.kind) {
    case TARGET_NAME:
        if (x->verb == VERB_EXIT) /* whose pid must be found out */
            return false;
        break;
    case TARGET_PID:
    case TARGET_FUNCTION: break;
    default: return false;
    }
    /* A node that is not to be dialled may have dialled us: the owner knows. */
    return x->verb != VERB_LOOK && !x->wants_owner && policy_connects(g->config.policy, x->target.node);
}

bool across_lends(struct gateway *g, struct http_request *req, const struct exchange *x)
{
    if (!g->config.owner || is_ours_to_ask(g, x))
        return false;
    http_request_lend(req);
    return true;
}

void across_ask(struct gateway *g, struct exchange *x)
{
    struct channel *owner = g->config.owner;
    const struct target *t = &x->target;
    struct slice term = exchange_term(g, x);
    struct ask m = {
        .exchange = x->id,
        .timeout_ms = exchange_left_ms(g, x),
        .pid = t->pid,
        .verb = x->verb,
        .is_pid = t->kind == TARGET_PID,
        .uses = x->uses | t->uses,
        .node_len = (uint32_t)t->node.len,
        .name_len = (uint32_t)t->name.len,
        .function_len = (uint32_t)t->function.len,
    };
    struct wr *w = channel_is_full(owner) ? NULL : channel_begin(owner, GATEWAY_CROSS_ASK);

    if (!w) {
        calls_fail(g, x, ERR_OVERLOADED);
        return;
    }
    wr_bytes(w, &m, sizeof m);
    wr_slice(w, t->node);
    wr_slice(w, t->name);
    wr_slice(w, t->function);
    wr_slice(w, term);
    if (!channel_end(owner))
        calls_fail(g, x, ERR_NOMEM);
}

void across_cancel(struct gateway *g, const struct exchange *x)
{
    struct cancel m = {.exchange = x->id};

    (void)channel_send(g->config.owner, GATEWAY_CROSS_CANCEL, &m, sizeof m, (struct slice){0});
}

static void done_came(struct gateway *g, struct slice body)
{
    const struct done *m = (const void *)body.ptr;
    const struct done_atom *lens = (const void *)(m + 1);
    struct slice text = slice_of((const uint8_t *)(lens + m->atom_count), m->atoms_len);
    struct etf_atom at[ATOMS_MAX];
    struct etf_atoms atoms = {.at = at, .count = m->atom_count};
    struct node_result r = {
        .err = m->err,
        .was_sent = m->was_sent,
        .was_connecting = m->was_connecting,
        .atoms = &atoms,
        .text = m->text,
        .exception = m->exception,
        .term = slice_of(text.ptr + text.len, m->term_len),
        .stacktrace = slice_of(text.ptr + text.len + m->term_len, m->stacktrace_len),
    };
    struct exchange *x = idtab_get(&g->exchanges, m->exchange);

    if (!x)
        return;
    for (uint32_t i = 0; i < m->atom_count; i++) {
        at[i] = (struct etf_atom){.text = slice_of(text.ptr, lens[i].len), .is_latin1 = lens[i].is_latin1};
        text.ptr += lens[i].len;
    }
    if (m->is_refused) {
        errors_answer(g, x->http_id, m->err, slice_of_str(x->node)); /* (the target's texts are gone) */
        exchange_end(g, x->id);
    } else if (x->target.kind == TARGET_FUNCTION) {
        rpc_done(g, m->exchange, &r);
    } else {
        calls_done(g, m->exchange, &r);
    }
}

void gateway_at_worker(struct gateway *g, unsigned kind, struct slice body)
{
    if (kind == GATEWAY_CROSS_DONE)
        done_came(g, body);
    else
        http_cross_at_worker(g->http, (enum http_cross)kind, body);
}

/* ---- at the owner: what workers have asked, by their exchanges ---- */

/* The place of an exchange, which is its id's lower half, is used again once it has ended: so there are no
 * more places than exchanges have been at once. */
static uint64_t *place_of(struct gateway_worker *w, uint64_t exchange)
{
    uint32_t at = (uint32_t)exchange;

    if (at >= w->cap) {
        uint32_t cap = at < 64 ? 128 : at * 2;
        struct gateway_asked *asked = mem_realloc_array(w->asked, cap, sizeof *asked);

        if (!asked)
            return NULL;
        memset(asked + w->cap, 0, (cap - w->cap) * sizeof *asked);
        w->asked = asked;
        w->cap = cap;
    }
    w->asked[at].exchange = exchange;
    return &w->asked[at].op;
}

static uint64_t forget(struct gateway_worker *w, uint64_t exchange)
{
    uint32_t at = (uint32_t)exchange;
    uint64_t op;

    if (at >= w->cap || w->asked[at].exchange != exchange)
        return 0;
    op = w->asked[at].op;
    w->asked[at] = (struct gateway_asked){0};
    return op;
}

/* ---- its end ---- */

static void put_atoms(struct wr *w, const struct etf_atoms *atoms, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct done_atom a = {.len = (uint32_t)atoms->at[i].text.len, .is_latin1 = atoms->at[i].is_latin1};

        wr_bytes(w, &a, sizeof a);
    }
    for (uint32_t i = 0; i < count; i++)
        wr_slice(w, atoms->at[i].text);
}

static uint32_t bytes_of(const struct etf_atoms *atoms, uint32_t count)
{
    size_t n = 0;

    for (uint32_t i = 0; i < count; i++)
        n += atoms->at[i].text.len;
    return (uint32_t)n;
}

static bool send_done(struct channel *worker, uint64_t exchange, const struct node_result *r)
{
    bool has_atoms = r->atoms && (r->term.len || r->stacktrace.len);
    uint32_t atom_count = has_atoms ? r->atoms->count : 0;
    struct done m = {
        .exchange = exchange,
        .err = r->err,
        .was_sent = r->was_sent,
        .was_connecting = r->was_connecting,
        .text = r->text,
        .exception = r->exception,
        .atom_count = atom_count,
        .atoms_len = bytes_of(r->atoms, atom_count),
        .term_len = (uint32_t)r->term.len,
        .stacktrace_len = (uint32_t)r->stacktrace.len,
    };
    struct wr *w = atom_count < ATOMS_MAX ? channel_begin(worker, GATEWAY_CROSS_DONE) : NULL;

    if (!w)
        return false;
    wr_bytes(w, &m, sizeof m);
    put_atoms(w, r->atoms, atom_count);
    wr_slice(w, r->term);
    wr_slice(w, r->stacktrace);
    return channel_end(worker);
}

static void refuse(struct gateway_worker *w, uint64_t exchange, enum err e)
{
    struct done m = {.exchange = exchange, .err = e, .is_refused = true};

    (void)channel_send(w->channel, GATEWAY_CROSS_DONE, &m, sizeof m, (struct slice){0});
}

/* There is no memory for what came of it. (That can be said: CHANNEL_SURE_BYTES.) */
static void lose(struct gateway_worker *w, uint64_t exchange, bool was_sent)
{
    (void)send_done(w->channel, exchange, &(struct node_result){.err = ERR_NOMEM, .was_sent = was_sent});
}

static void asked_done(void *ctx, uint64_t exchange, const struct node_result *r)
{
    struct gateway_worker *w = ctx;

    forget(w, exchange);
    if (w->channel && !send_done(w->channel, exchange, r))
        lose(w, exchange, r->was_sent);
}

/* ---- asking the node ---- */

struct asked_texts {
    struct slice node, name, function, term;
};

static struct asked_texts texts_of(const struct ask *m, struct slice body)
{
    const uint8_t *p = body.ptr + sizeof *m;
    struct asked_texts t;

    t.node = slice_of(p, m->node_len);
    t.name = slice_of(p += m->node_len, m->name_len);
    t.function = slice_of(p += m->name_len, m->function_len);
    p += m->function_len;
    t.term = slice_of(p, (size_t)(body.ptr + body.len - p));
    return t;
}

static enum err ask_node(struct gateway *g, struct gateway_worker *w, const struct ask *m, struct slice body,
                         uint64_t *ret_op)
{
    struct asked_texts t = texts_of(m, body);
    struct node_target target = {.is_pid = m->is_pid, .pid = m->pid, .node = t.node, .name = t.name};
    enum err e = calls_check_room(g, t.node, m->verb == VERB_CALL || m->verb == VERB_RPC);

    if (e != ERR_NONE)
        return e;
    target.pid.node.text = t.node;
    if (m->verb == VERB_RPC)
        return node_rpc(g->node, t.node, t.name, t.function, t.term, m->timeout_ms, asked_done, w,
                        m->exchange, ret_op);
    if (m->verb == VERB_RPC_CAST)
        return node_rpc_cast(g->node, t.node, t.name, t.function, t.term, m->timeout_ms, asked_done, w,
                             m->exchange, ret_op);
    return node_request(g->node, calls_node_verb(m->verb), &target, t.term, m->uses, m->timeout_ms,
                        asked_done, w, m->exchange, ret_op);
}

static void ask_came(struct gateway *g, struct gateway_worker *w, struct slice body)
{
    const struct ask *m = (const void *)body.ptr;
    uint64_t *place = place_of(w, m->exchange), op = 0;
    enum err e = place ? ask_node(g, w, m, body, &op) : ERR_NOMEM;

    if (e == ERR_NONE && op) {
        /* (What the node has called meanwhile may have made room elsewhere.) */
        w->asked[(uint32_t)m->exchange].op = op;
        return;
    }
    forget(w, m->exchange);
    if (e != ERR_NONE)
        refuse(w, m->exchange, e);
    else if (!send_done(w->channel, m->exchange, &(struct node_result){.err = ERR_NONE, .was_sent = true}))
        lose(w, m->exchange, true);
}

void gateway_at_owner(struct gateway *owner, unsigned worker, unsigned kind, struct slice body)
{
    struct gateway_worker *w = owner->workers[worker];

    switch (kind) {
    case GATEWAY_CROSS_ASK:
        if (w->channel)
            ask_came(owner, w, body);
        break;
    case GATEWAY_CROSS_CANCEL:
        node_cancel(owner->node, forget(w, ((const struct cancel *)(const void *)body.ptr)->exchange));
        break;
    default: http_cross_at_owner(owner->http, worker, (enum http_cross)kind, body); break;
    }
}

/* It has waited for the worker's turn to end, and for this thread's to begin: not for this one's end, too. */
void gateway_batch_at_owner(struct gateway *owner)
{
    node_flush(owner->node);
}

/* ---- workers come and go ---- */

enum err gateway_add_worker(struct gateway *owner, struct channel *to_worker, unsigned *ret_number)
{
    struct gateway_worker *w = mem_zalloc(sizeof *w);

    if (!w)
        return ERR_NOMEM;
    w->channel = to_worker;
    *ret_number = http_server_add_worker(owner->http, to_worker);
    owner->workers[*ret_number] = w;
    return ERR_NONE;
}

void gateway_part_worker(struct gateway *owner, unsigned worker)
{
    if (owner->workers[worker])
        owner->workers[worker]->channel = NULL;
    http_server_part_worker(owner->http, worker);
}

void gateway_remove_worker(struct gateway *owner, unsigned worker)
{
    struct gateway_worker *w = owner->workers[worker];

    if (!w)
        return;
    for (uint32_t i = 0; i < w->cap; i++)
        node_cancel(owner->node, w->asked[i].op);
    http_server_remove_worker(owner->http, worker);
    mem_free(w->asked);
    mem_free(w);
    owner->workers[worker] = NULL;
}

void across_flush(void *ctx)
{
    const struct gateway *g = ctx;

    for (unsigned i = 0; i + 1 < g->config.threads; i++) {
        if (g->workers[i] && g->workers[i]->channel)
            channel_flush(g->workers[i]->channel);
    }
}
