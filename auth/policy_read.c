/* The file of a policy: YAML, all of it or nothing. */
#include <limits.h>
#include <stdio.h>

#include "auth/doc.h"
#include "auth/file.h"
#include "auth/policy_rules.h"
#include "auth/principal.h"
#include "base/mem.h"
#include "base/utf8.h"

enum {
    FILE_MAX = 4 << 20,
    GLOBS_MAX = 100000, /* in all: an alias stands for as many as it likes */
    SHOWN_MAX = 40,
    PATTERN_MAX = 2048,
};

#define RULE_HINT \
    "write a rule as: - {name: …, allow: [call], principals: [...], nodes: [...], targets: [...]}"
#define STAR_HINT "a pattern that begins with * stands between quotes in YAML: \"*\""

struct reading {
    struct auth_doc doc;
    struct policy *into;
    struct auth_faults *faults;
};

static bool refuse_memory(const struct reading *r, const yaml_node_t *at)
{
    return auth_doc_refuse(&r->doc, at, NULL, "out of memory");
}

/* All that a file can name. */
#define ALL_OPERATIONS \
    ((uint32_t)((1ull << POLICY_OP_COUNT) - 1) & ~(1u << POLICY_NOTHING | 1u << POLICY_FREE))

/* For "%.*s". */
#define SHOWN(s) (int)((s).len < SHOWN_MAX ? (s).len : SHOWN_MAX), (const char *)(s).ptr

static bool refuse_word(const struct reading *r, const yaml_node_t *at, const char *what,
                        const char *const *words, size_t count, const char *hint)
{
    struct slice s = auth_doc_scalar(at);
    const char *closest = policy_closest(s, words, count);

    return auth_doc_refuse(&r->doc, at, hint, "%s '%.*s'%s%s%s", what, SHOWN(s),
                           closest ? "; did you mean '" : "", closest ? closest : "", closest ? "'?" : "");
}

/* ---- a mapping's members ---- */

struct member {
    const char *key;
    const yaml_node_t *value; /* NULL: not there */
};

static bool gather(struct reading *r, const yaml_node_t *map, struct member *members, size_t count,
                   const char *hint)
{
    const char *keys[8];

    for (size_t i = 0; i < count; i++)
        keys[i] = members[i].key;
    for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(&r->doc.yaml, p->key);
        size_t i = 0;

        while (i < count && !slice_eq_str(auth_doc_scalar(key), keys[i]))
            i++;
        if (i == count)
            return refuse_word(r, key, "there is no member", keys, count, hint);
        if (members[i].value)
            return auth_doc_refuse(&r->doc, key, NULL, "%s stands here for the second time", keys[i]);
        members[i].value = yaml_document_get_node(&r->doc.yaml, p->value);
    }
    return true;
}

/* ---- one text, or a list of them ---- */

static size_t text_count(const yaml_node_t *n)
{
    return n->type == YAML_SEQUENCE_NODE ? (size_t)(n->data.sequence.items.top - n->data.sequence.items.start)
                                         : 1;
}

/* `principals: billing, ops` is one text in YAML, which would match nobody; a rule that denies would deny
 * nothing. */
static bool is_meant_as_list(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           memmem(n->data.scalar.value, n->data.scalar.length, ", ", 2);
}

/* NULL, and refused: it is no text. */
static const yaml_node_t *text_at(struct reading *r, const yaml_node_t *n, size_t i)
{
    const yaml_node_t *item = n->type == YAML_SEQUENCE_NODE
                                  ? yaml_document_get_node(&r->doc.yaml, n->data.sequence.items.start[i])
                                  : n;

    if (is_meant_as_list(n)) {
        auth_doc_refuse(&r->doc, n,
                        "several stand in brackets: [a, b]; one with a comma stands between quotes",
                        "this is one text with a comma in it");
        return NULL;
    }
    if (item->type == YAML_SCALAR_NODE && item->data.scalar.length > 0 &&
        item->data.scalar.length <= PATTERN_MAX && utf8_is_valid(auth_doc_scalar(item)))
        return item;
    auth_doc_refuse(&r->doc, item, STAR_HINT, "a text is to stand here, or a list of texts");
    return NULL;
}

