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
#include "node/global_state.h"
#include "node/internal.h"
#include "node/rpc.h"

enum { CLASH_MS = 30000 }; /* for a node to say which of two processes keeps a name */

/* A list that is being made. */
struct items {
    struct wr w;
    uint32_t count;
};

struct global_meeting {
    int64_t my_tag, his_tag, vsn; /* vsn: what is spoken: the lesser of both */
    bool has_his_tag;
    bool is_locked;   /* on both sides */
    bool is_compared; /* his names with ours: ops and resolved are complete */
    uint8_t *names;   /* owned: his; NULL: they have not come */
    size_t names_len;
    size_t at; /* which of them is next, and how many are left */
    uint32_t left;
    uint32_t question; /* a clash that another node decides; 0: none */
    uint64_t question_op;
    struct items ops, resolved; /* what is to be done on our side, and on his */
    uint8_t *his;               /* owned: {Ops, Known, Ext} of his `resolved`; NULL: it has not come */
    size_t his_len;
};

/* ---- messages out ---- */

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

/* {init_connect, {Vsn, Tag}, Node, {locker, no_longer_a_pid, Known, TheLocker}}; nobody reads Known. */
static void send_init_connect(struct global *g, const struct global_peer *p)
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
static void send_ack(struct global *g, const struct global_peer *p)
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

static void send_cancel(struct global *g, const struct global_peer *p, int64_t his_tag)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "cancel_connect");
    etf_write_atom(&w, g->node->name_slice);
    etf_write_int64(&w, his_tag);
    send_and_end(g, p, &w);
}

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

static void write_items(struct wr *w, const struct items *items, uint32_t refused)
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
    struct items items = {0};
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
    write_items(w, &items, refused);
    wr_fini(&items.w);
}

/* {exchange, Node, Names, [], Tag}. */
static void send_exchange(struct global *g, const struct global_peer *p)
{
    const struct global_name *n;
    struct items items = {0};
    size_t cursor = 0;
    struct wr w;

    wr_init(&items.w, SIZE_MAX);
    while ((n = global_tab_next(&g->tab, &cursor))) {
        write_name(&items.w, n);
        items.count++;
    }
    begin_cast(&w, 5, "exchange");
    etf_write_atom(&w, g->node->name_slice);
    write_items(&w, &items, refused_by(g, p->name));
    etf_write_nil(&w);
    etf_write_int64(&w, p->meeting->his_tag);
    wr_fini(&items.w);
    send_and_end(g, p, &w);
}

/* {resolved, Node, Ops, Known, unused, Ext, Tag}. */
static void send_resolved(struct global *g, const struct global_peer *p)
{
    uint32_t refused = refused_by(g, p->name);
    struct wr w;

    begin_cast(&w, 7, "resolved");
    etf_write_atom(&w, g->node->name_slice);
    write_items(&w, &p->meeting->resolved, refused);
    global_write_known(g, &w, p->pending_vsn);
    etf_write_atom_str(&w, "unused");
    write_ext(g, &w, refused);
    etf_write_int64(&w, p->meeting->his_tag);
    send_and_end(g, p, &w);
}

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
    wr_init(&m->ops.w, SIZE_MAX);
    wr_init(&m->resolved.w, SIZE_MAX);
    p->meeting = m;
    send_init_connect(g, p);
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
        send_cancel(g, p, m->his_tag);
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

