#include "auth/policy.h"

#include <stdio.h>

#include "auth/policy_rules.h"
#include "base/mem.h"

/* ---- one rule ---- */

/* How a rule takes a part of a question: not, for certain, or only some of what may be put in. */
enum take { TAKES_NOT, TAKES_SOME, TAKES };

static enum take take_glob(const struct policy_glob *g, struct slice s, bool is_open)
{
    if (is_open)
        return g->is_all ? TAKES : TAKES_SOME;
    return policy_glob_match(g, s) ? TAKES : TAKES_NOT;
}

static enum take take_globs(const struct policy_globs *globs, struct slice s, bool is_open)
{
    enum take best = TAKES_NOT;

    for (size_t i = 0; i < globs->count && best != TAKES; i++) {
        enum take t = take_glob(&globs->at[i], s, is_open);

        best = t > best ? t : best;
    }
    return best;
}

static bool is_all_of_kind(const struct policy_target *t)
{
    return t->outer.is_all && t->text.is_all && t->is_any_arity;
}

static enum take take_target(const struct policy_target *t, const struct policy_question *q)
{
    if (t->kind == POLICY_NO_TARGET)
        return TAKES;
    if (q->is_target_open && q->kind == POLICY_NO_TARGET) /* the only kind that there is? */
        return !(policy_op_targets(q->op) & POLICY_BIT(t->kind))                      ? TAKES_NOT
               : policy_op_targets(q->op) == POLICY_BIT(t->kind) && is_all_of_kind(t) ? TAKES
                                                                                      : TAKES_SOME;
    if (t->kind != q->kind)
        return TAKES_NOT;
    if (q->is_target_open)
        return is_all_of_kind(t) ? TAKES : TAKES_SOME;
    if (!policy_glob_match(&t->outer, q->outer) || !policy_glob_match(&t->text, q->text))
        return TAKES_NOT;
    if (t->is_any_arity || q->is_arity_open)
        return t->is_any_arity ? TAKES : TAKES_SOME;
    return t->arity == q->arity ? TAKES : TAKES_NOT;
}

static enum take take_targets(const struct rule *r, const struct policy_question *q)
{
    enum take best = TAKES_NOT;

    for (size_t i = 0; i < r->target_count && best != TAKES; i++) {
        enum take t = take_target(&r->targets[i], q);

        best = t > best ? t : best;
    }
    return best;
}

static enum policy_fit fit(const struct rule *r, const struct policy_question *q)
{
    enum take node = TAKES, target = TAKES;

    if (!(r->operations & 1u << q->op))
        return POLICY_OTHER_OPERATION;
    if (take_globs(&r->principals, q->principal, false) == TAKES_NOT)
        return POLICY_OTHER_PRINCIPAL;
    if (policy_op_has_node(q->op))
        node = take_globs(&r->nodes, q->node, q->is_node_open);
    if (node == TAKES_NOT)
        return POLICY_OTHER_NODE;
    if (policy_op_targets(q->op))
        target = take_targets(r, q);
    if (target == TAKES_NOT)
        return POLICY_OTHER_TARGET;
    return r->shown.is_allow || (node == TAKES && target == TAKES) ? POLICY_FITS : POLICY_FITS_IN_PART;
}

/* ---- all ---- */

struct policy_decision policy_decide(const struct policy *p, const struct policy_question *q)
{
    struct policy_decision no = {.is_allowed = false};

    if (q->op == POLICY_NOTHING || q->op >= POLICY_OP_COUNT)
        return no;
    if (!p || q->op == POLICY_FREE)
        return (struct policy_decision){.is_allowed = true};
    for (size_t i = 0; i < p->rule_count; i++)
        if (fit(&p->rules[i], q) == POLICY_FITS)
            return (struct policy_decision){p->rules[i].shown.is_allow, &p->rules[i].shown};
    return no;
}

size_t policy_rule_count(const struct policy *p)
{
    return p ? p->rule_count : 0;
}

const struct policy_rule *policy_rule_at(const struct policy *p, size_t n)
{
    return &p->rules[n].shown;
}

enum policy_fit policy_fit(const struct policy *p, size_t n, const struct policy_question *q)
{
    return fit(&p->rules[n], q);
}

const char *policy_fit_text(enum policy_fit f)
{
    static const char *const texts[] = {
        [POLICY_FITS] = "it matches",
        [POLICY_OTHER_OPERATION] = "it is for other operations",
        [POLICY_OTHER_PRINCIPAL] = "it is for other principals",
        [POLICY_OTHER_NODE] = "it is for other nodes",
        [POLICY_OTHER_TARGET] = "it is for other targets",
        [POLICY_FITS_IN_PART] = "it denies some of what is asked, not all",
    };

    return texts[f];
}

