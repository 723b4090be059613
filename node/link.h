/*
 * link: one other node, from the wish to talk to it until the connection is gone.
 *
 * Made by link_dial (somebody wants to talk to a node) or link_accept (a node has connected); owned by the
 * node's table of links; ended by link_close. It leaves every table at once then, tells what waits for it,
 * and its memory goes at the end of the turn.
 *
 *   link_dial:   RESOLVING -> DIALLING -> HANDSHAKE -> UP
 *                                             `-> YIELDED (nok: the peer's own connection goes on, we wait
 * for it) link_accept: HANDSHAKE -> UP each state -> CLOSED
 */
#ifndef ERLGATE_NODE_LINK_H
#define ERLGATE_NODE_LINK_H

#include "dist/conn.h"
#include "loop/stream.h"
#include "node/node.h"
#include "node/signal.h"

enum link_state { LINK_RESOLVING, LINK_DIALLING, LINK_HANDSHAKE, LINK_YIELDED, LINK_UP, LINK_CLOSED };

struct request;

struct link {
    struct node *node; /* borrowed */
    uint64_t id;       /* in the node's table of links */
    enum link_state state;
    bool was_dialled;
    bool is_named;          /* it is in the node's map of names */
    bool is_second;         /* accepted, of a name that another has: the first that comes up has it then */
    bool is_again;          /* dialled since one that was accepted in its place came to nothing */
    bool is_refused;        /* by the gate, which has been logged */
    char *name;             /* owned; NULL until an accepted peer has said it */
    struct dist_conn *conn; /* owned; NULL before HANDSHAKE */
    struct loop_stream *stream; /* owned */
    uint64_t net;               /* of who was accepted: loop_stream_peer_net */
    uint64_t lookup, dial;      /* handles of what is under way, 0: nothing */
    struct loop_timer *timer;   /* owned */
    uint64_t armed_at;          /* when the timer is due */
    unsigned handshake_version;
    char *at_host; /* owned: where it is dialled */
    uint16_t at_port;
    uint64_t yields_until;    /* it has refused us for its own connection: until then we ask; 0: it has not */
    uint32_t yield_ms;        /* after which we ask again */
    bool is_version_sure;     /* else, when the peer hangs up on version 6, it is dialled once more with 5 */
    bool is_memory;           /* it is dialled where it was: EPMD does not know it */
    struct request *requests; /* waiting for the link or for an answer over it */
    struct request
        *next_to_send; /* while they are sent as the link comes up: a callback may end any of them */
    size_t request_count;
    struct call_monitor *open_monitor; /* the last one set in this turn, for who comes to share it; NULL */
    size_t open_at;                    /* how much was queued when it had been set */
    struct signals waiting;            /* of processes, until it is up */
    size_t watching; /* bytes of the monitors and links of our processes that came over it */
    bool is_told_of_watching;
    uint64_t up_since_ms;
    bool is_dirty;
    struct link *next_dirty, *next_dead;
};

/* The host in the name of one that is dialled: borrowed. */
static inline const char *link_host(const struct link *l)
{
    return strchr(l->name, '@') + 1;
}

/* The link of that name: up, or on its way up; NULL. */
struct link *link_find(const struct node *n, struct slice name);
/* For what is to wait for it: as link_find, but that nothing waits long for a peer that has only said that
 * this is its name. */
struct link *link_for(struct node *n, struct slice name);
/* Does the gate let it be? Counted and logged if not. */
MUST_USE bool link_may_be(struct node *n, struct slice name, bool is_incoming);
/* Starts to connect. NULL: no memory, or the gate does not let it be, which callers have asked. */
MUST_USE struct link *link_dial(struct node *n, struct slice name);
/* What is still waited for before it is up, for people; static. */
const char *link_stage(const struct link *l);
/* Takes a stream that a listener gave. */
void link_accept(struct node *n, struct loop_stream *s);
/* Ends it with this reason: requests fail, processes hear of it, and unless text is NULL there is a log line.
 */
void link_close(struct link *l, enum err why, const char *text);
/* Queues a control message; it is written at the end of the turn. Failures are logged and counted by the
 * caller. */
MUST_USE enum err link_send(struct link *l, const struct dist_ctl *ctl, const struct slice *payload,
                            size_t count);
/* Writes what has been queued during this turn; frees links that were closed. Called by the node's hook. */
void link_flush_all(struct node *n);
/* Writes what it can of the output now: at the very end. */
void link_flush(struct link *l);
/* Is there as much in its queue as there may be? Counted as a refusal then. */
MUST_USE enum err link_check_room(const struct link *l);

#endif
