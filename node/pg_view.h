/*
 * pg_view: who is in which group, as one scope knows it: no messages, no processes.
 *
 * An owner is who answers for members: a process of this node for itself, the scope of another node for that
 * node's.
 */
#ifndef ERLGATE_NODE_PG_VIEW_H
#define ERLGATE_NODE_PG_VIEW_H

#include "base/map.h"
#include "etf/term.h"

enum { PG_MAX_MEMBERS = 1 << 20 }; /* of one scope, with repetitions; more are not let in: ERR_OVERLOADED */

struct pg_group;

/* A pid in a group, some times. */
struct pg_member {
    struct pg_group *group;
    struct pg_owner *owner;
    struct pg_member *next_in_group, *prev_in_group, *next_of_owner, *prev_of_owner;
    uint32_t times, fresh; /* fresh: as a sync says, while it is being read */
    struct etf_pid pid;    /* its node's text stands in text */
    uint8_t text[];
};

struct pg_group {
    struct slice name; /* one term, canonical; stands in text */
    struct pg_member *members;
    size_t count, local_count; /* with repetitions */
    uint32_t turn;             /* for sends to one */
    uint8_t text[];
};

struct pg_owner {
    bool is_local;
    uint32_t version;   /* of the messages that the other scope takes (pg_msg.h) */
    struct etf_pid pid; /* the member itself, or the other scope; its node's text stands in text */
    uint64_t monitor;
    struct pg_member *members;
    uint8_t text[];
};

struct pg_view {
    struct map groups;   /* struct pg_group by name; owned */
    struct map owners;   /* struct pg_owner by pid; owned */
    struct map members;  /* struct pg_member; owned */
    size_t other_owners; /* those that are not local */
    size_t count;        /* of members, with repetitions */
    size_t fresh;        /* what count will be, while a sync is being read */
    /* Told of each change: times > 0 joined, < 0 left. */
    void (*changed)(void *ctx, const struct pg_group *g, const struct etf_pid *pid, int64_t times);
    void *ctx;
};

void pg_view_init(struct pg_view *v, uint64_t seed);
void pg_view_fini(struct pg_view *v);

struct pg_owner *pg_owner_get(const struct pg_view *v, const struct etf_pid *pid);
/* NULL: no memory. */
MUST_USE struct pg_owner *pg_owner_add(struct pg_view *v, const struct etf_pid *pid, bool is_local);
/* All its members leave. */
void pg_owner_drop(struct pg_view *v, struct pg_owner *o);

struct pg_group *pg_group_get(const struct pg_view *v, struct slice name);
MUST_USE enum err pg_join(struct pg_view *v, struct pg_owner *o, struct slice group,
                          const struct etf_pid *pid);
/* False: it was not in. */
bool pg_leave(struct pg_view *v, struct pg_owner *o, struct slice group, const struct etf_pid *pid);

/* The owner says all that is: begin, fresh for each, end. Only what differs is told as a change. */
void pg_sync_begin(struct pg_view *v, struct pg_owner *o);
MUST_USE enum err pg_sync_fresh(struct pg_view *v, struct pg_owner *o, struct slice group,
                                const struct etf_pid *pid);
void pg_sync_end(struct pg_view *v, struct pg_owner *o);

#endif
