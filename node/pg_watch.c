/*
 * pg_watch: who is told of the changes in a scope of pg: pg:monitor and pg:monitor_scope.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/actor.h"
#include "node/internal.h"
#include "node/pg.h"
#include "node/pg_scope.h"

struct pg_subscriber {
    struct pg_subscriber *next;
    struct node_self self;
    uint64_t ref;       /* an alias that is never used, for its reference */
    uint64_t monitor;   /* the scope's, of it */
    struct slice group; /* empty: all; stands in text */
    uint8_t text[];
};

static void tell(const struct pg_scope *s, const struct pg_subscriber *sub, const struct pg_group *g,
                 const struct etf_pid *pid, int64_t times)
{
    struct node_dest to = node_to_pid(node_pid(sub->self));
    struct etf_ref ref;
    struct slice term;
    struct wr w;

    if (!node_ref_of(sub->self, sub->ref, &ref))
        return;
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 4);
    etf_write_ref(&w, &ref);
    etf_write_atom_str(&w, times > 0 ? "join" : "leave");
    wr_slice(&w, g->name);
    etf_write_list(&w, (uint32_t)(times > 0 ? times : -times));
    for (int64_t i = 0; i < (times > 0 ? times : -times); i++)
        etf_write_pid(&w, pid);
    etf_write_nil(&w);
    term = wr_written(&w);
    if (!wr_ok(&w) || actor_send(actor_get(s->self), &to, &term, 1, 0) != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("scope", s->name));
    wr_fini(&w);
}

void pg_watch_changed(void *scope, const struct pg_group *g, const struct etf_pid *pid, int64_t times)
{
    const struct pg_scope *s = scope;

    if (!actor_get(s->self))
        return;
    for (const struct pg_subscriber *sub = s->subscribers; sub; sub = sub->next)
        if (sub->group.len == 0 || slice_eq(sub->group, g->name))
            tell(s, sub, g, pid, times);
}

/* ---- life ---- */

static void drop(struct pg_scope *s, struct pg_subscriber **at)
{
    struct pg_subscriber *sub = *at;

    *at = sub->next;
    (void)node_unalias(sub->self, sub->ref);
    node_demonitor(s->self, sub->monitor);
    mem_free(sub);
}

bool pg_watch_down(struct pg_scope *s, uint64_t monitor)
{
    for (struct pg_subscriber **at = &s->subscribers; *at; at = &(*at)->next) {
        if ((*at)->monitor == monitor) {
            drop(s, at);
            return true;
        }
    }
    return false;
}

void pg_watch_end(struct pg_scope *s)
{
    while (s->subscribers)
        drop(s, &s->subscribers);
}

/* What it hears comes to an alias of its own; the scope hears of its end. */
static enum err subscribe(struct pg_scope *s, struct pg_subscriber *sub)
{
    struct node_dest what = node_to_pid(node_pid(sub->self));
    struct etf_ref ref;
    enum err e = node_alias(sub->self, NODE_ALIAS_EXPLICIT, &sub->ref, &ref);

    if (e != ERR_NONE)
        return e;
    e = node_monitor(s->self, &what, &sub->monitor);
    if (e != ERR_NONE)
        (void)node_unalias(sub->self, sub->ref);
    return e;
}

enum err node_pg_monitor(struct node_self self, struct slice scope, struct slice group, uint64_t *ret_monitor)
{
    struct pg_scope *s = pg_scope_get(self.node, scope);
    struct pg_subscriber *sub;
    struct wr name;
    enum err e;

    if (!s)
        return ERR_NOT_FOUND;
    e = group.len ? pg_scope_canonical(group, &name) : (wr_init(&name, SIZE_MAX), ERR_NONE);
    sub = e == ERR_NONE ? mem_zalloc(sizeof *sub + name.len) : NULL;
    if (sub) {
        sub->self = self;
        if (name.len)
            memcpy(sub->text, name.buf, name.len);
        sub->group = slice_of(sub->text, name.len);
        e = subscribe(s, sub);
    } else if (e == ERR_NONE) {
        e = ERR_NOMEM;
    }
    wr_fini(&name);
    if (e != ERR_NONE) {
        mem_free(sub);
        return e;
    }
    sub->next = s->subscribers;
    s->subscribers = sub;
    *ret_monitor = sub->ref;
    return ERR_NONE;
}

void node_pg_demonitor(struct node_self self, struct slice scope, uint64_t monitor)
{
    struct pg_scope *s = pg_scope_get(self.node, scope);

    for (struct pg_subscriber **at = s ? &s->subscribers : NULL; at && *at; at = &(*at)->next) {
        if ((*at)->ref == monitor && (*at)->self.number == self.number) {
            drop(s, at);
            return;
        }
    }
}
