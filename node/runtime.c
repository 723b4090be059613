/* The processes of a node: what they need of it, and its own among them. */
#include "node/actor.h"
#include "node/function.h"
#include "node/internal.h"

static void again(void *ctx, uint64_t id)
{
    (void)ctx;
    (void)id; /* the turn that this makes is all that is wanted */
}

static void alarm_due(void *ctx, uint64_t id)
{
    (void)id;
    actors_expire(ctx);
}

enum err runtime_init(struct node *n)
{
    uint64_t seeds[2];

    loop_random(seeds, sizeof seeds);
    n->hash_seed = seeds[0];
    n->alarm_armed = UINT64_MAX;
    idtab_init(&n->refs);
    deadlines_init(&n->alarms);
    map_init(&n->functions, seeds[1]);
    n->again = loop_timer_new(n->loop, again, n, 0);
    n->alarm_timer = loop_timer_new(n->loop, alarm_due, n, 0);
    return n->again && n->alarm_timer ? functions_init(n) : ERR_NOMEM;
}

enum err runtime_start(struct node *n)
{
    enum err e = leader_start(n); /* the first: it is the group leader of the others */

    if (e == ERR_NONE)
        e = kernel_start(n);
    if (e == ERR_NONE)
        e = rex_start(n);
    if (e == ERR_NONE)
        e = callers_start(n);
    return e == ERR_NONE && n->is_visible ? global_start(n) : e;
}

void runtime_turn(struct node *n)
{
    route_deliver_local(n);
    actors_bury(n);
}

void runtime_stop(struct node *n)
{
    actors_stop(n);
    process_exit(&n->callers, process_reason_normal);
}

void runtime_free(struct node *n)
{
    functions_free(n);
    loop_timer_free(n->again);
    loop_timer_free(n->alarm_timer);
    deadlines_fini(&n->alarms);
    idtab_fini(&n->refs);
}
