#include "bridge/permission.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/inbox.h"

enum { NODE_SHOWN = 4 * 255 + 1, TARGET_SHOWN = 640, DETAIL_MAX = PERMISSION_DETAIL_MAX };

/* ---- questions ---- */

static struct slice utf8_of(struct etf_atom a, uint8_t room[PERMISSION_LATIN1_MAX])
{
    struct slice text = a.text;
    size_t n = 0;

    if (!a.is_latin1)
        return text;
    for (size_t i = 0; i < text.len && n + 2 <= PERMISSION_LATIN1_MAX; i++)
        n += utf8_encode(text.ptr[i], room + n);
    return slice_of(room, n);
}

/* A name of global or of a group: an atom, or any other term. */
static void put_name(struct permission *p, struct slice term, enum policy_kind atom, enum policy_kind other)
{
    struct etf_rd rd = etf_rd_of(term, NULL);
    struct etf_atom name;
    bool is_atom = etf_read_atom(&rd, &name);

    p->q.kind = is_atom ? atom : other;
    if (is_atom)
        p->q.text = utf8_of(name, p->text);
}

void permission_of_target(struct permission *p, struct slice principal, enum policy_op op,
                          const struct target *t)
{
    struct policy_question *q = &p->q;

    *q = (struct policy_question){.principal = principal, .op = op, .node = t->node};
    switch (t->kind) {
    case TARGET_BODY: q->is_node_open = q->is_target_open = true; break;
    case TARGET_NODES: q->is_node_open = true; /* fall through */
    case TARGET_NODE:
        q->kind = op == POLICY_MONITOR ? POLICY_NODE : POLICY_NO_TARGET;
        q->is_target_open = op == POLICY_NAMES;
        break;
    case TARGET_NAME:
        q->kind = POLICY_NAME;
        q->text = t->name;
        break;
    case TARGET_PID: q->kind = POLICY_PID; break;
    case TARGET_GLOBAL:
        q->is_node_open = true;
        put_name(p, t->term, POLICY_GLOBAL, POLICY_GLOBAL_TERM);
        break;
    case TARGET_GROUP:
        q->is_node_open = true;
        q->outer = t->name;
        put_name(p, t->term, POLICY_GROUP, POLICY_GROUP_TERM);
        break;
    case TARGET_FUNCTION:
        q->kind = POLICY_FUNCTION;
        q->outer = t->name;
        q->text = t->function;
        break;
    }
}

void permission_of_node(struct permission *p, struct slice principal, enum policy_op op, struct slice node)
{
    p->q = (struct policy_question){.principal = principal, .op = op, .node = node};
}

void permission_at(struct permission *p, struct etf_atom node)
{
    p->q.node = utf8_of(node, p->node);
    p->q.is_node_open = false;
}

bool permission_may(const struct gateway *g, const struct permission *p)
{
    return policy_decide(g->config.policy, &p->q).is_allowed;
}

bool permission_shares(const struct gateway *g, struct slice principal, const struct inbox *in)
{
    struct slice owner = auth_principal_name(&in->owner);
    struct policy_question q = {
        .principal = principal, .op = POLICY_SHARE, .kind = POLICY_OWNER, .text = owner};

    return slice_eq(principal, owner) || policy_decide(g->config.policy, &q).is_allowed;
}

/* ---- what is said of it ---- */

struct said {
    char node[NODE_SHOWN], target[TARGET_SHOWN];
};

static void say(const struct policy_question *q, struct said *ret)
{
    bool has_node = policy_op_has_node(q->op) && !q->is_node_open;

    snprintf(ret->node, sizeof ret->node, "%.*s", (int)(has_node ? q->node.len : 0),
             has_node ? (const char *)q->node.ptr : "");
    ret->target[0] = '\0';
    if (q->kind != POLICY_NO_TARGET)
        policy_print_target(q, ret->target, sizeof ret->target);
}

