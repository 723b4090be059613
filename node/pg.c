/* What programs call of pg (pg.h). The scopes are pg_scope.c's. */
#include "node/pg.h"

#include "node/actor.h"
#include "node/internal.h"
#include "node/pg_scope.h"

enum err node_pg_start(struct node *n, struct slice name)
{
    return pg_scope_get(n, name) ? ERR_NONE : pg_scope_start(n, name);
}

static enum err join_local(struct pg_scope *s, const struct etf_pid *pid, struct slice group)
{
    struct node_dest what = {.kind = NODE_DEST_PID, .pid = *pid};
    struct pg_owner *o = pg_owner_get(&s->view, pid);
    enum err e = ERR_NONE;

    if (!o) {
        o = pg_owner_add(&s->view, pid, true);
        if (!o)
            return ERR_NOMEM;
        e = node_monitor(s->self, &what, &o->monitor);
    }
    if (e == ERR_NONE)
        e = pg_join(&s->view, o, group, pid);
    if (e == ERR_NONE)
        pg_scope_announce(s, true, pid, group);
    else if (!o->members)
        pg_owner_drop(&s->view, o);
    return e;
}

enum err node_pg_join(struct node_self self, struct slice scope, struct slice group)
{
    struct pg_scope *s = pg_scope_get(self.node, scope);
    struct etf_pid pid = node_pid(self);
    struct wr name;
    enum err e;

    if (!s)
        return ERR_NOT_FOUND;
    if (!node_is_alive(self))
        return ERR_NOPROC;
    e = pg_scope_canonical(group, &name);
    if (e == ERR_NONE)
        e = join_local(s, &pid, wr_written(&name));
    wr_fini(&name);
    return e;
}

enum err node_pg_leave(struct node_self self, struct slice scope, struct slice group)
{
    struct pg_scope *s = pg_scope_get(self.node, scope);
    struct etf_pid pid = node_pid(self);
    struct pg_owner *o = s ? pg_owner_get(&s->view, &pid) : NULL;
    struct wr name;
    enum err e;

    if (!o)
        return ERR_NOT_FOUND;
    e = pg_scope_canonical(group, &name);
    if (e == ERR_NONE && !pg_leave(&s->view, o, wr_written(&name), &pid))
        e = ERR_NOT_FOUND;
    if (e == ERR_NONE)
        pg_scope_announce(s, false, &pid, wr_written(&name));
    if (e == ERR_NONE && !o->members) {
        node_demonitor(s->self, o->monitor);
        pg_owner_drop(&s->view, o);
    }
    wr_fini(&name);
    return e;
}

static struct pg_group *group_get(struct pg_scope *s, struct slice group)
{
    struct pg_group *g = NULL;
    struct wr name;

    if (!s)
        return NULL;
    if (pg_scope_canonical(group, &name) == ERR_NONE)
        g = pg_group_get(&s->view, wr_written(&name));
    wr_fini(&name);
    return g;
}

void node_pg_members(struct node *n, struct slice scope, struct slice group, node_pg_member_fn *each,
                     void *ctx)
{
    struct pg_group *g = group_get(pg_scope_get(n, scope), group);

    for (struct pg_member *m = g ? g->members : NULL; m; m = m->next_in_group)
        for (uint32_t i = 0; i < m->times; i++)
            each(ctx, &m->pid, m->owner->is_local);
}

void node_pg_groups(struct node *n, struct slice scope, node_pg_group_fn *each, void *ctx)
{
    struct pg_scope *s = pg_scope_get(n, scope);
    size_t cursor = 0;
    struct pg_group *g;

    while (s && (g = map_next(&s->view.groups, &cursor, NULL)))
        each(ctx, g->name, g->count, g->local_count);
}

/* The n-th member, with repetitions. */
static struct pg_member *member_at(const struct pg_group *g, size_t n)
{
    for (struct pg_member *m = g->members; m; m = m->next_in_group) {
        if (n < m->times)
            return m;
        n -= m->times;
    }
    return NULL;
}

enum err node_pg_send(struct node_self self, struct slice scope, struct slice group, struct slice term,
                      bool only_one, size_t *ret_count)
{
    struct pg_group *g = group_get(pg_scope_get(self.node, scope), group);
    struct pg_member *m = g ? g->members : NULL;
    size_t count = 0;
    enum err e = ERR_NONE;

    if (g && only_one)
        m = member_at(g, g->turn++ % g->count);
    for (; m && e == ERR_NONE; m = only_one ? NULL : m->next_in_group) {
        struct node_dest to = node_to_pid(m->pid);

        for (uint32_t i = 0; e == ERR_NONE && i < (only_one ? 1 : m->times); i++) {
            e = node_send(self, &to, term);
            count += e == ERR_NONE;
        }
    }
    if (ret_count)
        *ret_count = count;
    return e;
}
