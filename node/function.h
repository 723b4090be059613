/*
 * function: the C functions of this node that other nodes may call, and the process that each call runs in.
 */
#ifndef ERLGATE_NODE_FUNCTION_H
#define ERLGATE_NODE_FUNCTION_H

#include "node/actor.h"
#include "node/rpc.h"
#include "node/server.h"

enum invocation_kind {
    INVOKE_ERPC, /* ends with {Token, return, Value} and the like as its exit reason */
    INVOKE_CAST, /* nobody waits for it */
    INVOKE_CALL, /* rex: the result is the reply to a gen_server call */
    INVOKE_EI,   /* rex: {rex, Result} to the caller's pid */
};

struct invocation;

/* A process for a call that is to come: *ret is its actor. token (ERPC) and from (CALL, EI: the pid alone)
 * are copied. */
MUST_USE enum err invocation_new(struct node *n, enum invocation_kind kind, struct etf_rd token,
                                 const struct node_from *from, struct actor **ret);
/* Module, Function and Args follow in the cursor: it is called, or ends with undef. */
void invocation_run(struct actor *a, struct etf_rd mfa);
/* What each node answers, as there is no module here: code:ensure_loaded(_) -> {error, nofile}. By that
 * `erl -remsh` sees, before it waits for a shell, that there is none. */
MUST_USE enum err functions_init(struct node *n);
void functions_free(struct node *n);

#endif
