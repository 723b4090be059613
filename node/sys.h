/* sys: what the module sys asks of a server: {system, From, Request}. */
#ifndef ERLGATE_NODE_SYS_H
#define ERLGATE_NODE_SYS_H

#include "node/actor.h"
#include "node/server.h"

struct server {
    const struct node_server_ops *ops; /* borrowed */
    void *state;                       /* borrowed */
};

/* get_state, get_status, suspend, resume, terminate; refuses replace_state and change_code; the rest is
 * answered as sys does what it does not know. */
void sys_request(struct actor *a, struct server *s, const struct node_from *from, struct etf_rd request);

#endif
