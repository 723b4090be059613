#include "node/spawned.h"

#include "etf/write.h"
#include "node/function.h"
#include "node/internal.h"

enum { SPAWNED_LINK = 1, SPAWNED_MONITOR = 2 }; /* SPAWN_REPLY's flags */

static void reply(struct node *n, const struct dist_ctl *c, uint64_t flags, struct slice result)
{
    struct dist_ctl ctl = {
        .op = DIST_CTL_SPAWN_REPLY, .ref = c->ref, .to = c->from, .id = flags, .reason = result};

    route_answer(n, c->from.pid.node, &ctl);
}

static void refuse(struct node *n, const struct dist_ctl *c, const char *why)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_atom_str(&w, why);
    if (wr_ok(&w))
        reply(n, c, 0, wr_written(&w));
    wr_fini(&w);
}

/* The list of options: `link` and `monitor`, also as {monitor, _}; what concerns the heap and the scheduler
 * is nothing to us. False: no proper list. */
static bool read_options(struct etf_rd r, uint64_t *ret_flags)
{
    uint32_t count = 0, arity;
    struct etf_atom option;

    *ret_flags = 0;
    if (etf_read_nil(&r))
        return true;
    if (!etf_read_list(&r, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct slice whole;
        struct etf_rd o;

        if (!etf_skip(&r, &whole))
            return false;
        o = etf_rd_of(whole, r.atoms);
        if (etf_peek(&o) == ETF_KIND_TUPLE && !etf_read_tuple(&o, &arity))
            return false;
        if (!etf_read_atom(&o, &option))
            return false;
        if (etf_atom_is(option, "link"))
            *ret_flags |= SPAWNED_LINK;
        else if (etf_atom_is(option, "monitor"))
            *ret_flags |= SPAWNED_MONITOR;
    }
    return etf_read_nil(&r);
}

/* erpc:execute_call/4 or execute_cast/3. */
static bool read_function(struct etf_rd mfa, enum invocation_kind *ret_kind)
{
    int64_t arity;
    bool is_call;

    if (!etf_read_tuple_is(&mfa, 3) || !etf_read_atom_is(&mfa, "erpc"))
        return false;
    is_call = etf_read_atom_is(&mfa, "execute_call");
    if ((!is_call && !etf_read_atom_is(&mfa, "execute_cast")) || !etf_read_int64(&mfa, &arity))
        return false;
    *ret_kind = is_call ? INVOKE_ERPC : INVOKE_CAST;
    return arity == (is_call ? 4 : 3);
}

/* [Token, M, F, A] or [M, F, A]: leaves the cursor at M. */
static bool read_args(struct etf_rd *r, enum invocation_kind kind, struct etf_rd *ret_token)
{
    uint32_t count;
    struct slice token = {0};

    if (!etf_read_list(r, &count) || count != (kind == INVOKE_ERPC ? 4u : 3u) ||
        (kind == INVOKE_ERPC && !etf_skip(r, &token)))
        return false;
    *ret_token = etf_rd_of(token, r->atoms);
    return true;
}

static enum err watch(struct actor *a, struct link *l, const struct dist_ctl *c, uint64_t flags)
{
    enum err e = ERR_NONE;

    if (flags & SPAWNED_MONITOR)
        e = process_add_monitor(&a->process, l, &c->from.pid, &c->ref, (struct slice){0});
    if (e == ERR_NONE && (flags & SPAWNED_LINK))
        e = process_add_link(&a->process, l, &c->from.pid);
    return e == ERR_NONE ? actor_set_leader(a, &c->group_leader) : e;
}

static void spawned(struct node *n, struct link *l, const struct dist_ctl *c, struct actor *a, uint64_t flags,
                    struct etf_rd mfa)
{
    struct etf_pid pid = process_pid(&a->process);
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_pid(&w, &pid);
    if (wr_ok(&w) && watch(a, l, c, flags) == ERR_NONE) {
        reply(n, c, flags, wr_written(&w));
        invocation_run(a, mfa);
    } else {
        refuse(n, c, "system_limit");
        process_remove_monitor(&a->process, &c->from.pid, &c->ref);
        process_remove_link(&a->process, &c->from.pid);
        actor_exit_with(a, process_reason_killed);
    }
    wr_fini(&w);
}

void spawn_request_came(struct node *n, struct link *l, const struct dist_message *m)
{
    const struct dist_ctl *c = &m->ctl;
    struct etf_rd args = etf_rd_of(m->payload, m->atoms), token;
    enum invocation_kind kind;
    struct actor *a;
    uint64_t flags;

    if (m->is_cut) {
        refuse(n, c, "system_limit");
    } else if (!read_options(etf_rd_of(c->options, m->atoms), &flags)) {
        refuse(n, c, "badopt");
    } else if (!read_function(etf_rd_of(c->mfa, m->atoms), &kind)) {
        refuse(n, c, "notsup");
    } else if (!read_args(&args, kind, &token)) {
        refuse(n, c, "badarg");
    } else if (n->is_quiet || invocation_new(n, kind, token, NULL, &a) != ERR_NONE) {
        refuse(n, c, "system_limit");
    } else {
        spawned(n, l, c, a, flags, args);
    }
}

void spawn_reply_late(struct node *n, const struct dist_ctl *c, const struct etf_atoms *atoms)
{
    struct etf_rd r = etf_rd_of(c->reason, atoms);
    struct dist_ctl ctl = {.op = DIST_CTL_DEMONITOR_P, .from = c->to, .ref = c->ref};

    if (!(c->id & SPAWNED_MONITOR) || !etf_read_pid(&r, &ctl.to.pid))
        return;
    ctl.to.kind = DIST_END_PID;
    route_answer(n, ctl.to.pid.node, &ctl);
}
