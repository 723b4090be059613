/*
 * pg_msg: the messages between the scopes of pg, read and written.
 *
 * Two versions of them are spoken. 0, OTP 23 to 28: {discover, Scope}, a cast {sync, Scope, [{Group, Pids}]},
 * {join, Scope, Group, PidOrPids}, {leave, Scope, PidOrPids, Groups}. 1, OTP 29: {discover, Scope, 1}, a cast
 * {local_data, Scope, 1, #{Group => Pids}}, {update, Scope, [{Group, Add, Remove}]}. A scope of OTP 23 or 25
 * ends when it gets a message of version 1, so it is spoken only with who has spoken it.
 */
#ifndef ERLGATE_NODE_PG_MSG_H
#define ERLGATE_NODE_PG_MSG_H

#include "base/wr.h"
#include "node/pg_view.h"

enum {
    PG_VERSION = 1,           /* the latest that is spoken here */
    PG_MAX_GROUP_NAME = 4096, /* bytes; of a peer's groups, those whose names are longer are left out */
};

enum pg_verb {
    PG_DISCOVER,
    PG_SYNC, /* all that is: sync, local_data */
    PG_CHANGE,
};

struct pg_msg {
    enum pg_verb verb;
    uint32_t version; /* of who sent it, PG_VERSION at most; of a PG_CHANGE it says nothing */
    struct etf_pid peer;
    int form;           /* which of the messages, for pg_msg_each */
    struct etf_rd body; /* what follows the scope's pid; borrowed */
};

/* False: it is none of them, or malformed anywhere in it, or a leave of many pids from many groups. */
MUST_USE bool pg_msg_read(struct etf_rd term, struct pg_msg *ret);

/* Calls each for every pid that the message names, of PG_SYNC with is_add. group: canonical, borrowed for the
 * call. ERR_NOMEM, ERR_TOO_LARGE: not all have been told. */
typedef void pg_msg_fn(void *ctx, struct slice group, const struct etf_pid *pid, bool is_add);
MUST_USE enum err pg_msg_each(const struct pg_msg *m, pg_msg_fn *each, void *ctx);

/* ---- writing; self: the scope of this node ---- */

void pg_msg_write_discover(struct wr *w, const struct etf_pid *self, uint32_t version);
/* The members of this node. */
void pg_msg_write_sync(struct wr *w, const struct etf_pid *self, uint32_t version, const struct pg_view *v);
/* A process has joined a group, or left it. */
void pg_msg_write_change(struct wr *w, const struct etf_pid *self, uint32_t version, bool is_join,
                         struct slice group, const struct etf_pid *pid);
/* The owner has left all its groups, each as often as it was in it. */
void pg_msg_write_leave_all(struct wr *w, const struct etf_pid *self, uint32_t version,
                            const struct pg_owner *o);

#endif
