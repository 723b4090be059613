#include "node/server.h"

#include "base/mem.h"
#include "etf/write.h"
#include "node/gen.h"
#include "node/internal.h"
#include "node/sys.h"

/* ---- from ---- */

struct kept_from {
    struct node_from from; /* the first member: it is what the caller holds */
    uint8_t bytes[];       /* the node's text, and the tag */
};

struct node_from *node_from_keep(const struct node_from *from)
{
    struct slice node = from->pid.node.text, tag;
    struct etf_rd r = from->tag;
    struct kept_from *k = NULL;
    struct wr w;

    wr_init(&w, NODE_TAG_MAX);
    if (etf_copy(&w, &r) == ERR_NONE)
        k = mem_alloc(sizeof *k + node.len + w.len);
    if (k) {
        tag = wr_written(&w);
        k->from.pid = from->pid;
        memcpy(k->bytes, node.ptr, node.len);
        memcpy(k->bytes + node.len, tag.ptr, tag.len);
        k->from.pid.node.text.ptr = k->bytes;
        k->from.tag = etf_rd_of(slice_of(k->bytes + node.len, tag.len), NULL);
    }
    wr_fini(&w);
    return k ? &k->from : NULL;
}

void node_from_free(struct node_from *from)
{
    mem_free(from);
}

bool node_from_ref(const struct node_from *from, struct etf_ref *ret)
{
    struct etf_rd tag = from->tag;

    return gen_tag_alias(tag, ret) || etf_read_ref(&tag, ret);
}

enum err node_reply(struct node_self self, const struct node_from *from, struct slice reply)
{
    struct actor *a = actor_get(self);
    uint32_t uses = 0;
    enum err e;

    if (!a)
        return ERR_NOPROC;
    e = spawn_check_term(reply, &uses);
    return e != ERR_NONE ? e : gen_reply(a, from, reply, uses);
}

/* ---- the server ---- */

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct server *s = state;
    struct node_from from;
    struct etf_rd request;

    if (gen_read_call(term, "$gen_call", &from, &request)) {
        if (s->ops->handle_call)
            s->ops->handle_call(self, s->state, &from, request);
    } else if (gen_read_cast(term, &request)) {
        if (s->ops->handle_cast)
            s->ops->handle_cast(self, s->state, request);
    } else if (gen_read_call(term, "system", &from, &request)) {
        sys_request(actor_get(self), s, &from, request);
    } else if (s->ops->handle_info) {
        s->ops->handle_info(self, s->state, term);
    }
}

static void result(struct node_self self, void *state, uint32_t tag, const struct node_result *r)
{
    struct server *s = state;

    if (s->ops->handle_result)
        s->ops->handle_result(self, s->state, tag, r);
}

static void down(struct node_self self, void *state, uint64_t monitor, const struct node_dest *what,
                 struct etf_rd reason)
{
    struct server *s = state;

    if (s->ops->handle_down)
        s->ops->handle_down(self, s->state, monitor, what, reason);
}

static void exit_came(struct node_self self, void *state, const struct etf_pid *from, struct etf_rd reason)
{
    struct server *s = state;

    if (s->ops->handle_exit)
        s->ops->handle_exit(self, s->state, from, reason);
}

static void timeout(struct node_self self, void *state)
{
    struct server *s = state;

    if (s->ops->handle_timeout)
        s->ops->handle_timeout(self, s->state);
}

static void node_changed(struct node_self self, void *state, const struct node_change *change)
{
    struct server *s = state;
    void (*plain)(struct node_self, void *, struct slice) =
        change->is_up ? s->ops->handle_nodeup : s->ops->handle_nodedown;

    if (s->ops->handle_node_changed)
        s->ops->handle_node_changed(self, s->state, change);
    else if (plain)
        plain(self, s->state, change->node);
}

static void unmonitored(struct node_self self, void *state, const struct etf_pid *by,
                        const struct etf_ref *monitor)
{
    struct server *s = state;

    if (s->ops->handle_unmonitored)
        s->ops->handle_unmonitored(self, s->state, by, monitor);
}

static void ended(struct node_self self, void *state, struct etf_rd reason)
{
    struct server *s = state;

    if (s->ops && s->ops->terminate)
        s->ops->terminate(self, s->state, reason);
    mem_free(s);
}

