/*
 * node: an Erlang node on a loop: its name, its links to other nodes, its processes, and what they ask of
 * others.
 *
 * Made by node_new, brought up by node_start (listens, registers with EPMD), taken down by node_stop, ended
 * by node_free. One loop, one thread. Nodes are dialled on demand by the first request to them.
 *
 * The asynchronous rule: an operation fails at once, is done at once, or ends in exactly one callback, later,
 * from the loop.
 */
#ifndef ERLGATE_NODE_NODE_H
#define ERLGATE_NODE_NODE_H

#include "etf/validate.h"
#include "loop/loop.h"

struct node;
struct loop_tls;

enum node_epmd_mode {
    NODE_EPMD_AUTO,     /* the one that runs on the port, else the embedded one */
    NODE_EPMD_EMBEDDED, /* the embedded one, or fail */
    NODE_EPMD_EXTERNAL, /* the one at epmd_host */
    NODE_EPMD_NONE,     /* not registered; peers' ports are still asked of their hosts' EPMD */
};

/* A node that is dialled there, without asking EPMD. */
struct node_place {
    struct slice name; /* "kv@host" */
    const char *host;  /* name or address */
    uint16_t port;
};

struct node_config {
    struct slice name;     /* "erlgate@host", node_name_is_valid; copied */
    struct slice named_by; /* as erl -name undefined; copied; see node_start */
    struct slice cookie;   /* not empty: who has it may do everything here; copied, wiped at the end */
    bool is_visible;       /* hidden by default */
    const char *dist_host; /* address to listen on for other nodes; "" or NULL: all; copied */
    uint16_t dist_port_low, dist_port_high; /* 0: any port */
    enum node_epmd_mode epmd_mode;
    const char *epmd_host;           /* EXTERNAL; NULL: 127.0.0.1; copied */
    uint16_t epmd_port;              /* 0: 4369 */
    const char *const *epmd_listen;  /* addresses of the embedded one, NULL-terminated; NULL: all; copied */
    const struct node_place *places; /* copied */
    size_t place_count;
    const struct loop_tls *tls; /* borrowed for the node's life: every link speaks TLS, as with
                                   -proto_dist inet_tls; NULL: none does */
    uint32_t tick_ms;           /* net_ticktime; 0: 60,000 */
    uint32_t connect_ms;        /* EPMD, TCP and handshake together, each at most; 0: 7,000 */
    size_t max_message;         /* bytes of one incoming message; 0: 128 MiB */
    size_t max_queue; /* bytes waiting for one link, for all that are not up yet, or for all processes that
                         are suspended; 0: 64 MiB. Beyond: ERR_OVERLOADED, and to the last it is lost */
};

/* NULL: no memory; or a name that is none, or no cookie, and the log says which. Nothing is listened on or
 * registered before node_start. */
MUST_USE struct node *node_new(struct loop *l, const struct node_config *config);

/*
 * How the start ended, once: ERR_NONE: registered and reachable; ERR_NAME_TAKEN: EPMD has a node of this
 * name; ERR_ADDRESS_IN_USE: the port of the embedded one is something else's; ERR_NO_CONNECTION, ERR_TIMEOUT,
 * ERR_MALFORMED: no EPMD where there should be one; ERR_INVALID, ERR_IO: the embedded one cannot listen on
 * its address; ERR_NOMEM; with named_by, what node_connect fails with. All that is left to do then is
 * node_free. Text is NULL, or lasts as long as the node.
 */
typedef void node_started_fn(void *ctx, enum err e, const char *text);
/*
 * At once: ERR_ADDRESS_IN_USE (dist port in use), ERR_INVALID (address), ERR_IO (errno says why), ERR_NOMEM;
 * else started is called later, unless node_stop comes first.
 *
 * With named_by ("kv@host") this node has no name yet: `name` is the bare host that it is on, and that node
 * is asked for a name and a creation over the first link. It is hidden, does not listen and is not
 * registered, so that nobody can dial it; once it is started, it is a node like any other. The start fails as
 * a connection to that node does.
 */
MUST_USE enum err node_start(struct node *n, node_started_fn *started, void *ctx);
/* Unregisters, refuses new links and requests. What is under way goes on until node_stop. */
void node_quiesce(struct node *n);
/* Ends every request (ERR_CANCELLED) and process, flushes and closes the links. From any callback; the last
 * ones (`ended`, `terminate`) come at the end of the turn, or from node_free. A loop with nothing else to do
 * ends then, unless the node has the embedded EPMD: that serves the other nodes of the machine until
 * node_free, so end the loop by loop_stop. */
void node_stop(struct node *n);
/* Takes NULL; does node_stop if it was not done. Never from a callback of the node's or of its loop: once
 * that does not run any more, and before loop_free. */
void node_free(struct node *n);

/* Told of the atoms that peers bring along, each at least once a link. utf8: borrowed for the call. For links
 * to come. */
typedef void node_atom_fn(void *ctx, struct slice utf8);
void node_on_atom(struct node *n, node_atom_fn *fn, void *ctx);

