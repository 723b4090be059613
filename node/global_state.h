/*
 * global_state: OTP's `global` at this node, while it is visible: the process global_name_server and its two
 * helpers, as in OTP: the locker, which takes the lock of both sides when two nodes meet, and the registrar,
 * which changes names for processes of this node.
 *
 *   global_server.c   the process: what it is told; its life
 *   global_requests.c   what it is called for
 *   global_peers.c    which nodes there are
 *   global_names.c    names are entered and taken out
 *   global_meeting.h  two nodes meet: they exchange their names
 *   global_locker.c   … under a lock that both have set at all nodes they know
 *   global_split.c    a node is said to be lost to another (prevent_overlapping_partitions)
 *   global_registrar.c   register, unregister
 *   global_hold.c, global_tab.c, global_msg.c   locks at other nodes; names and locks; what is said
 *
 * Made by global_start when the node is up, ended with its processes. A hidden node has none.
 */
#ifndef ERLGATE_NODE_GLOBAL_STATE_H
#define ERLGATE_NODE_GLOBAL_STATE_H

#include "base/log.h"
#include "node/global_hold.h"
#include "node/global_msg.h"
#include "node/global_tab.h"

enum { GLOBAL_MAX_PEERS = 4096 }; /* nodes that are heard of; more are passed over, but for those linked */

struct global_meeting;
struct global_candidate;
struct global_job;
struct global_loss;
struct node_from;

/* Another node. */
struct global_peer {
    struct slice name;                    /* stands in text */
    bool is_up;                           /* linked, and visible */
    bool is_sought;                       /* it is being connected, and is then told that we are in sync */
    bool is_parted;                       /* its link is to go, at the end of what is being done */
    bool is_known, is_pending, is_synced; /* as OTP's state has them */
    int64_t vsn, pending_vsn;             /* while it is known, or pending; 0: not said */
    struct global_meeting *meeting;       /* owned; NULL: none is under way */
    uint8_t text[];
};

enum global_locker_state {
    LOCKER_IDLE,
    LOCKER_LOCKING,  /* the boss, then him and us, then all known */
    LOCKER_AWAITING, /* all is locked here; has he locked his side? */
    LOCKER_HOLDING,  /* both sides are locked, until the meeting is over */
    LOCKER_RELEASING,
};

struct global_locker {
    struct node_self self;
    enum global_locker_state state;
    struct global_hold hold;
    struct global_candidate *candidates; /* owned: who wants to meet */
    /* Of what is under way. */
    char *node; /* owned */
    int64_t tag;
    bool is_answer; /* he has locked his side already */
    bool is_cancelled, is_over;
    int step;
    bool is_just_synced;
};

struct global_registrar {
    struct node_self self;
    struct global_hold hold;
    struct global_job *first, *last; /* owned; the first is under way */
    size_t count;
    int step;
    unsigned tries;
    uint64_t wake_at;          /* when it goes on by itself; UINT64_MAX: it does not */
    struct global_nodes known; /* where it is being done */
    bool ok;
};

struct global {
    struct node *node;     /* borrowed */
    struct node_self self; /* global_name_server */
    unsigned alive;        /* processes; it is freed after the last */
    struct global_tab tab;
    struct map peers; /* struct global_peer by name; owned */
    int64_t last_tag;
    uint32_t last_question;
    struct global_locker locker;
    struct global_registrar registrar;
    struct global_loss *losses; /* owned: those heard of, latest first */
    size_t loss_count;
};

extern const struct slice global_server_name; /* "global_name_server" */

/* ---- global_server.c ---- */

/* A process of it, whose state g is: it counts until it has ended (global_process_ended). */
MUST_USE enum err global_process_start(struct global *g, const struct node_process_ops *ops,
                                       struct actor **ret);
void global_process_ended(struct global *g);

/* ---- global_requests.c ---- */

/* A gen_server:call to the name server. False: it is none that global knows; it is not answered. */
MUST_USE bool global_request(struct global *g, const struct node_from *from, struct etf_rd r);

/* ---- global_peers.c ---- */

