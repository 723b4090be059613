#include "node/process.h"

#include "base/check.h"
#include "base/mem.h"
#include "etf/write.h"
#include "node/internal.h"

#define ATOM_TERM(len, text) SLICE_LIT("\x77" len text)

const struct slice process_reason_normal = ATOM_TERM("\x06", "normal");
const struct slice process_reason_noproc = ATOM_TERM("\x06", "noproc");
const struct slice process_reason_noconnection = ATOM_TERM("\x0C", "noconnection");
const struct slice process_reason_kill = ATOM_TERM("\x04", "kill");
const struct slice process_reason_killed = ATOM_TERM("\x06", "killed");
const struct slice process_reason_shutdown = ATOM_TERM("\x08", "shutdown");
const struct slice process_reason_system_limit = ATOM_TERM("\x0C", "system_limit");
const struct slice process_reason_disconnect = ATOM_TERM("\x0A", "disconnect");
const struct slice process_reason_closed = ATOM_TERM("\x11", "connection_closed");
const struct slice process_reason_tick_timeout = ATOM_TERM("\x10", "net_tick_timeout");
const struct slice process_reason_setup_failed = ATOM_TERM("\x17", "connection_setup_failed");

/* One who hears of a process's end: a monitor (with its reference) or a link. The texts stand behind the
 * struct. */
struct watcher {
    struct watcher *prev, *next;
    uint64_t link; /* over which it came, as the node's table has it: that link has its bytes; 0: none */
    bool is_monitor;
    uint64_t unlinking; /* the id of our UNLINK_ID that is not acknowledged yet; 0: linked */
    struct etf_pid peer;
    struct etf_ref ref; /* is_monitor */
    struct slice name;  /* is_monitor: what it was set on; empty: the pid */
    uint8_t text[];
};

enum err process_start(struct node *n, struct process *p, const struct process_ops *ops)
{
    *p = (struct process){.node = n, .ops = ops};
    map_init(&p->watchers, n->hash_seed);
    return pidtab_add(&n->processes, p, &p->number);
}

struct etf_pid process_pid(const struct process *p)
{
    return route_own_pid(p->node, p->number);
}

/* ---- who watches, by what it is ---- */

enum { KEY_NUMBERS = 2 + ETF_REF_MAX_WORDS + 4, KEY_MAX = 4 * KEY_NUMBERS + 2 * ETF_ATOM_MAX_BYTES };

/* A node's name so that its two spellings give one key. */
static size_t key_of_node(uint8_t *to, struct etf_atom node)
{
    size_t len = 0;

    for (size_t i = 0; i < node.text.len && len + 2 <= ETF_ATOM_MAX_BYTES; i++) {
        uint8_t c = node.text.ptr[i];

        if (node.is_latin1 && c >= 0x80) {
            to[len++] = (uint8_t)(0xC0 | c >> 6);
            c = 0x80 | (c & 0x3F);
        }
        to[len++] = c;
    }
    return len;
}

/* A link is known by the other end, a monitor by that and its reference: nobody can touch what is not its
 * own. */
static struct slice key_of(uint8_t buf[KEY_MAX], const struct etf_pid *peer, const struct etf_ref *ref)
{
    uint32_t numbers[KEY_NUMBERS] = {ref ? ref->count : 0, peer->id, peer->serial, peer->creation};
    size_t len = sizeof numbers;

    if (ref) {
        numbers[4] = ref->creation;
        memcpy(numbers + 5, ref->words, ref->count * sizeof ref->words[0]);
    }
    memcpy(buf, numbers, sizeof numbers);
    len += key_of_node(buf + len, peer->node);
    if (ref && !etf_atom_eq(ref->node, peer->node))
        len += key_of_node(buf + len, ref->node);
    return slice_of(buf, len);
}

static struct watcher *find(const struct process *p, const struct etf_pid *peer, const struct etf_ref *ref)
{
    uint8_t buf[KEY_MAX];

    return p->watchers.count ? map_get(&p->watchers, key_of(buf, peer, ref)) : NULL;
}

/*
 * What the watchers of one link's peer take, of all our processes. A peer may set as many as it likes, and
 * each stays until one of the two has ended. As much as one message of its may be by default: 300,000 with
 * names of usual length.
 */
