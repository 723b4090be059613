/*
 * global_hold: one process asks the global name servers of some nodes for the same thing, and waits for all:
 * OTP's gen_server:multi_call; and on top of that: the lock `global` at some nodes, taken and given back.
 *
 * The asker is the process itself, not a request of it: a lock is its process's and goes with it. Made by
 * global_hold_init, embedded in the locker and the registrar, ended by global_hold_fini. The process passes
 * on replies and DOWNs; `done` is called once for each thing begun, perhaps before that has returned.
 *
 * No time limit: a node that does not answer is one whose link will end, and OTP's waits as long.
 */
#ifndef ERLGATE_NODE_GLOBAL_HOLD_H
#define ERLGATE_NODE_GLOBAL_HOLD_H

#include "node/actor.h"

struct global;

/* Names of nodes. All zero is an empty one. */
struct global_nodes {
    char **at; /* owned, each */
    size_t count, cap;
};

MUST_USE bool global_nodes_add(struct global_nodes *l, struct slice name); /* false: no memory */
bool global_nodes_has(const struct global_nodes *l, struct slice name);
void global_nodes_clear(struct global_nodes *l);
/* The greatest name, which every node locks first; empty: there is none. */
struct slice global_nodes_boss(const struct global_nodes *l);

struct global_asked; /* a node that has been asked */

struct global_hold {
    struct global *global;    /* borrowed */
    struct node_self self;    /* whose locks they are */
    struct wr requester;      /* canonical; set by the process before it takes anything */
    struct global_nodes held; /* where the lock is set */
    struct global_asked *asked;
    size_t count, waiting;
    int step;
    bool is_working; /* something has been begun and is not done */
    /* ok: of a take, whether all have said yes; else true. */
    void (*done)(struct global *g, bool ok);
};

void global_hold_init(struct global_hold *h, struct global *g, struct node_self self,
                      void (*done)(struct global *g, bool ok));
void global_hold_fini(struct global_hold *h);

/* Sets the lock at these nodes too; this one may be among them. When one says no, those that have said yes
 * in this step are held like the rest: the process gives all back. Nodes that are gone do not count. */
void global_hold_take(struct global_hold *h, const struct global_nodes *nodes);
/* Gives back all that is held: the boss's last. */
void global_hold_release(struct global_hold *h);
/* Asks the nodes for something else: a request as gen_server:call has it. This node is passed over. */
void global_hold_ask(struct global_hold *h, const struct global_nodes *nodes, struct slice request);

/* {Ref, Reply}: true when it was an answer that is waited for. */
bool global_hold_reply(struct global_hold *h, struct etf_rd message);
void global_hold_down(struct global_hold *h, uint64_t monitor);

#endif
