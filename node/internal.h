/*
 * internal: the node's own state, for the files of this folder.
 */
#ifndef ERLGATE_NODE_INTERNAL_H
#define ERLGATE_NODE_INTERNAL_H

#include "base/idtab.h"
#include "base/log.h"
#include "base/map.h"
#include "loop/stream.h"
#include "node/deadlines.h"
#include "node/link.h"
#include "node/node.h"
#include "node/pidtab.h"
#include "node/process.h"

/* A signal between two processes of this node, on its way until the end of the turn. */
struct local_signal {
    struct local_signal *next;
    uint32_t to;        /* number */
    bool is_down;       /* a monitor fired: ref is its reference, term the reason; else a message */
    bool has_ref;       /* a message to an alias */
    struct etf_ref ref; /* of this node */
    size_t len;
    uint8_t term[];
};

struct node {
    struct loop *loop; /* borrowed */
    char *name;        /* owned */
    struct slice name_slice;
    struct slice host; /* the part behind '@' */
    uint8_t *cookie;   /* owned, wiped */
    size_t cookie_len;
    bool is_visible, is_quiet, is_stopped;
    uint32_t tick_ms, connect_ms;
    size_t max_message, max_queue;
    uint32_t creation;

    char *dist_host; /* owned */
    uint16_t port_low, port_high;
    struct loop_listener *listener;
    struct node_epmd *epmd; /* owned: registration and lookups, node/epmd.c */
    struct loop_timer *start_timer;
    node_started_fn *started;
    void *started_ctx;

    struct loop_hook *hook;
    struct idtab links;       /* struct link */
    struct map links_by_name; /* the one for each name; borrowed */
    struct link *dirty, *dead;

    struct pidtab processes;
    struct map names;       /* struct process */
    struct process *kernel; /* owned: net_kernel */
    struct local_signal *local_first, **local_last;

    struct idtab requests;
    struct deadlines deadlines;
    struct loop_timer *deadline_timer;
    uint64_t deadline_armed; /* UINT64_MAX: not armed */

    uint64_t late_replies, unknown_dropped;
};

/* node/route.c */
void route_message(struct link *l, const struct dist_message *m);
/* Sends a message to a pid of whatever node, this one too. via: the link the pid came over, NULL: look it up.
 * alias: to this reference instead, where the peer can. Lost (and counted) when there is no link. */
void route_send(const struct process *from, struct link *via, const struct etf_pid *to,
                const struct etf_ref *alias, const struct slice *payload, size_t count);
MUST_USE enum err route_send_local(struct node *n, uint32_t to, const struct etf_ref *alias,
                                   const struct slice *payload, size_t count);
MUST_USE enum err route_down_local(struct node *n, uint32_t to, const struct etf_ref *ref,
                                   struct slice reason);
void route_deliver_local(struct node *n);
/* Is it a pid of this incarnation of this node? */
bool route_is_own_pid(const struct node *n, const struct etf_pid *pid);
uint32_t route_number(const struct etf_pid *pid);
struct etf_atom route_own_node(const struct node *n);

/* node/kernel.c: net_kernel */
MUST_USE enum err kernel_start(struct node *n);
void kernel_stop(struct node *n);

/* node/epmd.c */
MUST_USE enum err epmd_start(struct node *n, const struct node_config *config);
void epmd_register(struct node *n); /* ends in node_registered or node_start_failed */
void epmd_quiesce(struct node *n);
void epmd_free(struct node *n);
/* Where does that node listen? Ends in link_resolved; 0: failed at once. */
uint64_t epmd_resolve(struct node *n, struct link *l);
void epmd_resolve_cancel(struct node *n, uint64_t handle);
bool epmd_is_registered(const struct node *n);
bool epmd_is_embedded(const struct node *n);

/* node/node.c */
void node_registered(struct node *n, uint32_t creation);
void node_start_failed(struct node *n, enum err e, const char *text);
/* node/link.c */
void link_resolved(struct node *n, uint64_t link_id, enum err e, uint16_t port, unsigned highest_version);
/* node/request.c */
void request_arm(struct node *n);

#endif
