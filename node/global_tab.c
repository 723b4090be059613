#include "node/global_tab.h"

#include "base/mem.h"

const struct slice global_resource = {.ptr = (const uint8_t *)"\x77\x06global", .len = 8};

/* A process that has set a lock. */
struct global_holder {
    struct global_lock *lock;
    struct global_holder *next;
    struct etf_pid pid; /* its node's text stands in text */
    uint64_t monitor;
    uint8_t text[];
};

struct global_lock {
    struct slice resource, requester; /* stand in text */
    struct global_holder *holders;    /* owned */
    uint8_t text[];
};

void global_tab_init(struct global_tab *t, uint64_t seed)
{
    *t = (struct global_tab){0};
    map_init(&t->names, seed);
    map_init(&t->locks, seed + 1);
    map_init(&t->names_by_monitor, seed + 2);
    map_init(&t->holders, seed + 3);
}

void global_tab_fini(struct global_tab *t)
{
    size_t cursor = 0;
    void *it;

    while ((it = map_next(&t->holders, &cursor, NULL)))
        mem_free(it);
    cursor = 0;
    while ((it = map_next(&t->names, &cursor, NULL)))
        mem_free(it);
    cursor = 0;
    while ((it = map_next(&t->locks, &cursor, NULL)))
        mem_free(it);
    map_fini(&t->holders);
    map_fini(&t->names_by_monitor);
    map_fini(&t->names);
    map_fini(&t->locks);
}

static struct slice key_of(const uint64_t *monitor)
{
    return slice_of((const uint8_t *)monitor, sizeof *monitor);
}

static struct slice put_text(uint8_t **at, struct slice s)
{
    struct slice there = slice_of(*at, s.len);

    if (s.len)
        memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return there;
}

/* ---- names ---- */

const struct global_name *global_tab_get(const struct global_tab *t, struct slice name)
{
    return map_get(&t->names, name);
}

bool global_tab_delete(struct global_tab *t, struct slice name)
{
    struct global_name *gone = map_remove(&t->names, name);

    if (!gone)
        return false;
    map_remove(&t->names_by_monitor, key_of(&gone->monitor));
    t->unwatch(t->ctx, gone->monitor);
    mem_free(gone);
    return true;
}

static enum err add(struct global_tab *t, struct global_name *g)
{
    enum err e = t->watch(t->ctx, &g->pid, &g->monitor);

    if (e != ERR_NONE)
        return e;
    e = map_put(&t->names_by_monitor, key_of(&g->monitor), g);
    if (e == ERR_NONE) {
        e = map_put(&t->names, g->name, g);
        if (e != ERR_NONE)
            map_remove(&t->names_by_monitor, key_of(&g->monitor));
    }
    if (e != ERR_NONE)
        t->unwatch(t->ctx, g->monitor);
    return e;
}

enum err global_tab_put(struct global_tab *t, struct slice name, const struct etf_pid *pid,
                        struct slice method, struct slice by_node)
{
    struct global_name *g;
    uint8_t *at;
    enum err e;

    g = mem_zalloc(sizeof *g + name.len + method.len + by_node.len + pid->node.text.len);
    if (g) {
        at = g->text;
        g->name = put_text(&at, name);
        g->method = put_text(&at, method);
        g->by_node = put_text(&at, by_node);
        g->pid = *pid;
        g->pid.node.text = put_text(&at, pid->node.text);
    }
    (void)global_tab_delete(t, name); /* name may have been its text */
    if (!g)
        return ERR_NOMEM;
    e = t->names.count < GLOBAL_MAX_NAMES && name.len + method.len <= GLOBAL_MAX_TEXT ? add(t, g)
                                                                                      : ERR_OVERLOADED;
    if (e != ERR_NONE)
        mem_free(g);
    return e;
}

const struct global_name *global_tab_next(const struct global_tab *t, size_t *cursor)
{
    return map_next(&t->names, cursor, NULL);
}

/* ---- locks ---- */

static struct global_lock *lock_get(const struct global_tab *t, struct slice resource)
{
    return map_get(&t->locks, resource);
}

static struct global_holder **find_holder(struct global_lock *l, const struct etf_pid *pid)
{
    struct global_holder **at = &l->holders;

    while (*at && !etf_pid_eq(&(*at)->pid, pid))
        at = &(*at)->next;
    return at;
}

bool global_lock_is_free(const struct global_tab *t, struct slice resource, struct slice requester)
{
    const struct global_lock *l = lock_get(t, resource);

    return !l || slice_eq(l->requester, requester);
}

