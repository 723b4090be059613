/*
 * global_meet_names: the names that two nodes which meet both have. The lesser node of the two decides, name
 * by name, what is to be done on either side; when the process that it has itself is another node's, it asks
 * there.
 */
#include "etf/write.h"
#include "node/global_meeting.h"
#include "node/internal.h"
#include "node/rpc.h"

enum { CLASH_MS = 30000 }; /* for a node to say which of two processes keeps a name */

static struct etf_rd at_names(const struct global_meeting *m)
{
    return etf_rd_of(slice_of(m->names + m->at, m->names_len - m->at), NULL);
}

bool global_meeting_keep_names(const struct global *g, struct global_meeting *m, struct etf_rd names)
{
    struct etf_rd r;
    struct wr w;

    node_wr_init(g->node, &w);
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

/* ---- what is to be done ---- */

static void add_insert(struct global_items *items, const struct global_entry *e)
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

static void add_delete(struct global_items *items, struct etf_rd name)
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

/* ---- one name after the other ---- */

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

    wr_init(&w, GLOBAL_MAX_TEXT);
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

void global_meeting_compare(struct global *g, struct global_peer *p)
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
        global_part_with(g, p->name, err_name(ERR_NOMEM));
        return;
    }
    global_meeting_compared(g, p);
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
    global_meeting_compare(g, p);
}