static bool has_some(struct reading *r, const yaml_node_t *n)
{
    if (text_count(n) == 0)
        return auth_doc_refuse(&r->doc, n, "\"*\" stands for all", "the list is empty");
    r->into->glob_count += text_count(n);
    return r->into->glob_count <= GLOBS_MAX ||
           auth_doc_refuse(&r->doc, n, NULL, "there are more than %d patterns", GLOBS_MAX);
}

static bool copy(struct reading *r, const yaml_node_t *n, struct slice *ret)
{
    struct slice s = auth_doc_scalar(n);
    struct policy_text *t = mem_alloc(sizeof *t + s.len);

    if (!t)
        return refuse_memory(r, n);
    memcpy(t->bytes, s.ptr, s.len);
    t->next = r->into->texts;
    r->into->texts = t;
    *ret = slice_of(t->bytes, s.len);
    return true;
}

static bool read_globs(struct reading *r, const yaml_node_t *n, struct policy_globs *ret)
{
    size_t count = text_count(n);

    if (!has_some(r, n))
        return false;
    ret->at = mem_realloc_array(NULL, count, sizeof *ret->at);
    if (!ret->at)
        return refuse_memory(r, n);
    for (; ret->count < count; ret->count++) {
        const yaml_node_t *item = text_at(r, n, ret->count);
        struct slice text;

        if (!item || !copy(r, item, &text))
            return false;
        policy_glob_set(&ret->at[ret->count], text);
    }
    return true;
}

/* A name without a host is no node's: it would match nothing, and a rule that denies would deny nothing. */
static bool read_node_globs(struct reading *r, const yaml_node_t *n, struct policy_globs *ret)
{
    if (!read_globs(r, n, ret))
        return false;
    for (size_t i = 0; i < ret->count; i++)
        if (ret->at[i].is_plain && !memchr(ret->at[i].text.ptr, '@', ret->at[i].text.len))
            return auth_doc_refuse(&r->doc, text_at(r, n, i),
                                   "a node is called NAME@HOST; NAME@* is it at any host",
                                   "no node is called so");
    return true;
}

/* ---- a rule's parts ---- */

enum { M_NAME, M_ALLOW, M_DENY, M_PRINCIPALS, M_NODES, M_TARGETS, M_COUNT };

static bool add_operation(struct reading *r, const yaml_node_t *item, struct rule *rule)
{
    const char *words[POLICY_OP_COUNT];
    enum policy_op op;

    if (slice_eq_str(auth_doc_scalar(item), "*")) {
        rule->operations = ALL_OPERATIONS;
        rule->is_of_all = true;
        return true;
    }
    for (unsigned i = 0; i < POLICY_OP_COUNT; i++)
        words[i] = policy_op_word((enum policy_op)i);
    if (!policy_op_read(auth_doc_scalar(item), &op))
        return refuse_word(r, item, "there is no operation", words, POLICY_OP_COUNT,
                           "`erlgate policy operations` lists them");
    rule->operations |= 1u << op;
    return true;
}

static bool read_operations(struct reading *r, const yaml_node_t *n, struct rule *rule)
{
    if (!has_some(r, n))
        return false;
    for (size_t i = 0; i < text_count(n); i++) {
        const yaml_node_t *item = text_at(r, n, i);

        if (!item || !add_operation(r, item, rule))
            return false;
    }
    return true;
}

static bool has_node(const struct rule *rule)
{
    for (unsigned i = 0; i < POLICY_OP_COUNT; i++)
        if (rule->operations & 1u << i && policy_op_has_node((enum policy_op)i))
            return true;
    return false;
}

static unsigned targets_of(const struct rule *rule)
{
    unsigned targets = 0;

    for (unsigned i = 0; i < POLICY_OP_COUNT; i++)
        if (rule->operations & 1u << i)
            targets |= policy_op_targets((enum policy_op)i);
    return targets;
}

