/*
 * keep: links that are made again. Nodes do not look for one that is hidden, so a node that comes back would
 * be seen by nobody.
 *
 * Kept are the nodes of --require-node, for good; and each that is lost while somebody is told of nodes
 * (/nodes/monitor), for LOST_MS: its nodeup then is as sure as its nodedown. Not what was disconnected on
 * purpose, nor what had connected to us: it knows the way, or was a tool's node for a moment. Attempts come
 * after FIRST_MS, then twice as late each time, up to LAST_MS, until a link has lasted for LASTED_MS.
 */
#include "base/mem.h"
#include "bridge/internal.h"
#include "node/spawn.h"

enum {
    FIRST_MS = 500,
    LAST_MS = 20000,
    LOOK_MS = 2000,           /* whether a required node is there */
    LOST_MS = 60 * 60 * 1000, /* then a node that was lost is not expected back */
    LOST_MAX = 256,
    LASTED_MS = 10000,
};

struct kept {
    struct kept *next;
    bool is_required;
    uint32_t wait_ms;  /* before the attempt after the next */
    uint64_t due_ms;   /* the next attempt */
    uint64_t tried_ms; /* the last one; 0: none since a link has lasted */
    uint64_t until_ms; /* !is_required */
    struct slice name; /* stands in text */
    uint8_t text[];
};

static struct kept *find(const struct gateway *g, struct slice name)
{
    struct kept *k = g->kept_nodes;

    while (k && !slice_eq(k->name, name))
        k = k->next;
    return k;
}

/* NULL: no memory. */
static struct kept *add(struct gateway *g, struct slice name)
{
    struct kept *k = mem_zalloc(sizeof *k + name.len);

    if (!k)
        return NULL;
    memcpy(k->text, name.ptr, name.len);
    k->name = slice_of(k->text, name.len);
    k->next = g->kept_nodes;
    g->kept_nodes = k;
    g->kept_node_count++;
    return k;
}

static void drop(struct gateway *g, struct kept **at)
{
    struct kept *k = *at;

    *at = k->next;
    g->kept_node_count--;
    mem_free(k);
}

/* Since the last attempt? Then it has not come of that. */
static bool has_lasted(struct kept *k, uint64_t now)
{
    if (k->tried_ms && now - k->tried_ms > LASTED_MS)
        k->tried_ms = 0;
    return !k->tried_ms;
}

/* It has gone: is it one that comes and goes? */
static void expect(struct kept *k, uint64_t now)
{
    if (has_lasted(k, now)) {
        k->wait_ms = 2 * FIRST_MS;
        k->due_ms = now + FIRST_MS;
    }
    k->until_ms = now + LOST_MS;
}

static void attempt(struct gateway *g, struct kept *k, uint64_t now)
{
    uint64_t op;

    /* What it comes to is in the log, and the next attempt comes anyway. */
    if (node_connect(g->node, k->name, g->config.default_timeout_ms, NULL, NULL, 0, &op) != ERR_NONE) {
        /* As one that came to nothing. */
    }
    k->tried_ms = now ? now : 1;
    k->due_ms = now + k->wait_ms;
    k->wait_ms = 2 * k->wait_ms < LAST_MS ? 2 * k->wait_ms : LAST_MS;
}

/* Dials what is due; false: it need not be kept any more. Gives when it is to be looked at again. */
static bool look_at(struct gateway *g, struct kept *k, uint64_t now, uint64_t *ret_ms)
{
    struct node_peer peer;
    bool has_link = node_find_peer(g->node, k->name, &peer), is_up = has_link && peer.is_up;

    if (!k->is_required && (is_up ? has_lasted(k, now) : now >= k->until_ms))
        return false;
    if (!k->is_required && g->node_watches == 0) { /* perhaps the watcher comes back, too */
        *ret_ms = now + LAST_MS;
        return true;
    }
    if (is_up && has_lasted(k, now))
        expect(k, now);
    else if (!has_link && now >= k->due_ms)
        attempt(g, k, now);
    *ret_ms = has_link || (k->is_required && k->due_ms > now + LOOK_MS) ? now + LOOK_MS : k->due_ms;
    return true;
}

void keep_due(void *ctx, uint64_t id)
{
    struct gateway *g = ctx;
    uint64_t now = loop_now_ms(g->loop), next_ms = UINT64_MAX, ms = 0;

    (void)id;
    if (g->is_quiet)
        return;
    for (struct kept **at = &g->kept_nodes; *at;) {
        if (!look_at(g, *at, now, &ms)) {
            drop(g, at);
            continue;
        }
        next_ms = ms < next_ms ? ms : next_ms;
        at = &(*at)->next;
    }
    if (g->kept_nodes)
        loop_timer_start(g->keep_timer, next_ms > now ? next_ms - now : 0);
}

void keep_lost(struct gateway *g, const struct node_change *change)
{
    struct etf_rd reason = etf_rd_of(change->reason, NULL);
    struct kept *k = find(g, change->node);

    if (g->is_quiet || !change->was_dialled || etf_read_atom_is(&reason, "disconnect"))
        return;
    if (!k && g->kept_node_count < LOST_MAX)
        k = add(g, change->node);
    if (!k)
        return;
    expect(k, loop_now_ms(g->loop));
    keep_due(g, 0);
}

bool keep_forget(struct gateway *g, struct slice name)
{
    struct kept **at = &g->kept_nodes;

    while (*at && !slice_eq((*at)->name, name))
        at = &(*at)->next;
    if (!*at || (*at)->is_required)
        return false;
    drop(g, at);
    return true;
}

void keep_required(struct gateway *g)
{
    const char *const *names = g->config.required_nodes;
    struct kept *k;

    for (k = g->kept_nodes; k; k = k->next)
        k->is_required = false;
    for (; names && *names; names++) {
        k = find(g, slice_of_str(*names));
        if (!k)
            k = add(g, slice_of_str(*names));
        atoms_learn(&g->atoms, slice_of_str(*names)); /* the operator's, not HTTP's */
        if (k) {
            k->is_required = true;
            k->wait_ms = FIRST_MS;
            k->due_ms = 0;
        }
    }
    keep_due(g, 0);
}

void keep_fini(struct gateway *g)
{
    while (g->kept_nodes)
        drop(g, &g->kept_nodes);
    loop_timer_free(g->keep_timer);
}
