/*
 * internal: the node's own state, for the files of this folder.
 */
#ifndef ERLGATE_NODE_INTERNAL_H
#define ERLGATE_NODE_INTERNAL_H

#include "base/idtab.h"
#include "base/log.h"
#include "base/map.h"
#include "loop/stream.h"
#include "node/deadlines.h"
#include "node/failures.h"
#include "node/link.h"
#include "node/node.h"
#include "node/pidtab.h"
#include "node/places.h"
#include "node/process.h"
#include "node/signal.h"
#include "node/spawn.h"

struct epmd_queries;
struct global;

enum { NODE_CREATION_FLOOR = 4 }; /* 0 to 3 were those of OTP before 23 */

struct node {
    struct loop *loop; /* borrowed */
    char *name;        /* owned */
    struct slice name_slice;
    struct slice host; /* the part behind '@' */
    char *named_by;    /* owned; NULL: it has a name of its own */
    char *bare_host;   /* owned: its name until it was given one; that link goes on using it */
    uint8_t *cookie;   /* owned, wiped */
    size_t cookie_len;
    bool is_visible, is_quiet, is_stopped;
    uint32_t tick_ms, connect_ms;
    node_judge_fn *judge;
    node_done_fn *judged; /* the requests that it is asked of */
    node_atom_fn *on_atom;
    void *on_atom_ctx; /* borrowed */
    void (*on_read)(void *ctx);
    void *on_read_ctx; /* borrowed */
    node_gate_fn *gate;
    void *gate_ctx; /* borrowed */
    uint64_t links_refused;
    size_t max_message, max_queue;
    size_t kept_bytes;    /* of the terms of all requests that wait for a link */
    size_t mailbox_bytes; /* of the mailboxes of all processes that are suspended */
    uint32_t creation;

    const struct loop_tls *tls; /* borrowed; NULL: plain TCP */
    char *dist_host;            /* owned */
    uint16_t port_low, port_high;
    struct loop_listener *listener;
    struct node_epmd *epmd; /* owned: registration and lookups, node/epmd.c */
    struct survey *survey;  /* owned: node/survey.c */
    struct loop_timer *start_timer;
    node_started_fn *started;
    void *started_ctx;

    struct loop_hook *hook;
    struct idtab links;       /* struct link */
    struct map links_by_name; /* the one for each name; borrowed */
    char *other_names[16];    /* texts of who answered under another name than was dialled; owned */
    struct link *dirty, *dead;
    struct failures failures; /* of attempts to reach others */

    struct pidtab processes;
    struct map names;                      /* struct process */
    struct signals local;                  /* between processes of this node, until the end of the turn */
    struct loop_timer *again;              /* wakes the loop for what is left of them */
    uint64_t last_unlink;                  /* id of the last UNLINK_ID */
    unsigned seconds;                      /* links with is_second */
    uint64_t crowded_out, crowded_told_ms; /* of connections that had not shown the cookie: link_unproven.c */
    uint64_t hash_seed;                    /* of tables that peers' pids and references are the keys of */
    struct idtab refs;                     /* struct actor_ref */
    struct deadlines alarms;               /* struct actor */
    struct loop_timer *alarm_timer;
    uint64_t alarm_armed; /* UINT64_MAX: not armed */
    struct actor *dead_actors;
    struct map functions;    /* struct function: node/function.c; owned */
    struct node_self leader; /* the group leader of its processes, `user` */
    struct node_self rex;    /* serves rpc of OTP before 25 and of ei */
    struct global *global;   /* owned by its processes; NULL: hidden, or not up */
    bool has_news; /* among the signals here is what comes before all that links bring: that a node has come
                      or gone, or what was held for a process that was suspended */

    struct wr wrapping;             /* what stands before a request's term, while it is sent */
    struct request *spare_requests; /* owned, by next */
    unsigned spare_count;
    struct idtab requests;
    struct idtab call_monitors;          /* struct call_monitor */
    struct call_monitor *spare_monitors; /* owned */
    unsigned spare_monitor_count;
    struct process callers; /* which sets them */
    struct deadlines deadlines;
    struct loop_timer *deadline_timer;
    uint64_t deadline_armed; /* UINT64_MAX: not armed */

    uint64_t late_replies, unknown_dropped;
    struct node_totals totals; /* of traffic, without the links that there are */
};

/* For what is made of a peer's term. Where that has two bytes for an atom of its message's header, a copy has
 * all of the atom: it is not to become longer than a message may be. */
static inline void node_wr_init(const struct node *n, struct wr *w)
{
    wr_init(w, n->max_message);
}

/* node/route.c */
void route_message(struct link *l, const struct dist_message *m);
/* A signal of a process of this node to ctl->to at that node, this one too. Connects if need be: it then
 * waits for the link, or is lost with it. uses: what etf_validate said of the payload. ERR_OVERLOADED,
 * ERR_NOMEM, ERR_PEER_UNSUPPORTED, ERR_CLOSED: it was not sent. */
MUST_USE enum err route_signal(struct node *n, struct slice where, const struct dist_ctl *ctl,
                               const struct slice *payload, size_t count, uint32_t uses);
