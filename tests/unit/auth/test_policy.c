#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auth/policy.h"
#include "auth/policy_glob.h"
#include "base/mem.h"

static struct auth_faults faults;
static const struct auth_fault *const fault = &faults.at[0]; /* the first */

static struct policy *read_text(const char *text)
{
    struct policy *p = policy_read("policy.yaml", slice_of_str(text), &faults);

    if (!p)
        fail_msg("%s:%u:%u: %s", fault->file, fault->line, fault->column, fault->what);
    return p;
}

/* A question in words: "billing call ledger@h name:ledger"; "-" where there is none, "?" what is open. */
static struct policy_decision ask(const struct policy *p, const char *words)
{
    static char copy[1024];
    struct policy_question q = {.op = POLICY_NOTHING};
    char *save, *word;

    snprintf(copy, sizeof copy, "%s", words);
    q.principal = slice_of_str(strtok_r(copy, " ", &save));
    word = strtok_r(NULL, " ", &save);
    if (!policy_op_read(slice_of_str(word), &q.op))
        fail_msg("no operation: %s", word);
    word = strtok_r(NULL, " ", &save);
    q.is_node_open = strcmp(word, "?") == 0;
    q.node = slice_of_str(word);
    word = strtok_r(NULL, " ", &save);
    q.is_target_open = strcmp(word, "?") == 0;
    if (strcmp(word, "?") != 0 && strcmp(word, "-") != 0 && !policy_read_target(slice_of_str(word), &q))
        fail_msg("no target of it: %s", words);
    return policy_decide(p, &q);
}

struct row {
    const char *question;
    const char *rule; /* that decides; NULL: none */
    bool is_allowed;
};

static void hold(const struct policy *p, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct policy_decision d = ask(p, rows[i].question);

        if (d.is_allowed != rows[i].is_allowed || !d.rule != !rows[i].rule ||
            (d.rule && strcmp(d.rule->name, rows[i].rule) != 0))
            fail_msg("%s: %s by %s", rows[i].question, d.is_allowed ? "allowed" : "denied",
                     d.rule ? d.rule->name : "none");
    }
}

static const char shop[] =
    "rules:\n"
    "  - name: no secrets\n"
    "    deny: \"*\"\n"
    "    principals: \"*\"\n"
    "    nodes: \"*\"\n"
    "    targets: [name:vault, 'name:*_secret', global:vault]\n"
    "  - name: billing\n"
    "    allow: [call, cast]\n"
    "    principals: billing\n"
    "    nodes: 'ledger@*'\n"
    "    targets: [name:ledger, 'name:ledger_?', group:pg/ledgers]\n"
    "  - name: maths\n"
    "    allow: rpc\n"
    "    principals: [billing, 'team-*']\n"
    "    nodes: ['ledger@*', 'calc@*']\n"
    "    targets: ['function:lists:*/1', 'function:calc:add/*', 'function:*:version/0']\n"
    "  - name: not from tests\n"
    "    deny: [call, look]\n"
    "    principals: '*'\n"
    "    nodes: '*@test'\n"
    "    targets: '*'\n"
    "  - name: watchers\n"
    "    allow: [monitor, look, names]\n"
    "    principals: dash\n"
    "    nodes: '*'\n"
    "    targets: ['name:*', node, pid, 'global:*', 'group-term:pg']\n"
    "  - name: lists\n"
    "    allow: [nodes, epmd]\n"
    "    principals: dash\n"
    "    nodes: '*'\n"
    "  - name: ops\n"
    "    allow: '*'\n"
    "    principals: ops\n"
    "    nodes: '*'\n"
    "    targets: '*'\n"
    "  - name: spawners\n"
    "    allow: spawn\n"
    "    principals: ['team-*']\n";

