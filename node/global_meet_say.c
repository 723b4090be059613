/*
 * global_meet_say: what is said in a meeting: to him, and at its end, of him, to those that we know.
 */
#include "etf/write.h"
#include "node/global_meeting.h"
#include "node/internal.h"

static void begin_cast(struct wr *w, uint32_t arity, const char *verb)
{
    wr_init(w, SIZE_MAX);
    etf_write_tuple(w, 2);
    etf_write_atom_str(w, "$gen_cast");
    etf_write_tuple(w, arity);
    etf_write_atom_str(w, verb);
}

static void send_and_end(struct global *g, const struct global_peer *p, struct wr *w)
{
    global_send(g, g->self, p->name, w, true);
    wr_fini(w);
}

/* ---- lists ---- */

/* What that node cannot be sent: a single name of the kind must not cost the link. */
static uint32_t refused_by(const struct global *g, struct slice node)
{
    const struct link *l = link_find(g->node, node);

    return l && l->state == LINK_UP ? dist_conn_peer_refuses(l->conn) : 0;
}

static bool is_fit(struct slice term, uint32_t refused)
{
    uint32_t uses = 0;

    return refused == 0 || (spawn_check_term(term, &uses) == ERR_NONE && !(uses & refused));
}

void global_items_write(struct wr *w, const struct global_items *items, uint32_t refused)
{
    struct etf_rd r = etf_rd_of(wr_written(&items->w), NULL);
    uint32_t fit = 0;
    struct slice item;
    size_t at = 0;

    if (items->count > 0) {
        wr_u8(w, ETF_LIST_EXT);
        at = wr_reserve(w, 4);
    }
    for (uint32_t i = 0; i < items->count && etf_skip(&r, &item); i++) {
        if (!is_fit(item, refused))
            continue;
        wr_slice(w, item);
        fit++;
    }
    if (items->count > 0)
        wr_patch_be32(w, at, fit);
    etf_write_nil(w);
    if (!wr_ok(&items->w))
        wr_fail(w, items->w.err);
}

static void write_name(struct wr *w, const struct global_name *n)
{
    etf_write_tuple(w, 3);
    wr_slice(w, n->name);
    etf_write_pid(w, &n->pid);
    wr_slice(w, n->method);
}

/* [{Name, Pid, Node}] of those registered for C nodes. */
static void write_ext(const struct global *g, struct wr *w, uint32_t refused)
{
    const struct global_name *n;
    struct global_items items = {0};
    size_t cursor = 0;

    wr_init(&items.w, SIZE_MAX);
    while ((n = global_tab_next(&g->tab, &cursor))) {
        if (n->by_node.len == 0)
            continue;
        etf_write_tuple(&items.w, 3);
        wr_slice(&items.w, n->name);
        etf_write_pid(&items.w, &n->pid);
        etf_write_atom(&items.w, n->by_node);
        items.count++;
    }
    global_items_write(w, &items, refused);
    wr_fini(&items.w);
}

/* ---- to him ---- */

/* {init_connect, {Vsn, Tag}, Node, {locker, no_longer_a_pid, Known, TheLocker}}; nobody reads Known. */
void global_meeting_say_init_connect(struct global *g, const struct global_peer *p)
{
    struct etf_pid locker = node_pid(g->locker.self);
    struct wr w;

    begin_cast(&w, 4, "init_connect");
    etf_write_tuple(&w, 2);
    etf_write_int64(&w, GLOBAL_VSN);
    etf_write_int64(&w, p->meeting->my_tag);
    etf_write_atom(&w, g->node->name_slice);
    etf_write_tuple(&w, 4);
    etf_write_atom_str(&w, "locker");
    etf_write_atom_str(&w, "no_longer_a_pid");
    etf_write_map(&w, 0);
    etf_write_pid(&w, &locker);
    send_and_end(g, p, &w);
}

/* {init_connect_ack, Node, HisTag, MyTag}. */
void global_meeting_say_ack(struct global *g, const struct global_peer *p)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 4);
    etf_write_atom_str(&w, "init_connect_ack");
    etf_write_atom(&w, g->node->name_slice);
    etf_write_int64(&w, p->meeting->his_tag);
    etf_write_int64(&w, p->meeting->my_tag);
    send_and_end(g, p, &w);
}

