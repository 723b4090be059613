/*
 * internal: the gateway's own state, for the files of this folder.
 */
#ifndef ERLGATE_BRIDGE_INTERNAL_H
#define ERLGATE_BRIDGE_INTERNAL_H

#include "base/idtab.h"
#include "base/map.h"
#include "bridge/across.h"
#include "bridge/atoms.h"
#include "bridge/gateway.h"
#include "bridge/metrics.h"
#include "bridge/permission.h"
#include "bridge/shares.h"
#include "bridge/target.h"
#include "bridge/transcode.h"
#include "http/document.h"
#include "http/negotiate.h"
#include "http/query.h"

/* At the owner: what a worker has asked the node, by its exchange. */
struct gateway_asked {
    uint64_t exchange, op;
};

struct gateway_worker {
    struct channel *channel;     /* borrowed; NULL: it is leaving */
    struct gateway_asked *asked; /* owned: by the lower half of the exchange's id */
    uint32_t cap;
};

/* What has been counted since the start: who was let in, and what they might do. */
struct gateway_admission_stats {
    uint64_t
        admitted[AUTH_BY_COUNT]; /* by how it was found out who asks; a session's request is BY_SESSION */
    uint64_t refused[AUTH_WHY_COUNT];  /* 401, by why */
    uint64_t verified, found_verified; /* JWTs: signatures looked at, and those that were known to be good */
    uint64_t rate_limited;             /* 429 */
    uint64_t sessions_opened, sessions_ended; /* by their owners */
};

struct gateway_permission_stats {
    uint64_t allowed[POLICY_OP_COUNT], denied[POLICY_OP_COUNT]; /* questions with all that is asked known */
};

struct node_change;

struct gateway {
    struct loop *loop;                                /* borrowed */
    struct node *node;                                /* borrowed; NULL: a worker's */
    struct gateway_worker *workers[HTTP_WORKERS_MAX]; /* owned: at the owner, by number */
    struct http_server *http;
    struct gateway_config config; /* with the defaults filled in */
    struct atoms atoms;
    struct idtab exchanges;
    struct exchange *free_exchanges; /* owned: a list of such as are over */
    size_t free_exchange_count;
    struct idtab parts;      /* bridge/fan.c: of exchanges that go to many */
    uint32_t turn;           /* which member of a group is next */
    struct map releases;     /* bridge/releases.c: what is known, by node */
    struct idtab questions;  /* and what is being asked */
    struct kept *kept_nodes; /* bridge/keep.c: links that are made again; owned */
    size_t kept_node_count;
    size_t node_watches;           /* ties that are told of all nodes */
    struct loop_timer *keep_timer; /* owned */
    struct idtab inboxes, ties;    /* struct inbox, struct tie */
    struct shares shares;          /* of inboxes, by principal */
    size_t kept_inboxes;
    uint32_t most_inboxes;          /* since memory was last given back */
    struct loop_timer *trim_timer;  /* gives back what a crowd has left */
    struct loop_timer *inbox_timer; /* looks after those that are kept, while there are any */
    struct wr term, scratch;        /* used within one handler; kept for their memory */
    struct wr judged;               /* a reply as JSON, between its being judged and its answer */
    uint64_t judged_for;            /* the exchange it is for; 0: there is none */
    uint64_t seed;                  /* of hashes over what clients send */
    uint64_t started_us;
    struct auth_sessions *sessions; /* owned, but for a worker, and so rates: bridge/admission.c */
    struct auth_cache *verified;    /* owned */
    struct auth_rates *rates;
    struct gateway_admission_stats admission_stats;
    struct metrics metrics;
    struct gateway_permission_stats permission_stats;
    char detail[PERMISSION_DETAIL_MAX]; /* of a refusal, until it has been written into the answer */
    bool is_quiet;
    struct http_document openapi_json, openapi_yaml;
};

/* What is done to the target. */
enum verb {
    VERB_CALL,
    VERB_CAST,
    VERB_SEND,
    VERB_EXIT,
    VERB_LOOK, /* GET: process_info */
    VERB_RPC,
    VERB_RPC_CAST,
};

/*
 * A request of HTTP that waits for the node. Made by exchange_new in a handler, found by its id from then on,
 * ended by exchange_take or exchange_end: whichever comes first of the answer, the deadline and the client's
 * leaving takes it.
 */
