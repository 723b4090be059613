/*
 * pg: OTP's process groups: a scope of this node exchanges its members with the scopes of the same name at
 * other nodes.
 *
 * A scope is a process registered under the scope's name, as OTP's. With scopes of OTP 29 it speaks their
 * messages, with others those of OTP 23 to 28. A hidden node is not looked for by the others; so the scope
 * itself looks for theirs, when a node connects and every few seconds where none has answered: it asks the
 * node first what the process of that name is, and says nothing to one that is no scope.
 *
 * Groups are terms, compared by =:=. The view is eventually consistent, as pg's is. Terms and threads:
 * node/spawn.h.
 */
#ifndef ERLGATE_NODE_PG_H
#define ERLGATE_NODE_PG_H

#include "node/spawn.h"

/* pg:start(Scope). ERR_NONE too when it runs already; ERR_NAME_TAKEN by another process; ERR_CLOSED before
 * the node is up. */
MUST_USE enum err node_pg_start(struct node *n, struct slice scope);

/*
 * Waits until each node that is connected now has said who is in the scope, or that it has no such scope:
 * before that, a scope that was just started knows nobody. looks_again: nodes that had none are asked once
 * more. ret_op 0: it is so already; else done is called once, with ERR_NONE, ERR_TIMEOUT (some nodes say
 * nothing: after a second or more, nobody but who looks again waits for these, until they do), ERR_NOT_FOUND (the scope has ended), ERR_CANCELLED. Errors at once: ERR_NOT_FOUND: no such scope;
 * ERR_NOMEM, ERR_CLOSED.
 */
MUST_USE enum err node_pg_sync(struct node *n, struct slice scope, bool looks_again, uint64_t timeout_ms,
                               node_done_fn *done, void *ctx, uint64_t id, uint64_t *ret_op);
/* done is not called. Unknown: ignored. */
void node_pg_sync_cancel(struct node *n, uint64_t op);
/* Ends the scope if nobody would miss it: it has no members, no other node has it, and nobody waits for it or
 * monitors it, and it is not needed to leave a node alone (node_pg_doubt). */
void node_pg_drop_unused(struct node *n, struct slice scope);
enum node_pg_doubt {
    NODE_PG_CERTAIN, /* each node has said who is in the scope, or that it has none */
    NODE_PG_SILENT,  /* one has not said anything yet */
    NODE_PG_STRANGE, /* what has the scope's name at one is no scope of pg */
};
/* How sure is it that there are no other members? The strangest node says. ret_was_told: one of those in doubt
 * was sent a discover, as it could not say what the process is; one that has ended of that is left alone for
 * ten minutes, as long as the scope is not dropped. */
enum node_pg_doubt node_pg_doubt(struct node *n, struct slice scope, bool *ret_was_told);

/* pg:join(Scope, Group, self()): one may join several times, and leaves as often, or by its end.
 * ERR_NOT_FOUND: no such scope; ERR_NOPROC; ERR_NOMEM; or what is wrong with the term. */
MUST_USE enum err node_pg_join(struct node_self self, struct slice scope, struct slice group);
/* pg:leave(Scope, Group, self()). ERR_NOT_FOUND: not joined. */
MUST_USE enum err node_pg_leave(struct node_self self, struct slice scope, struct slice group);

/* pg:get_members(Scope, Group): each member once for each time it has joined; borrowed for the call. */
typedef void node_pg_member_fn(void *ctx, const struct etf_pid *pid, bool is_local);
void node_pg_members(struct node *n, struct slice scope, struct slice group, node_pg_member_fn *each,
                     void *ctx);
/* pg:which_groups(Scope). */
typedef void node_pg_group_fn(void *ctx, struct slice group, size_t members, size_t local_members);
void node_pg_groups(struct node *n, struct slice scope, node_pg_group_fn *each, void *ctx);

/* pg:monitor(Scope, Group), or with an empty group pg:monitor_scope(Scope): from now on self gets the
 * messages {Ref, join, Group, Pids} and {Ref, leave, Group, Pids}; Ref is node_ref_of(ret_monitor). Ends by
 * node_pg_demonitor or with the process. ERR_NOT_FOUND: no such scope; ERR_NOPROC; ERR_NOMEM; or what is
 * wrong with the term. */
MUST_USE enum err node_pg_monitor(struct node_self self, struct slice scope, struct slice group,
                                  uint64_t *ret_monitor);
void node_pg_demonitor(struct node_self self, struct slice scope, uint64_t monitor);

/* Sends the message to every member, or with only_one to one of them, another each time; ret_count (may be
 * NULL) says to how many: none of them is no error. Errors are node_send's; those before have been sent to.
 */
MUST_USE enum err node_pg_send(struct node_self self, struct slice scope, struct slice group,
                               struct slice message, bool only_one, size_t *ret_count);

#endif