static void the_first_rule_that_matches_decides(void **state)
{
    static const struct row rows[] = {
        {"billing call ledger@a name:ledger", "billing", true},
        {"billing cast ledger@a name:ledger", "billing", true},
        {"billing send ledger@a name:ledger", NULL, false},
        {"billing exit ledger@a name:ledger", NULL, false},
        {"billing call ledger@a name:Ledger", NULL, false},
        {"billing call ledger@a name:ledgers", NULL, false},
        {"billing call ledger@a name:ledge", NULL, false},
        {"billing call ledger@a name:ledger_1", "billing", true},
        {"billing call ledger@a name:ledger_", NULL, false},
        {"billing call ledger@a name:ledger_12", NULL, false},
        {"billing call ledger@a name:ledger_\xC3\xA9", "billing", true},
        {"billing call ledger@a name:ledger_\xF0\x9F\x98\x80", "billing", true},
        {"billing call ledger@a name:vault", "no secrets", false},
        {"billing call ledger@a name:my_secret", "no secrets", false},
        {"billing call ledger@a name:_secret", "no secrets", false},
        {"billing call ledger@a name:my_secrets", NULL, false},
        {"billing call ledger@a global:ledger", NULL, false},
        {"billing call ledger@a group:pg/ledgers", "billing", true},
        {"billing call ledger@a group:pg2/ledgers", NULL, false},
        {"billing call ledger@a group:pg/ledgers/x", NULL, false},
        {"billing call ledger@a pid", NULL, false},
        {"billing call xledger@a name:ledger", NULL, false},
        {"billing call ledger@ name:ledger", "billing", true},
        {"billing call LEDGER@a name:ledger", NULL, false},
        {"billing call calc@a name:ledger", NULL, false},
        {"Billing call ledger@a name:ledger", NULL, false},
        {"billing2 call ledger@a name:ledger", NULL, false},
        {"billing call ledger@test name:ledger", "billing", true},
        {"ops call ledger@test name:x", "not from tests", false},
        {"ops look ledger@test name:x", "not from tests", false},
        {"ops cast ledger@test name:x", "ops", true},
        {"ops call ledger@a name:x", "ops", true},
        {"ops call ledger@a name:vault", "no secrets", false},
        {"ops monitor ledger@a name:vault", "no secrets", false},
        {"ops call ledger@a global:vault", "no secrets", false},
        {"ops call ledger@a pid", "ops", true},
        {"ops rpc ledger@a function:os:cmd/1", "ops", true},
        {"ops nodes ledger@a -", "ops", true},
        {"ops spawn - -", "ops", true},
        {"ops share - owner:x", "ops", true},
        {"ops register me@h name:vault", "no secrets", false},
        {"ops register me@h name:x", "ops", true},
        {"ops policy - -", "ops", true},
        {"ops metrics - -", "ops", true},
        {"billing rpc ledger@a function:lists:reverse/1", "maths", true},
        {"billing rpc ledger@a function:lists:reverse/2", NULL, false},
        {"billing rpc ledger@a function:lists:sum/1", "maths", true},
        {"billing rpc ledger@a function:listsx:sum/1", NULL, false},
        {"billing rpc ledger@a function:calc:add/2", "maths", true},
        {"billing rpc ledger@a function:calc:add/255", "maths", true},
        {"billing rpc ledger@a function:calc:sub/2", NULL, false},
        {"billing rpc ledger@a function:erlang:version/0", "maths", true},
        {"billing rpc ledger@a function:erlang:version/1", NULL, false},
        {"team-a rpc calc@a function:lists:sum/1", "maths", true},
        {"team- rpc calc@a function:lists:sum/1", "maths", true},
        {"team rpc calc@a function:lists:sum/1", NULL, false},
        {"ateam-a rpc calc@a function:lists:sum/1", NULL, false},
        {"dash monitor x@y name:z", "watchers", true},
        {"dash monitor x@y node", "watchers", true},
        {"dash monitor x@y pid", "watchers", true},
        {"dash monitor x@y global:z", "watchers", true},
        {"dash monitor x@y global-term", NULL, false},
        {"dash monitor x@y group:pg/z", NULL, false},
        {"dash monitor x@y group-term:pg", "watchers", true},
        {"dash monitor x@y group-term:pg2", NULL, false},
        {"dash names x@y name:z", "watchers", true},
        {"dash names x@y name:vault", "no secrets", false},
        {"dash nodes x@y -", "lists", true},
        {"dash epmd x@y -", "lists", true},
        {"dash connect x@y -", NULL, false},
        {"dash look x@test name:z", "not from tests", false},
        {"team-a spawn - -", "spawners", true},
        {"team-a share - owner:team-b", NULL, false},
        {"billing spawn - -", NULL, false},
        {"anonymous call ledger@a name:ledger", NULL, false},
        /* what is open */
        {"billing call ? name:ledger", "billing", true},
        {"billing call ? name:vault", "no secrets", false},
        {"billing call ? global:ledger", NULL, false},
        {"billing call ? ?", "billing", true},
        {"billing call x@y ?", NULL, false},
        {"billing exit ? ?", NULL, false},
        {"ops call x@test ?", "not from tests", false},
        {"ops call ? name:x", "ops", true},
        {"ops call ? name:vault", "no secrets", false},
        {"dash names x@y ?", "watchers", true},
        {"dash nodes ? -", "lists", true},
        {"billing nodes ? -", NULL, false},
        {"billing rpc ? ?", "maths", true},
        {"billing rpc z@a ?", NULL, false},
    };
    struct policy *p = read_text(shop);

    (void)state;
    hold(p, rows, sizeof rows / sizeof rows[0]);
    policy_free(p);
}

