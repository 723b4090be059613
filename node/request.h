/*
 * request: something asked of another process, with a pid of its own while it lasts.
 *
 * Made by node_request or node_connect; waits in its link's list, first for the link, then for the answer;
 * ended exactly once by request_end.
 */
#ifndef ERLGATE_NODE_REQUEST_H
#define ERLGATE_NODE_REQUEST_H

#include "node/deadlines.h"
#include "node/process.h"

enum request_kind {
    REQUEST_CALL,
    REQUEST_CAST,
    REQUEST_SEND,
    REQUEST_EXIT,
    REQUEST_CONNECT,
    REQUEST_RPC,      /* the term is three: module, function, arguments; see node/rpc.c */
    REQUEST_RPC_CAST, /* likewise */
};

struct request {
    struct process process; /* a call's own pid; not started for the others */
    uint64_t id;            /* in the node's table of requests; a call's references are made of it */
    enum request_kind kind;
    struct link *link;           /* borrowed; NULL: to this very node */
    struct request *prev, *next; /* in the link's list */
    bool was_sent;
    struct call_monitor *monitor; /* borrowed: the one that it shares; NULL: none, or one of its own */
    struct request *monitor_prev, *monitor_next; /* of those that share it */
    bool by_rex;                                 /* RPC: the peer cannot spawn for us, so rex is called */
    uint32_t from;                               /* the process in whose name it is asked; 0: its own */
    bool to_pid;
    struct etf_pid pid; /* to_pid; its node's text stands in `text` */
    struct slice name;  /* else; stands in `text` */
    char *text;         /* owned, and kept with the request for the next one */
    size_t text_cap;
    uint8_t *term; /* owned: the request, while there is no link yet */
    size_t term_len;
    uint32_t uses;
    struct deadline deadline;
    node_done_fn *done;
    void *ctx; /* borrowed */
    uint64_t done_id;
};

/* The link is up: everything that waits for it is sent. */
void request_link_up(struct link *l);
/* The link ends: everything in its list ends with this error. */
void request_link_down(struct link *l, enum err why, const char *text);
/* Moves what waits from one link to another that takes its place. */
void request_move_all(struct link *from, struct link *to);
/* What is due has run out of time. */
void request_expire(struct node *n);
/* A reference that came back: the request it belongs to, or NULL. */
struct request *request_of_ref(const struct node *n, const struct etf_ref *ref);
/* Ends it and tells why. */
void request_end(struct request *r, const struct node_result *result);
/* Its reference: of its monitor, its alias, its spawn request. */
struct etf_ref request_ref(const struct request *r);
/* As node_request, for every kind but CONNECT; target may be NULL for RPC and RPC_CAST. */
MUST_USE enum err request_start(struct node *n, enum request_kind kind, struct slice where,
                                const struct node_target *target, struct slice term, uint32_t uses,
                                uint64_t timeout_ms, node_done_fn *done, void *ctx, uint64_t id,
                                uint64_t *ret_op);
void request_end_all(struct node *n, enum err why, const char *text);
void requests_free_spare(struct node *n); /* those kept for requests to come */

static inline bool request_is_rpc(const struct request *r)
{
    return r->kind == REQUEST_RPC || r->kind == REQUEST_RPC_CAST;
}

/* Is an answer waited for? */
static inline bool request_is_call(const struct request *r)
{
    return r->kind == REQUEST_CALL || r->kind == REQUEST_RPC;
}

/* ---- node/request_wire.c ---- */

/* A request as a process: what answers it. */
extern const struct process_ops request_ops;
/* Sends it over its link, or to a process of this very node; to one that does not exist, a call hears noproc
 * and the rest nothing. */
MUST_USE enum err request_send(struct request *r, struct slice term);
MUST_USE enum err request_send_here(struct node *n, struct request *r, struct slice term);
/* As dist_judge_fn: a message to its reference, which nobody has validated. */
size_t request_judge(const struct request *r, struct slice payload, const struct etf_atoms *atoms);
/* Its reply was larger than a message may be. */
void request_reply_cut(struct request *r);
/* Whom it is for. */
struct dist_end request_target(const struct request *r);
/* The DOWN of what a call is for. */
void request_callee_down(struct request *r, struct slice reason, const struct etf_atoms *atoms);
/* Gives back the monitor of a call that ends otherwise than by its DOWN. */
void request_demonitor(struct request *r);

/* ---- node/rpc.c ---- */

/* Sends it over its link, or, where that is NULL, to this very node. */
MUST_USE enum err rpc_send(struct request *r, struct slice mfa);
/* Its spawn request was answered, its process has ended, or rex has replied. */
void rpc_spawned(struct request *r, const struct dist_ctl *ctl, const struct etf_atoms *atoms);
void rpc_down(struct request *r, struct slice reason, const struct etf_atoms *atoms);
void rpc_reply(struct request *r, struct slice reply, const struct etf_atoms *atoms);

#endif
