/*
 * global_split: partitions that overlap are prevented, as OTP does it: who hears that a node is lost to
 * another parts with it too, and passes it on.
 *
 * This node obeys, and passes on; it announces no losses of its own. A link has two ends, and the other one
 * announces the loss (OTP 25 and later): we are then removed from the cluster, by everyone, and no one else
 * is. Were we to announce it as well, the other node would be cut off from all the others for the sake of its
 * link to us.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/global_state.h"
#include "node/internal.h"

enum {
    LOSS_MAX = 1024,       /* remembered; then the one heard of longest ago is forgotten */
    LOSS_MS = 3600 * 1000, /* as OTP's */
};

/* NodeA has said that it has lost NodeB; the later it said so, the greater op, in one creation of it. */
struct global_loss {
    struct global_loss *next;
    int64_t creation, op;
    uint64_t at_ms;
    struct slice by, lost; /* stand in text */
    uint8_t text[];
};

void global_split_fini(struct global *g)
{
    while (g->losses) {
        struct global_loss *next = g->losses->next;

        mem_free(g->losses);
        g->losses = next;
    }
}

/* What is old goes, and what is too much. */
static void forget_old(struct global *g, uint64_t now)
{
    struct global_loss **at = &g->losses;

    g->loss_count = 0;
    while (*at) {
        struct global_loss *l = *at;

        if (g->loss_count < LOSS_MAX - 1 && now - l->at_ms < LOSS_MS) {
            g->loss_count++;
            at = &l->next;
        } else {
            *at = l->next;
            mem_free(l);
        }
    }
}

static struct global_loss **find_loss(struct global *g, const struct global_msg *m)
{
    struct global_loss **at = &g->losses;

    while (*at && !(slice_eq((*at)->by, m->node) && slice_eq((*at)->lost, m->other)))
        at = &(*at)->next;
    return at;
}

/* False: it is known already; it goes round. */
static bool remember(struct global *g, const struct global_msg *m)
{
    uint64_t now = loop_now_ms(g->node->loop);
    struct global_loss **at = find_loss(g, m), *l = *at;

    if (l && l->creation == m->creation && m->op <= l->op)
        return false;
    if (l) {
        *at = l->next;
    } else {
        forget_old(g, now);
        l = mem_alloc(sizeof *l + m->node.len + m->other.len);
        if (!l)
            return true;
        memcpy(l->text, m->node.ptr, m->node.len);
        memcpy(l->text + m->node.len, m->other.ptr, m->other.len);
        l->by = slice_of(l->text, m->node.len);
        l->lost = slice_of(l->text + m->node.len, m->other.len);
        g->loss_count++;
    }
    l->creation = m->creation;
    l->op = m->op;
    l->at_ms = now;
    l->next = g->losses;
    g->losses = l;
    return true;
}

static bool takes_part(const struct global_peer *p)
{
    return (p->is_known && p->vsn >= GLOBAL_VSN_PARTITIONS) ||
           (p->is_pending && p->pending_vsn >= GLOBAL_VSN_PARTITIONS);
}

/* To all that take part but who said it. */
static void pass_on(struct global *g, const struct global_msg *m)
{
    const struct global_peer *p;
    size_t cursor = 0;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 5);
    etf_write_atom_str(&w, "lost_connection");
    etf_write_atom(&w, m->node);
    etf_write_int64(&w, m->creation);
    etf_write_int64(&w, m->op);
    etf_write_atom(&w, m->other);
    while ((p = map_next(&g->peers, &cursor, NULL)))
        if (takes_part(p) && !slice_eq(p->name, m->node))
            global_send(g, g->self, p->name, &w, false);
    wr_fini(&w);
}

static void say_remove(struct global *g, struct slice node)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "remove_connection");
    etf_write_atom(&w, g->node->name_slice);
    global_send(g, g->self, node, &w, false);
    wr_fini(&w);
}

static void note(struct slice node, const char *what)
{
    LOG(LOG_WARN, "global-parts", LOG_SLICE("node", node), LOG_STR("done", what),
        LOG_STR("why", "partitions must not overlap"));
}

void global_lost_connection(struct global *g, const struct global_msg *m)
{
    struct global_peer *p;
    bool can_be_asked;

    if (!remember(g, m))
        return;
    pass_on(g, m);
    /* When it is us who are lost, the others part with us; from who has lost us we part ourselves. */
    p = global_peer_get(g, slice_eq(m->other, g->node->name_slice) ? m->node : m->other);
    if (!p || (!p->is_known && !p->is_pending))
        return;
    can_be_asked = takes_part(p);
    note(p->name, can_be_asked ? "it is asked to disconnect" : "disconnected");
    if (can_be_asked)
        say_remove(g, p->name);
    global_node_ended(g, p);
    if (!can_be_asked)
        (void)node_disconnect(g->node, p->name);
    global_peer_tidy(g, p);
}

void global_remove_connection(struct global *g, struct slice node)
{
    struct global_peer *p = global_peer_get(g, node);

    if (!p || (!p->is_known && !p->is_pending))
        return;
    note(node, "disconnected, as it asks");
    global_node_ended(g, p);
    (void)node_disconnect(g->node, p->name);
    global_peer_tidy(g, p);
}
