/*
 * watch: what a process of callbacks watches: monitors, nodes; and its aliases, which are references of the
 * same kind.
 */
#include "base/mem.h"
#include "node/actor.h"
#include "node/internal.h"

struct etf_ref watch_ref(const struct actor_ref *r)
{
    return route_own_ref(r->owner->process.node, REF_WATCH, r->id);
}

struct actor_ref *watch_of_ref(const struct node *n, const struct etf_ref *ref)
{
    return idtab_get(&n->refs, route_ref_id(n, REF_WATCH, ref));
}

static struct actor_ref *ref_new(struct actor *a, size_t text)
{
    struct actor_ref *r = mem_zalloc(sizeof *r + text);

    if (!r)
        return NULL;
    r->id = idtab_add(&a->process.node->refs, r);
    if (!r->id) {
        mem_free(r);
        return NULL;
    }
    r->owner = a;
    r->next = a->refs;
    if (r->next)
        r->next->prev = r;
    a->refs = r;
    return r;
}

void watch_drop(struct actor_ref *r)
{
    idtab_remove(&r->owner->process.node->refs, r->id);
    if (r->prev)
        r->prev->next = r->next;
    else
        r->owner->refs = r->next;
    if (r->next)
        r->next->prev = r->prev;
    mem_free(r);
}

/* ---- monitors ---- */

static struct dist_end end_of(const struct node_dest *d)
{
    if (d->kind == NODE_DEST_PID)
        return (struct dist_end){.kind = DIST_END_PID, .pid = d->pid};
    return (struct dist_end){.kind = DIST_END_NAME, .name = {.text = d->name}};
}

/* Fires it from here. */
static void fire(const struct actor_ref *r, struct slice reason)
{
    struct node *n = r->owner->process.node;
    struct dist_ctl ctl = {
        .op = DIST_CTL_MONITOR_P_EXIT,
        .from = end_of(&r->what),
        .to = {.kind = DIST_END_PID, .pid = process_pid(&r->owner->process)},
        .ref = watch_ref(r),
        .reason = reason,
    };

    if (signals_add(&n->local, &ctl, NULL, 0) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("signal", "local DOWN"));
}

static void keep_what(struct actor_ref *r, const struct node_dest *what, struct slice where)
{
    struct slice first = what->kind == NODE_DEST_PID ? (struct slice){0} : what->name;

    r->is_monitor = true;
    r->what = *what;
    if (first.len)
        memcpy(r->text, first.ptr, first.len);
    memcpy(r->text + first.len, where.ptr, where.len);
    r->node = slice_of(r->text + first.len, where.len);
    if (what->kind == NODE_DEST_PID) {
        r->what.pid.node = (struct etf_atom){.text = r->node};
    } else {
        r->what.name.ptr = r->text;
        r->what.node = r->node;
    }
}

static enum err send_monitor(struct actor_ref *r)
{
    struct node *n = r->owner->process.node;
    struct dist_ctl ctl = {
        .op = DIST_CTL_MONITOR_P,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&r->owner->process)},
        .to = end_of(&r->what),
        .ref = watch_ref(r),
    };

    return route_signal(n, r->node, &ctl, NULL, 0, 0);
}

enum err watch_monitor(struct actor *a, const struct node_dest *what, struct actor_ref **ret)
{
    struct node *n = a->process.node;
    struct slice where = what->kind == NODE_DEST_PID ? what->pid.node.text : what->node;
    struct actor_ref *r;
    struct wr scratch;
    enum err e = ERR_NOMEM;

    wr_init(&scratch, ETF_ATOM_MAX_BYTES);
    if (what->kind == NODE_DEST_PID)
        where = route_atom_utf8(what->pid.node, &scratch);
    if (where.len == 0)
        where = n->name_slice;
    r = ref_new(a, what->name.len + where.len);
    if (r) {
        keep_what(r, what, where);
        e = send_monitor(r);
    }
    if (r && e == ERR_NO_CONNECTION) {
        fire(r, process_reason_noconnection);
        e = ERR_NONE;
    }
    if (r && e != ERR_NONE)
        watch_drop(r);
    else
        *ret = r;
    wr_fini(&scratch);
    return e;
}

