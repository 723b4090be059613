/*
 * spawn: Erlang processes whose code is C callbacks.
 *
 * node_spawn makes one; it ends by node_exit_self, by an exit signal from elsewhere, or when the node stops.
 * It is a process like any other to the whole cluster: it has a pid, receives messages, links, monitors, and
 * is monitored. All callbacks come from the loop, one at a time, never from within a call of a function
 * below. A process never runs while another does, and its state is touched by nobody else.
 *
 * Signals are asynchronous and keep their order from one process to another, within this node and between
 * nodes, as in Erlang. A signal to a node that is not connected connects it first; if that fails, messages
 * are lost, and links and monitors fire with noconnection. A signal to a process that does not exist is lost,
 * as in Erlang.
 *
 * Terms are given as slices: one term of the external format without its version byte and without references
 * to an atom cache, as etf/write.h makes them. They are checked before they are sent, for what a peer cannot
 * read costs the connection: ERR_MALFORMED and its kin say what is wrong with it, ERR_PEER_UNSUPPORTED that
 * this node cannot take it. They are borrowed for the call. Terms that arrive are cursors (etf/term.h),
 * borrowed for the callback; etf_copy keeps one.
 *
 * One thread: that of the node's loop.
 */
#ifndef ERLGATE_NODE_SPAWN_H
#define ERLGATE_NODE_SPAWN_H

#include "node/node.h"

/* A process of this node, by number: after its end it is nobody, and everything done with it is ERR_NOPROC.
 */
struct node_self {
    struct node *node; /* borrowed */
    uint32_t number;   /* 0: nobody */
};

/* Where to: a pid, a registered name at a node, or an alias. The texts are borrowed. */
enum node_dest_kind { NODE_DEST_PID, NODE_DEST_NAME, NODE_DEST_ALIAS };
struct node_dest {
    enum node_dest_kind kind;
    struct etf_pid pid;   /* NODE_DEST_PID */
    struct slice name;    /* NODE_DEST_NAME: UTF-8 */
    struct slice node;    /* NODE_DEST_NAME: UTF-8; empty: this node */
    struct etf_ref alias; /* NODE_DEST_ALIAS */
};

static inline struct node_dest node_to_pid(struct etf_pid pid)
{
    return (struct node_dest){.kind = NODE_DEST_PID, .pid = pid};
}

static inline struct node_dest node_to_name(const char *name, const char *node)
{
    return (struct node_dest){.kind = NODE_DEST_NAME, .name = slice_of_str(name), .node = slice_of_str(node)};
}

static inline struct node_dest node_to_alias(struct etf_ref alias)
{
    return (struct node_dest){.kind = NODE_DEST_ALIAS, .alias = alias};
}

/* Another node has come or gone. Borrowed for the callback. */
struct node_change {
    struct slice node;
    bool is_up;
    bool is_hidden;      /* false for one that could not even be connected, as the next */
    bool was_dialled;    /* by us: it was not the node that connected */
    struct slice reason; /* of a node that has gone: an atom, what net_kernel calls nodedown_reason */
};

/* The callbacks of a process. Each may be NULL: what it would be told is then dropped. state is what
 * node_spawn was given; in all of them the process may spawn, send, end itself. */
struct node_process_ops {
    const char *kind; /* a word for logs */
    void (*message)(struct node_self self, void *state, struct etf_rd message);
    /* {'DOWN', Ref, process, What, Reason}. The monitor is gone. */
    void (*down)(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                 struct etf_rd reason);
    /* {'EXIT', From, Reason}: only while it traps exits; else a reason other than normal ends it. */
    void (*exit)(struct node_self self, void *state, const struct etf_pid *from, struct etf_rd reason);
    /* What node_call, node_multi_call and node_rpc_from of this process came to (node/server.h). */
    void (*result)(struct node_self self, void *state, uint32_t tag, const struct node_result *result);
    /* node_set_timeout has run out. */
    void (*timeout)(struct node_self self, void *state);
    /* node_monitor_nodes: another node, hidden or visible, is connected; node_monitor_nodes or
     * node_monitor_node: it is no more, or could not be connected. */
    void (*nodeup)(struct node_self self, void *state, struct slice node);
    void (*nodedown)(struct node_self self, void *state, struct slice node);
    /* The same with all that is known of it: where it is set, it is called in place of those two. */
    void (*node_changed)(struct node_self self, void *state, const struct node_change *change);
    /* A monitor on this process was taken back, or its holder's node is gone: who had set it, and what it was
     * known by. For who serves calls: the caller waits no more (node/server.h, node_from_ref). */
    void (*unmonitored)(struct node_self self, void *state, const struct etf_pid *by,
                        const struct etf_ref *monitor);
    /* It has ended, whatever ended it: the last callback, in which to free the state. The pid is nobody's
     * already. */
    void (*ended)(struct node_self self, void *state, struct etf_rd reason);
};

