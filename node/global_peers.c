/*
 * global_peers: the nodes that `global` has heard of: which are linked, known, in sync; what is said to them.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/global_state.h"
#include "node/internal.h"

struct global_peer *global_peer_get(const struct global *g, struct slice name)
{
    return map_get(&g->peers, name);
}

static bool is_linked(const struct global *g, struct slice name)
{
    const struct link *l = link_find(g->node, name);

    return l && l->state == LINK_UP;
}

struct global_peer *global_peer_add(struct global *g, struct slice name)
{
    struct global_peer *p = global_peer_get(g, name);

    if (p)
        return p;
    if (!node_name_is_valid(name) || slice_eq(name, g->node->name_slice))
        return NULL;
    /* Links have a bound of their own; who is linked waits to meet us, and its global:sync/0 with it. */
    if (g->peers.count >= GLOBAL_MAX_PEERS && !is_linked(g, name))
        return NULL;
    p = mem_zalloc(sizeof *p + name.len);
    if (!p)
        return NULL;
    memcpy(p->text, name.ptr, name.len);
    p->name = slice_of(p->text, name.len);
    if (map_put(&g->peers, p->name, p) != ERR_NONE) {
        mem_free(p);
        p = NULL;
    }
    return p;
}

void global_peer_tidy(struct global *g, struct global_peer *p)
{
    if (p->is_up || p->is_sought || p->is_known || p->is_pending || p->meeting)
        return;
    map_remove(&g->peers, p->name);
    mem_free(p);
}

bool global_peer_is_up(const struct global *g, struct slice name)
{
    const struct global_peer *p = global_peer_get(g, name);

    return p && p->is_up && !p->is_parted && is_linked(g, name);
}

void global_node_ended(struct global *g, struct global_peer *p)
{
    global_meeting_end(g, p);
    p->is_known = p->is_pending = p->is_synced = false;
    p->vsn = p->pending_vsn = 0;
}

/* ---- those that are known ---- */

bool global_known(const struct global *g, bool with_self, struct global_nodes *ret)
{
    const struct global_peer *p;
    size_t cursor = 0;

    global_nodes_clear(ret);
    if (with_self && !global_nodes_add(ret, g->node->name_slice))
        return false;
    while ((p = map_next(&g->peers, &cursor, NULL)))
        if (p->is_known && !global_nodes_add(ret, p->name))
            return false;
    return true;
}

void global_write_known(const struct global *g, struct wr *w, int64_t vsn)
{
    const struct global_peer *p;
    size_t cursor = 0;
    uint32_t count = 0;

    while ((p = map_next(&g->peers, &cursor, NULL)))
        count += p->is_known;
    if (count > 0)
        etf_write_list(w, count);
    cursor = 0;
    while ((p = map_next(&g->peers, &cursor, NULL))) {
        if (!p->is_known)
            continue;
        if (vsn >= GLOBAL_VSN_PARTITIONS)
            etf_write_tuple(w, 2);
        etf_write_atom(w, p->name);
        if (vsn >= GLOBAL_VSN_PARTITIONS)
            etf_write_int64(w, p->vsn);
    }
    etf_write_nil(w);
}

void global_add_known_one(struct global *g, struct slice node, int64_t vsn)
{
    struct global_peer *p = global_peer_add(g, node);

    if (!p)
        return;
    if (!p->is_known)
        p->vsn = vsn;
    else if (p->vsn == 0)
        p->vsn = vsn;
    p->is_known = true;
}

void global_add_known(struct global *g, struct etf_rd nodes, bool tell_all)
{
    uint32_t count = global_list_open(&nodes);
    struct slice node;
    int64_t vsn;

    while (count-- > 0 && global_nodes_next(&nodes, &node, &vsn)) {
        struct global_peer *p = global_peer_add(g, node);
        bool was_known = p && p->is_known;

        if (!p)
            continue;
        if (vsn == 0 && p->is_pending)
            vsn = p->pending_vsn;
        global_add_known_one(g, node, vsn);
        if (tell_all || !was_known)
            global_tell_in_sync(g, p);
    }
}

/* ---- what is said to them ---- */

void global_part_with(struct global *g, struct slice node, const char *why)
{
    struct global_peer *p = global_peer_get(g, node);

    if (!p || !p->is_up || p->is_parted)
        return;
    LOG(LOG_WARN, "global-disconnects", LOG_SLICE("node", node), LOG_STR("why", why));
    /* Not from here: what ends with the link would be told in the midst of what is being done. */
    p->is_parted = true;
    if (node_set_timeout(g->self, 1) != ERR_NONE)
        LOG(LOG_WARN, "no-timer", LOG_STR("process", "global_name_server"));
}

void global_send(struct global *g, struct node_self from, struct slice node, const struct wr *term,
                 bool is_vital)
{
    struct node_dest to = {.kind = NODE_DEST_NAME, .name = global_server_name, .node = node};
    struct actor *a = actor_get(from);
    struct slice bytes = wr_written(term);
    uint32_t uses = 0;
    enum err e = term->err;

    if (!a || !global_peer_is_up(g, node))
        return;
    if (e == ERR_NONE)
        e = spawn_check_term(bytes, &uses);
    if (e == ERR_NONE)
        e = actor_send(a, &to, &bytes, 1, uses);
    if (e != ERR_NONE && is_vital)
        global_part_with(g, node, err_name(e));
    else if (e != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("node", node), LOG_STR("error", err_name(e)));
}

static void say_in_sync(struct global *g, const struct global_peer *p)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "$gen_cast");
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "in_sync");
    etf_write_atom(&w, g->node->name_slice);
    etf_write_atom_str(&w, "true");
    global_send(g, g->self, p->name, &w, true);
    wr_fini(&w);
}

void global_tell_in_sync(struct global *g, struct global_peer *p)
{
    if (p->is_up) {
        say_in_sync(g, p);
        return;
    }
    if (p->is_sought)
        return;
    p->is_sought = node_monitor_node(g->self, p->name, true) == ERR_NONE;
    if (!p->is_sought)
        LOG(LOG_WARN, "global-not-connected", LOG_SLICE("node", p->name));
}
