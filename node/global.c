#include "node/global.h"

#include "base/mem.h"
#include "etf/write.h"
#include "node/actor.h"
#include "node/global_state.h"
#include "node/internal.h"
#include "node/rpc.h"

/* A process asks one node after another: it has a timeout, and results come to it by its number. */
struct lookup {
    struct node_self self;
    node_done_fn *done; /* NULL: it has been told, or nobody wants to know any more */
    void *ctx;          /* borrowed */
    uint64_t id;
    uint64_t deadline;
    size_t asked;   /* how many of the nodes */
    bool has_links; /* some node is connected, if only one that need not be asked */
    char **nodes;   /* owned, NULL-terminated: those connected at the start */
    uint8_t *args;  /* owned: [Name] */
    size_t args_len;
};

static void finish(struct lookup *l, const struct node_result *r)
{
    node_done_fn *done = l->done;

    l->done = NULL;
    node_exit_self(l->self, process_reason_normal);
    if (done)
        done(l->ctx, l->id, r);
}

static void fail(struct lookup *l, enum err e, const char *text)
{
    struct node_result r = {.err = e, .was_sent = l->asked > 0, .text = text};

    finish(l, &r);
}

static void ask_next(struct lookup *l)
{
    uint64_t now = loop_now_ms(l->self.node->loop);
    enum err e = ERR_NOT_FOUND;

    while (l->nodes[l->asked] && now < l->deadline) {
        struct slice node = slice_of_str(l->nodes[l->asked++]);

        e = node_rpc_from(l->self, node, SLICE("global"), SLICE("whereis_name"),
                          slice_of(l->args, l->args_len), l->deadline - now, 0, NULL);
        if (e == ERR_NONE)
            return;
    }
    if (l->asked == 0 && !l->has_links)
        fail(l, ERR_NO_CONNECTION, "no node is connected that could be asked");
    else
        fail(l, now < l->deadline ? e : ERR_TIMEOUT, NULL);
}

static void result(struct node_self self, void *state, uint32_t tag, const struct node_result *r)
{
    struct lookup *l = state;
    struct etf_rd term = etf_rd_of(r->term, r->atoms);

    (void)self;
    (void)tag;
    if (r->err == ERR_NONE && etf_peek(&term) == ETF_KIND_PID)
        finish(l, r);
    else
        ask_next(l);
}

/* In the table of a visible node. */
static bool find_here(struct lookup *l)
{
    const struct global *g = l->self.node->global;
    struct etf_rd name = etf_rd_of(slice_of(l->args, l->args_len), NULL);
    const struct global_name *found = NULL;
    struct node_result r = {0};
    struct wr w;

    if (!g)
        return false;
    wr_init(&w, SIZE_MAX);
    if (etf_read_list(&name, &(uint32_t){0}) && etf_copy(&w, &name) == ERR_NONE)
        found = global_tab_get(&g->tab, wr_written(&w));
    wr_reset(&w);
    if (found)
        etf_write_pid(&w, &found->pid);
    r.term = wr_written(&w);
    if (found && wr_ok(&w))
        finish(l, &r);
    wr_fini(&w);
    return found != NULL;
}

/* Begins: a callback must not come from within the call that asked for it. */
static void timeout(struct node_self self, void *state)
{
    (void)self;
    if (!find_here(state))
        ask_next(state);
}

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    struct lookup *l = state;

    (void)self;
    (void)reason;
    if (l->done)
        l->done(l->ctx, l->id, &(struct node_result){.err = ERR_CANCELLED});
    for (char **at = l->nodes; at && *at; at++)
        mem_free(*at);
    mem_free(l->nodes);
    mem_free(l->args);
    mem_free(l);
}

static const struct node_process_ops ops = {
    .kind = "global", .result = result, .timeout = timeout, .ended = ended};

/* What it knows is in our own table. */
static bool is_met(const struct node *n, struct slice name)
{
    const struct global_peer *p = n->global ? global_peer_get(n->global, name) : NULL;

    return p && p->is_known && p->is_up;
}

static bool keep_nodes(struct lookup *l, const struct node *n)
{
    size_t cursor = 0, count = 0;
    struct node_peer peer;

    l->nodes = mem_zalloc((n->links_by_name.count + 1) * sizeof *l->nodes);
    while (l->nodes && node_next_peer(n, &cursor, &peer)) {
        if (!peer.is_up)
            continue;
        l->has_links = true;
        if (is_met(n, peer.name))
            continue;
        l->nodes[count] = mem_strndup(peer.name.ptr, peer.name.len);
        if (!l->nodes[count++])
            return false;
    }
    return l->nodes != NULL;
}

static bool keep_args(struct lookup *l, struct slice name)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_list(&w, 1);
    wr_slice(&w, name);
    etf_write_nil(&w);
    l->args = wr_ok(&w) ? wr_take(&w, &l->args_len) : NULL;
    wr_fini(&w);
    return l->args != NULL;
}

enum err node_global_whereis(struct node *n, struct slice name, uint64_t timeout_ms, node_done_fn *done,
                             void *ctx, uint64_t id, uint64_t *ret_op)
{
    uint64_t unused;
    struct lookup *l;
    uint32_t uses = 0;
    enum err e = spawn_check_term(name, &uses);

    ret_op = ret_op ? ret_op : &unused;
    *ret_op = 0;
    if (e != ERR_NONE)
        return e;
    l = mem_zalloc(sizeof *l);
    if (!l)
        return ERR_NOMEM;
    l->ctx = ctx;
    l->id = id;
    l->deadline = deadline_after(loop_now_ms(n->loop), timeout_ms);
    e = keep_nodes(l, n) && keep_args(l, name) ? node_spawn(n, &ops, l, &l->self) : ERR_NOMEM;
    if (e != ERR_NONE) {
        ended(l->self, l, etf_rd_of(process_reason_normal, NULL));
        return e;
    }
    e = node_set_timeout(l->self, 1);
    if (e != ERR_NONE) {
        node_exit_self(l->self, process_reason_normal);
        return e;
    }
    l->done = done;
    *ret_op = l->self.number;
    return ERR_NONE;
}

void node_global_cancel(struct node *n, uint64_t op)
{
    struct actor *a =
        op <= UINT32_MAX ? actor_get((struct node_self){.node = n, .number = (uint32_t)op}) : NULL;

    if (!a || a->ops != &ops)
        return;
    ((struct lookup *)a->state)->done = NULL;
    actor_exit_with(a, process_reason_normal);
}

bool node_next_global(const struct node *n, size_t *cursor, struct slice *ret_name, struct etf_pid *ret_pid)
{
    const struct global_name *name = n->global ? global_tab_next(&n->global->tab, cursor) : NULL;

    if (!name)
        return false;
    *ret_name = name->name;
    *ret_pid = name->pid;
    return true;
}
