/*
 * global_msg: what `global` of one node says to that of another: casts and plain messages, taken apart.
 *
 * The protocol is that of kernel/global.erl, version 8 (OTP 25 and later), with what version 5 (OTP 23)
 * needs. Nothing of a message counts before all of it has been looked at.
 */
#ifndef ERLGATE_NODE_GLOBAL_MSG_H
#define ERLGATE_NODE_GLOBAL_MSG_H

#include "base/wr.h"
#include "etf/term.h"

enum {
    GLOBAL_VSN = 8,
    GLOBAL_VSN_BY_SERVER = 6,  /* from here on lockers talk by way of the servers */
    GLOBAL_VSN_PARTITIONS = 7, /* lost_connection; the versions of nodes are passed on */
    GLOBAL_VSN_VERIFIED = 8,   /* init_connect_ack, cancel_connect */
};

enum global_verb {
    GLOBAL_INIT_CONNECT,
    GLOBAL_EXCHANGE,
    GLOBAL_RESOLVED,
    GLOBAL_NEW_NODES,
    GLOBAL_IN_SYNC,
    GLOBAL_LOCK_SET,
    GLOBAL_LOST_CONNECTION,
    GLOBAL_REMOVE_CONNECTION,
    GLOBAL_CANCEL_CONNECT,
    GLOBAL_INIT_CONNECT_ACK,
    GLOBAL_OBSOLETE, /* said by nodes before R14; nothing to do */
};

struct global_msg {
    enum global_verb verb;
    struct slice node, other; /* who says it, or who it is about; the lost one of LOST_CONNECTION */
    int64_t vsn;
    int64_t tag, his_tag; /* tag: the meeting's, as the receiver numbers it; his: as the sender does */
    bool has_tag;
    struct etf_pid pid; /* the sender's locker */
    bool is_set;
    int64_t creation, op;                 /* LOST_CONNECTION: which loss */
    struct etf_rd names, ops, nodes, ext; /* lists, for the readers below */
    struct etf_rd lock;                   /* NEW_NODES: the requester of the lock it is said under */
    bool has_lock;
};

/* False: it is none of them, or malformed anywhere in it. */
MUST_USE bool global_msg_read(struct etf_rd term, struct global_msg *ret);

/* ---- the lists: each reads the next element; false at the end ---- */

struct global_entry {
    struct etf_rd name, method;
    struct etf_pid pid;
    bool is_delete;          /* of ops: name alone counts */
    struct etf_atom by_node; /* of ext */
};
/* Opens a list: the elements follow. A message's lists have been looked at. */
uint32_t global_list_open(struct etf_rd *r);
MUST_USE bool global_names_next(struct etf_rd *r, struct global_entry *ret); /* {Name, Pid, Method} */
MUST_USE bool global_ops_next(struct etf_rd *r, struct global_entry *ret); /* {insert, …}, {delete, Name} */
MUST_USE bool global_ext_next(struct etf_rd *r, struct global_entry *ret); /* {Name, Pid, Node} */
/* Node, or {Node, Vsn}; vsn 0: not said. */
MUST_USE bool global_nodes_next(struct etf_rd *r, struct slice *ret_node, int64_t *ret_vsn);

#endif
