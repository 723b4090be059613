/*
 * global_meet: two nodes that do not know each other have been connected: they become one cluster.
 *
 *   init_connect, from both; the lockers lock both sides (global_locker.c); exchange: all names of each;
 *   resolved: what came of those that both have; then new_nodes to all that this side knew, and the lock is
 *   given back. All by tags, so that what is left of an attempt is not taken for the next.
 */
#include "base/check.h"
#include "base/mem.h"
#include "etf/write.h"
#include "node/global_meeting.h"
#include "node/internal.h"

/* ---- life ---- */

void global_meet(struct global *g, struct global_peer *p)
{
    struct global_meeting *m;

    if (p->meeting || p->is_known)
        return;
    m = mem_zalloc(sizeof *m);
    if (!m) {
        global_part_with(g, p->name, err_name(ERR_NOMEM));
        return;
    }
    m->my_tag = ++g->last_tag;
    node_wr_init(g->node, &m->ops.w);
    node_wr_init(g->node, &m->resolved.w);
    p->meeting = m;
    global_meeting_say_init_connect(g, p);
}

bool global_meeting_has_tag(const struct global_peer *p, int64_t tag)
{
    return p->meeting && p->meeting->my_tag == tag;
}

void global_meeting_end(struct global *g, struct global_peer *p)
{
    struct global_meeting *m = p->meeting;

    if (!m)
        return;
    p->meeting = NULL;
    if (p->is_pending && p->pending_vsn >= GLOBAL_VSN_VERIFIED)
        global_meeting_say_cancel(g, p, m->his_tag);
    global_locker_cancel(g, p->name, m->my_tag);
    if (m->question)
        node_cancel(g->node, m->question_op);
    wr_fini(&m->ops.w);
    wr_fini(&m->resolved.w);
    mem_free(m->names);
    mem_free(m->his);
    mem_free(m);
}

/* Both begin anew; locks and names of that node may be left over, and its link stays. */
static void restart(struct global *g, struct global_peer *p)
{
    p->is_pending = false;
    global_meeting_end(g, p);
    global_tab_drop_node(&g->tab, p->name);
    global_meet(g, p);
}

/* Without memory, or when it says what makes no sense. */
static void fail(struct global *g, const struct global_peer *p, const char *why)
{
    global_part_with(g, p->name, why);
}

/* ---- they find each other ---- */

void global_init_connect(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    struct global_meeting *m = p->meeting;

    if (p->is_pending && said->vsn < GLOBAL_VSN_VERIFIED) {
        fail(g, p, "its global begins to meet ours twice");
        return;
    }
    if (p->is_pending) {
        global_meeting_say_cancel(g, p, said->his_tag);
        restart(g, p);
        return;
    }
    if (!m)
        return; /* others have told us of it already, and it will hear so */
    m->vsn = said->vsn < GLOBAL_VSN ? said->vsn : GLOBAL_VSN;
    m->his_tag = said->his_tag;
    m->has_his_tag = true;
    p->is_pending = true;
    p->pending_vsn = said->vsn;
    if (said->vsn >= GLOBAL_VSN_VERIFIED)
        global_meeting_say_ack(g, p);
    global_locker_add(g, p->name, &said->pid, m->my_tag, m->his_tag, m->vsn);
}

void global_init_connect_ack(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    struct global_meeting *m = p->meeting;

    if (!m || (m->my_tag == said->tag && m->has_his_tag && m->his_tag == said->his_tag))
        return;
    global_meeting_say_cancel(g, p, said->his_tag);
    restart(g, p);
}

void global_cancel_connect(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    if (global_meeting_has_tag(p, said->tag))
        restart(g, p);
}

/* ---- the end ---- */

/* We meet them through him: no meeting of our own is needed any more. */
static void end_meetings(struct global *g, const struct global_peer *but, struct etf_rd known)
{
    uint32_t count = global_list_open(&known);
    struct slice node;
    int64_t vsn;

    while (count-- > 0 && global_nodes_next(&known, &node, &vsn)) {
        struct global_peer *q = global_peer_get(g, node);

        if (!q || q == but || !q->meeting)
            continue;
        q->is_pending = false;
        global_meeting_end(g, q);
    }
}

