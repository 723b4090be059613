#include "node/actor.h"

#include "base/mem.h"
#include "etf/write.h"
#include "node/internal.h"

struct node_self actor_self(const struct actor *a)
{
    return (struct node_self){.node = a->process.node, .number = a->number};
}

static struct actor *of_process(struct process *p)
{
    return (struct actor *)((char *)p - offsetof(struct actor, process));
}

static struct actor *of_alarm(struct deadline *d)
{
    return (struct actor *)((char *)d - offsetof(struct actor, alarm));
}

/* ---- the mailbox of a suspended one ---- */

/* {system, From, Request}: what sys sends gets through. */
static bool is_system(struct slice term, const struct etf_atoms *atoms)
{
    struct etf_rd r = etf_rd_of(term, atoms);

    return etf_read_tuple_is(&r, 3) && etf_read_atom_is(&r, "system");
}

/* True: it is kept for later. The term is the message or the reason. */
static bool hold(struct actor *a, const struct dist_ctl *ctl, struct slice term,
                 const struct etf_atoms *atoms)
{
    struct node *n = a->process.node;
    struct etf_rd r = etf_rd_of(term, atoms);
    struct dist_ctl kept = *ctl;
    size_t before = a->mailbox.bytes;
    struct slice copy;
    struct wr w;
    enum err e = ERR_NONE;

    if (!a->is_suspended)
        return false;
    kept.to = (struct dist_end){.kind = DIST_END_PID, .pid = process_pid(&a->process)};
    node_wr_init(n, &w);
    if (term.len)
        e = etf_copy(&w, &r);
    copy = wr_written(&w);
    /* However many are suspended: what waits for them all is bounded. */
    if (n->mailbox_bytes > n->max_queue || copy.len > n->max_queue - n->mailbox_bytes) {
        n->totals.over_max_queue++;
        e = ERR_OVERLOADED;
    }
    if (e == ERR_NONE && ctl->op != DIST_CTL_SEND) {
        kept.reason = copy;
        copy = (struct slice){0};
    }
    if (e == ERR_NONE)
        e = signals_add(&a->mailbox, &kept, &copy, 1);
    n->mailbox_bytes += a->mailbox.bytes - before;
    if (e != ERR_NONE && !a->has_lost)
        LOG(LOG_WARN, "signal-lost",
            LOG_STR("why", "a suspended process's mailbox; further ones are not logged"),
            LOG_STR("error", err_name(e)));
    a->has_lost |= e != ERR_NONE;
    wr_fini(&w);
    return true;
}

void actor_suspend(struct actor *a, bool is_suspended)
{
    struct node *n = a->process.node;

    a->is_suspended = is_suspended;
    a->has_lost = false;
    /* Soon, behind what waits: a server that sets its timeout anew whenever it runs out would have none any
     * more. */
    if (!is_suspended && a->is_overdue && actor_set_alarm(a, 1) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("signal", "timeout"));
    if (is_suspended || !a->mailbox.first)
        return;
    /* Before whatever else is on its way to it. */
    n->mailbox_bytes -= a->mailbox.bytes;
    signals_append(&a->mailbox, &n->local);
    n->local = a->mailbox;
    a->mailbox = (struct signals){0};
    n->has_news = true;
}

/* ---- what it is told ---- */

static void message(struct process *p, struct link *from, const struct etf_ref *alias, struct slice term,
                    const struct etf_atoms *atoms)
{
    struct actor *a = of_process(p);

    (void)from;
    (void)alias;
    if (a->is_suspended && !is_system(term, atoms) &&
        hold(a, &(struct dist_ctl){.op = DIST_CTL_SEND}, term, atoms))
        return;
    if (a->ops->message)
        a->ops->message(actor_self(a), a->state, etf_rd_of(term, atoms));
}

static void down(struct process *p, const struct etf_ref *ref, const struct dist_end *from,
                 struct slice reason, const struct etf_atoms *atoms)
{
    struct actor *a = of_process(p);
    struct actor_ref *r = watch_of_ref(p->node, ref);
    struct node_dest what;
    char *text = NULL;
    uint64_t id;