static void no_policy_and_no_rules(void **state)
{
    struct policy *p = read_text("rules: []");
    struct policy_question q = {.op = POLICY_NOTHING}, nothing = q;

    (void)state;
    assert_false(policy_decide(p, &q).is_allowed);
    assert_false(policy_decide(NULL, &nothing).is_allowed);
    for (unsigned i = 1; i < POLICY_OP_COUNT; i++) {
        q.op = (enum policy_op)i;
        assert_true(policy_decide(NULL, &q).is_allowed);
        assert_true(policy_decide(p, &q).is_allowed == (i == POLICY_FREE));
    }
    q.op = POLICY_OP_COUNT;
    assert_false(policy_decide(NULL, &q).is_allowed);
    assert_true(policy_admits(p, SLICE("a@b")));
    assert_true(policy_admits(NULL, SLICE("a@b")));
    assert_true(policy_connects(p, SLICE("a@b")));
    policy_free(p);
}

static void nodes_of_the_cluster(void **state)
{
    struct policy *p = read_text("rules: []\nnodes: {admit: ['a@*', b@c], connect: 'x?@y'}\n");

    (void)state;
    assert_true(policy_admits(p, SLICE("a@anything")));
    assert_true(policy_admits(p, SLICE("b@c")));
    assert_false(policy_admits(p, SLICE("b@cc")));
    assert_false(policy_admits(p, SLICE("A@c")));
    assert_false(policy_admits(p, SLICE("")));
    assert_true(policy_connects(p, SLICE("x1@y")));
    assert_false(policy_connects(p, SLICE("x@y")));
    assert_false(policy_connects(p, SLICE("a@b")));
    policy_free(p);
}

/* ---- globs ---- */

