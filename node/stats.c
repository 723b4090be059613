/*
 * stats: what a node has counted, and how it stands.
 */
#include "node/internal.h"

void node_totals_add(struct node_totals *t, const struct link *l)
{
    struct dist_conn_stats c;

    if (!l->conn)
        return;
    c = dist_conn_stats(l->conn);
    t->bytes_in += c.bytes_in;
    t->bytes_out += c.bytes_out;
    t->messages_in += c.messages_in;
    t->messages_out += c.messages_out;
    t->ticks_in += c.ticks_in;
    t->ticks_out += c.ticks_out;
}

static void add_link(struct node_stats *s, const struct link *l)
{
    node_totals_add(&s->totals, l);
    s->queued += l->conn ? dist_conn_queued(l->conn) : 0;
    switch (l->state) {
    case LINK_RESOLVING: s->resolving++; break;
    case LINK_DIALLING: s->dialling++; break;
    case LINK_HANDSHAKE:
    case LINK_YIELDED: s->handshakes++; break;
    case LINK_UP: s->up++; break;
    case LINK_CLOSED: break;
    }
}

void node_stats(const struct node *n, struct node_stats *ret)
{
    struct node_epmd_name name;
    struct node_known known;
    const void *at = NULL;
    const struct link *l;
    uint32_t links = 0;
    size_t nodes = 0;

    *ret = (struct node_stats){.totals = n->totals, .max_queue = n->max_queue};
    while ((l = idtab_next(&n->links, &links)))
        add_link(ret, l);
    /* Closed in this turn: out of the table, and not yet added to the totals. */
    for (l = n->dead; l; l = l->next_dead)
        node_totals_add(&ret->totals, l);
    while (node_next_epmd_name(n, &at, &name))
        ret->epmd_names++;
    while (node_next_known(n, &nodes, &known))
        ret->known++;
}

bool node_last_failure(const struct node *n, struct slice name, struct node_failure *ret)
{
    const struct failure *f = failures_find(&n->failures, name);

    if (f)
        *ret = (struct node_failure){f->err, f->text, loop_now_ms(n->loop) - f->at_ms};
    return f != NULL;
}

const struct loop_tls *node_tls(const struct node *n)
{
    return n->tls;
}