    if (!r || r->owner != a || !r->is_monitor)
        return; /* it was taken back */
    if (hold(a, &(struct dist_ctl){.op = DIST_CTL_MONITOR_P_EXIT, .from = *from, .ref = *ref}, reason, atoms))
        return;
    what = r->what;
    id = r->id;
    /* Out of the tables before it is told; the texts have to last for the call. */
    text = mem_strndup(r->what.kind == NODE_DEST_PID ? r->what.pid.node.text.ptr : r->text,
                       r->what.kind == NODE_DEST_PID ? r->what.pid.node.text.len
                                                     : r->what.name.len + r->node.len);
    if (text && what.kind == NODE_DEST_PID) {
        what.pid.node.text.ptr = (uint8_t *)text;
    } else if (text) {
        what.name.ptr = (uint8_t *)text;
        what.node = slice_of(text + what.name.len, r->node.len);
    }
    watch_drop(r);
    if (text && a->ops->down)
        a->ops->down(actor_self(a), a->state, id, &what, etf_rd_of(reason, atoms));
    mem_free(text);
}

static void exit_came(struct process *p, const struct etf_pid *from, bool is_link, struct slice reason,
                      const struct etf_atoms *atoms)
{
    struct actor *a = of_process(p);
    struct etf_rd r = etf_rd_of(reason, atoms), is = r;
    struct etf_pid self = process_pid(p);

    if (a->is_immune)
        return;
    /* exit(Pid, kill) cannot be trapped; a link that breaks with this reason can (erl ref man, "Processes").
     */
    if (!is_link && etf_read_atom_is(&is, "kill")) {
        actor_exit_with(a, process_reason_killed);
    } else if (a->traps_exit) {
        struct dist_ctl ctl = {.op = (enum dist_op)SIGNAL_EXIT, .from = {.kind = DIST_END_PID, .pid = *from}};

        if (!hold(a, &ctl, reason, atoms) && a->ops->exit)
            a->ops->exit(actor_self(a), a->state, from, r);
    } else if (!etf_read_atom_is(&is, "normal") || etf_pid_eq(from, &self)) {
        actor_exit(a, r);
    }
}

static void node_changed(struct actor *a, const struct dist_ctl *ctl)
{
    bool is_up = (int)ctl->op == SIGNAL_NODE_UP;
    struct node_change change = {.node = ctl->from.name.text,
                                 .is_up = is_up,
                                 .is_hidden = ctl->id & SIGNAL_NODE_HIDDEN,
                                 .was_dialled = ctl->id & SIGNAL_NODE_DIALLED,
                                 .reason = ctl->reason};
    void (*plain)(struct node_self, void *, struct slice) = is_up ? a->ops->nodeup : a->ops->nodedown;

    if (a->ops->node_changed)
        a->ops->node_changed(actor_self(a), a->state, &change);
    else if (plain)
        plain(actor_self(a), a->state, change.node);
}

static void other(struct process *p, const struct dist_ctl *ctl, const struct etf_atoms *atoms)
{
    struct actor *a = of_process(p);

    (void)atoms;
    switch ((int)ctl->op) {
    case DIST_CTL_GROUP_LEADER:
        if (actor_set_leader(a, &ctl->group_leader) != ERR_NONE)
            LOG(LOG_WARN, "signal-lost", LOG_STR("signal", "GROUP_LEADER"));
        break;
    case SIGNAL_FAILED:
        if (a->ops->result)
            a->ops->result(actor_self(a), a->state, (uint32_t)ctl->id,
                           &(struct node_result){.err = (enum err)(ctl->id >> 32)});
        break;
    case SIGNAL_EXIT:
        if (a->ops->exit)
            a->ops->exit(actor_self(a), a->state, &ctl->from.pid, etf_rd_of(ctl->reason, NULL));
        break;
    case SIGNAL_UNMONITORED:
        if (!hold(a, ctl, (struct slice){0}, NULL) && a->ops->unmonitored)
            a->ops->unmonitored(actor_self(a), a->state, &ctl->from.pid, &ctl->ref);
        break;
    case SIGNAL_NODE_UP:
    case SIGNAL_NODE_DOWN:
        if (!hold(a, ctl, ctl->reason, NULL))
            node_changed(a, ctl);
        break;
    }
}

static void stop(struct process *p)
{
    actor_exit_with(of_process(p), process_reason_shutdown);
}

static const struct process_ops ops = {
    .kind = "process", .message = message, .down = down, .exit = exit_came, .other = other, .stop = stop};

struct actor *actor_of(struct process *p)
{
    return p && p->ops == &ops ? of_process(p) : NULL;
}

struct actor *actor_get(struct node_self self)
{
    return self.number ? actor_of(pidtab_get(&self.node->processes, self.number)) : NULL;
}

/* ---- life ---- */

enum err actor_spawn(struct node *n, const struct node_process_ops *user, void *state, struct actor **ret)
{
    struct actor *a = mem_zalloc(sizeof *a);
    enum err e;

