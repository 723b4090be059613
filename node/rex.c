/*
 * rex: the server of that name: rpc of OTP before 25, of ei, and of whoever asks by message.
 *
 * {'$gen_call', From, {call, M, F, A, GroupLeader}} and block_call, {'$gen_cast', {cast, M, F, A,
 * GroupLeader}}, ei's {Pid, {call, M, F, A, GroupLeader}}, {Pid, features_request}, and what rpc:sbcast waits
 * for: {Pid, {sbcast, Name, Message}}, with its kin {Pid, {send, Name, Message}}.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/function.h"
#include "node/gen.h"
#include "node/internal.h"

/* {Verb, M, F, A, GroupLeader}: leaves the cursor at M. */
static bool read_request(struct etf_rd *r, const char *verb)
{
    return etf_read_tuple_is(r, 5) && etf_read_atom_is(r, verb);
}

static void run(struct actor *self, enum invocation_kind kind, const struct node_from *from,
                struct etf_rd mfa)
{
    struct etf_rd leader = mfa;
    struct etf_pid pid;
    struct actor *a;

    if (invocation_new(self->process.node, kind, leader, from, &a) != ERR_NONE) {
        LOG(LOG_WARN, "rpc-lost", LOG_STR("error", "out of memory"));
        return;
    }
    if (etf_skip(&leader, NULL) && etf_skip(&leader, NULL) && etf_skip(&leader, NULL) &&
        etf_read_pid(&leader, &pid) && actor_set_leader(a, &pid) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("signal", "GROUP_LEADER"));
    invocation_run(a, mfa);
}

static void tell(struct actor *a, const struct node_dest *to, const struct wr *w)
{
    struct slice term = wr_written(w);

    if (!wr_ok(w) || actor_send(a, to, &term, 1, 0) != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_SLICE("node", to->node.len ? to->node : to->pid.node.text));
}

static void features(struct actor *a, const struct node_dest *to)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "features_reply");
    etf_write_atom(&w, a->process.node->name_slice);
    etf_write_list(&w, 1);
    etf_write_atom_str(&w, "erpc");
    etf_write_nil(&w);
    tell(a, to, &w);
    wr_fini(&w);
}

/* {rex, node(), node()}: the name has the message; {rex, node(), {nonexisting_name, Name}}: missing, else
 * NULL. */
static void answer_broadcast(struct actor *a, const struct node_dest *to, const struct etf_atom *missing)
{
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 3);
    etf_write_atom_str(&w, "rex");
    etf_write_atom(&w, a->process.node->name_slice);
    if (missing) {
        etf_write_tuple(&w, 2);
        etf_write_atom_str(&w, "nonexisting_name");
        etf_write_atom_as(&w, *missing);
    } else {
        etf_write_atom(&w, a->process.node->name_slice);
    }
    tell(a, to, &w);
    wr_fini(&w);
}

/* {sbcast, Name, Message}: Name ! Message, and the asker is told. {send, Name, Message}: Name ! {Asker,
 * Message}, and Name answers, if there is one. */
static bool broadcast(struct actor *a, const struct node_dest *to, struct etf_rd r)
{
    struct wr name, w;
    struct node_dest dest;
    struct etf_atom atom;
    bool is_send;

    if (!etf_read_tuple_is(&r, 3))
        return false;
    is_send = etf_read_atom_is(&r, "send");
    if ((!is_send && !etf_read_atom_is(&r, "sbcast")) || !etf_read_atom(&r, &atom))
        return false;
    wr_init(&name, ETF_ATOM_MAX_BYTES);
    wr_init(&w, SIZE_MAX);
    dest = (struct node_dest){.kind = NODE_DEST_NAME, .name = route_atom_utf8(atom, &name)};
    if (!process_whereis(a->process.node, dest.name)) {
        answer_broadcast(a, to, &atom);
    } else {
        if (is_send) {
            etf_write_tuple(&w, 2);
            etf_write_pid(&w, &to->pid);
        }
        if (etf_copy(&w, &r) == ERR_NONE)
            tell(a, &dest, &w);
        if (!is_send)
            answer_broadcast(a, to, NULL);
    }
    wr_fini(&w);
    wr_fini(&name);
    return true;
}

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct actor *a = actor_get(self);
    struct node_dest asker = {.kind = NODE_DEST_PID};
    struct node_from from = {0};
    struct etf_rd r, again;

    (void)state;
    if (gen_read_call(term, "$gen_call", &from, &r)) {
        again = r;
        if (read_request(&r, "call") || (r = again, read_request(&r, "block_call")))
            run(a, INVOKE_CALL, &from, r);
        return;
    }
    if (gen_read_cast(term, &r)) {
        if (read_request(&r, "cast"))
            run(a, INVOKE_CAST, NULL, r);
        return;
    }
    r = term;
    if (!etf_read_tuple_is(&r, 2) || !etf_read_pid(&r, &from.pid))
        return;
    from.tag = etf_rd_of(process_reason_normal, NULL);
    asker.pid = from.pid;
    if (etf_read_atom_is(&r, "features_request"))
        features(a, &asker);
    else if (!broadcast(a, &asker, r) && read_request(&r, "call"))
        run(a, INVOKE_EI, &from, r);
}

static const struct node_process_ops ops = {.kind = "rex", .message = message};

enum err rex_start(struct node *n)
{
    struct actor *a;
    enum err e = actor_spawn(n, &ops, NULL, &a);

    if (e != ERR_NONE)
        return e;
    a->is_immune = true;
    n->rex = actor_self(a);
    return process_register(&a->process, SLICE("rex"));
}
