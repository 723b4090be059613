/*
 * process: what a pid of this node stands for: something that receives messages and whose end others hear of.
 *
 * Embedded in its owner (a request, net_kernel, later a gen_server); started by process_start, ended by
 * process_exit, which tells every process that is linked to it or monitors it, at other nodes and here.
 */
#ifndef ERLGATE_NODE_PROCESS_H
#define ERLGATE_NODE_PROCESS_H

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
    /* A monitor of ours fired (ref is what it was made with). NULL: ignored. */
    void (*down)(struct process *p, const struct etf_ref *ref, struct slice reason,
                 const struct etf_atoms *atoms);
    /* An exit signal came (a link broke, or exit/2) that ends the process unless it takes care of it itself.
     * NULL: it is immune, as processes that belong to the node itself are. */
    void (*exit)(struct process *p, struct slice reason, const struct etf_atoms *atoms);
};

/* Somebody who hears of this process's end. */
struct watcher;

struct process {
    struct node *node; /* borrowed */
    uint32_t number;   /* 0: not started */
    const struct process_ops *ops;
    struct watcher *watchers; /* owned list */
    struct slice name;        /* registered as; borrowed from static storage; empty: none */
};

/* Gives it a pid. ERR_NOMEM, ERR_OVERLOADED. */
MUST_USE enum err process_start(struct node *n, struct process *p, const struct process_ops *ops);
/* Unregisters, tells linked and monitoring processes; the pid is then nobody's. reason: one term. Safe on one
 * that was never started. */
void process_exit(struct process *p, struct slice reason);
struct etf_pid process_pid(const struct process *p);

MUST_USE enum err process_register(struct process *p, struct slice name);
struct process *process_whereis(const struct node *n, struct slice name);

/* ---- for node/route.c: signals from other nodes and from here ---- */

/* peer: who is to hear. For a monitor, ref is its reference and name (may be empty) what it was set on. */
MUST_USE enum err process_add_monitor(struct process *p, struct link *from_link, const struct etf_pid *peer,
                                      const struct etf_ref *ref, struct slice name);
void process_remove_monitor(struct process *p, const struct etf_pid *peer, const struct etf_ref *ref);
MUST_USE enum err process_add_link(struct process *p, struct link *from_link, const struct etf_pid *peer);
bool process_remove_link(struct process *p, const struct etf_pid *peer);
/* The link to the node is gone: monitors from there are forgotten, and links break with noconnection. */
void process_link_lost(struct process *p, struct link *lost);

/* ETF of the atoms `normal`, `noproc` and `noconnection`, for reasons. */
extern const struct slice process_reason_normal, process_reason_noproc, process_reason_noconnection;

#endif