/* ---- nodes ---- */

bool policy_admits(const struct policy *p, struct slice node)
{
    return !p || !p->has_admit || take_globs(&p->admit, node, false) == TAKES;
}

bool policy_connects(const struct policy *p, struct slice node)
{
    return !p || !p->has_connect || take_globs(&p->connect, node, false) == TAKES;
}

/* ---- what gives more than it seems to ---- */

/*
 * By these functions a caller reaches whatever it likes: any process, any other function, the machine. A
 * module alone: by each of its functions.
 */
static const char *const doors[][2] = {
    {"erlang", "apply"},
    {"erlang", "spawn"},
    {"erlang", "spawn_link"},
    {"erlang", "spawn_monitor"},
    {"erlang", "spawn_opt"},
    {"erlang", "spawn_request"},
    {"erlang", "send"},
    {"erlang", "send_nosuspend"},
    {"erlang", "send_after"},
    {"erlang", "start_timer"},
    {"erlang", "!"},
    {"erlang", "exit"},
    {"erlang", "halt"},
    {"erlang", "open_port"},
    {"erlang", "load_nif"},
    {"erlang", "load_module"},
    {"erlang", "delete_module"},
    {"erlang", "set_cookie"},
    {"erlang", "get_cookie"},
    {"erlang", "register"},
    {"erlang", "unregister"},
    {"erlang", "process_info"},
    {"erlang", "system_flag"},
    {"erlang", "trace"},
    {"rpc", NULL},
    {"erpc", NULL},
    {"gen_server", NULL},
    {"gen_statem", NULL},
    {"gen_event", NULL},
    {"gen", NULL},
    {"proc_lib", NULL},
    {"sys", NULL},
    {"supervisor", NULL},
    {"timer", NULL},
    {"global", NULL},
    {"pg", NULL},
    {"net_kernel", NULL},
    {"peer", NULL},
    {"slave", NULL},
    {"os", NULL},
    {"file", NULL},
    {"prim_file", NULL},
    {"filelib", NULL},
    {"code", NULL},
    {"compile", NULL},
    {"erl_eval", NULL},
    {"init", NULL},
    {"application", NULL},
    {"c", NULL},
    {"io", NULL},
    {"ets", NULL},
    {"dets", NULL},
    {"mnesia", NULL},
    {"dbg", NULL},
    {"erts_debug", NULL},
    {"erts_internal", NULL},
    {"Elixir.Kernel", NULL},
    {"Elixir.Code", NULL},
    {"Elixir.System", NULL},
    {"Elixir.File", NULL},
    {"Elixir.GenServer", NULL},
    {"Elixir.Process", NULL},
    {"Elixir.Task", NULL},
    {"Elixir.Agent", NULL},
    {"Elixir.Node", NULL},
};

static bool is_door(const struct policy_target *t, const char *const door[2])
{
    return t->kind == POLICY_NO_TARGET ||
           (t->kind == POLICY_FUNCTION && policy_glob_match(&t->outer, slice_of_str(door[0])) &&
            (!door[1] || policy_glob_match(&t->text, slice_of_str(door[1]))));
}

static const char *door_of(const struct policy_target *t)
{
    for (size_t i = 0; i < sizeof doors / sizeof doors[0]; i++)
        if (is_door(t, doors[i]))
            return doors[i][0];
    return NULL;
}

static void warn_of(const struct rule *r, policy_warn_fn *fn, void *ctx)
{
    char what[256];

    for (size_t i = 0; i < r->target_count; i++) {
        const char *door = door_of(&r->targets[i]);

        if (!door)
            continue;
        snprintf(
            what, sizeof what,
            "it allows rpc to functions of `%s` by which other processes, other functions or the machine "
            "can be reached: rules about names do not hold for who may do that",
            door);
        fn(ctx, &r->shown, what);
        return;
    }
}

void policy_warn(const struct policy *p, policy_warn_fn *fn, void *ctx)
{
    for (size_t i = 0; p && i < p->rule_count; i++)
        if (p->rules[i].shown.is_allow && p->rules[i].operations & 1u << POLICY_RPC)
            warn_of(&p->rules[i], fn, ctx);
}

/* ---- life ---- */

void policy_free(struct policy *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->rule_count; i++) {
        mem_free(p->rules[i].name);
        mem_free(p->rules[i].principals.at);
        mem_free(p->rules[i].nodes.at);
        mem_free(p->rules[i].targets);
    }
    mem_free(p->rules);
    mem_free(p->admit.at);
    mem_free(p->connect.at);
    while (p->texts) {
        struct policy_text *t = p->texts;

        p->texts = t->next;
        mem_free(t);
    }
    mem_free(p);
}
