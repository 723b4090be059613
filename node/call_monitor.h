/*
 * call_monitor: one monitor for the calls that a turn of the loop writes to one process, one behind the other
 * (decision 0026).
 *
 * Made by the first of them, joined by those that come in the same turn, given back to the peer when the last
 * of them ends. It is set by a process of the node's own, which is the sender of these calls, too: what comes
 * from one process comes in order.
 */
#ifndef ERLGATE_NODE_CALL_MONITOR_H
#define ERLGATE_NODE_CALL_MONITOR_H

#include <stdbool.h>

#include "base/err.h"

struct link;
struct node;
struct request;
struct call_monitor;

/* May it have its monitor together with others, over this link, which is up? */
bool call_monitor_suits(const struct request *r, const struct link *l);
/* Watches its callee for it, over its link: r->monitor is set then. ERR_NOMEM and what link_send gives. */
MUST_USE enum err call_monitor_join(struct request *r);
/* It needs it no longer; the last one gives it back. No harm where r->monitor is NULL. */
void call_monitor_leave(struct request *r);
/* What is written from now on comes later than what has been: the next call gets a monitor of its own. */
void call_monitor_close(struct link *l);

void call_monitors_free_spare(struct node *n);

#endif
