/*
 * A policy's file. What is read is asked with the words that stand in it, as names, and as open questions;
 * what is refused has a place.
 */
#include "auth/policy.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(void *ctx, const struct policy_rule *rule, const char *what)
{
    (void)ctx;
    CHECK(*rule->name && *what);
}

/* What is allowed of a node is allowed of some. */
static void ask(const struct policy *p, struct policy_question *q)
{
    struct policy_decision d = policy_decide(p, q), again = policy_decide(p, q), open;

    CHECK(d.is_allowed == again.is_allowed && d.rule == again.rule);
    CHECK(!d.is_allowed || d.rule || q->op == POLICY_FREE);
    q->is_node_open = true;
    open = policy_decide(p, q);
    CHECK(open.is_allowed || !d.is_allowed);
    q->is_target_open = true;
    open = policy_decide(p, q);
    CHECK(open.is_allowed || !d.is_allowed);
    q->is_node_open = q->is_target_open = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct auth_faults faults = {.count = 0};
    struct policy *p = policy_read("fuzz", slice_of(data, size), &faults);
    struct slice word = slice_of(data, size < 255 ? size : 255);

    if (!p) {
        CHECK(faults.count > 0 && faults.count <= AUTH_FAULTS_MAX);
        for (unsigned i = 0; i < faults.count; i++)
            CHECK(faults.at[i].what[0]);
        return 0;
    }
    policy_warn(p, look_at, NULL);
    for (unsigned op = 0; op < POLICY_OP_COUNT; op++) {
        for (unsigned kind = 0; kind < POLICY_KIND_COUNT; kind++) {
            struct policy_question q = {.principal = word,
                                        .op = (enum policy_op)op,
                                        .node = SLICE("a@b"),
                                        .kind = (enum policy_kind)kind,
                                        .outer = word,
                                        .text = SLICE("name")};

            ask(p, &q);
        }
    }
    (void)policy_admits(p, word);
    (void)policy_connects(p, word);
    policy_free(p);
    return 0;
}
