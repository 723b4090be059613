/*
 * cross: one HTTP server in several threads: that of the thread which owns the node and everything else that
 * there is one of (the owner's), and those of workers.
 *
 * The owner listens, and gives each connection to whoever has the fewest. A worker parses, judges and answers
 * what comes on its connections. A request that any thread can serve (http_route.is_anywhere) is handled
 * where it came; any other is lent: its worker keeps the connection suspended, and at the owner a twin of the
 * request goes to the handler, which cannot tell the difference. The twin's answer, made ready to be sent,
 * goes back. A twin that reads an event stream stays: what it has to say goes over in pieces, of which only
 * so many are on their way at once.
 *
 *      worker                                          owner
 *        │ <── CONN ────────────────────────────────── accept
 *        │ ─── REQUEST ──────────────────────────────> twin, handler
 *        │ <── ADOPTED ─────────────────────────────── its id
 *        │ ─── GONE ──────────(the client left)──────> http_config.gone
 *        │ <── ANSWER ──────────────────────────────── http_answer
 *        │ <── STREAM ──────────────────────────────── http_stream_attach
 *        │ ─── READING ──────────────────────────────> its reader waits
 *        │ <── DATA … ─────────────────────────────────
 *        │ ─── CREDIT … ─────────────────────────────>
 *        │ <── END ────────────────────────────────────
 *        │ ─── READ ─────────────────────────────────> its reader is no more
 *        │ ─── CLOSED ───────────────────────────────> the connection is no more
 *
 * Each thing is known on the other side by an id alone; what comes for one that is gone finds nothing.
 * Nothing is shared but what never changes (routes, texts) and a response (MHD_Response), which is given
 * away.
 */
#ifndef ERLGATE_HTTP_CROSS_H
#define ERLGATE_HTTP_CROSS_H

#include "http/server.h"
#include "loop/channel.h"

enum { HTTP_WORKERS_MAX = 64 };

/* The kinds of messages that are HTTP's; others may use the channels too, with kinds from HTTP_CROSS_END on.
 */
enum http_cross {
    HTTP_CROSS_CONN,
    HTTP_CROSS_ADOPTED,
    HTTP_CROSS_ANSWER,
    HTTP_CROSS_STREAM,
    HTTP_CROSS_DATA,
    HTTP_CROSS_STREAM_END,
    HTTP_CROSS_REQUEST,
    HTTP_CROSS_GONE,
    HTTP_CROSS_READING,
    HTTP_CROSS_CREDIT,
    HTTP_CROSS_READ,
    HTTP_CROSS_CLOSED,
    HTTP_CROSS_END,
};

/* ---- the owner's thread ---- */

/* A worker's server is there: from now on it is given connections. to_worker: borrowed. Gives the number by
 * which the worker's messages are told apart. */
unsigned http_server_add_worker(struct http_server *owner, struct channel *to_worker);
void http_cross_at_owner(struct http_server *owner, unsigned worker, enum http_cross kind, struct slice body);
/* The way down, before the workers stop: `bye` to the readers of streams that are theirs. */
void http_cross_say_bye(struct http_server *owner);
/* The channel to it is no more; what it has sent may still come. */
void http_server_part_worker(struct http_server *owner, unsigned worker);
/* After that; nothing comes from it any more. What is left of it here goes. */
void http_server_remove_worker(struct http_server *owner, unsigned worker);

/* ---- a worker's thread ---- */

void http_cross_at_worker(struct http_server *s, enum http_cross kind, struct slice body);
/* In a handler, in place of an answer: the owner's handler of the same route is to serve it. Only in a
 * worker's server (http_config.owner). */
void http_request_lend(struct http_request *r);

#endif
