/*
 * client: how a node makes itself known to an EPMD, and asks one where another node is.
 *
 * Two things. struct epmd_client is a registration that is kept up: made by epmd_client_new, which starts it,
 * ended by epmd_client_free, which unregisters. struct epmd_queries is a set of one-shot questions by id. All
 * on the loop's thread; no callback comes from within a call.
 */
#ifndef ERLGATE_EPMD_CLIENT_H
#define ERLGATE_EPMD_CLIENT_H

#include "epmd/msg.h"
#include "loop/loop.h"

/* ---- a registration ---- */

struct epmd_client;

enum epmd_client_event {
    EPMD_CLIENT_REGISTERED,  /* the name is ours, with this creation. A node that is up keeps the creation it
                                first had */
    EPMD_CLIENT_REFUSED,     /* the EPMD said no (ERR_NAME_TAKEN): another node has the name */
    EPMD_CLIENT_UNREACHABLE, /* no EPMD there, or one that does not answer: ERR_NO_HOST, ERR_NO_CONNECTION,
                                ERR_TIMEOUT, ERR_MALFORMED */
    EPMD_CLIENT_LOST,        /* was registered; the EPMD is gone */
};

/* Every event but REGISTERED is followed by another attempt after retry_ms. The client may be freed in here.
 */
typedef void epmd_client_fn(void *ctx, enum epmd_client_event event, uint32_t creation, enum err why);

struct epmd_client_config {
    const char *host;   /* where the EPMD is; NULL: 127.0.0.1. Copied */
    uint16_t epmd_port; /* 0: 4369 */
    struct slice name;  /* before the '@'. Copied */
    uint16_t port;      /* where we accept; 0 is legal, for a node that only dials */
    enum epmd_type type;
    uint64_t retry_ms;   /* between attempts; 0: 1000, and each attempt that fails adds as much, up to three
                            times it */
    uint64_t timeout_ms; /* for one attempt; 0: 5000 */
    epmd_client_fn *event;
    void *ctx;
};

/* ERR_INVALID: name; ERR_NOMEM. The first event comes later, from the loop. */
MUST_USE enum err epmd_client_new(struct loop *l, const struct epmd_client_config *config,
                                  struct epmd_client **ret);
/* Closes the connection, and by that unregisters. Takes NULL. */
void epmd_client_free(struct epmd_client *c);
bool epmd_client_is_registered(const struct epmd_client *c);

/* ---- questions ---- */

struct epmd_queries;

MUST_USE struct epmd_queries *epmd_queries_new(struct loop *l);
/* Cancels what is under way, without callbacks. Takes NULL. Not from within a callback of its own. */
void epmd_queries_free(struct epmd_queries *q);
size_t epmd_queries_pending(const struct epmd_queries *q);

/*
 * Exactly one callback, later, from the loop, unless it is cancelled. entry (borrowed during the call) is
 * NULL unless e is ERR_NONE. ERR_NO_NODE: the EPMD knows no such name; ERR_NO_HOST: the host's name leads
 * nowhere; ERR_NO_CONNECTION: no EPMD there; ERR_TIMEOUT; ERR_MALFORMED: what answers is no EPMD; ERR_NOMEM.
 */
typedef void epmd_found_fn(void *ctx, uint64_t id, enum err e, const struct epmd_entry *entry);

/* host: where node and EPMD are; epmd_port 0: 4369; timeout in all. ctx and id are handed to fn. Gives a
 * handle for cancelling, or 0: failed at once (no memory, or a name that is none), fn is not called. */
MUST_USE uint64_t epmd_lookup(struct epmd_queries *q, const char *host, uint16_t epmd_port,
                              struct slice alive_name, uint64_t timeout_ms, epmd_found_fn *fn, void *ctx,
                              uint64_t id);

/* names: count of them, borrowed during the call, in the EPMD's order. is_here: it runs on this machine.
 * Errors as above, and ERR_TOO_LARGE past a MiB. */
typedef void epmd_listed_fn(void *ctx, uint64_t id, enum err e, const struct epmd_name *names, size_t count,
                            bool is_here);

MUST_USE uint64_t epmd_names(struct epmd_queries *q, const char *host, uint16_t epmd_port,
                             uint64_t timeout_ms, epmd_listed_fn *fn, void *ctx, uint64_t id);

/* The reply to any request, read up to the end of the connection. For tools. */
typedef void epmd_answered_fn(void *ctx, uint64_t id, enum err e, struct slice reply);

MUST_USE uint64_t epmd_ask(struct epmd_queries *q, const char *host, uint16_t epmd_port,
                           const struct epmd_request *request, uint64_t timeout_ms, epmd_answered_fn *fn,
                           void *ctx, uint64_t id);

/* Its callback is not called any more. An unknown handle is ignored. */
void epmd_query_cancel(struct epmd_queries *q, uint64_t handle);

#endif
