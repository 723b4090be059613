/*
 * global_clash: two processes have one name when two nodes meet: what is done with them, by OTP's three ways.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/global_state.h"
#include "node/internal.h"
#include "node/rpc.h"

static const char *const functions[] = {
    [GLOBAL_EXIT] = "random_exit_name",
    [GLOBAL_NOTIFY] = "random_notify_name",
    [GLOBAL_NOTIFY_ALL] = "notify_all_name",
};

/* fun global:…/3. */
void global_method_write(struct wr *w, enum global_method m)
{
    etf_write_export(w, SLICE("global"), slice_of_str(functions[m]), 3);
}

static enum global_method read_method(struct etf_rd r)
{
    struct etf_atom module, function;
    uint64_t arity;

    if (!etf_read_export(&r, &module, &function, &arity) || arity != 3 || !etf_atom_is(module, "global"))
        return GLOBAL_METHOD_OTHER;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (etf_atom_is(function, functions[i]))
            return (enum global_method)i;
    return GLOBAL_METHOD_OTHER;
}

/* {global_name_conflict, Name}, or with the other pid as well. */
static void notify(struct node_self self, const struct etf_pid *to, struct etf_rd name,
                   const struct etf_pid *other)
{
    struct node_dest dest = node_to_pid(*to);
    enum err e;
    struct wr w;

    node_wr_init(self.node, &w);
    etf_write_tuple(&w, other ? 3 : 2);
    etf_write_atom_str(&w, "global_name_conflict");
    e = etf_copy(&w, &name);
    if (other)
        etf_write_pid(&w, other);
    if (e == ERR_NONE)
        e = wr_ok(&w) ? node_send(self, &dest, wr_written(&w)) : w.err;
    if (e != ERR_NONE)
        LOG(LOG_WARN, "message-lost", LOG_SLICE("node", to->node.text), LOG_STR("error", err_name(e)));
    wr_fini(&w);
}

enum global_winner global_clash(struct node_self self, struct etf_rd method, struct etf_rd name,
                                const struct etf_pid *first, const struct etf_pid *second)
{
    bool first_wins = slice_cmp(first->node.text, second->node.text) < 0;
    const struct etf_pid *loser = first_wins ? second : first;

    switch (read_method(method)) {
    case GLOBAL_EXIT:
        LOG(LOG_INFO, "global-name-clash", LOG_STR("done", "a process is killed"),
            LOG_SLICE("node", loser->node.text));
        if (node_exit(self, loser, process_reason_kill) != ERR_NONE)
            LOG(LOG_WARN, "signal-lost", LOG_SLICE("node", loser->node.text));
        break;
    case GLOBAL_NOTIFY: notify(self, loser, name, NULL); break;
    case GLOBAL_NOTIFY_ALL:
        notify(self, first, name, second);
        notify(self, second, name, first);
        return GLOBAL_NOBODY;
    case GLOBAL_METHOD_OTHER: return GLOBAL_NOBODY; /* a function that this node does not have */
    }
    return first_wins ? GLOBAL_FIRST : GLOBAL_SECOND;
}

/* global:resolve_it(Method, Name, Pid1, Pid2). */
static bool resolve(struct node_self self, struct etf_rd args, struct wr *w)
{
    struct etf_rd method = args, name;
    struct etf_pid first, second;

    if (!etf_skip(&args, NULL))
        return false;
    name = args;
    if (!etf_skip(&args, NULL) || !etf_read_pid(&args, &first) || !etf_read_pid(&args, &second))
        return false;
    switch (global_clash(self, method, name, &first, &second)) {
    case GLOBAL_FIRST: etf_write_pid(w, &first); break;
    case GLOBAL_SECOND: etf_write_pid(w, &second); break;
    case GLOBAL_NOBODY: etf_write_atom_str(w, "none"); break;
    }
    return true;
}

static void resolve_it(void *ctx, struct node_self self, struct etf_rd args)
{
    struct wr w;
    enum err e;

    (void)ctx;
    wr_init(&w, SIZE_MAX);
    if (!resolve(self, args, &w))
        etf_write_atom_str(&w, "badarg");
    e = wr_ok(&w) ? node_return(self, wr_written(&w)) : w.err;
    if (e != ERR_NONE)
        LOG(LOG_WARN, "reply-lost", LOG_STR("function", "global:resolve_it/4"),
            LOG_STR("error", err_name(e)));
    wr_fini(&w);
}

enum err global_clash_start(struct node *n)
{
    return node_register_function(n, "global", "resolve_it", 4, resolve_it, NULL);
}
