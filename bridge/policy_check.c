/*
 * policy_check: POST /v1/policy/check: may I do that? The decision, the rule that makes it, and why those
 * before it do not. About somebody else only with the operation policy.
 */
#include <jansson.h>

#include "bridge/inbox.h"

enum { BEFORE_MAX = 1000 };

struct wish {
    struct slice principal;
    struct policy_question q;
};

static bool wrong(struct gateway *g, uint64_t http_id, const char *parameter, const char *detail)
{
    errors_answer_parameter(g, http_id, parameter, detail);
    return false;
}

static struct slice text_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_string(v) ? slice_of((const uint8_t *)json_string_value(v), json_string_length(v))
                             : (struct slice){0};
}

/* All members are texts, and there are no others. */
static bool is_plain(struct gateway *g, uint64_t http_id, json_t *o)
{
    static const char *const keys[] = {"principal", "operation", "node", "target"};
    const char *key;
    json_t *value;

    json_object_foreach(o, key, value)
    {
        size_t i = 0;

        while (i < sizeof keys / sizeof keys[0] && strcmp(key, keys[i]) != 0)
            i++;
        if (i == sizeof keys / sizeof keys[0] || !json_is_string(value))
            return wrong(g, http_id, i < sizeof keys / sizeof keys[0] ? keys[i] : "body",
                         "there are principal, operation, node and target, each a string");
    }
    return true;
}

static bool read_question(struct gateway *g, uint64_t http_id, json_t *o, struct policy_question *q)
{
    struct slice target = text_of(o, "target");

    if (!is_plain(g, http_id, o))
        return false;
    q->principal = http_principal(g->http, http_id);
    if (json_object_get(o, "principal"))
        q->principal = text_of(o, "principal");
    if (!auth_principal_is_valid(q->principal))
        return wrong(g, http_id, "principal", "a principal is 1 to 128 bytes of text");
    if (!policy_op_read(text_of(o, "operation"), &q->op))
        return wrong(g, http_id, "operation",
                     "an operation is to stand here, as rules have it: call, rpc, …");
    q->node = text_of(o, "node");
    if (policy_op_has_node(q->op) && !node_name_is_valid(q->node))
        return wrong(g, http_id, "node", "this operation is asked about with a node, name@host");
    if (policy_op_targets(q->op) && !policy_read_target(target, q))
        return wrong(g, http_id, "target",
                     "the target is to be of a kind that the operation has: name:NAME, "
                     "pid, global:NAME, group:SCOPE/GROUP, function:M:F/A, …");
    return true;
}

static json_t *describe(const struct policy_rule *r)
{
    return json_pack("{s:s, s:i, s:b}", "name", r->name, "line", (int)r->line, "allows", r->is_allow);
}

static json_t *explain(const struct gateway *g, const struct policy_question *q)
{
    struct policy_decision d = policy_decide(g->config.policy, q);
    const struct policy *p = g->config.policy;
    json_t *before = json_array();
    json_t *o = json_pack("{s:b, s:s%, s:o?, s:b}", "allowed", d.is_allowed, "principal",
                          (const char *)q->principal.ptr, q->principal.len, "rule",
                          d.rule ? describe(d.rule) : json_null(), "has_policy", p != NULL);

    for (size_t i = 0; o && i < policy_rule_count(p) && policy_rule_at(p, i) != d.rule; i++) {
        json_t *rule = i < BEFORE_MAX ? describe(policy_rule_at(p, i)) : NULL;

        if (rule)
            json_object_set_new(rule, "why", json_string(policy_fit_text(policy_fit(p, i, q))));
        json_array_append_new(before, rule);
    }
    if (o)
        json_object_set_new(o, "before", before);
    else
        json_decref(before);
    return o;
}

void policy_check(void *ctx, struct http_request *req)
{
    struct gateway *g = ctx;
    uint64_t http_id = http_request_id(req);
    struct policy_question q = {.op = POLICY_NOTHING};
    json_t *o = processes_read_object(g, req);

    if (!o)
        return;
    if (read_question(g, http_id, o, &q) && (slice_eq(q.principal, http_request_principal(req)) ||
                                             permission_node(g, http_id, POLICY_POLICY, (struct slice){0})))
        answer_object(g, http_id, 200, explain(g, &q));
    json_decref(o);
}
