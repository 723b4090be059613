/*
 * actor: a process whose code is callbacks, from inside: what node/spawn.h promises is kept by actor.c (life,
 * messages), watch.c (monitors, aliases, nodes) and spawn.c (the public calls).
 */
#ifndef ERLGATE_NODE_ACTOR_H
#define ERLGATE_NODE_ACTOR_H

#include "node/deadlines.h"
#include "node/process.h"
#include "node/signal.h"
#include "node/spawn.h"

/* A reference that a process has made: a monitor, an alias, or both. In the node's table by id, and in its
 * owner's list. */
struct actor_ref {
    uint64_t id;
    struct actor *owner; /* borrowed */
    struct actor_ref *prev, *next;
    bool is_monitor, is_alias;
    bool is_once;          /* an alias that goes with its first message */
    struct node_dest what; /* is_monitor; its texts stand in text, node is never empty for a name */
    struct slice node;     /* is_monitor: where that is */
    uint8_t text[];
};

/* monitor_node(Node, true), that many times. */
struct actor_node {
    struct actor_node *next;
    uint32_t count;
    struct slice name; /* stands in text */
    uint8_t text[];
};

struct actor {
    struct process process;
    const struct node_process_ops *ops; /* borrowed */
    void *state;                        /* borrowed */
    bool traps_exit, watches_nodes;
    bool is_immune; /* the node's own: no exit signal ends it */
    struct deadline alarm;
    struct etf_pid leader;    /* its node's text is in leader_text, or the node's own name */
    char *leader_text;        /* owned; NULL: the leader is this node's */
    struct actor_ref *refs;   /* owned */
    struct actor_node *nodes; /* owned */
    uint32_t number;          /* kept after the end, for `ended` */
    void (*ending)(struct actor *a,
                   struct slice reason); /* it is about to end, and can still send; may be NULL */
    bool is_suspended;                   /* by sys: what comes waits in the mailbox, but for what sys sends */
    bool is_overdue;                     /* the alarm has run out meanwhile */
    struct signals mailbox;              /* owned */
    bool has_lost;                       /* something that did not fit there, since it was suspended */
    uint8_t *reason;                     /* owned; why it ended */
    size_t reason_len;
    struct actor *next_dead;
};

/* The live actor behind self; NULL. */
struct actor *actor_get(struct node_self self);
/* The actor that a process is; NULL: it is of another kind. */
struct actor *actor_of(struct process *p);
struct node_self actor_self(const struct actor *a);
MUST_USE enum err actor_spawn(struct node *n, const struct node_process_ops *ops, void *state,
                              struct actor **ret);
/* reason: may hold cache references if atoms are given. */
void actor_exit(struct actor *a, struct etf_rd reason);
void actor_exit_with(struct actor *a, struct slice reason);
/* Until it is resumed, only {system, _, _} is delivered. */
void actor_suspend(struct actor *a, bool is_suspended);
/* Calls `ended` of those that have ended, and frees them. */
void actors_bury(struct node *n);
/* Every actor ends with shutdown. */
void actors_stop(struct node *n);
/* What is due has run out of time. */
void actors_expire(struct node *n);
/* Sends a message, which parts together are, to wherever; lost when the node cannot be reached. */
MUST_USE enum err actor_send(struct actor *a, const struct node_dest *to, const struct slice *parts,
                             size_t count, uint32_t uses);
/* The result of a request of a process: ctx is the node, id its number and tag. One that has ended is not
 * told. */
void actor_request_done(void *ctx, uint64_t id, const struct node_result *r);
MUST_USE enum err actor_set_alarm(struct actor *a, uint64_t ms);
MUST_USE enum err actor_set_leader(struct actor *a, const struct etf_pid *leader);

/* May the term be sent to others? What it uses of theirs. */
MUST_USE enum err spawn_check_term(struct slice term, uint32_t *ret_uses);

/* ---- watch.c ---- */

/* The live entry that a reference names, of whatever process; NULL. */
struct actor_ref *watch_of_ref(const struct node *n, const struct etf_ref *ref);
struct etf_ref watch_ref(const struct actor_ref *r);
MUST_USE enum err watch_monitor(struct actor *a, const struct node_dest *what, struct actor_ref **ret);
MUST_USE enum err watch_alias(struct actor *a, bool is_once, struct actor_ref **ret);
void watch_demonitor(struct actor_ref *r); /* tells the other end */
void watch_drop(struct actor_ref *r);      /* tells nobody */
/* A message came by the alias: may it be delivered? One that is used once is then gone. */
bool watch_take_alias(struct actor_ref *r);
MUST_USE enum err watch_node(struct actor *a, struct slice node, bool is_on);
/* All monitors are taken back: it ends. */
void watch_end(struct actor *a);
/* The node is lost, or (not was_up) could not be reached: monitors there fire, and nodedown is on its way. */
void watch_node_lost(struct actor *a, const struct node_change *change, bool was_up);
void watch_node_up(struct actor *a, const struct node_change *change);

#endif
