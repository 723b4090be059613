/*
 * target: whom a request is for: a process, however it is named, or a function of a node.
 *
 * Made by target_of_path or, from a body that names it, by envelope_read; ended by target_fini. Its slices
 * point into the request, which is gone when the handler returns, or into its own memory; target_keep moves
 * them all there.
 */
#ifndef ERLGATE_BRIDGE_TARGET_H
#define ERLGATE_BRIDGE_TARGET_H

#include "base/wr.h"
#include "http/server.h"
#include "node/node.h"

struct gateway;

/* As http_route.target, too: what a path's segments are. */
enum target_kind {
    TARGET_BODY,     /* of a route: nothing in the path names it */
    TARGET_NODE,     /* {node} */
    TARGET_NODES,    /* all nodes */
    TARGET_NAME,     /* {node}, {name}: a registered name */
    TARGET_PID,      /* {pid} */
    TARGET_GLOBAL,   /* {name}: a name of `global` */
    TARGET_GROUP,    /* {scope}, {group}: of pg */
    TARGET_FUNCTION, /* {node}, {module}, {function} */
};

/* Of a group: which of its members. */
enum target_mode { TARGET_DEFAULT, TARGET_ANY, TARGET_ALL };

struct target {
    enum target_kind kind;
    enum target_mode mode;
    struct slice node;     /* NAME, FUNCTION, and a pid's: UTF-8 */
    struct slice name;     /* NAME: the registered name; GROUP: the scope; FUNCTION: the module. UTF-8 */
    struct slice function; /* FUNCTION: UTF-8 */
    struct slice term;     /* GLOBAL: the name; GROUP: the group. One validated term */
    struct etf_pid pid;    /* PID; its node is `node` */
    uint32_t uses;         /* of pid: for the peer that is to take it */
    struct wr memory[3];   /* owned: node; name; function or term */
};

enum target_memory { TARGET_MEMORY_NODE, TARGET_MEMORY_NAME, TARGET_MEMORY_TERM };

void target_init(struct target *t, enum target_kind kind);
void target_fini(struct target *t);
/* Its slices are its own from now on. False: no memory. */
MUST_USE bool target_keep(struct target *t);
/* Its atoms count from now on as ones that HTTP has introduced; false and answered. Only once it is allowed.
 */
MUST_USE bool target_use(struct gateway *g, uint64_t http_id, const struct target *t);
/* For node_request; NAME and PID only. Borrowed. */
struct node_target target_for_node(const struct target *t);

/* ---- Each of these answers the request when it gives false. ---- */

/* The route says what the segments are; ?syntax=erlang, that names are Erlang terms; ?to=, of a
 * group. */
MUST_USE bool target_of_path(struct gateway *g, struct http_request *req, struct target *ret);

/*
 * The same of an API path without /v1 that stands somewhere else, as in ?monitor=: percent-encoded, with
 * ?syntax=erlang at its end if need be. What it gives is kept. parameter: where it stands, for the answer.
 */
MUST_USE bool target_of_text(struct gateway *g, uint64_t http_id, struct slice text, const char *parameter,
                             struct target *ret);

/* Checks a text that came from HTTP. parameter names it in the answer. */
MUST_USE bool target_set_node(struct gateway *g, uint64_t http_id, struct target *t, struct slice text,
                              const char *parameter);
/* An atom into *field: name or function. */
MUST_USE bool target_set_atom(struct gateway *g, uint64_t http_id, struct slice *field, struct slice text,
                              const char *parameter);
MUST_USE bool target_set_pid(struct gateway *g, uint64_t http_id, struct target *t, struct slice text,
                             const char *parameter);
/* "any" or "all". */
MUST_USE bool target_set_mode(struct gateway *g, uint64_t http_id, struct target *t, struct slice text,
                              const char *parameter);

#endif