static void globs(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool is_match;
    } rows[] = {
        {"*", "", true},
        {"*", "a", true},
        {"**", "", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "\xC3\xA9", true},
        {"??", "\xC3\xA9", false},
        {"?*", "a", true},
        {"a*", "a", true},
        {"a*", "ab", true},
        {"a*", "ba", false},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"*a*", "bab", true},
        {"a*b", "ab", true},
        {"a*b", "axxb", true},
        {"a*b", "axxbc", false},
        {"a*b*c", "abbc", true},
        {"a*b*c", "acb", false},
        {"*.*", "a.b", true},
        {"a", "a", true},
        {"a", "A", false},
        {"a", "aa", false},
        {"", "", true},
        {"[a]", "a", false},
        {"[a]", "[a]", true},
        {"\\*", "\\x", true},
        {"\\*", "*", false},
        {"*ab", "aab", true},
        {"*aab", "aaab", true},
        {"*?b", "b", false},
        {"*?b", "ab", true},
        {"a?c", "abc", true},
        {"a?c",
         "a\xE2\x82\xAC"
         "c",
         true},
        {"*\xC3\xA9", "x\xC3\xA9", true},
        {"*\xA9", "x\xC3\xA9", false},
        {"a%2A", "a*", false},
        {"{a,b}", "a", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy_glob g;

        policy_glob_set(&g, slice_of_str(rows[i].pattern));
        if (policy_glob_match(&g, slice_of_str(rows[i].text)) != rows[i].is_match)
            fail_msg("%s, %s", rows[i].pattern, rows[i].text);
    }
}

/* A hundred stars over a text that never fits: seconds, or for ever, for a matcher that tries all ways. */
static void a_glob_does_not_explode(void **state)
{
    char pattern[256], text[1021];
    struct policy_glob g;

    (void)state;
    for (size_t i = 0; i + 2 < sizeof pattern; i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    pattern[254] = 'b';
    pattern[255] = '\0';
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    policy_glob_set(&g, slice_of_str(pattern));
    for (int i = 0; i < 1000; i++)
        assert_false(policy_glob_match(&g, slice_of_str(text)));
}

/* ---- against an oracle ---- */

static uint64_t random_state = 88172645463325252u;

static unsigned roll(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % n);
}

/* By the definition, one way after another. */
static bool slow_match(const char *p, const char *s)
{
    if (!*p)
        return !*s;
    if (*p == '*')
        return slow_match(p + 1, s) || (*s && slow_match(p, s + 1));
    return *s && (*p == '?' || *p == *s) && slow_match(p + 1, s + 1);
}

static void random_text(char *out, size_t max, const char *letters)
{
    size_t n = roll((unsigned)max);

    for (size_t i = 0; i < n; i++)
        out[i] = letters[roll((unsigned)strlen(letters))];
    out[n] = '\0';
}

static void globs_are_as_their_definition(void **state)
{
    char pattern[12], text[16];

    (void)state;
    for (int i = 0; i < 300000; i++) {
        struct policy_glob g;

        random_text(pattern, sizeof pattern, "ab*?");
        random_text(text, sizeof text, "ab");
        policy_glob_set(&g, slice_of_str(pattern));
        if (policy_glob_match(&g, slice_of_str(text)) != slow_match(pattern, text))
            fail_msg("%s, %s", pattern, text);
    }
}

enum { RULES = 6, WORDS = 3 };

/* A rule as the oracle has it: texts alone. */
struct plain_rule {
    bool is_allow;
    const char *ops[WORDS], *principals[WORDS], *nodes[WORDS], *targets[WORDS];
};

static const char *const some_ops[] = {"call", "cast", "look", "exit"};
static const char *const some_globs[] = {"*", "a", "b", "a*", "?", "*b", "ab"};
static const char *const some_names[] = {"a", "b", "ab", "bb", "c"};
static const char *const some_targets[] = {"*",         "pid",       "name:*",     "name:a",    "name:*b",
                                           "global:a",  "global:*",  "name:?b",    "group:a/*", "group:*/b",
                                           "group:*/*", "group:a/b", "global-term"};
static const char *const asked_targets[] = {"pid",      "name:a",    "name:ab",   "name:c",    "global:a",
                                            "global:b", "group:a/b", "group:b/b", "group:a/c", "global-term"};

static const char *const some_node_globs[] = {"*", "a@h", "b@h", "a*", "?", "*b@h", "ab@h"};
static const char *const some_nodes[] = {"a@h", "b@h", "ab@h", "bb@h", "c@h"};

