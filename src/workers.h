/*
 * workers: further threads that serve HTTP (--workers). Each has a loop, an HTTP server and a gateway of its
 * own; the node, its links and all that there is one of belong to the thread that makes them, the owner's.
 * They talk by channels (http/cross.h, bridge/across.h).
 *
 * Made by workers_new before the owner's gateway, so that what that sends in a turn goes over in the same
 * turn; started after it. All calls are the owner's. What is done to a worker is done in its own thread,
 * while the owner waits: rare things alone (start, reload, metrics, stop). A worker never waits for the
 * owner.
 */
#ifndef ERLGATE_SRC_WORKERS_H
#define ERLGATE_SRC_WORKERS_H

#include "bridge/across.h"

struct workers;

typedef void workers_fn(struct gateway *g, void *arg);

/* count: threads besides the owner's, at most HTTP_WORKERS_MAX. NULL: no memory. */
MUST_USE struct workers *workers_new(struct loop *owner, unsigned count);
/* Each with a gateway like the owner's, of which config was made. False: the log says why, and none is
 * running. */
MUST_USE bool workers_start(struct workers *ws, struct gateway *owner, const struct gateway_config *config);
/* fn with each worker's gateway, in its thread, one after another; all have been when it comes back. Takes
 * NULL. */
void workers_each(struct workers *ws, workers_fn *fn, void *arg);
/* They stop: answers under way have their half second, streams say bye. Before the owner's gateway does.
 * Takes NULL, and those that never started. */
void workers_stop(struct workers *ws);
void workers_free(struct workers *ws); /* after workers_stop; takes NULL */

#endif