static bool refuse_target(struct reading *r, const yaml_node_t *item, const char *form)
{
    const char *words[POLICY_KIND_COUNT];
    struct slice s = auth_doc_scalar(item);

    if (form)
        return auth_doc_refuse(&r->doc, item, NULL, "such a target is written %s", form);
    if (!memchr(s.ptr, ':', s.len) && !memchr(s.ptr, '*', s.len)) {
        for (unsigned i = 0; i < POLICY_KIND_COUNT; i++)
            words[i] = policy_kind_word((enum policy_kind)i);
        return refuse_word(r, item, "there is no kind of target", words, POLICY_KIND_COUNT,
                           "a registered name is written name:NAME");
    }
    return auth_doc_refuse(&r->doc, item,
                           "name:NAME, pid, global:NAME, group:SCOPE/GROUP, function:M:F/A; \"*\" is all",
                           "'%.*s' does not say what kind of target it is", SHOWN(s));
}

static bool read_target(struct reading *r, const yaml_node_t *item, const struct rule *rule,
                        struct policy_target *ret)
{
    const char *form;
    struct slice text;

    if (!copy(r, item, &text))
        return false;
    if (!policy_target_read(text, ret, &form))
        return refuse_target(r, item, form);
    if (ret->kind != POLICY_NO_TARGET && !(targets_of(rule) & POLICY_BIT(ret->kind)))
        return auth_doc_refuse(&r->doc, item, "`erlgate policy operations` lists what goes with what",
                               "no operation of this rule has a target of the kind %s",
                               policy_kind_word(ret->kind));
    return true;
}

static bool read_targets(struct reading *r, const yaml_node_t *n, struct rule *rule)
{
    size_t count = text_count(n);

    if (!has_some(r, n))
        return false;
    rule->targets = mem_realloc_array(NULL, count, sizeof *rule->targets);
    if (!rule->targets)
        return refuse_memory(r, n);
    for (; rule->target_count < count; rule->target_count++) {
        const yaml_node_t *item = text_at(r, n, rule->target_count);

        if (!item || !read_target(r, item, rule, &rule->targets[rule->target_count]))
            return false;
    }
    return true;
}

/* Nothing is left out that could be taken for "all" by one and for "none" by another. */
static bool is_whole(struct reading *r, const yaml_node_t *node, const struct member *m,
                     const struct rule *rule)
{
    if (m[M_NODES].value && !has_node(rule))
        return auth_doc_refuse(&r->doc, m[M_NODES].value, "leave nodes out",
                               "no operation of this rule is about a node");
    if (!m[M_NODES].value && has_node(rule))
        return auth_doc_refuse(&r->doc, node, "nodes: \"*\" is all of them",
                               "the rule does not say which nodes");
    if (m[M_TARGETS].value && !targets_of(rule))
        return auth_doc_refuse(&r->doc, m[M_TARGETS].value, "leave targets out",
                               "no operation of this rule has a target");
    if (!m[M_TARGETS].value && targets_of(rule))
        return auth_doc_refuse(&r->doc, node, "targets: \"*\" is all of them",
                               "the rule does not say which targets");
    return true;
}

static bool is_all_nodes(const struct rule *rule)
{
    for (size_t i = 0; i < rule->nodes.count; i++)
        if (rule->nodes.at[i].is_all)
            return true;
    return false;
}

/* The kinds that the rule's targets are of; all of them with "*". */
static unsigned kinds_of(const struct rule *rule)
{
    unsigned some = 0;

    for (size_t i = 0; i < rule->target_count; i++)
        some |= rule->targets[i].kind == POLICY_NO_TARGET ? UINT_MAX : POLICY_BIT(rule->targets[i].kind);
    return some;
}

/* A rule that says which nodes and targets is about these, and so about no operation that has none: of "*"
 * such operations are no part, and with others they are not put together. */