#define PICK(list) list[roll(sizeof list / sizeof list[0])]

static void pick_rule(struct plain_rule *r)
{
    r->is_allow = roll(2);
    for (int i = 0; i < WORDS; i++) {
        r->ops[i] = PICK(some_ops);
        r->principals[i] = PICK(some_globs);
        r->nodes[i] = PICK(some_node_globs);
        r->targets[i] = PICK(some_targets);
    }
}

static bool any_matches(const char *const *globs_of, const char *text)
{
    for (int i = 0; i < WORDS; i++)
        if (slow_match(globs_of[i], text))
            return true;
    return false;
}

/* The text of a group has one '/', no pattern here lets its star cross it but group:x/y with two parts. */
static bool target_matches(const char *pattern, const char *target)
{
    return strcmp(pattern, "*") == 0 || slow_match(pattern, target);
}

static bool slow_decide(const struct plain_rule *rules, const char *op, const char *who, const char *node,
                        const char *target)
{
    for (int i = 0; i < RULES; i++) {
        bool has_op = false, has_target = false;

        for (int j = 0; j < WORDS; j++) {
            has_op = has_op || strcmp(rules[i].ops[j], op) == 0;
            has_target = has_target || target_matches(rules[i].targets[j], target);
        }
        if (has_op && has_target && any_matches(rules[i].principals, who) &&
            any_matches(rules[i].nodes, node))
            return rules[i].is_allow;
    }
    return false;
}

static void write_list(char *out, size_t cap, const char *const *words)
{
    snprintf(out, cap, "['%s', '%s', '%s']", words[0], words[1], words[2]);
}

static struct policy *policy_of(const struct plain_rule *rules)
{
    static char text[8192];
    size_t n = (size_t)snprintf(text, sizeof text, "rules:\n");

    for (int i = 0; i < RULES; i++) {
        char ops[100], principals[100], nodes[100], targets[100];

        write_list(ops, sizeof ops, rules[i].ops);
        write_list(principals, sizeof principals, rules[i].principals);
        write_list(nodes, sizeof nodes, rules[i].nodes);
        write_list(targets, sizeof targets, rules[i].targets);
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "- {%s: %s, principals: %s, nodes: %s, targets: %s}\n",
                              rules[i].is_allow ? "allow" : "deny", ops, principals, nodes, targets);
    }
    return read_text(text);
}

/* What is allowed once all is known was allowed before it was. */
static void hold_open(const struct policy *p, const char *op, const char *who, const char *node,
                      const char *target)
{
    char words[256];

    snprintf(words, sizeof words, "%s %s ? %s", who, op, target);
    assert_true(ask(p, words).is_allowed);
    snprintf(words, sizeof words, "%s %s %s ?", who, op, node);
    assert_true(ask(p, words).is_allowed);
    snprintf(words, sizeof words, "%s %s ? ?", who, op);
    assert_true(ask(p, words).is_allowed);
}

static void decisions_are_as_their_definition(void **state)
{
    struct plain_rule rules[RULES];
    size_t allowed = 0, asked = 0;
    char words[256];

    (void)state;
    for (int i = 0; i < 2000; i++) {
        struct policy *p;

        for (int j = 0; j < RULES; j++)
            pick_rule(&rules[j]);
        p = policy_of(rules);
        for (int j = 0; j < 60; j++) {
            const char *op = PICK(some_ops), *who = PICK(some_names), *node = PICK(some_nodes),
                       *target = PICK(asked_targets);
            bool is_allowed = slow_decide(rules, op, who, node, target);

            snprintf(words, sizeof words, "%s %s %s %s", who, op, node, target);
            if (ask(p, words).is_allowed != is_allowed)
                fail_msg("%s: it is to be %d", words, is_allowed);
            if (is_allowed)
                hold_open(p, op, who, node, target);
            allowed += is_allowed;
            asked++;
        }
        policy_free(p);
    }
    assert_in_range(allowed, asked / 10, asked * 9 / 10); /* neither is rare */
}

