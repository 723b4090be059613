/* Who waits until a scope has heard from all nodes, each a process so that it has a deadline and an end. */
#include "base/mem.h"
#include "node/actor.h"
#include "node/internal.h"
#include "node/pg.h"
#include "node/pg_scope.h"

struct pg_waiter {
    struct node_self self;
    struct pg_waiter *next;
    struct pg_scope *scope; /* borrowed, as long as it is in its list */
    node_done_fn *done;     /* NULL: it has been told */
    void *ctx;              /* borrowed */
    uint64_t id;
    bool is_long; /* who says nothing in its time is late */
};

enum { LATE_MS = 1000 };

static void unlist(struct pg_waiter *w)
{
    for (struct pg_waiter **at = w->scope ? &w->scope->waiters : NULL; at && *at; at = &(*at)->next) {
        if (*at == w) {
            *at = w->next;
            break;
        }
    }
    w->scope = NULL;
}

static void finish(struct pg_waiter *w, enum err e)
{
    struct node_result result = {.err = e};
    node_done_fn *done = w->done;

    unlist(w);
    w->done = NULL;
    node_exit_self(w->self, process_reason_normal);
    if (done)
        done(w->ctx, w->id, &result);
}

static void timeout(struct node_self self, void *state)
{
    struct pg_waiter *w = state;
    struct pg_scope *s = w->scope;

    (void)self;
    if (s && w->is_long)
        pg_scope_call_late(s);
    finish(w, ERR_TIMEOUT);
}

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    struct pg_waiter *w = state;

    (void)self;
    (void)reason;
    unlist(w);
    if (w->done)
        w->done(w->ctx, w->id, &(struct node_result){.err = ERR_CANCELLED});
    mem_free(w);
}

static const struct node_process_ops ops = {.kind = "pg_sync", .timeout = timeout, .ended = ended};

void pg_await_check(struct pg_scope *s)
{
    if (!pg_scope_is_settled(s))
        return;
    /* They are told one by one, and what they do may end others of them. */
    while (s->waiters)
        finish(s->waiters, ERR_NONE);
}

void pg_await_end(struct pg_scope *s)
{
    while (s->waiters)
        finish(s->waiters, ERR_NOT_FOUND);
}

enum err node_pg_sync(struct node *n, struct slice scope, bool looks_again, uint64_t timeout_ms,
                      node_done_fn *done, void *ctx, uint64_t id, uint64_t *ret_op)
{
    uint64_t unused;
    struct pg_scope *s = pg_scope_get(n, scope);
    struct pg_waiter *w;
    enum err e;

    ret_op = ret_op ? ret_op : &unused;
    *ret_op = 0;
    if (!s)
        return ERR_NOT_FOUND;
    if (looks_again)
        pg_scope_look(s);
    if (pg_scope_is_settled(s))
        return ERR_NONE;
    w = mem_zalloc(sizeof *w);
    if (!w)
        return ERR_NOMEM;
    e = node_spawn(n, &ops, w, &w->self);
    if (e != ERR_NONE) {
        mem_free(w);
        return e;
    }
    e = node_set_timeout(w->self, timeout_ms ? timeout_ms : 1);
    if (e != ERR_NONE) {
        node_exit_self(w->self, process_reason_normal);
        return e;
    }
    w->done = done;
    w->ctx = ctx;
    w->id = id;
    w->is_long = timeout_ms >= LATE_MS;
    w->scope = s;
    w->next = s->waiters;
    s->waiters = w;
    *ret_op = w->self.number;
    return ERR_NONE;
}

void node_pg_sync_cancel(struct node *n, uint64_t op)
{
    struct actor *a =
        op <= UINT32_MAX ? actor_get((struct node_self){.node = n, .number = (uint32_t)op}) : NULL;
    struct pg_waiter *w = a && a->ops == &ops ? a->state : NULL;

    if (!w)
        return;
    w->done = NULL;
    finish(w, ERR_CANCELLED);
}

void node_pg_drop_unused(struct node *n, struct slice scope)
{
    struct pg_scope *s = pg_scope_get(n, scope);

    if (!s || pg_scope_is_used(s))
        return;
    if (pg_scope_remembers(s))
        s->is_dropped = true;
    else
        node_exit_self(s->self, process_reason_normal);
}

enum node_pg_doubt node_pg_doubt(struct node *n, struct slice scope, bool *ret_was_told)
{
    const struct pg_scope *s = pg_scope_get(n, scope);

    *ret_was_told = false;
    return s ? pg_scope_doubt(s, ret_was_told) : NODE_PG_CERTAIN;
}
