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

enum request_kind { REQUEST_CALL, REQUEST_CAST, REQUEST_SEND, REQUEST_CONNECT };

struct request {
    struct process process; /* a call's own pid; not started for the others */
    uint64_t id;            /* in the node's table of requests; a call's references are made of it */
    enum request_kind kind;
    struct link *link;           /* borrowed; NULL: to this very node */
    struct request *prev, *next; /* in the link's list */
    bool was_sent;
    bool to_pid;
    struct etf_pid pid; /* to_pid; its node's text stands in `text` */
    struct slice name;  /* else; stands in `text` */
    char *text;         /* owned */
    uint8_t *term;      /* owned: the request, while there is no link yet */
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
void request_end_all(struct node *n, enum err why, const char *text);

#endif