/* NULL: nothing is known of it. */
struct global_peer *global_peer_get(const struct global *g, struct slice name);
/* NULL: no memory, too many (never so of one that is linked), or no name of a node. */
struct global_peer *global_peer_add(struct global *g, struct slice name);
/* Freed when nothing is known of it any more. */
void global_peer_tidy(struct global *g, struct global_peer *p);
bool global_peer_is_up(const struct global *g, struct slice name);
/* It is lost, or is to be: its meeting is called off, and it is not known any more. */
void global_node_ended(struct global *g, struct global_peer *p);
/* Known to `global` (ret is emptied first), and with_self this node. False: no memory. */
MUST_USE bool global_known(const struct global *g, bool with_self, struct global_nodes *ret);
/* As OTP's state list [{Node, Vsn}], or [Node] before version 7. */
void global_write_known(const struct global *g, struct wr *w, int64_t vsn);
/* It is known from now on; vsn 0: not said. */
void global_add_known_one(struct global *g, struct slice node, int64_t vsn);
/* So are the nodes of the list, and each is told that we are in sync: all, or those that were not known. */
void global_add_known(struct global *g, struct etf_rd nodes, bool tell_all);
/* Something cannot be said to it that must be: the link goes, soon, so that it knows. */
void global_part_with(struct global *g, struct slice node, const char *why);
/* A term from a process of global to the name server there, if it is connected. is_vital: a node that it
 * cannot be sent to is parted with. */
void global_send(struct global *g, struct node_self from, struct slice node, const struct wr *term,
                 bool is_vital);
/* {in_sync, Self, true}, once it is connected. */
void global_tell_in_sync(struct global *g, struct global_peer *p);

/* ---- global_names.c ---- */

/* A name is entered, if the lock permits it: under the lock of that process, or (pid NULL) of that requester.
 * Without memory it is lost, which is logged. */
void global_enter(struct global *g, const struct global_entry *e, struct slice by_node,
                  const struct etf_pid *pid, struct slice requester);
/* The name stands there as the next term. One that is not entered: nothing happens. */
void global_remove(struct global *g, struct etf_rd name);
/* The operations of a list, and the names among ext that were registered for C nodes. */
void global_do_ops(struct global *g, struct etf_rd ops, struct etf_rd ext, struct slice requester);

/* ---- global_meet.c ---- */

void global_meet(struct global *g, struct global_peer *p);
void global_meeting_end(struct global *g, struct global_peer *p); /* none: nothing happens */
bool global_meeting_has_tag(const struct global_peer *p, int64_t tag);
void global_init_connect(struct global *g, struct global_peer *p, const struct global_msg *m);
void global_init_connect_ack(struct global *g, struct global_peer *p, const struct global_msg *m);
void global_cancel_connect(struct global *g, struct global_peer *p, const struct global_msg *m);
void global_exchange(struct global *g, struct global_peer *p, const struct global_msg *m);
void global_resolved(struct global *g, struct global_peer *p, const struct global_msg *m);
/* The locker: both sides are locked. */
void global_both_locked(struct global *g, struct slice node, int64_t tag);
/* The answer to a question about a clash of names. */
void global_clash_result(struct global *g, uint32_t question, const struct node_result *r);

/* ---- global_locker.c ---- */

MUST_USE enum err global_locker_start(struct global *g);
void global_locker_fini(struct global *g);
void global_locker_add(struct global *g, struct slice node, const struct etf_pid *locker, int64_t my_tag,
                       int64_t his_tag, int64_t vsn);
/* That meeting is over, or called off: what is locked for it is given back. */
void global_locker_cancel(struct global *g, struct slice node, int64_t tag);
void global_locker_told(struct global *g, const struct global_msg *m); /* lock_set */

/* ---- global_registrar.c ---- */

MUST_USE enum err global_registrar_start(struct global *g);
void global_registrar_fini(struct global *g);

/* ---- global_split.c ---- */

void global_split_fini(struct global *g);
void global_lost_connection(struct global *g, const struct global_msg *m);
void global_remove_connection(struct global *g, struct slice node);

/* ---- global_clash.c ---- */

enum global_method { GLOBAL_EXIT, GLOBAL_NOTIFY, GLOBAL_NOTIFY_ALL, GLOBAL_METHOD_OTHER };
enum global_winner { GLOBAL_FIRST, GLOBAL_SECOND, GLOBAL_NOBODY };
void global_method_write(struct wr *w, enum global_method m);
/* What global:resolve_it/4 does with two pids of one name: done by the process `self`. */
enum global_winner global_clash(struct node_self self, struct etf_rd method, struct etf_rd name,
                                const struct etf_pid *first, const struct etf_pid *second);
/* Other nodes ask us when the process they have is ours. */
MUST_USE enum err global_clash_start(struct node *n);

#endif
