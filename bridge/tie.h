/*
 * tie: one thing that an inbox is tied to: a monitor, a link, or a membership of a group.
 *
 * Made by tie_new, owned by its inbox, ended by tie_free, which tie_undo comes to as well; its id finds it in
 * the gateway's table of ties, and from then on nothing.
 */
#ifndef ERLGATE_BRIDGE_TIE_H
#define ERLGATE_BRIDGE_TIE_H

#include "bridge/inbox.h"

enum tie_kind { TIE_MONITOR, TIE_LINK, TIE_MEMBERSHIP };

/* One thing that an inbox is tied to. */
struct tie {
    uint64_t id; /* in the gateway's table of ties */
    struct inbox *inbox;
    struct tie *prev, *next;
    enum tie_kind kind;
    enum target_kind target_kind;
    bool is_asking;        /* it is being found out where there is anything, and whether it can be reached */
    bool is_on;            /* a monitor: it has been set */
    uint64_t op;           /* is_asking: the node's, for node_cancel or node_global_cancel */
    uint64_t monitor;      /* the node's; 0: none */
    struct target *target; /* owned; NULL once it is of no more use */
    struct slice path;     /* the API path by which clients know it; in bytes */
    struct slice node;     /* TARGET_NODE: in bytes */
    uint8_t bytes[];
};

/* ---- tie.c: set up, and taken back ---- */

/*
 * Ties it to the target, whose memory is taken over. path: copied. For a monitor the stream gets `monitor`,
 * now or once the target's node is connected. Trouble with the link is an event, or, is_strict, the end of
 * the inbox with its request answered: *ret is NULL then. Errors at once: ERR_OVERLOADED (too many ties),
 * ERR_NOMEM, ERR_NAME_TAKEN (the scope of a group is another process's name here), ERR_INVALID: this cannot
 * be done to such a target.
 */
MUST_USE enum err tie_new(struct inbox *in, enum tie_kind kind, struct target *target, struct slice path,
                          struct tie **ret);
/* Takes it back. */
void tie_undo(struct tie *t);
/* Forgets it, for it is over. */
void tie_free(struct tie *t);
/* A stream ends with the last thing that it could tell of. */
void tie_end_if_over(struct inbox *in);
/* A link broke: it is over. */
void tie_link_broken(struct inbox *in, const struct etf_pid *from);

/* ---- tie_events.c: what its process is told of it, as events ---- */

void tie_down(struct inbox *in, uint64_t monitor, const struct node_dest *what, struct etf_rd reason);
void tie_node_changed(struct inbox *in, const struct node_change *change);
/* Is the message one of pg's about a group that is monitored? It has become an event then. */
MUST_USE bool tie_group_changed(struct inbox *in, struct etf_rd message);

/* ---- what the two share ---- */

/* A monitor of a node, or of all, that has been set. */
bool tie_watches_nodes(const struct tie *t);
/* May its owner hear of that global name, or group, at that node? p: the question that was asked. */
bool tie_may_watch(const struct tie *t, struct etf_atom node, struct permission *p);
/* `monitor`: it has been set, for that process (NULL: for whatever has the name). */
void tie_emit_monitor(struct tie *t, const struct etf_pid *pid);
/* The same with who is in the group, and which nodes there are. */
void tie_emit_members(struct tie *t);
void tie_emit_nodes(struct tie *t);
/* pid NULL: none had the name. */
void tie_emit_down(struct tie *t, const struct etf_pid *pid, struct etf_rd reason);
/* `nodeup` or `nodedown`. */
void tie_emit_node(struct tie *t, const struct node_change *change);

#endif