/* What has been asked in this turn of the loop is written now and not at its end: for whoever brings a batch
 * from elsewhere. Not from within a callback of the node's. */
void node_flush(struct node *n);

/* Told when all that one read of a link has brought is dealt with: whoever passes on what came of it can do
 * so now, rather than at the end of the turn. NULL: nobody. */
void node_on_read(struct node *n, void (*fn)(void *ctx), void *ctx);

/*
 * May there be a link to that node? Asked before a node is looked for or dialled (is_incoming false: it then
 * cannot be reached, ERR_NOT_ALLOWED), and of one that dials us as soon as it has said its name: refused, it
 * is told `not_allowed`. name: borrowed for the call.
 */
typedef bool node_gate_fn(void *ctx, struct slice name, bool is_incoming);
void node_set_gate(struct node *n, node_gate_fn *fn, void *ctx); /* NULL: all may */
/* Ends the links that the gate would not let be made; gives how many. */
size_t node_recheck(struct node *n);

/* From now on; 0: 64 MiB. */
void node_set_max_queue(struct node *n, size_t bytes);

struct slice node_name(const struct node *n);
uint32_t node_creation(const struct node *n);  /* 0 until registered */
bool node_is_registered(const struct node *n); /* with EPMD, now (always with NODE_EPMD_NONE) */
bool node_is_visible(const struct node *n);
uint16_t node_dist_port(const struct node *n);
bool node_has_embedded_epmd(const struct node *n);
bool node_has_epmd(const struct node *n); /* any at all: false with NODE_EPMD_NONE */

/* ---- requests to processes ---- */

struct node_target {
    bool is_pid;
    struct etf_pid pid; /* is_pid; its node, UTF-8, says where */
    struct slice node;  /* else: {name, node} */
    struct slice name;  /* UTF-8 */
    /* The process of this node (node_self's number) in whose name it is asked: the pid that the callee sees.
     * 0: the request is a process of its own. */
    uint32_t from;
};

/* NODE_EXIT is exit(Pid, Reason): the target is a pid, the request the reason. */
enum node_verb { NODE_CALL, NODE_CAST, NODE_SEND, NODE_EXIT };

struct node_result {
    enum err err;  /* ERR_NONE; ERR_NOPROC, ERR_CALLEE_EXIT (term: the reason), ERR_NODEDOWN, ERR_TIMEOUT,
                      ERR_CANCELLED,  ERR_NO_CONNECTION, ERR_NO_NODE, ERR_AUTH, ERR_NOT_ALLOWED,
                      ERR_PEER_UNSUPPORTED, ERR_OVERLOADED, ERR_NOMEM; ERR_TOO_LARGE: the reply is larger than
                      max_message */
    bool was_sent; /* was the request put on the wire? */
    bool was_connecting; /* ERR_TIMEOUT before there was a link */
    struct slice
        term; /* a call's reply or the reason, validated, without version byte; borrowed for the callback */
    const struct etf_atoms *atoms; /* for term */
    const char *text;              /* the node's, or NULL: what went wrong, for people */
    /* ERR_CALLEE_EXIT of an rpc: "error", "exit" or "throw", what the function raised; "signal": the process
       it ran in was ended by an exit signal. NULL otherwise. */
    const char *exception;
    struct slice stacktrace; /* "error": one term, as term; may be empty */
};
/* r and what it points at: borrowed for the call. Where one is asked for it may be NULL: nobody is told. */
typedef void node_done_fn(void *ctx, uint64_t id, const struct node_result *r);

/*
 * Who reads the replies to its calls anyway can validate them in passing. Of requests that end with `done`,
 * judge is shown each reply before anybody has looked at it, with their ctx and id. True: it begins with one
 * term that etf_validate takes, with trusts_keys and a depth of less than 2^20, and *reply stands behind it;
 * `done` is told next. False: nothing is said of it, and the node validates. (Replies of nodes that know no
 * aliases are not shown.) One for each node; NULL, NULL: nobody.
 */
typedef bool node_judge_fn(void *ctx, uint64_t id, struct etf_rd *reply);
void node_judge_replies(struct node *n, node_done_fn *done, node_judge_fn *judge);

/* As the timeout_ms of anything here: Erlang's infinity. (To connect takes connect_ms at most all the same.)
 */
#define NODE_INFINITY UINT64_MAX

/*
 * NODE_CALL is gen_server:call/3: monitored, with an alias as tag where the peer has them. request: one
 * validated term without version byte, borrowed for the call; uses: what etf_validate said of it. timeout_ms
 * covers the connecting too; for the others it bounds the connecting alone. ret_op (here as everywhere it may
 * be NULL) gets a handle for node_cancel, or 0: done at once (all but CALL on a link that is up), and `done`
 * is not called. Errors at once: ERR_INVALID (the node's name is none), ERR_NOT_ALLOWED (by the gate),
 * ERR_PEER_UNSUPPORTED, ERR_OVERLOADED, ERR_NOMEM, ERR_CLOSED (not up, or stopping).
 */
