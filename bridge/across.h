/*
 * across: gateways of workers, and of the thread that owns the node.
 *
 * A worker's gateway reads a call, cast, send, exit or rpc, makes a term of it and a text of what comes back;
 * asking the node is the owner's. What is asked crosses as one message, and so does its end: exactly one for
 * each, unless the worker has called it off. All other requests are lent to the owner whole (http/cross.h).
 */
#ifndef ERLGATE_BRIDGE_ACROSS_H
#define ERLGATE_BRIDGE_ACROSS_H

#include "bridge/gateway.h"
#include "http/cross.h"

/* The kinds of messages that are the bridge's: they go on where HTTP's end. */
enum gateway_cross {
    GATEWAY_CROSS_ASK = HTTP_CROSS_END,
    GATEWAY_CROSS_CANCEL,
    GATEWAY_CROSS_DONE,
    GATEWAY_CROSS_END,
};

/* ---- the owner's thread ---- */

/* A worker's gateway is there. Its number, by which messages of HTTP's are told apart, too. ERR_NOMEM. */
MUST_USE enum err gateway_add_worker(struct gateway *owner, struct channel *to_worker, unsigned *ret_number);
/* Whatever came from it; kinds of HTTP's, too. */
void gateway_at_owner(struct gateway *owner, unsigned worker, unsigned kind, struct slice body);
/* After the last message of a batch. */
void gateway_batch_at_owner(struct gateway *owner);
/* The channel to it is no more: from now on it is told nothing. What it has sent may still come. */
void gateway_part_worker(struct gateway *owner, unsigned worker);
/* After that; nothing comes from it any more. What it had asked is called off. */
void gateway_remove_worker(struct gateway *owner, unsigned worker);

/* ---- a worker's thread ---- */

void gateway_at_worker(struct gateway *g, unsigned kind, struct slice body);

/* ---- within the folder, at a worker ---- */

struct exchange;

/* True: what x asks is for the owner to find out, and the request has been lent. Before anything is decided
 * about it. */
MUST_USE bool across_lends(struct gateway *g, struct http_request *req, const struct exchange *x);
/* In place of node_request and node_rpc: calls_done or rpc_done follows, or the request has failed. */
void across_ask(struct gateway *g, struct exchange *x);
void across_cancel(struct gateway *g, const struct exchange *x);
/* At the owner, for node_on_read: replies go over as soon as they are there. At the end of the turn they
 * would come behind all that the owner does for its own clients in it, and workers' clients would wait twice
 * as long. */
void across_flush(void *ctx);

#endif
