/*
 * internal: the gateway's own state, for the files of this folder.
 */
#ifndef ERLGATE_BRIDGE_INTERNAL_H
#define ERLGATE_BRIDGE_INTERNAL_H

#include "base/idtab.h"
#include "bridge/atoms.h"
#include "bridge/gateway.h"
#include "bridge/transcode.h"
#include "http/negotiate.h"

struct gateway {
    struct loop *loop; /* borrowed */
    struct node *node; /* borrowed */
    struct http_server *http;
    struct gateway_config config; /* with the defaults filled in */
    struct atoms atoms;
    struct idtab exchanges;
    struct wr term, scratch; /* used within one handler; kept for their memory */
    uint64_t seed; /* of hashes over what clients send */
    uint64_t started_us;
    bool is_quiet;
};

/*
 * A request of HTTP that waits for the node. Made by exchange_new in a handler, found by its id from then on,
 * ended by exchange_take: whichever comes first of the answer, the deadline and the client's leaving takes
 * it.
 */
struct exchange {
    uint64_t id, http_id;
    uint64_t op; /* the node's, for node_cancel */
    uint64_t started_us;
    uint64_t deadline_ms;
    enum http_media out;
    bool has_out;       /* the client asked for a representation of terms */
    bool is_unwrapped;  /* ?unwrap=ok */
    uint64_t applied_s; /* Preference-Applied: wait=N; 0: none */
    struct transcode_options options;
    char node[256 * 4]; /* for texts: the node that was asked; NUL-terminated */
};

MUST_USE struct exchange *exchange_new(struct gateway *g, struct http_request *req);
/* The exchange, now yours to free with mem_free; NULL when it is gone. */
struct exchange *exchange_take(struct gateway *g, uint64_t id);

/* ---- bridge/body.c: terms in and out ---- */

/* The query parameters that a term's representation is bent by (terms.md's options), for route tables. */
#define BODY_QUERY "null", "keys", "charlists", "bigints", "tags"

/* Reads them; false and the problem has been answered. */
MUST_USE bool body_options(struct gateway *g, struct http_request *req, struct transcode_options *ret);
/* Accept; false and answered. */
MUST_USE bool body_accept(struct gateway *g, struct http_request *req, enum http_media *ret);
/* The request's body as a term in g->term; false and answered. */
MUST_USE bool body_read(struct gateway *g, struct http_request *req, const struct transcode_options *options,
                        uint32_t *ret_uses);
/* A term in that representation. */
MUST_USE enum err body_write(struct wr *w, enum http_media media, struct slice term,
                             const struct etf_atoms *atoms, const struct transcode_options *options);

/* ---- bridge/errors.c: the only place where errors become HTTP ---- */

/* Something that could not even be asked. node: for the text; may be empty. */
void errors_answer(struct gateway *g, uint64_t http_id, enum err e, struct slice node);
/* How a request to a node ended. */
void errors_answer_result(struct gateway *g, const struct exchange *x, const struct node_result *r);
void errors_answer_fault(struct gateway *g, uint64_t http_id, const struct transcode_fault *f);
void errors_answer_parameter(struct gateway *g, uint64_t http_id, const char *parameter, const char *detail);

/* ---- handlers ---- */
void calls_call(void *ctx, struct http_request *req); /* bridge/calls.c */
void calls_cast(void *ctx, struct http_request *req);
void calls_send(void *ctx, struct http_request *req);
void nodes_list(void *ctx, struct http_request *req); /* bridge/nodes.c */
void nodes_get(void *ctx, struct http_request *req);
void nodes_put(void *ctx, struct http_request *req);
void nodes_delete(void *ctx, struct http_request *req);
void nodes_ping(void *ctx, struct http_request *req);
void status_self(void *ctx, struct http_request *req); /* bridge/status.c */
void status_livez(void *ctx, struct http_request *req);
void status_readyz(void *ctx, struct http_request *req);

/* A path's {node}: valid, and within the atom budget; else answered. */
MUST_USE bool nodes_segment(struct gateway *g, struct http_request *req, struct slice *ret);
/* timeout, Prefer, Grpc-Timeout; false and answered. */
MUST_USE bool calls_deadline(struct gateway *g, struct http_request *req, struct exchange *x);
/* object: a json_t, taken; NULL answers 500. */
void answer_object(struct gateway *g, uint64_t http_id, unsigned status, void *object);

extern const struct http_route gateway_routes[];
extern const size_t gateway_route_count;

#endif
