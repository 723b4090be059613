/*
 * policy: what a principal may do, and which nodes may be talked to: a list of rules, of which the first that
 * matches decides. When none does, the answer is no.
 *
 * Made by policy_load, whole or not at all; immutable, so that a new one takes its place in one step; ended
 * by policy_free. A decision allocates nothing and looks at no file.
 *
 * A rule is asked with what is meant, never with how it was written: node and names as the bytes of the atoms
 * that go on the wire. What is not an atom (a pid, a name of `global` or of a group that is another term) has
 * no text here: equal terms have many spellings, so that a rule takes all of a kind or none.
 */
#ifndef ERLGATE_AUTH_POLICY_H
#define ERLGATE_AUTH_POLICY_H

#include "auth/fault.h"
#include "base/err.h"

struct policy;

enum {
    POLICY_RULES_MAX = 1000,
    POLICY_NAME_MAX = 128, /* bytes of a rule's name */
};

/* ---- operations ---- */

/* A set of kinds of targets; also the bits of POLICY_OPERATIONS. */
#define POLICY_BIT(kind) (1u << (kind))
#define POLICY_PROCESSES                                                            \
    (POLICY_BIT(POLICY_NAME) | POLICY_BIT(POLICY_PID) | POLICY_BIT(POLICY_GLOBAL) | \
     POLICY_BIT(POLICY_GLOBAL_TERM) | POLICY_BIT(POLICY_GROUP) | POLICY_BIT(POLICY_GROUP_TERM))

/*
 * X(symbol, word, has a node, targets, does it change something, help). The first, NOTHING, is what a route
 * has that nobody has thought of: it is never allowed. FREE needs no rule, but a principal; it is no word of
 * a file.
 */
#define POLICY_OPERATIONS(X)                                                                         \
    X(POLICY_NOTHING, "", 0, 0, 1, "")                                                               \
    X(POLICY_FREE, "", 0, 0, 0, "")                                                                  \
    X(POLICY_CALL, "call", 1, POLICY_PROCESSES, 1, "gen_server:call")                                \
    X(POLICY_CAST, "cast", 1, POLICY_PROCESSES, 1, "gen_server:cast")                                \
    X(POLICY_SEND, "send", 1, POLICY_PROCESSES, 1, "a bare message")                                 \
    X(POLICY_EXIT, "exit", 1, POLICY_PROCESSES, 1, "exit/2: ends a process")                         \
    X(POLICY_LOOK, "look", 1, POLICY_PROCESSES, 0, "process_info of a process")                      \
    X(POLICY_MONITOR, "monitor", 1, POLICY_PROCESSES | POLICY_BIT(POLICY_NODE), 0,                   \
      "hears when a process or node goes, and who is in a group")                                    \
    X(POLICY_RPC, "rpc", 1, POLICY_BIT(POLICY_FUNCTION), 1, "calls a function")                      \
    X(POLICY_NAMES, "names", 1, POLICY_BIT(POLICY_NAME), 0, "lists the registered names of a node")  \
    X(POLICY_NODES, "nodes", 1, 0, 0, "sees a node: in lists, and by itself")                        \
    X(POLICY_CONNECT, "connect", 1, 0, 1, "connects to a node")                                      \
    X(POLICY_DISCONNECT, "disconnect", 1, 0, 1, "ends the link to a node")                           \
    X(POLICY_PING, "ping", 1, 0, 0, "net_adm:ping of a node, which connects to it")                  \
    X(POLICY_EPMD, "epmd", 1, 0, 0, "sees a name in the embedded EPMD")                              \
    X(POLICY_SPAWN, "spawn", 0, 0, 1, "makes processes of its own, and uses them")                   \
    X(POLICY_REGISTER, "register", 1, POLICY_BIT(POLICY_NAME), 1, "gives such a process a name")     \
    X(POLICY_LINK, "link", 1, POLICY_BIT(POLICY_PID), 1, "links such a process to another")          \
    X(POLICY_JOIN, "join", 1, POLICY_BIT(POLICY_GROUP) | POLICY_BIT(POLICY_GROUP_TERM), 1,           \
      "puts such a process into a group")                                                            \
    X(POLICY_SHARE, "share", 0, POLICY_BIT(POLICY_OWNER), 1, "uses processes that others have made") \
    X(POLICY_SELF, "self", 0, 0, 0, "sees what the gateway says of itself")                          \
    X(POLICY_METRICS, "metrics", 0, 0, 0, "reads /metrics")                                          \
    X(POLICY_POLICY, "policy", 0, 0, 0, "asks what other principals may do")

enum policy_op {
#define X(sym, word, node, targets, changes, help) sym,
    POLICY_OPERATIONS(X)
#undef X
        POLICY_OP_COUNT
};

