#include "node/call_monitor.h"

#include "base/mem.h"
#include "node/internal.h"
#include "node/request.h"

/*
 * A process that is looked up by its name may be another one a moment later, for OTP as for us:
 * gen_server:call sends the monitor, and the call behind it. That moment is to be as short here: a node reads
 * a link in pieces, of 1,460 bytes up to OTP 28, and between two of them a server can end and be started
 * anew.
 */
enum { BETWEEN_MAX = 1024, SPARE_MAX = 256 };

struct call_monitor {
    uint64_t id;           /* in the node's table: its reference is made of it */
    struct link *link;     /* borrowed */
    struct request *calls; /* on it; by monitor_next */
    bool is_down;          /* its DOWN is being told */
    struct call_monitor *next_spare;
};

/* ---- life ---- */

static void monitor_free(struct node *n, struct call_monitor *m)
{
    idtab_remove(&n->call_monitors, m->id);
    if (m->link->open_monitor == m)
        m->link->open_monitor = NULL;
    if (n->spare_monitor_count == SPARE_MAX) {
        mem_free(m);
        return;
    }
    m->next_spare = n->spare_monitors;
    n->spare_monitors = m;
    n->spare_monitor_count++;
}

void call_monitors_free_spare(struct node *n)
{
    while (n->spare_monitors) {
        struct call_monitor *m = n->spare_monitors;

        n->spare_monitors = m->next_spare;
        mem_free(m);
    }
    n->spare_monitor_count = 0;
}

static struct call_monitor *monitor_new(struct node *n, struct link *l)
{
    struct call_monitor *m = n->spare_monitors;

    if (m) {
        n->spare_monitors = m->next_spare;
        n->spare_monitor_count--;
    } else {
        m = mem_alloc(sizeof *m);
    }
    if (!m)
        return NULL;
    *m = (struct call_monitor){.link = l, .id = idtab_add(&n->call_monitors, m)};
    if (m->id)
        return m;
    mem_free(m);
    return NULL;
}

/* ---- its calls ---- */

static void enter(struct call_monitor *m, struct request *r)
{
    r->monitor = m;
    r->monitor_prev = NULL;
    r->monitor_next = m->calls;
    if (m->calls)
        m->calls->monitor_prev = r;
    m->calls = r;
}

static void take_out(struct call_monitor *m, struct request *r)
{
    if (r->monitor_prev)
        r->monitor_prev->monitor_next = r->monitor_next;
    else
        m->calls = r->monitor_next;
    if (r->monitor_next)
        r->monitor_next->monitor_prev = r->monitor_prev;
    r->monitor = NULL;
}

static enum err say(const struct request *r, const struct call_monitor *m, enum dist_op op)
{
    const struct node *n = r->process.node;
    struct dist_ctl ctl = {
        .op = op,
        .from = {.kind = DIST_END_PID, .pid = process_pid(&n->callers)},
        .to = request_target(r),
        .ref = route_own_ref(n, REF_CALL_MONITOR, m->id),
    };

    return link_send(m->link, &ctl, NULL, 0);
}

bool call_monitor_suits(const struct request *r, const struct link *l)
{
    return r->kind == REQUEST_CALL && !r->from && dist_conn_peer_is_otp(l->conn);
}

/* The one that is set already, if it watches what this call is for. A pid is the same process for ever. */
static struct call_monitor *open_for(const struct request *r, const struct link *l)
{
    struct call_monitor *m = l->open_monitor;
    const struct request *other = m ? m->calls : NULL;

    if (!other || other->to_pid != r->to_pid)
        return NULL;
    if (r->to_pid)
        return etf_pid_eq(&other->pid, &r->pid) ? m : NULL;
    return slice_eq(other->name, r->name) && dist_conn_queued(l->conn) - l->open_at <= BETWEEN_MAX ? m : NULL;
}

enum err call_monitor_join(struct request *r)
{
    struct node *n = r->process.node;
    struct link *l = r->link;
    struct call_monitor *m = open_for(r, l);
    enum err e;

    if (m) {
        enter(m, r);
        return ERR_NONE;
    }
    m = monitor_new(n, l);
    if (!m)
        return ERR_NOMEM;
    e = say(r, m, DIST_CTL_MONITOR_P);
    if (e != ERR_NONE) {
        monitor_free(n, m);
        return e;
    }
    enter(m, r);
    l->open_monitor = m;
    l->open_at = dist_conn_queued(l->conn);
    return ERR_NONE;
}

void call_monitor_leave(struct request *r)
{
    struct call_monitor *m = r->monitor;

    if (!m)
        return;
    take_out(m, r);
    if (m->calls || m->is_down)
        return;
    /* Over a link that has ended there is nothing to give back. */
    if (m->link->state == LINK_UP && say(r, m, DIST_CTL_DEMONITOR_P) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("node", m->link->name), LOG_STR("signal", "DEMONITOR_P"));
    monitor_free(r->process.node, m);
}

void call_monitor_close(struct link *l)
{
    l->open_monitor = NULL;
}

/* ---- DOWN ---- */

/* Whoever hears of it may end others of the same calls, or the link, or the node: the list is looked at anew
 * each time. */
static void down(struct process *p, const struct etf_ref *ref, const struct dist_end *from,
                 struct slice reason, const struct etf_atoms *atoms)
{
    struct node *n = p->node;
    struct call_monitor *m = idtab_get(&n->call_monitors, route_ref_id(n, REF_CALL_MONITOR, ref));

    (void)from;
    if (!m || m->is_down)
        return;
    m->is_down = true;
    call_monitor_close(m->link);
    while (m->calls) {
        struct request *r = m->calls;

        take_out(m, r);
        request_callee_down(r, reason, atoms);
    }
    monitor_free(n, m);
}

static void message(struct process *p, struct link *from, const struct etf_ref *alias, struct slice term,
                    const struct etf_atoms *atoms)
{
    (void)from;
    (void)alias;
    (void)term;
    (void)atoms;
    p->node->unknown_dropped++;
}

static const struct process_ops ops = {.kind = "callers", .message = message, .down = down};

enum err callers_start(struct node *n)
{
    return process_start(n, &n->callers, &ops);
}