static bool settle(struct reading *r, const yaml_node_t *node, const struct member *m, struct rule *rule)
{
    for (unsigned i = POLICY_FREE + 1; i < POLICY_OP_COUNT; i++) {
        enum policy_op op = (enum policy_op)i;
        bool has_no_node = rule->nodes.count && !is_all_nodes(rule) && !policy_op_has_node(op);
        bool has_no_target =
            rule->target_count && kinds_of(rule) != UINT_MAX && !(policy_op_targets(op) & kinds_of(rule));

        if (!(rule->operations & 1u << i) || (!has_no_node && !has_no_target))
            continue;
        if (rule->is_of_all) {
            rule->operations &= ~(1u << i);
            continue;
        }
        return auth_doc_refuse(&r->doc, has_no_node ? m[M_NODES].value : m[M_TARGETS].value,
                               "put the operation into a rule of its own", "%s has no %s", policy_op_word(op),
                               has_no_node ? "node, and the rule is for certain nodes"
                                           : "target of these kinds");
    }
    return rule->operations != 0 ||
           auth_doc_refuse(&r->doc, node, NULL, "the rule is about no operation at all");
}

/* ---- a rule ---- */

static bool read_name(struct reading *r, const yaml_node_t *node, const yaml_node_t *n, struct rule *rule)
{
    char line[32];
    struct slice name = slice_of(line, (size_t)snprintf(line, sizeof line, "line %u", rule->shown.line));

    if (n)
        name = auth_doc_scalar(n);
    if (!auth_principal_is_valid(name)) /* the same bounds do for both */
        return auth_doc_refuse(&r->doc, n ? n : node, NULL,
                               "a rule's name is 1 to %d bytes of UTF-8 without control characters",
                               POLICY_NAME_MAX);
    for (size_t i = 0; i < r->into->rule_count; i++)
        if (n && r->into->rules[i].name && slice_eq_str(name, r->into->rules[i].name))
            return auth_doc_refuse(&r->doc, n, NULL, "the rule at line %u has that name already",
                                   r->into->rules[i].shown.line);
    rule->shown.name = rule->name = mem_strndup(name.ptr, name.len);
    return rule->name != NULL || refuse_memory(r, node);
}

static bool read_rule(struct reading *r, const yaml_node_t *node, struct rule *rule)
{
    struct member m[M_COUNT] = {{"name", NULL},       {"allow", NULL}, {"deny", NULL},
                                {"principals", NULL}, {"nodes", NULL}, {"targets", NULL}};

    if (node->type != YAML_MAPPING_NODE)
        return auth_doc_refuse(&r->doc, node, RULE_HINT, "this is no rule");
    rule->shown.line = (unsigned)node->start_mark.line + 1;
    rule->shown.column = (unsigned)node->start_mark.column + 1;
    if (!gather(r, node, m, M_COUNT, "a rule has name, allow or deny, principals, nodes and targets") ||
        !read_name(r, node, m[M_NAME].value, rule))
        return false;
    if (!m[M_ALLOW].value == !m[M_DENY].value)
        return auth_doc_refuse(&r->doc, node, RULE_HINT,
                               "a rule has either allow or deny, with its operations");
    if (!m[M_PRINCIPALS].value)
        return auth_doc_refuse(&r->doc, node, "principals: \"*\" is everybody",
                               "the rule does not say for whom it is");
    rule->shown.is_allow = m[M_ALLOW].value != NULL;
    return read_operations(r, m[M_ALLOW].value ? m[M_ALLOW].value : m[M_DENY].value, rule) &&
           read_globs(r, m[M_PRINCIPALS].value, &rule->principals) && is_whole(r, node, m, rule) &&
           (!m[M_NODES].value || read_node_globs(r, m[M_NODES].value, &rule->nodes)) &&
           (!m[M_TARGETS].value || read_targets(r, m[M_TARGETS].value, rule)) && settle(r, node, m, rule);
}

