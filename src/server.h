/* server: what `erlgate serve` is made of, for the files that start, reload and stop it. */
#ifndef ERLGATE_SRC_SERVER_H
#define ERLGATE_SRC_SERVER_H

#include "loop/loop.h"
#include "src/files.h"
#include "src/notify.h"
#include "src/settings.h"
#include "src/workers.h"

/*
 *   STARTING --(registered with EPMD, HTTP listens)--> SERVING --(signal)--> LEAVING --(--drain-delay)-->
 * DRAINING |                                                                        | |
 *      `------(failure, signal)------> STOPPED <------(a second signal)---------+--(nothing waits, or ------'
 *                                                                                   --stop-timeout is up)
 */
enum server_state { STARTING, SERVING, LEAVING, DRAINING, STOPPED };

/* What was read in one go: the texts, and what they mean. */
struct configuration {
    struct options options;
    struct settings settings;
};

struct server {
    enum server_state state;
    int status; /* to exit with */
    int argc;   /* what it was started with, to be read again */
    char **argv;
    struct configuration start;    /* what node and listeners were made with, and point into */
    struct configuration *current; /* start, or, owned, what SIGHUP has read since */
    struct files files;
    struct loop *loop;
    struct node *node;
    struct gateway *gateway;
    struct workers *workers;  /* NULL: all is done in this thread */
    struct loop_hook *hook;   /* while DRAINING: looks whether anything still waits */
    struct loop_timer *limit; /* of LEAVING, then of DRAINING */
    struct loop_timer *watch; /* while DRAINING with workers: looks at them */
    struct loop_signal *signals[5];
    struct loop_timer *reload_timer; /* of a SIGHUP, in the next turn */
    struct notify notify;
    uint64_t left_ms;      /* when LEAVING began */
    char status_text[640]; /* for the service manager */
};

/* fn with the gateway of each thread, in that thread, while this one waits; with the owner's first. */
static inline void server_each_gateway(struct server *s, workers_fn *fn, void *arg)
{
    fn(s->gateway, arg);
    workers_each(s->workers, fn, arg);
}

/* ---- ready.c ---- */

/* gateway_config.checks, of a server. */
size_t server_checks(void *ctx, struct gateway_check *ret);

/* ---- drain.c ---- */

/* Ends it in order; when it is ending already, or has not begun to serve, at once. */
void server_drain(struct server *s);
void server_stop(struct server *s); /* at once */

/* ---- reload.c ---- */

/* SIGHUP: reads everything again, and takes it all, or nothing. */
void reload(struct server *s);
void configuration_free(struct configuration *c); /* takes NULL; for those that reload has made */

#endif
