/*
 * global: names that OTP's `global` knows, asked of the nodes we are connected to.
 *
 * This node takes no part in global's own protocol, hidden or visible: half of it would be worse than none,
 * for the others would wait for the rest, or cut connections for its sake. A visible node that is asked for
 * global_name_server says noproc at once. (global:sync/0 at other nodes still waits for a visible node; so be
 * hidden where it is used.)
 *
 * To register a process of ours, let a node of the cluster do it: node_rpc of global:register_name/2 with the
 * name and the pid; its global monitors the process, and the name goes with it.
 */
#ifndef ERLGATE_NODE_GLOBAL_H
#define ERLGATE_NODE_GLOBAL_H

#include "node/node.h"

/*
 * global:whereis_name(Name), asked of each connected node in turn until one knows it. name: one term.
 * done is called once, later: ERR_NONE with term, a pid; ERR_NOT_FOUND: none of them knows it;
 * ERR_NO_CONNECTION: no node is connected; ERR_TIMEOUT in all. Errors at once: ERR_CLOSED, ERR_NOMEM,
 * or what is wrong with the term.
 */
MUST_USE enum err node_global_whereis(struct node *n, struct slice name, uint64_t timeout_ms,
                                      node_done_fn *done, void *ctx, uint64_t id, uint64_t *ret_op);
/* done is not called. Unknown: ignored. */
void node_global_cancel(struct node *n, uint64_t op);

#endif