static bool has_room_for_rules(struct reading *r, const yaml_node_t *n, size_t count)
{
    if (n->type != YAML_SEQUENCE_NODE)
        return auth_doc_refuse(&r->doc, n, RULE_HINT, "rules is to be a list of rules");
    if (count > POLICY_RULES_MAX)
        return auth_doc_refuse(&r->doc, n, NULL, "there are more than %d rules", POLICY_RULES_MAX);
    r->into->rules = mem_zalloc((count ? count : 1) * sizeof *r->into->rules);
    return r->into->rules || refuse_memory(r, n);
}

static bool read_rules(struct reading *r, const yaml_node_t *n)
{
    struct policy *p = r->into;
    bool is_good = true;
    size_t count = text_count(n);

    if (!has_room_for_rules(r, n, count))
        return auth_doc_keep(&r->doc, r->faults, false);
    for (size_t i = 0; i < count; i++) {
        struct rule rule = {0};

        is_good &= auth_doc_keep(
            &r->doc, r->faults,
            read_rule(r, yaml_document_get_node(&r->doc.yaml, n->data.sequence.items.start[i]), &rule));
        p->rules[p->rule_count++] = rule;
    }
    return is_good;
}

/* ---- the whole ---- */

static bool read_nodes(struct reading *r, const yaml_node_t *n)
{
    struct member m[] = {{"admit", NULL}, {"connect", NULL}};

    if (n->type != YAML_MAPPING_NODE)
        return auth_doc_refuse(&r->doc, n, "nodes: {admit: [\"*@host\"], connect: [\"*@host\"]}",
                               "nodes says which may connect, and which are connected to");
    if (!gather(r, n, m, 2, "nodes has admit and connect"))
        return false;
    r->into->has_admit = m[0].value != NULL;
    r->into->has_connect = m[1].value != NULL;
    return (!m[0].value || read_node_globs(r, m[0].value, &r->into->admit)) &&
           (!m[1].value || read_node_globs(r, m[1].value, &r->into->connect));
}

static bool read_root(struct reading *r)
{
    const yaml_node_t *root = yaml_document_get_root_node(&r->doc.yaml);
    struct member m[] = {{"rules", NULL}, {"nodes", NULL}};
    bool is_good;

    if (!root)
        return auth_doc_refuse_all(&r->doc, "rules: [] allows nothing", "the file is empty");
    if (root->type != YAML_MAPPING_NODE)
        return auth_doc_refuse(&r->doc, root,
                               root->type == YAML_SEQUENCE_NODE ? "write `rules:` above the list" : NULL,
                               "a policy has rules and nodes");
    if (!gather(r, root, m, 2, "a policy has rules and nodes"))
        return false;
    if (!m[0].value)
        return auth_doc_refuse(&r->doc, root, "rules: [] allows nothing", "a policy has rules");
    is_good = read_rules(r, m[0].value);
    return is_good & (!m[1].value || auth_doc_keep(&r->doc, r->faults, read_nodes(r, m[1].value)));
}

struct policy *policy_read(const char *name, struct slice text, struct auth_faults *faults)
{
    struct reading r = {.into = mem_zalloc(sizeof *r.into), .faults = faults};
    bool is_read = false;

    faults->count = 0;
    if (!r.into) {
        auth_fault_set(&faults->at[faults->count++], name, 0, 0, NULL, "out of memory");
        return NULL;
    }
    if (auth_doc_open(&r.doc, name, text, &faults->at[0])) {
        is_read = read_root(&r) &&
                  auth_doc_keep(&r.doc, faults, auth_doc_is_last(&r.doc, "a policy is one document"));
        auth_doc_close(&r.doc);
    }
    if (is_read)
        return r.into;
    if (faults->count == 0)
        faults->count = 1; /* with the file as a whole */
    policy_free(r.into);
    return NULL;
}

struct policy *policy_load(const char *path, struct auth_faults *faults)
{
    struct policy *p;
    struct auth_file f;

    faults->count = 1;
    if (!auth_file_read(path, "policy file", NULL, FILE_MAX, &f, &faults->at[0]))
        return NULL;
    p = policy_read(path, slice_of(f.text, f.len), faults);
    auth_file_free(&f);
    return p;
}