/* ---- files ---- */

#define RULE(rest) "rules:\n- {" rest "}"

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *what;
    } rows[] = {
        {"", 0, 0, "empty"},
        {"[]", 1, 1, "a policy has rules and nodes"},
        {"{}", 1, 1, "has rules"},
        {"rules: 5", 1, 8, "list of rules"},
        {"rule: []", 1, 1, "did you mean 'rules'?"},
        {"rules: []\nrules: []", 2, 1, "second time"},
        {"rules: []\nnods: {}", 2, 1, "did you mean 'nodes'?"},
        {"rules: []\nnodes: {admin: a}", 2, 9, "did you mean 'admit'?"},
        {"rules: []\nnodes: {admit: []}", 2, 16, "the list is empty"},
        {"rules: []\nnodes: {connect: [a@b, 'c?', shop]}", 2, 30, "no node is called so"},
        {RULE("deny: call, nodes: shop, targets: '*', principals: '*'"), 2, 23, "no node is called so"},
        {"rules: []\nnodes: [a@b]", 2, 8, "nodes says"},
        {"rules: []\n---\nrules: []", 2, 1, "second document"},
        {"rules: [1]", 1, 9, "no rule"},
        {RULE("alow: call"), 2, 4, "did you mean 'allow'?"},
        {RULE("principals: a"), 2, 3, "either allow or deny"},
        {RULE("allow: call, deny: cast, principals: a"), 2, 3, "either allow or deny"},
        {RULE("allow: call, nodes: a, targets: pid"), 2, 3, "for whom"},
        {RULE("allow: call, principals: a, targets: pid"), 2, 3, "which nodes"},
        {RULE("allow: call, principals: a, nodes: a@b"), 2, 3, "which targets"},
        {RULE("allow: spawn, principals: a, nodes: a@b"), 2, 40, "no operation of this rule is about a node"},
        {RULE("allow: ping, principals: a, nodes: a@b, targets: pid"), 2, 53,
         "no operation of this rule has"},
        {RULE("allow: [call, ping], principals: a, nodes: a@b, targets: pid"), 2, 61, "ping has no target"},
        {RULE("allow: [call, rpc], principals: a, nodes: a@b, targets: pid"), 2, 60, "rpc has no target"},
        {RULE("allow: [ping, spawn], principals: a, nodes: a@b"), 2, 48, "spawn has no node"},
        {RULE("allow: cal, principals: a, nodes: a@b, targets: pid"), 2, 11, "did you mean 'call'?"},
        {RULE("allow: [], principals: a"), 2, 11, "the list is empty"},
        {RULE("allow: '', principals: a"), 2, 11, "a text is to stand here"},
        {RULE("allow: {a: b}, principals: a"), 2, 11, "a text is to stand here"},
        {RULE("allow: spawn, principals: []"), 2, 30, "the list is empty"},
        {RULE("allow: spawn, principals: [[a]]"), 2, 31, "a text is to stand here"},
        {"rules:\n- allow: spawn, ping\n  principals: a", 2, 10, "with a comma in it"},
        {"rules:\n- allow: spawn\n  principals: a, b", 3, 15, "with a comma in it"},
        {"rules:\n- allow: spawn\n  principals: 'a, b'\n  deny: x", 2, 3, "either allow or deny"}, /* a name */
        {RULE("name: '', allow: spawn, principals: a"), 2, 10, "a rule's name"},
        {RULE("name: [a], allow: spawn, principals: a"), 2, 10, "a rule's name"},
        {RULE("allow: call, principals: a, nodes: a@b, targets: ledger"), 2, 53, "no kind of target"},
        {RULE("allow: call, principals: a, nodes: a@b, targets: nam"), 2, 53, "did you mean 'name'?"},
        {RULE("allow: call, principals: a, nodes: a@b, targets: 'ledger*'"), 2, 53, "what kind"},
        {RULE("allow: call, principals: a, nodes: a@b, targets: 'pid:x'"), 2, 53, "written pid"},
        {RULE("allow: call, principals: a, nodes: a@b, targets: 'group:x'"), 2, 53, "SCOPE/GROUP"},
        {RULE("allow: call, principals: a, nodes: a@b, targets: name"), 2, 53, "name:NAME"},
        {RULE("allow: call, principals: a, nodes: a@b, targets: 'name:'"), 2, 53, "name:NAME"},
        {RULE("allow: rpc, principals: a, nodes: a@b, targets: 'function:a:b'"), 2, 52, "M:F/A"},
        {RULE("allow: rpc, principals: a, nodes: a@b, targets: 'function:a/1'"), 2, 52, "M:F/A"},
        {RULE("allow: rpc, principals: a, nodes: a@b, targets: 'function:a:b/256'"), 2, 52, "M:F/A"},
        {RULE("allow: rpc, principals: a, nodes: a@b, targets: 'function:a:b/x'"), 2, 52, "M:F/A"},
        {RULE("allow: rpc, principals: a, nodes: a@b, targets: 'function:a:/1'"), 2, 52, "M:F/A"},
        {RULE("allow: rpc, principals: a, nodes: a@b, targets: 'name:x'"), 2, 52, "of the kind name"},
        {RULE("allow: call, principals: a, nodes: *, targets: pid"), 2, 0, ""},
        {RULE("name: x, allow: spawn, principals: a") "\n- {name: x, allow: spawn, principals: b}", 3, 10,
         "line 2 has that name"},
        {"rules: [", 2, 1, ""},
        {"rules: []\n\x01", 0, 0, ""},
        {"rules: &a [*a]", 1, 0, ""},
        {"rules:\n- &r {allow: spawn, principals: [&p x, *p]}\n- *r\n- {allow: *r, principals: a}", 2, 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct policy *p = policy_read("policy.yaml", slice_of_str(rows[i].text), &faults);

        if (p || !strstr(fault->what, rows[i].what) || (rows[i].line && fault->line != rows[i].line) ||
            (rows[i].column && fault->column != rows[i].column))
            fail_msg("%s: %s at %u:%u", rows[i].text, p ? "taken" : fault->what, fault->line, fault->column);
        policy_free(p);
    }
    assert_null(policy_load("/nowhere/policy.yaml", &faults));
    assert_string_equal(fault->file, "/nowhere/policy.yaml");
}