struct exchange {
    uint64_t id, http_id;
    uint64_t op; /* the node's, for node_cancel */
    /* How what it waits for is called off; NULL: node_cancel of op. It is about to be freed. */
    void (*cancel)(struct gateway *g, struct exchange *x);
    uint64_t started_us;
    uint64_t deadline_ms, deadline_at_us;
    struct slice timeout; /* in the body: ms; borrowed until the handler returns; empty: it says none */
    enum verb verb;
    struct target target; /* kept, once something must be found out before it can be asked */
    struct target named;  /* is_found: what it was asked for by */
    bool is_found;        /* the target is where a name of global or a group has led */
    bool has_scope;       /* the target's scope was started for it, and may be of no use to others */
    bool wants_owner;     /* at a worker: it speaks of things that are the owner's */
    bool is_permitted;    /* the policy has been asked about the target as it is now */
    uint8_t *term;        /* owned: likewise, what is to be sent; NULL: it is in g->term */
    size_t term_len;
    uint32_t uses;  /* of term */
    uint32_t from;  /* the process in whose name; 0: none */
    uint32_t arity; /* RPC */
    void *work;     /* owned by whoever set cancel */
    enum http_media out;
    bool has_out;       /* the client asked for a representation of terms */
    bool is_unwrapped;  /* ?unwrap=ok */
    uint64_t applied_s; /* Preference-Applied: wait=N; 0: none */
    struct transcode_options options;
    struct exchange *next_free; /* in the gateway's list */
    char node[256 * 4];         /* for texts: the node that was asked; NUL-terminated */
};

MUST_USE struct exchange *exchange_new(struct gateway *g, struct http_request *req);
/* The exchange, now yours to free with exchange_free; NULL when it is gone. */
struct exchange *exchange_take(struct gateway *g, uint64_t id);
void exchange_free(struct gateway *g, struct exchange *x); /* takes NULL */
void exchanges_fini(struct gateway *g);                    /* when there are none any more */
/* Both of these. */
void exchange_end(struct gateway *g, uint64_t id);
/* True, and it has ended with that answer, when the result is an error. */
MUST_USE bool exchange_failed(struct gateway *g, uint64_t id, const struct node_result *r);
/* Its target and g->term become its own. False: no memory, answered and ended. */
MUST_USE bool exchange_keep(struct gateway *g, struct exchange *x);
/* The node that is asked, for texts. */
void exchange_name_node(struct exchange *x, struct slice node);
/* What is to be sent. */
struct slice exchange_term(const struct gateway *g, const struct exchange *x);
/* ms of its deadline that are left; at least 1. */
uint64_t exchange_left_ms(const struct gateway *g, const struct exchange *x);

/* ---- bridge/body.c: terms in and out ---- */

/* The query parameters that a term's representation is bent by (terms.md's options), for route tables. */
#define BODY_QUERY "null", "keys", "charlists", "bigints", "tags"

/* As they are without parameters. */
void body_defaults(struct gateway *g, struct transcode_options *ret);
/* Reads them; false and the problem has been answered. */
MUST_USE bool body_options(struct gateway *g, struct http_request *req, struct transcode_options *ret);
/* Accept; false and answered. */
MUST_USE bool body_accept(struct gateway *g, struct http_request *req, enum http_media *ret);
/* Answers 415: what the body is to be, and what its Content-Type says. */
void body_refuse_type(struct gateway *g, struct http_request *req, const char *wanted);
/* The request's body as a term in g->term; false and answered. */
MUST_USE bool body_read(struct gateway *g, struct http_request *req, const struct transcode_options *options,
                        uint32_t *ret_uses);
/* A term in Erlang syntax, appended to out; places in f count from the start of text. */
MUST_USE enum err body_read_erlang(struct gateway *g, struct slice text, const struct transcode_options *o,
                                   struct wr *out, uint32_t *ret_uses, struct transcode_fault *f);
/* Empties a buffer that is kept between requests; one large body must not hold its memory for ever. */
void body_reuse(struct wr *w);
/* A term in that representation. */
MUST_USE enum err body_write(struct wr *w, enum http_media media, struct slice term,
                             const struct etf_atoms *atoms, const struct transcode_options *options);

/* ---- bridge/errors.c: the only place where errors become HTTP ---- */

/* Something that could not even be asked. node: for the text; may be empty. */
void errors_answer(struct gateway *g, uint64_t http_id, enum err e, struct slice node);
const char *errors_code(enum err e); /* of the problem that it is */
/* How a request to a node ended. */
void errors_answer_result(struct gateway *g, const struct exchange *x, const struct node_result *r);
/* Is the frame on top of what was raised that function's? ret_rest: at its arguments, or their number. */
bool rpc_top_frame_is(const struct node_result *r, struct slice module, struct slice function,
                      struct etf_rd *ret_rest);
/* Is it that the node has no such function? */
bool rpc_is_undefined(const struct node_result *r, struct slice module, struct slice function,
                      uint32_t arity);
