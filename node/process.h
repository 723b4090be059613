/*
 * process: what a pid of this node stands for: something that receives messages and whose end others hear of.
 *
 * Embedded in its owner (a request, an actor); started by process_start, ended by process_exit, which tells
 * every process that is linked to it or monitors it, at other nodes and here.
 */
#ifndef ERLGATE_NODE_PROCESS_H
#define ERLGATE_NODE_PROCESS_H

#include "base/map.h"
#include "dist/ctl.h"
#include "node/node.h"

struct process;
struct link;

/* What a process is told. Everything is borrowed for the call. from_link: NULL when the sender is of this
 * node. */
struct process_ops {
    const char *kind; /* "request", "net_kernel": for logs */
    /* A message: one validated term. alias: it was sent to this reference of ours, not to the pid; NULL
     * otherwise. */
    void (*message)(struct process *p, struct link *from_link, const struct etf_ref *alias, struct slice term,
                    const struct etf_atoms *atoms);
    /* A monitor of ours fired (ref is what it was made with, from what was watched). NULL: ignored. */
    void (*down)(struct process *p, const struct etf_ref *ref, const struct dist_end *from,
                 struct slice reason, const struct etf_atoms *atoms);
    /* An exit signal came. is_link: a link broke (the link is gone); else exit/2. NULL: it is immune, as
     * processes that belong to the node itself are. */
    void (*exit)(struct process *p, const struct etf_pid *from, bool is_link, struct slice reason,
                 const struct etf_atoms *atoms);
    /* What else there is: node up and down, a spawn reply, a new group leader. NULL: ignored. */
    void (*other)(struct process *p, const struct dist_ctl *ctl, const struct etf_atoms *atoms);
    /* The node stops: end yourself. NULL: somebody else sees to that. */
    void (*stop)(struct process *p);
};

/* Somebody who hears of this process's end. */
struct watcher;

struct process {
    struct node *node; /* borrowed */
    uint32_t number;   /* 0: not started */
    const struct process_ops *ops;
    bool is_told_of_demonitor; /* `other` gets SIGNAL_UNMONITORED */
    struct map watchers;       /* struct watcher, by what it is: found at once, however many there are */
    struct watcher *first_watcher, *last_watcher; /* owned list of the same, oldest first */
    struct slice name;                            /* registered as; owned; empty: none */
};

/* Gives it a pid. ERR_NOMEM, ERR_OVERLOADED. */
MUST_USE enum err process_start(struct node *n, struct process *p, const struct process_ops *ops);
/* Unregisters, tells linked and monitoring processes; the pid is then nobody's. reason: one term without
 * cache references. Safe on one that was never started. */
void process_exit(struct process *p, struct slice reason);
struct etf_pid process_pid(const struct process *p);

/* ERR_NAME_TAKEN; ERR_INVALID: it has a name already; ERR_NOMEM. The name is copied. */
MUST_USE enum err process_register(struct process *p, struct slice name);
void process_unregister(struct process *p);
struct process *process_whereis(const struct node *n, struct slice name);

/* ---- monitors of it ---- */

/* peer: who is to hear. ref: the monitor's reference; name (may be empty): what it was set on. from: the link
 * that it came over, which has only so much room for watchers, of all our processes together; NULL: it is of
 * this node. ERR_OVERLOADED: that room is full, which has been logged once; ERR_NOMEM. */
MUST_USE enum err process_add_monitor(struct process *p, struct link *from, const struct etf_pid *peer,
                                      const struct etf_ref *ref, struct slice name);
bool process_is_monitored(const struct process *p, const struct etf_pid *peer, const struct etf_ref *ref);
void process_remove_monitor(struct process *p, const struct etf_pid *peer, const struct etf_ref *ref);

/* ---- links, which are the same from both ends ---- */

/* The peer has linked to it; from and errors as of process_add_monitor. */
MUST_USE enum err process_add_link(struct process *p, struct link *from, const struct etf_pid *peer);
/* The peer has unlinked, or a link broke. True: it was there, and not being taken down by us. */
bool process_remove_link(struct process *p, const struct etf_pid *peer);
/* Links it: *ret_is_new tells that LINK is to be sent. */
MUST_USE enum err process_link(struct process *p, const struct etf_pid *peer, bool *ret_is_new);
/* Unlinks it: the id for UNLINK_ID; 0: there is nothing to unlink. Exits over the link are ignored from now
 * on; the entry goes with process_unlinked, or now when the peer will not acknowledge. */
uint64_t process_unlink(struct process *p, const struct etf_pid *peer, bool is_acked);
void process_unlinked(struct process *p, const struct etf_pid *peer, uint64_t id);

/* The link to the node is gone: monitors from there are forgotten; EXIT with noconnection is on its way to p
 * for each link. */
void process_node_lost(struct process *p, struct slice node);

/* ETF of atoms, for reasons. */
extern const struct slice process_reason_normal, process_reason_noproc, process_reason_noconnection,
    process_reason_kill, process_reason_killed, process_reason_shutdown, process_reason_system_limit;
/* The same, for nodes that go: net_kernel's nodedown_reason. */
extern const struct slice process_reason_disconnect, process_reason_closed, process_reason_tick_timeout,
    process_reason_setup_failed;

#endif