static const struct node_process_ops ops = {
    .kind = "gen_server",
    .message = message,
    .result = result,
    .down = down,
    .exit = exit_came,
    .timeout = timeout,
    .node_changed = node_changed,
    .unmonitored = unmonitored,
    .ended = ended,
};

enum err node_server_start(struct node *n, struct slice name, const struct node_server_ops *user, void *state,
                           struct node_self *ret_self)
{
    struct server *s = mem_zalloc(sizeof *s);
    enum err e;

    if (!s)
        return ERR_NOMEM;
    e = node_spawn(n, &ops, s, ret_self);
    if (e != ERR_NONE) {
        mem_free(s);
        return e;
    }
    /* Until it has its name it is nobody's: `terminate` is not for a server that did not start. */
    e = name.len ? node_register(*ret_self, name) : ERR_NONE;
    if (e == ERR_NONE)
        *s = (struct server){.ops = user, .state = state};
    else
        node_exit_self(*ret_self, process_reason_normal);
    return e;
}

/* ---- as a client ---- */

static bool target_of(const struct node *n, const struct node_dest *to, struct node_target *ret)
{
    *ret = (struct node_target){.is_pid = to->kind == NODE_DEST_PID,
                                .pid = to->pid,
                                .node = to->node.len ? to->node : n->name_slice,
                                .name = to->name};
    return to->kind != NODE_DEST_ALIAS;
}

static enum err request(struct node_self self, enum node_verb verb, const struct node_dest *to,
                        struct slice term, uint64_t timeout_ms, uint32_t tag, uint64_t *ret_op)
{
    struct node_target target;
    uint64_t op = 0;
    uint32_t uses = 0;
    enum err e;

    if (!actor_get(self))
        return ERR_NOPROC;
    if (!target_of(self.node, to, &target) || (!target.is_pid && !etf_is_atom_text(target.name)))
        return ERR_INVALID;
    e = spawn_check_term(term, &uses);
    if (e == ERR_NONE)
        e = node_request(self.node, verb, &target, term, uses, timeout_ms, actor_request_done, self.node,
                         (uint64_t)self.number << 32 | tag, &op);
    if (ret_op && e == ERR_NONE)
        *ret_op = op;
    return e;
}

enum err node_call(struct node_self self, const struct node_dest *to, struct slice term, uint64_t timeout_ms,
                   uint32_t tag, uint64_t *ret_op)
{
    return request(self, NODE_CALL, to, term, timeout_ms, tag, ret_op);
}

enum err node_cast(struct node_self self, const struct node_dest *to, struct slice term)
{
    struct actor *a = actor_get(self);
    uint32_t uses = 0;
    struct slice parts[2];
    struct wr w;
    enum err e;

    if (!a)
        return ERR_NOPROC;
    e = spawn_check_term(term, &uses);
    if (e == ERR_NONE && to->kind == NODE_DEST_NAME && !etf_is_atom_text(to->name))
        e = ERR_INVALID;
    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    etf_write_atom_str(&w, "$gen_cast");
    parts[0] = wr_written(&w);
    parts[1] = term;
    if (e == ERR_NONE)
        e = wr_ok(&w) ? actor_send(a, to, parts, 2, uses) : w.err;
    wr_fini(&w);
    return e;
}

/* One that fails at once is told later all the same: every node has one result. */
static void fail_later(struct node_self self, uint32_t tag, enum err e)
{
    struct dist_ctl ctl = {
        .op = (enum dist_op)SIGNAL_FAILED,
        .to = {.kind = DIST_END_PID, .pid = node_pid(self)},
        .id = (uint64_t)e << 32 | tag,
    };

    if (signals_add(&self.node->local, &ctl, NULL, 0) != ERR_NONE)
        LOG(LOG_WARN, "signal-lost", LOG_STR("signal", "result"));
}

enum err node_multi_call(struct node_self self, const char *const *nodes, uint32_t count, struct slice name,
                         struct slice term, uint64_t timeout_ms, uint32_t tag)
{
    uint32_t uses = 0;
    enum err e = actor_get(self) ? spawn_check_term(term, &uses) : ERR_NOPROC;

    for (uint32_t i = 0; e == ERR_NONE && i < count; i++) {
        struct node_dest to = {.kind = NODE_DEST_NAME, .name = name, .node = slice_of_str(nodes[i])};
        enum err failed = request(self, NODE_CALL, &to, term, timeout_ms, tag + i, NULL);

        if (failed != ERR_NONE)
            fail_later(self, tag + i, failed);
    }
    return e;
}