void global_init_connect(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    struct global_meeting *m = p->meeting;

    if (p->is_pending && said->vsn < GLOBAL_VSN_VERIFIED) {
        fail(g, p, "its global begins to meet ours twice");
        return;
    }
    if (p->is_pending) {
        send_cancel(g, p, said->his_tag);
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
        send_ack(g, p);
    global_locker_add(g, p->name, &said->pid, m->my_tag, m->his_tag, m->vsn);
}

void global_init_connect_ack(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    struct global_meeting *m = p->meeting;

    if (!m || (m->my_tag == said->tag && m->has_his_tag && m->his_tag == said->his_tag))
        return;
    send_cancel(g, p, said->his_tag);
    restart(g, p);
}

void global_cancel_connect(struct global *g, struct global_peer *p, const struct global_msg *said)
{
    if (global_meeting_has_tag(p, said->tag))
        restart(g, p);
}

/* ---- names that both have ---- */

static struct etf_rd at_names(const struct global_meeting *m)
{
    return etf_rd_of(slice_of(m->names + m->at, m->names_len - m->at), NULL);
}

static void add_insert(struct items *items, const struct global_entry *e)
{
    struct etf_rd name = e->name, method = e->method;
    enum err err;

    etf_write_tuple(&items->w, 2);
    etf_write_atom_str(&items->w, "insert");
    etf_write_tuple(&items->w, 3);
    err = etf_copy(&items->w, &name);
    etf_write_pid(&items->w, &e->pid);
    if (err == ERR_NONE)
        err = etf_copy(&items->w, &method);
    if (err != ERR_NONE)
        wr_fail(&items->w, err);
    items->count++;
}

static void add_delete(struct items *items, struct etf_rd name)
{
    etf_write_tuple(&items->w, 2);
    etf_write_atom_str(&items->w, "delete");
    if (etf_copy(&items->w, &name) != ERR_NONE)
        wr_fail(&items->w, ERR_NOMEM);
    items->count++;
}

/* The name is his, ours, or nobody's. */
static void decide(struct global_meeting *m, const struct global_entry *his, const struct global_name *ours,
                   enum global_winner winner)
{
    struct global_entry own;

    if (winner == GLOBAL_SECOND && !ours)
        winner = GLOBAL_NOBODY; /* it has ended meanwhile */
    switch (winner) {
    case GLOBAL_FIRST: add_insert(&m->ops, his); break;
    case GLOBAL_SECOND:
        own = (struct global_entry){
            .name = etf_rd_of(ours->name, NULL), .pid = ours->pid, .method = etf_rd_of(ours->method, NULL)};
        add_insert(&m->resolved, &own);
        break;
    case GLOBAL_NOBODY:
        add_delete(&m->ops, his->name);
        add_delete(&m->resolved, his->name);
        break;
    }
}

/* The node of our process decides: global:resolve_it(Method, Name, His, Ours) there. False: it cannot be
 * asked. */
static bool ask(struct global *g, struct global_meeting *m, const struct global_entry *his,
                const struct global_name *ours)
{
    struct wr args;
    enum err e;

    wr_init(&args, SIZE_MAX);
    etf_write_list(&args, 4);
    wr_slice(&args, ours->method);
    wr_slice(&args, ours->name);
    etf_write_pid(&args, &his->pid);
    etf_write_pid(&args, &ours->pid);
    etf_write_nil(&args);
    g->last_question += g->last_question == UINT32_MAX ? 2 : 1;
    e = wr_ok(&args) ? node_rpc_from(g->self, ours->pid.node.text, SLICE("global"), SLICE("resolve_it"),
                                     wr_written(&args), CLASH_MS, g->last_question, &m->question_op)
                     : args.err;
    wr_fini(&args);
    m->question = e == ERR_NONE ? g->last_question : 0;
    return e == ERR_NONE;
}

static const struct global_name *have(const struct global *g, struct etf_rd name)
{
    const struct global_name *found = NULL;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    if (etf_copy(&w, &name) == ERR_NONE)
        found = global_tab_get(&g->tab, wr_written(&w));
    wr_fini(&w);
    return found;
}

/* One of his names. False: it is being asked about. */
static bool compare(struct global *g, struct global_peer *p, const struct global_entry *his)
{
    const struct global_name *ours = have(g, his->name);

    if (!ours)
        add_insert(&p->meeting->ops, his);
    if (!ours || etf_pid_eq(&ours->pid, &his->pid))
        return true;
    if (slice_cmp(g->node->name_slice, p->name) > 0)
        return true; /* his node, the lesser, decides */
    if (slice_eq(ours->pid.node.text, g->node->name_slice))
        decide(p->meeting, his, ours,
               global_clash(g->self, etf_rd_of(ours->method, NULL), his->name, &his->pid, &ours->pid));
    else if (ask(g, p->meeting, his, ours))
        return false;
    else
        decide(p->meeting, his, ours, GLOBAL_FIRST); /* as OTP, when the node is not there */
    return true;
}

static void complete(struct global *g, struct global_peer *p);

static void compare_all(struct global *g, struct global_peer *p)
{
    struct global_meeting *m = p->meeting;
    struct global_entry his;

    while (m->left > 0) {
        struct etf_rd r = at_names(m);
        bool is_decided = true;

        if (global_names_next(&r, &his))
            is_decided = compare(g, p, &his);
        if (!is_decided)
            return;
        m->at = m->names_len - rd_left(&r.rd);
        m->left--;
    }
    if (!wr_ok(&m->ops.w) || !wr_ok(&m->resolved.w)) {
        fail(g, p, err_name(ERR_NOMEM));
        return;
    }
    m->is_compared = true;
    send_resolved(g, p);
    if (m->his)
        complete(g, p);
}

static struct global_peer *find_question(const struct global *g, uint32_t question)
{
    struct global_peer *p;
    size_t cursor = 0;

    while ((p = map_next(&g->peers, &cursor, NULL)))
        if (p->meeting && p->meeting->question == question)
            return p;
    return NULL;
}

void global_clash_result(struct global *g, uint32_t question, const struct node_result *r)
{
    struct global_peer *p = question ? find_question(g, question) : NULL;
    struct etf_rd term = etf_rd_of(r->term, r->atoms), at;
    const struct global_name *ours;
    enum global_winner winner = GLOBAL_NOBODY;
    struct global_entry his;
    struct etf_pid pid;

    if (!p)
        return;
    p->meeting->question = 0;
    at = at_names(p->meeting);
    if (!global_names_next(&at, &his))
        return;
    ours = have(g, his.name);
    if (r->err != ERR_NONE && r->err != ERR_CALLEE_EXIT)
        winner = GLOBAL_FIRST;
    else if (r->err == ERR_NONE && etf_read_pid(&term, &pid))
        winner = etf_pid_eq(&pid, &his.pid)             ? GLOBAL_FIRST
                 : ours && etf_pid_eq(&pid, &ours->pid) ? GLOBAL_SECOND
                                                        : GLOBAL_NOBODY;
    decide(p->meeting, &his, ours, winner);
    p->meeting->at = p->meeting->names_len - rd_left(&at.rd);
    p->meeting->left--;
    compare_all(g, p);
}

/* ---- on both sides ---- */

static bool keep_names(struct global_meeting *m, struct etf_rd names)
{
    struct etf_rd r;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    if (etf_copy(&w, &names) == ERR_NONE)
        m->names = wr_take(&w, &m->names_len);
    wr_fini(&w);
    if (!m->names)
        return false;
    r = etf_rd_of(slice_of(m->names, m->names_len), NULL);
    m->left = global_list_open(&r);
    m->at = m->names_len - rd_left(&r.rd);
    return true;
}

void global_both_locked(struct global *g, struct slice node, int64_t tag)
{
    struct global_peer *p = global_peer_get(g, node);

    if (!p || !global_meeting_has_tag(p, tag)) {
        global_locker_cancel(g, node, tag);
        return;
    }
    p->meeting->is_locked = true;
    send_exchange(g, p);
    /* That it could not be sent has ended the link, and the meeting will follow. */
    if (p->meeting->names)
        compare_all(g, p);
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
    if (!keep_names(m, said->names))
        fail(g, p, err_name(ERR_NOMEM));
    else if (m->is_locked)
        compare_all(g, p);
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
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    if (etf_copy(&w, &ops) == ERR_NONE && etf_copy(&w, &nodes) == ERR_NONE && etf_copy(&w, &ext) == ERR_NONE)
        m->his = wr_take(&w, &m->his_len);
    wr_fini(&w);
    if (!m->his)
        fail(g, p, err_name(ERR_NOMEM));
    else if (m->is_compared)
        complete(g, p);
}

/* ---- the end ---- */

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
                           const struct items *ops, struct etf_rd known, struct etf_rd ext)
{
    struct wr w;

    begin_cast(&w, 6, "new_nodes");
    etf_write_atom(&w, g->node->name_slice);
    write_items(&w, ops, refused_by(g, to->name));
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

static void tell_known(struct global *g, const struct global_peer *p, const struct items *ops,
                       struct etf_rd known, struct etf_rd ext)
{
    const struct global_peer *to;
    size_t cursor = 0;

    while ((to = map_next(&g->peers, &cursor, NULL)))
        if (to->is_known)
            send_new_nodes(g, p, to, ops, known, ext);
}

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

static void add_all(struct items *to, struct etf_rd list)
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
    write_items(&all, &m->ops, 0);
    if (wr_ok(&all)) {
        global_do_ops(g, etf_rd_of(wr_written(&all), NULL), ext, wr_written(&g->locker.hold.requester));
        end_meetings(g, p, known);
        tell_known(g, p, &m->ops, known, ext);
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