bool global_lock_is_set(const struct global_tab *t, struct slice resource)
{
    return lock_get(t, resource) != NULL;
}

static struct global_lock *lock_new(struct global_tab *t, struct slice resource, struct slice requester)
{
    struct global_lock *l = mem_zalloc(sizeof *l + resource.len + requester.len);
    uint8_t *at;

    if (!l)
        return NULL;
    at = l->text;
    l->resource = put_text(&at, resource);
    l->requester = put_text(&at, requester);
    if (map_put(&t->locks, l->resource, l) != ERR_NONE) {
        mem_free(l);
        return NULL;
    }
    return l;
}

static void drop_if_free(struct global_tab *t, struct global_lock *l, bool is_lost)
{
    if (l->holders)
        return;
    if (slice_eq(l->resource, global_resource))
        t->is_lock_lost = is_lost;
    map_remove(&t->locks, l->resource);
    mem_free(l);
}

static bool add_holder(struct global_tab *t, struct global_lock *l, const struct etf_pid *pid)
{
    struct global_holder *h = mem_zalloc(sizeof *h + pid->node.text.len);
    uint8_t *at;

    if (!h)
        return false;
    at = h->text;
    h->lock = l;
    h->pid = *pid;
    h->pid.node.text = put_text(&at, pid->node.text);
    if (t->watch(t->ctx, &h->pid, &h->monitor) != ERR_NONE) {
        mem_free(h);
        return false;
    }
    if (map_put(&t->holders, key_of(&h->monitor), h) != ERR_NONE) {
        t->unwatch(t->ctx, h->monitor);
        mem_free(h);
        return false;
    }
    h->next = l->holders;
    l->holders = h;
    return true;
}

bool global_lock_set(struct global_tab *t, struct slice resource, struct slice requester,
                     const struct etf_pid *pid)
{
    struct global_lock *l = lock_get(t, resource);

    if (l && !slice_eq(l->requester, requester))
        return false;
    if (l && *find_holder(l, pid))
        return true;
    if (t->holders.count >= GLOBAL_MAX_HOLDERS || resource.len + requester.len > GLOBAL_MAX_TEXT)
        return false;
    if (!l)
        l = lock_new(t, resource, requester);
    if (!l)
        return false;
    if (add_holder(t, l, pid))
        return true;
    drop_if_free(t, l, t->is_lock_lost);
    return false;
}

static void drop_holder(struct global_tab *t, struct global_holder **at, bool is_lost)
{
    struct global_holder *h = *at;
    struct global_lock *l = h->lock;

    *at = h->next;
    map_remove(&t->holders, key_of(&h->monitor));
    t->unwatch(t->ctx, h->monitor);
    mem_free(h);
    drop_if_free(t, l, is_lost);
}

void global_lock_del(struct global_tab *t, struct slice resource, struct slice requester,
                     const struct etf_pid *pid)
{
    struct global_lock *l = lock_get(t, resource);
    struct global_holder **at = l && slice_eq(l->requester, requester) ? find_holder(l, pid) : NULL;

    if (at && *at)
        drop_holder(t, at, false);
}

bool global_lock_permits(const struct global_tab *t, const struct etf_pid *pid, struct slice requester)
{
    struct global_lock *l = lock_get(t, global_resource);

    if (!l)
        return !t->is_lock_lost;
    return pid ? *find_holder(l, pid) != NULL : slice_eq(l->requester, requester);
}

/* ---- ends ---- */

void global_tab_down(struct global_tab *t, uint64_t monitor)
{
    struct global_holder *h = map_get(&t->holders, key_of(&monitor));
    const struct global_name *g = map_get(&t->names_by_monitor, key_of(&monitor));

    if (h)
        drop_holder(t, find_holder(h->lock, &h->pid), true);
    if (g)
        (void)global_tab_delete(t, g->name);
}

/* One pass over all; what is taken out moves others about, so that one pass may not meet all of them. */
static bool drop_some(struct global_tab *t, struct slice node)
{
    const struct global_name *g;
    struct global_holder *h;
    size_t cursor = 0;
    bool is_one = false;

    while ((g = map_next(&t->names, &cursor, NULL)))
        if (slice_eq(g->pid.node.text, node))
            is_one |= global_tab_delete(t, g->name);
    cursor = 0;
    while ((h = map_next(&t->holders, &cursor, NULL))) {
        if (slice_eq(h->pid.node.text, node)) {
            drop_holder(t, find_holder(h->lock, &h->pid), true);
            is_one = true;
        }
    }
    return is_one;
}

void global_tab_drop_node(struct global_tab *t, struct slice node)
{
    while (drop_some(t, node))
        ;
}