enum { LINK_WATCHING_MAX = 128 << 20, WATCHER_BESIDE = 160 /* its place in the table, and the heap's own */ };

static size_t size_of(const struct watcher *w)
{
    /* The key has the nodes once more. */
    return sizeof *w + WATCHER_BESIDE + 2 * (w->peer.node.text.len + w->ref.node.text.len) + w->name.len;
}

static bool charge(struct watcher *w, struct link *from)
{
    size_t size = size_of(w);

    if (size > LINK_WATCHING_MAX - from->watching) {
        if (!from->is_told_of_watching)
            LOG(LOG_WARN, "watchers-refused", LOG_STR("node", from->name),
                LOG_UINT("limit_bytes", LINK_WATCHING_MAX),
                LOG_STR("why", "its processes monitor ours, and are linked to them, too often to remember: "
                               "they hear system_limit now"));
        from->is_told_of_watching = true;
        return false;
    }
    from->watching += size;
    w->link = from->id;
    return true;
}

static void watcher_free(struct node *n, struct watcher *w)
{
    struct link *from = w && w->link ? idtab_get(&n->links, w->link) : NULL;

    if (from)
        from->watching -= size_of(w);
    mem_free(w);
}

static struct watcher *watcher_new(const struct etf_pid *peer, const struct etf_ref *ref, struct slice name)
{
    size_t ref_node = ref ? ref->node.text.len : 0;
    struct watcher *w = mem_alloc(sizeof *w + peer->node.text.len + ref_node + name.len);
    uint8_t *at;

    if (!w)
        return NULL;
    *w = (struct watcher){.is_monitor = ref != NULL, .peer = *peer};
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

static enum err add(struct process *p, struct link *from, const struct etf_pid *peer,
                    const struct etf_ref *ref, struct slice name)
{
    uint8_t buf[KEY_MAX];
    struct watcher *w = watcher_new(peer, ref, name);
    enum err e = !w ? ERR_NOMEM : from && !charge(w, from) ? ERR_OVERLOADED : ERR_NONE;

    if (e == ERR_NONE)
        e = map_put(&p->watchers, key_of(buf, peer, ref), w);
    if (e != ERR_NONE) {
        watcher_free(p->node, w);
        return e;
    }
    w->prev = p->last_watcher;
    if (w->prev)
        w->prev->next = w;
    else
        p->first_watcher = w;
    p->last_watcher = w;
    return ERR_NONE;
}

static void drop(struct process *p, struct watcher *w)
{
    uint8_t buf[KEY_MAX];

    map_remove(&p->watchers, key_of(buf, &w->peer, w->is_monitor ? &w->ref : NULL));
    if (w->prev)
        w->prev->next = w->next;
    else
        p->first_watcher = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        p->last_watcher = w->prev;
    watcher_free(p->node, w);
}

/* ---- monitors ---- */

enum err process_add_monitor(struct process *p, struct link *from, const struct etf_pid *peer,
                             const struct etf_ref *ref, struct slice name)
{
    return find(p, peer, ref) ? ERR_NONE : add(p, from, peer, ref, name);
}

bool process_is_monitored(const struct process *p, const struct etf_pid *peer, const struct etf_ref *ref)
{
    return find(p, peer, ref) != NULL;
}

/* Later, as all that a process is told. */
static void drop_monitor(struct process *p, struct watcher *w)
{
    struct dist_ctl ctl = {
        .op = (enum dist_op)SIGNAL_UNMONITORED,
        .from = {.kind = DIST_END_PID, .pid = w->peer},
        .to = {.kind = DIST_END_PID, .pid = process_pid(p)},
        .ref = w->ref,
    };

    if (p->is_told_of_demonitor && signals_add(&p->node->local, &ctl, NULL, 0) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("signal", "unmonitored"));
    drop(p, w);
}

void process_remove_monitor(struct process *p, const struct etf_pid *peer, const struct etf_ref *ref)
{
    struct watcher *w = find(p, peer, ref);

    if (w)
        drop_monitor(p, w);
}

/* ---- links ---- */

enum err process_add_link(struct process *p, struct link *from, const struct etf_pid *peer)
{
    struct watcher *w = find(p, peer, NULL);