/* Operations that are called by what they show, where no "to" goes before: "to call", but "the operation
 * nodes". */
static bool is_named_by_noun(enum policy_op op)
{
    return op == POLICY_NAMES || op == POLICY_NODES || op == POLICY_EPMD || op == POLICY_SELF ||
           op == POLICY_METRICS || op == POLICY_POLICY;
}

/* Nothing has been read yet of whom it is for, and it is not needed. */
static void say_all(const struct policy_question *q, struct said *ret)
{
    if (policy_op_targets(q->op) && !is_named_by_noun(q->op))
        snprintf(ret->target, sizeof ret->target, "anything");
    if (policy_op_has_node(q->op))
        snprintf(ret->node, sizeof ret->node, "any node");
}

/* "No rule allows billing to call name:ledger at kv@host.", "No rule allows billing to rpc anything at any
 * node." */
static void write_detail(const struct policy_question *q, const char *rule, char ret[DETAIL_MAX])
{
    struct said s;

    say(q, &s);
    if (q->is_node_open && q->is_target_open)
        say_all(q, &s);
    snprintf(ret, DETAIL_MAX, "%s%s%s %.*s %s %s%s%s%s%s.", rule ? "Rule \"" : "No rule allows",
             rule ? rule : "", rule ? "\" forbids" : "", SLICE_FMT(q->principal),
             is_named_by_noun(q->op) ? "the operation" : "to", policy_op_word(q->op), s.target[0] ? " " : "",
             s.target, s.node[0] ? " at " : "", s.node);
}

/* ---- the audit ---- */

/* What is kept of a request that changes something until it is over. */
struct audit {
    enum policy_op op;
    char principal[AUTH_PRINCIPAL_MAX + 1], rule[POLICY_NAME_MAX + 1];
    struct said said;
};

static bool is_audited(const struct gateway *g)
{
    return g->config.policy != NULL;
}

static void write_audit(const struct audit *a, bool is_allowed, unsigned status, struct slice trace)
{
    log_audit((const struct log_field[]){LOG_STR("principal", a->principal),
                                         LOG_STR("operation", policy_op_word(a->op)),
                                         LOG_STR("node", a->said.node), LOG_STR("target", a->said.target),
                                         LOG_STR("decision", is_allowed ? "allowed" : "denied"),
                                         LOG_STR("rule", a->rule), LOG_UINT("status", status),
                                         LOG_SLICE("request_id", trace)},
              8);
}

static void fill_audit(struct audit *a, const struct policy_question *q, const char *rule)
{
    a->op = q->op;
    snprintf(a->principal, sizeof a->principal, "%.*s", SLICE_FMT(q->principal));
    snprintf(a->rule, sizeof a->rule, "%s", rule ? rule : "");
    say(q, &a->said);
}

/* Without memory there is no line for what is about to be done: then it is not done. */
static bool keep_audit(struct gateway *g, uint64_t http_id, const struct policy_question *q, const char *rule)
{
    struct audit *a = mem_alloc(sizeof *a);

    if (!a) {
        errors_answer(g, http_id, ERR_NOMEM, (struct slice){0});
        return false;
    }
    fill_audit(a, q, rule);
    http_request_set_note(g->http, http_id, a);
    return true;
}

void permission_done(struct gateway *g, const struct http_done *done)
{
    (void)g;
    if (done->note)
        write_audit(done->note, true, done->status, done->trace);
}

static void note_denied(struct gateway *g, const struct policy_question *q, const char *rule,
                        struct slice trace)
{
    struct audit a;

    g->permission_stats.denied[q->op]++;
    fill_audit(&a, q, rule);
    write_audit(&a, false, 403, trace);
}

/* ---- asking ---- */