/* The same without connecting; what cannot be sent is logged and lost. */
void route_answer(struct node *n, struct etf_atom where, const struct dist_ctl *ctl);
MUST_USE enum err route_send_local(struct node *n, uint32_t to, const struct etf_ref *alias,
                                   const struct slice *payload, size_t count);
MUST_USE enum err route_down_local(struct node *n, uint32_t to, const struct etf_ref *ref,
                                   struct slice reason);
void route_exit_local(struct node *n, const struct etf_pid *from, uint32_t to, struct slice reason);
/* Delivers what was queued before this turn's end; what comes of it waits for the next. */
void route_deliver_local(struct node *n);
/* The link is up: what waits for it is sent, and processes hear of it. */
void route_link_up(struct link *l);
/* The node of that name is lost, or (not was_up) could not be reached: processes hear of it. */
void route_node_lost(struct node *n, const struct node_change *change, bool was_up);
/* Is it a pid of this incarnation of this node? */
bool route_is_own_pid(const struct node *n, const struct etf_pid *pid);
uint32_t route_number(const struct etf_pid *pid);
struct etf_pid route_own_pid(const struct node *n, uint32_t number);
struct etf_atom route_own_node(const struct node *n);
/*
 * References of this node: what they are of, and its id in that kind's table. Whatever comes back with one
 * finds its owner without a search, and finds nothing once that has gone; two kinds never share one. Words
 * that no peer is too old for (18 bits in the first).
 */
enum ref_kind { REF_REQUEST = 1, REF_WATCH = 2, REF_CALL_MONITOR = 3 };
struct etf_ref route_own_ref(const struct node *n, enum ref_kind kind, uint64_t id);
/* 0, which is no id: it is none of ours, or none of that kind. */
uint64_t route_ref_id(const struct node *n, enum ref_kind kind, const struct etf_ref *ref);
/* UTF-8 of an atom: its own text, or in scratch (to be initialised by the caller). */
struct slice route_atom_utf8(struct etf_atom atom, struct wr *scratch);

/* node/runtime.c: what is beside links and requests */
MUST_USE enum err runtime_init(struct node *n);
/* The node is up: its own processes start. */
MUST_USE enum err runtime_start(struct node *n);
void runtime_turn(struct node *n); /* at the end of each turn, before the links are flushed */
void runtime_stop(struct node *n);
void runtime_free(struct node *n);

/* node/call_monitor.c: in whose name the monitors of calls are set */
MUST_USE enum err callers_start(struct node *n);
/* node/kernel.c: net_kernel */
MUST_USE enum err kernel_start(struct node *n);
/* node/leader.c: the group leader, `user` */
MUST_USE enum err leader_start(struct node *n);
/* node/rex.c */
MUST_USE enum err rex_start(struct node *n);
/* node/global_server.c: when this node is visible */
MUST_USE enum err global_start(struct node *n);

/* node/epmd.c */
MUST_USE enum err epmd_start(struct node *n, const struct node_config *config);
void epmd_register(struct node *n); /* ends in node_registered or node_start_failed */
void epmd_quiesce(struct node *n);
void epmd_free(struct node *n);
/* Where does that node listen? Ends in link_found or link_not_found, perhaps before it returns. False: failed
 * at once (no memory). */
MUST_USE bool epmd_find(struct node *n, struct link *l);
void epmd_find_cancel(struct node *n, uint64_t handle);
/* It is not where it was when EPMD last knew it. */
void epmd_forget(struct node *n, struct slice name);
/* Which EPMD knows the nodes of that host, and its port. */
const char *epmd_host_for(const struct node *n, const char *host);
uint16_t epmd_port(const struct node *n);
bool epmd_is_registered(const struct node *n);
bool epmd_is_embedded(const struct node *n);

/* node/survey.c: reads the names that EPMDs know now and then, to remember where nodes are */
MUST_USE enum err survey_start(struct node *n, struct epmd_queries *queries, struct places *places);
void survey_stop(struct node *n);
void survey_soon(struct node *n); /* something is new */

/* node/node.c */
/* One that another life of this node is not likely to have had. */
uint32_t node_any_creation(void);
void node_registered(struct node *n, uint32_t creation);
void node_start_failed(struct node *n, enum err e, const char *text);
/* A link to named_by has given it a name; the text is copied. */
MUST_USE enum err node_named(struct node *n, struct slice name, uint32_t creation);
/* Does it still wait for its name? */
bool node_is_nameless(const struct node *n);
/* node/stats.c */
/* Adds what has gone over that link. */
void node_totals_add(struct node_totals *t, const struct link *l);

/* node/link.c */
/* highest: version of the handshake, 0: not known. is_memory: EPMD, asked, does not know it: it is where it
 * was. */
void link_found(struct node *n, uint64_t link_id, const char *host, uint16_t port, unsigned highest,
                bool is_memory);
void link_not_found(struct node *n, uint64_t link_id, enum err e);
/* node/request.c */
void request_arm(struct node *n);

#endif
