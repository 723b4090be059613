/*
 * kernel: net_kernel, the process that every node has under this name: answers is_auth, which is
 * net_adm:ping/1, and refuses to spawn, as nodes up to OTP 23 ask it after SPAWN_REQUEST was refused: they
 * wait for the answer without end.
 */
#include "node/gen.h"
#include "node/internal.h"

/* {spawn | spawn_link | spawn_opt, …} */
static bool is_spawn(const struct etf_rd *rd)
{
    struct etf_rd r = *rd;
    struct etf_atom word;

    return etf_read_atom(&r, &word) && word.text.len >= 5 && memcmp(word.text.ptr, "spawn", 5) == 0;
}

static void message(struct node_self self, void *state, struct etf_rd term)
{
    struct node_from from;
    struct etf_rd r, spawn;
    uint32_t arity;

    (void)state;
    if (gen_read_call(term, "$gen_call", &from, &spawn) && etf_read_tuple(&spawn, &arity) &&
        is_spawn(&spawn)) {
        gen_reply_atom(actor_get(self), &from, "notsup");
        return;
    }
    /* What net_kernel does not know, it passes over, as OTP's does. */
    if (gen_read_call(term, "$gen_call", &from, &r) && etf_read_tuple_is(&r, 2) &&
        etf_read_atom_is(&r, "is_auth"))
        gen_reply_atom(actor_get(self), &from, "yes");
}

static const struct node_process_ops ops = {.kind = "net_kernel", .message = message};

enum err kernel_start(struct node *n)
{
    struct actor *a;
    enum err e = actor_spawn(n, &ops, NULL, &a);

    if (e != ERR_NONE)
        return e;
    a->is_immune = true;
    return process_register(&a->process, SLICE("net_kernel"));
}