/* An rpc whose function, the exchange's target, does not exist. */
void errors_answer_undefined(struct gateway *g, const struct exchange *x, const struct node_result *r);
/* A function of OTP's that we asked for ourselves does not exist there: the node is no BEAM. */
void errors_answer_no_beam(struct gateway *g, const struct exchange *x, const struct node_result *r,
                           const char *function, const char *so);
/* The same as a term: a map of code, detail, sent, retryable, and class, reason, stacktrace where there are.
 */
void errors_write(const struct gateway *g, struct wr *w, const struct node_result *r, struct slice node);
/* A body that is no term. hint: what may be meant; NULL if nobody knows. */
void errors_answer_fault(struct gateway *g, uint64_t http_id, const struct transcode_fault *f,
                         const char *hint);
void errors_answer_parameter(struct gateway *g, uint64_t http_id, const char *parameter, const char *detail);

/* ---- bridge/answers.c: what comes of it, for the client ---- */

/* For node_judge_replies: a reply becomes JSON while it is judged, and answer_term, which comes next, has it
 * ready. False: for another representation, or it is not so simple. */
bool answer_judge(struct gateway *g, const struct exchange *x, struct etf_rd *reply);
/* The term in the representation that was asked for, with Preference-Applied. */
void answer_term(struct gateway *g, const struct exchange *x, unsigned status, struct slice term,
                 const struct etf_atoms *atoms);
/* The same, by ?unwrap=ok. */
void answer_reply(struct gateway *g, const struct exchange *x, struct slice term,
                  const struct etf_atoms *atoms);
void answer_too_large(struct gateway *g, const struct exchange *x);
void answer_accepted(struct gateway *g, const struct exchange *x);
/* object: a json_t, taken; NULL answers 500. */
void answer_object(struct gateway *g, uint64_t http_id, unsigned status, void *object);
/* 200, with Preference-Applied. */
void answer_object_for(struct gateway *g, const struct exchange *x, void *object);
/* headers: copied. */
void answer_object_with(struct gateway *g, uint64_t http_id, unsigned status, void *object,
                        const struct http_header *headers, size_t count);

/* ---- bridge/admission.c: who asks ---- */
MUST_USE enum err admission_init(struct gateway *g);
/* Does anybody have to say who they are? */
bool admission_is_on(const struct gateway *g);
void admission_fini(struct gateway *g); /* takes what was never made */
/* For http_config. */
bool admission_admit(void *ctx, struct http_request *req, const struct http_caller *caller,
                     struct http_admission *ret, struct http_problem *ret_problem);
bool admission_is_good(void *ctx, const struct http_admission *admission);

/* ---- handlers ---- */
void policy_check(void *ctx, struct http_request *req); /* bridge/policy_check.c */
void session_open(void *ctx, struct http_request *req); /* bridge/session.c */
void session_look(void *ctx, struct http_request *req);
void session_end(void *ctx, struct http_request *req);
void calls_call(void *ctx, struct http_request *req); /* bridge/calls.c */
void calls_cast(void *ctx, struct http_request *req);
void calls_send(void *ctx, struct http_request *req);
void calls_exit(void *ctx, struct http_request *req);
void calls_rpc(void *ctx, struct http_request *req);
void calls_rpc_cast(void *ctx, struct http_request *req);
void calls_look(void *ctx, struct http_request *req);
void names_registered(void *ctx, struct http_request *req); /* bridge/names.c */
void names_epmd(void *ctx, struct http_request *req);
void nodes_list(void *ctx, struct http_request *req); /* bridge/nodes.c */
void nodes_get(void *ctx, struct http_request *req);
void nodes_put(void *ctx, struct http_request *req);
void nodes_delete(void *ctx, struct http_request *req);
void nodes_ping(void *ctx, struct http_request *req);
void monitors_one(void *ctx, struct http_request *req); /* bridge/monitors.c */
void monitors_many(void *ctx, struct http_request *req);
void processes_make(void *ctx, struct http_request *req); /* bridge/processes.c */
void processes_list(void *ctx, struct http_request *req);
void processes_look(void *ctx, struct http_request *req);
void processes_end(void *ctx, struct http_request *req);
void processes_events(void *ctx, struct http_request *req);
void holdings_monitor(void *ctx, struct http_request *req); /* bridge/holdings.c */
void holdings_link(void *ctx, struct http_request *req);
void holdings_join(void *ctx, struct http_request *req);
void holdings_demonitor(void *ctx, struct http_request *req);
void holdings_unlink(void *ctx, struct http_request *req);
void holdings_leave(void *ctx, struct http_request *req);
void holdings_reply(void *ctx, struct http_request *req);
void status_self(void *ctx, struct http_request *req); /* bridge/status.c */
void status_livez(void *ctx, struct http_request *req);
void status_readyz(void *ctx, struct http_request *req);
void documents_openapi_json(void *ctx, struct http_request *req); /* bridge/documents.c */
void documents_openapi_yaml(void *ctx, struct http_request *req);
void documents_init(struct gateway *g);
void documents_fini(struct gateway *g);

