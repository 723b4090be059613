/*
 * from: ?from={id}: the process of this node, made by HTTP, in whose name a request is made.
 */
#include "bridge/inbox.h"

bool from_set(struct gateway *g, struct exchange *x, struct slice id)
{
    struct inbox *in;

    if (g->config.owner) {
        x->wants_owner = true;
        return true;
    }
    if (!processes_find(g, x->http_id, id, "from", &in))
        return false;
    x->from = in->self.number;
    return true;
}