/* X(symbol, word of a file, how its pattern is written). */
#define POLICY_KINDS(X)                                    \
    X(POLICY_NO_TARGET, "", "")                            \
    X(POLICY_NAME, "name", "name:NAME")                    \
    X(POLICY_PID, "pid", "pid")                            \
    X(POLICY_GLOBAL, "global", "global:NAME")              \
    X(POLICY_GLOBAL_TERM, "global-term", "global-term")    \
    X(POLICY_GROUP, "group", "group:SCOPE/GROUP")          \
    X(POLICY_GROUP_TERM, "group-term", "group-term:SCOPE") \
    X(POLICY_FUNCTION, "function", "function:M:F/A")       \
    X(POLICY_NODE, "node", "node")                         \
    X(POLICY_OWNER, "owner", "owner:PRINCIPAL")

enum policy_kind {
#define X(sym, word, form) sym,
    POLICY_KINDS(X)
#undef X
        POLICY_KIND_COUNT
};

/* Texts are static: the word as rules have it, and what it stands for. */
const char *policy_op_word(enum policy_op op); /* "call" */
bool policy_op_has_node(enum policy_op op);
unsigned policy_op_targets(enum policy_op op); /* POLICY_BIT of each kind; 0: it has none */
bool policy_op_is_change(enum policy_op op);   /* it is in the audit even when it is allowed */
const char *policy_op_help(enum policy_op op);
bool policy_op_read(struct slice word, enum policy_op *ret);
const char *policy_kind_word(enum policy_kind kind);
const char *policy_kind_form(enum policy_kind kind);

/* ---- decisions ---- */

/* What is asked. Borrowed for the call. */
struct policy_question {
    struct slice principal;
    enum policy_op op;
    struct slice node;     /* of operations that have one */
    bool is_node_open;     /* which node is not known yet: may it be allowed at some? */
    enum policy_kind kind; /* of operations that have targets */
    bool is_target_open;   /* likewise; kind POLICY_NO_TARGET: of any kind */
    struct slice outer;    /* GROUP, GROUP_TERM: the scope; FUNCTION: the module */
    struct slice text;     /* NAME, GLOBAL: the name; GROUP: the group; FUNCTION: its name; OWNER: who */
    uint32_t arity;        /* FUNCTION */
    bool is_arity_open;
};

struct policy_rule {
    const char *name; /* borrowed from the policy */
    unsigned line, column;
    bool is_allow;
};

struct policy_decision {
    bool is_allowed;
    const struct policy_rule *rule; /* borrowed from the policy; NULL: none matches */
};

/*
 * p NULL: there is no policy, and everything but NOTHING is allowed.
 *
 * Of an open question a `deny` counts only where it holds whatever is put in, an `allow` as soon as it could:
 * what is refused now would be refused later, too. What is allowed now is to be asked again once all is
 * known.
 */
struct policy_decision policy_decide(const struct policy *p, const struct policy_question *q);

/* Why a rule does not decide, in the order in which it is looked at. */
enum policy_fit {
    POLICY_FITS,
    POLICY_OTHER_OPERATION,
    POLICY_OTHER_PRINCIPAL,
    POLICY_OTHER_NODE,
    POLICY_OTHER_TARGET,
    POLICY_FITS_IN_PART, /* a deny that an open question may yet miss */
};

size_t policy_rule_count(const struct policy *p);
const struct policy_rule *policy_rule_at(const struct policy *p, size_t n); /* borrowed; n < the count */
enum policy_fit policy_fit(const struct policy *p, size_t n, const struct policy_question *q);
const char *policy_fit_text(enum policy_fit fit); /* "it is for other nodes"; static */

/* The target as a rule would write it, "function:lists:reverse/1"; cut to cap - 1 bytes. */
void policy_print_target(const struct policy_question *q, char *out, size_t cap);
/* Reads such a text into q, which borrows from it; false: it is none, or not one of q's operation. */
bool policy_read_target(struct slice text, struct policy_question *q);

/* ---- the cluster's side ---- */

/* May that node connect to us? May we connect to it? Without a word about it in the policy: yes. */
bool policy_admits(const struct policy *p, struct slice node);
bool policy_connects(const struct policy *p, struct slice node);

/* ---- the file ---- */

/* NULL, and faults says why. */
MUST_USE struct policy *policy_load(const char *path, struct auth_faults *faults);
/* The same of its text, which name stands for in faults. */
MUST_USE struct policy *policy_read(const char *name, struct slice text, struct auth_faults *faults);
void policy_free(struct policy *p); /* takes NULL */

/* Told of each rule that gives more than it seems to. what: a sentence without a full stop. */
typedef void policy_warn_fn(void *ctx, const struct policy_rule *rule, const char *what);
void policy_warn(const struct policy *p, policy_warn_fn *fn, void *ctx);

#endif
