/*
 * signal: a control message with its payload, kept until it can go on: to a process of this node at the end
 * of the turn, or to another node once its link is up.
 *
 * Made by signals_add, which copies all it is given; owned by the queue it stands in; ended by signal_free
 * after signals_take.
 */
#ifndef ERLGATE_NODE_SIGNAL_H
#define ERLGATE_NODE_SIGNAL_H

#include "dist/ctl.h"

/* A node that a process watches has come or gone. No control message of the protocol, but delivered among
 * them, in their order: `to` is the process, from.name the node, id what it was (below), reason why. */
/* SIGNAL_FAILED: a request could not even be made; id has error and tag. SIGNAL_EXIT: a trapped exit signal
 * that waited in a suspended process's mailbox. SIGNAL_UNMONITORED: from has taken back its monitor ref. */
enum {
    SIGNAL_NODE_UP = 1000,
    SIGNAL_NODE_DOWN = 1001,
    SIGNAL_EXIT = 1002,
    SIGNAL_FAILED = 1003,
    SIGNAL_UNMONITORED = 1004
};
enum { SIGNAL_NODE_HIDDEN = 1, SIGNAL_NODE_DIALLED = 2 };

struct signal {
    struct signal *next;
    struct dist_ctl ctl;  /* its slices point into bytes; op may be a SIGNAL_… too */
    struct slice payload; /* likewise */
    uint32_t uses;        /* what etf_validate said of the payload, for the peer that will get it */
    size_t size;
    uint8_t bytes[];
};

struct signals {
    struct signal *first, *last; /* owned */
    size_t count, bytes;
};

/* The payload's pieces together are one term, or nothing. ERR_NOMEM. */
MUST_USE enum err signals_add(struct signals *q, const struct dist_ctl *ctl, const struct slice *payload,
                              size_t count);
/* The oldest, yours now; NULL: none. */
struct signal *signals_take(struct signals *q);
void signal_free(struct signal *s);
/* Puts all of `from` behind what `to` has. */
void signals_append(struct signals *to, struct signals *from);
void signals_clear(struct signals *q);

#endif
