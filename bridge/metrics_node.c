/*
 * metrics_node: the part of /metrics about other nodes: links, EPMD.
 */
#include "base/check.h"
#include "bridge/internal.h"

static void put(struct exposition *x, enum metric m, uint64_t value)
{
    metrics_begin(x, m);
    exposition_uint(x, NO_LABELS, value);
}

static void put_labelled(struct exposition *x, const char *label, const char *value, uint64_t n)
{
    exposition_uint(x, LABELS({label, slice_of_str(value)}), n);
}

static void put_ways(struct exposition *x, enum metric m, uint64_t in, uint64_t out)
{
    metrics_begin(x, m);
    put_labelled(x, "direction", "in", in);
    put_labelled(x, "direction", "out", out);
}

static void put_reasons(struct exposition *x, enum metric m, const uint64_t counts[ERR_COUNT_])
{
    metrics_begin(x, m);
    for (unsigned e = 0; e < ERR_COUNT_; e++)
        if (counts[e])
            put_labelled(x, "reason", err_name(e), counts[e]);
}

static void write_links(const struct node_stats *s, struct exposition *x)
{
    const struct node_totals *t = &s->totals;

    metrics_begin(x, METRIC_LINKS);
    put_labelled(x, "state", "resolving", s->resolving);
    put_labelled(x, "state", "dialling", s->dialling);
    put_labelled(x, "state", "handshake", s->handshakes);
    put_labelled(x, "state", "up", s->up);
    metrics_begin(x, METRIC_LINKS_UP);
    put_labelled(x, "by", "us", t->dialled);
    put_labelled(x, "by", "them", t->accepted);
    put_reasons(x, METRIC_LINKS_DOWN, t->lost);
    put_reasons(x, METRIC_LINKS_FAILED, t->failed);
    put_ways(x, METRIC_DIST_BYTES, t->bytes_in, t->bytes_out);
    put_ways(x, METRIC_DIST_MESSAGES, t->messages_in, t->messages_out);
    put_ways(x, METRIC_DIST_TICKS, t->ticks_in, t->ticks_out);
    put(x, METRIC_DIST_QUEUE, s->queued);
    put(x, METRIC_LINK_QUEUE_LIMIT, s->max_queue);
    put(x, METRIC_SIGNALS_LOST, t->signals_lost);
    put(x, METRIC_NODES_KNOWN, s->known);
}

/* ---- by node: those that the configuration names, and those that are up, as many as there is room for ----
 */

struct chosen {
    struct node_peer peers[METRICS_NODES_MAX];
    size_t count, left_out;
};

static void choose(struct chosen *c, const struct node_peer *peer)
{
    if (c->count < METRICS_NODES_MAX)
        c->peers[c->count++] = *peer;
    else
        c->left_out++;
}

/* A node that clients have merely named has no series: there is no end of names. */
static void choose_all(const struct gateway *g, struct chosen *c)
{
    struct node_known known;
    struct node_peer peer;
    size_t cursor = 0;

    while (node_next_known(g->node, &cursor, &known)) {
        if (!known.is_configured)
            continue;
        if (!node_find_peer(g->node, known.name, &peer))
            peer = (struct node_peer){.name = known.name};
        choose(c, &peer);
    }
    cursor = 0;
    while (node_next_peer(g->node, &cursor, &peer))
        if (peer.is_up && !node_is_configured(g->node, peer.name))
            choose(c, &peer);
}

/* Its lines of that family. */
static void write_peer(struct exposition *x, enum metric m, const struct node_peer *p)
{
    struct exposition_labels in = LABELS({"node", p->name}, {"direction", SLICE("in")}),
                             out = LABELS({"node", p->name}, {"direction", SLICE("out")}),
                             one = LABELS({"node", p->name});

    switch (m) {
    case METRIC_LINK_UP: exposition_uint(x, one, p->is_up); break;
    case METRIC_LINK_QUEUE: exposition_uint(x, one, p->queued); break;
    case METRIC_LINK_CALLS: exposition_uint(x, one, p->in_flight); break;
    case METRIC_LINK_BYTES:
        exposition_uint(x, in, p->bytes_in);
        exposition_uint(x, out, p->bytes_out);
        break;
    case METRIC_LINK_MESSAGES:
        exposition_uint(x, in, p->messages_in);
        exposition_uint(x, out, p->messages_out);
        break;
    default:
        exposition_uint(x, in, p->ticks_in);
        exposition_uint(x, out, p->ticks_out);
        break;
    }
}

static void write_peers(struct gateway *g, struct exposition *x)
{
    static const enum metric by_peer[] = {METRIC_LINK_UP,    METRIC_LINK_BYTES, METRIC_LINK_MESSAGES,
                                          METRIC_LINK_TICKS, METRIC_LINK_QUEUE, METRIC_LINK_CALLS};
    enum { SERIES_A_NODE = 9 };
    struct chosen c;

    c.count = c.left_out = 0;
    choose_all(g, &c);
    for (size_t m = 0; m < ARRAY_LEN(by_peer); m++) {
        metrics_begin(x, by_peer[m]);
        for (size_t i = 0; i < c.count; i++)
            write_peer(x, by_peer[m], &c.peers[i]);
    }
    g->metrics.dropped_series += SERIES_A_NODE * c.left_out;
    put(x, METRIC_SERIES_DROPPED, g->metrics.dropped_series);
}

static const char *epmd_mode(const struct node *n)
{
    if (!node_has_epmd(n))
        return "none";
    return node_has_embedded_epmd(n) ? "embedded" : "external";
}

void metrics_write_node(struct gateway *g, struct exposition *x)
{
    struct node_stats s;

    node_stats(g->node, &s);
    write_links(&s, x);
    write_peers(g, x);
    put(x, METRIC_EPMD_REGISTERED, node_is_registered(g->node));
    metrics_begin(x, METRIC_EPMD_INFO);
    put_labelled(x, "mode", epmd_mode(g->node), 1);
    put(x, METRIC_EPMD_NAMES, s.epmd_names);
}
