/*
 * from: ?from={id}: the process of this node, made by HTTP, in whose name a request is made.
 */
#include "bridge/internal.h"

/* The number (struct node_self) of the process with that id; 0: there is none. */
static uint32_t find(const struct gateway *g, struct slice id)
{
    (void)g;
    (void)id;
    return 0; /* no process can be made over HTTP yet */
}

bool from_set(struct gateway *g, struct exchange *x, struct slice id)
{
    static const struct http_problem unknown = {
        .code = "not-found", .detail = "there is no process with that id", .parameter = "from"};

    x->from = find(g, id);
    if (!x->from)
        http_answer_problem(g->http, x->http_id, &unknown);
    return x->from != 0;
}
