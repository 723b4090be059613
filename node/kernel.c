/*
 * kernel: net_kernel, the process that every node has under this name: answers is_auth, which is
 * net_adm:ping/1.
 */
#include "base/mem.h"
#include "etf/write.h"
#include "node/internal.h"

/* {'$gen_call', {Pid, Tag}, Request}: leaves the cursor at Request. */
static bool read_gen_call(struct etf_rd *r, struct etf_pid *ret_from, struct slice *ret_tag)
{
    return etf_read_tuple_is(r, 3) && etf_read_atom_is(r, "$gen_call") && etf_read_tuple_is(r, 2) &&
           etf_read_pid(r, ret_from) && etf_skip(r, ret_tag);
}

/* The alias inside a tag [alias|Ref]; a tag of another form has none. */
static bool tag_alias(struct slice tag, const struct etf_atoms *atoms, struct etf_ref *ret)
{
    struct etf_rd r = etf_rd_of(tag, atoms);
    uint32_t len;

    return etf_peek(&r) == ETF_KIND_LIST && etf_read_list(&r, &len) && len == 1 &&
           etf_read_atom_is(&r, "alias") && etf_read_ref(&r, ret);
}

/* {Tag, yes}; the tag is given back as it came, whatever it is. */
static void reply_yes(const struct process *self, struct link *via, const struct etf_pid *to,
                      struct slice tag, const struct etf_atoms *atoms)
{
    struct etf_rd tag_rd = etf_rd_of(tag, atoms);
    struct etf_ref alias;
    struct slice payload;
    struct wr w;

    wr_init(&w, SIZE_MAX);
    etf_write_tuple(&w, 2);
    if (etf_copy(&w, &tag_rd) == ERR_NONE) {
        etf_write_atom_str(&w, "yes");
        payload = wr_written(&w);
        if (wr_ok(&w))
            route_send(self, via, to, tag_alias(tag, atoms, &alias) ? &alias : NULL, &payload, 1);
    }
    wr_fini(&w);
}

static void message(struct process *p, struct link *from, const struct etf_ref *alias, struct slice term,
                    const struct etf_atoms *atoms)
{
    struct etf_rd r = etf_rd_of(term, atoms);
    struct etf_pid caller;
    struct slice tag;

    (void)alias;
    /* What net_kernel does not know, it passes over, as OTP's does. */
    if (read_gen_call(&r, &caller, &tag) && etf_read_tuple_is(&r, 2) && etf_read_atom_is(&r, "is_auth"))
        reply_yes(p, from, &caller, tag, atoms);
}

static const struct process_ops ops = {.kind = "net_kernel", .message = message};

enum err kernel_start(struct node *n)
{
    enum err e;

    n->kernel = mem_zalloc(sizeof *n->kernel);
    if (!n->kernel)
        return ERR_NOMEM;
    e = process_start(n, n->kernel, &ops);
    return e != ERR_NONE ? e : process_register(n->kernel, SLICE("net_kernel"));
}

void kernel_stop(struct node *n)
{
    if (n->kernel)
        process_exit(n->kernel, process_reason_normal);
    mem_free(n->kernel);
    n->kernel = NULL;
}
