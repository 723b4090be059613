/*
 * spawned: what other nodes spawn here (SPAWN_REQUEST): erpc's and rpc's calls of registered functions, and
 * nothing else.
 */
#ifndef ERLGATE_NODE_SPAWNED_H
#define ERLGATE_NODE_SPAWNED_H

#include "dist/ctl.h"
#include "node/node.h"

struct link;

/* l: the link that it came over. */
void spawn_request_came(struct node *n, struct link *l, const struct dist_message *m);
/* The reply to a spawn request of ours that has ended: the monitor that came with it is taken back. */
void spawn_reply_late(struct node *n, const struct dist_ctl *ctl, const struct etf_atoms *atoms);

#endif
