#include "node/process.h"

#include "base/check.h"
#include "base/mem.h"
#include "etf/write.h"
#include "node/internal.h"

#define ATOM_TERM(len, text) SLICE_LIT("\x77" len text)

const struct slice process_reason_normal = ATOM_TERM("\x06", "normal");
const struct slice process_reason_noproc = ATOM_TERM("\x06", "noproc");
const struct slice process_reason_noconnection = ATOM_TERM("\x0C", "noconnection");

/* One who hears of a process's end: a monitor (with its reference) or a link. node, and the pid's and
 * reference's texts, stand behind the struct. */
struct watcher {
    struct watcher *next;
    uint64_t link; /* id of the link its signals came over; 0: this node */
    bool is_monitor;
    struct etf_pid peer;
    struct etf_ref ref; /* is_monitor */
    struct slice name;  /* is_monitor: what it was set on; empty: the pid */
    uint8_t text[];
};

enum err process_start(struct node *n, struct process *p, const struct process_ops *ops)
{
    *p = (struct process){.node = n, .ops = ops};
    return pidtab_add(&n->processes, p, &p->number);
}

struct etf_pid process_pid(const struct process *p)
{
    const struct node *n = p->node;

    return (struct etf_pid){
        .node = {.text = n->name_slice},
        .id = p->number & ((1u << PIDTAB_ID_BITS) - 1),
        .serial = p->number >> PIDTAB_ID_BITS,
        .creation = n->creation,
    };
}

static struct watcher *watcher_new(struct link *from, const struct etf_pid *peer, const struct etf_ref *ref,
                                   struct slice name)
{
    size_t ref_node = ref ? ref->node.text.len : 0;
    struct watcher *w = mem_alloc(sizeof *w + peer->node.text.len + ref_node + name.len);
    uint8_t *at;

    if (!w)
        return NULL;
    *w = (struct watcher){.link = from ? from->id : 0, .is_monitor = ref != NULL, .peer = *peer};
    at = w->text;
    memcpy(at, peer->node.text.ptr, peer->node.text.len);
    w->peer.node.text.ptr = at;
    at += peer->node.text.len;
    if (ref) {
        w->ref = *ref;
        memcpy(at, ref->node.text.ptr, ref_node);
        w->ref.node.text.ptr = at;
        at += ref_node;
    }
    if (name.len)
        memcpy(at, name.ptr, name.len);
    w->name = slice_of(at, name.len);
    return w;
}

enum err process_add_monitor(struct process *p, struct link *from_link, const struct etf_pid *peer,
                             const struct etf_ref *ref, struct slice name)
{
    struct watcher *w = watcher_new(from_link, peer, ref, name);

    if (!w)
        return ERR_NOMEM;
    w->next = p->watchers;
    p->watchers = w;
    return ERR_NONE;
}

enum err process_add_link(struct process *p, struct link *from_link, const struct etf_pid *peer)
{
    struct watcher *w;

    for (w = p->watchers; w; w = w->next)
        if (!w->is_monitor && etf_pid_eq(&w->peer, peer))
            return ERR_NONE; /* a second link is the same link */
    w = watcher_new(from_link, peer, NULL, (struct slice){0});
    if (!w)
        return ERR_NOMEM;
    w->next = p->watchers;
    p->watchers = w;
    return ERR_NONE;
}

void process_remove_monitor(struct process *p, const struct etf_pid *peer, const struct etf_ref *ref)
{
    for (struct watcher **at = &p->watchers; *at; at = &(*at)->next) {
        struct watcher *w = *at;

        if (w->is_monitor && etf_ref_eq(&w->ref, ref) && etf_pid_eq(&w->peer, peer)) {
            *at = w->next;
            mem_free(w);
            return;
        }
    }
}

bool process_remove_link(struct process *p, const struct etf_pid *peer)
{
    for (struct watcher **at = &p->watchers; *at; at = &(*at)->next) {
        struct watcher *w = *at;

        if (!w->is_monitor && etf_pid_eq(&w->peer, peer)) {
            *at = w->next;
            mem_free(w);
            return true;
        }
    }
    return false;
}

static void tell(struct process *p, const struct watcher *w, struct slice reason)
{
    struct link *l = w->link ? idtab_get(&p->node->links, w->link) : NULL;
    struct dist_ctl ctl = {
        .op = w->is_monitor ? DIST_CTL_MONITOR_P_EXIT : DIST_CTL_EXIT,
        .from = {.kind = DIST_END_PID, .pid = process_pid(p)},
        .to = {.kind = DIST_END_PID, .pid = w->peer},
        .ref = w->ref,
        .reason = reason,
    };

    if (w->is_monitor && w->name.len)
        ctl.from = (struct dist_end){.kind = DIST_END_NAME, .name = {.text = w->name}};
    if (!w->link && w->is_monitor) {
        if (route_down_local(p->node, route_number(&w->peer), &w->ref, reason) != ERR_NONE)
            LOG(LOG_WARN, "signal-lost", LOG_STR("signal", "local DOWN"));
    } else if (l && link_send(l, &ctl, NULL, 0) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("node", l->name), LOG_STR("signal", dist_op_name(ctl.op)));
}

void process_exit(struct process *p, struct slice reason)
{
    struct watcher *w = p->watchers;

    if (!p->number)
        return;
    /* Out of every table first: whoever is told finds nobody here any more. */
    pidtab_remove(&p->node->processes, p->number);
    if (p->name.len)
        map_remove(&p->node->names, p->name);
    p->watchers = NULL;
    while (w) {
        struct watcher *next = w->next;

        tell(p, w, reason);
        mem_free(w);
        w = next;
    }
    p->number = 0;
}

void process_link_lost(struct process *p, struct link *lost)
{
    struct watcher **at = &p->watchers;
    bool was_linked = false;

    while (*at) {
        struct watcher *w = *at;

        if (w->link != lost->id) {
            at = &w->next;
            continue;
        }
        was_linked |= !w->is_monitor;
        *at = w->next;
        mem_free(w);
    }
    if (was_linked && p->ops->exit)
        p->ops->exit(p, process_reason_noconnection, NULL);
}

enum err process_register(struct process *p, struct slice name)
{
    CHECK(p->number && p->name.len == 0);
    if (map_get(&p->node->names, name))
        return ERR_NAME_TAKEN;
    if (map_put(&p->node->names, name, p) != ERR_NONE)
        return ERR_NOMEM;
    p->name = name;
    return ERR_NONE;
}

struct process *process_whereis(const struct node *n, struct slice name)
{
    return map_get(&n->names, name);
}
