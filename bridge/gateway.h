/*
 * gateway: where HTTP and Erlang meet: the route table, and what each route does.
 *
 * Made by gateway_start over a node and a loop that outlive it, ended by gateway_stop. Owns the HTTP server.
 */
#ifndef ERLGATE_BRIDGE_GATEWAY_H
#define ERLGATE_BRIDGE_GATEWAY_H

#include "auth/auth.h"
#include "auth/policy.h"
#include "auth/rates.h"
#include "http/server.h"
#include "loop/loop.h"
#include "node/node.h"

struct atoms_pool;
struct channel;
struct gateway;

/* Who is let in, and how often. */
struct gateway_admission {
    const struct auth
        *auth; /* borrowed until the next is set, or gateway_stop; NULL: everybody is "anonymous" */
    uint64_t session_ttl_s; /* of a browser's session, at most; 0: 3,600 */
    struct auth_rate rate;  /* of each principal; rate 0: no limit */
};

/* One of the named checks of /readyz. */
enum gateway_health { GATEWAY_OK, GATEWAY_WARNING, GATEWAY_FAILED };
enum { GATEWAY_CHECKS_MAX = 8, GATEWAY_CHECK_TEXT = 128 };

struct gateway_check {
    const char *name; /* static */
    enum gateway_health health;
    char text[GATEWAY_CHECK_TEXT]; /* more about it, shown to whoever asks; may be "" */
};

struct gateway_config {
    struct node *node;                 /* borrowed; NULL: a worker's */
    const char *host;                  /* address to listen on */
    uint16_t port;                     /* 0: any */
    const struct http_listen *listens; /* several, instead of host and port. Borrowed */
    size_t listen_count;               /* 0: host and port */
    const char *const
        *origins;         /* whose pages may use it from a browser; NULL-terminated; NULL: none. Borrowed */
    struct http_tls *tls; /* for HTTPS; takes a reference; NULL: none */
    const char *const *hosts;      /* further names for Host; NULL-terminated; NULL: none. Borrowed */
    uint64_t default_timeout_ms;   /* of a call; 0: 5,000 */
    uint64_t max_timeout_ms;       /* 0: 300,000 */
    size_t max_body;               /* bytes; 0: 8 MiB */
    size_t max_reply;              /* bytes of a response body; 0: 64 MiB */
    uint32_t max_depth;            /* of terms; 0: 512 */
    bool hides_reasons;            /* errors have neither reason nor stack trace of what has crashed */
    uint32_t max_digits;           /* of integers; 0: 10,000 */
    size_t max_processes;          /* that HTTP clients may have made at once; 0: 10,000 */
    size_t max_in_flight_per_node; /* requests that wait for one node; 0, SIZE_MAX: no limit */
    uint32_t max_ties;             /* monitors, links and groups of one process or stream; 0: 1,000 */
    struct http_limits http;       /* but for max_body, which is the above */
    struct gateway_admission admission;
    const struct policy *policy; /* borrowed until the next is set, or gateway_stop; NULL: all is allowed */
    size_t atom_budget;          /* atoms that HTTP may introduce; SIZE_MAX: no limit */
    const char *const *required_nodes; /* without which it is not ready; NULL-terminated; NULL: none. Each
                                          is dialled when readiness is asked for. Borrowed */
    /* Further checks of readiness; gives how many, at most GATEWAY_CHECKS_MAX. NULL: none. */
    size_t (*checks)(void *ctx, struct gateway_check *ret);
    void *checks_ctx;
    /*
     * Workers (across.h). each_worker has fn called with the gateway of each, in its own thread, and comes
     * back when all have been.
     */
    unsigned threads; /* with the owner's; each has its share of max_in_flight and max_bodies; 0: 1 */
    void (*each_worker)(void *ctx, void (*fn)(struct gateway *worker, void *arg), void *arg);
    void *each_worker_ctx;
    /* A worker's gateway: the channel to the owner, and what all share. Borrowed. */
    struct channel *owner;
    struct auth_sessions *sessions;
    struct auth_rates *rates;
    struct atoms_pool *atoms;
    struct http_answers *answers;
    const char *version;                     /* static */
    struct slice openapi_json, openapi_yaml; /* the description of this API; static */
};

/* Listens, too. ERR_NOMEM, or http_server_start's: ERR_INVALID for a bad address, ERR_NAME_TAKEN when the
 * port is in use, ERR_IO. */
MUST_USE enum err gateway_start(struct loop *l, const struct gateway_config *config, struct gateway **ret);
/* For what is HTTP's alone: certificates, limits, names, counts. Borrowed; not to be stopped. */
struct http_server *gateway_http(struct gateway *g);
/* What workers' gateways share with this one. Borrowed. */
struct auth_sessions *gateway_shared_sessions(struct gateway *g);
struct auth_rates *gateway_shared_rates(struct gateway *g);
struct atoms_pool *gateway_shared_atoms(struct gateway *g);
struct http_answers *gateway_shared_answers(struct gateway *g);
/* For requests to come. Sessions whose token is gone end, and so do event streams opened by it. */
void gateway_set_admission(struct gateway *g, const struct gateway_admission *admission);

size_t gateway_sessions(const struct gateway *g); /* that there are now, some of them perhaps expired */
/* New timeouts, limits and atom budget, of those of config alone; from now on. */
void gateway_set_limits(struct gateway *g, const struct gateway_config *config);
void gateway_set_required_nodes(struct gateway *g, const char *const *nodes); /* as in gateway_config */
/* From now on: whoever waits for a name to be found is asked by this one. Links to nodes that it does not
 * admit or connect to end. */
void gateway_set_policy(struct gateway *g, const struct policy *policy);

/*
 * The way down (see http/server.h). leave: not ready, all else goes on. quiesce: nobody can connect; what has
 * begun goes on to its deadline, and may still ask the node for something.
 */
void gateway_leave(struct gateway *g);
void gateway_quiesce(struct gateway *g);
bool gateway_is_busy(struct gateway *g); /* after quiesce: is there something to wait for? */
/* For metrics: the configuration was read again, with that result. */
void gateway_note_reload(struct gateway *g, bool is_ok, int64_t now_s);
/* Requests not yet answered. */
size_t gateway_in_flight(const struct gateway *g);
void gateway_stop(struct gateway *g); /* takes NULL */

#endif
