/*
 * link_parts: what the files of a link share: link.c, its life and what passes over it; link_dial.c, how we
 * connect; link_meet.c, how two nodes meet; link_unproven.c, who has not shown the cookie. Not for others.
 */
#ifndef ERLGATE_NODE_LINK_PARTS_H
#define ERLGATE_NODE_LINK_PARTS_H

#include "node/link.h"

/* ---- link.c ---- */

/* In the node's table. NULL: no memory. */
MUST_USE struct link *link_new(struct node *n, enum link_state state);
/* It is the link of that name from now on. */
MUST_USE enum err link_take_name(struct link *l, struct slice name);
void link_drop_name(struct link *l);
/* Another has its name, or none any more: is_second, which is counted. */
void link_set_second(struct link *l, bool is_second);
/* What it calls itself, for who has not been let in yet. */
struct slice link_shown_name(const struct link *l);
/* Its timer is due then at the latest. */
void link_arm(struct link *l, uint64_t at_ms);
/* Lets go of what it holds outside: its memory stays until the end of the turn, for callers up the stack. */
void link_release(struct link *l);
/* It has something to write. */
void link_mark_dirty(struct link *l);
extern const struct loop_stream_ops link_stream_ops;

/* ---- link_dial.c ---- */

/* What a handshake of ours is made with. */
void link_config(struct node *n, struct dist_conn_config *ret);
/* Begins TLS, if the node has it. The deadline of the distribution's handshake is running already: it bounds
 * that of TLS as well. host: that we have dialled; NULL: it was accepted. */
MUST_USE enum err link_secure(const struct link *l, const char *host);
/* It has waited for the peer's own connection for a while: asks again for ours, or gives up. */
void link_yield_ends(struct link *l);
/* Its connection has ended, whatever it was in the midst of: another try, a wait for the peer's, or its end.
 */
void link_ended(struct link *l, enum err e, const char *text);

/* ---- link_unproven.c ---- */

/* Has it been accepted, and has not shown the cookie yet? */
bool link_is_unproven(const struct link *l);
/* For one more such: the one that has least right to its place is closed where there are too many. */
void link_make_room(struct node *n);

/* ---- link_meet.c ---- */

/* The peer has said its name: what we already have under it decides whether it is let in. */
void link_peer_named(struct link *l);
void link_came_up(struct link *l);
/* If it is one that has not shown the cookie for a while, and something waits for it: that waits for an
 * attempt of our own then, beside it. */
void link_look_beside(struct link *l);
/* It comes to nothing, for this reason: what waits for it is for another way to that node, if there is one.
 */
void link_pass_on(struct link *l, enum err why);

#endif