void global_meeting_say_cancel(struct global *g, const struct global_peer *p, int64_t his_tag)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "cancel_connect");
    etf_write_atom(&w, g->node->name_slice);
    etf_write_int64(&w, his_tag);
    send_and_end(g, p, &w);
}

/* {exchange, Node, Names, [], Tag}. */
void global_meeting_say_exchange(struct global *g, const struct global_peer *p)
{
    const struct global_name *n;
    struct global_items items = {0};
    size_t cursor = 0;
    struct wr w;

    wr_init(&items.w, SIZE_MAX);
    while ((n = global_tab_next(&g->tab, &cursor))) {
        write_name(&items.w, n);
        items.count++;
    }
    begin_cast(&w, 5, "exchange");
    etf_write_atom(&w, g->node->name_slice);
    global_items_write(&w, &items, refused_by(g, p->name));
    etf_write_nil(&w);
    etf_write_int64(&w, p->meeting->his_tag);
    wr_fini(&items.w);
    send_and_end(g, p, &w);
}

/* {resolved, Node, Ops, Known, unused, Ext, Tag}. */
void global_meeting_say_resolved(struct global *g, const struct global_peer *p)
{
    uint32_t refused = refused_by(g, p->name);
    struct wr w;

    begin_cast(&w, 7, "resolved");
    etf_write_atom(&w, g->node->name_slice);
    global_items_write(&w, &p->meeting->resolved, refused);
    global_write_known(g, &w, p->pending_vsn);
    etf_write_atom_str(&w, "unused");
    write_ext(g, &w, refused);
    etf_write_int64(&w, p->meeting->his_tag);
    send_and_end(g, p, &w);
}

/* ---- to those that we know ---- */

/* [{Node, Vsn}] of him and all he knows; or [Node]. */
static void write_new_nodes(struct global *g, struct wr *w, const struct global_peer *p, struct etf_rd known,
                            bool has_versions)
{
    uint32_t count = global_list_open(&known);
    int64_t vsn = p->pending_vsn;
    struct slice node = p->name;

    etf_write_list(w, count + 1);
    do {
        const struct global_peer *q = global_peer_get(g, node);

        if (vsn == 0 && q)
            vsn = q->is_known ? q->vsn : q->pending_vsn;
        if (has_versions)
            etf_write_tuple(w, 2);
        etf_write_atom(w, node);
        if (has_versions)
            etf_write_int64(w, vsn);
    } while (count-- > 0 && global_nodes_next(&known, &node, &vsn));
    etf_write_nil(w);
}

/* {new_nodes, Node, Ops, Ext, NewNodes, [{vsn, Vsn}, {lock, {global, Requester}}]}, from the locker: what it
 * says after that, that the lock is given back, arrives after it. */
static void send_new_nodes(struct global *g, const struct global_peer *p, const struct global_peer *to,
                           const struct global_items *ops, struct etf_rd known, struct etf_rd ext)
{
    struct wr w;

    begin_cast(&w, 6, "new_nodes");
    etf_write_atom(&w, g->node->name_slice);
    global_items_write(&w, ops, refused_by(g, to->name));
    if (etf_copy(&w, &ext) != ERR_NONE)
        wr_fail(&w, ERR_NOMEM);
    write_new_nodes(g, &w, p, known, to->vsn >= GLOBAL_VSN_PARTITIONS);
    etf_write_list(&w, 2);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "vsn");
    etf_write_int64(&w, p->meeting->vsn);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "lock");
    etf_write_tuple(&w, 2);
    wr_slice(&w, global_resource);
    wr_slice(&w, wr_written(&g->locker.hold.requester));
    etf_write_nil(&w);
    global_send(g, g->locker.self, to->name, &w, true);
    wr_fini(&w);
}

void global_meeting_say_new_nodes(struct global *g, const struct global_peer *p,
                                  const struct global_items *ops, struct etf_rd known, struct etf_rd ext)
{
    const struct global_peer *to;
    size_t cursor = 0;

    while ((to = map_next(&g->peers, &cursor, NULL)))
        if (to->is_known)
            send_new_nodes(g, p, to, ops, known, ext);
}