static void add_all(struct global_items *to, struct etf_rd list)
{
    uint32_t count = global_list_open(&list);
    struct slice item;

    while (count-- > 0 && etf_skip(&list, &item)) {
        wr_slice(&to->w, item);
        to->count++;
    }
}

/* {Ops, Known, Ext}, as `resolved` kept them. */
static void open_his(struct slice his, struct etf_rd *ret_ops, struct etf_rd *ret_known,
                     struct etf_rd *ret_ext)
{
    *ret_ops = etf_rd_of(his, NULL);
    CHECK(etf_read_tuple_is(ret_ops, 3));
    *ret_known = *ret_ops;
    CHECK(etf_skip(ret_known, NULL));
    *ret_ext = *ret_known;
    CHECK(etf_skip(ret_ext, NULL));
}

/* Does what both have found out, and tells who was known before. */
static void complete(struct global *g, struct global_peer *p)
{
    struct global_meeting *m = p->meeting;
    struct etf_rd ops, known, ext;
    uint8_t *his = m->his; /* the lists are in it, and the meeting ends before they have been used up */
    int64_t vsn = p->pending_vsn;
    struct wr all;

    open_his(slice_of(his, m->his_len), &ops, &known, &ext);
    m->his = NULL;
    add_all(&m->ops, ops);
    wr_init(&all, SIZE_MAX);
    global_items_write(&all, &m->ops, 0);
    if (wr_ok(&all)) {
        global_do_ops(g, etf_rd_of(wr_written(&all), NULL), ext, wr_written(&g->locker.hold.requester));
        end_meetings(g, p, known);
        global_meeting_say_new_nodes(g, p, &m->ops, known, ext);
        p->is_pending = false;
        global_meeting_end(g, p);
        global_add_known_one(g, p->name, vsn);
        global_add_known(g, known, true);
        p->is_synced = true;
    } else {
        fail(g, p, err_name(ERR_NOMEM));
    }
    wr_fini(&all);
    mem_free(his);
}

/* ---- on both sides ---- */

void global_meeting_compared(struct global *g, struct global_peer *p)
{
    struct global_meeting *m = p->meeting;

    m->is_compared = true;
    global_meeting_say_resolved(g, p);
    if (m->his)
        complete(g, p);
}

void global_both_locked(struct global *g, struct slice node, int64_t tag)
{
    struct global_peer *p = global_peer_get(g, node);

    if (!p || !global_meeting_has_tag(p, tag)) {
        global_locker_cancel(g, node, tag);
        return;
    }
    p->meeting->is_locked = true;
    global_meeting_say_exchange(g, p);
    /* That it could not be sent has ended the link, and the meeting will follow. */
    if (p->meeting->names)
        global_meeting_compare(g, p);
}

void global_exchange(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    struct global_meeting *m = p->meeting;

    if (!m || m->my_tag != said->tag) {
        global_locker_cancel(g, p->name, said->tag);
        return;
    }
    if (m->names)
        return;
    if (!global_meeting_keep_names(g, m, said->names))
        fail(g, p, err_name(ERR_NOMEM));
    else if (m->is_locked)
        global_meeting_compare(g, p);
}

void global_resolved(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    struct global_meeting *m = p->meeting;
    struct etf_rd ops = said->ops, nodes = said->nodes, ext = said->ext;
    struct wr w;

    if (!m || m->my_tag != said->tag) {
        global_locker_cancel(g, p->name, said->tag);
        return;
    }
    if (m->his)
        return;
    node_wr_init(g->node, &w);
    etf_write_tuple(&w, 3);
    if (etf_copy(&w, &ops) == ERR_NONE && etf_copy(&w, &nodes) == ERR_NONE && etf_copy(&w, &ext) == ERR_NONE)
        m->his = wr_take(&w, &m->his_len);
    wr_fini(&w);
    if (!m->his)
        fail(g, p, err_name(ERR_NOMEM));
    else if (m->is_compared)
        complete(g, p);
}
