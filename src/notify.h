/*
 * notify: what the service manager is told, as sd_notify(3) tells it: a datagram to $NOTIFY_SOCKET.
 *
 * Without that variable nothing is told. Nothing here can fail: a manager that does not listen misses it.
 */
#ifndef ERLGATE_SRC_NOTIFY_H
#define ERLGATE_SRC_NOTIFY_H

#include "loop/loop.h"

struct notify {
    int fd; /* -1: nobody is to be told */
    uint64_t watchdog_ms;
    struct loop_timer *watchdog; /* owned; NULL: none is wanted */
};

/* Reads $NOTIFY_SOCKET, and $WATCHDOG_USEC if it is meant for this process. */
void notify_init(struct notify *n, struct loop *l);
void notify_fini(struct notify *n);
/* status: one line for who asks the manager how it is. */
void notify_ready(const struct notify *n, const char *status);
void notify_reloading(const struct notify *n);
/* It may take so long. */
void notify_stopping(const struct notify *n, const char *status, uint64_t limit_ms);

#endif