static void each_rule_tells_its_own_fault(void **state)
{
    char text[2048] = "nodes: {admit: ['nohost']}\nrules:\n";
    static const char bad[] = "- {alow: spawn, principals: a}\n",
                      good[] = "- {allow: spawn, principals: a}\n";

    (void)state;
    strcat(strcat(strcat(text, bad), good), bad);
    assert_null(policy_read("p", slice_of_str(text), &faults));
    assert_int_equal(faults.count, 3);
    assert_int_equal(faults.at[0].line, 3);
    assert_int_equal(faults.at[1].line, 5);
    assert_int_equal(faults.at[2].line, 1);
    for (unsigned i = 0; i < 20; i++)
        strcat(text, bad);
    strcat(text, "---\nrules: []\n");
    assert_null(policy_read("p", slice_of_str(text), &faults));
    assert_int_equal(faults.count, AUTH_FAULTS_MAX);
    assert_int_equal(faults.at[AUTH_FAULTS_MAX - 1].line, 11);
    assert_null(policy_read("p", slice_of_str("rules: 3\nnodes: 4\n"), &faults));
    assert_int_equal(faults.count, 2);
    assert_int_equal(faults.at[0].line, 1);
    assert_int_equal(faults.at[1].line, 2);
    assert_null(policy_read("p", slice_of_str("rules: []\n---\nrules: []\n"), &faults));
    assert_int_equal(faults.count, 1);
    assert_int_equal(fault->line, 2);
}