    if (!w)
        return add(p, from, peer, NULL, (struct slice){0});
    /* The peer had none, so it is a new one, whatever we were about to take down. */
    w->unlinking = 0;
    return ERR_NONE;
}

bool process_remove_link(struct process *p, const struct etf_pid *peer)
{
    struct watcher *w = find(p, peer, NULL);
    bool was_linked = w && !w->unlinking;

    /* One that we are taking down stays until the other end has said so. */
    if (was_linked)
        drop(p, w);
    return was_linked;
}

enum err process_link(struct process *p, const struct etf_pid *peer, bool *ret_is_new)
{
    struct watcher *w = find(p, peer, NULL);

    *ret_is_new = !w || w->unlinking;
    if (!w)
        return add(p, NULL, peer, NULL, (struct slice){0});
    w->unlinking = 0;
    return ERR_NONE;
}

uint64_t process_unlink(struct process *p, const struct etf_pid *peer, bool is_acked)
{
    struct watcher *w = find(p, peer, NULL);
    uint64_t id;

    if (!w || w->unlinking)
        return 0;
    id = ++p->node->last_unlink;
    if (is_acked)
        w->unlinking = id;
    else
        drop(p, w);
    return id;
}

void process_unlinked(struct process *p, const struct etf_pid *peer, uint64_t id)
{
    struct watcher *w = find(p, peer, NULL);

    if (w && w->unlinking && w->unlinking == id)
        drop(p, w);
}

/* ---- the end ---- */

static void tell(const struct process *p, const struct etf_pid *self, const struct watcher *w,
                 struct slice reason)
{
    struct dist_ctl ctl = {
        .op = w->is_monitor ? DIST_CTL_MONITOR_P_EXIT : DIST_CTL_EXIT,
        .from = {.kind = DIST_END_PID, .pid = *self},
        .to = {.kind = DIST_END_PID, .pid = w->peer},
        .ref = w->ref,
        .reason = reason,
    };

    if (w->unlinking)
        return;
    if (w->is_monitor && w->name.len)
        ctl.from = (struct dist_end){.kind = DIST_END_NAME, .name = {.text = w->name}};
    route_answer(p->node, w->peer.node, &ctl);
}

void process_exit(struct process *p, struct slice reason)
{
    struct watcher *w = p->first_watcher;
    struct etf_pid self;

    if (!p->number)
        return;
    self = process_pid(p);
    /* Out of every table first: whoever is told finds nobody here any more. */
    pidtab_remove(&p->node->processes, p->number);
    process_unregister(p);
    p->number = 0;
    p->first_watcher = p->last_watcher = NULL;
    map_fini(&p->watchers);
    while (w) {
        struct watcher *next = w->next;

        tell(p, &self, w, reason);
        watcher_free(p->node, w);
        w = next;
    }
}

void process_node_lost(struct process *p, struct slice node)
{
    struct watcher *next;

    for (struct watcher *w = p->first_watcher; w; w = next) {
        next = w->next;
        if (!etf_atom_eq(w->peer.node, (struct etf_atom){.text = node}))
            continue;
        if (w->is_monitor) {
            drop_monitor(p, w);
            continue;
        }
        if (w->unlinking) {
            drop(p, w);
            continue;
        }
        /* The link stays until the signal is delivered: it tells that the link was there. */
        route_exit_local(p->node, &w->peer, p->number, process_reason_noconnection);
    }
}

/* ---- names ---- */

enum err process_register(struct process *p, struct slice name)
{
    char *copy;

    CHECK(p->number);
    if (p->name.len)
        return ERR_INVALID;
    if (map_get(&p->node->names, name))
        return ERR_NAME_TAKEN;
    copy = mem_strndup(name.ptr, name.len);
    if (!copy || map_put(&p->node->names, name, p) != ERR_NONE) {
        mem_free(copy);
        return ERR_NOMEM;
    }
    p->name = slice_of(copy, name.len);
    return ERR_NONE;
}

void process_unregister(struct process *p)
{
    if (!p->name.len)
        return;
    map_remove(&p->node->names, p->name);
    mem_free((void *)(uintptr_t)p->name.ptr);
    p->name = (struct slice){0};
}

struct process *process_whereis(const struct node *n, struct slice name)
{
    return map_get(&n->names, name);
}