/* ops are borrowed for good. ERR_CLOSED before the node is up or after node_quiesce, ERR_NOMEM,
 * ERR_OVERLOADED: ended is not called then. */
MUST_USE enum err node_spawn(struct node *n, const struct node_process_ops *ops, void *state,
                             struct node_self *ret_self);
/* exit(Reason) in the process itself: the pid is nobody's at once, linked and monitoring processes hear of
 * it; ended is called later, so that the callback it is called from keeps its state. It ends whatever the
 * reason is: for one that is no term, or that others cannot take, killed stands (and a line in the log). */
void node_exit_self(struct node_self self, struct slice reason);
bool node_is_alive(struct node_self self);
/* self(): its node's text is borrowed from the node. */
struct etf_pid node_pid(struct node_self self);
/* The process of this node that has the pid; {.number = 0} when it is none of ours, or has ended. */
struct node_self node_find_pid(struct node *n, const struct etf_pid *pid);

/* Dest ! Message. ERR_NOPROC: self has ended; ERR_OVERLOADED: the link's queue is full; ERR_NOMEM; or what is
 * wrong with the term. */
MUST_USE enum err node_send(struct node_self self, const struct node_dest *to, struct slice message);
/* exit(Pid, Reason). */
MUST_USE enum err node_exit(struct node_self self, const struct etf_pid *to, struct slice reason);
/* process_flag(trap_exit, Bool). */
void node_trap_exit(struct node_self self, bool traps);

/* ---- names ---- */

/* register(Name, self()). ERR_NAME_TAKEN; ERR_INVALID: it has one already, or no atom. */
MUST_USE enum err node_register(struct node_self self, struct slice name);
/* unregister(Name). ERR_NOT_FOUND. */
enum err node_unregister(struct node *n, struct slice name);
/* whereis(Name); {.number = 0}: undefined. */
struct node_self node_whereis(struct node *n, struct slice name);
/* registered(): iterates; *cursor starts at 0; false at the end. Nothing may be registered meanwhile. */
bool node_next_registered(const struct node *n, size_t *cursor, struct slice *ret_name);

/* ---- links ---- */

/* link(Pid): a second one is the same link. ERR_INVALID: the pid is of no node. */
MUST_USE enum err node_link(struct node_self self, const struct etf_pid *to);
/* unlink(Pid): no exit over this link is seen after it has returned. */
MUST_USE enum err node_unlink(struct node_self self, const struct etf_pid *to);

/* ---- monitors ---- */

/* erlang:monitor(process, What): each call is a monitor of its own, and fires once. */
MUST_USE enum err node_monitor(struct node_self self, const struct node_dest *what, uint64_t *ret_monitor);
/* demonitor(Ref, [flush]): it will not fire. Unknown: ignored. */
void node_demonitor(struct node_self self, uint64_t monitor);
/* The monitor's (or alias's) reference, to be sent to others; false when it is gone. */
bool node_ref_of(struct node_self self, uint64_t monitor, struct etf_ref *ret);
/* monitor_node(Node, Bool): connects; each true is one nodedown, each false takes one back. ERR_NOT_FOUND:
 * none to take back. */
MUST_USE enum err node_monitor_node(struct node_self self, struct slice node, bool is_on);
/* net_kernel:monitor_nodes(Bool, [{node_type, all}]). */
MUST_USE enum err node_monitor_nodes(struct node_self self, bool is_on);

/* Does that process monitor this one, by that reference? */
bool node_is_monitored(struct node_self self, const struct etf_pid *by, const struct etf_ref *monitor);

/* ---- aliases ---- */

enum node_alias_kind {
    NODE_ALIAS_EXPLICIT, /* until node_unalias */
    NODE_ALIAS_REPLY,    /* until the first message over it */
};
/* alias(Options). The handle is for node_unalias and node_ref_of; ret_ref may be NULL. ERR_NOPROC: self has
 * ended; ERR_NOMEM. */
MUST_USE enum err node_alias(struct node_self self, enum node_alias_kind kind, uint64_t *ret_alias,
                             struct etf_ref *ret_ref);
/* unalias(Alias): what still comes to it is dropped. False: it was none any more. */
bool node_unalias(struct node_self self, uint64_t alias);

/* ---- the rest ---- */

/* Calls timeout once after that long (of a server that sys has suspended then: once it is resumed); 0 takes
 * it back; anew replaces it. */
MUST_USE enum err node_set_timeout(struct node_self self, uint64_t ms);
/* group_leader() and group_leader(Pid, self()): at first the node's own, which writes what is printed to the
 * log. */
struct etf_pid node_group_leader(struct node_self self); /* borrowed until it is set again */
MUST_USE enum err node_set_group_leader(struct node_self self, const struct etf_pid *leader);

#endif
