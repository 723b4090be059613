/*
 * global_requests: what other nodes call global_name_server for: locks, names, and what it knows.
 */
#include "etf/write.h"
#include "node/gen.h"
#include "node/global_state.h"
#include "node/internal.h"

/* {ResourceId, LockRequesterId}. */
static bool lock_request(struct global *g, const struct node_from *from, struct etf_rd r, bool is_set)
{
    struct wr resource, requester;
    bool is_done = true;

    wr_init(&requester, GLOBAL_MAX_TEXT);
    wr_init(&resource, GLOBAL_MAX_TEXT);
    if (!etf_read_tuple_is(&r, 2) || etf_copy(&resource, &r) != ERR_NONE ||
        etf_copy(&requester, &r) != ERR_NONE)
        is_done = false;
    else if (is_set)
        gen_reply_atom(actor_get(g->self), from,
                       global_lock_set(&g->tab, wr_written(&resource), wr_written(&requester), &from->pid)
                           ? "true"
                           : "false");
    else
        global_lock_del(&g->tab, wr_written(&resource), wr_written(&requester), &from->pid);
    if (is_done && !is_set)
        gen_reply_atom(actor_get(g->self), from, "true");
    wr_fini(&resource);
    wr_fini(&requester);
    return is_done;
}

/* Name, Pid, Method, and for register_ext the node that does it. */
static bool register_request(struct global *g, const struct node_from *from, struct etf_rd r, bool is_ext)
{
    struct global_entry entry = {.name = r};
    struct etf_atom by_node = {0};

    if (!etf_skip(&r, NULL) || !etf_read_pid(&r, &entry.pid))
        return false;
    entry.method = r;
    if (!etf_skip(&r, NULL) || (is_ext && (!etf_read_atom(&r, &by_node) || by_node.is_latin1)))
        return false;
    global_enter(g, &entry, by_node.text, &from->pid, (struct slice){0});
    gen_reply_atom(actor_get(g->self), from, "yes");
    return true;
}

static bool unregister_request(struct global *g, const struct node_from *from, struct etf_rd r)
{
    global_remove(g, r);
    gen_reply_atom(actor_get(g->self), from, "ok");
    return true;
}

/* ---- questions ---- */

static void reply_term(struct global *g, const struct node_from *from, const struct wr *w)
{
    uint32_t uses = 0;
    enum err e = w->err;

    if (e == ERR_NONE)
        e = spawn_check_term(wr_written(w), &uses);
    if (e == ERR_NONE)
        e = gen_reply(actor_get(g->self), from, wr_written(w), uses);
    if (e != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_SLICE("node", from->pid.node.text), LOG_STR("error", err_name(e)));
}

static void write_synced(const struct global *g, struct wr *w)
{
    const struct global_peer *p;
    size_t cursor = 0;

    while ((p = map_next(&g->peers, &cursor, NULL))) {
        if (!p->is_synced)
            continue;
        etf_write_list(w, 1);
        etf_write_atom(w, p->name);
    }
    etf_write_nil(w);
}

static bool question(struct global *g, const struct node_from *from, struct etf_atom what)
{
    bool is_known = true;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    if (etf_atom_is(what, "get_known"))
        global_write_known(g, &w, 0);
    else if (etf_atom_is(what, "get_synced"))
        write_synced(g, &w);
    else if (etf_atom_is(what, "get_protocol_version"))
        etf_write_int64(&w, GLOBAL_VSN);
    else
        is_known = false;
    if (is_known)
        reply_term(g, from, &w);
    wr_fini(&w);
    return is_known;
}

/* ---- all of them ---- */

bool global_request(struct global *g, const struct node_from *from, struct etf_rd r)
{
    struct etf_atom verb;
    uint32_t arity;

    if (etf_read_atom(&r, &verb))
        return question(g, from, verb);
    if (!etf_read_tuple(&r, &arity) || !etf_read_atom(&r, &verb))
        return false;
    if (arity == 2 && (etf_atom_is(verb, "set_lock") || etf_atom_is(verb, "del_lock")))
        return lock_request(g, from, r, etf_atom_is(verb, "set_lock"));
    if (arity == 4 && etf_atom_is(verb, "register"))
        return register_request(g, from, r, false);
    if (arity == 5 && etf_atom_is(verb, "register_ext"))
        return register_request(g, from, r, true);
    if (arity == 2 && etf_atom_is(verb, "unregister"))
        return unregister_request(g, from, r);
    return false;
}
