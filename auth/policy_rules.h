/* policy_rules: rules as they are kept, for the files that read and ask them. Not for others. */
#ifndef ERLGATE_AUTH_POLICY_RULES_H
#define ERLGATE_AUTH_POLICY_RULES_H

#include "auth/policy.h"
#include "auth/policy_glob.h"

/* What a rule is for: kind POLICY_NO_TARGET is "*", all kinds. */
struct policy_target {
    enum policy_kind kind;
    struct policy_glob outer, text;
    bool is_any_arity;
    uint32_t arity;
};

struct policy_globs {
    struct policy_glob *at; /* owned */
    size_t count;
};

struct rule {
    struct policy_rule shown;
    char *name;          /* owned: shown's */
    uint32_t operations; /* 1 << enum policy_op */
    bool is_of_all;      /* "*" */
    struct policy_globs principals, nodes;
    struct policy_target *targets; /* owned */
    size_t target_count;
};

/* One word of the file. */
struct policy_text {
    struct policy_text *next;
    uint8_t bytes[];
};

struct policy {
    struct policy_text *texts; /* owned: what globs borrow from */
    size_t glob_count;
    struct rule *rules; /* owned */
    size_t rule_count;
    bool has_admit, has_connect;
    struct policy_globs admit, connect;
};

_Static_assert(POLICY_OP_COUNT <= 32, "operations are the bits of a uint32_t");

/* ---- policy_words.c ---- */

/* A target as a rule writes it; false, and *ret_why says how it is to be. Borrows from text. */
bool policy_target_read(struct slice text, struct policy_target *ret, const char **ret_why);
/* The word that is most like this one; NULL: none is. count words, some of which may be "". */
const char *policy_closest(struct slice word, const char *const *words, size_t count);

#endif
