/*
 * global: names that are known in the whole cluster: OTP's `global`.
 *
 * A visible node takes its part in global as a node of OTP 25 and later does: it has a copy of the table of
 * names, takes part in locks, and meets other nodes as they do; so global:sync/0 returns at the others, and
 * what is registered anywhere is known here. When it hears that a node is lost to another it parts with it,
 * as OTP's does (prevent_overlapping_partitions). Losses of its own it does not announce: the node at the
 * other end does. So a link to this node that fails costs this node its place in the cluster, never another
 * node.
 *
 * A hidden node takes no part, and asks others for what they know. To register a process of a hidden node let
 * a node of the cluster do it: node_rpc of global:register_name/2 with the name and the pid; its global
 * monitors the process, and the name goes with it.
 */
#ifndef ERLGATE_NODE_GLOBAL_H
#define ERLGATE_NODE_GLOBAL_H

#include "node/spawn.h"

/*
 * global:whereis_name(Name). A visible node has it in its table, or asks those connected nodes that it has
 * not met yet; a hidden one asks each connected node in turn until one knows it. name: one term. done is
 * called once, later: ERR_NONE with term, a pid; ERR_NOT_FOUND: none of them knows it; ERR_NO_CONNECTION: no
 * node is connected; ERR_TIMEOUT in all. Errors at once: ERR_CLOSED, ERR_NOMEM, or what is wrong with the
 * term.
 */
MUST_USE enum err node_global_whereis(struct node *n, struct slice name, uint64_t timeout_ms,
                                      node_done_fn *done, void *ctx, uint64_t id, uint64_t *ret_op);
/* done is not called. Unknown: ignored. */
void node_global_cancel(struct node *n, uint64_t op);

/* ---- visible nodes ---- */

/* What becomes of two processes of one name, when two clusters meet: OTP's random_exit_name (one is killed),
 * random_notify_name (one is told {global_name_conflict, Name}), notify_all_name (both are told, with the pid
 * of the other as third element, and the name is nobody's). */
enum node_global_clash { NODE_GLOBAL_EXIT, NODE_GLOBAL_NOTIFY, NODE_GLOBAL_NOTIFY_ALL };

/* Called once, later. ERR_NONE: done at every node; ERR_NAME_TAKEN; ERR_INVALID: the process has a global
 * name already; ERR_NOT_FOUND (unregister): there is no such name; ERR_NOPROC: it has ended; ERR_TIMEOUT: the
 * lock was not to be had in that time, and nothing has been changed; ERR_CANCELLED: the node stops;
 * ERR_NOMEM. */
typedef void node_global_done_fn(void *ctx, uint64_t id, enum err e);

/*
 * global:register_name(Name, self(), Clash), re_register_name and unregister_name. name: one term. The name
 * goes with the process. Errors at once: ERR_UNSUPPORTED: the node is hidden; ERR_NOPROC, ERR_CLOSED,
 * ERR_OVERLOADED, ERR_NOMEM, or what is wrong with the term.
 */
MUST_USE enum err node_global_register(struct node_self self, struct slice name, enum node_global_clash clash,
                                       uint64_t timeout_ms, node_global_done_fn *done, void *ctx,
                                       uint64_t id);
MUST_USE enum err node_global_re_register(struct node_self self, struct slice name,
                                          enum node_global_clash clash, uint64_t timeout_ms,
                                          node_global_done_fn *done, void *ctx, uint64_t id);
MUST_USE enum err node_global_unregister(struct node *n, struct slice name, uint64_t timeout_ms,
                                         node_global_done_fn *done, void *ctx, uint64_t id);

/* global:registered_names(): iterates; *cursor starts at 0; false at the end, and at once at a hidden node.
 * The name (one term) and the pid are borrowed until the loop turns. */
bool node_next_global(const struct node *n, size_t *cursor, struct slice *ret_name, struct etf_pid *ret_pid);

#endif