    if (!a)
        return ERR_NOMEM;
    e = process_start(n, &a->process, &ops);
    if (e != ERR_NONE) {
        mem_free(a);
        return e;
    }
    a->number = a->process.number;
    a->process.is_told_of_demonitor = user->unmonitored != NULL;
    a->ops = user;
    a->state = state;
    a->leader = route_own_pid(n, n->leader.number ? n->leader.number : a->number);
    *ret = a;
    return ERR_NONE;
}

void actor_exit(struct actor *a, struct etf_rd reason)
{
    struct node *n = a->process.node;
    struct slice told = process_reason_killed; /* where there is no memory: who is linked is to end too */
    struct wr w;

    if (!a->process.number)
        return;
    node_wr_init(n, &w);
    if (etf_copy(&w, &reason) == ERR_NONE) {
        a->reason = wr_take(&w, &a->reason_len);
        told = slice_of(a->reason, a->reason_len);
    } else {
        LOG(LOG_WARN, "exit-reason-lost", LOG_STR("process", a->ops->kind ? a->ops->kind : ""));
    }
    wr_fini(&w);
    if (a->ending)
        a->ending(a, told);
    deadlines_remove(&n->alarms, &a->alarm);
    watch_end(a);
    process_exit(&a->process, told);
    a->next_dead = n->dead_actors;
    n->dead_actors = a;
}

void actor_exit_with(struct actor *a, struct slice reason)
{
    actor_exit(a, etf_rd_of(reason, NULL));
}

void actors_bury(struct node *n)
{
    while (n->dead_actors) {
        struct actor *a = n->dead_actors;

        n->dead_actors = a->next_dead;
        if (a->ops->ended)
            a->ops->ended(
                actor_self(a), a->state,
                etf_rd_of(a->reason ? slice_of(a->reason, a->reason_len) : process_reason_killed, NULL));
        n->mailbox_bytes -= a->mailbox.bytes;
        signals_clear(&a->mailbox);
        mem_free(a->reason);
        mem_free(a->leader_text);
        mem_free(a);
    }
}

void actors_stop(struct node *n)
{
    size_t cursor = 0;
    struct process *p;

    while ((p = pidtab_next(&n->processes, &cursor))) {
        if (!p->ops->stop)
            continue;
        p->ops->stop(p);
        cursor = 0; /* the walk starts anew once something has left */
    }
}

/* ---- alarms ---- */

static void arm(struct node *n)
{
    struct deadline *first = deadlines_first(&n->alarms);
    uint64_t now = loop_now_ms(n->loop);

    if (!first || first->at_ms >= n->alarm_armed)
        return;
    n->alarm_armed = first->at_ms;
    loop_timer_start(n->alarm_timer, first->at_ms > now ? first->at_ms - now : 0);
}

enum err actor_set_alarm(struct actor *a, uint64_t ms)
{
    struct node *n = a->process.node;
    uint64_t now = loop_now_ms(n->loop);
    enum err e;

    deadlines_remove(&n->alarms, &a->alarm);
    a->is_overdue = false;
    if (ms == 0)
        return ERR_NONE;
    e = deadlines_add(&n->alarms, &a->alarm, deadline_after(now, ms));
    arm(n);
    return e;
}

void actors_expire(struct node *n)
{
    uint64_t now = loop_now_ms(n->loop);
    struct deadline *d;

    n->alarm_armed = UINT64_MAX;
    while ((d = deadlines_first(&n->alarms)) && d->at_ms <= now) {
        struct actor *a = of_alarm(d);

        deadlines_remove(&n->alarms, d);
        if (a->is_suspended)
            a->is_overdue = true; /* a receive that waits for sys alone has no timeout */
        else if (a->ops->timeout)
            a->ops->timeout(actor_self(a), a->state);
    }
    arm(n);
}

enum err actor_set_leader(struct actor *a, const struct etf_pid *leader)
{
    char *text = mem_strndup(leader->node.text.ptr, leader->node.text.len);

    if (!text)
        return ERR_NOMEM;
    mem_free(a->leader_text);
    a->leader_text = text;
    a->leader = *leader;
    a->leader.node.text.ptr = (uint8_t *)text;
    return ERR_NONE;
}

void actor_request_done(void *ctx, uint64_t id, const struct node_result *r)
{
    struct actor *a = actor_get((struct node_self){.node = ctx, .number = (uint32_t)(id >> 32)});

    if (a && a->ops->result)
        a->ops->result(actor_self(a), a->state, (uint32_t)id, r);
}
