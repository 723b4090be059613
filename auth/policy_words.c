/* The words of a policy: operations, kinds of targets, and how targets are written. */
#include <stdio.h>

#include "auth/policy_rules.h"

static const struct {
    const char *word;
    bool has_node;
    unsigned targets;
    bool is_change;
    const char *help;
} operations[] = {
#define X(sym, word, node, targets, changes, help) {word, node, targets, changes, help},
    POLICY_OPERATIONS(X)
#undef X
};

static const struct {
    const char *word, *form;
} kinds[] = {
#define X(sym, word, form) {word, form},
    POLICY_KINDS(X)
#undef X
};

const char *policy_op_word(enum policy_op op)
{
    return operations[op].word;
}

bool policy_op_has_node(enum policy_op op)
{
    return operations[op].has_node;
}

unsigned policy_op_targets(enum policy_op op)
{
    return operations[op].targets;
}

bool policy_op_is_change(enum policy_op op)
{
    return operations[op].is_change;
}

const char *policy_op_help(enum policy_op op)
{
    return operations[op].help;
}

bool policy_op_read(struct slice word, enum policy_op *ret)
{
    for (unsigned i = 0; word.len && i < POLICY_OP_COUNT; i++) {
        if (slice_eq_str(word, operations[i].word)) {
            *ret = (enum policy_op)i;
            return true;
        }
    }
    return false;
}

const char *policy_kind_word(enum policy_kind kind)
{
    return kinds[kind].word;
}

const char *policy_kind_form(enum policy_kind kind)
{
    return kinds[kind].form;
}

/* ---- targets ---- */

/* The text up to the first `by`, and what is behind it. */
static bool split(struct slice s, char by, struct slice *ret_before, struct slice *ret_after)
{
    const uint8_t *at = s.len ? memchr(s.ptr, by, s.len) : NULL;

    if (!at)
        return false;
    *ret_before = slice_of(s.ptr, (size_t)(at - s.ptr));
    *ret_after = slice_of(at + 1, s.len - ret_before->len - 1);
    return true;
}

static bool split_last(struct slice s, char by, struct slice *ret_before, struct slice *ret_after)
{
    for (size_t i = s.len; i-- > 0;) {
        if (s.ptr[i] != (uint8_t)by)
            continue;
        *ret_before = slice_of(s.ptr, i);
        *ret_after = slice_of(s.ptr + i + 1, s.len - i - 1);
        return true;
    }
    return false;
}

static bool read_arity(struct slice s, uint32_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        *ret = *ret * 10 + (uint32_t)(s.ptr[i] - '0');
    }
    return s.len > 0 && s.len <= 3 && *ret <= 255;
}

/* M:F/A. A module ends at the first ':', a function at the last '/'. */
static bool read_function(struct slice s, struct policy_target *t)
{
    struct slice module, function, arity;

    if (!split(s, ':', &module, &s) || !split_last(s, '/', &function, &arity) || !module.len || !function.len)
        return false;
    t->is_any_arity = slice_eq_str(arity, "*");
    policy_glob_set(&t->outer, module);
    policy_glob_set(&t->text, function);
    return t->is_any_arity || read_arity(arity, &t->arity);
}

/* SCOPE/GROUP. A scope ends at the first '/'. */
static bool read_group(struct slice s, struct policy_target *t)
{
    struct slice scope, group;

    if (!split(s, '/', &scope, &group) || !scope.len || !group.len)
        return false;
    policy_glob_set(&t->outer, scope);
    policy_glob_set(&t->text, group);
    return true;
}

static bool read_rest(struct slice s, bool has_rest, struct policy_target *t)
{
    switch (t->kind) {
    case POLICY_NAME:
    case POLICY_GLOBAL:
    case POLICY_OWNER: policy_glob_set(&t->text, s); return s.len > 0;
    case POLICY_GROUP: return read_group(s, t);
    case POLICY_GROUP_TERM: policy_glob_set(&t->outer, s); return s.len > 0;
    case POLICY_FUNCTION: return read_function(s, t);
    default: return !has_rest;
    }
}

bool policy_target_read(struct slice text, struct policy_target *ret, const char **ret_why)
{
    struct slice word = text, rest = {0};
    bool has_rest = split(text, ':', &word, &rest);

    *ret = (struct policy_target){.kind = POLICY_NO_TARGET, .is_any_arity = true};
    policy_glob_set(&ret->outer, SLICE("*"));
    policy_glob_set(&ret->text, SLICE("*"));
    *ret_why = NULL;
    if (slice_eq_str(text, "*"))
        return true;
    for (unsigned i = POLICY_NO_TARGET + 1; i < POLICY_KIND_COUNT; i++) {
        if (!slice_eq_str(word, kinds[i].word))
            continue;
        ret->kind = (enum policy_kind)i;
        *ret_why = kinds[i].form;
        return read_rest(rest, has_rest, ret);
    }
    return false;
}

void policy_print_target(const struct policy_question *q, char *out, size_t cap)
{
    const char *word = kinds[q->kind].word;

    switch (q->kind) {
    case POLICY_GROUP:
        snprintf(out, cap, "%s:%.*s/%.*s", word, SLICE_FMT(q->outer), SLICE_FMT(q->text));
        return;
    case POLICY_GROUP_TERM: snprintf(out, cap, "%s:%.*s", word, SLICE_FMT(q->outer)); return;
    case POLICY_FUNCTION:
        snprintf(out, cap, q->is_arity_open ? "%s:%.*s:%.*s/*" : "%s:%.*s:%.*s/%u", word, SLICE_FMT(q->outer),
                 SLICE_FMT(q->text), q->arity);
        return;
    case POLICY_NAME:
    case POLICY_GLOBAL:
    case POLICY_OWNER: snprintf(out, cap, "%s:%.*s", word, SLICE_FMT(q->text)); return;
    default: snprintf(out, cap, "%s", word);
    }
}

bool policy_read_target(struct slice text, struct policy_question *q)
{
    struct policy_target t;
    const char *why;

    if (!policy_target_read(text, &t, &why) || t.kind == POLICY_NO_TARGET ||
        !(policy_op_targets(q->op) & POLICY_BIT(t.kind)) || (t.kind == POLICY_FUNCTION && t.is_any_arity))
        return false;
    q->kind = t.kind;
    q->outer = t.outer.text;
    q->text = t.text.text;
    q->arity = t.arity;
    return true;
}

/* ---- did you mean ---- */

enum { WORD_MAX = 24, FAR = 3 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many letters must be changed, put in or left out. */
static size_t distance(struct slice a, struct slice b)
{
    size_t row[WORD_MAX + 1];

    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 0; i < a.len; i++) {
        size_t corner = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b.len; j++) {
            size_t change = corner + (a.ptr[i] != b.ptr[j]);

            corner = row[j + 1];
            row[j + 1] = least(change, least(row[j], row[j + 1]) + 1);
        }
    }
    return row[b.len];
}

const char *policy_closest(struct slice word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t so_far = FAR;

    for (size_t i = 0; word.len <= WORD_MAX && i < count; i++) {
        struct slice candidate = slice_of_str(words[i]);
        size_t d = candidate.len && candidate.len <= WORD_MAX ? distance(word, candidate) : FAR;

        if (d < so_far && d < word.len) {
            so_far = d;
            best = words[i];
        }
    }
    return best;
}
