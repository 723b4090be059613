/*
 * rpc: functions of other nodes called from here, and functions of this node called from there.
 *
 * rpc:call, rpc:cast, erpc:call, erpc:cast and ei_rpc find at this node exactly the functions that were
 * registered, under the names they were given, and code:ensure_loaded/1, which says that there is no such
 * module; any other is `undef`. Each call runs in a process of its own
 * that ends with its result. It has a pid, and can send and link as any other (node/spawn.h), but no
 * callbacks: what a function has to wait for, it asks for with a callback of its own (node_request, node_rpc,
 * a timer of the loop) or has another process ask, keeps `self`, and answers from there.
 */
#ifndef ERLGATE_NODE_RPC_H
#define ERLGATE_NODE_RPC_H

#include "node/spawn.h"

/*
 * The function is called: self is the process made for it, its group leader the caller's. args: `arity` terms
 * one after another, borrowed for the callback. It answers by node_return or node_raise, now or later (when
 * the process is gone by then, because the caller linked it and died, that is ERR_NOPROC and harmless).
 */
typedef void node_function_fn(void *ctx, struct node_self self, struct etf_rd args);

/* ctx is borrowed for the node's life. Registering again replaces; fn NULL: it is undef again. ERR_INVALID:
 * no atoms; ERR_NOMEM. */
MUST_USE enum err node_register_function(struct node *n, const char *module, const char *function,
                                         uint8_t arity, node_function_fn *fn, void *ctx);

enum node_class { NODE_CLASS_ERROR, NODE_CLASS_EXIT, NODE_CLASS_THROW };

/* The function's value; its process ends. ERR_NOPROC; ERR_INVALID: self is no called function; or what is
 * wrong with the term (the call is not answered then). */
MUST_USE enum err node_return(struct node_self self, struct slice value);
/* erlang:error(Reason), exit(Reason) or throw(Reason) in the function. */
MUST_USE enum err node_raise(struct node_self self, enum node_class class_, struct slice reason);

/*
 * erpc:call(Node, Module, Function, Args, Timeout), or rpc:call where the peer has no erpc. args: one term, a
 * proper list. done is called once, later: ERR_NONE with the value; ERR_CALLEE_EXIT with class, term (the
 * reason) and stacktrace; ERR_PEER_UNSUPPORTED (it refuses to spawn: notsup), ERR_NODEDOWN, ERR_TIMEOUT and
 * the rest as node_request's. ret_op gets a handle for node_cancel. Errors at once: as node_request's, and
 * what is wrong with the term.
 */
MUST_USE enum err node_rpc(struct node *n, struct slice node, struct slice module, struct slice function,
                           struct slice args, uint64_t timeout_ms, node_done_fn *done, void *ctx, uint64_t id,
                           uint64_t *ret_op);
/* erpc:cast(Node, Module, Function, Args): done tells whether it was sent, as node_request's of NODE_CAST. */
MUST_USE enum err node_rpc_cast(struct node *n, struct slice node, struct slice module, struct slice function,
                                struct slice args, uint64_t timeout_ms, node_done_fn *done, void *ctx,
                                uint64_t id, uint64_t *ret_op);
/* The same from a process: its `result` is called with the tag, unless it has ended. */
MUST_USE enum err node_rpc_from(struct node_self self, struct slice node, struct slice module,
                                struct slice function, struct slice args, uint64_t timeout_ms, uint32_t tag,
                                uint64_t *ret_op);

#endif