static void a_name_is_its_line_when_it_has_none(void **state)
{
    struct policy *p = read_text("rules:\n\n- {allow: spawn, principals: a}\n");

    (void)state;
    assert_string_equal(policy_rule_at(p, 0)->name, "line 3");
    assert_int_equal(policy_rule_at(p, 0)->line, 3);
    assert_int_equal(policy_rule_count(p), 1);
    policy_free(p);
}

static void memory_may_end_anywhere(void **state)
{
    struct policy *p = NULL;
    size_t n = 0;

    (void)state;
    do {
        mem_fail_from(++n);
        p = policy_read("p", slice_of_str(shop), &faults);
        mem_fail_from(0);
        if (!p)
            assert_string_equal(fault->what, "out of memory");
    } while (!p && n < 1000);
    assert_non_null(p);
    assert_true(n > 30);
    policy_free(p);
}

static void count_warning(void *ctx, const struct policy_rule *rule, const char *what)
{
    char *said = ctx;

    assert_true(*what);
    strcat(said, rule->name);
    strcat(said, ";");
}

static void rules_that_open_doors_are_told(void **state)
{
    struct policy *p = read_text(shop);
    char said[256] = "";

    (void)state;
    policy_warn(p, count_warning, said);
    assert_string_equal(said, "maths;ops;"); /* *:version/0 is of any module */
    policy_free(p);
}

static void each_rule_says_why_not(void **state)
{
    static const enum policy_fit fits[] = {
        POLICY_OTHER_TARGET, POLICY_OTHER_PRINCIPAL, POLICY_OTHER_OPERATION,
        POLICY_OTHER_NODE,   POLICY_OTHER_OPERATION, POLICY_OTHER_OPERATION,
        POLICY_FITS,         POLICY_OTHER_OPERATION};
    struct policy *p = read_text(shop);
    struct policy_question q = {.principal = SLICE("ops"), .op = POLICY_CALL, .node = SLICE("a@b")};
    char target[64];

    (void)state;
    assert_true(policy_read_target(SLICE("name:x"), &q));
    policy_print_target(&q, target, sizeof target);
    assert_string_equal(target, "name:x");
    for (size_t i = 0; i < policy_rule_count(p); i++)
        assert_int_equal(policy_fit(p, i, &q), fits[i]);
    assert_false(policy_read_target(SLICE("function:a:b/1"), &q));
    assert_false(policy_read_target(SLICE("*"), &q));
    policy_free(p);
}

static void a_decision_costs_little(void **state)
{
    struct policy *p = read_text(shop);
    struct policy_question q = {
        .principal = SLICE("ops"), .op = POLICY_CAST, .node = SLICE("kv@host.example")};
    struct timespec a, b;
    int allowed = 0;

    (void)state;
    assert_true(policy_read_target(SLICE("name:orders"), &q));
    mem_fail_from(1);
    (void)mem_failures();
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 1000000; i++)
        allowed += policy_decide(p, &q).is_allowed;
    clock_gettime(CLOCK_MONOTONIC, &b);
    mem_fail_from(0);
    assert_int_equal(allowed, 1000000);
    assert_int_equal(mem_failures(), 0); /* it asks for no memory */
    print_message("a decision by the sixth rule: %.0f ns\n",
                  ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / 1e6);
    policy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(no_policy_and_no_rules),
        cmocka_unit_test(nodes_of_the_cluster),
        cmocka_unit_test(globs),
        cmocka_unit_test(a_glob_does_not_explode),
        cmocka_unit_test(globs_are_as_their_definition),
        cmocka_unit_test(decisions_are_as_their_definition),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(each_rule_tells_its_own_fault),
        cmocka_unit_test(a_name_is_its_line_when_it_has_none),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(rules_that_open_doors_are_told),
        cmocka_unit_test(each_rule_says_why_not),
        cmocka_unit_test(a_decision_costs_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