/* {"key": [list]}, a json_t that is taken; NULL answers 500. after: where the next page begins, for Link;
 * empty: there is none. */
void answer_list(struct gateway *g, uint64_t http_id, const char *key, void *list, struct slice after);
/* Some node has said which OTP it runs, or will not: whoever waits for that goes on. */
void nodes_release_known(struct gateway *g);

/* ---- bridge/keep.c ---- */

/* A node is gone, of which somebody is told: it is looked for. */
void keep_lost(struct gateway *g, const struct node_change *change);
/* It is not to be dialled again; true: it would have been. Not one of --require-node. */
bool keep_forget(struct gateway *g, struct slice name);
/* config.required_nodes are these from now on. */
void keep_required(struct gateway *g);
void keep_due(void *ctx, uint64_t id);
void keep_fini(struct gateway *g);

/* ---- bridge/releases.c ---- */
/* True when it is known, or will not be; else it is being asked, and nodes_release_known follows. */
MUST_USE bool releases_ask(struct gateway *g, const struct node_peer *peer);
/* "27"; NULL: not known. */
const char *releases_text(const struct gateway *g, const struct node_peer *peer);
void releases_fini(struct gateway *g);

/* timeout, Prefer, Grpc-Timeout; false and answered. */
MUST_USE bool calls_deadline(struct gateway *g, struct http_request *req, struct exchange *x);

/* ---- bridge/calls.c: what a verb does, step by step ---- */

/* The target is known: it is asked. Ends the exchange if that fails. */
void calls_perform(struct gateway *g, struct exchange *x);
/* May one more request wait for that node? Asked before the node is, in the owner's thread: then the count is
 * exact, however many threads there are. ERR_IN_FLIGHT. */
MUST_USE enum err calls_check_room(const struct gateway *g, struct slice node, bool with_reply);
/* The request ends with this error before anything was asked. */
void calls_fail(struct gateway *g, struct exchange *x, enum err e);
/* What the node has said to that at once: the request fails, is done, or goes on in a callback. */
void calls_asked(struct gateway *g, struct exchange *x, enum err e);
/* For node_request: how a call, cast, send, exit ended. */
void calls_done(void *ctx, uint64_t id, const struct node_result *r);
/* For node_judge_replies. */
bool calls_judge(void *ctx, uint64_t id, struct etf_rd *reply);

enum node_verb calls_node_verb(enum verb verb); /* CALL, CAST, SEND, EXIT */

/* ---- bridge/found.c: the exchange's target becomes a process that the name stands for, and calls_perform
 * goes on ---- */
void found_global(struct gateway *g, struct exchange *x);
void found_group(struct gateway *g, struct exchange *x);
/* has_scope: the exchange is about to be freed. */
void found_leave_scope(struct gateway *g, struct exchange *x);

/* ---- bridge/envelope.c ---- */
/* The body that names its target: x->target, x->timeout, x->from, and the request in g->term; x->options is
 * set. False and answered. */
MUST_USE bool envelope_read(struct gateway *g, struct http_request *req, struct exchange *x);

/* ---- bridge/from.c ---- */
/* The process with that id is to be seen as the one that asks. False and answered. */
MUST_USE bool from_set(struct gateway *g, struct exchange *x, struct slice id);

/* ---- bridge/rpc.c ---- */
void rpc_perform(struct gateway *g, struct exchange *x);
void rpc_done(void *ctx, uint64_t id, const struct node_result *r); /* for node_rpc */

/* ---- bridge/inspect.c ---- */
/* GET of a process. */
void inspect_perform(struct gateway *g, struct exchange *x);
/* The arguments of process_info, and the map made of what it gave; false: it is none. */
void inspect_write_args(struct wr *w, const struct etf_pid *pid);
MUST_USE bool inspect_write(struct wr *w, const struct exchange *x, const struct etf_pid *pid,
                            struct etf_rd info);
/* Asks where {name, node} of the target is; it becomes that pid, and calls_perform goes on. */
void inspect_whereis(struct gateway *g, struct exchange *x);

extern const struct http_route gateway_routes[];
extern const size_t gateway_route_count;

#endif