void watch_demonitor(struct actor_ref *r)
{
    struct dist_ctl ctl = {
        .op = DIST_CTL_DEMONITOR_P,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&r->owner->process)},
        .to = end_of(&r->what),
        .ref = watch_ref(r),
    };

    if (r->is_monitor)
        route_answer(r->owner->process.node, (struct etf_atom){.text = r->node}, &ctl);
    watch_drop(r);
}

/* ---- aliases ---- */

enum err watch_alias(struct actor *a, bool is_once, struct actor_ref **ret)
{
    struct actor_ref *r = ref_new(a, 0);

    if (!r)
        return ERR_NOMEM;
    r->is_alias = true;
    r->is_once = is_once;
    *ret = r;
    return ERR_NONE;
}

bool watch_take_alias(struct actor_ref *r)
{
    if (!r->is_alias)
        return false;
    if (r->is_once)
        watch_drop(r);
    return true;
}

/* ---- nodes ---- */

static void tell_node(struct actor *a, const struct node_change *change)
{
    struct dist_ctl ctl = {
        .op = (enum dist_op)(change->is_up ? SIGNAL_NODE_UP : SIGNAL_NODE_DOWN),
        .from = {.kind = DIST_END_NAME, .name = {.text = change->node}},
        .to = {.kind = DIST_END_PID, .pid = process_pid(&a->process)},
        .id = (change->is_hidden ? SIGNAL_NODE_HIDDEN : 0) | (change->was_dialled ? SIGNAL_NODE_DIALLED : 0),
        .reason = change->reason,
    };

    if (signals_add(&a->process.node->local, &ctl, NULL, 0) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("signal", change->is_up ? "nodeup" : "nodedown"));
}

static struct actor_node **find_node(struct actor *a, struct slice name)
{
    struct actor_node **at = &a->nodes;

    while (*at && !slice_eq((*at)->name, name))
        at = &(*at)->next;
    return at;
}

static void drop_node(struct actor_node **at)
{
    struct actor_node *w = *at;

    *at = w->next;
    mem_free(w);
}

static enum err unwatch_node(struct actor *a, struct slice name)
{
    struct actor_node **at = find_node(a, name);

    if (!*at)
        return ERR_NOT_FOUND;
    if (--(*at)->count == 0)
        drop_node(at);
    return ERR_NONE;
}

enum err watch_node(struct actor *a, struct slice name, bool is_on)
{
    struct node *n = a->process.node;
    struct actor_node **at = find_node(a, name);
    bool is_valid = node_name_is_valid(name) && !n->is_quiet;

    if (slice_eq(name, n->name_slice))
        return ERR_NONE; /* it never goes down before the process does */
    if (!is_on)
        return unwatch_node(a, name);
    if (!*at) {
        struct actor_node *w = mem_alloc(sizeof *w + name.len);

        if (!w)
            return ERR_NOMEM;
        *w = (struct actor_node){.next = a->nodes, .name = {.ptr = w->text, .len = name.len}};
        if (name.len)
            memcpy(w->text, name.ptr, name.len);
        a->nodes = w;
        at = &a->nodes;
    }
    (*at)->count++;
    if (link_for(n, name) || (is_valid && link_may_be(n, name, false) && link_dial(n, name)))
        return ERR_NONE;
    tell_node(a, &(struct node_change){.node = name, .reason = process_reason_setup_failed});
    return unwatch_node(a, name);
}

void watch_node_lost(struct actor *a, const struct node_change *change, bool was_up)
{
    struct actor_node **at = find_node(a, change->node);

    for (struct actor_ref *r = a->refs; r; r = r->next)
        if (r->is_monitor && slice_eq(r->node, change->node))
            fire(r, process_reason_noconnection);
    if (*at) {
        for (uint32_t i = 0; i < (*at)->count; i++)
            tell_node(a, change);
        drop_node(at);
    }
    if (was_up && a->watches_nodes)
        tell_node(a, change);
}

void watch_node_up(struct actor *a, const struct node_change *change)
{
    if (a->watches_nodes)
        tell_node(a, change);
}

void watch_end(struct actor *a)
{
    while (a->refs)
        watch_demonitor(a->refs);
    while (a->nodes)
        drop_node(&a->nodes);
}