/* A node that is not to be dialled is not, whatever the rules say. */
static bool may_connect(const struct gateway *g, const struct policy_question *q)
{
    struct node_peer peer;

    if (!policy_op_has_node(q->op) || q->is_node_open || q->op == POLICY_NODES || q->op == POLICY_EPMD ||
        q->op == POLICY_DISCONNECT || policy_connects(g->config.policy, q->node) ||
        slice_eq(q->node, node_name(g->node)))
        return true;
    return node_find_peer(g->node, q->node, &peer) && peer.is_up;
}

#define NODES_CONNECT "nodes.connect"

bool permission_ask(struct gateway *g, uint64_t http_id, const struct permission *p)
{
    struct policy_decision d = policy_decide(g->config.policy, &p->q);
    const char *rule = d.rule ? d.rule->name : NULL;
    char detail[DETAIL_MAX];

    if (d.is_allowed && !may_connect(g, &p->q)) {
        d.is_allowed = false;
        rule = NODES_CONNECT;
    }
    if (d.is_allowed) {
        g->permission_stats.allowed[p->q.op]++;
        return !is_audited(g) || !policy_op_is_change(p->q.op) || keep_audit(g, http_id, &p->q, rule);
    }
    write_detail(&p->q, rule, detail);
    note_denied(g, &p->q, rule, http_trace(g->http, http_id));
    http_request_set_note(g->http, http_id, NULL);
    http_answer_problem(g->http, http_id, &(struct http_problem){.code = "forbidden", .detail = detail});
    return false;
}

bool permission_target(struct gateway *g, uint64_t http_id, enum policy_op op, const struct target *t)
{
    struct permission p;

    permission_of_target(&p, http_principal(g->http, http_id), op, t);
    return permission_ask(g, http_id, &p) && target_use(g, http_id, t);
}

bool permission_node(struct gateway *g, uint64_t http_id, enum policy_op op, struct slice node)
{
    struct permission p;

    permission_of_node(&p, http_principal(g->http, http_id), op, node);
    return permission_ask(g, http_id, &p);
}

/* ---- exchanges ---- */

static const enum policy_op ops[] = {
    [VERB_CALL] = POLICY_CALL,    [VERB_CAST] = POLICY_CAST, [VERB_SEND] = POLICY_SEND,
    [VERB_EXIT] = POLICY_EXIT,    [VERB_LOOK] = POLICY_LOOK, [VERB_RPC] = POLICY_RPC,
    [VERB_RPC_CAST] = POLICY_RPC,
};

void permission_of_exchange(const struct gateway *g, const struct exchange *x, struct permission *p)
{
    const struct target *t = x->is_found ? &x->named : &x->target;

    permission_of_target(p, http_principal(g->http, x->http_id), ops[x->verb], t);
    if (x->is_found)
        permission_at(p, (struct etf_atom){.text = x->target.node});
    p->q.arity = x->arity;
}

bool permission_exchange(struct gateway *g, struct exchange *x, bool has_arity)
{
    struct permission p;

    permission_of_exchange(g, x, &p);
    p.q.is_arity_open = !has_arity;
    if (!permission_ask(g, x->http_id, &p))
        return false;
    x->is_permitted = true;
    return x->is_found || has_arity || target_use(g, x->http_id, &x->target);
}

/* ---- before anything is read ---- */

bool permission_begin(struct gateway *g, struct http_request *req, const struct http_caller *caller,
                      struct slice principal, struct http_problem *ret_problem)
{
    struct policy_question q = {.principal = principal,
                                .op = (enum policy_op)caller->route->operation,
                                .is_node_open = true,
                                .is_target_open = true,
                                .is_arity_open = true};
    struct policy_decision d = policy_decide(g->config.policy, &q);
    const char *rule = d.rule ? d.rule->name : NULL;

    if (d.is_allowed)
        return true;
    write_detail(&q, rule, g->detail);
    note_denied(g, &q, rule, http_request_trace(req));
    *ret_problem = (struct http_problem){.code = "forbidden", .detail = g->detail};
    return false;
}