MUST_USE enum err node_request(struct node *n, enum node_verb verb, const struct node_target *target,
                               struct slice request, uint32_t uses, uint64_t timeout_ms, node_done_fn *done,
                               void *ctx, uint64_t id, uint64_t *ret_op);
/* The caller has lost interest: its process ends, the monitor is taken back (one that other calls share, with
 * the last of them), done is not called. Unknown: ignored. */
void node_cancel(struct node *n, uint64_t op);

/* ---- other nodes ---- */

/* Connects if need be; done at the latest after the connect timeouts. was_sent is false. ret_op 0: there is a
 * link already, or it is this node; done is not called. Errors at once: as node_request's. */
MUST_USE enum err node_connect(struct node *n, struct slice name, uint64_t timeout_ms, node_done_fn *done,
                               void *ctx, uint64_t id, uint64_t *ret_op);
/* False: there was no link. Requests under way end with ERR_NODEDOWN. */
bool node_disconnect(struct node *n, struct slice name);

struct node_peer {
    struct slice name; /* borrowed until the loop turns */
    bool is_up, is_hidden, was_dialled;
    uint32_t creation;
    uint64_t flags;
    uint64_t bytes_in, bytes_out, messages_in, messages_out;
    uint64_t ticks_in, ticks_out;
    size_t queued;    /* bytes not yet written */
    size_t in_flight; /* requests waiting */
    uint64_t up_ms;   /* how long it has been up */
};
/* Iterates over the links that have a name: *cursor starts at 0; false at the end. */
bool node_next_peer(const struct node *n, size_t *cursor, struct node_peer *ret);
bool node_find_peer(const struct node *n, struct slice name, struct node_peer *ret);

/* A node that is not necessarily connected. */
struct node_known {
    struct slice name;  /* borrowed until the loop turns */
    bool is_configured; /* one of node_config.places */
    bool is_in_epmd; /* the EPMD of its host had it when it was last asked, not long ago; it is asked now and
                        then */
    bool is_here;    /* its host is this machine, whatever it is called there */
    uint16_t port;
};
/* What the last attempt to reach a node came to. */
struct node_failure {
    enum err err;
    const char *text; /* why, in words, perhaps cut; "": that is all. Borrowed until the loop turns */
    uint64_t ago_ms;
};
/* False: it was reached, or has not been tried, or so many others have been since. */
bool node_last_failure(const struct node *n, struct slice name, struct node_failure *ret);

/* Iterates over the nodes that were heard of: *cursor starts at 0; false at the end. */
bool node_next_known(const struct node *n, size_t *cursor, struct node_known *ret);

/* Is what an EPMD of this machine seems to have by that name, at that port, linked under a name of another
 * host? For the machine has several names, of which EPMD knows none, and a port is one node's. */
bool node_is_linked_otherwise(const struct node *n, struct slice name, uint16_t port);

bool node_is_configured(const struct node *n, struct slice name);

/* A name that the embedded EPMD holds. */
struct node_epmd_name {
    struct slice name; /* without host; borrowed until the loop turns */
    uint16_t port, highest, lowest;
    uint8_t type; /* 77: visible, 72: hidden */
    uint32_t creation;
    bool is_own; /* this node's */
};
/* Iterates: *cursor starts at NULL; false at the end, and when the EPMD is not embedded. */
bool node_next_epmd_name(const struct node *n, const void **cursor, struct node_epmd_name *ret);
uint16_t node_epmd_port(const struct node *n);
struct slice node_host(const struct node *n); /* the part of its name behind '@' */

struct node_counts {
    size_t links, processes, requests;
    uint64_t late_replies, /* replies that came after their request had ended */
        unknown_dropped,   /* messages to processes that do not exist */
        links_refused;     /* by the gate */
};
struct node_counts node_counts(const struct node *n);

/* What has been counted since the start, by links that are gone too. */
struct node_totals {
    uint64_t bytes_in, bytes_out, messages_in, messages_out, ticks_in, ticks_out; /* of links */
    uint64_t dialled, accepted;                                                   /* links that came up */
    uint64_t lost[ERR_COUNT_];   /* links that were up, by why they ended */
    uint64_t failed[ERR_COUNT_]; /* links that did not come up */
    uint64_t over_max_queue;     /* signals and requests that were refused for it */
    uint64_t signals_lost;       /* of processes, which nobody waits for */
};

/* How it stands. Takes time for each link. */
struct node_stats {
    struct node_totals totals;
    size_t resolving, dialling, handshakes, up; /* links */
    size_t queued;                              /* bytes not yet written, of all links */
    size_t max_queue;                           /* bytes, of one */
    size_t epmd_names;                          /* that the embedded EPMD holds */
    size_t known;                               /* nodes that were heard of */
};
void node_stats(const struct node *n, struct node_stats *ret);
/* What links are made with; NULL: plain TCP. Borrowed. */
const struct loop_tls *node_tls(const struct node *n);

/* Is it "name@host" that a node can have: printable, 1 to 255 characters, one '@'? */
bool node_name_is_valid(struct slice name);

#endif
