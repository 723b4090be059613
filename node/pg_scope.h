/*
 * pg_scope: one scope of this node: a process that exchanges its members with the scopes of the same name at
 * other nodes.
 *
 * Made by pg_scope_start; ends with its process. pg.c is what programs call, pg_ask.c how we learn whether a
 * node has the scope, pg_watch.c who is told of changes, pg_await.c who waits for all nodes, pg_view.h who is
 * in which group, pg_msg.h what is said between scopes.
 */
#ifndef ERLGATE_NODE_PG_SCOPE_H
#define ERLGATE_NODE_PG_SCOPE_H

#include "node/pg.h"
#include "node/pg_msg.h"
#include "node/pg_view.h"
#include "node/spawn.h"

struct pg_subscriber;
struct pg_waiter;

/* A connected node, and whether its scope is known. It is settled once its scope has said who is in it, or
 * once the node has said that it has none. */
struct pg_node {
    struct pg_node *next;
    bool is_known, is_settled;
    bool is_late;              /* it was waited for, in vain */
    bool is_other;             /* the process of that name there is no scope, says the node */
    bool was_told;             /* … was sent a discover */
    uint32_t question;         /* the tag of what it is being asked; 0: nothing */
    bool is_of_pid;            /* the second question: what is the process of that name? */
    uint64_t probe;            /* a monitor of the scope's name, 0: none */
    uint64_t strange_until_ms; /* until then it is left alone: what has that name there has ended of a
                                  discover; 0: nothing is known of that */
    struct slice name;         /* stands in text */
    uint8_t text[];
};

struct pg_scope {
    struct node_self self;
    struct slice name; /* stands in text */
    struct pg_view view;
    struct pg_node *nodes;             /* owned: those connected */
    struct pg_subscriber *subscribers; /* owned: pg_watch.c */
    struct pg_waiter *waiters;         /* processes of their own: pg_await.c */
    uint32_t last_question;
    bool is_dropped; /* it goes once it has nothing to remember, unless it is used again */
    uint8_t text[];
};

/* NULL: there is none of that name. Borrowed until its process ends. */
struct pg_scope *pg_scope_get(struct node *n, struct slice name);
MUST_USE enum err pg_scope_start(struct node *n, struct slice name);
/* Every other scope is told that the process of this node has joined the group, or left it. */
void pg_scope_announce(struct pg_scope *s, bool is_join, const struct etf_pid *pid, struct slice group);
/* The group's name as the view has it, in ret, which is yours to end whatever comes of it. */
MUST_USE enum err pg_scope_canonical(struct slice group, struct wr *ret);

/* Nodes whose scope is not known are asked once more. */
void pg_scope_look(struct pg_scope *s);
/* Has each connected node said who is in it, or that it has no such scope, or been waited for in vain? */
bool pg_scope_is_settled(const struct pg_scope *s);
/* Somebody has waited long for those that say nothing. */
void pg_scope_call_late(struct pg_scope *s);
/* Would somebody miss it? */
bool pg_scope_is_used(const struct pg_scope *s);
/* Does it know of nodes that are not to be asked, as what has its name there ended of that? */
bool pg_scope_remembers(const struct pg_scope *s);
/* As node_pg_doubt. */
enum node_pg_doubt pg_scope_doubt(const struct pg_scope *s, bool *ret_was_told);

/* pg_ask.c */
enum pg_found {
    PG_FOUND_SCOPE, /* or something of which the node cannot say what it is */
    PG_FOUND_NONE,
    PG_FOUND_OTHER,
    PG_FOUND_SILENCE, /* the node has not said what it is */
};
/* Asks the node what its process of the scope's name is: ends in pg_scope_found, perhaps at once. */
void pg_ask(struct pg_scope *s, struct pg_node *at);
/* What the node has said. */
void pg_ask_answered(struct pg_scope *s, uint32_t question, const struct node_result *r);
/* pg_scope.c */
void pg_scope_found(struct pg_scope *s, struct pg_node *at, enum pg_found what);

/* pg_await.c */
/* A node has been heard of, or has gone: if that was the last, those who wait are told. */
void pg_await_check(struct pg_scope *s);
void pg_await_end(struct pg_scope *s);

/* pg_watch.c */
void pg_watch_changed(void *scope, const struct pg_group *g, const struct etf_pid *pid, int64_t times);
/* A monitor of the scope has fired: true when it was that of a subscriber, who is gone now. */
bool pg_watch_down(struct pg_scope *s, uint64_t monitor);
void pg_watch_end(struct pg_scope *s);

#endif
